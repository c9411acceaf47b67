"""Sizes of groups, and the number of groups per customer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from frgroups.internals.typing import IntArray
from frgroups.snapshot.membership_matrix import MembershipMatrix, as_membership_matrix
from frgroups.snapshot.universe import resolve_universe


def group_sizes(data: Any, *, universe: int | None = None) -> pd.DataFrame:
    """
    Return the size of each group, including empty groups, in uid order.

    Parameters
    ----------
    data
        A Snapshot, a frame of memberships (customer_group_uid, customer_uid), or such a table that speaks Arrow.
    universe
        How many customers the tenant has in all; None takes the number that the Snapshot was given by
        `with_universe`. Without one share_of_universe is NaN: customers in no group cannot be seen.

    Returns
    -------
    DataFrame
        One row per group: customer_group_uid, name (`str`); n_members, n_exclusive (`int64`, customers);
        then shares (`float64`, 0 to 1, NaN where the denominator is 0): share_exclusive = n_exclusive / n_members,
        share_of_customers = n_members / customers in any group, share_of_universe = n_members / universe.
        An exclusive member is in no other group of `data`: n_exclusive is what would be lost from sight if the
        group were deleted. Members of several groups count in each, so that shares add up to more than 1.

    Raises
    ------
    InputError
        A `universe` smaller than the number of customers seen in `data`.

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
    n_groups = _count_groups(matrix)
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
    data, universe
        As in `group_sizes`.

    Returns
    -------
    DataFrame
        n_groups (`int64`, how many groups), n_customers (`int64`, customers in exactly so many), share
        (`float64`, of the customers of all rows). With a universe the first row tells of those in no group;
        without one only if `data` knows of such customers, which a tenant does not show.

    Raises
    ------
    InputError
        A `universe` smaller than the number of customers seen in `data`.

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
    n_customers = np.bincount(_count_groups(matrix), minlength=1)
    if universe is not None:
        n_customers[0] = universe - n_customers[1:].sum()
    n_groups = np.flatnonzero(n_customers)
    if universe is not None:
        n_groups = np.union1d([0], n_groups)
    n_customers = n_customers[n_groups]
    return pd.DataFrame(
        {"n_groups": n_groups, "n_customers": n_customers, "share": n_customers / max(n_customers.sum(), 1)}
    )


def _count_groups(matrix: MembershipMatrix) -> IntArray:
    """Return the number of groups of each customer."""
    return np.bincount(matrix.indices, minlength=matrix.n_customers)
