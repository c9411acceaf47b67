"""
Compare strings that look the same or almost the same although their code points differ.

The comparison ignores the Unicode normalization form, case, invisible characters, spaces, punctuation, accents, and
the script of letters that look alike, such as the Latin letter A (U+0041) and the Cyrillic letter A (U+0410).
"""

from __future__ import annotations

import unicodedata
from difflib import SequenceMatcher

# Code points of lowercase letters in other scripts, small capitals, and letter variants, by the Latin letter that
# they look like.
# The table contains letters of European scripts from the confusables list of Unicode Technical Standard 39.
_LOWERCASE = {
    "a": "0430 03B1 0251 1D00 0252",
    "b": "0432 03B2 0299 042C 044C",
    "c": "0441 03F2 1D04 2CA5 A793",
    "d": "0501 1D05 0111",
    "e": "0435 03B5 1D07 212E",
    "f": "0493 A730 1E9D 0584",
    "g": "0261 0581 0262 0493 050D",
    "h": "043D 04BB 0570 029C 03B7 0127",
    "i": "0456 03B9 0131 026A 0269 0582",
    "j": "0458 03F3 1D0A",
    "k": "043A 03BA 1D0B 0138",
    "l": "04CF 029F 01C0 0142 019A",
    "m": "043C 03BC 1D0D",
    "n": "043F 0578 057C 0274",
    "o": "043E 03BF 0585 1D0F 2C9F 0D20 10FF",
    "p": "0440 03C1 1D18 2CA3",
    "q": "051B 0563 0566",
    "r": "0433 0280 AB47",
    "s": "0455 A731 01BD",
    "t": "0442 03C4 1D1B 0167",
    "u": "0446 03C5 057D 1D1C 028B",
    "v": "0475 03BD 1D20 2228",
    "w": "051D 0461 1D21 0561",
    "x": "0445 03C7 2CAD 00D7",
    "y": "0443 04AF 03B3 028F 1EFF",
    "z": "03B6 1D22",
}
# Code points of digits and letters, by the uppercase Latin letter that they look like.
# The lowercase form of such a letter can look like a different Latin letter.
# For example, nu looks like N in upper case and like v in lower case.
_UPPERCASE = {
    "A": "13AA A4EE",
    "B": "13F4 A4D0",
    "C": "13DF A4DA",
    "D": "13A0 A4D3",
    "E": "13AC A4F0",
    "G": "13C0 A4D6",
    "H": "0397 13BB A4E7",
    "I": "0406 0399 04C0 0031 006C 007C 2160 A4F2",
    "J": "13AB A4D9",
    "K": "13E6 A4D7",
    "L": "13DE A4E1",
    "M": "13B7 A4DF",
    "N": "039D A4E0",
    "O": "0030 A4F3",
    "P": "13E2 A4D1",
    "S": "13DA 054F A4E2",
    "T": "13A2 A4D4",
    "U": "054D A4F4",
    "V": "13D9 A4E6",
    "W": "13B3 A4EA",
    "X": "A4EB",
    "Y": "03A5 04AE A4EC",
    "Z": "13C3 A4DC",
}
# Code points of quotation marks, and of dashes and invisible characters that `_CleanCharacters` does not recognize by
# their Unicode category, by replacement.
_MARKS = {
    "'": "2018 2019 201A 201B 02B9 02BB 02BC 02BD 02C8 02CA 02CB 0060 00B4 055A 05F3 2032 2035",
    '"': "201C 201D 201E 201F 2033 00AB 00BB",
    "-": "2212",
    " ": "2800",
    "": "034F 115F 1160 17B4 17B5 180B-180F 3164 FE00-FE0F FFA0 E0100-E01EF",
}
# Letters without a decomposed Unicode form. Users often write these letters without the stroke or as two letters.
_PLAIN_LETTERS = str.maketrans({"Ø": "O", "ø": "o", "Æ": "AE", "æ": "ae", "Œ": "OE", "œ": "oe"})


