"""Tests for intervals and detectable differences, with expected values from publications and statsmodels."""

import math

import numpy as np
import pytest

from frgroups.analysis.differences import (
    adjust_for_earlier_values,
    detectable_mean_difference,
    detectable_rate_difference,
    newcombe_interval,
    welch_interval,
    wilson_interval,
)
from frgroups.analysis.effect_sizes import Moments, cohens_h, p_value_of_means, p_value_of_shares
from frgroups.analysis.sample_ratio import sample_ratio_p_value
from frgroups.analysis.significance import holm

# Newcombe (1998), Statistics in Medicine 17, 873-890, Table II, method 10.
NEWCOMBE = [
    (56, 70, 48, 80, 0.0524, 0.3339),
    (9, 10, 3, 10, 0.1705, 0.8090),
    (6, 7, 2, 7, 0.0582, 0.8062),
    (5, 56, 0, 29, -0.0381, 0.1926),
    (0, 10, 0, 20, -0.1611, 0.2775),
    (0, 10, 0, 10, -0.2775, 0.2775),
    (10, 10, 0, 20, 0.6791, 1.0000),
    (10, 10, 0, 10, 0.6075, 1.0000),
]
# Newcombe (1998), Statistics in Medicine 17, 857-872, Table I, method 3.
WILSON = [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)]

AMOUNTS = np.array([20.1, 35.0, 0.0, 12.5, 99.0, 47.3, 8.2])
CONTROL = np.array([10.0, 0.0, 15.5, 22.0, 3.1])
EARLIER = np.array([1, 2, 4, 3, 7, 5, 2, 6, 1, 3, 4, 2.0])
CODE = np.array([1] * 7 + [0] * 5)
RUNS = 2000


@pytest.mark.parametrize(("k", "n", "k_control", "n_control", "low", "high"), NEWCOMBE)
def test_newcombe(k, n, k_control, n_control, low, high):
    "The intervals are those of the published examples, and swapping the arms changes the signs."
    interval = newcombe_interval(k, n, k_control, n_control)
    swapped = newcombe_interval(k_control, n_control, k, n)

    assert interval == pytest.approx((low, high), abs=5e-5)
    assert swapped == pytest.approx((-high, -low), abs=5e-5)


@pytest.mark.parametrize(("k", "n", "low", "high"), WILSON)
def test_wilson(k, n, low, high):
    "The intervals are those of the published examples."
    assert wilson_interval(k, n) == pytest.approx((low, high), abs=5e-5)


def test_two_proportions():
    "The p-value is that of statsmodels 0.15 (proportions_ztest)."
    p = p_value_of_shares(np.array([56]), 70, np.array([48]), 80)

    assert p[0] == pytest.approx(0.008045, abs=1e-6)


def test_welch():
    "The interval and the p-value are those of statsmodels 0.15 (CompareMeans, usevar='unequal')."
    moments = [Moments.from_values(values) for values in (AMOUNTS, CONTROL)]

    assert welch_interval(*moments) == pytest.approx((-9.906951485775068, 53.124094342917914))
    assert p_value_of_means(*moments) == pytest.approx(0.14952756141324547)


def test_cuped():
    "The difference is that of the regression in statsmodels 0.15 (OLS), and the interval that of its residuals."
    adjusted = adjust_for_earlier_values(np.concatenate([AMOUNTS, CONTROL]), EARLIER, CODE)
    own, control = (Moments.from_values(adjusted[is_in_arm]) for is_in_arm in (CODE == 1, CODE == 0))

    assert own.mean - control.mean == pytest.approx(19.62947814)
    assert welch_interval(own, control) == pytest.approx((-4.678739265066518, 43.93769554151222))
    assert p_value_of_means(own, control) == pytest.approx(0.10190287993458515)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9, 1 / 3])
def test_cuped_without_variation(value):
    "If the earlier values are equal, the outcomes are not adjusted."
    outcomes = np.concatenate([AMOUNTS, CONTROL])

    assert (adjust_for_earlier_values(outcomes, np.full(12, value), CODE) == outcomes).all()


def test_holm():
    "The adjusted p-values are those of statsmodels 0.15 (multipletests, method='holm')."
    adjusted = holm(np.array([0.01, 0.04, np.nan, 0.03, 0.005, 0.2]))

    np.testing.assert_allclose(adjusted, [0.04, 0.09, np.nan, 0.09, 0.025, 0.2])


