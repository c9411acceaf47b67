"""
Read a list from its other end, to detect rows that a server omits after a maximum.

Some servers return only the first rows of a list, for example 1,000, and report this maximum as the total. The pages
and the total of such a list agree. A request in the reverse sort order returns the last rows of the complete list, so
a row that the pages do not contain shows that rows were omitted.

A maximum applies to all lists of a server. Only the longest lists can be incomplete, because a longer list shows that
the maximum is higher. A load therefore checks only its longest lists.
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

# Page size of a request for the other end of a list.
END_SIZE = 20

# Maximums that servers use are these numbers times a power of ten, and at least `MIN_COMMON_MAXIMUM`.
COMMON_FACTORS = (1, 5)
MIN_COMMON_MAXIMUM = 1000

# Two long lists rarely have the same number of rows by chance. Shorter lists often do.
MIN_SHARED_MAXIMUM = 100


@dataclass(slots=True)
class ServerSorting:
    """
    Behavior of a server, learned from the lists that were read.

    Several threads can use an object. At worst, each of them sends the requests that learn the sort direction.

    Attributes
    ----------
    directions
        Values of `sortDirection` that might return a list from its other end. After a request has confirmed a value,
        it is the only one. If the server ignores or rejects the parameter, there is none.
    longest
        Number of rows in the longest list that was read. A list with fewer rows is not checked.
    """

    directions: tuple[Direction, ...] = ("DESC", "ASC")
    longest: int = 0

    def is_longest(self, n_rows: int) -> bool:
        """Return True if no longer list was read, and update the number of rows of the longest list."""
        self.longest = max(self.longest, n_rows)
        return 0 < n_rows == self.longest


class _Response(Enum):
    LAST_ROWS = auto()  # The page starts with the last row of the list.
    FIRST_ROWS = auto()  # The page starts with the first row, so the server ignores the direction.
    REJECTED = auto()
    INCONCLUSIVE = auto()


@dataclass(frozen=True, slots=True)
class OtherEnd(Generic[Key]):
    """
    Result of reading a list from its other end.

    Attributes
    ----------
    omitted
        Rows at the other end that the pages of the list do not contain.
    is_confirmed
        True if the other end starts with the last row of the list.
    """

    omitted: frozenset[Key] = frozenset()
    is_confirmed: bool = False

    @property
    def problem(self) -> str:
        """Note that states how many rows the pages of the list lack, or an empty string."""
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
    Check of a list that has been read completely according to its pages.

    Parameters
    ----------
    read
        Function that returns the first page of the list for a value of `sortDirection`.
    sorting
        Behavior of the server. It is shared by the lists of one load, and updated.
    min_pages
        Lists that were read with fewer requests are not checked.
    """

    read: Callable[[Direction], PageRows[Key]]
    sorting: ServerSorting
    min_pages: int = 1

    def is_needed(self, n_rows: int, n_pages: int) -> bool:
        """Return True if a list has enough pages, and no longer list was read."""
        return self.sorting.is_longest(n_rows) and n_pages >= self.min_pages

    def read_other_end(self, keys: Sequence[Key]) -> OtherEnd[Key]:
        """Request the other end of a list, and compare it with the keys of all rows."""
        known = set(keys)
        for direction in self.sorting.directions:
            rows, response = self._request(direction, keys)
            omitted = frozenset(rows) - known
            if omitted:
                return OtherEnd(omitted)
            if response is _Response.LAST_ROWS:
                self.sorting.directions = (direction,)
                return OtherEnd(is_confirmed=True)
            if response is _Response.INCONCLUSIVE:
                return OtherEnd()
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
        return rows, _Response.INCONCLUSIVE


def is_common_maximum(n: int) -> bool:
    """
    Return True if servers commonly use a number as the maximum of a list, for example 1,000, 5,000, or 10,000.

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
        Number of the longest lists, without lists that contain the same rows as another list.

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
    Return the reason why a list with as many rows as an incomplete list cannot be verified.

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
