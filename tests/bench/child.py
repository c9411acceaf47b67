"""
One measurement in a process of its own: imports and preparation before the clock, checks after it.

`python -m tests.bench.child requests_load.load '{"base_url": ...}'` runs that function of this folder with those
options and a Stopwatch, and prints its cost and its facts as a line of JSON.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import resource
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import pandas as pd
import pyarrow as pa


class Stopwatch:
    """
    What a `with` block costs: wall, CPU of all threads and children, and the peak of this process's memory by then.

    The peak is that of the whole process, from its start: the imports are in it, nothing is subtracted. Linux lets
    it begin at the size of the process that started this one, which therefore stays small. `added_mb` is how far
    the block's own peak is above what the process held before it, 1 at least: less cannot be told.
    """

    wall = cpu = peak_mb = added_mb = 0.0

    def __enter__(self) -> Self:
        self._peak = _peak_mb()
        self._held = _forget_peak() or self._peak
        self._cpu, self._wall = _cpu_seconds(), time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wall = time.perf_counter() - self._wall
        self.cpu = _cpu_seconds() - self._cpu
        self.added_mb = max(_peak_mb() - self._held, 1.0)
        self.peak_mb = max(_peak_mb(), self._peak)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _forget_peak() -> float | None:
    """Let the peak begin at what this process holds now, and tell that; None where the system cannot."""
    # What was freed goes back to the system first, so that it counts when it is used again.
    pa.default_memory_pool().release_unused()
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
    except OSError:
        return None


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def load_facts(group_uids: object, customer_uids: object, n_customers: int) -> dict[str, int]:
    """What a load ended with, and a digest of its memberships that does not depend on their order."""
    pairs = pd.DataFrame({"group": group_uids, "customer": customer_uids}, dtype="str")
    digest = int(pd.util.hash_pandas_object(pairs, index=False).sum())
    return {"memberships": len(pairs), "customers": n_customers, "digest": digest}


def main() -> None:
    """Run the measurement that the command line names."""
    module, function = sys.argv[1].split(".")
    measurement = getattr(importlib.import_module(f"tests.bench.{module}"), function)
    clock = Stopwatch()
    facts = measurement(clock, **json.loads(sys.argv[2]))
    cost = {name: getattr(clock, name) for name in ("wall", "cpu", "peak_mb", "added_mb")}
    sys.stdout.write(json.dumps(cost | facts) + "\n")


if __name__ == "__main__":
    main()
