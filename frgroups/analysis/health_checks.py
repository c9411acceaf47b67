"""Findings about groups by themselves: how they were read, how few they hold, what they are called."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

import pandas as pd

from frgroups.analysis.duplicates import duplicates_in, subsets_in
from frgroups.analysis.overlap import pair_counts
from frgroups.analysis.sizes import group_sizes
from frgroups.analysis.table_rows import iter_rows
from frgroups.internals.formatting import format_share, pluralize
from frgroups.internals.typing import IntArray
from frgroups.snapshot.snapshot import Snapshot

Severity = Literal["high", "medium", "low"]

CHECK = "Check the back office for campaigns and price lists that use"


_YEAR = re.compile(r"(?<!\d)20\d\d(?!\d)")


def unverified_groups(snapshot: Snapshot) -> Iterator[HealthFinding]:
    """Groups that changed while they were read, or whose reading nothing proves."""
    reads = snapshot.reads
    for row in iter_rows(reads[(reads["verdict"] != "consistent") & (reads["how"] != "given")]):
        name, note = snapshot.group_name(row.customer_group_uid), f": {row.note}" if row.note else ""
        drifted = row.verdict == "drifted"
        what = "changed while it was read" if drifted else "was read, and nothing proves that it was read whole"
        yield HealthFinding(
            "high" if drifted else "medium",
            "drifted" if drifted else "unverifiable",
            row.customer_group_uid,
            name,
            None,
            None,
            row.n_rows,
            f"{name} {what} ({pluralize(row.n_rows, 'member')}, {pluralize(row.rereads, 'time')} read again){note}.",
            f"Read it again: snapshot = fg.refresh_groups(client, snapshot, [{row.customer_group_uid!r}])",
        )


def small_groups(snapshot: Snapshot, tiny: int) -> Iterator[HealthFinding]:
    """Groups without a member, and those with fewer than `tiny`."""
    for row in iter_rows(group_sizes(snapshot)):
        uid, name, n = row.customer_group_uid, row.name, row.n_members
        if n == 0:
            evidence = f"{name} has no member{_changed(snapshot, uid)}."
            action = f"{CHECK} {uid}. If none does, it can be retired there; if one does, it reaches nobody."
            yield HealthFinding("medium", "empty", uid, name, None, None, 0, evidence, action)
        elif n < tiny:
            alone = f", {row.n_exclusive} of them in no other group" if row.n_exclusive else ""
            evidence = f"{name} has {pluralize(n, 'member')}{alone}."
            action = f"{CHECK} {uid}, and ask whether so few are meant."
            yield HealthFinding("low", "tiny", uid, name, None, None, n, evidence, action)


def similar_names(snapshot: Snapshot) -> Iterator[HealthFinding]:
    """Groups of the same name, or but for case and blanks, each against the first of them in uid order."""
    of_name: dict[str, list[str]] = {}
    alike: dict[str, list[str]] = {}
    for uid, name in zip(snapshot.matrix.group_uids, snapshot.matrix.group_names, strict=True):
        if name not in of_name:
            alike.setdefault(" ".join(name.split()).casefold(), []).append(name)
        of_name.setdefault(name, []).append(uid)
    for name, uids in of_name.items():
        for uid in uids[1:]:
            evidence = (
                f"{len(uids)} groups are named {name}: {', '.join(uids)}. The name does not tell which is meant."
            )
            action = f"Rename {uid} in the back office, or the other, so that colleagues can tell them apart."
            yield HealthFinding("medium", "same_name", uid, name, uids[0], name, len(uids), evidence, action)
    for first, *others in alike.values():
        for name in others:
            evidence = f"The names {first!r} and {name!r} differ only in case or blanks."
            action = f"Rename {of_name[name][0]} in the back office, or see whether one of the two is enough."
            uid, other = of_name[name][0], of_name[first][0]
            yield HealthFinding("low", "similar_name", uid, name, other, first, len(others) + 1, evidence, action)


def old_years(snapshot: Snapshot, register: pd.DataFrame | None) -> Iterator[HealthFinding]:
    """Groups with members whose name tells a year that is over; not those whose last day the register knows."""
    dated = set() if register is None else set(register.loc[register["valid_to"].notna(), "customer_group_uid"])
    matrix, this_year = snapshot.matrix, snapshot.taken_at.year
    for uid, name, n in zip(matrix.group_uids, matrix.group_names, matrix.sizes.tolist(), strict=True):
        years = [int(year) for year in _YEAR.findall(name)]
        if n and years and max(years) < this_year and uid not in dated:
            evidence = f"{name} still has {pluralize(n, 'member')} in {this_year}."
            action = f"{CHECK} {uid}. If it is over: {plan_call(uid, '')}"
            yield HealthFinding("low", "old_year", uid, name, None, None, n, evidence, action)


def _changed(snapshot: Snapshot, uid: str) -> str:
    """When the service last changed a group's record, where it tells."""
    moment = snapshot.groups.set_index("customer_group_uid")["last_modified_at"][uid]
    return "" if pd.isna(moment) else f"; its record was last changed on {moment:%Y-%m-%d}"


