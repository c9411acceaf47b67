"""Overlap and combinations against plain sets, exact fractions and scipy."""

from fractions import Fraction
from importlib import import_module
from itertools import combinations
from math import comb, inf, isnan, log2

import numpy as np
import pandas as pd
import pandas.testing as pdt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from frgroups.codes import Codes
from frgroups.errors import GroupNotFoundError, InputError
from frgroups.overlap import overlap_matrix, overlap_pairs
from frgroups.pair_counts import _count_bits, _count_pairs, pair_counts
from frgroups.regions import intersections, region_members
from frgroups.snapshot import sample_snapshot, snapshot_from_frames

# No deadline: a busy machine is no failure.
LAW = settings(deadline=None, max_examples=50)
FEW = settings(deadline=None, max_examples=25)
GROUPS = ["0150", "b", "c", "Ålesund", "ω"]
MEASURES = ["count", "jaccard", "share", "overlap_coefficient", "lift", "phi", "pmi"]
PAIR_COLUMNS = {
    **dict.fromkeys(["group_a", "group_b", "name_a", "name_b"], "str"),
    **dict.fromkeys(["n_a", "n_b", "n_both", "n_either"], "int64"),
    **dict.fromkeys(["share_of_a", "share_of_b", "jaccard", "overlap_coefficient", "expected", "lift"], "float64"),
    **dict.fromkeys(["pmi", "phi", "p_over", "p_under", "q_value"], "float64"),
}
ASSOCIATION = list(PAIR_COLUMNS)[12:]
rows_of = st.lists(st.tuples(st.sampled_from(GROUPS), st.sampled_from("pqrstuvw")), max_size=40)


def frame(rows):
    return pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")


def sets(rows):
    return {g: {c for h, c in rows if h == g} for g in sorted({g for g, _ in rows})}


@LAW
@given(rows_of)
def test_pairs_are_those_of_sets(rows):
    "Every unordered pair stands once, in uid order, with the counts and shares of plain sets."
    groups = sets(rows)

    table = overlap_pairs(frame(rows))

    assert list(zip(table["group_a"], table["group_b"], strict=True)) == list(combinations(groups, 2))
    for row in table.itertuples():
        a, b = groups[row.group_a], groups[row.group_b]
        assert (row.n_a, row.n_b, row.n_both, row.n_either) == (len(a), len(b), len(a & b), len(a | b))
        assert row.jaccard == len(a & b) / len(a | b)
        assert row.overlap_coefficient == len(a & b) / min(len(a), len(b))
        assert round(row.share_of_a * row.n_a) == round(row.share_of_b * row.n_b) == row.n_both
    assert table[ASSOCIATION].isna().all(axis=None)


@LAW
@given(rows_of)
def test_a_matrix_has_the_sizes_on_its_diagonal_and_the_pairs_beside_it(rows):
    "The matrix of counts is that of plain sets."
    groups = sets(rows)

    matrix = overlap_matrix(frame(rows))

    expected = [[len(a & b) for b in groups.values()] for a in groups.values()]
    assert matrix.to_numpy().tolist() == expected
    assert list(matrix.index) == list(matrix.columns) == list(groups)


@LAW
@given(rows_of, st.sampled_from(MEASURES))
def test_all_measures_but_share_are_symmetric(rows, measure):
    "A measure of two groups does not depend on which comes first, to the last bit; share is told by the row."
    matrix = overlap_matrix(frame(rows), measure=measure, universe=20)

    if measure != "share":
        np.testing.assert_array_equal(matrix, matrix.T)
    else:
        counts = overlap_matrix(frame(rows))
        np.testing.assert_allclose(matrix.mul(np.diag(counts), axis=0), counts)


@LAW
@given(rows_of, st.integers(8, 60))
def test_matrix_and_pairs_tell_the_same(rows, universe):
    "Each measure of the matrix is the column of the pairs."
    pairs = overlap_pairs(frame(rows), universe=universe)

    for measure, column in [("count", "n_both"), ("share", "share_of_a"), *((m, m) for m in MEASURES if m in pairs)]:
        matrix = overlap_matrix(frame(rows), measure=measure, universe=universe)
        above = matrix.to_numpy()[np.triu_indices(len(matrix), 1)]
        np.testing.assert_array_equal(above, pairs[column])


@LAW
@given(rows_of, st.integers(8, 60))
def test_association_follows_its_definitions(rows, universe):
    "Expected, lift, pmi and phi are those of exact fractions; phi is numpy's correlation of the memberships."
    groups = sets(rows)
    customers = sorted({c for _, c in rows})

    for row in overlap_pairs(frame(rows), universe=universe).itertuples():
        lift = Fraction(row.n_both * universe, row.n_a * row.n_b)
        assert row.expected == pytest.approx(float(Fraction(row.n_a * row.n_b, universe)))
        assert row.lift == pytest.approx(float(lift))
        assert row.pmi == (pytest.approx(log2(lift)) if lift else -inf)
        columns = [[c in groups[g] for c in customers] for g in (row.group_a, row.group_b)]
        columns = [column + [False] * (universe - len(customers)) for column in columns]
        if max(row.n_a, row.n_b) < universe:
            assert row.phi == pytest.approx(np.corrcoef(columns)[0, 1], abs=1e-12)
        else:
            assert isnan(row.phi)


