"""Numbers, durations, ages, sizes, shares and spans of days as people say them."""

from __future__ import annotations

import math
import unicodedata
from datetime import UTC, date, datetime, timedelta

from frgroups.internals.timestamps import parse_duration

# Not from the calendar module, whose months are in the language of the machine.
_MONTHS = "January February March April May June July August September October November December".split()  # noqa: SIM905

_UNITS = (("w", 7 * 86_400), ("d", 86_400), ("h", 3_600), ("min", 60))


def pluralize(n: int, what: str) -> str:
    """
    A number and its noun.

    >>> pluralize(1, "group left without a member"), pluralize(1200, "removal")
    ('1 group left without a member', '1,200 removals')
    """
    noun, space, rest = what.partition(" ")
    return f"{n:,} {noun}{'' if n == 1 else 's'}{space}{rest}"


def agree(n: int, singular: str, plural: str) -> str:
    """
    Return the word form that agrees with a number.

    >>> agree(1, "is", "are"), agree(2, "is", "are")
    ('is', 'are')
    """
    return singular if n == 1 else plural


def format_percentage(share: float, decimals: int = 1) -> str:
    """
    Format a share as a percentage.

    The result is rounded down, so that only the whole is 100%, and a share above 0 is never shown as 0%.

    >>> format_percentage(0.25), format_percentage(0.99999), format_percentage(1.0), format_percentage(0.0)
    ('25%', '99.9%', '100%', '0%')
    >>> format_percentage(0.00001)
    '<0.1%'
    """
    scale = 10**decimals
    floored = math.floor(share * 100 * scale + 1e-9) / scale
    if share > 0 and floored == 0:
        return f"<{1 / scale:g}%"
    return f"{floored:g}%"


def format_age(age: timedelta) -> str:
    """
    An age in its largest unit that counts to two or more, rounded down.

    >>> [format_age(timedelta(seconds=n)) for n in (5, 95, 95 * 60, 3 * 86_400 + 1)]
    ['5 s', '95 s', '95 min', '3 d']
    """
    seconds = max(int(age.total_seconds()), 0)
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds >= 2 * size), ("s", 1))
    return f"{seconds // size} {unit}"


def format_duration(duration: timedelta) -> str:
    """
    A duration as it is, in the largest unit in which it is a whole number of two or more.

    >>> [format_duration(timedelta(**one)) for one in ({"seconds": 1}, {"minutes": 90}, {"days": 1}, {"days": 2})]
    ['1 s', '90 min', '24 h', '2 d']
    """
    seconds = duration.total_seconds()
    fitting = ((unit, size) for unit, size in _UNITS if seconds >= 2 * size and seconds % size == 0)
    unit, size = next(fitting, ("s", 1))
    return f"{seconds / size:g} {unit}"


def format_size(size: int) -> str:
    """
    Bytes as people say them.

    >>> format_size(0), format_size(830), format_size(12_345_678)
    ('', '1 kB', '12.3 MB')
    """
    if size == 0:
        return ""
    for unit, power in (("GB", 9), ("MB", 6)):
        if size >= 10**power:
            return f"{size / 10**power:.1f} {unit}"
    return f"{max(round(size / 1000), 1)} kB"


def format_share(n: int, of: int) -> str:
    """
    A share in per cent; only all is 100%.

    >>> format_share(1997, 2000), format_share(1999, 2000), format_share(2000, 2000), format_share(1, 4)
    ('99.8%', '99.9%', '100%', '25%')
    """
    return f"{1000 * n // of / 10:g}%"


def format_growth(first: int, last: int) -> str:
    """
    How much something grew or shrank, in per cent of what it was; only no change at all is 0%.

    >>> format_growth(100, 112), format_growth(100, 95), format_growth(973, 970), format_growth(7, 7)
    ('+12%', '−5%', '−0.3%', '0%')
    """
    if first == last:
        return "0%"
    percent = 100 * (last - first) / first
    told = f"{percent:+,.0f}" if abs(percent) >= 0.95 else f"{percent:+.1g}"
    return f"{told.replace('-', '−')}%"


def format_day(day: date) -> str:
    """
    A day without figures for its month.

    >>> format_day(date(2026, 11, 3))
    '3 November 2026'
    """
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def format_day_span(first: datetime, last: datetime) -> str:
    """
    The days that something happened between, or the times where it was one day.

    >>> format_day_span(datetime(2026, 11, 3), datetime(2026, 11, 10))
    'between 3 and 10 November 2026'
    >>> format_day_span(datetime(2025, 12, 28), datetime(2026, 1, 3))
    'between 28 December 2025 and 3 January 2026'
    >>> format_day_span(datetime(2026, 11, 3, 8, 10), datetime(2026, 11, 3, 12))
    'on 3 November 2026 between 08:10 and 12:00'
    >>> format_day_span(datetime(2026, 11, 3, 8, 10), datetime(2026, 11, 3, 8, 10, 30))
    'on 3 November 2026 at 08:10'
    """
    if first.date() == last.date():
        since, until = f"{first:%H:%M}", f"{last:%H:%M}"
        return f"on {format_day(first)} {f'at {since}' if since == until else f'between {since} and {until}'}"
    start = format_day(first)
    if first.year == last.year:
        start = str(first.day) if first.month == last.month else start.removesuffix(f" {first.year}")
    return f"between {start} and {format_day(last)}"


def format_utc(moment: datetime) -> str:
    """A moment as text: 2026-11-23 08:10 UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def format_age_between(value: str) -> str:
    """
    A duration in words.

    >>> format_age_between("7d"), format_age_between("24h"), format_age_between("90min")
    ('7 days', '24 hours', '1.5 hours')
    """
    n = total_hours(parse_duration(value))
    if n >= 48 and n % 24 == 0:
        return f"{n / 24:,.0f} days"
    return "1 hour" if n == 1 else f"{round(n, 2):,g} hours"


def total_hours(duration: timedelta) -> float:
    """A duration in hours."""
    return duration / timedelta(hours=1)


def escape_invisible(text: object) -> str:
    r"""
    Text with the characters that hide or reverse others written out, so that what is read is what is there.

    >>> escape_invisible("VIP\u202epiv")
    'VIP\\u202epiv'
    """
    shown = str(text)
    if shown.isprintable():
        return shown
    return "".join(f"\\u{ord(one):04x}" if _hides(one) else one for one in shown)


def _hides(character: str) -> bool:
    # Joiners are part of emoji and of some scripts.
    return unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp") and character not in "\u200c\u200d"
