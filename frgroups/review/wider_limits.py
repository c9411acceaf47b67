"""Describe the limits of a plan that allow more changes than the default limits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from frgroups.internals.formatting import agree, pluralize
from frgroups.plan.group_change import GroupChange
from frgroups.plan.limit_comparisons import LimitComparison, compare_with_limits, n_memberships
from frgroups.plan.limits import GROUP_LIMIT_NAMES, LIMIT_NAMES, PLAN_LIMITS, Limits, is_wider
from frgroups.plan.plan import Plan
from frgroups.review.limit_rows import EXACT_LIMITS, LIMIT_TITLES, USUAL, has_exact_limits, limit_text

MAX_EXCEEDED = 6  # Maximum number of exceeded default limits to name in the sentence.
_REMOVAL_LIMITS = (*(name for name in LIMIT_NAMES if name.startswith("removal")), "emptied_groups")
_ADDITION_LIMITS = ("additions_per_group", "additions_total")
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
    The limits of a plan that allow more changes than the default limits, in words.

    Attributes
    ----------
    blocked
        Sentence about the default limits that the plan would exceed, or "". A plan that exceeds its own limits has no
        such sentence, because it is blocked anyway.
    title
        Sentence with the number of wider limits, or "".
    lines
        One line per wider limit, most dangerous limit first. For an undo plan with exact limits, the reason for the
        limits.
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
    if has_exact_limits(plan):
        return WiderLimits(blocked, "", (EXACT_LIMITS,)) if blocked else WiderLimits()
    with_own = [group for group in plan.groups if plan.limits.of(group.uid) is not plan.limits]
    others = [group for group in plan.groups if plan.limits.of(group.uid) is plan.limits]
    wider = _wider_values(plan.limits, PLAN_LIMITS, plan.groups)
    wider += _wider_values(plan.limits, GROUP_LIMIT_NAMES, others)
    for group in with_own:
        wider += _wider_values(plan.limits.of(group.uid), GROUP_LIMIT_NAMES, [group], f" for {group.name}")
    lines = tuple(line for _, line in sorted(wider, key=lambda ranked: ranked[0]))
    title = f"{pluralize(len(lines), 'limit')} {agree(len(lines), 'is', 'are')} wider than usual:" if lines else ""
    return WiderLimits(blocked, title, lines)


def _wider_values(
    limits: Limits, names: Iterable[str], groups: Sequence[GroupChange], suffix: str = ""
) -> list[tuple[int, str]]:
    """Return the rank and the description of each wider limit that applies to a change of the given groups."""
    ranked = []
    for name in names:
        value, usual = getattr(limits, name), getattr(USUAL, name)
        if is_wider(name, value, usual) and is_relevant(name, groups):
            text = f"{LIMIT_TITLES[name]}: {limit_text(value)} instead of {limit_text(usual)}{suffix}"
            ranked.append((_danger_rank(name, value), text))
    return ranked


def is_relevant(name: str, groups: Sequence[GroupChange]) -> bool:
    """Return True if a limit applies to a change of the given groups, for example a removal."""
    if name in _REMOVAL_LIMITS:
        return any(group.remove for group in groups)
    if name in _ADDITION_LIMITS:
        return any(group.add for group in groups)
    return bool(groups)


def _danger_rank(name: str, value: Any) -> int:
    """Return the position of a limit in the list: emptied groups, disabled limits, removals, additions, others."""
    if name == "emptied_groups":
        return 0
    if value is None:
        return 1
    if name in _REMOVAL_LIMITS:
        return 2
    return 3 if name in _ADDITION_LIMITS else 4


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
        "snapshot_max_age": f"the data was {n:,} h old, {limit} h",
    }
    return texts[comparison.rule]
