"""Save and read snapshots as folders of Parquet files."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from frgroups.errors import CorruptFileError, InputError, SnapshotNotFoundError
from frgroups.internals.atomic_files import ensure_private_dir
from frgroups.internals.base_urls import canonical_base_url
from frgroups.internals.formatting import format_utc, pluralize
from frgroups.internals.paths import resolve_folder
from frgroups.internals.timestamps import is_date, parse_timestamp
from frgroups.snapshot.snapshot import Snapshot
from frgroups.store import folders
from frgroups.store.manifest import (
    MANIFEST,
    SNAPSHOT_ID_LIMIT,
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
    IntegrityError,
    Tables,
    check_row_count,
    read_membership_tables,
    read_tables,
    write_tables,
)
from frgroups.store.sandbox_snapshots import select_default_tenant

MAX_ATTEMPTS = 5
_CHOOSE_TENANT = "Pass `tenant_uid` and `base_url` to select a tenant and host."
NO_HOST = "no host"
_WITHOUT_HOST = "To read a snapshot without a host, pass its folder, which is in the column `path` of list_snapshots."


def save_snapshot(snapshot: Snapshot, cache: Cache = None) -> Path:
    """
    Save a snapshot in a cache folder, and return the path of its new folder.

    Snapshots of servers on this machine, such as sandboxes, are saved in the subfolder `sandboxes`, separate from the
    snapshots of other servers. The host of such a server is a loopback address or "localhost".

    The folder is written under a temporary name, flushed to disk, and renamed, so that readers never find an
    incomplete snapshot.

    Parameters
    ----------
    snapshot
        Snapshot to save.
    cache
        Folder of the snapshots. None means the folder `snapshots` in the data folder.

    Returns
    -------
    Path
        Folder of the saved snapshot.

    Raises
    ------
    InputError
        If the folder cannot be written. Incomplete files are removed.

    Examples
    --------
    >>> save_snapshot(sample_snapshot()).parent.name
    't-1@tables'
    """
    folder = resolve_folder(cache, "snapshots")
    root = ensure_private_dir(folders.tenant_root(folder, snapshot.tenant_uid, snapshot.base_url))
    name = f"{snapshot.taken_at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"
    return _write(snapshot, root, folders.new_names(root, name))


def replace_stored(stored: StoredSnapshot, snapshot: Snapshot) -> Path:
    """
    Replace a stored snapshot of the same tenant, host, and timestamp, and return the new folder.

    The new folder is complete before the old folder is removed, and readers ignore the old folder as soon as the new
    folder exists. If the operation is interrupted, the old folder remains until the next call of `save_snapshot` or
    `prune`.
    """
    identity = (stored.manifest["tenant_uid"], stored.manifest["base_url"], stored.taken_at)
    if identity != (snapshot.tenant_uid, snapshot.base_url, snapshot.taken_at.astimezone(UTC)):
        raise InputError(
            f"{snapshot!r} cannot replace {stored.path}, because the tenant, host, or timestamp differs."
        )
    root = stored.path.parent
    path = _write(snapshot, root, folders.replacing_names(root, stored.path.name))
    try:
        folders.remove_folder(stored.path)
    except OSError as error:
        hint = f"Readers already use {path} instead. Saving another snapshot removes the old folder."
        raise folders.removal_error(stored.path, error, hint) from error
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
    Read the newest stored snapshot, or the newest snapshot that was taken at or before a given time.

    Snapshots of servers on this machine, such as sandboxes, are read only if you pass their `base_url`, or if no
    snapshot of another server is stored. In the second case, the server whose snapshot was stored last is selected.

    Parameters
    ----------
    cache
        Folder of the snapshots, or the folder of a single snapshot, which is in the column `path` of
        `list_snapshots`. None means the folder `snapshots` in the data folder.
    tenant_uid
        Uid of the tenant. None is sufficient if the folder contains the snapshots of only one tenant, not counting
        servers on this machine.
    at
        Latest time at which the snapshot was taken, as a timestamp or a date. A date means the end of that day, and a
        timestamp without a time zone is in UTC. None reads the newest snapshot.
    base_url
        Base URL of the host. None is sufficient if the snapshots are from only one host, not counting servers on this
        machine.
    allow_older
        Whether to read the newest valid snapshot if newer snapshots cannot be read. Corrupt snapshots are quarantined
        in a folder `.damaged-...`, and snapshots of another format version are skipped. In both cases, a warning is
        logged. With False, an error is raised instead.

    Returns
    -------
    Snapshot
        A snapshot that is equal to the saved snapshot.

    Raises
    ------
    SnapshotNotFoundError
        If no stored snapshot matches the arguments.
    InputError
        If an argument is invalid, if the snapshots are from several tenants or hosts, or if another version of
        frgroups wrote the snapshot.
    CorruptFileError
        If a file is missing or differs from its checksum. The message contains the path, and the expected and the
        actual content.

    Examples
    --------
    >>> path = save_snapshot(sample_snapshot("2026-11-23T08:10Z"))
    >>> read_snapshot(tenant_uid="t-1", at="2026-11-23")
    <Snapshot of t-1 at 2026-11-23 08:10: 3 groups, 251 customers, 253 memberships>
    """
    until = end_of_period(at) if at is not None else None
    folder = resolve_folder(cache, "snapshots")
    if (folder / MANIFEST).is_file():
        return read_stored(read_manifest(folder))
    damaged: list[Path] = []

    def on_damage(path: Path, error: CorruptFileError) -> None:
        if not allow_older:
            raise error
        damaged.append(path)
        quarantine(path, error)

    for _ in range(MAX_ATTEMPTS):
        stored = _select_host(list_stored_snapshots(folder, tenant_uid, on_damage=on_damage), base_url)
        candidates = [snapshot for snapshot in stored if until is None or snapshot.taken_at <= until]
        _check_one_tenant(candidates, folder)
        # FileNotFoundError means that another process has pruned or replaced a snapshot. List the snapshots again.
        with suppress(FileNotFoundError):
            snapshot = _read_newest(candidates, on_damage, skip_other_versions=allow_older)
            if snapshot is not None:
                return snapshot
            raise _not_found_error(stored, damaged, folder, (tenant_uid, base_url), until)
    raise changed_folder_error(folder)


