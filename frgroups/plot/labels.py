"""Names for charts: on one line, short, unique, and only with characters that the font contains."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from matplotlib import rcParams
from matplotlib.font_manager import FontProperties, findfont, get_font

_MAX_LENGTH = 30
_MISSING_GLYPH = "□"  # replaces characters that the font lacks, such as emoji and Chinese in matplotlib's own font


def display_names(uids: Iterable[str], names: Iterable[str]) -> list[str]:
    """Return short names; a name that is empty, not unique or has missing glyphs is followed by its uid."""
    short_names = [short_name(name) for name in names]
    labels = []
    for uid, name in zip(uids, short_names, strict=True):
        if name == "" or _MISSING_GLYPH in name or short_names.count(name) > 1:
            labels.append(f"{name} ({short_name(uid, 12)})".lstrip())
        else:
            labels.append(name)
    return labels


def short_name(name: object, max_length: int = _MAX_LENGTH) -> str:
    """Return a name on one line; the middle of a long name is replaced by an ellipsis."""
    text = _replace_missing_glyphs(" ".join(str(name).split()))
    if len(text) <= max_length:
        return text
    # Names often differ at their end: "Members of the club, Tromsø", "…, Bodø".
    n_last = (max_length - 1) // 2
    return f"{text[: max_length - 1 - n_last].rstrip()}…{text[-n_last:].lstrip()}"


def _replace_missing_glyphs(text: str) -> str:
    """Replace each run of characters that the fonts of `rcParams["font.family"]` lack by one box."""
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
    """Return the code points that the fonts of these families contain; the second argument is only a cache key."""
    characters: set[int] = set()
    for family in families:
        try:
            path = findfont(FontProperties(family=[family]), fallback_to_default=False)
        except ValueError:  # The font is not installed; matplotlib skips it, too.
            continue
        characters.update(get_font(path).get_charmap())
    return frozenset(characters or get_font(findfont("DejaVu Sans")).get_charmap())
