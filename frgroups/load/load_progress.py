"""How far a load is, as its progress bar tells it: memberships of all groups, requests, customers a second, waits."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Mapping

from frgroups.api.client import Client
from frgroups.internals.progress import Progress


class LoadProgress:
    """
    The memberships read so far, group by group, and how many there are in all as soon as every total is known.

    A group counts up to its total, however often its pages are read again, so that the bar never goes back. The
    threads that read only count; the bar is moved by the thread that calls `tell`.
    """

    def __init__(self, bar: Progress, groups: Iterable[str], *, requests_before: int = 0) -> None:
        self._bar = bar
        self._requests_before = requests_before
        self._read = dict.fromkeys(groups, 0)
        self._done = dict.fromkeys(groups, 0)
        self._totals: dict[str, int] = {}
        self._n_done = self._n_total = 0  # The sums of the two.
        self._told: tuple[int, int | None] = (0, None)
        self._turn = threading.Lock()
        self._started = time.monotonic()

    def more(self, uid: str, n: int, total: int) -> None:
        """So many more rows of a group were read, of a total."""
        with self._turn:
            self._read[uid] += n
            self._expect(uid, total)
            self._advance(uid, min(self._read[uid], total))

    def whole(self, uid: str, n: int) -> None:
        """The group is read, and has so many."""
        with self._turn:
            self._advance(uid, n)
            self._expect(uid, n)

    def expect(self, totals: Mapping[str, int]) -> None:
        """So many rows these groups have, or will probably turn out to have."""
        with self._turn:
            for uid, total in totals.items():
                self._expect(uid, total)

    def tell(self, client: Client, n_customers: int) -> None:
        """Move the bar to where the reading is."""
        with self._turn:
            done = self._n_done
            total = self._n_total if len(self._totals) == len(self._done) else None
        before, self._told = self._told, (done, total)
        if total is not None and total != before[1]:
            self._bar.expect(total)
        if done > before[0]:
            self._bar.advance(done - before[0])
        self._bar.note(self._beside(client, n_customers))

    def _expect(self, uid: str, total: int) -> None:
        total = max(total, self._done[uid])
        self._n_total += total - self._totals.get(uid, 0)
        self._totals[uid] = total

    def _advance(self, uid: str, done: int) -> None:
        done = max(done, self._done[uid])
        self._n_done += done - self._done[uid]
        self._done[uid] = done

    def _beside(self, client: Client, n_customers: int) -> str:
        seconds = max(time.monotonic() - self._started, 0.001)
        requests = client.n_requests - self._requests_before
        note = f"{requests:,} requests, {n_customers / seconds:,.0f} customers/s"
        pause = math.ceil(client.paused_for)
        return f"{note}, waiting {pause} s as the service asked (429)" if pause else note
