"""
One measurement in a process of its own: imports and preparation before the clock, checks after it.

`python -m tests.bench.child naive.load '{"base_url": ...}'` runs that function of this folder with those options and
a Stopwatch, and prints what it cost and what it found as a line of JSON.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from types import TracebackType
from typing import Self

import pandas as pd


class Stopwatch:
    """
    What a `with` block costs: wall, CPU of all threads and children, and the peak of this process's memory by then.

    The peak is that of the whole process, from its start: the imports are in it, nothing is subtracted. Linux lets
    it begin at the size of the process that started this one, which therefore stays small.
    """

    wall = cpu = peak_mb = 0.0

    def __enter__(self) -> Self:
        self._cpu, self._wall = _cpu_seconds(), time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wall = time.perf_counter() - self._wall
        self.cpu = _cpu_seconds() - self._cpu
        self.peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def found(group_uids: object, customer_uids: object, n_customers: int) -> dict[str, int]:
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
    cost = {"wall": clock.wall, "cpu": clock.cpu, "peak_mb": clock.peak_mb}
    sys.stdout.write(json.dumps(cost | facts) + "\n")


if __name__ == "__main__":
    main()
