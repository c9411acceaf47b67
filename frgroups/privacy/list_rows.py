"""Remove the rows of one customer from a list file."""

from __future__ import annotations

import io
import re
import warnings
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from frgroups.errors import InputError, ListError
from frgroups.internals.csv_records import Record, possible_separators, split_records, split_separator_line
from frgroups.internals.id_cells import clean_cell, clean_id, normalize_email
from frgroups.internals.spreadsheets import normalize_column_name
from frgroups.internals.text_encodings import find_wide_encoding
from frgroups.internals.workbooks import (
    OLD_WORKBOOK_SIGNATURE,
    ZIP_SIGNATURE,
    Sheet,
    has_escape,
    import_openpyxl,
    read_workbook,
)
from frgroups.privacy.text_search import compile_word_pattern, count_in_zip, distinctive_ids
from frgroups.snapshot.id_columns import is_id_name

_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0e-\x1f]")

RowTest = Callable[[Sequence[str]], bool]


@dataclass(frozen=True)
class ListRowsResult:
    """
    Result of removing a customer's rows from a list.

    Attributes
    ----------
    body
        The new content of the file.
    rows
        The cells of the removed rows.
    n_left
        Number of mentions of the customer that remain in the file.
    """

    body: bytes
    rows: list[list[str]]
    n_left: int


def remove_list_rows(body: bytes, uid: str, ids: Iterable[str]) -> ListRowsResult:
    r"""
    Remove the rows of a list that contain the uid or another id of a customer.

    The other rows of a text file do not change. Id columns are recognized by their names, as in `read_list`. The
    column customer_uid is compared with the customer's uid, the column external_id with the customer's other ids, and
    any other id column with all ids. If the file has no id column, all columns are compared.

    Raises
    ------
    ListError
        The file cannot be read, or saving the changed file would lose other content.

    Examples
    --------
    >>> remove_list_rows(b"customer_uid;note\nc-1;\nc-10;\n", "c-1", ["0150"]).body
    b'customer_uid;note\nc-10;\n'
    """
    other_ids = frozenset(ids)
    if body.startswith(OLD_WORKBOOK_SIGNATURE):
        raise ListError("The file is an old .xls workbook or has a password, so it cannot be rewritten.")
    if body.startswith(ZIP_SIGNATURE):
        return _remove_from_workbook(body, uid, other_ids)
    return _remove_from_text(body, uid, other_ids)


def _remove_from_text(body: bytes, uid: str, ids: frozenset[str]) -> ListRowsResult:
    whole, encoding = _decode(body)
    # Parse the text without the byte order mark and the separator line, because they are not part of the first row.
    _, separator, text = split_separator_line(whole.removeprefix("\ufeff"))
    records = _records(text, separator)
    header = next((cells for _, cells in records if any(cells)), [])
    is_of_customer = _row_test(header, uid, ids)
    rows = [cells for _, cells in records if is_of_customer(cells)]
    rest = whole.removesuffix(text) + "".join(raw for raw, cells in records if not is_of_customer(cells))
    n_left = len(compile_word_pattern([uid, *distinctive_ids(ids)]).findall(rest))
    return ListRowsResult(rest.encode(encoding), rows, n_left)


def _row_test(header: Sequence[str], uid: str, ids: frozenset[str]) -> RowTest:
    """Return a function that tests whether the id columns of a row contain an id of the customer."""
    by_column = {
        column: frozenset(map(_fold, _ids_for(name, uid, ids)))
        for column, name in enumerate(header)
        if is_id_name(name)
    }
    all_ids = frozenset(map(_fold, (uid, *ids)))

    def is_of_customer(cells: Sequence[str]) -> bool:
        if not by_column:
            return any(_fold(cell) in all_ids for cell in cells)
        if cells == header:
            return False
        return any(_fold(cell) in by_column.get(column, ()) for column, cell in enumerate(cells))

    return is_of_customer


def _ids_for(column: str, uid: str, ids: frozenset[str]) -> frozenset[str]:
    """Return the customer's ids that can occur in a column with the given name."""
    if normalize_column_name(column) == "customeruid":
        return frozenset({uid})
    if normalize_column_name(column) == "externalid":
        return ids
    return ids | {uid}


def _fold(cell: str) -> str:
    """Normalize an email address as `resolve_customers` does, and return any other id unchanged."""
    return normalize_email(cell) if "@" in cell else cell


def _decode(body: bytes) -> tuple[str, str]:
    """
    Decode the bytes of a text file, and return the text and the encoding.

    The byte order mark remains in the text, so that the text can be encoded to the original bytes again.
    """
    wide_encoding = find_wide_encoding(body)
    for encoding in ("utf-8", "cp1252", "latin-1") if wide_encoding is None else (wide_encoding,):
        try:
            text = body.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not _CONTROL_CHARACTER.search(text):
            return text, encoding
    raise ListError("The file is neither a text file nor a workbook.")


