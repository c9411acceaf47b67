"""
Compare a plan with newer data in the data folder.

`apply_plan` reads the groups of a plan again before it sends a change. The functions in this module send no requests.
The review page and `frgroups approve` use these functions, so that a reviewer does not approve a plan that
`apply_plan` would reject. `approve_plan` does not use these functions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from frgroups.apply.group_checks import check_names, current_counts, drift_error, drift_problem
from frgroups.apply.newer_data import NewerData, newer_data
from frgroups.apply.plan_checks import raise_if_limits_exceeded
from frgroups.apply.plan_entry import PlanEntry
from frgroups.apply.plan_states import WITHOUT_SENT_CHANGES
from frgroups.apply.sent_changes import Cause
from frgroups.errors import FrgroupsError
from frgroups.internals.formatting import agree, format_list, format_utc, pluralize
from frgroups.plan.finding import Finding
from frgroups.plan.limit_comparisons import limit_violations
from frgroups.plan.plan import Plan
from frgroups.snapshot.snapshot import Snapshot
from frgroups.store.manifest import Cache

_MAX_LISTED = 5  # Maximum number of plans, groups, or differences to list in sentences for the reviewer.


@dataclass(frozen=True, slots=True)
class KnownDrift:
    """
    Differences between the data of a plan and newer data in the data folder.

    Attributes
    ----------
    later
        One sentence for each applied plan that changed the same groups after the data of the checked plan was read.
        The newest plan is first.
    changed
        Sentences about differences that no plan caused: customers who joined or left a group, and new group names.
    is_certain
        Whether the results of the plans in `later` are known. They are not known if the run of such a plan was
        interrupted.
    n_in_effect
        Number of changes of the checked plan that are already in effect according to the newer data.
    in_effect_at
        Time of the last read of the groups with changes that are already in effect, or None if there are no such
        changes.
    problems
        Reasons why `apply_plan` would raise DriftError, keyed by group uid.
    violations
        Limits that the plan exceeds when its changes are compared with the newer data.
    """

    later: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    is_certain: bool = True
    n_in_effect: int = 0
    in_effect_at: datetime | None = None
    problems: tuple[tuple[str, str], ...] = ()
    violations: tuple[Finding, ...] = ()

    @property
    def blocks(self) -> bool:
        """True if `apply_plan` would not apply the plan."""
        return bool(self.problems or self.violations)

    def in_effect_text(self) -> str:
        """Return a sentence with the number of planned changes that are in effect, or "" if there are none."""
        if self.in_effect_at is None:
            return ""
        n = self.n_in_effect
        return (
            f"{pluralize(n, 'change')} of this plan {agree(n, 'is', 'are')} already in effect according to the data "
            f"read at {format_utc(self.in_effect_at)}."
        )

    def reasons(self) -> list[str]:
        """Return sentences with the reasons why `apply_plan` would not apply the plan."""
        return [*(text for _, text in self.problems), *(finding.message for finding in self.violations)]


def known_drift(plan: Plan, *, cache: Cache = None) -> KnownDrift:
    """
    Compare a plan that has sent no change with newer data in the data folder.

    Parameters
    ----------
    plan
        The plan.
    cache
        Folder of the stored snapshots. None selects the data folder.

    Raises
    ------
    CorruptFileError
        The registry of started plans is corrupt.
    """
    newer = newer_data(plan, after=plan.snapshot_taken_at, cache=cache)
    own = plan.digest, plan.planned_at
    causes = [cause for cause in newer.causes if (cause.plan_digest, cause.planned_at) != own]
    problems = _group_problems(plan, newer, causes)
    counts, n_in_effect, in_effect_at = [], 0, None
    for group in plan.groups:
        read_at, members = newer.members.get(group.uid, (plan.snapshot_taken_at, frozenset(group.baseline)))
        counts.append(current_counts(group, members))
        n = len(members.intersection(group.add)) + len(set(group.remove) - members)
        if n:
            n_in_effect += n
            in_effect_at = read_at if in_effect_at is None else max(in_effect_at, read_at)
    violations: list[Finding] = []
    if newer.members:
        violations = limit_violations(plan.limits, counts, snapshot_age=timedelta(0))
    return KnownDrift(
        later=tuple(_later_changes(plan, [cause for cause in causes if not _is_in_plan(plan, newer, cause)])),
        changed=tuple(_unexplained_changes(plan, newer, causes)),
        is_certain=all(cause.state != "unknown" for cause in causes),
        n_in_effect=n_in_effect,
        in_effect_at=in_effect_at,
        problems=tuple(problems.items()),
        violations=tuple(finding for finding in violations if finding.blocking),
    )


def check_known_drift(entry: PlanEntry) -> None:
    """
    Raise an error if newer data in the data folder shows that `apply_plan` would reject the plan.

    Raises
    ------
    DriftError
        A group has changed too much since the plan was created.
    PlanBlockedError
        The plan exceeds a limit when it is compared with the newer data.
    """
    if entry.state not in WITHOUT_SENT_CHANGES:
        return  # If a run has sent changes, `apply_plan` uses the journal to check the plan.
    plan = entry.plan
    try:
        drift = known_drift(plan)
    except FrgroupsError:
        return  # Ignore a damaged file, because `apply_plan` raises an error for such a file.
    if drift.problems:
        raise drift_error(plan, dict(drift.problems))
    raise_if_limits_exceeded(plan, list(drift.violations))


def _group_problems(plan: Plan, newer: NewerData, causes: Sequence[Cause]) -> dict[str, str]:
    """Return the reasons why groups of the plan cannot be changed, keyed by group uid."""
    problems: dict[str, str] = {}
    existing: frozenset[str] = frozenset(newer.members)
    missing: dict[str, datetime] = {}
    snapshot = newer.snapshot
    # The groups of a drifted snapshot are not used.
    # If the list of groups changed while it was loaded, a group that is missing from the list might still exist.
    if snapshot is not None and snapshot.verdict != "drifted":
        problems |= check_names(plan, snapshot.groups)[2]
        uids = frozenset(snapshot.groups["customer_group_uid"])
        existing |= uids
        if _has_verified_groups(snapshot):
            known = uids | newer.members.keys()
            missing = {group.uid: snapshot.taken_at for group in plan.groups if group.uid not in known}
    existing |= {cause.customer_group_uid for cause in causes}
    for group in plan.groups:
        text = ""
        if group.create:
            if group.uid in existing:
                text = f"The plan creates group {group.uid}, but a group with this uid already exists."
        elif group.uid in missing:
            text = f"Group {group.name} no longer exists in the data read at {format_utc(missing[group.uid])}."
        elif group.uid in newer.members:
            read_at, members = newer.members[group.uid]
            text = drift_problem(plan, group, members, read_at)
        if text:
            problems.setdefault(group.uid, text)
    return problems


def _has_verified_groups(snapshot: Snapshot) -> bool:
    """
    Return True if a snapshot's list of groups is verified as complete, so that a missing group does not exist.

    If a snapshot was created from tables, its list of groups can be incomplete.
    """
    is_loaded = (snapshot.reads["how"] != "given").any()
    return snapshot.verdict == "consistent" or bool(is_loaded and not snapshot.groups_note)


def _unexplained_changes(plan: Plan, newer: NewerData, causes: Sequence[Cause]) -> list[str]:
    """Return sentences about the changes since a plan's data was read that no applied plan caused."""
    caused = {(cause.customer_group_uid, cause.customer_uid) for cause in causes}
    names = {} if newer.snapshot is None else newer.snapshot.matrix.names_by_uid
    sentences = []
    for group in plan.groups:
        if group.create:
            continue
        new_name = names.get(group.uid, group.name)
        if new_name != group.name:
            sentences.append(f"Group {group.name} now has the name {new_name}.")
        if group.uid not in newer.members:
            continue
        read_at, members = newer.members[group.uid]
        baseline = frozenset(group.baseline)
        explained = {uid for uid in baseline ^ members if (group.uid, uid) in caused}
        joined, left = group.drift((members - explained) | (baseline & explained))
        if joined or left:
            sentences.append(
                f"{pluralize(joined, 'customer')} joined {group.name} and {left:,} left without a plan. The group "
                f"had {pluralize(len(members), 'member')} at {format_utc(read_at)}."
            )
    n_more = len(sentences) - _MAX_LISTED
    if n_more > 0:
        sentences[_MAX_LISTED:] = [f"There {agree(n_more, 'is', 'are')} {pluralize(n_more, 'more difference')}."]
    return sentences


