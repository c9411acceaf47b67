"""Describe plans that add or remove a large share of a group's members, although their limits allow it."""

from __future__ import annotations

from frgroups.internals.formatting import agree, format_percentage
from frgroups.plan.group_change import GroupChange
from frgroups.plan.plan import Plan

# A change is large if the number of added or removed customers is at least this share of the members before the plan.
LARGE_SHARE = 0.4
# Changes of at most this number of customers are not described, even if they are a large share of a small group.
FEW_CUSTOMERS = 2
MAX_LARGE_CHANGES = 5


def large_change_text(group: GroupChange) -> str:
    """
    Describe the additions and removals that are a large share of a group's members, or return "".

    The function returns "" for a group without members, such as a new group, because shares of zero members are not
    defined. It also returns "" for a group that loses all members, because another sentence of the review states that
    the group will be empty.

    Examples
    --------
    >>> members = tuple(f"c-{n}" for n in range(10))
    >>> large_change_text(GroupChange("vip", "VIP", members, remove=members[:4]))
    '40% of the members leave'
    >>> large_change_text(GroupChange("vip", "VIP", members, add=("n-1", "n-2", "n-3", "n-4", "n-5")))
    'the additions are 50% of the current members'
    """
    n = len(group.baseline)
    if not n or group.counts.emptied:
        return ""
    parts = []
    if _is_large(len(group.remove), n):
        parts.append(f"{format_percentage(len(group.remove) / n)} of the members leave")
    if _is_large(len(group.add), n):
        parts.append(f"the additions are {format_percentage(len(group.add) / n)} of the current members")
    return " and ".join(parts)


def large_change_sentences(plan: Plan) -> list[str]:
    """
    Return a sentence for each group with a large change, sorted by share in descending order.

    At most `MAX_LARGE_CHANGES` groups have a sentence. If more groups have a large change, the last sentence states
    the number of the remaining groups.
    """
    large = [group for group in plan.groups if large_change_text(group)]
    large.sort(key=lambda group: -max(len(group.remove), len(group.add)) / len(group.baseline))
    sentences = [f"In {group.name}, {large_change_text(group)}." for group in large[:MAX_LARGE_CHANGES]]
    n_more = len(large) - MAX_LARGE_CHANGES
    if n_more > 0:
        sentences.append(f"{n_more:,} more {agree(n_more, 'group changes', 'groups change')} by a large share.")
    return sentences


def _is_large(n: int, n_members: int) -> bool:
    return n > FEW_CUSTOMERS and n >= LARGE_SHARE * n_members
