"""Measure the CPU time that a new Python process needs to start the command line or import the package."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

from tests.bench.child import Stopwatch
from tests.bench.measures import Row, Scale, compared
from tests.bench.runs import Job, rounds

MAX_REPEATS = 5
PROCESSES = {
    "help": ["-m", "frgroups", "--help"],
    "package": ["-c", "import frgroups as fg; fg.load_snapshot, fg.plan_memberships, fg.Client"],
    "pandas": ["-c", "import pandas"],
    "base": ["-c", "import pandas, pyarrow, httpx"],
}


def started(clock: Stopwatch, *, process: str, repeats: int) -> dict[str, int]:
    """Start the same process several times in succession."""
    command = [sys.executable, *PROCESSES[process]]
    # An installed package has a bytecode cache, so the first process is allowed to write the cache.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    with clock:
        for _ in range(repeats):
            subprocess.run(command, check=True, capture_output=True, env=environment)
    return {}


def startup(scale: Scale) -> Iterator[Row]:
    """Measure the CPU time of `frgroups --help` and of importing the main frgroups functions."""
    repeats = min(scale.readings, MAX_REPEATS)
    jobs = {name: Job("startup.started", {"process": name, "repeats": repeats}) for name in PROCESSES}
    runs = rounds(jobs, scale.readings)
    cpu = {name: [run.cpu / repeats for run in runs[name]] for name in runs}
    yield compared(("CPU, frgroups --help", "import pandas"), "s", cpu["help"], cpu["pandas"], 0.5)
    names = ("CPU, import of load_snapshot, plan_memberships, and Client", "import pandas, pyarrow, httpx")
    yield compared(names, "s", cpu["package"], cpu["base"], 1.25)


STARTUP = {"startup": startup}
