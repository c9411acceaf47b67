"""
Read all pages of an API list, and determine how reliable the result is.

This module is used to load tenants, to check groups before a plan is applied, and to verify the applied changes.
`ListingReader` makes one attempt to read a list. `read_listing` repeats the attempt until the result is consistent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic

from frgroups.api.client import Client, Direction
from frgroups.api.retry import sleep, stop_waiting_at
from frgroups.api.schema.records import CustomerReferences, Group, Page, Record
from frgroups.errors import UnexpectedResponseError
from frgroups.internals.formatting import pluralize
from frgroups.load.end_check import END_SIZE, EndCheck, OtherEnd, ServerSorting
from frgroups.load.listing_reader import PAGING_OPERATION, Key, ListingReader, PageRows, ReadPage
from frgroups.snapshot.verdicts import is_contradiction, repeated_note

MAX_REREADS = 3
MAX_REREADS_OF_WRONG_TOTAL = 1
PAUSE = 0.2  # Seconds before the first reread of a list. The pause before the nth reread is n times as long.


@dataclass(frozen=True, slots=True)
class Listing(Generic[Key]):
    """
    Distinct rows of a list, and the evidence that they are complete.

    Attributes
    ----------
    evidence
        "counts" (one page contained all rows), "overlapping windows", "second pass", or "none".
    verdict
        "consistent" if the last attempt was consistent, and "drifted" if all attempts were inconsistent. The verdict
        is "unverifiable" if the list did not change, but completeness could not be confirmed. Possible reasons are
        records without a uid, more rows than the reported total, a rejected request for the page after the last row,
        and a request in the reverse sort order that failed or returned further rows.
    note
        Description of the problem, or an empty string. It states whether all attempts had the same rows and problem.
    is_incomplete
        True if the list was read twice, and a request in the reverse sort order returned the same missing row both
        times.
    missing_backreference
        Number of records whose list of groups does not contain the group that was read.
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
    is_incomplete: bool = False
    missing_backreference: int = 0


def read_groups(
    client: Client, sorting: ServerSorting | None = None, *, pool: Executor | None = None
) -> tuple[dict[str, Group], Listing[str]]:
    """
    Read all groups of a tenant. Return the groups by uid, and a Listing that states whether the list is complete.

    If `sorting` is given, the list is also requested in the reverse sort order to detect omitted rows.
    """
    groups: dict[str, Group] = {}

    def read_page(number: int | None, size: int | None) -> PageRows[str]:
        page = client.read_group_page(number, size)
        groups.update({group.uid: group for group in page.items})
        return page_rows(page, page.uids)

    def read_other_end(direction: Direction) -> PageRows[str]:
        page = client.read_group_page(None, END_SIZE, sort_direction=direction)
        return page_rows(page, page.uids)

    end_check = None if sorting is None else EndCheck(read_other_end, sorting)
    with listing_context(client, "get-customer-groups", "the groups"):
        listing = read_listing(read_page, pool=pool, end_check=end_check)
    return {uid: groups[uid] for uid in listing.uids}, listing


def read_members(
    client: Client,
    group_uid: str,
    sorting: ServerSorting | None = None,
    *,
    min_pages: int = 1,
    pool: Executor | None = None,
) -> Listing[str]:
    """
    Read all pages of a group. Return the group's members and the evidence that the list of members is complete.

    If at least one customer record lists groups, every list of groups must contain the group that is read. If a list
    does not contain this group, the listing is not consistent. If `sorting` is given, the list is also requested in
    the reverse sort order, unless it has fewer than `min_pages` pages or a longer list was read with the same
    `sorting` object.
    """

    def read_page(number: int | None, size: int | None) -> PageRows[str]:
        page = client.read_customer_page(group_uid, number, size, record=CustomerReferences)
        return page_rows(
            page,
            page.uids,
            missing_backreference=[item.uid for item in page.items if _lacks_backreference(item, group_uid)],
            n_with_references=sum(1 for item in page.items if item.customer_group_uids),
        )

    def read_other_end(direction: Direction) -> PageRows[str]:
        page = client.read_customer_page(
            group_uid, None, END_SIZE, record=CustomerReferences, sort_direction=direction
        )
        return page_rows(page, page.uids)

    end_check = None if sorting is None else EndCheck(read_other_end, sorting, min_pages)
    with listing_context(client, "get-customer-groups-customers", f"the customers of group {group_uid}"):
        return read_listing(read_page, pool=pool, end_check=end_check)


def _lacks_backreference(customer: CustomerReferences, group_uid: str) -> bool:
    return customer.customer_group_uids is not None and group_uid not in customer.customer_group_uids


