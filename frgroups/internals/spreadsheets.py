"""Read CSV and Excel files as rows of strings, and detect ids that a spreadsheet has damaged."""

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

ZIP_SIGNATURE = b"PK\x03\x04"  # Excel workbooks (.xlsx) are zip files.
OLD_WORKBOOK_SIGNATURE = b"\xd0\xcf\x11\xe0"  # Old (.xls) and encrypted workbooks start with these bytes.
SEPARATOR_LINE = re.compile(r"sep=[;,\t]\r?\n")  # Excel reads the separator from a first line like "sep=;".

_SEPARATORS = {";": "semicolon", ",": "comma", "\t": "tab"}

_POINT_ZERO = re.compile(r"[+-]?\d+[.,]0+")
_SCIENTIFIC = re.compile(r"[+-]?\d+([.,]\d+)?[eE][+-]\d+")
_MISSING_VALUES = frozenset({"nan", "none", "null", "<na>", "nat"})
_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_FORMULA_OF_TEXT = re.compile(r'="(.*)"', re.DOTALL)
_NO_SEPARATOR = "\x1f"

Row = tuple[int, list[str]]  # A row consists of its number in the spreadsheet and its cells.
Record = tuple[str, list[str]]  # A record consists of its CSV text, including the line ending, and its cells.


@dataclass(frozen=True)
class Table:
    """Rows of a CSV or Excel file, without blank rows. All rows have the same number of cells."""

    source: Path
    rows: list[Row]

    @property
    def width(self) -> int:
        """Number of cells in each row."""
        return len(self.rows[0][1])


class NonTextCell(str):
    """Workbook cell that is not text, for example a number. An id column must not contain such cells."""

    kind: str

    def __new__(cls, text: str, kind: str) -> NonTextCell:
        """Create a cell from its text and a description of its kind, such as "a number"."""
        cell = super().__new__(cls, text)
        cell.kind = kind
        return cell


def read_table(path: str | Path, sheet: str | None) -> Table:
    """
    Read the rows of a CSV or Excel file, without blank rows.

    Parameters
    ----------
    path
        Path of the file.
    sheet
        Name of the sheet of a workbook. None reads the only sheet that is not empty.

    Raises
    ------
    ListError
        The file cannot be read, is empty or ambiguous, or contains rows of different widths.
    """
    source = Path(path).expanduser()
    try:
        body = source.read_bytes()
    except OSError as error:
        problem = error.strerror
        if source.is_dir():
            problem = "it is a folder"
        raise ListError(f"Cannot read {source}: {problem}. Pass a CSV or Excel file.") from error
    if body.startswith(OLD_WORKBOOK_SIGNATURE):
        raise ListError(
            f"{source} is an .xls workbook or is protected with a password. Save it as .xlsx without a password, "
            "or as CSV UTF-8."
        )
    is_workbook = body.startswith(ZIP_SIGNATURE)
    if not is_workbook and source.suffix.lower() in (".xlsx", ".xlsm", ".xls"):
        raise ListError(f"{source} is not a valid Excel workbook. Save it again as .xlsx or CSV UTF-8.")
    if not is_workbook and sheet is not None:
        raise ListError(f"`sheet` must be None for a file that is not a workbook, got {sheet!r} for {source}.")
    raw_rows = _excel_rows(body, source, sheet) if is_workbook else _csv_rows(_decode_text(body, source), source)
    rows = [(number, [clean_cell(cell) for cell in row]) for number, row in raw_rows]
    rows = [(number, row) for number, row in rows if any(row)]
    if not rows:
        raise ListError(f"{source} has {len(body):,} bytes, but all cells are empty. Write one id per row.")
    return Table(source, _same_width(rows, source))


def reject_damaged_ids(cells: Sequence[tuple[int, str]], source: Path) -> None:
    """Raise ListError if a spreadsheet has converted ids to numbers, dates, or other values."""
    damaged = [(number, cell) for number, cell in cells if _damage_of(cell)]
    if not damaged:
        return
    examples = " and ".join(f"row {number} ({cell[:40]})" for number, cell in damaged[:2])
    if len(damaged) > 2:
        examples += f" and {len(damaged) - 2:,} more"
    kind = _damage_of(damaged[0][1])
    raise ListError(
        f"{source} contains {len(damaged):,} damaged ids: {examples}. Ids must be text, got {kind}. Digits or "
        "leading zeros can be lost. Export the list again. To open the list in Excel, import the id column as text."
    )


def clean_cell(cell: str) -> str:
    """Return a cell without surrounding whitespace. A formula such as ="0150" is replaced with its text."""
    trimmed = cell.strip().strip("\u200b\ufeff").strip()
    if isinstance(cell, NonTextCell):
        return NonTextCell(trimmed, cell.kind)
    formula = _FORMULA_OF_TEXT.fullmatch(trimmed)
    if formula:
        return formula[1].strip()
    return trimmed


def normalize_column_name(name: str) -> str:
    """
    Return a column name in lower case, without whitespace, underscores, periods, and hyphens.

    Examples
    --------
    >>> normalize_column_name("Customer UID"), normalize_column_name("customer_uid")
    ('customeruid', 'customeruid')
    """
    return re.sub(r"[\s_.\-]", "", name).casefold()


