"""Commands that approve, apply, and undo a plan."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from frgroups.cli.command import ExclusiveOption, command
from frgroups.cli.command_ending import keep_result
from frgroups.cli.options import (
    PLAN_ARGUMENT,
    exclusive_flag,
    journal_option,
    json_option,
    limit_option,
    register_option,
    tenant_option,
)
from frgroups.cli.output import print_json_line, print_message, print_next, print_text, print_warning
from frgroups.cli.types import FILE, NONEMPTY_TEXT
from frgroups.errors import FrgroupsError, InputError, NotApprovedError, PlanBlockedError, UsageError

if TYPE_CHECKING:
    from frgroups.api.client import Client
    from frgroups.apply.plan_entry import PlanEntry
    from frgroups.apply.receipt import Receipt
    from frgroups.plan.plan import Plan
    from frgroups.review.approval_policy import Policy


@command("approve", example='frgroups approve plan.json --by "Kari Nordmann"', more=PLAN_ARGUMENT)
@click.argument("file", metavar="PLAN", type=FILE)
@click.option(
    "--by", "reviewer", required=True, type=NONEMPTY_TEXT, metavar="NAME", help="Name of the person who decides."
)
@click.option(
    "--reject",
    "reason",
    metavar="REASON",
    help="Reject the plan for this reason instead of approving it. The rejection blocks all plans that contain its "
    "changes, until it is withdrawn with frgroups withdraw.",
)
@click.option("--out", type=FILE, metavar="FILE", help="File to write. The default is a file next to the plan.")
@json_option("Print the decision as JSON.")
def approve(file: Path, reviewer: str, reason: str | None, out: Path | None, as_json: bool) -> int:
    """
    Write an approval or a rejection of a plan to a file.

    Without `--out`, an approved plan in the queue moves from the folder `pending` or `stopped` to the folder
    `approved`. A plan that was already applied is not approved again.
    """
    from frgroups.apply.known_drift import check_known_drift
    from frgroups.apply.plan_checks import check_limits, check_original_not_undone
    from frgroups.cli.plan_files import find_plan
    from frgroups.cli.plan_output import (
        find_conflicts,
        plan_values,
        print_conflicts,
        print_notices,
        print_windows,
    )
    from frgroups.internals.formatting import shell_argument
    from frgroups.plan.plan_file import read_plan
    from frgroups.review.approval import approve_plan
    from frgroups.review.approval_files import found_approvals
    from frgroups.review.plan_queue import queue_approved_plan
    from frgroups.review.rejections import check_not_rejected

    path = find_plan(file)
    plan = read_plan(path)
    entry = _entry_before_decision(plan, path) if reason is None else None
    if entry is not None and _is_applied(entry, path, as_json):
        return 0
    target = out or path.with_suffix(".approval.json")
    earlier_approvals = found_approvals(plan, [target.parent])
    replaced = [approval.by for approval in earlier_approvals if approval.path == target.resolve()]
    if reason is None:
        # Run the checks of `frgroups apply` that send no request, so that both commands return the same exit code.
        # Check for a rejection first, because it takes precedence.
        check_not_rejected(plan, [target.parent])
        check_original_not_undone(plan)
        check_limits(plan)
        if entry is not None:
            check_known_drift(entry)
    written = approve_plan(plan, target, by=reviewer, reject=reason)
    location = path.absolute()
    if reason is None and out is None:
        location = queue_approved_plan(path)
    if not written.exists():  # `queue_approved_plan` also moves the approval file.
        written = location.with_suffix(".approval.json")
    decision = "approved" if reason is None else "rejected"
    conflicts = find_conflicts(plan) if reason is None else []
    if as_json:
        values = plan_values(plan, location, conflicts)
        if reason is None and out is not None and values["state"] in ("pending", "applied before"):
            # Pass the approval file explicitly, because `apply` does not search the folder of this file.
            apply_command = shell_argument("frgroups", "apply", location, "--approval", written)
            values |= {"next_command": apply_command}
        decided = {"decision": decision, "by": reviewer, "reason": reason or "", "approval_path": str(written)}
        print_json_line(values | decided)
    else:
        print_text(plan.summary())
        print_text()
        print_text(f"{reviewer} {decision} plan {plan.digest[:12]}.")
        print_text(f"{'Approval' if reason is None else 'Rejection'} written to {written}")
    print_conflicts(plan, conflicts)
    if reason is None:
        print_notices(plan, location)
        print_windows(plan)
    plan_argument = shell_argument(file)
    for name in replaced:
        noun = "approval" if reason is None else "rejection"
        print_message(f"The {noun} replaces an earlier approval by {name} in the same file.")
    if reason is not None:
        print_message("The rejection blocks all plans that contain these changes.")
        print_message(f"To withdraw it: frgroups withdraw {plan_argument} --by NAME")
    elif location != path.absolute():
        print_message(f"The plan is now in {location.parent}.")
        print_next("frgroups apply --queue")
    elif out is None:
        print_next(f"frgroups apply {plan_argument}")
    else:
        print_next(f"frgroups apply {plan_argument} --approval {shell_argument(out)}")
    return 0


def _entry_before_decision(plan: Plan, path: Path) -> PlanEntry | None:
    """
    Return the state of a plan, or None if a file in the data folder is damaged.

    The function raises no error for a damaged file, because `approve` reports the file after it has written the
    decision.
    """
    from frgroups.apply.plan_list import plan_entry

    with suppress(FrgroupsError):
        return plan_entry(plan, path=path)
    return None


def _is_applied(entry: PlanEntry, path: Path, as_json: bool) -> bool:
    """
    Return True if a plan was applied, and print its state in this case.

    If the plan was applied and then undone, raise PlanBlockedError.
    """
    from frgroups.apply.run_registry import partly_reverted_by, reverted_by
    from frgroups.cli.plan_output import plan_values
    from frgroups.internals.formatting import shell_argument

    plan, undo_digest = entry.plan, ""
    if entry.state == "undone":
        undo_digest = reverted_by(plan) or partly_reverted_by(plan)
    if undo_digest:
        raise PlanBlockedError(
            f"Plan {plan.digest[:12]} was applied and already undone by plan {undo_digest[:12]}, so it cannot "
            "be approved again. To make the changes again, create a new plan."
        )
    if entry.state != "applied":
        return False
    if as_json:
        print_json_line(plan_values(plan, path) | {"decision": "", "by": "", "reason": "", "approval_path": ""})
    else:
        print_text(f"Plan {plan.digest[:12]} was already applied, so no approval was written.")
    print_next(f"frgroups show {shell_argument(entry.receipt or path)}")
    return True


@command(
    "withdraw",
    example='frgroups withdraw plan.json --by "Kari Nordmann" --reason "List is correct"',
    more=PLAN_ARGUMENT,
)
@click.argument("file", metavar="PLAN", type=FILE)
@click.option(
    "--by", "name", required=True, type=NONEMPTY_TEXT, metavar="NAME", help="Name of the person who decides."
)
@click.option("--reason", default="", show_default=False, metavar="REASON", help="Reason for the withdrawal.")
@json_option("Print the withdrawn rejections as JSON.")
def withdraw(file: Path, name: str, reason: str, as_json: bool) -> int:
    """
    Withdraw all rejections of a plan's changes, and record the name and the time of the withdrawal.

    If the queue has stopped a plan with these changes, the plan is moved back to the folder `pending`.
    """
    from frgroups.cli.plan_files import find_plans
    from frgroups.cli.plan_output import find_entry, plan_values
    from frgroups.internals.formatting import pluralize
    from frgroups.plan.plan_file import read_plan
    from frgroups.review.plan_queue import locate_plan, restore_plans
    from frgroups.review.rejections import record_rejections, withdraw_rejection

    path, *copies = find_plans(file)
    plan = read_plan(path)
    # A withdrawal applies only to rejections that are recorded in the data folder.
    # Therefore, first record the rejections in the files next to all copies of the plan.
    record_rejections(plan, [copy.parent for copy in copies])
    withdrawn = withdraw_rejection(plan, by=name, reason=reason)
    restored = restore_plans(plan)
    if as_json:
        values = {"withdrawn": withdrawn, "by": name, "reason": reason, "restored": list(map(str, restored))}
        print_json_line(plan_values(plan, locate_plan(path)) | values)
    else:
        print_text(f"{name} withdrew {pluralize(len(withdrawn), 'rejection')} of plan {plan.digest[:12]}:")
        for sentence in withdrawn:
            print_text(f"  {sentence}")
    for moved in restored:
        print_message(f"The stopped plan {moved.name} is now in {moved.parent}.")
    entry = find_entry(plan, locate_plan(path))
    if entry is not None and entry.next_command:
        print_next(entry.next_command)
    return 0


@command(
    "apply",
    example="frgroups apply plan.json",
    renamed={
        "--settle": "--finalize",
        "--approve": "--approval",
        "--approve-policy": "--policy",
        "--approved": "--queue",
    },
    more=f"{PLAN_ARGUMENT}\n\nWithout --approval or --policy, the command uses the approval file next to the plan or "
    "in the data folder, if exactly one file approves this plan, has not expired, and belongs to you.\n\n"
    "During a freeze of the tenant, or while none of its apply windows is open, the command sends nothing and exits "
    "with code 3.",
)
@click.argument("file", metavar="[PLAN]", type=FILE, required=False)
@click.option("--approval", type=FILE, metavar="FILE", help="Approval file of the reviewer.")
@click.option(
    "--policy",
    "policy_file",
    type=FILE,
    metavar="FILE",
    help="TOML file with a policy that approves small changes without a reviewer. Required keys: by, groups, "
    "max_adds, max_removes.",
)
@click.option(
    "--override",
    cls=ExclusiveOption,
    excludes=["--queue", "--finalize"],
    type=FILE,
    metavar="FILE",
    help="File written by frgroups override, which allows the plan to be applied during a freeze or outside the "
    "apply windows. The plan still needs an approval.",
)
@exclusive_flag(
    "--no-auto-approval",
    ["--queue", "--finalize"],
    "Do not search for an approval file. Use this option in scheduled jobs.",
)
@exclusive_flag(
    "--queue",
    ["--finalize"],
    "Apply all approved plans in the queue, oldest first. Completed plans are moved to the folder 'done', "
    "and plans that cannot be completed to the folder 'stopped'.",
)
@exclusive_flag(
    "--finalize",
    ["--queue"],
    "Close an interrupted run that cannot be resumed: write its receipt, so that its changes can be undone. No "
    "changes are sent.",
)
@tenant_option
@journal_option
@json_option("Print the outcome, the counts, and the receipt as JSON. With --queue, print one JSON line per plan.")
def apply(
    file: Path | None,
    approval: Path | None,
    policy_file: Path | None,
    override: Path | None,
    no_auto_approval: bool,
    queue: bool,
    finalize: bool,
    tenant: str | None,
    journal: Path | None,
    as_json: bool,
) -> int:
    """Apply a plan, finalize an interrupted run, or apply all approved plans in the queue."""
    if queue and (file or approval):
        raise UsageError("--queue applies the plans in the queue. It cannot be combined with PLAN or --approval.")
    if finalize and (approval or policy_file):
        raise UsageError(
            "--finalize sends no changes and needs no approval. It cannot be combined with --approval or --policy."
        )
    if approval and policy_file:
        raise UsageError("Pass either --approval or --policy.")
    if queue:
        return _apply_queue(policy_file, tenant, journal, as_json)
    if file is None:
        raise UsageError("Pass a plan file, or pass --queue to apply all approved plans in the queue.")
    source = _read_optional_policy(policy_file) or approval
    return _apply_file(file, source, override, not no_auto_approval, finalize, tenant, journal, as_json)


def _apply_queue(policy_file: Path | None, tenant: str | None, journal: Path | None, as_json: bool) -> int:
    from frgroups.cli.apply_queue import apply_queue

    return apply_queue(_read_optional_policy(policy_file), tenant, journal, as_json)


def _apply_file(
    file: Path,
    source: Policy | Path | None,
    override: Path | None,
    search: bool,
    finalize: bool,
    tenant: str | None,
    journal: Path | None,
    as_json: bool,
) -> int:
    """
    Apply the plan in a plan file and return the exit code.

    Parameters
    ----------
    file
        Plan file, or the first characters of the plan's digest.
    source
        Approval file or policy. None uses the approval file that the search finds.
    override
        Override file, or None.
    search
        Whether to search for an approval file if `source` is None.
    finalize
        Whether to finalize the interrupted run of the plan instead of sending changes.
    tenant
        Name of a tenant in tenants.toml. None selects the tenant in FRGROUPS_TENANT_UID.
    journal
        Folder of the journals. None selects the data folder.
    as_json
        Whether to print the result as JSON.
    """
    from frgroups.apply.executor import apply_plan, finalize_plan
    from frgroups.cli.apply_result import receipt_exit_code, result_line, unsent_line
    from frgroups.cli.inputs import open_client
    from frgroups.cli.plan_files import find_plan
    from frgroups.internals.exit_codes import code_of
    from frgroups.plan.plan_file import read_plan
    from frgroups.review.plan_sentences import headline

    path, plan = file, None
    try:
        path = find_plan(file)
        plan = read_plan(path)
        if not as_json:
            print_message(f"Plan {plan.digest[:12]}: {headline(plan)}.")
        with open_client(tenant, writable=not finalize) as client:
            if finalize:
                receipt = finalize_plan(client, plan, journal=journal)
            elif source is None:
                receipt = _apply_with_found_approval(client, plan, search, override, journal)
            else:
                receipt = apply_plan(client, plan, approval=source, override=override, journal=journal)
    except FrgroupsError as error:
        if as_json:
            digest = plan.digest if plan else ""
            print_json_line(unsent_line(path, "failed", code_of(error), error.cli_text, digest))
        raise
    keep_result(receipt_exit_code(receipt), receipt.summary())
    if as_json:
        print_json_line(result_line(path, receipt))
    else:
        _print_receipt(receipt)
    return receipt_exit_code(receipt)


def _apply_with_found_approval(
    client: Client, plan: Plan, search: bool, override: Path | None, journal: Path | None
) -> Receipt:
    """Search for an approval file and apply the plan with it. If the plan was already applied, return its receipt."""
    from frgroups.apply.executor import apply_plan, receipt_or_earlier_approval
    from frgroups.apply.plan_checks import check_limits
    from frgroups.internals.formatting import format_utc
    from frgroups.review.approval_search import find_approval
    from frgroups.review.rejections import check_not_rejected

    receipt, earlier_approval = receipt_or_earlier_approval(client, plan, journal=journal)
    if receipt is not None:
        return receipt
    if not search:
        raise NotApprovedError(
            f"Plan {plan.digest[:12]} was not sent, because --no-auto-approval requires --approval or --policy."
        )
    # Report a rejection or an exceeded limit before a missing approval, because a blocked plan cannot be approved.
    check_not_rejected(plan)
    check_limits(plan)
    usable = find_approval(plan, earlier_approval=earlier_approval)
    approval = usable.approval
    when = f" at {format_utc(approval.at)}" if approval.at else ""
    print_message(f"Approved by {approval.by}{when}: {usable.path}")
    if not usable.owner_checked:
        reason = "the file is in the queue" if hasattr(os, "geteuid") else "Windows does not support this check"
        print_message(f"The owner of the file was not checked, because {reason}.")
    return apply_plan(client, plan, approval=usable.path, override=override, journal=journal)


def _read_optional_policy(path: Path | None) -> Policy | None:
    from frgroups.review.approval_policy import read_policy

    return None if path is None else read_policy(path)


def _print_receipt(receipt: Receipt) -> None:
    from frgroups.internals.formatting import shell_argument

    print_text(receipt.summary())
    if receipt.path is None:
        print_text(
            "Receipt: not written. Free disk space and apply the same plan again to write the receipt, "
            "which an undo requires."
        )
        return
    print_text(f"Receipt: {receipt.path}")
    if receipt.counts["verified"]:
        print_message(f"To undo: frgroups undo {shell_argument(receipt.path)}")


@command(
    "undo",
    example="frgroups undo receipt.json",
    more="RECEIPT is the path of a receipt or of an applied plan, or at least the first 8 characters of the plan's "
    "digest. If the plan was already undone, the exit code is 3, and no undo plan is created.\n\n"
    "The limits of the undo plan are the numbers of changes that it reverses. To set stricter limits, use --limit. "
    "The undo plan must be approved and applied like any other plan.",
)
@click.argument("file", metavar="RECEIPT", type=FILE)
@limit_option
@register_option()
@click.option("--out", type=FILE, metavar="FILE", help="File to write. The default is a file in the data folder.")
@json_option("Print the undo plan as JSON.")
def undo(
    file: Path,
    limit_settings: tuple[tuple[str, object], ...],
    register: Path | None,
    out: Path | None,
    as_json: bool,
) -> int:
    """Create a plan that undoes the changes in a receipt."""
    from frgroups.apply.plan_checks import check_not_undone
    from frgroups.apply.receipt import read_receipt
    from frgroups.apply.undo import plan_undo
    from frgroups.cli.inputs import override_limits, read_optional_register
    from frgroups.cli.plan_files import find_receipt
    from frgroups.cli.plan_output import save_plan

    if file.suffix == ".jsonl":
        raise InputError(
            f"{file} is a journal. Pass the receipt next to it, which ends in .receipt.json. If the receipt does not "
            "exist, create it with frgroups apply PLAN --finalize."
        )
    receipt = read_receipt(find_receipt(file))
    check_not_undone(receipt)
    groups = read_optional_register(register)
    plan: Plan = plan_undo(receipt, register=groups)
    if limit_settings:
        limits = override_limits(limit_settings, replace(plan.limits, per_group={}))
        plan = plan_undo(receipt, limits=limits, register=groups)
    exit_code = 3 if plan.blocked else 0
    _print_undo_effect(receipt)
    save_plan(plan, out, exit_code=exit_code, as_json=as_json)
    return exit_code


def _print_undo_effect(receipt: Receipt) -> None:
    """
    Print the time at which the changes in a receipt were verified, and the number of changes still in effect.

    The newest data in the data folder determines which changes are still in effect.
    """
    from frgroups.history.undo_effect import undo_effect
    from frgroups.internals.formatting import agree, format_utc

    if not receipt.counts["verified"]:
        return
    print_message(f"The changes were verified at {format_utc(receipt.read_at)}.")
    try:
        effect = undo_effect(receipt)
    except FrgroupsError as error:
        print_warning(error.cli_text)
        return
    if effect.n_known and effect.read_at is not None:
        print_message(
            f"{effect.n_in_effect:,} of {effect.n_known:,} {agree(effect.n_in_effect, 'is', 'are')} still in effect "
            f"according to the newest data in the data folder ({format_utc(effect.read_at)}). The undo plan contains "
            f"only changes that are still in effect."
        )
