"""Frames of each query engine that contain the same memberships."""

import os
import warnings

import duckdb
import narwhals.stable.v2 as nw
import polars as pl
import pyarrow as pa
import pytest

# The master of a Spark session, or "connect" for a local Spark Connect server.
SPARK = os.environ.get("FRGROUPS_TEST_SPARK", "local[2]")
SPARK_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "2",
    # Compiling each query takes longer than counting a few hundred rows.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
}
FRAMES = {
    "pyarrow": lambda table: pa.Table.from_pandas(table, preserve_index=False),
    "polars": lambda table: pl.from_pandas(table),
    "polars, lazy": lambda table: pl.from_pandas(table).lazy(),
    "duckdb": lambda table: duckdb.default_connection().from_arrow(pa.Table.from_pandas(table, preserve_index=False)),
}
_SPARK_TYPES = {"datetime64[us, UTC]": "timestamp"}
LAZY = ["polars, lazy", "duckdb"]


def create_frame(table, engine, spark=None):
    """Return the rows of a pandas table as a frame of a query engine."""
    if engine == "spark":
        # Spark Connect cannot infer the types of an empty table.
        schema = None
        if not len(table):
            schema = ", ".join(
                f"{name} {_SPARK_TYPES.get(str(kind), 'string')}" for name, kind in table.dtypes.items()
            )
        return spark.createDataFrame(pa.Table.from_pandas(table, preserve_index=False), schema)
    return FRAMES[engine](table)


@pytest.fixture(scope="session")
def spark():
    """Start a Spark session, and stop it after the last test."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.remote("local[2]") if SPARK == "connect" else SparkSession.builder.master(SPARK)
    with warnings.catch_warnings():
        # Spark Connect warns about each setting that only a new server can use.
        warnings.filterwarnings("ignore", "Failed to set spark")
        session = builder.config(map=SPARK_SETTINGS).getOrCreate()
    yield session
    session.stop()


@pytest.fixture(params=[*FRAMES, pytest.param("spark", marks=pytest.mark.spark)])
def engine(request):
    """Return a function that converts a pandas table to a frame of each engine."""
    spark = request.getfixturevalue("spark") if request.param == "spark" else None
    return lambda table: create_frame(table, request.param, spark)


@pytest.fixture(params=[*LAZY, pytest.param("spark", marks=pytest.mark.spark)])
def lazy_engine(request):
    """Return a function that converts a pandas table to a lazy frame."""
    spark = request.getfixturevalue("spark") if request.param == "spark" else None
    return lambda table: create_frame(table, request.param, spark)


@pytest.fixture
def collected(monkeypatch):
    """Record the number of rows of each result that Narwhals collects."""
    rows = []
    collect = nw.LazyFrame.collect

    def counted(self, *args, **kwargs):
        result = collect(self, *args, **kwargs)
        rows.append(len(result))
        return result

    monkeypatch.setattr(nw.LazyFrame, "collect", counted)
    return rows
