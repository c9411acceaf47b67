"""Load a tenant with 1,000,000 customers and 1,000 groups once, and report its memory."""

from __future__ import annotations

from tests.bench.runs import Job, run
from tests.bench.server import running

TENANT = "XL"


def soak(tenant: str = TENANT) -> str:
    """Load a large tenant once, and return a sentence that reports the time and memory."""
    with running(tenant) as url:
        result = run(Job("frgroups_load.load", {"page_size": 500, "digest": False}, url), timeout=3600)
    facts = result.facts
    return (
        f"{facts['customers']:,} customers, {facts['memberships']:,} memberships, {facts['verdict']}: "
        f"{result.requests:,} requests, {result.megabytes:,.0f} MB, {result.wall:.0f} s wall, "
        f"{result.cpu:.0f} s CPU, peak memory {result.peak_mb:,.0f} MB "
        f"({result.peak_mb * 1e3 / facts['customers']:.1f} KB per customer)."
    )
