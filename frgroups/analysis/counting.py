"""How many customers each two groups share: counted from codes, never by a self-merge, the faster way of two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from frgroups.codes import Codes

Counts = npt.NDArray[np.int64]
Engine = Literal["pairs", "bits"]

# Customers are taken in blocks: so few that their numbers fit 16 bits, which numpy sorts by radix, and that a block
# takes some tens of megabytes, however many memberships there are. Within it, what is worked on at once is small
# enough for a core's own cache.
_CUSTOMERS = 2**16
_MEMBERSHIPS = 2**21
_AT_ONCE = 2**17
_WORDS = 512  # Of fewer than 1,024 words the bits are counted in 16 bits.


@dataclass(frozen=True, eq=False, slots=True)
class _Block:
    """The memberships of some customers: those of group g are the next `sizes[g]`, customers numbered from 0."""

    customer: npt.NDArray[np.uint16]
    sizes: Counts
    n_customers: int


def pair_counts(codes: Codes, engine: Engine | None = None) -> Counts:
    """How many customers each two groups share; their sizes on the diagonal. `engine` None takes the cheaper one."""
    upper = np.zeros((codes.n_groups, codes.n_groups), dtype=np.int32)
    for block in _blocks(codes):
        degree = np.bincount(block.customer, minlength=block.n_customers)
        if (engine or _cheaper(block, degree)) == "pairs":
            _add_pairs(upper, block, degree)
        else:
            _add_bits(upper, block)
    counts = upper.astype(np.int64)
    counts += upper.T
    np.fill_diagonal(counts, codes.sizes)
    return counts


def _blocks(codes: Codes) -> Iterator[_Block]:
    n, slices = codes.n_customers, [codes.customer_code[a:b] for a, b in pairwise(codes.starts.tolist())]
    n_blocks = max(1, -(-n // _CUSTOMERS), -(-len(codes) // _MEMBERSHIPS))
    borders = np.linspace(0, n, n_blocks + 1).astype(np.int32)
    cuts = np.array([np.searchsorted(members, borders) for members in slices]).reshape(len(slices), len(borders))
    for number, (first, last) in enumerate(pairwise(borders.tolist())):
        starts, ends = cuts[:, number], cuts[:, number + 1]
        parts = [members[a:b] for members, a, b in zip(slices, starts, ends, strict=True)]
        if parts:
            yield _Block((np.concatenate(parts) - first).astype(np.uint16), ends - starts, last - first)


def _cheaper(block: _Block, degree: Counts) -> Engine:
    """The engine that will probably take less time; the nanoseconds were measured."""
    n_groups = len(block.sizes)
    pairs = 14 * len(block.customer) + 1.2 * float(np.square(degree).sum())
    bits = 6 * len(block.customer) + 0.55 * n_groups**2 * block.n_customers / 64
    return "pairs" if pairs <= bits else "bits"


def _add_pairs(upper: npt.NDArray[np.int32], block: _Block, degree: Counts) -> None:
    """For sparse memberships: each customer's groups with one another, k (k - 1) / 2 pairs for k groups."""
    n_groups, counts = len(upper), upper.reshape(-1)
    for group, n_with in _side_by_side(block, degree):
        row = group * n_groups
        for place, n in enumerate(n_with[1:], start=1):
            np.add.at(counts, (row[:place, :n] + group[place, :n]).reshape(-1), np.int32(1))


def _side_by_side(block: _Block, degree: Counts) -> Iterator[tuple[Counts, npt.NDArray[np.intp]]]:
    """
    Customers of about as many groups, so that one sum pairs a whole row of them: those in most groups come first.

    Column c of the table has the groups of one customer, rising; row p is filled for the first n_with[p] customers,
    those who are in more than p groups. Customers in one group have no pairs and are left out.
    """
    group = np.repeat(np.arange(len(block.sizes), dtype=np.int32), block.sizes)
    group = group.take(np.argsort(block.customer, kind="stable"))
    falling = np.argsort((len(block.sizes) - degree).astype(np.min_scalar_type(len(block.sizes))), kind="stable")
    first, degree = (np.cumsum(degree) - degree)[falling], degree[falling]
    at, end = 0, int(np.count_nonzero(degree > 1))
    while at < end:
        most = int(degree[at])
        here = slice(at, min(at + max(_AT_ONCE // most, 1), end))
        n_with = np.searchsorted(-degree[here], -np.arange(most))
        table = np.empty((most, n_with[0]), dtype=np.int64)
        for place, n in enumerate(n_with):
            table[place, :n] = group.take(first[here][:n] + place)
        yield table, n_with
        at = here.stop


def _add_bits(upper: npt.NDArray[np.int32], block: _Block) -> None:
    """For groups that hold a large part of the customers: one bit per customer, 64 compared at a time."""
    n_groups, n_words = len(upper), -(-block.n_customers // 64)
    bits = np.zeros((n_groups, n_words), dtype=np.uint64)
    for group, members in enumerate(np.split(block.customer, np.cumsum(block.sizes)[:-1])):
        row = np.zeros(n_words * 64, dtype=np.bool_)
        row[members] = True
        bits[group] = np.packbits(row).view(np.uint64)
    for start in range(0, n_words, _WORDS):
        words = bits[:, start : start + _WORDS].copy()
        for group in range(n_groups):
            upper[group, group:] += np.bitwise_count(words[group:] & words[group]).sum(axis=1, dtype=np.uint16)
