"""Measure how plans are created, compared with other libraries, and how plans are applied."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from importlib.util import find_spec

from tests.bench.measures import Row, Scale, compared, not_installed
from tests.bench.runs import Job, check_agreement, rounds, run
from tests.bench.server import running

_PEERS = {
    "merge": ("pandas.merge(indicator=True)", 1 / 5),
    "polars": ("polars, two anti-joins", 0.5),
    "integers": ("sort and search on integers (the limit)", 2.5),
}
_MIXED = ("plan", "polars")  # These two implementations are also measured with shuffled rows.
_LATENCY = 0.02


def plan_diff(scale: Scale) -> Iterator[Row]:
    """Measure how a plan is created for a desired state that changes one percent of the memberships."""
    there = [peer for peer in _PEERS if peer != "polars" or find_spec("polars")]
    with tempfile.TemporaryDirectory() as folder:
        options = {"folder": folder}
        rows = run(Job("planning.prepare", options | {"tenant": scale.stored})).facts["memberships"]
        ways = ["plan", "complete_plan", *there]
        jobs = {way: Job(f"planning.by_{way}", options) for way in ways}
        mixed = {
            f"{way}_mixed": Job(f"planning.by_{way}", options | {"table": "mixed"}) for way in ways if way in _MIXED
        }
        runs = rounds(jobs | mixed, scale.rounds)
    check_agreement(runs)
    cpu = {way: [result.cpu for result in each] for way, each in runs.items()}
    what = f"plan_memberships, {rows:,} memberships"
    for peer, (name, target) in _PEERS.items():
        if peer in runs:
            yield compared((f"CPU, {what}", name), "s", cpu["plan"], cpu[peer], target)
        else:
            yield Row(f"CPU, {what}", name, note=not_installed(peer))
    names = (f"CPU, {what}, shuffled rows", _PEERS["polars"][0])
    if "polars" in runs:
        yield compared(names, "s", cpu["plan_mixed"], cpu["polars_mixed"], 0.5)
    else:
        yield Row(*names, note=not_installed("polars"))
    whole = "CPU, plan_memberships with digest, table, and preview"
    yield compared((whole, _PEERS["merge"][0]), "s", cpu["complete_plan"], cpu["merge"])
    names = (f"peak memory, {what}", _PEERS["polars"][0])
    if "polars" in runs:
        yield compared(names, "MB", *([result.peak_mb for result in runs[way]] for way in ("plan", "polars")), 0.6)
    else:
        yield Row(*names, note=not_installed("polars"))


def declared_plan(scale: Scale) -> Iterator[Row]:
    """Measure how a plan is created from declared groups, compared with the same plan from a table of uids."""
    with tempfile.TemporaryDirectory() as folder:
        facts = run(Job("declared.prepare", {"folder": folder, "tenant": scale.stored})).facts
        ways = ["plan_declared", "plan_memberships"]
        runs = rounds({way: Job(f"declared.by_{way}", {"folder": folder}) for way in ways}, scale.rounds)
    check_agreement(runs)
    names = (
        f"CPU, plan_declared, {facts['groups']:,} groups, {facts['memberships']:,} memberships",
        "plan_memberships with a table of uids",
    )
    yield compared(names, "s", *([result.cpu for result in runs[way]] for way in ways), 1.2)


def plan_applied(scale: Scale) -> Iterator[Row]:
    """Measure applying changes to a server with latency. Each round changes the result of the previous round."""
    with running(scale.changed, cap=scale.page_size, latency=_LATENCY) as url:
        options = {"page_size": scale.page_size, "changes": scale.changes}
        runs = rounds({"frgroups": Job("apply_changes.apply", options, url)}, scale.rounds)["frgroups"]
    applied = [result.facts for result in runs]
    what = f"requests, apply {applied[0]['changes']:,} changes to {applied[0]['groups']:,} groups"
    sent = [facts["requests"] for facts in applied]
    fewest = {
        "proved": ("verified pages, read twice, and chunks", 1.05),
        "plain": ("plain pages, read twice, and chunks", 1.05),
    }
    for kind, (name, target) in fewest.items():
        yield compared((what, name), "", sent, [facts[kind] for facts in applied], target)
    floors = [facts["requests"] * _LATENCY for facts in applied]
    milliseconds = f"{_LATENCY * 1000:.0f} ms"
    names = (f"wall time, apply, {milliseconds} latency", f"requests x {milliseconds}, sequential")
    yield compared(names, "s", [result.wall for result in runs], floors)


PLANS = {measure.__name__: measure for measure in (plan_diff, declared_plan, plan_applied)}
