"""Tests for the charts, which check the content of the Axes."""

import re
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
from frgroups.analysis.waterfall import waterfall, waterfall_summary
from frgroups.errors import InputError
from frgroups.history.size_history import size_history
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames

EMPTY = sample_snapshot().memberships[:0]


def create_snapshot(n_groups, n_customers=400, per_customer=3):
    """Return a snapshot with random members and with group names in the Latin, Greek, and Cyrillic scripts."""
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


def create_snapshot_with_unusual_names():
    """Return a snapshot of groups with special characters, repeated names, and a missing name."""
    names = ["Over $100 & under $200_x^2", "VIP", "VIP", "", "a\tb\nc", "Medlemmer av kundeklubben i Tromsø"]
    uids = [f"g-{n}" for n in range(len(names))]
    return snapshot_from_frames(
        pd.DataFrame({"customer_group_uid": uids, "customer_uid": ["c"] * len(uids)}),
        pd.DataFrame({"customer_group_uid": uids, "name": names}),
        tenant_uid="t",
        taken_at="2026-11-23",
    )


def create_history(n_groups):
    """Return three snapshots of the same groups, in which the group sizes decrease over time."""
    times = ("2026-11-03", "2026-11-10", "2026-11-17")
    return [
        snapshot_from_frames(
            create_snapshot(n_groups, 200, per_customer).memberships,
            create_snapshot(n_groups).groups,
            tenant_uid="t",
            taken_at=time,
        )
        for per_customer, time in zip((4, 3, 2), times, strict=True)
    ]


def create_snapshot_with_missing_values():
    """Return a snapshot in which one customer has no credit limit and no customer has a credit balance."""
    customers = pd.DataFrame({"customer_uid": list("1234"), "credit_limit": pd.array([5, None, 7, 9], dtype="Int64")})
    memberships = pd.DataFrame({"customer_group_uid": list("aabb"), "customer_uid": list("1234")})
    return snapshot_from_frames(memberships, None, customers, tenant_uid="t", taken_at="2026-11-23")


def create_snapshot_with_consents(n_groups):
    """Return a snapshot of groups with long names, whose customers have contact points and consents."""
    snapshot = create_snapshot(n_groups, 2000)
    uids = snapshot.customers["customer_uid"]
    customers = pd.DataFrame(
        {"customer_uid": uids, "has_email": np.arange(len(uids)) % 3 > 0, "has_mobile": np.arange(len(uids)) % 4 > 0}
    )
    consents = pd.DataFrame({"customer_uid": uids, "consent_uid": "mail", "status": np.arange(len(uids)) % 5 > 0})
    names = snapshot.groups["name"] + " og omegn, medlemmer siden 2019"
    return snapshot_from_frames(
        snapshot.memberships,
        snapshot.groups.assign(name=names),
        customers,
        consents,
        tenant_uid="t",
        taken_at="2026-11-23",
    )


def row_labels(ax):
    """Return the tick labels of the y-axis."""
    return [label.get_text() for label in ax.get_yticklabels()]


def texts_of(ax):
    """Return the text labels on the Axes as strings."""
    return [text.get_text() for text in ax.texts]


def title_of(ax):
    """Return the title of the Axes as one line."""
    return " ".join(ax.get_title(loc="left").split())


def numbers(text):
    """Return the integers in a string, in order of appearance."""
    return [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", text)]


def overlapping_row_labels(ax):
    """Return the pairs of adjacent row labels that overlap in the rendered figure."""
    ax.figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in ax.get_yticklabels()]
    boxes.sort(key=lambda box: box.y0)
    return [(a, b) for a, b in pairwise(boxes) if a.y1 > b.y0 + 1]


def overlapping_texts(ax):
    """Return the pairs of text labels on the Axes that overlap in the rendered figure."""
    ax.figure.draw_without_rendering()
    boxes = [text.get_window_extent().shrunk(1, 0.8) for text in ax.texts]
    return [(a, b) for at, a in enumerate(boxes) for b in boxes[:at] if a.overlaps(b)]


