"""
Check a plan against the current members of its groups before changes are sent.

The checks compare the drift and the planned changes with the limits of the plan. They also find planned changes that
are already in effect. These changes do not need to be sent.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd

from frgroups.api.client import Client
from frgroups.apply.group_reader import GroupReader
from frgroups.apply.journal import Journal, JournalState, RunAborted, read_journal_lines
from frgroups.apply.plan_checks import raise_if_limits_exceeded
from frgroups.apply.run_registry import registered_journals
from frgroups.errors import DriftError, NotFoundError
from frgroups.internals.formatting import agree, format_list, format_utc, pluralize
from frgroups.internals.similar_text import comparison_keys
from frgroups.internals.timestamps import CLOCK_TOLERANCE
from frgroups.load.column_builder import groups_table
from frgroups.load.verified_listing import read_groups
from frgroups.plan.group_change import GroupChange, creation_times
from frgroups.plan.limit_comparisons import GroupCounts, limit_violations
from frgroups.plan.modes import REPLACING_MODES, mode_of
from frgroups.plan.plan import Plan
from frgroups.snapshot.verdicts import is_contradiction

DAY = timedelta(hours=24)

# Numbers of additions and removals that are not part of the plan, keyed by group uid.
Drift = dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class CheckedGroups:
    """
    Differences between the planned data of the groups and their current data.

    Attributes
    ----------
    drift
        Numbers of additions and removals that are not part of the plan, by group uid.
    renamed
        Current names of the renamed groups, by group uid.
    similar_groups
        Uids of other groups with the same or a similar name, keyed by the uid of the group in the plan.
    """

    drift: Drift
    renamed: dict[str, str]
    similar_groups: dict[str, list[str]]


def check_groups(
    client: Client, plan: Plan, journal: Journal, reader: GroupReader, stop: threading.Event
) -> CheckedGroups:
    """
    Read the groups in a plan, and check their names, their drift, and the plan's limits.

    Planned changes that are already in effect are recorded in the journal and are not sent.

    Raises
    ------
    DriftError
        A group has changed too much since the plan was created, a group was deleted and created again, or another
        group now has the approved name of a group or a similar name.
    PlanBlockedError
        The plan exceeds a limit when it is compared with the current members.
    RunAborted
        The run was interrupted.
    """
    drift: Drift = {}
    groups = read_groups(client)[0] if plan.groups else {}
    renamed, similar, problems = check_names(plan, groups_table(groups.values()), journal.state.creating)
    for group in plan.groups:
        if stop.is_set():
            raise RunAborted("The run was interrupted while it read the groups in the plan.")
        if group.create and group.uid not in journal.state.creating:
            problem = _check_absent(client, group)
        else:
            problem = _check_drift(plan, group, reader, drift, created=group.uid in journal.state.created)
        if problem:
            problems.setdefault(group.uid, problem)
    if problems:
        raise drift_error(plan, problems)
    recent: Counter[str] = Counter()
    own: set[tuple[str, str]] = set()
    if _has_daily_limit(plan):
        recent, own = recent_removals(plan, journal.path), _removals_of_run(journal.path)
    counts = []
    for group in plan.groups:
        removed = {uid for uid in group.remove if (group.uid, uid) in own}
        counts.append(current_counts(group, reader.members(group.uid), removed, recent[group.uid]))
    raise_if_limits_exceeded(plan, limit_violations(plan.limits, counts, snapshot_age=timedelta(0)))
    for group in plan.groups:
        _record_already_true(group, journal, reader)
    return CheckedGroups(drift, renamed, similar)


def drift_error(plan: Plan, problems: Mapping[str, str]) -> DriftError:
    """Return the error for groups that have drifted too much. `problems` maps the uid of each group to a sentence."""
    return DriftError(
        f"The plan no longer matches the current state of {len(problems)} of "
        f"{pluralize(len(plan.groups), 'group')}. {' '.join(problems.values())} "
        "Load the tenant again and create a new plan.",
        groups=list(problems),
    )


def check_names(
    plan: Plan, groups: pd.DataFrame, creating: Collection[str] = ()
) -> tuple[dict[str, str], dict[str, list[str]], dict[str, str]]:
    """
    Compare the group names and creation times in a plan with those of the current groups.

    The reviewer approved a plan by the names of its groups. If a group was renamed, another group can now have the
    approved name or a similar name. The reviewer might then have meant the other group, so the plan must not be
    applied. An undo plan reverses changes to the same uids, so its renamed groups are only reported. The plan must
    also not be applied if, since the plan was created, an existing group received the name of a group that the plan
    creates, or a similar name. The same is true if a group was deleted and a new group has its uid.

    Parameters
    ----------
    plan
        The plan.
    groups
        The current groups table of the tenant.
    creating
        Uids of the groups that an earlier run of the plan has created, or might have created.

    Returns
    -------
    tuple
        Three dictionaries, keyed by the uid of a group in the plan: the current name of each renamed group, the uids
        of other groups with the same or a similar name, and the problem of each group that must not be changed.
    """
    renamed: dict[str, str] = {}
    similar: dict[str, list[str]] = {}
    problems: dict[str, str] = {}
    names = dict(zip(groups["customer_group_uid"], groups["name"], strict=True))
    created_at = creation_times(groups)
    uids_by_key: dict[str, set[str]] = {}
    for uid, name in names.items():
        for key in comparison_keys(name):
            uids_by_key.setdefault(key, set()).add(uid)

    def groups_like(name: str, own_uid: str) -> list[str]:
        """Return the other groups with the given name or a similar name. Groups with exactly this name come first."""
        alike = set().union(*(uids_by_key.get(key, ()) for key in comparison_keys(name))) - {own_uid}
        return sorted(alike, key=lambda uid: (names[uid] != name, uid))

    for group in plan.groups:
        others = groups_like(group.name, group.uid)
        if group.create:
            if group.uid not in creating and _has_unknown_others(plan, group, others, names):
                problems[group.uid] = (
                    f"The plan creates the group {group.name!r}, but {_describe_name(group, others[0], names)}."
                )
        elif names.get(group.uid, group.name) != group.name:
            renamed[group.uid] = names[group.uid]
            if others and not plan.reverts:
                problems[group.uid] = (
                    f"Group {group.uid} was renamed from {group.name!r} to {renamed[group.uid]!r}, and "
                    f"{_describe_name(group, others[0], names)}."
                )
            others = groups_like(names[group.uid], group.uid)
        if others and not group.create:
            similar[group.uid] = others
        if _was_recreated(plan, group, created_at.get(group.uid, "")):
            problems[group.uid] = (
                f"Group {group.name} ({group.uid}) was deleted, and a new group with the same uid was created at "
                f"{format_utc(datetime.fromisoformat(created_at[group.uid]))}."
            )
    return renamed, similar, problems


def _was_recreated(plan: Plan, group: GroupChange, created_at: str) -> bool:
    """
    Return True if an existing group was deleted and created again after the data of the plan was read.

    If a snapshot was created from tables, its creation times can be rounded. Therefore, a different creation time
    counts only if it is later than the time of the snapshot. `created_at` is the group's current creation time.
    """
    if not group.created_at or created_at in ("", group.created_at):
        return False
    return datetime.fromisoformat(created_at) > plan.snapshot_taken_at - CLOCK_TOLERANCE


def _has_unknown_others(plan: Plan, group: GroupChange, others: list[str], names: dict[str, str]) -> bool:
    """Return True if an existing group has a new group's name or a similar name, and no finding reports it."""
    reviewed: Counter[str] = Counter()
    for finding in plan.findings:
        if finding.customer_group_uid == group.uid:
            reviewed[finding.rule] += finding.n
    n_same = sum(names[uid] == group.name for uid in others)
    return n_same > reviewed["same_name"] or len(others) > reviewed["same_name"] + reviewed["similar_name"]


