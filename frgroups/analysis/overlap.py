"""Overlap measures for all pairs of groups, as a matrix or as a table with one row per pair."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from frgroups.analysis.pair_counts import (
    GroupPairs,
    check_result_size,
    common_pairs,
    pair_counts,
    string_bytes_per_pair,
)
from frgroups.analysis.significance import benjamini_hochberg, hypergeometric_tails
from frgroups.engines.memberships import Memberships, as_memberships
from frgroups.errors import InputError
from frgroups.internals.typing import FloatArray, IntArray
from frgroups.internals.validation import check_choice
from frgroups.snapshot.universe import resolve_universe

_CHUNK_SIZE = 2**16  # Number of pairs whose measures are computed in one step.
_NUMBERS_PER_PAIR = 15  # The result of `overlap_pairs` has 15 columns of 8-byte numbers.
# Memory for the counts, p-values, and q-value of a tested pair that the result does not contain.
_BYTES_PER_TEST = 96

_MEASURE_COLUMNS = ("jaccard", "overlap_coefficient", "expected", "lift", "pmi", "phi")
_FEWER_PAIRS = "Increase `min_both`, or select fewer groups."

Measure = Literal["count", "jaccard", "share", "overlap_coefficient", "lift", "phi", "pmi"]


def overlap_matrix(
    data: Any,
    groups: Iterable[str] | None = None,
    *,
    measure: Measure = "count",
    universe: int | None = None,
    labels: Literal["uid", "name"] = "uid",
) -> pd.DataFrame:
    """
    Compute an overlap measure for each pair of groups.

    Parameters
    ----------
    data
        A Snapshot, or a table of memberships with the columns customer_group_uid and customer_uid. The table can be a
        pandas DataFrame, or a table of pyarrow, Polars, DuckDB, Narwhals, or Spark. A lazy frame, for example of
        DuckDB or Spark, is counted in its query engine.
    groups
        The groups to compare, by uid or unique name. None selects all groups.
    measure
        The overlap measure, where a is the group of the row, b is the group of the column, and N is `universe`:

        - "count": n_both, the number of customers in both groups (the group size on the diagonal)
        - "share": n_both / n_a, the share of the row's group that is in the column's group. This measure is not
          symmetric.
        - "jaccard": n_both / n_either (Jaccard 1912)
        - "overlap_coefficient": n_both / min(n_a, n_b) (Szymkiewicz 1934, Simpson 1943)
        - "lift": n_both N / (n_a n_b). The value is 1 for independent groups (Brin et al. 1997).
        - "pmi": log2(lift), pointwise mutual information in bits (Church & Hanks 1990). The value is -inf if no
          customer is in both groups.
        - "phi": (N n_both - n_a n_b) / sqrt(n_a (N - n_a) n_b (N - n_b)), Pearson's correlation of the two
          memberships, from -1 to 1 (Yule 1912)
    universe
        The total number of customers of the tenant, which "lift", "pmi", and "phi" require. None uses the number set
        by `Snapshot.with_universe`. If neither is given, these measures are NaN. The number of customers in `data`
        cannot be used instead, because it excludes customers who are in no group. As a result, independent groups
        would have a lift below 1.
    labels
        The labels of the rows and columns: "uid" or "name".

    Returns
    -------
    DataFrame
        A square table with one row and one column per group, sorted by uid. The dtype is `int64` for "count" and
        `float64` otherwise. The value is NaN if a denominator is 0, for example for groups without members. Both axes
        are named customer_group_uid or name. `attrs["measure"]` contains the measure for `describe` and
        `plot.overlap_heatmap`.

    Raises
    ------
    InputError
        If the measure or the label is unknown, `universe` is less than the number of customers in `data`, or the
        matrix needs more than 2 GB of memory because there are more than 15,811 groups.
    GroupNotFoundError
        If a group is unknown, or its name is not unique.

    See Also
    --------
    overlap_pairs : Compute all measures, with one row per pair.

    Examples
    --------
    >>> print(overlap_matrix(sample_snapshot(), measure="share").to_string(index_names=False))
           all  staff    vip
    all    1.0    0.0  0.008
    staff  0.0    1.0  0.000
    vip    1.0    0.0  1.000
    """
    check_choice(measure, "measure", get_args(Measure))
    check_choice(labels, "labels", ("uid", "name"))
    seen = as_memberships(data)
    universe = resolve_universe(data, universe, seen)
    selected = seen.select(groups)
    check_result_size(
        8 * selected.n_groups**2,
        f"The matrix of {selected.n_groups:,} groups",
        "Select fewer groups, or use `overlap_pairs` with min_both=1, which omits pairs without common customers.",
    )
    both = pair_counts(selected)
    values: IntArray | FloatArray = both
    if measure != "count":
        values = _measure_matrix(measure, selected.sizes, both, universe)
    axis = selected.group_uids.rename("customer_group_uid")
    if labels == "name":
        axis = selected.group_names.rename("name")
    table = pd.DataFrame(values, index=axis, columns=axis)
    table.attrs["measure"] = measure
    return table


def is_overlap_matrix(table: Any) -> bool:
    """
    Return True for a square table with the same group labels on both axes, such as a result of `overlap_matrix`.

    Examples
    --------
    >>> is_overlap_matrix(overlap_matrix(sample_snapshot())), is_overlap_matrix(sample_snapshot().memberships)
    (True, False)
    """
    return (
        isinstance(table, pd.DataFrame)
        and "customer_uid" not in table
        and pd.api.types.is_string_dtype(table.index)
        and table.index.equals(table.columns)
    )


def measure_of(matrix: pd.DataFrame, measure: Measure | None) -> Measure:
    """
    Return the given measure, or the measure in the `attrs` of a matrix. Raise InputError if both are missing.

    Examples
    --------
    >>> measure_of(overlap_matrix(sample_snapshot(), measure="phi"), None)
    'phi'
    """
    name = measure
    if name is None:
        name = matrix.attrs.get("measure")
    if name is None:
        raise InputError("The `attrs` of the matrix do not contain the measure.", hint="Pass `measure`.")
    check_choice(name, "measure", get_args(Measure))
    return name


def overlap_pairs(
    data: Any,
    groups: Iterable[str] | None = None,
    *,
    universe: int | None = None,
    min_both: int = 0,
) -> pd.DataFrame:
    """
    Compute all overlap measures for each unordered pair of groups.

    Parameters
    ----------
    data
        A Snapshot, or a table of memberships with the columns customer_group_uid and customer_uid. The table can be a
        pandas DataFrame, or a table of pyarrow, Polars, DuckDB, Narwhals, or Spark. A lazy frame, for example of
        DuckDB or Spark, is counted in its query engine.
    groups
        The groups to compare, by uid or unique name. None selects all groups.
    universe
        The total number of customers of the tenant (N below). None uses the number set by `Snapshot.with_universe`.
        If neither is given, the columns from expected to q_value are NaN. See `overlap_matrix` for the reason.
    min_both
        Pairs with fewer common customers are omitted. The values in other rows do not change, because q_value is
        always computed from all pairs of the selected groups. With a value of at least 1, the memory is proportional
        to the number of memberships and rows.

    Returns
    -------
    DataFrame
        One row per pair with group_a < group_b, sorted by uid:

        - group_a, group_b, name_a, name_b (`str`)
        - n_a, n_b, n_both, n_either (`int64`): numbers of customers
        - share_of_a, share_of_b (`float64`): n_both / n_a and n_both / n_b
        - jaccard, overlap_coefficient, lift, pmi, phi (`float64`): as in `overlap_matrix`
        - expected (`float64`): n_a n_b / N, the expected number of common customers of independent groups
        - p_over, p_under (`float64`): P(X >= n_both) and P(X <= n_both), where X has the hypergeometric distribution
          with the parameters N, n_a, and n_b. These are the one-sided p-values of Fisher's exact test. The relative
          error is at most 1e-11, and values below about 1e-300 are 0.
        - q_value (`float64`): p_over adjusted for multiple tests (Benjamini & Hochberg 1995). Of the pairs with
          q_value <= 0.05, on average at most 5% are false discoveries.

    Raises
    ------
    InputError
        If `universe` is less than the number of customers in `data`, or the table needs more than 2 GB of memory,
        which corresponds to about 10 million rows.
    GroupNotFoundError
        If a group is unknown, or its name is not unique.

    Notes
    -----
    With many customers, nearly all p-values are tiny. Sort by an effect size such as jaccard or lift first, and then
    use q_value to exclude pairs that might be due to chance.

    Examples
    --------
    >>> pairs = overlap_pairs(sample_snapshot(), universe=1_000)
    >>> pairs[["group_a", "group_b", "n_both", "share_of_b", "lift"]]
      group_a group_b  n_both  share_of_b  lift
    0     all   staff       0         0.0   0.0
    1     all     vip       2         1.0   4.0
    2   staff     vip       0         0.0   0.0
    """
    seen = as_memberships(data)
    universe = resolve_universe(data, universe, seen)
    selected = seen.select(groups)
    bytes_per_pair = 8 * _NUMBERS_PER_PAIR + string_bytes_per_pair(selected)
    n_tests = selected.n_groups * (selected.n_groups - 1) // 2
    if min_both <= 0:
        pairs = _all_pairs(selected, n_tests * bytes_per_pair)
    elif universe is None:
        pairs = common_pairs(selected, min_both, bytes_per_pair, _FEWER_PAIRS)
    else:
        # The q-values depend on the p-values of all tested pairs.
        # Therefore, pairs with fewer than `min_both` common customers are removed only after the tests.
        n_bytes = bytes_per_pair if min_both == 1 else _BYTES_PER_TEST
        pairs = common_pairs(selected, 1, n_bytes, "Select fewer groups, or do not pass `universe`.")
    p_values = _p_values(selected.sizes[pairs.a], selected.sizes[pairs.b], pairs.n_both, universe, n_tests)
    if min_both > 1 and universe is not None:
        chosen = pairs.n_both >= min_both
        pairs = pairs.select(chosen)
        p_values = {name: values[chosen] for name, values in p_values.items()}
        check_result_size(
            len(pairs.a) * bytes_per_pair, f"The table of {len(pairs.a):,} pairs of groups", _FEWER_PAIRS
        )
    n_a, n_b, n_both = selected.sizes[pairs.a], selected.sizes[pairs.b], pairs.n_both
    measures = _measure_columns(n_a, n_b, n_both, universe)
    columns = {
        "group_a": selected.group_uids.take(pairs.a).array,
        "group_b": selected.group_uids.take(pairs.b).array,
        "name_a": selected.group_names.take(pairs.a).array,
        "name_b": selected.group_names.take(pairs.b).array,
        "n_a": n_a,
        "n_b": n_b,
        "n_both": n_both,
        "n_either": n_a + n_b - n_both,
    }
    # `copy=False` limits the peak memory to about the size of the table.
    return pd.DataFrame(columns | measures | p_values, copy=False)


def _all_pairs(memberships: Memberships, n_bytes: int) -> GroupPairs:
    """
    Return all pairs of groups, including pairs without common customers.

    An InputError is raised if the table of the pairs, which needs `n_bytes` bytes, is too large.
    """
    check_result_size(
        n_bytes,
        f"The table of all pairs of {memberships.n_groups:,} groups",
        "Pass min_both=1 to omit pairs without common customers, or select fewer groups.",
    )
    a, b = np.triu_indices(memberships.n_groups, k=1)
    return GroupPairs(a, b, pair_counts(memberships)[a, b])


def _measure_matrix(measure: Measure, sizes: IntArray, both: IntArray, universe: int | None) -> FloatArray:
    """Compute an overlap measure for each pair in a square matrix of counts. A few rows are computed at a time."""
    values = np.empty(both.shape, dtype=np.float64)
    n_rows = max(_CHUNK_SIZE // max(len(sizes), 1), 1)
    for start in range(0, len(sizes), n_rows):
        rows = slice(start, start + n_rows)
        values[rows] = pair_measure(measure, sizes[rows, None], sizes[None, :], both[rows], universe)
    return values


def _measure_columns(n_a: IntArray, n_b: IntArray, n_both: IntArray, universe: int | None) -> dict[str, FloatArray]:
    """Compute the columns of `overlap_pairs` from share_of_a to phi in chunks of pairs."""
    columns = {name: np.empty(len(n_both)) for name in ("share_of_a", "share_of_b", *_MEASURE_COLUMNS)}
    for start in range(0, len(n_both), _CHUNK_SIZE):
        rows = slice(start, start + _CHUNK_SIZE)
        a, b, both = n_a[rows], n_b[rows], n_both[rows]
        columns["share_of_a"][rows] = pair_measure("share", a, b, both, universe)
        columns["share_of_b"][rows] = pair_measure("share", b, a, both, universe)
        for measure in _MEASURE_COLUMNS:
            columns[measure][rows] = pair_measure(measure, a, b, both, universe)
    return columns


def pair_measure(measure: str, n_a: IntArray, n_b: IntArray, n_both: IntArray, universe: int | None) -> FloatArray:
    """Compute an overlap measure from group sizes and overlaps, or NaN if a denominator is 0 or unknown."""
    a, b, both = n_a.astype(np.float64), n_b.astype(np.float64), n_both.astype(np.float64)
    total = np.nan if universe is None else float(universe)
    with np.errstate(divide="ignore", invalid="ignore"):
        match measure:
            case "share":
                value = both / a
            case "jaccard":
                value = both / (a + b - both)
            case "overlap_coefficient":
                value = both / np.minimum(a, b)
            case "expected":
                value = a * b / total
            case "lift":
                value = both * total / (a * b)
            case "pmi":
                value = np.log2(both * total / (a * b))
            case "phi":
                # Because each factor has its own square root, phi(a, b) and phi(b, a) are exactly equal.
                spread = np.sqrt(a * (total - a)) * np.sqrt(b * (total - b))
                value = np.clip((total * both - a * b) / spread, -1.0, 1.0)
            case _:
                raise InputError(f"Unknown measure {measure!r}.")
    return np.asarray(value, dtype=np.float64)


def _p_values(
    n_a: IntArray, n_b: IntArray, n_both: IntArray, universe: int | None, n_tests: int
) -> dict[str, FloatArray]:
    """
    Compute p_over, p_under, and q_value for each pair of groups. If `universe` is None, all values are NaN.

    The arrays can omit pairs without common customers, because their p_over is always 1. These pairs still count as
    tests, so `n_tests` is the number of all pairs.
    """
    if universe is None:
        return {name: np.full(len(n_a), np.nan) for name in ("p_over", "p_under", "q_value")}
    over, under = hypergeometric_tails(n_both, universe, n_a, n_b)
    return {"p_over": over, "p_under": under, "q_value": benjamini_hochberg(over, n_tests)}
