"""The commands that decide on a plan, send it, and take it back."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from frgroups.apply.executor import apply_plan, finalize_plan
from frgroups.apply.receipt import Receipt, read_receipt
from frgroups.apply.undo import plan_undo
from frgroups.cli.apply_queue import apply_queue
from frgroups.cli.apply_result import NOT_SAVED, load_exit_code, result_line, unsent_line
from frgroups.cli.arguments import LIMIT_HELP, Add, of_tenant
from frgroups.cli.plan import keep_plan
from frgroups.cli.resolve import client_of, limits_of
from frgroups.cli.types import filled, limit, readable
from frgroups.errors import FrgroupsError, InputError, UsageError
from frgroups.internals.exit_codes import code_of
from frgroups.plan.plan_file import read_plan
from frgroups.review.approval import approve_plan, check_rejections, read_decision
from frgroups.review.approval_policy import Policy, read_policy
from frgroups.review.plan_queue import locate_plan, move_plan


def add_commands(add: Add) -> None:
    """What each of these commands takes."""
    _approve_words(add)
    _apply_words(add)
    _undo_words(add)


def approve(options: Namespace) -> int:
    """Write an approval, or a rejection; a plan that waits in the queue is approved there."""
    file = locate_plan(options.file)
    made = read_plan(file)
    target = options.out or file.with_suffix(".approval.json")
    before = read_decision(target, made)
    if options.reject is None:
        check_rejections(made, target)
    path = approve_plan(made, target, by=options.by, reject=options.reject)
    print(readable(made.summary()))
    word = "approved" if options.reject is None else "rejected"
    queued = file.absolute() if options.out or options.reject is not None else move_plan(file, "approved")
    written = path if path.exists() else queued.with_suffix(".approval.json")
    print(f"{options.by} {word} plan {made.digest[:12]}. Written to {written}")
    if options.reject is not None:
        if before and before.approved:
            print(readable(f"It takes the place of the approval by {before.by}, which was in that file."))
        return 0
    if queued != file.absolute():
        print(f"It waits in {queued.parent}. Next: frgroups apply --approved")
    else:
        print(f"Next: frgroups apply {file} --approve {path}")
    return 0


def apply(options: Namespace) -> int:
    """Apply a plan, settle one, or apply all that are approved."""
    _check_usage(options)
    policy = read_policy(options.approve_policy) if options.approve_policy else None
    if options.approved:
        return apply_queue(options, policy)
    try:
        receipt = _applied(options, policy)
    except FrgroupsError as error:
        if options.json:
            print(
                json.dumps(unsent_line(options.file, "refused", code_of(error), error.cli_text), ensure_ascii=False)
            )
        raise
    if options.json:
        print(json.dumps(result_line(options.file, receipt), ensure_ascii=False))
    else:
        print(readable(receipt.summary()))
        print(f"Receipt: {receipt.path or NOT_SAVED}")
        if receipt.counts["verified"] and receipt.path:
            print(f"To take it back: frgroups undo {receipt.path}")
    return load_exit_code(receipt)


def _applied(options: Namespace, policy: Policy | None) -> Receipt:
    made = read_plan(locate_plan(options.file))
    with client_of(options.tenant, writable=not options.settle) as client:
        if options.settle:
            return finalize_plan(client, made, journal=options.journal)
        return apply_plan(client, made, approval=policy or options.approve, journal=options.journal)


def undo(options: Namespace) -> int:
    """Make the plan that takes a receipt back."""
    if options.file.suffix == ".jsonl":
        raise InputError(
            f"{options.file} is a journal. An undo stands on the receipt beside it, which ends in .receipt.json; "
            "where there is none yet, frgroups apply PLAN --settle makes it."
        )
    receipt = read_receipt(options.file)
    made = plan_undo(receipt, limits=limits_of(options.limit, receipt.plan.limits) if options.limit else None)
    keep_plan(made, options.out)
    return 3 if made.blocked else 0


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
