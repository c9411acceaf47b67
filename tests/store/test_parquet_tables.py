"""Kept snapshots are plain parquet: DuckDB, Polars, pandas and Arrow read them and join on the codes."""

from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from frgroups.analysis.sizes import group_sizes
from frgroups.snapshot.from_frames import sample_snapshot
from frgroups.store.snapshot_store import save_snapshot

TABLES = ["groups", "customers", "consents", "reads", "memberships"]

JOIN = """
    SELECT g.customer_group_uid, c.customer_uid
    FROM memberships JOIN groups AS g USING (customer_group_code) JOIN customers AS c USING (customer_code)
    ORDER BY 1, 2
"""
SIZES = """
    SELECT g.customer_group_uid, g.name, count(m.customer_code) AS n_members
    FROM groups AS g LEFT JOIN memberships AS m USING (customer_group_code)
    GROUP BY 1, 2 ORDER BY 1
"""


@pytest.fixture
def kept(tmp_path):
    """The folder of a kept snapshot."""
    return save_snapshot(sample_snapshot(), tmp_path)


def with_duckdb(folder: Path, sql: str) -> pd.DataFrame:
    with duckdb.connect() as connection:
        for name in TABLES:
            connection.execute(f"CREATE VIEW {name} AS FROM '{folder / name}.parquet'")
        return connection.sql(sql).arrow().read_all().to_pandas()


def with_polars(folder: Path, sql: str) -> pd.DataFrame:
    frames = {name: pl.scan_parquet(folder / f"{name}.parquet") for name in TABLES}
    return pl.SQLContext(frames, eager=True).execute(sql).to_pandas()


@pytest.mark.parametrize("ask", [with_duckdb, with_polars])
def test_a_join_on_the_codes_gives_the_memberships(kept, ask):
    "Groups and customers explain the codes, whichever engine joins them."
    found = ask(kept, JOIN)

    pd.testing.assert_frame_equal(found.astype("str"), sample_snapshot().memberships)


@pytest.mark.parametrize("ask", [with_duckdb, with_polars])
def test_group_sizes_are_those_that_we_count(kept, ask):
    "SQL and group_sizes agree."
    found = ask(kept, SIZES)

    expected = group_sizes(sample_snapshot())[["customer_group_uid", "name", "n_members"]]
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


@pytest.mark.parametrize("name", TABLES)
def test_every_engine_reads_every_table(kept, name):
    "They find the same columns, and as many rows."
    path = kept / f"{name}.parquet"

    columns, rows = pq.read_schema(path).names, pq.read_metadata(path).num_rows

    assert list(pd.read_parquet(path).columns) == pl.read_parquet(path).columns == columns
    assert with_duckdb(kept, f"FROM {name}").shape == pl.read_parquet(path).shape == (rows, len(columns))


@pytest.mark.parametrize("name", TABLES)
def test_only_types_that_every_engine_knows_are_written(kept, name):
    "Text, signed integers, doubles, booleans and microseconds UTC: Spark refuses nanoseconds and unsigned integers."
    known = {pa.string(), pa.int32(), pa.int64(), pa.float64(), pa.bool_(), pa.timestamp("us", tz="UTC")}

    assert set(pq.read_schema(kept / f"{name}.parquet").types) <= known


@pytest.mark.parametrize(("name", "code"), [("groups", "customer_group_code"), ("customers", "customer_code")])
def test_a_code_is_the_number_of_its_row(kept, name, code):
    "They are 32 bit wide, start at 0 and leave none out."
    column = pq.read_table(kept / f"{name}.parquet")[code]

    assert column.type == pa.int32()
    assert column.to_pylist() == list(range(len(column)))


def test_no_uid_stands_with_the_memberships(kept):
    "Only the codes do; each uid is in one table alone."
    assert pq.read_schema(kept / "memberships.parquet").names == ["customer_group_code", "customer_code"]
