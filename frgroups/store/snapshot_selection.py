"""Select the stored snapshots of one or more tenants for a scan."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path

from frgroups.errors import CorruptFileError, InputError, SnapshotNotFoundError
from frgroups.internals.formatting import format_list, format_utc
from frgroups.internals.paths import host_of, resolve_folder
from frgroups.internals.structured_logging import log_event
from frgroups.internals.validation import as_list, check_type
from frgroups.store import folders
from frgroups.store.manifest import (
    MANIFEST,
    Cache,
    StoredSnapshot,
    list_snapshot_folders,
    list_stored_snapshots,
    read_manifest,
    warn_of_damage,
)
from frgroups.store.sandbox_snapshots import select_default_tenant
from frgroups.store.snapshot_store import MAX_ATTEMPTS, NO_HOST, changed_folder_error, start_of_period

log = logging.getLogger("frgroups.store")


def select_snapshots(
    cache: Cache,
    tenants: Iterable[str] | None,
    since: date | str | None,
    *,
    tables: Sequence[str],
) -> list[StoredSnapshot]:
    """
    Return the stored snapshots that match the arguments, sorted from oldest to newest.

    Only the manifests are read. If several snapshots of a tenant have the same timestamp, only the last one is
    returned. Snapshots with a corrupt manifest or another format version are omitted, and a warning is logged.

    Parameters
    ----------
    cache
        Folder of the snapshots, folder of a tenant and host, or folder of a single snapshot.
    tenants
        Uids of tenants. None selects all tenants. Snapshots of servers on this machine are selected only if no other
        snapshots are stored. If uids are given, only the other snapshots of the same tenant are considered.
    since
        Earliest timestamp of the snapshots, as in `start_of_period`.
    tables
        Names of the tables whose file sizes are compared with the manifests.

    Raises
    ------
    SnapshotNotFoundError
        If no snapshot matches the arguments, or one of the tenants has no snapshot.
    InputError
        If an argument is invalid, or the snapshots of a tenant are from several hosts.
    CorruptFileError
        If a file is missing or its size differs from the manifest.
    """
    folder = resolve_folder(cache, "snapshots")
    start = start_of_period(since) if since is not None else None
    names = _tenant_uids(tenants) if tenants is not None else None
    for _ in range(MAX_ATTEMPTS):
        try:
            selected = _select(folder, names, start)
            for snapshot in selected:
                _check_sizes(snapshot, tables)
        except FileNotFoundError:  # Another process has pruned or replaced a snapshot.
            continue
        return selected
    raise changed_folder_error(folder)


def _tenant_uids(tenants: Iterable[str]) -> list[str]:
    names = as_list(tenants, "tenants")
    for name in names:
        check_type(name, str, "tenants")
    if not names:
        raise InputError("`tenants` is empty. Pass at least one tenant uid, or None for all tenants.")
    return list(dict.fromkeys(names))


def _select(folder: Path, tenants: list[str] | None, start: datetime | None) -> list[StoredSnapshot]:
    if tenants is None:
        stored = select_default_tenant(_list_readable(folder))
    else:
        by_tenant = {uid: select_default_tenant(_list_readable(folder, uid)) for uid in tenants}
        missing = [uid for uid, snapshots in by_tenant.items() if not snapshots]
        if missing:
            raise _unknown_tenant_error(missing, folder)
        stored = [snapshot for snapshots in by_tenant.values() for snapshot in snapshots]
    if not stored:
        raise SnapshotNotFoundError(
            f"No snapshot was found in {folder}.",
            hint="Load a tenant with load_snapshot (frgroups load).",
            should_load=True,
        )
    recent = [snapshot for snapshot in stored if start is None or snapshot.taken_at >= start]
    if start is not None and not recent:
        newest = max(snapshot.taken_at for snapshot in stored)
        raise SnapshotNotFoundError(
            f"No snapshot from {format_utc(start)} or later was found in {folder}. The newest stored snapshot is "
            f"from {format_utc(newest)}.",
            hint="Pass an earlier date as `since`.",
        )
    _check_one_host(recent, folder)
    last = {(snapshot.manifest["tenant_uid"], snapshot.taken_at): snapshot for snapshot in recent}
    return sorted(last.values(), key=lambda snapshot: (snapshot.taken_at, snapshot.manifest["tenant_uid"]))


def _list_readable(folder: Path, tenant_uid: str | None = None) -> list[StoredSnapshot]:
    """Return the snapshots that this version of frgroups can read, and log a warning for each unreadable snapshot."""
    if (folder / MANIFEST).is_file():
        stored = [read_manifest(folder)]
    elif folders.all_folder_names(folder):
        stored = list_snapshot_folders(folder, warn_of_damage)
    else:
        stored = list_stored_snapshots(folder, tenant_uid, on_damage=warn_of_damage)
    if tenant_uid is not None:
        stored = [snapshot for snapshot in stored if snapshot.manifest["tenant_uid"] == tenant_uid]
    for snapshot in stored:
        if not snapshot.is_readable:
            text = f"{snapshot.version_note} The scan omits this snapshot."
            log_event(log, logging.WARNING, "snapshot_skipped", text, path=str(snapshot.path))
    return [snapshot for snapshot in stored if snapshot.is_readable]


def _unknown_tenant_error(missing: list[str], folder: Path) -> SnapshotNotFoundError:
    known = sorted({snapshot.manifest["tenant_uid"] for snapshot in _list_readable(folder)})
    listed = format_list([repr(uid) for uid in missing], conjunction="or")
    return SnapshotNotFoundError(
        f"No snapshot of tenant {listed} was found in {folder}. It contains snapshots of the tenants: "
        f"{format_list([repr(uid) for uid in known]) or 'none'}.",
        should_load=True,
    )


def _check_one_host(stored: list[StoredSnapshot], folder: Path) -> None:
    """Raise InputError if the snapshots of a tenant are from several hosts."""
    roots: dict[str, dict[str, Path]] = defaultdict(dict)
    for snapshot in stored:
        host = host_of(snapshot.manifest["base_url"]) or NO_HOST
        roots[snapshot.manifest["tenant_uid"]][host] = snapshot.path.parent
    for tenant_uid, by_host in roots.items():
        if len(by_host) > 1:
            raise InputError(
                f"{folder} contains snapshots of the tenant {tenant_uid} from several hosts: "
                f"{format_list(sorted(by_host))}.",
                hint="The result has no column for the host. Pass the folder of one host as `cache`, for example "
                f"{by_host[min(by_host)]}, or select other tenants with `tenants`.",
            )


def _check_sizes(snapshot: StoredSnapshot, tables: Sequence[str]) -> None:
    try:
        for table in tables:
            snapshot.check_size(f"{table}.parquet")
    except CorruptFileError as error:
        error.hint = f"To read the other snapshots, move the folder {snapshot.path} to another place."
        error.cli_hint = None
        raise
