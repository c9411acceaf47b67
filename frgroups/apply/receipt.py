"""What became of each planned item of one apply, as a value, in words and as a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from frgroups.apply.journal import Item, JournalState
from frgroups.errors import CorruptFileError
from frgroups.internals.checksummed_json import read_checksummed, write_checksummed
from frgroups.internals.formatting import pluralize
from frgroups.internals.html import Card
from frgroups.internals.tombstones import count_tombstones
from frgroups.plan.plan import Plan
from frgroups.plan.plan_file import plan_from_dict, plan_to_dict
from frgroups.review.approval import approved_in_words

State = Literal["verified", "already", "rejected", "not_effective", "not_sent", "unknown"]

STATES: dict[State, str] = {
    "verified": "took effect, as a reading afterwards showed",
    "already": "was true before anything was sent",
    "rejected": "refused by the service",
    "not_effective": "accepted, but a reading afterwards did not show it",
    "not_sent": "not sent, or sent without an answer and not in effect",
    "unknown": "sent, and no reading could tell what became of it",
}


MAX_LISTED = 20


@dataclass(frozen=True, eq=False, repr=False)
class Receipt:
    """
    What became of each item of one plan; made by `apply_plan`.

    `members_after` holds the members of each touched group at the last reading, `read_at` its moment;
    `proved` names the groups whose last reading proved itself; `drift` counts who else joined and left a group
    between plan and apply, and was left alone; `stopped` says why a run ended early; `repeated` is true when the
    plan had been applied before, and nothing was sent for this receipt; `reverted_by` is then the digest of its
    undo, if one was sent. `forgotten` is not "" when a customer of
    the plan was forgotten since: a tombstone stands in their place, and the plan's digest is of what is left.
    `n_journal_lines` is how long the journal was that all of this was told from.
    """

    plan: Plan
    states: Mapping[Item, State]
    details: Mapping[Item, str]
    members_after: Mapping[str, tuple[str, ...]]
    proved: frozenset[str]
    created: frozenset[str]
    approval: Mapping[str, str]
    started_at: datetime
    read_at: datetime
    stopped: str = ""
    drift: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    repeated: bool = False
    reverted_by: str = ""
    forgotten: str = ""
    n_journal_lines: int = 0
    path: Path | None = field(default=None)

    def table(self) -> pd.DataFrame:
        """
        The plan's table and the state of each item, with the service's words in `detail`; all columns are `str`.

        `state` is "verified", "already", "rejected", "not_effective", "not_sent" or "unknown"; `STATES` says in
        words what each means.
        """
        table = self.plan.table()
        items = list(zip(table["customer_group_uid"], table["customer_uid"], table["change"], strict=True))
        table["state"] = pd.Series([self.states[item] for item in items], dtype="str")
        table["detail"] = pd.Series([self.details.get(item, "") for item in items], dtype="str")
        return table

    @cached_property
    def counts(self) -> Counter[str]:
        """How many items ended in which state; a state without items counts 0."""
        return Counter(self.states.values())

    @property
    def ok(self) -> bool:
        """Whether every item is verified or already, and every group was created."""
        wanted = {group.uid for group in self.plan.groups if group.create}
        return self.counts["verified"] + self.counts["already"] == len(self.states) and wanted <= self.created

    @property
    def complete(self) -> bool:
        """Whether nothing is left that applying the same plan again would do."""
        left = any(state == "not_sent" and item not in self.details for item, state in self.states.items())
        return not (self.stopped or left or self.counts["unknown"] or self.counts["not_effective"])

    def summary(self) -> str:
        """The outcome in sentences, with the refused customers and why."""
        lines = [f"{self.counts[state]:,} {state}: {told}." for state, told in STATES.items() if self.counts[state]]
        lines += self._refused_in_words()
        for uid, (joined, left) in sorted(self.drift.items()):
            lines.append(f"Since the plan {joined:,} others joined {uid} and {left:,} left it; untouched.")
        for uid in sorted(self.created):
            lines.append(f"Group {uid} was created.")
        if n := self._n_forgotten():
            were = "was" if n == 1 else "were"
            lines.append(f"{pluralize(n, 'customer')} {were} forgotten since; a tombstone stands for each.")
        if self.stopped:
            lines.append(f"STOPPED: {self.stopped}")
        if self.repeated:
            undone = f" It was taken back by plan {self.reverted_by[:12]} since." if self.reverted_by else ""
            lines.append(
                f"This plan was applied before and read back at {self.read_at:%Y-%m-%d %H:%M} UTC; now nothing was "
                f"sent.{undone} What else was changed since is not told here."
            )
        if not self.complete:
            lines.append(self._what_is_left())
        return "\n".join(lines) or "Nothing was to do."

    def _what_is_left(self) -> str:
        if self.forgotten:
            return "It cannot be gone on with: load and plan again."
        going_on = "to go on" if self.stopped or self.counts["not_sent"] else ""
        reading = "to read once more what shows late" if self.counts["not_effective"] + self.counts["unknown"] else ""
        return f"Apply the same plan again {', or '.join(filter(None, [going_on, reading]))}."

    def _refused_in_words(self) -> list[str]:
        """A line for each group and answer of the service: who was refused so."""
        table = self.table().query("state == 'rejected'")
        alike = list(table.groupby(["customer_group_uid", "change", "detail"])["customer_uid"])
        lines = [f"  {change} {group}: {_listed(uids)}: {why}" for (group, change, why), uids in alike[:MAX_LISTED]]
        more = len(table) - sum(len(uids) for _, uids in alike[:MAX_LISTED])
        return lines + ([f"  and {more:,} more; the table has all."] if more else [])

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, for the receipt file."""
        return {
            "plan": plan_to_dict(self.plan, customers=True),
            "states": [[*item, state, self.details.get(item, "")] for item, state in self.states.items()],
            "members_after": {uid: list(members) for uid, members in self.members_after.items()},
            "proved": sorted(self.proved),
            "created": sorted(self.created),
            "approval": dict(self.approval),
            "drift": {uid: list(counts) for uid, counts in self.drift.items()},
            "started_at": self.started_at.isoformat(),
            "read_at": self.read_at.isoformat(),
            "stopped": self.stopped,
            "forgotten": self.forgotten,
            "n_journal_lines": self.n_journal_lines,
        }

    def _n_forgotten(self) -> int:
        groups, after = self.plan.groups, self.members_after.values()
        planned = (uid for one in groups for uid in (*one.baseline, *one.add, *one.remove))
        return count_tombstones([*planned, *(uid for members in after for uid in members)])

    def save(self, path: str | Path) -> Path:
        """Write the receipt file, whole or not at all."""
        return write_checksummed(path, "receipt", self.to_dict())

    def __repr__(self) -> str:
        told = ", ".join(f"{self.counts[state]:,} {state}" for state in STATES if self.counts[state])
        stopped = f"; STOPPED: {self.stopped}" if self.stopped else ""
        return f"<Receipt of plan {self.plan.digest[:12]}: {told or 'nothing to do'}{stopped}>"

    def _repr_html_(self) -> str:
        facts: dict[str, str] = {
            state: f"{self.counts[state]:,} ({told})" for state, told in STATES.items() if self.counts[state]
        }
        facts["Approved"] = approved_in_words(self.approval)
        facts["File"] = str(self.path or "not kept")
        if self.stopped:
            facts["Stopped"] = self.stopped
        return Card(
            f"Receipt of plan {self.plan.digest[:12]}", facts, mark="ok" if self.ok else "NOT ALL DONE"
        ).html()


