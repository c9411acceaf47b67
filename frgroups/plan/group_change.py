"""The planned change of one group."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from frgroups.internals.checksummed_json import canonical_json, sha256
from frgroups.internals.formatting import agree, pluralize
from frgroups.plan.limit_comparisons import GroupCounts
from frgroups.plan.uid_table import CodedUids


@dataclass(frozen=True, eq=False)
class GroupChange:
    """
    Additions and removals of customers that are planned for one group.

    Attributes
    ----------
    uid, name
        Uid and name of the group.
    baseline
        Uids of the members when the plan was created, sorted by uid. A new plan stores integer codes instead of uids.
    add, remove
        Uids of the customers to add and to remove, sorted by uid.
    unknown
        Uids in `add` that are not in the snapshot.
    create
        Whether the plan creates the group.
    created_at
        Time when the existing group was created, in ISO 8601 format, or "" if it is not known.
    """

    uid: str
    name: str
    baseline: Sequence[str]
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    unknown: frozenset[str] = frozenset()
    create: bool = False
    created_at: str = ""

    @property
    def counts(self) -> GroupCounts:
        """Numbers of members, additions, and removals in this group, which are compared with the limits."""
        return GroupCounts(self.uid, self.name, len(self.baseline), len(self.add), len(self.remove))

    @property
    def n_after(self) -> int:
        """Number of members after the plan has been applied."""
        return len(self.baseline) + len(self.add) - len(self.remove)

    def drift(self, members: Collection[str]) -> tuple[int, int]:
        """
        Return how many customers others have added and removed since the plan was created.

        Changes to customers in the plan are not counted, because the plan itself might have made them.

        Examples
        --------
        >>> GroupChange("vip", "VIP", ("c-1", "c-2"), add=("c-3",)).drift(["c-1", "c-3", "c-4"])
        (1, 1)
        """
        planned = {*self.add, *self.remove}
        before, now = set(self.baseline), set(members)
        return len(now - before - planned), len(before - now - planned)

    def items(self) -> Iterator[tuple[str, str]]:
        """
        Yield the uid of each added or removed customer, together with "add" or "remove".

        Additions come first, because they are sent to the server before the removals.
        """
        yield from ((uid, "add") for uid in self.add)
        yield from ((uid, "remove") for uid in self.remove)

    def digest_payload(self) -> dict[str, Any]:
        """Return the values of this change that are included in the plan's digest."""
        return {
            "customer_group_uid": self.uid,
            "add": self.add,
            "remove": self.remove,
            "n_baseline": len(self.baseline),
            "baseline_sha256": _sha256_of(self.baseline),
        }

    def sentence(self) -> str:
        """
        Describe the planned change of the group in one sentence.

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


def creation_times(groups: pd.DataFrame) -> dict[str, str]:
    """
    Return the creation time of each group in a groups table, in ISO 8601 format.

    Groups without a creation time are omitted.

    Examples
    --------
    >>> created_at = pd.to_datetime(["2026-01-01T08:00Z", None])
    >>> creation_times(pd.DataFrame({"customer_group_uid": ["vip", "staff"], "created_at": created_at}))
    {'vip': '2026-01-01T08:00:00+00:00'}
    """
    known = groups[groups["created_at"].notna()]
    times = [time.isoformat() for time in known["created_at"]]
    return dict(zip(known["customer_group_uid"], times, strict=True))


def without_customer(group: GroupChange, uid: str) -> GroupChange:
    """
    Return a copy of a group change without the addition or removal of the given customer.

    If the change contains neither an addition nor a removal of the customer, `group` itself is returned.
    """
    if uid not in group.add and uid not in group.remove:
        return group
    return replace(
        group,
        add=tuple(other for other in group.add if other != uid),
        remove=tuple(other for other in group.remove if other != uid),
        unknown=group.unknown - {uid},
    )


def _sha256_of(uids: Sequence[str]) -> str:
    if isinstance(uids, CodedUids):
        return uids.sha256()
    return sha256(canonical_json(uids))
