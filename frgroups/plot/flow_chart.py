"""Chart of the customers who moved between groups: two columns of groups, connected by bands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from frgroups.analysis.flow import NONE, SEVERAL, group_flow
from frgroups.analysis.table_rows import iter_rows
from frgroups.errors import InputError
from frgroups.internals.formatting import agree, pluralize
from frgroups.internals.validation import as_list
from frgroups.plot.axes import Heading, empty_chart, is_table, label_font, scale_texts, show_spines, unpack_pair
from frgroups.plot.labels import display_names, fit_labels
from frgroups.plot.layout import (
    MIN_FONT,
    area_in_points,
    fit_when_settled,
    new_axes,
    size_in_points,
    spread_positions,
    widest,
)
from frgroups.plot.theme import LITERAL, background, ink, n_series_colors, series_color, shade

_HEADING = "Customers who moved between groups"
_HATCHES = ("", "\\\\\\\\", "xxxx")
_OTHER_GROUPS = "(other groups)"
# Strength of the gray shade, and hatch, of the states that are not groups. These states are drawn below the groups.
_STATE_STYLES = {_OTHER_GROUPS: (0.55, ""), SEVERAL: (0.35, "...."), NONE: (0.18, "////")}
_BOX_WIDTH = 0.03
_LINE = 1.4  # Distance between labels, as a multiple of their font size.


def flow(
    data: Any,
    new: Any = None,
    groups: Iterable[str] | None = None,
    *,
    priority: Iterable[str] = (),
    top: int | None = 10,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """
    Draw how customers moved between groups from one snapshot to another, as an alluvial chart.

    The left column shows the states of the customers in the older snapshot, and the right column shows the states in
    the newer snapshot. The height of a band represents a number of customers, and the color of a band is the color of
    the group on the left. The states "(several)" and "(none)" are defined in `group_flow`. The subtitle contains the
    number of customers who stayed in the same group or the same set of groups, which is the sum of n_stayed in
    `group_flow`.

    Without `priority`, most customers of overlapping groups are in the state "(several)". Therefore, the chart
    contains only the customers who are in at most one of the groups on each side, and a note states the number of
    other customers. Pass `priority` to assign each customer to one group.

    Parameters
    ----------
    data
        The result of `group_flow`, or the older snapshot. A tuple of the older and the newer snapshot is also
        accepted.
    new
        The newer snapshot. Omit it if `data` is a result of `group_flow` or a tuple.
    groups, priority
        The groups to distinguish and their priority, as in `group_flow`. `groups` is ignored if `data` is a result of
        `group_flow`. With such a table, pass the `priority` of the table to draw its state "(several)".
    top
        The maximum number of groups to draw separately. The largest groups are drawn, and all other groups are
        combined into "(other groups)". None draws all groups. Fewer groups are drawn if `ax` is too small.
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
    priority = as_list(priority, "priority")
    table = data if new is None else group_flow(data, new, groups, priority=priority)
    notes = []
    drawn = table
    if not table.empty:
        notes = [_describe_stay(table)]
    if not priority:
        is_several = (table["from_group"] == SEVERAL) | (table["to_group"] == SEVERAL)
        drawn = table[~is_several]
        if is_several.any():
            n = int(table["n"][is_several].sum())
            are = agree(n, "is", "are")
            notes.append(
                f"{pluralize(n, 'customer')} in several groups {are} not drawn; pass priority= to include them"
            )
    if drawn.empty:
        reason = "; ".join(notes[1:]) or "no customers in these groups"
        return empty_chart(ax or new_axes(8.0, 3.0), _HEADING, reason, title)
    if ax is not None:
        # Subtract two lines for "(other groups)" and "(none)", which are drawn below the groups.
        n_lines = int(0.7 * area_in_points(ax)[1] / (_LINE * label_font(ax))) - 2
        top = max(n_lines, 1) if top is None else min(top, max(n_lines, 1))
    moves, n_others = _combine_small_groups(drawn, top)
    states = _order_states(moves)
    ax = ax or new_axes(8.5, max(4.0, 1.5 + 0.36 * len(states)))
    if n_others:
        notes.append(f"(other groups) combines {n_others:,} smaller groups")
    _draw_chart(ax, moves, states, notes, title)
    return ax


