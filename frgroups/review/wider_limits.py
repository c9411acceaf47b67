"""Describe the limits of a plan that allow more changes than the default limits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from frgroups.internals.formatting import agree, format_age, pluralize
from frgroups.plan.group_change import GroupChange
from frgroups.plan.limit_comparisons import LimitComparison, compare_with_limits, n_memberships
from frgroups.plan.limits import GROUP_LIMIT_NAMES, PLAN_LIMITS, Limits, is_wider
from frgroups.plan.plan import Plan
from frgroups.review.limit_rows import EXACT_LIMITS, LIMIT_TITLES, limit_text
from frgroups.review.off_limits import (
    ADDITION_LIMITS,
    REMOVAL_LIMITS,
    USUAL,
    has_exact_limits,
    is_relevant,
    off_limits,
)

MAX_EXCEEDED = 6  # Maximum number of exceeded default limits in the sentence `WiderLimits.blocked`.
_EXCEEDED_ORDER = (
    "emptied_groups",
    "removals_per_group",
    "removals_total",
    "removal_share_total",
    "additions_per_group",
    "additions_total",
    "snapshot_max_age",
)


@dataclass(frozen=True, slots=True)
class WiderLimits:
    """
    Texts about the limits of a plan that allow more changes than the default limits.

    Attributes
    ----------
    blocked
        Sentence about the default limits that the plan would exceed, or "". The sentence is also omitted if the plan
        exceeds its own limits, because such a plan is blocked.
    title
        Sentence with the number of wider limits, or "".
    lines
        One line per wider limit, most dangerous limit first. If an undo plan has exact limits that exceed the default
        limits, a line with the reason for these limits is included.
    """

    blocked: str = ""
    title: str = ""
    lines: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.blocked or self.lines)


def wider_limits(plan: Plan) -> WiderLimits:
    """
    Describe the limits of a plan that allow more changes than the default limits.

    Removal limits are described only if the plan removes members, and addition limits only if it adds customers. The
    exact limits of an undo plan allow only the changes that the undo reverses, so they are described only if the
    default limits would block the plan.

    Examples
    --------
    >>> limits = Limits(additions_total=9000)
    >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, limits=limits)
    >>> wider_limits(plan).lines
    ('additions in all groups: 9,000 instead of 5,000',)
    """
    blocked = "" if plan.blocked else _blocked_sentence(plan)
    wider = [_wider_line(limit.rule, None, limit.suffix) for limit in off_limits(plan)]
    is_exact = has_exact_limits(plan)
    if not is_exact:
        with_own = [group for group in plan.groups if plan.limits.of(group.uid) is not plan.limits]
        others = [group for group in plan.groups if plan.limits.of(group.uid) is plan.limits]
        wider += _wider_values(plan.limits, PLAN_LIMITS, plan.groups)
        wider += _wider_values(plan.limits, GROUP_LIMIT_NAMES, others)
        for group in with_own:
            wider += _wider_values(plan.limits.of(group.uid), GROUP_LIMIT_NAMES, [group], f" for {group.name}")
    lines = tuple(line for _, line in sorted(wider, key=lambda ranked: ranked[0]))
    title = f"{pluralize(len(lines), 'limit')} {agree(len(lines), 'is', 'are')} wider than usual:" if lines else ""
    if is_exact and blocked:
        lines = (EXACT_LIMITS, *lines)
    return WiderLimits(blocked, title, lines)


def _wider_values(
    limits: Limits, names: Iterable[str], groups: Sequence[GroupChange], suffix: str = ""
) -> list[tuple[int, str]]:
    """Return the rank and the text of each wider limit, except limits that are off."""
    ranked = []
    for name in names:
        value = getattr(limits, name)
        if value is not None and is_wider(name, value, getattr(USUAL, name)) and is_relevant(name, groups):
            ranked.append(_wider_line(name, value, suffix))
    return ranked


def _wider_line(name: str, value: Any, suffix: str) -> tuple[int, str]:
    text = f"{LIMIT_TITLES[name]}: {limit_text(value)} instead of {limit_text(getattr(USUAL, name))}{suffix}"
    return _danger_rank(name, value), text


def _danger_rank(name: str, value: Any) -> int:
    """Return the sort rank of a limit. The most dangerous limit, `emptied_groups`, has the rank 0."""
    if name == "emptied_groups":
        return 0
    if value is None:
        return 1
    if name in REMOVAL_LIMITS:
        return 2
    return 3 if name in ADDITION_LIMITS else 4


def _blocked_sentence(plan: Plan) -> str:
    """Return a sentence with the numbers that exceed the default limits, or "" if no default limit is exceeded."""
    counts = [group.counts for group in plan.groups]
    comparisons = compare_with_limits(USUAL, counts, snapshot_age=plan.snapshot_age)
    exceeded = [comparison for comparison in comparisons if comparison.exceeded]
    if not exceeded:
        return ""
    exceeded.sort(key=lambda comparison: (_EXCEEDED_ORDER.index(comparison.rule), -comparison.value))
    texts = [_exceeded_text(comparison, n_memberships(counts)) for comparison in exceeded[:MAX_EXCEEDED]]
    n_more = len(exceeded) - len(texts)
    if n_more:
        texts.append(f"{n_more:,} more {agree(n_more, 'number is', 'numbers are')} over the limit")
    return f"With the default limits, this plan would be blocked: {'; '.join(texts)}."


def _exceeded_text(comparison: LimitComparison, n_total: int) -> str:
    n, limit = int(comparison.value), f"and the limit is {int(comparison.allowed or 0):,}"
    name = comparison.group.name if comparison.group is not None else ""
    leave = f"{n:,} {agree(n, 'member leaves', 'members leave')}"
    join = f"{n:,} {agree(n, 'customer joins', 'customers join')}"
    texts = {
        "removals_per_group": f"{leave} {name}, {limit}",
        "additions_per_group": f"{join} {name}, {limit}",
        "removals_total": f"{leave} in total, {limit}",
        "removal_share_total": f"{n:,} of {pluralize(n_total, 'membership')} {agree(n, 'ends', 'end')}, {limit}",
        "additions_total": f"{join} in total, {limit}",
        "emptied_groups": f"{pluralize(n, 'group')} {agree(n, 'is', 'are')} left without members, {limit}",
        "snapshot_max_age": f"the data was {format_age(timedelta(hours=n))} old, and the limit is "
        f"{format_age(timedelta(hours=comparison.allowed or 0))}",
    }
    return texts[comparison.rule]
