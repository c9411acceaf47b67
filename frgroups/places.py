"""Where texts stand among others: the one look-up of uids, for millions of them at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int32]
Words = list[npt.NDArray[np.uint64]]

_FEW = 50_000
_BATCH = 1 << 18
_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio: spreads what is alike.
_ABSENT, _CROWDED = -1, -2


def places_of(texts: pa.Array | pa.ChunkedArray, among: pa.Array) -> Ints:
    """
    The place of each text among others, which are unique; -1 for those that are not there.

    Both are large_string without gaps. Uids of one length, as UUIDs are, are compared eight bytes at a time, which
    takes a third of the time of an index of any texts.

    >>> places_of(pa.array(["b", "x"], type=pa.large_string()), pa.array(["a", "b"], type=pa.large_string()))
    array([ 1, -1], dtype=int32)
    """
    width = _width(among)
    if len(texts) < _FEW or width is None or width < 8:
        return _by_index(texts, among)
    table = _Slots(_words(among, width))
    parts = [table.places(part, width) for part in _batches(texts)]
    places = np.concatenate(parts)
    rest = np.flatnonzero(places == _CROWDED)
    if len(rest):
        there = _by_index(texts.take(pa.array(rest)), among.take(pa.array(table.crowded)))
        places[rest] = np.where(there < 0, _ABSENT, table.crowded[there] if len(table.crowded) else _ABSENT)
    return places


class _Slots:
    """A slot for each hash: the only text that has it, or that nobody or several have it."""

    def __init__(self, words: Words) -> None:
        self._words = words
        n = len(words[0])
        self._shift = np.uint64(64 - (8 * n).bit_length())
        slots = self._slots(words)
        own = np.arange(n, dtype=np.int32)
        self._text_of = np.full(1 << (8 * n).bit_length(), _ABSENT, dtype=np.int32)
        self._text_of[slots] = own
        self._text_of[slots[self._text_of[slots] != own]] = _CROWDED
        self.crowded = np.flatnonzero(self._text_of[slots] == _CROWDED).astype(np.int32)

    def places(self, texts: pa.Array, width: int) -> Ints:
        """The place of each text; _CROWDED where another look is needed."""
        fits = _lengths(texts) == width
        if not fits.all():
            places = np.full(len(texts), _ABSENT, dtype=np.int32)
            if fits.any():
                places[fits] = self.places(texts.filter(pa.array(fits)), width)
            return places
        words = _words(texts, width)
        places = self._text_of[self._slots(words)]
        same = np.ones(len(places), dtype=np.bool_)
        for own, other in zip(self._words, words, strict=True):
            same &= own[places] == other  # That of a slot without a text is the last or last but one: any will do.
        places[~same & (places >= 0)] = _ABSENT
        return places

    def _slots(self, words: Words) -> npt.NDArray[np.uint64]:
        # The ends tell most uids apart; where they do not, slots are crowded, and that costs time only.
        mixed = words[0] * _ODD
        mixed ^= mixed >> np.uint64(32)
        mixed ^= words[-1]
        mixed *= _ODD
        return mixed >> self._shift


def _by_index(texts: pa.Array | pa.ChunkedArray, among: pa.Array) -> Ints:
    return np.asarray(pc.index_in(texts, value_set=among).fill_null(_ABSENT), dtype=np.int32)


def _batches(texts: pa.Array | pa.ChunkedArray) -> Iterator[pa.Array]:
    for chunk in texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]:
        for start in range(0, len(chunk), _BATCH):
            yield chunk.slice(start, _BATCH)


def _ends(texts: pa.Array) -> npt.NDArray[np.int64]:
    return np.frombuffer(texts.buffers()[1], dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]


def _lengths(texts: pa.Array) -> npt.NDArray[np.int64]:
    return np.diff(_ends(texts))


def _width(texts: pa.Array) -> int | None:
    """How many bytes each text has; None when they differ."""
    if len(texts) < 2:
        return None
    lengths = _lengths(texts)
    return int(lengths[0]) if (lengths == lengths[0]).all() else None


def _words(texts: pa.Array, width: int) -> Words:
    """The texts eight bytes at a time, the last of which may overlap those before."""
    ends = _ends(texts)
    rows: npt.NDArray[Any] = np.frombuffer(texts.buffers()[2], dtype=np.uint8)[ends[0] : ends[-1]].reshape(-1, width)
    starts = [*range(0, width - 8, 8), width - 8]
    return [np.ascontiguousarray(rows[:, at : at + 8]).view(np.uint64).ravel() for at in starts]
