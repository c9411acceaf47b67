"""
Create, rename, and remove the folders of stored snapshots. Each of these changes is one atomic rename.

    t-1@api.example               the snapshots of a tenant and host
    sandboxes/t-1@127.0.0.1_8020  the snapshots of a server on this machine, such as a sandbox

The folder of a tenant and host contains the following folders.

    20261123T081000.000000Z       a snapshot, named after its timestamp
    20261123T081000.000000Z-02    another snapshot with the same timestamp
    20261123T081000.000000Z-r1    a replacement for the first snapshot, whose old folder is then ignored
    .draft-...                    a snapshot that is being written, or that an interrupted process left behind
    .gone-...                     a snapshot that is being deleted
    .damaged-...                  a quarantined snapshot, stored for inspection
"""

from __future__ import annotations

import errno
import glob
import re
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from frgroups.api.environments import environment_of
from frgroups.errors import InputError
from frgroups.internals.atomic_files import fsync_path
from frgroups.internals.paths import tenant_folder

DRAFT, GONE, DAMAGED = ".draft-", ".gone-", ".damaged-"
_SANDBOXES = "sandboxes"
_DRAFT_MAX_AGE = timedelta(days=1)
_NAME = re.compile(r"(?P<base>\d{8}T\d{6}\.\d{6}Z(-\d{2})?)(-r(?P<number>\d+))?", re.ASCII)
_MAX_NAMES = 100  # Maximum number of candidate names for a new or renamed folder.


def is_on_this_machine(base_url: str | None) -> bool:
    """
    Return True if the host of a base URL is a loopback address or "localhost".

    Such a server is a sandbox, or a proxy for a server on another machine.

    Examples
    --------
    >>> is_on_this_machine("http://127.0.0.1:8020/v2")
    True
    >>> is_on_this_machine(None)
    False
    """
    return environment_of(base_url).kind == "local"


def tenant_root(cache: Path, tenant_uid: str, base_url: str | None) -> Path:
    """
    Return the folder for the snapshots of a tenant and host.

    The folders of servers on this machine are in the subfolder `sandboxes`, separate from the folders of other
    tenants.
    """
    parent = cache
    if is_on_this_machine(base_url):
        parent = cache / _SANDBOXES
    return parent / tenant_folder(tenant_uid, base_url)


def tenant_folders(cache: Path, tenant_uid: str | None = None) -> list[Path]:
    """Return the folders of one tenant in a cache folder, or of all tenants if `tenant_uid` is None."""
    pattern = "*"
    if tenant_uid is not None:
        pattern = glob.escape(tenant_folder(tenant_uid, None).partition("@")[0])
    parents = (cache, cache / _SANDBOXES)
    return sorted(folder for parent in parents for folder in parent.glob(f"{pattern}@*") if folder.is_dir())


def all_folder_names(root: Path) -> frozenset[str]:
    """Return the names of all snapshot folders of a tenant, including replaced snapshots."""
    with suppress(FileNotFoundError):
        return frozenset(path.name for path in root.iterdir() if _NAME.fullmatch(path.name) and path.is_dir())
    return frozenset()


def visible_folder_names(names: Iterable[str]) -> list[str]:
    """Return the names of the snapshot folders that have not been replaced, in sorted order."""
    newest = dict(sorted(map(split_name, names)))
    return [_join_name(base, number) for base, number in newest.items()]


def split_name(name: str) -> tuple[str, int]:
    """Split a snapshot's folder name into the base name and the replacement number, which is 0 for the original."""
    match = _NAME.fullmatch(name)
    if match is None:
        return name, 0
    return match["base"], int(match["number"] or 0)


def snapshot_time(name: str) -> datetime:
    """
    Return the timestamp in the name of a snapshot folder.

    Examples
    --------
    >>> snapshot_time("20261123T081000.000000Z-r1").isoformat()
    '2026-11-23T08:10:00+00:00'
    """
    return datetime.strptime(name.partition("Z")[0], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)


