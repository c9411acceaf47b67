"""When to try again and how fast to ask: the rules alone, and what a service sees of them."""

import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.api.retry import (
    RateLimiter,
    RetryPolicy,
    call_with_retry,
    parse_retry_after,
    sleep,
    stop_waiting_at,
)
from frgroups.errors import ConnectionFailedError, RateLimitedError, ServerError
from frgroups.sandbox.faults import Fault

NOW = datetime(2026, 11, 23, 8, 10, tzinfo=UTC)


class ManualClock:
    """A clock for `frgroups.api.retry` that passes only by `advance`, or by each sleep if `passes` is True."""

    def __init__(self, *, passes):
        self.now, self.waits, self._wakeups = 0.0, [], []
        self._passes, self._changed = passes, threading.Condition()

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        with self._changed:
            until = self.now + seconds
            self.waits.append(seconds)
            if self._passes:
                self.now = until
                return
            self._wakeups.append(until)
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self.now >= until, timeout=60)

    def advance(self, seconds, *, when_sleeping):
        """Move the clock when this many threads sleep."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._n_sleeping() == when_sleeping, timeout=60)
            self.now += seconds
            self._changed.notify_all()

    def _n_sleeping(self):
        return sum(until > self.now for until in self._wakeups)


@pytest.fixture
def clock(monkeypatch):
    """A clock on which each sleep ends at once."""
    clock = ManualClock(passes=True)
    monkeypatch.setattr("frgroups.api.retry.time", clock)
    return clock


@pytest.fixture
def stopped_clock(monkeypatch):
    """A clock that the test moves."""
    clock = ManualClock(passes=False)
    monkeypatch.setattr("frgroups.api.retry.time", clock)
    return clock


@pytest.fixture
def sandbox(running):
    """A tenant with one group, which behaves."""
    running.reset()
    running.put_group("vip", "VIP")
    return running


# The rules.


@given(
    attempts=st.integers(1, 12),
    requested=st.none() | st.floats(0, 1000),
    waited=st.floats(0, 400),
    share=st.floats(0, 1),
)
def test_delay_limits(attempts, requested, waited, share):
    "A delay respects all limits. It is the requested delay if there is one, and a draw below the bound otherwise."
    policy = RetryPolicy(max_attempts=5, base=0.4, max_delay=60, total_wait=180)

    delay = policy.next_delay(
        attempts, requested=requested, waited=waited, draw=lambda low, high: low + share * (high - low)
    )

    if delay is None:
        assert attempts >= 5 or (requested or 0) > 60 or waited + (requested or 60) > 180
    else:
        assert attempts < 5 and 0 <= delay <= 60 and waited + delay <= 180
        assert delay == requested if requested else delay <= 0.4 * 2**attempts


def test_retry_after_zero():
    "Retry-After 0, or a date in the past, does not make all attempts follow each other at once."
    delay = RetryPolicy().next_delay(1, requested=0.0, waited=0.0, draw=lambda low, high: high)

    assert delay == 0.8


def test_many_attempts():
    "The backoff does not overflow."
    assert RetryPolicy(max_attempts=10**6).next_delay(10**5, requested=None, waited=0.0) <= 60


class Flaky:
    """A call that raises the given errors one after the other, and then returns "done"."""

    def __init__(self, *errors):
        self.errors, self.calls = list(errors), 0

    def __call__(self):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def busy(seconds):
    """Return the error of a 429 that requests this wait."""
    return RateLimitedError("busy", retry_after=seconds)


def test_call_with_retry():
    "The call is repeated after the requested delay, and the callback gets attempts, delay and error."
    call, retries = Flaky(busy(3.0), busy(7.0)), []

    result = call_with_retry(call, RetryPolicy(), wait=retries.append)

    assert (result, call.calls) == ("done", 3)
    assert [(retry.attempts, retry.delay, retry.error.retry_after) for retry in retries] == [(1, 3, 3), (2, 7, 7)]


def test_delay_requested_by_503():
    "Retry-After counts after a 503 as after a 429."
    call, retries = Flaky(ServerError("away", retry_after=9.0)), []

    call_with_retry(call, RetryPolicy(), retry_on=(ServerError,), wait=retries.append)

    assert [retry.delay for retry in retries] == [9]


def test_only_the_named_errors_are_repeated():
    "By default only a 429 is repeated, so that a write with an unknown outcome is not."
    call = Flaky(ServerError("away"))
    with pytest.raises(ServerError):
        call_with_retry(call, RetryPolicy(), wait=print)

    assert call.calls == 1


@pytest.mark.parametrize(
    ("policy", "delays", "calls"),
    [
        (RetryPolicy(max_attempts=3), [1] * 9, 3),
        (RetryPolicy(total_wait=10), [4] * 9, 3),
        (RetryPolicy(max_delay=5), [5, 6], 2),
    ],
)
def test_giving_up(policy, delays, calls):
    "Once a limit is reached, the last error is raised."
    call = Flaky(*map(busy, map(float, delays)))
    with pytest.raises(RateLimitedError):
        call_with_retry(call, policy, wait=lambda retry: None)

    assert call.calls == calls


def test_callback_ends_the_attempts():
    "An error of the callback ends the attempts."
    call = Flaky(busy(1.0), busy(1.0))

    def stop(retry):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call_with_retry(call, RetryPolicy(), wait=stop)

    assert call.calls == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Mon, 23 Nov 2026 08:10:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 10:10:30 +0200", 30.0),
        ("Mon, 23 Nov 2026 08:09:00 GMT", 0.0),
        ("Monday, 23-Nov-26 08:10:30 GMT", 30.0),
        ("Mon Nov 23 08:10:30 2026", 30.0),
        (None, None),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("Mon, 99 Nov 99999 08:10:30 GMT", None),
    ],
)
def test_retry_after_header(header, seconds):
    "The header is a number of seconds or a date. A date in the past is 0 s, and anything else is None."
    assert parse_retry_after(header, NOW) == seconds


@given(st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40))
def test_any_retry_after_header(header):
    "Any header value gives a number of seconds or None."
    seconds = parse_retry_after(header, NOW)

    assert seconds is None or seconds >= 0


# What a service sees of them.


def test_a_read_is_tried_as_often_as_allowed(sandbox):
    "A server that always fails gets `max_attempts` requests, and then the last error is raised."
    sandbox.misbehave(Fault("status", times=None))
    with sandbox.client(retry=RetryPolicy(max_attempts=4, base=0.001)) as client, pytest.raises(ServerError):
        client.get_group("vip")

    assert len(sandbox.requests()) == 4


def test_total_wait(sandbox, clock):
    "The waits of one call together do not exceed `total_wait`."
    sandbox.misbehave(Fault("status", times=None, status=429, retry_after="1"))
    with (
        sandbox.client(retry=RetryPolicy(max_attempts=100, total_wait=2.5)) as client,
        pytest.raises(RateLimitedError),
    ):
        client.get_group("vip")

    assert clock.waits == [1, 1]
    assert len(sandbox.requests()) == 3


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after(form, sandbox, clock):
    "After a 429 the next try comes no sooner than asked, in seconds or as a date, and then succeeds."
    # A date has whole seconds only: of two seconds ahead, more than one is left.
    ahead = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    header = "1" if form == "seconds" else ahead
    sandbox.misbehave(Fault("status", status=429, retry_after=header))
    with sandbox.client() as client:
        group = client.get_group("vip")

    assert group.name == "VIP"
    assert len(sandbox.requests()) == 2
    (wait,) = clock.waits
    assert 0 < wait <= 2 and (form == "date" or wait == 1)


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_above_the_limit(form, sandbox, clock):
    "The client does not wait longer than `longest_wait`: the error holds the seconds, in both forms of the header."
    hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    header = "3600" if form == "seconds" else hour
    sandbox.misbehave(Fault("status", status=429, retry_after=header))
    with sandbox.client() as client:
        with pytest.raises(RateLimitedError, match=r"requests a wait of 3\d\d\d s") as caught:
            client.get_group("vip")

        assert client.get_group("vip").name == "VIP"
    assert clock.waits == []
    assert 3000 <= caught.value.retry_after <= 3600 and (form == "date" or caught.value.retry_after == 3600)


def test_a_429_without_a_wait_has_none(sandbox):
    "`.retry_after` is None where the service names no wait."
    sandbox.misbehave(Fault("status", status=429, times=None))
    with (
        sandbox.client(retry=RetryPolicy(max_attempts=2, base=0.001)) as client,
        pytest.raises(RateLimitedError) as caught,
    ):
        client.get_group("vip")

    assert caught.value.retry_after is None


def test_each_new_try_is_logged(sandbox, caplog):
    "Who wonders why it takes so long finds operation, status and wait in the log."
    caplog.set_level("INFO", logger="frgroups.api")
    sandbox.misbehave(Fault("status"), Fault("cut_before"))
    with sandbox.client(retry=RetryPolicy(base=0.001)) as client:
        client.get_group("vip")

    records = [record for record in caplog.records if record.name == "frgroups.api"]
    assert [record.event for record in records] == ["request_repeated"] * 2
    assert records[0].getMessage().startswith("get-customer-groups-by-uid: 503; attempt 2 after")
    assert records[1].getMessage().startswith("get-customer-groups-by-uid: no response; attempt 3 after")


def test_a_slow_service_ends_in_a_timeout(sandbox):
    "Each try waits no longer than `timeout`."
    sandbox.misbehave(Fault("hang", times=None, seconds=3600))
    with sandbox.client(timeout=0.1, retry=RetryPolicy(max_attempts=2, base=0.001)) as client:
        with pytest.raises(ConnectionFailedError, match="no complete response in time"):
            client.get_group("vip")

        assert client.n_requests == 2


# Pace.


def test_requests_of_all_threads_are_spaced(sandbox, clock):
    "40 requests a second are no more than that, however many threads ask."
    with sandbox.client(requests_per_second=40) as client, ThreadPoolExecutor(4) as pool:
        list(pool.map(client.get_group, ["vip"] * 21))

        assert clock.now >= 20 / 40 - 1e-9
        assert client.n_requests == len(sandbox.requests()) == 21


def test_retry_after_holds_for_all_threads(sandbox, stopped_clock):
    "While one thread waits after a 429, no other thread sends a request."
    sandbox.misbehave(Fault("status", status=429, retry_after="1"))
    with sandbox.client() as client, ThreadPoolExecutor(4) as pool:
        first = pool.submit(client.get_group, "vip")
        stopped_clock.advance(0.9, when_sleeping=1)
        others = pool.map(client.get_group, ["vip"] * 3)
        stopped_clock.advance(0.05, when_sleeping=4)

        assert len(sandbox.requests()) == 1
        stopped_clock.advance(0.1, when_sleeping=4)
        groups = [first.result(), *others]

    assert [group.name for group in groups] == ["VIP"] * 4
    assert len(sandbox.requests()) == 5


@pytest.mark.parametrize("status", [429, 503])
def test_reads_wait_after_a_write(status, sandbox):
    "Retry-After of a rejected write pauses the reads of all threads, and the write is not repeated."
    sandbox.misbehave(Fault("status", method="PUT", status=status, retry_after="1"))
    with sandbox.client(writable=True) as client:
        with pytest.raises((RateLimitedError, ServerError)) as caught:
            client.update_group_customers("vip", add=["c1"])
        pause = client.paused_for
        client.get_group("vip")

        assert 0 < pause <= 1 and client.paused_for == 0
    assert caught.value.retry_after == 1
    assert [request["method"] for request in sandbox.requests()] == ["PUT", "GET"]


def test_long_retry_after_does_not_pause(sandbox):
    "A requested wait beyond `max_delay` pauses nothing."
    sandbox.misbehave(Fault("status", status=503, retry_after="3600"))
    with sandbox.client() as client:
        with pytest.raises(ServerError) as caught:
            client.get_group("vip")

        assert client.paused_for == 0
    assert caught.value.retry_after == 3600


def test_pause_holds_for_waiting_threads(stopped_clock):
    "A thread that waits for its turn when a pause begins takes its turn after the pause."
    limiter = RateLimiter(requests_per_second=10)
    limiter.acquire()
    with ThreadPoolExecutor(1) as pool:
        waited = pool.submit(limiter.acquire)
        stopped_clock.advance(0, when_sleeping=1)
        limiter.pause(0.3)
        stopped_clock.advance(0.1, when_sleeping=1)
        stopped_clock.advance(0.2, when_sleeping=1)

        assert waited.result() == pytest.approx(0.3)
    assert stopped_clock.waits == pytest.approx([0.1, 0.2])


def test_without_a_pace_nobody_waits():
    "On loopback, where no pace is set, a turn is free at once."
    limiter = RateLimiter(requests_per_second=None)

    assert [limiter.acquire() for _ in range(100)] == [0.0] * 100


def test_off_loopback_twenty_a_second_are_the_most(clock):
    "The tills use the same service: a client that was told nothing takes at most 20 turns a second."
    with fg.Client("t-1", "secret") as client:
        limiter = client._transport._rate_limiter

        for _ in range(5):
            limiter.acquire()

    assert clock.waits == pytest.approx([1 / 20] * 4)


# Work that has ended.


class ObservedEvent(threading.Event):
    """An event that is set as soon as a thread waits for it."""

    def wait(self, timeout=None):
        self.timeout = timeout
        self.set()
        return super().wait(timeout)


def test_sleep_ends_with_the_load(clock):
    "A worker that waits for the next attempt ends when the event of its load is set."
    ended = ObservedEvent()
    with ThreadPoolExecutor(1, initializer=stop_waiting_at, initargs=(ended,)) as pool:
        waiting = pool.submit(sleep, 60)

        with pytest.raises(CancelledError):
            waiting.result()
    assert ended.timeout == 60 and clock.waits == []
