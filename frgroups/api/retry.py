"""
Retry failed requests, and limit the rate of all requests of a client.

Reads, writes and probes use the functions of this module. They differ in their policy and in the errors after which a
call is repeated. The client repeats only reads. `frgroups.apply` may repeat a write after 429, because the server did
not execute it.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from frgroups.errors import ApiError, RateLimitedError, ServerError

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """
    Limits for repeated requests, with full jitter between the attempts.

    The wait that the server requests with Retry-After is used if it is at most `max_delay`. If it is longer, the
    error is raised. A Retry-After of 0 s, or a date in the past, counts as none, so that the attempts do not follow
    each other at once.

    Parameters
    ----------
    max_attempts
        Largest number of requests, including the first.
    base
        Seconds. The wait after attempt n is at most `base` * 2**n.
    max_delay
        Longest wait between two attempts, in seconds.
    total_wait
        Longest sum of all waits, in seconds.

    Examples
    --------
    >>> RetryPolicy().next_delay(1, requested=3.0, waited=0.0)
    3.0
    >>> RetryPolicy(max_attempts=2).next_delay(2, requested=None, waited=0.0) is None
    True
    """

    max_attempts: int = 5
    base: float = 0.4
    max_delay: float = 60.0
    total_wait: float = 180.0

    def next_delay(
        self,
        attempts: int,
        *,
        requested: float | None,
        waited: float,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> float | None:
        """
        Return the seconds to wait before the next attempt, or None to give up.

        Parameters
        ----------
        attempts
            Number of attempts so far.
        requested
            The wait that the server requested, in seconds, or None.
        waited
            Sum of the waits so far, in seconds.
        draw
            Function that draws the wait between two bounds.
        """
        if attempts >= self.max_attempts:
            return None
        seconds = requested or draw(0, min(self.max_delay, self.base * 2 ** min(attempts, 60)))
        if seconds > self.max_delay or waited + seconds > self.total_wait:
            return None
        return seconds


# For writes after 429. They are repeated for longer than reads, because an operator must resume a run that stopped.
RATE_LIMIT_POLICY = RetryPolicy(max_attempts=300, total_wait=300.0)


@dataclass(frozen=True, slots=True)
class Retry:
    """
    The next attempt of a call that failed.

    Attributes
    ----------
    attempts
        Number of attempts so far.
    delay
        Seconds to wait before the next attempt.
    error
        The error of the last attempt.
    """

    attempts: int
    delay: float
    error: ApiError


def call_with_retry(
    call: Callable[[], Result],
    policy: RetryPolicy,
    *,
    retry_on: tuple[type[ApiError], ...] = (RateLimitedError,),
    wait: Callable[[Retry], None] | None = None,
) -> Result:
    """
    Call a function, and repeat the call while the policy allows another attempt.

    Parameters
    ----------
    call
        Function to call.
    policy
        Limits for the attempts and the waits.
    retry_on
        Errors after which the call is repeated. Without it, only after 429.
    wait
        Function that waits for the delay of a `Retry`. It may raise an error to end the attempts. None sleeps.

    Raises
    ------
    ApiError
        The error of the last attempt, or one that is not in `retry_on`.
    """
    attempts, waited = 0, 0.0
    while True:
        attempts += 1
        try:
            return call()
        except retry_on as error:
            delay = policy.next_delay(attempts, requested=requested_delay(error), waited=waited)
            if delay is None:
                raise
            retry = Retry(attempts, delay, error)
        waited += delay
        if wait is None:
            sleep(delay)
        else:
            wait(retry)


def requested_delay(error: ApiError) -> float | None:
    """Return the seconds that the server requested with Retry-After, or None."""
    if isinstance(error, RateLimitedError | ServerError):
        return error.retry_after
    return None


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """
    Return the seconds of a Retry-After header, or None if it has no valid value.

    The header contains a number of seconds or a date.

    Examples
    --------
    >>> parse_retry_after("Mon, 23 Nov 2026 08:10:30 GMT", datetime(2026, 11, 23, 8, 10, tzinfo=UTC))
    30.0
    """
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - now).total_seconds())


_this_thread = threading.local()


def stop_waiting_at(event: threading.Event) -> None:
    """Let each `sleep` of this thread raise CancelledError once the event is set."""
    _this_thread.stop = event


def sleep(seconds: float) -> None:
    """Sleep, or raise CancelledError if the event of `stop_waiting_at` is set meanwhile."""
    stop: threading.Event | None = getattr(_this_thread, "stop", None)
    if stop is None:
        time.sleep(seconds)
    elif stop.wait(seconds):
        raise CancelledError("The wait was canceled, because the work of this thread has ended.")


class RateLimiter:
    """
    Space the requests of all threads evenly, and pause all of them.

    Parameters
    ----------
    requests_per_second
        Largest number of requests that start per second. None means no limit.

    Examples
    --------
    >>> RateLimiter(requests_per_second=None).acquire()
    0.0
    """

    def __init__(self, requests_per_second: float | None) -> None:
        self._gap = 1 / requests_per_second if requests_per_second else 0.0
        self._next = 0.0
        self._paused_until = 0.0
        self._lock = threading.Lock()

    def acquire(self) -> float:
        """Wait until the next request may start, and return the seconds waited."""
        waited = 0.0
        while True:
            with self._lock:
                now = time.monotonic()
                turn = max(now, self._next)
                self._next = turn + self._gap
            if turn > now:
                sleep(turn - now)
            waited += turn - now
            if turn >= self._paused_until:  # Otherwise a pause began while this thread waited.
                return waited

    def remaining_pause(self) -> float:
        """Return the seconds until the current pause ends, or 0 without a pause."""
        return max(0.0, self._paused_until - time.monotonic())

    def pause(self, seconds: float) -> None:
        """Let no request start for the given number of seconds."""
        with self._lock:
            self._paused_until = max(self._paused_until, time.monotonic() + seconds)
            self._next = max(self._next, self._paused_until)
