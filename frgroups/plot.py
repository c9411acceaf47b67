"""
Charts of groups, on matplotlib Axes; imported on request: `from frgroups import plot`.

Every function takes a Snapshot (or memberships) or the table of the same name, draws on `ax=` or on a figure of
its own, and returns the Axes. None calls `show()`. What is left out is said in the title.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from frgroups.changes import group_changes
from frgroups.codes import Codes, codes_of
from frgroups.errors import InputError
from frgroups.overlap import Measure, overlap_matrix
from frgroups.regions import OTHER, Mode, intersections
from frgroups.sizes import group_sizes

# Okabe & Ito's colours, told apart by the colour-blind; these three also differ in grey.
BLUE, SKY, ORANGE = "#0072B2", "#56B4E9", "#E69F00"
INK, FAINT = "#222222", "#DDDDDD"

_LONGEST_NAME = 30
_MEASURES = {
    "count": ("customers", "Customers in both groups"),
    "jaccard": ("jaccard, %", "Customers in both groups / in either (Jaccard), %"),
    "share": ("share, %", "Share of the row's group that is in the column's, %"),
    "overlap_coefficient": ("overlap coefficient, %", "Customers in both groups / in the smaller one, %"),
    "lift": ("lift", "Customers in both groups / as chance would have it (lift)"),
    "phi": ("phi", "Correlation of the two memberships (phi)"),
    "pmi": ("pmi, bits", "Customers in both groups / as chance would have it (pmi, log2)"),
}
_PERCENT = ("jaccard", "share", "overlap_coefficient")


def sizes(data: Any, *, top: int | None = 30, ax: Axes | None = None) -> Axes:
    """
    The members of each group as bars, the largest first, with the part that is in no other group.

    `data` is a Snapshot, memberships, or the table of `group_sizes`.

    >>> from frgroups import plot
    >>> ax = plot.sizes(sample_snapshot())
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['All members', 'VIP', 'Staff']
    """
    table = data if _is_table(data, "n_members") else group_sizes(data)
    order = table.sort_values(["n_members", "customer_group_uid"], ascending=[False, True])
    shown = order.head(len(order) if top is None else top)
    names = _names(shown["customer_group_uid"], shown["name"])
    ax = ax or _axes(8.0, 1.4 + 0.26 * max(len(shown), 2))
    if shown.empty:
        return _nothing(ax, "Members of each group", "no groups")
    y = np.arange(len(shown))
    alone = shown["n_exclusive"].to_numpy()
    total = shown["n_members"].to_numpy()
    ax.barh(y, alone, color=BLUE, label="in no other group")
    ax.barh(y, total - alone, left=alone, color=SKY, label="in other groups too")
    for at, n in zip(y, total, strict=True):
        ax.annotate(f"{n:,}", (n, at), (3, 0), textcoords="offset points", va="center", fontsize=8, color=INK)
    ax.set_xlim(0, max(total.max(), 1) / (1 - _room(ax, total.max())))
    _name_rows(ax, names)
    _count_axis(ax, "customers")
    _legend(ax)
    cut = ""
    if len(shown) < len(table):
        share = total.sum() / max(int(table["n_members"].sum()), 1)
        cut = f"the {len(shown):,} largest of {len(table):,} groups, {_percent(share)} of all memberships"
    return _title(ax, "Members of each group", cut)


def overlap_heatmap(
    data: Any,
    groups: Iterable[str] | None = None,
    *,
    measure: Measure = "jaccard",
    universe: int | None = None,
    top: int | None = 25,
    ax: Axes | None = None,
) -> Axes:
    """
    One measure of overlap for every two groups; groups that share customers stand next to each other.

    `data` is a Snapshot, memberships, or the table of `overlap_matrix` (say its `measure`). From a snapshot
    the `top` largest groups are drawn, in the order of average linkage on 1 - jaccard; a table keeps its
    order. Up to 25 groups the cells hold their numbers. The diagonal tells nothing and is left grey, but for
    "count", where it holds the sizes. `universe` is for lift, phi and pmi, as in `overlap_matrix`.

    >>> from frgroups import plot
    >>> ax = plot.overlap_heatmap(sample_snapshot(), measure="share")
    >>> " ".join(ax.get_title(loc="left").split())
    "Share of the row's group that is in the column's, %"
    """
    if measure not in _MEASURES:
        raise InputError(f"measure={measure!r} is not one of {', '.join(_MEASURES)}.")
    matrix, names, n_all = _heatmap_of(data, groups, measure, universe, top)
    n = len(matrix)
    part = 0.9 if ax is None else 0.6  # of the cell, for its name; names take room from Axes that are given
    if ax is None:
        cell = 0.42 if n <= 25 else 0.2 if n <= 60 else 0.14
        ax = _axes(max(4.0 + cell * n, 6.5), max(2.9 + cell * n, 4.5))
    unit, heading = _MEASURES[measure]
    if n == 0:
        return _nothing(ax, heading, "no groups")
    values = matrix.to_numpy(dtype=float) * (100 if measure in _PERCENT else 1)
    off_diagonal = np.where(np.eye(n, dtype=bool) | ~np.isfinite(values), np.nan, values)
    some = off_diagonal[np.isfinite(off_diagonal)]
    least = min(float(some.min(initial=0.0)), 0.0)
    scale = Normalize(least, max(float(some.max(initial=0.0)), least + 1e-9))
    colours = colormaps["cividis"].with_extremes(bad=FAINT)
    image = ax.imshow(np.ma.masked_invalid(off_diagonal), cmap=colours, norm=scale)
    bar = ax.figure.colorbar(image, ax=ax, fraction=0.04, pad=0.02, aspect=30, shrink=0.8 if n <= 60 else 0.3)
    bar.set_label(unit)
    if measure == "count":
        bar.formatter = FuncFormatter(lambda value, _: f"{value:,.0f}")
        bar.locator = MaxNLocator(nbins=6, integer=True)
        bar.update_ticks()
    size = max(3.0, min(8.0, part * min(_points(ax)) / n))
    ax.set_xticks(range(n), labels=names, rotation=90, fontsize=size, parse_math=False)
    ax.set_yticks(range(n), labels=names, fontsize=size, parse_math=False)
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
    if n <= 25:
        _write_cells(ax, values, off_diagonal, colours(scale(off_diagonal)), measure)
    cut = f"the {n:,} largest of {n_all:,} groups" if n < n_all else ""
    return _title(ax, heading, cut, width=min(_points(ax)))


def upset(
    data: Any,
    groups: Iterable[str] | None = None,
    *,
    mode: Mode = "exclusive",
    n_groups: int = 8,
    top: int = 20,
    fig: Figure | SubFigure | None = None,
) -> dict[str, Axes]:
    """
    The combinations that customers are in, as an UpSet plot (Lex et al. 2014): bars over a matrix of dots.

    `data` is a Snapshot, memberships, or the table of `intersections` (say its `mode`). Without `groups` the
    `n_groups` largest are combined; groups that are not drawn are not looked at. See `intersections` for the
    two modes. A figure that you pass keeps its layout engine; an empty one without gets the constrained one.

    Returns the Axes by name, as `subplot_mosaic` does: "intersections", "matrix", "sizes".

    >>> from frgroups import plot
    >>> axes = plot.upset(sample_snapshot())
    >>> [text.get_text() for text in axes["intersections"].texts]
    ['248', '2', '1']
    """
    table, shown, cut = _upset_of(data, groups, mode, n_groups, top)
    n, names = len(table), list(shown["label"])
    whole = not _is_table(data, "groups") or OTHER not in set(data["groups"])
    if fig is None:
        width = 3.0 + 0.075 * max(map(len, names), default=0) + 0.4 * n
        fig = plt.figure(figsize=(max(width, 7.5), 3.6 + 0.3 * len(names)), layout="constrained")
    elif isinstance(fig, Figure) and fig.get_layout_engine() is None and not fig.axes:
        fig.set_layout_engine("constrained")
    grid = fig.add_gridspec(
        2, 2, width_ratios=[1.6, max(0.4 * n, 2)], height_ratios=[2.4, max(0.3 * len(names), 0.6)]
    )
    bars = fig.add_subplot(grid[0, 1])
    dots = fig.add_subplot(grid[1, 1], sharex=bars)
    sides = fig.add_subplot(grid[1, 0], sharey=dots)
    heading = {
        "exclusive": "Customers in exactly these groups (exclusive)",
        "inclusive": "Customers in all of these groups, whatever else they are in (inclusive)",
    }[mode]
    text = _wrapped(heading, cut, fig.bbox.width / fig.dpi)
    fig.suptitle(text, x=0.01, ha="left", fontsize=10)
    if n == 0:
        for ax in (dots, sides):
            ax.set_axis_off()
        bars.text(0.5, 0.5, "no customers in groups", ha="center", transform=bars.transAxes)
        bars.set_axis_off()
    else:
        _draw_bars(bars, table["n"])
        _draw_dots(dots, table["groups"], list(shown["customer_group_uid"]), names)
        _draw_sides(sides, shown["n"], "group size" if whole else "group size, at least")
    return {"intersections": bars, "matrix": dots, "sizes": sides}


def changes(
    data: Any,
    new: Any = None,
    *,
    top: int | None = 30,
    ax: Axes | None = None,
) -> Axes:
    """
    Who joined and who left each group, as bars to the right and to the left, the most changed first.

    `data` is the table of `group_changes`, or the older snapshot with the newer one as `new`.

    >>> from frgroups import plot
    >>> ax = plot.changes(sample_snapshot().memberships[:-1], sample_snapshot())
    >>> [text.get_text() for text in ax.texts]
    ['+1']
    """
    if isinstance(data, tuple) and len(data) == 2 and new is None:
        data, new = data
    if new is None and not _is_table(data, "n_joined"):
        raise InputError("plot.changes takes the table of group_changes, or two snapshots: (old, new).")
    table = data if new is None else group_changes(data, new)
    moved = table.assign(n_moved=table["n_joined"] + table["n_left"]).query("n_moved > 0")
    order = moved.sort_values(["n_moved", "customer_group_uid"], ascending=[False, True])
    shown = order.head(len(order) if top is None else top)
    ax = ax or _axes(8.0, 1.5 + 0.26 * max(len(shown), 2))
    heading = "Customers who joined and left"
    if shown.empty:
        return _nothing(ax, heading, f"no change in {len(table):,} groups" if len(table) else "no groups")
    names = _names(shown["customer_group_uid"], shown["name"])
    notes = {"new": " (new)", "deleted": " (deleted)"}
    names = [name + notes.get(status, "") for name, status in zip(names, shown["status"], strict=True)]
    joined, left = shown["n_joined"].to_numpy(), shown["n_left"].to_numpy()
    y = np.arange(len(shown))
    ax.barh(y, joined, color=BLUE, label="joined")
    ax.barh(y, -left, color=ORANGE, label="left")
    ax.axvline(0, color=INK, linewidth=0.8)
    for at, gain, loss in zip(y, joined, left, strict=True):
        for text, end, offset, side in ((f"+{gain:,}", gain, 3, "left"), (f"−{loss:,}", -loss, -3, "right")):
            if end:
                ax.annotate(
                    text,
                    (end, at),
                    (offset, 0),
                    textcoords="offset points",
                    va="center",
                    ha=side,
                    fontsize=8,
                    color=INK,
                )
    room = _room(ax, 10 * max(joined.max(), left.max()))
    reach = room / (1 - 2 * room) * (joined.max() + left.max())
    ax.set_xlim(-left.max() - reach, joined.max() + reach)
    _name_rows(ax, names)
    _count_axis(ax, "customers who left (to the left) and joined (to the right)")
    _legend(ax)
    cut = f"{len(moved):,} of {len(table):,} groups changed"
    if len(shown) < len(moved):
        cut += f"; the {len(shown):,} that changed most"
    return _title(ax, heading, cut)


def _heatmap_of(
    data: Any, groups: Iterable[str] | None, measure: Measure, universe: int | None, top: int | None
) -> tuple[pd.DataFrame, list[str], int]:
    """The matrix to draw, the names of its rows, and how many groups there were."""
    if isinstance(data, pd.DataFrame) and "customer_uid" not in data and data.index.equals(data.columns):
        matrix = data if top is None else data.iloc[:top, :top]
        return matrix, [_short(label) for label in matrix.index], len(data)
    codes = codes_of(data).select(groups)
    chosen = codes.select(_largest(codes, top))
    matrix = overlap_matrix(chosen, measure=measure, universe=universe)
    order = _order(overlap_matrix(chosen, measure="jaccard").to_numpy())
    names = _names(chosen.group_uids.take(order), chosen.group_names.take(order))
    return matrix.iloc[order, order], names, codes.n_groups


def _order(jaccard: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Alike groups next to each other: average linkage on 1 - jaccard, with the best order of the leaves."""
    if len(jaccard) < 3:
        return np.arange(len(jaccard))
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    distance = 1.0 - np.nan_to_num(jaccard)
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=len(jaccard) <= 300)
    return np.asarray(leaves_list(tree), dtype=np.intp)


