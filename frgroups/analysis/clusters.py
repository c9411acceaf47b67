"""Hierarchical clusters of groups, and an order that places similar groups next to each other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from frgroups.analysis.overlap import pair_measure
from frgroups.analysis.pair_counts import GroupPairs, iter_common_pairs
from frgroups.engines.memberships import collect_memberships
from frgroups.errors import InputError
from frgroups.internals.typing import FloatArray, IndexArray, IntArray
from frgroups.internals.validation import check_choice, check_number
from frgroups.snapshot.membership_matrix import MembershipMatrix

SimilarityMeasure = Literal["jaccard", "overlap_coefficient"]
Method = Literal["average", "complete", "single", "weighted"]

MAX_COMPONENT_GROUPS = 10_000
_MAX_OPTIMAL_ORDER = 300  # The optimal leaf order takes cubic time, so it is not computed for larger components.


def group_clusters(
    data: Any, *, measure: SimilarityMeasure = "jaccard", method: Method = "average", cut: float = 0.5
) -> pd.DataFrame:
    """
    Assign groups to clusters by hierarchical clustering.

    The distance between two groups is 1 minus their similarity. The argument `measure` selects the similarity
    measure.

    Parameters
    ----------
    data
        A Snapshot, or a table of memberships with the columns customer_group_uid and customer_uid. The table can be a
        pandas DataFrame, or a table of pyarrow, Polars, DuckDB, Narwhals, or Spark.
    measure
        The similarity of two groups, as defined in `overlap_matrix`: "jaccard" or "overlap_coefficient". With the
        overlap coefficient, a small group is also similar to a large group that contains all of its members.
    method
        The distance between two clusters, computed by `scipy.cluster.hierarchy.linkage` from the distances between
        their groups: "average" (the mean, UPGMA [1]_), "complete" (the largest distance), "single" (the smallest
        distance), or "weighted" (WPGMA).
    cut
        The largest distance at which clusters are merged, between 0 and 1. With the method "single" and a cut of 0.5,
        two clusters are merged if a group of the first cluster and a group of the second cluster have a similarity of
        at least 0.5. A cut of 0 merges only groups with the same members.

    Returns
    -------
    DataFrame
        One row per group, sorted by cluster and position:

        - customer_group_uid, name (`str`), n_members (`int64`)
        - cluster (`int64`): the number of the cluster, from 1. Cluster 1 contains the most groups. Clusters with the
          same number of groups are ordered by uid.
        - position (`int64`): the position of the group, from 0. Similar groups have adjacent positions.

        Groups that share members, directly or through other groups, form a connected component. Each component has
        its own cluster tree, whose leaves determine the positions. For components of up to 300 groups, the order is
        optimal for the tree [2]_. Components are ordered by their first uid. The distance between groups of different
        components is 1, so these groups are in the same cluster only if `cut` is 1. A group without members forms a
        separate cluster, and its position is after all groups with members.

    Raises
    ------
    InputError
        If the measure or the method is unknown, `cut` is not between 0 and 1, or a component has more than 10,000
        groups. The memory and the time grow with the square of the number of groups in a component, and a component
        of 10,000 groups needs about 1.2 GB.

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
    0                all  All members        250        1         0
    1                vip          VIP          2        1         1
    2              staff        Staff          1        2         2
    """
    check_choice(measure, "measure", get_args(SimilarityMeasure))
    check_choice(method, "method", get_args(Method))
    check_number(cut, "cut", at_least=0, at_most=1)
    matrix = collect_memberships(data)
    order, numbers = _cluster_groups(matrix, measure, method, cut)
    position = np.empty(matrix.n_groups, dtype=np.int64)
    position[order] = np.arange(matrix.n_groups)
    table = pd.DataFrame(
        {
            "customer_group_uid": matrix.group_uids.array,
            "name": matrix.group_names.array,
            "n_members": matrix.sizes,
            "cluster": _renumber_by_size(numbers),
            "position": position,
        }
    )
    return table.sort_values(["cluster", "position"], ignore_index=True)


def leaf_order(matrix: MembershipMatrix) -> IndexArray:
    """
    Return the group codes, sorted by the positions that `group_clusters` computes with its default arguments.

    Examples
    --------
    >>> matrix = sample_snapshot().matrix
    >>> list(matrix.group_uids[leaf_order(matrix)])
    ['all', 'vip', 'staff']
    """
    return _cluster_groups(matrix, "jaccard", "average", 1.0)[0]


def _cluster_groups(
    matrix: MembershipMatrix, measure: SimilarityMeasure, method: Method, cut: float
) -> tuple[IndexArray, IndexArray]:
    """Return the group codes sorted by position, and an array with the cluster number of each group."""
    order: list[IndexArray] = []
    numbers = np.arange(matrix.n_groups)
    offset = matrix.n_groups
    for groups, distances in _iter_components(matrix, measure):
        leaves, clusters = _cluster_component(len(groups), distances, method, cut)
        order.append(groups[leaves])
        numbers[groups] = clusters + offset
        offset += len(groups)
    if cut == 1:  # Groups in different components have the distance 1, so all groups with members are one cluster.
        numbers[matrix.sizes > 0] = offset
    order.append(np.flatnonzero(matrix.sizes == 0))
    return np.concatenate(order), numbers


def _cluster_component(
    n_groups: int, distances: FloatArray, method: Method, cut: float
) -> tuple[IndexArray, IndexArray]:
    """Return the leaf order of a component's cluster tree, and the cluster number of each group, starting at 0."""
    if n_groups == 1:
        return np.zeros(1, dtype=np.intp), np.zeros(1, dtype=np.intp)
    from scipy.cluster.hierarchy import fcluster, leaves_list, linkage

    tree = linkage(distances, method, optimal_ordering=n_groups <= _MAX_OPTIMAL_ORDER)
    return leaves_list(tree), fcluster(tree, cut, criterion="distance") - 1


