"""The chart of the sizes of groups over time: a line for each group, named at its end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num, num2date
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from frgroups.history.size_history import only_groups, size_history
from frgroups.internals.formatting import format_day, format_growth
from frgroups.internals.typing import FloatArray
from frgroups.plot.axes import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    empty_chart,
    is_table,
    new_axes,
    open_frame,
    points,
    room,
    spread,
    titled,
)
from frgroups.plot.labels import display_names

_COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, INK)
_STYLES = ("-", "--", "-.", ":")
_FONT = 8


def history(data: Any, groups: Iterable[str] | None = None, *, top: int | None = 8, ax: Axes | None = None) -> Axes:
    """
    How large groups were at each reading: a line for each, with its name, last size and growth at its end.

    `data` is the table of `size_history`, or what it takes: Snapshots, folders, rows of `list_snapshots`. `groups`
    draws only these, by uid or last name. The `top` largest are coloured and named, the others faint behind them.
    A line is broken where a group was not there, and ends in a cross where it was deleted; a hollow point is a
    reading that is not "consistent".

    >>> from frgroups import plot
    >>> ax = plot.history([sample_snapshot("2026-11-03"), sample_snapshot("2026-11-10")], top=2)
    >>> [text.get_text() for text in ax.texts]
    ['All members  250 (0%)', 'VIP  2 (0%)']
    """
    table = data if is_table(data, "taken_at") and is_table(data, "n_members") else size_history(data)
    moments = pd.DatetimeIndex(table["taken_at"].drop_duplicates().sort_values())
    table = table if groups is None else only_groups(table, groups)
    last = table.drop_duplicates("customer_group_uid", keep="last")
    last = last.sort_values(["n_members", "customer_group_uid"], ascending=[False, True])
    named = last.head(len(last) if top is None else top)
    heading = "Members of each group over time"
    ax = ax or new_axes(9.5, max(4.2, 1.4 + 0.18 * len(named)))
    if last.empty:
        return empty_chart(ax, heading, "no readings")
    of_group = {uid: rows.set_index("taken_at").reindex(moments) for uid, rows in table.groupby("customer_group_uid")}
    x = date2num(moments.tz_convert(None).to_numpy())
    for uid in last["customer_group_uid"].iloc[len(named) :]:
        ax.plot(x, _sizes(of_group[uid]), color="#C8C8C8", linewidth=0.8, marker=".", markersize=2, zorder=1)
    for at, uid in enumerate(named["customer_group_uid"]):
        _line(ax, x, of_group[uid], at)
    names = display_names(named["customer_group_uid"], named["name"])
    uids = named["customer_group_uid"]
    labels = [f"{name}  {_told(of_group[uid])}" for name, uid in zip(names, uids, strict=True)]
    ax.set_ylim(0, max(int(table["n_members"].max()), 1) * 1.05)
    _name_ends(ax, x, [_sizes(of_group[uid]) for uid in uids], labels)
    _dates(ax, x)
    return titled(ax, heading, _notes(table, len(named), len(last)))


def _sizes(rows: pd.DataFrame) -> FloatArray:
    return rows["n_members"].to_numpy(dtype=float, na_value=np.nan)


def _line(ax: Axes, x: FloatArray, rows: pd.DataFrame, number: int) -> None:
    sizes, colour = _sizes(rows), _COLOURS[number % len(_COLOURS)]
    style = _STYLES[number % len(_STYLES)]
    ax.plot(x, sizes, linestyle=style, color=colour, linewidth=1.8, zorder=3)
    sure, deleted = (rows["verdict"] == "consistent").to_numpy(), (rows["status"] == "deleted").to_numpy()
    for marker, fill, which in (
        ("o", colour, sure & ~deleted),
        ("o", "white", ~sure & ~deleted),
        ("X", colour, deleted),
    ):
        where = which & ~np.isnan(sizes)
        if where.any():
            ax.plot(x[where], sizes[where], marker, color=fill, markeredgecolor=colour, markersize=5, zorder=4)


def _told(rows: pd.DataFrame) -> str:
    """The last size of a group, and what became of the first."""
    known = rows.dropna(subset="status")
    sizes = known["n_members"].astype(int)
    if known["status"].iloc[-1] == "deleted":
        return "(deleted)"
    if known["status"].iloc[0] == "new":
        return f"{sizes.iloc[-1]:,} (new)"
    growth = f" ({format_growth(sizes.iloc[0], sizes.iloc[-1])})" if sizes.iloc[0] else ""
    return f"{sizes.iloc[-1]:,}{growth}"


def _name_ends(ax: Axes, x: FloatArray, lines: list[FloatArray], labels: list[str]) -> None:
    """The names right of the lines, apart from each other, each led to by a thin line from its end."""
    ends = [int(np.flatnonzero(~np.isnan(line))[-1]) for line in lines]
    sizes = [float(line[end]) for line, end in zip(lines, ends, strict=True)]
    highest = ax.get_ylim()[1]
    gap = 1.35 * _FONT / (0.85 * points(ax)[1]) * highest
    span = max(float(x[-1] - x[0]), 1.0)
    part = room(ax, max(map(len, labels)) * 0.85 + 5, 0.6)
    right = x[-1] + span * part / (1 - part)
    ax.set_xlim(x[0] - 0.02 * span, right)
    near, names_at = x[-1] + 0.01 * (right - x[0]), x[-1] + 0.035 * (right - x[0])
    for end, size, at, label in zip(ends, sizes, spread(sizes, gap, highest), labels, strict=True):
        ax.plot([x[end], near, names_at], [size, size, at], color="#999999", linewidth=0.6, zorder=2)
        ax.annotate(
            label,
            (names_at, at),
            (2, 0),
            textcoords="offset points",
            va="center",
            fontsize=_FONT,
            color=INK,
            parse_math=False,
        )


def _dates(ax: Axes, x: FloatArray) -> None:
    locator = AutoDateLocator(maxticks=7)
    ticks = locator.tick_values(*num2date([x[0], x[-1]])) if len(x) > 1 else x
    ax.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if x[0] <= tick <= x[-1]] or list(x)))
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
    first, last = (format_day(num2date(at).date()) for at in (x[0], x[-1]))
    ax.set_xlabel(first if first == last else f"{first} to {last}", loc="left")
    ax.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    low, high = ax.get_ylim()
    ax.hlines(
        [tick for tick in ax.get_yticks() if low < tick < high], x[0], x[-1], color=FAINT, linewidth=0.6, zorder=0
    )
    ax.set_ylim(low, high)
    ax.set_ylabel("members")
    open_frame(ax, "left", "bottom")
    ax.spines["bottom"].set_bounds(x[0], x[-1])


def _notes(table: pd.DataFrame, n_named: int, n_all: int) -> str:
    notes = [f"named: the {n_named:,} largest of {n_all:,} groups"] if n_named < n_all else []
    if unsure := int((table["verdict"] != "consistent").sum()):
        notes.append(f"hollow: {unsure:,} of {len(table):,} readings are not consistent")
    return "; ".join(notes)
