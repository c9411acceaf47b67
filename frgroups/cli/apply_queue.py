"""What `frgroups apply --approved` does: every plan of the queue that is approved, one after the other."""

from __future__ import annotations

import json
import sys
import threading
from argparse import Namespace
from collections.abc import Callable
from typing import Any

from frgroups.api.client import Client
from frgroups.apply.checks import check_limits
from frgroups.apply.executor import apply_plan, last_receipt
from frgroups.apply.interrupts import deferred_interrupt
from frgroups.apply.receipt import Receipt
from frgroups.cli.apply_result import result_line, unsent_line
from frgroups.cli.resolve import client_of
from frgroups.cli.types import error_text, readable
from frgroups.errors import DriftError, FrgroupsError, NotApprovedError, PlanBlockedError
from frgroups.internals.exit_codes import code_of, worst
from frgroups.plan.plan import Plan
from frgroups.plan.plan_file import read_plan
from frgroups.review.approval import Approve
from frgroups.review.approval_policy import Policy
from frgroups.review.plan_queue import QueuedPlan, archive_plan, queued_plans


def apply_queue(options: Namespace, policy: Policy | None) -> int:
    """Apply every plan of the queue that is approved; one that fails does not stop the others."""
    codes = []
    with client_of(options.tenant, writable=True) as client, deferred_interrupt() as stop:
        for queued in queued_plans(client.tenant_uid, client.base_url):
            if stop.is_set():
                print("Interrupted: the other plans wait.", file=sys.stderr)
                break
            line = _applied(client, queued, policy, options, stop)
            codes.append(line["exit_code"])
            text = f"{line['plan']}: {line['outcome']}. {line['message']}".rstrip()
            print(json.dumps(line, ensure_ascii=False) if options.json else readable(text), flush=True)
    if not codes and not options.json:
        print(f"Nothing waits for {client.tenant_uid} at {client.base_url}.")
    return worst(codes)


def _applied(
    client: Client, queued: QueuedPlan, policy: Policy | None, options: Namespace, stop: threading.Event
) -> dict[str, Any]:
    """What became of one plan of the queue; one that will never get further is set aside."""
    approvals: list[Approve] = [queued.approval] if queued.approval else []
    if policy and not queued.is_rejected:
        approvals.append(policy)
    try:
        plan = queued.plan or read_plan(queued.path)  # Which says what is wrong with it.
        before = last_receipt(plan, options.journal)
        ended = before is not None and before.complete  # And could not be moved then.
        if queued.is_rejected and not ended:
            return _rejected(queued)
        if not approvals and not ended:
            check_limits(plan)
            return unsent_line(queued.path, "waits", 0, "Nobody has approved it yet.")
        receipt = _apply_by(client, plan, approvals, options) if approvals or not before else before
    except NotApprovedError as error:
        outcome, code = ("refused", code_of(error)) if queued.approval else ("waits", 0)
        return unsent_line(queued.path, outcome, code, error.cli_text)
    except (PlanBlockedError, DriftError) as error:
        return _set_aside(queued, unsent_line(queued.path, "set aside", code_of(error), error.cli_text))
    except (FrgroupsError, OSError) as error:
        return unsent_line(queued.path, "refused", code_of(error), error_text(error))
    line = result_line(queued.path, receipt)
    if receipt.complete:
        return line | _moved(lambda: archive_plan(queued, "done"), line)
    if before and before.counts == receipt.counts and not stop.is_set():
        message = f"{line['message']} This run came no further than the last one."
        return _set_aside(queued, line | {"outcome": "set aside", "message": message})
    return line


def _rejected(queued: QueuedPlan) -> dict[str, Any]:
    message = queued.decision.message if queued.decision else ""
    name = queued.approval.name if queued.approval else "its file"
    text = f"{message} Delete {name} among the stopped ones if that was taken back."
    return _set_aside(queued, unsent_line(queued.path, "set aside", code_of(NotApprovedError(text)), text))


def _set_aside(queued: QueuedPlan, line: dict[str, Any]) -> dict[str, Any]:
    return line | _moved(lambda: archive_plan(queued, "stopped"), line)


def _apply_by(client: Client, plan: Plan, approvals: list[Approve], options: Namespace) -> Receipt:
    """Apply a plan by the first of these that approves it; what the first one says, when none does."""
    refused = []
    for approve in approvals:
        try:
            return apply_plan(client, plan, approval=approve, journal=options.journal, progress=False)
        except NotApprovedError as error:
            refused.append(error)
    raise refused[0]


def _moved(move: Callable[[], object], line: dict[str, Any]) -> dict[str, Any]:
    """Move a plan to where it belongs; what to tell where that cannot be, so that the others go on."""
    try:
        move()
    except (FrgroupsError, OSError) as error:
        told = f"It could not be moved: {error_text(error)} The next apply tries again, and sends nothing for that."
        return {"message": f"{line['message']} {told}", "exit_code": worst([line["exit_code"], 1])}
    return {}