def _iter_components(matrix: MembershipMatrix, measure: SimilarityMeasure) -> Iterator[tuple[IndexArray, FloatArray]]:
    """
    Iterate over the connected components of groups that share members.

    For each component, the iterator yields the group codes and the distances between the groups. The distances have
    the form of a condensed distance matrix, as returned by `scipy.spatial.distance.pdist`.
    """
    codes, starts = _find_components(matrix)
    largest = int(np.diff(starts).max(initial=0))
    if largest > MAX_COMPONENT_GROUPS:
        raise InputError(
            f"{largest:,} groups share members, directly or through other groups. At most {MAX_COMPONENT_GROUPS:,} "
            "such groups can be clustered.",
            hint="Pass a table of memberships that contains fewer groups.",
            cli_hint="",
        )
    # The groups are sorted by component, so that the pairs of each component are also adjacent.
    sorted_matrix = matrix.take_groups(codes)
    number, distances = 0, _new_distances(starts, 0)
    for block in iter_common_pairs(sorted_matrix):
        component = np.searchsorted(starts, block.a, side="right") - 1
        borders = np.flatnonzero(np.diff(component, prepend=-1, append=-1))
        for first, last in pairwise(borders.tolist()):
            while number < component[first]:
                yield codes[starts[number] : starts[number + 1]], distances
                number, distances = number + 1, _new_distances(starts, number + 1)
            pairs = GroupPairs(*(values[first:last] for values in block))
            _write_distances(distances, pairs, sorted_matrix.sizes, starts[number : number + 2], measure)
    while number < len(starts) - 1:
        yield codes[starts[number] : starts[number + 1]], distances
        number, distances = number + 1, _new_distances(starts, number + 1)


def _find_components(matrix: MembershipMatrix) -> tuple[IndexArray, IntArray]:
    """
    Return the group codes sorted by connected component, and the position at which each component starts.

    Groups without members are omitted. The components are sorted by the code of their first group. The last value of
    the second array is the number of returned groups.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    n_nodes = matrix.n_groups + matrix.n_customers
    # Each membership is an edge between the node of a group and the node of a customer.
    indptr = np.concatenate([matrix.indptr, np.full(matrix.n_customers, len(matrix))])
    edges = csr_array(
        (np.ones(len(matrix), dtype=np.int8), matrix.indices + matrix.n_groups, indptr), shape=(n_nodes, n_nodes)
    )
    labels = connected_components(edges, directed=False)[1]
    groups = np.flatnonzero(matrix.sizes)
    _, first, component = np.unique(labels[groups], return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.intp)
    rank[np.argsort(first)] = np.arange(len(first))
    component = rank[component]
    starts = np.concatenate([[0], np.cumsum(np.bincount(component, minlength=len(first)))])
    return groups[np.argsort(component, kind="stable")], starts


def _new_distances(starts: IntArray, number: int) -> FloatArray:
    """Return a condensed distance matrix for a component in which all distances are 1."""
    if number >= len(starts) - 1:
        return np.empty(0)
    n = int(starts[number + 1] - starts[number])
    return np.ones(n * (n - 1) // 2)


def _write_distances(
    distances: FloatArray, pairs: GroupPairs, sizes: IntArray, borders: IntArray, measure: SimilarityMeasure
) -> None:
    """Compute the distances of pairs of groups, and write them to the condensed matrix of the component."""
    first, last = borders.tolist()
    a, b, n = pairs.a - first, pairs.b - first, last - first
    similarity = pair_measure(measure, sizes[pairs.a], sizes[pairs.b], pairs.n_both, None)
    # The distances are rounded, because they are compared with `cut` and, for example, 1.0 - 0.7 is not exactly 0.3.
    distances[n * a - a * (a + 1) // 2 + b - a - 1] = np.round(1.0 - similarity, 12)


def _renumber_by_size(numbers: IndexArray) -> IntArray:
    """Renumber the clusters from 1, by decreasing size. Clusters of equal size are sorted by their first group."""
    _, first, inverse, n = np.unique(numbers, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(n), dtype=np.int64)
    rank[np.lexsort((first, -n))] = np.arange(1, len(n) + 1)
    return rank[inverse]
