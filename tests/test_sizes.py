"""Sizes against plain sets."""

import pandas as pd
import pandas.testing as pdt
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from frgroups.errors import InputError
from frgroups.sizes import group_sizes
from frgroups.snapshot import sample_snapshot, snapshot_from_frames

# No deadline: a busy machine is no failure.
LAW = settings(deadline=None, max_examples=50)
COLUMNS = {
    "customer_group_uid": "str",
    "name": "str",
    "n_members": "int64",
    "n_exclusive": "int64",
    "share_exclusive": "float64",
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
