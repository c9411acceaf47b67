"""Count and select the customers in combinations of groups."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from frgroups.engines.memberships import EngineMemberships, Memberships, as_memberships, collect_memberships
from frgroups.errors import InputError
from frgroups.internals.typing import IntArray
from frgroups.internals.validation import as_list, check_choice, check_number
from frgroups.snapshot.membership_matrix import MembershipMatrix

# The first item of a candidate is the number of its customers with a minus sign, so that a heap returns the candidate
# with the most customers first.
_Candidate = tuple[int, int, tuple[int, ...], IntArray, IntArray]

_MAX_COUNTER_GROUPS = 20  # Up to this number of groups, each possible combination has a counter.
_MAX_INCLUSIVE = 100_000

Mode = Literal["exclusive", "inclusive"]
OTHER = ("(other)",)


def intersections(
    data: Any,
    groups: Iterable[str] | None = None,
    *,
    mode: Mode = "exclusive",
    top: int | None = None,
    max_regions: int = 100_000,
) -> pd.DataFrame:
    """
    Count the customers in each combination of groups.

    `plot.upset` draws the result as an UpSet plot.

    Parameters
    ----------
    data
        A Snapshot, or a table of memberships with the columns customer_group_uid and customer_uid. The table can be a
        pandas DataFrame, or a table of pyarrow, Polars, DuckDB, Narwhals, or Spark. A lazy frame, for example of
        DuckDB or Spark, is counted in its query engine.
    groups
        The groups to combine, by uid or unique name. None selects all groups. Memberships in other groups are
        ignored.
    mode
        "exclusive" counts the customers who are in exactly the groups of a combination. Each customer is counted
        once, so n sums to the number of customers in any of the groups.

        "inclusive" counts the customers who are in all groups of a combination, and possibly in other groups. A
        customer can be counted in many rows.
    top
        The largest number of combinations to return. The combinations with the most customers are returned, and all
        other customers are counted in one additional row. None returns all combinations.
    max_regions
        The largest number of exclusive combinations that are collected from a query engine, whatever `mode` and `top`
        are. The parameter has no effect on data in memory.

    Returns
    -------
    DataFrame
        One row per combination with at least one customer, sorted by n (largest first), degree, and uids:

        - groups (tuple of `str`): the sorted group uids
        - degree (`int64`): the number of groups
        - n (`int64`): the number of customers
        - share (`float64`): n divided by the number of customers in any of the groups
        - mode (`str`): the value of `mode`, in all rows

        If `top` omits combinations, a last row with the groups ("(other)",) and degree 0 counts the customers who are
        in none of the rows above.

    Raises
    ------
    InputError
        If `mode` is unknown, `top` is negative, there are more than 100,000 inclusive combinations and `top` is None,
        or a query engine counts more than `max_regions` exclusive combinations.
    GroupNotFoundError
        If a group is unknown, or its name is not unique.

    Examples
    --------
    >>> intersections(sample_snapshot())
           groups  degree    n     share       mode
    0      (all,)       1  248  0.988048  exclusive
    1  (all, vip)       2    2  0.007968  exclusive
    2    (staff,)       1    1  0.003984  exclusive
    >>> intersections(sample_snapshot(), mode="inclusive", top=2)
           groups  degree    n     share       mode
    0      (all,)       1  250  0.996016  inclusive
    1      (vip,)       1    2  0.007968  inclusive
    2  ((other),)       0    1  0.003984  inclusive
    """
    check_choice(mode, "mode", get_args(Mode))
    if top is not None:
        check_number(top, "top", at_least=0, whole=True)
    check_number(max_regions, "max_regions", above=0, whole=True)
    memberships = as_memberships(data).select(groups)
    regions = RegionCounts.from_memberships(memberships, max_regions)
    combinations = regions.largest_combinations(mode, top)
    uids = memberships.group_uids.tolist()
    groups_of_rows = [tuple([uids[group] for group in groups]) for groups in combinations.groups]
    degree = [len(groups) for groups in combinations.groups]
    n = combinations.n
    if combinations.is_cut:
        groups_of_rows.append(OTHER)
        degree.append(0)
        n = np.append(n, regions.n_customers - combinations.n_customers)
    return pd.DataFrame(
        {
            "groups": pd.Series(groups_of_rows, dtype=object),
            "degree": np.array(degree, dtype=np.int64),
            "n": n,
            "share": n / max(regions.n_customers, 1),
            "mode": pd.Series(mode, index=range(len(n)), dtype="str"),
        }
    )


def region_members(data: Any, *, include: Iterable[str], exclude: Iterable[str] = ()) -> pd.Index:
    """
    Return the customers who are in all groups of `include` and in no group of `exclude`.

    Parameters
    ----------
    data
        A Snapshot, or a table of memberships with the columns customer_group_uid and customer_uid. The table can be a
        pandas DataFrame, or a table of pyarrow, Polars, DuckDB, Narwhals, or Spark.
    include
        The groups that a customer must be in, by uid or unique name. An empty list selects all customers in `data`.
    exclude
        The groups that a customer must not be in, by uid or unique name.

    Returns
    -------
    Index
        The sorted customer uids (`str`). The name of the Index is customer_uid.

    Raises
    ------
    InputError
        If `include` or `exclude` is a string instead of a list.
    GroupNotFoundError
        If a group is unknown, or its name is not unique.

    See Also
    --------
    members : Select customers by a set expression.

    Examples
    --------
    >>> list(region_members(sample_snapshot(), include=["VIP", "all"]))
    ['c-1', 'c-2']
    >>> len(region_members(sample_snapshot(), include=["all"], exclude=["vip"]))
    248
    """
    include, exclude = as_list(include, "include"), as_list(exclude, "exclude")
    matrix = collect_memberships(data)
    inside = np.ones(matrix.n_customers, dtype=np.bool_)
    for group in include:
        mask = np.zeros_like(inside)
        mask[matrix.row(matrix.group_code_of(group))] = True
        inside &= mask
    for group in exclude:
        inside[matrix.row(matrix.group_code_of(group))] = False
    return matrix.customer_uids[inside].rename("customer_uid")


@dataclass(frozen=True, eq=False)
class Combinations:
    """
    The combinations of groups with the most customers, and the number of customers in each combination.

    A combination is a tuple of integer group codes. `n_customers` is the number of customers in at least one of the
    combinations.
    """

    groups: list[tuple[int, ...]]
    n: IntArray
    n_customers: int
    is_cut: bool  # True if combinations with fewer customers are omitted.


@dataclass(frozen=True, eq=False)
class RegionCounts:
    """
    The number of customers in each region. A region consists of all customers who are in exactly the same groups.

    Region i has `n[i]` customers, who are in the groups with the codes `groups[indptr[i]:indptr[i + 1]]`. The memory
    is proportional to the number of memberships.
    """

    n: IntArray
    indptr: IntArray
    groups: IntArray

    @classmethod
    def from_memberships(cls, memberships: Memberships, max_regions: int) -> RegionCounts:
        """Count the customers in each region. Raise InputError if an engine finds more than `max_regions` regions."""
        if not isinstance(memberships, EngineMemberships):
            return cls.from_matrix(memberships)
        regions = cls(*memberships.count_regions(max_regions + 1))
        if len(regions.n) > max_regions:
            raise InputError(
                f"The selected groups have more than {max_regions:,} exclusive combinations.",
                hint="Select fewer groups, or increase `max_regions`.",
            )
        return regions

    @classmethod
    def from_matrix(cls, matrix: MembershipMatrix) -> RegionCounts:
        """Count the customers in each region of a membership matrix, except customers who are in no group."""
        if matrix.n_groups <= _MAX_COUNTER_GROUPS:
            return cls(*_count_by_combination(matrix))
        return cls(*_count_by_customer(matrix))

    @property
    def n_customers(self) -> int:
        """The number of customers who are in at least one of the groups."""
        return int(self.n.sum())

    def largest_combinations(self, mode: Mode, top: int | None) -> Combinations:
        """Return the `top` combinations with the most customers, or all combinations if `top` is None."""
        if mode == "exclusive":
            return self._exclusive_combinations(top)
        return self._inclusive_combinations(top)

    def _exclusive_combinations(self, top: int | None) -> Combinations:
        """Return the largest exclusive combinations of groups. Each region is an exclusive combination."""
        rows = np.arange(len(self.n))
        if top is not None and 0 < top < len(rows):
            rows = np.flatnonzero(self.n >= np.partition(self.n, -top)[-top])
        ranges = zip(self.indptr[rows].tolist(), self.indptr[rows + 1].tolist(), strict=True)
        groups = [tuple(self.groups[start:end].tolist()) for start, end in ranges]
        by_groups = np.array(sorted(range(len(rows)), key=groups.__getitem__), dtype=np.intp)
        degree = np.diff(self.indptr)[rows[by_groups]]
        order = by_groups[np.lexsort((degree, -self.n[rows[by_groups]]))][:top]
        n = self.n[rows[order]]
        return Combinations([groups[row] for row in order], n, int(n.sum()), len(order) < len(self.n))

    def _inclusive_combinations(self, top: int | None) -> Combinations:
        """Return the largest inclusive combinations, which are sets of groups with at least one common customer."""
        # One additional set is generated to detect whether the result omits any sets.
        limit = _MAX_INCLUSIVE if top is None else top
        candidates = list(islice(self._iter_sets(), 1 + limit))
        if top is None and len(candidates) > _MAX_INCLUSIVE:
            raise InputError(
                f"The selected groups have more than {_MAX_INCLUSIVE:,} inclusive combinations.",
                hint="Pass top= to limit the number of combinations, or select fewer groups.",
                cli_hint="Select fewer groups with --group.",
            )
        sets = candidates[:top]
        is_covered = np.zeros(len(self.n), dtype=np.bool_)
        for _, _, regions in sets:
            is_covered[regions] = True
        groups = [groups for groups, _, _ in sets]
        n = np.array([n for _, n, _ in sets], dtype=np.int64)
        return Combinations(groups, n, int(self.n[is_covered].sum()), len(candidates) > len(sets))

    def _iter_sets(self) -> Iterator[tuple[tuple[int, ...], int, IntArray]]:
        """
        Iterate over sets of groups with common customers, sorted by decreasing number of common customers.

        Yields the group codes, the number of customers in all groups of the set, and the regions of these customers.
        The heap contains each set that consists of a previously returned set and one further group. A set cannot have
        more common customers than any of its subsets, so the largest of the remaining sets is always at the top of
        the heap. This is a best-first search, as in frequent itemset mining.
        """
        region = np.repeat(np.arange(len(self.n)), np.diff(self.indptr))
        heap = self._extend((), region, self.groups)
        heapq.heapify(heap)
        while heap:
            minus_n, _, groups, region, group = heapq.heappop(heap)
            inside = region[group == groups[-1]]
            yield groups, -minus_n, inside
            keep = (group > groups[-1]) & np.isin(region, inside)
            for longer in self._extend(groups, region[keep], group[keep]):
                heapq.heappush(heap, longer)

    def _extend(self, groups: tuple[int, ...], region: IntArray, group: IntArray) -> list[_Candidate]:
        """Return a heap entry for each set that consists of the given groups and one further group."""
        n = np.bincount(group, weights=self.n[region])
        return [(-int(n[more]), len(groups) + 1, (*groups, int(more)), region, group) for more in np.flatnonzero(n)]


_Regions = tuple[IntArray, IntArray, IntArray]


def _count_by_combination(matrix: MembershipMatrix) -> _Regions:
    """
    Count the customers in each combination of groups, with one counter per possible combination.

    The function returns the fields of RegionCounts.
    """
    counts = np.bincount(_group_bits(matrix), minlength=1)
    combinations = np.flatnonzero(counts[1:]) + 1
    is_member = (combinations[:, None] >> np.arange(matrix.n_groups - 1, -1, -1)) & 1
    indptr = np.concatenate([[0], np.cumsum(np.bitwise_count(combinations), dtype=np.int64)])
    return counts[combinations], indptr, np.nonzero(is_member)[1]


def _group_bits(matrix: MembershipMatrix) -> npt.NDArray[np.unsignedinteger[Any]]:
    """Encode each customer's groups as the bits of an integer. The highest bit represents the first group."""
    word = np.zeros(matrix.n_customers, dtype=np.min_scalar_type(2**matrix.n_groups - 1))
    for group in range(matrix.n_groups):
        word[matrix.row(group)] |= word.dtype.type(1 << (matrix.n_groups - 1 - group))
    return word


