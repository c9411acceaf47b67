"""Apply approved plans to a tenant, and create the receipts of interrupted runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from frgroups.api.client import Client
from frgroups.apply.group_reader import GroupReader
from frgroups.apply.interrupts import deferred_interrupt
from frgroups.apply.journal import Journal, RunAborted
from frgroups.apply.plan_checks import (
    check_can_start,
    check_limits,
    check_not_reverted,
    check_receipt_matches,
    check_target,
    check_windows,
    check_writable,
    with_run_status,
)
from frgroups.apply.receipt import Receipt, read_receipt
from frgroups.apply.run_registry import register_revert, register_run, unregister_revert
from frgroups.apply.run_steps import Run
from frgroups.apply.window_override import Override, read_override
from frgroups.apply.write_capabilities import stored_capabilities
from frgroups.errors import ApplyAbortedError, DriftError, FrgroupsError, InputError, PlanBlockedError
from frgroups.internals.locks import tenant_lock
from frgroups.internals.progress import Progress, ProgressOption
from frgroups.internals.structured_logging import log_event
from frgroups.internals.validation import check_type
from frgroups.plan.plan import Plan
from frgroups.plan.request_estimate import CHUNK
from frgroups.review.approval import Approval, ApprovalSource, check_approval, check_decisions

log = logging.getLogger("frgroups.apply")

READ_BACK_WAITS: tuple[float, ...] = (0.5, 1.0, 2.0)


def apply_plan(
    client: Client,
    plan: Plan,
    *,
    approval: ApprovalSource,
    override: str | Path | None = None,
    journal: str | Path | None = None,
    progress: ProgressOption = None,
) -> Receipt:
    """
    Send the changes of an approved plan and return the result of each change.

    Before sending a request, the function checks the approval, the tenant and host, the limits, the age of the plan,
    and the tenant's freeze periods and apply windows (`apply_windows_path`). It then locks the tenant and reads each
    group that the plan changes. Next, it creates groups, adds customers, and removes customers. Finally, it reads the
    groups again and writes the receipt. If you apply the same plan again, the function resumes an interrupted run. If
    the run is complete, the function returns its receipt and sends nothing. A plan that was undone is not applied
    again.

    If a plan adds customers to a group and also removes customers from the group, the removals are sent only if at
    least 90% of the additions succeeded. Otherwise, the removals have the state `not_sent`. If you apply the plan
    again, the function checks the additions again.

    Parameters
    ----------
    client : Client
        Client for the tenant and host of the plan, created with `writable=True`.
    plan : Plan
        The plan to apply.
    approval : str, Path or Policy
        The digest of the reviewed plan (all 64 hex digits or at least the first 12), the path of an approval file, or
        a policy returned by `read_policy`.
    override : str or Path, optional
        File written by `override_windows`, which allows this plan to be applied during a freeze or outside the apply
        windows. The override does not replace the approval. By default, the plan is applied only while the freeze
        periods and apply windows of the tenant allow it.
    journal : str or Path, optional
        Folder for the journal and the receipt. None selects the data folder.
    progress : bool or callable, optional
        Whether to show a progress bar. None shows a bar in a terminal or notebook. A function is called with the
        description, the number of finished changes, and the total number of changes.

    Returns
    -------
    Receipt
        The state of each change. If the run stopped after its first change, `.stopped` contains the reason.

    Raises
    ------
    NotApprovedError
        The approval is missing, expired, or for another plan, or the plan was rejected or superseded.
    NotWritableError
        The client is read-only.
    WrongTenantError
        The client is connected to another tenant or host than the plan was created for.
    PlanBlockedError
        The plan exceeds a limit or was undone, or its incomplete run was partly undone.
    ApplyWindowError
        A freeze is in force, or no apply window is open. This is a subclass of PlanBlockedError.
    LockedError
        Another process is applying a plan to the tenant.
    DriftError
        A group has drifted too much since the plan was created, or a group was renamed and another group now has the
        name that was approved.
    ApplyAbortedError
        The run was interrupted before it sent a change, or its journal could not be written.
    InputError
        The plan was started with another journal, its journal no longer exists, a file cannot be read, the file with
        the apply windows is invalid, or the override is for another plan.
    CorruptFileError
        The journal, the registry of started plans, the suppression list, the stored write capabilities, or the
        override is corrupt.
    ApiError, TokenCommandError
        A request failed, or no token was available, before the first change.

    See Also
    --------
    finalize_plan : Create the receipt of an interrupted run that cannot be resumed.
    plan_undo : Create the plan that reverts a receipt.
    override_windows : Allow one plan to be applied during a freeze or outside the apply windows.

    Notes
    -----
    If the function raises a FrgroupsError, this call has not changed the tenant.

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
        permission = None if override is None else read_override(override, plan)
        check_windows(plan, permission)
    with ExitStack() as stack:
        stop = stack.enter_context(deferred_interrupt())
        with with_run_status(state):
            run = stack.enter_context(_locked_run(client, plan, journal, progress, stop))
        # Check the plan again, because another process might have applied or undone the plan before this process
        # acquired the lock.
        finished = check_can_start(plan, run.journal)
        if finished is not None:
            return finished
        with with_run_status(run.journal.state):
            check_decisions(plan, approval)
            _start(run, plan, checked, check_windows(plan, permission))
        receipt = run.finish(_send_plan(run, plan))
    _log_result(receipt)
    return receipt


