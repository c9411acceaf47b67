"""Few groups that together hold many customers: the greedy choice, on codes."""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt

from frgroups.codes import Codes

Whole = npt.NDArray[np.int64]


def greedy_cover(codes: Codes, target: float = 1.0) -> tuple[Whole, Whole]:
    """
    Groups in the order in which each adds the most customers who are in none before it, and how many it adds.

    It stops when the groups hold `target` of all customers that are in any group; a group that adds nobody is never
    taken. Of equal groups the first in uid order is. The greedy choice is not always the fewest groups: it takes at
    most ln(n) + 1 times as many (Chvátal 1979). What a group adds only falls as others are taken, so a group is
    counted again only when it comes to the front (Minoux 1978).

    >>> codes = sample_snapshot().codes
    >>> chosen, n_new = greedy_cover(codes)
    >>> list(codes.group_uids[chosen]), n_new.tolist()
    (['all', 'staff'], [250, 1])
    """
    free = np.ones(codes.n_customers, dtype=np.bool_)
    n_all = int(np.count_nonzero(np.bincount(codes.customer_code)))
    heap = [(-int(size), group) for group, size in enumerate(codes.sizes) if size]
    heapq.heapify(heap)
    chosen: list[tuple[int, int]] = []
    covered = 0
    while heap and covered / n_all < target:
        _, group = heapq.heappop(heap)
        members = codes.customer_code[codes.starts[group] : codes.starts[group + 1]]
        new = int(free[members].sum())
        if heap and (-new, group) > heap[0]:
            if new:
                heapq.heappush(heap, (-new, group))
        elif new:
            free[members] = False
            covered += new
            chosen.append((group, new))
    steps = np.array(chosen, dtype=np.int64).reshape(-1, 2)
    return steps[:, 0], steps[:, 1]
