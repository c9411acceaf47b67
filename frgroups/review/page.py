"""Render the review page as one HTML file without external resources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from frgroups.api.environments import environment_of
from frgroups.internals.formatting import agree, total_hours
from frgroups.internals.html import render_page
from frgroups.plan.finding import Finding
from frgroups.plan.limit_overrides import wider_values
from frgroups.plan.limits import Limits
from frgroups.plan.plan import Plan
from frgroups.review.approval import VALID_FOR
from frgroups.review.customer_names import WATERMARK
from frgroups.review.decision_record import changes_key
from frgroups.review.excluded_customers import EXCLUDED_NOTE, excluded_customers, excluded_title
from frgroups.review.groups_section import group_picture
from frgroups.review.large_changes import large_change_sentences, large_change_text
from frgroups.review.limit_rows import (
    describe_limits,
    limit_rows,
    off_texts,
    own_limits,
    result_texts,
)
from frgroups.review.operations_section import operations_view
from frgroups.review.plan_sentences import (
    DIGEST_CHECK,
    DIGEST_NOTE,
    MAX_TOP_WARNINGS,
    MODE_LABELS,
    NO_SECOND_APPROVAL,
    REJECTION_CONSEQUENCES,
    TOP_RULES,
    approval_consequences,
    blocked_advice,
    blocked_groups,
    blocked_text,
    can_be_approved,
    customers_sentence,
    group_origin,
    groups_by_severity,
    headline,
    mode_texts,
    moves_sentences,
    open_change_sentences,
    operations_table,
    plan_expires,
    review_findings,
    top_warnings,
)
from frgroups.review.plan_status import Notice, PlanStatus, is_approved, status_title
from frgroups.review.run_results import RunResults
from frgroups.review.wider_limits import WiderLimits, wider_limits
from frgroups.snapshot.snapshot import Snapshot

# Maximum numbers of blocking findings, finding rules, and groups at the top of the page.
FIRST_BLOCKING = 6
FIRST_RULES = 4
PICTURED_GROUPS = 6
MAX_EXCLUDED = 200  # Maximum number of excluded changes in the table on the page.
MAX_LISTED = 1_000  # Maximum number of groups or findings in a list on the page.


@dataclass(frozen=True, slots=True)
class FindingItem:
    """
    A finding on the review page.

    Attributes
    ----------
    message
        The text of the finding.
    level
        "blocking", "warning", or "note".
    similar
        Sentence about further findings of the same rule that are not shown in the list, or "".
    limits
        The limits that would allow the change, in words, or "".
    """

    message: str
    level: str
    similar: str = ""
    limits: str = ""


def review_html(
    plan: Plan, personal: Snapshot | None = None, status: PlanStatus | None = None, notices: Sequence[Notice] = ()
) -> str:
    """
    Render the review page of a plan as HTML.

    The same plan in the same state always results in the same HTML.

    Examples
    --------
    >>> page = review_html(plan_memberships(sample_snapshot(), {"vip": ["c-7"]}))
    >>> "1 customer joins VIP (2 -&gt; 3 members)." in page
    True
    """
    groups = groups_by_severity(plan)
    blocked = blocked_groups(plan)
    excluded = excluded_customers(plan)
    # Wide limits are listed only if a decision is possible, because they do not matter afterwards.
    wider = wider_limits(plan) if status is None else WiderLimits()
    title, results = status_title(plan, status), None if status is None else status.results
    can_decide = can_be_approved(plan) and status is None
    findings = review_findings(plan, can_decide=can_decide)
    first_findings = _first_findings(findings, plan.limits)
    rows = limit_rows(plan, can_decide=can_decide)
    # Large changes are listed only before the run, because the warnings are for the decision.
    large_changes = large_change_sentences(plan) if results is None else []
    n_top = min(sum(finding.rule in TOP_RULES for finding in plan.findings), MAX_TOP_WARNINGS)
    return render_page(
        "review/page.html",
        style="review/page.css",
        scripts=("review/page.js", "review/approval.js"),
        plan=plan,
        status=status,
        notices=notices,
        has_names=personal is not None,
        watermark=WATERMARK,
        environment=environment_of(plan.base_url),
        short_digest=plan.digest[:12],
        digest_check=DIGEST_CHECK,
        digest_note=DIGEST_NOTE,
        approval_consequences=approval_consequences(plan),
        is_approved=is_approved(notices),
        no_second_approval=NO_SECOND_APPROVAL,
        rejection_consequences=REJECTION_CONSEQUENCES,
        changes_key=changes_key(plan),
        title=title,
        results=results,
        open_changes=open_change_sentences(plan, results, personal),
        headline=headline(plan, title, results),
        paragraphs=_introduction(plan, results),
        n_findings=len(plan.findings),
        can_be_approved=can_decide,
        blocked_text=blocked_text(plan),
        blocked_advice=blocked_advice(plan),
        limits=rows,
        off=off_texts(plan),
        limits_open=bool(wider) or any(row.result == "over" for row in rows),
        result_texts=result_texts(plan, can_decide=can_decide),
        top_warnings=[*top_warnings(plan), *large_changes],
        wider=wider,
        own_limits=own_limits(plan),
        excluded=list(excluded.itertuples(index=False, name=None)),
        excluded_columns=list(excluded),
        excluded_title=excluded_title(plan),
        excluded_note=EXCLUDED_NOTE,
        max_excluded=MAX_EXCLUDED,
        first_findings=first_findings,
        n_shown=len(first_findings) + n_top,
        findings=[_finding_item(finding, plan.limits) for finding in findings[:MAX_LISTED]],
        groups=groups,
        mode_labels=MODE_LABELS,
        origins={group.uid: group_origin(plan, group) for group in groups},
        large_changes={group.uid: large_change_text(group) for group in groups},
        blocked_groups=blocked,
        pictures=[
            group_picture(plan, group, is_blocked=group.uid in blocked, results=results)
            for group in groups[:PICTURED_GROUPS]
        ],
        max_listed=MAX_LISTED,
        approval_hours=f"{total_hours(VALID_FOR):g}",
        expires=plan_expires(plan),
        digest_parts=[plan.digest[start : start + 4] for start in range(0, len(plan.digest), 4)],
        operations=operations_view(operations_table(plan, personal, results)),
        has_customer_details=personal is not None or plan.customer_facts() is not None,
    )


def _introduction(plan: Plan, results: RunResults | None) -> list[str]:
    paragraphs = [customers_sentence(plan, results)]
    if results is None:
        paragraphs += [" ".join(mode_texts(plan)), moves_sentences(plan)]
    if plan.purpose:
        paragraphs.insert(0, f"Purpose: {plan.purpose}")
    return [paragraph for paragraph in paragraphs if paragraph]


def _first_findings(findings: Sequence[Finding], limits: Limits) -> list[FindingItem]:
    """
    Return the findings for the top of the page, most important first.

    The list contains the first blocking findings, followed by one finding for each of the most important other rules.
    Warnings with a rule in `TOP_RULES` are omitted, because the page shows them in a separate list.
    """
    by_rule: dict[str, list[Finding]] = {}
    blocking = []
    for finding in findings:
        if finding.blocking:
            blocking.append(finding)
        elif finding.rule not in TOP_RULES:
            by_rule.setdefault(finding.rule, []).append(finding)
    items = [_finding_item(finding, limits) for finding in blocking[:FIRST_BLOCKING]]
    for first, *similar in list(by_rule.values())[:FIRST_RULES]:
        items.append(_finding_item(first, limits, similar))
    return items


def _finding_item(finding: Finding, limits: Limits, similar: Sequence[Finding] = ()) -> FindingItem:
    if finding.blocking:
        return FindingItem(finding.message, "blocking", limits=describe_limits(wider_values(finding, limits)))
    level = "warning" if finding.is_warning else "note"
    return FindingItem(finding.message, level, _similar_sentence(similar))


def _similar_sentence(similar: Sequence[Finding]) -> str:
    n = len(similar)
    if not n:
        return ""
    if all(finding.customer_group_uid for finding in similar):
        return f"The same applies to {n:,} more {agree(n, 'group', 'groups')}."
    return f"There {agree(n, 'is', 'are')} {n:,} more {agree(n, 'finding', 'findings')} of this kind."
