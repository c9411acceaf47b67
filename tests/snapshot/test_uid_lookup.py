"""Texts are found among others exactly, whichever way they are looked up."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frgroups.snapshot.uid_lookup import lookup_positions

N = 60_000


def texts_of(texts):
    """As Arrow keeps them."""
    return pa.array(texts, type=pa.large_string())


@pytest.mark.parametrize(
    "among",
    [
        [f"c-{n:08d}" for n in range(N)],
        [f"{n:08d}-of-one-length" for n in range(N)],
        [f"start-{n:05d}-all-alike" for n in range(N)],  # Both ends alike: one slot for all.
        [f"ø{n:07d}" for n in range(N)],
        [f"{n:07d}" for n in range(N)],
        [f"c-{n}" for n in range(N)],
        ["c-000000"],
        [],
    ],
    ids=["bench", "long", "alike", "bytes", "short", "lengths", "one", "none"],
)
def test_each_text_is_found_where_it_stands(among):
    "As a dict finds it: those that are there, those that are not, of other lengths, and nothing at all."
    rng = np.random.default_rng(7)
    own = [among[place] for place in rng.integers(0, len(among), N)] if among else []
    strange = [f"x-{n:08d}" for n in range(500)] + ["", "ø" * 5, "c-1", "c-00000001 ", *among[-1:]]
    looked_up = [*own, *strange]
    place_of = {text: place for place, text in enumerate(among)}
    expected = [place_of.get(text, -1) for text in looked_up]

    whole = lookup_positions(texts_of(looked_up), texts_of(among))
    sliced = lookup_positions(texts_of(["y", *looked_up, "y"])[1:-1], texts_of(["y", *among])[1:])
    in_parts = lookup_positions(pa.chunked_array([texts_of(own), texts_of([]), texts_of(strange)]), texts_of(among))

    assert whole.tolist() == sliced.tolist() == in_parts.tolist() == expected


@st.composite
def looked_up_among(draw):
    """Unique texts of one length that differ in few of their bytes, and others to look up that are near to them."""
    width = draw(st.integers(8, 40))
    differ = draw(st.lists(st.integers(0, width - 1), min_size=1, max_size=12, unique=True))
    letters = draw(st.sampled_from(["ab", "\x00a", "0123456789abcdef"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    texts = np.full(
        (draw(st.integers(2, 2_000)), width), ord(draw(st.sampled_from(["a", "-", "\x00"]))), dtype=np.uint8
    )
    texts[:, differ] = rng.choice(np.frombuffer(letters.encode(), dtype=np.uint8), (len(texts), len(differ)))
    changed = texts.copy()
    changed[np.arange(len(texts)), rng.integers(0, width, len(texts))] += 1
    among, near = ({row.tobytes().decode() for row in rows} for rows in (texts, changed))
    longer = draw(st.lists(st.sampled_from(sorted(among)).map(lambda text: text + "\x00"), max_size=3))
    return sorted(among), [*sorted(among), *sorted(near), *longer, ""], rng


@settings(max_examples=60, deadline=None)
@given(case=looked_up_among(), in_order=st.booleans(), cuts=st.lists(st.integers(0, N), max_size=4))
def test_texts_of_one_length_are_told_apart_by_every_byte(case, in_order, cuts):
    "One byte that differs anywhere is seen, in any order and in any pieces, however many texts share a slot."
    among, texts, rng = case
    at = rng.integers(0, len(texts), N)
    at = np.sort(at) if in_order else at
    cut = [0, *sorted(cuts), N]
    pieces = [pa.array(at[start:end]) for start, end in pairwise(cut)]
    place_of = {text: place for place, text in enumerate(among)}
    expected = np.array([place_of.get(text, -1) for text in texts])[at]

    found = lookup_positions(pa.chunked_array([texts_of(texts).take(piece) for piece in pieces]), texts_of(among))

    assert np.array_equal(found, expected)


def test_many_small_pieces_are_looked_up_as_one_would_be():
    "A wish of thousands of groups comes in as many pieces."
    among = [f"{n:08d}-of-one-length" for n in range(N)]
    pieces = [texts_of([*among[start : start + 7], "00000000-of-two-length"]) for start in range(0, N, 7)]

    found = lookup_positions(pa.chunked_array(pieces), texts_of(among))

    assert np.array_equal(found[found >= 0], np.arange(N)) and (found == -1).sum() == len(pieces)
