"""How likely an overlap would be by chance alone: tails of the hypergeometric distribution, and false discoveries."""

from __future__ import annotations

import math
from functools import reduce
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from frgroups.internals.typing import FloatArray

_CHUNK = 2**13  # pairs at once: what a step works on stays in a core's own cache
_STEPS = 8  # terms between two looks at which sums are done
_SERIES = 16
# log n! - n log n + n of the numbers below that; from there on the series is exact to the last bits.
_FIRST_RESTS = np.array([0.0, *(math.lgamma(n + 1) - n * math.log(n) + n for n in range(1, _SERIES))])


class Tails(NamedTuple):
    """P(X >= n_both) and P(X <= n_both) of each pair."""

    over: FloatArray
    under: FloatArray


def hypergeometric_tails(n_both: npt.ArrayLike, universe: int, n_a: npt.ArrayLike, n_b: npt.ArrayLike) -> Tails:
    """
    P(X >= n_both) and P(X <= n_both) for X hypergeometric (universe, n_a, n_b), pair by pair.

    P(X = n_both) comes from the deviance of the 2 x 2 table and the rests of Stirling's formula (Loader 2000), so
    that no large logarithms cancel; the tail away from the mean is the sum of the terms that follow it, each by
    its ratio to the one before; the other tail is 1 + P(X = n_both) less that. The relative error is below 1e-11
    above 1e-300; what is much smaller ends as 0. Exchanging the two groups does not change a bit.

    >>> over, under = hypergeometric_tails([2, 0], 10, [2, 3], [5, 3])
    >>> over.round(4).tolist(), under.round(4).tolist()
    ([0.2222, 1.0], [1.0, 0.2917])
    """
    both, one, other = (np.asarray(counts, dtype=np.float64) for counts in (n_both, n_a, n_b))
    a, b = np.minimum(one, other), np.maximum(one, other)
    over, under = np.empty_like(both), np.empty_like(both)
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 / 0 where a group or its outside is empty: settled after
        for start in range(0, len(both), _CHUNK):
            part = slice(start, start + _CHUNK)
            over[part], under[part] = _tails(both[part], a[part], b[part], float(universe))
    return Tails(over, under)


def benjamini_hochberg(p: FloatArray) -> FloatArray:
    """
    The least false discovery rate at which each p would be called a finding (Benjamini & Hochberg 1995).

    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03, 0.005])).round(4).tolist()
    [0.02, 0.04, 0.04, 0.02]
    """
    falling, rank = np.argsort(p)[::-1], np.arange(len(p), 0, -1)
    q = np.empty_like(p)
    q[falling] = np.minimum.accumulate(np.minimum(p[falling] * (len(p) / rank), 1.0))
    return q


def _tails(both: FloatArray, a: FloatArray, b: FloatArray, universe: float) -> Tails:
    """The tails of some pairs; a is the smaller group."""
    point = _point(both, a, b, universe)
    below = both * universe < a * b
    # Few of a in b are many of a outside b: seen from there, the lower tail is an upper one.
    outside = np.where(below, a - both, both), a, np.where(below, universe - b, b)
    far = np.minimum(point * _sum_of_ratios(*outside, universe), 1.0)
    near = np.clip(1.0 + point - far, 0.0, 1.0)
    over, under = np.where(below, near, far), np.where(below, far, near)
    return Tails(np.where(both <= np.maximum(a + b - universe, 0.0), 1.0, over), np.where(both >= a, 1.0, under))


def _point(both: FloatArray, a: FloatArray, b: FloatArray, universe: float) -> FloatArray:
    """P(X = both)."""
    out_a, out_b = universe - a, universe - b
    margins = a, b, out_a, out_b
    cells = both, a - both, b - both, out_a - b + both
    means = a * b / universe, a * out_b / universe, out_a * b / universe, out_a * out_b / universe
    log = reduce(np.add, map(_rest, margins)) - reduce(np.add, map(_rest, cells)) - _rest(np.array([universe]))
    return np.exp(np.minimum(log - reduce(np.add, map(_deviance, cells, means)), 0.0))


def _rest(n: FloatArray) -> FloatArray:
    """What Stirling's formula leaves of a factorial: log n! - n log n + n."""
    m = np.maximum(n, _SERIES)
    inverse = 1.0 / m
    square = inverse * inverse
    series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188))))
    rest: FloatArray = 0.5 * np.log(2.0 * math.pi * m) + series
    few = n < _SERIES
    rest[few] = _FIRST_RESTS[n[few].astype(np.int64)]
    return rest


def _deviance(x: FloatArray, mean: FloatArray) -> FloatArray:
    """How far x is from its mean, x log(x / mean) + mean - x, exact where they are close too."""
    v = (x - mean) / (x + mean)
    square = v * v
    # For |v| < 0.1 the terms that are left out are below the last bit.
    series = reduce(lambda sum_, odd: 1.0 / odd + square * sum_, (13, 11, 9, 7, 5, 3), np.zeros_like(v))
    close = (x - mean) * v + 2.0 * x * v * square * series
    value = np.where(np.abs(v) < 0.1, close, x * np.log(x / mean) + mean - x)
    return np.where(x == 0, mean, value)


def _sum_of_ratios(x: FloatArray, a: FloatArray, b: FloatArray, universe: float) -> FloatArray:
    """P(X >= x) / P(X = x) for x not below the mean, so that each term is smaller than the one before."""
    result, going = np.ones_like(x), np.arange(len(x))
    total, term, outside = np.ones_like(x), np.ones_like(x), universe - a - b
    while len(going):
        for _ in range(_STEPS):
            term = term * ((a - x) * (b - x) / ((x + 1.0) * (outside + x + 1.0)))
            total = total + term
            x = x + 1.0
        result[going] = total
        more = term > total * 2.0**-56
        going = going[more]
        x, a, b, outside, total, term = x[more], a[more], b[more], outside[more], total[more], term[more]
    return result
