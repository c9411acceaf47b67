"""Significance of overlaps: hypergeometric tails and the false discovery rate of Benjamini and Hochberg."""

from __future__ import annotations

import math
from functools import reduce
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from frgroups.internals.typing import FloatArray

_CHUNK_SIZE = 2**13  # pairs per chunk, so that the arrays of a chunk fit into the cache of a core
_TERMS_PER_CHECK = 8  # terms that are added before finished sums are removed
_SERIES_START = 16
# log n! - n log n + n for n below _SERIES_START. From there on, the series is exact to the last bits.
_STIRLING_TABLE = np.array([0.0, *(math.lgamma(n + 1) - n * math.log(n) + n for n in range(1, _SERIES_START))])


class Tails(NamedTuple):
    """P(X >= n_both) and P(X <= n_both) of each pair."""

    over: FloatArray
    under: FloatArray


def hypergeometric_tails(n_both: npt.ArrayLike, universe: int, n_a: npt.ArrayLike, n_b: npt.ArrayLike) -> Tails:
    """
    Return P(X >= n_both) and P(X <= n_both) for X hypergeometric (universe, n_a, n_b), for each pair.

    P(X = n_both) is computed from the deviance of the 2 x 2 table and the error terms of Stirling's formula (Loader
    2000), so that no large logarithms cancel. The tail away from the mean is the sum of the terms that follow, each
    computed by its ratio to the previous term. The other tail is 1 + P(X = n_both) minus that sum. The relative error
    is below 1e-11 for values above 1e-300; much smaller values become 0. The result is exactly symmetric in n_a and
    n_b. For 20,000 pairs this takes 0.02 s, and scipy.stats.hypergeom takes 12 s.

    Examples
    --------
    >>> over, under = hypergeometric_tails([2, 0], 10, [2, 3], [5, 3])
    >>> over.round(4).tolist(), under.round(4).tolist()
    ([0.2222, 1.0], [1.0, 0.2917])
    """
    both = np.asarray(n_both, dtype=np.float64)
    sizes_a, sizes_b = np.asarray(n_a, dtype=np.float64), np.asarray(n_b, dtype=np.float64)
    a, b = np.minimum(sizes_a, sizes_b), np.maximum(sizes_a, sizes_b)
    over, under = np.empty_like(both), np.empty_like(both)
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 / 0 where a group or its outside is empty: settled after
        for start in range(0, len(both), _CHUNK_SIZE):
            part = slice(start, start + _CHUNK_SIZE)
            over[part], under[part] = _tails(both[part], a[part], b[part], float(universe))
    return Tails(over, under)


def benjamini_hochberg(p: FloatArray) -> FloatArray:
    """
    Return the q-values of p-values (Benjamini & Hochberg 1995); NaN values are ignored and stay NaN.

    The q-value is the smallest false discovery rate at which a p-value is called a finding.

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03, 0.005])).round(4).tolist()
    [0.02, 0.04, 0.04, 0.02]
    >>> benjamini_hochberg(np.array([0.01, np.nan, 0.04])).tolist()
    [0.02, nan, 0.04]
    """
    q = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    falling = known[np.argsort(p[known])[::-1]]
    rank = np.arange(len(known), 0, -1)
    q[falling] = np.minimum.accumulate(np.minimum(p[falling] * (len(known) / rank), 1.0))
    return q


def _tails(both: FloatArray, a: FloatArray, b: FloatArray, universe: float) -> Tails:
    """Return the tails of some pairs; `a` is the size of the smaller group."""
    point = _point_probability(both, a, b, universe)
    below = both * universe < a * b
    # A small overlap of a and b is a large overlap of a and the complement of b, so the lower tail of the one is the
    # upper tail of the other.
    outside = np.where(below, a - both, both), a, np.where(below, universe - b, b)
    far = np.minimum(point * _tail_ratio(*outside, universe), 1.0)
    near = np.clip(1.0 + point - far, 0.0, 1.0)
    over, under = np.where(below, near, far), np.where(below, far, near)
    return Tails(np.where(both <= np.maximum(a + b - universe, 0.0), 1.0, over), np.where(both >= a, 1.0, under))


def _point_probability(both: FloatArray, a: FloatArray, b: FloatArray, universe: float) -> FloatArray:
    """Return P(X = both)."""
    out_a, out_b = universe - a, universe - b
    margins = a, b, out_a, out_b
    cells = both, a - both, b - both, out_a - b + both
    means = a * b / universe, a * out_b / universe, out_a * b / universe, out_a * out_b / universe
    log = reduce(np.add, map(_stirling_error, margins)) - reduce(np.add, map(_stirling_error, cells))
    log = log - _stirling_error(np.array([universe]))
    return np.exp(np.minimum(log - reduce(np.add, map(_deviance, cells, means)), 0.0))


def _stirling_error(n: FloatArray) -> FloatArray:
    """Return the error of Stirling's formula: log n! - n log n + n."""
    m = np.maximum(n, _SERIES_START)
    inverse = 1.0 / m
    square = inverse * inverse
    series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188))))
    error: FloatArray = 0.5 * np.log(2.0 * math.pi * m) + series
    is_small = n < _SERIES_START
    error[is_small] = _STIRLING_TABLE[n[is_small].astype(np.int64)]
    return error


def _deviance(x: FloatArray, mean: FloatArray) -> FloatArray:
    """Return x log(x / mean) + mean - x, without cancellation for x close to the mean."""
    v = (x - mean) / (x + mean)
    square = v * v
    # For |v| < 0.1 the omitted terms are below the last bit.
    series = reduce(lambda sum_, odd: 1.0 / odd + square * sum_, (13, 11, 9, 7, 5, 3), np.zeros_like(v))
    close = (x - mean) * v + 2.0 * x * v * square * series
    value = np.where(np.abs(v) < 0.1, close, x * np.log(x / mean) + mean - x)
    return np.where(x == 0, mean, value)


def _tail_ratio(x: FloatArray, a: FloatArray, b: FloatArray, universe: float) -> FloatArray:
    """Return P(X >= x) / P(X = x) for x not below the mean, so that each term is smaller than the previous one."""
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
