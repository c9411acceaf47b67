"""Tests for intersections and region members, which are compared with Python sets."""

import tracemalloc
from collections import Counter
from itertools import combinations

import numpy as np
import pandas as pd
import pandas.testing as pdt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.analysis import intersections as module
from frgroups.analysis.intersections import OTHER, intersections, region_members
from frgroups.errors import InputError
from frgroups.snapshot.from_frames import sample_snapshot
from frgroups.snapshot.membership_matrix import MembershipMatrix

# Without a deadline, a slow machine does not cause failures.
GROUPS = ["0150", "b", "c", "Ålesund", "ω"]
membership_rows = st.lists(st.tuples(st.sampled_from(GROUPS), st.sampled_from("pqrstuvw")), max_size=40)


def create_table(rows):
    """Return a table of memberships from pairs of group uid and customer uid."""
    return pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")


def members_by_group(rows):
    """Return a dictionary from group uid to the set of its customer uids."""
    return {g: {c for h, c in rows if h == g} for g in sorted({g for g, _ in rows})}


def exclusive_counts(groups):
    """Return a dictionary from each exact combination of groups to its number of customers."""
    customers = set().union(*groups.values())
    combinations_of_customers = [tuple(g for g in groups if c in groups[g]) for c in customers]
    return Counter(combinations_of_customers)


@given(membership_rows, st.none() | st.lists(st.sampled_from(GROUPS), unique=True))
def test_exclusive_rows(rows, chosen):
    "In exclusive mode, each customer in a selected group is counted in one row, and the rows are sorted by size."
    groups = members_by_group(rows)
    chosen = chosen if chosen is None else [g for g in chosen if g in groups]
    expected = exclusive_counts({g: c for g, c in groups.items() if chosen is None or g in chosen})

    table = intersections(create_table(rows), chosen)

    assert dict(zip(table["groups"], table["n"], strict=True)) == expected
    assert [len(groups) for groups in table["groups"]] == list(table["degree"])
    assert table["share"].sum() == pytest.approx(1.0 if expected else 0.0)
    keys = list(zip(-table["n"], table["degree"], table["groups"], strict=True))
    assert keys == sorted(keys)


@given(membership_rows, st.integers(0, 6), st.sampled_from(["exclusive", "inclusive"]))
def test_top(rows, top, mode):
    "If `top` is passed, the last row counts the customers who are in none of the `top` largest combinations."
    groups = members_by_group(rows)
    complete = intersections(create_table(rows), mode=mode)

    table = intersections(create_table(rows), mode=mode, top=top)

    if len(complete) <= top:
        pdt.assert_frame_equal(table, complete)
        return
    pdt.assert_frame_equal(table.iloc[:-1], complete.iloc[:top])
    last = table.iloc[-1]
    assert (last["groups"], last["degree"]) == (OTHER, 0)
    if mode == "exclusive":
        assert table["n"].sum() == complete["n"].sum()
    shown = [set.intersection(*(groups[g] for g in row)) for row in complete["groups"].iloc[:top]]
    if mode == "inclusive":
        assert last["n"] == len(set().union(*groups.values()) - set().union(*shown))


@given(membership_rows)
def test_inclusive_rows(rows):
    "In inclusive mode, each set of groups with common customers has a row with at least the exclusive count."
    groups = members_by_group(rows)
    sizes = {
        names: len(set.intersection(*(groups[g] for g in names)))
        for degree in range(1, len(groups) + 1)
        for names in combinations(groups, degree)
    }

    table = intersections(create_table(rows), mode="inclusive")

    inclusive = dict(zip(table["groups"], table["n"], strict=True))
    assert inclusive == {names: n for names, n in sizes.items() if n}
    assert all(inclusive[names] >= n for names, n in exclusive_counts(groups).items())


def test_columns_and_dtypes():
    "The columns and dtypes of the intersections do not depend on the mode and the number of rows."
    expected = {"groups": "object", "degree": "int64", "n": "int64", "share": "float64", "mode": "str"}
    memberships = sample_snapshot().memberships

    for data in (memberships, memberships[:0]):
        for mode in ("exclusive", "inclusive"):
            for top in (None, 0, 1):
                assert intersections(data, mode=mode, top=top).dtypes.astype(str).to_dict() == expected


