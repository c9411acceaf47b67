"""Store and read a large snapshot, compared with a Parquet file of its memberships that pandas writes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

import frgroups as fg
from tests.bench.child import Stopwatch
from tests.bench.tenants import make_tenant

# These columns are required to interpret the codes in memberships.parquet.
UID_COLUMNS = {
    "groups.parquet": {"customer_group_code", "customer_group_uid"},
    "customers.parquet": {"customer_code", "customer_uid"},
}


def prepare(clock: Stopwatch, *, tenant: str, folder: str) -> dict[str, Any]:
    """Store the memberships of a tenant with random uids in a Parquet file."""
    world = make_tenant(tenant)
    codes = np.repeat(np.arange(len(world.members)), [len(members) for members in world.members])
    memberships = pd.DataFrame(
        {
            "customer_group_uid": pd.Index(world.group_uids, dtype="str").take(codes),
            "customer_uid": pd.Index(world.customer_uids, dtype="str").take(np.concatenate(world.members)),
        }
    )
    in_order = memberships.sort_values(["customer_group_uid", "customer_uid"], ignore_index=True)
    in_order.to_parquet(Path(folder, "given.parquet"))
    return {"memberships": len(in_order)}


def write_pandas(clock: Stopwatch, *, folder: str) -> dict[str, Any]:
    """Write the membership table to a Parquet file with the default options of pandas."""
    memberships = pd.read_parquet(Path(folder, "given.parquet"))
    path = Path(folder, "pandas.parquet")
    os.sync()
    with clock:
        memberships.to_parquet(path)
    return {"size": path.stat().st_size}


def write_frgroups(clock: Stopwatch, *, folder: str) -> dict[str, Any]:
    """Store a snapshot with save_snapshot, including all tables, checksums, and flushing to disk."""
    memberships = pd.read_parquet(Path(folder, "given.parquet"))
    snapshot = fg.snapshot_from_frames(memberships, tenant_uid="bench", taken_at="2026-11-23T08:10Z")
    os.sync()
    with clock:
        saved = fg.save_snapshot(snapshot, Path(folder, "cache"))
    size = (saved / "memberships.parquet").stat().st_size
    return {"size": size + sum(_size_of_columns(saved / file, columns) for file, columns in UID_COLUMNS.items())}


def read_pandas(clock: Stopwatch, *, folder: str) -> dict[str, Any]:
    """Read the Parquet file that pandas has written."""
    _warm(folder, "pandas.parquet")
    with clock:
        memberships = pd.read_parquet(Path(folder, "pandas.parquet"))
    return {"memberships": len(memberships)}


def read_frgroups(clock: Stopwatch, *, folder: str) -> dict[str, Any]:
    """Read and verify the latest snapshot, including its membership matrix."""
    _warm(folder, "cache/**/*")
    with clock:
        codes = fg.read_snapshot(Path(folder, "cache")).matrix
    return {"memberships": len(codes)}


def _warm(folder: str, pattern: str) -> None:
    """Read the files before the measurement, so that they are in the file system cache."""
    for path in Path(folder).glob(pattern):
        if path.is_file():
            path.read_bytes()


def _size_of_columns(path: Path, columns: set[str]) -> int:
    """Return the compressed size of the given columns in a Parquet file."""
    facts = pq.ParquetFile(path).metadata
    groups = [facts.row_group(number) for number in range(facts.num_row_groups)]
    chunks = [group.column(place) for group in groups for place in range(facts.num_columns)]
    return sum(chunk.total_compressed_size for chunk in chunks if chunk.path_in_schema in columns)
