"""Iterate over snapshots from the oldest to the newest. Corrupt snapshots are skipped with a warning."""

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
    """
    Return an iterator over snapshots, sorted by timestamp.

    If several snapshots have the same timestamp, only the last one is returned.

    Parameters
    ----------
    snapshots
        Snapshot objects, folders of stored snapshots, or rows of `list_snapshots`.
    """
    if isinstance(snapshots, pd.DataFrame):
        check_columns(snapshots.columns, ["path"], "snapshots")
        snapshots = snapshots["path"]
    items = as_list(snapshots, "snapshots")
    sources = [source for source in map(_open_source, items) if source is not None]
    by_time = {source.taken_at: source for source in sorted(sources, key=lambda source: source.taken_at)}
    return iter_snapshots(list(by_time.values()), n_known=len(items))


def iter_snapshots(sources: Sequence[Snapshot | StoredSnapshot], *, n_known: int | None = None) -> Iterator[Snapshot]:
    """
    Read snapshots one at a time, with only their groups, memberships, and customer uids.

    Snapshots that cannot be read are skipped with a warning.

    Parameters
    ----------
    sources
        Snapshot objects and stored snapshots, sorted by timestamp.
    n_known
        Number of snapshots, including snapshots that could not be opened. None uses the length of `sources`.

    Raises
    ------
    SnapshotNotFoundError
        If there are snapshots, but none can be read. Without this error, the caller could interpret the empty result
        as an empty history.
    """
    if n_known is None:
        n_known = len(sources)
    n_read = 0
    for source in sources:
        try:
            snapshot = _read_source(source)
        except FileNotFoundError:  # Another process has pruned the snapshot.
            continue
        except InputError as error:
            _log_skipped(error)
            continue
        n_read += 1
        yield snapshot
    if n_known and not n_read:
        raise SnapshotNotFoundError(
            f"0 of {n_known:,} snapshots can be read. The log contains the reason for each snapshot."
        )


def _read_source(source: Snapshot | StoredSnapshot) -> Snapshot:
    if isinstance(source, Snapshot):
        return source
    return read_stored(source, only_memberships=True)


def _open_source(item: Any) -> Snapshot | StoredSnapshot | None:
    """Return a Snapshot object unchanged, or open the snapshot in a folder. Return None if the folder is corrupt."""
    if isinstance(item, Snapshot):
        return item
    if not isinstance(item, str | Path):
        raise wrong_type(item, "snapshots", "a list of Snapshot objects or snapshot folders")
    try:
        return open_stored(item)
    except CorruptFileError as error:
        _log_skipped(error)
        return None


def _log_skipped(error: InputError) -> None:
    # The error's hint is omitted, because the snapshot is skipped and no action is necessary.
    log_event(log, logging.WARNING, "snapshot_skipped", f"{error.message} The history omits this snapshot.")
