"""Status of the newest stored snapshot of each tenant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from frgroups.api.tenants_config import Tenant, config_path, find_tenant, read_tenants
from frgroups.errors import CorruptFileError, InputError
from frgroups.internals.formatting import agree, format_age, format_duration, pluralize
from frgroups.internals.paths import parse_tenant_folder, tenant_folder
from frgroups.internals.timestamps import parse_duration
from frgroups.load.load_result import warning_of_newest
from frgroups.store.manifest import StoredSnapshot, list_stored_snapshots
from frgroups.store.retention import list_snapshots

# Maximum time by which a timestamp can be in the future without a warning about the clock.
_MAX_CLOCK_SKEW = timedelta(minutes=5)
_COLUMNS = {
    "name": "str",
    "tenant_uid": "str",
    "host": "str",
    "base_url": "str",
    "in_config": "bool",
    "taken_at": "datetime64[us, UTC]",
    "age": "str",
    "verdict": "str",
    "n_groups": "Int64",
    "n_customers": "Int64",
    "n_memberships": "Int64",
    "n_snapshots": "int64",
    "size_bytes": "int64",
    "total_bytes": "int64",
    "ok": "bool",
    "problem": "str",
    "detail": "str",
    "path": "str",
}


def tenant_status(
    cache: str | Path | None = None,
    *,
    names: Sequence[str] | None = None,
    path: str | Path | None = None,
    max_age: timedelta | str = "24h",
    now: datetime | None = None,
) -> pd.DataFrame:
    """
    Return the age, verdict, and size of the newest stored snapshot of each tenant.

    No requests are sent. Tenants that were never loaded come first, followed by the tenants with the oldest
    snapshots.

    Parameters
    ----------
    cache
        Folder of the snapshots. None means the folder `snapshots` in the data folder.
    names
        Names of the tenants in `tenants.toml` to include. None includes all tenants in the file and all other tenants
        with stored snapshots.
    path
        Path of the configuration file. None means `tenants.toml` in the data folder, which does not have to exist.
    max_age
        Maximum age of a fresh snapshot, as a timedelta or a string. The default is 24 hours.
    now
        Time relative to which ages are calculated, with a time zone. None is the current time.

    Returns
    -------
    DataFrame
        One row per tenant, with the following columns:

        - `name`, `tenant_uid`, `host`, `base_url` (str) identify the tenant. `in_config` (bool) is True if the tenant
          is in `tenants.toml`.
        - `taken_at` (datetime64[us, UTC]), `age` (str, for example "3 h"), `verdict` and `path` (str), `n_groups`,
          `n_customers`, and `n_memberships` (Int64), and `size_bytes` (int64) describe the newest snapshot.
        - `n_snapshots` and `total_bytes` (int64) describe all stored snapshots of the tenant.
        - `ok` (bool) is True if no problem was found.
        - `problem` (str) contains the problems, separated by commas: "config", "never loaded", "damaged", "old",
          "drifted", "unverifiable", "smaller", and "clock". It is empty for a tenant without problems. "smaller"
          means that the newest snapshot contains fewer than half of the groups or memberships of the previous one.
        - `detail` (str) describes the problems.

    Raises
    ------
    InputError
        If `now` has no time zone, `max_age` is not a duration, or a name is not in the configuration file.

    Examples
    --------
    >>> path = save_snapshot(sample_snapshot())
    >>> table = tenant_status(now=sample_snapshot().taken_at + timedelta(hours=3))
    >>> table[["tenant_uid", "host", "age", "verdict", "ok"]].values.tolist()
    [['t-1', 'tables', '3 h', 'unverifiable', False]]
    """
    limit = parse_duration(max_age)
    if now is None:
        now = datetime.now(UTC)
    if now.tzinfo is None:
        raise InputError(f"`now` must have a time zone, got {now!r}. Use, for example, datetime.now(UTC).")
    damaged: defaultdict[str, list[str]] = defaultdict(list)
    stored = list_stored_snapshots(cache, on_damage=lambda folder, _: damaged[folder.parent.name].append(folder.name))
    newest = {snapshot.path.parent.name: snapshot for snapshot in stored}
    snapshots = list_snapshots(cache)
    snapshots["folder"] = [Path(path).parent.name for path in snapshots["path"]]
    tenants = _configured_tenants(names, path)
    if names is None:
        configured = {tenant.folder for tenant in tenants}
        other_folders = sorted({*newest, *damaged} - configured)
        tenants += [_unconfigured_tenant(folder, newest.get(folder)) for folder in other_folders]
    rows = []
    for tenant in tenants:
        own = snapshots[snapshots["folder"] == tenant.folder]
        problems = _tenant_problems(tenant, newest.get(tenant.folder), damaged.get(tenant.folder, []), now, limit)
        warning = warning_of_newest(own)
        if warning:
            problems["smaller"] = warning
        rows.append(_snapshot_columns(tenant, own) | _status_columns(newest.get(tenant.folder), problems, now))
    table = pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)
    return table.sort_values(["taken_at", "name", "tenant_uid"], na_position="first", ignore_index=True)


def never_loaded_status(tenant_uid: str, base_url: str | None) -> pd.DataFrame:
    """
    Return the status table of a tenant that has no stored snapshot.

    Examples
    --------
    >>> never_loaded_status("t-1", None)["problem"].tolist()
    ['never loaded']
    """
    tenant = _TenantEntry(
        tenant_folder(tenant_uid, base_url), "", tenant_uid, base_url or "", urlsplit(base_url or "").netloc
    )
    row = _snapshot_columns(tenant, pd.DataFrame({"size_bytes": []}))
    now = datetime.now(UTC)
    row |= _status_columns(None, _tenant_problems(tenant, None, [], now, timedelta(0)), now)
    return pd.DataFrame([row], columns=list(_COLUMNS)).astype(_COLUMNS)


def configured_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return the status rows of the tenants in `tenants.toml`. If no tenant is in this file, return all rows."""
    if not table["in_config"].any():
        return table
    return table[table["in_config"]]


