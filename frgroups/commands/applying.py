"""The commands that decide on a plan, send it, and take it back."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from frgroups.apply import apply_plan, last_receipt, settle_plan
from frgroups.apply.interrupts import patient_interrupt
from frgroups.approval import approve_plan, decision_in
from frgroups.client import Client
from frgroups.commands.arguments import LIMIT_HELP, Add, of_tenant
from frgroups.commands.options import client_of, limits_of
from frgroups.commands.planning import keep_plan
from frgroups.commands.words import filled, limit
from frgroups.errors import DriftError, FrgroupsError, NotApprovedError, PlanBlockedError, UsageError
from frgroups.exits import code_of, worst
from frgroups.plan import Plan
from frgroups.plan.plan_file import read_plan
from frgroups.plan_queue import Waiting, move_plan, set_aside, waiting_plans
from frgroups.policy import Policy, read_policy
from frgroups.receipt import Receipt, read_receipt
from frgroups.receipt.undo import plan_undo


def add_commands(add: Add) -> None:
    """What each of these commands takes."""
    _approve_words(add)
    _apply_words(add)
    _undo_words(add)


def approve(options: Namespace) -> int:
    """Write an approval, or a rejection; a plan that waits in the queue is approved there."""
    made = read_plan(options.file)
    target = options.out or options.file.with_suffix(".approval.json")
    before = decision_in(target, made)
    path = approve_plan(made, target, by=options.by, reject=options.reject)
    print(made.summary())
    word = "approved" if options.reject is None else "rejected"
    print(f"{options.by} {word} plan {made.digest[:12]}. Written to {path}")
    if options.reject is not None:
        if before and before.approved:
            print(f"It takes the place of the approval by {before.by}, which was in that file.")
        return 0
    queued = options.file if options.out else move_plan(options.file, "approved")
    if queued != options.file:
        print(f"It waits in {queued.parent}. Next: frgroups apply --approved")
    else:
        print(f"Next: frgroups apply {options.file} --approve {path}")
    return 0


def apply(options: Namespace) -> int:
    """Apply a plan, settle one, or apply all that are approved."""
    _check_usage(options)
    policy = read_policy(options.approve_policy) if options.approve_policy else None
    if options.approved:
        return _apply_queue(options, policy)
    made = read_plan(options.file)
    with client_of(options.tenant, writable=not options.settle) as client:
        if options.settle:
            receipt = settle_plan(client, made, journal=options.journal)
        else:
            receipt = apply_plan(client, made, approve=policy or options.approve, journal=options.journal)
    if options.json:
        print(json.dumps(_line(options.file, receipt), ensure_ascii=False))
    else:
        print(receipt.summary())
        print(f"Receipt: {receipt.path}")
        if receipt.counts["verified"]:
            print(f"To take it back: frgroups undo {receipt.path}")
    return exit_code_of(receipt)


def undo(options: Namespace) -> int:
    """Make the plan that takes a receipt back."""
    receipt = read_receipt(options.file)
    made = plan_undo(receipt, limits=limits_of(options.limit, receipt.plan.limits) if options.limit else None)
    keep_plan(made, options.out)
    return 3 if made.blocked else 0


def exit_code_of(receipt: Receipt) -> int:
    """0 where all of it is so, 6 where reading back disagrees, else 5."""
    if receipt.ok:
        return 0
    return 6 if receipt.counts["not_effective"] else 5


def _check_usage(options: Namespace) -> None:
    by = [name for name in ("approve", "approve_policy") if getattr(options, name) is not None]
    if options.approved and (options.file or options.approve):
        raise UsageError("--approved takes the plans of the queue, and no PLAN or --approve.")
    if not options.approved and options.file is None:
        raise UsageError("Which plan? Name its file, or say --approved for all of the queue that are approved.")
    if options.settle and by:
        raise UsageError("--settle sends nothing, so it takes no approval.")
    if not (options.approved or options.settle) and len(by) != 1:
        raise UsageError("Say either --approve, the digest or the approval file, or --approve-policy.")


def _apply_queue(options: Namespace, policy: Policy | None) -> int:
    """Apply every plan of the queue that is approved; one that fails does not stop the others."""
    codes = []
    with client_of(options.tenant, writable=True) as client, patient_interrupt() as stop:
        for waiting in waiting_plans(client.tenant_uid, client.base_url):
            if stop.is_set():
                print("Interrupted: the other plans wait.", file=sys.stderr)
                break
            line = _applied(client, waiting, policy, options)
            codes.append(line["exit_code"])
            text = f"{line['plan']}: {line['outcome']}. {line['message']}".rstrip()
            print(json.dumps(line, ensure_ascii=False) if options.json else text, flush=True)
    if not codes and not options.json:
        print(f"Nothing waits for {client.tenant_uid} at {client.base_url}.")
    return worst(codes)


def _applied(client: Client, waiting: Waiting, policy: Policy | None, options: Namespace) -> dict[str, Any]:
    """What became of one plan of the queue; one that will never get further is set aside."""
    rejected = waiting.decision is not None and not waiting.decision.approved
    approvals: list[Path | Policy] = [waiting.approval] if waiting.approval else []
    if policy and not rejected:
        approvals.append(policy)
    if not approvals:
        return _unsent(waiting, "waits", 0, "Nobody has approved it yet.")
    try:
        plan = read_plan(waiting.path)
        before = last_receipt(plan, options.journal)
        receipt = _apply_by(client, plan, approvals, options)
    except NotApprovedError as error:
        if rejected:
            set_aside(waiting)
        waits = not waiting.approval
        outcome = "set aside" if rejected else "waits" if waits else "refused"
        return _unsent(waiting, outcome, 0 if waits else code_of(error), str(error))
    except (PlanBlockedError, DriftError) as error:
        set_aside(waiting)
        return _unsent(waiting, "set aside", code_of(error), str(error))
    except FrgroupsError as error:
        return _unsent(waiting, "refused", code_of(error), str(error))
    line = _line(waiting.path, receipt)
    if receipt.complete:
        move_plan(waiting.path, "done")
    elif before and before.counts == receipt.counts:
        set_aside(waiting)
        line |= {"outcome": "set aside", "message": f"{line['message']} This run came no further than the last one."}
    return line


def _apply_by(client: Client, plan: Plan, approvals: list[Path | Policy], options: Namespace) -> Receipt:
    """Apply a plan by the first of these that approves it; what the first one says, when none does."""
    refused = None
    for approve in approvals:
        try:
            return apply_plan(client, plan, approve=approve, journal=options.journal, progress=False)
        except NotApprovedError as error:
            refused = refused or error
    raise refused or NotApprovedError("Nobody has approved it yet.")


def _unsent(waiting: Waiting, outcome: str, code: int, message: str) -> dict[str, Any]:
    return {
        "plan": waiting.path.name,
        "outcome": outcome,
        "exit_code": code,
        "counts": {},
        "receipt": None,
        "message": message,
    }


def _line(path: Path, receipt: Receipt) -> dict[str, Any]:
    """A receipt as one line for scripts."""
    return {
        "plan": path.name,
        "outcome": "done" if receipt.complete else "to be gone on with",
        "exit_code": exit_code_of(receipt),
        "counts": {state: n for state, n in receipt.counts.items() if n},
        "receipt": str(receipt.path) if receipt.path else None,
        "message": " ".join(receipt.summary().split()),
    }


def _approve_words(add: Add) -> None:
    parser = add(approve, "say yes or no to exactly this plan", 'frgroups approve plan.json --by "Kari Nordmann"')
    parser.add_argument("file", type=Path, metavar="PLAN")
    parser.add_argument("--by", required=True, type=filled, metavar="NAME", help="who decides")
    parser.add_argument("--reject", metavar="REASON", help="say no, and why")
    parser.add_argument("--out", type=Path, metavar="FILE", help="approval file (default: beside the plan)")


def _apply_words(add: Add) -> None:
    parser = add(
        apply, "send an approved plan, read back, write a receipt", "frgroups apply plan.json --approve FILE"
    )
    parser.add_argument("file", type=Path, nargs="?", metavar="PLAN")
    parser.add_argument("--approve", metavar="DIGEST|FILE", help="the digest reviewed, or approval file")
    parser.add_argument(
        "--approve-policy",
        type=Path,
        metavar="FILE",
        help="a policy (TOML) that allows small changes of certain groups: by, groups, max_adds, max_removes, ...",
    )
    by_what = parser.add_mutually_exclusive_group()
    by_what.add_argument(
        "--approved",
        action="store_true",
        help="all plans of the queue that are approved, oldest first; those that end are moved to done, those that "
        "cannot get further to stopped",
    )
    by_what.add_argument(
        "--settle",
        action="store_true",
        help="send nothing: a receipt of what a run sent that cannot be gone on with, for undo to take back",
    )
    of_tenant(parser)
    parser.add_argument("--journal", type=Path, metavar="FOLDER", help="where journal and receipt go (the home)")
    parser.add_argument("--json", action="store_true", help="one JSON line for each plan: outcome, counts, receipt")


def _undo_words(add: Add) -> None:
    parser = add(undo, "a plan that takes back what a receipt says was done", "frgroups undo receipt.json")
    parser.add_argument("file", type=Path, metavar="RECEIPT")
    parser.add_argument("--limit", type=limit, action="append", default=[], metavar="NAME=VALUE", help=LIMIT_HELP)
    parser.add_argument("--out", type=Path, metavar="FILE", help="plan file (default: in the home)")
