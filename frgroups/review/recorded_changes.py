"""
Changes of a rejected plan, as the decision record stores them.

The record contains shortened hashes instead of customer uids, so that a plan can be compared with a rejected plan
whose file no longer exists. An erasure removes the hash of the erased customer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from frgroups.internals.checksummed_json import sha256
from frgroups.internals.similar_text import case_key
from frgroups.plan.group_change import GroupChange
from frgroups.plan.plan import Plan

_HASH_LENGTH = 12  # Number of hexadecimal digits of a hash. Among 1,000,000 customers, equal hashes are unlikely.
_CHANGES = ("add", "remove")
_FIELDS = {"customer_group_uid", "new_name", *_CHANGES}

RecordedGroup = Mapping[str, Any]


def recorded_changes(plan: Plan) -> list[dict[str, Any]]:
    """
    Return the changes of a plan as JSON values for the decision record.

    A group that the plan creates is identified by its normalized name, because a later plan can use another uid or
    another spelling for the same group.
    """
    return [
        {
            "customer_group_uid": "" if group.create else group.uid,
            "new_name": case_key(group.name) if group.create else "",
            "add": sorted(map(_hash_uid, group.add)),
            "remove": sorted(map(_hash_uid, group.remove)),
        }
        for group in plan.groups
    ]


def are_recorded_changes(value: Any) -> bool:
    """Return True if a JSON value has the form that `recorded_changes` returns."""
    return isinstance(value, list) and all(
        isinstance(group, dict) and set(group) == _FIELDS and all(isinstance(group[name], list) for name in _CHANGES)
        for group in value
    )


def count_changes(plan: Plan) -> int:
    """Return the number of changes of a plan. The creation of a group without customers counts as one change."""
    return sum(len(group.add) + len(group.remove) or 1 for group in plan.groups)


def count_recorded(groups: Iterable[RecordedGroup]) -> int:
    """Return the number of recorded changes. The creation of a group without customers counts as one change."""
    return sum(len(group["add"]) + len(group["remove"]) or 1 for group in groups)


def count_customer(groups: Iterable[RecordedGroup], customer_uid: str) -> int:
    """Return the number of recorded changes that add or remove a customer."""
    hashed = _hash_uid(customer_uid)
    return sum(hashed in group[change] for group in groups for change in _CHANGES)


def without_recorded_customer(groups: Iterable[RecordedGroup], customer_uid: str) -> list[dict[str, Any]]:
    """
    Return recorded changes without the additions and removals of one customer.

    If a group has no other changes, it is omitted, even if the plan creates the group. Otherwise, the record would
    consist of the creation of an empty group, which the reviewer did not reject.
    """
    hashed = _hash_uid(customer_uid)
    remaining = []
    for group in groups:
        changes = {change: [uid for uid in group[change] if uid != hashed] for change in _CHANGES}
        is_empty_creation = not any(group[change] for change in _CHANGES)
        if is_empty_creation or any(changes.values()):
            remaining.append({**group, **changes})
    return remaining


class PlanComparison:
    """Compare a plan's changes with recorded changes. Customer uids are hashed only for groups that are compared."""

    def __init__(self, plan: Plan) -> None:
        self._groups = plan.groups
        self.n_changes = count_changes(plan)
        self._hashes: dict[tuple[str, str], frozenset[str]] = {}

    @cached_property
    def _by_uid(self) -> dict[str, list[GroupChange]]:
        return {group.uid: [group] for group in self._groups}

    @cached_property
    def _by_name(self) -> dict[str, list[GroupChange]]:
        groups: dict[str, list[GroupChange]] = {}
        for group in self._groups:
            groups.setdefault(case_key(group.name), []).append(group)
        return groups

    def count_shared(self, recorded: Sequence[RecordedGroup]) -> int:
        """
        Return the number of recorded changes that the plan makes.

        A recorded new group also matches an existing group with the same name, because the group might have been
        created after the rejection.
        """
        n_shared = 0
        for group in recorded:
            if group["new_name"]:
                own = self._by_name.get(group["new_name"], [])
            else:
                own = self._by_uid.get(group["customer_group_uid"], [])
            if own and not (group["add"] or group["remove"]):
                n_shared += any(change.create for change in own)
            for change in _CHANGES:
                hashes = frozenset[str]().union(*(self._hashed(candidate, change) for candidate in own))
                n_shared += len(hashes.intersection(group[change]))
        return n_shared

    def _hashed(self, group: GroupChange, change: str) -> frozenset[str]:
        key = group.uid, change
        if key not in self._hashes:
            uids = group.add if change == "add" else group.remove
            self._hashes[key] = frozenset(map(_hash_uid, uids))
        return self._hashes[key]


def _hash_uid(uid: str) -> str:
    return sha256(uid)[:_HASH_LENGTH]