def status_summary(table: pd.DataFrame) -> str:
    """
    Return a sentence with the number of tenants that have a fresh and consistent snapshot without other problems.

    Examples
    --------
    >>> status_summary(tenant_status(names=[]))
    'No tenant is configured, and no snapshots are stored.'
    """
    own = configured_rows(table)
    if own.empty:
        return "No tenant is configured, and no snapshots are stored."
    n_ok, n_others = int(own["ok"].sum()), len(table) - len(own)
    tenants = f"{n_ok:,} of {pluralize(len(own), 'tenant')}"
    summary = f"{tenants} have a fresh and consistent snapshot without problems"
    if 1 in (n_ok, len(own)):
        summary = f"{tenants} has a fresh and consistent snapshot without problems"
    if n_others:
        others = agree(n_others, "other tenant on disk is", "other tenants on disk are")
        summary += f"; {n_others:,} {others} not in tenants.toml"
    return f"{summary}."


@dataclass(frozen=True, slots=True)
class _TenantEntry:
    """
    A tenant that is listed in `tenants.toml` or has a folder of stored snapshots.

    The attribute `problem` describes an error in the configuration of the tenant.
    """

    folder: str
    name: str = ""
    tenant_uid: str = ""
    base_url: str = ""
    host: str = ""
    in_config: bool = False
    problem: str = ""


def _configured_tenants(names: Sequence[str] | None, path: str | Path | None) -> list[_TenantEntry]:
    """Return all tenants in the configuration file, or only the tenants with the given names."""
    if not names and path is None and not config_path().exists():
        return []
    configured = read_tenants(path)
    for name in names or ():
        if name not in configured:
            # Call `find_tenant` only for its error, which suggests similar names.
            find_tenant(name, path)
    return [_tenant_entry(name, tenant) for name, tenant in configured.items() if names is None or name in names]


