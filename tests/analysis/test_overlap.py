"""Tests for overlap measures, which are compared with Python sets, exact fractions, and scipy."""

from fractions import Fraction
from itertools import combinations
from math import inf, isnan, log2

import numpy as np
import pandas as pd
import pandas.testing as pdt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, hypergeom

from frgroups.analysis.intersections import intersections
from frgroups.analysis.overlap import overlap_matrix, overlap_pairs
from frgroups.errors import GroupNotFoundError, InputError
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames
from frgroups.snapshot.membership_matrix import MembershipMatrix
from tests.examples import at_most

# Without a deadline, a slow machine does not cause failures.
SLOW_PROPERTY = at_most(25)
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


def create_table(rows):
    """Return a table of memberships from pairs of group uid and customer uid."""
    return pd.DataFrame(rows, columns=["customer_group_uid", "customer_uid"], dtype="str")


def members_by_group(rows):
    """Return a dictionary from group uid to the set of its customer uids."""
    return {g: {c for h, c in rows if h == g} for g in sorted({g for g, _ in rows})}


@given(membership_rows)
def test_overlap_pairs(rows):
    "The table contains each pair of groups once, sorted by uid. Its counts equal those computed with Python sets."
    groups = members_by_group(rows)

    table = overlap_pairs(create_table(rows))

    assert list(zip(table["group_a"], table["group_b"], strict=True)) == list(combinations(groups, 2))
    for row in table.itertuples():
        a, b = groups[row.group_a], groups[row.group_b]
        assert (row.n_a, row.n_b, row.n_both, row.n_either) == (len(a), len(b), len(a & b), len(a | b))
        assert row.jaccard == len(a & b) / len(a | b)
        assert row.overlap_coefficient == len(a & b) / min(len(a), len(b))
        assert round(row.share_of_a * row.n_a) == round(row.share_of_b * row.n_b) == row.n_both
    assert table[ASSOCIATION].isna().all(axis=None)


@given(membership_rows)
def test_count_matrix(rows):
    "The count matrix contains group sizes on its diagonal and numbers of common members in all other cells."
    groups = members_by_group(rows)

    matrix = overlap_matrix(create_table(rows))

    expected = [[len(a & b) for b in groups.values()] for a in groups.values()]
    assert matrix.to_numpy().tolist() == expected
    assert list(matrix.index) == list(matrix.columns) == list(groups)


@given(membership_rows, st.sampled_from(MEASURES))
def test_symmetry(rows, measure):
    "All measures except share are exactly symmetric, and share is relative to the size of the group in the row."
    matrix = overlap_matrix(create_table(rows), measure=measure, universe=20)

    if measure != "share":
        np.testing.assert_array_equal(matrix, matrix.T)
    else:
        counts = overlap_matrix(create_table(rows))
        np.testing.assert_allclose(matrix.mul(np.diag(counts), axis=0), counts)


@given(membership_rows, st.integers(8, 60))
def test_matrix_equals_pairs(rows, universe):
    "The matrix of each measure contains the same values as the measure's column in the table of pairs."
    pairs = overlap_pairs(create_table(rows), universe=universe)

    for measure, column in [("count", "n_both"), ("share", "share_of_a"), *((m, m) for m in MEASURES if m in pairs)]:
        matrix = overlap_matrix(create_table(rows), measure=measure, universe=universe)
        above = matrix.to_numpy()[np.triu_indices(len(matrix), 1)]
        np.testing.assert_array_equal(above, pairs[column])


@given(membership_rows, st.integers(8, 60))
def test_association_measures(rows, universe):
    "The values of expected, lift, and pmi are equal to exact fractions, and phi is equal to NumPy's correlation."
    groups = members_by_group(rows)
    customers = sorted({c for _, c in rows})

    for row in overlap_pairs(create_table(rows), universe=universe).itertuples():
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


@given(membership_rows, st.integers(8, 40))
def test_p_values_like_scipy(rows, universe):
    "The p-values are hypergeometric tail probabilities, and the q-values are their Benjamini-Hochberg adjustments."
    table = overlap_pairs(create_table(rows), universe=universe)

    counts = universe, table["n_a"], table["n_b"]
    np.testing.assert_allclose(table["p_over"], hypergeom.sf(table["n_both"] - 1, *counts), rtol=1e-9)
    np.testing.assert_allclose(table["p_under"], hypergeom.cdf(table["n_both"], *counts), rtol=1e-9)
    np.testing.assert_allclose(table["q_value"], false_discovery_control(table["p_over"]), rtol=1e-9)


