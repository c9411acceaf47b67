"""Findings that the reviewer of a plan must see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from frgroups.internals.formatting import escape_invisible

# Last sentence of a finding that the reviewer must examine. Reviews without a decision omit this sentence.
APPROVAL_CHECK = "Check this before you approve."
# A finding with one of these rules does not block a plan, and an approval policy can accept it.
# Exceptions: `erased_customers` blocks a plan with erased customers, but not an undo plan that leaves them out.
# `already_undone` blocks an undo plan if all changes of the original plan are undone, but not if only some are.
NOTICE_RULES = (
    "all_members_leave",
    "already_undone",
    "covered",
    "created_group_stays",
    "empty_list",
    "ended",
    "erased_customers",
    "held_out_members",
    "holdout",
    "no_consent_record",
    "no_snapshot",
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
    "unknown_suppressed_groups",
    "unused_limits",
    "unverifiable",
    "withdrawn_consent",
)
# Rules of the findings that are shown as warnings, most important first. Reviews list blocking findings before them.
WARNING_RULES = (
    "all_members_leave",
    "empty_list",
    "unknown_customers",
    "withdrawn_consent",
    "no_consent_record",
    "ended",
    "protected_group",
    "same_name",
    "similar_name",
    "similar_uid",
    "two_tiers",
    "held_out_members",
    "already_undone",
    "not_finalized",
    "no_snapshot",
    "unknown_protected",
    "unknown_suppressed_groups",
    "out_of_sight",
    "other_type",
)
# Sort position of each rule.
# Findings whose rule is not in `WARNING_RULES` are shown as notes.
# Notes whose rule is not in this dictionary come last, in the order of the plan.
_IMPORTANCE = {
    rule: position for position, rule in enumerate((*WARNING_RULES, "holdout", "own_pricelist", "not_members"))
}
# Uids of the customers who are affected by findings, keyed by group uid and then by rule.
Marks = Mapping[str, Mapping[str, frozenset[str]]]


@dataclass(frozen=True, slots=True)
class Finding:
    """
    A fact or problem that the reviewer of a plan must see.

    Attributes
    ----------
    rule : str
        Identifier of the rule: the name of an exceeded limit such as "removals_total", or one of `NOTICE_RULES`.
    message : str
        One or two sentences for the reviewer. The message is shown on review pages, so it contains no command-line
        options and no Python code. For operators, `limit_advice` creates such advice from `allow`. Invisible
        characters are escaped.
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
        # Invisible characters in a group name could change how the rest of the message is displayed.
        object.__setattr__(self, "message", escape_invisible(self.message))

    @property
    def is_warning(self) -> bool:
        """True if the finding is a problem that the reviewer must consider, although it does not block the plan."""
        return not self.blocking and self.rule in WARNING_RULES

    def __str__(self) -> str:
        if self.blocking:
            return f"BLOCKED: {self.message}"
        return self.message


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """
    Sort findings by importance: blocking findings, then the rules in `WARNING_RULES`, then notes.

    Examples
    --------
    >>> [finding.rule for finding in sort_findings([Finding("covered", ""), Finding("ended", "")])]
    ['ended', 'covered']
    """
    return sorted(
        findings, key=lambda finding: (not finding.blocking, _IMPORTANCE.get(finding.rule, len(_IMPORTANCE)))
    )


def sort_rules(rules: Iterable[str]) -> list[str]:
    """Sort rule identifiers by importance, as in `sort_findings`."""
    return sorted(rules, key=lambda rule: (_IMPORTANCE.get(rule, len(_IMPORTANCE)), rule))
