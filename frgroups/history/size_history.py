"""Compute the size of each group in each snapshot of a series."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from frgroups.analysis.changes import group_changes
from frgroups.analysis.snapshot_comparison import group_verdicts
from frgroups.engines.frames import is_engine_frame
from frgroups.engines.history import count_members_over_time, has_tenants
from frgroups.errors import InputError
from frgroups.history.snapshot_series import iter_snapshots, read_snapshots
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
    snapshots: Any = None,
    *,
    cache: str | Path | None = None,
    tenant_uid: str | None = None,
    base_url: str | None = None,
    groups: Iterable[str] | None = None,
) -> pd.DataFrame:
    """
    Return the size of each group in each snapshot and the number of customers who joined and left.

    Only the groups, memberships, and customer uids of a snapshot are read, and at most two snapshots are in memory at
    the same time. Snapshots that are corrupt or have another format version are skipped with a warning in the log. If
    `snapshots` is a frame of a query engine, the engine returns only counts.

    Parameters
    ----------
    snapshots
        Snapshot objects, folders of stored snapshots, or rows of `list_snapshots`, in any order. None reads all
        stored snapshots of the tenant. If several snapshots have the same timestamp, the last one is used. A frame of
        a query engine, for example the result of `scan_memberships`, needs the columns taken_at, customer_group_uid,
        and customer_uid. The engine counts its rows. If the frame has the column tenant_uid, it can contain several
        tenants.
    cache
        Folder that contains the stored snapshots. None selects the data folder. It cannot be combined with
        `snapshots`.
    tenant_uid, base_url
        Tenant and host of the stored snapshots. They are required if the folder contains snapshots of several tenants
        or hosts, not counting servers on this machine. They cannot be combined with `snapshots`. Without `base_url`,
        snapshots of servers on this machine are selected as in `read_snapshot`.
    groups
        Groups to return, by uid or unique name in the last snapshot that contains the group. None returns all
        groups. A frame contains no names, so only uids are accepted.

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
          with 0 members in the first snapshot that does not contain the group.
        - verdict (`str`): verdict of the group in this snapshot, "consistent", "unverifiable", or "drifted"

        In each row, n_members equals the group's n_members in the previous snapshot + n_joined - n_left.

        If `snapshots` is a frame, the uids are used as names, and verdict is missing. A frame contains no rows for
        groups and snapshots without members, so a group that becomes empty is "deleted". If the frame has the column
        tenant_uid, it is the first column of the result. The rows are sorted by tenant, and changes are counted from
        the previous snapshot of the same tenant.

    Raises
    ------
    SnapshotNotFoundError
        If there are no stored snapshots, or none of them can be read.
    GroupNotFoundError
        If `groups` contains an unknown group.
    InputError
        If the snapshots belong to several tenants or hosts, a folder does not contain a snapshot, or a frame lacks a
        column or has missing uids or timestamps.

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
    if is_engine_frame(snapshots):
        history = _frame_history(snapshots)
        return history if groups is None else only_groups(history, groups)
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
        Uids or unique names of groups. The name of a group is the name in the group's last row.
    """
    last = history.drop_duplicates("customer_group_uid", keep="last").sort_values("customer_group_uid")
    all_groups = MembershipMatrix.without_members(pd.Index(last["customer_group_uid"]), pd.Index(last["name"]))
    return history[history["customer_group_uid"].isin(all_groups.select(groups).group_uids)].reset_index(drop=True)


def _frame_history(frame: Any) -> pd.DataFrame:
    """Return the size history of a frame of memberships, with tenant_uid as the first column if it exists."""
    counts = count_members_over_time(frame, "snapshots")
    counts["number"] = counts.groupby("tenant_uid")["taken_at"].rank("dense").astype("int64")
    keys = ["tenant_uid", "number", "customer_group_uid"]
    before = counts[[*keys, "n_members"]].rename(columns={"n_members": "n_before"})
    before["number"] += 1
    snapshots = counts[["tenant_uid", "number", "taken_at"]].drop_duplicates()
    # The outer join adds a row for each deleted group, in the first snapshot that does not contain the group.
    # The inner join removes the rows with a number after the last snapshot.
    table = counts.drop(columns="taken_at").merge(before, on=keys, how="outer").merge(snapshots)
    numbers = table[["n_members", "n_kept", "n_before"]].fillna(0).astype("int64")
    is_first = table["number"] == 1
    status = np.select(
        [is_first, numbers["n_before"] == 0, numbers["n_members"] == 0], ["first", "new", "deleted"], "kept"
    )
    table = table.assign(
        name=table["customer_group_uid"],
        n_members=numbers["n_members"],
        n_joined=(numbers["n_members"] - numbers["n_kept"]).astype("Int64").mask(is_first),
        n_left=(numbers["n_before"] - numbers["n_kept"]).astype("Int64").mask(is_first),
        status=status,
        verdict=np.nan,
    )
    columns = {"tenant_uid": "str", **_COLUMNS} if has_tenants(frame) else _COLUMNS
    return coerce_schema(table.sort_values(keys)[list(columns)], columns)


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
