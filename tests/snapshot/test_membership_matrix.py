"""Codes against plain sets, and what may not become codes."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frgroups.errors import FrgroupsError, GroupNotFoundError, InputError
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames
from frgroups.snapshot.membership_matrix import MembershipMatrix, as_membership_matrix, check_uids

LAW = settings(deadline=None, max_examples=60)
FEW = settings(deadline=None, max_examples=25)
uids = st.text(st.sampled_from("01aÅωя -"), min_size=1, max_size=3)
page_rows = st.lists(st.tuples(uids, uids), max_size=30)


def frame(rows):
    return pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")


@LAW
@given(page_rows)
def test_codes_hold_each_membership_once_in_uid_order(rows):
    "Whatever the order and repetition, the codes are the sorted set of memberships; uid order is Python's."
    codes = as_membership_matrix(frame(rows))

    assert list(codes.frame().itertuples(index=False, name=None)) == sorted(set(rows))
    assert list(codes.group_uids) == sorted({g for g, _ in rows})
    assert list(codes.customer_uids) == sorted({c for _, c in rows})
    assert len(codes) == len(set(rows)) == codes.sizes.sum()
    assert codes.frame().dtypes.astype(str).to_dict() == {"customer_group_uid": "str", "customer_uid": "str"}


@LAW
@given(page_rows)
def test_members_are_those_of_sets(rows):
    "Each group's members are its set of customers, in uid order."
    codes = as_membership_matrix(frame(rows))

    for group in codes.group_uids:
        assert codes.members(group) == sorted({c for g, c in rows if g == group})


@LAW
@given(page_rows, st.lists(uids, max_size=3))
def test_the_groups_of_a_customer_are_those_of_sets(rows, empty):
    "The groups that a customer is in, in uid order, among groups without a member; none for who is not there."
    groups = sorted({*empty, *(group for group, _ in rows)})
    table = frame(rows)
    codes = MembershipMatrix.from_uids(table["customer_group_uid"], table["customer_uid"], all_groups=groups)

    for uid in {*(customer for _, customer in rows), "nobody"}:
        assert codes.groups_of(uid) == sorted({group for group, customer in rows if customer == uid})


@LAW
@given(page_rows, st.data())
def test_a_selection_keeps_the_chosen_groups_and_all_customers(rows, data):
    "Selected groups come in uid order, each once, with their members; no customer is forgotten."
    codes = as_membership_matrix(frame(rows))
    chosen = data.draw(st.lists(st.sampled_from(list(codes.group_uids)))) if rows else []

    part = codes.select(chosen)

    assert list(part.group_uids) == sorted(set(chosen))
    assert part.n_customers == codes.n_customers
    assert all(part.members(group) == codes.members(group) for group in chosen)
    assert codes.select(None) is codes


@FEW
@given(page_rows)
def test_every_container_gives_the_same_codes(rows):
    "Text, object, categories, Arrow and a snapshot are coded alike."
    plain = frame(rows)
    expected = as_membership_matrix(plain).frame()

    for other in [
        plain.astype(object),
        plain.astype("category"),
        plain.astype(pd.ArrowDtype(pa.string())),
        plain.astype(pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))),
        pa.Table.from_pandas(plain),
        snapshot_from_frames(plain, tenant_uid="t", taken_at="2026-11-23"),
        as_membership_matrix(plain),
    ]:
        pd.testing.assert_frame_equal(as_membership_matrix(other).frame(), expected)


def test_more_columns_do_not_matter():
    "A frame or Arrow table may carry columns that cannot be converted; they are not looked at."
    table = sample_snapshot().memberships.assign(extra=object())

    assert len(as_membership_matrix(table)) == 253
    assert len(as_membership_matrix(pa.table({**frame([("a", "1")]).to_dict("list"), "price": [1.5]}))) == 1


def test_a_group_goes_by_its_uid_first_and_then_by_its_unique_name():
    "A name that is another group's uid never wins over the uid; a name that two groups share is refused."
    groups = pd.DataFrame({"customer_group_uid": ["a", "b", "c", "d"], "name": ["b", "x", "Twin", "Twin"]})
    codes = snapshot_from_frames(frame([("a", "1")]), groups, tenant_uid="t", taken_at="2026-11-23").matrix

    assert codes.group_uid("b") == "b"
    assert codes.group_uid("x") == "b"
    with pytest.raises(GroupNotFoundError, match="c, d") as caught:
        codes.group_uid("Twin")
    assert caught.value.close == ["c", "d"]


def test_an_unknown_group_is_named_with_close_matches():
    "The error is a KeyError and a ValueError, reads as a sentence, and suggests names whatever their case."
    with pytest.raises(GroupNotFoundError) as caught:
        sample_snapshot().matrix.member_codes("all member")

    assert "All members" in str(caught.value) and not str(caught.value).startswith('"')
    assert isinstance(caught.value, KeyError) and isinstance(caught.value, ValueError)
    assert isinstance(caught.value, FrgroupsError)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "NoneType"),
        ({"vip": ["c-1"]}, "dict"),
        (pd.DataFrame({"group": ["a"]}), "customer_group_uid.*'group'"),
        (pa.table({"customer_group_uid": ["a"]}), "customer_uid"),
        (frame([("a", "1")]).assign(customer_uid=[150]), "leading zeros"),
        (frame([("a", "1"), ("a", None)]), "1 rows without a uid"),
        (frame([("a", "1"), ("", "1")]), "1 rows without a uid"),
    ],
)
def test_what_is_no_table_of_uids_is_refused_in_words(data, words):
    "The error names the column and what is wrong with it."
    with pytest.raises(InputError, match=words):
        as_membership_matrix(data)


def test_uids_keep_their_leading_zeros_and_look_alikes():
    "Text that looks like a number, a float or nothing stays that text."
    odd = ["0150", "150", "1e5", "NA", "null", "nan", " 1", "1 "]

    assert list(check_uids(frame([("g", uid) for uid in odd]), "customer_uid", "memberships")) == odd
    assert as_membership_matrix(frame([("g", uid) for uid in odd])).members("g") == sorted(odd)


def test_codes_of_codes_need_no_uids_to_be_compared():
    "from_codes takes any order and repetition, and keeps groups without a member."
    codes = MembershipMatrix.from_codes(
        np.array([2, 0, 2, 2]),
        np.array([1, 0, 0, 1]),
        group_uids=pd.Index(["a", "b", "c"], dtype="str"),
        group_names=pd.Index(["A", "B", "C"], dtype="str"),
        customer_uids=pd.Index(["x", "y"], dtype="str"),
    )

    assert list(codes.sizes) == [1, 0, 2]
    assert codes.members("C") == ["x", "y"]
    assert (codes.n_groups, codes.n_customers, len(codes)) == (3, 2, 3)
