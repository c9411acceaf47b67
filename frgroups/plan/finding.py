"""Findings: facts and problems of a plan that its reviewer must see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Rules of findings that do not block. An approval policy can accept these, but never an exceeded limit.
NOTICE_RULES = (
    "already_undone",
    "covered",
    "created_group_stays",
    "ended",
    "not_finalized",
    "other_type",
    "out_of_sight",
    "own_pricelist",
    "protected",
    "protected_group",
    "register_unknown",
    "same_name",
    "suppression_list",
    "two_tiers",
    "unknown_customers",
    "unused_limits",
    "unverifiable",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """
    A fact or problem that the reviewer of a plan must see.

    Attributes
    ----------
    rule
        The exceeded limit, such as "removals_total", otherwise one of `NOTICE_RULES` or "erased_customers".
    message
        One or two sentences for the reviewer.
    blocking
        Whether the plan cannot be applied.
    customer_group_uid
        The affected group; None if the finding concerns the whole plan.
    n
        Number of affected customers, memberships or groups; 0 if the finding has no count.
    allow
        Pairs of limit and value that would allow the change.

    Examples
    --------
    >>> print(Finding("emptied_groups", "VIP would have no members.", blocking=True))
    BLOCKED: VIP would have no members.
    """

    rule: str
    message: str
    blocking: bool = False
    customer_group_uid: str | None = None
    n: int = 0
    allow: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        if self.blocking:
            return f"BLOCKED: {self.message}"
        return self.message
