"""
Read the filled cells of Excel workbooks (.xlsx).

All code that reads workbooks uses `read_workbook`. Only filled cells are stored, because the used range of a sheet
with one distant cell can contain billions of empty cells. The module parses the XML with openpyxl, but does not use
the worksheet objects of openpyxl, because these objects create the empty cells of the used range and of merged
ranges.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from frgroups.errors import InputError, ListError
from frgroups.internals.cell_styles import CellStyles, find_cell_styles
from frgroups.internals.formatting import format_size

ZIP_SIGNATURE = b"PK\x03\x04"  # Excel workbooks (.xlsx) are zip files.
OLD_WORKBOOK_SIGNATURE = b"\xd0\xcf\x11\xe0"  # Old (.xls) and encrypted workbooks start with these bytes.

# Maximum size of the unpacked workbook in bytes. The unpacked size of a million rows is about 200 MB.
MAX_UNPACKED_BYTES = 512 * 2**20
# Rows and columns below these sizes are not legible, so they are treated as hidden.
MIN_ROW_HEIGHT = 3.0  # points
MIN_COLUMN_WIDTH = 0.5  # characters
_MAX_EXACT_DIGITS = 15  # Excel replaces all later digits of a number with zeros.

# Excel stores the character U+000D as "_x000D_", and the text "_x000D_" as "_x005F_x000D_" (ECMA-376, ST_Xstring).
_ESCAPE = re.compile(r"(?:_x[0-9A-Fa-f]{4}_)+")
CHANGED_TEXT = "a text that the number format of the cell changes"
CELL_KINDS = {"n": "a number", "d": "a date", "b": "TRUE or FALSE", "f": "a formula", "e": "an Excel error"}

Cells = dict[int, str]  # The filled cells of a row by column number. The first column has the number 1.


class StruckText(str):
    """Workbook text that is completely or partly struck through."""


class NonTextCell(str):
    """Workbook cell that is not text, for example a number. An id column must not contain such cells."""

    kind: str

    def __new__(cls, text: str, kind: str) -> NonTextCell:
        """Create a cell from its text and a description of its kind, such as "a number"."""
        cell = super().__new__(cls, text)
        cell.kind = kind
        return cell


@dataclass(frozen=True)
class Sheet:
    """
    Filled cells of a worksheet.

    Attributes
    ----------
    title
        Name of the sheet.
    rows
        Row number and filled cells of each row that is not empty. A cell that is not text is a NonTextCell.
    hidden_rows
        Numbers of the filled rows that are not visible: hidden, filtered, collapsed, or lower than `MIN_ROW_HEIGHT`.
    hidden_columns
        Numbers of the filled columns that are not visible.
    invisible_rows
        Numbers of the filled rows with invisible text. The first filled row is not included, because a table style
        can give this row a background on which its text is visible.
    struck_rows
        Numbers of the filled rows with text that is struck through.
    conditional_rows
        Numbers of the filled rows with a conditional format that can strike through or hide text.
    has_formulas, has_merged_cells
        Whether the sheet contains formulas or merged cells.
    """

    title: str
    rows: list[tuple[int, Cells]]
    hidden_rows: list[int]
    hidden_columns: list[int]
    invisible_rows: list[int]
    struck_rows: list[int]
    conditional_rows: list[int]
    has_formulas: bool
    has_merged_cells: bool


@dataclass(frozen=True)
class SheetSource:
    """A worksheet that is parsed when `sheet` is accessed for the first time."""

    title: str
    is_visible: bool
    _workbook: str
    _worksheet: Any
    _strings: list[str]
    _styles: CellStyles

    @cached_property
    def sheet(self) -> Sheet:
        """The filled cells of the worksheet."""
        with _corrupt_as_list_error(self._workbook):
            return _read_sheet(self._worksheet, self._strings, self._styles)


def read_workbook(body: bytes, name: str) -> list[SheetSource]:
    """
    Return the worksheets of a workbook, including hidden worksheets.

    Parameters
    ----------
    body
        Content of the .xlsx file.
    name
        Name of the workbook for error messages.

    Raises
    ------
    InputError
        openpyxl is not installed.
    ListError
        The workbook is corrupt, or its unpacked size exceeds `MAX_UNPACKED_BYTES`.
    """
    import_openpyxl()
    from openpyxl.reader.excel import ExcelReader

    _check_unpacked_size(body, name)
    with _corrupt_as_list_error(name):
        strings = _shared_strings(body)
        reader = ExcelReader(io.BytesIO(body), read_only=True)
        reader.read_strings = lambda: None  # Do not read the shared strings a second time.
        reader.read()
        book = reader.wb
        # Skip chart sheets, which have no cells.
        worksheets = [sheet for sheet in book.worksheets if hasattr(sheet, "_get_source")]
        styles = find_cell_styles(book)
        return [
            SheetSource(sheet.title, sheet.sheet_state == "visible", name, sheet, strings, styles)
            for sheet in worksheets
        ]


def import_openpyxl() -> Any:
    """Import the optional dependency openpyxl. Raise InputError if it is not installed."""
    try:
        import openpyxl
    except ImportError as error:
        raise InputError(
            'Excel workbooks require the package openpyxl. Run pip install "frgroups[excel]".'
        ) from error
    return openpyxl


def decode_escapes(text: str) -> str:
    r"""
    Replace the escapes of a workbook string with the characters that Excel shows.

    Examples
    --------
    >>> decode_escapes("c-2_x000D_"), decode_escapes("a_x005F_x000D_"), decode_escapes("_xD83D__xDE00_")
    ('c-2\r', 'a_x000D_', '😀')
    """
    if "_x" not in text:
        return text
    return _ESCAPE.sub(_decode_match, text)


def has_escape(text: str) -> bool:
    """
    Return True if a string contains an escaped character such as _x000D_, in upper or lower case.

    Programs that do not decode the strings of a workbook write these escapes to their exports.

    Examples
    --------
    >>> has_escape("c-2_x000D_"), has_escape("c-2_X0009_"), has_escape("c_x1")
    (True, True, False)
    """
    return re.search(r"_[xX][0-9A-Fa-f]{4}_", text) is not None


def _decode_match(match: re.Match[str]) -> str:
    units = [int(escape[2:6], 16) for escape in re.findall(r"_x.{4}_", match[0])]
    # A character outside the basic multilingual plane is stored as two escapes, which are UTF-16 surrogates.
    # Therefore, adjacent escapes are decoded together.
    return b"".join(unit.to_bytes(2, "little") for unit in units).decode("utf-16-le", "replace")


@contextmanager
def _corrupt_as_list_error(name: str) -> Iterator[None]:
    """Convert any exception that the zip and XML readers raise in the `with` block to a ListError."""
    try:
        with warnings.catch_warnings():
            # Ignore openpyxl's warnings about unsupported styles and validations, which do not affect the text of the
            # cells.
            warnings.simplefilter("ignore")
            yield
    except Exception as error:
        raise ListError(
            f"{name} is incomplete or damaged, so it cannot be read as an Excel workbook. Save the workbook again as "
            ".xlsx or CSV UTF-8."
        ) from error


def _check_unpacked_size(body: bytes, name: str) -> None:
    with _corrupt_as_list_error(name), zipfile.ZipFile(io.BytesIO(body)) as parts:
        # The ZIP reader unpacks at most the stated size of each file in the archive.
        # Therefore, a file with a wrong stated size cannot bypass the limit.
        size = sum(part.file_size for part in parts.infolist())
    if size > MAX_UNPACKED_BYTES:
        raise ListError(
            f"{name} is too large ({format_size(size)} unpacked, the maximum is {format_size(MAX_UNPACKED_BYTES)}). "
            "Save only the list as CSV UTF-8."
        )


def _shared_strings(body: bytes) -> list[str]:
    """
    Return the shared strings of a workbook without decoding their escapes.

    openpyxl's function for shared strings is not used, because that function removes parts of escaped underscores.
    """
    from openpyxl.cell.text import Text
    from openpyxl.packaging.manifest import Manifest
    from openpyxl.xml.constants import ARC_CONTENT_TYPES, SHARED_STRINGS, SHEET_MAIN_NS
    from openpyxl.xml.functions import fromstring, iterparse

    with zipfile.ZipFile(io.BytesIO(body)) as parts:
        part = Manifest.from_tree(fromstring(parts.read(ARC_CONTENT_TYPES))).find(SHARED_STRINGS)
        if part is None:
            return []
        strings = []
        with parts.open(part.PartName[1:]) as source:
            for _, node in iterparse(source):
                if node.tag == f"{{{SHEET_MAIN_NS}}}si":
                    strings.append(_text_of(node, Text))
                    node.clear()
    return strings


def _text_of(node: Any, text_type: Any) -> str:
    if len(node) == 1 and node[0].tag.endswith("}t"):  # Most strings are unformatted text.
        return node[0].text or ""
    text = str(text_type.from_tree(node).content)
    return StruckText(text) if _is_struck(node) else text


def _is_struck(node: Any) -> bool:
    """Return True if any part of a string is struck through."""
    strikes = (element for element in node.iter() if element.tag.endswith("}strike"))
    return any(element.get("val") not in ("0", "false") for element in strikes)


def _read_sheet(worksheet: Any, strings: list[str], styles: CellStyles) -> Sheet:
    from openpyxl.worksheet._reader import WorkSheetParser

    book = worksheet.parent
    rows: list[tuple[int, Cells]] = []
    invisible, struck = set(), set()
    has_formulas = False
    with worksheet._get_source() as source:
        parser = WorkSheetParser(
            source,
            strings,
            epoch=book.epoch,
            date_formats=book._date_formats,
            timedelta_formats=book._timedelta_formats,
        )
        _mark_struck_strings(parser)
        for number, parsed_cells in parser.parse():
            cells: Cells = {}
            # Some programs write the style of a row or a column, but not the styles of its cells.
            # Such a cell has the style of its row or column.
            row_style = int(parser.row_dimensions.get(str(number), {}).get("s", 0))
            for cell in parsed_cells:
                has_formulas = has_formulas or cell["data_type"] == "f"
                style = cell["style_id"] or row_style or _column_style(parser, cell["column"])
                text = _cell_text(cell["value"], cell["data_type"], n_digits=styles.n_digits.get(style, 0))
                if not text:
                    continue
                if style in styles.changing:
                    text = NonTextCell(text, CHANGED_TEXT)
                cells[cell["column"]] = text
                if style in styles.struck or isinstance(cell["value"], StruckText):
                    struck.add(number)
                if style in styles.invisible:
                    invisible.add(number)
            if cells:
                rows.append((number, cells))
    rows.sort(key=lambda row: row[0])
    columns = sorted({column for _, cells in rows for column in cells})
    default_height = _size(getattr(parser, "sheet_format", None), "defaultRowHeight")
    default_width = _size(getattr(parser, "sheet_format", None), "defaultColWidth")
    shapes = list(parser.column_dimensions.values())
    return Sheet(
        worksheet.title,
        rows,
        [n for n, _ in rows if _is_hidden(parser.row_dimensions.get(str(n)), "ht", default_height, MIN_ROW_HEIGHT)],
        [n for n in columns if _is_hidden(_shape_of(n, shapes), "width", default_width, MIN_COLUMN_WIDTH)],
        [n for n, _ in rows[1:] if n in invisible],
        sorted(struck),
        _conditional_rows(rows, parser.formatting, styles),
        has_formulas,
        bool(parser.merged_cells and parser.merged_cells.mergeCell),
    )


def _mark_struck_strings(parser: Any) -> None:
    """Make a parser return inline strings (strings stored in the cell) as StruckText if they are struck through."""
    parse_cell = parser.parse_cell

    def parse_inline_string(element: Any) -> dict[str, Any]:
        cell: dict[str, Any] = parse_cell(element)
        if cell["value"] is not None and element.get("t") == "inlineStr" and _is_struck(element):
            cell["value"] = StruckText(cell["value"])
        return cell

    parser.parse_cell = parse_inline_string


def _column_style(parser: Any, column: int) -> int:
    """Return the style index of a column, or 0 for the default style."""
    if not parser.column_dimensions:
        return 0
    shape = _shape_of(column, list(parser.column_dimensions.values()))
    return 0 if shape is None else int(shape.get("style", 0))


def _conditional_rows(rows: list[tuple[int, Cells]], formats: Any, styles: CellStyles) -> list[int]:
    """
    Return the numbers of the rows in which a filled cell has one of the conditional formats in `styles`.

    The cell ranges of the formats are merged before they are compared with the rows, because a sheet can contain
    thousands of ranges.
    """
    intervals: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for conditional in formats:
        if any(rule.dxfId in styles.conditional for rule in conditional.rules):
            for cell_range in conditional.sqref.ranges:
                columns = cell_range.min_col, cell_range.max_col
                intervals.setdefault(columns, []).append((cell_range.min_row, cell_range.max_row))
    merged = {columns: _merge_intervals(of_columns) for columns, of_columns in intervals.items()}
    return [
        number
        for number, cells in rows
        if any(
            _is_in_interval(number, of_columns) and any(first <= column <= last for column in cells)
            for (first, last), of_columns in merged.items()
        )
    ]


def _merge_intervals(intervals: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Merge overlapping and adjacent intervals of row numbers. The result is sorted."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(intervals):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(last, merged[-1][1])
        else:
            merged.append((first, last))
    return merged


def _is_in_interval(number: int, intervals: list[tuple[int, int]]) -> bool:
    """Return True if a number is within one of the intervals, which must be sorted and separate."""
    position = bisect_right(intervals, number, key=lambda interval: interval[0])
    return position > 0 and number <= intervals[position - 1][1]


def _cell_text(value: Any, data_type: str, *, n_digits: int) -> str:
    """
    Return the text of a cell.

    `n_digits` is the number of zeros in a number format such as "00000000", and 0 for other formats. An integer in
    such a format is displayed with leading zeros, so the result is a plain string and not a NonTextCell. Integers
    with more than 15 digits are excluded, because Excel stores only the first 15 digits.
    """
    if n_digits and data_type == "n" and isinstance(value, int) and 0 <= value < 10**_MAX_EXACT_DIGITS:
        return f"{value:0{n_digits}d}"
    if value is None:
        return ""
    if data_type == "s":
        return decode_escapes(value)
    # The value of an array formula is an object whose attribute `text` contains the formula.
    return NonTextCell(str(getattr(value, "text", value)), CELL_KINDS.get(data_type, f"a cell of kind {data_type!r}"))


def _shape_of(column: int, shapes: list[dict[str, str]]) -> Mapping[str, str] | None:
    return next((shape for shape in shapes if int(shape["min"]) <= column <= int(shape["max"])), None)


def _size(sheet_format: Any, name: str) -> float | None:
    size = getattr(sheet_format, name, None)
    return None if size is None else float(size)


def _is_hidden(shape: Mapping[str, str] | None, size_name: str, default: float | None, smallest: float) -> bool:
    """
    Return True if a row or column is not visible.

    The setting zeroHeight of a sheet is ignored. This setting hides only the rows that are not stored in the file, so
    no data is hidden (ECMA-376, 18.3.1.81). Many workbooks hide their unused rows in this way.
    """
    size = default
    if shape is not None:
        if shape.get("hidden") in ("1", "true"):
            return True
        if size_name in shape:
            size = float(shape[size_name])
        elif shape.get("customHeight") in ("1", "true"):
            return True  # A missing custom height means 0, because openpyxl omits a height of 0.
    return size is not None and size < smallest
