"""The chart of how customers moved between groups: two columns of groups, with bands between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from frgroups.analysis.describe import each
from frgroups.analysis.flow import NONE, SEVERAL, group_flow
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
    new_axes,
    open_frame,
    points,
    room,
    spread,
    titled,
)
from frgroups.plot.labels import display_names

_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, VERMILLION, SKY)
_OTHERS = "(other groups)"
# The states that are no group: a colour and a hatching of their own, below all others.
_WORDS = {_OTHERS: ("#8C8C8C", ""), SEVERAL: ("#B8B8B8", "...."), NONE: ("#DEDEDE", "////")}
_FONT = 8


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
    Where the customers of some groups were before, at the left, and where they are now: an alluvial chart.

    A band is as high as its number of customers and coloured by the group that they come from. "(none)" is in
    none of the groups, "(several)" in several of them without a priority. All but the `top` largest groups are
    taken together as "(other groups)". `data` is the table of `group_flow`, or the older snapshot with the newer
    one as `new`; `groups` and `priority` are those of `group_flow`.

    >>> from frgroups import plot
    >>> snapshot = sample_snapshot()
    >>> ax = plot.flow(snapshot.memberships[:-1], snapshot, priority=["vip", "all"])
    >>> [text.get_text() for text in ax.texts if "VIP" in text.get_text()]
    ['VIP  1', 'VIP  2']
    """
    if isinstance(data, tuple) and len(data) == 2 and new is None:
        data, new = data
    if new is None and not is_table(data, "from_group"):
        raise InputError("plot.flow takes the table of group_flow, or two snapshots: (old, new).")
    table = data if new is None else group_flow(data, new, groups, priority=priority)
    heading = "Where customers were, and where they are now"
    if table.empty:
        return empty_chart(ax or new_axes(8.0, 3.0), heading, "nobody was or is in these groups")
    moved, n_others = _largest(table, top)
    states = _states(moved)
    ax = ax or new_axes(8.5, max(4.0, 1.5 + 0.36 * len(states)))
    total = int(moved["n"].sum())
    gap = 0.25 * total / max(len(states), 4)
    before = _Column.of(moved, "from_group", states, gap)
    after = _Column.of(moved, "to_group", states, gap)
    height = max(before.height, after.height)
    ax.set_ylim(height * 1.01, -0.01 * height - 1.6 * _FONT * height / points(ax)[1])
    names = _labels(moved, states)
    _draw_bands(ax, moved, before, after, states, height)
    _draw_column(ax, before, 0.0, names, states, height)
    _draw_column(ax, after, 1.0, names, states, height)
    longest = max(map(len, names.values())) + 8
    part = room(ax, longest, 0.3)
    ax.set_xlim(-part / (1 - 2 * part) - 0.02, 1 + part / (1 - 2 * part) + 0.02)
    ax.set_xticks([])
    ax.set_yticks([])
    open_frame(ax)
    stayed = int(moved.loc[moved["from_group"] == moved["to_group"], "n"].sum())
    cut = f"{total:,} customers, of whom {stayed:,} stayed where they were"
    if n_others:
        cut += f"; (other groups) are {n_others:,} smaller ones taken together"
    return titled(ax, heading, cut)


@dataclass(frozen=True, eq=False)
class _Column:
    """The states of one side from the top down: how many customers each holds, and where it begins."""

    n: dict[str, int]
    start: dict[str, float]
    height: float

    @classmethod
    def of(cls, moved: pd.DataFrame, side: str, states: list[str], gap: float) -> _Column:
        sums = moved.groupby(side)["n"].sum()
        n = {state: int(sums[state]) for state in states if state in sums.index}
        start, at = {}, 0.0
        for state, count in n.items():
            start[state] = at
            at += count + gap
        return cls(n, start, at - gap)


def _largest(table: pd.DataFrame, top: int | None) -> tuple[pd.DataFrame, int]:
    """The flows with all but the largest groups taken together, and how many groups those are."""
    sides = [table.groupby(side)["n"].sum() for side in ("from_group", "to_group")]
    sizes = pd.concat(sides, axis=1).max(axis=1).drop([NONE, SEVERAL], errors="ignore")
    order = sizes.sort_values(ascending=False, kind="stable").index
    others = list(order[len(order) if top is None else top :])
    if len(others) < 2:  # One alone needs no more room than what would stand for it.
        others = []
    moved = table[["from_group", "to_group", "from_name", "to_name", "n"]].copy()
    for side in ("from", "to"):
        one_of_them = moved[f"{side}_group"].isin(others)
        moved[[f"{side}_group", f"{side}_name"]] = moved[[f"{side}_group", f"{side}_name"]].mask(one_of_them, _OTHERS)
    keys = ["from_group", "to_group", "from_name", "to_name"]
    return moved.groupby(keys, sort=False, as_index=False).agg({"n": "sum"}), len(others)


