"""When to try again and how fast to ask: pure rules, and one pacer that all threads share."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """
    Full jitter between tries, within a number of tries and a total of seconds.

    The service's Retry-After is honoured up to `longest_wait`; beyond it the error is raised, with the wait. One
    that is 0 or over (a date, and clocks that differ) counts as none, so that tries do not follow at once.

    >>> RetryPolicy().wait(1, asked=3.0, waited=0.0, draw=lambda low, high: high)
    3.0
    >>> RetryPolicy(tries=2).wait(2, asked=None, waited=0.0) is None
    True
    """

    tries: int = 5
    base: float = 0.4
    longest_wait: float = 60.0
    total_wait: float = 180.0

    def wait(
        self,
        tried: int,
        *,
        asked: float | None,
        waited: float,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> float | None:
        """Seconds to wait before try number `tried + 1`, or None to give up."""
        if tried >= self.tries:
            return None
        seconds = asked or draw(0, min(self.longest_wait, self.base * 2**tried))
        too_long = seconds > self.longest_wait or waited + seconds > self.total_wait
        return None if too_long else seconds


def retry_after(value: str | None, now: datetime) -> float | None:
    """
    Seconds that a Retry-After header asks for, in either of its forms; None when it says nothing usable.

    >>> retry_after("Mon, 23 Nov 2026 08:10:30 GMT", datetime(2026, 11, 23, 8, 10, tzinfo=UTC))
    30.0
    """
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


_of_this_thread = threading.local()


def stop_waiting_at(event: threading.Event) -> None:
    """From now on the waits of this thread end, with CancelledError, as soon as the event is set."""
    _of_this_thread.stop = event


def sleep(seconds: float) -> None:
    """Wait so long, or until this thread is told to stop waiting."""
    stop: threading.Event | None = getattr(_of_this_thread, "stop", None)
    if stop is None:
        time.sleep(seconds)
    elif stop.wait(seconds):
        raise CancelledError("Stopped waiting: the work that this was for has ended.")


class Pacer:
    """
    Spaces the requests of all threads evenly; a pause that one thread is told holds for all.

    >>> Pacer(requests_per_second=None).take()
    0.0
    """

    def __init__(self, requests_per_second: float | None) -> None:
        self._gap = 1 / requests_per_second if requests_per_second else 0.0
        self._next = 0.0
        self._paused_until = 0.0
        self._lock = threading.Lock()

    def take(self) -> float:
        """Wait for the next free moment; returns the seconds waited."""
        waited = 0.0
        while True:
            with self._lock:
                now = time.monotonic()
                turn = max(now, self._next)
                self._next = turn + self._gap
            if turn > now:
                sleep(turn - now)
            waited += turn - now
            if turn >= self._paused_until:  # Else a pause was told while this thread waited.
                return waited

    def paused_for(self) -> float:
        """Seconds until the pause that was told last is over; 0 when there is none."""
        return max(0.0, self._paused_until - time.monotonic())

    def pause(self, seconds: float) -> None:
        """Let nobody start a request for so long."""
        with self._lock:
            self._paused_until = max(self._paused_until, time.monotonic() + seconds)
            self._next = max(self._next, self._paused_until)
