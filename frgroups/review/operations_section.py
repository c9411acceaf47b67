"""Every operation of a plan on its review page: the table without a script, and the data for the script."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pandas as pd

from frgroups.internals.html import cell
from frgroups.plan.customer_facts import FACT_COLUMNS
from frgroups.review.customer_names import NAME
from frgroups.review.spot_checks import advice

# What the page shows at most; where it cuts, it says so with numbers.
PLAIN_ROWS = 200
PAGE_ROWS = 200_000

_LABELS = {
    "change": "Change",
    "group_name": "Group",
    "customer_group_uid": "Group uid",
    "customer_uid": "Customer uid",
    NAME: "Name",
    "finding": "Finding",
    "external_id": "External id",
    "customer_type": "Type",
    "default_store": "Default store",
    "pricelist_uid": "Price list",
    "groups_now": "Groups now",
}
_PLAIN = ("customer_uid", "external_id", NAME)


def operations_section(table: pd.DataFrame) -> str:
    """The table of every change, with what the script needs to search it; nothing where nothing changes."""
    if table.empty:
        return ""
    head, rows = _head(_columns(table)), _rows(table.head(PLAIN_ROWS), _columns(table))
    n = len(table)
    cut = (
        f'<p class="cut">The page holds the first {PAGE_ROWS:,} of {n:,} operations. The other '
        f"{n - PAGE_ROWS:,} are in the review as CSV or Markdown.</p>"
        if n > PAGE_ROWS
        else ""
    )
    plain = (
        f'<noscript><p class="cut">Without JavaScript this page lists the first {PLAIN_ROWS:,} of {n:,} operations. '
        f"The other {n - PLAIN_ROWS:,} are in the review as CSV or Markdown.</p></noscript>"
        if n > PLAIN_ROWS
        else ""
    )
    told = f"{n:,} {'operation' if n == 1 else 'operations'}"
    return (
        '<section aria-labelledby="operations-title">'
        f'<h2 id="operations-title">Every change: {told}</h2>{cut}{plain}'
        '<div class="tools" id="operations-tools" role="search" hidden>'
        '<div><label for="search">Search in all columns</label><input id="search" type="search" autocomplete="off">'
        '</div><div><label for="show">Show</label><select id="show"><option value="all">everything</option>'
        '<option value="remove">who leaves</option><option value="add">who joins</option>'
        '<option value="finding">with a finding</option></select></div>'
        '<button type="button" id="as-planned" disabled>Removals first</button></div>'
        '<div class="wide"><table class="cards" id="operations-table">'
        "<caption>Removals first, then what has a finding, then the rest. "
        '<span id="operations-told" role="status"></span></caption>'
        f'<thead><tr>{head}</tr></thead><tbody id="operations-body">{rows}</tbody></table></div>'
        '<div class="pages" id="operations-pages" hidden><button type="button" id="earlier">Earlier rows</button>'
        '<button type="button" id="later">Later rows</button></div></section>'
    )


def spot_checks_section(checks: pd.DataFrame, table: pd.DataFrame) -> str:
    """The operations to look up; nothing where all of them can be read."""
    if checks.empty:
        return ""
    columns = _columns(table)
    return (
        f'<section aria-labelledby="spot-title"><h2 id="spot-title">{len(checks)} spot checks</h2>'
        f'<div class="wide"><table class="cards"><caption>{advice(len(table))}</caption>'
        f"<thead><tr>{_head(columns)}</tr></thead><tbody>{_rows(checks, columns)}</tbody></table></div></section>"
    )


def _head(columns: list[str]) -> str:
    return "".join(f'<th scope="col">{_LABELS[name]}</th>' for name in columns)


def _rows(table: pd.DataFrame, columns: list[str]) -> str:
    return "".join(
        "<tr>"
        + "".join(_operation_cell(name, str(value)) for name, value in zip(columns, row, strict=True))
        + "</tr>"
        for row in table[columns].itertuples(index=False, name=None)
    )


def _columns(table: pd.DataFrame) -> list[str]:
    """The columns to show; what is known of no customer at all is left out."""
    empty = {name for name in (NAME, *FACT_COLUMNS) if name not in table or (table[name] == "").all()}
    return [name for name in _LABELS if name not in empty]


def _operation_cell(name: str, value: str) -> str:
    if name == "change":
        return cell(
            "leaves" if value == "remove" else "joins", _LABELS[name], "leave" if value == "remove" else "join"
        )
    return cell(value, _LABELS[name], "uid" if name.endswith("_uid") or name == "external_id" else "")


def operations_data(table: pd.DataFrame) -> str:
    """The operations as one JSON value; what repeats is a number that points into `words`."""
    if table.empty:
        return ""
    columns = _columns(table)
    words: dict[str, int] = {}
    sides: list[Iterable[object]] = [
        column if name in _PLAIN else [words.setdefault(value, len(words)) for value in column]
        for name in columns
        for column in [table[name].head(PAGE_ROWS).tolist()]
    ]
    value = {
        "columns": columns,
        "plain": [name in _PLAIN for name in columns],
        "words": list(words),
        "rows": list(zip(*sides, strict=True)),
    }
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for unsafe in "<>&\u2028\u2029":
        text = text.replace(unsafe, f"\\u{ord(unsafe):04x}")
    return f'<script type="application/json" id="operations-data">{text}</script>'