class HealthFinding(NamedTuple):
    """A row of `health_report`; the fields are its columns."""

    severity: Severity
    finding: str
    customer_group_uid: str
    name: str | None
    other_group_uid: str | None
    other_name: str | None
    n: int
    evidence: str
    suggested_action: str


def plan_call(uid: str, wanted: str, mode: str = "mirror") -> str:
    """
    The call that plans this membership of a group; `wanted` is an expression over groups, "" for nobody.

    In an action it stands last.

    >>> plan_call("vip", "")
    "fg.plan_memberships(snapshot, {'vip': []}, mode='mirror')"
    """
    customers = f"fg.members(snapshot, {wanted!r})" if wanted else "[]"
    return f"fg.plan_memberships(snapshot, {{{uid!r}: {customers}}}, mode={mode!r})"


def register_names(found: HealthFinding) -> HealthFinding:
    """The same finding, the plan that it suggests under the limits of the register too."""
    if "fg.plan_memberships(" not in found.suggested_action:
        return found
    return found._replace(suggested_action=f"{found.suggested_action.removesuffix(')')}, register=register)")


def quoted(uid: str) -> str:
    r"""
    A group in an expression of `fg.members`, whatever its uid holds.

    >>> quoted("vip"), quoted("store's")
    ("'vip'", '"store\'s"')
    """
    quote = next((mark for mark in "'\"`" if mark not in uid), "'")
    return f"{quote}{uid}{quote}"


def redundant_groups(snapshot: Snapshot, min_jaccard: float) -> Iterator[HealthFinding]:
    """All of them; the customers of each two groups are counted once."""
    both = pair_counts(snapshot.matrix)
    yield from _alike(snapshot, both, min_jaccard)
    yield from _parts(snapshot, both, min_jaccard)


def _alike(snapshot: Snapshot, both: IntArray, min_jaccard: float) -> Iterator[HealthFinding]:
    """Of groups with the same members a finding for each but the first; and the pairs that are nearly the same."""
    pairs = duplicates_in(snapshot.matrix, both, min_jaccard)
    same = pairs[pairs["jaccard"] == 1].drop_duplicates("group_b")
    for row in iter_rows(same):
        evidence = f"{row.name_b} has the same {row.n_both:,} members as {row.name_a}."
        action = (
            f"{CHECK} {row.group_a} or {row.group_b}. If none uses {row.group_b}, the other is enough: "
            f"{plan_call(row.group_b, '')}"
        )
        yield HealthFinding(
            "high", "duplicate", row.group_b, row.name_b, row.group_a, row.name_a, row.n_both, evidence, action
        )
    # Of groups that are the same the first stands for all.
    again = set(same["group_b"])
    near = pairs[(pairs["jaccard"] < 1) & ~pairs["group_a"].isin(again) & ~pairs["group_b"].isin(again)]
    for row in iter_rows(near):
        either = row.n_a + row.n_b - row.n_both
        evidence = (
            f"{row.n_both:,} of the {either:,} customers of {row.name_a} ({row.n_a:,}) or {row.name_b} ({row.n_b:,}) "
            f"are in both ({format_share(row.n_both, either)})."
        )
        action = (
            f"{CHECK} {row.group_a} or {row.group_b}. To let everybody of one into the other: "
            f"fg.plan_memberships(snapshot, dict.fromkeys({[row.group_a, row.group_b]}, "
            f"fg.members(snapshot, {f'{quoted(row.group_a)} | {quoted(row.group_b)}'!r})))"
        )
        yield HealthFinding(
            "medium", "near_duplicate", row.group_a, row.name_a, row.group_b, row.name_b, row.n_both, evidence, action
        )


def _parts(snapshot: Snapshot, both: IntArray, min_jaccard: float) -> Iterator[HealthFinding]:
    """Groups that are part of another one and not nearly all of it, each with the smallest that holds it."""
    pairs = subsets_in(snapshot.matrix, both)
    pairs = pairs[pairs["n_a"] < min_jaccard * pairs["n_b"]].sort_values(["group_a", "n_b", "group_b"])
    n_holding = pairs["group_a"].value_counts()
    for row in iter_rows(pairs.drop_duplicates("group_a")):
        more = int(n_holding[row.group_a]) - 1
        who = (
            f"The only member of {row.name_a} is" if row.n_a == 1 else f"All {row.n_a:,} members of {row.name_a} are"
        )
        further = f", and of {more:,} more {'group' if more == 1 else 'groups'}" if more else ""
        evidence = f"{who} also among the {row.n_b:,} of {row.name_b}{further}."
        action = (
            f"Nothing, if it is a tier or a choice within the larger group. Otherwise: {CHECK.lower()} {row.group_a}."
        )
        yield HealthFinding(
            "low", "subset", row.group_a, row.name_a, row.group_b, row.name_b, row.n_a, evidence, action
        )
