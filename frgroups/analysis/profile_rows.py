"""Rows of a profile: which of them to report, and how to label them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from frgroups.analysis.attributes import NUMBER

MAX_Q_VALUE = 0.05  # a difference with a larger q-value might be due to chance


def sort_strongest_first(profile: pd.DataFrame) -> pd.DataFrame:
    """
    Return the rows of a profile that can distinguish the group, the strongest effect first.

    Suppressed rows and values that all customers share are left out. Of a flag, only the row "yes" is returned, if
    there is one.
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
    """Return the attribute and the value of a row; for a mean and for "yes", only the attribute."""
    if is_mean(row) or (row.kind == "flag" and row.value == "yes"):
        return str(row.attribute)
    return f"{row.attribute}: {row.value}"


def is_mean(row: Any) -> bool:
    """Return True if a row compares means, and not the number of customers with a value."""
    return bool(row.kind == "number" and row.value == NUMBER)


def describe_means(row: Any) -> str:
    """Describe the two means of a row and their standardized difference."""
    means = f"mean {_format_mean(row.mean_in)} against {_format_mean(row.mean_ref)}"
    if np.isnan(row.effect_size):
        return means
    return f"{means}: {row.effect_size:+.2f} standard deviations"


def _format_mean(value: float) -> str:
    if np.isnan(value):
        return "–"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:,.3g}"
