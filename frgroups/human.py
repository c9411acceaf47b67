"""Ages, sizes and shares as people say them."""

from __future__ import annotations

from datetime import timedelta


def age_in_words(age: timedelta) -> str:
    """
    An age in its largest unit that counts to two or more.

    >>> age_in_words(timedelta(minutes=95)), age_in_words(timedelta(days=3)), age_in_words(timedelta(seconds=5))
    ('95 min', '3 d', '1 min')
    """
    minutes = max(int(age.total_seconds() // 60), 1)
    for unit, size in (("w", 7 * 24 * 60), ("d", 24 * 60), ("h", 60)):
        if minutes >= 2 * size:
            return f"{minutes // size} {unit}"
    return f"{minutes} min"


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


def share_in_words(n: int, of: int) -> str:
    """
    A share in per cent; only all is 100%.

    >>> share_in_words(1997, 2000), share_in_words(1999, 2000), share_in_words(2000, 2000), share_in_words(1, 4)
    ('99.8%', '99.9%', '100%', '25%')
    """
    return f"{1000 * n // of / 10:g}%"
