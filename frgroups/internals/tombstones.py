"""Placeholder uids (tombstones) that replace the uids of erased customers."""

from __future__ import annotations

import re
from collections.abc import Iterable

# This prefix replaces digests that were computed from the uid of an erased customer and other known values.
# Such a digest would identify the customer.
TOMBSTONE_PREFIX = "erased"

# API uids cannot contain parentheses. Therefore, plans and the client reject tombstones.
_TOMBSTONE = re.compile(r"\(erased-([1-9]\d*)\)")


def is_tombstone(uid: str) -> bool:
    """
    Return True if a uid is the tombstone of an erased customer.

    Examples
    --------
    >>> is_tombstone("(erased-1)"), is_tombstone("erased-1")
    (True, False)
    """
    return _TOMBSTONE.fullmatch(uid) is not None


def next_tombstone(text: str) -> str:
    """
    Return the next unused tombstone, which follows the highest tombstone in a text.

    Examples
    --------
    >>> next_tombstone("c-1 and (erased-1)")
    '(erased-2)'
    """
    return f"(erased-{1 + max(map(int, _TOMBSTONE.findall(text)), default=0)})"


def count_tombstones(uids: Iterable[str]) -> int:
    """
    Return the number of different tombstones among uids.

    Examples
    --------
    >>> count_tombstones(["c-1", "(erased-1)", "(erased-1)", "(erased-2)"])
    2
    """
    return len({uid for uid in uids if is_tombstone(uid)})
