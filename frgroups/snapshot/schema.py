"""The columns and dtypes of the tables that a Snapshot holds; fresh, cached and given ones are alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from frgroups.errors import InputError

TIMESTAMP_DTYPE = "datetime64[us, UTC]"

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
    # Integers of money, as the API gives them: probably minor units (øre, cent).
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

# Kept only when the load was asked for personal=True; they follow the columns above.
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
    "how": "str",  # "pages", "cover" or "given"
    "evidence": "str",  # "overlapping windows", "second pass", "counts" or "none"
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
    A new frame with exactly these columns and dtypes first, and the frame's other columns after them.

    What the frame lacks is filled with missing values. Raises InputError where a column cannot be converted.
    """
    given = pd.DataFrame() if frame is None else frame
    own = {name: _column(given, name, dtype) for name, dtype in columns.items()}
    rest = {str(name): given[name] for name in given.columns if name not in columns}
    return pd.DataFrame(own | rest, index=given.index).reset_index(drop=True)


def make_nullable(column: pd.Series) -> pd.Series:
    """
    The column in a dtype that can miss a value, where whole numbers would become floats, and yes or no text.

    >>> str(make_nullable(pd.Series([True, False])).dtype), str(make_nullable(pd.Series([0.5])).dtype)
    ('boolean', 'float64')
    """
    exact = pd.api.types.is_bool_dtype(column) or pd.api.types.is_integer_dtype(column) or column.dtype == object
    return column.convert_dtypes() if exact else column


ARROW = {
    "str": pa.string(),
    "int64": pa.int64(),
    "Int64": pa.int64(),
    "float64": pa.float64(),
    "boolean": pa.bool_(),
    "datetime64[us, UTC]": pa.timestamp("us", tz="UTC"),
}
# Without these a missing integer would turn its column into floats, and text take a detour over Python objects.
_TEXT = pd.StringDtype(na_value=np.nan)
_PANDAS = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype(), pa.string(): _TEXT, pa.large_string(): _TEXT}


def frame_from_arrow(columns: dict[str, Any], dtypes: dict[str, str]) -> pd.DataFrame:
    """The frame of these Arrow columns, in the order and dtypes of `dtypes`."""
    series = {name: columns[name].to_pandas(types_mapper=_PANDAS.get) for name in dtypes}
    frame = pd.DataFrame(series, copy=False)
    return frame.astype({name: dtype for name, dtype in dtypes.items() if frame[name].dtype != dtype})


def to_arrow(frame: pd.DataFrame, columns: dict[str, str]) -> pa.Table:
    """The frame as Arrow, these columns in fixed types; what `from_arrow` turns into the same frame again."""
    arrays = {}
    for name in frame.columns:
        try:
            arrays[name] = pa.Array.from_pandas(frame[name], type=ARROW[columns[name]] if name in columns else None)
        except pa.ArrowException:  # Its words show a value of the column.
            raise InputError(
                f"Column {name!r} holds values of several kinds ({frame[name].dtype}) and cannot be kept. "
                "Give it one dtype, or leave it out."
            ) from None
    # The metadata keep the dtypes of columns that are not ours.
    return pa.table(arrays).replace_schema_metadata(pa.Schema.from_pandas(frame, preserve_index=False).metadata)


def from_arrow(table: pa.Table, columns: dict[str, str]) -> pd.DataFrame:
    """The frame that `to_arrow` was given."""
    frame = table.to_pandas()
    as_it_should_be = all(name in frame and frame[name].dtype == dtype for name, dtype in columns.items())
    return frame if as_it_should_be else coerce_schema(frame, columns)  # Conforming copies.


def _column(frame: pd.DataFrame, name: str, dtype: Any) -> pd.Series:
    if name not in frame:
        nothing = pd.NA if dtype in ("Int64", "boolean") else None
        missing: pd.Series = pd.Series(nothing, index=frame.index, dtype=dtype)
        return missing
    column = frame[name]
    try:
        if dtype == TIMESTAMP_DTYPE:
            # With and without fractions of seconds in one column: the first row does not speak for the others.
            column = pd.to_datetime(column, utc=True, format="ISO8601" if column.dtype == "str" else None)
        converted: pd.Series = column.astype(dtype)
        return converted
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"Column {name!r} is {column.dtype} and cannot be read as {dtype}: {error}") from error
