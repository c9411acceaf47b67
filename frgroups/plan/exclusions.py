"""Exclude changes to protected customers, protected groups, and suppressed customers from a plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import astuple, dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

import pandas as pd

from frgroups.api.schema import codec
from frgroups.errors import InputError
from frgroups.internals.formatting import format_list, pluralize
from frgroups.internals.redaction import safe_repr
from frgroups.internals.suggestions import REMOVE_MISSING, is_missing
from frgroups.internals.validation import as_list, wrong_type
from frgroups.plan.finding import Finding
from frgroups.plan.group_change import GroupChange
from frgroups.plan.suppression_entries import SuppressionEntry, SuppressionList, entry_rows, parse_entries
from frgroups.plan.suppression_list import suppression_entries
from frgroups.snapshot.group_references import find_quoted_group
from frgroups.snapshot.similar_ids import check_similar_ids
from frgroups.snapshot.snapshot import Snapshot
from frgroups.snapshot.uid_lookup import is_known

ExclusionRule = Literal["protected", "protected_group", "suppression_list", "holdout"]
# The message of a finding lists at most this number of uids.
MAX_LISTED_CUSTOMERS = 5
# The message of a finding about a holdout lists at most this number of end dates.
MAX_LISTED_ENDS = 5
EXCLUDED_COLUMNS = ["customer_group_uid", "customer_uid", "change", "reason"]
_REASONS: dict[ExclusionRule, str] = {
    "protected": "protected customer",
    "protected_group": "protected group",
    "suppression_list": "suppression list",
    "holdout": "holdout",
}


@dataclass(frozen=True, slots=True)
class ExcludedChange:
    """
    A requested change that a plan leaves out.

    The attribute `rule` identifies the reason for the exclusion. The attributes `note`, `source`, and `until` contain
    the reason, the source, and the end of the entry in the suppression list.
    """

    customer_group_uid: str
    group_name: str
    customer_uid: str
    rule: ExclusionRule
    note: str = ""
    source: str = ""
    until: str = ""

    @classmethod
    def suppressed(cls, group: GroupChange, entry: SuppressionEntry) -> ExcludedChange:
        """Return an addition that was excluded because of an entry in the suppression list."""
        rule: ExclusionRule = "holdout" if entry.is_holdout else "suppression_list"
        until = "" if entry.until is None else str(entry.until)
        return cls(group.uid, group.name, entry.customer_uid, rule, entry.reason, entry.source, until)

    @property
    def change(self) -> str:
        """Type of the requested change: "add" or "remove"."""
        if self.rule in ("suppression_list", "holdout"):
            return "add"
        return "remove"

    @property
    def reason(self) -> str:
        """
        Reason for the exclusion, with the source, the end, and the note from the suppression list.

        Examples
        --------
        >>> ExcludedChange("vip", "VIP", "c-1", "suppression_list", "asked us to").reason
        'suppression list: asked us to'
        >>> ExcludedChange("vip", "VIP", "c-1", "holdout", "spring", "holdout", "2026-12-31").reason
        'holdout until 2026-12-31: spring'
        """
        text = _REASONS[self.rule]
        if self.source and self.rule != "holdout":
            text += f" ({self.source})"
        if self.until:
            text += f" until {self.until}"
        if self.note:
            text += f": {self.note}"
        return text

    def row(self) -> list[str]:
        """
        Return the attribute values as a list, which is stored in the plan file.

        Call `ExcludedChange(*row)` to convert the list back to an object.
        """
        return list(astuple(self))


def excluded_table(changes: Iterable[ExcludedChange]) -> pd.DataFrame:
    """
    Return a table with one row per excluded change.

    `Plan.excluded` documents the columns.
    """
    rows = [(change.customer_group_uid, change.customer_uid, change.change, change.reason) for change in changes]
    return pd.DataFrame(rows, columns=EXCLUDED_COLUMNS, dtype="str")


def exclusion_findings(changes: Iterable[ExcludedChange]) -> list[Finding]:
    """
    Return one finding per group and exclusion rule.

    Each finding contains the number of excluded changes. Findings about excluded changes do not block the plan.

    Examples
    --------
    >>> protected = ExcludedChange("vip", "VIP", "c-1", "protected")
    >>> suppressed = ExcludedChange("vip", "VIP", "c-2", "suppression_list")
    >>> [finding.message for finding in exclusion_findings([protected, suppressed])]
    ['The plan does not remove protected customers from VIP (1 customer).', \
'The plan does not add 1 customer to VIP because of the suppression list.']
    >>> held_out = ExcludedChange("vip", "VIP", "c-3", "holdout", "", "holdout", "2026-12-31")
    >>> [finding.message for finding in exclusion_findings([held_out])]
    ['The plan does not add 1 customer to VIP because of a holdout until 2026-12-31.']
    """
    ends: dict[tuple[str, str, ExclusionRule], Counter[str]] = {}
    for change in changes:
        key = (change.customer_group_uid, change.group_name, change.rule)
        ends.setdefault(key, Counter())[change.until] += 1
    return [
        Finding(rule, _message(name, rule, n_by_end), False, uid, n_by_end.total())
        for (uid, name, rule), n_by_end in ends.items()
    ]


def _message(group_name: str, rule: ExclusionRule, n_by_end: Mapping[str, int]) -> str:
    """Return the message of a finding about one group. `n_by_end` maps end dates of entries to customer counts."""
    customers = pluralize(sum(n_by_end.values()), "customer")
    if rule == "protected":
        return f"The plan does not remove protected customers from {group_name} ({customers})."
    if rule == "protected_group":
        return f"The plan does not remove {customers} from {group_name}, which is a protected group."
    if rule == "suppression_list":
        return f"The plan does not add {customers} to {group_name} because of the suppression list."
    text = f"The plan does not add {customers} to {group_name} because of a holdout"
    if len(n_by_end) == 1:
        return f"{text} until {next(iter(n_by_end))}."
    parts = [f"{pluralize(n, 'customer')} until {end}" for end, n in sorted(n_by_end.items())]
    return f"{text}: {format_list(parts, MAX_LISTED_ENDS)}."


def select_exclusions(changes: Iterable[ExcludedChange], group_uids: Collection[str]) -> tuple[ExcludedChange, ...]:
    """Return the excluded changes that belong to the selected groups."""
    return tuple(change for change in changes if change.customer_group_uid in group_uids)


def drop_exclusions(changes: Iterable[ExcludedChange], name: str) -> tuple[ExcludedChange, ...]:
    """
    Return the excluded changes, without the changes to the given group or customer.

    The argument `name` is the uid or name of the group, or the uid of the customer.
    """
    return tuple(
        change
        for change in changes
        if name not in (change.customer_group_uid, change.group_name, change.customer_uid)
    )


@dataclass(frozen=True, slots=True)
class Exclusions:
    """
    Customers and groups that a plan must not change.

    Attributes
    ----------
    customers
        Uids of the protected customers, who are not removed from any group.
    groups
        Uids of the protected groups, from which no customer is removed.
    suppression_list
        Entries for customers who are not added to one group, or to any group.
    """

    customers: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    suppression_list: SuppressionList = field(default_factory=SuppressionList)


def resolve_exclusions(
    snapshot: Snapshot,
    *,
    protect: Iterable[str],
    protect_groups: Iterable[str],
    suppression_list: Iterable[str] | pd.DataFrame,
) -> Exclusions:
    """Combine the exclusions that the caller passed with the tenant's suppression list."""
    entries = [*suppression_entries(snapshot), *_given_entries(suppression_list)]
    return Exclusions(
        frozenset(_checked_customers(protect, "protect")),
        frozenset(find_quoted_group(snapshot.matrix, name) for name in as_list(protect_groups, "protect_groups")),
        SuppressionList.in_force(entries, datetime.now(UTC)),
    )


