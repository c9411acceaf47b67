"""The benchmarks run from end to end on a tiny tenant; nothing here says how fast anything is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.measures import Row
from tests.bench.report import cells
from tests.bench.runs import MeasurementError, Run, check_agreement
from tests.bench.soak import soak
from tests.bench.tenants import make_tenant

PROJECT = Path(__file__).parents[1]


def test_every_measure_yields_a_row_and_all_loads_agree(tmp_path):
    "A quick run comes to its end, which it does only where all loads agree, with a row of numbers for each measure."
    table = tmp_path / "table.md"
    command = [sys.executable, "-m", "tests.bench", "--quick", "--markdown", table]

    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)

    lines = [line.strip("| ").split(" | ") for line in table.read_text(encoding="utf-8").splitlines()]
    measured = [line[0] for line in lines if line[-1] == "shown" and float(line[4]) > 0]
    assert measured == [
        "CPU, tiny, by pages",
        "peak memory, tiny, by pages",
        "CPU, tiny, by pages",
        "CPU of the server, tiny",
        "requests, tiny, groups of 3 pages and more",
        "wall, 50 ms latency, 16 workers, tiny",
        "requests, tiny+all",
        "bytes, tiny+all",
        "CPU, tiny+all",
        "file size, 1,602 memberships",
        "write time, save_snapshot whole",
        "reopen, read_snapshot until its codes",
    ]


def test_loads_that_disagree_are_not_compared():
    "One membership more or less, and there is no ratio to tell."
    found = {"memberships": 3, "customers": 2, "digest": 7}
    ours, peer = Run(1, 1, 1, found), Run(2, 2, 2, found | {"memberships": 4})

    with pytest.raises(MeasurementError, match="do not agree"):
        check_agreement({"ours": [ours], "peer": [peer]})


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


def test_the_soak_tells_what_a_load_took():
    "Its sentence has the memberships, the verdict and the peak of memory."
    told = soak("tiny")

    assert "1,602 memberships, consistent" in told
    assert "peak memory" in told
