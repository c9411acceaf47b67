"""Tests for set_cover, which compare its result with a simple greedy algorithm and the optimal solution."""

from itertools import combinations
from math import log

import numpy as np
import pandas as pd
import pandas.testing as pdt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.analysis.set_cover import set_cover
from frgroups.errors import GroupNotFoundError, InputError
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames
from frgroups.snapshot.membership_matrix import MembershipMatrix
from tests.examples import at_most

COLUMNS = {
    "step": "int64",
    "customer_group_uid": "str",
    "name": "str",
    "n_new": "int64",
    "n_cumulative": "int64",
    "share_cumulative": "float64",
}
memberships = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("123456789")), max_size=40)
targets = st.sampled_from([0.1, 1 / 3, 0.5, 0.9, 1.0])


def create_table(rows):
    """Return a table of memberships from pairs of group uid and customer uid."""
    return pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")


def members_by_group(rows):
    """Return a dictionary from group uid to the set of its customer uids."""
    return {g: {c for h, c in rows if h == g} for g in sorted({g for g, _ in rows})}


def greedy_steps(groups, target):
    """Return the selected group and the number of new customers for each step of a simple greedy algorithm."""
    customers = set().union(*groups.values())
    reached, steps = set(), []
    while len(reached) < target * len(customers):
        group = max(groups, key=lambda uid: len(groups[uid] - reached))
        steps.append((group, len(groups[group] - reached)))
        reached |= groups[group]
    return steps


@given(memberships, targets)
def test_greedy_order(rows, target):
    "Each step selects the group with the most new customers. If several groups are equal, the first uid is selected."
    table = set_cover(create_table(rows), target=target)

    assert list(zip(table["customer_group_uid"], table["n_new"], strict=True)) == greedy_steps(
        members_by_group(rows), target
    )
    assert list(table["step"]) == list(range(1, len(table) + 1))


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.floats(0.01, 0.5))
def test_greedy_order_of_many_groups(seed, n_groups, density):
    "For up to 60 groups of similar size, set_cover has the same result as a simple greedy algorithm."
    is_member = np.random.default_rng(seed).random((n_groups, 80)) < density
    group, customer = np.nonzero(is_member)
    uids = pd.Index([f"g{n:02d}" for n in range(n_groups)], dtype="str")
    matrix = MembershipMatrix.from_codes(
        group, customer, group_uids=uids, group_names=uids, customer_uids=pd.RangeIndex(80)
    )

    table = set_cover(matrix)

    expected = greedy_steps({uid: set(np.flatnonzero(row)) for uid, row in zip(uids, is_member, strict=True)}, 1.0)
    assert list(zip(table["customer_group_uid"], table["n_new"], strict=True)) == expected


@given(memberships, targets)
def test_cumulative_columns(rows, target):
    "The cumulative columns are sums of the previous steps, and only the last step reaches the target."
    n_all = len({customer for _, customer in rows})

    table = set_cover(create_table(rows), target=target)

    assert list(table["n_cumulative"]) == list(table["n_new"].cumsum())
    assert list(table["share_cumulative"]) == [n / n_all for n in table["n_cumulative"]]
    assert list(table["share_cumulative"] >= target) == [False] * (len(table) - 1) + [True] * bool(n_all)
    assert table["n_new"].is_monotonic_decreasing


@given(memberships)
def test_approximation_bound(rows):
    "The number of steps does not exceed Chvatal's bound for the greedy algorithm."
    groups = members_by_group(rows)
    customers = set().union(*groups.values())
    optimum = next(
        n
        for n in range(len(groups) + 1)
        if any(set().union(*(groups[g] for g in selected)) == customers for selected in combinations(groups, n))
    )

    table = set_cover(create_table(rows))

    assert len(table) <= optimum * (log(max([1, *map(len, groups.values())])) + 1)


def test_group_selection():
    "If groups are selected, only the customers in these groups are counted."
    table = set_cover(sample_snapshot(), ["VIP", "staff"])

    assert list(table["name"]) == ["VIP", "Staff"]
    assert list(table["share_cumulative"]) == [2 / 3, 1.0]


def test_empty_groups():
    "Groups without members are never part of a set cover."
    groups = pd.DataFrame({"customer_group_uid": ["a", "b"], "name": ["A", "B"]})
    snapshot = snapshot_from_frames(create_table([]), groups, tenant_uid="t", taken_at="2026-11-23")

    assert set_cover(snapshot).empty


@at_most(20)
@given(memberships, st.randoms())
def test_row_order(rows, random):
    "The set cover does not depend on row order and repeated rows, and the input is not modified."
    mixed = [*rows, *rows]
    random.shuffle(mixed)
    original, before = create_table(rows), create_table(rows)

    table = set_cover(original)

    pdt.assert_frame_equal(set_cover(create_table(mixed)), table)
    pdt.assert_frame_equal(original, before)
    assert table.dtypes.astype(str).to_dict() == COLUMNS


@pytest.mark.parametrize("target", [0, 1.5, 95, "all", None, True])
def test_invalid_target(target):
    "If the target is not a share above 0, an error is raised."
    with pytest.raises(InputError, match="`target`"):
        set_cover(sample_snapshot(), target=target)


def test_unknown_group():
    "The error for an unknown group suggests similar names."
    with pytest.raises(GroupNotFoundError, match="'VIPs'") as caught:
        set_cover(sample_snapshot(), ["VIPs"])
    assert "VIP" in caught.value.close
