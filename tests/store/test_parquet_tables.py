"""Tests for reading the Parquet files of a stored snapshot with DuckDB, Polars, pandas, and Arrow."""

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from frgroups.analysis.sizes import group_sizes
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames
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
def folder(tmp_path):
    """Return the folder of a stored snapshot."""
    return save_snapshot(sample_snapshot(), tmp_path)


def with_duckdb(path: Path, sql: str) -> pd.DataFrame:
    with duckdb.connect() as connection:
        for name in TABLES:
            connection.execute(f"CREATE VIEW {name} AS FROM '{path / name}.parquet'")
        return connection.sql(sql).arrow().read_all().to_pandas()


def with_polars(path: Path, sql: str) -> pd.DataFrame:
    frames = {name: pl.scan_parquet(path / f"{name}.parquet") for name in TABLES}
    return pl.SQLContext(frames, eager=True).execute(sql).to_pandas()


@pytest.mark.parametrize("query", [with_duckdb, with_polars])
def test_join_on_codes(folder, query):
    """Joining the groups, customers, and membership codes returns the memberships of the snapshot."""
    found = query(folder, JOIN)

    pd.testing.assert_frame_equal(found.astype("str"), sample_snapshot().memberships)


@pytest.mark.parametrize("query", [with_duckdb, with_polars])
def test_group_sizes(folder, query):
    """Group sizes that are calculated with SQL are equal to the result of `group_sizes`."""
    found = query(folder, SIZES)

    expected = group_sizes(sample_snapshot())[["customer_group_uid", "name", "n_members"]]
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


@pytest.mark.parametrize("name", TABLES)
def test_all_engines(folder, name):
    """All query engines read the same columns and the same number of rows from each file."""
    path = folder / f"{name}.parquet"

    columns, rows = pq.read_schema(path).names, pq.read_metadata(path).num_rows

    assert list(pd.read_parquet(path).columns) == pl.read_parquet(path).columns == columns
    assert with_duckdb(folder, f"FROM {name}").shape == pl.read_parquet(path).shape == (rows, len(columns))


@pytest.mark.parametrize("name", TABLES)
def test_column_types(folder, name):
    """The Parquet files contain only types that all query engines support, and no timestamps with nanoseconds."""
    supported = {pa.string(), pa.int32(), pa.int64(), pa.float64(), pa.bool_(), pa.timestamp("us", tz="UTC")}

    assert set(pq.read_schema(folder / f"{name}.parquet").types) <= supported


@pytest.mark.parametrize(("name", "code"), [("groups", "customer_group_code"), ("customers", "customer_code")])
def test_codes_are_row_numbers(folder, name, code):
    """The codes of groups and customers are 32-bit integers that start at 0 and equal the row number."""
    column = pq.read_table(folder / f"{name}.parquet")[code]

    assert column.type == pa.int32()
    assert column.to_pylist() == list(range(len(column)))


def test_memberships_contain_only_codes(folder):
    """The memberships file contains only codes, because each uid is stored in only one table."""
    names = pq.read_schema(folder / "memberships.parquet").names

    assert names == ["snapshot_id", "customer_group_code", "customer_code"]


def test_size_of_snapshot_id(tmp_path):
    """The snapshot id needs less than 0.02 bytes per membership."""
    groups = pd.DataFrame({"customer_group_uid": np.repeat([f"g-{n}" for n in range(10)], 20_000)})
    memberships = groups.assign(customer_uid=np.tile([f"c-{n}" for n in range(20_000)], 10))
    path = save_snapshot(snapshot_from_frames(memberships, tenant_uid="t-1", taken_at="2026-11-23"), tmp_path)

    metadata = pq.read_metadata(path / "memberships.parquet")

    assert (metadata.num_row_groups, metadata.num_rows) == (1, 200_000)
    assert metadata.row_group(0).column(0).total_compressed_size < 0.02 * 200_000