def test_detectable_rate_difference():
    "The difference corresponds to the effect size of statsmodels 0.15 (NormalIndPower.solve_power)."
    difference = detectable_rate_difference(0.1, 900, 100, alpha=0.05)
    stricter = detectable_rate_difference(0.1, 900, 100, alpha=0.025)

    assert cohens_h(0.1 + difference, 0.1) == pytest.approx(0.2953125, abs=1e-6)
    assert cohens_h(0.1 + stricter, 0.1) == pytest.approx(0.3249792, abs=1e-6)


def test_detectable_mean_difference():
    "The difference in standard deviations is that of statsmodels 0.15 (NormalIndPower.solve_power)."
    difference = detectable_mean_difference(Moments(900, 0, 0, 9.0), Moments(100, 0, 0, 9.0), alpha=0.05)

    assert difference / 3 == pytest.approx(0.2953125, abs=1e-6)


@pytest.mark.parametrize(
    ("sizes", "shares", "p"),
    [
        ([120, 880], [0.1, 0.9], 0.03501498101966245),  # scipy.stats.chisquare
        ([300, 310, 390], [0.333, 0.333, 0.334], 0.0008055057573114476),  # scipy.stats.chisquare
        ([2, 1], [0.1, 0.9], 0.028),  # 3 * 0.1**2 * 0.9 + 0.1**3
        ([1, 0], [0.1, 0.9], 0.1),
        ([3, 0, 0], [0.1, 0.1, 0.8], 0.003),  # 3 * 0.1**3
        ([10, 90], [0.1, 0.9], 1.0),
        ([0, 0], [0.1, 0.9], math.nan),
    ],
)
def test_sample_ratio(sizes, shares, p):
    "The p-value is that of the chi-square test, or of exact binomial tests if the expected size of an arm is small."
    assert sample_ratio_p_value(np.array(sizes), np.array(shares)) == pytest.approx(p, nan_ok=True)


def share_covered(intervals, difference):
    """Return the share of intervals that contain the true difference."""
    limits = np.array(intervals)
    return ((limits[:, 0] <= difference) & (difference <= limits[:, 1])).mean()


# With 2,000 runs, the standard deviation of the coverage is 0.5%.
@pytest.mark.parametrize(
    ("rate", "n", "rate_control", "n_control"), [(0.12, 900, 0.10, 100), (0.03, 400, 0.02, 400), (0.5, 30, 0.3, 20)]
)
def test_coverage_of_rates(rate, n, rate_control, n_control):
    "About 95% of the intervals of simulated rates contain the true difference."
    rng = np.random.default_rng(1)
    successes = zip(rng.binomial(n, rate, RUNS), rng.binomial(n_control, rate_control, RUNS), strict=True)

    intervals = [newcombe_interval(k, n, k_control, n_control) for k, k_control in successes]

    assert 0.935 < share_covered(intervals, rate - rate_control) < 0.985


def simulated_arms(rng, *, n=180, n_control=60, slope=0.0):
    """Return the outcomes, the earlier values, and the arms of customers. The true difference is 5."""
    code = np.repeat([0, 1], [n_control, n])
    before = rng.gamma(4, 10, size=len(code))
    noise = rng.normal(0, np.where(code == 1, 12, 20))
    return 5 * code + slope * before + noise, before, code


@pytest.mark.slow
@pytest.mark.parametrize("slope", [0.0, 2.0])
def test_coverage_of_means(slope):
    "About 95% of the intervals of means contain the true difference, and earlier values make them narrower."
    rng = np.random.default_rng(2)
    plain, adjusted = [], []
    for _ in range(RUNS):
        values, before, code = simulated_arms(rng, slope=slope)
        for result, outcomes in (
            (plain, values),
            (adjusted, adjust_for_earlier_values(values, before, code)),
        ):
            result.append(welch_interval(*(Moments.from_values(outcomes[code == arm]) for arm in (1, 0))))

    assert 0.935 < share_covered(plain, 5) < 0.965
    assert 0.935 < share_covered(adjusted, 5) < 0.965
    ratio = np.median(np.diff(adjusted)) / np.median(np.diff(plain))
    assert ratio < 0.6 if slope else 0.98 < ratio < 1.02


def test_power():
    "A test detects the smallest detectable difference in about 80% of simulated campaigns."
    rng = np.random.default_rng(3)
    difference = detectable_rate_difference(0.1, 2000, 1000, alpha=0.05)
    successes = rng.binomial(2000, 0.1 + difference, RUNS), rng.binomial(1000, 0.1, RUNS)

    p = p_value_of_shares(successes[0], 2000, successes[1], 1000)

    assert 0.77 < (p < 0.05).mean() < 0.83
