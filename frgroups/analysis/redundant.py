"""Findings about groups that have the same members, nearly the same, or are part of another group."""

from __future__ import annotations

from collections.abc import Iterator

from frgroups.health.finding import CHECK, HealthFinding, each, plan_call, quoted
from frgroups.human import share_in_words
from frgroups.overlap.counting import Counts, pair_counts
from frgroups.redundancy import duplicates_in, subsets_in
from frgroups.snapshot import Snapshot


def found_redundant(snapshot: Snapshot, min_jaccard: float) -> Iterator[HealthFinding]:
    """All of them; the customers of each two groups are counted once."""
    both = pair_counts(snapshot.codes)
    yield from _alike(snapshot, both, min_jaccard)
    yield from _parts(snapshot, both, min_jaccard)


def _alike(snapshot: Snapshot, both: Counts, min_jaccard: float) -> Iterator[HealthFinding]:
    """Of groups with the same members a finding for each but the first; and the pairs that are nearly the same."""
    pairs = duplicates_in(snapshot.codes, both, min_jaccard)
    same = pairs[pairs["jaccard"] == 1].drop_duplicates("group_b")
    for row in each(same):
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
    for row in each(near):
        either = row.n_a + row.n_b - row.n_both
        evidence = (
            f"{row.n_both:,} of the {either:,} customers of {row.name_a} ({row.n_a:,}) or {row.name_b} ({row.n_b:,}) "
            f"are in both ({share_in_words(row.n_both, either)})."
        )
        action = (
            f"{CHECK} {row.group_a} or {row.group_b}. To let everybody of one into the other: "
            f"fg.plan_memberships(snapshot, dict.fromkeys({[row.group_a, row.group_b]}, "
            f"fg.members(snapshot, {f'{quoted(row.group_a)} | {quoted(row.group_b)}'!r})))"
        )
        yield HealthFinding(
            "medium", "near_duplicate", row.group_a, row.name_a, row.group_b, row.name_b, row.n_both, evidence, action
        )


def _parts(snapshot: Snapshot, both: Counts, min_jaccard: float) -> Iterator[HealthFinding]:
    """Groups that are part of another one and not nearly all of it, each with the smallest that holds it."""
    pairs = subsets_in(snapshot.codes, both)
    pairs = pairs[pairs["n_a"] < min_jaccard * pairs["n_b"]].sort_values(["group_a", "n_b", "group_b"])
    n_holding = pairs["group_a"].value_counts()
    for row in each(pairs.drop_duplicates("group_a")):
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
