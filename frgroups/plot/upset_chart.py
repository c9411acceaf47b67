"""The chart of the combinations of groups that customers are in: bars over a matrix of dots."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.gridspec import GridSpec, GridSpecBase
from matplotlib.ticker import FuncFormatter, MaxNLocator

from frgroups.analysis.intersections import OTHER, Mode, intersections
from frgroups.errors import InputError
from frgroups.plot.axes import BLUE, FAINT, INK, is_table, largest, open_frame, percent, points, titled, wrapped
from frgroups.plot.labels import display_names, short_name
from frgroups.snapshot.membership_matrix import as_membership_matrix


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
    The combinations that customers are in, as an UpSet plot (Lex et al. 2014): bars over a matrix of dots.

    `data` is a Snapshot or memberships (`mode` is "exclusive" unless said), or the table of `intersections`, which
    says its own; see there for the two. Without `groups` the `n_groups` largest are combined; groups that are not
    drawn are not looked at. The three parts stand in the place of `ax`, or fill `fig`, a figure or part of one. A
    figure that you pass keeps its layout engine; an empty one without gets the constrained one.

    Returns the Axes by name, as `subplot_mosaic` does: "intersections", "matrix", "sizes".

    >>> from frgroups import plot
    >>> axes = plot.upset(sample_snapshot())
    >>> [text.get_text() for text in axes["intersections"].texts]
    ['248', '2', '1']
    """
    mode = _mode_of(data, mode)
    if ax is not None and fig is not None:
        raise InputError("Both ax= and fig= were passed; the chart stands in one place.")
    table, shown, cut = _upset_of(data, groups, mode, n_groups, top)
    n, names = len(table), list(shown["label"])
    whole = not is_table(data, "groups") or OTHER not in set(data["groups"])
    place = ax if ax is not None else _figure(fig, n, names)
    bars, dots, sides = _three_axes(place, [1.6, max(0.4 * n, 2)], [2.4, max(0.3 * len(names), 0.6)])
    heading = {
        "exclusive": "Customers in exactly these groups (exclusive)",
        "inclusive": "Customers in all of these groups, whatever else they are in (inclusive)",
    }[mode]
    if isinstance(place, Axes):
        # The layout makes room for titles of the parts alone: an empty one keeps the bars below that of the whole.
        n_lines = titled(place, heading, cut).get_title(loc="left").count("\n") + 1
        bars.set_title("\n".join(" " * n_lines), fontsize=10)
    else:
        place.suptitle(wrapped(heading, cut, place.bbox.width / place.dpi), x=0.01, ha="left", fontsize=10)
    if n == 0:
        dots.set_axis_off()
        sides.set_axis_off()
        bars.text(0.5, 0.5, "no customers in groups", ha="center", transform=bars.transAxes)
        bars.set_axis_off()
    else:
        _draw_bars(bars, table["n"])
        _draw_dots(dots, table["groups"], list(shown["customer_group_uid"]), names)
        _draw_sides(sides, shown["n"], "group size" if whole else "group size, at least")
    return {"intersections": bars, "matrix": dots, "sizes": sides}


def _figure(fig: Figure | SubFigure | None, n: int, names: list[str]) -> Figure | SubFigure:
    """The figure that was passed, or a new one that is large enough."""
    if fig is None:
        width = 3.0 + 0.075 * max(map(len, names), default=0) + 0.4 * n
        return plt.figure(figsize=(max(width, 7.5), 3.6 + 0.3 * len(names)), layout="constrained")
    if isinstance(fig, Figure) and fig.get_layout_engine() is None and not fig.axes:
        fig.set_layout_engine("constrained")
    return fig


def _three_axes(
    place: Axes | Figure | SubFigure, widths: list[float], heights: list[float]
) -> tuple[Axes, Axes, Axes]:
    """Those of the bars, the dots and the sizes, in the place of an Axes or over a whole figure."""
    ratios: dict[str, Any] = {"width_ratios": widths, "height_ratios": heights}
    if not isinstance(place, Axes):
        grid: GridSpecBase = place.add_gridspec(2, 2, **ratios)
        return _axes_in(place.add_subplot, grid[0, 1], grid[1, 1], grid[1, 0])
    place.set_axis_off()
    fig, spec = place.figure, place.get_subplotspec()
    if spec is not None:
        grid = spec.subgridspec(2, 2, **ratios)
        return _axes_in(fig.add_subplot, grid[0, 1], grid[1, 1], grid[1, 0])
    # Axes that stand free have no layout, and neither have those that take their place.
    box = place.get_position()
    grid = GridSpec(2, 2, left=box.x0, right=box.x1, bottom=box.y0, top=box.y1, **ratios)
    whole: Any = place.get_figure(root=True)
    return _axes_in(fig.add_axes, *(grid[cell].get_position(whole) for cell in ((0, 1), (1, 1), (1, 0))))


def _axes_in(add: Callable[..., Axes], top: Any, below: Any, beside: Any) -> tuple[Axes, Axes, Axes]:
    bars = add(top)
    dots = add(below, sharex=bars)
    return bars, dots, add(beside, sharey=dots)


