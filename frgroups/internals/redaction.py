"""redaction.py."""

from __future__ import annotations

import re

# From the start of a word only: tried from each letter of one, a long word without an address would take for ever.
_ADDRESS = re.compile(r"(?<![^\s<>;,\"'])[^\s<>;,\"']+(?:@|%40)[^\s<>;,\"']+")

_PHONE = re.compile(r"(?:\+|\b00)\d[\d ()./-]{5,}\d")

# Digits that may be a number of seven and more, as it is dialled at home: 987 65 432, 070-123 45 67.
_DIALLED = re.compile(r"(?<![\w.,:+-])\(?\d(?:[ ()./-]{0,2}\d){6,14}(?![\w:]|[.,]\d)")

_DAY = re.compile(r"\d{4}-\d\d-\d\d")

_LONGEST = 60


def safe_repr(value: object) -> str:
    """
    A value as an error may repeat it: no e-mail address or phone number, and not without end.

    >>> safe_repr("0150"), safe_repr("kari@example.org")
    ("'0150'", "'…@…'")
    """
    text = mask_explicit_contacts(value) if isinstance(value, str) else value
    told = repr(text)
    return told if len(told) <= _LONGEST else f"{told[:_LONGEST]}… ({len(told):,} characters)"


def mask_contacts(text: str) -> str:
    """
    The words of others without what looks like an e-mail address or a phone number; when in doubt it is one.

    >>> mask_contacts("no customer <kari@example.org>, +47 900 00 000 or 987 65 432, since 2026-11-03")
    'no customer <…@…>, +… or …, since 2026-11-03'
    """
    return _DIALLED.sub(lambda found: found[0] if _DAY.match(found[0]) else "…", mask_explicit_contacts(text))


def mask_explicit_contacts(text: str) -> str:
    """The same of what a caller passed, of whom digits may be a uid: only what is written as a phone number."""
    return _PHONE.sub("+…", _ADDRESS.sub("…@…", text))
