"""
Total number of customers of a tenant (the universe).

The API does not report the total number of customers, so the caller must pass it.
"""

from __future__ import annotations

from typing import Any, Protocol

from frgroups.errors import InputError
from frgroups.internals.validation import check_number
from frgroups.snapshot.membership_matrix import MembershipMatrix


class CustomerCount(Protocol):
    """An object with the number of customers in the data of an analysis."""

    @property
    def n_customers(self) -> int:
        """Number of customers in the data."""


def resolve_universe(data: Any, universe: int | None, counts: CustomerCount) -> int | None:
    """
    Return the total number of customers to use in an analysis.

    The function returns `universe` if it is not None, and otherwise the total number that the Snapshot `data`
    contains. If the total is not known, the function returns None. The number of customers is read from `counts`
    instead of `data`, because `data` might be a stream that can be read only once.

    Examples
    --------
    >>> snapshot = sample_snapshot().with_universe(1_000)
    >>> resolve_universe(snapshot, None, snapshot.matrix), resolve_universe(snapshot, 2_000, snapshot.matrix)
    (1000, 2000)
    """
    if universe is not None:
        return check_universe(universe, counts.n_customers)
    if isinstance(getattr(data, "matrix", None), MembershipMatrix):  # `data` is a Snapshot if it has a matrix.
        return data.universe  # type: ignore[no-any-return]
    return None


def check_universe(universe: int, n_seen: int) -> int:
    """
    Validate the total number of customers, and return it as an int.

    An InputError is raised if `universe` is not an integer or is less than `n_seen`, the number of customers in the
    data.

    Examples
    --------
    >>> check_universe(1_240_000, 251)
    1240000
    """
    check_number(universe, "universe", whole=True)
    total = int(universe)
    if total < n_seen:
        raise InputError(
            f"`universe` must be at least {n_seen:,}, the number of customers in the data, got {total:,}. Pass the "
            "total number of customers of the tenant."
        )
    return total
