"""Tests for p-values and q-values, which are compared with exact fractions and scipy."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, hypergeom

from frgroups.analysis.significance import benjamini_hochberg, hypergeometric_tails

# Without a deadline, a slow machine does not cause failures.


@st.composite
def overlaps(draw, max_universe):
    """Draw the number of common members, a universe, and the sizes of two groups."""
    universe = draw(st.integers(1, max_universe))
    a, b = (draw(st.integers(0, universe)) for _ in range(2))
    return draw(st.integers(max(0, a + b - universe), min(a, b))), universe, a, b


def exact_tails(both, universe, a, b):
    """Return both tail probabilities of the hypergeometric distribution as exact fractions."""
    a, b = min(a, b), max(a, b)
    lowest = max(0, a + b - universe)
    terms = [comb(b, lowest) * comb(universe - b, a - lowest)]
    for k in range(lowest, a):
        terms.append(terms[-1] * (a - k) * (b - k) // ((k + 1) * (universe - a - b + k + 1)))
    at, total = both - lowest, comb(universe, a)
    return Fraction(sum(terms[at:]), total), Fraction(sum(terms[: at + 1]), total)


@given(overlaps(60))
def test_small_tables(table):
    "The tail probabilities differ from exact fractions by a relative error below 1e-12."
    both, universe, a, b = table

    (over,), (under,) = hypergeometric_tails([both], universe, [a], [b])

    expected = exact_tails(*table)

    assert over == pytest.approx(float(expected[0]), rel=1e-12)
    assert under == pytest.approx(float(expected[1]), rel=1e-12)


@pytest.mark.parametrize(
    "table",
    [
        (0, 1_240_000, 1_000, 1_274),
        (3, 1_240_000, 1_000, 1_274),
        (40, 1_240_000, 1_000, 1_274),
        (19, 1_240_000, 3_360, 4_823),
        (12, 8_519_493, 25, 7_649_362),
        (435, 8_599_989, 935, 5_312_270),
        (899, 3_000, 1_500, 1_800),
        (1_100, 3_000, 1_500, 1_800),
        (9, 5_876_031, 316, 12_212),
    ],
)
def test_large_tables(table):
    "For millions of customers, the relative error of the tail probabilities is below 1e-11."
    both, universe, a, b = table

    (over,), (under,) = hypergeometric_tails([both], universe, [a], [b])

    expected = exact_tails(*table)
    assert over == pytest.approx(float(expected[0]), rel=1e-11)
    assert under == pytest.approx(float(expected[1]), rel=1e-11)


@given(overlaps(10_000_000))
def test_tails_like_scipy(table):
    "For up to ten million customers, the tail probabilities are equal to those of scipy within scipy's accuracy."
    both, universe, a, b = table

    (over,), (under,) = hypergeometric_tails([both], universe, [a], [b])

    for actual, expected in [
        (over, hypergeom.sf(both - 1, universe, a, b)),
        (under, hypergeom.cdf(both, universe, a, b)),
    ]:
        assert actual == pytest.approx(expected, rel=1e-7, abs=1e-290)


@given(st.integers(1, 5_000_000), st.data())
def test_tails_near_mean_like_scipy(universe, data):
    "Near the expected overlap, where many terms are summed, the tail probabilities are equal to those of scipy."
    a, b = (data.draw(st.integers(0, universe)) for _ in range(2))
    mean = a * b // universe
    spread = int((a * b / universe) ** 0.5) + 1
    both = data.draw(st.integers(mean - spread, mean + spread))
    assume(max(0, a + b - universe) <= both <= min(a, b))

    (over,), (under,) = hypergeometric_tails([both], universe, [a], [b])

    assert over == pytest.approx(hypergeom.sf(both - 1, universe, a, b), rel=1e-7, abs=1e-290)
    assert under == pytest.approx(hypergeom.cdf(both, universe, a, b), rel=1e-7, abs=1e-290)


@given(overlaps(1_000_000))
def test_symmetry(table):
    "If the two groups are exchanged, the tail probabilities do not change."
    both, universe, a, b = table

    tails = hypergeometric_tails([both], universe, [a], [b])
    exchanged = hypergeometric_tails([both], universe, [b], [a])

    assert (tails.over, tails.under) == (exchanged.over, exchanged.under)


@given(overlaps(1_000_000))
def test_extreme_overlaps(table):
    "The smallest possible overlap has p_over = 1, and the largest possible overlap has p_under = 1."
    both, universe, a, b = table
    smallest, largest = max(0, a + b - universe), min(a, b)

    over, under = hypergeometric_tails([smallest, both, largest], universe, [a] * 3, [b] * 3)

    assert over[0] == under[2] == 1.0
    assert ((over >= 0) & (over <= 1) & (under >= 0) & (under <= 1)).all()


@given(overlaps(1_000_000))
def test_complementary_tails(table):
    "P(X >= k) and P(X <= k - 1) add up to 1."
    both, universe, a, b = table
    assume(both > max(0, a + b - universe))

    over, under = hypergeometric_tails([both, both - 1], universe, [a, a], [b, b])

    assert over[0] + under[1] == pytest.approx(1.0, rel=1e-11)


def test_vectorized_tails():
    "The tail probabilities of thousands of pairs are the same if each pair is computed alone."
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 20_000, (2, 20_000))
    both = np.minimum(rng.poisson(a * b / 100_000), np.minimum(a, b))

    over, under = hypergeometric_tails(both, 100_000, a, b)

    for at in range(0, 20_000, 397):
        single = hypergeometric_tails(both[at : at + 1], 100_000, a[at : at + 1], b[at : at + 1])
        assert (single.over[0], single.under[0]) == (over[at], under[at])


def test_no_pairs():
    "If the input arrays are empty, the tail probabilities are empty float arrays."
    empty = np.array([], dtype=np.int64)

    over, under = hypergeometric_tails(empty, 0, empty, empty)

    assert over.dtype == under.dtype == benjamini_hochberg(over).dtype == np.float64
    assert len(over) == len(under) == len(benjamini_hochberg(over)) == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_q_values_like_scipy(p):
    "The q-values are equal to those of scipy, even if p-values are tied, 0, or 1."
    q = benjamini_hochberg(np.array(p))

    np.testing.assert_allclose(q, false_discovery_control(p, method="bh"), rtol=1e-14)


@given(st.lists(st.floats(0, 1), max_size=20))
def test_q_value_definition(p):
    "The q-value of the i-th smallest p-value is the minimum of m p / j over all j >= i, limited to 1."
    ascending = sorted(p)
    expected = [min([1.0, *(len(p) * ascending[j] / (j + 1) for j in range(i, len(p)))]) for i in range(len(p))]

    np.testing.assert_allclose(sorted(benjamini_hochberg(np.array(p))), expected)
