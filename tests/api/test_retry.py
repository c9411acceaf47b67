"""Tests for the retry policy and the rate limiter, both without and with a server."""

import math
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
from tests.api.service import EMPTY, Service, head, whole

NOW = datetime(2026, 11, 23, 8, 10, tzinfo=UTC)


class ManualClock:
    """A simulated clock for `frgroups.api.retry`. If `passes` is True, each sleep advances the clock."""

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
        """Advance the clock as soon as the given number of threads are sleeping."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._n_sleeping() == when_sleeping, timeout=60)
            self.now += seconds
            self._changed.notify_all()

    def _n_sleeping(self):
        return sum(until > self.now for until in self._wakeups)


@pytest.fixture
def clock(monkeypatch):
    """A simulated clock on which each sleep ends immediately."""
    clock = ManualClock(passes=True)
    monkeypatch.setattr("frgroups.api.retry.time", clock)
    return clock


@pytest.fixture
def workers_use_clock(monkeypatch, clock):
    """Make the worker threads of a load sleep on the simulated clock instead of waiting for the end of the load."""
    monkeypatch.setattr("frgroups.load.verified_listing.stop_waiting_at", lambda event: None)


@pytest.fixture
def constant_rate(monkeypatch):
    """Prevent a response with status 429 from reducing the request rate, so that only retry delays are measured."""
    monkeypatch.setattr("frgroups.api.retry.MIN_RATE", 1e9)


@pytest.fixture
def stopped_clock(monkeypatch):
    """A simulated clock that is advanced only by the test."""
    clock = ManualClock(passes=False)
    monkeypatch.setattr("frgroups.api.retry.time", clock)
    return clock


@pytest.fixture
def sandbox(running):
    """A sandbox tenant with one group and without simulated faults."""
    running.reset()
    running.put_group("vip", "VIP")
    return running


# Retry policy


@given(
    attempts=st.integers(1, 12),
    requested=st.none() | st.floats(0, 1000),
    waited=st.floats(0, 400),
    share=st.floats(0, 1),
)
def test_delay_limits(attempts, requested, waited, share):
    "Each retry delay respects all limits of the policy. A delay that the server requested is used unchanged."
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
    "If the server requests a delay of 0 s, the backoff delay is used instead."
    delay = RetryPolicy().next_delay(1, requested=0.0, waited=0.0, draw=lambda low, high: high)

    assert delay == 0.8


def test_many_attempts():
    "After a very large number of attempts, the backoff delay does not overflow."
    assert RetryPolicy(max_attempts=10**6).next_delay(10**5, requested=None, waited=0.0) <= 60


class Flaky:
    """A callable that raises the given errors one after the other and then returns "done"."""

    def __init__(self, *errors):
        self.errors, self.calls = list(errors), 0

    def __call__(self):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def busy(seconds):
    """Return the error for a response with status 429 and the given Retry-After delay."""
    return RateLimitedError("busy", retry_after=seconds)


def test_call_with_retry():
    "The call is retried after the requested delay. The callback receives the attempts, the delay, and the error."
    call, retries = Flaky(busy(3.0), busy(7.0)), []

    result = call_with_retry(call, RetryPolicy(), wait=retries.append)

    assert (result, call.calls) == ("done", 3)
    assert [(retry.attempts, retry.delay, retry.error.retry_after) for retry in retries] == [(1, 3, 3), (2, 7, 7)]


def test_delay_requested_by_503():
    "The Retry-After delay of a 503 response is used like that of a 429 response."
    call, retries = Flaky(ServerError("away", retry_after=9.0)), []

    call_with_retry(call, RetryPolicy(), retry_on=(ServerError,), wait=retries.append)

    assert [retry.delay for retry in retries] == [9]


def test_default_retry_on():
    "By default, only status 429 is retried, so that a write with an unknown result is not repeated."
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
def test_policy_limits(policy, delays, calls):
    "When a limit of the retry policy is reached, the last error is raised."
    call = Flaky(*map(busy, map(float, delays)))
    with pytest.raises(RateLimitedError):
        call_with_retry(call, policy, wait=lambda retry: None)

    assert call.calls == calls


def test_callback_error():
    "If the retry callback raises an exception, the call is not retried."
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
        ("1.5", 1.5),
        ("9.", 9.0),
        ("0.0", 0.0),
        ("9" * 400, math.inf),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 251_606_879_399.0),
        ("-5", None),
        ("-1.5", None),
        ("+5", None),
        ("1e3", None),
        ("1,5", None),
        ("9 s", None),
        ("inf", None),
        ("nan", None),
        ("٩", None),
        ("soon", None),
        ("Mon, 99 Nov 99999 08:10:30 GMT", None),
    ],
)
def test_retry_after_header(header, seconds):
    "A Retry-After header contains seconds or a date. A past date results in 0 s, and an invalid value in None."
    assert parse_retry_after(header, NOW) == seconds


@given(st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40))
def test_any_retry_after_header(header):
    "For any Retry-After header, the parsed result is a number of seconds or None."
    seconds = parse_retry_after(header, NOW)

    assert seconds is None or seconds >= 0


# Retries of a client


def test_max_attempts(sandbox):
    "If the server always fails, `max_attempts` requests are sent and then the last error is raised."
    sandbox.misbehave(Fault("status", times=None))
    with sandbox.client(retry=RetryPolicy(max_attempts=4, base=0.001)) as client, pytest.raises(ServerError):
        client.get_group("vip")

    assert len(sandbox.requests()) == 4


def test_total_wait(sandbox, clock, constant_rate):
    "The sum of all retry delays in one call does not exceed `total_wait`."
    sandbox.misbehave(Fault("status", times=None, status=429, retry_after="1"))
    with (
        sandbox.client(retry=RetryPolicy(max_attempts=100, total_wait=2.5)) as client,
        pytest.raises(RateLimitedError),
    ):
        client.get_group("vip")

    assert clock.waits == [1, 1]
    assert len(sandbox.requests()) == 3


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after(form, sandbox, clock, constant_rate):
    "A request is retried after the delay in the Retry-After header, which contains seconds or a date."
    # A date has a resolution of one second, so the delay is between 1 and 3 s.
    ahead = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    header = "1" if form == "seconds" else ahead
    sandbox.misbehave(Fault("status", status=429, retry_after=header))
    with sandbox.client() as client:
        group = client.get_group("vip")

    assert group.name == "VIP"
    assert len(sandbox.requests()) == 2
    (wait,) = clock.waits
    assert 0 < wait <= 3 and (form == "date" or wait == 1)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("seconds", ["86401", "100000", "99999999999999", "9" * 400])
def test_text_of_long_delay(status, seconds, sandbox, clock):
    "The error states that the requested delay is more than 1 day, and contains the maximum delay."
    sandbox.misbehave(Fault("status", status=status, retry_after=seconds))
    with sandbox.client() as client, pytest.raises((RateLimitedError, ServerError)) as caught:
        client.get_group("vip")

    assert "more than 1 day" in str(caught.value) and seconds[:5] not in str(caught.value)
    assert "at most 60 s" in str(caught.value)
    assert clock.waits == []


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_above_the_limit(form, sandbox, clock):
    "If the requested delay exceeds `max_delay`, the request is not retried and the error contains the delay."
    hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    header = "3600" if form == "seconds" else hour
    sandbox.misbehave(Fault("status", status=429, retry_after=header))
    with sandbox.client() as client:
        with pytest.raises(RateLimitedError, match=r"3\d\d\d s") as caught:
            client.get_group("vip")

        assert client.get_group("vip").name == "VIP"
    assert clock.waits == []
    assert 3000 <= caught.value.retry_after <= 3602 and (form == "date" or caught.value.retry_after == 3600)


def test_no_retry_after(sandbox):
    "If the response has no Retry-After header, the error's `retry_after` attribute is None."
    sandbox.misbehave(Fault("status", status=429, times=None))
    with (
        sandbox.client(retry=RetryPolicy(max_attempts=2, base=0.001)) as client,
        pytest.raises(RateLimitedError) as caught,
    ):
        client.get_group("vip")

    assert caught.value.retry_after is None


def test_retries_are_logged(sandbox, caplog):
    "For each retry, the log contains the operation, the status, and the number of attempts."
    caplog.set_level("INFO", logger="frgroups.api")
    sandbox.misbehave(Fault("status"), Fault("cut_before"))
    with sandbox.client(retry=RetryPolicy(base=0.001)) as client:
        client.get_group("vip")

    records = [record for record in caplog.records if record.name == "frgroups.api"]
    assert [record.event for record in records] == ["request_repeated"] * 2
    assert [record.operation for record in records] == ["get-customer-groups-by-uid"] * 2
    assert [(record.status, record.attempts) for record in records] == [(503, 1), (None, 2)]


def test_timeout(sandbox):
    "If a request exceeds `timeout`, the request is retried with the same timeout."
    sandbox.misbehave(Fault("hang", times=None, seconds=3600))
    with sandbox.client(timeout=0.1, retry=RetryPolicy(max_attempts=2, base=0.001)) as client:
        with pytest.raises(ConnectionFailedError, match="ReadTimeout"):
            client.get_group("vip")

        assert client.n_requests == 2


# Rate limit


def test_requests_per_second(sandbox, clock):
    "The limit `requests_per_second` applies to the sum of the requests from all threads."
    with sandbox.client(requests_per_second=40) as client, ThreadPoolExecutor(4) as pool:
        list(pool.map(client.get_group, ["vip"] * 21))

        assert clock.now >= 20 / 40 - 1e-9
        assert client.n_requests == len(sandbox.requests()) == 21


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_pauses_all_threads(status, sandbox, stopped_clock, constant_rate):
    "While one thread waits after a 429 or 503 response, no other thread sends a request."
    sandbox.misbehave(Fault("status", status=status, retry_after="1"))
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
    "If a rejected write has a Retry-After delay, later reads wait for this delay and the write is not retried."
    sandbox.misbehave(Fault("status", method="PUT", status=status, retry_after="1"))
    with sandbox.client(writable=True) as client:
        with pytest.raises((RateLimitedError, ServerError)) as caught:
            client.update_group_customers("vip", add=["c1"])
        pause = client.paused_for
        client.get_group("vip")

        assert 0 < pause <= 1 and client.paused_for == 0
    assert caught.value.retry_after == 1
    assert [request["method"] for request in sandbox.requests()] == ["PUT", "GET"]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("header", ["9", "9.0", "9.25"])
def test_load_after_retry_after(header, status, sandbox, clock, workers_use_clock, constant_rate):
    "If requests of a load fail with a Retry-After header, all threads wait for the delay and the load succeeds."
    for number in range(12):
        sandbox.put_group(f"g{number:02d}", "G")
    sandbox.misbehave(Fault("status", status=status, retry_after=header, skip=3, times=4))
    with sandbox.client(workers=4) as client:
        snapshot = fg.load_snapshot(client, False, progress=False)

    assert (snapshot.verdict, len(snapshot.groups)) == ("consistent", 13)
    assert max(clock.waits) == float(header) and clock.waits.count(float(header)) >= 4
    # The list of groups is requested twice: the second request has the reverse sort order.
    assert len(sandbox.requests()) == 2 + 13 + 4


def test_retry_after_date_with_wrong_clock(clock, constant_rate):
    "A date in Retry-After is compared with the time of the server, so a wrong clock on this machine has no effect."
    headers = ("Date: Mon, 23 Nov 2026 08:10:00 GMT", "Retry-After: Mon, 23 Nov 2026 08:10:09 GMT")
    with (
        Service(head(*headers, "Content-Length: 0", status="503 Away"), whole(EMPTY)) as service,
        fg.Client("t-1", "secret", base_url=service.url) as client,
    ):
        assert client.read_group_page().total_count == 0

    assert clock.waits == pytest.approx([9], abs=0.1)


def test_long_retry_after_does_not_pause(sandbox):
    "If the requested delay exceeds `max_delay`, other requests are not paused."
    sandbox.misbehave(Fault("status", status=503, retry_after="3600"))
    with sandbox.client() as client:
        with pytest.raises(ServerError) as caught:
            client.get_group("vip")

        assert client.paused_for == 0
    assert caught.value.retry_after == 3600


def test_pause_holds_for_waiting_threads(stopped_clock):
    "If a thread is waiting for the rate limiter when a pause starts, it continues after the pause."
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


def test_no_rate_limit():
    "Without a rate limit, requests start immediately."
    limiter = RateLimiter(requests_per_second=None)

    assert [limiter.acquire() for _ in range(100)] == [0.0] * 100


def test_default_rate_limit(clock):
    "By default, a client sends at most 20 requests per second to a remote server."
    with fg.Client("t-1", "secret") as client:
        limiter = client._transport._rate_limiter

        for _ in range(5):
            limiter.acquire()

    assert clock.waits == pytest.approx([1 / 20] * 4)


# Adaptive rate


class LimitedServer:
    """A simulated server that accepts a number of requests in each second, and 8 workers that send requests to it."""

    def __init__(self, clock, limiter, *, per_second):
        self.clock, self.limiter, self.per_second = clock, limiter, per_second
        self.accepted, self.rejected = [], []

    def run(self, n):
        """Send requests until `n` are accepted. A rejected request is repeated after a pause of all workers."""
        workers = [0.0] * 8
        while len(self.accepted) < n:
            worker = workers.index(min(workers))
            self.clock.now = workers[worker]
            self.limiter.acquire()
            started = self.clock.now
            self.clock.now += 0.05
            if sum(at > started - 1 for at in self.accepted) < self.per_second:
                self.accepted.append(started)
            else:
                self.rejected.append(started)
                self.limiter.slow_down(started)
                self.limiter.pause(0.4)
            workers[worker] = self.clock.now


@pytest.mark.parametrize("maximum", [None, 20, 1000])
@pytest.mark.parametrize("per_second", [1, 2, 5, 15])
def test_rate_adapts_to_server(per_second, maximum, clock):
    "If a server accepts fewer requests per second than the workers send, few requests are rejected."
    server = LimitedServer(clock, RateLimiter(maximum), per_second=per_second)

    server.run(60)

    assert len(server.rejected) <= 30
    assert server.accepted[-1] <= 4 * 60 / per_second


def test_simultaneous_rejections(clock):
    "If many simultaneous requests are rejected, the rate is halved only once."
    limiter = RateLimiter(requests_per_second=None)
    clock.now = 100.0
    starts = [clock.now for _ in range(40) if limiter.acquire() == 0]
    clock.now += 0.1
    for started in starts:
        limiter.slow_down(started)

    limiter.acquire()
    limiter.acquire()

    assert clock.waits == pytest.approx([1 / 20])


@pytest.mark.parametrize(("seconds", "rate"), [(0, 10), (5, 14.14), (10, 20), (60, 20), (10**6, 20)])
def test_rate_recovers(seconds, rate, clock):
    "A reduced rate doubles in 10 seconds, up to the maximum of the client."
    limiter = RateLimiter(requests_per_second=20)
    limiter.slow_down(clock.now)
    clock.now = limiter._reduced_at + seconds
    limiter._reduced_rate = 10.0
    limiter.acquire()
    limiter.acquire()

    assert clock.waits == pytest.approx([1 / rate], rel=0.001)


def test_lowest_rate(clock):
    "The rate is never lower than one request in two seconds."
    limiter = RateLimiter(requests_per_second=20)
    for _ in range(20):
        limiter.slow_down(clock.now)
        clock.now += 0.001
    limiter.acquire()
    limiter.acquire()

    assert clock.waits == pytest.approx([2], rel=0.01)


def test_load_with_rejections(sandbox, workers_use_clock):
    "A load with 8 workers completes although many requests are rejected with status 429 and without Retry-After."
    for number in range(30):
        sandbox.put_group(f"g{number:02d}", "G")
    sandbox.misbehave(*[Fault("status", status=429, skip=10 * n, times=3) for n in range(4)])
    with sandbox.client(workers=8) as client:
        snapshot = fg.load_snapshot(client, False, progress=False)

        assert (snapshot.verdict, len(snapshot.groups)) == ("consistent", 31)
        assert client.n_requests == len(sandbox.requests()) == 2 + 31 + 12


# Cancellation


class ObservedEvent(threading.Event):
    """A threading.Event subclass that sets itself as soon as a thread waits for the event."""

    def wait(self, timeout=None):
        self.timeout = timeout
        self.set()
        return super().wait(timeout)


def test_canceled_sleep(clock):
    "If a load is canceled, a worker thread that is waiting for the next attempt raises CancelledError."
    ended = ObservedEvent()
    with ThreadPoolExecutor(1, initializer=stop_waiting_at, initargs=(ended,)) as pool:
        waiting = pool.submit(sleep, 60)

        with pytest.raises(CancelledError):
            waiting.result()
    assert ended.timeout == 60 and clock.waits == []
