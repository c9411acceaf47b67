"""Compute the bars that show the size of each group before and after a plan."""

from __future__ import annotations

from dataclasses import dataclass

from frgroups.plan.group_change import GroupChange
from frgroups.plan.plan import Plan
from frgroups.review.plan_sentences import group_origin, group_sentence

BAR_WIDTH = 1000
MIN_CHANGE_WIDTH = 6  # In thousandths. A narrower bar segment would be invisible.


@dataclass(frozen=True, slots=True)
class Bar:
    """Widths of a bar's two segments in thousandths: unchanged members, and members who join or leave."""

    stay: int
    change: int


@dataclass(frozen=True, slots=True)
class GroupPicture:
    """A group on the review page, with its description, member counts, and bars."""

    sentence: str
    origin: str
    is_blocked: bool
    is_new: bool
    is_emptied: bool
    n_before: int
    n_after: int
    n_leave: int
    n_join: int
    before: Bar
    after: Bar


def group_picture(plan: Plan, group: GroupChange, *, is_blocked: bool) -> GroupPicture:
    """Compute the description, the member counts, and the bars of a group."""
    n_before, n_leave, n_join = len(group.baseline), len(group.remove), len(group.add)
    scale = max(n_before, group.n_after, 1)
    return GroupPicture(
        sentence=group_sentence(plan, group),
        origin=group_origin(plan, group),
        is_blocked=is_blocked,
        is_new=group.create,
        is_emptied=group.counts.emptied,
        n_before=n_before,
        n_after=group.n_after,
        n_leave=n_leave,
        n_join=n_join,
        before=_bar(n_before - n_leave, n_leave, scale),
        after=_bar(n_before - n_leave, n_join, scale),
    )


def _bar(n_stay: int, n_change: int, scale: int) -> Bar:
    change = 0
    if n_change:
        change = max(round(BAR_WIDTH * n_change / scale), MIN_CHANGE_WIDTH)
    return Bar(min(round(BAR_WIDTH * n_stay / scale), BAR_WIDTH - change), change)
