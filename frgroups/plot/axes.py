"""Draw the elements that several charts share, such as headings, labels, and axes, and detect result tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, MaxNLocator
from matplotlib.transforms import ScaledTranslation

from frgroups.internals.formatting import pluralize
from frgroups.plot.layout import (
    MIN_FONT,
    area_in_points,
    fit_when_settled,
    font_scale,
    free_width,
    layout_width,
    new_axes,
    settle,
    shares_layout,
    size_in_points,
    text_size,
    widest,
    wrap_to_width,
)
from frgroups.plot.theme import LITERAL, figure_background, ink, points, readable
from frgroups.snapshot.membership_matrix import MembershipMatrix

_LINE = 1.25  # Height of a line of text, as a multiple of the font size.
_LEGEND_GAP = 0.5  # Distance between the legend and the axis below it, as a multiple of the font size.


def title_font(ax: Axes) -> float:
    """Return the font size in points of the heading."""
    return max(points("axes.titlesize", 0.85) * font_scale(ax), MIN_FONT)


def label_font(ax: Axes) -> float:
    """Return the font size in points of group names, bar labels, and legends."""
    return max(points("ytick.labelsize", 0.85) * font_scale(ax), MIN_FONT)


def tick_font(ax: Axes) -> float:
    """Return the font size in points of tick labels."""
    return max(points("xtick.labelsize", 0.85) * font_scale(ax), MIN_FONT)


def scale_ticks(ax: Axes) -> None:
    """Set the font size of the tick labels to `tick_font`."""
    ax.tick_params(labelsize=tick_font(ax))


def empty_chart(ax: Axes, heading: str, reason: str, title: str | None = None) -> Axes:
    """Draw a heading and the reason why the chart has no data. Return the Axes."""
    font = label_font(ax)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    show_spines(ax)
    Heading(heading, title=title).settle(ax)
    lines = wrap_to_width(ax, reason, font, 0.95 * size_in_points(ax)[0])
    message = "\n".join(lines)
    place: dict[str, Any] = {"ha": "center", "va": "center", "transform": ax.transAxes}
    ax.text(0.5, 0.5, message, fontsize=font, color=ink(ax), **place, **LITERAL)
    return ax


@dataclass(frozen=True)
class Heading:
    """
    The title of a chart: a heading, followed by notes such as the number of omitted groups.

    If `title` is not None, it replaces the heading. The function `left` returns how many points to the left of the
    Axes the title starts. The function `width` returns the width from the left edge of the Axes that the title can
    use, in points. If `width` is None, the title can use the width that is available to the Axes.
    """

    heading: str
    notes: Sequence[str] = ()
    title: str | None = None
    left: Callable[[Axes], float] = lambda _: 0.0
    width: Callable[[Axes], float] | None = None

    def settle(self, ax: Axes) -> None:
        """
        Draw the title and determine the final position of the Axes.

        Layout engines ignore the width of titles. In a figure with several charts, the title is wrapped again when
        the engine changes the width of the Axes.
        """
        self.draw(ax, free_width(ax, self.left(ax)) if self.width is None else 1000.0)
        fit_when_settled(ax, self.fit)
        settle(ax)
        if self.width is not None:
            self.fit(ax)
            settle(ax)

    def fit(self, ax: Axes) -> None:
        """Wrap the title to the current width of the Axes."""
        left = self.left(ax)
        if self.width is not None:
            self.draw(ax, left + self.width(ax))
        elif shares_layout(ax):
            self.draw(ax, layout_width(ax, left))
        else:
            self.draw(ax, free_width(ax, left))

    def draw(self, ax: Axes, width: float) -> None:
        """Draw the title, wrapped to a width in points."""
        font = title_font(ax)
        text = ax.set_title(
            heading_text(ax, self.heading, self.notes, self.title, max(width, 8 * font), font),
            loc="left",
            fontsize=font,
            color=title_color(ax),
            **LITERAL,
        )
        shift = ScaledTranslation(-max(self.left(ax), 0.0) / 72, 0, ax.figure.dpi_scale_trans)
        text.set_transform(text.get_transform() + shift)


def scale_texts(font: float, height: float, ax: Axes) -> None:
    """Reduce the font size of the labels if the height of the Axes is less than `height` points."""
    scale = min(size_in_points(ax)[1] / height, 1.0)
    for text in ax.texts:
        text.set_fontsize(font * scale)


def name_indent(ax: Axes) -> float:
    """Return the distance in points between the left end of the longest group name and the Axes."""
    labels = ax.get_yticklabels()
    font = min((float(label.get_fontsize()) for label in labels), default=0.0)
    # Return at most 92% of the measured width, because text is up to 8% narrower in other resolutions.
    # With the full width, the title could start outside the figure, and layout engines ignore titles outside the
    # figure.
    return 0.92 * widest(ax, [label.get_text() for label in labels], font) + float(rcParams["ytick.major.pad"])


def heading_text(ax: Axes, heading: str, notes: Sequence[str], title: str | None, width: float, font: float) -> str:
    """Return the heading (or the title that replaces it) and the notes, wrapped to a width in points."""
    lines = wrap_to_width(ax, heading if title is None else title, font, width)
    return "\n".join(lines + wrap_to_width(ax, "; ".join(notes), font, width))


def title_color(ax: Axes) -> str:
    """Return the title color of `rcParams`, or black or white if the title color has too little contrast."""
    color = rcParams["axes.titlecolor"]
    return readable(rcParams["text.color"] if color == "auto" else color, figure_background(ax))


def describe_cut(n_drawn: int, n_all: int, what: str = "group") -> str:
    """
    Return a note that contains the number of drawn groups and the number of all groups.

    Examples
    --------
    >>> describe_cut(40, 200)
    '40 of 200 groups'
    """
    return f"{n_drawn:,} of {pluralize(n_all, what)}"


def show_spines(ax: Axes, *sides: Literal["left", "bottom"]) -> None:
    """Show only the given sides of the frame around the Axes."""
    for name, spine in ax.spines.items():
        spine.set_visible(name in sides)


def is_table(data: Any, *columns: str) -> bool:
    """Return True if the data is a DataFrame with the given columns, which identify a result table."""
    return isinstance(data, pd.DataFrame) and set(columns) <= set(data.columns)


def unpack_pair(data: Any, new: Any) -> tuple[Any, Any]:
    """Return the older and the newer data: the elements of `data` if it is a tuple, otherwise `data` and `new`."""
    if isinstance(data, tuple) and len(data) == 2 and new is None:
        return data[0], data[1]
    return data, new


def select_largest(matrix: MembershipMatrix, top: int | None) -> MembershipMatrix:
    """Return a matrix that contains only the `top` largest groups, sorted by uid. None selects all groups."""
    if top is None or top >= matrix.n_groups:
        return matrix
    order = np.argsort(-matrix.sizes, kind="stable")[:top]
    return matrix.take_groups(np.sort(order))


def row_axes(ax: Axes | None, n_rows: int, top: int | None, width: float, per_group: int = 1) -> tuple[Axes, int]:
    """
    Return the Axes for a chart of rows, and the maximum number of groups that fit on these Axes.

    If `ax` is None, the Axes belong to a new figure that is high enough for the first `top` groups. Otherwise, the
    number of groups is also limited by the height of the Axes. Each group has `per_group` rows.
    """
    n = n_rows if top is None else min(n_rows, top)
    if ax is None:
        return new_axes(width, 1.5 + 0.26 * max(n * per_group, 2)), n
    # Subtract the space for a title of three lines, for the axis at the bottom (three lines), and for the legend (two
    # lines).
    height = area_in_points(ax)[1] - _LINE * (3 * title_font(ax) + 5 * label_font(ax))
    return ax, min(n, max(int(height / (_LINE * MIN_FONT * per_group)), 1))


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
        fontsize=label_font(ax),
        color=ink(ax),
        **LITERAL,
    )


def name_rows(ax: Axes, names: Sequence[str], axis_label: str) -> None:
    """Label the rows of a chart from top to bottom, and the axis below the rows."""
    font = label_font(ax)
    ax.set_yticks(range(len(names)), labels=names, fontsize=font, **LITERAL)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.tick_params(axis="x", labelsize=tick_font(ax))
    label_axis(ax.xaxis, axis_label)
    ax.grid(False, axis="y")
    ax.set_axisbelow(True)
    show_spines(ax, "bottom")


def label_axis(axis: Axis, text: str, **style: Any) -> None:
    """Set the label of an axis, with a font size that fits the size of the Axes."""
    font = max(points("axes.labelsize", 0.85) * font_scale(axis.axes), MIN_FONT)
    axis.set_label_text(text, **{"fontsize": font, **LITERAL, **style})


def finish_rows(ax: Axes, heading: str, notes: Sequence[str], title: str | None) -> None:
    """
    Draw the heading of a chart of rows, determine the chart's layout, and fit the font size to the height of a row.

    If the chart has labeled artists, a legend is drawn below the last row.
    """
    # The limits of the x-axis do not leave space for the bar labels yet.
    # Exclude the bar labels from the layout, so that they do not make the Axes smaller.
    _set_in_layout(ax, False)
    chart_heading = Heading(heading, notes, title, name_indent)
    chart_heading.settle(ax)
    _add_legend(ax)
    fit_rows(ax)
    fit_when_settled(ax, fit_rows)
    # `fit_rows` can reduce the font size of the row names. Draw the title again, so that it starts above the names.
    chart_heading.fit(ax)
    _set_in_layout(ax, True)


def fit_rows(ax: Axes) -> None:
    """Leave space for the legend below the last row, and reduce the font size to fit the height of a row."""
    n_rows, (_, height), legend = len(ax.get_yticks()), size_in_points(ax), ax.get_legend()
    legend_height = 0.0
    if legend is not None:
        legend_height = 72 * legend.get_window_extent().height / ax.figure.dpi + (0.5 + _LEGEND_GAP) * label_font(ax)
    row_height = max(height - legend_height, 0.3 * height) / (n_rows + 0.2)
    ax.set_ylim(n_rows - 0.4 + legend_height / row_height, -0.6)
    font = min(label_font(ax), row_height / _LINE)
    ax.tick_params(axis="y", labelsize=font)
    for text in ax.texts:
        text.set_fontsize(font)


def _set_in_layout(ax: Axes, in_layout: bool) -> None:
    """Set whether layout engines consider the text labels on the Axes."""
    for text in ax.texts:
        text.set_in_layout(in_layout)


def _add_legend(ax: Axes) -> None:
    """Draw a legend in the lower right corner, in as few rows as possible."""
    handles, labels = ax.get_legend_handles_labels()
    if not handles:
        return
    font, (width, _) = label_font(ax), size_in_points(ax)
    handle_width = (rcParams["legend.handlelength"] + rcParams["legend.handletextpad"]) * font
    widths = [text_size(ax, label, font)[0] + handle_width + 1.2 * font for label in labels]
    n_columns = max((n for n in range(1, len(labels) + 1) if max(widths) * n <= width), default=1)
    ax.legend(
        loc="lower right",
        ncols=n_columns,
        fontsize=font,
        frameon=False,
        borderpad=0.1,
        borderaxespad=_LEGEND_GAP,
        columnspacing=1.2,
        labelspacing=0.2,
        labelcolor=ink(ax),
    )


def right_limit(ax: Axes, ends: Iterable[float], labels: Iterable[str]) -> float:
    """Return an upper limit of the x-axis that leaves enough space for the labels to the right of the bars."""
    width, limit = size_in_points(ax)[0], 1.0
    font = float(ax.texts[0].get_fontsize()) if ax.texts else label_font(ax)
    for end, label in zip(ends, labels, strict=True):
        part = min((text_size(ax, label, font)[0] + 6) / width, 0.8)
        limit = max(limit, end / (1 - part))
    return limit


def format_count_axis(axis: Axis, n_bins: int = 6) -> None:
    """Format the ticks of an axis as counts, which are integers with thousands separators and without a sign."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):,.0f}"))
    axis.set_major_locator(MaxNLocator(nbins=n_bins, integer=True))


def fit_x_ticks(ax: Axes, largest: float) -> None:
    """Format the x-axis as counts, with as many ticks as the width of the Axes allows."""
    font = label_font(ax)
    n_bins = int(size_in_points(ax)[0] / (1.6 * text_size(ax, f"{largest:,.0f}", font)[0] + font))
    format_count_axis(ax.xaxis, max(min(n_bins, 6), 1))


def name_width(ax: Axes) -> float:
    """Return the maximum width of a row name in points."""
    return 0.36 * area_in_points(ax)[0]


def reserve_width(ax: Axes, texts: Sequence[str]) -> float:
    """Return the fraction of the width of the Axes that the widest string needs, at most 0.6."""
    return min((widest(ax, texts, label_font(ax)) + 6) / size_in_points(ax)[0], 0.6)
