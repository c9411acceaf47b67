"""Collect the notices that a review shows about a plan, from files in the data folder."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from frgroups.apply.known_drift import KnownDrift, known_drift
from frgroups.apply.plan_entry import MAX_CONFLICTS, PlanEntry
from frgroups.apply.plan_list import conflicting_plans
from frgroups.apply.window_notices import ApplyTimes, apply_times, window_notices
from frgroups.errors import FrgroupsError
from frgroups.internals.formatting import agree, format_utc, pluralize
from frgroups.internals.structured_logging import log_event
from frgroups.plan.plan import Plan
from frgroups.review.approval_search import plan_approvals, usable_approvals
from frgroups.review.decision_reader import DecisionReader
from frgroups.review.plan_folders import approval_folders
from frgroups.review.plan_sentences import APPROVED_CONSEQUENCES, plan_expires
from frgroups.review.plan_status import Notice, is_approved
from frgroups.store.manifest import Cache

_MAX_GROUPS = 5  # Maximum number of groups to name in the notice about a conflicting plan.

log = logging.getLogger("frgroups.apply")


def plan_notices(
    plan: Plan,
    drift: KnownDrift,
    *,
    entry: PlanEntry | None = None,
    is_waiting: bool = True,
    reader: DecisionReader | None = None,
    cache: Cache = None,
) -> list[Notice]:
    """
    Return notices for the review of a plan, based on files in the data folder.

    The notices describe decisions, runs, other plans that change the same groups, and apply windows.

    If a damaged file prevents a notice from being determined, the notice is left out and a warning is logged.

    Parameters
    ----------
    plan
        The plan to review.
    drift
        Differences between the data of the plan and newer data.
    entry
        Entry of the plan. The notices of the entry are also returned. None if the state of the plan is not known.
    is_waiting
        Whether a decision about the plan is possible. Otherwise, only withdrawn rejections are returned.
    reader
        Reader that the caller has used to read decisions, so that each file is read once. None creates a new reader.
    cache
        Folder of the stored snapshots. None selects the data folder.
    """
    notices: list[Notice] = []
    reader = reader or DecisionReader()
    sources: list[Iterable[Notice]] = [_withdrawals(plan, reader)]
    times = _apply_times(plan) if is_waiting else None
    if times is not None:
        sources += [() if entry is None else entry.notices, _approvals(plan, reader, times)]
        sources += [_later_changes(plan, drift), _conflicts(plan, reader, cache)]
    for source in sources:
        try:
            notices += list(source)
        except FrgroupsError as error:
            log_event(log, logging.WARNING, "notice_not_determined", f"The review lacks a notice. {error.message}")
    if times is not None:
        notices += window_notices(plan, times, is_approved=is_approved(notices))
    return notices


def _apply_times(plan: Plan) -> ApplyTimes:
    """Return the times at which a plan can be applied. An invalid file with the apply windows is ignored."""
    try:
        return apply_times(plan)
    except FrgroupsError as error:
        log_event(log, logging.WARNING, "notice_not_determined", f"The review lacks a notice. {error.message}")
        return ApplyTimes(datetime.now(UTC), plan_expires(plan))


def _withdrawals(plan: Plan, reader: DecisionReader) -> Iterator[Notice]:
    for withdrawal in reader.record(plan).withdrawals(plan):
        yield Notice("withdrawal", withdrawal.sentence())


def _approvals(plan: Plan, reader: DecisionReader, times: ApplyTimes) -> Iterator[Notice]:
    """
    Yield a notice for each approval of a plan.

    An approval that expires before the plan can be applied does not prevent a new approval.
    """
    folders = approval_folders(plan)
    usable = [choice.approval for choice in usable_approvals(plan, folders, reader=reader)[0]]
    needs_approval = not any(times.is_reached(approval.until) for approval in usable)
    for approval in usable:
        when = f" on {format_utc(approval.at)}" if approval.at else ""
        text = f"{approval.by} already approved this plan{when}."
        if approval.until is not None and times.is_reached() and not times.is_reached(approval.until):
            text += f" The approval expires on {format_utc(approval.until)}, before the plan can be applied."
            if needs_approval:
                text += " A new approval is needed."
            yield Notice("early_approval", text, is_warning=needs_approval)
            continue
        end = times.end(approval.until)
        if end is not None and times.is_reached(approval.until):
            text += f" The plan can be applied with this approval until {format_utc(end)}."
        yield Notice("approval", f"{text} {APPROVED_CONSEQUENCES}")
    for expired in plan_approvals(plan, folders, reader).other:
        if expired.until < datetime.now(UTC):
            yield Notice("expired_approval", f"An approval by {expired.by} expired on {format_utc(expired.until)}.")


def _later_changes(plan: Plan, drift: KnownDrift) -> Iterator[Notice]:
    """Yield warnings if the groups of a plan have changed since the plan's data was read."""
    outdated = (
        "The numbers on this page are out of date, because they are from the data read at "
        f"{format_utc(plan.snapshot_taken_at)}."
    )
    in_effect = drift.in_effect_text()
    # Changes of this plan can be in effect even if no other plan was applied, because a user can make the same
    # changes directly in the tenant.
    changed = list(drift.changed) if drift.later else [*drift.changed, in_effect]
    if any(changed):
        yield Notice("changed", " ".join(filter(None, [outdated, *changed])), is_warning=True)
    if not drift.later:
        return
    if drift.is_certain:
        result = "The plan can still be applied, because its limits allow these changes."
    else:
        result = (
            "It is not known whether all of these changes are in effect, or whether the plan can still be applied. "
            "Ask the operator to load the data again before you decide."
        )
    text = " ".join(filter(None, [outdated, *drift.later, result, in_effect]))
    yield Notice("applied", text, is_warning=True)


def _conflicts(plan: Plan, reader: DecisionReader, cache: Cache) -> Iterator[Notice]:
    conflicts = conflicting_plans(plan, reader)
    for other in conflicts[:MAX_CONFLICTS]:
        if known_drift(other.plan, cache=cache).blocks:
            name = f"Plan {other.plan.digest[:12]}"
            yield Notice(
                "conflict", f"{name} also changes these groups, but it is out of date and cannot be applied."
            )
        else:
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
