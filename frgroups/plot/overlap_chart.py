"""Heatmap of an overlap measure for each pair of groups."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Colormap, Normalize, PowerNorm, to_rgb
from matplotlib.ticker import FuncFormatter

from frgroups.analysis.clusters import leaf_order
from frgroups.analysis.overlap import Measure, is_overlap_matrix, measure_of, overlap_matrix
from frgroups.errors import InputError
from frgroups.internals.formatting import format_percentage
from frgroups.internals.typing import FloatArray
from frgroups.plot.axes import (
    empty_chart,
    format_count_axis,
    new_axes,
    select_largest,
    set_heading,
    show_spines,
    size_in_points,
)
from frgroups.plot.labels import display_names, short_name
from frgroups.snapshot.membership_matrix import as_membership_matrix
from frgroups.snapshot.universe import resolve_universe

# Each measure has a label for the color bar and a heading for the chart.
_MEASURES = {
    "count": ("customers", "Customers in both groups"),
    "jaccard": ("Jaccard index, %", "Jaccard index: customers in both groups as a share of customers in either, %"),
    "share": ("share of the row's group, %", "Share of the row's group that is also in the column's group, %"),
    "overlap_coefficient": (
        "overlap coefficient, %",
        "Overlap coefficient: customers in both groups as a share of the smaller group, %",
    ),
    "lift": ("lift", "Lift: customers in both groups relative to the number expected by chance"),
    "phi": ("phi", "Phi: correlation between the memberships of two groups"),
    "pmi": ("PMI, bits", "PMI: log2 of customers in both groups relative to the number expected by chance"),
}
_MEASURES_OF_UNIVERSE = ("lift", "phi", "pmi")
_SHARES = ("jaccard", "share", "overlap_coefficient")
_MAX_GROUPS = 500  # A heatmap of more groups is too large for a page, and its labels are not legible.
_MAX_WRITTEN = 25  # The values of up to 25 groups are written into the cells.
_MIN_FONT_SIZE = 3.5
# With this exponent of the color scale, shares from 0 to 10% cover 40% of the colors.
_GAMMA = 0.4
_SHARE_TICKS = (0, 1, 5, 10, 25, 50, 100)


def overlap_heatmap(
    data: Any,
    groups: Iterable[str] | None = None,
    *,
    measure: Measure | None = None,
    universe: int | None = None,
    top: int | None = 25,
    ax: Axes | None = None,
) -> Axes:
    """
    Draw an overlap measure for each pair of groups as a heatmap.

    Similar groups are placed next to each other. For "count", the diagonal shows the size of each group. For other
    measures, the diagonal is blank. Shares are drawn on a fixed scale from 0 to 100%, so that heatmaps can be
    compared. The colors for lift represent its base-2 logarithm. The color scales of lift, PMI, and phi are
    symmetrical around 0.

    Parameters
    ----------
    data
        A Snapshot, a table of memberships, or the result of `overlap_matrix`.
    groups
        The groups to draw, by uid or unique name. None draws all groups. Ignored if `data` is a result of
        `overlap_matrix`.
    measure
        The measure to draw: "count", "jaccard", "share", "overlap_coefficient", "lift", "phi", or "pmi". None selects
        "jaccard", or the measure in the `attrs` of a result of `overlap_matrix`. The measure is required for a matrix
        that was read from a file, because files do not contain `attrs`.
    universe
        The total number of customers of the tenant, which "lift", "phi", and "pmi" require. None uses the number set
        by `Snapshot.with_universe`.
    top
        The number of groups to draw, at most 500. The largest groups are drawn, or the first rows and columns if
        `data` is a matrix. None draws all groups.
    ax
        The Axes to draw on. None creates a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The Axes of the heatmap. The values of up to 25 groups are written into the cells.

    Raises
    ------
    InputError
        If the measure is unknown, if the measure requires a universe and none is given, or if more than 500 groups
        would be drawn.

    Examples
    --------
    >>> from frgroups import plot
    >>> ax = plot.overlap_heatmap(sample_snapshot(), measure="share")
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['All members', 'VIP', 'Staff']
    """
    is_matrix = is_overlap_matrix(data)
    if is_matrix:
        measure = measure_of(data, measure)
        table, names, n_all = _cut_matrix(data, top)
    else:
        measure = measure_of(pd.DataFrame(), measure or "jaccard")
        table, names, n_all = _compute_matrix(data, groups, measure, universe, top)
    n = len(table)
    if ax is None:
        ax = _new_axes(n)
        label_part = 0.9  # The font size is at most 90% of the cell height.
    else:
        label_part = 0.6  # The labels take space from the Axes that were passed.
    unit, heading = _MEASURES[measure]
    if n == 0:
        return empty_chart(ax, heading, "no groups")
    values = table.to_numpy(dtype=float)
    levels = np.where(np.eye(n, dtype=bool), np.nan, _color_levels(values, measure))
    norm = _color_norm(levels, measure)
    colormap = _colormap(ax, measure)
    image = ax.imshow(np.ma.masked_invalid(levels), cmap=colormap, norm=norm)
    bar = ax.figure.colorbar(image, ax=ax, fraction=0.04, pad=0.02, aspect=30, shrink=0.8 if n <= 60 else 0.3)
    bar.outline.set_visible(False)
    bar.set_label(unit)
    _format_color_bar(bar, measure)
    font_size = max(3.0, min(9.0, label_part * min(size_in_points(ax)) / n))
    ax.set_xticks(range(n), labels=names, rotation=90, fontsize=font_size, parse_math=False)
    ax.set_yticks(range(n), labels=names, fontsize=font_size, parse_math=False)
    ax.tick_params(length=0)
    show_spines(ax)
    if n <= _MAX_WRITTEN:
        _write_cells(ax, values, levels, colormap(norm(levels)), measure)
    notes = []
    if n < n_all:
        selection = "first" if is_matrix else "largest"
        notes.append(f"the {n:,} {selection} of {n_all:,} groups")
    return set_heading(ax, heading, notes, width=min(size_in_points(ax)))


def _color_levels(values: FloatArray, measure: Measure) -> FloatArray:
    """Convert the values to the color scale, which shows shares as percentages and lift as a logarithm."""
    if measure in _SHARES:
        return values * 100
    if measure == "lift":
        with np.errstate(divide="ignore"):
            values = np.log2(values)
    if measure in _MEASURES_OF_UNIVERSE:
        # Groups without common customers have a lift of 0, whose logarithm is -inf. Their cells get the lowest color.
        limit = _symmetric_limit(values)
        return np.clip(values, -limit, limit)
    return values


def _symmetric_limit(values: FloatArray) -> float:
    """Return the largest finite absolute value outside the diagonal, but at least 1."""
    others = values[~np.eye(len(values), dtype=bool)]
    return max(float(np.abs(others[np.isfinite(others)]).max(initial=0.0)), 1.0)


def _color_norm(levels: FloatArray, measure: Measure) -> Normalize:
    """Return the normalization that maps the values of an overlap measure to colors."""
    if measure in _SHARES:
        return PowerNorm(_GAMMA, 0, 100)
    if measure == "phi":
        return Normalize(-1, 1)
    if measure in _MEASURES_OF_UNIVERSE:
        limit = _symmetric_limit(levels)
        return Normalize(-limit, limit)
    return PowerNorm(_GAMMA, 0, max(float(np.nanmax(levels, initial=0.0)), 1.0))


def _colormap(ax: Axes, measure: Measure) -> Colormap:
    """Return a colormap whose low or neutral values are close to the background color of the Axes."""
    red, green, blue = to_rgb(ax.get_facecolor())
    is_dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
    if measure in _MEASURES_OF_UNIVERSE:
        name = "berlin" if is_dark else "RdBu_r"
    else:
        name = "Blues_r" if is_dark else "Blues"
    return colormaps[name].with_extremes(bad=(0, 0, 0, 0))


def _format_color_bar(bar: Colorbar, measure: Measure) -> None:
    """Format the ticks of the color bar in the unit of the overlap measure."""
    if measure == "count":
        format_count_axis(bar.ax.yaxis)
    elif measure in _SHARES:
        bar.set_ticks(list(_SHARE_TICKS))
    elif measure == "lift":
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda level, _: f"{2.0**level:.3g}"))


def _cut_matrix(matrix: pd.DataFrame, top: int | None) -> tuple[pd.DataFrame, list[str], int]:
    """Return the first `top` rows and columns of a matrix, their group names, and the total number of groups."""
    _check_n_groups(len(matrix), top)
    table = matrix.iloc[:top, :top]
    return table, [short_name(label) for label in table.index], len(matrix)


def _compute_matrix(
    data: Any, groups: Iterable[str] | None, measure: Measure, universe: int | None, top: int | None
) -> tuple[pd.DataFrame, list[str], int]:
    """Return the matrix of the `top` largest groups, their group names, and the total number of groups."""
    seen = as_membership_matrix(data)
    universe = resolve_universe(data, universe, seen)
    matrix = seen.select(groups)
    if measure in _MEASURES_OF_UNIVERSE and universe is None:
        raise InputError(f"measure={measure!r} requires `universe`, the total number of customers in the tenant.")
    _check_n_groups(matrix.n_groups, top)
    chosen = select_largest(matrix, top)
    table = overlap_matrix(chosen, measure=measure, universe=universe)
    order = leaf_order(chosen)
    names = display_names(chosen.group_uids.take(order), chosen.group_names.take(order))
    return table.iloc[order, order], names, matrix.n_groups


def _check_n_groups(n_groups: int, top: int | None) -> None:
    """Raise InputError if the heatmap would contain too many groups."""
    n = n_groups if top is None else min(n_groups, top)
    if n > _MAX_GROUPS:
        raise InputError(
            f"A heatmap can contain at most {_MAX_GROUPS} groups, got {n:,}.",
            hint=f"Pass `top` with a value of at most {_MAX_GROUPS}, or pass fewer `groups`.",
        )


def _new_axes(n: int) -> Axes:
    """Return the Axes of a new figure whose size fits the number of groups."""
    if n <= _MAX_WRITTEN:
        cell = 0.42
    elif n <= 60:
        cell = 0.2
    else:
        cell = 0.14
    return new_axes(max(4.0 + cell * n, 6.5), max(2.9 + cell * n, 4.5))


def _write_cells(
    ax: Axes,
    values: FloatArray,
    levels: FloatArray,
    colors: FloatArray,
    measure: Measure,
) -> None:
    """Write the values into the cells, unless the numbers would be too small to read."""
    n = len(values)
    texts = {(i, j): _format_cell(values[i, j], measure) for i in range(n) for j in range(n)}
    longest = max(len(text) for text in texts.values())
    font_size = min(9.0, min(size_in_points(ax)) / n / (0.62 * longest + 0.6))
    if font_size < _MIN_FONT_SIZE:
        return
    for (i, j), text in texts.items():
        if i == j and measure != "count":
            continue
        if np.isnan(levels[i, j]):
            color = mpl.rcParams["text.color"]
        else:
            is_light = colors[i, j, :3] @ [0.299, 0.587, 0.114] > 0.5
            color = "black" if is_light else "white"
        ax.text(j, i, text, ha="center", va="center", fontsize=font_size, color=color)


def _format_cell(value: float, measure: Measure) -> str:
    """Format the value of an overlap measure for a cell of the heatmap."""
    if np.isnan(value):
        return "–"
    if np.isneginf(value):
        return "−∞"
    if measure in _SHARES:
        return format_percentage(value, decimals=0).removesuffix("%")
    if measure == "count":
        return f"{value:,.0f}"
    if measure == "phi":
        return f"{value:.2f}"
    return f"{value:.1f}"
