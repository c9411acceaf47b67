"""
Count the common customers of each pair of groups.

`pair_counts` returns a square array, so its memory grows with the square of the number of groups. All other analyses
use `iter_common_pairs`, whose memory is proportional to the number of memberships.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from frgroups.engines.memberships import EngineMemberships, Memberships
from frgroups.errors import InputError
from frgroups.internals.formatting import format_size
from frgroups.internals.typing import BoolArray, IndexArray, Int32Array, IntArray
from frgroups.snapshot.membership_matrix import MembershipMatrix

Method = Literal["pairs", "bits"]

# A result that needs more than 2 GB of memory is rejected.
MAX_RESULT_BYTES = 2_000_000_000

# NumPy sorts 16-bit integers with radix sort, which is fast.
# Therefore, blocks of at most 2**16 customers are processed separately.
# A block needs only tens of megabytes of memory, and a chunk of a block fits into the processor cache.
_MAX_BLOCK_CUSTOMERS = 2**16
_MAX_BLOCK_MEMBERSHIPS = 2**21
_MAX_BLOCK_BITS = 2**28
_CHUNK_SIZE = 2**17
_CHUNK_WORDS = 512  # A chunk has 32,768 bits, so a 16-bit integer can count its set bits.

# For at most 4,096 groups, each pair has a counter. These counters need at most 64 MB.
_MAX_TABLE_GROUPS = 2**12
# With more groups, a block has at most 2**22 counters or at most 2**20 pairs to sort.
_MAX_BLOCK_COUNTERS = 2**22
_MAX_BLOCK_PAIRS = 2**20
# The CPU time to increment the counter of a pair of groups, measured on one machine.
_NANOSECONDS_PER_PAIR = 15


def check_result_size(n_bytes: int, result: str, alternative: str) -> None:
    """
    Raise InputError if a result needs more than `MAX_RESULT_BYTES` of memory.

    Examples
    --------
    >>> check_result_size(8 * 20_000**2, "The table", "Select fewer groups.")
    Traceback (most recent call last):
    frgroups.errors.InputError: The table needs 3.2 GB of memory. The limit is 2.0 GB. Select fewer groups.
    """
    if n_bytes > MAX_RESULT_BYTES:
        raise InputError(
            f"{result} needs {format_size(n_bytes)} of memory. The limit is {format_size(MAX_RESULT_BYTES)}.",
            hint=alternative,
        )


class GroupPairs(NamedTuple):
    """The integer codes of pairs of groups, and the number of common customers of each pair."""

    a: IndexArray
    b: IndexArray
    n_both: IntArray

    def select(self, chosen: BoolArray) -> GroupPairs:
        """Return the pairs for which the mask `chosen` is True."""
        return GroupPairs(self.a[chosen], self.b[chosen], self.n_both[chosen])


def common_pairs(memberships: Memberships, min_both: int, bytes_per_pair: int, alternative: str) -> GroupPairs:
    """
    Return the pairs of groups with at least `min_both` common customers, where `min_both` is at least 1.

    See `collect_pairs` for the other arguments and the error.
    """
    if isinstance(memberships, EngineMemberships):
        max_pairs = MAX_RESULT_BYTES // bytes_per_pair
        pairs = GroupPairs(*memberships.common_pairs(min_both, max_pairs + 1))
        if len(pairs.a) > max_pairs:
            n_pairs = memberships.count_common_pairs(min_both)
            check_result_size(n_pairs * bytes_per_pair, _pair_table(n_pairs), alternative)
        return pairs
    blocks = iter_common_pairs(memberships)
    if min_both > 1:
        blocks = (block.select(block.n_both >= min_both) for block in blocks)
    return collect_pairs(blocks, bytes_per_pair, alternative)


def collect_pairs(blocks: Iterable[GroupPairs], bytes_per_pair: int, alternative: str) -> GroupPairs:
    """
    Concatenate blocks of pairs. The table of the pairs needs `bytes_per_pair` bytes for each row.

    If the table needs more than `MAX_RESULT_BYTES`, the pairs are counted but not stored, and an InputError states
    the required memory.
    """
    parts = [GroupPairs(*[np.empty(0, dtype=np.int64)] * 3)]
    n_pairs = 0
    for block in blocks:
        n_pairs += len(block.a)
        if n_pairs * bytes_per_pair > MAX_RESULT_BYTES:
            parts = parts[:1]
        else:
            parts.append(block)
    check_result_size(n_pairs * bytes_per_pair, _pair_table(n_pairs), alternative)
    return GroupPairs(*map(np.concatenate, zip(*parts, strict=True)))


def _pair_table(n_pairs: int) -> str:
    return f"The table of {n_pairs:,} pairs of groups"


def string_bytes_per_pair(memberships: Memberships) -> int:
    """Return the average number of bytes that the uids and names of two groups need in a row of a pair table."""
    if not memberships.n_groups:
        return 0
    n_characters = sum(map(len, memberships.group_uids)) + sum(map(len, memberships.group_names))
    # A column of strings also stores an offset of 8 bytes for each string, so the uid and the name of a group need 16
    # additional bytes.
    return 2 * (16 + n_characters // memberships.n_groups)


def iter_common_pairs(matrix: MembershipMatrix, method: Method | None = None) -> Iterator[GroupPairs]:
    """
    Iterate over blocks of pairs of groups that have at least one common customer.

    The pairs are sorted by group codes. All pairs with the same first group are in the same block. Pairs without
    common customers are never stored, so the memory is proportional to the number of memberships, plus the memory of
    a block. `method` selects the counting method, as in `pair_counts`.
    """
    if matrix.n_groups <= _MAX_TABLE_GROUPS:
        counters = _count_all_pairs(matrix, method)
        n_rows = max(_MAX_BLOCK_PAIRS // max(matrix.n_groups, 1), 1)
        for first in range(0, matrix.n_groups, n_rows):
            yield _pairs_of_counters(counters[first : first + n_rows], first, 0)
        return
    customers = _GroupsByCustomer.from_matrix(matrix)
    first = 0
    while first < matrix.n_groups:
        last = customers.last_group(first, _MAX_BLOCK_PAIRS)
        n_rows = max(_MAX_BLOCK_COUNTERS // (matrix.n_groups - first), 1)
        if last - first > n_rows:
            yield _pairs_of_keys(customers, first, last)
        else:
            last = min(first + n_rows, matrix.n_groups)
            yield _pairs_of_counters(_count_block(matrix, customers, first, last, method), first, first)
        first = last


def pair_counts(memberships: Memberships, method: Method | None = None) -> IntArray:
    """
    Count the common customers of each pair of groups.

    The diagonal of the result contains the group sizes. `method` selects the counting method for data in memory. If
    `method` is None, each block of customers is counted with the method that is estimated to be faster.
    """
    if isinstance(memberships, EngineMemberships):
        a, b, n_both = memberships.common_pairs()
        counts = np.zeros((memberships.n_groups, memberships.n_groups), dtype=np.int64)
        counts[a, b] = counts[b, a] = n_both
    else:
        upper = _count_all_pairs(memberships, method)
        counts = upper.astype(np.int64)
        counts += upper.T
    np.fill_diagonal(counts, memberships.sizes)
    return counts


def _count_all_pairs(matrix: MembershipMatrix, method: Method | None) -> Int32Array:
    """Count the common customers of each pair a < b of groups. The other values of the square array are 0."""
    upper = np.zeros((matrix.n_groups, matrix.n_groups), dtype=np.int32)
    for block in _iter_blocks([matrix.row(group) for group in range(matrix.n_groups)], matrix.n_customers):
        degree = np.bincount(block.customer, minlength=block.n_customers)
        block_method = method or _faster_method(block, degree)
        if block_method == "pairs":
            _count_pairs(upper, block, degree)
        else:
            _count_bits(upper, block)
    np.fill_diagonal(upper, 0)
    return upper


@dataclass(frozen=True, eq=False, slots=True)
class _Block:
    """
    The memberships of a block of customers. The customers in the block are numbered from 0.

    The memberships are sorted by group. Group g has `sizes[g]` memberships.
    """

    customer: npt.NDArray[np.uint16]
    sizes: IntArray
    n_customers: int


def _iter_blocks(rows: list[Int32Array], n_customers: int) -> Iterator[_Block]:
    """Divide the memberships into blocks of customers. `rows` contains the customer codes of each group."""
    # The number of customers in a block is limited so that the bits of all groups need at most 32 MB.
    most = min(_MAX_BLOCK_CUSTOMERS, max(_MAX_BLOCK_BITS // max(len(rows), 1), 64))
    n_blocks = max(1, -(-n_customers // most), -(-sum(map(len, rows)) // _MAX_BLOCK_MEMBERSHIPS))
    borders = np.linspace(0, n_customers, n_blocks + 1).astype(np.int32)
    cuts = np.array([np.searchsorted(members, borders) for members in rows]).reshape(len(rows), len(borders))
    for number, (first, last) in enumerate(pairwise(borders.tolist())):
        starts, ends = cuts[:, number], cuts[:, number + 1]
        parts = [members[a:b] for members, a, b in zip(rows, starts, ends, strict=True)]
        if parts:
            yield _Block((np.concatenate(parts) - first).astype(np.uint16), ends - starts, last - first)


def _faster_method(block: _Block, degree: IntArray) -> Method:
    """
    Return the counting method that is estimated to be faster for a block.

    The constants of the estimate are times in nanoseconds, which were measured on one machine.
    """
    n_groups = len(block.sizes)
    pairs = 14 * len(block.customer) + 1.2 * float(np.square(degree).sum())
    bits = 6 * len(block.customer) + 0.55 * n_groups**2 * block.n_customers / 64
    return "pairs" if pairs <= bits else "bits"


def _count_pairs(upper: Int32Array, block: _Block, degree: IntArray) -> None:
    """
    Add each customer's pairs of groups to the counts in `upper`.

    This method is fast if most customers are in few groups.
    """
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


def _count_bits(counters: Int32Array, block: _Block) -> None:
    """
    Count the common customers of each pair of groups with bit operations. This method is fast for large groups.

    `counters` has one column per group of the block. Row i belongs to the same group as column i.
    """
    n_rows, n_groups, n_words = len(counters), len(block.sizes), -(-block.n_customers // 64)
    bits = np.zeros((n_groups, n_words), dtype=np.uint64)
    for group, members in enumerate(np.split(block.customer, np.cumsum(block.sizes)[:-1])):
        row = np.zeros(n_words * 64, dtype=np.bool_)
        row[members] = True
        bits[group] = np.packbits(row).view(np.uint64)
    for start in range(0, n_words, _CHUNK_WORDS):
        words = bits[:, start : start + _CHUNK_WORDS].copy()
        for group in range(n_rows):
            counters[group, group:] += np.bitwise_count(words[group:] & words[group]).sum(axis=1, dtype=np.uint16)


@dataclass(frozen=True, eq=False, slots=True)
class _GroupsByCustomer:
    """
    The groups of each customer, sorted by customer code and group code.

    Membership m is one group of one customer. This group forms `n_pairs[m]` pairs with the customer's later groups,
    and the first of these later groups is `groups[start[m]]`. `pairs_before[g]` is the number of pairs whose first
    group is before group g.
    """

    n_groups: int
    indptr: IntArray
    groups: Int32Array
    start: IntArray
    n_pairs: Int32Array
    pairs_before: IntArray

    @classmethod
    def from_matrix(cls, matrix: MembershipMatrix) -> _GroupsByCustomer:
        """Sort the memberships of a matrix by customer."""
        order = np.argsort(matrix.indices, kind="stable")
        start = np.empty(len(order), dtype=np.int64)
        start[order] = np.arange(1, len(order) + 1)
        ends = np.cumsum(np.bincount(matrix.indices, minlength=matrix.n_customers))
        n_pairs = (ends.take(matrix.indices) - start).astype(np.int32)
        totals = np.concatenate([[0], np.cumsum(n_pairs, dtype=np.int64)])
        return cls(
            matrix.n_groups,
            matrix.indptr,
            matrix.group_code.take(order),
            start,
            n_pairs,
            totals.take(matrix.indptr),
        )

    def last_group(self, first: int, n_pairs: int) -> int:
        """
        Return the exclusive end of the longest range of groups that starts at `first` and is limited by `n_pairs`.

        At most `n_pairs` pairs have their first group in the range.
        """
        return int(np.searchsorted(self.pairs_before, self.pairs_before[first] + n_pairs, side="right")) - 1

    def iter_keys(self, first: int, last: int) -> Iterator[IntArray]:
        """
        Iterate over arrays of keys that contain the key of each pair of groups once per common customer.

        The first group of each pair is in the range from `first` to `last`, excluding `last`. The key of groups a and
        b is (a - first) * (n_groups - first) + b - first. Each array has at most _MAX_BLOCK_PAIRS keys, unless a
        single membership has more pairs.
        """
        at, end = int(self.indptr[first]), int(self.indptr[last])
        group = np.repeat(np.arange(last - first), np.diff(self.indptr[first : last + 1]))
        row_start = group * (self.n_groups - first) - first
        until = np.cumsum(self.n_pairs[at:end], dtype=np.int64)
        done = 0
        while done < len(until):
            before = int(until[done - 1]) if done else 0
            stop = max(int(np.searchsorted(until, before + _MAX_BLOCK_PAIRS, side="right")), done + 1)
            n_pairs = self.n_pairs[at + done : at + stop]
            # The second groups of a membership's pairs are adjacent in `groups`, beginning at the position in
            # `start`.
            shift = self.start[at + done : at + stop] - (until[done:stop] - n_pairs - before)
            positions = np.arange(until[stop - 1] - before)
            positions += np.repeat(shift, n_pairs)
            keys = np.repeat(row_start[done:stop], n_pairs)
            keys += self.groups.take(positions)
            yield keys
            done = stop


def _pairs_of_keys(customers: _GroupsByCustomer, first: int, last: int) -> GroupPairs:
    """Count the common customers of pairs whose first group is in a range, by sorting. This is fast for few pairs."""
    parts = [np.empty(0, dtype=np.int64), *customers.iter_keys(first, last)]
    keys, n_both = np.unique(np.concatenate(parts), return_counts=True)
    a, b = np.divmod(keys, customers.n_groups - first)
    return GroupPairs(a + first, b + first, n_both.astype(np.int64))


def _count_block(
    matrix: MembershipMatrix, customers: _GroupsByCustomer, first: int, last: int, method: Method | None
) -> Int32Array:
    """
    Count the common customers of pairs whose first group is in a range, with one counter per pair.

    The result has a row for each group in the range, and a column for each group from `first` to the last group of
    the matrix. The constants of the estimate are times in nanoseconds, which were measured on one machine.
    """
    n_rows, n_columns = last - first, matrix.n_groups - first
    counters = np.zeros((n_rows, n_columns), dtype=np.int32)
    n_memberships = int(matrix.indptr[-1] - matrix.indptr[first])
    n_pairs = int(customers.pairs_before[last] - customers.pairs_before[first])
    bits = 6 * n_memberships + 0.55 * n_rows * n_columns * matrix.n_customers / 64
    if method == "bits" or (method is None and bits < _NANOSECONDS_PER_PAIR * n_pairs):
        for block in _iter_blocks([matrix.row(group) for group in range(first, matrix.n_groups)], matrix.n_customers):
            _count_bits(counters, block)
        counters[np.arange(n_rows), np.arange(n_rows)] = 0
        return counters
    flat = counters.reshape(-1)
    for keys in customers.iter_keys(first, last):
        np.add.at(flat, keys, np.int32(1))
    return counters


def _pairs_of_counters(counters: Int32Array, first_row: int, first_column: int) -> GroupPairs:
    """
    Return the pairs whose counter is above 0.

    The first row belongs to group `first_row`, and the first column belongs to group `first_column`.
    """
    a, b = np.nonzero(counters)
    return GroupPairs(a + first_row, b + first_column, counters[a, b].astype(np.int64))
