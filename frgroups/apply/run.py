"""One run of a plan over its journal: creations, additions, removals, the reading back, and the receipt."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from frgroups.api.client import Client
from frgroups.apply.group_reader import GroupReader
from frgroups.apply.journal import Item, Journal, RunAborted
from frgroups.apply.preflight import Drift, preflight
from frgroups.apply.receipt import Receipt, State, item_states
from frgroups.apply.sender import Sender
from frgroups.errors import FrgroupsError, InputError
from frgroups.internals.progress import Progress
from frgroups.plan.plan import Plan


class Run:
    """A run that is alone with the tenant; `chunk` customers go in one request at most."""

    def __init__(
        self,
        client: Client,
        plan: Plan,
        journal: Journal,
        readings: GroupReader,
        *,
        chunk: int,
        progress: Progress,
        stop: threading.Event,
    ) -> None:
        self._client, self._plan, self._readings, self._stop = client, plan, readings, stop
        self._progress = progress
        self.journal = journal
        self._sender = Sender(client, journal, readings.members_until, stop, progress, chunk)
        self._drift: Drift = {}
        # Removals of customers who did not arrive, and the group where they should have.
        self._not_arrived: dict[Item, str] = {}
        self._last_members: set[Item] = set()  # Removals that would leave a group without a member.

    def preflight(self) -> None:
        """Refuse what drifted or breaks a limit by now, and write down what is true before anything is sent."""
        self._drift = preflight(self._client, self._plan, self.journal, self._readings, self._stop)

    def send(self) -> str:
        """Send all of it, or as far as it goes; why it stopped. Raises what failed before anything was sent."""
        try:
            self._create()
            self._send_side("add")
            self._keep_failed_moves()
            self._avoid_emptying_groups()
            self._send_side("remove")
        except RunAborted as stop:
            if isinstance(stop.__cause__, FrgroupsError) and not self.journal.past.n_sent:
                raise stop.__cause__ from None
            return str(stop)
        return ""

    def settled(self, stopped: str, *, if_open: bool = False) -> Receipt:
        """Read back, keep the receipt, and write that the run ended; `if_open`: it was stopped unless all is done."""
        receipt = self._receipt(stopped)
        if if_open and (done := replace(receipt, stopped="")).complete:
            receipt = done
        receipt = self._kept(receipt)
        with suppress(RunAborted):  # Without this line applying again reads back once more; no harm is done.
            self.journal.write("end", complete=receipt.complete, counts=dict(receipt.counts))
        return receipt

    def _create(self) -> None:
        past = self.journal.past
        for group in self._plan.groups:
            if not group.create or group.uid in past.created:
                continue
            if group.uid in past.creating and self._readings.known(group.uid):
                self._sender.created(group.uid, "accepted")  # An earlier run made it, and did not live to see.
            else:
                self._sender.create(group.uid, group.name)

    def _send_side(self, change: str) -> None:
        """Send all additions, or all removals but those of customers who did not arrive where they move to."""
        past = self.journal.past
        done = past.already | past.accepted | past.refused.keys() | self._not_arrived.keys() | self._last_members
        for group in self._plan.groups:
            before = self._readings.members(group.uid)
            uids = group.add if change == "add" else group.remove
            left = [
                uid
                for uid in uids
                if (group.uid, uid, change) not in done
                # Sent by an earlier run that never saw the answer, and in effect.
                and not ((group.uid, uid, change) in past.intended and (uid in before) == (change == "add"))
            ]
            self._progress.advance(len(uids) - len(left))
            self._sender.send(group.uid, change, left)

    def _keep_failed_moves(self) -> None:
        """Leave out the removals of customers who are not seen in the group that the plan moves them to."""
        refused = self.journal.past.refused
        for to, moves in self._plan.moves().groupby("to_group"):
            self._sender.stop_when_asked()
            asked = [uid for uid in moves["customer_uid"].unique() if (to, uid, "add") not in refused]
            arrived = self._readings.members_until(str(to), "add", asked)
            for uid, left in zip(moves["customer_uid"], moves["from_group"], strict=True):
                if uid not in arrived:
                    self._not_arrived[left, uid, "remove"] = str(to)

    def _avoid_emptying_groups(self) -> None:
        """
        Leave out the removals that would empty a group of which the plan tells that somebody is left in it.

        As where none of who was to join did: that was reviewed otherwise. With emptied_groups off nobody minds.
        """
        for group in self._plan.groups:
            leaving = {uid for uid in group.remove if (group.uid, uid, "remove") not in self._not_arrived}
            off = self._plan.limits.of(group.uid).emptied_groups is None
            if off or not (group.add and leaving and self._readings.members(group.uid) <= leaving):
                continue
            self._sender.stop_when_asked()
            refused = self.journal.past.refused
            joining = [uid for uid in group.add if (group.uid, uid, "add") not in refused]
            if self._readings.members_until(group.uid, "add", joining) <= leaving:
                self._last_members |= {(group.uid, uid, "remove") for uid in leaving}

    def _receipt(self, stopped: str) -> Receipt:
        past = self.journal.past
        unreadable = self._readings.back(self._expected())
        now, proved = self._readings.all_members(), self._readings.proved()
        states, details = item_states(self._plan, past, now, proved)
        kept = {
            item: f"kept in this group: the addition to {to} did not take effect"
            for item, to in self._not_arrived.items()
            if states[item] == "not_sent" and states[to, item[1], "add"] == "rejected"
        }
        return Receipt(
            plan=self._plan,
            states=states,
            details=details | kept | self._explain_kept_members(states),
            members_after={uid: tuple(sorted(members)) for uid, members in now.items()},
            proved=proved,
            created=frozenset(past.created | (past.creating & now.keys())),
            approval=past.approval,
            drift=self._drift,
            started_at=datetime.fromisoformat(past.started),
            read_at=datetime.now(UTC),
            stopped=" ".join(filter(None, [stopped, unreadable])),
            n_journal_lines=self.journal.n_lines,
            path=self.journal.receipt_path,
        )

    def _explain_kept_members(self, states: Mapping[Item, State]) -> dict[Item, str]:
        why = "kept in this group: none of its additions took effect, so nobody would be left in it (emptied_groups)"
        return {item: why for item in self._last_members if states[item] == "not_sent"}

    def _expected(self) -> dict[str, set[tuple[str, str]]]:
        """What a reading back should show of each group that there may be: all that was accepted."""
        past = self.journal.past
        there = [group.uid for group in self._plan.groups if not group.create or group.uid in past.creating]
        expected: dict[str, set[tuple[str, str]]] = {uid: set() for uid in there}
        for group, uid, change in past.accepted:
            expected[group].add((uid, change))
        return expected

    def _kept(self, receipt: Receipt) -> Receipt:
        """The receipt, on disk; where that cannot be, it says so itself."""
        try:
            receipt.save(self.journal.receipt_path)
        except InputError as error:
            return replace(receipt, path=None, stopped=receipt.stopped or error.message)
        return receipt