def test_p_values_of_large_groups():
    "For large groups, the p-values of overlaps are computed without warnings and are never NaN."
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


@given(membership_rows, st.integers(0, 4))
def test_min_both(rows, min_both):
    "The option min_both removes rows but does not change any value in the other rows, including the q-values."
    all_pairs = overlap_pairs(create_table(rows), universe=30)

    selected_pairs = overlap_pairs(create_table(rows), universe=30, min_both=min_both)

    pdt.assert_frame_equal(selected_pairs, all_pairs[all_pairs["n_both"] >= min_both].reset_index(drop=True))


@SLOW_PROPERTY
@given(membership_rows, st.randoms())
def test_table_types(rows, random):
    "The overlaps do not depend on row order, repeated rows, or dtype, and the input is not modified."
    mixed = [*rows, *rows]
    random.shuffle(mixed)
    table = create_table(rows)
    before = table.copy(deep=True)

    expected = overlap_pairs(table)

    for other in [create_table(mixed), table.astype("category"), table.astype(object), pa.Table.from_pandas(table)]:
        pdt.assert_frame_equal(overlap_pairs(other), expected)
        pdt.assert_frame_equal(intersections(other), intersections(table))
    pdt.assert_frame_equal(table, before)


@given(membership_rows, st.sampled_from([None, 30]))
def test_columns_and_dtypes(rows, universe):
    "The columns and dtypes of the overlap table do not depend on the number of rows."
    assert overlap_pairs(create_table(rows), universe=universe).dtypes.astype(str).to_dict() == PAIR_COLUMNS


@pytest.mark.parametrize("measure", ["lift", "phi", "pmi"])
def test_without_universe(measure):
    "If no universe is passed, association measures are NaN, and the other columns do not change."
    snapshot = sample_snapshot()

    pairs = overlap_pairs(snapshot)

    assert overlap_matrix(snapshot, measure=measure).isna().all(axis=None)
    assert pairs[ASSOCIATION].isna().all(axis=None)
    with_universe = overlap_pairs(snapshot, universe=1_000)
    pdt.assert_frame_equal(pairs.drop(columns=ASSOCIATION), with_universe.drop(columns=ASSOCIATION))


def test_empty_group():
    "Overlap measures whose denominator is 0 are NaN, and their p-value is 1."
    groups = pd.DataFrame({"customer_group_uid": ["a", "b"], "name": ["A", "B"]})
    snapshot = snapshot_from_frames(create_table([("a", "1")]), groups, tenant_uid="t", taken_at="2026-11-23")

    row = overlap_pairs(snapshot, universe=10).iloc[0]

    assert row["n_both"] == 0 and row["share_of_a"] == 0 and row["p_over"] == 1
    assert row[["share_of_b", "overlap_coefficient", "lift", "pmi", "phi"]].isna().all()


def test_group_selection():
    "The groups of a matrix can be selected by uid or name in any order, and the labels can be group names."
    chosen = overlap_matrix(sample_snapshot(), ["VIP", "all", "vip"], labels="name")

    assert list(chosen.index) == ["All members", "VIP"]
    assert chosen.index.name == chosen.columns.name == "name"
    assert overlap_pairs(sample_snapshot(), ["VIP", "all"])["name_b"].tolist() == ["VIP"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: overlap_matrix(s, measure="overlap"), ["measure", "'overlap'", "jaccard"]),
        (lambda s: overlap_matrix(s, labels="names"), ["labels", "'names'", "'uid'", "'name'"]),
        (lambda s: overlap_matrix(s, measure="lift", universe=250), ["`universe`", "250", "251"]),
        (lambda s: overlap_pairs(s, ["vip"], universe=250), ["`universe`", "250", "251"]),
        (lambda s: overlap_pairs(s, universe=1e6), ["`universe`", "1000000.0"]),
        (lambda s: overlap_pairs(s, "vip"), ["`groups`", "'vip'"]),
    ],
)
def test_invalid_arguments(call, words):
    "The error for an invalid argument contains the argument's name and value."
    with pytest.raises(InputError) as caught:
        call(sample_snapshot())

    assert all(word in str(caught.value) for word in words)


def test_unknown_group():
    "The error for an unknown group suggests similar names."
    with pytest.raises(GroupNotFoundError) as caught:
        overlap_pairs(sample_snapshot(), ["VIPs"])

    assert "VIP" in caught.value.close
