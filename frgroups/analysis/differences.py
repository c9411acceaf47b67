"""Confidence intervals of differences between two arms, and the smallest differences that can be detected."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from frgroups.analysis.effect_sizes import Moments
from frgroups.internals.typing import FloatArray, IndexArray

CONFIDENCE, POWER = 0.95, 0.8
_Z = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / 2)


class Interval(NamedTuple):
    """Lower and upper limit of a confidence interval. Both are NaN if the interval is unknown."""

    low: float
    high: float


UNKNOWN = Interval(math.nan, math.nan)


def wilson_interval(successes: int, n: int) -> Interval:
    """
    Return the 95% score interval of the rate `successes / n` (Wilson 1927). `n` must be positive.

    Examples
    --------
    >>> [round(limit, 4) for limit in wilson_interval(81, 263)]
    [0.2553, 0.3662]
    """
    rate, square = successes / n, _Z**2
    center = 2 * successes + square
    half = _Z * math.sqrt(square + 4 * successes * (1 - rate))
    return Interval((center - half) / (2 * (n + square)), (center + half) / (2 * (n + square)))


def newcombe_interval(successes: int, n: int, successes_control: int, n_control: int) -> Interval:
    """
    Return the 95% hybrid score interval of the difference between two rates (Newcombe 1998, method 10).

    The limits are NaN if one of the arms is empty.

    Examples
    --------
    >>> [round(limit, 4) for limit in newcombe_interval(56, 70, 48, 80)]
    [0.0524, 0.3339]
    """
    if not (n and n_control):
        return UNKNOWN
    rate, rate_control = successes / n, successes_control / n_control
    own, control = wilson_interval(successes, n), wilson_interval(successes_control, n_control)
    below = math.hypot(rate - own.low, control.high - rate_control)
    above = math.hypot(own.high - rate, rate_control - control.low)
    difference = rate - rate_control
    return Interval(max(difference - below, -1.0), min(difference + above, 1.0))


def welch_interval(arm: Moments, control: Moments) -> Interval:
    """
    Return the 95% interval of the difference between two means without assuming equal variances (Welch 1947).

    The limits are NaN if both variances are 0, or if one of the arms has fewer than two customers.

    Examples
    --------
    >>> [round(limit, 3) for limit in welch_interval(Moments(9, 12, 12, 4), Moments(9, 10, 10, 4))]
    [0.001, 3.999]
    """
    if not arm.variance + control.variance > 0:
        return UNKNOWN
    from scipy.stats import t

    parts = arm.variance / arm.n, control.variance / control.n
    total = sum(parts)
    degrees = total**2 / (parts[0] ** 2 / (arm.n - 1) + parts[1] ** 2 / (control.n - 1))
    half = float(t.ppf(1 - (1 - CONFIDENCE) / 2, degrees)) * math.sqrt(total)
    difference = arm.mean - control.mean
    return Interval(difference - half, difference + half)


def detectable_rate_difference(rate_control: float, n: int, n_control: int, *, alpha: float) -> float:
    """
    Return the smallest increase of a rate that a two-sided test detects with a power of 80%.

    The result is based on Cohen's h and the normal approximation (Cohen 1988, chapter 6). It is NaN if one of the
    arms is empty or no increase is large enough.

    Examples
    --------
    >>> round(detectable_rate_difference(0.1, 900, 100, alpha=0.05), 4)
    0.1046
    """
    if not (n and n_control):
        return math.nan
    h = _power_factor(alpha) * math.sqrt(1 / n + 1 / n_control)
    angle = math.asin(math.sqrt(rate_control)) + h / 2
    if angle > math.pi / 2:
        return math.nan
    return math.sin(angle) ** 2 - rate_control


def detectable_mean_difference(arm: Moments, control: Moments, *, alpha: float) -> float:
    """
    Return the smallest difference between two means that a two-sided test detects with a power of 80%.

    The result is based on the normal approximation with the variances of the two arms. It is NaN if both variances
    are 0, or if one of the arms has fewer than two customers.

    Examples
    --------
    >>> round(detectable_mean_difference(Moments(900, 12, 12, 4), Moments(100, 10, 10, 4), alpha=0.05), 4)
    0.5906
    """
    if not arm.variance + control.variance > 0:
        return math.nan
    return _power_factor(alpha) * math.sqrt(arm.variance / arm.n + control.variance / control.n)


def adjust_for_earlier_values(values: FloatArray, before: FloatArray, code: IndexArray) -> FloatArray:
    """
    Subtract from each outcome the amount that the customer's earlier value predicts (CUPED, Deng et al. 2013).

    The earlier values are from before the campaign. The prediction is linear, and its slope is estimated within the
    arms. Therefore, the difference between the adjusted means of two arms is the coefficient of the arm in a linear
    regression of the outcome on the arm and the earlier value. If the earlier values are constant within each arm,
    the outcomes are returned unchanged.

    Parameters
    ----------
    values, before
        The outcome and the earlier value of each customer.
    code
        Arm number of each customer, starting at 0.

    Examples
    --------
    >>> values, before = np.array([1.0, 3.0, 6.0, 8.0]), np.array([1.0, 2.0, 2.0, 3.0])
    >>> adjust_for_earlier_values(values, before, np.array([0, 0, 1, 1]))
    array([3., 3., 6., 6.])
    """
    own, earlier = _within_arms(values, code), _within_arms(before, code)
    variation = float(earlier @ earlier)
    # The mean of equal values can differ from these values because of rounding.
    # Therefore, a variation that is not larger than the rounding error is treated as 0.
    rounding_error = 8 * np.finfo(np.float64).eps * np.abs(before).max(initial=0.0)
    if variation <= len(before) * rounding_error**2:
        return values
    slope = float(own @ earlier) / variation
    adjusted: FloatArray = values - slope * (before - before.mean())
    return adjusted


def _within_arms(values: FloatArray, code: IndexArray) -> FloatArray:
    """Return the difference between each value and the mean of its arm."""
    sizes = np.maximum(np.bincount(code), 1)
    means = np.bincount(code, weights=values) / sizes
    differences: FloatArray = values - means[code]
    return differences


def _power_factor(alpha: float) -> float:
    """Return how many standard errors a difference must have to be detected with a power of 80%."""
    normal = NormalDist()
    return normal.inv_cdf(1 - alpha / 2) + normal.inv_cdf(POWER)
