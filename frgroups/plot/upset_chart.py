"""UpSet plot of combinations of groups, with bars above a matrix of dots."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, get_args

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.gridspec import GridSpecBase
from matplotlib.transforms import Bbox, BboxBase

from frgroups.analysis.intersections import OTHER, Mode, intersections
from frgroups.engines.memberships import collect_memberships
from frgroups.errors import InputError
from frgroups.internals.formatting import format_percentage, pluralize
from frgroups.internals.validation import check_choice
from frgroups.plot.axes import (
    Heading,
    describe_cut,
    format_count_axis,
    heading_text,
    is_table,
    label_axis,
    select_largest,
    show_spines,
    title_color,
    title_font,
)
from frgroups.plot.labels import fit_names
from frgroups.plot.layout import (
    MIN_FONT,
    area_in_points,
    available_area,
    fit_when_settled,
    has_layout_engine,
    place,
    scale_for_area,
    settle,
    shares_layout,
    size_in_points,
    text_size,
    widest,
)
from frgroups.plot.theme import LITERAL, ink, points, series_color, shade
from frgroups.snapshot.membership_matrix import MembershipMatrix

_HEADINGS = {
    "exclusive": "Customers in exactly these groups (exclusive)",
    "inclusive": "Customers in at least these groups (inclusive)",
}
_BARS_SHARE = 0.5  # Share of the width of the plot for the bars.
_LINE = 1.25  # Height of a line of text, as a multiple of the font size.
_MAX_PARTS = 200  # Maximum number of groups and of combinations, because matplotlib cannot draw larger plots.


def upset(
    data: Any,
    groups: Iterable[str] | None = None,
    *,
    mode: Mode | None = None,
    n_groups: int = 8,
    top: int = 20,
    title: str | None = None,
    ax: Axes | None = None,
    fig: Figure | SubFigure | None = None,
) -> dict[str, Axes]:
    """
    Draw the combinations of groups as an UpSet plot, with bars above a matrix of dots.

    Groups that are not drawn are ignored, so a customer's combination contains only drawn groups. See [1]_ for a
    description of the plot.

    Parameters
    ----------
    data
        A Snapshot, a table of memberships, or the result of `intersections`.
    groups
        The groups to combine, by uid or unique name. None selects the `n_groups` largest groups. Ignored if `data` is
        a result of `intersections`.
    mode
        "exclusive" or "inclusive", as in `intersections`. None uses the mode of the table, or "exclusive".
    n_groups
        The maximum number of groups to combine if `groups` is None, at most 200. Fewer groups are combined if `ax`
        or `fig` is too small.
    top
        The maximum number of combinations to draw, at most 200. The combinations with the most customers are drawn.
        Fewer combinations are drawn if `ax` or `fig` is too small.
    title
        The heading of the chart, drawn unchanged. None draws the default heading. Notes, such as the number of
        omitted groups, follow the heading. With an empty string, only the notes are drawn.
    ax
        The Axes to replace with the three parts of the plot.
    fig
        The figure or subfigure to fill. A figure without Axes and without a layout engine gets the constrained
        layout. If neither `ax` nor `fig` is given, a figure is created.

    Returns
    -------
    dict of str to matplotlib.axes.Axes
        The Axes named "intersections" (bars), "matrix" (dots), and "sizes" (group sizes), as in
        `matplotlib.figure.Figure.subplot_mosaic`.

    Raises
    ------
    InputError
        If `mode` is unknown or differs from the mode of the table, if both `ax` and `fig` are given, or if more than
        200 groups or combinations would be drawn.
    GroupNotFoundError
        If a group is unknown, or its name is not unique.

    References
    ----------
    .. [1] Lex, A., et al. (2014). UpSet: visualization of intersecting sets. IEEE Transactions on Visualization and
       Computer Graphics 20.

    Examples
    --------
    >>> from frgroups import plot
    >>> axes = plot.upset(sample_snapshot())
    >>> [text.get_text() for text in axes["intersections"].texts]
    ['248', '2', '1']
    """
    mode = _select_mode(data, mode)
    if ax is not None and fig is not None:
        raise InputError("`ax` and `fig` cannot be passed together. Pass only one of them.")
    place_of_plot = ax if ax is not None else fig
    if place_of_plot is not None:
        area = _available_size(place_of_plot)
        top = min(top, max(int(_BARS_SHARE * area[0] / (_LINE * MIN_FONT)), 1))
        n_groups = min(n_groups, max(int(0.45 * area[1] / (_LINE * MIN_FONT)), 1))
    notes: list[str] = []
    if is_table(data, "groups"):
        table, all_groups = data, _groups_of_table(data, mode)
    else:
        matrix = collect_memberships(data)
        chosen = select_largest(matrix, n_groups) if groups is None else matrix.select(groups)
        _check_n_parts(chosen.n_groups, "groups")
        if groups is None and chosen.n_groups < matrix.n_groups:
            notes.append(f"the largest {describe_cut(chosen.n_groups, matrix.n_groups)}")
        # Compute all exclusive combinations, because the title states their number.
        # Compute only the `top` largest inclusive combinations, because there can be too many of them to count.
        table = intersections(chosen, mode=mode, top=None if mode == "exclusive" else top)
        all_groups = _groups_of_matrix(chosen)
    all_groups = all_groups.sort_values(["n", "customer_group_uid"], ascending=[False, True], ignore_index=True)
    drawn = table[table["groups"] != OTHER].head(top)
    _check_n_parts(len(all_groups), "groups")
    _check_n_parts(len(drawn), "combinations")
    notes.append(_describe_selection(table, drawn, mode))
    if place_of_plot is None:
        place_of_plot = _create_figure(len(drawn), len(all_groups))
    plot = _UpsetPlot.create(place_of_plot, len(all_groups))
    plot.write_heading(_HEADINGS[mode], notes, title)
    if drawn.empty:
        plot.write_message("no customers in groups")
        return plot.parts
    # If combinations were omitted from the table, the group sizes are lower bounds, and the axis label states this.
    is_cut = is_table(data, "groups") and _has_rest(data)
    plot.draw(drawn, all_groups, "group size (at least)" if is_cut else "group size")
    return plot.parts


def _available_size(place_of_plot: Axes | Figure | SubFigure) -> tuple[float, float]:
    """Return the size of the given Axes or figure in points."""
    if isinstance(place_of_plot, Axes):
        return area_in_points(place_of_plot)
    box, dpi = place_of_plot.bbox, place_of_plot.dpi
    return 72 * box.width / dpi, 72 * box.height / dpi


def _create_figure(n_combinations: int, n_groups: int) -> Figure:
    """Create a figure that is large enough for the plot."""
    scale = max(rcParams["font.size"] / 10, 1.0)
    width = max(4.2 + 0.3 * n_combinations, 7.5)
    size = (scale * width, scale * (3.6 + 0.3 * n_groups))
    return plt.figure(figsize=size, layout="constrained")


def _check_n_parts(n: int, what: str) -> None:
    """Raise InputError if the plot would contain too many groups or combinations."""
    if n > _MAX_PARTS:
        argument = "`top`" if what == "combinations" else "`n_groups` or `groups`"
        raise InputError(
            f"An UpSet plot can contain at most {_MAX_PARTS} {what}, got {n:,}.",
            hint=f"Pass fewer {what} with {argument}.",
        )


@dataclass(frozen=True, eq=False)
class _UpsetPlot:
    """The bars, dots, and group sizes of an UpSet plot, which replace other Axes or fill a figure."""

    place: Axes | Figure | SubFigure
    bars: Axes
    dots: Axes
    sides: Axes
    size: tuple[float, float]  # The available width and height in points.
    is_laid_out: bool  # True if a layout engine determines the positions of the three Axes.

    @classmethod
    def create(cls, place_of_plot: Axes | Figure | SubFigure, n_groups: int) -> _UpsetPlot:
        """Create the Axes for the bars, the dots, and the sizes on a figure, or at the position of other Axes."""
        size = _available_size(place_of_plot)
        ratios: dict[str, Any] = {
            "width_ratios": [1 - _BARS_SHARE - 0.2, _BARS_SHARE + 0.2],
            "height_ratios": [2.4, max(0.3 * n_groups, 0.6)],
        }
        spec = None
        figure: Any = place_of_plot
        if isinstance(place_of_plot, Axes):
            place_of_plot.set_axis_off()
            spec, figure = place_of_plot.get_subplotspec(), place_of_plot.figure
        elif isinstance(place_of_plot, Figure) and not place_of_plot.axes and not place_of_plot.get_layout_engine():
            place_of_plot.set_layout_engine("constrained")
        # The dots share the x-axis with the bars and the y-axis with the sizes, so that columns and rows are aligned.
        if isinstance(place_of_plot, Axes) and spec is None:
            rectangle = place_of_plot.get_position().bounds
            bars = figure.add_axes(rectangle)
            dots = figure.add_axes(rectangle, sharex=bars)
            sides = figure.add_axes(rectangle, sharey=dots)
        else:
            grid: GridSpecBase = spec.subgridspec(2, 2, **ratios) if spec else figure.add_gridspec(2, 2, **ratios)
            bars = figure.add_subplot(grid[0, 1])
            dots = figure.add_subplot(grid[1, 1], sharex=bars)
            sides = figure.add_subplot(grid[1, 0], sharey=dots)
        return cls(place_of_plot, bars, dots, sides, size, has_layout_engine(bars))

    @property
    def parts(self) -> dict[str, Axes]:
        """The three Axes, keyed by the names that `upset` documents."""
        return {"intersections": self.bars, "matrix": self.dots, "sizes": self.sides}

    @property
    def scale(self) -> float:
        """The factor, at most 1, by which the font sizes of `rcParams` are multiplied."""
        return scale_for_area(*self.size)

    @property
    def font(self) -> float:
        """The font size of names and numbers in points."""
        return max(points("ytick.labelsize", 0.85) * self.scale, MIN_FONT)

    def write_heading(self, heading: str, notes: list[str], title: str | None) -> None:
        """Draw the heading and its notes above the plot."""
        place_of_plot = self.place
        if isinstance(place_of_plot, Axes):
            area, pixel = available_area(place_of_plot), place_of_plot.figure.dpi / 72
            left, width = 0.0, 0.97 * self.size[0]
            if self.is_laid_out and shares_layout(place_of_plot):
                settle(place_of_plot)
                right = max(part.get_window_extent().x1 for part in (self.bars, self.dots))
                width = 0.9 * (right - place_of_plot.get_window_extent().x0) / pixel
            elif not self.is_laid_out:
                left = (place_of_plot.get_window_extent().x0 - area.x0) / pixel - 4
            Heading(heading, notes, title, lambda _: left).draw(place_of_plot, width)
            if self.is_laid_out:
                # The layout reserves space only for the titles of the new Axes.
                # Give the bars a blank title with the same number of lines, so that the bars do not overlap the
                # heading.
                n_lines = place_of_plot.get_title(loc="left").count("\n") + 1
                self.bars.set_title("\n".join(" " * n_lines), fontsize=title_font(place_of_plot))
            return
        font = max(points("axes.titlesize", 0.85) * self.scale, MIN_FONT)
        text = heading_text(self.bars, heading, notes, title, 0.97 * self.size[0], font)
        place_of_plot.suptitle(text, x=0.01, ha="left", fontsize=font, color=title_color(self.bars), **LITERAL)

    def write_message(self, message: str) -> None:
        """Draw a message instead of the plot."""
        for part in (self.bars, self.dots, self.sides):
            part.set_axis_off()
        self.settle(0.0, 1)
        self.bars.text(
            0.5, 0.5, message, ha="center", transform=self.bars.transAxes, fontsize=self.font, color=ink(self.bars)
        )

    def draw(self, drawn: pd.DataFrame, groups: pd.DataFrame, size_label: str) -> None:
        """Draw the bars, dots, and sizes."""
        n = list(drawn["n"])
        uids, names = list(groups["customer_group_uid"]), list(groups["name"])
        labels = fit_names(self.bars, uids, names, self.font, 0.31 * self.size[0])
        _draw_bars(self.bars, n, self.font)
        _draw_sizes(self.sides, list(groups["n"]), size_label, self.font)
        _draw_names(self.dots, labels, self.font)
        self.settle(widest(self.bars, labels, self.font), len(labels))
        row_height = size_in_points(self.dots)[1] / len(labels)
        column_width = size_in_points(self.dots)[0] / len(n)
        font = min(self.font, row_height / _LINE)
        _fit_names(self.dots)
        fit_when_settled(self.dots, _fit_names)
        _draw_dots(self.dots, drawn["groups"], uids, min(6.0, 0.6 * row_height, 0.7 * column_width))
        _label_bars(self.bars, n, self.font, column_width)
        _label_sizes(self.sides, list(groups["n"]), font)

    def settle(self, name_width: float, n_rows: int) -> None:
        """
        Determine the positions of the three Axes.

        Without a layout engine, the Axes fill the available area. The names are between the sizes and the dots.
        """
        if self.is_laid_out:
            settle(self.bars)
            return
        pixel, font = self.bars.figure.dpi / 72, self.font
        region = self._region()
        side_width = max(0.17 * region.width, 30 * pixel)
        name_width = (name_width + 10) * pixel
        dots_top = region.y0 + 1.8 * font * pixel + min(2.0 * font * n_rows * pixel, 0.5 * region.height)
        bars_bottom = dots_top + 0.8 * font * pixel
        bars_top = region.y1 - 0.5 * font * pixel
        inner, outer = self.bars.get_window_extent(), self.bars.get_tightbbox()
        decoration = 0.0 if outer is None else inner.x0 - outer.x0
        x0 = region.x0 + max(side_width + name_width, decoration)
        bottom = region.y0 + 1.8 * font * pixel
        place(self.bars, Bbox.from_extents(x0, bars_bottom, region.x1, max(bars_top, bars_bottom + 9)))
        place(self.dots, Bbox.from_extents(x0, bottom, region.x1, dots_top))
        place(self.sides, Bbox.from_extents(region.x0, bottom, max(x0 - name_width, region.x0 + 9), dots_top))

    def _region(self) -> Bbox:
        """Return the area, in pixels, that is available below the heading."""
        if isinstance(self.place, Axes):
            settle(self.place)
            area: BboxBase = available_area(self.place)
            below = self.place.get_window_extent().y1
            pad = 0.0 if self.place.get_subplotspec() is None else 4 * self.place.figure.dpi / 72
        else:
            area, pad = self.place.bbox, 4 * self.place.dpi / 72
            headings = [text for text in self.place.texts if text.get_text() == self.place.get_suptitle()]
            below = min((text.get_window_extent().y0 for text in headings), default=area.y1)
        return Bbox.from_extents(area.x0 + pad, area.y0 + pad, area.x1 - pad, below - pad)


def _select_mode(data: Any, mode: Mode | None) -> Mode:
    """Return the given mode, the table's mode, or "exclusive". Raise InputError if both modes are set and differ."""
    if mode is not None:
        check_choice(mode, "mode", get_args(Mode))
    if not is_table(data, "groups", "mode") or data.empty:
        return mode or "exclusive"
    table_modes = sorted(set(data["mode"]))
    if mode is None and len(table_modes) == 1 and table_modes[0] in get_args(Mode):
        mode = table_modes[0]
    if mode is None or table_modes != [mode]:
        raise InputError(f"`mode` must match the mode of the table ({' and '.join(table_modes)}), got {mode!r}.")
    return mode


