"""Tests that compare the uid lookup with a Python dictionary."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.snapshot.uid_lookup import is_known, lookup_positions

N = 60_000


def string_array(strings):
    """Return an Arrow array with the type large_string."""
    return pa.array(strings, type=pa.large_string())


@pytest.mark.parametrize(
    "values",
    [
        [f"c-{n:08d}" for n in range(N)],
        [f"{n:08d}-of-one-length" for n in range(N)],
        [f"start-{n:05d}-all-alike" for n in range(N)],  # Hash collisions
        [f"ø{n:07d}" for n in range(N)],
        [f"{n:07d}" for n in range(N)],
        [f"c-{n}" for n in range(N)],
        ["c-000000"],
        [],
    ],
    ids=["bench", "long", "alike", "bytes", "short", "lengths", "one", "none"],
)
def test_lookup_like_dict(values):
    "The position of each string is the same as in a dictionary, or -1 if the values do not contain the string."
    rng = np.random.default_rng(7)
    present = [values[position] for position in rng.integers(0, len(values), N)] if values else []
    absent = [f"x-{n:08d}" for n in range(500)] + ["", "ø" * 5, "c-1", "c-00000001 ", *values[-1:]]
    strings = [*present, *absent]
    position_by_value = {value: position for position, value in enumerate(values)}
    expected = [position_by_value.get(string, -1) for string in strings]

    contiguous = lookup_positions(string_array(strings), string_array(values))
    sliced = lookup_positions(string_array(["y", *strings, "y"])[1:-1], string_array(["y", *values])[1:])
    chunked = lookup_positions(
        pa.chunked_array([string_array(present), string_array([]), string_array(absent)]), string_array(values)
    )

    assert contiguous.tolist() == sliced.tolist() == chunked.tolist() == expected


IDS = st.lists(st.sampled_from(["c-1", "c-2", "c-3", "", "ø", None]), max_size=8)


@given(IDS, IDS)
def test_known_ids(ids, known):
    "An id is known if the other Series or Index contains it. A missing id is not known."
    expected = [value is not None and value in known for value in ids]

    for dtype in ("str", object):
        series = pd.Series(known, dtype=dtype)
        assert is_known(pd.Series(ids, dtype=dtype), series).tolist() == expected
        assert is_known(pd.Series(ids, dtype="str"), pd.Index(series)).tolist() == expected


@st.composite
def lookup_cases(draw):
    """Draw unique values of equal length that differ in few bytes, and similar strings to look up."""
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
    values, near = ({row.tobytes().decode() for row in rows} for rows in (texts, changed))
    longer = draw(st.lists(st.sampled_from(sorted(values)).map(lambda text: text + "\x00"), max_size=3))
    return sorted(values), [*sorted(values), *sorted(near), *longer, ""], rng


@given(case=lookup_cases(), is_sorted=st.booleans(), cuts=st.lists(st.integers(0, N), max_size=4))
def test_values_differ_in_one_byte(case, is_sorted, cuts):
    "Values that differ in a single byte are distinguished, regardless of their order, chunks, and hash collisions."
    values, strings, rng = case
    order = rng.integers(0, len(strings), N)
    if is_sorted:
        order = np.sort(order)
    bounds = [0, *sorted(cuts), N]
    chunks = [pa.array(order[start:end]) for start, end in pairwise(bounds)]
    position_by_value = {value: position for position, value in enumerate(values)}
    expected = np.array([position_by_value.get(string, -1) for string in strings])[order]

    positions = lookup_positions(
        pa.chunked_array([string_array(strings).take(chunk) for chunk in chunks]), string_array(values)
    )

    assert np.array_equal(positions, expected)


def test_many_small_chunks():
    "A lookup of strings in thousands of small chunks returns the same positions as a lookup in a contiguous array."
    values = [f"{n:08d}-of-one-length" for n in range(N)]
    chunks = [string_array([*values[start : start + 7], "00000000-of-two-length"]) for start in range(0, N, 7)]

    positions = lookup_positions(pa.chunked_array(chunks), string_array(values))

    assert np.array_equal(positions[positions >= 0], np.arange(N))
    assert (positions == -1).sum() == len(chunks)
