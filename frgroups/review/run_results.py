"""State of each change after a run of a plan, and the sentences of the review that describe the results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import pandas as pd

from frgroups.internals.formatting import agree, format_list, pluralize
from frgroups.plan.group_change import GroupChange
from frgroups.plan.plan import Plan

Change = tuple[str, str, str]  # A change contains a group uid, a customer uid, and "add" or "remove".
# States of a change.
# Only an interrupted run contains the state "accepted".
# It means that the server accepted the change, but that the group was not read again yet.
ChangeState = Literal["verified", "already", "accepted", "rejected", "not_effective", "not_sent", "unknown"]
RESULT_TEXTS: dict[str, str] = {
    "verified": "applied",
    "already": "already in effect",
    "accepted": "accepted by the server, not checked yet",
    "rejected": "rejected by the server",
    "not_effective": "accepted by the server, but not in effect",
    "not_sent": "not sent",
    "unknown": "sent, but the result is not known",
}
MADE: tuple[ChangeState, ...] = ("verified", "accepted")  # A change in one of these states was made by the run.
IN_EFFECT: tuple[ChangeState, ...] = (*MADE, "already")
# Singular and plural phrases for changes that are not in effect, keyed by state. {n} is the number of changes.
STATE_TEXTS = {
    "rejected": ("{n} was rejected by the server", "{n} were rejected by the server"),
    "not_effective": (
        "{n} was accepted by the server, but did not take effect",
        "{n} were accepted by the server, but did not take effect",
    ),
    "not_sent": ("{n} was not sent", "{n} were not sent"),
    "unknown": ("{n} was sent, but the result is not known", "{n} were sent, but the result is not known"),
}
MAX_NAMED = 5  # Maximum number of customers that a sentence names.
MAX_SENTENCES = 6


@dataclass(frozen=True, slots=True)
class GroupResult:
    """
    Result of a run for one group.

    Attributes
    ----------
    n_joined, n_left
        Numbers of additions and removals that the run made and that are in effect.
    n_after
        Number of members after the run, or None if the group was not read again.
    n_unknown
        Number of changes that were sent and might be in effect.
    is_missing
        True if the plan creates the group, but the run did not create it.
    n_already_in, n_already_out
        Numbers of additions and removals that were already in effect before the run.
    """

    n_joined: int
    n_left: int
    n_after: int | None
    n_unknown: int = 0
    is_missing: bool = False
    n_already_in: int = 0
    n_already_out: int = 0

    def n_before(self, group: GroupChange) -> int:
        """Return the number of members before the run. Drift since the plan was created is not included."""
        return len(group.baseline) + self.n_already_in - self.n_already_out


@dataclass(frozen=True)
class RunResults:
    """
    State of each change of a plan that was started.

    Attributes
    ----------
    states
        State of each change.
    details
        The server's message, or the reason why a change was not sent. Only changes with a message are included.
    sizes
        Number of members after the run, keyed by group uid. Groups that were not read again are omitted.
    not_created
        Uids of the groups that the run did not create.
    """

    states: Mapping[Change, ChangeState]
    details: Mapping[Change, str] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    not_created: frozenset[str] = frozenset()

    @cached_property
    def _counts(self) -> Counter[tuple[str, str]]:
        """Number of changes that the run made, keyed by group uid and "add" or "remove"."""
        return Counter((group, change) for (group, _, change), state in self.states.items() if state in MADE)

    @cached_property
    def _already(self) -> Counter[tuple[str, str]]:
        """Number of changes that were already in effect, keyed by group uid and "add" or "remove"."""
        return Counter((group, change) for (group, _, change), state in self.states.items() if state == "already")

    @property
    def n_already(self) -> int:
        """Number of changes that were already in effect before the run."""
        return self._already.total()

    @cached_property
    def are_all_in_effect(self) -> bool:
        """True if each change is known to be in effect and all groups were created."""
        return not self.not_created and all(state in ("verified", "already") for state in self.states.values())

    @cached_property
    def n_unknown(self) -> int:
        """Number of changes that were sent and might be in effect."""
        return sum(state == "unknown" for state in self.states.values())

    def count(self, change: str) -> int:
        """Return the number of additions ("add") or removals ("remove") that the run made."""
        return sum(n for (_, counted), n in self._counts.items() if counted == change)

    def of(self, group: GroupChange) -> GroupResult:
        """Return the result of the run for one group."""
        return GroupResult(
            self._counts[group.uid, "add"],
            self._counts[group.uid, "remove"],
            self.sizes.get(group.uid),
            sum(self.states.get((group.uid, *item)) == "unknown" for item in group.items()),
            group.uid in self.not_created,
            self._already[group.uid, "add"],
            self._already[group.uid, "remove"],
        )

    def add_columns(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the table of changes with the additional columns `result` (the state) and `result_detail`."""
        items = list(zip(table["customer_group_uid"], table["customer_uid"], table["change"], strict=True))
        return table.assign(
            result=pd.Series([self.states.get(item, "unknown") for item in items], dtype="str"),
            result_detail=pd.Series([self.details.get(item, "") for item in items], dtype="str"),
        )


