"""Count the members of each group, and the groups of each customer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from frgroups.engines.memberships import EngineMemberships, as_memberships
from frgroups.internals.typing import IntArray
from frgroups.snapshot.membership_matrix import MembershipMatrix
from frgroups.snapshot.universe import resolve_universe


def group_sizes(data: Any, *, universe: int | None = None) -> pd.DataFrame:
    """
    Return the number of members of each group.

    The result includes groups without members.

    Parameters
    ----------
    data
        A Snapshot, or a table of memberships with the columns customer_group_uid and customer_uid. The table can be a
        pandas DataFrame, or a table of pyarrow, Polars, DuckDB, Narwhals, or Spark. A lazy frame, for example of
        DuckDB or Spark, is counted in its query engine.
    universe
        The total number of customers of the tenant. None uses the number set by `Snapshot.with_universe`. If neither
        is given, share_of_universe is NaN, because `data` does not contain all customers who are in no group.

    Returns
    -------
    DataFrame
        One row per group, sorted by uid:

        - customer_group_uid, name (`str`)
        - n_members (`int64`)
        - n_exclusive (`int64`): the members who are in no other group of `data`. If the group were deleted, the API
          would no longer list these customers.
        - share_exclusive (`float64`): n_exclusive / n_members
        - share_of_customers (`float64`): n_members divided by the number of customers in any group
        - share_of_universe (`float64`): n_members / universe

        Shares are from 0 to 1, and NaN if the denominator is 0. A customer can be a member of several groups, so the
        shares of all groups can sum to more than 1.

    Raises
    ------
    InputError
        If `universe` is less than the number of customers in `data`.

    See Also
    --------
    groups_per_customer : Count the customers by their number of groups.

    Examples
    --------
    >>> group_sizes(sample_snapshot()).drop(columns=["customer_group_uid", "share_of_universe"])
              name  n_members  n_exclusive  share_exclusive  share_of_customers
    0  All members        250          248            0.992            0.996016
    1        Staff          1            1            1.000            0.003984
    2          VIP          2            0            0.000            0.007968
    """
    counts = _SizeCounts.from_data(data)
    universe = resolve_universe(data, universe, counts)
    with np.errstate(invalid="ignore"):
        return pd.DataFrame(
            {
                "customer_group_uid": counts.group_uids.array,
                "name": counts.group_names.array,
                "n_members": counts.n_members,
                "n_exclusive": counts.n_exclusive,
                "share_exclusive": counts.n_exclusive / counts.n_members,
                "share_of_customers": counts.n_members / counts.n_in_groups,
                "share_of_universe": counts.n_members / (np.nan if universe is None else universe),
            }
        )


def groups_per_customer(data: Any, *, universe: int | None = None) -> pd.DataFrame:
    """
    Count the customers by the number of groups that they are in.

    Parameters
    ----------
    data
        A Snapshot, or a table of memberships with the columns customer_group_uid and customer_uid. The table can be a
        pandas DataFrame, or a table of pyarrow, Polars, DuckDB, Narwhals, or Spark. A lazy frame, for example of
        DuckDB or Spark, is counted in its query engine.
    universe
        The total number of customers of the tenant. None uses the number set by `Snapshot.with_universe`. If neither
        is given, customers in no group are counted only if `data` contains them.

    Returns
    -------
    DataFrame
        One row per number of groups, in ascending order. With a universe, the first row counts the customers in no
        group.

        - n_groups (`int64`): the number of groups
        - n_customers (`int64`): the customers who are in exactly this number of groups
        - share (`float64`): n_customers divided by the sum of n_customers

    Raises
    ------
    InputError
        If `universe` is less than the number of customers in `data`.

    Examples
    --------
    >>> groups_per_customer(sample_snapshot())
       n_groups  n_customers     share
    0         1          249  0.992032
    1         2            2  0.007968
    >>> groups_per_customer(sample_snapshot(), universe=1_000)
       n_groups  n_customers  share
    0         0          749  0.749
    1         1          249  0.249
    2         2            2  0.002
    """
    counts = _DegreeCounts.from_data(data)
    universe = resolve_universe(data, universe, counts)
    n_customers = counts.by_degree.copy()
    if universe is not None:
        n_customers[0] = universe - n_customers[1:].sum()
    n_groups = np.flatnonzero(n_customers)
    if universe is not None:
        n_groups = np.union1d([0], n_groups)
    n_customers = n_customers[n_groups]
    return pd.DataFrame(
        {"n_groups": n_groups, "n_customers": n_customers, "share": n_customers / max(n_customers.sum(), 1)}
    )


def count_groups(matrix: MembershipMatrix) -> IntArray:
    """Return the number of groups that each customer is in."""
    return np.bincount(matrix.indices, minlength=matrix.n_customers)


@dataclass(frozen=True, eq=False)
class _SizeCounts:
    """
    The groups, and the number of members and exclusive members of each group.

    `n_customers` is the number of customers in the data, and `n_in_groups` is the number of customers in any group.
    """

    group_uids: pd.Index
    group_names: pd.Index
    n_members: IntArray
    n_exclusive: IntArray
    n_customers: int
    n_in_groups: int

    @classmethod
    def from_data(cls, data: Any) -> Self:
        """Count the members in memory or in a query engine."""
        memberships = as_memberships(data)
        if isinstance(memberships, EngineMemberships):
            uids, n_members, n_exclusive, n_customers = memberships.count_members()
            return cls(uids, uids, n_members, n_exclusive, n_customers, n_customers)
        matrix = memberships
        n_groups = count_groups(matrix)
        is_exclusive = n_groups[matrix.indices] == 1
        n_exclusive = np.bincount(matrix.group_code[is_exclusive], minlength=matrix.n_groups)
        n_in_groups = int(np.count_nonzero(n_groups))
        return cls(matrix.group_uids, matrix.group_names, matrix.sizes, n_exclusive, matrix.n_customers, n_in_groups)


@dataclass(frozen=True, eq=False)
class _DegreeCounts:
    """The number of customers per number of groups. `by_degree[d]` counts the customers in exactly d groups."""

    by_degree: IntArray

    @classmethod
    def from_data(cls, data: Any) -> Self:
        """Count the customers in memory or in a query engine."""
        memberships = as_memberships(data)
        if not isinstance(memberships, EngineMemberships):
            return cls(np.bincount(count_groups(memberships), minlength=1))
        degree, n_customers = memberships.count_degrees()
        by_degree = np.zeros(degree.max(initial=0) + 1, dtype=np.int64)
        by_degree[degree] = n_customers
        return cls(by_degree)

    @property
    def n_customers(self) -> int:
        """Number of customers in the data."""
        return int(self.by_degree.sum())
