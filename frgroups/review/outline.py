"""A review as titled sections of lines and tables, which Markdown, text and the workbook only write differently."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from frgroups.api.environments import environment_of
from frgroups.internals.formatting import format_utc, total_hours
from frgroups.plan.plan import Plan
from frgroups.review import plan_text as facts
from frgroups.review.approval import VALID_FOR
from frgroups.review.customer_names import WATERMARK
from frgroups.review.limit_rows import RESULTS, limit_checks, own_limits
from frgroups.review.spot_checks import advice, spot_checks
from frgroups.snapshot.snapshot import Snapshot


@dataclass(frozen=True, eq=False)
class Section:
    """A title, what must be seen first, a line per fact, commands, a table; `is_all` is the one of all operations."""

    title: str
    alarms: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    table: pd.DataFrame | None = None
    is_all: bool = False


def outline(plan: Plan, personal: Snapshot | None = None) -> list[Section]:
    """The whole review, every operation included: totals, findings, limits, the decision, removals first."""
    table = facts.operations(plan, personal)
    return [
        _head(plan, personal),
        *_if_any(Section("Groups", lines=tuple(facts.sentence(one) for one in facts.by_weight(plan)))),
        Section("Findings", lines=tuple(map(str, facts.findings_by_weight(plan))) or ("None.",)),
        Section("Limits", lines=tuple(own_limits(plan)), table=_limits(plan)),
        *_if_any(_decision(plan)),
        *_operations(plan, table),
    ]


def _head(plan: Plan, personal: Snapshot | None) -> Section:
    environment = environment_of(plan.base_url)
    alarms = [] if personal is None else [WATERMARK]
    if plan.blocked:
        alarms.append("BLOCKED: this plan breaks a limit and can be neither approved nor applied.")
    lines = [f"What for: {plan.purpose}"] if plan.purpose else []
    host = plan.base_url or "no host"
    lines += [
        f"Where: {environment.title}, {host}, tenant {plan.tenant_uid}. {environment.description}",
        f"Planned: {format_utc(plan.planned_at)}, from a reading of {format_utc(plan.snapshot_taken_at)}",
    ]
    if plan.reverts:
        lines.append(f"Takes back: plan {plan.reverts[:12]}")
    if customers := facts.customers_sentence(plan):
        lines += [customers, *facts.moves(plan), f"To apply it: {plan.cost}"]
    return Section(f"Review: {facts.headline(plan)}", tuple(alarms), tuple(lines))


def _if_any(section: Section) -> Iterator[Section]:
    if section.lines:
        yield section


def _limits(plan: Plan) -> pd.DataFrame:
    rows = [[one.limit, one.plan, one.allowed, RESULTS[one.state]] for one in limit_checks(plan)]
    return pd.DataFrame(rows, columns=["Limit", "This plan", "Allowed", "Result"], dtype="str")


def _decision(plan: Plan) -> Section:
    if plan.is_empty or plan.blocked or plan.base_url is None:
        return Section("To approve")
    short, until = plan.digest[:12], facts.plan_expires(plan)
    lines = [
        f"Digest: {plan.digest}",
        f"Code for the telephone: {facts.spoken_code(plan.digest)}",
        f"If you agree, tell the operator: approved {short}",
        f"An approval file is valid for {total_hours(VALID_FOR):g} hours from when it is given",
    ]
    if until is not None:
        lines.append(f"The plan itself can be applied until {format_utc(until)}")
    lines.append("The operator then runs these, the second with the file that the first writes:")
    commands = ('frgroups approve PLAN --by "WHO AGREED"', "frgroups apply PLAN --approve APPROVAL")
    return Section("To approve", lines=tuple(lines), commands=commands)


def _operations(plan: Plan, table: pd.DataFrame) -> Iterator[Section]:
    checks = spot_checks(plan, table)
    if len(checks):
        yield Section(f"{len(checks)} spot checks", lines=(advice(len(table)),), table=checks)
    if len(table):
        n = f"{len(table):,} {'operation' if len(table) == 1 else 'operations'}"
        yield Section(f"All {n}, removals first", table=table, is_all=True)
