"""
Health report checks for redundant groups: duplicates, near duplicates, and subsets.

If several groups have the same members, the report recommends which of these groups to keep, and compares only this
group with other groups. Therefore, the memory is proportional to the number of memberships and groups, even if many
groups have the same members.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from frgroups.analysis.duplicates import jaccard_index, similar_pairs
from frgroups.analysis.health_checks import HealthFinding, years_in
from frgroups.analysis.pair_counts import GroupPairs, iter_common_pairs
from frgroups.analysis.suggested_plans import SuggestedPlans, check_first
from frgroups.internals.formatting import format_percentage
from frgroups.internals.typing import IndexArray, IntArray
from frgroups.snapshot.group_references import label_of
from frgroups.snapshot.membership_matrix import MembershipMatrix
from frgroups.snapshot.snapshot import Snapshot

# With more than 100,000 pairs of near duplicates, the report contains one pair per group.
_MAX_NEAR_DUPLICATES = 100_000
# This pattern matches the word "copy" in English, Norwegian, Danish, Swedish, and Finnish.
_COPY = re.compile(r"\b(?:copy|kopi|kopia|kopio)\b", re.IGNORECASE)


def find_redundant_groups(snapshot: Snapshot, min_jaccard: float, plans: SuggestedPlans) -> Iterator[HealthFinding]:
    """Find groups that are duplicates, near duplicates, or subsets of other groups."""
    matrix = snapshot.matrix
    kept = kept_groups(matrix)
    yield from _find_duplicates(matrix, kept, plans)
    # Groups without members are not compared with other groups.
    distinct, n_copies = np.unique(kept[matrix.sizes > 0], return_counts=True)
    pairs = _relate_groups(matrix.take_groups(distinct), n_copies, min_jaccard)
    yield from _find_near_duplicates(matrix, distinct, pairs, plans)
    yield from _find_subsets(matrix, kept, distinct, pairs)


def kept_groups(matrix: MembershipMatrix) -> IndexArray:
    """
    Return, for each group, the code of the group to keep among all groups with the same members.

    A group whose name does not contain the word "copy" is preferred. Among such groups, a name without a year is
    preferred, and then the latest year. If this rule does not select a single group, the first group is kept.

    Examples
    --------
    >>> kept_groups(sample_snapshot().matrix.take_groups([2, 0, 2])).tolist()
    [0, 1, 0]
    """
    names = matrix.group_names
    groups_of: dict[bytes, list[int]] = {}
    for group in range(matrix.n_groups):
        # The customer codes of a group are sorted, so groups with the same members have the same bytes.
        digest = blake2b(matrix.row(group).tobytes(), digest_size=16).digest()
        groups_of.setdefault(digest, []).append(group)
    kept = np.empty(matrix.n_groups, dtype=np.intp)
    for groups in groups_of.values():
        kept[groups] = min(groups, key=lambda group: (*_order_of_name(str(names[group])), group))
    return kept


def _order_of_name(name: str) -> tuple[bool, int]:
    """Return a sort key. Among groups with the same members, the group whose name has the smallest key is kept."""
    years = years_in(name)
    return _COPY.search(name) is not None, -max(years) if years else -10_000


@dataclass(frozen=True, eq=False, slots=True)
class _Relations:
    """
    The near duplicates and the supersets of groups that all have different members.

    `near` contains pairs of near duplicates, and `n_near[a]` is the number of later groups that are near duplicates
    of group a. Group a is a subset of `n_supersets[a]` groups, and `superset[a]` is the smallest of these groups.
    """

    near: GroupPairs
    n_near: IntArray
    n_supersets: IntArray
    superset: IndexArray


def _relate_groups(matrix: MembershipMatrix, n_copies: IntArray, min_jaccard: float) -> _Relations:
    """
    Find the near duplicates and the supersets of each group in one iteration over the pairs of groups.

    All groups in `matrix` must have different members. `n_copies[a]` is the number of groups in the tenant that have
    the members of group a.
    """
    sizes = matrix.sizes
    near = [GroupPairs(*[np.empty(0, dtype=np.int64)] * 3)]
    n_near = np.zeros(matrix.n_groups, dtype=np.int64)
    n_supersets = np.zeros(matrix.n_groups, dtype=np.int64)
    # A key combines the size and the code of a superset.
    # The smallest key belongs to the superset with the fewest members.
    # Of several supersets of equal size, the first superset has the smallest key.
    largest_key = np.iinfo(np.int64).max
    superset_key = np.full(matrix.n_groups, largest_key)
    for block in iter_common_pairs(matrix):
        similar = similar_pairs(block, sizes, min_jaccard)
        near.append(similar)
        n_near += np.bincount(similar.a, minlength=matrix.n_groups)
        if n_near.sum() > _MAX_NEAR_DUPLICATES:
            near = [_most_similar_pairs(pairs, sizes) for pairs in near]
        for small, large in ((block.a, block.b), (block.b, block.a)):
            n_small, n_large = sizes[small], sizes[large]
            is_subset = (block.n_both == n_small) & (n_small < min_jaccard * n_large)
            inside, outside = small[is_subset], large[is_subset]
            np.add.at(n_supersets, inside, n_copies[outside])
            np.minimum.at(superset_key, inside, n_large[is_subset] * matrix.n_groups + outside)
    has_superset = superset_key < largest_key
    superset = np.where(has_superset, superset_key % max(matrix.n_groups, 1), -1)
    return _Relations(GroupPairs(*map(np.concatenate, zip(*near, strict=True))), n_near, n_supersets, superset)


def _most_similar_pairs(pairs: GroupPairs, sizes: IntArray) -> GroupPairs:
    """Return, for each group a, the pair with the largest Jaccard index."""
    order = np.lexsort((pairs.b, -jaccard_index(pairs, sizes), pairs.a))
    _, first = np.unique(pairs.a[order], return_index=True)
    best = order[first]
    return GroupPairs(pairs.a[best], pairs.b[best], pairs.n_both[best])


def _find_duplicates(matrix: MembershipMatrix, kept: IndexArray, plans: SuggestedPlans) -> Iterator[HealthFinding]:
    """Find groups with the same members as another group. The group to keep is not reported."""
    for code in np.flatnonzero((kept != np.arange(len(kept))) & (matrix.sizes > 0)).tolist():
        (group_a, name_a), (group_b, name_b) = _uid_and_name(matrix, int(kept[code])), _uid_and_name(matrix, code)
        n = int(matrix.sizes[code])
        evidence = f"{name_b} and {name_a} have the same members. Number of members: {n:,}."
        label_a, label_b = plans.label(group_a), plans.label(group_b)
        action, cli_action = plans.removal_actions(f"{label_a} or {label_b}", f"{label_b} is not used", group_b, n)
        yield HealthFinding("high", "duplicate", group_b, name_b, group_a, name_a, n, evidence, action, cli_action)


def _find_near_duplicates(
    matrix: MembershipMatrix, distinct: IndexArray, relations: _Relations, plans: SuggestedPlans
) -> Iterator[HealthFinding]:
    """Report the pairs of near duplicates. If there are too many pairs, report the most similar pair per group."""
    is_cut = len(relations.near.a) < relations.n_near.sum()
    for a, b, n_both in zip(*relations.near, strict=True):
        code_a, code_b = int(distinct[a]), int(distinct[b])
        (group_a, name_a), (group_b, name_b) = _uid_and_name(matrix, code_a), _uid_and_name(matrix, code_b)
        n_a, n_b = int(matrix.sizes[code_a]), int(matrix.sizes[code_b])
        n_either = n_a + n_b - int(n_both)
        evidence = (
            f"{name_a} ({n_a:,} members) and {name_b} ({n_b:,} members) have {n_both:,} of "
            f"{n_either:,} members in common ({format_percentage(n_both / n_either)})."
        )
        n_more = int(relations.n_near[a]) - 1
        if is_cut and n_more:
            evidence += f" Number of other near duplicates of {name_a}: {n_more:,}."
        groups = [plans.refer(group_a), plans.refer(group_b)]
        either = f"{plans.quote(group_a)} | {plans.quote(group_b)}"
        desired = f"dict.fromkeys({groups}, fg.members(snapshot, {either!r}))"
        labels = f"{plans.label(group_a)} or {plans.label(group_b)}"
        action = check_first(
            labels,
            f"To create a plan that gives both groups the same members: {plans.call(desired, 'add')}",
        )
        commands = [plans.members_command(*pair, "add") for pair in ((group_a, group_b), (group_b, group_a))]
        cli_action = check_first(
            labels,
            f"To give both groups the same members, create two plans: {' && '.join(commands)}",
        )
        names = (group_a, name_a, group_b, name_b)
        yield HealthFinding("medium", "near_duplicate", *names, int(n_both), evidence, action, cli_action)


def _find_subsets(
    matrix: MembershipMatrix, kept: IndexArray, distinct: IndexArray, relations: _Relations
) -> Iterator[HealthFinding]:
    """Find groups that are subsets of another group, except near duplicates of that group."""
    position = np.zeros(matrix.n_groups, dtype=np.intp)
    position[distinct] = np.arange(len(distinct))
    for code in np.flatnonzero(matrix.sizes).tolist():
        place = position[kept[code]]
        if relations.superset[place] < 0:
            continue
        superset = int(distinct[relations.superset[place]])
        (group_a, name_a), (group_b, name_b) = _uid_and_name(matrix, code), _uid_and_name(matrix, superset)
        n_a, n_b = int(matrix.sizes[code]), int(matrix.sizes[superset])
        evidence = f"All {n_a:,} members of {name_a} are also members of {name_b} ({n_b:,} members)."
        if n_a == 1:
            evidence = f"The only member of {name_a} is also a member of {name_b} ({n_b:,} members)."
        n_more = int(relations.n_supersets[place]) - 1
        if n_more:
            evidence += f" Number of other groups that contain all of these members: {n_more:,}."
        label_a, label_b = label_of(matrix, group_a), label_of(matrix, group_b)
        action = (
            f"No action is needed if {label_a} is intended to be a subset of {label_b}. Otherwise, check "
            f"the back office for campaigns and price lists that use {label_a}."
        )
        yield HealthFinding("low", "subset", group_a, name_a, group_b, name_b, n_a, evidence, action)


def _uid_and_name(matrix: MembershipMatrix, code: int) -> tuple[str, str]:
    return str(matrix.group_uids[code]), str(matrix.group_names[code])
