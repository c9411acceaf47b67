"""Send a plan. Planned changes reach a tenant in this way only."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from frgroups.apply.facts import kept_facts
from frgroups.apply.guards import (
    check_limits,
    check_place,
    check_target,
    check_whole,
    check_writable,
    raise_if_broken,
    telling_of,
)
from frgroups.apply.sending import Sender
from frgroups.approval import Approve, check_approval
from frgroups.begun import note_begun
from frgroups.client import Client
from frgroups.errors import (
    DriftError,
    FileDamagedError,
    FrgroupsError,
    InputError,
    NotFoundError,
)
from frgroups.inputs import must_be
from frgroups.journal import Item, Journal, RunStopped
from frgroups.limits import GroupCounts, broken_limits
from frgroups.logs import tell
from frgroups.members import Listing, read_members, worker_threads
from frgroups.plan import CHUNK, Plan
from frgroups.plan.group_change import GroupChange
from frgroups.progress import Progress, ProgressOption
from frgroups.receipt import Receipt, decide, read_receipt
from frgroups.tenant_lock import tenant_lock

log = logging.getLogger("frgroups.apply")

SETTLE_WAITS = (0.5, 1.0, 2.0)


def apply_plan(
    client: Client,
    plan: Plan,
    *,
    approve: Approve,
    journal: str | Path | None = None,
    progress: ProgressOption = None,
) -> Receipt:
    """
    Apply exactly this plan, and return what became of each of its items.

    Before anything is sent: the approval, the tenant and host, the limits and the age of the plan, one lock per
    tenant, and a proved reading of every touched group. Then creations, additions, removals, a reading back,
    and the receipt. Applying the same plan again goes on where a run ended, or returns its receipt.

    Parameters
    ----------
    approve
        The digest that was reviewed (64 hex digits, or its first 12 at least), an approval file, or for small changes
        of certain groups a policy, as `read_policy` reads it.
    journal
        The folder for the journal and the receipt; None is the home's.

    Raises
    ------
    NotApprovedError, NotWritableError, WrongTenantError, PlanBlockedError, LockedError
        Nothing was sent.
    DriftError
        A touched group changed too much since the plan was made; nothing was sent.
    ApiError, TokenCommandError
        The service failed, or no token was to be had, before anything was changed. After that a receipt is returned,
        with `.stopped`.

    >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
    ...     snapshot = load_snapshot(client)
    ...     plan = plan_memberships(snapshot, {"VIP": snapshot["Staff"]})
    ...     receipt = apply_plan(client, plan, approve=plan.digest)
    >>> receipt.ok, receipt.counts["verified"] + receipt.counts["already"] == plan.n_add
    (True, True)
    """
    must_be(client, Client, "client")
    must_be(plan, Plan, "plan")
    check_target(client, plan)
    check_writable(client)
    if (done := _receipt_of_ended(begun := Journal.of(plan, journal))) is not None:
        return done
    check_place(plan, begun)
    with telling_of(begun.past):
        approval = check_approval(plan, approve, begun=begun.past.approval)
        check_limits(plan)
    with _run(client, plan, journal, progress) as run:
        if (done := _receipt_of_ended(run.journal)) is not None:
            return done
        check_place(plan, run.journal)
        start = {"digest": plan.digest, "planned_at": plan.planned_at.isoformat(), "approval": approval.document()}
        try:
            note_begun(plan, run.journal.path)
            run.journal.write("start", **start)
            with telling_of(run.journal.past):
                run.preflight()
        except RunStopped as error:
            raise InputError(f"Plan {plan.digest[:12]} was not begun: {error} {run.journal.past.told()}") from error
        receipt = run.settled(run.send())
    _tell_of(receipt)
    return receipt


def settle_plan(
    client: Client, plan: Plan, *, journal: str | Path | None = None, progress: ProgressOption = None
) -> Receipt:
    """
    The receipt of a plan whose run ended without one, or as far as it came; nothing is sent, a client may only read.

    For a plan that cannot be gone on with: its approval ended, it is too old, or a group drifted too far. Each
    touched group is read; with the journal that tells what took effect, and `plan_undo` can take it back. As long as
    nothing keeps the plan from being applied, `apply_plan` can still go on with it.

    Parameters
    ----------
    journal
        As in `apply_plan`.

    Raises
    ------
    InputError
        The plan was never begun with this journal, or with another one.
    WrongTenantError, LockedError, ApiError
        As in `apply_plan`.

    >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
    ...     plan = plan_memberships(load_snapshot(client), {"VIP": ["no-such-customer"]})
    ...     rejected = apply_plan(client, plan, approve=plan.digest)
    ...     settle_plan(client, plan).counts == rejected.counts
    True
    """
    must_be(client, Client, "client")
    must_be(plan, Plan, "plan")
    check_target(client, plan)
    begun = Journal.of(plan, journal)
    if (done := _receipt_of_ended(begun)) is not None:
        return done
    check_place(plan, begun)
    if not begun.past.started:
        raise InputError(
            f"Plan {plan.digest[:12]} was not begun with the journal {begun.path}, so there is nothing to settle."
        )
    with _run(client, plan, journal, progress) as run:
        done = _receipt_of_ended(run.journal)
        receipt = done or run.settled("it was settled as far as it came, and nothing was sent for that.")
    _tell_of(receipt)
    return receipt


@contextmanager
def _run(client: Client, plan: Plan, journal: str | Path | None, progress: ProgressOption) -> Iterator[_Run]:
    """A run over the plan's journal that is alone with the tenant."""
    with (
        tenant_lock(client.tenant_uid, client.base_url, f"plan {plan.digest[:12]}"),
        Journal.of(plan, journal) as written,
        Progress("Applying", unit="changes", show=progress, total=plan.n_add + plan.n_remove) as bar,
        _patient_interrupt() as stop,
    ):
        yield _Run(client, plan, written, bar, stop)


