"""Read and write the manifests of stored snapshots, and verify the files of a snapshot."""

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
from typing import Annotated, Any

import msgspec

from frgroups.errors import CorruptFileError, InputError
from frgroups.internals.base_urls import is_same_base_url
from frgroups.internals.checksummed_json import canonical_json, sha256
from frgroups.internals.paths import parse_tenant_folder, resolve_folder, tenant_folder
from frgroups.internals.structured_logging import log_event
from frgroups.internals.versions import __version__
from frgroups.snapshot.verdicts import Verdict
from frgroups.store import folders

log = logging.getLogger("frgroups.store")

SCHEMA_VERSION = 3
MANIFEST = "manifest.json"
# Snapshot ids are below this limit, because many JSON readers convert integers to floating-point numbers, which are
# inexact above this limit.
SNAPSHOT_ID_LIMIT = 2**53
_NOT_A_FILE = "something other than a regular file"
_MAX_LISTINGS = 20
_FILES = tuple(f"{name}.parquet" for name in ("groups", "customers", "consents", "reads", "memberships"))
# Hints for Python and for the command line.
# The Python hint also contains the command `frgroups load`, because a Python user might have loaded the snapshot on
# the command line.
_ALLOW_OLDER = "Pass allow_older=True to quarantine this snapshot and read the newest valid snapshot"
_ALLOW_OLDER_IN_CLI = (
    "Commands with the option --allow-older can quarantine this snapshot and read the newest valid snapshot"
)

Cache = str | Path | None
_AwareDatetime = Annotated[datetime, msgspec.Meta(tz=True)]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """Size and checksum of a file in a snapshot folder."""

    bytes: int
    sha256: str


class _AnyManifest(msgspec.Struct):
    """Manifest fields of all format versions. These fields are sufficient to list and prune snapshots."""

    schema_version: Annotated[int, msgspec.Meta(ge=1)]
    tenant_uid: Annotated[str, msgspec.Meta(min_length=1)]
    base_url: str | None
    taken_at: _AwareDatetime
    read_until: _AwareDatetime
    verdict: str
    n_groups: int
    n_customers: int
    n_memberships: int
    files: dict[str, Any]


class _ManifestWithoutId(_AnyManifest):
    """Fields of a manifest in format version 2, whose tables do not contain a snapshot id."""

    verdict: Verdict
    files: dict[str, _File]
    universe: int | None = None
    groups_note: str = ""
    from_sandbox: bool = False
    verdict_note: str = ""


class _Manifest(_ManifestWithoutId, kw_only=True):
    """Fields of a manifest in the current format version."""

    snapshot_id: Annotated[int, msgspec.Meta(ge=0, lt=SNAPSHOT_ID_LIMIT)]


# Manifest class for each format version that this version of frgroups can read.
_MANIFESTS: dict[int, type[_ManifestWithoutId]] = {2: _ManifestWithoutId, SCHEMA_VERSION: _Manifest}


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """Folder and manifest of a stored snapshot whose tables have not been read."""

    path: Path
    manifest: dict[str, Any]

    @property
    def taken_at(self) -> datetime:
        """Time at which the load of the snapshot started."""
        return datetime.fromisoformat(self.manifest["taken_at"])

    @property
    def is_readable(self) -> bool:
        """True if this version of frgroups can read the snapshot."""
        return self.manifest["schema_version"] in _MANIFESTS

    @property
    def snapshot_id(self) -> int | None:
        """Id of the snapshot in its tables, or None if the tables contain no id (format version 2)."""
        if self.manifest["schema_version"] != SCHEMA_VERSION:
            return None
        return int(self.manifest["snapshot_id"])

    def matches_host(self, base_url: str | None) -> bool:
        """Return True if the snapshot is from the host with the given base URL, or if `base_url` is None."""
        return base_url is None or is_same_base_url(base_url, self.manifest["base_url"])

    def read_file(self, name: str) -> bytes:
        """
        Return the content of a file in the snapshot folder.

        Raises CorruptFileError if the size or checksum of the file differs from the manifest.
        """
        path, expected = self.path / name, self.manifest["files"][name]
        content = _read_bytes(path, _format_digest(**expected))
        actual = file_digest(content)
        if actual != expected:
            raise _corrupt_file_error(path, _format_digest(**expected), _format_digest(**actual))
        return content

    def check_size(self, name: str) -> None:
        """
        Raise CorruptFileError if a file in the snapshot folder is missing or its size differs from the manifest.

        The file is not opened, so other changes are not detected.
        """
        path, expected = self.path / name, self.manifest["files"][name]["bytes"]
        try:
            status = path.stat()
        except FileNotFoundError:
            if not self.path.exists():
                raise  # Another process has pruned or replaced the snapshot.
            raise _corrupt_file_error(path, f"{expected} bytes", "no file") from None
        if not stat.S_ISREG(status.st_mode):
            raise _corrupt_file_error(path, f"{expected} bytes", _NOT_A_FILE)
        if status.st_size != expected:
            raise _corrupt_file_error(path, f"{expected} bytes", f"{status.st_size} bytes")

    def corrupt_file_error(self, file: str, expected: str, actual: str) -> CorruptFileError:
        """Return the CorruptFileError for a snapshot file that has unexpected content."""
        return _corrupt_file_error(self.path / file, expected, actual)

    def check(self) -> None:
        """
        Verify the format version and all files of the snapshot.

        Raises InputError if this version of frgroups cannot read the snapshot, and CorruptFileError if a file is
        corrupt.
        """
        self.check_version()
        for name in self.manifest["files"]:
            self.read_file(name)

    @property
    def version_note(self) -> str:
        """Sentence that states the snapshot's format version and the format versions that this package reads."""
        writer = self.manifest.get("written_by", "of an unknown version")
        return (
            f"{self.path} has format version {self.manifest['schema_version']} and was written by frgroups {writer}; "
            f"this version of frgroups ({__version__}) reads versions {' and '.join(map(str, _MANIFESTS))}."
        )

    def check_version(self) -> None:
        """Raise InputError if this version of frgroups cannot read the snapshot."""
        if not self.is_readable:
            raise InputError(
                self.version_note,
                hint="Pass allow_older=True to read the newest snapshot of a supported version, load the tenant "
                "again with load_snapshot (frgroups load), or use the version of frgroups that wrote this snapshot.",
                cli_hint="Load the tenant again with frgroups load, or use the version of frgroups that wrote this "
                "snapshot. Commands with the option --allow-older can read the newest snapshot of a supported "
                "version.",
            )


