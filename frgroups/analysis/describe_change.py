"""Change in words: who joined and left, how groups grew, and where customers went."""

from __future__ import annotations

from typing import Any

import pandas as pd

from frgroups.described.wording import each, listed, name_of, names_in, sentences
from frgroups.human import counted, day_in_words, growth_in_words, share_in_words


def told_changes(table: pd.DataFrame, top: int) -> str:
    """`group_changes` in words: the groups that changed most."""
    if table.empty:
        return "No groups."
    moved = table.assign(n_moved=table["n_joined"] + table["n_left"]).query("n_moved > 0")
    if moved.empty:
        return f"No change in {counted(len(table), 'group')}."
    names = names_in(table)
    order = moved.sort_values(["n_moved", "customer_group_uid"], ascending=[False, True])
    notes = {"new": " (new)", "deleted": " (deleted)"}
    items = [
        f"{names[row.customer_group_uid]}{notes.get(row.status, '')} +{row.n_joined:,} −{row.n_left:,}"
        for row in each(order.head(top))
    ]
    left = order.iloc[top:]
    return sentences(
        f"{len(moved):,} of {counted(len(table), 'group')} changed: {int(table['n_joined'].sum()):,} joined, "
        f"{int(table['n_left'].sum()):,} left",
        listed("The most changed, joined and left", items),
        f"{len(left):,} more: +{int(left['n_joined'].sum()):,} −{int(left['n_left'].sum()):,}" if len(left) else "",
    )


def told_history(table: pd.DataFrame, top: int) -> str:
    """`size_history` in words: from the first to the last size of the largest groups."""
    if table.empty:
        return "No readings."
    names = names_in(table)
    first = table.drop_duplicates("customer_group_uid").set_index("customer_group_uid")
    last = table.drop_duplicates("customer_group_uid", keep="last")
    order = last.sort_values(["n_members", "customer_group_uid"], ascending=[False, True])
    items = [
        f"{names[row.customer_group_uid]} {_from_to(first.loc[row.customer_group_uid], row)}"
        for row in each(order.head(top))
    ]
    since, until = (day_in_words(moment.date()) for moment in (table["taken_at"].min(), table["taken_at"].max()))
    unsure = int((table["verdict"] != "consistent").sum())
    n_deleted = int((last["status"] == "deleted").sum())
    return sentences(
        f"{counted(len(last), 'group')} at {counted(table['taken_at'].nunique(), 'moment')}, "
        + (since if since == until else f"{since} to {until}"),
        listed("The largest", items),
        f"{len(order) - top:,} more" if len(order) > top else "",
        f"Deleted meanwhile: {n_deleted:,}" if n_deleted else "",
        f"Not consistent: {unsure:,} of {counted(len(table), 'reading')}" if unsure else "",
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
        f"{counted(n_all, 'customer')}, of whom {n_stayed:,} stayed where they were "
        f"({share_in_words(n_stayed, n_all)})",
        listed("The largest moves", items),
        f"{counted(len(left), 'move')} more of {counted(int(left['n'].sum()), 'customer')}" if len(left) else "",
    )


def _from_to(first: Any, last: Any) -> str:
    if last.status == "deleted":
        return f"from {first.n_members:,} to its deletion"
    new = " (new)" if first.status == "new" else ""
    growth = f" ({growth_in_words(first.n_members, last.n_members)})" if first.n_members and not new else ""
    return f"from {first.n_members:,} to {last.n_members:,}{growth}{new}"
