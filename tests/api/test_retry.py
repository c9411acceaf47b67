"""When to try again and how fast to ask: the rules alone, and what a service sees of them."""

import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.api.retry import Pacer, RetryPolicy, retry_after, sleep, stop_waiting_at
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
    tried=st.integers(1, 12),
    asked=st.none() | st.floats(0, 1000),
    waited=st.floats(0, 400),
    share=st.floats(0, 1),
)
def test_no_wait_is_longer_than_allowed(tried, asked, waited, share):
    "A wait keeps within tries, longest wait and total, honours what was asked, and is else a draw below the cap."
    policy = RetryPolicy(tries=5, base=0.4, longest_wait=60, total_wait=180)

    wait = policy.wait(tried, asked=asked, waited=waited, draw=lambda low, high: low + share * (high - low))

    if wait is None:
        assert tried >= 5 or (asked or 0) > 60 or waited + (asked or 60) > 180
    else:
        assert tried < 5 and 0 <= wait <= 60 and waited + wait <= 180
        assert wait == asked if asked else wait <= 0.4 * 2**tried


def test_a_service_that_asks_for_no_wait_still_gets_one():
    "Retry-After 0, or a date that is over by our clock, does not make all tries follow at once."
    policy = RetryPolicy()

    wait = policy.wait(1, asked=0.0, waited=0.0, draw=lambda low, high: high)

    assert wait == 0.8


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
def test_retry_after_is_seconds_or_a_date(header, seconds):
    "Both forms of the header are read; what is neither says nothing, and a date in the past is no wait."
    assert retry_after(header, NOW) == seconds


@given(st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40))
def test_no_retry_after_breaks_us(header):
    "Whatever a service writes there, it is a number of seconds or nothing."
    seconds = retry_after(header, NOW)

    assert seconds is None or seconds >= 0


# What a service sees of them.


def test_a_read_is_tried_as_often_as_allowed(sandbox):
    "A service that is away for good is asked `tries` times, and then the last error is raised."
    sandbox.misbehave(Fault("status", times=None))
    with sandbox.client(retry=RetryPolicy(tries=4, base=0.001)) as client, pytest.raises(ServerError):
        client.get_group("vip")

    assert len(sandbox.requests()) == 4


def test_total_wait(sandbox, clock):
    "The waits of one call together do not exceed `total_wait`."
    sandbox.misbehave(Fault("status", times=None, status=429, retry_after="1"))
    with sandbox.client(retry=RetryPolicy(tries=100, total_wait=2.5)) as client, pytest.raises(RateLimitedError):
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
        with pytest.raises(RateLimitedError, match=r"asks to wait 3\d\d\d s") as caught:
            client.get_group("vip")

        assert client.get_group("vip").name == "VIP"
    assert clock.waits == []
    assert 3000 <= caught.value.retry_after <= 3600 and (form == "date" or caught.value.retry_after == 3600)


def test_a_429_without_a_wait_has_none(sandbox):
    "`.retry_after` is None where the service names no wait."
    sandbox.misbehave(Fault("status", status=429, times=None))
    with sandbox.client(retry=RetryPolicy(tries=2, base=0.001)) as client, pytest.raises(RateLimitedError) as caught:
        client.get_group("vip")

    assert caught.value.retry_after is None


def test_each_new_try_is_logged(sandbox, caplog):
    "Who wonders why it takes so long finds operation, status and wait in the log."
    caplog.set_level("INFO", logger="frgroups.transport")
    sandbox.misbehave(Fault("status"), Fault("cut_before"))
    with sandbox.client(retry=RetryPolicy(base=0.001)) as client:
        client.get_group("vip")

    told = [record.getMessage() for record in caplog.records if record.name == "frgroups.transport"]
    assert told[0].startswith("get-customer-groups-by-uid: 503; try 2 after")
    assert told[1].startswith("get-customer-groups-by-uid: no answer; try 3 after")


def test_a_slow_service_ends_in_a_timeout(sandbox):
    "Each try waits no longer than `timeout`."
    sandbox.misbehave(Fault("hang", times=None, seconds=3600))
    with sandbox.client(timeout=0.1, retry=RetryPolicy(tries=2, base=0.001)) as client:
        with pytest.raises(ConnectionFailedError, match="no answer in time"):
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


def test_pause_holds_for_waiting_threads(stopped_clock):
    "A thread that waits for its turn when a pause begins takes its turn after the pause."
    pacer = Pacer(requests_per_second=10)
    pacer.take()
    with ThreadPoolExecutor(1) as pool:
        waited = pool.submit(pacer.take)
        stopped_clock.advance(0, when_sleeping=1)
        pacer.pause(0.3)
        stopped_clock.advance(0.1, when_sleeping=1)
        stopped_clock.advance(0.2, when_sleeping=1)

        assert waited.result() == pytest.approx(0.3)
    assert stopped_clock.waits == pytest.approx([0.1, 0.2])


def test_without_a_pace_nobody_waits():
    "On loopback, where no pace is set, a turn is free at once."
    pacer = Pacer(requests_per_second=None)

    assert [pacer.take() for _ in range(100)] == [0.0] * 100


def test_off_loopback_twenty_a_second_are_the_most(clock):
    "The tills use the same service: a client that was told nothing takes at most 20 turns a second."
    with fg.Client("t-1", "secret") as client:
        pacer = client._transport._pacer

        for _ in range(5):
            pacer.take()

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
