"""Format the benchmark results for a terminal or as Markdown, and describe the conditions of the measurements."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import zip_longest
from pathlib import Path

from tests.bench.measures import Row, Scale

HEADINGS = ("measurement", "compared with", "frgroups", "peer", "ratio", "target", "met")
PACKAGES = ["frgroups", "httpx", "msgspec", "numpy", "pandas", "pyarrow", "scipy"]
PACKAGES += ["requests", "dlt", "openapi-python-client", "duckdb", "numba", "pyroaring", "polars"]


def as_text(rows: Iterable[Row]) -> str:
    """Return the result table as plain text with aligned columns."""
    lines = [HEADINGS, *map(cells, rows)]
    widths = [max(map(len, column)) for column in zip_longest(*lines, fillvalue="")]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def as_markdown(rows: Iterable[Row]) -> str:
    """Return the result table as Markdown."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *map(cells, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cells(row: Row) -> Sequence[str]:
    """Return the table cells of a row, or its note if there are no numbers."""
    if row.ours is None or row.peer is None or row.ratio is None:
        return (row.measure, row.peer_name, row.note, "", "", "", "")
    spread = f" ({min(row.ratios):.3g} to {max(row.ratios):.3g})" if len(row.ratios) > 1 else ""
    target = "shown" if row.target is None else f"<= {row.target:.3g}"
    met = {None: "", True: "yes", False: "no"}[row.met]
    amounts = _amount(row.ours, row.unit), _amount(row.peer, row.unit)
    return (row.measure, row.peer_name, *amounts, f"{row.ratio:.3g}{spread}", target, met)


def conditions(scale: Scale, load_before: float) -> str:
    """Return the date, the machine, the package versions, and the method of the measurements."""
    packages = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores of {_cpu_model()}, {platform.system()}, "
        f"Python {platform.python_version()}, {packages}. The load average was {load_before:.1f} before "
        f"and {os.getloadavg()[0]:.1f} after the measurements. The numbers are the median, minimum, and maximum of "
        f"{scale.rounds} alternating rounds ({scale.readings} rounds for measurements below one second). Each run is "
        "a new process, and imports are not measured. CPU is the user and system time of all threads. Peak memory "
        "includes imports. Added memory is the difference between the peak of the measurement and the memory before "
        "it. The file size of frgroups is that of memberships.parquet and of the uid columns in the other files."
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
