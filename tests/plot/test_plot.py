"""What the charts say, read back from their Axes."""

from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.colors import to_rgb
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.text import Text

from frgroups import plot
from frgroups.analysis.changes import group_changes
from frgroups.analysis.flow import group_flow
from frgroups.analysis.intersections import intersections
from frgroups.analysis.overlap import overlap_matrix
from frgroups.analysis.profile import group_profile
from frgroups.analysis.reach import incremental_reach, reachability
from frgroups.analysis.sizes import group_sizes
from frgroups.errors import InputError
from frgroups.history.size_history import size_history
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames

EMPTY = sample_snapshot().memberships[:0]


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


def three_moments(n_groups):
    """The same groups with fewer and fewer members."""
    moments = ("2026-11-03", "2026-11-10", "2026-11-17")
    return [
        snapshot_from_frames(
            tenant(n_groups, 200, per_customer).memberships, tenant(n_groups).groups, tenant_uid="t", taken_at=moment
        )
        for per_customer, moment in zip((4, 3, 2), moments, strict=True)
    ]


def lacking():
    """Two groups of two; one customer of the first has no credit limit, and nobody a balance."""
    customers = pd.DataFrame({"customer_uid": list("1234"), "credit_limit": pd.array([5, None, 7, 9], dtype="Int64")})
    memberships = pd.DataFrame({"customer_group_uid": list("aabb"), "customer_uid": list("1234")})
    return snapshot_from_frames(memberships, None, customers, tenant_uid="t", taken_at="2026-11-23")


