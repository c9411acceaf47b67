"""Effect sizes and p-values for differences between two sets of customers, computed from counts and moments."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from frgroups.internals.typing import FloatArray, IntArray

# If an expected count is below 5, the chi-square approximation is not reliable (Cochran 1954), and Fisher's exact
# test is used.
MIN_EXPECTED = 5


def cohens_h(share_a: FloatArray, share_b: FloatArray) -> FloatArray:
    """
    Compute Cohen's h, the difference between two shares after an arcsine transformation.

    The formula is 2 asin(sqrt(share_a)) - 2 asin(sqrt(share_b)) (Cohen 1988, chapter 6).

    Examples
    --------
    >>> cohens_h(np.array([0.5, 0.1]), np.array([0.5, 0.0])).round(3).tolist()
    [0.0, 0.644]
    """
    difference: FloatArray = 2 * np.arcsin(np.sqrt(share_a)) - 2 * np.arcsin(np.sqrt(share_b))
    return difference


def p_value_of_shares(n_a: IntArray, size_a: int, n_b: IntArray, size_b: int) -> FloatArray:
    """
    Compute the two-sided p-value of the difference between the shares n_a / size_a and n_b / size_b.

    The test is Pearson's chi-square test of the 2 x 2 table without continuity correction, which is equivalent to the
    z-test of two proportions. If an expected count is below 5, Fisher's exact test is used instead.

    Parameters
    ----------
    n_a, n_b
        The number of customers with each value in the two sets.
    size_a, size_b
        The numbers of customers in the two sets.

    Returns
    -------
    ndarray
        The p-value for each value. All p-values are NaN if one of the sets is empty.

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
    is_chi_square = expected >= MIN_EXPECTED
    determinant = n_a.astype(np.float64) * size_b - n_b.astype(np.float64) * size_a
    with np.errstate(divide="ignore", invalid="ignore"):
        squared = determinant**2 * total / (float(size_a) * size_b * with_it * without)
    p[is_chi_square] = chi2.sf(squared[is_chi_square], df=1)
    for row in np.flatnonzero(~is_chi_square):
        a, b = int(n_a[row]), int(n_b[row])
        p[row] = fisher_exact([[a, size_a - a], [b, size_b - b]]).pvalue
    return p


class Moments(NamedTuple):
    """The count, mean, median, and sample variance of a set of numbers."""

    n: int
    mean: float
    median: float
    variance: float

    @classmethod
    def from_values(cls, values: FloatArray) -> Moments:
        """
        Compute the count, mean, median, and sample variance of an array.

        For an empty array, the mean, median, and variance are NaN. The variance of a single value is also NaN. The
        variance of several equal values is exactly 0.
        """
        n = len(values)
        if n == 0:
            return cls(0, np.nan, np.nan, np.nan)
        if n == 1 or values.min() == values.max():
            return cls.from_equal_values(n, float(values[0]))
        return cls(n, float(values.mean()), float(np.median(values)), float(values.var(ddof=1)))

    @classmethod
    def from_equal_values(cls, n: int, value: float) -> Moments:
        """Return the moments of `n` equal values. The variance is exactly 0, or NaN for one value."""
        return cls(n, value, value, 0.0 if n > 1 else np.nan)


def standardized_difference(a: Moments, b: Moments) -> float:
    """
    Compute the standardized difference between two means.

    The difference is divided by sqrt((variance_a + variance_b) / 2) (Cohen 1988, p. 44, and Austin 2011). The result
    is NaN if both variances are 0, or if one of the sets has fewer than two values.

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
    Compute the two-sided p-value of Welch's t-test, which does not assume equal variances (Welch 1947).

    The result is NaN if both variances are 0, or if one of the sets has fewer than two values.

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
