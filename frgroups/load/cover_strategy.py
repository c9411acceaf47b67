"""
Choose which groups to read page by page and which groups to infer, so that a load needs few requests.

Each customer record contains the uids of the customer's groups. If all members of a group have already been read as
members of other groups, the members of the group can be inferred from the customer records. A request for the end of
the group's list confirms that no member is missing. Inferred membership (`cover`) is weaker evidence than reading all
pages. A group is inferred only if this saves requests. In addition, the customer records must be reliable: each
record on a page of a group must list this group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from frgroups.load.listing_reader import PageRows
from frgroups.load.longest_lists import check_longest_lists, doubt_equal_lists
from frgroups.load.tenant_reader import TenantReader

# Number of groups whose first pages are read to find a group that contains all customers.
# With more than `SAMPLE_SIZE` worker threads, one first page per thread is read, because the threads send their
# requests in parallel.
SAMPLE_SIZE = 8

# Number of trial probes.
# A probe is a small request that checks whether the members of a group can be inferred from customer records.
# If at least half of the trial probes fail, `_infer_large_groups` sends no more probes.
N_TRIAL_PROBES = 3


def read_all_groups(tenant: TenantReader, *, cover: bool) -> None:
    """
    Read all groups of a tenant.

    If `cover` is True, the members of a group are inferred from the customer records if this saves requests. All
    other groups are read page by page. Finally, the longest lists are requested in the reverse sort order, and groups
    whose members contradict the customer records are read again. If a list is incomplete, the verdict of other lists
    with the same number of rows becomes `unverifiable`.
    """
    first_pages: dict[str, PageRows[int]] = {}
    if cover:
        first_pages = _read_largest_group(tenant)
    first_pages |= tenant.read_first_pages(uid for uid in tenant.list_unread_groups() if uid not in first_pages)
    remaining = _unread(tenant, first_pages)
    while remaining:
        if cover:
            tenant.infer_members(_inferable_groups(tenant, remaining))
        remaining = _largest_first(_unread(tenant, remaining))
        to_page = list(remaining)
        if cover:
            to_page = _groups_to_page(tenant, remaining)
        tenant.read_by_pages({uid: remaining[uid] for uid in to_page})
        remaining = _unread(tenant, remaining)
    check_longest_lists(tenant)
    tenant.resolve_conflicts()
    doubt_equal_lists(tenant)


def _read_largest_group(tenant: TenantReader) -> dict[str, PageRows[int]]:
    """
    Find a group that contains all customers, and read it. Return the first pages of the groups that were searched.

    After all customers have been read, the expected size of each other group is the number of customer records that
    list the group. Many of these groups can then be inferred.
    """
    sample = _spread_sample(tenant.list_unread_groups(), max(SAMPLE_SIZE, tenant.client.workers))
    first_pages = tenant.read_first_pages(sample)
    uid = _find_group_of_all_customers(tenant, first_pages)
    if uid is not None:
        tenant.read_by_pages({uid: first_pages.get(uid)})
        _infer_large_groups(tenant, first_pages)
    return first_pages


def _unread(tenant: TenantReader, first_pages: Mapping[str, PageRows[int]]) -> dict[str, PageRows[int]]:
    return {uid: first_pages[uid] for uid in tenant.list_unread_groups()}


def _find_group_of_all_customers(tenant: TenantReader, first_pages: Mapping[str, PageRows[int]]) -> str | None:
    """
    Return the uid of a group that is listed in all customer records read so far, or None.

    If several groups are listed in all customer records, the uid of the largest group is returned.
    """
    if sum(1 for page in first_pages.values() if page.keys) < 3:
        return None
    counts = tenant.customer_index.references().counts
    n_customers = len(tenant.customer_index)
    candidates = [uid for uid in tenant.list_unread_groups() if counts[tenant.group_codes[uid]] == n_customers]
    # By chance, all customers on the first pages can also be in a smaller group, so choose the largest candidate.
    totals = {uid: page.total_count for uid, page in first_pages.items()}
    return max(candidates, key=lambda uid: totals.get(uid, 0), default=None)


def _infer_large_groups(tenant: TenantReader, first_pages: Mapping[str, PageRows[int]]) -> None:
    """Infer the members of groups for which one probe request replaces at least two page requests."""
    counts = tenant.customer_index.references().counts
    expected = {uid: int(counts[tenant.group_codes[uid]]) for uid in tenant.list_unread_groups()}
    tenant.load_progress.expect(expected)
    page_size = max(page.page_size for page in first_pages.values())
    large = []
    for uid, n in expected.items():
        n_pages_left_to_save = 1 + (uid in first_pages)
        if n > page_size * n_pages_left_to_save:
            large.append(uid)
    trial = _spread_sample(large, N_TRIAL_PROBES)
    n_failed = len(tenant.infer_members(trial))
    if 2 * n_failed < len(trial):
        tenant.infer_members(uid for uid in large if uid not in trial)


def _inferable_groups(tenant: TenantReader, first_pages: Mapping[str, PageRows[int]]) -> list[str]:
    """Return the groups with at least three pages whose total equals the number of records that list the group."""
    counts = tenant.customer_index.references().counts
    return [
        uid
        for uid, page in first_pages.items()
        if not _is_short(page) and counts[tenant.group_codes[uid]] == page.total_count
    ]


def _groups_to_page(tenant: TenantReader, first_pages: Mapping[str, PageRows[int]]) -> list[str]:
    """
    Return the groups that must be read page by page, sorted from largest to smallest.

    A group must be read page by page if it has at most two pages, or if its first page contains a customer who is in
    none of the larger unread groups. The largest group is always included.
    """
    if not tenant.references_are_reliable:
        return list(first_pages)
    references = tenant.customer_index.references()
    is_in_larger_group = np.zeros(len(tenant.customer_index), bool)
    uids = []
    for uid, page in first_pages.items():
        is_short = _is_short(page)
        if is_short or not page.keys or not is_in_larger_group[page.keys].all():
            uids.append(uid)
        if not is_short:
            is_in_larger_group[references.customers_of(tenant.group_codes[uid])] = True
    return uids


def _is_short(page: PageRows[int]) -> bool:
    """Return True if a group has at most two pages. Inferring a short group would not save a request."""
    return page.total_count <= 2 * page.page_size


def _largest_first(first_pages: Mapping[str, PageRows[int]]) -> dict[str, PageRows[int]]:
    return dict(sorted(first_pages.items(), key=lambda item: (-item[1].total_count, item[0])))


def _spread_sample(uids: Sequence[str], n: int) -> list[str]:
    """Return `n` uids from evenly spaced positions in a list, or all uids if the list is shorter."""
    if not uids:
        return []
    positions = np.unique(np.linspace(0, len(uids) - 1, min(n, len(uids)), dtype=np.int64))
    return [uids[position] for position in positions]
