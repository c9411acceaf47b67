"""CPU time that a fresh Python process needs to start: the command line, the package and their peers."""

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
    """Start one of the processes `repeats` times, one after the other."""
    command = [sys.executable, *PROCESSES[process]]
    # An installed package has a bytecode cache, so the first process may write one.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    with clock:
        for _ in range(repeats):
            subprocess.run(command, check=True, capture_output=True, env=environment)
    return {}


def startup(scale: Scale) -> Iterator[Row]:
    """CPU of `frgroups --help` against `import pandas`, and of the main names against their libraries."""
    repeats = min(scale.readings, MAX_REPEATS)
    jobs = {name: Job("startup.started", {"process": name, "repeats": repeats}) for name in PROCESSES}
    runs = rounds(jobs, scale.readings)
    cpu = {name: [run.cpu / repeats for run in runs[name]] for name in runs}
    yield compared(("CPU, frgroups --help", "import pandas"), "s", cpu["help"], cpu["pandas"], 0.5)
    names = ("CPU, load_snapshot, plan_memberships and Client imported", "import pandas, pyarrow, httpx")
    yield compared(names, "s", cpu["package"], cpu["base"], 1.25)


STARTUP = {"startup": startup}
