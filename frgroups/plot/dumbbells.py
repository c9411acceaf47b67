"""The chart of a profile: for each value two points, the share in the group and that among the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from frgroups.errors import InputError
from frgroups.plot.canvas import BLUE, FAINT, INK, empty_chart, is_table, new_axes, room, titled
from frgroups.plot.names import short_name
from frgroups.plot.rows import beside, legend, name_rows
from frgroups.profile import group_profile

_CHANCE = 0.05


def profile(
    data: Any, group: Any = None, *, versus: Any = "rest", top: int | None = 20, ax: Axes | None = None
) -> Axes:
    """
    What sets a group apart: the share of each value in the group and among the others, the strongest effect first.

    `data` is the table of `group_profile` or `compare_groups`, or a Snapshot with `group` and `versus` as in
    `group_profile`. At the right stands the index (100 is the same), with q where it is above 0.05 and may be
    chance. A number such as credit_limit has no share: its row tells the means and their standardised difference.
    Of yes and no only yes is drawn, and what is suppressed is counted in the title.

    >>> from frgroups import plot
    >>> ax = plot.profile(sample_snapshot(), "all", top=3)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['has_email', 'has_mobile', 'country_code: NO']
    """
    heading = "Shares in the group and among the others"
    if is_table(data, "share_ref"):
        table = data
    elif group is None:
        raise InputError("plot.profile takes the table of group_profile, or a snapshot and a group.")
    else:
        table = group_profile(data, group, versus=versus)
        if isinstance(group, str):
            heading = f"What sets {short_name(group)} apart: shares in the group and among the others"
    known = _known(table)
    shown = known.head(len(known) if top is None else top)
    ax = ax or new_axes(9.0, 1.6 + 0.27 * max(len(shown), 3))
    n_left_out = int(table["suppressed"].sum())
    if shown.empty:
        return empty_chart(ax, heading, f"all {n_left_out:,} values are suppressed" if n_left_out else "no values")
    has_share = (shown["kind"] != "number").to_numpy()
    inside, others = (100 * shown[name].to_numpy() for name in ("share_in", "share_ref"))
    y = np.arange(len(shown))
    ax.hlines(y[has_share], inside[has_share], others[has_share], color=INK, linewidth=1.2, zorder=2)
    _points(ax, others[has_share], y[has_share], "white", "among the others")
    _points(ax, inside[has_share], y[has_share], BLUE, "in the group")
    longest = float(np.concatenate([inside[has_share], others[has_share]]).max(initial=1.0))
    labels = [_label(row) for row in shown.itertuples()]
    right = longest * 1.04 / (1 - room(ax, max(map(len, labels)) + 1))
    ax.set_xlim(-0.02 * longest, right)
    ax.hlines(y, 0, right, color=FAINT, linewidth=0.7, zorder=0)
    for at, (row, label) in enumerate(zip(shown.itertuples(), labels, strict=True)):
        beside(ax, label, right, at, left=True)
        if row.kind == "number":
            beside(ax, _means(row), 0, at)
    name_rows(ax, [_name(row) for row in shown.itertuples()])
    ax.set_xlabel("share, %")
    ax.set_xticks([at for at in ax.get_xticks() if 0 <= at <= longest * 1.04])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    legend(ax)
    cut = [f"the {len(shown):,} strongest of {len(known):,} values"] if len(shown) < len(known) else []
    cut += [f"{n_left_out:,} suppressed, since they tell of too few customers"] if n_left_out else []
    return titled(ax, heading, "; ".join(cut))


def _known(table: pd.DataFrame) -> pd.DataFrame:
    """The rows to draw, the strongest effect first."""
    known = table[~table["suppressed"]]
    flags = known[known["kind"] == "flag"]
    both = set(flags.loc[flags["value"] == "yes", "attribute"])
    mirrored = (known["kind"] == "flag") & (known["value"] == "no") & known["attribute"].isin(both)
    known = known[~mirrored]
    strongest = known["effect_size"].abs().sort_values(ascending=False, kind="stable", na_position="last")
    return known.loc[strongest.index]


def _points(ax: Axes, share: Any, y: Any, fill: str, label: str) -> None:
    ax.plot(share, y, "o", color=fill, markeredgecolor=INK, markersize=6.5, zorder=3, label=label)


def _name(row: Any) -> str:
    whole = row.kind == "number" or (row.kind == "flag" and row.value == "yes")
    return short_name(row.attribute if whole else f"{row.attribute}: {row.value}", 42)


def _label(row: Any) -> str:
    """The index, and q where it may be chance."""
    index = "index –" if np.isnan(row.index) else f"index {row.index:,.0f}"
    return f"{index}, q {row.q_value:.2f}" if row.q_value > _CHANCE else index


def _means(row: Any) -> str:
    means = f"mean {_number(row.mean_in)} against {_number(row.mean_ref)}"
    return means if np.isnan(row.effect_size) else f"{means}: {row.effect_size:+.2f} standard deviations"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"
