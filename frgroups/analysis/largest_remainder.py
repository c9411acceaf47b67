"""Divide customers among arms in whole numbers with the largest remainder method."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from frgroups.internals.typing import FloatArray, IndexArray, IntArray

_DECIMALS = 9  # Remainders that are equal after rounding to this number of decimals are treated as equal.


def divide(n: int, weights: Sequence[float], shortfall: Sequence[float]) -> list[int]:
    """
    Divide `n` customers among arms in proportion to weights.

    Each arm gets its quota, rounded down. The arms with the largest remainders get one more customer each. If
    remainders are equal, the arm with the largest shortfall gets the customer.

    Parameters
    ----------
    n
        Number of customers.
    weights
        Weight of each arm. At least one weight is positive.
    shortfall
        Number of customers by which each arm is below its planned size so far. The number is negative if the arm is
        larger than planned.

    Examples
    --------
    >>> divide(10, [0.25, 0.75], [0.0, 0.0]), divide(10, [0.25, 0.75], [-1.0, 1.0])
    ([3, 7], [2, 8])
    """
    # The function uses lists, because NumPy arrays are slow for a small number of arms.
    # For 100,000 strata of five customers, lists take 4 s, and arrays take 19 s.
    total = math.fsum(weights)
    quotas = [round(n * weight / total, _DECIMALS) for weight in weights]
    counts = [int(quota) for quota in quotas]

    def rank(arm: int) -> tuple[float, float]:
        return -round(quotas[arm] - counts[arm], _DECIMALS), -round(shortfall[arm], _DECIMALS)

    order = sorted(range(len(counts)), key=rank)
    for arm in order[: n - sum(counts)]:
        counts[arm] += 1
    return counts


def assign_exactly(stratum: IndexArray, rank: IndexArray, shares: FloatArray, arm: IndexArray) -> IndexArray:
    """
    Assign customers to arms so that each arm gets its planned number of customers in each stratum.

    Parameters
    ----------
    stratum
        Stratum number of each customer, starting at 0.
    rank
        Positions of the customers in random order.
    shares
        Planned share of each arm.
    arm
        Position of the arm of each customer who is already assigned, and -1 for all other customers.

    Returns
    -------
    ndarray
        The position of each customer's arm. If an arm already has more customers of a stratum than planned, the
        stratum's unassigned customers are divided among the other arms.

    Examples
    --------
    >>> ten = np.arange(10)
    >>> assigned = assign_exactly(ten // 5, ten, np.array([0.2, 0.8]), np.full(10, -1))
    >>> assigned.tolist()
    [0, 1, 1, 1, 1, 0, 1, 1, 1, 1]
    """
    n_arms, n_strata = len(shares), int(stratum.max(initial=-1)) + 1
    is_kept = arm >= 0
    kept = np.bincount(stratum[is_kept] * n_arms + arm[is_kept], minlength=n_strata * n_arms).reshape(-1, n_arms)
    counts = _counts_to_assign(np.bincount(stratum, minlength=n_strata), kept, shares)
    waiting = rank[~is_kept[rank]]
    waiting = waiting[np.argsort(stratum[waiting], kind="stable")]
    result = arm.copy()
    result[waiting] = np.repeat(np.tile(np.arange(n_arms), n_strata), counts.ravel())
    return result


def _counts_to_assign(sizes: IntArray, kept: IntArray, shares: FloatArray) -> IntArray:
    """Return the number of unassigned customers to assign to each arm in each stratum."""
    weights = shares.tolist()
    shortfall = [0.0] * len(weights)
    rows = []
    for size, assigned in zip(sizes.tolist(), kept.tolist(), strict=True):
        planned = divide(size, weights, shortfall)
        counts = [max(plan - n, 0) for plan, n in zip(planned, assigned, strict=True)]
        n_waiting = size - sum(assigned)
        if sum(counts) > n_waiting:
            # An arm already has more customers than planned, so the other arms need more customers than are
            # unassigned.
            # The unassigned customers are divided in proportion to these needs.
            counts = divide(n_waiting, counts, shortfall)
        rows.append(counts)
        for position, weight in enumerate(weights):
            shortfall[position] += size * weight - assigned[position] - counts[position]
    return np.array(rows, dtype=np.int64).reshape(len(rows), len(weights))
