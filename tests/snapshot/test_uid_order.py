"""Tests for sorting uids."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.snapshot.uid_order import uid_order

# Short alphabets lead to common prefixes, equal keys, and repeated uids.
uids = st.lists(st.text("ab\0æ😀", max_size=14) | st.text(max_size=4), max_size=30)


def to_arrow(values):
    """Return an Arrow array of uids."""
    return pa.array(values, type=pa.large_string())


@given(uids, st.sampled_from(["", "c-", "customer-000"]), st.integers(0, 3))
def test_uid_order(values, prefix, start):
    "The order is that of the code points, for any prefix, length, and slice of the uids."
    values = [prefix + value for value in values if value.isprintable() or "\0" in value]
    array = to_arrow(["zzz"] * start + values).slice(start)

    assert array.take(pa.array(uid_order(array))).to_pylist() == sorted(values)


def test_equal_uids():
    "Equal uids keep their order."
    assert uid_order(to_arrow(["b", "a", "b", "a"])).tolist() == [1, 3, 0, 2]


@pytest.mark.parametrize("n", [0, 1])
def test_small(n):
    "An empty list and a list with one uid are in order."
    assert uid_order(to_arrow(["c-1"] * n)).tolist() == list(range(n))


def test_sorted_uids_are_not_sorted_again(monkeypatch):
    "If the uids are already in order, they are not sorted."
    monkeypatch.setattr(pc, "sort_indices", None)
    monkeypatch.setattr("frgroups.snapshot.uid_order._sort_keys", None)

    assert uid_order(to_arrow(["c-1", "c-10", "c-2"])).tolist() == [0, 1, 2]
