"""Measure loading and storing snapshots, compared with other libraries, with a target ratio for each."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import median
from typing import Any

from tests.bench.runs import Job, MeasurementError, Run, check_agreement, rounds, run
from tests.bench.server import running

LATENCY = 0.05
WORKERS = 16
GENERIC_TIMEOUT = 120.0


@dataclass(frozen=True, slots=True)
class Scale:
    """Names of the tenants and membership shapes to measure, and the number of rounds.

    The tenants `small` and `large` are loaded, `covered` has a group of all customers, `stored` is saved to disk, and
    `changed` is modified by `changes` changes. The membership shapes are `sparse`, `dense`, `huge`, and `many`.
    `operations` is the size of a large review page, and `readings` is the number of rounds for short measurements.
    `pair_tables` is the number of functions that are measured for the shapes in `many`.
    """

    small: str
    large: str
    covered: str
    stored: str
    sparse: str
    dense: str
    huge: str
    many: tuple[str, ...] = ("10,000 groups", "100,000 groups")
    pair_tables: int = 5
    changed: str = "changed"
    changes: int = 100_000
    page_size: int = 500
    rounds: int = 3
    readings: int = 9
    generic: bool = True
    operations: int = 100_000


FULL = Scale("S", "L", "L+all", "XL", sparse="5M x 1,000", dense="4M x 200", huge="50M x 2,000")
QUICK = Scale(
    *("tiny", "tiny", "tiny+all", "tiny", "quick", "quick", "quick"),
    many=("quick",),
    pair_tables=1,
    changed="tiny",
    changes=240,
    page_size=50,
    rounds=1,
    readings=1,
    generic=False,
    operations=1_000,
)


@dataclass(frozen=True, slots=True)
class Row:
    """Result of a measurement: the medians of frgroups and its peer, and the ratio in each round.

    If `target` is None, there is no target for the ratio. If the measurement was not possible, `note` contains the
    reason.
    """

    measure: str
    peer_name: str
    unit: str = ""
    ours: float | None = None
    peer: float | None = None
    ratios: tuple[float, ...] = ()
    target: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Median of the ratios in all rounds."""
        return median(self.ratios) if self.ratios else None

    @property
    def met(self) -> bool | None:
        """True if the median ratio does not exceed the target, or None without a target."""
        return None if self.target is None or self.ratio is None else self.ratio <= self.target


def compared(
    names: tuple[str, str], unit: str, ours: Iterable[float], peer: Iterable[float], target: float | None = None
) -> Row:
    """Return the result row of a comparison, with the medians and the ratio in each round."""
    pairs = list(zip(ours, peer, strict=True))
    ratios = tuple(a / b for a, b in pairs)
    return Row(*names, unit, median(a for a, _ in pairs), median(b for _, b in pairs), ratios, target)


def by_pages(scale: Scale) -> Iterator[Row]:
    """Measure the CPU time, the memory, and the cost of verification when a large tenant is read page by page."""
    with running(scale.large, cap=scale.page_size) as url:
        options = {"page_size": scale.page_size}
        jobs = {
            "frgroups": Job("frgroups_load.load", options | {"cover": False}, url),
            "limit": Job("raw_socket.load", options, url),
            "as is": Job("frgroups_load.load", options, url),
            "plain": Job("plain_paging.load", options, url),
        }
        if find_spec("requests"):
            jobs["requests"] = Job("requests_load.load", options, url)
        runs = rounds(jobs, scale.rounds)
    check_agreement(runs)
    ours, limit, name = runs["frgroups"], runs["limit"], scale.large
    cpu, peak = f"CPU, {name}, by pages", f"peak memory, {name}, by pages"
    usual = "requests + pd.json_normalize"
    if "requests" in runs:
        yield compared((cpu, usual), "s", _cpu(ours), _cpu(runs["requests"]), 0.16)
        yield compared((peak, usual), "MB", _peak(ours), _peak(runs["requests"]), 1 / 4)
    else:
        yield Row(cpu, usual, note=not_installed("requests"))
        yield Row(peak, usual, note=not_installed("requests"))
    yield compared((cpu, "raw socket, same decoder (the limit)"), "s", _cpu(ours), _cpu(limit), 1.6)
    served = [result.server_cpu for result in ours]
    yield compared((f"CPU of the server, {name}", "CPU of the client"), "s", served, _cpu(ours))
    long = {path for path, n in runs["plain"][0].paths.items() if n >= 3}
    mine, plain = ([_sent_to(result, long) for result in runs[side]] for side in ("as is", "plain"))
    names = (f"requests, {name}, groups with at least 3 pages", "plain paging without verification")
    yield compared(names, "", mine, plain, 1.10)


