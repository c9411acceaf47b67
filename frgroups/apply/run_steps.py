"""Run a plan: create groups, add customers, remove customers, read the groups, and write the receipt."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from frgroups.api.client import Client
from frgroups.apply.group_checks import Drift, check_groups
from frgroups.apply.group_reader import GroupReader
from frgroups.apply.item_states import item_states
from frgroups.apply.journal import Item, Journal, RunAborted
from frgroups.apply.receipt import FINALIZED, Receipt
from frgroups.apply.sender import Sender
from frgroups.apply.stored_content import State
from frgroups.errors import FrgroupsError, InputError
from frgroups.internals.formatting import pluralize
from frgroups.internals.progress import Progress
from frgroups.plan.group_change import GroupChange
from frgroups.plan.plan import Plan

# The removals from a group are sent only if at least this percentage of the group's additions succeeded.
MIN_ADDED_PERCENTAGE = 90


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
        self._renamed: Mapping[str, str] = {}
        self._similar_groups: Mapping[str, list[str]] = {}
        # Skipped removals of moved customers. Each value is the group to which the customer could not be added.
        self._failed_moves: dict[Item, str] = {}
        # Number of additions in effect for each group whose removals are skipped.
        self._skipped_groups: dict[str, int] = {}

    def check_groups(self) -> None:
        """Compare the plan with the current members, and record the changes that are already in effect."""
        checked = check_groups(self._client, self._plan, self.journal, self._reader, self._stop)
        self._drift, self._renamed, self._similar_groups = checked.drift, checked.renamed, checked.similar_groups

    def send(self) -> str:
        """
        Send the changes of the plan. Return the reason for an early stop, or an empty string if there was none.

        If an error of frgroups ends the run before the first change is sent, this error is raised.
        """
        try:
            self._create_groups()
            self._send_changes("add")
            self._exclude_failed_moves()
            self._skip_removals_after_failed_additions()
            self._send_changes("remove")
        except RunAborted as stop:
            if isinstance(stop.__cause__, FrgroupsError) and not self.journal.state.n_sent:
                stop.__cause__.add("No changes were made.")
                raise stop.__cause__ from None
            return str(stop) if self.journal.state.n_sent else f"{stop} Nothing was sent."
        return ""

    def finish(self, stopped: str) -> Receipt:
        """
        Read the groups, write the receipt, and record the end of the run in the journal.

        The argument `stopped` is the reason for an early stop.
        """
        return self._record_end(self._build_receipt(stopped))

    def finalize(self) -> Receipt:
        """
        Read the groups, write the receipt, and record the end of an interrupted run.

        If the plan does not need to be applied again, the attribute `stopped` of the receipt is empty.
        """
        receipt = self._build_receipt("")
        if not receipt.complete:
            stopped = " ".join(filter(None, [FINALIZED, receipt.stopped]))
            receipt = replace(receipt, stopped=stopped, finalized=True)
        return self._record_end(receipt)

    def _record_end(self, receipt: Receipt) -> Receipt:
        receipt = self._save_receipt(receipt)
        with suppress(RunAborted):  # If this line cannot be written, the next run reads the groups again.
            self.journal.write("end", complete=receipt.complete, counts=dict(receipt.counts))
        return receipt

    def _create_groups(self) -> None:
        state = self.journal.state
        for group in self._plan.groups:
            if not group.create or group.uid in state.created:
                continue
            if group.uid in state.creating and self._reader.exists(group.uid):
                # An earlier run created the group but ended before the response was recorded.
                # Therefore, the creation is only recorded.
                self._sender.record_creation(group.uid, "accepted")
            else:
                self._sender.create(group.uid, group.name)

    def _send_changes(self, change: str) -> None:
        """Send all additions or all removals, except skipped changes and changes that need no further request."""
        state = self.journal.state
        excluded = state.decided | self._failed_moves.keys()
        for group in self._plan.groups:
            if change == "remove" and group.uid in self._skipped_groups:
                continue
            before = self._reader.members(group.uid)
            uids = _changes_of(group, change)
            left = []
            for uid in uids:
                item = (group.uid, uid, change)
                # Do not repeat a change that is in effect and that an earlier run sent, possibly without a response.
                is_in_effect = item in state.intended and (uid in before) == (change == "add")
                if item not in excluded and not is_in_effect:
                    left.append(uid)
            self._progress.advance(len(uids) - len(left))
            self._sender.send(group.uid, change, left)

    def _exclude_failed_moves(self) -> None:
        """Skip the removal of a moved customer from the old group if the addition to the new group failed."""
        rejected = self.journal.state.rejected
        for to, moves in self._plan.moves().groupby("to_group"):
            self._sender.raise_if_stopped()
            expected = [uid for uid in moves["customer_uid"].unique() if (to, uid, "add") not in rejected]
            arrived = self._reader.members_until(str(to), "add", expected)
            for uid, left in zip(moves["customer_uid"], moves["from_group"], strict=True):
                if uid not in arrived:
                    self._failed_moves[left, uid, "remove"] = str(to)

    def _skip_removals_after_failed_additions(self) -> None:
        """
        Skip the removals from each group for which too few additions succeeded.

        The reviewer approved the removals together with the additions. If many additions fail, for example because
        the list contains wrong uids, the removals would leave the group much smaller than the reviewer expected. An
        addition counts as successful if the customer is a member at the last read.
        """
        for group in self._plan.groups:
            if not group.add or not group.remove:
                continue
            n_added = _count_members(group.add, self._reader.members(group.uid))
            if not _is_enough(n_added, group):
                self._sender.raise_if_stopped()
                rejected = self.journal.state.rejected
                joining = [uid for uid in group.add if (group.uid, uid, "add") not in rejected]
                n_added = _count_members(group.add, self._reader.members_until(group.uid, "add", joining))
            if not _is_enough(n_added, group):
                self._skipped_groups[group.uid] = n_added

    def _build_receipt(self, stopped: str) -> Receipt:
        state = self.journal.state
        unreadable = self._reader.read_back(self._expected_changes())
        members, consistent = self._reader.all_members(), self._reader.consistent_groups()
        states, details = item_states(self._plan, state, members, consistent)
        not_sent = {item[0] for item, change_state in states.items() if change_state == "not_sent"}
        return Receipt(
            plan=self._plan,
            states=states,
            details=details | self._explain_excluded(states),
            members_after={uid: tuple(sorted(uids)) for uid, uids in members.items()},
            consistent_groups=consistent,
            created=frozenset(state.created | (state.creating & members.keys())),
            approval={"how": "", "by": "", "at": ""} | state.approval,
            overrides=tuple(state.overrides),
            drift=self._drift_after(members, consistent),
            renamed=self._renamed,
            similar_groups={uid: tuple(others) for uid, others in self._similar_groups.items()},
            skipped_groups=frozenset(self._skipped_groups.keys() & not_sent),
            started_at=datetime.fromisoformat(state.started_at),
            read_at=datetime.now(UTC),
            stopped=" ".join(filter(None, [stopped, unreadable])),
            nothing_sent=bool(stopped) and not state.n_sent,
            n_journal_lines=self.journal.n_lines,
            path=self.journal.receipt_path,
        )

    def _drift_after(self, members: Mapping[str, Collection[str]], consistent: Collection[str]) -> Drift:
        """
        Return the additions and removals that are not part of the plan, according to the last read of each group.

        The last read also contains changes that were made during the run, and members whom the server omitted from
        the read before the run. If the last read of a group was not consistent, the read before the run is used
        instead.
        """
        drift = dict(self._drift)
        for group in self._plan.groups:
            if group.uid in consistent:
                drift[group.uid] = group.drift(members[group.uid])
        return {uid: counts for uid, counts in drift.items() if any(counts)}

    def _explain_excluded(self, states: Mapping[Item, State]) -> dict[Item, str]:
        """Return a message for each removal that was not sent because additions failed."""
        details = {}
        for item, to in self._failed_moves.items():
            if states[item] == "not_sent" and states[to, item[1], "add"] == "rejected":
                details[item] = f"The customer was not removed because the addition to group {to} failed."
        for group in self._plan.groups:
            if group.uid not in self._skipped_groups:
                continue
            for uid in group.remove:
                item = (group.uid, uid, "remove")
                if states[item] == "not_sent":
                    details[item] = (
                        f"The customer was not removed because only {self._skipped_groups[group.uid]:,} of "
                        f"{pluralize(len(group.add), 'addition')} to the group succeeded. At least "
                        f"{MIN_ADDED_PERCENTAGE}% must succeed."
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


def _count_members(uids: Sequence[str], members: Collection[str]) -> int:
    return sum(uid in members for uid in uids)


def _is_enough(n_added: int, group: GroupChange) -> bool:
    return 100 * n_added >= MIN_ADDED_PERCENTAGE * len(group.add)
