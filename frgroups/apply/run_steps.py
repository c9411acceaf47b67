"""Run a plan: create groups, add customers, remove customers, read the groups, and write the receipt."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from frgroups.api.client import Client
from frgroups.apply.group_checks import Drift, check_groups
from frgroups.apply.group_reader import GroupReader
from frgroups.apply.journal import Item, Journal, RunAborted
from frgroups.apply.receipt import Receipt, State, item_states
from frgroups.apply.sender import Sender
from frgroups.errors import FrgroupsError, InputError
from frgroups.internals.progress import Progress
from frgroups.plan.group_change import GroupChange
from frgroups.plan.plan import Plan


class Run:
    """A run of one plan on a locked tenant. Each request contains at most `chunk` customers."""

    def __init__(
        self,
        client: Client,
        plan: Plan,
        journal: Journal,
        reader: GroupReader,
        *,
        chunk: int,
        progress: Progress,
        stop: threading.Event,
    ) -> None:
        self._client, self._plan, self._reader, self._stop = client, plan, reader, stop
        self._progress = progress
        self.journal = journal
        self._sender = Sender(client, journal, reader.members_until, stop, progress, chunk)
        self._drift: Drift = {}
        # For each customer who could not be moved, the dictionary maps the removal to the target group of the move.
        self._failed_moves: dict[Item, str] = {}
        self._last_members: set[Item] = set()  # These removals would leave a group without members.

    def check_groups(self) -> None:
        """Compare the plan with the current members, and record the changes that are already in effect."""
        self._drift = check_groups(self._client, self._plan, self.journal, self._reader, self._stop)

    def send(self) -> str:
        """
        Send the changes of the plan. Return the reason if the run stopped early, and an empty string if it did not.

        Raised if an API error occurs before the first change is made.
        """
        try:
            self._create_groups()
            self._send_changes("add")
            self._exclude_failed_moves()
            self._avoid_emptying_groups()
            self._send_changes("remove")
        except RunAborted as stop:
            if isinstance(stop.__cause__, FrgroupsError) and not self.journal.state.n_sent:
                stop.__cause__.add("No changes were made.")
                raise stop.__cause__ from None
            return str(stop)
        return ""

    def finalize(self, stopped: str, *, unless_complete: bool = False) -> Receipt:
        """
        Read the groups, write the receipt, and record the end of the run in the journal.

        The argument `stopped` is the reason for an early stop. If `unless_complete` is True and the plan does not
        need to be applied again, the receipt does not contain this reason.
        """
        receipt = self._build_receipt(stopped)
        complete = replace(receipt, stopped="")
        if unless_complete and complete.complete:
            receipt = complete
        receipt = self._save_receipt(receipt)
        with suppress(RunAborted):  # If the journal line is missing, the next run reads the groups again.
            self.journal.write("end", complete=receipt.complete, counts=dict(receipt.counts))
        return receipt

    def _create_groups(self) -> None:
        state = self.journal.state
        for group in self._plan.groups:
            if not group.create or group.uid in state.created:
                continue
            if group.uid in state.creating and self._reader.exists(group.uid):
                # An earlier run created the group and ended before it recorded the response.
                self._sender.record_creation(group.uid, "accepted")
            else:
                self._sender.create(group.uid, group.name)

    def _send_changes(self, change: str) -> None:
        """Send all additions or all removals, except changes that are excluded or already finished."""
        state = self.journal.state
        excluded = state.decided | self._failed_moves.keys() | self._last_members
        for group in self._plan.groups:
            before = self._reader.members(group.uid)
            uids = _changes_of(group, change)
            left = []
            for uid in uids:
                item = (group.uid, uid, change)
                # An earlier run sent the change but might not have received the response.
                is_in_effect = item in state.intended and (uid in before) == (change == "add")
                if item not in excluded and not is_in_effect:
                    left.append(uid)
            self._progress.advance(len(uids) - len(left))
            self._sender.send(group.uid, change, left)

    def _exclude_failed_moves(self) -> None:
        """Exclude the removals of moved customers whose addition to the new group is not in effect."""
        rejected = self.journal.state.rejected
        for to, moves in self._plan.moves().groupby("to_group"):
            self._sender.raise_if_stopped()
            expected = [uid for uid in moves["customer_uid"].unique() if (to, uid, "add") not in rejected]
            arrived = self._reader.members_until(str(to), "add", expected)
            for uid, left in zip(moves["customer_uid"], moves["from_group"], strict=True):
                if uid not in arrived:
                    self._failed_moves[left, uid, "remove"] = str(to)

    def _avoid_emptying_groups(self) -> None:
        """
        Exclude removals that would leave a group without members although the plan adds customers to the group.

        If all additions to a group fail, its removals could leave the group without members, which the reviewer has
        not approved. If the limit `emptied_groups` is None, the removals are sent nevertheless.
        """
        for group in self._plan.groups:
            leaving = {uid for uid in group.remove if (group.uid, uid, "remove") not in self._failed_moves}
            may_be_emptied = self._plan.limits.of(group.uid).emptied_groups is None
            if may_be_emptied or not (group.add and leaving and self._reader.members(group.uid) <= leaving):
                continue
            self._sender.raise_if_stopped()
            rejected = self.journal.state.rejected
            joining = [uid for uid in group.add if (group.uid, uid, "add") not in rejected]
            if self._reader.members_until(group.uid, "add", joining) <= leaving:
                self._last_members |= {(group.uid, uid, "remove") for uid in leaving}

    def _build_receipt(self, stopped: str) -> Receipt:
        state = self.journal.state
        unreadable = self._reader.read_back(self._expected_changes())
        members, consistent = self._reader.all_members(), self._reader.consistent_groups()
        states, details = item_states(self._plan, state, members, consistent)
        return Receipt(
            plan=self._plan,
            states=states,
            details=details | self._explain_excluded(states),
            members_after={uid: tuple(sorted(uids)) for uid, uids in members.items()},
            consistent_groups=consistent,
            created=frozenset(state.created | (state.creating & members.keys())),
            approval=state.approval,
            drift=self._drift,
            started_at=datetime.fromisoformat(state.started_at),
            read_at=datetime.now(UTC),
            stopped=" ".join(filter(None, [stopped, unreadable])),
            n_journal_lines=self.journal.n_lines,
            path=self.journal.receipt_path,
        )

    def _explain_excluded(self, states: Mapping[Item, State]) -> dict[Item, str]:
        """Return the reason for each removal that was not sent because of a failed addition."""
        details = {}
        for item, to in self._failed_moves.items():
            if states[item] == "not_sent" and states[to, item[1], "add"] == "rejected":
                details[item] = f"The customer was not removed because the addition to group {to} failed."
        for item in self._last_members:
            if states[item] == "not_sent":
                details[item] = (
                    "The customer was not removed because all additions failed and the group would have no members "
                    "(limit emptied_groups)."
                )
        return details

    def _expected_changes(self) -> dict[str, set[tuple[str, str]]]:
        """Return the accepted changes of each group. Groups whose creation was not sent are omitted."""
        state = self.journal.state
        expected: dict[str, set[tuple[str, str]]] = {
            group.uid: set() for group in self._plan.groups if not group.create or group.uid in state.creating
        }
        for group_uid, uid, change in state.accepted:
            expected[group_uid].add((uid, change))
        return expected

    def _save_receipt(self, receipt: Receipt) -> Receipt:
        """Write the receipt to a file and return it. If the file cannot be written, `stopped` contains the reason."""
        try:
            receipt.save(self.journal.receipt_path)
        except InputError as error:
            return replace(receipt, path=None, stopped=receipt.stopped or error.message)
        return receipt


def _changes_of(group: GroupChange, change: str) -> Sequence[str]:
    if change == "add":
        return group.add
    return group.remove
