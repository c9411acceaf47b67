"""Small numbers of customers, which are suppressed because they could identify a customer."""

from __future__ import annotations

from typing import Any


def is_small(n: Any, min_count: int) -> Any:
    """
    Return True for counts from 1 to `min_count` - 1. A count of zero is not considered small.

    `n` can be a number, an array, or a Narwhals expression.

    Examples
    --------
    >>> [bool(is_small(n, 5)) for n in (0, 1, 4, 5)]
    [False, True, True, False]
    """
    return (n > 0) & (n < min_count)
