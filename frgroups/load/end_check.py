"""
Request lists in the reverse sort order, to detect rows that a server omits.

Some servers return only the first rows of a list, for example 1,000, and report this maximum as the total. The pages
and the total of such a list agree. A request in the reverse sort order returns the last rows of the complete list. If
the pages do not contain one of these rows, the server omitted rows.

The same maximum applies to all lists of a server. If one list has more rows than another list, the maximum is higher
than the number of rows in the shorter list, so the shorter list is complete. A load therefore checks only its longest
lists.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Generic

from frgroups.api.client import Direction
from frgroups.errors import NotFoundError, RequestRejectedError, ServerError, UnexpectedResponseError
from frgroups.load.listing_reader import Key, PageRows
from frgroups.snapshot.verdicts import omitted_rows_note

# Page size of a request in the reverse sort order.
END_SIZE = 20

# The maximum number of rows that a server returns is often one of these factors times a power of ten.
# Numbers below `MIN_COMMON_MAXIMUM` are not treated as a maximum.
COMMON_FACTORS = (1, 5)
MIN_COMMON_MAXIMUM = 1000

# Several lists with fewer than `MIN_SHARED_MAXIMUM` rows often have the same number of rows by chance.
# Therefore, this number of rows is not treated as the maximum of the server.
MIN_SHARED_MAXIMUM = 100


@dataclass(slots=True)
class ServerSorting:
    """
    Sorting behavior of a server, determined from its responses during a load.

    Several threads can use the same object. If several threads check lists at the same time, each thread might send
    the requests that determine the sort direction.

    Attributes
    ----------
    directions
        Values of `sortDirection` with which the server might return a list in the reverse order. After a request has
        confirmed a value, the tuple contains only this value. The tuple is empty if the server ignores or rejects the
        parameter.
    longest
        Number of rows in the longest list that was read. A list with fewer rows is not checked.
    """

    directions: tuple[Direction, ...] = ("DESC", "ASC")
    longest: int = 0

    def is_longest(self, n_rows: int) -> bool:
        """Return True if no list with more than `n_rows` rows was read, and update the attribute `longest`."""
        self.longest = max(self.longest, n_rows)
        return 0 < n_rows == self.longest


class _Response(Enum):
    LAST_ROWS = auto()  # The page starts with the last row of the list.
    FIRST_ROWS = auto()  # The page starts with the first row, so the server ignores the direction.
    OTHER_ROWS = auto()  # The page starts with another row. The last rows might have left the list.
    REJECTED = auto()
    INCONCLUSIVE = auto()


@dataclass(frozen=True, slots=True)
class OtherEnd(Generic[Key]):
    """
    Result of requesting a list in the reverse sort order.

    Attributes
    ----------
    omitted
        Rows in the response that the pages of the list do not contain.
    is_confirmed
        True if the response starts with the last row of the list.
    might_have_changed
        True if the response starts with neither the first nor the last row of the list. Either the last rows left the
        list after it was read, or the server sorts the rows of this request by another key.
    """

    omitted: frozenset[Key] = frozenset()
    is_confirmed: bool = False
    might_have_changed: bool = False

    @property
    def problem(self) -> str:
        """Sentence with the number of omitted rows. It is an empty string if no rows were omitted."""
        return omitted_rows_note(len(self.omitted)) if self.omitted else ""

    def doubt(self, n_rows: int) -> str:
        """Return the reason why a list of `n_rows` rows might be incomplete, or an empty string."""
        if self.is_confirmed or not is_common_maximum(n_rows):
            return ""
        return (
            f"the total {n_rows:,} is a common maximum of servers, and the server did not return the list in the "
            "reverse sort order, so further rows might exist"
        )


@dataclass(frozen=True, slots=True)
class EndCheck(Generic[Key]):
    """
    Check for omitted rows in a list whose pages seem complete.

    Attributes
    ----------
    read
        Function that returns the first page of the list for a value of `sortDirection`.
    sorting
        Sorting behavior of the server. The checks of all lists in a load share and update this object.
    min_pages
        Minimum number of pages. Lists with fewer pages are not checked.
    """

    read: Callable[[Direction], PageRows[Key]]
    sorting: ServerSorting
    min_pages: int = 1

    def is_needed(self, n_rows: int, n_pages: int) -> bool:
        """Return True if a list has at least `min_pages` pages, and no list with more rows was read."""
        return self.sorting.is_longest(n_rows) and n_pages >= self.min_pages

    def read_other_end(self, keys: Sequence[Key]) -> OtherEnd[Key]:
        """Request a list in the reverse sort order, and compare the response with the rows on the pages."""
        known = set(keys)
        for direction in self.sorting.directions:
            rows, response = self._request(direction, keys)
            omitted = frozenset(rows) - known
            if omitted:
                return OtherEnd(omitted)
            if response is _Response.LAST_ROWS:
                self.sorting.directions = (direction,)
                return OtherEnd(is_confirmed=True)
            if response in (_Response.OTHER_ROWS, _Response.INCONCLUSIVE):
                return OtherEnd(might_have_changed=response is _Response.OTHER_ROWS)
            if response is _Response.REJECTED:
                break
        self.sorting.directions = ()
        return OtherEnd()

    def _request(self, direction: Direction, keys: Sequence[Key]) -> tuple[list[Key], _Response]:
        try:
            rows = self.read(direction).keys
        except NotFoundError:  # The list was deleted after it was read.
            return [], _Response.INCONCLUSIVE
        except (RequestRejectedError, ServerError, UnexpectedResponseError):
            return [], _Response.REJECTED
        if not rows or len(keys) < 2:
            return rows, _Response.INCONCLUSIVE
        if rows[0] == keys[-1]:
            return rows, _Response.LAST_ROWS
        if rows[0] == keys[0]:
            return rows, _Response.FIRST_ROWS
        return rows, _Response.OTHER_ROWS


def is_common_maximum(n: int) -> bool:
    """
    Return True if `n` is a common maximum number of rows in a list, for example 1,000, 5,000, or 10,000.

    Examples
    --------
    >>> [n for n in (100, 999, 1000, 1300, 5000, 10_000, 40_000) if is_common_maximum(n)]
    [1000, 5000, 10000]
    """
    if n < MIN_COMMON_MAXIMUM:
        return False
    while n % 10 == 0:
        n //= 10
    return n in COMMON_FACTORS


def shared_maximum_note(n_rows: int, n_lists: int) -> str:
    """
    Return the reason why the longest lists of a server might be incomplete, or an empty string.

    If several lists with different rows share the largest number of rows, this number might be the maximum of the
    server. Copies of a list are not evidence of a maximum.

    Parameters
    ----------
    n_rows
        Number of rows in each of the longest lists.
    n_lists
        Number of the longest lists. Lists with the same rows count once.

    Examples
    --------
    >>> shared_maximum_note(99, 2), shared_maximum_note(100, 1)
    ('', '')
    """
    if n_lists < 2 or n_rows < MIN_SHARED_MAXIMUM:
        return ""
    return (
        f"the server did not return the list in the reverse sort order, and it might return at most {n_rows:,} rows, "
        f"because {n_lists:,} groups with different members have exactly this number and no group has more"
    )


def equal_list_note(n_rows: int, group_uid: str) -> str:
    """
    Return the note for a list that cannot be verified, because another list is incomplete and has as many rows.

    Parameters
    ----------
    n_rows
        Number of rows in both lists.
    group_uid
        Uid of the group with the incomplete list.

    Examples
    --------
    >>> equal_list_note(100, "vip")
    'the server might return at most 100 rows, because the list has as many rows as the incomplete list of group vip'
    """
    return (
        f"the server might return at most {n_rows:,} rows, because the list has as many rows as the incomplete list "
        f"of group {group_uid}"
    )
