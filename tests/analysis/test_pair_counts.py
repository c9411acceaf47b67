"""Customers that each two groups share: both engines against a product of matrices, across blocks too."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frgroups.analysis import overlap as module
from frgroups.analysis.overlap import _faster_engine, _iter_blocks, pair_counts
from frgroups.snapshot.membership_matrix import MembershipMatrix

# No deadline: a busy machine is no failure.
LAW = settings(deadline=None, max_examples=50)
ENGINES = ["pairs", "bits", None]


def matrix_of(member):
    """Codes of a matrix of groups by customers."""
    group, customer = np.nonzero(member)
    uids = pd.Index([f"g{n:04d}" for n in range(len(member))], dtype="str")
    return MembershipMatrix.from_codes(
        group, customer, group_uids=uids, group_names=uids, customer_uids=pd.RangeIndex(member.shape[1])
    )


def product(member):
    """The counts as a product of matrices; whole numbers are exact in doubles."""
    table = member.astype(np.float64)
    return (table @ table.T).astype(np.int64)


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(0, 12), st.integers(0, 200), st.floats(0, 1))
def test_both_engines_count_alike(seed, n_groups, n_customers, density):
    "Pair counting, packed bits and a dense product of matrices agree."
    member = np.random.default_rng(seed).random((n_groups, n_customers)) < density
    matrix = matrix_of(member)

    for engine in ENGINES:
        counts = pair_counts(matrix, engine)
        assert counts.dtype == np.int64
        np.testing.assert_array_equal(counts, product(member))


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(1, 70), st.integers(1, 9), st.integers(1, 4))
def test_where_blocks_end_does_not_matter(seed, block, at_once, words):
    "However few customers, pairs and words are taken at once, the counts are the same."
    rng = np.random.default_rng(seed)
    member = rng.random((7, 300)) < rng.random((7, 1))
    matrix = matrix_of(member)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_MAX_BLOCK_CUSTOMERS", block)
        patch.setattr(module, "_CHUNK_SIZE", at_once)
        patch.setattr(module, "_CHUNK_WORDS", words)
        found = [pair_counts(matrix, engine) for engine in ENGINES]

    for counts in found:
        np.testing.assert_array_equal(counts, product(member))


@pytest.mark.parametrize("engine", ENGINES)
def test_many_customers_are_counted_in_many_blocks(engine):
    "Groups of everybody, of one and of nobody among 150,000 customers: no number outgrows its place."
    member = np.random.default_rng(1).random((12, 150_000)) < np.linspace(0, 0.6, 12)[:, None]
    member[[3, 5]] = True
    member[7] = np.arange(150_000) == 149_999
    matrix = matrix_of(member)

    np.testing.assert_array_equal(pair_counts(matrix, engine), product(member))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_customer_may_be_in_hundreds_of_groups(engine):
    "One in 700 groups beside many in one or two are counted as any other."
    member = np.random.default_rng(2).random((700, 900)) < 0.002
    member[:, 17] = True
    matrix = matrix_of(member)

    np.testing.assert_array_equal(pair_counts(matrix, engine), product(member))


@pytest.mark.parametrize(("density", "expected"), [(0.01, "pairs"), (0.5, "bits")])
def test_the_engine_is_chosen_by_how_full_the_groups_are(density, expected):
    "Groups that hold few of the customers are counted by pairs, those that hold half of them by bits."
    member = np.random.default_rng(3).random((100, 5_000)) < density
    (block,) = _iter_blocks(matrix_of(member))
    degree = np.bincount(block.customer, minlength=block.n_customers)

    assert _faster_engine(block, degree) == expected


def test_memory_does_not_grow_with_the_pairs():
    "Forty-odd million pairs, 350 MB if they were held at once, are counted in less than 100 MB."
    rng = np.random.default_rng(4)
    matrix = matrix_of(rng.random((300, 100_000)) < 0.1)
    degree = np.bincount(matrix.indices).astype(np.int64)
    assert (degree * (degree - 1) // 2).sum() > 40_000_000

    tracemalloc.start()
    pair_counts(matrix, "pairs")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 100e6


def test_the_codes_stay_as_they_were():
    "Counting writes into nothing that it was given."
    matrix = matrix_of(np.random.default_rng(5).random((9, 500)) < 0.3)
    before = matrix.indptr.copy(), matrix.indices.copy()

    for engine in ENGINES:
        pair_counts(matrix, engine)

    np.testing.assert_array_equal(matrix.indptr, before[0])
    np.testing.assert_array_equal(matrix.indices, before[1])
