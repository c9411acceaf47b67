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
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic

from frgroups.client import Client
from frgroups.errors import BadAnswerError
from frgroups.retry import stop_waiting_at
from frgroups.wire import Group, Member, Page, Person, Record

ReadPage = Callable[[int | None, int | None], Page[Record]]
Window = tuple[int, int]  # (k, s): the rows k*s to (k+1)*s

# From so many pages on, a total that the last page does not bear out is not worth the rest of them.
MANY_PAGES = 20

# Stands for the operation until `_named` knows which list it was.
_PAGING = "paging"

REREADS = 3
PAUSE = 0.2


@dataclass(frozen=True, slots=True)
class Listing(Generic[Record]):
    """
    The records of one list, each uid once, with what proves that none is missing.

    `evidence` is "counts" (one page held them all), "seams", "second pass" or "none". `verdict` is
    "consistent" when the last reading proved itself, "drifted" when it still disagreed after the rereads,
    "unverifiable" when nothing but records without a uid stood in the way. `note` says what disagreed;
    `misnamed` counts records that name their groups, and not the one that they came from.
    """

    records: Sequence[Record]
    evidence: str
    verdict: str
    pages: int
    total_first: int
    total_last: int
    rereads: int
    seconds: float
    note: str = ""
    misnamed: int = 0

    @property
    def uids(self) -> list[str]:
        """The uids, in the order of the service."""
        return [record.uid for record in self.records]


def read_groups(client: Client, *, pool: Executor | None = None) -> Listing[Group]:
    """Every group of the tenant."""
    with _named(client, "get-customer-groups", "the groups"):
        return read_listing(client.read_group_page, pool=pool)


def read_members(
    client: Client,
    group_uid: str,
    *,
    record: type[Person] = Member,  # type: ignore[assignment]  # the default of a TypeVar
    first: Page[Person] | None = None,
    pool: Executor | None = None,
) -> Listing[Person]:
    """
    Every member of one group, by pages; `first` is its first page where that was read already.

    Besides the proof of the list itself, every record must name the group it came from, where records name
    their groups at all.
    """

    def read(number: int | None, size: int | None) -> Page[Person]:
        return client.read_customer_page(group_uid, number, size, record=record)

    with _named(client, "get-customer-groups-customers", f"the customers of group {group_uid}"):
        return read_listing(read, first=first, pool=pool, count_misnamed=lambda rows: _misnamed(rows, group_uid))


def read_listing(
    read_page: ReadPage[Record],
    *,
    first: Page[Record] | None = None,
    pool: Executor | None = None,
    count_misnamed: Callable[[Iterable[Record]], int] = lambda _: 0,
) -> Listing[Record]:
    """Read until a reading proves itself, at most REREADS times more."""
    started = time.monotonic()
    reading = Reading(read_page, first or read_page(None, None), pool)
    total_first, pages, rereads = reading.total, 0, 0
    while True:
        misnamed = count_misnamed(reading.rows)
        problem = reading.disagreement()
        if not problem and misnamed:
            problem = f"{misnamed} records do not name the group they came from"
        pages += reading.pages
        if not problem or rereads == REREADS:
            break
        rereads += 1
        time.sleep(PAUSE * rereads)
        reading = Reading(read_page, read_page(None, None), pool)
    unverifiable = reading.nameless > 0 and not problem
    return Listing(
        records=list({row.uid: row for row in reading.rows}.values()),
        evidence="none" if unverifiable or problem else reading.evidence,
        verdict="unverifiable" if unverifiable else "drifted" if problem else "consistent",
        pages=pages,
        total_first=total_first,
        total_last=reading.total_last,
        rereads=rereads,
        seconds=round(time.monotonic() - started, 3),
        note=f"{reading.nameless} records without a uid" if unverifiable else problem,
        misnamed=misnamed,
    )


