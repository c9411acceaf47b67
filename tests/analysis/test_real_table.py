"""A real membership table: which women of Natchez came to which events in the 1930s (Davis et al. 1941)."""

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
    """The events as groups, the women as customers."""
    rows = [(event, woman) for woman, event in GRAPH.edges(WOMEN)]
    memberships = pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"])
    return snapshot_from_frames(memberships, tenant_uid="natchez", taken_at="1936-01-01")


def test_the_sizes_are_the_degrees(events):
    "An event has as many members as the graph has women at it, a woman as many groups as events."
    sizes = group_sizes(events).set_index("customer_group_uid")["n_members"]

    assert (len(events.groups), len(events.customers), len(events.memberships)) == (14, 18, 89)
    assert sizes.to_dict() == {event: GRAPH.degree(event) for event in EVENTS}
    degrees = [GRAPH.degree(woman) for woman in WOMEN]
    per_woman = groups_per_customer(events)
    assert dict(zip(per_woman["n_groups"], per_woman["n_customers"], strict=True)) == {
        degree: degrees.count(degree) for degree in sorted(set(degrees))
    }


@pytest.mark.parametrize("engine", ["pairs", "bits"])
def test_common_women_are_the_weights_of_networkx(events, engine):
    "Two events share as many women as networkx's projection onto the events tells, whichever engine counts."
    projected = nx.bipartite.weighted_projected_graph(GRAPH, EVENTS)
    expected = nx.to_pandas_adjacency(projected, nodelist=sorted(EVENTS), dtype=np.int64).to_numpy()

    counts = pair_counts(events.matrix, engine)

    np.testing.assert_array_equal(counts - np.diag(np.diag(counts)), expected)


@pytest.mark.parametrize(("measure", "jaccard"), [("jaccard", True), ("overlap_coefficient", False)])
def test_ratios_are_those_of_networkx(events, measure, jaccard):
    "Jaccard and overlap coefficient of two events are networkx's, written there by other people."
    projected = nx.bipartite.overlap_weighted_projected_graph(GRAPH, EVENTS, jaccard=jaccard)

    matrix = overlap_matrix(events, measure=measure)

    for a, b in combinations(sorted(EVENTS), 2):
        assert matrix.loc[a, b] == pytest.approx(projected.get_edge_data(a, b, {"weight": 0})["weight"])


def test_the_two_circles_of_women_are_seen(events):
    "Among the 18 women the most telling pair is of one circle, and events of different circles share nobody."
    pairs = overlap_pairs(events, universe=18)

    surest = pairs.loc[pairs["p_over"].idxmin()]
    least = pairs.loc[pairs["p_under"].idxmin()]
    early, late = {"E1", "E2", "E3", "E4", "E5"}, {"E10", "E11", "E12", "E13", "E14"}
    assert {surest["group_a"], surest["group_b"]} <= early or {surest["group_a"], surest["group_b"]} <= late
    assert {least["group_a"], least["group_b"]} & early and {least["group_a"], least["group_b"]} & late
    assert least["n_both"] == 0 and least["phi"] < 0


def test_each_woman_is_in_one_combination(events):
    "Exclusive combinations of events are those that women went to, each woman in one."
    table = intersections(events)

    went_to = [tuple(sorted(GRAPH[woman])) for woman in WOMEN]
    assert table["n"].sum() == len(WOMEN)
    assert dict(zip(table["groups"], table["n"], strict=True)) == {one: went_to.count(one) for one in set(went_to)}
