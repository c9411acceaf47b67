"""What charts with a row for each group or value share: the names beside the rows, the axis, the legend."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from frgroups.plot.canvas import INK, open_frame


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
