"""
Tests for small-count suppression against an attacker who knows the suppression rule.

The tests enumerate all tables of counts that result in the same published table.
"""

from collections import defaultdict
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from frgroups.analysis.disclosure_control import (
    OmittedValues,
    check_min_count,
    is_small,
    suppress_counts,
    suppressed_rows,
)
from frgroups.analysis.profile import OTHER, group_profile
from frgroups.errors import InputError
from frgroups.snapshot.from_frames import snapshot_from_frames


@cache
def compositions(size, parts):
    """Return all ways to distribute customers among a number of values."""
    if parts == 1:
        return [(size,)]
    return [(n, *rest) for n in range(size + 1) for rest in compositions(size - n, parts - 1)]


def is_sensitive(n_in, n_ref, min_count):
    """Return True if one of the two counts is greater than 0 and less than `min_count`."""
    return 0 < n_in < min_count or 0 < n_ref < min_count


def published_view(n_in, n_ref, min_count, top):
    """Return the published information about an attribute. Values without customers have no row."""
    present = [value for value in range(len(n_in)) if n_in[value] + n_ref[value]]
    counts = np.array([n_in[v] for v in present], dtype=int), np.array([n_ref[v] for v in present], dtype=int)
    hide = suppressed_rows(*counts, min_count=min_count, top=top)
    shown = {v: (n_in[v], n_ref[v]) for v, hidden in zip(present, hide, strict=True) if not hidden}
    if present and not shown:
        return "all suppressed", ()
    if top is not None and len(present) > top:
        return "other", tuple(shown.items())
    return tuple(v for v in present if v not in shown), tuple(shown.items())


def possible_tables(size_in, size_ref, n_values):
    """Return all pairs of count lists with the given totals for the group and its reference."""
    return [(a, b) for a in compositions(size_in, n_values) for b in compositions(size_ref, n_values)]


def assert_not_disclosed(tables_by_view, sizes, min_count):
    """Check that each sensitive count has at least `min_count` possible values given the published information."""
    for (_, shown), tables in tables_by_view.items():
        published = {value for value, _ in shown}
        for value in range(len(tables[0][0])):
            if value in published or not any(is_sensitive(a[value], b[value], min_count) for a, b in tables):
                continue
            for side, size in enumerate(sizes):
                possible = {table[side][value] for table in tables}
                assert len(possible) >= min(min_count, size + 1), (shown, value, possible)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(any), max_size=12),
    st.integers(0, 4),
    st.integers(1, 5),
)
def test_omitted_values(counts, min_count, top):
    "If only the `top` largest values without a small count are known, the same values are suppressed."
    n_in, n_ref = np.array(counts, dtype=int).reshape(-1, 2).T
    small = [is_sensitive(*pair, min_count) for pair in counts]
    known = np.array(sorted(range(len(counts)), key=lambda v: (small[v], -sum(counts[v]), v))[:top], dtype=int)
    known.sort()
    omitted = OmittedValues(
        len(counts) - len(known),
        int(n_in.sum() - n_in[known].sum()),
        int(n_ref.sum() - n_ref[known].sum()),
        has_small=any(small),
    )

    hide = suppressed_rows(n_in[known], n_ref[known], min_count=min_count, top=top, omitted=omitted)

    expected = suppressed_rows(n_in, n_ref, min_count=min_count, top=top)
    assert hide.tolist() == expected[known].tolist()
    assert expected.sum() == hide.sum() + omitted.n_values


@example(0, 3, 2, 3, None)
@example(4, 4, 3, 3, None)
@given(
    st.integers(0, 8),
    st.integers(0, 8),
    st.integers(2, 3),
    st.integers(2, 3),
    st.sampled_from([None, 1, 2, 3]),
)
def test_suppressed_counts_are_ambiguous(size_in, size_ref, n_values, min_count, top):
    "Among all tables with the same published counts, a suppressed count has at least min_count possible values."
    tables_by_view = defaultdict(list)

    for n_in, n_ref in possible_tables(size_in, size_ref, n_values):
        tables_by_view[published_view(n_in, n_ref, min_count, top)].append((n_in, n_ref))

    assert_not_disclosed(tables_by_view, (size_in, size_ref), min_count)


@pytest.mark.slow
@pytest.mark.parametrize(("versus", "top"), [("others", None), ("others", 2), ("all", None)])
def test_profile_does_not_disclose(versus, top):
    "The columns that group_profile publishes do not disclose more than the suppression rule allows."
    size_in, size_ref, min_count = 4, 5, 2
    uids = [f"{value}{n}" for value in "pqr" for n in range(size_in + size_ref)]
    all_customers = create_snapshot(uids)
    tables_by_view = defaultdict(list)

    for n_in, n_ref in possible_tables(size_in, size_ref, 3):
        group = [f"{v}{n}" for v, k in zip("pqr", n_in, strict=True) for n in range(k)]
        others = [f"{v}{n + i}" for v, i, k in zip("pqr", n_in, n_ref, strict=True) for n in range(k)]
        table = group_profile(
            all_customers if versus == "others" else create_snapshot([*group, *others]),
            group,
            versus=others if versus == "others" else "all",
            attributes=["country_code"],
            min_count=min_count,
            top=top,
        )
        shown = table[~table["suppressed"] & (table["value"] != OTHER)]
        published = tuple(("pqr".index(row.value), (row.n_in, row.n_ref)) for row in shown.itertuples())
        tables_by_view[table.to_csv(), published].append((n_in, n_ref))

    assert len(tables_by_view) > 1
    assert_not_disclosed(tables_by_view, (size_in, size_ref), min_count)


