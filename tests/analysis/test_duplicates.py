"""Tests for duplicate and subset groups, which are compared with Python sets."""

from itertools import combinations, permutations

import pandas as pd
import pandas.testing as pdt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.analysis.duplicates import duplicate_groups, subset_groups
from frgroups.errors import InputError
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames
from tests.examples import at_most

PAIR = {
    **dict.fromkeys(["group_a", "group_b", "name_a", "name_b"], "str"),
    **dict.fromkeys(["n_a", "n_b", "n_both"], "int64"),
}
memberships = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("123456")), max_size=30)
shares = st.sampled_from([0.1, 1 / 3, 0.5, 0.75, 0.9, 1.0])


def create_table(rows):
    """Return a table of memberships from pairs of group uid and customer uid."""
    return pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")


def members_by_group(rows):
    """Return a dictionary from group uid to the set of its customer uids."""
    return {g: {c for h, c in rows if h == g} for g in sorted({g for g, _ in rows})}


@given(memberships, shares)
def test_duplicate_groups(rows, threshold):
    "The duplicates table contains each pair with at least the given Jaccard index, sorted by similarity and uid."
    groups = members_by_group(rows)
    expected = [
        (-len(groups[a] & groups[b]) / len(groups[a] | groups[b]), a, b)
        for a, b in combinations(groups, 2)
        if len(groups[a] & groups[b]) / len(groups[a] | groups[b]) >= threshold
    ]

    table = duplicate_groups(create_table(rows), min_jaccard=threshold)

    assert list(zip(-table["jaccard"], table["group_a"], table["group_b"], strict=True)) == sorted(expected)
    for row in table.itertuples():
        a, b = groups[row.group_a], groups[row.group_b]
        assert (row.n_a, row.n_b, row.n_both) == (len(a), len(b), len(a & b))


@given(memberships, shares)
def test_subset_groups(rows, threshold):
    "The subsets table contains each pair of groups if at least the given share of the first group is in the second."
    groups = members_by_group(rows)
    expected = [
        (-len(groups[a] & groups[b]) / len(groups[a]), a, b)
        for a, b in permutations(groups, 2)
        if groups[a] != groups[b] and len(groups[a] & groups[b]) / len(groups[a]) >= threshold
    ]

    table = subset_groups(create_table(rows), min_share=threshold)

    assert list(zip(-table["share_of_a"], table["group_a"], table["group_b"], strict=True)) == sorted(expected)
    assert ((table["share_of_a"] * table["n_a"]).round() == table["n_both"]).all()


@given(memberships)
def test_tables_are_disjoint(rows):
    "With the default thresholds, no pair of groups is both in the duplicates table and in the subsets table."
    same = duplicate_groups(create_table(rows))
    part = subset_groups(create_table(rows))

    pairs = {frozenset(pair) for pair in zip(same["group_a"], same["group_b"], strict=True)}
    assert pairs.isdisjoint(frozenset(pair) for pair in zip(part["group_a"], part["group_b"], strict=True))


@at_most(25)
@given(memberships, st.randoms())
def test_table_types(rows, random):
    "The duplicates do not depend on row order, repeated rows, or table type, and the input is not modified."
    mixed = [*rows, *rows]
    random.shuffle(mixed)
    table = create_table(rows)
    before = table.copy(deep=True)

    for other in [create_table(mixed), table.astype("category"), pa.Table.from_pandas(table)]:
        pdt.assert_frame_equal(duplicate_groups(other, min_jaccard=0.5), duplicate_groups(table, min_jaccard=0.5))
        pdt.assert_frame_equal(subset_groups(other), subset_groups(table))
    pdt.assert_frame_equal(table, before)


def test_empty_groups():
    "Groups without members are neither duplicates nor subsets."
    groups = pd.DataFrame({"customer_group_uid": ["a", "b", "c"], "name": ["A", "B", "C"]})
    snapshot = snapshot_from_frames(create_table([("c", "1")]), groups, tenant_uid="t", taken_at="2026-11-23")

    assert duplicate_groups(snapshot, min_jaccard=0.1).empty
    assert subset_groups(snapshot, min_share=0.1).empty


@pytest.mark.parametrize("data", [sample_snapshot(), create_table([]), create_table([("a", "1"), ("b", "1")])])
def test_columns_and_dtypes(data):
    "The columns and dtypes of both tables do not depend on the number of rows."
    assert duplicate_groups(data).dtypes.astype(str).to_dict() == PAIR | {"jaccard": "float64"}
    assert subset_groups(data).dtypes.astype(str).to_dict() == PAIR | {"share_of_a": "float64"}


@pytest.mark.parametrize("share", [0, -0.1, 1.01, 90, "0.9", None, True, float("nan")])
def test_invalid_share(share):
    "If a threshold is not a share above 0, the error suggests 0.9 for 90%."
    with pytest.raises(InputError, match=r"`min_jaccard`.*0\.9"):
        duplicate_groups(sample_snapshot(), min_jaccard=share)
    with pytest.raises(InputError, match="`min_share`"):
        subset_groups(sample_snapshot(), min_share=share)
