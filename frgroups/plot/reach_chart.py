"""Charts of the customers who can be contacted through a channel or who are reached by a campaign."""

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
    Draw the members who can be contacted through each channel, as a share of the group.

    The largest groups come first. A vertical line shows the members with a contact point, and a circle shows the
    members who give consent. Suppressed numbers are not drawn.

    Parameters
    ----------
    data
        The result of `reachability`, or a Snapshot.
    groups, channels, consent
        The groups, channels, and consents, as in `reachability`. Ignored if `data` is a result of `reachability`.
    top
        The number of groups to draw. None draws all groups.
    ax
        The Axes to draw on. None creates a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The Axes of the chart.

    Raises
    ------
    InputError
        If an argument is not valid, as in `reachability`.
    GroupNotFoundError
        If a group is unknown, or its name is not unique.

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
    heading = "Members who can be contacted (with consent and a contact point)"
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
    ax.barh(y, np.nan_to_num(reachable), color=BLUE, label="can be contacted")
    ax.plot(with_contact, y, "|", color=INK, ms=13, mew=2, label="with a contact point")
    ax.plot(consented, y, "o", color="white", mec=INK, ms=6, label="with consent")
    for position, row in enumerate(iter_rows(drawn)):
        label_bar(ax, _describe_reach(row), 101, position)
    uids = drawn["customer_group_uid"].to_numpy()
    for last_row in np.flatnonzero(uids[1:] != uids[:-1]):
        ax.axhline(last_row + 0.5, color=PALE, linewidth=0.8)
    ax.set_xlim(0, 102 / (1 - label_width(ax, 16)))
    name_rows(ax, _channel_labels(drawn))
    ax.set_xlabel("share of all members (%)")
    ax.set_xticks(range(0, 101, 20))
    add_legend(ax, 3)
    notes = []
    if len(drawn_groups) < len(all_groups):
        notes.append(f"showing the {len(drawn_groups):,} largest of {len(all_groups):,} groups")
    if n_suppressed := int(drawn["suppressed"].sum()):
        notes.append(f"{n_suppressed:,} of {len(drawn):,} rows contain suppressed counts")
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
    Draw how many customers each further group adds to the customers who can already be contacted.

    Parameters
    ----------
    data
        The result of `incremental_reach`, or a Snapshot.
    groups, channel, consent
        The groups, the channel, and its consent, as in `incremental_reach`. Ignored if `data` is a result table.
    top
        The number of steps to draw. None draws all steps.
    ax
        The Axes to draw on. None creates a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The Axes of the chart.

    Raises
    ------
    InputError
        If an argument is not valid, as in `incremental_reach`.
    GroupNotFoundError
        If a group is unknown, or its name is not unique.

    Examples
    --------
    >>> from frgroups import plot
    >>> ax = plot.incremental_reach(sample_snapshot())
    >>> [text.get_text() for text in ax.texts]
    ['+120 → 100%']
    """
    heading = "Customers added by each further group"
    if is_table(data, "n_cumulative"):
        table = data
    else:
        table = incremental_table(data, groups, channel=channel, consent=consent)
        heading += f" ({channel})"
    drawn = table.iloc[:top]
    ax = ax or new_axes(8.0, 1.4 + 0.26 * max(len(drawn), 2))
    if drawn.empty:
        return empty_chart(ax, heading, "no customers can be contacted")
    y, n_new, n_cumulative = np.arange(len(drawn)), drawn["n_new"].to_numpy(), drawn["n_cumulative"].to_numpy()
    ax.barh(y, n_cumulative - n_new, color=PALE, label="already reached")
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
            f"showing {len(drawn):,} of {len(table):,} groups with {n_cumulative[-1]:,} of {total:,} customers"
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
    Draw how many members of each campaign get a larger discount from another campaign.

    The campaigns with the largest discounts come first. The number of members without a larger discount is an upper
    bound of the number of customers who benefit from the campaign, as explained in `frgroups.campaign_reach`.

    Parameters
    ----------
    data
        The result of `frgroups.campaign_reach`, a Snapshot, or a table of memberships.
    campaigns, at
        The campaigns and the time, as in `frgroups.campaign_reach`. Ignored if `data` is a result table.
    top
        The number of campaigns to draw. None draws all campaigns.
    ax
        The Axes to draw on. None creates a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The Axes of the chart.

    Raises
    ------
    InputError
        If `campaigns` is missing or not valid.
    GroupNotFoundError
        If the group of a running campaign does not exist.

    Examples
    --------
    >>> import pandas as pd
    >>> from frgroups import plot
    >>> campaigns = pd.DataFrame({"customer_group_uid": ["all", "vip"], "discount_percent": [5, 20]})
    >>> ax = plot.campaign_reach(sample_snapshot(), campaigns)
    >>> [text.get_text() for text in ax.texts]
    ['2', '248 of 250; larger discount: VIP']
    """
    if is_table(data, "n_effective"):
        table = data
    elif campaigns is None:
        raise InputError("`data` must be a result of campaign_reach, or a Snapshot together with `campaigns`.")
    else:
        table = campaign_table(data, campaigns, at=at)
    drawn = table.iloc[:top]
    heading = "Members of each campaign, and larger discounts from other campaigns"
    ax = ax or new_axes(9.0, 1.4 + 0.28 * max(len(drawn), 2))
    if drawn.empty:
        return empty_chart(ax, heading, "no campaigns are running")
    y = np.arange(len(drawn))
    n_effective, n_shadowed = drawn["n_effective"].to_numpy(), drawn["n_shadowed"].to_numpy()
    ax.barh(y, n_effective, color=BLUE, label="no larger discount")
    ax.barh(
        y,
        n_shadowed,
        left=n_effective,
        color=ORANGE,
        edgecolor="white",
        linewidth=0,
        hatch="////",
        label="larger discount from another campaign",
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
        notes.append(f"showing the {len(drawn):,} of {len(table):,} campaigns with the largest discounts")
    return set_heading(ax, heading, notes)


def _describe_reach(row: Any) -> str:
    """Return the number and the share of members who can be contacted."""
    if row.n_members == 0:
        return "no members"
    if pd.isna(row.n_reachable):
        return "suppressed"
    return f"{row.n_reachable:,} ({format_percentage(row.share_reachable, decimals=0)})"


def _channel_labels(drawn: pd.DataFrame) -> list[str]:
    """Return one label per row, the name of the channel. A group's first label also contains its name and size."""
    is_first = ~drawn["customer_group_uid"].duplicated()
    names = iter(display_names(drawn.loc[is_first, "customer_group_uid"], drawn.loc[is_first, "name"]))
    labels = list(drawn["channel"])
    for position in np.flatnonzero(is_first):
        labels[position] = f"{next(names)}, {drawn['n_members'].iloc[position]:,}   {labels[position]}"
    return labels


def _campaign_labels(table: pd.DataFrame, drawn: pd.DataFrame) -> list[str]:
    """
    Return the labels for the bars of the campaigns.

    A label contains the number of members. If members get a larger discount from another campaign, the label also
    contains the name of the other campaign.
    """
    names = dict(zip(_campaign_uids(table), table["name"], strict=True))
    labels = []
    for row in iter_rows(drawn):
        label = f"{row.n_members:,}"
        if row.n_shadowed:
            best = short_name(names[row.shadowed_by], 24)
            label = f"{row.n_effective:,} of {row.n_members:,}; larger discount: {best}"
        labels.append(label)
    return labels


def _campaign_uids(table: pd.DataFrame) -> pd.Series:
    """Return the uid of each campaign, or the uid of its group if the campaign has no uid."""
    return table["campaign_uid"].fillna(table["customer_group_uid"])
