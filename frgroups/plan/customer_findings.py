"""Create findings about the customers who are added or removed by a plan."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from frgroups.analysis.consent import (
    CHANNEL_NAMES,
    given_for_channels,
    mentioned_channels,
    withdrawn_from_channels,
)
from frgroups.analysis.register import has_ended
from frgroups.internals.formatting import agree, format_list, format_percentage, pluralize
from frgroups.internals.typing import BoolArray, IntArray
from frgroups.plan.finding import APPROVAL_CHECK, Finding, Marks
from frgroups.plan.group_change import GroupChange
from frgroups.plan.uid_table import UidTable
from frgroups.snapshot.snapshot import Snapshot

Row = Mapping[Hashable, Any]
# A finding and the uids of the affected customers, keyed by the uid of the group that the customers join or leave.
_Marked = tuple[Finding, Mapping[str, Iterable[str]]]

# A group has a usual customer type only if at least this number of its members have a known type.
MIN_MEMBERS = 20
# A customer type is usual if at least this share of the members have it. Unknown types are not counted.
MIN_TYPE_SHARE = 0.95
# The message of a finding lists at most this number of register rows.
MAX_LISTED_ROWS = 3


@dataclass(frozen=True, slots=True)
class CustomerFindings:
    """
    Findings about the customers who are added or removed by a plan.

    Attributes
    ----------
    findings
        The findings, none of which blocks the plan.
    marks
        Uids of the customers who are affected by findings, by group uid and rule.
    """

    findings: tuple[Finding, ...] = ()
    marks: Marks = field(default_factory=dict)


def customer_findings(
    snapshot: Snapshot, groups: Sequence[GroupChange], register: pd.DataFrame | None
) -> CustomerFindings:
    """
    Return the findings about the customers who are added or removed by a plan.

    Parameters
    ----------
    snapshot
        The snapshot that the plan was created from.
    groups
        The planned change of each group.
    register
        The table that `match_register` returns. None if the plan has no register.
    """
    if not groups:
        return CustomerFindings()
    customers = _ChangedCustomers(snapshot, groups)
    rows: dict[str, Row] = {}
    findings: list[Finding] = []
    marks: dict[str, dict[str, frozenset[str]]] = {}
    if register is not None:
        matched = register.assign(ended=has_ended(register, snapshot.taken_at)).dropna(subset="customer_group_uid")
        rows = {row["customer_group_uid"]: row for row in matched.to_dict("records")}
        findings += _unmatched_rows(register)

    def add(marked_findings: Iterable[_Marked]) -> None:
        for finding, uids_by_group in marked_findings:
            findings.append(finding)
            for group_uid, uids in uids_by_group.items():
                marks.setdefault(group_uid, {})[finding.rule] = frozenset(uids)

    for group in groups:
        row = rows.get(group.uid)
        expected_type = ""
        if row is not None:
            findings += _register_findings(group, row)
            expected_type = row["expected_type"]
        if group.add:
            add(_own_pricelist(customers, group))
            add(_other_type(customers, group, expected_type))
            add(_two_tiers(customers, group, rows))
            if row is not None:
                add(_missing_consent(snapshot, customers, group, row))
    add(_in_no_group(customers, groups))
    return CustomerFindings(tuple(findings), marks)


def _marked(finding: Finding, group: GroupChange, is_affected: BoolArray) -> _Marked:
    """Return a finding, and the uids of the customers added to one group who are affected by the finding."""
    return finding, {group.uid: [group.add[position] for position in np.flatnonzero(is_affected)]}


class _ChangedCustomers:
    """
    The customers who are added or removed by a plan, encoded as integers.

    Customers in the snapshot have the same integer codes as in the membership matrix. Customers who are not in the
    snapshot have the integer codes from `n_known` to `n - 1`.
    """

    def __init__(self, snapshot: Snapshot, groups: Sequence[GroupChange]) -> None:
        self.matrix = snapshot.matrix
        self.customers = snapshot.customers
        self.groups = {group.uid: group for group in groups}
        self.n_known = self.matrix.n_customers
        unknown = sorted({uid for group in groups for uid in group.unknown})
        self._known = UidTable(self.matrix.customer_uids)
        self._unknown = UidTable(pd.Index(unknown, dtype="str"))
        self.n = self.n_known + len(unknown)
        self.add = self._codes_by_group({group.uid: group.add for group in groups})
        self.remove = self._codes_by_group({group.uid: group.remove for group in groups})

    def _codes_by_group(self, uids_by_group: Mapping[str, Sequence[str]]) -> dict[str, IntArray]:
        codes = self._known.lookup_codes_of_lists(uids_by_group.values()).astype(np.int64)
        if len(self._unknown):
            unknown_codes = self._unknown.lookup_codes_of_lists(uids_by_group.values())
            codes = np.where(codes < 0, self.n_known + unknown_codes, codes)
        ends = np.cumsum([len(uids) for uids in uids_by_group.values()])
        return dict(zip(uids_by_group, np.split(codes, ends[:-1]), strict=True))

    @cached_property
    def pricelist(self) -> _Attribute:
        """Individual price list of each customer in the snapshot."""
        return _Attribute(self.customers["pricelist_uid"])

    @cached_property
    def customer_type(self) -> _Attribute:
        """Customer type of each customer in the snapshot."""
        return _Attribute(self.customers["customer_type"])

    def members_after(self, uid: str) -> IntArray:
        """Return the integer codes of a group's members after the plan has been applied."""
        is_existing = self.matrix.group_uids.get_indexer(pd.Index([uid], dtype="str"))[0] >= 0
        members: IntArray = np.empty(0, dtype=np.int64)
        if is_existing:
            members = self.matrix.member_codes(uid).astype(np.int64)
        if uid not in self.groups:
            return members
        return np.union1d(np.setdiff1d(members, self.remove[uid], assume_unique=True), self.add[uid])