def _tell_of(receipt: Receipt) -> None:
    plan, counts = receipt.plan, dict(receipt.counts)
    told = ", ".join(f"{n:,} {state}" for state, n in counts.items() if n) or "nothing to do"
    facts = {"tenant_uid": plan.tenant_uid, "digest": plan.digest, "counts": counts, "ok": receipt.ok}
    tell(log, logging.INFO, "plan_applied", f"Plan {plan.digest[:12]}: {told}.", **facts)


class _Run:
    """One run of one plan over its journal."""

    def __init__(
        self, client: Client, plan: Plan, journal: Journal, progress: Progress, stop: threading.Event
    ) -> None:
        self._client, self._plan, self.journal = client, plan, journal
        self._stop = stop
        found = kept_facts(client.tenant_uid, client.base_url)
        self._waits = found.settle_waits(SETTLE_WAITS) if found else SETTLE_WAITS
        chunk = found.chunk if found else CHUNK
        self._sender = Sender(client, journal, self._members_when, stop, progress, chunk)
        self._last: dict[str, Listing[str]] = {}
        self._drift: dict[str, tuple[int, int]] = {}
        self._held: dict[Item, tuple[str, str]] = {}
        self._kept: dict[Item, str] = {}

    def preflight(self) -> None:
        """Read every touched group, refuse what drifted, and write down what is true before anything is sent."""
        problems = {group.uid: problem for group in self._plan.groups if (problem := self._look(group))}
        if problems:
            raise DriftError(
                f"{len(problems)} of {len(self._plan.groups)} groups are no longer what the plan was made from. "
                f"Nothing was sent. {' '.join(problems.values())} Load again and make a new plan.",
                groups=list(problems),
            )
        self._check_limits_now()
        for group in self._plan.groups:
            self._note_what_is_true(group)

    def send(self) -> str:
        """Send all of it, or as far as it goes; why it stopped, or nothing."""
        try:
            self._create()
            self._send_side("add")
            self._send_side("remove")
        except RunStopped as stop:
            if isinstance(stop.__cause__, FrgroupsError) and not self._anything_done():
                raise stop.__cause__ from None
            return str(stop)
        return ""

    def settled(self, stopped: str) -> Receipt:
        """Read back, keep the receipt, and write down that the run ended."""
        receipt = self._receipt(stopped, self.journal.receipt_path)
        with suppress(RunStopped):  # Without this line applying again reads back once more; no harm is done.
            self.journal.write("end", complete=receipt.complete, counts=dict(receipt.counts))
        return receipt

    def _receipt(self, stopped: str, path: Path) -> Receipt:
        unreadable = self._read_back()
        past = self.journal.past
        now = {uid: frozenset(listing.uids) for uid, listing in self._last.items()}
        proved = frozenset(uid for uid, listing in self._last.items() if listing.verdict == "consistent")
        states, details = decide(self._plan, past, now, proved)
        receipt = Receipt(
            plan=self._plan,
            states=states,
            details=details
            | {
                item: why
                for item, (to, why) in self._held.items()
                if states[item] == "not_sent" and states[to, item[1], "add"] == "rejected"
            }
            | {item: why for item, why in self._kept.items() if states[item] == "not_sent"},
            members_after={uid: tuple(sorted(members)) for uid, members in now.items()},
            proved=proved,
            created=frozenset(past.created | (past.creating & now.keys())),
            approval=past.approval,
            drift=self._drift,
            started_at=datetime.fromisoformat(past.started),
            read_at=datetime.now(UTC),
            stopped=stopped or unreadable,
            n_journal_lines=self.journal.n_lines,
            path=path,
        )
        try:
            receipt.save(path)
        except InputError as error:
            return replace(receipt, path=None, stopped=receipt.stopped or error.message)
        return receipt

    def _anything_done(self) -> bool:
        past = self.journal.past
        return bool(past.created or past.creating or past.intended - past.unsent)

    def _look(self, group: GroupChange) -> str:
        """What keeps this group from being changed, or nothing."""
        if self._stop.is_set():
            raise RunStopped("interrupted while its groups were read.")
        if group.create and group.uid not in self.journal.past.creating:
            try:
                self._client.get_group(group.uid)
            except NotFoundError:
                return ""
            return f"Group {group.uid} was to be created, but it exists."
        try:
            listing = self._read(group.uid)
        except NotFoundError:
            return "" if group.create else f"{group.name} ({group.uid}) does not exist any more."
        if listing.verdict == "drifted":
            return f"{group.name} changes faster than it can be read ({listing.note})."
        own = {*group.add, *group.remove}
        joined = len(set(listing.uids) - set(group.baseline) - own)
        left = len(set(group.baseline) - set(listing.uids) - own)
        if joined or left:
            self._drift[group.uid] = (joined, left)
        allowed = self._plan.limits.of(group.uid).drift_allowed(len(group.baseline))
        if allowed is None or joined + left <= allowed or group.create:
            return ""
        return (
            f"{group.name}: {joined:,} joined and {left:,} left since the plan was made, "
            f"of {len(group.baseline):,}; the limit is {int(allowed):,} (drift_share, drift_floor)."
        )

    def _note_what_is_true(self, group: GroupChange) -> None:
        """Journal the items that are true though we have not brought that about: they are `already`."""
        past, members = self.journal.past, self._members_before(group)
        listing = self._last.get(group.uid)
        proved = listing is None or listing.verdict == "consistent"
        true = {
            change: [
                uid
                for uid in uids
                if (uid in members) == (change == "add")
                and (change == "add" or proved)  # Absence counts only in a reading that proved itself.
                and (group.uid, uid, change) not in past.already
                and ((group.uid, uid, change) not in past.intended or (group.uid, uid, change) in past.unsent)
            ]
            for change, uids in (("add", group.add), ("remove", group.remove))
        }
        if group.uid not in past.looked_at or true["add"] or true["remove"]:
            self.journal.write("look", group=group.uid, n_members=len(members), **true)

    def _members_before(self, group: GroupChange) -> frozenset[str]:
        listing = self._last.get(group.uid)
        return frozenset(listing.uids) if listing else frozenset()

    def _check_limits_now(self) -> None:
        """The limits once more, against the members that the groups have now."""
        counts = []
        for group in self._plan.groups:
            members = self._members_before(group)
            removes = sum(uid in members for uid in group.remove)
            adds = sum(uid not in members for uid in group.add)
            counts.append(GroupCounts(group.uid, group.name, len(members), adds, removes))
        raise_if_broken(self._plan, broken_limits(self._plan.limits, counts, snapshot_age=timedelta(0)))

    def _create(self) -> None:
        past = self.journal.past
        for group in self._plan.groups:
            if not group.create or group.uid in past.created:
                continue
            if group.uid in past.creating and group.uid in self._last:
                self._sender.created(group.uid, "accepted")  # An earlier run made it, and did not live to see.
            else:
                self._sender.create(group.uid, group.name)

    def _send_side(self, change: str) -> None:
        """Send all additions, or all removals but those whose customer did not arrive where it moves to."""
        past = self.journal.past
        if change == "remove":
            self._hold_moves()
            self._hold_emptying()
        done = past.already | past.accepted | past.refused.keys() | self._held.keys() | self._kept.keys()
        for group in self._plan.groups:
            before = self._members_before(group)
            uids = group.add if change == "add" else group.remove
            left = [
                uid
                for uid in uids
                if (group.uid, uid, change) not in done
                # Sent by an earlier run that never saw the answer, and in effect.
                and not ((group.uid, uid, change) in past.intended and (uid in before) == (change == "add"))
            ]
            self._sender.send(group.uid, change, left)

    def _hold_moves(self) -> None:
        """Hold the removals of customers who are not seen in the group that the plan moves them to."""
        leaving: dict[str, list[str]] = {}
        for group in self._plan.groups:
            for uid in group.remove:
                leaving.setdefault(uid, []).append(group.uid)
        for group in self._plan.groups:
            if moving := sorted(leaving.keys() & set(group.add)):
                refused = self.journal.past.refused
                members = self._members_when(
                    group.uid, "add", [uid for uid in moving if (group.uid, uid, "add") not in refused]
                )
                for uid in moving:
                    if uid not in members:
                        why = f"kept in this group: the addition to {group.uid} did not take effect"
                        self._held |= {(left, uid, "remove"): (group.uid, why) for left in leaving[uid]}

    def _hold_emptying(self) -> None:
        """Hold the removals that leave a group without a member, since none of its additions took effect."""
        why = "kept in this group: none of its additions took effect, and no group may be emptied (emptied_groups)"
        for group in self._plan.groups:
            leaving = {uid for uid in group.remove if (group.uid, uid, "remove") not in self._held}
            may = self._plan.limits.of(group.uid).emptied_groups != 0
            if may or not (group.add and leaving and self._members_before(group) <= leaving):
                continue
            refused = self.journal.past.refused
            joining = [uid for uid in group.add if (group.uid, uid, "add") not in refused]
            if self._members_when(group.uid, "add", joining) <= leaving:
                self._kept |= {(group.uid, uid, "remove"): why for uid in leaving}

    def _read_back(self) -> str:
        """Read every touched group, again after a while where something accepted does not show yet."""
        expected: dict[str, set[tuple[str, str]]] = {group.uid: set() for group in self._plan.groups}
        for group, uid, change in self.journal.past.accepted:
            expected[group].add((uid, change))
        self._last.clear()  # What was read before sending tells nothing of what came of it.
        failed = self._read_until_shown(expected)
        return f"reading back failed: {next(iter(failed.values()))}" if failed else ""

    def _members_when(self, group_uid: str, change: str, uids: Sequence[str]) -> frozenset[str]:
        """The members of a group, read again for a while as long as these changes do not all show."""
        if failed := self._read_until_shown({group_uid: {(uid, change) for uid in uids}}):
            raise RunStopped(f"group {group_uid} could not be read: {failed[group_uid]}")
        return frozenset(self._last[group_uid].uids)

    def _read_until_shown(self, expected: Mapping[str, set[tuple[str, str]]]) -> dict[str, str]:
        """Read these groups until the changes show or the waits are spent; what could not be read, and why."""
        failed: dict[str, str] = {}
        waiting = list(expected)
        for wait in (0.0, *self._waits):
            time.sleep(wait)
            for group_uid in waiting:
                self._last.pop(group_uid, None)
                try:
                    self._read(group_uid)
                except FrgroupsError as error:
                    failed[group_uid] = error.message
            waiting = [uid for uid in waiting if uid not in failed and not self._shows(uid, expected[uid])]
            if not waiting:
                break
        return failed

    def _shows(self, group_uid: str, changes: set[tuple[str, str]]) -> bool:
        members = frozenset(self._last[group_uid].uids)
        return all((uid in members) == (change == "add") for uid, change in changes)

    def _read(self, group_uid: str) -> Listing[str]:
        with worker_threads(self._client) as pool:
            self._last[group_uid] = read_members(self._client, group_uid, pool=pool)
        return self._last[group_uid]


def _receipt_of_ended(journal: Journal) -> Receipt | None:
    """The receipt of a plan that was applied to its end: it is not sent twice."""
    path = journal.receipt_path
    if not path.exists():
        return None
    try:
        receipt = read_receipt(path)
    except FileDamagedError:
        if journal.past.ended:
            raise
        return None  # Of a run that is gone on with: it is made anew.
    check_whole(journal, receipt)
    return replace(receipt, repeated=True) if journal.past.ended else None


@contextmanager
def _patient_interrupt() -> Iterator[threading.Event]:
    """The first Ctrl-C lets the request in flight finish; a second one interrupts at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def first(_signum: int, _frame: Any) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, first)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