def _write_cells(
    ax: Axes,
    values: npt.NDArray[np.float64],
    off_diagonal: npt.NDArray[np.float64],
    colours: npt.NDArray[np.float64],
    measure: Measure,
) -> None:
    n = len(values)
    texts = {(i, j): _cell(values[i, j], measure) for i in range(n) for j in range(n)}
    longest = max(len(text) for text in texts.values())
    size = min(8.0, min(_points(ax)) / n / (0.62 * longest + 0.6))
    if size < 3.5:  # too small to read; the colours and the table tell
        return
    for (i, j), text in texts.items():
        if i == j and measure != "count":
            continue
        light = np.isnan(off_diagonal[i, j]) or colours[i, j, :3] @ [0.299, 0.587, 0.114] > 0.5
        ax.text(j, i, text, ha="center", va="center", fontsize=size, color="black" if light else "white")


def _cell(value: float, measure: Measure) -> str:
    if np.isnan(value):
        return "–"
    if np.isneginf(value):
        return "−∞"
    if measure in _PERCENT:
        return "<1" if 0 < value < 0.5 else f"{value:.0f}"
    if measure == "count":
        return f"{value:,.0f}"
    return f"{value:.1f}" if measure != "phi" else f"{value:.2f}"


def _upset_of(
    data: Any, groups: Iterable[str] | None, mode: Mode, n_groups: int, top: int
) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """The combinations to draw; the groups (customer_group_uid, label, n), largest first; what was cut."""
    if mode not in ("exclusive", "inclusive"):
        raise InputError(f"mode={mode!r} is neither 'exclusive' nor 'inclusive'.")
    if _is_table(data, "groups"):
        table, notes = data, []
        shown = _groups_of(table, mode)
    else:
        codes = codes_of(data)
        chosen = codes.select(_largest(codes, n_groups) if groups is None else groups)
        table = intersections(chosen, mode=mode, top=None if mode == "exclusive" else top)
        shown = pd.DataFrame(
            {
                "customer_group_uid": chosen.group_uids,
                "label": _names(chosen.group_uids, chosen.group_names),
                "n": chosen.sizes,
            }
        )
        left_out = groups is None and chosen.n_groups < codes.n_groups
        notes = [f"the {chosen.n_groups:,} largest of {codes.n_groups:,} groups"] if left_out else []
    shown = shown.sort_values(["n", "customer_group_uid"], ascending=[False, True], ignore_index=True)
    whole = table[table["groups"] != OTHER]
    drawn = whole.head(top)
    n_customers = round(table["n"].iloc[0] / table["share"].iloc[0]) if len(whole) else 0
    if len(drawn) == len(table):
        notes.append(f"{n_customers:,} customers in these groups")
    else:
        some = f"{len(drawn):,} of {len(table):,}" if len(whole) == len(table) else f"the {len(drawn):,} largest"
        share = f"{_percent(drawn['share'].sum())} of " if mode == "exclusive" else ""
        notes.append(f"{some} combinations, {share}{n_customers:,} customers in these groups")
    return drawn, shown, "; ".join(notes)


