"""Few groups that reach many customers: against the greedy choice done by hand, and against the best there is."""

from itertools import combinations
from math import log

import numpy as np
import pandas as pd
import pandas.testing as pdt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frgroups.analysis.set_cover import set_cover
from frgroups.errors import GroupNotFoundError, InputError
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames
from frgroups.snapshot.membership_matrix import MembershipMatrix

law = settings(max_examples=60)
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


def frame(rows):
    return pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")


def sets(rows):
    return {g: {c for h, c in rows if h == g} for g in sorted({g for g, _ in rows})}


def greedy(groups, target):
    """(group, how many it adds) until the target is reached; the first in uid order of those that add the most."""
    all_of_them = set().union(*groups.values())
    reached, steps = set(), []
    while len(reached) < target * len(all_of_them):
        group = max(groups, key=lambda uid: len(groups[uid] - reached))
        steps.append((group, len(groups[group] - reached)))
        reached |= groups[group]
    return steps


@law
@given(memberships, targets)
def test_each_step_takes_the_group_that_adds_the_most(rows, target):
    "The steps are those of looking at every group again each time."
    table = set_cover(frame(rows), target=target)

    assert list(zip(table["customer_group_uid"], table["n_new"], strict=True)) == greedy(sets(rows), target)
    assert list(table["step"]) == list(range(1, len(table) + 1))


@law
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.floats(0.01, 0.5))
def test_many_groups_are_taken_in_the_greedy_order_too(seed, n_groups, density):
    "Dozens of groups of like sizes, where the order of what is counted again matters, come out the same."
    member = np.random.default_rng(seed).random((n_groups, 80)) < density
    group, customer = np.nonzero(member)
    uids = pd.Index([f"g{n:02d}" for n in range(n_groups)], dtype="str")
    matrix = MembershipMatrix.from_codes(
        group, customer, group_uids=uids, group_names=uids, customer_uids=pd.RangeIndex(80)
    )

    table = set_cover(matrix)

    by_hand = greedy({uid: set(np.flatnonzero(row)) for uid, row in zip(uids, member, strict=True)}, 1.0)
    assert list(zip(table["customer_group_uid"], table["n_new"], strict=True)) == by_hand


@law
@given(memberships, targets)
def test_counts_add_up_and_the_target_is_reached_at_the_last_step(rows, target):
    "n_cumulative adds n_new up, its share is of all customers, and only the last step reaches the target."
    n_all = len({customer for _, customer in rows})

    table = set_cover(frame(rows), target=target)

    assert list(table["n_cumulative"]) == list(table["n_new"].cumsum())
    assert list(table["share_cumulative"]) == [n / n_all for n in table["n_cumulative"]]
    assert list(table["share_cumulative"] >= target) == [False] * (len(table) - 1) + [True] * bool(n_all)
    assert table["n_new"].is_monotonic_decreasing


@law
@given(memberships)
def test_it_takes_at_most_ln_n_and_one_times_the_least_number(rows):
    "Chvatal's bound holds against trying every choice of groups."
    groups = sets(rows)
    everybody = set().union(*groups.values())
    least = next(
        n
        for n in range(len(groups) + 1)
        if any(set().union(*(groups[g] for g in few)) == everybody for few in combinations(groups, n))
    )

    table = set_cover(frame(rows))

    assert len(table) <= least * (log(max([1, *map(len, groups.values())])) + 1)


def test_only_the_chosen_groups_and_their_customers_count():
    "Among the groups named, by name or uid, all of their customers are the whole."
    table = set_cover(sample_snapshot(), ["VIP", "staff"])

    assert list(table["name"]) == ["VIP", "Staff"]
    assert list(table["share_cumulative"]) == [2 / 3, 1.0]


def test_groups_without_a_member_are_never_taken():
    "An empty group adds nobody; a tenant of empty groups needs no step."
    groups = pd.DataFrame({"customer_group_uid": ["a", "b"], "name": ["A", "B"]})
    nobody = snapshot_from_frames(frame([]), groups, tenant_uid="t", taken_at="2026-11-23")

    assert set_cover(nobody).empty


@settings(max_examples=20)
@given(memberships, st.randoms())
def test_order_and_repetition_do_not_matter(rows, random):
    "Shuffled and doubled rows give the same steps, in the same dtypes, and the frame stays as it was."
    mixed = [*rows, *rows]
    random.shuffle(mixed)
    once, before = frame(rows), frame(rows)

    table = set_cover(once)

    pdt.assert_frame_equal(set_cover(frame(mixed)), table)
    pdt.assert_frame_equal(once, before)
    assert table.dtypes.astype(str).to_dict() == COLUMNS


@pytest.mark.parametrize("target", [0, 1.5, 95, "all", None, True])
def test_a_target_that_is_no_share_is_refused(target):
    "The error repeats what came."
    with pytest.raises(InputError, match="`target` must be"):
        set_cover(sample_snapshot(), target=target)


def test_an_unknown_group_is_refused_with_close_matches():
    "A name that is nearly right is suggested."
    with pytest.raises(GroupNotFoundError, match="Did you mean 'VIP'"):
        set_cover(sample_snapshot(), ["VIPs"])
