"""Select some of the changes in a plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from frgroups.errors import InputError
from frgroups.internals.validation import as_list
from frgroups.plan.exclusions import drop_exclusions, select_exclusions
from frgroups.plan.finding import Finding
from frgroups.plan.group_change import GroupChange, without_customer
from frgroups.plan.modes import select_modes

if TYPE_CHECKING:
    from frgroups.plan.plan import Plan

_WHOLE_PLAN_NOTE = "The number in this finding refers to all groups in the original plan."


def select_changes(plan: Plan, groups: Iterable[str] | None, without: Iterable[str]) -> Plan:
    """
    Return a plan that contains only the selected changes.

    The public method `Plan.select` calls this function.
    """
    changes, excluded, listed = plan.groups, plan.excluded_changes, plan.listed_groups
    if groups is not None:
        selected = {_find_group(plan, name).uid for name in as_list(groups, "groups")}
        changes = tuple(change for change in changes if change.uid in selected)
        excluded = select_exclusions(excluded, selected)
        listed = tuple(group for group in listed if group.uid in selected)
    for name in as_list(without, "without"):
        remaining = _without(changes, name)
        remaining_excluded = drop_exclusions(excluded, name)
        if remaining == changes and remaining_excluded == excluded:
            raise InputError(f"`without` must contain groups or customers that are in the plan, got {name!r}.")
        changes, excluded = remaining, remaining_excluded
        listed = tuple(group for group in listed if name not in (group.uid, group.name))
    changes = tuple(change for change in changes if change.add or change.remove or change.create)
    return replace(
        plan,
        mode=select_modes(plan.mode, {change.uid for change in changes} | {group.uid for group in listed}),
        groups=changes,
        notes=_notes_of_selection(plan, {change.uid for change in changes}),
        partial_undo=plan.partial_undo or (plan.reverts is not None and changes != plan.groups),
        excluded_changes=excluded,
        listed_groups=listed,
        origins={group.uid: plan.origins[group.uid] for group in listed if group.uid in plan.origins},
        path=None,
    )


def _without(changes: tuple[GroupChange, ...], name: str) -> tuple[GroupChange, ...]:
    """
    Return the changes of a plan without one group or one customer.

    If `name` is the uid or the name of a group, the change of this group is left out. Otherwise, `name` is a customer
    uid, and the additions and removals of this customer are left out.
    """
    remaining = tuple(change for change in changes if name not in (change.uid, change.name))
    if len(remaining) < len(changes):
        return remaining
    return tuple(without_customer(change, name) for change in changes)


def _notes_of_selection(plan: Plan, group_uids: Collection[str]) -> tuple[Finding, ...]:
    notes = [note for note in plan.notes if note.customer_group_uid in (None, *group_uids)]
    if plan.snapshot is None:
        notes = [_mark_as_whole_plan(note) for note in notes]
    return tuple(notes)


def _mark_as_whole_plan(note: Finding) -> Finding:
    """
    Add a sentence to a finding that states that the finding's number refers to the original plan.

    Without a snapshot, the number cannot be computed again for the selected changes.
    """
    if note.customer_group_uid is not None or not note.n or _WHOLE_PLAN_NOTE in note.message:
        return note
    return replace(note, message=f"{note.message} {_WHOLE_PLAN_NOTE}")


def _find_group(plan: Plan, name: str) -> GroupChange:
    matches = [group for group in plan.groups if group.uid == name]
    if not matches:
        matches = [group for group in plan.groups if group.name == name]
    if not matches:
        listed = ", ".join(f"{group.uid} ({group.name})" for group in plan.groups[:10]) or "none"
        raise InputError(f"No group in the plan has the uid or name {name!r}. The groups in the plan are {listed}.")
    if len(matches) > 1:
        listed = ", ".join(group.uid for group in matches)
        raise InputError(f"{len(matches)} groups in the plan have the name {name!r}. Pass one of the uids {listed}.")
    return matches[0]
