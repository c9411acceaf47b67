"""UpSet plot of combinations of groups, with bars above a matrix of dots."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, get_args

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.gridspec import GridSpec, GridSpecBase

from frgroups.analysis.intersections import OTHER, Mode, intersections
from frgroups.errors import InputError
from frgroups.internals.formatting import format_percentage
from frgroups.internals.validation import check_choice
from frgroups.plot.axes import (
    BLUE,
    INK,
    PALE,
    format_count_axis,
    is_table,
    select_largest,
    set_heading,
    show_spines,
    size_in_points,
    wrap_heading,
)
from frgroups.plot.labels import display_names, short_name
from frgroups.snapshot.membership_matrix import MembershipMatrix, as_membership_matrix

_HEADINGS = {
    "exclusive": "Customers in exactly these groups (exclusive)",
    "inclusive": "Customers in at least these groups (inclusive)",
}
_MAX_PARTS = 200  # A plot with more groups or combinations is larger than matplotlib can draw.


def upset(
    data: Any,
    groups: Iterable[str] | None = None,
    *,
    mode: Mode | None = None,
    n_groups: int = 8,
    top: int = 20,
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
        The number of groups to combine if `groups` is None, at most 200.
    top
        The number of combinations to draw, at most 200. The combinations with the most customers are drawn.
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
    notes: list[str] = []
    if is_table(data, "groups"):
        table, all_groups = data, _groups_of_table(data, mode)
    else:
        matrix = as_membership_matrix(data)
        chosen = select_largest(matrix, n_groups) if groups is None else matrix.select(groups)
        _check_n_parts(chosen.n_groups, "groups")
        if groups is None and chosen.n_groups < matrix.n_groups:
            notes.append(f"showing the {chosen.n_groups:,} largest of {matrix.n_groups:,} groups")
        # The title states the number of exclusive combinations. Inclusive combinations can be too many to count.
        table = intersections(chosen, mode=mode, top=None if mode == "exclusive" else top)
        all_groups = _groups_of_matrix(chosen)
    all_groups = all_groups.sort_values(["n", "customer_group_uid"], ascending=[False, True], ignore_index=True)
    drawn = table[table["groups"] != OTHER].head(top)
    _check_n_parts(len(all_groups), "groups")
    _check_n_parts(len(drawn), "combinations")
    notes.append(_describe_selection(table, drawn, mode))
    names = list(all_groups["label"])
    place = ax if ax is not None else _prepare_figure(fig, len(drawn), names)
    bars, dots, sides = _add_parts(place, [1.6, max(0.4 * len(drawn), 2)], [2.4, max(0.3 * len(names), 0.6)])
    _write_heading(place, bars, _HEADINGS[mode], notes)
    if drawn.empty:
        dots.set_axis_off()
        sides.set_axis_off()
        bars.text(0.5, 0.5, "no customers in groups", ha="center", transform=bars.transAxes)
        bars.set_axis_off()
    else:
        _draw_bars(bars, drawn["n"])
        _draw_dots(dots, drawn["groups"], list(all_groups["customer_group_uid"]), names)
        # If combinations were omitted from the table, the group sizes are lower bounds.
        is_cut = is_table(data, "groups") and _has_rest(data)
        _draw_sizes(sides, all_groups["n"], "group size (at least)" if is_cut else "group size")
    return {"intersections": bars, "matrix": dots, "sizes": sides}


def _check_n_parts(n: int, what: str) -> None:
    """Raise InputError if the plot would contain too many groups or combinations."""
    if n > _MAX_PARTS:
        argument = "`top`" if what == "combinations" else "`n_groups` or `groups`"
        raise InputError(
            f"An UpSet plot can contain at most {_MAX_PARTS} {what}, got {n:,}.",
            hint=f"Pass fewer {what} with {argument}.",
        )


def _write_heading(place: Axes | Figure | SubFigure, bars: Axes, heading: str, notes: list[str]) -> None:
    """Draw the heading and its notes above the chart."""
    if not isinstance(place, Axes):
        place.suptitle(wrap_heading(heading, notes, place.bbox.width / place.dpi), x=0.01, ha="left", fontsize=10)
        return
    # The layout reserves space only for the titles of the new Axes. A blank title moves the bars below the heading.
    n_lines = set_heading(place, heading, notes).get_title(loc="left").count("\n") + 1
    bars.set_title("\n".join(" " * n_lines), fontsize=10)


def _prepare_figure(fig: Figure | SubFigure | None, n: int, names: list[str]) -> Figure | SubFigure:
    """Return the given figure, or create a figure that is large enough for n combinations."""
    if fig is None:
        width = 3.0 + 0.075 * max(map(len, names), default=0) + 0.4 * n
        return plt.figure(figsize=(max(width, 7.5), 3.6 + 0.3 * len(names)), layout="constrained")
    if isinstance(fig, Figure) and fig.get_layout_engine() is None and not fig.axes:
        fig.set_layout_engine("constrained")
    return fig


def _add_parts(
    place: Axes | Figure | SubFigure, widths: list[float], heights: list[float]
) -> tuple[Axes, Axes, Axes]:
    """Add the Axes of the bars, the dots, and the sizes to a figure, or in the place of another Axes."""
    ratios: dict[str, Any] = {"width_ratios": widths, "height_ratios": heights}
    if not isinstance(place, Axes):
        grid: GridSpecBase = place.add_gridspec(2, 2, **ratios)
        return _add_shared_axes(place.add_subplot, grid[0, 1], grid[1, 1], grid[1, 0])
    place.set_axis_off()
    fig, spec = place.figure, place.get_subplotspec()
    if spec is not None:
        grid = spec.subgridspec(2, 2, **ratios)
        return _add_shared_axes(fig.add_subplot, grid[0, 1], grid[1, 1], grid[1, 0])
    # Axes without a SubplotSpec have a fixed position, so the new Axes are also placed at fixed positions.
    box = place.get_position()
    grid = GridSpec(2, 2, left=box.x0, right=box.x1, bottom=box.y0, top=box.y1, **ratios)
    root: Any = place.get_figure(root=True)
    return _add_shared_axes(fig.add_axes, *(grid[cell].get_position(root) for cell in ((0, 1), (1, 1), (1, 0))))


def _add_shared_axes(
    add: Callable[..., Axes], bars_place: Any, dots_place: Any, sizes_place: Any
) -> tuple[Axes, Axes, Axes]:
    """Add the Axes of an UpSet plot. The dots share the x-axis with the bars and the y-axis with the sizes."""
    bars = add(bars_place)
    dots = add(dots_place, sharex=bars)
    return bars, dots, add(sizes_place, sharey=dots)


def _select_mode(data: Any, mode: Mode | None) -> Mode:
    """Return the given mode, the mode of the table, or "exclusive". Raise InputError if two modes differ."""
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
    """Return the groups in a membership matrix as a table with the columns customer_group_uid, label, and n."""
    labels = display_names(matrix.group_uids, matrix.group_names)
    return pd.DataFrame({"customer_group_uid": matrix.group_uids, "label": labels, "n": matrix.sizes})


def _groups_of_table(table: pd.DataFrame, mode: Mode) -> pd.DataFrame:
    """
    Return the groups in an `intersections` table, with the columns customer_group_uid, label, and n.

    The group sizes in the column n are lower bounds if combinations were omitted from the table.
    """
    rows = table.loc[table["groups"] != OTHER, ["groups", "degree", "n"]].explode("groups")
    if mode == "inclusive":
        rows["n"] = rows["n"].where(rows["degree"] == 1, 0)
    n = rows.astype({"groups": "str"}).groupby("groups")["n"].sum()
    labels = [short_name(uid) for uid in n.index]
    return pd.DataFrame({"customer_group_uid": n.index, "label": labels, "n": n.array})


def _has_rest(table: pd.DataFrame) -> bool:
    """Return True if combinations were omitted from an `intersections` table."""
    return bool((table["groups"] == OTHER).any())


def _describe_selection(table: pd.DataFrame, drawn: pd.DataFrame, mode: Mode) -> str:
    """Describe how many combinations are drawn, and how many customers are in the groups."""
    n_customers = 0
    if (table["groups"] != OTHER).any():
        n_customers = round(table["n"].iloc[0] / table["share"].iloc[0])
    customers = f"{n_customers:,} customers in these groups"
    if len(drawn) == len(table):
        return customers
    if mode == "exclusive":
        customers = f"{format_percentage(drawn['share'].sum())} of {customers}"
    if _has_rest(table):  # A table that omits combinations does not contain the total number of combinations.
        return f"the {len(drawn):,} largest combinations, {customers}"
    return f"{len(drawn):,} of {len(table):,} combinations, {customers}"


def _draw_bars(ax: Axes, n: pd.Series) -> None:
    """Draw the number of customers of each combination as bars."""
    ax.bar(range(len(n)), n, width=0.62, color=INK)
    is_crowded = 4.8 * max(len(f"{value:,}") for value in n) > 0.9 * size_in_points(ax)[0] / len(n)
    rotation, headroom = 0, 1.12
    if is_crowded:  # Horizontal labels would overlap, so the labels are rotated.
        rotation, headroom = 90, 1.3
    for position, value in enumerate(n):
        ax.annotate(
            f"{value:,}",
            (position, value),
            (0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            rotation=rotation,
            fontsize=8 if len(n) <= 30 else 6,
        )
    ax.set_xlim(-0.7, len(n) - 0.3)
    ax.set_ylim(0, max(n.max(), 1) * headroom)
    ax.set_ylabel("customers")
    format_count_axis(ax.yaxis, n_bins=5)
    ax.tick_params(axis="x", length=0, labelbottom=False)
    show_spines(ax, "left")


def _draw_dots(ax: Axes, combinations: pd.Series, uids: list[str], names: list[str]) -> None:
    """Draw the groups of each combination as connected dots."""
    row_of = {uid: row for row, uid in enumerate(uids)}
    for row in range(0, len(uids), 2):
        ax.axhspan(row - 0.5, row + 0.5, color="#F2F2F2", zorder=0)
    x, y = np.meshgrid(range(len(combinations)), range(len(uids)))
    ax.scatter(x, y, s=36, color=PALE, zorder=1)
    for column, groups in enumerate(combinations):
        rows = [row_of[uid] for uid in groups]
        ax.plot([column, column], [min(rows), max(rows)], color=INK, linewidth=1.6, zorder=2)
        ax.scatter([column] * len(rows), rows, s=36, color=INK, zorder=3)
    ax.set_yticks(range(len(uids)), labels=names, fontsize=8, parse_math=False)
    ax.set_ylim(len(uids) - 0.5, -0.5)
    ax.set_xticks([])
    ax.tick_params(length=0)
    show_spines(ax)


def _draw_sizes(ax: Axes, n: pd.Series, label: str) -> None:
    """Draw the group sizes as horizontal bars that extend to the left."""
    ax.barh(range(len(n)), n, height=0.62, color=BLUE)
    for row, value in enumerate(n):
        ax.annotate(
            f"{value:,}", (value, row), (-3, 0), textcoords="offset points", ha="right", va="center", fontsize=8
        )
    ax.set_xlim(max(n.max(), 1) * 1.7, 0)
    ax.tick_params(axis="y", length=0, labelleft=False)
    ax.set_xticks([])
    ax.set_xlabel(label, fontsize=8)
    show_spines(ax)
