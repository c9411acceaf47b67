"""Chart of group sizes over time, with one labeled line per group."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num, num2date
from matplotlib.ticker import FixedFormatter, FixedLocator

from frgroups.analysis.table_rows import check_one_tenant
from frgroups.history.size_history import only_groups, size_history
from frgroups.internals.formatting import agree, format_day, format_growth, pluralize
from frgroups.internals.typing import FloatArray
from frgroups.internals.validation import check_choice
from frgroups.plot.axes import (
    Heading,
    describe_cut,
    empty_chart,
    format_count_axis,
    is_table,
    label_axis,
    label_font,
    scale_texts,
    scale_ticks,
    show_spines,
    tick_font,
)
from frgroups.plot.labels import display_names, fit_labels
from frgroups.plot.layout import (
    area_in_points,
    fit_when_settled,
    new_axes,
    size_in_points,
    spread_positions,
    widest,
)
from frgroups.plot.theme import LITERAL, background, grid_style, ink, n_series_colors, series_color, shade

Ranking = Literal["size", "change"]

_HEADING = "Members of each group over time"
_INDEXED_HEADING = "Growth of each group (first snapshot = 100)"
_LINE_STYLES = ("-", "--", "-.", ":")
_GAP = 1.35  # Distance between labels, as a multiple of their font size.


def history(
    data: Any,
    groups: Iterable[str] | None = None,
    *,
    by: Ranking = "size",
    indexed: bool = False,
    top: int | None = 8,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """
    Draw the size of each group over time.

    The first `top` groups have colored lines, with labels that contain the name, the last size, and the growth. The
    other groups have gray lines. A line has a gap where the group did not exist, and ends with a cross if the group
    was deleted. Hollow markers show sizes whose verdict is "unverifiable" or "drifted".

    Parameters
    ----------
    data
        The result of `size_history` for one tenant, or snapshots in one of the forms that `size_history` accepts,
        such as a list of Snapshots, folders, the result of `list_snapshots`, or a frame of a query engine.
    groups
        The groups to draw, by uid or latest name. None draws all groups.
    by
        The order of the groups. "size" starts with the groups that are largest in their last snapshot. "change"
        starts with the groups whose size changed most between their first and last snapshot. The change is counted
        in members, or in percent if `indexed` is True.
    indexed
        If True, draw the size of each group relative to its size in its first snapshot, which is 100. Groups that
        were empty in their first snapshot are omitted.
    top
        The maximum number of groups that are colored and labeled. None labels all groups. Fewer groups are labeled if
        `ax` is too small.
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
        If `data` or `by` is not valid, or `data` contains several tenants.
    GroupNotFoundError
        If a group is unknown, or its name is not unique.

    Examples
    --------
    >>> from frgroups import plot
    >>> snapshots = [sample_snapshot("2026-11-03"), sample_snapshot("2026-11-10")]
    >>> ax = plot.history(snapshots, top=2)
    >>> [text.get_text() for text in ax.texts]
    ['All members  250 (0%)', 'VIP  2 (0%)']
    >>> ax = plot.history(snapshots, ["VIP"], indexed=True)
    >>> [float(index) for index in ax.lines[0].get_ydata()]
    [100.0, 100.0]
    """
    check_choice(by, "by", get_args(Ranking))
    heading = _INDEXED_HEADING if indexed else _HEADING
    table = data if is_table(data, "taken_at", "n_members") else size_history(data)
    check_one_tenant(table, "data")
    times = pd.DatetimeIndex(table["taken_at"].drop_duplicates().sort_values())
    if groups is not None:
        table = only_groups(table, groups)
    lines = [_Line.from_rows(rows, times, indexed) for _, rows in table.groupby("customer_group_uid")]
    drawn = _sort_lines([line for line in lines if not np.isnan(line.values).all()], by)
    n_labeled = len(drawn) if top is None else min(len(drawn), top)
    if ax is None:
        ax = new_axes(9.5, max(4.2, 1.4 + 0.18 * n_labeled))
    else:
        height = area_in_points(ax)[1]
        n_labeled = min(n_labeled, max(int(0.65 * height / (_GAP * label_font(ax))), 1))
    if not drawn:
        reason = "no snapshots" if table.empty else "all groups were empty in their first snapshot"
        return empty_chart(ax, heading, reason, title)
    x = date2num(times.tz_convert(None).to_numpy())
    labeled = drawn[:n_labeled]
    for number, line in enumerate(labeled):
        _draw_line(ax, x, line, number)
    for line in drawn[n_labeled:]:
        ax.plot(x, line.values, color=shade(ax, 0.25), linewidth=0.8, marker=".", markersize=2, zorder=1)
    _format_axes(ax, x, labeled, drawn, indexed)
    notes = []
    if n_labeled < len(drawn):
        cut = describe_cut(n_labeled, len(drawn))
        notes.append(f"labels: the largest {cut}" if by == "size" else f"labels: the {cut} that changed most")
    if len(drawn) < len(lines):
        n_omitted = len(lines) - len(drawn)
        are = agree(n_omitted, "is", "are")
        notes.append(f"{pluralize(n_omitted, 'group')} without members in the first snapshot {are} omitted")
    if n_inconsistent := int((table["verdict"].dropna() != "consistent").sum()):
        notes.append(
            f"hollow markers show {n_inconsistent:,} of {len(table):,} sizes that were not read consistently"
        )
    # Start the title at the Axes. Reserve four font sizes to the left of the title for the tick labels of the y-axis.
    Heading(heading, notes, title, lambda ax: -4 * label_font(ax)).settle(ax)
    _label_ends(ax, x, labeled)
    _draw_grid(ax, x)
    return ax


@dataclass(frozen=True, eq=False)
class _Line:
    """The sizes of one group in all snapshots, as member counts or relative to the group's first size."""

    rows: pd.DataFrame
    values: FloatArray

    @classmethod
    def from_rows(cls, rows: pd.DataFrame, times: pd.DatetimeIndex, indexed: bool) -> _Line:
        """Create the line for one group. `rows` contains the rows of the group in a size history."""
        rows = rows.set_index("taken_at").reindex(times)
        values = rows["n_members"].to_numpy(dtype=float, na_value=np.nan)
        if indexed:
            first = values[~np.isnan(values)][0]
            values = values * 100 / (first or np.nan)
        return cls(rows, values)

    @property
    def known(self) -> FloatArray:
        """The values in the snapshots that contain the group."""
        return self.values[~np.isnan(self.values)]

    @property
    def known_rows(self) -> pd.DataFrame:
        """The rows of the snapshots that contain the group."""
        return self.rows.dropna(subset="status")


