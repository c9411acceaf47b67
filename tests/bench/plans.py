"""What plans cost: made beside other ways to the same difference, and sent."""

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
_MIXED = ("plan", "polars")  # Those that are also measured on rows in no order at all.
_LATENCY = 0.02


def plan_diff(scale: Scale) -> Iterator[Row]:
    """As many memberships wanted as there are, a hundredth of them others."""
    there = [peer for peer in _PEERS if peer != "polars" or find_spec("polars")]
    with tempfile.TemporaryDirectory() as folder:
        kept = {"folder": folder}
        rows = run(Job("planning.prepare", kept | {"tenant": scale.kept})).found["memberships"]
        ways = ["plan", "plan_whole", *there]
        jobs = {way: Job(f"planning.by_{way}", kept) for way in ways}
        mixed = {
            f"{way}_mixed": Job(f"planning.by_{way}", kept | {"table": "mixed"}) for way in ways if way in _MIXED
        }
        runs = rounds(jobs | mixed, scale.rounds)
    check_agreement(runs)
    cpu = {way: [one.cpu for one in each] for way, each in runs.items()}
    what = f"plan_memberships, {rows:,} memberships"
    for peer, (name, to_reach) in _PEERS.items():
        if peer in runs:
            yield compared((f"CPU, {what}", name), "s", cpu["plan"], cpu[peer], to_reach)
        else:
            yield Row(f"CPU, {what}", name, note=not_installed(peer))
    names = (f"CPU, {what}, in no order", _PEERS["polars"][0])
    if "polars" in runs:
        yield compared(names, "s", cpu["plan_mixed"], cpu["polars_mixed"], 0.5)
    else:
        yield Row(*names, note=not_installed("polars"))
    whole = "CPU, plan with digest, table and preview"
    yield compared((whole, _PEERS["merge"][0]), "s", cpu["plan_whole"], cpu["merge"])
    names = (f"peak memory, {what}", _PEERS["polars"][0])
    if "polars" in runs:
        yield compared(names, "MB", *([one.peak_mb for one in runs[way]] for way in ("plan", "polars")), 0.6)
    else:
        yield Row(*names, note=not_installed("polars"))


def plan_applied(scale: Scale) -> Iterator[Row]:
    """Changes sent to a tenant that answers after a while; each round changes what the one before left."""
    with running(scale.changed, cap=scale.page_size, latency=_LATENCY) as url:
        asked = {"page_size": scale.page_size, "changes": scale.changes}
        runs = rounds({"ours": Job("applying.apply", asked, url)}, scale.rounds)["ours"]
    told = [one.found for one in runs]
    what = f"requests, apply {told[0]['changes']:,} changes of {told[0]['groups']:,} groups"
    sent = [one["requests"] for one in told]
    fewest = {
        "proved": ("pages read with proof, twice, and chunks", 1.05),
        "plain": ("plain pages, twice, and chunks", 1.05),
    }
    for kind, (name, to_reach) in fewest.items():
        yield compared((what, name), "", sent, [one[kind] for one in told], to_reach)
    floors = [one["requests"] * _LATENCY for one in told]
    names = (f"wall of it, {_LATENCY * 1000:.0f} ms latency", f"requests x {_LATENCY * 1000:.0f} ms, one at a time")
    yield compared(names, "s", [one.wall for one in runs], floors)


PLANS = {one.__name__: one for one in (plan_diff, plan_applied)}
