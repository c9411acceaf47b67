"""Every limit of a plan in words: what the plan does against it, what is allowed, and how that ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from frgroups.internals.formatting import format_duration, format_utc, total_hours
from frgroups.internals.timestamps import parse_duration
from frgroups.plan.limits import GroupCounts, Limits
from frgroups.plan.plan import Plan
from frgroups.review.plan_text import plan_expires

RESULTS = {"holds": "holds", "BROKEN": "BROKEN", "off": "switched off", "later": "checked when applied"}

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
    """One limit, what the plan does against it, and how that ended: "holds", "BROKEN", "off" or "later"."""

    limit: str
    plan: str
    allowed: str
    state: Literal["holds", "BROKEN", "off", "later"]


def limit_checks(plan: Plan) -> list[LimitCheck]:
    """Every limit in words: what was looked at, what is off, and what is looked at when the plan is applied."""
    limits = plan.limits
    broken = {finding.rule for finding in plan.findings if finding.blocking}
    emptied = [group for group in plan.groups if group.counts.emptied]
    n_own = sum(limits.of(group.uid) is not limits for group in emptied)
    taken = total_hours(plan.planned_at - plan.snapshot_taken_at)
    checks = [
        _of_groups(plan, "Leaving in one group", "removals_per_group", broken),
        _of_groups(plan, "Joining in one group", "additions_per_group", broken),
        _of_number("Leaving in all groups together", plan.n_remove, limits.removals_total, "removals_total", broken),
        _of_number("Joining in all groups together", plan.n_add, limits.additions_total, "additions_total", broken),
        LimitCheck(
            "Groups left without a member",
            f"{len(emptied):,}" + (f", {n_own:,} of them under limits of their own" if n_own else ""),
            "no limit" if limits.emptied_groups is None else f"{limits.emptied_groups:,}",
            _state(limits.emptied_groups, "emptied_groups", broken),
        ),
        LimitCheck(
            "Age of the reading that the plan stands on",
            f"{taken:,.1f} hours when planned ({format_utc(plan.snapshot_taken_at)})",
            "no limit"
            if limits.snapshot_max_age is None
            else format_duration(parse_duration(limits.snapshot_max_age)),
            _state(limits.snapshot_max_age, "snapshot_max_age", broken),
        ),
        *_of_a_day(plan),
        LimitCheck(
            "Changes by others since that reading",
            "looked at before anything is sent",
            "no limit"
            if limits.drift_share is None
            else f"{_percent(limits.drift_share)} of a group, or {limits.drift_floor or 0} if that is more",
            "off" if limits.drift_share is None else "later",
        ),
        LimitCheck(
            "Age of the plan",
            "looked at before anything is sent",
            "no limit"
            if (until := plan_expires(plan)) is None
            else f"{format_duration(parse_duration(str(limits.plan_max_age)))}: {format_utc(until)}",
            "off" if limits.plan_max_age is None else "later",
        ),
    ]
    return checks


def own_limits(plan: Plan) -> list[str]:
    """The groups that have limits of their own, a line each."""
    lines = []
    for key, limits in plan.limits.per_group.items():
        values = {name: value for name, value in limits.to_dict().items() if name in _GROUP_RULES}
        told = ", ".join(f"{name} {'off' if value is None else value}" for name, value in values.items())
        lines.append(f"{key} has limits of its own: {told}")
    return lines


def _of_groups(plan: Plan, limit: str, rule: str, broken: set[str]) -> LimitCheck:
    """The group that comes closest to its limit stands for all of them."""
    removing = rule == "removals_per_group"
    counted = [
        (_n(group.counts, removing), _allowed(plan.limits, group.counts, removing), group) for group in plan.groups
    ]
    changed = [one for one in counted if one[0]]
    limited = [(n, allowed, group) for n, allowed, group in changed if allowed is not None]
    free = len(changed) - len(limited)
    nobody = "nobody leaves" if removing else "nobody joins"
    if not limited:
        off = bool(free) or _allowed(plan.limits, GroupCounts("", "", 0, 0, 0), removing) is None
        told = f"no limit for {free:,} {'group' if free == 1 else 'groups'}" if free else nobody
        return LimitCheck(limit, told, "no limit" if off else _rule(plan.limits, removing), "off" if off else "holds")
    n, allowed, group = max(limited, key=lambda one: (one[0] / max(one[1], 0.5), one[2].uid))
    told = f"{n:,} of {len(group.baseline):,} in {group.name}" if removing else f"{n:,} in {group.name}"
    if len(changed) > 1:
        told += ", the closest to its limit"
    if free:
        told += f"; no limit for {free:,} other {'group' if free == 1 else 'groups'}"
    own = plan.limits.of(group.uid)
    rule_text = f"{int(allowed):,} here ({_rule(own, removing)})" if removing else _rule(own, removing)
    return LimitCheck(limit, told, rule_text, _state(0, rule, broken))


def _of_a_day(plan: Plan) -> list[LimitCheck]:
    """Where days are counted, which is not usual; plans of the same day are known only when this one is applied."""
    own = [plan.limits.of(group.uid).removals_per_day for group in plan.groups]
    found = sorted({one for one in own if one is not None})
    if not found:
        return []
    told = " or ".join(f"{one:,} a group" for one in found)
    broken = [one for one in plan.findings if one.rule == "removals_per_day"]
    what = "Leaving in one group within 24 hours"
    if not broken:
        return [LimitCheck(what, "looked at before anything is sent", told, "later")]
    most = max(broken, key=lambda one: one.n)
    names = {group.uid: group.name for group in plan.groups}
    return [LimitCheck(what, f"{most.n:,} in {names[str(most.customer_group_uid)]}", told, "BROKEN")]


def _of_number(limit: str, n: int, allowed: int | None, rule: str, broken: set[str]) -> LimitCheck:
    return LimitCheck(
        limit, f"{n:,}", "no limit" if allowed is None else f"{allowed:,}", _state(allowed, rule, broken)
    )


def _state(limit: object, rule: str, broken: set[str]) -> Literal["holds", "BROKEN", "off"]:
    return "BROKEN" if rule in broken else "off" if limit is None else "holds"


def _n(counts: GroupCounts, removing: bool) -> int:
    return counts.removes if removing else counts.adds


def _allowed(limits: Limits, counts: GroupCounts, removing: bool) -> float | None:
    own = limits.of(counts.uid) if counts.uid else limits
    return own.removals_allowed(counts.baseline) if removing else own.additions_per_group


def _rule(limits: Limits, removing: bool) -> str:
    return limits.removal_rule() if removing else f"{limits.additions_per_group or 0:,} a group"


def _percent(share: float) -> str:
    return f"{round(100 * share, 4):g}%"
