"""Tests for the appearance of all charts in different styles and sizes, and with different numbers of groups."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.text import Text

from frgroups import plot
from frgroups.analysis.campaigns import campaign_reach
from frgroups.analysis.changes import group_changes
from frgroups.analysis.flow import group_flow
from frgroups.analysis.profile import group_profile
from frgroups.analysis.reach import incremental_reach, reachability
from frgroups.analysis.sizes import group_sizes
from frgroups.analysis.waterfall import waterfall_summary
from frgroups.errors import InputError
from frgroups.history.size_history import size_history
from frgroups.plot.theme import MIN_CONTRAST, background, contrast, grid_style, shade
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames

STYLES = ["default", "dark_background", "ggplot", "seaborn-v0_8-darkgrid", "grayscale", {"font.size": 16}]
CHARTS = [
    "campaign_reach",
    "changes",
    "flow",
    "history",
    "incremental_reach",
    "overlap_heatmap",
    "profile",
    "reach",
    "sizes",
    "upset",
    "waterfall",
]
LITERAL_NAMES = ["$x$ a_b", "<img onerror=alert(1)>", '=HYPERLINK("x")', "abc\u202edef", "two\nlines"]


def create_snapshot(n_groups, share=1.0, taken_at="2026-11-23", names=None):
    """Return a snapshot with groups of different sizes that overlap, in which a share of the members is included."""
    random = np.random.default_rng(7)
    uids = [f"g-{n:03d}" for n in range(n_groups)]
    names = names or [f"Kundeklubb {('Tromsø', 'Malmö', 'Αθήνα')[n % 3]} og omegn {n}" for n in range(n_groups)]
    pairs = [
        (uid, f"c-{customer}")
        for n, uid in enumerate(uids)
        for customer in random.choice(300, max(120 - 3 * n, 6), replace=False)
    ]
    pairs = [pair for n, pair in enumerate(pairs) if n % 10 < 10 * share]
    memberships = pd.DataFrame(pairs, columns=["customer_group_uid", "customer_uid"])
    customers = pd.DataFrame(
        {
            "customer_uid": [f"c-{n}" for n in range(300)],
            "country_code": [("NO", "SE", "DK", "FI")[n % 4] for n in range(300)],
            "has_email": [n % 5 > 0 for n in range(300)],
            "has_mobile": [n % 3 > 0 for n in range(300)],
        }
    )
    groups = pd.DataFrame({"customer_group_uid": uids, "name": names})
    consents = pd.DataFrame({"customer_uid": customers["customer_uid"], "consent_uid": "mail", "status": True})
    return snapshot_from_frames(memberships, groups, customers, consents, tenant_uid="t", taken_at=taken_at)


def create_data(n_groups, names=None):
    """Return the data of each chart for a number of groups. The tables are computed only once."""
    old = create_snapshot(n_groups, 0.9, "2026-11-03", names)
    new = create_snapshot(n_groups, names=names)
    uids = list(new.groups["customer_group_uid"])
    campaigns = pd.DataFrame({"customer_group_uid": uids, "discount_percent": [5.0 + n % 7 for n in range(n_groups)]})
    return {
        "campaign_reach": campaign_reach(new, campaigns),
        "changes": group_changes(old, new),
        "flow": group_flow(old, new, priority=uids),
        "history": size_history([old, new]),
        "incremental_reach": incremental_reach(new, uids),
        "overlap_heatmap": new,
        "profile": group_profile(new, uids[0] if uids else [], min_count=0),
        "reach": reachability(new, consent={"mobile": "mail"}),
        "sizes": group_sizes(new),
        "upset": new,
        "waterfall": create_waterfall(new),
    }


def create_waterfall(snapshot):
    """Return the summary of a waterfall with one audience per group, caps, and excluded customers."""
    names = list(snapshot.groups["name"])
    audiences = {name: snapshot[uid] for uid, name in zip(snapshot.groups["customer_group_uid"], names, strict=True)}
    return waterfall_summary(
        snapshot,
        audiences,
        caps={name: 10 + n for n, name in enumerate(names) if n % 3 == 0},
        exclude=[f"c-{n}" for n in range(0, 300, 9)] if names else None,
    )


@pytest.fixture(scope="module")
def data():
    """Return the data of each chart for 0, 1, 2, 20, and 200 groups."""
    return {n_groups: create_data(n_groups) for n_groups in (0, 1, 2, 20, 200)}


def texts_of(figure):
    """Return the visible texts of a figure after the figure was drawn."""
    texts = list(figure.texts)
    children = [child for ax in figure.axes for child in ax.child_axes]
    for ax in [*figure.axes, *children]:
        texts += ax.texts
        texts += [part for part in ax.get_children() if isinstance(part, Text) and part not in ax.texts]
        if ax.get_legend():
            texts += ax.get_legend().get_texts()
        if ax.axison:
            texts += [text for axis in (ax.xaxis, ax.yaxis) for text in [axis.label, *tick_labels(axis)]]
    return [text for text in texts if text.get_text().strip() and text.get_visible()]


def tick_labels(axis):
    """Return the labels of the ticks within the limits of an axis."""
    low, high = sorted(axis.get_view_interval())
    return [
        tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high and tick.label1.get_visible()
    ]


def overlapping_texts(figure):
    """Return the pairs of texts that overlap in the rendered figure."""
    figure.canvas.draw()
    texts = texts_of(figure)
    boxes = [text.get_window_extent().shrunk(0.96, 0.75) for text in texts]
    return [
        (texts[i].get_text(), texts[j].get_text())
        for i in range(len(boxes))
        for j in range(i)
        if boxes[i].overlaps(boxes[j])
    ]


def clipped_texts(figure):
    """Return the texts that are partly outside the rendered figure."""
    limit, clipped = figure.bbox.padded(2), []
    for text in texts_of(figure):
        box = text.get_window_extent()
        if box.x0 < limit.x0 or box.y0 < limit.y0 or box.x1 > limit.x1 or box.y1 > limit.y1:
            clipped.append(text.get_text())
    return clipped


def luminance(colors):
    """Return the relative luminance of RGB colors between 0 and 1, as defined by WCAG 2.1."""
    linear = np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def text_contrasts(figure):
    """Return the contrast ratio of each text and the pixels behind it, which 90% of the pixels reach."""
    figure.canvas.draw()
    texts = [(text, text.get_window_extent(), mpl.colors.to_rgb(text.get_color())) for text in texts_of(figure)]
    for text, *_ in texts:
        text.set_alpha(0)
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[::-1, :, :3] / 255
    contrasts = {}
    for text, box, color in texts:
        behind = pixels[max(int(box.y0), 0) : int(box.y1) + 1, max(int(box.x0), 0) : int(box.x1) + 1].reshape(-1, 3)
        low = np.minimum(luminance(behind), luminance(np.array(color))) + 0.05
        high = np.maximum(luminance(behind), luminance(np.array(color))) + 0.05
        contrasts[text.get_text(), box.x0, box.y0] = np.quantile(high / low, 0.1)
    return contrasts


def draw(chart, data, **arguments):
    """Draw a chart and return its figure."""
    axes = getattr(plot, chart)(data[chart], **arguments)
    if isinstance(axes, dict):
        axes = axes["intersections"]
    return axes.figure


def heading_of(figure):
    """Return the titles of a figure on one line."""
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    return " ".join(" ".join([figure.get_suptitle(), *titles]).split())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("style", "chart"),
    [(style, chart) for style in STYLES[:3] for chart in CHARTS]
    + [(style, chart) for style in STYLES[3:] for chart in ("flow", "reach", "upset")],
    ids=str,
)
def test_contrast(chart, style, data):
    "All texts of a chart have a contrast of at least 4.5 in each style."
    with plt.style.context(style):
        _, ax = plt.subplots(figsize=(4, 3), dpi=60)
        figure = draw(chart, data[20], top=3, ax=ax)
        contrasts = text_contrasts(figure)

    assert len(contrasts) > 4
    assert {text: ratio for text, ratio in contrasts.items() if ratio < MIN_CONTRAST} == {}


@pytest.mark.slow
@pytest.mark.parametrize("chart", CHARTS)
def test_dark_background(chart, data):
    "Each chart of no, one, two, or many groups can be drawn with a dark style without warnings."
    for n_groups in (0, 1, 2, 200):
        with plt.style.context("dark_background"):
            draw(chart, data[n_groups]).canvas.draw()
        plt.close("all")


@pytest.mark.parametrize("measure", ["count", "share", "lift", "phi"])
@pytest.mark.parametrize("style", STYLES[:3])
def test_contrast_of_cells(measure, style):
    "The numbers in heatmap cells have a contrast of at least 4.5 for each measure."
    with plt.style.context(style):
        _, ax = plt.subplots(figsize=(5, 4), dpi=60)
        ax = plot.overlap_heatmap(create_snapshot(5), measure=measure, universe=400, ax=ax)
        contrasts = text_contrasts(ax.figure)

    assert len(ax.texts) >= 20
    assert min(contrasts.values()) >= MIN_CONTRAST


@pytest.mark.slow
@pytest.mark.parametrize("chart", CHARTS)
@pytest.mark.parametrize(
    ("size", "layout"), [((6.4, 4.8), None), ((3, 2.5), None), ((3, 2.5), "constrained")], ids=str
)
def test_size_of_axes(chart, layout, size, data):
    "The texts of a chart of 20 groups neither overlap nor leave a figure of 6.4 x 4.8 or 3 x 2.5 inches."
    figure, ax = plt.subplots(figsize=size, layout=layout)

    draw(chart, data[20], ax=ax)

    assert overlapping_texts(figure) == []
    assert clipped_texts(figure) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layout", "charts"),
    [
        (None, ["sizes", "changes", "upset", "flow"]),
        ("constrained", ["sizes", "changes", "upset", "flow"]),
        ("constrained", ["history", "profile", "campaign_reach", "overlap_heatmap"]),
    ],
    ids=["none", "constrained", "constrained-2"],
)
def test_grid_of_charts(charts, layout, data):
    "The texts of four charts in a grid of 2 x 2 Axes neither overlap nor leave the figure."
    figure, grid = plt.subplots(2, 2, figsize=(6.4, 4.8), layout=layout)

    for chart, ax in zip(charts, grid.flat, strict=True):
        draw(chart, data[20], ax=ax)

    assert overlapping_texts(figure) == []
    assert clipped_texts(figure) == []


@pytest.mark.slow
@pytest.mark.parametrize("chart", CHARTS)
def test_large_font(chart, data):
    "With a font of 16 points, the texts of a chart neither overlap nor leave the figure."
    with plt.rc_context({"font.size": 16}):
        figure, ax = plt.subplots(figsize=(6.4, 4.8), layout="constrained")
        draw(chart, data[20], ax=ax)

        assert overlapping_texts(figure) == []
        assert clipped_texts(figure) == []


@pytest.mark.parametrize("chart", [chart for chart in CHARTS if chart != "profile"])
@pytest.mark.parametrize("n_groups", [0, 1, 2])
def test_few_groups(chart, n_groups, data):
    "A chart of no groups contains a message, and the texts of a chart of one or two groups do not overlap."
    _, ax = plt.subplots(figsize=(5, 4), layout="constrained")

    figure = draw(chart, data[n_groups], ax=ax)

    assert overlapping_texts(figure) == []
    messages = [text.get_text() for ax in figure.axes for text in ax.texts if text.get_text().startswith("no ")]
    assert len(messages) == (n_groups == 0)


@pytest.mark.parametrize(
    "chart", [chart for chart in CHARTS if chart not in ("profile", "flow", "incremental_reach")]
)
def test_note_about_omitted_groups(chart, data):
    "If a chart shows only some of 200 groups, the title contains the number of drawn groups and of all groups."
    arguments = {"n_groups": 5} if chart == "upset" else {"top": 5}

    _, ax = plt.subplots()
    heading = heading_of(draw(chart, data[200], ax=ax, **arguments))

    if chart == "changes":
        assert " of 200 groups changed" in heading and " 5 " in heading
    else:
        assert " 5 of 200 " in heading


@pytest.mark.parametrize("chart", CHARTS)
def test_title(chart, data):
    "The argument `title` replaces the heading of a chart, is drawn unchanged, and can be empty."
    headings = []
    for arguments in ({}, {"title": "Cost in $ and €, a_1$"}, {"title": ""}):
        _, ax = plt.subplots()
        headings.append(heading_of(draw(chart, data[2], ax=ax, **arguments)))
    default, custom, empty = headings

    first_words = " ".join(default.split()[:2])
    assert custom.startswith("Cost in $ and €, a_1$") and first_words not in custom
    assert first_words not in empty and "Cost" not in empty


@pytest.mark.parametrize("chart", [chart for chart in CHARTS if chart != "profile"])
def test_literal_names(chart):
    "Names with markup, formulas, mathtext, or direction overrides are drawn on one line and unchanged."
    names = create_data(5, LITERAL_NAMES)

    _, ax = plt.subplots(figsize=(9, 6))
    figure = draw(chart, names, ax=ax)
    figure.draw_without_rendering()

    text = "\n".join(text.get_text() for text in texts_of(figure))
    for name in ("$x$ a_b", "<img onerror=alert(1)>", '=HYPERLINK("x")', "two lines"):
        assert name in text or chart in ("incremental_reach", "history")
    assert "\u202e" not in text
    assert not any(part.get_parse_math() for part in texts_of(figure) if "$" in part.get_text())


def test_dir():
    "The function `dir` lists only the charts of the module."
    assert sorted(dir(plot)) == sorted(CHARTS)


# Scales


def test_heatmap_of_one_group():
    "A heatmap of one group contains a message and no color scale."
    ax = plot.overlap_heatmap(create_snapshot(1))

    assert not ax.images and not ax.child_axes
    assert [text.get_text() for text in ax.texts] == ["an overlap requires at least 2 groups"]


def test_heatmap_without_members():
    "A heatmap of groups without members contains a message and no color scale."
    empty = create_snapshot(2, share=0.0)

    ax = plot.overlap_heatmap(empty)

    assert not ax.images and not ax.child_axes and len(ax.texts) == 1


@pytest.mark.parametrize(
    ("measure", "arguments", "expected"),
    [
        ("share", {}, (0, 100)),
        ("share", {"vmin": 0, "vmax": 1}, (0, 100)),
        ("jaccard", {"vmax": 0.2}, (0, 20)),
        ("count", {"vmax": 500}, (0, 500)),
        ("lift", {"vmax": 8}, (-3, 3)),
        ("lift", {"vmin": 1 / 16, "vmax": 2}, (-4, 4)),
        ("phi", {}, (-1, 1)),
        ("phi", {"vmax": 0.3}, (-0.3, 0.3)),
        ("pmi", {"vmin": -2}, (-2, 2)),
    ],
)
def test_color_limits(measure, arguments, expected):
    "The arguments `vmin` and `vmax` set the ends of the color scale, and diverging scales remain symmetrical."
    image = plot.overlap_heatmap(create_snapshot(4), measure=measure, universe=400, **arguments).images[0]

    assert (image.norm.vmin, image.norm.vmax) == pytest.approx(expected)
    assert image.get_array().min() >= expected[0] and image.get_array().max() <= expected[1]


@pytest.mark.parametrize(
    ("measure", "arguments"),
    [("share", {"vmax": 100}), ("lift", {"vmin": 0}), ("count", {"vmin": 5, "vmax": 5}), ("phi", {"vmax": "1"})],
)
def test_invalid_color_limits(measure, arguments):
    "A color scale that is empty or outside the range of the measure is rejected."
    with pytest.raises(InputError, match=r"vm(in|ax)"):
        plot.overlap_heatmap(create_snapshot(3), measure=measure, universe=400, **arguments)


def test_scale_of_profile(data):
    "The axis of a profile always covers 0 to 100%."
    table = data[2]["profile"]

    axes = [plot.profile(table), plot.profile(table.head(2))]

    assert [(ax.get_xticks()[0], ax.get_xticks()[-1]) for ax in axes] == [(0, 100)] * 2


# History


def test_history_of_one_snapshot():
    "The history of one snapshot contains the date of the snapshot and no growth."
    ax = plot.history([sample_snapshot("2026-11-03")])
    ax.figure.draw_without_rendering()

    assert [label.get_text() for label in ax.get_xticklabels()] == ["3 November 2026"]
    assert not any("%" in text.get_text() for text in ax.texts)


def test_indexed_history():
    "In an indexed history, each line starts at 100, and groups that were empty at first are omitted."
    table = size_history([create_snapshot(3, 0.5, "2026-11-03"), create_snapshot(3)])
    table.loc[(table["customer_group_uid"] == "g-002") & (table["taken_at"] < "2026-11-10"), "n_members"] = 0

    ax = plot.history(table, indexed=True)

    lines = [line.get_ydata() for line in ax.lines if line.get_linewidth() == 1.8]
    sizes = table.pivot_table(index="customer_group_uid", columns="taken_at", values="n_members").to_numpy()
    assert [line[0] for line in lines] == [100, 100]
    assert sorted(line[1] for line in lines) == sorted(100 * sizes[:2, 1] / sizes[:2, 0])
    assert "1 group " in heading_of(ax.figure)
    assert ax.get_ylim()[0] < 100 < ax.get_ylim()[1]


def test_history_by_change():
    'With `by="change"`, the groups that changed most have labels, in members or relative to their first size.'
    first, last = create_snapshot(2, 1.0, "2026-11-03"), create_snapshot(2)
    table = size_history([first, last]).assign(n_members=[100, 10, 120, 15])

    absolute = plot.history(table, by="change", top=1)
    relative = plot.history(table, by="change", indexed=True, top=1)

    assert "+20%" in absolute.texts[0].get_text() and "+50%" in relative.texts[0].get_text()
    assert [len(ax.texts) for ax in (absolute, relative)] == [1, 1]
    with pytest.raises(InputError, match="by"):
        plot.history(table, by="growth")


# Flow


def test_flow_without_priority():
    "Without `priority`, a flow contains only customers in single groups, and a note recommends `priority`."
    old = pd.DataFrame({"customer_group_uid": list("aaabb"), "customer_uid": list("12323")})
    new = pd.DataFrame({"customer_group_uid": list("aabbb"), "customer_uid": list("12234")})

    ax = plot.flow(old, new)

    texts = [text.get_text() for text in ax.texts]
    assert "a  1" in texts and not any(text.startswith("(several)") for text in texts)
    assert "priority=" in heading_of(ax.figure)
    complete = plot.flow(old, new, priority=["a"], groups=["a", "b"])
    assert "priority=" not in heading_of(complete.figure)


def test_flow_of_customers_in_several_groups():
    "If all customers are in several groups and `priority` is missing, the chart recommends `priority`."
    table = pd.DataFrame({"customer_group_uid": list("ab"), "customer_uid": list("11")})

    ax = plot.flow(table, table)

    assert "priority=" in " ".join(text.get_text() for text in ax.texts) and not ax.patches


@pytest.mark.parametrize("style", ["default", "dark_background", "ggplot", "grayscale"])
def test_faint_grid(style):
    "Grid lines have less contrast with the background than the lines of groups that are not highlighted."
    with plt.style.context(style):
        _, ax = plt.subplots()
        line = contrast(grid_style(ax)["color"], background(ax))

        assert 1 <= line <= 1.5 < contrast(shade(ax, 0.25), background(ax))


def test_font_of_low_charts():
    "A chart with two rows has the same font size as a chart with ten rows."
    snapshots = [create_snapshot(n) for n in (2, 10)]

    sizes = [plot.sizes(snapshot).get_yticklabels()[0].get_fontsize() for snapshot in snapshots]

    assert sizes[0] == pytest.approx(sizes[1], rel=0.1)
