"""Verdicts that describe how reliably a group or a snapshot was read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

Verdict = Literal["consistent", "unverifiable", "drifted"]

# Ordered from best to worst.
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


def worst_verdict(verdicts: Iterable[str]) -> Verdict:
    """
    Return the worst of the given verdicts, or "consistent" if there are none.

    Examples
    --------
    >>> worst_verdict(["unverifiable", "consistent"]), worst_verdict(["drifted", "unverifiable"])
    ('unverifiable', 'drifted')
    """
    return VERDICTS[max(map(VERDICTS.index, set(verdicts)), default=0)]
