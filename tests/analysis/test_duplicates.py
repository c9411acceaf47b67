"""Groups that are the same, nearly the same, or part of another: against plain sets."""

from itertools import combinations, permutations

import pandas as pd
import pandas.testing as pdt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frgroups.analysis.duplicates import duplicate_groups, subset_groups
from frgroups.errors import InputError
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames

law = settings(max_examples=60)
PAIR = {
    **dict.fromkeys(["group_a", "group_b", "name_a", "name_b"], "str"),
    **dict.fromkeys(["n_a", "n_b", "n_both"], "int64"),
}
memberships = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("123456")), max_size=30)
shares = st.sampled_from([0.1, 1 / 3, 0.5, 0.75, 0.9, 1.0])


def frame(rows):
    return pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")


def sets(rows):
    return {g: {c for h, c in rows if h == g} for g in sorted({g for g, _ in rows})}


@law
@given(memberships, shares)
def test_duplicates_are_those_of_sets(rows, least):
    "Every unordered pair with at least that jaccard stands once, the most alike first, then in uid order."
    groups = sets(rows)
    alike = [
        (-len(groups[a] & groups[b]) / len(groups[a] | groups[b]), a, b)
        for a, b in combinations(groups, 2)
        if len(groups[a] & groups[b]) / len(groups[a] | groups[b]) >= least
    ]

    table = duplicate_groups(frame(rows), min_jaccard=least)

    assert list(zip(-table["jaccard"], table["group_a"], table["group_b"], strict=True)) == sorted(alike)
    for row in table.itertuples():
        a, b = groups[row.group_a], groups[row.group_b]
        assert (row.n_a, row.n_b, row.n_both) == (len(a), len(b), len(a & b))


@law
@given(memberships, shares)
def test_subsets_are_those_of_sets(rows, least):
    "Every ordered pair of different sets with at least that share of the first in the second stands once."
    groups = sets(rows)
    parts = [
        (-len(groups[a] & groups[b]) / len(groups[a]), a, b)
        for a, b in permutations(groups, 2)
        if groups[a] != groups[b] and len(groups[a] & groups[b]) / len(groups[a]) >= least
    ]

    table = subset_groups(frame(rows), min_share=least)

    assert list(zip(-table["share_of_a"], table["group_a"], table["group_b"], strict=True)) == sorted(parts)
    assert ((table["share_of_a"] * table["n_a"]).round() == table["n_both"]).all()


@law
@given(memberships)
def test_a_pair_is_either_the_same_or_a_part(rows):
    "With nothing but whole parts asked for, no pair stands in both tables."
    same = duplicate_groups(frame(rows))
    part = subset_groups(frame(rows))

    pairs = {frozenset(pair) for pair in zip(same["group_a"], same["group_b"], strict=True)}
    assert pairs.isdisjoint(frozenset(pair) for pair in zip(part["group_a"], part["group_b"], strict=True))


@settings(max_examples=25)
@given(memberships, st.randoms())
def test_order_repetition_and_kind_of_table_do_not_matter(rows, random):
    "Shuffled, doubled, categorical or Arrow: the same tables; and the frame stays as it was."
    mixed = [*rows, *rows]
    random.shuffle(mixed)
    once = frame(rows)
    before = once.copy(deep=True)

    for other in [frame(mixed), once.astype("category"), pa.Table.from_pandas(once)]:
        pdt.assert_frame_equal(duplicate_groups(other, min_jaccard=0.5), duplicate_groups(once, min_jaccard=0.5))
        pdt.assert_frame_equal(subset_groups(other), subset_groups(once))
    pdt.assert_frame_equal(once, before)


def test_groups_without_a_member_are_neither():
    "Two empty groups are no duplicates, and no part of anything."
    groups = pd.DataFrame({"customer_group_uid": ["a", "b", "c"], "name": ["A", "B", "C"]})
    snapshot = snapshot_from_frames(frame([("c", "1")]), groups, tenant_uid="t", taken_at="2026-11-23")

    assert duplicate_groups(snapshot, min_jaccard=0.1).empty
    assert subset_groups(snapshot, min_share=0.1).empty


@pytest.mark.parametrize("data", [sample_snapshot(), frame([]), frame([("a", "1"), ("b", "1")])])
def test_columns_and_dtypes_are_always_the_same(data):
    "A table without a row has the columns and dtypes of one with rows."
    assert duplicate_groups(data).dtypes.astype(str).to_dict() == PAIR | {"jaccard": "float64"}
    assert subset_groups(data).dtypes.astype(str).to_dict() == PAIR | {"share_of_a": "float64"}


@pytest.mark.parametrize("share", [0, -0.1, 1.01, 90, "0.9", None, True, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    "The error repeats what came and says how 90 % is written."
    with pytest.raises(InputError, match=r"`min_jaccard` must be .* For 90 %, pass 0\.9"):
        duplicate_groups(sample_snapshot(), min_jaccard=share)
    with pytest.raises(InputError, match="`min_share` must be"):
        subset_groups(sample_snapshot(), min_share=share)
