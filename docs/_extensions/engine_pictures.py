"""Draw the measured costs of the functions that query engines compute, in light and dark."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FixedLocator, LogLocator, NullLocator, StrMethodFormatter
from sphinx.application import Sphinx

from gallery_pages import FONT, STYLES

LABELS = {
    "memory": "in memory",
    "duckdb": "DuckDB",
    "duckdb_600mb": "DuckDB, limit of 600 MB",
    "duckdb_4gb": "DuckDB, limit of 4 GB",
    "polars": "Polars, streaming",
    "spark": "PySpark, two threads",
}
_MARKERS = dict(zip(LABELS, "osDX^v", strict=True))
_COSTS = {"cpu": "CPU seconds", "peak_mb": "peak memory, MiB"}


def draw_curves(costs: pd.DataFrame, function: str) -> Figure:
    """
    Draw the CPU time and the peak memory of a function against the number of memberships.

    There is a column of Axes per number of groups and a line per engine. A measurement that was stopped at a limit
    has a hollow marker, which shows the cost until then.
    """
    import matplotlib.pyplot as plt

    chosen = costs[costs["function"] == function]
    groups = sorted(chosen["groups"].unique())
    shape = {"nrows": len(_COSTS), "ncols": len(groups), "sharex": True, "sharey": "row", "squeeze": False}
    figure, axes = plt.subplots(**shape, figsize=(3 * len(groups) + 0.6, 5.6), layout="constrained")
    for column, n_groups in enumerate(groups):
        for row, (cost, label) in enumerate(_COSTS.items()):
            ax: Axes = axes[row][column]
            for way in LABELS:
                _draw_line(ax, chosen[(chosen["groups"] == n_groups) & (chosen["way"] == way)], way, cost)
            ax.set(xscale="log", yscale="log")
            ax.xaxis.set_major_locator(FixedLocator(chosen["memberships"].unique()))
            ax.xaxis.set_major_formatter(EngFormatter(sep=""))
            ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
            for axis in (ax.xaxis, ax.yaxis):
                axis.set_minor_locator(NullLocator())
            ax.grid(alpha=0.3)
            ax.margins(x=0.1)
            if not column:
                ax.set_ylabel(label)
        axes[0][column].set_title(f"{n_groups:,} groups")
        axes[-1][column].set_xlabel("memberships")
    # All lines are drawn, so that an engine has the same color in each picture.
    measured = {LABELS[way] for way in chosen["way"]}
    lines = [line for line in axes[0][0].lines if line.get_label() in measured]
    figure.legend(handles=lines, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _draw_line(ax: Axes, costs: pd.DataFrame, way: str, cost: str) -> None:
    costs = costs.sort_values("memberships")
    is_finished = costs["outcome"] == "finished"
    (line,) = ax.plot(
        *(costs.loc[is_finished, column] for column in ("memberships", cost)),
        marker=_MARKERS[way],
        markersize=5,
        label=LABELS[way],
    )
    stopped = costs[~is_finished]
    # A dotted line leads to a hollow marker at the cost until the measurement was stopped.
    before = costs[is_finished].tail(1)
    for _, row in stopped.iterrows():
        points = pd.concat([before, row.to_frame().T])
        ax.plot(points["memberships"], points[cost], color=line.get_color(), linestyle=":", linewidth=1)
        ax.plot(
            row["memberships"],
            row[cost],
            marker=_MARKERS[way],
            markersize=7,
            fillstyle="none",
            linestyle="none",
            color=line.get_color(),
        )


def draw_pictures(table: Path, pictures: Path) -> list[Path]:
    """Draw a picture per function and style, and return their paths."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    pictures.mkdir(parents=True, exist_ok=True)
    costs = pd.read_csv(table)
    paths = []
    for style, layers in STYLES.items():
        with plt.style.context([*layers, FONT]):
            for function in costs["function"].unique():
                path = pictures / f"engines-{function}-{style}.png"
                draw_curves(costs, function).savefig(path, metadata={"Software": None})
                plt.close("all")
                paths.append(path)
    return paths


def draw(app: Sphinx) -> None:
    """Draw the pictures of the page about query engines."""
    draw_pictures(Path(app.srcdir, "explanations", "engine_curves.csv"), Path(app.srcdir, "pictures"))


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the drawing to Sphinx."""
    app.connect("builder-inited", draw)
    return {"parallel_read_safe": True}
