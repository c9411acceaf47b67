"""Placeholder uids of erased customers. They contain no personal data and are not valid API uids."""

from __future__ import annotations

import re
from collections.abc import Iterable

# It replaces digests that were computed from the uid of an erased customer, because such a digest identifies
# the customer if the other values are known.
TOMBSTONE_PREFIX = "erased"

# API uids contain no parentheses, so that plans and the client reject tombstones.
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
    Return the tombstone that follows the highest one in a text.

    Examples
    --------
    >>> next_tombstone("c-1 and (erased-1)")
    '(erased-2)'
    """
    return f"(erased-{1 + max(map(int, _TOMBSTONE.findall(text)), default=0)})"


def count_tombstones(uids: Iterable[str]) -> int:
    """
    Count the distinct tombstones among uids.

    Examples
    --------
    >>> count_tombstones(["c-1", "(erased-1)", "(erased-1)", "(erased-2)"])
    2
    """
    return len({uid for uid in uids if is_tombstone(uid)})
