"""Convert the status of tenants to the table columns and JSON values that `frgroups status` prints."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pandas as pd

from frgroups.internals.formatting import format_size
from frgroups.internals.json_values import to_jsonable

# An empty string means "no problem" in these columns, and "unknown" in other columns.
_PROBLEM_COLUMNS = ("problem", "detail")


def status_values(row: dict[Hashable, Any]) -> dict[str, Any]:
    """Return the status of a tenant as a dictionary for a JSON line, in the format of `load --json`."""
    return {str(name): _json_value(name, value) for name, value in row.items()}


def _json_value(name: Hashable, value: Any) -> Any:
    if isinstance(value, str) and value == "" and name not in _PROBLEM_COLUMNS:
        return None
    return to_jsonable(value)


def status_columns(table: pd.DataFrame) -> pd.DataFrame:
    """
    Return the table that `frgroups status` prints, with formatted dates and sizes.

    The most important columns come first, because the last ones are omitted on a narrow terminal.
    """
    return pd.DataFrame(
        {
            "name": _tenant_names(table),
            "age": table["age"].mask(table["age"] == "", "never"),
            "verdict": table["verdict"],
            "problem": table["problem"],
            "groups": table["n_groups"],
            "customers": table["n_customers"],
            "memberships": table["n_memberships"],
            "size": table["size_bytes"].map(format_size),
            "snapshots": table["n_snapshots"],
            "taken_at": table["taken_at"].dt.strftime("%Y-%m-%d %H:%M").fillna("never"),
            "host": table["host"],
            "tenant_uid": table["tenant_uid"],
        }
    )


def status_details(table: pd.DataFrame) -> list[str]:
    """Return one line for each tenant with a description that differs from the name of the problem."""
    described = table[(table["detail"] != "") & (table["detail"] != table["problem"])]
    return [f"{name}: {text}" for name, text in zip(_tenant_names(described), described["detail"], strict=True)]


def _tenant_names(table: pd.DataFrame) -> pd.Series:
    """Return the name of each tenant in tenants.toml, or its uid if it is not in the file."""
    return table["name"].mask(table["name"] == "", table["tenant_uid"])
