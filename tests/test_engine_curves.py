"""Tests for the measurements of the query engines with few memberships. The tests do not check any times."""

import csv
import json
import sys

import pandas as pd
import pyarrow.parquet as pq
import pytest

import engine_pictures
from tests.bench import engine_curves
from tests.bench.engine_data import write_tables
from tests.bench.process_tree import MeasuredProcess, ResourceLimits, StoppedError

LIMITS = ResourceLimits(cpu=60, wall=300, memory_mb=1_000)
# The first step allocates memory in a child process, and the second step fails.
ALLOCATOR = """
import subprocess, sys
sys.stdin.readline()
code = "import sys; block = b'x' * (200 * 2**20); print('ready', flush=True); sys.stdin.readline()"
child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
print(child.stdout.readline(), end="", flush=True)
sys.stdin.readline()
sys.exit("no more steps")
"""


def measured(folder, limits=LIMITS, code=ALLOCATOR):
    return MeasuredProcess([sys.executable, "-c", code], folder, limits, {})


def run(tmp_path, *arguments):
    """Run the command, and return its options."""
    results = ["--results", str(tmp_path / "results.jsonl"), "--csv", str(tmp_path / "results.csv")]
    engine_curves.main([*results, "--folder", str(tmp_path / "tables"), *arguments])


def read_outcomes(tmp_path):
    lines = (tmp_path / "results.jsonl").read_text(encoding="utf-8").splitlines()
    return [(record["way"], record["outcome"]) for record in map(json.loads, lines)]


def test_child_processes(tmp_path):
    "The peak memory and the CPU time include the child processes of the measured process."
    with measured(tmp_path) as process:
        line = process.next_line()
        usage = process.usage()

        assert line == "ready"
        assert usage.peak_mb > 200
        assert 0 < usage.cpu < LIMITS.cpu
        with pytest.raises(StoppedError, match="no more steps") as caught:
            process.next_line()
    assert caught.value.reason == "failed"


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (ResourceLimits(cpu=0, wall=300, memory_mb=1_000), "time"),
        (ResourceLimits(cpu=60, wall=0, memory_mb=1_000), "time"),
        (ResourceLimits(cpu=60, wall=300, memory_mb=1), "memory"),
        (ResourceLimits(cpu=60, wall=300, memory_mb=1_000, free_disk_mb=1e12), "disk"),
    ],
)
def test_limits(tmp_path, limits, reason):
    "A process that exceeds a limit is stopped."
    with measured(tmp_path, limits, "while True: pass") as process, pytest.raises(StoppedError) as caught:
        process.next_line()

    assert caught.value.reason == reason
    assert process.usage().cpu == 0  # The process has ended.


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("MemoryError('no block')", "memory"),
        ("type('OutOfMemoryException', (Exception,), {})()", "memory"),
        ("ValueError('wrong')", "failed"),
    ],
)
def test_errors(tmp_path, error, reason):
    "An engine that is out of memory has exceeded a limit. All other errors are failures."
    with measured(tmp_path, code=f"raise {error}") as process, pytest.raises(StoppedError) as caught:
        process.next_line()

    assert caught.value.reason == reason


def test_tables(tmp_path):
    "The tables have distinct rows, uids of 36 characters, and the same values in each run. 1% of the rows differ."
    paths = write_tables(tmp_path, 5_000, 50)
    again = write_tables(tmp_path, 5_000, 50)

    before, later = (pq.read_table(path).to_pandas() for path in paths)
    assert len(before) == len(later) == 5_000
    assert not before.duplicated().any()
    assert set(before["customer_uid"].str.len()) == set(before["customer_group_uid"].str.len()) == {36}
    assert len(pd.concat([before, later]).drop_duplicates()) == 5_050
    assert pq.read_table(again[0]).to_pandas().equals(before)


@pytest.mark.slow
def test_measurements(tmp_path, capsys):
    "Each way returns the same result. The results are in the CSV file, and a second run does not repeat them."
    arguments = ["--memberships", "3000", "--groups", "20", "--ways", "memory", "duckdb", "duckdb_600mb", "polars"]

    run(tmp_path, *arguments)
    first = (tmp_path / "results.jsonl").read_text(encoding="utf-8")
    run(tmp_path, *arguments)

    assert [outcome for _, outcome in read_outcomes(tmp_path)] == ["finished"] * 12
    assert (tmp_path / "results.jsonl").read_text(encoding="utf-8") == first
    assert capsys.readouterr().out.count("measured before") == 12
    with (tmp_path / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12 and all(float(row["peak_mb"]) > 50 for row in rows)


@pytest.mark.slow
def test_larger_size(tmp_path, capsys):
    "If a measurement is stopped at a limit, it is not run with more memberships."
    run(
        tmp_path,
        *("--memberships", "3000", "5000", "--groups", "20"),
        *("--functions", "group_sizes", "--ways", "memory", "--memory", "10"),
    )

    assert read_outcomes(tmp_path) == [("memory", "memory")]
    assert "skipped, 3,000 memberships: more than 10 MB" in capsys.readouterr().out


def record(way="memory", memberships=1_000, outcome="finished", n_rows=20):
    measured = {"memberships": memberships, "groups": 20, "function": "group_sizes", "way": way, "outcome": outcome}
    return measured | {"facts": {"rows": n_rows, "sum": 5}, "cpu": memberships / 1_000, "peak_mb": memberships}


def write_records(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def test_different_results(tmp_path):
    "If two ways return different results, the file of results is rejected."
    path = write_records(tmp_path / "results.jsonl", record(), record("duckdb", n_rows=21))

    with pytest.raises(ValueError, match="duckdb: the result is"):
        engine_curves.read_records(path)


def test_failed_measurement(tmp_path):
    "A failed measurement is repeated, and the last result of a measurement is used."
    path = write_records(tmp_path / "results.jsonl", record(outcome="failed"), record(), record("duckdb"))

    records = engine_curves.read_records(path)

    assert [measurement.way for measurement in records] == ["memory", "duckdb"]


def test_little_disk_space(tmp_path):
    "A measurement whose tables do not fit on the disk is skipped with a reason."
    measurement = engine_curves.Measurement(10**15, 20, "group_sizes", "memory")

    assert "disk space" in engine_curves.skip_reason(measurement, {}, tmp_path)


def test_pictures(tmp_path):
    "There is a picture per function and theme. A hollow marker shows a measurement that was stopped at a limit."
    stopped = record("duckdb", 3_000, outcome="time")
    table = pd.DataFrame([record(), record(memberships=2_000), record("duckdb"), stopped])
    table.to_csv(tmp_path / "costs.csv", index=False)

    paths = engine_pictures.draw_pictures(tmp_path / "costs.csv", tmp_path / "pictures")
    figure = engine_pictures.draw_curves(table, "group_sizes")

    assert [path.name for path in paths] == ["engines-group_sizes-light.png", "engines-group_sizes-dark.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert lines["in memory"].get_xdata().tolist() == [1_000, 2_000]
    assert lines["DuckDB"].get_xdata().tolist() == [1_000]
    assert [line.get_xdata().tolist() for line in figure.axes[0].lines if line.get_fillstyle() == "none"] == [[3_000]]
