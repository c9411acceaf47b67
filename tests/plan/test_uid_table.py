"""Tests for uid sequences that are stored as integer codes."""

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from frgroups.api.schema.codec import UID
from frgroups.internals.checksummed_json import canonical_json, sha256
from frgroups.plan.uid_table import CodedUids, UidTable, is_invalid_uid

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
TRICKY = ['"', "\\", "\n", "\x7f", "ø", "a\n", "(erased-1)", "\u2028", "c-1", "0150", "😀"]
uids = st.sets(texts | st.sampled_from(TRICKY) | st.text("abAB01-_", min_size=1), max_size=12)


@st.composite
def coded(draw):
    """Generate coded uids from a larger table of uids, and the same uids as a tuple."""
    all_uids = sorted(draw(uids))
    chosen = tuple(uid for uid in all_uids if draw(st.booleans()))
    codes = np.array([all_uids.index(uid) for uid in chosen], dtype=np.int32)
    return CodedUids(UidTable(pd.Index(all_uids, dtype="str")), codes), chosen


@given(case=coded())
def test_sha256(case):
    "The hash of coded uids is equal to the hash of the same list of uids in canonical JSON."
    members, plain = case

    assert members.sha256() == sha256(canonical_json(plain))


@given(case=coded(), start=st.integers(-3, 3), end=st.integers(-3, 3))
def test_sequence(case, start, end):
    "A CodedUids sequence has the same length, items, slices, and equality as a tuple of the same uids."
    members, plain = case

    assert (len(members), tuple(members), members[start:end]) == (len(plain), plain, plain[start:end])
    assert [members[index] for index in range(len(plain))] == list(plain)
    assert members == plain and (members != ("other",) or plain == ("other",))
    assert all(uid in members for uid in plain) and "unknown uid" not in members


@given(case=coded())
def test_invalid_uids(case):
    "The invalid uids include the placeholders of erased customers."
    members, plain = case

    assert members.invalid_uids() == [uid for uid in plain if not UID.fullmatch(uid)]
    assert list(is_invalid_uid(pa.array(plain, type=pa.large_string()))) == [not UID.fullmatch(uid) for uid in plain]


def test_repr():
    "The `repr` string of coded uids contains the number of uids but not the uids."
    assert repr(CodedUids(UidTable(pd.Index(["c-1"])), np.array([0]))) == "<1 uids>"