# Sizes


def test_sizes():
    "The bar of the largest group is on top, and each bar is divided into exclusive and shared members."
    table = group_sizes(sample_snapshot()).assign(n_members=[12_500, 1, 2], n_exclusive=[10_000, 1, 0])

    ax = plot.sizes(table)

    assert row_labels(ax) == ["All members", "VIP", "Staff"]
    assert texts_of(ax) == ["12,500", "2", "1"]
    exclusive, shared = ax.containers
    assert [bar.get_width() for bar in exclusive] == [10_000, 0, 1]
    assert [bar.get_width() for bar in shared] == [2_500, 2, 0]
    assert ax.yaxis_inverted()


def test_sizes_top():
    "If `top` omits groups, the title contains the number of drawn groups and the number of all groups."
    ax = plot.sizes(create_snapshot(60), top=10)

    assert len(row_labels(ax)) == 10
    assert numbers(title_of(ax))[:2] == [10, 60] and "%" in title_of(ax)


# Heatmap


def test_heatmap():
    "Each heatmap cell contains the matrix value for the row and the column, and the diagonal is masked."
    snapshot = create_snapshot(12)
    matrix = overlap_matrix(snapshot, measure="share", labels="name")

    ax = plot.overlap_heatmap(snapshot, measure="share")

    names = row_labels(ax)
    assert sorted(names) == sorted(matrix.index)
    assert [label.get_text() for label in ax.get_xticklabels()] == names
    assert len(ax.texts) == 12 * 11
    charts = ax.images[0].get_array()
    np.testing.assert_allclose(charts[0, 1:], 100 * matrix.loc[names[0], names[1:]])
    assert charts.mask.diagonal().all()
    assert "%" in title_of(ax)


def test_heatmap_order():
    "The heatmap places similar groups in adjacent rows."
    pairs = [("a", "1"), ("c", "1"), ("b", "2"), ("d", "2"), ("a", "3"), ("c", "3"), ("b", "4"), ("d", "4")]
    memberships = pd.DataFrame(pairs, columns=["customer_group_uid", "customer_uid"])

    names = row_labels(plot.overlap_heatmap(memberships))

    assert {frozenset(names[:2]), frozenset(names[2:])} == {frozenset("ac"), frozenset("bd")}


def test_heatmap_of_counts():
    "In a heatmap of counts, the diagonal contains group sizes, and numbers have thousands separators."
    table = overlap_matrix(sample_snapshot(), labels="name") * 1_000

    ax = plot.overlap_heatmap(table, measure="count")

    assert row_labels(ax) == ["All members", "Staff", "VIP"]
    assert texts_of(ax)[0] == "250,000" and texts_of(ax)[2] == "2,000"


def test_heatmap_text_color():
    "The text in a heatmap is white in dark cells and black in light cells."
    ax = plot.overlap_heatmap(create_snapshot(10), measure="count")
    values = ax.images[0].norm(ax.images[0].get_array())

    color_by_position = {tuple(int(at) for at in text.get_position()): text.get_color() for text in ax.texts}

    column, row = np.unravel_index(np.ma.argmax(values), values.shape)[::-1]
    assert color_by_position[column, row] == "white"
    column, row = np.unravel_index(np.ma.argmin(values), values.shape)[::-1]
    assert color_by_position[column, row] == "black"


@pytest.mark.parametrize("measure", ["lift", "phi", "pmi"])
def test_heatmap_of_association(measure):
    "A heatmap of lift, phi, or pmi requires `universe`, and an infinite pmi is drawn as −∞."
    with pytest.raises(InputError, match="universe"):
        plot.overlap_heatmap(sample_snapshot(), measure=measure)

    ax = plot.overlap_heatmap(sample_snapshot(), measure=measure, universe=1_000)
    ax.figure.draw_without_rendering()

    assert ("−∞" in texts_of(ax)) == (measure == "pmi")
    assert texts_of(plot.overlap_heatmap(sample_snapshot().with_universe(1_000), measure=measure)) == texts_of(ax)


# UpSet


