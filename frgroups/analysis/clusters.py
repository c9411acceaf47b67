"""Which groups belong together by the customers that they share, and in which order alike ones are neighbours."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from frgroups.analysis.overlap import overlap_matrix
from frgroups.errors import InputError
from frgroups.internals.typing import FloatArray, IndexArray, IntArray
from frgroups.snapshot.membership_matrix import as_membership_matrix

Likeness = Literal["jaccard", "overlap_coefficient"]
Method = Literal["average", "complete", "single", "weighted"]

_ORDERED_WELL = 300  # the best order of the leaves costs the third power of their number


def group_clusters(
    data: Any, *, measure: Likeness = "jaccard", method: Method = "average", cut: float = 0.5
) -> pd.DataFrame:
    """
    Groups in clusters by hierarchical clustering, so that many groups can be looked at a family at a time.

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

    >>> group_clusters(sample_snapshot(), measure="overlap_coefficient")
      customer_group_uid         name  n_members  cluster  position
    0                vip          VIP          2        1         1
    1                all  All members        250        1         2
    2              staff        Staff          1        2         0
    """
    if measure not in get_args(Likeness):
        raise InputError(f"measure={measure!r} is not one of {', '.join(get_args(Likeness))}.")
    if method not in get_args(Method):
        raise InputError(f"method={method!r} is not one of {', '.join(get_args(Method))}.")
    if isinstance(cut, bool) or not isinstance(cut, int | float) or not 0 <= cut <= 1:
        raise InputError(f"cut={cut!r} is not a distance between 0 and 1.")
    matrix = as_membership_matrix(data)
    likeness = overlap_matrix(matrix, measure=measure).to_numpy()
    position = np.empty(matrix.n_groups, dtype=np.int64)
    position[leaf_order(likeness, method)] = np.arange(matrix.n_groups)
    table = pd.DataFrame(
        {
            "customer_group_uid": matrix.group_uids.array,
            "name": matrix.group_names.array,
            "n_members": matrix.sizes,
            "cluster": _by_size(_clusters(likeness, method, cut)),
            "position": position,
        }
    )
    return table.sort_values(["cluster", "position"], ignore_index=True)


def leaf_order(likeness: FloatArray, method: Method = "average") -> IndexArray:
    """
    The order in which alike groups are neighbours: the leaves of the tree, best turned where there are up to 300.

    `likeness` is a square of a measure between 0 and 1. Groups that are not even like themselves (NaN: no member)
    come last.
    """
    some = _with_members(likeness)
    last = np.setdiff1d(np.arange(len(likeness)), some)
    if len(some) < 3:
        return np.concatenate([some, last])
    from scipy.cluster.hierarchy import leaves_list

    return np.concatenate([some[leaves_list(_tree(likeness, some, method))], last])


def _clusters(likeness: FloatArray, method: Method, cut: float) -> IndexArray:
    """A number of its cluster for each group, in no particular order."""
    numbers = np.arange(len(likeness)) + len(likeness)
    some = _with_members(likeness)
    if len(some) > 1:
        from scipy.cluster.hierarchy import fcluster

        numbers[some] = fcluster(_tree(likeness, some, method), cut, criterion="distance")
    return numbers


def _tree(likeness: FloatArray, some: IndexArray, method: Method) -> FloatArray:
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    # Rounded, so that 0.7 alike is not further away than 0.3.
    distance = np.round(1.0 - likeness[np.ix_(some, some)], 12)
    return np.asarray(
        linkage(squareform(distance, checks=False), method, optimal_ordering=len(some) <= _ORDERED_WELL)
    )


def _with_members(likeness: FloatArray) -> IndexArray:
    return np.flatnonzero(~np.isnan(np.diag(likeness)))


def _by_size(numbers: IndexArray) -> IntArray:
    """The clusters numbered anew from 1, the largest first, equal ones by their first group."""
    _, first, where, n = np.unique(numbers, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(n), dtype=np.int64)
    rank[np.lexsort((first, -n))] = np.arange(1, len(n) + 1)
    return rank[where]
