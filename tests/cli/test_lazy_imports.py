"""Imports of the command line: help and completion must not wait for pandas."""

import json
import os
import subprocess
import sys

import pytest

HEAVY = {"pandas", "pyarrow", "numpy", "httpx", "msgspec", "matplotlib", "scipy", "rich"}
# The package is replaced by a module without code, so that its own imports do not count.
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
    """Run the command in a new process and return its exit code and the imported modules."""
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
    "`frgroups --help` imports no heavy package and no command module."
    code, modules = run(["--help"])

    assert code == 0
    assert not modules & HEAVY
    assert not {name for name in modules if name in ("frgroups.cli.plan", "frgroups.cli.load", "frgroups.cli.who")}


@pytest.mark.parametrize("words", [["--version"], ["nonsense"], ["load", "--jobs", "0"], ["forget", "c-1"], []])
def test_short_answers(words):
    "The version and most usage errors import no heavy package."
    _, modules = run(words)

    assert not modules & HEAVY


@pytest.mark.parametrize(
    "words",
    ["st", "load --", "status --max-age 24h --", "plan --limit removal_share=1 --", "who u --by e", "sizes --at x -"],
)
def test_completion(words):
    "Completion imports no heavy package."
    code, modules = run(
        [],
        _FRGROUPS_COMPLETE="bash_complete",
        COMP_WORDS=f"frgroups {words}",
        COMP_CWORD=str(len(words.split())),
    )

    assert code == 0
    assert not modules & HEAVY
