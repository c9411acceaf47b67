"""Sort many uids in a single call."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from frgroups.internals.typing import IndexArray, UInt64Array

_KEY_LENGTH = 8  # Number of bytes in a sort key.


def uid_order(uids: pa.Array) -> IndexArray:
    """
    Return the positions that sort uids by their UTF-8 bytes, which is also the order of their code points.

    The uids must have the Arrow type large_string and no missing values. For 1,000,000 UUIDs in random order, this
    function takes 0.2 s, compared with 0.7 s for `pyarrow.compute.sort_indices`.

    Examples
    --------
    >>> uid_order(pa.array(["c-2", "c-10", "c-1"], type=pa.large_string())).tolist()
    [2, 1, 0]
    """
    if len(uids) < 2 or pc.all(pc.less_equal(uids[:-1], uids[1:])).as_py():
        return np.arange(len(uids), dtype=np.intp)
    keys = _sort_keys(uids)
    order = np.argsort(keys, kind="stable")
    is_equal = keys[order[1:]] == keys[order[:-1]]
    is_tied = np.append(is_equal, False) | np.insert(is_equal, 0, False)
    if is_tied.any():
        # The keys contain only the first bytes of the uids.
        # Uids with different keys are already in order.
        # Uids with equal keys are sorted here by all bytes, which does not change their order relative to the other
        # uids.
        tied = order[is_tied]
        order[is_tied] = tied[np.asarray(pc.sort_indices(uids.take(pa.array(tied))), dtype=np.intp)]
    return order


def _sort_keys(uids: pa.Array) -> UInt64Array:
    """Return the eight bytes of each uid after the prefix that all uids share, as an integer padded with 0."""
    offsets = np.frombuffer(uids.buffers()[1], dtype=np.int64)[uids.offset : uids.offset + len(uids) + 1]
    data = np.frombuffer(uids.buffers()[2] or b"", dtype=np.uint8)
    starts, ends = offsets[:-1], offsets[1:]
    shortest = int((ends - starts).min())
    prefix = 0
    while prefix < shortest and (data[starts + prefix] == data[starts[0] + prefix]).all():
        prefix += 1
    keys = np.zeros(len(uids), dtype=np.uint64)
    for position in range(prefix, prefix + _KEY_LENGTH):
        keys <<= np.uint64(8)
        if position < shortest:
            keys |= data[starts + position]
        else:
            is_present = starts + position < ends
            keys[is_present] |= data[(starts + position)[is_present]]
    return keys
