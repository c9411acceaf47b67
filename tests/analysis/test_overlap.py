"""Overlap against plain sets, exact fractions and scipy."""

from fractions import Fraction
from itertools import combinations
from math import inf, isnan, log2

import numpy as np
import pandas as pd
import pandas.testing as pdt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, hypergeom

from frgroups.analysis.intersections import intersections
from frgroups.analysis.overlap import overlap_matrix, overlap_pairs
from frgroups.errors import GroupNotFoundError, InputError
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames
from frgroups.snapshot.membership_matrix import MembershipMatrix

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
membership_rows = st.lists(st.tuples(st.sampled_from(GROUPS), st.sampled_from("pqrstuvw")), max_size=40)


def frame(rows):
    return pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")


def sets(rows):
    return {g: {c for h, c in rows if h == g} for g in sorted({g for g, _ in rows})}


@LAW
@given(membership_rows)
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
@given(membership_rows)
def test_a_matrix_has_the_sizes_on_its_diagonal_and_the_pairs_beside_it(rows):
    "The matrix of counts is that of plain sets."
    groups = sets(rows)

    matrix = overlap_matrix(frame(rows))

    expected = [[len(a & b) for b in groups.values()] for a in groups.values()]
    assert matrix.to_numpy().tolist() == expected
    assert list(matrix.index) == list(matrix.columns) == list(groups)


@LAW
@given(membership_rows, st.sampled_from(MEASURES))
def test_all_measures_but_share_are_symmetric(rows, measure):
    "A measure of two groups does not depend on which comes first, to the last bit; share is told by the row."
    matrix = overlap_matrix(frame(rows), measure=measure, universe=20)

    if measure != "share":
        np.testing.assert_array_equal(matrix, matrix.T)
    else:
        counts = overlap_matrix(frame(rows))
        np.testing.assert_allclose(matrix.mul(np.diag(counts), axis=0), counts)


@LAW
@given(membership_rows, st.integers(8, 60))
def test_matrix_and_pairs_tell_the_same(rows, universe):
    "Each measure of the matrix is the column of the pairs."
    pairs = overlap_pairs(frame(rows), universe=universe)

    for measure, column in [("count", "n_both"), ("share", "share_of_a"), *((m, m) for m in MEASURES if m in pairs)]:
        matrix = overlap_matrix(frame(rows), measure=measure, universe=universe)
        above = matrix.to_numpy()[np.triu_indices(len(matrix), 1)]
        np.testing.assert_array_equal(above, pairs[column])


@LAW
@given(membership_rows, st.integers(8, 60))
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
@given(membership_rows, st.integers(8, 40))
def test_chances_are_those_of_the_counts_in_the_row(rows, universe):
    "p_over and p_under are scipy's tails, and q_value its Benjamini-Hochberg over the p_over of all pairs."
    table = overlap_pairs(frame(rows), universe=universe)

    counts = universe, table["n_a"], table["n_b"]
    np.testing.assert_allclose(table["p_over"], hypergeom.sf(table["n_both"] - 1, *counts), rtol=1e-9)
    np.testing.assert_allclose(table["p_under"], hypergeom.cdf(table["n_both"], *counts), rtol=1e-9)
    np.testing.assert_allclose(table["q_value"], false_discovery_control(table["p_over"]), rtol=1e-9)


def test_chances_hold_among_a_million_customers():
    "Two groups that chance would bring together once in ages are told so, without a warning or a NaN."
    matrix = MembershipMatrix.from_codes(
        np.repeat([0, 1, 2], [30_000, 30_000, 10]),
        np.concatenate([np.arange(30_000), np.arange(20_000, 50_000), np.arange(10)]),
        group_uids=pd.Index(["a", "b", "c"], dtype="str"),
        group_names=pd.Index(["a", "b", "c"], dtype="str"),
        customer_uids=pd.RangeIndex(1_000_000).astype("str"),
    )

    table = overlap_pairs(matrix, universe=5_000_000)

    assert table[ASSOCIATION].notna().all(axis=None)
    assert table["p_over"].between(0, 1).all() and table["p_under"].between(0, 1).all()
    assert table["p_over"][0] < 1e-300 and table["p_under"][0] > 0.999


@LAW
@given(membership_rows, st.integers(0, 4))
def test_min_both_hides_rows_and_changes_no_number(rows, min_both):
    "The rows that stay are the rows of the whole table, q too."
    whole = overlap_pairs(frame(rows), universe=30)

    some = overlap_pairs(frame(rows), universe=30, min_both=min_both)

    pdt.assert_frame_equal(some, whole[whole["n_both"] >= min_both].reset_index(drop=True))


@FEW
@given(membership_rows, st.randoms())
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
@given(membership_rows, st.sampled_from([None, 30]))
def test_pairs_always_have_the_same_columns_and_dtypes(rows, universe):
    "An empty table has the columns and dtypes of a full one."
    assert overlap_pairs(frame(rows), universe=universe).dtypes.astype(str).to_dict() == PAIR_COLUMNS


@pytest.mark.parametrize("measure", ["lift", "phi", "pmi"])
def test_without_a_universe_there_is_no_association(measure):
    "Nothing is guessed: matrix and pairs are NaN, and the columns that need no universe are as with one."
    snapshot = sample_snapshot()

    pairs = overlap_pairs(snapshot)

    assert overlap_matrix(snapshot, measure=measure).isna().all(axis=None)
    assert pairs[ASSOCIATION].isna().all(axis=None)
    told = overlap_pairs(snapshot, universe=1_000)
    pdt.assert_frame_equal(pairs.drop(columns=ASSOCIATION), told.drop(columns=ASSOCIATION))


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
        (lambda s: overlap_matrix(s, measure="lift", universe=250), "250 is smaller than the 251 customers"),
        (lambda s: overlap_pairs(s, ["vip"], universe=250), "250 is smaller than the 251 customers"),
        (lambda s: overlap_pairs(s, universe=1e6), "must be an integer"),
        (lambda s: overlap_pairs(s, "vip"), r"\['vip'\]"),
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
