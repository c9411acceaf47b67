"""Reject customer lists whose rows belong to several groups, to another group, or to another tenant."""

from __future__ import annotations

import re
from collections.abc import Collection

from frgroups.errors import ListError
from frgroups.internals.formatting import describe_rows, format_list, shell_argument
from frgroups.internals.id_cells import clean_id
from frgroups.internals.redaction import repr_id
from frgroups.internals.similar_text import clean_text
from frgroups.internals.spreadsheets import Table, normalize_column_name
from frgroups.snapshot.group_references import find_quoted_group
from frgroups.snapshot.snapshot import Snapshot

_GROUP = r"(?:group|gruppen?|grupp|ryhmän?)"
_GROUP_UID_NAMES = frozenset({"customergroupuid", "customergroupid", "groupuid", "groupid"})
_GROUP_NAME = re.compile(
    r"(?:name(?:ofthe|of|der)|navn(?:på|et)?|namnpå)?"
    rf"(?:customer|kund(?:en|e|s)?|asiakas|medlems?)?{_GROUP}s?(?:name|navn|namn|nimi|nr|kode|code)?"
)
_TENANT_UID_NAMES = frozenset({"tenantuid", "tenantid"})
_TENANT_NAMES = _TENANT_UID_NAMES | {"tenant", "tenantname"}
_MAX_LISTED = 3


def group_texts(snapshot: Snapshot, group: str, created_name: str | None = None) -> frozenset[str]:
    """
    Return the strings that identify a group in a customer list: the uid and the name of the group.

    Parameters
    ----------
    snapshot
        The snapshot that contains the groups.
    group
        The uid or unique name of the group.
    created_name
        Name of a group that the plan creates, or None for an existing group.
    """
    names = snapshot.matrix.names_by_uid
    if created_name is not None:
        return frozenset({group, created_name, names.get(group, group)})
    uid = find_quoted_group(snapshot.matrix, group)
    return frozenset({uid, names[uid] or uid})


def reject_other_scope(
    table: Table,
    position: int,
    snapshot: Snapshot | None,
    *,
    groups: Collection[str] | None,
    allows_several_groups: bool,
) -> None:
    """
    Raise ListError if a column of the list states that rows belong to another group or to another tenant.

    A column that names groups or tenants must have the same value in all rows. If the group or the tenant of the list
    is known, the value must name this group or tenant. A column such as "group" can also contain groups of another
    kind, for example price groups. Therefore, if a snapshot is passed, a group column is checked only if it names at
    least one group of the snapshot.

    Parameters
    ----------
    table
        Rows of the list. The first row contains the column names.
    position
        Position of the id column.
    snapshot
        The snapshot that contains the groups, or None.
    groups
        The uid and the name of the group that the list belongs to, or None if the group is not known.
    allows_several_groups
        Whether the rows can belong to different groups.
    """
    for column, header in enumerate(table.rows[0][1]):
        name = normalize_column_name(header)
        if column == position:
            continue
        if name in _TENANT_NAMES:
            tenants = None
            if snapshot is not None and name in _TENANT_UID_NAMES:
                tenants = {snapshot.tenant_uid}
            _check_column(table, position, column, tenants, "tenant")
        elif not allows_several_groups and _contains_groups(table, column, snapshot):
            _check_column(table, position, column, groups, "group")


def _contains_groups(table: Table, column: int, snapshot: Snapshot | None) -> bool:
    name = normalize_column_name(table.rows[0][1][column])
    if name in _GROUP_UID_NAMES:
        return True
    if snapshot is None or not _GROUP_NAME.fullmatch(name):
        return _GROUP_NAME.fullmatch(name) is not None
    matrix = snapshot.matrix
    known = {_fold(text) for text in (*matrix.names_by_uid, *matrix.uids_by_name)}
    return any(_fold(cell) in known for _, cell in table.column(column) if cell)


def _check_column(table: Table, position: int, column: int, expected: Collection[str] | None, noun: str) -> None:
    header = table.rows[0][1]
    rows: dict[str, list[int]] = {}
    for number, row in table.rows[1:]:
        if clean_id(row[position]):
            rows.setdefault(clean_id(row[column]), []).append(number)
    if not any(rows):
        return  # A blank column does not name a group or tenant.
    if expected is not None:
        folded = set(map(_fold, expected))
        others = [value for value in rows if _fold(value) not in folded]
    else:
        others = list(rows) if len(rows) > 1 else []
    if not others:
        return
    descriptions = [f"{repr_id(value) if value else 'no value'} ({describe_rows(rows[value])})" for value in others]
    values = format_list(descriptions, _MAX_LISTED)
    if expected is None:
        problem = f"has {len(rows)} different values: {values}. Delete the rows of the other {noun}s."
    else:
        names = format_list([repr(text) for text in sorted(expected)], conjunction="or")
        problem = f"contains another {noun} than {names}: {values}. Delete the rows, or correct the values."
    id_header = header[position]
    raise ListError(
        f"The column {header[column]!r} of {table.source} {problem}",
        hint=f"To read the ids of all rows, pass column={id_header!r}.",
        cli_hint=f"To read the ids of all rows, pass --column {shell_argument(id_header)} with --list. For other "
        f"lists, delete the column {header[column]!r}.",
    )


def _fold(text: str) -> str:
    return clean_text(text).casefold()
