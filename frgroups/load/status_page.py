"""Render the status of several tenants as a self-contained HTML page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from frgroups.api.environments import environment_label
from frgroups.internals.formatting import format_duration, format_size
from frgroups.internals.html import render_page
from frgroups.internals.timestamps import parse_duration
from frgroups.load.tenant_status import configured_rows, status_summary

_OK = "fresh and consistent"
# Problems that can be solved by loading the tenant again. All other problems require a manual action.
_WARNINGS = {"old", "drifted", "unverifiable", "smaller"}
_COUNTS = {"Groups": "n_groups", "Customers": "n_customers", "Memberships": "n_memberships"}
_SORT_NEVER = 10**18  # Sort key for tenants that were never loaded. Other tenants are sorted by age in seconds.


@dataclass(frozen=True, slots=True)
class Mark:
    """Colored label on the status page, with the severity "good", "warn", or "bad"."""

    severity: str
    text: str


@dataclass(frozen=True, slots=True)
class NumberCell:
    """Table cell that contains a number and is grayed out if `is_empty` is True."""

    label: str
    text: str
    sort_key: int
    is_empty: bool


@dataclass(frozen=True, slots=True)
class TenantRow:
    """Table row of a tenant. The attribute `taken_at` is None if the tenant was never loaded."""

    name: str
    tenant_uid: str
    in_config: bool
    ok: bool
    base_url: str
    host: str
    taken_at: datetime | None
    age: str
    age_seconds: int
    marks: list[Mark]
    detail: str
    numbers: list[NumberCell]


def status_html(table: pd.DataFrame, *, max_age: timedelta | str = "24h", now: datetime | None = None) -> str:
    """
    Return the status page as an HTML string.

    Parameters
    ----------
    table
        Result of `tenant_status`.
    max_age
        Value of `max_age` that was passed to `tenant_status`.
    now
        Time relative to which ages are calculated. None is the current time.

    Examples
    --------
    >>> path = save_snapshot(sample_snapshot())
    >>> "0 of 1 tenant has a fresh and consistent snapshot" in status_html(tenant_status())
    True
    """
    if now is None:
        now = datetime.now(UTC)
    counted_rows = configured_rows(table)
    return render_page(
        "load/status_page.html",
        style="load/status_page.css",
        scripts=("load/status_page.js",),
        now=now,
        headline=status_summary(table).rstrip(".").partition(";")[0],
        shares=_shares(counted_rows),
        legend=_legend(counted_rows),
        max_age=format_duration(parse_duration(max_age)),
        totals=_totals(table, counted_rows),
        number_labels=[*_COUNTS, "Snapshots", "Size"],
        rows=[_tenant_row(row, now) for row in table.to_dict("records")],
        n_others=len(table) - len(counted_rows),
    )


def _shares(table: pd.DataFrame) -> dict[str, int]:
    """Return the number of tenants with each severity ("good", "warn", or "bad")."""
    severities = [_severity(problems) for problems in table["problem"]]
    return {severity: severities.count(severity) for severity in ("good", "warn", "bad")}


def _legend(table: pd.DataFrame) -> list[Mark]:
    """
    Return one label per problem for the legend, with the number of affected tenants.

    A tenant that has several problems is counted for each problem.
    """
    problems = table["problem"].str.split(", ").explode()
    counts = {str(problem): n for problem, n in problems.value_counts().sort_index().items()}
    n_ok = counts.pop("", 0)
    marks = [Mark(_severity(problem), f"{n:,} {problem}") for problem, n in counts.items()]
    if n_ok:
        marks.insert(0, Mark("good", f"{n_ok:,} {_OK}"))
    return marks


def _totals(table: pd.DataFrame, counted_rows: pd.DataFrame) -> dict[str, str]:
    totals = {label: f"{int(counted_rows[column].fillna(0).sum()):,}" for label, column in _COUNTS.items()}
    totals["Snapshots"] = f"{int(table['n_snapshots'].sum()):,}"
    totals["On disk"] = format_size(int(table["total_bytes"].sum())) or "nothing"
    return totals


def _tenant_row(row: dict[Any, Any], now: datetime) -> TenantRow:
    taken_at, age, age_seconds = None, "never", _SORT_NEVER
    if not pd.isna(row["taken_at"]):
        taken_at, age = row["taken_at"], row["age"]
        age_seconds = round((now - taken_at).total_seconds())
    numbers = [_number_cell(label, row[column]) for label, column in _COUNTS.items()]
    numbers.append(_number_cell("Snapshots", row["n_snapshots"]))
    size = row["size_bytes"]
    numbers.append(NumberCell("Size", format_size(size) or "–", size, is_empty=size == 0))
    return TenantRow(
        name=row["name"] or row["tenant_uid"],
        tenant_uid=row["tenant_uid"] if row["name"] else "",
        in_config=row["in_config"],
        ok=row["ok"],
        base_url=row["base_url"],
        host=environment_label(row["base_url"]).lower() or row["host"],
        taken_at=taken_at,
        age=age,
        age_seconds=age_seconds,
        marks=_marks(row["problem"]),
        detail=_detail(row),
        numbers=numbers,
    )


def _number_cell(label: str, n: Any) -> NumberCell:
    if pd.isna(n):
        return NumberCell(label, "–", -1, is_empty=True)
    return NumberCell(label, f"{n:,}", n, is_empty=n == 0)


def _marks(problems: str) -> list[Mark]:
    if not problems:
        return [Mark("good", _OK)]
    return [Mark(_severity(problem), problem) for problem in problems.split(", ")]


def _detail(row: dict[Any, Any]) -> str:
    """Return details about a tenant's problems that are not shown in the colored labels, or an empty string."""
    if not row["problem"]:
        return ""
    details = []
    if row["detail"] != row["problem"]:
        details.append(row["detail"])
    if row["verdict"] == "consistent":
        details.append("the snapshot was consistent when it was loaded")
    return "; ".join(details)


def _severity(problems: str) -> str:
    if not problems:
        return "good"
    if set(problems.split(", ")) <= _WARNINGS:
        return "warn"
    return "bad"
