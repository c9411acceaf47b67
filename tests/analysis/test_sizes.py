"""Tests for group sizes, which are compared with Python sets."""

import pandas as pd
import pandas.testing as pdt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.analysis.sizes import group_sizes, groups_per_customer
from frgroups.errors import InputError
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames

# Without a deadline, a slow machine does not cause failures.
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


def create_table(rows):
    """Return a table of memberships from pairs of group uid and customer uid."""
    return pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")


@given(pairs)
def test_group_sizes(rows):
    "The numbers of members and exclusive members are equal to the sizes of Python sets."
    groups = {group: {c for g, c in rows if g == group} for group, _ in rows}

    table = group_sizes(create_table(rows))

    assert list(table["customer_group_uid"]) == sorted(groups)
    for row in table.itertuples():
        members = groups[row.customer_group_uid]
        others = {c for g, c in rows if g != row.customer_group_uid}
        assert row.n_members == len(members)
        assert row.n_exclusive == len(members - others)
        assert row.share_exclusive == len(members - others) / len(members)
        assert row.share_of_customers == len(members) / len(members | others)
        assert pd.isna(row.share_of_universe)


@given(pairs, st.integers(6, 60))
def test_groups_per_customer(rows, universe):
    "Each number of groups has one row. If a universe is passed, the first row counts customers without groups."
    groups_of = {customer: {g for g, c in rows if c == customer} for _, customer in rows}
    degrees = [len(groups) for groups in groups_of.values()]
    expected = {degree: degrees.count(degree) for degree in sorted(set(degrees))}

    without_universe, with_universe = (
        groups_per_customer(create_table(rows)),
        groups_per_customer(create_table(rows), universe=universe),
    )

    assert dict(zip(without_universe["n_groups"], without_universe["n_customers"], strict=True)) == expected
    assert dict(zip(with_universe["n_groups"], with_universe["n_customers"], strict=True)) == {
        0: universe - len(degrees),
        **expected,
    }
    assert list(with_universe["share"]) == [n / universe for n in with_universe["n_customers"]]
    assert list(without_universe["n_groups"]) == sorted(expected)
    for table in (without_universe, with_universe):
        dtypes = {"n_groups": "int64", "n_customers": "int64", "share": "float64"}
        assert table.dtypes.astype(str).to_dict() == dtypes


def test_customers_without_groups():
    "If customers in a snapshot belong to no group, they are counted in a row even if no universe is passed."
    customers = pd.DataFrame({"customer_uid": ["1", "2", "3"]})
    snapshot = snapshot_from_frames(
        create_table([("a", "1")]), None, customers, tenant_uid="t", taken_at="2026-11-23"
    )

    table = groups_per_customer(snapshot)

    assert table["n_groups"].tolist() == [0, 1] and table["n_customers"].tolist() == [2, 1]
    assert group_sizes(snapshot)["share_of_customers"].tolist() == [1.0]


@given(pairs)
def test_columns_and_dtypes(rows):
    "The columns and dtypes of the size tables do not depend on the number of rows."
    assert group_sizes(create_table(rows)).dtypes.astype(str).to_dict() == COLUMNS


def test_empty_group():
    "A group without members has a row with 0 members and a missing share."
    groups = pd.DataFrame({"customer_group_uid": ["a", "b"], "name": ["A", "B"]})
    snapshot = snapshot_from_frames(create_table([("a", "1")]), groups, tenant_uid="t", taken_at="2026-11-23")

    table = group_sizes(snapshot)

    assert list(table["n_members"]) == [1, 0]
    assert pd.isna(table["share_exclusive"][1])


def test_table_types():
    "A snapshot, a DataFrame, and an Arrow table of the same memberships result in the same group sizes."
    snapshot = sample_snapshot()

    of_snapshot = group_sizes(snapshot).drop(columns="name")
    of_frame = group_sizes(snapshot.memberships).drop(columns="name")
    of_arrow = group_sizes(pa.Table.from_pandas(snapshot.memberships)).drop(columns="name")

    pdt.assert_frame_equal(of_snapshot, of_frame)
    pdt.assert_frame_equal(of_snapshot, of_arrow)


def test_input_is_not_modified():
    "The table that the caller passes to group_sizes is not modified."
    memberships = sample_snapshot().memberships.sample(frac=1, random_state=1)
    before = memberships.copy(deep=True)

    group_sizes(memberships)

    pdt.assert_frame_equal(memberships, before)


def test_invalid_data():
    "If a list is passed instead of a table, the error contains its type."
    with pytest.raises(InputError, match=r"Snapshot.*list"):
        group_sizes([1, 2])
