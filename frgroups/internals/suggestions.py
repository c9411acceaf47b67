"""Suggest similar names and correct calls in error messages."""

from __future__ import annotations

import re
from collections.abc import Iterable

from frgroups.internals.redaction import safe_repr

# An operator of a group expression.
# The spaces around the operator are required, because names such as "A-Z" can contain the same characters without
# spaces.
_OPERATOR = re.compile(r"\S\s+[-&|^]\s+\S")
REMOVE_MISSING = "Remove missing values, for example with dropna()."
EMAILS = (
    'Email addresses are only matched by resolve_customers with by="email". The snapshot must be loaded with '
    "personal=True."
)
PHONE_NUMBERS = (
    'Phone numbers are only matched by resolve_customers with by="mobile". The snapshot must be loaded with '
    "personal=True."
)
PHONE_NUMBERS_IN_CLI = "The command line does not support phone numbers as ids. Select the column with the ids."
EMAILS_IN_CLI = (
    "The command line does not support email addresses as ids. Export the list with customer uids or external ids."
)


def did_you_mean(names: Iterable[str]) -> str:
    """
    Return a question that suggests the given similar names, or "" if no names are given.

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


def expression_hints(text: object) -> tuple[str, str]:
    """
    Return the hints for Python and for the command line if a group expression was passed instead of a group.

    The hints are empty if the text contains no operator.

    Examples
    --------
    >>> expression_hints("VIP & Staff")[0]
    "To select customers by an expression, call fg.members(snapshot, 'VIP & Staff')."
    >>> expression_hints("VIP")
    ('', '')
    """
    if not isinstance(text, str) or not _OPERATOR.search(text):
        return "", ""
    start = "To select customers by an expression,"
    hint = f"{start} call fg.members(snapshot, {safe_repr(text)})."
    return hint, f"{start} run frgroups table members --members EXPRESSION."


def is_missing(value: object) -> bool:
    """
    Return True for None, NaN, and the missing values of pandas.

    Examples
    --------
    >>> is_missing(None), is_missing(float("nan")), is_missing("")
    (True, True, False)
    """
    is_nan = isinstance(value, float) and value != value
    return value is None or is_nan or type(value).__name__ in ("NAType", "NaTType")
