"""
Recognize, validate, and collect the frames of query engines.

A frame is an object that describes rows without containing them, for example a DuckDB relation, a Spark DataFrame, or
a Polars LazyFrame. Narwhals translates the same expressions for all engines. Narwhals is imported only if the caller
passes such a frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from frgroups.engines.removed_snapshots import explain_removed_snapshots
from frgroups.errors import FrgroupsError, InputError
from frgroups.internals.formatting import pluralize
from frgroups.internals.typing import IndexArray, IntArray
from frgroups.internals.validation import check_columns, check_unique_column
from frgroups.snapshot.membership_matrix import check_no_missing_uids, check_uids
from frgroups.snapshot.snapshot_columns import SNAPSHOT_COLUMNS, SnapshotKey, snapshot_key

if TYPE_CHECKING:
    from narwhals.stable.v2 import Expr, LazyFrame

TENANT, TAKEN_AT, GROUP, CUSTOMER = "tenant_uid", "taken_at", "customer_group_uid", "customer_uid"

# The class name and the package of each supported type of frame, in addition to Narwhals frames.
_FRAMES = {
    ("DuckDBPyRelation", "duckdb"),
    ("LazyFrame", "polars"),
    ("DataFrame", "pyspark.sql"),
    ("Table", "ibis"),
}
# Pairs of different texts that some collations treat as equal, because they ignore case, accents, punctuation, the
# normalization of Unicode, or invisible characters.
_DIFFERENT_TEXTS = (("a", "A"), ("e", "é"), ("a-b", "ab"), ("a_b", "ab"), ("é", "e\u0301"), ("ab", "a\u200bb"))


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
    if is_instance_of(data, "LazyFrame", "narwhals"):
        # The method `lazy` of a table in memory also returns a LazyFrame, but no query engine evaluates it.
        return is_instance_of(as_narwhals(data), "LazyFrame", "narwhals")
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


def read_memberships(data: Any, name: str = "data") -> LazyFrame[Any]:
    """
    Return the group uids and the customer uids in a frame of a query engine as a Narwhals LazyFrame.

    The values are checked as in `read_one_snapshot`. Repeated memberships are not removed. `name` is the name of the
    argument that contains the frame, for error messages.
    """
    return read_one_snapshot(data, name)[0]


@explain_removed_snapshots()
def read_one_snapshot(
    data: Any, name: str, uids: Sequence[str] = (GROUP, CUSTOMER), *, can_be_empty: bool = False
) -> tuple[LazyFrame[Any], SnapshotKey]:
    """
    Return the columns `uids` of a frame of memberships, and the tenant and the time of their snapshot.

    The uids are checked as in `read_columns`. An InputError is also raised for the values of tenant_uid and taken_at
    that `check_one_snapshot` rejects. If `can_be_empty` is True, a frame without rows is accepted.
    """
    columns = _snapshot_columns(as_narwhals(data))
    frame, checked = _read_columns(data, uids, name, snapshot_columns=columns)
    return frame, _snapshot_key(checked, columns, name, can_be_empty=can_be_empty)


@explain_removed_snapshots()
def read_snapshot_key(data: Any, name: str) -> SnapshotKey:
    """
    Return the tenant and the time of the snapshot in a frame of a query engine.

    See `check_one_snapshot` for the errors. If the frame has neither of the two columns, it is not evaluated.
    """
    frame = as_narwhals(data)
    columns = _snapshot_columns(frame)
    if not columns:
        return SnapshotKey()
    for column in columns:
        check_unique_column(frame.columns, column, name)
    frame = _comparable_snapshot_columns(frame.select(*columns), columns)
    checked = collect(frame.select(import_narwhals().len().alias("n_rows"), *_bounds(columns)))
    return _snapshot_key(checked, columns, name)


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
        If a column does not exist, has another type, or has missing values, or if the engine treats different uids as
        equal, for example because of a collation.
    """
    return _read_columns(data, uids, name, timestamps=timestamps)[0]


