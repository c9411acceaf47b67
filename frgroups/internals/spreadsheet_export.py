"""
Write tables for spreadsheet programs, as CSV or as Excel workbooks.

Text from a tenant must never run as a formula. In a CSV file, text that could run as a formula is prefixed with an
apostrophe. In a workbook, text is stored in text cells with a quote prefix, which Excel does not evaluate.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.atomic_files import atomic_write, write_text
from frgroups.internals.column_formats import excel_number_format, format_column, has_rates
from frgroups.internals.formatting import escape_invisible
from frgroups.internals.workbooks import import_openpyxl

# Excel limits for the characters in a cell, the rows below the header, and the columns of a sheet.
MAX_CHARACTERS, MAX_ROWS, MAX_COLUMNS = 32_767, 1_048_575, 16_384

# Characters that can start a formula, including full-width characters.
# Whitespace is included, because spreadsheet programs ignore whitespace before a formula.
_FORMULA = re.compile(r"[\s'=+\-@＝＋－＠]")
# Values that a spreadsheet program with English or Nordic settings converts to a number, date, time, or Boolean.
_NUMBER = re.compile(
    r"[\d.,:/ %-]*\d[\d.,:/ %-]*(e[+-]?\d+)?"
    r"|\d{0,4}[-. /]?(jan|feb|mar|apr|ma[jiy]|jun|jul|aug|sep|o[ck]t|nov|de[cs])[a-z]*[-. /]?\d{0,4}"
    r"|true|false|sann|usann|sant|falskt|falsk",
    re.IGNORECASE,
)
_DATE_FORMAT, _DATETIME_FORMAT = "yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss"
# Minimum and maximum width of a column in characters, and the number of rows from which the width is computed.
_MIN_WIDTH, _MAX_WIDTH, _MEASURED_ROWS = 8, 60, 1000


def neutralize_formula(text: str) -> str:
    """
    Prefix a string with an apostrophe if a spreadsheet program could run the string as a formula.

    A string that starts with an apostrophe is prefixed with another apostrophe. To restore the original string,
    remove the first apostrophe.

    Examples
    --------
    >>> neutralize_formula("=1+1"), neutralize_formula("VIP"), neutralize_formula("'0150")
    ("'=1+1", 'VIP', "''0150")
    """
    return f"'{text}" if _FORMULA.match(text) else text


def protect_cell(value: object) -> str:
    """
    Return a string that a spreadsheet program neither runs as a formula nor converts to another type.

    Examples
    --------
    >>> [protect_cell(value) for value in ("@now", "0150", "3-4", "VIP")]
    ["'@now", "'0150", "'3-4", 'VIP']
    """
    text = str(value)
    return f"'{text}" if _NUMBER.fullmatch(text) else neutralize_formula(text)


def to_safe_csv(table: pd.DataFrame) -> str:
    r"""
    Return a table as CSV in which no text runs as a formula.

    Numbers, dates, and strings that look like numbers are not changed, so that a program that reads the file gets the
    original values. Each string is quoted, so that a separator in the string does not start another cell.

    Examples
    --------
    >>> to_safe_csv(pd.DataFrame({"name": ["=1+1", "VIP"], "n": [-1, 2]}))
    '"name","n"\n"\'=1+1",-1\n"VIP",2\n'
    """
    safe = pd.DataFrame({position: _safe_column(table.iloc[:, position]) for position in range(table.shape[1])})
    header = io.StringIO()
    names = [neutralize_formula(str(name)) for name in table.columns]
    csv.writer(header, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(names)
    body = safe.to_csv(index=False, header=False, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    return header.getvalue() + str(body)


def write_table_csv(path: Path, table: pd.DataFrame) -> Path:
    """
    Write a table to a CSV file in which no text runs as a formula, and return the path.

    Invisible characters in strings are escaped, as in `write_table_workbook`.
    """
    texts = {position: _visible_column(table.iloc[:, position]) for position in range(table.shape[1])}
    visible = pd.DataFrame(texts, index=table.index).set_axis([*map(escape_invisible, table.columns)], axis=1)
    return write_text(path, to_safe_csv(visible))


def _visible_column(column: pd.Series) -> pd.Series:
    # Check whether the conversion is needed, because the check takes only a tenth of the time of the conversion.
    if pd.api.types.is_string_dtype(column) and "".join(column.dropna().to_numpy(dtype=object)).isprintable():
        return column
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
        return column
    return column.map(_visible_value, na_action="ignore")


def _visible_value(value: object) -> object:
    return escape_invisible(value) if isinstance(value, str) else value


def _safe_column(column: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
        return column
    return column.map(_safe_value, na_action="ignore")


def _safe_value(value: object) -> object:
    return neutralize_formula(value) if isinstance(value, str) else value


def write_table_workbook(path: Path, table: pd.DataFrame, *, title: str, measure: str | None = None) -> Path:
    """
    Write a table to an Excel workbook with one sheet, and return the path.

    Text becomes text cells, and numbers become number cells. Timestamps become dates in UTC without a time zone,
    because Excel does not support time zones.

    Parameters
    ----------
    path
        The file to write.
    table
        The table. The names of its columns determine the number formats, for example percentages for shares.
    title
        Name of the sheet.
    measure
        Column name that determines the number formats of all columns. None uses the name of each column.

    Raises
    ------
    InputError
        openpyxl is not installed, or the table is larger than a sheet.
    """
    openpyxl = import_openpyxl()
    if len(table) > MAX_ROWS or table.shape[1] > MAX_COLUMNS:
        raise InputError(
            f"An Excel sheet can contain {MAX_ROWS:,} rows and {MAX_COLUMNS:,} columns, but the table has "
            f"{len(table):,} rows and {table.shape[1]:,} columns.",
            hint="Write a CSV file instead.",
            cli_hint="Pass --csv instead of --xlsx.",
        )
    book = openpyxl.Workbook(write_only=True)
    book.properties.creator = "frgroups"
    sheet = book.create_sheet(title[:31])
    sheet.freeze_panes = "A2"
    letters = [openpyxl.utils.get_column_letter(number) for number in range(1, table.shape[1] + 1)]
    are_rates = has_rates(table)
    for position, letter in enumerate(letters):
        width = _column_width(table.columns[position], table.iloc[:, position], are_rates=are_rates)
        sheet.column_dimensions[letter].width = width
    sheet.append(text_cells(sheet, table.columns, text_style(sheet, bold=True)))
    writers = [
        _cell_writer(sheet, measure or name, table.iloc[:, position], are_rates=are_rates)
        for position, name in enumerate(table.columns)
    ]
    for row in table.itertuples(index=False, name=None):
        sheet.append([write(value) for write, value in zip(writers, row, strict=True)])
    with atomic_write(path) as draft:
        book.save(draft)
    return path


def _column_width(name: Hashable, column: pd.Series, *, are_rates: bool) -> int:
    """Return the width of a column in characters, so that its header and most of its values are visible."""
    texts = format_column(column.head(_MEASURED_ROWS), str(name), are_rates=are_rates)
    longest = max(map(len, texts), default=0)
    if pd.api.types.is_datetime64_any_dtype(column):
        longest = len(_DATETIME_FORMAT)
    return min(max(longest, len(str(name)), _MIN_WIDTH) + 2, _MAX_WIDTH)


def _cell_writer(sheet: Any, name: Hashable, column: pd.Series, *, are_rates: bool) -> Callable[[Any], Any]:
    """Return a function that converts the values of a column to cells of a sheet."""
    from openpyxl.cell import WriteOnlyCell

    style = text_style(sheet)
    is_float = pd.api.types.is_float_dtype(column)
    number_format = excel_number_format(str(name), is_float=is_float, are_rates=are_rates)

    def write(value: Any) -> Any:
        if pd.api.types.is_scalar(value) and pd.isna(value):
            return None
        if isinstance(value, pd.Timestamp):
            timestamp = value.tz_convert(None) if value.tzinfo else value
            cell = WriteOnlyCell(sheet, timestamp.to_pydatetime())
            is_day = value.tzinfo is None and timestamp == timestamp.normalize()
            cell.number_format = _DATE_FORMAT if is_day else _DATETIME_FORMAT
            return cell
        if isinstance(value, bool):
            return WriteOnlyCell(sheet, value)
        if pd.api.types.is_number(value):
            cell = WriteOnlyCell(sheet, value)
            cell.number_format = number_format
            return cell
        return text_cells(sheet, [value], style)[0]

    return write


def text_style(sheet: Any, *, bold: bool = False) -> Any:
    """Return a style for text cells. Many cells share the style, which saves memory."""
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    cell = WriteOnlyCell(sheet)
    cell.number_format = "@"
    cell.quotePrefix = True
    if bold:
        cell.font = Font(bold=True)
    return cell._style


def text_cells(sheet: Any, values: Iterable[object], style: Any) -> list[Any]:
    """Return text cells with the given values, in which invisible characters are escaped."""
    from openpyxl.cell import WriteOnlyCell

    cells = []
    for value in values:
        cell = WriteOnlyCell(sheet, _truncate(escape_invisible(value)))
        cell.data_type = "s"  # By default, openpyxl stores a string that starts with "=" as a formula.
        cell._style = style
        cells.append(cell)
    return cells


def _truncate(text: str) -> str:
    if len(text) <= MAX_CHARACTERS:
        return text
    note = f" … truncated: {len(text):,} characters, the maximum is {MAX_CHARACTERS:,}"
    return text[: MAX_CHARACTERS - len(note)] + note
