"""Format the limits of a plan as table rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

from frgroups.internals.formatting import agree, format_age, format_duration, format_percentage, format_utc, pluralize
from frgroups.internals.timestamps import parse_duration
from frgroups.plan.limit_checks import LimitCheck, LimitState, limit_checks
from frgroups.plan.limit_comparisons import n_memberships
from frgroups.plan.limits import (
    GROUP_LIMIT_NAMES,
    format_limit_share,
    format_removals_allowed,
    format_total_removals_allowed,
)
from frgroups.plan.plan import Plan
from frgroups.review.off_limits import USUAL, OffLimit, has_exact_limits, off_limits
from frgroups.review.plan_sentences import plan_expires

LimitResult = LimitState | Literal["unused"]
RESULT_TEXTS: dict[LimitResult, str] = {
    "within": "Within the limit",
    "over": "Over the limit",
    "off": "Off",
    "later": "Checked before sending",
    "unused": "Not needed",
}
NO_LIMIT = "off"
# Names of the limits in the text for reviewers, who know neither the arguments nor the command-line options.
LIMIT_TITLES = {
    "removals_per_group": "number of removals in one group",
    "removal_share": "share of a group's members that can be removed",
    "removal_floor": "number of removals that is always allowed in one group",
    "removals_total": "removals in all groups",
    "removal_share_total": "share of the memberships that can be removed",
    "removal_floor_total": "number of removals that is always allowed in all groups",
    "removals_per_day": "removals in one group within 24 hours",
    "emptied_groups": "groups left without members",
    "additions_per_group": "additions in one group",
    "additions_total": "additions in all groups",
    "drift_share": "share of a group's members that can change outside the plan",
    "drift_floor": "number of changes outside the plan that is always allowed",
    "snapshot_max_age": "age of the data used",
    "plan_max_age": "age of the plan",
}
UNKNOWN_YET = "not known yet"
NOT_STATED = "not stated"
EXACT_LIMITS = "The limits are the numbers of changes that this undo reverses, per group and in total."


@dataclass(frozen=True, slots=True)
class LimitRow:
    """
    A row of the limits table.

    Attributes
    ----------
    limit
        Title of the limit.
    plan
        The value of the plan, for example the number of removals.
    allowed
        The maximum.
    usual
        The maximum according to the default limits.
    result
        "within" or "over" (the plan does not exceed or exceeds the limit), "off" (the limit is disabled), "later"
        (`apply_plan` checks the limit before it sends requests), or "unused" (the limit is disabled, but the plan
        contains no change to which the limit would apply).
    rule
        Name of the limit.
    """

    limit: str
    plan: str
    allowed: str
    usual: str
    result: LimitResult
    rule: str = ""


def limit_rows(plan: Plan, *, can_decide: bool = True) -> list[LimitRow]:
    """
    Return the rows of the limits table, including limits that are checked when the plan is applied.

    Each limit in `off_limits` has its own row with the result "off". Therefore, a limit per group that is off for
    only some groups has two rows.

    Some values are known only when the plan is applied. By default, their cells state this. If `can_decide` is False,
    the cells contain `NOT_STATED`, because the plan cannot be applied or was already started.
    """
    off: dict[str, list[OffLimit]] = {}
    for limit in off_limits(plan):
        off.setdefault(_CHECK_OF.get(limit.rule, limit.rule), []).append(limit)
    rows = []
    for check in limit_checks(plan):
        disabled = off.get(check.rule, [])
        if check.state != "off":
            rows.append(_row(plan, check, check.state))
        elif not disabled:
            rows.append(_row(plan, check, "unused"))
        rows += [_off_row(plan, check, limit) for limit in disabled]
    if can_decide:
        return rows
    return [replace(row, plan=NOT_STATED) if row.plan == UNKNOWN_YET else row for row in rows]


def off_texts(plan: Plan) -> list[str]:
    """Return the titles of the limits that are off. If a limit is off for only some groups, its title names them."""
    return [f"{LIMIT_TITLES[limit.rule]}{limit.suffix}" for limit in off_limits(plan)]


def _row(plan: Plan, check: LimitCheck, result: LimitResult) -> LimitRow:
    title, describe = _ROWS[check.rule]
    usage, allowed = describe(plan, check)
    usual_check = replace(check, limits=USUAL, allowed=getattr(USUAL, check.rule), allowed_values=())
    usual = describe(plan, usual_check)[1] or NO_LIMIT
    return LimitRow(title, usage, NO_LIMIT if result == "unused" else allowed, usual, result, check.rule)


def _off_row(plan: Plan, check: LimitCheck, limit: OffLimit) -> LimitRow:
    """Return the row of a limit that is off. The value is computed from the groups for which it is off."""
    if limit.suffix:
        check = next(
            of_groups
            for of_groups in limit_checks(replace(plan, groups=limit.groups))
            if of_groups.rule == check.rule
        )
    usage = _ROWS[check.rule][1](plan, replace(check, state="off"))[0]
    title = f"{LIMIT_TITLES[limit.rule]}{limit.suffix}"
    usual = limit_text(getattr(USUAL, limit.rule))
    return LimitRow(f"{title[0].upper()}{title[1:]}", usage, NO_LIMIT, usual, "off", limit.rule)


def result_texts(plan: Plan, *, can_decide: bool) -> dict[LimitResult, str]:
    """Return the text for each result of a limit check. For an empty plan, "later" means that no check is needed."""
    if plan.is_empty:
        return RESULT_TEXTS | {"later": "Not needed"}
    return RESULT_TEXTS if can_decide else RESULT_TEXTS | {"later": "Checked when a plan is applied"}


def own_limits(plan: Plan) -> list[str]:
    """Return one sentence for each group that has separate limits."""
    if has_exact_limits(plan):
        return [EXACT_LIMITS]
    lines = []
    names = {group.uid: group.name for group in plan.groups}
    for key, limits in plan.limits.per_group.items():
        values = {name: value for name, value in limits.to_dict().items() if name in GROUP_LIMIT_NAMES}
        lines.append(f"Group {names.get(key, key)} has separate limits: {describe_limits(values.items())}.")
    return lines


def describe_limits(values: Iterable[tuple[str, Any]]) -> str:
    """
    Describe the values of limits in words.

    Examples
    --------
    >>> describe_limits([("removals_total", 1200), ("removal_share", 0.2), ("plan_max_age", "7d")])
    "removals in all groups: 1,200; share of a group's members that can be removed: 20%; age of the plan: 7 days"
    """
    return "; ".join(f"{LIMIT_TITLES[name]}: {limit_text(value)}" for name, value in values)


def limit_text(value: Any) -> str:
    """Return the value of a limit in words."""
    if value is None:
        return NO_LIMIT
    if isinstance(value, str):
        return format_duration(parse_duration(value))
    if isinstance(value, float):
        return format_limit_share(value)
    return f"{value:,}"


def _removals_per_group(_: Plan, check: LimitCheck) -> tuple[str, str]:
    if check.group is None:
        return "no removals", check.limits.removal_rule()
    usage = f"{check.value:,} of {check.group.baseline:,} in {check.group.name}{_other_groups(check)}"
    if check.limits.removals_allowed(check.group.baseline) is None:
        return usage, NO_LIMIT
    return usage, format_removals_allowed(check.limits, check.group.baseline)


def _additions_per_group(_: Plan, check: LimitCheck) -> tuple[str, str]:
    rule = f"{check.limits.additions_per_group or 0:,} per group"
    if check.group is None:
        return "no additions", rule
    return f"{check.value:,} in {check.group.name}{_other_groups(check)}", rule


def _other_groups(check: LimitCheck) -> str:
    """Return the end of a limit row's text, which describes the other groups, such as " and 2 more groups"."""
    text = ""
    n_over = check.n_over - 1
    if n_over > 0:
        text += f" and {n_over:,} more {agree(n_over, 'group', 'groups')}"
    elif check.n_groups > 1 and check.state == "within":
        text += " (the group closest to its limit)"
    if check.state == "off":
        n_others = check.n_groups - 1
        if n_others:
            text += f" and at most as many in {n_others:,} more {agree(n_others, 'group', 'groups')}"
    elif check.n_unlimited:
        most = agree(check.n_unlimited, f"{check.most_unlimited:,}", f"at most {check.most_unlimited:,}")
        text += f"; {most} in {pluralize(check.n_unlimited, 'group')} where the limit is off"
    return text