def page_rows(
    page: Page[Record],
    keys: list[Key],
    *,
    missing_backreference: Sequence[Key] = (),
    n_with_references: int = 0,
    n_new: int = 0,
) -> PageRows[Key]:
    """Convert an API page to a PageRows object that contains the given keys instead of the page's records."""
    return PageRows(
        keys,
        page.page_number,
        page.page_size,
        page.total_count,
        page.without_uid,
        missing_backreference=missing_backreference,
        n_with_references=n_with_references,
        n_new=n_new,
    )


def read_listing(
    read_page: ReadPage[Key],
    *,
    first: PageRows[Key] | None = None,
    pool: Executor | None = None,
    end_check: EndCheck[Key] | None = None,
) -> Listing[Key]:
    """
    Read a list, and repeat the read up to `MAX_REREADS` times until the result is consistent.

    If the list contains more rows than the reported total, it is read again once, because a customer can join while
    the server counts and returns the rows. If the second attempt has the same result, the total is wrong.

    If `end_check` is given and the pages are consistent, the list is also requested in the reverse sort order. If the
    response contains a row that the pages do not contain, the list is read again, because a customer might have
    joined. If the second attempt lacks the same row, the server omits rows. The list is then not read again, because
    further attempts would have the same result.
    """
    started = time.monotonic()
    if first is None:
        first = read_page(None, None)
    total_first = first.total_count
    pages = rereads = 0
    is_repeated = True
    rows_before: tuple[list[Key], str] | None = None
    other_end: OtherEnd[Key] = OtherEnd()
    while True:
        reader = ListingReader(read_page, first, pool)
        reader.read_pages()
        pages += reader.pages
        omitted_before, other_end = other_end.omitted, OtherEnd()
        problem, doubt = reader.find_problem(), _find_doubt(reader)
        is_repeated &= rows_before in (None, (reader.keys, problem))
        rows_before = (reader.keys, problem)
        n_rows = len(reader.keys)
        if end_check is not None and not problem and not doubt and end_check.is_needed(n_rows, reader.pages):
            other_end = end_check.read_other_end(reader.keys)
            problem, doubt = other_end.problem, other_end.doubt(n_rows)
        is_incomplete = not omitted_before.isdisjoint(other_end.omitted)
        max_rereads = MAX_REREADS if problem else MAX_REREADS_OF_WRONG_TOTAL
        if is_incomplete or rereads >= max_rereads or not (problem or reader.exceeds_total):
            break
        rereads += 1
        sleep(PAUSE * rereads)
        first = read_page(None, None)
    verdict = "consistent"
    if is_incomplete or (doubt and not problem):
        verdict = "unverifiable"
    elif problem:
        verdict = "drifted"
        if is_repeated and not other_end.omitted and not is_contradiction(problem):
            problem = repeated_note(problem, rereads + 1)
    return Listing(
        uids=list(dict.fromkeys(reader.keys)),
        evidence=reader.evidence if verdict == "consistent" else "none",
        verdict=verdict,
        pages=pages,
        total_first=total_first,
        total_last=reader.total_last,
        rereads=rereads,
        seconds=round(time.monotonic() - started, 3),
        note=problem or doubt,
        is_incomplete=is_incomplete,
        missing_backreference=reader.count_missing_backreferences(),
    )


def _find_doubt(reader: ListingReader[Key]) -> str:
    """Return the reason why the rows cannot be verified although the list did not change, or an empty string."""
    if reader.without_uid > 0:
        return f"{pluralize(reader.without_uid, 'record')} had no uid"
    if reader.exceeds_total:
        return reader.describe_row_count()
    return reader.doubt


@contextmanager
def worker_threads(client: Client) -> Iterator[ThreadPoolExecutor]:
    """
    Create one worker thread per connection.

    On Ctrl-C or an error, pending work is canceled, and threads that are waiting for a retry stop waiting.
    """
    stop = threading.Event()
    pool = ThreadPoolExecutor(client.workers, "frgroups", initializer=stop_waiting_at, initargs=(stop,))
    try:
        yield pool
    except BaseException as error:
        stop.set()
        # After Ctrl-C, do not wait for the requests that are in progress.
        pool.shutdown(wait=isinstance(error, Exception), cancel_futures=True)
        raise
    pool.shutdown()


@contextmanager
def listing_context(client: Client, operation: str, list_name: str) -> Iterator[None]:
    """Add the API operation, the tenant, and the name of the list to errors that `ListingReader` raises."""
    try:
        yield
    except UnexpectedResponseError as error:
        if error.operation != PAGING_OPERATION:
            raise
        raise UnexpectedResponseError(
            f"{operation} returned status 200, but {list_name} of tenant {client.tenant_uid} could not be read. "
            f"{error.message} Check that {client.base_url} is the URL of the API.",
            operation=operation,
            tenant_uid=client.tenant_uid,
            status=200,
        ) from error
