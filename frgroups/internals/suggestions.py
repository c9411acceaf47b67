"""Suggest similar names in error messages."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(names: Iterable[str]) -> str:
    """
    Return a question that suggests similar names, or "" if there are none.

    The question starts with a space, so that it can be appended to a sentence.

    Examples
    --------
    >>> did_you_mean(["VIP", "Staff"])
    " Did you mean 'VIP' or 'Staff'?"
    """
    alternatives = " or ".join(map(repr, names))
    if not alternatives:
        return ""
    return f" Did you mean {alternatives}?"