def _total(_: Plan, check: LimitCheck) -> tuple[str, str]:
    return f"{check.value:,}", f"{check.allowed or 0:,}"


def _removal_share_total(plan: Plan, check: LimitCheck) -> tuple[str, str]:
    n_total = n_memberships(group.counts for group in plan.groups)
    usage = f"{check.value:,}"
    if n_total:
        usage += f" of {pluralize(n_total, 'membership')} ({format_percentage((check.value or 0) / n_total)})"
    return usage, format_total_removals_allowed(check.limits, n_total)


def _emptied_groups(_: Plan, check: LimitCheck) -> tuple[str, str]:
    usage = f"{check.value:,}"
    if check.n_own_limits:
        usage += f", {check.n_own_limits:,} of them with separate limits"
    if check.allowed is None:
        return usage, NO_LIMIT
    return usage, f"{check.allowed:,}"


def _data_age(plan: Plan, check: LimitCheck) -> tuple[str, str]:
    age = timedelta(hours=check.value or 0)
    text = format_age(age) if age >= timedelta(minutes=1) else "less than 1 minute"
    usage = f"{text} at planning time (data read at {format_utc(plan.snapshot_taken_at)})"
    return usage, _age_limit(check.limits.snapshot_max_age)


def _age_limit(limit: str | None) -> str:
    if limit is None:
        return NO_LIMIT
    return format_duration(parse_duration(limit))


