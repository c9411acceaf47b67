"""Send a plan. This is the only way that frgroups changes anything in a tenant."""

from __future__ import annotations

import getpass
import json
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import filelock

from frgroups.approval import check_approval
from frgroups.client import Client
from frgroups.durations import as_duration
from frgroups.errors import (
    ApiError,
    DriftError,
    FrgroupsError,
    InputError,
    LockedError,
    NotFoundError,
    NotWritableError,
    PlanBlockedError,
    WrongTenantError,
)
from frgroups.home import folder_in_home, make_private, tenant_folder
from frgroups.journal import Journal, RunStopped
from frgroups.limits import Finding, GroupCounts, broken_limits
from frgroups.members import Listing, read_members
from frgroups.plan import GroupChange, Plan
from frgroups.progress import Progress, ProgressOption
from frgroups.receipt import Receipt, decide, read_receipt
from frgroups.sending import Sender
from frgroups.wire import Member

log = logging.getLogger("frgroups.apply")

SETTLE_WAITS = (0.5, 1.0, 2.0)


def apply_plan(
    client: Client,
    plan: Plan,
    *,
    approve: str | Path,
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
        The digest that was reviewed (64 hex digits, or its first 12 at least) or an approval file.
    journal
        The folder for the journal and the receipt; None is the home's.

    Raises
    ------
    NotApprovedError, NotWritableError, WrongTenantError, PlanBlockedError, LockedError
        Nothing was sent.
    DriftError
        A touched group changed too much since the plan was made; nothing was sent.
    ApiError
        The service failed before anything was changed. After that a receipt is returned, with `.stopped`.

    >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
    ...     snapshot = load_snapshot(client)
    ...     plan = plan_memberships(snapshot, {"VIP": snapshot["Staff"]})
    ...     receipt = apply_plan(client, plan, approve=plan.digest)
    >>> receipt.ok, receipt.counts["verified"] + receipt.counts["already"] == plan.n_add
    (True, True)
    """
    approval = check_approval(plan, approve)
    _check_target(client, plan)
    _check_limits(plan)
    with _tenant_lock(client, plan), Journal.of(plan, journal) as written:
        receipt_path = written.path.with_suffix(".receipt.json")
        if written.past.ended and receipt_path.exists():
            return read_receipt(receipt_path)
        start = {"digest": plan.digest, "planned_at": plan.planned_at.isoformat(), "approval": approval.document()}
        total = plan.n_add + plan.n_remove
        with Progress("Applying", unit="changes", show=progress, total=total) as bar, _patient_interrupt() as stop:
            run = _Run(client, plan, written, bar, stop)
            try:
                written.write("start", **start)
                run.preflight()
            except RunStopped as error:
                raise InputError(f"Plan {plan.digest[:12]} was not started: {error}") from error
            receipt = run.receipt(receipt_path)
        with suppress(RunStopped):  # Without this line applying again reads back once more; no harm is done.
            written.write("end", complete=receipt.complete, counts=dict(receipt.counts))
    log.info("plan %s: %s", plan.digest[:12], dict(receipt.counts))
    return receipt


class _Run:
    """One run of one plan over its journal."""

    def __init__(
        self, client: Client, plan: Plan, journal: Journal, progress: Progress, stop: threading.Event
    ) -> None:
        self._client, self._plan, self._journal = client, plan, journal
        self._sender = Sender(client, journal, self._members_now, stop.is_set, progress)
        self._last: dict[str, Listing[Member]] = {}

    def receipt(self, path: Path) -> Receipt:
        """Send all of it, or as far as it goes, read back, and keep the receipt."""
        stopped = ""
        try:
            self._create()
            self._send_side("add")
            self._send_side("remove")
        except RunStopped as stop:
            if isinstance(stop.__cause__, ApiError) and not self._anything_done():
                raise stop.__cause__ from None
            stopped = str(stop)
        past = self._journal.past
        unreadable = self._read_back()
        now = {uid: frozenset(listing.uids) for uid, listing in self._last.items()}
        proved = frozenset(uid for uid, listing in self._last.items() if listing.verdict == "consistent")
        states, details = decide(self._plan, past, now, proved)
        receipt = Receipt(
            plan=self._plan,
            states=states,
            details=details,
            members_after={uid: tuple(sorted(members)) for uid, members in now.items()},
            proved=proved,
            created=frozenset(past.created),
            approval=past.approval,
            started_at=datetime.fromisoformat(past.started),
            read_at=datetime.now(UTC),
            stopped=stopped or unreadable,
            path=path,
        )
        try:
            receipt.save(path)
        except InputError as error:
            return replace(receipt, path=None, stopped=receipt.stopped or error.message)
        return receipt

    def _anything_done(self) -> bool:
        past = self._journal.past
        return bool(past.created or past.intended - past.unsent)

    def preflight(self) -> None:
        """Read every touched group, refuse what drifted, and write down what is already true."""
        past = self._journal.past
        drifted = [self._look(group) for group in self._plan.groups]
        problems = [problem for problem in drifted if problem]
        if problems:
            raise DriftError(
                f"{len(problems)} of {len(self._plan.groups)} groups are no longer what the plan was made from. "
                f"Nothing was sent. {' '.join(problems)} Load again and make a new plan.",
                groups=problems,
            )
        self._check_limits_now()
        for group in self._plan.groups:
            if group.uid not in past.looked_at:
                members = self._members_before(group)
                add = [uid for uid in group.add if uid in members]
                remove = [uid for uid in group.remove if uid not in members]
                self._journal.write("look", group=group.uid, add=add, remove=remove, n_members=len(members))

    def _look(self, group: GroupChange) -> str:
        """What keeps this group from being changed, or nothing."""
        past = self._journal.past
        if group.create and group.uid not in past.creating:
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
        joined = set(listing.uids) - set(group.baseline) - own
        left = set(group.baseline) - set(listing.uids) - own
        allowed = self._plan.limits.of(group.uid).drift_allowed(len(group.baseline))
        if allowed is not None and len(joined) + len(left) > allowed and not group.create:
            return (
                f"{group.name}: {len(joined):,} joined and {len(left):,} left since the plan was made, "
                f"of {len(group.baseline):,}; the limit is {int(allowed):,} (drift_share, drift_floor)."
            )
        if joined or left:
            log.info("%s: %d joined, %d left since the plan; untouched", group.uid, len(joined), len(left))
        return ""

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
        _raise_if_broken(self._plan, broken_limits(self._plan.limits, counts, snapshot_age=timedelta(0)))

    def _create(self) -> None:
        past = self._journal.past
        for group in self._plan.groups:
            if not group.create or group.uid in past.created:
                continue
            ours_already = group.uid in past.creating and group.uid in self._last
            self._journal.write("intent", create=True, group=group.uid, name=group.name)
            try:
                if not ours_already:
                    self._client.create_group(group.name, group.uid)
            except (ApiError, InputError) as error:
                self._journal.write("outcome", create=True, group=group.uid, result="refused", message=error.message)
                raise RunStopped(error.message) from error
            self._journal.write("outcome", create=True, group=group.uid, result="accepted", message="")

    def _send_side(self, change: str) -> None:
        """Send all additions, or all removals but those whose customer did not arrive where it moves to."""
        past = self._journal.past
        held = self._not_arrived() if change == "remove" else set()
        done = past.already | past.accepted | past.refused.keys()
        for group in self._plan.groups:
            before = self._members_before(group)
            uids = group.add if change == "add" else group.remove
            open_ = [
                uid
                for uid in uids
                if (group.uid, uid, change) not in done
                and uid not in held
                # Sent by an earlier run that never saw the answer, and in effect.
                and not ((group.uid, uid, change) in past.intended and (uid in before) == (change == "add"))
            ]
            self._sender.send(group.uid, change, open_)

    def _not_arrived(self) -> set[str]:
        """Customers that move from group to group and are not seen in the group that they move to."""
        leaving = {uid for group in self._plan.groups for uid in group.remove}
        missing: set[str] = set()
        for group in self._plan.groups:
            if moving := leaving.intersection(group.add):
                missing |= moving - self._members_now(group.uid)
        return missing

    def _read_back(self) -> str:
        """Read every touched group, again after a while where something accepted does not show yet."""
        problem = ""
        waiting = [group.uid for group in self._plan.groups]
        for wait in (0.0, *SETTLE_WAITS):
            time.sleep(wait)
            for uid in waiting:
                self._last.pop(uid, None)
                try:
                    self._read(uid)
                except FrgroupsError as error:
                    problem = f"reading back failed: {error.message}"
            waiting = [uid for uid in waiting if uid in self._last and self._not_shown(uid)]
            if not waiting:
                break
        return problem

    def _not_shown(self, group_uid: str) -> bool:
        members = frozenset(self._last[group_uid].uids)
        return any(
            (uid in members) != (change == "add")
            for group, uid, change in self._journal.past.accepted
            if group == group_uid
        )

    def _members_now(self, group_uid: str) -> frozenset[str]:
        try:
            return frozenset(self._read(group_uid).uids)
        except FrgroupsError as error:
            raise RunStopped(f"group {group_uid} could not be read: {error.message}") from error

    def _read(self, group_uid: str) -> Listing[Member]:
        with ThreadPoolExecutor(self._client.workers) as pool:
            self._last[group_uid] = read_members(self._client, group_uid, pool=pool)
        return self._last[group_uid]


def _check_target(client: Client, plan: Plan) -> None:
    if plan.base_url is None:
        raise WrongTenantError(
            f"Plan {plan.digest[:12]} was made from tables without base_url=, so it can be reviewed, not applied."
        )
    if (client.tenant_uid, client.base_url) != (plan.tenant_uid, plan.base_url):
        raise WrongTenantError(
            f"Plan {plan.digest[:12]} is for {plan.tenant_uid} at {plan.base_url}, "
            f"this client for {client.tenant_uid} at {client.base_url}. Nothing was sent."
        )
    if not client.writable:
        raise NotWritableError("This client only reads; nothing was sent. Make it with writable=True to apply.")


def _check_limits(plan: Plan) -> None:
    findings = list(plan.findings)
    age = datetime.now(UTC) - plan.planned_at
    limit = plan.limits.plan_max_age
    if limit is not None and age > as_duration(limit):
        text = f"The plan is {age.total_seconds() / 86400:,.1f} days old; the limit is {limit}. Plan again."
        findings.append(Finding("plan_max_age", text, True, argument="Limits(plan_max_age=...)"))
    _raise_if_broken(plan, findings)


def _raise_if_broken(plan: Plan, findings: list[Finding]) -> None:
    broken = tuple(finding for finding in findings if finding.blocking)
    if broken:
        told = " ".join(f"{finding.message} [{finding.argument}]" for finding in broken)
        raise PlanBlockedError(
            f"Plan {plan.digest[:12]} is blocked by {len(broken)} limits. Nothing was sent. {told} "
            "To allow it, make a plan with these limits and have that reviewed.",
            findings=broken,
        )


@contextmanager
def _tenant_lock(client: Client, plan: Plan) -> Iterator[None]:
    """One apply at a time for one tenant and host; the lock of a dead process does not hold."""
    folder = make_private(folder_in_home("locks"))
    path = folder / f"{tenant_folder(client.tenant_uid, client.base_url)}.lock"
    note = path.with_suffix(".json")
    lock = filelock.FileLock(path, timeout=0, mode=0o600)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise LockedError(
            f"Another apply to {client.tenant_uid} is running: {_holder(note)}. Nothing was sent. Try again later."
        ) from error
    try:
        who = {"user": getpass.getuser(), "host": socket.gethostname(), "pid": os.getpid()}
        text = json.dumps(who | {"plan": plan.digest[:12], "since": datetime.now(UTC).isoformat(timespec="seconds")})
        handle = os.open(note, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(text)
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def _holder(note: Path) -> str:
    try:
        who = json.loads(note.read_text())
        return f"plan {who['plan']} by {who['user']} on {who['host']} (process {who['pid']}) since {who['since']}"
    except (OSError, ValueError, KeyError):
        return "its holder left no note"


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
