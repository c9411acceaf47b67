"""Count the members of each group, and the groups of each customer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from frgroups.internals.typing import IntArray
from frgroups.snapshot.membership_matrix import MembershipMatrix, as_membership_matrix
from frgroups.snapshot.universe import resolve_universe


def group_sizes(data: Any, *, universe: int | None = None) -> pd.DataFrame:
    """
    Return the number of members of each group.

    The result includes groups without members.

    Parameters
    ----------
    data
        A Snapshot, or a table of memberships with the columns customer_group_uid and customer_uid. The table can be a
        pandas DataFrame, or a table of pyarrow, Polars, DuckDB, Narwhals, or Spark.
    universe
        The total number of customers of the tenant. None uses the number set by `Snapshot.with_universe`. If neither
        is given, share_of_universe is NaN, because `data` does not contain all customers in no group.

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
    matrix = as_membership_matrix(data)
    universe = resolve_universe(data, universe, matrix)
    n_groups = count_groups(matrix)
    is_exclusive = n_groups[matrix.indices] == 1
    n_exclusive = np.bincount(matrix.group_code[is_exclusive], minlength=matrix.n_groups)
    with np.errstate(invalid="ignore"):
        return pd.DataFrame(
            {
                "customer_group_uid": matrix.group_uids.array,
                "name": matrix.group_names.array,
                "n_members": matrix.sizes,
                "n_exclusive": n_exclusive,
                "share_exclusive": n_exclusive / matrix.sizes,
                "share_of_customers": matrix.sizes / np.count_nonzero(n_groups),
                "share_of_universe": matrix.sizes / (np.nan if universe is None else universe),
            }
        )


def groups_per_customer(data: Any, *, universe: int | None = None) -> pd.DataFrame:
    """
    Count the customers by the number of groups that they are in.

    Parameters
    ----------
    data
        A Snapshot, or a table of memberships with the columns customer_group_uid and customer_uid. The table can be a
        pandas DataFrame, or a table of pyarrow, Polars, DuckDB, Narwhals, or Spark.
    universe
        The total number of customers of the tenant. None uses the number set by `Snapshot.with_universe`. If neither
        is given, customers in no group are counted only as far as `data` contains them.

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
    matrix = as_membership_matrix(data)
    universe = resolve_universe(data, universe, matrix)
    n_customers = np.bincount(count_groups(matrix), minlength=1)
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
