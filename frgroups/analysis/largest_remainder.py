"""Divide customers among arms in whole numbers with the largest remainder method."""

from __future__ import annotations

import numpy as np

from frgroups.internals.typing import FloatArray, IndexArray, IntArray

_DECIMALS = 9  # Remainders that differ by less than a rounding error are equal.


def divide(n: int, weights: FloatArray, shortfall: FloatArray) -> IntArray:
    """
    Divide `n` customers among arms in proportion to weights.

    Each arm gets its quota, rounded down. The arms with the largest remainders get one more customer each. If
    remainders are equal, the arm with the largest shortfall gets the customer.

    Parameters
    ----------
    n
        Number of customers.
    weights
        Weight of each arm. At least one is positive.
    shortfall
        Number of customers that each arm lacks so far.

    Examples
    --------
    >>> divide(10, np.array([0.25, 0.75]), np.zeros(2)).tolist()
    [3, 7]
    >>> divide(10, np.array([0.25, 0.75]), np.array([-1.0, 1.0])).tolist()
    [2, 8]
    """
    quotas = np.round(n * weights / weights.sum(), _DECIMALS)
    counts: IntArray = np.floor(quotas).astype(np.int64)
    remainders = np.round(quotas - counts, _DECIMALS)
    order = np.lexsort((-np.round(shortfall, _DECIMALS), -remainders))
    counts[order[: n - int(counts.sum())]] += 1
    return counts


def assign_exactly(stratum: IndexArray, rank: IndexArray, shares: FloatArray, arm: IndexArray) -> IndexArray:
    """
    Assign customers to arms so that the number of customers in each arm and stratum is exact.

    Parameters
    ----------
    stratum
        Number of the stratum of each customer, from 0.
    rank
        Positions of the customers in random order.
    shares
        Planned share of each arm.
    arm
        Position of the arm of each customer who is already assigned, and -1 for other customers.

    Returns
    -------
    ndarray
        The position of the arm of each customer. If a stratum has more assigned customers in an arm than planned, its
        other customers are divided among the other arms.

    Examples
    --------
    >>> ten = np.arange(10)
    >>> assigned = assign_exactly(ten // 5, ten, np.array([0.2, 0.8]), np.full(10, -1))
    >>> assigned.tolist()
    [0, 1, 1, 1, 1, 0, 1, 1, 1, 1]
    """
    n_arms, n_strata = len(shares), int(stratum.max(initial=-1)) + 1
    result = arm.copy()
    n_all = np.bincount(stratum, minlength=n_strata)
    is_kept = arm >= 0
    kept = np.bincount(stratum[is_kept] * n_arms + arm[is_kept], minlength=n_strata * n_arms).reshape(-1, n_arms)
    waiting = rank[~is_kept[rank]]
    waiting = waiting[np.argsort(stratum[waiting], kind="stable")]
    shortfall = np.zeros(n_arms)
    start = 0
    for number in range(n_strata):
        n = int(n_all[number])
        n_waiting = n - int(kept[number].sum())
        planned = divide(n, shares, shortfall)
        lacking = np.maximum(planned - kept[number], 0)
        # If no arm has too many customers, the arms lack as many customers as are waiting.
        counts = divide(n_waiting, lacking.astype(np.float64), shortfall) if n_waiting else np.zeros_like(planned)
        result[waiting[start : start + n_waiting]] = np.repeat(np.arange(n_arms), counts)
        shortfall += n * shares - kept[number] - counts
        start += n_waiting
    return result
