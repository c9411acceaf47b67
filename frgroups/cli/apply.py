"""Commands that approve, apply, and undo a plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from frgroups.cli.command import ExclusiveOption, command
from frgroups.cli.options import journal_option, limit_option, tenant_option
from frgroups.cli.output import print_json_line, print_text
from frgroups.cli.types import FILE, NONEMPTY_TEXT
from frgroups.errors import FrgroupsError, InputError, UsageError

if TYPE_CHECKING:
    from frgroups.apply.receipt import Receipt
    from frgroups.plan.plan import Plan
    from frgroups.review.approval_policy import Policy


@command("approve", example='frgroups approve plan.json --by "Kari Nordmann"')
@click.argument("file", metavar="PLAN", type=FILE)
@click.option("--by", "reviewer", required=True, type=NONEMPTY_TEXT, metavar="NAME", help="Name of the reviewer.")
@click.option("--reject", "reason", metavar="REASON", help="Reject the plan for this reason instead of approving it.")
@click.option("--out", type=FILE, metavar="FILE", help="File for the decision. By default, a file next to the plan.")
def approve(file: Path, reviewer: str, reason: str | None, out: Path | None) -> int:
    """
    Write an approval or a rejection of a plan to a file.

    Without `--out`, an approved plan in the queue moves from the folder `pending` to the folder `approved`.
    """
    from frgroups.plan.plan_file import read_plan
    from frgroups.review.approval import approve_plan, check_rejections, read_decision
    from frgroups.review.plan_queue import locate_plan, move_plan

    path = locate_plan(file)
    plan = read_plan(path)
    target = out or path.with_suffix(".approval.json")
    previous = read_decision(target, plan)
    if reason is not None:
        written = approve_plan(plan, target, by=reviewer, reject=reason)
        print_text(plan.summary())
        print_text(f"{reviewer} rejected plan {plan.digest[:12]}.")
        print_text(f"Rejection written to {_existing(written, path)}")
        if previous and previous.approved:
            print_text(f"The rejection replaces an earlier approval by {previous.by} in the same file.")
        return 0
    check_rejections(plan, target)
    approval = approve_plan(plan, target, by=reviewer, reject=None)
    print_text(plan.summary())
    location = path.absolute()
    if out is None:
        location = move_plan(path, "approved")
    print_text(f"{reviewer} approved plan {plan.digest[:12]}.")
    print_text(f"Approval written to {_existing(approval, location)}")
    if location != path.absolute():
        print_text(f"The plan is now in {location.parent}.")
        print_text("Next    frgroups apply --approved")
    else:
        print_text(f"Next    frgroups apply {path} --approve {approval}")
    return 0


def _existing(approval: Path, plan: Path) -> Path:
    """Return the current path of an approval file that might have been moved together with its plan."""
    if approval.exists():
        return approval
    return plan.absolute().with_suffix(".approval.json")


@command(
    "apply",
    example="frgroups apply plan.json --approve plan.approval.json",
    renamed={"--settle": "--finalize"},
)
@click.argument("file", metavar="[PLAN]", type=FILE, required=False)
@click.option(
    "--approve",
    "approval",
    metavar="DIGEST|FILE",
    help="Approval file of the reviewer, or the digest of the plan (at least its first 12 characters).",
)
@click.option(
    "--approve-policy",
    type=FILE,
    metavar="FILE",
    help="TOML file with a policy that approves small changes without a reviewer. Required keys: by, groups, "
    "max_adds, max_removes.",
)
@click.option(
    "--approved",
    cls=ExclusiveOption,
    excludes=["--finalize"],
    is_flag=True,
    help="Apply all approved plans in the queue, oldest first. Completed plans are moved to the folder 'done', "
    "and plans that cannot be completed to the folder 'stopped'.",
)
@click.option(
    "--finalize",
    cls=ExclusiveOption,
    excludes=["--approved"],
    is_flag=True,
    help="Close an interrupted run that cannot be resumed: write its receipt, so that its changes can be undone. No "
    "changes are sent.",
)
@tenant_option
@journal_option
@click.option(
    "--json", "as_json", is_flag=True, help="Print a JSON line for each plan with its outcome, counts, and receipt."
)
def apply(
    file: Path | None,
    approval: str | None,
    approve_policy: Path | None,
    approved: bool,
    finalize: bool,
    tenant: str | None,
    journal: Path | None,
    as_json: bool,
) -> int:
    """Apply a plan, finalize an interrupted run, or apply all approved plans in the queue."""
    n_approvals = (approval is not None) + (approve_policy is not None)
    if approved and (file or approval):
        raise UsageError("--approved applies the plans in the queue. It cannot be combined with PLAN or --approve.")
    if finalize and n_approvals:
        raise UsageError(
            "--finalize sends no changes and needs no approval. It cannot be combined with --approve or "
            "--approve-policy."
        )
    if approved:
        return _apply_queue(approve_policy, tenant, journal, as_json)
    if file is None:
        raise UsageError("Pass a plan file, or pass --approved to apply all approved plans in the queue.")
    if not finalize and n_approvals != 1:
        raise UsageError("Pass either --approve with a digest or an approval file, or --approve-policy.")
    policy = _read_optional_policy(approve_policy)
    return _apply_file(file, policy or approval, tenant, journal, as_json)


def _apply_queue(policy_file: Path | None, tenant: str | None, journal: Path | None, as_json: bool) -> int:
    from frgroups.cli.apply_queue import apply_queue

    return apply_queue(_read_optional_policy(policy_file), tenant, journal, as_json)


def _apply_file(
    file: Path, approve: Policy | str | None, tenant: str | None, journal: Path | None, as_json: bool
) -> int:
    """
    Apply the plan in a plan file and return the exit code.

    Parameters
    ----------
    file
        Plan file, or the name of a plan in the queue.
    approve
        Digest, approval file, or policy. None finalizes the interrupted run of the plan instead.
    tenant
        Name of a tenant in tenants.toml. None selects the tenant in FRGROUPS_TENANT_UID.
    journal
        Folder of the journals. None selects the data folder.
    as_json
        Whether to print the result as a JSON line.
    """
    from frgroups.apply.executor import apply_plan, finalize_plan
    from frgroups.cli.apply_result import receipt_exit_code, result_line, unsent_line
    from frgroups.cli.inputs import open_client
    from frgroups.internals.exit_codes import code_of
    from frgroups.plan.plan_file import read_plan
    from frgroups.review.plan_queue import locate_plan

    try:
        plan = read_plan(locate_plan(file))
        with open_client(tenant, writable=approve is not None) as client:
            if approve is None:
                receipt = finalize_plan(client, plan, journal=journal)
            else:
                receipt = apply_plan(client, plan, approval=approve, journal=journal)
    except FrgroupsError as error:
        if as_json:
            print_json_line(unsent_line(file, "failed", code_of(error), error.cli_text))
        raise
    if as_json:
        print_json_line(result_line(file, receipt))
    else:
        _print_receipt(receipt)
    return receipt_exit_code(receipt)


def _read_optional_policy(path: Path | None) -> Policy | None:
    from frgroups.review.approval_policy import read_policy

    return None if path is None else read_policy(path)


def _print_receipt(receipt: Receipt) -> None:
    print_text(receipt.summary())
    if receipt.path is None:
        print_text(
            "Receipt: not written. Free disk space and apply the same plan again to write the receipt, "
            "which an undo requires."
        )
        return
    print_text(f"Receipt: {receipt.path}")
    if receipt.counts["verified"]:
        print_text(f"To undo: frgroups undo {receipt.path}")


@command(
    "undo",
    example="frgroups undo receipt.json",
    more="The limits of the undo plan are the numbers of changes that it reverses. To set stricter limits, use "
    "--limit. The undo plan must be approved and applied like any other plan.",
)
@click.argument("file", metavar="RECEIPT", type=FILE)
@limit_option
@click.option(
    "--out", type=FILE, metavar="FILE", help="Plan file to write. The default is a file in the data folder."
)
def undo(file: Path, limit_settings: tuple[tuple[str, object], ...], out: Path | None) -> int:
    """Create a plan that undoes the changes in a receipt."""
    from frgroups.apply.receipt import read_receipt
    from frgroups.apply.undo import plan_undo
    from frgroups.cli.inputs import override_limits
    from frgroups.cli.plan_output import save_plan

    if file.suffix == ".jsonl":
        raise InputError(
            f"{file} is a journal. Pass the receipt next to it, which ends in .receipt.json. If there is no receipt, "
            "create it with frgroups apply PLAN --finalize."
        )
    receipt = read_receipt(file)
    plan: Plan = plan_undo(receipt)
    if limit_settings:
        plan = plan_undo(receipt, limits=override_limits(limit_settings, replace(plan.limits, per_group={})))
    save_plan(plan, out)
    return 3 if plan.blocked else 0
