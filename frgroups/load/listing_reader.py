"""
Read all pages of an API list once, and check that the result is complete.

Pages are offsets into a list that other users can change. If one customer leaves and another customer joins between
two requests, the total stays the same, but a row might be skipped. To detect skipped rows, consecutive requests
overlap by one row. The overlap is created by varying the page size: window k of size s contains the rows k*s to
(k+1)*s. If the sort order is stable and the shared row is at the expected position in both windows, no row was
skipped between them. This is true for any order of the requests.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, TypeVar

from frgroups.api.pagination import MANY_PAGES, Window, overlapping_windows
from frgroups.errors import UnexpectedResponseError
from frgroups.internals.formatting import pluralize

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")

# If a server reports a total above MAX_ROWS, an error is raised.
MAX_ROWS = 200_000_000

_REPEATS = "A later page repeats the first page."
# Placeholder for the API operation in an error. The function `listing_context` replaces it with the real operation.
PAGING_OPERATION = "paging"


@dataclass(frozen=True, slots=True)
class PageRows(Generic[Key]):
    """
    Rows of a page, reduced to the data that is needed to verify that a list is complete.

    Attributes
    ----------
    keys
        Uids of the rows, or codes that represent them.
    without_uid
        Number of records without a uid.
    missing_backreference
        Keys of the records whose list of groups does not contain the group of this page.
    n_with_references
        Number of records that list at least one group.
    n_new
        Number of customers that no earlier page contained.
    """

    keys: list[Key]
    page_number: int
    page_size: int
    total_count: int
    without_uid: int = 0
    missing_backreference: Sequence[Key] = ()
    n_with_references: int = 0
    n_new: int = 0


ReadPage = Callable[[int | None, int | None], PageRows[Key]]


class ListingReader(Generic[Key]):
    """
    Reader that makes one attempt to read all pages of a list.

    The method `read_pages` reads a single page, overlapping windows of rows, or all pages twice with a fixed page
    size. The method `find_problem` compares the rows with the totals that the server returned.
    """

    def __init__(self, read_page: ReadPage[Key], first: PageRows[Key], pool: Executor | None) -> None:
        self._read_page = read_page
        self._pool = pool
        self._first = first
        self._missing_backreference: set[Key] = set(first.missing_backreference)
        self._n_with_references = first.n_with_references
        self._problem = ""
        self.evidence = "none"
        self.keys: list[Key] = list(first.keys)
        self.pages = 1
        self.total = self.total_last = first.total_count
        self.without_uid = first.without_uid

    def read_pages(self) -> None:
        """Read the pages after the first page, and set the attributes `keys` and `evidence`."""
        if self.total <= self._n_first_rows():
            self._check_single_page()
            return
        self._check_paging_values()
        if self._is_last_page_empty():
            self._problem = f"the server reported {pluralize(self.total, 'row')}, but the last page is empty"
            return
        if not self._read_overlapping_windows():
            self._read_two_passes()

    def find_problem(self) -> str:
        """Return a description of the first inconsistency, or an empty string if there is none."""
        n_distinct = len(set(self.keys))
        n_missing = self.count_missing_backreferences()
        if self._problem:
            return self._problem
        if n_distinct < len(self.keys):
            return f"{pluralize(len(self.keys) - n_distinct, 'row')} appeared more than once"
        if self.total_last != self.total:
            return f"the total changed from {self.total:,} to {self.total_last:,} during the read"
        if n_distinct + self.without_uid != self.total:
            return _describe_row_count(self.total, n_distinct)
        if n_missing:
            return f"the records of {pluralize(n_missing, 'customer')} do not contain the uid of this group"
        return ""

    def count_missing_backreferences(self) -> int:
        """
        Return the number of records that do not list the group of their page.

        The result is 0 if no customer record lists any group, because such a server does not report the groups of
        customers.
        """
        if self._n_with_references == 0:
            return 0
        return len(self._missing_backreference)

    def _n_first_rows(self) -> int:
        return len(self._first.keys) + self._first.without_uid

    def _check_single_page(self) -> None:
        """Check a list whose rows all fit on the first page."""
        self.evidence = "counts"
        if self.total < len(self._first.keys):
            self._problem = _describe_row_count(self.total, len(self._first.keys))
        elif 0 < self._first.page_size <= self._n_first_rows():
            self._check_next_page()

    def _check_next_page(self) -> None:
        """
        Check that no rows follow a full first page.

        A server might report the number of rows on the page instead of the total of the list.
        """
        page = self._read_page_of_same_size(1)
        self.pages += 1
        # Some servers return the last page again if the page number is too high.
        if page.page_number > self._first.page_number and page.keys and page.keys != self._first.keys:
            total, more = pluralize(self.total, "row"), pluralize(len(page.keys), "row")
            self._problem = f"the server reported {total}, but the next page contains another {more}"
            self.evidence = "none"

    def _check_paging_values(self) -> None:
        """Raise UnexpectedResponseError if the total or the page size is invalid."""
        if self.total > MAX_ROWS:
            raise _paging_error(
                f"The server reported {self.total:,} rows, but the maximum is {MAX_ROWS:,}.", self._first
            )
        if self._first.page_size < 1:
            raise _paging_error(f"The server reported an invalid page size of {self._first.page_size}.", self._first)

    def _is_last_page_empty(self) -> bool:
        """
        Return True if the list has many pages and the last page is empty.

        An empty last page means that the reported total is too high. Reading the last page costs one request and can
        save thousands of requests.
        """
        last = self._count_pages() - 1
        if last < MANY_PAGES:
            return False
        page = self._read_page_of_same_size(last)
        self.pages += 1
        start = (page.page_number - self._first.page_number) * page.page_size
        return not page.keys and not page.without_uid and start < self.total

    def _read_overlapping_windows(self) -> bool:
        """
        Read overlapping windows of rows, and check that consecutive windows agree on the row that they share.

        The result is False if overlapping windows cannot be used. This is the case if the first page has fewer rows
        than its page size, if the server ignores the requested page size, or if records without a uid cannot be
        compared.
        """
        if len(self._first.keys) < self._first.page_size:
            return False
        windows = overlapping_windows(self._first.page_size, self.total)
        if windows is None:
            return False
        pages = self._read_windows(windows)
        self.evidence = "overlapping windows"
        self._check_repetition(pages)
        for page, (_, size) in zip(pages, windows, strict=True):
            if page.page_size != size or page.without_uid:
                return False
        keys = list(self._first.keys)
        for page, (k, size) in zip(pages, windows, strict=True):
            self._count_page(page)
            start = k * size
            shared = keys[start:]
            if shared != page.keys[: len(shared)]:
                self._problem = f"rows {start:,} to {len(keys):,} changed between two requests"
            del keys[start:]
            keys += page.keys
        self.keys = keys
        return True

    def _read_two_passes(self) -> None:
        """Read all pages twice with a fixed page size, and compare the rows of both passes."""
        self.evidence = "second pass"
        first_pass = self._read_rest_of_pass(self._first)
        self.pages += 1
        second_pass = self._read_rest_of_pass(self._read_page_of_same_size(0))
        self.keys = second_pass
        if first_pass != second_pass:
            self._problem = "two reads of all pages returned different rows"

    def _read_rest_of_pass(self, first: PageRows[Key]) -> list[Key]:
        """Read the pages after the first page, and return the row keys of all pages."""
        pages = list(self._map(self._read_page_of_same_size, range(1, self._count_pages())))
        self.pages += len(pages)
        self._check_repetition(pages)
        keys = list(first.keys)
        self.without_uid = first.without_uid
        for page in pages:
            self._count_page(page)
            self.without_uid += page.without_uid
            keys += page.keys
        return keys

    def _read_windows(self, windows: Sequence[Window]) -> list[PageRows[Key]]:
        pages = list(self._map(self._read_window, windows))
        self.pages += len(pages)
        return pages

    def _read_window(self, window: Window) -> PageRows[Key]:
        k, size = window
        return self._read_page(self._first.page_number + k, size)

    def _read_page_of_same_size(self, k: int) -> PageRows[Key]:
        return self._read_page(self._first.page_number + k, None)

    def _map(self, read: Callable[[Item], PageRows[Key]], items: Iterable[Item]) -> Iterator[PageRows[Key]]:
        if self._pool is None:
            return map(read, items)
        return self._pool.map(read, items)

    def _count_pages(self) -> int:
        return -(-self.total // self._first.page_size)

    def _check_repetition(self, pages: Sequence[PageRows[Key]]) -> None:
        """Raise UnexpectedResponseError if all later pages repeat the start of the first page."""
        if len(pages) > 1 and all(self._repeats_first_page(page) for page in pages):
            raise _paging_error(_REPEATS, pages[0])

    def _repeats_first_page(self, page: PageRows[Key]) -> bool:
        """Return True if a page contains only rows from the start of the first page, and has the same total."""
        n = len(page.keys)
        return n > 1 and page.keys == self._first.keys[:n] and page.total_count == self.total

    def _count_page(self, page: PageRows[Key]) -> None:
        """Record the total of a page, and the keys of its records that do not list the group."""
        self._missing_backreference.update(page.missing_backreference)
        self._n_with_references += page.n_with_references
        if page.total_count != self.total:
            # If customers have joined, a later page can contain the rows of the first page. This is not an error.
            self.total_last = page.total_count
        elif len(page.keys) > 1 and page.keys == self._first.keys:
            raise _paging_error(_REPEATS, page)


def _describe_row_count(total: int, n: int) -> str:
    return f"the server reported a total of {pluralize(total, 'row')} but returned {n:,}"


def _paging_error(problem: str, page: PageRows[Key]) -> UnexpectedResponseError:
    return UnexpectedResponseError(
        f"{problem} The page contains {len(page.keys):,} of {pluralize(page.total_count, 'row')}. "
        "The list cannot be read reliably.",
        operation=PAGING_OPERATION,
    )