def _describe_name(group: GroupChange, other: str, names: dict[str, str]) -> str:
    if names[other] == group.name:
        return f"group {other} now has the name {group.name!r}"
    return f"group {other} now has the name {names[other]!r}, which looks like {group.name!r}"


def _check_absent(client: Client, group: GroupChange) -> str:
    """Return an error message if a group that the plan creates already exists, or "" if no such group exists."""
    try:
        client.get_group(group.uid)
    except NotFoundError:
        return ""
    return f"The plan creates group {group.uid}, but a group with this uid already exists."


def _check_drift(plan: Plan, group: GroupChange, reader: GroupReader, drift: Drift, *, created: bool) -> str:
    """
    Return an error message if a group was deleted or has drifted too much, or "" if there is no problem.

    The numbers of additions and removals that are not part of the plan are stored in `drift`. `created` is True if an
    earlier run of the plan created the group.
    """
    try:
        listing = reader.read(group.uid)
    except NotFoundError:
        if group.create and not created:
            return ""
        return f"Group {group.name} ({group.uid}) no longer exists."
    if listing.verdict == "drifted":
        if is_contradiction(listing.note):
            return f"The responses of the server about group {group.name} contradict each other ({listing.note})."
        return f"Group {group.name} changed during every attempt to read it ({listing.note})."
    mode = mode_of(plan.mode, group.uid)
    if listing.is_incomplete and mode in REPLACING_MODES and not plan.reverts:
        return (
            f"The server omits members of group {group.name} ({listing.note}), so a plan in mode {mode} cannot "
            "remove all members who are not in the list. Use mode remove or add."
        )
    joined, left = group.drift(listing.uids)
    if joined or left:
        drift[group.uid] = (joined, left)
    problem = drift_problem(plan, group, listing.uids, datetime.now(UTC))
    return f"{problem} The limits drift_share and drift_floor set this number." if problem else ""


