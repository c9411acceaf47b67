"""Sample-ratio test, which compares the sizes of the arms of a split with the planned shares."""

from __future__ import annotations

import numpy as np

from frgroups.analysis.arm_shares import SplitTable, format_shares
from frgroups.analysis.effect_sizes import MIN_EXPECTED
from frgroups.errors import SampleRatioError
from frgroups.internals.formatting import pluralize
from frgroups.internals.typing import FloatArray, IntArray

# A p-value below this threshold is reported as a mismatch of the sample ratio.
# Kohavi, Tang, and Xu (2020) recommend a low threshold, because a mismatch invalidates the experiment.
MIN_P_VALUE = 0.001


def sample_ratio_p_value(sizes: IntArray, shares: FloatArray) -> float:
    """
    Return the p-value of the hypothesis that customers were assigned to arms with the planned shares.

    The test is Pearson's chi-square test. If the expected size of an arm is below 5, each arm is tested with the
    exact binomial test instead. If there are more than two arms, the smallest p-value is multiplied by the number of
    arms. The result is NaN if there are no customers.

    Examples
    --------
    >>> round(sample_ratio_p_value(np.array([120, 880]), np.array([0.1, 0.9])), 4)
    0.035
    >>> round(sample_ratio_p_value(np.array([2, 1]), np.array([0.1, 0.9])), 4)
    0.028
    """
    total = int(sizes.sum())
    if not total:
        return float("nan")
    from scipy.stats import binomtest, chi2

    expected = total * shares / shares.sum()
    if expected.min() >= MIN_EXPECTED:
        statistic = float(((sizes - expected) ** 2 / expected).sum())
        return float(chi2.sf(statistic, df=len(sizes) - 1))
    p_values = [
        binomtest(int(size), total, float(share)).pvalue for size, share in zip(sizes, expected / total, strict=True)
    ]
    n_tests = 1 if len(sizes) == 2 else len(sizes)
    return min(1.0, float(min(p_values)) * n_tests)


def check_sample_ratio(split: SplitTable) -> None:
    """Raise SampleRatioError if the sizes of the arms do not agree with the planned shares."""
    shares = np.array(split.arms.shares)
    p_value = sample_ratio_p_value(split.sizes, shares)
    if not p_value < MIN_P_VALUE:
        return
    names = split.arms.names
    planned, actual = format_shares(names, shares), format_shares(names, split.actual_shares)
    raise SampleRatioError(
        f"The arms of `split` do not have the planned shares: planned {planned}, actual {actual} of "
        f"{pluralize(len(split.customers), 'customer')} (p-value {p_value:.1g}, must be at least {MIN_P_VALUE}). "
        "A comparison of the arms would be biased.",
        hint="Pass all customers of the original split, or correct `shares`.",
        planned=split.arms.to_dict(),
        actual=dict(zip(names, split.actual_shares.tolist(), strict=True)),
        p_value=p_value,
    )
