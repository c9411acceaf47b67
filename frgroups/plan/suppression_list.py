"""Read the suppression list, which contains the customers who must not be added to some or all groups."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pandas as pd

from frgroups.errors import InputError, ListError
from frgroups.internals.formatting import describe_rows
from frgroups.internals.id_cells import clean_id, reject_damaged_ids
from frgroups.internals.paths import data_subdir, tenant_folder
from frgroups.internals.spreadsheets import Table, read_table
from frgroups.plan.suppression_entries import (
    ENTRY_COLUMNS,
    HOLDOUT,
    SuppressionEntry,
    SuppressionList,
    check_entry_columns,
    entry_columns,
    parse_entries,
)
from frgroups.snapshot.id_columns import read_id_column

SUPPRESSION_LIST = "suppression_list"


class HasTenant(Protocol):
    """Protocol for objects with a tenant uid and a base URL, such as Snapshot, Plan, and Client."""

    @property
    def tenant_uid(self) -> str:
        """Uid of the tenant."""

    @property
    def base_url(self) -> str | None:
        """Host of the tenant."""


def suppression_list_path(tenant: HasTenant) -> Path:
    """
    Return the path of a tenant's suppression list.

    The file does not exist until you create it. It is a CSV file with a header and the column customer_uid. Plans do
    not add customers on the list, and `apply_plan` rejects a plan that adds them. `erase_customer` removes an erased
    customer from the list.

    Parameters
    ----------
    tenant : Snapshot, Plan or Client
        Object with the uid and the base URL of the tenant, such as a snapshot.

    Returns
    -------
    Path
        The path of the CSV file. It depends on the uid and the host of the tenant.

    See Also
    --------
    add_suppression_entries : Add entries to the file.
    holdout_entries : Create the entries that hold out one arm of a split.

    Notes
    -----
    The following columns are optional. Other columns are ignored.

    - customer_group_uid: the uid of the group to which the customer is not added. A blank cell means all groups. To
      list several groups, write one row per group.
    - until: the end of the entry in ISO format. A date such as 2026-12-31 includes the whole day in UTC. A time can
      have a time zone, as in 2026-12-31T12:00Z. A time without a time zone is in UTC. An entry that has ended does
      not exclude the customer. A blank cell means that the entry has no end.
    - source: the origin of the entry. An entry with the source holdout must have a group and an end. Plans report the
      customers whom they exclude because of a holdout.
    - reason: a note about the entry.

    If a customer has several entries, each of them applies. Their order has no effect.

    Plans contain the sources and reasons. Email addresses and phone numbers in these cells are masked. Names are not
    masked, so do not enter names. A plan is created and applied with the list in the data folder of the local
    machine.

    Examples
    --------
    >>> path = suppression_list_path(sample_snapshot())
    >>> path.parent.relative_to(home()).as_posix(), path.name.split("@")
    ('lists/suppression_list', ['t-1', 'tables.csv'])
    """
    return data_subdir("lists") / SUPPRESSION_LIST / f"{tenant_folder(tenant.tenant_uid, tenant.base_url)}.csv"


def current_suppression_list(tenant: HasTenant) -> SuppressionList:
    """
    Return the entries of a tenant's suppression list that are in force now.

    Parameters
    ----------
    tenant
        Object with the uid and the base URL of the tenant, such as a snapshot.

    Raises
    ------
    ListError
        The file is ambiguous, contains an invalid entry, or cannot be read.
    """
    return SuppressionList.in_force(suppression_entries(tenant), datetime.now(UTC))


def suppression_entries(tenant: HasTenant) -> list[SuppressionEntry]:
    """
    Return all entries of a tenant's suppression list, including the entries that have ended.

    The result is empty if the file does not exist. `current_suppression_list` describes the errors.
    """
    path = suppression_list_path(tenant)
    earlier = path.parent.with_name("never_add") / path.name
    if earlier.exists():
        raise InputError(f"The suppression list {earlier} is in a folder that is no longer read. Move it to {path}.")
    # A missing file means an empty list.
    # A symbolic link to a missing file causes an error instead, because the link shows that a suppression list was
    # set up.
    if not path.exists() and not path.is_symlink():
        return []
    return parse_entries(_read_rows(read_table(path, None), path), _describe_list(path))


def entry_table(table: Table) -> pd.DataFrame | None:
    """
    Return the entries of a list with groups, ends, or holdouts. Return None for any other list of customers.

    The result has the columns of a suppression list, and its index contains the row numbers.

    Raises
    ------
    ListError
        The list is ambiguous or contains an invalid entry.
    """
    header = read_header(table)
    check_entry_columns(
        sorted(set(header)), _describe_list(table.source)
    )  # Names are deduplicated, because a plain list of uids may repeat columns.
    is_plain = "customer_group_uid" not in header and "until" not in header
    if is_plain and not ("source" in header and _has_holdout(table, header.index("source"))):
        return None
    rows = _read_rows(table, table.source)
    parse_entries(rows, _describe_list(table.source))
    return pd.DataFrame([cells for _, cells in rows], index=[number for number, _ in rows], dtype="str")


def _has_holdout(table: Table, position: int) -> bool:
    return any(cell.casefold() == HOLDOUT for _, cell in table.column(position))


def _describe_list(path: Path) -> str:
    return f"The suppression list {path}"


def read_header(table: Table) -> list[str]:
    """Return the column names in the first row of a table, in the spelling that `entry_columns` returns."""
    return [str(name) for name in entry_columns(table.rows[0][1])]


def _read_rows(table: Table, path: Path) -> list[tuple[int, dict[str, str]]]:
    """Return the row number and the cells of each row, without columns that are not part of a suppression list."""
    header = read_header(table)
    if header.count("customer_uid") != 1:
        raise ListError(
            f"{_describe_list(path)} must have one column 'customer_uid', but it has "
            f"{header.count('customer_uid')}. Write customer_uid as the header of the uid column in the first row."
        )
    check_entry_columns(header, _describe_list(path))
    uids = read_id_column(table, header.index("customer_uid"))
    blank = [number for number, uid in uids if not uid]
    if blank:
        raise ListError(
            f"{_describe_list(path)} has no customer_uid in {describe_rows(blank)}. Enter the missing uids or delete "
            "the rows."
        )
    columns = {}
    for name in ENTRY_COLUMNS:
        if name in header:
            columns[name] = [(number, clean_id(cell)) for number, cell in table.column(header.index(name))]
    reject_damaged_ids([(number, uid) for number, uid in columns.get("customer_group_uid", ()) if uid], path)
    cells_by_column = {name: [str(cell) for _, cell in cells] for name, cells in columns.items()}
    rows = zip(*cells_by_column.values(), strict=True)
    return [
        (number, dict(zip(cells_by_column, cells, strict=True)))
        for (number, _), cells in zip(uids, rows, strict=True)
    ]
