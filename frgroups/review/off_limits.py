"""
Find the disabled limits of a plan.

The limits table, the sentences, and the warnings of a review use the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from frgroups.plan.group_change import GroupChange
from frgroups.plan.limits import LIMIT_NAMES, PLAN_LIMITS, Limits, is_wider
from frgroups.plan.listed_group import name_groups
from frgroups.plan.plan import Plan

USUAL = Limits()
REMOVAL_LIMITS = (*(name for name in LIMIT_NAMES if name.startswith("removal")), "emptied_groups")
ADDITION_LIMITS = ("additions_per_group", "additions_total")


@dataclass(frozen=True, slots=True)
class OffLimit:
    """
    A limit that is off, although it applies to a change in the plan.

    Attributes
    ----------
    rule
        Name of the limit.
    groups
        Groups for which the limit is off. If the limit applies to the complete plan, these are all groups with
        changes that the limit counts.
    suffix
        Text with the names of the groups, or "" if the limit is off for all groups to which it applies.
    """

    rule: str
    groups: tuple[GroupChange, ...]
    suffix: str = ""


def off_limits(plan: Plan) -> list[OffLimit]:
    """
    Return the limits that are off for at least one change in a plan, including the separate limits of groups.

    A limit that is off by default is not included. For an undo plan with limits that equal the numbers of its
    changes, no limit for removals or additions is included.

    Examples
    --------
    >>> limits = Limits(additions_total=None, removals_total=None)
    >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, limits=limits)
    >>> [limit.rule for limit in off_limits(plan)]
    ['additions_total']
    """
    limits = []
    is_exact = has_exact_limits(plan)
    for name in LIMIT_NAMES:
        if not is_wider(name, None, getattr(USUAL, name)) or (is_exact and name in REMOVAL_LIMITS + ADDITION_LIMITS):
            continue
        relevant = [group for group in plan.groups if is_relevant(name, [group])]
        if name in PLAN_LIMITS:
            is_off = [getattr(plan.limits, name) is None] * len(relevant)
        else:
            is_off = [getattr(plan.limits.of(group.uid), name) is None for group in relevant]
        groups = tuple(group for group, off in zip(relevant, is_off, strict=True) if off)
        if groups:
            suffix = "" if len(groups) == len(relevant) else f" for {name_groups([group.name for group in groups])}"
            limits.append(OffLimit(name, groups, suffix))
    return limits


def is_relevant(name: str, groups: Sequence[GroupChange]) -> bool:
    """Return True if a limit applies to a change of the given groups, for example a removal."""
    if name in REMOVAL_LIMITS:
        return any(group.remove for group in groups)
    if name in ADDITION_LIMITS:
        return any(group.add for group in groups)
    return bool(groups)


def has_exact_limits(plan: Plan) -> bool:
    """Return True if the limits of an undo plan equal the numbers of its changes, per group and in total."""
    limits = plan.limits
    if not plan.reverts or (limits.removals_total, limits.additions_total) != (plan.n_remove, plan.n_add):
        return False
    return all(
        (limits.of(group.uid).removals_per_group, limits.of(group.uid).additions_per_group)
        == (len(group.remove), len(group.add))
        for group in plan.groups
    )
