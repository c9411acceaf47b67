"""Who joined and who left which group between two snapshots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from frgroups.codes import Codes, codes_of
from frgroups.errors import InputError
from frgroups.snapshot import Snapshot

Positions = npt.NDArray[np.int64]


def membership_changes(old: Any, new: Any) -> pd.DataFrame:
    """
    Every membership that is in one of two snapshots and not in the other.

    The API dates no membership: whoever joined and left again between the two is not seen.

    Parameters
    ----------
    old, new
        Two Snapshots of one tenant, the earlier first; or frames of memberships (customer_group_uid,
        customer_uid), or such tables that speak Arrow.

    Returns
    -------
    DataFrame
        One row per change, in uid order: customer_group_uid, customer_uid (`str`); change (`str`, "joined"
        or "left"); still_seen (`bool`): whether `new` has the customer in any group at all. Where it is
        False the customer left the last group, was deleted or was merged; the API cannot say which.

    Raises
    ------
    InputError
        The two are of different tenants or hosts.

    >>> early = pd.DataFrame({"customer_group_uid": ["vip", "vip"], "customer_uid": ["c-1", "c-2"]})
    >>> late = pd.DataFrame({"customer_group_uid": ["vip", "vip"], "customer_uid": ["c-2", "c-3"]})
    >>> membership_changes(early, late)
      customer_group_uid customer_uid  change  still_seen
    0                vip          c-1    left       False
    1                vip          c-3  joined        True
    """
    both = _Both.of(old, new)
    return pd.DataFrame(
        {
            "customer_group_uid": both.groups.take(both.group).array,
            "customer_uid": both.customers.take(both.customer).array,
            "change": pd.array(np.where(both.joined, "joined", "left"), dtype="str"),
            "still_seen": both.in_new[both.customer],
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
        two, NaN where n_old is 0); status (`str`): "kept", "new" or "deleted".

    Raises
    ------
    InputError
        The two are of different tenants or hosts.

    >>> snapshot = sample_snapshot()
    >>> early = snapshot.memberships[:-1]
    >>> changes = group_changes(early, snapshot)
    >>> changes[["customer_group_uid", "n_old", "n_joined", "n_left", "n_new", "growth_rate", "status"]]
      customer_group_uid  n_old  n_joined  n_left  n_new  growth_rate status
    0                all    250         0       0    250          0.0   kept
    1              staff      1         0       0      1          0.0   kept
    2                vip      1         1       0      2          1.0   kept
    """
    both = _Both.of(old, new)
    n_groups = len(both.groups)
    n_joined = np.bincount(both.group[both.joined], minlength=n_groups).astype(np.int64)
    n_left = np.bincount(both.group[~both.joined], minlength=n_groups).astype(np.int64)
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = np.where(both.n_old > 0, (n_joined - n_left) / both.n_old, np.nan)
        churn = np.where(both.n_old > 0, n_left / both.n_old, np.nan)
    return pd.DataFrame(
        {
            "customer_group_uid": both.groups.array,
            "name": both.names.array,
            "n_old": both.n_old,
            "n_joined": n_joined,
            "n_left": n_left,
            "n_new": both.n_new,
            "net": n_joined - n_left,
            "growth_rate": growth,
            "churn_rate": churn,
            "status": pd.array(both.status, dtype="str"),
        }
    )


@dataclass(frozen=True, eq=False)
class _Both:
    """Two snapshots over the groups and customers of either, and the memberships in which they differ."""

    groups: pd.Index
    names: pd.Index
    customers: pd.Index
    n_old: Positions
    n_new: Positions
    status: npt.NDArray[np.str_]
    in_new: npt.NDArray[np.bool_]  # of each customer: in any group of the newer
    group: Positions
    customer: Positions
    joined: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, old: Any, new: Any) -> _Both:
        _same_tenant(old, new)
        before, after = codes_of(old), codes_of(new)
        groups, group_before, group_after = _union(before.group_uids, after.group_uids)
        customers, customer_before, customer_after = _union(before.customer_uids, after.customer_uids)
        width = max(len(customers), 1)

        def keys(codes: Codes, group_of: Positions, customer_of: Positions) -> Positions:
            return group_of[codes.group_code] * width + customer_of[codes.customer_code]

        # The side stands in the last bit, so one sort puts a kept membership's two keys next to each other.
        marked = np.sort(
            np.concatenate(
                [
                    keys(before, group_before, customer_before) * 2,
                    keys(after, group_after, customer_after) * 2 + 1,
                ]
            )
        )
        kept = marked[1:] >> 1 == marked[:-1] >> 1
        changed = marked[~(np.append(kept, False) | np.append(False, kept))[: len(marked)]]
        names = np.empty(len(groups), dtype=object)
        names[group_before] = before.group_names
        names[group_after] = after.group_names
        n_old, n_new = np.zeros(len(groups), dtype=np.int64), np.zeros(len(groups), dtype=np.int64)
        n_old[group_before], n_new[group_after] = before.sizes, after.sizes
        status = np.full(len(groups), "new", dtype="U7")
        status[group_before] = "deleted"
        status[np.intersect1d(group_before, group_after)] = "kept"
        in_new = np.zeros(len(customers), dtype=np.bool_)
        in_new[customer_after[after.customer_code]] = True
        group, customer = np.divmod(changed >> 1, width)
        return cls(
            groups,
            pd.Index(names, dtype="str"),
            customers,
            n_old,
            n_new,
            status,
            in_new,
            group,
            customer,
            changed % 2 == 1,
        )


def _union(old: pd.Index, new: pd.Index) -> tuple[pd.Index, Positions, Positions]:
    """The uids of either in uid order, and where the old and the new ones stand in it."""
    if old.equals(new):
        where = np.arange(len(new), dtype=np.int64)
        return new, where, where
    found = new.get_indexer(old)
    gone = found < 0
    found[gone] = len(new) + np.arange(gone.sum())
    either = new.append(old[gone])
    order = either.argsort()
    rank = np.empty(len(either), dtype=np.int64)
    rank[order] = np.arange(len(either))
    return either.take(order), rank[found], rank[: len(new)]


def _same_tenant(old: Any, new: Any) -> None:
    if not (isinstance(old, Snapshot) and isinstance(new, Snapshot)):
        return
    if old.tenant_uid != new.tenant_uid:
        raise InputError(
            f"The snapshots are of two tenants, {old.tenant_uid} and {new.tenant_uid}; "
            "changes can only be told within one."
        )
    if old.base_url and new.base_url and old.base_url != new.base_url:
        raise InputError(
            f"The snapshots of {old.tenant_uid} are of two hosts, {old.base_url} and {new.base_url}; "
            "changes can only be told within one."
        )
