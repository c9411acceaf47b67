"""
Check the columns tenant_uid and taken_at of tables of memberships, such as the result of `scan_memberships`.

Most functions need the memberships of one snapshot. In a table with several dates, former members would be counted as
members. In a table with several tenants, customers with the same uid would be counted as one customer.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from typing import Any, NamedTuple

import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.formatting import format_distinct_times, format_utc
from frgroups.internals.timestamps import parse_timestamp
from frgroups.internals.validation import check_unique_column

# The columns whose values differ between snapshots.
SNAPSHOT_COLUMNS = ("tenant_uid", "taken_at")


class SnapshotKey(NamedTuple):
    """
    Tenant and time of the snapshot in a table. The values are None if the table does not contain them.

    If the table contains a date or midnight, `taken_at` is the start of the day and `is_date` is True.
    """

    tenant_uid: str | None = None
    taken_at: datetime | None = None
    is_date: bool = False


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
        if column in table:
            check_unique_column(list(table), column, name)
            bounds[column] = _smallest_and_largest(table[column].dropna())
    return snapshot_key(bounds, name, has_rows=bool(len(table)))


def snapshot_key(bounds: Mapping[str, tuple[Any, Any]], name: str, *, has_rows: bool) -> SnapshotKey:
    """
    Return the tenant and the time of the memberships in a table. See `check_one_snapshot` for the errors.

    `bounds` contains the smallest and the largest value of the columns tenant_uid and taken_at.
    """
    if "taken_at" in bounds and not has_rows:
        raise InputError(
            f"`{name}` has a column 'taken_at', but no rows.",
            hint="If you selected a time, use one from the column taken_at of list_snapshots. A date means midnight. "
            "If the snapshot has no members, remove the column.",
        )
    for column, (first, last) in bounds.items():
        if first != last:
            raise _several_values(column, first, last, name)
    tenant_uid = bounds.get("tenant_uid", (None,))[0]
    tenant_uid = None if tenant_uid is None else str(tenant_uid)
    taken_at = bounds.get("taken_at", (None,))[0]
    with suppress(InputError):
        timestamp = None if taken_at is None else parse_timestamp(taken_at)
        # Tables often contain the start of the day instead of a date.
        return SnapshotKey(tenant_uid, timestamp, timestamp is not None and timestamp.time() == time())
    return SnapshotKey(tenant_uid)


def check_comparable_keys(old: SnapshotKey, new: SnapshotKey) -> None:
    """Raise InputError if two snapshots have different tenants or are in the wrong order."""
    if old.tenant_uid and new.tenant_uid and old.tenant_uid != new.tenant_uid:
        raise InputError(
            f"Both snapshots must belong to the same tenant, got tenants {old.tenant_uid} and {new.tenant_uid}."
        )
    if old.taken_at is None or new.taken_at is None:
        return
    # A date can mean any time of the day.
    latest = new.taken_at + timedelta(days=1, microseconds=-1) if new.is_date else new.taken_at
    if old.taken_at > latest:
        raise InputError(
            "The older snapshot must be passed first, but the first snapshot was taken at "
            f"{format_utc(old.taken_at, seconds=True)} and the second at {format_utc(new.taken_at, seconds=True)}."
        )


def _smallest_and_largest(values: pd.Series) -> tuple[Any, Any]:
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(values.cat.categories.dtype)
    if not len(values):
        return None, None
    try:
        return values.min(), values.max()
    except (TypeError, ValueError):  # The values have different types, for example dates and timestamps.
        texts = values.map(str)
        return texts.min(), texts.max()


def _several_values(column: str, first: Any, last: Any, name: str) -> InputError:
    if isinstance(first, datetime):
        # A timestamp without a time zone is in UTC.
        times = [value if value.tzinfo else value.replace(tzinfo=UTC) for value in (first, last)]
        values = " and ".join(format_distinct_times(*times))
    else:
        values = " and ".join(repr(value) if isinstance(value, str) else str(value) for value in (first, last))
    if column == "taken_at":
        return InputError(
            f"`{name}` contains several snapshots: the column 'taken_at' contains {values}.",
            hint="Select the rows of one snapshot, or use size_history, which counts each snapshot separately.",
        )
    return InputError(
        f"`{name}` contains several tenants: the column 'tenant_uid' contains {values}.",
        hint="Select the rows of one tenant, because different customers can have the same uid in two tenants.",
    )
