"""Read the lists of customers that declared groups refer to."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from frgroups.errors import InputError
from frgroups.internals.formatting import pluralize
from frgroups.internals.spreadsheets import Table, read_table
from frgroups.plan.customer_origin import CustomerOrigin, list_origin
from frgroups.plan.declared_group import DeclaredGroup
from frgroups.plan.list_resolution import list_id_type, resolve_listed_ids
from frgroups.snapshot.customer_lists import listed_ids
from frgroups.snapshot.id_columns import find_id_column
from frgroups.snapshot.id_formats import ListedIds
from frgroups.snapshot.id_resolution import Directory
from frgroups.snapshot.list_scope import group_texts
from frgroups.snapshot.snapshot import Snapshot


def read_declared_list(
    snapshot: Snapshot, group: DeclaredGroup, folder: Path, *, directory: Directory | None, allow_similar_ids: bool
) -> tuple[list[str], CustomerOrigin]:
    """
    Read the list of a declared group, and return its customer uids and their origin.

    The ids are checked as in `frgroups plan --list`. A list that contains only column names is valid and selects no
    customers.

    Parameters
    ----------
    snapshot
        The snapshot that contains the known customers.
    group
        The declaration, whose attribute `customers` is the path of the list.
    folder
        Folder of a relative path.
    directory
        Customer export for external ids that are not in the snapshot.
    allow_similar_ids
        Whether unknown ids may be similar to ids of known customers.
    """
    path = folder / Path(group.customers).expanduser()
    rows = read_table(path, group.sheet, group.header_row)
    if _has_only_column_names(rows, group):
        return [], list_origin(path, n_customers=0, n_rows=0)
    groups = group_texts(snapshot, group.group, group.create)
    listed = listed_ids(rows, group.column, header_row=group.header_row, snapshot=snapshot, groups=groups)
    kind = group.ids or list_id_type(snapshot, listed)
    table = resolve_listed_ids(
        snapshot, listed, kind, directory, allow_similar_ids=allow_similar_ids, allow_unknown=allow_similar_ids
    )
    unresolved = table[table["outcome"] != "resolved"]
    if len(unresolved) == len(table) and group.ids is None:
        raise InputError(
            f"{path} contains no known {kind} ({pluralize(len(table), 'id')} read). If the customers are in no group "
            f'yet, add `ids = "{kind}"`.'
        )
    if kind == "customer_uid":
        # Unknown uids are accepted, because customers who are in no group are not in the snapshot.
        return _with_origin(table["id"], listed)
    if len(unresolved):
        raise InputError(
            f"{len(unresolved):,} of {pluralize(len(table), 'id')} in {path} were not resolved: "
            f"{listed.describe_rows(unresolved['id'])}.",
            hint="Pass a customer export as `directory`.",
            cli_hint="Pass a customer export with --directory.",
        )
    return _with_origin(table["customer_uid"], listed)


def _with_origin(uids: Iterable[str], listed: ListedIds) -> tuple[list[str], CustomerOrigin]:
    customers = list(uids)
    return customers, list_origin(
        listed.source,
        n_customers=len(set(customers)),
        n_rows=listed.n_rows,
        unused_columns=listed.unused_columns,
    )


def _has_only_column_names(table: Table, group: DeclaredGroup) -> bool:
    if len(table.rows) > 1:
        return False
    _, _, has_column_names = find_id_column(table, group.column)
    return has_column_names
