"""Count group sizes over time in a query engine, from a frame with the memberships of several snapshots."""

from __future__ import annotations

from typing import Any

import pandas as pd

from frgroups.engines.frames import (
    CUSTOMER,
    GROUP,
    TAKEN_AT,
    TENANT,
    as_narwhals,
    collect,
    distinct,
    import_narwhals,
    integers,
    read_columns,
    strings,
)
from frgroups.engines.removed_snapshots import explain_removed_snapshots

_PREVIOUS = "previous_taken_at"


@explain_removed_snapshots()
def has_tenants(data: Any) -> bool:
    """Return True if a frame of a query engine has the column tenant_uid."""
    return TENANT in as_narwhals(data).columns


@explain_removed_snapshots()
def count_members_over_time(data: Any, name: str) -> pd.DataFrame:
    """
    Count the members of each group in each snapshot.

    The function also counts how many of these members were in the group in the tenant's previous snapshot.

    Parameters
    ----------
    data
        Frame with the columns taken_at, customer_group_uid, and customer_uid, and optionally tenant_uid. Repeated
        rows are counted once.
    name
        Name of the argument that contains the frame, for error messages.

    Returns
    -------
    DataFrame
        One row per tenant, snapshot, and group with members, in any order. The columns are tenant_uid, taken_at,
        customer_group_uid, n_members, and n_kept, the number of members who were also in the group in the previous
        snapshot. If the frame has no column tenant_uid, tenant_uid is "".

    Raises
    ------
    InputError
        If a column does not exist, has another type, or has missing values.
    """
    nw = import_narwhals()
    if has_tenants(data):
        frame = read_columns(data, [TENANT, GROUP, CUSTOMER], name, timestamps=[TAKEN_AT])
    else:
        # Without a tenant column, the same value is used in all rows, so that each window has a partition.
        # Spark logs a warning for each window without a partition.
        frame = read_columns(data, [GROUP, CUSTOMER], name, timestamps=[TAKEN_AT]).with_columns(
            nw.lit("").alias(TENANT)
        )
    # A membership is counted in n_kept if the last earlier snapshot that contains the membership is the tenant's
    # previous snapshot.
    # The rows are counted before the timestamps of these two snapshots are compared.
    # With 5M memberships in DuckDB, this needs half as much memory as a join of each snapshot with the previous
    # snapshot, and the same CPU time.
    memberships = distinct(frame, TENANT, TAKEN_AT, GROUP, CUSTOMER)
    seen_before = nw.col(TAKEN_AT).shift(1).over(TENANT, GROUP, CUSTOMER, order_by=TAKEN_AT).alias("seen_before")
    counts = (
        memberships.with_columns(seen_before)
        .group_by(TENANT, TAKEN_AT, GROUP, "seen_before")
        .agg(nw.len().alias("n"))
    )
    snapshots = distinct(frame, TENANT, TAKEN_AT).with_columns(
        nw.col(TAKEN_AT).shift(1).over(TENANT, order_by=TAKEN_AT).alias(_PREVIOUS)
    )
    is_kept = nw.col("seen_before") == nw.col(_PREVIOUS)
    table = collect(
        counts.join(snapshots, on=[TENANT, TAKEN_AT])
        .group_by(TENANT, TAKEN_AT, GROUP)
        .agg(
            nw.col("n").sum().alias("n_members"),
            nw.when(is_kept).then(nw.col("n")).otherwise(0).sum().alias("n_kept"),
        )
    )
    return pd.DataFrame(
        {
            TENANT: strings(table, TENANT),
            TAKEN_AT: pd.to_datetime(table[TAKEN_AT].to_pandas(), utc=True),
            GROUP: strings(table, GROUP),
            "n_members": integers(table, "n_members"),
            "n_kept": integers(table, "n_kept"),
        }
    )
