"""Apply the approved plans in the queue, one after the other."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from frgroups.api.client import Client
from frgroups.apply.executor import apply_plan, last_receipt
from frgroups.apply.interrupts import deferred_interrupt
from frgroups.apply.plan_checks import check_limits
from frgroups.apply.receipt import Receipt
from frgroups.cli.apply_result import result_line, unsent_line
from frgroups.cli.command_ending import keep_result
from frgroups.cli.inputs import open_client
from frgroups.cli.output import print_error, print_json_line, print_text
from frgroups.errors import ApplyWindowError, DriftError, FrgroupsError, NotApprovedError, PlanBlockedError
from frgroups.internals.exit_codes import code_of, worst
from frgroups.internals.formatting import pluralize, shell_argument
from frgroups.plan.plan import Plan
from frgroups.plan.plan_file import read_plan
from frgroups.review.approval import ApprovalSource
from frgroups.review.approval_policy import Policy
from frgroups.review.plan_folders import QueueState
from frgroups.review.plan_queue import QueuedPlan, archive_plan, queued_plans
from frgroups.review.rejections import check_not_rejected


def apply_queue(policy: Policy | None, tenant: str | None, journal: Path | None, as_json: bool) -> int:
    """
    Apply all approved plans in the queue and return the most severe exit code.

    If a plan fails, the function continues with the next plan. The freezes and apply windows are checked before each
    plan, so that no plan starts after a window closes or a freeze begins.

    Parameters
    ----------
    policy
        Policy that approves plans without an approval file.
    tenant
        Name of a tenant in tenants.toml. None selects the tenant in FRGROUPS_TENANT_UID.
    journal
        Folder of the journals. None selects the data folder.
    as_json
        Whether to print each result as a JSON line instead of a sentence.
    """
    codes = []
    with open_client(tenant, writable=True) as client, deferred_interrupt() as stop:
        for queued in queued_plans(client.tenant_uid, client.base_url):
            if stop.is_set():
                print_error("Interrupted. The remaining plans stay in the queue.")
                break
            line = _apply_queued(client, queued, policy, journal, stop)
            codes.append(line["exit_code"])
            keep_result(worst(codes), _result_text(line))
            if as_json:
                print_json_line(line, flush=True)
            else:
                print_text(_result_text(line), flush=True)
    if not codes and not as_json:
        print_text(f"No plan is pending for {client.tenant_uid} at {client.base_url}.")
    return worst(codes)


def _result_text(line: dict[str, Any]) -> str:
    """Format the result of applying a queued plan as text."""
    outcome = line["outcome"]
    n_rejected = line["counts"].get("rejected", 0)
    if n_rejected:
        outcome += f", {pluralize(n_rejected, 'change')} rejected"
    text = f"{line['plan']}: {outcome}. {line['message']}".rstrip()
    if line["receipt"]:
        text += f"\n  Receipt: {line['receipt']}"
    return text


def _apply_queued(
    client: Client, queued: QueuedPlan, policy: Policy | None, journal: Path | None, stop: threading.Event
) -> dict[str, Any]:
    """
    Apply a plan from the queue and return the result as a dictionary for a JSON line.

    A completed plan is moved to the folder `done`, and a plan that cannot be completed is moved to the folder
    `stopped`. During a freeze or outside the apply windows, the plan stays in its folder.
    """
    approvals: list[ApprovalSource] = [queued.approval.path] if queued.approval else []
    if policy:
        approvals.append(policy)

    def unsent(outcome: str, code: int, message: str) -> dict[str, Any]:
        return unsent_line(queued.path, outcome, code, message, queued.plan.digest if queued.plan else "")

    try:
        # `queued.plan` is None if the plan file could not be read.
        # Reading the file again raises the error that states the reason.
        plan = queued.plan or read_plan(queued.path)
        previous = last_receipt(plan, journal)
        # Check for a complete receipt, because a completed plan stays in the queue if an earlier run could not move
        # the plan file.
        completed = previous is not None and previous.complete
        if not completed:
            check_not_rejected(plan)
        if not approvals and not completed:
            check_limits(plan)
            return unsent(
                "pending",
                0,
                f"The plan is not approved yet. To approve it, run frgroups approve {shell_argument(queued.path)} "
                "--by NAME.",
            )
        receipt = previous
        if approvals or receipt is None:
            receipt = _apply_approved(client, plan, approvals, journal)
    except NotApprovedError as error:
        if error.rejected:
            message = f"{_error_text(error)} This run sent nothing."
            return _archived(queued, "stopped", unsent("stopped", code_of(error), message))
        if queued.approval:
            return unsent("failed", code_of(error), _error_text(error))
        return unsent("pending", 0, _error_text(error))
    except ApplyWindowError as error:
        return unsent("postponed", code_of(error), _error_text(error))
    except (PlanBlockedError, DriftError) as error:
        return _archived(queued, "stopped", unsent("stopped", code_of(error), _error_text(error)))
    except (FrgroupsError, OSError) as error:
        return unsent("failed", code_of(error), _error_text(error))
    line = result_line(queued.path, receipt)
    if receipt.complete:
        return _archived(queued, "done", line)
    if previous and previous.counts == receipt.counts and not stop.is_set():
        message = f"{line['message']} This run made no progress."
        return _archived(queued, "stopped", line | {"outcome": "stopped", "message": message})
    return line


def _apply_approved(client: Client, plan: Plan, approvals: list[ApprovalSource], journal: Path | None) -> Receipt:
    """Apply a plan with the first valid approval. If no approval is valid, raise the error for the first one."""
    errors = []
    for approval in approvals:
        try:
            return apply_plan(client, plan, approval=approval, journal=journal, progress=False)
        except NotApprovedError as error:
            errors.append(error)
    raise errors[0]


def _archived(queued: QueuedPlan, state: QueueState, line: dict[str, Any]) -> dict[str, Any]:
    """
    Move a queued plan to the folder `done` or `stopped`, and return its result with the new path.

    Commands in the message of the result also contain the new path. If the plan file cannot be moved, the outcome in
    the result is "not moved".
    """
    try:
        path = archive_plan(queued, state)
    except (FrgroupsError, OSError) as error:
        note = (
            f"The plan file could not be moved: {_error_text(error)} The next run moves the file and sends "
            "no changes."
        )
        code = worst([line["exit_code"], 1])
        return line | {"outcome": "not moved", "message": f"{line['message']} {note}", "exit_code": code}
    message = line["message"].replace(shell_argument(queued.path), shell_argument(path))
    return line | {"path": str(path), "message": message}


def _error_text(error: Exception) -> str:
    if isinstance(error, FrgroupsError):
        return error.cli_text
    return str(error)
