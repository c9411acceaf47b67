"""Tails of the hypergeometric distribution against exact fractions and scipy; false discovery rates against scipy."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, hypergeom

from frgroups.analysis.significance import benjamini_hochberg, hypergeometric_tails

# No deadline: a busy machine is no failure.
LAW = settings(deadline=None, max_examples=200)


@st.composite
def tables(draw, most):
    """A universe, two groups in it, and how many customers they may share."""
    universe = draw(st.integers(1, most))
    a, b = (draw(st.integers(0, universe)) for _ in range(2))
    return draw(st.integers(max(0, a + b - universe), min(a, b))), universe, a, b


def exact(both, universe, a, b):
    """Both tails as fractions, the terms as whole numbers that follow from each other."""
    a, b = min(a, b), max(a, b)
    lowest = max(0, a + b - universe)
    terms = [comb(b, lowest) * comb(universe - b, a - lowest)]
    for k in range(lowest, a):
        terms.append(terms[-1] * (a - k) * (b - k) // ((k + 1) * (universe - a - b + k + 1)))
    at, total = both - lowest, comb(universe, a)
    return Fraction(sum(terms[at:]), total), Fraction(sum(terms[: at + 1]), total)


@LAW
@given(tables(60))
def test_tails_are_exact(table):
    "Over and under are the sums of exact fractions, to a relative error below 1e-12."
    (over,), (under,) = hypergeometric_tails(*([count] if at != 1 else count for at, count in enumerate(table)))

    expected = exact(*table)

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
def test_tails_are_exact_among_millions(table):
    "Among millions of customers too the relative error is below 1e-11."
    both, universe, a, b = table

    (over,), (under,) = hypergeometric_tails([both], universe, [a], [b])

    expected = exact(*table)
    assert over == pytest.approx(float(expected[0]), rel=1e-11)
    assert under == pytest.approx(float(expected[1]), rel=1e-11)


@LAW
@given(tables(10_000_000))
def test_tails_are_those_of_scipy(table):
    "Anywhere among ten million customers, as far as scipy is exact and a double can hold the number."
    both, universe, a, b = table

    (over,), (under,) = hypergeometric_tails([both], universe, [a], [b])

    for ours, theirs in [
        (over, hypergeom.sf(both - 1, universe, a, b)),
        (under, hypergeom.cdf(both, universe, a, b)),
    ]:
        assert ours == pytest.approx(theirs, rel=1e-7, abs=1e-290)


@LAW
@given(st.integers(1, 5_000_000), st.data())
def test_tails_near_the_mean_are_those_of_scipy(universe, data):
    "So too where nothing is out of the ordinary, and the sums are long."
    a, b = (data.draw(st.integers(0, universe)) for _ in range(2))
    mean = a * b // universe
    spread = int((a * b / universe) ** 0.5) + 1
    both = data.draw(st.integers(mean - spread, mean + spread))
    assume(max(0, a + b - universe) <= both <= min(a, b))

    (over,), (under,) = hypergeometric_tails([both], universe, [a], [b])

    assert over == pytest.approx(hypergeom.sf(both - 1, universe, a, b), rel=1e-7, abs=1e-290)
    assert under == pytest.approx(hypergeom.cdf(both, universe, a, b), rel=1e-7, abs=1e-290)


@LAW
@given(tables(1_000_000))
def test_the_two_groups_may_be_exchanged(table):
    "To the last bit."
    both, universe, a, b = table

    one = hypergeometric_tails([both], universe, [a], [b])
    other = hypergeometric_tails([both], universe, [b], [a])

    assert (one.over, one.under) == (other.over, other.under)


@LAW
@given(tables(1_000_000))
def test_what_cannot_be_otherwise_is_certain(table):
    "The least overlap that is possible has p_over 1, the greatest p_under 1, exactly; p is always a probability."
    both, universe, a, b = table
    least, greatest = max(0, a + b - universe), min(a, b)

    over, under = hypergeometric_tails([least, both, greatest], universe, [a] * 3, [b] * 3)

    assert over[0] == under[2] == 1.0
    assert ((over >= 0) & (over <= 1) & (under >= 0) & (under <= 1)).all()


@LAW
@given(tables(1_000_000))
def test_more_than_that_or_not_is_certain(table):
    "P(X >= k) + P(X <= k - 1) = 1."
    both, universe, a, b = table
    assume(both > max(0, a + b - universe))

    over, under = hypergeometric_tails([both, both - 1], universe, [a, a], [b, b])

    assert over[0] + under[1] == pytest.approx(1.0, rel=1e-11)


def test_pairs_do_not_disturb_each_other():
    "Thousands of pairs at once have the very chances that each has alone."
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 20_000, (2, 20_000))
    both = np.minimum(rng.poisson(a * b / 100_000), np.minimum(a, b))

    over, under = hypergeometric_tails(both, 100_000, a, b)

    for at in range(0, 20_000, 397):
        alone = hypergeometric_tails(both[at : at + 1], 100_000, a[at : at + 1], b[at : at + 1])
        assert (alone.over[0], alone.under[0]) == (over[at], under[at])


def test_no_pairs_have_no_chances():
    "Empty arrays give empty arrays of doubles."
    nothing = np.array([], dtype=np.int64)

    over, under = hypergeometric_tails(nothing, 0, nothing, nothing)

    assert over.dtype == under.dtype == benjamini_hochberg(over).dtype == np.float64
    assert len(over) == len(under) == len(benjamini_hochberg(over)) == 0


@LAW
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_false_discovery_rates_are_those_of_scipy(p):
    "Benjamini & Hochberg's q, ties and limits included, in the order of the p."
    q = benjamini_hochberg(np.array(p))

    np.testing.assert_allclose(q, false_discovery_control(p, method="bh"), rtol=1e-14)


@LAW
@given(st.lists(st.floats(0, 1), max_size=20))
def test_q_is_the_least_rate_over_all_larger_p(p):
    "q of the i-th smallest p is the least m p / j over all j >= i, and never above 1."
    rising = sorted(p)
    expected = [min([1.0, *(len(p) * rising[j] / (j + 1) for j in range(i, len(p)))]) for i in range(len(p))]

    np.testing.assert_allclose(sorted(benjamini_hochberg(np.array(p))), expected)
