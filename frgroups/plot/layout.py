"""Compute the space that Axes can use and the size of strings, and determine the layout of finished charts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.gridspec import SubplotSpec
from matplotlib.layout_engine import PlaceHolderLayoutEngine
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from frgroups.internals.typing import FloatArray
from frgroups.plot.theme import LITERAL

MIN_FONT = 6.0  # Smaller text is not legible in print.
_MIN_BASE_FONT = 7.5
_fit_functions: WeakKeyDictionary[Axes, list[Callable[[Axes], None]]] = WeakKeyDictionary()
_PAD = 4.0  # The distance between texts and the edge of the available area, in points.


def new_axes(width: float, height: float) -> Axes:
    """Create a figure of the given size in inches, scaled to the size of the font, and return its Axes."""
    scale = rcParams["font.size"] / 10
    size = (width * min(max(scale, 1.0), 1.5), height * max(scale, 1.0))
    return plt.subplots(figsize=size, layout="constrained")[1]


def size_in_points(ax: Axes) -> tuple[float, float]:
    """Return the current width and height of the Axes in points."""
    box = ax.get_window_extent()
    return 72 * box.width / ax.figure.dpi, 72 * box.height / ax.figure.dpi


def area_in_points(ax: Axes) -> tuple[float, float]:
    """Return the width and height, in points, of the area that the Axes and their labels can use."""
    box = available_area(ax)
    return 72 * box.width / ax.figure.dpi, 72 * box.height / ax.figure.dpi


def available_area(ax: Axes) -> Bbox:
    """
    Return the area, in pixels, that the Axes and their labels can use.

    For subplots, this is the cell of the grid including half of the distance to the next cells. For Axes outside a
    grid, this is their own position.
    """
    spec, figure = ax.get_subplotspec(), ax.figure
    if spec is None:
        return ax.get_position(original=True).transformed(figure.transSubfigure)
    return _cell(spec, figure, has_layout_engine(ax)).transformed(figure.transSubfigure)


def _cell(spec: SubplotSpec, figure: Figure | SubFigure, is_laid_out: bool) -> Bbox:
    """Return the cell of a subplot, in the coordinates of the figure."""
    grid, topmost = spec.get_gridspec(), spec.get_topmost_subplotspec()
    outer = Bbox.unit() if topmost is spec else _cell(topmost, figure, is_laid_out)
    if is_laid_out:
        # Layout engines ignore the margins of the grid, so the cells cover the complete outer area.
        x = outer.x0 + outer.width * _fractions(grid.get_width_ratios(), grid.ncols)
        y = outer.y1 - outer.height * _fractions(grid.get_height_ratios(), grid.nrows)
    else:
        any_figure: Any = figure  # `get_grid_positions` also accepts a SubFigure, but its annotation does not.
        bottoms, tops, lefts, rights = grid.get_grid_positions(any_figure)
        x = np.array([outer.x0, *(rights[:-1] + lefts[1:]) / 2, outer.x1])
        y = np.array([outer.y1, *(bottoms[:-1] + tops[1:]) / 2, outer.y0])
    rows, columns = spec.rowspan, spec.colspan
    return Bbox.from_extents(x[columns.start], y[rows.stop], x[columns.stop], y[rows.start])


def _fractions(ratios: Any, n: int) -> FloatArray:
    """Return the boundaries of the rows or columns of a grid, as fractions of the grid's height or width."""
    sizes = np.ones(n) if ratios is None else np.array(ratios, dtype=float)
    return np.concatenate([[0.0], np.cumsum(sizes) / sizes.sum()])


def free_width(ax: Axes, left: float) -> float:
    """Return the available width in points, measured from `left` points to the left of the Axes."""
    area, pixel = available_area(ax), ax.figure.dpi / 72
    start = area.x0 + _PAD * pixel
    if has_layout_engine(ax):
        start += max(-left, 0.0) * pixel
    else:
        position = ax.get_position(original=True).transformed(ax.figure.transSubfigure)
        start = max(start, position.x0 - left * pixel)
    return float((area.x1 - start) / pixel) - _PAD


def layout_width(ax: Axes, left: float) -> float:
    """Return the width, in points, of the Axes and their labels, measured from `left` points left of the Axes."""
    inner, outer = ax.get_window_extent(), ax.get_tightbbox(for_layout_only=True)
    right = inner.x1 if outer is None else outer.x1
    return float(72 * (right - inner.x0) / ax.figure.dpi) + left


def shares_layout(ax: Axes) -> bool:
    """Return True if a layout engine arranges the Axes together with other subplots of the figure."""
    spec = ax.get_subplotspec()
    if spec is None or not has_layout_engine(ax):
        return False
    topmost = spec.get_topmost_subplotspec().get_gridspec()
    return topmost.nrows * topmost.ncols > 1


