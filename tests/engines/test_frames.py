"""Tests for the frames of query engines: recognition, errors, and the number of rows that leave the engine."""

import sys
from datetime import date, datetime

import duckdb
import narwhals as nw
import narwhals.stable.v1 as nw_v1
import pandas as pd
import pandas.testing as pdt
import polars as pl
import pyarrow as pa
import pytest

import frgroups as fg
from frgroups.analysis import pair_counts
from frgroups.engines import frames
from frgroups.engines.frames import is_engine_frame
from frgroups.errors import FrgroupsError, InputError
from tests.engines.conftest import LAZY, create_frame
from tests.engines.test_conformance import LATER, TABLE, create_table

N_GROUPS = TABLE["customer_group_uid"].nunique()
N_PAIRS = N_GROUPS * (N_GROUPS - 1) // 2


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (duckdb.sql("SELECT 1 AS a"), True),
        (pl.LazyFrame({"a": [1]}), True),
        (nw.from_native(pl.LazyFrame({"a": [1]})), True),
        (nw_v1.from_native(pl.LazyFrame({"a": [1]})), True),
        (type("DataFrame", (), {"__module__": "pyspark.sql.connect.dataframe"})(), True),
        (type("DataFrame", (), {"__module__": "pyspark.pandas.frame"})(), False),
        (type("Table", (), {"__module__": "ibis.expr.types.relations"})(), True),
        (nw.from_native(pd.DataFrame({"a": [1]})).lazy(), False),
        (nw.from_native(pa.table({"a": [1]})).lazy(), False),
        (pl.DataFrame({"a": [1]}), False),
        (pd.DataFrame({"a": [1]}), False),
        (None, False),
    ],
)
def test_recognized_frames(frame, expected):
    "Frames of engines are recognized by their class, and tables in memory are not."
    assert is_engine_frame(frame) is expected


@pytest.mark.parametrize(
    "frame",
    [
        pl.from_pandas(TABLE).lazy().cast(pl.Categorical),
        nw.from_native(pl.from_pandas(TABLE).lazy()),
        nw_v1.from_native(create_frame(TABLE, "duckdb")),
        nw.from_native(TABLE).lazy(),
        nw.from_native(create_frame(TABLE, "pyarrow")).lazy(),
    ],
    ids=["categories", "narwhals", "narwhals v1", "narwhals, pandas", "narwhals, pyarrow"],
)
def test_other_frames(frame):
    "Narwhals frames and categorical columns are supported, also Narwhals frames of tables in memory."
    pdt.assert_frame_equal(fg.group_sizes(frame), fg.group_sizes(TABLE))
    pdt.assert_frame_equal(fg.group_changes(frame, frame), fg.group_changes(TABLE, TABLE))


@pytest.mark.parametrize("kind", LAZY)
@pytest.mark.parametrize(
    ("function", "most_rows"),
    [
        (fg.group_sizes, [1, N_GROUPS]),
        (lambda data: fg.group_sizes(data, universe=1_000), [1, N_GROUPS]),
        (fg.groups_per_customer, [1, TABLE.drop_duplicates().groupby("customer_uid").size().nunique()]),
        (fg.overlap_pairs, [1, N_GROUPS, N_PAIRS]),
        (lambda data: fg.overlap_pairs(data, universe=1_000), [1, 1, N_GROUPS, N_PAIRS]),
        (lambda data: fg.overlap_pairs(data, min_both=20), [1, N_GROUPS, 20]),
        (fg.overlap_matrix, [1, N_GROUPS, N_PAIRS]),
        (lambda data: fg.intersections(data, max_regions=97), [1, N_GROUPS, 97]),
        (lambda data: fg.group_changes(data, data), [1, 1, N_GROUPS]),
        (lambda data: fg.membership_changes(data, data), [1, 1]),
    ],
)
def test_collected_rows(collected, kind, function, most_rows):
    "A query collects one row of checks, one row per group, one row per pair, or one row per combination of groups."
    function(create_frame(TABLE, kind))

    assert len(collected) == len(most_rows)
    assert all(n <= most for n, most in zip(collected, most_rows, strict=True))


