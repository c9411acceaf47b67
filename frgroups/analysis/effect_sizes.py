"""Effect sizes and p-values of differences between two sets of customers, computed from counts and moments."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from frgroups.internals.typing import FloatArray, IntArray

# Below this expected count the chi-square approximation is not reliable (Cochran 1954).
_MIN_EXPECTED = 5


def cohens_h(share_a: FloatArray, share_b: FloatArray) -> FloatArray:
    """
    Return Cohen's h, the difference of two shares after the arcsine transformation (Cohen 1988, ch. 6).

    Examples
    --------
    >>> cohens_h(np.array([0.5, 0.1]), np.array([0.5, 0.0])).round(3).tolist()
    [0.0, 0.644]
    """
    difference: FloatArray = 2 * np.arcsin(np.sqrt(share_a)) - 2 * np.arcsin(np.sqrt(share_b))
    return difference


def p_value_of_shares(n_a: IntArray, size_a: int, n_b: IntArray, size_b: int) -> FloatArray:
    """
    Return the two-sided p-value of the difference between n_a of size_a and n_b of size_b, for each value.

    The test is Pearson's chi-square of the two-by-two table without continuity correction (the square of the z of two
    proportions). If an expected count is below 5, it is Fisher's exact test. NaN if a size is 0.

    Examples
    --------
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
    is_chi_square = expected >= _MIN_EXPECTED
    determinant = n_a.astype(np.float64) * size_b - n_b.astype(np.float64) * size_a
    with np.errstate(divide="ignore", invalid="ignore"):
        squared = determinant**2 * total / (float(size_a) * size_b * with_it * without)
    p[is_chi_square] = chi2.sf(squared[is_chi_square], df=1)
    for row in np.flatnonzero(~is_chi_square):
        a, b = int(n_a[row]), int(n_b[row])
        p[row] = fisher_exact([[a, size_a - a], [b, size_b - b]]).pvalue
    return p


class Moments(NamedTuple):
    """Count, mean, median and variance of some numbers."""

    n: int
    mean: float
    median: float
    variance: float

    @classmethod
    def from_values(cls, values: FloatArray) -> Moments:
        """Return the moments of numbers, NaN where there are too few; the variance of equal numbers is exactly 0."""
        if not len(values):
            return cls(0, np.nan, np.nan, np.nan)
        if len(values) == 1:
            return cls(1, float(values[0]), float(values[0]), np.nan)
        if values.min() == values.max():
            return cls(len(values), float(values[0]), float(values[0]), 0.0)
        return cls(len(values), float(values.mean()), float(np.median(values)), float(values.var(ddof=1)))


def standardized_difference(a: Moments, b: Moments) -> float:
    """
    Return the difference of two means divided by the root of the mean of both variances.

    See Cohen 1988, p. 44, and Austin 2011. NaN if both variances are 0, or if a set has fewer than two numbers.

    Examples
    --------
    >>> round(standardized_difference(Moments(9, 12, 12, 4), Moments(9, 10, 10, 4)), 3)
    1.0
    """
    spread = np.sqrt((a.variance + b.variance) / 2)
    if not spread > 0:
        return np.nan
    return float((a.mean - b.mean) / spread)


def p_value_of_means(a: Moments, b: Moments) -> float:
    """
    Return the two-sided p-value of Welch's t-test (1947), which does not assume equal variances.

    NaN in the same cases as `standardized_difference`.

    Examples
    --------
    >>> round(p_value_of_means(Moments(9, 12, 12, 4), Moments(9, 10, 10, 4)), 3)
    0.05
    """
    if not a.variance + b.variance > 0:
        return np.nan
    from scipy.stats import ttest_ind_from_stats

    deviations = np.sqrt(a.variance), np.sqrt(b.variance)
    test = ttest_ind_from_stats(a.mean, deviations[0], a.n, b.mean, deviations[1], b.n, equal_var=False)
    return float(test.pvalue)
