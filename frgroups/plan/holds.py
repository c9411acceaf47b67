"""Who may not leave and who may not join, as a caller and the home say; and what that holds back of one change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import pandas as pd

from frgroups.errors import InputError
from frgroups.inputs import several, shown
from frgroups.plan.group_change import GroupChange
from frgroups.plan.held_back import HeldBack, Rule
from frgroups.plan.never_add import never_added
from frgroups.snapshot import Snapshot


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
