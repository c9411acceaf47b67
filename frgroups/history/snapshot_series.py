"""Snapshots one after the other, oldest first: of each who was where, and nothing of those that are damaged."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from frgroups.errors import CorruptFileError, InputError, SnapshotNotFoundError
from frgroups.internals.structured_logging import log_event
from frgroups.internals.validation import as_list
from frgroups.snapshot.snapshot import Snapshot
from frgroups.store.manifest import StoredSnapshot
from frgroups.store.snapshot_store import open_stored, read_stored

log = logging.getLogger("frgroups.history")

Given = pd.DataFrame | Iterable[Snapshot | str | Path]


def read_snapshots(snapshots: Given) -> Iterator[Snapshot]:
    """Snapshots, folders of kept ones, or rows of `list_snapshots`; of several of one moment the last."""
    if isinstance(snapshots, pd.DataFrame):
        if "path" not in snapshots:
            raise InputError("snapshots has no column 'path'; pass the table of list_snapshots, or rows of it.")
        snapshots = snapshots["path"]
    given = as_list(snapshots, "snapshots")
    found = sorted((one for one in map(_found, given) if one is not None), key=lambda one: one.taken_at)
    return iter_snapshots(list({one.taken_at: one for one in found}.values()), n_known=len(given))


def iter_snapshots(sources: Sequence[Snapshot | StoredSnapshot], *, n_known: int | None = None) -> Iterator[Snapshot]:
    """
    Each of these when it is its turn, so that no more than the reader keeps are in memory.

    Raises SnapshotNotFoundError when there are some (`n_known` counts those that were not found, too), and none can
    be read: their history is not empty, but unknown.
    """
    n_known = len(sources) if n_known is None else n_known
    n_read = 0
    for source in sources:
        try:
            snapshot = source if isinstance(source, Snapshot) else read_stored(source, only_memberships=True)
        except FileNotFoundError:  # Pruned meanwhile.
            continue
        except InputError as error:
            _leave_out(error)
            continue
        n_read += 1
        yield snapshot
    if n_known and not n_read:
        raise SnapshotNotFoundError(f"None of {n_known:,} snapshots can be read; the log tells why of each.")


def _found(one: Any) -> Snapshot | StoredSnapshot | None:
    if isinstance(one, Snapshot):
        return one
    if not isinstance(one, str | Path):
        raise InputError(f"snapshots takes Snapshots and folders of kept ones, not a {type(one).__name__}.")
    try:
        return open_stored(one)
    except CorruptFileError as error:
        _leave_out(error)
        return None


def _leave_out(error: InputError) -> None:
    # The hint is for a caller that stops at the error.
    log_event(log, logging.WARNING, "snapshot_left_out", f"{error.message} The history goes on without it.")
