"""Compare lists of customers in a query engine, such as DuckDB, with the current members of the groups."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from frgroups.engines.frames import (
    CUSTOMER,
    GROUP,
    TENANT,
    as_narwhals,
    collect,
    import_narwhals,
    integers,
    read_one_snapshot,
    sort_groups,
)
from frgroups.engines.upload import upload_table
from frgroups.internals.typing import BoolArray, IntArray

# This pattern matches each character that the API does not accept in a uid.
# The pattern contains no anchors, because the engines interpret ^ and $ in different ways.
_INVALID_CHARACTER = "[^A-Za-z0-9_-]"


class ListSizes(NamedTuple):
    """
    The sizes of the lists of customers. Each attribute has one value per list, sorted by group.

    Attributes
    ----------
    groups
        Group of the list, which is the value in the column customer_group_uid.
    n_rows
        Number of rows in the list.
    n_customers
        Number of distinct customers in the list.
    invalid_uids
        First customer uid in the list that the API does not accept, or None if all uids are valid.
    """

    groups: pd.Index
    n_rows: IntArray
    n_customers: IntArray
    invalid_uids: list[str | None]


class Differences(NamedTuple):
    """
    Differences between the lists and the current members. Each attribute has one value per group and customer.

    The arguments of `MembershipLists.differences` determine which customers are included.

    Attributes
    ----------
    group_code
        Code of the group, from the table `groups` that was passed to `MembershipLists.differences`.
    customer_uids
        Uid of the customer.
    is_listed
        Whether the customer is in the group's list.
    is_member
        Whether the customer is a current member of the group.
    n_rows
        Number of rows of the list that contain the customer, or 0 for customers who are not listed.
    """

    group_code: IntArray
    customer_uids: pa.ChunkedArray
    is_listed: BoolArray
    is_member: BoolArray
    n_rows: IntArray


class MembershipLists:
    """
    Lists of customers in a frame of a query engine, such as a DuckDB relation, with one list per group.

    Parameters
    ----------
    data
        The frame. Each row contains a group and a customer. If the frame has a column tenant_uid, only the rows of
        one tenant are used.
    tenant_uid
        The uid of the tenant whose rows are used.
    name
        Name of the argument that contains the frame, for error messages.
    """

    def __init__(self, data: Any, tenant_uid: str, name: str) -> None:
        self._nw = nw = import_narwhals()
        frame = as_narwhals(data)
        self.has_tenants = TENANT in frame.columns
        if self.has_tenants:
            # If a collation ignores case, this filter also selects the rows of a tenant with a similar uid.
            # Rows without a tenant are selected, too.
            # Therefore, the column tenant_uid is also checked.
            uid = nw.col(TENANT).cast(nw.String)
            frame = frame.filter((uid == tenant_uid) | uid.is_null() | (uid == ""))
        columns = [TENANT, GROUP, CUSTOMER] if self.has_tenants else [GROUP, CUSTOMER]
        memberships, _ = read_one_snapshot(frame, name, columns, can_be_empty=self.has_tenants)
        self._frame = memberships.select(GROUP, CUSTOMER)

    def count(self) -> ListSizes:
        """Count the rows and the customers of each list. One row per list is collected."""
        nw = self._nw
        uid = nw.col(CUSTOMER)
        table = collect(
            self._frame.group_by(GROUP, CUSTOMER)
            .agg(nw.len().alias("n_rows"))
            .with_columns(nw.when(uid.str.contains(_INVALID_CHARACTER)).then(uid).alias("invalid_uid"))
            .group_by(GROUP)
            .agg(
                nw.col("n_rows").sum(),
                nw.len().alias("n_customers"),
                nw.col("invalid_uid").min(),
            )
        )
        groups, order = sort_groups(table)
        invalid_uids = table["invalid_uid"].take(pa.array(order)).to_pylist()
        return ListSizes(
            groups, integers(table, "n_rows")[order], integers(table, "n_customers")[order], invalid_uids
        )

    def differences(
        self, groups: pa.Table, members: pa.Table, known_customers: pa.Array | None = None
    ) -> Differences:
        """
        Collect the differences between the lists and the current members.

        Parameters
        ----------
        groups
            One row per list. The column `customer_group_uid` contains the group's value in the frame, and
            `group_code` contains the code of the group. Three Boolean columns determine which customers are
            collected. `joining` selects the listed customers who are not members, `both` selects the listed customers
            who are members, and `leaving` selects the members who are not listed.
        members
            The current members, with the columns `group_code` and `customer_uid`.
        known_customers
            Uids of the known customers. If they are given, the listed customers who are not known are also collected.
        """
        nw = self._nw
        lists = upload_table(groups, self._frame)
        codes = lists.select(GROUP, nw.col("group_code").alias("code"))
        columns = ["code", CUSTOMER, "n_rows", "in_group"]
        listed = self._frame.join(codes, on=GROUP).with_columns(n_rows=nw.lit(1), in_group=nw.lit(0))
        current = (
            upload_table(members, self._frame)
            .rename({"group_code": "code"})
            .with_columns(n_rows=nw.lit(0), in_group=nw.lit(1))
        )
        # The rows of both frames are grouped together. This is faster than joins and also removes repeated rows.
        compared = (
            nw.concat([listed.select(columns), current.select(columns)])
            .group_by("code", CUSTOMER)
            .agg(nw.col("n_rows").sum(), nw.col("in_group").max())
        )
        is_listed, is_member = nw.col("n_rows") > 0, nw.col("in_group") == 1
        is_collected = (
            (nw.col("joining") & ~is_member)
            | (nw.col("both") & is_listed & is_member)
            | (nw.col("leaving") & ~is_listed)
        )
        compared = compared.join(lists, left_on="code", right_on="group_code")
        if known_customers is not None:
            uids = upload_table(pa.table({"known_uid": known_customers}), self._frame)
            known = uids.with_columns(nw.lit(1).alias("known"))
            compared = compared.join(known, left_on=CUSTOMER, right_on="known_uid", how="left")
            is_collected = is_collected | nw.col("known").is_null()
        table = collect(compared.filter(is_collected).select(columns))
        n_rows, in_group = integers(table, "n_rows"), integers(table, "in_group")
        return Differences(
            integers(table, "code"), table[CUSTOMER].cast(pa.large_string()), n_rows > 0, in_group == 1, n_rows
        )
