"""
Collect all findings for a plan.

The findings that block the plan come before all other findings. The complete order is:

1. Erased customers. These findings block the plan.
2. Exceeded limits, and data that is newer than the plan. These findings block the plan.
3. Groups that lose all members, or whose list is empty.
4. Customers who are not in the snapshot.
5. Excluded changes.
6. Notes of the planner about the groups and limits.
7. Findings about the customers who are added or removed.

Findings 6 and 7 are computed from the snapshot, so a plan file stores them as notes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from frgroups.internals.formatting import agree, pluralize
from frgroups.internals.tombstones import count_tombstones
from frgroups.plan.exclusions import MAX_LISTED_CUSTOMERS, exclusion_findings
from frgroups.plan.finding import Finding
from frgroups.plan.group_change import GroupChange
from frgroups.plan.limit_comparisons import future_times, limit_violations
from frgroups.plan.limits import Limits
from frgroups.plan.similar_groups import similar_group_findings
from frgroups.plan.uid_table import CodedUids
from frgroups.snapshot.snapshot import Snapshot

if TYPE_CHECKING:
    from frgroups.plan.plan import Plan


def plan_findings(plan: Plan) -> tuple[Finding, ...]:
    """Return all findings of a plan in the order in which the reviewer sees them."""
    counts = [group.counts for group in plan.groups]
    return (
        *_erased_customers(plan.groups),
        *limit_violations(plan.limits, counts, snapshot_age=plan.snapshot_age),
        *future_data_findings(plan),
        *_emptied_groups(plan),
        *_unknown_customers(plan.groups),
        *exclusion_findings(plan.excluded_changes),
        *plan.planning_findings,
    )


def planner_notes(snapshot: Snapshot, changes: Sequence[GroupChange], limits: Limits) -> tuple[Finding, ...]:
    """Return the findings about unverified groups, new groups with similar names, and unused limits."""
    reads = snapshot.reads.set_index("customer_group_uid")[["verdict", "how"]].to_dict("index")
    notes: list[Finding] = [*similar_group_findings(snapshot, changes)]
    for change in changes:
        if not change.create:
            notes += _read_quality(change, reads[change.uid])
    has_existing_groups = not all(change.create for change in changes)
    if has_existing_groups and (snapshot.reads["how"] == "given").all():
        text = (
            "The data was created from tables, so its memberships are not verified. Each group is read again "
            "before the plan is applied."
        )
        notes.append(Finding("unverifiable", text))
    return (*notes, *_unused_limits(limits, snapshot, changes))


def future_data_findings(plan: Plan) -> list[Finding]:
    """
    Return a blocking finding if the data of a plan is newer than the plan.

    The server reports the time of the data. If this time is later than the plan, the clock of the server or of this
    machine is wrong. The clock of a sandbox is also wrong if `Sandbox.advance` was called.
    """
    times = {"snapshot_max_age": ("time of the data", plan.snapshot_taken_at)}
    return future_times(times, plan.planned_at, "the server and of the machine that created the plan")


def _erased_customers(groups: Iterable[GroupChange]) -> list[Finding]:
    """
    Return a blocking finding if the data of customers in the plan has been erased.

    A plan with erased customers cannot be applied, because placeholders have replaced their uids.
    """
    n = count_tombstones(uid for group in groups for uid in _possible_tombstones(group))
    if not n:
        return []
    text = (
        f"The plan contains {pluralize(n, 'customer')} whose data was erased. Load the tenant and create a new plan."
    )
    return [Finding("erased_customers", text, True, n=n)]


def _possible_tombstones(group: GroupChange) -> Iterator[str]:
    if isinstance(group.baseline, CodedUids):
        # Decode only the invalid uids, because the placeholders of erased customers are never valid uids.
        yield from group.baseline.invalid_uids()
    else:
        yield from group.baseline
    yield from group.add
    yield from group.remove


def _emptied_groups(plan: Plan) -> Iterator[Finding]:
    """
    Yield a finding for each group that loses all members, or that loses members because its list is empty.

    An empty list is often a mistake, such as a filter that matches no row. The list of a group is known only if the
    plan was created from lists.
    """
    n_listed = {listed.uid: listed.n_listed for listed in plan.listed_groups}
    for group in plan.groups:
        n = len(group.remove)
        if not n:
            continue
        is_empty_list = n_listed.get(group.uid) == 0
        if n == len(group.baseline):
            text = agree(n, f"The only member of {group.name} leaves.", f"All {n:,} members of {group.name} leave.")
            if group.add:
                text += f" {pluralize(len(group.add), 'other customer')} {agree(len(group.add), 'joins', 'join')}."
            if is_empty_list:
                text += " The list is empty."
            yield Finding("all_members_leave", text, False, group.uid, n)
        elif is_empty_list:
            text = f"The list for {group.name} is empty, so {n:,} of its {len(group.baseline):,} members "
            yield Finding("empty_list", f"{text}{agree(n, 'leaves', 'leave')}.", False, group.uid, n)


def _unknown_customers(groups: Iterable[GroupChange]) -> Iterator[Finding]:
    for group in groups:
        n = len(group.unknown)
        if not n:
            continue
        listed = ", ".join(sorted(group.unknown)[:MAX_LISTED_CUSTOMERS])
        if n > MAX_LISTED_CUSTOMERS:
            listed += ", ..."
        text = (
            f"The data used does not contain {n:,} of {pluralize(len(group.add), 'customer')} that the plan adds to "
            f"{group.name} ({listed}). Customers who are not in the data are in no group, or they do not exist "
            "and the server rejects them."
        )
        yield Finding("unknown_customers", text, False, group.uid, n)


def _read_quality(change: GroupChange, read: Mapping[Hashable, Any]) -> Iterator[Finding]:
    if read["how"] == "cover":
        text = (
            f"The members of {change.name} were inferred from larger groups. All members of this group are read "
            "before the plan is applied."
        )
        yield Finding("covered", text, False, change.uid)
    if read["verdict"] == "unverifiable" and read["how"] != "given":
        text = (
            f"The members of {change.name} could not be verified. The group is read again before the plan is applied."
        )
        yield Finding("unverifiable", text, False, change.uid)


def _unused_limits(limits: Limits, snapshot: Snapshot, changes: Iterable[GroupChange]) -> Iterator[Finding]:
    """
    Yield a finding for each uid in `limits.per_group` that is not the uid of a group.

    A pattern such as "store_*" is not reported, even if no group matches the pattern.
    """
    uids = {*snapshot.matrix.group_uids, *(change.uid for change in changes)}
    for key in limits.per_group:
        is_pattern = not set(key).isdisjoint("*?[")
        if not is_pattern and key not in uids:
            yield Finding("unused_limits", f"The limits of {key!r} are not used, because no group has this uid.")
