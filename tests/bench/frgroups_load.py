"""Load a tenant with the frgroups function `load_snapshot`."""

from __future__ import annotations

from typing import Any

import frgroups as fg
from tests.bench.child import Stopwatch, load_facts
from tests.bench.server import TENANT_UID


def load(
    clock: Stopwatch, *, base_url: str, page_size: int, cover: bool = True, digest: bool = True, **options: Any
) -> dict[str, Any]:
    """Load a snapshot without storing it. All `options` are passed to the client."""
    with clock, fg.Client(TENANT_UID, "bench", base_url=base_url, page_size=page_size, **options) as client:
        snapshot = fg.load_snapshot(client, False, cover=cover, progress=False)
    facts = {"verdict": snapshot.verdict, "memberships": len(snapshot.matrix), "customers": len(snapshot.customers)}
    if digest:
        memberships = snapshot.memberships
        facts |= load_facts(memberships["customer_group_uid"], memberships["customer_uid"], len(snapshot.customers))
    return facts
