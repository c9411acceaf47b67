"""Read lists of customer ids from files."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from frgroups.errors import ListError
from frgroups.internals.formatting import agree, pluralize
from frgroups.internals.spreadsheets import Table, read_table
from frgroups.internals.structured_logging import log_event
from frgroups.internals.validation import check_number, check_type
from frgroups.snapshot.id_columns import find_id_column, read_id_column, reject_broken_rows, usual_columns
from frgroups.snapshot.id_formats import ListedIds, check_complete, check_formats, check_row_count
from frgroups.snapshot.id_resolution import detect_id_type
from frgroups.snapshot.id_types import reject_emails, reject_phone_numbers
from frgroups.snapshot.known_ids import (
    reject_column_without_known_ids,
    reject_group_uids,
    reject_list_without_known_ids,
)
from frgroups.snapshot.list_scope import reject_other_scope
from frgroups.snapshot.misplaced_ids import (
    columns_with_known_ids,
    reject_contradictions,
    reject_other_customers,
    reject_rows_without_id,
    reject_skipped_ids,
    reject_swallowed_rows,
    reject_transposed,
    reject_unclear_columns,
    reject_unnamed_ids,
)
from frgroups.snapshot.selection_columns import reject_selection_columns
from frgroups.snapshot.similar_ids import check_similar_ids
from frgroups.snapshot.snapshot import Snapshot
from frgroups.snapshot.uid_lookup import is_known

log = logging.getLogger("frgroups.snapshot")


def read_list(
    path: str | Path,
    column: str | None = None,
    *,
    sheet: str | None = None,
    header_row: int | None = None,
    snapshot: Snapshot | None = None,
    allow_similar_ids: bool = False,
) -> pd.Series:
    r"""
    Read customer ids from a CSV or Excel file.

    You can pass the ids to `resolve_customers`. If the ids are customer uids, you can also pass them to
    `plan_memberships` as the desired members of a group. Ids are read as strings, so that leading zeros are
    preserved. Blank rows, repeated ids, and whitespace and invisible characters around an id are removed. An
    apostrophe before an id is also removed. The number of removed rows is logged.

    Parameters
    ----------
    path : str or Path
        CSV or Excel file. CSV columns are separated by semicolons, commas, tabs, or vertical bars (|). The encoding
        is UTF-8, UTF-16, UTF-32, or Windows-1252. Reading an Excel workbook (.xlsx) requires the extra `excel`. Its
        ids must be in text cells, because number cells lose leading zeros. Integers in a number format such as
        00000000 are also accepted, because the format displays the zeros.
    column : str, optional
        Name of the id column. If it is given, columns that select rows, such as "Group", "Tenant", and "Include", are
        ignored. An id in the first row is not a column name. If None, the only column is used, or the first of these
        columns that exists: customer_uid, customer_id, uid, external_id, external_customer_id, customer_number,
        customer_no, kundenummer, kundenr, kunde_id, kundnummer, kundnr, kund_id, kunden_nummer, asiakasnumero, id.
        These names match regardless of case, spaces, and punctuation (`customerUid`, `Customer UID`). Other
        combinations of a word for "external", "customer", and "id" or "number" in the Nordic languages, German, or
        English are also recognized, for example `Ekstern id`, `Externe Kundennummer`, and `Kunden-Nr.`.
    sheet : str, optional
        Name of the worksheet. Required if the workbook has more than one visible worksheet with data.
    header_row : int, optional
        Number of the row that contains the column names. The rows above it are skipped, and must not contain ids. By
        default, it is the first row that is not blank.
    snapshot : Snapshot, optional
        Snapshot that contains the known customers. A snapshot is required if several columns have names of id columns
        and `column` is None. The ids in these columns of a row must then belong to the same customer. Without
        `column`, all other columns must not contain ids of other known customers.
    allow_similar_ids : bool, default False
        Whether to accept lists without known ids, and suspicious ids that are not in `snapshot`. An id is suspicious
        if it is similar to the id of a known customer, looks like a date, contains words, has a different format from
        all other ids, is outside the range of the known numbers, or is a row count in the last row. Such ids are
        treated as ids of other customers. See `resolve_customers`.

    Returns
    -------
    pandas.Series
        The unique ids in the order of the file, with dtype `str`. The name of the Series is the name of the column,
        or "id" for a file without column names.

    Raises
    ------
    ListError
        The file does not exist, is empty, or is not a list. The error is also raised if the content is ambiguous:
        mixed or unknown separators, an unclear id column, ids that a spreadsheet has converted (`150.0`, `1,5E+15`,
        `12 345`, `#N/A`), several ids in a cell, rows without an id, ids outside the id column, ids above
        `header_row`, formulas, invisible characters inside an id, a repeated header, a totals row, rows of several
        groups or tenants, a column that states which rows are part of the list (for example with "yes" and "no" below
        "Include", or "add" and "remove"), hidden rows, columns, sheets, or text, or text that is struck through. An
        unknown id is rejected if it looks like a date, contains a name or a symbol such as "¤", or starts with a sign
        (+, -, or @). It is also rejected if it is masked (`****1234`), if it is the number of rows above the last
        row, or if its format differs from all other ids (at least three per such id, or the first or last id). With
        `snapshot`, the error is also raised if the list names another tenant, if no id is known, if id columns
        contradict each other, or if other columns contain known ids. Email addresses, numbers that exceed the known
        numbers by a factor of more than 10, and ids that are similar to known ids, for example because leading zeros
        were lost, are also rejected. If the snapshot contains dates or ids with words, unknown ids can also be dates
        or contain words.

    See Also
    --------
    resolve_customers : Find the customer uids of the ids.

    Notes
    -----
    A file with one column does not need a column name in its first row. The first row is a column name if it is one
    of the names above, or contains a word such as "customer", "kunde", or "member". The first row is an id if it
    contains a digit or an "@" and does not contain a space. For any other first row, you must pass `column`.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "vip.csv")
    ...     _ = path.write_text("Kundenummer;Navn\n0150;Kari\n0007;Ola\n")
    ...     list(read_list(path))
    ['0150', '0007']
    """
    listed = read_listed_ids(path, column, sheet=sheet, header_row=header_row, snapshot=snapshot)
    if not allow_similar_ids:
        if snapshot is not None:
            reject_group_uids(listed, snapshot)
        kind = None if snapshot is None else detect_id_type(snapshot, listed.ids)
        customers = pd.DataFrame({"customer_uid": []}) if snapshot is None else snapshot.customers
        known = check_listed_ids(listed, customers, kind)
        check_formats(listed, known, customers["customer_uid" if kind is None else kind])
        if kind is not None and not known:
            reject_list_without_known_ids(listed, customers, kind)
    return listed.ids


def read_listed_ids(
    path: str | Path,
    column: str | None = None,
    *,
    sheet: str | None = None,
    header_row: int | None = None,
    snapshot: Snapshot | None = None,
    groups: Collection[str] | None = None,
    allows_several_groups: bool = False,
) -> ListedIds:
    """
    Read customer ids and their row numbers from a file, without comparing the ids with each other or with customers.

    `reject_other_scope` describes the parameters `groups` and `allows_several_groups`. The other parameters and the
    errors are the same as those of `read_list`. However, if a row has several id columns, the ids in these columns
    are compared with each other.
    """
    if header_row is not None:
        check_number(header_row, "header_row", at_least=1, whole=True)
    if snapshot is not None:
        check_type(snapshot, Snapshot, "snapshot")
    return listed_ids(
        read_table(path, sheet, header_row),
        column,
        header_row=header_row,
        snapshot=snapshot,
        groups=groups,
        allows_several_groups=allows_several_groups,
    )


def listed_ids(
    table: Table,
    column: str | None = None,
    *,
    header_row: int | None = None,
    snapshot: Snapshot | None = None,
    groups: Collection[str] | None = None,
    allows_several_groups: bool = False,
) -> ListedIds:
    """Return the customer ids in a table from `read_table`. See `read_listed_ids`."""
    position, name, has_header = find_id_column(table, column)
    if header_row is not None or column is not None:
        customers = None if snapshot is None else snapshot.customers
        reject_skipped_ids(table, position, customers, has_header=has_header)
    reject_broken_rows(table, position)
    reject_swallowed_rows(table, position)
    if has_header:
        reject_transposed(table, position, None if snapshot is None else snapshot.customers)
        reject_unnamed_ids(table, position)
    cells = read_id_column(table, position, has_header=has_header, rejects_words=True)
    id_columns = usual_columns(table) if has_header and column is None else []
    if len(id_columns) > 1 and snapshot is None:
        reject_unclear_columns(table, id_columns)
    elif len(id_columns) > 1 and snapshot is not None:
        reject_contradictions(table, id_columns, snapshot.customers)
    rows = {cell: number for number, cell in reversed(cells) if cell}
    ids = [cell for _, cell in cells if cell]
    if not ids:
        place = f"The column {name!r} is empty in {pluralize(len(cells), 'row')}. " if cells else ""
        raise ListError(f"{table.source} contains no ids. {place}Write one id per row below the column name.")
    other_columns = {} if snapshot is None else columns_with_known_ids(table, position, snapshot.customers)
    reject_rows_without_id(table, position, id_columns, has_header=has_header)
    if has_header:
        if column is None:
            reject_other_scope(table, position, snapshot, groups=groups, allows_several_groups=allows_several_groups)
            # Only suppression lists can contain several groups.
            # They are not checked, because their column "reason" can contain phrases such as "do not include".
            if not allows_several_groups:
                reject_selection_columns(table, position)
        # If `other_columns` is not empty, this check is skipped, because `check_listed_ids` raises an error that
        # names the column with the known ids.
        if column is None and snapshot is not None and not other_columns:
            reject_other_customers(table, position, id_columns, snapshot.customers)
    distinct = pd.Series(list(dict.fromkeys(ids)), dtype="str", name=name)
    listed = ListedIds(
        distinct,
        rows,
        table.source,
        has_header,
        ids[-1],
        len(ids),
        frozenset({len(cells) - 1, len(ids) - 1, len(distinct) - 1}),
        other_columns,
        _unused_columns(table, {position, *id_columns}) if has_header else (),
    )
    _log_list(listed, n_repeated=len(ids) - len(distinct))
    return listed


def check_listed_ids(listed: ListedIds, customers: pd.DataFrame, kind: str | None) -> set[str]:
    """
    Return the ids of known customers in a list.

    A ListError is raised if the last id is a row count, if ids are masked, email addresses, or phone numbers, if only
    a column other than the id column contains known ids, or if ids are probably misspelled ids of known customers.

    Parameters
    ----------
    listed
        Ids of the list.
    customers
        The known customers.
    kind
        Column of `customers` that contains the ids. If None, the ids are not compared with the customers.
    """
    known = set() if kind is None else set(listed.ids[is_known(listed.ids, customers[kind])])
    if kind is not None and not known:
        reject_column_without_known_ids(listed)
    check_row_count(listed, known)
    check_complete(listed, known, customers["customer_uid" if kind is None else kind])
    if kind is not None:
        unknown = [value for value in listed.ids if value not in known]
        place, rows = str(listed.source), listed.rows
        reject_emails(unknown, customers[kind], kind, source=place, rows=rows, error=ListError)
        reject_phone_numbers(listed.ids, known, customers[kind], source=place, rows=rows)
        n_known = len(known)
        check_similar_ids(customers, unknown, kind, source=place, rows=rows, error=ListError, n_known=n_known)
    return known


def _unused_columns(table: Table, used: Collection[int]) -> tuple[str, ...]:
    """Return the nonblank names of the columns that were not read. `used` contains the other columns' positions."""
    return tuple(name for column, name in enumerate(table.rows[0][1]) if name and column not in used)


def _log_list(listed: ListedIds, *, n_repeated: int) -> None:
    name, file, n_ids = str(listed.ids.name), listed.source, len(listed.ids)
    text = (
        f"Read {pluralize(n_ids, 'id')} from {listed.place}. "
        f"Skipped {n_repeated:,} repeated {agree(n_repeated, 'row', 'rows')}."
    )
    facts = {"file": file, "column": name, "n_ids": n_ids, "n_repeated": n_repeated}
    log_event(log, logging.INFO, "list_read", text, **facts)
