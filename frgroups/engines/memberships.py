"""
Count memberships in a query engine.

Each method uses the same Narwhals expressions for all engines. Only the counts leave the engine, so the number of
collected rows does not depend on the number of customers.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from frgroups.engines.frames import (
    CUSTOMER,
    GROUP,
    as_narwhals,
    collect,
    count_true,
    distinct,
    import_narwhals,
    integers,
    is_engine_frame,
    read_memberships,
    read_snapshot_key,
    sort_groups,
)
from frgroups.engines.removed_snapshots import explain_removed_snapshots
from frgroups.internals.typing import IndexArray, IntArray
from frgroups.internals.validation import check_unique_column
from frgroups.snapshot.membership_matrix import MembershipMatrix, as_membership_matrix

if TYPE_CHECKING:
    from narwhals.stable.v2 import LazyFrame

_CODE = "group_code"
# The groups of a customer are stored as the bits of integers, with 62 groups per integer.
# The sum of the powers of two up to 2**61 fits into a signed 64-bit integer.
_BITS = 62


class GroupTable(NamedTuple):
    """The groups, sorted by uid. `ranks` contains the position of each uid in the engine's sort order, from 1."""

    uids: pd.Index
    sizes: IntArray
    ranks: IntArray


class MemberCounts(NamedTuple):
    """
    The groups, sorted by uid, with their numbers of members, and the total number of customers.

    An exclusive member of a group is in no other group.
    """

    group_uids: pd.Index
    n_members: IntArray
    n_exclusive: IntArray
    n_customers: int


