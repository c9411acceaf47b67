"""Select and label the rows of a profile for charts and descriptions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from frgroups.analysis.attributes import NUMBER
from frgroups.analysis.table_rows import iter_rows

MAX_Q_VALUE = 0.05  # A difference with a larger q-value might be due to chance.


def sort_strongest_first(profile: pd.DataFrame) -> pd.DataFrame:
    """
    Return the profile rows that distinguish the group from the reference, strongest effect first.

    Suppressed rows are omitted, and so are values that all customers have. The row "no" of a flag is omitted if the
    profile contains the row "yes", because both rows contain the same information.
    """
    is_shared_by_all = (profile["share_in"] == 1) & (profile["share_ref"] == 1) & (profile["value"] != NUMBER)
    rows = profile[~profile["suppressed"] & ~is_shared_by_all]
    flags = rows[rows["kind"] == "flag"]
    flags_with_yes = set(flags.loc[flags["value"] == "yes", "attribute"])
    is_mirrored = (rows["kind"] == "flag") & (rows["value"] == "no") & rows["attribute"].isin(flags_with_yes)
    rows = rows[~is_mirrored]
    order = rows["effect_size"].abs().sort_values(ascending=False, kind="stable", na_position="last").index
    return rows.loc[order]


def value_label(row: Any) -> str:
    """
    Return the attribute and the value of a profile row.

    For a row that compares means, and for the value "yes" of a flag, return only the attribute.
    """
    if is_mean(row) or (row.kind == "flag" and row.value == "yes"):
        return str(row.attribute)
    return f"{row.attribute}: {row.value}"


def is_mean(row: Any) -> bool:
    """Return True if a profile row compares means instead of shares."""
    return bool(row.kind == "number" and row.value == NUMBER)


def with_means_as_values(table: pd.DataFrame) -> pd.DataFrame:
    """
    Return a profile in which the value of each numeric attribute states the two compared means.

    A table that is not a profile is returned unchanged.

    Examples
    --------
    >>> columns = {"attribute": "credit_limit", "value": "(number)", "kind": "number", "mean_in": 5, "mean_ref": 4}
    >>> with_means_as_values(pd.DataFrame([columns]))["value"][0]
    'mean 5 vs. 4'
    """
    columns = ["kind", "value", "mean_in", "mean_ref"]
    if not table.columns.is_unique or not set(columns) <= set(table.columns):
        return table
    values = [
        _describe_two_means(row) if is_mean(row) and not pd.isna(row.mean_in + row.mean_ref) else row.value
        for row in iter_rows(table[columns])
    ]
    return table.assign(value=pd.Series(values, table.index, dtype="str"))


def describe_means(row: Any) -> str:
    """Describe the two means of a profile row and their standardized difference."""
    means = _describe_two_means(row)
    if np.isnan(row.effect_size):
        return means
    return f"{means} ({row.effect_size:+.2f} standard deviations)"


def _describe_two_means(row: Any) -> str:
    return f"mean {_format_mean(row.mean_in)} vs. {_format_mean(row.mean_ref)}"


def _format_mean(value: float) -> str:
    """Format a mean with three significant digits, or as an integer if it is at least 100."""
    if np.isnan(value):
        return "–"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:,.3g}"
