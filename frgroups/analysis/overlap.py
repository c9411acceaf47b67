"""Overlap of groups for all pairs, as a matrix or as one row per pair."""

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

# Customers are processed in blocks of at most 2**16, so that their numbers fit into 16 bits, which NumPy sorts by
# radix, and so that a block takes some tens of megabytes. Within a block, the chunks fit into the cache of a core.
_MAX_BLOCK_CUSTOMERS = 2**16
_MAX_BLOCK_MEMBERSHIPS = 2**21
_CHUNK_SIZE = 2**17
_CHUNK_WORDS = 512  # 32,768 bits per chunk, so that a count of bits fits into 16 bits

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
    Return a measure of overlap for each pair of groups, as a square table with the groups on both axes.

    Parameters
    ----------
    data
        A Snapshot, a frame of memberships (customer_group_uid, customer_uid), or such a table that speaks Arrow.
    groups
        Only these groups, by uid or unique name; None takes all.
    measure
        With a and b for the groups and N for `universe`:

        - "count": n_both, the customers in a and b (`int64`; sizes on the diagonal)
        - "share": n_both / n_a, the share of the row's group that is in the column's; not symmetric
        - "jaccard": n_both / n_either (Jaccard 1912)
        - "overlap_coefficient": n_both / min(n_a, n_b) (Szymkiewicz 1934, Simpson 1943)
        - "lift": n_both N / (n_a n_b); 1 is what chance gives (Brin et al. 1997)
        - "pmi": log2(lift) (Church & Hanks 1990); minus infinity where no customer is in both
        - "phi": (N n_both - n_a n_b) / sqrt(n_a (N - n_a) n_b (N - n_b)), Pearson's correlation of the two
          memberships, -1 to 1 (Yule 1912)

        All but "count" are `float64`, NaN where the denominator is 0 (a group with no member).
    universe
        How many customers the tenant has in all; None takes the number that the Snapshot was given by
        `with_universe`. Without one lift, phi and pmi are NaN: customers in no group cannot be seen, and the
        number changes the answer, so it is never guessed. The customers seen would be a wrong guess: among
        them groups that have nothing to do with each other seem to avoid each other.
    labels
        "uid" or "name": what stands on the axes.

    Returns
    -------
    DataFrame
        A row and a column for each group, both named customer_group_uid or name (`str`). `attrs["measure"]` is the
        measure, so that `describe` and `plot.overlap_heatmap` need not be told.

    Raises
    ------
    InputError
        An unknown measure, label or group, or a `universe` that is smaller than the number of customers seen
        in `data`.

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
    Return True if this is a square table with the same groups on both axes, such as one of `overlap_matrix`.

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
    Return the given measure, or else the measure in the `attrs` of a matrix; InputError if both are missing.

    Examples
    --------
    >>> measure_of(overlap_matrix(sample_snapshot(), measure="phi"), None)
    'phi'
    """
    name = measure
    if name is None:
        name = matrix.attrs.get("measure")
    if name is None:
        raise InputError("This matrix does not say what it measures.", hint="Pass measure= to name the measure.")
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
    Return all measures of overlap for each unordered pair of groups.

    Parameters
    ----------
    data, groups
        As in `overlap_matrix`.
    universe
        How many customers the tenant has in all (N below); None takes the number that the Snapshot was given by
        `with_universe`. Without one the columns from `expected` on are NaN, see `overlap_matrix` for why.
    min_both
        Leave out pairs with fewer customers in common. It hides rows and changes no number: q_value is
        corrected over all pairs of the chosen groups.

    Returns
    -------
    DataFrame
        In uid order, group_a < group_b. group_a, group_b, name_a, name_b (`str`); n_a, n_b, n_both, n_either
        (`int64`, customers); then `float64`: share_of_a = n_both / n_a, share_of_b = n_both / n_b, jaccard,
        overlap_coefficient (see `overlap_matrix`); expected = n_a n_b / N, lift, pmi (log2), phi;
        p_over = P(X >= n_both) and p_under = P(X <= n_both), where X is hypergeometric (N, n_a, n_b): the
        chance of at least, or at most, this overlap if the groups had nothing to do with each other (Fisher's
        exact test, either side), to a relative error of 1e-11, and 0 below about 1e-300;
        q_value = p_over after Benjamini & Hochberg (1995): call all pairs with q_value <= 0.05 more than
        chance, and on average at most 5% of them are not.

    Notes
    -----
    Among many customers nearly every p is tiny. Sort by an effect (jaccard, lift) and look at q_value second.

    Raises
    ------
    InputError
        An unknown group, or a `universe` smaller than the number of customers seen in `data`.

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
    """Return a measure computed from counts; NaN if a denominator is 0 or unknown."""
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
                # Two roots, so that phi(a, b) and phi(b, a) are the same number to the last bit.
                spread = np.sqrt(a * (total - a)) * np.sqrt(b * (total - b))
                value = np.clip((total * both - a * b) / spread, -1.0, 1.0)
            case _:
                raise InputError(f"No measure is named {measure!r}.")
    return np.asarray(value, dtype=np.float64)


def _p_values(n_a: IntArray, n_b: IntArray, n_both: IntArray, universe: int | None) -> dict[str, FloatArray]:
    """Return p_over, p_under and q_value of each pair, NaN without a universe."""
    if universe is None:
        return {name: np.full(len(n_a), np.nan) for name in ("p_over", "p_under", "q_value")}
    over, under = hypergeometric_tails(n_both, universe, n_a, n_b)
    return {"p_over": over, "p_under": under, "q_value": benjamini_hochberg(over)}


@dataclass(frozen=True, eq=False, slots=True)
class _Block:
    """
    The memberships of some customers, which are numbered from 0.

    They are sorted by group; group g has `sizes[g]` memberships.
    """

    customer: npt.NDArray[np.uint16]
    sizes: IntArray
    n_customers: int


def pair_counts(matrix: MembershipMatrix, engine: Engine | None = None) -> IntArray:
    """
    Return the number of common customers of each pair of groups, with the sizes of the groups on the diagonal.

    `engine` None selects the engine that is estimated to be faster, for each block of customers.
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
    """Divide the memberships into blocks of customers."""
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
    """Return the engine that is estimated to be faster; the factors are measured nanoseconds."""
    n_groups = len(block.sizes)
    pairs = 14 * len(block.customer) + 1.2 * float(np.square(degree).sum())
    bits = 6 * len(block.customer) + 0.55 * n_groups**2 * block.n_customers / 64
    return "pairs" if pairs <= bits else "bits"


def _count_pairs(upper: Int32Array, block: _Block, degree: IntArray) -> None:
    """Add the pairs of each customer, k (k - 1) / 2 pairs for k groups; fast for sparse memberships."""
    n_groups, counts = len(upper), upper.reshape(-1)
    for group, n_with in _iter_group_tables(block, degree):
        row = group * n_groups
        for place, n in enumerate(n_with[1:], start=1):
            np.add.at(counts, (row[:place, :n] + group[place, :n]).reshape(-1), np.int32(1))


def _iter_group_tables(block: _Block, degree: IntArray) -> Iterator[tuple[IntArray, IndexArray]]:
    """
    Iterate over tables of the groups of customers, so that a row of pairs is counted in one operation.

    Column c of a table contains the groups of a customer, sorted. The customers with the most groups come first, so
    row p is filled for the first n_with[p] customers, who are in more than p groups. Customers in only one group have
    no pairs and are left out.
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
    """Add the common bits of each pair, 64 customers at a time; fast for large groups."""
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
