"""Describe a plan as text and as an HTML card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frgroups.internals.formatting import agree, escape_invisible, escape_lines, pluralize
from frgroups.internals.html import Card, CardLine
from frgroups.plan.customer_origin import origin_text
from frgroups.plan.finding import Finding
from frgroups.plan.group_change import GroupChange
from frgroups.plan.limit_overrides import relaxed_limits
from frgroups.plan.listed_group import name_groups, unchanged_sentences
from frgroups.plan.modes import MODE_TEXTS, MODES, Mode
from frgroups.plan.moves import format_moves

if TYPE_CHECKING:
    from frgroups.plan.plan import Plan

# Maximum number of groups, and maximum number of findings, on the card.
MAX_LISTED = 5
# The card omits suggested limits if their text has more characters than this number.
MAX_LIMITS_LENGTH = 250
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
    lines += [change_and_origin(plan, group) for group in plan.groups]
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
    if isinstance(plan.mode, str):
        return [MODE_TEXTS[plan.mode], *unchanged_sentences(plan.listed_groups, plan.mode)]
    sentences = []
    for mode in MODES:
        listed = [group for group in plan.listed_groups if plan.mode_of(group.uid) == mode]
        if listed:
            sentences.append(f"{name_groups([group.name for group in listed])}: {MODE_TEXTS[mode]}")
            sentences += unchanged_sentences(listed, mode)
    return sentences


def change_sentence(plan: Plan, group: GroupChange) -> str:
    """
    Describe the planned change of a group, with its mode if the groups of the plan have different modes.

    Examples
    --------
    >>> modes = {"vip": "add", "staff": "mirror"}
    >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"], "staff": []}, mode=modes)
    >>> change_sentence(plan, plan.groups[1])
    '1 customer joins VIP (2 -> 3 members). The mode is add.'
    """
    if isinstance(plan.mode, str):
        return group.sentence()
    return f"{group.sentence()} The mode is {plan.mode_of(group.uid)}."


def change_and_origin(plan: Plan, group: GroupChange) -> str:
    """
    Describe the planned change of a group and the origin of its customers.

    If all customers come from a table, the sentence does not contain the origin, because a table has no name.
    However, the review page shows the origin of these customers.
    """
    origins = plan.origins.get(group.uid, ())
    origin = "" if [origin.kind for origin in origins] == ["table"] else origin_text(origins)
    sentence = change_sentence(plan, group)
    return f"{sentence} {origin}." if origin else sentence


def _empty_plan_lines(plan: Plan) -> list[str]:
    if plan.reverts:
        return [f"The plan changes nothing, because plan {plan.reverts[:12]} has no changes to undo."]
    nothing = f"The plan changes nothing in tenant {plan.tenant_uid}"
    if plan.excluded_changes:
        return [f"{nothing}, because all requested changes are excluded.", *mode_sentences(plan)]
    if not isinstance(plan.mode, str):
        return [f"{nothing}.", *mode_sentences(plan)]
    mode, *unchanged = mode_sentences(plan)
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
    facts: dict[str, str | list[CardLine]] = {
        "Tenant": plan.tenant_uid,
        "Host": plan.base_url or "none (the plan cannot be applied)",
    }
    if plan.purpose:
        facts["Purpose"] = plan.purpose
    facts["Changes"] = (
        _limited([CardLine(change_and_origin(plan, group)) for group in plan.groups], "group") or "none"
    )
    facts["Mode"] = [CardLine(sentence) for sentence in mode_sentences(plan)]
    if plan.groups:
        n_members = sum(len(group.baseline) for group in plan.groups)
        facts["Members who stay"] = f"{n_members - plan.n_remove:,} of {n_members:,}"
    if plan.excluded_changes:
        facts["Excluded"] = _excluded_lines(plan)
    facts["Findings"] = _limited([_finding_line(finding) for finding in plan.findings], "finding") or "none"
    facts["Next step"] = _next_step(plan)
    facts["Digest"] = plan.digest
    mark = "BLOCKED" if plan.blocked else ""
    return Card(f"Plan {plan.digest[:12]}", facts, mark=mark)


def _excluded_lines(plan: Plan) -> list[CardLine]:
    """Return card lines with the number of all excluded changes and the number of changes excluded by a holdout."""
    lines = [CardLine(pluralize(len(plan.excluded_changes), "change"))]
    n_held_out = sum(change.rule == "holdout" for change in plan.excluded_changes)
    if n_held_out:
        lines.append(CardLine(f"{pluralize(n_held_out, 'addition')} because of a holdout"))
    return lines


def _limited(lines: list[CardLine], what: str) -> list[CardLine]:
    """Return at most `MAX_LISTED` lines, followed by a line with the number of omitted lines."""
    n_more = len(lines) - MAX_LISTED
    if n_more <= 0:
        return lines
    return [*lines[:MAX_LISTED], CardLine(f"And {n_more:,} more {agree(n_more, what, f'{what}s')}.")]


def _finding_line(finding: Finding) -> CardLine:
    return CardLine(finding.message, "BLOCKED" if finding.blocking else "Note", is_alarm=finding.blocking)


def _next_step(plan: Plan) -> str:
    """Return a sentence that describes the next step for the plan, with the Python call."""
    if plan.is_empty:
        return "none"
    blocking = [finding for finding in plan.findings if finding.blocking]
    if not blocking:
        return 'Have the plan reviewed: fg.save_review(plan, "review.html")'
    mode = repr(plan.mode) if isinstance(plan.mode, str) else "{...}"
    call = "fg.plan_undo(receipt" if plan.reverts else f"fg.plan_memberships(snapshot, desired, mode={mode}"
    if not any(finding.allow for finding in blocking):
        return f"Load a new snapshot, and create a new plan: {call})"
    limits = repr(relaxed_limits(blocking, plan.limits)).replace("Limits(", "fg.Limits(")
    if len(limits) > MAX_LIMITS_LENGTH:
        limits = "fg.Limits(...)"
    return f"To allow these changes, create a new plan and have it reviewed: {call}, limits={limits})"
