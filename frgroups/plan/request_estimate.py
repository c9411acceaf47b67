"""What a plan costs to apply: how many requests, and about how long they take."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from frgroups.api.defaults import PAGE_SIZE, REQUESTS_PER_SECOND, WORKERS
from frgroups.api.pagination import count_pages
from frgroups.internals.formatting import pluralize
from frgroups.plan.group_change import GroupChange

# Assumed response time; the actual time is unknown before the first request.
SECONDS_PER_RESPONSE = 0.2
# Customers per write request, unless the write probe found a lower maximum of the server.
CHUNK = 200
# A run stops after this many customers were rejected.
MAX_REJECTED = 50


@dataclass(frozen=True, slots=True)
class RequestEstimate:
    """
    How many requests apply sends when nothing goes wrong, and about how many seconds that takes.

    `n_before` read every touched group, `n_write` change them, `n_between` see who arrived before others leave (in
    the groups that customers move to, and in those that are replaced whole), `n_after` read back. Pages of 500, 20
    requests a second, and 0.2 s until an answer is there: assumed, as is that every change shows at once.

    `n_search` comes on top, and is in neither `n_requests` nor `seconds`: the writes that find the `n_unknown`
    customers that no snapshot knows, if the service refuses a chunk for each that does not exist.
    """

    n_before: int
    n_write: int
    n_between: int
    n_after: int
    seconds: float
    n_unknown: int = 0
    n_search: int = 0

    @property
    def n_requests(self) -> int:
        """All of them."""
        return self.n_before + self.n_write + self.n_between + self.n_after

    def __str__(self) -> str:
        minutes = math.ceil(self.seconds / 60)
        time = "under a minute" if minutes <= 1 else f"about {minutes:,} minutes"
        between = f"{self.n_between:,} to see who arrived, " if self.n_between else ""
        return (
            f"{pluralize(self.n_requests, 'request')} in all, with {self.n_before:,} to read before, {between}"
            f"{self.n_after:,} to read back: {time} at {REQUESTS_PER_SECOND:g} a second, "
            f"if an answer takes {SECONDS_PER_RESPONSE:g} s.{self._search()}"
        )

    def _search(self) -> str:
        if not self.n_unknown:
            return ""
        who = "the customer that is" if self.n_unknown == 1 else f"the {self.n_unknown:,} customers that are"
        if self.n_unknown >= MAX_REJECTED:
            return f" If {who} in no group do not exist, the run stops after {MAX_REJECTED} were refused."
        return f" Up to {self.n_search:,} more to find {who} in no group, if refused."


def estimate_requests(groups: Sequence[GroupChange], *, n_write: int, arriving: Collection[str]) -> RequestEstimate:
    """
    What it costs to apply these changes in `n_write` requests; who joins the groups of `arriving` is waited for.

    >>> print(estimate_requests([GroupChange("vip", "VIP", ("a",) * 1200, add=("c",))], n_write=1, arriving=()))
    7 requests in all, with 3 to read before, 3 to read back: under a minute at 20 a second, if an answer takes 0.2 s.
    """
    before = [1 if group.create else _pages(len(group.baseline)) for group in groups]
    between = [_pages(len(group.baseline) + len(group.add)) for group in groups if group.uid in arriving]
    after = [_pages(group.n_after) for group in groups]
    reading = sum(map(_seconds_of_list, (*before, *between, *after)))
    seconds = reading + n_write * max(SECONDS_PER_RESPONSE, 1 / REQUESTS_PER_SECOND)
    unknown, search = sum(len(group.unknown) for group in groups), sum(map(_n_search, groups))
    return RequestEstimate(sum(before), n_write, sum(between), sum(after), round(seconds, 3), unknown, search)


def _n_search(group: GroupChange) -> int:
    """How many more writes it takes to halve refused chunks until each unknown customer stands alone."""
    if not group.unknown:
        return 0
    refused = [uid in group.unknown for uid in group.add]
    chunks = [refused[start : start + CHUNK] for start in range(0, len(refused), CHUNK)]
    return sum(_n_halves(chunk) for chunk in chunks)


def _n_halves(chunk: Sequence[bool]) -> int:
    if len(chunk) == 1 or not any(chunk):
        return 0
    middle = (len(chunk) + 1) // 2
    return 2 + _n_halves(chunk[:middle]) + _n_halves(chunk[middle:])


def _pages(n_members: int) -> int:
    return count_pages(PAGE_SIZE, n_members)


def _seconds_of_list(pages: int) -> float:
    """The first page tells how many there are; the others come side by side, as fast as the pace lets them start."""
    return SECONDS_PER_RESPONSE + (pages - 1) * max(SECONDS_PER_RESPONSE / WORKERS, 1 / REQUESTS_PER_SECOND)