def list_stored_snapshots(
    cache: Cache = None,
    tenant_uid: str | None = None,
    *,
    on_damage: Callable[[Path, CorruptFileError], object] | None = None,
) -> list[StoredSnapshot]:
    """
    Return the stored snapshots of all tenants or of one tenant, sorted from oldest to newest.

    Only the manifests are read. If a manifest is corrupt, `on_damage` is called with the folder and the error, and
    the snapshot is omitted. If `on_damage` is None, CorruptFileError is raised.
    """
    roots = folders.tenant_folders(resolve_folder(cache, "snapshots"), tenant_uid)
    stored = [snapshot for root in roots for snapshot in list_snapshot_folders(root, on_damage or _raise_error)]
    return sorted(stored, key=lambda snapshot: (snapshot.taken_at, folders.split_name(snapshot.path.name)))


def write_manifest(folder: Path, facts: dict[str, Any]) -> None:
    """Write the manifest of a snapshot folder. All other files of the folder must exist already."""
    files = {file.name: file_digest(file.read_bytes()) for file in sorted(folder.iterdir())}
    manifest = {"schema_version": SCHEMA_VERSION, "written_by": __version__, **facts, "files": files}
    manifest["checksum"] = sha256(canonical_json(manifest))
    handle = os.open(folder / MANIFEST, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(json.dumps(manifest, indent=1).encode())
        file.flush()
        os.fsync(file.fileno())


def read_manifest(folder: Path) -> StoredSnapshot:
    """
    Read the manifest in a folder, and return the stored snapshot without its tables.

    Raises CorruptFileError if the manifest is corrupt.
    """
    path = folder / MANIFEST
    content = _read_bytes(path, "a manifest")
    try:
        manifest = json.loads(content)
        facts = {name: value for name, value in manifest.items() if name != "checksum"}
        datetime.fromisoformat(manifest["taken_at"])
        if manifest["schema_version"] in _MANIFESTS and manifest["checksum"] != sha256(canonical_json(facts)):
            raise ValueError("wrong checksum")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _corrupt_file_error(path, "a valid manifest", f"{len(content)} bytes with other content") from error
    _check_manifest(path, manifest)
    return StoredSnapshot(folder, manifest)


def read_tenant(folder: Path) -> tuple[str, str] | None:
    """
    Return the tenant uid and the base URL in a manifest, or None if the manifest does not contain them.

    The other fields of the manifest are not checked. If the snapshot was created from tables, the base URL is "".
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        return str(manifest["tenant_uid"]), str(manifest["base_url"] or "")
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _check_manifest(path: Path, manifest: dict[str, Any]) -> None:
    """Raise CorruptFileError if a manifest lacks a required field or file, or contains an invalid value."""
    files: dict[str, Any] = dict.fromkeys(_FILES)
    try:
        version = msgspec.convert(manifest, _AnyManifest).schema_version
        if version in _MANIFESTS:
            files = dict(msgspec.convert(manifest, _MANIFESTS[version]).files)
    except msgspec.ValidationError as error:
        raise _corrupt_file_error(path, "the fields of a manifest", f"an invalid field: {error}") from error
    if missing := [name for name in _FILES if name not in files]:
        raise _corrupt_file_error(path, f"checksums of {', '.join(_FILES)}", f"no checksum of {', '.join(missing)}")


def file_digest(content: bytes) -> dict[str, Any]:
    """Return a dictionary with the size and checksum of a file, as stored in a manifest."""
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def quarantine(folder: Path, error: CorruptFileError) -> None:
    """
    Rename the folder of a corrupt snapshot so that readers ignore it, and log a warning.

    No file is deleted.
    """
    facts = {name: str(getattr(error, name, "")) for name in ("path", "expected", "actual")}
    try:
        new_path = folders.quarantine_folder(folder)
    except OSError as rename_error:  # For example, the parent folder is not writable.
        text = f"{error.message} The folder cannot be renamed: {rename_error.strerror or rename_error}."
        log_event(log, logging.WARNING, "snapshot_damaged", text, **facts)
    else:
        text = f"{error.message} The snapshot was moved to {new_path}. Delete this folder if you do not need it."
        log_event(log, logging.WARNING, "snapshot_quarantined", text, aside=str(new_path), **facts)


def warn_of_damage(_: Path, error: CorruptFileError) -> None:
    """Log a warning about a corrupt snapshot without renaming its folder."""
    log_event(log, logging.WARNING, "snapshot_damaged", error.message, path=str(getattr(error, "path", "")))


def warn_of_other_versions(snapshots: list[StoredSnapshot]) -> None:
    """Log a warning for each snapshot that is skipped because another version of frgroups wrote it."""
    for snapshot in snapshots:
        if not snapshot.is_readable:
            text = f"{snapshot.version_note} An older snapshot is used."
            log_event(log, logging.WARNING, "snapshot_of_another_version", text, path=str(snapshot.path))


def list_snapshot_folders(root: Path, on_damage: Callable[[Path, CorruptFileError], object]) -> list[StoredSnapshot]:
    """
    Return the stored snapshots of one tenant and host.

    If the folder changes while its content is being listed, it is listed again. A single listing could omit both the
    old and the new folder of a snapshot that is replaced at the same time.
    """
    stored: dict[str, StoredSnapshot | None] = {}
    for _ in range(_MAX_LISTINGS):
        names = folders.all_folder_names(root)
        for name in set(folders.visible_folder_names(names)) - stored.keys():
            stored[name] = _read_if_valid(root / name, on_damage)
        if names == folders.all_folder_names(root):
            break
    in_order = [stored[name] for name in folders.visible_folder_names(names)]
    return [snapshot for snapshot in in_order if snapshot is not None]


def _raise_error(_: Path, error: CorruptFileError) -> None:
    raise error


def _read_if_valid(folder: Path, on_damage: Callable[[Path, CorruptFileError], object]) -> StoredSnapshot | None:
    try:
        snapshot = read_manifest(folder)
        _check_location(snapshot)
    except FileNotFoundError:  # Another process has pruned or replaced the snapshot.
        return None
    except CorruptFileError as error:
        on_damage(folder, error)
        return None
    return snapshot


def _check_location(snapshot: StoredSnapshot) -> None:
    """Raise CorruptFileError if a snapshot is in the folder of another tenant or host."""
    expected = tenant_folder(snapshot.manifest["tenant_uid"], snapshot.manifest["base_url"])
    actual = snapshot.path.parent.name
    # Ignore upper and lower case, because some file systems change the case of folder names.
    # Compare the parsed names, because earlier versions used a separate folder for each name of a loopback host.
    if parse_tenant_folder(expected.casefold()) != parse_tenant_folder(actual.casefold()):
        raise snapshot.corrupt_file_error(MANIFEST, f"a snapshot of {actual}", f"a snapshot of {expected}")


def _read_bytes(path: Path, expected: str) -> bytes:
    try:
        # Reject pipes, because reading a pipe might never end.
        # Use one stat call instead of separate checks, because another process might prune the file between the
        # checks.
        if not stat.S_ISREG(path.stat().st_mode):
            raise _corrupt_file_error(path, expected, _NOT_A_FILE)
        return path.read_bytes()
    except FileNotFoundError:
        if not path.parent.exists():
            raise  # Another process has pruned or replaced the snapshot.
        problem = "no file"
    except PermissionError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}.") from error
    except OSError as error:
        problem = f"a read error ({error.strerror or error})"
    raise _corrupt_file_error(path, expected, problem)


def _corrupt_file_error(path: Path, expected: str, actual: str) -> CorruptFileError:
    text = f"{path} is corrupt: expected {expected}, found {actual}."
    return CorruptFileError(
        text,
        hint=f"{_ALLOW_OLDER}, or load the tenant again with load_snapshot (frgroups load).",
        cli_hint=f"Load the tenant again with frgroups load. {_ALLOW_OLDER_IN_CLI}.",
        path=path,
        expected=expected,
        actual=actual,
    )


# The parameter names are the field names of `_File`, so that callers can unpack the dictionary of a file.
def _format_digest(*, bytes: int, sha256: str) -> str:  # noqa: A002
    return f"{bytes} bytes, sha256 {sha256[:12]}"
