"""Clusters of groups: against scipy on distances made from plain sets."""

import numpy as np
import pandas as pd
import pandas.testing as pdt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage

from frgroups.analysis.clusters import group_clusters, leaf_order
from frgroups.analysis.overlap import overlap_matrix
from frgroups.errors import InputError
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames

law = settings(max_examples=50)
COLUMNS = {
    "customer_group_uid": "str",
    "name": "str",
    "n_members": "int64",
    "cluster": "int64",
    "position": "int64",
}
memberships = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("12345")), max_size=40)
METHODS = ["average", "complete", "single", "weighted"]


def frame(rows):
    return pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")


def sets(rows):
    return {g: {c for h, c in rows if h == g} for g in sorted({g for g, _ in rows})}


def apart(a, b, measure):
    of = len(a | b) if measure == "jaccard" else min(len(a), len(b))
    return round(1 - len(a & b) / of, 12)


def partition(table):
    return {frozenset(rows) for _, rows in table.groupby("cluster")["customer_group_uid"]}


@law
@given(memberships, st.sampled_from(METHODS), st.sampled_from(["jaccard", "overlap_coefficient"]), st.integers(0, 20))
def test_clusters_are_those_of_scipy(rows, method, measure, twentieths):
    "The same groups are together as in scipy's tree over 1 - measure, cut at the same height."
    groups, cut = sets(rows), twentieths / 20
    names = list(groups)
    distances = [apart(groups[a], groups[b], measure) for i, a in enumerate(names) for b in names[i + 1 :]]

    table = group_clusters(frame(rows), measure=measure, method=method, cut=cut)

    if len(names) > 1:
        labels = fcluster(linkage(distances, method, optimal_ordering=True), cut, criterion="distance")
        assert partition(table) == {frozenset(np.array(names)[labels == label]) for label in set(labels)}
    assert sorted(table["customer_group_uid"]) == names
    assert dict(zip(table["customer_group_uid"], table["n_members"], strict=True)) == {
        g: len(groups[g]) for g in names
    }


@law
@given(memberships, st.sampled_from([0.2, 0.5, 0.8]))
def test_clusters_are_numbered_by_size_and_lie_together(rows, cut):
    "1 is the cluster of the most groups, equal ones go in uid order; the members of a cluster are neighbours."
    table = group_clusters(frame(rows), cut=cut)

    of_cluster = [(-len(part), part["customer_group_uid"].min()) for _, part in table.groupby("cluster")]
    assert of_cluster == sorted(of_cluster)
    assert sorted(table["position"]) == list(range(len(table)))
    for _, part in table.groupby("cluster"):
        assert part["position"].max() - part["position"].min() == len(part) - 1
    assert table[["cluster", "position"]].apply(tuple, axis=1).is_monotonic_increasing or table.empty


@law
@given(memberships)
def test_a_cut_of_zero_joins_exactly_the_same_groups(rows):
    "At 0 two groups are together when their members are the same."
    groups = sets(rows)

    table = group_clusters(frame(rows), cut=0)

    same = {frozenset(b for b in groups if groups[b] == groups[a]) for a in groups}
    assert partition(table) == same


def test_what_is_exactly_at_the_cut_is_joined():
    "0.7 alike is 0.3 apart, whatever floating point makes of 1 - 0.7."
    rows = [("a", str(n)) for n in range(10)] + [("b", str(n)) for n in range(7)]

    assert partition(group_clusters(frame(rows), cut=0.3)) == {frozenset("ab")}


def test_a_group_without_a_member_is_alone_and_last():
    "It is like no other, not even another empty one; its position is after all others."
    groups = pd.DataFrame({"customer_group_uid": list("abcd"), "name": list("ABCD")})
    rows = frame([("b", "1"), ("d", "1")])
    snapshot = snapshot_from_frames(rows, groups, tenant_uid="t", taken_at="2026-11-23")

    table = group_clusters(snapshot, cut=1.0).set_index("customer_group_uid")

    assert list(table.index) == ["b", "d", "a", "c"]
    assert list(table["cluster"]) == [1, 1, 2, 3]
    assert set(table["position"][["a", "c"]]) == {2, 3}


def test_the_order_of_the_leaves_is_that_of_the_positions():
    "What the heatmap uses is what the table tells."
    likeness = overlap_matrix(sample_snapshot(), measure="jaccard")

    table = group_clusters(sample_snapshot()).sort_values("position")

    assert list(table["customer_group_uid"]) == list(likeness.index[leaf_order(likeness.to_numpy())])


@settings(max_examples=20)
@given(memberships, st.randoms())
def test_order_and_repetition_do_not_matter(rows, random):
    "Shuffled and doubled rows give the same table, in the same dtypes."
    mixed = [*rows, *rows]
    random.shuffle(mixed)

    table = group_clusters(frame(rows))

    pdt.assert_frame_equal(group_clusters(frame(mixed)), table)
    assert table.dtypes.astype(str).to_dict() == COLUMNS


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"measure": "lift"}, "jaccard, overlap_coefficient"),
        ({"method": "ward"}, "average, complete, single, weighted"),
        ({"cut": 1.5}, r"^`cut` must be a number of at least 0 and at most 1"),
        ({"cut": "half"}, r"^`cut` must be a number of at least 0 and at most 1"),
    ],
)
def test_what_cannot_be_right_is_refused_in_words(options, words):
    "The error tells what came and what is allowed."
    with pytest.raises(InputError, match=words):
        group_clusters(sample_snapshot(), **options)
