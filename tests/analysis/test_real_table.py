"""Tests with a real dataset: the women and social events of Natchez in the 1930s (Davis et al., 1941)."""

from collections import Counter
from itertools import combinations

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from frgroups.analysis.intersections import intersections
from frgroups.analysis.overlap import overlap_matrix, overlap_pairs, pair_counts
from frgroups.analysis.sizes import group_sizes, groups_per_customer
from frgroups.snapshot.from_frames import snapshot_from_frames

GRAPH = nx.davis_southern_women_graph()
WOMEN, EVENTS = GRAPH.graph["top"], GRAPH.graph["bottom"]


@pytest.fixture
def events():
    """Return a snapshot with the events as groups and the women as customers."""
    rows = [(event, woman) for woman, event in GRAPH.edges(WOMEN)]
    memberships = pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"])
    return snapshot_from_frames(memberships, tenant_uid="natchez", taken_at="1936-01-01")


def test_group_sizes(events):
    "Group sizes and numbers of groups per customer are equal to the degrees of the nodes in the graph."
    sizes = group_sizes(events).set_index("customer_group_uid")["n_members"]

    assert (len(events.groups), len(events.customers), len(events.memberships)) == (14, 18, 89)
    assert sizes.to_dict() == {event: GRAPH.degree(event) for event in EVENTS}
    degrees = [GRAPH.degree(woman) for woman in WOMEN]
    per_woman = groups_per_customer(events)
    assert dict(zip(per_woman["n_groups"], per_woman["n_customers"], strict=True)) == {
        degree: degrees.count(degree) for degree in sorted(set(degrees))
    }


@pytest.mark.parametrize("method", ["pairs", "bits"])
def test_counts_like_networkx(events, method):
    "The numbers of common members of two events are equal to the edge weights of the projected graph in networkx."
    projected = nx.bipartite.weighted_projected_graph(GRAPH, EVENTS)
    expected = nx.to_pandas_adjacency(projected, nodelist=sorted(EVENTS), dtype=np.int64).to_numpy()

    counts = pair_counts(events.matrix, method)

    np.testing.assert_array_equal(counts - np.diag(np.diag(counts)), expected)


@pytest.mark.parametrize(("measure", "jaccard"), [("jaccard", True), ("overlap_coefficient", False)])
def test_ratios_like_networkx(events, measure, jaccard):
    "The Jaccard index and the overlap coefficient are equal to the values that networkx computes."
    projected = nx.bipartite.overlap_weighted_projected_graph(GRAPH, EVENTS, jaccard=jaccard)

    matrix = overlap_matrix(events, measure=measure)

    for a, b in combinations(sorted(EVENTS), 2):
        assert matrix.loc[a, b] == pytest.approx(projected.get_edge_data(a, b, {"weight": 0})["weight"])


def test_known_circles(events):
    "The most significant overlap is within one of the two known circles, and the least significant is between them."
    pairs = overlap_pairs(events, universe=18)

    strongest = pairs.loc[pairs["p_over"].idxmin()]
    weakest = pairs.loc[pairs["p_under"].idxmin()]
    early, late = {"E1", "E2", "E3", "E4", "E5"}, {"E10", "E11", "E12", "E13", "E14"}
    assert {strongest["group_a"], strongest["group_b"]} <= early or {
        strongest["group_a"],
        strongest["group_b"],
    } <= late
    assert {weakest["group_a"], weakest["group_b"]} & early and {weakest["group_a"], weakest["group_b"]} & late
    assert weakest["n_both"] == 0 and weakest["phi"] < 0


def test_combinations(events):
    "The exclusive combinations are the sets of events that the women attended."
    table = intersections(events)

    attended = [tuple(sorted(GRAPH[woman])) for woman in WOMEN]
    assert table["n"].sum() == len(WOMEN)
    assert dict(zip(table["groups"], table["n"], strict=True)) == Counter(attended)
