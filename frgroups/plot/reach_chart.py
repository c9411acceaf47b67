"""Charts of whom one can write to: by group and channel, what each further group adds, and by campaign."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from frgroups.analysis.campaigns import campaign_reach as campaign_table
from frgroups.analysis.describe import each
from frgroups.analysis.reach import incremental_reach as incremental_table
from frgroups.analysis.reach import reachability
from frgroups.errors import InputError
from frgroups.plot.axes import (
    BLUE,
    FAINT,
    INK,
    ORANGE,
    beside,
    count_axis,
    empty_chart,
    is_table,
    legend,
    name_rows,
    new_axes,
    percent,
    room,
    titled,
)
from frgroups.plot.labels import display_names, short_name


def reach(
    data: Any,
    groups: Iterable[str] | None = None,
    *,
    channels: Iterable[str] = ("email", "mobile"),
    consent: Mapping[str, str] | None = None,
    top: int | None = 12,
    ax: Axes | None = None,
) -> Axes:
    """
    Whom each group reaches, per channel: a bar for those who may be written to, of all members.

    On it, a line marks those with a contact point and a circle those who give consent. The largest groups come
    first, each with its members; in a row where something is suppressed, its mark is missing. `data` is the table
    of `reachability`, or a Snapshot with `groups`, `channels` and `consent` as there.

    >>> from frgroups import plot
    >>> ax = plot.reach(sample_snapshot(), ["all"], consent={"mobile": "newsletter"})
    >>> [text.get_text() for text in ax.texts]
    ['120 (48 %)', '100 (40 %)', '140 (56 %)']
    """
    if is_table(data, "n_reachable") and is_table(data, "channel"):
        table = data
    else:
        table = reachability(data, groups, channels=channels, consent=consent)
    sizes = table.drop_duplicates("customer_group_uid")
    sizes = sizes.sort_values(["n_members", "customer_group_uid"], ascending=[False, True])
    largest = sizes.head(len(sizes) if top is None else top)
    shown = largest[["customer_group_uid"]].merge(table, on="customer_group_uid")
    heading = "Members who may be written to: consent and a contact point"
    ax = ax or new_axes(9.0, 1.7 + 0.24 * max(len(shown), 3))
    if shown.empty:
        return empty_chart(ax, heading, "no groups")
    y = np.arange(len(shown))
    of_members = {
        name: 100
        * shown[name].to_numpy(dtype=float, na_value=np.nan)
        / shown["n_members"].replace(0, np.nan).to_numpy()
        for name in ("n_reachable", "n_with_contact", "n_consented")
    }
    ax.barh(y, 100, color="#F0F0F0")
    ax.barh(y, np.nan_to_num(of_members["n_reachable"]), color=BLUE, label="may be written to")
    ax.plot(of_members["n_with_contact"], y, "|", color=INK, ms=13, mew=2, label="with a contact point")
    ax.plot(of_members["n_consented"], y, "o", color="white", mec=INK, ms=6, label="give consent")
    for number, row in enumerate(each(shown)):
        beside(ax, _reached(row), 101, number)
    for at in np.flatnonzero(shown["customer_group_uid"].to_numpy()[1:] != shown["customer_group_uid"][:-1]):
        ax.axhline(at + 0.5, color=FAINT, linewidth=0.8)
    ax.set_xlim(0, 102 / (1 - room(ax, 16)))
    name_rows(ax, _channel_rows(shown))
    ax.set_xlabel("of all members, %")
    ax.set_xticks(range(0, 101, 20))
    legend(ax, 3)
    cut = [f"the {len(largest):,} largest of {len(sizes):,} groups"] if len(largest) < len(sizes) else []
    if n_left_out := int(shown["suppressed"].sum()):
        cut.append(f"in {n_left_out:,} of {len(shown):,} rows something is suppressed, since it tells of too few")
    return titled(ax, heading, "; ".join(cut))


def incremental_reach(
    data: Any,
    groups: Iterable[str] | None = None,
    *,
    channel: str = "email",
    consent: Mapping[str, str] | None = None,
    top: int | None = 25,
    ax: Axes | None = None,
) -> Axes:
    """
    How many customers each further group adds, as steps from those whom the groups above reach.

    `data` is the table of `incremental_reach`, or a Snapshot with `groups`, `channel` and `consent` as there.

    >>> from frgroups import plot
    >>> ax = plot.incremental_reach(sample_snapshot())
    >>> [text.get_text() for text in ax.texts]
    ['+120 → 100 %']
    """
    heading = "Customers whom each further group reaches"
    if is_table(data, "n_cumulative"):
        table = data
    else:
        table = incremental_table(data, groups, channel=channel, consent=consent)
        heading += f", by {channel}"
    shown = table.head(len(table) if top is None else top)
    ax = ax or new_axes(8.0, 1.4 + 0.26 * max(len(shown), 2))
    if shown.empty:
        return empty_chart(ax, heading, "nobody can be reached")
    y, new, so_far = np.arange(len(shown)), shown["n_new"].to_numpy(), shown["n_cumulative"].to_numpy()
    ax.barh(y, so_far - new, color=FAINT, label="reached already")
    ax.barh(y, new, left=so_far - new, color=BLUE, label="new")
    labels = [f"+{n:,} → {percent(share)}" for n, share in zip(new, shown["share_cumulative"], strict=True)]
    for at, label in enumerate(labels):
        beside(ax, label, so_far[at], at)
    ax.set_xlim(0, max(so_far.max(), 1) / (1 - room(ax, max(map(len, labels)) + 1.5)))
    name_rows(ax, display_names(shown["customer_group_uid"], shown["name"]))
    count_axis(ax, "customers reached")
    legend(ax)
    cut = ""
    if len(shown) < len(table):
        n, n_all = so_far[-1], int(table["n_cumulative"].iloc[-1])
        cut = f"the first {len(shown):,} of {len(table):,} groups, which reach {n:,} of {n_all:,}"
    return titled(ax, heading, cut)


def campaign_reach(
    data: Any,
    campaigns: pd.DataFrame | None = None,
    *,
    at: Any = None,
    top: int | None = 30,
    ax: Axes | None = None,
) -> Axes:
    """
    For each campaign its members: those for whom it may matter, and those whom a better campaign reaches too.

    `data` is the table of `campaign_reach`, or a Snapshot or memberships with `campaigns` and `at` as there. The
    largest discount comes first. What may matter is an upper bound, see there.

    >>> import pandas as pd
    >>> from frgroups import plot
    >>> campaigns = pd.DataFrame({"customer_group_uid": ["all", "vip"], "discount_percent": [5, 20]})
    >>> ax = plot.campaign_reach(sample_snapshot(), campaigns)
    >>> [text.get_text() for text in ax.texts]
    ['2', '248 of 250; best other: VIP']
    """
    if is_table(data, "n_effective"):
        table = data
    elif campaigns is None:
        raise InputError("plot.campaign_reach takes the table of campaign_reach, or a snapshot and campaigns.")
    else:
        table = campaign_table(data, campaigns, at=at)
    shown = table.head(len(table) if top is None else top)
    heading = "Members of each campaign: for whom it may matter, and who has a better one"
    ax = ax or new_axes(9.0, 1.4 + 0.28 * max(len(shown), 2))
    if shown.empty:
        return empty_chart(ax, heading, "no campaign that runs")
    y = np.arange(len(shown))
    matters, shadowed = shown["n_effective"].to_numpy(), shown["n_shadowed"].to_numpy()
    ax.barh(y, matters, color=BLUE, label="it may matter (at most)")
    ax.barh(
        y, shadowed, left=matters, color=ORANGE, edgecolor="white", linewidth=0, hatch="////", label="a better one"
    )
    labels = _campaign_labels(table, shown)
    for row, label in enumerate(labels):
        beside(ax, label, matters[row] + shadowed[row], row)
    total = matters + shadowed
    ax.set_xlim(0, max(total.max(), 1) / (1 - room(ax, max(map(len, labels)) + 1.5, 0.5)))
    uids = shown["campaign_uid"].fillna(shown["customer_group_uid"])
    names = display_names(uids, shown["name"])
    discounts = shown["discount_percent"]
    name_rows(ax, [f"{name}, {discount:g} %" for name, discount in zip(names, discounts, strict=True)])
    count_axis(ax, "customers")
    legend(ax)
    cut = f"the {len(shown):,} largest discounts of {len(table):,}" if len(shown) < len(table) else ""
    return titled(ax, heading, cut)


def _reached(row: Any) -> str:
    if row.n_members == 0:
        return "no members"
    return "suppressed" if pd.isna(row.n_reachable) else f"{row.n_reachable:,} ({percent(row.share_reachable)})"


def _channel_rows(shown: pd.DataFrame) -> list[str]:
    """The name and size of a group before its first channel, then the other channels alone."""
    first = ~shown["customer_group_uid"].duplicated()
    names = iter(display_names(shown.loc[first, "customer_group_uid"], shown.loc[first, "name"]))
    return [
        f"{next(names)}, {row.n_members:,}   {row.channel}" if is_first else row.channel
        for row, is_first in zip(each(shown), first, strict=True)
    ]


def _campaign_labels(table: pd.DataFrame, shown: pd.DataFrame) -> list[str]:
    """How many of the members, and which campaign is the best of those that others have."""
    uids = table["campaign_uid"].fillna(table["customer_group_uid"])
    name_of = dict(zip(uids, (short_name(name, 24) for name in table["name"]), strict=True))
    return [
        f"{row.n_effective:,} of {row.n_members:,}; best other: {name_of[row.shadowed_by]}"
        if row.n_shadowed
        else f"{row.n_members:,}"
        for row in each(shown)
    ]
