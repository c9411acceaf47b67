"""How names are shown: in one line, short, in signs that the font has, and told apart."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from matplotlib import rcParams
from matplotlib.font_manager import FontProperties, findfont, get_font

_LONGEST_NAME = 30
# In place of signs that the font lacks, such as emoji and Chinese in matplotlib's own font.
_UNKNOWN = "□"


def display_names(uids: Iterable[str], names: Iterable[str]) -> list[str]:
    """Short names to show; those that would look the same, or cannot be shown whole, carry their uid."""
    uids, short = list(uids), [short_name(name) for name in names]
    twice = {name for name in short if short.count(name) > 1}
    return [
        f"{name} ({short_name(uid, 12)})".lstrip() if name in twice or not name or _UNKNOWN in name else name
        for uid, name in zip(uids, short, strict=True)
    ]


def short_name(name: object, longest: int = _LONGEST_NAME) -> str:
    """A name in one line; of a long one, its beginning and its end."""
    text = _drawable(" ".join(str(name).split()))
    # Names often differ at their end: "Members of the club, Tromsø", "…, Bodø".
    tail = (longest - 1) // 2
    return text if len(text) <= longest else f"{text[: longest - 1 - tail].rstrip()}…{text[-tail:].lstrip()}"


def _drawable(text: str) -> str:
    """The text with one box in place of signs in a row that the fonts of `rcParams["font.family"]` lack."""
    known = _signs(tuple(rcParams["font.family"]), tuple(rcParams["font.sans-serif"]))
    signs = [sign if ord(sign) in known else _UNKNOWN for sign in text]
    return "".join(sign for at, sign in enumerate(signs) if sign != _UNKNOWN or signs[at - 1 : at] != [_UNKNOWN])


@cache
def _signs(families: tuple[str, ...], _: tuple[str, ...]) -> frozenset[int]:
    """What the fonts that matplotlib would draw with can show."""
    found: set[int] = set()
    for family in families:
        try:
            path = findfont(FontProperties(family=[family]), fallback_to_default=False)
        except ValueError:  # It is not on this machine; matplotlib goes on without it, too.
            continue
        found.update(get_font(path).get_charmap())
    return frozenset(found or get_font(findfont("DejaVu Sans")).get_charmap())
