"""Add entries to the suppression list of a tenant."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from frgroups.internals.atomic_files import write_text
from frgroups.internals.locks import tenant_lock
from frgroups.internals.spreadsheet_export import neutralize_formula
from frgroups.internals.spreadsheets import read_table
from frgroups.plan.suppression_entries import ENTRY_COLUMNS, entry_rows, parse_entries
from frgroups.plan.suppression_list import HasTenant, read_header, suppression_entries, suppression_list_path


def add_suppression_entries(tenant: HasTenant, entries: pd.DataFrame) -> Path:
    """
    Add entries to the suppression list of a tenant.

    Existing entries remain in the list. An entry that is already in the list is not added again, so you can repeat
    the call. If the list does not exist, it is created.

    Parameters
    ----------
    tenant : Snapshot, Plan or Client
        Object with the uid and the base URL of the tenant, such as a snapshot.
    entries : pandas.DataFrame
        A table with the column customer_uid and, optionally, the columns customer_group_uid, until, source, and
        reason. `suppression_list_path` describes them. Other columns are ignored.

    Returns
    -------
    Path
        The path of the list, which is `suppression_list_path(tenant)`.

    Raises
    ------
    InputError
        `entries` has no valid column customer_uid.
    ListError
        An entry is invalid, or the existing list cannot be read. The list does not change.
    LockedError
        Another process is applying a plan or erasing a customer.

    See Also
    --------
    holdout_entries : Create the entries that hold out one arm of a split.

    Notes
    -----
    The file is replaced atomically, and it is written as CSV in UTF-8 with commas.

    Examples
    --------
    >>> snapshot = sample_snapshot()
    >>> path = add_suppression_entries(snapshot, pd.DataFrame({"customer_uid": ["c-7"], "reason": ["asked us to"]}))
    >>> plan_memberships(snapshot, {"vip": ["c-7", "c-8"]}).table()["customer_uid"].tolist()
    ['c-8']
    """
    rows = entry_rows(entries, "entries")
    parsed = parse_entries(rows, "`entries`")
    with tenant_lock(tenant.tenant_uid, tenant.base_url, "add-suppression-entries"):
        path = suppression_list_path(tenant)
        known = set(suppression_entries(tenant))
        added = []
        for (_, cells), entry in zip(rows, parsed, strict=True):
            if entry not in known:  # Cells of equal entries can be spelled differently.
                known.add(entry)
                # Write the parsed source and reason, in which contact data is masked, instead of the original cells.
                added.append(cells | {"source": entry.source, "reason": entry.reason})
        if added:
            # If the list is a symbolic link to a shared file, replace the shared file instead of the link.
            write_text(path.resolve(), _new_content(path, added))
    return path


def _new_content(path: Path, added: Sequence[Mapping[str, str]]) -> str:
    """
    Return the CSV text of the existing list with additional rows.

    A column that is missing in the existing list is added only if an additional row has a value in this column.
    """
    header: list[str] = []
    names: list[str] = []
    rows: list[list[str]] = []
    if path.exists():
        table = read_table(path, None)
        header, names = list(table.rows[0][1]), read_header(table)
        rows = [row for _, row in table.rows[1:]]
    missing = [name for name in ENTRY_COLUMNS if name not in names and any(cells.get(name) for cells in added)]
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow([*header, *missing])
    writer.writerows([*row, *[""] * len(missing)] for row in rows)
    for cells in added:
        writer.writerow([neutralize_formula(cells.get(name, "")) for name in [*names, *missing]])
    return text.getvalue()
