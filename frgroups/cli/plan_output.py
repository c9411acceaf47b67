"""Save a plan and its review page and print the next step."""

from __future__ import annotations

from pathlib import Path

from frgroups.cli.output import print_text
from frgroups.internals.paths import data_subdir, tenant_folder
from frgroups.plan.limit_overrides import blocked_sentence, limit_advice
from frgroups.plan.plan import Plan
from frgroups.review.plan_queue import plan_file_name, queue_folder
from frgroups.review.writer import save_review


def save_plan(plan: Plan, out: Path | None, *, pending: bool = False) -> None:
    """
    Save a plan and its review page, and print the plan, the file paths, and the next step.

    A plan without changes is printed but not saved.

    Parameters
    ----------
    plan
        The plan.
    out
        Plan file to write. None selects a file in the data folder.
    pending
        Whether to add the plan to the queue. A blocked plan is not added.
    """
    if plan.is_empty:
        print_text(plan.summary())
        return
    path = plan.save(out or _default_path(plan, pending))
    review = save_review(plan, path.with_suffix(".html"))
    print_text(plan.summary())
    print_text(f"\nDigest  {plan.digest}")
    print_text(f"Plan    {path}")
    print_text(f"Review  {review}   (open it in a browser or send it to the reviewer)")
    if plan.blocked:
        _print_limits_to_change(plan, pending)
    elif pending:
        print_text(f"Next    frgroups approve {path} --by NAME")
        print_text(f"        Or save the approval file from the review page in this folder: {path.parent}")
        print_text("        Then: frgroups apply --approved")
    else:
        print_text(f"Next    frgroups approve {path} --by NAME")


def _default_path(plan: Plan, pending: bool) -> Path:
    if pending and not plan.blocked:
        folder = queue_folder(plan.tenant_uid, plan.base_url, "pending")
    else:
        folder = data_subdir("plans") / tenant_folder(plan.tenant_uid, plan.base_url)
    return folder / plan_file_name(plan)


def _print_limits_to_change(plan: Plan, pending: bool) -> None:
    blocking = [finding for finding in plan.findings if finding.blocking]
    _, advice = limit_advice(blocking, plan.limits)
    print_text(f"{blocked_sentence(plan.digest, blocking)} {advice}".rstrip())
    if pending:
        print_text("The plan was not added to the queue, because a blocked plan cannot be approved.")
