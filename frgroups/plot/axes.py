"""What every chart shares: colours, titles, room for text, and what is drawn where there is nothing."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from frgroups.internals.typing import FloatArray
from frgroups.snapshot.membership_matrix import MembershipMatrix

# Okabe & Ito's colours, told apart by the colour-blind; the first three also differ in grey.
BLUE, SKY, ORANGE = "#0072B2", "#56B4E9", "#E69F00"
GREEN, VERMILLION, PURPLE = "#009E73", "#D55E00", "#CC79A7"
INK, FAINT = "#222222", "#DDDDDD"


def new_axes(width: float, height: float) -> Axes:
    """The Axes of a figure of this size, in inches."""
    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def empty_chart(ax: Axes, heading: str, why: str) -> Axes:
    """The Axes with a title and, in place of a chart, the reason why there is nothing to draw."""
    ax.text(0.5, 0.5, why, ha="center", va="center", transform=ax.transAxes, parse_math=False)
    ax.set_xticks([])
    ax.set_yticks([])
    open_frame(ax)
    return titled(ax, heading, "")


def titled(ax: Axes, heading: str, cut: str, width: float | None = None) -> Axes:
    """The Axes with a heading, and below it what was left out; `width` in points is that of the Axes or given."""
    inches = (points(ax)[0] if width is None else width) / 72
    ax.set_title(wrapped(heading, cut, inches), loc="left", fontsize=10 if inches < 14 else 14, parse_math=False)
    return ax


def wrapped(heading: str, cut: str, inches: float) -> str:
    """A heading, and below it what was left out, in lines that fit this width."""
    width = max(int(inches / 0.09), 24)
    return "\n".join(line for part in (heading, cut) for line in textwrap.wrap(part, width))


def open_frame(ax: Axes, *sides: Literal["left", "bottom"]) -> None:
    """Leave only these sides of the frame."""
    for name, spine in ax.spines.items():
        spine.set_visible(name in sides)


def points(ax: Axes) -> tuple[float, float]:
    """Width and height of the Axes, in points; names and titles will take some of it."""
    box = ax.get_window_extent()
    return 72 * box.width / ax.figure.dpi, 72 * box.height / ax.figure.dpi


def percent(share: float) -> str:
    """A share in percent."""
    # Rounding must not turn "nearly all" into "all", nor some into none.
    if 0 < share < 0.005:
        return "<1 %"
    return f"{min(100 * share, 99.9):.1f} %" if 0.99 < share < 1 else f"{100 * share:.0f} %"


def room(ax: Axes, n_signs: float, most: float = 0.35) -> float:
    """The part of the width that a text of so many signs takes, at the size of the labels beside bars."""
    return min(most, 6.0 * n_signs / points(ax)[0])


def spread(wanted: Sequence[float], gap: float, last: float) -> FloatArray:
    """Places as near as may be to those wanted, each at least `gap` from the next, none after `last`."""
    order = np.argsort(wanted, kind="stable")
    places = np.array(wanted, dtype=float)
    at = places[order]
    for i in range(1, len(at)):
        at[i] = max(at[i], at[i - 1] + gap)
    at[-1:] = np.minimum(at[-1:], last)
    for i in reversed(range(len(at) - 1)):
        at[i] = min(at[i], at[i + 1] - gap)
    places[order] = at
    return places


def is_table(data: Any, column: str) -> bool:
    """Whether this is a table of results with that column, rather than a Snapshot or memberships."""
    return isinstance(data, pd.DataFrame) and column in data


def largest(matrix: MembershipMatrix, top: int | None) -> Sequence[str] | None:
    """The uids of the `top` largest groups; None, which is all, when there are no more."""
    if top is None or top >= matrix.n_groups:
        return None
    order = np.argsort(-matrix.sizes, kind="stable")[:top]
    return list(matrix.group_uids.take(order))


def beside(ax: Axes, text: str, x: float, row: Any, *, left: bool = False, size: float = 8) -> None:
    """A text right of where a bar ends, or left of it."""
    ax.annotate(
        text,
        (x, row),
        (-3 if left else 3, 0),
        textcoords="offset points",
        va="center",
        ha="right" if left else "left",
        fontsize=size,
        color=INK,
        parse_math=False,
    )


def name_rows(ax: Axes, names: list[str]) -> None:
    """The names beside the rows, the first on top, with room for a legend below the last."""
    ax.set_yticks(range(len(names)), labels=names, fontsize=8, parse_math=False)
    ax.set_ylim(len(names) + 0.9, -0.7)
    ax.tick_params(axis="y", length=0)
    open_frame(ax, "bottom")


def count_axis(ax: Axes, label: str) -> None:
    """The axis of a number of customers: whole, without signs, with thousands separators."""
    ax.set_xlabel(label)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):,.0f}"))
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))


def legend(ax: Axes, columns: int = 2) -> None:
    """What the marks mean, below the last row."""
    ax.legend(loc="lower right", ncols=columns, fontsize=8, frameon=False, borderpad=0.1)