def _read_newest(
    candidates: list[StoredSnapshot],
    on_damage: Callable[[Path, CorruptFileError], None],
    *,
    skip_other_versions: bool,
) -> Snapshot | None:
    """
    Read the newest valid snapshot in a list of candidates.

    If `skip_other_versions` is True, snapshots in other format versions are skipped. However, if all snapshots have
    other format versions, none of them is skipped, and InputError is raised.
    """
    to_read = candidates
    readable = [stored for stored in candidates if stored.is_readable]
    if skip_other_versions and readable:
        to_read = readable
    for stored in reversed(to_read):
        try:
            snapshot = read_stored(stored)
        except CorruptFileError as error:
            on_damage(stored.path, error)
            continue
        warn_of_other_versions(candidates[candidates.index(stored) + 1 :])
        return snapshot
    return None


def list_tenant_snapshots(cache: Cache, tenant_uid: str | None, base_url: str | None) -> list[StoredSnapshot]:
    """
    Return the stored snapshots of one tenant and host, sorted from oldest to newest.

    If several snapshots have the same timestamp, only the last one is returned. Corrupt snapshots are omitted, and a
    warning is logged. `cache` can also be the folder of a single snapshot. Raises SnapshotNotFoundError if there is
    no snapshot, and InputError if the arguments match snapshots from several tenants or hosts. Servers on this
    machine are selected as in `read_snapshot`.
    """
    folder = resolve_folder(cache, "snapshots")
    if (folder / MANIFEST).is_file():
        return [open_stored(folder)]
    stored = _select_host(list_stored_snapshots(folder, tenant_uid, on_damage=warn_of_damage), base_url)
    _check_one_tenant(stored, folder)
    if not stored:
        raise _not_found_error([], [], folder, (tenant_uid, base_url), None)
    return list({snapshot.taken_at: snapshot for snapshot in stored}.values())


