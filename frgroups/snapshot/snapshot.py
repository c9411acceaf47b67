"""The Snapshot class, which holds the groups, customers, and memberships of a tenant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import NoReturn

import pandas as pd

from frgroups.errors import InputError, UnsupportedOperationError
from frgroups.internals.formatting import agree, escape_invisible, format_age, format_list, format_utc, pluralize
from frgroups.internals.html import Card, CardLine
from frgroups.snapshot.membership_matrix import MembershipMatrix
from frgroups.snapshot.universe import check_universe
from frgroups.snapshot.verdicts import Verdict, is_contradiction

MAX_NAMED_GROUPS = 3  # A sentence lists at most this many group names.
MAX_LARGEST_GROUPS = 5  # The card lists this number of groups.
# Minimum share of a group's reported members that were read. Changes during the load cannot explain a smaller share.
MIN_COMPLETENESS = 0.95
_TOO_INCOMPLETE = (
    "The snapshot is too incomplete for analysis. Load it again. If the problem persists, the server returns wrong "
    "members or wrong counts for these groups."
)
_REFRESH = "The snapshot can be used for analysis. Read the changed groups again before you create a plan."
_CONTRADICTORY = (
    "The server's responses contradict each other, also after another read. Reading the groups again might not help. "
    "Ask the operator of the server to check whether the server limits the number of members in its responses. Until "
    "then, do not rely on the members of these groups."
)


@dataclass(frozen=True, eq=False, repr=False)
class Snapshot:
    """
    Groups, customers, and memberships of a tenant at one time.

    A snapshot is immutable. Create it with `load_snapshot`, `read_snapshot`, or `snapshot_from_frames`.
    `snapshot["VIP"]` returns the sorted customer uids of a group as an Index, and `"VIP" in snapshot` returns True if
    the group exists. A group can be identified by its uid or by its unique name. If "vip" is the uid of one group and
    the name of another group, write `snapshot['uid:"vip"']` or `snapshot['name:"vip"']`.

    Attributes
    ----------
    groups : DataFrame
        One row per group, in uid order: customer_group_uid, name (`str`), created_at, last_modified_at (UTC).
    customers : DataFrame
        One row per customer, in uid order: customer_uid and the stored attributes, for example external_id,
        customer_type, country_code, has_email.
    consents : DataFrame
        One row per consent of a customer: customer_uid, consent_uid, name, source (`str`), status (`boolean`),
        created_at (UTC).
    reads : DataFrame
        One row per group: how the group was read (`how`), the evidence that all members were read (`evidence`), the
        verdict, and the number of pages, rows, repeated reads, and seconds.
    matrix : MembershipMatrix
        Memberships as integer codes, for internal use. Use `memberships` for a table.
    tenant_uid : str
        Uid of the tenant.
    taken_at, read_until : datetime
        Start and end of the load, in UTC.
    verdict : str
        Reliability of the snapshot: "consistent" (verified as complete), "drifted" (a list changed during the load),
        or "unverifiable" (no evidence was available).
    base_url : str or None
        Base URL of the API that the snapshot was loaded from, or None if it was created from tables.
    universe : int or None
        Total number of customers of the tenant, as passed to `with_universe`, or None if it is not known.
    groups_note : str
        Reason why the list of groups could not be verified as complete, or an empty string.
    from_sandbox : bool
        Whether the snapshot was loaded from a `Sandbox`.

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
    groups_note: str = ""
    from_sandbox: bool = False

    def __post_init__(self) -> None:
        for name, timestamp in (("taken_at", self.taken_at), ("read_until", self.read_until)):
            if timestamp.tzinfo is None:
                raise InputError(f"`{name}` must have a time zone, for example 2026-11-23T08:10Z, got {timestamp}.")
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
        """
        Table of the memberships.

        Returns
        -------
        pandas.DataFrame
            One row per membership, sorted by the columns customer_group_uid and customer_uid. Both have the dtype
            `str`.

        Examples
        --------
        >>> sample_snapshot().memberships.tail(3)
            customer_group_uid customer_uid
        250              staff        c-251
        251                vip          c-1
        252                vip          c-2
        """
        # Return a shallow copy, so that changes by the caller do not affect the cached table.
        return self._memberships.copy(deep=False)

    @cached_property
    def _memberships(self) -> pd.DataFrame:
        return self.matrix.frame()

    def with_universe(self, universe: int) -> Snapshot:
        """
        Return a copy of the snapshot with the total number of customers of the tenant.

        The API does not report the total, because it does not list customers that do not belong to any group. The
        total is required to test whether two groups overlap more than expected by chance. Functions with a parameter
        `universe` use the snapshot's total unless another total is passed. `save_snapshot` stores the total.

        Parameters
        ----------
        universe : int
            Total number of customers of the tenant, including customers that do not belong to any group.

        Returns
        -------
        Snapshot
            Snapshot with the same tables and the attribute `universe`.

        Raises
        ------
        InputError
            `universe` is not an integer, or it is less than the number of customers in the snapshot.

        Examples
        --------
        >>> sample_snapshot("2026-11-23T08:10Z").with_universe(1_240_000)
        <Snapshot of t-1 at 2026-11-23 08:10: 3 groups, 251 of 1,240,000 customers, 253 memberships>
        """
        return replace(self, universe=check_universe(universe, self.matrix.n_customers))

    def group_uid(self, group: str) -> str:
        """
        Return the uid of a group.

        Parameters
        ----------
        group : str
            Uid or unique name of the group. If the string is the uid of one group and the name of another group,
            write ``uid:"vip"`` or ``name:"vip"``.

        Returns
        -------
        str
            Uid of the group.

        Raises
        ------
        GroupNotFoundError
            No group has this uid or name, or several groups have it.

        Examples
        --------
        >>> sample_snapshot().group_uid("VIP")
        'vip'
        """
        return self.matrix.group_uid(group)

    def group_name(self, group: str) -> str:
        """
        Return the name of a group.

        Parameters
        ----------
        group : str
            Uid or unique name of the group.

        Returns
        -------
        str
            Name of the group.

        Raises
        ------
        GroupNotFoundError
            No group has this uid or name, or several groups have it.

        Examples
        --------
        >>> sample_snapshot().group_name("vip")
        'VIP'
        """
        return self.matrix.names_by_uid[self.group_uid(group)]

    def __getitem__(self, group: str) -> pd.Index:
        """Return the sorted customer uids of the group with the given uid or unique name."""
        return pd.Index(self.matrix.members(self.group_uid(group)), dtype="str", name="customer_uid")

    # Without this method, Python would iterate over a Snapshot by calling `__getitem__` with 0.
    def __iter__(self) -> NoReturn:
        raise UnsupportedOperationError(
            "A Snapshot cannot be iterated over.",
            hint="Use snapshot.groups for the table of groups, snapshot.customers for the table of customers, or "
            'snapshot["NAME"] for the members of a group.',
        )

    def __len__(self) -> NoReturn:
        raise UnsupportedOperationError(
            "A Snapshot has no length.",
            hint="Use len(snapshot.groups), len(snapshot.customers), or len(snapshot.memberships).",
        )

    def __bool__(self) -> bool:
        # Without this method, Python would call `__len__`, which raises an error.
        return True

    def __contains__(self, group: object) -> bool:
        """Return True if the given string is the uid or the unique name of a group in the snapshot."""
        try:
            return isinstance(group, str) and self.group_uid(group) is not None
        except InputError:
            return False

    def _ipython_key_completions_(self) -> list[str]:
        return [*self.groups["name"].drop_duplicates(keep=False), *self.groups["customer_group_uid"]]

    def __repr__(self) -> str:
        return escape_invisible(
            f"<Snapshot of {self.tenant_uid} at {self.taken_at.astimezone(UTC):%Y-%m-%d %H:%M}: "
            f"{len(self.groups):,} groups, {self._customer_count()} customers, {len(self.matrix):,} memberships>"
        )

    def _repr_html_(self) -> str:
        return Card(
            f"Snapshot of {self.tenant_uid}",
            {
                "Taken": f"{format_utc(self.taken_at)} ({format_age(datetime.now(UTC) - self.taken_at)} ago)",
                "Host": self.base_url or "none (created from tables)",
                "Groups": f"{len(self.groups):,}",
                "Customers": self._customer_count(),
                "Memberships": f"{len(self.matrix):,}",
                "Verdict": f"{self.verdict}: {self._describe_verdict()}",
                "Largest groups": self._largest_groups() or "none",
                "Problems": self._problems() or "none; fg.health_report(snapshot) checks more",
            },
        ).html()

    def _largest_groups(self) -> list[CardLine]:
        sizes = self.matrix.sizes
        codes = (-sizes).argsort(kind="stable")[:MAX_LARGEST_GROUPS]
        names = self.matrix.group_names
        return [CardLine(f"{names[code]}: {pluralize(int(sizes[code]), 'member')}") for code in codes]

    def _problems(self) -> list[CardLine]:
        """Describe groups that have not been verified, groups with equal names, and groups without members."""
        n_unverified = int((self.reads["verdict"] != "consistent").sum())
        names = self.groups["name"]
        problems = []
        if n_unverified and not (self.reads["how"] == "given").all():
            not_verified = agree(n_unverified, "is not verified as complete", "are not verified as complete")
            problems.append(CardLine(f"{pluralize(n_unverified, 'group')} {not_verified}.", "Check", is_alarm=True))
        shared = names[names.duplicated() & names.ne("")].drop_duplicates()
        for name in shared[:MAX_NAMED_GROUPS]:
            problems.append(CardLine(f"{int((names == name).sum())} groups have the name {name}.", "Check"))
        empty = self.groups["customer_group_uid"][self.matrix.sizes == 0]
        if len(empty):
            have = agree(len(empty), "has no members", "have no members")
            problems.append(CardLine(f"{self._list_names(empty)} {have}.", "Check"))
        return problems

    def describe(self) -> str:
        """
        Summarize the reliability of the snapshot in a few sentences.

        The text contains the number of verified groups and the names of up to three groups that were not verified. If
        groups changed while they were read, use `refresh_groups` to read them again.

        Returns
        -------
        str
            The summary. If `universe` is known, it also contains the number of customers in the snapshot.

        Examples
        --------
        >>> sample_snapshot().describe()
        'The snapshot was created from tables and not read from a tenant.'
        """
        text = self._describe_verdict()
        if self.universe is not None:
            text += (
                f" The snapshot contains {self._customer_count()} customers. The remaining customers do not belong "
                "to any group."
            )
        return escape_invisible(text)

    def _customer_count(self) -> str:
        if self.universe is None:
            return f"{len(self.customers):,}"
        return f"{len(self.customers):,} of {self.universe:,}"

    def _describe_verdict(self) -> str:
        if len(self.reads) and (self.reads["how"] == "given").all():
            return "The snapshot was created from tables and not read from a tenant."
        uids = dict(list(self.reads.groupby("verdict")["customer_group_uid"]))
        incomplete = self._incomplete_groups()
        names = self.matrix.names_by_uid
        notes = dict(zip(self.reads["customer_group_uid"], self.reads["note"], strict=True))
        contradictory = [uid for uid in uids.get("drifted", ()) if is_contradiction(notes[uid])]
        drifted = [uid for uid in uids.get("drifted", ()) if uid not in contradictory]
        unverifiable = uids.get("unverifiable", ())
        n_verified, n_groups = len(uids.get("consistent", ())), len(self.reads)
        sentences = [
            f"{n_verified:,} of {pluralize(n_groups, 'group')} {agree(n_verified, 'is', 'are')} verified as complete."
        ]
        for uid, n, total in incomplete[:MAX_NAMED_GROUPS]:
            sentences.append(f"Only {n:,} of {total:,} members of {names[uid]} were read.")
        if incomplete:
            return " ".join([*sentences, _TOO_INCOMPLETE])
        if len(drifted):
            were_read = agree(len(drifted), "it was", "they were")
            sentences.append(f"{self._list_names(drifted)} changed while {were_read} read.")
        for uid in contradictory[:MAX_NAMED_GROUPS]:
            sentences.append(f"{names[uid]}: {notes[uid]}.")
        if len(contradictory) > MAX_NAMED_GROUPS:
            n_more = len(contradictory) - MAX_NAMED_GROUPS
            more_groups = f"{n_more:,} more {agree(n_more, 'group', 'groups')}"
            sentences.append(f"The responses also contradict each other for {more_groups}.")
        if len(unverifiable):
            sentences.append(f"The members of {self._list_names(unverifiable)} could not be verified.")
            sentences += [f"{names[uid]}: {notes[uid]}." for uid in unverifiable[:MAX_NAMED_GROUPS] if notes[uid]]
        if self.groups_note:
            sentences.append(f"The list of groups could not be verified as complete: {self.groups_note}.")
        elif self.verdict == "unverifiable" and not len(unverifiable):
            sentences.append("The list of groups could not be verified as complete.")
        if len(drifted):
            sentences.append(_REFRESH)
        if contradictory:
            sentences.append(_CONTRADICTORY)
        return " ".join(sentences)

    @property
    def verdict_note(self) -> str:
        """
        Reason why the verdict is not "consistent", or an empty string.

        The string contains the note about the list of groups, and the uids and notes of at most three groups.

        Examples
        --------
        >>> read = dict(verdict="unverifiable", how="pages", note="1 record had no uid")
        >>> replace(sample_snapshot(), reads=sample_snapshot().reads.assign(**read)).verdict_note
        'group all: 1 record had no uid; group staff: 1 record had no uid; group vip: 1 record had no uid'
        """
        reads = self.reads[(self.reads["verdict"] != "consistent") & (self.reads["note"] != "")]
        notes = [f"group {uid}: {note}" for uid, note in zip(reads["customer_group_uid"], reads["note"], strict=True)]
        if self.groups_note:
            notes.insert(0, f"list of groups: {self.groups_note}")
        if len(notes) > MAX_NAMED_GROUPS:
            n_more = len(notes) - MAX_NAMED_GROUPS
            notes[MAX_NAMED_GROUPS:] = [
                f"{n_more:,} more {agree(n_more, 'note', 'notes')} in the column note of reads"
            ]
        return escape_invisible("; ".join(notes))

    def _incomplete_groups(self) -> list[tuple[str, int, int]]:
        """Return the uid, row count, and reported total of each group that has far fewer rows than reported."""
        drifted = self.reads[self.reads["verdict"] == "drifted"]
        rows = zip(
            drifted["customer_group_uid"],
            drifted["n_rows"],
            drifted[["total_first", "total_last"]].min(axis=1),
            strict=True,
        )
        return [(uid, n, total) for uid, n, total in rows if n < MIN_COMPLETENESS * total]

    def _list_names(self, uids: Sequence[str] | pd.Series) -> str:
        """Format the names of at most three groups as a list, followed by the number of remaining groups."""
        return format_list([self.matrix.names_by_uid[uid] for uid in uids], MAX_NAMED_GROUPS)
