"""Tests for the file with the freeze periods and apply windows of a tenant."""

from datetime import UTC, datetime

import pytest

import frgroups as fg
from frgroups.apply.windows_file import read_windows
from frgroups.errors import InputError
from tests.windows import write_windows

SNAPSHOT = fg.sample_snapshot()
FREEZE = '[[freeze]]\nfrom = {start}\nto = {end}\nreason = "Black Week"\n'
WINDOW = '[[window]]\ndays = {days}\nhours = "{hours}"\n'
OSLO = 'timezone = "Europe/Oslo"\n'


def freeze(start, end, timezone=OSLO):
    """Return the first instant of a freeze and the first instant after it, as text."""
    write_windows(timezone + FREEZE.format(start=start, end=end), SNAPSHOT)
    [read] = read_windows(SNAPSHOT).freezes
    assert read.reason == "Black Week"
    return read.start.isoformat().removesuffix(":00+00:00"), read.end.isoformat().removesuffix(":00+00:00")


def test_no_file():
    "Without a file, and with an empty file, plans can always be applied."
    now = datetime.now(UTC)
    assert read_windows(SNAPSHOT).is_allowed(now)

    write_windows("", SNAPSHOT)

    assert read_windows(SNAPSHOT).is_allowed(now)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        pytest.param("2026-11-20", "2026-11-30", ("2026-11-19T23:00", "2026-11-30T23:00"), id="whole days"),
        pytest.param("2026-11-20", "2026-11-20", ("2026-11-19T23:00", "2026-11-20T23:00"), id="one day"),
        pytest.param("2026-03-29", "2026-03-29", ("2026-03-28T23:00", "2026-03-29T22:00"), id="day of 23 hours"),
        pytest.param('"2026-11-20"', '"2026-11-30"', ("2026-11-19T23:00", "2026-11-30T23:00"), id="texts"),
        pytest.param("2026-11-20T12:00:00", "2026-11-30", ("2026-11-20T11:00", "2026-11-30T23:00"), id="local time"),
        pytest.param(
            "2026-11-20T12:00:00+02:00",
            "2026-11-20T12:00:00Z",
            ("2026-11-20T10:00", "2026-11-20T12:00"),
            id="offsets",
        ),
        pytest.param(
            "2026-10-25T02:30:00",
            "2026-10-25T02:30:00",
            ("2026-10-25T00:30", "2026-10-25T01:30"),
            id="time shown twice",
        ),
    ],
)
def test_freeze_times(start, end, expected):
    "Dates include both days completely. A local time that the clock shows twice is in the freeze both times."
    assert freeze(start, end) == expected


def test_freeze_with_offsets_needs_no_timezone():
    "A freeze needs no timezone if both times have an offset. The timezone of a table replaces that of the file."
    assert freeze("2026-11-20T12:00:00Z", "2026-11-21T12:00:00Z", timezone="") == (
        "2026-11-20T12:00",
        "2026-11-21T12:00",
    )
    write_windows(
        OSLO + FREEZE.format(start="2026-11-20", end="2026-11-20") + 'timezone = "America/New_York"\n', SNAPSHOT
    )

    [read] = read_windows(SNAPSHOT).freezes

    assert read.start == datetime(2026, 11, 20, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("days", "numbers"),
    [
        ('"mon-fri"', {0, 1, 2, 3, 4}),
        ('"Mon - Wed, SAT"', {0, 1, 2, 5}),
        ('["mon", "thu-fri"]', {0, 3, 4}),
        ('"sat-mon"', {5, 6, 0}),
        ('"sun"', {6}),
        ('"mon-sun"', set(range(7))),
    ],
)
def test_days(days, numbers):
    "Days are names, ranges, and lists of both. A range can include the end of the week."
    write_windows(OSLO + WINDOW.format(days=days, hours="07:00-17:00"), SNAPSHOT)

    [window] = read_windows(SNAPSHOT).windows

    assert window.days == numbers and (window.start, window.end) == (420, 1020)


@pytest.mark.parametrize(
    ("hours", "start", "end"),
    [("22:00-04:00", 1320, 240), ("00:00-24:00", 0, 1440), ("7:00 - 9:30", 420, 570), ("22:00-00:00", 1320, 1440)],
)
def test_hours(hours, start, end):
    "Hours are two times of a day. The second time can be on the next day."
    write_windows(OSLO + WINDOW.format(days='"mon"', hours=hours), SNAPSHOT)

    [window] = read_windows(SNAPSHOT).windows

    assert (window.start, window.end) == (start, end)


