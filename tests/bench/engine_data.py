"""Write synthetic memberships with random uids of 36 characters to Parquet files, for `engine_curves`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from tests.bench.memberships import draw_keys
from tests.bench.tenants import SEED, SKEW

TABLE_PREFIX = "engine-curves"
MEMBERSHIPS_PER_CUSTOMER = 5
CHANGED_SHARE = 0.01
# Measured size of a membership in one of the two files.
BYTES_PER_MEMBERSHIP = 22
_CUSTOMERS_PER_BLOCK = 1_000_000
_HEXADECIMAL = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_LETTERS = [place for place in range(36) if place not in (8, 13, 18, 23)]


def write_tables(folder: Path, memberships: int, groups: int) -> tuple[Path, Path]:
    """
    Write two tables of memberships, and return their paths.

    The rows are in random order within blocks of five million rows. Each customer is in five groups on average, some
    customers are in many groups, and the group sizes are proportional to rank**-SKEW. In the second table, 1% of the
    rows have a new customer.
    """
    rng = np.random.default_rng(SEED)
    group_uids = random_uids(rng, groups)
    weights = rng.permutation(np.arange(1, groups + 1) ** -SKEW)
    n_blocks = -(-memberships // (MEMBERSHIPS_PER_CUSTOMER * _CUSTOMERS_PER_BLOCK))
    earlier_path, later_path = [
        folder / f"{TABLE_PREFIX}-{memberships}-{groups}{suffix}.parquet" for suffix in ("", "-later")
    ]
    schema = pa.schema([("customer_group_uid", pa.string()), ("customer_uid", pa.string())])
    with (
        pq.ParquetWriter(earlier_path, schema, compression="zstd") as earlier,
        pq.ParquetWriter(later_path, schema, compression="zstd") as later,
    ):
        for block in range(n_blocks):
            n = memberships * (block + 1) // n_blocks - memberships * block // n_blocks
            customers = max(n // MEMBERSHIPS_PER_CUSTOMER, 1)
            keys = rng.permutation(draw_keys(rng, rng.gamma(1.8, size=customers), weights, n))
            customer_uids = random_uids(rng, customers)
            group, customer = group_uids.take(pa.array(keys // customers)), keys % customers
            earlier.write_table(pa.table([group, customer_uids.take(pa.array(customer))], schema=schema))
            changed = rng.choice(n, int(n * CHANGED_SHARE), replace=False)
            customer[changed] = customers + np.arange(len(changed))
            customer_uids = pa.concat_arrays([customer_uids, random_uids(rng, len(changed))])
            later.write_table(pa.table([group, customer_uids.take(pa.array(customer))], schema=schema))
    return earlier_path, later_path


def random_uids(rng: np.random.Generator, n: int) -> pa.StringArray:
    """Return n random uids in the format of a UUID."""
    random = rng.integers(0, 256, (n, 16), dtype=np.uint8)
    characters: npt.NDArray[np.uint8] = np.full((n, 36), ord("-"), dtype=np.uint8)
    digits = np.stack([random >> 4, random & 15], axis=2).reshape(n, 32)
    characters[:, _LETTERS] = _HEXADECIMAL[digits]
    offsets = np.arange(n + 1, dtype=np.int32) * 36
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(characters))