def settle(ax: Axes) -> None:
    """
    Determine the final position of the Axes, so that their labels do not overlap other elements of the figure.

    The layout engine of the figure moves subplots. Without a layout engine, the Axes are made smaller if their labels
    would leave the available area.
    """
    root = ax.get_figure(root=True)
    engine = None if root is None else root.get_layout_engine()
    if root is not None and has_layout_engine(ax) and engine is not None:
        engine.execute(root)
        titles = [other.get_title(loc="left") for other in root.axes]
        for other in root.axes:
            for fit in _fit_functions.get(other, ()):
                fit(other)
        if titles != [other.get_title(loc="left") for other in root.axes]:
            engine.execute(root)
        return
    to_figure = ax.figure.transSubfigure
    area = available_area(ax)
    pad = _PAD * ax.figure.dpi / 72 if ax.get_subplotspec() is not None else 0
    for _ in range(2):
        ax.apply_aspect()
        inner, outer = ax.get_window_extent(), ax.get_tightbbox()
        if outer is None:
            return
        old = ax.get_position(original=True).transformed(to_figure)
        x0 = max(old.x0, area.x0 + pad + inner.x0 - outer.x0)
        y0 = max(old.y0, area.y0 + pad + inner.y0 - outer.y0)
        x1 = min(old.x1, area.x1 - pad - (outer.x1 - inner.x1))
        y1 = min(old.y1, area.y1 - pad - (outer.y1 - inner.y1))
        box = Bbox.from_extents(x0, y0, max(x1, x0 + 9), max(y1, y0 + 9))
        place(ax, box)


def fit_when_settled(ax: Axes, fit: Callable[[Axes], None]) -> None:
    """
    Register a function that is called when another chart changes the layout, so that labels fit the new size.

    The function must not contain a reference to the Axes. Otherwise, closed figures would remain in memory.
    """
    if shares_layout(ax):
        _fit_functions.setdefault(ax, []).append(fit)


def place(ax: Axes, box: Bbox) -> None:
    """Move the Axes to a position in pixels. A later call of `tight_layout` can move the Axes again."""
    in_layout = ax.get_in_layout()
    ax.set_position(box.transformed(ax.figure.transSubfigure.inverted()))
    # `set_position` excludes the Axes from layouts and from `bbox_inches="tight"`. Restore the original setting.
    ax.set_in_layout(in_layout)


def has_layout_engine(ax: Axes) -> bool:
    """Return True if a layout engine of the figure determines the position of the Axes."""
    root = ax.get_figure(root=True)
    engine = None if root is None else root.get_layout_engine()
    is_active = engine is not None and not isinstance(engine, PlaceHolderLayoutEngine)
    return is_active and ax.get_subplotspec() is not None


def font_scale(ax: Axes) -> float:
    """Return the factor, at most 1, by which the font sizes of `rcParams` are multiplied for the Axes."""
    return scale_for_area(*area_in_points(ax))


def scale_for_area(width: float, height: float) -> float:
    """Return the factor, at most 1, for the font sizes of a chart with the given width and height in points."""
    size = float(rcParams["font.size"])
    return min(1.0, max(min(width / 30, height / 16), _MIN_BASE_FONT) / size)


def text_size(ax: Axes, text: str, font: float) -> tuple[float, float]:
    """Return the width and height of a string in points."""
    figure = ax.figure
    box = Text(0, 0, text, fontsize=font, figure=figure, **LITERAL).get_window_extent()
    return 72 * box.width / figure.dpi, 72 * box.height / figure.dpi


def widest(ax: Axes, texts: Iterable[str], font: float) -> float:
    """Return the width of the widest string in points."""
    # Measuring a string is slow, so measure only the longest strings. They almost always include the widest string.
    longest = sorted(texts, key=len, reverse=True)[:6]
    return max((text_size(ax, text, font)[0] for text in longest), default=0.0)


def wrap_to_width(ax: Axes, text: str, font: float, width: float) -> list[str]:
    """
    Wrap a string at spaces so that no line exceeds a width in points. Existing line breaks are kept.

    A word without letters and digits, such as the unit %, stays on the same line as the preceding word.
    """
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        words: list[str] = []
        for word in paragraph.split():
            if words and not any(map(str.isalnum, word)):
                words[-1] += f" {word}"
            else:
                words.append(word)
        for word in words:
            longer = f"{line} {word}".lstrip()
            if line and text_size(ax, longer, font)[0] > width:
                lines.append(line)
                longer = word
            line = longer
        if line:
            lines.append(line)
    return lines


def spread_positions(preferred: Sequence[float], gap: float, last: float) -> FloatArray:
    """Return positions close to the preferred positions that are at least `gap` apart and not above `last`."""
    order = np.argsort(preferred, kind="stable")
    positions = np.array(preferred, dtype=float)
    rising = positions[order]
    for i in range(1, len(rising)):
        rising[i] = max(rising[i], rising[i - 1] + gap)
    rising[-1:] = np.minimum(rising[-1:], last)
    for i in reversed(range(len(rising) - 1)):
        rising[i] = min(rising[i], rising[i + 1] - gap)
    positions[order] = rising
    return positions