def _states(moved: pd.DataFrame) -> list[str]:
    """The states in the order of the table, those that are no group below."""
    seen = dict.fromkeys([*moved["from_group"], *moved["to_group"]])
    return [state for state in seen if state not in _WORDS] + [word for word in _WORDS if word in seen]


def _labels(moved: pd.DataFrame, states: list[str]) -> dict[str, str]:
    name_of = dict(zip(moved["from_group"], moved["from_name"], strict=True))
    name_of |= dict(zip(moved["to_group"], moved["to_name"], strict=True))
    return dict(zip(states, display_names(states, [name_of[state] for state in states]), strict=True))


def _look(state: str, states: list[str]) -> tuple[str, str]:
    """Its colour and hatching; groups of the same colour differ in hatching."""
    if state in _WORDS:
        return _WORDS[state]
    turn, at = divmod(states.index(state), len(_COLOURS))
    return _COLOURS[at], ("", "\\\\\\\\", "xxxx")[turn % 3]


def _draw_bands(
    ax: Axes, moved: pd.DataFrame, before: _Column, after: _Column, states: list[str], height: float
) -> None:
    at_left, at_right = dict(before.start), dict(after.start)
    place = {state: number for number, state in enumerate(states)}
    rows = moved.assign(a=moved["from_group"].map(place), b=moved["to_group"].map(place)).sort_values(["a", "b"])
    readable = 1.1 * _FONT * height / points(ax)[1]
    for row in each(rows):
        left, right = at_left[row.from_group], at_right[row.to_group]
        at_left[row.from_group] += row.n
        at_right[row.to_group] += row.n
        colour, hatch = _look(row.from_group, states)
        band = _band(left, right, row.n)
        # A thin one would be lost in a white edge.
        edge = "white" if 4 * row.n >= readable else colour
        ax.add_patch(PathPatch(band, facecolor=colour, edgecolor=edge, alpha=0.55, hatch=hatch, linewidth=0.5))
        if row.n >= readable:
            ax.text(0.06, left + row.n / 2, f"{row.n:,}", va="center", fontsize=7, color=INK)


def _band(left: float, right: float, n: int) -> Path:
    vertices = [
        *((0.03, left), (0.45, left), (0.55, right), (0.97, right)),
        *((0.97, right + n), (0.55, right + n), (0.45, left + n), (0.03, left + n), (0.03, left)),
    ]
    curve = [Path.CURVE4] * 3
    return Path(vertices, [Path.MOVETO, *curve, Path.LINETO, *curve, Path.CLOSEPOLY])


def _draw_column(
    ax: Axes, column: _Column, x: float, names: dict[str, str], states: list[str], height: float
) -> None:
    left = x == 0.0
    middles = [column.start[state] + n / 2 for state, n in column.n.items()]
    places = spread(middles, 1.4 * _FONT * height / points(ax)[1], height)
    outside, edge = (-1, 0.0) if left else (1, 1.0)
    for (state, n), middle, at in zip(column.n.items(), middles, places, strict=True):
        colour, hatch = _look(state, states)
        ax.add_patch(
            Rectangle(
                (0.0 if left else 0.97, column.start[state]),
                0.03,
                n,
                facecolor=colour,
                edgecolor="white",
                hatch=hatch,
                linewidth=0,
            )
        )
        ax.plot([edge, edge + outside * 0.02], [middle, at], color="#999999", linewidth=0.6)
        ax.annotate(
            f"{names[state]}  {n:,}",
            (edge + outside * 0.02, at),
            (2 * outside, 0),
            textcoords="offset points",
            va="center",
            ha="right" if left else "left",
            fontsize=_FONT,
            color=INK,
            parse_math=False,
        )
    ax.annotate(
        "before" if left else "now",
        (edge, 0),
        (0, 6),
        textcoords="offset points",
        ha="left" if left else "right",
        fontsize=_FONT,
        color=INK,
        weight="bold",
    )