@LAW
@given(rows_of, st.integers(8, 40))
def test_chances_are_exact_tails_of_the_hypergeometric_distribution(rows, universe):
    "p_over and p_under are the sums of exact fractions, p_over is scipy's, and they share the middle term."
    for row in overlap_pairs(frame(rows), universe=universe).itertuples():
        a, b = row.n_a, row.n_b
        term = [Fraction(comb(a, k) * comb(universe - a, b - k), comb(universe, b)) for k in range(min(a, b) + 1)]
        assert row.p_over == pytest.approx(float(sum(term[row.n_both :])), rel=1e-9)
        assert row.p_under == pytest.approx(float(sum(term[: row.n_both + 1])), rel=1e-9)
        assert row.p_over == pytest.approx(hypergeom.sf(row.n_both - 1, universe, a, b), rel=1e-9)


@LAW
@given(rows_of)
def test_q_is_benjamini_and_hochbergs(rows):
    "q of the i-th smallest p is the least m p / j over all j >= i, and never above 1."
    table = overlap_pairs(frame(rows), universe=30)
    p = sorted(table["p_over"])

    expected = [min([1.0, *(len(p) * p[j] / (j + 1) for j in range(i, len(p)))]) for i in range(len(p))]

    np.testing.assert_allclose(sorted(table["q_value"]), expected)


def test_chances_hold_among_a_million_customers():
    "Two groups that chance would bring together once in ages are told so, without a warning or a NaN."
    codes = Codes.from_codes(
        np.repeat([0, 1, 2], [30_000, 30_000, 10]),
        np.concatenate([np.arange(30_000), np.arange(20_000, 50_000), np.arange(10)]),
        group_uids=pd.Index(["a", "b", "c"], dtype="str"),
        group_names=pd.Index(["a", "b", "c"], dtype="str"),
        customer_uids=pd.RangeIndex(1_000_000).astype("str"),
    )

    table = overlap_pairs(codes, universe=5_000_000)

    assert table[ASSOCIATION].notna().all(axis=None)
    assert table["p_over"].between(0, 1).all() and table["p_under"].between(0, 1).all()
    assert table["p_over"][0] < 1e-300 and table["p_under"][0] > 0.999


@LAW
@given(rows_of, st.integers(0, 4))
def test_min_both_hides_rows_and_changes_no_number(rows, min_both):
    "The rows that stay are the rows of the whole table, q too."
    whole = overlap_pairs(frame(rows), universe=30)

    some = overlap_pairs(frame(rows), universe=30, min_both=min_both)

    pdt.assert_frame_equal(some, whole[whole["n_both"] >= min_both].reset_index(drop=True))


@FEW
@given(rows_of, st.randoms())
def test_order_repetition_and_dtype_do_not_matter(rows, random):
    "Shuffled, doubled, categorical, object or Arrow: the same overlap; and the frame stays as it was."
    mixed = [*rows, *rows]
    random.shuffle(mixed)
    once = frame(rows)
    before = once.copy(deep=True)

    expected = overlap_pairs(once)

    for other in [frame(mixed), once.astype("category"), once.astype(object), pa.Table.from_pandas(once)]:
        pdt.assert_frame_equal(overlap_pairs(other), expected)
        pdt.assert_frame_equal(intersections(other), intersections(once))
    pdt.assert_frame_equal(once, before)


@LAW
@given(rows_of, st.sampled_from([None, 30]))
def test_pairs_always_have_the_same_columns_and_dtypes(rows, universe):
    "An empty table has the columns and dtypes of a full one."
    assert overlap_pairs(frame(rows), universe=universe).dtypes.astype(str).to_dict() == PAIR_COLUMNS


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(0, 12), st.integers(0, 200), st.floats(0, 1))
def test_both_engines_count_alike(seed, n_groups, n_customers, density):
    "Pair counting, packed bits and a dense product of matrices agree."
    member = np.random.default_rng(seed).random((n_groups, n_customers)) < density
    group, customer = np.nonzero(member)
    uids = pd.Index([f"g{n:02d}" for n in range(n_groups)], dtype="str")
    codes = Codes.from_codes(
        group, customer, group_uids=uids, group_names=uids, customer_uids=pd.RangeIndex(n_customers)
    )

    expected = member.astype(int) @ member.T.astype(int)

    for count in (_count_pairs, _count_bits, pair_counts):
        assert count(codes).tolist() == expected.tolist()
        assert count(codes).dtype == np.int64


def test_a_group_without_a_member_has_no_ratio():
    "Where the denominator is 0 the measure is NaN, not 0 and not infinite; p is 1."
    groups = pd.DataFrame({"customer_group_uid": ["a", "b"], "name": ["A", "B"]})
    snapshot = snapshot_from_frames(frame([("a", "1")]), groups, tenant_uid="t", taken_at="2026-11-23")

    row = overlap_pairs(snapshot, universe=10).iloc[0]

    assert row["n_both"] == 0 and row["share_of_a"] == 0 and row["p_over"] == 1
    assert row[["share_of_b", "overlap_coefficient", "lift", "pmi", "phi"]].isna().all()


