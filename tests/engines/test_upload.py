"""Tests for tables that are made available to the query engine of a frame."""

import gc
from datetime import UTC, datetime

import duckdb
import narwhals as main_nw
import narwhals.stable.v2 as nw
import pandas as pd
import pyarrow as pa
import pytest

from frgroups.engines.frames import collect
from frgroups.engines.upload import upload_table
from frgroups.errors import FrgroupsError
from tests.engines.conftest import LAZY, create_frame

FRAME = pd.DataFrame({"customer_uid": ["c-1", "c-2", "c-3"], "n": [1, 2, 3]})
TIMES = [datetime(2026, 3, 29, 1, 30, tzinfo=UTC), datetime(2026, 10, 25, 0, 30, tzinfo=UTC), None]


def create_upload():
    """Return a new table that shares two customers with FRAME."""
    return pa.table(
        {
            "customer_uid": pa.array(["c-2", "c-3", "Å 'x'"], pa.large_string()),
            "taken_at": pa.array(TIMES, pa.timestamp("us", "UTC")),
        }
    )


def joined_rows(frame, uploaded):
    """Return the rows that a join of both frames has in common, and the moments of the time column."""
    joined = collect(nw.from_native(frame).join(uploaded, on="customer_uid").sort("customer_uid"))
    times = joined["taken_at"].cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    return joined["n"].to_pylist(), times.to_pylist()


def test_join(lazy_engine):
    "The uploaded rows can still be joined after the Arrow table has been released, and their times are in UTC."
    frame = lazy_engine(FRAME)
    uploaded = upload_table(create_upload(), frame)
    gc.collect()

    numbers, microseconds = joined_rows(frame, uploaded)

    assert numbers == [2, 3]
    assert microseconds == [int(time.timestamp() * 1_000_000) for time in TIMES[:2]]


def test_table_without_rows(lazy_engine):
    "A table without rows keeps its columns and types."
    uploaded = upload_table(create_upload().slice(0, 0), lazy_engine(FRAME))

    assert uploaded.columns == ["customer_uid", "taken_at"]
    assert uploaded.collect_schema()["customer_uid"] == nw.String
    assert collect(uploaded).num_rows == 0


@pytest.mark.parametrize("kind", LAZY)
def test_two_tables(kind):
    "A second table does not replace the rows of the first table."
    frame = main_nw.from_native(create_frame(FRAME, kind))
    tables = [upload_table(pa.table({"a": [text]}), frame) for text in ("first", "second")]

    assert [collect(table)["a"].to_pylist() for table in tables] == [["first"], ["second"]]


def test_own_connection(tmp_path):
    "The table is read in the relation's own DuckDB connection, and nothing is created in it."
    path = tmp_path / "tenants.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute(
            "CREATE TABLE lists AS SELECT * FROM (VALUES ('c-2', 2), ('c-4', 4)) AS v(customer_uid, n)"
        )
    with duckdb.connect(path, read_only=True) as connection:
        frame = connection.table("lists")

        uploaded = upload_table(create_upload(), frame)

        assert joined_rows(frame, uploaded)[0] == [2]
        names = connection.execute(
            "SELECT table_name FROM duckdb_tables() UNION ALL SELECT view_name FROM duckdb_views() WHERE NOT internal"
        )
        assert names.fetchall() == [("lists",)]


@pytest.mark.parametrize("setting", ["python_enable_replacements", "enable_external_access"])
def test_replacements_are_disabled(setting):
    "If the connection cannot read Python variables, the error names the settings."
    with duckdb.connect() as connection:
        connection.execute(f"SET {setting} = false")
        with pytest.raises(FrgroupsError, match=setting):
            upload_table(create_upload(), connection.sql("SELECT 1 AS n"))
