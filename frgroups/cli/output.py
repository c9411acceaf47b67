r"""
Print messages, tables, and data. Tables are plain text in a pipe or a file and rich tables on a terminal.

No text can make an output function fail. A character that the encoding of stdout or stderr does not contain is
printed as an escape sequence such as \u0141.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

# Version of the keys in the JSON output of all commands.
SCHEMA_VERSION = 1
# Keys of `click.Context.meta` that contain the values of `--json`, `--quiet`, and `--log`.
JSON, QUIET, LOG = "frgroups.json", "frgroups.quiet", "frgroups.log"
# Minimum width to which a text column is wrapped on a terminal.
MIN_TEXT_WIDTH = 12
# Number of characters between two columns on a terminal, in the normal and in the compact layout.
GAP, COMPACT_GAP = 3, 1
# The compact layout breaks headers with more characters than this number at underscores.
MAX_COMPACT_HEADER = 8


def make_visible(text: object) -> str:
    r"""
    Return a multi-line text with its control characters escaped.

    Examples
    --------
    >>> make_visible("first\nsecond \x1b[2K")
    'first\nsecond \\u001b[2K'
    """
    lines = str(text).expandtabs(4).split("\n")
    if all(line.isprintable() for line in lines):
        return "\n".join(lines)
    # The import is not at the top of the module, because it loads pandas, which would delay help and usage errors.
    from frgroups.internals.formatting import escape_invisible

    return "\n".join(escape_invisible(line) for line in lines)


def prepare_streams() -> None:
    """
    Prepare stdout and stderr, so that no text can raise an error when it is printed.

    Python sets a closed stream to None. Such a stream is replaced with the null device. Characters that the encoding
    of a stream does not contain are printed as escape sequences. Windows, for example, uses cp1252 for redirected
    output, which does not contain "Ł" or emoji. No encoding contains a lone surrogate.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # The stream stays open until the process exits.
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def as_one_line(text: str) -> str:
    r"""
    Return a text as one line with its line breaks and control characters escaped.

    Examples
    --------
    >>> as_one_line("first\nsecond \x1b[2K")
    'first\\nsecond \\u001b[2K'
    """
    for character, escape in (("\t", "\\t"), ("\r", "\\r"), ("\n", "\\n")):
        text = text.replace(character, escape)
    return make_visible(text)


def log_format(ctx: click.Context) -> str | None:
    """Return the value of `--log`, or None if the option is not set."""
    value = ctx.meta.get(LOG)
    return None if value is None else str(value)


def print_text(text: object = "", *, flush: bool = False) -> None:
    """Print a message to stdout with its control characters escaped."""
    print(make_visible(text), flush=flush)


def print_error(text: object) -> None:
    """
    Print a message to stderr with its control characters escaped.

    With `--log json`, the message is one JSON line, like all other lines on stderr.
    """
    if _output_options().get(LOG) == "json":
        if str(text).strip():
            print_log_line("INFO", "message", str(text).strip())
        return
    print(make_visible(text), file=sys.stderr)


def print_log_line(level: str, event: str, message: str, **fields: Any) -> None:
    """Print a JSON line to stderr in the format of `--log json`, with additional fields."""
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": level,
        "logger": "frgroups.cli",
        "event": event,
        "message": message,
        **fields,
    }
    print(json.dumps(line, allow_nan=False), file=sys.stderr)


def print_data(text: str, *, flush: bool = False) -> None:
    """
    Print lines of JSON or CSV to stdout.

    Control characters are escaped on a terminal. In a pipe or a file, the lines are printed unchanged.
    """
    if sys.stdout.isatty():
        text = make_visible(text)
    print(text, end="" if text.endswith("\n") else "\n", flush=flush)


def print_csv(table: pd.DataFrame) -> None:
    """Print a table as CSV in which no text runs as a formula in a spreadsheet program."""
    from frgroups.internals.spreadsheet_export import to_safe_csv

    print_data(to_safe_csv(table))


def print_message(text: object = "", *, flush: bool = False) -> None:
    """
    Print a message about the result, for example the number of rows or the next command.

    With `--json`, the message is printed to stderr. With `--quiet`, it is not printed.
    """
    options = _output_options()
    if options.get(QUIET):
        return
    if options.get(JSON):
        print_error(text)
    else:
        print_text(text, flush=flush)


