"""Tests for the conversion of values to JSON."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.internals.json_values import to_jsonable


@pytest.mark.parametrize(
    "missing", [None, float("nan"), np.nan, np.float32("nan"), pd.NaT, pd.NA, np.datetime64("NaT")]
)
def test_missing_values_are_null(missing):
    "Missing values become None, including missing values inside a list."
    assert to_jsonable(missing) is None
    assert to_jsonable([missing]) == [None]


@pytest.mark.parametrize("value", [float("inf"), -np.inf, np.float64("inf")])
def test_infinite_numbers_are_null(value):
    "Infinite numbers become None, because JSON cannot represent them."
    assert to_jsonable(value) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.datetime64("2026-11-23T08:10"), "2026-11-23T08:10:00"),
        (np.datetime64("2026-11-23T08:10", "ns"), "2026-11-23T08:10:00"),
        (np.timedelta64(90, "s"), 90.0),
        (pd.Timedelta("1h"), 3600.0),
        (timedelta(minutes=1), 60.0),
        (date(2026, 11, 23), "2026-11-23"),
        (datetime(2026, 11, 23, 8, 10), "2026-11-23T08:10:00"),
        (datetime(2026, 11, 23, 8, 10, tzinfo=timezone(timedelta(hours=1))), "2026-11-23T07:10:00+00:00"),
        (pd.Timestamp("2026-11-23", tz=UTC), "2026-11-23T00:00:00+00:00"),
        (Path("a") / "b", str(Path("a") / "b")),
        ((1, (2, 3)), [1, [2, 3]]),
        (frozenset([1]), [1]),
        (np.array([1, 2]), [1, 2]),
        (pd.array(["a", None], dtype="str"), ["a", None]),
        (pd.Series([1.5, np.nan]), [1.5, None]),
        (pd.Index(["a"]), ["a"]),
        ({1: np.int64(1), "a": {"b": (pd.NaT,)}}, {"1": 1, "a": {"b": [None]}}),
    ],
)
def test_conversion(value, expected):
    "NumPy, pandas, and date values are converted to plain Python values."
    converted = to_jsonable(value)

    assert converted == expected and type(converted) is type(expected)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.datetimes(timezones=st.none() | st.timezones())
    | st.timedeltas()
)
values = st.recursive(
    scalars, lambda items: st.lists(items) | st.tuples(items) | st.dictionaries(st.text(), items), max_leaves=10
)


@given(values)
def test_result_is_standard_json(value):
    "A converted value can be encoded as standard JSON, and decoding the JSON returns the same value."
    converted = to_jsonable(value)

    assert json.loads(json.dumps(converted, allow_nan=False)) == converted
    assert to_jsonable(converted) == converted
