"""Placeholder uids (tombstones) that replace the uids of erased customers."""

from __future__ import annotations

import re
from collections.abc import Iterable

# This string replaces each digest that was computed from an erased customer's uid and other known values.
# Without the replacement, a reader could identify the erased customer by computing the digest again.
TOMBSTONE_PREFIX = "erased"

# API uids cannot contain parentheses, so plans and the client reject these placeholder uids.
_TOMBSTONE = re.compile(r"\(erased-([1-9]\d*)\)")


def is_tombstone(uid: str) -> bool:
    """
    Return True if a uid is the placeholder (tombstone) of an erased customer.

    Examples
    --------
    >>> is_tombstone("(erased-1)"), is_tombstone("erased-1")
    (True, False)
    """
    return _TOMBSTONE.fullmatch(uid) is not None


def next_tombstone(text: str) -> str:
    """
    Return the next unused placeholder uid. Its number is the highest placeholder number in `text` plus 1.

    Examples
    --------
    >>> next_tombstone("c-1 and (erased-1)")
    '(erased-2)'
    """
    return f"(erased-{1 + max(map(int, _TOMBSTONE.findall(text)), default=0)})"


def count_tombstones(uids: Iterable[str]) -> int:
    """
    Return the number of different placeholders for erased customers in a list of uids.

    Examples
    --------
    >>> count_tombstones(["c-1", "(erased-1)", "(erased-1)", "(erased-2)"])
    2
    """
    return len({uid for uid in uids if is_tombstone(uid)})
