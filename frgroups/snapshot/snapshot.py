"""Who was in which customer group at one moment, as tables; checked when made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from frgroups.advice import FUNCTION, Advice
from frgroups.card import Card
from frgroups.codes import Codes, as_str, check_uids
from frgroups.errors import InputError
from frgroups.human import counted
from frgroups.inputs import must_be_text
from frgroups.tables import CONSENTS, CUSTOMERS, GROUPS, READS, conform, with_room
from frgroups.universe import check_universe

Verdict = Literal["consistent", "drifted", "unverifiable"]

NAMED = 3  # How many groups a sentence names; of more it says how many.
WHOLE = 0.95  # of a list: where less of it came, it is no change in between, and no base for an analysis
_TOO_SHORT = (
    "Too little for any analysis. Load again; if it stays so, the service lists or counts these groups wrongly."
)
_REFRESH = Advice("Fine for analysis; {refresh_groups} before planning.", refresh_groups=FUNCTION)


@dataclass(frozen=True, eq=False, repr=False)
class Snapshot:
    """
    Who was in which customer group of one tenant, and what is known of the customers.

    Made by `load_snapshot`, `read_snapshot` or `snapshot_from_frames`; never changed afterwards.

    Attributes
    ----------
    groups
        One row per group: customer_group_uid, name, created_at, last_modified_at.
    customers
        One row per customer seen: customer_uid and the attributes that were kept.
    consents
        One row per consent of a customer: customer_uid, consent_uid, name, status, source, created_at.
    reads
        One row per group: how it was read and what proves that it is whole.
    verdict
        "consistent" (as far as the evidence in `reads` reaches), "drifted" or "unverifiable".
    taken_at, read_until
        Start and end of the read, in UTC.
    universe
        How many customers the tenant has in all, as told to `with_universe`; None when nobody told.

    >>> snapshot = sample_snapshot("2026-11-23T08:10Z")
    >>> snapshot
    <Snapshot of t-1 at 2026-11-23 08:10: 3 groups, 251 customers, 253 memberships>
    >>> list(snapshot["VIP"])
    ['c-1', 'c-2']
    """

    groups: pd.DataFrame
    customers: pd.DataFrame
    consents: pd.DataFrame
    reads: pd.DataFrame
    codes: Codes = field(repr=False)
    tenant_uid: str
    taken_at: datetime
    read_until: datetime
    verdict: Verdict
    base_url: str | None = None
    universe: int | None = None

    def __post_init__(self) -> None:
        if self.taken_at.tzinfo is None or self.read_until.tzinfo is None:
            raise InputError(f"A snapshot needs moments with a time zone, not {self.taken_at!r}.")
        if not self.tenant_uid:
            raise InputError("A snapshot needs a tenant_uid.")
        if len(self.groups) != self.codes.n_groups or len(self.customers) != self.codes.n_customers:
            raise InputError(
                f"The tables tell {len(self.groups)} groups and {len(self.customers)} customers, "
                f"the memberships {self.codes.n_groups} and {self.codes.n_customers}."
            )
        if self.universe is not None:
            check_universe(self.universe, self.codes.n_customers)

    @property
    def memberships(self) -> pd.DataFrame:
        """One row per membership: customer_group_uid, customer_uid (both `str`), in that order."""
        # A new frame over the same columns: writing into it does not reach the next reader.
        return self._memberships.copy(deep=False)

    @cached_property
    def _memberships(self) -> pd.DataFrame:
        return self.codes.frame()

    def with_universe(self, universe: int) -> Snapshot:
        """
        The same snapshot with the number of customers that the tenant has in all, which no API operation tells.

        Customers in no group cannot be seen, and whether two groups overlap more than by chance depends on how
        many there are. The number is used wherever a function takes `universe` and is not passed another, and
        is kept by `save_snapshot`.

        Raises
        ------
        InputError
            It is not a whole number, or smaller than the number of customers seen.

        >>> sample_snapshot("2026-11-23T08:10Z").with_universe(1_240_000)
        <Snapshot of t-1 at 2026-11-23 08:10: 3 groups, 251 of 1,240,000 customers, 253 memberships>
        """
        return replace(self, universe=check_universe(universe, self.codes.n_customers))

    def group_uid(self, group: str) -> str:
        """
        The uid of the group of this uid or unique name.

        >>> sample_snapshot().group_uid("VIP")
        'vip'
        """
        return self.codes.group_uid(group)

    def group_name(self, group: str) -> str:
        """The name of the group of this uid or unique name."""
        return str(self.codes.group_names[self.codes.group_code_of(group)])

    def __getitem__(self, group: str) -> pd.Index:
        """The customer uids of one group, by uid or unique name, in uid order."""
        return pd.Index(self.codes.members(group), dtype="str", name="customer_uid")

    def __contains__(self, group: object) -> bool:
        """Whether a group has this uid or unique name."""
        try:
            return isinstance(group, str) and self.group_uid(group) is not None
        except InputError:
            return False

    def _ipython_key_completions_(self) -> list[str]:
        return [*self.groups["name"].drop_duplicates(keep=False), *self.groups["customer_group_uid"]]

    def __repr__(self) -> str:
        return (
            f"<Snapshot of {self.tenant_uid} at {self.taken_at.astimezone(UTC):%Y-%m-%d %H:%M}: "
            f"{len(self.groups):,} groups, {self._seen()} customers, {len(self.codes):,} memberships>"
        )

    def _repr_html_(self) -> str:
        return Card(
            f"Snapshot of {self.tenant_uid}",
            {
                "Taken": f"{self.taken_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
                "Host": self.base_url or "none (made from tables)",
                "Groups": f"{len(self.groups):,}",
                "Customers": self._seen(),
                "Memberships": f"{len(self.codes):,}",
                "Verdict": self._proof(),
            },
        ).html()

    def describe(self) -> str:
        """How sure this snapshot is, in a sentence, and how much of the universe it shows, if that was told."""
        if self.universe is None:
            return self._proof()
        return f"{self._proof().rstrip('.')}. {self._seen()} customers were seen, the others are in no group."

    def _seen(self) -> str:
        of_all = "" if self.universe is None else f" of {self.universe:,}"
        return f"{len(self.customers):,}{of_all}"

    def _proof(self) -> str:
        if len(self.reads) and (self.reads["how"] == "given").all():
            return "made from tables, not read from a tenant"
        uids = dict(list(self.reads.groupby("verdict")["customer_group_uid"]))
        short = self._short()
        drifted, unproved = uids.get("drifted", ()), uids.get("unverifiable", ())
        told = [f"{len(uids.get('consistent', ())):,} of {counted(len(self.reads), 'group')} proved"]
        for uid, n, total in short[:NAMED]:
            told.append(f"of {self.group_name(uid)} {n:,} of {total:,} counted came")
        if short:
            return f"{'; '.join(told)}. {_TOO_SHORT}"
        if len(drifted):
            told.append(f"{self._named(drifted)} changed while read")
        if len(unproved):
            told.append(f"for {self._named(unproved)} there was no proof to be had")
        elif self.verdict == "unverifiable":
            told.append("whether these are all groups could not be proved")
        advice = [str(_REFRESH)] if len(drifted) else []
        return " ".join([f"{'; '.join(told)}.", *advice])

    def _short(self) -> list[tuple[str, int, int]]:
        """The groups of which too little came: uid, rows, and the least that was counted."""
        drifted = self.reads[self.reads["verdict"] == "drifted"]
        rows = zip(
            drifted["customer_group_uid"],
            drifted["n_rows"],
            drifted[["total_first", "total_last"]].min(axis=1),
            strict=True,
        )
        return [(uid, n, total) for uid, n, total in rows if n < WHOLE * total]

    def _named(self, uids: Sequence[str] | pd.Series) -> str:
        """A few groups by name, and how many more."""
        names = [self.group_name(uid) for uid in list(uids)[:NAMED]]
        more = [f"{len(uids) - NAMED:,} more"] if len(uids) > NAMED else []
        return " and ".join(filter(None, [", ".join([*names, *more][:-1]), [*names, *more][-1]]))


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
            must_be_text(value, name)
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
    known_customers = _table(customers, "customer_uid", "customers", customer_uids)
    moment = as_moment(taken_at)
    codes = Codes.from_uids(
        group_uids,
        customer_uids,
        all_groups=known_groups["customer_group_uid"],
        group_names=known_groups["name"],
        all_customers=known_customers["customer_uid"],
    )
    return snapshot_from_codes(
        codes, known_groups, known_customers, consents, tenant_uid=tenant_uid, taken_at=moment, base_url=base_url
    )


def snapshot_from_codes(
    codes: Codes,
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
        groups=conform(groups, GROUPS),
        customers=conform(customers, CUSTOMERS),
        consents=conform(consents, CONSENTS),
        reads=_unproved(codes),
        codes=codes,
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
            own = own.assign(**{str(name): with_room(own[name]) for name in own.select_dtypes(["bool", "integer"])})
            own = pd.concat([own, unseen], ignore_index=True)
        uids = own
    return uids.sort_values(key, ignore_index=True)


def _unproved(codes: Codes) -> pd.DataFrame:
    rows = np.bincount(codes.group_code, minlength=codes.n_groups)
    return conform(
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


def as_moment(value: datetime | str) -> datetime:
    """
    A moment in UTC, as which one without a time zone is taken.

    >>> as_moment("2026-11-23 08:10").isoformat()
    '2026-11-23T08:10:00+00:00'
    """
    try:
        moment = pd.Timestamp(value).to_pydatetime(warn=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"{value!r} is not a moment; write it like '2026-11-23T08:10Z'.") from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


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
