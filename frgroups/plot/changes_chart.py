"""Chart of the customers who joined and left groups."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from frgroups.analysis.changes import group_changes
from frgroups.analysis.table_rows import sort_most_changed_first
from frgroups.errors import InputError
from frgroups.plot.axes import (
    BLUE,
    INK,
    ORANGE,
    add_legend,
    empty_chart,
    format_count_axis,
    is_table,
    label_bar,
    name_rows,
    new_axes,
    number_width,
    set_heading,
    unpack_pair,
)
from frgroups.plot.labels import display_names

_HEADING = "Customers who joined and left each group"
_STATUS_NOTES = {"new": " (new)", "deleted": " (deleted)"}


def changes(
    data: Any,
    new: Any = None,
    *,
    top: int | None = 30,
    ax: Axes | None = None,
) -> Axes:
    """
    Draw the customers who joined and left each group as a diverging bar chart.

    The groups with the most changes come first. Bars to the right show customers who joined, and bars to the left
    show customers who left.

    Parameters
    ----------
    data
        The result of `group_changes`, or the older snapshot. A tuple of the older and the newer snapshot is also
        accepted.
    new
        The newer snapshot. Omit it if `data` is a result of `group_changes` or a tuple.
    top
        The number of groups to draw. None draws all groups that changed.
    ax
        The Axes to draw on. None creates a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The Axes of the chart.

    Raises
    ------
    InputError
        If `new` is missing, or the snapshots cannot be compared, as in `group_changes`.

    Examples
    --------
    >>> from frgroups import plot
    >>> ax = plot.changes(sample_snapshot().memberships[:-1], sample_snapshot())
    >>> [text.get_text() for text in ax.texts]
    ['+1']
    """
    data, new = unpack_pair(data, new)
    if new is None and not is_table(data, "n_joined"):
        raise InputError("`data` must be a result of group_changes, or an older snapshot together with `new`.")
    table = data if new is None else group_changes(data, new)
    changed = sort_most_changed_first(table)
    drawn = changed.iloc[:top]
    ax = ax or new_axes(8.0, 1.5 + 0.26 * max(len(drawn), 2))
    if table.empty:
        return empty_chart(ax, _HEADING, "no groups")
    if drawn.empty:
        return empty_chart(ax, _HEADING, f"no changes in {len(table):,} groups")
    joined, left = drawn["n_joined"].to_numpy(), drawn["n_left"].to_numpy()
    y = np.arange(len(drawn))
    ax.barh(y, joined, color=BLUE, label="joined")
    ax.barh(y, -left, color=ORANGE, label="left")
    ax.axvline(0, color=INK, linewidth=0.8)
    for row, n_joined, n_left in zip(y, joined, left, strict=True):
        if n_joined:
            label_bar(ax, f"+{n_joined:,}", n_joined, row)
        if n_left:
            label_bar(ax, f"−{n_left:,}", -n_left, row, side="left")
    part = number_width(ax, 10 * max(joined.max(), left.max()))
    margin = part / (1 - 2 * part) * (joined.max() + left.max())
    ax.set_xlim(-left.max() - margin, joined.max() + margin)
    names = display_names(drawn["customer_group_uid"], drawn["name"])
    name_rows(ax, [name + _STATUS_NOTES.get(status, "") for name, status in zip(names, drawn["status"], strict=True)])
    ax.set_xlabel("customers who left (left side) and joined (right side)")
    format_count_axis(ax.xaxis)
    add_legend(ax)
    notes = [f"{len(changed):,} of {len(table):,} groups changed"]
    if len(drawn) < len(changed):
        notes.append(f"showing the {len(drawn):,} groups with the most changes")
    return set_heading(ax, _HEADING, notes)