def _groups_of_matrix(matrix: MembershipMatrix) -> pd.DataFrame:
    """Return the groups in a membership matrix as a table with the columns customer_group_uid, name, and n."""
    names = matrix.group_names
    return pd.DataFrame({"customer_group_uid": matrix.group_uids, "name": names, "n": matrix.sizes})


def _groups_of_table(table: pd.DataFrame, mode: Mode) -> pd.DataFrame:
    """
    Return the groups in an `intersections` table, with the columns customer_group_uid, name, and n.

    The group sizes in the column n are lower bounds if combinations were omitted from the table.
    """
    rows = table.loc[table["groups"] != OTHER, ["groups", "degree", "n"]].explode("groups")
    if mode == "inclusive":
        rows["n"] = rows["n"].where(rows["degree"] == 1, 0)
    n = rows.astype({"groups": "str"}).groupby("groups")["n"].sum()
    return pd.DataFrame({"customer_group_uid": n.index, "name": n.index, "n": n.array})


def _has_rest(table: pd.DataFrame) -> bool:
    """Return True if combinations were omitted from an `intersections` table."""
    return bool((table["groups"] == OTHER).any())


def _describe_selection(table: pd.DataFrame, drawn: pd.DataFrame, mode: Mode) -> str:
    """Describe the number of drawn combinations and the number of customers in the groups."""
    n_customers = 0
    if (table["groups"] != OTHER).any():
        n_customers = round(table["n"].iloc[0] / table["share"].iloc[0])
    customers = f"{pluralize(n_customers, 'customer')} in these groups"
    if len(drawn) == len(table):
        return customers
    if mode == "exclusive":
        customers = f"{format_percentage(drawn['share'].sum())} of {customers}"
    if _has_rest(table):  # The total number of combinations is unknown if the table omits some.
        return f"the {len(drawn):,} largest combinations, {customers}"
    return f"{describe_cut(len(drawn), len(table), 'combination')}, {customers}"


