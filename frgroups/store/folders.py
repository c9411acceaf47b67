"""
The folders of one tenant's snapshots: each appears, takes the place of another, and goes by one rename.

    20261123T081000.000000Z       named by the moment its snapshot was taken
    20261123T081000.000000Z-02    another one of the same microsecond
    20261123T081000.000000Z-r1    stands in the place of the first, which readers see no longer
    .draft-...                    being written, or left by a run that died
    .gone-...                     being removed
    .damaged-...                  set aside, for whoever wants to look at it
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

from frgroups.internals.atomic_files import fsync_path
from frgroups.internals.paths import tenant_folder

DRAFT, GONE, DAMAGED = ".draft-", ".gone-", ".damaged-"
_DEAD_AFTER = timedelta(days=1)
_NAME = re.compile(r"(?P<own>\d{8}T\d{6}\.\d{6}Z(-\d{2})?)(-r(?P<number>\d+))?", re.ASCII)
_MOST = 100  # Snapshots of one microsecond, and replacements of one snapshot.


def tenant_folders(cache: Path, tenant_uid: str | None = None) -> list[Path]:
    """The folder of each tenant and host below a cache folder; with a tenant, its own alone."""
    own = "*" if tenant_uid is None else glob.escape(tenant_folder(tenant_uid, None).partition("@")[0])
    return sorted(folder for folder in cache.glob(f"{own}@*") if folder.is_dir())


def all_folder_names(root: Path) -> frozenset[str]:
    """The names of all snapshots in a tenant's folder, replaced ones among them."""
    with suppress(FileNotFoundError):
        return frozenset(path.name for path in root.iterdir() if _NAME.fullmatch(path.name) and path.is_dir())
    return frozenset()


def visible_folder_names(names: Iterable[str]) -> list[str]:
    """The names without those that were replaced, in order."""
    newest = dict(sorted(map(base_name, names)))
    return [_name(own, number) for own, number in newest.items()]


def base_name(name: str) -> tuple[str, int]:
    """What snapshots are ordered by: the name one was first kept under, and how often it was replaced since."""
    found = _NAME.fullmatch(name)
    return (found["own"], int(found["number"] or 0)) if found else (name, 0)


def make_folder(root: Path, names: Iterator[str], fill: Callable[[Path], None]) -> Path:
    """Have a draft filled and give it the first name that is free; when anything goes wrong, nothing is left."""
    draft = root / f"{DRAFT}{uuid.uuid4().hex}"
    try:
        draft.mkdir(mode=0o700)
        fill(draft)
        fsync_path(draft)
        final = _named(draft, names)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    try:
        fsync_path(root)
    except BaseException:
        with suppress(OSError):
            remove(final)
        raise
    return final


def new_names(root: Path, name: str) -> Iterator[str]:
    """A second snapshot of the same microsecond gets a number behind; a number is not given twice."""
    taken = {base_name(other)[0] for other in all_folder_names(root)}
    free = [name, *(f"{name}-{number:02d}" for number in range(2, _MOST))]
    last = max((at for at, one in enumerate(free) if one in taken), default=-1)
    yield from free[last + 1 :]


def replacing_names(root: Path, name: str) -> Iterator[str]:
    """Names that hide this one and stand where it stood."""
    own, _ = base_name(name)
    last = max((number for other, number in map(base_name, all_folder_names(root)) if other == own), default=0)
    yield from (_name(own, number) for number in range(last + 1, last + _MOST))


def remove(folder: Path) -> None:
    """Take a folder away at once; what cannot be deleted of it is swept later."""
    gone = folder.with_name(f"{GONE}{uuid.uuid4().hex}")
    with suppress(FileNotFoundError):  # Another was first.
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def clean_temp_folders(root: Path) -> None:
    """Remove what interrupted runs left: what was replaced or half removed, and drafts of more than a day ago."""
    names = all_folder_names(root)
    for name in sorted(names - set(visible_folder_names(names))):
        with suppress(OSError):
            remove(root / name)
    dead_drafts = folders_of_kind(root, DRAFT, before=datetime.now(UTC) - _DEAD_AFTER)
    for left in folders_of_kind(root, GONE) + dead_drafts:
        shutil.rmtree(left, ignore_errors=True)


def quarantine_name(folder: Path) -> Path:
    """Rename a folder so that no reader finds it again; nothing is deleted."""
    clean_temp_folders(folder.parent)  # What this one had replaced must not be seen again in its stead.
    names = [f"{DAMAGED}{folder.name}", *(f"{DAMAGED}{folder.name}-{number}" for number in range(2, _MOST))]
    return _named(folder, iter(names))


def folders_of_kind(root: Path, kind: str, *, before: datetime | None = None) -> list[Path]:
    """The drafts, the half removed or the damaged ones; with a moment, those that nothing was written to since."""
    found = []
    for folder in root.glob(f"{kind}*"):
        with suppress(FileNotFoundError):
            if before is None or folder.stat().st_mtime < before.timestamp():
                found.append(folder)
    return found


def _named(folder: Path, names: Iterator[str]) -> Path:
    """The folder under the first name that is free; one that holds something is never renamed over."""
    for name in names:
        try:
            return folder.rename(folder.with_name(name))
        except (FileExistsError, NotADirectoryError):
            continue
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
    raise OSError(f"{folder.parent} holds {_MOST} of this moment already")


def _name(own: str, number: int) -> str:
    return f"{own}-r{number}" if number else own
