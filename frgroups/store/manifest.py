"""Which snapshots are kept, as their manifests tell, and whether their files are as they were written."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from frgroups.errors import CorruptFileError, InputError
from frgroups.internals.checksummed_json import canonical_json, sha256
from frgroups.internals.paths import resolve_folder, tenant_folder
from frgroups.internals.structured_logging import log_event
from frgroups.internals.versions import __version__
from frgroups.store import folders

log = logging.getLogger("frgroups.cache")

SCHEMA_VERSION = 2
MANIFEST = "manifest.json"
_LOOKS = 20
_FILES = tuple(f"{name}.parquet" for name in ("groups", "customers", "consents", "reads", "memberships"))
# A Python user may have loaded the snapshot in a terminal, so the hints name both.
_ALLOW_OLDER = "Pass allow_older=True to read the newest undamaged snapshot and to move this one aside"
_ALLOW_OLDER_IN_CLI = (
    "The commands that have the option --allow-older can read the newest undamaged snapshot and move this one aside"
)

Cache = str | Path | None
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """What a manifest tells of one file."""

    bytes: int
    sha256: str


class _AnyManifest(msgspec.Struct):
    """What a manifest of every version holds: enough to list and to prune it."""

    schema_version: Annotated[int, msgspec.Meta(ge=1)]
    tenant_uid: Annotated[str, msgspec.Meta(min_length=1)]
    base_url: str | None
    taken_at: _Moment
    read_until: _Moment
    verdict: str
    n_groups: int
    n_customers: int
    n_memberships: int
    files: dict[str, Any]


class _Manifest(_AnyManifest):
    """What one of this version holds; other versions have fields of their own."""

    verdict: Literal["consistent", "drifted", "unverifiable"]
    files: dict[str, _File]
    universe: int | None = None


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """One kept snapshot: its folder and what its manifest says."""

    path: Path
    manifest: dict[str, Any]

    @property
    def taken_at(self) -> datetime:
        """The start of its read."""
        return datetime.fromisoformat(self.manifest["taken_at"])

    @property
    def readable(self) -> bool:
        """Whether this version can read it."""
        return bool(self.manifest["schema_version"] == SCHEMA_VERSION)

    def is_of(self, base_url: str | None) -> bool:
        """Whether it is of this host; None is any."""
        return base_url in (None, self.manifest["base_url"])

    def content(self, file: str) -> bytes:
        """The bytes of one of its files; CorruptFileError when they are not those that were written."""
        path, expected = self.path / file, self.manifest["files"][file]
        content = _bytes_of(path, _in_words(**expected))
        if (found := file_digest(content)) != expected:
            raise _damaged(path, _in_words(**expected), _in_words(**found))
        return content

    def damaged(self, file: str, expected: str, found: str) -> CorruptFileError:
        """The error for one of its files that does not agree with the others."""
        return _damaged(self.path / file, expected, found)

    def check(self) -> None:
        """Raise InputError unless this version can read it, and CorruptFileError unless every file is whole."""
        self.check_version()
        for file in self.manifest["files"]:
            self.content(file)

    @property
    def version(self) -> str:
        """A sentence on who wrote it, and what this version reads."""
        writer = self.manifest.get("written_by", "of an unknown version")
        return (
            f"{self.path} has schema version {self.manifest['schema_version']}, written by frgroups {writer}; "
            f"this is frgroups {__version__}, which reads {SCHEMA_VERSION}."
        )

    def check_version(self) -> None:
        """Raise InputError when another version of frgroups wrote it in another way."""
        if not self.readable:
            raise InputError(
                self.version,
                hint="Pass allow_older=True to read the newest snapshot of a supported version, load the tenant "
                "again with load_snapshot (frgroups load), or use the version of frgroups that wrote this one.",
                cli_hint="Load the tenant again with frgroups load, or use the version of frgroups that wrote this "
                "one. The commands that have the option --allow-older can read the newest snapshot of a supported "
                "version.",
            )


def list_stored_snapshots(
    cache: Cache = None,
    tenant_uid: str | None = None,
    *,
    on_damage: Callable[[Path, CorruptFileError], object] | None = None,
) -> list[StoredSnapshot]:
    """
    Every kept snapshot, oldest first, its tables unread.

    With a tenant only its own folders are looked at. A damaged manifest raises CorruptFileError, unless
    `on_damage` takes its folder and the error; it is left out then.
    """
    roots = folders.tenant_folders(resolve_folder(cache, "snapshots"), tenant_uid)
    kept = [one for root in roots for one in store_folder(root, on_damage or _refuse)]
    return sorted(kept, key=lambda one: (one.taken_at, folders.base_name(one.path.name)))


def write_manifest(folder: Path, facts: dict[str, Any]) -> None:
    """Seal a folder of files that will not change any more."""
    files = {file.name: file_digest(file.read_bytes()) for file in sorted(folder.iterdir())}
    manifest = {"schema_version": SCHEMA_VERSION, "written_by": __version__, **facts, "files": files}
    manifest["checksum"] = sha256(canonical_json(manifest))
    handle = os.open(folder / MANIFEST, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(json.dumps(manifest, indent=1).encode())
        file.flush()
        os.fsync(file.fileno())


def read_manifest(folder: Path) -> StoredSnapshot:
    """The snapshot that was kept in this folder, its tables unread."""
    path = folder / MANIFEST
    content = _bytes_of(path, "a manifest")
    try:
        manifest = json.loads(content)
        facts = {name: value for name, value in manifest.items() if name != "checksum"}
        datetime.fromisoformat(manifest["taken_at"])
        if manifest["schema_version"] == SCHEMA_VERSION and manifest["checksum"] != sha256(canonical_json(facts)):
            raise ValueError("it was altered")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(path, "a manifest as it was written", f"{len(content)} other bytes") from error
    _check_manifest(path, manifest)
    return StoredSnapshot(folder, manifest)


def _check_manifest(path: Path, manifest: dict[str, Any]) -> None:
    """Refuse one that holds what is never written, though nobody has touched it since."""
    try:
        own = msgspec.convert(manifest, _AnyManifest).schema_version == SCHEMA_VERSION
        files = msgspec.convert(manifest, _Manifest).files if own else dict.fromkeys(_FILES)
    except msgspec.ValidationError as error:
        raise _damaged(path, "a manifest of some version", f"another: {error}") from error
    if missing := [name for name in _FILES if name not in files]:
        raise _damaged(path, f"a manifest that lists {', '.join(_FILES)}", f"none of {', '.join(missing)}")


def file_digest(content: bytes) -> dict[str, Any]:
    """What a manifest tells of a file."""
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def quarantine(folder: Path, error: CorruptFileError) -> None:
    """Move a damaged snapshot out of every reader's sight, and say so in the log; it is not deleted."""
    facts = {name: str(getattr(error, name, "")) for name in ("path", "expected", "found")}
    try:
        aside = folders.quarantine_name(folder)
    except OSError as refused:  # A folder that cannot be written: the older one is used all the same.
        text = f"{error.message} Its folder stays where it is: {refused.strerror or refused}."
        log_event(log, logging.WARNING, "snapshot_damaged", text, **facts)
    else:
        text = f"{error.message} It is set aside as {aside}; delete that folder when you need it no more."
        log_event(log, logging.WARNING, "snapshot_set_aside", text, aside=str(aside), **facts)


