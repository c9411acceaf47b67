"""What was wanted and is held back: who stays in a group, or out of it, and why; shown in a plan, never sent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import astuple, dataclass, field, replace
from typing import Literal

import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.redaction import shown
from frgroups.internals.validation import several
from frgroups.plan.group_change import GroupChange
from frgroups.plan.limits import Finding
from frgroups.plan.suppression_list import never_added
from frgroups.snapshot.snapshot import Snapshot

Rule = Literal["protected", "protected_group", "never_add"]
HELD_COLUMNS = ["customer_group_uid", "customer_uid", "change", "reason"]


@dataclass(frozen=True, slots=True)
class HeldBack:
    """One change ("add" or "remove") that a plan leaves out, by which rule, and what a list says of the customer."""

    customer_group_uid: str
    group_name: str
    customer_uid: str
    rule: Rule
    note: str = ""

    @property
    def change(self) -> str:
        """What was wanted of the customer."""
        return "add" if self.rule == "never_add" else "remove"

    @property
    def reason(self) -> str:
        """
        Why, in words.

        >>> HeldBack("vip", "VIP", "c-1", "never_add", "asked us to").reason
        'never add: asked us to'
        """
        words = {"protected": "protected customer", "protected_group": "protected group", "never_add": "never add"}
        return words[self.rule] + (f": {self.note}" if self.note else "")

    def row(self) -> list[str]:
        """All of it as plain values, for the plan file; `HeldBack(*row)` reads it."""
        return list(astuple(self))


def held_table(held: Iterable[HeldBack]) -> pd.DataFrame:
    """One row per change that is held back; the columns are those of `Plan.held`."""
    rows = [(one.customer_group_uid, one.customer_uid, one.change, one.reason) for one in held]
    return pd.DataFrame(rows, columns=HELD_COLUMNS, dtype="str")


def held_findings(held: Iterable[HeldBack]) -> list[Finding]:
    """
    How many are held back, by group and rule; none of it blocks.

    >>> held = [HeldBack("vip", "VIP", "c-1", "protected"), HeldBack("vip", "VIP", "c-2", "never_add")]
    >>> [finding.message for finding in held_findings(held)]
    ['1 protected customer stays in VIP.', '1 customer who may never be added is kept out of VIP.']
    """
    counts: dict[tuple[str, str, Rule], int] = {}
    for one in held:
        key = (one.customer_group_uid, one.group_name, one.rule)
        counts[key] = counts.get(key, 0) + 1
    return [Finding(rule, _told(n, name, rule), False, uid, n) for (uid, name, rule), n in counts.items()]


def of_groups(held: Iterable[HeldBack], group_uids: Collection[str]) -> tuple[HeldBack, ...]:
    """What is held back of these groups."""
    return tuple(one for one in held if one.customer_group_uid in group_uids)


def without_word(held: Iterable[HeldBack], word: str) -> tuple[HeldBack, ...]:
    """What is held back of other groups and customers than the one of this uid or name."""
    return tuple(one for one in held if word not in (one.customer_group_uid, one.group_name, one.customer_uid))


def _told(n: int, group: str, rule: Rule) -> str:
    one = n == 1
    if rule == "protected":
        return f"{n:,} protected {'customer stays' if one else 'customers stay'} in {group}."
    if rule == "protected_group":
        who = "customer who was to leave stays" if one else "customers who were to leave stay"
        return f"{n:,} {who} in {group}: the group is protected."
    who = "customer who may never be added is" if one else "customers who may never be added are"
    return f"{n:,} {who} kept out of {group}."


@dataclass(frozen=True, slots=True)
class Holds:
    """Customers who leave no group, groups that nobody leaves, and customers who join none, with a note on each."""

    customers: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    never_add: Mapping[str, str] = field(default_factory=dict)


def holds_of(
    snapshot: Snapshot, *, protect: Iterable[str], protect_groups: Iterable[str], never_add: Iterable[str]
) -> Holds:
    """What a caller says, and the never-add list of the tenant."""
    return Holds(
        frozenset(_customers(protect, "protect")),
        frozenset(snapshot.group_uid(name) for name in several(protect_groups, "protect_groups")),
        dict.fromkeys(_customers(never_add, "never_add"), "") | never_added(snapshot),
    )


def hold_back(change: GroupChange, holds: Holds) -> tuple[GroupChange, tuple[HeldBack, ...]]:
    """
    What is left of a change, and what was held back of it.

    >>> change = GroupChange("vip", "VIP", ("a", "b"), add=("c", "d"), remove=("a", "b"))
    >>> left, held = hold_back(change, Holds(frozenset({"a"}), frozenset(), {"d": "asked us to"}))
    >>> left.add, left.remove, [(one.customer_uid, one.reason) for one in held]
    (('c',), ('b',), [('d', 'never add: asked us to'), ('a', 'protected customer')])
    """
    out = [uid for uid in change.add if uid in holds.never_add]
    protected = change.uid in holds.groups
    stay = [uid for uid in change.remove if protected or uid in holds.customers]
    if not out and not stay:
        return change, ()
    held = [HeldBack(change.uid, change.name, uid, "never_add", holds.never_add[uid]) for uid in out]
    for uid in stay:
        rule: Rule = "protected" if uid in holds.customers else "protected_group"
        held.append(HeldBack(change.uid, change.name, uid, rule))
    joining, leaving = set(out), set(stay)
    left = replace(
        change,
        add=tuple(uid for uid in change.add if uid not in joining),
        remove=tuple(uid for uid in change.remove if uid not in leaving),
        unknown=change.unknown - joining,
    )
    return left, tuple(held)


def _customers(customers: Iterable[str], name: str) -> list[str]:
    """The uids, of any form: one that the API does not take can only be held back."""
    if isinstance(customers, Mapping | pd.DataFrame):
        raise InputError(f"{name} takes several customer uids, not a {type(customers).__name__}; write ['...'].")
    listed = several(customers, name)
    for uid in listed:
        if not isinstance(uid, str) or not uid:
            raise InputError(f"{name} holds {shown(uid)}; a customer uid is text. Leading zeros would be lost.")
    return listed