def result_sentence(group: GroupChange, result: GroupResult) -> str:
    """
    Describe how a run changed a group.

    Examples
    --------
    >>> group = GroupChange("vip", "VIP", ("a", "b"), add=("c", "d"), remove=("a",))
    >>> result_sentence(group, GroupResult(1, 1, 2))
    '1 of 2 customers joined VIP and 1 left (2 -> 2 members).'
    >>> result_sentence(group, GroupResult(1, 1, 3, n_already_in=1))
    '1 customer joined VIP, 1 left, and 1 was already a member (3 -> 3 members).'
    """
    if result.is_missing:
        return f"The new group {group.name} was not created."
    if not group.add and not group.remove:
        return f"{group.name} was created without members."
    name = f"the new group {group.name}" if group.create else group.name
    n_in, n_out = result.n_already_in, result.n_already_out
    n_add, n_remove = len(group.add) - n_in, len(group.remove) - n_out
    clauses = []
    if group.add:
        clauses.append(f"{part_text(result.n_joined, n_add, 'customer')} joined {name}")
    if group.remove and not group.add:
        clauses.append(f"{part_text(result.n_left, n_remove, 'customer')} left {name}")
    elif group.remove:
        is_all = result.n_left == n_remove
        clauses.append(f"{n_remove:,} left" if is_all else f"{result.n_left:,} of {n_remove:,} left")
    if n_in:
        clauses.append(f"{n_in:,} {agree(n_in, 'was already a member', 'were already members')}")
    if n_out:
        clauses.append(f"{n_out:,} had already left")
    text, n_before = format_list(clauses), result.n_before(group)
    if result.n_after is None:
        text += f" ({pluralize(n_before, 'member')} before)."
    else:
        text += f" ({n_before:,} -> {result.n_after:,} members)."
    n = result.n_unknown
    if n:
        text += f" It is not known whether {pluralize(n, 'more change')} {agree(n, 'is', 'are')} in effect."
    return text


def part_text(n_done: int, n: int, noun: str) -> str:
    """
    Return a phrase such as "2 of 5 changes". If `n_done` equals the total `n`, the phrase is "5 changes".

    Examples
    --------
    >>> part_text(2, 5, "customer"), part_text(5, 5, "customer")
    ('2 of 5 customers', '5 customers')
    """
    text = pluralize(n, noun)
    return text if n_done == n else f"{n_done:,} of {text}"


def count_text(plan: Plan, results: RunResults) -> str:
    """
    Return the numbers of additions and removals that the run made, for example "2 of 5 additions".

    Changes that were already in effect are not counted. If the result of a change is not known, the phrase starts
    with "at least". If the plan contains no additions or no removals, the phrase does not mention them.
    """
    parts = []
    for change, noun, n in (("add", "addition", plan.n_add), ("remove", "removal", plan.n_remove)):
        if n:
            parts.append(f"{results.count(change):,} of {pluralize(n, noun)}")
    text = " and ".join(parts)
    return f"at least {text}" if results.n_unknown else text


def open_changes(plan: Plan, results: RunResults, names: Mapping[str, str]) -> list[str]:
    """
    Describe the changes that are not in effect, and name the first customers.

    Parameters
    ----------
    plan
        The plan.
    results
        Results of the run.
    names
        Customer names, keyed by customer uid. Customers without a name are omitted.

    Returns
    -------
    list of str
        One sentence for each group, kind of change, state, and message. At most `MAX_SENTENCES` sentences describe
        changes, and another sentence states the number of the other changes.
    """
    alike: dict[tuple[str, str, str, str], list[str]] = {}
    for state in STATE_TEXTS:
        for group in plan.groups:
            for uid, change in group.items():
                item = (group.uid, uid, change)
                if results.states.get(item, "unknown") == state:
                    alike.setdefault((group.name, change, state, results.details.get(item, "")), []).append(uid)
    sentences = []
    for (group_name, change, state, detail), uids in list(alike.items())[:MAX_SENTENCES]:
        n = len(uids)
        noun, preposition = ("addition", "to") if change == "add" else ("removal", "from")
        subject = f"{pluralize(n, noun)} {preposition} {group_name}"
        text = agree(n, *STATE_TEXTS[state]).format(n=subject)
        listed = [f"{uid} ({names[uid]})" if names.get(uid) else uid for uid in uids]
        sentence = f"{text}: {format_list(listed, MAX_NAMED)}."
        if detail:
            label = "Message of the server" if state == "rejected" else "Reason"
            sentence += f" {label}: {detail.removesuffix('.')}."
        sentences.append(sentence)
    n_more = sum(map(len, alike.values())) - sum(map(len, list(alike.values())[:MAX_SENTENCES]))
    if n_more:
        sentences.append(f"{pluralize(n_more, 'more change')} {agree(n_more, 'is', 'are')} not in effect.")
    return sentences
