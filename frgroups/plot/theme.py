"""Colors and font sizes of the charts, derived from `matplotlib.rcParams` and from the colors of the Axes."""

from __future__ import annotations

from typing import Any, Literal

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb, to_rgba
from matplotlib.font_manager import FontProperties

# Minimum contrast ratio for text of normal size, from WCAG 2.1, success criterion 1.4.3.
MIN_CONTRAST = 4.5
# `grid_style` reduces the strength of the grid color from the first to the second value until the contrast is at most
# the third value.
# Grid lines are therefore fainter than data lines, even in styles with white grid lines.
_GRID_STRENGTH, _MIN_GRID_STRENGTH, _MAX_GRID_CONTRAST = 0.45, 0.05, 1.5

FontName = Literal["axes.titlesize", "axes.labelsize", "xtick.labelsize", "ytick.labelsize"]
# These arguments disable mathtext and TeX, so that names with characters such as $, _ or \ are drawn unchanged.
LITERAL: dict[str, Any] = {"parse_math": False, "usetex": False}


def series_color(ax: Axes, number: int) -> str:
    """
    Return a color of `axes.prop_cycle`, as a hexadecimal string.

    If the cycle has too few colors, its colors are repeated with half of their strength.
    """
    cycle = list(dict.fromkeys(rcParams["axes.prop_cycle"].by_key().get("color", ["C0"])))
    turn, position = divmod(number, len(cycle))
    return tint(ax, cycle[position], 0.5 ** (turn % 3))


def n_series_colors() -> int:
    """Return the number of different colors in `axes.prop_cycle`."""
    return len(set(rcParams["axes.prop_cycle"].by_key().get("color", ["C0"])))


def background(ax: Axes) -> str:
    """Return the background color of the Axes. A transparent color is blended with the figure's background."""
    color = figure_background(ax)
    if ax.patch.get_visible() and ax.axison:
        color = _blend(ax.get_facecolor(), color)
    return color


def figure_background(ax: Axes) -> str:
    """Return the color behind the titles and the tick labels of the Axes."""
    root = ax.get_figure(root=True)
    return "#ffffff" if root is None else _blend(root.get_facecolor(), "white")


def ink(ax: Axes) -> str:
    """Return `text.color` if it is readable on the background of the Axes, and otherwise black or white."""
    return readable(rcParams["text.color"], background(ax))


def shade(ax: Axes, strength: float) -> str:
    """Return a gray between the background of the Axes (strength 0) and the text color (strength 1)."""
    return blend(background(ax), ink(ax), strength)


def tint(ax: Axes, color: Any, strength: float) -> str:
    """Return a color between the background of the Axes (strength 0) and the given color (strength 1)."""
    return blend(background(ax), color, strength)


def blend(first: Any, second: Any, strength: float) -> str:
    """Return a color between the first color (strength 0) and the second color (strength 1)."""
    return _blend((*to_rgb(second), strength), first)


def readable(color: Any, behind: Any) -> str:
    """Return `color` if it has enough contrast to the color `behind`, and otherwise black or white."""
    candidates = [to_hex(color), "#000000", "#ffffff"]
    if contrast(color, behind) >= MIN_CONTRAST:
        return candidates[0]
    return max(candidates[1:], key=lambda candidate: contrast(candidate, behind))


def contrast(first: Any, second: Any) -> float:
    """
    Return the WCAG contrast ratio of two opaque colors, from 1 to 21.

    Examples
    --------
    >>> round(contrast("black", "white"), 1), round(contrast("#767676", "white"), 2)
    (21.0, 4.54)
    """
    low, high = sorted((_luminance(first), _luminance(second)))
    return (high + 0.05) / (low + 0.05)


def is_dark(color: Any) -> bool:
    """Return True if white text is more readable on the color than black text."""
    return contrast(color, "white") > contrast(color, "black")


def grid_style(ax: Axes) -> dict[str, Any]:
    """Return keyword arguments that draw thin grid lines in a fainter shade of the color `grid.color`."""
    strength = _GRID_STRENGTH
    while strength > _MIN_GRID_STRENGTH and _grid_contrast(ax, strength) > _MAX_GRID_CONTRAST:
        strength -= 0.01
    return {
        "color": tint(ax, rcParams["grid.color"], strength),
        "linewidth": 0.8 * rcParams["grid.linewidth"],
        "linestyle": rcParams["grid.linestyle"],
        "zorder": 0,
    }


def _grid_contrast(ax: Axes, strength: float) -> float:
    return contrast(tint(ax, rcParams["grid.color"], strength), background(ax))


def points(name: FontName, scale: float = 1.0) -> float:
    """Return the value, in points, of a font size parameter such as "axes.titlesize"."""
    return scale * FontProperties(size=rcParams[name]).get_size_in_points()


def _luminance(color: Any) -> float:
    """Return the relative luminance of a color, as defined by WCAG 2.1."""
    channels = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in to_rgb(color)]
    return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]


def _blend(color: Any, behind: Any) -> str:
    """Return the opaque color that results from drawing a color with transparency on another color."""
    *channels, alpha = to_rgba(color)
    red, green, blue = (
        alpha * front + (1 - alpha) * back for front, back in zip(channels, to_rgb(behind), strict=True)
    )
    return to_hex((red, green, blue))