def _translation(table: dict[str, str]) -> dict[int, str]:
    translation: dict[int, str] = {}
    for target, codes in table.items():
        for code in codes.split():
            first, _, last = code.partition("-")
            translation |= dict.fromkeys(range(int(first, 16), int(last or first, 16) + 1), target)
    return translation


class _CleanCharacters(dict[int, str]):
    """Cache of the replacement characters that `clean_text` uses, by code point."""

    def __missing__(self, code: int) -> str:
        category = unicodedata.category(chr(code))
        replacement = chr(code)
        if category == "Cf":
            replacement = ""
        elif category in ("Zs", "Zl", "Zp", "Cc"):
            replacement = " "
        elif category == "Pd":
            replacement = "-"
        self[code] = replacement
        return replacement


_TO_LOWERCASE = _translation(_LOWERCASE)
_TO_UPPERCASE = _translation(_UPPERCASE)
_TO_MARK = _translation(_MARKS)
_CLEAN_CHARACTERS = _CleanCharacters(_TO_MARK)
# The full-width apostrophe U+FF07 is not in `_MARKS`, because normalization to NFKC replaces it with "'".
APOSTROPHES = "'\uff07" + "".join(chr(code) for code, target in _TO_MARK.items() if target == "'")
# Letters, marks, and symbols that are not visible.
# Invisible characters of the Unicode categories C and Z are not included, because callers recognize them by their
# category.
BLANK_CHARACTERS = frozenset(chr(code) for code, target in _TO_MARK.items() if not target.strip())
MAX_DIFFERENCES = 3
MAX_CODE_POINTS = 3


def clean_text(text: str) -> str:
    """
    Return a string in Unicode form NFKC with single spaces, plain dashes and quotes, and no invisible characters.

    Letters and case do not change.

    Examples
    --------
    >>> clean_text("Black\u00a0Week\u200b "), clean_text("Cafe\u0301") == "Caf\u00e9"
    ('Black Week', True)
    """
    cleaned = unicodedata.normalize("NFKC", text).translate(_CLEAN_CHARACTERS)
    return unicodedata.normalize("NFKC", " ".join(cleaned.split()))


def latin_shape(text: str, *, uppercase: bool = False) -> str:
    """
    Replace the letters of a string with the lowercase Latin letters that they look like.

    A letter can look like one Latin letter in lower case and like a different Latin letter in upper case. For
    example, the Greek letter nu looks like v or N.

    Parameters
    ----------
    text
        The string to convert.
    uppercase
        Whether to replace digits and upper-case letters with the Latin letters that look like them before the
        conversion to lower case.

    Examples
    --------
    >>> latin_shape("\u039d-2"), latin_shape("\u039d-2", uppercase=True)
    ('v-2', 'n-2')
    """
    shape = clean_text(text)
    if uppercase:
        shape = shape.translate(_TO_UPPERCASE)
    folded = shape.casefold()
    if folded != shape:  # The lower-case form is not always in NFKC form, so clean it again.
        folded = clean_text(folded)
    return folded.translate(_TO_LOWERCASE)


def _letters_and_digits(text: str) -> str:
    """
    Remove the accents, the spaces, and the punctuation of a string.

    The letters ø, æ, and œ become o, ae, and oe. Between two digits, a space remains, because 1-1 and 11 are
    different numbers. The marks & % # * @ and symbols such as + remain, because they can distinguish names.
    """
    decomposed = unicodedata.normalize("NFD", clean_text(text))
    without_accents = "".join(character for character in decomposed if unicodedata.category(character) != "Mn")
    plain = without_accents.translate(_PLAIN_LETTERS)
    words = "".join(" " if _is_separator(character) else character for character in plain).split()
    joined = ""
    for word in words:
        if joined and joined[-1].isdigit() and word[0].isdigit():
            joined += " "
        joined += word
    return joined