def _groups_of(table: pd.DataFrame, mode: Mode) -> pd.DataFrame:
    """The groups in a table of intersections, with as much of their sizes as the table tells."""
    rows = table.loc[table["groups"] != OTHER, ["groups", "degree", "n"]].explode("groups")
    if mode == "inclusive":
        rows["n"] = rows["n"].where(rows["degree"] == 1, 0)
    n = rows.astype({"groups": "str"}).groupby("groups")["n"].sum()
    return pd.DataFrame({"customer_group_uid": n.index, "label": [_short(uid) for uid in n.index], "n": n.array})


def _draw_bars(ax: Axes, n: pd.Series) -> None:
    ax.bar(range(len(n)), n, width=0.62, color=INK)
    # Upright where they would touch.
    wide = 4.8 * max(len(f"{value:,}") for value in n) > 0.9 * _points(ax)[0] / len(n)
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
    _open(ax, "left")


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
    _open(ax)


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
    _open(ax)


def _is_table(data: Any, column: str) -> bool:
    return isinstance(data, pd.DataFrame) and column in data


def _largest(codes: Codes, top: int | None) -> Sequence[str] | None:
    if top is None or top >= codes.n_groups:
        return None
    order = np.argsort(-codes.sizes, kind="stable")[:top]
    return list(codes.group_uids.take(order))