def print_json_line(values: Mapping[str, Any], *, flush: bool = False) -> None:
    """
    Print values as one line of JSON in ASCII, which is valid in every encoding of stdout.

    The first key is `schema_version`. Its value increases when a key is renamed or removed. NaN and infinite numbers,
    which JSON cannot represent, raise ValueError.
    """
    print_data(json.dumps({"schema_version": SCHEMA_VERSION, **values}, allow_nan=False), flush=flush)


def print_json_text(values: Mapping[str, Any]) -> None:
    """
    Print values as indented JSON for a reader.

    If the encoding of stdout does not contain a character, all characters beyond ASCII are printed as JSON escapes.
    Therefore the output is valid JSON in every encoding.
    """
    text = json.dumps(values, indent=1, ensure_ascii=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        text = json.dumps(values, indent=1)
    print_data(text)


def _output_options() -> Mapping[str, Any]:
    """Return the values of `--json`, `--quiet`, and `--log` of the running command."""
    context = click.get_current_context(silent=True)
    return {} if context is None else context.meta


def print_table(table: pd.DataFrame, *, n_required: int | None = None) -> list[str]:
    """
    Print a table without its index, and return the names of the printed columns.

    In a pipe or a file, each table row is one line of plain text, which is not wrapped or truncated. On a terminal,
    rich prints the table if its columns fit. Floats have three decimals.

    Parameters
    ----------
    table
        The table, with the most important columns first.
    n_required
        Number of columns that are always printed. If the terminal is too narrow, the function omits the last columns
        of the table, but not the first `n_required` columns. None prints all columns.
    """
    names = list(map(str, table.columns))
    if table.empty:
        print_text("(none)")
        return names
    if sys.stdout.isatty():
        for n in range(len(names), (n_required or len(names)) - 1, -1):
            if _print_rich_table(table.iloc[:, :n]):
                return names[:n]
    print_text(table_text(table))
    return names


def table_text(table: pd.DataFrame) -> str:
    """
    Format a table as plain text with one line per row.

    Examples
    --------
    >>> import pandas as pd
    >>> print(table_text(pd.DataFrame({"name": ["VIP", "Staff"], "share": [0.5, 1.0]})))
     name  share
      VIP  0.500
    Staff  1.000
    """
    from pandas.api.types import is_string_dtype

    names = [name for name in table.columns if is_string_dtype(table[name])]
    escaped = table.assign(**{name: table[name].map(as_one_line, na_action="ignore") for name in names})
    text: str = escaped.to_string(index=False, max_rows=None, float_format="{:.3f}".format)
    return text


def _print_rich_table(table: pd.DataFrame) -> bool:
    """Print a table with rich if the terminal is wide enough. Return True if the table was printed."""
    from rich.console import Console

    has_color = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    console = Console(
        file=sys.stdout, markup=False, emoji=False, highlight=False, color_system="auto" if has_color else None
    )
    for compact in (False, True):
        rendered = _rich_table(table, compact=compact)
        gap = COMPACT_GAP if compact else GAP
        if sum((column.min_width or 0) + gap for column in rendered.columns) <= console.width:
            console.print(rendered)
            return True
    return False


def _rich_table(table: pd.DataFrame, *, compact: bool) -> Table:
    """Convert a table to a rich table. The compact layout has narrower gaps and headers."""
    from pandas.api.types import is_numeric_dtype
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    rendered = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=0 if compact else (0, 1),
        header_style="bold",
    )
    for name in table.columns:
        header = _cell(name)
        width = max((cell_len(_cell(value)) for value in table[name]), default=0)
        if compact:
            header = _broken_header(header, min(MIN_TEXT_WIDTH, width))
        header_width = max(map(cell_len, header.split("\n")))
        if is_numeric_dtype(table[name]):
            rendered.add_column(Text(header), justify="right", no_wrap=True, min_width=max(header_width, width))
        else:
            min_width = max(header_width, min(MIN_TEXT_WIDTH, width))
            rendered.add_column(Text(header), overflow="fold", min_width=min_width)
    for row in table.itertuples(index=False, name=None):
        # Rich does not interpret markup or emoji codes in a Text object.
        rendered.add_row(*(Text(_cell(value)) for value in row))
    return rendered


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


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else f"{value:.3f}"
    return as_one_line(str(value))
