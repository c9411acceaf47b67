"""Collect facts from the data folder about a plan that waits for a decision, for the review."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime

from frgroups.apply.plan_entry import MAX_CONFLICTS, PlanEntry
from frgroups.apply.plan_list import conflicting_plans, plan_entry
from frgroups.apply.window_notices import window_notices
from frgroups.errors import FrgroupsError
from frgroups.internals.formatting import agree, format_utc, pluralize
from frgroups.internals.structured_logging import log_event
from frgroups.plan.group_change import GroupChange
from frgroups.plan.plan import Plan
from frgroups.review.approval_search import plan_approvals, usable_approvals
from frgroups.review.decision_reader import DecisionReader
from frgroups.review.plan_folders import approval_folders
from frgroups.review.plan_status import Notice
from frgroups.snapshot.snapshot import Snapshot
from frgroups.store.manifest import Cache
from frgroups.store.snapshot_store import latest_snapshot, latest_valid_snapshot

_MAX_GROUPS = 5  # Maximum number of groups to name for another plan.

log = logging.getLogger("frgroups.apply")


def plan_notices(plan: Plan, *, cache: Cache = None, is_waiting: bool = True) -> list[Notice]:
    """
    Return the facts in the data folder about a plan.

    The facts are decisions, runs, other plans for the same groups, drift, and apply windows.

    A fact is left out, and a warning is logged, if a file that is needed to determine it is damaged.

    Parameters
    ----------
    plan
        The plan to review.
    cache
        Folder of the stored snapshots. None selects the data folder.
    is_waiting
        Whether a decision about the plan is possible. Otherwise, only withdrawn rejections are returned.
    """
    notices: list[Notice] = []
    reader = DecisionReader()
    sources = [_withdrawals(plan, reader)]
    if is_waiting:
        sources += [_of_entry(plan, reader), _approvals(plan, reader), _conflicts(plan, reader), _drift(plan, cache)]
        sources.append(window_notices(plan))
    for source in sources:
        try:
            notices += list(source)
        except FrgroupsError as error:
            log_event(log, logging.WARNING, "notice_not_determined", f"The review lacks a notice. {error.message}")
    return notices


def _withdrawals(plan: Plan, reader: DecisionReader) -> Iterator[Notice]:
    record = reader.record(plan)
    for withdrawal in record.withdrawals(*record.keys_of(plan)):
        yield Notice("withdrawal", withdrawal.sentence())


def _of_entry(plan: Plan, reader: DecisionReader) -> Iterator[Notice]:
    yield from plan_entry(plan, path=plan.path, reader=reader).notices


def _approvals(plan: Plan, reader: DecisionReader) -> Iterator[Notice]:
    folders = approval_folders(plan)
    for choice in usable_approvals(plan, folders, reader=reader)[0]:
        when = f" on {format_utc(choice.approval.at)}" if choice.approval.at else ""
        yield Notice("approval", f"{choice.approval.by} already approved this plan{when}.")
    for approval in plan_approvals(plan, folders, reader).other:
        if approval.until < datetime.now(UTC):
            yield Notice("approval", f"An approval by {approval.by} expired on {format_utc(approval.until)}.")


def _conflicts(plan: Plan, reader: DecisionReader) -> Iterator[Notice]:
    conflicts = conflicting_plans(plan, reader)
    for other in conflicts[:MAX_CONFLICTS]:
        yield Notice("conflict", _conflict_text(plan, other), is_warning=True)
    n_more = len(conflicts) - MAX_CONFLICTS
    if n_more > 0:
        text = f"{n_more:,} more waiting {agree(n_more, 'plan changes', 'plans change')} the same groups."
        yield Notice("conflict", text, is_warning=True)


def _conflict_text(plan: Plan, other: PlanEntry) -> str:
    uids = {group.uid for group in plan.groups}
    changes = []
    for group in other.plan.groups:
        if group.uid in uids:
            counts = f"{pluralize(len(group.add), 'addition')}, {pluralize(len(group.remove), 'removal')}"
            changes.append(f"{group.name} ({counts})")
    listed = "; ".join(changes[:_MAX_GROUPS])
    text = f"Plan {other.plan.digest[:12]} ({other.state}) also changes {listed}"
    n_more = len(changes) - _MAX_GROUPS
    if n_more > 0:
        text += f"; and {n_more:,} more {agree(n_more, 'group', 'groups')}"
    return f"{text}. Check that both plans are needed."


def _drift(plan: Plan, cache: Cache) -> Iterator[Notice]:
    """Yield a warning for each group with more drift than the limit allows, if a newer snapshot is stored."""
    if plan.base_url is None:
        return
    stored = latest_snapshot(cache, plan.tenant_uid, plan.base_url)
    if stored is None or stored.taken_at <= plan.snapshot_taken_at:
        return
    snapshot = latest_valid_snapshot(cache, plan.tenant_uid, plan.base_url)
    if snapshot is None or snapshot.taken_at <= plan.snapshot_taken_at:
        return
    verdicts = dict(zip(snapshot.reads["customer_group_uid"], snapshot.reads["verdict"], strict=True))
    for group in plan.groups:
        if not group.create and verdicts.get(group.uid, "drifted") != "drifted":
            text = _drift_text(plan, group, snapshot)
            if text:
                yield Notice("drift", text, is_warning=True)


def _drift_text(plan: Plan, group: GroupChange, snapshot: Snapshot) -> str:
    """Describe the drift of a group since the plan was created, or return "" if the plan allows the drift."""
    members = snapshot[group.uid].tolist()
    joined, left = group.drift(members)
    allowed = plan.limits.of(group.uid).drift_allowed(len(group.baseline))
    if allowed is None or joined + left <= allowed:
        return ""
    return (
        f"{group.name} had {pluralize(len(group.baseline), 'member')} when the plan was created, and "
        f"{len(members):,} in the data read at {format_utc(snapshot.taken_at)}. The group gained "
        f"{pluralize(joined, 'member')} and lost {pluralize(left, 'member')} without this plan. At most "
        f"{pluralize(int(allowed), 'change')} of this kind {agree(int(allowed), 'is', 'are')} allowed, so the plan "
        "cannot be applied. Ask the operator for a new plan."
    )
