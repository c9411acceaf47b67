"""Format numbers, lists, durations, sizes, percentages, and dates for display."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta

# This function is defined in the module `errors`, because that module escapes error messages and must not import
# other modules of frgroups.
from frgroups.errors import escape_invisible as escape_invisible

# Do not use the calendar module, because it returns month names in the locale of the machine.
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

# Messages about a file show at most this number of rows.
MAX_ROWS = 5

# Adjectives that can precede the noun in `pluralize`.
_ADJECTIVES = ("applied", "missing", "more", "new", "other", "such")
_UNITS = (("w", 7 * 86_400), ("d", 86_400), ("h", 3_600), ("min", 60))
_UNIT_NAMES = {"w": "week", "d": "day", "h": "hour", "min": "minute", "s": "second"}


def pluralize(n: int, what: str) -> str:
    """
    Format a number and a noun phrase. If needed, add a plural "s" to the first word that is not an adjective.

    Examples
    --------
    >>> pluralize(1, "group left without a member"), pluralize(1200, "removal"), pluralize(2, "new group")
    ('1 group left without a member', '1,200 removals', '2 new groups')
    """
    words = what.split(" ")
    position = next(at for at, word in enumerate(words) if word not in _ADJECTIVES)
    words[position] += agree(n, "", "s")
    return f"{n:,} {' '.join(words)}"


def agree(n: float, singular: str, plural: str) -> str:
    """
    Return the word form that agrees with a number.

    Examples
    --------
    >>> agree(1, "is", "are"), agree(2, "is", "are")
    ('is', 'are')
    """
    return singular if n == 1 else plural


def format_list(items: Sequence[str], limit: int | None = None, *, conjunction: str = "and") -> str:
    """
    Join items into an English list with a serial comma, such as "a, b, and c".

    Parameters
    ----------
    items
        Items to join.
    limit
        Number of items to show. Further items are shown as "n more". None shows all items.
    conjunction
        Word before the last item.

    Examples
    --------
    >>> format_list(["a", "b", "c"]), format_list(["a", "b", "c", "d"], 2), format_list(["a"], 2)
    ('a, b, and c', 'a, b, and 2 more', 'a')
    >>> format_list(["a", "b"], conjunction="or")
    'a or b'
    """
    parts = list(items[:limit])
    if len(items) > len(parts):
        parts.append(f"{len(items) - len(parts):,} more")
    if len(parts) < 3:
        return f" {conjunction} ".join(parts)
    return f"{', '.join(parts[:-1])}, {conjunction} {parts[-1]}"


def describe_rows(numbers: Iterable[int]) -> str:
    """
    Format row numbers for a message, and show at most the first five numbers.

    Examples
    --------
    >>> describe_rows([2]), describe_rows([2, 5, 9]), describe_rows(range(2, 10))
    ('row 2', 'rows 2, 5, and 9', 'rows 2, 3, 4, 5, 6, and 3 more')
    """
    shown = [str(number) for number in numbers]
    return f"{agree(len(shown), 'row', 'rows')} {format_list(shown, MAX_ROWS)}"


def format_percentage(share: float, decimals: int = 1, *, fixed: bool = False) -> str:
    """
    Format a share between 0 and 1 as a percentage.

    The percentage is rounded to the nearest value, but only a share of 1 is shown as 100%. A positive share is
    never shown as 0%.

    Parameters
    ----------
    share
        The share.
    decimals
        Largest number of decimals.
    fixed
        Whether to show trailing zeros, so that the percentages in a column are aligned.

    Examples
    --------
    >>> format_percentage(0.0769), format_percentage(0.99999), format_percentage(1.0), format_percentage(0.0)
    ('7.7%', '99.9%', '100%', '0%')
    >>> format_percentage(0.00001), format_percentage(0.25, fixed=True)
    ('<0.1%', '25.0%')
    """
    scale = 10**decimals
    rounded = math.floor(share * 100 * scale + 0.5 + 1e-9) / scale
    if share < 1:
        rounded = min(rounded, 100 - 1 / scale)
    if share > 0 and rounded == 0:
        return f"<{1 / scale:g}%"
    return f"{rounded:.{decimals}f}%" if fixed else f"{rounded:g}%"


def format_age(age: timedelta) -> str:
    """
    Format an age as an integer, rounded down. The unit is the largest one in which the age is at least 2.

    Examples
    --------
    >>> [format_age(timedelta(seconds=n)) for n in (5, 95, 95 * 60, 3 * 86_400 + 1)]
    ['5 s', '95 s', '95 min', '3 d']
    """
    seconds = max(int(age.total_seconds()), 0)
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds >= 2 * size), ("s", 1))
    return f"{seconds // size} {unit}"


def format_duration(duration: timedelta) -> str:
    """
    Format a duration without rounding, in the largest unit in which its value is an integer of at least 2.

    Examples
    --------
    >>> [format_duration(timedelta(seconds=n)) for n in (1, 5_400, 86_400, 604_800)]
    ['1 second', '90 minutes', '24 hours', '7 days']
    """
    seconds = duration.total_seconds()
    fitting = ((unit, size) for unit, size in _UNITS if seconds >= 2 * size and seconds % size == 0)
    unit, size = next(fitting, ("s", 1))
    count = seconds / size
    return f"{count:g} {_UNIT_NAMES[unit]}{agree(count, '', 's')}"


def format_size(size: int) -> str:
    """
    Format a number of bytes in kB, MB, or GB. Return an empty string for 0.

    Examples
    --------
    >>> format_size(0), format_size(830), format_size(12_345_678)
    ('', '1 kB', '12.3 MB')
    """
    if size == 0:
        return ""
    for unit, power in (("GB", 9), ("MB", 6)):
        if size >= 10**power:
            return f"{size / 10**power:.1f} {unit}"
    return f"{max(round(size / 1000), 1)} kB"


def format_growth(first: int, last: int) -> str:
    """
    Format the change between two numbers as a percentage of the first number. Only equal numbers are shown as 0%.

    Examples
    --------
    >>> format_growth(100, 112), format_growth(100, 95), format_growth(973, 970), format_growth(7, 7)
    ('+12%', '−5%', '−0.3%', '0%')
    """
    if first == last:
        return "0%"
    percent = 100 * (last - first) / first
    spec = "+,.0f"
    if abs(percent) < 0.95:
        spec = "+.1g"
    return f"{percent:{spec}}%".replace("-", "−")


def format_day(day: date) -> str:
    """
    Format a date with the English name of the month.

    Examples
    --------
    >>> format_day(date(2026, 11, 3))
    '3 November 2026'
    """
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def format_day_span(first: datetime, last: datetime) -> str:
    """
    Format the period between two timestamps with dates, and also with times if both are on the same day.

    Examples
    --------
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
        if since == until:
            return f"on {format_day(first)} at {since}"
        return f"on {format_day(first)} between {since} and {until}"
    start = format_day(first)
    if first.year == last.year:
        start = start.removesuffix(f" {first.year}")
        if first.month == last.month:
            start = str(first.day)
    return f"between {start} and {format_day(last)}"


