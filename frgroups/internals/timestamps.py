"""Parse timestamps and durations such as "90s", "30min", "6h", "7d", and "2w"."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.redaction import safe_repr

# Maximum accepted difference between the clocks of two machines.
CLOCK_TOLERANCE = timedelta(minutes=10)
_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(rf"\s*(\d+(?:\.\d+)?)\s*({'|'.join(_UNITS)})\s*", re.IGNORECASE)
_UTC = re.compile(r"\s*(UTC|Z)$", re.IGNORECASE)
_MAX_DURATION = timedelta(days=365_000)


def parse_duration(value: timedelta | str) -> timedelta:
    """
    Convert a duration such as "36h" to a timedelta.

    Examples
    --------
    >>> parse_duration("36h")
    datetime.timedelta(days=1, seconds=43200)
    """
    if isinstance(value, timedelta):
        duration = value
    elif isinstance(value, str) and (match := _DURATION.fullmatch(value)):
        try:
            duration = timedelta(**{_UNITS[match[2].lower()]: float(match[1])})
        except OverflowError:
            duration = timedelta.max
    else:
        raise InputError(
            f"{value!r} is not a valid duration. Use a number and a unit, for example '30min', '6h', or '7d'."
        )
    if duration < timedelta(0):
        raise InputError(f"{value!r} is not a valid duration. A duration must not be negative.")
    if duration > _MAX_DURATION:
        raise InputError(f"{str(value)[:30]!r} is not a valid duration. A duration must be at most 1,000 years.")
    return duration


def parse_timestamp(value: date | str) -> datetime:
    """
    Convert a timestamp or a date to a datetime in UTC.

    A timestamp without a time zone is interpreted as UTC, and a date means the start of that day. A string must be in
    ISO 8601 and can end with "UTC". Other formats are not accepted, because countries interpret 05.11.2026 in
    different ways.

    Examples
    --------
    >>> parse_timestamp("2026-11-23 08:10").isoformat()
    '2026-11-23T08:10:00+00:00'
    >>> parse_timestamp("23.11.2026")
    Traceback (most recent call last):
    frgroups.errors.InputError: '23.11.2026' is not a valid timestamp. Use ISO 8601, for example 2026-11-23 or ...
    """
    try:
        timestamp = _to_datetime(value)
        return timestamp.replace(tzinfo=UTC) if timestamp.tzinfo is None else timestamp.astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{safe_repr(value)} is not a valid timestamp. Use ISO 8601, for example 2026-11-23 or 2026-11-23T08:10Z."
        ) from error


def is_date(value: object) -> bool:
    """
    Return True for a date without a time, as a date or as a string that `parse_timestamp` accepts.

    Examples
    --------
    >>> is_date("2026-11-23"), is_date("2026-11-23 UTC"), is_date("2026-11-23T00:00Z")
    (True, True, False)
    """
    if not isinstance(value, str):
        return isinstance(value, date) and not isinstance(value, datetime)
    try:
        date.fromisoformat(_UTC.sub("", value.strip()))
    except ValueError:
        return False
    return True


def _to_datetime(value: date | str) -> datetime:
    if isinstance(value, str):
        text = value.strip()
        without_zone = _UTC.sub("", text)
        timestamp = datetime.fromisoformat(without_zone)
        if timestamp.tzinfo is not None and text != without_zone:
            raise ValueError("The timestamp has two time zones.")
        return timestamp
    if not isinstance(value, (date, np.datetime64)) or pd.isna(value):
        raise TypeError("The value must be a string, a date, or a timestamp.")
    converted: datetime = pd.Timestamp(value).to_pydatetime(warn=False)
    return converted


def parse_stored_timestamp(text: str) -> datetime:
    """
    Convert a timestamp that was read from a plan, a receipt, or a journal to a datetime.

    Raise ValueError if the timestamp has no time zone, or if its year is not between 2000 and 2999. Other years could
    cause an overflow when a duration is added.

    Examples
    --------
    >>> parse_stored_timestamp("2026-11-23T08:10:00+00:00").year
    2026
    """
    timestamp = datetime.fromisoformat(text)
    if timestamp.tzinfo is None or not 2000 <= timestamp.year < 3000:
        raise ValueError(f"{text!r} is not a timestamp from the years 2000 to 2999 with a time zone.")
    return timestamp
