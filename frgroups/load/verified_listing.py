"""
Reads one list of the API whole, and says how sure that is. Load, preflight and read-back all stand on it.

Pages are offsets into a list that others change: a swap between two pages keeps the total and loses a row
without a trace. So consecutive windows share a row, by varying the page size: window k of size s holds the
rows k*s to (k+1)*s. While those who stay keep their order, a shared row that is found in its place in both
windows proves that nobody slipped between them, in whatever order the windows were read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from frgroups.api.client import Client
from frgroups.api.pagination import MANY_PAGES, Window, overlapping_windows
from frgroups.api.retry import sleep, stop_waiting_at
from frgroups.api.schema.records import Group, Named, Page, Record
from frgroups.errors import UnexpectedResponseError

Key = TypeVar("Key", bound=Hashable)

# No list of customers is longer; who counts more is not asked for them.
MAX_ROWS = 200_000_000

# Stands for the operation until `listing_context` knows which list it was.
_REPEATS = "a later page repeats the first one"
_PAGING = "paging"

MAX_REREADS = 3
PAUSE = 0.2


@dataclass(frozen=True, slots=True)
class PageRows(Generic[Key]):
    """
    What the proof of a list needs of one page: who stands on it, as uids or as codes for them.

    `misnamed` are those whose record names groups, and not the one that the page is of; `n_naming` counts those
    that name any group at all; `n_new` those that nobody had seen before.
    """

    keys: list[Key]
    page_number: int
    page_size: int
    total_count: int
    without_uid: int = 0
    missing_backreference: Sequence[Key] = ()
    n_naming: int = 0
    n_new: int = 0


ReadRows = Callable[[int | None, int | None], PageRows[Key]]


@dataclass(frozen=True, slots=True)
class Listing(Generic[Key]):
    """
    Who is in one list, each once, with what proves that nobody is missing.

    `evidence` is "counts" (one page held them all), "seams", "second pass" or "none". `verdict` is
    "consistent" when the last reading proved itself, "drifted" when it still disagreed after the rereads,
    "unverifiable" when nothing but records without a uid stood in the way. `note` says what disagreed;
    `misnamed` counts records that name their groups, and not the one that they came from.
    """

    uids: Sequence[Key]
    evidence: str
    verdict: str
    pages: int
    total_first: int
    total_last: int
    rereads: int
    seconds: float
    note: str = ""
    missing_backreference: int = 0


def read_groups(client: Client, *, pool: Executor | None = None) -> tuple[dict[str, Group], Listing[str]]:
    """Every group of the tenant by its uid, and how sure the list is."""
    groups: dict[str, Group] = {}

    def read(number: int | None, size: int | None) -> PageRows[str]:
        page = client.read_group_page(number, size)
        groups.update({group.uid: group for group in page.items})
        return page_rows(page, page.uids)

    with listing_context(client, "get-customer-groups", "the groups"):
        listing = read_listing(read, pool=pool)
    return {uid: groups[uid] for uid in listing.uids}, listing


def read_members(client: Client, group_uid: str, *, pool: Executor | None = None) -> Listing[str]:
    """
    Who is in one group, by pages.

    Besides the proof of the list itself, every record must name the group it came from, where records name
    their groups at all.
    """

    def read(number: int | None, size: int | None) -> PageRows[str]:
        page = client.read_customer_page(group_uid, number, size, record=Named)
        misnamed = [one.uid for one in page.items if _misnames(one, group_uid)]
        naming = sum(1 for one in page.items if one.customer_group_uids)
        return page_rows(page, page.uids, missing_backreference=misnamed, n_naming=naming)

    with listing_context(client, "get-customer-groups-customers", f"the customers of group {group_uid}"):
        return read_listing(read, pool=pool)


def _misnames(customer: Named, group_uid: str) -> bool:
    return customer.customer_group_uids is not None and group_uid not in customer.customer_group_uids


def page_rows(
    page: Page[Record],
    keys: list[Key],
    *,
    missing_backreference: Sequence[Key] = (),
    n_naming: int = 0,
    n_new: int = 0,
) -> PageRows[Key]:
    """The page with these keys in place of its records."""
    told = (page.page_number, page.page_size, page.total_count, page.without_uid)
    return PageRows(keys, *told, missing_backreference=missing_backreference, n_naming=n_naming, n_new=n_new)


def read_listing(
    read_page: ReadRows[Key], *, first: PageRows[Key] | None = None, pool: Executor | None = None
) -> Listing[Key]:
    """Read until a reading proves itself, at most REREADS times more."""
    started = time.monotonic()
    reading = ListingReader(read_page, first or read_page(None, None), pool)
    total_first, pages, rereads = reading.total, 0, 0
    while True:
        misnamed = reading.missing_backreference()
        problem = reading.disagreement()
        if not problem and misnamed:
            problem = f"{misnamed} records do not name the group they came from"
        pages += reading.pages
        if not problem or rereads == MAX_REREADS:
            break
        rereads += 1
        sleep(PAUSE * rereads)
        reading = ListingReader(read_page, read_page(None, None), pool)
    unverifiable = reading.without_uid > 0 and not problem
    return Listing(
        uids=list(dict.fromkeys(reading.keys)),
        evidence="none" if unverifiable or problem else reading.evidence,
        verdict="unverifiable" if unverifiable else "drifted" if problem else "consistent",
        pages=pages,
        total_first=total_first,
        total_last=reading.total_last,
        rereads=rereads,
        seconds=round(time.monotonic() - started, 3),
        note=f"{reading.without_uid} records without a uid" if unverifiable else problem,
        missing_backreference=misnamed,
    )


class ListingReader(Generic[Key]):
    """One reading of a list from its first page to its end, and what in it disagrees."""

    def __init__(self, read_page: ReadRows[Key], first: PageRows[Key], pool: Executor | None) -> None:
        self._read_page = read_page
        self._map = pool.map if pool is not None else map
        self._base = first.page_number
        self._first = first
        self._misnamed: set[Key] = set(first.missing_backreference)
        self._n_naming = first.n_naming
        self.total = self.total_last = first.total_count
        self.without_uid = first.without_uid
        self.pages = 1
        self.keys: list[Key] = list(first.keys)
        self._problem = ""
        if first.total_count <= len(first.keys) + first.without_uid:
            self.evidence = "counts"
            if first.total_count < len(first.keys):
                self._problem = f"{len(first.keys)} came of {first.total_count} counted"
            elif 0 < first.page_size <= len(first.keys) + first.without_uid:
                self._check_next_page()
            return
        if first.total_count > MAX_ROWS:
            raise _not_paged(f"{first.total_count} rows are counted", first)
        if first.page_size < 1:
            raise _not_paged(f"a page says that its size is {first.page_size}", first)
        if self._total_is_far_off():
            self._problem = f"{self.total} are counted, but the last page is empty"
            self.evidence = "none"
            return
        short = len(first.keys) < first.page_size
        windows = None if short else overlapping_windows(first.page_size, first.total_count)
        if windows is None or not self._seamed(windows):
            self._read_two_passes()

    def disagreement(self) -> str:
        """What speaks against this reading, or nothing."""
        if self._problem:
            return self._problem
        distinct = len(set(self.keys))
        if distinct < len(self.keys):
            return f"{len(self.keys) - distinct} came twice"
        if self.total_last != self.total:
            return f"the total moved from {self.total} to {self.total_last}"
        if distinct + self.without_uid != self.total:
            return f"{distinct} came of {self.total} counted"
        return ""

    def missing_backreference(self) -> int:
        """How many name groups, and not this one; a list in which nobody names any says nothing."""
        return len(self._misnamed) if self._n_naming else 0

    def _seamed(self, windows: Sequence[Window]) -> bool:
        """Read overlapping windows; False when the service grants other sizes, or rows cannot be told apart."""
        pages = list(self._map(self._window, windows))
        self.pages += len(pages)
        self.evidence = "seams"
        self._refuse_repetition(pages)
        if any(page.page_size != size or page.without_uid for page, (_, size) in zip(pages, windows, strict=True)):
            return False
        keys = list(self._first.keys)
        for page, (k, size) in zip(pages, windows, strict=True):
            self._look_at(page)
            shared = keys[k * size :]
            if shared != page.keys[: len(shared)]:
                self._problem = f"rows {k * size} to {len(keys)} changed between two pages"
            del keys[k * size :]
            keys += page.keys
        self.keys = keys
        return True

    def _read_two_passes(self) -> None:
        """Read all pages at one size, and then again: two passes that agree are the evidence."""
        self.evidence = "second pass"
        rest = range(1, -(-self.total // self._first.page_size))
        passes = []
        for first in (self._first, None):
            if first is None:
                self.pages += 1
                first = self._same_size(0)
            pages = list(self._map(self._same_size, rest))
            self.pages += len(pages)
            self._refuse_repetition(pages)
            for page in pages:
                self._look_at(page)
            self.without_uid = first.without_uid + sum(page.without_uid for page in pages)
            passes.append([*first.keys, *(key for page in pages for key in page.keys)])
        self.keys = passes[-1]
        if passes[0] != passes[1]:
            self._problem = "two passes over the pages differ"

    def _check_next_page(self) -> None:
        """Whether a full page is all there is, as its total says: a service may count the page, not the list."""
        behind = self._same_size(1)
        self.pages += 1
        # Some services give their last page again when asked for one behind it.
        if behind.page_number > self._base and behind.keys and behind.keys != self._first.keys:
            self._problem = f"{self.total} are counted, and the page behind them holds {len(behind.keys)} more"
            self.evidence = "none"

    def _total_is_far_off(self) -> bool:
        """Whether a total of many pages is not borne out by the last of them: one request instead of thousands."""
        last = -(-self.total // self._first.page_size) - 1
        if last < MANY_PAGES:
            return False
        page = self._same_size(last)
        self.pages += 1
        starts_at = (page.page_number - self._base) * page.page_size
        return not page.keys and not page.without_uid and starts_at < self.total

    def _window(self, window: Window) -> PageRows[Key]:
        k, size = window
        return self._read_page(self._base + k, size)

    def _same_size(self, k: int) -> PageRows[Key]:
        return self._read_page(self._base + k, None)

    def _refuse_repetition(self, pages: Sequence[PageRows[Key]]) -> None:
        """Raise when each later page begins as the first one does, whatever its size: no page number was heeded."""
        if len(pages) > 1 and all(
            len(page.keys) > 1 and page.keys == self._first.keys[: len(page.keys)] and page.total_count == self.total
            for page in pages
        ):
            raise _not_paged(_REPEATS, pages[0])

    def _look_at(self, page: PageRows[Key]) -> None:
        self._misnamed.update(page.missing_backreference)
        self._n_naming += page.n_naming
        if page.total_count != self.total:
            # Who joined may have pushed the whole first page to a later one: that is movement, no repetition.
            self.total_last = page.total_count
        elif len(page.keys) > 1 and page.keys == self._first.keys:
            raise _not_paged(_REPEATS, page)


def _not_paged(what: str, page: PageRows[Key]) -> UnexpectedResponseError:
    return UnexpectedResponseError(
        f"{what} ({len(page.keys)} rows of {page.total_count}): the service does not page this list. "
        "Nothing can be read for sure.",
        operation=_PAGING,
    )


@contextmanager
def worker_threads(client: Client) -> Iterator[ThreadPoolExecutor]:
    """As many threads as connections; on Ctrl-C or an error what has not started, or waits, is dropped."""
    stop = threading.Event()
    pool = ThreadPoolExecutor(client.workers, "frgroups", initializer=stop_waiting_at, initargs=(stop,))
    try:
        yield pool
    except BaseException as error:
        stop.set()
        # Who pressed Ctrl-C gets the prompt back at once; requests under way end by themselves.
        pool.shutdown(wait=isinstance(error, Exception), cancel_futures=True)
        raise
    pool.shutdown()


@contextmanager
def listing_context(client: Client, operation: str, what: str) -> Iterator[None]:
    """Say of a list that is not paged which one it is."""
    try:
        yield
    except UnexpectedResponseError as error:
        if error.operation != _PAGING:
            raise
        raise UnexpectedResponseError(
            f"{operation}, {what} of tenant {client.tenant_uid}: 200, but {error.message} "
            f"Is {client.base_url} the API?",
            operation=operation,
            tenant_uid=client.tenant_uid,
            status=200,
        ) from error
