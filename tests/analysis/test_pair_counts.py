"""Tests for the algorithms that count common members, which are compared with a matrix product."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pandas as pd
import pandas.testing as pdt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.analysis import pair_counts as module
from frgroups.analysis.clusters import group_clusters
from frgroups.analysis.duplicates import duplicate_groups, subset_groups
from frgroups.analysis.health import health_report
from frgroups.analysis.overlap import overlap_matrix, overlap_pairs
from frgroups.analysis.pair_counts import _faster_method, _iter_blocks, iter_common_pairs, pair_counts
from frgroups.errors import InputError
from frgroups.snapshot.from_frames import snapshot_from_frames
from frgroups.snapshot.membership_matrix import MembershipMatrix

# Without a deadline, a slow machine does not cause failures.
METHODS = ["pairs", "bits", None]


def create_matrix(is_member):
    """Return a membership matrix from a boolean array with a row per group and a column per customer."""
    group, customer = np.nonzero(is_member)
    uids = pd.Index([f"g{n:04d}" for n in range(len(is_member))], dtype="str")
    return MembershipMatrix.from_codes(
        group, customer, group_uids=uids, group_names=uids, customer_uids=pd.RangeIndex(is_member.shape[1])
    )


def matrix_product(is_member):
    """Return the numbers of common members as a matrix product, which is exact for integers of this size."""
    table = is_member.astype(np.float64)
    return (table @ table.T).astype(np.int64)


@given(st.integers(0, 2**32 - 1), st.integers(0, 12), st.integers(0, 200), st.floats(0, 1))
def test_methods_agree(seed, n_groups, n_customers, density):
    "Counting by customer pairs and counting with packed bits have the same result as a dense matrix product."
    is_member = np.random.default_rng(seed).random((n_groups, n_customers)) < density
    matrix = create_matrix(is_member)

    for method in METHODS:
        counts = pair_counts(matrix, method)
        assert counts.dtype == np.int64
        np.testing.assert_array_equal(counts, matrix_product(is_member))


@given(st.integers(0, 2**32 - 1), st.integers(1, 70), st.integers(1, 9), st.integers(1, 4))
def test_block_sizes(seed, block, chunk_size, chunk_words):
    "The numbers of common members do not depend on the block and chunk sizes of the algorithms."
    rng = np.random.default_rng(seed)
    is_member = rng.random((7, 300)) < rng.random((7, 1))
    matrix = create_matrix(is_member)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_MAX_BLOCK_CUSTOMERS", block)
        patch.setattr(module, "_CHUNK_SIZE", chunk_size)
        patch.setattr(module, "_CHUNK_WORDS", chunk_words)
        results = [pair_counts(matrix, method) for method in METHODS]

    for counts in results:
        np.testing.assert_array_equal(counts, matrix_product(is_member))


@pytest.mark.parametrize("method", METHODS)
def test_many_customers(method):
    "The common members of groups with 0 to 150,000 customers are counted without integer overflow."
    is_member = np.random.default_rng(1).random((12, 150_000)) < np.linspace(0, 0.6, 12)[:, None]
    is_member[[3, 5]] = True
    is_member[7] = np.arange(150_000) == 149_999
    matrix = create_matrix(is_member)

    np.testing.assert_array_equal(pair_counts(matrix, method), matrix_product(is_member))


@pytest.mark.parametrize("method", METHODS)
def test_customer_in_many_groups(method):
    "A customer in 700 groups is counted correctly."
    is_member = np.random.default_rng(2).random((700, 900)) < 0.002
    is_member[:, 17] = True
    matrix = create_matrix(is_member)

    np.testing.assert_array_equal(pair_counts(matrix, method), matrix_product(is_member))


@pytest.mark.parametrize(("density", "expected"), [(0.01, "pairs"), (0.5, "bits")])
def test_method_selection(density, expected):
    "Common members are counted by pairs if the groups are sparse, and with packed bits if they are dense."
    is_member = np.random.default_rng(3).random((100, 5_000)) < density
    matrix = create_matrix(is_member)
    (block,) = _iter_blocks([matrix.row(group) for group in range(100)], matrix.n_customers)
    degree = np.bincount(block.customer, minlength=block.n_customers)

    assert _faster_method(block, degree) == expected


def test_peak_memory():
    "Counting more than 40 million pairs requires less than 100 MB, although an array of all pairs would need 350 MB."
    rng = np.random.default_rng(4)
    matrix = create_matrix(rng.random((300, 100_000)) < 0.1)
    degree = np.bincount(matrix.indices).astype(np.int64)
    assert (degree * (degree - 1) // 2).sum() > 40_000_000

    tracemalloc.start()
    pair_counts(matrix, "pairs")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 100e6


@pytest.fixture
def small_blocks(monkeypatch):
    """Set small limits, so that a few dozen groups are counted in many blocks."""
    monkeypatch.setattr(module, "_MAX_TABLE_GROUPS", 0)
    monkeypatch.setattr(module, "_MAX_BLOCK_COUNTERS", 40)
    monkeypatch.setattr(module, "_MAX_BLOCK_PAIRS", 30)


def create_snapshot(is_member):
    """Return a snapshot from a boolean array. Each group occurs three times."""
    group, customer = np.nonzero(np.tile(is_member, (3, 1)))
    uids = [f"g{n:03d}" for n in range(3 * len(is_member))]
    rows = pd.DataFrame({"customer_group_uid": [uids[n] for n in group], "customer_uid": [f"c{n}" for n in customer]})
    groups = pd.DataFrame({"customer_group_uid": uids, "name": uids})
    return snapshot_from_frames(rows.astype("str"), groups, tenant_uid="t", taken_at="2026-11-23")


@given(st.integers(0, 2**32 - 1), st.integers(0, 30), st.integers(0, 90), st.floats(0, 1), st.data())
def test_common_pairs(seed, n_groups, n_customers, density, data):
    "The blocks contain each pair with common customers once, in order, and do not split the pairs of a group."
    is_member = np.random.default_rng(seed).random((n_groups, n_customers)) < density
    expected = np.triu(matrix_product(is_member), 1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_MAX_TABLE_GROUPS", data.draw(st.sampled_from([0, 4096])))
        patch.setattr(module, "_MAX_BLOCK_COUNTERS", data.draw(st.sampled_from([1, 50, 500])))
        patch.setattr(module, "_MAX_BLOCK_PAIRS", data.draw(st.sampled_from([1, 20, 400])))
        blocks = list(iter_common_pairs(create_matrix(is_member), data.draw(st.sampled_from(METHODS))))

    a, b, n_both = (np.concatenate([[], *values]) for values in zip(*blocks, strict=True)) if blocks else ([], [], [])
    rows, columns = np.nonzero(expected)
    assert list(a) == list(rows) and list(b) == list(columns)
    assert list(n_both) == list(expected[rows, columns])
    assert all(first.a.max(initial=-1) < last.a.min(initial=n_groups) for first, last in pairwise(blocks))


@pytest.mark.parametrize("density", [0.02, 0.2, 0.7])
def test_results_do_not_depend_on_blocks(density, small_blocks):
    "The results do not change if the pairs of groups are counted in many blocks."
    snapshot = create_snapshot(np.random.default_rng(6).random((12, 60)) < density)
    functions = [
        lambda: overlap_pairs(snapshot, min_both=1),
        lambda: overlap_pairs(snapshot, min_both=1, universe=100),
        lambda: overlap_pairs(snapshot, min_both=3, universe=100),
        lambda: duplicate_groups(snapshot, min_jaccard=0.3),
        lambda: subset_groups(snapshot, min_share=0.7),
        lambda: health_report(snapshot, min_jaccard=0.5),
        lambda: group_clusters(snapshot),
    ]
    in_blocks = [function() for function in functions]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_MAX_TABLE_GROUPS", 4096)
        for function, table in zip(functions, in_blocks, strict=True):
            pdt.assert_frame_equal(function(), table)


def test_memory_of_many_groups():
    "The tables of 5,000 small groups need less than 40 MB, although a counter for each pair would need 100 MB."
    members = np.random.default_rng(7).integers(0, 5_000, 25_000)
    uids = pd.Index([f"g{n:04d}" for n in range(5_000)], dtype="str")
    matrix = MembershipMatrix.from_codes(
        np.repeat(np.arange(5_000), 5), members, group_uids=uids, group_names=uids, customer_uids=uids
    )

    tracemalloc.start()
    n_pairs = len(overlap_pairs(matrix, min_both=1, universe=10_000))
    duplicate_groups(matrix, min_jaccard=0.1)
    subset_groups(matrix, min_share=0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert n_pairs > 50_000
    assert peak < 40e6


def test_health_report_of_equal_groups(monkeypatch):
    "If all groups have the same members, the health report counts no pairs, and each copy is reported once."
    counted = []
    original = module.iter_common_pairs
    monkeypatch.setattr(
        "frgroups.analysis.redundant_groups.iter_common_pairs",
        lambda matrix: counted.append(matrix.n_groups) or original(matrix),
    )

    report = health_report(create_snapshot(np.ones((20, 6), dtype=bool)))

    assert counted == [1]
    assert report["finding"].tolist() == ["duplicate"] * 59
    assert set(report["other_group_uid"]) == {"g000"}


def test_many_near_duplicates(monkeypatch):
    "If there are too many near duplicates, the report contains one pair per group and the number of other pairs."
    is_member = np.ones((9, 30), dtype=bool)
    is_member[np.arange(9), np.arange(9)] = False
    snapshot = create_snapshot(is_member)
    complete = health_report(snapshot)
    monkeypatch.setattr("frgroups.analysis.redundant_groups._MAX_NEAR_DUPLICATES", 10)

    report = health_report(snapshot)

    near = report[report["finding"] == "near_duplicate"]
    assert (complete["finding"] == "near_duplicate").sum() == 36
    assert near["customer_group_uid"].tolist() == [f"g{n:03d}" for n in range(8)]
    assert near["evidence"].str.contains("Number of other near duplicates of g000: 7")[near.index[0]]


@pytest.mark.parametrize(
    ("call", "size", "alternative"),
    [
        (lambda m: overlap_matrix(m), "12 kB", "overlap_pairs"),
        (lambda m: overlap_matrix(m, measure="jaccard"), "12 kB", "overlap_pairs"),
        (lambda m: overlap_pairs(m), "121 kB", "min_both=1"),
        (lambda m: overlap_pairs(m, min_both=1), "121 kB", "min_both"),
        (lambda m: overlap_pairs(m, min_both=2, universe=90), "67 kB", "universe"),
        (lambda m: duplicate_groups(m, min_jaccard=0.1), "59 kB", "min_jaccard"),
        (lambda m: subset_groups(m, min_share=0.1), "118 kB", "min_share"),
    ],
)
def test_result_too_large(call, size, alternative, monkeypatch):
    "If a result would need too much memory, the error states the required memory, the limit, and an alternative."
    is_member = np.ones((38, 60), dtype=bool)
    is_member[np.arange(38), np.arange(38)] = False
    matrix = create_matrix(is_member)
    call(matrix)
    monkeypatch.setattr(module, "MAX_RESULT_BYTES", 10_000)

    with pytest.raises(InputError, match=alternative) as caught:
        call(matrix)

    assert "10 kB" in str(caught.value)
    assert size in str(caught.value)


def test_matrix_is_checked_before_allocation():
    "The size of a matrix of 100,000 groups is checked before the groups are counted."
    uids = pd.RangeIndex(100_000).astype("str")
    matrix = MembershipMatrix.from_codes(
        np.arange(5), np.arange(5), group_uids=uids, group_names=uids, customer_uids=uids
    )

    with pytest.raises(InputError, match=r"100,000 groups needs 80\.0 GB"):
        overlap_matrix(matrix)
    with pytest.raises(InputError, match=r"all pairs of 100,000 groups needs 8\d\d\.\d GB"):
        overlap_pairs(matrix)
    assert overlap_pairs(matrix, min_both=1).empty


def test_input_is_not_modified():
    "pair_counts does not modify the membership matrix."
    matrix = create_matrix(np.random.default_rng(5).random((9, 500)) < 0.3)
    before = matrix.indptr.copy(), matrix.indices.copy()

    for method in METHODS:
        pair_counts(matrix, method)

    np.testing.assert_array_equal(matrix.indptr, before[0])
    np.testing.assert_array_equal(matrix.indices, before[1])
