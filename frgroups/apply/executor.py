"""Send a plan. Planned changes reach a tenant in this way only."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from frgroups.api.client import Client
from frgroups.apply.checks import (
    check_limits,
    check_not_reverted,
    check_receipt_matches,
    check_same_journal,
    check_target,
    check_writable,
    with_run_status,
)
from frgroups.apply.group_reader import GroupReader
from frgroups.apply.interrupts import deferred_interrupt
from frgroups.apply.journal import Journal, RunAborted
from frgroups.apply.receipt import Receipt, read_receipt
from frgroups.apply.run import Run
from frgroups.apply.run_registry import register_revert, register_run, reverted_by, unregister_revert
from frgroups.apply.write_capabilities import stored_capabilities
from frgroups.errors import ApplyAbortedError, CorruptFileError, FrgroupsError, InputError
from frgroups.internals.locks import tenant_lock
from frgroups.internals.progress import Progress, ProgressOption
from frgroups.internals.structured_logging import log_event
from frgroups.internals.validation import check_type
from frgroups.plan.plan import Plan
from frgroups.plan.request_estimate import CHUNK
from frgroups.review.approval import Approval, Approve, check_approval

log = logging.getLogger("frgroups.apply")

SETTLE_WAITS = (0.5, 1.0, 2.0)
_SETTLED = "the plan was settled as far as it came; for that nothing was sent."


def apply_plan(
    client: Client,
    plan: Plan,
    *,
    approval: Approve,
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
    approval
        The digest that was reviewed (64 hex digits, or its first 12 at least), an approval file, or for small changes
        of certain groups a policy, as `read_policy` reads it.
    journal
        The folder for the journal and the receipt; None is the home's.
    progress
        True or False: show a bar or not; None where somebody watches; or a function that is told how far it is.

    Raises
    ------
    NotApprovedError, NotWritableError, WrongTenantError, PlanBlockedError, LockedError
        This call sent nothing. PlanBlockedError too where an undo of the plan was sent.
    ApplyAbortedError
        It was interrupted, or could not write its journal, before this call sent anything.
    InputError, CorruptFileError
        The plan was begun with another journal, or one that was altered or lost; or the never-add list, or what a
        probe of writes kept, cannot be read. This call sent nothing.
    DriftError
        A touched group changed too much since the plan was made; this call sent nothing.
    ApiError, TokenCommandError
        The service failed, or no token was to be had, before anything was changed. After that a receipt is returned,
        with `.stopped`.

    >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
    ...     snapshot = load_snapshot(client)
    ...     plan = plan_memberships(snapshot, {"VIP": snapshot["Staff"]})
    ...     receipt = apply_plan(client, plan, approval=plan.digest)
    >>> receipt.ok, receipt.counts["verified"] + receipt.counts["already"] == plan.n_add
    (True, True)
    """
    check_type(client, Client, "client")
    check_type(plan, Plan, "plan")
    check_target(client, plan)
    check_writable(client)
    begun = Journal.of(plan, journal)
    if (done := _receipt_of_ended(begun)) is not None:
        return done
    check_same_journal(plan, begun)
    check_not_reverted(plan, begun)
    with with_run_status(begun.past):
        earlier = begun.past.approval if begun.past.n_sent else {}
        checked = check_approval(plan, approval, begun=earlier)
        check_limits(plan)
    with ExitStack() as held:
        stop = held.enter_context(deferred_interrupt())
        with with_run_status(begun.past):
            run = held.enter_context(_run(client, plan, journal, progress, stop))
        if (done := _receipt_of_ended(run.journal)) is not None:
            return done
        check_same_journal(plan, run.journal)
        check_not_reverted(plan, run.journal)  # Its undo may have been sent while nobody held the lock.
        with with_run_status(run.journal.past):
            _begin(run, plan, checked)
        receipt = run.settled(_send_plan(run, plan))
    _log_result(receipt)
    return receipt


