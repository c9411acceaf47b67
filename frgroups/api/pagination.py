"""Goes through the pages of a list one after the other, each row once. It proves nothing; `members.py` does."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from frgroups.errors import DriftedReadError
from frgroups.wire.records import Page, Record


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
        rows += len(page.items) + page.nameless
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
