"""
Reject tables that contain several snapshots of the same group.

Most functions ignore the columns tenant_uid and taken_at. If a table contained two snapshots of a group, a customer
would be counted as a member if the customer was in the group at either time.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.formatting import format_distinct_times

# The values of these columns differ between snapshots, for example in the result of `scan_memberships`.
SNAPSHOT_COLUMNS = ("tenant_uid", "taken_at")


def check_one_snapshot(table: pd.DataFrame, name: str) -> None:
    """
    Raise InputError if a group has rows with different values of tenant_uid or taken_at.

    Parameters
    ----------
    table
        Memberships with the column customer_group_uid. The columns tenant_uid and taken_at are optional.
    name
        Name of the argument that contains the table, for error messages.

    Examples
    --------
    >>> rows = pd.DataFrame({"customer_group_uid": ["vip", "vip"], "taken_at": ["2026-11-03", "2026-11-10"]})
    >>> check_one_snapshot(rows, "memberships")
    Traceback (most recent call last):
    frgroups.errors.InputError: `memberships` contains several snapshots of the group 'vip': the column 'taken_at' ...
    """
    existing = [column for column in SNAPSHOT_COLUMNS if list(table).count(column) == 1]
    columns = [column for column in existing if table[column].nunique() > 1]
    if not columns:
        return
    n_values = table.groupby("customer_group_uid", observed=True)[columns].nunique()
    repeated = n_values[(n_values > 1).any(axis=1)]
    if len(repeated):
        group = str(repeated.index[0])
        column = next(column for column in columns if repeated[column].iloc[0] > 1)
        values = table.loc[table["customer_group_uid"] == group, column].dropna()
        raise several_snapshots(name, column, group, values.min(), values.max())


def several_snapshots(name: str, column: str, group: str, first: Any, last: Any) -> InputError:
    """Return the error for a table in which a group has the values `first` and `last` of a column."""
    if isinstance(first, datetime):
        # A timestamp without a time zone is in UTC.
        times = (value if value.tzinfo else value.replace(tzinfo=UTC) for value in (first, last))
        values = format_distinct_times(*times)
    else:
        values = [repr(value) if isinstance(value, str) else str(value) for value in (first, last)]
    return InputError(
        f"`{name}` contains several snapshots of the group {group!r}: the column {column!r} contains {values[0]} and "
        f"{values[1]}.",
        hint="Select one snapshot of each group, or use size_history, which counts each snapshot separately. To "
        "combine the memberships of all snapshots, remove the columns tenant_uid and taken_at.",
    )
