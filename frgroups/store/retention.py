"""What is kept, as tables, and what goes when it is old."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.paths import parse_tenant_folder, resolve_folder
from frgroups.internals.timestamps import parse_duration
from frgroups.snapshot.schema import TIMESTAMP_DTYPE, coerce_schema
from frgroups.store import folders
from frgroups.store.manifest import Cache, StoredSnapshot, list_stored_snapshots, store_folder, warn_of_damage

_SNAPSHOT = {
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
_PLACE = {
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
    What is kept, oldest first: tenant_uid, base_url, taken_at, read_until, verdict, counts, size_bytes, path.

    Reads the manifests alone, so damage inside a snapshot shows when that snapshot is read. A damaged manifest is
    left out, with a warning in the log.

    >>> path = save_snapshot(sample_snapshot())
    >>> list_snapshots(tenant_uid="t-1")[["tenant_uid", "n_groups", "n_customers"]].tail(1).values.tolist()
    [['t-1', 3, 251]]
    """
    return _table(list_stored_snapshots(cache, tenant_uid, on_damage=warn_of_damage))


def cache_info(cache: Cache = None) -> pd.DataFrame:
    """
    What a cache folder (None: the home's) holds, a row for each tenant and host.

    Columns: tenant_uid, base_url, n_snapshots, oldest, newest, verdict (of the newest), size_bytes (of all that is
    there), n_damaged (set aside, or with a manifest that cannot be read), n_drafts (being written or removed, or
    left so by a run that died), path.

    >>> path = save_snapshot(sample_snapshot())
    >>> cache_info()[["tenant_uid", "verdict", "n_damaged"]].values.tolist()
    [['t-1', 'unverifiable', 0]]
    """
    rows = [_place(root) for root in folders.tenant_folders(resolve_folder(cache, "snapshots"))]
    return coerce_schema(pd.DataFrame(rows, columns=list(_PLACE)), _PLACE)


def prune(
    cache: Cache = None, *, keep: timedelta | str = timedelta(days=400), tenant_uid: str | None = None
) -> pd.DataFrame:
    """
    Remove the snapshots taken longer ago than `keep` (400 days), never the newest good one of a tenant and host.

    What was set aside as damaged goes at the same age; drafts that a run left behind go after a day. Returns the
    table of the snapshots that were removed, as `list_snapshots` shows it.

    >>> path = save_snapshot(sample_snapshot())
    >>> len(prune(keep=timedelta(days=0)))  # The newest one of a tenant stays.
    0
    """
    before = datetime.now(UTC) - parse_duration(keep)
    places = defaultdict(list)
    for one in list_stored_snapshots(cache, tenant_uid, on_damage=warn_of_damage):
        places[one.manifest["tenant_uid"], one.manifest["base_url"]].append(one)
    old = [one for kept in places.values() for one in _spare(kept, before)]
    removed = _table(sorted(old, key=lambda one: one.taken_at))
    for one in old:
        _remove(one.path)
    for root in folders.tenant_folders(resolve_folder(cache, "snapshots"), tenant_uid):
        for damaged in folders.folders_of_kind(root, folders.DAMAGED, before=before):
            _remove(damaged)
        folders.clean_temp_folders(root)
    return removed


def _remove(folder: Path) -> None:
    try:
        folders.remove(folder)
    except OSError as error:
        raise InputError(f"{folder} could not be removed: {error.strerror or error}.") from error


def _table(kept: list[StoredSnapshot]) -> pd.DataFrame:
    rows = [
        {name: one.manifest.get(name) for name in _SNAPSHOT} | {"path": str(one.path), "size_bytes": _size(one.path)}
        for one in kept
    ]
    return coerce_schema(pd.DataFrame(rows, columns=list(_SNAPSHOT)), _SNAPSHOT)


def _place(root: Path) -> dict[str, Any]:
    """What is in the folder of one tenant and host."""
    unreadable: list[Path] = []
    kept = store_folder(root, lambda folder, _: unreadable.append(folder))
    newest = kept[-1].manifest if kept else {}
    return {
        "tenant_uid": newest.get("tenant_uid", parse_tenant_folder(root.name)[0]),
        "base_url": newest.get("base_url"),
        "n_snapshots": len(kept),
        "oldest": kept[0].taken_at if kept else None,
        "newest": kept[-1].taken_at if kept else None,
        "verdict": newest.get("verdict"),
        "size_bytes": _size(root),
        "n_damaged": len(folders.folders_of_kind(root, folders.DAMAGED)) + len(unreadable),
        "n_drafts": len(folders.folders_of_kind(root, folders.DRAFT))
        + len(folders.folders_of_kind(root, folders.GONE)),
        "path": str(root),
    }


def _spare(kept: list[StoredSnapshot], before: datetime) -> list[StoredSnapshot]:
    """The snapshots taken before a moment, as far as a good one was taken after them."""
    if not any(one.taken_at < before for one in kept):
        return []
    latest_valid_snapshot = next((one.taken_at for one in reversed(kept) if _is_good(one)), kept[0].taken_at)
    return [one for one in kept if one.taken_at < min(before, latest_valid_snapshot)]


def _is_good(kept: StoredSnapshot) -> bool:
    try:
        kept.check()
    except (InputError, FileNotFoundError):
        return False
    return True


def _size(folder: Path) -> int:
    size = 0
    with suppress(FileNotFoundError):  # Pruned meanwhile.
        for path in folder.rglob("*"):
            size += path.lstat().st_size if path.is_file() else 0
    return size
