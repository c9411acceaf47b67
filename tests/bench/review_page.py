"""Open a review page in headless Chromium and search it."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

import frgroups as fg
from tests import chromium
from tests.bench.child import Stopwatch

TAKEN_AT = datetime(2026, 11, 23, 8, 10, tzinfo=UTC)


def searched(clock: Stopwatch, *, n: int) -> dict[str, float]:
    """Open a review page, search for one customer, and wait until only the matching row is shown.

    The result contains the sizes of the HTML page and the CSV file in bytes.
    """
    with tempfile.TemporaryDirectory() as folder:
        plan = _plan(n)
        path, csv = (fg.save_review(plan, Path(folder) / f"review.{ending}") for ending in ("html", "csv"))
        with chromium.opened() as page, clock:
            page.open(path)
            page.wait("!document.querySelector('#operations-tools').hidden")
            _search(page, f"{n - 1:08x}-c")
        return {"page": path.stat().st_size, "csv": csv.stat().st_size}


def _search(page: chromium.Page, uid: str) -> None:
    page.value(
        f"(() => {{ const search = document.querySelector('#search'); search.value = '{uid}';"
        "search.dispatchEvent(new Event('input')); })()"
    )
    page.wait(
        f"document.querySelector('#operations-body').rows.length === 1 && "
        f"document.querySelector('#operations-body').innerText.includes('{uid}')"
    )


def _plan(n: int) -> fg.Plan:
    """Return a plan that adds customers with different types, stores, and groups to one group."""
    uids = [f"{number:08x}-c" for number in range(n)]
    groups = {f"g-{number}": f"Butikk {number} Ærøskøbing" for number in range(20)}
    snapshot = fg.snapshot_from_frames(
        pd.DataFrame(
            {
                "customer_group_uid": [f"g-{at % 20}" for at in range(n)] * 2,
                "customer_uid": [*uids, *uids[7:], *uids[:7]],
            }
        ),
        pd.DataFrame({"customer_group_uid": [*groups, "vip"], "name": [*groups.values(), "VIP Færøyene"]}),
        pd.DataFrame(
            {
                "customer_uid": uids,
                "external_id": [f"{number:07d}" for number in range(n)],
                "customer_type": ["PERSON", "B2B"] * (n // 2),
                "default_store_name": ["Oslo City", "Bergen Storsenter", "Tromsø", "Ålesund"] * (n // 4),
                "pricelist_uid": ["", "staff"] * (n // 2),
            }
        ),
        tenant_uid="nordvik",
        taken_at=TAKEN_AT,
        base_url=fg.STAGE,
    )
    free = fg.Limits(additions_per_group=None, additions_total=None, snapshot_max_age=None)
    return fg.plan_memberships(snapshot, {"vip": uids}, limits=free)
