"""Columns and JSON values of `frgroups status`."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pandas as pd

from frgroups.internals.formatting import format_size
from frgroups.internals.json_values import to_jsonable

# In these columns, an empty text means that there is no problem. In others, it means that the value is unknown.
_PROBLEM_COLUMNS = ("wrong", "detail")


def status_values(row: dict[Hashable, Any]) -> dict[str, Any]:
    """Return the status of a tenant for a JSON line, with the names and formats of `load --json`."""
    return {str(name): _json_value(name, value) for name, value in row.items()}


def _json_value(name: Hashable, value: Any) -> Any:
    if isinstance(value, str) and value == "" and name not in _PROBLEM_COLUMNS:
        return None
    return to_jsonable(value)


def status_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that `frgroups status` prints."""
    return pd.DataFrame(
        {
            "name": table["name"],
            "tenant_uid": table["tenant_uid"],
            "host": table["host"],
            "taken_at": table["taken_at"].dt.strftime("%Y-%m-%d %H:%M").fillna("never"),
            "age": table["age"],
            "verdict": table["verdict"],
            "groups": table["n_groups"].map(format_count),
            "customers": table["n_customers"].map(format_count),
            "memberships": table["n_memberships"].map(format_count),
            "snapshots": table["n_snapshots"],
            "size": table["size_bytes"].map(format_size),
            "wrong": table["detail"],
        }
    )


def format_count(n: Any) -> str:
    """
    Return a number with thousands separators, or an empty text if it is missing.

    Examples
    --------
    >>> format_count(12_345), format_count(None)
    ('12,345', '')
    """
    return "" if pd.isna(n) else f"{n:,}"
