"""What was wanted and is held back: who stays in a group, or out of it, and why; shown in a plan, never sent."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import astuple, dataclass
from typing import Literal

import pandas as pd

from frgroups.limits import Finding

Rule = Literal["protected", "protected_group", "never_add"]
HELD_COLUMNS = ["customer_group_uid", "customer_uid", "change", "reason"]


@dataclass(frozen=True, slots=True)
class HeldBack:
    """One change ("add" or "remove") that a plan leaves out, by which rule, and what a list says of the customer."""

    customer_group_uid: str
    group_name: str
    customer_uid: str
    rule: Rule
    note: str = ""

    @property
    def change(self) -> str:
        """What was wanted of the customer."""
        return "add" if self.rule == "never_add" else "remove"

    @property
    def reason(self) -> str:
        """
        Why, in words.

        >>> HeldBack("vip", "VIP", "c-1", "never_add", "asked us to").reason
        'never add: asked us to'
        """
        words = {"protected": "protected customer", "protected_group": "protected group", "never_add": "never add"}
        return words[self.rule] + (f": {self.note}" if self.note else "")

    def row(self) -> list[str]:
        """All of it as plain values, for the plan file; `HeldBack(*row)` reads it."""
        return list(astuple(self))


def held_table(held: Iterable[HeldBack]) -> pd.DataFrame:
    """One row per change that is held back; the columns are those of `Plan.held`."""
    rows = [(one.customer_group_uid, one.customer_uid, one.change, one.reason) for one in held]
    return pd.DataFrame(rows, columns=HELD_COLUMNS, dtype="str")


def held_findings(held: Iterable[HeldBack]) -> list[Finding]:
    """
    How many are held back, by group and rule; none of it blocks.

    >>> held = [HeldBack("vip", "VIP", "c-1", "protected"), HeldBack("vip", "VIP", "c-2", "never_add")]
    >>> [finding.message for finding in held_findings(held)]
    ['1 protected customer stays in VIP.', '1 customer who may never be added is kept out of VIP.']
    """
    counts: dict[tuple[str, str, Rule], int] = {}
    for one in held:
        key = (one.customer_group_uid, one.group_name, one.rule)
        counts[key] = counts.get(key, 0) + 1
    return [Finding(rule, _told(n, name, rule), False, uid, n) for (uid, name, rule), n in counts.items()]


def of_groups(held: Iterable[HeldBack], group_uids: Collection[str]) -> tuple[HeldBack, ...]:
    """What is held back of these groups."""
    return tuple(one for one in held if one.customer_group_uid in group_uids)


def without_word(held: Iterable[HeldBack], word: str) -> tuple[HeldBack, ...]:
    """What is held back of other groups and customers than the one of this uid or name."""
    return tuple(one for one in held if word not in (one.customer_group_uid, one.group_name, one.customer_uid))


def _told(n: int, group: str, rule: Rule) -> str:
    one = n == 1
    if rule == "protected":
        return f"{n:,} protected {'customer stays' if one else 'customers stay'} in {group}."
    if rule == "protected_group":
        who = "customer who was to leave stays" if one else "customers who were to leave stay"
        return f"{n:,} {who} in {group}: the group is protected."
    who = "customer who may never be added is" if one else "customers who may never be added are"
    return f"{n:,} {who} kept out of {group}."
