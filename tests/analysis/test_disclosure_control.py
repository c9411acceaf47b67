"""What is hidden stays hidden, from a reader who knows the rule: all tables of the same picture are counted."""

from collections import defaultdict
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from frgroups.analysis.disclosure_control import check_min_count, is_small, suppressed_rows
from frgroups.analysis.profile import OTHER, group_profile
from frgroups.errors import InputError
from frgroups.snapshot.from_frames import snapshot_from_frames

LAW = settings(deadline=None, max_examples=60)


@cache
def splits(size, parts):
    """Every way in which customers can have one of so many values."""
    if parts == 1:
        return [(size,)]
    return [(n, *rest) for n in range(size + 1) for rest in splits(size - n, parts - 1)]


def is_secret(n_in, n_ref, min_count):
    return 0 < n_in < min_count or 0 < n_ref < min_count


def picture(n_in, n_ref, min_count, top):
    """All that a reader sees of an attribute; a value that nobody has has no row."""
    there = [value for value in range(len(n_in)) if n_in[value] + n_ref[value]]
    counts = np.array([n_in[v] for v in there], dtype=int), np.array([n_ref[v] for v in there], dtype=int)
    hide = suppressed_rows(*counts, min_count=min_count, top=top)
    shown = {v: (n_in[v], n_ref[v]) for v, hidden in zip(there, hide, strict=True) if not hidden}
    if there and not shown:
        return "all suppressed", ()
    if top is not None and len(there) > top:
        return "other", tuple(shown.items())
    return tuple(v for v in there if v not in shown), tuple(shown.items())


def worlds_of(size_in, size_ref, n_values):
    return [(a, b) for a in splits(size_in, n_values) for b in splits(size_ref, n_values)]


def assert_nothing_can_be_computed(pictures, sizes, min_count):
    """Whoever has a secret in a world that looks like this has enough others that look the same."""
    for (_, shown), worlds in pictures.items():
        told = {value for value, _ in shown}
        for value in range(len(worlds[0][0])):
            if value in told or not any(is_secret(a[value], b[value], min_count) for a, b in worlds):
                continue
            for side, size in enumerate(sizes):
                possible = {world[side][value] for world in worlds}
                assert len(possible) >= min(min_count, size + 1), (shown, value, possible)


@LAW
@example(0, 3, 2, 3, None)
@example(4, 4, 3, 3, None)
@given(
    st.integers(0, 8),
    st.integers(0, 8),
    st.integers(2, 3),
    st.integers(2, 3),
    st.sampled_from([None, 1, 2, 3]),
)
def test_what_is_hidden_could_be_any_of_min_count_numbers(size_in, size_ref, n_values, min_count, top):
    "Among all tables of these sizes with the same picture, each hidden count takes at least min_count values."
    pictures = defaultdict(list)

    for n_in, n_ref in worlds_of(size_in, size_ref, n_values):
        pictures[picture(n_in, n_ref, min_count, top)].append((n_in, n_ref))

    assert_nothing_can_be_computed(pictures, (size_in, size_ref), min_count)


@pytest.mark.parametrize(("versus", "top"), [("others", None), ("others", 2), ("all", None)])
def test_a_whole_profile_gives_away_no_more_than_the_rule(versus, top):
    "The same through group_profile: shares, tests, order and all, for all ways to have one of three values."
    size_in, size_ref, min_count = 4, 5, 2
    uids = [f"{value}{n}" for value in "pqr" for n in range(size_in + size_ref)]
    everybody = snapshot_of(uids)
    pictures = defaultdict(list)

    for n_in, n_ref in worlds_of(size_in, size_ref, 3):
        group = [f"{v}{n}" for v, k in zip("pqr", n_in, strict=True) for n in range(k)]
        others = [f"{v}{n + i}" for v, i, k in zip("pqr", n_in, n_ref, strict=True) for n in range(k)]
        table = group_profile(
            everybody if versus == "others" else snapshot_of([*group, *others]),
            group,
            versus=others if versus == "others" else "all",
            attributes=["country_code"],
            min_count=min_count,
            top=top,
        )
        shown = table[~table["suppressed"] & (table["value"] != OTHER)]
        told = tuple(("pqr".index(row.value), (row.n_in, row.n_ref)) for row in shown.itertuples())
        pictures[table.to_csv(), told].append((n_in, n_ref))

    assert len(pictures) > 1
    assert_nothing_can_be_computed(pictures, (size_in, size_ref), min_count)


def snapshot_of(uids):
    """Customers whose country is the first letter of their uid."""
    return snapshot_from_frames(
        pd.DataFrame({"customer_group_uid": [], "customer_uid": []}, dtype="str"),
        customers=pd.DataFrame({"customer_uid": uids, "country_code": [uid[0] for uid in uids]}),
        tenant_uid="t",
        taken_at="2026-11-23",
    )


@LAW
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=8),
    st.integers(0, 8),
    st.none() | st.integers(1, 8),
)
def test_no_count_that_is_shown_is_small(counts, min_count, top):
    "What is not hidden is nobody, or min_count at least; with min_count 0 only top hides."
    n_in, n_ref = np.array(counts, dtype=int).reshape(-1, 2).T

    hide = suppressed_rows(n_in, n_ref, min_count=min_count, top=top)

    assert not any(is_secret(a, b, min_count) for a, b in zip(n_in[~hide], n_ref[~hide], strict=True))
    if min_count == 0:
        assert (~hide).sum() == min(len(hide), len(hide) if top is None else top)


def test_the_smallest_value_that_is_enough_goes_too():
    "One small value takes the next smallest with it, not the largest; nobody is not small."
    n_in, n_ref = np.array([90, 30, 20, 2, 0]), np.array([80, 70, 60, 50, 40])

    hide = suppressed_rows(n_in, n_ref, min_count=5)

    assert hide.tolist() == [False, False, True, True, False]


def test_many_values_of_one_customer_each_are_not_left_alone():
    "Eight values of one customer each would be known from their number and their sum; so the largest goes too."
    n_in, n_ref = np.array([1, 1, 1, 1, 0, 0, 0, 0, 50]), np.array([0, 0, 0, 0, 1, 1, 1, 1, 60])

    assert suppressed_rows(n_in, n_ref, min_count=3).all()


def test_a_small_set_tells_nothing():
    "Where one set has fewer than min_count customers, all is hidden."
    assert suppressed_rows(np.array([4, 0]), np.array([50, 60]), min_count=5).all()
    assert suppressed_rows(np.array([50, 60]), np.array([4, 0]), min_count=5).all()


@pytest.mark.parametrize("min_count", [-1, 2.5, "5", None])
def test_min_count_is_a_number_of_customers(min_count):
    "Anything else is refused, with what would show everything."
    with pytest.raises(InputError, match="`min_count` must be an integer of at least 0, got"):
        check_min_count(min_count)


def test_nobody_is_not_small():
    "0 is never small; 1 to min_count - 1 is."
    assert [bool(is_small(n, 3)) for n in range(5)] == [False, True, True, False, False]
