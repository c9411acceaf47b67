"""
Measure functions in memory and in query engines for growing numbers of memberships.

The command is `make bench-engines` or `python -m tests.bench engine_curves`. Each measurement runs in a new process.
Each result is appended to a file, and measurements in this file are not repeated. Therefore, an interrupted command
can be started again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from tests.bench.engine_data import BYTES_PER_MEMBERSHIP, TABLE_PREFIX, write_tables
from tests.bench.engine_ways import FUNCTIONS, WAYS
from tests.bench.measures import not_installed
from tests.bench.process_tree import MeasuredProcess, ResourceLimits, StoppedError

SIZES = (1_000_000, 10_000_000, 100_000_000)
GROUPS = (100, 1_000, 10_000)
PROJECT = Path(__file__).parents[2]
RESULTS = PROJECT / "data" / "engine-curves.jsonl"
COLUMNS = ("function", "way", "groups", "memberships", "outcome", "start_cpu", "cpu", "wall", "peak_mb", "load")
_PACKAGES = {
    "duckdb": "duckdb",
    "duckdb_600mb": "duckdb",
    "duckdb_4gb": "duckdb",
    "polars": "polars",
    "spark": "pyspark",
}
_FREE_DISK_MB = 4_000
# A process can use this share of the memory that is available when it starts.
_MEMORY_SHARE = 0.7
_LEAST_MEMORY_MB = 1_500


class Measurement(NamedTuple):
    """Case of a measurement: the numbers of memberships and groups, the function, and the way to compute it."""

    memberships: int
    groups: int
    function: str
    way: str

    def __str__(self) -> str:
        return f"{self.memberships:,} memberships, {self.groups:,} groups, {self.function}, {self.way}"


Records = dict[Measurement, dict[str, Any]]


def main(arguments: Sequence[str]) -> None:
    """Run the selected measurements, and print each result."""
    options = parse_options(arguments)
    measurements = [
        Measurement(*chosen)
        for chosen in product(options.memberships, options.groups, options.functions, options.ways)
    ]
    if not options.only_csv:
        folder = options.folder or Path(tempfile.mkdtemp(prefix="frgroups-bench-"))
        folder.mkdir(parents=True, exist_ok=True)
        try:
            for line in run_all(measurements, options, folder):
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()
        finally:
            if not options.folder:
                shutil.rmtree(folder)
    if options.csv:
        write_csv(read_records(options.results), options.csv)


def parse_options(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench engine_curves", description=__doc__)
    parser.add_argument(
        "--memberships",
        nargs="+",
        type=int,
        default=SIZES,
        metavar="N",
        help="numbers of memberships (default: 1M, 10M, 100M)",
    )
    parser.add_argument(
        "--groups",
        nargs="+",
        type=int,
        default=GROUPS,
        metavar="N",
        help="numbers of groups (default: 100, 1,000, 10,000)",
    )
    parser.add_argument(
        "--functions", nargs="+", choices=FUNCTIONS, default=list(FUNCTIONS), help="functions (default: all)"
    )
    parser.add_argument(
        "--ways", nargs="+", choices=WAYS, default=list(WAYS), help="memory, or engines (default: all)"
    )
    parser.add_argument(
        "--limit",
        type=float,
        default=300.0,
        metavar="S",
        help="CPU seconds per measurement, with its start (default: 300)",
    )
    parser.add_argument(
        "--wall-limit", type=float, default=1800.0, metavar="S", help="wall seconds per measurement (default: 1800)"
    )
    parser.add_argument(
        "--memory", type=float, metavar="MB", help="memory per measurement (default: 70%% of the available memory)"
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=RESULTS,
        metavar="FILE",
        help="JSON lines file of results (default: data/engine-curves.jsonl)",
    )
    parser.add_argument(
        "--folder", type=Path, help="folder for the tables, which are kept (default: a folder that is deleted)"
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write all results to a CSV file at the end")
    parser.add_argument("--only-csv", action="store_true", help="run no measurements, and only write the CSV file")
    return parser.parse_args(arguments)


def run_all(measurements: Iterable[Measurement], options: argparse.Namespace, folder: Path) -> Iterator[str]:
    """Run the measurements that have no result, and yield a line about each one."""
    for measurement in measurements:
        # The file is read each time, so that it can be used by several commands in succession.
        records = read_records(options.results)
        if measurement in records:
            yield f"{measurement}: {outcome_text(records[measurement])} (measured before)"
            continue
        reason = skip_reason(measurement, records, folder)
        if reason:
            yield f"{measurement}: skipped, {reason}"
            continue
        available_mb = psutil.virtual_memory().available / 2**20
        limits = ResourceLimits(
            options.limit, options.wall_limit, options.memory or _MEMORY_SHARE * available_mb, _FREE_DISK_MB
        )
        record = measure(measurement, existing_tables(folder, measurement), limits)
        options.results.parent.mkdir(parents=True, exist_ok=True)
        with options.results.open("a", encoding="utf-8") as results:
            results.write(json.dumps(record) + "\n")
        yield f"{measurement}: {outcome_text(record)}"


def measure(measurement: Measurement, paths: Sequence[Path], limits: ResourceLimits) -> dict[str, Any]:
    """Return the cost of a measurement in a new process, or the reason why it was stopped."""
    record = measurement._asdict() | {
        "measured_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%MZ}",
        "limit_s": limits.cpu,
        "limit_mb": round(limits.memory_mb),
        "load": round(os.getloadavg()[0], 1),
    }
    with tempfile.TemporaryDirectory(dir=paths[0].parent, ignore_cleanup_errors=True) as scratch:
        chosen = {"way": measurement.way, "function": measurement.function}
        chosen |= {"scratch": scratch, "paths": list(map(str, paths))}
        command = [sys.executable, "-m", "tests.bench.engine_ways", json.dumps(chosen)]
        environment = {"SPARK_LOCAL_IP": "127.0.0.1", "PYTHONPATH": str(PROJECT), "TMPDIR": scratch}
        with MeasuredProcess(command, Path(scratch), limits, environment) as process:
            start_cpu = None
            try:
                process.next_line()
                start = process.usage()
                start_cpu = start.cpu
                process.next_line()
                end = process.usage()
                facts = json.loads(process.next_line())
                outcome = {"outcome": "finished", "wall": round(end.wall - start.wall, 2), "facts": facts}
            except StoppedError as error:
                end = process.usage()
                outcome = {"outcome": error.reason, "message": str(error)}
    cpu = max(end.cpu - (start_cpu or 0.0), 0.0)
    costs = {"start_cpu": round(start_cpu or 0.0, 2), "cpu": round(cpu, 2), "peak_mb": round(end.peak_mb)}
    return record | costs | outcome


def skip_reason(measurement: Measurement, records: Records, folder: Path) -> str | None:
    """Return the reason why a measurement is not possible or not useful, or None."""
    package = _PACKAGES.get(measurement.way)
    if package and not (find_spec(package) and find_spec("narwhals")):
        return not_installed(f"{package} or narwhals")
    if measurement.way == "spark" and not shutil.which("java"):
        return "no Java runtime was found"
    for smaller, record in records.items():
        is_smaller = smaller[1:] == measurement[1:] and smaller.memberships < measurement.memberships
        if is_smaller and record["outcome"] != "finished":
            return f"{smaller.memberships:,} memberships: {outcome_text(record)}"
    available_mb = psutil.virtual_memory().available / 2**20
    if available_mb < _LEAST_MEMORY_MB:
        return f"only {available_mb:,.0f} MB of memory are available"
    needed_mb = _FREE_DISK_MB + 4 * BYTES_PER_MEMBERSHIP * measurement.memberships / 2**20
    free_mb = shutil.disk_usage(folder).free / 2**20
    if free_mb < needed_mb:
        return f"only {free_mb:,.0f} MB of {needed_mb:,.0f} MB of disk space are available"
    return None


def existing_tables(folder: Path, measurement: Measurement) -> tuple[Path, ...]:
    """Return the tables of a measurement, which are created on first use. Delete the tables of other sizes."""
    finished = folder / f"{TABLE_PREFIX}-{measurement.memberships}-{measurement.groups}.json"
    if not finished.exists():
        for path in folder.glob(f"{TABLE_PREFIX}-*"):
            path.unlink()
        paths = write_tables(folder, measurement.memberships, measurement.groups)
        finished.write_text(json.dumps(list(map(str, paths))))
    return tuple(map(Path, json.loads(finished.read_text())))


def read_records(path: Path) -> Records:
    """Return the last result of each measurement. Results of failed measurements are ignored."""
    records: Records = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            if record["outcome"] != "failed":
                records[Measurement(*(record[name] for name in Measurement._fields))] = record
    _check_facts(records)
    return records


def outcome_text(record: dict[str, Any]) -> str:
    """Return the cost of a finished measurement, or the reason why it was stopped."""
    cost = f"{record['cpu']:,.1f} s CPU and {record['start_cpu']:,.1f} s to start, {record['peak_mb']:,} MB"
    if record["outcome"] == "finished":
        return f"{cost}, {record['wall']:,.1f} s wall, load {record['load']}"
    return f"{record['message']} (until then {cost})"


def write_csv(records: Records, path: Path) -> None:
    """Write the results to a CSV file, from which the documentation draws the curves."""
    functions, ways = list(FUNCTIONS), list(WAYS)
    order = sorted(
        records, key=lambda key: (functions.index(key.function), ways.index(key.way), key.groups, key.memberships)
    )
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(records[measurement] for measurement in order)


def _check_facts(records: Records) -> None:
    """Raise ValueError if two ways returned different results."""
    known: dict[tuple[int, int, str], dict[str, int]] = {}
    for measurement, record in records.items():
        if record["outcome"] == "finished":
            facts = known.setdefault(measurement[:3], record["facts"])
            if facts != record["facts"]:
                raise ValueError(f"{measurement}: the result is {record['facts']}, another way returned {facts}")