def create_snapshot(uids):
    """Return a snapshot of customers whose country code is the first letter of their uid."""
    return snapshot_from_frames(
        pd.DataFrame({"customer_group_uid": [], "customer_uid": []}, dtype="str"),
        customers=pd.DataFrame({"customer_uid": uids, "country_code": [uid[0] for uid in uids]}),
        tenant_uid="t",
        taken_at="2026-11-23",
    )


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=8),
    st.integers(0, 8),
    st.none() | st.integers(1, 8),
)
def test_published_counts(counts, min_count, top):
    "Published counts are 0 or at least min_count. If min_count is 0, only the argument `top` suppresses rows."
    n_in, n_ref = np.array(counts, dtype=int).reshape(-1, 2).T

    hide = suppressed_rows(n_in, n_ref, min_count=min_count, top=top)

    assert not any(is_sensitive(a, b, min_count) for a, b in zip(n_in[~hide], n_ref[~hide], strict=True))
    if min_count == 0:
        assert (~hide).sum() == min(len(hide), len(hide) if top is None else top)


def test_secondary_suppression():
    "If a small count is suppressed, the next smallest count is also suppressed. A count of 0 is not small."
    n_in, n_ref = np.array([90, 30, 20, 2, 0]), np.array([80, 70, 60, 50, 40])

    hide = suppressed_rows(n_in, n_ref, min_count=5)

    assert hide.tolist() == [False, False, True, True, False]


def test_many_single_customers():
    "If suppressed counts of 1 could be computed from their sum, the largest row is also suppressed."
    n_in, n_ref = np.array([1, 1, 1, 1, 0, 0, 0, 0, 50]), np.array([0, 0, 0, 0, 1, 1, 1, 1, 60])

    assert suppressed_rows(n_in, n_ref, min_count=3).all()


def test_small_set():
    "If the group or its reference has fewer than min_count customers, all rows are suppressed."
    assert suppressed_rows(np.array([4, 0]), np.array([50, 60]), min_count=5).all()
    assert suppressed_rows(np.array([50, 60]), np.array([4, 0]), min_count=5).all()


@pytest.mark.parametrize("min_count", [-1, 2.5, "5", None])
def test_invalid_min_count(min_count):
    "If min_count is not an integer of at least 0, an error is raised."
    with pytest.raises(InputError, match="`min_count`"):
        check_min_count(min_count)


def test_is_small():
    "Counts from 1 to min_count - 1 are considered small, and a count of 0 is not."
    assert [bool(is_small(n, 3)) for n in range(5)] == [False, True, True, False, False]


@given(st.lists(st.tuples(*[st.integers(0, 12)] * 3), max_size=8), st.integers(0, 7))
def test_suppressed_tables(rows, min_count):
    "A table without small counts contains no small number, and no part of which the other parts are known."
    table = pd.DataFrame(rows, columns=["n_old", "n_joined", "n_left"], dtype="int64")
    table["n_left"] = np.minimum(table["n_left"], table["n_old"])
    table["n_new"] = table["n_old"] + table["n_joined"] - table["n_left"]
    table["net"] = table["n_new"] - table["n_old"]

    published = suppress_counts(
        table,
        min_count,
        totals=["n_old", "n_new"],
        parts=["n_joined", "n_left"],
        differences=[("n_old", "n_left")],
        derived={"net": ["n_old", "n_new"]},
    )

    counts = published[["n_old", "n_joined", "n_left", "n_new"]]
    remaining = (published["n_old"] - published["n_left"]).dropna()
    assert not is_small(counts.fillna(0).to_numpy(dtype=int), min_count).any()
    assert not is_small(remaining.to_numpy(dtype=int), min_count).any()
    assert (published["n_joined"].isna() == published["n_left"].isna()).all()
    assert (published["suppressed"] == counts.isna().any(axis=1)).all()
    assert (published["net"].isna() == counts[["n_old", "n_new"]].isna().any(axis=1)).all()
    shown = counts.notna()
    assert (counts[shown].fillna(-1) == table[counts.columns].where(shown, -1)).all(axis=None)


def test_suppressed_before():
    "Rows that were already marked as suppressed stay marked, and missing counts are not marked."
    table = pd.DataFrame({"n": [9, 9, 3], "n_joined": [None, 8, 8], "suppressed": [False, True, False]})

    published = suppress_counts(table.astype({"n_joined": "Int64"}), 5, totals=["n"], parts=["n_joined"])

    assert list(published["suppressed"]) == [False, True, True]
    assert list(published["n_joined"].isna()) == [True, False, True]