def finalize_plan(
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
    PlanBlockedError
        An undo of the plan was sent: the receipt that it took back stands.
    WrongTenantError, LockedError, CorruptFileError
        As in `apply_plan`. What cannot be read is `unknown`, and `.stopped` says why.

    >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
    ...     plan = plan_memberships(load_snapshot(client), {"VIP": ["no-such-customer"]})
    ...     rejected = apply_plan(client, plan, approval=plan.digest)
    ...     finalize_plan(client, plan).counts == rejected.counts
    True
    """
    check_type(client, Client, "client")
    check_type(plan, Plan, "plan")
    check_target(client, plan)
    begun = Journal.of(plan, journal)
    if (done := _receipt_of_ended(begun)) is not None:
        return done
    check_same_journal(plan, begun)
    if not begun.past.started:
        raise InputError(
            f"Plan {plan.digest[:12]} was not begun with the journal {begun.path}, so there is nothing to settle."
        )
    check_not_reverted(plan, begun)
    with _run(client, plan, journal, progress, threading.Event()) as run:
        done = _receipt_of_ended(run.journal)
        receipt = done or run.settled(_SETTLED, if_open=True)
    _log_result(receipt)
    return receipt


def _begin(run: Run, plan: Plan, approval: Approval) -> None:
    start = {"digest": plan.digest, "planned_at": plan.planned_at.isoformat(), "approval": approval.to_dict()}
    try:
        register_run(plan, run.journal.path)
        run.journal.write("start", **start)
        run.preflight()
        register_revert(plan)
    except RunAborted as error:
        begun = "gone on with" if run.journal.past.n_sent else "begun"
        raise ApplyAbortedError(f"Plan {plan.digest[:12]} was not {begun}: {error}") from error


def _send_plan(run: Run, plan: Plan) -> str:
    """Send all of it, or as far as it goes; why it stopped, or nothing."""
    stopped = None
    try:
        stopped = run.send()
    finally:
        if stopped != "" and not run.journal.past.n_sent:
            unregister_revert(plan)
    return stopped


@contextmanager
def _run(
    client: Client, plan: Plan, journal: str | Path | None, progress: ProgressOption, stop: threading.Event
) -> Iterator[Run]:
    """A run over the plan's journal that is alone with the tenant."""
    facts = stored_capabilities(client.tenant_uid, client.base_url)
    readings = GroupReader(client, facts.read_back_waits(SETTLE_WAITS) if facts else SETTLE_WAITS)
    chunk = facts.chunk if facts else CHUNK
    with ExitStack() as held:
        held.enter_context(tenant_lock(client.tenant_uid, client.base_url, f"plan {plan.digest[:12]}"))
        written = held.enter_context(Journal.of(plan, journal))
        total = plan.n_add + plan.n_remove
        bar = held.enter_context(Progress("Applying", unit="changes", show=progress, total=total))
        yield Run(client, plan, written, readings, chunk=chunk, progress=bar, stop=stop)


def _log_result(receipt: Receipt) -> None:
    plan, counts = receipt.plan, dict(receipt.counts)
    told = ", ".join(f"{n:,} {state}" for state, n in counts.items() if n) or "nothing to do"
    facts = {"tenant_uid": plan.tenant_uid, "digest": plan.digest, "counts": counts, "ok": receipt.ok}
    log_event(log, logging.INFO, "plan_applied", f"Plan {plan.digest[:12]}: {told}.", **facts)


def last_receipt(plan: Plan, journal: str | Path | None = None) -> Receipt | None:
    """The receipt of the last run of a plan; None when there was none, or it does not stand."""
    with suppress(FrgroupsError):
        told = Journal.of(plan, journal)
        if told.receipt_path.exists():
            receipt = read_receipt(told.receipt_path)
            check_receipt_matches(told, receipt)
            return receipt
    return None


def _receipt_of_ended(journal: Journal) -> Receipt | None:
    """The receipt of a plan that was applied to its end: it is not sent twice."""
    path = journal.receipt_path
    if not path.exists():
        return None
    try:
        receipt = read_receipt(path)
    except CorruptFileError:
        if journal.past.ended:
            raise
        return None  # Of a run that is gone on with: it is made anew.
    check_receipt_matches(journal, receipt)
    undo = reverted_by(receipt.plan)
    return replace(receipt, repeated=True, reverted_by=undo) if journal.past.ended else None