class Reading(Generic[Record]):
    """One reading of a list from its first page to its end, and what in it disagrees."""

    def __init__(self, read_page: ReadPage[Record], first: Page[Record], pool: Executor | None) -> None:
        self._read_page = read_page
        self._map = pool.map if pool is not None else map
        self._base = first.page_number
        self._first = first
        self.total = self.total_last = first.total_count
        self.nameless = first.nameless
        self.pages = 1
        self.rows: list[Record] = list(first.items)
        self._problem = ""
        if first.total_count <= len(first.items) + first.nameless:
            self.evidence = "counts"
            if first.total_count < len(first.items):
                self._problem = f"{len(first.items)} came of {first.total_count} counted"
            return
        if first.page_size < 1:
            raise _not_paged(f"a page says that its size is {first.page_size}", first)
        if self._total_is_far_off():
            self._problem = f"{self.total} are counted, but the last page is empty"
            self.evidence = "none"
            return
        short = len(first.items) < first.page_size
        windows = None if short else seams(first.page_size, first.total_count)
        if windows is None or not self._seamed(windows):
            self._twice()

    def disagreement(self) -> str:
        """What speaks against this reading, or nothing."""
        if self._problem:
            return self._problem
        uids = {row.uid for row in self.rows}
        if len(uids) < len(self.rows):
            return f"{len(self.rows) - len(uids)} came twice"
        if self.total_last != self.total:
            return f"the total moved from {self.total} to {self.total_last}"
        if len(uids) + self.nameless != self.total:
            return f"{len(uids)} came of {self.total} counted"
        return ""

    def _seamed(self, windows: Sequence[Window]) -> bool:
        """Read overlapping windows; False when the service grants other sizes, or rows cannot be told apart."""
        pages = list(self._map(self._window, windows))
        self.pages += len(pages)
        self.evidence = "seams"
        if any(page.page_size != size or page.nameless for page, (_, size) in zip(pages, windows, strict=True)):
            return False
        rows = list(self._first.items)
        for page, (k, size) in zip(pages, windows, strict=True):
            self._look_at(page)
            shared = rows[k * size :]
            if [row.uid for row in shared] != page.uids[: len(shared)]:
                self._problem = f"rows {k * size} to {len(rows)} changed between two pages"
            rows = rows[: k * size] + list(page.items)
        self.rows = rows
        return True

    def _twice(self) -> None:
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
            for page in pages:
                self._look_at(page)
            self.nameless = first.nameless + sum(page.nameless for page in pages)
            passes.append([*first.items, *(row for page in pages for row in page.items)])
        self.rows = passes[-1]
        if [row.uid for row in passes[0]] != [row.uid for row in passes[1]]:
            self._problem = "two passes over the pages differ"

    def _total_is_far_off(self) -> bool:
        """Whether a total of many pages is not borne out by the last of them: one request instead of thousands."""
        last = -(-self.total // self._first.page_size) - 1
        if last < MANY_PAGES:
            return False
        page = self._same_size(last)
        self.pages += 1
        starts_at = (page.page_number - self._base) * page.page_size
        return not page.items and not page.nameless and starts_at < self.total

    def _window(self, window: Window) -> Page[Record]:
        k, size = window
        return self._read_page(self._base + k, size)

    def _same_size(self, k: int) -> Page[Record]:
        return self._read_page(self._base + k, None)

    def _look_at(self, page: Page[Record]) -> None:
        if page.total_count != self.total:
            # Who joined may have pushed the whole first page to a later one: that is movement, no repetition.
            self.total_last = page.total_count
        elif len(page.items) > 1 and page.uids == self._first.uids:
            raise _not_paged("a later page repeats the first one", page)


def _not_paged(what: str, page: Page[Record]) -> BadAnswerError:
    return BadAnswerError(
        f"{what} ({len(page.items)} rows of {page.total_count}): the service does not page this list. "
        "Nothing can be read for sure.",
        operation=_PAGING,
    )


def seams(page_size: int, total: int) -> list[Window] | None:
    """
    The windows after the first page that cover `total` rows, each sharing a row with the one before.

    None where no choice of size advances (page sizes 1 and 2, and some small ones).

    >>> seams(500, 1200)
    [(1, 499), (2, 498)]
    >>> seams(2, 5) is None
    True
    """
    windows: list[Window] = []
    end = page_size
    while end < total:
        k, size = max(
            ((((end - 1) // size), size) for size in range(page_size, max(page_size // 2, 1) - 1, -1)),
            key=lambda window: (window[0] + 1) * window[1],
        )
        reach = (k + 1) * size
        if k == 0 or reach <= end:
            return None
        windows.append((k, size))
        end = reach
    return windows


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
def _named(client: Client, operation: str, what: str) -> Iterator[None]:
    """Say of a list that is not paged which one it is."""
    try:
        yield
    except BadAnswerError as error:
        if error.operation != _PAGING:
            raise
        raise BadAnswerError(
            f"{operation}, {what} of tenant {client.tenant_uid}: 200, but {error.message} "
            f"Is {client.base_url} the API?",
            operation=operation,
            tenant_uid=client.tenant_uid,
            status=200,
        ) from error


def _misnamed(rows: Iterable[Record], group_uid: str) -> int:
    """How many records name groups, and not this one; a record that names none at all says nothing."""
    lists = [row.customer_group_uids for row in rows if isinstance(row, Member)]
    if not any(lists):
        return 0
    return sum(1 for uids in lists if uids is not None and group_uid not in uids)
