"""Membership changes and group changes between two snapshots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, overload

import numpy as np
import numpy.typing as npt
import pandas as pd

from frgroups.analysis.snapshot_comparison import Side, SnapshotComparison, group_verdicts
from frgroups.engines.changes import changed_memberships, count_changes, should_compare_in_engine
from frgroups.internals.typing import BoolArray, IntArray, StringArray
from frgroups.snapshot.snapshot import Snapshot


@overload
def membership_changes(old: Snapshot | pd.DataFrame, new: Snapshot | pd.DataFrame) -> pd.DataFrame: ...


@overload
def membership_changes(old: Any, new: Any) -> Any: ...


def membership_changes(old: Any, new: Any) -> Any:
    """
    Return the customers who joined or left a group between two snapshots.

    The API does not report when a customer joined a group. Therefore, the result does not contain a customer who
    joined and left between the two snapshots. If a group changed while it was read (verdict "drifted"), some of its
    rows might not be real changes. The function `group_changes` returns the verdict of each group.

    Parameters
    ----------
    old, new
        Two Snapshots of the same tenant, the older one first. Each argument can also be a table of memberships with
        the columns customer_group_uid and customer_uid, as for `group_sizes`. The tenants and the order of tables are
        only checked if the tables have the columns tenant_uid and taken_at. If both arguments are frames of the same
        query engine, the engine compares them. If only one is a frame, it is read into memory.

    Returns
    -------
    DataFrame
        One row per change, sorted by group uid and customer uid. If the engine compares two frames, the result is a
        frame of this engine whose rows have no order, for example a DuckDB relation.

        - customer_group_uid, customer_uid (`str`)
        - change (`str`): "joined" or "left"
        - still_seen (`bool`): True if the customer is in at least one group of `new`. False means that the customer
          left all groups, was deleted, or was merged with another customer. The API does not report which of these
          events happened.

    Raises
    ------
    InputError
        If the snapshots belong to different tenants or hosts, `old` was taken after `new`, or the frames belong to
        different query engines.

    See Also
    --------
    group_changes : Count the changes of each group.
    group_flow : Count the moves of customers between groups.

    Examples
    --------
    >>> early = pd.DataFrame({"customer_group_uid": ["vip", "vip"], "customer_uid": ["c-1", "c-2"]})
    >>> late = pd.DataFrame({"customer_group_uid": ["vip", "vip"], "customer_uid": ["c-2", "c-3"]})
    >>> membership_changes(early, late)
      customer_group_uid customer_uid  change  still_seen
    0                vip          c-1    left       False
    1                vip          c-3  joined        True
    """
    if should_compare_in_engine(old, new):
        return changed_memberships(old, new)
    comparison = SnapshotComparison.from_data(old, new)
    differences = _Differences.from_comparison(comparison)
    in_new = np.zeros(len(comparison.customers), dtype=np.bool_)
    in_new[comparison.new.customer[comparison.new.matrix.indices]] = True
    return pd.DataFrame(
        {
            "customer_group_uid": comparison.groups.take(differences.group).array,
            "customer_uid": comparison.customers.take(differences.customer).array,
            "change": pd.array(np.where(differences.joined, "joined", "left"), dtype="str"),
            "still_seen": in_new[differences.customer],
        }
    )


def group_changes(old: Any, new: Any) -> pd.DataFrame:
    """
    Count the customers who joined and left each group between two snapshots.

    Parameters
    ----------
    old, new
        The older and the newer snapshot, or tables of memberships, as in `membership_changes`.

    Returns
    -------
    DataFrame
        One row per group that is in at least one of the snapshots, sorted by uid:

        - customer_group_uid, name (`str`): the name in `new`, or in `old` if the group was deleted
        - n_old, n_joined, n_left, n_new (`int64`): numbers of customers, where n_old + n_joined - n_left = n_new
        - net (`int64`): n_joined - n_left
        - growth_rate (`float64`): net / n_old, NaN if n_old is 0
        - churn_rate (`float64`): n_left / n_old, NaN if n_old is 0
        - status (`str`): "kept", "new", or "deleted"
        - renamed_from (`str`): the name in `old` if it was different, or ""
        - verdict (`str`): the less reliable of the group's verdicts in the two snapshots. The verdicts in order of
          decreasing reliability are "consistent", "unverifiable", and "drifted". For tables of memberships, the
          verdict is "unverifiable". If a snapshot does not contain the group, the verdict of the complete snapshot is
          used, because this verdict also applies to the list of groups.

        The rates refer to the total time between the two snapshots. They are not annualized.

    Raises
    ------
    InputError
        If the snapshots belong to different tenants or hosts, or `old` was taken after `new`, or if the tables are
        frames of different query engines.

    Examples
    --------
    >>> snapshot = sample_snapshot()
    >>> early = snapshot.memberships[:-1]
    >>> changes = group_changes(early, snapshot)
    >>> changes[["customer_group_uid", "n_old", "n_joined", "n_left", "n_new", "growth_rate", "status"]]
      customer_group_uid  n_old  n_joined  n_left  n_new  growth_rate status
    0                all    250         0       0    250          0.0   kept
    1              staff      1         0       0      1          0.0   kept
    2                vip      1         1       0      2          1.0   kept
    """
    counts = _ChangeCounts.from_data(old, new)
    n_old, net = counts.n_old, counts.n_joined - counts.n_left
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = np.where(n_old > 0, net / n_old, np.nan)
        churn = np.where(n_old > 0, counts.n_left / n_old, np.nan)
    return pd.DataFrame(
        {
            "customer_group_uid": counts.group_uids.array,
            "name": counts.names.array,
            "n_old": n_old,
            "n_joined": counts.n_joined,
            "n_left": counts.n_left,
            "n_new": counts.n_new,
            "net": net,
            "growth_rate": growth,
            "churn_rate": churn,
            "status": counts.status.array,
            "renamed_from": counts.renamed_from.array,
            "verdict": counts.verdicts.array,
        }
    )


@dataclass(frozen=True, eq=False)
class _ChangeCounts:
    """The values of the `group_changes` columns for each group in at least one snapshot, sorted by group uid."""

    group_uids: pd.Index
    names: pd.Index
    n_old: IntArray
    n_joined: IntArray
    n_left: IntArray
    n_new: IntArray
    status: pd.Index
    renamed_from: pd.Index
    verdicts: pd.Index

    @classmethod
    def from_data(cls, old: Any, new: Any) -> Self:
        """Count the changes between two snapshots or tables. Frames of a query engine are compared in the engine."""
        if not should_compare_in_engine(old, new):
            return cls.from_comparison(SnapshotComparison.from_data(old, new))
        uids, n_old, n_joined, n_left, n_new = count_changes(old, new)
        status = np.where(n_old == 0, "new", np.where(n_new == 0, "deleted", "kept"))
        renamed_from = pd.Index([""] * len(uids), dtype="str")
        verdicts = group_verdicts(new, uids)
        return cls(uids, uids, n_old, n_joined, n_left, n_new, pd.Index(status, dtype="str"), renamed_from, verdicts)

    @classmethod
    def from_comparison(cls, comparison: SnapshotComparison) -> Self:
        """Count the changes between two snapshots."""
        differences = _Differences.from_comparison(comparison)
        return cls(
            comparison.groups,
            comparison.names,
            _group_sizes(comparison.old, comparison),
            _count_per_group(differences.group[differences.joined], comparison),
            _count_per_group(differences.group[~differences.joined], comparison),
            _group_sizes(comparison.new, comparison),
            pd.Index(_group_status(comparison), dtype="str"),
            pd.Index(_renamed_from(comparison), dtype="str"),
            comparison.verdicts,
        )


@dataclass(frozen=True, eq=False)
class _Differences:
    """
    The memberships that are in only one of two snapshots, sorted by group and customer.

    `group` and `customer` contain positions in the group index and the customer index of the comparison. `joined` is
    True if the membership is in the newer snapshot.
    """

    group: IntArray
    customer: IntArray
    joined: BoolArray

    @classmethod
    def from_comparison(cls, comparison: SnapshotComparison) -> _Differences:
        """Compute the differences between two snapshots."""
        width = max(len(comparison.customers), 1)

        def keys(side: Side) -> IntArray:
            return side.group[side.matrix.group_code] * width + side.customer[side.matrix.indices]

        # The last bit of a membership key identifies the snapshot.
        # Therefore, the two keys of an unchanged membership are adjacent.
        # The keys of each snapshot are already sorted, so the stable sort only merges two sorted sequences.
        marked = np.concatenate([keys(comparison.old) * 2, keys(comparison.new) * 2 + 1])
        marked.sort(kind="stable")
        equals_next = marked[1:] >> 1 == marked[:-1] >> 1
        is_unchanged = np.append(equals_next, False) | np.append(False, equals_next)
        changed = marked[~is_unchanged[: len(marked)]]
        group, customer = np.divmod(changed >> 1, width)
        return cls(group, customer, changed % 2 == 1)


def _group_sizes(side: Side, comparison: SnapshotComparison) -> IntArray:
    """Return the number of members of each group in one snapshot, or 0 if the group is not in the snapshot."""
    sizes = np.zeros(len(comparison.groups), dtype=np.int64)
    sizes[side.group] = side.matrix.sizes
    return sizes


def _count_per_group(groups: IntArray, comparison: SnapshotComparison) -> IntArray:
    """Count how often each group occurs in an array of integer group codes."""
    return np.bincount(groups, minlength=len(comparison.groups)).astype(np.int64)


def _group_status(comparison: SnapshotComparison) -> StringArray:
    """Return the status of each group: new, deleted, or kept."""
    status = np.full(len(comparison.groups), "new", dtype="U7")
    status[comparison.old.group] = "deleted"
    status[np.intersect1d(comparison.old.group, comparison.new.group)] = "kept"
    return status


def _renamed_from(comparison: SnapshotComparison) -> npt.NDArray[np.object_]:
    """Return the previous name of each renamed group, or "" for a group that was not renamed."""
    newer = comparison.names.to_numpy(dtype=object)
    older = newer.copy()
    if comparison.old.named and comparison.new.named:
        older[comparison.old.group] = comparison.old.matrix.group_names
    return np.where(older == newer, "", older)
