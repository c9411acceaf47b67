"""Split customers into arms with frgroups, and hash their uids in a loop."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd

import frgroups as fg
from tests.bench.child import Stopwatch
from tests.bench.tenants import SEED

SHARES = {"mail": 0.9, "control": 0.1}


def by_split_customers(clock: Stopwatch, *, path: str) -> dict[str, int]:
    """Split customers in random order with `split_customers`."""
    uids = _shuffled_uids(path)
    fg.split_customers(uids[:1000], SHARES, seed="spring")  # Load the modules that are imported on first use.
    with clock:
        split = fg.split_customers(uids, SHARES, seed="spring")
    return _facts(split["customer_uid"][split["arm"] == "control"], len(split))


def by_hashlib(clock: Stopwatch, *, path: str) -> dict[str, int]:
    """Hash the uids in a loop."""
    uids = list(_shuffled_uids(path))
    with clock:
        digests = [hashlib.sha256(f"spring:{uid}".encode()).digest() for uid in uids]
    threshold = int(SHARES["control"] * 2**64)
    control = [uid for uid, digest in zip(uids, digests, strict=True) if int.from_bytes(digest[:8]) < threshold]
    return _facts(pd.Series(control, dtype="str"), len(uids))


def _shuffled_uids(path: str) -> pd.Series:
    uids = fg.read_snapshot(path).customers["customer_uid"]
    return uids.take(np.random.default_rng(SEED).permutation(len(uids)))


def _facts(control: pd.Series, n_customers: int) -> dict[str, Any]:
    digest = int(pd.util.hash_pandas_object(control, index=False).sum())
    return {"memberships": len(control), "customers": n_customers, "digest": digest}
