"""Count the common customers of each pair of groups with several libraries, from the codes of a snapshot."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import frgroups as fg
from frgroups.snapshot.membership_matrix import MembershipMatrix
from tests.bench.child import Stopwatch
from tests.bench.memberships import group_codes


def by_overlap_matrix(clock: Stopwatch, *, path: str) -> dict[str, int]:
    """Count the common customers with the frgroups function `overlap_matrix`."""
    snapshot = fg.read_snapshot(path)
    with clock:
        counts = fg.overlap_matrix(snapshot)
    return counted(counts.to_numpy(), snapshot.matrix)


def by_self_merge(clock: Stopwatch, *, path: str) -> dict[str, int]:
    """Count the common customers with a self-merge in pandas, which is faster for integer codes than for uids."""
    import pandas as pd

    codes = fg.read_snapshot(path).matrix
    frame = pd.DataFrame({"group": group_codes(codes), "customer": codes.indices})
    with clock:
        pairs = frame.merge(frame, on="customer").groupby(["group_x", "group_y"]).size().reset_index(name="n")
        counts = _square(codes.n_groups, pairs["group_x"], pairs["group_y"], pairs["n"])
    return counted(counts, codes)


def by_scipy(clock: Stopwatch, *, path: str) -> dict[str, int]:
    """Count the common customers with the product of a sparse matrix and its transpose."""
    from scipy.sparse import csc_array

    codes = fg.read_snapshot(path).matrix
    starts = codes.indptr.astype(np.int32)
    with clock:
        ones = np.ones(len(codes), dtype=np.int32)
        member = csc_array((ones, codes.indices, starts), shape=(codes.n_customers, codes.n_groups))
        counts = (member.T @ member).toarray()
    return counted(counts, codes)


def by_duckdb(clock: Stopwatch, *, path: str) -> dict[str, int]:
    """Count the common customers with a self-join in DuckDB, which uses one thread per core."""
    import duckdb
    import pyarrow as pa

    codes = fg.read_snapshot(path).matrix
    memberships = pa.table({"g": group_codes(codes), "customer": codes.indices})
    sql = "SELECT a.g AS x, b.g AS y, count(*) AS n FROM t AS a JOIN t AS b USING (customer) GROUP BY ALL"
    with clock, duckdb.connect() as connection:
        connection.register("t", memberships)
        pairs = connection.sql(sql).fetchnumpy()
        counts = _square(codes.n_groups, pairs["x"], pairs["y"], pairs["n"])
    return counted(counts, codes)


def by_pyroaring(clock: Stopwatch, *, path: str) -> dict[str, int]:
    """Count the common customers by intersecting the compressed bitmaps of each pair of groups."""
    from pyroaring import BitMap

    codes = fg.read_snapshot(path).matrix
    with clock:
        maps = [BitMap(members) for members in np.split(codes.indices, codes.indptr[1:-1])]
        upper = np.zeros((len(maps), len(maps)), dtype=np.int64)
        for group, bitmap in enumerate(maps):
            upper[group, group:] = [bitmap.intersection_cardinality(other) for other in maps[group:]]
        counts = upper + np.triu(upper, k=1).T
    return counted(counts, codes)


def by_numba(clock: Stopwatch, *, path: str) -> dict[str, int]:
    """Count the common customers with a compiled loop over each customer's groups, as a lower bound."""
    from numba import njit

    codes = fg.read_snapshot(path).matrix
    loop = njit(_loop)
    loop(codes.indptr[:1], codes.indices[:0], 0)  # Compile the loop before the measurement starts.
    with clock:
        upper = loop(codes.indptr, codes.indices, codes.n_customers)
        counts = upper + np.triu(upper, k=1).T
    return counted(counts, codes)


def _loop(starts: npt.NDArray[np.int64], customers: npt.NDArray[np.int32], n_customers: int) -> npt.NDArray[np.int32]:
    place = np.zeros(n_customers + 2, dtype=np.int32)
    for at in range(len(customers)):
        place[customers[at] + 2] += 1
    for customer in range(2, n_customers + 2):
        place[customer] += place[customer - 1]
    groups = np.empty(len(customers), dtype=np.int32)
    n_groups = len(starts) - 1
    for group in range(n_groups):
        for at in range(starts[group], starts[group + 1]):
            groups[place[customers[at] + 1]] = group
            place[customers[at] + 1] += 1
    upper = np.zeros((n_groups, n_groups), dtype=np.int32)
    for customer in range(n_customers):
        for at in range(place[customer], place[customer + 1]):
            for other in range(at, place[customer + 1]):
                upper[groups[at], groups[other]] += 1
    return upper


def _square(n_groups: int, row: Any, column: Any, n: Any) -> npt.NDArray[np.int64]:
    counts = np.zeros((n_groups, n_groups), dtype=np.int64)
    counts[row, column] = n
    return counts


def counted(counts: npt.NDArray[Any], codes: MembershipMatrix) -> dict[str, int]:
    """Return the facts that are compared with other implementations, including a digest of the counts."""
    weights = np.arange(1, counts.size + 1, dtype=np.uint64).reshape(counts.shape)
    digest = int((counts.astype(np.uint64) * weights).sum())
    return {"memberships": len(codes), "customers": codes.n_customers, "digest": digest}
