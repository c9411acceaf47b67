"""The Snapshot class: groups, customers and memberships of a tenant at one time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property

import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.formatting import agree, format_list, format_utc, pluralize
from frgroups.internals.html import Card
from frgroups.snapshot.membership_matrix import MembershipMatrix
from frgroups.snapshot.universe import check_universe
from frgroups.snapshot.verdicts import Verdict

MAX_NAMED_GROUPS = 3  # Number of groups that a sentence names.
# If fewer rows than this share of the total were read, a change during the load is not a plausible reason.
MIN_COMPLETENESS = 0.95
_TOO_INCOMPLETE = (
    "The snapshot is too incomplete for analysis. Load it again. If the problem persists, the server returns wrong "
    "members or wrong counts for these groups."
)
_REFRESH = "The snapshot can be used for analysis. Read the changed groups again before you create a plan."


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

    Examples
    --------
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
    matrix: MembershipMatrix = field(repr=False)
    tenant_uid: str
    taken_at: datetime
    read_until: datetime
    verdict: Verdict
    base_url: str | None = None
    universe: int | None = None

    def __post_init__(self) -> None:
        for name, timestamp in (("taken_at", self.taken_at), ("read_until", self.read_until)):
            if timestamp.tzinfo is None:
                raise InputError(f"`{name}` must have a time zone, for example 2026-11-23T08:10Z. It is {timestamp}.")
        if not self.tenant_uid:
            raise InputError("`tenant_uid` must not be empty.")
        if len(self.groups) != self.matrix.n_groups or len(self.customers) != self.matrix.n_customers:
            raise InputError(
                f"The tables contain {pluralize(len(self.groups), 'group')} and "
                f"{pluralize(len(self.customers), 'customer')}, but the membership matrix contains "
                f"{pluralize(self.matrix.n_groups, 'group')} and {pluralize(self.matrix.n_customers, 'customer')}."
            )
        if self.universe is not None:
            check_universe(self.universe, self.matrix.n_customers)

    @property
    def memberships(self) -> pd.DataFrame:
        """One row per membership: customer_group_uid, customer_uid (both `str`), in that order."""
        # A new frame over the same columns: writing into it does not reach the next reader.
        return self._memberships.copy(deep=False)

    @cached_property
    def _memberships(self) -> pd.DataFrame:
        return self.matrix.frame()

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

        Examples
        --------
        >>> sample_snapshot("2026-11-23T08:10Z").with_universe(1_240_000)
        <Snapshot of t-1 at 2026-11-23 08:10: 3 groups, 251 of 1,240,000 customers, 253 memberships>
        """
        return replace(self, universe=check_universe(universe, self.matrix.n_customers))

    def group_uid(self, group: str) -> str:
        """
        Return the uid of the group with this uid or unique name.

        Examples
        --------
        >>> sample_snapshot().group_uid("VIP")
        'vip'
        """
        return self.matrix.group_uid(group)

    def group_name(self, group: str) -> str:
        """Return the name of the group with this uid or unique name."""
        return str(self.matrix.group_names[self.matrix.group_code_of(group)])

    def __getitem__(self, group: str) -> pd.Index:
        """Return the sorted customer uids of the group with this uid or unique name."""
        return pd.Index(self.matrix.members(group), dtype="str", name="customer_uid")

    def __contains__(self, group: object) -> bool:
        """Return True if a group has this uid or unique name."""
        try:
            return isinstance(group, str) and self.group_uid(group) is not None
        except InputError:
            return False

    def _ipython_key_completions_(self) -> list[str]:
        return [*self.groups["name"].drop_duplicates(keep=False), *self.groups["customer_group_uid"]]

    def __repr__(self) -> str:
        return (
            f"<Snapshot of {self.tenant_uid} at {self.taken_at.astimezone(UTC):%Y-%m-%d %H:%M}: "
            f"{len(self.groups):,} groups, {self._customer_count()} customers, {len(self.matrix):,} memberships>"
        )

    def _repr_html_(self) -> str:
        return Card(
            f"Snapshot of {self.tenant_uid}",
            {
                "Taken": format_utc(self.taken_at),
                "Host": self.base_url or "none (created from tables)",
                "Groups": f"{len(self.groups):,}",
                "Customers": self._customer_count(),
                "Memberships": f"{len(self.matrix):,}",
                "Verdict": self._describe_verdict(),
            },
        ).html()

    def describe(self) -> str:
        """
        Return a sentence about the reliability of this snapshot and its share of the universe, if that is known.

        If groups changed while they were read, use `refresh_groups` to read them again.
        """
        if self.universe is None:
            return self._describe_verdict()
        return (
            f"{self._describe_verdict()} {self._customer_count()} customers are in the snapshot. The others do not "
            "belong to any group."
        )

    def _customer_count(self) -> str:
        if self.universe is None:
            return f"{len(self.customers):,}"
        return f"{len(self.customers):,} of {self.universe:,}"

    def _describe_verdict(self) -> str:
        if len(self.reads) and (self.reads["how"] == "given").all():
            return "The snapshot was created from tables and not read from a tenant."
        uids = dict(list(self.reads.groupby("verdict")["customer_group_uid"]))
        incomplete = self._incomplete_groups()
        drifted, unverifiable = uids.get("drifted", ()), uids.get("unverifiable", ())
        n_verified, n_groups = len(uids.get("consistent", ())), len(self.reads)
        sentences = [
            f"{n_verified:,} of {pluralize(n_groups, 'group')} {agree(n_groups, 'is', 'are')} verified as complete."
        ]
        for uid, n, total in incomplete[:MAX_NAMED_GROUPS]:
            sentences.append(f"Only {n:,} of {total:,} members of {self.group_name(uid)} were read.")
        if incomplete:
            return " ".join([*sentences, _TOO_INCOMPLETE])
        if len(drifted):
            were_read = agree(len(drifted), "it was", "they were")
            sentences.append(f"{self._list_names(drifted)} changed while {were_read} read.")
        if len(unverifiable):
            sentences.append(f"The members of {self._list_names(unverifiable)} could not be verified.")
        elif self.verdict == "unverifiable":
            sentences.append("The list of groups could not be verified as complete.")
        if len(drifted):
            sentences.append(_REFRESH)
        return " ".join(sentences)

    def _incomplete_groups(self) -> list[tuple[str, int, int]]:
        """Return uid, number of rows and smallest total of the groups of which too few rows were read."""
        drifted = self.reads[self.reads["verdict"] == "drifted"]
        rows = zip(
            drifted["customer_group_uid"],
            drifted["n_rows"],
            drifted[["total_first", "total_last"]].min(axis=1),
            strict=True,
        )
        return [(uid, n, total) for uid, n, total in rows if n < MIN_COMPLETENESS * total]

    def _list_names(self, uids: Sequence[str] | pd.Series) -> str:
        """Return the names of the first groups and the number of the others, as an enumeration."""
        return format_list([self.group_name(uid) for uid in uids], MAX_NAMED_GROUPS)
