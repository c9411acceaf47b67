"""Render the review page as one HTML file without external resources."""

from __future__ import annotations

from dataclasses import dataclass

from frgroups.api.environments import environment_of
from frgroups.internals.formatting import total_hours
from frgroups.internals.html import render_page
from frgroups.plan.finding import Finding
from frgroups.plan.plan import Plan
from frgroups.plan.plan_summary import mode_sentences
from frgroups.review.approval import VALID_FOR
from frgroups.review.customer_names import WATERMARK
from frgroups.review.decision_record import changes_key
from frgroups.review.groups_section import group_picture
from frgroups.review.limit_rows import RESULT_TEXTS, describe_limits, limit_rows, own_limits
from frgroups.review.operations_section import operations_view
from frgroups.review.plan_sentences import (
    DIGEST_NOTE,
    blocked_advice,
    blocked_groups,
    blocked_text,
    can_be_approved,
    customers_sentence,
    findings_by_severity,
    groups_by_severity,
    headline,
    moves_sentences,
    operations_table,
    plan_expires,
)
from frgroups.snapshot.snapshot import Snapshot

# Maximum numbers of blocking findings, finding rules, and groups at the top of the page.
FIRST_BLOCKING = 6
FIRST_RULES = 4
PICTURED_GROUPS = 6
MAX_LISTED = 1_000  # Maximum number of groups or findings in a list on the page.


@dataclass(frozen=True, slots=True)
class FindingItem:
    """
    A finding on the review page.

    Attributes
    ----------
    message
        The text of the finding.
    is_blocking
        Whether the finding blocks the plan.
    n_similar
        Number of further findings of the same rule that are not shown in the list.
    limits
        The limits that would allow the change, in words, or "".
    """

    message: str
    is_blocking: bool
    n_similar: int = 0
    limits: str = ""


def review_html(plan: Plan, personal: Snapshot | None = None) -> str:
    """
    Render the review page of a plan as HTML.

    The same plan always results in the same HTML.

    Examples
    --------
    >>> page = review_html(plan_memberships(sample_snapshot(), {"vip": ["c-7"]}))
    >>> "1 customer joins VIP (2 -&gt; 3 members)." in page
    True
    """
    groups = groups_by_severity(plan)
    blocked = blocked_groups(plan)
    return render_page(
        "review/page.html",
        style="review/page.css",
        scripts=("review/page.js", "review/approval.js"),
        plan=plan,
        has_names=personal is not None,
        watermark=WATERMARK,
        environment=environment_of(plan.base_url),
        short_digest=plan.digest[:12],
        digest_note=DIGEST_NOTE,
        changes_key=changes_key(plan),
        headline=headline(plan),
        paragraphs=_introduction(plan),
        n_findings=len(plan.findings),
        can_be_approved=can_be_approved(plan),
        blocked_text=blocked_text(plan),
        blocked_advice=blocked_advice(plan),
        limits=limit_rows(plan),
        result_texts=RESULT_TEXTS,
        own_limits=own_limits(plan),
        first_findings=_first_findings(plan),
        findings=[_finding_item(finding) for finding in findings_by_severity(plan)[:MAX_LISTED]],
        groups=groups,
        blocked_groups=blocked,
        pictures=[group_picture(group, is_blocked=group.uid in blocked) for group in groups[:PICTURED_GROUPS]],
        max_listed=MAX_LISTED,
        approval_hours=f"{total_hours(VALID_FOR):g}",
        expires=plan_expires(plan),
        digest_parts=[plan.digest[start : start + 4] for start in range(0, len(plan.digest), 4)],
        operations=operations_view(operations_table(plan, personal)),
        has_customer_details=personal is not None or plan.customer_facts() is not None,
    )


def _introduction(plan: Plan) -> list[str]:
    paragraphs = [customers_sentence(plan), " ".join(mode_sentences(plan)), moves_sentences(plan)]
    if plan.purpose:
        paragraphs.insert(0, f"Purpose: {plan.purpose}")
    return [paragraph for paragraph in paragraphs if paragraph]


def _first_findings(plan: Plan) -> list[FindingItem]:
    """Return the findings for the top of the page: blocking findings, then one finding per non-blocking rule."""
    blocking = [finding for finding in plan.findings if finding.blocking]
    by_rule: dict[str, list[Finding]] = {}
    for finding in plan.findings:
        if not finding.blocking:
            by_rule.setdefault(finding.rule, []).append(finding)
    items = [_finding_item(finding) for finding in blocking[:FIRST_BLOCKING]]
    for findings in list(by_rule.values())[:FIRST_RULES]:
        items.append(_finding_item(findings[0], n_similar=len(findings) - 1))
    return items


def _finding_item(finding: Finding, *, n_similar: int = 0) -> FindingItem:
    if not finding.blocking:
        return FindingItem(finding.message, False, n_similar)
    return FindingItem(finding.message, True, limits=describe_limits(finding.allow))
