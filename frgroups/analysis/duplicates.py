"""Groups with the same or nearly the same members, and groups that are a subset of another group."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from frgroups.analysis.overlap import pair_counts
from frgroups.internals.typing import BoolArray, IntArray
from frgroups.internals.validation import check_share
from frgroups.snapshot.membership_matrix import MembershipMatrix, as_membership_matrix


def duplicate_groups(data: Any, *, min_jaccard: float = 1.0) -> pd.DataFrame:
    """
    Return the pairs of groups with the same or nearly the same members, the most similar pair first.

    Groups without a member are not duplicates of each other: nothing tells whom they were meant for.

    Parameters
    ----------
    data
        A Snapshot, a frame of memberships (customer_group_uid, customer_uid), or such a table that speaks Arrow.
    min_jaccard
        The least jaccard of a pair, above 0 and at most 1; 1 is exactly the same members.

    Returns
    -------
    DataFrame
        Each unordered pair once, group_a < group_b, by falling jaccard, then in uid order: group_a, group_b,
        name_a, name_b (`str`); n_a, n_b, n_both (`int64`, customers);
        jaccard = n_both / (n_a + n_b - n_both) (`float64`; Jaccard 1912).

    Raises
    ------
    InputError
        A `min_jaccard` that is not above 0 and at most 1.

    Examples
    --------
    >>> copies = pd.DataFrame({"customer_group_uid": ["a", "a", "b", "b"], "customer_uid": ["1", "2", "2", "1"]})
    >>> duplicate_groups(copies)
      group_a group_b name_a name_b  n_a  n_b  n_both  jaccard
    0       a       b      a      b    2    2       2      1.0
    """
    check_share(min_jaccard, "min_jaccard")
    matrix = as_membership_matrix(data)
    return duplicates_from_counts(matrix, pair_counts(matrix), min_jaccard)


def duplicates_from_counts(matrix: MembershipMatrix, both: IntArray, min_jaccard: float) -> pd.DataFrame:
    """Return the table of `duplicate_groups` from the pair counts."""
    n = matrix.sizes
    either = n[:, None] + n[None, :] - both
    jaccard = both / np.maximum(either, 1)
    table = _select_pairs(matrix, both, np.triu(jaccard >= min_jaccard, k=1))
    table["jaccard"] = table["n_both"] / (table["n_a"] + table["n_b"] - table["n_both"])
    return _sort_descending(table, "jaccard")


def subset_groups(data: Any, *, min_share: float = 1.0) -> pd.DataFrame:
    """
    Return the groups of which all or nearly all members are also in another group.

    Groups with exactly the same members stand in `duplicate_groups`, not here. A group without a member is part of
    nothing, though a set of nobody is a part of every set: it would fill the table and tell nothing.

    Parameters
    ----------
    data
        As in `duplicate_groups`.
    min_share
        The least share of the part that is in the other group, above 0 and at most 1. Below 1 a pair may stand here
        in both directions.

    Returns
    -------
    DataFrame
        By falling share, then in uid order: group_a (the part), group_b, name_a, name_b (`str`); n_a, n_b,
        n_both (`int64`, customers); share_of_a = n_both / n_a (`float64`).

    Raises
    ------
    InputError
        A `min_share` that is not above 0 and at most 1.

    Examples
    --------
    >>> subset_groups(sample_snapshot())
      group_a group_b name_a       name_b  n_a  n_b  n_both  share_of_a
    0     vip     all    VIP  All members    2  250       2         1.0
    """
    check_share(min_share, "min_share")
    matrix = as_membership_matrix(data)
    return subsets_from_counts(matrix, pair_counts(matrix), min_share)


def subsets_from_counts(matrix: MembershipMatrix, both: IntArray, min_share: float = 1.0) -> pd.DataFrame:
    """Return the table of `subset_groups` from the pair counts."""
    n = matrix.sizes
    share = both / np.maximum(n, 1)[:, None]
    same = (both == n[:, None]) & (both == n[None, :])  # also True for a group and itself
    table = _select_pairs(matrix, both, (share >= min_share) & ~same)
    table["share_of_a"] = table["n_both"] / table["n_a"]
    return _sort_descending(table, "share_of_a")


def _select_pairs(matrix: MembershipMatrix, both: IntArray, chosen: BoolArray) -> pd.DataFrame:
    """Return the pairs that a square mask selects, in uid order, with their counts."""
    a, b = np.nonzero(chosen)
    return pd.DataFrame(
        {
            "group_a": matrix.group_uids.take(a).array,
            "group_b": matrix.group_uids.take(b).array,
            "name_a": matrix.group_names.take(a).array,
            "name_b": matrix.group_names.take(b).array,
            "n_a": matrix.sizes[a],
            "n_b": matrix.sizes[b],
            "n_both": both[a, b],
        }
    )


def _sort_descending(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Sort pairs by a column, largest first; equal pairs stay in uid order."""
    return table.sort_values(column, ascending=False, kind="stable", ignore_index=True)
