"""Tests for the colors of the overlap heatmap."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from frgroups import plot
from frgroups.analysis.intersections import intersections
from frgroups.analysis.overlap import overlap_matrix
from frgroups.errors import InputError
from frgroups.snapshot.from_frames import sample_snapshot


def lightness(image, level):
    """Return the lightness of the color that represents a value, from 0 (black) to 1 (white)."""
    red, green, blue, _ = image.cmap(image.norm(level))
    return 0.299 * red + 0.587 * green + 0.114 * blue


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("measure", ["jaccard", "share", "overlap_coefficient"])
def test_share_scale(measure):
    "The color scale of shares ranges from light (0%) to dark (100%), and small shares have distinct colors."
    image = plot.overlap_heatmap(sample_snapshot(), measure=measure).images[0]

    assert (image.norm.vmin, image.norm.vmax) == (0, 100)
    levels = [lightness(image, level) for level in (0, 1, 5, 10, 50, 100)]
    assert levels == sorted(levels, reverse=True)
    assert levels[0] > 0.95
    assert levels[1] - levels[3] > 0.15


def test_dark_background_reverses_the_scale():
    "On a dark background, small shares have dark colors, and the diagonal is transparent."
    with plt.style.context("dark_background"):
        image = plot.overlap_heatmap(sample_snapshot()).images[0]

    assert lightness(image, 0) < lightness(image, 10) < lightness(image, 100)
    assert image.cmap.get_bad()[3] == 0


def test_lift_is_symmetrical_around_chance():
    "The color scale of lift is symmetrical around a lift of 1, which has the lightest color."
    image = plot.overlap_heatmap(sample_snapshot(), measure="lift", universe=1_000).images[0]

    assert image.norm.vmin == -image.norm.vmax
    assert lightness(image, 0) > 0.95
    matrix = overlap_matrix(sample_snapshot(), measure="lift", universe=1_000)
    expected = np.log2(np.triu(matrix.to_numpy(), 1)[np.triu(matrix.to_numpy(), 1) > 0]).max()
    assert np.isclose(np.nanmax(image.get_array().filled(np.nan)), expected)


def test_groups_without_common_customers_have_the_lowest_color():
    "The heatmap cell of two groups with a lift of 0 has the lowest color and is not blank."
    matrix = overlap_matrix(sample_snapshot(), measure="lift", universe=1_000)
    matrix.iloc[0, 1] = matrix.iloc[1, 0] = 0.0

    image = plot.overlap_heatmap(matrix).images[0]

    assert image.get_array()[0, 1] == image.norm.vmin
    assert not image.get_array().mask[0, 1]


def test_many_groups():
    "By default, charts of 3,000 groups show the largest groups. A request to draw too many groups is an error."
    groups = [f"g{n:04d}" for n in range(3_000)]
    table = pd.DataFrame({"customer_group_uid": groups * 2, "customer_uid": [*groups, *groups[1:], "x"]}, dtype="str")

    assert len(plot.overlap_heatmap(table).get_yticklabels()) == 25
    assert "intersections" in plot.upset(table)
    for draw in (
        lambda: plot.overlap_heatmap(table, top=None),
        lambda: plot.overlap_heatmap(table, top=501),
        lambda: plot.overlap_heatmap(overlap_matrix(table, groups[:600]), top=None),
        lambda: plot.upset(table, groups),
        lambda: plot.upset(table, n_groups=201),
        lambda: plot.upset(intersections(table, top=300)),
        lambda: plot.upset(table, groups[:150], mode="inclusive", top=201),
    ):
        with pytest.raises(InputError, match=r"at most \d+ (groups|combinations), got"):
            draw()
    plt.close("all")


def test_few_groups():
    "In a small chart of few groups, long names are complete, and no line of the heading is only a percent sign."
    names = ["Newsletter 2025 (copy)", "Newsletter 2025", "Skitestere", "Skitestere 2024"]
    matrix = pd.DataFrame(0.5, index=names, columns=names)
    _, ax = plt.subplots(figsize=(6.1, 5.1), layout="constrained")

    plot.overlap_heatmap(matrix, measure="jaccard", ax=ax)

    assert [label.get_text() for label in ax.get_yticklabels()] == names
    assert all(any(map(str.isalpha, line)) for line in ax.get_title(loc="left").split("\n"))


def test_legend_above_axis():
    "The legend of a chart of rows does not touch the axis below it."
    ax = plot.sizes(sample_snapshot())
    ax.figure.canvas.draw()

    assert ax.get_legend().get_window_extent().y0 > ax.get_window_extent().y0 + 2
