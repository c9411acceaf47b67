"""Tests for the option `--max-cases`, which limits the number of cases of each test."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import evenly_spaced


@pytest.mark.parametrize(
    ("limit", "expected"), [(1, "a"), (2, "ae"), (3, "ace"), (4, "abde"), (5, "abcde"), (9, "abcde")]
)
def test_evenly_spaced(limit, expected):
    "The first and the last case are selected, and the others are evenly spaced between them."
    assert "".join(evenly_spaced("abcde", limit)) == expected


def test_max_cases(tmp_path):
    "Each test keeps its first and its last case."
    (tmp_path / "test_sample.py").write_text(
        "import pytest\n\n@pytest.mark.parametrize('number', range(9))\ndef test_number(number):\n    pass\n"
        "\ndef test_other():\n    pass\n"
    )
    options = ["-p", "tests.conftest", "-p", "no:cacheprovider", "--collect-only", "-q", "--max-cases", "2"]

    run = subprocess.run(
        [sys.executable, "-m", "pytest", "--rootdir", tmp_path, *options, tmp_path],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )

    names = [line.partition("::")[2] for line in run.stdout.splitlines() if "::" in line]
    assert names == ["test_number[0]", "test_number[8]", "test_other"]
