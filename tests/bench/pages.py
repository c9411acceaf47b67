"""What the review page costs whoever opens it."""

from __future__ import annotations

from collections.abc import Iterator

from tests import chromium
from tests.bench.measures import Row, Scale, compared
from tests.bench.runs import Job, rounds

PATIENCE_OF_A_READER = 2.0


def review_page(scale: Scale) -> Iterator[Row]:
    """The page of a large plan in headless Chromium, from a file: until a search for one customer shows the row."""
    what = f"review page of {scale.operations:,} operations"
    names = (f"time until it can be searched, {what}", f"a bound of {PATIENCE_OF_A_READER:g} s")
    if chromium.found() is None:
        yield Row(*names, note="no Chromium on this machine")
        return
    runs = rounds({"frgroups": Job("review_page.searched", {"n": scale.operations})}, scale.rounds)["frgroups"]
    yield compared(names, "s", [result.wall for result in runs], [PATIENCE_OF_A_READER] * len(runs), 1.0)
    megabytes = [[result.facts[side] / 1e6 for result in runs] for side in ("page", "csv")]
    yield compared((f"file size, {what}", "the same as CSV"), "MB", *megabytes)


PAGES = {"review_page": review_page}
