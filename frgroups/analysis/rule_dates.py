"""Dates in segment rules, which must be in ISO 8601 format."""

from __future__ import annotations

import calendar
import re
from datetime import datetime
from typing import NamedTuple

import numpy as np

from frgroups.errors import InputError
from frgroups.internals.redaction import safe_repr

_ISO_8601 = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)"
    r"(?:[T ](?P<time>\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)
# This pattern matches numbers such as 01.02.2026 and 1/2/26, in which the order of day and month is ambiguous.
_DAY_AND_MONTH = re.compile(r"\s*\d{1,2}\s*([./ -])\s*\d{1,2}\s*\1\s*\d{2,4}\b.*", re.DOTALL)
# This pattern matches any text that consists of a date, possibly followed by a time.
_LIKE_DATE = re.compile(
    r"\s*(\d{4}([./-])\d{1,2}\2\d{1,2}|\d{1,2}\s*([./-])\s*\d{1,2}\s*\3\s*\d{2,4})(\D.*)?", re.DOTALL
)

EXAMPLES = "'2026-02-01' for a day, or '2026-02-01T08:00Z' for a time"


class Span(NamedTuple):
    """A period in UTC from a start to an exclusive end. A time is represented by a period of one microsecond."""

    start: np.datetime64
    end: np.datetime64


def parse_span(text: str, label: str) -> Span:
    """
    Convert a date or a time in ISO 8601 format to a period.

    A date means the whole day in UTC. A time without a time zone is in UTC.

    Parameters
    ----------
    text
        The date or time.
    label
        The description of the compared column, for error messages.

    Examples
    --------
    >>> parse_span("2026-02-01", "column created_at")
    Span(start=np.datetime64('2026-02-01T00:00:00.000000'), end=np.datetime64('2026-02-02T00:00:00.000000'))
    """
    match = _ISO_8601.fullmatch(text)
    if match is None:
        raise InputError(f"The {label} contains dates, but {safe_repr(text)} {_problem(text)}")
    try:
        parsed = datetime.fromisoformat(text.replace(" ", "T"))
    except ValueError:
        raise InputError(f"The {label} contains dates, but {safe_repr(text)} is not a valid date or time.") from None
    offset = parsed.utcoffset()
    start = np.datetime64(parsed.replace(tzinfo=None), "us")
    if offset is not None:
        start -= np.timedelta64(offset)
    return Span(start, start + (np.timedelta64(1, "D") if match["time"] is None else np.timedelta64(1, "us")))


def _problem(text: str) -> str:
    """Return the end of the error message for a date that is not in ISO 8601 format."""
    if month := _MONTH.fullmatch(text):
        last = calendar.monthrange(max(int(month[1]), 1), int(month[2]))[1]
        return f"is not a day. Use the first and the last day: .between('{text}-01', '{text}-{last}')."
    if _DAY_AND_MONTH.fullmatch(text):
        return f"is not in ISO 8601 format, so the order of day and month is ambiguous. Use {EXAMPLES}."
    return f"is not a date in ISO 8601 format. Use {EXAMPLES}."


def looks_like_date(text: str) -> bool:
    """
    Return True if a string is a date in a common numeric format.

    Examples
    --------
    >>> looks_like_date("01.02.2026"), looks_like_date("2026-02-01T08:00Z"), looks_like_date("0150")
    (True, True, False)
    """
    return _LIKE_DATE.fullmatch(text) is not None
