"""Measure the review page and the report: their file sizes, and the time to open or write them."""

from __future__ import annotations

from collections.abc import Iterator

from tests import chromium
from tests.bench.measures import Row, Scale, compared
from tests.bench.memberships import stored_snapshot
from tests.bench.runs import Job, rounds

MAX_SEARCH_SECONDS = 2.0
MAX_REPORT_MB = 3.0


def review_page(scale: Scale) -> Iterator[Row]:
    """Measure the time until the review page of a large plan finds a customer in headless Chromium."""
    what = f"review page with {scale.operations:,} operations"
    names = (f"time until search works, {what}", f"limit of {MAX_SEARCH_SECONDS:g} s")
    if chromium.found() is None:
        yield Row(*names, note="Chromium is not installed")
        return
    runs = rounds({"frgroups": Job("review_page.searched", {"n": scale.operations})}, scale.rounds)["frgroups"]
    yield compared(names, "s", [result.wall for result in runs], [MAX_SEARCH_SECONDS] * len(runs), 1.0)
    megabytes = [[result.facts[side] / 1e6 for result in runs] for side in ("page", "csv")]
    yield compared((f"file size, {what}", "CSV with the same operations"), "MB", *megabytes)


def report_page(scale: Scale) -> Iterator[Row]:
    """Measure the CPU time and the file size of a report, compared with the tables and charts that it contains."""
    options = {"path": stored_snapshot(scale.dense)}
    jobs = {side: Job(f"report_page.{side}", options) for side in ("saved", "tables_and_charts")}
    runs = rounds(jobs, scale.rounds)
    names = (f"CPU, save_report, {scale.dense}", "the same tables and charts")
    ours, peer = ([result.cpu for result in runs[side]] for side in jobs)
    yield compared(names, "s", ours, peer, 1.3)
    megabytes = [result.facts["bytes"] / 1e6 for result in runs["saved"]]
    limit = (f"file size, save_report, {scale.dense}", f"limit of {MAX_REPORT_MB:g} MB")
    yield compared(limit, "MB", megabytes, [MAX_REPORT_MB] * len(megabytes), 1.0)


PAGES = {"review_page": review_page, "report_page": report_page}
