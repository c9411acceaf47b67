"""Print tables: rich tables on a terminal, and plain text in a pipe or a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
from pandas.api.types import is_numeric_dtype
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from frgroups.cli.output import as_one_line, print_text, terminal_width

# Text that tables contain for a missing value.
MISSING = "-"
# Minimum width to which a text column is wrapped on a terminal. A date with a time has 16 characters.
MIN_TEXT_WIDTH = 16
# Maximum width of a word that is not broken in a table cell. A UUID has 36 characters.
MAX_WORD_WIDTH = 40
# Number of characters between two columns on a terminal, in the normal and in the compact layout.
GAP, COMPACT_GAP = 3, 1
# The compact layout breaks headers with more characters than this number at underscores.
MAX_COMPACT_HEADER = 8


def print_table(table: pd.DataFrame, *, n_required: int | None = None) -> list[str]:
    """
    Print a table without its index, and return the names of the printed columns.

    In a pipe or a file, each table row is one line of plain text, which is not wrapped or truncated. On a terminal,
    rich prints the table if its columns fit. Otherwise, each table row is printed as several lines with one column
    per line. Floats have three decimals. A missing value is printed as "-".

    Parameters
    ----------
    table
        The table, with the most important columns first.
    n_required
        Number of columns that are always printed. If the terminal is too narrow, the function omits the last columns
        of the table, but not the first `n_required` columns. None prints all columns.
    """
    columns = _printed_columns(table)
    names = [column.name for column in columns]
    if table.empty:
        print_text("(none)")
        return names
    if not sys.stdout.isatty():
        print_text(_plain_table(columns))
        return names
    width = terminal_width(sys.stdout)
    for n in range(len(columns), (n_required or len(columns)) - 1, -1):
        if _print_rich_table(columns[:n], width):
            return names[:n]
    _print_rows_as_lines(columns)
    return names


@dataclass(frozen=True, slots=True)
class _Column:
    """
    A table column as text.

    Attributes
    ----------
    name
        Name of the column on one line.
    cells
        Values as text, each on one line.
    is_number
        Whether the values are numbers, which are aligned to the right and never wrapped.
    width
        Width of the widest value on the terminal.
    word_width
        Width of the widest word in the values on the terminal.
    """

    name: str
    cells: list[str]
    is_number: bool
    width: int
    word_width: int


def _printed_columns(table: pd.DataFrame) -> list[_Column]:

    columns = []
    for name, values in table.items():
        cells = [
            MISSING if is_missing else _cell(value) for value, is_missing in zip(values, values.isna(), strict=True)
        ]
        words = {word for cell in cells for word in cell.split()}
        width = max(map(cell_len, cells), default=0)
        word_width = max(map(cell_len, words), default=0)
        columns.append(_Column(as_one_line(str(name)), cells, is_numeric_dtype(values), width, word_width))
    return columns


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return as_one_line(str(value))


def _plain_table(columns: Sequence[_Column]) -> str:
    text: str = pd.DataFrame({column.name: column.cells for column in columns}).to_string(index=False, max_rows=None)
    return text


def _print_rows_as_lines(columns: Sequence[_Column]) -> None:
    """Print each table row as several lines, one for each column, with a blank line between two rows."""
    label_width = max(len(column.name) for column in columns) + 2
    for position in range(len(columns[0].cells)):
        if position:
            print_text()
        for column in columns:
            print_text(f"{column.name:<{label_width}}{column.cells[position]}", indent=label_width)


def _print_rich_table(columns: Sequence[_Column], width: int) -> bool:
    """Print a table with rich if the terminal is wide enough. Return True if the table was printed."""
    is_compact = False
    widths = _column_widths(columns, width, is_compact=is_compact)
    if widths is None:
        is_compact = True
        widths = _column_widths(columns, width, is_compact=is_compact)
    if widths is None:
        return False
    rendered = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=0 if is_compact else (0, 1),
        header_style="bold",
    )
    for column, column_width in zip(columns, widths, strict=True):
        # Rich does not interpret markup or emoji codes in a Text object.
        header = Text(_header(column, is_compact=is_compact))
        justify: Literal["left", "right"] = "right" if column.is_number else "left"
        rendered.add_column(header, justify=justify, overflow="fold", width=column_width)
    for cells in zip(*(column.cells for column in columns), strict=True):
        rendered.add_row(*map(Text, cells))
    has_color = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    console = Console(
        file=sys.stdout,
        width=width,
        markup=False,
        emoji=False,
        highlight=False,
        color_system="auto" if has_color else None,
    )
    console.print(rendered)
    return True


def _header(column: _Column, *, is_compact: bool) -> str:
    if is_compact:
        return _broken_header(column.name, min(MIN_TEXT_WIDTH, column.width))
    return column.name


def _column_widths(columns: Sequence[_Column], width: int, *, is_compact: bool) -> list[int] | None:
    """
    Return the widths of the columns on a terminal, or None if the terminal is too narrow.

    Numbers, headers, and words with at most `MAX_WORD_WIDTH` characters are not wrapped. The columns with longer
    texts share the remaining width, narrowest column first.
    """
    headers = [max(map(cell_len, _header(column, is_compact=is_compact).split("\n"))) for column in columns]
    needed = [max(header, column.width) for header, column in zip(headers, columns, strict=True)]
    widths = []
    for header, column in zip(headers, columns, strict=True):
        text_width = max(min(MIN_TEXT_WIDTH, column.width), min(MAX_WORD_WIDTH, column.word_width))
        widths.append(max(header, column.width if column.is_number else text_width))
    spare = width - sum(widths) - (COMPACT_GAP if is_compact else GAP) * (len(columns) - 1)
    if spare < 0:
        return None
    for _ in range(spare):
        wrapped = [position for position, needed_width in enumerate(needed) if widths[position] < needed_width]
        if not wrapped:
            break
        widths[min(wrapped, key=widths.__getitem__)] += 1
    return widths


def _broken_header(header: str, width: int) -> str:
    r"""
    Break a header at underscores into as few lines as possible that do not make the column wider than necessary.

    Examples
    --------
    >>> _broken_header("customer_group_uid", 4), _broken_header("n_add", 2)
    ('customer_\ngroup_uid', 'n_add')
    """
    parts = header.replace("_", "_\n").split("\n")
    limit = max(width, MAX_COMPACT_HEADER, *map(len, parts))
    lines = [""]
    for part in parts:
        if len(lines[-1]) + len(part) <= limit:
            lines[-1] += part
        else:
            lines.append(part)
    return "\n".join(lines)
