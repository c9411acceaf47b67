"""Snapshots as folders of parquet files with a manifest, written whole or not at all."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import logging
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from frgroups.codes import Codes
from frgroups.durations import as_duration
from frgroups.errors import FileDamagedError, InputError, NotFoundInCacheError
from frgroups.home import as_folder, flush_to_disk, make_private, tenant_folder
from frgroups.sealed import canonical, sha256
from frgroups.snapshot import Snapshot
from frgroups.tables import CONSENTS, CUSTOMERS, GROUPS, READS, conform, from_arrow, to_arrow

log = logging.getLogger("frgroups.cache")

SCHEMA_VERSION = 1
_TABLES = {"groups": GROUPS, "customers": CUSTOMERS, "consents": CONSENTS, "reads": READS}
_MANIFEST = "manifest.json"
_DRAFT = ".draft-"
_TRIES = 5
_KEPT_COLUMNS = {
    "tenant_uid": "str",
    "base_url": "str",
    "taken_at": "datetime64[us, UTC]",
    "read_until": "datetime64[us, UTC]",
    "verdict": "str",
    "n_groups": "int64",
    "n_customers": "int64",
    "n_memberships": "int64",
    "size_bytes": "int64",
    "path": "str",
}

Cache = str | Path | None


@dataclass(frozen=True, slots=True)
class Kept:
    """One kept snapshot: its folder and what its manifest says."""

    path: Path
    manifest: dict[str, Any]

    @property
    def taken_at(self) -> datetime:
        """The start of its read."""
        return datetime.fromisoformat(self.manifest["taken_at"])


def save_snapshot(snapshot: Snapshot, cache: Cache = None) -> Path:
    """
    Keep a snapshot in a cache folder (None: the home's) and return its own folder in there.

    The folder appears whole or not at all: it is written under another name, flushed, and renamed. Raises
    InputError where the folder cannot be written; nothing of the snapshot is left behind then.

    >>> save_snapshot(sample_snapshot()).parent.name
    't-1@tables'
    """
    root = make_private(as_folder(cache, "snapshots") / tenant_folder(snapshot.tenant_uid, snapshot.base_url))
    name = f"{snapshot.taken_at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"
    draft = root / f"{_DRAFT}{uuid.uuid4().hex}"
    try:
        draft.mkdir(mode=0o700)
        files = {file: _checksum(draft / file) for file in _write_tables(snapshot, draft)}
        manifest = {
            "schema_version": SCHEMA_VERSION,
            "tenant_uid": snapshot.tenant_uid,
            "base_url": snapshot.base_url,
            "taken_at": snapshot.taken_at.astimezone(UTC).isoformat(),
            "read_until": snapshot.read_until.astimezone(UTC).isoformat(),
            "verdict": snapshot.verdict,
            "n_groups": len(snapshot.groups),
            "n_customers": len(snapshot.customers),
            "n_memberships": len(snapshot.codes),
            "files": files,
        }
        manifest["checksum"] = sha256(canonical(manifest))
        _write_private(draft / _MANIFEST, json.dumps(manifest, indent=1).encode())
        flush_to_disk(draft)
        final = _committed(draft, root / name)
        flush_to_disk(root)
    except OSError as error:
        raise InputError(
            f"The snapshot of {snapshot.tenant_uid} could not be kept in {root}: {error.strerror or error}. "
            "Nothing was kept of it; those kept before are untouched."
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return final


def read_snapshot(
    cache: Cache = None,
    *,
    tenant_uid: str | None = None,
    at: date | str | None = None,
    base_url: str | None = None,
) -> Snapshot:
    """
    The newest kept snapshot, or the newest one taken at or before `at`; equal to what was saved.

    `cache` may also be the folder of one snapshot, as `list_snapshots` tells it in `path`.

    `at` is a moment, or a date, which means the end of that day (UTC).

    Raises
    ------
    NotFoundInCacheError
        Nothing was kept that answers; the message says what is there.
    InputError
        The cache holds several tenants or hosts, and neither `tenant_uid` nor `base_url` says which.
    FileDamagedError
        A file is not as it was written; the message names it.

    >>> path = save_snapshot(sample_snapshot())
    >>> read_snapshot(tenant_uid="t-1", at="2026-11-23")
    <Snapshot of t-1 at 2026-11-23 08:10: 3 groups, 251 customers, 253 memberships>
    """
    until = None if at is None else _end_of(at)
    own = as_folder(cache, "snapshots") / _MANIFEST
    if own.is_file():
        return read_kept(Kept(own.parent, _manifest(own)))
    for _ in range(_TRIES):
        found = _found(as_folder(cache, "snapshots"), tenant_uid, until, base_url)
        try:
            return read_kept(found)
        except (FileDamagedError, FileNotFoundError):
            if found.path.exists():
                raise
            # It was pruned between being found and being read: look again.
    raise NotFoundInCacheError(f"Snapshots in {as_folder(cache, 'snapshots')} are removed as fast as they are read.")


def _found(folder: Path, tenant_uid: str | None, until: datetime | None, base_url: str | None) -> Kept:
    """The newest kept snapshot that answers."""
    kept = [one for one in _kept(folder, tenant_uid) if _is_of(one.manifest, tenant_uid, base_url)]
    found = [one for one in kept if until is None or one.taken_at <= until]
    if not found:
        oldest = f" The oldest of {len(kept)} is of {kept[0].taken_at:%Y-%m-%d %H:%M} UTC." if kept else ""
        asked = "" if tenant_uid is None else f" of tenant {tenant_uid}"
        when = "" if until is None else f" from {until:%Y-%m-%d %H:%M} UTC or before"
        raise NotFoundInCacheError(
            f"No snapshot{asked}{when} is kept in {folder}.{oldest} load_snapshot (frgroups load) keeps one."
        )
    places = sorted({(one.manifest["tenant_uid"], one.manifest["base_url"] or "no host") for one in found})
    if len(places) > 1:
        listed = ", ".join(f"{tenant} at {host}" for tenant, host in places)
        raise InputError(f"{folder} holds snapshots of {listed}. Say which with tenant_uid= and base_url=.")
    return found[-1]


def list_snapshots(cache: Cache = None, *, tenant_uid: str | None = None) -> pd.DataFrame:
    """
    What is kept, oldest first: tenant_uid, base_url, taken_at, read_until, verdict, counts, size_bytes, path.

    Reads the manifests alone, so damage inside a snapshot shows when that snapshot is read. A damaged manifest is
    left out, with a warning in the log.

    >>> path = save_snapshot(sample_snapshot())
    >>> list_snapshots(tenant_uid="t-1")[["tenant_uid", "n_groups", "n_customers"]].tail(1).values.tolist()
    [['t-1', 3, 251]]
    """
    rows = []
    for one in _kept(as_folder(cache, "snapshots"), tenant_uid, skip_damaged=True):
        if _is_of(one.manifest, tenant_uid, None):
            facts = {name: one.manifest.get(name) for name in _KEPT_COLUMNS}
            with suppress(FileNotFoundError):  # Pruned meanwhile.
                size = sum(file.lstat().st_size for file in one.path.iterdir())
                rows.append(facts | {"path": str(one.path), "size_bytes": size})
    return conform(pd.DataFrame(rows, columns=list(_KEPT_COLUMNS)), _KEPT_COLUMNS)


def prune(
    cache: Cache = None, *, keep: timedelta | str = timedelta(days=400), tenant_uid: str | None = None
) -> pd.DataFrame:
    """
    Remove the snapshots taken longer ago than `keep` (400 days), never the newest of a tenant and host.

    Drafts that a run left behind more than a day ago go too. Returns the table of what was removed, as
    `list_snapshots` shows it.

    >>> path = save_snapshot(sample_snapshot())
    >>> len(prune(keep=timedelta(days=0)))  # The newest one of a tenant stays.
    0
    """
    before = datetime.now(UTC) - as_duration(keep)
    table = list_snapshots(cache, tenant_uid=tenant_uid)
    newest = table.groupby(["tenant_uid", "base_url"], dropna=False)["taken_at"].transform("max")
    old = table[(table["taken_at"] < before) & (table["taken_at"] < newest)]
    for path in old["path"]:
        going = Path(path).with_name(f"{_DRAFT}{uuid.uuid4().hex}")
        with suppress(FileNotFoundError):  # Another prune was first.
            Path(path).rename(going)
        shutil.rmtree(going, ignore_errors=True)
    for draft in as_folder(cache, "snapshots").glob(f"*/{_DRAFT}*"):
        with suppress(FileNotFoundError):
            if draft.stat().st_mtime < (datetime.now(UTC) - timedelta(days=1)).timestamp():
                shutil.rmtree(draft, ignore_errors=True)
    return old.reset_index(drop=True)


def newest_kept(cache: Cache, tenant_uid: str, base_url: str) -> Kept | None:
    """The newest kept snapshot of this tenant and host, unread."""
    kept = [
        one for one in _kept(as_folder(cache, "snapshots"), tenant_uid) if _is_of(one.manifest, tenant_uid, base_url)
    ]
    return kept[-1] if kept else None


def _write_tables(snapshot: Snapshot, folder: Path) -> Iterator[str]:
    tables = {name: to_arrow(getattr(snapshot, name), columns) for name, columns in _TABLES.items()}
    codes = snapshot.codes
    tables["memberships"] = pa.table(
        {
            # Codes are row numbers of groups.parquet and customers.parquet.
            "customer_group_code": pa.array(codes.group_code, pa.int32()),
            "customer_code": pa.array(codes.customer_code, pa.int32()),
        }
    )
    for name, table in tables.items():
        path = folder / f"{name}.parquet"
        path.touch(mode=0o600)
        pq.write_table(table, path, compression="zstd", write_page_checksum=True)
        flush_to_disk(path)
        yield path.name


def _committed(draft: Path, final: Path) -> Path:
    """Rename the draft; two snapshots of the same microsecond get a number behind."""
    for number in range(1, 100):
        target = final if number == 1 else final.with_name(f"{final.name}-{number:02d}")
        try:
            if not target.exists():
                draft.rename(target)
                return target
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
    raise OSError(f"{final} and 98 like it exist already")


def read_kept(kept: Kept) -> Snapshot:
    """The snapshot in this folder, every file checked first."""
    manifest, folder = kept.manifest, kept.path
    version = manifest.get("schema_version")
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{folder} was written with schema version {version}; this frgroups reads {SCHEMA_VERSION}. "
            "Load the tenant again with load_snapshot, or use the frgroups that wrote it."
        )
    for file, expected in manifest["files"].items():
        _check_file(folder / file, expected)
    frames = {name: from_arrow(_parquet(folder, name), columns) for name, columns in _TABLES.items()}
    coded = _parquet(folder, "memberships")
    sizes = np.bincount(coded["customer_group_code"].to_numpy(), minlength=len(frames["groups"]))
    return Snapshot(
        **frames,
        codes=Codes(
            pd.Index(frames["groups"]["customer_group_uid"], dtype="str"),
            pd.Index(frames["groups"]["name"], dtype="str"),
            pd.Index(frames["customers"]["customer_uid"], dtype="str"),
            np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            coded["customer_code"].to_numpy(),
        ),
        tenant_uid=manifest["tenant_uid"],
        base_url=manifest["base_url"],
        taken_at=kept.taken_at,
        read_until=datetime.fromisoformat(manifest["read_until"]),
        verdict=manifest["verdict"],
    )


def _parquet(folder: Path, name: str) -> pa.Table:
    # A folder named like "key=value" above it is not a column.
    return pq.read_table(folder / f"{name}.parquet", partitioning=None)


def _kept(folder: Path, tenant_uid: str | None = None, *, skip_damaged: bool = False) -> list[Kept]:
    """
    The kept snapshots below a cache folder, oldest first; drafts of a broken run are not among them.

    With a tenant only its own folders are looked at, so that damage elsewhere does not matter.
    """
    tenant = "*" if tenant_uid is None else f"{glob.escape(tenant_folder(tenant_uid, None).split('@')[0])}@*"
    paths = sorted(folder.glob(f"{tenant}/*/{_MANIFEST}")) if folder.is_dir() else []
    kept = []
    for path in paths:
        try:
            if not path.parent.name.startswith(_DRAFT):
                kept.append(Kept(path.parent, _manifest(path)))
        except FileNotFoundError:  # Pruned meanwhile.
            continue
        except FileDamagedError as error:
            if not skip_damaged:
                raise
            log.warning("%s", error)
    return sorted(kept, key=lambda one: (one.taken_at, one.path.name))


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_bytes())
        if datetime.fromisoformat(manifest["taken_at"]).tzinfo is None:
            raise ValueError("a moment without a time zone")
        complete = manifest.keys() >= {"schema_version", "tenant_uid", "base_url", "read_until", "verdict"}
        if not complete or not isinstance(manifest["files"], dict):
            raise KeyError("a field is missing")
        facts = {name: value for name, value in manifest.items() if name != "checksum"}
        if manifest["schema_version"] == SCHEMA_VERSION and manifest["checksum"] != sha256(canonical(facts)):
            raise ValueError("it was altered")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, IsADirectoryError) as error:
        raise FileDamagedError(
            f"{path} is damaged: expected a manifest as it was written, found {path.stat().st_size} other bytes. "
            "Move its folder away; the other snapshots stay usable."
        ) from error
    return dict(manifest)


def _check_file(path: Path, expected: dict[str, Any]) -> None:
    found: dict[str, Any] = _checksum(path) if path.exists() else {"bytes": 0, "sha256": "no such file"}
    if found != expected:
        raise FileDamagedError(
            f"{path} is damaged: expected {expected['bytes']} bytes, sha256 {expected['sha256'][:12]}, "
            f"found {found['bytes']} bytes, {found['sha256'][:12]}. Read another with at=, or load again.",
            path=path,
        )


def _checksum(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _write_private(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _is_of(manifest: dict[str, Any], tenant_uid: str | None, base_url: str | None) -> bool:
    return tenant_uid in (None, manifest["tenant_uid"]) and base_url in (None, manifest["base_url"])


def _end_of(at: date | str) -> datetime:
    try:
        moment = pd.Timestamp(at)
    except (TypeError, ValueError) as error:
        raise InputError(f"at={at!r} is not a moment; write it like '2026-11-23' or '2026-11-23T08:10Z'.") from error
    if pd.isna(moment):
        raise InputError(f"at={at!r} is not a moment; write it like '2026-11-23' or '2026-11-23T08:10Z'.")
    if (isinstance(at, date) and not isinstance(at, datetime)) or (isinstance(at, str) and len(at.strip()) == 10):
        moment += pd.Timedelta(days=1) - pd.Timedelta(microseconds=1)
    moment = moment.tz_localize(UTC) if moment.tzinfo is None else moment.tz_convert(UTC)
    return moment.to_pydatetime(warn=False)
