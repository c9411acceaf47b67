"""Compute the memberships after a plan has been applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """
    Return a snapshot that contains the memberships after a plan has been applied.

    The customers table of the result has an additional row for each added customer who is not in `snapshot`.
    """
    before = snapshot.matrix
    names = before.names_by_uid
    names |= {group.uid: group.name for group in groups}
    group_uids = sorted(names)
    code_of_group = {uid: code for code, uid in enumerate(group_uids)}
    customers = _MergedCustomers(snapshot, sorted(frozenset().union(*(group.unknown for group in groups))))
    # Encode each membership as one integer, so that removals can be found by a binary search: group code x number of
    # customers + customer code.
    n_customers = max(customers.n, 1)
    new_group_codes = np.array([code_of_group[uid] for uid in before.group_uids], dtype=np.int64)
    memberships = new_group_codes[before.group_code] * n_customers + customers.new_codes[before.indices]
    additions = _memberships_of(customers, {code_of_group[group.uid]: group.add for group in groups})
    removals = _memberships_of(customers, {code_of_group[group.uid]: group.remove for group in groups})
    remaining = np.delete(memberships, np.searchsorted(memberships, removals))
    after = np.concatenate([remaining, additions])
    matrix = MembershipMatrix.from_codes(
        after // n_customers,
        after % n_customers,
        group_uids=pd.Index(group_uids, dtype="str"),
        group_names=pd.Index([names[uid] for uid in group_uids], dtype="str"),
        customer_uids=customers.uids,
    )
    return snapshot_from_matrix(
        matrix,
        pd.DataFrame({"customer_group_uid": matrix.group_uids, "name": matrix.group_names}),
        customers.table(),
        snapshot.consents,
        tenant_uid=snapshot.tenant_uid,
        taken_at=taken_at,
        base_url=snapshot.base_url,
    )


class _MergedCustomers:
    """
    The customers in a snapshot and additional customers, sorted by uid.

    The attribute `new_codes` contains the integer code in this combined list for each customer in the snapshot.
    """

    def __init__(self, snapshot: Snapshot, additional: list[str]) -> None:
        self._customers = snapshot.customers
        self._additional = pd.DataFrame({"customer_uid": pd.Series(additional, dtype="str")})
        self._order: IntArray | None = None
        self.uids = snapshot.matrix.customer_uids
        self.new_codes = np.arange(len(self.uids), dtype=np.int64)
        if additional:
            positions = np.asarray(self.uids.searchsorted(self._additional["customer_uid"]))
            self.new_codes += np.searchsorted(positions, self.new_codes, side="right")
            additional_codes = positions + np.arange(len(additional))
            self._order = np.argsort(np.concatenate([self.new_codes, additional_codes]))
            self.uids = self.uids.append(pd.Index(additional, dtype="str")).take(self._order)
        self.n = len(self.uids)

    def table(self) -> pd.DataFrame:
        """Return the customers table with a row for each additional customer."""
        if self._order is None:
            return self._customers
        return pd.concat([self._customers, self._additional], ignore_index=True).take(self._order)


def _memberships_of(customers: _MergedCustomers, uids_by_group: Mapping[int, Sequence[str]]) -> IntArray:
    """Encode memberships as integers. `uids_by_group` maps the integer code of each group to its customer uids."""
    lengths = [len(uids) for uids in uids_by_group.values()]
    group_codes = np.repeat(np.array([*uids_by_group], dtype=np.int64), lengths)
    return group_codes * customers.n + UidTable(customers.uids).lookup_codes_of_lists(uids_by_group.values())


def preview_touched(
    groups: Sequence[GroupChange], *, tenant_uid: str, taken_at: datetime, base_url: str | None
) -> Snapshot:
    """
    Return a snapshot that contains only the groups that a plan changes.

    This function is used for a plan that was read from a file, because a plan file does not contain unchanged groups.
    """
    after = [[*set(group.baseline).union(group.add).difference(group.remove)] for group in groups]
    uids = pd.Series([group.uid for group in groups], dtype="str")
    names = pd.Series([group.name for group in groups], dtype="str")
    memberships = pd.DataFrame(
        {
            "customer_group_uid": uids.repeat([len(members) for members in after]).array,
            "customer_uid": pd.Series([uid for members in after for uid in members], dtype="str").array,
        }
    )
    group_table = pd.DataFrame({"customer_group_uid": uids, "name": names})
    return snapshot_from_frames(memberships, group_table, tenant_uid=tenant_uid, taken_at=taken_at, base_url=base_url)
