"""Helper functions for charts: colors, headings, labels, axes, and the detection of result tables."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, MaxNLocator

from frgroups.internals.typing import FloatArray
from frgroups.snapshot.membership_matrix import MembershipMatrix

# The palette of Okabe and Ito is suitable for color-blind readers. The first three colors also differ in grayscale.
BLUE, SKY, ORANGE = "#0072B2", "#56B4E9", "#E69F00"
GREEN, VERMILLION, PURPLE = "#009E73", "#D55E00", "#CC79A7"
INK, PALE = "#222222", "#DDDDDD"


def new_axes(width: float, height: float) -> Axes:
    """Create a figure of the given size in inches and return its Axes."""
    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def empty_chart(ax: Axes, heading: str, reason: str) -> Axes:
    """Draw a heading and the reason why the chart has no data. Return the Axes."""
    ax.text(0.5, 0.5, reason, ha="center", va="center", transform=ax.transAxes, parse_math=False)
    ax.set_xticks([])
    ax.set_yticks([])
    show_spines(ax)
    return set_heading(ax, heading)


def set_heading(ax: Axes, heading: str, notes: Sequence[str] = (), width: float | None = None) -> Axes:
    """
    Set the title of a chart to a heading, followed by notes such as the number of omitted groups. Return the Axes.

    `width` is the width available for the heading, in points. If it is None, the width of the Axes is used.
    """
    if width is None:
        width, _ = size_in_points(ax)
    inches = width / 72
    ax.set_title(
        wrap_heading(heading, notes, inches), loc="left", fontsize=10 if inches < 14 else 14, parse_math=False
    )
    return ax


def wrap_heading(heading: str, notes: Sequence[str], inches: float) -> str:
    """Wrap a heading and its notes to a width in inches."""
    width = max(int(inches / 0.09), 24)
    return "\n".join([*textwrap.wrap(heading, width), *textwrap.wrap("; ".join(notes), width)])


def show_spines(ax: Axes, *sides: Literal["left", "bottom"]) -> None:
    """Show only the given sides of the frame around the Axes."""
    for name, spine in ax.spines.items():
        spine.set_visible(name in sides)


def size_in_points(ax: Axes) -> tuple[float, float]:
    """Return the width and height of the Axes in points, before the layout reserves space for labels."""
    box = ax.get_window_extent()
    return 72 * box.width / ax.figure.dpi, 72 * box.height / ax.figure.dpi


def label_width(ax: Axes, n_characters: float, at_most: float = 0.35) -> float:
    """Return the approximate width of a label with n characters, as a fraction of the Axes width."""
    return min(at_most, 6.0 * n_characters / size_in_points(ax)[0])


def number_width(ax: Axes, number: int) -> float:
    """Return the approximate width of a formatted number, as a fraction of the Axes width."""
    return label_width(ax, len(f"{number:,}") + 1.5)


def spread_positions(preferred: Sequence[float], gap: float, last: float) -> FloatArray:
    """Return positions close to the preferred positions that are at least `gap` apart and not above `last`."""
    order = np.argsort(preferred, kind="stable")
    positions = np.array(preferred, dtype=float)
    rising = positions[order]
    for i in range(1, len(rising)):
        rising[i] = max(rising[i], rising[i - 1] + gap)
    rising[-1:] = np.minimum(rising[-1:], last)
    for i in reversed(range(len(rising) - 1)):
        rising[i] = min(rising[i], rising[i + 1] - gap)
    positions[order] = rising
    return positions


def is_table(data: Any, *columns: str) -> bool:
    """Return True if the data is a DataFrame with the given columns, which identify a result table."""
    return isinstance(data, pd.DataFrame) and set(columns) <= set(data.columns)


def unpack_pair(data: Any, new: Any) -> tuple[Any, Any]:
    """Return the older and the newer data. `data` can also be a tuple that contains both."""
    if isinstance(data, tuple) and len(data) == 2 and new is None:
        return data[0], data[1]
    return data, new


def select_largest(matrix: MembershipMatrix, top: int | None) -> MembershipMatrix:
    """Return a matrix that contains only the `top` largest groups, sorted by uid. None selects all groups."""
    if top is None or top >= matrix.n_groups:
        return matrix
    order = np.argsort(-matrix.sizes, kind="stable")[:top]
    return matrix.take_groups(np.sort(order))


def label_bar(ax: Axes, text: str, x: float, row: Any, *, side: Literal["left", "right"] = "right") -> None:
    """Draw a text label next to the end of a bar."""
    if side == "left":
        offset, alignment = -3, "right"
    else:
        offset, alignment = 3, "left"
    ax.annotate(
        text,
        (x, row),
        (offset, 0),
        textcoords="offset points",
        va="center",
        ha=alignment,
        fontsize=8,
        color=INK,
        parse_math=False,
    )


def name_rows(ax: Axes, names: list[str]) -> None:
    """Label the rows of a chart from top to bottom, and reserve space for a legend below the last row."""
    ax.set_yticks(range(len(names)), labels=names, fontsize=8, parse_math=False)
    ax.set_ylim(len(names) + 0.9, -0.7)
    ax.tick_params(axis="y", length=0)
    show_spines(ax, "bottom")


def format_count_axis(axis: Axis, n_bins: int = 6) -> None:
    """Format the ticks of an axis as counts, which are integers with thousands separators and without a sign."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):,.0f}"))
    axis.set_major_locator(MaxNLocator(nbins=n_bins, integer=True))


def add_legend(ax: Axes, columns: int = 2) -> None:
    """Draw a legend below the last row of a chart."""
    ax.legend(loc="lower right", ncols=columns, fontsize=8, frameon=False, borderpad=0.1)
