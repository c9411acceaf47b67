"""What the charts say, read back from their Axes."""

from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt

from frgroups import plot
from frgroups.changes import group_changes
from frgroups.errors import InputError
from frgroups.overlap import overlap_matrix
from frgroups.overlap.regions import intersections
from frgroups.sizes import group_sizes
from frgroups.snapshot import sample_snapshot, snapshot_from_frames

EMPTY = sample_snapshot().memberships[:0]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def tenant(n_groups, n_customers=400, per_customer=3):
    random = np.random.default_rng(n_groups)
    uids = [f"g-{n:03d}" for n in range(n_groups)]
    group = random.integers(0, n_groups, n_customers * per_customer) * random.random(n_customers * per_customer)
    memberships = pd.DataFrame(
        {
            "customer_group_uid": np.array(uids)[group.astype(int)],
            "customer_uid": [f"c-{n % n_customers}" for n in range(n_customers * per_customer)],
        }
    )
    names = [f"Kundeklubb {('Tromsø', 'Malmö', 'Αθήνα', 'Обнинск')[n % 4]} {n}" for n in range(n_groups)]
    groups = pd.DataFrame({"customer_group_uid": uids, "name": names})
    return snapshot_from_frames(memberships, groups, tenant_uid="t", taken_at="2026-11-23")


def odd_names():
    names = ["Over $100 & under $200_x^2", "VIP", "VIP", "", "a\tb\nc", "Medlemmer av kundeklubben i Tromsø"]
    uids = [f"g-{n}" for n in range(len(names))]
    return snapshot_from_frames(
        pd.DataFrame({"customer_group_uid": uids, "customer_uid": ["c"] * len(uids)}),
        pd.DataFrame({"customer_group_uid": uids, "name": names}),
        tenant_uid="t",
        taken_at="2026-11-23",
    )


def rows(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def title(ax):
    return " ".join(ax.get_title(loc="left").split())


def overlapping(ax):
    """The pairs of neighbouring row names that overlap once the figure is laid out."""
    ax.figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in ax.get_yticklabels()]
    boxes.sort(key=lambda box: box.y0)
    return [(a, b) for a, b in pairwise(boxes) if a.y1 > b.y0 + 1]


# Sizes


def test_sizes_are_bars_from_the_largest_down():
    "The largest group is on top, each bar is as long as its group, and numbers have thousands separators."
    table = group_sizes(sample_snapshot()).assign(n_members=[12_500, 1, 2], n_exclusive=[10_000, 1, 0])

    ax = plot.sizes(table)

    assert rows(ax) == ["All members", "VIP", "Staff"]
    assert texts(ax) == ["12,500", "2", "1"]
    alone, shared = ax.containers
    assert [bar.get_width() for bar in alone] == [10_000, 0, 1]
    assert [bar.get_width() for bar in shared] == [2_500, 2, 0]
    assert ax.yaxis_inverted()


def test_sizes_say_what_is_cut():
    "With top=10 the title tells of how many groups, and what share of the memberships is shown."
    ax = plot.sizes(tenant(60), top=10)

    assert len(rows(ax)) == 10
    assert "10 largest of 60 groups" in title(ax) and "% of all memberships" in title(ax)


# Heatmap


def test_a_heatmap_has_the_numbers_of_the_matrix_in_its_own_order():
    "Cells hold the measure of the groups that their row and column name; the diagonal is left out."
    snapshot = tenant(12)
    matrix = overlap_matrix(snapshot, measure="share", labels="name")

    ax = plot.overlap_heatmap(snapshot, measure="share")

    names = rows(ax)
    assert sorted(names) == sorted(matrix.index)
    assert [label.get_text() for label in ax.get_xticklabels()] == names
    assert len(ax.texts) == 12 * 11
    drawn = ax.images[0].get_array()
    np.testing.assert_allclose(drawn[0, 1:], 100 * matrix.loc[names[0], names[1:]])
    assert drawn.mask.diagonal().all()
    assert title(ax) == "Share of the row's group that is in the column's, %"


def test_groups_that_share_customers_stand_side_by_side():
    "Two pairs of equal groups come out as neighbours, wherever their uids are."
    pairs = [("a", "1"), ("c", "1"), ("b", "2"), ("d", "2"), ("a", "3"), ("c", "3"), ("b", "4"), ("d", "4")]
    memberships = pd.DataFrame(pairs, columns=["customer_group_uid", "customer_uid"])

    names = rows(plot.overlap_heatmap(memberships))

    assert {frozenset(names[:2]), frozenset(names[2:])} == {frozenset("ac"), frozenset("bd")}


