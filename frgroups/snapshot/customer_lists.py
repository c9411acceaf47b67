"""Read lists of customer ids from files, and resolve the ids to customer uids."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from frgroups.errors import InputError, ListError
from frgroups.internals.formatting import agree, format_list, pluralize
from frgroups.internals.spreadsheets import (
    NonTextCell,
    Row,
    Table,
    clean_cell,
    normalize_column_name,
    read_table,
    reject_damaged_ids,
)
from frgroups.internals.structured_logging import log_event
from frgroups.internals.validation import check_choice, check_columns, wrong_type
from frgroups.snapshot.membership_matrix import READ_AS_STRINGS, check_uids
from frgroups.snapshot.snapshot import Snapshot

log = logging.getLogger("frgroups.snapshot")

_COLUMN_IN_CLI = (
    "To choose the id column of a file for `frgroups plan --list`, pass --column. In any other list, rename the id "
    "column to customer_uid or external_id."
)
_IF_ID = "If the first row contains an id, insert a row with the column name customer_uid above it."

USUAL_NAMES = (
    *("customer_uid", "customer_id", "uid"),
    *("external_id", "external_customer_id", "customer_number", "customer_no"),
    *("kundenummer", "kundenr", "kunde_id", "kundnummer", "kundnr", "kund_id", "kunden_nummer", "asiakasnumero"),
    "id",
)
OTHER_IDS = ("email", "e_mail", "e_post", "epost", "mobile", "mobil", "phone", "loyalty_id", "medlemsnummer")
_PERSONAL = ("email", "mobile", "loyalty_id")
_BY = ("external_id", "customer_uid", *_PERSONAL)


def read_list(path: str | Path, column: str | None = None, *, sheet: str | None = None) -> pd.Series:
    r"""
    Read customer ids from a CSV or Excel file.

    You can pass the ids to `resolve_customers`. If the ids are customer uids, you can also pass them to
    `plan_memberships` as the desired members of a group. Ids are read as strings, so that leading zeros are
    preserved. Surrounding whitespace, blank rows, and duplicates are removed. The number of removed rows is logged.

    Parameters
    ----------
    path : str or Path
        CSV or Excel file. CSV columns are separated by semicolons, commas, or tabs. The encoding is UTF-8, UTF-16, or
        Windows-1252. Reading an Excel workbook (.xlsx) requires the extra `excel`. Its ids must be in text cells,
        because number cells lose leading zeros.
    column : str, optional
        Name of the id column. If None, the only column is used, or the first of these columns that exists:
        customer_uid, customer_id, uid, external_id, external_customer_id, customer_number, customer_no, kundenummer,
        kundenr, kunde_id, kundnummer, kundnr, kund_id, kunden_nummer, asiakasnumero, id. These names match regardless
        of case, spaces, and underscores (`customerUid`, `Customer UID`).
    sheet : str, optional
        Name of the worksheet. Required if the workbook has more than one visible worksheet with data.

    Returns
    -------
    pandas.Series
        The unique ids in the order of the file, with dtype `str`. The name of the Series is the name of the column,
        or "id" for a file without column names.

    Raises
    ------
    ListError
        The file does not exist, is empty, or is not a list. The error is also raised if the content is ambiguous:
        mixed separators, an unclear id column, ids that a spreadsheet has converted to numbers (`150.0`, `1,5E+15`),
        or hidden rows.

    See Also
    --------
    resolve_customers : Find the customer uids of the ids.

    Notes
    -----
    A file with one column does not need a column name in its first row. The first row is a column name if it is one
    of the names above. It is an id if it contains a digit or an "@" and does not contain a space. Any other first row
    is a column name if all rows below it look like ids. If the rule does not give a clear result, ListError is
    raised. Then pass `column`.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "vip.csv")
    ...     _ = path.write_text("Kundenummer;Navn\n0150;Kari\n0007;Ola\n")
    ...     list(read_list(path))
    ['0150', '0007']
    """
    table = read_table(path, sheet)
    position, name, rows = _find_id_column(table, column)
    cells = [(number, row[position]) for number, row in rows]
    reject_damaged_ids(cells, table.source)
    ids = [cell for _, cell in cells if cell]
    if not ids:
        raise ListError(
            f"{table.source} does not contain any ids. The column {name!r} is empty in "
            f"{pluralize(len(cells), 'row')}. Write one id per row below the column name."
        )
    n_without_id = sum(not row[position] and any(row) for _, row in rows)
    if n_without_id:
        text = f"Skipped {pluralize(n_without_id, 'row')} without an id in the column {name!r} of {table.source}."
        log_event(log, logging.WARNING, "rows_without_id", text, file=table.source, column=name, n_rows=n_without_id)
    distinct = list(dict.fromkeys(ids))
    n_repeated = len(ids) - len(distinct)
    text = (
        f"Read {pluralize(len(distinct), 'id')} from the column {name!r} of {table.source}. "
        f"Skipped {n_repeated:,} repeated {agree(n_repeated, 'row', 'rows')}."
    )
    facts = {"file": table.source, "column": name, "n_ids": len(distinct), "n_repeated": n_repeated}
    log_event(log, logging.INFO, "list_read", text, **facts)
    return pd.Series(distinct, dtype="str", name=name)


def resolve_customers(
    snapshot: Snapshot,
    ids: Iterable[str],
    *,
    by: str = "external_id",
    directory: pd.DataFrame | str | Path | None = None,
) -> pd.DataFrame:
    """
    Find the customer uid for each id in a list.

    Ids are compared exactly, so "0150" does not match "150". If the ids are email addresses, case and surrounding
    whitespace are ignored.

    Parameters
    ----------
    snapshot : Snapshot
        Snapshot that contains the customers.
    ids : iterable of str
        Ids to find, for example the result of `read_list`. Repeated ids are ignored.
    by : str, default "external_id"
        Column of `snapshot.customers` that contains the ids: "external_id" or "customer_uid". If the snapshot was
        loaded with `personal=True`, "email", "mobile", and "loyalty_id" are also valid.
    directory : DataFrame, str or Path, optional
        Additional customers, as a table or as the path of a CSV or Excel file. The columns customer_uid and `by` are
        required. A directory can contain customers that do not belong to any group and are therefore not in the
        snapshot.

    Returns
    -------
    pandas.DataFrame
        One row per unique id, in the order of `ids`. All columns have the dtype `str`.

        - id : the id.
        - customer_uid : the customer uid, or missing if the id was not resolved.
        - outcome : "resolved", "unknown" (no customer has the id), or "ambiguous" (several customers have the id, or
          the directory contains a different id than the snapshot for the same customer).

    Raises
    ------
    InputError
        `by` is not valid or not in the snapshot, an id is not a string or is blank, or a column of `directory` is
        missing or does not contain strings.
    ListError
        The file of the directory cannot be read, or it lacks a column.

    See Also
    --------
    read_list : Read the ids from a file.

    Examples
    --------
    >>> resolve_customers(sample_snapshot(), ["0001", "1", "0251"])
         id customer_uid   outcome
    0  0001          c-1  resolved
    1     1          NaN   unknown
    2  0251        c-251  resolved
    """
    check_choice(by, "by", _BY)
    result = pd.DataFrame({"id": pd.Series(_distinct_ids(ids), dtype="str")})
    pairs = _id_pairs(_customers_with(snapshot, by), by)
    conflicting = pd.Index([], dtype="str")
    if directory is not None:
        directory_pairs = _id_pairs(_read_directory(directory, by), by)
        key_in_snapshot = pairs.drop_duplicates("customer_uid").set_index("customer_uid")["key"]
        snapshot_keys = directory_pairs["customer_uid"].map(key_in_snapshot)
        is_conflict = snapshot_keys.notna() & (snapshot_keys != directory_pairs["key"])
        conflicting = pd.Index(directory_pairs.loc[is_conflict, "key"])
        pairs = pd.concat([pairs, directory_pairs], ignore_index=True).drop_duplicates()
    keys = _normalize_ids(result["id"], by)
    is_shared = pairs["key"].duplicated(keep=False)
    is_ambiguous = keys.isin(pairs.loc[is_shared, "key"]) | keys.isin(conflicting)
    uids = keys.map(pairs[~is_shared].set_index("key")["customer_uid"]).astype("str").mask(is_ambiguous)
    outcome = pd.Series("unknown", index=result.index, dtype="str").mask(uids.notna(), "resolved")
    return result.assign(customer_uid=uids, outcome=outcome.mask(is_ambiguous, "ambiguous"))


def _find_id_column(table: Table, column: str | None) -> tuple[int, str, list[Row]]:
    """Return the position and name of the id column, and the rows that contain ids."""
    header, below = table.rows[0][1], table.rows[1:]
    if column is not None:
        position = _find_column(header, column, table.source)
        if position is None:
            raise ListError(f"{table.source} has no column {column!r}. {_describe_columns(header)}")
        return position, header[position], below
    for usual in USUAL_NAMES:
        position = _find_column(header, usual, table.source, exact=False)
        if position is not None:
            return position, header[position], below
    if table.width == 1:
        if _has_header(table):
            return 0, header[0], below
        return 0, "id", table.rows
    raise ListError(
        f"{table.source} has {table.width} columns, but none of them has a usual name for an id column, such as "
        f"customer_uid, external_id, or kundenummer. {_describe_columns(header)}",
        hint="Pass column= to choose the id column.",
        cli_hint=_COLUMN_IN_CLI,
    )


def _find_column(header: Sequence[str], name: str, source: Path, *, exact: bool = True) -> int | None:
    """
    Return the position of the column with the given name, or None if it does not exist.

    If `exact` is True, a column with exactly this name is preferred. If there is no such column, case, spaces,
    underscores, periods, and hyphens are ignored. A ListError is raised if several columns match.
    """
    matches: list[int] = []
    if exact:
        matches = [position for position, cell in enumerate(header) if cell == clean_cell(name)]
    if not matches:
        normalized = [normalize_column_name(cell) for cell in header]
        matches = [n for n, cell in enumerate(normalized) if header[n] and cell == normalize_column_name(name)]
    if len(matches) > 1:
        names = format_list([repr(header[position]) for position in matches])
        raise ListError(
            f"{source} has {len(matches)} columns that match the name {name!r}: {names}.",
            hint="Rename one of these columns, or pass the exact name of the id column as column=.",
            cli_hint=f"Rename one of these columns. {_COLUMN_IN_CLI}",
        )
    if not matches:
        return None
    return matches[0]


def _describe_columns(header: Sequence[str]) -> str:
    """Return a sentence that lists the column names, or a hint if the first row looks like customer data."""
    if any(_looks_like_data(cell) for cell in header):
        return "The first row looks like data. Insert a row of column names above it."
    return f"Its columns are {format_list([repr(cell) for cell in header if cell], 20)}."


def _has_header(table: Table) -> bool:
    """
    Return True if the first row of a file with one column is a column name.

    The docstring of `read_list` describes how the first row is classified. A ListError is raised if the
    classification is not clear.
    """
    [first], below = table.rows[0][1], [row[0] for _, row in table.rows[1:]]
    if normalize_column_name(first) in {normalize_column_name(name) for name in OTHER_IDS}:
        return True
    if isinstance(first, NonTextCell) or _looks_like_id(first):
        return False
    if below and all(isinstance(cell, NonTextCell) or _looks_like_id(cell) for cell in below):
        return True
    raise ListError(
        f"It is not clear if the first row of {table.source} is a column name or an id.",
        hint=f"If the first row contains the column name, pass that name as column=. {_IF_ID}",
        cli_hint=f"If the row contains the column name, pass that name to `frgroups plan --column`. {_IF_ID}",
    )


def _looks_like_id(cell: str) -> bool:
    return bool(re.fullmatch(r"\S*[\d@]\S*", cell))


def _looks_like_data(cell: str) -> bool:
    return "@" in cell or 2 * sum(map(str.isdigit, cell)) > len(cell) or len(cell) > 60


def _distinct_ids(ids: Iterable[str]) -> list[str]:
    if isinstance(ids, str | bytes | pd.DataFrame) or not isinstance(ids, Iterable):
        raise wrong_type(ids, "ids", "a list of strings or one column of a table")
    listed = list(ids)
    for position, value in enumerate(listed):
        if not isinstance(value, str):
            raise wrong_type(value, f"ids[{position}]", "a string", hint=READ_AS_STRINGS)
        if not value.strip():
            raise InputError(
                f"`ids[{position}]` must not be blank. Remove the blank ids, or read the file with read_list."
            )
    return list(dict.fromkeys(listed))


def _customers_with(snapshot: Snapshot, by: str) -> pd.DataFrame:
    if by not in snapshot.customers:
        raise InputError(
            f"`by` must be a column of `snapshot.customers`, got {by!r}.",
            hint="Load the snapshot with personal=True, or pass by='external_id' or by='customer_uid'.",
        )
    return snapshot.customers


def _read_directory(directory: pd.DataFrame | str | Path, by: str) -> pd.DataFrame:
    if not isinstance(directory, pd.DataFrame):
        directory = _read_directory_file(directory, by)
    uids = check_uids(directory, "customer_uid", "directory")
    if by == "customer_uid":
        return pd.DataFrame({by: uids})
    check_columns(directory.columns, [by], "directory")
    has_id = directory[by].notna() & (directory[by] != "")
    ids = check_uids(directory.loc[has_id], by, "directory")
    return pd.DataFrame({"customer_uid": uids.loc[ids.index], by: ids})


def _read_directory_file(path: str | Path, by: str) -> pd.DataFrame:
    table = read_table(path, None)
    header, rows = table.rows[0][1], table.rows[1:]
    columns: dict[str, list[str]] = {}
    for name in ("customer_uid", by):
        position = _find_column(header, name, table.source)
        if position is None:
            raise ListError(f"The directory {table.source} needs a column {name!r}. {_describe_columns(header)}")
        reject_damaged_ids([(number, row[position]) for number, row in rows], table.source)
        columns[name] = [row[position] for _, row in rows]
    return pd.DataFrame(columns, dtype="str")


def _id_pairs(customers: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return the unique pairs of normalized id and customer uid. Customers that have no id are omitted."""
    keys = _normalize_ids(customers[by], by)
    pairs = pd.DataFrame({"key": keys, "customer_uid": customers["customer_uid"].astype("str")})
    return pairs[pairs["key"].notna() & (pairs["key"] != "")].drop_duplicates(ignore_index=True)


def _normalize_ids(ids: pd.Series, by: str) -> pd.Series:
    strings = ids.astype("str")
    if by == "email":
        return strings.str.strip().str.casefold()
    return strings