def open_stored(path: str | Path) -> StoredSnapshot:
    """
    Return the stored snapshot in a folder without reading its tables.

    Raises InputError if the folder does not contain a snapshot.
    """
    folder = resolve_folder(path, "a snapshot")
    if not (folder / MANIFEST).is_file():
        raise InputError(
            f"{folder} does not contain a snapshot. Pass a folder from the column `path` of list_snapshots."
        )
    return read_manifest(folder)


def read_stored(stored: StoredSnapshot, *, only_memberships: bool = False) -> Snapshot:
    """
    Read a stored snapshot, and verify the files that are read.

    If `only_memberships` is True, the customers table contains only the uids, and the consents table is empty.
    """
    stored.check_version()
    try:
        read = read_membership_tables if only_memberships else read_tables
        tables = read(stored.read_file, stored.snapshot_id)
        for table, rows in (
            ("groups", tables.groups),
            ("customers", tables.customers),
            ("memberships", tables.matrix),
        ):
            check_row_count(table, stored.manifest[f"n_{table}"], len(rows))
    except IntegrityError as error:
        raise stored.corrupt_file_error(error.file, error.expected, error.actual) from error
    try:
        return _build_snapshot(stored, tables)
    except InputError as error:  # For example, the universe in the manifest is too small.
        problem = error.message.removesuffix(".")
        raise stored.corrupt_file_error(MANIFEST, "values that match the tables", f"a mismatch: {problem}") from error


def _build_snapshot(stored: StoredSnapshot, tables: Tables) -> Snapshot:
    manifest = stored.manifest
    return Snapshot(
        groups=tables.groups,
        customers=tables.customers,
        consents=tables.consents,
        reads=tables.reads,
        matrix=tables.matrix,
        tenant_uid=manifest["tenant_uid"],
        base_url=manifest["base_url"],
        taken_at=stored.taken_at,
        read_until=datetime.fromisoformat(manifest["read_until"]),
        verdict=manifest["verdict"],
        universe=manifest.get("universe"),
        groups_note=manifest.get("groups_note", ""),
        from_sandbox=manifest.get("from_sandbox", False),
    )


def latest_snapshot(cache: Cache, tenant_uid: str, base_url: str) -> StoredSnapshot | None:
    """Return the newest stored snapshot of a tenant and host that this version of frgroups can read, or None."""
    for stored in reversed(list_stored_snapshots(cache, tenant_uid)):
        if stored.matches_host(base_url) and stored.is_readable:
            return stored
    return None


def latest_valid_snapshot(
    cache: Cache,
    tenant_uid: str,
    base_url: str,
    *,
    on_damage: Callable[[Path, CorruptFileError], None] = warn_of_damage,
) -> Snapshot | None:
    """
    Read the newest valid snapshot of a tenant and host, or return None if no snapshot is valid.

    `on_damage` is called for each corrupt snapshot that is newer than the returned snapshot. By default, a warning is
    logged, and no file is changed. A load passes `quarantine`, which renames the corrupt snapshot.
    """
    for stored in reversed(list_stored_snapshots(cache, tenant_uid, on_damage=on_damage)):
        if not (stored.matches_host(base_url) and stored.is_readable):
            continue
        try:
            return read_stored(stored)
        except FileNotFoundError:  # Another process has pruned the snapshot.
            continue
        except CorruptFileError as error:
            on_damage(stored.path, error)
    return None