def _describe_stay(table: pd.DataFrame) -> str:
    """Return a note that states how many customers stayed in the same group or set of groups."""
    n_stayed, n = int(table["n_stayed"].sum()), int(table["n"].sum())
    return f"{n_stayed:,} of {pluralize(n, 'customer')} stayed in the same group or set of groups"


def _draw_chart(ax: Axes, moves: pd.DataFrame, states: list[str], notes: list[str], title: str | None) -> None:
    """Draw the heading, which determines the size of the Axes, and then the columns and the bands."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    show_spines(ax)
    Heading(_HEADING, notes, title).settle(ax)
    total = int(moves["n"].sum())
    gap = 0.25 * total / max(len(states), 4)
    before = _Column.stack(moves, "from_group", states, gap)
    after = _Column.stack(moves, "to_group", states, gap)
    height = max(before.height, after.height)
    width, height_in_points = size_in_points(ax)
    font = min(label_font(ax), max(0.9 * height_in_points / (_LINE * (len(states) + 1)), 1.0))
    layout = _Layout(states, font, height, 1.01 * height / max(height_in_points - 2.4 * font, 9))
    ax.set_ylim(height * 1.01, -layout.text_height(2.4))
    labels = {column: _column_labels(ax, moves, states, column, font, 0.32 * width) for column in (before, after)}
    _draw_bands(ax, moves, before, after, layout)
    parts = [min((widest(ax, labels[column].values(), font) + 2 * font) / width, 0.45) for column in (before, after)]
    unit = 1 / (1 - sum(parts))
    ax.set_xlim(-parts[0] * unit, 1 + parts[1] * unit)
    for column, side in ((before, _LEFT), (after, _RIGHT)):
        _draw_column(ax, column, side, labels[column], layout)
    fit_when_settled(ax, partial(scale_texts, font, height_in_points))


@dataclass(frozen=True)
class _Layout:
    """The order of the states, the font size in points, and the height and unit of the y-axis."""

    states: list[str]
    font: float
    height: float
    unit: float  # The number of customers that one point represents.

    def text_height(self, n_lines: float) -> float:
        """Return the height of lines of text in y-axis units."""
        return n_lines * self.font * self.unit


@dataclass(frozen=True, eq=False)
class _Column:
    """One column of a flow chart, with each state's number of customers and start position on the y-axis."""

    n: dict[str, int]
    start: dict[str, float]
    height: float

    @classmethod
    def stack(cls, moves: pd.DataFrame, side: str, states: list[str], gap: float) -> _Column:
        """Create a chart column by stacking the states in the table column `side`, with a gap between them."""
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


_LEFT = _Side("before", 0.0, 0.0, -1, "right")
_RIGHT = _Side("after", 1.0, 1.0 - _BOX_WIDTH, 1, "left")


def _combine_small_groups(table: pd.DataFrame, top: int | None) -> tuple[pd.DataFrame, int]:
    """Return the moves with all but the `top` largest groups combined, and the number of combined groups."""
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


def _column_labels(
    ax: Axes, moves: pd.DataFrame, states: list[str], column: _Column, font: float, width: float
) -> dict[str, str]:
    """Return the label of each state in a column, which is its name and its number of customers."""
    names = dict(zip(moves["from_group"], moves["from_name"], strict=True))
    names |= dict(zip(moves["to_group"], moves["to_name"], strict=True))

    def labels(length: int) -> list[str]:
        short_names = dict(
            zip(states, display_names(states, [names[state] for state in states], length), strict=True)
        )
        return [f"{state if state in _STATE_STYLES else short_names[state]}  {n:,}" for state, n in column.n.items()]

    return dict(zip(column.n, fit_labels(ax, labels, font, width), strict=True))


