"""Compute the difference between current and desired memberships with several libraries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import frgroups as fg
from tests.bench.child import Stopwatch, load_facts
from tests.bench.tenants import SEED, make_tenant

UIDS = ["customer_group_uid", "customer_uid"]
NO_LIMIT = fg.Limits(
    removals_per_group=None,
    removal_share=None,
    removals_total=None,
    removal_share_total=None,
    emptied_groups=None,
    additions_per_group=None,
    additions_total=None,
    snapshot_max_age=None,
)


def prepare(clock: Stopwatch, *, tenant: str, folder: str) -> dict[str, Any]:
    """Store a snapshot with random uids, its memberships, and the desired memberships in several formats."""
    world = make_tenant(tenant)
    group = np.repeat(np.arange(len(world.members)), [len(members) for members in world.members])
    customer = np.concatenate(world.members)
    groups, customers = (pd.Index(uids, dtype="str") for uids in (world.group_uids, world.customer_uids))
    given = pd.DataFrame({UIDS[0]: groups.take(group), UIDS[1]: customers.take(customer)})
    fg.save_snapshot(
        fg.snapshot_from_frames(given, tenant_uid="bench", taken_at="2026-11-23T08:10Z"), Path(folder, "cache")
    )
    now = group * len(customers) + customer
    wanted = change_memberships(now, len(customers))
    table = {
        UIDS[0]: groups.take(wanted // len(customers)).array,
        UIDS[1]: customers.take(wanted % len(customers)).array,
    }
    given.to_parquet(Path(folder, "current.parquet"))
    pd.DataFrame(table).to_parquet(Path(folder, "wanted.parquet"))
    mixed = np.random.default_rng(SEED + 6).permutation(len(wanted))
    pd.DataFrame(table).take(mixed).to_parquet(Path(folder, "mixed.parquet"), index=False)
    np.save(Path(folder, "current.npy"), np.sort(now))
    np.save(Path(folder, "wanted.npy"), wanted)
    pd.DataFrame({"uid": groups}).to_parquet(Path(folder, "groups.parquet"))
    pd.DataFrame({"uid": customers}).to_parquet(Path(folder, "customers.parquet"))
    return {"memberships": len(now)}


def change_memberships(now: Any, n_customers: int) -> Any:
    """Replace one of every 200 memberships. The result is sorted by group, but not by customer."""
    rng = np.random.default_rng(SEED + 5)
    remaining = now[rng.random(len(now)) >= 0.005]
    n = len(now) // 200
    new = (now // n_customers)[rng.integers(0, len(now), n)] * n_customers + rng.integers(0, n_customers, n)
    both = np.concatenate([remaining, np.setdiff1d(new, now)])
    return both[np.argsort(both // n_customers, kind="stable")]


def by_plan(clock: Stopwatch, *, folder: str, table: str = "wanted") -> dict[str, int]:
    """Create a plan with frgroups from a stored snapshot that has just been read."""
    snapshot, wanted = fg.read_snapshot(Path(folder, "cache")), pd.read_parquet(Path(folder, f"{table}.parquet"))
    with clock:
        plan = fg.plan_memberships(snapshot, wanted, mode="mirror", limits=NO_LIMIT)
    return _facts(plan.table(), plan.n_add)


def by_complete_plan(clock: Stopwatch, *, folder: str) -> dict[str, int]:
    """Create a plan, including its digest, table of operations, and preview."""
    snapshot, wanted = fg.read_snapshot(Path(folder, "cache")), pd.read_parquet(Path(folder, "wanted.parquet"))
    with clock:
        plan = fg.plan_memberships(snapshot, wanted, mode="mirror", limits=NO_LIMIT)
        table = plan.table()
        assert plan.digest and len(plan.preview().matrix) == len(wanted)
    return _facts(table, plan.n_add)


def by_merge(clock: Stopwatch, *, folder: str) -> dict[str, int]:
    """Compute the difference with an outer merge in pandas."""
    current, wanted = (pd.read_parquet(Path(folder, f"{name}.parquet")) for name in ("current", "wanted"))
    with clock:
        merged = current.merge(wanted, how="outer", on=UIDS, indicator=True)
        changed = merged[merged["_merge"] != "both"]
    return _facts(changed, int((changed["_merge"] == "right_only").sum()))


def by_polars(clock: Stopwatch, *, folder: str, table: str = "wanted") -> dict[str, int]:
    """Compute the difference with two anti-joins in Polars, with one thread per core."""
    import polars as pl

    current, wanted = (pl.read_parquet(Path(folder, f"{name}.parquet")) for name in ("current", table))
    with clock:
        add = wanted.join(current, on=UIDS, how="anti")
        remove = current.join(wanted, on=UIDS, how="anti")
    return _facts(pl.concat([add, remove]).to_pandas(), len(add))


def by_integers(clock: Stopwatch, *, folder: str) -> dict[str, int]:
    """Compute the difference between arrays of integer keys by sorting and searching, without uids."""
    current, wanted = (np.load(Path(folder, f"{name}.npy")) for name in ("current", "wanted"))
    with clock:
        wanted = np.sort(wanted)
        add, remove = _missing(wanted, current), _missing(current, wanted)
    groups, customers = (pd.read_parquet(Path(folder, f"{name}.parquet"))["uid"] for name in ("groups", "customers"))
    keys = np.concatenate([add, remove])
    columns = groups.take(keys // len(customers)).array, customers.take(keys % len(customers)).array
    return _facts(pd.DataFrame(dict(zip(UIDS, columns, strict=True))), len(add))


def _missing(some: Any, others: Any) -> Any:
    at = np.minimum(np.searchsorted(others, some), len(others) - 1)
    return some[others[at] != some]


def _facts(changed: pd.DataFrame, n_add: int) -> dict[str, int]:
    """Return the facts that are compared, with the number of additions instead of the number of customers."""
    return load_facts(changed[UIDS[0]].array, changed[UIDS[1]].array, n_add)
