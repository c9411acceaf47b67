"""Create snapshots from tables."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.formatting import format_list, pluralize
from frgroups.internals.timestamps import parse_timestamp
from frgroups.internals.validation import check_text
from frgroups.snapshot.membership_matrix import MembershipMatrix, as_str, check_uids
from frgroups.snapshot.schema import CONSENTS, CUSTOMERS, GROUPS, READS, coerce_schema, make_nullable
from frgroups.snapshot.snapshot import Snapshot


def snapshot_from_frames(
    memberships: pd.DataFrame,
    groups: pd.DataFrame | None = None,
    customers: pd.DataFrame | None = None,
    consents: pd.DataFrame | None = None,
    *,
    tenant_uid: str,
    taken_at: datetime | str,
    base_url: str | None = None,
) -> Snapshot:
    """
    Create a Snapshot from tables, for analysis or for a plan from another source.

    Every non-empty string is a valid uid. Rows can be in any order and repeated. Groups that are only in `groups`
    have no members; customers that are only in `customers` are in no group. Without `base_url`, plans from the
    snapshot can be reviewed but not applied.

    Raises
    ------
    InputError
        A column is missing, a uid is not text (a number column has lost its leading zeros), is empty or
        missing, a group or customer stands twice, or a membership names a group that `groups` lacks.

    Examples
    --------
    >>> import pandas as pd
    >>> memberships = pd.DataFrame({"customer_group_uid": ["vip", "vip"], "customer_uid": ["c-2", "c-1"]})
    >>> snapshot_from_frames(memberships, tenant_uid="t-1", taken_at="2026-11-23T08:10Z")
    <Snapshot of t-1 at 2026-11-23 08:10: 1 groups, 2 customers, 2 memberships>
    """
    for value, name in ((tenant_uid, "tenant_uid"), (base_url, "base_url")):
        if isinstance(value, str):
            check_text(value, name)
    group_uids = check_uids(memberships, "customer_group_uid", "memberships")
    customer_uids = check_uids(memberships, "customer_uid", "memberships")
    group_table = _complete_table(groups, "customer_group_uid", "groups", group_uids)
    unknown = sorted(set(group_uids.unique()) - set(group_table["customer_group_uid"]))
    if unknown:
        raise InputError(
            f"`groups` must contain every group that has members. It lacks {pluralize(len(unknown), 'group')}: "
            f"{format_list(unknown, 5)}."
        )
    names = group_table.get("name", pd.Series(None, index=group_table.index, dtype="str"))
    names = as_str(names.fillna(group_table["customer_group_uid"]), "groups['name']")
    group_table = group_table.assign(name=names)
    customer_table = _complete_table(customers, "customer_uid", "customers", customer_uids)
    matrix = MembershipMatrix.from_uids(
        group_uids,
        customer_uids,
        all_groups=group_table["customer_group_uid"],
        group_names=group_table["name"],
        all_customers=customer_table["customer_uid"],
    )
    return snapshot_from_matrix(
        matrix,
        group_table,
        customer_table,
        consents,
        tenant_uid=tenant_uid,
        taken_at=parse_timestamp(taken_at),
        base_url=base_url,
    )


def snapshot_from_matrix(
    matrix: MembershipMatrix,
    groups: pd.DataFrame,
    customers: pd.DataFrame,
    consents: pd.DataFrame | None,
    *,
    tenant_uid: str,
    taken_at: datetime,
    base_url: str | None,
) -> Snapshot:
    """Create a Snapshot from a matrix and from tables in the order of its groups and customers."""
    return Snapshot(
        groups=coerce_schema(groups, GROUPS),
        customers=coerce_schema(customers, CUSTOMERS),
        consents=coerce_schema(consents, CONSENTS),
        reads=_given_reads(matrix),
        matrix=matrix,
        tenant_uid=tenant_uid,
        taken_at=taken_at,
        read_until=taken_at,
        verdict="unverifiable",
        base_url=base_url,
    )


def _complete_table(frame: pd.DataFrame | None, key: str, what: str, uids: pd.Series) -> pd.DataFrame:
    """
    Return a table of groups or customers in uid order.

    Without `frame`, it contains only the uids. Customers that `frame` lacks are added with missing values.
    """
    uid_table = pd.DataFrame({key: pd.Series(uids.unique(), dtype="str")})
    if frame is None:
        return uid_table.sort_values(key, ignore_index=True)
    table = frame.assign(**{key: check_uids(frame, key, what)})
    is_repeated = table[key].duplicated()
    if is_repeated.any():
        repeated = table.loc[is_repeated, key].iloc[0]
        raise InputError(f"`{what}` contains the uid {repeated!r} more than once. Keep one row per uid.")
    missing = uid_table[~uid_table[key].isin(table[key])]
    if what == "customers" and len(missing):
        columns = table.select_dtypes(["bool", "integer"])
        table = table.assign(**{str(name): make_nullable(table[name]) for name in columns})
        table = pd.concat([table, missing], ignore_index=True)
    return table.sort_values(key, ignore_index=True)


def _given_reads(matrix: MembershipMatrix) -> pd.DataFrame:
    """Return the `reads` table of a snapshot that was not read from a tenant."""
    n_rows = matrix.sizes
    return coerce_schema(
        pd.DataFrame(
            {
                "customer_group_uid": matrix.group_uids,
                "how": "given",
                "evidence": "none",
                "verdict": "unverifiable",
                "pages": 0,
                "n_rows": n_rows,
                "total_first": n_rows,
                "total_last": n_rows,
                "rereads": 0,
                "seconds": 0.0,
                "note": "",
            }
        ),
        READS,
    )


def sample_snapshot(taken_at: datetime | str | None = None) -> Snapshot:
    """
    Return a small snapshot with three groups and 251 invented customers, for examples and tests.

    By default, it was taken at the start of the current hour, so that it is recent enough for a plan.

    Examples
    --------
    >>> sample_snapshot().groups[["customer_group_uid", "name"]].to_dict("list")
    {'customer_group_uid': ['all', 'staff', 'vip'], 'name': ['All members', 'Staff', 'VIP']}
    """
    memberships = [("all", f"c-{n}") for n in range(1, 251)]
    memberships += [("vip", "c-1"), ("vip", "c-2"), ("staff", "c-251")]
    uids = [f"c-{n}" for n in range(1, 252)]
    is_company = np.arange(1, 252) % 25 == 0
    customers = pd.DataFrame(
        {
            "customer_uid": uids,
            "external_id": [f"{n:04d}" for n in range(1, 252)],
            "customer_type": np.where(is_company, "B2B", "PERSON"),
            "country_code": [("NO", "SE", "DK", "FI")[n % 4] for n in range(1, 252)],
            "credit_limit": np.where(is_company, 500_000, 0),
            "has_email": [n % 5 > 0 for n in range(1, 252)],
            "has_mobile": [n % 3 > 0 for n in range(1, 252)],
        }
    )
    consents = pd.DataFrame(
        {
            "customer_uid": uids[:200],
            "consent_uid": "newsletter",
            "name": "Newsletter",
            "status": [n % 4 > 0 for n in range(200)],
            "source": "POS",
            "created_at": pd.Timestamp("2026-01-05", tz="UTC"),
        }
    )
    return snapshot_from_frames(
        pd.DataFrame(memberships, columns=["customer_group_uid", "customer_uid"]),
        pd.DataFrame({"customer_group_uid": ["all", "staff", "vip"], "name": ["All members", "Staff", "VIP"]}),
        customers,
        consents,
        tenant_uid="t-1",
        taken_at=taken_at or datetime.now(UTC).replace(minute=0, second=0, microsecond=0),
    )