def test_a_heatmap_of_counts_shows_sizes_on_its_diagonal():
    "Counts carry thousands separators and the diagonal holds the sizes."
    table = overlap_matrix(sample_snapshot(), labels="name") * 1_000

    ax = plot.overlap_heatmap(table, measure="count")

    assert rows(ax) == ["All members", "Staff", "VIP"]
    assert texts(ax)[0] == "250,000" and texts(ax)[2] == "2,000"


def test_cells_can_be_read_on_their_colour():
    "Dark cells are written white and light ones black."
    ax = plot.overlap_heatmap(tenant(10), measure="count")
    values = ax.images[0].norm(ax.images[0].get_array())

    colour = {tuple(int(at) for at in text.get_position()): text.get_color() for text in ax.texts}

    column, row = np.unravel_index(np.ma.argmax(values), values.shape)[::-1]
    assert colour[column, row] == "black"
    column, row = np.unravel_index(np.ma.argmin(values), values.shape)[::-1]
    assert colour[column, row] == "white"


@pytest.mark.parametrize("measure", ["lift", "phi", "pmi"])
def test_association_is_drawn_with_a_universe(measure):
    "Lift, phi and pmi are drawn when the universe is told, pairs without a common customer too."
    with pytest.raises(InputError, match="universe="):
        plot.overlap_heatmap(sample_snapshot(), measure=measure)

    ax = plot.overlap_heatmap(sample_snapshot(), measure=measure, universe=1_000)
    ax.figure.draw_without_rendering()

    assert ("−∞" in texts(ax)) == (measure == "pmi")
    assert texts(plot.overlap_heatmap(sample_snapshot().with_universe(1_000), measure=measure)) == texts(ax)


# UpSet


def test_an_upset_plot_draws_the_table_of_intersections():
    "Bars are the n of each row, dots its groups, and the sides the sizes, the largest group on top."
    snapshot = tenant(6)
    table = intersections(snapshot)

    axes = plot.upset(snapshot, top=100)

    assert list(axes) == ["intersections", "matrix", "sizes"]
    bars = [bar.get_height() for bar in axes["intersections"].patches]
    assert bars == list(table["n"])
    sides = [bar.get_width() for bar in axes["sizes"].patches]
    assert sides == sorted(group_sizes(snapshot)["n_members"], reverse=True)
    uid = dict(zip(snapshot.groups["name"], snapshot.groups["customer_group_uid"], strict=True))
    row_of = {uid[name]: at for at, name in enumerate(rows(axes["matrix"]))}
    filled = [set(dots.get_offsets()[:, 1]) for dots in axes["matrix"].collections[1:]]
    assert filled == [{row_of[g] for g in groups} for groups in table["groups"]]


@pytest.mark.parametrize("mode", ["exclusive", "inclusive"])
def test_an_upset_plot_says_its_mode_and_what_is_cut(mode):
    "The title names the mode, the groups left out, and the customers of the groups that are drawn."
    snapshot = tenant(30)
    largest = group_sizes(snapshot).nlargest(8, "n_members")["customer_group_uid"]
    n_customers = intersections(snapshot, largest)["n"].sum()

    axes = plot.upset(snapshot, mode=mode, top=5)

    said = " ".join(axes["matrix"].figure.get_suptitle().split())
    assert f"({mode})" in said and "8 largest of 30 groups" in said and f"{n_customers:,} customers" in said
    assert len(axes["intersections"].patches) == 5
    if mode == "exclusive":
        total = len(intersections(snapshot, largest))
        assert f"5 of {total:,} combinations" in said


def test_an_upset_plot_takes_a_cut_table_and_says_sizes_are_at_least():
    "From a table with an (other) row the sizes cannot be known whole, and the label says so."
    axes = plot.upset(intersections(sample_snapshot(), top=2))

    assert texts(axes["intersections"]) == ["248", "2"]
    assert axes["sizes"].get_xlabel() == "group size, at least"
    assert "99.6 % of 251 customers" in axes["sizes"].figure.get_suptitle()


def test_an_upset_plot_goes_into_a_given_figure_or_part_of_one():
    "A Figure and a SubFigure are drawn on and no other figure is opened."
    figure = plt.figure(figsize=(14, 5), layout="constrained")
    left, right = figure.subfigures(1, 2)

    plot.upset(sample_snapshot(), fig=left)
    plot.upset(sample_snapshot(), fig=right, mode="inclusive")

    assert len(figure.axes) == 6 and plt.get_fignums() == [figure.number]