def test_upset():
    "An UpSet plot has a bar for each combination and each group, and dots for the groups of a combination."
    snapshot = create_snapshot(6)
    table = intersections(snapshot)

    axes = plot.upset(snapshot, top=100)

    assert list(axes) == ["intersections", "matrix", "sizes"]
    bars = [bar.get_height() for bar in axes["intersections"].patches]
    assert bars == list(table["n"])
    group_sizes_drawn = [bar.get_width() for bar in axes["sizes"].patches]
    assert group_sizes_drawn == sorted(group_sizes(snapshot)["n_members"], reverse=True)
    uid = dict(zip(snapshot.groups["name"], snapshot.groups["customer_group_uid"], strict=True))
    row_of = {uid[name]: at for at, name in enumerate(row_labels(axes["matrix"]))}
    filled = [set(dots.get_offsets()[:, 1]) for dots in axes["matrix"].collections[1:]]
    assert filled == [{row_of[g] for g in groups} for groups in table["groups"]]


@pytest.mark.parametrize("mode", ["exclusive", "inclusive"])
def test_upset_title(mode):
    "The title of an UpSet plot contains the mode and the numbers of groups, customers, and combinations."
    snapshot = create_snapshot(30)
    largest = group_sizes(snapshot).nlargest(8, "n_members")["customer_group_uid"]
    n_customers = intersections(snapshot, largest)["n"].sum()

    axes = plot.upset(snapshot, mode=mode, top=5)

    title = " ".join(axes["matrix"].figure.get_suptitle().split())
    assert mode in title and {8, 30, n_customers} <= set(numbers(title))
    assert len(axes["intersections"].patches) == 5
    if mode == "exclusive":
        total = len(intersections(snapshot, largest))
        assert {5, total} <= set(numbers(title))


def test_upset_of_truncated_table():
    "If a table omits combinations, the axis label states that the group sizes are lower bounds."
    axes = plot.upset(intersections(sample_snapshot(), top=2))

    assert texts_of(axes["intersections"]) == ["248", "2"]
    complete = plot.upset(intersections(sample_snapshot()))
    assert axes["sizes"].get_xlabel() != complete["sizes"].get_xlabel()
    assert "99.6%" in axes["sizes"].figure.get_suptitle() and "251" in axes["sizes"].figure.get_suptitle()


def test_upset_in_subfigures():
    "If `fig` is a SubFigure, the UpSet plot is drawn on it, and no other figure is created."
    figure = plt.figure(figsize=(14, 5), layout="constrained")
    left, right = figure.subfigures(1, 2)

    plot.upset(sample_snapshot(), fig=left)
    plot.upset(sample_snapshot(), fig=right, mode="inclusive")

    assert len(figure.axes) == 6 and plt.get_fignums() == [figure.number]


def test_upset_on_axes():
    "If `ax` is passed, the three parts of the UpSet plot are drawn in its place and below its title."
    figure, (left, right) = plt.subplots(1, 2, figsize=(14, 5), layout="constrained")
    free = figure.add_axes((0.6, 0.1, 0.3, 0.3))

    plot.sizes(sample_snapshot(), ax=left)
    parts = [plot.upset(sample_snapshot(), ax=right), plot.upset(sample_snapshot(), ax=free)]
    figure.draw_without_rendering()

    assert "exclusive" in title_of(right) and not right.axison
    assert plt.get_fignums() == [figure.number]
    laid_out, fixed = ([ax.get_position() for ax in axes.values()] for axes in parts)
    [heading] = [text for text in right.get_children() if isinstance(text, Text) and text.get_text()]
    below = figure.transFigure.inverted().transform(heading.get_window_extent())[0, 1]
    assert all(left.get_position().x1 < box.x0 and box.y1 <= below for box in laid_out)
    inside = free.get_position()
    assert all(inside.x0 <= box.x0 + 1e-9 and box.x1 <= inside.x1 + 1e-9 for box in fixed)
    assert all(inside.y0 <= box.y0 + 1e-9 and box.y1 <= inside.y1 + 1e-9 for box in fixed)
    with pytest.raises(InputError, match=r"`?ax`?.*`?fig`?|`?fig`?.*`?ax`?"):
        plot.upset(sample_snapshot(), ax=right, fig=figure)


