"""The chart of one measure of overlap for every two groups, alike groups next to each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.ticker import FuncFormatter, MaxNLocator

from frgroups.analysis.clusters import leaf_order
from frgroups.analysis.overlap import Measure, measure_of, overlap_matrix
from frgroups.errors import InputError
from frgroups.internals.typing import FloatArray
from frgroups.plot.axes import empty_chart, largest, new_axes, points, titled
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
_NEEDS_UNIVERSE = ("lift", "phi", "pmi")
_PERCENT = ("jaccard", "share", "overlap_coefficient")


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
    One measure of overlap for every two groups; groups that share customers stand next to each other.

    `data` is a Snapshot or memberships (`measure` is "jaccard" unless said), or the table of `overlap_matrix`,
    which says its own; say it of one that was read from a file. From a snapshot the `top` largest groups are drawn,
    in the order of the positions of `group_clusters`; a table keeps its order. Up to 25 groups the cells hold their
    numbers. The diagonal tells nothing and is left white, but for "count", where it holds the sizes. lift, phi and
    pmi need a `universe`, passed or told by `with_universe`.

    >>> from frgroups import plot
    >>> ax = plot.overlap_heatmap(sample_snapshot(), measure="share")
    >>> " ".join(ax.get_title(loc="left").split())
    "Share of the row's group that is in the column's, %"
    """
    is_matrix = isinstance(data, pd.DataFrame) and "customer_uid" not in data and data.index.equals(data.columns)
    measure = measure_of(data if is_matrix else pd.DataFrame(), measure or (None if is_matrix else "jaccard"))
    matrix, names, n_all = _heatmap_of(data, groups, measure, universe, top)
    n = len(matrix)
    part = 0.9 if ax is None else 0.6  # of the cell, for its name; names take room from Axes that are given
    if ax is None:
        cell = 0.42 if n <= 25 else 0.2 if n <= 60 else 0.14
        ax = new_axes(max(4.0 + cell * n, 6.5), max(2.9 + cell * n, 4.5))
    unit, heading = _MEASURES[measure]
    if n == 0:
        return empty_chart(ax, heading, "no groups")
    values = matrix.to_numpy(dtype=float) * (100 if measure in _PERCENT else 1)
    off_diagonal = np.where(np.eye(n, dtype=bool) | ~np.isfinite(values), np.nan, values)
    some = off_diagonal[np.isfinite(off_diagonal)]
    least = min(float(some.min(initial=0.0)), 0.0)
    scale = Normalize(least, max(float(some.max(initial=0.0)), least + 1e-9))
    colours = colormaps["cividis"].with_extremes(bad="white")
    image = ax.imshow(np.ma.masked_invalid(off_diagonal), cmap=colours, norm=scale)
    bar = ax.figure.colorbar(image, ax=ax, fraction=0.04, pad=0.02, aspect=30, shrink=0.8 if n <= 60 else 0.3)
    bar.set_label(unit)
    if measure == "count":
        bar.formatter = FuncFormatter(lambda value, _: f"{value:,.0f}")
        bar.locator = MaxNLocator(nbins=6, integer=True)
        bar.update_ticks()
    size = max(3.0, min(8.0, part * min(points(ax)) / n))
    ax.set_xticks(range(n), labels=names, rotation=90, fontsize=size, parse_math=False)
    ax.set_yticks(range(n), labels=names, fontsize=size, parse_math=False)
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
    if n <= 25:
        _write_cells(ax, values, off_diagonal, colours(scale(off_diagonal)), measure)
    which = "first" if _is_matrix(data) else "largest"
    cut = f"the {n:,} {which} of {n_all:,} groups" if n < n_all else ""
    return titled(ax, heading, cut, width=min(points(ax)))


def _heatmap_of(
    data: Any, groups: Iterable[str] | None, measure: Measure, universe: int | None, top: int | None
) -> tuple[pd.DataFrame, list[str], int]:
    """The matrix to draw, the names of its rows, and how many groups there were."""
    if _is_matrix(data):
        table = data if top is None else data.iloc[:top, :top]
        return table, [short_name(label) for label in table.index], len(data)
    seen = as_membership_matrix(data)
    universe = resolve_universe(data, universe, seen)
    matrix = seen.select(groups)
    if measure in _NEEDS_UNIVERSE and universe is None:
        raise InputError(f"measure={measure!r} needs universe=, the number of customers that the tenant has in all.")
    chosen = matrix.select(largest(matrix, top))
    table = overlap_matrix(chosen, measure=measure, universe=universe)
    order = leaf_order(overlap_matrix(chosen, measure="jaccard").to_numpy())
    names = display_names(chosen.group_uids.take(order), chosen.group_names.take(order))
    return table.iloc[order, order], names, matrix.n_groups


def _is_matrix(data: Any) -> bool:
    return isinstance(data, pd.DataFrame) and "customer_uid" not in data and data.index.equals(data.columns)


def _write_cells(
    ax: Axes,
    values: FloatArray,
    off_diagonal: FloatArray,
    colours: FloatArray,
    measure: Measure,
) -> None:
    n = len(values)
    texts = {(i, j): _cell(values[i, j], measure) for i in range(n) for j in range(n)}
    longest = max(len(text) for text in texts.values())
    size = min(8.0, min(points(ax)) / n / (0.62 * longest + 0.6))
    if size < 3.5:  # too small to read; the colours and the table tell
        return
    for (i, j), text in texts.items():
        if i == j and measure != "count":
            continue
        light = np.isnan(off_diagonal[i, j]) or colours[i, j, :3] @ [0.299, 0.587, 0.114] > 0.5
        ax.text(j, i, text, ha="center", va="center", fontsize=size, color="black" if light else "white")


def _cell(value: float, measure: Measure) -> str:
    if np.isnan(value):
        return "–"
    if np.isneginf(value):
        return "−∞"
    if measure in _PERCENT:
        return "<1" if 0 < value < 0.5 else f"{value:.0f}"
    if measure == "count":
        return f"{value:,.0f}"
    return f"{value:.1f}" if measure != "phi" else f"{value:.2f}"
