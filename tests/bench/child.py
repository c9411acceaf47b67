"""
Run one measurement in a separate process.

`python -m tests.bench.child requests_load.load '{"base_url": ...}'` calls the function `load` in the module
`requests_load` with a Stopwatch and the options. The command prints the cost and the facts as one line of JSON.
Imports, preparation, and checks are not measured.
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
    Context manager that measures the wall time, CPU time, and memory of a `with` block.

    The CPU time includes all threads and child processes. `peak_mb` is the peak memory of the process since its
    start, including imports. On Linux, the peak memory starts at the size of the parent process, so the parent
    process must be small. `added_mb` is the difference between the peak of the block and the memory before it, at
    least 1 MB.
    """

    wall = cpu = peak_mb = added_mb = 0.0

    def __enter__(self) -> Self:
        self._peak = _peak_mb()
        self._memory_before = _reset_peak() or self._peak
        self._cpu, self._wall = _cpu_seconds(), time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wall = time.perf_counter() - self._wall
        self.cpu = _cpu_seconds() - self._cpu
        self.added_mb = max(_peak_mb() - self._memory_before, 1.0)
        self.peak_mb = max(_peak_mb(), self._peak)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _reset_peak() -> float | None:
    """Reset the peak memory to the current memory, and return this value in MB, or None if this is not Linux."""
    # Return freed memory to the system, so that it is counted when it is used again.
    pa.default_memory_pool().release_unused()
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
    except OSError:
        return None


def _cpu_seconds() -> float:
    used = [resource.getrusage(scope) for scope in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def load_facts(group_uids: object, customer_uids: object, n_customers: int) -> dict[str, int]:
    """Return the size of a load and a digest of its memberships that does not depend on their order."""
    pairs = pd.DataFrame({"group": group_uids, "customer": customer_uids}, dtype="str")
    digest = int(pd.util.hash_pandas_object(pairs, index=False).sum())
    return {"memberships": len(pairs), "customers": n_customers, "digest": digest}


def main() -> None:
    """Run the measurement that the command line specifies."""
    module, function = sys.argv[1].split(".")
    measurement = getattr(importlib.import_module(f"tests.bench.{module}"), function)
    clock = Stopwatch()
    facts = measurement(clock, **json.loads(sys.argv[2]))
    cost = {name: getattr(clock, name) for name in ("wall", "cpu", "peak_mb", "added_mb")}
    sys.stdout.write(json.dumps(cost | facts) + "\n")


if __name__ == "__main__":
    main()
