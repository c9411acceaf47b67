"""Track the progress of a load: memberships, requests, and pauses."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping

from frgroups.api.client import Client
from frgroups.internals.formatting import pluralize
from frgroups.internals.progress import Progress


class LoadProgress:
    """
    Counter of the memberships that a load has read.

    The overall total is available as soon as the totals of all groups are known. The rows of a group are counted only
    up to the group's total, so that the progress bar does not move backward if pages are read again. Worker threads
    update the counts but not the progress bar. The progress bar is updated only by calls of `update_bar`.
    """

    def __init__(self, bar: Progress, groups: Iterable[str], *, requests_before: int = 0) -> None:
        self._bar = bar
        self._requests_before = requests_before
        self._read = dict.fromkeys(groups, 0)
        self._done = dict.fromkeys(groups, 0)
        self._totals: dict[str, int] = {}
        self._n_done = self._n_total = 0  # Sums of the values in `_done` and `_totals`.
        self._last_update: tuple[int, int | None] = (0, None)
        self._lock = threading.Lock()

    def add_groups(self, groups: Iterable[str]) -> None:
        """Add groups that were not known at the start of the load."""
        with self._lock:
            self._read |= dict.fromkeys(groups, 0)
            self._done |= dict.fromkeys(groups, 0)

    def add_rows(self, uid: str, n: int, total: int) -> None:
        """Add `n` rows that were read from a group with `total` rows."""
        with self._lock:
            self._read[uid] += n
            self._expect(uid, total)
            self._advance(uid, min(self._read[uid], total))

    def finish_group(self, uid: str, n: int) -> None:
        """Set the final number of rows that were read from a group."""
        with self._lock:
            self._advance(uid, n)
            self._expect(uid, n)

    def expect(self, totals: Mapping[str, int]) -> None:
        """Set the expected number of rows of each group."""
        with self._lock:
            for uid, total in totals.items():
                self._expect(uid, total)

    def update_bar(self, client: Client) -> None:
        """Update the progress bar with the current counts."""
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
        self._bar.note(self._format_note(client))

    def _expect(self, uid: str, total: int) -> None:
        total = max(total, self._done[uid])
        self._n_total += total - self._totals.get(uid, 0)
        self._totals[uid] = total

    def _advance(self, uid: str, done: int) -> None:
        done = max(done, self._done[uid])
        self._n_done += done - self._done[uid]
        self._done[uid] = done

    def _format_note(self, client: Client) -> str:
        note = pluralize(client.n_requests - self._requests_before, "request")
        pause = math.ceil(client.paused_for)
        if pause:
            note += f", paused for {pause} s"
        return note
