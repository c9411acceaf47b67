"""from_frames.py."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd

from frgroups.errors import InputError
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
    A Snapshot of tables that you already have, for analysis or for a plan from another source.

    Any non-empty text is a uid here. Rows may come in any order and more than once. Groups that are only in
    `groups` have no member; customers that are only in `customers` are in no group. Without `base_url` plans
    made from it can be reviewed, not applied.

    Raises
    ------
    InputError
        A column is missing, a uid is not text (a number column has lost its leading zeros), is empty or
        missing, a group or customer stands twice, or a membership names a group that `groups` lacks.

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
    known_groups = _table(groups, "customer_group_uid", "groups", group_uids)
    if groups is not None and (unknown := set(group_uids.unique()) - set(known_groups["customer_group_uid"])):
        raise InputError(
            f"{len(unknown)} groups have members but no row in groups: {', '.join(sorted(unknown)[:5])}."
        )
    named = known_groups.get("name", pd.Series(None, index=known_groups.index, dtype="str"))
    named = as_str(named.fillna(known_groups["customer_group_uid"]), "groups['name']")
    known_groups = known_groups.assign(name=named)
    customer_facts = _table(customers, "customer_uid", "customers", customer_uids)
    moment = parse_timestamp(taken_at)
    codes = MembershipMatrix.from_uids(
        group_uids,
        customer_uids,
        all_groups=known_groups["customer_group_uid"],
        group_names=known_groups["name"],
        all_customers=customer_facts["customer_uid"],
    )
    return snapshot_from_matrix(
        codes, known_groups, customer_facts, consents, tenant_uid=tenant_uid, taken_at=moment, base_url=base_url
    )


def snapshot_from_matrix(
    codes: MembershipMatrix,
    groups: pd.DataFrame,
    customers: pd.DataFrame,
    consents: pd.DataFrame | None,
    *,
    tenant_uid: str,
    taken_at: datetime,
    base_url: str | None,
) -> Snapshot:
    """A Snapshot that was not read from a tenant, of codes and of tables in their order."""
    return Snapshot(
        groups=coerce_schema(groups, GROUPS),
        customers=coerce_schema(customers, CUSTOMERS),
        consents=coerce_schema(consents, CONSENTS),
        reads=_unproved(codes),
        matrix=codes,
        tenant_uid=tenant_uid,
        taken_at=taken_at,
        read_until=taken_at,
        verdict="unverifiable",
        base_url=base_url,
    )


def _table(frame: pd.DataFrame | None, key: str, what: str, seen: pd.Series) -> pd.DataFrame:
    """The given table, or one of just the uids, with a row for each uid seen, in uid order."""
    uids = pd.DataFrame({key: pd.Series(seen.unique(), dtype="str")})
    if frame is not None:
        own = frame.assign(**{key: check_uids(frame, key, what)})
        if own[key].duplicated().any():
            twice = own.loc[own[key].duplicated(), key].iloc[0]
            raise InputError(f"{what} has {twice!r} more than once; each uid may stand there once.")
        unseen = uids[~uids[key].isin(own[key])]
        if what == "customers" and len(unseen):
            own = own.assign(
                **{str(name): make_nullable(own[name]) for name in own.select_dtypes(["bool", "integer"])}
            )
            own = pd.concat([own, unseen], ignore_index=True)
        uids = own
    return uids.sort_values(key, ignore_index=True)


def _unproved(codes: MembershipMatrix) -> pd.DataFrame:
    rows = np.bincount(codes.group_code, minlength=codes.n_groups)
    return coerce_schema(
        pd.DataFrame(
            {
                "customer_group_uid": codes.group_uids,
                "how": "given",
                "evidence": "none",
                "verdict": "unverifiable",
                "pages": 0,
                "n_rows": rows,
                "total_first": rows,
                "total_last": rows,
                "rereads": 0,
                "seconds": 0.0,
                "note": "",
            }
        ),
        READS,
    )


def sample_snapshot(taken_at: datetime | str | None = None) -> Snapshot:
    """
    A small made-up snapshot that needs no tenant: three groups, 251 customers; for examples and tests.

    It was taken at the start of this hour unless `taken_at` says otherwise, so that it is young enough to plan on.

    >>> sample_snapshot().groups[["customer_group_uid", "name"]].to_dict("list")
    {'customer_group_uid': ['all', 'staff', 'vip'], 'name': ['All members', 'Staff', 'VIP']}
    """
    memberships = [("all", f"c-{n}") for n in range(1, 251)]
    memberships += [("vip", "c-1"), ("vip", "c-2"), ("staff", "c-251")]
    uids = [f"c-{n}" for n in range(1, 252)]
    customers = pd.DataFrame(
        {
            "customer_uid": uids,
            "external_id": [f"{n:04d}" for n in range(1, 252)],
            "customer_type": ["B2B" if n % 25 == 0 else "PERSON" for n in range(1, 252)],
            "country_code": [("NO", "SE", "DK", "FI")[n % 4] for n in range(1, 252)],
            "credit_limit": [500_000 if n % 25 == 0 else 0 for n in range(1, 252)],
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
