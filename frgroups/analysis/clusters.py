"""Hierarchical clusters of groups, and an order that places similar groups next to each other."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from frgroups.analysis.overlap import overlap_matrix
from frgroups.internals.typing import FloatArray, IndexArray, IntArray
from frgroups.internals.validation import check_choice, check_number
from frgroups.snapshot.membership_matrix import as_membership_matrix

SimilarityMeasure = Literal["jaccard", "overlap_coefficient"]
Method = Literal["average", "complete", "single", "weighted"]

_MAX_OPTIMAL_ORDER = 300  # Computing the optimal leaf order takes cubic time in the number of groups.


def group_clusters(
    data: Any, *, measure: SimilarityMeasure = "jaccard", method: Method = "average", cut: float = 0.5
) -> pd.DataFrame:
    """
    Assign groups to clusters by hierarchical clustering of their overlap.

    The distance between two groups is 1 minus their similarity, which `measure` selects.

    Parameters
    ----------
    data
        A Snapshot, or a table of memberships with the columns customer_group_uid and customer_uid. The table can be a
        pandas DataFrame, or a table of pyarrow, Polars, DuckDB, Narwhals, or Spark.
    measure
        The similarity of two groups, as defined in `overlap_matrix`: "jaccard" or "overlap_coefficient". The overlap
        coefficient also assigns a small group to the cluster of a large group that contains it.
    method
        The distance between two clusters, computed by `scipy.cluster.hierarchy.linkage` from the distances between
        their groups: "average" (the mean, UPGMA [1]_), "complete" (the largest distance), "single" (the smallest
        distance), or "weighted" (WPGMA).
    cut
        The largest distance at which clusters are merged, between 0 and 1. With "single", 0.5 merges clusters that
        contain two groups with a similarity of at least 0.5. 0 merges only identical groups.

    Returns
    -------
    DataFrame
        One row per group, sorted by cluster and position:

        - customer_group_uid, name (`str`), n_members (`int64`)
        - cluster (`int64`): the number of the cluster, from 1. Cluster 1 contains the most groups. Clusters with the
          same number of groups are ordered by uid.
        - position (`int64`): the position of the group among the leaves of the tree, from 0. Similar groups have
          adjacent positions. For up to 300 groups, the order is optimal for the tree [2]_.

        A group without members forms a separate cluster, and its position is after all other groups.

    Raises
    ------
    InputError
        If the measure or the method is unknown, or `cut` is not between 0 and 1.

    References
    ----------
    .. [1] Sokal, R. R., and Michener, C. D. (1958). A statistical method for evaluating systematic relationships.
       University of Kansas Science Bulletin 38.
    .. [2] Bar-Joseph, Z., Gifford, D. K., and Jaakkola, T. S. (2001). Fast optimal leaf ordering for hierarchical
       clustering. Bioinformatics 17.

    Examples
    --------
    >>> group_clusters(sample_snapshot(), measure="overlap_coefficient")
      customer_group_uid         name  n_members  cluster  position
    0                vip          VIP          2        1         1
    1                all  All members        250        1         2
    2              staff        Staff          1        2         0
    """
    check_choice(measure, "measure", get_args(SimilarityMeasure))
    check_choice(method, "method", get_args(Method))
    check_number(cut, "cut", at_least=0, at_most=1)
    matrix = as_membership_matrix(data)
    similarity = overlap_matrix(matrix, measure=measure).to_numpy()
    position = np.empty(matrix.n_groups, dtype=np.int64)
    position[leaf_order(similarity, method)] = np.arange(matrix.n_groups)
    table = pd.DataFrame(
        {
            "customer_group_uid": matrix.group_uids.array,
            "name": matrix.group_names.array,
            "n_members": matrix.sizes,
            "cluster": _renumber_by_size(_assign_clusters(similarity, method, cut)),
            "position": position,
        }
    )
    return table.sort_values(["cluster", "position"], ignore_index=True)


def leaf_order(similarity: FloatArray, method: Method = "average") -> IndexArray:
    """
    Return an order of groups in which similar groups are adjacent.

    The order follows the leaves of the cluster tree, and it is optimal for up to 300 groups. `similarity` is a square
    matrix with values between 0 and 1. Groups without members, which have NaN on the diagonal of the matrix, are
    last.
    """
    groups = _groups_with_members(similarity)
    empty_groups = np.setdiff1d(np.arange(len(similarity)), groups)
    if len(groups) < 3:
        return np.concatenate([groups, empty_groups])
    from scipy.cluster.hierarchy import leaves_list

    return np.concatenate([groups[leaves_list(_linkage(similarity, groups, method))], empty_groups])


def _assign_clusters(similarity: FloatArray, method: Method, cut: float) -> IndexArray:
    """Return a cluster number for each group. Groups with the same number are in the same cluster."""
    numbers = np.arange(len(similarity)) + len(similarity)
    groups = _groups_with_members(similarity)
    if len(groups) > 1:
        from scipy.cluster.hierarchy import fcluster

        numbers[groups] = fcluster(_linkage(similarity, groups, method), cut, criterion="distance")
    return numbers


def _linkage(similarity: FloatArray, groups: IndexArray, method: Method) -> FloatArray:
    """Return the cluster tree of the selected groups as a SciPy linkage matrix."""
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    # The distance is rounded before it is compared with `cut`, because 1.0 - 0.7 is not exactly 0.3.
    distance = np.round(1.0 - similarity[np.ix_(groups, groups)], 12)
    condensed = squareform(distance, checks=False)
    return np.asarray(linkage(condensed, method, optimal_ordering=len(groups) <= _MAX_OPTIMAL_ORDER))


def _groups_with_members(similarity: FloatArray) -> IndexArray:
    """Return the rows of a similarity matrix whose groups have members."""
    return np.flatnonzero(~np.isnan(np.diag(similarity)))


def _renumber_by_size(numbers: IndexArray) -> IntArray:
    """Renumber the clusters from 1, largest cluster first. Clusters of equal size are sorted by first group."""
    _, first, inverse, n = np.unique(numbers, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(n), dtype=np.int64)
    rank[np.lexsort((first, -n))] = np.arange(1, len(n) + 1)
    return rank[inverse]