def _tenant_entry(name: str, tenant: Tenant | InputError) -> _TenantEntry:
    if isinstance(tenant, InputError):
        problem = str(getattr(tenant, "problem", tenant)).splitlines()[0]
        return _TenantEntry("", name, in_config=True, problem=problem)
    folder, host = tenant_folder(tenant.tenant_uid, tenant.base_url), urlsplit(tenant.base_url).netloc
    return _TenantEntry(folder, name, tenant.tenant_uid, tenant.base_url, host, in_config=True)


def _unconfigured_tenant(folder: str, newest: StoredSnapshot | None) -> _TenantEntry:
    """Return a tenant that has stored snapshots but is not in the configuration file."""
    uid, host = parse_tenant_folder(folder)
    base_url = ""
    if newest is not None:
        base_url = newest.manifest["base_url"] or ""
    return _TenantEntry(folder, tenant_uid=uid, base_url=base_url, host=host)


def _snapshot_columns(tenant: _TenantEntry, snapshots: pd.DataFrame) -> dict[str, Any]:
    """Return the values of the status columns that describe a tenant and its snapshots."""
    row: dict[str, Any] = {
        "taken_at": None,
        "verdict": "",
        "n_groups": None,
        "n_customers": None,
        "n_memberships": None,
        "path": "",
        "size_bytes": 0,
    }
    if not snapshots.empty:
        newest = snapshots.iloc[-1]
        row = {name: newest[name] for name in row}
    totals = {"n_snapshots": len(snapshots), "total_bytes": snapshots["size_bytes"].sum()}
    return asdict(tenant) | row | totals


def _status_columns(newest: StoredSnapshot | None, problems: dict[str, str], now: datetime) -> dict[str, Any]:
    """Return the values of the status columns `age`, `ok`, `problem`, and `detail` for a tenant."""
    age = "" if newest is None else format_age(now - newest.taken_at)
    return {"age": age, "ok": not problems, "problem": ", ".join(problems), "detail": "; ".join(problems.values())}


def _tenant_problems(
    tenant: _TenantEntry, newest: StoredSnapshot | None, damaged: Sequence[str], now: datetime, max_age: timedelta
) -> dict[str, str]:
    """Return the problems of a tenant and of its newest snapshot, as a dictionary from problem to description."""
    problems: dict[str, str] = {}
    if tenant.problem:
        problems["config"] = tenant.problem
    if damaged:
        problems["damaged"] = f"the manifest of snapshot {max(damaged)} is corrupt"
    if newest is not None:
        problems |= _find_problems(newest, now, max_age)
    elif not problems:
        problems["never loaded"] = "never loaded"
    return problems


def _find_problems(newest: StoredSnapshot, now: datetime, max_age: timedelta) -> dict[str, str]:
    """Return the problems of a snapshot, such as "old", as a dictionary from problem to description."""
    age, verdict = now - newest.taken_at, str(newest.manifest["verdict"])
    problems = {}
    try:
        newest.check()
    except CorruptFileError as error:
        file = Path(getattr(error, "path", newest.path)).name
        problems["damaged"] = f"{file} of snapshot {newest.path.name} is corrupt"
    except InputError:
        problems["damaged"] = f"this version of frgroups cannot read snapshot {newest.path.name}"
    except FileNotFoundError:
        pass  # No damage is reported, because another process has pruned or replaced the snapshot.
    if age < -_MAX_CLOCK_SKEW:
        problems["clock"] = f"the timestamp is {format_age(-age)} in the future, which indicates a wrong clock"
    if age > max_age:
        problems["old"] = f"the snapshot is older than {format_duration(max_age)}"
    if verdict != "consistent":
        problems[verdict] = str(newest.manifest.get("verdict_note") or verdict)
    if verdict == "drifted" and problems[verdict] == verdict:
        problems[verdict] = "groups changed during the load, or the server returned contradictory members"
    return problems
