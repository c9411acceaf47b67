"""Apply many membership changes in many groups to a tenant whose server has a latency."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np

import frgroups as fg
from frgroups.api.pagination import count_pages
from frgroups.plan.request_estimate import CHUNK
from tests.bench.child import Stopwatch
from tests.bench.planning import NO_LIMIT
from tests.bench.server import stats
from tests.bench.tenants import SEED, TENANT_UID


def apply(clock: Stopwatch, *, base_url: str, page_size: int, changes: int) -> dict[str, Any]:
    """Apply changes to all groups, and return the actual and the smallest possible numbers of requests."""
    settings = {"base_url": base_url, "page_size": page_size, "workers": 4, "writable": True}
    with fg.Client(TENANT_UID, "bench", **settings) as client:
        snapshot = fg.load_snapshot(client, cache=False, cover=False)
        plan = fg.plan_memberships(snapshot, _desired_members(snapshot, changes), mode="mirror", limits=NO_LIMIT)
        before = stats(base_url)["requests"]
        with clock:
            receipt = fg.apply_plan(client, plan, approval=plan.digest)
        # The server counts a statistics request only after it has sent the response.
        requests = stats(base_url)["requests"] - before
    assert receipt.ok, receipt.counts
    sizes = [n for group in plan.groups for n in (len(group.baseline), group.n_after)]
    chunks = sum(ceil(len(side) / CHUNK) for group in plan.groups for side in (group.add, group.remove))
    return {
        "changes": plan.n_add + plan.n_remove,
        "groups": len(plan.groups),
        "requests": requests,
        "proved": chunks + sum(count_pages(page_size, n) for n in sizes),
        "plain": chunks + sum(ceil(n / page_size) for n in sizes),
    }


def _desired_members(snapshot: fg.Snapshot, changes: int) -> dict[str, list[str]]:
    """Return the desired members of each group, so that half of the changes are additions and half are removals.

    No customer is both added and removed, so that each change can be verified by membership alone.
    """
    codes, each = snapshot.matrix, changes // snapshot.matrix.n_groups // 2
    # The seed depends on the tenant, because repeated removals from the same half would exhaust its members.
    rng = np.random.default_rng([SEED + 6, int(codes.indices.sum(dtype=np.int64))])
    leaving = rng.random(codes.n_customers) < 0.5
    desired = {}
    for uid in codes.group_uids:
        now = codes.member_codes(uid)
        leave = rng.choice(now[leaving[now]], each, replace=False)
        join = rng.choice(np.setdiff1d(np.flatnonzero(~leaving), now), each, replace=False)
        desired[uid] = list(codes.customer_uids.take(np.concatenate([np.setdiff1d(now, leave), join])))
    return desired
