"""Chart of group sizes over time, with one labeled line per group."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num, num2date
from matplotlib.ticker import FixedLocator

from frgroups.analysis.table_rows import sort_largest_first
from frgroups.history.size_history import only_groups, size_history
from frgroups.internals.formatting import format_day, format_growth
from frgroups.internals.typing import FloatArray
from frgroups.plot.axes import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PALE,
    PURPLE,
    SKY,
    VERMILLION,
    empty_chart,
    format_count_axis,
    is_table,
    label_width,
    new_axes,
    set_heading,
    show_spines,
    size_in_points,
    spread_positions,
)
from frgroups.plot.labels import display_names

_HEADING = "Members of each group over time"
_COLORS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, INK)
_LINE_STYLES = ("-", "--", "-.", ":")
_FONT_SIZE = 8


def history(data: Any, groups: Iterable[str] | None = None, *, top: int | None = 8, ax: Axes | None = None) -> Axes:
    """
    Draw the size of each group over time.

    The largest groups have colored lines, with labels that contain the name, the last size, and the growth. The other
    groups have gray lines. A line has a gap where the group did not exist, and ends with a cross if the group
    was deleted. Hollow markers show sizes whose verdict is not "consistent".

    Parameters
    ----------
    data
        The result of `size_history`, or snapshots in one of the forms that `size_history` accepts, such as a list of
        Snapshots, folders, or the result of `list_snapshots`.
    groups
        The groups to draw, by uid or latest name. None draws all groups.
    top
        The number of groups that are colored and labeled, the largest ones. None labels all groups.
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
    GroupNotFoundError
        If a group is unknown, or its name is not unique.

    Examples
    --------
    >>> from frgroups import plot
    >>> ax = plot.history([sample_snapshot("2026-11-03"), sample_snapshot("2026-11-10")], top=2)
    >>> [text.get_text() for text in ax.texts]
    ['All members  250 (0%)', 'VIP  2 (0%)']
    """
    table = data if is_table(data, "taken_at", "n_members") else size_history(data)
    times = pd.DatetimeIndex(table["taken_at"].drop_duplicates().sort_values())
    if groups is not None:
        table = only_groups(table, groups)
    last = sort_largest_first(table.drop_duplicates("customer_group_uid", keep="last"), "n_members")
    labeled = last.iloc[:top]
    ax = ax or new_axes(9.5, max(4.2, 1.4 + 0.18 * len(labeled)))
    if last.empty:
        return empty_chart(ax, _HEADING, "no snapshots")
    rows_of = {uid: rows.set_index("taken_at").reindex(times) for uid, rows in table.groupby("customer_group_uid")}
    x = date2num(times.tz_convert(None).to_numpy())
    for uid in last["customer_group_uid"].iloc[len(labeled) :]:
        ax.plot(x, _member_counts(rows_of[uid]), color="#C8C8C8", linewidth=0.8, marker=".", markersize=2, zorder=1)
    uids = labeled["customer_group_uid"]
    for number, uid in enumerate(uids):
        _draw_line(ax, x, rows_of[uid], number)
    names = display_names(uids, labeled["name"])
    labels = [f"{name}  {_describe_last_size(rows_of[uid])}" for name, uid in zip(names, uids, strict=True)]
    ax.set_ylim(0, max(int(table["n_members"].max()), 1) * 1.05)
    _label_ends(ax, x, [_member_counts(rows_of[uid]) for uid in uids], labels)
    _format_axes(ax, x)
    notes = []
    if len(labeled) < len(last):
        notes.append(f"only the {len(labeled):,} largest of {len(last):,} groups have a label")
    if n_inconsistent := int((table["verdict"] != "consistent").sum()):
        notes.append(
            f"hollow markers show {n_inconsistent:,} of {len(table):,} sizes that were not read consistently"
        )
    return set_heading(ax, _HEADING, notes)


def _member_counts(rows: pd.DataFrame) -> FloatArray:
    """Return the number of members of a group at each time, or NaN if the group did not exist."""
    return rows["n_members"].to_numpy(dtype=float, na_value=np.nan)


def _draw_line(ax: Axes, x: FloatArray, rows: pd.DataFrame, number: int) -> None:
    """Draw the line of a group with a marker at each snapshot."""
    sizes, color = _member_counts(rows), _COLORS[number % len(_COLORS)]
    ax.plot(x, sizes, linestyle=_LINE_STYLES[number % len(_LINE_STYLES)], color=color, linewidth=1.8, zorder=3)
    is_consistent = (rows["verdict"] == "consistent").to_numpy()
    is_deleted = (rows["status"] == "deleted").to_numpy()
    for marker, fill, selected in (
        ("o", color, is_consistent & ~is_deleted),
        ("o", "white", ~is_consistent & ~is_deleted),
        ("X", color, is_deleted),
    ):
        drawn = selected & ~np.isnan(sizes)
        if drawn.any():
            ax.plot(x[drawn], sizes[drawn], marker, color=fill, markeredgecolor=color, markersize=5, zorder=4)


def _describe_last_size(rows: pd.DataFrame) -> str:
    """Return the last size of a group with its growth, or a note that the group is new or deleted."""
    known = rows.dropna(subset="status")
    sizes = known["n_members"].astype(int)
    first, last = sizes.iloc[0], sizes.iloc[-1]
    if known["status"].iloc[-1] == "deleted":
        return "(deleted)"
    if known["status"].iloc[0] == "new":
        return f"{last:,} (new)"
    if first == 0:
        return f"{last:,}"
    return f"{last:,} ({format_growth(first, last)})"


def _label_ends(ax: Axes, x: FloatArray, lines: list[FloatArray], labels: list[str]) -> None:
    """Draw the labels to the right of the lines without overlap, and connect each label to its line."""
    ends = [int(np.flatnonzero(~np.isnan(line))[-1]) for line in lines]
    sizes = [float(line[end]) for line, end in zip(lines, ends, strict=True)]
    highest = ax.get_ylim()[1]
    gap = 1.35 * _FONT_SIZE / (0.85 * size_in_points(ax)[1]) * highest
    span = max(float(x[-1] - x[0]), 1.0)
    part = label_width(ax, max(map(len, labels)) * 0.85 + 5, at_most=0.6)
    right = x[-1] + span * part / (1 - part)
    ax.set_xlim(x[0] - 0.02 * span, right)
    line_x, label_x = x[-1] + 0.01 * (right - x[0]), x[-1] + 0.035 * (right - x[0])
    positions = spread_positions(sizes, gap, highest)
    for end, size, position, label in zip(ends, sizes, positions, labels, strict=True):
        ax.plot([x[end], line_x, label_x], [size, size, position], color="#999999", linewidth=0.6, zorder=2)
        ax.annotate(
            label,
            (label_x, position),
            (2, 0),
            textcoords="offset points",
            va="center",
            fontsize=_FONT_SIZE,
            color=INK,
            parse_math=False,
        )


def _format_axes(ax: Axes, x: FloatArray) -> None:
    """Format the date axis and the size axis, and draw grid lines that end at the last snapshot."""
    locator = AutoDateLocator(maxticks=7)
    ticks = x
    if len(x) > 1:
        ticks = locator.tick_values(*num2date([x[0], x[-1]]))
    ax.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if x[0] <= tick <= x[-1]] or list(x)))
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
    first, last = (format_day(num2date(time).date()) for time in (x[0], x[-1]))
    ax.set_xlabel(first if first == last else f"{first} to {last}", loc="left")
    format_count_axis(ax.yaxis)
    low, high = ax.get_ylim()
    lines = [tick for tick in ax.get_yticks() if low < tick < high]
    ax.hlines(lines, x[0], x[-1], color=PALE, linewidth=0.6, zorder=0)
    ax.set_ylim(low, high)
    ax.set_ylabel("members")
    show_spines(ax, "left", "bottom")
    ax.spines["bottom"].set_bounds(x[0], x[-1])
