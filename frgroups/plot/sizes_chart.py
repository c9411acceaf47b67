"""Chart of group sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from frgroups.analysis.sizes import group_sizes
from frgroups.analysis.table_rows import sort_largest_first
from frgroups.internals.formatting import format_percentage
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
from frgroups.plot.theme import series_color, tint

_HEADING = "Members of each group"


def sizes(data: Any, *, top: int | None = 30, title: str | None = None, ax: Axes | None = None) -> Axes:
    """
    Draw the number of members of each group as a bar chart, sorted by decreasing size.

    Each bar is divided into the members who are in no other group and the members who are also in other groups.

    Parameters
    ----------
    data
        A Snapshot, a table of memberships, or the result of `group_sizes`.
    top
        The maximum number of groups to draw. None draws all groups. Fewer groups are drawn if `ax` is too small.
    title
        The heading of the chart, drawn unchanged. None draws the default heading. Notes, such as the number of
        omitted groups, follow the heading. With an empty string, only the notes are drawn.
    ax
        The Axes to draw on. None creates a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The Axes of the chart.

    Raises
    ------
    InputError
        If `data` is not valid.

    Examples
    --------
    >>> from frgroups import plot
    >>> ax = plot.sizes(sample_snapshot())
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['All members', 'VIP', 'Staff']
    """
    table = data if is_table(data, "n_members") else group_sizes(data)
    ax, n = row_axes(ax, len(table), top, 8.0)
    drawn = sort_largest_first(table, "n_members").iloc[:n]
    if drawn.empty:
        return empty_chart(ax, _HEADING, "no groups", title)
    y = np.arange(len(drawn))
    exclusive, total = drawn["n_exclusive"].to_numpy(), drawn["n_members"].to_numpy()
    color = series_color(ax, 0)
    ax.barh(y, exclusive, color=color, label="in no other group")
    ax.barh(y, total - exclusive, left=exclusive, color=tint(ax, color, 0.45), label="also in other groups")
    labels = [f"{n_members:,}" for n_members in total]
    for row, n_members, label in zip(y, total, labels, strict=True):
        label_bar(ax, label, n_members, row)
    names = fit_names(ax, drawn["customer_group_uid"], drawn["name"], label_font(ax), name_width(ax))
    name_rows(ax, names, "customers")
    notes = []
    if len(drawn) < len(table):
        share = format_percentage(total.sum() / max(int(table["n_members"].sum()), 1), decimals=0)
        notes.append(f"{describe_cut(len(drawn), len(table))}, {share} of all memberships")
    finish_rows(ax, _HEADING, notes, title)
    ax.set_xlim(0, right_limit(ax, total, labels))
    fit_x_ticks(ax, total.max())
    return ax