def at_latency(scale: Scale) -> Iterator[Row]:
    """Measure the wall time of a load with 16 workers, compared with the minimum for the number of requests."""
    for name in dict.fromkeys([scale.small, scale.large]):
        with running(name, cap=scale.page_size, latency=LATENCY) as url:
            options = {"page_size": scale.page_size, "workers": WORKERS}
            runs = rounds({"frgroups": Job("frgroups_load.load", options, url)}, scale.rounds)["frgroups"]
        floors = [(result.requests / WORKERS + 1) * LATENCY for result in runs]
        measure = f"wall time, {LATENCY * 1000:.0f} ms latency, {WORKERS} workers, {name}"
        floor = f"minimum: (requests / {WORKERS} + 1) x {LATENCY * 1000:.0f} ms"
        yield compared((measure, floor), "s", _wall(runs), floors, 1.3)


def covered(scale: Scale) -> Iterator[Row]:
    """Measure loading a tenant with a group of all customers, compared with plain paging."""
    with running(scale.covered, cap=scale.page_size) as url:
        options = {"page_size": scale.page_size}
        jobs = {"frgroups": Job("frgroups_load.load", options, url), "plain": Job("plain_paging.load", options, url)}
        runs = rounds(jobs, scale.rounds)
    check_agreement(runs)
    ours, plain, peer = runs["frgroups"], runs["plain"], "plain paging without verification"
    requests, megabytes = (
        [[getattr(result, what) for result in side] for side in (ours, plain)] for what in ("requests", "megabytes")
    )
    yield compared((f"requests, {scale.covered}", peer), "", *requests, 0.40)
    yield compared((f"bytes, {scale.covered}", peer), "MB", *megabytes, 0.35)
    yield compared((f"CPU, {scale.covered}", peer), "s", _cpu(ours), _cpu(plain), 0.56)


def stored(scale: Scale) -> Iterator[Row]:
    """Measure storing and reading a large snapshot, compared with pandas."""
    with tempfile.TemporaryDirectory() as folder:
        options = {"folder": folder}
        rows = run(Job("stored.prepare", options | {"tenant": scale.stored})).facts["memberships"]
        writes = rounds({side: Job(f"stored.write_{side}", options) for side in ("frgroups", "pandas")}, scale.rounds)
        # Reading takes less than a second, so more rounds are needed.
        reads = rounds({side: Job(f"stored.read_{side}", options) for side in ("frgroups", "pandas")}, scale.readings)
    sizes = [[result.facts["size"] / 1e6 for result in writes[side]] for side in ("frgroups", "pandas")]
    yield compared((f"file size, {rows:,} memberships", "DataFrame.to_parquet"), "MB", *sizes, 0.25)
    yield compared(
        ("write time, save_snapshot", "DataFrame.to_parquet"),
        "s",
        _wall(writes["frgroups"]),
        _wall(writes["pandas"]),
        0.6,
    )
    yield compared(
        ("read time, read_snapshot", "pd.read_parquet"),
        "s",
        _wall(reads["frgroups"]),
        _wall(reads["pandas"]),
        0.5,
    )


def generic(scale: Scale) -> Iterator[Row]:
    """Measure how two generic tools load a tenant. Each tool runs once, and there is no target."""
    peers = {
        "dlt rest_api to parquet": ("dlt", "generic.load_by_dlt"),
        "generated OpenAPI client": ("openapi_python_client", "generic.load_by_generated_client"),
    }
    with running(scale.small, cap=scale.page_size) as url:
        for peer, (package, function) in peers.items():
            names = (f"CPU, {scale.small}, once", peer)
            if not scale.generic:
                yield Row(*names, note="not part of a quick run")
            elif not find_spec(package):
                yield Row(*names, note=not_installed(package))
            else:
                yield _beside(names, function, {"page_size": scale.page_size}, url)


def _beside(names: tuple[str, str], function: str, options: dict[str, Any], url: str) -> Row:
    try:
        ours = run(Job("frgroups_load.load", options, url))
        peer = run(Job(function, options, url), GENERIC_TIMEOUT)
        check_agreement({"frgroups": [ours], "peer": [peer]})
    except MeasurementError as error:
        return Row(*names, note=str(error).splitlines()[-1])
    return compared(names, "s", [ours.cpu], [peer.cpu])


LOADS = {measure.__name__: measure for measure in (by_pages, at_latency, covered, stored, generic)}


def _cpu(runs: list[Run]) -> list[float]:
    return [result.cpu for result in runs]


def _peak(runs: list[Run]) -> list[float]:
    return [result.peak_mb for result in runs]


def _wall(runs: list[Run]) -> list[float]:
    return [result.wall for result in runs]


def _sent_to(result: Run, paths: set[str]) -> int:
    return sum(n for path, n in result.paths.items() if path in paths)


def not_installed(package: str) -> str:
    """Return the note for a library that is not installed."""
    return f"{package} is not installed; install the dependency group `bench`"
