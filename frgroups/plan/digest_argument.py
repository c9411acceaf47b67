"""
Arguments that name a plan by the first characters of its digest.

To select a plan file, 8 characters are sufficient, because an error is raised if they match several plans. To approve
a plan by its digest, 12 characters are required. They are compared with only one plan, so an accidental match with
another plan's digest would not be detected. All messages and pages contain at least the first 12 characters.
"""

from __future__ import annotations

import re

MIN_FILE_PREFIX = 8
MIN_APPROVAL_PREFIX = 12
_DIGEST = re.compile(r"[0-9a-fA-F]{1,64}")


def is_digest(text: str) -> bool:
    """
    Return True if a string is a digest or the first characters of a digest.

    Examples
    --------
    >>> is_digest("3CB4"), is_digest("plan.json")
    (True, False)
    """
    return _DIGEST.fullmatch(text) is not None


def short_digest_message(text: str, n_min: int) -> str:
    """Return the error message for a digest with fewer characters than required."""
    return f"The digest {text!r} is too short. Pass at least the first {n_min} of its 64 hex digits."
