"""Count the members of each campaign, and the members who get a larger discount from another campaign."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from frgroups.analysis.register import REGISTER, has_ended, has_started, key_column
from frgroups.engines.memberships import collect_memberships
from frgroups.errors import InputError
from frgroups.internals.formatting import agree, format_list, pluralize
from frgroups.internals.timestamps import parse_timestamp
from frgroups.internals.typing import FloatArray, Int32Array, IntArray
from frgroups.internals.validation import check_columns, check_type
from frgroups.snapshot.group_references import find_quoted_group
from frgroups.snapshot.membership_matrix import MembershipMatrix, check_uids
from frgroups.snapshot.schema import coerce_schema

_NOT_RUNNING = "not_running"  # Key in `DataFrame.attrs` for the names of the omitted campaigns.


def campaign_reach(data: Any, campaigns: pd.DataFrame, *, at: datetime | str | None = None) -> pd.DataFrame:
    """
    Count the members of each campaign, and the members who get a larger discount from another campaign.

    A customer who is in the groups of several campaigns is assumed to use the largest discount. The members who get a
    larger discount from another campaign are called shadowed. The column n_effective is an upper bound of the number
    of customers who benefit from a campaign. The API does not report other conditions of a campaign, such
    as products, stores, or a minimum amount.

    Parameters
    ----------
    data
        A Snapshot, or a table of memberships with the columns customer_group_uid and customer_uid. The table can be a
        pandas DataFrame, or a table of pyarrow, Polars, DuckDB, Narwhals, or Spark.
    campaigns
        A DataFrame with one row per campaign and group, such as the result of `read_register`. It needs the columns
        customer_group_uid (or group, which contains a uid or a unique name) and discount_percent. The columns
        campaign_uid, name, valid_from, and valid_to are optional. Rows without a discount are ignored.
    at
        The time at which a campaign must be running to be included. The default is `taken_at` of the snapshot, or
        the current time if `data` is a table.

    Returns
    -------
    DataFrame
        One row per running campaign, sorted by discount (largest first), campaign_uid, and customer_group_uid:

        - campaign_uid, customer_group_uid (`str`)
        - name (`str`): the name of the campaign, or the name of the group if the campaign has no name
        - discount_percent (`float64`)
        - n_members (`int64`): the members of the group, which is n_shadowed + n_effective
        - n_shadowed (`int64`): the members who get a larger discount from another campaign
        - n_effective (`int64`): the members who do not get a larger discount
        - shadowed_by (`str`): the campaign_uid of the campaign that shadows members of this campaign. If several
          campaigns shadow members, the campaign with the largest discount is used. If the shadowing campaign has no
          campaign_uid, the value is the uid of its group. The value is missing if n_shadowed is 0.

        Campaigns with the same discount do not shadow each other. `attrs["not_running"]` contains the names of the
        campaigns that are omitted because they have ended or not started at the time `at`.

    Raises
    ------
    InputError
        If a column is missing, a discount is not between 0 and 100, or `at` is not a valid timestamp.
    GroupNotFoundError
        If the group of a running campaign does not exist.

    See Also
    --------
    read_register : Read the campaign of each group from a file.

    Examples
    --------
    >>> campaigns = pd.DataFrame({"customer_group_uid": ["all", "vip"], "discount_percent": [5, 20]})
    >>> reach = campaign_reach(sample_snapshot(), campaigns)
    >>> reach[["name", "n_members", "n_shadowed", "n_effective", "shadowed_by"]]
              name  n_members  n_shadowed  n_effective shadowed_by
    0          VIP          2           0            2         NaN
    1  All members        250           2          248         vip
    """
    matrix = collect_memberships(data)
    time = parse_timestamp(at or getattr(data, "taken_at", None) or datetime.now(UTC))
    table = _campaigns_by_discount(matrix, campaigns, time)
    members = [matrix.member_codes(uid) for uid in table["customer_group_uid"]]
    discount = table["discount_percent"].to_numpy()
    n_shadowed, best_rows = _count_shadowed(members, discount, matrix.n_customers)
    uids = table["campaign_uid"].fillna(table["customer_group_uid"])
    n_members = np.array([len(customers) for customers in members], dtype=np.int64)
    result = table.assign(
        n_members=n_members,
        n_shadowed=n_shadowed,
        n_effective=n_members - n_shadowed,
        shadowed_by=pd.Series([uids[row] if row >= 0 else None for row in best_rows], dtype="str"),
    )
    result.attrs = table.attrs
    return result


def describe_not_running(table: pd.DataFrame) -> str:
    """
    Return a sentence that lists the campaigns omitted from a `campaign_reach` result, or "" if none are omitted.

    Examples
    --------
    >>> ended = pd.DataFrame({"group": ["VIP"], "discount_percent": [5], "valid_to": ["2020-12-31"]})
    >>> describe_not_running(campaign_reach(sample_snapshot(), ended))
    '1 campaign is not running and is omitted: VIP.'
    """
    names = table.attrs.get(_NOT_RUNNING, [])
    if not names:
        return ""
    verb = agree(len(names), "is", "are")
    return f"{pluralize(len(names), 'campaign')} {verb} not running and {verb} omitted: {format_list(names, 10)}."


def _campaigns_by_discount(matrix: MembershipMatrix, campaigns: pd.DataFrame, at: datetime) -> pd.DataFrame:
    """
    Return a table of the campaigns that are running at a given time, sorted by decreasing discount.

    The table contains the uid of each campaign's group. The attrs of the table contain the names of the campaigns
    that are not running.
    """
    check_type(campaigns, pd.DataFrame, "campaigns")
    check_columns(campaigns.columns, ["discount_percent"], "campaigns")
    key = key_column(campaigns)
    uids_or_names = check_uids(campaigns, key, "campaigns").reset_index(drop=True)
    rows = coerce_schema(campaigns, {"name": "str", **REGISTER})
    is_campaign = rows["discount_percent"].notna()
    is_running = is_campaign & has_started(rows, at) & ~has_ended(rows, at)
    not_running = [
        text if pd.isna(name) else name
        for name, text in zip(
            rows["name"][is_campaign & ~is_running], uids_or_names[is_campaign & ~is_running], strict=True
        )
    ]
    rows = rows[is_running]
    invalid = rows.loc[~rows["discount_percent"].between(0, 100), "discount_percent"]
    if len(invalid):
        raise InputError(f"`campaigns` must have discounts between 0 and 100 percent, got {invalid.iloc[0]:g}.")
    in_uid_column = key == "customer_group_uid"
    group = [
        matrix.code_of_uid(find_quoted_group(matrix, text, in_uid_column=in_uid_column))
        for text in uids_or_names[is_running]
    ]
    table = pd.DataFrame(
        {
            "campaign_uid": rows["campaign_uid"],
            "customer_group_uid": matrix.group_uids.take(group).array,
            "name": rows["name"].fillna(pd.Series(matrix.group_names.take(group), index=rows.index, dtype="str")),
            "discount_percent": rows["discount_percent"],
        }
    )
    order = ["discount_percent", "campaign_uid", "customer_group_uid"]
    table = table.sort_values(order, ascending=[False, True, True], ignore_index=True)
    table.attrs[_NOT_RUNNING] = [matrix.names_by_uid.get(text, text) for text in not_running]
    return table


def _count_shadowed(members: list[Int32Array], discount: FloatArray, n_customers: int) -> tuple[IntArray, IntArray]:
    """
    Count the members of each campaign who get a larger discount from another campaign, and find that campaign.

    The campaigns must be sorted by decreasing discount. The function returns two arrays with one value per campaign.
    The first array contains the number of members who get a larger discount from another campaign. The second array
    contains the row number of the campaign from which these members get the largest discount. The row number is -1 if
    no member gets a larger discount.
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
