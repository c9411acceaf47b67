"""Arrange a review as titled sections for Markdown, plain text, and Excel workbooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from frgroups.api.environments import environment_of
from frgroups.internals.formatting import format_utc, pluralize, total_hours
from frgroups.plan.plan import Plan
from frgroups.review.approval import VALID_FOR
from frgroups.review.customer_names import WATERMARK
from frgroups.review.excluded_customers import EXCLUDED_NOTE, excluded_customers, excluded_title
from frgroups.review.large_changes import large_change_sentences
from frgroups.review.limit_rows import limit_rows, own_limits, result_texts
from frgroups.review.plan_sentences import (
    DIGEST_CHECK,
    DIGEST_NOTE,
    NO_SECOND_APPROVAL,
    REJECTION_CONSEQUENCES,
    approval_consequences,
    blocked_advice,
    blocked_text,
    can_be_approved,
    customers_sentence,
    empty_columns,
    finding_text,
    group_origin,
    group_sentence,
    groups_by_severity,
    headline,
    mode_texts,
    moves_sentences,
    open_change_sentences,
    operations_order,
    operations_table,
    plan_expires,
    readable_operations,
    review_findings,
    top_warnings,
)
from frgroups.review.plan_status import Notice, PlanStatus, is_approved, status_title
from frgroups.review.wider_limits import WiderLimits, wider_limits
from frgroups.snapshot.snapshot import Snapshot


@dataclass(frozen=True, eq=False)
class Section:
    """
    A section of a review.

    Attributes
    ----------
    title
        The heading.
    alarms
        Warnings, which are displayed before `lines`.
    lines
        Sentences to show as a list.
    table
        Table to show last, or None.
    is_all
        Whether the table contains all changes of the plan.
    """

    title: str
    alarms: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    table: pd.DataFrame | None = None
    is_all: bool = False


def review_sections(
    plan: Plan, personal: Snapshot | None = None, status: PlanStatus | None = None, notices: Sequence[Notice] = ()
) -> list[Section]:
    """Return all sections: summary, groups, findings, limits, decision, excluded customers, and changes."""
    results = None if status is None else status.results
    can_decide = can_be_approved(plan) and status is None
    findings = tuple(finding_text(finding) for finding in review_findings(plan, can_decide=can_decide))
    sections = [_summary_section(plan, personal, status, notices)]
    if plan.groups:
        lines = tuple(
            f"{group_sentence(plan, group, results)} {group_origin(plan, group)}".rstrip()
            for group in groups_by_severity(plan)
        )
        sections.append(Section("Groups", lines=lines))
    sections.append(Section("Findings", lines=findings or ("None.",)))
    sections.append(Section("Limits", lines=tuple(own_limits(plan)), table=_limits_table(plan, can_decide)))
    if can_decide:
        sections.append(_decision_section(plan, is_approved=is_approved(notices)))
    if plan.excluded_changes:
        sections.append(Section(excluded_title(plan), lines=(EXCLUDED_NOTE,), table=excluded_customers(plan)))
    operations = operations_table(plan, personal, results)
    if len(operations):
        title = pluralize(len(operations), "change")
        order = operations_order(operations)
        table = readable_operations(operations.drop(columns=empty_columns(operations)))
        sections.append(Section(title, lines=(order,) if order else (), table=table, is_all=True))
    return sections


def _summary_section(
    plan: Plan, personal: Snapshot | None, status: PlanStatus | None, notices: Sequence[Notice]
) -> Section:
    alarms = []
    if status is not None:
        alarms.append(str(status))
        alarms += [f"Warning: {text}" for text in open_change_sentences(plan, status.results, personal)]
    if personal is not None:
        alarms.append(WATERMARK)
    elif plan.blocked:
        alarms.append(f"BLOCKED: {blocked_text(plan)} {blocked_advice(plan)}")
    results = None if status is None else status.results
    is_started = results is not None
    # Large changes are listed only before the run, because the warnings are for the decision.
    large_changes = [] if is_started else large_change_sentences(plan)
    alarms += [f"Warning: {message}" for message in (*top_warnings(plan), *large_changes)]
    alarms += [str(notice) for notice in notices]
    # Wide limits are listed only if a decision is possible, because they do not matter afterwards.
    wider = wider_limits(plan) if status is None else WiderLimits()
    if wider:
        alarms += [f"Warning: {wider.blocked}"] if wider.blocked else []
        alarms += filter(None, (wider.title, *wider.lines))
    title = headline(plan, status_title(plan, status), results)
    return Section(f"Review: {title}", tuple(alarms), tuple(_summary_lines(plan, status)))


def _summary_lines(plan: Plan, status: PlanStatus | None) -> Iterator[str]:
    environment = environment_of(plan.base_url)
    if plan.purpose:
        yield f"Purpose: {plan.purpose}"
    if plan.base_url is None:
        yield f"Target: tenant {plan.tenant_uid}. {environment.description}"
    else:
        yield f"Target: {environment.title}, {plan.base_url}, tenant {plan.tenant_uid}. {environment.description}"
    yield f"Created: {format_utc(plan.planned_at)}, based on data read at {format_utc(plan.snapshot_taken_at)}"
    results = None if status is None else status.results
    if results is None:
        yield from mode_texts(plan)
    customers = customers_sentence(plan, results)
    if customers:
        yield customers
        moves = moves_sentences(plan)
        if moves and results is None:
            yield moves
        if can_be_approved(plan) and status is None:
            yield str(plan.request_estimate)


def _limits_table(plan: Plan, can_decide: bool) -> pd.DataFrame:
    texts = result_texts(plan, can_decide=can_decide)
    shown = limit_rows(plan, can_decide=can_decide)
    rows = [[row.limit, row.plan, row.allowed, row.usual, texts[row.result]] for row in shown]
    table = pd.DataFrame(rows, columns=["Limit", "This plan", "Allowed", "Usual", "Result"], dtype="str")
    return table if wider_limits(plan) else table.drop(columns="Usual")


def _decision_section(plan: Plan, *, is_approved: bool) -> Section:
    expires = plan_expires(plan)
    lines = [
        DIGEST_CHECK.replace("this page", "this review"),
        NO_SECOND_APPROVAL
        if is_approved
        else f"To approve the plan, send this text to the operator: approved {plan.digest[:12]}",
        f"To reject the plan, send this text and the reason to the operator: rejected {plan.digest[:12]}",
        "No changes are sent without an approval.",
        approval_consequences(plan),
        REJECTION_CONSEQUENCES,
    ]
    if not is_approved:
        lines.append(f"An approval is valid for {total_hours(VALID_FOR):g} hours after it is given.")
    if expires is not None:
        lines.append(f"The plan expires on {format_utc(expires)}.")
    lines += [f"Plan code: {plan.digest}", DIGEST_NOTE]
    return Section("Approve or reject", lines=tuple(lines))
