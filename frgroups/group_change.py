"""What a plan does to one group: who its members were, who joins, who leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from frgroups.limits import Finding, GroupCounts
from frgroups.sealed import canonical, sha256


@dataclass(frozen=True, eq=False)
class GroupChange:
    """
    What a plan does to one group: its members when the plan was made, who joins, who leaves.

    All uids are in uid order; `unknown` are the joining ones that no snapshot knows; `create` is true for a
    group that the plan makes first.
    """

    uid: str
    name: str
    baseline: tuple[str, ...]
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

    def meaning(self) -> dict[str, Any]:
        """What the digest covers of this group."""
        return {
            "customer_group_uid": self.uid,
            "add": self.add,
            "remove": self.remove,
            "n_baseline": len(self.baseline),
            "baseline_sha256": sha256(canonical(self.baseline)),
        }

    def unknown_finding(self) -> Finding:
        """What to say of the customers to join that no snapshot knows."""
        n = len(self.unknown)
        text = (
            f"{n:,} of {len(self.add):,} customers to join {self.name} are in no group now: "
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
        joins = f"{_customers(len(self.add))} {'joins' if len(self.add) == 1 else 'join'}"
        leaves = f"{len(self.remove):,} {'leaves' if len(self.remove) == 1 else 'leave'}"
        if self.add and self.remove:
            return f"{joins} {self.name}{new} {now}. {leaves}."
        if self.remove:
            leaves = f"{_customers(len(self.remove))} {'leaves' if len(self.remove) == 1 else 'leave'}"
            return f"{leaves} {self.name} {now}."
        return f"{joins} {self.name}{new} {now}." if self.add else f"{self.name} is created, empty."


def _customers(n: int) -> str:
    return f"{n:,} customer" if n == 1 else f"{n:,} customers"
