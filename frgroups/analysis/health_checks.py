"""Checks of the health report that need no register: reads, sizes, names and redundant groups."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from typing import Literal, NamedTuple

import pandas as pd

from frgroups.analysis.duplicates import duplicates_from_counts, subsets_from_counts
from frgroups.analysis.overlap import pair_counts
from frgroups.analysis.sizes import group_sizes
from frgroups.analysis.table_rows import iter_rows
from frgroups.internals.formatting import agree, format_percentage, pluralize
from frgroups.internals.typing import IntArray
from frgroups.snapshot.snapshot import Snapshot

Severity = Literal["high", "medium", "low"]

CHECK = "Check the back office for campaigns and price lists that use"

_YEAR = re.compile(r"(?<!\d)20\d\d(?!\d)")


class HealthFinding(NamedTuple):
    """A row of `health_report`. The fields are its columns, except for the owner."""

    severity: Severity
    finding: str
    customer_group_uid: str
    name: str | None
    other_group_uid: str | None
    other_name: str | None
    n: int
    evidence: str
    suggested_action: str


def find_unverified_groups(snapshot: Snapshot) -> Iterator[HealthFinding]:
    """Find groups that changed while they were read, or whose read is not verified."""
    reads = snapshot.reads
    for row in iter_rows(reads[(reads["verdict"] != "consistent") & (reads["how"] != "given")]):
        severity: Severity = "medium"
        finding, problem = "unverifiable", "could not be verified as complete"
        if row.verdict == "drifted":
            severity, finding, problem = "high", "drifted", "changed while it was read"
        name = snapshot.group_name(row.customer_group_uid)
        evidence = (
            f"{name} {problem}. The read returned {pluralize(row.n_rows, 'member')} after "
            f"{pluralize(row.rereads, 'reread')}"
        )
        if row.note:
            evidence += f". Reason: {row.note}"
        yield HealthFinding(
            severity,
            finding,
            row.customer_group_uid,
            name,
            None,
            None,
            row.n_rows,
            f"{evidence}.",
            f"Read it again: snapshot = fg.refresh_groups(client, snapshot, [{row.customer_group_uid!r}])",
        )


def find_small_groups(snapshot: Snapshot, tiny: int) -> Iterator[HealthFinding]:
    """Find groups without a member, and groups with fewer than `tiny` members."""
    for row in iter_rows(group_sizes(snapshot)):
        uid, name, n = row.customer_group_uid, row.name, row.n_members
        if n == 0:
            evidence = f"{name} has no members."
            modified_at = snapshot.groups.set_index("customer_group_uid")["last_modified_at"][uid]
            if not pd.isna(modified_at):
                evidence += f" The group was last modified on {modified_at:%Y-%m-%d}."
            action = f"{CHECK} {uid}. A campaign that uses it reaches no customers. If it is not used, retire it."
            yield HealthFinding("medium", "empty", uid, name, None, None, 0, evidence, action)
        elif n < tiny:
            evidence = f"{name} has {pluralize(n, 'member')}"
            if row.n_exclusive:
                evidence += f", {row.n_exclusive} of them in no other group"
            action = f"{CHECK} {uid}, and ask whether so few are meant."
            yield HealthFinding("low", "tiny", uid, name, None, None, n, f"{evidence}.", action)


def find_similar_names(snapshot: Snapshot) -> Iterator[HealthFinding]:
    """Find groups with the same name, and names that differ only in case or whitespace."""
    uids_of_name: dict[str, list[str]] = {}
    for uid, name in zip(snapshot.matrix.group_uids, snapshot.matrix.group_names, strict=True):
        uids_of_name.setdefault(name, []).append(uid)
    for name, uids in uids_of_name.items():
        for uid in uids[1:]:
            evidence = f"{len(uids)} groups have the name {name}: {', '.join(uids)}."
            action = f"Rename {uid} or the other group in the back office, so that their names differ."
            yield HealthFinding("medium", "same_name", uid, name, uids[0], name, len(uids), evidence, action)
    similar: dict[str, list[str]] = {}
    for name in uids_of_name:
        similar.setdefault(" ".join(name.split()).casefold(), []).append(name)
    for first, *others in similar.values():
        for name in others:
            uid, other = uids_of_name[name][0], uids_of_name[first][0]
            evidence = f"The names {first!r} and {name!r} differ only in case or blanks."
            action = f"Rename {uid} in the back office, or see whether one of the two is enough."
            yield HealthFinding("low", "similar_name", uid, name, other, first, len(others) + 1, evidence, action)


def find_old_years(snapshot: Snapshot, dated: Container[str]) -> Iterator[HealthFinding]:
    """Find groups with members whose name contains a past year, except `dated` groups, whose last day is known."""
    matrix, this_year = snapshot.matrix, snapshot.taken_at.year
    for uid, name, n in zip(matrix.group_uids, matrix.group_names, matrix.sizes.tolist(), strict=True):
        years = [int(year) for year in _YEAR.findall(name)]
        if n and years and max(years) < this_year and uid not in dated:
            evidence = f"{name} still has {pluralize(n, 'member')} in {this_year}."
            action = f"{CHECK} {uid}. If it is over: {plan_call(uid, '')}"
            yield HealthFinding("low", "old_year", uid, name, None, None, n, evidence, action)


def plan_call(uid: str, expression: str, mode: str = "mirror") -> str:
    """
    Return the call that plans the members of a group; `expression` is a set expression, "" for no members.

    In a suggested action the call must be the last part.

    Examples
    --------
    >>> plan_call("vip", "")
    "fg.plan_memberships(snapshot, {'vip': []}, mode='mirror')"
    """
    customers = "[]"
    if expression:
        customers = f"fg.members(snapshot, {expression!r})"
    return f"fg.plan_memberships(snapshot, {{{uid!r}: {customers}}}, mode={mode!r})"


def with_register_argument(finding: HealthFinding) -> HealthFinding:
    """Return a finding whose suggested plan has the argument `register`, so that the limits of the register apply."""
    action = finding.suggested_action
    if "fg.plan_memberships(" not in action:
        return finding
    return finding._replace(suggested_action=f"{action.removesuffix(')')}, register=register)")


def quote_uid(uid: str) -> str:
    r"""
    Return a uid in quotes, as an operand of an expression of `fg.members`.

    Examples
    --------
    >>> quote_uid("vip"), quote_uid("store's")
    ("'vip'", '"store\'s"')
    """
    quote = next((mark for mark in "'\"`" if mark not in uid), "'")
    return f"{quote}{uid}{quote}"


def find_redundant_groups(snapshot: Snapshot, min_jaccard: float) -> Iterator[HealthFinding]:
    """Find duplicates, near duplicates and subsets; the pairs are counted only once."""
    both = pair_counts(snapshot.matrix)
    yield from _find_duplicates(snapshot, both, min_jaccard)
    yield from _find_subsets(snapshot, both, min_jaccard)


def _find_duplicates(snapshot: Snapshot, both: IntArray, min_jaccard: float) -> Iterator[HealthFinding]:
    """Find groups with the same members, except the first of them, and pairs with nearly the same members."""
    pairs = duplicates_from_counts(snapshot.matrix, both, min_jaccard)
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
    # Near duplicates of groups with the same members are reported only for the first of these groups.
    copies = set(same["group_b"])
    near = pairs[(pairs["jaccard"] < 1) & ~pairs["group_a"].isin(copies) & ~pairs["group_b"].isin(copies)]
    for row in iter_rows(near):
        either = row.n_a + row.n_b - row.n_both
        evidence = (
            f"{row.n_both:,} of the {either:,} customers of {row.name_a} ({row.n_a:,}) or {row.name_b} ({row.n_b:,}) "
            f"are in both ({format_percentage(row.n_both / either)})."
        )
        action = (
            f"{CHECK} {row.group_a} or {row.group_b}. To let everybody of one into the other: "
            f"fg.plan_memberships(snapshot, dict.fromkeys({[row.group_a, row.group_b]}, "
            f"fg.members(snapshot, {f'{quote_uid(row.group_a)} | {quote_uid(row.group_b)}'!r})))"
        )
        yield HealthFinding(
            "medium", "near_duplicate", row.group_a, row.name_a, row.group_b, row.name_b, row.n_both, evidence, action
        )


def _find_subsets(snapshot: Snapshot, both: IntArray, min_jaccard: float) -> Iterator[HealthFinding]:
    """Find subsets that are not near duplicates, each with its smallest superset."""
    pairs = subsets_from_counts(snapshot.matrix, both)
    pairs = pairs[pairs["n_a"] < min_jaccard * pairs["n_b"]].sort_values(["group_a", "n_b", "group_b"])
    n_supersets = pairs["group_a"].value_counts()
    for row in iter_rows(pairs.drop_duplicates("group_a")):
        members = f"All {row.n_a:,} members of {row.name_a} are also members of"
        if row.n_a == 1:
            members = f"The only member of {row.name_a} is also a member of"
        evidence = f"{members} {row.name_b}, which has {row.n_b:,} members."
        n_more = int(n_supersets[row.group_a]) - 1
        if n_more:
            evidence += f" {n_more:,} other {agree(n_more, 'group contains', 'groups contain')} them, too."
        action = (
            f"No action is needed if {row.group_a} is a deliberate part of {row.group_b}. Otherwise: "
            f"{CHECK.lower()} {row.group_a}."
        )
        yield HealthFinding(
            "low", "subset", row.group_a, row.name_a, row.group_b, row.name_b, row.n_a, evidence, action
        )
