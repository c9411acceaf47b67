"""The benchmarks run from end to end on a tiny tenant; nothing here says how fast anything is."""

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
# What the bench extra has and the dev extra has not.
ONLY_TO_BENCH = {"numba loop (the limit)", "pyroaring, every two"}
IN_A_BROWSER = [
    "time until search works, review page with 1,000 operations",
    "file size, review page with 1,000 operations",
]


def test_every_measure_yields_a_row_and_all_ways_agree(tmp_path):
    "A quick run comes to its end, which it does only where all ways agree, with a row of numbers for each measure."
    table = tmp_path / "table.md"
    command = [sys.executable, "-m", "tests.bench", "--quick", "--markdown", table]

    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)

    lines = [line.strip("| ").split(" | ") for line in table.read_text(encoding="utf-8").splitlines()]
    installed = [line for line in lines if line[-1] == "shown" and line[1] not in ONLY_TO_BENCH]
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
        "CPU, plan_memberships, 1,602 memberships",
        "CPU, plan_memberships, 1,602 memberships",
        "CPU, plan_memberships, 1,602 memberships",
        "CPU, plan_memberships, 1,602 memberships, shuffled rows",
        "CPU, plan_memberships with digest, table, and preview",
        "peak memory, plan_memberships, 1,602 memberships",
        "requests, apply 240 changes to 12 groups",
        "requests, apply 240 changes to 12 groups",
        "wall time, apply, 20 ms latency",
        *(IN_A_BROWSER if chromium.found() else []),
        "CPU, frgroups --help",
        "CPU, import of load_snapshot, plan_memberships, and Client",
    ]


def test_loads_that_disagree_are_not_compared():
    "One membership more or less, and there is no ratio to tell."
    facts = {"memberships": 3, "customers": 2, "digest": 7}
    ours, peer = Run(1, 1, 1, facts), Run(2, 2, 2, facts | {"memberships": 4})

    with pytest.raises(MeasurementError, match="digest"):
        check_agreement({"frgroups": [ours], "peer": [peer]})


def test_what_could_not_be_measured_says_why():
    "The row of a peer that is not installed has that in place of numbers."
    row = Row("CPU", "dlt", note="dlt is not installed")

    assert cells(row)[:4] == ("CPU", "dlt", "dlt is not installed", "")


def test_a_made_up_customer_has_every_field_of_the_document():
    "The records are as wide as the API's, so that decoding them costs what it would."
    contract = json.loads((PROJECT / "tests" / "published_contract.json").read_text(encoding="utf-8"))
    documented = contract["components"]["schemas"]["CustomerResponseSchema"]["properties"]

    records = list(make_tenant("tiny").customer_records())

    assert all(json.loads(record).keys() == documented.keys() for record in records)
    assert 2_000 < sum(map(len, records)) / len(records) < 2_300


def test_made_up_memberships_have_the_size_that_was_asked_for():
    "So many customers, groups and memberships, none twice, and the same each time."
    shape = SHAPES["quick"]

    codes, again = make_codes(shape), make_codes(shape)

    assert (codes.n_customers, codes.n_groups, len(codes)) == (shape.customers, shape.groups, shape.memberships)
    assert not codes.frame().duplicated().any()
    assert (codes.indices == again.indices).all() and (codes.indptr == again.indptr).all()
    degree = codes.frame()["customer_uid"].value_counts()
    assert degree.var() > degree.mean()  # Some customers are in many groups, most in few.


def test_added_memory_is_that_of_the_block():
    "What was held and given back before the clock started does not count."
    clock = Stopwatch()
    np.ones(40 * 2**17).sum()

    with clock:
        np.ones(20 * 2**17).sum()

    assert 15 < clock.added_mb < 30 or not Path("/proc/self/clear_refs").exists()


def test_the_soak_reports_the_cost_of_a_load():
    "Its sentence has the memberships, the verdict and the peak of memory."
    report = soak("tiny")

    assert "1,602 memberships, consistent" in report
    assert "peak memory" in report
