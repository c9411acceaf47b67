"""Create synthetic memberships, and store them as a snapshot."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

import frgroups as fg
from frgroups.snapshot.membership_matrix import MembershipMatrix
from frgroups.snapshot.schema import CONSENTS, CUSTOMERS, GROUPS, READS, coerce_schema
from tests.bench.child import Stopwatch
from tests.bench.runs import Job, run
from tests.bench.tenants import SEED, SKEW


@dataclass(frozen=True, slots=True)
class Shape:
    """Numbers of customers, groups, and memberships. Group sizes are proportional to rank**-SKEW."""

    customers: int
    groups: int
    memberships: int


SHAPES = {
    "quick": Shape(customers=3_000, groups=20, memberships=12_000),
    "5M x 1,000": Shape(customers=1_000_000, groups=1_000, memberships=5_000_000),
    "4M x 200": Shape(customers=100_000, groups=200, memberships=4_000_000),
    "50M x 2,000": Shape(customers=5_000_000, groups=2_000, memberships=50_000_000),
}


@cache
def stored_snapshot(shape: str) -> str:
    """Return the path of a stored snapshot with the given shape, which is created once in the data folder."""
    return run(Job("memberships.save", {"shape": shape, "folder": str(fg.home() / shape)})).facts["path"]


def save(clock: Stopwatch, *, shape: str, folder: str) -> dict[str, Any]:
    """Create and store a snapshot in a separate process, so that its memory does not affect the measurements."""
    return {"path": os.fspath(fg.save_snapshot(snapshot_of(make_codes(SHAPES[shape])), folder))}


def snapshot_of(codes: MembershipMatrix) -> fg.Snapshot:
    """Return a snapshot with the given memberships and without customer attributes."""
    moment = pd.Timestamp("2026-11-23T08:10Z").to_pydatetime()
    groups = pd.DataFrame({"customer_group_uid": codes.group_uids, "name": codes.group_names})
    return fg.Snapshot(
        groups=coerce_schema(groups, GROUPS),
        customers=coerce_schema(pd.DataFrame({"customer_uid": codes.customer_uids}), CUSTOMERS),
        consents=coerce_schema(None, CONSENTS),
        reads=coerce_schema(None, READS),
        matrix=codes,
        tenant_uid="bench",
        taken_at=moment,
        read_until=moment,
        verdict="unverifiable",
    )


def make_codes(shape: Shape) -> MembershipMatrix:
    """Return reproducible memberships, in which some customers are in many groups and most are in few groups."""
    rng = np.random.default_rng(SEED)
    activity = rng.gamma(1.8, size=shape.customers)
    weights = rng.permutation(np.arange(1, shape.groups + 1) ** -SKEW)
    keys = draw_keys(rng, activity, weights, shape.memberships)
    sizes = np.bincount(keys // shape.customers, minlength=shape.groups)
    group_uids = uids("g", shape.groups)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    return MembershipMatrix(
        group_uids, group_uids, uids("c", shape.customers), starts, (keys % shape.customers).astype(np.int32)
    )


def draw_keys(
    rng: np.random.Generator,
    activity: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
    memberships: int,
) -> npt.NDArray[np.int64]:
    """
    Return distinct random memberships as sorted integers, which are group * number of customers + customer.

    A customer's number of groups is proportional to `activity`, and a group's number of members to `weights`.
    """
    customers = len(activity)
    shares = activity / activity.sum()
    until = np.cumsum(weights / weights.sum())
    keys = np.empty(0, dtype=np.int64)
    while (missing := memberships - len(keys)) > 0:
        customer = np.repeat(np.arange(customers), rng.poisson(1.1 * missing * shares))
        group = np.searchsorted(until[:-1], rng.random(len(customer)))
        keys = np.sort(np.concatenate([keys, group * customers + customer]))
        keys = keys[np.diff(keys, prepend=-1) > 0]
    return np.delete(keys, rng.choice(len(keys), -missing, replace=False))


def uids(letter: str, n: int) -> pd.Index:
    """Return n sorted uids that begin with a letter."""
    return pd.Index(np.char.mod(f"{letter}-%08d", np.arange(n)), dtype="str")


def group_codes(codes: MembershipMatrix) -> npt.NDArray[np.int32]:
    """Return the integer code of each membership's group, without using the cached property of the matrix."""
    return np.repeat(np.arange(codes.n_groups, dtype=np.int32), codes.sizes)
