"""Compare a plan with each of its limits: what the plan does, what is allowed, and the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from frgroups.internals.formatting import format_age_between, format_utc, pluralize, total_hours
from frgroups.plan.group_change import GroupChange
from frgroups.plan.limits import Limits
from frgroups.plan.plan import Plan
from frgroups.review.plan_text import plan_expires

LimitResult = Literal["within", "over", "off", "later"]
RESULT_TEXTS: dict[LimitResult, str] = {
    "within": "Within the limit",
    "over": "Over the limit",
    "off": "Off",
    "later": "Checked before sending",
}
NO_LIMIT = "no limit"
UNKNOWN_YET = "not known yet"

_GROUP_RULES = (
    "removals_per_group",
    "removal_share",
    "removal_floor",
    "removals_per_day",
    "emptied_groups",
    "additions_per_group",
)


@dataclass(frozen=True, slots=True)
class LimitCheck:
    """
    A limit, what the plan does, what is allowed, and the result.

    `result` is "within", "over", "off" (the limit is disabled) or "later" (checked by apply, before it sends).
    """

    limit: str
    plan: str
    allowed: str
    result: LimitResult


def limit_checks(plan: Plan) -> list[LimitCheck]:
    """Return a check for every limit, including disabled limits and those that apply checks later."""
    return [
        _check_removals_per_group(plan),
        _check_additions_per_group(plan),
        _check_total(plan, "Removals in all groups", plan.n_remove, "removals_total"),
        _check_total(plan, "Additions in all groups", plan.n_add, "additions_total"),
        _check_emptied_groups(plan),
        _check_data_age(plan),
        *_check_removals_per_day(plan),
        _check_drift(plan.limits),
        _check_plan_age(plan),
    ]


def own_limits(plan: Plan) -> list[str]:
    """Return a line for each group that has its own limits."""
    lines = []
    for key, limits in plan.limits.per_group.items():
        values = {name: value for name, value in limits.to_dict().items() if name in _GROUP_RULES}
        texts = [f"{name} {'off' if value is None else value}" for name, value in values.items()]
        lines.append(f"{key} has its own limits: {', '.join(texts)}")
    return lines


@dataclass(frozen=True, slots=True)
class _GroupUsage:
    """The number of removals or additions in a group, and the number allowed (None: no limit)."""

    group: GroupChange
    n: int
    allowed: float | None


def _check_removals_per_group(plan: Plan) -> LimitCheck:
    title, limits = "Removals in one group", plan.limits
    usages = [
        _GroupUsage(group, len(group.remove), limits.of(group.uid).removals_allowed(len(group.baseline)))
        for group in plan.groups
        if group.remove
    ]
    usage = _closest_to_limit(usages)
    if usage is None:
        is_off = limits.removals_allowed(0) is None
        return _check_without_limited_groups(title, usages, "no removals", is_off, limits.removal_rule())
    group = usage.group
    return LimitCheck(
        title,
        f"{usage.n:,} of {len(group.baseline):,} in {group.name}{_other_groups(usages)}",
        f"{int(usage.allowed or 0):,} ({limits.of(group.uid).removal_rule()})",
        _result(plan, "removals_per_group"),
    )


def _check_additions_per_group(plan: Plan) -> LimitCheck:
    title, limits = "Additions in one group", plan.limits
    usages = [
        _GroupUsage(group, len(group.add), limits.of(group.uid).additions_per_group)
        for group in plan.groups
        if group.add
    ]
    usage = _closest_to_limit(usages)
    if usage is None:
        is_off = limits.additions_per_group is None
        return _check_without_limited_groups(title, usages, "no additions", is_off, _addition_rule(limits))
    return LimitCheck(
        title,
        f"{usage.n:,} in {usage.group.name}{_other_groups(usages)}",
        _addition_rule(limits.of(usage.group.uid)),
        _result(plan, "additions_per_group"),
    )


def _closest_to_limit(usages: list[_GroupUsage]) -> _GroupUsage | None:
    """Return the group that uses the largest share of its limit; None if no group has a limit."""
    ranked = [
        (usage.n / max(usage.allowed, 0.5), usage.group.uid, usage) for usage in usages if usage.allowed is not None
    ]
    if not ranked:
        return None
    return max(ranked, key=lambda item: item[:2])[2]


def _check_without_limited_groups(
    title: str, usages: list[_GroupUsage], unchanged: str, is_off: bool, rule: str
) -> LimitCheck:
    """Return the check for a plan in which every changed group is unlimited, or no group changes."""
    if usages:
        return LimitCheck(title, f"no limit for {pluralize(len(usages), 'group')}", NO_LIMIT, "off")
    if is_off:
        return LimitCheck(title, unchanged, NO_LIMIT, "off")
    return LimitCheck(title, unchanged, rule, "within")


def _other_groups(usages: list[_GroupUsage]) -> str:
    """Return what the description adds about the groups that it does not name."""
    text = ""
    if len(usages) > 1:
        text += ", the closest to its limit"
    n_unlimited = sum(usage.allowed is None for usage in usages)
    if n_unlimited:
        text += f"; no limit for {n_unlimited:,} other {'group' if n_unlimited == 1 else 'groups'}"
    return text


def _check_total(plan: Plan, title: str, n: int, rule: str) -> LimitCheck:
    limit: int | None = getattr(plan.limits, rule)
    if limit is None:
        return LimitCheck(title, f"{n:,}", NO_LIMIT, _result(plan, rule, is_off=True))
    return LimitCheck(title, f"{n:,}", f"{limit:,}", _result(plan, rule))


def _check_emptied_groups(plan: Plan) -> LimitCheck:
    title, limits = "Groups left without members", plan.limits
    emptied = [group for group in plan.groups if group.counts.emptied]
    n_own = sum(limits.of(group.uid) is not limits for group in emptied)
    count = f"{len(emptied):,}"
    if n_own:
        count += f", {n_own:,} of them with their own limits"
    if limits.emptied_groups is None:
        return LimitCheck(title, count, NO_LIMIT, _result(plan, "emptied_groups", is_off=True))
    return LimitCheck(title, count, f"{limits.emptied_groups:,}", _result(plan, "emptied_groups"))


def _check_data_age(plan: Plan) -> LimitCheck:
    title = "Age of the data used"
    data_age = total_hours(plan.planned_at - plan.snapshot_taken_at)
    text = f"{data_age:,.1f} hours at planning time (read {format_utc(plan.snapshot_taken_at)})"
    limit = plan.limits.snapshot_max_age
    if limit is None:
        return LimitCheck(title, text, NO_LIMIT, _result(plan, "snapshot_max_age", is_off=True))
    return LimitCheck(title, text, format_age_between(limit), _result(plan, "snapshot_max_age"))


def _check_removals_per_day(plan: Plan) -> list[LimitCheck]:
    """Return a check if a group limits removals per day; other plans of the same day count only during apply."""
    title = "Removals in one group within 24 hours"
    limits = {plan.limits.of(group.uid).removals_per_day for group in plan.groups}
    allowed = " or ".join(f"{limit:,} per group" for limit in sorted(n for n in limits if n is not None))
    if not allowed:
        return []
    findings = [finding for finding in plan.findings if finding.rule == "removals_per_day"]
    if not findings:
        return [LimitCheck(title, UNKNOWN_YET, allowed, "later")]
    largest = max(findings, key=lambda finding: finding.n)
    names = {group.uid: group.name for group in plan.groups}
    return [LimitCheck(title, f"{largest.n:,} in {names[str(largest.customer_group_uid)]}", allowed, "over")]


def _check_drift(limits: Limits) -> LimitCheck:
    title = "Changes by others since the data was read"
    if limits.drift_share is None:
        return LimitCheck(title, UNKNOWN_YET, NO_LIMIT, "off")
    percentage = f"{round(100 * limits.drift_share, 4):g}%"
    allowed = f"{percentage} of a group, or {limits.drift_floor or 0} if that is more"
    return LimitCheck(title, UNKNOWN_YET, allowed, "later")


def _check_plan_age(plan: Plan) -> LimitCheck:
    title, expires = "Age of the plan", plan_expires(plan)
    if expires is None:
        return LimitCheck(title, UNKNOWN_YET, NO_LIMIT, "off")
    return LimitCheck(
        title,
        UNKNOWN_YET,
        f"{format_age_between(str(plan.limits.plan_max_age))}, until {format_utc(expires)}",
        "later",
    )


def _result(plan: Plan, rule: str, *, is_off: bool = False) -> LimitResult:
    """Return the result of a limit that planning checks; a group's own limit can be exceeded though it is off."""
    if any(finding.blocking and finding.rule == rule for finding in plan.findings):
        return "over"
    if is_off:
        return "off"
    return "within"


def _addition_rule(limits: Limits) -> str:
    return f"{limits.additions_per_group or 0:,} per group"
