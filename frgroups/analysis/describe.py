"""Describe result tables in sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from frgroups.analysis.campaigns import describe_not_running
from frgroups.analysis.intersections import OTHER
from frgroups.analysis.overlap import Measure, is_overlap_matrix, measure_of
from frgroups.analysis.profile_rows import MAX_Q_VALUE, describe_means, is_mean, sort_strongest_first, value_label
from frgroups.analysis.sample_ratio import MIN_P_VALUE
from frgroups.analysis.sizes import group_sizes
from frgroups.analysis.split_balance import SAMPLE_RATIO
from frgroups.analysis.table_rows import (
    check_one_tenant,
    iter_rows,
    latest_group_names,
    sort_largest_first,
    sort_most_changed_first,
    unique_names,
    with_known_changes,
)
from frgroups.analysis.waterfall import waterfall_summary
from frgroups.errors import InputError
from frgroups.internals.column_formats import difference_decimals, format_column, has_rates
from frgroups.internals.formatting import (
    agree,
    escape_invisible,
    format_day,
    format_growth,
    format_list,
    format_percentage,
    pluralize,
)
from frgroups.internals.redaction import safe_repr
from frgroups.internals.validation import check_number, wrong_type
from frgroups.snapshot.snapshot import Snapshot

__all__ = ["describe"]

_MEASURES = {
    "count": "the number of common members",
    "jaccard": "the Jaccard index (common members divided by members of either group)",
    "share": "the share of the first group's members who are also in the second group",
    "overlap_coefficient": "the overlap coefficient (common members divided by members of the smaller group)",
    "lift": "lift (common members divided by the number expected by chance)",
    "phi": "the phi coefficient (correlation of the memberships)",
    "pmi": "pointwise mutual information (pmi, in bits)",
}
_SYMMETRIC = set(_MEASURES) - {"share"}
_SHARES = {"jaccard", "share", "overlap_coefficient"}


def describe(table: Any, *, top: int = 5, measure: Measure | None = None) -> str:
    """
    Describe a result table in a few sentences.

    The sentences contain the same numbers as the corresponding chart in `frgroups.plot`, but group names are not
    shortened. Suppressed rows are counted but not described.

    Parameters
    ----------
    table
        A Snapshot, which is described by its group sizes, or the result of `group_sizes`, `overlap_matrix`,
        `intersections`, `group_changes`, `size_history`, `group_flow`, `group_profile`, `compare_groups`,
        `reachability`, `incremental_reach`, `campaign_reach`, `waterfall`, `waterfall_summary`, `measure_lift`, or
        `split_balance`. The type of the table is detected from its columns.
    top
        The number of groups, values, or steps to describe individually. All other rows are summarized.
    measure
        The measure of an `overlap_matrix`. None uses the measure in `table.attrs`. Pass the measure if the matrix was
        read from a CSV file, because such a table has no `attrs`. The argument is ignored for other tables.

    Returns
    -------
    str
        The sentences, without line breaks.

    Raises
    ------
    InputError
        If the table is not one of the listed results, contains several tenants, `top` is less than 1, or the measure
        of a matrix is unknown.

    Examples
    --------
    >>> print(describe(sample_snapshot()))
    3 groups with 253 memberships. The largest groups: All members (250 members, 248 in no other group);
    VIP (2 members, 0 in no other group); Staff (1 member, 1 in no other group).
    """
    check_number(top, "top", at_least=1, whole=True)
    if isinstance(table, Snapshot):
        table = group_sizes(table)
    elif isinstance(table, pd.DataFrame) and {"audience", "customer_uid"} <= set(table.columns):
        table = waterfall_summary(table)
    if not isinstance(table, pd.DataFrame):
        raise wrong_type(table, "table", "a Snapshot or a result table")
    columns = set(table.columns)
    for needed, describe_table in _TABLES.values():
        if needed <= columns:
            return escape_invisible(describe_table(table, top))
    if is_overlap_matrix(table):
        return escape_invisible(_describe_matrix(table, top, measure_of(table, measure)))
    known = format_list([*_TABLES, "overlap_matrix"], conjunction="or")
    listed = format_list([safe_repr(column) for column in table.columns], 8) or "none"
    raise InputError(f"`table` must be a result of {known}. Its columns are {listed}.")


def _join_sentences(parts: Iterable[str]) -> str:
    """Add a period to each sentence, and join the sentences with spaces."""
    return " ".join(f"{part}." for part in parts)


def _list_items(heading: str, items: list[str]) -> list[str]:
    """Return a list with one sentence that contains the heading and all items, or [] if `items` is empty."""
    if not items:
        return []
    return [f"{heading}: {'; '.join(items)}"]


def _describe_sizes(sizes: pd.DataFrame, top: int) -> str:
    """Describe the result of `group_sizes`: the number of groups and memberships, and the largest groups."""
    if sizes.empty:
        return "No groups."
    names, total = latest_group_names(sizes), int(sizes["n_members"].sum())
    order = sort_largest_first(sizes, "n_members")
    others = order.iloc[top:]
    items = []
    for row in iter_rows(order.head(top)):
        size = pluralize(row.n_members, "member")
        if not pd.isna(row.n_exclusive):  # A suppressed number is missing and is omitted.
            size += f", {row.n_exclusive:,} in no other group"
        items.append(f"{names[row.customer_group_uid]} ({size})")
    parts = [f"{pluralize(len(sizes), 'group')} with {pluralize(total, 'membership')}"]
    parts += _list_items("The largest groups", items)
    if len(others):
        n_others = int(others["n_members"].sum())
        share = format_percentage(n_others / max(total, 1))
        parts.append(
            f"Other groups: {len(others):,} with {pluralize(n_others, 'membership')} ({share} of all memberships)"
        )
    if n_empty := int((sizes["n_members"] == 0).sum()):
        parts.append(f"Groups without members: {n_empty:,}")
    return _join_sentences(parts)


def _describe_matrix(matrix: pd.DataFrame, top: int, measure: Measure) -> str:
    """Describe the result of `overlap_matrix`: the pairs of groups with the largest values."""
    n = len(matrix)
    if n == 0:
        return "No groups."
    if n == 1:
        return "The matrix contains only one group, which cannot be compared."
    values = matrix.to_numpy(dtype=float)
    if measure in _SYMMETRIC:
        word = "and"
        rows, columns = np.triu_indices(n, 1)
    else:
        word = "in"
        rows, columns = np.nonzero(~np.eye(n, dtype=bool))
    pairs = pd.DataFrame({"a": rows, "b": columns, "value": values[rows, columns]})
    finite = pairs[np.isfinite(pairs["value"])].sort_values("value", ascending=False, kind="stable")
    names = [" ".join(str(name).split()) for name in matrix.index]
    items = [
        f"{names[row.a]} {word} {names[row.b]} {_format_measure(row.value, measure)}"
        for row in iter_rows(finite.head(top))
    ]
    parts = [f"{pluralize(n, 'group')} with {pluralize(n * (n - 1) // 2, 'pair')}, compared by {_MEASURES[measure]}"]
    parts += _list_items("The largest values", items)
    if n_unknown := len(pairs) - len(finite):
        parts.append(f"Undefined or infinite values: {n_unknown:,}")
    if measure == "count" or measure in _SHARES:
        n_zero = int((finite["value"] == 0).sum())
        parts.append(f"Values of 0: {n_zero:,}")
    return _join_sentences(parts)


def _format_measure(value: float, measure: Measure) -> str:
    """Format the value of an overlap measure as a count, a percentage, or a decimal number."""
    if measure == "count":
        return f"{value:,.0f}"
    if measure in _SHARES:
        return format_percentage(value)
    return f"{value:.2f}"


def _describe_intersections(table: pd.DataFrame, top: int) -> str:
    """Describe the result of `intersections`: the largest combinations of groups, identified by group uids."""
    if table.empty:
        return "No customers are in groups."
    is_rest = table["groups"] == OTHER
    combinations, n_rest = table[~is_rest], int(table.loc[is_rest, "n"].sum())
    total = round(table["n"].iloc[0] / table["share"].iloc[0])
    is_exclusive = table["mode"].iloc[0] == "exclusive"
    definition = "Each number counts the customers who are in all of the listed groups"
    if is_exclusive:
        definition = "Each number counts the customers who are in exactly the listed groups"
    items = [
        f"{' & '.join(row.groups)} {row.n:,} ({format_percentage(row.n / total)})"
        for row in iter_rows(combinations.head(top))
    ]
    parts = [
        f"The table counts customers in combinations of groups ({pluralize(total, 'customer')}, "
        f"{pluralize(len(combinations), 'combination')})",
        definition,
        *_list_items("The largest combinations", items),
    ]
    others = combinations.iloc[top:]
    if len(others):
        more = f"Smaller combinations: {len(others):,}"
        if is_exclusive:
            more += f", with {pluralize(int(others['n'].sum()), 'customer')} in total"
        parts.append(more)
    if n_rest:
        parts.append(f"Customers who are only in combinations that the table omits: {n_rest:,}")
    return _join_sentences(parts)


def _describe_changes(changes: pd.DataFrame, top: int) -> str:
    """Describe the result of `group_changes`: the totals and the groups with the most changes."""
    if changes.empty:
        return "No groups."
    known = with_known_changes(changes)
    order, n_suppressed = sort_most_changed_first(known), len(changes) - len(known)
    if order.empty and n_suppressed:
        return f"The changes of {n_suppressed:,} of {pluralize(len(changes), 'group')} are suppressed."
    if order.empty:
        return f"No customers joined or left a group ({pluralize(len(changes), 'group')} compared)."
    names = latest_group_names(changes)
    notes = {"new": " (new)", "deleted": " (deleted)"}
    items = [
        f"{names[row.customer_group_uid]}{notes.get(row.status, '')} +{row.n_joined:,} −{row.n_left:,}"
        for row in iter_rows(order.head(top))
    ]
    parts = [
        f"{len(order) + n_suppressed:,} of {pluralize(len(changes), 'group')} changed",
        *([f"Groups with suppressed counts: {n_suppressed:,}"] if n_suppressed else []),
        f"Summed over {'the other' if n_suppressed else 'all'} groups, "
        f"{pluralize(int(known['n_joined'].sum()), 'customer')} joined and {int(known['n_left'].sum()):,} left",
        *_list_items("The groups with the most changes (joined, left)", items),
    ]
    others = order.iloc[top:]
    if len(others):
        n_joined, n_left = int(others["n_joined"].sum()), int(others["n_left"].sum())
        parts.append(f"Other changed groups: {len(others):,} (+{n_joined:,} −{n_left:,})")
    return _join_sentences(parts)


def _describe_history(history: pd.DataFrame, top: int) -> str:
    """Describe the result of `size_history`: the growth of the largest groups."""
    if history.empty:
        return "No snapshots."
    check_one_tenant(history, "table")
    names = latest_group_names(history)
    first = history.drop_duplicates("customer_group_uid").set_index("customer_group_uid")
    last = history.drop_duplicates("customer_group_uid", keep="last")
    items = [
        f"{names[row.customer_group_uid]} {_describe_growth(first.loc[row.customer_group_uid], row)}"
        for row in iter_rows(sort_largest_first(last, "n_members").head(top))
    ]
    times = history["taken_at"]
    since, until = format_day(times.min().date()), format_day(times.max().date())
    period = since if since == until else f"{since} to {until}"
    parts = [f"{pluralize(len(last), 'group')} in {pluralize(times.nunique(), 'snapshot')} ({period})"]
    parts += _list_items("The largest groups", items)
    if len(last) > top:
        parts.append(f"Smaller groups that are not listed: {len(last) - top:,}")
    if n_deleted := int((last["status"] == "deleted").sum()):
        parts.append(f"Groups that were deleted: {n_deleted:,}")
    # Verdicts are missing if a query engine computed the size history. Missing verdicts are not counted.
    if n_inconsistent := int((history["verdict"].dropna() != "consistent").sum()):
        parts.append(f"Sizes that were not read consistently: {n_inconsistent:,} of {len(history):,}")
    return _join_sentences(parts)


def _describe_growth(first: Any, last: Any) -> str:
    """Describe how the size of a group changed from its first to its last row in a size history."""
    if last.status == "deleted":
        return f"from {first.n_members:,} (deleted)"
    text = f"from {first.n_members:,} to {last.n_members:,}"
    if first.status == "new":
        return f"{text} (new)"
    if first.n_members == 0:
        return text
    return f"{text} ({format_growth(first.n_members, last.n_members)})"


def _describe_flow(flow: pd.DataFrame, top: int) -> str:
    """Describe the result of `group_flow`: the customers who stayed and the largest moves."""
    if flow.empty:
        return "No customers are in these groups in either snapshot."
    sides = [flow[[f"{side}_group", f"{side}_name"]].set_axis(["uid", "name"], axis=1) for side in ("from", "to")]
    states = pd.concat(sides).drop_duplicates("uid")
    names = unique_names(states["uid"], states["name"])
    total, n_stayed = int(flow["n"].sum()), int(flow["n_stayed"].sum())
    moves = flow.assign(n=flow["n"] - flow["n_stayed"])
    moves = moves[moves["n"] > 0].sort_values("n", ascending=False, kind="stable")
    items = [f"{_describe_move(row, names)} {row.n:,}" for row in iter_rows(moves.head(top))]
    parts = [
        f"{n_stayed:,} of {pluralize(total, 'customer')} ({format_percentage(n_stayed / total)}) stayed in the same "
        "group or the same set of groups",
        *_list_items("The largest moves", items),
    ]
    others = moves.iloc[top:]
    if len(others):
        n_customers = pluralize(int(others["n"].sum()), "customer")
        parts.append(f"Smaller moves: {len(others):,}, with {n_customers} in total")
    return _join_sentences(parts)


def _describe_move(row: Any, names: Mapping[str, str]) -> str:
    """Describe a move by its two states. If both states are "(several)", the customers moved to other groups."""
    if row.from_group == row.to_group:
        return f"{names[row.from_group]} to other groups in {names[row.to_group]}"
    return f"{names[row.from_group]} to {names[row.to_group]}"


def _describe_profile(profile: pd.DataFrame, top: int) -> str:
    """Describe the result of `group_profile` or `compare_groups`: the values with the strongest differences."""
    if profile.empty:
        return "The profile contains no values."
    rows = sort_strongest_first(profile)
    parts = ["No value distinguishes the group from the reference"]
    if len(rows):
        n_attributes = rows["attribute"].nunique()
        parts = [f"The profile compares {pluralize(len(rows), 'value')} of {pluralize(n_attributes, 'attribute')}"]
    items = [f"{value_label(row)} {_describe_difference(row)}" for row in iter_rows(rows.head(top))]
    parts += _list_items("The strongest differences (group, reference)", items)
    if n_insignificant := int((rows["q_value"] > MAX_Q_VALUE).sum()):
        parts.append(f"Differences that might be due to chance (q-value above {MAX_Q_VALUE}): {n_insignificant:,}")
    if n_suppressed := int(profile["suppressed"].sum()):
        parts.append(f"Rows suppressed because of small counts: {n_suppressed:,}")
    return _join_sentences(parts)


def _describe_difference(row: Any) -> str:
    """Format a profile row: two means for a numeric attribute, or two shares and the index for other attributes."""
    if is_mean(row):
        return describe_means(row)
    shares = ["–" if np.isnan(share) else format_percentage(share) for share in (row.share_in, row.share_ref)]
    text = ", ".join(shares)
    if np.isnan(row.index):
        return text
    return f"{text} (index {row.index:,.0f})"


def _describe_reachability(reach: pd.DataFrame, top: int) -> str:
    """Describe the result of `reachability`: the reachable members of the largest groups, per channel."""
    if reach.empty:
        return "No groups."
    names = latest_group_names(reach)
    order = sort_largest_first(reach.drop_duplicates("customer_group_uid"), "n_members")
    parts = [f"Members with a contact point and consent, in {pluralize(len(order), 'group')}"]
    for group in iter_rows(order.head(top)):
        uid, n_members = group.customer_group_uid, group.n_members
        channels = [_describe_channel(row) for row in iter_rows(reach[reach["customer_group_uid"] == uid])]
        parts.append(f"{names[uid]} ({pluralize(n_members, 'member')}): {', '.join(channels)}")
    if len(order) > top:
        parts.append(f"Smaller groups that are not listed: {len(order) - top:,}")
    if n_suppressed := int(reach["suppressed"].sum()):
        parts.append(f"Rows with suppressed counts: {n_suppressed:,} of {len(reach):,}")
    return _join_sentences(parts)


def _describe_channel(row: Any) -> str:
    """Describe how many members of a group can be contacted through one channel."""
    if pd.isna(row.n_reachable):
        return f"{row.channel} suppressed"
    return f"{row.channel} {row.n_reachable:,} ({format_percentage(row.n_reachable / max(row.n_members, 1))})"


def _describe_incremental_reach(steps: pd.DataFrame, top: int) -> str:
    """Describe the result of `incremental_reach`: the number of customers that each group adds."""
    if steps.empty:
        return "No customers in these groups can be contacted."
    names, last = latest_group_names(steps), steps.iloc[-1]
    items = [
        f"{names[row.customer_group_uid]} adds {row.n_new:,} ({format_percentage(row.share_cumulative)})"
        for row in iter_rows(steps.head(top))
    ]
    parts = [
        f"{pluralize(int(last['n_cumulative']), 'customer')} can be contacted in {pluralize(len(steps), 'group')}",
        f"These customers are {format_percentage(last['share_cumulative'])} of the customers who can be contacted in "
        "any of the groups",
        *_list_items("The steps, with the new customers and the cumulative share", items),
    ]
    others = steps.iloc[top:]
    if len(others):
        n_customers = pluralize(int(others["n_new"].sum()), "customer")
        parts.append(f"Further steps: {len(others):,}, which add {n_customers} in total")
    return _join_sentences(parts)


def _describe_campaigns(campaigns: pd.DataFrame, top: int) -> str:
    """Describe the result of `campaign_reach`: the campaigns with the largest discounts."""
    not_running = describe_not_running(campaigns).removesuffix(".")
    if campaigns.empty:
        return _join_sentences(["No campaigns are running", *filter(None, [not_running])])
    uids = campaigns["campaign_uid"].fillna(campaigns["customer_group_uid"])
    names = unique_names(uids, campaigns["name"])
    items = []
    for uid, row in zip(uids, iter_rows(campaigns.head(top)), strict=False):
        item = f"{names[uid]} ({row.discount_percent:g}%) {row.n_effective:,} of {row.n_members:,}"
        if row.n_shadowed:
            item += f" (larger discount: {names[row.shadowed_by]})"
        items.append(item)
    parts = [f"Running campaigns: {len(campaigns):,}"]
    parts += _list_items("Members who do not get a larger discount, per campaign", items)
    if n_others := len(campaigns[top:]):
        parts.append(f"Other campaigns with the same or smaller discounts: {n_others:,}")
    is_useless = (campaigns["n_effective"] == 0) & (campaigns["n_members"] > 0)
    if n_useless := int(is_useless.sum()):
        parts.append(
            f"In {pluralize(n_useless, 'campaign')}, all members get a larger discount from another campaign"
        )
    if not_running:
        parts.append(not_running)
    return _join_sentences(parts)


def _describe_waterfall(summary: pd.DataFrame, top: int) -> str:
    """Describe a waterfall summary: the remaining customers of the first audiences, and the total of the others."""
    if summary.empty:
        return "No audiences."
    n_remaining = int(summary["n_remaining"].sum())
    parts = [f"{pluralize(n_remaining, 'customer')} in {pluralize(len(summary), 'audience')}, in order of priority"]
    for row in iter_rows(summary.head(top)):
        losses = {"excluded": row.n_excluded, "in an earlier audience": row.n_earlier, "over the cap": row.n_over_cap}
        reasons = [f"{n:,} {reason}" for reason, n in losses.items() if n]
        name = " ".join(row.audience.split())
        text = f"{name}: {row.n_remaining:,} of {pluralize(row.n_requested, 'customer')}"
        if reasons:
            text += f" ({', '.join(reasons)})"
        parts.append(text)
    others = summary.iloc[top:]
    if len(others):
        n_others = pluralize(int(others["n_remaining"].sum()), "customer")
        parts.append(f"Other audiences: {len(others):,}, with {n_others} in total")
    return _join_sentences(parts)


def _describe_lift(lift: pd.DataFrame, top: int) -> str:
    """Describe the result of `measure_lift`: the effect of each arm and its confidence interval."""
    if len(lift) < 2:
        return "No arms to compare."
    are_rates = has_rates(lift)
    measure = "rate" if are_rates else "mean"
    texts = pd.DataFrame(index=lift.index)
    decimals = difference_decimals(lift, are_rates=are_rates)
    for name in (measure, "difference", "ci_low", "ci_high", "incremental"):
        texts[name] = format_column(lift[name], name, are_rates=are_rates, decimals=decimals)
    control, *arms = zip(iter_rows(lift), iter_rows(texts), strict=True)
    sentences = []
    for row, text in arms[:top]:
        sentences.append(
            f"The {measure} is {getattr(text, measure)} in {row.arm} ({pluralize(row.n, 'customer')}) and "
            f"{getattr(control[1], measure)} in {control[0].arm} ({pluralize(control[0].n, 'customer')}). "
            f"The difference is {text.difference}, and its 95% interval is from {text.ci_low} to {text.ci_high}. "
            f"The estimated incremental total is {text.incremental}."
        )
        if row.ci_low <= 0 <= row.ci_high:
            sentences.append("The interval contains 0, so the campaign might have had no effect.")
    if len(arms) > top:
        sentences.append(f"Other arms: {len(arms) - top:,}.")
    return " ".join(sentences)


def _describe_balance(balance: pd.DataFrame, top: int) -> str:
    """Describe the result of `split_balance`: the arm sizes, and the values with the largest differences."""
    is_size = balance["attribute"] == SAMPLE_RATIO
    sentences = []
    p_value = balance.loc[is_size, "p_value"].min()
    if pd.notna(p_value):
        verb = "match" if p_value >= MIN_P_VALUE else "do not match"
        [text] = format_column([p_value], "p_value")
        sentences.append(f"The sizes of the arms {verb} the planned shares (p-value {text}).")
    others = balance[~is_size].dropna(subset="effect_size")
    others = others.reindex(others["effect_size"].abs().sort_values(ascending=False, kind="stable").index)
    n_different = int((others["q_value"] < MAX_Q_VALUE).sum())
    values = pluralize(len(others), "value")
    verb = agree(n_different, "differs", "differ")
    sentences.append(f"{n_different:,} of {values} {verb} significantly between an arm and the control.")
    listed = [
        f"{row.attribute} {row.value} in {row.arm}: {format_column([row.effect_size], 'effect_size')[0]}"
        for row in iter_rows(others.head(top).fillna({"value": ""}))
    ]
    if listed:
        sentences.append(f"The largest effect sizes are {'; '.join(map(_one_line, listed))}.")
    return " ".join(sentences)


def _one_line(text: str) -> str:
    return " ".join(text.split())


# Each entry contains the columns that identify a result table, and the function that describes the table.
# `describe` uses the first entry whose columns are all in the table.
_TABLES: dict[str, tuple[set[str], Callable[[pd.DataFrame, int], str]]] = {
    "group_sizes": ({"n_members", "n_exclusive"}, _describe_sizes),
    "size_history": ({"taken_at", "n_members", "n_joined"}, _describe_history),
    "group_changes": ({"n_old", "n_joined", "n_left", "n_new"}, _describe_changes),
    "group_flow": ({"from_group", "to_group", "n_stayed"}, _describe_flow),
    "group_profile": ({"attribute", "share_in", "share_ref"}, _describe_profile),
    "reachability": ({"channel", "n_reachable"}, _describe_reachability),
    "incremental_reach": ({"n_reachable", "n_new", "n_cumulative"}, _describe_incremental_reach),
    "campaign_reach": ({"n_effective", "n_shadowed"}, _describe_campaigns),
    "waterfall_summary": ({"audience", "n_requested", "n_remaining"}, _describe_waterfall),
    "measure_lift": ({"arm", "difference", "ci_low", "incremental"}, _describe_lift),
    "split_balance": ({"attribute", "arm", "share_planned"}, _describe_balance),
    "intersections": ({"groups", "degree", "n", "share", "mode"}, _describe_intersections),
}
