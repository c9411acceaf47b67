"""Send a plan. Planned changes reach a tenant in this way only."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from frgroups.api.client import Client
from frgroups.apply.group_reader import GroupReader
from frgroups.apply.interrupts import deferred_interrupt
from frgroups.apply.journal import Journal, RunAborted
from frgroups.apply.plan_checks import (
    check_can_start,
    check_limits,
    check_receipt_matches,
    check_target,
    check_writable,
    with_run_status,
)
from frgroups.apply.receipt import Receipt, read_receipt
from frgroups.apply.run_registry import register_revert, register_run, unregister_revert
from frgroups.apply.run_steps import Run
from frgroups.apply.write_capabilities import stored_capabilities
from frgroups.errors import ApplyAbortedError, FrgroupsError, InputError
from frgroups.internals.locks import tenant_lock
from frgroups.internals.progress import Progress, ProgressOption
from frgroups.internals.structured_logging import log_event
from frgroups.internals.validation import check_type
from frgroups.plan.plan import Plan
from frgroups.plan.request_estimate import CHUNK
from frgroups.review.approval import Approval, ApprovalSource, check_approval

log = logging.getLogger("frgroups.apply")

READ_BACK_WAITS: tuple[float, ...] = (0.5, 1.0, 2.0)
_FINALIZED = "the plan was finalized before all of it was done; nothing was sent for that."


def apply_plan(
    client: Client,
    plan: Plan,
    *,
    approval: ApprovalSource,
    journal: str | Path | None = None,
    progress: ProgressOption = None,
) -> Receipt:
    """
    Apply exactly this plan, and return the state of each of its items.

    Before anything is sent, the function checks the approval, the tenant and host, the limits and the plan's age,
    takes the tenant's lock, and reads every touched group. Then it sends creations, additions and removals, reads the
    groups again, and writes the receipt. If the same plan is applied again, an interrupted run is resumed; a complete
    run returns its receipt.

    Parameters
    ----------
    approval
        The digest that was reviewed (64 hex digits, or at least the first 12), an approval file, or for small changes
        of certain groups a policy that `read_policy` returned.
    journal
        Folder of the journal and the receipt. None is the data folder.
    progress
        True or False to show a progress bar or not. None shows it in a terminal or notebook. A function receives the
        progress.

    Raises
    ------
    NotApprovedError, NotWritableError, WrongTenantError, PlanBlockedError, LockedError
        This call sent nothing. PlanBlockedError is also raised if the plan was undone.
    ApplyAbortedError
        The run was interrupted, or could not write its journal, before this call sent anything.
    InputError, CorruptFileError
        The plan was started with another journal, or its journal was altered or lost; or the suppression list or the
        stored write capabilities cannot be read. This call sent nothing.
    DriftError
        A touched group changed too much since the plan was made. This call sent nothing.
    ApiError, TokenCommandError
        The service failed, or there was no token, before anything was changed. After the first change, a receipt is
        returned instead, and `.stopped` contains the reason.

    Examples
    --------
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
    journal_file = Journal.for_plan(plan, journal)
    finished = check_can_start(plan, journal_file)
    if finished is not None:
        return finished
    state = journal_file.state
    with with_run_status(state):
        earlier_approval = state.approval if state.n_sent else {}
        checked = check_approval(plan, approval, earlier_approval=earlier_approval)
        check_limits(plan)
    with ExitStack() as stack:
        stop = stack.enter_context(deferred_interrupt())
        with with_run_status(state):
            run = stack.enter_context(_locked_run(client, plan, journal, progress, stop))
        # Check again: another process may have applied or undone the plan before this one held the lock.
        finished = check_can_start(plan, run.journal)
        if finished is not None:
            return finished
        with with_run_status(run.journal.state):
            _start(run, plan, checked)
        receipt = run.finalize(_send_plan(run, plan))
    _log_result(receipt)
    return receipt