class _Attribute:
    """
    Values of a customer attribute, encoded as integers so that they can be counted quickly.

    Missing values and empty strings are treated as unknown.
    """

    def __init__(self, column: pd.Series) -> None:
        self._codes, values = pd.factorize(column.where(column != "").astype("str"))
        self._values = list(map(str, values))

    def has_value(self, customer_codes: IntArray, *, without: Iterable[str] = ()) -> BoolArray:
        """Return a mask of the customers with a known value that is not in `without`."""
        is_counted = ~np.isin(self._values, list(without))
        value_codes = self._value_codes(customer_codes)
        has_value: BoolArray = value_codes >= 0
        if self._values:
            has_value &= is_counted[value_codes]
        return has_value

    def counts(self, customer_codes: IntArray) -> dict[str, int]:
        """
        Return the number of customers for each value of the attribute.

        Customers with an unknown value and customers who are not in the snapshot are not counted.
        """
        codes = self._value_codes(customer_codes)
        counts = np.bincount(codes[codes >= 0], minlength=len(self._values))
        return {self._values[code]: int(counts[code]) for code in np.flatnonzero(counts)}

    def _value_codes(self, customer_codes: IntArray) -> IntArray:
        """Return the integer code of each customer's attribute value, or -1 if the value is unknown."""
        codes: IntArray = np.full(len(customer_codes), -1, dtype=np.int64)
        is_known = customer_codes < len(self._codes)
        codes[is_known] = self._codes[customer_codes[is_known]]
        return codes