def _draw_bars(ax: Axes, n: list[int], font: float) -> None:
    """Draw the number of customers of each combination as bars."""
    ax.bar(range(len(n)), n, width=0.62, color=shade(ax, 0.85))
    ax.set_xlim(-0.7, len(n) - 0.3)
    ax.grid(False)
    label_axis(ax.yaxis, "customers", fontsize=font)
    format_count_axis(ax.yaxis, n_bins=5)
    ax.tick_params(axis="x", length=0, labelbottom=False)
    ax.tick_params(axis="y", labelsize=font)
    show_spines(ax, "left")


def _label_bars(ax: Axes, n: list[int], font: float, column_width: float) -> None:
    """Draw the number of customers above each bar. Numbers that are wider than a column are rotated."""
    height = size_in_points(ax)[1]
    width = max(text_size(ax, f"{value:,}", font)[0] for value in n)
    rotation, needed = 0, 1.2 * font
    if width > 0.9 * column_width:
        font = max(min(font, column_width / 1.1), 0.75 * MIN_FONT)
        rotation, needed = 90, max(text_size(ax, f"{value:,}", font)[0] for value in n)
    for position, value in enumerate(n):
        ax.annotate(
            f"{value:,}",
            (position, value),
            (0, 2),
            textcoords="offset points",
            ha="center",
            va="bottom",
            rotation=rotation,
            fontsize=font,
            color=ink(ax),
        )
    ax.set_ylim(0, max(*n, 1) / max(1 - (needed + 3) / height, 0.3))
    format_count_axis(ax.yaxis, n_bins=max(min(int(height / (2.5 * font)), 5), 1))


