"""Describe a plan as text and as an HTML card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frgroups.internals.formatting import agree, pluralize
from frgroups.internals.html import Card
from frgroups.plan.moves import format_moves

if TYPE_CHECKING:
    from frgroups.plan.plan import Plan

# Maximum number of groups and of findings on the card.
MAX_LISTED = 5


def plan_summary(plan: Plan) -> str:
    """Return the purpose, a line per group, the moves, the findings and the number of requests."""
    if plan.is_empty:
        return "\n".join([_empty_plan_text(plan), *map(str, plan.findings)])
    lines = []
    if plan.purpose:
        lines.append(f"For: {plan.purpose}")
    lines += [group.sentence() for group in plan.groups]
    lines += format_moves(plan.moves())
    lines += [str(finding) for finding in plan.findings]
    host = plan.base_url or "no host: it can be reviewed, not applied"
    estimate = plan.request_estimate
    lines.append(f"{estimate.n_write:,} write {agree(estimate.n_write, 'request', 'requests')} to {host}.")
    lines.append(str(estimate))
    return "\n".join(lines)


def _empty_plan_text(plan: Plan) -> str:
    if plan.reverts:
        return f"Nothing to take back of plan {plan.reverts[:12]}."
    if plan.excluded_changes:
        return f"Nothing to do: {plan.tenant_uid} is as wanted, except for excluded changes."
    return f"Nothing to do: {plan.tenant_uid} already is as wanted."


def plan_repr(plan: Plan) -> str:
    """Return the digest, the tenant, the number of changes, and the number of exceeded limits."""
    text = (
        f"Plan {plan.digest[:12]} for {plan.tenant_uid}: {pluralize(plan.n_add, 'add')}, "
        f"{pluralize(plan.n_remove, 'remove')} in {pluralize(len(plan.groups), 'group')}"
    )
    n_blocking = sum(finding.blocking for finding in plan.findings)
    if n_blocking:
        text += f", BLOCKED by {pluralize(n_blocking, 'limit')}"
    return f"<{text}>"


def plan_card(plan: Plan) -> Card:
    """Return the card that a notebook shows for a plan."""
    changes = [group.sentence() for group in plan.groups[:MAX_LISTED]]
    n_more = len(plan.groups) - MAX_LISTED
    if n_more > 0:
        changes.append(f"And {n_more:,} more {agree(n_more, 'group', 'groups')}.")
    facts = {"Tenant": f"{plan.tenant_uid} at {plan.base_url or 'no host: to review only'}"}
    if plan.purpose:
        facts["For"] = plan.purpose
    facts["Change"] = " ".join(changes) or "Nothing to do"
    if plan.excluded_changes:
        facts["Excluded"] = pluralize(len(plan.excluded_changes), "change")
    facts["Findings"] = " ".join(map(str, plan.findings[:MAX_LISTED])) or "none"
    facts["Digest"] = plan.digest
    mark = "BLOCKED" if plan.blocked else ""
    return Card(f"Plan {plan.digest[:12]}", facts, mark=mark)
