"""Findings that the reviewer of a plan must see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from frgroups.internals.formatting import escape_invisible

# A finding with one of these rules does not block a plan, and an approval policy can accept it.
# Exception: `erased_customers` blocks a plan with erased customers, but not an undo plan that leaves them out.
NOTICE_RULES = (
    "already_undone",
    "covered",
    "created_group_stays",
    "ended",
    "erased_customers",
    "not_finalized",
    "not_members",
    "other_type",
    "out_of_sight",
    "own_pricelist",
    "protected",
    "protected_group",
    "register_unknown",
    "same_name",
    "similar_name",
    "similar_uid",
    "suppression_list",
    "two_tiers",
    "unknown_customers",
    "unknown_protected",
    "unused_limits",
    "unverifiable",
    "withdrawn_consent",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """
    A fact or problem that the reviewer of a plan must see.

    Attributes
    ----------
    rule : str
        Identifier of the rule: the name of an exceeded limit such as "removals_total", or one of `NOTICE_RULES`.
    message : str
        One or two sentences for the reviewer. The message contains no command-line options and no Python, because
        reviews contain it. `limit_advice` creates the advice for operators from `allow`.
        Invisible characters are escaped.
    blocking : bool
        Whether the finding prevents the plan from being applied.
    customer_group_uid : str or None
        Uid of the affected group, or None if the finding concerns the complete plan.
    n : int
        Number of affected customers, memberships or groups. It is 0 if the finding has no count.
    allow : tuple
        Limits that would allow the change, as pairs of name and value.

    Examples
    --------
    >>> print(Finding("emptied_groups", "The plan removes all members of VIP.", blocking=True))
    BLOCKED: The plan removes all members of VIP.
    """

    rule: str
    message: str
    blocking: bool = False
    customer_group_uid: str | None = None
    n: int = 0
    allow: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        # Invisible characters in a group name could change the text around the name.
        object.__setattr__(self, "message", escape_invisible(self.message))

    def __str__(self) -> str:
        if self.blocking:
            return f"BLOCKED: {self.message}"
        return self.message