def finalize_plan(
    client: Client, plan: Plan, *, journal: str | Path | None = None, progress: ProgressOption = None
) -> Receipt:
    """
    Create the receipt of an interrupted run without sending changes.

    Use this function if a plan cannot be resumed, for example because its approval has expired, it is too old, or a
    group has changed too much. The function reads each group that the plan changes and compares it with the journal
    to determine which changes took effect. `plan_undo` can then revert the changes in the receipt. `apply_plan` can
    still resume a finalized plan.

    Parameters
    ----------
    client : Client
        Client for the tenant and host of the plan. A read-only client is sufficient.
    plan : Plan
        A plan that `apply_plan` has started.
    journal : str or Path, optional
        Folder of the journal. None reads the journal from the data folder.
    progress : bool or callable, optional
        Whether to show a progress bar, as in `apply_plan`.

    Returns
    -------
    Receipt
        The state of each change. Changes of a group that cannot be read are `unknown`, and `.stopped` contains the
        reason.

    Raises
    ------
    InputError
        The plan was not started with this journal, or the plan was started with another journal.
    PlanBlockedError
        The plan was already undone. Its receipt does not change.
    WrongTenantError
        The client is connected to another tenant or host than the plan was created for.
    LockedError
        Another process is applying a plan to the tenant.
    CorruptFileError
        The journal or the registry of started plans is corrupt.

    See Also
    --------
    apply_plan : Apply or resume a plan.

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
    receipt = check_can_start(plan, journal_file, finalize=True)
    if receipt is not None:
        return receipt
    if not journal_file.state.started_at:
        raise InputError(
            f"Plan {plan.digest[:12]} cannot be finalized because it was not started with the journal "
            f"{journal_file.path}. Nothing was sent. Pass the journal folder of the run that you want to finalize."
        )
    with _locked_run(client, plan, journal, progress, threading.Event()) as run:
        # Check the plan again, because another process might have applied or undone the plan before this process
        # acquired the lock.
        receipt = check_can_start(plan, run.journal, finalize=True)
        if receipt is None:
            receipt = run.finalize()
    _log_result(receipt)
    return receipt


def _start(run: Run, plan: Plan, approval: Approval, override: Override | None) -> None:
    start: dict[str, Any] = {
        "digest": plan.digest,
        "planned_at": plan.planned_at.isoformat(),
        "approval": approval.to_dict(),
    }
    if override is not None:
        start["override"] = override.to_dict()
    try:
        register_run(plan, run.journal.path)
        run.journal.write("start", **start)
        _check_groups(run)
        register_revert(plan)
    except RunAborted as error:
        step = "resumed" if run.journal.state.n_sent else "started"
        raise ApplyAbortedError(
            f"Plan {plan.digest[:12]} was not {step}. {error}", hint="To try again, apply the same plan."
        ) from error


def _check_groups(run: Run) -> None:
    """Compare a plan with the current members. If this blocks the run, record the reason in the journal."""
    try:
        run.check_groups()
    except DriftError as error:
        _record_block(run, "drift", error.groups)
        raise
    except PlanBlockedError as error:
        groups = [finding.customer_group_uid for finding in error.findings if finding.customer_group_uid]
        _record_block(run, "limits", groups)
        raise


def _record_block(run: Run, reason: str, group_uids: Iterable[str]) -> None:
    """Record in the journal why a run did not start. An error of the write is ignored."""
    with suppress(RunAborted):
        run.journal.write("blocked", reason=reason, groups=list(dict.fromkeys(group_uids)))


def _send_plan(run: Run, plan: Plan) -> str:
    """
    Send the changes of a plan. Return the reason for an early stop, or an empty string if there was none.

    If an undo plan sent no change, its registry entry is canceled, so that the original plan can still be resumed.
    """
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
    """Lock the tenant, open the plan's journal for writing, and yield a Run object."""
    waits, chunk = READ_BACK_WAITS, CHUNK
    capabilities = stored_capabilities(client.tenant_uid, client.base_url)
    if capabilities is not None:
        waits, chunk = capabilities.read_back_waits(waits), capabilities.chunk
    with ExitStack() as stack:
        stack.enter_context(tenant_lock(client.tenant_uid, client.base_url, f"plan {plan.digest[:12]}"))
        journal_file = stack.enter_context(Journal.for_plan(plan, journal))
        total = plan.n_add + plan.n_remove
        bar = stack.enter_context(Progress("Applying", unit="changes", show=progress, total=total))
        findings = [finding for finding in plan.planning_findings if finding.rule == "unverifiable"]
        unverified = {finding.customer_group_uid or "" for finding in findings}
        reader = GroupReader(client, waits, unverified)
        yield Run(client, plan, journal_file, reader, chunk=chunk, progress=bar, stop=stop)


