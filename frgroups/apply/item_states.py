"""Determine the state of each planned change from the journal and the last read of each group."""

from __future__ import annotations

from collections.abc import Mapping

from frgroups.apply.journal import Item, JournalState
from frgroups.apply.stored_content import State
from frgroups.plan.plan import Plan


def item_states(
    plan: Plan, journal: JournalState, members: Mapping[str, frozenset[str]], consistent_groups: frozenset[str]
) -> tuple[dict[Item, State], dict[Item, str]]:
    """
    Determine the state of each planned change from the plan's journal and the last read of each group.

    Return two dictionaries: the state of each change, and the server's message for each rejected change.
    """
    states: dict[Item, State] = {}
    for group in plan.groups:
        for uid, change in group.items():
            item = (group.uid, uid, change)
            in_effect = _is_in_effect(item, members.get(group.uid), group.uid in consistent_groups)
            states[item] = _item_state(item, journal, in_effect)
    return states, {item: journal.rejected[item] for item in states if item in journal.rejected}


def _item_state(item: Item, journal: JournalState, in_effect: bool | None) -> State:
    if item in journal.already:
        return "already"
    if item not in journal.intended:
        return "not_sent"
    if item in journal.not_sent:
        # The server did not process the request. If the change is in effect, another client made the change.
        return "already" if in_effect else "not_sent"
    if in_effect:
        return "verified"
    if item in journal.rejected:
        return "rejected"
    if in_effect is None:
        return "unknown"
    return "not_effective" if item in journal.accepted else "not_sent"


def _is_in_effect(item: Item, members: frozenset[str] | None, consistent: bool) -> bool | None:
    """
    Return True if a change is in effect, False if not, and None if the last read of the group is inconclusive.

    A customer who is missing from the last read counts as absent only if the read was consistent.
    """
    if members is None:
        return None
    _, uid, change = item
    if uid in members:
        return change == "add"
    return change == "remove" if consistent else None