def _is_separator(character: str) -> bool:
    return character == " " or (unicodedata.category(character)[0] == "P" and character not in "&%#*@")


def comparison_keys(text: str) -> frozenset[str]:
    """
    Return the comparison keys of a string. Two strings look alike if they have a key in common.

    The keys are the Latin shapes of the complete string and of its letters and digits only. Each of the two shapes is
    computed with and without the argument `uppercase` of `latin_shape`.

    Examples
    --------
    >>> comparison_keys("VIP") & comparison_keys("vip ") != frozenset()
    True
    >>> comparison_keys("VIP") & comparison_keys("V\u0406P") != frozenset()
    True
    >>> comparison_keys("Caf\u00e9 - Oslo") & comparison_keys("cafe-oslo.") != frozenset()
    True
    >>> comparison_keys("VIP") & comparison_keys("VIP 2")
    frozenset()
    """
    # A string that consists of punctuation contains no letters and digits, so only the complete string has keys.
    variants = {text, _letters_and_digits(text) or text}
    return frozenset(latin_shape(variant, uppercase=uppercase) for variant in variants for uppercase in (False, True))


def case_key(text: str) -> str:
    """
    Return a string in lower case, without spaces and invisible characters, for the comparison of identifiers.

    Examples
    --------
    >>> case_key("VIP ") == case_key("vip"), case_key("store_1") == case_key("store_l")
    (True, False)
    """
    return clean_text(text).casefold().replace(" ", "")


def differs_in_case(text: str, other: str) -> bool:
    """
    Return True if two strings are equal apart from letter case and plain spaces, which are visible differences.

    Examples
    --------
    >>> differs_in_case("vip", "VIP "), differs_in_case("V\u0406P", "vip"), differs_in_case("\u212a", "k")
    (True, False, False)
    """
    first, second = text.replace(" ", ""), other.replace(" ", "")
    # The Kelvin sign and the letter K have the same lowercase letter, but the uppercase letter of k is only K.
    # Therefore, both directions are compared.
    return len(first) == len(second) and all(
        a == b or (a.swapcase() == b and b.swapcase() == a) for a, b in zip(first, second, strict=True)
    )


def describe_difference(text: str, other: str) -> str:
    """
    Describe the code points in which two strings that look alike differ.

    Examples
    --------
    >>> describe_difference("V\u0406P", "VIP")
    'U+0406 (CYRILLIC CAPITAL LETTER BYELORUSSIAN-UKRAINIAN I) instead of U+0049 (LATIN CAPITAL LETTER I) \
at position 2'
    >>> describe_difference("VIP\u00a0", "VIP")
    'U+00A0 (NO-BREAK SPACE) added at position 4'
    """
    parts = []
    matcher = SequenceMatcher(None, other, text, autojunk=False)
    for kind, old_start, old_end, start, end in matcher.get_opcodes():
        added, missing = _code_points(text[start:end]), _code_points(other[old_start:old_end])
        if kind == "replace":
            parts.append(f"{added} instead of {missing} at position {start + 1}")
        elif kind == "insert":
            parts.append(f"{added} added at position {start + 1}")
        elif kind == "delete":
            parts.append(f"{missing} missing at position {start + 1}")
    shown = parts[:MAX_DIFFERENCES]
    if len(parts) > MAX_DIFFERENCES:
        shown.append(f"{len(parts) - MAX_DIFFERENCES} more differences")
    return "; ".join(shown)


def _code_points(text: str) -> str:
    described = []
    for character in text[:MAX_CODE_POINTS]:
        name = unicodedata.name(character, "")
        described.append(f"U+{ord(character):04X} ({name})" if name else f"U+{ord(character):04X}")
    if len(text) > MAX_CODE_POINTS:
        described.append(f"{len(text) - MAX_CODE_POINTS} more")
    return ", ".join(described)