def _sort_lines(lines: list[_Line], by: Ranking) -> list[_Line]:
    """Sort the lines by last size or by absolute change, with the largest value first, and then by uid."""

    def key(line: _Line) -> tuple[float, ...]:
        size = float(line.known_rows["n_members"].iloc[-1])
        if by == "size":
            return (-size,)
        # The drawn values are percentages if `indexed` is True. Their difference is the change in the requested unit.
        return (-abs(line.known[-1] - line.known[0]), -size)

    return sorted(lines, key=key)


def _draw_line(ax: Axes, x: FloatArray, line: _Line, number: int) -> None:
    """Draw the line of a group with a marker at each snapshot."""
    turn, _ = divmod(number, n_series_colors())
    color, style = series_color(ax, number % n_series_colors()), _LINE_STYLES[(number + turn) % len(_LINE_STYLES)]
    ax.plot(x, line.values, linestyle=style, color=color, linewidth=1.8, zorder=3)
    # A size history that a query engine computed contains no verdicts. Treat its sizes as consistent.
    is_consistent = (line.rows["verdict"].fillna("consistent") == "consistent").to_numpy()
    is_deleted = (line.rows["status"] == "deleted").to_numpy()
    for marker, fill, selected in (
        ("o", color, is_consistent & ~is_deleted),
        ("o", background(ax), ~is_consistent & ~is_deleted),
        ("X", color, is_deleted),
    ):
        drawn = selected & ~np.isnan(line.values)
        if drawn.any():
            ax.plot(x[drawn], line.values[drawn], marker, color=fill, markeredgecolor=color, markersize=5, zorder=4)


def _describe_last_size(rows: pd.DataFrame) -> str:
    """Return the last size of a group and its growth, or a note if the group is new or deleted."""
    sizes = rows["n_members"].astype(int)
    first, last = sizes.iloc[0], sizes.iloc[-1]
    if rows["status"].iloc[-1] == "deleted":
        return "(deleted)"
    if rows["status"].iloc[0] == "new":
        return f"{last:,} (new)"
    if first == 0 or len(rows) == 1:  # No earlier size above 0, so the growth is undefined.
        return f"{last:,}"
    return f"{last:,} ({format_growth(first, last)})"


