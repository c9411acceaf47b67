"""Publish the findings of the health report without small counts."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pandas as pd

from frgroups.analysis.suggested_plans import limits_to_empty
from frgroups.analysis.table_rows import iter_rows
from frgroups.internals.counts import is_small
from frgroups.internals.formatting import agree
from frgroups.report.content import ReportedFinding

MAX_FINDINGS_PER_TYPE = 5
MAX_NAMES = 20
# In findings of these types, the column n is a number of groups. Therefore, it is never suppressed as a small count.
_FINDINGS_ABOUT_NAMES = ("same_name", "similar_name")
# This pattern matches numbers in the evidence that do not count customers and are therefore not suppressed.
_OTHER_NUMBERS = re.compile(r"\d{4}-\d\d-\d\d|[\d.,]+%|\d+ rereads?|Number of other [^:]*: [\d,]+")


def published_findings(findings: pd.DataFrame, min_count: int) -> tuple[ReportedFinding, ...]:
    """
    Return the first findings of each type.

    If a type has more findings, the last returned finding of this type names the groups of the omitted findings.
    """
    published = []
    for _, rows in findings.groupby(["severity", "finding"], sort=False):
        listed = [_published_finding(row, min_count) for row in iter_rows(rows.head(MAX_FINDINGS_PER_TYPE))]
        if n_others := len(rows) - len(listed):
            others_shown = rows.iloc[len(listed) : len(listed) + MAX_NAMES]
            names = [_finding_group(row) for row in iter_rows(others_shown)]
            if n_unnamed := n_others - len(names):
                names.append(f"{n_unnamed:,} more")
            noun = agree(n_others, "finding", "findings")
            others = f"{n_others:,} more {noun} of this type: {'; '.join(names)}."
            listed[-1] = replace(listed[-1], others=others)
        published += listed
    return tuple(published)


def _published_finding(row: Any, min_count: int) -> ReportedFinding:
    """Convert a row of the health report to a finding in which small counts of customers are suppressed."""
    evidence, action = row.evidence, row.suggested_action
    names = [name for name in (row.name, row.other_name) if isinstance(name, str)]
    counts_customers = row.finding not in _FINDINGS_ABOUT_NAMES
    if counts_customers and (is_small(row.n, min_count) or _contains_small_number(evidence, names, min_count)):
        evidence = "The evidence contains a small count, which is suppressed."
        # The suggested action contains limits that allow the removal of all members.
        # Replace these limits, because they would reveal the number of members.
        limits = ", ".join(f"{name}={value}" for name, value in limits_to_empty(min_count).items())
        action = re.sub(r"fg\.Limits\([^()]*\)", f"fg.Limits({limits})", action)
    text, separator, code = action.partition(": fg.")
    if separator:
        text, code = f"{text}:", f"fg.{code}"
    owner = row.owner if isinstance(row.owner, str) else ""
    return ReportedFinding(row.severity, row.finding, _finding_group(row), owner, evidence, text, code)


def _finding_group(row: Any) -> str:
    """Return the names of a finding's groups, joined with "and". If no group has a name, return the group uid."""
    names = dict.fromkeys(name for name in (row.name, row.other_name) if isinstance(name, str) and name)
    return " and ".join(names) or str(row.customer_group_uid)


def _contains_small_number(text: str, names: list[str], min_count: int) -> bool:
    """
    Return True if a string states a number of customers that is small enough to be suppressed.

    The function ignores numbers that are part of a group name, dates, and percentages. It also ignores how often a
    group was read again, and the number of other groups.
    """
    for name in names:
        if name:
            text = text.replace(name, "")
    text = _OTHER_NUMBERS.sub("", text)
    return any(is_small(int(number.replace(",", "")), min_count) for number in re.findall(r"\d[\d,]*", text))
