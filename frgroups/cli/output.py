r"""
Print messages and data.

Messages are wrapped on a terminal, but not in a pipe or a file. If the encoding of stdout or stderr cannot represent
a character, the character is printed as an escape sequence such as \u0141.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    import pandas as pd

# Version of the keys in the JSON output of all commands.
SCHEMA_VERSION = 1
# Keys of `click.Context.meta` that contain the values of `--json`, `--quiet`, and `--log`.
JSON, QUIET, LOG = "frgroups.json", "frgroups.quiet", "frgroups.log"
# Number of additional spaces before the continuation lines of a wrapped message.
HANGING_INDENT = 2
# Width that is assumed for a terminal that does not report its width.
DEFAULT_WIDTH = 80
# Width of the labels before the digest, the file paths, and the next command.
_LABEL_WIDTH = 8
# Patterns for a command at the end of a line and for a word. Both include the preceding whitespace.
_COMMAND = re.compile(r"\s+frgroups [a-z-]+ \S.*[^.]$")
_WORD = re.compile(r"\s*\S+")


class OutputError(OSError):
    """stdout cannot be written, for example because the disk is full or its reader has closed the pipe."""


def write_output(text: str, *, flush: bool = False) -> None:
    """Write a string to stdout. All text for stdout passes through this function, except tables on a terminal."""
    try:
        sys.stdout.write(text)
        if flush:
            sys.stdout.flush()
    except OSError as error:
        raise OutputError(error.errno, error.strerror, "stdout") from error


def make_visible(text: object) -> str:
    r"""
    Return a multi-line string with its control characters escaped.

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
    Prepare stdout and stderr, so that printing a string never raises an encoding error.

    Python sets a closed stream to None. Such a stream is replaced with the null device. Characters that the encoding
    of a stream does not contain are printed as escape sequences. Windows, for example, uses cp1252 for redirected
    output, which does not contain "Ł" or emoji. A lone surrogate is always escaped, because no encoding contains it.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  # The stream is closed at exit.
            setattr(sys, name, stream)
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def as_one_line(text: str) -> str:
    r"""
    Return a string as one line with its line breaks and control characters escaped.

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


def print_text(text: object = "", *, indent: int | None = None, flush: bool = False) -> None:
    """
    Print a message to stdout with its control characters escaped.

    Parameters
    ----------
    text
        The message, which can have several lines. On a terminal, each line is wrapped with `wrap_line`.
    indent
        Number of spaces before the continuation of a wrapped line. None selects the default of `wrap_line`.
    flush
        Whether to flush stdout.
    """
    write_output(_fit_text(text, sys.stdout, indent) + "\n", flush=flush)


def _fit_text(text: object, stream: TextIO, indent: int | None = None) -> str:
    """Return a message with its control characters escaped. The lines are wrapped if the stream is a terminal."""
    visible = make_visible(text)
    if not stream.isatty():
        return visible
    width = terminal_width(stream)
    return "\n".join(wrap_line(line, width, indent) for line in visible.split("\n"))


def terminal_width(stream: TextIO) -> int:
    """
    Return the number of columns of a terminal.

    As in shutil.get_terminal_size, the environment variable COLUMNS takes precedence. Numbers below 1 are ignored.
    """
    width = 0
    with suppress(ValueError):
        width = int(os.environ.get("COLUMNS", ""))
    if width < 1:
        with suppress(OSError):
            width = os.get_terminal_size(stream.fileno()).columns
    return width if width >= 1 else DEFAULT_WIDTH


def wrap_line(line: str, width: int, indent: int | None = None) -> str:
    r"""
    Wrap a line between words.

    Words, such as paths and uids, are never broken. A command at the end of the line is not wrapped, so that it can
    be copied. If the line is too long, the command starts on a new line.

    Parameters
    ----------
    line
        The line.
    width
        Maximum number of terminal columns in a line. An East Asian character or an emoji has two columns.
    indent
        Number of spaces before the continuation. None is the indentation of the line plus two spaces.

    Examples
    --------
    >>> wrap_line("The plan is blocked by a limit.", 20)
    'The plan is blocked\n  by a limit.'
    >>> wrap_line("To undo: frgroups undo receipt.json", 20)
    'To undo:\n  frgroups undo receipt.json'
    """
    # The import is not at the top of the module, because it would delay help and usage errors.
    from rich.cells import cell_len

    if cell_len(line) <= width:
        return line
    if indent is None:
        indent = len(line) - len(line.lstrip()) + HANGING_INDENT
    command = _COMMAND.search(line)
    words = _WORD.findall(line if command is None else line[: command.start()])
    if command is not None:
        words.append(command[0])
    lines = [""]
    for word in words:
        # Start a new line only if the current line contains more than an indentation or a label.
        # Otherwise, a new line would not provide more space.
        if cell_len(lines[-1]) + cell_len(word) > width and cell_len(lines[-1]) > indent:
            lines.append(" " * indent + word.lstrip())
        else:
            lines[-1] += word
    return "\n".join(lines)


def print_error(text: object) -> None:
    """
    Print a message to stderr with its control characters escaped.

    With `--log json`, the message is one JSON line, like all other lines on stderr.
    """
    if _output_options().get(LOG) == "json":
        if str(text).strip():
            print_log_line("INFO", "message", str(text).strip())
        return
    print(_fit_text(text, sys.stderr), file=sys.stderr)


def print_warning(text: object) -> None:
    """Print a warning to stderr. With `--quiet`, the warning is not printed."""
    if not _output_options().get(QUIET):
        print_error(f"Warning: {text}")


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
    write_output(text if text.endswith("\n") else f"{text}\n", flush=flush)


def print_csv(table: pd.DataFrame) -> None:
    """Print a table as CSV, with strings escaped so that no spreadsheet program runs them as formulas."""
    from frgroups.internals.spreadsheet_export import to_safe_csv

    print_data(to_safe_csv(table))


def print_message(text: object = "", *, indent: int | None = None, flush: bool = False) -> None:
    """
    Print a message about the result, for example the number of rows or the next command.

    With `--json`, the message is printed to stderr. With `--quiet`, it is not printed. `print_text` describes
    the parameters.
    """
    options = _output_options()
    if options.get(QUIET):
        return
    if options.get(JSON):
        print_error(text)
    else:
        print_text(text, indent=indent, flush=flush)


def print_labeled(label: str, text: object) -> None:
    """Print a message after a label. The messages after all labels start in the same column."""
    print_text(f"{label:<{_LABEL_WIDTH}}{text}", indent=_LABEL_WIDTH)


def print_next(command_line: str, *, label: str = "Next") -> None:
    """Print the next command after a label. With `--quiet`, the command is not printed."""
    print_message(f"{label:<{_LABEL_WIDTH}}{command_line}", indent=_LABEL_WIDTH)


def print_json_line(values: Mapping[str, Any], *, flush: bool = False) -> None:
    """
    Print values as one line of JSON in ASCII, which is valid in every encoding of stdout.

    The first key is `schema_version`. Its value increases when a key is renamed or removed. NaN and infinite numbers,
    which JSON cannot represent, raise ValueError.
    """
    print_data(json.dumps({"schema_version": SCHEMA_VERSION, **values}, allow_nan=False), flush=flush)


def print_json_text(values: Mapping[str, Any]) -> None:
    """
    Print values as indented JSON that is easy to read.

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
