"""
Read all pages of an API list once, and check that the result is complete.

Pages are offsets into a list that other users can change. If one customer leaves and another customer joins between
two requests, the total stays the same, but a row might be skipped. To detect skipped rows, consecutive requests
overlap by one row. The overlap is created by varying the page size: window k of size s contains the rows k*s to
(k+1)*s - 1. If the sort order is stable and the shared row is at the expected position in both windows, no row was
skipped between the windows, whatever the order of the requests.

The total that a server reports is never accepted as the end of a list, because servers can stop counting, for example
at 1,000. The end is a page that is not full, or an empty page. After a full last page, one more page is requested. If
a list contains more rows than the reported total, all rows are read, but the verdict is not `consistent`, because a
server that stops counting can also stop returning rows.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, TypeVar

from frgroups.api.pagination import MANY_PAGES, Window, next_window, overlapping_windows
from frgroups.errors import ApiError, NotFoundError, RequestRejectedError, ServerError, UnexpectedResponseError
from frgroups.internals.formatting import pluralize
from frgroups.snapshot.verdicts import missing_reference_note

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")

# Maximum total of a list. `_check_paging_values` raises an error if a server reports a higher total.
MAX_ROWS = 200_000_000

# Errors that the client raises if a server rejects a request for a page after the reported total.
_REJECTIONS = (NotFoundError, RequestRejectedError, ServerError, UnexpectedResponseError)

_REPEATS = "A later page repeats the first page."
# Placeholder for the API operation in an error.
# The function `listing_context` replaces the placeholder with the name of the operation.
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
        Keys of the records whose list of groups does not contain the group to which this page belongs.
    n_with_references
        Number of records that list at least one group.
    n_new
        Number of customers on this page that no earlier page contained.
    """

    keys: list[Key]
    page_number: int
    page_size: int
    total_count: int
    without_uid: int = 0
    missing_backreference: Sequence[Key] = ()
    n_with_references: int = 0
    n_new: int = 0

    @property
    def n_rows(self) -> int:
        """Number of records in the response, including the records without a uid."""
        return len(self.keys) + self.without_uid


ReadPage = Callable[[int | None, int | None], PageRows[Key]]


