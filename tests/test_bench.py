"""Tests for the benchmarks with a tiny tenant. The tests do not check any times."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import chromium
from tests.bench.child import Stopwatch
from tests.bench.measures import Row
from tests.bench.memberships import SHAPES, make_codes
from tests.bench.report import cells
from tests.bench.runs import MeasurementError, Run, check_agreement
from tests.bench.soak import soak
from tests.bench.tenants import make_tenant

PROJECT = Path(__file__).parents[1]
# These measurements require the packages of the dependency group `bench`.
ONLY_WITH_BENCH_GROUP = {"numba loop (the limit)", "pyroaring, every two"}
IN_A_BROWSER = [
    "time until search works, review page with 1,000 operations",
    "file size, review page with 1,000 operations",
]


@pytest.mark.slow
def test_quick_run(tmp_path):
    "A quick benchmark run writes a table row for each measurement, and all compared implementations agree."
    table = tmp_path / "table.md"
    command = [sys.executable, "-m", "tests.bench", "--quick", "--markdown", table]

    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)

    lines = [line.strip("| ").split(" | ") for line in table.read_text(encoding="utf-8").splitlines()]
    installed = [line for line in lines if line[-1] == "shown" and line[1] not in ONLY_WITH_BENCH_GROUP]
    assert [line[0] for line in installed if float(line[4]) > 0] == [
        "CPU, tiny, by pages",
        "peak memory, tiny, by pages",
        "CPU, tiny, by pages",
        "CPU of the server, tiny",
        "requests, tiny, groups with at least 3 pages",
        "wall time, 50 ms latency, 16 workers, tiny",
        "requests, tiny+all",
        "bytes, tiny+all",
        "CPU, tiny+all",
        "file size, 1,602 memberships",
        "write time, save_snapshot",
        "read time, read_snapshot",
        "CPU, overlap counts, quick",
        "CPU, overlap counts, quick",
        "CPU, overlap counts, quick",
        "added memory, overlap counts, quick",
        "CPU, overlap counts, quick",
        "CPU, overlap counts, quick",
        "added memory, overlap counts, quick",
        "CPU, overlap_pairs, quick",
        "CPU, intersections, 12 largest of quick",
        "CPU, split_customers, customers of quick",
        "added memory, overlap_pairs, quick of 5 members",
        "CPU, group_sizes in DuckDB, quick",
        "CPU, overlap_pairs in DuckDB, quick",
        "CPU, membership_changes in DuckDB, quick",
        "CPU, waterfall, 20 expressions, quick",
        "CPU, waterfall, 20 lists of uids, quick",
        "CPU, plan_memberships, 1,602 memberships",
        "CPU, plan_memberships, 1,602 memberships",
        "CPU, plan_memberships, 1,602 memberships",
        "CPU, plan_memberships, 1,602 memberships, shuffled rows",
        "CPU, plan_memberships with digest, table, and preview",
        "peak memory, plan_memberships, 1,602 memberships",
        "CPU, plan_declared, 12 groups, 1,602 memberships",
        "requests, apply 240 changes to 12 groups",
        "requests, apply 240 changes to 12 groups",
        "wall time, apply, 20 ms latency",
        *(IN_A_BROWSER if chromium.found() else []),
        "CPU, save_report, quick",
        "file size, save_report, quick",
        "CPU, frgroups --help",
        "CPU, import of load_snapshot, plan_memberships, and Client",
    ]


def test_different_results():
    "If two libraries load different numbers of memberships, comparing their results raises an error."
    facts = {"memberships": 3, "customers": 2, "digest": 7}
    run, peer_run = Run(1, 1, 1, facts), Run(2, 2, 2, facts | {"memberships": 4})

    with pytest.raises(MeasurementError, match="digest"):
        check_agreement({"frgroups": [run], "peer": [peer_run]})


def test_missing_peer():
    "If a compared library is not installed, its table row contains a note instead of numbers."
    row = Row("CPU", "dlt", note="dlt is not installed")

    assert cells(row)[:4] == ("CPU", "dlt", "dlt is not installed", "")


def test_synthetic_customers():
    "Synthetic customer records have all documented fields and a realistic size."
    contract = json.loads((PROJECT / "tests" / "published_contract.json").read_text(encoding="utf-8"))
    documented = contract["components"]["schemas"]["CustomerResponseSchema"]["properties"]

    records = list(make_tenant("tiny").customer_records())

    assert all(json.loads(record).keys() == documented.keys() for record in records)
    assert 2_000 < sum(map(len, records)) / len(records) < 2_300


def test_synthetic_memberships():
    "Synthetic memberships have the requested size, no duplicates, and the same values in each run."
    shape = SHAPES["quick"]

    codes, repeated = make_codes(shape), make_codes(shape)

    assert (codes.n_customers, codes.n_groups, len(codes)) == (shape.customers, shape.groups, shape.memberships)
    assert not codes.frame().duplicated().any()
    assert (codes.indices == repeated.indices).all() and (codes.indptr == repeated.indptr).all()
    degree = codes.frame()["customer_uid"].value_counts()
    assert degree.var() > degree.mean()  # Some customers are in many groups, but most customers are in few groups.


def test_added_memory():
    "A measurement of added memory does not count memory that was released before the measurement."
    clock = Stopwatch()
    np.ones(40 * 2**17).sum()

    with clock:
        np.ones(20 * 2**17).sum()

    assert 15 < clock.added_mb < 30 or not Path("/proc/self/clear_refs").exists()


@pytest.mark.slow
def test_soak():
    "The soak test reports the number of memberships, the verdict, and the peak memory of a large load."
    report = soak("tiny")

    assert "1,602 memberships, consistent" in report
    assert "peak memory" in report
