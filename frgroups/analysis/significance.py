"""Hypergeometric p-values of overlaps, and adjustments for multiple tests by Benjamini and Hochberg and by Holm."""

from __future__ import annotations

import math
from functools import reduce
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from frgroups.internals.typing import FloatArray

_CHUNK_SIZE = 2**13  # The arrays for 8,192 pairs fit into the processor cache.
_TERMS_PER_CHECK = 8  # After every eight terms, the sums that have converged are removed from the calculation.
_SERIES_START = 16
# For n < _SERIES_START, this table contains log n! - n log n + n.
# For other n, `_stirling_error` uses a series that is accurate to the last bits.
_STIRLING_TABLE = np.array([0.0, *(math.lgamma(n + 1) - n * math.log(n) + n for n in range(1, _SERIES_START))])


class Tails(NamedTuple):
    """The probabilities P(X >= n_both) and P(X <= n_both) for each pair of groups."""

    over: FloatArray
    under: FloatArray


def hypergeometric_tails(n_both: npt.ArrayLike, universe: int, n_a: npt.ArrayLike, n_b: npt.ArrayLike) -> Tails:
    """
    Compute P(X >= n_both) and P(X <= n_both) for each pair of groups, where X has the hypergeometric distribution.

    Parameters
    ----------
    n_both
        The number of common members of each pair.
    universe
        The total number of customers.
    n_a, n_b
        The sizes of the two groups of each pair.

    Returns
    -------
    Tails
        The two probabilities of each pair. The relative error is below 1e-11 for values above 1e-300. Much smaller
        values become 0. The result is exactly symmetric in `n_a` and `n_b`.

    Notes
    -----
    P(X = n_both) is computed from the deviance of the 2 x 2 table and the error terms of Stirling's formula [1]_,
    which avoids the cancellation of large logarithms. The tail that does not contain the mean is a sum, in which each
    term is computed from the previous term and the ratio of the two terms. The other tail is 1 + P(X = n_both) minus
    this sum.

    For 20,000 pairs, this function takes 0.02 s, compared with 12 s for `scipy.stats.hypergeom`.

    References
    ----------
    .. [1] Loader, C. (2000). Fast and accurate computation of binomial probabilities.

    Examples
    --------
    >>> over, under = hypergeometric_tails([2, 0], 10, [2, 3], [5, 3])
    >>> over.round(4).tolist(), under.round(4).tolist()
    ([0.2222, 1.0], [1.0, 0.2917])
    """
    counts, sizes_a, sizes_b = np.asarray(n_both), np.asarray(n_a), np.asarray(n_b)
    over, under = np.empty(len(counts)), np.empty(len(counts))
    # Operations such as 0 / 0 and log(0) return NaN or -inf here. `_deviance` and `_tails` replace the results.
    with np.errstate(divide="ignore", invalid="ignore"):
        for start in range(0, len(counts), _CHUNK_SIZE):
            part = slice(start, start + _CHUNK_SIZE)
            both, a, b = (values[part].astype(np.float64) for values in (counts, sizes_a, sizes_b))
            over[part], under[part] = _tails(both, np.minimum(a, b), np.maximum(a, b), float(universe))
    return Tails(over, under)


def benjamini_hochberg(p: FloatArray, n_tests: int | None = None) -> FloatArray:
    """
    Convert p-values to q-values, which control the false discovery rate (Benjamini & Hochberg 1995).

    A q-value is the smallest false discovery rate at which the corresponding p-value is significant. NaN values are
    ignored and remain NaN.

    `n_tests` is the number of all tests. It can be larger than the number of values in `p`, if the p-values of the
    other tests are 1. None uses the number of values that are not NaN.

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03, 0.005])).round(4).tolist()
    [0.02, 0.04, 0.04, 0.02]
    >>> benjamini_hochberg(np.array([0.01, np.nan, 0.04])).tolist()
    [0.02, nan, 0.04]
    >>> benjamini_hochberg(np.array([0.01, 0.03]), n_tests=3).round(4).tolist()
    [0.03, 0.045]
    """
    q = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    if n_tests is None:
        n_tests = len(known)
    falling = known[np.argsort(p[known])[::-1]]
    rank = np.arange(len(known), 0, -1)
    q[falling] = np.minimum.accumulate(np.minimum(p[falling] * (n_tests / rank), 1.0))
    return q