# Changes


def test_changes_are_drawn_to_both_sides_the_most_changed_first():
    "Joined goes right, left goes left; groups without a change are not drawn; new groups say so."
    old = pd.DataFrame({"customer_group_uid": ["a", "a", "b", "k"], "customer_uid": ["1", "2", "1", "9"]})
    new = pd.DataFrame({"customer_group_uid": ["a", "c", "c", "c", "k"], "customer_uid": list("31239")})

    ax = plot.changes(old, new)

    assert rows(ax) == ["a", "c (new)", "b (deleted)"]
    assert texts(ax) == ["+1", "−2", "+3", "−1"]
    joined, left = ax.containers
    assert [bar.get_width() for bar in joined] == [1, 3, 0]
    assert [bar.get_width() for bar in left] == [-2, 0, -1]
    assert "3 of 4 groups changed" in title(ax)


def test_changes_take_a_table_or_two_snapshots():
    "The table, two arguments and a pair draw the same; one snapshot alone is refused."
    old, new = sample_snapshot().memberships[:-1], sample_snapshot()

    drawn = [plot.changes(group_changes(old, new)), plot.changes(old, new), plot.changes((old, new))]

    assert [rows(ax) for ax in drawn] == [["VIP"]] * 3
    with pytest.raises(InputError, match="old, new"):
        plot.changes(new)


# All of them


@pytest.mark.parametrize("n_groups", [1, 2, 60])
def test_names_never_overlap_in_a_figure_of_our_own(n_groups):
    "From one group to many the figure is large enough for every name."
    snapshot = tenant(n_groups)
    later = tenant(n_groups, per_customer=2)

    drawn = [
        plot.sizes(snapshot, top=None),
        plot.overlap_heatmap(snapshot, top=None),
        plot.changes(snapshot, later, top=None),
        plot.upset(snapshot, n_groups=min(n_groups, 20))["matrix"],
    ]

    assert [len(overlapping(ax)) for ax in drawn] == [0, 0, 0, 0]


def test_two_hundred_groups_fit_one_heatmap():
    "Without top= all 200 are there, their names apart."
    ax = plot.overlap_heatmap(tenant(200), top=None)

    assert len(rows(ax)) == 200 and not overlapping(ax)


def test_odd_names_are_shown_as_they_are():
    "Dollars are no mathematics, breaks are spaces, long names end in their end, twins carry their uid."
    for ax in (
        plot.sizes(odd_names()),
        plot.overlap_heatmap(odd_names()),
        plot.upset(odd_names())["matrix"],
    ):
        ax.figure.draw_without_rendering()
        assert sorted(rows(ax)) == [
            "(g-3)",
            "Medlemmer av ku…ubben i Tromsø",
            "Over $100 & under $200_x^2",
            "VIP (g-1)",
            "VIP (g-2)",
            "a b c",
        ]


def test_nothing_to_draw_is_said_on_the_axes():
    "Empty input gives Axes that say so, without a warning."
    drawn = [
        plot.sizes(EMPTY),
        plot.overlap_heatmap(EMPTY),
        plot.upset(EMPTY)["intersections"],
        plot.upset(intersections(EMPTY))["intersections"],
        plot.changes(EMPTY, EMPTY),
        plot.changes(sample_snapshot(), sample_snapshot()),
    ]

    for ax in drawn:
        ax.figure.draw_without_rendering()
    assert [texts(ax)[0] for ax in drawn] == [
        "no groups",
        "no groups",
        "no customers in groups",
        "no customers in groups",
        "no groups",
        "no change in 3 groups",
    ]


def test_given_axes_are_drawn_on_and_returned():
    "ax= is used and returned, and no other figure is opened."
    figure, axes = plt.subplots(1, 3, layout="constrained")

    returned = [
        plot.sizes(sample_snapshot(), ax=axes[0]),
        plot.overlap_heatmap(sample_snapshot(), ax=axes[1]),
        plot.changes(EMPTY, sample_snapshot(), ax=axes[2]),
    ]

    assert returned == list(axes) and plt.get_fignums() == [figure.number]


def test_unknown_modes_and_measures_are_refused():
    "What a table or snapshot cannot be drawn by is refused before anything is drawn."
    with pytest.raises(InputError, match="jaccard"):
        plot.overlap_heatmap(sample_snapshot(), measure="overlap")
    with pytest.raises(InputError, match="inclusive"):
        plot.upset(sample_snapshot(), mode="both")
    assert plt.get_fignums() == []