def warn_of_damage(_: Path, error: CorruptFileError) -> None:
    """Leave a damaged snapshot where it is, and say so in the log."""
    log_event(log, logging.WARNING, "snapshot_damaged", error.message, path=str(getattr(error, "path", "")))


def warn_of_other_versions(kept: list[StoredSnapshot]) -> None:
    """Say in the log which ones were passed over for an older one, though nothing is wrong with them."""
    for one in kept:
        if not one.readable:
            text = f"{one.version} An older one is used."
            log_event(log, logging.WARNING, "snapshot_of_another_version", text, path=str(one.path))


def store_folder(root: Path, on_damage: Callable[[Path, CorruptFileError], object]) -> list[StoredSnapshot]:
    """
    The kept snapshots of one tenant and host.

    A folder that changed while it was looked at is looked at again: a snapshot that was replaced between two
    looks would be missed under both of its names.
    """
    kept: dict[str, StoredSnapshot | None] = {}
    for _ in range(_LOOKS):
        names = folders.all_folder_names(root)
        for name in set(folders.visible_folder_names(names)) - kept.keys():
            kept[name] = _looked_at(root / name, on_damage)
        if names == folders.all_folder_names(root):
            break
    return [one for name in folders.visible_folder_names(names) if (one := kept[name]) is not None]


def _refuse(_: Path, error: CorruptFileError) -> None:
    raise error


def _looked_at(folder: Path, on_damage: Callable[[Path, CorruptFileError], object]) -> StoredSnapshot | None:
    try:
        kept = read_manifest(folder)
        _check_place(kept)
    except FileNotFoundError:  # Pruned or replaced meanwhile.
        return None
    except CorruptFileError as error:
        on_damage(folder, error)
        return None
    return kept


def _check_place(kept: StoredSnapshot) -> None:
    """A snapshot lies in the folder of its own tenant and host, whatever capitals the disk makes of that."""
    own = tenant_folder(kept.manifest["tenant_uid"], kept.manifest["base_url"])
    if own.casefold() != kept.path.parent.name.casefold():
        raise kept.damaged(MANIFEST, f"a snapshot of {kept.path.parent.name}", f"one of {own}")


def _bytes_of(path: Path, expected: str) -> bytes:
    try:
        # One look alone, for it may be pruned meanwhile. A pipe would be waited for without end.
        if not stat.S_ISREG(path.stat().st_mode):
            raise _damaged(path, expected, "no regular file")
        return path.read_bytes()
    except FileNotFoundError:
        if not path.parent.exists():
            raise  # The whole snapshot was pruned or replaced meanwhile.
        found = "no such file"
    except PermissionError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    except OSError as error:
        found = error.strerror or str(error)
    raise _damaged(path, expected, found)


def _damaged(path: Path, expected: str, found: str) -> CorruptFileError:
    text = f"{path} is damaged: expected {expected}, found {found}."
    return CorruptFileError(
        text,
        hint=f"{_ALLOW_OLDER}, or load the tenant again with load_snapshot (frgroups load).",
        cli_hint=f"Load the tenant again with frgroups load. {_ALLOW_OLDER_IN_CLI}.",
        path=path,
        expected=expected,
        found=found,
    )


def _in_words(*, bytes: int, sha256: str) -> str:  # noqa: A002  # The manifest's words.
    return f"{bytes} bytes, sha256 {sha256[:12]}"