def _mode_of(data: Any, mode: Mode | None) -> Mode:
    """The mode that was asked for; a table has one, which no other word can change."""
    own = set(data["mode"]) if is_table(data, "groups") and is_table(data, "mode") else set()
    asked = {mode} if mode is not None else own or {"exclusive"}
    if not asked <= {"exclusive", "inclusive"}:
        raise InputError(f"mode={mode!r} is neither 'exclusive' nor 'inclusive'.")
    if len(own | asked) > 1:
        raise InputError(f"mode={mode!r} was asked of a table of {' and '.join(sorted(own))} intersections.")
    return asked.pop()


def _upset_of(
    data: Any, groups: Iterable[str] | None, mode: Mode, n_groups: int, top: int
) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """The combinations to draw; the groups (customer_group_uid, label, n), largest first; what was cut."""
    if is_table(data, "groups"):
        table, notes = data, []
        shown = _groups_of(table, mode)
    else:
        matrix = as_membership_matrix(data)
        chosen = matrix.select(largest(matrix, n_groups) if groups is None else groups)
        table = intersections(chosen, mode=mode, top=None if mode == "exclusive" else top)
        shown = pd.DataFrame(
            {
                "customer_group_uid": chosen.group_uids,
                "label": display_names(chosen.group_uids, chosen.group_names),
                "n": chosen.sizes,
            }
        )
        left_out = groups is None and chosen.n_groups < matrix.n_groups
        notes = [f"the {chosen.n_groups:,} largest of {matrix.n_groups:,} groups"] if left_out else []
    shown = shown.sort_values(["n", "customer_group_uid"], ascending=[False, True], ignore_index=True)
    whole = table[table["groups"] != OTHER]
    drawn = whole.head(top)
    n_customers = round(table["n"].iloc[0] / table["share"].iloc[0]) if len(whole) else 0
    if len(drawn) == len(table):
        notes.append(f"{n_customers:,} customers in these groups")
    else:
        some = f"{len(drawn):,} of {len(table):,}" if len(whole) == len(table) else f"the {len(drawn):,} largest"
        share = f"{percent(drawn['share'].sum())} of " if mode == "exclusive" else ""
        notes.append(f"{some} combinations, {share}{n_customers:,} customers in these groups")
    return drawn, shown, "; ".join(notes)


def _groups_of(table: pd.DataFrame, mode: Mode) -> pd.DataFrame:
    """The groups in a table of intersections, with as much of their sizes as the table tells."""
    rows = table.loc[table["groups"] != OTHER, ["groups", "degree", "n"]].explode("groups")
    if mode == "inclusive":
        rows["n"] = rows["n"].where(rows["degree"] == 1, 0)
    n = rows.astype({"groups": "str"}).groupby("groups")["n"].sum()
    return pd.DataFrame({"customer_group_uid": n.index, "label": [short_name(uid) for uid in n.index], "n": n.array})


def _draw_bars(ax: Axes, n: pd.Series) -> None:
    ax.bar(range(len(n)), n, width=0.62, color=INK)
    # Upright where they would touch.
    wide = 4.8 * max(len(f"{value:,}") for value in n) > 0.9 * points(ax)[0] / len(n)
    for at, value in enumerate(n):
        ax.annotate(
            f"{value:,}",
            (at, value),
            (0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            rotation=90 if wide else 0,
            fontsize=8 if len(n) <= 30 else 6,
        )
    ax.set_xlim(-0.7, len(n) - 0.3)
    ax.set_ylim(0, max(n.max(), 1) * (1.3 if wide else 1.12))
    ax.set_ylabel("customers")
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    ax.tick_params(axis="x", length=0, labelbottom=False)
    open_frame(ax, "left")


def _draw_dots(ax: Axes, combinations: pd.Series, uids: list[str], names: list[str]) -> None:
    row = {uid: at for at, uid in enumerate(uids)}
    for at in range(0, len(uids), 2):
        ax.axhspan(at - 0.5, at + 0.5, color="#F2F2F2", zorder=0)
    x, y = np.meshgrid(range(len(combinations)), range(len(uids)))
    ax.scatter(x, y, s=36, color=FAINT, zorder=1)
    for column, groups in enumerate(combinations):
        rows = [row[uid] for uid in groups]
        ax.plot([column, column], [min(rows), max(rows)], color=INK, linewidth=1.6, zorder=2)
        ax.scatter([column] * len(rows), rows, s=36, color=INK, zorder=3)
    ax.set_yticks(range(len(uids)), labels=names, fontsize=8, parse_math=False)
    ax.set_ylim(len(uids) - 0.5, -0.5)
    ax.set_xticks([])
    ax.tick_params(length=0)
    open_frame(ax)


def _draw_sides(ax: Axes, n: pd.Series, label: str) -> None:
    ax.barh(range(len(n)), n, height=0.62, color=BLUE)
    for at, value in enumerate(n):
        ax.annotate(
            f"{value:,}", (value, at), (-3, 0), textcoords="offset points", ha="right", va="center", fontsize=8
        )
    ax.set_xlim(max(n.max(), 1) * 1.7, 0)
    ax.tick_params(axis="y", length=0, labelleft=False)
    ax.set_xticks([])
    ax.set_xlabel(label, fontsize=8)
    open_frame(ax)
