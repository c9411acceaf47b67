"""Print tables: rich tables on a terminal, and plain text in a pipe or a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
from pandas.api.types import is_integer_dtype, is_numeric_dtype
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from frgroups.cli.output import as_one_line, print_text, terminal_width
from frgroups.internals import column_formats
from frgroups.internals.column_formats import format_column, is_share

# Tables show this text instead of a missing value.
MISSING = "-"
# Minimum width of a text column with wrapped values on a terminal.
# A date with a time has 16 characters and is therefore not wrapped.
MIN_TEXT_WIDTH = 16
# Words up to this width are not broken in a table cell. A UUID has 36 characters and is therefore not broken.
MAX_WORD_WIDTH = 40
# Number of spaces at each side of the line between two columns, in the normal and in the compact layout.
PADDING, COMPACT_PADDING = 1, 0
# The compact layout breaks headers with more characters than this number at underscores.
MAX_COMPACT_HEADER = 8


def print_table(table: pd.DataFrame, *, n_required: int | None = None) -> list[str]:
    """
    Print a table without its index, and return the names of the printed columns.

    In a pipe or a file, each table row is one line of plain text, which is not wrapped or truncated. On a terminal,
    rich prints the table if its columns fit. If they do not fit, each table row is printed as several lines with one
    column per line.

    On a terminal, integers have thousands separators, shares are percentages, and columns without text are omitted.
    Other floats have three decimals. A missing value is printed as "-".

    Parameters
    ----------
    table
        The table, with the most important columns first.
    n_required
        Number of columns that are always printed. If the terminal is too narrow, the last columns of the table are
        omitted. The first `n_required` columns are never omitted. None prints all columns.
    """
    is_terminal = sys.stdout.isatty()
    columns = _printed_columns(table, is_terminal=is_terminal)
    names = [column.name for column in columns]
    if table.empty:
        print_text("(none)")
        return names
    if not is_terminal:
        print_text(_plain_table(columns))
        return names
    columns = [column for column in columns if any(column.cells)]
    names = [column.name for column in columns]
    width = terminal_width(sys.stdout)
    for n in range(len(columns), min(n_required or len(columns), len(columns)) - 1, -1):
        layout = choose_layout(columns[:n], width)
        if layout is not None:
            _print_rich_table(columns[:n], layout, width)
            return names[:n]
    _print_rows_as_lines(columns)
    return names


@dataclass(frozen=True, slots=True)
class _Column:
    """
    A table column whose values are converted to strings.

    Attributes
    ----------
    name
        Name of the column on one line.
    cells
        Values as strings without line breaks.
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


@dataclass(frozen=True, slots=True)
class Layout:
    """
    Layout of a table that fits on a terminal.

    Attributes
    ----------
    headers
        Column names, which can have several lines.
    widths
        Widths of the columns.
    padding
        Number of spaces at each side of the line between two columns.
    """

    headers: list[str]
    widths: list[int]
    padding: int


def _printed_columns(table: pd.DataFrame, *, is_terminal: bool) -> list[_Column]:
    columns = []
    for name, values in table.items():
        number_format = ",d" if is_terminal and is_integer_dtype(values) else ""
        if is_terminal and is_share(str(name)) and is_numeric_dtype(values):
            cells = [_plain_dashes(text) for text in format_column(values, str(name))]
        else:
            cells = [_cell(value, number_format) for value in values]
        words = {word for cell in cells for word in cell.split()}
        width = max(map(cell_len, cells), default=0)
        word_width = max(map(cell_len, words), default=0)
        columns.append(_Column(as_one_line(str(name)), cells, is_numeric_dtype(values), width, word_width))
    return columns


def _cell(value: Any, number_format: str) -> str:
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return MISSING
    if isinstance(value, float):
        return f"{value:.3f}"
    return as_one_line(format(value, number_format) if number_format else str(value))


def _plain_dashes(text: str) -> str:
    """Replace minus signs and the dash for a missing value with ASCII hyphens, which every terminal can display."""
    return text.replace("\N{MINUS SIGN}", "-").replace(column_formats.MISSING, MISSING)


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


def choose_layout(columns: Sequence[_Column], width: int) -> Layout | None:
    """
    Return the first layout that fits on the terminal without wrapped values.

    If no layout fits without wrapped values, the first layout that fits with wrapped values is returned.

    The layouts are tried in this order: the normal layout, a layout with less space between the columns, and the
    compact layout. Return None if no layout fits.
    """
    names = [column.name for column in columns]
    short_headers = [_broken_header(column.name, _text_width(column)) for column in columns]
    first = None
    for headers, padding in ((names, PADDING), (names, COMPACT_PADDING), (short_headers, COMPACT_PADDING)):
        widths = _column_widths(columns, headers, width - (2 * padding + 1) * (len(columns) - 1))
        if widths is None:
            continue
        layout = Layout(headers, widths, padding)
        if all(shown >= column.width for shown, column in zip(widths, columns, strict=True)):
            return layout
        first = first or layout
    return first


def _print_rich_table(columns: Sequence[_Column], layout: Layout, width: int) -> None:
    rendered = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, layout.padding),
        header_style="bold",
    )
    for column, header, column_width in zip(columns, layout.headers, layout.widths, strict=True):
        justify: Literal["left", "right"] = "right" if column.is_number else "left"
        # Rich does not interpret markup or emoji codes in a Text object.
        rendered.add_column(Text(header), justify=justify, overflow="fold", width=column_width)
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


def _column_widths(columns: Sequence[_Column], headers: Sequence[str], width: int) -> list[int] | None:
    """
    Return the widths of the columns, or None if their sum would exceed `width`.

    Numbers, headers, and words with at most `MAX_WORD_WIDTH` characters are not wrapped. The remaining width is
    distributed among the columns with wrapped values. Each additional character is assigned to the narrowest of these
    columns.
    """
    header_widths = [max(map(cell_len, header.split("\n"))) for header in headers]
    needed = [max(header, column.width) for header, column in zip(header_widths, columns, strict=True)]
    widths = []
    for header, column in zip(header_widths, columns, strict=True):
        widths.append(max(header, column.width if column.is_number else _text_width(column)))
    spare = width - sum(widths)
    if spare < 0:
        return None
    for _ in range(spare):
        wrapped = [position for position, needed_width in enumerate(needed) if widths[position] < needed_width]
        if not wrapped:
            break
        widths[min(wrapped, key=widths.__getitem__)] += 1
    return widths


def _text_width(column: _Column) -> int:
    """Return the minimum width of a column of strings."""
    return max(min(MIN_TEXT_WIDTH, column.width), min(MAX_WORD_WIDTH, column.word_width))


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
