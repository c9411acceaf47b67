"""Age, verdict and size of the newest stored snapshot of each tenant. No requests are sent."""

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
from frgroups.store.manifest import StoredSnapshot, list_stored_snapshots
from frgroups.store.retention import list_snapshots

# Clock difference up to which a snapshot does not count as taken in the future.
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
    "wrong": "str",
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
    A row for each tenant of `tenants.toml` and each that something is kept of; never loaded first, then oldest.

    Columns: name, tenant_uid, host, base_url, in_config; of the newest snapshot taken_at, age (in words), verdict,
    n_groups, n_customers, n_memberships, size_bytes, path; n_snapshots and total_bytes of all that are kept; ok
    (fresh, consistent and undamaged), wrong and detail. `wrong` is "" or one or more of "config", "never loaded",
    "damaged", "old", "drifted", "unverifiable" and "clock", with commas; `detail` says the same in a sentence.

    Parameters
    ----------
    cache
        The folder of the snapshots; None is the home's.
    names
        Only these tenants of the file.
    path
        The file; None is `tenants.toml` of the home, which need not be there.
    max_age
        A snapshot older than this is "old".
    now
        What age is counted from.

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
        raise InputError(f"now={now!r} has no time zone; write it like datetime.now(UTC).")
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
        row = _snapshot_columns(tenant, snapshots[snapshots["folder"] == tenant.folder])
        rows.append(
            row | _status_columns(tenant, newest.get(tenant.folder), damaged.get(tenant.folder, []), now, limit)
        )
    table = pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)
    return table.sort_values(["taken_at", "name", "tenant_uid"], na_position="first", ignore_index=True)


def configured_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of tenants in `tenants.toml`, or all rows if it contains none of them."""
    if not table["in_config"].any():
        return table
    return table[table["in_config"]]


def status_summary(table: pd.DataFrame) -> str:
    """
    Return a sentence with the number of tenants that have a fresh and consistent snapshot.

    Examples
    --------
    >>> status_summary(tenant_status(names=[]))
    'No tenant is known.'
    """
    own = configured_rows(table)
    if own.empty:
        return "No tenant is known."
    n_ok, n_others = int(own["ok"].sum()), len(table) - len(own)
    tenants, verb = pluralize(len(own), "tenant"), agree(n_ok, "has", "have")
    summary = f"{n_ok:,} of {tenants} {verb} a fresh and consistent snapshot"
    if n_others:
        others = agree(n_others, "other tenant on disk is", "other tenants on disk are")
        summary += f"; {n_others:,} {others} not in tenants.toml"
    return f"{summary}."


@dataclass(frozen=True, slots=True)
class _TenantEntry:
    """A tenant of `tenants.toml` or of the snapshot folders. `problem` is an error in the file."""

    folder: str
    name: str = ""
    tenant_uid: str = ""
    base_url: str = ""
    host: str = ""
    in_config: bool = False
    problem: str = ""


def _configured_tenants(names: Sequence[str] | None, path: str | Path | None) -> list[_TenantEntry]:
    """Return the tenants of the file, or those with the given names."""
    if not names and path is None and not config_path().exists():
        return []
    configured = read_tenants(path)
    for name in names or ():
        if name not in configured:
            find_tenant(name, path)  # Raises an error with similar names.
    return [_tenant_entry(name, tenant) for name, tenant in configured.items() if names is None or name in names]


def _tenant_entry(name: str, tenant: Tenant | InputError) -> _TenantEntry:
    if isinstance(tenant, InputError):
        problem = str(getattr(tenant, "problem", tenant)).splitlines()[0]
        return _TenantEntry("", name, in_config=True, problem=problem)
    folder, host = tenant_folder(tenant.tenant_uid, tenant.base_url), urlsplit(tenant.base_url).netloc
    return _TenantEntry(folder, name, tenant.tenant_uid, tenant.base_url, host, in_config=True)


def _unconfigured_tenant(folder: str, newest: StoredSnapshot | None) -> _TenantEntry:
    """Return a tenant that has snapshots but is not in the file."""
    uid, host = parse_tenant_folder(folder)
    base_url = ""
    if newest is not None:
        base_url = newest.manifest["base_url"] or ""
    return _TenantEntry(folder, tenant_uid=uid, base_url=base_url, host=host)


def _snapshot_columns(tenant: _TenantEntry, snapshots: pd.DataFrame) -> dict[str, Any]:
    """Return the columns about the tenant and its stored snapshots."""
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


def _status_columns(
    tenant: _TenantEntry, newest: StoredSnapshot | None, damaged: Sequence[str], now: datetime, max_age: timedelta
) -> dict[str, Any]:
    """Return the columns age, ok, wrong and detail."""
    problems: dict[str, str] = {}
    age = ""
    if tenant.problem:
        problems["config"] = tenant.problem
    if damaged:
        problems["damaged"] = f"the manifest of {max(damaged)} is damaged"
    if newest is not None:
        age = format_age(now - newest.taken_at)
        problems |= _find_problems(newest, now, max_age)
    elif not problems:
        problems["never loaded"] = "never loaded"
    return {"age": age, "ok": not problems, "wrong": ", ".join(problems), "detail": "; ".join(problems.values())}


def _find_problems(newest: StoredSnapshot, now: datetime, max_age: timedelta) -> dict[str, str]:
    """Return the problems of a snapshot, as descriptions by keyword."""
    age, verdict = now - newest.taken_at, str(newest.manifest["verdict"])
    problems = {}
    try:
        newest.check()
    except CorruptFileError as error:
        file = Path(getattr(error, "path", newest.path)).name
        problems["damaged"] = f"{file} of {newest.path.name} is not as it was written"
    except InputError:
        problems["damaged"] = f"{newest.path.name} was written by another version of frgroups, or cannot be read"
    except FileNotFoundError:
        pass  # Another process has pruned or replaced it.
    if age < -_MAX_CLOCK_SKEW:
        problems["clock"] = f"taken {format_age(-age)} from now: is a clock wrong?"
    if age > max_age:
        problems["old"] = f"older than {format_duration(max_age)}"
    if verdict == "drifted":
        problems[verdict] = "drifted while it was read"
    elif verdict != "consistent":
        problems[verdict] = verdict
    return problems
