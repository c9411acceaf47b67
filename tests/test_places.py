"""Texts are found among others exactly, whichever way they are looked up."""

import numpy as np
import pyarrow as pa
import pytest

from frgroups.places import places_of

N = 60_000


def texts_of(texts):
    """As Arrow keeps them."""
    return pa.array(texts, type=pa.large_string())


@pytest.mark.parametrize(
    "among",
    [
        [f"c-{n:08d}" for n in range(N)],
        [f"{n:08d}-of-one-length" for n in range(N)],
        [f"start-{n:05d}-all-alike" for n in range(N)],  # Both ends alike: all slots are crowded.
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

    whole = places_of(texts_of(looked_up), texts_of(among))
    sliced = places_of(texts_of(["y", *looked_up, "y"])[1:-1], texts_of(["y", *among])[1:])
    in_parts = places_of(pa.chunked_array([texts_of(own), texts_of([]), texts_of(strange)]), texts_of(among))

    assert whole.tolist() == sliced.tolist() == in_parts.tolist() == expected
