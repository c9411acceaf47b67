"""
Check the columns tenant_uid and taken_at of tables of memberships, such as the result of `scan_memberships`.

Most functions need the memberships of one snapshot. In a table with several dates, former members would be counted as
members. In a table with several tenants, customers with the same uid would be counted as one customer.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.formatting import format_distinct_times, format_utc
from frgroups.internals.timestamps import parse_timestamp

# The columns whose values differ between snapshots.
SNAPSHOT_COLUMNS = ("tenant_uid", "taken_at")


class SnapshotKey(NamedTuple):
    """Tenant and time of the snapshot in a table. The values are None if the table does not contain them."""

    tenant_uid: str | None = None
    taken_at: datetime | None = None


def check_one_snapshot(table: pd.DataFrame, name: str) -> SnapshotKey:
    """
    Return the tenant and the time of the memberships in a table.

    Parameters
    ----------
    table
        Memberships. The columns tenant_uid and taken_at are optional.
    name
        Name of the argument that contains the table, for error messages.

    Raises
    ------
    InputError
        If the table contains several tenants or times, or if it has a column taken_at but no rows.

    Examples
    --------
    >>> check_one_snapshot(pd.DataFrame({"taken_at": ["2026-11-03", "2026-11-10"]}), "memberships")
    Traceback (most recent call last):
    frgroups.errors.InputError: `memberships` contains several snapshots: the column 'taken_at' contains ...
    """
    bounds = {}
    for column in SNAPSHOT_COLUMNS:
        if list(table).count(column) == 1:
            values = table[column].dropna()
            bounds[column] = (values.min(), values.max()) if len(values) else (None, None)
    return snapshot_key(bounds, name, has_rows=bool(len(table)))


def snapshot_key(bounds: Mapping[str, tuple[Any, Any]], name: str, *, has_rows: bool) -> SnapshotKey:
    """
    Return the tenant and the time of the memberships in a table. See `check_one_snapshot` for the errors.

    `bounds` contains the smallest and the largest value of the columns tenant_uid and taken_at.
    """
    if "taken_at" in bounds and not has_rows:
        raise InputError(
            f"`{name}` has a column 'taken_at', but no rows.",
            hint="If you selected a time, use one from the column taken_at of list_snapshots. A date means midnight.",
        )
    for column, (first, last) in bounds.items():
        if first != last:
            raise _several_values(column, first, last, name)
    tenant_uid = bounds.get("tenant_uid", (None,))[0]
    taken_at = bounds.get("taken_at", (None,))[0]
    with suppress(InputError):
        return SnapshotKey(tenant_uid, None if taken_at is None else parse_timestamp(taken_at))
    return SnapshotKey(tenant_uid)


def check_comparable_keys(old: SnapshotKey, new: SnapshotKey) -> None:
    """Raise InputError if two snapshots have different tenants or are in the wrong order."""
    if old.tenant_uid and new.tenant_uid and old.tenant_uid != new.tenant_uid:
        raise InputError(
            f"Both snapshots must belong to the same tenant, got tenants {old.tenant_uid} and {new.tenant_uid}."
        )
    if old.taken_at and new.taken_at and old.taken_at > new.taken_at:
        raise InputError(
            "The older snapshot must be passed first, but the first snapshot was taken at "
            f"{format_utc(old.taken_at, seconds=True)} and the second at {format_utc(new.taken_at, seconds=True)}."
        )


def _several_values(column: str, first: Any, last: Any, name: str) -> InputError:
    if isinstance(first, datetime):
        # A timestamp without a time zone is in UTC.
        times = [value if value.tzinfo else value.replace(tzinfo=UTC) for value in (first, last)]
        values = " and ".join(format_distinct_times(*times))
    else:
        values = " and ".join(str(value) if isinstance(value, date) else repr(value) for value in (first, last))
    if column == "taken_at":
        return InputError(
            f"`{name}` contains several snapshots: the column 'taken_at' contains {values}.",
            hint="Select the rows of one snapshot, or use size_history, which counts each snapshot separately.",
        )
    return InputError(
        f"`{name}` contains several tenants: the column 'tenant_uid' contains {values}.",
        hint="Select the rows of one tenant, because different customers can have the same uid in two tenants.",
    )
