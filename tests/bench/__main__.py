"""`make bench`, or `python -m tests.bench [NAME ...]`: measures, and prints the table."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.bench.analysis import ANALYSIS
from tests.bench.measures import FULL, LOADS, QUICK, Row, Scale
from tests.bench.pages import PAGES
from tests.bench.plans import PLANS
from tests.bench.report import as_markdown, as_text, conditions
from tests.bench.soak import soak
from tests.bench.startup import STARTUP

MEASURES = LOADS | ANALYSIS | PLANS | PAGES | STARTUP


def main() -> None:
    """Measure what the command line names; everything by default."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these: {', '.join(MEASURES)}")
    parser.add_argument("--quick", action="store_true", help="a tiny tenant once, to see that everything runs")
    parser.add_argument(
        "--soak", action="store_true", help="load 1,000,000 customers in 1,000 groups once, nothing else"
    )
    parser.add_argument("--rounds", type=int, help="how often each is measured (3)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there too")
    options = parser.parse_args()
    if unknown := set(options.names) - MEASURES.keys():
        parser.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(MEASURES)}")
    with tempfile.TemporaryDirectory() as home:
        os.environ["FRGROUPS_HOME"] = home
        if options.soak:
            sys.stdout.write(soak() + "\n")
            return
        scale = QUICK if options.quick else FULL
        scale = replace(scale, rounds=options.rounds) if options.rounds else scale
        load_before = os.getloadavg()[0]
        rows = list(measured(scale, options.names or list(MEASURES)))
    if options.quick:
        rows = [replace(row, to_reach=None) for row in rows]  # A tiny tenant says nothing about speed.
    environment = conditions(scale, load_before)
    sys.stdout.write(f"\n{as_text(rows)}\n\n{environment}\n")
    if options.markdown:
        options.markdown.write_text(f"{as_markdown(rows)}\n\n{environment}\n", encoding="utf-8")


def measured(scale: Scale, names: list[str]) -> Iterator[Row]:
    """The rows, with a line on standard error for each measure as it ends."""
    for name in names:
        started = time.monotonic()
        yield from MEASURES[name](scale)
        sys.stderr.write(f"{name}: {time.monotonic() - started:.0f} s\n")


if __name__ == "__main__":
    main()
