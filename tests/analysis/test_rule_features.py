"""Tests for dates, text methods, arithmetic, and names in segment rules."""

import re
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.analysis.rule_dates import parse_span
from frgroups.analysis.segments import segment
from frgroups.errors import InputError
from frgroups.snapshot.from_frames import sample_snapshot
from tests.analysis.rule_data import (
    DATES,
    DTYPES,
    INTEGERS,
    OPERATORS,
    TEXTS,
    UIDS,
    arrow,
    select,
)


@pytest.mark.parametrize(
    "text",
    [
        *("01.02.2026", "1.2.2026", "01/02/2026", "1/2/26", "01-02-2026", "2026/02/01", "2026.02.01", "20260201"),
        *("Feb 1 2026", "1. februar 2026", "2026-2-1", "2026-02", "2026", "2026-W05-1", "2026-032", "today", ""),
        *("2026-02-30", "2026-13-01", "2026-02-01T25:00", "2026-02-01T08", "2026-02-01 08:00 CET", " 2026-02-01"),
        *("2026-02-01T08:00:00.1234567", "02026-02-01", "٢٠٢٦-٠٢-٠١", "2026-02-01T08:00+25:00"),
    ],
)
def test_only_iso_dates(text):
    "A date that is not in ISO 8601 format is rejected, and the error contains the date."
    for rule in ("x < {!r}", "x.isin([{!r}])", "x.fillna({!r}) < '2026-02-01'", "x.between('2026-01-01', {!r})"):
        with pytest.raises(InputError, match=re.escape(repr(text))):
            select(rule.format(text), x=DATES)


@given(st.dates(), st.lists(st.datetimes(), min_size=6, max_size=6), st.sampled_from(list(OPERATORS)))
def test_a_day_is_the_whole_day(day, times, symbol):
    "A comparison with a day uses the UTC date of each timestamp."
    selected = select(f"x {symbol} '{day.isoformat()}'", x=pd.Series(times, dtype="datetime64[us]"))

    assert selected == "".join(
        uid for uid, time in zip(UIDS, times, strict=True) if OPERATORS[symbol](time.date(), day)
    )


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("x == '2026-02-01'", "bd"),
        ("x <= '2026-02-01'", "abdf"),
        ("x > '2026-02-01'", "e"),
        ("x.between('2026-02-01', '2026-02-02')", "bde"),
        ("x.between('2026-01-31', '2026-02-02', inclusive='neither')", "bd"),
        ("'2026-01-31' < x <= '2026-02-01'", "bd"),
        ("x in ['2026-01-31', '2026-02-02']", "ae"),
        ("x == '2026-02-01T08:30Z'", "d"),
        ("x == '2026-02-01 09:30:00+01:00'", "d"),
        ("x >= '2026-02-01T08:30:00.000001'", "e"),
        ("x.fillna('2026-02-01') == '2026-02-01T00:00'", "bc"),
        ("x.dt.year == 2025 and x.dt.month == 12 and x.dt.day == 31 and x.dt.hour == 23", "f"),
        ("x.dt.quarter == 4 or x.dt.dayofweek == 6", "bdf"),
        ("(x - x).dt.days == 0", "abdef"),
        ("(x - '2026-02-01').dt.days == 0", "bd"),
        ("('2026-02-01T08:30Z' - x).dt.days == 0", "abd"),
    ],
)
def test_dates(rule, expected):
    "Days, times, and parts of dates refer to UTC for each dtype."
    selected = {dtype: select(rule, x=create(DATES)) for dtype, create in DTYPES["date"].items()}

    assert selected == dict.fromkeys(selected, expected)


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64(), object])
def test_columns_of_days(kind):
    "A column of days without times is compared like a column of timestamps at the start of the day."
    days = [date(2026, 2, 1), date(2026, 2, 2), None, date(1600, 1, 1), date(9999, 12, 31), date(2026, 1, 31)]
    column = pd.Series(days, dtype=object) if kind is object else arrow(days, kind)

    assert select("x <= '2026-02-01'", x=column) == "adf"
    assert select("x > '9999-12-30'", x=column) == "e"


