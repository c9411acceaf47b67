"""Sizes against plain sets."""

import pandas as pd
import pandas.testing as pdt
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from frgroups.analysis.sizes import group_sizes, groups_per_customer
from frgroups.errors import InputError
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames

# No deadline: a busy machine is no failure.
LAW = settings(deadline=None, max_examples=50)
COLUMNS = {
    "customer_group_uid": "str",
    "name": "str",
    "n_members": "int64",
    "n_exclusive": "int64",
    "share_exclusive": "float64",
    "share_of_customers": "float64",
    "share_of_universe": "float64",
}
pairs = st.lists(st.tuples(st.sampled_from(["0150", "b", "Ålesund", "ω"]), st.sampled_from("pqrstu")), max_size=30)


def frame(rows):
    return pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")


@LAW
@given(pairs)
def test_sizes_are_those_of_sets(rows):
    "Members and exclusive members are counted as sets of customers count them; repetitions do not matter."
    groups = {group: {c for g, c in rows if g == group} for group, _ in rows}

    table = group_sizes(frame(rows))

    assert list(table["customer_group_uid"]) == sorted(groups)
    for row in table.itertuples():
        mine = groups[row.customer_group_uid]
        others = {c for g, c in rows if g != row.customer_group_uid}
        assert row.n_members == len(mine)
        assert row.n_exclusive == len(mine - others)
        assert row.share_exclusive == len(mine - others) / len(mine)
        assert row.share_of_customers == len(mine) / len(mine | others)
        assert pd.isna(row.share_of_universe)


@LAW
@given(pairs, st.integers(6, 60))
def test_customers_per_number_of_groups_are_those_of_sets(rows, universe):
    "Every number of groups that a customer is in has its row; with a universe a first row holds the others."
    groups_of = {customer: {g for g, c in rows if c == customer} for _, customer in rows}
    degrees = [len(groups) for groups in groups_of.values()]
    expected = {degree: degrees.count(degree) for degree in sorted(set(degrees))}

    seen, all_ = groups_per_customer(frame(rows)), groups_per_customer(frame(rows), universe=universe)

    assert dict(zip(seen["n_groups"], seen["n_customers"], strict=True)) == expected
    assert dict(zip(all_["n_groups"], all_["n_customers"], strict=True)) == {0: universe - len(degrees), **expected}
    assert list(all_["share"]) == [n / universe for n in all_["n_customers"]]
    assert list(seen["n_groups"]) == sorted(expected)
    for table in (seen, all_):
        dtypes = {"n_groups": "int64", "n_customers": "int64", "share": "float64"}
        assert table.dtypes.astype(str).to_dict() == dtypes


def test_known_customers_in_no_group_are_told():
    "A snapshot of tables may know customers who are in no group; they have their row without a universe."
    customers = pd.DataFrame({"customer_uid": ["1", "2", "3"]})
    snapshot = snapshot_from_frames(frame([("a", "1")]), None, customers, tenant_uid="t", taken_at="2026-11-23")

    table = groups_per_customer(snapshot)

    assert table["n_groups"].tolist() == [0, 1] and table["n_customers"].tolist() == [2, 1]
    assert group_sizes(snapshot)["share_of_customers"].tolist() == [1.0]


@LAW
@given(pairs)
def test_columns_and_dtypes_are_always_the_same(rows):
    "An empty table has the columns and dtypes of a full one."
    assert group_sizes(frame(rows)).dtypes.astype(str).to_dict() == COLUMNS


def test_a_group_without_a_member_stays_in_sight():
    "A group that nobody is in has 0 members and no share."
    groups = pd.DataFrame({"customer_group_uid": ["a", "b"], "name": ["A", "B"]})
    snapshot = snapshot_from_frames(frame([("a", "1")]), groups, tenant_uid="t", taken_at="2026-11-23")

    table = group_sizes(snapshot)

    assert list(table["n_members"]) == [1, 0]
    assert pd.isna(table["share_exclusive"][1])


def test_snapshot_frame_and_arrow_table_agree():
    "The same memberships give the same sizes, whatever holds them; only a snapshot knows names."
    snapshot = sample_snapshot()

    of_snapshot = group_sizes(snapshot).drop(columns="name")
    of_frame = group_sizes(snapshot.memberships).drop(columns="name")
    of_arrow = group_sizes(pa.Table.from_pandas(snapshot.memberships)).drop(columns="name")

    pdt.assert_frame_equal(of_snapshot, of_frame)
    pdt.assert_frame_equal(of_snapshot, of_arrow)


def test_the_frame_that_is_passed_stays_as_it_was():
    "Counting changes nothing in the caller's frame."
    memberships = sample_snapshot().memberships.sample(frac=1, random_state=1)
    before = memberships.copy(deep=True)

    group_sizes(memberships)

    pdt.assert_frame_equal(memberships, before)


def test_what_is_no_table_is_refused_in_words():
    "A list is refused with what was expected and what came."
    try:
        group_sizes([1, 2])
    except InputError as error:
        assert "Snapshot" in str(error) and "list" in str(error)
    else:
        raise AssertionError("nothing was raised")
