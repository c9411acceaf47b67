"""The last look before anything is sent: what drifted, what the limits say now, and what is true already."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from frgroups.api.client import Client
from frgroups.apply.checks import raise_if_limits_exceeded
from frgroups.apply.group_reader import GroupReader
from frgroups.apply.journal import Journal, JournalState, RunAborted
from frgroups.apply.run_registry import tenant_journals
from frgroups.errors import DriftError, NotFoundError
from frgroups.plan.group_change import GroupChange
from frgroups.plan.limits import GroupCounts, limit_violations
from frgroups.plan.plan import Plan

DAY = timedelta(hours=24)


Drift = dict[str, tuple[int, int]]  # by group uid: how many others joined and left since the plan was made


def preflight(client: Client, plan: Plan, journal: Journal, readings: GroupReader, stop: threading.Event) -> Drift:
    """
    Read every touched group, and write down what is true; returns who else came and went.

    Raises DriftError when a group is no longer what the plan was made from, PlanBlockedError when a limit is broken
    by what the groups are now, RunAborted when it was interrupted.
    """
    drift: Drift = {}
    problems = {}
    for group in plan.groups:
        if stop.is_set():
            raise RunAborted("interrupted while its groups were read.")
        if group.create and group.uid not in journal.past.creating:
            problem = _should_not_exist(client, group)
        else:
            problem = _drifted(plan, group, readings, drift, made=group.uid in journal.past.created)
        if problem:
            problems[group.uid] = problem
    if problems:
        raise DriftError(
            f"{len(problems)} of {len(plan.groups)} groups are no longer what the plan was made from. "
            f"{' '.join(problems.values())} Load again and make a new plan.",
            groups=list(problems),
        )
    days = _counts_days(plan)
    lately, own = (recent_removals(plan, journal.path), removals_of_run(journal.path)) if days else (Counter(), set())
    counts = [_counts_now(group, readings, own, lately[group.uid]) for group in plan.groups]
    raise_if_limits_exceeded(plan, limit_violations(plan.limits, counts, snapshot_age=timedelta(0)))
    for group in plan.groups:
        _note_what_is_true(group, journal, readings)
    return drift


def _should_not_exist(client: Client, group: GroupChange) -> str:
    try:
        client.get_group(group.uid)
    except NotFoundError:
        return ""
    return f"Group {group.uid} was to be created, but it exists."


def _drifted(plan: Plan, group: GroupChange, readings: GroupReader, drift: Drift, *, made: bool) -> str:
    """What keeps this group, which an earlier run of the plan may have `made`, from being changed, or nothing."""
    try:
        listing = readings.read(group.uid)
    except NotFoundError:
        return "" if group.create and not made else f"{group.name} ({group.uid}) does not exist any more."
    if listing.verdict == "drifted":
        return f"{group.name} changes faster than it can be read ({listing.note})."
    own = {*group.add, *group.remove}
    joined = len(set(listing.uids) - set(group.baseline) - own)
    left = len(set(group.baseline) - set(listing.uids) - own)
    if joined or left:
        drift[group.uid] = (joined, left)
    allowed = plan.limits.of(group.uid).drift_allowed(len(group.baseline))
    if allowed is None or joined + left <= allowed or group.create:
        return ""
    return (
        f"{group.name}: {joined:,} joined and {left:,} left since the plan was made, "
        f"of {len(group.baseline):,}; the limit is {int(allowed):,} (drift_share, drift_floor)."
    )


def _counts_days(plan: Plan) -> bool:
    return any(plan.limits.of(group.uid).removals_per_day is not None for group in plan.groups)


def _counts_now(
    group: GroupChange, readings: GroupReader, own: set[tuple[str, str]], removed_before: int
) -> GroupCounts:
    """What the plan would change of the members that the group has now, and what it and others removed of late."""
    members = readings.members(group.uid)
    removes = sum(uid in members for uid in group.remove)
    adds = sum(uid not in members for uid in group.add)
    removed = sum((group.uid, uid) in own and uid not in members for uid in group.remove)
    return GroupCounts(group.uid, group.name, len(members), adds, removes, removed_before + removed)


def _note_what_is_true(group: GroupChange, journal: Journal, readings: GroupReader) -> None:
    """Journal the items that are true though we have not brought that about: they are `already`."""
    past, members = journal.past, readings.members(group.uid)
    true = {
        change: [
            uid
            for uid in uids
            if (uid in members) == (change == "add")
            and (change == "add" or readings.proves_absence(group.uid))
            and (group.uid, uid, change) not in past.already
            and ((group.uid, uid, change) not in past.intended or (group.uid, uid, change) in past.not_sent)
        ]
        for change, uids in (("add", group.add), ("remove", group.remove))
    }
    if group.uid not in past.observed or true["add"] or true["remove"]:
        journal.write("look", group=group.uid, n_members=len(members), **true)


def recent_removals(plan: Plan, own: Path) -> Counter[str]:
    """
    By group the removals that other plans have sent in the last 24 hours, refused and turned away ones left out.

    `own` is the journal of the plan itself. Raises CorruptFileError for a journal that was altered: what it told of
    would not be counted.
    """
    since = datetime.now(UTC) - DAY
    lately = (path for path in tenant_journals(plan) if path != own and _changed(path) >= since)
    return sum((Counter(group for group, _ in _removed(path, since)) for path in lately), Counter())


def removals_of_run(journal: Path) -> set[tuple[str, str]]:
    """The removals, by group and customer, that this one journal tells of in the last 24 hours."""
    return _removed(journal, datetime.now(UTC) - DAY) if journal.exists() else set()


def _changed(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _removed(path: Path, since: datetime) -> set[tuple[str, str]]:
    past = JournalState()
    for line in Journal(path).lines():
        if line["event"] in ("intent", "outcome") and datetime.fromisoformat(line["at"]) >= since:
            past.take(line)
    sent = past.intended - past.not_sent - past.refused.keys()
    return {(group, uid) for group, uid, change in sent if change == "remove"}
