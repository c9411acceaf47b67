"""Test the memory that DuckDB needs to count more memberships than its memory limit can contain."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.bench.engine_data import CHANGED_SHARE, write_tables

N = 5_000_000
N_GROUPS = 1_000
MOST_MB = 1_200
COUNTER = """
import json, sys
import duckdb
import frgroups as fg

function, earlier, later, folder = sys.argv[1:]
connection = duckdb.connect(config={"temp_directory": folder, "memory_limit": "600MB", "threads": 2})
memberships, later = connection.read_parquet(earlier), connection.read_parquet(later)
if function == "group_sizes":
    total = int(fg.group_sizes(memberships)["n_members"].sum())
elif function == "overlap_pairs":
    total = int(fg.overlap_pairs(memberships, min_both=1)["n_both"].sum())
else:
    fg.membership_changes(memberships, later).write_parquet(f"{folder}/changes.parquet")
    total = connection.read_parquet(f"{folder}/changes.parquet").count("*").fetchall()[0][0]
status = open("/proc/self/status").read()  # getrusage would include the parent process.
print(json.dumps({"total": total, "peak_mb": int(status.split("VmHWM:")[1].split()[0]) / 1024}))
"""


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Write five million memberships, and a second table in which 1% of the memberships differ."""
    return write_tables(tmp_path_factory.mktemp("tables"), N, N_GROUPS)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak memory is read from /proc")
@pytest.mark.parametrize(
    ("function", "expected_total"),
    [
        ("group_sizes", lambda n_groups: n_groups.sum()),
        ("overlap_pairs", lambda n_groups: (n_groups * (n_groups - 1) // 2).sum()),
        ("membership_changes", lambda n_groups: 2 * n_groups.sum() * CHANGED_SHARE),
    ],
)
def test_memory_limit(tables, tmp_path, function, expected_total):
    "With a memory limit of 600 MB in DuckDB, 5M memberships need at most 1.2 GB in the whole process."
    arguments = [function, *map(str, tables), str(tmp_path)]

    done = subprocess.run([sys.executable, "-c", COUNTER, *arguments], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])  # DuckDB prints a progress bar for long queries.
    n_groups = pq.read_table(tables[0], columns=["customer_uid"])["customer_uid"].value_counts().field("counts")
    assert result["total"] == expected_total(n_groups.to_numpy())
    assert result["peak_mb"] < MOST_MB, result
