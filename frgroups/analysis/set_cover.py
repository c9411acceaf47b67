"""Greedy set cover: few groups that together reach a share of the customers."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from frgroups.internals.typing import IntArray
from frgroups.internals.validation import check_share
from frgroups.snapshot.membership_matrix import MembershipMatrix, as_membership_matrix


def set_cover(data: Any, groups: Iterable[str] | None = None, *, target: float = 1.0) -> pd.DataFrame:
    """
    Return few groups that together reach a share of the customers.

    Each step takes the group that adds the most new customers. The result shows how many groups a mailing to all
    customers needs, and how much reach each further group adds.

    The greedy choice is not always the smallest possible number of groups. To reach all customers, it takes at most
    ln(n) + 1 times as many, where n is the size of the largest group (Chvatal 1979, doi:10.1287/moor.4.3.233). To
    find the smallest number is NP-hard.

    Parameters
    ----------
    data
        A Snapshot, a frame of memberships (customer_group_uid, customer_uid), or such a table that speaks Arrow.
    groups
        Choose among these groups, by uid or unique name; None takes all. The customers to reach are those in any
        of them.
    target
        The share of these customers to reach, above 0 and at most 1.

    Returns
    -------
    DataFrame
        One row per step: step (`int64`, from 1); customer_group_uid, name (`str`); n_new (`int64`, customers that no
        group before had), n_cumulative (`int64`); share_cumulative (`float64`, of the customers in any of the
        groups). Equal groups go in uid order. The last step is the first that reaches `target`.

    Raises
    ------
    InputError
        An unknown group, or a `target` that is not above 0 and at most 1.

    Examples
    --------
    >>> set_cover(sample_snapshot())
       step customer_group_uid         name  n_new  n_cumulative  share_cumulative
    0     1                all  All members    250           250          0.996016
    1     2              staff        Staff      1           251          1.000000
    """
    check_share(target, "target")
    matrix = as_membership_matrix(data).select(groups)
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
    Return the codes of groups that cover the customers, and the number of customers that each group adds.

    Each step takes the group that adds the most customers; of equal groups, the first in uid order. The result ends
    when the groups contain `target` of all customers in any group, and has no group that adds no customer. The greedy
    choice is not always the smallest number of groups: it takes at most ln(n) + 1 times as many (Chvátal 1979).

    The number that a group adds can only decrease as other groups are taken. Therefore a group is counted again only
    when it is at the top of the heap (Minoux 1978).

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
