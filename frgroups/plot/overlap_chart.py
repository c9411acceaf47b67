"""Heatmap of an overlap measure for each pair of groups."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize, PowerNorm
from matplotlib.image import AxesImage
from matplotlib.ticker import FuncFormatter, MaxNLocator

from frgroups.analysis.clusters import leaf_order
from frgroups.analysis.overlap import Measure, is_overlap_matrix, measure_of, overlap_matrix
from frgroups.engines.memberships import collect_memberships
from frgroups.errors import InputError
from frgroups.internals.formatting import format_percentage
from frgroups.internals.typing import FloatArray
from frgroups.internals.validation import check_number
from frgroups.plot.axes import (
    Heading,
    describe_cut,
    empty_chart,
    label_axis,
    label_font,
    name_indent,
    select_largest,
    show_spines,
    tick_font,
    title_font,
)
from frgroups.plot.labels import fit_names
from frgroups.plot.layout import (
    MIN_FONT,
    area_in_points,
    fit_when_settled,
    new_axes,
    settle,
    size_in_points,
    text_size,
    widest,
)
from frgroups.plot.theme import LITERAL, background, blend, contrast, is_dark, series_color
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
_MAX_GROUPS = 500  # A larger heatmap does not fit on a page, and its labels are not legible.
_MAX_WRITTEN = 25  # The values of up to 25 groups are written into the cells.
_MIN_FONT_SIZE = 5.0  # Numbers in cells are omitted if they need a smaller font.
# Maximum share of the width or height that group names use, on Axes that the caller passes and on a new figure.
_NAME_SHARE, _NAME_SHARE_OF_FIGURE = 0.28, 0.45
_MAX_NAME_SHARE = 0.4  # Maximum share of the area for a name if the heatmap has few groups.
_WIDE_CELL = 4.0  # Largest side of a cell, as a multiple of the font size.
_SMALL_WIDTH = 44  # Below this width, as a multiple of the font size, the heading is short.
# Exponent of the color scale. With this exponent, shares from 0 to 10% cover 40% of the colors.
_GAMMA = 0.4
_SHARE_TICKS = (0, 1, 5, 10, 25, 50, 100)
_COUNT_TICKS = tuple(digit * 10**power for power in range(10) for digit in (1, 2, 5))


def overlap_heatmap(
    data: Any,
    groups: Iterable[str] | None = None,
    *,
    measure: Measure | None = None,
    universe: int | None = None,
    top: int | None = 25,
    vmin: float | None = None,
    vmax: float | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """
    Draw an overlap measure for each pair of groups as a heatmap.

    Similar groups are placed next to each other. For "count", the diagonal shows the size of each group. For other
    measures, the diagonal is blank. By default, the color scale of shares covers 0 to 100%, and the color scale of
    phi covers -1 to 1, so that heatmaps can be compared. The colors for lift represent its base-2 logarithm, so that
    the scale is symmetrical around 1. The color scales of PMI and phi are symmetrical around 0.

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
        The maximum number of groups to draw. The largest groups are drawn. None draws all groups, at most 500. If
        `data` is a matrix, its first `top` rows and columns are drawn. Fewer groups are drawn if `ax` is too small.
    vmin, vmax
        The values at the ends of the color scale, in the unit of the matrix: shares are fractions, so that
        `vmax=0.2` ends the scale at 20%. None selects the default scale. The scales of "lift", "phi", and "pmi"
        remain symmetrical, and the value that is farther from the center sets both ends.
    title
        The heading of the chart, drawn unchanged. None draws the default heading. Notes, such as the number of
        omitted groups, follow the heading. With an empty string, only the notes are drawn.
    ax
        The Axes to draw on. None creates a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The Axes of the heatmap. The values of up to 25 groups are written into the cells.

    Raises
    ------
    InputError
        If the measure is unknown, or needs a universe that is not known, if more than 500 groups would be drawn, or
        if `vmin` and `vmax` do not define a valid scale.

    Examples
    --------
    >>> from frgroups import plot
    >>> ax = plot.overlap_heatmap(sample_snapshot(), measure="share")
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['All members', 'VIP', 'Staff']
    """
    is_matrix = is_overlap_matrix(data)
    measure = measure_of(data if is_matrix else pd.DataFrame(), measure or (None if is_matrix else "jaccard"))
    if ax is not None:
        top = _limit_to_area(ax, top)
    if is_matrix:
        table, uids, names, n_all = _cut_matrix(data, top)
    else:
        table, uids, names, n_all = _compute_matrix(data, groups, measure, universe, top)
    n = len(table)
    name_share = _NAME_SHARE
    if ax is None:
        ax, name_share = _new_axes(n), _NAME_SHARE_OF_FIGURE
    unit, heading = _MEASURES[measure]
    if area_in_points(ax)[0] < _SMALL_WIDTH * label_font(ax):
        heading = heading.split(":")[0]
    values = table.to_numpy(dtype=float)
    limits = _color_limits(values, measure, vmin, vmax)
    if n < 2:
        return empty_chart(ax, heading, "an overlap requires at least 2 groups" if n else "no groups", title)
    levels = np.where(np.eye(n, dtype=bool), np.nan, np.clip(_color_levels(values, measure), *limits))
    if np.isnan(levels).all():
        return empty_chart(ax, heading, "no members in these groups", title)
    norm = Normalize(*limits) if measure in _MEASURES_OF_UNIVERSE else PowerNorm(_GAMMA, *limits)
    image = ax.imshow(np.ma.masked_invalid(levels), cmap=_colormap(ax, measure), norm=norm)
    ax.grid(False)
    show_spines(ax)
    notes = []
    if n < n_all:
        notes.append(f"the {'first' if is_matrix else 'largest'} {describe_cut(n, n_all)}")
    font = label_font(ax)
    labels = fit_names(ax, uids, names, font, _name_width(ax, n, font, name_share))
    _label_groups(ax, labels, font)
    settle(ax)
    _draw_color_bar(ax, image, unit, measure)
    Heading(heading, notes, title, name_indent, lambda ax: _side(ax) + 5 * label_font(ax)).settle(ax)
    _fit_labels(ax)
    fit_when_settled(ax, _fit_labels)
    if n <= _MAX_WRITTEN:
        _write_cells(ax, values, levels, image, measure)
    return ax


def _limit_to_area(ax: Axes, top: int | None) -> int:
    """Return the maximum number of groups, at most `top`, whose labels are legible in the area of the Axes."""
    width, height = area_in_points(ax)
    font = label_font(ax)
    side = min(width - 6 * font, height - 3 * title_font(ax)) - _NAME_SHARE * min(width, height)
    n = max(int(side / (1.2 * MIN_FONT)), 2)
    return n if top is None else min(top, n)


def _name_width(ax: Axes, n: int, font: float, name_share: float) -> float:
    """
    Return the maximum width of a group name in points.

    The maximum is normally the share `name_share` of the shorter side of the available area. It is larger if the
    heatmap has few groups, because their cells need little space.
    """
    size = min(area_in_points(ax))
    spare = size - 6 * font - n * _WIDE_CELL * font
    return max(name_share * size, min(spare, _MAX_NAME_SHARE * size))


def _side(ax: Axes) -> float:
    """Return the length of a side of the square heatmap in points."""
    ax.apply_aspect()
    return min(size_in_points(ax))


def _label_groups(ax: Axes, names: list[str], font: float) -> None:
    """Label the rows and columns of the heatmap with the group names."""
    ax.set_xticks(range(len(names)), labels=names, rotation=90, fontsize=font, **LITERAL)
    ax.set_yticks(range(len(names)), labels=names, fontsize=font, **LITERAL)
    ax.tick_params(length=0)


def _draw_color_bar(ax: Axes, image: AxesImage, unit: str, measure: Measure) -> None:
    """Draw the color bar to the right of the heatmap, with as many ticks as its height allows."""
    font, n = label_font(ax), len(ax.get_yticks())
    side = _side(ax)
    part = 0.8 if n <= 60 else 0.3
    bar_axes = ax.inset_axes((1 + 0.8 * font / side, 0.5 - part / 2, max(0.03, 0.7 * font / side), part))
    bar = ax.figure.colorbar(image, cax=bar_axes)
    bar.outline.set_visible(False)
    ticks = tick_font(ax)
    bar_axes.tick_params(labelsize=ticks)
    if text_size(ax, unit, ticks)[0] < part * side:
        label_axis(bar_axes.yaxis, unit, fontsize=ticks)
    n_ticks = max(int(part * side / (2.2 * ticks)), 1)
    norm: Any = image.norm
    if measure in _MEASURES_OF_UNIVERSE:
        # The scale for lift is logarithmic, so ticks at integers show powers of 2.
        # A scale that ends below 1 contains too few integers.
        # Its ticks are therefore not limited to integers.
        is_wide = measure == "lift" and norm.vmax >= 1
        bar.locator = MaxNLocator(min(n_ticks, 6), integer=is_wide, steps=[1, 2, 5, 10])
        bar.update_ticks()
    else:
        candidates = _SHARE_TICKS if measure in _SHARES else _COUNT_TICKS
        bar.set_ticks(_spread_ticks(norm, candidates, n_ticks))
    if measure == "lift":
        bar_axes.yaxis.set_major_formatter(FuncFormatter(lambda level, _: f"{2.0**level:.3g}"))
    elif measure == "count":
        bar_axes.yaxis.set_major_formatter(FuncFormatter(lambda level, _: f"{level:,.0f}"))


def _spread_ticks(norm: Normalize, candidates: Iterable[float], n_ticks: int) -> list[float]:
    """Return the ticks of a scale: both ends, and the candidates that are far enough from the ends and each other."""
    first, last = float(norm.vmin or 0.0), float(norm.vmax or 1.0)
    ticks, gap = [first], 1 / n_ticks
    for tick in candidates:
        is_inside = first < tick < last
        if is_inside and norm(tick) - norm(ticks[-1]) > gap and norm(last) - norm(tick) > gap:
            ticks.append(tick)
    return [*ticks, last]


def _fit_labels(ax: Axes) -> None:
    """Reduce the font size of the labels so that each label fits into its cell."""
    ax.tick_params(labelsize=min(label_font(ax), _side(ax) / len(ax.get_yticks()) / 1.15))


def _color_levels(values: FloatArray, measure: Measure) -> FloatArray:
    """Convert the values to the unit of the color scale: percentages for shares, and logarithms for lift."""
    if measure in _SHARES:
        return values * 100
    if measure == "lift":
        with np.errstate(divide="ignore"):
            return np.log2(values)
    return values


def _color_limits(
    values: FloatArray, measure: Measure, vmin: float | None, vmax: float | None
) -> tuple[float, float]:
    """Return the values at the ends of the color scale, in the unit that `_color_levels` returns."""
    for name, value in (("vmin", vmin), ("vmax", vmax)):
        if value is not None and measure in _SHARES:
            check_number(value, name, at_least=0, at_most=1)
        elif value is not None and measure == "lift":
            check_number(value, name, above=0)
        elif value is not None:
            check_number(value, name)
    low, high = (None if value is None else float(_color_levels(np.array(value), measure)) for value in (vmin, vmax))
    if measure in _MEASURES_OF_UNIVERSE:
        ends = [abs(end) for end in (low, high) if end is not None]
        default = 1.0 if measure == "phi" else _symmetric_limit(_color_levels(values, measure))
        high = max(ends, default=default)
        low = -high
    if low is None:
        low = 0.0
    if high is None:
        high = 100.0 if measure in _SHARES else max(float(np.nanmax(_off_diagonal(values), initial=0.0)), 1.0)
    if low >= high:
        raise InputError(f"`vmin` must be less than `vmax`, got a color scale from {low:g} to {high:g}.")
    return low, high


def _off_diagonal(values: FloatArray) -> FloatArray:
    """Return the values outside the diagonal of a matrix."""
    others: FloatArray = values[~np.eye(len(values), dtype=bool)]
    return others


def _symmetric_limit(levels: FloatArray) -> float:
    """Return the largest finite absolute value outside the diagonal, but at least 1."""
    # Groups without common customers have a lift of 0, whose logarithm is -inf.
    # Exclude these values from the limit.
    # Their cells get the lowest color.
    others = _off_diagonal(levels)
    return max(float(np.abs(others[np.isfinite(others)]).max(initial=0.0)), 1.0)


def _colormap(ax: Axes, measure: Measure) -> Colormap:
    """
    Return a colormap in which low or neutral values have a color similar to the background of the Axes.

    The sequential colormap starts near the background color and contains the first color of `axes.prop_cycle`. Its
    last color has the highest contrast to the background.
    """
    behind = background(ax)
    if measure in _MEASURES_OF_UNIVERSE:
        colormap = colormaps["berlin" if is_dark(behind) else "RdBu_r"]
    else:
        color = series_color(ax, 0)
        strongest = blend(color, "white" if is_dark(behind) else "black", 0.45)
        stops = [(0.0, behind), (0.6, color), (1.0, strongest)]
        if contrast(color, strongest) < 1.5:
            stops = [(0.0, behind), (1.0, color)]
        colormap = LinearSegmentedColormap.from_list("overlap", stops)
    return colormap.with_extremes(bad=(0, 0, 0, 0))


def _cut_matrix(matrix: pd.DataFrame, top: int | None) -> tuple[pd.DataFrame, list[str], list[str], int]:
    """Return the first `top` rows and columns of a matrix, their uids, their names, and the number of all groups."""
    _check_n_groups(len(matrix), top)
    table = matrix.iloc[:top, :top]
    labels = [str(label) for label in table.index]
    return table, labels, labels, len(matrix)


def _compute_matrix(
    data: Any, groups: Iterable[str] | None, measure: Measure, universe: int | None, top: int | None
) -> tuple[pd.DataFrame, list[str], list[str], int]:
    """Return the matrix of the `top` largest groups, their uids and names, and the number of all groups."""
    seen = collect_memberships(data)
    universe = resolve_universe(data, universe, seen)
    matrix = seen.select(groups)
    if measure in _MEASURES_OF_UNIVERSE and universe is None:
        raise InputError(f"measure={measure!r} requires `universe`, the total number of customers in the tenant.")
    _check_n_groups(matrix.n_groups, top)
    chosen = select_largest(matrix, top)
    table = overlap_matrix(chosen, measure=measure, universe=universe)
    order = leaf_order(chosen)
    uids, names = list(chosen.group_uids.take(order)), list(chosen.group_names.take(order))
    return table.iloc[order, order], uids, names, matrix.n_groups


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
        cell = 0.34
    elif n <= 60:
        cell = 0.2
    else:
        cell = 0.14
    return new_axes(max(4.0 + cell * n, 6.5), max(2.9 + cell * n, 4.5))


def _write_cells(ax: Axes, values: FloatArray, levels: FloatArray, image: AxesImage, measure: Measure) -> None:
    """Write the values into the cells, unless the numbers would be too small to read."""
    n, cell = len(values), _side(ax) / len(values)
    texts = {(i, j): _format_cell(values[i, j], measure) for i in range(n) for j in range(n)}
    font = label_font(ax)
    font *= min(1.0, 0.88 * cell / widest(ax, texts.values(), font), 0.8 * cell / font)
    if font < _MIN_FONT_SIZE:
        return
    colors = image.to_rgba(np.ma.masked_invalid(levels))
    for (i, j), text in texts.items():
        if i == j and measure != "count":
            continue
        behind = background(ax) if np.isnan(levels[i, j]) else colors[i, j, :3]
        color = "white" if is_dark(behind) else "black"
        ax.text(j, i, text, ha="center", va="center", fontsize=font, color=color, **LITERAL)


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
