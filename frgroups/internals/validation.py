"""Checks of what a caller passes that many files need, and how much of it an error may repeat."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from frgroups.errors import InputError

# From the start of a word only: tried from each letter of one, a long word without an address would take for ever.
_ADDRESS = re.compile(r"(?<![^\s<>;,\"'])[^\s<>;,\"']+(?:@|%40)[^\s<>;,\"']+")
_PHONE = re.compile(r"(?:\+|\b00)\d[\d ()./-]{5,}\d")
# Digits that may be a number of seven and more, as it is dialled at home: 987 65 432, 070-123 45 67.
_DIALLED = re.compile(r"(?<![\w.,:+-])\(?\d(?:[ ()./-]{0,2}\d){6,14}(?![\w:]|[.,]\d)")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_LONGEST = 60


def several(values: Iterable[Any], name: str) -> list[Any]:
    """
    The values as a list; one text is refused, since its letters would be taken for values.

    >>> several(("a", "b"), "groups")
    ['a', 'b']
    """
    if isinstance(values, str):
        raise InputError(f"{name} takes several, not the text {shown(values)}; write [{shown(values)}].")
    if not isinstance(values, Iterable):
        raise InputError(f"{name} takes several, not a {type(values).__name__}.")
    return list(values)


def must_be(value: object, kind: type, name: str) -> None:
    """
    Refuse a value of another type, with what came.

    >>> must_be("vip", str, "group")
    """
    if not isinstance(value, kind):
        raise InputError(f"{name} must be a {kind.__name__}, not {type(value).__name__}.")


def must_be_text(value: object, name: str) -> None:
    """
    Refuse what is no text, or text that no file can hold, as a name typed in another encoding may become.

    >>> must_be_text("Black Week", "name")
    """
    must_be(value, str, name)
    try:
        str(value).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{name}={shown(value)} holds a character that is half of one ({error.object[error.start]!a}), which no "
            "file or request can hold. Type it again."
        ) from error


def must_be_share(value: object, name: str) -> None:
    """
    Refuse what is not a share above 0 and at most 1, with what came.

    >>> must_be_share(0.9, "target")
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise InputError(f"{name}={shown(value)} is not a share above 0 and at most 1; 90 % is 0.9.")


def shown(value: object) -> str:
    """
    A value as an error may repeat it: no e-mail address or phone number, and not without end.

    >>> shown("0150"), shown("kari@example.org")
    ("'0150'", "'…@…'")
    """
    text = without_contacts(value) if isinstance(value, str) else value
    told = repr(text)
    return told if len(told) <= _LONGEST else f"{told[:_LONGEST]}… ({len(told):,} characters)"


def masked(text: str) -> str:
    """
    The words of others without what looks like an e-mail address or a phone number; when in doubt it is one.

    >>> masked("no customer <kari@example.org>, +47 900 00 000 or 987 65 432, since 2026-11-03")
    'no customer <…@…>, +… or …, since 2026-11-03'
    """
    return _DIALLED.sub(lambda found: found[0] if _DAY.match(found[0]) else "…", without_contacts(text))


def without_contacts(text: str) -> str:
    """The same of what a caller passed, of whom digits may be a uid: only what is written as a phone number."""
    return _PHONE.sub("+…", _ADDRESS.sub("…@…", text))