def holm(p: FloatArray) -> FloatArray:
    """
    Adjust p-values so that the probability of at least one false positive result is controlled (Holm 1979).

    The smallest of m p-values is multiplied by m, the second smallest p-value by m - 1, and so on. NaN values are
    ignored and remain NaN.

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03, 0.005])).round(4).tolist()
    [0.03, 0.06, 0.06, 0.02]
    >>> holm(np.array([0.01, np.nan, 0.04])).tolist()
    [0.02, nan, 0.04]
    """
    adjusted = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    rising = known[np.argsort(p[known], kind="stable")]
    factors = np.arange(len(known), 0, -1)
    adjusted[rising] = np.maximum.accumulate(np.minimum(p[rising] * factors, 1.0))
    return adjusted


def _tails(both: FloatArray, a: FloatArray, b: FloatArray, universe: float) -> Tails:
    """Compute both tail probabilities for each pair of groups. `a` must not be larger than `b`."""
    point = _point_probability(both, a, b, universe)
    below = both * universe < a * b
    # `_tail_ratio` computes only upper tails.
    # A small overlap of a and b is a large overlap of a and the complement of b.
    # Therefore, the lower tail for b is computed as the upper tail for the complement of b.
    outside = np.where(below, a - both, both), a, np.where(below, universe - b, b)
    far = np.minimum(point * _tail_ratio(*outside, universe), 1.0)
    near = np.clip(1.0 + point - far, 0.0, 1.0)
    over, under = np.where(below, near, far), np.where(below, far, near)
    return Tails(np.where(both <= np.maximum(a + b - universe, 0.0), 1.0, over), np.where(both >= a, 1.0, under))


def _point_probability(both: FloatArray, a: FloatArray, b: FloatArray, universe: float) -> FloatArray:
    """Compute the hypergeometric probability P(X = both) for each pair of groups."""
    out_a, out_b = universe - a, universe - b
    margins = a, b, out_a, out_b
    cells = both, a - both, b - both, out_a - b + both
    means = a * b / universe, a * out_b / universe, out_a * b / universe, out_a * out_b / universe
    log = reduce(np.add, map(_stirling_error, margins)) - reduce(np.add, map(_stirling_error, cells))
    log = log - _stirling_error(np.array([universe]))
    return np.exp(np.minimum(log - reduce(np.add, map(_deviance, cells, means)), 0.0))


def _stirling_error(n: FloatArray) -> FloatArray:
    """Compute the error of Stirling's formula, log n! - n log n + n."""
    m = np.maximum(n, _SERIES_START)
    inverse = 1.0 / m
    square = inverse * inverse
    series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188))))
    error: FloatArray = 0.5 * np.log(2.0 * math.pi * m) + series
    is_small = n < _SERIES_START
    error[is_small] = _STIRLING_TABLE[n[is_small].astype(np.int64)]
    return error


def _deviance(x: FloatArray, mean: FloatArray) -> FloatArray:
    """Compute x log(x / mean) + mean - x without cancellation for x close to the mean."""
    v = (x - mean) / (x + mean)
    square = v * v
    # For |v| < 0.1, the omitted terms of this series are smaller than the last bit.
    series = reduce(lambda sum_, odd: 1.0 / odd + square * sum_, (13, 11, 9, 7, 5, 3), np.zeros_like(v))
    close = (x - mean) * v + 2.0 * x * v * square * series
    value = np.where(np.abs(v) < 0.1, close, x * np.log(x / mean) + mean - x)
    return np.where(x == 0, mean, value)


def _tail_ratio(x: FloatArray, a: FloatArray, b: FloatArray, universe: float) -> FloatArray:
    """
    Compute P(X >= x) / P(X = x), where x must not be below the mean.

    Above the mean, each term of the sum is smaller than the previous term, so the sum converges quickly.
    """
    result, running = np.ones_like(x), np.arange(len(x))
    total, term, outside = np.ones_like(x), np.ones_like(x), universe - a - b
    while len(running):
        for _ in range(_TERMS_PER_CHECK):
            term = term * ((a - x) * (b - x) / ((x + 1.0) * (outside + x + 1.0)))
            total = total + term
            x = x + 1.0
        result[running] = total
        more = term > total * 2.0**-56
        running = running[more]
        x, a, b, outside, total, term = x[more], a[more], b[more], outside[more], total[more], term[more]
    return result
