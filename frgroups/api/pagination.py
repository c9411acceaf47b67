"""Iterate over the pages of a list, and plan the pages that a verified read needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

from frgroups.api.schema.records import Page, Record
from frgroups.errors import DriftedReadError

Window = tuple[int, int]  # (k, s): the rows k*s to (k+1)*s

# Beyond this number of pages, it is worth one request to check the total before the other pages are read.
MANY_PAGES = 20


def iter_pages(read: Callable[[int | None], Page[Record]], label: str) -> Iterator[Record]:
    """
    Yield each record of a list once, page by page.

    The pages can shift while they are read. `frgroups.load.verified_listing` detects that, and this function does
    not.

    Parameters
    ----------
    read
        Function that reads the page with a number, or the first page for None.
    label
        Name of the list for error messages.

    Raises
    ------
    DriftedReadError
        A page contains no new record, or the number of records differs from the total.
    """
    page = read(None)
    seen: set[str] = set()
    rows, number = 0, page.page_number
    while page.items:
        new = [item for item in page.items if item.uid not in seen]
        if not new:
            raise DriftedReadError(f"Page {number} of {label} contains no new record: the server repeats a page.")
        seen.update(item.uid for item in new)
        rows += len(page.items) + page.without_uid
        yield from new
        if rows >= page.total_count:
            break
        number += 1
        page = read(number)
    if len(seen) != page.total_count:
        raise DriftedReadError(
            f"Read {len(seen)} of {label}, but the server counts {page.total_count}. The list changed while it was "
            "read, or the count is wrong. Read it again."
        )


def overlapping_windows(page_size: int, total: int) -> list[Window] | None:
    """
    Return windows after the first page that cover the list, each sharing a row with the window before it.

    Parameters
    ----------
    page_size
        Number of rows on the first page, which is the largest window.
    total
        Number of rows in the list.

    Returns
    -------
    list of (number, size), or None
        Page number, counted from 0, and page size of each window. None if no page size gives an overlap, which is the
        case for page sizes 1 and 2, and for some other small ones.

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
                break  # No smaller window ends later.
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
    Return the number of requests of a verified read of a list that does not change.

    If the first page is full and contains the whole list, one more request checks that the next page is empty.

    Examples
    --------
    >>> count_pages(500, 0), count_pages(500, 500), count_pages(500, 1200), count_pages(500, 100_000)
    (1, 2, 3, 212)
    """
    pages = max(-(-total // page_size), 1)
    windows = overlapping_windows(page_size, total)
    requests = 2 * pages  # Without overlapping windows, the list is read twice.
    if windows is not None:
        requests = 1 + len(windows)
    return requests + (pages > MANY_PAGES) + (total == page_size)
