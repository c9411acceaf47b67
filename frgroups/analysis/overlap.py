"""Overlap measures for all pairs of groups, as a matrix or as a table with one row per pair."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from frgroups.analysis.significance import benjamini_hochberg, hypergeometric_tails
from frgroups.errors import InputError
from frgroups.internals.typing import FloatArray, IndexArray, Int32Array, IntArray
from frgroups.internals.validation import check_choice
from frgroups.snapshot.membership_matrix import MembershipMatrix, as_membership_matrix
from frgroups.snapshot.universe import resolve_universe

Engine = Literal["pairs", "bits"]

# NumPy uses radix sort for 16-bit integers, so customers are processed in blocks of at most 2**16.
# A block needs only tens of megabytes of memory. A chunk of a block fits into the processor cache.
_MAX_BLOCK_CUSTOMERS = 2**16
_MAX_BLOCK_MEMBERSHIPS = 2**21
_CHUNK_SIZE = 2**17
_CHUNK_WORDS = 512  # A chunk has 32,768 bits, so that the number of set bits fits into 16 bits.

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
        pandas DataFrame, or a table of pyarrow, Polars, DuckDB, Narwhals, or Spark.
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
        by `Snapshot.with_universe`. If neither is given, these measures are NaN. The number of customers in `data` is
        not used as a substitute, because it does not include customers in no group. Unrelated groups would then
        appear to avoid each other.
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
        If the measure or the label is unknown, or `universe` is less than the number of customers in `data`.
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
    seen = as_membership_matrix(data)
    universe = resolve_universe(data, universe, seen)
    matrix = seen.select(groups)
    both, sizes = pair_counts(matrix), matrix.sizes
    values: IntArray | FloatArray = both
    if measure != "count":
        values = pair_measure(measure, sizes[:, None], sizes[None, :], both, universe)
    axis = matrix.group_uids.rename("customer_group_uid")
    if labels == "name":
        axis = matrix.group_names.rename("name")
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
        raise InputError("The `attrs` of the matrix do not contain the measure.", hint="Pass it as `measure`.")
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
        pandas DataFrame, or a table of pyarrow, Polars, DuckDB, Narwhals, or Spark.
    groups
        The groups to compare, by uid or unique name. None selects all groups.
    universe
        The total number of customers of the tenant (N below). None uses the number set by `Snapshot.with_universe`.
        If neither is given, the columns from expected to q_value are NaN. See `overlap_matrix` for the reason.
    min_both
        Pairs with fewer common customers are omitted. This does not change other values, because q_value is always
        computed from all pairs of the selected groups.

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
        If `universe` is less than the number of customers in `data`.
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
    seen = as_membership_matrix(data)
    universe = resolve_universe(data, universe, seen)
    matrix = seen.select(groups)
    both = pair_counts(matrix)
    a, b = np.triu_indices(matrix.n_groups, k=1)
    n_a, n_b, n_both = matrix.sizes[a], matrix.sizes[b], both[a, b]

    def compute(measure: str) -> FloatArray:
        return pair_measure(measure, n_a, n_b, n_both, universe)

    pairs = pd.DataFrame(
        {
            "group_a": matrix.group_uids.take(a).array,
            "group_b": matrix.group_uids.take(b).array,
            "name_a": matrix.group_names.take(a).array,
            "name_b": matrix.group_names.take(b).array,
            "n_a": n_a,
            "n_b": n_b,
            "n_both": n_both,
            "n_either": n_a + n_b - n_both,
            "share_of_a": compute("share"),
            "share_of_b": pair_measure("share", n_b, n_a, n_both, universe),
            "jaccard": compute("jaccard"),
            "overlap_coefficient": compute("overlap_coefficient"),
            "expected": compute("expected"),
            "lift": compute("lift"),
            "pmi": compute("pmi"),
            "phi": compute("phi"),
            **_p_values(n_a, n_b, n_both, universe),
        }
    )
    if min_both <= 0:
        return pairs
    return pairs[pairs["n_both"] >= min_both].reset_index(drop=True)


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
                raise InputError(f"No measure has the name {measure!r}.")
    return np.asarray(value, dtype=np.float64)


def _p_values(n_a: IntArray, n_b: IntArray, n_both: IntArray, universe: int | None) -> dict[str, FloatArray]:
    """Compute p_over, p_under, and q_value for each pair of groups. If `universe` is None, all values are NaN."""
    if universe is None:
        return {name: np.full(len(n_a), np.nan) for name in ("p_over", "p_under", "q_value")}
    over, under = hypergeometric_tails(n_both, universe, n_a, n_b)
    return {"p_over": over, "p_under": under, "q_value": benjamini_hochberg(over)}


@dataclass(frozen=True, eq=False, slots=True)
class _Block:
    """
    The memberships of a block of customers. The customers in the block are numbered from 0.

    The memberships are sorted by group. Group g has `sizes[g]` memberships.
    """

    customer: npt.NDArray[np.uint16]
    sizes: IntArray
    n_customers: int


def pair_counts(matrix: MembershipMatrix, engine: Engine | None = None) -> IntArray:
    """
    Count the common customers of each pair of groups.

    The diagonal of the result contains the group sizes. `engine` selects the counting method. If `engine` is None,
    each block of customers is counted with the method that is estimated to be faster.
    """
    upper = np.zeros((matrix.n_groups, matrix.n_groups), dtype=np.int32)
    for block in _iter_blocks(matrix):
        degree = np.bincount(block.customer, minlength=block.n_customers)
        block_engine = engine or _faster_engine(block, degree)
        if block_engine == "pairs":
            _count_pairs(upper, block, degree)
        else:
            _count_bits(upper, block)
    counts = upper.astype(np.int64)
    counts += upper.T
    np.fill_diagonal(counts, matrix.sizes)
    return counts


def _iter_blocks(matrix: MembershipMatrix) -> Iterator[_Block]:
    """Divide the memberships of a matrix into blocks of customers."""
    n, slices = matrix.n_customers, [matrix.indices[a:b] for a, b in pairwise(matrix.indptr.tolist())]
    n_blocks = max(1, -(-n // _MAX_BLOCK_CUSTOMERS), -(-len(matrix) // _MAX_BLOCK_MEMBERSHIPS))
    borders = np.linspace(0, n, n_blocks + 1).astype(np.int32)
    cuts = np.array([np.searchsorted(members, borders) for members in slices]).reshape(len(slices), len(borders))
    for number, (first, last) in enumerate(pairwise(borders.tolist())):
        starts, ends = cuts[:, number], cuts[:, number + 1]
        parts = [members[a:b] for members, a, b in zip(slices, starts, ends, strict=True)]
        if parts:
            yield _Block((np.concatenate(parts) - first).astype(np.uint16), ends - starts, last - first)


def _faster_engine(block: _Block, degree: IntArray) -> Engine:
    """
    Return the counting method that is estimated to be faster for a block.

    The constants of the estimate are times in nanoseconds, which were measured on one machine.
    """
    n_groups = len(block.sizes)
    pairs = 14 * len(block.customer) + 1.2 * float(np.square(degree).sum())
    bits = 6 * len(block.customer) + 0.55 * n_groups**2 * block.n_customers / 64
    return "pairs" if pairs <= bits else "bits"


def _count_pairs(upper: Int32Array, block: _Block, degree: IntArray) -> None:
    """Count the pairs of groups of each customer. This method is fast if most customers are in few groups."""
    n_groups, counts = len(upper), upper.reshape(-1)
    for group, n_with in _iter_group_tables(block, degree):
        row = group * n_groups
        for place, n in enumerate(n_with[1:], start=1):
            np.add.at(counts, (row[:place, :n] + group[place, :n]).reshape(-1), np.int32(1))


def _iter_group_tables(block: _Block, degree: IntArray) -> Iterator[tuple[IntArray, IndexArray]]:
    """
    Iterate over tables that contain the groups of several customers, so that many pairs are counted in one operation.

    Each column of a table contains the sorted groups of one customer. The customers with the most groups come first,
    so row p is filled only in the first n_with[p] columns. Customers in only one group have no pairs and are omitted.
    """
    group = np.repeat(np.arange(len(block.sizes), dtype=np.int32), block.sizes)
    group = group.take(np.argsort(block.customer, kind="stable"))
    falling = np.argsort((len(block.sizes) - degree).astype(np.min_scalar_type(len(block.sizes))), kind="stable")
    first, degree = (np.cumsum(degree) - degree)[falling], degree[falling]
    at, end = 0, int(np.count_nonzero(degree > 1))
    while at < end:
        most = int(degree[at])
        here = slice(at, min(at + max(_CHUNK_SIZE // most, 1), end))
        n_with = np.searchsorted(-degree[here], -np.arange(most))
        table = np.empty((most, n_with[0]), dtype=np.int64)
        for place, n in enumerate(n_with):
            table[place, :n] = group.take(first[here][:n] + place)
        yield table, n_with
        at = here.stop


def _count_bits(upper: Int32Array, block: _Block) -> None:
    """Count the common customers of each pair of groups with bit operations. This is fast for large groups."""
    n_groups, n_words = len(upper), -(-block.n_customers // 64)
    bits = np.zeros((n_groups, n_words), dtype=np.uint64)
    for group, members in enumerate(np.split(block.customer, np.cumsum(block.sizes)[:-1])):
        row = np.zeros(n_words * 64, dtype=np.bool_)
        row[members] = True
        bits[group] = np.packbits(row).view(np.uint64)
    for start in range(0, n_words, _CHUNK_WORDS):
        words = bits[:, start : start + _CHUNK_WORDS].copy()
        for group in range(n_groups):
            upper[group, group:] += np.bitwise_count(words[group:] & words[group]).sum(axis=1, dtype=np.uint16)