def format_utc(timestamp: datetime, *, seconds: bool = False) -> str:
    """
    Convert a timestamp to UTC and format it, by default without seconds.

    Examples
    --------
    >>> format_utc(datetime.fromisoformat("2026-11-23 09:10+01:00"))
    '2026-11-23 08:10 UTC'
    """
    pattern = "%Y-%m-%d %H:%M"
    if seconds:
        pattern = "%Y-%m-%d %H:%M:%S"
    return f"{timestamp.astimezone(UTC):{pattern}} UTC"


def format_distinct_times(*timestamps: datetime) -> list[str]:
    """
    Format timestamps in UTC with the lowest precision at which different timestamps are distinguishable.

    Examples
    --------
    >>> day = datetime(2026, 11, 30, tzinfo=UTC)
    >>> format_distinct_times(day, day + timedelta(minutes=1))
    ['2026-11-30 00:00 UTC', '2026-11-30 00:01 UTC']
    >>> format_distinct_times(day, day + timedelta(microseconds=1))
    ['2026-11-30 00:00:00.000000 UTC', '2026-11-30 00:00:00.000001 UTC']
    """
    texts: list[str] = []
    for pattern in ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f"):
        texts = [f"{timestamp.astimezone(UTC):{pattern}} UTC" for timestamp in timestamps]
        if len(set(texts)) == len(set(timestamps)):
            break
    return texts


def total_hours(duration: timedelta) -> float:
    """Convert a duration to a number of hours."""
    return duration / timedelta(hours=1)


def shell_argument(*words: object) -> str:
    """
    Return one or more words for a shell command line. Words with special characters, such as spaces, are quoted.

    Examples
    --------
    >>> shell_argument("my plan.json"), shell_argument("frgroups", "show", "p.json")
    ("'my plan.json'", 'frgroups show p.json')
    """
    return shlex.join(map(str, words))


def escape_lines(lines: Iterable[object]) -> str:
    r"""
    Escape the invisible characters in each line, and join the lines.

    Use this function for text that contains values from a server, such as a summary or a notebook card. The escapes
    prevent a value from adding a line to the text or changing the text direction.

    Examples
    --------
    >>> escape_lines(["Group A\nB", "2 members"])
    'Group A\\u000aB\n2 members'
    """
    return "\n".join(map(escape_invisible, lines))
