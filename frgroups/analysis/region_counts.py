"""How many customers are in exactly which groups, and in all of which; never all 2^n combinations, only real ones."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from frgroups.advice import ANY, Advice
from frgroups.codes import Codes
from frgroups.errors import InputError

Whole = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint32]
# -n, degree, groups, and the memberships (region, group) that may extend them
_Branch = tuple[int, int, tuple[int, ...], Whole, Whole]

_BITS = 32  # groups told apart in one pass; with the number of a region before them they fit 64 bits
_FEW = 20  # groups of which each combination has a counter of its own
_AT_ONCE = 2**14  # regions whose bits are spread at once
_MOST_SETS = 100_000


@dataclass(frozen=True, eq=False)
class Combinations:
    """The largest combinations, by the codes of groups; `n_customers` are in any of them; `cut`: there are more."""

    groups: list[tuple[int, ...]]
    n: Whole
    n_customers: int
    cut: bool


@dataclass(frozen=True, eq=False)
class RegionCounts:
    """
    The customers by exactly which groups they are in: far fewer regions than customers, as a rule.

    Region i has `n[i]` customers. Its groups are the bits of `words[i]`, the first group the highest of them.
    """

    n: Whole
    words: Words

    @classmethod
    def of(cls, codes: Codes) -> RegionCounts:
        """The regions of these groups, none of them for customers in no group."""
        n, words = _of_few_groups(codes) if codes.n_groups <= _FEW else _of_many_groups(codes)
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
                Advice("Say {top}, or choose fewer groups.", top=ANY),
            )
        shown, inside = rows[:top], np.zeros(len(self.n), dtype=np.bool_)
        for _, _, regions in shown:
            inside[regions] = True
        n = np.array([n for _, n, _ in shown], dtype=np.int64)
        return Combinations([groups for groups, _, _ in shown], n, int(self.n[inside].sum()), len(rows) > len(shown))

    def _sets(self) -> Iterator[tuple[tuple[int, ...], int, Whole]]:
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

    def _extended(self, groups: tuple[int, ...], region: Whole, group: Whole) -> list[_Branch]:
        n = np.bincount(group, weights=self.n[region])
        return [(-int(n[more]), len(groups) + 1, (*groups, int(more)), region, group) for more in np.flatnonzero(n)]

    def _groups(self, rows: Whole) -> list[tuple[int, ...]]:
        """The groups of each of these regions."""
        found = []
        for region, group in self._memberships(rows):
            ends = np.flatnonzero(np.diff(region, append=-1)) + 1
            groups = group.tolist()
            found += [tuple(groups[a:b]) for a, b in pairwise([0, *ends.tolist()])]
        return found

    def _memberships(self, rows: Whole) -> Iterator[tuple[Whole, Whole]]:
        """A pair (region, group) for each group of these regions, in this order, some regions at a time."""
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            bits = np.unpackbits(self.words[some].astype(">u4").view(np.uint8), axis=1)
            row, group = np.nonzero(bits)
            yield some[row], group


def _of_few_groups(codes: Codes) -> tuple[Whole, Words]:
    """How many customers each combination has, and its bits: few enough for a counter for each."""
    n = np.bincount(_word(codes, 0, codes.n_groups), minlength=1)
    found = np.flatnonzero(n)
    return n[found], (found << (_BITS - codes.n_groups)).astype(np.uint32)[:, None]


def _of_many_groups(codes: Codes) -> tuple[Whole, Words]:
    """The same word by word: customers get a number for their bits so far, and are told apart by the next word."""
    number: Whole = np.zeros(codes.n_customers, dtype=np.int64)
    words = np.zeros((1, 0), dtype=np.uint32)
    for first in range(0, codes.n_groups, _BITS):
        width = min(_BITS, codes.n_groups - first)
        number, found = pd.factorize(number << width | _word(codes, first, width))
        word = (found << (_BITS - width)).astype(np.uint32)
        words = np.column_stack([words[found >> width], word])
    return np.bincount(number, minlength=len(words)), words


def _word(codes: Codes, first: int, width: int) -> npt.NDArray[np.unsignedinteger[Any]]:
    """The bits of each customer for so many groups from this one on, the first group the highest bit."""
    word = np.zeros(codes.n_customers, dtype=np.min_scalar_type(2**width - 1))
    for group in range(first, first + width):
        bit = word.dtype.type(1 << (first + width - 1 - group))
        word[codes.customer_code[codes.starts[group] : codes.starts[group + 1]]] |= bit
    return word
