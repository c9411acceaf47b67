"""Split CSV text into records, and find the separator of its columns."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from frgroups.internals.id_cells import clean_cell

# Excel uses the separator that a first line such as "sep=;" states.
# If Excel has saved the file, this line can contain quotes and be followed by other separators.
_SEPARATOR_LINE = re.compile(r'"?\s*sep\s*=([^\w"\r\n])"?[;,\t| ]*(?:\r\n|\r|\n|\Z)', re.IGNORECASE)

SEPARATORS = {";": "semicolon", ",": "comma", "\t": "tab", "|": "vertical bar (|)"}
NO_SEPARATOR = "\uffff"  # Text cannot contain this code point, because it is not a character.
# Ids often contain these characters, so `other_separator` does not treat these characters as separators.
_USUAL_IN_IDS = frozenset("-_.")
# Some databases use the letter thorn (þ) as a separator, so `other_separator` also checks this letter.
_LETTERS_AS_SEPARATORS = frozenset("þ")
# Names of control characters for messages. The module unicodedata has no names for control characters.
_CONTROL_NAMES = {
    **{"\x1c": "file separator", "\x1d": "group separator"},
    **{"\x1e": "record separator", "\x1f": "unit separator"},
}
# Names that are better known than the Unicode names, for example "period" instead of "full stop".
_COMMON_NAMES = {
    **{"^": "caret", "/": "slash", "\\": "backslash", "@": "at sign"},
    **{"_": "underscore", ".": "period", "-": "hyphen"},
}
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_SPACE_AT_QUOTE = re.compile(r'[ \u00a0\t]"|"[ \u00a0\t]')
_QUOTED_CELL = re.compile(r'"[^"]*(?:""[^"]*)*"')

Row = tuple[int, list[str]]  # A row consists of its number in the spreadsheet and its cells.
Record = tuple[str, list[str]]  # A record consists of its CSV text, including the line ending, and its cells.


def split_separator_line(text: str) -> tuple[str, str, str]:
    r"""
    Split CSV text into its separator line, such as "sep=;", the separator in this line, and the remaining text.

    If the text does not start with a separator line, the first two of the three returned strings are empty.

    Examples
    --------
    >>> split_separator_line("SEP=;\nuid;name\n"), split_separator_line("uid\n")
    (('SEP=;\n', ';', 'uid;name\n'), ('', '', 'uid\n'))
    """
    line = _SEPARATOR_LINE.match(text)
    if line is None:
        return "", "", text
    return line[0], line[1], text[line.end() :]


def split_records(text: str, *, strict: bool, separator: str = "") -> tuple[dict[str, list[Record]], dict[str, str]]:
    """
    Split CSV text once for each separator that divides its first row into several cells.

    Parameters
    ----------
    text
        Text of the file.
    strict
        Whether an unclosed quote is an error.
    separator
        The only separator to try. "" tries all known separators.

    Returns
    -------
    candidates
        Records by separator.
    errors
        Error messages by separator, for the separators that cannot split the text.
    """
    candidates: dict[str, list[Record]] = {}
    errors: dict[str, str] = {}
    for candidate in separator or SEPARATORS:
        try:
            # Split the other rows only if the separator divides the first row.
            first = next((cells for _, cells in _split_by(text, candidate, strict=strict) if is_filled(cells)), [])
            if len(first) > 1:
                candidates[candidate] = list(_split_by(text, candidate, strict=strict))
        except csv.Error as error:
            errors[candidate] = str(error)
    return candidates, errors


def split_one_column(text: str) -> list[Record]:
    """Split CSV text into records that contain one cell each. An unclosed quote raises csv.Error."""
    return list(_split_by(text, NO_SEPARATOR, strict=True))


def _split_by(text: str, separator: str, *, strict: bool) -> Iterator[Record]:
    lines: list[str] = []

    def collect_lines() -> Iterator[str]:
        trimmed = io.StringIO(_trim_quoted_cells(text, separator), newline="")
        # Trimming removes only spaces, so the original text and the trimmed text have the same number of lines.
        for line, trimmed_line in zip(io.StringIO(text, newline=""), trimmed, strict=True):
            lines.append(line)
            yield trimmed_line

    for cells in csv.reader(collect_lines(), delimiter=separator, strict=strict):
        yield "".join(lines), cells
        lines.clear()


def _trim_quoted_cells(text: str, separator: str) -> str:
    r"""
    Remove the spaces between a quoted cell and the separators or line breaks around it.

    Rows such as `"0150" ; "Kari"` are common. However, the csv module treats quotes after a space as part of the
    cell, and rejects a space after the closing quotes.

    Examples
    --------
    >>> _trim_quoted_cells('"a" ; "b; c"\n d ;"e"" ; " \n', ";")
    '"a";"b; c"\n d ;"e"" ; "\n'
    """
    if not _SPACE_AT_QUOTE.search(text):
        return text
    spaces = "[ \u00a0]*" if separator == "\t" else "[ \u00a0\t]*"
    end = rf"(?={re.escape(separator)}|[\r\n]|\Z)"
    cell = re.compile(rf"{spaces}({_QUOTED_CELL.pattern}){spaces}{end}|[^{re.escape(separator)}\r\n]+")
    return cell.sub(lambda match: match[1] or match[0], text)


def open_quote_line(text: str, separator: str) -> int:
    r"""
    Return the line number at which the first cell with an unmatched quote starts, or 0 if all quotes are matched.

    An opening quote is matched if a second quote ends the cell. The first line has the number 1.

    Examples
    --------
    >>> open_quote_line('uid;name\n7;"Kari"\n8;"Ola\n9;Per\n', ";"), open_quote_line('7;"Ka"" ri"\n', ";")
    (3, 0)
    """
    text = _trim_quoted_cells(text, separator)
    cell = re.compile(rf"[^{re.escape(separator)}\r\n]*")
    ends = (separator, "\r", "\n", "")
    position = 0
    while position < len(text):
        is_quoted = text[position] == '"'
        match = (_QUOTED_CELL if is_quoted else cell).match(text, position)
        if match is None or text[match.end() : match.end() + 1] not in ends:
            return 1 + len(_LINE_BREAK.findall(text, 0, position))
        position = match.end() + 1
    return 0


def has_separator(text: str) -> bool:
    """Return True if a string contains a known separator of CSV files."""
    return any(separator in text for separator in SEPARATORS)


def possible_separators(candidates: Mapping[str, Sequence[Record]]) -> list[str]:
    """
    Return the separators with which no row has more cells than the header.

    If some of these separators divide all rows into the same number of cells, only those are returned. Otherwise, a
    row can have fewer cells than the header, because Excel omits blank cells at the end of a row. Blank rows are
    ignored.
    """
    fitting = [separator for separator, records in candidates.items() if not long_rows(filled_rows(records))]
    even = [separator for separator in fitting if not short_rows(filled_rows(candidates[separator]))]
    return even or fitting


def filled_rows(records: Sequence[Record]) -> list[Row]:
    """Return the row number and the cells of each record that is not blank."""
    return [(number, cells) for number, (_, cells) in enumerate(records, 1) if is_filled(cells)]


def is_filled(cells: Sequence[str]) -> bool:
    """Return True if a row is not blank."""
    return any(map(clean_cell, cells))


def long_rows(rows: Sequence[Row]) -> dict[int, int]:
    """Return the number and the cell count of each row that has a filled cell after the last column of the header."""
    width = len(rows[0][1])
    return {number: len(row) for number, row in rows if any(map(clean_cell, row[width:]))}


def short_rows(rows: Sequence[Row]) -> dict[int, int]:
    """Return the number and the cell count of each row that has fewer cells than the header."""
    width = len(rows[0][1])
    return {number: len(row) for number, row in rows if len(row) < width}


def separator_name(separator: str) -> str:
    """
    Return the name of a separator for use in a message.

    Examples
    --------
    >>> separator_name(";"), separator_name("^"), separator_name("¤"), separator_name("→")
    ('semicolon', 'caret (^)', 'currency sign (¤)', 'rightwards arrow (→)')
    """
    if separator in SEPARATORS:
        return SEPARATORS[separator]
    name = _COMMON_NAMES.get(separator) or unicodedata.name(separator, "").lower()
    if separator.isprintable() and name:
        return f"{name} ({separator})"
    name = name or _CONTROL_NAMES.get(separator, "character")
    return f"{name} (U+{ord(separator):04X})"


def other_separator(cells: Sequence[str]) -> str:
    """
    Return the name of an unsupported separator that seems to divide the cells of a column, or "".

    Letters other than þ, digits, hyphens, underscores, and periods are usual in ids. Any other character is treated
    as a separator if most cells, including the first cell, contain this character. A non-ASCII character is treated
    as a separator even if the first cell does not contain it. Without this function, a file with an unsupported
    separator would be read as one column, and the ids would contain names of customers. A space is treated as a
    separator if the first cell and most other cells contain several words. The at sign of email addresses is not a
    separator.

    Examples
    --------
    >>> other_separator(["uid^name", "0150^Kari"]), other_separator(["0150¤Kari", "7¤Ola"])
    ('caret (^)', 'currency sign (¤)')
    >>> other_separator(["uid", "0150:1"]), other_separator(["0150", "7"]), other_separator(["a@x.test", "b@x.test"])
    ('', '', '')
    """
    counts: dict[str, int] = {}
    for cell in cells:
        for character in _separators_in(cell):
            counts[character] = counts.get(character, 0) + 1
    first = _separators_in(cells[0])
    for character, count in sorted(counts.items()):
        is_special = not character.isascii() and character.isprintable()
        if 2 * count > len(cells) and (is_special or character in first):
            return separator_name(character)
    has_words = [bool(re.search(r"\S\s+\S", cell) and re.search(r"[^\W\d_]", cell)) for cell in cells]
    if len(cells) > 1 and has_words[0] and 2 * sum(has_words) > len(cells):
        return "space"
    return ""


def _separators_in(cell: str) -> set[str]:
    """Return the characters inside a cell that are unusual in ids. The first character of the cell is ignored."""
    spaces = {c for c in cell if c in "\t\r\n" or unicodedata.category(c)[0] == "Z"}
    characters = {c for c in cell[1:] if c in _LETTERS_AS_SEPARATORS or not c.isalnum()} - spaces
    if _EMAIL.fullmatch(cell):
        characters.discard("@")
    # Combining marks belong to letters, and `damage_of` reports invisible characters. Therefore, both are excluded.
    marks = {c for c in characters if unicodedata.category(c) in ("Mn", "Mc", "Cf")}
    return characters - _USUAL_IN_IDS - marks
