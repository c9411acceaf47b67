"""
Decide from freeze periods and apply windows whether a plan can be applied at a given time.

A window is open while the local time in the window's timezone is within the window's hours. If the clock is set back,
the window can therefore open twice on that day. If the clock is set forward, the window can open late or remain
closed on that day.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from frgroups.internals.formatting import format_list, format_utc

_LONG_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES_PER_DAY = 24 * 60
# `next_opening` searches this number of days.
# A window opens at least once a week, and a clock change can skip one opening, but not the openings of two successive
# weeks.
_SEARCH_DAYS = 16
_OFFSET_STEP = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Freeze:
    """
    A period in which no plan is applied.

    Attributes
    ----------
    start, end
        First instant of the freeze, and first instant after it, in UTC.
    reason
        Reason for the freeze.
    """

    start: datetime
    end: datetime
    reason: str

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ValueError("`to` must be later than `from`.")

    def contains(self, instant: datetime) -> bool:
        """Return True if the freeze is in force at an instant."""
        return self.start <= instant < self.end


@dataclass(frozen=True, slots=True)
class Window:
    """
    Weekly hours in which plans can be applied.

    Attributes
    ----------
    days
        Numbers of the days of the week on which the window opens. Monday is 0.
    start, end
        Opening time and closing time, in minutes after midnight. If `end` is less than `start`, the window closes on
        the next day.
    zone
        Timezone of the days and hours.
    """

    days: frozenset[int]
    start: int
    end: int
    zone: ZoneInfo

    def __post_init__(self) -> None:
        if not self.days:
            raise ValueError("`days` must contain at least one day.")
        if self.start == self.end:
            raise ValueError("`hours` must not start and end at the same time. For the whole day, use 00:00-24:00.")
        if not (0 <= self.start < MINUTES_PER_DAY and 0 < self.end <= MINUTES_PER_DAY):
            raise ValueError("`hours` must be between 00:00 and 24:00, and a window must not open at 24:00.")

    def __str__(self) -> str:
        """
        Return the days, the hours, and the timezone in words.

        Examples
        --------
        >>> print(Window(frozenset({0, 1, 2, 3, 6}), 22 * 60, 4 * 60, ZoneInfo("Europe/Oslo")))
        Monday to Thursday and Sunday, 22:00-04:00 (Europe/Oslo)
        """
        hours = [f"{minutes // 60:02}:{minutes % 60:02}" for minutes in (self.start, self.end)]
        return f"{format_list(_day_ranges(self.days))}, {'-'.join(hours)} ({self.zone.key})"

    def contains(self, instant: datetime) -> bool:
        """Return True if the window is open at an instant."""
        local = instant.astimezone(self.zone)
        minute, day = 60 * local.hour + local.minute, local.weekday()
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end
        is_evening = day in self.days and minute >= self.start
        is_morning = (day - 1) % 7 in self.days and minute < self.end
        return is_evening or is_morning

    def next_opening(self, after: datetime) -> datetime:
        """
        Return the first instant after `after` at which the window opens. The window must be closed at `after`.

        A window opens only when the local time reaches the opening time, or when the clock is changed.
        """
        last = after + timedelta(days=_SEARCH_DAYS)
        candidates = [*self._starts(after), *_offset_changes(self.zone, after, last)]
        return min(instant for instant in candidates if instant > after and self.contains(instant))

    def _starts(self, after: datetime) -> Iterator[datetime]:
        """Yield the instants at which the local time equals the opening time, beginning on the day before `after`."""
        today = after.astimezone(self.zone).date()
        opening_time = time(*divmod(self.start, 60))
        for n_days in range(-1, _SEARCH_DAYS):
            local = datetime.combine(today + timedelta(days=n_days), opening_time)
            for fold in (0, 1):  # When the clock is set back, a local time can occur twice.
                yield local.replace(tzinfo=self.zone, fold=fold).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class WindowState:
    """
    Result of a check that determines whether plans can be applied at an instant.

    Attributes
    ----------
    freeze
        The freeze that is in force, or None. If several freezes are in force, the value is the freeze that ends last.
    opens_at
        First instant at which plans can be applied, in UTC. None means that plans can be applied now.
    next_freeze
        The freeze that starts next, or None.
    """

    freeze: Freeze | None = None
    opens_at: datetime | None = None
    next_freeze: Freeze | None = None

    @property
    def is_allowed(self) -> bool:
        """True if plans can be applied."""
        return self.opens_at is None

    def sentences(self) -> str:
        """
        Return one or two sentences that describe whether and when plans can be applied.

        Examples
        --------
        >>> WindowState().sentences()
        'Plans can be applied now.'
        >>> until = datetime(2026, 12, 1, tzinfo=UTC)
        >>> WindowState(Freeze(until - timedelta(days=1), until, "Black Week"), until).sentences()
        'A freeze is in force until 2026-12-01 00:00 UTC: Black Week. Plans can be applied from 2026-12-01 00:00 UTC.'
        """
        if self.opens_at is None:
            text = "Plans can be applied now."
            if self.next_freeze is not None:
                start = format_utc(self.next_freeze.start)
                text += f" The next freeze starts at {start}: {_as_sentence(self.next_freeze.reason)}"
            return text
        text = "No apply window is open."
        if self.freeze is not None:
            text = f"A freeze is in force until {format_utc(self.freeze.end)}: {_as_sentence(self.freeze.reason)}"
        return f"{text} Plans can be applied from {format_utc(self.opens_at)}."


@dataclass(frozen=True, slots=True)
class ApplyWindows:
    """
    Freezes and apply windows of a tenant.

    A plan can be applied if no freeze is in force and at least one window is open. If there are no windows, plans can
    always be applied outside the freezes.

    Attributes
    ----------
    freezes, windows
        The freezes and the windows of the tenant. By default, both are empty.
    """

    freezes: tuple[Freeze, ...] = ()
    windows: tuple[Window, ...] = ()

    def is_allowed(self, instant: datetime) -> bool:
        """Return True if plans can be applied at an instant."""
        return self._freeze_at(instant) is None and self._is_window_open(instant)

    def state(self, now: datetime) -> WindowState:
        """
        Return the freeze in force, the first instant at which plans can be applied, and the next freeze.

        Examples
        --------
        >>> office_hours = Window(frozenset({0, 1, 2, 3, 4}), 7 * 60, 17 * 60, ZoneInfo("Europe/Oslo"))
        >>> saturday = datetime(2026, 11, 28, tzinfo=UTC)
        >>> ApplyWindows(windows=(office_hours,)).state(saturday).opens_at.isoformat()
        '2026-11-30T06:00:00+00:00'
        """
        coming = [freeze for freeze in self.freezes if freeze.start > now]
        next_freeze = min(coming, key=lambda freeze: freeze.start, default=None)
        if self.is_allowed(now):
            return WindowState(next_freeze=next_freeze)
        return WindowState(self._freeze_at(now), self._next_opening(now), next_freeze)

    def _freeze_at(self, instant: datetime) -> Freeze | None:
        """Return the freeze that is in force at an instant and ends last, or None."""
        in_force = [freeze for freeze in self.freezes if freeze.contains(instant)]
        return max(in_force, key=lambda freeze: freeze.end, default=None)

    def _is_window_open(self, instant: datetime) -> bool:
        return not self.windows or any(window.contains(instant) for window in self.windows)

    def _next_opening(self, now: datetime) -> datetime:
        """Return the first instant, not before `now`, at which plans can be applied."""
        instant = now
        while not self.is_allowed(instant):
            freeze = self._freeze_at(instant)
            if freeze is not None:
                instant = freeze.end
            else:
                instant = min(window.next_opening(instant) for window in self.windows)
        return instant


def to_instant(local: datetime, zone: ZoneInfo, *, last: bool = False) -> datetime:
    """
    Convert a local time in a timezone to an instant in UTC.

    If the local time occurs twice, `last` selects the second instant. If a clock change skips the local time, the
    instant of the clock change is returned.

    Examples
    --------
    >>> to_instant(datetime(2026, 3, 29, 2, 30), ZoneInfo("Europe/Oslo")).isoformat()
    '2026-03-29T01:00:00+00:00'
    """
    instants = sorted(local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if instants[0].astimezone(zone).replace(tzinfo=None, fold=0) != local:
        return _offset_change(zone, *instants)
    return instants[-1 if last else 0]


def _day_ranges(days: frozenset[int]) -> list[str]:
    """Return the names of the given days. Three or more successive days are combined into one range."""
    if len(days) == len(DAY_NAMES):
        return ["every day"]
    ranges: list[list[int]] = []
    for day in sorted(days):
        if ranges and day == ranges[-1][-1] + 1:
            ranges[-1].append(day)
        else:
            ranges.append([day])
    names = []
    for numbers in ranges:
        if len(numbers) > 2:
            names.append(f"{_LONG_NAMES[numbers[0]]} to {_LONG_NAMES[numbers[-1]]}")
        else:
            names += [_LONG_NAMES[number] for number in numbers]
    return names


def _offset_changes(zone: ZoneInfo, first: datetime, last: datetime) -> Iterator[datetime]:
    """Yield the instants between two instants at which the UTC offset of a timezone changes."""
    instant = first.astimezone(UTC)
    while instant < last:
        later = instant + _OFFSET_STEP
        if _offset(zone, instant) != _offset(zone, later):
            yield _offset_change(zone, instant, later)
        instant = later


def _offset_change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """Return the second at which a timezone's UTC offset changes. Exactly one change must be between the instants."""
    low, high = int(before.timestamp()), int(after.timestamp())
    old_offset = _offset(zone, before)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, datetime.fromtimestamp(middle, UTC)) == old_offset:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)


def _offset(zone: ZoneInfo, instant: datetime) -> timedelta | None:
    return instant.astimezone(zone).utcoffset()


def _as_sentence(reason: str) -> str:
    """Return the reason for a freeze with exactly one final period."""
    return f"{reason.removesuffix('.')}."