def test_groups_are_chosen_by_uid_or_name_and_shown_in_uid_order():
    "Names resolve, order and repetition of the choice do not matter, and labels may be names."
    chosen = overlap_matrix(sample_snapshot(), ["VIP", "all", "vip"], labels="name")

    assert list(chosen.index) == ["All members", "VIP"]
    assert chosen.index.name == chosen.columns.name == "name"
    assert overlap_pairs(sample_snapshot(), ["VIP", "all"])["name_b"].tolist() == ["VIP"]


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda s: overlap_matrix(s, measure="overlap"), "jaccard"),
        (lambda s: overlap_matrix(s, labels="names"), "'uid' nor 'name'"),
        (lambda s: overlap_matrix(s, measure="lift"), "Say it with universe="),
        (lambda s: overlap_matrix(s, measure="lift", universe=250), "250 is smaller than the 251 customers"),
        (lambda s: overlap_pairs(s, ["vip"], universe=250), "250 is smaller than the 251 customers"),
        (lambda s: overlap_pairs(s, universe=1e6), "whole number"),
        (lambda s: overlap_pairs(s, "vip"), r"\['vip'\]"),
        (lambda s: intersections(s, mode="both"), "'exclusive' nor 'inclusive'"),
        (lambda s: intersections(s, top=-1), "negative"),
        (lambda s: region_members(s, include="vip"), r"\['vip'\]"),
        (lambda s: region_members(s, include=["vip"], exclude="all"), r"\['all'\]"),
    ],
)
def test_what_cannot_be_right_is_refused_in_words(ask, words):
    "The error tells what came and what is allowed."
    with pytest.raises(InputError, match=words):
        ask(sample_snapshot())


def test_an_unknown_group_is_refused_with_close_matches():
    "A name that is nearly right is suggested."
    with pytest.raises(GroupNotFoundError) as caught:
        overlap_pairs(sample_snapshot(), ["VIPs"])

    assert "VIP" in caught.value.close


# Combinations


def exclusive_of(groups):
    seen = set().union(*groups.values())
    combination = [tuple(g for g in groups if c in groups[g]) for c in seen]
    return {c: combination.count(c) for c in set(combination)}


@LAW
@given(rows_of, st.none() | st.lists(st.sampled_from(GROUPS), unique=True))
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
@given(rows_of, st.integers(0, 6), st.sampled_from(["exclusive", "inclusive"]))
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
    assert (last["groups"], last["degree"]) == (("(other)",), 0)
    if mode == "exclusive":
        assert table["n"].sum() == whole["n"].sum()
    shown = [set.intersection(*(groups[g] for g in row)) for row in whole["groups"].iloc[:top]]
    if mode == "inclusive":
        assert last["n"] == len(set().union(*groups.values()) - set().union(*shown))


@LAW
@given(rows_of)
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
    expected = {"groups": "object", "degree": "int64", "n": "int64", "share": "float64"}
    memberships = sample_snapshot().memberships

    for data in (memberships, memberships[:0]):
        for mode in ("exclusive", "inclusive"):
            assert intersections(data, mode=mode).dtypes.astype(str).to_dict() == expected


def test_more_than_sixty_four_groups_are_told_apart():
    "Customers who differ only in the 70th group are in two rows."
    rows = [(f"g{n:02d}", c) for n in range(69) for c in "xy"] + [("g69", "y")]

    table = intersections(frame(rows))

    assert list(table["degree"]) == [69, 70]
    assert list(table["n"]) == [1, 1]


def test_too_many_combinations_are_refused_and_top_still_answers(monkeypatch):
    "One customer in 30 groups makes a thousand million sets: an error names top, and top=3 is quick."
    monkeypatch.setattr(import_module("frgroups.regions"), "_MOST_SETS", 1_000)
    rows = [(f"g{n:02d}", "x") for n in range(30)]

    with pytest.raises(InputError, match="top="):
        intersections(frame(rows), mode="inclusive")

    assert list(intersections(frame(rows), mode="inclusive", top=3)["n"]) == [1, 1, 1, 0]


@LAW
@given(rows_of, st.lists(st.sampled_from(GROUPS)), st.lists(st.sampled_from(GROUPS)))
def test_a_region_is_what_sets_say(rows, include, exclude):
    "Region members are in every included and in no excluded group, in uid order, as text."
    groups = sets(rows)
    include, exclude = ([g for g in names if g in groups] for names in (include, exclude))
    inside = set().union(*groups.values()).intersection(*(groups[g] for g in include))

    found = region_members(frame(rows), include=include, exclude=exclude)

    assert list(found) == sorted(inside.difference(*(groups[g] for g in exclude)))
    assert (found.name, str(found.dtype)) == ("customer_uid", "str")