def _label_ends(ax: Axes, x: FloatArray, lines: list[_Line]) -> None:
    """Draw the labels to the right of the lines without overlap, and connect each label to its line."""
    if not lines:
        return
    width, height = size_in_points(ax)
    font = label_font(ax)
    labels = _end_labels(ax, lines, font, 0.45 * width)
    ends = [int(np.flatnonzero(~np.isnan(line.values))[-1]) for line in lines]
    values = [float(line.values[end]) for line, end in zip(lines, ends, strict=True)]
    low, high = ax.get_ylim()
    gap = _GAP * font / height * (high - low)
    if gap * (len(lines) + 0.5) > high - low:
        font *= (high - low) / (gap * (len(lines) + 0.5))
        gap = (high - low) / (len(lines) + 0.5)
    span = max(float(x[-1] - x[0]), 1.0)
    part = min((widest(ax, labels, font) + 2 * font) / width, 0.75)
    right = x[-1] + 1.02 * span * part / (1 - part)
    ax.set_xlim(x[0] - 0.02 * span, right)
    unit = (right - x[0]) / width
    line_x, label_x = x[-1] + 0.7 * font * unit, x[-1] + 1.5 * font * unit
    # `spread_positions` expects an axis that starts at 0.
    # Therefore, subtract `low` from the values, and add `low` to the positions.
    positions = spread_positions([value - low for value in values], gap, high - low - gap / 2) + low
    for end, value, position, label in zip(ends, values, positions, labels, strict=True):
        ax.plot([x[end], line_x, label_x], [value, value, position], color=shade(ax, 0.45), linewidth=0.6, zorder=2)
        ax.annotate(
            label,
            (label_x, position),
            (2, 0),
            textcoords="offset points",
            va="center",
            fontsize=font,
            color=ink(ax),
            **LITERAL,
        )
    fit_when_settled(ax, partial(scale_texts, font, height))


def _end_labels(ax: Axes, lines: list[_Line], font: float, width: float) -> list[str]:
    """Return a label with the name and the last size of each group, shortened to fit `width` if possible."""
    sizes = [_describe_last_size(line.known_rows) for line in lines]
    uids, latest_names = zip(
        *(line.known_rows[["customer_group_uid", "name"]].iloc[-1] for line in lines), strict=True
    )

    def labels(length: int) -> list[str]:
        names = display_names(uids, latest_names, length)
        return [f"{name}  {size}" for name, size in zip(names, sizes, strict=True)]

    return fit_labels(ax, labels, font, width)


def _format_axes(ax: Axes, x: FloatArray, labeled: list[_Line], drawn: list[_Line], indexed: bool) -> None:
    """Format the date axis and the axis of sizes or indexes."""
    first, last = (format_day(num2date(time).date()) for time in (x[0], x[-1]))
    if len(x) == 1:
        ax.xaxis.set_major_locator(FixedLocator(list(x)))
        ax.xaxis.set_major_formatter(FixedFormatter([first]))
    else:
        n_ticks = max(min(int(area_in_points(ax)[0] / 70), 7), 2)
        locator = AutoDateLocator(minticks=2, maxticks=n_ticks)
        ticks = [tick for tick in locator.tick_values(*num2date([x[0], x[-1]])) if x[0] <= tick <= x[-1]]
        ax.xaxis.set_major_locator(FixedLocator(ticks or [x[0], x[-1]]))
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
        ax.set_xlabel(first if first == last else f"{first} to {last}", loc="left", fontsize=tick_font(ax))
    if indexed:
        values = np.concatenate([line.known for line in labeled or drawn])
        low, high = min(values.min(), 100.0), max(values.max(), 100.0)
        margin = max(0.08 * (high - low), 1.0)
        ax.set_ylim(max(low - margin, 0), high + margin)
        label_axis(ax.yaxis, "index")
    else:
        largest = max(float(line.known.max()) for line in drawn)
        ax.set_ylim(0, max(largest, 1) * 1.05)
        label_axis(ax.yaxis, "members")
    format_count_axis(ax.yaxis)
    scale_ticks(ax)
    ax.grid(False)
    show_spines(ax, "left", "bottom")
    ax.spines["bottom"].set_bounds(x[0], x[-1])


def _draw_grid(ax: Axes, x: FloatArray) -> None:
    """Draw horizontal grid lines that end at the last snapshot, so that they do not cross the labels."""
    low, high = ax.get_ylim()
    lines = [tick for tick in ax.get_yticks() if low < tick < high]
    ax.hlines(lines, x[0], x[-1], **grid_style(ax))
    if low < 100 < high and ax.get_ylabel() == "index":
        ax.hlines(100, x[0], x[-1], color=shade(ax, 0.5), linewidth=0.8, zorder=1)
    ax.set_ylim(low, high)
