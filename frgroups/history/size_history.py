"""Number of members of each group at each snapshot."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from frgroups.analysis.changes import group_changes
from frgroups.analysis.snapshot_comparison import group_verdicts
from frgroups.errors import InputError
from frgroups.history.snapshot_series import SnapshotSources, iter_snapshots, read_snapshots
from frgroups.snapshot.membership_matrix import MembershipMatrix
from frgroups.snapshot.schema import TIMESTAMP_DTYPE, coerce_schema
from frgroups.snapshot.snapshot import Snapshot
from frgroups.store.snapshot_store import list_tenant_snapshots

_COLUMNS = {
    "taken_at": TIMESTAMP_DTYPE,
    "customer_group_uid": "str",
    "name": "str",
    "n_members": "int64",
    "n_joined": "Int64",
    "n_left": "Int64",
    "status": "str",
    "verdict": "str",
}


def size_history(
    snapshots: SnapshotSources | None = None,
    *,
    cache: str | Path | None = None,
    tenant_uid: str | None = None,
    base_url: str | None = None,
    groups: Iterable[str] | None = None,
) -> pd.DataFrame:
    """
    How many members each group had at each snapshot, and how many had joined and left since the one before.

    It reads of each snapshot who was where and nothing else, and holds two at a time, so that hundreds may be
    kept. One that is damaged, or that another version wrote, is left out with a warning in the log.

    Parameters
    ----------
    snapshots
        Snapshots, folders of kept ones, or rows of `list_snapshots`, in any order; None takes all that are kept.
        Of several of one moment the last counts.
    cache, tenant_uid, base_url
        Where they are kept (None: in the home), and of which tenant and host, as in `read_snapshot`.
    groups
        Only these groups, by uid or by the unique last name.

    Returns
    -------
    DataFrame
        One row per snapshot and group, oldest first, then in uid order: taken_at (`datetime64[us, UTC]`);
        customer_group_uid, name (`str`, as it was then); n_members (`int64`); n_joined, n_left (`Int64`, since
        the snapshot before, NA for the first); status (`str`: "first", "kept", "new", or "deleted" in the first
        snapshot that lacks the group, with no members); verdict (`str`, how sure this reading of the group is:
        n_joined and n_left stand on the one before too).
        n_members before + n_joined - n_left = n_members.

    Raises
    ------
    SnapshotNotFoundError
        Nothing is kept, or nothing of it can be read.
    InputError
        The snapshots are of several tenants or hosts; a folder that holds no snapshot; an unknown group.

    Examples
    --------
    >>> early, late = sample_snapshot("2026-11-03"), sample_snapshot("2026-11-10")
    >>> size_history([early, late], groups=["VIP"])[["taken_at", "name", "n_members", "n_joined", "n_left"]]
                       taken_at name  n_members  n_joined  n_left
    0 2026-11-03 00:00:00+00:00  VIP          2      <NA>    <NA>
    1 2026-11-10 00:00:00+00:00  VIP          2         0       0
    """
    if snapshots is not None and not (cache is tenant_uid is base_url is None):
        raise InputError("Both snapshots and a cache, tenant or host were passed; snapshots alone say which.")
    if snapshots is None:
        series = iter_snapshots(list_tenant_snapshots(cache, tenant_uid, base_url))
    else:
        series = read_snapshots(snapshots)
    tables, before = [], None
    for snapshot in series:
        if before is None:
            tables.append(_first_sizes(snapshot))
        else:
            tables.append(_sizes_since(before, snapshot))
        before = snapshot
    if not tables:
        tables.append(pd.DataFrame(columns=list(_COLUMNS)))
    history = coerce_schema(pd.concat(tables, ignore_index=True), _COLUMNS)
    if groups is None:
        return history
    return only_groups(history, groups)


def only_groups(history: pd.DataFrame, groups: Iterable[str]) -> pd.DataFrame:
    """Return the rows of these groups, which are given by uid or by their last name if it is unique."""
    last = history.drop_duplicates("customer_group_uid", keep="last").sort_values("customer_group_uid")
    no_codes = np.empty(0, dtype=np.int64)
    all_groups = MembershipMatrix.from_codes(
        no_codes,
        no_codes,
        group_uids=pd.Index(last["customer_group_uid"]),
        group_names=pd.Index(last["name"]),
        customer_uids=pd.Index([], dtype="str"),
    )
    return history[history["customer_group_uid"].isin(all_groups.select(groups).group_uids)].reset_index(drop=True)


def _first_sizes(snapshot: Snapshot) -> pd.DataFrame:
    matrix = snapshot.matrix
    return pd.DataFrame(
        {
            "taken_at": snapshot.taken_at,
            "customer_group_uid": matrix.group_uids.array,
            "name": matrix.group_names.array,
            "n_members": matrix.sizes,
            "n_joined": pd.array([pd.NA] * matrix.n_groups, dtype="Int64"),
            "n_left": pd.array([pd.NA] * matrix.n_groups, dtype="Int64"),
            "status": "first",
            "verdict": group_verdicts(snapshot, matrix.group_uids).array,
        }
    )


def _sizes_since(before: Snapshot, after: Snapshot) -> pd.DataFrame:
    table = group_changes(before, after).rename(columns={"n_new": "n_members"})
    verdicts = group_verdicts(after, pd.Index(table["customer_group_uid"]))
    counts = table[["n_joined", "n_left"]].astype("Int64")
    return table.assign(taken_at=after.taken_at, verdict=verdicts.array, **counts)[list(_COLUMNS)]