def _state_style(ax: Axes, state: str, states: list[str]) -> tuple[str, str]:
    """Return the color and the hatch of a state. Groups with the same color have different hatches."""
    if state in _STATE_STYLES:
        strength, hatch = _STATE_STYLES[state]
        return shade(ax, strength), hatch
    turn, number = divmod(states.index(state), n_series_colors())
    return series_color(ax, number), _HATCHES[turn % len(_HATCHES)]


def _draw_bands(ax: Axes, moves: pd.DataFrame, before: _Column, after: _Column, layout: _Layout) -> None:
    """Draw a band for each pair of states, with the number of customers if there is enough space."""
    next_left, next_right = dict(before.start), dict(after.start)
    rank = {state: number for number, state in enumerate(layout.states)}
    rows = moves.assign(a=moves["from_group"].map(rank), b=moves["to_group"].map(rank)).sort_values(["a", "b"])
    behind, font = background(ax), max(0.85 * layout.font, MIN_FONT)
    readable_height = layout.text_height(1.3)
    for row in iter_rows(rows):
        left, right = next_left[row.from_group], next_right[row.to_group]
        next_left[row.from_group] += row.n
        next_right[row.to_group] += row.n
        color, hatch = _state_style(ax, row.from_group, layout.states)
        # Draw the edge of a thin band in the color of the band. An edge in the background color would hide the band.
        edge = behind if 4 * row.n >= readable_height else color
        band = _band_path(left, right, row.n)
        ax.add_patch(PathPatch(band, facecolor=color, edgecolor=edge, alpha=0.55, hatch=hatch, linewidth=0.5))
        if row.n >= readable_height:
            box = {"facecolor": behind, "alpha": 0.85, "linewidth": 0, "pad": 1.0}
            ax.text(0.06, left + row.n / 2, f"{row.n:,}", va="center", fontsize=font, color=ink(ax), bbox=box)


def _band_path(left: float, right: float, n: int) -> Path:
    """Return the outline of a band for n customers that starts at the y-position `left` and ends at `right`."""
    vertices = [
        *((0.03, left), (0.45, left), (0.55, right), (0.97, right)),
        *((0.97, right + n), (0.55, right + n), (0.45, left + n), (0.03, left + n), (0.03, left)),
    ]
    curve = [Path.CURVE4] * 3
    return Path(vertices, [Path.MOVETO, *curve, Path.LINETO, *curve, Path.CLOSEPOLY])


def _draw_column(ax: Axes, column: _Column, side: _Side, labels: dict[str, str], layout: _Layout) -> None:
    """Draw the boxes and labels of one column of a flow chart."""
    centers = [column.start[state] + n / 2 for state, n in column.n.items()]
    positions = spread_positions(centers, layout.text_height(_LINE), layout.height)
    label_x = side.edge + side.direction * 0.02
    for (state, n), center, position in zip(column.n.items(), centers, positions, strict=True):
        color, hatch = _state_style(ax, state, layout.states)
        ax.add_patch(
            Rectangle(
                (side.box, column.start[state]),
                _BOX_WIDTH,
                n,
                facecolor=color,
                edgecolor=background(ax),
                hatch=hatch,
                linewidth=0,
            )
        )
        ax.plot([side.edge, label_x], [center, position], color=shade(ax, 0.45), linewidth=0.6)
        ax.annotate(
            labels[state],
            (label_x, position),
            (2 * side.direction, 0),
            textcoords="offset points",
            va="center",
            ha=side.label_alignment,
            fontsize=layout.font,
            color=ink(ax),
            **LITERAL,
        )
    ax.annotate(
        side.title,
        (side.edge - side.direction * _BOX_WIDTH, 0),
        (0, 0.8 * layout.font),
        textcoords="offset points",
        ha=side.label_alignment,
        va="bottom",
        fontsize=layout.font,
        color=ink(ax),
        weight="bold",
    )