def finalize_plan(
    client: Client, plan: Plan, *, journal: str | Path | None = None, progress: ProgressOption = None
) -> Receipt:
    """
    Create the receipt of a run that ended without one, or before all was done, and send nothing.

    Use this for a plan that cannot be resumed because its approval has expired, it is too old, or a group drifted too
    far. The function reads each touched group and derives from the journal which changes took effect, so that
    `plan_undo` can revert them. If nothing blocks the plan, `apply_plan` can still resume it. The client needs no
    write access.

    Parameters
    ----------
    journal
        As in `apply_plan`.

    Raises
    ------
    InputError
        The plan was not started with this journal, or was started with another one.
    PlanBlockedError
        The plan was undone. Its receipt does not change.
    WrongTenantError, LockedError, CorruptFileError
        As in `apply_plan`. If a group cannot be read, its items are `unknown`, and `.stopped` contains the reason.

    Examples
    --------
    >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
    ...     plan = plan_memberships(load_snapshot(client), {"VIP": ["no-such-customer"]})
    ...     rejected = apply_plan(client, plan, approval=plan.digest)
    ...     finalize_plan(client, plan).counts == rejected.counts
    True
    """
    check_type(client, Client, "client")
    check_type(plan, Plan, "plan")
    check_target(client, plan)
    journal_file = Journal.for_plan(plan, journal)
    receipt = check_can_start(plan, journal_file)
    if receipt is not None:
        return receipt
    if not journal_file.state.started_at:
        raise InputError(
            f"Plan {plan.digest[:12]} was not started with the journal {journal_file.path}, so there is "
            "nothing to finalize."
        )
    with _locked_run(client, plan, journal, progress, threading.Event()) as run:
        # Check again: another process may have applied or undone the plan before this one held the lock.
        receipt = check_can_start(plan, run.journal)
        if receipt is None:
            receipt = run.finalize(_FINALIZED, unless_complete=True)
    _log_result(receipt)
    return receipt


def _start(run: Run, plan: Plan, approval: Approval) -> None:
    start = {"digest": plan.digest, "planned_at": plan.planned_at.isoformat(), "approval": approval.to_dict()}
    try:
        register_run(plan, run.journal.path)
        run.journal.write("start", **start)
        run.check_groups()
        register_revert(plan)
    except RunAborted as error:
        step = "resumed" if run.journal.state.n_sent else "started"
        raise ApplyAbortedError(
            f"Plan {plan.digest[:12]} was not {step}. {error}", hint="To try again, apply the same plan."
        ) from error


def _send_plan(run: Run, plan: Plan) -> str:
    """Send the plan, and return the reason why it stopped early, or ""."""
    stopped = None
    try:
        stopped = run.send()
    finally:
        if stopped != "" and not run.journal.state.n_sent:
            unregister_revert(plan)
    return stopped


@contextmanager
def _locked_run(
    client: Client, plan: Plan, journal: str | Path | None, progress: ProgressOption, stop: threading.Event
) -> Iterator[Run]:
    """Yield a run over the plan's journal that holds the tenant's lock."""
    waits, chunk = READ_BACK_WAITS, CHUNK
    capabilities = stored_capabilities(client.tenant_uid, client.base_url)
    if capabilities is not None:
        waits, chunk = capabilities.read_back_waits(waits), capabilities.chunk
    with ExitStack() as stack:
        stack.enter_context(tenant_lock(client.tenant_uid, client.base_url, f"plan {plan.digest[:12]}"))
        journal_file = stack.enter_context(Journal.for_plan(plan, journal))
        total = plan.n_add + plan.n_remove
        bar = stack.enter_context(Progress("Applying", unit="changes", show=progress, total=total))
        yield Run(client, plan, journal_file, GroupReader(client, waits), chunk=chunk, progress=bar, stop=stop)


def _log_result(receipt: Receipt) -> None:
    plan, counts = receipt.plan, dict(receipt.counts)
    text = ", ".join(f"{n:,} {state}" for state, n in counts.items() if n) or "nothing to do"
    facts = {"tenant_uid": plan.tenant_uid, "digest": plan.digest, "counts": counts, "ok": receipt.ok}
    log_event(log, logging.INFO, "plan_applied", f"Plan {plan.digest[:12]}: {text}.", **facts)


def last_receipt(plan: Plan, journal: str | Path | None = None) -> Receipt | None:
    """Return the receipt of the plan's last run, or None if there is none or it does not match the journal."""
    with suppress(FrgroupsError):
        journal_file = Journal.for_plan(plan, journal)
        if journal_file.receipt_path.exists():
            receipt = read_receipt(journal_file.receipt_path)
            check_receipt_matches(journal_file, receipt)
            return receipt
    return None