# Changes


def test_changes():
    "Bars to the right show customers who joined, and bars to the left show customers who left."
    old = pd.DataFrame({"customer_group_uid": ["a", "a", "b", "k"], "customer_uid": ["1", "2", "1", "9"]})
    new = pd.DataFrame({"customer_group_uid": ["a", "c", "c", "c", "k"], "customer_uid": list("31239")})

    ax = plot.changes(old, new)

    assert row_labels(ax) == ["a", "c (new)", "b (deleted)"]
    assert texts_of(ax) == ["+1", "−2", "+3", "−1"]
    joined, left = ax.containers
    assert [bar.get_width() for bar in joined] == [1, 3, 0]
    assert [bar.get_width() for bar in left] == [-2, 0, -1]
    assert numbers(title_of(ax))[:2] == [3, 4]


def test_changes_arguments():
    "A `group_changes` table, two snapshots, and a tuple of two snapshots result in the same chart."
    old, new = sample_snapshot().memberships[:-1], sample_snapshot()

    charts = [plot.changes(group_changes(old, new)), plot.changes(old, new), plot.changes((old, new))]

    assert [row_labels(ax) for ax in charts] == [["VIP"]] * 3
    with pytest.raises(InputError, match=r"old.*new"):
        plot.changes(new)


def test_suppressed_changes():
    "A group with suppressed counts is not drawn, and the heading counts it among the groups that changed."
    old, new = create_snapshot(3), create_snapshot(3, per_customer=2)
    table = group_changes(old, new).astype({"n_joined": "Int64", "n_left": "Int64"})
    table.loc[0, ["n_joined", "n_left"]] = pd.NA

    ax = plot.changes(table)

    assert table["name"][0] not in row_labels(ax) and len(row_labels(ax)) == 1
    assert numbers(title_of(ax)) == [2, 3, 1]
    assert len(plot.changes(table[:1]).texts) == 1


# Several charts


@pytest.mark.parametrize("n_groups", [1, 2, 30])
def test_row_labels_do_not_overlap(n_groups):
    "The default figure is large enough for 1 to 30 row labels, so that the labels do not overlap."
    snapshot = create_snapshot(n_groups)
    later = create_snapshot(n_groups, per_customer=2)

    charts = [
        plot.sizes(snapshot, top=None),
        plot.overlap_heatmap(snapshot, top=None),
        plot.changes(snapshot, later, top=None),
        plot.upset(snapshot, n_groups=min(n_groups, 20))["matrix"],
    ]

    assert [len(overlapping_row_labels(ax)) for ax in charts] == [0, 0, 0, 0]


def test_heatmap_of_many_groups():
    "If `top` is None, a heatmap shows all 90 groups, and the labels do not overlap."
    ax = plot.overlap_heatmap(create_snapshot(90), top=None)

    assert len(row_labels(ax)) == 90 and not overlapping_row_labels(ax)


def test_unusual_names():
    "A name with dollar signs is drawn unchanged, a long name is shortened, and a duplicate name has a uid."
    for ax in (
        plot.sizes(create_snapshot_with_unusual_names()),
        plot.overlap_heatmap(create_snapshot_with_unusual_names()),
        plot.upset(create_snapshot_with_unusual_names())["matrix"],
    ):
        ax.figure.draw_without_rendering()
        assert sorted(row_labels(ax)) == [
            "(g-3)",
            "Medlemmer av ku…ubben i Tromsø",
            "Over $100 & under $200_x^2",
            "VIP (g-1)",
            "VIP (g-2)",
            "a b c",
        ]