@pytest.mark.parametrize("kind", LAZY)
def test_too_many_regions(collected, kind):
    "More combinations than `max_regions` raise an error, and only one additional row is collected."
    with pytest.raises(InputError, match="more than 10 exclusive"):
        fg.intersections(create_frame(TABLE, kind), max_regions=10)

    assert max(collected[2:]) == 11


@pytest.mark.parametrize("kind", LAZY)
def test_too_many_pairs(collected, kind, monkeypatch):
    "A table of pairs that is too large raises the same error as in memory, and is not collected."
    monkeypatch.setattr(pair_counts, "MAX_RESULT_BYTES", 10_000)
    with pytest.raises(InputError) as expected:
        fg.overlap_pairs(TABLE, min_both=1)

    with pytest.raises(InputError) as caught:
        fg.overlap_pairs(create_frame(TABLE, kind), min_both=1)

    assert str(caught.value) == str(expected.value)
    assert max(collected) < 100


def test_different_engines():
    "Two frames of different engines cannot be compared."
    with pytest.raises(InputError, match="same query engine"):
        fg.membership_changes(create_frame(TABLE, "duckdb"), create_frame(LATER, "polars, lazy"))


def test_different_connections():
    "Two relations of different DuckDB connections cannot be compared."
    with duckdb.connect() as connection:
        other = connection.from_arrow(create_frame(TABLE, "pyarrow"))
        frame = create_frame(TABLE, "duckdb")
        for function in (
            fg.membership_changes,
            fg.group_changes,
            lambda old, new: fg.group_profile(old, "a", attributes=new),
        ):
            with pytest.raises(InputError, match="different DuckDB connections"):
                function(frame, other)


def test_narwhals_is_not_installed(monkeypatch):
    "If Narwhals is not installed, the error names the extras."
    monkeypatch.setitem(sys.modules, "narwhals.stable.v2", None)

    with pytest.raises(FrgroupsError, match=r"frgroups\[duckdb\]"):
        fg.group_sizes(create_frame(TABLE, "duckdb"))


def test_sort_order(monkeypatch):
    "The result does not depend on the sort order of an engine. Some databases compare exactly, but sort by language."
    monkeypatch.setattr(frames, "_DIFFERENT_TEXTS", (("a", "A"),))
    with duckdb.connect() as connection:
        connection.execute("SET default_collation = 'de'")
        connection.execute("CREATE TABLE t AS SELECT * FROM (VALUES ('B', '1'), ('a', '1'), ('C', '2')) AS v(g, c)")
        frame = connection.sql("SELECT g AS customer_group_uid, c AS customer_uid FROM t")

        pairs = fg.overlap_pairs(frame, min_both=1)
        combinations = fg.intersections(frame)

    assert pairs[["group_a", "group_b", "n_both"]].values.tolist() == [["B", "a", 1]]
    assert combinations["groups"].tolist() == [("C",), ("B", "a")]


@pytest.mark.parametrize("collation", ["NOCASE", "NOACCENT", "NOCASE.NOACCENT", "th", "de"])
@pytest.mark.parametrize("column", ["tenant_uid", "customer_group_uid", "customer_uid"])
def test_ignored_case(collation, column):
    "If the engine treats different uids as equal, the frame is rejected, even if it has no letters or no rows."
    types = dict.fromkeys(("tenant_uid", "customer_group_uid", "customer_uid"), "VARCHAR")
    types[column] += f" COLLATE {collation}"
    with duckdb.connect() as connection:
        columns = ", ".join(f"{name} {kind}" for name, kind in types.items())
        connection.execute(f"CREATE TABLE t ({columns}, taken_at TIMESTAMPTZ)")
        connection.execute("INSERT INTO t VALUES ('1', '2', '3', '2026-11-03 00:00:00+00')")
        frame = connection.table("t")

        functions = [fg.size_history]
        if column != "tenant_uid":
            functions += [fg.group_sizes, fg.intersections, lambda data: fg.membership_changes(data, data)]
        for function in functions:
            for data in (frame, frame.filter("false")):
                with pytest.raises(InputError, match=f"'{column}'"):
                    function(data)


