"""Find ids that are the beginning or the end of a known id, for example because a column was too narrow."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from frgroups.internals.typing import IntArray
from frgroups.snapshot.id_contents import LONG_ID, has_shape_of

_MIN_LENGTH = 3
_PADDED = "^[^0-9]*0[0-9]"


def find_cut_ids(unknown: Sequence[str], known: pa.Array) -> Iterator[tuple[int, int, str]]:
    """
    Find unknown ids that are the beginning or the end of a known id. Yield both positions and the kind of match.

    The kind of match is "the beginning" or "the end". An unknown id is skipped if a known id has the same shape,
    because the tenant then uses ids of this shape. An unknown id that can belong to an increasing series, such as
    "c-999" before "c-9990", is also skipped.

    Examples
    --------
    >>> known = pa.array(["fbe69722-0000-4000-8000-000000000001", "E100004"], type=pa.large_string())
    >>> sorted(find_cut_ids(["fbe69722", "100004", "E1000"], known))
    [(0, 0, 'the beginning'), (1, 1, 'the end')]
    """
    candidates = pd.Series([value for value in unknown if _can_be_cut(value)], dtype="str")
    if candidates.empty or not len(known):
        return
    candidates = candidates[~has_shape_of(candidates, pd.Series(known.to_pandas(), dtype="str"))]
    position_of = {value: n for n, value in enumerate(unknown)}
    for length, group in candidates.groupby(candidates.str.len()):
        texts = pa.array(group, type=known.type)
        for name in ("the beginning", "the end"):
            parts, positions = _parts_of_length(known, int(length), at_start=name == "the beginning")
            found = pc.index_in(texts, value_set=parts)
            for value, n in zip(group, found.to_pylist(), strict=True):
                if n is not None:
                    yield position_of[value], int(positions[n]), name


def _can_be_cut(value: str) -> bool:
    return len(value) >= _MIN_LENGTH and "@" not in value and re.search("[0-9]", value) is not None


def _parts_of_length(known: pa.Array, length: int, *, at_start: bool) -> tuple[pa.Array, IntArray]:
    """
    Return the first or last `length` characters of the longer known ids, and the positions of these known ids.

    A known id is omitted if shortening it to `length` characters would divide a number without leading zeros. The
    shorter number can be another id of the same series.
    """
    lengths = pc.utf8_length(known)
    start = length - 1 if at_start else -length - 1
    around_cut = pc.utf8_slice_codeunits(known, start, start + 2)
    is_in_number = pc.match_substring_regex(around_cut, "^[0-9]{2}$")
    has_fixed_length = pc.or_(pc.greater_equal(lengths, LONG_ID), pc.match_substring_regex(known, _PADDED))
    is_used = pc.and_(pc.greater(lengths, length), pc.or_(has_fixed_length, pc.invert(is_in_number)))
    positions = np.flatnonzero(is_used.to_numpy(zero_copy_only=False))
    longer = known.take(pa.array(positions))
    parts = pc.utf8_slice_codeunits(longer, 0, length) if at_start else pc.utf8_slice_codeunits(longer, -length)
    return parts, positions
