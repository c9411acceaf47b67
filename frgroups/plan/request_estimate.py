"""Estimate the number of requests and the time that are required to apply a plan."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from frgroups.api.defaults import PAGE_SIZE, REQUESTS_PER_SECOND, WORKERS
from frgroups.api.pagination import count_pages
from frgroups.internals.formatting import pluralize
from frgroups.plan.group_change import GroupChange

# Assumed response time. The actual time is unknown before the first request.
SECONDS_PER_RESPONSE = 0.2
# Default maximum number of customers in a write request. An apply run uses fewer if the server accepts only fewer.
CHUNK = 200
# An apply run stops when the server has rejected this number of customers.
MAX_REJECTED = 50


@dataclass(frozen=True, slots=True)
class RequestEstimate:
    """
    Estimated number of requests and estimated duration of an apply run without errors.

    The estimate assumes the client's defaults (500 customers per page, 4 workers, 20 requests per second), a response
    time of 0.2 s, and changes that are visible immediately.

    Attributes
    ----------
    n_before
        Number of requests before the first write. These requests read the members of the changed groups and the list
        of groups. One request is assumed for the list of groups.
    n_write
        Number of write requests.
    n_between
        Number of read requests between additions and removals. These requests read the groups to which customers
        move, and the groups with both additions and removals.
    n_after
        Number of read requests after the last write.
    seconds
        Duration in seconds.
    n_unknown
        Number of customers to add who are not in the snapshot.
    n_search
        Number of additional writes if the server rejects every request that contains a customer counted in
        `n_unknown`. These writes send parts of the rejected requests to find the rejected customers. `n_requests` and
        `seconds` do not include these writes.
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
        """Total number of requests, without the additional write requests in `n_search`."""
        return self.n_before + self.n_write + self.n_between + self.n_after

    def __str__(self) -> str:
        minutes = math.ceil(self.seconds / 60)
        duration = "less than a minute"
        if minutes > 1:
            duration = f"about {minutes:,} minutes"
        requests = f"{pluralize(self.n_requests, 'request')} ({pluralize(self.n_write, 'write')})"
        text = f"Applying the plan requires {requests} and takes {duration}."
        return text + self._search_text()

    def _search_text(self) -> str:
        if not self.n_unknown:
            return ""
        if self.n_unknown >= MAX_REJECTED:
            return f" The run stops if the server rejects {MAX_REJECTED} customers who are not in the data used."
        if not self.n_search:
            return ""
        return f" If the server rejects unknown customers, up to {self.n_search:,} additional requests are sent."


def estimate_requests(groups: Sequence[GroupChange], *, n_write: int, arriving: Collection[str]) -> RequestEstimate:
    """
    Estimate the number of requests and the time that are required to apply a plan.

    Parameters
    ----------
    groups
        The planned change of each group.
    n_write
        Number of write requests.
    arriving
        Uids of the groups that are read between the additions and the removals.

    Examples
    --------
    >>> print(estimate_requests([GroupChange("vip", "VIP", ("a",) * 1200, add=("c",))], n_write=1, arriving=()))
    Applying the plan requires 10 requests (1 write) and takes less than a minute.
    """
    # Before the first write, one request reads the list of groups.
    # For each group to create, one more request verifies that the group does not exist yet.
    before = [1 for _ in groups[:1]]
    reads = _ReadCounter()
    before += [1 if group.create else reads.count(len(group.baseline)) for group in groups]
    between = [reads.count(len(group.baseline) + len(group.add)) for group in groups if group.uid in arriving]
    after = [reads.count(group.n_after) for group in groups]
    seconds = sum(map(_seconds_of_list, (*before, *between, *after)))
    seconds += n_write * max(SECONDS_PER_RESPONSE, 1 / REQUESTS_PER_SECOND)
    return RequestEstimate(
        sum(before),
        n_write,
        sum(between),
        sum(after),
        round(seconds, 3),
        n_unknown=sum(len(group.unknown) for group in groups),
        n_search=sum(map(_n_search_writes, groups)),
    )


def _n_search_writes(group: GroupChange) -> int:
    """
    Return the number of additional write requests that find the customers that the server rejects as unknown.

    A rejected request is split into halves until each unknown customer is in a separate request.
    """
    if not group.unknown:
        return 0
    is_unknown = [uid in group.unknown for uid in group.add]
    chunks = [is_unknown[start : start + CHUNK] for start in range(0, len(is_unknown), CHUNK)]
    return sum(_n_halving_writes(chunk) for chunk in chunks)


def _n_halving_writes(is_unknown: Sequence[bool]) -> int:
    if len(is_unknown) == 1 or not any(is_unknown):
        return 0
    middle = (len(is_unknown) + 1) // 2
    return 2 + _n_halving_writes(is_unknown[:middle]) + _n_halving_writes(is_unknown[middle:])


class _ReadCounter:
    """Count the requests for reading groups in sequence."""

    def __init__(self) -> None:
        self._longest = 0

    def count(self, n_members: int) -> int:
        """
        Return the number of requests that read the member list of a group.

        If a list has several pages and no longer list was read before, an additional request reads the list in
        reverse sort order.
        """
        n_pages = count_pages(PAGE_SIZE, n_members)
        is_longest = n_members >= self._longest
        self._longest = max(self._longest, n_members)
        return n_pages + (is_longest and n_pages > 1)


def _seconds_of_list(n_pages: int) -> float:
    """
    Return the estimated time, in seconds, for reading a list of members.

    The first page of a list is read alone, and the other pages are read in parallel.
    """
    return SECONDS_PER_RESPONSE + (n_pages - 1) * max(SECONDS_PER_RESPONSE / WORKERS, 1 / REQUESTS_PER_SECOND)
