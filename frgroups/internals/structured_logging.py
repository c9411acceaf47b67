"""Write structured log records with a message, an event name, and fields."""

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
from frgroups.internals.formatting import escape_invisible
from frgroups.internals.json_values import to_jsonable
from frgroups.internals.progress import bars_hidden

_PACKAGE = Path(__file__).parents[1]
# frgroups adds no handler when it is imported, so Python prints the warnings of frgroups by default.
_ROOT = logging.getLogger("frgroups")

# Attributes that every log record has. Any other attribute of a record is a field of the event.
_RECORD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_LINE_FIELDS = ("time", "level", "logger", "event", "message")
_RESERVED_NAMES = _RECORD_ATTRIBUTES.union(_LINE_FIELDS)


def log_event(log: logging.Logger, level: int, event: str, text: str, **facts: object) -> None:
    """
    Log a message, with the event name and its fields as attributes of the log record.

    The message is not formatted with `%`. Fields can contain counts, durations, and uids of groups and tenants. They
    must not contain tokens or customer data. If a log record already has an attribute with the name of a field, such
    as `name` or `module`, "_" is appended to the name of the field.

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
    Write the log of frgroups as JSON lines.

    Each line contains the time in UTC, the level, the logger, the event, and the message, followed by the fields of
    the event. The message of an exception is logged only if frgroups raised it, because other messages can contain
    customer data. For other exceptions, the line contains the type and the line of code.

    Parameters
    ----------
    stream
        Text stream for the log. None means stderr.
    level
        Lowest level to log, as a name such as "INFO" or as a number of the `logging` module.
    **facts
        Fields to add to every line, for example `job="nightly"`.

    Returns
    -------
    logging.Handler
        The handler, which is added to the logger "frgroups". A second call changes the stream, the level, and the
        fields of the same handler. To stop logging, call `logging.getLogger("frgroups").removeHandler(handler)`.

    Raises
    ------
    InputError
        The level is not a logging level.

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
    """Write the log to stderr as "json" or "text" within a block, and restore the logger afterwards."""
    before = _ROOT.level
    formatters: dict[str, type[JsonFormatter | TextFormatter]] = {"json": JsonFormatter, "text": TextFormatter}
    handler = _attach_handler(None, level, formatters[form](facts))
    try:
        yield
    finally:
        _ROOT.removeHandler(handler)
        _ROOT.setLevel(before)


class JsonFormatter(logging.Formatter):
    """Logging formatter that writes each log record as a JSON line, including the given additional fields."""

    def __init__(self, facts: Mapping[str, object] | None = None) -> None:
        super().__init__()
        self._facts = dict(facts or {})

    def format(self, record: logging.LogRecord) -> str:
        """Return the JSON line for a log record, without the line break."""
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
    """Logging formatter that writes each log record as a line of text, with the given field values in brackets."""

    def __init__(self, facts: Mapping[str, object] | None = None) -> None:
        super().__init__()
        self._prefix = "".join(f"[{fact}] " for fact in (facts or {}).values())

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of text for a log record, without the line break."""
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            info = error_info(record.exc_info[1])
            text += f" {info['type']}: {info['message']}"
        logger = record.name.removeprefix("frgroups.")
        return escape_invisible(" ".join(f"{record.levelname} {self._prefix}{logger}: {text}".split()))


def error_info(error: BaseException) -> dict[str, str]:
    """
    Return the type and the message of an exception for the log.

    The message of an exception from another package can contain customer data. This message is replaced with the
    function, file, and line that raised the exception.

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
    Configure the log handler of frgroups, and add it to the logger "frgroups" if it is not attached.

    The level of the logger is lowered if necessary, but never raised.
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
    """
    Log handler of frgroups. A separate class is needed to find this handler among the handlers of an application.

    If a progress bar is shown on the same stream, the bar is removed before a line is written, and then displayed
    again.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write a log record as a separate line."""
        with bars_hidden(self.stream):
            super().emit(record)


def _to_level_number(level: int | str) -> int:
    levels = logging.getLevelNamesMapping()
    if isinstance(level, str) and level.upper() in levels:
        return levels[level.upper()]
    if isinstance(level, int) and not isinstance(level, bool):
        return level
    raise InputError(f"`level` must be DEBUG, INFO, WARNING, ERROR, or a number, got {level!r}.")