def test_ignored_case_of_session():
    "If the default collation ignores case, frames of Arrow tables are rejected, too."
    with duckdb.connect() as connection:
        frame = connection.from_arrow(create_frame(TABLE, "pyarrow"))
        fg.group_sizes(frame)
        connection.execute("SET default_collation = 'nocase'")

        with pytest.raises(InputError, match="as equal"):
            fg.group_sizes(frame)


def test_columns_that_are_read(monkeypatch):
    "A function that reads a frame into memory reads only the columns with uids."
    frame = pl.from_pandas(TABLE).with_columns(country=pl.lit("NO")).lazy()
    collect, columns = pl.LazyFrame.collect, []

    def record_columns(frame, *args, **options):
        columns.append(frame.collect_schema().names())
        return collect(frame, *args, **options)

    monkeypatch.setattr(pl.LazyFrame, "collect", record_columns)
    duplicates = fg.duplicate_groups(frame)

    assert columns == [["customer_group_uid", "customer_uid"]]
    pdt.assert_frame_equal(duplicates, fg.duplicate_groups(TABLE))


TIMES = create_table([("vip", "c-1"), ("all", "c-2")]).assign(taken_at=["2026-11-03", "2026-11-10"])


@pytest.mark.parametrize(
    "frame",
    [
        TIMES.astype({"taken_at": "category"}),
        TIMES.assign(taken_at=[date(2026, 11, 3), datetime(2026, 11, 10)]),
        pa.Table.from_pandas(TIMES.astype({"taken_at": "category"})),
        pl.from_pandas(TIMES).with_columns(pl.col("taken_at").cast(pl.Categorical)).lazy(),
        *(
            create_frame(TIMES, "duckdb").project(f"* REPLACE (taken_at::{kind} AS taken_at)")
            for kind in ("ENUM ('2026-11-03', '2026-11-10')", "DATE", "TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMPTZ")
        ),
        create_frame(TIMES, "duckdb").project("* REPLACE (epoch(taken_at::TIMESTAMP)::INTEGER AS taken_at)"),
    ],
    ids=lambda frame: type(frame).__name__,
)
def test_types_of_times(frame):
    "Several times are rejected for every type of the column taken_at, and a single time is accepted."
    with pytest.raises(InputError, match="several snapshots"):
        fg.group_sizes(frame)

    one = nw.from_native(frame).filter(nw.col("customer_uid") == "c-1").to_native()
    assert fg.group_sizes(one)["customer_group_uid"].tolist() == ["vip"]


@pytest.mark.parametrize(
    "setting",
    ["arrow_lossless_conversion = true", "TimeZone = 'PST'", "default_null_order = 'nulls_first'"],
)
def test_settings_of_duckdb(setting):
    "The results do not depend on the settings of the connection."
    table = TIMES[:1].assign(taken_at=pd.Timestamp("2026-11-03T08:10Z"))
    with duckdb.connect() as connection:
        connection.execute(f"SET {setting}")
        frame = connection.from_arrow(pa.Table.from_pandas(table, preserve_index=False))

        for function in (fg.group_sizes, fg.duplicate_groups, lambda data: fg.group_changes(data, data)):
            pdt.assert_frame_equal(function(frame), function(table))
        assert fg.size_history(frame)["taken_at"].tolist() == table["taken_at"].tolist()


@pytest.mark.parametrize("column", ["customer_uid", "tenant_uid", "taken_at"])
def test_repeated_columns(column):
    "If a column occurs twice, the frame or table is rejected."
    relation = create_frame(TIMES[:1].assign(tenant_uid="t-1"), "duckdb").project(f"*, 'x' AS {column}")
    table = relation.to_arrow_table()
    for data in (relation, table, table.to_pandas(ignore_metadata=True)):
        for function in (fg.group_sizes, fg.duplicate_groups):
            with pytest.raises(InputError, match=f"2 columns with the name '{column}'"):
                function(data)


def test_times_of_infinity():
    "A time that Python cannot represent is rejected with the name of the column."
    frame = create_frame(TIMES[:1], "duckdb").project("* REPLACE ('infinity'::TIMESTAMP AS taken_at)")
    with pytest.raises(InputError, match="'taken_at' of `data`"):
        fg.group_sizes(frame)
