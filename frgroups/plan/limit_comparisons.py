"""Compare the numbers of a plan with its limits, and create a blocking finding for each exceeded limit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from frgroups.internals.formatting import format_age, format_percentage, pluralize, total_hours
from frgroups.internals.timestamps import CLOCK_TOLERANCE, parse_duration
from frgroups.plan.finding import Finding
from frgroups.plan.limits import Limits, format_removals_allowed, format_total_removals_allowed


@dataclass(frozen=True, slots=True)
class GroupCounts:
    """Numbers of members, additions, and removals of one group, which are compared with the limits."""

    uid: str
    name: str
    baseline: int
    adds: int
    removes: int
    # Number of removals by other plans in the last 24 hours. It is 0 until the plan is applied.
    removed_before: int = 0
    # Number of planned removals that are already in effect. It is 0 until the plan is applied.
    removed_already: int = 0

    @property
    def emptied(self) -> bool:
        """True if the plan leaves the group without members."""
        return self.baseline > 0 and self.baseline + self.adds == self.removes


@dataclass(frozen=True, slots=True)
class LimitComparison:
    """
    Comparison of a number in a plan with a limit.

    The compared number belongs to the complete plan or to one group in the plan.

    Attributes
    ----------
    rule
        Name of the limit.
    value, allowed
        The value and its maximum, as a count or as hours for an age. `allowed` is None if the limit is off.
    group
        The group that the limit applies to, or None if the limit applies to the complete plan.
    """

    rule: str
    value: float
    allowed: float | None
    group: GroupCounts | None = None

    @property
    def exceeded(self) -> bool:
        """True if the compared value is larger than the maximum that the limit allows."""
        return self.allowed is not None and self.value > self.allowed


def compare_with_limits(
    limits: Limits, groups: Sequence[GroupCounts], *, snapshot_age: timedelta
) -> list[LimitComparison]:
    """
    Compare the changes of a plan with its limits.

    The comparisons for single groups come first, followed by the totals and the age of the snapshot.

    Examples
    --------
    >>> [comparison] = [
    ...     comparison
    ...     for comparison in compare_with_limits(
    ...         Limits(), [GroupCounts("vip", "VIP", 50, 0, 9)], snapshot_age=timedelta(0)
    ...     )
    ...     if comparison.exceeded
    ... ]
    >>> comparison.rule, comparison.value, comparison.allowed
    ('removals_per_group', 9, 5.0)
    """
    comparisons = [comparison for group in groups for comparison in _compare_group(limits, group)]
    # Count only groups without separate limits. Other groups are compared with their own limit `emptied_groups`.
    emptied = sum(group.emptied and limits.of(group.uid) is limits for group in groups)
    n_removals = sum(group.removes for group in groups)
    return [
        *comparisons,
        LimitComparison("removals_total", n_removals, limits.removals_total),
        LimitComparison("removal_share_total", n_removals, limits.total_removals_allowed(n_memberships(groups))),
        LimitComparison("additions_total", sum(group.adds for group in groups), limits.additions_total),
        LimitComparison("emptied_groups", emptied, limits.emptied_groups),
        LimitComparison("snapshot_max_age", total_hours(snapshot_age), hours_of(limits.snapshot_max_age)),
    ]


def n_memberships(groups: Iterable[GroupCounts]) -> int:
    """
    Return the number of memberships in the groups from which a plan removes customers.

    The memberships before the plan are counted. The members of other groups are not counted. Otherwise, an addition
    to one large group would increase the number of allowed removals.

    Examples
    --------
    >>> n_memberships([GroupCounts("vip", "VIP", 50, 0, 9), GroupCounts("all", "All", 600, 1, 0)])
    50
    """
    losing = [group for group in groups if group.removes or group.removed_already]
    return sum(group.baseline + group.removed_already for group in losing)


def _compare_group(limits: Limits, group: GroupCounts) -> list[LimitComparison]:
    own = limits.of(group.uid)
    comparisons = [LimitComparison("removals_per_group", group.removes, own.removals_allowed(group.baseline), group)]
    if group.removes:
        n_in_a_day = group.removes + group.removed_before
        comparisons.append(LimitComparison("removals_per_day", n_in_a_day, own.removals_per_day, group))
    comparisons.append(LimitComparison("additions_per_group", group.adds, own.additions_per_group, group))
    if own is not limits:
        comparisons.append(LimitComparison("emptied_groups", int(group.emptied), own.emptied_groups, group))
    return comparisons


def hours_of(duration: str | None) -> float | None:
    """Convert a duration such as "7d" to a number of hours, or return None if the duration is None."""
    if duration is None:
        return None
    return total_hours(parse_duration(duration))


def limit_violations(limits: Limits, groups: Sequence[GroupCounts], *, snapshot_age: timedelta) -> list[Finding]:
    """Return a blocking finding for each limit that a plan exceeds."""
    exceeded = [
        comparison
        for comparison in compare_with_limits(limits, groups, snapshot_age=snapshot_age)
        if comparison.exceeded
    ]
    return [_violation(limits, comparison, groups) for comparison in exceeded]


def plan_age_violations(limits: Limits, age: timedelta) -> list[Finding]:
    """
    Return a blocking finding if the plan is too old to be applied.

    If the plan is not too old, the list is empty.
    """
    comparison = LimitComparison("plan_max_age", total_hours(age), hours_of(limits.plan_max_age))
    if not comparison.exceeded:
        return []
    text = f"The plan is {format_age(age)} old. The limit is {limits.plan_max_age}. Create a new plan."
    return [Finding("plan_max_age", text, True, allow=(("plan_max_age", _sufficient_age(comparison.value)),))]


def future_times(times: Mapping[str, tuple[str, datetime]], now: datetime, clocks: str) -> list[Finding]:
    """
    Return a blocking finding for each time that is in the future and therefore has no valid age.

    Parameters
    ----------
    times
        Description and value of each time, keyed by the name of the limit that applies to its age.
    now
        Current time according to the clock of this machine.
    clocks
        The machines whose clocks the operator must check.
    """
    return [
        Finding(
            rule,
            f"The {name} is {format_age(time - now)} in the future according to the clock of this machine. Check the "
            f"clocks of {clocks}.",
            True,
        )
        for rule, (name, time) in times.items()
        if time - now > CLOCK_TOLERANCE
    ]


def _violation(limits: Limits, comparison: LimitComparison, groups: Sequence[GroupCounts]) -> Finding:
    if comparison.group is not None:
        return _group_violation(limits.of(comparison.group.uid), comparison, comparison.group)
    rule, n = comparison.rule, int(comparison.value)
    if rule == "snapshot_max_age":
        text = (
            f"The data was {format_age(timedelta(hours=comparison.value))} old when the plan was created. "
            f"The limit is {limits.snapshot_max_age}. Load the tenant again and create a new plan."
        )
        return Finding(rule, text, True, allow=((rule, _sufficient_age(comparison.value)),))
    if rule == "removal_share_total":
        return _share_violation(limits, n, n_memberships(groups))
    changes = {
        "removals_total": f"contains {pluralize(n, 'removal')} in total",
        "additions_total": f"contains {pluralize(n, 'addition')} in total",
        "emptied_groups": f"leaves {pluralize(n, 'group')} without members",
    }
    text = f"The plan {changes[rule]}. The limit is {comparison.allowed:,}."
    return Finding(rule, text, True, n=n, allow=((rule, n),))


def _share_violation(limits: Limits, n: int, n_total: int) -> Finding:
    text = (
        f"The plan removes {n:,} of the {pluralize(n_total, 'membership')} "
        f"({format_percentage(n / max(n_total, 1))}) of the groups that lose members. "
        f"The limit is {format_total_removals_allowed(limits, n_total)}."
    )
    allow: tuple[tuple[str, Any], ...] = (("removal_floor_total", n),)
    if limits.removal_share_total == 0:
        # If `removal_share_total` is 0, every removal is blocked regardless of the floor.
        # Therefore, also suggest a larger share, rounded up to four decimals.
        allow += (("removal_share_total", min(1.0, math.ceil(10_000 * n / max(n_total, 1)) / 10_000)),)
    return Finding("removal_share_total", text, True, n=n, allow=allow)


def _group_violation(own: Limits, comparison: LimitComparison, group: GroupCounts) -> Finding:
    rule, n = comparison.rule, int(comparison.value)
    allow: tuple[tuple[str, Any], ...] = ((rule, n),)
    if rule == "removals_per_group":
        text = _removal_text(own, group)
        by_share = replace(own, removals_per_group=None, removal_floor=None).removals_allowed(group.baseline)
        if by_share is not None and by_share < n:
            allow += (("removal_share", sufficient_share(n, group.baseline)),)
        # A floor that has no effect because `removals_per_group` is 0 takes effect when this limit is raised.
        # A floor above the number of planned removals would then allow more removals than planned, so suggest a floor
        # of 0.
        if (own.removal_floor or 0) > n:
            allow += (("removal_floor", 0),)
    elif rule == "removals_per_day":
        text = f"The plan removes {pluralize(group.removes, 'customer')} from {group.name}."
        if group.removed_before:
            text += f" Earlier plans removed {group.removed_before:,} in the last 24 hours."
        text += f" The limit is {comparison.allowed:,} per day."
    elif rule == "additions_per_group":
        text = f"The plan adds {pluralize(n, 'customer')} to {group.name}. The limit is {comparison.allowed:,}."
    else:
        text = f"The plan removes all members of {group.name}. The limits of this group do not allow that."
    return Finding(rule, text, True, group.uid, n, allow)


def sufficient_share(n: int, n_total: int) -> float | None:
    """
    Return the smallest share with two decimals that allows n removals, or None if no share allows them.

    Examples
    --------
    >>> sufficient_share(20, 120), sufficient_share(29, 100), sufficient_share(8, 7)
    (0.17, 0.29, None)
    """
    if n > n_total:
        return None
    return math.ceil(Fraction(100 * n, n_total)) / 100


def _sufficient_age(hours: float) -> str:
    """Return an age limit that is one to two hours above an age, so that a plan created soon afterward is allowed."""
    return f"{int(hours) + 2}h"


def _removal_text(own: Limits, group: GroupCounts) -> str:
    percentage = format_percentage(group.removes / max(group.baseline, 1))
    return (
        f"The plan removes {group.removes:,} of {pluralize(group.baseline, 'customer')} ({percentage}) from "
        f"{group.name}. The limit for this group is {format_removals_allowed(own, group.baseline)}."
    )