def _decode_text(body: bytes, source: Path) -> str:
    """Decode a text file in UTF-8, Windows-1252, or UTF-16 with a byte order mark."""
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = body.decode("utf-16", errors="replace")
    else:
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = body.decode("cp1252", errors="replace")
    if _CONTROL_CHARACTER.search(text) or "\ufffd" in text:
        raise ListError(f"{source} is not a text file ({len(body):,} bytes). Save the list as CSV UTF-8 or .xlsx.")
    if text.lstrip()[:1] in ("<", "{", "["):
        raise ListError(
            f"{source} must contain a list of ids, but it contains HTML or JSON. Save the list as CSV UTF-8 or .xlsx."
        )
    return text


def split_records(text: str, *, strict: bool) -> tuple[dict[str, list[Record]], str]:
    """
    Split a CSV text with each separator that divides the first row into several cells.

    Parameters
    ----------
    text
        Text of the file.
    strict
        Whether an unclosed quote is an error.

    Returns
    -------
    candidates
        Records by separator.
    message
        Error of a separator that cannot split the text, or "".
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
    """Return the separators that divide all rows into the same number of cells. Blank rows are ignored."""
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
    """Split a CSV text with the only separator that divides all rows into the same number of cells."""
    skipped = 0
    separator_line = SEPARATOR_LINE.match(text)
    if separator_line:
        text, skipped = text[separator_line.end() :], 1
    lines = list(enumerate((clean_cell(line) for line in text.splitlines()), skipped + 1))
    first = next((line for _, line in lines if line), "")
    # Check complete lines for damaged ids, because a comma in the only column can be a decimal comma.
    if "," not in first or _damage_of(first):
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
            raise ListError(f"{source} uses the separator {separators}, but {odd}. Correct the row or its quotes.")
        raise ListError(
            f"{source} is ambiguous, because several separators are possible ({separators}). Save the file with one "
            "separator, or save only the id column."
        )
    if message:
        raise ListError(
            f"{source} contains an unmatched quote ({message}). Correct the quote, or save the list again."
        )
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
                f"{source} has one column in the first row, but row {number} contains a {separators[0]}. Use the "
                "same separator in all rows, or save only the id column."
            )
    return rows


def _odd_row(rows: Sequence[Row]) -> str:
    """Describe the first row that does not have as many cells as the header, or return "" if there is none."""
    width = len(rows[0][1])
    for number, row in rows:
        if len(row) < width or any(row[width:]):
            return f"row {number} has {len(row)} cells and the first row has {width}"
    return ""


def _same_width(rows: list[Row], source: Path) -> list[Row]:
    """Remove blank columns from the rows. Raise ListError if the rows have different numbers of cells."""
    if odd := _odd_row(rows):
        raise ListError(f"{source} has rows with different numbers of cells: {odd}. Correct the row.")
    filled = sorted({column for _, row in rows for column, cell in enumerate(row) if cell})
    return [(number, [row[column] for column in filled]) for number, row in rows]


def _excel_rows(body: bytes, source: Path, sheet: str | None) -> Iterator[Row]:
    """Yield the rows of a workbook sheet, with a NonTextCell for each cell that is not text."""
    cells = _select_sheet(body, source, sheet)
    hidden = sum(bool(shape.hidden) for row, shape in cells.row_dimensions.items() if 1 < row <= cells.max_row)
    if hidden:
        raise ListError(
            f"{source} has {hidden} hidden or filtered rows in sheet {cells.title!r}. Show all rows, or copy the "
            "visible rows to a new workbook."
        )
    for number, row in enumerate(cells.iter_rows(), 1):
        yield number, [_cell_text(cell) for cell in row]


def _select_sheet(body: bytes, source: Path, sheet: str | None) -> Any:
    try:
        openpyxl = import_openpyxl()
    except InputError as error:
        raise ListError(
            f"Cannot read {source}. {error.message} Alternatively, save the list as CSV UTF-8."
        ) from error
    try:
        with warnings.catch_warnings():
            # openpyxl warns about unsupported styles and validations, which do not affect the cells.
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(io.BytesIO(body))
    except Exception as error:  # The zip and XML readers of openpyxl raise many different exceptions.
        raise ListError(
            f"{source} is corrupt ({type(error).__name__}). Save the workbook again as .xlsx or CSV UTF-8."
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
        raise ListError(f"{source} has no visible sheet {sheet!r}. Its sheets are {titles}.")
    if filled:
        raise ListError(
            f"{source} has {len(filled)} sheets that are not empty: {titles}.",
            hint="Pass sheet= to choose one.",
            cli_hint="To choose a sheet of the workbook for frgroups plan --list, pass --sheet. In all other "
            "workbooks, only one sheet may contain data.",
        )
    raise ListError(f"{source} contains no data. All cells are empty in {titles}. Write one id per row.")


def _is_filled(worksheet: Any) -> bool:
    return any(cell.value is not None for row in worksheet.iter_rows() for cell in row)


def import_openpyxl() -> Any:
    """Import the optional dependency openpyxl. Raise InputError if it is not installed."""
    try:
        import openpyxl
    except ImportError as error:
        raise InputError(
            'Excel workbooks require the package openpyxl. Run pip install "frgroups[excel]".'
        ) from error
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
    """Return the type to which a spreadsheet converted an id, such as "a number", or "" if the id is intact."""
    if isinstance(cell, NonTextCell):
        return cell.kind
    if _POINT_ZERO.fullmatch(cell) or _SCIENTIFIC.fullmatch(cell):
        return "a number"
    if cell.casefold() in _MISSING_VALUES:
        return "a missing value"
    if re.fullmatch(r"#[A-Z/0]+[!?]|#N/A", cell):
        return "an Excel error"
    return ""
