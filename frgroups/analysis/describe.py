"""A table in a few plain sentences: what its chart shows, for those who cannot see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from frgroups.analysis.attributes import NUMBER
from frgroups.analysis.intersections import OTHER
from frgroups.analysis.overlap import Measure, measure_of
from frgroups.analysis.sizes import group_sizes
from frgroups.errors import InputError
from frgroups.internals.formatting import format_day, format_growth, format_share, pluralize
from frgroups.snapshot.snapshot import Snapshot

_SYMMETRIC = ("count", "jaccard", "overlap_coefficient", "lift", "phi", "pmi")

_WORDS = {
    "count": "customers in both",
    "jaccard": "customers in both of those in either (Jaccard)",
    "share": "the share of the first that is in the second",
    "overlap_coefficient": "customers in both of the smaller group (overlap coefficient)",
    "lift": "customers in both against chance (lift)",
    "phi": "correlation (phi)",
    "pmi": "customers in both against chance (pmi, bits)",
}

_OF_CUSTOMERS = ("count", "jaccard", "share", "overlap_coefficient")


CHANCE = 0.05  # a q above it may be chance


__all__ = ["describe"]


def describe(table: Any, *, top: int = 5, measure: Measure | None = None) -> str:
    """
    A table in a few plain sentences, with the numbers that its chart shows: the text twin of `frgroups.plot`.

    Names are whole here, where a chart shortens them, and nothing is told that is not in the table: what is
    suppressed there is only counted here.

    Parameters
    ----------
    table
        The table of `group_sizes`, `overlap_matrix`, `intersections`, `group_changes`, `size_history`, `group_flow`,
        `group_profile`, `compare_groups`, `reachability`, `incremental_reach` or `campaign_reach`, told by its
        columns; or a Snapshot, of which the sizes are described.
    top
        How many groups, values or steps are told one by one; what the others hold is told together.
    measure
        Of an `overlap_matrix` that does not say it any more, such as one that was read from a file.

    Raises
    ------
    InputError
        Another table, a `top` below 1, or a matrix of an unknown measure.

    >>> print(describe(sample_snapshot()))
    3 groups with 253 memberships. The largest: All members with 250 (248 in no other group); VIP with 2 (0);
    Staff with 1 (1).
    """
    if isinstance(top, bool) or not isinstance(top, int) or top < 1:
        raise InputError(f"top={top!r} tells nothing; give a whole number from 1.")
    if isinstance(table, Snapshot):
        table = group_sizes(table)
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"describe takes a Snapshot or a table, not a {type(table).__name__}.")
    columns = set(table.columns)
    for needed, told in _KINDS.values():
        if needed <= columns:
            return told(table, top)
    if pd.api.types.is_string_dtype(table.index) and table.index.equals(table.columns):
        return told_matrix(table, top, measure_of(table, measure))
    raise InputError(
        f"describe knows the tables of {', '.join(_KINDS)} and overlap_matrix; this one has the "
        f"columns {', '.join(map(repr, list(table.columns)[:8]))}."
    )


def each(table: pd.DataFrame) -> Iterator[Any]:
    """The rows of a table, their columns as attributes."""
    yield from table.itertuples()


def name_of(uids: Iterable[str], names: Iterable[str]) -> dict[str, str]:
    """
    The name of each group in one line, with its uid where it has none or shares it.

    >>> name_of(["a", "b", "c"], ["VIP", "Staff", "VIP"])
    {'a': 'VIP (a)', 'b': 'Staff', 'c': 'VIP (c)'}
    """
    whole = {uid: " ".join(name.split()) for uid, name in zip(uids, names, strict=True)}
    known = list(whole.values())
    return {
        uid: name if name and (name == uid or known.count(name) == 1) else f"{name} ({uid})".lstrip()
        for uid, name in whole.items()
    }


def all_folder_names(table: pd.DataFrame) -> dict[str, str]:
    """The last name of each group of a table."""
    last = table.drop_duplicates("customer_group_uid", keep="last")
    return name_of(last["customer_group_uid"], last["name"])


def percent(share: float) -> str:
    """
    A share in per cent; only all is 100%.

    >>> percent(0.25), percent(0.9999), percent(1.0), percent(float("nan"))
    ('25%', '99.9%', '100%', '–')
    """
    if share != share:
        return "–"
    told = 100 * share if share >= 1 else min(100 * share, 99.9)
    return f"{told:.1f}".removesuffix(".0") + "%"


def sentences(*parts: str) -> str:
    """
    The parts that say something, as sentences.

    >>> sentences("3 groups", "", "2 are empty")
    '3 groups. 2 are empty.'
    """
    return " ".join(f"{part}." for part in parts if part)


def listed(heading: str, items: Sequence[str]) -> str:
    """
    A heading and what stands under it, or nothing.

    >>> listed("The largest", ["VIP with 2", "Staff with 1"]), listed("The largest", [])
    ('The largest: VIP with 2; Staff with 1', '')
    """
    return f"{heading}: {'; '.join(items)}" if items else ""


def told_changes(table: pd.DataFrame, top: int) -> str:
    """`group_changes` in words: the groups that changed most."""
    if table.empty:
        return "No groups."
    moved = table.assign(n_moved=table["n_joined"] + table["n_left"]).query("n_moved > 0")
    if moved.empty:
        return f"No change in {pluralize(len(table), 'group')}."
    names = all_folder_names(table)
    order = moved.sort_values(["n_moved", "customer_group_uid"], ascending=[False, True])
    notes = {"new": " (new)", "deleted": " (deleted)"}
    items = [
        f"{names[row.customer_group_uid]}{notes.get(row.status, '')} +{row.n_joined:,} −{row.n_left:,}"
        for row in each(order.head(top))
    ]
    left = order.iloc[top:]
    return sentences(
        f"{len(moved):,} of {pluralize(len(table), 'group')} changed: {int(table['n_joined'].sum()):,} joined, "
        f"{int(table['n_left'].sum()):,} left",
        listed("The most changed, joined and left", items),
        f"{len(left):,} more: +{int(left['n_joined'].sum()):,} −{int(left['n_left'].sum()):,}" if len(left) else "",
    )


def told_history(table: pd.DataFrame, top: int) -> str:
    """`size_history` in words: from the first to the last size of the largest groups."""
    if table.empty:
        return "No readings."
    names = all_folder_names(table)
    first = table.drop_duplicates("customer_group_uid").set_index("customer_group_uid")
    last = table.drop_duplicates("customer_group_uid", keep="last")
    order = last.sort_values(["n_members", "customer_group_uid"], ascending=[False, True])
    items = [
        f"{names[row.customer_group_uid]} {_from_to(first.loc[row.customer_group_uid], row)}"
        for row in each(order.head(top))
    ]
    since, until = (format_day(moment.date()) for moment in (table["taken_at"].min(), table["taken_at"].max()))
    unsure = int((table["verdict"] != "consistent").sum())
    n_deleted = int((last["status"] == "deleted").sum())
    return sentences(
        f"{pluralize(len(last), 'group')} at {pluralize(table['taken_at'].nunique(), 'moment')}, "
        + (since if since == until else f"{since} to {until}"),
        listed("The largest", items),
        f"{len(order) - top:,} more" if len(order) > top else "",
        f"Deleted meanwhile: {n_deleted:,}" if n_deleted else "",
        f"Not consistent: {unsure:,} of {pluralize(len(table), 'reading')}" if unsure else "",
    )


def told_flow(table: pd.DataFrame, top: int) -> str:
    """`group_flow` in words: who stayed, and the largest moves."""
    if table.empty:
        return "Nobody was or is in these groups."
    sides = [table[[f"{side}_group", f"{side}_name"]].set_axis(["uid", "name"], axis=1) for side in ("from", "to")]
    states = pd.concat(sides).drop_duplicates("uid")
    names = name_of(states["uid"], states["name"])
    stays = table["from_group"] == table["to_group"]
    n_all, n_stayed = int(table["n"].sum()), int(table.loc[stays, "n"].sum())
    moves = table[~stays].sort_values("n", ascending=False, kind="stable")
    items = [f"{names[row.from_group]} to {names[row.to_group]} {row.n:,}" for row in each(moves.head(top))]
    left = moves.iloc[top:]
    return sentences(
        f"{pluralize(n_all, 'customer')}, of whom {n_stayed:,} stayed where they were "
        f"({format_share(n_stayed, n_all)})",
        listed("The largest moves", items),
        f"{pluralize(len(left), 'move')} more of {pluralize(int(left['n'].sum()), 'customer')}" if len(left) else "",
    )


def _from_to(first: Any, last: Any) -> str:
    if last.status == "deleted":
        return f"from {first.n_members:,} to its deletion"
    new = " (new)" if first.status == "new" else ""
    growth = f" ({format_growth(first.n_members, last.n_members)})" if first.n_members and not new else ""
    return f"from {first.n_members:,} to {last.n_members:,}{growth}{new}"


def told_profile(table: pd.DataFrame, top: int) -> str:
    """`group_profile` or `compare_groups` in words: what sets the group apart most."""
    if table.empty:
        return "No values."
    known, n_left_out = strongest(table), int(table["suppressed"].sum())
    n_chance = int((known["q_value"] > CHANCE).sum())
    items = [f"{value_name(row)} {_beside(row)}" for row in each(known.head(top))]
    return sentences(
        f"{pluralize(len(known), 'value')} of {pluralize(known['attribute'].nunique(), 'attribute')}"
        if len(known)
        else "No value that tells the two apart",
        listed("The strongest effects, in the group and among the others", items),
        f"{pluralize(n_chance, 'value')} with a q above {CHANCE}, which may be chance" if n_chance else "",
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
    names, n_left_out = all_folder_names(table), int(table["suppressed"].sum())
    order = table.drop_duplicates("customer_group_uid").sort_values(
        ["n_members", "customer_group_uid"], ascending=[False, True]
    )
    groups = [table[table["customer_group_uid"] == uid] for uid in order["customer_group_uid"].head(top)]
    n_more = len(order) - len(groups)
    return sentences(
        f"{pluralize(len(order), 'group')}; who may be written to gives consent and has a contact point",
        *[_channels(names[rows["customer_group_uid"].iloc[0]], rows) for rows in groups],
        f"{pluralize(n_more, 'group')} more, smaller ones" if n_more else "",
        f"In {n_left_out:,} of {len(table):,} rows something is suppressed" if n_left_out else "",
    )


def told_steps(table: pd.DataFrame, top: int) -> str:
    """`incremental_reach` in words: what each step adds."""
    if table.empty:
        return "Nobody can be reached."
    names, n_all = all_folder_names(table), int(table["n_cumulative"].iloc[-1])
    items = [
        f"{names[row.customer_group_uid]} adds {row.n_new:,} ({percent(row.share_cumulative)})"
        for row in each(table.head(top))
    ]
    left = table.iloc[top:]
    return sentences(
        f"{pluralize(len(table), 'group')} {'reaches' if len(table) == 1 else 'reach'} "
        f"{pluralize(n_all, 'customer')}, "
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
        pluralize(len(table), "campaign"),
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
        else f"{row.channel} {row.n_reachable:,} ({format_share(int(row.n_reachable), max(n_members, 1))})"
        for row in each(rows)
    ]
    return f"{name}, {pluralize(n_members, 'member')}: {', '.join(told)}"


def _number(value: float) -> str:
    if np.isnan(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"


def told_sizes(table: pd.DataFrame, top: int) -> str:
    """`group_sizes` in words."""
    if table.empty:
        return "No groups."
    names, total = all_folder_names(table), int(table["n_members"].sum())
    order = table.sort_values(["n_members", "customer_group_uid"], ascending=[False, True])
    shown, rest = order.head(top), order.iloc[top:]
    items = [f"{names[row.customer_group_uid]} with {row.n_members:,} ({row.n_exclusive:,})" for row in each(shown)]
    items[0] = items[0].removesuffix(")") + " in no other group)"
    n_rest, n_empty = int(rest["n_members"].sum()), int((table["n_members"] == 0).sum())
    return sentences(
        f"{pluralize(len(table), 'group')} with {pluralize(total, 'membership')}",
        listed("The largest", items),
        f"The other {len(rest):,} hold {n_rest:,} ({format_share(n_rest, max(total, 1))})" if len(rest) else "",
        f"Without a member: {n_empty:,}" if n_empty else "",
    )


def told_matrix(matrix: pd.DataFrame, top: int, measure: Measure) -> str:
    """`overlap_matrix` in words: the pairs with the largest values."""
    n = len(matrix)
    if n < 2:
        return "No two groups to compare." if n else "No groups."
    values = matrix.to_numpy(dtype=float)
    rows, columns = np.triu_indices(n, 1) if measure in _SYMMETRIC else np.nonzero(~np.eye(n, dtype=bool))
    pairs = pd.DataFrame({"a": rows, "b": columns, "value": values[rows, columns]})
    known = pairs[np.isfinite(pairs["value"])].sort_values("value", ascending=False, kind="stable")
    names = [" ".join(str(name).split()) for name in matrix.index]
    word = "and" if measure in _SYMMETRIC else "in"
    items = [f"{names[row.a]} {word} {names[row.b]} {_value(row.value, measure)}" for row in each(known.head(top))]
    n_pairs = n * (n - 1) // 2
    unknown = len(pairs) - len(known)
    return sentences(
        f"{pluralize(n, 'group')}, {pluralize(n_pairs, 'pair')}, by {_WORDS[measure]}",
        listed("The largest values", items),
        f"Unknown or without bound: {pluralize(unknown, 'value')}" if unknown else "",
        f"Of 0: {pluralize(int((known['value'] == 0).sum()), 'value')}" if measure in _OF_CUSTOMERS else "",
    )


def told_intersections(table: pd.DataFrame, top: int) -> str:
    """`intersections` in words; its groups are uids."""
    if table.empty:
        return "No customers in groups."
    cut = table["groups"] == OTHER
    whole, others = table[~cut], int(table.loc[cut, "n"].sum())
    n_all = round(table["n"].iloc[0] / table["share"].iloc[0])
    exclusive = table["mode"].iloc[0] == "exclusive"
    how = "exactly these groups" if exclusive else "all of these groups, whatever else they are in"
    items = [f"{' & '.join(row.groups)} {row.n:,} ({format_share(row.n, n_all)})" for row in each(whole.head(top))]
    left = whole.iloc[top:]
    n_left = int(left["n"].sum())
    summed = f" with {pluralize(n_left, 'customer')}" if exclusive else ""
    return sentences(
        f"{pluralize(n_all, 'customer')}, {pluralize(len(whole), 'combination')}; customers in {how}",
        listed("The most", items),
        f"{pluralize(len(left), 'combination')} more{summed}" if len(left) else "",
        f"In none of these combinations, cut from the table: {others:,}" if others else "",
    )


def _value(value: float, measure: Measure) -> str:
    if measure == "count":
        return f"{value:,.0f}"
    if measure in _OF_CUSTOMERS:
        return percent(value)
    return f"{value:.2f}"


# By the columns that no other table has; the first that fits.
_KINDS: dict[str, tuple[set[str], Callable[[pd.DataFrame, int], str]]] = {
    "group_sizes": ({"n_members", "n_exclusive"}, told_sizes),
    "size_history": ({"taken_at", "n_members", "n_joined"}, told_history),
    "group_changes": ({"n_old", "n_joined", "n_left", "n_new"}, told_changes),
    "group_flow": ({"from_group", "to_group", "n"}, told_flow),
    "group_profile": ({"attribute", "share_in", "share_ref"}, told_profile),
    "reachability": ({"channel", "n_reachable"}, told_reach),
    "incremental_reach": ({"n_reachable", "n_new", "n_cumulative"}, told_steps),
    "campaign_reach": ({"n_effective", "n_shadowed"}, told_campaigns),
    "intersections": ({"groups", "degree", "n", "share", "mode"}, told_intersections),
}
