"""Read CSV and Excel files as rows of strings."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from frgroups.errors import InputError, ListError
from frgroups.internals.csv_records import (
    NO_SEPARATOR,
    SEPARATORS,
    Record,
    Row,
    filled_rows,
    has_separator,
    long_rows,
    open_quote_line,
    possible_separators,
    separator_name,
    short_rows,
    split_one_column,
    split_records,
    split_separator_line,
)
from frgroups.internals.file_formats import reject_other_formats
from frgroups.internals.formatting import agree, describe_rows, format_list, pluralize
from frgroups.internals.id_cells import (
    can_be_in_title,
    clean_cell,
    clean_id,
    damage_of,
    looks_like_data,
    reject_damaged_ids,
)
from frgroups.internals.text_encodings import find_wide_encoding
from frgroups.internals.workbooks import ZIP_SIGNATURE, Sheet, SheetSource, read_workbook

_NUMBER_WITH_COMMA = re.compile(r"(?=.*\d)[\d .eE+-]*,[\d .,eE+-]*")
_INVALID_SEPARATOR_LINE = re.compile(r"[\"']?\s*sep\s*=", re.IGNORECASE)
_LINE = re.compile(r"\r\n|\r|\n")
# The line below the header of a Markdown table, such as |---|:--|.
_MARKDOWN_LINE = re.compile(r"(?<=[\r\n])[ \t]*\|(?:[ \t]*:?-+:?[ \t]*\|)+[ \t]*(?=[\r\n])")
# Maximum share of control characters in a text file. A file with a higher share is treated as a binary file.
_MAX_CONTROL_SHARE = 0.3
# Maximum number of cells in a table per filled cell. A table with at most 10 million cells is always allowed.
_MAX_BLANK_CELLS, _ALWAYS_ALLOWED_CELLS = 100, 10_000_000


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
        Row number and filled cells of each row above the header row, if the caller passed the header row number.
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
        """Return the row number and the cell at a column position for each row below the header."""
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
        Number of the row that contains the column names. The rows above the header row are skipped. None uses the
        first row that is not blank.

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
    reject_other_formats(body, source)
    if not body:
        raise ListError(f"{source} is empty (0 bytes). Save the list again, with one id per row.")
    is_workbook = body.startswith(ZIP_SIGNATURE)
    if not is_workbook and sheet is not None:
        raise ListError(f"`sheet` must be None for a file that is not a workbook, got {sheet!r} for {source}.")
    if is_workbook:
        skipped, rows = _excel_rows(body, source, sheet, header_row or 1)
    else:
        skipped, rows = _csv_rows(_decode_text(body, source), source, header_row or 1)
    rows = [(number, [clean_cell(cell) for cell in row]) for number, row in rows]
    rows = [(number, row) for number, row in rows if any(row)]
    if not rows and skipped:
        n_rows = skipped[-1][0]
        raise ListError(
            f"`header_row` must be the number of a row of {source}, got {header_row}. The file has only "
            f"{pluralize(n_rows, 'row')}."
        )
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
    """Decode a text file in UTF-8, Windows-1252, UTF-16, or UTF-32."""
    wide_encoding = find_wide_encoding(body)
    if wide_encoding is not None:
        text = body.decode(wide_encoding, errors="replace").removeprefix("\ufeff")
    else:
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = body.decode("cp1252", errors="replace")
    n_controls = sum(unicodedata.category(character) == "Cc" for character in text[:10_000])
    n_controls -= len(re.findall(r"[\t\r\n]", text[:10_000]))
    if n_controls > _MAX_CONTROL_SHARE * len(text[:10_000]) or "\ufffd" in text or NO_SEPARATOR in text:
        raise ListError(f"{source} is not a text file ({len(body):,} bytes). Save the list as CSV UTF-8 or .xlsx.")
    return text


def _csv_rows(text: str, source: Path, header_row: int) -> tuple[list[Row], list[Row]]:
    """Split CSV text into rows with the separator that fits, and return the rows above the header and the others."""
    line, stated, text = split_separator_line(text)
    if not line and _INVALID_SEPARATOR_LINE.match(text):
        raise ListError(
            f"The first line of {source} starts with 'sep=', but does not state a separator. Write only 'sep=' and "
            "the separator, for example 'sep=;', or delete the line."
        )
    skipped = len(_LINE.findall(line))
    above: list[Row] = []
    for _ in range(header_row - 1 - skipped):
        # Each line counts as one skipped row.
        # If a skipped cell contains a line break, the row numbers therefore differ from the row numbers in a
        # spreadsheet program.
        if not text:
            break
        first, *remaining = _LINE.split(text, maxsplit=1)
        text = "".join(remaining)
        skipped += 1
        above.append((skipped, [clean_cell(cell) for cell in re.split(r'[;,\t|"]', first)]))
    return above, _split_text(text, source, stated, skipped)


def _split_text(text: str, source: Path, stated: str, skipped: int) -> list[Row]:
    """
    Split CSV text with the separator `stated`. If `stated` is empty, use the only separator that fits all rows.

    The argument `skipped` is the number of rows above the text. It is added to the row numbers.
    """
    if text.lstrip().startswith("|"):
        text = _MARKDOWN_LINE.sub("", text, count=1)
    lines = [(number, clean_cell(line)) for number, line in enumerate(_LINE.split(text), skipped + 1)]
    first = next((line for _, line in lines if line), "")
    # Check complete lines for damaged ids before the text is split, because a comma in a file with one column can be
    # a decimal comma.
    if "," not in first or (_NUMBER_WITH_COMMA.fullmatch(first) and damage_of(first)):
        reject_damaged_ids([(n, line) for n, line in lines if _NUMBER_WITH_COMMA.fullmatch(line)], source)
    candidates, errors = split_records(text, strict=True, separator=stated)
    possible = possible_separators(candidates)
    if len(possible) == 1:
        return _numbered_from(candidates[possible[0]], skipped)
    if len(candidates) > 1:
        separators = " and ".join(map(separator_name, possible or candidates))
        raise ListError(
            f"{source} is ambiguous, because several separators are possible ({separators}). Save the file with one "
            "separator, or save only the id column."
        )
    for separator, records in candidates.items():
        _reject_long_rows(_numbered_from(records, skipped), source, f"uses the separator {separator_name(separator)}")
    if errors:
        raise _unsplittable(text, source, errors, skipped)
    try:
        return _one_column(text, source, skipped)
    except csv.Error as error:
        raise _unsplittable(text, source, {NO_SEPARATOR: str(error)}, skipped) from None


def _unsplittable(text: str, source: Path, errors: Mapping[str, str], skipped: int) -> ListError:
    """Return the error for text that no separator can split, because of a quote or a cell that is too long."""
    lines = [open_quote_line(text, separator) for separator in errors]
    if any(lines):
        line = next(filter(None, lines)) + skipped
        return ListError(
            f"{source} contains an unmatched quotation mark: the quoted cell that starts in line {line} has no "
            "second quotation mark at its end. Correct the cell, or save the list again."
        )
    limit = csv.field_size_limit()
    if any("limit" in message for message in errors.values()):
        return ListError(f"{source} contains a cell with more than {limit:,} characters. Save only the id column.")
    return ListError(f"{source} cannot be split into rows ({'; '.join(errors.values())}). Save the list again.")


def _numbered_from(records: Sequence[Record], skipped: int) -> list[Row]:
    return [(number + skipped, cells) for number, cells in filled_rows(records)]


def _one_column(text: str, source: Path, skipped: int) -> list[Row]:
    records = enumerate(split_one_column(text), skipped + 1)
    rows = [(number, row) for number, (_, row) in records if row and row[0].strip(";,\t |")]
    divided = [(number, row[0]) for number, row in rows if has_separator(clean_cell(row[0]))]
    if divided:
        separator = next(name for character, name in SEPARATORS.items() if character in clean_cell(divided[0][1]))
        raise ListError(
            f"{source} has one column in the first row, but {describe_rows(number for number, _ in divided)} "
            f"{agree(len(divided), 'contains', 'contain')} a separator, such as the {separator}. Delete the "
            f"{agree(len(divided), 'row if it is a note', 'rows that are notes')}, use the same separator in all "
            "rows, or save only the id column.",
            **_header_hints([(number, re.split(r"[;,\t|]", clean_cell(row[0]))) for number, row in rows]),
        )
    return rows


def _header_hints(rows: Sequence[Row]) -> dict[str, str]:
    """
    Return hints for an error message if the first rows of a file are probably a title above the header.

    A title has fewer cells than all later rows, and contains no ids. The header must not contain data such as ids and
    numbers, but a later row must contain such data. If these conditions are not met, the short first row is probably
    a data row, and the result is empty.
    """
    width = len(rows[0][1])
    start = next((n for n, (_, cells) in enumerate(rows) if len(cells) > width), len(rows))
    widths = {len(cells) for _, cells in rows[start:]}
    if len(rows) - start < 2 or len(widths) > 1:
        return {}
    if not all(can_be_in_title(clean_cell(cell)) for _, cells in rows[:start] for cell in cells):
        return {}
    has_data = [any(looks_like_data(clean_cell(cell)) for cell in cells) for _, cells in rows[start:]]
    if has_data[0] or not any(has_data):
        return {}
    number = rows[start][0]
    seems = f"The header seems to be row {number}."
    return {
        "hint": f"{seems} Pass header_row={number}.",
        "cli_hint": f"{seems} Pass --header-row {number} with --list.",
    }


def _reject_long_rows(rows: Sequence[Row], source: Path, start: str) -> None:
    """Raise ListError if a row has more cells than the header. The message starts with the file path and `start`."""
    long = long_rows(rows)
    if not long:
        return
    n_cells = next(iter(long.values()))
    some = agree(len(long), f"has {n_cells} cells and", "have more cells than the first row, which")
    first = agree(len(long), "the first row has", "has")
    raise ListError(
        f"{source} {start}, but {describe_rows(long)} {some} {first} {len(rows[0][1])}. "
        f"Correct the {agree(len(long), 'row', 'rows')} or the quotation marks.",
        **_header_hints(rows),
    )


def _same_width(rows: list[Row], source: Path) -> Table:
    """Remove blank columns from the rows, and add blank cells to short rows."""
    _reject_long_rows(rows, source, "has rows with different numbers of cells")
    filled = sorted({column for _, row in rows for column, cell in enumerate(row) if cell})
    short = {
        number: sum(column < n_cells for column in filled)
        for number, n_cells in short_rows(rows).items()
        if any(column >= n_cells for column in filled)
    }
    return Table(source, [(number, [row[n] if n < len(row) else "" for n in filled]) for number, row in rows], short)


def _excel_rows(body: bytes, source: Path, sheet: str | None, header_row: int) -> tuple[list[Row], list[Row]]:
    """
    Return the rows above the header, and the other rows without their blank columns.

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
    sheet = f"of sheet {cells.title!r} in {source}"
    if cells.invisible_rows:
        raise ListError(
            f"The text in {describe_rows(cells.invisible_rows)} {sheet} is hidden by its color, its font size, or "
            "its number format. Delete the text, or make it visible."
        )
    if cells.struck_rows:
        raise ListError(
            f"The text in {describe_rows(cells.struck_rows)} {sheet} is struck through, so it is not clear whether "
            "it is part of the list. Delete the rows, or remove the strikethrough."
        )
    if cells.conditional_rows:
        raise ListError(
            f"A conditional format in {describe_rows(cells.conditional_rows)} {sheet} can hide the text or strike it "
            "through, so it is not clear which rows are part of the list. Delete the rows that are not part of the "
            "list, and remove the conditional format."
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