def _log_result(receipt: Receipt) -> None:
    plan, counts = receipt.plan, dict(receipt.counts)
    text = ", ".join(f"{n:,} {state}" for state, n in counts.items() if n) or "no changes"
    facts = {"tenant_uid": plan.tenant_uid, "digest": plan.digest, "counts": counts, "ok": receipt.ok}
    log_event(log, logging.INFO, "plan_applied", f"Plan {plan.digest[:12]}: {text}.", **facts)


def receipt_or_earlier_approval(
    client: Client, plan: Plan, *, journal: str | Path | None = None
) -> tuple[Receipt | None, Mapping[str, str]]:
    """
    Return the receipt of a plan that is fully applied, and the stored approval of a run that can be resumed.

    If the plan can be started or resumed, the receipt is None. If no changes were sent, the approval is empty.
    """
    check_target(client, plan)
    journal_file = Journal.for_plan(plan, journal)
    receipt = check_can_start(plan, journal_file)
    return receipt, journal_file.state.approval if journal_file.state.n_sent else {}


def last_receipt(plan: Plan, journal: str | Path | None = None) -> Receipt | None:
    """
    Return the receipt of a plan's last run, or None if the file is missing, corrupt, or for another plan.

    Raise PlanBlockedError if the plan was undone.
    """
    journal_file = Journal.for_plan(plan, journal)
    check_not_reverted(plan, journal_file)
    with suppress(FrgroupsError):
        if journal_file.receipt_path.exists():
            receipt = read_receipt(journal_file.receipt_path)
            check_receipt_matches(journal_file, receipt)
            return receipt
    return None
