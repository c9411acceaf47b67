"""
Recognize, validate, and collect the frames of query engines.

A frame is an object that describes rows without containing them, for example a DuckDB relation, a Spark DataFrame, or
a Polars LazyFrame. Narwhals translates the same expressions for all engines. Narwhals is imported only if the caller
passes such a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from frgroups.engines.removed_snapshots import removed_snapshots_explained
from frgroups.errors import FrgroupsError, InputError
from frgroups.internals.formatting import pluralize
from frgroups.internals.typing import IndexArray, IntArray
from frgroups.internals.validation import check_columns
from frgroups.snapshot.membership_matrix import check_no_missing_uids, check_uids

if TYPE_CHECKING:
    from narwhals.stable.v2 import Expr, LazyFrame

TENANT, TAKEN_AT, GROUP, CUSTOMER = "tenant_uid", "taken_at", "customer_group_uid", "customer_uid"

# The class name and the package of each supported type of frame.
_FRAMES = {
    ("DuckDBPyRelation", "duckdb"),
    ("LazyFrame", "polars"),
    ("DataFrame", "pyspark.sql"),
    ("LazyFrame", "narwhals"),
    ("Table", "ibis"),
}


def is_engine_frame(data: Any) -> bool:
    """
    Return True for a frame of a query engine, and False for a Snapshot and for tables in memory.

    The function recognizes DuckDB relations, Spark and Spark Connect DataFrames, Polars and Narwhals LazyFrames, and
    Ibis tables.

    Examples
    --------
    >>> is_engine_frame(sample_snapshot()), is_engine_frame(sample_snapshot().memberships)
    (False, False)
    """
    return any(is_instance_of(data, name, package) for name, package in _FRAMES)


def is_instance_of(data: Any, class_name: str, package: str) -> bool:
    """
    Return True if an object is an instance of a class or of its subclass, without importing the class.

    Parameters
    ----------
    data
        The object.
    class_name
        Name of the class.
    package
        Package that contains the module of the class, for example "pyspark.sql". The module can also be in a private
        package with an underscore before its name, such as "_duckdb".

    Examples
    --------
    >>> is_instance_of(pd.DataFrame(), "DataFrame", "pandas"), is_instance_of(pd.DataFrame(), "DataFrame", "polars")
    (True, False)
    """
    return any(
        kind.__name__ == class_name and f"{kind.__module__}.".startswith((f"{package}.", f"_{package}."))
        for kind in type(data).__mro__
    )


def read_memberships(data: Any, name: str = "memberships") -> LazyFrame[Any]:
    """
    Return the group uids and the customer uids in a frame of a query engine as a Narwhals LazyFrame.

    The uids are checked as in `read_columns`. To check them, the engine evaluates the frame once. Repeated
    memberships are not removed. `name` is the name of the argument that contains the frame, for error messages.
    """
    return read_columns(data, [GROUP, CUSTOMER], name)


@removed_snapshots_explained()
def read_columns(data: Any, uids: Sequence[str], name: str, *, timestamps: Sequence[str] = ()) -> LazyFrame[Any]:
    """
    Return the given columns of a frame of a query engine as a Narwhals LazyFrame.

    To check the values, the engine evaluates the frame once.

    Parameters
    ----------
    data
        Frame of a query engine.
    uids
        Columns of uids. They are checked like the uids in a table in memory.
    name
        Name of the argument that contains the frame, for error messages.
    timestamps
        Columns of timestamps.

    Raises
    ------
    InputError
        If a column does not exist, has another type, or has missing values, or if the engine ignores case or accents
        when it compares uids, for example because of a collation.
    """
    nw = import_narwhals()
    frame = as_narwhals(data)
    # The columns are checked in the same order as those of a table in memory, so that the same error is raised.
    for column in (*uids, *timestamps):
        check_columns(frame.columns, [column], name)
    frame = frame.select(*uids, *timestamps)
    _check_types(frame, uids, timestamps, name)
    frame = frame.with_columns(nw.col(*uids).cast(nw.String))
    _check_values(frame, uids, timestamps, name)
    return frame


def _check_types(frame: LazyFrame[Any], uids: Sequence[str], timestamps: Sequence[str], name: str) -> None:
    nw = import_narwhals()
    schema = frame.collect_schema()
    for column in uids:
        if schema[column] not in (nw.String, nw.Categorical, nw.Enum):
            # The first value is checked like a column in memory, so that `check_uids` raises the same error.
            value = collect(frame.select(column).drop_nulls().head(1))
            check_uids(value.to_pandas(), column, name)
    for column in timestamps:
        if schema[column] != nw.Datetime:
            raise InputError(
                f"The column {column!r} of `{name}` must contain timestamps, got {type(schema[column]).__name__}.",
                hint="Convert the column in the query engine to timestamps in microseconds.",
            )


def _check_values(frame: LazyFrame[Any], uids: Sequence[str], timestamps: Sequence[str], name: str) -> None:
    """Raise InputError if values are missing or if the engine ignores case or accents. One row is collected."""
    nw = import_narwhals()
    counts = [(nw.len() - nw.col(column).count()).alias(f"null_{column}") for column in (*uids, *timestamps)]
    counts += [count_true(nw.col(column) == "").alias(f"empty_{column}") for column in uids]
    counts += [_ignores_case_or_accents(column).alias(f"ignores_{column}") for column in uids]
    checked = collect(frame.select(*counts))
    for column in uids:
        n_null, n_empty = (int(integers(checked, f"{kind}_{column}")[0]) for kind in ("null", "empty"))
        check_no_missing_uids(n_null or n_empty, column, name)
        if checked[f"ignores_{column}"][0].as_py():
            raise InputError(
                f"The query engine ignores case or accents when it compares values of the column {column!r} of "
                f"`{name}`, but uids are compared exactly. Use a binary collation."
            )
    for column in timestamps:
        n_null = int(integers(checked, f"null_{column}")[0])
        if n_null:
            raise InputError(
                f"The column {column!r} of `{name}` has {pluralize(n_null, 'row')} without a timestamp.",
                hint="Remove these rows in the query engine.",
            )


def as_narwhals(data: Any) -> LazyFrame[Any]:
    """Return a frame of a query engine as a LazyFrame of the stable Narwhals API."""
    nw = import_narwhals()
    # If `data` is a frame of another Narwhals API, such as `narwhals.LazyFrame`, it is converted to the frame of the
    # query engine first.
    frame: LazyFrame[Any] = nw.from_native(nw.to_native(data, pass_through=True))
    return frame


def check_same_engine(first: Any, second: Any, names: tuple[str, str]) -> None:
    """Raise InputError if two frames belong to different query engines. `names` are the names of the arguments."""
    if as_narwhals(first).implementation != as_narwhals(second).implementation:
        raise InputError(
            f"`{names[0]}` and `{names[1]}` must be frames of the same query engine, got {type(first).__name__} and "
            f"{type(second).__name__}.",
            hint="Collect one of them into memory, or convert it to a frame of the other engine.",
        )


def import_narwhals() -> Any:
    """Return the Narwhals module. Raise FrgroupsError if Narwhals is not installed."""
    try:
        import narwhals.stable.v2 as nw
    except ImportError as error:
        raise FrgroupsError(
            'Frames of query engines require the package narwhals. Run pip install "frgroups[duckdb]", '
            '"frgroups[spark]", or "frgroups[polars]".'
        ) from error
    return nw


def count_true(condition: Expr) -> Expr:
    """
    Return an expression that counts the rows for which a condition is True.

    The condition is converted to integers, because Spark cannot sum Boolean values.
    """
    expression: Expr = import_narwhals().when(condition).then(1).otherwise(0).sum()
    return expression


def distinct(frame: LazyFrame[Any], *columns: str) -> LazyFrame[Any]:
    """
    Return the distinct combinations of values in columns.

    The function groups the rows, because this is faster than `LazyFrame.unique`. In SQL engines, Narwhals implements
    `LazyFrame.unique` with a window function.
    """
    nw = import_narwhals()
    return frame.group_by(*columns).agg(nw.len().alias("n_rows")).select(*columns)


@removed_snapshots_explained()
def collect(frame: LazyFrame[Any]) -> pa.Table:
    """Evaluate a frame in its engine, and return the rows as an Arrow table."""
    table: pa.Table = frame.collect(backend="pyarrow").to_arrow()
    return table


def integers(table: pa.Table, column: str) -> IntArray:
    """
    Return a column of counts as 64-bit integers.

    Engines return different integer types. They return null for the sum of a column without rows, and the function
    converts null to 0.
    """
    counts: IntArray = np.asarray(table[column].fill_null(0).cast(pa.int64()), dtype=np.int64)
    return counts


def strings(table: pa.Table, column: str) -> pd.Index:
    """Return a column of uids or other strings as an index."""
    texts: pd.Index = pd.Index(table[column].cast(pa.large_string()).combine_chunks().to_pandas(), dtype="str")
    return texts


def sort_groups(table: pa.Table) -> tuple[pd.Index, IndexArray]:
    """Return the sorted group uids of a collected table, and the positions that sort its rows by uid."""
    uids = strings(table, GROUP)
    order = uids.argsort()
    return uids.take(order), order


def _ignores_case_or_accents(column: str) -> Expr:
    """Return an expression that is True if the engine treats "a" and "A", or "e" and "é", as equal in a column."""
    nw = import_narwhals()
    # The letters are appended to an empty string that has the collation of the column.
    # The minimum of no values has this collation, and the engine does not need to read the column.
    text = nw.coalesce(nw.when(nw.lit(False)).then(nw.col(column)).min(), nw.lit(""))
    compared = [
        nw.concat_str(text, nw.lit(first)) == nw.concat_str(text, nw.lit(second)) for first, second in ("aA", "eé")
    ]
    expression: Expr = compared[0] | compared[1]
    return expression
