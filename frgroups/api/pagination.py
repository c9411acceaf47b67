"""Goes through the pages of a list one after the other, each row once. It proves nothing; `members.py` does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

from frgroups.api.schema.records import Page, Record
from frgroups.errors import DriftedReadError

Window = tuple[int, int]  # (k, s): the rows k*s to (k+1)*s

# From so many pages on, a total that the last page does not bear out is not worth the rest of them.
MANY_PAGES = 20


def iter_pages(read: Callable[[int | None], Page[Record]], what: str) -> Iterator[Record]:
    """
    Every row that `read` gives page by page; stops at the total or an empty page.

    Raises DriftedReadError when a page brings nothing new, and at the end when fewer or more came than counted.
    """
    page = read(None)
    seen: set[str] = set()
    rows, number = 0, page.page_number
    while page.items:
        new = [item for item in page.items if item.uid not in seen]
        if not new:
            raise DriftedReadError(f"Page {number} of {what} holds nothing new: the service repeats itself.")
        seen.update(item.uid for item in new)
        rows += len(page.items) + page.without_uid
        yield from new
        if rows >= page.total_count:
            break
        number += 1
        page = read(number)
    if len(seen) != page.total_count:
        raise DriftedReadError(
            f"Read {len(seen)} of {what}, but the service counts {page.total_count}: they changed while "
            "being read, or the count is wrong. Read again."
        )


def overlapping_windows(page_size: int, total: int) -> list[Window] | None:
    """
    The windows after the first page that cover `total` rows, each sharing a row with the one before.

    None where no choice of size advances (page sizes 1 and 2, and some small ones).

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
                break  # No smaller size reaches farther.
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
    How many requests read a list of `total` rows with proof, when it holds still.

    Behind a page that is full, and all there is, one more is asked for, which must be empty.

    >>> count_pages(500, 0), count_pages(500, 500), count_pages(500, 1200), count_pages(500, 100_000)
    (1, 2, 3, 212)
    """
    pages = max(-(-total // page_size), 1)
    windows = overlapping_windows(page_size, total)
    whole = 2 * pages if windows is None and pages > 1 else 1 + len(windows or ())
    return whole + (pages > MANY_PAGES) + (total == page_size)