@explain_removed_snapshots()
def _read_columns(
    data: Any,
    uids: Sequence[str],
    name: str,
    *,
    timestamps: Sequence[str] = (),
    snapshot_columns: Sequence[str] = (),
) -> tuple[LazyFrame[Any], pa.Table]:
    """Return the columns as in `read_columns`, and one row with the bounds of the columns `snapshot_columns`."""
    nw = import_narwhals()
    frame = as_narwhals(data)
    # The columns are checked in the same order as those of a table in memory, so that the same error is raised.
    for column in (*uids, *timestamps):
        check_columns(frame.columns, [column], name)
    for column in (*uids, *timestamps, *snapshot_columns):
        check_unique_column(frame.columns, column, name)
    frame = frame.select(*dict.fromkeys([*uids, *timestamps, *snapshot_columns]))
    _check_types(frame, uids, timestamps, name)
    frame = frame.with_columns(nw.col(*uids).cast(nw.String))
    frame = _comparable_snapshot_columns(frame, snapshot_columns)
    checked = _check_values(frame, uids, timestamps, snapshot_columns, name)
    return frame.select(*uids, *timestamps), checked


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


def _check_values(
    frame: LazyFrame[Any], uids: Sequence[str], timestamps: Sequence[str], snapshot_columns: Sequence[str], name: str
) -> pa.Table:
    """
    Raise InputError if values are missing or if the engine treats different uids as equal.

    One row is collected. The function returns this row, which also contains the bounds of `snapshot_columns`.
    """
    nw = import_narwhals()
    counts = [(nw.len() - nw.col(column).count()).alias(f"null_{column}") for column in (*uids, *timestamps)]
    counts += [count_true(nw.col(column) == "").alias(f"empty_{column}") for column in uids]
    # The collation of tenant_uid is also checked if the tenants are not otherwise used.
    texts = list(dict.fromkeys([*uids, *(column for column in snapshot_columns if column == TENANT)]))
    counts += [_is_inexact(column).alias(f"inexact_{column}") for column in texts]
    checked = collect(frame.select(nw.len().alias("n_rows"), *counts, *_bounds(snapshot_columns)))
    for column in uids:
        n_null, n_empty = (int(integers(checked, f"{kind}_{column}")[0]) for kind in ("null", "empty"))
        check_no_missing_uids(n_null or n_empty, column, name)
    for column in texts:
        if checked[f"inexact_{column}"][0].as_py():
            raise _inexact_column(column, name)
    for column in timestamps:
        n_null = int(integers(checked, f"null_{column}")[0])
        if n_null:
            raise InputError(
                f"The column {column!r} of `{name}` has {pluralize(n_null, 'row')} without a timestamp.",
                hint="Remove these rows in the query engine.",
            )
    return checked


def _snapshot_columns(frame: LazyFrame[Any]) -> list[str]:
    """Return the existing columns tenant_uid and taken_at, except for columns of types that have no order."""
    nw = import_narwhals()
    schema = frame.collect_schema()
    columns = [column for column in SNAPSHOT_COLUMNS if column in schema]
    return [
        column
        for column in columns
        if not (schema[column].is_nested() or schema[column] in (nw.Binary, nw.Duration, nw.Time))
    ]


def _comparable_snapshot_columns(frame: LazyFrame[Any], columns: Sequence[str]) -> LazyFrame[Any]:
    """Convert the columns tenant_uid and taken_at to strings, except for timestamps and dates."""
    nw = import_narwhals()
    schema = frame.collect_schema()
    texts = [column for column in columns if schema[column] not in (nw.String, nw.Datetime, nw.Date)]
    return frame.with_columns(nw.col(*texts).cast(nw.String)) if texts else frame


def _bounds(columns: Sequence[str]) -> list[Expr]:
    """Return expressions for the smallest and the largest value of each column."""
    nw = import_narwhals()
    smallest = [nw.col(column).min().alias(f"first_{column}") for column in columns]
    return smallest + [nw.col(column).max().alias(f"last_{column}") for column in columns]


