"""Read CSV and Excel files as rows of strings."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from frgroups.errors import InputError, ListError
from frgroups.internals.formatting import agree, format_list
from frgroups.internals.id_cells import clean_cell, clean_id, damage_of, reject_damaged_ids
from frgroups.internals.workbooks import OLD_WORKBOOK_SIGNATURE, ZIP_SIGNATURE, Sheet, SheetSource, read_workbook

# Excel reads the separator from a first line like "sep=;". After Excel saved the file, the line can have quotes.
_SEPARATOR_LINE = re.compile(r'"?\s*sep\s*=([^\w"\r\n])"?[;,\t| ]*(?:\r\n|\r|\n|\Z)', re.IGNORECASE)

_SEPARATORS = {";": "semicolon", ",": "comma", "\t": "tab", "|": "vertical bar (|)"}
# A file with one of these separators is rejected, because ids can also contain these characters.
_OTHER_SEPARATORS = {
    **{"^": "caret (^)", "~": "tilde (~)", ":": "colon (:)", "¦": "broken bar (¦)", "§": "section sign (§)"},
    **{"\x1f": "unit separator (U+001F)", "\x1e": "record separator (U+001E)", "!": "exclamation mark (!)"},
    **{"#": "number sign (#)", "*": "asterisk (*)", "=": "equals sign (=)", "/": "slash (/)", "\\": "backslash (\\)"},
    **{"&": "ampersand (&)", "$": "dollar sign ($)", "þ": "thorn (þ)"},
}
_NO_SEPARATOR = "\uffff"  # This code point is not a character, so text cannot contain it.
_NUMBER_WITH_COMMA = re.compile(r"(?=.*\d)[\d .eE+-]*,[\d .,eE+-]*")
_LINE = re.compile(r"\r\n|\r|\n")
# A binary file has more control characters than a text file with a few invisible characters.
_MAX_CONTROL_SHARE = 0.3
# Maximum number of cells per filled cell. A table with at most 10 million cells is always allowed.
_MAX_BLANK_CELLS, _ALWAYS_ALLOWED_CELLS = 100, 10_000_000

Row = tuple[int, list[str]]  # A row consists of its number in the spreadsheet and its cells.
Record = tuple[str, list[str]]  # A record consists of its CSV text, including the line ending, and its cells.


@dataclass(frozen=True)
class Table:
    """
    Rows of a CSV or Excel file, without blank rows.

    Attributes
    ----------
    source
        Path of the file.
    rows
        Row number and cells of each row. All rows have the same number of cells.
    short_rows
        Number of cells by row number, for rows of a CSV file that have fewer cells than the header.
    skipped_rows
        Row number and filled cells of each row above the header row, if its number was given.
    """

    source: Path
    rows: list[Row]
    short_rows: Mapping[int, int]
    skipped_rows: Sequence[Row] = ()

    @property
    def width(self) -> int:
        """Number of cells in each row."""
        return len(self.rows[0][1])

    def column(self, position: int) -> list[tuple[int, str]]:
        """Return the row number and the cell of each row below the header."""
        return [(number, row[position]) for number, row in self.rows[1:]]


def read_table(path: str | Path, sheet: str | None, header_row: int | None = None) -> Table:
    """
    Read the rows of a CSV or Excel file, without blank rows.

    Parameters
    ----------
    path
        Path of the file.
    sheet
        Name of the sheet of a workbook. None reads the only sheet that is not empty.
    header_row
        Number of the row that contains the column names. The rows above it are skipped. None starts with the first
        row that is not blank.

    Raises
    ------
    ListError
        The file cannot be read, is empty or ambiguous, or contains a row with more cells than the header.
    """
    source = Path(path).expanduser()
    try:
        body = source.read_bytes()
    except OSError as error:
        problem = f"{error.strerror}."
        if source.is_dir():
            problem = "it is a folder. Pass a CSV or Excel file."
        raise ListError(f"Cannot read {source}: {problem}") from error
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
    if is_workbook:
        skipped, rows = _excel_rows(body, source, sheet, header_row or 1)
    else:
        skipped, rows = _csv_rows(_decode_text(body, source), source, header_row or 1)
    rows = [(number, [clean_cell(cell) for cell in row]) for number, row in rows]
    rows = [(number, row) for number, row in rows if any(row)]
    if not rows:
        raise ListError(f"{source} has {len(body):,} bytes, but all cells are empty. Write one id per row.")
    if header_row is not None and rows[0][0] != header_row:
        raise ListError(f"Row {header_row} of {source} is blank, so it cannot be the header row.")
    return replace(_same_width(rows, source), skipped_rows=skipped)


def normalize_column_name(name: str) -> str:
    """
    Return a column name in lower case, without whitespace, underscores, periods, and hyphens.

    Examples
    --------
    >>> normalize_column_name("Customer UID"), normalize_column_name("customer_uid")
    ('customeruid', 'customeruid')
    """
    return re.sub(r"[\s_.\-]", "", clean_id(name)).casefold()


def _decode_text(body: bytes, source: Path) -> str:
    """Decode a text file in UTF-8, Windows-1252, or UTF-16 with a byte order mark."""
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = body.decode("utf-16", errors="replace")
    else:
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = body.decode("cp1252", errors="replace")
    n_controls = sum(unicodedata.category(character) == "Cc" for character in text[:10_000])
    n_controls -= len(re.findall(r"[\t\r\n]", text[:10_000]))
    if n_controls > _MAX_CONTROL_SHARE * len(text[:10_000]) or "\ufffd" in text or _NO_SEPARATOR in text:
        raise ListError(f"{source} is not a text file ({len(body):,} bytes). Save the list as CSV UTF-8 or .xlsx.")
    if text.lstrip()[:1] in ("<", "{", "["):
        raise ListError(
            f"{source} must contain a list of ids, but it contains HTML or JSON. Save the list as CSV UTF-8 or .xlsx."
        )
    return text


def split_separator_line(text: str) -> tuple[str, str, str]:
    r"""
    Return the separator line of a CSV text, the separator that it states, and the remaining text.

    If the text does not start with a separator line, the first two strings are empty.

    Examples
    --------
    >>> split_separator_line("SEP=;\nuid;name\n"), split_separator_line("uid\n")
    (('SEP=;\n', ';', 'uid;name\n'), ('', '', 'uid\n'))
    """
    line = _SEPARATOR_LINE.match(text)
    if line is None:
        return "", "", text
    return line[0], line[1], text[line.end() :]


def split_records(text: str, *, strict: bool, separator: str = "") -> tuple[dict[str, list[Record]], str]:
    """
    Split a CSV text with each separator that divides the first row into several cells.

    Parameters
    ----------
    text
        Text of the file.
    strict
        Whether an unclosed quote is an error.
    separator
        The only separator to use. By default, all known separators are used.

    Returns
    -------
    candidates
        Records by separator.
    message
        Error of a separator that cannot split the text, or "".
    """
    candidates: dict[str, list[Record]] = {}
    message = ""
    for candidate in separator or _SEPARATORS:
        try:
            # Split the other rows only if the separator divides the first row.
            first = next((cells for _, cells in _split_by(text, candidate, strict=strict) if _is_filled(cells)), [])
            if len(first) > 1:
                candidates[candidate] = list(_split_by(text, candidate, strict=strict))
        except csv.Error as error:
            message = f"{_separator_name(candidate)}: {error}"
    return candidates, message


def has_separator(text: str) -> bool:
    """Return True if a string contains a separator of CSV files."""
    return any(separator in text for separator in _SEPARATORS)


def possible_separators(candidates: dict[str, list[Record]]) -> list[str]:
    """
    Return the separators with which no row has more cells than the header.

    If some separators divide all rows into the same number of cells, only these separators are returned. Otherwise,
    rows can have fewer cells than the header, because Excel omits blank cells at the end of a row. Blank rows are
    ignored.
    """
    fitting = [separator for separator, records in candidates.items() if not _long_row(_filled_rows(records))]
    even = [separator for separator in fitting if not _short_rows(_filled_rows(candidates[separator]))]
    return even or fitting


def _separator_name(separator: str) -> str:
    return {**_SEPARATORS, **_OTHER_SEPARATORS}.get(separator, repr(separator))


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
    return [(number, cells) for number, (_, cells) in enumerate(records, 1) if _is_filled(cells)]


def _is_filled(cells: Sequence[str]) -> bool:
    return any(map(clean_cell, cells))


def _csv_rows(text: str, source: Path, header_row: int) -> tuple[list[Row], list[Row]]:
    """Return the rows above the header, and the other rows, split by the only separator that fits all of them."""
    line, stated, text = split_separator_line(text)
    skipped = 1 if line else 0
    above: list[Row] = []
    for _ in range(header_row - 1 - skipped):
        # If a skipped row has a cell with a line break, the row numbers differ from the numbers in a spreadsheet.
        first, *remaining = _LINE.split(text, maxsplit=1)
        text = "".join(remaining)
        skipped += 1
        above.append((skipped, [clean_cell(cell) for cell in re.split(r'[;,\t|"]', first)]))
    return above, _split_text(text, source, stated, skipped)


def _split_text(text: str, source: Path, stated: str, skipped: int) -> list[Row]:
    """
    Split a CSV text with the stated separator, or else with the only separator that fits all rows.

    The argument `skipped` is the number of rows above the text.
    """
    lines = [(number, clean_cell(line)) for number, line in enumerate(_LINE.split(text), skipped + 1)]
    first = next((line for _, line in lines if line), "")
    # Check complete lines for damaged ids, because a comma in the only column can be a decimal comma.
    if "," not in first or (_NUMBER_WITH_COMMA.fullmatch(first) and damage_of(first)):
        reject_damaged_ids([(n, line) for n, line in lines if _NUMBER_WITH_COMMA.fullmatch(line)], source)
    candidates, message = split_records(text, strict=True, separator=stated)
    possible = possible_separators(candidates)
    if len(possible) == 1:
        return _numbered_from(candidates[possible[0]], skipped)
    if candidates:
        separators = " and ".join(map(_separator_name, possible or candidates))
        if len(candidates) == 1:
            [records] = candidates.values()
            rows = _numbered_from(records, skipped)
            raise ListError(
                f"{source} uses the separator {separators}, but {_long_row(rows)}. Correct the row or its quotes.",
                **_header_hints([(number, len(cells)) for number, cells in rows]),
            )
        raise ListError(
            f"{source} is ambiguous, because several separators are possible ({separators}). Save the file with one "
            "separator, or save only the id column."
        )
    try:
        rows = [] if message else _one_column(text, source, skipped)
    except csv.Error as error:
        message = str(error)
    if message:
        raise ListError(
            f"{source} contains an unmatched quote ({message}). Correct the quote, or save the list again."
        )
    return rows


def _numbered_from(records: Sequence[Record], skipped: int) -> list[Row]:
    return [(number + skipped, cells) for number, cells in _filled_rows(records)]


def _one_column(text: str, source: Path, skipped: int) -> list[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_NO_SEPARATOR, strict=True)
    rows = [(number + skipped, row) for number, row in enumerate(reader, 1) if row and row[0].strip(";,\t |")]
    for number, row in rows:
        separators = [name for separator, name in _SEPARATORS.items() if separator in clean_cell(row[0])]
        if separators:
            raise ListError(
                f"{source} has one column in the first row, but row {number} contains a {separators[0]}. Use the "
                "same separator in all rows, or save only the id column.",
                **_header_hints([(n, 1 + any(s in cell for s in _SEPARATORS)) for n, [cell, *_] in rows]),
            )
    return rows


def _header_hints(n_cells: Sequence[tuple[int, int]]) -> dict[str, str]:
    """
    Return the hints of an error if the first rows seem to be a title above the header.

    A title has fewer cells than all later rows. The argument contains the number and the cell count of each row.
    """
    width = n_cells[0][1]
    start = next((n for n, (_, count) in enumerate(n_cells) if count > width), len(n_cells))
    below = {count for _, count in n_cells[start:]}
    if len(n_cells) - start < 2 or len(below) > 1:
        return {}
    number = n_cells[start][0]
    seems = f"The header seems to be row {number}."
    return {
        "hint": f"{seems} Pass header_row={number}.",
        "cli_hint": f"{seems} Pass --header-row {number} with --list.",
    }


def other_separator(cells: Sequence[str]) -> str:
    """
    Return the name of an unsupported separator that seems to divide the cells of a column, or "".

    The first row and most other rows contain the separator. Without this check, a file with an unsupported separator
    would be read as one column, and its ids would contain names of customers. A space is treated as a separator if
    the first row and most other rows contain several words.

    Examples
    --------
    >>> other_separator(["uid^name", "0150^Kari"]), other_separator(["uid", "0150:1"]), other_separator(["0150", "7"])
    ('caret (^)', '', '')
    """
    for separator, name in _OTHER_SEPARATORS.items():
        is_divided = [cell.find(separator) > 0 for cell in cells]
        if is_divided[0] and 2 * sum(is_divided) > len(cells):
            return name
    has_words = [bool(re.search(r"\S\s+\S", cell) and re.search(r"[^\W\d_]", cell)) for cell in cells]
    if len(cells) > 1 and has_words[0] and 2 * sum(has_words) > len(cells):
        return "space"
    return ""


def _long_row(rows: Sequence[Row]) -> str:
    """Describe the first row that has a filled cell after the last cell of the header, or return ""."""
    width = len(rows[0][1])
    for number, row in rows:
        if any(map(clean_cell, row[width:])):
            return f"row {number} has {len(row)} cells and the first row has {width}"
    return ""


def _short_rows(rows: Sequence[Row]) -> dict[int, int]:
    """Return the number of cells of each row that has fewer cells than the header, by row number."""
    width = len(rows[0][1])
    return {number: len(row) for number, row in rows if len(row) < width}


def _same_width(rows: list[Row], source: Path) -> Table:
    """Remove blank columns from the rows, and add blank cells to short rows."""
    if row := _long_row(rows):
        raise ListError(f"{source} has rows with different numbers of cells: {row}. Correct the row.")
    filled = sorted({column for _, row in rows for column, cell in enumerate(row) if cell})
    short = {
        number: sum(column < n_cells for column in filled)
        for number, n_cells in _short_rows(rows).items()
        if any(column >= n_cells for column in filled)
    }
    return Table(source, [(number, [row[n] if n < len(row) else "" for n in filled]) for number, row in rows], short)


def _excel_rows(body: bytes, source: Path, sheet: str | None, header_row: int) -> tuple[list[Row], list[Row]]:
    """
    Return the rows above the header, and the filled columns of the other rows.

    Each cell that is not text is a NonTextCell.
    """
    cells = _select_sheet(body, source, sheet)
    _reject_hidden(cells, source)
    above = [(number, list(map(clean_cell, row.values()))) for number, row in cells.rows if number < header_row]
    rows = [(number, row) for number, row in cells.rows if number >= header_row]
    columns = sorted({column for _, row in rows for column in row})
    n_cells, n_filled = len(rows) * len(columns), sum(len(row) for _, row in rows)
    if n_cells > max(_ALWAYS_ALLOWED_CELLS, _MAX_BLANK_CELLS * n_filled):
        raise ListError(
            f"{source} does not contain a table: sheet {cells.title!r} has {n_filled:,} filled cells in "
            f"{len(rows):,} rows and {len(columns):,} columns. Save only the list."
        )
    return above, [(number, [row.get(column, "") for column in columns]) for number, row in rows]


def _reject_hidden(cells: Sheet, source: Path) -> None:
    """Raise ListError if the sheet contains data that the user cannot see."""
    for numbers, kind, noun in ((cells.hidden_rows, "filtered", "row"), (cells.hidden_columns, "narrow", "column")):
        if numbers:
            raise ListError(
                f"{source} has {len(numbers):,} hidden or {kind} {agree(len(numbers), noun, f'{noun}s')} in sheet "
                f"{cells.title!r}: {format_list([str(number) for number in numbers], 5)}. Show all {noun}s, or copy "
                "the visible cells to a new workbook."
            )


def _reject_hidden_sheets(worksheets: Sequence[SheetSource], source: Path) -> None:
    """Raise ListError if a sheet that the user cannot see contains data."""
    hidden = [worksheet for worksheet in worksheets if not worksheet.is_visible and worksheet.sheet.rows]
    if hidden:
        noun = agree(len(hidden), "sheet", "sheets")
        raise ListError(
            f"{source} has {len(hidden):,} hidden {noun} with data: {_titles(hidden)}. Show or delete the {noun}.",
            hint="To read only one visible sheet, pass sheet=.",
            cli_hint="To read only one visible sheet, pass --sheet with --list.",
        )


def _select_sheet(body: bytes, source: Path, sheet: str | None) -> Sheet:
    try:
        worksheets = read_workbook(body, str(source))
    except ListError:
        raise
    except InputError as error:
        raise ListError(
            f"Cannot read {source}. {error.message} Alternatively, save the list as CSV UTF-8."
        ) from error
    visible = candidates = [worksheet for worksheet in worksheets if worksheet.is_visible]
    if sheet is not None:
        candidates = [worksheet for worksheet in visible if worksheet.title == sheet]
        if len(candidates) != 1:
            raise ListError(f"{source} has no visible sheet {sheet!r}. Its sheets are {_titles(visible)}.")
    else:
        _reject_hidden_sheets(worksheets, source)
    filled = [worksheet for worksheet in candidates if worksheet.sheet.rows]
    if len(filled) > 1:
        raise ListError(
            f"{source} has {len(filled)} sheets that are not empty: {_titles(filled)}.",
            hint="Pass sheet= to choose one.",
            cli_hint="For frgroups plan --list, pass --sheet to choose a sheet. In other workbooks, only one sheet "
            "can contain data.",
        )
    if not filled:
        raise ListError(
            f"{source} contains no data. All cells are empty in {_titles(candidates)}. Write one id per row."
        )
    return filled[0].sheet


def _titles(worksheets: Sequence[SheetSource]) -> str:
    return ", ".join(repr(worksheet.title) for worksheet in worksheets)
