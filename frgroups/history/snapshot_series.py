"""Iterate over snapshots, oldest first. Damaged snapshots are skipped with a warning."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from frgroups.errors import CorruptFileError, InputError, SnapshotNotFoundError
from frgroups.internals.structured_logging import log_event
from frgroups.internals.validation import as_list, check_columns, wrong_type
from frgroups.snapshot.snapshot import Snapshot
from frgroups.store.manifest import StoredSnapshot
from frgroups.store.snapshot_store import open_stored, read_stored

log = logging.getLogger("frgroups.history")

SnapshotSources = pd.DataFrame | Iterable[Snapshot | str | Path]


def read_snapshots(snapshots: SnapshotSources) -> Iterator[Snapshot]:
    """Read snapshots, folders of stored snapshots, or rows of `list_snapshots`. The last of each timestamp counts."""
    if isinstance(snapshots, pd.DataFrame):
        check_columns(snapshots.columns, ["path"], "snapshots")
        snapshots = snapshots["path"]
    items = as_list(snapshots, "snapshots")
    sources = [source for source in map(_open_source, items) if source is not None]
    by_time = {source.taken_at: source for source in sorted(sources, key=lambda source: source.taken_at)}
    return iter_snapshots(list(by_time.values()), n_known=len(items))


def iter_snapshots(sources: Sequence[Snapshot | StoredSnapshot], *, n_known: int | None = None) -> Iterator[Snapshot]:
    """
    Read snapshots one at a time. Only the groups, the memberships and the customer uids are read.

    Raises SnapshotNotFoundError if there are snapshots but none can be read, because their history is unknown
    instead of empty. `n_known` is the number of snapshots including those that could not be opened.
    """
    if n_known is None:
        n_known = len(sources)
    n_read = 0
    for source in sources:
        try:
            snapshot = _read_source(source)
        except FileNotFoundError:  # Another process has pruned it.
            continue
        except InputError as error:
            _log_skipped(error)
            continue
        n_read += 1
        yield snapshot
    if n_known and not n_read:
        raise SnapshotNotFoundError(f"None of {n_known:,} snapshots can be read; the log tells why of each.")


def _read_source(source: Snapshot | StoredSnapshot) -> Snapshot:
    if isinstance(source, Snapshot):
        return source
    return read_stored(source, only_memberships=True)


def _open_source(item: Any) -> Snapshot | StoredSnapshot | None:
    """Return a Snapshot or the stored snapshot in a folder, or None if it is damaged."""
    if isinstance(item, Snapshot):
        return item
    if not isinstance(item, str | Path):
        raise wrong_type(item, "snapshots", "a list of Snapshot objects or of folders of stored snapshots")
    try:
        return open_stored(item)
    except CorruptFileError as error:
        _log_skipped(error)
        return None


def _log_skipped(error: InputError) -> None:
    # Omit the hint, because the operation continues.
    log_event(log, logging.WARNING, "snapshot_skipped", f"{error.message} The history goes on without it.")
