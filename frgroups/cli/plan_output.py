"""Save a plan and its review page and print the next step."""

from __future__ import annotations

from pathlib import Path

from frgroups.cli.output import print_text
from frgroups.internals.paths import data_subdir, tenant_folder
from frgroups.plan.finding import Finding
from frgroups.plan.limit_overrides import limit_options
from frgroups.plan.plan import Plan
from frgroups.review.plan_queue import plan_file_name, queue_folder
from frgroups.review.writer import save_review


def save_plan(plan: Plan, out: Path | None, *, pending: bool = False, limits_source: str = "the register") -> None:
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
    limits_source
        Where the user can change the limits of single groups, for example "the register".
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
        _print_limits_to_change(plan, pending, limits_source)
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


def _print_limits_to_change(plan: Plan, pending: bool, limits_source: str) -> None:
    group_findings = _blocked_by_group_limits(plan)
    findings = [finding for finding in plan.findings if finding.blocking and finding not in group_findings]
    options = limit_options(findings, plan.limits)
    if options:
        print_text(f"The plan is blocked. To allow these changes, create the plan again with {options}")
    if pending:
        print_text("The plan was not added to the queue, because a blocked plan cannot be approved.")
    if group_findings:
        print_text(f"The plan is blocked by group limits in {limits_source}. Change the limits in that file.")


def _blocked_by_group_limits(plan: Plan) -> list[Finding]:
    """Return the blocking findings of groups with separate limits, which `--limit` does not change."""
    groups = {group.uid for group in plan.groups if plan.limits.of(group.uid) is not plan.limits}
    return [finding for finding in plan.findings if finding.blocking and finding.customer_group_uid in groups]
