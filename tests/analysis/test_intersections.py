"""Combinations of groups, and who is in them, against plain sets."""

from itertools import combinations

import pandas as pd
import pandas.testing as pdt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frgroups.analysis import intersections as module
from frgroups.analysis.intersections import OTHER, intersections, region_members
from frgroups.errors import InputError
from frgroups.snapshot.from_frames import sample_snapshot

# No deadline: a busy machine is no failure.
LAW = settings(deadline=None, max_examples=50)
GROUPS = ["0150", "b", "c", "Ålesund", "ω"]
membership_rows = st.lists(st.tuples(st.sampled_from(GROUPS), st.sampled_from("pqrstuvw")), max_size=40)


def frame(rows):
    return pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")


def sets(rows):
    return {g: {c for h, c in rows if h == g} for g in sorted({g for g, _ in rows})}


def exclusive_of(groups):
    seen = set().union(*groups.values())
    combination = [tuple(g for g in groups if c in groups[g]) for c in seen]
    return {c: combination.count(c) for c in set(combination)}


@LAW
@given(membership_rows, st.none() | st.lists(st.sampled_from(GROUPS), unique=True))
def test_exclusive_rows_hold_each_customer_once(rows, chosen):
    "Every customer in a chosen group is in one row: that of exactly the chosen groups they are in."
    groups = sets(rows)
    chosen = chosen if chosen is None else [g for g in chosen if g in groups]
    expected = exclusive_of({g: c for g, c in groups.items() if chosen is None or g in chosen})

    table = intersections(frame(rows), chosen)

    assert dict(zip(table["groups"], table["n"], strict=True)) == expected
    assert [len(groups) for groups in table["groups"]] == list(table["degree"])
    assert table["share"].sum() == pytest.approx(1.0 if expected else 0.0)
    keys = list(zip(-table["n"], table["degree"], table["groups"], strict=True))
    assert keys == sorted(keys)


@LAW
@given(membership_rows, st.integers(0, 6), st.sampled_from(["exclusive", "inclusive"]))
def test_what_top_cuts_is_in_a_last_row(rows, top, mode):
    "The first rows stay as they were; the last holds the customers who are in none of them."
    groups = sets(rows)
    whole = intersections(frame(rows), mode=mode)

    table = intersections(frame(rows), mode=mode, top=top)

    if len(whole) <= top:
        pdt.assert_frame_equal(table, whole)
        return
    pdt.assert_frame_equal(table.iloc[:-1], whole.iloc[:top])
    last = table.iloc[-1]
    assert (last["groups"], last["degree"]) == (OTHER, 0)
    if mode == "exclusive":
        assert table["n"].sum() == whole["n"].sum()
    shown = [set.intersection(*(groups[g] for g in row)) for row in whole["groups"].iloc[:top]]
    if mode == "inclusive":
        assert last["n"] == len(set().union(*groups.values()) - set().union(*shown))


@LAW
@given(membership_rows)
def test_inclusive_rows_are_all_sets_of_groups_with_a_common_customer(rows):
    "Every set of groups that shares a customer is there with that many; none is below its exclusive row."
    groups = sets(rows)
    sizes = {
        names: len(set.intersection(*(groups[g] for g in names)))
        for degree in range(1, len(groups) + 1)
        for names in combinations(groups, degree)
    }

    table = intersections(frame(rows), mode="inclusive")

    inclusive = dict(zip(table["groups"], table["n"], strict=True))
    assert inclusive == {names: n for names, n in sizes.items() if n}
    assert all(inclusive[names] >= n for names, n in exclusive_of(groups).items())


def test_combinations_always_have_the_same_columns_and_dtypes():
    "An empty table has the columns and dtypes of a full one."
    expected = {"groups": "object", "degree": "int64", "n": "int64", "share": "float64", "mode": "str"}
    memberships = sample_snapshot().memberships

    for data in (memberships, memberships[:0]):
        for mode in ("exclusive", "inclusive"):
            for top in (None, 0, 1):
                assert intersections(data, mode=mode, top=top).dtypes.astype(str).to_dict() == expected


