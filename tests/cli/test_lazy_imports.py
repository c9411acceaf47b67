"""Tests that help pages and completion do not import pandas and other slow packages."""

import json
import os
import subprocess
import sys

import pytest

HEAVY = {"pandas", "pyarrow", "numpy", "httpx", "msgspec", "matplotlib", "scipy", "rich"}
# The program prints the exit code and the names of all imported modules to stderr.
PROGRAM = """\
import json, sys
from frgroups.cli.main import main
try:
    code = main(json.loads(sys.argv[1]))
except SystemExit as end:
    code = end.code
print(json.dumps({"code": code, "modules": sorted(sys.modules)}), file=sys.stderr)
"""


def run(words, **environment):
    """Run a command in a new process and return the exit code and the imported modules."""
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(words)],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | environment,
    )
    result = json.loads(process.stderr.splitlines()[-1])
    return result["code"], set(result["modules"])


def test_help():
    "`frgroups --help` imports neither a slow package nor the module of a command."
    code, modules = run(["--help"])

    assert code == 0
    assert not modules & HEAVY
    assert not {name for name in modules if name in ("frgroups.cli.plan", "frgroups.cli.load", "frgroups.cli.who")}


@pytest.mark.parametrize(
    "words", [["--version"], ["nonsense"], ["load", "--jobs", "0"], ["forget", "c-1"], ["table"], []]
)
def test_version_and_usage_errors(words):
    "The option --version, the list of tables, and most usage errors do not import slow packages."
    _, modules = run(words)

    assert not modules & HEAVY


@pytest.mark.parametrize(
    "words",
    [
        "st",
        "load --",
        "status --max-age 24h --",
        "plan --limit removal_share=1 --",
        "who u --ids e",
        "table group_sizes --at x -",
        "table gr",
    ],
)
def test_completion(words):
    "Shell completion does not import slow packages."
    code, modules = run(
        [],
        _FRGROUPS_COMPLETE="bash_complete",
        COMP_WORDS=f"frgroups {words}",
        COMP_CWORD=str(len(words.split())),
    )

    assert code == 0
    assert not modules & HEAVY
