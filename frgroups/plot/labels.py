"""Group names for charts: short, unique, on one line, and limited to the characters of the font."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties, findfont, get_font

from frgroups.internals.formatting import escape_invisible
from frgroups.plot.layout import widest

_MAX_LENGTH = 30
_SHORTER_LENGTHS = (30, 26, 22, 18, 15, 12, 10, 8, 6)
_MISSING_GLYPH = "□"  # Replacement for characters that the font does not contain, such as emoji.


def fit_names(ax: Axes, uids: Iterable[str], names: Iterable[str], font: float, width: float) -> list[str]:
    """Return a short name for each group, at most `width` points wide if possible."""
    uids, names = list(uids), list(names)
    return fit_labels(ax, lambda length: display_names(uids, names, length), font, width)


def fit_labels(ax: Axes, labels: Callable[[int], Sequence[str]], font: float, width: float) -> list[str]:
    """
    Return the longest labels that are at most `width` points wide.

    The function `labels` creates the labels. Its argument is the maximum number of characters per name.
    """
    candidates = []
    for length in _SHORTER_LENGTHS:
        candidate = list(labels(length))
        needed = widest(ax, candidate, font)
        if needed <= width:
            return candidate
        candidates.append((needed, candidate))
    return min(candidates, key=lambda pair: pair[0])[1]


def display_names(uids: Iterable[str], names: Iterable[str], max_length: int = _MAX_LENGTH) -> list[str]:
    """
    Return a short name for each group.

    The uid is appended to a name that is empty, is not unique, or contains characters that the font does not contain.
    """
    short_names = [short_name(name, max_length) for name in names]
    n_groups = Counter(short_names)
    labels = []
    for uid, name in zip(uids, short_names, strict=True):
        if name == "" or _MISSING_GLYPH in name or n_groups[name] > 1:
            labels.append(f"{name} ({short_name(uid, 12)})".lstrip())
        else:
            labels.append(name)
    return labels


def short_name(name: object, max_length: int = _MAX_LENGTH) -> str:
    """Return a group name on one line. The middle of a long name is replaced by an ellipsis."""
    text = _replace_missing_glyphs(escape_invisible(" ".join(str(name).split())))
    if len(text) <= max_length:
        return text
    # Shorten the middle of a name, because long names often differ only at the end, for example "Club members,
    # Tromsø" and "Club members, Bodø".
    n_last = (max_length - 1) // 2
    return f"{text[: max_length - 1 - n_last].rstrip()}…{text[-n_last:].lstrip()}"


def _replace_missing_glyphs(text: str) -> str:
    """Replace characters that are missing from the fonts in `rcParams["font.family"]` with a box."""
    known = _known_characters(tuple(rcParams["font.family"]), tuple(rcParams["font.sans-serif"]))
    result = ""
    for character in text:
        if ord(character) in known and character != _MISSING_GLYPH:
            result += character
        elif not result.endswith(_MISSING_GLYPH):
            result += _MISSING_GLYPH
    return result


@cache
def _known_characters(families: tuple[str, ...], _: tuple[str, ...]) -> frozenset[int]:
    """
    Return the Unicode code points that the fonts of the given families contain.

    The second argument is used only as part of the cache key.
    """
    characters: set[int] = set()
    for family in families:
        try:
            path = findfont(FontProperties(family=[family]), fallback_to_default=False)
        except ValueError:  # The font is not installed, so matplotlib skips it as well.
            continue
        characters.update(get_font(path).get_charmap())
    return frozenset(characters or get_font(findfont("DejaVu Sans")).get_charmap())
