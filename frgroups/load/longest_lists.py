"""
Find lists of members that a server cuts at a maximum number of rows.

A load requests the longest lists of a tenant in the reverse sort order. The module `end_check` explains why a load
does not check shorter lists, and what a response proves.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from frgroups.api.client import Direction
from frgroups.api.schema.records import CustomerReferences
from frgroups.load.end_check import END_SIZE, EndCheck, OtherEnd, equal_list_note, shared_maximum_note
from frgroups.load.listing_reader import PageRows
from frgroups.load.tenant_reader import TenantReader
from frgroups.load.verified_listing import page_rows
from frgroups.snapshot.snapshot import Snapshot
from frgroups.snapshot.verdicts import states_missing_rows


def check_longest_lists(tenant: TenantReader, earlier: Snapshot | None = None) -> None:
    """
    Request the longest lists of members in the reverse sort order, and change the verdicts of incomplete lists.

    If several groups have the largest number of members, the lists of all these groups are checked. If the last
    customers of a group might have left it before the check, the group is read and checked again. If the list of a
    group lacks rows, the group is read again, because customers might have joined it. If the second read shows that
    the server omits rows, the remaining groups that lack rows are not read again. If the server does not support the
    reverse sort order, several longest lists with different members are evidence of a maximum.

    Parameters
    ----------
    tenant
        State of the load. All groups have been read or inferred.
    earlier
        Snapshot of an earlier load that also read other groups.
    """
    earlier_rows = [] if earlier is None else earlier.reads["n_rows"].to_list()
    tenant.sorting.longest = max([0, *earlier_rows, *(read["n_rows"] for read in tenant.reads.values())])

    def end_check(uid: str) -> EndCheck[int]:
        return _end_check(tenant, uid)

    def read_other_end(uid: str) -> OtherEnd[int]:
        return end_check(uid).read_other_end(tenant.known_members(uid).tolist())

    other_ends: dict[str, OtherEnd[int]] = {}
    to_check = _consistent_longest(tenant, tenant.reads)
    # Check one list before all others, because its response shows which sort direction the server supports.
    for uids in (to_check[:1], to_check[1:]):
        other_ends |= tenant.run_for_groups(uids, read_other_end, tenant.request_pool)
    changed = [uid for uid, other_end in other_ends.items() if other_end.might_have_changed]
    tenant.read_by_pages(dict.fromkeys(changed))
    for uid in changed:
        del other_ends[uid]
    # Groups that were deleted in the meantime are no longer in `tenant.reads`.
    to_check = _consistent_longest(tenant, [uid for uid in changed if uid in tenant.reads])
    other_ends |= tenant.run_for_groups(to_check, read_other_end, tenant.request_pool)
    shared_maximum = shared_maximum_note(tenant.sorting.longest, _count_longest_lists(tenant, earlier))
    omits_rows = False
    for uid, other_end in other_ends.items():
        n_rows = tenant.reads[uid]["n_rows"]
        if other_end.problem and not omits_rows:
            omits_rows = bool(tenant.read_by_pages({uid: None}, end_check))
            if omits_rows:
                tenant.doubt_group(uid, tenant.reads[uid]["note"])
        elif other_end.problem:
            tenant.doubt_group(uid, other_end.problem)
        elif not other_end.is_confirmed:
            tenant.doubt_group(uid, other_end.doubt(n_rows) or shared_maximum)


def doubt_equal_lists(tenant: TenantReader, earlier: Snapshot | None = None) -> None:
    """
    Change the verdict of each `consistent` list that has the same number of rows as an incomplete list.

    If a server returns at most N rows of a list, all of its lists with exactly N rows might be incomplete.
    Incomplete lists of an earlier load are considered, too, if their groups were not read again. See
    `check_longest_lists` for the parameters.
    """
    incomplete = {read["n_rows"]: uid for uid, read in tenant.reads.items() if states_missing_rows(read["note"])}
    if earlier is not None:
        others = earlier.reads[~earlier.reads["customer_group_uid"].isin(tenant.reads)]
        others = others[others["note"].map(states_missing_rows).astype(bool)]
        incomplete |= dict(zip(others["n_rows"], others["customer_group_uid"], strict=True))
    for uid, read in tenant.reads.items():
        n_rows = read["n_rows"]
        if read["verdict"] == "consistent" and n_rows in incomplete:
            tenant.doubt_group(uid, equal_list_note(n_rows, incomplete[n_rows]))


def _consistent_longest(tenant: TenantReader, uids: Iterable[str]) -> list[str]:
    """Return the given groups whose lists are consistent and have the largest number of rows."""
    return [
        uid
        for uid in uids
        if tenant.reads[uid]["verdict"] == "consistent" and tenant.sorting.is_longest(tenant.reads[uid]["n_rows"])
    ]


def _count_longest_lists(tenant: TenantReader, earlier: Snapshot | None) -> int:
    """Return the number of lists that have the largest number of rows. Lists with the same members count once."""
    longest = tenant.sorting.longest
    lists = [tenant.known_members(uid) for uid, read in tenant.reads.items() if read["n_rows"] == longest]
    if earlier is not None:
        reads = earlier.reads[earlier.reads["n_rows"] == longest]
        others = reads.loc[~reads["customer_group_uid"].isin(tenant.reads), "customer_group_uid"]
        lists += [np.array(tenant.customer_index.find_codes(earlier.matrix.members(uid))) for uid in others]
    # Compare the lists by the bytes of their sorted codes, because bytes need less memory than sets of integers.
    return len({np.sort(codes).astype(np.int64).tobytes() for codes in lists})


def _end_check(tenant: TenantReader, uid: str) -> EndCheck[int]:
    def read(direction: Direction) -> PageRows[int]:
        page = tenant.client.read_customer_page(
            uid, None, END_SIZE, record=CustomerReferences, sort_direction=direction
        )
        # Use `find_codes`, which does not add customers to the index.
        # The records of additional customers could contradict the pages of groups that were already read.
        return page_rows(page, tenant.customer_index.find_codes(page.uids))

    return EndCheck(read, tenant.sorting)
