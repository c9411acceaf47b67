"""A tenant of a million customers and a thousand groups, loaded once: does memory stay in bounds?"""

from __future__ import annotations

from tests.bench.runs import Job, run
from tests.bench.server import running

TENANT = "XL"


def soak(tenant: str = TENANT) -> str:
    """Load it, and say in a sentence what that took."""
    with running(tenant) as url:
        one = run(Job("ours.load", {"page_size": 500, "digest": False}, url), patience=3600)
    return (
        f"{one.found['customers']:,} customers, {one.found['memberships']:,} memberships, {one.found['verdict']}: "
        f"{one.requests:,} requests, {one.megabytes:,.0f} MB, {one.wall:.0f} s wall, {one.cpu:.0f} s CPU, "
        f"peak memory {one.peak_mb:,.0f} MB ({one.peak_mb * 1e3 / one.found['customers']:.1f} KB a customer)."
    )
