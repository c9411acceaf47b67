"""Runs measurements, each in a fresh process, in interleaved rounds; what the server saw of each is noted too."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.bench.server import stats

PATIENCE = 600.0


class MeasurementError(Exception):
    """A measurement did not come to its end, or did not find what the others found."""


@dataclass(frozen=True, slots=True)
class Job:
    """A function of this folder ("requests_load.load") with its options, and the server that it talks to."""

    function: str
    options: Mapping[str, Any] = field(default_factory=dict)
    base_url: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """Cost and facts of one measurement; requests, bytes and the server's CPU are the server's own counts."""

    wall: float
    cpu: float
    peak_mb: float
    facts: Mapping[str, Any]
    requests: int = 0
    megabytes: float = 0.0
    server_cpu: float = 0.0
    paths: Mapping[str, int] = field(default_factory=dict)
    added_mb: float = 0.0


def run(job: Job, patience: float = PATIENCE) -> Run:
    """One measurement."""
    options = dict(job.options) | ({"base_url": job.base_url} if job.base_url else {})
    before = stats(job.base_url) if job.base_url else {}
    command = [sys.executable, "-m", "tests.bench.child", job.function, json.dumps(options)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=patience)
    except subprocess.TimeoutExpired:
        raise MeasurementError(f"{job.function} took more than {patience:.0f} s") from None
    if done.returncode:
        raise MeasurementError(f"{job.function} failed: {done.stderr.strip()[-2000:]}")
    facts = json.loads(done.stdout.splitlines()[-1])
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
    """Each job n times, A B C A B C: what slows the machine for a while slows them all."""
    runs: dict[str, list[Run]] = {name: [] for name in jobs}
    for _ in range(n):
        for name, job in jobs.items():
            runs[name].append(run(job))
    return runs


def check_agreement(runs: Mapping[str, list[Run]]) -> None:
    """What was measured on one tenant is comparable only where all found the same."""
    outcomes = {name: [_outcome(result) for result in each] for name, each in runs.items()}
    if len({outcome for each in outcomes.values() for outcome in each}) > 1:
        raise MeasurementError(f"They do not agree on memberships, customers and digest: {outcomes}")


def _outcome(result: Run) -> tuple[int, ...]:
    return tuple(result.facts[name] for name in ("memberships", "customers", "digest"))
