"""
Compare desired memberships in a query engine, such as DuckDB, with a snapshot.

The engine returns only the memberships to add or to remove, so the desired memberships do not have to fit into
memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from frgroups.api.schema import codec
from frgroups.engines.membership_lists import Differences, MembershipLists
from frgroups.engines.removed_snapshots import explain_removed_snapshots
from frgroups.errors import InputError
from frgroups.internals.typing import IndexArray, Int32Array
from frgroups.plan.desired import DesiredMemberships, find_group_uids, no_rows_of_tenant
from frgroups.plan.mode_argument import find_modes
from frgroups.plan.modes import ADDING_MODES, REPLACING_MODES, GroupModes, Mode, mode_of
from frgroups.plan.uid_table import UidTable, is_invalid_uid
from frgroups.snapshot.similar_ids import check_similar_ids
from frgroups.snapshot.snapshot import Snapshot


@explain_removed_snapshots()
def compare_lists(
    snapshot: Snapshot,
    desired: Any,
    mode: GroupModes,
    created: Mapping[str, str],
    uids: UidTable,
    *,
    allow_similar_ids: bool,
) -> tuple[dict[str, DesiredMemberships], GroupModes]:
    """
    Read the desired members of each group from a frame of a query engine, and return them with the groups' modes.

    If the group's mode does not change the membership of a desired customer, the engine only counts the customer. In
    the modes "remove" and "keep_only", the engine also returns the customers who are not in the snapshot, so that
    their uids can be compared with the ids of known customers. If `allow_similar_ids` is True, these customers are
    only counted.

    See `plan_memberships` for the parameters and the errors. `uids` is the table of the snapshot's customer uids.
    """
    lists = MembershipLists(desired, snapshot.tenant_uid, "desired")
    sizes = lists.count()
    if lists.has_tenants and not len(sizes.groups):
        raise no_rows_of_tenant(snapshot.tenant_uid)
    group_uids = find_group_uids(snapshot, sizes.groups, created, in_uid_column=True)
    for uid in sizes.invalid_uids:
        if uid is not None:
            codec.check_uid(uid, "customer uid")
    modes = find_modes(snapshot, mode, group_uids, created)
    if not group_uids:
        return {}, modes
    group_modes = [mode_of(modes, uid) for uid in group_uids]
    members = [_member_codes(snapshot, uid, created) for uid in group_uids]
    only_adds = all(group_mode in ADDING_MODES for group_mode in group_modes)
    differences = lists.differences(
        _requested_rows(list(sizes.groups), group_modes),
        _member_table(members, uids),
        None if only_adds or allow_similar_ids else uids.texts,
    )
    codes = uids.lookup_codes(differences.customer_uids)
    is_unknown = codes < 0
    unknown = differences.customer_uids.filter(pa.array(is_unknown)).unique()
    # The rows can differ from those of the first query, for example if a table was changed in between.
    for uid in unknown.filter(pa.array(is_invalid_uid(unknown))).to_pylist():
        codec.check_uid(uid, "customer uid")
    if not allow_similar_ids:
        n_known = int(sizes.n_rows.sum() - differences.n_rows[is_unknown].sum())
        check_similar_ids(
            snapshot.customers, sorted(unknown.to_pylist()), "customer_uid", source="`desired`", n_known=n_known
        )
    order = np.argsort(differences.group_code, kind="stable")
    bounds = np.searchsorted(differences.group_code[order], np.arange(len(group_uids) + 1))
    desired_by_group = {}
    for position, uid in enumerate(group_uids):
        rows = order[bounds[position] : bounds[position + 1]]
        desired_by_group[uid] = _desired_members(
            group_modes[position], members[position], int(sizes.n_customers[position]), differences, codes, rows
        )
    return desired_by_group, modes


def _member_codes(snapshot: Snapshot, uid: str, created: Mapping[str, str]) -> Int32Array:
    if uid in created:
        return np.empty(0, dtype=np.int32)
    return snapshot.matrix.member_codes(uid)


def _requested_rows(groups: Sequence[str], modes: Sequence[Mode]) -> pa.Table:
    """Return the table of groups that is passed to `MembershipLists.differences`."""
    return pa.table(
        {
            "customer_group_uid": pa.array(groups, type=pa.large_string()),
            "group_code": pa.array(range(len(groups)), type=pa.int64()),
            "joining": [mode in ADDING_MODES for mode in modes],
            "both": [mode == "remove" for mode in modes],
            "leaving": [mode in REPLACING_MODES for mode in modes],
        }
    )


def _member_table(members: Sequence[Int32Array], uids: UidTable) -> pa.Table:
    """Return the table of current members that is passed to `MembershipLists.differences`."""
    return pa.table(
        {
            "group_code": np.repeat(np.arange(len(members), dtype=np.int64), [len(codes) for codes in members]),
            "customer_uid": uids.texts.take(pa.array(np.concatenate(members))),
        }
    )


def _desired_members(
    mode: Mode, members: Int32Array, n_listed: int, differences: Differences, codes: Int32Array, rows: IndexArray
) -> DesiredMemberships:
    """Return the desired members of one group. `rows` contains the positions of the group's rows in `differences`."""
    codes, is_listed, is_member = codes[rows], differences.is_listed[rows], differences.is_member[rows]
    unknown: frozenset[str] = frozenset()
    joining = codes[~is_member & (codes >= 0)]
    if mode in ADDING_MODES:
        unknown = frozenset(differences.customer_uids.take(pa.array(rows[codes < 0])).to_pylist())
    if mode == "add":
        listed = joining
    elif mode == "remove":
        listed = codes[is_listed & is_member]
    else:
        listed = np.setdiff1d(members, codes[~is_listed], assume_unique=True)
        if mode == "mirror":
            listed = np.concatenate([listed, joining])
    n_unchanged = n_listed - len(listed) - len(unknown)
    # In the mode "add", the unchanged customers are already members, so there are at most as many as members.
    most_unchanged = {"add": len(members), "mirror": 0}.get(mode, n_unchanged)
    if not 0 <= n_unchanged <= most_unchanged:
        raise InputError(
            "`desired` returned different rows in two queries. Store its rows in a table, and pass this table."
        )
    return DesiredMemberships(listed.astype(np.int32), unknown, n_unchanged)
