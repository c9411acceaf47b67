"""What was wanted and is held back: who stays in a group, or out of it, and why; shown in a plan, never sent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import astuple, dataclass, field, replace
from typing import Literal

import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.redaction import safe_repr
from frgroups.internals.validation import as_list
from frgroups.plan.finding import Finding
from frgroups.plan.group_change import GroupChange
from frgroups.plan.suppression_list import suppressed_customers
from frgroups.snapshot.snapshot import Snapshot

ExclusionRule = Literal["protected", "protected_group", "suppression_list"]
EXCLUDED_COLUMNS = ["customer_group_uid", "customer_uid", "change", "reason"]


@dataclass(frozen=True, slots=True)
class ExcludedChange:
    """One change ("add" or "remove") that a plan leaves out, by which rule, and what a list says of the customer."""

    customer_group_uid: str
    group_name: str
    customer_uid: str
    rule: ExclusionRule
    note: str = ""

    @property
    def change(self) -> str:
        """What was wanted of the customer."""
        return "add" if self.rule == "suppression_list" else "remove"

    @property
    def reason(self) -> str:
        """
        Why, in words.

        >>> ExcludedChange("vip", "VIP", "c-1", "suppression_list", "asked us to").reason
        'never add: asked us to'
        """
        words = {
            "protected": "protected customer",
            "protected_group": "protected group",
            "suppression_list": "never add",
        }
        return words[self.rule] + (f": {self.note}" if self.note else "")

    def row(self) -> list[str]:
        """All of it as plain values, for the plan file; `ExcludedChange(*row)` reads it."""
        return list(astuple(self))


def excluded_table(held: Iterable[ExcludedChange]) -> pd.DataFrame:
    """One row per change that is held back; the columns are those of `Plan.held`."""
    rows = [(one.customer_group_uid, one.customer_uid, one.change, one.reason) for one in held]
    return pd.DataFrame(rows, columns=EXCLUDED_COLUMNS, dtype="str")


def exclusion_findings(held: Iterable[ExcludedChange]) -> list[Finding]:
    """
    How many are held back, by group and rule; none of it blocks.

    >>> first = ExcludedChange("vip", "VIP", "c-1", "protected")
    >>> held = [first, ExcludedChange("vip", "VIP", "c-2", "suppression_list")]
    >>> [finding.message for finding in exclusion_findings(held)]
    ['1 protected customer stays in VIP.', '1 customer who may never be added is kept out of VIP.']
    """
    counts: dict[tuple[str, str, ExclusionRule], int] = {}
    for one in held:
        key = (one.customer_group_uid, one.group_name, one.rule)
        counts[key] = counts.get(key, 0) + 1
    return [Finding(rule, _told(n, name, rule), False, uid, n) for (uid, name, rule), n in counts.items()]


def of_groups(held: Iterable[ExcludedChange], group_uids: Collection[str]) -> tuple[ExcludedChange, ...]:
    """What is held back of these groups."""
    return tuple(one for one in held if one.customer_group_uid in group_uids)


def remove_from_note(held: Iterable[ExcludedChange], word: str) -> tuple[ExcludedChange, ...]:
    """What is held back of other groups and customers than the one of this uid or name."""
    return tuple(one for one in held if word not in (one.customer_group_uid, one.group_name, one.customer_uid))


def _told(n: int, group: str, rule: ExclusionRule) -> str:
    one = n == 1
    if rule == "protected":
        return f"{n:,} protected {'customer stays' if one else 'customers stay'} in {group}."
    if rule == "protected_group":
        who = "customer who was to leave stays" if one else "customers who were to leave stay"
        return f"{n:,} {who} in {group}: the group is protected."
    who = "customer who may never be added is" if one else "customers who may never be added are"
    return f"{n:,} {who} kept out of {group}."


@dataclass(frozen=True, slots=True)
class Exclusions:
    """Customers who leave no group, groups that nobody leaves, and customers who join none, with a note on each."""

    customers: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    suppression_list: Mapping[str, str] = field(default_factory=dict)


def resolve_exclusions(
    snapshot: Snapshot, *, protect: Iterable[str], protect_groups: Iterable[str], suppression_list: Iterable[str]
) -> Exclusions:
    """What a caller says, and the never-add list of the tenant."""
    return Exclusions(
        frozenset(_customers(protect, "protect")),
        frozenset(snapshot.group_uid(name) for name in as_list(protect_groups, "protect_groups")),
        dict.fromkeys(_customers(suppression_list, "suppression_list"), "") | suppressed_customers(snapshot),
    )


def apply_exclusions(change: GroupChange, holds: Exclusions) -> tuple[GroupChange, tuple[ExcludedChange, ...]]:
    """
    What is left of a change, and what was held back of it.

    >>> change = GroupChange("vip", "VIP", ("a", "b"), add=("c", "d"), remove=("a", "b"))
    >>> left, held = apply_exclusions(change, Exclusions(frozenset({"a"}), frozenset(), {"d": "asked us to"}))
    >>> left.add, left.remove, [(one.customer_uid, one.reason) for one in held]
    (('c',), ('b',), [('d', 'never add: asked us to'), ('a', 'protected customer')])
    """
    out = [uid for uid in change.add if uid in holds.suppression_list]
    protected = change.uid in holds.groups
    stay = [uid for uid in change.remove if protected or uid in holds.customers]
    if not out and not stay:
        return change, ()
    held = [
        ExcludedChange(change.uid, change.name, uid, "suppression_list", holds.suppression_list[uid]) for uid in out
    ]
    for uid in stay:
        rule: ExclusionRule = "protected" if uid in holds.customers else "protected_group"
        held.append(ExcludedChange(change.uid, change.name, uid, rule))
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
    listed = as_list(customers, name)
    for uid in listed:
        if not isinstance(uid, str) or not uid:
            raise InputError(f"{name} holds {safe_repr(uid)}; a customer uid is text. Leading zeros would be lost.")
    return listed