def test_empty_input():
    "If there is no data to draw, the chart contains a message."
    charts = [
        plot.sizes(EMPTY),
        plot.overlap_heatmap(EMPTY),
        plot.upset(EMPTY)["intersections"],
        plot.upset(intersections(EMPTY))["intersections"],
        plot.changes(EMPTY, EMPTY),
        plot.changes(sample_snapshot(), sample_snapshot()),
    ]

    for ax in charts:
        ax.figure.draw_without_rendering()
    messages = [texts_of(ax)[0] for ax in charts]
    assert all(messages)
    assert numbers(messages[-1]) == [3] and not any(numbers(message) for message in messages[:-1])


def test_axes_are_returned():
    "A chart is drawn on the Axes that were passed, and no other figure is created."
    figure, axes = plt.subplots(1, 3, layout="constrained")

    returned = [
        plot.sizes(sample_snapshot(), ax=axes[0]),
        plot.overlap_heatmap(sample_snapshot(), ax=axes[1]),
        plot.changes(EMPTY, sample_snapshot(), ax=axes[2]),
    ]

    assert returned == list(axes) and plt.get_fignums() == [figure.number]


def test_invalid_options():
    "An unknown mode or measure is rejected before a figure is created."
    with pytest.raises(InputError, match=r"measure.*jaccard"):
        plot.overlap_heatmap(sample_snapshot(), measure="overlap")
    with pytest.raises(InputError, match=r"mode.*inclusive"):
        plot.upset(sample_snapshot(), mode="both")
    assert plt.get_fignums() == []


# Profile


def test_profile():
    "The strongest differences are on top, and the points show the shares in the group and in the reference."
    table = group_profile(sample_snapshot(), "all", min_count=0, attributes=["country_code", "customer_type"])
    order = table.reindex(table["effect_size"].abs().sort_values(ascending=False, kind="stable").index)

    ax = plot.profile(table, top=4)

    assert row_labels(ax) == [f"{row.attribute}: {row.value}" for row in order.head(4).itertuples()]
    others, inside = (line.get_xdata() for line in ax.lines)
    np.testing.assert_allclose(inside, 100 * order["share_in"].head(4))
    np.testing.assert_allclose(others, 100 * order["share_ref"].head(4))
    assert {4, len(table)} <= set(numbers(title_of(ax)))


def test_profile_of_numbers():
    "A numeric attribute has a row with means, and missing numbers have a separate row with shares."
    table = group_profile(
        create_snapshot_with_missing_values(), "a", min_count=0, attributes=["credit_limit", "credit_balance"]
    )

    ax = plot.profile(table)

    assert sorted(row_labels(ax)) == ["credit_limit", "credit_limit: (missing)"]
    assert [len(line.get_xdata()) for line in ax.lines] == [1, 1]
    assert any(numbers(text)[:2] == [5, 8] for text in texts_of(ax))
    assert not any("nan" in text for text in texts_of(ax))


def test_profile_without_reference():
    "If the reference of a profile is empty, the chart has no points for the reference."
    customers = sample_snapshot().customers["customer_uid"]

    ax = plot.profile(group_profile(sample_snapshot(), customers, min_count=0))
    ax.figure.draw_without_rendering()

    assert np.isnan(ax.lines[0].get_xdata()).all() and np.isfinite(ax.get_xlim()).all()


# Reach


def test_reach():
    "The bars show the members who can be contacted, and the markers show contact points and consents."
    table = reachability(sample_snapshot(), consent={"mobile": "newsletter"}, min_count=0)
    table.loc[table["customer_group_uid"] == "staff", list(table.filter(like="n_"))] = 0

    ax = plot.reach(table)

    assert [name.split()[-1] for name in row_labels(ax)] == ["email", "mobile", "(any)"] * 3
    assert row_labels(ax)[0] == "All members, 250   email" and row_labels(ax)[3].startswith("VIP, 2")
    assert texts_of(ax)[:3] == ["120 (48%)", "100 (40%)", "140 (56%)"]
    assert not any(numbers(text) for text in texts_of(ax)[6:])
    assert [bar.get_width() for bar in ax.containers[1]][:3] == [48, 40, 56]
    contact, consented = (line.get_xdata() for line in ax.lines[:2])
    assert list(contact[:2]) == [80, 66.8] and np.isnan(contact[6:]).all()
    assert consented[0] == 60 and np.isnan(consented[6:]).all()


