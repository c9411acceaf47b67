"""The rows as one table, for a terminal or as Markdown, with the machine that they come from."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import zip_longest
from pathlib import Path

from tests.bench.measures import Row, Scale

HEADINGS = ("measure", "against", "ours", "theirs", "ratio", "to reach", "met")
PACKAGES = ["frgroups", "httpx", "msgspec", "numpy", "pandas", "pyarrow", "scipy"]
PACKAGES += ["requests", "dlt", "openapi-python-client", "duckdb", "numba", "pyroaring", "polars"]


def as_text(rows: Iterable[Row]) -> str:
    """The table with padded columns."""
    lines = [HEADINGS, *map(cells, rows)]
    widths = [max(map(len, column)) for column in zip_longest(*lines, fillvalue="")]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def as_markdown(rows: Iterable[Row]) -> str:
    """The table for a README."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *map(cells, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cells(row: Row) -> Sequence[str]:
    """A row in words; what could not be measured says why in place of the numbers."""
    if row.ours is None or row.peer is None or row.ratio is None:
        return (row.measure, row.peer_name, row.note, "", "", "", "")
    spread = f" ({min(row.ratios):.3g} to {max(row.ratios):.3g})" if len(row.ratios) > 1 else ""
    to_reach = "shown" if row.to_reach is None else f"<= {row.to_reach:.3g}"
    met = {None: "", True: "yes", False: "no"}[row.met]
    amounts = _amount(row.ours, row.unit), _amount(row.peer, row.unit)
    return (row.measure, row.peer_name, *amounts, f"{row.ratio:.3g}{spread}", to_reach, met)


def conditions(scale: Scale, load_before: float) -> str:
    """When, where and with what this was measured."""
    packages = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores of {_cpu_model()}, {platform.system()}, "
        f"Python {platform.python_version()}, {packages}. Load average {load_before:.1f} before, "
        f"{os.getloadavg()[0]:.1f} after. Medians, least and most of {scale.rounds} interleaved rounds "
        f"({scale.readings} of what takes a fraction of a second); each run in a fresh process, imports outside the "
        "clock. CPU is user and system time of all threads; memory is the peak of the whole process, imports too; "
        "added memory is how far the peak of what was measured is above what the process held before. The file that "
        "is sized is memberships.parquet with the columns of codes and uids, in two other files, that it points into."
    )


def _amount(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}".strip() if value >= 100 or not unit else f"{value:.3g} {unit}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


def _cpu_model() -> str:
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