def drift_problem(plan: Plan, group: GroupChange, members: Collection[str], read_at: datetime) -> str:
    """
    Describe the drift of a group since the plan was created, or return "" if the plan's limits allow the drift.

    Parameters
    ----------
    plan
        The plan.
    group
        The planned change of the group. A group that the plan creates has no drift.
    members
        The current members of the group.
    read_at
        Time at which the members were read.
    """
    joined, left = group.drift(members)
    allowed = plan.limits.of(group.uid).drift_allowed(len(group.baseline))
    if allowed is None or joined + left <= allowed or group.create:
        return ""
    changes = [f"{verb} {pluralize(n, 'member')}" for verb, n in (("gained", joined), ("lost", left)) if n]
    n_allowed = int(allowed)
    return (
        f"Group {group.name} had {pluralize(len(group.baseline), 'member')} in the data of the plan, and "
        f"{len(members):,} in the data read at {format_utc(read_at)}. The group {format_list(changes)} without this "
        f"plan. At most {pluralize(n_allowed, 'change')} of this kind {agree(n_allowed, 'is', 'are')} allowed."
    )


def _has_daily_limit(plan: Plan) -> bool:
    return any(plan.limits.of(group.uid).removals_per_day is not None for group in plan.groups)


def current_counts(
    group: GroupChange, members: Collection[str], own: Collection[str] = (), n_recent_removals: int = 0
) -> GroupCounts:
    """
    Count a group's planned changes that are not in effect yet, and the group's removals in the last 24 hours.

    Parameters
    ----------
    group
        The planned change of the group.
    members
        The current members of the group.
    own
        Customers whose removal was sent by an earlier run of this plan in the last 24 hours. The function counts only
        the customers who are no longer members of the group.
    n_recent_removals
        Number of removals that other plans have sent in the last 24 hours.
    """
    removes = sum(uid in members for uid in group.remove)
    adds = sum(uid not in members for uid in group.add)
    removed = sum(uid not in members for uid in own)
    return GroupCounts(
        group.uid,
        group.name,
        len(members),
        adds,
        removes,
        removed_before=n_recent_removals + removed,
        removed_already=len(group.remove) - removes,
    )


def _record_already_true(group: GroupChange, journal: Journal, reader: GroupReader) -> None:
    """
    Record in the journal which planned changes of a group are already in effect.

    In the receipt, planned changes that were already in effect have the state `already`. A customer who is missing
    from the group counts as removed only if the read of the group was consistent.
    """
    state, members = journal.state, reader.members(group.uid)
    absence_counts = reader.confirms_absence(group.uid)
    already: dict[str, list[str]] = {"add": [], "remove": []}
    for uid, change in group.items():
        item = (group.uid, uid, change)
        is_true = (uid in members) == (change == "add") and (change == "add" or absence_counts)
        if is_true and item not in state.already and not state.was_sent(item):
            already[change].append(uid)
    if group.uid not in state.observed or already["add"] or already["remove"]:
        journal.write("observed", group=group.uid, n_members=len(members), **already)


def recent_removals(plan: Plan, own: Path) -> Counter[str]:
    """
    Return the number of removals per group that other plans have sent in the last 24 hours.

    Removals that were rejected or not sent are not counted. `own` is the path of the plan's own journal, which is
    skipped.

    Raises
    ------
    CorruptFileError
        A journal is corrupt, so its removals cannot be counted.
    """
    since = datetime.now(UTC) - DAY
    removals: Counter[str] = Counter()
    for path in registered_journals(plan.tenant_uid, plan.base_url):
        if path != own and _modified_at(path) >= since:
            removals.update(group for group, _ in _removals_since(path, since))
    return removals


def _removals_of_run(journal: Path) -> set[tuple[str, str]]:
    """Return the removals that a journal recorded in the last 24 hours, as pairs of group uid and customer uid."""
    if not journal.exists():
        return set()
    return _removals_since(journal, datetime.now(UTC) - DAY)


def _modified_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _removals_since(path: Path, since: datetime) -> set[tuple[str, str]]:
    state = JournalState()
    for line in read_journal_lines(path):
        if line["event"] in ("intent", "outcome") and datetime.fromisoformat(line["at"]) >= since:
            state.apply_event(line)
    return {(group, uid) for group, uid, change in state.possibly_effective if change == "remove"}
