"""Describe a plan as text and as an HTML card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frgroups.internals.formatting import agree, escape_invisible, escape_lines, pluralize
from frgroups.internals.html import Card
from frgroups.plan.listed_group import unchanged_sentences
from frgroups.plan.modes import MODE_TEXTS, Mode
from frgroups.plan.moves import format_moves

if TYPE_CHECKING:
    from frgroups.plan.plan import Plan

# The card shows at most this number of groups, and at most this number of findings.
MAX_LISTED = 5
_NO_CHANGES: dict[Mode, str] = {
    "add": "No customers to add.",
    "remove": "No customers to remove.",
    "keep_only": "No customers to remove.",
    "mirror": "No customers to add or remove.",
}


def plan_summary(plan: Plan) -> str:
    """Describe a plan as plain text, with one line for each group, move, and finding."""
    if plan.is_empty:
        return escape_lines([*_empty_plan_lines(plan), *plan.findings])
    lines = []
    if plan.purpose:
        lines.append(f"Purpose: {plan.purpose}")
    lines += [group.sentence() for group in plan.groups]
    lines += format_moves(plan.moves())
    lines += mode_sentences(plan)
    lines += [str(finding) for finding in plan.findings]
    if not plan.base_url:
        lines.append("The plan has no host. It can be reviewed but not applied.")
    else:
        lines.append(f"The plan is for {plan.tenant_uid} at {plan.base_url}.")
    lines.append(str(plan.request_estimate))
    return escape_lines(lines)


def mode_sentences(plan: Plan) -> list[str]:
    """
    Describe the mode of a plan, and the customers that the mode leaves unchanged.

    Examples
    --------
    >>> mode_sentences(plan_memberships(sample_snapshot(), {"vip": ["c-7"]}))
    ['Customers in the list join the group. Members who are not in the list stay (mode add).', \
'2 current members of VIP are not in the list and stay.']
    """
    if plan.reverts:
        changes = "some changes" if plan.partial_undo else "the changes"
        return [f"This undo plan reverses {changes} of plan {plan.reverts[:12]}. All other members stay."]
    return [MODE_TEXTS[plan.mode], *unchanged_sentences(plan.listed_groups, plan.mode)]


def _empty_plan_lines(plan: Plan) -> list[str]:
    if plan.reverts:
        return [f"The plan changes nothing, because plan {plan.reverts[:12]} has no changes to undo."]
    mode, *unchanged = mode_sentences(plan)
    nothing = f"The plan changes nothing in tenant {plan.tenant_uid}"
    if plan.excluded_changes:
        return [f"{nothing}, because all requested changes are excluded.", mode, *unchanged]
    return [" ".join([_NO_CHANGES[plan.mode], *unchanged]), f"{nothing}. {mode}"]


def plan_repr(plan: Plan) -> str:
    """Return the `repr` string of a plan, which contains the numbers of changes and exceeded limits."""
    text = (
        f"Plan {plan.digest[:12]} for {plan.tenant_uid}: {pluralize(plan.n_add, 'add')}, "
        f"{pluralize(plan.n_remove, 'remove')} in {pluralize(len(plan.groups), 'group')}"
    )
    n_blocking = sum(finding.blocking for finding in plan.findings)
    if n_blocking:
        text += f", BLOCKED by {pluralize(n_blocking, 'limit')}"
    return escape_invisible(f"<{text}>")


def plan_card(plan: Plan) -> Card:
    """Return the HTML card that a notebook displays for a plan."""
    changes = [group.sentence() for group in plan.groups[:MAX_LISTED]]
    n_more = len(plan.groups) - MAX_LISTED
    if n_more > 0:
        changes.append(f"And {n_more:,} more {agree(n_more, 'group', 'groups')}.")
    facts = {"Tenant": plan.tenant_uid, "Host": plan.base_url or "none (the plan cannot be applied)"}
    if plan.purpose:
        facts["Purpose"] = plan.purpose
    facts["Changes"] = " ".join(changes) or "none"
    facts["Mode"] = " ".join(mode_sentences(plan))
    if plan.excluded_changes:
        facts["Excluded"] = pluralize(len(plan.excluded_changes), "change")
    facts["Findings"] = " ".join(map(str, plan.findings[:MAX_LISTED])) or "none"
    facts["Digest"] = plan.digest
    mark = "BLOCKED" if plan.blocked else ""
    return Card(f"Plan {plan.digest[:12]}", facts, mark=mark)
