"""Format the values of result tables for display. The name of a column determines its format."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable
from datetime import date
from typing import Any

import pandas as pd

from frgroups.internals.formatting import escape_invisible, format_percentage, format_size

# Text that is displayed for a missing value.
MISSING = "–"
_PROBABILITIES = ("p_value", "q_value", "p_over", "p_under")
# Columns that contain plan digests.
# Only the first 12 digits are displayed, because commands accept shortened digests of this length.
DIGEST_COLUMNS = frozenset(("digest", "plan_digest", "reverts"))
SHORT_DIGEST = 12
_INTERVAL = ("difference", "ci_low", "ci_high")
_DIFFERENCES = (*_INTERVAL, "detectable_difference")
_INCREMENTAL = "incremental"
_MAX_DECIMALS = 4
_RELATIVE_DIFFERENCE = "relative_difference"
# Numbers of at least 100 are displayed without decimals, and numbers of at least 0.005 with two decimals.
# Smaller numbers are displayed with one significant digit.
_NO_DECIMALS_FROM, _TWO_DECIMALS_FROM = 100, 0.005


def is_share(name: str) -> bool:
    """
    Return True if a column name denotes shares, which are displayed as percentages.

    The Jaccard index and the overlap coefficient are treated as shares.

    Examples
    --------
    >>> is_share("share_of_a"), is_share("rate"), is_share("churn_rate"), is_share("jaccard"), is_share("lift")
    (True, True, True, True, False)
    """
    is_rate = name == "rate" or name.endswith("_rate")
    return is_rate or name.startswith("share") or name in ("jaccard", "overlap_coefficient")


def is_count(name: str) -> bool:
    """
    Return True if a column name denotes counts.

    Examples
    --------
    >>> is_count("n"), is_count("n_members"), is_count("lift")
    (True, True, False)
    """
    return name == "n" or name.startswith("n_")


def has_rates(table: pd.DataFrame) -> bool:
    """
    Return True if a table contains differences between rates, which are displayed in percentage points.

    A result of `measure_lift` compares either rates or means. If its column `rate` contains at least one value, it
    compares rates.

    Examples
    --------
    >>> has_rates(pd.DataFrame({"rate": [0.25], "mean": [None]})), has_rates(pd.DataFrame({"mean": [410.5]}))
    (True, False)
    """
    return "rate" in table.columns and table.columns.is_unique and bool(table["rate"].notna().any())


def excel_number_format(name: str, *, is_float: bool, are_rates: bool = False) -> str:
    """
    Return the Excel number format of a column.

    Parameters
    ----------
    name
        Name of the column.
    is_float
        Whether the column contains floating-point numbers.
    are_rates
        Whether the differences in the table are differences between rates. Excel has no format for percentage points,
        so these differences are displayed as percentages.

    Examples
    --------
    >>> excel_number_format("share_of_a", is_float=True), excel_number_format("n_members", is_float=False)
    ('0.0%', '#,##0')
    """
    if is_share(name) or name == _RELATIVE_DIFFERENCE:
        return "0.0%"
    if are_rates and name in _DIFFERENCES:
        return "0.00%"
    if is_count(name) or (are_rates and name == _INCREMENTAL):
        return "#,##0"
    if name in _PROBABILITIES:
        return "0.000"
    if name in _DIFFERENCES:
        # Differences between means can be small or large.
        # Excel cannot display a fixed number of significant digits, so this format displays two to four decimals.
        return "#,##0.00##"
    if name == "mean" or name.startswith("mean_") or name == _INCREMENTAL:
        return "#,##0.00"
    return "0.00" if is_float else "General"


def difference_decimals(table: pd.DataFrame, *, are_rates: bool) -> int | None:
    """
    Return the number of decimals for displaying the differences and intervals in a table.

    The result is None for a table without values.
    All differences have the same number of decimals. The largest value has at least three significant digits, or two
    for rates. The smallest value has at least one significant digit.

    Examples
    --------
    >>> difference_decimals(pd.DataFrame({"difference": [37.7], "ci_low": [-29.0]}), are_rates=False)
    1
    """
    names = [name for name in _INTERVAL if name in table.columns]
    values = [value for name in names for value in pd.Series(table[name]).tolist()]
    return _decimals(values, are_rates=are_rates)


def _decimals(values: Iterable[Any], *, are_rates: bool) -> int | None:
    scale = 100 if are_rates else 1
    sizes = [
        abs(scale * float(value)) for value in values if isinstance(value, numbers.Real) and math.isfinite(value)
    ]
    exponents = [math.floor(math.log10(size)) for size in sizes if size]
    if not sizes:
        return None
    if not exponents:
        return 1
    for_largest = (1 if are_rates else 2) - max(exponents)
    return max(for_largest, min(-min(exponents), _MAX_DECIMALS), 1 if are_rates else 0)


def format_column(
    values: Iterable[object], name: str, *, are_rates: bool = False, decimals: int | None = None
) -> list[str]:
    r"""
    Format the values of a column for display.

    Counts have thousands separators, shares are percentages, and times are in UTC without seconds. If a cell contains
    a tuple, its values are joined with "&". Invisible characters are escaped.

    Parameters
    ----------
    values
        The values. A missing value is displayed as a dash.
    name
        Name of the column, which determines the format of its numbers.
    are_rates
        Whether the differences in the table are differences between rates, which are displayed in percentage points.
        See `has_rates`.
    decimals
        Number of decimals of differences. See `difference_decimals`. None computes the number from `values`.

    Examples
    --------
    >>> format_column([1234567, None], "n_members"), format_column([0.25, 1.0], "share")
    (['1,234,567', '–'], ['25.0%', '100.0%'])
    >>> format_column([0.00002], "q_value"), format_column([2.0, 0.5], "lift"), format_column([-3, 4], "net")
    (['<0.001'], ['2.00', '0.50'], ['−3', '+4'])
    >>> format_column([12.345, 1234.5], "difference"), format_column([0.012], "relative_difference")
    (['12', '1,234'], ['+1.2%'])
    >>> format_column([0.0264, -0.0012], "difference", are_rates=True)
    ['2.6 pp', '−0.1 pp']
    """
    values = list(values)
    if name in _DIFFERENCES and decimals is None:
        decimals = _decimals(values, are_rates=are_rates)
    has_decimals = any(isinstance(value, float) and not value.is_integer() for value in values)
    # If all timestamps in the column are at midnight, they are displayed as dates without a time.
    times = [value for value in values if isinstance(value, date) and not pd.isna(value)]
    has_time = any(pd.Timestamp(time) != pd.Timestamp(time).normalize() for time in times)
    return [
        _format_value(
            value, name, has_decimals=has_decimals, has_time=has_time, are_rates=are_rates, decimals=decimals or 0
        )
        for value in values
    ]


def _format_value(
    value: Any, name: str, *, has_decimals: bool, has_time: bool, are_rates: bool, decimals: int
) -> str:
    if isinstance(value, tuple):
        return escape_invisible(" & ".join(map(str, value)))
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return MISSING
    if pd.api.types.is_bool(value):
        return "yes" if value else "no"
    if isinstance(value, numbers.Real):
        if name in _DIFFERENCES and math.isfinite(value):
            text = f"{100 * value:,.{decimals}f} pp" if are_rates else f"{value:,.{decimals}f}"
        elif are_rates and name == _INCREMENTAL:
            text = f"{value:,.0f}"
        else:
            text = _format_number(value, name, has_decimals=has_decimals)
        return text.replace("-", "−", 1) if text.startswith("-") else text
    if isinstance(value, date):  # A timestamp is also an instance of `date`.
        time = pd.Timestamp(value)
        time = time.tz_convert("UTC") if time.tzinfo else time
        return f"{time:%Y-%m-%d %H:%M}" if has_time else f"{time:%Y-%m-%d}"
    return escape_invisible(value)


def _format_number(value: Any, name: str, *, has_decimals: bool) -> str:
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if name in ("net", "growth_rate") and value == 0:
        return "0" if name == "net" else "0.0%"
    if name in ("net", "growth_rate"):
        return f"{value:+,}" if name == "net" else f"{value:+,.1%}"
    if is_share(name) and 0 <= value <= 1:
        return format_percentage(value, fixed=True)
    if is_share(name):
        return f"{value:,.1%}"
    if name == _RELATIVE_DIFFERENCE:
        return f"{value:+,.1%}"
    if name in _PROBABILITIES:
        return "<0.001" if value < 0.001 else f"{value:.3f}"
    if name.endswith("_bytes"):
        return format_size(int(value))
    if name.endswith("_percent"):
        return f"{value:g}%"
    if not has_decimals or name == "index" or abs(value) >= _NO_DECIMALS_FROM:
        return f"{value:,.0f}"
    if abs(value) >= _TWO_DECIMALS_FROM or value == 0:
        return f"{value:.2f}"
    return f"{value:.1g}"
