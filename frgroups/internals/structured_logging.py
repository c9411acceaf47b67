"""Log records that people read and machines count: a sentence, the name of the event, and its facts."""

from __future__ import annotations

import json
import logging
import math
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

from frgroups.errors import FrgroupsError, InputError

_PACKAGE = Path(__file__).parents[1]
# Nothing is set up by importing; until somebody does, Python itself shows warnings, which a notebook should not hide.
_ROOT = logging.getLogger("frgroups")

# What every record has; all else on a record are facts.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_FIRST = ("time", "level", "logger", "event", "message")


def log_event(log: logging.Logger, level: int, event: str, text: str, **facts: object) -> None:
    """
    Log a sentence for people; the event and its facts are attributes of the record, for machines.

    `text` is taken as it is. The facts are ours to choose: counts, uids of groups and tenants, seconds; never a
    token, and never what the service says of a customer. A fact that a log record has a field for (`name`,
    `module`) gets a "_" behind its name.

    >>> import sys
    >>> handler = log_json(sys.stdout)
    >>> log = logging.getLogger("frgroups.load")
    >>> log_event(log, logging.INFO, "page_retried", "Trying again in 2 s.", wait_seconds=2.0)
    {"time": "...", "level": "INFO", "logger": "frgroups.load", "event": "page_retried",
     "message": "Trying again in 2 s.", "wait_seconds": 2.0}
    >>> _ROOT.removeHandler(handler)
    """
    named = {f"{name}_" if name in _OWN or name in _FIRST else name: value for name, value in facts.items()}
    log.log(level, text, extra={"event": event, **named}, stacklevel=2)


def log_json(stream: TextIO | None = None, *, level: int | str = "INFO", **facts: object) -> logging.Handler:
    """
    Write what frgroups logs as one JSON object a line, to stderr or another stream; returns the handler.

    Each line has time (UTC), level, logger, event and message, and after them the facts of the event, and `facts` of
    your own such as `job="nightly"`. An exception is told by its type and where it was raised, and by its message
    only when that is one of ours: never by values. Calling it again moves the one handler to the new stream and
    level. Only the logger "frgroups" is touched; `logging.getLogger("frgroups").removeHandler(handler)` ends it.

    Raises InputError for a level that logging does not know.

    >>> handler = log_json(level="WARNING")
    >>> handler is log_json()
    True
    >>> logging.getLogger("frgroups").removeHandler(handler)
    """
    return _attached(stream, level, JsonFormatter(facts))


def log_text(stream: TextIO | None = None, *, level: int | str = "INFO", **facts: object) -> logging.Handler:
    """
    The same as sentences, for a terminal; facts of one's own stand in brackets before them.

    >>> import sys
    >>> handler = log_text(sys.stdout)
    >>> log_event(logging.getLogger("frgroups.load"), logging.INFO, "page_retried", "Trying again in 2 s.")
    INFO load: Trying again in 2 s.
    >>> _ROOT.removeHandler(handler)
    """
    return _attached(stream, level, TextFormatter(facts))


@contextmanager
def logged_to_stderr(form: str, level: int | str, **facts: object) -> Iterator[None]:
    """Log as "json" or "text" for the length of a block, and leave the logger as it was."""
    before = _ROOT.level
    handler = _attached(None, level, JsonFormatter(facts) if form == "json" else TextFormatter(facts))
    try:
        yield
    finally:
        _ROOT.removeHandler(handler)
        _ROOT.setLevel(before)


class JsonFormatter(logging.Formatter):
    """A log record as one line of JSON, with these facts on each."""

    def __init__(self, facts: Mapping[str, object] | None = None) -> None:
        super().__init__()
        self._facts = dict(facts or {})

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": str(getattr(record, "event", "log")),
            "message": record.getMessage(),
        }
        facts = {name: value for name, value in vars(record).items() if name not in _OWN}
        line |= {name: _plain(value) for name, value in (self._facts | facts).items() if name not in line}
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = error_info(record.exc_info[1])
        return json.dumps(line, allow_nan=False)


class TextFormatter(logging.Formatter):
    """A log record as one line for people."""

    def __init__(self, facts: Mapping[str, object] | None = None) -> None:
        super().__init__()
        self._before = "".join(f"[{fact}] " for fact in (facts or {}).values())

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += f" {_line_of(record.exc_info[1])}"
        where = record.name.removeprefix("frgroups.")
        return " ".join(f"{record.levelname} {self._before}{where}: {text}".split())


def error_info(error: BaseException) -> dict[str, str]:
    """
    An error as type and message, without values that are not ours.

    The message of a stranger may hold anything, a customer's name too; of such an error the place is told.

    >>> error_info(InputError("No token."))
    {'type': 'InputError', 'message': 'No token.'}
    """
    if isinstance(error, FrgroupsError):
        text = str(error)
    elif isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    elif isinstance(error, KeyboardInterrupt):
        text = "Interrupted."
    else:
        text = f"Unexpected {type(error).__name__}{_place(error)}."
    return {"type": type(error).__name__, "message": text}


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    last = next((one for one in reversed(frames) if Path(one.filename).is_relative_to(_PACKAGE)), frames[-1])
    return f" in {last.name}, {Path(last.filename).name} line {last.lineno}"


def _line_of(error: BaseException) -> str:
    told = error_info(error)
    return f"{told['type']}: {told['message']}"


def _attached(stream: TextIO | None, level: int | str, formatter: logging.Formatter) -> logging.Handler:
    """The one handler of ours, moved to this stream; the logger lets through what it let through before, or more."""
    wanted = _number(level)
    ours = next((one for one in _ROOT.handlers if isinstance(one, _FrgroupsHandler)), None)
    handler = ours or _FrgroupsHandler()
    handler.setStream(stream or sys.stderr)
    handler.setLevel(wanted)
    handler.setFormatter(formatter)
    if ours is None:
        _ROOT.addHandler(handler)
    if not _ROOT.isEnabledFor(wanted):
        _ROOT.setLevel(wanted)
    return handler


class _FrgroupsHandler(logging.StreamHandler[TextIO]):
    """The handler that log_json and log_text share."""


def _number(level: int | str) -> int:
    known = logging.getLevelNamesMapping()
    if isinstance(level, str) and level.upper() in known:
        return known[level.upper()]
    if isinstance(level, int) and not isinstance(level, bool):
        return level
    raise InputError(f"level={level!r} is none that logging knows; use DEBUG, INFO, WARNING or ERROR.")


def _plain(value: Any) -> Any:
    """A fact as JSON has it; what JSON has no word for becomes text or null, and never an error."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # A number of numpy's.
        return _plain(value.item())
    return str(value)
