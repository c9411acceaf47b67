"""Store customer uids as integer codes, which are positions in a sorted table of uids."""

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
    """
    Sorted table of unique uids.

    The integer code of a uid is the position of the uid in the table.
    """

    def __init__(self, uids: pd.Index) -> None:
        self.texts = to_string_array(uids)

    def __len__(self) -> int:
        return len(self.texts)

    def lookup_codes(self, texts: pa.ChunkedArray) -> Int32Array:
        """Return the integer code of each uid, or -1 if the uid is not in the table."""
        return lookup_positions(texts, self.texts)

    def lookup_codes_of_lists(self, lists: Iterable[Sequence[str]]) -> Int32Array:
        """Return the integer codes of the uids in several lists as one array."""
        texts = [pa.array(uids, type=pa.large_string()) for uids in lists]
        return self.lookup_codes(pa.chunked_array(texts, type=pa.large_string()))

    def take(self, codes: npt.NDArray[Any]) -> list[str]:
        """Decode codes to uids."""
        return list(self.texts.take(pa.array(codes)).to_pylist())

    @cached_property
    def invalid(self) -> BoolArray | None:
        """Boolean array that is True for uids that the API does not accept, or None if the API accepts all uids."""
        mask = is_invalid_uid(self.texts)
        if mask.any():
            return mask
        return None

    @cached_property
    def _json(self) -> pa.Array:
        """Arrow array with the JSON string of each uid, followed by a comma."""
        parts = [pa.scalar(text, type=pa.large_string()) for text in ('"', '",', "")]
        quoted = pc.binary_join_element_wise(parts[0], self.texts, *parts[1:]).cast(pa.large_binary())
        if self.invalid is None:
            return quoted
        # Only invalid uids can contain characters that must be escaped in JSON. Encode these uids separately.
        escaped = [f"{canonical_json(uid)},".encode() for uid in self.take(np.flatnonzero(self.invalid))]
        return pc.replace_with_mask(quoted, pa.array(self.invalid), pa.array(escaped, type=pa.large_binary()))

    def sha256(self, codes: Int32Array) -> str:
        """
        Return the SHA-256 hash of a list of uids in canonical JSON.

        The JSON text is not built as one Python string, because a list can contain millions of uids.
        """
        digest = hashlib.sha256(b"[")
        items = self._json.take(pa.array(codes))
        if len(items):
            # The result of `take` has one contiguous buffer with the JSON text of all selected uids.
            # Hash this buffer without the last comma.
            _, ends, text = items.buffers()
            digest.update(memoryview(text)[: np.frombuffer(ends, dtype=np.int64)[len(items)] - 1])
        digest.update(b"]")
        return digest.hexdigest()


class CodedUids(Sequence[str]):
    """
    Sequence of uids that stores integer codes and decodes them on access.

    Examples
    --------
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
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        if isinstance(index, slice):
            return tuple(self.table.take(self.codes[index]))
        return self.table.take(self.codes[[index]])[0]

    def __contains__(self, uid: object) -> bool:
        return uid in list(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self):,} uids>"

    def invalid_uids(self) -> list[str]:
        """
        Return the uids that the API does not accept.

        The result includes the placeholders of erased customers.
        """
        if self.table.invalid is None:
            return []
        return self.table.take(self.codes[self.table.invalid[self.codes]])

    def sha256(self) -> str:
        """Return the SHA-256 hash of the uids in canonical JSON."""
        return self.table.sha256(self.codes)


def is_invalid_uid(texts: pa.Array | pa.ChunkedArray) -> BoolArray:
    """Return a boolean array in which True marks the strings that the API does not accept as uids."""
    return ~np.asarray(pc.match_substring_regex(texts, rf"\A(?:{UID.pattern})\z"), dtype=np.bool_)
