"""Who joined and who left which group between two snapshots."""

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
    Every membership that is in one of two snapshots and not in the other.

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

    >>> early = pd.DataFrame({"customer_group_uid": ["vip", "vip"], "customer_uid": ["c-1", "c-2"]})
    >>> late = pd.DataFrame({"customer_group_uid": ["vip", "vip"], "customer_uid": ["c-2", "c-3"]})
    >>> membership_changes(early, late)
      customer_group_uid customer_uid  change  still_seen
    0                vip          c-1    left       False
    1                vip          c-3  joined        True
    """
    both = SnapshotComparison.of(old, new)
    found = _Differences.of(both)
    in_new = np.zeros(len(both.customers), dtype=np.bool_)
    in_new[both.new.customer[both.new.matrix.indices]] = True
    return pd.DataFrame(
        {
            "customer_group_uid": both.groups.take(found.group).array,
            "customer_uid": both.customers.take(found.customer).array,
            "change": pd.array(np.where(found.joined, "joined", "left"), dtype="str"),
            "still_seen": in_new[found.customer],
        }
    )


def group_changes(old: Any, new: Any) -> pd.DataFrame:
    """
    How each group grew and shrank between two snapshots, groups without a change too, in uid order.

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

    >>> snapshot = sample_snapshot()
    >>> early = snapshot.memberships[:-1]
    >>> changes = group_changes(early, snapshot)
    >>> changes[["customer_group_uid", "n_old", "n_joined", "n_left", "n_new", "growth_rate", "status"]]
      customer_group_uid  n_old  n_joined  n_left  n_new  growth_rate status
    0                all    250         0       0    250          0.0   kept
    1              staff      1         0       0      1          0.0   kept
    2                vip      1         1       0      2          1.0   kept
    """
    both = SnapshotComparison.of(old, new)
    found = _Differences.of(both)
    n_old, n_new = _sizes(both.old, both), _sizes(both.new, both)
    n_joined = _counts(found.group[found.joined], both)
    n_left = _counts(found.group[~found.joined], both)
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = np.where(n_old > 0, (n_joined - n_left) / n_old, np.nan)
        churn = np.where(n_old > 0, n_left / n_old, np.nan)
    return pd.DataFrame(
        {
            "customer_group_uid": both.groups.array,
            "name": both.names.array,
            "n_old": n_old,
            "n_joined": n_joined,
            "n_left": n_left,
            "n_new": n_new,
            "net": n_joined - n_left,
            "growth_rate": growth,
            "churn_rate": churn,
            "status": pd.array(_status(both), dtype="str"),
            "renamed_from": pd.array(_renamed_from(both), dtype="str"),
            "verdict": both.verdicts.array,
        }
    )


@dataclass(frozen=True, eq=False)
class _Differences:
    """The memberships that are in one of the two and not in the other, by group and customer."""

    group: IntArray
    customer: IntArray
    joined: BoolArray

    @classmethod
    def of(cls, both: SnapshotComparison) -> _Differences:
        width = max(len(both.customers), 1)

        def keys(side: Side) -> IntArray:
            return side.group[side.matrix.group_code] * width + side.customer[side.matrix.indices]

        # The side stands in the last bit, so one sort puts a kept membership's two keys next to each other. Both
        # sides rise already: a stable sort finds these two runs and merges them.
        marked = np.concatenate([keys(both.old) * 2, keys(both.new) * 2 + 1])
        marked.sort(kind="stable")
        kept = marked[1:] >> 1 == marked[:-1] >> 1
        changed = marked[~(np.append(kept, False) | np.append(False, kept))[: len(marked)]]
        group, customer = np.divmod(changed >> 1, width)
        return cls(group, customer, changed % 2 == 1)


def _sizes(side: Side, both: SnapshotComparison) -> IntArray:
    sizes = np.zeros(len(both.groups), dtype=np.int64)
    sizes[side.group] = side.matrix.sizes
    return sizes


def _counts(groups: IntArray, both: SnapshotComparison) -> IntArray:
    return np.bincount(groups, minlength=len(both.groups)).astype(np.int64)


def _status(both: SnapshotComparison) -> StringArray:
    status = np.full(len(both.groups), "new", dtype="U7")
    status[both.old.group] = "deleted"
    status[np.intersect1d(both.old.group, both.new.group)] = "kept"
    return status


def _renamed_from(both: SnapshotComparison) -> npt.NDArray[np.object_]:
    newer = both.names.to_numpy(dtype=object)
    older = newer.copy()
    if both.old.named and both.new.named:
        older[both.old.group] = both.old.matrix.group_names
    return np.where(older == newer, "", older)
