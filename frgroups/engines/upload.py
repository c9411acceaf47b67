"""Make Arrow tables available to the query engine of a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from frgroups.engines.frames import as_narwhals, import_narwhals
from frgroups.errors import FrgroupsError

if TYPE_CHECKING:
    from narwhals.stable.v2 import LazyFrame


def upload_table(table: pa.Table, like: Any) -> LazyFrame[Any]:
    """
    Return an Arrow table as a frame in the engine and the session of another frame.

    The result can be joined with `like`. For Spark, the rows are sent to the cluster.

    Parameters
    ----------
    table
        The rows. Timestamps need a time zone, because Spark interprets other timestamps in the session's time zone.
    like
        A native frame or a Narwhals frame. See `is_engine_frame`.

    Returns
    -------
    LazyFrame
        A Narwhals frame with the columns of `table`.

    Raises
    ------
    FrgroupsError
        If the DuckDB connection does not allow tables in memory (settings `python_enable_replacements` and
        `enable_external_access`).
    """
    nw = import_narwhals()
    frame = as_narwhals(like)
    native = frame.to_native()
    if frame.implementation.is_duckdb():
        # Narwhals would use DuckDB's default connection, which might not be the connection of the relation.
        return as_narwhals(_scan_in_connection(native, table))
    is_spark = frame.implementation.is_spark_like()
    # Spark Connect cannot infer the types of a table without rows, so one row of nulls is sent.
    # `head(0)` then removes this row.
    rows = pa.Table.from_pylist([{}], schema=table.schema) if is_spark and not table.num_rows else table
    session = native.sparkSession if is_spark else None
    uploaded: LazyFrame[Any] = nw.from_native(rows, eager_only=True).lazy(frame.implementation, session=session)
    return uploaded if rows is table else uploaded.head(0)


def _scan_in_connection(relation: Any, table: pa.Table) -> Any:
    """
    Return an Arrow table as a relation in the connection of another relation.

    A relation does not expose its connection, but the method `query` uses the connection. The SQL statement contains
    the name of the Python variable. If the connection contained a table with the same name as the variable, DuckDB
    would read that table instead of the Arrow table. The returned relation keeps a reference to the Arrow table.
    """
    frgroups_uploaded_rows = table  # noqa: F841
    try:
        return relation.query("frgroups_relation", "SELECT * FROM frgroups_uploaded_rows")
    except Exception as error:
        # DuckDB is an optional dependency. Its exception class is not imported, so the name of the class is compared.
        if type(error).__name__ != "CatalogException":
            raise
        raise FrgroupsError(
            "DuckDB cannot read tables in memory in this connection. The settings python_enable_replacements and "
            "enable_external_access must be true.",
            hint="Run SET python_enable_replacements = true. A new connection is needed to change the other setting.",
        ) from error
