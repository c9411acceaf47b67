"""Create snapshots from pandas tables."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.base_urls import checked_base_url
from frgroups.internals.formatting import agree, format_list, pluralize
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
    Create a Snapshot from pandas tables.

    Use this function to analyze memberships that do not come from the API. Every non-empty string is a valid uid. The
    rows of all tables can be in any order. Additional columns of `groups`, `customers`, and `consents` are preserved.

    Parameters
    ----------
    memberships : DataFrame
        One row per membership, with the columns customer_group_uid and customer_uid. Repeated rows are ignored.
    groups : DataFrame, optional
        One row per group, with the column customer_group_uid and optionally name, created_at, and last_modified_at.
        It must contain every group of `memberships`, and it can contain groups without members. If None, the groups
        of `memberships` are used. A group without a name gets its uid as its name.
    customers : DataFrame, optional
        One row per customer, with the column customer_uid and any attributes. Customers that are missing from this
        table get missing values. Customers that are missing from `memberships` do not belong to any group.
    consents : DataFrame, optional
        One row per consent of a customer, with the columns customer_uid, consent_uid, name, status, source, and
        created_at.
    tenant_uid : str
        Uid of the tenant.
    taken_at : datetime or str
        Time of the data. A time without a time zone is interpreted as UTC.
    base_url : str, optional
        Base URL of the API of the tenant, or the name of an environment, such as "stage". Without it, plans that are
        created from the snapshot can be reviewed but not applied.

    Returns
    -------
    Snapshot
        Snapshot with the verdict "unverifiable", because the tables were not read from the API.

    Raises
    ------
    InputError
        A column is missing or has the wrong type, a uid is missing or empty, `groups` or `customers` contains a uid
        more than once, `groups` lacks a group of `memberships`, or `base_url` is not a valid URL.

    See Also
    --------
    load_snapshot : Load a snapshot from the API.
    sample_snapshot : Create a small synthetic snapshot.

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
    if base_url is not None:
        base_url = checked_base_url(base_url)
    group_uids = check_uids(memberships, "customer_group_uid", "memberships")
    customer_uids = check_uids(memberships, "customer_uid", "memberships")
    group_table = _complete_table(groups, "customer_group_uid", "groups", group_uids)
    unknown = sorted(set(group_uids.unique()) - set(group_table["customer_group_uid"]))
    if unknown:
        raise InputError(
            f"`groups` must contain every group in `memberships`. {pluralize(len(unknown), 'group')} "
            f"{agree(len(unknown), 'is', 'are')} missing: {format_list(unknown, 5)}."
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
    """
    Create a Snapshot from a membership matrix and the tables of its groups and customers.

    The rows of `groups` and `customers` must be in the same order as the uids in the matrix.
    """
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
    Return the table of groups or customers, sorted by uid.

    If `frame` is None, the table contains only the column `key` with the unique `uids`. If the table contains
    customers, a row with missing values is added for each uid that is in `uids` but not in `frame`.
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
    """Return the table `Snapshot.reads` for a snapshot that was created from tables."""
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
    Return a small synthetic snapshot for examples and tests.

    The snapshot contains 251 customers and three groups: "All members" (250 customers), "Staff" (1), and "VIP" (2).

    Parameters
    ----------
    taken_at : datetime or str, optional
        Time of the snapshot. If None, it is the start of the current hour, so that the snapshot is recent enough to
        create a plan.

    Returns
    -------
    Snapshot
        The synthetic snapshot of the tenant "t-1", with attributes and consents of its customers.

    See Also
    --------
    snapshot_from_frames : Create a snapshot from your own tables.

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
