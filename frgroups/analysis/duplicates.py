"""Find groups with the same or nearly the same members, and groups that are subsets of other groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from frgroups.analysis.overlap import pair_measure
from frgroups.analysis.pair_counts import GroupPairs, collect_pairs, iter_common_pairs, string_bytes_per_pair
from frgroups.engines.memberships import collect_memberships
from frgroups.internals.typing import FloatArray, IntArray
from frgroups.internals.validation import check_share
from frgroups.snapshot.membership_matrix import MembershipMatrix

_NUMBERS_PER_PAIR = 4  # Each result table has four numeric columns of 8 bytes per row. Used to estimate memory.


def duplicate_groups(data: Any, *, min_jaccard: float = 1.0) -> pd.DataFrame:
    """
    Return pairs of groups that have the same or nearly the same members.

    Groups without members are not compared.

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
        One row per pair of groups, with group_a < group_b, sorted by jaccard (largest first) and uid:

        - group_a, group_b, name_a, name_b (`str`)
        - n_a, n_b (`int64`): the numbers of members
        - n_both (`int64`): the number of common members
        - jaccard (`float64`): n_both / (n_a + n_b - n_both) (Jaccard 1912)

    Raises
    ------
    InputError
        If `min_jaccard` is not above 0 and at most 1, or the table needs more than 2 GB of memory.

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
    matrix = collect_memberships(data)
    blocks = (similar_pairs(block, matrix.sizes, min_jaccard) for block in iter_common_pairs(matrix))
    pairs = collect_pairs(
        blocks,
        _bytes_per_pair(matrix),
        "Increase `min_jaccard`, or use `health_report`, which reports each duplicate once.",
    )
    table = _pairs_table(matrix, pairs)
    table["jaccard"] = jaccard_index(pairs, matrix.sizes)
    return table.sort_values("jaccard", ascending=False, kind="stable", ignore_index=True)


def jaccard_index(pairs: GroupPairs, sizes: IntArray) -> FloatArray:
    """Return the Jaccard index of each pair of groups. `sizes` contains the number of members of each group."""
    return pair_measure("jaccard", sizes[pairs.a], sizes[pairs.b], pairs.n_both, None)


def similar_pairs(pairs: GroupPairs, sizes: IntArray, min_jaccard: float) -> GroupPairs:
    """Return the pairs with a Jaccard index of at least `min_jaccard`. `sizes` contains the size of each group."""
    return pairs.select(jaccard_index(pairs, sizes) >= min_jaccard)


def subset_groups(data: Any, *, min_share: float = 1.0) -> pd.DataFrame:
    """
    Return groups whose members are all, or nearly all, in another group.

    The result omits pairs of groups with exactly the same members, which `duplicate_groups` returns. It also omits
    groups without members, although the empty set is a subset of every set.

    Parameters
    ----------
    data
        A Snapshot, or a table of memberships with the columns customer_group_uid and customer_uid. The table can be a
        pandas DataFrame, or a table of pyarrow, Polars, DuckDB, Narwhals, or Spark.
    min_share
        The smallest share of the members of group_a that must be in group_b, above 0 and at most 1. With a value
        below 1, the result can contain two rows for a pair of groups, in which each group is
        listed as a subset of the other group.

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
        If `min_share` is not above 0 and at most 1, or the table needs more than 2 GB of memory.

    Examples
    --------
    >>> subset_groups(sample_snapshot())
      group_a group_b name_a       name_b  n_a  n_b  n_both  share_of_a
    0     vip     all    VIP  All members    2  250       2         1.0
    """
    check_share(min_share, "min_share")
    matrix = collect_memberships(data)
    pairs = collect_pairs(
        _iter_subsets(matrix, min_share), _bytes_per_pair(matrix), "Increase `min_share`, or pass fewer groups."
    )
    table = _pairs_table(matrix, pairs)
    table["share_of_a"] = table["n_both"] / table["n_a"]
    order = np.lexsort((pairs.b, pairs.a, -table["share_of_a"].to_numpy()))
    return table.take(order).reset_index(drop=True)


def _iter_subsets(matrix: MembershipMatrix, min_share: float) -> Iterator[GroupPairs]:
    """Iterate over the pairs in which at least the given share of the first group is also in the second group."""
    sizes = matrix.sizes
    for block in iter_common_pairs(matrix):
        for pairs in (block, GroupPairs(block.b, block.a, block.n_both)):
            n_a, n_b = sizes[pairs.a], sizes[pairs.b]
            is_same = (pairs.n_both == n_a) & (pairs.n_both == n_b)
            yield pairs.select((pairs.n_both / n_a >= min_share) & ~is_same)


def _pairs_table(matrix: MembershipMatrix, pairs: GroupPairs) -> pd.DataFrame:
    """Return a table with the uids, names, sizes, and number of common members of each pair of groups."""
    columns = {
        "group_a": matrix.group_uids.take(pairs.a).array,
        "group_b": matrix.group_uids.take(pairs.b).array,
        "name_a": matrix.group_names.take(pairs.a).array,
        "name_b": matrix.group_names.take(pairs.b).array,
        "n_a": matrix.sizes[pairs.a],
        "n_b": matrix.sizes[pairs.b],
        "n_both": pairs.n_both,
    }
    return pd.DataFrame(columns)


def _bytes_per_pair(matrix: MembershipMatrix) -> int:
    return 8 * _NUMBERS_PER_PAIR + string_bytes_per_pair(matrix)
