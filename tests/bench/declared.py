"""Create the same plan from declared groups and from uids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import frgroups as fg
from tests.bench.child import Stopwatch, load_facts
from tests.bench.planning import NO_LIMIT, UIDS, change_memberships
from tests.bench.tenants import make_tenant

# Each declared group contains the members of a group with this prefix.
PREFIX = "source_"


def prepare(clock: Stopwatch, *, tenant: str, folder: str) -> dict[str, Any]:
    """Store a snapshot, the desired memberships as a table, and a file that declares the same memberships."""
    world = make_tenant(tenant)
    groups, customers = (pd.Index(uids, dtype="str") for uids in (world.group_uids, world.customer_uids))
    group = np.repeat(np.arange(len(groups)), [len(members) for members in world.members])
    now = group * len(customers) + np.concatenate(world.members)
    wanted = change_memberships(now, len(customers))
    current, desired = (_table(groups, customers, keys) for keys in (now, wanted))
    sources = desired.assign(customer_group_uid=PREFIX + desired["customer_group_uid"])
    given = pd.concat([current, sources], ignore_index=True)
    snapshot = fg.snapshot_from_frames(given, tenant_uid="bench", taken_at="2026-11-23T08:10Z")
    fg.save_snapshot(snapshot, Path(folder, "cache"))
    desired.to_parquet(Path(folder, "wanted.parquet"))
    tables = [f'[groups.{uid}]\nexpression = "{PREFIX}{uid}"\nmode = "mirror"\n' for uid in groups]
    Path(folder, "groups.toml").write_text("\n".join(tables), encoding="utf-8")
    return {"memberships": len(now), "groups": len(groups)}


def by_plan_declared(clock: Stopwatch, *, folder: str) -> dict[str, int]:
    """Read the file and create the plan."""
    snapshot = fg.read_snapshot(Path(folder, "cache"))
    read_declared_groups, plan_declared = fg.read_declared_groups, fg.plan_declared  # Load the modules.
    with clock:
        declared = read_declared_groups(Path(folder, "groups.toml"))
        plan = plan_declared(snapshot, declared, limits=NO_LIMIT)
    return _facts(plan)


def by_plan_memberships(clock: Stopwatch, *, folder: str) -> dict[str, int]:
    """Create the plan from a table of uids."""
    snapshot, wanted = fg.read_snapshot(Path(folder, "cache")), pd.read_parquet(Path(folder, "wanted.parquet"))
    plan_memberships = fg.plan_memberships  # Load the module.
    with clock:
        plan = plan_memberships(snapshot, wanted, mode="mirror", limits=NO_LIMIT)
    return _facts(plan)


def _table(groups: pd.Index, customers: pd.Index, keys: Any) -> pd.DataFrame:
    columns = groups.take(keys // len(customers)).array, customers.take(keys % len(customers)).array
    return pd.DataFrame(dict(zip(UIDS, columns, strict=True)))


def _facts(plan: fg.Plan) -> dict[str, int]:
    table = plan.table()
    return load_facts(table[UIDS[0]].array, table[UIDS[1]].array, plan.n_add)
