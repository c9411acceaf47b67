"""The memberships as they would be after a plan, as a Snapshot; worked out on codes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from frgroups.internals.typing import IntArray
from frgroups.plan.group_change import GroupChange
from frgroups.plan.uid_table import UidTable
from frgroups.snapshot.from_frames import snapshot_from_frames, snapshot_from_matrix
from frgroups.snapshot.membership_matrix import MembershipMatrix
from frgroups.snapshot.snapshot import Snapshot


def preview_snapshot(snapshot: Snapshot, groups: Sequence[GroupChange], *, taken_at: datetime) -> Snapshot:
    """All groups of a snapshot after these changes; who is new to all groups gets a row of customers."""
    before = snapshot.matrix
    named = dict(zip(before.group_uids, before.group_names, strict=True)) | {one.uid: one.name for one in groups}
    uids = sorted(named)
    customers = _Customers(snapshot, sorted(frozenset().union(*(one.unknown for one in groups))))
    code_of = {uid: code for code, uid in enumerate(uids)}
    width = max(customers.n, 1)
    now = np.array([code_of[uid] for uid in before.group_uids], dtype=np.int64)[before.group_code] * width
    now += customers.moved[before.indices]
    add, leave = (customers.keys(groups, side, code_of) for side in ("add", "remove"))
    at = np.searchsorted(now, leave)
    keys = np.concatenate([np.delete(now, at), add])
    codes = MembershipMatrix.from_codes(
        keys // width,
        keys % width,
        group_uids=pd.Index(uids, dtype="str"),
        group_names=pd.Index([named[uid] for uid in uids], dtype="str"),
        customer_uids=customers.uids,
    )
    return snapshot_from_matrix(
        codes,
        pd.DataFrame({"customer_group_uid": codes.group_uids, "name": codes.group_names}),
        customers.table(),
        snapshot.consents,
        tenant_uid=snapshot.tenant_uid,
        taken_at=taken_at,
        base_url=snapshot.base_url,
    )


class _Customers:
    """The customers of a snapshot with new ones among them, in uid order; `moved` is the new place of old ones."""

    def __init__(self, snapshot: Snapshot, new: list[str]) -> None:
        self._customers, self._new = snapshot.customers, pd.DataFrame({"customer_uid": pd.Series(new, dtype="str")})
        old = snapshot.matrix.customer_uids
        self.n = len(old) + len(new)
        self.moved = np.arange(len(old), dtype=np.int64)
        self._order: IntArray | None = None
        self.uids = old
        if new:
            at = np.asarray(old.searchsorted(self._new["customer_uid"]))
            self.moved += np.searchsorted(at, self.moved, side="right")
            self._order = np.argsort(np.concatenate([self.moved, at + np.arange(len(new))]))
            self.uids = old.append(pd.Index(new, dtype="str")).take(self._order)

    def keys(self, groups: Sequence[GroupChange], side: str, code_of: dict[str, int]) -> IntArray:
        """The memberships that one side of these changes names, in order: group by group, customer by customer."""
        sides = [getattr(one, side) for one in groups]
        group = np.repeat([code_of[one.uid] for one in groups], [len(uids) for uids in sides]).astype(np.int64)
        return group * self.n + UidTable(self.uids).lookup_codes_of_lists(sides)

    def table(self) -> pd.DataFrame:
        """What is known of them."""
        if self._order is None:
            return self._customers
        return pd.concat([self._customers, self._new], ignore_index=True).take(self._order)


def preview_touched(
    groups: Sequence[GroupChange], *, tenant_uid: str, taken_at: datetime, base_url: str | None
) -> Snapshot:
    """Only the groups that change: of the others a plan file does not tell."""
    after = [[*set(one.baseline).union(one.add).difference(one.remove)] for one in groups]
    uids = pd.Series([one.uid for one in groups], dtype="str")
    memberships = pd.DataFrame(
        {
            "customer_group_uid": uids.repeat([len(members) for members in after]).array,
            "customer_uid": pd.Series([uid for members in after for uid in members], dtype="str").array,
        }
    )
    named = pd.DataFrame({"customer_group_uid": uids, "name": pd.Series([one.name for one in groups], dtype="str")})
    return snapshot_from_frames(memberships, named, tenant_uid=tenant_uid, taken_at=taken_at, base_url=base_url)
