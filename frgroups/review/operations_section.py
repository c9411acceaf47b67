"""Prepare the operations of a plan as table rows and as JSON data for the review page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from frgroups.review.customer_names import NAME
from frgroups.review.plan_sentences import COLUMN_LABELS, empty_columns, finding_words, operations_order
from frgroups.review.run_results import RESULT_TEXTS

# Maximum number of operations in the table that is shown without JavaScript, and in the JSON data for the script.
PLAIN_ROWS = 200
PAGE_ROWS = 200_000

# Columns in which most values are unique.
# In the JSON data, values of other columns are replaced by an index in a list of unique values.
# For these columns, the index would save no space.
_UNIQUE_COLUMNS = ("customer_uid", "external_id", NAME)
_UID_COLUMNS = ("customer_group_uid", "customer_uid", "external_id")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the operations table on the review page."""

    name: str
    label: str
    is_uid: bool


@dataclass(frozen=True, slots=True)
class OperationsView:
    """
    Operations of a plan, prepared for the review page.

    Attributes
    ----------
    n
        Number of operations in the plan.
    n_plain
        Maximum number of operations in `rows`.
    n_page
        Maximum number of operations in `data`.
    columns, rows
        The table that the page shows without JavaScript.
    filters
        Value and label of each filter, for example ("remove", "removals").
    order
        Description of the order of the operations, or "".
    data
        The operations for the script. Repeated values are stored once in a list "words", and the rows contain the
        positions of the values in this list.
    """

    n: int
    n_plain: int
    n_page: int
    columns: list[Column]
    rows: list[tuple[Any, ...]]
    filters: list[tuple[str, str]]
    order: str
    data: dict[str, Any]


def operations_view(table: pd.DataFrame) -> OperationsView:
    """Convert the DataFrame from `operations_table` to the data that the review page displays."""
    names = _filled_columns(table)
    order = operations_order(table)
    table = table.assign(finding=finding_words(table))
    if "result" in table:
        table["result"] = table["result"].map(RESULT_TEXTS).astype("str")
    plain_rows = table[names].head(PLAIN_ROWS)
    return OperationsView(
        n=len(table),
        n_plain=PLAIN_ROWS,
        n_page=PAGE_ROWS,
        columns=[Column(name, COLUMN_LABELS[name], name in _UID_COLUMNS) for name in names],
        rows=list(plain_rows.itertuples(index=False, name=None)),
        filters=_filters(table),
        order=order,
        data=_script_data(table[names].head(PAGE_ROWS)),
    )


def _filled_columns(table: pd.DataFrame) -> list[str]:
    """Return the names of the operations columns that the review page shows. Empty optional columns are omitted."""
    empty = empty_columns(table)
    return [name for name in COLUMN_LABELS if name in table and name not in empty]


def _filters(table: pd.DataFrame) -> list[tuple[str, str]]:
    filters = []
    if table["change"].nunique() > 1:
        filters += [("remove", "removals"), ("add", "additions")]
    if table["finding"].any():
        filters.append(("finding", "with a finding"))
    if "result" in table and table["result"].nunique() > 1:
        filters += [(f"result:{text}", text) for text in RESULT_TEXTS.values() if (table["result"] == text).any()]
    return filters


def _script_data(table: pd.DataFrame) -> dict[str, Any]:
    words: dict[str, int] = {}
    columns: list[list[Any]] = []
    for name in table:
        values = table[name].tolist()
        if name not in _UNIQUE_COLUMNS:
            values = [words.setdefault(value, len(words)) for value in values]
        columns.append(values)
    return {
        "columns": list(table),
        "plain": [name in _UNIQUE_COLUMNS for name in table],
        "words": list(words),
        "rows": list(zip(*columns, strict=True)),
    }
