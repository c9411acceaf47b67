"""
Folders of the stored snapshots of a tenant. Each is created, replaced and removed by one atomic rename.

    20261123T081000.000000Z       named by the time at which its snapshot was taken
    20261123T081000.000000Z-02    another snapshot of the same microsecond
    20261123T081000.000000Z-r1    replaces the first, which readers ignore from then on
    .draft-...                    being written, or left over from an interrupted run
    .gone-...                     being removed
    .damaged-...                  quarantined, for inspection
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

from frgroups.errors import InputError
from frgroups.internals.atomic_files import fsync_path
from frgroups.internals.paths import tenant_folder

DRAFT, GONE, DAMAGED = ".draft-", ".gone-", ".damaged-"
_DRAFT_MAX_AGE = timedelta(days=1)
_NAME = re.compile(r"(?P<base>\d{8}T\d{6}\.\d{6}Z(-\d{2})?)(-r(?P<number>\d+))?", re.ASCII)
_MAX_NAMES = 100  # Snapshots of one microsecond, and replacements of one snapshot.


def tenant_folders(cache: Path, tenant_uid: str | None = None) -> list[Path]:
    """Return the folders of all tenants and hosts in a cache folder, or only those of one tenant."""
    pattern = "*"
    if tenant_uid is not None:
        pattern = glob.escape(tenant_folder(tenant_uid, None).partition("@")[0])
    return sorted(folder for folder in cache.glob(f"{pattern}@*") if folder.is_dir())


def all_folder_names(root: Path) -> frozenset[str]:
    """Return the names of all snapshots in the folder of a tenant, including replaced ones."""
    with suppress(FileNotFoundError):
        return frozenset(path.name for path in root.iterdir() if _NAME.fullmatch(path.name) and path.is_dir())
    return frozenset()


def visible_folder_names(names: Iterable[str]) -> list[str]:
    """Return the sorted names without those of replaced snapshots."""
    newest = dict(sorted(map(split_name, names)))
    return [_join_name(base, number) for base, number in newest.items()]


def split_name(name: str) -> tuple[str, int]:
    """Split a folder name into its base name and the number of the replacement, which is 0 for the original."""
    match = _NAME.fullmatch(name)
    if match is None:
        return name, 0
    return match["base"], int(match["number"] or 0)


def make_folder(root: Path, names: Iterator[str], fill: Callable[[Path], None]) -> Path:
    """Fill a draft and rename it to the first unused name. If this fails, nothing is left over."""
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
    Yield unused names for a new snapshot: the name itself, then the name with a number.

    Numbers below a used one are not used again.
    """
    used = {split_name(other)[0] for other in all_folder_names(root)}
    candidates = [name, *(f"{name}-{number:02d}" for number in range(2, _MAX_NAMES))]
    last = max((position for position, candidate in enumerate(candidates) if candidate in used), default=-1)
    yield from candidates[last + 1 :]


def replacing_names(root: Path, name: str) -> Iterator[str]:
    """Yield unused names for a replacement of a snapshot."""
    base, _ = split_name(name)
    last = max((number for other, number in map(split_name, all_folder_names(root)) if other == base), default=0)
    yield from (_join_name(base, number) for number in range(last + 1, last + _MAX_NAMES))


def remove_folder(folder: Path) -> None:
    """Remove a folder atomically. Files that cannot be deleted now are deleted by `clean_temp_folders`."""
    gone = folder.with_name(f"{GONE}{uuid.uuid4().hex}")
    with suppress(FileNotFoundError):  # Another process has removed it.
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def removal_error(folder: Path, error: OSError, hint: str = "") -> InputError:
    """Return the error for a folder that cannot be removed."""
    return InputError(f"Cannot remove {folder}: {error.strerror or error}.", hint=hint)


def clean_temp_folders(root: Path) -> None:
    """Remove replaced and partly removed snapshots, and drafts that are older than a day."""
    names = all_folder_names(root)
    for name in sorted(names - set(visible_folder_names(names))):
        with suppress(OSError):
            remove_folder(root / name)
    old_drafts = folders_of_kind(root, DRAFT, before=datetime.now(UTC) - _DRAFT_MAX_AGE)
    for folder in folders_of_kind(root, GONE) + old_drafts:
        shutil.rmtree(folder, ignore_errors=True)


def quarantine_folder(folder: Path) -> Path:
    """Rename a folder so that readers ignore it, and return the new path."""
    clean_temp_folders(folder.parent)  # Otherwise, the snapshot that it replaced would become visible again.
    names = [f"{DAMAGED}{folder.name}", *(f"{DAMAGED}{folder.name}-{number}" for number in range(2, _MAX_NAMES))]
    return _rename_to_first_unused(folder, iter(names))


def folders_of_kind(root: Path, kind: str, *, before: datetime | None = None) -> list[Path]:
    """Return the folders with the prefix `kind`, or only those that were last changed before a timestamp."""
    matches = []
    for folder in root.glob(f"{kind}*"):
        with suppress(FileNotFoundError):
            if before is None or folder.stat().st_mtime < before.timestamp():
                matches.append(folder)
    return matches


def _rename_to_first_unused(folder: Path, names: Iterator[str]) -> Path:
    """Rename a folder to the first unused name and return the new path. Other folders are never overwritten."""
    for name in names:
        try:
            return folder.rename(folder.with_name(name))
        except (FileExistsError, NotADirectoryError):
            continue
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
    raise OSError(f"{folder.parent} holds {_MAX_NAMES} of this moment already")


def _join_name(base: str, number: int) -> str:
    if number == 0:
        return base
    return f"{base}-r{number}"
