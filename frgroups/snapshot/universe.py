"""How many customers a tenant has in all: told by who knows it, never guessed from those who are in groups."""

from __future__ import annotations

import operator
from typing import Any

from frgroups.errors import InputError
from frgroups.snapshot.membership_matrix import MembershipMatrix


def resolve_universe(data: Any, universe: int | None, codes: MembershipMatrix) -> int | None:
    """
    The number that was passed, or else the one that the Snapshot was given; None when nobody told.

    `codes` are those of `data`, which may be a stream that can be read only once.

    >>> snapshot = sample_snapshot().with_universe(1_000)
    >>> resolve_universe(snapshot, None, snapshot.matrix), resolve_universe(snapshot, 2_000, snapshot.matrix)
    (1000, 2000)
    """
    if universe is not None:
        return check_universe(universe, codes.n_customers)
    is_snapshot = isinstance(getattr(data, "matrix", None), MembershipMatrix)
    return data.universe if is_snapshot else None


def check_universe(universe: int, n_seen: int) -> int:
    """
    The number as an int; raises InputError when it is not whole, or less than the customers seen.

    >>> check_universe(1_240_000, 251)
    1240000
    """
    try:
        total = operator.index(universe)
    except TypeError as error:
        raise InputError(f"A universe of {universe!r} is not a whole number of customers.") from error
    if total < n_seen:
        raise InputError(
            f"A universe of {total:,} is smaller than the {n_seen:,} customers seen; "
            "it is the number of customers that the tenant has in all."
        )
    return total
