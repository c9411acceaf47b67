"""Chart of a profile, with the share of each value in the group and in the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from frgroups.analysis.profile import group_profile
from frgroups.analysis.profile_rows import MAX_Q_VALUE, describe_means, is_mean, sort_strongest_first, value_label
from frgroups.analysis.table_rows import iter_rows
from frgroups.errors import InputError
from frgroups.plot.axes import (
    BLUE,
    INK,
    PALE,
    add_legend,
    empty_chart,
    is_table,
    label_bar,
    label_width,
    name_rows,
    new_axes,
    set_heading,
)
from frgroups.plot.labels import short_name

_HEADING = "Shares in the group and in the reference"


def profile(
    data: Any, group: Any = None, *, versus: Any = "rest", top: int | None = 20, ax: Axes | None = None
) -> Axes:
    """
    Draw the share of each attribute value in a group and in the reference.

    The strongest effects come first. The label on the right is the index, where 100 means no difference. The
    label includes a q-value above 0.05, because the difference might be due to chance. For a number such as
    credit_limit, the row contains the means and their standardized difference instead of shares. For a flag, only the
    value "yes" is drawn.

    Parameters
    ----------
    data
        The result of `group_profile` or `compare_groups`, or a Snapshot.
    group, versus
        The group and the customers to compare with, as in `group_profile`. Ignored if `data` is a result table.
    top
        The number of values to draw. None draws all values.
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
    drawn = rows.iloc[:top]
    ax = ax or new_axes(9.0, 1.6 + 0.27 * max(len(drawn), 3))
    n_suppressed = int(table["suppressed"].sum())
    if drawn.empty and n_suppressed:
        return empty_chart(ax, heading, f"all {n_suppressed:,} rows are suppressed")
    if drawn.empty:
        return empty_chart(ax, heading, "no values")
    has_share = np.array([not is_mean(row) for row in iter_rows(drawn)])
    inside, others = (100 * drawn[name].to_numpy()[has_share] for name in ("share_in", "share_ref"))
    y = np.arange(len(drawn))
    y_shares = y[has_share]
    ax.hlines(y_shares, inside, others, color=INK, linewidth=1.2, zorder=2)
    for shares, fill, label in ((others, "white", "in the reference"), (inside, BLUE, "in the group")):
        ax.plot(shares, y_shares, "o", color=fill, markeredgecolor=INK, markersize=6.5, zorder=3, label=label)
    largest = float(np.nanmax(np.concatenate([inside, others]), initial=1.0))
    labels = [_describe_index(row) for row in iter_rows(drawn)]
    right = largest * 1.04 / (1 - label_width(ax, max(map(len, labels)) + 1))
    ax.set_xlim(-0.02 * largest, right)
    ax.hlines(y_shares, 0, largest * 1.04, color=PALE, linewidth=0.7, zorder=0)
    for position, row, label in zip(y, iter_rows(drawn), labels, strict=True):
        label_bar(ax, label, right, position, side="left")
        if is_mean(row):
            label_bar(ax, describe_means(row), 0, position)
    name_rows(ax, [short_name(value_label(row), 42) for row in iter_rows(drawn)])
    ax.set_xlabel("share (%)")
    ax.set_xticks([tick for tick in ax.get_xticks() if 0 <= tick <= largest * 1.04])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    add_legend(ax)
    notes = []
    if len(drawn) < len(rows):
        notes.append(f"showing the {len(drawn):,} strongest of {len(rows):,} differences")
    if rows["share_in"].isna().all():
        notes.append("the group is empty")
    if rows["share_ref"].isna().all():
        notes.append("the reference is empty")
    if n_suppressed:
        notes.append(f"rows suppressed because of small counts: {n_suppressed:,}")
    return set_heading(ax, heading, notes)


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
    return table, f"Profile of {name}: shares in the group and in the reference"


def _describe_index(row: Any) -> str:
    """Return the index of a profile row, and the q-value if the difference might be due to chance."""
    if np.isnan(row.index):
        is_only_in_group = row.share_ref == 0 and row.n_in
        return "only in the group" if is_only_in_group else ""
    if row.q_value > MAX_Q_VALUE:
        return f"index {row.index:,.0f}, q {row.q_value:.2f}"
    return f"index {row.index:,.0f}"