def _draw_names(ax: Axes, names: list[str], font: float) -> None:
    """Draw the names of the groups to the left of the dots."""
    for row in range(0, len(names), 2):
        ax.axhspan(row - 0.5, row + 0.5, color=shade(ax, 0.06), zorder=0)
    ax.set_yticks(range(len(names)), labels=names, fontsize=font, **LITERAL)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.grid(False)
    show_spines(ax)


def _fit_names(ax: Axes) -> None:
    """Reduce the font size of the group names to fit the height of a row."""
    row_height = size_in_points(ax)[1] / len(ax.get_yticks())
    font = float(ax.get_yticklabels()[0].get_fontsize())
    ax.tick_params(axis="y", labelsize=min(font, row_height / _LINE))


def _draw_dots(ax: Axes, combinations: pd.Series, uids: list[str], diameter: float) -> None:
    """Draw a column of connected dots for each combination, with one dot for each of its groups."""
    row_of = {uid: row for row, uid in enumerate(uids)}
    color, area = shade(ax, 0.85), diameter**2
    x, y = np.meshgrid(range(len(combinations)), range(len(uids)))
    ax.scatter(x, y, s=area, color=shade(ax, 0.18), linewidths=0, zorder=1)
    for column, groups in enumerate(combinations):
        rows = [row_of[uid] for uid in groups]
        ax.plot([column, column], [min(rows), max(rows)], color=color, linewidth=0.27 * diameter, zorder=2)
        ax.scatter([column] * len(rows), rows, s=area, color=color, linewidths=0, zorder=3)


def _draw_sizes(ax: Axes, n: list[int], label: str, font: float) -> None:
    """Draw the group sizes as horizontal bars that extend to the left."""
    ax.barh(range(len(n)), n, height=0.62, color=series_color(ax, 0))
    ax.set_xlim(max(*n, 1) * 1.7, 0)
    ax.tick_params(axis="y", length=0, labelleft=False)
    ax.set_xticks([])
    ax.grid(False)
    label_axis(ax.xaxis, label, fontsize=font, x=0, ha="left")
    show_spines(ax)


def _label_sizes(ax: Axes, n: list[int], font: float) -> None:
    """Draw the size of each group next to its bar, and leave enough space for the numbers."""
    width, limit = size_in_points(ax)[0], float(max(*n, 1))
    for row, value in enumerate(n):
        text = f"{value:,}"
        part = min((text_size(ax, text, font)[0] + 5) / width, 0.8)
        limit = max(limit, value / (1 - part))
        ax.annotate(
            text,
            (value, row),
            (-3, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=font,
            color=ink(ax),
        )
    ax.set_xlim(limit, 0)
