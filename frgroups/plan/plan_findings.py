"""
Findings of a plan, in the order in which the reviewer reads them.

1. Erased customers, which block the plan.
2. Exceeded limits, which block the plan.
3. Customers who are not in the snapshot.
4. Excluded changes.
5. Notes of the planner about the groups and limits.
6. Findings about the customers who join or leave.

Findings 5 and 6 need the snapshot, so a plan file stores them as notes.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from frgroups.internals.formatting import agree, pluralize
from frgroups.internals.tombstones import count_tombstones
from frgroups.plan.customer_findings import customer_findings
from frgroups.plan.exclusions import exclusion_findings
from frgroups.plan.finding import Finding
from frgroups.plan.group_change import GroupChange
from frgroups.plan.limits import Limits, limit_violations
from frgroups.plan.uid_table import CodedUids
from frgroups.snapshot.snapshot import Snapshot

if TYPE_CHECKING:
    from frgroups.plan.plan import Plan

# Maximum number of uids in the text of a finding.
MAX_LISTED_CUSTOMERS = 5


def plan_findings(plan: Plan) -> tuple[Finding, ...]:
    """Return all findings of a plan."""
    counts = [group.counts for group in plan.groups]
    return (
        *_erased_customers(plan.groups),
        *limit_violations(plan.limits, counts, snapshot_age=plan.snapshot_age),
        *_unknown_customers(plan.groups),
        *exclusion_findings(plan.excluded_changes),
        *plan.planning_findings,
    )


def planning_findings(plan: Plan) -> tuple[Finding, ...]:
    """Return the notes of a plan and, if it has a snapshot, the findings about its customers."""
    if plan.snapshot is None:
        return plan.notes
    return (*plan.notes, *customer_findings(plan.snapshot, plan.groups, plan.register))


def planner_notes(snapshot: Snapshot, changes: Sequence[GroupChange], limits: Limits) -> tuple[Finding, ...]:
    """Return what the planner reports about the changed groups, the snapshot and the limits."""
    reads = snapshot.reads.set_index("customer_group_uid")[["verdict", "how"]].to_dict("index")
    names = set(snapshot.matrix.group_names)
    notes: list[Finding] = []
    for change in changes:
        if change.create:
            notes += _same_name(change, names)
        else:
            notes += _read_quality(change, reads[change.uid])
    has_existing_groups = not all(change.create for change in changes)
    if has_existing_groups and (snapshot.reads["how"] == "given").all():
        text = "The snapshot was made from tables, so nothing proves it. Each group is read before applying."
        notes.append(Finding("unverifiable", text))
    return (*notes, *_unused_limits(limits, snapshot, changes))


def _erased_customers(groups: Iterable[GroupChange]) -> list[Finding]:
    """Return a blocking finding if customers of the plan were erased, because their uids cannot be sent."""
    n = count_tombstones(uid for group in groups for uid in _possible_tombstones(group))
    if not n:
        return []
    text = f"{pluralize(n, 'customer')} of this plan {agree(n, 'was', 'were')} erased since. Load and plan again."
    return [Finding("erased_customers", text, True, n=n)]


def _possible_tombstones(group: GroupChange) -> Iterator[str]:
    if isinstance(group.baseline, CodedUids):
        # Tombstones are not valid uids. This avoids decoding all members.
        yield from group.baseline.invalid_uids()
    else:
        yield from group.baseline
    yield from group.add
    yield from group.remove


def _unknown_customers(groups: Iterable[GroupChange]) -> Iterator[Finding]:
    for group in groups:
        n = len(group.unknown)
        if not n:
            continue
        listed = ", ".join(sorted(group.unknown)[:MAX_LISTED_CUSTOMERS])
        if n > MAX_LISTED_CUSTOMERS:
            listed += ", ..."
        text = (
            f"{n:,} of {len(group.add):,} customers to join {group.name} are in no group now ({listed}): "
            "either they are new to all groups, or they do not exist and will be rejected."
        )
        yield Finding("unknown_customers", text, False, group.uid, n)


def _same_name(change: GroupChange, names: Collection[str]) -> Iterator[Finding]:
    if change.name in names:
        yield Finding("same_name", f"Another group is already named {change.name}.", False, change.uid, 1)


def _read_quality(change: GroupChange, read: Mapping[Hashable, Any]) -> Iterator[Finding]:
    if read["how"] == "cover":
        text = f"{change.name} was read through larger groups that hold it. It is read by itself before applying."
        yield Finding("covered", text, False, change.uid)
    if read["verdict"] == "unverifiable" and read["how"] != "given":
        text = f"Nothing proves that the members of {change.name} were read whole. It is read before applying."
        yield Finding("unverifiable", text, False, change.uid)


def _unused_limits(limits: Limits, snapshot: Snapshot, changes: Iterable[GroupChange]) -> Iterator[Finding]:
    """Yield a finding for each uid with limits of its own that no group has; patterns are not reported."""
    uids = {*snapshot.matrix.group_uids, *(change.uid for change in changes)}
    for key in limits.per_group:
        is_pattern = not set(key).isdisjoint("*?[")
        if not is_pattern and key not in uids:
            yield Finding("unused_limits", f"The limits of {key!r} hold for no group: no group has that uid.")