def _names(uids: Iterable[str], names: Iterable[str]) -> list[str]:
    """Short names to show; groups that would look the same carry their uid."""
    uids, short = list(uids), [_short(name) for name in names]
    twice = {name for name in short if short.count(name) > 1}
    return [
        f"{name} ({_short(uid, 12)})".lstrip() if name in twice or not name else name
        for uid, name in zip(uids, short, strict=True)
    ]


def _short(name: object, longest: int = _LONGEST_NAME) -> str:
    text = " ".join(str(name).split())
    # Names often differ at their end: "Members of the club, Tromsø", "…, Bodø".
    tail = (longest - 1) // 2
    return text if len(text) <= longest else f"{text[: longest - 1 - tail].rstrip()}…{text[-tail:].lstrip()}"


def _percent(share: float) -> str:
    # Rounding must not turn "nearly all" into "all".
    return f"{min(100 * share, 99.9):.1f} %" if 0.99 < share < 1 else f"{100 * share:.0f} %"


def _axes(width: float, height: float) -> Axes:
    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def _nothing(ax: Axes, heading: str, why: str) -> Axes:
    ax.text(0.5, 0.5, why, ha="center", va="center", transform=ax.transAxes)
    ax.set_xticks([])
    ax.set_yticks([])
    _open(ax)
    return _title(ax, heading, "")