def test_reach_suppressed():
    "Suppressed counts have neither a bar nor a marker, and the title contains the number of suppressed rows."
    ax = plot.reach(sample_snapshot(), ["vip"], consent={"mobile": "newsletter"})

    assert texts_of(ax) == ["–"] * 3
    assert numbers(title_of(ax))[-2:] == [3, 3] and "suppressed" in title_of(ax)
    assert [bar.get_width() for bar in ax.containers[1]] == [0, 0, 0]
    assert all(np.isnan(line.get_xdata()).all() for line in ax.lines[:2])


def test_incremental_reach():
    "The bar of each further group starts where the bar of the previous group ends."
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

    assert row_labels(ax) == ["A", "B"] and texts_of(ax) == ["+60 → 60%", "+30 → 90%"]
    previous, new = ([(bar.get_x(), bar.get_width()) for bar in bars] for bars in ax.containers)
    assert previous == [(0, 0), (0, 60)] and new == [(0, 60), (60, 30)]
    assert [n for n in numbers(title_of(ax)) if n in (2, 3, 90, 100)] == [2, 3, 90, 100]


def test_campaign_reach():
    "The largest discount is on top, and the bars of members who get a larger discount elsewhere are hatched."
    campaigns = pd.DataFrame({"customer_group_uid": ["all", "vip"], "discount_percent": [5, 20]})

    ax = plot.campaign_reach(sample_snapshot(), campaigns)

    assert row_labels(ax) == ["VIP, 20%", "All members, 5%"]
    effective, shadowed = ax.containers
    assert [bar.get_width() for bar in effective] == [2, 248] and [bar.get_width() for bar in shadowed] == [0, 2]
    assert all(bar.get_hatch() for bar in shadowed) and not any(bar.get_hatch() for bar in effective)
    assert "20%" in texts_of(ax)[1] and "VIP" in texts_of(ax)[1]


def test_waterfall():
    "The first audience is on top, and each bar is divided into remaining customers and the three kinds of losses."
    audiences = {"Gold": "VIP", "Silver": "all", "Rest": ["c-2510", "c-1"]}
    table = waterfall(sample_snapshot(), audiences, caps={"Silver": 100}, exclude=["c-2"])

    ax = plot.waterfall(table)

    assert row_labels(ax) == ["Gold", "Silver", "Rest"]
    assert texts_of(ax) == ["1 of 2", "100 of 250", "1 of 2"]
    remaining, over_cap, earlier, excluded = ([bar.get_width() for bar in bars] for bars in ax.containers)
    assert (remaining, over_cap, earlier, excluded) == ([1, 100, 1], [0, 148, 0], [0, 1, 1], [1, 1, 0])
    assert [bar.get_x() for bar in ax.containers[3]] == [1, 249, 2]
    assert len(ax.get_legend().get_texts()) == 4


def test_waterfall_data():
    "The data of the chart can be a snapshot, the customers, or the summary, and unused colors are omitted."
    snapshot, arguments = sample_snapshot(), {"audiences": {"Gold": "VIP", "Empty": []}}
    table = waterfall(snapshot, **arguments)

    charts = [plot.waterfall(data) for data in (table, waterfall_summary(table))]
    charts.append(plot.waterfall(snapshot, **arguments))

    assert [texts_of(ax) for ax in charts] == [["2", "no customers"]] * 3
    assert [len(ax.containers) for ax in charts] == [1] * 3
    with pytest.raises(InputError, match="Snapshot"):
        plot.waterfall(table, caps={"Gold": 1})
    with pytest.raises(InputError, match="Snapshot"):
        plot.waterfall(waterfall_summary(table), {"Gold": "VIP"})
    with pytest.raises(InputError, match="audiences"):
        plot.waterfall(snapshot)


# History and flow