def test_more_than_64_groups():
    "Customers whose memberships differ only in the 70th group are counted in different rows."
    rows = [(f"g{n:02d}", c) for n in range(69) for c in "xy"] + [("g69", "y")]

    table = intersections(create_table(rows))

    assert list(table["degree"]) == [69, 70]
    assert list(table["n"]) == [1, 1]


def test_too_many_combinations(monkeypatch):
    "Too many inclusive combinations raise an error unless `top` limits their number."
    monkeypatch.setattr(module, "_MAX_INCLUSIVE", 1_000)
    rows = [(f"g{n:02d}", "x") for n in range(30)]

    with pytest.raises(InputError, match="top="):
        intersections(create_table(rows), mode="inclusive")

    assert list(intersections(create_table(rows), mode="inclusive", top=3)["n"]) == [1, 1, 1, 0]


@given(membership_rows, st.lists(st.sampled_from(GROUPS)), st.lists(st.sampled_from(GROUPS)))
def test_region_members(rows, include, exclude):
    "Region members are in all included groups and in no excluded group. The members are sorted by uid."
    groups = members_by_group(rows)
    include, exclude = ([g for g in names if g in groups] for names in (include, exclude))
    inside = set().union(*groups.values()).intersection(*(groups[g] for g in include))

    found = region_members(create_table(rows), include=include, exclude=exclude)

    assert list(found) == sorted(inside.difference(*(groups[g] for g in exclude)))
    assert (found.name, str(found.dtype)) == ("customer_uid", "str")


@given(membership_rows, st.integers(0, 6))
def test_counts_add_up(rows, top):
    "The counts of all exclusive rows sum to the number of customers."
    table = intersections(create_table(rows), top=top)

    assert table["n"].sum() == len({customer for _, customer in rows})


@given(membership_rows, st.none() | st.integers(0, 6))
def test_algorithms_agree(rows, top):
    "The algorithm for few groups and the algorithm for many groups have the same result."
    expected = intersections(create_table(rows), top=top)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_MAX_COUNTER_GROUPS", -1)
        found = intersections(create_table(rows), top=top)

    pdt.assert_frame_equal(found, expected)


@given(st.lists(st.tuples(st.integers(0, 69), st.sampled_from("pqrs")), max_size=60))
def test_many_groups(rows):
    "Combinations of up to 70 groups have the same counts as Python sets."
    rows = [(f"g{n:02d}", customer) for n, customer in rows]

    table = intersections(create_table(rows))

    assert dict(zip(table["groups"], table["n"], strict=True)) == exclusive_counts(members_by_group(rows))
    keys = list(zip(-table["n"], table["degree"], table["groups"], strict=True))
    assert keys == sorted(keys)


@pytest.mark.parametrize("mode", ["exclusive", "inclusive"])
def test_mode_column(mode):
    "Each row contains the mode in the column `mode`, so that a saved table can be interpreted."
    table = intersections(sample_snapshot(), mode=mode, top=1)

    assert list(table["mode"]) == [mode, mode]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: intersections(s, mode="both"), ["mode", "'both'", "'exclusive'", "'inclusive'"]),
        (lambda s: intersections(s, top=-1), ["`top`", "-1"]),
        (lambda s: region_members(s, include="vip"), ["`include`", "'vip'"]),
        (lambda s: region_members(s, include=["vip"], exclude="all"), ["`exclude`", "'all'"]),
    ],
)
def test_invalid_arguments(call, words):
    "The error for an invalid argument contains the argument's name and value."
    with pytest.raises(InputError) as caught:
        call(sample_snapshot())

    assert all(word in str(caught.value) for word in words)


def test_memory_of_many_groups():
    "The combinations of 5,000 groups need less than 30 MB, although a bit per region and group would need 100 MB."
    rng = np.random.default_rng(1)
    uids = pd.Index([f"g{n:04d}" for n in range(5_000)], dtype="str")
    matrix = MembershipMatrix.from_codes(
        rng.integers(0, 5_000, 100_000),
        rng.integers(0, 40_000, 100_000),
        group_uids=uids,
        group_names=uids,
        customer_uids=pd.RangeIndex(40_000).astype("str"),
    )

    tracemalloc.start()
    table = intersections(matrix, top=10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert table["n"].sum() == len(np.unique(matrix.indices))
    assert peak < 30e6
