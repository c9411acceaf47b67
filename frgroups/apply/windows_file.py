"""Read the file with the freeze periods and apply windows of a tenant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import msgspec

from frgroups.apply.apply_windows import DAY_NAMES, MINUTES_PER_DAY, ApplyWindows, Freeze, Window, to_instant
from frgroups.errors import InputError
from frgroups.internals.formatting import escape_invisible, format_list
from frgroups.internals.paths import data_subdir, home, tenant_folder
from frgroups.internals.redaction import safe_repr
from frgroups.internals.suggestions import did_you_mean
from frgroups.internals.toml_files import NonblankText, describe_invalid, read_toml
from frgroups.plan.suppression_list import HasTenant

WINDOWS_FILE = "windows.toml"
_HOURS = re.compile(r"(\d\d?):([0-5]\d)\s*-\s*(\d\d?):([0-5]\d)")
_YEARS = range(2000, 3000)  # A year after 2999 could cause an overflow when the next opening is computed.
_KEYS = (
    "The file can contain the key timezone and the tables [[freeze]] and [[window]], with two brackets. A freeze has "
    "the keys from, to, and reason, and a window has the keys days and hours. Both can have the key timezone."
)


class _FreezeTable(msgspec.Struct, forbid_unknown_fields=True):
    start: object = msgspec.field(name="from")
    end: object = msgspec.field(name="to")
    reason: NonblankText
    timezone: str = ""


class _WindowTable(msgspec.Struct, forbid_unknown_fields=True):
    days: str | list[str]
    hours: str
    timezone: str = ""


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    """Keys and value types of the file with freeze periods and apply windows."""

    timezone: str = ""
    freeze: list[_FreezeTable] = []
    window: list[_WindowTable] = []


def apply_windows_path(tenant: HasTenant) -> Path:
    """
    Return the path of the file with a tenant's freeze periods and apply windows.

    The file does not exist until you create it. `apply_plan` reads the file before each run. During a freeze or while
    no window is open, `apply_plan` raises ApplyWindowError and sends nothing. If the file is invalid, `apply_plan`
    raises InputError.

    Parameters
    ----------
    tenant : Snapshot, Plan or Client
        A snapshot, plan, or client of the tenant.

    Returns
    -------
    Path
        The path of the TOML file. It depends on the uid and the host of the tenant.

    See Also
    --------
    override_windows : Allow one plan to be applied during a freeze or outside the windows.

    Notes
    -----
    An example of the file::

        timezone = "Europe/Oslo"

        [[freeze]]
        from = 2026-11-20
        to = 2026-11-30
        reason = "Black Week"

        [[window]]
        days = "mon-fri"
        hours = "07:00-17:00"

    If the file has no `[[window]]`, plans can always be applied outside the freezes. If the file has several windows,
    at least one of them must be open.

    `from` and `to` are dates or date-times. A freeze from one date to another includes both days completely. A
    date-time without a UTC offset is a local time. `timezone` is the name of a timezone in the IANA database. It is
    required for dates, local times, and windows. A table can have its own `timezone`.

    `days` is a day, a range such as "mon-fri", or a list of days and ranges. If the window closes after midnight, as
    in "22:00-04:00", `days` contains the days on which it opens.

    Examples
    --------
    >>> path = apply_windows_path(sample_snapshot())
    >>> path.relative_to(home()).as_posix()
    'tenants/t-1@tables/windows.toml'
    """
    return data_subdir("tenants") / tenant_folder(tenant.tenant_uid, tenant.base_url) / WINDOWS_FILE


def read_windows(tenant: HasTenant) -> ApplyWindows:
    """
    Return the freeze periods and apply windows of a tenant.

    If the file does not exist, plans can always be applied.

    Raises
    ------
    InputError
        The file is invalid or cannot be read, or a file with this name is in the data folder itself instead of the
        tenant's folder.
    """
    path = apply_windows_path(tenant)
    misplaced = home() / WINDOWS_FILE
    if misplaced.exists():
        raise InputError(f"The file {misplaced} is not in the folder of a tenant. Move it to {path}.")
    try:
        # `lstat` does not follow links.
        # A link to a missing file shows that windows were set up, so reading the file must raise an error.
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return ApplyWindows()
    except OSError as error:
        raise InputError(f"Cannot read the apply windows {path}: {error.strerror or error}.") from error
    return _read_windows_file(path)


def _read_windows_file(path: Path) -> ApplyWindows:
    document, _ = read_toml(path, "apply windows")
    try:
        content = msgspec.convert(document, _Content)
    except msgspec.ValidationError as error:
        raise InputError(f"{path} is invalid: {describe_invalid(error)}. {_KEYS}") from error
    freezes: list[Freeze] = []
    windows: list[Window] = []
    for freeze in content.freeze:
        with _located(path, "freeze", len(freezes) + 1):
            freezes.append(_to_freeze(freeze, freeze.timezone or content.timezone))
    for window in content.window:
        with _located(path, "window", len(windows) + 1):
            windows.append(_to_window(window, window.timezone or content.timezone))
    return ApplyWindows(tuple(freezes), tuple(windows))


@contextmanager
def _located(path: Path, table: str, number: int) -> Iterator[None]:
    """Raise InputError with the path and the number of the table if the values in the table are invalid."""
    try:
        yield
    except ValueError as error:
        raise InputError(f"{path} is invalid: [[{table}]] number {number}: {error}") from error


def _to_freeze(table: _FreezeTable, timezone: str) -> Freeze:
    start, end = _to_date_or_time(table.start, "from"), _to_date_or_time(table.end, "to")
    reason = escape_invisible(table.reason.strip())
    if not isinstance(end, datetime):
        end += timedelta(days=1)  # The freeze includes the last day.
        return Freeze(_to_utc(start, timezone), _to_utc(end, timezone), reason)
    return Freeze(_to_utc(start, timezone), _to_utc(end, timezone, last=True), reason)


def _to_date_or_time(value: object, name: str) -> date | datetime:
    parsed = value
    if isinstance(value, str):
        with suppress(ValueError):
            parsed = datetime.fromisoformat(value)
            parsed = date.fromisoformat(value)  # This call raises ValueError if the string also contains a time.
    if not isinstance(parsed, date) or parsed.year not in _YEARS:
        raise ValueError(
            f"`{name}` must be a date such as 2026-11-20 or a date-time such as 2026-11-20T12:00:00+01:00, got "
            f"{safe_repr(value)}."
        )
    return parsed


def _to_utc(value: date | datetime, timezone: str, *, last: bool = False) -> datetime:
    """Convert a time or the start of a day to UTC. If the local time occurs twice, `last` selects the second time."""
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if value.tzinfo is not None:
        return value.astimezone(UTC)
    return to_instant(value, _to_zone(timezone), last=last)


def _to_window(table: _WindowTable, timezone: str) -> Window:
    hours = _HOURS.fullmatch(table.hours.strip())
    if hours is None:
        raise ValueError(
            f"`hours` must be two times such as 07:00-17:00, got {safe_repr(table.hours)}. For several periods on a "
            "day, write several [[window]] tables."
        )
    start, end = 60 * int(hours[1]) + int(hours[2]), 60 * int(hours[3]) + int(hours[4])
    if end == 0 and start > 0:
        end = MINUTES_PER_DAY
    return Window(_to_days(table.days), start, end, _to_zone(timezone))


def _to_days(value: str | list[str]) -> frozenset[int]:
    """Convert names and ranges of days, such as "mon-fri", to numbers. Ranges such as "sat-mon" are allowed."""
    parts = [value] if isinstance(value, str) else value
    days: set[int] = set()
    for part in ",".join(parts).split(","):
        names = [name.strip().lower() for name in part.split("-")]
        if len(names) > 2 or any(name not in DAY_NAMES for name in names):
            raise ValueError(
                f"`days` must contain days or ranges of days such as mon-fri, got {safe_repr(part.strip())}. The "
                f"days are {format_list(DAY_NAMES)}."
            )
        first, last = DAY_NAMES.index(names[0]), DAY_NAMES.index(names[-1])
        days |= {(first + n) % 7 for n in range((last - first) % 7 + 1)}
    return frozenset(days)


def _to_zone(name: str) -> ZoneInfo:
    if not name.strip():
        raise ValueError('A timezone is required. Add a key such as timezone = "Europe/Oslo".')
    with suppress(KeyError, ValueError, OSError):  # ZoneInfo raises different types for an invalid name.
        return ZoneInfo(name)
    zones = available_timezones()
    if not zones:
        raise ValueError("This machine has no timezone database. Install the Python package tzdata.")
    suggestions = did_you_mean(difflib.get_close_matches(name, sorted(zones), n=1))
    raise ValueError(f"{safe_repr(name)} is not a timezone such as 'Europe/Oslo' or 'UTC'.{suggestions}")
