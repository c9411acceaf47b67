"""The commands that decide on a plan and send it."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import Any

from frgroups.apply import apply_plan, settle_plan
from frgroups.approval import approve_plan
from frgroups.client import Client
from frgroups.commands.options import client_of
from frgroups.commands.words import readable
from frgroups.errors import FrgroupsError, UsageError
from frgroups.exits import code_of, worst
from frgroups.plan import read_plan
from frgroups.plan_queue import Waiting, move_plan, waiting_plans
from frgroups.policy import Policy, read_policy
from frgroups.receipt import Receipt

NOT_KEPT = "not kept. When there is room for it, apply the same plan again: that keeps one, for undo to take back."


def approve(options: Namespace) -> int:
    """Write an approval, or a rejection; a plan that waits in the queue is approved there."""
    made = read_plan(options.file)
    target = options.out or options.file.with_suffix(".approval.json")
    path = approve_plan(made, target, by=options.by, reject=options.reject)
    print(readable(made.summary()))
    word = "approved" if options.reject is None else "rejected"
    print(f"{options.by} {word} plan {made.digest[:12]}. Written to {path}")
    if options.reject is not None:
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
    print(told(receipt))
    print(f"Receipt: {receipt.path or NOT_KEPT}")
    if receipt.counts["verified"] and receipt.path:
        print(f"To take it back: frgroups undo {receipt.path}")
    return exit_code_of(receipt)


def exit_code_of(receipt: Receipt) -> int:
    """0 where all of it is so and the receipt is kept, 6 where reading back disagrees, else 5."""
    if receipt.ok and receipt.path:
        return 0
    return 6 if receipt.counts["not_effective"] else 5


def told(receipt: Receipt) -> str:
    """A receipt in sentences, with the refused customers and why."""
    refused = receipt.table().query("state == 'rejected'")
    rows = refused.head(20).itertuples()
    lines = [f"  {row.customer_uid} of {row.customer_group_uid}: {row.detail}" for row in rows]
    more = [f"  and {len(refused) - 20:,} more: frgroups show RECEIPT --table"] if len(refused) > 20 else []
    return readable("\n".join([receipt.summary(), *(["Rejected:", *lines, *more] if lines else [])]))


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
    if options.json and not options.approved:
        raise UsageError("--json goes with --approved.")


def _apply_queue(options: Namespace, policy: Policy | None) -> int:
    """Apply every plan of the queue that is approved; one that fails does not stop the others."""
    codes = []
    with client_of(options.tenant, writable=True) as client:
        for waiting in waiting_plans(client.tenant_uid, client.base_url):
            line = _applied(client, waiting, policy, options)
            codes.append(line["exit_code"])
            text = f"{line['plan']}: {line['outcome']}. {line['message']}".rstrip()
            print(json.dumps(line, ensure_ascii=False) if options.json else text, flush=True)
    if not codes and not options.json:
        print(f"Nothing waits for {client.tenant_uid} at {client.base_url}.")
    return worst(codes)


def _applied(client: Client, waiting: Waiting, policy: Policy | None, options: Namespace) -> dict[str, Any]:
    """What became of one plan of the queue."""
    line: dict[str, Any] = {
        "plan": waiting.path.name,
        "outcome": "waits",
        "exit_code": 0,
        "counts": {},
        "receipt": None,
    }
    approve = waiting.approval or policy
    if approve is None:
        return line | {"message": "Nobody has approved it yet."}
    try:
        plan = read_plan(waiting.path)
        receipt = apply_plan(client, plan, approve=approve, journal=options.journal, progress=False)
    except (FrgroupsError, OSError) as error:
        outcome = "waits" if approve is policy and code_of(error) == 8 else "refused"
        return line | {
            "outcome": outcome,
            "exit_code": 0 if outcome == "waits" else code_of(error),
            "message": str(error),
        }
    moved, code = _moved_when_done(receipt, waiting), exit_code_of(receipt)
    counts = {state: n for state, n in receipt.counts.items() if n}
    return line | {
        "outcome": "done" if receipt.complete else "to be gone on with",
        "exit_code": worst([code, 1]) if moved else code,
        "counts": counts,
        "receipt": str(receipt.path) if receipt.path else None,
        "message": " ".join([*told(receipt).split(), *moved.split()]),
    }


def _moved_when_done(receipt: Receipt, waiting: Waiting) -> str:
    """Move a plan that is done with to the others; what keeps it from being moved, or nothing."""
    try:
        if receipt.complete:
            move_plan(waiting.path, "done")
    except (FrgroupsError, OSError) as error:
        return f"It could not be moved to done: {error} The next apply tries again, and sends nothing for that."
    return ""
