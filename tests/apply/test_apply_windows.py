"""Tests for the time logic of freeze periods and apply windows."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.apply.apply_windows import MINUTES_PER_DAY, ApplyWindows, Freeze, Window, to_instant

OSLO = ZoneInfo("Europe/Oslo")
EVERY_DAY = frozenset(range(7))
WORKDAYS = frozenset(range(5))
MINUTE = timedelta(minutes=1)
# Each date is the day of a clock change. The clocks of Beirut and Asuncion change at midnight, those of Lord Howe
# Island by 30 minutes, and Samoa skipped 30 December 2011.
CLOCK_CHANGES = [
    ("Europe/Oslo", date(2026, 3, 29)),
    ("Europe/Oslo", date(2026, 10, 25)),
    ("America/New_York", date(2026, 11, 1)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("Asia/Beirut", date(2024, 3, 31)),
    ("America/Asuncion", date(2023, 10, 1)),
    ("America/Asuncion", date(2024, 3, 24)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("UTC", date(2026, 2, 28)),
]


def utc(text):
    """Return a time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def minutes(hours):
    """Return the minutes of the day in a text such as 07:00-17:00."""
    start, end = (60 * int(text[:2]) + int(text[3:]) for text in hours.split("-"))
    return start, end


@st.composite
def cases(draw):
    """Draw windows and freezes near a clock change, and a time near the change."""
    windows = []
    name, changed_on = draw(st.sampled_from(CLOCK_CHANGES))
    middle = datetime(changed_on.year, changed_on.month, changed_on.day, tzinfo=UTC)
    minute_of_day = st.integers(0, MINUTES_PER_DAY - 1) | st.sampled_from([0, 60, 90, 120, 135, 150, 180, 1410])
    for _ in range(draw(st.integers(0, 2))):
        start = draw(minute_of_day)
        end = draw((minute_of_day | st.just(MINUTES_PER_DAY)).filter(lambda end, start=start: end not in (0, start)))
        windows.append(Window(draw(st.frozensets(st.integers(0, 6), min_size=1)), start, end, ZoneInfo(name)))
    freezes = []
    for _ in range(draw(st.integers(0, 2))):
        begin = middle + draw(st.integers(-3000, 3000)) * MINUTE
        freezes.append(Freeze(begin, begin + draw(st.integers(1, 4000)) * MINUTE, "campaign"))
    seconds = draw(st.integers(-2 * 86_400, 2 * 86_400))
    return ApplyWindows(tuple(freezes), tuple(windows)), middle + timedelta(seconds=seconds)


def is_allowed(rules, instant):
    """Return whether plans can be applied at an instant, computed from the date and time that the clock shows."""
    if any(freeze.start <= instant < freeze.end for freeze in rules.freezes):
        return False
    for window in rules.windows:
        local = instant.astimezone(window.zone)
        minute = 60 * local.hour + local.minute
        for n_days in (0, 1):
            opened_on = local.date() - timedelta(days=n_days)
            since_midnight = minute + n_days * MINUTES_PER_DAY
            end = window.end if window.end > window.start else window.end + MINUTES_PER_DAY
            if opened_on.weekday() in window.days and window.start <= since_midnight < end:
                return True
    return not rules.windows


@given(cases())
def test_next_opening(case):
    "The next opening is the first instant at which plans can be applied, according to a search minute by minute."
    rules, now = case
    state = rules.state(now)
    opens_at = state.opens_at or now

    assert state.is_allowed == is_allowed(rules, now) == rules.is_allowed(now)
    assert is_allowed(rules, opens_at) and rules.is_allowed(opens_at)
    instant = now.replace(second=0) + MINUTE
    while instant < opens_at:
        assert not is_allowed(rules, instant)
        instant += MINUTE
    if not state.is_allowed:
        assert opens_at > now and not is_allowed(rules, opens_at - timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("hours", "now", "opens_at"),
    [
        pytest.param("07:00-17:00", "2026-11-27T15:59:59", None, id="Friday before the end"),
        pytest.param("07:00-17:00", "2026-11-27T16:00", "2026-11-30T06:00", id="weekend"),
        pytest.param("07:00-17:00", "2026-03-28T12:00", "2026-03-30T05:00", id="summer time starts"),
        pytest.param("07:00-17:00", "2026-10-24T12:00", "2026-10-26T06:00", id="summer time ends"),
        pytest.param("22:00-04:00", "2026-11-28T02:59", None, id="Friday's window on Saturday morning"),
        pytest.param("22:00-04:00", "2026-11-28T03:00", "2026-11-30T21:00", id="Saturday is not in the days"),
        pytest.param("00:00-24:00", "2026-11-29T22:59", "2026-11-29T23:00", id="whole days"),
    ],
)
def test_office_hours(hours, now, opens_at):
    "Windows in Oslo from Monday to Friday open and close at the local times."
    state = ApplyWindows(windows=(Window(WORKDAYS, *minutes(hours), OSLO),)).state(utc(now))

    assert state.opens_at == (opens_at and utc(opens_at))


