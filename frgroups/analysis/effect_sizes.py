"""How large a difference between two sets of customers is, and how surprising; numbers in, numbers out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from frgroups.internals.typing import FloatArray, IntArray

# Below this expected count the chi-square approximation is not to be trusted (Cochran 1954).
_FEW = 5


def cohens_h(share_a: FloatArray, share_b: FloatArray) -> FloatArray:
    """
    The difference of two shares on a scale where equal steps are equally easy to notice (Cohen 1988, ch. 6).

    >>> cohens_h(np.array([0.5, 0.1]), np.array([0.5, 0.0])).round(3).tolist()
    [0.0, 0.644]
    """
    difference: FloatArray = 2 * np.arcsin(np.sqrt(share_a)) - 2 * np.arcsin(np.sqrt(share_b))
    return difference


def p_value_of_shares(n_a: IntArray, size_a: int, n_b: IntArray, size_b: int) -> FloatArray:
    """
    The two-sided p that n_a of size_a and n_b of size_b are as different as this by chance, for each value.

    Pearson's chi-square of the two-by-two table without continuity correction (the square of the z of two
    proportions); where an expected count is below 5, Fisher's exact test. NaN where a size is 0.

    >>> p_value_of_shares(np.array([30, 3]), 100, np.array([50, 0]), 100).round(4).tolist()
    [0.0039, 0.2462]
    """
    p = np.full(len(n_a), np.nan)
    if not (size_a and size_b and len(n_a)):
        return p
    from scipy.stats import chi2, fisher_exact

    with_it, total = (n_a + n_b).astype(np.float64), float(size_a + size_b)
    without = total - with_it
    expected = np.minimum(with_it, without) * min(size_a, size_b) / total
    usual = expected >= _FEW
    determinant = n_a.astype(np.float64) * size_b - n_b.astype(np.float64) * size_a
    with np.errstate(divide="ignore", invalid="ignore"):
        squared = determinant**2 * total / (float(size_a) * size_b * with_it * without)
    p[usual] = chi2.sf(squared[usual], df=1)
    for row in np.flatnonzero(~usual):
        a, b = int(n_a[row]), int(n_b[row])
        p[row] = fisher_exact([[a, size_a - a], [b, size_b - b]]).pvalue
    return p


class Numbers(NamedTuple):
    """What a test needs to know of some numbers."""

    n: int
    mean: float
    median: float
    variance: float

    @classmethod
    def of(cls, values: FloatArray) -> Numbers:
        """The facts of these numbers, NaN where there are too few; equal numbers have no variance at all."""
        if not len(values):
            return cls(0, np.nan, np.nan, np.nan)
        if len(values) == 1 or values.min() == values.max():
            return cls(len(values), float(values[0]), float(values[0]), 0.0 if len(values) > 1 else np.nan)
        return cls(len(values), float(values.mean()), float(np.median(values)), float(values.var(ddof=1)))


def standardized_difference(a: Numbers, b: Numbers) -> float:
    """
    The difference of two means in standard deviations: over the root of the mean of both variances.

    (Cohen 1988, p. 44; Austin 2011.) NaN where neither varies, or one has fewer than two numbers.

    >>> round(standardized_difference(Numbers(9, 12, 12, 4), Numbers(9, 10, 10, 4)), 3)
    1.0
    """
    spread = np.sqrt((a.variance + b.variance) / 2)
    return float((a.mean - b.mean) / spread) if spread > 0 else np.nan


def p_value_of_means(a: Numbers, b: Numbers) -> float:
    """
    The two-sided p of Welch's t (1947), which does not take the variances for equal; NaN as above.

    >>> round(p_value_of_means(Numbers(9, 12, 12, 4), Numbers(9, 10, 10, 4)), 3)
    0.05
    """
    if not a.variance + b.variance > 0:
        return np.nan
    from scipy.stats import ttest_ind_from_stats

    deviations = np.sqrt(a.variance), np.sqrt(b.variance)
    test = ttest_ind_from_stats(a.mean, deviations[0], a.n, b.mean, deviations[1], b.n, equal_var=False)
    return float(test.pvalue)


def q_values(p: FloatArray) -> FloatArray:
    """
    The p after Benjamini & Hochberg (1995), over those that are there.

    >>> q_values(np.array([0.01, np.nan, 0.04])).tolist()
    [0.02, nan, 0.04]
    """
    q = np.full(len(p), np.nan)
    tested = ~np.isnan(p)
    if tested.any():
        from scipy.stats import false_discovery_control

        q[tested] = false_discovery_control(p[tested], method="bh")
    return q