def _removals_per_day(_: Plan, check: LimitCheck) -> tuple[str, str]:
    allowed = " or ".join(f"{limit:,} per group" for limit in check.allowed_values)
    if check.group is None:
        return UNKNOWN_YET, allowed
    return f"{check.value:,} in {check.group.name}{_other_groups(check)}", allowed


def _drift(_: Plan, check: LimitCheck) -> tuple[str, str]:
    percentage = format_limit_share(check.limits.drift_share or 0)
    allowed = f"{percentage} of a group's members"
    if check.limits.drift_floor:
        allowed += f", or {pluralize(check.limits.drift_floor, 'customer')} if that is more"
    return UNKNOWN_YET, allowed


def _plan_age(plan: Plan, check: LimitCheck) -> tuple[str, str]:
    expires = plan_expires(plan)
    if expires is None:
        return UNKNOWN_YET, _age_limit(check.limits.plan_max_age)
    allowed = _age_limit(check.limits.plan_max_age)
    if check.limits.plan_max_age == plan.limits.plan_max_age:
        allowed += f", until {format_utc(expires)}"
    return UNKNOWN_YET, allowed


# Limits without their own check, and the check that also applies these limits.
_CHECK_OF = {"removal_share": "removals_per_group"}
# Title of each limit, and the function that returns the plan's value and the maximum as strings.
_ROWS: dict[str, tuple[str, Callable[[Plan, LimitCheck], tuple[str, str]]]] = {
    "removals_per_group": ("Removals in one group", _removals_per_group),
    "additions_per_group": ("Additions in one group", _additions_per_group),
    "removals_total": ("Removals in all groups", _total),
    "removal_share_total": ("Removals as a share of the memberships", _removal_share_total),
    "additions_total": ("Additions in all groups", _total),
    "emptied_groups": ("Groups left without members", _emptied_groups),
    "snapshot_max_age": ("Age of the data used", _data_age),
    "removals_per_day": ("Removals in one group within 24 hours", _removals_per_day),
    "drift_share": ("Changes outside the plan since the data was read", _drift),
    "plan_max_age": ("Age of the plan", _plan_age),
}
