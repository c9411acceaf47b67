"""Explain the error that a query engine raises if a file of a stored snapshot no longer exists."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from frgroups.errors import FrgroupsError, SnapshotNotFoundError
from frgroups.internals.formatting import format_utc
from frgroups.internals.paths import parse_tenant_folder
from frgroups.store import folders
from frgroups.store.manifest import MANIFEST

# This pattern finds the tenant folder, the snapshot folder, and the file in an error message.
# Folder names contain only characters that engines do not escape (see `tenant_folder`).
# Polars replaces the start of a long path with "...", which can also replace the start of the tenant folder's name.
_FILE = re.compile(
    r"(?:\.\.\.)?(?P<tenant>[\w.~=@-]*)[/\\]+(?P<snapshot>\d{8}T\d{6}\.\d{6}Z[-\dr]*)[/\\]+"
    r"(?:groups|customers|memberships)\.parquet",
    re.ASCII,
)
# The paths of the scanned snapshot folders, by folder name.
# These paths are stored because the path in an error message can differ from the path of the folder: Polars omits the
# start, DuckDB escapes characters such as *, and Spark shows a URL.
_scanned: defaultdict[str, set[Path]] = defaultdict(set)


def remember_scanned(paths: Iterable[Path]) -> None:
    """Remember the snapshot folders that a frame reads, so that errors about removed folders can be explained."""
    for path in paths:
        _scanned[path.name].add(path)


@contextmanager
def explain_removed_snapshots() -> Iterator[None]:
    """
    Convert the error of a query engine about a removed snapshot to SnapshotNotFoundError.

    All other errors are left unchanged. The function can also be used as a decorator. The context must also include
    the code that creates expressions, because DuckDB can open the files when an expression is created.
    """
    try:
        yield
    except FrgroupsError:
        raise
    except Exception as error:
        folder = _removed_folder(str(error))
        if folder is None:
            raise
        raise _removed_error(folder) from error


def _removed_folder(message: str) -> Path | None:
    """Return the scanned snapshot folder that an error message refers to, if the folder no longer exists."""
    for match in _FILE.finditer(message):
        scanned = _scanned.get(match["snapshot"], ())
        candidates = [folder for folder in scanned if folder.parent.name.endswith(match["tenant"])]
        # Several data folders can contain a snapshot of the same tenant and time.
        # Of these folders, the folder whose path has the longest common suffix with the path in the message is
        # selected.
        # In the message of DuckDB, the characters *, ?, and [ of the path are in brackets, which are removed first.
        text = re.sub(r"\[([*?\[])\]", r"\1", message[: match.end("tenant")])
        n_common = {folder: _count_common_end(str(folder.parent), text) for folder in candidates}
        for folder in candidates:
            if n_common[folder] == max(n_common.values()) and not folder.exists():
                return folder
    return None


def _count_common_end(first: str, second: str) -> int:
    """Return the length of the longest common suffix of two strings."""
    n = 0
    for character, other in zip(reversed(first), reversed(second), strict=False):
        if character != other:
            break
        n += 1
    return n


def _removed_error(folder: Path) -> SnapshotNotFoundError:
    tenant_uid, _ = parse_tenant_folder(folder.parent.name)
    taken_at = format_utc(folders.snapshot_time(folder.name), seconds=True)
    return SnapshotNotFoundError(
        f"The scan contains the snapshot of {tenant_uid} at {taken_at}, which was {_describe_removal(folder)}.",
        hint="Call scan_memberships again.",
    )


def _describe_removal(folder: Path) -> str:
    """Return the reason why a snapshot folder no longer exists."""
    root = folder.parent
    base, number = folders.split_name(folder.name)
    for other in sorted(folders.all_folder_names(root), key=folders.split_name, reverse=True):
        other_base, other_number = folders.split_name(other)
        if other_base == base and other_number > number:
            # Only an erasure replaces a stored snapshot, so the newer folder was created by an erasure.
            # If another process removes the newer folder at the same time, the next older folder is used.
            with suppress(FileNotFoundError):
                replaced_at = datetime.fromtimestamp((root / other / MANIFEST).stat().st_mtime, UTC)
                return f"replaced by an erasure at {format_utc(replaced_at, seconds=True)}"
    if folders.is_quarantined(folder):
        return "quarantined because one of its files is corrupt"
    return "removed, for example by prune or by an erasure"
