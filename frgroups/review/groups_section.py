"""Compute the bars that show the size of each group before and after a plan."""

from __future__ import annotations

from dataclasses import dataclass

from frgroups.plan.group_change import GroupChange
from frgroups.plan.plan import Plan
from frgroups.review.plan_sentences import group_origin, group_sentence
from frgroups.review.run_results import RunResults

BAR_WIDTH = 1000
MIN_CHANGE_WIDTH = 6  # Minimum width of a bar segment in thousandths of the bar, so that the segment is visible.


@dataclass(frozen=True, slots=True)
class Bar:
    """
    Widths of the two segments of a bar, in thousandths of the full width.

    The segment `stay` shows the members who stay. The segment `change` shows the members who join or leave.
    """

    stay: int
    change: int


@dataclass(frozen=True, slots=True)
class GroupPicture:
    """
    Description, member counts, and bars of a group on the review page.

    If the plan was started, the numbers describe its run. `n_after` is None if the group was not read after the run.
    """

    sentence: str
    origin: str
    is_blocked: bool
    is_new: bool
    is_emptied: bool
    n_before: int
    n_after: int | None
    n_leave: int
    n_join: int
    before: Bar
    after: Bar
    is_done: bool = False


def group_picture(
    plan: Plan, group: GroupChange, *, is_blocked: bool, results: RunResults | None = None
) -> GroupPicture:
    """Compute the description, member counts, and bars of a group. Pass `results` only for a started plan."""
    n_before, n_leave, n_join = len(group.baseline), len(group.remove), len(group.add)
    n_after: int | None = group.n_after
    if results is not None:
        result = results.of(group)
        n_before, n_leave, n_join, n_after = result.n_before(group), result.n_left, result.n_joined, result.n_after
    # After a run, compute the number of unchanged members from the last read of the group, because other customers
    # might have joined or left the group.
    n_stay = n_before - n_leave if n_after is None else max(n_after - n_join, 0)
    scale = max(n_before, n_stay + n_join, 1)
    return GroupPicture(
        sentence=group_sentence(plan, group, results),
        origin=group_origin(plan, group),
        is_blocked=is_blocked,
        is_new=group.create,
        is_emptied=group.counts.emptied and results is None,
        n_before=n_before,
        n_after=n_after,
        n_leave=n_leave,
        n_join=n_join,
        before=_bar(n_before - n_leave, n_leave, scale),
        after=_bar(n_stay, n_join, scale),
        is_done=results is not None,
    )


def _bar(n_stay: int, n_change: int, scale: int) -> Bar:
    change = 0
    if n_change:
        change = max(round(BAR_WIDTH * n_change / scale), MIN_CHANGE_WIDTH)
    return Bar(min(round(BAR_WIDTH * n_stay / scale), BAR_WIDTH - change), change)
