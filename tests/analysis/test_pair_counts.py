"""Tests for the algorithms that count common members, which are compared with a matrix product."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frgroups.analysis import overlap as module
from frgroups.analysis.overlap import _faster_engine, _iter_blocks, pair_counts
from frgroups.snapshot.membership_matrix import MembershipMatrix

# Without a deadline, a slow machine does not cause failures.
PROPERTY = settings(deadline=None, max_examples=50)
ENGINES = ["pairs", "bits", None]


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


@PROPERTY
@given(st.integers(0, 2**32 - 1), st.integers(0, 12), st.integers(0, 200), st.floats(0, 1))
def test_engines_agree(seed, n_groups, n_customers, density):
    "Counting by customer pairs and counting with packed bits have the same result as a dense matrix product."
    is_member = np.random.default_rng(seed).random((n_groups, n_customers)) < density
    matrix = create_matrix(is_member)

    for engine in ENGINES:
        counts = pair_counts(matrix, engine)
        assert counts.dtype == np.int64
        np.testing.assert_array_equal(counts, matrix_product(is_member))


@PROPERTY
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
        results = [pair_counts(matrix, engine) for engine in ENGINES]

    for counts in results:
        np.testing.assert_array_equal(counts, matrix_product(is_member))


@pytest.mark.parametrize("engine", ENGINES)
def test_many_customers(engine):
    "Common members of groups with no, one, some, or all of 150,000 customers are counted without integer overflow."
    is_member = np.random.default_rng(1).random((12, 150_000)) < np.linspace(0, 0.6, 12)[:, None]
    is_member[[3, 5]] = True
    is_member[7] = np.arange(150_000) == 149_999
    matrix = create_matrix(is_member)

    np.testing.assert_array_equal(pair_counts(matrix, engine), matrix_product(is_member))


@pytest.mark.parametrize("engine", ENGINES)
def test_customer_in_many_groups(engine):
    "A customer in 700 groups is counted correctly."
    is_member = np.random.default_rng(2).random((700, 900)) < 0.002
    is_member[:, 17] = True
    matrix = create_matrix(is_member)

    np.testing.assert_array_equal(pair_counts(matrix, engine), matrix_product(is_member))


@pytest.mark.parametrize(("density", "expected"), [(0.01, "pairs"), (0.5, "bits")])
def test_engine_selection(density, expected):
    "Common members are counted by pairs if the groups are sparse, and with packed bits if they are dense."
    is_member = np.random.default_rng(3).random((100, 5_000)) < density
    (block,) = _iter_blocks(create_matrix(is_member))
    degree = np.bincount(block.customer, minlength=block.n_customers)

    assert _faster_engine(block, degree) == expected


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


def test_input_is_not_modified():
    "The membership matrix is not modified when common members are counted."
    matrix = create_matrix(np.random.default_rng(5).random((9, 500)) < 0.3)
    before = matrix.indptr.copy(), matrix.indices.copy()

    for engine in ENGINES:
        pair_counts(matrix, engine)

    np.testing.assert_array_equal(matrix.indptr, before[0])
    np.testing.assert_array_equal(matrix.indices, before[1])
