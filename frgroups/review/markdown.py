"""Write a review as Markdown or plain text."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from frgroups.internals.formatting import escape_invisible
from frgroups.plan.plan import Plan
from frgroups.review.plan_status import Notice, PlanStatus
from frgroups.review.sections import Section, review_sections
from frgroups.snapshot.snapshot import Snapshot


def review_markdown(
    plan: Plan, personal: Snapshot | None = None, status: PlanStatus | None = None, notices: Sequence[Notice] = ()
) -> str:
    """
    Return the review of a plan as Markdown.

    Examples
    --------
    >>> print(review_markdown(plan_memberships(sample_snapshot(), {"vip": ["c-7"]})).splitlines()[0])
    # Review: 1 addition to VIP
    """
    first, *rest = review_sections(plan, personal, status, notices)
    lines = _section_lines("#", first)
    for section in rest:
        lines += _section_lines("##", section)
    return "\n".join(lines).rstrip("\n") + "\n"


def review_text(
    plan: Plan, personal: Snapshot | None = None, status: PlanStatus | None = None, notices: Sequence[Notice] = ()
) -> str:
    """
    Return the review of a plan as plain text with aligned columns.

    Examples
    --------
    >>> print(review_text(plan_memberships(sample_snapshot(), {"vip": ["c-7"]})).splitlines()[0])
    Review: 1 addition to VIP
    """
    lines = []
    underline = "="
    for section in review_sections(plan, personal, status, notices):
        title = escape_invisible(section.title)
        lines += [title, underline * len(title), ""]
        underline = "-"
        lines += [escape_invisible(f"!! {alarm}") for alarm in section.alarms]
        lines += [escape_invisible(f"- {line}") for line in section.lines]
        if section.lines and section.table is not None:
            lines.append("")
        if section.table is not None:
            lines += _aligned_rows(section.table)
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def _section_lines(level: str, section: Section) -> list[str]:
    lines = [f"{level} {_md(section.title)}", ""]
    for alarm in section.alarms:
        lines += [f"**{_md(alarm)}**", ""]
    if section.lines:
        lines += [*(f"- {_md(line)}" for line in section.lines), ""]
    if section.table is not None:
        lines += [*_md_table(list(section.table.columns), section.table.to_numpy().tolist()), ""]
    return lines


def _md(text: object) -> str:
    """Escape a value for Markdown, including characters that start a quote, a heading, or a list."""
    inline = re.sub(r"([\\`*_\[\]<&|~])", r"\\\1", escape_invisible(text))
    return re.sub(r"^(\s*\d*)([>#+.)-])", r"\1\\\2", inline)


def _md_table(columns: list[str], rows: list[list[str]]) -> list[str]:
    head = [f"| {' | '.join(map(_md, columns))} |", f"|{' --- |' * len(columns)}"]
    return head + [f"| {' | '.join(map(_md, row))} |" for row in rows]


def _aligned_rows(table: pd.DataFrame) -> list[str]:
    rows = [list(table.columns), *([escape_invisible(value) for value in row] for row in table.to_numpy().tolist())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
