"""Snapshots kept as folders of parquet files: saved whole or not at all, and read as they were saved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd

from frgroups.errors import CorruptFileError, InputError, SnapshotNotFoundError
from frgroups.internals.atomic_files import ensure_private_dir
from frgroups.internals.paths import resolve_folder, tenant_folder
from frgroups.snapshot.snapshot import Snapshot
from frgroups.store import folders
from frgroups.store.manifest import (
    MANIFEST,
    Cache,
    StoredSnapshot,
    list_stored_snapshots,
    quarantine,
    read_manifest,
    warn_of_damage,
    warn_of_other_versions,
    write_manifest,
)
from frgroups.store.parquet_tables import (
    DisagreementError,
    Tables,
    check_rows,
    read_membership_tables,
    read_tables,
    write_tables,
)
from frgroups.store.retention import cache_info, list_snapshots, prune

# What the rest of the package needs of keeping snapshots; the files below this one are its parts.
__all__ = [
    "StoredSnapshot",
    "cache_info",
    "clean_temp_folders",
    "end_of_period",
    "latest_snapshot",
    "latest_valid_snapshot",
    "list_snapshots",
    "list_stored_snapshots",
    "prune",
    "quarantine",
    "read_snapshot",
    "read_stored",
    "replace_stored",
    "save_snapshot",
    "stored_at",
    "stored_of_one_tenant",
]

_TRIES = 5
_CHOOSE_PLACE = "Pass tenant_uid= and base_url= to choose one."
_WITHOUT_HOST = "Read a snapshot without a host by its folder, which is in the column path of list_snapshots."


def save_snapshot(snapshot: Snapshot, cache: Cache = None) -> Path:
    """
    Keep a snapshot in a cache folder (None: the home's) and return its own folder in there.

    The folder appears whole or not at all: it is written under another name, flushed, and renamed. Raises
    InputError where the folder cannot be written; nothing of the snapshot is left behind then.

    >>> save_snapshot(sample_snapshot()).parent.name
    't-1@tables'
    """
    root = ensure_private_dir(
        resolve_folder(cache, "snapshots") / tenant_folder(snapshot.tenant_uid, snapshot.base_url)
    )
    name = f"{snapshot.taken_at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"
    return _write(snapshot, root, folders.new_names(root, name))


def replace_stored(kept: StoredSnapshot, snapshot: Snapshot) -> Path:
    """
    Put a snapshot in the place of a kept one of the same moment; returns its folder, which has another name.

    It is there before the other one goes, and hides it: a reader finds the one or the other, whole. When this is
    cut off in between, the hidden one stays on disk until the next `sweep`, save or prune.
    """
    own = (kept.manifest["tenant_uid"], kept.manifest["base_url"], kept.taken_at)
    if own != (snapshot.tenant_uid, snapshot.base_url, snapshot.taken_at.astimezone(UTC)):
        raise InputError(f"{snapshot!r} is of another tenant, host or moment than {kept.path}.")
    root = kept.path.parent
    path = _write(snapshot, root, folders.replacing_names(root, kept.path.name))
    try:
        folders.remove(kept.path)
    except OSError as error:
        raise InputError(
            f"{kept.path} could not be removed: {error.strerror or error}. {path} hides it; sweep removes it later."
        ) from error
    return path


def read_snapshot(
    cache: Cache = None,
    *,
    tenant_uid: str | None = None,
    at: date | str | None = None,
    base_url: str | None = None,
    allow_older: bool = False,
) -> Snapshot:
    """
    The newest kept snapshot, or the newest one taken at or before `at`; equal to what was saved.

    `cache` may also be the folder of one snapshot, as `list_snapshots` tells it in `path`.

    `at` is a moment, or a date, which means the end of that day (UTC).

    With `allow_older` a damaged snapshot is set aside in a folder `.damaged-...` beside it, with a warning in the
    log, and the newest good one answers instead. One of another version of frgroups is passed over, with a warning,
    and stays where it is.

    Raises
    ------
    SnapshotNotFoundError
        Nothing was kept that answers; the message says what is there.
    InputError
        The cache holds several tenants or hosts, and neither `tenant_uid` nor `base_url` says which. Or the
        snapshot was written by a frgroups that keeps them in another way, and with `allow_older` so was every other.
    CorruptFileError
        A file is not as it was written; the message names it, and says what was expected and found.

    >>> path = save_snapshot(sample_snapshot("2026-11-23T08:10Z"))
    >>> read_snapshot(tenant_uid="t-1", at="2026-11-23")
    <Snapshot of t-1 at 2026-11-23 08:10: 3 groups, 251 customers, 253 memberships>
    """
    until = None if at is None else end_of_period(at)
    folder = resolve_folder(cache, "snapshots")
    if (folder / MANIFEST).is_file():
        return read_stored(read_manifest(folder))
    damaged: list[Path] = []

    def on_damage(path: Path, error: CorruptFileError) -> None:
        if not allow_older:
            raise error
        damaged.append(path)
        quarantine(path, error)

    for _ in range(_TRIES):
        kept = [one for one in list_stored_snapshots(folder, tenant_uid, on_damage=on_damage) if one.is_of(base_url)]
        found = [one for one in kept if until is None or one.taken_at <= until]
        _check_one_place(found, folder)
        with suppress(FileNotFoundError):  # It was pruned or replaced between being found and being read: look again.
            readable = [one for one in found if one.readable]
            for one in reversed((allow_older and readable) or found):
                try:
                    whole = read_stored(one)
                except CorruptFileError as error:
                    on_damage(one.path, error)
                else:
                    warn_of_other_versions(found[found.index(one) + 1 :])
                    return whole
            raise _nothing_found(kept, damaged, folder, (tenant_uid, base_url), until)
    raise SnapshotNotFoundError(f"Snapshots in {folder} are removed as fast as they are read.")


def stored_of_one_tenant(cache: Cache, tenant_uid: str | None, base_url: str | None) -> list[StoredSnapshot]:
    """
    What is kept of one tenant and host, oldest first and unread, one for each moment; a warning tells of damage.

    `cache` may also be the folder of one snapshot. Raises SnapshotNotFoundError when nothing is kept, and InputError
    when the cache holds several tenants or hosts, and nothing says which.
    """
    folder = resolve_folder(cache, "snapshots")
    if (folder / MANIFEST).is_file():
        return [stored_at(folder)]
    kept = list_stored_snapshots(folder, tenant_uid, on_damage=warn_of_damage)
    found = [one for one in kept if one.is_of(base_url)]
    _check_one_place(found, folder)
    if not found:
        raise _nothing_found([], [], folder, (tenant_uid, base_url), None)
    return list({one.taken_at: one for one in found}.values())


def stored_at(path: str | Path) -> StoredSnapshot:
    """The snapshot that is kept in this folder, unread; InputError when there is none."""
    folder = resolve_folder(path, "a snapshot")
    if not (folder / MANIFEST).is_file():
        raise InputError(f"{folder} is not the folder of a kept snapshot; list_snapshots tells each in `path`.")
    return read_manifest(folder)


def read_stored(kept: StoredSnapshot, *, only_memberships: bool = False) -> Snapshot:
    """
    The snapshot in this folder, every file that is read checked.

    With `only_memberships` it has of its customers the uids alone, and no consents: enough to tell who was where.
    """
    kept.check_version()
    try:
        tables = (read_membership_tables if only_memberships else read_tables)(kept.content)
        for table, rows in (
            ("groups", tables.groups),
            ("customers", tables.customers),
            ("memberships", tables.matrix),
        ):
            check_rows(table, kept.manifest[f"n_{table}"], len(rows))
    except DisagreementError as error:
        raise kept.damaged(error.file, error.expected, error.found) from error
    try:
        return _snapshot(kept, tables)
    except InputError as error:  # Such as a universe that is smaller than the customers seen.
        raise kept.damaged(MANIFEST, "facts that agree with the tables", str(error)) from error


def _snapshot(kept: StoredSnapshot, tables: Tables) -> Snapshot:
    manifest = kept.manifest
    return Snapshot(
        groups=tables.groups,
        customers=tables.customers,
        consents=tables.consents,
        reads=tables.reads,
        matrix=tables.matrix,
        tenant_uid=manifest["tenant_uid"],
        base_url=manifest["base_url"],
        taken_at=kept.taken_at,
        read_until=datetime.fromisoformat(manifest["read_until"]),
        verdict=manifest["verdict"],
        universe=manifest.get("universe"),
    )


def latest_snapshot(cache: Cache, tenant_uid: str, base_url: str) -> StoredSnapshot | None:
    """The newest kept snapshot of this tenant and host that this version can read, unread."""
    kept = [one for one in list_stored_snapshots(cache, tenant_uid) if one.is_of(base_url) and one.readable]
    return kept[-1] if kept else None


def latest_valid_snapshot(cache: Cache, tenant_uid: str, base_url: str) -> Snapshot | None:
    """The newest whole snapshot of this tenant and host; damaged ones are set aside on the way."""
    for one in reversed(list_stored_snapshots(cache, tenant_uid, on_damage=quarantine)):
        if one.is_of(base_url) and one.readable:
            try:
                return read_stored(one)
            except FileNotFoundError:  # Pruned meanwhile.
                continue
            except CorruptFileError as error:
                quarantine(one.path, error)
    return None


def clean_temp_folders(cache: Cache = None, tenant_uid: str | None = None) -> None:
    """Remove what interrupted replacements and removals left on disk, where no reader finds it."""
    for root in folders.tenant_folders(resolve_folder(cache, "snapshots"), tenant_uid):
        folders.clean_temp_folders(root)


def _write(snapshot: Snapshot, root: Path, names: Iterator[str]) -> Path:
    facts = {
        "tenant_uid": snapshot.tenant_uid,
        "base_url": snapshot.base_url,
        "taken_at": snapshot.taken_at.astimezone(UTC).isoformat(),
        "read_until": snapshot.read_until.astimezone(UTC).isoformat(),
        "verdict": snapshot.verdict,
        "universe": snapshot.universe,
        "n_groups": len(snapshot.groups),
        "n_customers": len(snapshot.customers),
        "n_memberships": len(snapshot.matrix),
    }

    def fill(draft: Path) -> None:
        write_tables(snapshot, draft)
        write_manifest(draft, facts)

    try:
        folders.clean_temp_folders(root)
        return folders.make_folder(root, names, fill)
    except OSError as error:
        raise InputError(
            f"The snapshot of {snapshot.tenant_uid} could not be kept in {root}: {error.strerror or error}. "
            "Nothing was kept of it; those kept before are untouched."
        ) from error


def _check_one_place(found: list[StoredSnapshot], folder: Path) -> None:
    places = sorted({(one.manifest["tenant_uid"], one.manifest["base_url"] or "no host") for one in found})
    if len(places) > 1:
        listed = ", ".join(f"{tenant} at {host}" for tenant, host in places)
        without_host = any(host == "no host" for _, host in places)
        raise InputError(
            f"{folder} holds snapshots of {listed}.",
            hint=f"{_CHOOSE_PLACE} {_WITHOUT_HOST}" if without_host else _CHOOSE_PLACE,
            cli_hint="Pass --tenant and --base-url to choose one.",
        )


def _nothing_found(
    kept: list[StoredSnapshot],
    damaged: list[Path],
    folder: Path,
    wanted: tuple[str | None, str | None],
    until: datetime | None,
) -> SnapshotNotFoundError:
    tenant_uid, base_url = wanted
    asked = "" if tenant_uid is None else f" of tenant {tenant_uid}"
    asked += "" if base_url is None else f" at {base_url}"
    when = "" if until is None else f" from {until:%Y-%m-%d %H:%M} UTC or before"
    oldest = f" The oldest of {len(kept)} is of {kept[0].taken_at:%Y-%m-%d %H:%M} UTC." if kept else ""
    if damaged:
        oldest = f" {len(damaged)} were damaged and are set aside; the log tells where."
    return SnapshotNotFoundError(
        f"No {'whole ' if damaged else ''}snapshot{asked}{when} is kept in {folder}.{oldest}",
        hint="Load the tenant with load_snapshot (frgroups load).",
        cli_hint="Load the tenant with frgroups load.",
    )


def end_of_period(at: date | str) -> datetime:
    """The moment that is meant, of a date the end of its day (UTC); InputError when it is none."""
    try:
        moment = pd.Timestamp(at)
    except (TypeError, ValueError) as error:
        raise InputError(f"{at!r} is not a moment; write it like '2026-11-23' or '2026-11-23T08:10Z'.") from error
    if pd.isna(moment):
        raise InputError(f"{at!r} is not a moment; write it like '2026-11-23' or '2026-11-23T08:10Z'.")
    if (isinstance(at, date) and not isinstance(at, datetime)) or (isinstance(at, str) and len(at.strip()) == 10):
        moment += pd.Timedelta(days=1) - pd.Timedelta(microseconds=1)
    moment = moment.tz_localize(UTC) if moment.tzinfo is None else moment.tz_convert(UTC)
    return moment.to_pydatetime(warn=False)
