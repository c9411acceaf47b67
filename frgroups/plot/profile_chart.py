"""The chart of a profile: for each value two points, the share in the group and that among the others."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from frgroups.analysis.describe import CHANCE, each, is_mean, means_in_words, strongest, value_name
from frgroups.analysis.profile import group_profile
from frgroups.errors import InputError
from frgroups.plot.axes import (
    BLUE,
    FAINT,
    INK,
    beside,
    empty_chart,
    is_table,
    legend,
    name_rows,
    new_axes,
    room,
    titled,
)
from frgroups.plot.labels import short_name


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
    >>> ax = plot.profile(group_profile(sample_snapshot(), "VIP", min_count=1), top=3)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['has_mobile', 'country_code: FI', 'country_code: NO']
    """
    heading = "Shares in the group and among the others"
    if is_table(data, "share_ref"):
        table = data
    elif group is None:
        raise InputError("plot.profile takes the table of group_profile, or a snapshot and a group.")
    else:
        table = group_profile(data, group, versus=versus)
        if isinstance(group, str):
            name = short_name(data.matrix.group_names[data.matrix.group_code_of(group)])
            heading = f"What sets {name} apart: shares in the group and among the others"
    known = strongest(table)
    shown = known.head(len(known) if top is None else top)
    ax = ax or new_axes(9.0, 1.6 + 0.27 * max(len(shown), 3))
    n_left_out = int(table["suppressed"].sum())
    if shown.empty:
        return empty_chart(ax, heading, f"all {n_left_out:,} values are suppressed" if n_left_out else "no values")
    has_share = np.array([not is_mean(row) for row in each(shown)])
    inside, others = (100 * shown[name].to_numpy() for name in ("share_in", "share_ref"))
    y = np.arange(len(shown))
    ax.hlines(y[has_share], inside[has_share], others[has_share], color=INK, linewidth=1.2, zorder=2)
    _points(ax, others[has_share], y[has_share], "white", "among the others")
    _points(ax, inside[has_share], y[has_share], BLUE, "in the group")
    shares = np.concatenate([inside[has_share], others[has_share]])
    longest = float(np.nanmax(shares, initial=1.0))
    labels = [_label(row) for row in each(shown)]
    right = longest * 1.04 / (1 - room(ax, max(map(len, labels)) + 1))
    ax.set_xlim(-0.02 * longest, right)
    ax.hlines(y[has_share], 0, longest * 1.04, color=FAINT, linewidth=0.7, zorder=0)
    for at, (row, label) in enumerate(zip(each(shown), labels, strict=True)):
        beside(ax, label, right, at, left=True)
        if is_mean(row):
            beside(ax, means_in_words(row), 0, at)
    name_rows(ax, [short_name(value_name(row), 42) for row in each(shown)])
    ax.set_xlabel("share, %")
    ax.set_xticks([at for at in ax.get_xticks() if 0 <= at <= longest * 1.04])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    legend(ax)
    cut = [f"the {len(shown):,} strongest of {len(known):,} values"] if len(shown) < len(known) else []
    for side, name in (("share_in", "in the group"), ("share_ref", "among the others")):
        cut += [f"there is nobody {name}"] if known[side].isna().all() else []
    cut += [f"{n_left_out:,} suppressed, since they tell of too few customers"] if n_left_out else []
    return titled(ax, heading, "; ".join(cut))


def _points(ax: Axes, share: Any, y: Any, fill: str, label: str) -> None:
    ax.plot(share, y, "o", color=fill, markeredgecolor=INK, markersize=6.5, zorder=3, label=label)


def _label(row: Any) -> str:
    """The index, and q where it may be chance."""
    if np.isnan(row.index):
        return "only in the group" if row.share_ref == 0 and row.n_in else ""
    index = f"index {row.index:,.0f}"
    return f"{index}, q {row.q_value:.2f}" if row.q_value > CHANCE else index