def test_history():
    "The largest groups have labels with the last size, and the lines of these groups have different styles."
    table = size_history(create_history(12))
    last = table[table["taken_at"] == table["taken_at"].max()].sort_values(
        ["n_members", "customer_group_uid"], ascending=[False, True]
    )

    ax = plot.history(table, top=4)

    assert [text.split("  ")[0] for text in texts_of(ax)] == list(last["name"].head(4))
    assert [text.split("  ")[1].split()[0] for text in texts_of(ax)] == [str(n) for n in last["n_members"].head(4)]
    lines = {line.get_linestyle() for line in ax.lines if line.get_linewidth() == 1.8}
    assert lines == {"-", "--", "-.", ":"}
    assert {4, 12} <= set(numbers(title_of(ax)))
    charts = next(line for line in ax.lines if line.get_linewidth() == 1.8)
    assert list(charts.get_ydata()) == list(table[table["customer_group_uid"] == last.iloc[0, 1]]["n_members"])


def test_history_of_deleted_group():
    "The line of a deleted group ends with a cross, and the label of the line contains the status."
    first, second, _ = create_history(3)
    without = snapshot_from_frames(
        second.memberships[second.memberships["customer_group_uid"] != "g-000"],
        second.groups[second.groups["customer_group_uid"] != "g-000"],
        tenant_uid="t",
        taken_at="2026-11-10",
    )

    ax = plot.history([first, without])

    assert [text.split("  ")[0] for text in texts_of(ax) if text.endswith("(deleted)")] == ["Kundeklubb Tromsø 0"]
    assert [line.get_marker() for line in ax.lines].count("X") == 1


def test_flow():
    "The heights of the bands and boxes represent the numbers of customers, and each label shows the number."
    old, new = create_snapshot(4, 200), create_snapshot(4, 200, per_customer=2)
    table = group_flow(old, new, priority=[f"g-{n:03d}" for n in range(4)])

    ax = plot.flow(table)

    bands = [patch for patch in ax.patches if isinstance(patch, PathPatch)]
    heights = sorted(round(band.get_path().vertices[-2, 1] - band.get_path().vertices[0, 1]) for band in bands)
    assert heights == sorted(table["n"])
    boxes = [patch.get_height() for patch in ax.patches if isinstance(patch, Rectangle)]
    assert sum(boxes) == 2 * table["n"].sum()
    for side, column in (("from", "from_group"), ("to", "to_group")):
        sums = table.groupby([column, f"{side}_name"])["n"].sum()
        for (_, name), n in sums.items():
            assert any(text.endswith(f"  {n:,}") and text.startswith(name[:6]) for text in texts_of(ax))
    assert {table["n"].sum(), table["n_stayed"].sum()} <= set(numbers(title_of(ax)))


def test_flow_top():
    "If `top` is given, smaller groups are combined, and the title still contains the number of all customers."
    table = group_flow(
        create_snapshot(8), create_snapshot(8, per_customer=2), priority=[f"g-{n:03d}" for n in range(8)]
    )

    ax = plot.flow(table, top=2)

    assert any(text.startswith("(other groups)") for text in texts_of(ax))
    assert {table["n"].sum(), table["n_stayed"].sum()} <= set(numbers(title_of(ax)))


# Appearance


def test_grayscale():
    "The two colors of each bar chart differ in lightness, so that they can be distinguished in grayscale."
    old, new = sample_snapshot().memberships[:-1], sample_snapshot()
    campaigns = pd.DataFrame({"customer_group_uid": ["all", "vip"], "discount_percent": [5, 20]})
    charts = [
        plot.sizes(new),
        plot.changes(old[1:], new.memberships[1:]),
        plot.incremental_reach(new),
        plot.campaign_reach(new, campaigns),
        plot.waterfall(new, {"VIP": "VIP", "all": "all"}),
    ]

    for ax in charts:
        first, second = (to_rgb(bars[0].get_facecolor()) @ np.array([0.299, 0.587, 0.114]) for bars in ax.containers)
        assert abs(first - second) > 0.15


