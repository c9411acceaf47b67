"""Two snapshots side by side: the groups and customers of either, and where each stands among them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.typing import IntArray
from frgroups.snapshot.membership_matrix import MembershipMatrix, as_membership_matrix
from frgroups.snapshot.snapshot import Snapshot

_FROM_SURE_TO_UNSURE = pd.Index(["consistent", "unverifiable", "drifted"])


@dataclass(frozen=True, eq=False)
class Side:
    """
    One of the two: its memberships, and where its groups and customers stand among those of either.

    A table of memberships is not `named`: it has uids in the place of names.
    """

    matrix: MembershipMatrix
    group: IntArray
    customer: IntArray
    named: bool


@dataclass(frozen=True, eq=False)
class SnapshotComparison:
    """
    An older and a newer snapshot over the groups and customers of either, both in uid order.

    `names` are the newer ones, and the last ones of groups that are gone.
    """

    old: Side
    new: Side
    groups: pd.Index
    names: pd.Index
    customers: pd.Index
    verdicts: pd.Index

    @classmethod
    def of(cls, old: Any, new: Any) -> SnapshotComparison:
        """Snapshots, or tables of memberships; InputError when they cannot be compared in this order."""
        _check_comparable(old, new)
        before, after = as_membership_matrix(old), as_membership_matrix(new)
        groups, group_before, group_after = _union(before.group_uids, after.group_uids)
        customers, customer_before, customer_after = _union(before.customer_uids, after.customer_uids)
        sides = (
            Side(before, group_before, customer_before, isinstance(old, Snapshot)),
            Side(after, group_after, customer_after, isinstance(new, Snapshot)),
        )
        unsure = np.maximum(*(_FROM_SURE_TO_UNSURE.get_indexer(group_verdicts(one, groups)) for one in (old, new)))
        return cls(*sides, groups, _names(groups, *sides), customers, _FROM_SURE_TO_UNSURE.take(unsure))

    def group_code_of(self, group: str) -> int:
        """The place of the group of this uid, or else of this unique name, among those of either."""
        return self._nobody.group_code_of(group)

    @cached_property
    def _nobody(self) -> MembershipMatrix:
        starts = np.zeros(len(self.groups) + 1, dtype=np.int64)
        return MembershipMatrix(self.groups, self.names, self.customers[:0], starts, np.empty(0, dtype=np.int32))


def group_verdicts(data: Any, groups: pd.Index) -> pd.Index:
    """
    How sure it is who is in these groups, in their order; a table of memberships proves nothing.

    A group that a snapshot lacks was not in its list of groups, which is as sure as the snapshot as a whole.
    """
    if not isinstance(data, Snapshot):
        return pd.Index(["unverifiable"] * len(groups), dtype="str")
    read = pd.Series(data.reads["verdict"].array, index=pd.Index(data.reads["customer_group_uid"]), dtype="str")
    verdicts: pd.Index = pd.Index(read.reindex(groups).fillna(data.verdict), dtype="str")
    return verdicts


def weaker_verdict(*verdicts: str) -> str:
    """
    The less sure of these verdicts.

    >>> weaker_verdict("unverifiable", "consistent"), weaker_verdict("drifted", "unverifiable")
    ('unverifiable', 'drifted')
    """
    return str(max(verdicts, key=list(_FROM_SURE_TO_UNSURE).index))


def _names(groups: pd.Index, *sides: Side) -> pd.Index:
    """The name that the last of the sides has for each group; its uid where none has."""
    names = groups.to_numpy(dtype=object, copy=True)
    for side in sides:
        if side.named:
            names[side.group] = side.matrix.group_names
    named: pd.Index = pd.Index(names, dtype="str")
    return named


def _union(old: pd.Index, new: pd.Index) -> tuple[pd.Index, IntArray, IntArray]:
    """The uids of either in uid order, and where the old and the new ones stand in it."""
    if old.equals(new):
        where = np.arange(len(new), dtype=np.int64)
        return new, where, where
    found = new.get_indexer(old)
    gone = found < 0
    found[gone] = len(new) + np.arange(gone.sum())
    either = new.append(old[gone])
    order = either.argsort()
    rank = np.empty(len(either), dtype=np.int64)
    rank[order] = np.arange(len(either))
    return either.take(order), rank[found], rank[: len(new)]


def _check_comparable(old: Any, new: Any) -> None:
    if not (isinstance(old, Snapshot) and isinstance(new, Snapshot)):
        return
    if old.tenant_uid != new.tenant_uid:
        raise InputError(
            f"The snapshots are of two tenants, {old.tenant_uid} and {new.tenant_uid}; "
            "changes can only be told within one."
        )
    if old.base_url and new.base_url and old.base_url != new.base_url:
        raise InputError(
            f"The snapshots of {old.tenant_uid} are of two hosts, {old.base_url} and {new.base_url}; "
            "changes can only be told within one."
        )
    if old.taken_at > new.taken_at:
        raise InputError(
            f"The first snapshot was taken at {_told(old)}, after the second, of {_told(new)}; joined and left would "
            "be swapped. Give the older one first."
        )


def _told(snapshot: Snapshot) -> str:
    return f"{snapshot.taken_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