class ListingReader(Generic[Key]):
    """
    Reader that makes one attempt to read all pages of a list.

    The method `read_pages` reads a single page, overlapping windows of rows, or all pages twice with a fixed page
    size. The method `find_problem` compares the rows with the totals that the server returned.

    Attributes
    ----------
    evidence
        "counts", "overlapping windows", or "second pass".
    keys
        Keys of all rows.
    pages
        Number of pages that were requested.
    total, total_last
        `total` is the total that the first page reports. If a page reports a different total, `total_last` is the
        last different total. Otherwise, both values are equal.
    without_uid
        Number of records without a uid.
    doubt
        Reason why the rows cannot be verified although the list did not change, or "".
    """

    def __init__(self, read_page: ReadPage[Key], first: PageRows[Key], pool: Executor | None) -> None:
        self._read_page = read_page
        self._pool = pool
        self._first = first
        # Use the number of rows if it is larger, because a server that ignores the requested page size can return
        # more rows than the page size that it reports.
        self._page_size = max(first.page_size, first.n_rows)
        self._missing_backreference: set[Key] = set(first.missing_backreference)
        self._n_with_references = first.n_with_references
        self._problem = ""
        self.doubt = ""
        self.evidence = "none"
        self.keys: list[Key] = list(first.keys)
        self.pages = 1
        self.total = self.total_last = first.total_count
        self.without_uid = first.without_uid

    def read_pages(self) -> None:
        """Read the pages after the first page, and set the attributes `keys` and `evidence`."""
        first = self._first
        if self.total <= first.n_rows and (first.n_rows == 0 or first.n_rows < first.page_size):
            self.evidence = "counts"
            return
        self._check_paging_values()
        if self._is_last_page_empty():
            self._problem = f"the server reported {pluralize(self.total, 'row')}, but the last page is empty"
            return
        if not self._read_overlapping_windows():
            self._read_two_passes()

    def find_problem(self) -> str:
        """
        Return a description of the first inconsistency, or an empty string if there is none.

        A total that is lower than the number of rows is not an inconsistency, because servers can report a maximum
        instead of the total. The property `exceeds_total` is True in this case.
        """
        n_distinct = len(set(self.keys))
        n_missing = self.count_missing_backreferences()
        if self._problem:
            return self._problem
        if n_distinct < len(self.keys):
            return f"{pluralize(len(self.keys) - n_distinct, 'row')} appeared more than once"
        if self.total_last != self.total:
            return f"the total changed from {self.total:,} to {self.total_last:,} during the read"
        if n_distinct + self.without_uid < self.total:
            return self.describe_row_count()
        if n_missing:
            return missing_reference_note(n_missing)
        return ""

    @property
    def exceeds_total(self) -> bool:
        """True if the list contains more rows than the total that the server reported."""
        return len(self.keys) + self.without_uid > self.total

    def describe_row_count(self) -> str:
        """Return a sentence that compares the number of rows with the reported total."""
        n = len(set(self.keys)) + self.without_uid
        return f"the server reported a total of {pluralize(self.total, 'row')} but returned {n:,}"

    def count_missing_backreferences(self) -> int:
        """
        Return the number of customer records that were returned on a page of a group but do not list this group.

        The result is 0 if no customer record lists any group, because the server then does not report the groups of
        customers.
        """
        if self._n_with_references == 0:
            return 0
        return len(self._missing_backreference)

    def _check_paging_values(self) -> None:
        """Raise UnexpectedResponseError if the total or the page size is invalid."""
        if self.total > MAX_ROWS:
            raise _paging_error(
                f"The server reported {self.total:,} rows, but the maximum is {MAX_ROWS:,}.", self._first
            )
        if self._page_size < 1:
            raise _paging_error(f"The server reported an invalid page size of {self._page_size}.", self._first)

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
        return not page.n_rows and start < self.total

    def _read_overlapping_windows(self) -> bool:
        """
        Read overlapping windows of rows, and check that consecutive windows agree on the row that they share.

        The list ends in the first window that is not full. If the last window before the reported total is full, more
        windows are read one after the other. Each window starts before the end of the previous window, so no request
        selects only rows after the end of the list.

        The result is False if overlapping windows cannot be used. This is the case if the number of rows on the first
        page differs from its page size, if the server ignores or rejects the requested page size, or if records
        without a uid cannot be compared.
        """
        size = self._first.page_size
        if len(self._first.keys) != size:
            return False
        windows = overlapping_windows(size, self.total)
        if windows is None:
            return False
        try:
            pages = self._read_windows(windows[:1])
            if _have_sizes(pages, windows[:1]):
                pages += self._read_windows(windows[1:])
            self._check_repetition(pages)
            if not _have_sizes(pages, windows):
                return False
            keys = list(self._first.keys)
            for page, window in zip(pages, windows, strict=True):
                self._append_window(keys, page, window)
            end = _end_of(windows[-1]) if windows else size
            has_ended = len(keys) < end or self._read_windows_after_total(keys, end)
        except (NotFoundError, RequestRejectedError):
            # Some servers reject page numbers or page sizes above a maximum, so `read_pages` reads two passes
            # instead.
            # If the list itself cannot be read, the first request of these passes raises the same error.
            return False
        except (ServerError, UnexpectedResponseError):
            if windows:
                raise
            # The list has a single page.
            # If the server ignores the page size, the next window is after the end of the list, which can cause this
            # error.
            # Therefore, the error is ignored.
            return False
        if not has_ended:
            return False
        self.keys = keys
        self.evidence = "overlapping windows"
        if len(keys) == size:
            self.evidence = "counts"
        return True

    def _read_windows_after_total(self, keys: list[Key], end: int) -> bool:
        """
        Append the rows after the first `end` rows to `keys`.

        The result is False if the end of the list cannot be reached with windows.

        To avoid incorrect results and endless requests, the method stops early if a window contradicts the previous
        rows or contains no new row.
        """
        size = self._first.page_size
        seen = set(keys)
        while len(keys) == end and not self._problem:
            window = next_window(size, end)
            if window is None:
                page = self._read_page_after_total(end // size, is_after_total=True)
                return page is None or seen.issuperset(page.keys)
            try:
                (page,) = pages = self._read_windows([window])
            except _REJECTIONS as error:
                if len(keys) <= self.total:
                    raise
                self._doubt_end(error)
                return True
            if not _have_sizes(pages, [window]):
                return False
            self._append_window(keys, page, window)
            end = _end_of(window)
            if len(keys) == end and seen.issuperset(page.keys):
                self._problem = "a later page repeats the rows of earlier pages"
            seen.update(page.keys)
        return True

    def _append_window(self, keys: list[Key], page: PageRows[Key], window: Window) -> None:
        """Append the rows of a window to `keys`, and check that the shared rows equal the rows read before."""
        self._count_page(page)
        k, size = window
        start = k * size
        shared = keys[start:]
        if shared != page.keys[: len(shared)] or (page.keys and not shared):
            self._problem = f"rows {min(start, len(keys)):,} to {len(keys):,} changed between two requests"
        del keys[start:]
        keys += page.keys

    def _read_two_passes(self) -> None:
        """Read all pages twice with a fixed page size, and compare the rows of both passes."""
        self.evidence = "second pass"
        first_pass = self._read_pass(self._first)
        self._read_pages_after_total(first_pass)
        again = self._read_page_of_same_size(0)
        self.pages += 1
        second_pass = self._read_pass(again, n_pages=len(first_pass))
        self.keys = _join(second_pass)
        self.without_uid = sum(page.without_uid for page in second_pass)
        if _join(first_pass) != self.keys:
            self._problem = "two reads of all pages returned different rows"

    def _read_pass(self, first: PageRows[Key], n_pages: int | None = None) -> list[PageRows[Key]]:
        """Read the pages after `first`, and return all pages. If `n_pages` is None, read up to the reported total."""
        pages = list(self._map(self._read_page_of_same_size, range(1, n_pages or self._count_pages())))
        self.pages += len(pages)
        self._check_repetition(pages)
        for page in pages:
            self._count_page(page)
        return [first, *pages]

    def _read_pages_after_total(self, pages: list[PageRows[Key]]) -> None:
        """
        Append the pages that follow the reported total, until a page has fewer rows than the first page.

        The number of rows on a page is compared with the first page and not with the reported page size, because some
        servers report the page size that the client requested although they return fewer rows.
        """
        n_rows = sum(page.n_rows for page in pages)
        seen = set(_join(pages))
        while pages[-1].n_rows and (n_rows < self.total or pages[-1].n_rows >= self._first.n_rows):
            page = self._read_page_after_total(len(pages), is_after_total=n_rows >= self.total)
            # A page without new rows is the end of the list, because some servers return an earlier page again if the
            # page number is too high.
            if page is None or (seen.issuperset(page.keys) and (page.keys or not page.without_uid)):
                break
            self._count_page(page)
            pages.append(page)
            n_rows += page.n_rows
            if seen.issuperset(page.keys):
                break  # A server that repeats its rows must not cause endless requests.
            seen.update(page.keys)

    def _read_page_after_total(self, k: int, *, is_after_total: bool) -> PageRows[Key] | None:
        """Return page `k`, or None if the page is after the reported total and the server rejects the request."""
        self.pages += 1
        try:
            return self._read_page_of_same_size(k)
        except NotFoundError:
            # Some servers return status 404 if the page number is too high, so this error marks the end of the list.
            # If the list itself does not exist, the second pass raises the same error.
            if not is_after_total:
                raise
        except _REJECTIONS as error:
            if not is_after_total:
                raise
            self._doubt_end(error)
        return None

    def _doubt_end(self, error: ApiError) -> None:
        answer = f"status {error.status}"
        if error.status is not None and error.status < 300:
            answer += " with an invalid body"
        self.doubt = (
            f"the end of the list is unknown, because the server returned {answer} for the page after the last row"
        )

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
        return max(1, -(-self.total // self._page_size))

    def _check_repetition(self, pages: Sequence[PageRows[Key]]) -> None:
        """Raise UnexpectedResponseError if every page in `pages` repeats the first rows of the first page."""
        if len(pages) > 1 and all(self._repeats_first_page(page) for page in pages):
            raise _paging_error(_REPEATS, pages[0])

    def _repeats_first_page(self, page: PageRows[Key]) -> bool:
        """Return True if a page has the first page's total and contains only the first rows of the first page."""
        n = len(page.keys)
        return n > 1 and page.keys == self._first.keys[:n] and page.total_count == self.total

    def _count_page(self, page: PageRows[Key]) -> None:
        """Store the total that a page reports, and the keys of the page's records that do not list the group read."""
        self._missing_backreference.update(page.missing_backreference)
        self._n_with_references += page.n_with_references
        if page.total_count != self.total:
            # If the total has changed, a later page that equals the first page is not an error, because customers
            # might have joined.
            self.total_last = page.total_count
        elif len(page.keys) > 1 and page.keys == self._first.keys:
            raise _paging_error(_REPEATS, page)


def _join(pages: Iterable[PageRows[Key]]) -> list[Key]:
    return [key for page in pages for key in page.keys]


def _end_of(window: Window) -> int:
    k, size = window
    return (k + 1) * size


def _have_sizes(pages: Sequence[PageRows[Key]], windows: Sequence[Window]) -> bool:
    """Return True if all pages have the requested page sizes, and all records on these pages have a uid."""
    return all(
        page.page_size == size and not page.without_uid for page, (_, size) in zip(pages, windows, strict=True)
    )


def _paging_error(problem: str, page: PageRows[Key]) -> UnexpectedResponseError:
    return UnexpectedResponseError(
        f"{problem} The page contains {len(page.keys):,} of {pluralize(page.total_count, 'row')}. "
        "The list cannot be read reliably.",
        operation=PAGING_OPERATION,
    )
