"""
Find the workbook styles that hide the text of a cell, strike it through, or change how it is displayed.

Users often strike through the text of a row instead of deleting the row. A number format can hide the stored text or
display other text instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

# Text in a smaller font is not legible, so the text is treated as invisible.
MIN_FONT_SIZE = 3.0  # points
_FIRST_CUSTOM_FORMAT = 164
_WHITE, _BLACK = "rgb FFFFFF", "rgb 000000"
# Codes that mean white or black in the default theme and the default palette (ECMA-376, 18.8.27), including the codes
# of the window colors.
_COMMON_COLORS = {
    **dict.fromkeys(("theme 0", "indexed 1", "indexed 9", "indexed 65"), _WHITE),
    **dict.fromkeys(("theme 1", "indexed 0", "indexed 8", "indexed 64"), _BLACK),
}
_UNKNOWN_COLOR = "00000000"  # openpyxl uses this value if a fill has no color.
# Tokens of a number format: quoted text, escaped characters, colors or conditions in brackets, padding, and other
# single characters.
_PART = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|[_*].|.', re.DOTALL)
_DECORATION = ("[", "_", "*")
_MAX_SECTIONS = 4


@dataclass(frozen=True)
class CellStyles:
    """
    Indexes of the cell styles and conditional styles that affect text, grouped by effect.

    Attributes
    ----------
    struck
        Cell styles that strike text through.
    invisible
        Cell styles whose text is not visible, because of its color, its size, or the number format.
    changing
        Cell styles whose number format adds characters to the stored text or replaces the text.
    conditional
        Styles of conditional formats (differential styles) that strike through or hide the text of a cell.
    n_digits
        Number of zeros in the number format, by cell style. Only number formats such as "00000000" are included.
    """

    struck: frozenset[int]
    invisible: frozenset[int]
    changing: frozenset[int]
    conditional: frozenset[int]
    n_digits: dict[int, int]


def find_cell_styles(book: Any) -> CellStyles:
    """Return the styles of an openpyxl workbook that hide, strike through, or change the text of a cell."""
    struck, invisible, changing = set(), set(), set()
    for index, style in enumerate(book._cell_styles):
        font, shown = _item(book._fonts, style.fontId), _text_format(book, style.numFmtId)
        if font is not None and font.strike:
            struck.add(index)
        if shown == "" or _is_unreadable(font, _item(book._fills, style.fillId)):
            invisible.add(index)
        elif shown != "@":
            changing.add(index)
    conditional = {
        index
        for index, style in enumerate(book._differential_styles.styles)
        if (style.font is not None and style.font.strike)
        or (style.numFmt is not None and shown_text(style.numFmt.formatCode) == "")
    }
    return CellStyles(
        frozenset(struck), frozenset(invisible), frozenset(changing), frozenset(conditional), _padded_styles(book)
    )


def _padded_styles(book: Any) -> dict[int, int]:
    """Return the cell styles whose number format consists of at least two zeros, with the number of zeros."""
    codes = {index: _format_code(book, style.numFmtId) for index, style in enumerate(book._cell_styles)}
    return {index: len(code) for index, code in codes.items() if code is not None and re.fullmatch("00+", code)}


def shown_text(code: str) -> str:
    """
    Return the text section of a number format, in which "@" stands for the stored text.

    Padding, spaces, and colors are removed. The result is "" if the format hides text. If a format has no text
    section, the result is "@", because Excel displays the stored text unchanged.

    Examples
    --------
    >>> shown_text(";;;"), shown_text("General"), shown_text('"K-"@'), shown_text('_-* "-"??_-;_-@_-')
    ('', '@', 'K-@', '@')
    """
    sections: list[list[str]] = [[]]
    for part in _PART.findall(code):
        if part == ";":
            sections.append([])
        else:
            sections[-1].append(part)
    if len(sections) < _MAX_SECTIONS and "@" not in sections[-1]:
        return "@"
    text = "".join(part.strip('"\\ ') for part in sections[-1] if not part.startswith(_DECORATION)).strip()
    return "@" if text == "General" else text


def _text_format(book: Any, number: int) -> str:
    # `_format_code` returns None for a built-in format, which displays text unchanged.
    code = _format_code(book, number)
    return "@" if code is None else shown_text(code)


def _format_code(book: Any, number: int) -> str | None:
    """Return the code of a number format, or None for a built-in format."""
    return _item(book._number_formats, number - _FIRST_CUSTOM_FORMAT) if number >= _FIRST_CUSTOM_FORMAT else None


def _item(items: Any, index: int) -> Any:
    return items[index] if 0 <= index < len(items) else None


def _is_unreadable(font: Any, fill: Any) -> bool:
    if font is None:
        return False
    if font.sz is not None and font.sz < MIN_FONT_SIZE:
        return True
    pattern = getattr(fill, "patternType", "gradient")
    if pattern not in (None, "none", "solid"):
        return False
    background = _color(fill.fgColor) if pattern == "solid" else _WHITE
    text_color = _BLACK if font.color is None else _color(font.color)
    return background is not None and text_color == background


def _color(color: Any) -> str | None:
    """Return a string that identifies a color, or None for an unknown color."""
    if color.type == "auto" or color.value == _UNKNOWN_COLOR:
        return None
    value = str(color.value)[-6:].upper() if color.type == "rgb" else color.value
    name = f"{color.type} {value}"
    return f"{name} {color.tint}" if color.tint else _COMMON_COLORS.get(name, name)
