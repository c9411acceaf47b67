"""
The fewest requests: which groups are read by pages, and which are whole in what other groups have shown.

Every customer carries the uids of all groups it is in. So a group is known once all of its members were met in
others, and its total tells when that is so (cover). It is weaker evidence than pages, and trusted only while
every page bears it out; it is used only where it saves requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from frgroups.load.tenant_reader import TenantReader
from frgroups.load.verified_listing import PageRows

# The first pages of so many groups tell whether there is a group of everybody; as many as go at once take no longer.
SAMPLE = 8

# A glance at a group that is not whole is a request in vain: a few are tried before the many.
TRIAL = 3


def read_all_groups(tenant: TenantReader, *, cover: bool) -> None:
    """Read every group by pages, or where that saves requests by cover, and settle what disagrees."""
    sample = _spread(tenant.unread(), max(SAMPLE, tenant.client.workers))
    firsts = tenant.first_pages(sample if cover else tenant.unread())
    if cover and (everybody := _group_of_everybody(tenant, firsts)):
        tenant.page({everybody: firsts.get(everybody)})
        _glance_at_many(tenant, firsts)
    firsts |= tenant.first_pages(uid for uid in tenant.unread() if uid not in firsts)
    waiting = {uid: firsts[uid] for uid in tenant.unread()}
    while waiting:
        if cover:
            tenant.probe_total(_whole(tenant, waiting))
        waiting = _largest_first({uid: waiting[uid] for uid in tenant.unread()})
        tenant.page({uid: waiting[uid] for uid in _not_to_be_whole(tenant, waiting, cover=cover)})
        waiting = {uid: waiting[uid] for uid in tenant.unread()}
    tenant.settle()


def _group_of_everybody(tenant: TenantReader, firsts: Mapping[str, PageRows[int]]) -> str | None:
    """A group that all customers seen so far are in, those of other groups too."""
    if sum(1 for rows in firsts.values() if rows.keys) < 3:
        return None
    counts = tenant.seen.naming().counts
    found = [uid for uid in tenant.unread() if counts[tenant.code_of[uid]] == len(tenant.seen)]
    # First pages show who sorts first, and they may all be in a smaller group too.
    return max(found, key=lambda uid: firsts[uid].total_count if uid in firsts else 0, default=None)


def _glance_at_many(tenant: TenantReader, firsts: Mapping[str, PageRows[int]]) -> None:
    """With everybody seen, the sizes of all groups are known but for what a glance at each confirms."""
    counts = tenant.seen.naming().counts
    expected = {uid: int(counts[tenant.code_of[uid]]) for uid in tenant.unread()}
    tenant.shown.expect(expected)
    page_size = max(rows.page_size for rows in firsts.values())
    worth = [uid for uid, n in expected.items() if n > page_size * (2 if uid in firsts else 1)]
    trial = _spread(worth, TRIAL)
    if 2 * len(tenant.probe_total(trial)) < len(trial):
        tenant.probe_total(uid for uid in worth if uid not in trial)


def _whole(tenant: TenantReader, waiting: Mapping[str, PageRows[int]]) -> list[str]:
    """The groups of three pages and more whose totals, as they were at first, are the customers that name them."""
    counts = tenant.seen.naming().counts
    long = [uid for uid, first in waiting.items() if first.total_count > 2 * first.page_size]
    return [uid for uid in long if counts[tenant.code_of[uid]] == waiting[uid].total_count]


def _not_to_be_whole(tenant: TenantReader, waiting: Mapping[str, PageRows[int]], *, cover: bool) -> list[str]:
    """
    The groups that no reading of larger ones will make whole; of those that wait, the largest at least.

    They show somebody on their first page who is in none of the larger ones that still wait.
    """
    if not cover or not tenant.lists_hold:
        return list(waiting)
    naming = tenant.seen.naming()
    will_be_met = np.zeros(len(tenant.seen), bool)
    found = []
    for uid, first in waiting.items():
        short = first.total_count <= 2 * first.page_size
        if short or not first.keys or not will_be_met[first.keys].all():
            found.append(uid)
        if not short:
            will_be_met[naming.customers(tenant.code_of[uid])] = True
    return found


def _largest_first(firsts: Mapping[str, PageRows[int]]) -> dict[str, PageRows[int]]:
    return dict(sorted(firsts.items(), key=lambda item: (-item[1].total_count, item[0])))


def _spread(uids: Sequence[str], n: int) -> list[str]:
    """So many of these, from all over the list."""
    places: Iterable[int] = (
        np.unique(np.linspace(0, len(uids) - 1, min(n, len(uids)), dtype=np.int64)) if uids else ()
    )
    return [uids[place] for place in places]
