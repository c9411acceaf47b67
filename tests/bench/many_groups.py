"""Compute tables of group pairs for many small groups, with the memory that each function adds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

import frgroups as fg
from frgroups.snapshot.membership_matrix import MembershipMatrix
from tests.bench.child import Stopwatch
from tests.bench.memberships import snapshot_of, uids
from tests.bench.tenants import SEED

# Numbers of groups and members per group. On average, a customer is in five groups.
SHAPES = {"quick": (1_000, 5), "10,000 groups": (10_000, 5), "100,000 groups": (100_000, 5)}

_FUNCTIONS: dict[str, Callable[[fg.Snapshot], pd.DataFrame]] = {
    "overlap_pairs": lambda snapshot: fg.overlap_pairs(snapshot, min_both=1),
    "overlap_pairs_with_universe": lambda snapshot: fg.overlap_pairs(
        snapshot, min_both=1, universe=2 * len(snapshot.customers)
    ),
    "health_report": fg.health_report,
    "duplicate_groups": fg.duplicate_groups,
    "subset_groups": fg.subset_groups,
}


def table(clock: Stopwatch, *, function: str, shape: str) -> dict[str, int]:
    """Compute a table for random memberships."""
    snapshot = snapshot_of(make_codes(*SHAPES[shape]))
    compute = _FUNCTIONS[function]
    compute(fg.sample_snapshot())  # Load the modules that the function imports on first use.
    with clock:
        rows = compute(snapshot)
    return {"memberships": len(snapshot.matrix), "customers": snapshot.matrix.n_customers, "digest": len(rows)}


def make_codes(n_groups: int, size: int) -> MembershipMatrix:
    """Return reproducible random memberships with as many customers as groups."""
    members = np.random.default_rng(SEED).integers(0, n_groups, n_groups * size)
    groups = uids("g", n_groups)
    return MembershipMatrix.from_codes(
        np.repeat(np.arange(n_groups), size),
        members,
        group_uids=groups,
        group_names=groups,
        customer_uids=uids("c", n_groups),
    )
