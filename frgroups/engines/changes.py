"""Differences between two frames of memberships, computed in their query engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from frgroups.engines.frames import (
    CUSTOMER,
    GROUP,
    check_same_engine,
    collect,
    count_true,
    distinct,
    import_narwhals,
    integers,
    is_engine_frame,
    read_one_snapshot,
    sort_groups,
)
from frgroups.engines.removed_snapshots import explain_removed_snapshots
from frgroups.internals.typing import IntArray
from frgroups.snapshot.snapshot_columns import check_comparable_keys

if TYPE_CHECKING:
    from narwhals.stable.v2 import LazyFrame


class ChangeCounts(NamedTuple):
    """The groups in two frames, sorted by uid, with the old size, the changes, and the new size of each group."""

    group_uids: pd.Index
    n_old: IntArray
    n_joined: IntArray
    n_left: IntArray
    n_new: IntArray


def should_compare_in_engine(old: Any, new: Any) -> bool:
    """
    Return True if both arguments are frames of a query engine.

    An InputError is raised if the frames belong to different engines.

    Examples
    --------
    >>> should_compare_in_engine(sample_snapshot(), sample_snapshot())
    False
    """
    if not (is_engine_frame(old) and is_engine_frame(new)):
        return False
    check_same_engine(old, new, ("old", "new"))
    return True


@explain_removed_snapshots()
def changed_memberships(old: Any, new: Any) -> Any:
    """
    Return the memberships that are in only one of two frames, as a frame of the same engine.

    The columns are customer_group_uid, customer_uid, change ("joined" or "left"), and still_seen, which is True if
    the customer is in any group of `new`. The order of the rows is not defined.
    """
    nw = import_narwhals()
    before, after = _read_both(old, new)
    sides = [
        _missing_from(before, after).with_columns(nw.lit("joined").alias("change")),
        _missing_from(after, before).with_columns(nw.lit("left").alias("change")),
    ]
    seen = distinct(after, CUSTOMER).select(nw.col(CUSTOMER).alias("seen_customer"), nw.lit(1).alias("is_seen"))
    return (
        nw.concat(sides)
        .join(seen, left_on=CUSTOMER, right_on="seen_customer", how="left")
        .select(GROUP, CUSTOMER, "change", (~nw.col("is_seen").is_null()).alias("still_seen"))
        .to_native()
    )


@explain_removed_snapshots()
def count_changes(old: Any, new: Any) -> ChangeCounts:
    """Count the customers who joined and left each group between two frames. One row per group is collected."""
    nw = import_narwhals()
    # The rows of both frames are grouped together, which also removes repeated rows.
    sides = [
        memberships.with_columns(nw.lit(is_old).alias("in_old"), nw.lit(1 - is_old).alias("in_new"))
        for memberships, is_old in zip(_read_both(old, new), (1, 0), strict=True)
    ]
    compared = nw.concat(sides).group_by(GROUP, CUSTOMER).agg(nw.col("in_old").max(), nw.col("in_new").max())
    in_old, in_new = nw.col("in_old") == 1, nw.col("in_new") == 1
    conditions = {"n_old": in_old, "n_joined": in_new & ~in_old, "n_left": in_old & ~in_new, "n_new": in_new}
    table = collect(
        compared.group_by(GROUP).agg(count_true(condition).alias(name) for name, condition in conditions.items())
    )
    uids, order = sort_groups(table)
    return ChangeCounts(uids, *(integers(table, name)[order] for name in conditions))


def _read_both(old: Any, new: Any) -> tuple[LazyFrame[Any], LazyFrame[Any]]:
    """Return the memberships in two frames. Raise InputError if their snapshots cannot be compared."""
    before, old_key = read_one_snapshot(old, "old")
    after, new_key = read_one_snapshot(new, "new")
    check_comparable_keys(old_key, new_key)
    return before, after


def _missing_from(frame: LazyFrame[Any], other: LazyFrame[Any]) -> LazyFrame[Any]:
    """Return the distinct memberships in `other` that are not in `frame`."""
    return distinct(other.join(frame, on=[GROUP, CUSTOMER], how="anti"), GROUP, CUSTOMER)
