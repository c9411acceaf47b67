"""The same data in many dtypes, for the tests of segment rules."""

import operator
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from frgroups.analysis.rule_evaluation import RuleColumns, evaluate_rule

UIDS = list("abcdef")
OPERATORS = {
    **{"==": operator.eq, "!=": operator.ne, "<": operator.lt},
    **{"<=": operator.le, ">": operator.gt, ">=": operator.ge},
}

TEXTS = ["NO", "se", None, "", "a.b*", "NO"]
INTEGERS = [0, 5, None, -3, 7, 5]
FLOATS = [0.5, -1.0, None, 2.0, 7.25, 2.0]
BOOLEANS = [True, False, None, True, None, False]
DATES = [
    datetime(2026, 1, 31, 23, 59, 59, 999999),
    datetime(2026, 2, 1),
    None,
    datetime(2026, 2, 1, 8, 30),
    datetime(2026, 2, 2),
    datetime(2025, 12, 31, 23, 30),
]


def arrow(values, kind):
    """Return a Series whose values are stored in an Arrow array."""
    return pd.Series(pd.array(values, dtype=pd.ArrowDtype(kind)))


def sparse(values, dtype):
    """Return a sparse Series."""
    return pd.Series(pd.array(values, dtype=dtype)).astype(pd.SparseDtype(dtype))


def categories(values, dtype=None):
    """Return a category Series."""
    return pd.Series(pd.Categorical(pd.Series(values, dtype=dtype)))


def zoned(values, zone):
    """Return a Series of timestamps that are converted to a time zone."""
    return pd.Series(pd.to_datetime(values, utc=True)).dt.tz_convert(zone)


OBJECT_DATES = pd.Series([None if value is None else value.replace(tzinfo=UTC) for value in DATES], dtype=object)
# Each function stores the same values in a different dtype.
DTYPES = {
    "text": {
        "object": lambda values: pd.Series(values, dtype=object),
        "object with NaN": lambda values: pd.Series(values, dtype=object).fillna(np.nan),
        "object with NA": lambda values: pd.Series([pd.NA if v is None else v for v in values], dtype=object),
        "str": lambda values: pd.Series(values, dtype="str"),
        "string": lambda values: pd.Series(values, dtype="string"),
        "string[python]": lambda values: pd.Series(values, dtype="string[python]"),
        "category": lambda values: categories(values, "str"),
        "category of objects": lambda values: categories(values, object),
        "arrow": lambda values: arrow(values, pa.string()),
        "arrow large": lambda values: arrow(values, pa.large_string()),
        "arrow dictionary": lambda values: pd.Series(
            pd.arrays.ArrowExtensionArray(pa.array(values, pa.string()).dictionary_encode())
        ),
    },
    "integer": {
        "object": lambda values: pd.Series(values, dtype=object),
        "float64": lambda values: pd.Series(values, dtype="float64"),
        "Int64": lambda values: pd.Series(values, dtype="Int64"),
        "Int8": lambda values: pd.Series(values, dtype="Int8"),
        "Float64": lambda values: pd.Series(values, dtype="Float64"),
        "category": lambda values: categories(values, "Int64"),
        "category of objects": lambda values: categories(values, object),
        "arrow": lambda values: arrow(values, pa.int32()),
        "arrow double": lambda values: arrow(values, pa.float64()),
        "decimal": lambda values: pd.Series([None if v is None else Decimal(v) for v in values], dtype=object),
        "arrow decimal": lambda values: arrow(
            [None if v is None else Decimal(v) for v in values], pa.decimal128(9, 2)
        ),
        "sparse": lambda values: sparse([np.nan if v is None else v for v in values], "float64"),
    },
    "float": {
        "object": lambda values: pd.Series(values, dtype=object),
        "float64": lambda values: pd.Series(values, dtype="float64"),
        "float32": lambda values: pd.Series(values, dtype="float32"),
        "Float64": lambda values: pd.Series(values, dtype="Float64"),
        "category": lambda values: categories(values, "float64"),
        "arrow": lambda values: arrow(values, pa.float64()),
    },
    "boolean": {
        "object": lambda values: pd.Series(values, dtype=object),
        "boolean": lambda values: pd.Series(values, dtype="boolean"),
        "category": lambda values: categories(values, object),
        "arrow": lambda values: arrow(values, pa.bool_()),
    },
    "date": {
        "object": lambda values: pd.Series(values, dtype=object),
        "datetime64[us]": lambda values: pd.Series(values, dtype="datetime64[us]"),
        "datetime64[ns]": lambda values: pd.Series(values, dtype="datetime64[ns]"),
        "UTC": lambda values: zoned(values, "UTC"),
        "Oslo": lambda values: zoned(values, "Europe/Oslo"),
        "category": lambda values: categories(values, "datetime64[us]"),
        "arrow": lambda values: arrow(values, pa.timestamp("us")),
        "arrow UTC": lambda values: arrow(values, pa.timestamp("us", "UTC")),
    },
}
VALUES = {"text": TEXTS, "integer": INTEGERS, "float": FLOATS, "boolean": BOOLEANS, "date": DATES}
ALL_DTYPES = [pytest.param(kind, name, id=f"{kind}-{name}") for kind, dtypes in DTYPES.items() for name in dtypes]


def select(rule, **columns):
    """Return the uids of the rows that a rule selects, as a string."""
    table = {name: pd.Series(column) if isinstance(column, list) else column for name, column in columns.items()}
    return "".join(np.array(UIDS)[evaluate_rule(rule, RuleColumns(table))])
