"""Read a CSV or Excel file into rows of text cells, the header among them; a cell that was spoiled is refused."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frgroups.errors import ListError

SEPARATOR_LINE = re.compile(r"sep=[;,\t]\r?\n")  # Excel writes this first line to name the separator.

_SEPARATORS = {";": "semicolon", ",": "comma", "\t": "tab"}

_POINT_ZERO = re.compile(r"[+-]?\d+[.,]0+")
_SCIENTIFIC = re.compile(r"[+-]?\d+([.,]\d+)?[eE][+-]\d+")
_NOTHING = frozenset({"nan", "none", "null", "<na>", "nat"})
_JUNK = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_KEPT_AS_TEXT = re.compile(r'="(.*)"', re.DOTALL)
_NO_SEPARATOR = "\x1f"

Row = tuple[int, list[str]]  # the row's number as a spreadsheet shows it, and its cells
Record = tuple[str, list[str]]  # the text of a CSV record, with its line end, and its cells


@dataclass(frozen=True)
class Table:
    """A file of cells: its rows that are not blank, all of one width; none is known to be the header yet."""

    source: Path
    rows: list[Row]

    @property
    def width(self) -> int:
        """How many cells each row has."""
        return len(self.rows[0][1])


class NonTextCell(str):
    """A cell of a workbook that is not text, as `kind` says; only the id column minds."""

    kind: str

    def __new__(cls, text: str, kind: str) -> NonTextCell:
        """The text of a cell, and the kind of it."""
        one = super().__new__(cls, text)
        one.kind = kind
        return one


def read_table(path: str | Path, sheet: str | None) -> Table:
    """The filled rows of a CSV or Excel file; of a workbook, those of its one filled sheet or of `sheet`."""
    source = Path(path).expanduser()
    try:
        body = source.read_bytes()
    except OSError as error:
        found = "a folder" if source.is_dir() else error.strerror
        raise ListError(f"The list {source} cannot be read: {found}. Name a CSV or Excel file.") from error
    if body[:4] == b"\xd0\xcf\x11\xe0":
        raise ListError(
            f"{source} is an old .xls workbook or one with a password. Save it as .xlsx without a password, "
            "or as CSV UTF-8."
        )
    workbook = body[:4] == b"PK\x03\x04"
    if not workbook and source.suffix.lower() in (".xlsx", ".xlsm", ".xls"):
        raise ListError(f"{source} is named like a workbook but is none. Save it again as .xlsx or CSV UTF-8.")
    if not workbook and sheet is not None:
        raise ListError(f"The sheet {sheet!r} was asked of {source}, which is no workbook. Leave it out.")
    rows = list(_excel_rows(body, source, sheet) if workbook else _csv_rows(_text(body, source), source))
    rows = [(number, [trim(cell) for cell in row]) for number, row in rows]
    rows = [(number, row) for number, row in rows if any(row)]
    if not rows:
        raise ListError(f"{source} is empty ({len(body):,} bytes, no cell filled). Write one id per row.")
    return Table(source, _same_width(rows, source))


def reject_damaged_ids(cells: Sequence[tuple[int, str]], source: Path) -> None:
    """Raise when a spreadsheet or a number column has made these ids something else."""
    kinds = [(number, cell, kind) for number, cell in cells for kind in [_spoiled(cell)] if kind]
    if not kinds:
        return
    shown = " and ".join(f"row {number} ({cell[:40]})" for number, cell, _ in kinds[:2])
    more = f" and {len(kinds) - 2:,} more" if len(kinds) > 2 else ""
    kind = kinds[0][2]
    raise ListError(
        f"{source}: {len(kinds):,} ids are {kind}, not text: {shown}{more}. Digits or leading zeros may be lost. "
        "Export the list again, and open it with the id column as Text (Data > From Text) or not in Excel at all."
    )


def trim(cell: str) -> str:
    """A cell without the blanks around it, and without the signs by which a spreadsheet keeps it as text."""
    trimmed = cell.strip().strip("\u200b\ufeff").strip()
    if isinstance(cell, NonTextCell):
        return NonTextCell(trimmed, cell.kind)
    kept = _KEPT_AS_TEXT.fullmatch(trimmed)
    return kept[1].strip() if kept else trimmed


def plain(name: str) -> str:
    """
    The name of a column however it is spelled.

    >>> plain("Customer UID"), plain("customer_uid")
    ('customeruid', 'customeruid')
    """
    return re.sub(r"[\s_.\-]", "", name).casefold()


def _text(body: bytes, source: Path) -> str:
    """The text of a file in UTF-8, Windows-1252, or UTF-16 with its mark, as spreadsheets write them."""
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = body.decode("utf-16", errors="replace")
    else:
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = body.decode("cp1252", errors="replace")
    if _JUNK.search(text) or "\ufffd" in text:
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
    return [(number, cells) for number, (_, cells) in enumerate(records, 1) if any(map(trim, cells))]


def _csv_rows(text: str, source: Path) -> list[Row]:
    """Return the rows of a CSV text, split by the one separator that fits all of them."""
    skipped = 0
    separator_line = SEPARATOR_LINE.match(text)
    if separator_line:
        text, skipped = text[separator_line.end() :], 1
    lines = list(enumerate((trim(line) for line in text.splitlines()), skipped + 1))
    first = next((line for _, line in lines if line), "")
    if "," not in first or _spoiled(first):  # One column: a comma in a line is then part of a number.
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
        if held := [name for separator, name in _SEPARATORS.items() if separator in cell]:
            raise ListError(
                f"{source}: the first row is one column, but row {number} holds a {held[0]}. Save it with one "
                "separator throughout, or the id column alone."
            )
    return rows


def _odd_row(rows: Sequence[Row]) -> str:
    """The first row that is shorter than the first one, or fills a cell beyond it; "" when there is none."""
    width = len(rows[0][1])
    for number, row in rows:
        if len(row) < width or any(row[width:]):
            return f"row {number} has {len(row)} cells, the first row {width}"
    return ""


def _same_width(rows: list[Row], source: Path) -> list[Row]:
    """The rows without the columns that are blank throughout."""
    if odd := _odd_row(rows):
        raise ListError(f"{source}: {odd}. Mend that row.")
    filled = sorted({place for _, row in rows for place, cell in enumerate(row) if cell})
    return [(number, [row[place] for place in filled]) for number, row in rows]


def _excel_rows(body: bytes, source: Path, sheet: str | None) -> Iterator[Row]:
    """The rows of the one sheet that is filled, or that was asked for, with number cells marked as such."""
    cells = _sheet(body, source, sheet)
    hidden = sum(bool(shape.hidden) for row, shape in cells.row_dimensions.items() if 1 < row <= cells.max_row)
    if hidden:
        raise ListError(
            f"{source}: {hidden} rows of sheet {cells.title!r} are hidden or filtered out. Show all rows, or "
            "copy the visible ones to a workbook of their own."
        )
    for number, row in enumerate(cells.iter_rows(), 1):
        yield number, [_cell_text(cell) for cell in row]


def _sheet(body: bytes, source: Path, sheet: str | None) -> Any:
    try:
        import openpyxl
    except ImportError as error:
        raise ListError(
            f'{source} is a workbook, and reading one needs openpyxl: pip install "frgroups[excel]". '
            "Or save the list as CSV UTF-8."
        ) from error
    try:
        with warnings.catch_warnings():  # It tells of styles and validations, which no list needs.
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(io.BytesIO(body))
    except Exception as error:  # A damaged workbook raises whatever its zip and XML readers do.
        raise ListError(
            f"{source} is not a whole workbook ({type(error).__name__}). Save it again as .xlsx or CSV UTF-8."
        ) from error
    seen = [one for one in book.worksheets if one.sheet_state == "visible"]
    filled = [one for one in seen if any(cell.value is not None for row in one.iter_rows() for cell in row)]
    chosen = filled if sheet is None else [one for one in seen if one.title == sheet]
    if len(chosen) == 1:
        return chosen[0]
    titles = ", ".join(repr(one.title) for one in (filled or seen))
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


def _cell_text(cell: Any) -> str:
    value = cell.value
    if value is None:
        return ""
    if cell.data_type in ("s", "inlineStr", "str") and isinstance(value, str):
        return value
    kinds = {"n": "a number", "d": "a date", "b": "TRUE or FALSE", "f": "a formula", "e": "an Excel error"}
    return NonTextCell(str(value), kinds.get(cell.data_type, f"a cell of kind {cell.data_type!r}"))


def _spoiled(cell: str) -> str:
    if isinstance(cell, NonTextCell):
        return cell.kind
    if _POINT_ZERO.fullmatch(cell) or _SCIENTIFIC.fullmatch(cell):
        return "a number"
    if cell.casefold() in _NOTHING:
        return "a missing value"
    return "an Excel error" if re.fullmatch(r"#[A-Z/0]+[!?]|#N/A", cell) else ""
