"""
Retry failed requests, and limit the request rate of a client across all of its threads.

Read and write requests use different retry policies. The client retries only read requests. `frgroups.apply` also
retries a write request after status 429, because the server did not execute the request.
"""

from __future__ import annotations

import math
import random
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from frgroups.errors import ApiError, RateLimitedError, ServerError

Result = TypeVar("Result")

# Lowest request rate after responses with status 429, in requests per second.
MIN_RATE = 0.5
# Number of seconds in which a reduced request rate doubles.
RECOVERY_SECONDS = 10.0

# Number of seconds in a Retry-After header. The standard allows only integers, but some servers send decimals.
_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """
    Limits for the retries of a request, with exponential backoff and full jitter.

    If the server sends a Retry-After header, the delay in the header replaces the backoff. If this delay exceeds
    `max_delay`, the request is not retried. A Retry-After header with 0 s or a date in the past is ignored, so that a
    failing server does not receive all attempts in immediate succession.

    Attributes
    ----------
    max_attempts
        Maximum number of requests, including the first.
    base
        Initial backoff in seconds. The delay after attempt n is random between 0 and `base` * 2**n seconds.
    max_delay
        Maximum delay between two attempts, in seconds.
    total_wait
        Maximum sum of all delays, in seconds.

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
        Return the delay before the next attempt in seconds, or None if the request must not be retried.

        Parameters
        ----------
        attempts
            Number of attempts so far.
        requested
            Delay that the server requested, in seconds, or None.
        waited
            Sum of the delays so far, in seconds.
        draw
            Function that returns a random number between its two arguments.
        """
        if attempts >= self.max_attempts:
            return None
        seconds = requested or draw(0, min(self.max_delay, self.base * 2 ** min(attempts, 60)))
        if seconds > self.max_delay or waited + seconds > self.total_wait:
            return None
        return seconds


# Policy for write requests after status 429.
# The policy allows many retries, because an operator must resume the run if all retries fail.
RATE_LIMIT_POLICY = RetryPolicy(max_attempts=300, total_wait=300.0)


@dataclass(frozen=True, slots=True)
class Retry:
    """
    Scheduled retry of a failed call.

    Attributes
    ----------
    attempts
        Number of attempts so far.
    delay
        Delay before the next attempt, in seconds.
    error
        Error of the last attempt.
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
    Call a function, and repeat the call after an error if the retry policy allows another attempt.

    Parameters
    ----------
    call
        Function to call.
    policy
        Limits for the number of attempts and for the delays.
    retry_on
        Errors after which the call is retried. The default is RateLimitedError (status 429).
    wait
        Function that waits for the delay of a `Retry`. The function can raise an error to cancel the retries. None
        sleeps for the delay.

    Raises
    ------
    ApiError
        The last attempt failed, or an attempt failed with an error that is not in `retry_on`.
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
    """Return the Retry-After delay of a failed request in seconds, or None if the server requested no delay."""
    if isinstance(error, RateLimitedError | ServerError):
        return error.retry_after
    return None


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """
    Convert a Retry-After header to seconds, or return None if the value is missing or invalid.

    A Retry-After header contains either a number of seconds or an HTTP date. A negative number is invalid. A date in
    the past results in 0.

    Parameters
    ----------
    value
        Value of the header.
    now
        Time of the response according to the server. A date is converted to the number of seconds after this time.

    Examples
    --------
    >>> parse_retry_after("Mon, 23 Nov 2026 08:10:30 GMT", datetime(2026, 11, 23, 8, 10, tzinfo=UTC))
    30.0
    >>> parse_retry_after("1.5", datetime(2026, 11, 23, tzinfo=UTC))
    1.5
    """
    if not value:
        return None
    if _SECONDS.fullmatch(value.strip()):
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
    """Register an event for the current thread, so that `sleep` raises CancelledError when the event is set."""
    _this_thread.stop = event


def sleep(seconds: float) -> None:
    """Sleep for the given number of seconds. Raise CancelledError if the event from `stop_waiting_at` is set."""
    stop: threading.Event | None = getattr(_this_thread, "stop", None)
    if stop is None:
        time.sleep(seconds)
    elif stop.wait(seconds):
        raise CancelledError("The wait before the next request was canceled, because the operation has ended.")


class RateLimiter:
    """
    Rate limiter for the requests of all threads, which also pauses requests and reduces its rate after status 429.

    The rate is adapted like the congestion window of TCP. A response with status 429 reduces the rate to half of the
    rate in the last second, but not below `MIN_RATE`. The rate then doubles every `RECOVERY_SECONDS` seconds, up to
    its maximum.

    Parameters
    ----------
    requests_per_second
        Maximum number of requests that start per second. None means no limit.

    Examples
    --------
    >>> RateLimiter(requests_per_second=None).acquire()
    0.0
    """

    def __init__(self, requests_per_second: float | None) -> None:
        self._maximum = requests_per_second or math.inf
        self._reduced_rate = math.inf
        self._reduced_at = -math.inf
        self._next = 0.0
        self._paused_until = 0.0
        self._starts: deque[float] = deque()  # Start times of the requests in the last second.
        self._lock = threading.Lock()

    def acquire(self) -> float:
        """Wait until the next request may start, and return the waiting time in seconds."""
        waited = 0.0
        while True:
            with self._lock:
                now = time.monotonic()
                turn = max(now, self._next)
                self._next = turn + 1 / self._rate_at(turn)
            if turn > now:
                sleep(turn - now)
            waited += turn - now
            # If another thread has started a pause in the meantime, wait again.
            if turn >= self._paused_until:
                with self._lock:
                    self._starts.append(turn)
                    self._forget_starts_before(turn - 1)
                return waited

    def remaining_pause(self) -> float:
        """Return the number of seconds until new requests may start, or 0 if requests are not paused."""
        return max(0.0, self._paused_until - time.monotonic())

    def pause(self, seconds: float) -> None:
        """Prevent new requests from starting for the given number of seconds."""
        with self._lock:
            self._paused_until = max(self._paused_until, time.monotonic() + seconds)
            self._next = max(self._next, self._paused_until)

    def slow_down(self, started: float) -> None:
        """
        Halve the request rate after a response with status 429.

        Parameters
        ----------
        started
            Time at which the request started, from `time.monotonic`. If the rate has been reduced since then, the
            response is ignored, so that many responses to simultaneous requests halve the rate only once.
        """
        with self._lock:
            if started < self._reduced_at:
                return
            now = time.monotonic()
            self._forget_starts_before(now - 1)
            # Halve the measured rate if it is lower than the permitted rate.
            # Shortly after the start of a client, few requests have been counted, so the measured rate is assumed to
            # be at least 8 * MIN_RATE.
            rate = min(self._rate_at(now), max(len(self._starts), 8 * MIN_RATE))
            self._reduced_rate = max(rate / 2, MIN_RATE)
            self._reduced_at = now

    def _rate_at(self, now: float) -> float:
        doublings = (now - self._reduced_at) / RECOVERY_SECONDS
        return min(self._maximum, self._reduced_rate * 2 ** min(doublings, 60))

    def _forget_starts_before(self, time_limit: float) -> None:
        while self._starts and self._starts[0] <= time_limit:
            self._starts.popleft()
