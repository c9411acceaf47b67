"""Iterate over paged lists, and compute which pages must be requested to verify that a list is complete."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

from frgroups.api.schema.records import Page, Record
from frgroups.errors import DriftedReadError

# A window (k, s) is page number k with page size s. Its first row has the number k*s.
Window = tuple[int, int]

# If a list has more pages than this number, a verified read first checks the total with one extra request.
MANY_PAGES = 20


def iter_pages(read: Callable[[int | None], Page[Record]], label: str) -> Iterator[Record]:
    """
    Yield each record of a paged list once.

    If other clients edit the list during the iteration, records can move to another page and be missed. To detect
    such changes, use `frgroups.load.verified_listing`.

    Parameters
    ----------
    read
        Function that returns the page with the given number. It is called with None for the first page.
    label
        Description of the list for error messages.

    Raises
    ------
    DriftedReadError
        A page contains no new record, or the number of records differs from the total that the server reports.
    """
    page = read(None)
    seen: set[str] = set()
    rows, number = 0, page.page_number
    while page.items:
        new = [item for item in page.items if item.uid not in seen]
        if not new:
            raise DriftedReadError(
                f"While {label} were read, page {number} contained no new record. Read the list again."
            )
        seen.update(item.uid for item in new)
        rows += len(page.items) + page.without_uid
        yield from new
        if rows >= page.total_count:
            break
        number += 1
        page = read(number)
    if len(seen) != page.total_count:
        raise DriftedReadError(
            f"The server reports {page.total_count} records for {label}, but {len(seen)} records were read. The list "
            "changed during the read, or the reported number is wrong. Read the list again."
        )


def overlapping_windows(page_size: int, total: int) -> list[Window] | None:
    """
    Return overlapping pages that cover all rows of a list after its first page.

    Each page shares at least one row with the previous page. A shared row in the expected position shows that no row
    moved between the two requests.

    Parameters
    ----------
    page_size
        Number of rows on the first page. The other pages are not larger.
    total
        Number of rows in the list.

    Returns
    -------
    list of (number, size), or None
        Page number, counted from 0, and page size of each request. None if pages cannot overlap, which happens only
        for small page sizes such as 1 and 2.

    Examples
    --------
    >>> overlapping_windows(500, 1200)
    [(1, 499), (2, 498)]
    >>> overlapping_windows(2, 5) is None
    True
    """
    windows: list[Window] = []
    end = page_size
    while end < total:
        farthest, window = end, None
        for size in range(page_size, max(page_size // 2, 1) - 1, -1):
            if end - 1 + size <= farthest:
                break  # A smaller page cannot end at a later row.
            k = (end - 1) // size
            if k and (k + 1) * size > farthest:
                farthest, window = (k + 1) * size, (k, size)
        if window is None:
            return None
        windows.append(window)
        end = farthest
    return windows


@cache
def count_pages(page_size: int, total: int) -> int:
    """
    Return the number of requests for a verified read of a list that does not change.

    If the first page is full and contains the complete list, an additional request checks that the next page is
    empty.

    Examples
    --------
    >>> count_pages(500, 0), count_pages(500, 500), count_pages(500, 1200), count_pages(500, 100_000)
    (1, 2, 3, 212)
    """
    pages = max(-(-total // page_size), 1)
    windows = overlapping_windows(page_size, total)
    requests = 2 * pages  # If pages cannot overlap, the list is read twice to detect changes.
    if windows is not None:
        requests = 1 + len(windows)
    return requests + (pages > MANY_PAGES) + (total == page_size)
