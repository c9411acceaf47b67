"""What every rendering of a plan tells: where it goes, what it does, what was found, until when."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from frgroups.internals.timestamps import parse_duration
from frgroups.plan.customer_facts import customer_facts
from frgroups.plan.finding import Finding
from frgroups.plan.group_change import GroupChange
from frgroups.plan.moves import format_moves
from frgroups.plan.plan import Plan
from frgroups.review.customer_names import NAME, names_of
from frgroups.snapshot.snapshot import Snapshot

# 64 words that are hard to mistake for each other on the telephone: 6 bits each.
_WORDS = (
    "acid apple arrow autumn badge bamboo basket bridge "
    "butter camel candle carpet castle cherry circus copper "
    "dragon eagle engine falcon feather forest garden ginger "
    "guitar hammer harbour honey island jacket jungle kettle "
    "ladder lemon magnet marble meadow mirror monkey needle "
    "oyster paper parrot pencil pepper piano pocket puzzle "
    "rabbit ribbon rocket saddle salmon shadow silver spider "
    "sunset table tiger tomato tunnel velvet violin winter "
)


def spoken_code(digest: str) -> str:
    """
    Four words to compare two copies of a plan on the telephone.

    They come from the end of the digest, the digits that `approve` usually leaves out. They find mistakes; against
    someone who forges a plan only the whole digest helps.

    >>> spoken_code("0" * 58 + "e6b5e9")
    'table pencil ginger paper'
    """
    words, bits = _WORDS.split(), int(digest[-6:], 16)
    return " ".join(words[bits >> shift & 63] for shift in (18, 12, 6, 0))


def operations(plan: Plan, personal: Snapshot | None = None) -> pd.DataFrame:
    """
    `Plan.table()` in the order of reading: removals, then what has a finding, then the rest.

    With the name of the group and what the plan knows of the customer, apart from names and contact data. An undo
    does not know their groups; a personal snapshot that is given tells those, and the names besides.
    """
    table = plan.table()
    names = {group.uid: group.name for group in plan.groups}
    table.insert(1, "group_name", table["customer_group_uid"].map(names).astype("str"))
    rank = np.where(table["change"] == "remove", 0, np.where(table["finding"] != "", 1, 2))
    table = table.iloc[np.argsort(rank, kind="stable")].reset_index(drop=True)
    if personal is not None:
        table[NAME] = pd.Series(names_of(personal, table["customer_uid"]), dtype="str")
    known = plan.customer_facts()
    if personal is not None and (known is None or plan.reverts):
        known = customer_facts(personal, table["customer_uid"])
    if known is None or table.empty:
        return table
    return pd.concat([table, known.reindex(table["customer_uid"], fill_value="").reset_index(drop=True)], axis=1)


def headline(plan: Plan) -> str:
    """The whole plan in one line."""
    return f"Undo: {_change(plan)}" if plan.reverts and not plan.is_empty else _change(plan)


def _change(plan: Plan) -> str:
    if plan.is_empty:
        return "Nothing to do: the groups already are as wanted"
    n, changes = len(plan.groups), plan.n_add + plan.n_remove
    where = f"in {n:,} customer {'group' if n == 1 else 'groups'}"
    if not changes:
        return f"{n:,} customer {'group is' if n == 1 else 'groups are'} created, without members"
    if plan.n_add and plan.n_remove:
        return f"{plan.n_add:,} {_s(plan.n_add, 'join')}, {plan.n_remove:,} {_s(plan.n_remove, 'leave')}, {where}"
    who = " customer" if changes == 1 else " customers" if changes == _n_customers(plan) else ""
    return f"{changes:,}{who} {_s(changes, 'join' if plan.n_add else 'leave')}, {where}"


def _n_customers(plan: Plan) -> int:
    return len({uid for group in plan.groups for uid in (*group.add, *group.remove)})


def customers_sentence(plan: Plan) -> str:
    """How many different customers there are, and how many of them move from one group to another."""
    n, moving = _n_customers(plan), plan.moves()["customer_uid"].nunique()
    if not n:
        return ""
    text = f"{n:,} different {'customer' if n == 1 else 'customers'}."
    if moving:
        text += (
            f" {moving:,} of them {_s(moving, 'leave')} one group and {_s(moving, 'join')} another: everyone joins "
            "before anyone leaves, so they are in both for a moment."
        )
    return text


def moves(plan: Plan) -> list[str]:
    """How many move from which group to which."""
    return format_moves(plan.moves())


def sentence(group: GroupChange) -> str:
    """The sentence of the group, and that nobody is left where that is so."""
    return group.sentence() + (" Nobody is left in it." if group.counts.emptied else "")


def by_weight(plan: Plan) -> list[GroupChange]:
    """The groups with the gravest first: blocked, then emptied, then by removals, then by additions."""
    blocked = blocked_groups(plan)
    return sorted(
        plan.groups,
        key=lambda one: (one.uid not in blocked, not one.counts.emptied, -len(one.remove), -len(one.add), one.uid),
    )


def blocked_groups(plan: Plan) -> frozenset[str]:
    """The groups whose own limits are broken."""
    return frozenset(one.customer_group_uid for one in plan.findings if one.blocking and one.customer_group_uid)


def plan_expires(plan: Plan) -> datetime | None:
    """When the plan itself is too old to be applied; None where no limit says so."""
    if plan.limits.plan_max_age is None:
        return None
    return plan.planned_at + parse_duration(plan.limits.plan_max_age)


def findings_by_weight(plan: Plan) -> tuple[Finding, ...]:
    """Blocking findings first, otherwise in the plan's order."""
    return tuple(sorted(plan.findings, key=lambda one: not one.blocking))


def _s(n: int, verb: str) -> str:
    return f"{verb}s" if n == 1 else verb
