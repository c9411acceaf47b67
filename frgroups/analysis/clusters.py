"""Clusters of groups that share customers, and an order in which similar groups are neighbors."""

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

_MAX_OPTIMAL_ORDER = 300  # the time for the optimal order of n leaves grows with n to the power of 3


def group_clusters(
    data: Any, *, measure: SimilarityMeasure = "jaccard", method: Method = "average", cut: float = 0.5
) -> pd.DataFrame:
    """
    Assign groups to clusters by hierarchical clustering of their overlap.

    Parameters
    ----------
    data
        A Snapshot, a frame of memberships (customer_group_uid, customer_uid), or such a table that speaks Arrow.
    measure
        What makes two groups alike, as in `overlap_matrix`: "jaccard", or "overlap_coefficient", which also brings a
        small group to the large one that holds it. The distance of two groups is 1 - measure.
    method
        The distance of two clusters, from those between their groups: "average" (Sokal & Michener 1958), "complete"
        (the largest), "single" (the smallest) or "weighted"; scipy.cluster.hierarchy.linkage does it.
    cut
        The largest distance, 0 to 1, at which clusters are still joined: 0.5 joins what is at least 0.5 alike, 0
        only what is entirely so.

    Returns
    -------
    DataFrame
        One row per group, by cluster, then position: customer_group_uid, name (`str`); n_members (`int64`);
        cluster (`int64`, from 1, the cluster of the most groups first, equal ones in uid order);
        position (`int64`, from 0): the place among the leaves of the whole tree, alike groups next to each other (of
        up to 300 groups the best order that the tree allows, Bar-Joseph et al. 2001). A
        group without a member is like no other: a cluster of its own, with a position after all others.

    Raises
    ------
    InputError
        An unknown measure or method, or a `cut` that is not between 0 and 1.

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
    Return an order of groups in which similar groups are neighbors: the leaves of the tree, optimal up to 300 groups.

    `similarity` is a square matrix with values between 0 and 1. Groups without members, whose similarity to
    themselves is NaN, come last.
    """
    groups = _groups_with_members(similarity)
    empty_groups = np.setdiff1d(np.arange(len(similarity)), groups)
    if len(groups) < 3:
        return np.concatenate([groups, empty_groups])
    from scipy.cluster.hierarchy import leaves_list

    return np.concatenate([groups[leaves_list(_linkage(similarity, groups, method))], empty_groups])


def _assign_clusters(similarity: FloatArray, method: Method, cut: float) -> IndexArray:
    """Return the cluster of each group; the numbers of the clusters have no meaning."""
    numbers = np.arange(len(similarity)) + len(similarity)
    groups = _groups_with_members(similarity)
    if len(groups) > 1:
        from scipy.cluster.hierarchy import fcluster

        numbers[groups] = fcluster(_linkage(similarity, groups, method), cut, criterion="distance")
    return numbers


def _linkage(similarity: FloatArray, groups: IndexArray, method: Method) -> FloatArray:
    """Return the tree of some groups as a linkage matrix of scipy."""
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    # Rounded, because 1.0 - 0.7 is not 0.3 exactly, and the distance is compared with `cut`.
    distance = np.round(1.0 - similarity[np.ix_(groups, groups)], 12)
    condensed = squareform(distance, checks=False)
    return np.asarray(linkage(condensed, method, optimal_ordering=len(groups) <= _MAX_OPTIMAL_ORDER))


def _groups_with_members(similarity: FloatArray) -> IndexArray:
    return np.flatnonzero(~np.isnan(np.diag(similarity)))


def _renumber_by_size(numbers: IndexArray) -> IntArray:
    """Renumber clusters from 1, the largest first, clusters of the same size by their first group."""
    _, first, inverse, n = np.unique(numbers, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(n), dtype=np.int64)
    rank[np.lexsort((first, -n))] = np.arange(1, len(n) + 1)
    return rank[inverse]
