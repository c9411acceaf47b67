"""Customers in words: what they are like, whom one reaches, and for whom a campaign matters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from frgroups.described.wording import each, listed, name_of, names_in, percent, sentences
from frgroups.human import counted, share_in_words
from frgroups.profile.attributes import NUMBER

CHANCE = 0.05  # a q above it may be chance


def told_profile(table: pd.DataFrame, top: int) -> str:
    """`group_profile` or `compare_groups` in words: what sets the group apart most."""
    if table.empty:
        return "No values."
    known, n_left_out = strongest(table), int(table["suppressed"].sum())
    n_chance = int((known["q_value"] > CHANCE).sum())
    items = [f"{value_name(row)} {_beside(row)}" for row in each(known.head(top))]
    return sentences(
        f"{counted(len(known), 'value')} of {counted(known['attribute'].nunique(), 'attribute')}"
        if len(known)
        else "No value that tells the two apart",
        listed("The strongest effects, in the group and among the others", items),
        f"{counted(n_chance, 'value')} with a q above {CHANCE}, which may be chance" if n_chance else "",
        f"Suppressed, since they tell of too few customers: {n_left_out:,}" if n_left_out else "",
    )


def strongest(table: pd.DataFrame) -> pd.DataFrame:
    """
    The rows of a profile that can set the group apart, strongest effect first.

    Not what is suppressed, nor what all customers are (such as an attribute that nobody has); of yes and no only yes.
    """
    of_all = (table["share_in"] == 1) & (table["share_ref"] == 1) & (table["value"] != NUMBER)
    known = table[~table["suppressed"] & ~of_all]
    flags = known[known["kind"] == "flag"]
    both = set(flags.loc[flags["value"] == "yes", "attribute"])
    mirrored = (known["kind"] == "flag") & (known["value"] == "no") & known["attribute"].isin(both)
    known = known[~mirrored]
    order = known["effect_size"].abs().sort_values(ascending=False, kind="stable", na_position="last").index
    return known.loc[order]


def value_name(row: Any) -> str:
    """A value with its attribute; a number and a yes by the attribute alone."""
    whole = is_mean(row) or (row.kind == "flag" and row.value == "yes")
    return row.attribute if whole else f"{row.attribute}: {row.value}"


def is_mean(row: Any) -> bool:
    """Whether a row tells of the numbers themselves, and not of how many customers lack one."""
    return bool(row.kind == "number" and row.value == NUMBER)


def means_in_words(row: Any) -> str:
    """The two means of a number, and how far apart they are."""
    means = f"mean {_number(row.mean_in)} against {_number(row.mean_ref)}"
    return means if np.isnan(row.effect_size) else f"{means}: {row.effect_size:+.2f} standard deviations"


def told_reach(table: pd.DataFrame, top: int) -> str:
    """`reachability` in words: of the largest groups, who may be written to by each channel."""
    if table.empty:
        return "No groups."
    names, n_left_out = names_in(table), int(table["suppressed"].sum())
    order = table.drop_duplicates("customer_group_uid").sort_values(
        ["n_members", "customer_group_uid"], ascending=[False, True]
    )
    groups = [table[table["customer_group_uid"] == uid] for uid in order["customer_group_uid"].head(top)]
    n_more = len(order) - len(groups)
    return sentences(
        f"{counted(len(order), 'group')}; who may be written to gives consent and has a contact point",
        *[_channels(names[rows["customer_group_uid"].iloc[0]], rows) for rows in groups],
        f"{counted(n_more, 'group')} more, smaller ones" if n_more else "",
        f"In {n_left_out:,} of {len(table):,} rows something is suppressed" if n_left_out else "",
    )


def told_steps(table: pd.DataFrame, top: int) -> str:
    """`incremental_reach` in words: what each step adds."""
    if table.empty:
        return "Nobody can be reached."
    names, n_all = names_in(table), int(table["n_cumulative"].iloc[-1])
    items = [
        f"{names[row.customer_group_uid]} adds {row.n_new:,} ({percent(row.share_cumulative)})"
        for row in each(table.head(top))
    ]
    left = table.iloc[top:]
    return sentences(
        f"{counted(len(table), 'group')} {'reaches' if len(table) == 1 else 'reach'} {counted(n_all, 'customer')}, "
        f"{percent(table['share_cumulative'].iloc[-1])} of all who can be reached in any",
        listed("Step by step, with the share reached so far", items),
        f"{len(left):,} more add {int(left['n_new'].sum()):,}" if len(left) else "",
    )


def told_campaigns(table: pd.DataFrame, top: int) -> str:
    """`campaign_reach` in words: for whom each campaign may matter."""
    if table.empty:
        return "No campaign that runs."
    uids = table["campaign_uid"].fillna(table["customer_group_uid"])
    names = name_of(uids, table["name"])
    items = []
    for uid, row in zip(uids, each(table.head(top)), strict=False):
        better = f", best other {names[row.shadowed_by]}" if row.n_shadowed else ""
        items.append(f"{names[uid]} ({row.discount_percent:g}%) for {row.n_effective:,} of {row.n_members:,}{better}")
    n_none = int(((table["n_effective"] == 0) & (table["n_members"] > 0)).sum())
    return sentences(
        counted(len(table), "campaign"),
        listed("For whom each may matter, at most, the largest discount first", items),
        f"{len(table) - top:,} with smaller discounts" if len(table) > top else "",
        f"Of which all members have a better one: {n_none:,}" if n_none else "",
    )


def _beside(row: Any) -> str:
    if is_mean(row):
        return means_in_words(row)
    index = "" if np.isnan(row.index) else f", index {row.index:,.0f}"
    return f"{percent(row.share_in)} and {percent(row.share_ref)}{index}"


def _channels(name: str, rows: pd.DataFrame) -> str:
    n_members = int(rows["n_members"].iloc[0])
    told = [
        f"{row.channel} suppressed"
        if pd.isna(row.n_reachable)
        else f"{row.channel} {row.n_reachable:,} ({share_in_words(int(row.n_reachable), max(n_members, 1))})"
        for row in each(rows)
    ]
    return f"{name}, {counted(n_members, 'member')}: {', '.join(told)}"


def _number(value: float) -> str:
    if np.isnan(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"
