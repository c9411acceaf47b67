"""
Typed values for segment rules.

Each column is converted to values of one of a few types and to a mask that is False for missing values. Therefore, a
rule has the same result for each dtype of the same data, and each operator has only one implementation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from frgroups.errors import InputError
from frgroups.internals.redaction import safe_repr
from frgroups.internals.typing import BoolArray

# If all values of a column are missing, its kind is "missing", regardless of the dtype.
# A column of an unsupported type has the kind "other".
Kind = Literal["text", "number", "boolean", "date", "duration", "missing", "other"]

PLURALS: dict[Kind, str] = {
    "text": "text",
    "number": "numbers",
    "boolean": "booleans",
    "date": "dates",
    "duration": "durations",
    "missing": "only missing values",
    "other": "values of an unsupported type",
}
SINGULARS: dict[Kind, str] = {"text": "text", "number": "a number", "boolean": "a boolean"}

_OBJECT_KINDS: dict[str, Kind] = {
    **dict.fromkeys(["string"], "text"),
    **dict.fromkeys(["integer", "floating", "mixed-integer-float", "decimal"], "number"),
    **dict.fromkeys(["boolean"], "boolean"),
    **dict.fromkeys(["datetime", "datetime64", "date"], "date"),
    **dict.fromkeys(["timedelta", "timedelta64"], "duration"),
    **dict.fromkeys(["empty"], "missing"),
}
_MAX_INTEGER = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False, repr=False)
class Values:
    """
    Values of a column or an expression, one per customer.

    Attributes
    ----------
    kind
        The type of the values.
    data
        The values as `str` objects, integers, floats, booleans, `datetime64[us]` in UTC, or `timedelta64[us]`. Where
        `known` is False, the value is arbitrary.
    known
        A mask that is False for each missing value, and for each comparison with an unknown result.
    label
        The description for error messages, such as "column credit_limit (Int64)".
    has_other_order
        True if the values are ordered categories that are not in sorted order, such as low, high.
    """

    kind: Kind
    data: npt.NDArray[Any]
    known: BoolArray
    label: str
    has_other_order: bool = False


@dataclass(frozen=True)
class Constant:
    """A constant in a rule: text, a number, or a boolean."""

    value: str | float | bool

    @property
    def kind(self) -> Kind:
        """The type of the constant."""
        if isinstance(self.value, str):
            return "text"
        return "boolean" if isinstance(self.value, bool) else "number"


def unsupported(values: Values) -> InputError:
    """Return the error for a column whose values cannot be used in a rule."""
    return InputError(
        f"The {values.label} contains values of several types or of an unsupported type. Convert the column to text, "
        "numbers, booleans, or dates."
    )


def different_types(values: Values, other: Values | Constant) -> InputError:
    """Return the error for a comparison or a calculation that combines values of different types."""
    if isinstance(other, Values):
        return InputError(
            f"The {values.label} contains {PLURALS[values.kind]}, but the {other.label} contains "
            f"{PLURALS[other.kind]}. Compare only values of the same type."
        )
    return InputError(
        f"The {values.label} contains {PLURALS[values.kind]}, but {safe_repr(other.value)} is "
        f"{SINGULARS[other.kind]}. {_correct_form(values.kind, other)}"
    )


def _correct_form(kind: Kind, constant: Constant) -> str:
    """Return a sentence that states how to write a constant in the type of a column."""
    value = constant.value
    if kind == "text":
        return f"Write {str(value)!r}."
    if kind == "boolean":
        return "Write True or False."
    if kind == "date":
        return "Write a date in quotes, such as '2026-02-01'."
    if kind == "duration":
        return "Compare the number of days (.dt.days) with a number."
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        return "Write a number without quotes."
    return f"Write {int(number) if number.is_integer() else number}."


def read_column(column: pd.Series, label: str) -> Values:
    """
    Convert a column to typed values.

    A timestamp without a time zone is interpreted as UTC. A category is represented by its value. If all values are
    missing, the kind is "missing" regardless of the dtype, and the result of each comparison with the column is
    unknown.

    Examples
    --------
    >>> values = read_column(pd.Series([True, None], dtype="boolean"), "column has_email")
    >>> values.kind, values.known.tolist()
    ('boolean', [True, False])
    """
    label = f"{label} ({column.dtype})"
    try:
        values = _convert(column, label)
    except (TypeError, ValueError, OverflowError, pa.ArrowException):  # Raised, for example, for a date out of range.
        known = column.notna().to_numpy(dtype=np.bool_)
        values = Values("other", np.empty(len(column), dtype=object), known, label)
    if not values.known.any():
        return Values("missing", np.empty(len(column), dtype=object), values.known, label)
    return values


def _convert(column: pd.Series, label: str) -> Values:
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _read_categories(column, label)
    if isinstance(dtype, pd.SparseDtype):
        return _convert(pd.Series(np.asarray(column)), label)
    if isinstance(dtype, pd.ArrowDtype):
        arrow_type = dtype.pyarrow_dtype
        if pa.types.is_dictionary(arrow_type):
            return _convert(column.astype(pd.ArrowDtype(arrow_type.value_type)), label)
        if pa.types.is_temporal(arrow_type):
            array = pa.chunked_array(pa.array(column)) if len(column) == 0 else pa.array(column)
            return _convert(array.to_pandas(date_as_object=False), label)
    known = column.notna().to_numpy(dtype=np.bool_)
    kind = _kind_of(column)
    data: npt.NDArray[Any]
    if kind == "number":
        data = _read_numbers(column, known)
        known = known & (data == data)  # In some nullable dtypes, pandas does not report NaN as missing.
    elif kind == "boolean":
        data = column.to_numpy(dtype=object, na_value=False).astype(np.bool_)
    elif kind == "text":
        data = column.to_numpy(dtype=object, na_value="")
    elif kind == "date":
        dates = pd.to_datetime(column, utc=True)
        data = dates.dt.tz_localize(None).dt.as_unit("us").to_numpy(dtype="datetime64[us]")
    elif kind == "duration":
        data = pd.to_timedelta(column).dt.as_unit("us").to_numpy(dtype="timedelta64[us]")
    else:
        data = np.empty(len(column), dtype=object)
    return Values(kind, data, known, label)


def _kind_of(column: pd.Series) -> Kind:
    """Return the type of the values in a column that does not contain categories."""
    dtype = column.dtype
    if pd.api.types.is_object_dtype(dtype):
        return _OBJECT_KINDS.get(pd.api.types.infer_dtype(column, skipna=True), "other")
    if pd.api.types.is_bool_dtype(dtype):
        return "boolean"
    if pd.api.types.is_complex_dtype(dtype):
        return "other"
    if pd.api.types.is_numeric_dtype(dtype):
        return "number"
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return "date"
    if pd.api.types.is_timedelta64_dtype(dtype):
        return "duration"
    if isinstance(dtype, pd.ArrowDtype):
        arrow_type = dtype.pyarrow_dtype
        is_text = pa.types.is_string(arrow_type) or pa.types.is_large_string(arrow_type)
        if is_text or pa.types.is_string_view(arrow_type):
            return "text"
        return "missing" if pa.types.is_null(arrow_type) else "other"
    return "text" if isinstance(dtype, pd.StringDtype) else "other"


def _read_numbers(column: pd.Series, known: BoolArray) -> npt.NDArray[Any]:
    """Convert a column of numbers to integers, or to floats if needed. Missing values become 0 or NaN."""
    if _has_integers(column, known):
        numbers = [int(number) if is_known else None for number, is_known in zip(column, known, strict=True)]
        column = pd.Series(pd.array(numbers, dtype="Int64"))
    if pd.api.types.is_integer_dtype(column):
        if known.any() and int(column[known].max()) > _MAX_INTEGER:
            raise OverflowError("The column contains integers that are larger than 64 bits.")
        return column.to_numpy(dtype=np.int64, na_value=0)
    numpy_dtype = getattr(column.dtype, "numpy_dtype", column.dtype)
    if numpy_dtype in (np.float16, np.float32):
        return _to_float64(column.to_numpy(dtype=numpy_dtype, na_value=np.nan))
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _to_float64(numbers: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """
    Convert lower-precision numbers to the float64 numbers with the same shortest decimal notation.

    The float32 value 0.1 becomes 0.1 instead of 0.10000000149, so that a rule selects the same rows regardless of the
    dtype. Whole numbers do not change.
    """
    distinct, positions = np.unique(numbers, return_inverse=True)
    exact = distinct.astype(np.float64)
    converted = np.where(exact == np.floor(exact), exact, distinct.astype(np.str_).astype(np.float64))
    return converted[positions]


def _has_integers(column: pd.Series, known: BoolArray) -> bool:
    """Return True if all known values of a column with Python objects or decimal numbers are integers."""
    is_decimal = isinstance(column.dtype, pd.ArrowDtype) and pa.types.is_decimal(column.dtype.pyarrow_dtype)
    if not is_decimal and not pd.api.types.is_object_dtype(column):
        return False
    if pd.api.types.infer_dtype(column, skipna=True) == "integer":
        return True
    numbers = column[known].tolist()
    return all(isinstance(number, Decimal) and number == number.to_integral_value() for number in numbers)


def _read_categories(column: pd.Series, label: str) -> Values:
    """Convert a category column by converting its categories."""
    categories = _convert(pd.Series(column.cat.categories), label)
    codes = column.cat.codes.to_numpy()
    if len(categories.data) == 0:
        return Values(categories.kind, np.zeros(len(codes), categories.data.dtype), codes >= 0, label)
    has_other_order = column.cat.ordered and not column.cat.categories.is_monotonic_increasing
    known = (codes >= 0) & categories.known[codes]
    return Values(categories.kind, categories.data[codes], known, label, has_other_order=bool(has_other_order))
