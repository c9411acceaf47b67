"""Read a CSV or Excel file into rows of text cells, including the header, and reject damaged ids."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frgroups.errors import InputError, ListError

ZIP_SIGNATURE = b"PK\x03\x04"  # of a workbook, among others
OLD_WORKBOOK_SIGNATURE = b"\xd0\xcf\x11\xe0"  # of an .xls workbook, or of one with a password
SEPARATOR_LINE = re.compile(r"sep=[;,\t]\r?\n")  # Excel writes this first line to name the separator.

_SEPARATORS = {";": "semicolon", ",": "comma", "\t": "tab"}

_POINT_ZERO = re.compile(r"[+-]?\d+[.,]0+")
_SCIENTIFIC = re.compile(r"[+-]?\d+([.,]\d+)?[eE][+-]\d+")
_MISSING_VALUES = frozenset({"nan", "none", "null", "<na>", "nat"})
_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_FORMULA_OF_TEXT = re.compile(r'="(.*)"', re.DOTALL)
_NO_SEPARATOR = "\x1f"

Row = tuple[int, list[str]]  # the row's number in a spreadsheet, and its cells
Record = tuple[str, list[str]]  # the text of a CSV record, with its line end, and its cells


@dataclass(frozen=True)
class Table:
    """The rows of a file that are not blank. All have the same width, and the first can be a header."""

    source: Path
    rows: list[Row]

    @property
    def width(self) -> int:
        """The number of cells of each row."""
        return len(self.rows[0][1])


class NonTextCell(str):
    """A workbook cell of the given kind, which is not text. Only id columns must be text."""

    kind: str

    def __new__(cls, text: str, kind: str) -> NonTextCell:
        """Create a cell from its text and its kind."""
        cell = super().__new__(cls, text)
        cell.kind = kind
        return cell


def read_table(path: str | Path, sheet: str | None) -> Table:
    """
    Return the rows of a CSV or Excel file that are not blank.

    The rows of a workbook are those of `sheet`, or of the only filled sheet.
    """
    source = Path(path).expanduser()
    try:
        body = source.read_bytes()
    except OSError as error:
        problem = error.strerror
        if source.is_dir():
            problem = "a folder"
        raise ListError(f"The list {source} cannot be read: {problem}. Name a CSV or Excel file.") from error
    if body.startswith(OLD_WORKBOOK_SIGNATURE):
        raise ListError(
            f"{source} is an old .xls workbook or one with a password. Save it as .xlsx without a password, "
            "or as CSV UTF-8."
        )
    is_workbook = body.startswith(ZIP_SIGNATURE)
    if not is_workbook and source.suffix.lower() in (".xlsx", ".xlsm", ".xls"):
        raise ListError(f"{source} is named like a workbook but is none. Save it again as .xlsx or CSV UTF-8.")
    if not is_workbook and sheet is not None:
        raise ListError(f"The sheet {sheet!r} was asked of {source}, which is no workbook. Leave it out.")
    raw_rows = _excel_rows(body, source, sheet) if is_workbook else _csv_rows(_decode_text(body, source), source)
    rows = [(number, [clean_cell(cell) for cell in row]) for number, row in raw_rows]
    rows = [(number, row) for number, row in rows if any(row)]
    if not rows:
        raise ListError(f"{source} is empty ({len(body):,} bytes, no cell filled). Write one id per row.")
    return Table(source, _same_width(rows, source))


def reject_damaged_ids(cells: Sequence[tuple[int, str]], source: Path) -> None:
    """Raise ListError if a spreadsheet or a number column has changed these ids."""
    damaged = [(number, cell) for number, cell in cells if _damage_of(cell)]
    if not damaged:
        return
    examples = " and ".join(f"row {number} ({cell[:40]})" for number, cell in damaged[:2])
    if len(damaged) > 2:
        examples += f" and {len(damaged) - 2:,} more"
    kind = _damage_of(damaged[0][1])
    raise ListError(
        f"{source}: {len(damaged):,} ids are {kind}, not text: {examples}. Digits or leading zeros may be lost. "
        "Export the list again, and open it with the id column as Text (Data > From Text) or not in Excel at all."
    )


def clean_cell(cell: str) -> str:
    """Return a cell without surrounding blanks, and without the formula that marks it as text."""
    trimmed = cell.strip().strip("\u200b\ufeff").strip()
    if isinstance(cell, NonTextCell):
        return NonTextCell(trimmed, cell.kind)
    formula = _FORMULA_OF_TEXT.fullmatch(trimmed)
    if formula:
        return formula[1].strip()
    return trimmed


def normalize_column_name(name: str) -> str:
    """
    Return a column name in lower case, without blanks, underscores, periods and hyphens.

    Examples
    --------
    >>> normalize_column_name("Customer UID"), normalize_column_name("customer_uid")
    ('customeruid', 'customeruid')
    """
    return re.sub(r"[\s_.\-]", "", name).casefold()


def _decode_text(body: bytes, source: Path) -> str:
    """Decode a file in UTF-8, Windows-1252, or UTF-16 with a byte order mark, as spreadsheets write them."""
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = body.decode("utf-16", errors="replace")
    else:
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = body.decode("cp1252", errors="replace")
    if _CONTROL_CHARACTER.search(text) or "\ufffd" in text:
        raise ListError(f"{source} is not text ({len(body):,} bytes). Save the list as CSV UTF-8 or .xlsx.")
    if text.lstrip()[:1] in ("<", "{", "["):
        raise ListError(f"{source} looks like HTML or JSON, not like a list. Save the list as CSV UTF-8 or .xlsx.")
    return text


def split_records(text: str, *, strict: bool) -> tuple[dict[str, list[Record]], str]:
    """
    Split a CSV text by each separator that gives the first filled row several cells.

    Return the records of each separator, and a message about a separator by which the text cannot be split, or "".
    With `strict`, a quote that is not closed is such an error.
    """
    candidates: dict[str, list[Record]] = {}
    message = ""
    for separator, name in _SEPARATORS.items():
        try:
            records = list(_split_by(text, separator, strict=strict))
        except csv.Error as error:
            message = f"{name}: {error}"
            continue
        rows = _filled_rows(records)
        if rows and len(rows[0][1]) > 1:
            candidates[separator] = records
    return candidates, message


def even_separators(candidates: dict[str, list[Record]]) -> list[str]:
    """Return the separators by which all filled rows have the same width."""
    return [separator for separator, records in candidates.items() if not _odd_row(_filled_rows(records))]


def _split_by(text: str, separator: str, *, strict: bool) -> Iterator[Record]:
    lines: list[str] = []

    def collect_lines() -> Iterator[str]:
        for line in io.StringIO(text, newline=""):
            lines.append(line)
            yield line

    for cells in csv.reader(collect_lines(), delimiter=separator, strict=strict):
        yield "".join(lines), cells
        lines.clear()


def _filled_rows(records: Sequence[Record]) -> list[Row]:
    return [(number, cells) for number, (_, cells) in enumerate(records, 1) if any(map(clean_cell, cells))]


def _csv_rows(text: str, source: Path) -> list[Row]:
    """Return the rows of a CSV text, split by the one separator that fits all of them."""
    skipped = 0
    separator_line = SEPARATOR_LINE.match(text)
    if separator_line:
        text, skipped = text[separator_line.end() :], 1
    lines = list(enumerate((clean_cell(line) for line in text.splitlines()), skipped + 1))
    first = next((line for _, line in lines if line), "")
    if "," not in first or _damage_of(first):  # One column: a comma in a line is then part of a number.
        reject_damaged_ids(lines, source)
    candidates, message = split_records(text, strict=True)
    even = even_separators(candidates)
    if len(even) == 1:
        return _numbered_from(candidates[even[0]], skipped)
    if candidates:
        separators = " and ".join(_SEPARATORS[separator] for separator in even or candidates)
        if len(candidates) == 1:
            [records] = candidates.values()
            odd = _odd_row(_numbered_from(records, skipped))
            raise ListError(f"{source}: {odd}; separated by {separators}. Mend that row, or its quotes.")
        raise ListError(
            f"{source} can be read as separated by {separators}. Save it with one separator, or the id column alone."
        )
    if message:
        raise ListError(f"{source}: a quote is not closed or stands alone ({message}). Save the list again.")
    return _one_column(text, source, skipped)


def _numbered_from(records: Sequence[Record], skipped: int) -> list[Row]:
    return [(number + skipped, cells) for number, cells in _filled_rows(records)]


def _one_column(text: str, source: Path, skipped: int) -> list[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_NO_SEPARATOR, strict=True)
    rows = [(number + skipped, row) for number, row in enumerate(reader, 1) if row and row[0].strip(";,\t ")]
    for number, [cell] in rows:
        separators = [name for separator, name in _SEPARATORS.items() if separator in cell]
        if separators:
            raise ListError(
                f"{source}: the first row is one column, but row {number} holds a {separators[0]}. Save it with one "
                "separator throughout, or the id column alone."
            )
    return rows


def _odd_row(rows: Sequence[Row]) -> str:
    """Describe the first row that has fewer filled columns than the first row, or more, or return ""."""
    width = len(rows[0][1])
    for number, row in rows:
        if len(row) < width or any(row[width:]):
            return f"row {number} has {len(row)} cells, the first row {width}"
    return ""


def _same_width(rows: list[Row], source: Path) -> list[Row]:
    """Return the rows without blank columns. Raise ListError if their widths differ."""
    if odd := _odd_row(rows):
        raise ListError(f"{source}: {odd}. Mend that row.")
    filled = sorted({column for _, row in rows for column, cell in enumerate(row) if cell})
    return [(number, [row[column] for column in filled]) for number, row in rows]


def _excel_rows(body: bytes, source: Path, sheet: str | None) -> Iterator[Row]:
    """Yield the rows of `sheet`, or of the only filled sheet. Cells that are not text are NonTextCell."""
    cells = _select_sheet(body, source, sheet)
    hidden = sum(bool(shape.hidden) for row, shape in cells.row_dimensions.items() if 1 < row <= cells.max_row)
    if hidden:
        raise ListError(
            f"{source}: {hidden} rows of sheet {cells.title!r} are hidden or filtered out. Show all rows, or "
            "copy the visible ones to a workbook of their own."
        )
    for number, row in enumerate(cells.iter_rows(), 1):
        yield number, [_cell_text(cell) for cell in row]


def _select_sheet(body: bytes, source: Path, sheet: str | None) -> Any:
    try:
        openpyxl = import_openpyxl()
    except InputError as error:
        raise ListError(f"{source} is a workbook. {error.message} Or save the list as CSV UTF-8.") from error
    try:
        with warnings.catch_warnings():  # The warnings are about styles and validations, which no list needs.
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(io.BytesIO(body))
    except Exception as error:  # A damaged workbook raises whatever its zip and XML readers do.
        raise ListError(
            f"{source} is not a whole workbook ({type(error).__name__}). Save it again as .xlsx or CSV UTF-8."
        ) from error
    visible = [worksheet for worksheet in book.worksheets if worksheet.sheet_state == "visible"]
    filled = [worksheet for worksheet in visible if _is_filled(worksheet)]
    candidates = filled
    if sheet is not None:
        candidates = [worksheet for worksheet in visible if worksheet.title == sheet]
    if len(candidates) == 1:
        return candidates[0]
    titles = ", ".join(repr(worksheet.title) for worksheet in (filled or visible))
    if sheet is not None:
        raise ListError(f"{source} has no visible sheet {sheet!r}; it has {titles}.")
    if filled:
        raise ListError(
            f"{source} has {len(filled)} filled sheets: {titles}.",
            hint="Pass sheet= to choose one.",
            cli_hint="Pass --sheet to choose the sheet of the --list file of frgroups plan. In any other workbook, "
            "leave only one sheet filled.",
        )
    raise ListError(f"{source} is empty: no cell is filled in {titles}. Write one id per row.")


def _is_filled(worksheet: Any) -> bool:
    return any(cell.value is not None for row in worksheet.iter_rows() for cell in row)


def import_openpyxl() -> Any:
    """Import openpyxl, which is an optional dependency. Raise InputError if it is missing."""
    try:
        import openpyxl
    except ImportError as error:
        raise InputError('An Excel workbook requires openpyxl. Run pip install "frgroups[excel]".') from error
    return openpyxl


def _cell_text(cell: Any) -> str:
    value = cell.value
    if value is None:
        return ""
    if cell.data_type in ("s", "inlineStr", "str") and isinstance(value, str):
        return value
    kinds = {"n": "a number", "d": "a date", "b": "TRUE or FALSE", "f": "a formula", "e": "an Excel error"}
    return NonTextCell(str(value), kinds.get(cell.data_type, f"a cell of kind {cell.data_type!r}"))


def _damage_of(cell: str) -> str:
    """Describe the kind of value that a spreadsheet made of an id, or return ""."""
    if isinstance(cell, NonTextCell):
        return cell.kind
    if _POINT_ZERO.fullmatch(cell) or _SCIENTIFIC.fullmatch(cell):
        return "a number"
    if cell.casefold() in _MISSING_VALUES:
        return "a missing value"
    if re.fullmatch(r"#[A-Z/0]+[!?]|#N/A", cell):
        return "an Excel error"
    return ""
