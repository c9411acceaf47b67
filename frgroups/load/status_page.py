"""The status of many tenants as one HTML file that asks nothing of the network."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from frgroups.api.environments import environment_label
from frgroups.internals.formatting import format_duration, format_size
from frgroups.internals.html import escaped, render_page, time_tag
from frgroups.internals.timestamps import parse_duration
from frgroups.load.tenant_status import is_questionable, status_summary

# Headings, and which of them stand over numbers.
_HEAD = ("Tenant", "Host", "Age", "State", "Groups", "Customers", "Memberships", "Snapshots", "Size")
_NUMBERS = _HEAD[4:]
_FINE = "fresh and consistent"
# What may be mended by waiting or loading again; all else needs somebody.
_MILD = {"old", "drifted", "unverifiable"}


def status_html(table: pd.DataFrame, *, max_age: timedelta | str = "24h", now: datetime | None = None) -> str:
    """
    The page, of a table that `tenant_status` made with the same `max_age`.

    >>> path = save_snapshot(sample_snapshot())
    >>> "0 of 1 tenant fresh and consistent" in status_html(tenant_status())
    True
    """
    moment, own = now or datetime.now(UTC), is_questionable(table)
    headline = status_summary(table).rstrip(".").partition(";")[0]
    return render_page(
        "load/status_page",
        title=escaped(headline),
        moment=time_tag(moment),
        headline=escaped(headline),
        share=_share(own),
        legend=_legend(own),
        meaning=escaped(
            f"Fresh: read from the tenant no longer than {format_duration(parse_duration(max_age))} ago. "
            "Consistent: the reading proved that nobody was missed."
        ),
        totals=_totals(table, own),
        head="".join(f'<th scope="col"{_number_class(name)}>{name}</th>' for name in _HEAD),
        rows="".join(
            _row(dict(zip(map(str, table), row, strict=True)), moment) for row in table.itertuples(index=False)
        ),
        footer=_footer(table, own),
    )


def _share(own: pd.DataFrame) -> str:
    """A bar of how many are well, and how many are not."""
    kinds = [_kind(wrong) for wrong in own["wrong"]]
    bars, at = "", 0
    for kind in ("good", "warn", "bad"):
        n = kinds.count(kind)
        bars += f'<rect class="{kind}" x="{at}" width="{n}" height="1"/>' if n else ""
        at += n
    return f'<svg viewBox="0 0 {max(at, 1)} 1" preserveAspectRatio="none">{bars}</svg>'


def _legend(own: pd.DataFrame) -> str:
    """How many tenants each word is said of; of one tenant there may be several."""
    found = own["wrong"].str.split(", ").explode()
    counts = {str(word): n for word, n in found.value_counts().sort_index().items()}
    fine = counts.pop("", 0)
    marks = [_mark("good", f"{fine:,} {_FINE}")] if fine else []
    return "".join(marks + [_mark(_kind(word), f"{n:,} {word}") for word, n in counts.items()])


def _totals(table: pd.DataFrame, own: pd.DataFrame) -> str:
    columns = {"Groups": "n_groups", "Customers": "n_customers", "Memberships": "n_memberships"}
    items = {label: f"{int(own[column].fillna(0).sum()):,}" for label, column in columns.items()}
    items["Snapshots kept"] = f"{int(table['n_snapshots'].sum()):,}"
    items["On disk"] = format_size(int(table["total_bytes"].sum())) or "nothing"
    return "".join(f"<div><dt>{escaped(label)}</dt><dd>{escaped(value)}</dd></div>" for label, value in items.items())


def _row(row: dict[str, Any], now: datetime) -> str:
    name = row["name"] or row["tenant_uid"]
    under = "" if row["name"] == "" else f'<span class="sub mono">{escaped(row["tenant_uid"])}</span>'
    if not row["in_config"]:
        under += '<span class="sub">not in tenants.toml</span>'
    age, taken = "never", row["taken_at"]
    seconds, when = 1e18, ""
    if not pd.isna(taken):
        age, seconds = row["age"], (now - taken).total_seconds()
        when = f'<span class="sub">{time_tag(taken)}</span>'
    size = row["size_bytes"]
    counts = "".join(_count(row[f"n_{name.lower()}"], name) for name in ("Groups", "Customers", "Memberships"))
    return (
        f'<tr data-ok="{"yes" if row["ok"] else "no"}"{"" if row["in_config"] else " class=outside"}>'
        f'<th scope="row">{escaped(name)}{under}</th>'
        f'<td class="host" data-label="Host" title="{escaped(row["base_url"])}">{escaped(_host(row))}</td>'
        f'<td class="age" data-label="Age" data-sort="{seconds:.0f}">{escaped(age)} {when}</td>'
        f'<td class="state" data-label="State">{_state(row)}</td>{counts}'
        + _count(row["n_snapshots"], "Snapshots")
        + f'<td class="number{"" if size else " none"}" data-label="Size" data-sort="{size}">'
        f"{escaped(format_size(size) or '–')}</td></tr>"
    )


def _host(row: dict[str, Any]) -> str:
    return environment_label(row["base_url"]).lower() or row["host"]


def _state(row: dict[str, Any]) -> str:
    if not row["wrong"]:
        return _mark("good", _FINE)
    marks = "".join(_mark(_kind(word), word) for word in row["wrong"].split(", "))
    more = [] if row["detail"] == row["wrong"] else [row["detail"]]
    more += ["consistent when it was read"] if row["verdict"] == "consistent" else []
    return marks + (f'<span class="sub">{escaped("; ".join(more))}</span>' if more else "")


def _mark(kind: str, text: str) -> str:
    return f'<span class="mark {kind}">{escaped(text)}</span>'


def _kind(wrong: str) -> str:
    if not wrong:
        return "good"
    return "warn" if set(wrong.split(", ")) <= _MILD else "bad"


def _count(n: Any, label: str) -> str:
    missing = pd.isna(n)
    kind = "number none" if missing or n == 0 else "number"
    return (
        f'<td class="{kind}" data-label="{label}" data-sort="{-1 if missing else n}">'
        f"{'–' if missing else f'{n:,}'}</td>"
    )


def _footer(table: pd.DataFrame, own: pd.DataFrame) -> str:
    others = len(table) - len(own)
    more = (
        f"{others:,} more on disk {'is' if others == 1 else 'are'} not in tenants.toml and not counted above. "
        if others
        else ""
    )
    return escaped(
        f"{more}Made by frgroups status from what is kept on this machine; no tenant was asked. Ages are as of "
        "the time above. This page holds no customers."
    )


def _number_class(name: str) -> str:
    return " class=number" if name in _NUMBERS else ""