def test_more_than_sixty_four_groups_are_told_apart():
    "Customers who differ only in the 70th group are in two rows."
    rows = [(f"g{n:02d}", c) for n in range(69) for c in "xy"] + [("g69", "y")]

    table = intersections(frame(rows))

    assert list(table["degree"]) == [69, 70]
    assert list(table["n"]) == [1, 1]


def test_too_many_combinations_are_refused_and_top_still_answers(monkeypatch):
    "One customer in 30 groups makes a thousand million sets: an error names top, and top=3 is quick."
    monkeypatch.setattr(module, "_MAX_INCLUSIVE", 1_000)
    rows = [(f"g{n:02d}", "x") for n in range(30)]

    with pytest.raises(InputError, match="top="):
        intersections(frame(rows), mode="inclusive")

    assert list(intersections(frame(rows), mode="inclusive", top=3)["n"]) == [1, 1, 1, 0]


@LAW
@given(membership_rows, st.lists(st.sampled_from(GROUPS)), st.lists(st.sampled_from(GROUPS)))
def test_a_region_is_what_sets_say(rows, include, exclude):
    "Region members are in every included and in no excluded group, in uid order, as text."
    groups = sets(rows)
    include, exclude = ([g for g in names if g in groups] for names in (include, exclude))
    inside = set().union(*groups.values()).intersection(*(groups[g] for g in include))

    found = region_members(frame(rows), include=include, exclude=exclude)

    assert list(found) == sorted(inside.difference(*(groups[g] for g in exclude)))
    assert (found.name, str(found.dtype)) == ("customer_uid", "str")


@LAW
@given(membership_rows, st.integers(0, 6))
def test_rows_and_other_hold_every_customer_once(rows, top):
    "Exclusive rows add up to the customers in any group, however many of them are cut."
    table = intersections(frame(rows), top=top)

    assert table["n"].sum() == len({customer for _, customer in rows})


@LAW
@given(membership_rows, st.none() | st.integers(0, 6))
def test_few_groups_are_counted_as_many_are(rows, top):
    "A counter for each combination, which few groups get, and words of bits, for many, give the same table."
    expected = intersections(frame(rows), top=top)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_MAX_COUNTER_GROUPS", -1)
        patch.setattr(module, "_CHUNK_SIZE", 2)
        found = intersections(frame(rows), top=top)

    pdt.assert_frame_equal(found, expected)


@LAW
@given(st.lists(st.tuples(st.integers(0, 69), st.sampled_from("pqrs")), max_size=60))
def test_combinations_of_many_groups_are_those_of_sets(rows):
    "Groups that stand in different words of bits are told apart, and named in uid order."
    named = [(f"g{n:02d}", customer) for n, customer in rows]

    table = intersections(frame(named))

    assert dict(zip(table["groups"], table["n"], strict=True)) == exclusive_of(sets(named))
    keys = list(zip(-table["n"], table["degree"], table["groups"], strict=True))
    assert keys == sorted(keys)


@pytest.mark.parametrize("mode", ["exclusive", "inclusive"])
def test_the_mode_stands_in_every_row(mode):
    "A table that was cut, saved or sent says itself what its numbers mean."
    table = intersections(sample_snapshot(), mode=mode, top=1)

    assert list(table["mode"]) == [mode, mode]


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda s: intersections(s, mode="both"), "'exclusive' nor 'inclusive'"),
        (lambda s: intersections(s, top=-1), "`top` must be an integer of at least 0, got -1"),
        (lambda s: region_members(s, include="vip"), r"\['vip'\]"),
        (lambda s: region_members(s, include=["vip"], exclude="all"), r"\['all'\]"),
    ],
)
def test_what_cannot_be_right_is_refused_in_words(ask, words):
    "The error tells what came and what is allowed."
    with pytest.raises(InputError, match=words):
        ask(sample_snapshot())
