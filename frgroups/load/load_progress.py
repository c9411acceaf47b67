"""Progress of a load: memberships of all groups, requests, customers per second, and waits."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Mapping

from frgroups.api.client import Client
from frgroups.internals.progress import Progress


class LoadProgress:
    """
    Count the memberships that were read, and their total as soon as the totals of all groups are known.

    A group counts at most up to its total, even if its pages are read again, so that the bar never moves back. The
    reading threads only count; the thread that calls `update_bar` moves the bar.
    """

    def __init__(self, bar: Progress, groups: Iterable[str], *, requests_before: int = 0) -> None:
        self._bar = bar
        self._requests_before = requests_before
        self._read = dict.fromkeys(groups, 0)
        self._done = dict.fromkeys(groups, 0)
        self._totals: dict[str, int] = {}
        self._n_done = self._n_total = 0  # The sums of `_done` and `_totals`.
        self._last_update: tuple[int, int | None] = (0, None)
        self._lock = threading.Lock()
        self._started = time.monotonic()

    def add_rows(self, uid: str, n: int, total: int) -> None:
        """Add n rows of a group that has `total` rows."""
        with self._lock:
            self._read[uid] += n
            self._expect(uid, total)
            self._advance(uid, min(self._read[uid], total))

    def finish_group(self, uid: str, n: int) -> None:
        """Set the final number of rows of a group."""
        with self._lock:
            self._advance(uid, n)
            self._expect(uid, n)

    def expect(self, totals: Mapping[str, int]) -> None:
        """Set the expected number of rows of groups."""
        with self._lock:
            for uid, total in totals.items():
                self._expect(uid, total)

    def update_bar(self, client: Client, n_customers: int) -> None:
        """Move the bar to the current counts."""
        with self._lock:
            done = self._n_done
            total = None
            if len(self._totals) == len(self._done):
                total = self._n_total
        done_before, total_before = self._last_update
        self._last_update = (done, total)
        if total is not None and total != total_before:
            self._bar.expect(total)
        if done > done_before:
            self._bar.advance(done - done_before)
        self._bar.note(self._format_note(client, n_customers))

    def _expect(self, uid: str, total: int) -> None:
        total = max(total, self._done[uid])
        self._n_total += total - self._totals.get(uid, 0)
        self._totals[uid] = total

    def _advance(self, uid: str, done: int) -> None:
        done = max(done, self._done[uid])
        self._n_done += done - self._done[uid]
        self._done[uid] = done

    def _format_note(self, client: Client, n_customers: int) -> str:
        seconds = max(time.monotonic() - self._started, 0.001)
        requests = client.n_requests - self._requests_before
        note = f"{requests:,} requests, {n_customers / seconds:,.0f} customers/s"
        pause = math.ceil(client.paused_for)
        if pause:
            note += f", waiting {pause} s as the service asked (429)"
        return note
