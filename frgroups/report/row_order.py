"""Sort the rows of result tables for display, the most important rows first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

# A function that returns one number per row.
# Rows are sorted by these numbers in ascending order.
# Rows with missing numbers are last.
SortKey = Callable[[pd.DataFrame], pd.Series]


@dataclass(frozen=True)
class OrderRule:
    """
    Order of the rows of one kind of table.

    Attributes
    ----------
    columns
        Columns that identify the kind of table.
    keys
        Sort keys, the most important one first.
    bars
        Columns that are displayed with bars.
    hidden
        Columns that are not displayed by default, because other columns contain the same information.
    """

    columns: frozenset[str]
    keys: tuple[SortKey, ...]
    bars: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()


def _smallest(column: str) -> SortKey:
    def key(table: pd.DataFrame) -> pd.Series:
        values = table[column]
        if pd.api.types.is_datetime64_any_dtype(values):
            return values.rank(method="dense")
        return pd.to_numeric(values, errors="coerce").astype("float64")

    return key


def _largest(*columns: str) -> SortKey:
    """Return the sort key for the descending order of a column of numbers or times, or of the sum of the columns."""
    keys = [_smallest(column) for column in columns]
    return lambda table: -sum((key(table) for key in keys[1:]), keys[0](table))


def _strongest(column: str) -> SortKey:
    return lambda table: -_smallest(column)(table).abs()


def _listed(column: str, values: Sequence[object]) -> SortKey:
    """Return the sort key that sorts rows by the position of their value in `values`. Other values are last."""
    ranks = {value: rank for rank, value in enumerate(values)}
    return lambda table: table[column].map(ranks).astype("float64")


def _in_given_order(table: pd.DataFrame) -> pd.Series:
    """Return the same number for each row, so that the rows keep their order."""
    return pd.Series(0.0, index=table.index)


def _with_text(column: str) -> SortKey:
    """Return the sort key that puts the rows with a nonempty string in the column first."""
    return lambda table: table[column].fillna("").eq("").astype("float64")


def _most_rows(*columns: str) -> SortKey:
    """Return the sort key that puts the groups with the most rows first. The rows of a group stay together."""

    def key(table: pd.DataFrame) -> pd.Series:
        groups = table.groupby(list(columns), sort=False, dropna=False)
        sizes = groups[columns[0]].transform("size")
        return -sizes.astype("float64") + groups.ngroup() / (len(table) + 1)

    return key


def _differs(column: str, other: str) -> SortKey:
    return lambda table: table[column].eq(table[other]).astype("float64")


def _rule(columns: str, *keys: SortKey, bars: str = "", hidden: str = "") -> OrderRule:
    return OrderRule(frozenset(columns.split()), keys, tuple(bars.split()), tuple(hidden.split()))


_WORST_VERDICT = _listed("verdict", ("drifted", "unverifiable", "consistent"))
_STATES = ("rejected", "not_effective", "unknown", "not_sent", "verified", "already")

PAIR_DETAILS = ("n_either", "overlap_coefficient", "expected", "pmi", "phi", "p_over", "p_under")
_READ_DETAILS = "total_first total_last seconds"

# The first rule whose columns are all in the table applies. `show` documents the rules.
RULES = (
    _rule("severity finding n", _listed("severity", ("high", "medium", "low")), _largest("n"), hidden="other_name"),
    _rule("step n_new", _smallest("step"), bars="n_new share_cumulative"),
    _rule("arm difference ci_low", _in_given_order, hidden="n_missing"),
    _rule(
        "attribute arm effect_size",
        _listed("attribute", ("(sample ratio)",)),
        _strongest("effect_size"),
        bars="share share_control",
        hidden="n_control mean mean_control",
    ),
    _rule(
        "attribute effect_size",
        *(_strongest("effect_size"), _smallest("q_value")),
        bars="share_in share_ref",
        hidden="kind difference_pp p_value mean_in mean_ref median_in median_ref",
    ),
    _rule(
        "jaccard n_both",
        _largest("jaccard"),
        _largest("n_both"),
        bars="n_both jaccard",
        hidden=" ".join(PAIR_DETAILS),
    ),
    _rule("share_of_a n_both", _largest("share_of_a"), _largest("n_a"), bars="n_both share_of_a"),
    _rule("net n_joined n_left", _largest("n_joined", "n_left"), _strongest("net"), _largest("n_new")),
    _rule("from_group to_group n", _differs("from_group", "to_group"), _largest("n"), bars="n", hidden="n_stayed"),
    _rule("from_group to_group customer_uid", _most_rows("from_group", "to_group")),
    _rule("cluster n_members", _smallest("cluster"), _largest("n_members"), bars="n_members", hidden="position"),
    _rule("n_groups n_customers share", _smallest("n_groups"), bars="n_customers"),
    _rule("taken_at customer_group_uid n_members", _largest("taken_at"), _largest("n_members"), bars="n_members"),
    _rule("ok problem taken_at", _smallest("ok"), _largest("taken_at")),
    _rule("state planned_at", _largest("planned_at")),
    _rule("state customer_uid", _listed("state", _STATES), _with_text("finding"), _most_rows("customer_group_uid")),
    _rule("change before", _largest("before")),
    _rule("id outcome", _listed("outcome", ("ambiguous", "unknown", "resolved"))),
    _rule("action path n", _listed("action", ("failed",)), _largest("n")),
    _rule("how evidence verdict n_rows", _WORST_VERDICT, _largest("n_rows"), bars="n_rows", hidden=_READ_DETAILS),
    _rule("change finding customer_group_uid", _with_text("finding"), _most_rows("customer_group_uid")),
    _rule("customer_group_uid customer_uid", _most_rows("customer_group_uid")),
    _rule("n_shadowed n_members", _largest("n_shadowed"), _largest("n_members"), bars="n_shadowed"),
    _rule("n_members share_exclusive", _largest("n_members"), bars="n_members share_exclusive"),
    _rule("n_members n_reachable", _largest("n_members"), bars="n_reachable share_reachable"),
    _rule("n_members", _largest("n_members"), bars="n_members"),
    _rule("n", _largest("n"), bars="n share"),
    *(_rule(name, _largest(name), bars=name) for name in ("n_reachable", "n_both", "share", "lift", "net")),
    _rule("taken_at size_bytes", _largest("taken_at"), hidden="base_url read_until path"),
    _rule("size_bytes", _largest("size_bytes")),
    *(_rule(name, _largest(name), bars=name) for name in ("n_customers", "count")),
    _rule("q_value", _smallest("q_value")),
    *(_rule(name, _largest(name)) for name in ("taken_at", "last_modified_at", "created_at")),
)


def find_rule(table: pd.DataFrame) -> OrderRule | None:
    """Return the order rule that applies to a table, or None if no rule applies and the order does not change."""
    names = set(map(str, table.columns))
    return next((rule for rule in RULES if rule.columns <= names and table.columns.is_unique), None)


def sort_by_rule(table: pd.DataFrame, rule: OrderRule | None) -> pd.DataFrame:
    """
    Sort a table by a rule. Rows with equal keys keep their order.

    Examples
    --------
    >>> sizes = pd.DataFrame({"name": ["Staff", "VIP"], "n_members": [1, 2]})
    >>> list(sort_by_rule(sizes, find_rule(sizes))["name"])
    ['VIP', 'Staff']
    """
    if rule is None or table.empty:
        return table
    keys = [key(table).fillna(np.inf).to_numpy() for key in rule.keys]
    return table.iloc[np.lexsort(keys[::-1])]


def sort_by_column(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Sort a table by a column: numbers and times in descending order, strings in ascending order."""
    values = table[column]
    is_measure = pd.api.types.is_numeric_dtype(values) or pd.api.types.is_datetime64_any_dtype(values)
    return table.sort_values(column, ascending=not is_measure, kind="stable", na_position="last")


def sort_matrix(matrix: pd.DataFrame) -> pd.DataFrame:
    """
    Sort the rows and columns of an overlap matrix in the same order.

    If the cells are counts, the largest groups are first. Otherwise, the groups with the largest mean overlap are
    first.
    """
    values = matrix.to_numpy(dtype="float64", na_value=0.0)
    weights = np.diag(values)
    if not all(map(pd.api.types.is_integer_dtype, matrix.dtypes)):
        weights = values.sum(axis=1) - weights
    order = np.argsort(-weights, kind="stable")
    return matrix.iloc[order, order]
