"""Save a plan and its review page, and print the next step."""

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
    Write a plan and its review page, and print the plan, the files and the next step.

    An empty plan is printed and not written.

    Parameters
    ----------
    out
        Plan file; None for a file in the data folder.
    pending
        Put the plan into the queue, unless it is blocked.
    limits_source
        Where the limits of single groups can be changed.
    """
    if plan.is_empty:
        print_text(plan.summary())
        return
    path = plan.save(out or _default_path(plan, pending))
    review = save_review(plan, path.with_suffix(".html"))
    print_text(plan.summary())
    print_text(f"\nDigest  {plan.digest}")
    print_text(f"Plan    {path}")
    print_text(f"Review  {review}   (open it in a browser, or mail it to who decides)")
    if plan.blocked:
        _print_limits_to_change(plan, pending, limits_source)
    elif pending:
        print_text(f"Next    frgroups approve {path} --by NAME, or put the file of the page into {path.parent};")
        print_text("        then frgroups apply --approved")
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
        print_text(f"Blocked. To allow this, create the plan again with {options}")
    if pending:
        print_text("It does not wait in the queue, since nobody can approve it.")
    if group_findings:
        print_text(f"Blocked by limits of {limits_source}, which whoever answers for the group can change there.")


def _blocked_by_group_limits(plan: Plan) -> list[Finding]:
    """Return the blocking findings of groups that have limits of their own, which `--limit` does not change."""
    groups = {group.uid for group in plan.groups if plan.limits.of(group.uid) is not plan.limits}
    return [finding for finding in plan.findings if finding.blocking and finding.customer_group_uid in groups]
