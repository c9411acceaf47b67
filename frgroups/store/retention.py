"""List stored snapshots, and remove old snapshots."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.base_urls import canonical_base_url, is_same_base_url
from frgroups.internals.paths import parse_tenant_folder, resolve_folder, tenant_folder
from frgroups.internals.timestamps import parse_duration
from frgroups.internals.typing import BoolArray
from frgroups.snapshot.schema import TIMESTAMP_DTYPE, coerce_schema
from frgroups.store import folders
from frgroups.store.manifest import (
    Cache,
    StoredSnapshot,
    list_snapshot_folders,
    list_stored_snapshots,
    warn_of_damage,
)
from frgroups.store.sandbox_snapshots import is_of_ended_sandbox

_SNAPSHOT_COLUMNS = {
    "tenant_uid": "str",
    "base_url": "str",
    "taken_at": TIMESTAMP_DTYPE,
    "read_until": TIMESTAMP_DTYPE,
    "verdict": "str",
    "n_groups": "int64",
    "n_customers": "int64",
    "n_memberships": "int64",
    "size_bytes": "int64",
    "path": "str",
}
_TENANT_COLUMNS = {
    "tenant_uid": "str",
    "base_url": "str",
    "n_snapshots": "int64",
    "oldest": TIMESTAMP_DTYPE,
    "newest": TIMESTAMP_DTYPE,
    "verdict": "str",
    "size_bytes": "int64",
    "n_damaged": "int64",
    "n_drafts": "int64",
    "path": "str",
}


def list_snapshots(cache: Cache = None, *, tenant_uid: str | None = None) -> pd.DataFrame:
    """
    Return a table of the stored snapshots, sorted from oldest to newest.

    Snapshots of servers on this machine are included. Only the manifests are read, so other corrupt files are not
    detected. Snapshots with a corrupt manifest are omitted, and a warning is logged.

    Parameters
    ----------
    cache
        Folder of the snapshots. None means the folder `snapshots` in the data folder.
    tenant_uid
        Uid of a tenant. If None, the snapshots of all tenants are listed.

    Returns
    -------
    DataFrame
        One row per snapshot, with the columns `tenant_uid` and `base_url` (str), `taken_at` and `read_until`
        (datetime64[us, UTC]), `verdict` (str), `n_groups`, `n_customers`, `n_memberships`, and `size_bytes` (int64),
        and `path` (str).

    Examples
    --------
    >>> path = save_snapshot(sample_snapshot())
    >>> list_snapshots(tenant_uid="t-1")[["tenant_uid", "n_groups", "n_customers"]].tail(1).values.tolist()
    [['t-1', 3, 251]]
    """
    return _snapshot_table(list_stored_snapshots(cache, tenant_uid, on_damage=warn_of_damage))


def is_from_host(table: pd.DataFrame, base_url: str | None) -> BoolArray:
    """
    Return a mask that selects the rows of one host in a table with the column base_url.

    If `base_url` is None, the mask selects the snapshots without a host, which were created from tables.
    """
    expected = canonical_base_url(base_url)
    urls = table["base_url"].fillna("")
    return np.array([canonical_base_url(url) == expected for url in urls], dtype=np.bool_)


def cache_info(cache: Cache = None) -> pd.DataFrame:
    """
    Return a table with the number and size of the stored snapshots of each tenant and host.

    Parameters
    ----------
    cache
        Folder of the snapshots. None means the folder `snapshots` in the data folder.

    Returns
    -------
    DataFrame
        One row per tenant and host, with the following columns:

        - `tenant_uid`, `base_url` (str): tenant and host.
        - `n_snapshots` (int64): number of stored snapshots.
        - `oldest`, `newest` (datetime64[us, UTC]): timestamps of the oldest and the newest snapshot.
        - `verdict` (str): verdict of the newest snapshot.
        - `size_bytes` (int64): size of all files in the tenant's folder.
        - `n_damaged` (int64): number of quarantined snapshots and snapshots with a corrupt manifest.
        - `n_drafts` (int64): number of snapshots that are being written or removed, or that an interrupted process
          left behind.
        - `path` (str): folder of the tenant and host.

    Examples
    --------
    >>> path = save_snapshot(sample_snapshot())
    >>> cache_info()[["tenant_uid", "verdict", "n_damaged"]].values.tolist()
    [['t-1', 'unverifiable', 0]]
    """
    rows = [_tenant_row(root) for root in folders.tenant_folders(resolve_folder(cache, "snapshots"))]
    return coerce_schema(pd.DataFrame(rows, columns=list(_TENANT_COLUMNS)), _TENANT_COLUMNS)


def prune(
    cache: Cache = None,
    *,
    keep: timedelta | str = timedelta(days=400),
    tenant_uid: str | None = None,
    base_url: str | None = None,
    dry_run: bool = False,
) -> pd.DataFrame:
    """
    Remove stored snapshots that are older than a maximum age, and all snapshots of sandboxes that have ended.

    The newest valid snapshot of each tenant and host is never removed, unless the host is a sandbox that has ended.
    Quarantined snapshots are removed at the same age as other snapshots. Drafts from interrupted processes are
    removed after one day.

    A sandbox has ended if its address refuses connections. If you want to keep the snapshots of a sandbox with a
    fixed `port`, start the sandbox before you call this function. Plans, journals, and receipts of sandboxes are not
    removed.

    Parameters
    ----------
    cache
        Folder of the snapshots. None means the folder `snapshots` in the data folder.
    keep
        Maximum age of the remaining snapshots, as a timedelta or a string such as "90d". The default is 400 days.
    tenant_uid
        Uid of a tenant. If None, old snapshots of all tenants are removed.
    base_url
        Base URL of a host. If None, old snapshots of all hosts are removed.
    dry_run
        Whether to return the snapshots that would be removed, without removing anything.

    Returns
    -------
    DataFrame
        The removed snapshots, with the columns of `list_snapshots`. Quarantined snapshots and drafts are not in the
        table.

    Raises
    ------
    InputError
        If `keep` is not a duration or a folder cannot be removed.

    Examples
    --------
    >>> path = save_snapshot(sample_snapshot())
    >>> len(prune(keep=timedelta(days=0)))  # The newest snapshot of a tenant is never removed.
    0
    """
    before = datetime.now(UTC) - parse_duration(keep)
    roots = folders.tenant_folders(resolve_folder(cache, "snapshots"), tenant_uid)
    stored = list_stored_snapshots(cache, tenant_uid, on_damage=warn_of_damage)
    if base_url is not None:
        stored = [snapshot for snapshot in stored if is_same_base_url(snapshot.manifest["base_url"], base_url)]
        # Select the tenant folders by the host in the folder name, because a folder can contain only quarantined
        # snapshots and drafts, whose manifests can be unreadable.
        roots = [root for root in roots if root.name == tenant_folder(parse_tenant_folder(root.name)[0], base_url)]
    by_root = defaultdict(list)
    for snapshot in stored:
        by_root[snapshot.path.parent].append(snapshot)
    ended = {root for root, snapshots in by_root.items() if is_of_ended_sandbox(root, snapshots)}
    prunable = [snapshot for snapshot in stored if snapshot.path.parent in ended]
    by_tenant = defaultdict(list)
    for snapshot in stored:
        if snapshot.path.parent not in ended:
            by_tenant[snapshot.manifest["tenant_uid"], snapshot.manifest["base_url"]].append(snapshot)
    for snapshots in by_tenant.values():
        prunable += _find_prunable(snapshots, before)
    table = _snapshot_table(sorted(prunable, key=lambda snapshot: snapshot.taken_at))
    if dry_run:
        return table
    for snapshot in prunable:
        _remove(snapshot.path)
    for root in roots:
        if root in ended:
            _remove_sandbox(root)
        for damaged in folders.folders_of_kind(root, folders.DAMAGED, before=before):
            _remove(damaged)
        folders.clean_temp_folders(root)
    return table


def _remove_sandbox(root: Path) -> None:
    """Remove the unreadable snapshots of a sandbox, and then its folder if the folder contains no drafts."""
    unreadable = [root / name for name in folders.all_folder_names(root)]
    for folder in unreadable + folders.folders_of_kind(root, folders.DAMAGED):
        _remove(folder)
    folders.clean_temp_folders(root)
    with suppress(OSError):
        root.rmdir()


def _remove(folder: Path) -> None:
    try:
        folders.remove_folder(folder)
    except OSError as error:
        raise folders.removal_error(folder, error) from error


def _snapshot_table(snapshots: list[StoredSnapshot]) -> pd.DataFrame:
    rows = []
    for snapshot in snapshots:
        row = {name: snapshot.manifest.get(name) for name in _SNAPSHOT_COLUMNS}
        row |= {"path": str(snapshot.path), "size_bytes": _folder_size(snapshot.path)}
        rows.append(row)
    return coerce_schema(pd.DataFrame(rows, columns=list(_SNAPSHOT_COLUMNS)), _SNAPSHOT_COLUMNS)


def _tenant_row(root: Path) -> dict[str, Any]:
    """Return the row of `cache_info` for the folder of a tenant and host."""
    unreadable: list[Path] = []
    stored = list_snapshot_folders(root, lambda folder, _: unreadable.append(folder))
    row: dict[str, Any] = {"tenant_uid": parse_tenant_folder(root.name)[0]}
    if stored:
        newest = stored[-1].manifest
        row |= {name: newest[name] for name in ("tenant_uid", "base_url", "verdict")}
        row |= {"oldest": stored[0].taken_at, "newest": stored[-1].taken_at}
    return row | {
        "n_snapshots": len(stored),
        "size_bytes": _folder_size(root),
        "n_damaged": len(folders.folders_of_kind(root, folders.DAMAGED)) + len(unreadable),
        "n_drafts": len(folders.folders_of_kind(root, folders.DRAFT))
        + len(folders.folders_of_kind(root, folders.GONE)),
        "path": str(root),
    }


def _find_prunable(stored: list[StoredSnapshot], before: datetime) -> list[StoredSnapshot]:
    """
    Return the snapshots that were taken before the given timestamp and before the newest valid snapshot.

    If no snapshot is valid, the result is empty.
    """
    if not any(snapshot.taken_at < before for snapshot in stored):
        return []
    latest_valid = next(
        (snapshot.taken_at for snapshot in reversed(stored) if _is_valid(snapshot)), stored[0].taken_at
    )
    return [snapshot for snapshot in stored if snapshot.taken_at < min(before, latest_valid)]


def _is_valid(snapshot: StoredSnapshot) -> bool:
    try:
        snapshot.check()
    except (InputError, FileNotFoundError):
        return False
    return True


def _folder_size(folder: Path) -> int:
    size = 0
    with suppress(FileNotFoundError):  # Another process has pruned the snapshot.
        for path in folder.rglob("*"):
            if path.is_file():
                size += path.lstat().st_size
    return size