def _title(ax: Axes, heading: str, cut: str, width: float | None = None) -> Axes:
    inches = (_points(ax)[0] if width is None else width) / 72
    ax.set_title(_wrapped(heading, cut, inches), loc="left", fontsize=10 if inches < 14 else 14)
    return ax


def _wrapped(heading: str, cut: str, inches: float) -> str:
    width = max(int(inches / 0.09), 24)
    return "\n".join(line for part in (heading, cut) for line in textwrap.wrap(part, width))


def _points(ax: Axes) -> tuple[float, float]:
    """Width and height of the Axes, in points; names and titles will take some of it."""
    box = ax.get_window_extent()
    return 72 * box.width / ax.figure.dpi, 72 * box.height / ax.figure.dpi


def _room(ax: Axes, number: int) -> float:
    """The part of the width that this number takes beside its bar."""
    return min(0.35, 6.0 * (len(f"{number:,}") + 1.5) / _points(ax)[0])


def _name_rows(ax: Axes, names: list[str]) -> None:
    """The names beside the rows, the first on top, with room for a legend below the last."""
    ax.set_yticks(range(len(names)), labels=names, fontsize=8, parse_math=False)
    ax.set_ylim(len(names) + 0.9, -0.7)
    ax.tick_params(axis="y", length=0)
    _open(ax, "bottom")


def _count_axis(ax: Axes, label: str) -> None:
    ax.set_xlabel(label)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):,.0f}"))
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))


def _legend(ax: Axes) -> None:
    ax.legend(loc="lower right", ncols=2, fontsize=8, frameon=False, borderpad=0.1)


def _open(ax: Axes, *sides: Literal["left", "bottom"]) -> None:
    """Leave only these sides of the frame."""
    for name, spine in ax.spines.items():
        spine.set_visible(name in sides)
