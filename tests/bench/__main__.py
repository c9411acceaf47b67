"""
Run the benchmarks and print a table. The command is `make bench` or `python -m tests.bench [NAME ...]`.

`python -m tests.bench engine_curves` has its own options. See `python -m tests.bench engine_curves --help`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.bench import engine_curves
from tests.bench.analysis import ANALYSIS
from tests.bench.measures import FULL, LOADS, QUICK, Row, Scale
from tests.bench.pages import PAGES
from tests.bench.plans import PLANS
from tests.bench.report import as_markdown, as_text, conditions
from tests.bench.soak import soak
from tests.bench.startup import STARTUP

MEASURES = LOADS | ANALYSIS | PLANS | PAGES | STARTUP


def main() -> None:
    """Run the measurements that the command line lists, or all measurements by default."""
    if sys.argv[1:2] == ["engine_curves"]:
        engine_curves.main(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"measurements to run (default: all): {', '.join(MEASURES)}"
    )
    parser.add_argument(
        "--quick", action="store_true", help="run each measurement once with a tiny tenant, as a test"
    )
    parser.add_argument("--soak", action="store_true", help="only load 1,000,000 customers in 1,000 groups once")
    parser.add_argument("--rounds", type=int, help="number of rounds per measurement (default: 3)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the table to a file as Markdown")
    options = parser.parse_args()
    if unknown := set(options.names) - MEASURES.keys():
        parser.error(f"unknown measurement {', '.join(sorted(unknown))}; choose from {', '.join(MEASURES)}")
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
        rows = [replace(row, target=None) for row in rows]  # The target ratios do not apply to a tiny tenant.
    environment = conditions(scale, load_before)
    sys.stdout.write(f"\n{as_text(rows)}\n\n{environment}\n")
    if options.markdown:
        options.markdown.write_text(f"{as_markdown(rows)}\n\n{environment}\n", encoding="utf-8")


def measured(scale: Scale, names: list[str]) -> Iterator[Row]:
    """Yield the result rows of the measurements, and write the duration of each measurement to stderr."""
    for name in names:
        started = time.monotonic()
        yield from MEASURES[name](scale)
        sys.stderr.write(f"{name}: {time.monotonic() - started:.0f} s\n")


if __name__ == "__main__":
    main()
