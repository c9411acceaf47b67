"""Receipt of an apply: the state of each planned item, as a value, as text and as a file."""

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
from frgroups.errors import CorruptFileError, InputError
from frgroups.internals.checksummed_json import read_checksummed, write_checksummed
from frgroups.internals.formatting import agree, format_utc, pluralize
from frgroups.internals.html import Card
from frgroups.internals.tombstones import count_tombstones
from frgroups.plan.plan import Plan
from frgroups.plan.plan_file import plan_from_dict, plan_to_dict
from frgroups.review.approval import format_approval

FORMAT_VERSION = 2
MAX_LISTED = 20

State = Literal["verified", "already", "rejected", "not_effective", "not_sent", "unknown"]

_LABELS: dict[State, str] = {
    "verified": "verified",
    "already": "unchanged",
    "rejected": "rejected",
    "not_effective": "not effective",
    "not_sent": "not sent",
    "unknown": "unknown",
}

STATES: dict[State, str] = {
    "verified": "took effect, as a later read showed",
    "already": "was true before anything was sent",
    "rejected": "rejected by the service",
    "not_effective": "accepted, but a later read did not show it",
    "not_sent": "not sent, or sent without an answer and not in effect",
    "unknown": "sent, and no read could show the result",
}


@dataclass(frozen=True, eq=False, repr=False)
class Receipt:
    """
    The result of applying one plan; `apply_plan` creates it.

    `members_after` contains the members of each touched group at the last read, at the time `read_at`.
    `consistent_groups` contains the groups whose last read has the verdict `consistent`. `drift` contains how many
    other customers joined and left a group between plan and apply; the plan does not change them. `stopped` is the
    reason why a run ended early. `repeated` is True if the plan had been applied before and nothing was sent for this
    receipt; `reverted_by` is then the digest of its undo, if one was sent. `erasure_id` is not "" if a customer of
    the plan was erased since. A tombstone then replaces the customer, and the digest covers the remaining content.
    `n_journal_lines` is the length of the journal from which the receipt was derived.
    """

    plan: Plan
    states: Mapping[Item, State]
    details: Mapping[Item, str]
    members_after: Mapping[str, tuple[str, ...]]
    consistent_groups: frozenset[str]
    created: frozenset[str]
    approval: Mapping[str, str]
    started_at: datetime
    read_at: datetime
    stopped: str = ""
    drift: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    repeated: bool = False
    reverted_by: str = ""
    erasure_id: str = ""
    n_journal_lines: int = 0
    path: Path | None = field(default=None)

    def table(self) -> pd.DataFrame:
        """
        Return the plan's table with the state of each item and the server's message; all columns are `str`.

        `state` is "verified", "already", "rejected", "not_effective", "not_sent" or "unknown"; `STATES` describes
        them. The message is in the column `detail`.
        """
        table = self.plan.table()
        items = list(zip(table["customer_group_uid"], table["customer_uid"], table["change"], strict=True))
        table["state"] = pd.Series([self.states[item] for item in items], dtype="str")
        table["detail"] = pd.Series([self.details.get(item, "") for item in items], dtype="str")
        return table

    @cached_property
    def counts(self) -> Counter[str]:
        """Number of items in each state; a state without items counts 0."""
        return Counter(self.states.values())

    @property
    def ok(self) -> bool:
        """True if every item is verified or already, and every group was created."""
        to_create = {group.uid for group in self.plan.groups if group.create}
        return self.counts["verified"] + self.counts["already"] == len(self.states) and to_create <= self.created

    @property
    def complete(self) -> bool:
        """True if applying the same plan again would send and read nothing."""
        left = any(state == "not_sent" and item not in self.details for item, state in self.states.items())
        return not (self.stopped or left or self.counts["unknown"] or self.counts["not_effective"])

    def summary(self) -> str:
        """Return the outcome in sentences, with the rejected customers and the reasons."""
        lines = [
            f"{self.counts[state]:,} {_LABELS[state]}: {text}."
            for state, text in STATES.items()
            if self.counts[state]
        ]
        lines += self._refusal_lines()
        for uid, (joined, left) in sorted(self.drift.items()):
            lines.append(
                f"Group {uid} also changed outside the plan: {pluralize(joined, 'addition')} and "
                f"{pluralize(left, 'removal')} since the plan was created. These changes remain."
            )
        for uid in sorted(self.created):
            lines.append(f"Group {uid} was created.")
        if n := self._count_erased():
            replaced = agree(n, "A tombstone replaces its uid.", "Tombstones replace their uids.")
            lines.append(f"{pluralize(n, 'customer')} {agree(n, 'has', 'have')} been erased. {replaced}")
        if self.stopped:
            lines.append(f"STOPPED: {self.stopped}")
        if self.repeated:
            lines.append(self._repeated_line())
        if not self.complete:
            lines.append(self._next_step())
        return "\n".join(lines) or "Nothing was to do."

    def _repeated_line(self) -> str:
        text = f"This plan was applied before and read back at {format_utc(self.read_at)}; nothing was sent now."
        if self.reverted_by:
            text += f" It was undone by plan {self.reverted_by[:12]} since."
        return f"{text} Later changes are not part of this receipt."

    def _next_step(self) -> str:
        if self.erasure_id:
            return "The apply cannot be resumed: load and plan again."
        purposes = []
        if self.stopped or self.counts["not_sent"]:
            purposes.append("resume the run")
        if self.counts["not_effective"] + self.counts["unknown"]:
            purposes.append("check the changes that are not confirmed")
        return f"To {' and '.join(purposes)}, apply the same plan again."

    def _refusal_lines(self) -> list[str]:
        """Return a line for each group and server message, with the rejected customers."""
        table = self.table().query("state == 'rejected'")
        alike = list(table.groupby(["customer_group_uid", "change", "detail"])["customer_uid"])
        lines = [f"  {change} {_listed(uids)} ({group}): {why}" for (group, change, why), uids in alike[:MAX_LISTED]]
        more = len(table) - sum(len(uids) for _, uids in alike[:MAX_LISTED])
        if more:
            lines.append(f"  and {more:,} more; the table has all.")
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Return the receipt as JSON values, for the receipt file."""
        return {
            "format_version": FORMAT_VERSION,
            "plan": plan_to_dict(self.plan, customers=True),
            "states": [[*item, state, self.details.get(item, "")] for item, state in self.states.items()],
            "members_after": {uid: list(members) for uid, members in self.members_after.items()},
            "consistent_groups": sorted(self.consistent_groups),
            "created": sorted(self.created),
            "approval": dict(self.approval),
            "drift": {uid: list(counts) for uid, counts in self.drift.items()},
            "started_at": self.started_at.isoformat(),
            "read_at": self.read_at.isoformat(),
            "stopped": self.stopped,
            "erasure_id": self.erasure_id,
            "n_journal_lines": self.n_journal_lines,
        }

    def _count_erased(self) -> int:
        uids = [uid for group in self.plan.groups for uid in (*group.baseline, *group.add, *group.remove)]
        for members in self.members_after.values():
            uids.extend(members)
        return count_tombstones(uids)

    def _counts_text(self) -> str:
        return ", ".join(f"{self.counts[state]:,} {state}" for state in STATES if self.counts[state])

    def save(self, path: str | Path) -> Path:
        """Write the receipt file in one atomic step."""
        return write_checksummed(path, "receipt", self.to_dict())

    def __repr__(self) -> str:
        text = self._counts_text() or "nothing to do"
        if self.stopped:
            text += f"; STOPPED: {self.stopped}"
        return f"<Receipt of plan {self.plan.digest[:12]}: {text}>"

    def _repr_html_(self) -> str:
        facts: dict[str, str] = {
            _LABELS[state].capitalize(): f"{self.counts[state]:,} ({text})"
            for state, text in STATES.items()
            if self.counts[state]
        }
        facts["Approved"] = format_approval(self.approval)
        facts["File"] = str(self.path or "not saved")
        if self.stopped:
            facts["Stopped"] = self.stopped
        mark = "ok" if self.ok else "NOT ALL DONE"
        return Card(f"Receipt of plan {self.plan.digest[:12]}", facts, mark=mark).html()


def read_receipt(path: str | Path) -> Receipt:
    """
    Read a receipt file.

    Raises
    ------
    CorruptFileError
        The file was altered.
    InputError
        The file has another format version, or it is not a receipt.

    Examples
    --------
    >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
    ...     snapshot = load_snapshot(client)
    ...     plan = plan_memberships(snapshot, {"VIP": snapshot["Staff"]})
    ...     receipt = apply_plan(client, plan, approval=plan.digest)
    >>> read_receipt(receipt.path).counts == receipt.counts
    True
    """
    content = read_checksummed(path, "receipt")
    version = content.get("format_version", 1)
    if version != FORMAT_VERSION:
        raise InputError(
            f"{path} has format version {version}; this version of frgroups reads version {FORMAT_VERSION}. "
            "Read the receipt with the version of frgroups that wrote it."
        )
    plan = plan_from_dict(content.get("plan") or {}, path)
    try:
        return Receipt(
            plan=plan,
            states={(group, uid, change): state for group, uid, change, state, _ in content["states"]},
            details={(group, uid, change): text for group, uid, change, _, text in content["states"] if text},
            members_after={uid: tuple(members) for uid, members in content["members_after"].items()},
            consistent_groups=frozenset(content["consistent_groups"]),
            created=frozenset(content["created"]),
            approval=content["approval"],
            drift={uid: (joined, left) for uid, (joined, left) in content["drift"].items()},
            started_at=datetime.fromisoformat(content["started_at"]),
            read_at=datetime.fromisoformat(content["read_at"]),
            stopped=content["stopped"],
            erasure_id=content["erasure_id"],
            n_journal_lines=content["n_journal_lines"],
            path=Path(path).expanduser().resolve(),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptFileError(
            f"{path} is corrupt: its content is not a receipt ({error!r}). Restore the original file.",
            path=Path(path),
        ) from error


def _listed(uids: pd.Series) -> str:
    text = ", ".join(uids.head(MAX_LISTED))
    if len(uids) > MAX_LISTED:
        text += f" and {len(uids) - MAX_LISTED:,} more"
    return text


def item_states(
    plan: Plan, journal: JournalState, members: Mapping[str, frozenset[str]], consistent_groups: frozenset[str]
) -> tuple[dict[Item, State], dict[Item, str]]:
    """Return the state of every item of a plan, from the journal and each group's last read, and the refusals."""
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
    if item in journal.not_sent:  # Rejected before it was processed: if it is true, another client made it so.
        return "already" if in_effect else "not_sent"
    if in_effect:
        return "verified"
    if item in journal.rejected:
        return "rejected"
    if in_effect is None:
        return "unknown"
    return "not_effective" if item in journal.accepted else "not_sent"


def _is_in_effect(item: Item, members: frozenset[str] | None, consistent: bool) -> bool | None:
    """Return True if the item is true now, or None if that is open: absence counts only in a consistent read."""
    if members is None:
        return None
    _, uid, change = item
    if uid in members:
        return change == "add"
    return change == "remove" if consistent else None
