"""Draw the charts of `frgroups.plot` as images that an HTML file can contain."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Heights in inches. `_MARGIN` is the height of the heading and the axis labels of a bar chart, and `_ROW` of one bar.
_MARGIN, _ROW = 1.5, 0.26
MAX_ROWS = 20
_METADATA = {"Date": None, "Creator": None, "Type": None, "Format": None}


@dataclass(frozen=True)
class Chart:
    """
    A chart as an SVG image.

    Attributes
    ----------
    source
        The data URI of the image.
    text
        The content of the chart in sentences.
    width, height
        The size in CSS pixels.
    """

    source: str
    text: str
    width: int
    height: int


def draw_chart(draw: Callable[[Axes], object], text: str, *, width: float = 8.0, height: float = 5.0) -> Chart:
    """
    Draw a chart with the default style of matplotlib and a transparent background.

    Parameters
    ----------
    draw
        A function that draws the chart on the given Axes.
    text
        The content of the chart in sentences.
    width, height
        The size in inches.
    """
    from matplotlib.figure import Figure

    buffer = BytesIO()
    with _default_style():
        # Create the figure without pyplot, so that it is never displayed and requires no graphical backend.
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure.add_subplot())
        figure.savefig(buffer, format="svg", transparent=True, metadata=_METADATA)
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    return Chart(f"data:image/svg+xml;base64,{encoded}", text, round(96 * width), round(96 * height))


def height_of_rows(n: int) -> float:
    """
    Return the height in inches of a bar chart with n rows.

    Examples
    --------
    >>> height_of_rows(10)
    4.1
    """
    return round(_MARGIN + _ROW * max(n, 2), 2)


@contextmanager
def _default_style() -> Iterator[None]:
    """Use the default style of matplotlib with the user's fonts, and draw text as shapes."""
    from matplotlib import rc_context, rcParams, style

    family, fonts = rcParams["font.family"], rcParams["font.sans-serif"]
    with style.context("default"), rc_context():
        rcParams["font.family"], rcParams["font.sans-serif"] = family, fonts
        rcParams["svg.fonttype"] = "path"
        rcParams["svg.hashsalt"] = "frgroups"  # A fixed salt, so that the same chart always has the same SVG ids.
        yield
