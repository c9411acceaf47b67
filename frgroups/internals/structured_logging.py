"""Structured log records: a message, the name of the event, and its fields."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from frgroups.errors import FrgroupsError, InputError
from frgroups.internals.json_values import to_jsonable

_PACKAGE = Path(__file__).parents[1]
# Importing frgroups adds no handler, so that Python shows warnings by default, also in notebooks.
_ROOT = logging.getLogger("frgroups")

# The attributes of every log record. All other attributes are fields of the event.
_RECORD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_LINE_FIELDS = ("time", "level", "logger", "event", "message")
_RESERVED_NAMES = _RECORD_ATTRIBUTES.union(_LINE_FIELDS)


def log_event(log: logging.Logger, level: int, event: str, text: str, **facts: object) -> None:
    """
    Log a message with the name of the event and its fields as attributes of the record.

    `text` is not formatted further. Fields may be counts, uids of groups and tenants, and durations, but never
    tokens or customer data. "_" is appended to the name of a field that a log record has too, such as `name`
    or `module`.

    Examples
    --------
    >>> import sys
    >>> handler = log_json(sys.stdout)
    >>> log = logging.getLogger("frgroups.load")
    >>> log_event(log, logging.INFO, "page_retried", "Trying again in 2 s.", wait_seconds=2.0)
    {"time": "...", "level": "INFO", "logger": "frgroups.load", "event": "page_retried",
     "message": "Trying again in 2 s.", "wait_seconds": 2.0}
    >>> _ROOT.removeHandler(handler)
    """
    fields = {_field_name(name): value for name, value in facts.items()}
    log.log(level, text, extra={"event": event, **fields}, stacklevel=2)


def _field_name(name: str) -> str:
    if name in _RESERVED_NAMES:
        return f"{name}_"
    return name


def log_json(stream: TextIO | None = None, *, level: int | str = "INFO", **facts: object) -> logging.Handler:
    """
    Write the log of frgroups to stderr or another stream as JSON lines, and return the handler.

    Each line has time (UTC), level, logger, event and message, followed by the fields of the event and by your own
    fields `facts`, for example `job="nightly"`. An exception is logged with its type and the place where it was
    raised. Its message is logged only if frgroups raised it, because other messages might contain customer data.
    If you call the function again, it moves the same handler to the new stream and level. It changes only the
    logger "frgroups"; `logging.getLogger("frgroups").removeHandler(handler)` removes the handler.

    Raises InputError for a level that logging does not know.

    Examples
    --------
    >>> handler = log_json(level="WARNING")
    >>> handler is log_json()
    True
    >>> logging.getLogger("frgroups").removeHandler(handler)
    """
    return _attach_handler(stream, level, JsonFormatter(facts))


@contextmanager
def logged_to_stderr(form: str, level: int | str, **facts: object) -> Iterator[None]:
    """Log to stderr as "json" or "text" inside a block, and restore the logger afterwards."""
    before = _ROOT.level
    formatters: dict[str, type[JsonFormatter | TextFormatter]] = {"json": JsonFormatter, "text": TextFormatter}
    handler = _attach_handler(None, level, formatters[form](facts))
    try:
        yield
    finally:
        _ROOT.removeHandler(handler)
        _ROOT.setLevel(before)


class JsonFormatter(logging.Formatter):
    """Format log records as JSON lines that all contain the given fields."""

    def __init__(self, facts: Mapping[str, object] | None = None) -> None:
        super().__init__()
        self._facts = dict(facts or {})

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without the line break."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": str(getattr(record, "event", "log")),
            "message": record.getMessage(),
        }
        facts = {name: value for name, value in vars(record).items() if name not in _RECORD_ATTRIBUTES}
        line |= {name: to_jsonable(value) for name, value in (self._facts | facts).items() if name not in line}
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = error_info(record.exc_info[1])
        return json.dumps(line, allow_nan=False)


class TextFormatter(logging.Formatter):
    """Format log records as lines of text, with the values of the given fields in brackets."""

    def __init__(self, facts: Mapping[str, object] | None = None) -> None:
        super().__init__()
        self._prefix = "".join(f"[{fact}] " for fact in (facts or {}).values())

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without the line break."""
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            info = error_info(record.exc_info[1])
            text += f" {info['type']}: {info['message']}"
        logger = record.name.removeprefix("frgroups.")
        return " ".join(f"{record.levelname} {self._prefix}{logger}: {text}".split())


def error_info(error: BaseException) -> dict[str, str]:
    """
    Return the type and the message of an error for the log.

    The message of an error of another package might contain customer data. It is replaced by the place where the
    error was raised.

    Examples
    --------
    >>> error_info(InputError("No token."))
    {'type': 'InputError', 'message': 'No token.'}
    """
    if isinstance(error, FrgroupsError):
        text = str(error)
    elif isinstance(error, OSError) and error.strerror:
        text = error.strerror
        if error.filename:
            text = f"{error.filename}: {text}"
    elif isinstance(error, KeyboardInterrupt):
        text = "Interrupted."
    else:
        text = f"Unexpected {type(error).__name__}{_describe_place(error)}."
    return {"type": type(error).__name__, "message": text}


def _describe_place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    last = next((frame for frame in reversed(frames) if Path(frame.filename).is_relative_to(_PACKAGE)), frames[-1])
    return f" in {last.name}, {Path(last.filename).name} line {last.lineno}"


def _attach_handler(stream: TextIO | None, level: int | str, formatter: logging.Formatter) -> logging.Handler:
    """
    Return the handler of frgroups with this stream, level and formatter, and add it to the logger if needed.

    The level of the logger is lowered if needed, but never raised.
    """
    level_number = _to_level_number(level)
    attached = next((handler for handler in _ROOT.handlers if isinstance(handler, _FrgroupsHandler)), None)
    handler = attached or _FrgroupsHandler()
    handler.setStream(stream or sys.stderr)
    handler.setLevel(level_number)
    handler.setFormatter(formatter)
    if attached is None:
        _ROOT.addHandler(handler)
    if not _ROOT.isEnabledFor(level_number):
        _ROOT.setLevel(level_number)
    return handler


class _FrgroupsHandler(logging.StreamHandler[TextIO]):
    """The handler that frgroups adds to its logger."""


def _to_level_number(level: int | str) -> int:
    levels = logging.getLevelNamesMapping()
    if isinstance(level, str) and level.upper() in levels:
        return levels[level.upper()]
    if isinstance(level, int) and not isinstance(level, bool):
        return level
    raise InputError(f"level={level!r} is not a logging level. Use DEBUG, INFO, WARNING or ERROR.")
