"""Measure the size of the review page and the time until it can be searched."""

from __future__ import annotations

from collections.abc import Iterator

from tests import chromium
from tests.bench.measures import Row, Scale, compared
from tests.bench.runs import Job, rounds

MAX_SEARCH_SECONDS = 2.0


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


PAGES = {"review_page": review_page}
