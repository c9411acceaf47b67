"""Numbers, durations, ages and sizes as people say them."""

from __future__ import annotations

from datetime import timedelta

_UNITS = (("w", 7 * 86_400), ("d", 86_400), ("h", 3_600), ("min", 60))


def counted(n: int, what: str) -> str:
    """
    A number and its noun.

    >>> counted(1, "group left without a member"), counted(1200, "removal")
    ('1 group left without a member', '1,200 removals')
    """
    noun, space, rest = what.partition(" ")
    return f"{n:,} {noun}{'' if n == 1 else 's'}{space}{rest}"


def age_in_words(age: timedelta) -> str:
    """
    An age in its largest unit that counts to two or more, rounded down.

    >>> [age_in_words(timedelta(seconds=n)) for n in (5, 95, 95 * 60, 3 * 86_400 + 1)]
    ['5 s', '95 s', '95 min', '3 d']
    """
    seconds = max(int(age.total_seconds()), 0)
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds >= 2 * size), ("s", 1))
    return f"{seconds // size} {unit}"


def duration_in_words(duration: timedelta) -> str:
    """
    A duration as it is, in the largest unit in which it is a whole number of two or more.

    >>> [duration_in_words(timedelta(**one)) for one in ({"seconds": 1}, {"minutes": 90}, {"days": 1}, {"days": 2})]
    ['1 s', '90 min', '24 h', '2 d']
    """
    seconds = duration.total_seconds()
    fitting = ((unit, size) for unit, size in _UNITS if seconds >= 2 * size and seconds % size == 0)
    unit, size = next(fitting, ("s", 1))
    return f"{seconds / size:g} {unit}"


def size_in_words(size: int) -> str:
    """
    Bytes as people say them.

    >>> size_in_words(0), size_in_words(830), size_in_words(12_345_678)
    ('', '1 kB', '12.3 MB')
    """
    if size == 0:
        return ""
    for unit, power in (("GB", 9), ("MB", 6)):
        if size >= 10**power:
            return f"{size / 10**power:.1f} {unit}"
    return f"{max(round(size / 1000), 1)} kB"
