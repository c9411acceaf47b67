"""
Compute one function of frgroups in memory or in a query engine, for `engine_curves`.

The process prints a line when it is ready, when the result is complete, and with the facts about the result. Before
each of these steps, it waits for a line of input.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import frgroups as fg

_TINY = pa.table({"customer_group_uid": ["a", "b"], "customer_uid": ["1", "1"]})


@dataclass(frozen=True, slots=True)
class Way:
    """A function that opens a Parquet file as a frame, and a function that writes a frame to a Parquet file."""

    read: Callable[[str], Any]
    write: Callable[[Any, str], None]


def in_memory(scratch: Path) -> Way:
    """Read the file into an Arrow table."""
    return Way(lambda path: pq.read_table(path), lambda table, path: table.to_parquet(path))


def by_duckdb(scratch: Path, memory_limit: str | None = None) -> Way:
    """Open the file as a DuckDB relation."""
    import duckdb

    connection = duckdb.connect(config={"temp_directory": str(scratch / "duckdb")})
    if memory_limit:
        connection.execute(f"SET memory_limit = '{memory_limit}'")
    return Way(connection.read_parquet, lambda relation, path: relation.write_parquet(path))


def by_duckdb_600mb(scratch: Path) -> Way:
    """Open the file as a DuckDB relation, with a memory limit of 600 MB."""
    return by_duckdb(scratch, "600MB")


def by_duckdb_4gb(scratch: Path) -> Way:
    """Open the file as a DuckDB relation, with a memory limit of 4 GB."""
    return by_duckdb(scratch, "4GB")


def by_polars(scratch: Path) -> Way:
    """Open the file as a Polars LazyFrame that the streaming engine evaluates."""
    import polars as pl

    pl.Config.set_engine_affinity("streaming")
    return Way(pl.scan_parquet, lambda frame, path: frame.sink_parquet(path))


def by_spark(scratch: Path) -> Way:
    """Open the file as a DataFrame of a Spark session with two threads."""
    from pyspark.sql import SparkSession

    # PySpark 4.3 warns that it does not fully support pandas 3.
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas")
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "4g",
        "spark.driver.maxResultSize": "4g",
        "spark.local.dir": str(scratch / "spark"),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
    }
    session = SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
    return Way(session.read.parquet, lambda frame, path: frame.write.parquet(path))


WAYS: dict[str, Callable[[Path], Way]] = {
    "memory": in_memory,
    "duckdb": by_duckdb,
    "duckdb_600mb": by_duckdb_600mb,
    "duckdb_4gb": by_duckdb_4gb,
    "polars": by_polars,
    "spark": by_spark,
}


def group_sizes(way: Way, paths: list[str], result: Path) -> pd.DataFrame:
    """Count the members of each group."""
    return fg.group_sizes(way.read(paths[0]))


def overlap_pairs(way: Way, paths: list[str], result: Path) -> pd.DataFrame:
    """Compute the table of all pairs of groups with common customers."""
    return fg.overlap_pairs(way.read(paths[0]), min_both=1)


def membership_changes(way: Way, paths: list[str], result: Path) -> None:
    """Write the changes between the two tables to a Parquet file."""
    way.write(fg.membership_changes(*map(way.read, paths)), str(result))


FUNCTIONS: dict[str, Callable[[Way, list[str], Path], pd.DataFrame | None]] = {
    function.__name__: function for function in (group_sizes, overlap_pairs, membership_changes)
}


def facts(table: pd.DataFrame | None, result: Path) -> dict[str, int]:
    """Return the number of rows, and the sum of a column of counts or truth values."""
    if table is not None:
        column = "n_both" if "n_both" in table else "n_exclusive"
        return {"rows": len(table), "sum": int(table[column].sum())}
    changes = pq.read_table(result, columns=["still_seen"])
    return {"rows": changes.num_rows, "sum": int(pc.sum(changes["still_seen"]).as_py() or 0)}


class Steps:
    """The protocol of `MeasuredProcess`. Other output, such as DuckDB's progress bar, goes to standard error."""

    def __init__(self) -> None:
        self._output = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._wait()

    def finish(self, line: str) -> None:
        """Print a line, and wait until the measuring process has read the used resources."""
        self._output.write(f"{line}\n")
        self._output.flush()
        self._wait()

    def _wait(self) -> None:
        if not sys.stdin.readline():
            sys.exit("The measuring process has ended.")


def main() -> None:
    """Run the steps of the measurement that the command line specifies as JSON."""
    steps = Steps()
    options = json.loads(sys.argv[1])
    scratch = Path(options["scratch"])
    way, compute = WAYS[options["way"]](scratch), FUNCTIONS[options["function"]]
    # Load the modules that are imported on first use, and start the engine.
    tiny = str(scratch / "tiny.parquet")
    pq.write_table(_TINY, tiny)
    compute(way, [tiny, tiny], scratch / "tiny-result.parquet")
    steps.finish("ready")
    result = scratch / "result.parquet"
    table = compute(way, options["paths"], result)
    steps.finish("computed")
    steps.finish(json.dumps(facts(table, result)))


if __name__ == "__main__":
    main()
