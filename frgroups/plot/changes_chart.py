"""Chart of the customers who joined and left groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from frgroups.analysis.changes import group_changes
from frgroups.analysis.table_rows import sort_most_changed_first, with_known_changes
from frgroups.errors import InputError
from frgroups.internals.formatting import agree, pluralize
from frgroups.plot.axes import (
    empty_chart,
    finish_rows,
    fit_x_ticks,
    is_table,
    label_bar,
    label_font,
    name_rows,
    name_width,
    reserve_width,
    row_axes,
    unpack_pair,
)
from frgroups.plot.labels import display_names, fit_labels
from frgroups.plot.theme import ink, series_color

_HEADING = "Customers who joined and left each group"
_STATUS_NOTES = {"new": " (new)", "deleted": " (deleted)"}


def changes(
    data: Any,
    new: Any = None,
    *,
    top: int | None = 30,
    title: str | None = None,
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
        accepted. Groups with suppressed counts are not drawn.
    new
        The newer snapshot. Omit it if `data` is a result of `group_changes` or a tuple.
    top
        The maximum number of groups to draw. None draws all groups that changed. Fewer groups are drawn if `ax` is
        too small.
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
    known = with_known_changes(table)
    changed, n_suppressed = sort_most_changed_first(known), len(table) - len(known)
    ax, n = row_axes(ax, len(changed), top, 8.0)
    drawn = changed.iloc[:n]
    if table.empty:
        return empty_chart(ax, _HEADING, "no groups", title)
    if drawn.empty and n_suppressed:
        return empty_chart(ax, _HEADING, f"the counts of {pluralize(n_suppressed, 'group')} are suppressed", title)
    if drawn.empty:
        return empty_chart(ax, _HEADING, f"no changes in {pluralize(len(table), 'group')}", title)
    joined, left = drawn["n_joined"].to_numpy(), drawn["n_left"].to_numpy()
    y = np.arange(len(drawn))
    ax.barh(y, joined, color=series_color(ax, 0), label="joined")
    ax.barh(y, -left, color=series_color(ax, 1), label="left")
    ax.axvline(0, color=ink(ax), linewidth=0.8)
    for row, n_joined, n_left in zip(y, joined, left, strict=True):
        if n_joined:
            label_bar(ax, f"+{n_joined:,}", n_joined, row)
        if n_left:
            label_bar(ax, f"−{n_left:,}", -n_left, row, side="left")
    name_rows(ax, _row_names(ax, drawn), "customers")
    notes = [f"{len(changed) + n_suppressed:,} of {pluralize(len(table), 'group')} changed"]
    if n_suppressed:
        notes.append(f"{n_suppressed:,} with suppressed counts {agree(n_suppressed, 'is', 'are')} not drawn")
    if len(drawn) < len(changed):
        notes.append(f"the {len(drawn):,} with the most changes are drawn")
    finish_rows(ax, _HEADING, notes, title)
    parts = [reserve_width(ax, [f"+{n:,}"]) for n in (left.max(), joined.max())]
    unit = (joined.max() + left.max()) / max(1 - sum(parts), 0.2)
    ax.set_xlim(-left.max() - parts[0] * unit, joined.max() + parts[1] * unit)
    fit_x_ticks(ax, max(joined.max(), left.max()))
    return ax


def _row_names(ax: Axes, drawn: pd.DataFrame) -> list[str]:
    """Return the row names, in which a note follows the name of each new or deleted group."""

    def labels(length: int) -> list[str]:
        names = display_names(drawn["customer_group_uid"], drawn["name"], length)
        return [name + _STATUS_NOTES.get(status, "") for name, status in zip(names, drawn["status"], strict=True)]

    return fit_labels(ax, labels, label_font(ax), name_width(ax))