@pytest.mark.parametrize(
    ("hours", "now", "opens_at"),
    [
        pytest.param("02:30-04:00", "2026-03-29T00:30", "2026-03-29T01:00", id="the start is skipped"),
        pytest.param("02:15-02:45", "2026-03-29T00:30", "2026-03-30T00:15", id="the whole window is skipped"),
        pytest.param("02:15-02:45", "2026-10-25T00:00", "2026-10-25T00:15", id="first opening"),
        pytest.param("02:15-02:45", "2026-10-25T00:45", "2026-10-25T01:15", id="second opening"),
        pytest.param("01:00-02:30", "2026-10-25T00:45", "2026-10-25T01:00", id="opened by the clock change"),
    ],
)
def test_clock_changes(hours, now, opens_at):
    "A window is open exactly while the clock shows a time within its hours."
    state = ApplyWindows(windows=(Window(EVERY_DAY, *minutes(hours), OSLO),)).state(utc(now))

    assert state.opens_at == utc(opens_at)


def test_adjacent_freezes():
    "The next opening is after all freezes that follow each other. The reported freeze is the one that ends last."
    first = Freeze(utc("2026-11-20T00:00"), utc("2026-11-27T00:00"), "Black Week")
    longer = Freeze(utc("2026-11-21T00:00"), utc("2026-11-28T00:00"), "migration")
    last = Freeze(utc("2026-11-28T00:00"), utc("2026-11-29T00:00"), "stocktaking")
    rules = ApplyWindows((last, first, longer))

    state = rules.state(utc("2026-11-22T00:00"))

    assert (state.freeze, state.opens_at, state.next_freeze) == (longer, last.end, last)
    assert "migration" in state.sentences() and "2026-11-29 00:00 UTC" in state.sentences()
    before = rules.state(utc("2026-11-19T00:00"))
    assert before.is_allowed and before.next_freeze == first and "Black Week" in before.sentences()


def test_freeze_ends_outside_windows():
    "If a freeze ends on a weekend, plans can be applied when the next window opens."
    freeze = Freeze(utc("2026-11-27T00:00"), utc("2026-11-28T12:00"), "Black Friday")
    rules = ApplyWindows((freeze,), (Window(WORKDAYS, *minutes("07:00-17:00"), OSLO),))

    assert rules.state(utc("2026-11-27T10:00")).opens_at == utc("2026-11-30T06:00")
    outside = rules.state(utc("2026-11-28T13:00"))
    assert outside.freeze is None and outside.opens_at == utc("2026-11-30T06:00")


@pytest.mark.parametrize(
    ("zone", "local", "last", "expected"),
    [
        pytest.param("Europe/Oslo", "2026-06-01T00:00", False, "2026-05-31T22:00", id="summer"),
        pytest.param("Europe/Oslo", "2026-03-29T02:30", False, "2026-03-29T01:00", id="skipped time"),
        pytest.param("Europe/Oslo", "2026-10-25T02:30", False, "2026-10-25T00:30", id="first of two"),
        pytest.param("Europe/Oslo", "2026-10-25T02:30", True, "2026-10-25T01:30", id="second of two"),
        pytest.param("Asia/Beirut", "2024-03-31T00:00", False, "2024-03-30T22:00", id="skipped midnight"),
        pytest.param("Pacific/Apia", "2011-12-30T12:00", False, "2011-12-30T10:00", id="skipped day"),
    ],
)
def test_to_instant(zone, local, last, expected):
    "A local time is converted to UTC. The expected times are from the published clock changes."
    assert to_instant(datetime.fromisoformat(local), ZoneInfo(zone), last=last) == utc(expected)


@pytest.mark.parametrize(
    ("days", "start", "end"), [((), 0, 60), ((0,), 60, 60), ((0,), 1440, 60), ((0,), 0, 1441), ((0,), 60, 0)]
)
def test_invalid_window(days, start, end):
    "A window without days, without duration, or with impossible times is rejected."
    with pytest.raises(ValueError):
        Window(frozenset(days), start, end, OSLO)
