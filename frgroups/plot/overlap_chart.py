"""The chart of a measure of overlap for each pair of groups."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from frgroups.analysis.clusters import leaf_order
from frgroups.analysis.overlap import Measure, is_overlap_matrix, measure_of, overlap_matrix
from frgroups.errors import InputError
from frgroups.internals.formatting import format_percentage
from frgroups.internals.typing import FloatArray
from frgroups.plot.axes import (
    empty_chart,
    format_count_axis,
    largest_groups,
    new_axes,
    set_heading,
    show_spines,
    size_in_points,
)
from frgroups.plot.labels import display_names, short_name
from frgroups.snapshot.membership_matrix import as_membership_matrix
from frgroups.snapshot.universe import resolve_universe

_MEASURES = {
    "count": ("customers", "Customers in both groups"),
    "jaccard": ("jaccard, %", "Customers in both groups / in either (Jaccard), %"),
    "share": ("share, %", "Share of the row's group that is in the column's, %"),
    "overlap_coefficient": ("overlap coefficient, %", "Customers in both groups / in the smaller one, %"),
    "lift": ("lift", "Customers in both groups / as chance would have it (lift)"),
    "phi": ("phi", "Correlation of the two memberships (phi)"),
    "pmi": ("pmi, bits", "Customers in both groups / as chance would have it (pmi, log2)"),
}
_MEASURES_OF_UNIVERSE = ("lift", "phi", "pmi")
_SHARES = ("jaccard", "share", "overlap_coefficient")
_MAX_WRITTEN = 25  # groups up to which the numbers are written into the cells
_MIN_FONT_SIZE = 3.5


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
    Draw a measure of overlap for each pair of groups as a heatmap.

    `data` is a Snapshot or memberships (the default of `measure` is "jaccard"), or the table of `overlap_matrix`,
    which contains its measure; pass `measure` for a table that was read from a file. From a snapshot the `top`
    largest groups are drawn, in the order of the positions of `group_clusters`, so that similar groups are neighbors.
    A table keeps its order. The numbers of up to 25 groups are written into the cells. The diagonal is white, except
    for "count", where it contains the sizes. lift, phi and pmi need a `universe`, passed here or set by
    `with_universe`.

    Examples
    --------
    >>> from frgroups import plot
    >>> ax = plot.overlap_heatmap(sample_snapshot(), measure="share")
    >>> " ".join(ax.get_title(loc="left").split())
    "Share of the row's group that is in the column's, %"
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
        label_part = 0.9  # of the height of a cell
    else:
        label_part = 0.6  # because the labels take space from the Axes of the caller
    unit, heading = _MEASURES[measure]
    if n == 0:
        return empty_chart(ax, heading, "no groups")
    values = table.to_numpy(dtype=float)
    scaled = values * 100 if measure in _SHARES else values
    off_diagonal = np.where(np.eye(n, dtype=bool) | ~np.isfinite(scaled), np.nan, scaled)
    finite = off_diagonal[np.isfinite(off_diagonal)]
    lowest = min(float(finite.min(initial=0.0)), 0.0)
    scale = Normalize(lowest, max(float(finite.max(initial=0.0)), lowest + 1e-9))
    colormap = colormaps["cividis"].with_extremes(bad="white")
    image = ax.imshow(np.ma.masked_invalid(off_diagonal), cmap=colormap, norm=scale)
    bar = ax.figure.colorbar(image, ax=ax, fraction=0.04, pad=0.02, aspect=30, shrink=0.8 if n <= 60 else 0.3)
    bar.set_label(unit)
    if measure == "count":
        format_count_axis(bar.ax.yaxis)
    font_size = max(3.0, min(8.0, label_part * min(size_in_points(ax)) / n))
    ax.set_xticks(range(n), labels=names, rotation=90, fontsize=font_size, parse_math=False)
    ax.set_yticks(range(n), labels=names, fontsize=font_size, parse_math=False)
    ax.tick_params(length=0)
    show_spines(ax)
    if n <= _MAX_WRITTEN:
        _write_cells(ax, values, off_diagonal, colormap(scale(off_diagonal)), measure)
    notes = []
    if n < n_all:
        selection = "first" if is_matrix else "largest"
        notes.append(f"the {n:,} {selection} of {n_all:,} groups")
    return set_heading(ax, heading, notes, width=min(size_in_points(ax)))


def _cut_matrix(matrix: pd.DataFrame, top: int | None) -> tuple[pd.DataFrame, list[str], int]:
    """Return the first rows and columns of a matrix, their names, and the number of all groups."""
    table = matrix.iloc[:top, :top]
    return table, [short_name(label) for label in table.index], len(matrix)


def _compute_matrix(
    data: Any, groups: Iterable[str] | None, measure: Measure, universe: int | None, top: int | None
) -> tuple[pd.DataFrame, list[str], int]:
    """Return the matrix of the largest groups, their names, and the number of all groups."""
    seen = as_membership_matrix(data)
    universe = resolve_universe(data, universe, seen)
    matrix = seen.select(groups)
    if measure in _MEASURES_OF_UNIVERSE and universe is None:
        raise InputError(f"measure={measure!r} needs universe=, the number of customers that the tenant has in all.")
    chosen = matrix.select(largest_groups(matrix, top))
    table = overlap_matrix(chosen, measure=measure, universe=universe)
    order = leaf_order(overlap_matrix(chosen, measure="jaccard").to_numpy())
    names = display_names(chosen.group_uids.take(order), chosen.group_names.take(order))
    return table.iloc[order, order], names, matrix.n_groups


def _new_axes(n: int) -> Axes:
    """Return the Axes of a new figure that is large enough for n groups."""
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
    off_diagonal: FloatArray,
    colors: FloatArray,
    measure: Measure,
) -> None:
    """Write the values into the cells, unless the text would be too small to read."""
    n = len(values)
    texts = {(i, j): _format_cell(values[i, j], measure) for i in range(n) for j in range(n)}
    longest = max(len(text) for text in texts.values())
    font_size = min(8.0, min(size_in_points(ax)) / n / (0.62 * longest + 0.6))
    if font_size < _MIN_FONT_SIZE:
        return
    for (i, j), text in texts.items():
        if i == j and measure != "count":
            continue
        is_light = np.isnan(off_diagonal[i, j]) or colors[i, j, :3] @ [0.299, 0.587, 0.114] > 0.5
        ax.text(j, i, text, ha="center", va="center", fontsize=font_size, color="black" if is_light else "white")


def _format_cell(value: float, measure: Measure) -> str:
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