def test_heatmap_grayscale():
    "The cell with the highest value is darker than the transparent diagonal."
    image = plot.overlap_heatmap(create_snapshot(6)).images[0]

    assert image.cmap.get_bad()[3] == 0
    assert image.cmap(1.0)[:3] @ np.array([0.299, 0.587, 0.114]) < 0.9


@pytest.mark.parametrize("n_groups", [2, 40])
def test_labels_do_not_overlap(n_groups):
    "The labels in a chart of 2 or 40 groups do not overlap and contain no replacement characters."
    snapshot = create_snapshot_with_consents(n_groups)
    uids = snapshot.groups["customer_group_uid"]
    campaigns = pd.DataFrame({"customer_group_uid": uids, "discount_percent": 5.0})

    charts = [
        plot.reach(snapshot, consent={"mobile": "mail"}),
        plot.incremental_reach(snapshot),
        plot.campaign_reach(snapshot, campaigns),
        plot.profile(snapshot, uids[0]),
    ]

    assert [len(overlapping_row_labels(ax)) for ax in charts] == [0] * 4
    assert not any("□" in name for ax in charts for name in row_labels(ax))
    for ax in (plot.history([snapshot]), plot.flow(snapshot, snapshot)):
        assert not overlapping_texts(ax)


def test_missing_glyphs():
    "If the font does not contain the characters of a name, the label contains a box and the uid."
    groups = pd.DataFrame({"customer_group_uid": ["g-1", "g-2"], "name": ["東京の会員", "서울 고객"]})
    memberships = pd.DataFrame({"customer_group_uid": ["g-1", "g-2"], "customer_uid": ["1", "2"]})
    snapshot = snapshot_from_frames(memberships, groups, tenant_uid="t", taken_at="2026-11-23")

    ax = plot.sizes(snapshot)
    ax.figure.draw_without_rendering()

    assert row_labels(ax) == ["□ (g-1)", "□ □ (g-2)"]


def test_empty_tables():
    "If a table is empty or all of its rows are suppressed, the chart contains only a message."
    empty = snapshot_from_frames(EMPTY, tenant_uid="t", taken_at="2026-11-23")
    campaigns = pd.DataFrame({"customer_group_uid": ["all"], "discount_percent": [5]})[:0]
    profile = group_profile(sample_snapshot(), "all")
    charts = [
        plot.reach(reachability(sample_snapshot(), [], consent={"mobile": "newsletter"})),
        plot.incremental_reach(incremental_reach(sample_snapshot(), [])),
        plot.campaign_reach(empty, campaigns),
        plot.waterfall(empty, {}),
        plot.profile(profile[:0]),
        plot.history([empty]),
        plot.flow(EMPTY, EMPTY),
    ]
    suppressed = plot.profile(profile)

    for ax in [*charts, suppressed]:
        ax.figure.draw_without_rendering()
        [message] = texts_of(ax)
        assert numbers(message) == ([len(profile)] if ax is suppressed else [])


def test_measure_and_mode_of_tables():
    "Charts read the measure and the mode from the table, and a different mode is rejected."
    inclusive = intersections(sample_snapshot(), mode="inclusive")

    counts = overlap_matrix(sample_snapshot())
    assert title_of(plot.overlap_heatmap(counts)) == title_of(plot.overlap_heatmap(counts, measure="count"))
    assert "inclusive" in plot.upset(inclusive)["matrix"].figure.get_suptitle()
    with pytest.raises(InputError, match=r"mode.*inclusive|inclusive.*exclusive"):
        plot.upset(inclusive, mode="exclusive")
    with pytest.raises(InputError, match="measure"):
        plot.overlap_heatmap(pd.DataFrame([[1, 2], [3, 4]], index=list("ab"), columns=list("ab")))


def test_truncated_matrix():
    "If `top` is passed with a matrix, the first groups of the matrix are drawn, and the title contains `top`."
    matrix = overlap_matrix(sample_snapshot(), measure="jaccard")

    ax = plot.overlap_heatmap(matrix, top=2)

    assert row_labels(ax) == list(matrix.index[:2]) and {2, 3} <= set(numbers(title_of(ax)))