def _records(text: str, separator: str) -> list[Record]:
    """
    Split the text of a list into records, and return each record with its cells.

    The separator is selected as in `read_list`. If the separator is ambiguous or unknown, each line is one cell.
    """
    candidates, errors = split_records(text, strict=False, separator=separator)
    if errors:
        raise ListError(f"The file cannot be split into rows ({'; '.join(errors.values())}).")
    possible = possible_separators(candidates)
    if len(possible) == 1:
        return [(raw, [_clean_cell(cell) for cell in cells]) for raw, cells in candidates[possible[0]]]
    return [(line, [_clean_cell(line)]) for line in io.StringIO(text, newline="")]


def _clean_cell(text: str) -> str:
    cell = clean_cell(text)
    if len(cell) > 1 and cell[0] == cell[-1] == '"':
        cell = cell[1:-1]
    return clean_id(cell)


def _remove_from_workbook(body: bytes, uid: str, ids: frozenset[str]) -> ListRowsResult:
    """
    Remove the rows from all sheets of a workbook, including hidden sheets and rows.

    As in `read_list`, `read_workbook` reads the rows. openpyxl loads the workbook only if rows must be removed.
    """
    words = compile_word_pattern([uid, *distinctive_ids(ids)])
    try:
        sheets = [worksheet.sheet for worksheet in read_workbook(body, "The workbook")]
    except ListError:
        raise
    except InputError as error:
        raise ListError(error.message) from error
    rows_by_title = {sheet.title: _rows_of_customer(sheet, uid, ids) for sheet in sheets}
    rows_by_title = {title: rows for title, rows in rows_by_title.items() if rows}
    if not rows_by_title:
        return ListRowsResult(body, [], count_in_zip(body, words))
    for sheet in sheets:
        _reject_unsafe_sheet(sheet, rows_by_title)
    book = _load_workbook(body)
    for title, rows in rows_by_title.items():
        _reject_parts(title, {"a table": book[title].tables, "charts or pictures": _drawings(book[title])})
        _delete_rows(book[title], sorted(rows))
    written = io.BytesIO()
    book.save(written)
    removed = [row for rows in rows_by_title.values() for row in rows.values()]
    return ListRowsResult(written.getvalue(), removed, count_in_zip(written.getvalue(), words))


def _rows_of_customer(sheet: Sheet, uid: str, ids: frozenset[str]) -> dict[int, list[str]]:
    """Return the filled cells of the rows that contain an id of the customer, keyed by row number."""
    columns = sorted({column for _, cells in sheet.rows for column in cells})
    header = sheet.rows[0][1] if sheet.rows else {}
    is_of_customer = _row_test([_clean_cell(header.get(column, "")) for column in columns], uid, ids)
    rows = {}
    for number, cells in sheet.rows:
        # Include blank cells, so that the position of each cell in the list corresponds to a column.
        row = [_clean_cell(cells.get(column, "")) for column in columns]
        if is_of_customer(row):
            rows[number] = row
    return rows


def _reject_unsafe_sheet(sheet: Sheet, rows_by_title: Mapping[str, object]) -> None:
    """Raise ListError if a sheet has content that the removal of rows would change or move incorrectly."""
    if any(has_escape(cell) for _, cells in sheet.rows for cell in cells.values()):
        _reject_parts(sheet.title, {"escaped characters (_xHHHH_)": True})
    if sheet.title in rows_by_title:
        _reject_parts(sheet.title, {"formulas": sheet.has_formulas, "merged cells": sheet.has_merged_cells})


def _reject_parts(title: str, parts: Mapping[str, object]) -> None:
    present = " and ".join(name for name, is_present in parts.items() if is_present)
    if present:
        raise ListError(
            f"Sheet {title!r} contains {present}, which could be lost or moved if a row is removed. "
            "Delete the row in Excel."
        )


def _delete_rows(worksheet: Any, numbers: Sequence[int]) -> None:
    """
    Delete rows with their heights, and move the rows below them up.

    The method `delete_rows` of openpyxl is not used, because it creates a cell object for each blank cell of the
    sheet and does not move the row heights.
    """
    deleted = frozenset(numbers)
    cells, shapes = sorted(worksheet._cells.items()), sorted(worksheet.row_dimensions.items())
    worksheet._cells.clear()
    worksheet.row_dimensions.clear()
    for (number, column), cell in cells:
        if number not in deleted:
            cell.row = number - bisect_left(numbers, number)
            worksheet._cells[cell.row, column] = cell
    for number, shape in shapes:
        if number not in deleted:
            shape.index = number - bisect_left(numbers, number)
            worksheet.row_dimensions[shape.index] = shape


def _drawings(worksheet: Any) -> list[Any]:
    return [*worksheet._charts, *worksheet._images]


def _load_workbook(body: bytes) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # openpyxl issues a UserWarning if content of the workbook would be lost. Convert the warning to an error.
            warnings.simplefilter("error", UserWarning)
            return import_openpyxl().load_workbook(io.BytesIO(body))
    except UserWarning as error:
        raise ListError("The workbook contains content that would be lost if it were saved again.") from error
    except Exception as error:
        # Catch all exceptions, because the zip and XML readers raise many types of errors for a damaged workbook.
        raise ListError(f"The workbook is damaged ({type(error).__name__}).") from error