def _count_by_customer(matrix: MembershipMatrix) -> _Regions:
    """
    Count the customers in each region by comparing the sorted groups of the customers, one group after another.

    In each step, two customers get the same number if their groups up to this step are equal. A customer is assigned
    to a region if the customer has no further groups, or if no other customer has the same number. Assigned customers
    are not compared again. The function returns the fields of RegionCounts.
    """
    by_customer = np.argsort(matrix.indices, kind="stable")
    groups = matrix.group_code.take(by_customer)
    degree = np.bincount(matrix.indices, minlength=matrix.n_customers)
    start = np.cumsum(degree) - degree
    customers = np.flatnonzero(degree)
    number: IntArray = np.zeros(len(customers), dtype=np.int64)
    counts, examples = [number[:0]], [number[:0]]
    place = 0
    while len(customers):
        keys = number * matrix.n_groups + groups[start[customers] + place]
        number = pd.factorize(keys)[0].astype(np.int64)
        is_complete = (degree[customers] == place + 1) | (np.bincount(number)[number] == 1)
        n = np.bincount(number[is_complete])
        example = np.zeros(len(n), dtype=np.int64)
        example[number[is_complete]] = customers[is_complete]
        counts.append(n[n > 0])
        examples.append(example[n > 0])
        customers, number = customers[~is_complete], number[~is_complete]
        place += 1
    # All customers of a region have the same groups, so the groups of a region are read from one of its customers.
    starts, sizes = start[np.concatenate(examples)], degree[np.concatenate(examples)]
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    positions = np.arange(indptr[-1]) + np.repeat(starts - indptr[:-1], sizes)
    return np.concatenate(counts), indptr, groups[positions].astype(np.int64)
