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
from frgroups.internals.column_formats import MISSING
from frgroups.internals.formatting import agree, format_percentage, pluralize
from frgroups.plot.axes import (
    describe_cut,
    empty_chart,
    finish_rows,
    fit_x_ticks,
    is_table,
    label_bar,
    label_font,
    name_rows,
    name_width,
    right_limit,
    row_axes,
    tick_font,
)
from frgroups.plot.labels import display_names, fit_labels, fit_names, short_name
from frgroups.plot.layout import area_in_points, size_in_points, widest
from frgroups.plot.theme import background, grid_style, ink, series_color, shade


def reach(
    data: Any,
    groups: Iterable[str] | None = None,
    *,
    channels: Iterable[str] = ("email", "mobile"),
    consent: Mapping[str, str] | None = None,
    top: int | None = 12,
    title: str | None = None,
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
        The maximum number of groups to draw. None draws all groups. Fewer are drawn if `ax` is too small.
    title
        The heading of the chart, drawn unchanged. None draws the default heading. Notes, such as the number of
        omitted groups, follow the heading. With an empty string, only the notes are drawn.
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
    heading = "Members who can be contacted"
    ax, n = row_axes(ax, len(all_groups), top, 9.0, per_group=max(table["channel"].nunique(), 1))
    drawn_groups = all_groups.iloc[:n]
    drawn = drawn_groups[["customer_group_uid"]].merge(table, on="customer_group_uid")
    if drawn.empty:
        return empty_chart(ax, heading, "no groups", title)
    y = np.arange(len(drawn))
    n_members = drawn["n_members"].replace(0, np.nan).to_numpy()
    reachable, with_contact, consented = (
        100 * drawn[name].to_numpy(dtype=float, na_value=np.nan) / n_members
        for name in ("n_reachable", "n_with_contact", "n_consented")
    )
    ax.barh(y, 100, color=shade(ax, 0.08))
    ax.barh(y, np.nan_to_num(reachable), color=series_color(ax, 0), label="can be contacted")
    labels = [_describe_reach(row) for row in iter_rows(drawn)]
    for position, label in enumerate(labels):
        label_bar(ax, label, 101, position)
    uids = drawn["customer_group_uid"].to_numpy()
    ax.hlines(np.flatnonzero(uids[1:] != uids[:-1]) + 0.5, 0, 100, **grid_style(ax))
    name_rows(ax, _channel_labels(ax, drawn), "share of all members (%)")
    font = label_font(ax)
    line: dict[str, Any] = {"color": ink(ax), "markersize": 1.4 * font, "markeredgewidth": 0.22 * font}
    circle: dict[str, Any] = {"color": background(ax), "markeredgecolor": ink(ax), "markersize": 0.65 * font}
    ax.plot(with_contact, y, "|", label="with a contact point", **line)
    ax.plot(consented, y, "o", label="with consent", **circle)
    notes = []
    if len(drawn_groups) < len(all_groups):
        notes.append(f"the largest {describe_cut(len(drawn_groups), len(all_groups))}")
    if n_suppressed := int(drawn["suppressed"].sum()):
        notes.append(f"{n_suppressed:,} of {len(drawn):,} rows contain suppressed counts ({MISSING})")
    finish_rows(ax, heading, notes, title)
    right = right_limit(ax, [101] * len(labels), labels)
    ax.set_xlim(0, right)
    is_narrow = size_in_points(ax)[0] * 100 / right < 14 * tick_font(ax)
    ax.set_xticks([0, 50, 100] if is_narrow else range(0, 101, 20))
    return ax


def incremental_reach(
    data: Any,
    groups: Iterable[str] | None = None,
    *,
    channel: str = "email",
    consent: Mapping[str, str] | None = None,
    top: int | None = 25,
    title: str | None = None,
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
        The maximum number of steps to draw. None draws all steps. Fewer are drawn if `ax` is too small.
    title
        The heading of the chart, drawn unchanged. None draws the default heading. Notes, such as the number of
        omitted groups, follow the heading. With an empty string, only the notes are drawn.
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
    ax, n = row_axes(ax, len(table), top, 8.0)
    drawn = table.iloc[:n]
    if drawn.empty:
        return empty_chart(ax, heading, "no customers can be contacted", title)
    y, n_new, n_cumulative = np.arange(len(drawn)), drawn["n_new"].to_numpy(), drawn["n_cumulative"].to_numpy()
    ax.barh(y, n_cumulative - n_new, color=shade(ax, 0.15), label="already reached")
    ax.barh(y, n_new, left=n_cumulative - n_new, color=series_color(ax, 0), label="new")
    labels = [f"+{row.n_new:,} → {format_percentage(row.share_cumulative)}" for row in iter_rows(drawn)]
    for position, end, label in zip(y, n_cumulative, labels, strict=True):
        label_bar(ax, label, end, position)
    names = fit_names(ax, drawn["customer_group_uid"], drawn["name"], label_font(ax), name_width(ax))
    name_rows(ax, names, "customers reached")
    notes = []
    if len(drawn) < len(table):
        total = int(table["n_cumulative"].iloc[-1])
        cut = describe_cut(len(drawn), len(table))
        notes.append(f"{cut} with {n_cumulative[-1]:,} of {total:,} customers")
    finish_rows(ax, heading, notes, title)
    ax.set_xlim(0, right_limit(ax, n_cumulative, labels))
    fit_x_ticks(ax, n_cumulative.max())
    return ax


def campaign_reach(
    data: Any,
    campaigns: pd.DataFrame | None = None,
    *,
    at: Any = None,
    top: int | None = 30,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """
    Draw how many members of each campaign get a larger discount from another campaign.

    The campaigns are sorted from the largest discount to the smallest. Only the members who do not get a larger
    discount from another campaign can benefit from a campaign. Their number is therefore an upper bound on the number
    of customers who benefit. See `frgroups.campaign_reach`.

    Parameters
    ----------
    data
        The result of `frgroups.campaign_reach`, a Snapshot, or a table of memberships.
    campaigns, at
        The campaigns and the time, as in `frgroups.campaign_reach`. Ignored if `data` is a result table.
    top
        The maximum number of campaigns to draw. None draws all campaigns. Fewer are drawn if `ax` is too small.
    title
        The heading of the chart, drawn unchanged. None draws the default heading. Notes, such as the number of
        omitted groups, follow the heading. With an empty string, only the notes are drawn.
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
    ['2', '248 of 250; up to 20% from VIP']
    """
    if is_table(data, "n_effective"):
        table = data
    elif campaigns is None:
        raise InputError("`data` must be a result of campaign_reach, or a Snapshot together with `campaigns`.")
    else:
        table = campaign_table(data, campaigns, at=at)
    heading = "Members of each campaign"
    ax, n = row_axes(ax, len(table), top, 9.0)
    drawn = table.iloc[:n]
    if drawn.empty:
        return empty_chart(ax, heading, "no campaigns are running", title)
    y = np.arange(len(drawn))
    n_effective, n_shadowed = drawn["n_effective"].to_numpy(), drawn["n_shadowed"].to_numpy()
    ax.barh(y, n_effective, color=series_color(ax, 0), label="no larger discount")
    ax.barh(
        y,
        n_shadowed,
        left=n_effective,
        color=series_color(ax, 1),
        edgecolor=background(ax),
        linewidth=0,
        hatch="////",
        label="larger discount from another campaign",
    )
    name_rows(ax, _campaign_names(ax, drawn), "customers")
    labels = _campaign_labels(table, drawn, with_best=True)
    if widest(ax, labels, label_font(ax)) > 0.45 * area_in_points(ax)[0]:
        labels = _campaign_labels(table, drawn, with_best=False)
    total = n_effective + n_shadowed
    for position, end, label in zip(y, total, labels, strict=True):
        label_bar(ax, label, end, position)
    notes = []
    if len(drawn) < len(table):
        notes.append(f"{describe_cut(len(drawn), len(table), 'campaign')} with the largest discounts")
    if n_omitted := len(table.attrs.get("not_running", [])):
        notes.append(f"{pluralize(n_omitted, 'campaign')} {agree(n_omitted, 'is', 'are')} not running")
    finish_rows(ax, heading, notes, title)
    ax.set_xlim(0, right_limit(ax, total, labels))
    fit_x_ticks(ax, total.max())
    return ax


def _campaign_names(ax: Axes, drawn: pd.DataFrame) -> list[str]:
    """Return labels that contain the name and the discount of each campaign."""

    def labels(length: int) -> list[str]:
        names = display_names(_campaign_uids(drawn), drawn["name"], length)
        return [f"{name}, {discount:g}%" for name, discount in zip(names, drawn["discount_percent"], strict=True)]

    return fit_labels(ax, labels, label_font(ax), name_width(ax))


def _describe_reach(row: Any) -> str:
    """Return the number and the share of members who can be contacted."""
    if row.n_members == 0:
        return "no members"
    if pd.isna(row.n_reachable):
        return MISSING
    return f"{row.n_reachable:,} ({format_percentage(row.share_reachable, decimals=0)})"


def _channel_labels(ax: Axes, drawn: pd.DataFrame) -> list[str]:
    """Return the channel name for each row. The first label of a group also contains the group's name and size."""
    is_first = ~drawn["customer_group_uid"].duplicated()

    def labels(length: int) -> list[str]:
        names = display_names(drawn.loc[is_first, "customer_group_uid"], drawn.loc[is_first, "name"], length)
        rows = list(drawn["channel"])
        for name, position in zip(names, np.flatnonzero(is_first), strict=True):
            rows[position] = f"{name}, {drawn['n_members'].iloc[position]:,}   {rows[position]}"
        return rows

    return fit_labels(ax, labels, label_font(ax), name_width(ax))


def _campaign_labels(table: pd.DataFrame, drawn: pd.DataFrame, with_best: bool) -> list[str]:
    """
    Return the labels for the bars of the campaigns.

    A label contains the number of members. If `with_best` is True and members get a larger discount from other
    campaigns, the label also contains the name of the other campaign with the largest discount.
    """
    best = {
        uid: f"{discount:g}% from {short_name(name, 24)}"
        for uid, name, discount in zip(_campaign_uids(table), table["name"], table["discount_percent"], strict=True)
    }
    labels = []
    for row in iter_rows(drawn):
        label = f"{row.n_members:,}"
        if row.n_shadowed:
            label = f"{row.n_effective:,} of {row.n_members:,}"
            if with_best:
                label += f"; up to {best[row.shadowed_by]}"
        labels.append(label)
    return labels


def _campaign_uids(table: pd.DataFrame) -> pd.Series:
    """Return the uid of each campaign, or the uid of its group if the campaign has no uid."""
    return table["campaign_uid"].fillna(table["customer_group_uid"])
