"""Chart of the requested and the remaining customers of each audience of a waterfall."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from frgroups.analysis.requested_customers import Customers
from frgroups.analysis.table_rows import iter_rows
from frgroups.analysis.waterfall import reject_arguments, waterfall_summary
from frgroups.plot.axes import (
    describe_cut,
    empty_chart,
    finish_rows,
    fit_x_ticks,
    is_table,
    label_bar,
    label_font,
    name_rows,
    name_width,
    right_limit,
    row_axes,
)
from frgroups.plot.labels import fit_names
from frgroups.plot.theme import background, series_color, shade, tint

_HEADING = "Customers of each audience"


def waterfall(
    data: Any,
    audiences: Mapping[str, Customers] | None = None,
    *,
    caps: Mapping[str, int] | None = None,
    order_by: str | pd.Series | None = None,
    exclude: Customers | None = None,
    top: int | None = 30,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """
    Draw how many customers each audience of a waterfall requested, and how many it received.

    The audience with the highest priority comes first. Each bar shows the requested customers. Its parts are the
    customers who remain, are over the cap, are in an earlier audience, or are excluded.

    Parameters
    ----------
    data
        The result of `frgroups.waterfall` or `frgroups.waterfall_summary`, or a Snapshot.
    audiences, caps, order_by, exclude
        The arguments of `frgroups.waterfall`. They are accepted only if `data` is a Snapshot.
    top
        The maximum number of audiences to draw. None draws all audiences. Fewer audiences are drawn if `ax` is too
        small.
    title
        The heading of the chart, drawn unchanged. None draws the default heading. Notes, such as the number of
        omitted audiences, follow the heading. With an empty string, only the notes are drawn.
    ax
        The Axes to draw on. None creates a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The Axes of the chart.

    Raises
    ------
    InputError
        If an argument is not valid, as in `frgroups.waterfall_summary`.
    GroupNotFoundError
        If an expression contains an unknown group, or a group name that is not unique.

    Examples
    --------
    >>> from frgroups import plot
    >>> ax = plot.waterfall(sample_snapshot(), {"Gold": "VIP", "Silver": "all"}, caps={"Silver": 100})
    >>> [text.get_text() for text in ax.texts]
    ['2', '100 of 250']
    """
    table = data
    if is_table(data, "n_requested", "n_remaining"):
        reject_arguments(audiences, caps, order_by, exclude)
    else:
        table = waterfall_summary(data, audiences, caps=caps, order_by=order_by, exclude=exclude)
    ax, n = row_axes(ax, len(table), top, 9.0)
    drawn = table.iloc[:n]
    if drawn.empty:
        return empty_chart(ax, _HEADING, "no audiences", title)
    _draw_bars(ax, drawn)
    n_requested = drawn["n_requested"].to_numpy()
    labels = [_describe_audience(row) for row in iter_rows(drawn)]
    for position, (end, label) in enumerate(zip(n_requested, labels, strict=True)):
        label_bar(ax, label, end, position)
    names = fit_names(ax, drawn["audience"], drawn["audience"], label_font(ax), name_width(ax))
    name_rows(ax, names, "requested customers")
    notes = []
    if len(drawn) < len(table):
        notes.append(f"the first {describe_cut(len(drawn), len(table), 'audience')}")
    finish_rows(ax, _HEADING, notes, title)
    ax.set_xlim(0, right_limit(ax, n_requested, labels))
    fit_x_ticks(ax, n_requested.max())
    return ax


def _draw_bars(ax: Axes, drawn: pd.DataFrame) -> None:
    """Draw one stacked bar per audience. Segments that are empty in all bars are omitted from the legend."""
    color, cap_color = series_color(ax, 0), series_color(ax, 1)
    hatch = {"edgecolor": background(ax), "linewidth": 0, "hatch": "////"}
    parts: dict[str, tuple[str, dict[str, Any]]] = {
        "n_remaining": ("remaining", {"color": color}),
        "n_over_cap": ("over the cap", {"color": cap_color, **hatch}),
        "n_earlier": ("in an earlier audience", {"color": tint(ax, color, 0.45)}),
        "n_excluded": ("excluded", {"color": shade(ax, 0.3)}),
    }
    y, left = np.arange(len(drawn)), np.zeros(len(drawn), dtype=np.int64)
    for name, (label, style) in parts.items():
        width = drawn[name].to_numpy()
        if width.any() or name == "n_remaining":
            ax.barh(y, width, left=left, label=label, **style)
        left = left + width


def _describe_audience(row: Any) -> str:
    """Return a label with the number of remaining customers and, if it differs, the number of requested customers."""
    if row.n_requested == 0:
        return "no customers"
    if row.n_remaining == row.n_requested:
        return f"{row.n_remaining:,}"
    return f"{row.n_remaining:,} of {row.n_requested:,}"
