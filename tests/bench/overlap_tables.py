"""Compute overlap tables with frgroups, and the slowest parts of these tables with other libraries."""

from __future__ import annotations

from typing import Any

import numpy as np

import frgroups as fg
from frgroups.analysis.pair_counts import pair_counts
from frgroups.snapshot.membership_matrix import MembershipMatrix
from tests.bench.child import Stopwatch


def pairs(clock: Stopwatch, *, path: str) -> dict[str, int]:
    """Compute the complete table of group pairs with `overlap_pairs`."""
    snapshot = fg.read_snapshot(path)
    with clock:
        table = fg.overlap_pairs(snapshot, universe=_universe(snapshot.matrix))
    return _facts(snapshot.matrix, len(table), table["n_both"].sum(), table["p_over"].sum(), table["p_under"].sum())


def pairs_by_scipy(clock: Stopwatch, *, path: str) -> dict[str, int]:
    """Compute the counts and both tails of the hypergeometric distribution with scipy."""
    from scipy.stats import hypergeom

    codes = fg.read_snapshot(path).matrix
    universe = _universe(codes)
    with clock:
        counts = pair_counts(codes)
        a, b = np.triu_indices(codes.n_groups, k=1)
        n_a, n_b, n_both = codes.sizes[a], codes.sizes[b], counts[a, b]
        over, under = hypergeom.sf(n_both - 1, universe, n_a, n_b), hypergeom.cdf(n_both, universe, n_a, n_b)
    return _facts(codes, len(a), n_both.sum(), over.sum(), under.sum())


def combinations(clock: Stopwatch, *, path: str) -> dict[str, int]:
    """Compute the number of customers in each combination of the largest groups."""
    snapshot = fg.read_snapshot(path)
    largest = _largest(snapshot.matrix)
    with clock:
        table = fg.intersections(snapshot, largest)
    return _facts(snapshot.matrix, len(table), *np.sort(table["n"])[-3:])


def combinations_by_groupby(clock: Stopwatch, *, path: str) -> dict[str, int]:
    """Compute the combinations from an existing table of Boolean columns with pandas."""
    import pandas as pd

    codes = fg.read_snapshot(path).matrix
    largest = _largest(codes)
    frame = pd.DataFrame(
        {group: np.isin(np.arange(codes.n_customers), codes.member_codes(group)) for group in largest}
    )
    frame.head().groupby(largest).size()  # Load the modules that pandas imports on first use.
    with clock:
        table = frame.groupby(largest).size()
    combinations_in_groups = table[table.index.to_frame().any(axis=1)]
    return _facts(codes, len(combinations_in_groups), *np.sort(combinations_in_groups)[-3:])


def _universe(codes: MembershipMatrix) -> int:
    return codes.n_customers * 5 // 4


def _largest(codes: MembershipMatrix) -> list[str]:
    return list(codes.group_uids[np.sort(np.argsort(-codes.sizes)[:12])])


def _facts(codes: MembershipMatrix, n_rows: int, *sums: Any) -> dict[str, int]:
    """Return the facts that are compared. Sums of p-values are rounded, because only nine digits are equal."""
    digest = sum(place * round(float(sum_)) for place, sum_ in enumerate(sums, start=1))
    return {"memberships": len(codes), "customers": codes.n_customers, "digest": n_rows + digest}