def _given_entries(suppression_list: Iterable[str] | pd.DataFrame) -> list[SuppressionEntry]:
    """Return the entries in the argument `suppression_list` of `plan_memberships`."""
    name = "suppression_list"
    if isinstance(suppression_list, pd.DataFrame):
        return parse_entries(entry_rows(suppression_list, name), f"`{name}`")
    return [SuppressionEntry(uid) for uid in _checked_customers(suppression_list, name)]


def check_excluded_customers(snapshot: Snapshot, exclusions: Exclusions) -> None:
    """
    Raise InputError if the uid of an excluded customer is unknown but is similar to the id of a known customer.

    Such a uid is probably misspelled, and a misspelled uid would not exclude the known customer.
    """
    suppressed = exclusions.suppression_list.customer_uids
    for uids, source in ((exclusions.customers, "`protect`"), (suppressed, "The suppression list")):
        excluded = pd.Series(sorted(uids), dtype="str")
        unknown = excluded[~is_known(excluded, snapshot.customers["customer_uid"])]
        check_similar_ids(snapshot.customers, list(unknown), "customer_uid", source=source)


def unknown_protected_findings(snapshot: Snapshot, exclusions: Exclusions) -> list[Finding]:
    """
    Return a finding about the protected customers who are not in the snapshot. Their uids might be misspelled.

    The message lists only values that are valid uids, because other values can be names or contact data.
    """
    uids = sorted(exclusions.customers)
    is_unknown = snapshot.matrix.customer_uids.get_indexer(pd.Index(uids, dtype="str")) < 0
    unknown = [uid for uid, is_missing in zip(uids, is_unknown, strict=True) if is_missing]
    if not unknown:
        return []
    shown = [uid for uid in unknown if codec.UID.fullmatch(uid)][:MAX_LISTED_CUSTOMERS]
    listed = ", ".join([*shown, "..."] if len(shown) < len(unknown) else shown)
    text = (
        f"The data used does not contain {len(unknown):,} of {len(uids):,} protected customers ({listed}). "
        "Check the uids. A customer whose uid is misspelled is not protected."
    )
    return [Finding("unknown_protected", text, False, None, len(unknown))]


