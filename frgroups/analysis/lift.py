"""Effect of a campaign, measured as the difference between each arm of a split and the control."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from frgroups.analysis.arm_shares import SplitTable
from frgroups.analysis.customer_tables import CUSTOMER, match_customers
from frgroups.analysis.differences import (
    CONFIDENCE,
    UNKNOWN,
    adjust_for_earlier_values,
    detectable_mean_difference,
    detectable_rate_difference,
    newcombe_interval,
    welch_interval,
)
from frgroups.analysis.effect_sizes import Moments, p_value_of_means, p_value_of_shares
from frgroups.analysis.sample_ratio import check_sample_ratio
from frgroups.analysis.significance import holm
from frgroups.errors import InputError
from frgroups.internals.formatting import agree, pluralize
from frgroups.internals.typing import BoolArray, FloatArray
from frgroups.internals.validation import check_choice, wrong_type

Row = dict[str, Any]
Outcomes = pd.Series | pd.DataFrame

# Results of pd.api.types.infer_dtype for object columns that contain only numbers, booleans, or missing values.
_NUMERIC_OBJECTS = ("boolean", "integer", "floating", "mixed-integer-float", "decimal", "empty")
_COLUMNS = {
    "arm": "str",
    **dict.fromkeys(["n", "n_missing"], "int64"),
    **dict.fromkeys(["rate", "mean", "difference", "ci_low", "ci_high", "p_value"], "float64"),
    **dict.fromkeys(["detectable_difference", "relative_difference", "incremental"], "float64"),
}


@dataclass(frozen=True, eq=False, slots=True)
class _Values:
    """The value of each customer in a split, a mask of missing values, and the number of rows of other customers."""

    values: FloatArray
    is_missing: BoolArray
    n_ignored: int


def measure_lift(
    split: pd.DataFrame,
    outcomes: Outcomes,
    *,
    before: Outcomes | None = None,
    missing: Literal[0] | None = None,
    shares: Mapping[str, float] | None = None,
    control: str | None = None,
) -> pd.DataFrame:
    """
    Measure the effect of a campaign by comparing each arm of a split with the control.

    Each customer is counted in the assigned arm, even if the campaign did not reach the customer. A comparison of
    only the customers who were reached would be biased, because these customers differ from the other customers.

    Parameters
    ----------
    split : DataFrame
        Result of `split_customers`, or a table with the columns customer_uid and arm. Pass all customers of the
        split.
    outcomes : Series or DataFrame
        Outcome of each customer after the start of the campaign, such as the amount spent, or True for a purchase. A
        Series needs an index of customer uids. A DataFrame needs one column of outcomes, and either the column
        customer_uid or an index of customer uids. The outcomes are numbers or booleans. Rows of customers who are not
        in the split are ignored. The attrs of the result contain the number of ignored rows.
    before : Series or DataFrame, optional
        The same or a similar value from before the campaign, such as the amount spent in the same period of last
        year. If this value predicts the outcome, the confidence intervals become narrower. The value must not include
        anything that happened after the start of the campaign.
    missing : 0 or None, optional
        Value to use for customers whose outcome or value in `before` is missing. Pass 0 if the tables contain only
        customers with purchases. If `missing` is None, the default, such customers cause an error.
    shares : mapping of str to float, optional
        Planned share of each arm. None uses the shares in the attrs of `split`.
    control : str, optional
        Arm with which the other arms are compared. None uses the control in the attrs of `split`, or "control" if the
        attrs do not contain it.

    Returns
    -------
    DataFrame
        One row per arm. The control is first, and the other arms are sorted by name. The columns after mean are NaN
        for the control:

        - arm (`str`)
        - n (`int64`): number of customers in the arm
        - n_missing (`int64`): number of customers whose outcome was replaced by `missing`
        - rate (`float64`): share of the customers with the outcome 1 or True. NaN if the outcomes contain other
          values.
        - mean (`float64`): mean of the outcomes. NaN if all outcomes are 0, 1, True, or False.
        - difference (`float64`): rate or mean of the arm, minus the rate or mean of the control. If `before` is
          given, the value is the difference between the adjusted means.
        - ci_low, ci_high (`float64`): 95% confidence interval of the difference
        - p_value (`float64`): p-value of the test that the difference is 0. If there are more than two arms, the
          p-value is adjusted by Holm's method.
        - detectable_difference (`float64`): smallest difference that the test detects with a power of 80%, given the
          sizes of the arms. If it is larger than the effect that you expect, the campaign was too small.
        - relative_difference (`float64`): difference, divided by the rate or the unadjusted mean of the control. NaN
          means that this rate or mean is not positive.
        - incremental (`float64`): difference, multiplied by n. This is the estimated number of additional purchases,
          or the additional amount, due to the campaign.

        The attrs of the table contain n_ignored, the number of rows of `outcomes` whose customers are not in the
        split.

    Raises
    ------
    SampleRatioError
        If the p-value of the sample-ratio test is below 0.001. See `split_balance`.
    InputError
        If a customer has no outcome and `missing` is None, an outcome is not a finite number, the control has no
        customers, or the shares are unknown.

    See Also
    --------
    split_customers : Split customers into arms.
    split_balance : Check that the arms are comparable before the campaign starts.

    Notes
    -----
    **Rates.** If all outcomes are 0, 1, True, or False, and `before` is not given, rates are compared. The confidence
    interval is the hybrid score interval [1]_. The test is Pearson's chi-square test without continuity correction,
    which is equivalent to the z-test of two proportions. If an expected count is below 5, it is Fisher's exact test.
    The interval and the test use different methods. Therefore, in rare cases, the interval excludes 0 although the
    p-value is slightly above 0.05, or includes 0 although the p-value is slightly below 0.05.

    **Means.** Other outcomes are compared by their means, with Welch's t-test and its confidence interval, which do
    not assume equal variances. The interval and the p-value are NaN if an arm has fewer than two customers or all
    outcomes are equal.

    **Earlier values.** With `before`, the means are compared after the outcomes have been adjusted by a linear
    regression on the earlier values (CUPED [2]_). The slope is estimated within the arms. The column mean or rate
    contains the means of the unadjusted outcomes. If all earlier values are equal, the outcomes are not adjusted.

    **Several arms.** The p-values are adjusted for the number of comparisons. The confidence intervals are not
    adjusted. The column detectable_difference refers to a significance level of 5%, divided by the number of
    comparisons. For rates, it is the smallest detectable increase, based on Cohen's h.

    References
    ----------
    .. [1] Newcombe, R. G. (1998). Interval estimation for the difference between independent proportions: comparison
       of eleven methods. Statistics in Medicine 17, 873-890. Method 10.
    .. [2] Deng, A., Xu, Y., Kohavi, R., and Walker, T. (2013). Improving the sensitivity of online controlled
       experiments by utilizing pre-experiment data. WSDM 2013.

    Examples
    --------
    >>> uids = [f"c-{number}" for number in range(1000)]
    >>> split = split_customers(uids, {"mail": 0.8, "control": 0.2}, seed="spring", exact=True)
    >>> in_mailing = list(split.loc[split["arm"] == "mail", "customer_uid"])
    >>> bought = pd.Series(True, index=[*in_mailing[:120], *uids[::20]]).groupby(level=0).any()
    >>> lift = measure_lift(split, bought, missing=0)
    >>> lift[["arm", "n", "rate", "difference", "ci_low", "ci_high", "p_value"]].round(3)
           arm    n   rate  difference  ci_low  ci_high  p_value
    0  control  200  0.040         NaN     NaN      NaN      NaN
    1     mail  800  0.191       0.151   0.106    0.186      0.0
    """
    table = SplitTable.from_frame(split, shares, control)
    check_choice(missing, "missing", [None, 0])
    check_sample_ratio(table)
    if not table.sizes[0]:
        raise InputError(
            f"The control {table.arms.control!r} has no customers, so the other arms cannot be compared with it."
        )
    measured = _read_values(table, outcomes, "outcomes", missing)
    is_rate = bool(np.isin(measured.values, (0.0, 1.0)).all())
    if is_rate and before is None:
        rows = _compare_rates(table, measured.values)
    else:
        adjusted = measured.values
        if before is not None:
            earlier = _read_values(table, before, "before", missing).values
            adjusted = adjust_for_earlier_values(measured.values, earlier, table.code)
        rows = _compare_means(table, measured.values, adjusted, "rate" if is_rate else "mean")
    n_missing = np.bincount(table.code[measured.is_missing], minlength=len(rows))
    for row, name, n, n_replaced in zip(rows, table.arms.names, table.sizes, n_missing, strict=True):
        row |= {"arm": name, "n": n, "n_missing": n_replaced}
    lift = _complete_columns(pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS))
    lift.attrs = {"n_ignored": measured.n_ignored}
    return lift


def _read_values(table: SplitTable, outcomes: Outcomes, name: str, missing: Literal[0] | None) -> _Values:
    """Return the value of each customer in a split. Raise InputError if values are missing or are not numbers."""
    if isinstance(outcomes, pd.Series):
        outcomes = outcomes.to_frame(name)
    if not isinstance(outcomes, pd.DataFrame):
        raise wrong_type(outcomes, name, "a Series with an index of customer uids, or a DataFrame")
    columns = [column for column in outcomes.columns if column != CUSTOMER]
    if len(columns) != 1:
        raise InputError(
            f"`{name}` must have one column with values, got {len(columns)}. Select the column, for example "
            f'{name}[["customer_uid", "amount"]].'
        )
    matched = match_customers(outcomes, table.customers, name, place="in `split`")
    column = matched.rows.iloc[:, 0]
    if column.isna().all():
        column = pd.Series(np.nan, index=column.index)
    if not _is_numeric(column):
        example = outcomes[columns[0]].dropna().iloc[0]
        raise InputError(
            f"`{name}` must contain numbers or booleans, got {type(example).__name__}. Convert the values, for "
            "example with pd.to_numeric."
        )
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(values).any():
        raise InputError(f"`{name}` contains infinite values. Replace or remove them.")
    is_missing = np.isnan(values)
    n_missing = int(is_missing.sum())
    if n_missing and missing is None:
        raise InputError(
            f"{n_missing:,} of {pluralize(len(values), 'customer')} in `split` {agree(n_missing, 'has', 'have')} no "
            f"value in `{name}`. If customers without a value bought nothing, pass missing=0."
        )
    return _Values(np.where(is_missing, 0.0, values), is_missing, matched.n_ignored)


def _is_numeric(column: pd.Series) -> bool:
    """Return True if a column contains only numbers, booleans, and missing values."""
    if column.dtype == object:
        return pd.api.types.infer_dtype(column, skipna=True) in _NUMERIC_OBJECTS
    return pd.api.types.is_any_real_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)


def _compare_rates(table: SplitTable, values: FloatArray) -> list[Row]:
    sizes = table.sizes
    successes = np.bincount(table.code, weights=values, minlength=len(sizes)).astype(np.int64)
    n_control, k_control = int(sizes[0]), int(successes[0])
    rows: list[Row] = []
    for arm in range(len(sizes)):
        n, k = int(sizes[arm]), int(successes[arm])
        row: Row = {"rate": k / n if n else math.nan}
        if arm:
            row["difference"] = row["rate"] - k_control / n_control
            row["ci_low"], row["ci_high"] = newcombe_interval(k, n, k_control, n_control)
            row["p_value"] = p_value_of_shares(successes[[arm]], n, successes[[0]], n_control)[0]
            row["detectable_difference"] = detectable_rate_difference(
                k_control / n_control, n, n_control, alpha=_alpha(table)
            )
        rows.append(row)
    return rows


def _compare_means(table: SplitTable, values: FloatArray, adjusted: FloatArray, name: str) -> list[Row]:
    """Compare the adjusted means of the arms. Store the means of the unadjusted values in the column `name`."""
    control = Moments.from_values(adjusted[table.code == 0])
    rows: list[Row] = []
    for arm in range(len(table.arms.names)):
        is_in_arm = table.code == arm
        row: Row = {name: values[is_in_arm].mean() if is_in_arm.any() else math.nan}
        if arm:
            own = Moments.from_values(adjusted[is_in_arm])
            row["difference"] = own.mean - control.mean
            row["ci_low"], row["ci_high"] = welch_interval(own, control) if own.n else UNKNOWN
            row["p_value"] = p_value_of_means(own, control)
            row["detectable_difference"] = detectable_mean_difference(own, control, alpha=_alpha(table))
        rows.append(row)
    return rows


def _alpha(table: SplitTable) -> float:
    """Return the significance level of each comparison with the control."""
    return (1 - CONFIDENCE) / (len(table.arms.names) - 1)


def _complete_columns(lift: pd.DataFrame) -> pd.DataFrame:
    """Adjust the p-values for the number of arms, and add the columns that are computed from the difference."""
    base = lift["rate"].fillna(lift["mean"]).iloc[0]
    relative = lift["difference"] / base if base > 0 else np.nan
    return lift.assign(
        p_value=holm(lift["p_value"].to_numpy()),
        relative_difference=relative,
        incremental=lift["difference"] * lift["n"],
    )
