"""Reach of campaigns, and the members who get a larger discount from another campaign."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from frgroups.analysis.register import REGISTER, has_ended, has_started, key_column
from frgroups.errors import InputError
from frgroups.internals.timestamps import parse_timestamp
from frgroups.internals.typing import FloatArray, Int32Array, IntArray
from frgroups.internals.validation import check_columns, check_type
from frgroups.snapshot.membership_matrix import MembershipMatrix, as_membership_matrix, check_uids
from frgroups.snapshot.schema import coerce_schema


def campaign_reach(data: Any, campaigns: pd.DataFrame, *, at: datetime | str | None = None) -> pd.DataFrame:
    """
    Count the members of each campaign's group, and those who are also in a group with a larger discount.

    A customer who is in the groups of several campaigns needs only the best: the members that a better campaign
    reaches too are shadowed. `n_effective` is an upper bound of those for whom the campaign makes a difference: the
    API tells neither its other conditions (products, stores, a minimum) nor other campaigns.

    Parameters
    ----------
    data
        A Snapshot, a frame of memberships (customer_group_uid, customer_uid), or such a table that speaks Arrow.
    campaigns
        A row for each campaign and group: customer_group_uid (or group: uid or unique name), discount_percent; and
        as far as known campaign_uid, name, valid_from, valid_to. Or the table of `read_register`. Rows without a
        discount are left out.
    at
        Only campaigns that run then; None is when the snapshot was taken, now for a frame.

    Returns
    -------
    DataFrame
        One row per campaign that runs, the largest discount first, then by campaign_uid and customer_group_uid:
        campaign_uid, customer_group_uid, name (`str`; the campaign's, else the group's); discount_percent
        (`float64`); n_members, n_shadowed, n_effective (`int64`, customers; n_shadowed + n_effective = n_members);
        shadowed_by (`str`): of the campaigns that shadow some of the members, the one with the largest discount,
        equal ones in the order of the rows; its campaign_uid, or the uid of its group where it has none; missing
        where nobody is shadowed. Campaigns of the same discount do not shadow each other.

    Raises
    ------
    InputError
        A column is missing, a discount is not between 0 and 100, or `at` is no moment.
    GroupNotFoundError
        A running campaign's group does not exist.

    Examples
    --------
    >>> campaigns = pd.DataFrame({"customer_group_uid": ["all", "vip"], "discount_percent": [5, 20]})
    >>> reach = campaign_reach(sample_snapshot(), campaigns)
    >>> reach[["name", "n_members", "n_shadowed", "n_effective", "shadowed_by"]]
              name  n_members  n_shadowed  n_effective shadowed_by
    0          VIP          2           0            2         NaN
    1  All members        250           2          248         vip
    """
    matrix = as_membership_matrix(data)
    time = parse_timestamp(at or getattr(data, "taken_at", None) or datetime.now(UTC))
    table = _running_campaigns(matrix, campaigns, time)
    members = [matrix.member_codes(uid) for uid in table["customer_group_uid"]]
    discount = table["discount_percent"].to_numpy()
    n_shadowed, best_rows = _count_shadowed(members, discount, matrix.n_customers)
    uids = table["campaign_uid"].fillna(table["customer_group_uid"])
    n_members = np.array([len(customers) for customers in members], dtype=np.int64)
    return table.assign(
        n_members=n_members,
        n_shadowed=n_shadowed,
        n_effective=n_members - n_shadowed,
        shadowed_by=pd.Series([uids[row] if row >= 0 else None for row in best_rows], dtype="str"),
    )


def _running_campaigns(matrix: MembershipMatrix, campaigns: pd.DataFrame, at: datetime) -> pd.DataFrame:
    """Return the campaigns that run at a time, with the uids of their groups, in the order of the result."""
    check_type(campaigns, pd.DataFrame, "campaigns")
    check_columns(campaigns.columns, ["discount_percent"], "campaigns")
    uids_or_names = check_uids(campaigns, key_column(campaigns), "campaigns").reset_index(drop=True)
    rows = coerce_schema(campaigns, {"name": "str", **REGISTER})
    is_running = rows["discount_percent"].notna() & has_started(rows, at) & ~has_ended(rows, at)
    rows = rows[is_running]
    invalid = rows.loc[~rows["discount_percent"].between(0, 100), "discount_percent"]
    if len(invalid):
        raise InputError(f"campaigns has a discount_percent of {invalid.iloc[0]:g}; it is between 0 and 100.")
    group = [matrix.group_code_of(uid_or_name) for uid_or_name in uids_or_names[is_running]]
    table = pd.DataFrame(
        {
            "campaign_uid": rows["campaign_uid"],
            "customer_group_uid": matrix.group_uids.take(group).array,
            "name": rows["name"].fillna(pd.Series(matrix.group_names.take(group), index=rows.index, dtype="str")),
            "discount_percent": rows["discount_percent"],
        }
    )
    order = ["discount_percent", "campaign_uid", "customer_group_uid"]
    return table.sort_values(order, ascending=[False, True, True], ignore_index=True)


def _count_shadowed(members: list[Int32Array], discount: FloatArray, n_customers: int) -> tuple[IntArray, IntArray]:
    """
    Return for each row the number of members with a larger discount elsewhere, and the first row that gives one.

    The rows are sorted by discount, the largest first. The row of a campaign that shadows no member is -1.
    """
    best_row = np.full(n_customers, len(members), dtype=np.int64)
    for row in reversed(range(len(members))):
        best_row[members[row]] = row
    n_shadowed = np.zeros(len(members), dtype=np.int64)
    shadowing_row = np.full(len(members), -1, dtype=np.int64)
    for row, customers in enumerate(members):
        better = best_row[customers]
        better = better[discount[better] > discount[row]]
        if len(better):
            n_shadowed[row] = len(better)
            shadowing_row[row] = better.min()
    return n_shadowed, shadowing_row
