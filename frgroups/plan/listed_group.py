"""Compare the list of customers for one group with the members of the group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from frgroups.internals.formatting import agree, format_list, pluralize
from frgroups.plan.finding import Finding
from frgroups.plan.modes import Mode

# Maximum number of groups that a sentence names.
MAX_NAMED_GROUPS = 5
_NOT_LISTED = (
    "{n} current member of {groups} is not in the list and stays.",
    "{n} current members of {groups} are not in the list and stay.",
)
_LISTED = (
    "{n} current member of {groups} is in the list and stays.",
    "{n} current members of {groups} are in the list and stay.",
)
_STAYING: dict[Mode, tuple[str, str]] = {
    "add": _NOT_LISTED,
    "remove": _NOT_LISTED,
    "keep_only": _LISTED,
    "mirror": _LISTED,
}
_NOT_JOINING = (
    "{n} customer in the list is not a member of {groups} and does not join.",
    "{n} customers in the list are not members of {groups} and do not join.",
)


@dataclass(frozen=True, slots=True)
class ListedGroup:
    """
    Numbers of members and listed customers of one group. The plan might not change this group.

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

    def n_staying(self, mode: Mode) -> int:
        """Return the number of members who stay in the group because of the mode."""
        if mode in ("add", "remove"):
            return self.n_members - self.n_both
        return self.n_both

    @property
    def n_not_members(self) -> int:
        """Number of customers in the list who are not members."""
        return self.n_listed - self.n_both


def name_groups(names: Sequence[str]) -> str:
    """
    Return the first group names and the number of other groups.

    Examples
    --------
    >>> name_groups(["VIP", "Staff"]), name_groups([f"Store {n}" for n in range(7)])
    ('VIP and Staff', 'Store 0, Store 1, Store 2, Store 3, Store 4, and 2 other groups')
    """
    named = list(names[:MAX_NAMED_GROUPS])
    if len(names) > MAX_NAMED_GROUPS:
        named.append(_other_groups(len(names) - MAX_NAMED_GROUPS))
    return format_list(named)


def unchanged_sentences(groups: Sequence[ListedGroup], mode: Mode) -> list[str]:
    """
    Describe the customers that the mode of a plan leaves unchanged.

    Examples
    --------
    >>> unchanged_sentences([ListedGroup("vip", "VIP", 361, 0, 0)], "add")
    ['361 current members of VIP are not in the list and stay.', 'The list for VIP is empty.']
    """
    sentences = _counted_sentences({group: group.n_staying(mode) for group in groups}, _STAYING[mode])
    if mode == "keep_only":
        sentences += _counted_sentences({group: group.n_not_members for group in groups}, _NOT_JOINING)
    empty = [group.name for group in groups if group.n_members and not group.n_listed]
    if empty:
        sentences.append(f"The list for {name_groups(empty)} is empty.")
    return sentences


def _other_groups(n: int) -> str:
    return f"{n:,} other {agree(n, 'group', 'groups')}"


def _counted_sentences(counts: Mapping[ListedGroup, int], texts: tuple[str, str]) -> list[str]:
    """Return a sentence for each of the groups with the largest counts, and a sentence about all other groups."""
    counted = sorted((group for group in counts if counts[group]), key=lambda group: (-counts[group], group.uid))
    named = [(counts[group], group.name) for group in counted[:MAX_NAMED_GROUPS]]
    others = counted[MAX_NAMED_GROUPS:]
    if others:
        named.append((sum(counts[group] for group in others), _other_groups(len(others))))
    return [agree(n, *texts).format(n=f"{n:,}", groups=groups) for n, groups in named]


def not_members_findings(groups: Iterable[ListedGroup]) -> list[Finding]:
    """Return a finding for each group whose list contains customers who are not members."""
    findings = []
    for group in groups:
        n = group.n_not_members
        if n:
            listed = pluralize(group.n_listed, "customer")
            text = agree(
                n,
                f"1 of {listed} in the list is not in {group.name} and does not leave it.",
                f"{n:,} of {listed} in the list are not in {group.name} and do not leave it.",
            )
            findings.append(Finding("not_members", text, False, group.uid, n))
    return findings
