"""Parts of a report: sections with charts, bars, tables, and findings."""

from __future__ import annotations

from dataclasses import dataclass

from frgroups.report.charts import Chart
from frgroups.report.show import ShownTable


@dataclass(frozen=True)
class Bar:
    """
    A bar of a simple bar chart.

    Attributes
    ----------
    label
        The label of the bar, for example a verdict.
    n
        The length of the bar.
    share
        The length as a percentage of the longest bar.
    """

    label: str
    n: int
    share: float


@dataclass(frozen=True)
class ReportedFinding:
    """
    A finding of the health report, as it is published.

    Attributes
    ----------
    severity, kind
        The severity and the type of the finding.
    group
        The name of the group. If the problem concerns two groups, the name of the second group follows.
    owner
        The owner of the group, or "".
    evidence
        The description of the problem.
    action, code
        The suggested action, and the Python code that performs this action, or "".
    others
        The groups of the findings that are not listed, or "". Only the last listed finding of a type has this text.
    """

    severity: str
    kind: str
    group: str
    owner: str
    evidence: str
    action: str
    code: str
    others: str = ""


@dataclass(frozen=True)
class Content:
    """
    A part of a section.

    Attributes
    ----------
    call
        The Python calls that produce the table and the chart, or a command.
    language
        The label of the call.
    chart
        A chart, or None.
    bars
        The bars of a simple bar chart that the page draws itself.
    table
        A table, or None.
    findings
        Findings of the health report.
    note
        A remark on the numbers in the chart and the table, or "".
    """

    call: str
    chart: Chart | None = None
    bars: tuple[Bar, ...] = ()
    table: ShownTable | None = None
    findings: tuple[ReportedFinding, ...] = ()
    note: str = ""
    language: str = "Python"


@dataclass(frozen=True)
class Section:
    """
    A section of a report.

    Attributes
    ----------
    key
        The anchor of the section.
    title
        The heading.
    summary
        The result in one sentence.
    contents
        The charts and tables.
    """

    key: str
    title: str
    summary: str
    contents: tuple[Content, ...]
