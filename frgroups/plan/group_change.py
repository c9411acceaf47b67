"""What a plan does to one group: who joins, who leaves, and what the group was when the plan was made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from frgroups.internals.checksummed_json import canonical_json, sha256
from frgroups.internals.formatting import pluralize
from frgroups.plan.finding import Finding
from frgroups.plan.limits import GroupCounts
from frgroups.plan.uid_table import CodedUids

NAMED = 5  # How many customers a finding names; of more it says how many.


@dataclass(frozen=True, eq=False)
class GroupChange:
    """
    What a plan does to one group: its members when the plan was made, who joins, who leaves.

    All uids are in uid order; a plan that was just made keeps `baseline` as codes of its snapshot. `unknown` are
    the joining ones that no snapshot knows; `create` is true for a group that the plan makes first.
    """

    uid: str
    name: str
    baseline: Sequence[str]
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    unknown: frozenset[str] = frozenset()
    create: bool = False

    @property
    def counts(self) -> GroupCounts:
        """What limits look at."""
        return GroupCounts(self.uid, self.name, len(self.baseline), len(self.add), len(self.remove))

    @property
    def n_after(self) -> int:
        """How many members the group has when all of it took effect."""
        return len(self.baseline) + len(self.add) - len(self.remove)

    @property
    def replaces_all_members(self) -> bool:
        """Whether all members leave, and others join."""
        return bool(self.add) and 0 < len(self.remove) == len(self.baseline)

    def items(self) -> Iterator[tuple[str, str]]:
        """Every customer that joins or leaves, and which of it: "add" or "remove"; additions first, as sent."""
        yield from ((uid, "add") for uid in self.add)
        yield from ((uid, "remove") for uid in self.remove)

    def digest_payload(self) -> dict[str, Any]:
        """What the digest covers of this group."""
        return {
            "customer_group_uid": self.uid,
            "add": self.add,
            "remove": self.remove,
            "n_baseline": len(self.baseline),
            "baseline_sha256": _hash_of(self.baseline),
        }

    def unknown_finding(self) -> Finding:
        """What to say of the customers to join that no snapshot knows."""
        n = len(self.unknown)
        some = ", ".join(sorted(self.unknown)[:NAMED]) + (", ..." if n > NAMED else "")
        text = (
            f"{n:,} of {len(self.add):,} customers to join {self.name} are in no group now ({some}): "
            "either they are new to all groups, or they do not exist and will be rejected."
        )
        return Finding("unknown_customers", text, False, self.uid, n)

    def sentence(self) -> str:
        """
        The change in words.

        >>> GroupChange("bw", "Black Week VIP", ("a", "b"), add=("c",), remove=("a",)).sentence()
        '1 customer joins Black Week VIP (2 -> 2). 1 leaves.'
        """
        now = f"({len(self.baseline):,} -> {self.n_after:,})"
        new = " (new group)" if self.create else ""
        joins = f"{pluralize(len(self.add), 'customer')} {'joins' if len(self.add) == 1 else 'join'}"
        leaves = f"{len(self.remove):,} {'leaves' if len(self.remove) == 1 else 'leave'}"
        if self.add and self.remove:
            return f"{joins} {self.name}{new} {now}. {leaves}."
        if self.remove:
            leaves = f"{pluralize(len(self.remove), 'customer')} {'leaves' if len(self.remove) == 1 else 'leave'}"
            return f"{leaves} {self.name} {now}."
        return f"{joins} {self.name}{new} {now}." if self.add else f"{self.name} is created, empty."


def without_customer(group: GroupChange, uid: str) -> GroupChange:
    """The change without one customer; the very same where the customer neither joins nor leaves."""
    if uid not in group.add and uid not in group.remove:
        return group
    return replace(
        group,
        add=tuple(one for one in group.add if one != uid),
        remove=tuple(one for one in group.remove if one != uid),
        unknown=group.unknown - {uid},
    )


def check_texts(group: GroupChange) -> None:
    """Raise TypeError or ValueError for what is no text in a change from a file, or half a character."""
    for texts in ((group.uid, group.name), group.baseline, group.add, group.remove):
        "".join(texts).encode()


def _hash_of(uids: Sequence[str]) -> str:
    return uids.sha256() if isinstance(uids, CodedUids) else sha256(canonical_json(uids))
