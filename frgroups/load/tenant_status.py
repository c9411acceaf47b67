"""How old, how sure and how large the newest snapshot of each tenant is. Reads what is kept, asks no tenant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from frgroups.api.tenants_config import Tenant, config_path, find_tenant, read_tenants
from frgroups.errors import CorruptFileError, InputError
from frgroups.internals.formatting import format_age, format_duration
from frgroups.internals.paths import parse_tenant_folder, tenant_folder
from frgroups.internals.timestamps import parse_duration
from frgroups.store.manifest import StoredSnapshot, list_stored_snapshots
from frgroups.store.retention import list_snapshots

# What a clock may be off without a snapshot being called one of the future.
_SKEW = timedelta(minutes=5)
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

    >>> path = save_snapshot(sample_snapshot())
    >>> table = tenant_status(now=sample_snapshot().taken_at + timedelta(hours=3))
    >>> table[["tenant_uid", "host", "age", "verdict", "ok"]].values.tolist()
    [['t-1', 'tables', '3 h', 'unverifiable', False]]
    """
    limit, moment = parse_duration(max_age), now or datetime.now(UTC)
    if moment.tzinfo is None:
        raise InputError(f"now={now!r} has no time zone; write it like datetime.now(UTC).")
    damaged: dict[str, list[str]] = {}
    whole = list_stored_snapshots(
        cache, on_damage=lambda folder, _: damaged.setdefault(folder.parent.name, []).append(folder.name)
    )
    newest = {one.path.parent.name: one for one in whole}
    kept = list_snapshots(cache)
    kept["folder"] = [Path(path).parent.name for path in kept["path"]]
    places = _in_config(names, path)
    if names is None:
        known = {place.folder for place in places}
        places += [_on_disk(folder, newest.get(folder)) for folder in sorted({*newest, *damaged} - known)]
    rows = [
        _row(place, kept[kept["folder"] == place.folder])
        | _judged(place, newest.get(place.folder), damaged.get(place.folder, []), moment, limit)
        for place in places
    ]
    table = pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)
    return table.sort_values(["taken_at", "name", "tenant_uid"], na_position="first", ignore_index=True)


def is_questionable(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that the total is of: those in the file, or all where it names none of them."""
    return table[table["in_config"]] if table["in_config"].any() else table


def status_summary(table: pd.DataFrame) -> str:
    """
    The total in a sentence.

    >>> status_summary(tenant_status(names=[]))
    'No tenant is known.'
    """
    own = is_questionable(table)
    if own.empty:
        return "No tenant is known."
    noun = "tenant" if len(own) == 1 else "tenants"
    others = len(table) - len(own)
    more = f"; {others} more on disk {'is' if others == 1 else 'are'} not in tenants.toml" if others else ""
    return f"{own['ok'].sum()} of {len(own)} {noun} fresh and consistent{more}."


@dataclass(frozen=True, slots=True)
class _Place:
    """A tenant as the file tells of it, or as the name of a folder does; `problem` is what is wrong in the file."""

    folder: str
    name: str = ""
    tenant_uid: str = ""
    base_url: str = ""
    host: str = ""
    in_config: bool = False
    problem: str = ""


def _in_config(names: Sequence[str] | None, path: str | Path | None) -> list[_Place]:
    if not names and path is None and not config_path().exists():
        return []
    known = read_tenants(path)
    for name in names or ():
        if name not in known:
            find_tenant(name, path)  # Which says what is close to it.
    return [_place(name, one) for name, one in known.items() if names is None or name in names]


def _place(name: str, found: Tenant | InputError) -> _Place:
    if isinstance(found, InputError):
        problem = str(getattr(found, "problem", found)).splitlines()[0]
        return _Place("", name, in_config=True, problem=problem)
    folder, host = tenant_folder(found.tenant_uid, found.base_url), urlsplit(found.base_url).netloc
    return _Place(folder, name, found.tenant_uid, found.base_url, host, in_config=True)


def _on_disk(folder: str, newest: StoredSnapshot | None) -> _Place:
    """A tenant that no table of the file names."""
    uid, host = parse_tenant_folder(folder)
    base_url = newest.manifest["base_url"] if newest else None
    return _Place(folder, tenant_uid=uid, base_url=base_url or "", host=host)


def _row(place: _Place, kept: pd.DataFrame) -> dict[str, Any]:
    empty = {
        "taken_at": None,
        "verdict": "",
        "n_groups": None,
        "n_customers": None,
        "n_memberships": None,
        "path": "",
    }
    newest = {} if kept.empty else {name: kept.iloc[-1][name] for name in (*empty, "size_bytes")}
    sizes = {"size_bytes": 0, "n_snapshots": len(kept), "total_bytes": kept["size_bytes"].sum()}
    return asdict(place) | empty | sizes | newest


def _judged(
    place: _Place, newest: StoredSnapshot | None, damaged: Sequence[str], now: datetime, max_age: timedelta
) -> dict[str, Any]:
    """Age, and what is wrong: for machines, and in words."""
    wrong = {"config": place.problem} if place.problem else {}
    if damaged:
        wrong["damaged"] = f"the manifest of {max(damaged)} is damaged"
    if newest is not None:
        wrong |= _wrong_with(newest, now, max_age)
    elif not wrong:
        wrong["never loaded"] = "never loaded"
    age = "" if newest is None else format_age(now - newest.taken_at)
    return {"age": age, "ok": not wrong, "wrong": ", ".join(wrong), "detail": "; ".join(wrong.values())}


def _wrong_with(newest: StoredSnapshot, now: datetime, max_age: timedelta) -> dict[str, str]:
    age, verdict = now - newest.taken_at, str(newest.manifest["verdict"])
    wrong = {}
    try:
        newest.check()
    except CorruptFileError as error:
        file = Path(getattr(error, "path", newest.path)).name
        wrong["damaged"] = f"{file} of {newest.path.name} is not as it was written"
    except InputError:
        wrong["damaged"] = f"{newest.path.name} was written by another version of frgroups, or cannot be read"
    except FileNotFoundError:
        pass  # Pruned or replaced meanwhile.
    if age < -_SKEW:
        wrong["clock"] = f"taken {format_age(-age)} from now: is a clock wrong?"
    if age > max_age:
        wrong["old"] = f"older than {format_duration(max_age)}"
    if verdict != "consistent":
        wrong[verdict] = f"{verdict} while it was read" if verdict == "drifted" else verdict
    return wrong
