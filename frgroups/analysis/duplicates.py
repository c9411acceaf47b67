"""Find groups with the same or nearly the same members, and groups that are subsets of other groups."""

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
    Return pairs of groups that have the same or nearly the same members.

    Groups without members are left out of the comparison.

    Parameters
    ----------
    data
        A Snapshot, or a table of memberships with the columns customer_group_uid and customer_uid. The table can be a
        pandas DataFrame, or a table of pyarrow, Polars, DuckDB, Narwhals, or Spark.
    min_jaccard
        The smallest Jaccard index of a pair, above 0 and at most 1. The default of 1 returns only groups with exactly
        the same members.

    Returns
    -------
    DataFrame
        Each unordered pair of groups once (group_a < group_b), sorted by jaccard (largest first) and uid:

        - group_a, group_b, name_a, name_b (`str`)
        - n_a, n_b (`int64`): the numbers of members
        - n_both (`int64`): the number of common members
        - jaccard (`float64`): n_both / (n_a + n_b - n_both) (Jaccard 1912)

    Raises
    ------
    InputError
        If `min_jaccard` is not above 0 and at most 1.

    See Also
    --------
    subset_groups : Find groups that are contained in another group.
    overlap_pairs : Compute all overlap measures for each pair of groups.

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
    """Compute the result of `duplicate_groups` from the number of common members of each pair of groups."""
    n = matrix.sizes
    either = n[:, None] + n[None, :] - both
    jaccard = both / np.maximum(either, 1)
    table = _select_pairs(matrix, both, np.triu(jaccard >= min_jaccard, k=1))
    table["jaccard"] = table["n_both"] / (table["n_a"] + table["n_b"] - table["n_both"])
    return _sort_descending(table, "jaccard")


def subset_groups(data: Any, *, min_share: float = 1.0) -> pd.DataFrame:
    """
    Return groups whose members are all, or nearly all, in another group.

    Pairs of groups with exactly the same members are not in the result, because `duplicate_groups` returns these
    pairs. Groups without members are not in the result either, although the empty set is a subset of every set.

    Parameters
    ----------
    data
        A Snapshot, or a table of memberships with the columns customer_group_uid and customer_uid. The table can be a
        pandas DataFrame, or a table of pyarrow, Polars, DuckDB, Narwhals, or Spark.
    min_share
        The smallest share of the members of group_a that must be in group_b, above 0 and at most 1. With a value
        below 1, a pair of groups can occur in both directions.

    Returns
    -------
    DataFrame
        One row per subset and superset, sorted by share_of_a (largest first) and uid:

        - group_a, name_a (`str`): the subset
        - group_b, name_b (`str`): the superset
        - n_a, n_b (`int64`): the numbers of members
        - n_both (`int64`): the number of common members
        - share_of_a (`float64`): n_both / n_a

    Raises
    ------
    InputError
        If `min_share` is not above 0 and at most 1.

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
    """Compute the result of `subset_groups` from the number of common members of each pair of groups."""
    n = matrix.sizes
    share = both / np.maximum(n, 1)[:, None]
    same = (both == n[:, None]) & (both == n[None, :])  # The diagonal of `same` is True.
    table = _select_pairs(matrix, both, (share >= min_share) & ~same)
    table["share_of_a"] = table["n_both"] / table["n_a"]
    return _sort_descending(table, "share_of_a")


def _select_pairs(matrix: MembershipMatrix, both: IntArray, chosen: BoolArray) -> pd.DataFrame:
    """Return a table of the pairs of groups that a square mask selects, with their sizes and common members."""
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
    """Sort a table of pairs by a column, largest value first. Rows with equal values keep their order."""
    return table.sort_values(column, ascending=False, kind="stable", ignore_index=True)
