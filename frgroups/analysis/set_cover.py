"""Greedy set cover: select a small number of groups that contain a given share of the customers."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from frgroups.engines.memberships import collect_memberships
from frgroups.internals.typing import IntArray
from frgroups.internals.validation import check_share
from frgroups.snapshot.membership_matrix import MembershipMatrix


def set_cover(data: Any, groups: Iterable[str] | None = None, *, target: float = 1.0) -> pd.DataFrame:
    """
    Select a small number of groups that together contain a given share of the customers.

    Each step selects the group that adds the most new customers. The result shows how many groups are needed for a
    mailing to all customers, and how many customers each further group adds.

    Parameters
    ----------
    data
        A Snapshot, or a table of memberships with the columns customer_group_uid and customer_uid. The table can be a
        pandas DataFrame, or a table of pyarrow, Polars, DuckDB, Narwhals, or Spark.
    groups
        The groups to select from, by uid or unique name. None selects from all groups. The customers to cover are the
        members of these groups.
    target
        The share of these customers to cover, above 0 and at most 1.

    Returns
    -------
    DataFrame
        One row per step. The last step is the first step that reaches `target`. Groups that add the same number of
        customers are selected in the order of uids.

        - step (`int64`): the number of the step, from 1
        - customer_group_uid, name (`str`)
        - n_new (`int64`): the members of the group who are in no group of the previous steps
        - n_cumulative (`int64`): the sum of n_new up to this step
        - share_cumulative (`float64`): n_cumulative divided by the number of customers in any of the groups

    Raises
    ------
    InputError
        If `target` is not above 0 and at most 1.
    GroupNotFoundError
        If a group is unknown, or its name is not unique.

    See Also
    --------
    incremental_reach : Select groups by the customers who can be contacted.

    Notes
    -----
    The greedy algorithm does not always find the smallest number of groups, which is NP-hard. To cover all customers,
    it selects at most ln(n) + 1 times as many groups, where n is the size of the largest group [1]_.

    References
    ----------
    .. [1] Chvátal, V. (1979). A greedy heuristic for the set-covering problem. Mathematics of Operations Research 4.
       https://doi.org/10.1287/moor.4.3.233

    Examples
    --------
    >>> set_cover(sample_snapshot())
       step customer_group_uid         name  n_new  n_cumulative  share_cumulative
    0     1                all  All members    250           250          0.996016
    1     2              staff        Staff      1           251          1.000000
    """
    check_share(target, "target")
    matrix = collect_memberships(data).select(groups)
    chosen, n_new = greedy_cover(matrix, target)
    n_cumulative = np.cumsum(n_new)
    n_all = int(np.count_nonzero(np.bincount(matrix.indices)))
    return pd.DataFrame(
        {
            "step": np.arange(1, len(chosen) + 1, dtype=np.int64),
            "customer_group_uid": matrix.group_uids.take(chosen).array,
            "name": matrix.group_names.take(chosen).array,
            "n_new": n_new,
            "n_cumulative": n_cumulative,
            "share_cumulative": n_cumulative / max(n_all, 1),
        }
    )


def greedy_cover(matrix: MembershipMatrix, target: float = 1.0) -> tuple[IntArray, IntArray]:
    """
    Return the integer codes of the groups that `set_cover` selects, and the number of customers that each group adds.

    The selection ends when the groups contain the share `target` of all customers. A group that adds no customers is
    never selected.

    The number of customers that a group adds can only decrease as other groups are selected. Therefore, the customers
    that a group adds are counted again only when the group is at the top of the heap (Minoux 1978).

    Examples
    --------
    >>> matrix = sample_snapshot().matrix
    >>> chosen, n_new = greedy_cover(matrix)
    >>> list(matrix.group_uids[chosen]), n_new.tolist()
    (['all', 'staff'], [250, 1])
    """
    is_free = np.ones(matrix.n_customers, dtype=np.bool_)
    n_all = int(np.count_nonzero(np.bincount(matrix.indices)))
    heap = [(-int(size), group) for group, size in enumerate(matrix.sizes) if size]
    heapq.heapify(heap)
    chosen: list[tuple[int, int]] = []
    covered = 0
    while heap and covered / n_all < target:
        _, group = heapq.heappop(heap)
        members = matrix.row(group)
        new = int(is_free[members].sum())
        if heap and (-new, group) > heap[0]:
            if new:
                heapq.heappush(heap, (-new, group))
        elif new:
            is_free[members] = False
            covered += new
            chosen.append((group, new))
    steps = np.array(chosen, dtype=np.int64).reshape(-1, 2)
    return steps[:, 0], steps[:, 1]
