"""Charts of reach: by group and channel, by further group, and by campaign."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from frgroups.analysis.campaigns import campaign_reach as campaign_table
from frgroups.analysis.reach import incremental_reach as incremental_table
from frgroups.analysis.reach import reachability
from frgroups.analysis.table_rows import iter_rows, sort_largest_first
from frgroups.errors import InputError
from frgroups.internals.formatting import format_percentage
from frgroups.plot.axes import (
    BLUE,
    INK,
    ORANGE,
    PALE,
    add_legend,
    empty_chart,
    format_count_axis,
    is_table,
    label_bar,
    label_width,
    name_rows,
    new_axes,
    set_heading,
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
    Draw for each group and channel the customers who may be written to, as a share of the members.

    A line marks the customers with a contact point, and a circle those who give consent. The largest groups come
    first, each with its number of members. If a number is suppressed, its mark is missing. `data` is the table of
    `reachability`, or a Snapshot with `groups`, `channels` and `consent` as in `reachability`.

    Examples
    --------
    >>> from frgroups import plot
    >>> ax = plot.reach(sample_snapshot(), ["all"], consent={"mobile": "newsletter"})
    >>> [text.get_text() for text in ax.texts]
    ['120 (48%)', '100 (40%)', '140 (56%)']
    """
    table = data
    if not is_table(data, "n_reachable", "channel"):
        table = reachability(data, groups, channels=channels, consent=consent)
    all_groups = sort_largest_first(table.drop_duplicates("customer_group_uid"), "n_members")
    drawn_groups = all_groups.iloc[:top]
    drawn = drawn_groups[["customer_group_uid"]].merge(table, on="customer_group_uid")
    heading = "Members who may be written to: consent and a contact point"
    ax = ax or new_axes(9.0, 1.7 + 0.24 * max(len(drawn), 3))
    if drawn.empty:
        return empty_chart(ax, heading, "no groups")
    y = np.arange(len(drawn))
    n_members = drawn["n_members"].replace(0, np.nan).to_numpy()
    reachable, with_contact, consented = (
        100 * drawn[name].to_numpy(dtype=float, na_value=np.nan) / n_members
        for name in ("n_reachable", "n_with_contact", "n_consented")
    )
    ax.barh(y, 100, color="#F0F0F0")
    ax.barh(y, np.nan_to_num(reachable), color=BLUE, label="may be written to")
    ax.plot(with_contact, y, "|", color=INK, ms=13, mew=2, label="with a contact point")
    ax.plot(consented, y, "o", color="white", mec=INK, ms=6, label="give consent")
    for position, row in enumerate(iter_rows(drawn)):
        label_bar(ax, _describe_reach(row), 101, position)
    uids = drawn["customer_group_uid"].to_numpy()
    for last_row in np.flatnonzero(uids[1:] != uids[:-1]):
        ax.axhline(last_row + 0.5, color=PALE, linewidth=0.8)
    ax.set_xlim(0, 102 / (1 - label_width(ax, 16)))
    name_rows(ax, _channel_labels(drawn))
    ax.set_xlabel("of all members, %")
    ax.set_xticks(range(0, 101, 20))
    add_legend(ax, 3)
    notes = []
    if len(drawn_groups) < len(all_groups):
        notes.append(f"the {len(drawn_groups):,} largest of {len(all_groups):,} groups")
    if n_suppressed := int(drawn["suppressed"].sum()):
        notes.append(f"in {n_suppressed:,} of {len(drawn):,} rows something is suppressed, since it tells of too few")
    return set_heading(ax, heading, notes)


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
    Draw how many customers each further group adds to those whom the groups above reach.

    `data` is the table of `incremental_reach`, or a Snapshot with its arguments `groups`, `channel` and `consent`.

    Examples
    --------
    >>> from frgroups import plot
    >>> ax = plot.incremental_reach(sample_snapshot())
    >>> [text.get_text() for text in ax.texts]
    ['+120 → 100%']
    """
    heading = "Customers whom each further group reaches"
    if is_table(data, "n_cumulative"):
        table = data
    else:
        table = incremental_table(data, groups, channel=channel, consent=consent)
        heading += f", by {channel}"
    drawn = table.iloc[:top]
    ax = ax or new_axes(8.0, 1.4 + 0.26 * max(len(drawn), 2))
    if drawn.empty:
        return empty_chart(ax, heading, "nobody can be reached")
    y, n_new, n_cumulative = np.arange(len(drawn)), drawn["n_new"].to_numpy(), drawn["n_cumulative"].to_numpy()
    ax.barh(y, n_cumulative - n_new, color=PALE, label="reached already")
    ax.barh(y, n_new, left=n_cumulative - n_new, color=BLUE, label="new")
    labels = [f"+{row.n_new:,} → {format_percentage(row.share_cumulative)}" for row in iter_rows(drawn)]
    for position, end, label in zip(y, n_cumulative, labels, strict=True):
        label_bar(ax, label, end, position)
    ax.set_xlim(0, max(n_cumulative.max(), 1) / (1 - label_width(ax, max(map(len, labels)) + 1.5)))
    name_rows(ax, display_names(drawn["customer_group_uid"], drawn["name"]))
    ax.set_xlabel("customers reached")
    format_count_axis(ax.xaxis)
    add_legend(ax)
    notes = []
    if len(drawn) < len(table):
        total = int(table["n_cumulative"].iloc[-1])
        notes.append(
            f"the first {len(drawn):,} of {len(table):,} groups, which reach {n_cumulative[-1]:,} of {total:,}"
        )
    return set_heading(ax, heading, notes)


def campaign_reach(
    data: Any,
    campaigns: pd.DataFrame | None = None,
    *,
    at: Any = None,
    top: int | None = 30,
    ax: Axes | None = None,
) -> Axes:
    """
    Draw for each campaign the members for whom it may matter, and those whom a better campaign reaches, too.

    `data` is the table of `campaign_reach`, or a Snapshot or memberships with its arguments `campaigns` and `at`. The
    largest discount comes first. The number for whom a campaign may matter is an upper bound, see `campaign_reach`.

    Examples
    --------
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
    drawn = table.iloc[:top]
    heading = "Members of each campaign: for whom it may matter, and who has a better one"
    ax = ax or new_axes(9.0, 1.4 + 0.28 * max(len(drawn), 2))
    if drawn.empty:
        return empty_chart(ax, heading, "no campaign that runs")
    y = np.arange(len(drawn))
    n_effective, n_shadowed = drawn["n_effective"].to_numpy(), drawn["n_shadowed"].to_numpy()
    ax.barh(y, n_effective, color=BLUE, label="it may matter (at most)")
    ax.barh(
        y,
        n_shadowed,
        left=n_effective,
        color=ORANGE,
        edgecolor="white",
        linewidth=0,
        hatch="////",
        label="a better one",
    )
    labels = _campaign_labels(table, drawn)
    total = n_effective + n_shadowed
    for position, end, label in zip(y, total, labels, strict=True):
        label_bar(ax, label, end, position)
    ax.set_xlim(0, max(total.max(), 1) / (1 - label_width(ax, max(map(len, labels)) + 1.5, at_most=0.5)))
    names = display_names(_campaign_uids(drawn), drawn["name"])
    discounts = drawn["discount_percent"]
    name_rows(ax, [f"{name}, {discount:g}%" for name, discount in zip(names, discounts, strict=True)])
    ax.set_xlabel("customers")
    format_count_axis(ax.xaxis)
    add_legend(ax)
    notes = []
    if len(drawn) < len(table):
        notes.append(f"the {len(drawn):,} largest discounts of {len(table):,}")
    return set_heading(ax, heading, notes)