def test_leap_day_span():
    "A day ends at the start of the next day, and a time is one microsecond."
    start, end = parse_span("2028-02-29", "column x")
    assert (end - start).astype(timedelta) == timedelta(days=1)
    start, end = parse_span("2028-02-29T23:59+01:00", "column x")
    assert (
        start.astype(datetime) == datetime(2028, 2, 29, 22, 59) and (end - start).astype(timedelta).microseconds == 1
    )


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("x.str.contains('.')", "e"),
        ("x.str.contains('.', regex=True)", "abef"),
        ("not x.str.contains('.')", "abdf"),
        ("x.str.contains('n', case=False)", "af"),
        ("x.str.match('a.b')", "e"),
        ("x.str.match('[Ns]', regex=True)", "abf"),
        ("x.str.match('O')", ""),
        ("x.str.fullmatch('a.b')", ""),
        ("x.str.fullmatch('a.b*')", "e"),
        ("x.str.fullmatch('N.', regex=True)", "af"),
        ("x.str.startswith('N')", "af"),
        ("x.str.startswith(('N', 's'))", "abf"),
        ("x.str.startswith('')", "abdef"),
        ("x.str.endswith('b*')", "e"),
        ("x.str.endswith('E', case=False)", "b"),
        ("x.str.replace('.', '\\\\1') == 'a\\\\1b*'", "e"),
        ("x.str.replace('(N)(O)', r'\\2\\1', regex=True) == 'ON'", "af"),
        ("x.str.lower() == 'no'", "af"),
        ("x.str.upper().str.strip('S') == 'E'", "b"),
        ("x.str.len() == 2", "abf"),
        ("x.str.len() == 0", "d"),
        ("x + '-' + x == 'se-se'", "b"),
        ("~x.str.startswith('N')", "bde"),
        ("x.str.contains('N').isna()", "c"),
    ],
)
def test_text_methods(rule, expected):
    "Text methods match literally unless regex=True is passed, and a missing value has an unknown result."
    selected = {dtype: select(rule, x=create(TEXTS)) for dtype, create in DTYPES["text"].items()}

    assert selected == dict.fromkeys(selected, expected)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("x / 0 > 1 or x % 0 == 0 or x // 0 == 0", ""),
        ("(x / 0).isna()", "abcdef"),
        ("x * 2 - 1 >= 9", "bef"),
        ("-x == 3", "d"),
        ("x.abs() == 3", "d"),
        ("x // 2 == -2", "d"),
        ("x % 2 == 1", "bdef"),
        ("x > 12 * -1 + 10", "abef"),
        ("x * 4611686018427387904 > 0", "bef"),
        ("x < 1e400", "abdef"),
        ("x < 100000000000000000000000", "abdef"),
        ("(x > 1).fillna(True)", "bcef"),
        ("(x > 1).isna()", "c"),
        ("x.fillna(9) == 9", "c"),
        ("x == 5 | x == 7", "bef"),
        ("0 < x < 6", "bf"),
    ],
)
def test_numbers(rule, expected):
    "Arithmetic has the same result for each dtype. A division by 0 is missing, and large integers do not overflow."
    selected = {dtype: select(rule, x=create(INTEGERS)) for dtype, create in DTYPES["integer"].items()}

    assert selected == dict.fromkeys(selected, expected)


def test_ordered_categories():
    "Ordered categories can be compared by < and > only if the categories are in sorted order."
    levels = ["lo", "hi", None, "lo", "hi", "hi"]
    sizes = pd.Series(pd.Categorical(levels, categories=["lo", "hi"], ordered=True))
    assert select("x == 'lo' or x in ['hi']", x=sizes) == "abdef"
    for rule in ("x > 'lo'", "'lo' < x", "x.between('lo', 'hi')", "x >= x", "t < x"):
        with pytest.raises(InputError, match=r"column x .*ordered"):
            select(rule, x=sizes, t=pd.Series(TEXTS, dtype="str"))
    sorted_sizes = pd.Series(pd.Categorical(levels, categories=["hi", "lo"], ordered=True))
    assert select("x > 'hi'", x=sorted_sizes) == "ad"


@pytest.mark.parametrize(
    "rule", ["x in ['NO' 'se']", "x == 'N' r'O'", "x == ('N'\n 'O')", 'x.isin(["NO" # comment\n "se"])']
)
def test_missing_comma(rule):
    "Two adjacent strings without a comma are rejected, because Python would join the strings."
    with pytest.raises(InputError, match="comma"):
        select(rule, x=TEXTS)


