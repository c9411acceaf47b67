"""All customer uids of a snapshot as one Arrow array, to look texts up in and to hold members of groups as codes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from frgroups.api.schema.codec import UID
from frgroups.internals.checksummed_json import canonical_json
from frgroups.internals.typing import BoolArray, Int32Array
from frgroups.snapshot.membership_matrix import to_string_array
from frgroups.snapshot.uid_lookup import lookup_positions


class UidTable:
    """Unique uids in uid order: the code of a uid is its place."""

    def __init__(self, uids: pd.Index) -> None:
        self.texts = to_string_array(uids)

    def __len__(self) -> int:
        return len(self.texts)

    def as_membership_matrix(self, texts: pa.ChunkedArray) -> Int32Array:
        """The code of each of these uids, -1 for those that are not here."""
        return lookup_positions(texts, self.texts)

    def codes_of_lists(self, lists: Iterable[Sequence[str]]) -> Int32Array:
        """The same of the uids of several lists, one after the other."""
        texts = [pa.array(uids, type=pa.large_string()) for uids in lists]
        return self.as_membership_matrix(pa.chunked_array(texts, type=pa.large_string()))

    def take(self, codes: npt.NDArray[Any]) -> list[str]:
        """The uids of these codes."""
        return list(self.texts.take(pa.array(codes)).to_pylist())

    @cached_property
    def odd(self) -> BoolArray | None:
        """Which uids the API does not take; None when it takes them all, as those that it gave."""
        mask = odd_ones(self.texts)
        return mask if mask.any() else None

    @cached_property
    def _json(self) -> pa.Array:
        """Each uid as JSON writes it in a list, the comma behind it."""
        parts = [pa.scalar(text, type=pa.large_string()) for text in ('"', '",', "")]
        quoted = pc.binary_join_element_wise(parts[0], self.texts, *parts[1:]).cast(pa.large_binary())
        if self.odd is None:
            return quoted
        escaped = [f"{canonical_json(uid)},".encode() for uid in self.take(np.flatnonzero(self.odd))]
        return pc.replace_with_mask(quoted, pa.array(self.odd), pa.array(escaped, type=pa.large_binary()))

    def sha256(self, codes: Int32Array) -> str:
        """The SHA-256 of the canonical JSON of the list of these uids; the text is never made whole."""
        digest = hashlib.sha256(b"[")
        taken = self._json.take(pa.array(codes))
        if len(taken):  # What was taken stands side by side in one buffer, which is the text.
            _, ends, text = taken.buffers()
            digest.update(memoryview(text)[: np.frombuffer(ends, dtype=np.int64)[len(taken)] - 1])
        digest.update(b"]")
        return digest.hexdigest()


class CodedUids(Sequence[str]):
    """
    Uids of a table as a sequence that is kept as codes: each look at a uid makes its text anew.

    >>> uids = CodedUids(UidTable(pd.Index(["a", "b", "c"], dtype="str")), np.array([0, 2], dtype=np.int32))
    >>> len(uids), list(uids), uids == ("a", "c")
    (2, ['a', 'c'], True)
    """

    def __init__(self, table: UidTable, codes: Int32Array) -> None:
        self.table = table
        self.codes = codes

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[str]:
        return iter(self.table.take(self.codes))

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[str, ...]: ...
    def __getitem__(self, place: int | slice) -> str | tuple[str, ...]:
        if isinstance(place, slice):
            return tuple(self.table.take(self.codes[place]))
        return self.table.take(self.codes[[place]])[0]

    def __contains__(self, uid: object) -> bool:
        return uid in list(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self):,} uids>"

    def odd(self) -> list[str]:
        """Those that the API does not take: what stands for a forgotten customer is among them."""
        return [] if self.table.odd is None else self.table.take(self.codes[self.table.odd[self.codes]])

    def sha256(self) -> str:
        """The SHA-256 of the canonical JSON of the list."""
        return self.table.sha256(self.codes)


def odd_ones(texts: pa.Array | pa.ChunkedArray) -> BoolArray:
    """Which of these are no uids that the API takes."""
    return ~np.asarray(pc.match_substring_regex(texts, rf"\A(?:{UID.pattern})\z"), dtype=np.bool_)
