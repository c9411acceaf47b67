"""Compare two snapshots, including the groups and customers that are in only one of the snapshots."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from frgroups.engines.frames import is_engine_frame, read_snapshot_key
from frgroups.engines.memberships import collect_memberships
from frgroups.errors import InputError
from frgroups.internals.base_urls import is_same_base_url
from frgroups.internals.typing import IntArray
from frgroups.snapshot.membership_matrix import MembershipMatrix, read_table
from frgroups.snapshot.snapshot import Snapshot
from frgroups.snapshot.snapshot_columns import SnapshotKey, check_comparable_keys, check_one_snapshot
from frgroups.snapshot.verdicts import VERDICTS

_VERDICTS = pd.Index(VERDICTS)


@dataclass(frozen=True, eq=False)
class Side:
    """
    One of the two compared snapshots, and the positions of its groups and customers in the combined indexes.

    `named` is False for a table of memberships, because such a table does not contain group names.
    """

    matrix: MembershipMatrix
    group: IntArray
    customer: IntArray
    named: bool


@dataclass(frozen=True, eq=False)
class SnapshotComparison:
    """
    An older and a newer snapshot, with the sorted uids of all groups and customers in either snapshot.

    `names` contains the name of each group in the newer snapshot, or in the older snapshot if the group was deleted.
    `verdicts` contains the less reliable of the two verdicts of each group.
    """

    old: Side
    new: Side
    groups: pd.Index
    names: pd.Index
    customers: pd.Index
    verdicts: pd.Index

    @classmethod
    def from_data(cls, old: Any, new: Any) -> SnapshotComparison:
        """Compare two snapshots or tables of memberships. Raise InputError if a comparison is not possible."""
        old, new = _read_if_table(old, "old"), _read_if_table(new, "new")
        check_comparable(old, new)
        before, after = collect_memberships(old, "old"), collect_memberships(new, "new")
        groups, group_before, group_after = _union(before.group_uids, after.group_uids)
        customers, customer_before, customer_after = _union(before.customer_uids, after.customer_uids)
        sides = (
            Side(before, group_before, customer_before, isinstance(old, Snapshot)),
            Side(after, group_after, customer_after, isinstance(new, Snapshot)),
        )
        ranks = [_VERDICTS.get_indexer(group_verdicts(data, groups)) for data in (old, new)]
        verdicts = _VERDICTS.take(np.maximum(*ranks))
        return cls(*sides, groups, _group_names(groups, *sides), customers, verdicts)

    def group_code_of(self, group: str) -> int:
        """Return the position in `groups` of the group with a given uid or unique name."""
        return self._empty_matrix.group_code_of(group)

    @cached_property
    def _empty_matrix(self) -> MembershipMatrix:
        return MembershipMatrix.without_members(self.groups, self.names)


def group_verdicts(data: Any, groups: pd.Index) -> pd.Index:
    """
    Return the verdict of each group in a snapshot.

    If the snapshot does not contain a group, the verdict of the snapshot is used, because the snapshot's verdict also
    covers the list of groups. If `data` is a table of memberships, the verdict of all groups is "unverifiable".
    """
    if not isinstance(data, Snapshot):
        return pd.Index(["unverifiable"] * len(groups), dtype="str")
    read = pd.Series(data.reads["verdict"].array, index=pd.Index(data.reads["customer_group_uid"]), dtype="str")
    verdicts: pd.Index = pd.Index(read.reindex(groups).fillna(data.verdict), dtype="str")
    return verdicts


def _group_names(groups: pd.Index, *sides: Side) -> pd.Index:
    """Return each group's name in the newest snapshot that contains the group, or its uid if no name is known."""
    names = groups.to_numpy(dtype=object, copy=True)
    for side in sides:
        if side.named:
            names[side.group] = side.matrix.group_names
    named: pd.Index = pd.Index(names, dtype="str")
    return named


def _union(old: pd.Index, new: pd.Index) -> tuple[pd.Index, IntArray, IntArray]:
    """Return the sorted union of two uid indexes, and the positions of the old and new uids in the union."""
    if old.equals(new):
        positions = np.arange(len(new), dtype=np.int64)
        return new, positions, positions
    # Before sorting, the union consists of the new uids, followed by the uids that are only in the old index.
    unsorted_positions = new.get_indexer(old)
    is_gone = unsorted_positions < 0
    unsorted_positions[is_gone] = len(new) + np.arange(is_gone.sum())
    union = new.append(old[is_gone])
    order = union.argsort()
    rank = np.empty(len(union), dtype=np.int64)
    rank[order] = np.arange(len(union))
    return union.take(order), rank[unsorted_positions], rank[: len(new)]


def check_comparable(old: Any, new: Any) -> None:
    """
    Raise InputError if two snapshots have different tenants or hosts, or are in the wrong order.

    The tenant and the time of a table of memberships are known if it has the columns tenant_uid and taken_at.
    """
    check_comparable_keys(_key_of(old, "old"), _key_of(new, "new"))
    if not (isinstance(old, Snapshot) and isinstance(new, Snapshot)):
        return
    if old.base_url and new.base_url and not is_same_base_url(old.base_url, new.base_url):
        raise InputError(f"Both snapshots must come from the same host, got {old.base_url} and {new.base_url}.")


def _read_if_table(data: Any, name: str) -> Any:
    """Convert a table in memory to a DataFrame, and return other data unchanged."""
    is_snapshot = isinstance(data, (Snapshot, MembershipMatrix))
    return data if is_snapshot or is_engine_frame(data) else read_table(data, name)


def _key_of(data: Any, name: str) -> SnapshotKey:
    if isinstance(data, Snapshot):
        return SnapshotKey(data.tenant_uid, data.taken_at)
    if isinstance(data, pd.DataFrame):
        return check_one_snapshot(data, name)
    return read_snapshot_key(data, name) if is_engine_frame(data) else SnapshotKey()
