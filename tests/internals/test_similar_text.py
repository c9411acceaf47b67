"""Tests for the comparison of texts that look the same."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.internals.similar_text import (
    case_key,
    clean_text,
    comparison_keys,
    describe_difference,
    differs_in_case,
)
from tests.examples import at_most, characters_in

CYRILLIC = dict(zip("ABEKMHOPCTXaeopcxyi", "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425"
                    "\u0430\u0435\u043e\u0440\u0441\u0445\u0443\u0456", strict=True))  # fmt: skip
GREEK = dict(zip("ABEZHIKMNOPTYXov", "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5"
                 "\u03a7\u03bf\u03bd", strict=True))  # fmt: skip
# Characters that a reader does not see, or sees as a space.
INVISIBLE = characters_in("Cf")
SPACES = characters_in("Zs")


def looks_like(text, other):
    """Return True if the comparison treats two texts as look-alikes."""
    return not comparison_keys(text).isdisjoint(comparison_keys(other))


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("Caf\u00e9", "Cafe\u0301"),
        ("VIP", "vip"),
        ("VIP", "VIP "),
        ("VIP", "\tVIP\n"),
        ("Black Week", "Black  Week"),
        ("VIP", "V\u200bIP"),
        ("VIP", "VIP\ufe0f"),
        ("VIP", "\u3164VIP"),
        ("VIP", "\uff36\uff29\uff30"),
        ("VIP", "VlP"),
        ("VIP", "V1P"),
        ("Gold", "G0ld"),
        ("B-2", "B\u20132"),
        ("Kari's", "Kari\u2019s"),
        ("Stra\u00dfe", "STRASSE"),
        ("\u0412\u0418\u041f", "\u0432\u0438\u043f"),
        ("VIP", "\U0001d415\U0001d408\U0001d40f"),
        ("Caf\u00e9 \u2013 Oslo", "Caf\u00e9\u2013Oslo"),
        ("Cafe \u2013 Oslo", "Caf\u00e9 - Oslo"),
        ("VIP", "VIP."),
        ("VIP", "(VIP)"),
        ("VIP", "V I P"),
        ("VIP", "V.I.P."),
        ("A B", "AB"),
        ("Store1", "Store 1"),
        ("Store_1", "Store-1"),
        ("Season 2025/26", "Season 2025-26"),
        ("R & D", "R&D"),
        ("S\u00f8r", "Sor"),
        ("S\u00d8R", "so\u0301r"),
        ("S\u00e6rtilbud", "Saertilbud"),
        ("\u01fc", "ae"),
        ("C\u0153ur", "Coeur"),
        ("...", "\u2026"),
    ],
)
def test_look_alikes(text, other):
    "Texts that differ in form, case, spaces, punctuation, accents, or look-alike letters are look-alikes."
    assert looks_like(text, other) and looks_like(other, text)
    assert describe_difference(text, other) and describe_difference(other, text)


@pytest.mark.parametrize("letters", [CYRILLIC, GREEK], ids=["Cyrillic", "Greek"])
def test_letters_of_other_scripts(letters):
    "A letter of another script that looks like a Latin letter is a look-alike of this letter."
    for latin, other in letters.items():
        assert looks_like(f"Club {latin}", f"Club {other}"), (latin, other)
        assert f"U+{ord(other):04X}" in describe_difference(other, latin)


def test_invisible_characters():
    "All format characters are ignored, and all kinds of spaces are equal to a space."
    assert {clean_text(f"VI{character}P") for character in INVISIBLE} == {"VIP"}
    assert {clean_text(f"VIP{character}2{character}") for character in SPACES} == {"VIP 2"}


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("VIP", "VIP 2"),
        ("VIP 1", "VIP 11"),
        ("VIP 1 1", "VIP 11"),
        ("Store 1-1", "Store 11"),
        ("Store 1.5", "Store 15"),
        ("A-1", "A-2"),
        ("A-1", "B-1"),
        ("Gold", "Gold+"),
        ("R&D", "RD"),
        ("50%", "50"),
        ("S\u00f8r", "Ser"),
        ("Staff", "Stuff"),
        ("Oslo", "Osl"),
        ("Club 2", "Club 3"),
        ("-", "."),
    ],
)
def test_different_texts(text, other):
    "Texts with a visible difference are not look-alikes."
    assert not looks_like(text, other)


@at_most(30)
@given(st.text(max_size=12))
def test_normal_forms(text):
    "The Unicode normalization form and surrounding spaces are ignored."
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert looks_like(text, f" {unicodedata.normalize(form, text)}\u00a0")


def test_case_key():
    "Identifiers are compared without case and spaces, but digits do not match letters."
    assert case_key("Store_1 ") == case_key("store_1") != case_key("store_l")


def test_long_difference():
    "The description of many differences contains the first differences and the number of further differences."
    text = describe_difference("abcdefgh" * 5, "AXCXEXGX" * 5)

    assert "more" in text and len(text) < 700


@pytest.mark.parametrize("letters", [CYRILLIC, GREEK], ids=["Cyrillic", "Greek"])
def test_differs_in_case(letters):
    "Two texts differ only in case if they contain the same letters apart from case and plain spaces."
    for text, other in (("vip", "VIP "), ("\u00c5pen", "\u00e5pen"), ("v i p", "VIP")):
        assert differs_in_case(text, other) and differs_in_case(other, text)
    for latin, letter in letters.items():
        assert not differs_in_case(f"a{latin}", f"A{letter}")
    for text, other in (
        ("VIP\u00a0", "VIP"),
        ("VI\u200bP", "vip"),
        ("\u212a", "k"),
        ("\u017f", "s"),
        ("VIP", "VIP2"),
    ):
        assert not differs_in_case(text, other) and not differs_in_case(other, text)