class EngineMemberships:
    """
    Memberships in a frame of a query engine, with the attributes that the analysis functions need.

    The attributes have the same names and values as those of MembershipMatrix, except that `n_customers` does not
    include customers who are in none of the selected groups. Because a frame does not contain group names, the uids
    are used as names. The first access to an attribute evaluates the frame in the engine.

    Parameters
    ----------
    frame
        The columns customer_group_uid and customer_uid, as returned by `read_memberships`.
    groups
        The groups in the frame. None computes the groups when they are needed.
    """

    def __init__(self, frame: LazyFrame[Any], groups: GroupTable | None = None) -> None:
        self._nw = import_narwhals()
        self._frame = frame
        if groups is not None:
            self._groups = groups

    @property
    def group_uids(self) -> pd.Index:
        """Sorted uids of the groups."""
        return self._groups.uids

    @property
    def group_names(self) -> pd.Index:
        """Name of each group. A table of memberships contains no names, so the uids are used."""
        return self._groups.uids

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return len(self._groups.uids)

    @property
    def sizes(self) -> IntArray:
        """Number of members of each group."""
        return self._groups.sizes

    @cached_property
    @explain_removed_snapshots()
    def n_customers(self) -> int:
        """Number of customers in at least one of the groups."""
        nw = self._nw
        return int(integers(collect(distinct(self._frame, CUSTOMER).select(n=nw.len())), "n")[0])

    @explain_removed_snapshots()
    def select(self, groups: Iterable[str] | None) -> EngineMemberships:
        """Return the memberships in the given groups. See `MembershipMatrix.select` for `groups` and the errors."""
        if groups is None:
            return self
        nw = self._nw
        chosen = MembershipMatrix.without_members(self.group_uids, self.group_names).select(groups).group_uids
        at = self.group_uids.get_indexer(chosen)
        table = GroupTable(chosen, self.sizes[at], self._groups.ranks[at])
        return EngineMemberships(self._frame.filter(nw.col(GROUP).is_in(chosen.tolist())), table)

    @explain_removed_snapshots()
    def count_members(self) -> MemberCounts:
        """Count the members and the exclusive members of each group. One row per group is collected."""
        nw = self._nw
        # Each customer is counted only in the first of the customer's groups, so the sum of these counts is the
        # number of customers.
        # A customer is in a single group if the first and the last group are equal.
        # This is also correct if rows are repeated.
        customers = self._frame.group_by(CUSTOMER).agg(
            nw.col(GROUP).min().alias("first_group"), nw.col(GROUP).max().alias("last_group")
        )
        is_exclusive = nw.col("first_group") == nw.col("last_group")
        first_groups = customers.group_by("first_group").agg(
            count_true(is_exclusive).alias("n_exclusive"), nw.len().alias("n_first")
        )
        table = collect(self._sizes().join(first_groups, left_on=GROUP, right_on="first_group", how="left"))
        uids, order = sort_groups(table)
        n_first, n_members, n_exclusive = (
            integers(table, name)[order] for name in ("n_first", "n_members", "n_exclusive")
        )
        return MemberCounts(uids, n_members, n_exclusive, int(n_first.sum()))

    @explain_removed_snapshots()
    def count_degrees(self) -> tuple[IntArray, IntArray]:
        """Count the customers by their number of groups. Return the sorted numbers of groups, and the counts."""
        nw = self._nw
        customers = distinct(self._frame, GROUP, CUSTOMER).group_by(CUSTOMER).agg(nw.len().alias("n_groups"))
        table = collect(customers.group_by("n_groups").agg(nw.len().alias("n_customers")))
        n_groups, n_customers = integers(table, "n_groups"), integers(table, "n_customers")
        order = np.argsort(n_groups)
        return n_groups[order], n_customers[order]

    @explain_removed_snapshots()
    def common_pairs(
        self, min_both: int = 1, max_pairs: int | None = None
    ) -> tuple[IndexArray, IndexArray, IntArray]:
        """
        Return the pairs of groups a < b with at least `min_both` common customers, and the number of these customers.

        The pairs consist of positions in `group_uids` and are sorted. At most `max_pairs` pairs are collected.
        """
        pairs = self._pairs(min_both)
        table = collect(pairs if max_pairs is None else pairs.head(max_pairs))
        codes = np.array([self._positions[integers(table, name) - 1] for name in ("code_a", "code_b")])
        a, b = codes.min(axis=0), codes.max(axis=0)
        order = np.lexsort((b, a))
        return a[order], b[order], integers(table, "n_both")[order]

    @explain_removed_snapshots()
    def count_common_pairs(self, min_both: int = 1) -> int:
        """Return the number of pairs of groups with at least `min_both` common customers."""
        nw = self._nw
        return int(integers(collect(self._pairs(min_both).select(n=nw.len())), "n")[0])

    @explain_removed_snapshots()
    def count_regions(self, max_regions: int) -> tuple[IntArray, IntArray, IntArray]:
        """
        Count the customers in each region. At most `max_regions` regions are collected.

        A region consists of all customers who are in exactly the same groups.

        Returns
        -------
        tuple
            The fields `n`, `indptr`, and `groups` of `RegionCounts`. The groups are positions in `group_uids`.
        """
        nw = self._nw
        if not self.n_groups:
            return np.empty(0, dtype=np.int64), np.zeros(1, dtype=np.int64), np.empty(0, dtype=np.int64)
        words = [f"word_{word}" for word in range(-(-self.n_groups // _BITS))]
        place = nw.col(_CODE) - 1
        # The powers of two are exact in floating-point arithmetic, so they can be cast to integers.
        bit = (nw.lit(2.0) ** (place % _BITS)).cast(nw.Int64)
        masks = self._codes().with_columns(
            nw.when(place // _BITS == word).then(bit).otherwise(nw.lit(0, nw.Int64)).alias(name)
            for word, name in enumerate(words)
        )
        customers = (
            distinct(self._frame, GROUP, CUSTOMER)
            .join(masks, on=GROUP)
            .group_by(CUSTOMER)
            .agg(nw.col(name).sum().cast(nw.Int64) for name in words)
        )
        table = collect(customers.group_by(*words).agg(nw.len().alias("n")).head(max_regions))
        parts = [_set_bits(integers(table, name), first=word * _BITS) for word, name in enumerate(words)]
        regions, bits = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        groups = self._positions[bits]
        order = np.lexsort((groups, regions))
        starts = np.concatenate([[0], np.cumsum(np.bincount(regions, minlength=table.num_rows))])
        return integers(table, "n"), starts.astype(np.int64), groups[order].astype(np.int64)

    @cached_property
    @explain_removed_snapshots()
    def _groups(self) -> GroupTable:
        table = collect(self._add_codes(self._sizes()))
        uids, order = sort_groups(table)
        return GroupTable(uids, integers(table, "n_members")[order], integers(table, _CODE)[order])

    @cached_property
    def _positions(self) -> IntArray:
        """For each group in the engine's sort order, the position of the group in `group_uids`."""
        return np.argsort(self._groups.ranks)

    def _sizes(self) -> LazyFrame[Any]:
        nw = self._nw
        return distinct(self._frame, GROUP, CUSTOMER).group_by(GROUP).agg(nw.len().alias("n_members"))

    def _codes(self) -> LazyFrame[Any]:
        """Return the uid and the integer code of each group."""
        return self._add_codes(distinct(self._frame, GROUP))

    def _add_codes(self, groups: LazyFrame[Any]) -> LazyFrame[Any]:
        """Add an integer code to each row of a frame of groups. The codes start at 1, in the engine's sort order."""
        nw = self._nw
        # All rows have the same partition, because Spark logs a warning for each window without a partition.
        code = nw.col(GROUP).rank("dense").over("partition").cast(nw.Int64).alias(_CODE)
        return groups.with_columns(nw.lit(1).alias("partition")).with_columns(code).drop("partition")

    def _pairs(self, min_both: int) -> LazyFrame[Any]:
        nw = self._nw
        # Grouping by integer codes is faster than grouping by uids.
        coded = distinct(self._frame.join(self._codes(), on=GROUP), CUSTOMER, _CODE)
        # The two frames of the self-join have different column names, because Spark cannot distinguish equal names.
        left = coded.rename({_CODE: "code_a"})
        right = coded.rename({_CODE: "code_b", CUSTOMER: "same_customer"})
        common = left.join(right, left_on=CUSTOMER, right_on="same_customer")
        pairs = common.filter(nw.col("code_a") < nw.col("code_b")).group_by("code_a", "code_b")
        counts = pairs.agg(nw.len().alias("n_both"))
        return counts.filter(nw.col("n_both") >= min_both) if min_both > 1 else counts


Memberships = MembershipMatrix | EngineMemberships


def as_memberships(data: Any) -> Memberships:
    """
    Return the memberships of a Snapshot, of a table in memory, or of a frame of a query engine.

    The result is an EngineMemberships object for a frame, and a MembershipMatrix for all other data.
    """
    if is_engine_frame(data):
        return EngineMemberships(read_memberships(data))
    return as_membership_matrix(data)


@explain_removed_snapshots()
def collect_memberships(data: Any, name: str = "data") -> MembershipMatrix:
    """
    Return the memberships of a Snapshot, of a table in memory, or of a frame of a query engine.

    The uids in a frame are read into memory. See `as_membership_matrix` for the supported tables and the errors.
    """
    if is_engine_frame(data):
        read_snapshot_key(data, name)
        frame = as_narwhals(data)
        # Other columns, for example those of a scan, are not needed.
        # `as_membership_matrix` raises the error about missing columns.
        columns = [column for column in (GROUP, CUSTOMER) if column in frame.columns]
        for column in columns:
            check_unique_column(frame.columns, column, name)
        data = frame.select(*columns).to_native() if columns else data
    return as_membership_matrix(data, name)


def _set_bits(words: IntArray, first: int) -> tuple[IndexArray, IndexArray]:
    """
    Return the row and the bit number of each bit that is set in an array of integers.

    The bits are numbered from `first`, starting with the lowest bit.
    """
    rows, bits = np.nonzero((words[:, None] >> np.arange(_BITS)) & 1)
    return rows, bits + first
