"""Compare the list of customers for one group with the members of the group."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from frgroups.internals.formatting import agree, pluralize
from frgroups.plan.finding import Finding
from frgroups.plan.modes import Mode

# The sentences name at most this number of groups.
MAX_NAMED_GROUPS = 5


@dataclass(frozen=True, slots=True)
class ListedGroup:
    """
    Numbers of members and listed customers of one group, which the plan might not change.

    Attributes
    ----------
    uid, name
        Uid and name of the group.
    n_members
        Number of members when the plan was created.
    n_listed
        Number of customers in the list.
    n_both
        Number of customers in the list who are members.
    """

    uid: str
    name: str
    n_members: int
    n_listed: int
    n_both: int

    def n_unchanged(self, mode: Mode) -> int:
        """Return the number of members or listed customers that the mode leaves unchanged."""
        if mode in ("add", "remove"):
            return self.n_members - self.n_both
        if mode == "keep_only":
            return self.n_listed - self.n_both
        return 0


def unchanged_sentences(groups: Sequence[ListedGroup], mode: Mode) -> list[str]:
    """
    Describe the customers that the mode of a plan leaves unchanged.

    Examples
    --------
    >>> unchanged_sentences([ListedGroup("vip", "VIP", 361, 0, 0)], "add")
    ['361 current members of VIP are not in the list and stay (mode add).', 'The list for VIP is empty.']
    """
    sentences = []
    unchanged = [group for group in groups if group.n_unchanged(mode)]
    unchanged.sort(key=lambda group: (-group.n_unchanged(mode), group.uid))
    for group in unchanged[:MAX_NAMED_GROUPS]:
        sentences.append(_unchanged_sentence(group.n_unchanged(mode), group.name, mode))
    others = unchanged[MAX_NAMED_GROUPS:]
    if others:
        n = sum(group.n_unchanged(mode) for group in others)
        sentences.append(_unchanged_sentence(n, _other_groups(len(others)), mode))
    empty = [group.name for group in groups if group.n_members and not group.n_listed]
    if empty:
        named = ", ".join(empty[:MAX_NAMED_GROUPS])
        if len(empty) > MAX_NAMED_GROUPS:
            named += f" and {_other_groups(len(empty) - MAX_NAMED_GROUPS)}"
        sentences.append(f"The list for {named} is empty.")
    return sentences


def _other_groups(n: int) -> str:
    return f"{n:,} other {agree(n, 'group', 'groups')}"


def _unchanged_sentence(n: int, groups: str, mode: Mode) -> str:
    if mode == "keep_only":
        return agree(
            n,
            f"1 customer in the list is not a member of {groups} and does not join (mode {mode}).",
            f"{n:,} customers in the list are not members of {groups} and do not join (mode {mode}).",
        )
    return agree(
        n,
        f"1 current member of {groups} is not in the list and stays (mode {mode}).",
        f"{n:,} current members of {groups} are not in the list and stay (mode {mode}).",
    )


def not_members_findings(groups: Iterable[ListedGroup]) -> list[Finding]:
    """Return a finding for each group whose list contains customers who are not members."""
    findings = []
    for group in groups:
        n = group.n_listed - group.n_both
        if n:
            listed = pluralize(group.n_listed, "customer")
            text = agree(
                n,
                f"1 of {listed} in the list is not in {group.name} and does not leave it.",
                f"{n:,} of {listed} in the list are not in {group.name} and do not leave it.",
            )
            findings.append(Finding("not_members", text, False, group.uid, n))
    return findings
