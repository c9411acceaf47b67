"""The chart of a profile: for each value two points, the share in the group and the share among the others."""

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

_HEADING = "Shares in the group and among the others"


def profile(
    data: Any, group: Any = None, *, versus: Any = "rest", top: int | None = 20, ax: Axes | None = None
) -> Axes:
    """
    Draw the share of each value in a group and among the others, the strongest effect first.

    `data` is the table of `group_profile` or `compare_groups`, or a Snapshot with `group` and `versus` as in
    `group_profile`. At the right is the index (100 means no difference), with q if it is above 0.05, because the
    difference might be due to chance. A number such as credit_limit has no share: its row contains the means and
    their standardized difference. Of a flag only "yes" is drawn. The title contains the number of suppressed values.

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
        return empty_chart(ax, heading, f"all {n_suppressed:,} values are suppressed")
    if drawn.empty:
        return empty_chart(ax, heading, "no values")
    has_share = np.array([not is_mean(row) for row in iter_rows(drawn)])
    inside, others = (100 * drawn[name].to_numpy()[has_share] for name in ("share_in", "share_ref"))
    y = np.arange(len(drawn))
    y_shares = y[has_share]
    ax.hlines(y_shares, inside, others, color=INK, linewidth=1.2, zorder=2)
    for shares, fill, label in ((others, "white", "among the others"), (inside, BLUE, "in the group")):
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
    ax.set_xlabel("share, %")
    ax.set_xticks([tick for tick in ax.get_xticks() if 0 <= tick <= largest * 1.04])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    add_legend(ax)
    notes = []
    if len(drawn) < len(rows):
        notes.append(f"the {len(drawn):,} strongest of {len(rows):,} values")
    if rows["share_in"].isna().all():
        notes.append("there is nobody in the group")
    if rows["share_ref"].isna().all():
        notes.append("there is nobody among the others")
    if n_suppressed:
        notes.append(f"{n_suppressed:,} suppressed, since they tell of too few customers")
    return set_heading(ax, heading, notes)


def _select_table(data: Any, group: Any, versus: Any) -> tuple[pd.DataFrame, str]:
    """Return the profile to draw and its heading."""
    if is_table(data, "share_ref"):
        return data, _HEADING
    if group is None:
        raise InputError("plot.profile takes the table of group_profile, or a snapshot and a group.")
    table = group_profile(data, group, versus=versus)
    if not isinstance(group, str):
        return table, _HEADING
    name = short_name(data.matrix.group_names[data.matrix.group_code_of(group)])
    return table, f"What sets {name} apart: shares in the group and among the others"


def _describe_index(row: Any) -> str:
    """Return the index of a row, with its q-value if the difference might be due to chance."""
    if np.isnan(row.index):
        is_only_in_group = row.share_ref == 0 and row.n_in
        return "only in the group" if is_only_in_group else ""
    if row.q_value > MAX_Q_VALUE:
        return f"index {row.index:,.0f}, q {row.q_value:.2f}"
    return f"index {row.index:,.0f}"
