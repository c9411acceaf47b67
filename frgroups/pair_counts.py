"""How many customers each two groups share: counted from codes, never by a self-merge, the faster way of two."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from frgroups.codes import Codes

Counts = npt.NDArray[np.int64]


def pair_counts(codes: Codes) -> Counts:
    """How many customers each two groups share; their sizes on the diagonal."""
    n_groups_of = np.bincount(codes.customer_code, minlength=1).astype(float)
    # Predicted nanoseconds; the constants were measured.
    pairs = 40 * len(codes) + 6 * float(n_groups_of @ n_groups_of)
    bits = 10 * len(codes) + 1.3 * codes.n_groups**2 / 2 * codes.n_customers / 64
    return _count_pairs(codes) if pairs <= bits else _count_bits(codes)


def _count_pairs(codes: Codes) -> Counts:
    """For sparse memberships: each customer's groups with one another, k (k - 1) / 2 pairs for k groups."""
    n_groups = codes.n_groups
    keys = np.sort(codes.customer_code.astype(np.int64) * n_groups + codes.group_code)
    customer, group = np.divmod(keys, max(n_groups, 1))
    customer = np.append(customer, -1)  # so that one look past the end finds another customer
    counts = np.zeros(n_groups * n_groups, dtype=np.int64)
    pending: list[Counts] = []
    at, ahead = np.arange(len(keys)), 1
    while len(at := at[customer[at + ahead] == customer[at]]):
        pending.append(group[at] * n_groups + group[at + ahead])
        ahead += 1
        # Few customers are in very many groups; their pairs wait for each other.
        if sum(map(len, pending)) > len(counts):
            counts += np.bincount(np.concatenate(pending), minlength=len(counts))
            pending.clear()
    if pending:
        counts += np.bincount(np.concatenate(pending), minlength=len(counts))
    upper = counts.reshape(n_groups, n_groups)
    return np.asarray(upper + upper.T + np.diag(codes.sizes))


def _count_bits(codes: Codes) -> Counts:
    """For groups that hold a large part of the customers: one bit per customer, 64 compared at a time."""
    words = -(-codes.n_customers // 64)
    bits = np.zeros((codes.n_groups, words), dtype=np.uint64)
    for group in range(codes.n_groups):
        row = np.zeros(words * 64, dtype=np.bool_)
        row[codes.customer_code[codes.starts[group] : codes.starts[group + 1]]] = True
        bits[group] = np.packbits(row).view(np.uint64)
    counts = np.zeros((codes.n_groups, codes.n_groups), dtype=np.int64)
    step = max(64, 2**17 // max(codes.n_groups, 1))  # what is compared at once stays in the cache
    for start in range(0, words, step):
        block = bits[:, start : start + step]
        for group in range(codes.n_groups):
            counts[group, group:] += np.bitwise_count(block[group:] & block[group]).sum(axis=1, dtype=np.int64)
    return np.asarray(np.triu(counts) + np.triu(counts, k=1).T)