def apply_exclusions(change: GroupChange, exclusions: Exclusions) -> tuple[GroupChange, tuple[ExcludedChange, ...]]:
    """
    Split the planned change of a group into the remaining change and the excluded changes.

    Examples
    --------
    >>> change = GroupChange("vip", "VIP", ("a", "b"), add=("c", "d"), remove=("a", "b"))
    >>> entries = [SuppressionEntry("d", reason="asked us to")]
    >>> listed = SuppressionList.in_force(entries, datetime.now(UTC))
    >>> exclusions = Exclusions(frozenset({"a"}), frozenset(), listed)
    >>> remaining, excluded = apply_exclusions(change, exclusions)
    >>> remaining.add, remaining.remove, [(row.customer_uid, row.reason) for row in excluded]
    (('c',), ('b',), [('d', 'suppression list: asked us to'), ('a', 'protected customer')])
    """
    not_added = exclusions.suppression_list.find_all(change.uid, change.add)
    is_protected = change.uid in exclusions.groups
    not_removed = [uid for uid in change.remove if is_protected or uid in exclusions.customers]
    if not not_added and not not_removed:
        return change, ()
    excluded = [ExcludedChange.suppressed(change, entry) for entry in not_added]
    for uid in not_removed:
        rule: ExclusionRule = "protected_group"
        if uid in exclusions.customers:
            rule = "protected"
        excluded.append(ExcludedChange(change.uid, change.name, uid, rule))
    suppressed = [entry.customer_uid for entry in not_added]
    remaining = replace(
        change,
        add=_remaining_uids(change.add, suppressed),
        remove=_remaining_uids(change.remove, not_removed),
        unknown=change.unknown.difference(suppressed),
    )
    return remaining, tuple(excluded)


def _remaining_uids(uids: tuple[str, ...], excluded: Iterable[str]) -> tuple[str, ...]:
    excluded_uids = set(excluded)
    return tuple(uid for uid in uids if uid not in excluded_uids)


def _checked_customers(customers: Iterable[str], name: str) -> list[str]:
    """
    Return customer uids as a list, and raise InputError if a uid is not a string.

    Uids that the API would reject are accepted, because excluded customers are not sent to the API.
    """
    if isinstance(customers, Mapping | pd.DataFrame):
        raise wrong_type(customers, name, "a list of customer uids")
    listed = as_list(customers, name)
    for uid in listed:
        if not isinstance(uid, str) or not uid:
            raise InputError(
                f"`{name}` must contain customer uids as strings, got {safe_repr(uid)}.",
                hint=REMOVE_MISSING if is_missing(uid) else "",
            )
    return listed
