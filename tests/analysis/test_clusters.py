"""Tests for group_clusters, which compare its clusters with those of scipy."""

import numpy as np
import pandas as pd
import pandas.testing as pdt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage

from frgroups.analysis.clusters import group_clusters, leaf_order
from frgroups.errors import InputError
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames
from tests.examples import at_most

COLUMNS = {
    "customer_group_uid": "str",
    "name": "str",
    "n_members": "int64",
    "cluster": "int64",
    "position": "int64",
}
memberships = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("12345")), max_size=40)
METHODS = ["average", "complete", "single", "weighted"]


def create_table(rows):
    """Return a table of memberships from pairs of group uid and customer uid."""
    return pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")


def members_by_group(rows):
    """Return a dictionary from group uid to the set of its customer uids."""
    return {g: {c for h, c in rows if h == g} for g in sorted({g for g, _ in rows})}


def distance(a, b, measure):
    """Return the distance of two sets, which is 1 minus their similarity."""
    denominator = len(a | b) if measure == "jaccard" else min(len(a), len(b))
    return round(1 - len(a & b) / denominator, 12)


def partition(table):
    """Return the clusters as a set, in which each cluster is a set of group uids."""
    return {frozenset(rows) for _, rows in table.groupby("cluster")["customer_group_uid"]}


@given(memberships, st.sampled_from(METHODS), st.sampled_from(["jaccard", "overlap_coefficient"]), st.integers(0, 20))
def test_clusters_like_scipy(rows, method, measure, twentieths):
    "For the same distances and the same cut, group_clusters and scipy return the same clusters."
    groups, cut = members_by_group(rows), twentieths / 20
    names = list(groups)
    distances = [distance(groups[a], groups[b], measure) for i, a in enumerate(names) for b in names[i + 1 :]]

    table = group_clusters(create_table(rows), measure=measure, method=method, cut=cut)

    if len(names) > 1:
        labels = fcluster(linkage(distances, method, optimal_ordering=True), cut, criterion="distance")
        assert partition(table) == {frozenset(np.array(names)[labels == label]) for label in set(labels)}
    assert sorted(table["customer_group_uid"]) == names
    assert dict(zip(table["customer_group_uid"], table["n_members"], strict=True)) == {
        g: len(groups[g]) for g in names
    }


@given(memberships, st.sampled_from([0.2, 0.5, 0.8]))
def test_cluster_numbers(rows, cut):
    "Clusters are numbered by size and then by uid, and the groups in a cluster have adjacent positions."
    table = group_clusters(create_table(rows), cut=cut)

    sort_keys = [(-len(part), part["customer_group_uid"].min()) for _, part in table.groupby("cluster")]
    assert sort_keys == sorted(sort_keys)
    assert sorted(table["position"]) == list(range(len(table)))
    for _, part in table.groupby("cluster"):
        assert part["position"].max() - part["position"].min() == len(part) - 1
    assert table[["cluster", "position"]].apply(tuple, axis=1).is_monotonic_increasing or table.empty


@given(memberships)
def test_cut_of_zero(rows):
    "If the cut is 0, only groups with the same members are in the same cluster."
    groups = members_by_group(rows)

    table = group_clusters(create_table(rows), cut=0)

    same = {frozenset(b for b in groups if groups[b] == groups[a]) for a in groups}
    assert partition(table) == same


def test_distance_equal_to_cut():
    "Groups whose distance is equal to the cut are in the same cluster, despite rounding errors."
    rows = [("a", str(n)) for n in range(10)] + [("b", str(n)) for n in range(7)]

    assert partition(group_clusters(create_table(rows), cut=0.3)) == {frozenset("ab")}


def test_empty_groups():
    "Each group without members has a separate cluster, and is positioned after all groups with members."
    groups = pd.DataFrame({"customer_group_uid": list("abcd"), "name": list("ABCD")})
    rows = create_table([("b", "1"), ("d", "1")])
    snapshot = snapshot_from_frames(rows, groups, tenant_uid="t", taken_at="2026-11-23")

    table = group_clusters(snapshot, cut=1.0).set_index("customer_group_uid")

    assert list(table.index) == ["b", "d", "a", "c"]
    assert list(table["cluster"]) == [1, 1, 2, 3]
    assert set(table["position"][["a", "c"]]) == {2, 3}


def test_components():
    "Each connected component is clustered separately. Components are positioned in the order of their first group."
    rows = [("a", "1"), ("b", "2"), ("c", "1"), ("c", "3"), ("d", "2"), ("e", "3"), ("f", "4")]

    table = group_clusters(create_table(rows), cut=0.99).sort_values("position")

    positions = [set(part) for part in np.split(table["customer_group_uid"].to_numpy(), [3, 5])]
    assert positions == [{"a", "c", "e"}, {"b", "d"}, {"f"}]
    assert partition(table) == {frozenset("ace"), frozenset("bd"), frozenset("f")}
    assert partition(group_clusters(create_table(rows), cut=1)) == {frozenset("abcdef")}


def test_component_too_large(monkeypatch):
    "A connected component with too many groups raises an error that contains the number of its groups."
    monkeypatch.setattr("frgroups.analysis.clusters.MAX_COMPONENT_GROUPS", 2)
    rows = [("a", "1"), ("b", "1"), ("c", "2"), ("d", "2")]
    assert len(group_clusters(create_table(rows))) == 4

    with pytest.raises(InputError, match=r"3 groups share members.*At most 2"):
        group_clusters(create_table([*rows, ("b", "3"), ("e", "3")]))


def test_leaf_order():
    "The heatmap and the table of clusters contain the groups in the same order."
    matrix = sample_snapshot().matrix

    table = group_clusters(sample_snapshot()).sort_values("position")

    assert list(table["customer_group_uid"]) == list(matrix.group_uids[leaf_order(matrix)])


@at_most(20)
@given(memberships, st.randoms())
def test_row_order(rows, random):
    "The clusters do not depend on the order of the membership rows and on repeated rows."
    mixed = [*rows, *rows]
    random.shuffle(mixed)

    table = group_clusters(create_table(rows))

    pdt.assert_frame_equal(group_clusters(create_table(mixed)), table)
    assert table.dtypes.astype(str).to_dict() == COLUMNS


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"measure": "lift"}, ["measure", "'lift'", "jaccard", "overlap_coefficient"]),
        ({"method": "ward"}, ["method", "'ward'", *METHODS]),
        ({"cut": 1.5}, ["`cut`", "1.5"]),
        ({"cut": "half"}, ["`cut`", "'half'"]),
    ],
)
def test_invalid_options(options, words):
    "The error for an invalid option contains the option's name, its value, and the accepted values."
    with pytest.raises(InputError) as caught:
        group_clusters(sample_snapshot(), **options)

    assert all(word in str(caught.value) for word in words)
