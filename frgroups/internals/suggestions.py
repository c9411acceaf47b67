"""Suggest similar names in error messages."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(names: Iterable[str]) -> str:
    """
    Return a question with similar names, to be appended to a sentence, or "" without names.

    Examples
    --------
    >>> did_you_mean(["VIP", "Staff"])
    " Did you mean 'VIP' or 'Staff'?"
    """
    alternatives = " or ".join(map(repr, names))
    if not alternatives:
        return ""
    return f" Did you mean {alternatives}?"
