"""Change of one group: its members when the plan was made, the additions and the removals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from frgroups.internals.checksummed_json import canonical_json, sha256
from frgroups.internals.formatting import agree, pluralize
from frgroups.plan.limits import GroupCounts
from frgroups.plan.uid_table import CodedUids


@dataclass(frozen=True, eq=False)
class GroupChange:
    """
    Change of one group.

    Attributes
    ----------
    uid, name
        The group.
    baseline
        Members when the plan was made, in uid order. A new plan stores them as codes of its snapshot.
    add, remove
        Customers who join and who leave, in uid order.
    unknown
        Customers in `add` who are not in the snapshot.
    create
        Whether the plan creates the group.
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
        """Numbers that are compared with the limits."""
        return GroupCounts(self.uid, self.name, len(self.baseline), len(self.add), len(self.remove))

    @property
    def n_after(self) -> int:
        """Number of members after the plan."""
        return len(self.baseline) + len(self.add) - len(self.remove)

    @property
    def replaces_all_members(self) -> bool:
        """True if all members leave and others join."""
        return bool(self.add) and 0 < len(self.remove) == len(self.baseline)

    def items(self) -> Iterator[tuple[str, str]]:
        """Yield each customer with "add" or "remove", additions first, as they are sent."""
        yield from ((uid, "add") for uid in self.add)
        yield from ((uid, "remove") for uid in self.remove)

    def digest_payload(self) -> dict[str, Any]:
        """Return the content that the digest covers."""
        return {
            "customer_group_uid": self.uid,
            "add": self.add,
            "remove": self.remove,
            "n_baseline": len(self.baseline),
            "baseline_sha256": _sha256_of(self.baseline),
        }

    def sentence(self) -> str:
        """
        Describe the change.

        Examples
        --------
        >>> GroupChange("bw", "Black Week VIP", ("a", "b"), add=("c",), remove=("a",)).sentence()
        '1 customer joins Black Week VIP and 1 leaves (2 -> 2 members).'
        """
        n_add, n_remove = len(self.add), len(self.remove)
        if not self.add and not self.remove:
            return f"{self.name} is created without members."
        leave = agree(n_remove, "leaves", "leave")
        if not self.add:
            text = f"{pluralize(n_remove, 'customer')} {leave} {self.name}"
        else:
            name = f"the new group {self.name}" if self.create else self.name
            text = f"{pluralize(n_add, 'customer')} {agree(n_add, 'joins', 'join')} {name}"
            if self.remove:
                text += f" and {n_remove:,} {leave}"
        return f"{text} ({len(self.baseline):,} -> {self.n_after:,} members)."


def without_customer(group: GroupChange, uid: str) -> GroupChange:
    """Return the change without a customer; the same object if the customer neither joins nor leaves."""
    if uid not in group.add and uid not in group.remove:
        return group
    return replace(
        group,
        add=tuple(other for other in group.add if other != uid),
        remove=tuple(other for other in group.remove if other != uid),
        unknown=group.unknown - {uid},
    )


def check_texts(group: GroupChange) -> None:
    """Raise TypeError or ValueError for a value in a file that is not text, or that contains a lone surrogate."""
    for texts in ((group.uid, group.name), group.baseline, group.add, group.remove):
        "".join(texts).encode()


def _sha256_of(uids: Sequence[str]) -> str:
    if isinstance(uids, CodedUids):
        return uids.sha256()
    return sha256(canonical_json(uids))
