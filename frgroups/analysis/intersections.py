"""Which combinations of groups customers are in, and who they are."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.typing import IntArray, UInt32Array
from frgroups.internals.validation import as_list
from frgroups.snapshot.membership_matrix import MembershipMatrix, as_membership_matrix

# -n, degree, groups, and the memberships (region, group) that may extend them
_Branch = tuple[int, int, tuple[int, ...], IntArray, IntArray]

_BITS = 32  # groups told apart in one pass; with the number of a region before them they fit 64 bits

_FEW = 20  # groups of which each combination has a counter of its own

_AT_ONCE = 2**14  # regions whose bits are spread at once

_MOST_SETS = 100_000


Mode = Literal["exclusive", "inclusive"]
OTHER = ("(other)",)


def intersections(
    data: Any,
    groups: Iterable[str] | None = None,
    *,
    mode: Mode = "exclusive",
    top: int | None = None,
) -> pd.DataFrame:
    """
    How many customers are in each combination of the chosen groups: the table behind an UpSet plot.

    Parameters
    ----------
    data
        A Snapshot, a frame of memberships (customer_group_uid, customer_uid), or such a table that speaks Arrow.
    groups
        The groups to combine, by uid or unique name; None takes all. The others do not exist here.
    mode
        "exclusive": customers in exactly these of the chosen groups. Every customer counts once, so the rows
        add up to the customers in any chosen group.
        "inclusive": customers in all of these groups, whatever else they are in. One customer counts in
        many rows; the rows do not add up.
    top
        Only the rows with the most customers; what is cut goes to one last row.

    Returns
    -------
    DataFrame
        Only combinations that somebody is in, the largest first (then the fewest groups, then uid order).
        groups (tuple of uids, in uid order); degree (`int64`, how many groups); n (`int64`, customers);
        share (`float64`, n of the customers in any chosen group); mode (`str`, the same in all rows). Where
        `top` cut something, a last row ("(other)",) of degree 0 holds the customers who are in none of the
        rows above.

    Raises
    ------
    InputError
        An unknown mode or group, a negative `top`, or more than 100,000 inclusive combinations without `top`.

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
    if mode not in ("exclusive", "inclusive"):
        raise InputError(f"mode={mode!r} is neither 'exclusive' nor 'inclusive'.")
    if top is not None and top < 0:
        raise InputError(f"top={top} is negative; leave it out for all rows.")
    matrix = as_membership_matrix(data).select(groups)
    regions = RegionCounts.of(matrix)
    found = regions.exclusive(top) if mode == "exclusive" else regions.inclusive(top)
    uids = matrix.group_uids.tolist()
    named = [tuple([uids[group] for group in groups]) for groups in found.groups]
    n = np.append(found.n, np.full(int(found.cut), regions.n_customers - found.n_customers))
    return pd.DataFrame(
        {
            "groups": pd.Series([*named, *[OTHER] * found.cut], dtype=object),
            "degree": np.array([*map(len, found.groups), *[0] * found.cut], dtype=np.int64),
            "n": n,
            "share": n / max(regions.n_customers, 1),
            "mode": pd.Series(mode, index=range(len(n)), dtype="str"),
        }
    )


def region_members(data: Any, *, include: Iterable[str], exclude: Iterable[str] = ()) -> pd.Index:
    """
    The uids of the customers that are in every group of `include` and none of `exclude`, in uid order.

    Groups go by uid or unique name. Without any group in `include`, all customers of `data` are looked at.

    >>> list(region_members(sample_snapshot(), include=["VIP", "all"]))
    ['c-1', 'c-2']
    >>> len(region_members(sample_snapshot(), include=["all"], exclude=["vip"]))
    248
    """
    include, exclude = as_list(include, "include"), as_list(exclude, "exclude")
    matrix = as_membership_matrix(data)
    inside = np.ones(matrix.n_customers, dtype=np.bool_)
    for group in include:
        mask = np.zeros_like(inside)
        mask[matrix.member_codes(group)] = True
        inside &= mask
    for group in exclude:
        inside[matrix.member_codes(group)] = False
    return matrix.customer_uids[inside].rename("customer_uid")


@dataclass(frozen=True, eq=False)
class Combinations:
    """The largest combinations, by the codes of groups; `n_customers` are in any of them; `cut`: there are more."""

    groups: list[tuple[int, ...]]
    n: IntArray
    n_customers: int
    cut: bool


