"""Chart of group sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from frgroups.analysis.sizes import group_sizes
from frgroups.analysis.table_rows import sort_largest_first
from frgroups.internals.formatting import format_percentage
from frgroups.plot.axes import (
    BLUE,
    SKY,
    add_legend,
    empty_chart,
    format_count_axis,
    is_table,
    label_bar,
    name_rows,
    new_axes,
    number_width,
    set_heading,
)
from frgroups.plot.labels import display_names

_HEADING = "Members of each group"


def sizes(data: Any, *, top: int | None = 30, ax: Axes | None = None) -> Axes:
    """
    Draw the number of members of each group as a bar chart, largest group first.

    Each bar is divided into the members who are in no other group and the members who are also in other groups.

    Parameters
    ----------
    data
        A Snapshot, a table of memberships, or the result of `group_sizes`.
    top
        The number of groups to draw. None draws all groups.
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
    drawn = sort_largest_first(table, "n_members").iloc[:top]
    ax = ax or new_axes(8.0, 1.4 + 0.26 * max(len(drawn), 2))
    if drawn.empty:
        return empty_chart(ax, _HEADING, "no groups")
    y = np.arange(len(drawn))
    exclusive, total = drawn["n_exclusive"].to_numpy(), drawn["n_members"].to_numpy()
    ax.barh(y, exclusive, color=BLUE, label="in no other group")
    ax.barh(y, total - exclusive, left=exclusive, color=SKY, label="also in other groups")
    for row, n in zip(y, total, strict=True):
        label_bar(ax, f"{n:,}", n, row)
    ax.set_xlim(0, max(total.max(), 1) / (1 - number_width(ax, total.max())))
    name_rows(ax, display_names(drawn["customer_group_uid"], drawn["name"]))
    ax.set_xlabel("customers")
    format_count_axis(ax.xaxis)
    add_legend(ax)
    notes = []
    if len(drawn) < len(table):
        share = format_percentage(total.sum() / max(int(table["n_members"].sum()), 1), decimals=0)
        notes.append(f"showing the {len(drawn):,} largest of {len(table):,} groups with {share} of all memberships")
    return set_heading(ax, _HEADING, notes)