def read_receipt(path: str | Path) -> Receipt:
    """
    The receipt in this file; CorruptFileError when it is not as it was written.

    >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
    ...     snapshot = load_snapshot(client)
    ...     plan = plan_memberships(snapshot, {"VIP": snapshot["Staff"]})
    ...     receipt = apply_plan(client, plan, approval=plan.digest)
    >>> read_receipt(receipt.path).counts == receipt.counts
    True
    """
    content = read_checksummed(path, "receipt")
    plan = plan_from_dict(content.get("plan") or {}, path)
    try:
        return Receipt(
            plan=plan,
            states={(group, uid, change): state for group, uid, change, state, _ in content["states"]},
            details={(group, uid, change): text for group, uid, change, _, text in content["states"] if text},
            members_after={uid: tuple(members) for uid, members in content["members_after"].items()},
            proved=frozenset(content["proved"]),
            created=frozenset(content["created"]),
            approval=content["approval"],
            drift={uid: (joined, left) for uid, (joined, left) in content["drift"].items()},
            started_at=datetime.fromisoformat(content["started_at"]),
            read_at=datetime.fromisoformat(content["read_at"]),
            stopped=content["stopped"],
            forgotten=content.get("forgotten", ""),
            n_journal_lines=content.get("n_journal_lines", 0),
            path=Path(path).expanduser().resolve(),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptFileError(f"{path} is not a whole receipt: {error!r}.") from error


def _listed(uids: pd.Series) -> str:
    more = f" and {len(uids) - MAX_LISTED:,} more" if len(uids) > MAX_LISTED else ""
    return ", ".join(uids.head(MAX_LISTED)) + more


def item_states(
    plan: Plan, past: JournalState, now: Mapping[str, frozenset[str]], proved: frozenset[str]
) -> tuple[dict[Item, State], dict[Item, str]]:
    """The state of every item of a plan, from the journal and the last reading of each group; and details."""
    states: dict[Item, State] = {}
    for group in plan.groups:
        for uid, change in group.items():
            item = (group.uid, uid, change)
            states[item] = _state(item, past, _holds(item, now.get(group.uid), group.uid in proved))
    return states, {item: past.refused[item] for item in states if item in past.refused}


def _state(item: Item, past: JournalState, holds: bool | None) -> State:
    if item in past.already:
        return "already"
    if item not in past.intended:
        return "not_sent"
    if item in past.not_sent:  # Turned away before anybody looked at it: who made it true was somebody else.
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
