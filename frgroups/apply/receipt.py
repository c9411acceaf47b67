"""Receipts of plan runs. A receipt contains the state of each planned change and is stored with a checksum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from frgroups.apply.journal import Item
from frgroups.apply.stored_content import ReceiptContent, State, check_stored_approval, check_stored_override
from frgroups.apply.window_override import format_override
from frgroups.errors import CorruptFileError, InputError
from frgroups.internals.checksummed_json import read_checksummed, write_checksummed
from frgroups.internals.formatting import agree, escape_invisible, escape_lines, format_list, format_utc, pluralize
from frgroups.internals.html import Card
from frgroups.internals.timestamps import parse_stored_timestamp
from frgroups.internals.tombstones import count_tombstones
from frgroups.plan.plan import Plan
from frgroups.plan.plan_file import plan_from_dict, plan_to_dict
from frgroups.review.approval import format_approval

FORMAT_VERSION = 2
MAX_LISTED = 20
# Start of the attribute `stopped` in the receipt of a finalized run.
# `read_receipt` uses this text to recognize finalized runs in old receipts, which have no field `finalized`.
FINALIZED = "The run was finalized before all changes of the plan were made. Finalizing the run sent nothing."

# Labels of the states in summaries and cards. Tables and files contain the state itself, for example "not_sent".
_LABELS: dict[State, str] = {
    "verified": "verified",
    "already": "unchanged",
    "rejected": "rejected",
    "not_effective": "not effective",
    "not_sent": "not sent",
    "unknown": "unknown",
}

STATES: dict[State, str] = {
    "verified": "read back and confirmed",
    "already": "already in effect, so this plan sent no request",
    "rejected": "not accepted by the server",
    "not_effective": "accepted by the server, but not in effect when the group was read again",
    "not_sent": "not in effect, because no request was sent or its response was lost",
    "unknown": "sent, but the group could not be read again to confirm the change",
}


def format_counts(counts: Mapping[str, int]) -> str:
    """
    Return the numbers of changes in each state of a receipt as one line. States without changes are omitted.

    Examples
    --------
    >>> format_counts({"verified": 98, "rejected": 2, "not_sent": 0})
    '98 verified, 2 rejected'
    """
    return ", ".join(f"{counts[state]:,} {label}" for state, label in _LABELS.items() if counts.get(state))


@dataclass(frozen=True, eq=False, repr=False)
class Receipt:
    """
    Result of applying a plan.

    `apply_plan`, `finalize_plan`, and `read_receipt` return Receipt objects.

    Attributes
    ----------
    plan
        The applied plan.
    states
        State of each change. The keys contain a group uid, a customer uid, and "add" or "remove".
    details
        The server's message, or the reason why a change was not sent. Changes without a message or a reason are
        omitted.
    members_after
        Members of each group in the plan at the last read.
    consistent_groups
        Uids of the groups whose last read has the verdict `consistent`.
    created
        Uids of the groups that the plan created.
    approval
        Type, reviewer, and time of the approval.
    overrides
        Person, reason, time, and expiry of each override that a run of the plan required because a freeze was in
        force or no apply window was open.
    started_at
        Time of the first run of the plan.
    read_at
        Time of the last read.
    stopped
        Reason why the run ended early, or an empty string if the run did not end early.
    finalized
        True if `finalize_plan` created the receipt and the run was not complete.
    drift
        Numbers of additions and removals that were made since the plan was created and are not part of the plan,
        keyed by group uid.
    renamed
        Current names of the groups that were renamed since the plan was created, keyed by group uid.
    similar_groups
        Uids of other groups with the same or a similar name, keyed by the uid of the group in the plan.
    skipped_groups
        Uids of the groups whose removals were not sent because too few additions to the group succeeded.
    repeated
        True if the plan was already applied and this call sent nothing.
    nothing_sent
        True if this call stopped before the first write request of the plan. The receipt file does not contain this
        value.
    n_undone
        Number of verified changes that partial undos have reversed. The number is set only if `repeated` is True.
    erasure_id
        Identifier of an erasure if a customer in the plan has been erased, otherwise an empty string. A placeholder
        replaces the uid of the customer.
    n_journal_lines
        Number of journal lines when the receipt was created.
    path
        Path of the receipt file, or None if the file could not be written.

    Examples
    --------
    >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
    ...     snapshot = load_snapshot(client)
    ...     plan = plan_memberships(snapshot, {"VIP": snapshot["Staff"]})
    ...     receipt = apply_plan(client, plan, approval=plan.digest)
    >>> receipt.plan.digest == plan.digest, receipt.stopped
    (True, '')
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
    finalized: bool = False
    drift: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    similar_groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    skipped_groups: frozenset[str] = frozenset()
    overrides: tuple[Mapping[str, str], ...] = ()
    repeated: bool = False
    nothing_sent: bool = False
    n_undone: int = 0
    erasure_id: str = ""
    n_journal_lines: int = 0
    path: Path | None = field(default=None)

    def table(self) -> pd.DataFrame:
        """
        Return a table of the plan's changes with the state of each change.

        A change is `verified` if the change was sent and a later read of the group confirmed the change. A change is
        `already` if the change was already in effect, so that this plan sent no request.

        The other states are `rejected` (not accepted by the server), `not_effective` (accepted by the server, but not
        in effect when the group was read again), `not_sent` (not in effect, because no request was sent or no
        response was received), and `unknown` (sent, but the group could not be read again).

        Returns
        -------
        pandas.DataFrame
            One row per change. The columns of `Plan.table` are followed by `state` and `detail`. `detail` contains
            the server's message or the reason why a removal was not sent. All columns have the dtype `str`.

        Examples
        --------
        >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
        ...     snapshot = load_snapshot(client)
        ...     plan = plan_memberships(snapshot, {"VIP": snapshot["Staff"]})
        ...     receipt = apply_plan(client, plan, approval=plan.digest)
        >>> set(receipt.table()["state"])
        {'verified'}
        """
        table = self.plan.table()
        items = list(zip(table["customer_group_uid"], table["customer_uid"], table["change"], strict=True))
        table["state"] = pd.Series([self.states[item] for item in items], dtype="str")
        table["detail"] = pd.Series([self.details.get(item, "") for item in items], dtype="str")
        return table

    @cached_property
    def counts(self) -> Counter[str]:
        """
        Number of changes in each state. A state without changes has the count 0.

        Examples
        --------
        >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
        ...     snapshot = load_snapshot(client)
        ...     plan = plan_memberships(snapshot, {"VIP": snapshot["Staff"]})
        ...     receipt = apply_plan(client, plan, approval=plan.digest)
        >>> receipt.counts["verified"] == plan.n_add, receipt.counts["rejected"]
        (True, 0)
        """
        return Counter(self.states.values())

    @property
    def ok(self) -> bool:
        """
        True if each change has the state `verified` or `already` and all groups of the plan were created.

        Examples
        --------
        >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
        ...     snapshot = load_snapshot(client)
        ...     plan = plan_memberships(snapshot, {"VIP": snapshot["Staff"]})
        ...     receipt = apply_plan(client, plan, approval=plan.digest)
        >>> receipt.ok
        True
        """
        to_create = {group.uid for group in self.plan.groups if group.create}
        return self.counts["verified"] + self.counts["already"] == len(self.states) and to_create <= self.created

    @property
    def complete(self) -> bool:
        """
        True if the plan does not need to be applied again.

        A receipt with rejected changes can be complete, because rejected changes are not sent again. A receipt is not
        complete if removals were skipped because too few additions to their group succeeded.

        Examples
        --------
        >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
        ...     snapshot = load_snapshot(client)
        ...     plan = plan_memberships(snapshot, {"VIP": snapshot["Staff"]})
        ...     receipt = apply_plan(client, plan, approval=plan.digest)
        >>> receipt.complete
        True
        """
        left = any(state == "not_sent" and item not in self.details for item, state in self.states.items())
        left = left or bool(self.skipped_groups)
        return not (self.stopped or left or self.counts["unknown"] or self.counts["not_effective"])

    def summary(self) -> str:
        """
        Return a text summary of the result, including the rejected customers and the next action.

        Returns
        -------
        str
            Lines of text for an operator.

        Examples
        --------
        >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
        ...     snapshot = load_snapshot(client)
        ...     plan = plan_memberships(snapshot, {"VIP": snapshot["Staff"]})
        ...     receipt = apply_plan(client, plan, approval=plan.digest)
        >>> print(receipt.summary())
        2 verified: read back and confirmed.
        """
        lines = []
        lines += [
            f"{self.counts[state]:,} {_LABELS[state]}: {text}."
            for state, text in STATES.items()
            if self.counts[state]
        ]
        names = {group.uid: group.name for group in self.plan.groups}
        lines += self._refusal_lines()
        for uid, (joined, left) in sorted(self.drift.items()):
            lines.append(
                f"Since the plan was created, {drift_text(joined, left)} were made in {names[uid]}. These "
                "changes remain."
            )
        for uid, name in sorted(self.renamed.items()):
            lines.append(f"Since the plan was created, group {uid} was renamed from {names[uid]!r} to {name!r}.")
        for uid, others in sorted(self.similar_groups.items()):
            listed = format_list(others, MAX_LISTED)
            name = self.renamed.get(uid, names[uid])
            lines.append(f"Groups with the same name as group {uid} ({name!r}), or a similar name: {listed}.")
        for uid in sorted(self.skipped_groups):
            lines.append(
                f"No customers were removed from {names[uid]}, because too few additions to the group succeeded. "
                "To check the additions again and send the removals, apply the same plan again."
            )
        for override in self.overrides:
            lines.append(f"The apply windows were overridden {format_override(override)}")
        for uid in sorted(self.created):
            lines.append(f"The plan created the group {names[uid]} ({uid}).")
        if n := self._count_erased():
            lines.append(f"The receipt contains placeholders for {pluralize(n, 'customer')} because of an erasure.")
        if self.stopped:
            lines.append(f"STOPPED: {self.stopped}")
        if self.repeated:
            lines.append(self._repeated_line())
        if not self.complete:
            lines.append(self._next_step())
        return escape_lines(lines) or "The plan contains no changes."

    def _repeated_line(self) -> str:
        text = (
            "This plan was already applied, so this run sent nothing. The receipt shows the groups as they were read "
            f"at {format_utc(self.read_at)}, without later changes."
        )
        if self.n_undone:
            verified = pluralize(self.counts["verified"], "change")
            text += (
                f" {self.n_undone:,} of {verified} {agree(self.n_undone, 'was', 'were')} undone by a partial undo."
            )
        return text

    def _next_step(self) -> str:
        if self.erasure_id:
            return "The plan cannot be resumed. Load the tenant again and create a new plan."
        if self.finalized:
            if self.counts["unknown"]:
                return "To check the changes that are not confirmed, finalize the plan again."
            return "If the plan cannot be applied again, create a new plan for the remaining changes."
        if self.stopped or self.counts["not_sent"]:
            return "To resume the run, apply the same plan again."
        return "To check the changes that are not confirmed, apply the same plan again."

    def _refusal_lines(self) -> list[str]:
        """Return lines that list the rejected customers, with one line per group, change, and server message."""
        table = self.table().query("state == 'rejected'")
        alike = list(table.groupby(["customer_group_uid", "change", "detail"])["customer_uid"])
        lines = [f"  {change} {_listed(uids)} ({group}): {why}" for (group, change, why), uids in alike[:MAX_LISTED]]
        more = len(table) - sum(len(uids) for _, uids in alike[:MAX_LISTED])
        if more:
            lines.append(f"  {more:,} more rejected customers are listed in the receipt's table.")
        return lines

    def to_dict(self) -> dict[str, Any]:
        """
        Return the content of the receipt file as a dictionary.

        Returns
        -------
        dict
            Values that can be encoded as JSON. The plan is included.

        Examples
        --------
        >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
        ...     snapshot = load_snapshot(client)
        ...     plan = plan_memberships(snapshot, {"VIP": snapshot["Staff"]})
        ...     receipt = apply_plan(client, plan, approval=plan.digest)
        >>> receipt.to_dict()["stopped"]
        ''
        """
        return {
            "format_version": FORMAT_VERSION,
            "plan": plan_to_dict(self.plan, customers=True),
            "states": [[*item, state, self.details.get(item, "")] for item, state in self.states.items()],
            "members_after": {uid: list(members) for uid, members in self.members_after.items()},
            "consistent_groups": sorted(self.consistent_groups),
            "created": sorted(self.created),
            "approval": dict(self.approval),
            "drift": {uid: list(counts) for uid, counts in self.drift.items()},
            "renamed": dict(self.renamed),
            "similar_groups": {uid: list(others) for uid, others in self.similar_groups.items()},
            "skipped_groups": sorted(self.skipped_groups),
            "overrides": [dict(override) for override in self.overrides],
            "started_at": self.started_at.isoformat(),
            "read_at": self.read_at.isoformat(),
            "stopped": self.stopped,
            "finalized": self.finalized,
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
        """
        Write the receipt to a file atomically.

        Parameters
        ----------
        path : str or Path
            The receipt file. An existing receipt is replaced.

        Returns
        -------
        Path
            The absolute path of the file.

        Raises
        ------
        InputError
            The file cannot be written, or an existing file is not a receipt.

        Examples
        --------
        >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
        ...     snapshot = load_snapshot(client)
        ...     plan = plan_memberships(snapshot, {"VIP": snapshot["Staff"]})
        ...     receipt = apply_plan(client, plan, approval=plan.digest)
        >>> path = receipt.save(home() / "copies" / "vip.receipt.json")
        >>> read_receipt(path).counts == receipt.counts
        True
        """
        return write_checksummed(path, "receipt", self.to_dict())

    def __repr__(self) -> str:
        text = self._counts_text() or "no changes"
        if self.stopped:
            text += f"; STOPPED: {self.stopped}"
        return escape_invisible(f"<Receipt of plan {self.plan.digest[:12]}: {text}>")

    def _repr_html_(self) -> str:
        facts: dict[str, str] = {
            _LABELS[state].capitalize(): f"{self.counts[state]:,} ({text})"
            for state, text in STATES.items()
            if self.counts[state]
        }
        facts["Approved"] = format_approval(self.approval)
        if self.overrides:
            facts["Apply windows overridden"] = "; ".join(map(format_override, self.overrides))
        facts["File"] = str(self.path or "not saved")
        if self.stopped:
            facts["Stopped"] = self.stopped
        mark = "ok" if self.ok else "not fully applied"
        return Card(f"Receipt of plan {self.plan.digest[:12]}:", facts, mark=mark).html()


def read_receipt(path: str | Path) -> Receipt:
    """
    Read a receipt from a file.

    Parameters
    ----------
    path : str or Path
        A file that `apply_plan`, `finalize_plan` or `Receipt.save` has written.

    Returns
    -------
    Receipt
        The stored receipt.

    Raises
    ------
    CorruptFileError
        The file was changed after it was written.
    InputError
        The file cannot be read, has another format version, or is not a receipt.

    See Also
    --------
    plan_undo : Create the plan that reverts a receipt.

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
    try:
        stored = msgspec.convert(content, ReceiptContent)
        plan = plan_from_dict(stored.plan, path)
        check_stored_approval(stored.approval)
        for override in stored.overrides:
            check_stored_override(override)
        states: dict[Item, State] = {(group, uid, change): state for group, uid, change, state, _ in stored.states}
        _check_states(plan, states, len(stored.states))
        uids = {group.uid for group in plan.groups}
        if not uids.issuperset((*stored.renamed, *stored.similar_groups, *stored.skipped_groups, *stored.created)):
            raise ValueError("The receipt contains a group that is not in its plan.")
        started_at, read_at = parse_stored_timestamp(stored.started_at), parse_stored_timestamp(stored.read_at)
    except CorruptFileError:
        raise
    except (msgspec.ValidationError, ValueError) as error:
        raise CorruptFileError(
            f"{path} is corrupt: its content is not a receipt ({str(error).removesuffix('.')}). Restore the original "
            "file.",
            path=Path(path),
        ) from error
    finalized = stored.finalized
    if finalized is None:
        finalized = stored.stopped.startswith(FINALIZED)
    return Receipt(
        plan=plan,
        states=states,
        details={(group, uid, change): text for group, uid, change, _, text in stored.states if text},
        members_after=stored.members_after,
        consistent_groups=stored.consistent_groups,
        created=stored.created,
        approval=msgspec.to_builtins(stored.approval),
        started_at=started_at,
        read_at=read_at,
        stopped=stored.stopped,
        finalized=finalized,
        drift=stored.drift,
        renamed=stored.renamed,
        similar_groups=stored.similar_groups,
        skipped_groups=stored.skipped_groups,
        overrides=tuple(msgspec.to_builtins(override) for override in stored.overrides),
        erasure_id=stored.erasure_id,
        n_journal_lines=stored.n_journal_lines,
        path=Path(path).expanduser().resolve(),
    )


def drift_text(joined: int, left: int) -> str:
    """
    Format the numbers of additions and removals that are not part of a plan as the subject of a sentence.

    Examples
    --------
    >>> drift_text(0, 1)
    '0 additions and 1 removal that are not part of this plan'
    """
    return f"{pluralize(joined, 'addition')} and {pluralize(left, 'removal')} that are not part of this plan"


def _check_states(plan: Plan, states: Mapping[Item, State], n_stored: int) -> None:
    """Raise ValueError unless a receipt contains exactly one state for each change in its plan."""
    planned = {(group.uid, uid, change) for group in plan.groups for uid, change in group.items()}
    if states.keys() != planned or n_stored != len(states):
        raise ValueError("The receipt must contain one state for each change in its plan.")


def _listed(uids: pd.Series) -> str:
    text = ", ".join(uids.head(MAX_LISTED))
    if len(uids) > MAX_LISTED:
        text += f" and {len(uids) - MAX_LISTED:,} more"
    return text