def _is_in_plan(plan: Plan, newer: NewerData, cause: Cause) -> bool:
    """
    Return True if a plan's data already contains a change that another plan made.

    This check is needed because the groups of an undo plan can have data from different times. `snapshot_taken_at` is
    the oldest of these times.
    """
    baselines = {group.uid: frozenset(group.baseline) for group in plan.groups}
    read_at, members = newer.members.get(cause.customer_group_uid, (cause.sent_at, frozenset()))
    return read_at >= cause.until and members == baselines[cause.customer_group_uid]


def _later_changes(plan: Plan, causes: Sequence[Cause]) -> list[str]:
    """Return one sentence per plan that changed the groups, newest plan first. `causes` must be sorted by time."""
    by_plan: dict[tuple[str | None, datetime], list[Cause]] = {}
    for cause in reversed(causes):
        by_plan.setdefault((cause.plan_digest, cause.planned_at), []).append(cause)
    names = {group.uid: group.name for group in plan.groups}
    sentences = []
    for (digest, _), changes in list(by_plan.items())[:_MAX_LISTED]:
        uids = {cause.customer_group_uid for cause in changes}
        groups = format_list([name for uid, name in names.items() if uid in uids], _MAX_LISTED)
        counts = Counter(change for change, _ in {(cause.change, cause.customer_uid) for cause in changes})
        parts = [
            f"{pluralize(counts[change], 'customer')} {change}" for change in ("joined", "left") if counts[change]
        ]
        sentences.append(
            f"{_plan_name(plan, digest)} changed {groups} on {format_utc(changes[0].sent_at)}: {format_list(parts)}."
        )
    n_more = len(by_plan) - len(sentences)
    if n_more > 0:
        sentences.append(f"{n_more:,} more {agree(n_more, 'plan', 'plans')} changed these groups.")
    return sentences


def _plan_name(plan: Plan, digest: str | None) -> str:
    if digest is None:
        return "A plan that contained an erased customer"
    if digest == plan.digest:
        return "Another plan with the same changes"
    return f"Plan {digest[:12]}"
