"""Run each measurement in a new process, in alternating rounds, and read the server's statistics."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.bench.server import stats

TIMEOUT = 600.0


class MeasurementError(Exception):
    """A measurement that failed, or whose result differs from the other results."""


@dataclass(frozen=True, slots=True)
class Job:
    """Function in this package, for example "requests_load.load", with its options and the URL of the server."""

    function: str
    options: Mapping[str, Any] = field(default_factory=dict)
    base_url: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """Cost and facts of one measurement, including the requests, bytes, and CPU time that the server reports."""

    wall: float
    cpu: float
    peak_mb: float
    facts: Mapping[str, Any]
    requests: int = 0
    megabytes: float = 0.0
    server_cpu: float = 0.0
    paths: Mapping[str, int] = field(default_factory=dict)
    added_mb: float = 0.0


def run(job: Job, timeout: float = TIMEOUT) -> Run:
    """Run a measurement in a new process."""
    options = dict(job.options) | ({"base_url": job.base_url} if job.base_url else {})
    before = stats(job.base_url) if job.base_url else {}
    command = [sys.executable, "-m", "tests.bench.child", job.function, json.dumps(options)]
    try:
        process = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise MeasurementError(f"{job.function} took more than {timeout:.0f} s") from None
    if process.returncode:
        raise MeasurementError(f"{job.function} failed: {process.stderr.strip()[-2000:]}")
    facts = json.loads(process.stdout.splitlines()[-1])
    cost = {name: facts.pop(name) for name in ("wall", "cpu", "peak_mb", "added_mb")}
    if not job.base_url:
        return Run(**cost, facts=facts)
    after = stats(job.base_url)
    return Run(
        **cost,
        facts=facts,
        requests=after["requests"] - before["requests"],
        megabytes=(after["bytes"] - before["bytes"]) / 1e6,
        server_cpu=after["cpu"] - before["cpu"],
        paths=Counter(after["paths"]) - Counter(before["paths"]),
    )


def rounds(jobs: Mapping[str, Job], n: int) -> dict[str, list[Run]]:
    """Run each job n times, in alternation with the other jobs, so that a slow machine affects all jobs equally."""
    runs: dict[str, list[Run]] = {name: [] for name in jobs}
    for _ in range(n):
        for name, job in jobs.items():
            runs[name].append(run(job))
    return runs


def check_agreement(runs: Mapping[str, list[Run]]) -> None:
    """Raise MeasurementError if the results of the jobs differ."""
    outcomes = {name: [_outcome(result) for result in each] for name, each in runs.items()}
    if len({outcome for each in outcomes.values() for outcome in each}) > 1:
        raise MeasurementError(f"The numbers of memberships and customers or the digests differ: {outcomes}")


def _outcome(result: Run) -> tuple[int, ...]:
    return tuple(result.facts[name] for name in ("memberships", "customers", "digest"))
