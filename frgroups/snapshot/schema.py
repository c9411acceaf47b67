"""Column names and dtypes of the tables of a Snapshot, and conversions between pandas and Arrow."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from frgroups.errors import InputError
from frgroups.internals.redaction import safe_repr

TIMESTAMP_DTYPE = "datetime64[us, UTC]"

# Descriptions of the dtypes in error messages.
_EXPECTED = {
    TIMESTAMP_DTYPE: "timestamps in ISO 8601, for example 2026-11-23T08:10Z",
    "Int64": "integers",
    "boolean": "the Boolean values True and False",
    "str": "strings",
}

GROUPS = {
    "customer_group_uid": "str",
    "name": "str",
    "created_at": TIMESTAMP_DTYPE,
    "last_modified_at": TIMESTAMP_DTYPE,
}

CUSTOMERS = {
    "customer_uid": "str",
    "external_id": "str",
    "customer_type": "str",
    "country_code": "str",
    "postal_code": "str",
    "city": "str",
    "origin": "str",
    "created_at": TIMESTAMP_DTYPE,
    "last_modified_at": TIMESTAMP_DTYPE,
    "pricelist_uid": "str",
    "payment_terms": "Int64",
    # The API does not document the unit of these amounts. It is probably the minor unit (øre, cent).
    "credit_limit": "Int64",
    "credit_balance": "Int64",
    "customer_parent_uid": "str",
    "default_store_uid": "str",
    "default_store_name": "str",
    "account_manager_uid": "str",
    "has_email": "boolean",
    "has_mobile": "boolean",
    "has_loyalty_id": "boolean",
    "has_vat_number": "boolean",
}

# A snapshot that was loaded with personal=True also contains these customer columns.
PERSONAL = {
    "firstname": "str",
    "lastname": "str",
    "company_name": "str",
    "display_name": "str",
    "email": "str",
    "mobile": "str",
    "loyalty_id": "str",
    "vat_number": "str",
    "address": "str",
    "internal_note": "str",
    "ledger_number": "str",
    "relevance": "float64",
    "ehf_enabled": "boolean",
    "ehf_address": "str",
    "account_manager_name": "str",
    "account_manager_code": "str",
    "addresses": "str",
    "contacts": "str",
    "extensions": "str",
}

CONSENTS = {
    "customer_uid": "str",
    "consent_uid": "str",
    "name": "str",
    "status": "boolean",
    "source": "str",
    "created_at": TIMESTAMP_DTYPE,
}

READS = {
    "customer_group_uid": "str",
    "how": "str",  # The value is "pages", "cover", or "given".
    "evidence": "str",  # The value is "overlapping windows", "second pass", "counts", or "none".
    "verdict": "str",
    "pages": "int64",
    "n_rows": "int64",
    "total_first": "int64",
    "total_last": "int64",
    "rereads": "int64",
    "seconds": "float64",
    "note": "str",
}


def coerce_schema(frame: pd.DataFrame | None, columns: dict[str, str]) -> pd.DataFrame:
    """
    Convert a table to the given columns and dtypes.

    Columns that `frame` does not have are added and contain missing values. Additional columns of `frame` follow the
    given columns and do not change. The index is reset. If `frame` is None, the result has no rows. An InputError is
    raised if a column cannot be converted, or if two columns have the same name.
    """
    if frame is None:
        frame = pd.DataFrame()
    if not frame.columns.is_unique:
        repeated = frame.columns[frame.columns.duplicated()][0]
        raise InputError(f"More than one column has the name {repeated!r}. Remove or rename all but one.")
    absent = {dtype for name, dtype in columns.items() if name not in frame}
    # For small tables, creating one Series per dtype instead of one per column halves the time of this function.
    missing = {dtype: _missing_column(frame.index, dtype) for dtype in absent}
    required = {
        name: _coerce_column(frame[name], name, dtype) if name in frame else missing[dtype]
        for name, dtype in columns.items()
    }
    others = {str(name): frame[name] for name in frame.columns if name not in columns}
    return pd.DataFrame(required | others, index=frame.index).reset_index(drop=True)


def make_nullable(column: pd.Series) -> pd.Series:
    """
    Convert a column of integers, booleans, or objects to a nullable dtype.

    Nullable dtypes can contain missing values. Without this conversion, pandas would convert integers to floats and
    booleans to objects when it inserts a missing value. Columns of other dtypes are returned unchanged.

    Examples
    --------
    >>> str(make_nullable(pd.Series([True, False])).dtype), str(make_nullable(pd.Series([0.5])).dtype)
    ('boolean', 'float64')
    """
    if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) == "integer":
        # Do not use `convert_dtypes`, because it converts integers to floats first, which changes integers above
        # 2**53.
        with suppress(OverflowError, TypeError):
            integers = [None if pd.isna(value) else int(value) for value in column]
            return pd.Series(pd.array(integers, dtype="Int64"), index=column.index, name=column.name)
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_integer_dtype(column) or column.dtype == object:
        return column.convert_dtypes()
    return column


ARROW = {
    "str": pa.string(),
    "int64": pa.int64(),
    "Int64": pa.int64(),
    "float64": pa.float64(),
    "boolean": pa.bool_(),
    "datetime64[us, UTC]": pa.timestamp("us", tz="UTC"),
}
# Pandas dtypes for the Arrow types.
# Without this mapping, pyarrow converts integers with missing values to floats, and strings to Python objects.
_STRING = pd.StringDtype(na_value=np.nan)
_PANDAS = {
    pa.int64(): pd.Int64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
    pa.string(): _STRING,
    pa.large_string(): _STRING,
}


def frame_from_arrow(columns: dict[str, Any], dtypes: dict[str, str]) -> pd.DataFrame:
    """Convert Arrow columns to a DataFrame that has the columns and dtypes of `dtypes`, in the same order."""
    arrays = {}
    for name, dtype in dtypes.items():
        column = columns[name].to_pandas(types_mapper=_PANDAS.get)
        # For small tables, converting single columns takes less than half of the time of `DataFrame.astype`.
        arrays[name] = (column if column.dtype == dtype else column.astype(dtype)).array
    return pd.DataFrame(arrays, copy=False)


def to_arrow(frame: pd.DataFrame, columns: dict[str, str]) -> pa.Table:
    """
    Convert a DataFrame to an Arrow table.

    The columns in `columns` are converted to fixed types. Arrow infers the types of all other columns. The function
    `from_arrow` converts the table back to a DataFrame.
    """
    types = {name: ARROW[dtype] for name, dtype in columns.items()}
    arrays = {}
    for name in frame.columns:
        try:
            arrays[name] = pa.Array.from_pandas(frame[name], type=types.get(name))
        except pa.ArrowException:  # The exception is not chained, because its message might contain customer data.
            raise InputError(
                f"The column {name!r} contains values of several types ({frame[name].dtype}) and cannot be stored. "
                "Convert the column to one type, or remove the column."
            ) from None
    # The metadata preserves the pandas dtypes of the additional columns.
    return pa.table(arrays).replace_schema_metadata(pa.Schema.from_pandas(frame, preserve_index=False).metadata)


def from_arrow(table: pa.Table, columns: dict[str, str]) -> pd.DataFrame:
    """Convert an Arrow table that was created by `to_arrow` to a DataFrame."""
    frame: pd.DataFrame = table.to_pandas()
    if all(name in frame and frame[name].dtype == dtype for name, dtype in columns.items()):
        return frame  # The dtypes are correct, so skip coerce_schema, which would make a copy.
    return coerce_schema(frame, columns)


def _missing_column(index: pd.Index, dtype: Any) -> pd.Series:
    missing_value = pd.NA if dtype in ("Int64", "boolean") else None
    missing: pd.Series = pd.Series(missing_value, index=index, dtype=dtype)
    return missing


def _coerce_column(column: pd.Series, name: str, dtype: Any) -> pd.Series:
    if column.dtype == dtype:
        return column
    try:
        return _convert(column, dtype)
    except (TypeError, ValueError, OverflowError) as error:
        value = next((value for value in column.dropna() if not _can_convert(value, dtype)), None)
        value = value.item() if isinstance(value, np.generic) else value
        if value is None:
            message = f"The column {name!r} cannot be converted from {column.dtype} to {dtype}: {error}"
        else:
            message = f"The column {name!r} must contain {_EXPECTED.get(dtype, dtype)}, got {safe_repr(value)}."
        raise InputError(message) from error


def _convert(column: pd.Series, dtype: Any) -> pd.Series:
    if dtype == TIMESTAMP_DTYPE:
        if pd.api.types.is_numeric_dtype(column.dtype):
            if column.notna().any():
                raise TypeError("Numbers are not timestamps.")
            column = column.astype(object)
        if column.dtype in ("str", "object") and column.isin(["now", "today"]).any():
            raise ValueError("pandas would convert these words to the current time.")
        # pandas would infer another format from the first row, for example the month first.
        column = pd.to_datetime(column, utc=True, format="ISO8601")
    converted: pd.Series = column.astype(dtype)
    # If a numeric dtype is nullable, pandas does not check whether the values change.
    is_number = dtype == "Int64" and pd.api.types.is_numeric_dtype(column.dtype)
    if is_number and ((converted != column) & column.notna()).any():
        raise ValueError("Some numbers are not 64-bit integers.")
    return converted


def _can_convert(value: Any, dtype: Any) -> bool:
    try:
        _convert(pd.Series([value]), dtype)
    except (TypeError, ValueError, OverflowError):
        return False
    return True