def _write(snapshot: Snapshot, root: Path, names: Iterator[str]) -> Path:
    snapshot_id = secrets.randbelow(SNAPSHOT_ID_LIMIT)
    facts = {
        "snapshot_id": snapshot_id,
        "tenant_uid": snapshot.tenant_uid,
        "base_url": snapshot.base_url,
        "taken_at": snapshot.taken_at.astimezone(UTC).isoformat(),
        "read_until": snapshot.read_until.astimezone(UTC).isoformat(),
        "verdict": snapshot.verdict,
        "universe": snapshot.universe,
        "groups_note": snapshot.groups_note,
        "from_sandbox": snapshot.from_sandbox,
        "verdict_note": snapshot.verdict_note,
        "n_groups": len(snapshot.groups),
        "n_customers": len(snapshot.customers),
        "n_memberships": len(snapshot.matrix),
    }

    def fill(draft: Path) -> None:
        write_tables(snapshot, draft, snapshot_id)
        write_manifest(draft, facts)

    try:
        folders.clean_temp_folders(root)
        return folders.make_folder(root, names, fill)
    except OSError as error:
        raise InputError(
            f"Cannot write {root}: {error.strerror or error}. The snapshot of tenant {snapshot.tenant_uid} was not "
            "stored. Other stored snapshots have not changed."
        ) from error


def _select_host(stored: list[StoredSnapshot], base_url: str | None) -> list[StoredSnapshot]:
    """Return the snapshots from one host, or the result of `select_default_tenant` if `base_url` is None."""
    if base_url is None:
        return select_default_tenant(stored)
    return [snapshot for snapshot in stored if snapshot.matches_host(base_url)]


def _check_one_tenant(stored: list[StoredSnapshot], folder: Path) -> None:
    """Raise InputError if the snapshots are from several tenants or hosts."""
    manifests = [snapshot.manifest for snapshot in stored]
    tenants = sorted(
        {(manifest["tenant_uid"], canonical_base_url(manifest["base_url"]) or NO_HOST) for manifest in manifests}
    )
    if len(tenants) <= 1:
        return
    listed = ", ".join(f"{tenant} at {host}" for tenant, host in tenants)
    hint = _CHOOSE_TENANT
    if any(host == NO_HOST for _, host in tenants):
        hint = f"{_CHOOSE_TENANT} {_WITHOUT_HOST}"
    tenant, host = next((row for row in tenants if row[1] != NO_HOST), tenants[0])
    options = f"--tenant {tenant}" if host == NO_HOST else f"--tenant {tenant} --base-url {host}"
    raise InputError(
        f"{folder} contains snapshots of several tenants or hosts: {listed}.",
        hint=hint,
        cli_hint=f"Select a tenant and a host, for example with {options}.",
    )


def _not_found_error(
    stored: list[StoredSnapshot],
    damaged: list[Path],
    folder: Path,
    requested: tuple[str | None, str | None],
    until: datetime | None,
) -> SnapshotNotFoundError:
    tenant_uid, base_url = requested
    description = "snapshot"
    if damaged:
        description = f"valid {description}"
    if tenant_uid is not None:
        description += f" of tenant {tenant_uid}"
    if base_url is not None:
        description += f" at {base_url}"
    if until is not None:
        description += f" from {format_utc(until)} or earlier"
    message = f"No {description} was found in {folder}."
    hint, cli_hint = "Load the tenant with load_snapshot (frgroups load).", "Load the tenant with frgroups load."
    if damaged:
        message += f" {pluralize(len(damaged), 'snapshot')} could not be read because of corrupt files. See the log."
    should_load = bool(damaged) or not stored
    if not should_load:
        message += f" The oldest stored snapshot is from {format_utc(stored[0].taken_at)}."
        hint, cli_hint = "Pass a later date as `at`.", "Pass a later date."
    return SnapshotNotFoundError(message, hint=hint, cli_hint=cli_hint, should_load=should_load)


def changed_folder_error(folder: Path) -> SnapshotNotFoundError:
    """Return the error for a folder whose snapshots change each time they are listed."""
    return SnapshotNotFoundError(
        f"The snapshots in {folder} were removed or replaced while they were being read. Try again."
    )


def end_of_period(at: date | str) -> datetime:
    """Convert a timestamp or a date to a datetime in UTC. A date means the end of that day."""
    timestamp = parse_timestamp(at)
    return timestamp + timedelta(days=1, microseconds=-1) if is_date(at) else timestamp


def start_of_period(since: date | str) -> datetime:
    """Convert a timestamp or a date to a datetime in UTC. A date means the start of that day."""
    return parse_timestamp(since)