GOOD_FREEZE = FREEZE.format(start="2026-11-20", end="2026-11-30")
GOOD_WINDOW = WINDOW.format(days='"mon-fri"', hours="07:00-17:00")
INVALID = {
    "not TOML": ("[[freeze]\n", "TOML"),
    "one bracket": (OSLO + GOOD_FREEZE.replace("[[freeze]]", "[freeze]"), "$.freeze"),
    "other table": (OSLO + GOOD_WINDOW.replace("window", "windows"), "windows"),
    "other key": (OSLO + GOOD_FREEZE + 'until = "2026"\n', "until"),
    "freeze without timezone": (GOOD_FREEZE, "timezone"),
    "window without timezone": (GOOD_WINDOW, "timezone"),
    "unknown timezone": (GOOD_WINDOW + 'timezone = "Europe/Olso"\n', "Europe/Oslo"),
    "folder of timezones": (GOOD_WINDOW + 'timezone = "Europe"\n', "timezone"),
    "path as timezone": (GOOD_WINDOW + 'timezone = "../UTC"\n', "timezone"),
    "freeze without reason": (OSLO + GOOD_FREEZE.replace('reason = "Black Week"', ""), "`reason`"),
    "blank reason": (OSLO + GOOD_FREEZE.replace("Black Week", " "), "$.freeze[0].reason"),
    "freeze without end": (OSLO + GOOD_FREEZE.replace("to = 2026-11-30", ""), "`to`"),
    "reversed freeze": (OSLO + FREEZE.format(start="2026-11-30", end="2026-11-20"), "later"),
    "time as date": (OSLO + FREEZE.format(start="07:00:00", end="2026-11-20"), "from"),
    "text as date": (OSLO + FREEZE.format(start='"today"', end="2026-11-20"), "from"),
    "number as date": (OSLO + FREEZE.format(start="2026", end="2026-11-20"), "from"),
    "distant year": (OSLO + FREEZE.format(start="2026-11-20", end="9999-12-31"), "`to`"),
    "day": (OSLO + WINDOW.format(days='"mon-friday"', hours="07:00-17:00"), "days"),
    "no day": (OSLO + WINDOW.format(days="[]", hours="07:00-17:00"), "days"),
    "two hyphens": (OSLO + WINDOW.format(days='"mon-wed-fri"', hours="07:00-17:00"), "days"),
    "one hour": (OSLO + WINDOW.format(days='"mon"', hours="07:00"), "hours"),
    "equal hours": (OSLO + WINDOW.format(days='"mon"', hours="07:00-07:00"), "hours"),
    "hour 25": (OSLO + WINDOW.format(days='"mon"', hours="07:00-25:00"), "hours"),
    "no hours": (OSLO + '[[window]]\ndays = "mon"\n', "`hours`"),
}


@pytest.mark.parametrize("case", INVALID)
def test_invalid_file(case):
    "An invalid file raises InputError with its path and the invalid part."
    text, part = INVALID[case]
    path = write_windows(text, SNAPSHOT)

    with pytest.raises(InputError) as caught:
        read_windows(SNAPSHOT)

    assert str(path) in str(caught.value) and part in str(caught.value).replace(str(path), "")


def test_location_of_an_invalid_table():
    "The error names the number of the invalid table."
    write_windows(OSLO + GOOD_WINDOW + WINDOW.format(days='"mon"', hours="x"), SNAPSHOT)

    with pytest.raises(InputError, match=r"\[\[window\]\] number 2\b"):
        read_windows(SNAPSHOT)


def test_file_that_cannot_be_read(home_folder):
    "A folder, a symbolic link to a missing file, and a file in the wrong folder are errors and are not ignored."
    path = fg.apply_windows_path(SNAPSHOT)
    path.mkdir(parents=True)
    with pytest.raises(InputError, match="folder"):
        read_windows(SNAPSHOT)
    path.rmdir()
    path.symlink_to(home_folder / "missing.toml")
    with pytest.raises(InputError, match=path.name):
        read_windows(SNAPSHOT)
    path.unlink()
    (home_folder / "windows.toml").write_text("")

    with pytest.raises(InputError) as caught:
        read_windows(SNAPSHOT)

    assert str(path) in str(caught.value)


def test_one_file_per_tenant():
    "The file of a tenant does not affect other tenants or other hosts."
    write_windows("invalid", SNAPSHOT)
    other = fg.snapshot_from_frames(
        SNAPSHOT.memberships, tenant_uid="t-1", base_url="https://api.example.test", taken_at=datetime.now(UTC)
    )

    assert read_windows(other).windows == ()
