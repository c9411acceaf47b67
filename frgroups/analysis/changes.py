"""Changes of memberships and groups between two snapshots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from frgroups.analysis.snapshot_comparison import Side, SnapshotComparison
from frgroups.internals.typing import BoolArray, IntArray, StringArray


def membership_changes(old: Any, new: Any) -> pd.DataFrame:
    """
    Return the memberships that are in only one of two snapshots.

    The API dates no membership: whoever joined and left again between the two is not seen. Where a group drifted
    while it was read, a row may tell of the reading instead of the customer: `group_changes` says of which groups.

    Parameters
    ----------
    old, new
        Two Snapshots of one tenant, the older first; or frames of memberships (customer_group_uid,
        customer_uid), or such tables that speak Arrow, of which nobody can tell which is older.

    Returns
    -------
    DataFrame
        One row per change, in uid order: customer_group_uid, customer_uid (`str`); change (`str`, "joined"
        or "left"); still_seen (`bool`): whether `new` has the customer in any group at all. Where it is
        False the customer left the last group, was deleted or was merged; the API cannot say which.

    Raises
    ------
    InputError
        The two are of different tenants or hosts, or `old` was taken after `new`.

    Examples
    --------
    >>> early = pd.DataFrame({"customer_group_uid": ["vip", "vip"], "customer_uid": ["c-1", "c-2"]})
    >>> late = pd.DataFrame({"customer_group_uid": ["vip", "vip"], "customer_uid": ["c-2", "c-3"]})
    >>> membership_changes(early, late)
      customer_group_uid customer_uid  change  still_seen
    0                vip          c-1    left       False
    1                vip          c-3  joined        True
    """
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
    Return the growth and the losses of each group between two snapshots.

    Parameters
    ----------
    old, new
        As in `membership_changes`.

    Returns
    -------
    DataFrame
        One row per group of either: customer_group_uid, name (`str`, the newer name); n_old, n_joined,
        n_left, n_new, net (`int64`, customers; n_old + n_joined - n_left = n_new, net = n_joined - n_left);
        growth_rate = net / n_old and churn_rate = n_left / n_old (`float64`, for the whole time between the
        two, NaN where n_old is 0); status (`str`): "kept", "new" or "deleted"; renamed_from (`str`): the older
        name where it was another one, else ""; verdict (`str`): how sure the row is, which is the less sure of
        the two readings of the group, "consistent", "unverifiable" (tables always are) or "drifted". A group
        that stands in one list of groups and not in the other is as sure as the snapshot that lacks it.

    Raises
    ------
    InputError
        The two are of different tenants or hosts, or `old` was taken after `new`.

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
    comparison = SnapshotComparison.from_data(old, new)
    differences = _Differences.from_comparison(comparison)
    n_old, n_new = _group_sizes(comparison.old, comparison), _group_sizes(comparison.new, comparison)
    n_joined = _count_per_group(differences.group[differences.joined], comparison)
    n_left = _count_per_group(differences.group[~differences.joined], comparison)
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = np.where(n_old > 0, (n_joined - n_left) / n_old, np.nan)
        churn = np.where(n_old > 0, n_left / n_old, np.nan)
    return pd.DataFrame(
        {
            "customer_group_uid": comparison.groups.array,
            "name": comparison.names.array,
            "n_old": n_old,
            "n_joined": n_joined,
            "n_left": n_left,
            "n_new": n_new,
            "net": n_joined - n_left,
            "growth_rate": growth,
            "churn_rate": churn,
            "status": pd.array(_group_status(comparison), dtype="str"),
            "renamed_from": pd.array(_renamed_from(comparison), dtype="str"),
            "verdict": comparison.verdicts.array,
        }
    )


@dataclass(frozen=True, eq=False)
class _Differences:
    """The memberships that are in only one of two snapshots, sorted by group and customer."""

    group: IntArray
    customer: IntArray
    joined: BoolArray

    @classmethod
    def from_comparison(cls, comparison: SnapshotComparison) -> _Differences:
        """Return the differences of two snapshots."""
        width = max(len(comparison.customers), 1)

        def keys(side: Side) -> IntArray:
            return side.group[side.matrix.group_code] * width + side.customer[side.matrix.indices]

        # The last bit of a key is the side. After sorting, the two keys of an unchanged membership are neighbors.
        # Both sides are sorted already, so the stable sort only merges two runs.
        marked = np.concatenate([keys(comparison.old) * 2, keys(comparison.new) * 2 + 1])
        marked.sort(kind="stable")
        equals_next = marked[1:] >> 1 == marked[:-1] >> 1
        is_unchanged = np.append(equals_next, False) | np.append(False, equals_next)
        changed = marked[~is_unchanged[: len(marked)]]
        group, customer = np.divmod(changed >> 1, width)
        return cls(group, customer, changed % 2 == 1)


def _group_sizes(side: Side, comparison: SnapshotComparison) -> IntArray:
    sizes = np.zeros(len(comparison.groups), dtype=np.int64)
    sizes[side.group] = side.matrix.sizes
    return sizes


def _count_per_group(groups: IntArray, comparison: SnapshotComparison) -> IntArray:
    return np.bincount(groups, minlength=len(comparison.groups)).astype(np.int64)


def _group_status(comparison: SnapshotComparison) -> StringArray:
    status = np.full(len(comparison.groups), "new", dtype="U7")
    status[comparison.old.group] = "deleted"
    status[np.intersect1d(comparison.old.group, comparison.new.group)] = "kept"
    return status


def _renamed_from(comparison: SnapshotComparison) -> npt.NDArray[np.object_]:
    newer = comparison.names.to_numpy(dtype=object)
    older = newer.copy()
    if comparison.old.named and comparison.new.named:
        older[comparison.old.group] = comparison.old.matrix.group_names
    return np.where(older == newer, "", older)
