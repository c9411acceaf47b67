"""The state of each planned item, decided from the journal and the last reading of its group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from frgroups.journal.past import Item, Past
from frgroups.plan import Plan

State = Literal["verified", "already", "rejected", "not_effective", "not_sent", "unknown"]
STATES: dict[State, str] = {
    "verified": "took effect, as a reading afterwards showed",
    "already": "was true before anything was sent",
    "rejected": "refused by the service",
    "not_effective": "accepted, but a reading afterwards did not show it",
    "not_sent": "not sent, or sent without an answer and not in effect",
    "unknown": "sent, and no reading could tell what became of it",
}


def decide(
    plan: Plan, past: Past, now: Mapping[str, frozenset[str]], proved: frozenset[str]
) -> tuple[dict[Item, State], dict[Item, str]]:
    """The state of every item of a plan, from the journal and the last reading of each group; and details."""
    states: dict[Item, State] = {}
    for group in plan.groups:
        for uid, change in group.items():
            item = (group.uid, uid, change)
            states[item] = _state(item, past, _holds(item, now.get(group.uid), group.uid in proved))
    return states, {item: past.refused[item] for item in states if item in past.refused}


def _state(item: Item, past: Past, holds: bool | None) -> State:
    if item in past.already:
        return "already"
    if item not in past.intended:
        return "not_sent"
    if item in past.unsent:  # Turned away before anybody looked at it: who made it true was somebody else.
        return "already" if holds else "not_sent"
    if holds:
        return "verified"
    if item in past.refused:
        return "rejected"
    if holds is None:
        return "unknown"
    return "not_effective" if item in past.accepted else "not_sent"


def _holds(item: Item, members: frozenset[str] | None, proved: bool) -> bool | None:
    """Whether the item is true now; absence counts only in a reading that proved itself."""
    if members is None:
        return None
    _, uid, change = item
    if uid in members:
        return change == "add"
    return (change == "remove") if proved else None
