"""Write a report, or compute the tables and draw the charts that the report contains."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd

import frgroups as fg
from frgroups.snapshot.membership_matrix import MembershipMatrix
from frgroups.snapshot.schema import CONSENTS, coerce_schema
from tests.bench.child import Stopwatch
from tests.bench.tenants import SEED

CHANGED_SHARE = 0.02
FIRST, ROWS = 20, 8  # Numbers of groups in the charts of the report.


def saved(clock: Stopwatch, *, path: str) -> dict[str, int]:
    """Write a report of two snapshots."""
    before, after = _snapshots(path)
    with _warm(), tempfile.TemporaryDirectory() as folder:
        with clock:
            page = fg.save_report(after, Path(folder) / "groups.html", before)
        return {"bytes": page.stat().st_size}


def tables_and_charts(clock: Stopwatch, *, path: str) -> dict[str, int]:
    """Compute the tables of the report, and save its charts as SVG images."""
    before, after = _snapshots(path)
    with _warm(), clock:
        duplicates = fg.duplicate_groups(after, min_jaccard=0.9)
        similar = [*{*duplicates["group_a"], *duplicates["group_b"]}][:12]
        fg.overlap_pairs(after, min_both=1)
        fg.health_report(after)
        charts = [
            fg.plot.sizes(fg.group_sizes(after), top=FIRST),
            fg.plot.history(fg.size_history([before, after])),
            fg.plot.overlap_heatmap(after, top=FIRST),
            fg.plot.reach(fg.reachability(after), top=ROWS),
            fg.plot.changes(fg.group_changes(before, after), top=FIRST),
        ]
        if similar:
            charts.append(fg.plot.overlap_heatmap(after, similar))
        return {"bytes": sum(_svg_size(ax) for ax in charts)}


def _svg_size(ax: Any) -> int:
    buffer = BytesIO()
    ax.figure.savefig(buffer, format="svg")
    return buffer.tell()


@contextmanager
def _warm() -> Iterator[None]:
    """Import all modules and read the fonts before the measurement."""
    mpl.use("Agg")
    fg.plot.sizes(fg.sample_snapshot()).figure.savefig(BytesIO(), format="svg")
    with tempfile.TemporaryDirectory() as folder:
        fg.save_report(fg.sample_snapshot(), Path(folder) / "groups.html")
    yield


def _snapshots(path: str) -> tuple[fg.Snapshot, fg.Snapshot]:
    """Return an older and a newer snapshot with contact points and consents."""
    after = fg.read_snapshot(path)
    uids = after.customers["customer_uid"]
    consents = [
        pd.DataFrame({"customer_uid": uids[::step], "consent_uid": name, "name": name, "given": True})
        for name, step in (("email", 2), ("SMS", 3))
    ]
    after = replace(
        after,
        customers=after.customers.assign(has_email=True, has_mobile=np.arange(len(uids)) % 4 > 0),
        consents=coerce_schema(pd.concat(consents, ignore_index=True), CONSENTS),
    )
    matrix = after.matrix
    keep = np.random.default_rng(SEED).random(len(matrix)) >= CHANGED_SHARE
    older = MembershipMatrix.from_codes(
        matrix.group_code[keep],
        matrix.indices[keep],
        group_uids=matrix.group_uids,
        group_names=matrix.group_names,
        customer_uids=matrix.customer_uids,
    )
    earlier = after.taken_at - timedelta(days=30)
    return replace(after, matrix=older, taken_at=earlier, read_until=earlier), after
