"""Comparison of the arms of a split before a campaign starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from frgroups.analysis.arm_shares import SplitTable
from frgroups.analysis.attributes import IDENTIFYING, MISSING, NUMBER, Attribute, build_attribute
from frgroups.analysis.customer_tables import match_customers
from frgroups.analysis.effect_sizes import (
    Moments,
    cohens_h,
    p_value_of_means,
    p_value_of_shares,
    standardized_difference,
)
from frgroups.analysis.sample_ratio import sample_ratio_p_value
from frgroups.analysis.significance import benjamini_hochberg
from frgroups.internals.typing import IntArray
from frgroups.internals.validation import check_number

Row = dict[str, Any]

SAMPLE_RATIO, CUSTOMERS, OTHER = "(sample ratio)", "(customers)", "(other)"
_COLUMNS = {
    **dict.fromkeys(["attribute", "value", "arm"], "str"),
    **dict.fromkeys(["n", "n_control"], "Int64"),
    **dict.fromkeys(["share", "share_control", "share_planned", "mean", "mean_control"], "float64"),
    **dict.fromkeys(["effect_size", "p_value", "q_value"], "float64"),
}


def split_balance(
    split: pd.DataFrame,
    attributes: pd.DataFrame | None = None,
    *,
    shares: Mapping[str, float] | None = None,
    control: str | None = None,
    top: int | None = 10,
) -> pd.DataFrame:
    """
    Compare the customers in the arms of a split before a campaign starts.

    The first rows contain the sample-ratio test, which compares the size of each arm with the planned share. The
    other rows compare the attributes of the customers in each arm and in the control. In a random split, differences
    are due to chance, so few q-values should be small, and most effect sizes should be between -0.1 and 0.1. In a
    small arm, a larger effect size with a large p-value is also compatible with chance.

    Parameters
    ----------
    split : DataFrame
        Result of `split_customers`, or a table with the columns customer_uid and arm.
    attributes : DataFrame, optional
        A table with one row per customer, such as ``snapshot.customers[["customer_uid", "country_code"]]``. Its
        column customer_uid or its index contains the customer uids. Columns of a snapshot that identify persons, such
        as external_id and email, are ignored. None computes only the sample-ratio test.
    shares : mapping of str to float, optional
        Planned share of each arm. None uses the shares in the attrs of `split`.
    control : str, optional
        Arm with which the other arms are compared. None uses the control in the attrs of `split`, or "control" if the
        attrs do not contain it.
    top : int or None, default 10
        Number of values to compare per attribute, starting with the most frequent value. The other values are
        combined in the row "(other)". None compares all values.

    Returns
    -------
    DataFrame
        One row per arm for the sample-ratio test, followed by one row per attribute, value, and arm except the
        control:

        - attribute (`str`): "(sample ratio)", or the name of the attribute
        - value (`str`): the value, "(number)" for the mean of a numeric attribute, "(missing)", or "(other)"
        - arm (`str`)
        - n, n_control (`Int64`): number of customers with this value in the arm and in the control
        - share, share_control (`float64`): n divided by the size of the arm, and n_control divided by the size of the
          control. In the sample-ratio test, share is the arm's share of all customers.
        - share_planned (`float64`): the planned share of the arm, only in the sample-ratio test
        - mean, mean_control (`float64`): the means of a numeric attribute
        - effect_size (`float64`): Cohen's h of two shares, or the standardized difference of two means. Absolute
          values below 0.1 are usually considered negligible.
        - p_value (`float64`): for shares, the p-value of Pearson's chi-square test, or of Fisher's exact test if an
          expected count is below 5. For means, the p-value of Welch's t-test. All rows of the sample-ratio test
          contain the p-value of this test.
        - q_value (`float64`): the p-value of an attribute, adjusted by the method of Benjamini and Hochberg. In the
          sample-ratio test, it is equal to the p-value.

    Raises
    ------
    InputError
        If the shares are unknown, `split` repeats a customer or contains an unknown arm, or `attributes` contains
        none of the customers.

    See Also
    --------
    measure_lift : Measure the effect of the campaign.

    Notes
    -----
    The sample-ratio test is Pearson's chi-square test of the sizes of the arms. If the expected size of an arm is
    below 5, the exact binomial test is used instead. A p-value below 0.001 means that customers were lost from an
    arm, or that the shares are wrong. In this case, `measure_lift` raises an error.

    Timestamps are converted to the number of days before the latest timestamp. The row "no" of a flag is omitted,
    because it contains the same information as the row "yes".

    Examples
    --------
    >>> customers = sample_snapshot().customers[["customer_uid", "country_code"]]
    >>> split = split_customers(customers, {"mail": 0.8, "control": 0.2}, seed="spring")
    >>> balance = split_balance(split, customers)
    >>> balance[["attribute", "value", "arm", "n", "share", "share_planned"]].head(2).round(3)
            attribute        value      arm    n  share  share_planned
    0  (sample ratio)  (customers)  control   47  0.187            0.2
    1  (sample ratio)  (customers)     mail  204  0.813            0.8
    """
    if top is not None:
        check_number(top, "top", above=0, whole=True)
    table = SplitTable.from_frame(split, shares, control)
    rows = _sample_ratio_rows(table)
    n_ratio_rows = len(rows)
    for attribute in _attributes(table, attributes):
        rows += _attribute_rows(table, attribute, top)
    balance = pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)
    p_values = balance["p_value"].to_numpy()
    q_values = benjamini_hochberg(p_values[n_ratio_rows:])
    return balance.assign(q_value=np.concatenate([p_values[:n_ratio_rows], q_values]))


def _sample_ratio_rows(table: SplitTable) -> list[Row]:
    planned, actual = np.array(table.arms.shares), table.actual_shares
    p_value = sample_ratio_p_value(table.sizes, planned)
    effect_sizes = cohens_h(actual, planned)
    return [
        {
            "attribute": SAMPLE_RATIO,
            "value": CUSTOMERS,
            "arm": name,
            "n": table.sizes[arm],
            "share": actual[arm],
            "share_planned": planned[arm],
            "effect_size": effect_sizes[arm],
            "p_value": p_value,
        }
        for arm, name in enumerate(table.arms.names)
    ]


def _attributes(table: SplitTable, attributes: pd.DataFrame | None) -> Iterator[Attribute]:
    if attributes is None:
        return
    columns = match_customers(attributes, table.customers, "attributes", place="in `split`").rows
    for name in columns.columns:
        if name not in IDENTIFYING:
            yield build_attribute(str(name), columns[name])


def _attribute_rows(table: SplitTable, attribute: Attribute, top: int | None) -> list[Row]:
    """Return the rows that compare the values of an attribute in each arm and in the control."""
    labels, counts = _count_values(table, attribute, top)
    sizes = table.sizes
    rows = []
    for position, label in enumerate(labels):
        for arm in range(1, len(sizes)):
            n, n_control = counts[[arm], position], counts[[0], position]
            with np.errstate(invalid="ignore"):
                share, share_control = n / np.float64(sizes[arm]), n_control / np.float64(sizes[0])
            row = {
                "attribute": attribute.name,
                "value": label,
                "arm": table.arms.names[arm],
                "n": n[0],
                "n_control": n_control[0],
                "share": share[0],
                "share_control": share_control[0],
                "effect_size": cohens_h(share, share_control)[0],
                "p_value": p_value_of_shares(n, int(sizes[arm]), n_control, int(sizes[0]))[0],
            }
            if attribute.numbers is not None and label == NUMBER:
                row |= _compare_means(table, attribute, arm)
            rows.append(row)
    return rows


def _count_values(table: SplitTable, attribute: Attribute, top: int | None) -> tuple[list[str], IntArray]:
    """Return the labels to show, the most frequent label first, and the number of customers per arm and label."""
    n_labels, n_arms = len(attribute.labels), len(table.arms.names)
    cells = np.bincount(table.code * n_labels + attribute.code, minlength=n_arms * n_labels)
    counts = cells.reshape(n_arms, n_labels).astype(np.int64)
    frequency = counts.sum(axis=0)
    order = np.argsort(-frequency, kind="stable")
    is_mirrored = attribute.kind == "flag" and "yes" in attribute.labels
    shown = [code for code in order if frequency[code] and not (is_mirrored and attribute.labels[code] == "no")]
    if attribute.kind == "number":
        # The row "(number)" is always included.
        # If no numbers are missing, its share is 1 in each arm, but the means can differ.
        shown = [code for code in range(n_labels) if attribute.labels[code] == NUMBER or frequency[code]]
    n_shown = len(shown) if top is None else top
    labels = [attribute.labels[code] for code in shown[:n_shown]]
    selected = [counts[:, [code]] for code in shown[:n_shown]]
    if len(shown) > n_shown:
        labels.append(OTHER)
        selected.append(counts[:, shown[n_shown:]].sum(axis=1, keepdims=True))
    return labels, np.hstack([counts[:, :0], *selected])


def _compare_means(table: SplitTable, attribute: Attribute, arm: int) -> Row:
    assert attribute.numbers is not None
    is_known = attribute.code != attribute.labels.index(MISSING)
    own = Moments.from_values(attribute.numbers[is_known & (table.code == arm)])
    control = Moments.from_values(attribute.numbers[is_known & (table.code == 0)])
    return {
        "mean": own.mean,
        "mean_control": control.mean,
        "effect_size": standardized_difference(own, control),
        "p_value": p_value_of_means(own, control),
    }
