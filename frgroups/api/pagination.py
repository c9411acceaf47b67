"""Iterate over paged lists, and compute which pages must be requested to verify that a list is complete."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

from frgroups.api.schema.records import Page, Record
from frgroups.errors import DriftedReadError, NotFoundError

# Page of a list as a tuple (k, s) of page number and page size.
# Pages and rows are counted from 0, so that row k*s is the first row of the page.
Window = tuple[int, int]

# If a list has more pages than this number, a verified read first checks the total with one extra request.
MANY_PAGES = 20


def iter_pages(read: Callable[[int | None], Page[Record]], label: str) -> Iterator[Record]:
    """
    Yield each record of a paged list once.

    The iteration does not stop at the total that the server reports, because this total can be too low. It ends after
    a page that has fewer records than the first page, or after an empty page.

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
    n_first, first_number = page.n_rows, page.page_number
    seen: set[str] = set()
    rows, number = 0, first_number
    total = page.total_count
    while page.n_rows:
        new = [item for item in page.items if item.uid not in seen]
        if page.items and not new and rows >= total:
            break  # Some servers return the last page again if the page number is too high.
        if not new and not page.without_uid:
            raise DriftedReadError(
                f"While {label} were read, page {number} contained no new record. Read the list again."
            )
        seen.update(item.uid for item in new)
        rows += page.n_rows
        total = page.total_count
        yield from new
        is_short = page.n_rows < (page.page_size if number == first_number else n_first)
        if rows >= total and is_short:
            break
        number += 1
        try:
            page = read(number)
        except NotFoundError:
            if rows < total:
                raise
            break  # Some servers return status 404 if the page number is too high.
    if len(seen) != total:
        raise DriftedReadError(
            f"The server reports {total} records for {label}, but {len(seen)} records were read. The list "
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
        window = next_window(page_size, end)
        if window is None:
            return None
        windows.append(window)
        end = (window[0] + 1) * window[1]
    return windows


def next_window(page_size: int, end: int) -> Window | None:
    """
    Return the page that contains row `end - 1` and the largest possible number of rows from `end` on.

    The result is None if no such page exists, which happens only for small page sizes such as 1 and 2.

    Examples
    --------
    >>> next_window(100, 100), next_window(100, 1000)
    ((1, 99), (10, 99))
    """
    farthest, window = end, None
    for size in range(page_size, max(page_size // 2, 1) - 1, -1):
        if end - 1 + size <= farthest:
            break  # Smaller pages cannot end at a later row, so stop the search.
        k = (end - 1) // size
        if k and (k + 1) * size > farthest:
            farthest, window = (k + 1) * size, (k, size)
    return window


@cache
def count_pages(page_size: int, total: int) -> int:
    """
    Return the number of requests for a verified read of a list that does not change.

    If the last page is full, an additional request checks that the list ends after this page.

    Examples
    --------
    >>> count_pages(500, 0), count_pages(500, 500), count_pages(500, 1200), count_pages(500, 100_000)
    (1, 2, 3, 212)
    """
    windows = overlapping_windows(page_size, total)
    n_pages = max(-(-total // page_size), 1)
    checks_total = n_pages > MANY_PAGES
    if windows is None:
        # If pages cannot overlap, the list is read twice to detect changes.
        return 2 * n_pages + checks_total + (total % page_size == 0)
    k, size = windows[-1] if windows else (0, page_size)
    is_full = total == (k + 1) * size
    return 1 + len(windows) + checks_total + is_full
