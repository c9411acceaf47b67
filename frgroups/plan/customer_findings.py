"""What a reviewer should know of the customers whom a plan moves: prices, types, tiers, and who gets out of sight."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from frgroups.analysis.register import has_ended
from frgroups.internals.formatting import format_share, pluralize
from frgroups.internals.typing import IntArray
from frgroups.plan.finding import Finding
from frgroups.plan.group_change import GroupChange
from frgroups.plan.uid_table import UidTable
from frgroups.snapshot.snapshot import Snapshot

Row = Mapping[Hashable, Any]

# So large a share of one type, in a group of at least so many, makes joining customers of another type stand out.
_MOST, _FEWEST = 0.95, 20


def plan_findings(
    snapshot: Snapshot, groups: Sequence[GroupChange], register: pd.DataFrame | None
) -> tuple[Finding, ...]:
    """
    What the snapshot, and the register where there is one, tell of these changes; none of it blocks.

    `register` is the table of `registered`. Its limits are limits of the plan, which `limit_violations` looks at.
    """
    if not groups:
        return ()
    moved = _Moved(snapshot, groups)
    rows: dict[str, Row] = {}
    found: list[Finding] = []
    if register is not None:
        known = register.assign(ended=has_ended(register, snapshot.taken_at)).dropna(subset="customer_group_uid")
        rows = {row["customer_group_uid"]: row for row in known.to_dict("records")}
        found += _of_nobody(register)
    for group in groups:
        row = rows.get(group.uid)
        if row is not None:
            found += _registered(group, row)
        if group.add:
            found += _own_pricelist(moved, group)
            found += _other_type(moved, group, "" if row is None else row["expected_type"])
            found += _two_tiers(moved, group, rows)
    return (*found, *_out_of_sight(moved))


class _Moved:
    """Codes of the customers whom a plan moves, those that no snapshot knows numbered after all others."""

    def __init__(self, snapshot: Snapshot, groups: Sequence[GroupChange]) -> None:
        self.codes = snapshot.matrix
        self.customers = snapshot.customers
        self.groups = {group.uid: group for group in groups}
        self.n_known = self.codes.n_customers
        unknown = sorted({uid for group in groups for uid in group.unknown})
        self._known, self._unknown = UidTable(self.codes.customer_uids), UidTable(pd.Index(unknown, dtype="str"))
        self.n = self.n_known + len(unknown)
        self.add = self._numbers({group.uid: group.add for group in groups})
        self.remove = self._numbers({group.uid: group.remove for group in groups})

    def _numbers(self, sides: Mapping[str, Sequence[str]]) -> dict[str, IntArray]:
        at = self._known.codes_of_lists(sides.values()).astype(np.int64)
        if len(self._unknown):
            at = np.where(at < 0, self.n_known + self._unknown.codes_of_lists(sides.values()), at)
        ends = np.cumsum([len(uids) for uids in sides.values()])
        return dict(zip(sides, np.split(at, ends[:-1]), strict=True))

    @cached_property
    def pricelist(self) -> _Attribute:
        """The price lists that customers have of their own."""
        return _Attribute(self.customers["pricelist_uid"])

    @cached_property
    def customer_type(self) -> _Attribute:
        """The types of customers."""
        return _Attribute(self.customers["customer_type"])

    def after(self, uid: str) -> IntArray:
        """Who is in a group when the plan took effect."""
        there = self.codes.group_uids.get_indexer(pd.Index([uid], dtype="str"))[0] >= 0
        now = (self.codes.member_codes(uid) if there else np.empty(0)).astype(np.int64)
        if uid not in self.groups:
            return now
        return np.union1d(np.setdiff1d(now, self.remove[uid], assume_unique=True), self.add[uid])


class _Attribute:
    """A column of the customers, to be counted in many groups; "" and what is missing is not known."""

    def __init__(self, column: pd.Series) -> None:
        self._code, names = pd.factorize(column.where(column != "").astype("str"))
        self._names = list(map(str, names))

    def counts(self, numbers: IntArray) -> dict[str, int]:
        """How many of these customers have which value; customers that no snapshot knows have none."""
        known = self._code[numbers[numbers < len(self._code)]]
        n_of = np.bincount(known[known >= 0], minlength=len(self._names))
        return {self._names[code]: int(n_of[code]) for code in np.flatnonzero(n_of)}


def _of_nobody(register: pd.DataFrame) -> Iterator[Finding]:
    """Rows that would guard a group, if it were there under that name."""
    guards = register["protected"] | register["max_removals"].notna() | register["max_additions"].notna()
    lost = register.loc[guards & register["customer_group_uid"].isna(), "group"]
    if n := len(lost):
        told = ", ".join(map(repr, lost[:3])) + (f" and {n - 3:,} more" if n > 3 else "")
        text = (
            f"{pluralize(n, 'row')} of the register with limits or protection that no group here answers to: {told}."
        )
        yield Finding("register_unknown", text, n=n)


def _registered(group: GroupChange, row: Row) -> Iterator[Finding]:
    if row["protected"]:
        text = f"{group.name} is protected in the register: only limits that name it by its uid let a plan touch it."
        yield Finding("protected_group", text, False, group.uid, len(group.add) + len(group.remove))
    if group.add and row["ended"]:
        n = len(group.add)
        text = (
            f"{pluralize(n, 'customer')} would join {group.name}, which ended on {row['valid_to']:%Y-%m-%d} "
            "according to the register."
        )
        yield Finding("ended", text, False, group.uid, n)


def _own_pricelist(moved: _Moved, group: GroupChange) -> Iterator[Finding]:
    if n := sum(moved.pricelist.counts(moved.add[group.uid]).values()):
        text = (
            f"{n:,} of {pluralize(len(group.add), 'customer')} to join {group.name} {'has' if n == 1 else 'have'} "
            "a price list of their own; whether that goes before what the group grants, the API does not tell."
        )
        yield Finding("own_pricelist", text, False, group.uid, n)


def _other_type(moved: _Moved, group: GroupChange, expected: Any) -> Iterator[Finding]:
    """Joining customers of a type that the register does not expect, or that the group has next to none of."""
    types = moved.customer_type.counts(moved.add[group.uid])
    if isinstance(expected, str) and expected:
        usual = expected.split("|")
        group_is = f"which is for {' or '.join(usual)} according to the register"
    else:
        usual, group_is = _usual_type(moved, group)
    others = {kind: n for kind, n in types.items() if kind not in usual}
    if usual and (n := sum(others.values())):
        kinds = " and ".join(f"{others[kind]:,} {kind}" for kind in sorted(others))
        are = "customer is" if n == 1 else "customers are"
        text = f"{kinds} {are} among the {len(group.add):,} to join {group.name}, {group_is}."
        yield Finding("other_type", text, False, group.uid, n)


def _usual_type(moved: _Moved, group: GroupChange) -> tuple[list[str], str]:
    if group.create:
        return [], ""
    n_of = moved.customer_type.counts(moved.codes.member_codes(group.uid).astype(np.int64))
    total, usual = sum(n_of.values()), max(n_of, key=n_of.__getitem__, default="")
    if total < _FEWEST or n_of[usual] < _MOST * total:
        return [], ""
    n = n_of[usual]
    return [usual], f"whose {total:,} members are {format_share(n, total)} {usual}"


def _two_tiers(moved: _Moved, group: GroupChange, rows: Mapping[str, Row]) -> Iterator[Finding]:
    """Joining customers who will also be in another group of the same exclusive set."""
    named = rows[group.uid]["exclusive_set"] if group.uid in rows else None
    if not isinstance(named, str):
        return
    others = [uid for uid, row in rows.items() if row["exclusive_set"] == named and uid != group.uid]
    elsewhere = np.zeros(moved.n, dtype=np.bool_)
    for uid in others:
        elsewhere[moved.after(uid)] = True
    if n := int(elsewhere[moved.add[group.uid]].sum()):
        text = (
            f"{n:,} of {pluralize(len(group.add), 'customer')} to join {group.name} would be in two tiers of one "
            f"set, {named!r} in the register."
        )
        yield Finding("two_tiers", text, False, group.uid, n)


def _out_of_sight(moved: _Moved) -> Iterator[Finding]:
    """Customers who leave their last group: no later load can see them."""
    leaving = np.concatenate([*moved.remove.values()])
    if not len(leaving):
        return
    n_groups = np.bincount(moved.codes.indices, minlength=moved.n)
    n_groups -= np.bincount(leaving, minlength=moved.n)
    n_groups += np.bincount(np.concatenate([*moved.add.values()]), minlength=moved.n)
    if n := int((n_groups[np.unique(leaving)] == 0).sum()):
        text = f"{pluralize(n, 'customer')} will be in no group and out of sight: no later load can read them."
        yield Finding("out_of_sight", text, False, None, n)