def _describe_reach(row: Any) -> str:
    """Return the number and share of members who may be written to."""
    if row.n_members == 0:
        return "no members"
    if pd.isna(row.n_reachable):
        return "suppressed"
    return f"{row.n_reachable:,} ({format_percentage(row.share_reachable, decimals=0)})"


def _channel_labels(drawn: pd.DataFrame) -> list[str]:
    """Return the channel of each row; the first row of a group starts with its name and size."""
    is_first = ~drawn["customer_group_uid"].duplicated()
    names = iter(display_names(drawn.loc[is_first, "customer_group_uid"], drawn.loc[is_first, "name"]))
    labels = list(drawn["channel"])
    for position in np.flatnonzero(is_first):
        labels[position] = f"{next(names)}, {drawn['n_members'].iloc[position]:,}   {labels[position]}"
    return labels


def _campaign_labels(table: pd.DataFrame, drawn: pd.DataFrame) -> list[str]:
    """Return for each campaign its members and, if some have a better campaign, the best of these."""
    names = dict(zip(_campaign_uids(table), table["name"], strict=True))
    labels = []
    for row in iter_rows(drawn):
        label = f"{row.n_members:,}"
        if row.n_shadowed:
            best = short_name(names[row.shadowed_by], 24)
            label = f"{row.n_effective:,} of {row.n_members:,}; best other: {best}"
        labels.append(label)
    return labels


def _campaign_uids(table: pd.DataFrame) -> pd.Series:
    """Return the uid of each campaign, or that of its group if it has none."""
    return table["campaign_uid"].fillna(table["customer_group_uid"])