def reachable(n_groups):
    """Groups of long Nordic, Greek and Cyrillic names, whose customers can mostly be written to."""
    known = tenant(n_groups, 2000)
    uids = known.customers["customer_uid"]
    customers = pd.DataFrame(
        {"customer_uid": uids, "has_email": np.arange(len(uids)) % 3 > 0, "has_mobile": np.arange(len(uids)) % 4 > 0}
    )
    consents = pd.DataFrame({"customer_uid": uids, "consent_uid": "mail", "status": np.arange(len(uids)) % 5 > 0})
    names = known.groups["name"] + " og omegn, medlemmer siden 2019"
    return snapshot_from_frames(
        known.memberships, known.groups.assign(name=names), customers, consents, tenant_uid="t", taken_at="2026-11-23"
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


def labels_overlapping(ax):
    """The pairs of texts on the Axes that overlap once the figure is laid out."""
    ax.figure.draw_without_rendering()
    boxes = [text.get_window_extent().shrunk(1, 0.8) for text in ax.texts]
    return [(a, b) for at, a in enumerate(boxes) for b in boxes[:at] if a.overlaps(b)]


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
    assert "99.6% of 251 customers" in axes["sizes"].figure.get_suptitle()


def test_an_upset_plot_goes_into_a_given_figure_or_part_of_one():
    "A Figure and a SubFigure are drawn on and no other figure is opened."
    figure = plt.figure(figsize=(14, 5), layout="constrained")
    left, right = figure.subfigures(1, 2)

    plot.upset(sample_snapshot(), fig=left)
    plot.upset(sample_snapshot(), fig=right, mode="inclusive")

    assert len(figure.axes) == 6 and plt.get_fignums() == [figure.number]


def test_an_upset_plot_stands_in_the_place_of_given_axes():
    "With ax= its three parts are where the Axes was, beside other charts, with its title above."
    figure, (left, right) = plt.subplots(1, 2, figsize=(14, 5), layout="constrained")
    free = figure.add_axes((0.6, 0.1, 0.3, 0.3))

    plot.sizes(sample_snapshot(), ax=left)
    parts = [plot.upset(sample_snapshot(), ax=right), plot.upset(sample_snapshot(), ax=free)]
    figure.draw_without_rendering()

    assert "(exclusive)" in title(right) and not right.axison
    assert plt.get_fignums() == [figure.number]
    laid_out, fixed = ([ax.get_position() for ax in axes.values()] for axes in parts)
    [heading] = [text for text in right.get_children() if isinstance(text, Text) and text.get_text()]
    below = figure.transFigure.inverted().transform(heading.get_window_extent())[0, 1]
    assert all(left.get_position().x1 < box.x0 and box.y1 <= below for box in laid_out)
    inside = free.get_position()
    assert all(inside.x0 <= box.x0 + 1e-9 and box.x1 <= inside.x1 + 1e-9 for box in fixed)
    assert all(inside.y0 <= box.y0 + 1e-9 and box.y1 <= inside.y1 + 1e-9 for box in fixed)
    with pytest.raises(InputError, match="one place"):
        plot.upset(sample_snapshot(), ax=right, fig=figure)


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


# A profile


def test_a_profile_is_drawn_by_its_strongest_effects():
    "The points are the shares of the strongest rows, the strongest on top, the index beside them."
    table = group_profile(sample_snapshot(), "all", min_count=0, attributes=["country_code", "customer_type"])
    order = table.reindex(table["effect_size"].abs().sort_values(ascending=False, kind="stable").index)

    ax = plot.profile(table, top=4)

    assert rows(ax) == [f"{row.attribute}: {row.value}" for row in order.head(4).itertuples()]
    others, inside = (line.get_xdata() for line in ax.lines)
    np.testing.assert_allclose(inside, 100 * order["share_in"].head(4))
    np.testing.assert_allclose(others, 100 * order["share_ref"].head(4))
    assert f"4 strongest of {len(table)} values" in title(ax)


def test_a_profile_tells_means_of_numbers_and_shares_of_those_who_lack_them():
    "A number's row has words in place of points, a missing number has points, and what all are is not drawn."
    table = group_profile(lacking(), "a", min_count=0, attributes=["credit_limit", "credit_balance"])

    ax = plot.profile(table)

    assert sorted(rows(ax)) == ["credit_limit", "credit_limit: (missing)"]
    assert [len(line.get_xdata()) for line in ax.lines] == [1, 1]
    assert any(text.startswith("mean 5 against 8") for text in texts(ax)) and not any("nan" in t for t in texts(ax))


def test_a_profile_beside_nobody_is_drawn_and_says_so():
    "Where all customers are in the group there is nobody among the others, and no point for them."
    everybody = sample_snapshot().customers["customer_uid"]

    ax = plot.profile(group_profile(sample_snapshot(), everybody, min_count=0))
    ax.figure.draw_without_rendering()

    assert "there is nobody among the others" in title(ax)
    assert np.isnan(ax.lines[0].get_xdata()).all() and np.isfinite(ax.get_xlim()).all()


# Reach


def test_reach_is_drawn_of_all_members_the_largest_group_first():
    "A bar for those who may be written to, marks for contact and consent; a group without a member has none."
    table = reachability(sample_snapshot(), consent={"mobile": "newsletter"}, min_count=0)
    table.loc[table["customer_group_uid"] == "staff", list(table.filter(like="n_"))] = 0

    ax = plot.reach(table)

    assert [name.split()[-1] for name in rows(ax)] == ["email", "mobile", "(any)"] * 3
    assert rows(ax)[0] == "All members, 250   email" and rows(ax)[3].startswith("VIP, 2")
    assert texts(ax)[:3] == ["120 (48%)", "100 (40%)", "140 (56%)"] and texts(ax)[6:] == ["no members"] * 3
    assert [bar.get_width() for bar in ax.containers[1]][:3] == [48, 40, 56]
    contact, consented = (line.get_xdata() for line in ax.lines[:2])
    assert list(contact[:2]) == [80, 66.8] and np.isnan(contact[6:]).all()
    assert consented[0] == 60 and np.isnan(consented[6:]).all()


def test_what_is_suppressed_has_no_mark():
    "A suppressed count is neither bar nor mark, and the title counts the rows."
    ax = plot.reach(sample_snapshot(), ["vip"], consent={"mobile": "newsletter"})

    assert texts(ax) == ["suppressed"] * 3 and "in 3 of 3 rows something is suppressed" in title(ax)
    assert [bar.get_width() for bar in ax.containers[1]] == [0, 0, 0]
    assert all(np.isnan(line.get_xdata()).all() for line in ax.lines[:2])


def test_steps_of_reach_begin_where_the_step_above_ends():
    "What is new stands at the end of what was reached already, and the share so far beside it."
    table = pd.DataFrame(
        {
            "step": [1, 2, 3],
            "customer_group_uid": list("abc"),
            "name": ["A", "B", "C"],
            "n_reachable": [60, 50, 20],
            "n_new": [60, 30, 10],
            "n_cumulative": [60, 90, 100],
            "share_cumulative": [0.6, 0.9, 1.0],
        }
    )

    ax = plot.incremental_reach(table, top=2)

    assert rows(ax) == ["A", "B"] and texts(ax) == ["+60 → 60%", "+30 → 90%"]
    already, new = ([(bar.get_x(), bar.get_width()) for bar in bars] for bars in ax.containers)
    assert already == [(0, 0), (0, 60)] and new == [(0, 60), (60, 30)]
    assert "the first 2 of 3 groups, which reach 90 of 100" in title(ax)


def test_campaigns_show_those_with_a_better_one_apart():
    "The largest discount is on top; hatched are the members that a better campaign reaches."
    campaigns = pd.DataFrame({"customer_group_uid": ["all", "vip"], "discount_percent": [5, 20]})

    ax = plot.campaign_reach(sample_snapshot(), campaigns)

    assert rows(ax) == ["VIP, 20%", "All members, 5%"]
    matters, better = ax.containers
    assert [bar.get_width() for bar in matters] == [2, 248] and [bar.get_width() for bar in better] == [0, 2]
    assert all(bar.get_hatch() for bar in better) and not any(bar.get_hatch() for bar in matters)


# Over time


def test_history_draws_a_line_for_each_group_named_at_its_end():
    "The largest are named with their last size and growth; the others are faint, and lines differ without colour."
    table = size_history(three_moments(12))
    last = table[table["taken_at"] == table["taken_at"].max()].sort_values(
        ["n_members", "customer_group_uid"], ascending=[False, True]
    )

    ax = plot.history(table, top=4)

    assert [text.split("  ")[0] for text in texts(ax)] == list(last["name"].head(4))
    assert [text.split("  ")[1].split()[0] for text in texts(ax)] == [str(n) for n in last["n_members"].head(4)]
    lines = {line.get_linestyle() for line in ax.lines if line.get_linewidth() == 1.8}
    assert lines == {"-", "--", "-.", ":"}
    assert "named: the 4 largest of 12 groups" in title(ax)
    drawn = next(line for line in ax.lines if line.get_linewidth() == 1.8)
    assert list(drawn.get_ydata()) == list(table[table["customer_group_uid"] == last.iloc[0, 1]]["n_members"])


def test_a_deleted_group_ends_in_a_cross_and_says_so():
    "One line ends in a cross, and its name tells why."
    first, second, _ = three_moments(3)
    without = snapshot_from_frames(
        second.memberships[second.memberships["customer_group_uid"] != "g-000"],
        second.groups[second.groups["customer_group_uid"] != "g-000"],
        tenant_uid="t",
        taken_at="2026-11-10",
    )

    ax = plot.history([first, without])

    assert [text.split("  ")[0] for text in texts(ax) if text.endswith("(deleted)")] == ["Kundeklubb Tromsø 0"]
    assert [line.get_marker() for line in ax.lines].count("X") == 1


def test_flow_draws_bands_as_high_as_their_customers():
    "Every move of the table is one band; each side holds every state with its number."
    old, new = tenant(4, 200), tenant(4, 200, per_customer=2)
    table = group_flow(old, new)

    ax = plot.flow(table)

    bands = [patch for patch in ax.patches if isinstance(patch, PathPatch)]
    heights = sorted(round(band.get_path().vertices[-2, 1] - band.get_path().vertices[0, 1]) for band in bands)
    assert heights == sorted(table["n"])
    boxes = [patch.get_height() for patch in ax.patches if isinstance(patch, Rectangle)]
    assert sum(boxes) == 2 * table["n"].sum()
    for side, column in (("from", "from_group"), ("to", "to_group")):
        sums = table.groupby([column, f"{side}_name"])["n"].sum()
        for (_, name), n in sums.items():
            assert any(text.endswith(f"  {n:,}") and text.startswith(name[:6]) for text in texts(ax))
    assert f"{table['n'].sum():,} customers" in title(ax)


def test_flow_takes_the_smaller_groups_together():
    "With top=2 the other groups are one state, and nobody is lost."
    table = group_flow(tenant(8), tenant(8, per_customer=2), priority=[f"g-{n:03d}" for n in range(8)])

    ax = plot.flow(table, top=2)

    assert any(text.startswith("(other groups)") for text in texts(ax))
    assert "smaller ones taken together" in title(ax) and f"{table['n'].sum():,} customers" in title(ax)


# Everything else of all of them


def test_no_chart_needs_colour():
    "The fills of two kinds of bar in one chart differ in lightness, so that they can be told apart in grey."
    old, new = sample_snapshot().memberships[:-1], sample_snapshot()
    campaigns = pd.DataFrame({"customer_group_uid": ["all", "vip"], "discount_percent": [5, 20]})
    drawn = [
        plot.sizes(new),
        plot.changes(old[1:], new.memberships[1:]),
        plot.incremental_reach(new),
        plot.campaign_reach(new, campaigns),
    ]

    for ax in drawn:
        one, other = (to_rgb(bars[0].get_facecolor()) @ np.array([0.299, 0.587, 0.114]) for bars in ax.containers)
        assert abs(one - other) > 0.15


def test_a_heatmap_differs_from_its_diagonal_in_grey():
    "The strongest cell is darker than the white of the diagonal."
    image = plot.overlap_heatmap(tenant(6)).images[0]

    assert image.cmap.get_bad()[3] == 0
    assert image.cmap(1.0)[:3] @ np.array([0.299, 0.587, 0.114]) < 0.9


@pytest.mark.parametrize("n_groups", [2, 200])
def test_names_of_every_other_chart_are_apart(n_groups):
    "Two or two hundred groups, long names in any script: no two names overlap, and none needs a missing sign."
    snapshot = reachable(n_groups)
    uids = snapshot.groups["customer_group_uid"]
    campaigns = pd.DataFrame({"customer_group_uid": uids, "discount_percent": 5.0})

    drawn = [
        plot.reach(snapshot, consent={"mobile": "mail"}),
        plot.incremental_reach(snapshot),
        plot.campaign_reach(snapshot, campaigns),
        plot.profile(snapshot, uids[0]),
    ]

    assert [len(overlapping(ax)) for ax in drawn] == [0] * 4
    assert not any("□" in name for ax in drawn for name in rows(ax))
    for ax in (plot.history([snapshot]), plot.flow(snapshot, snapshot)):
        assert not labels_overlapping(ax)


def test_signs_that_the_font_lacks_are_boxes_with_the_uid():
    "Chinese and Korean names are shown as boxes with their uid, without a warning of missing glyphs."
    groups = pd.DataFrame({"customer_group_uid": ["g-1", "g-2"], "name": ["東京の会員", "서울 고객"]})
    memberships = pd.DataFrame({"customer_group_uid": ["g-1", "g-2"], "customer_uid": ["1", "2"]})
    snapshot = snapshot_from_frames(memberships, groups, tenant_uid="t", taken_at="2026-11-23")

    ax = plot.sizes(snapshot)
    ax.figure.draw_without_rendering()

    assert rows(ax) == ["□ (g-1)", "□ □ (g-2)"]


def test_empty_tables_of_the_others_are_said_on_the_axes():
    "Each chart of an empty table says why nothing is drawn."
    empty = snapshot_from_frames(EMPTY, tenant_uid="t", taken_at="2026-11-23")
    campaigns = pd.DataFrame({"customer_group_uid": ["all"], "discount_percent": [5]})[:0]
    profile = group_profile(sample_snapshot(), "all")
    drawn = {
        "no groups": plot.reach(reachability(sample_snapshot(), [], consent={"mobile": "newsletter"})),
        "nobody can be reached": plot.incremental_reach(incremental_reach(sample_snapshot(), [])),
        "no campaign that runs": plot.campaign_reach(empty, campaigns),
        "no values": plot.profile(profile[:0]),
        f"all {len(profile)} values are suppressed": plot.profile(profile),
        "no readings": plot.history([empty]),
        "nobody was or is in these groups": plot.flow(EMPTY, EMPTY),
    }

    for why, ax in drawn.items():
        ax.figure.draw_without_rendering()
        assert texts(ax) == [why]


def test_tables_say_their_measure_and_mode():
    "The chart of a matrix or of intersections needs no word of what they are, and takes no other mode."
    inclusive = intersections(sample_snapshot(), mode="inclusive")

    assert title(plot.overlap_heatmap(overlap_matrix(sample_snapshot()))) == "Customers in both groups"
    assert "(inclusive)" in plot.upset(inclusive)["matrix"].figure.get_suptitle()
    with pytest.raises(InputError, match="inclusive intersections"):
        plot.upset(inclusive, mode="exclusive")
    with pytest.raises(InputError, match="measure="):
        plot.overlap_heatmap(pd.DataFrame([[1, 2], [3, 4]], index=list("ab"), columns=list("ab")))


def test_a_matrix_that_is_cut_says_that_its_first_groups_are_drawn():
    "A table keeps its order, so that the title does not claim that the largest are shown."
    matrix = overlap_matrix(sample_snapshot(), measure="jaccard")

    assert "the 2 first of 3 groups" in title(plot.overlap_heatmap(matrix, top=2))
