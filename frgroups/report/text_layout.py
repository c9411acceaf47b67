"""Align the columns of a formatted table as plain text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from frgroups.report.table_format import FormattedColumn, FormattedTable

# Maximum widths of a cell and of a header, as pairs.
# `table_text` tries the pairs in this order, and uses the first pair with which each line of the table has at most
# `MAX_LINE` characters.
_WIDTHS = ((48, 48), *((width, max(10, min(14, width - 20))) for width in range(48, 13, -2)))
MAX_LINE = 120
_GAP = "  "


def table_text(table: FormattedTable) -> str:
    """
    Return a formatted table as aligned text, followed by its notes.

    Long cells are wrapped, so that a row can have several lines.
    """
    if not table.columns:
        return "\n".join(table.notes)
    columns: list[list[list[str]]] = []
    for width, header_width in _WIDTHS:
        columns = [_wrapped_cells(column, width, header_width) for column in table.columns]
        if sum(map(_width_of_column, columns)) + len(_GAP) * (len(columns) - 1) <= MAX_LINE:
            break
    widths = [_width_of_column(cells) for cells in columns]
    lines = []
    for row in zip(*columns, strict=True):
        for number in range(max(map(len, row))):
            texts = [cell[number] if number < len(cell) else "" for cell in row]
            padded = [
                _pad(text, width, right=column.is_number)
                for text, width, column in zip(texts, widths, table.columns, strict=True)
            ]
            lines.append(_GAP.join(padded).rstrip())
    return "\n".join([*lines, *(line for note in table.notes for line in _wrap(note, MAX_LINE))])


def _wrapped_cells(column: FormattedColumn, width: int, header_width: int) -> list[list[str]]:
    """Return the wrapped lines of the header and of each cell. The header can be as wide as the widest cell."""
    cells = [_wrap(cell, width) for cell in column.cells]
    return [_wrap(column.header, max(header_width, _width_of_column(cells))), *cells]


def _wrap(text: str, width: int) -> list[str]:
    """Wrap text after spaces. A word that is too long is broken after an underscore or bracket, or else anywhere."""
    if text_width(text) <= width:
        return [text]
    lines = [""]
    for part in _parts(text, width):
        if text_width(lines[-1] + part.rstrip()) <= width:
            lines[-1] += part
        elif text_width(part.rstrip()) <= width:
            lines.append(part)
        else:
            for character in part:
                if text_width(lines[-1] + character) > width:
                    lines.append("")
                lines[-1] += character
    return [line.rstrip() for line in lines if line.strip()]


def _parts(text: str, width: int) -> Iterator[str]:
    """Yield the words of a string with their trailing spaces. Words that are too long for a line are divided."""
    for word in re.split(r"(?<=\s)", text):
        yield from [word] if text_width(word.rstrip()) <= width else re.split(r"(?<=[_(\[{,=])", word)


def _width_of_column(cells: list[list[str]]) -> int:
    return max((text_width(line) for cell in cells for line in cell), default=0)


def text_width(text: str) -> int:
    """Return the number of terminal columns of a string. East Asian wide characters and emoji have two columns."""
    if text.isascii():
        return len(text)
    return sum(map(_character_width, text))


def _character_width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _pad(text: str, width: int, *, right: bool) -> str:
    blanks = " " * (width - text_width(text))
    return blanks + text if right else text + blanks
