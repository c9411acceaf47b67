"""Tests that compare the membership matrix with Python sets."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.errors import FrgroupsError, GroupNotFoundError, InputError
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames
from frgroups.snapshot.membership_matrix import MembershipMatrix, as_membership_matrix, check_uids
from tests.examples import at_most

SLOW_PROPERTY = at_most(25)
uids = st.text(st.sampled_from("01aÅωя -"), min_size=1, max_size=3)
membership_rows = st.lists(st.tuples(uids, uids), max_size=30)


def create_table(rows):
    """Return a table of memberships from pairs of group uid and customer uid."""
    return pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")


@given(membership_rows)
def test_memberships_are_unique_and_sorted(rows):
    "The matrix contains each membership once, sorted by uid, regardless of the row order of the table."
    matrix = as_membership_matrix(create_table(rows))

    assert list(matrix.frame().itertuples(index=False, name=None)) == sorted(set(rows))
    assert list(matrix.group_uids) == sorted({g for g, _ in rows})
    assert list(matrix.customer_uids) == sorted({c for _, c in rows})
    assert len(matrix) == len(set(rows)) == matrix.sizes.sum()
    assert matrix.frame().dtypes.astype(str).to_dict() == {"customer_group_uid": "str", "customer_uid": "str"}


@given(membership_rows)
def test_members(rows):
    "The members of a group are unique customer uids in sorted order."
    matrix = as_membership_matrix(create_table(rows))

    for group in matrix.group_uids:
        assert matrix.members(group) == sorted({c for g, c in rows if g == group})


@given(membership_rows, st.lists(uids, max_size=3))
def test_groups_of_customer(rows, empty):
    "The groups of a customer are sorted by uid. For an unknown customer, the list of groups is empty."
    groups = sorted({*empty, *(group for group, _ in rows)})
    table = create_table(rows)
    matrix = MembershipMatrix.from_uids(table["customer_group_uid"], table["customer_uid"], all_groups=groups)

    for uid in {*(customer for _, customer in rows), "unknown"}:
        assert matrix.groups_of(uid) == sorted({group for group, customer in rows if customer == uid})


@given(membership_rows, st.data())
def test_select_groups(rows, data):
    "A selection contains each selected group once, sorted by uid, and all customers."
    matrix = as_membership_matrix(create_table(rows))
    chosen = data.draw(st.lists(st.sampled_from(list(matrix.group_uids)))) if rows else []

    selection = matrix.select(chosen)

    assert list(selection.group_uids) == sorted(set(chosen))
    assert selection.n_customers == matrix.n_customers
    assert all(selection.members(group) == matrix.members(group) for group in chosen)
    assert matrix.select(None) is matrix


@SLOW_PROPERTY
@given(membership_rows)
def test_table_types(rows):
    "Tables with string, object, categorical, and Arrow columns are converted to the same matrix as a snapshot."
    table = create_table(rows)
    expected = as_membership_matrix(table).frame()

    for other in [
        table.astype(object),
        table.astype("category"),
        table.astype(pd.ArrowDtype(pa.string())),
        table.astype(pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))),
        pa.Table.from_pandas(table),
        snapshot_from_frames(table, tenant_uid="t", taken_at="2026-11-23"),
        as_membership_matrix(table),
    ]:
        pd.testing.assert_frame_equal(as_membership_matrix(other).frame(), expected)


def test_additional_columns():
    "Additional columns of a table are ignored, even if they cannot be converted."
    table = sample_snapshot().memberships.assign(extra=object())

    assert len(as_membership_matrix(table)) == 253
    assert len(as_membership_matrix(pa.table({**create_table([("a", "1")]).to_dict("list"), "price": [1.5]}))) == 1


def test_spark_table():
    "A Spark DataFrame is converted with `toArrow`, because its Arrow stream starts Python processes."

    class SparkTable:
        def toArrow(self):
            return pa.Table.from_pandas(create_table([("a", "1")]))

        def __arrow_c_stream__(self, schema=None):
            raise NotImplementedError

    assert as_membership_matrix(SparkTable()).members("a") == ["1"]


def test_ambiguous_group():
    "A text is rejected if it is the uid of one group and the name of another group, or the name of two groups."
    groups = pd.DataFrame({"customer_group_uid": ["a", "b", "c", "d"], "name": ["b", "x", "Twin", "Twin"]})
    matrix = snapshot_from_frames(create_table([("a", "1")]), groups, tenant_uid="t", taken_at="2026-11-23").matrix

    with pytest.raises(GroupNotFoundError, match=r'uid:"b".*name:"b"') as caught:
        matrix.group_uid("b")
    assert caught.value.close == ["a", "b"] and caught.value.n_matches == 2
    assert [matrix.group_uid(text) for text in ('uid:"b"', 'name:"b"', "x")] == ["b", "a", "b"]
    assert matrix.code_of_uid("b") == 1 and matrix.members("a") == ["1"]
    assert list(matrix.select_uids(["c", "b", "b"]).group_uids) == ["b", "c"]
    with pytest.raises(GroupNotFoundError, match=r"'Twin'.*c or d") as caught:
        matrix.group_uid("Twin")
    assert caught.value.close == ["c", "d"]


def test_unknown_group():
    "The error for an unknown group suggests similar names. It is both a KeyError and a ValueError."
    with pytest.raises(GroupNotFoundError) as caught:
        sample_snapshot().matrix.group_code_of("all member")

    assert "All members" in str(caught.value) and not str(caught.value).startswith('"')
    assert isinstance(caught.value, KeyError) and isinstance(caught.value, ValueError)
    assert isinstance(caught.value, FrgroupsError)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "`data`.*NoneType"),
        ({"vip": ["c-1"]}, "`data`.*dict"),
        (pd.DataFrame({"group": ["a"]}), "customer_group_uid.*'group'"),
        (pa.table({"customer_group_uid": ["a"]}), "customer_uid"),
        (create_table([("a", "1")]).assign(customer_uid=[150]), "'customer_uid' of `data`.*int"),
        (create_table([("a", "1"), ("a", None)]), "'customer_uid' of `data`.*1 row"),
        (create_table([("a", "1"), ("", "1")]), "'customer_group_uid' of `data`.*1 row"),
    ],
)
def test_invalid_table(data, words):
    "The error for an invalid table contains the column name or the wrong type."
    with pytest.raises(InputError, match=words):
        as_membership_matrix(data)


def test_uids_are_not_converted():
    "Uids that look like numbers or missing values are not converted."
    uids = ["0150", "150", "1e5", "NA", "null", "nan", " 1", "1 "]

    assert list(check_uids(create_table([("g", uid) for uid in uids]), "customer_uid", "memberships")) == uids
    assert as_membership_matrix(create_table([("g", uid) for uid in uids])).members("g") == sorted(uids)


def test_from_codes():
    "Membership codes can be unsorted and repeated. Groups without members are included in the matrix."
    matrix = MembershipMatrix.from_codes(
        np.array([2, 0, 2, 2]),
        np.array([1, 0, 0, 1]),
        group_uids=pd.Index(["a", "b", "c"], dtype="str"),
        group_names=pd.Index(["A", "B", "C"], dtype="str"),
        customer_uids=pd.Index(["x", "y"], dtype="str"),
    )

    assert list(matrix.sizes) == [1, 0, 2]
    assert matrix.members("c") == ["x", "y"]
    assert (matrix.n_groups, matrix.n_customers, len(matrix)) == (3, 2, 3)