def test_large_integers():
    "Integers above 2**53 are compared exactly, and integers above 64 bits are rejected."
    values = [2**53, 2**53 + 1, None, 1, 2, 3]
    decimals = [None if value is None else Decimal(value) for value in values]
    decimal_dtype = pd.ArrowDtype(pa.decimal128(20, 0))
    for column in (
        pd.Series(values, dtype="Int64"),
        pd.Series(values, dtype=object),
        pd.Series(decimals, dtype=object),
        pd.Series(decimals, dtype=decimal_dtype),
    ):
        assert select(f"x == {2**53 + 1}", x=column) == "b"
        assert select(f"x in [{2**53 + 1}, 2]", x=column) == "be"
    with pytest.raises(InputError, match="column x"):
        select("x > 1", x=pd.Series([2**63] * 6, dtype="uint64"))


def test_large_integers_of_attributes():
    "Integers above 2**53 in an attribute table with missing values are compared exactly."
    snapshot = sample_snapshot()
    uids = list(snapshot.customers["customer_uid"][:3])
    for values in ([2**53 + 1, 2**53, None], [2**53 + 1, 2**53, pd.NA], [np.int64(2**53 + 1), 2**53, float("nan")]):
        table = pd.DataFrame({"customer_uid": uids, "x": pd.Series(values, dtype=object)})
        assert list(segment(snapshot, {"a": f"x == {2**53 + 1}"}, attributes=table)["a"]) == uids[:1]


def test_arrow_float32():
    "A float32 column of pyarrow selects the same customers as a float32 column of NumPy."
    values = pd.Series([0.1, 0.2, 0.3, 1.005, None, 19.9])
    for rule in ("x == 0.1", "x > 0.3", "x < 1.005", "x in [0.1, 19.9]", "x.between(0.1, 0.2)"):
        expected = select(rule, x=values.astype("float32"))
        assert select(rule, x=values.astype("float[pyarrow]")) == expected == select(rule, x=values.astype("Float32"))


@pytest.mark.parametrize(
    "dtype", ["float64", "Float64", "float32", "Float32", "float16", "object", "double[pyarrow]"]
)
@pytest.mark.parametrize("value", [2**53 + 1, 0.1, 0.5, 3, 2049])
def test_lists_of_numbers(dtype, value):
    "The operators == and in select the same customers, also if the column has lost the precision of the numbers."
    column = pd.Series([2**53, 2**53 + 1, 0.1, 0.5, 3, None], dtype="float64")
    if dtype == "float16":
        column = column.where(column < 3000, 2049.0)
    column = column.astype(dtype)

    assert select(f"x == {value}", x=column) == select(f"x in [{value}]", x=column)
    assert select(f"x != {value}", x=column) == select(f"x not in [{value}]", x=column)


@pytest.mark.parametrize("dtype", ["Float64", "float32", "Float32", "float[pyarrow]", "object"])
@pytest.mark.parametrize("rule", ["x % 0.1 < 0.05", "x * 3 == 0.3", "x + 0.2 > 0.3", "x // 0.1 == 2", "x / 3 < 0.1"])
def test_arithmetic_in_float64(dtype, rule):
    "A calculation selects the same customers for each dtype, because columns are converted to float64."
    values = pd.Series([0.1, 0.2, 0.3, 1.005, None, 19.9], dtype="float64")

    assert select(rule, x=values.astype(dtype)) == select(rule, x=values)
    assert select("x == 100000008", x=pd.Series([100000008, 1, 2, 3, 4, 5], dtype="float32")) == "a"


def test_unusual_column_names():
    "Text in quotes is not changed, and a name selects only the column with exactly this name."
    columns = {"fi": INTEGERS, "ﬁ": [1] * 6, "a & b": INTEGERS, "class": INTEGERS, "quoted_0": TEXTS}
    assert select("ﬁ == 1", **columns) == "abcdef"
    assert select("fi == 0 & `a & b` == 0 | `class` == 7", **columns) == "ae"
    assert select("quoted_0 != 'a & b | `class`' and `a & b` == 7", **columns) == "e"
    with pytest.raises(InputError, match="ﬀ"):
        select("ﬀ == 1", **columns)


def test_many_quoted_names():
    "An error contains the correct column if a rule contains more than ten column names in backticks."
    columns = {f"column {number}": INTEGERS for number in range(12)}
    rule = " and ".join(f"`{name}` > 0" for name in columns)

    with pytest.raises(InputError, match=r"expression `column 11` \+ 1 .*'a'"):
        select(f"{rule} and `column 11` + 1 == 'a'", **columns)


def test_nested_rules():
    "A long rule is evaluated, and a rule with too many nested parts is rejected."
    assert select(" or ".join(["n == 5"] * 2000), n=INTEGERS) == "bf"
    with pytest.raises(InputError):
        select("not " * 5000 + "(n == 5)", n=INTEGERS)