def _snapshot_key(checked: pa.Table, columns: Iterable[str], name: str, *, can_be_empty: bool = False) -> SnapshotKey:
    """Return the tenant and the time. `checked` is a row with the values of `_bounds` and the number of rows."""
    try:
        row = checked.to_pylist()[0]
    except (OverflowError, ValueError) as error:
        raise InputError(
            f"The column 'taken_at' of `{name}` contains a time that is not between the years 1 and 9999.",
            hint="Remove these rows in the query engine.",
        ) from error
    bounds = {column: (row[f"first_{column}"], row[f"last_{column}"]) for column in columns}
    return snapshot_key(bounds, name, has_rows=can_be_empty or bool(row["n_rows"]))


@explain_removed_snapshots()
def check_exact(frame: LazyFrame[Any], columns: Sequence[str], name: str) -> None:
    """Raise InputError if the engine treats different values of a text column as equal. No rows are read."""
    checked = collect(frame.head(0).select(_is_inexact(column).alias(column) for column in columns))
    for column in columns:
        if checked[column][0].as_py():
            raise _inexact_column(column, name)


def as_narwhals(data: Any) -> LazyFrame[Any]:
    """Return a frame of a query engine as a LazyFrame of the stable Narwhals API."""
    nw = import_narwhals()
    # If `data` is a frame of another Narwhals API, such as `narwhals.LazyFrame`, it is converted to the frame of the
    # query engine first.
    frame: LazyFrame[Any] = nw.from_native(nw.to_native(data, pass_through=True))
    return frame


@explain_removed_snapshots()
def check_same_engine(first: Any, second: Any, names: tuple[str, str]) -> None:
    """
    Raise InputError if two frames belong to different query engines or to different DuckDB connections.

    `names` are the names of the arguments.
    """
    nw = import_narwhals()
    frames = [as_narwhals(data) for data in (first, second)]
    if frames[0].implementation != frames[1].implementation:
        raise InputError(
            f"`{names[0]}` and `{names[1]}` must be frames of the same query engine, got {type(first).__name__} and "
            f"{type(second).__name__}.",
            hint="Collect one of them into memory, or convert it to a frame of the other engine.",
        )
    try:
        nw.concat([frame.select(one=nw.lit(1)) for frame in frames])
    except Exception as error:
        # DuckDB is an optional dependency. Its exception class is not imported, so the name of the class is compared.
        if type(error).__name__ != "InvalidInputException":
            raise
        raise InputError(
            f"`{names[0]}` and `{names[1]}` belong to different DuckDB connections.",
            hint="Create both relations with the same connection.",
        ) from error


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


@explain_removed_snapshots()
def collect(frame: LazyFrame[Any]) -> pa.Table:
    """
    Evaluate a frame in its engine, and return the rows as an Arrow table. Timestamps with a time zone are in UTC.

    128-bit integers are converted to 64 bits in the engine, because DuckDB can return them as an extension type. The
    time zone of a DuckDB connection can be unknown to Python.
    """
    nw = import_narwhals()
    wide = [column for column, dtype in frame.collect_schema().items() if dtype == nw.Int128]
    if wide:
        frame = frame.with_columns(nw.col(*wide).cast(nw.Int64))
    table: pa.Table = frame.collect(backend="pyarrow").to_arrow()
    for position, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type) and field.type.tz is not None:
            in_utc = table.column(position).cast(pa.timestamp(field.type.unit, "UTC"))
            table = table.set_column(position, field.name, in_utc)
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


def _is_inexact(column: str) -> Expr:
    """Return an expression that is True if the engine treats different values of a text column as equal."""
    nw = import_narwhals()
    # The texts are appended to an empty string that has the collation of the column.
    # `min` of zero rows is null with the collation of the column, and the engine does not need to read the column.
    empty = nw.coalesce(nw.when(nw.lit(False)).then(nw.col(column)).min(), nw.lit(""))
    compared = [
        nw.concat_str(empty, nw.lit(first)) == nw.concat_str(empty, nw.lit(second))
        for first, second in _DIFFERENT_TEXTS
    ]
    expression: Expr = reduce(or_, compared)
    return expression


def _inexact_column(column: str, name: str) -> InputError:
    return InputError(
        f"The query engine treats different values of the column {column!r} of `{name}` as equal, for example values "
        "that differ only in case, accents, or punctuation.",
        hint="Use a binary collation.",
    )
