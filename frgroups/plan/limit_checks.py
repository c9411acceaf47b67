"""Compare a plan with each of its limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from frgroups.internals.formatting import total_hours
from frgroups.plan.limit_comparisons import GroupCounts, LimitComparison, compare_with_limits, hours_of
from frgroups.plan.limits import Limits
from frgroups.plan.plan import Plan

LimitState = Literal["within", "over", "off", "later"]


@dataclass(frozen=True, slots=True)
class LimitCheck:
    """
    Result of the comparison of a plan with one limit.

    Attributes
    ----------
    rule
        Name of the limit. "removals_per_group" also covers `removal_share` and `removal_floor`,
        "removal_share_total" also covers `removal_floor_total`, and "drift_share" also covers `drift_floor`.
    state
        "within" or "over" the limit, "off" if the limit is None, or "later" if the limit is checked when the plan is
        applied.
    limits
        The limits that were used. These are the limits of `group` if it is set, otherwise the limits of the plan.
    value
        Count in the plan, or hours for an age. None if the state is "later", or if no group is affected.
    allowed
        Maximum in the unit of `value`, or a share for "drift_share". None if the limit is off.
    group
        For a limit per group, the group that has used the largest share of its maximum. If the limit is off for all
        groups with changes of this type, this is the group with the most changes.
    n_groups
        For a limit per group, the number of groups that have changes of the type that is limited.
    n_over
        For a limit per group, the number of groups that exceed their maximum.
    n_unlimited
        For a limit per group, the number of groups that have changes of this type and for which the limit is off.
    most_unlimited
        The largest number of changes of this type in a group for which the limit is off.
    n_own_limits
        For "emptied_groups", the number of emptied groups that have separate limits.
    allowed_values
        For "removals_per_day", the distinct maxima of the groups in ascending order.
    """

    rule: str
    state: LimitState
    limits: Limits
    value: float | None = None
    allowed: float | None = None
    group: GroupCounts | None = None
    n_groups: int = 0
    n_over: int = 0
    n_unlimited: int = 0
    most_unlimited: float = 0
    n_own_limits: int = 0
    allowed_values: tuple[int, ...] = ()


def limit_checks(plan: Plan) -> list[LimitCheck]:
    """
    Compare a plan with each of its limits, and return one result per limit.

    The list contains a result for the limit "removals_per_day" only if a group in the plan has this limit.

    Examples
    --------
    >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]})
    >>> check = limit_checks(plan)[1]
    >>> check.rule, check.state, check.value, check.allowed, check.group.name
    ('additions_per_group', 'within', 1, 1000, 'VIP')
    """
    counts = [group.counts for group in plan.groups]
    by_rule: dict[str, list[LimitComparison]] = {}
    for comparison in compare_with_limits(plan.limits, counts, snapshot_age=plan.snapshot_age):
        by_rule.setdefault(comparison.rule, []).append(comparison)
    return [
        _check_of_groups("removals_per_group", by_rule, plan.limits, plan.limits.removals_allowed(0)),
        _check_of_groups("additions_per_group", by_rule, plan.limits, plan.limits.additions_per_group),
        _check_of_plan("removals_total", by_rule, plan.limits),
        _check_of_plan("removal_share_total", by_rule, plan.limits),
        _check_of_plan("additions_total", by_rule, plan.limits),
        _check_of_emptied_groups(plan, by_rule["emptied_groups"]),
        _check_of_snapshot_age(plan, by_rule["snapshot_max_age"]),
        *_checks_per_day(plan, by_rule.get("removals_per_day", [])),
        _pending_check("drift_share", plan.limits, plan.limits.drift_share),
        _pending_check("plan_max_age", plan.limits, hours_of(plan.limits.plan_max_age)),
    ]


def _check_of_groups(
    rule: str, by_rule: dict[str, list[LimitComparison]], limits: Limits, default: float | None
) -> LimitCheck:
    """
    Return the result of a limit per group, for the group that has used the largest share of its maximum.

    If the plan contains no changes to which the limit applies, the maximum in the result is `default`.
    """
    affected = [comparison for comparison in by_rule.get(rule, []) if comparison.value]
    limited = [comparison for comparison in affected if comparison.allowed is not None]
    unlimited = [comparison for comparison in affected if comparison.allowed is None]
    if not affected:
        return LimitCheck(rule, "off" if default is None else "within", limits, allowed=default)
    if limited:
        shown, state = max(limited, key=_closeness), _state(limited)
    else:
        shown, state = max(unlimited, key=lambda comparison: comparison.value), _state(unlimited)
    group = shown.group
    return LimitCheck(
        rule,
        state,
        limits.of(group.uid) if group else limits,
        shown.value,
        shown.allowed,
        group,
        n_groups=len(affected),
        n_over=sum(comparison.exceeded for comparison in limited),
        n_unlimited=len(unlimited),
        most_unlimited=max((comparison.value for comparison in unlimited), default=0),
    )


def _check_of_plan(rule: str, by_rule: dict[str, list[LimitComparison]], limits: Limits) -> LimitCheck:
    [comparison] = by_rule[rule]
    return LimitCheck(rule, _state([comparison]), limits, comparison.value, comparison.allowed)


def _check_of_emptied_groups(plan: Plan, comparisons: Sequence[LimitComparison]) -> LimitCheck:
    emptied = [group for group in plan.groups if group.counts.emptied]
    n_own_limits = sum(plan.limits.of(group.uid) is not plan.limits for group in emptied)
    allowed = plan.limits.emptied_groups
    state = _state(comparisons)
    if state != "over" and allowed is None:
        state = "off"
    return LimitCheck("emptied_groups", state, plan.limits, len(emptied), allowed, n_own_limits=n_own_limits)


def _check_of_snapshot_age(plan: Plan, comparisons: Sequence[LimitComparison]) -> LimitCheck:
    # For an undo plan, the comparison uses an age of 0. Therefore, compute the actual age for the result.
    hours = total_hours(plan.planned_at - plan.snapshot_taken_at)
    return LimitCheck("snapshot_max_age", _state(comparisons), plan.limits, hours, comparisons[0].allowed)


def _checks_per_day(plan: Plan, comparisons: Sequence[LimitComparison]) -> list[LimitCheck]:
    """
    Compare the plan's removals with the limit `removals_per_day`.

    Removals by other plans in the last 24 hours are counted only when the plan is applied. Until then, the state of
    the result is "later", unless the plan's own removals exceed the limit.
    """
    maxima = {plan.limits.of(group.uid).removals_per_day for group in plan.groups}
    allowed_values = tuple(sorted(maximum for maximum in maxima if maximum is not None))
    if not allowed_values:
        return []
    exceeded = [comparison for comparison in comparisons if comparison.exceeded]
    if not exceeded:
        pending = _pending_check("removals_per_day", plan.limits, allowed_values[0])
        return [replace(pending, allowed_values=allowed_values)]
    largest = max(exceeded, key=lambda comparison: comparison.value)
    check = LimitCheck("removals_per_day", "over", plan.limits, largest.value, largest.allowed, largest.group)
    return [replace(check, n_groups=len(comparisons), n_over=len(exceeded), allowed_values=allowed_values)]


def _pending_check(rule: str, limits: Limits, allowed: float | None) -> LimitCheck:
    if allowed is None:
        return LimitCheck(rule, "off", limits)
    return LimitCheck(rule, "later", limits, allowed=allowed)


def _state(comparisons: Sequence[LimitComparison]) -> LimitState:
    if any(comparison.exceeded for comparison in comparisons):
        return "over"
    if all(comparison.allowed is None for comparison in comparisons):
        return "off"
    return "within"


def _closeness(comparison: LimitComparison) -> tuple[float, str]:
    """
    Return a sort key that consists of a group's used share of its maximum and of its uid.

    The group uid makes the order unambiguous if several groups have the same share.
    """
    allowed = comparison.allowed or 0
    uid = comparison.group.uid if comparison.group else ""
    # Divide by at least 0.5, so that a maximum of 0 does not cause a division by zero.
    return comparison.value / max(allowed, 0.5), uid
