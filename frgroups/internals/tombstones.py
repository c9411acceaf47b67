"""What stands for a customer who was forgotten: a word that tells nothing, and that no service takes for a uid."""

from __future__ import annotations

import re
from collections.abc import Iterable

# In the place of a digest that was made from a forgotten customer: with the rest at hand, it would tell who.
TOMBSTONE_PREFIX = "forgotten"

# The parentheses are not in the API's alphabet: neither a plan nor the client lets a tombstone through.
_TOMBSTONE = re.compile(r"\(forgotten-([1-9]\d*)\)")


def is_tombstone(uid: str) -> bool:
    """
    Whether this stands for a forgotten customer.

    >>> is_tombstone("(forgotten-1)"), is_tombstone("forgotten-1")
    (True, False)
    """
    return _TOMBSTONE.fullmatch(uid) is not None


def next_tombstone(text: str) -> str:
    """
    The first tombstone with a number above those that a text holds.

    >>> next_tombstone("c-1 and (forgotten-1)")
    '(forgotten-2)'
    """
    return f"(forgotten-{1 + max(map(int, _TOMBSTONE.findall(text)), default=0)})"


def count_tombstones(uids: Iterable[str]) -> int:
    """
    How many different forgotten customers are among these.

    >>> count_tombstones(["c-1", "(forgotten-1)", "(forgotten-1)", "(forgotten-2)"])
    2
    """
    return len({uid for uid in uids if is_tombstone(uid)})


def format_tombstones(words: Iterable[str]) -> re.Pattern[str]:
    """
    Finds these words where they stand whole: `c-1` not in `c-10`, nor in `abc-1`; e-mail addresses in any case.

    >>> format_tombstones(["c-1"]).sub("…", "c-1, c-10 and abc-1: no customer c-1.")
    '…, c-10 and abc-1: no customer ….'
    """
    longest_first = sorted(words, key=len, reverse=True)
    either = "|".join(f"(?i:{re.escape(one)})" if "@" in one else re.escape(one) for one in longest_first)
    return re.compile(rf"(?<![\w-])(?:{either})(?![\w-])")