def _unmatched_rows(register: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding if the tenant has no group for a register row that contains limits or a protection."""
    has_limits = register["protected"] | register["max_removals"].notna() | register["max_additions"].notna()
    unmatched = register.loc[has_limits & register["customer_group_uid"].isna(), "group"]
    n = len(unmatched)
    if not n:
        return
    listed = format_list(list(map(repr, unmatched)), MAX_LISTED_ROWS, conjunction="or")
    text = (
        f"The limits or protection in {pluralize(n, 'row')} of the register have no effect, because no group has the "
        f"uid or name {listed}."
    )
    yield Finding("register_unknown", text, n=n)


def _register_findings(group: GroupChange, row: Row) -> Iterator[Finding]:
    if row["protected"]:
        text = (
            f"The register protects {group.name}. A plan can change this group only if its uid has separate limits "
            "that allow the change."
        )
        yield Finding("protected_group", text, False, group.uid, len(group.add) + len(group.remove))
    if group.add and row["ended"]:
        n = len(group.add)
        text = (
            f"The plan adds {pluralize(n, 'customer')} to {group.name}, although the group ended on "
            f"{row['valid_to']:%Y-%m-%d} according to the register."
        )
        yield Finding("ended", text, False, group.uid, n)


def _own_pricelist(customers: _ChangedCustomers, group: GroupChange) -> Iterator[_Marked]:
    is_affected = customers.pricelist.has_value(customers.add[group.uid])
    n = int(is_affected.sum())
    if n:
        who = agree(
            n,
            f"1 customer who joins {group.name} has their own price list.",
            f"{n:,} customers who join {group.name} have their own price list.",
        )
        text = (
            f"{who} The data does not show whether the price list takes precedence over the group's discounts. "
            f"{APPROVAL_CHECK}"
        )
        yield _marked(Finding("own_pricelist", text, False, group.uid, n), group, is_affected)


def _other_type(customers: _ChangedCustomers, group: GroupChange, expected: Any) -> Iterator[_Marked]:
    """
    Yield a finding if the plan adds customers with an unusual customer type.

    A customer type is usual if the group register lists it as an expected type. If the register lists no expected
    type for the group, the usual type is the type that nearly all members have.
    """
    if isinstance(expected, str) and expected:
        usual = expected.split("|")
        description = f"The register expects {format_list(usual, conjunction='or')}."
    else:
        usual, description = _usual_type(customers, group)
    if not usual:
        return
    types = customers.customer_type.counts(customers.add[group.uid])
    others = {customer_type: n for customer_type, n in types.items() if customer_type not in usual}
    n = sum(others.values())
    if n:
        listed = format_list([f"{others[customer_type]:,} {customer_type}" for customer_type in sorted(others)])
        text = f"The plan adds {pluralize(n, 'customer')} of an unusual type to {group.name}: {listed}. {description}"
        is_affected = customers.customer_type.has_value(customers.add[group.uid], without=usual)
        yield _marked(Finding("other_type", text, False, group.uid, n), group, is_affected)


def _usual_type(customers: _ChangedCustomers, group: GroupChange) -> tuple[list[str], str]:
    """
    Return the customer type that nearly all members of a group have, and a sentence about this customer type.

    If the group has no usual type, the list of types is empty.
    """
    if group.create:
        return [], ""
    members = customers.matrix.member_codes(group.uid).astype(np.int64)
    counts = customers.customer_type.counts(members)
    total = sum(counts.values())
    if total < MIN_MEMBERS:
        return [], ""
    usual = max(counts, key=counts.__getitem__)
    if counts[usual] < MIN_TYPE_SHARE * total:
        return [], ""
    share = format_percentage(counts[usual] / total)
    return [usual], f"{share} of the {total:,} members with a known type are {usual}."


def _two_tiers(customers: _ChangedCustomers, group: GroupChange, rows: Mapping[str, Row]) -> Iterator[_Marked]:
    """Yield a finding if added customers would be in more than one group of the same exclusive set."""
    if group.uid not in rows:
        return
    exclusive_set = rows[group.uid]["exclusive_set"]
    if not isinstance(exclusive_set, str):
        return
    others = [uid for uid, row in rows.items() if row["exclusive_set"] == exclusive_set and uid != group.uid]
    in_others = np.zeros(customers.n, dtype=np.bool_)
    for uid in others:
        in_others[customers.members_after(uid)] = True
    is_affected = in_others[customers.add[group.uid]]
    n = int(is_affected.sum())
    if n:
        text = (
            f"The additions to {group.name} would put {pluralize(n, 'customer')} into more than one group of the "
            f"exclusive set {exclusive_set!r}."
        )
        yield _marked(Finding("two_tiers", text, False, group.uid, n), group, is_affected)


def _missing_consent(
    snapshot: Snapshot, customers: _ChangedCustomers, group: GroupChange, row: Row
) -> Iterator[_Marked]:
    """
    Yield findings about customers added to a mailing group who have withdrawn consent or have no consent record.

    A customer has consented if the latest consent record of each channel is a consent, not a withdrawal. The first
    finding contains the numbers of customers who have consented, have withdrawn, and have no record. The second
    finding marks the customers without a record.

    The column `channel` of the register contains the channels of a mailing group. If the cell is blank, the purpose
    of the group determines the channels.
    """
    channels: list[str] = []
    channel = row.get("channel")
    if isinstance(channel, str) and channel:
        channels = [name for name in CHANNEL_NAMES if name in channel.casefold().split("|")]
    elif isinstance(row["purpose"], str):
        channels = mentioned_channels(row["purpose"])
    if not channels:
        return
    added = customers.add[group.uid]
    is_known = added < customers.n_known
    has_withdrawn, has_given = is_known.copy(), is_known.copy()
    has_withdrawn[is_known] = withdrawn_from_channels(snapshot, channels)[added[is_known]]
    has_given[is_known] = given_for_channels(snapshot, channels)[added[is_known]]
    has_no_record = ~(has_withdrawn | has_given)
    n, n_withdrawn, n_no_record = len(added), int(has_withdrawn.sum()), int(has_no_record.sum())
    n_given = n - n_withdrawn - n_no_record
    counts = []
    if n_withdrawn:
        counts.append(f"{n_withdrawn:,} {agree(n_withdrawn, 'has', 'have')} withdrawn")
    if n_no_record:
        counts.append(f"{n_no_record:,} {agree(n_no_record, 'has', 'have')} no record")
    text = (
        f"According to the register, {group.name} is a mailing group ({format_list(channels)}). {n_given:,} of the "
        f"{pluralize(n, 'customer')} who {agree(n, 'joins', 'join')} {agree(n_given, 'has', 'have')} consented; "
        f"{', '.join(counts)}."
    )
    if n_withdrawn:
        yield _marked(Finding("withdrawn_consent", text, False, group.uid, n_withdrawn), group, has_withdrawn)
        text = (
            f"{n_no_record:,} of the {pluralize(n, 'customer')} who {agree(n, 'joins', 'join')} the mailing group "
            f"{group.name} {agree(n_no_record, 'has', 'have')} no record of a consent ({format_list(channels)})."
        )
    if n_no_record:
        yield _marked(Finding("no_consent_record", text, False, group.uid, n_no_record), group, has_no_record)


def _in_no_group(customers: _ChangedCustomers, groups: Sequence[GroupChange]) -> Iterator[_Marked]:
    """
    Yield a finding if a plan removes customers from their last group.

    Later loads cannot read a customer who is in no group.
    """
    leaving = np.concatenate([*customers.remove.values()])
    if not len(leaving):
        return
    joining = np.concatenate([*customers.add.values()])
    n_groups = np.bincount(customers.matrix.indices, minlength=customers.n)
    n_groups -= np.bincount(leaving, minlength=customers.n)
    n_groups += np.bincount(joining, minlength=customers.n)
    n = int((n_groups[np.unique(leaving)] == 0).sum())
    if n:
        text = (
            f"The plan leaves {pluralize(n, 'customer')} without a group. Later loads cannot read customers who are "
            "in no group."
        )
        uids_by_group = {}
        for group in groups:
            positions = np.flatnonzero(n_groups[customers.remove[group.uid]] == 0)
            uids_by_group[group.uid] = [group.remove[position] for position in positions]
        yield Finding("out_of_sight", text, False, None, n), uids_by_group