@dataclass(frozen=True, eq=False)
class RegionCounts:
    """
    The customers by exactly which groups they are in: far fewer regions than customers, as a rule.

    Region i has `n[i]` customers. Its groups are the bits of `words[i]`, the first group the highest of them.
    """

    n: IntArray
    words: UInt32Array

    @classmethod
    def of(cls, matrix: MembershipMatrix) -> RegionCounts:
        """The regions of these groups, none of them for customers in no group."""
        n, words = _of_few_groups(matrix) if matrix.n_groups <= _FEW else _of_many_groups(matrix)
        in_any = words.any(axis=1)
        return cls(n[in_any], words[in_any])

    @property
    def n_customers(self) -> int:
        """Customers in any of the groups."""
        return int(self.n.sum())

    def exclusive(self, top: int | None) -> Combinations:
        """The regions themselves."""
        rows = np.arange(len(self.n))
        if top is not None and 0 < top < len(rows):
            rows = np.flatnonzero(self.n >= np.partition(self.n, -top)[-top])
        words = self.words[rows]
        degree = np.bitwise_count(words).sum(axis=1)
        # Of two combinations of as many groups that with the earlier uids has the higher bits.
        order = np.lexsort([*~words.T[::-1], degree, -self.n[rows]])
        rows = rows[order][:top]
        n = self.n[rows]
        return Combinations(self._groups(rows), n, int(n.sum()), len(rows) < len(self.n))

    def inclusive(self, top: int | None) -> Combinations:
        """Every set of groups that a customer is in."""
        # One more than asked for tells whether anything is cut.
        rows = list(islice(self._sets(), 1 + (_MOST_SETS if top is None else top)))
        if top is None and len(rows) > _MOST_SETS:
            raise InputError(
                f"Customers are in more than {_MOST_SETS:,} combinations of these groups.",
                hint="Pass top= to limit the number of combinations, or choose fewer groups.",
            )
        shown, inside = rows[:top], np.zeros(len(self.n), dtype=np.bool_)
        for _, _, regions in shown:
            inside[regions] = True
        n = np.array([n for _, n, _ in shown], dtype=np.int64)
        return Combinations([groups for groups, _, _ in shown], n, int(self.n[inside].sum()), len(rows) > len(shown))

    def _sets(self) -> Iterator[tuple[tuple[int, ...], int, IntArray]]:
        """
        Sets of groups, the largest first: the groups, how many customers are in all of them, and their regions.

        A set has no more customers than any set it extends, so a heap of the sets that extend what came
        so far holds the next one on its top (best-first search, as for frequent item sets).
        """
        parts = list(self._memberships(np.arange(len(self.n))))
        region, group = (np.concatenate([self.n[:0], *(part[side] for part in parts)]) for side in (0, 1))
        heap = self._extended((), region, group)
        heapq.heapify(heap)
        while heap:
            minus_n, _, groups, region, group = heapq.heappop(heap)
            inside = region[group == groups[-1]]
            yield groups, -minus_n, inside
            keep = (group > groups[-1]) & np.isin(region, inside)
            for longer in self._extended(groups, region[keep], group[keep]):
                heapq.heappush(heap, longer)

    def _extended(self, groups: tuple[int, ...], region: IntArray, group: IntArray) -> list[_Branch]:
        n = np.bincount(group, weights=self.n[region])
        return [(-int(n[more]), len(groups) + 1, (*groups, int(more)), region, group) for more in np.flatnonzero(n)]

    def _groups(self, rows: IntArray) -> list[tuple[int, ...]]:
        """The groups of each of these regions."""
        found = []
        for region, group in self._memberships(rows):
            ends = np.flatnonzero(np.diff(region, append=-1)) + 1
            groups = group.tolist()
            found += [tuple(groups[a:b]) for a, b in pairwise([0, *ends.tolist()])]
        return found

    def _memberships(self, rows: IntArray) -> Iterator[tuple[IntArray, IntArray]]:
        """A pair (region, group) for each group of these regions, in this order, some regions at a time."""
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            bits = np.unpackbits(self.words[some].astype(">u4").view(np.uint8), axis=1)
            row, group = np.nonzero(bits)
            yield some[row], group


def _of_few_groups(matrix: MembershipMatrix) -> tuple[IntArray, UInt32Array]:
    """How many customers each combination has, and its bits: few enough for a counter for each."""
    n = np.bincount(_word(matrix, 0, matrix.n_groups), minlength=1)
    found = np.flatnonzero(n)
    return n[found], (found << (_BITS - matrix.n_groups)).astype(np.uint32)[:, None]


def _of_many_groups(matrix: MembershipMatrix) -> tuple[IntArray, UInt32Array]:
    """The same word by word: customers get a number for their bits so far, and are told apart by the next word."""
    number: IntArray = np.zeros(matrix.n_customers, dtype=np.int64)
    words = np.zeros((1, 0), dtype=np.uint32)
    for first in range(0, matrix.n_groups, _BITS):
        width = min(_BITS, matrix.n_groups - first)
        number, found = pd.factorize(number << width | _word(matrix, first, width))
        word = (found << (_BITS - width)).astype(np.uint32)
        words = np.column_stack([words[found >> width], word])
    return np.bincount(number, minlength=len(words)), words


def _word(matrix: MembershipMatrix, first: int, width: int) -> npt.NDArray[np.unsignedinteger[Any]]:
    """The bits of each customer for so many groups from this one on, the first group the highest bit."""
    word = np.zeros(matrix.n_customers, dtype=np.min_scalar_type(2**width - 1))
    for group in range(first, first + width):
        bit = word.dtype.type(1 << (first + width - 1 - group))
        word[matrix.indices[matrix.indptr[group] : matrix.indptr[group + 1]]] |= bit
    return word
