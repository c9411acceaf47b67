"""Compute the size of each group in each snapshot of a series."""

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
    Return the size of each group in each snapshot and the number of customers who joined and left.

    Only the groups, memberships, and customer uids of a snapshot are read, and at most two snapshots are in memory at
    the same time. Snapshots that are corrupt or have another format version are skipped with a warning in the log.

    Parameters
    ----------
    snapshots
        Snapshot objects, folders of stored snapshots, or rows of `list_snapshots`, in any order. None reads all
        stored snapshots of the tenant. If several snapshots have the same timestamp, the last one is used.
    cache
        Folder that contains the stored snapshots. None selects the data folder. It cannot be combined with
        `snapshots`.
    tenant_uid, base_url
        Tenant and host of the stored snapshots. They are required if the folder contains snapshots of several tenants
        or hosts, not counting servers on this machine. They cannot be combined with `snapshots`. Without `base_url`,
        servers on this machine are selected as in `read_snapshot`.
    groups
        Groups to return, by uid or unique name in the last snapshot that contains the group. None returns all
        groups.

    Returns
    -------
    DataFrame
        One row per snapshot and group, sorted by timestamp and group uid, with these columns:

        - taken_at (`datetime64[us, UTC]`): timestamp of the snapshot
        - customer_group_uid (`str`)
        - name (`str`): name of the group in this snapshot
        - n_members (`int64`)
        - n_joined, n_left (`Int64`): number of customers who joined and left since the previous snapshot, missing
          for the first snapshot
        - status (`str`): "first" in the first snapshot, then "kept", "new", or "deleted". A deleted group has a row
          with 0 members in the first snapshot that does not contain it.
        - verdict (`str`): verdict of the group in this snapshot, "consistent", "unverifiable", or "drifted"

        In each row, n_members equals the previous n_members + n_joined - n_left.

    Raises
    ------
    SnapshotNotFoundError
        If there are no stored snapshots, or none of them can be read.
    GroupNotFoundError
        If `groups` contains an unknown group.
    InputError
        If the snapshots belong to several tenants or hosts, or a folder does not contain a snapshot.

    See Also
    --------
    customer_history : Changes of the groups of one customer.
    group_changes : Changes of each group between two snapshots.

    Examples
    --------
    >>> early, late = sample_snapshot("2026-11-03"), sample_snapshot("2026-11-10")
    >>> size_history([early, late], groups=["VIP"])[["taken_at", "name", "n_members", "n_joined", "n_left"]]
                       taken_at name  n_members  n_joined  n_left
    0 2026-11-03 00:00:00+00:00  VIP          2      <NA>    <NA>
    1 2026-11-10 00:00:00+00:00  VIP          2         0       0
    """
    if snapshots is not None and not (cache is tenant_uid is base_url is None):
        raise InputError(
            "`snapshots` cannot be combined with `cache`, `tenant_uid`, or `base_url`. Pass either `snapshots` or "
            "the other arguments."
        )
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
    """
    Return the rows of a size history that belong to the selected groups.

    Parameters
    ----------
    history
        Table of `size_history`.
    groups
        Uids or unique names of groups. The name of a group is its name in the last row.
    """
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
