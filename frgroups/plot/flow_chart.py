"""Chart of the customers who moved between groups: two columns of groups, connected by bands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from frgroups.analysis.flow import NONE, SEVERAL, group_flow
from frgroups.analysis.table_rows import iter_rows
from frgroups.errors import InputError
from frgroups.plot.axes import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    empty_chart,
    is_table,
    label_width,
    new_axes,
    set_heading,
    show_spines,
    size_in_points,
    spread_positions,
    unpack_pair,
)
from frgroups.plot.labels import display_names

_HEADING = "Customers who moved between groups"
_COLORS = (BLUE, ORANGE, GREEN, PURPLE, VERMILLION, SKY)
_HATCHES = ("", "\\\\\\\\", "xxxx")
_OTHER_GROUPS = "(other groups)"
# States that are not groups have separate colors and hatches, and are drawn below the groups.
_STATE_STYLES = {_OTHER_GROUPS: ("#8C8C8C", ""), SEVERAL: ("#B8B8B8", "...."), NONE: ("#DEDEDE", "////")}
_FONT_SIZE = 8
_BOX_WIDTH = 0.03


def flow(
    data: Any,
    new: Any = None,
    groups: Iterable[str] | None = None,
    *,
    priority: Iterable[str] = (),
    top: int | None = 10,
    ax: Axes | None = None,
) -> Axes:
    """
    Draw how customers moved between groups from one snapshot to another, as an alluvial chart.

    The left column shows the states of the customers in the older snapshot, and the right column shows the states in
    the newer snapshot. The height of a band represents a number of customers, and the color of a band is the color of
    the group on the left. The states "(several)" and "(none)" are defined in `group_flow`. The subtitle contains the
    number of customers who stayed in the same group or the same set of groups, which is the sum of n_stayed in
    `group_flow`.

    Parameters
    ----------
    data
        The result of `group_flow`, or the older snapshot. A tuple of the older and the newer snapshot is also
        accepted.
    new
        The newer snapshot. Omit it if `data` is a result of `group_flow` or a tuple.
    groups, priority
        The groups to distinguish and their priority, as in `group_flow`. Ignored if `data` is a result of
        `group_flow`.
    top
        The number of groups to draw separately. The largest groups are drawn, and all other groups are combined into
        "(other groups)". None draws all groups.
    ax
        The Axes to draw on. None creates a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The Axes of the chart.

    Raises
    ------
    InputError
        If `new` is missing, or the snapshots cannot be compared, as in `group_flow`.
    GroupNotFoundError
        If a group is unknown, or its name is not unique.

    Examples
    --------
    >>> from frgroups import plot
    >>> snapshot = sample_snapshot()
    >>> ax = plot.flow(snapshot.memberships[:-1], snapshot, priority=["vip", "all"])
    >>> [text.get_text() for text in ax.texts if "VIP" in text.get_text()]
    ['VIP  1', 'VIP  2']
    """
    data, new = unpack_pair(data, new)
    if new is None and not is_table(data, "from_group", "n_stayed"):
        raise InputError("`data` must be a result of group_flow, or an older snapshot together with `new`.")
    table = data if new is None else group_flow(data, new, groups, priority=priority)
    if table.empty:
        return empty_chart(ax or new_axes(8.0, 3.0), _HEADING, "no customers in these groups")
    moves, n_others = _combine_small_groups(table, top)
    states = _order_states(moves)
    ax = ax or new_axes(8.5, max(4.0, 1.5 + 0.36 * len(states)))
    total = int(moves["n"].sum())
    gap = 0.25 * total / max(len(states), 4)
    before = _Column.stack(moves, "from_group", states, gap)
    after = _Column.stack(moves, "to_group", states, gap)
    height = max(before.height, after.height)
    ax.set_ylim(height * 1.01, -0.01 * height - _text_height(ax, height, 1.6))
    names = _state_names(moves, states)
    _draw_bands(ax, moves, before, after, states, height)
    _draw_column(ax, before, _LEFT, names, states, height)
    _draw_column(ax, after, _RIGHT, names, states, height)
    part = label_width(ax, max(map(len, names.values())) + 8, at_most=0.3)
    margin = part / (1 - 2 * part) + 0.02
    ax.set_xlim(-margin, 1 + margin)
    ax.set_xticks([])
    ax.set_yticks([])
    show_spines(ax)
    n_stayed = int(table["n_stayed"].sum())
    notes = [f"{n_stayed:,} of {total:,} customers stayed in the same group or set of groups"]
    if n_others:
        notes.append(f"(other groups) combines {n_others:,} smaller groups")
    return set_heading(ax, _HEADING, notes)


@dataclass(frozen=True, eq=False)
class _Column:
    """One column of a flow chart, with the number of customers and the start position of each state."""

    n: dict[str, int]
    start: dict[str, float]
    height: float

    @classmethod
    def stack(cls, moves: pd.DataFrame, side: str, states: list[str], gap: float) -> _Column:
        """Stack the states in the table column `side`, with a gap between the states."""
        sums = moves.groupby(side)["n"].sum()
        n = {state: int(sums[state]) for state in states if state in sums.index}
        start, position = {}, 0.0
        for state, count in n.items():
            start[state] = position
            position += count + gap
        return cls(n, start, position - gap)


@dataclass(frozen=True)
class _Side:
    """The layout of the left or right column of a flow chart."""

    title: str
    edge: float  # The boxes end at this x-coordinate, next to the labels.
    box: float  # The x-coordinate of the left edge of the boxes.
    direction: int  # The labels are to the left (-1) or to the right (1) of the boxes.
    label_alignment: Literal["left", "right"]
    title_alignment: Literal["left", "right"]


_LEFT = _Side("before", 0.0, 0.0, -1, "right", "left")
_RIGHT = _Side("after", 1.0, 1.0 - _BOX_WIDTH, 1, "left", "right")


def _text_height(ax: Axes, height: float, lines: float) -> float:
    """Return the height of lines of text in y-axis units, if the y-axis shows `height` customers."""
    return lines * _FONT_SIZE * height / size_in_points(ax)[1]


def _combine_small_groups(table: pd.DataFrame, top: int | None) -> tuple[pd.DataFrame, int]:
    """Combine all but the `top` largest groups. Return the moves and the number of combined groups."""
    sides = [table.groupby(side)["n"].sum() for side in ("from_group", "to_group")]
    sizes = pd.concat(sides, axis=1).max(axis=1).drop([NONE, SEVERAL], errors="ignore")
    others: list[str] = []
    if top is not None:
        others = list(sizes.sort_values(ascending=False, kind="stable").index[top:])
    if len(others) == 1:  # A single group is not combined, because it needs no more space.
        others = []
    moves = table[["from_group", "to_group", "from_name", "to_name", "n"]].copy()
    for side in ("from", "to"):
        columns = [f"{side}_group", f"{side}_name"]
        moves[columns] = moves[columns].mask(moves[f"{side}_group"].isin(others), _OTHER_GROUPS)
    keys = ["from_group", "to_group", "from_name", "to_name"]
    return moves.groupby(keys, sort=False, as_index=False).agg({"n": "sum"}), len(others)


def _order_states(moves: pd.DataFrame) -> list[str]:
    """Return the states in the order of the table, followed by the states that are not groups."""
    states = dict.fromkeys([*moves["from_group"], *moves["to_group"]])
    groups = [state for state in states if state not in _STATE_STYLES]
    return groups + [state for state in _STATE_STYLES if state in states]


def _state_names(moves: pd.DataFrame, states: list[str]) -> dict[str, str]:
    """Return the name to display for each state."""
    names = dict(zip(moves["from_group"], moves["from_name"], strict=True))
    names |= dict(zip(moves["to_group"], moves["to_name"], strict=True))
    return dict(zip(states, display_names(states, [names[state] for state in states]), strict=True))


def _state_style(state: str, states: list[str]) -> tuple[str, str]:
    """Return the color and the hatch of a state. Groups with the same color have different hatches."""
    if state in _STATE_STYLES:
        return _STATE_STYLES[state]
    turn, number = divmod(states.index(state), len(_COLORS))
    return _COLORS[number], _HATCHES[turn % len(_HATCHES)]


def _draw_bands(
    ax: Axes, moves: pd.DataFrame, before: _Column, after: _Column, states: list[str], height: float
) -> None:
    """Draw a band for each pair of states, with the number of customers if there is enough space."""
    next_left, next_right = dict(before.start), dict(after.start)
    rank = {state: number for number, state in enumerate(states)}
    rows = moves.assign(a=moves["from_group"].map(rank), b=moves["to_group"].map(rank)).sort_values(["a", "b"])
    readable = _text_height(ax, height, 1.1)
    for row in iter_rows(rows):
        left, right = next_left[row.from_group], next_right[row.to_group]
        next_left[row.from_group] += row.n
        next_right[row.to_group] += row.n
        color, hatch = _state_style(row.from_group, states)
        # A white edge would hide a thin band.
        edge = "white" if 4 * row.n >= readable else color
        band = _band_path(left, right, row.n)
        ax.add_patch(PathPatch(band, facecolor=color, edgecolor=edge, alpha=0.55, hatch=hatch, linewidth=0.5))
        if row.n >= readable:
            ax.text(0.06, left + row.n / 2, f"{row.n:,}", va="center", fontsize=7, color=INK)


def _band_path(left: float, right: float, n: int) -> Path:
    """Return the outline of a band for n customers, from a position on the left to a position on the right."""
    vertices = [
        *((0.03, left), (0.45, left), (0.55, right), (0.97, right)),
        *((0.97, right + n), (0.55, right + n), (0.45, left + n), (0.03, left + n), (0.03, left)),
    ]
    curve = [Path.CURVE4] * 3
    return Path(vertices, [Path.MOVETO, *curve, Path.LINETO, *curve, Path.CLOSEPOLY])


def _draw_column(
    ax: Axes, column: _Column, side: _Side, names: dict[str, str], states: list[str], height: float
) -> None:
    """Draw the boxes and labels of one column of a flow chart."""
    centers = [column.start[state] + n / 2 for state, n in column.n.items()]
    positions = spread_positions(centers, _text_height(ax, height, 1.4), height)
    label_x = side.edge + side.direction * 0.02
    for (state, n), center, position in zip(column.n.items(), centers, positions, strict=True):
        color, hatch = _state_style(state, states)
        ax.add_patch(
            Rectangle(
                (side.box, column.start[state]),
                _BOX_WIDTH,
                n,
                facecolor=color,
                edgecolor="white",
                hatch=hatch,
                linewidth=0,
            )
        )
        ax.plot([side.edge, label_x], [center, position], color="#999999", linewidth=0.6)
        ax.annotate(
            f"{names[state]}  {n:,}",
            (label_x, position),
            (2 * side.direction, 0),
            textcoords="offset points",
            va="center",
            ha=side.label_alignment,
            fontsize=_FONT_SIZE,
            color=INK,
            parse_math=False,
        )
    ax.annotate(
        side.title,
        (side.edge, 0),
        (0, 6),
        textcoords="offset points",
        ha=side.title_alignment,
        fontsize=_FONT_SIZE,
        color=INK,
        weight="bold",
    )
