"""Chart of a profile, with the share of each value in the group and in the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from frgroups.analysis.profile import group_profile
from frgroups.analysis.profile_rows import MAX_Q_VALUE, describe_means, is_mean, sort_strongest_first, value_label
from frgroups.analysis.table_rows import iter_rows
from frgroups.errors import InputError
from frgroups.internals.formatting import pluralize
from frgroups.plot.axes import (
    describe_cut,
    empty_chart,
    finish_rows,
    is_table,
    label_bar,
    label_font,
    name_rows,
    name_width,
    reserve_width,
    row_axes,
    tick_font,
)
from frgroups.plot.labels import fit_labels, short_name
from frgroups.plot.layout import size_in_points, text_size
from frgroups.plot.theme import background, grid_style, ink, series_color

_HEADING = "Shares in the group and in the reference"


def profile(
    data: Any,
    group: Any = None,
    *,
    versus: Any = "rest",
    top: int | None = 20,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """
    Draw the share of each attribute value in a group and in the reference.

    The strongest effects come first. The label on the right is the index, where 100 means no difference. The
    label includes a q-value above 0.05, because the difference might be due to chance. For a number such as
    credit_limit, the row contains the means and their standardized difference instead of shares. For a flag, only the
    value "yes" is drawn. The axis always covers 0 to 100%, so that profiles can be compared.

    Parameters
    ----------
    data
        The result of `group_profile` or `compare_groups`, or a Snapshot.
    group, versus
        The group and the customers to compare with, as in `group_profile`. Ignored if `data` is a result table.
    top
        The maximum number of values to draw. None draws all values. Fewer values are drawn if `ax` is too small.
    title
        The heading of the chart, drawn unchanged. None draws the default heading. Notes, such as the number of
        omitted groups, follow the heading. With an empty string, only the notes are drawn.
    ax
        The Axes to draw on. None creates a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The Axes of the chart. The title contains the number of suppressed rows.

    Raises
    ------
    InputError
        If `data` is a Snapshot and `group` is missing or not valid.
    GroupNotFoundError
        If a group is unknown, or its name is not unique.

    Examples
    --------
    >>> from frgroups import plot
    >>> ax = plot.profile(group_profile(sample_snapshot(), "VIP", min_count=1), top=3)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['has_mobile', 'country_code: FI', 'country_code: NO']
    """
    table, heading = _select_table(data, group, versus)
    rows = sort_strongest_first(table)
    ax, n = row_axes(ax, len(rows), top, 9.0)
    drawn = rows.iloc[:n]
    n_suppressed = int(table["suppressed"].sum())
    if drawn.empty and n_suppressed:
        return empty_chart(ax, heading, f"all {n_suppressed:,} rows are suppressed", title)
    if drawn.empty:
        return empty_chart(ax, heading, "no values", title)
    has_share = np.array([not is_mean(row) for row in iter_rows(drawn)])
    inside, others = (100 * drawn[name].to_numpy()[has_share] for name in ("share_in", "share_ref"))
    y_shares = np.flatnonzero(has_share)
    ax.hlines(y_shares, 0, 100, **grid_style(ax))
    ax.hlines(y_shares, inside, others, color=ink(ax), linewidth=1.2, zorder=2)
    size = min(6.5, 0.8 * label_font(ax))
    for shares, fill, label in (
        (others, background(ax), "in the reference"),
        (inside, series_color(ax, 0), "in the group"),
    ):
        ax.plot(shares, y_shares, "o", color=fill, markeredgecolor=ink(ax), markersize=size, zorder=3, label=label)
    rows_drawn = list(iter_rows(drawn))
    name_rows(
        ax,
        fit_labels(
            ax, lambda n: [short_name(value_label(row), n + 12) for row in rows_drawn], label_font(ax), name_width(ax)
        ),
        "share (%)",
    )
    notes = ["index 100: no difference"]
    if len(drawn) < len(rows):
        notes.append(f"the strongest {describe_cut(len(drawn), len(rows), 'difference')}")
    if rows["share_in"].isna().all():
        notes.append("the group is empty")
    if rows["share_ref"].isna().all():
        notes.append("the reference is empty")
    if n_suppressed:
        notes.append(f"{pluralize(n_suppressed, 'row')} suppressed")
    finish_rows(ax, heading, notes, title)
    _label_rows(ax, rows_drawn)
    return ax


def _label_rows(ax: Axes, rows: list[Any]) -> None:
    """Draw the index of each row in a column on the right, and the means in the rows of numeric attributes."""
    font = float(ax.get_yticklabels()[0].get_fontsize())
    labels = [_describe_index(row) for row in rows]
    right = 104 / (1 - reserve_width(ax, labels))
    ax.set_xlim(-2, right)
    ticks = [0, 20, 40, 60, 80, 100]
    if size_in_points(ax)[0] * 100 / right < 14 * tick_font(ax):
        ticks = [0, 50, 100]
    ax.set_xticks(ticks)
    for position, (row, label) in enumerate(zip(rows, labels, strict=True)):
        label_bar(ax, label, right, position, side="left")
        free = size_in_points(ax)[0] - text_size(ax, label, font)[0] - 12
        if is_mean(row) and text_size(ax, describe_means(row), font)[0] < free:
            label_bar(ax, describe_means(row), 0, position)
    for text in ax.texts:
        text.set_fontsize(font)


def _select_table(data: Any, group: Any, versus: Any) -> tuple[pd.DataFrame, str]:
    """Return the profile to draw and the heading of the chart."""
    if is_table(data, "share_ref"):
        return data, _HEADING
    if group is None:
        raise InputError("`data` must be a result of group_profile, or a Snapshot together with `group`.")
    table = group_profile(data, group, versus=versus)
    if not isinstance(group, str):
        return table, _HEADING
    name = short_name(data.matrix.group_names[data.matrix.group_code_of(group)])
    return table, f"Profile of {name}"


def _describe_index(row: Any) -> str:
    """Return the index of a profile row, and the q-value if the difference might be due to chance."""
    if np.isnan(row.index):
        is_only_in_group = row.share_ref == 0 and row.n_in
        return "only in the group" if is_only_in_group else ""
    if row.q_value > MAX_Q_VALUE:
        return f"index {row.index:,.0f}, q {row.q_value:.2f}"
    return f"index {row.index:,.0f}"
