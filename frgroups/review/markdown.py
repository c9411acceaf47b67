"""The review as Markdown and as plain text."""

from __future__ import annotations

import re

import pandas as pd

from frgroups.internals.formatting import escape_invisible
from frgroups.plan.plan import Plan
from frgroups.review.outline import Section, outline
from frgroups.snapshot.snapshot import Snapshot


def review_markdown(plan: Plan, personal: Snapshot | None = None) -> str:
    """
    The review as Markdown, every operation included: totals, findings, limits, removals first.

    >>> print(review_markdown(plan_memberships(sample_snapshot(), {"vip": ["c-7"]})).splitlines()[0])
    # Review: 1 customer joins, in 1 customer group
    """
    first, *rest = outline(plan, personal)
    parts = [_section("#", first), *(_section("##", one) for one in rest)]
    return "\n".join(line for part in parts for line in part).rstrip("\n") + "\n"


def review_text(plan: Plan, personal: Snapshot | None = None) -> str:
    """
    The same as plain text, for a terminal, a ticket or an e-mail; columns are wide enough for what they hold.

    >>> print(review_text(plan_memberships(sample_snapshot(), {"vip": ["c-7"]})).splitlines()[0])
    Review: 1 customer joins, in 1 customer group
    """
    lines = []
    for at, section in enumerate(outline(plan, personal)):
        title = escape_invisible(section.title)
        lines += [title, ("-" if at else "=") * len(title), ""]
        lines += [escape_invisible(f"!! {alarm}") for alarm in section.alarms]
        lines += [escape_invisible(f"- {line}") for line in section.lines]
        lines += [escape_invisible(f"    {command}") for command in section.commands]
        if section.table is not None:
            lines += [*([""] if section.lines else []), *_padded(section.table)]
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def _section(level: str, section: Section) -> list[str]:
    lines = [f"{level} {_md(section.title)}", ""]
    lines += [text for alarm in section.alarms for text in (f"**{_md(alarm)}**", "")]
    lines += [*(f"- {_md(line)}" for line in section.lines), *([""] if section.lines else [])]
    lines += [*(f"      {command}" for command in section.commands), *([""] if section.commands else [])]
    if section.table is not None:
        lines += [*_md_table(list(section.table.columns), section.table.to_numpy().tolist()), ""]
    return lines


def _md(text: object) -> str:
    """Text that Markdown shows as it is; the last pattern is what begins a quote, heading or list."""
    inline = re.sub(r"([\\`*_\[\]<&|~])", r"\\\1", escape_invisible(text))
    return re.sub(r"^(\s*\d*)([>#+.)-])", r"\1\\\2", inline)


def _md_table(columns: list[str], rows: list[list[str]]) -> list[str]:
    head = [f"| {' | '.join(map(_md, columns))} |", f"|{' --- |' * len(columns)}"]
    return head + [f"| {' | '.join(map(_md, row))} |" for row in rows]


def _padded(table: pd.DataFrame) -> list[str]:
    rows = [list(table.columns), *([escape_invisible(value) for value in row] for row in table.to_numpy().tolist())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