def make_folder(root: Path, names: Iterator[str], fill: Callable[[Path], None]) -> Path:
    """
    Create a snapshot folder with its files, and rename it to the first unused name in `names`.

    The function `fill` writes the files to a draft folder, which is then renamed. If an error occurs, the draft
    folder is removed.
    """
    draft = root / f"{DRAFT}{uuid.uuid4().hex}"
    try:
        draft.mkdir(mode=0o700)
        fill(draft)
        fsync_path(draft)
        final = _rename_to_first_unused(draft, names)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    try:
        fsync_path(root)
    except BaseException:
        with suppress(OSError):
            remove_folder(final)
        raise
    return final


def new_names(root: Path, name: str) -> Iterator[str]:
    """
    Yield unused folder names for a new snapshot.

    The first candidate is `name` without a number, and the next candidates end with the numbers 02, 03, and so on.
    Candidates that sort before the last used name are skipped, so that a new snapshot is always sorted after older
    snapshots.
    """
    used = {split_name(other)[0] for other in all_folder_names(root)}
    candidates = [name, *(f"{name}-{number:02d}" for number in range(2, _MAX_NAMES))]
    last = max((position for position, candidate in enumerate(candidates) if candidate in used), default=-1)
    yield from candidates[last + 1 :]


def replacing_names(root: Path, name: str) -> Iterator[str]:
    """Yield unused folder names for the replacement of a snapshot."""
    base, _ = split_name(name)
    last = max((number for other, number in map(split_name, all_folder_names(root)) if other == base), default=0)
    yield from (_join_name(base, number) for number in range(last + 1, last + _MAX_NAMES))


def remove_folder(folder: Path) -> None:
    """
    Remove a snapshot folder atomically by renaming it before its files are deleted.

    If some files cannot be deleted, `clean_temp_folders` deletes the renamed folder later.
    """
    gone = folder.with_name(f"{GONE}{uuid.uuid4().hex}")
    with suppress(FileNotFoundError):  # Another process has already removed the folder.
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def removal_error(folder: Path, error: OSError, hint: str = "") -> InputError:
    """Return the error for a folder that cannot be removed."""
    return InputError(f"Cannot remove {folder}: {error.strerror or error}.", hint=hint)


def clean_temp_folders(root: Path) -> None:
    """Remove the folders of replaced and partly deleted snapshots, and draft folders that are older than one day."""
    names = all_folder_names(root)
    for name in sorted(names - set(visible_folder_names(names))):
        with suppress(OSError):
            remove_folder(root / name)
    old_drafts = folders_of_kind(root, DRAFT, before=datetime.now(UTC) - _DRAFT_MAX_AGE)
    for folder in folders_of_kind(root, GONE) + old_drafts:
        shutil.rmtree(folder, ignore_errors=True)


def quarantine_folder(folder: Path) -> Path:
    """Rename the folder of a corrupt snapshot so that readers ignore it, and return the new path."""
    clean_temp_folders(folder.parent)  # Otherwise, an older, replaced folder could become visible.
    names = [f"{DAMAGED}{folder.name}", *(f"{DAMAGED}{folder.name}-{number}" for number in range(2, _MAX_NAMES))]
    return _rename_to_first_unused(folder, iter(names))


def is_quarantined(folder: Path) -> bool:
    """Return True if a snapshot folder was quarantined."""
    new_name = re.compile(rf"{re.escape(DAMAGED + folder.name)}(-\d+)?")
    return any(new_name.fullmatch(other.name) for other in folders_of_kind(folder.parent, DAMAGED))


def folders_of_kind(root: Path, kind: str, *, before: datetime | None = None) -> list[Path]:
    """
    Return the folders whose names start with the prefix `kind`.

    If `before` is given, the result contains only folders that were last modified before this time.
    """
    matches = []
    for folder in root.glob(f"{kind}*"):
        with suppress(FileNotFoundError):
            if before is None or folder.stat().st_mtime < before.timestamp():
                matches.append(folder)
    return matches


def _rename_to_first_unused(folder: Path, names: Iterator[str]) -> Path:
    """
    Rename a folder to the first unused name in `names`, and return the new path.

    Existing folders are never overwritten.
    """
    for name in names:
        try:
            return folder.rename(folder.with_name(name))
        except (FileExistsError, NotADirectoryError):
            continue
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
    raise OSError(f"{folder.parent} already contains {_MAX_NAMES} snapshots with this timestamp")


def _join_name(base: str, number: int) -> str:
    if number == 0:
        return base
    return f"{base}-r{number}"
