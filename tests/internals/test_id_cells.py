"""Tests for cleaning id cells and for detecting damaged ids."""

import unicodedata
from pathlib import Path

import pytest

from frgroups.errors import ListError
from frgroups.internals.id_cells import (
    clean_cell,
    clean_id,
    damage_of,
    first_invisible,
    is_total,
    normalize_email,
    reject_damaged_ids,
    reject_notes,
)
from frgroups.internals.workbooks import NonTextCell
from tests.examples import characters_in

INVISIBLE = characters_in("Cf", "Cc", "Zs", "Zl", "Zp")

# Error values of Excel in 16 languages, and error values of LibreOffice and Google Sheets.
ERRORS = [
    "#NULL!",
    "#DIV/0!",
    "#VALUE!",
    "#REF!",
    "#NAME?",
    "#NUM!",
    "#N/A",
    "#GETTING_DATA",
    "#SPILL!",
    "#CALC!",
    "#FIELD!",
    "#BLOCKED!",
    "#CONNECT!",
    "#UNKNOWN!",
    "#BUSY!",
    "#EXTERNAL!",
    "#PYTHON!",
    "#TIMEOUT!",
    "#WERT!",
    "#BEZUG!",
    "#ZAHL!",
    "#NV",
    "#ÜBERLAUF!",
    "#KALK!",
    "#BLOCKIERT!",
    "#DATEN_ABRUFEN",
    "#VERDI!",
    "#NAVN?",
    "#I/T",
    "#OVERFLYT!",
    "#VÆRDI!",
    "#REFERENCE!",
    "#NUL!",
    "#DIVISION/0!",
    "#OVERLØB!",
    "#VÄRDEFEL!",
    "#REFERENS!",
    "#NAMN?",
    "#OGILTIGT!",
    "#SAKNAS!",
    "#SKÄRNING!",
    "#ARVO!",
    "#VIITTAUS!",
    "#NIMI?",
    "#LUKU!",
    "#PUUTTUU!",
    "#TYHJÄ!",
    "#JAKO/0!",
    "#VALEUR!",
    "#NOM?",
    "#NOMBRE!",
    "#PROPAGATION!",
    "#¡VALOR!",
    "#¡REF!",
    "#¿NOMBRE?",
    "#¡NUM!",
    "#N/D",
    "#¡NULO!",
    "#¡DIV/0!",
    "#¡DESBORDAMIENTO!",
    "#WAARDE!",
    "#VERW!",
    "#NAAM?",
    "#GETAL!",
    "#N/B",
    "#LEEG!",
    "#DEEL/0!",
    "#OVERLOOP!",
    "#VALORE!",
    "#RIF!",
    "#NOME?",
    "#NULLO!",
    "#ESPANSIONE!",
    "#VALOR!",
    "#NÚM!",
    "#NULO!",
    "#ARG!",
    "#ADR!",
    "#NAZWA?",
    "#LICZBA!",
    "#ZERO!",
    "#DZIEL/0!",
    "#HODNOTA!",
    "#ODKAZ!",
    "#DĚLENÍ_NULOU!",
    "#DEĞER!",
    "#SAYI/0!",
    "#YOK",
    "#ÉRTÉK!",
    "#HIÁNYZIK",
    "#ZÉRÓOSZTÓ!",
    "#ЗНАЧ!",
    "#ССЫЛКА!",
    "#ДЕЛ/0!",
    "#Н/Д",
    "#ERROR!",
    "Err:502",
    "Feil:502",
    "Fejl:511",
]


def test_ends_are_stripped():
    "Each control, format, and space character is removed from both ends of a cell and rejected inside an id."
    wrong = [ascii(c) for c in INVISIBLE if clean_id(clean_cell(f"{c}c-2{c}{c}")) != "c-2"]
    accepted = [ascii(c) for c in INVISIBLE if first_invisible(f"c{c}2") != f"U+{ord(c):04X}"]

    assert wrong == []
    assert accepted == ["' '"]


@pytest.mark.parametrize(
    "character", ["\u115f", "\u3164", "\ufe0f", "\u2800", "\u034f", "\ue000", "\ud800", "\U000e0100"]
)
def test_blank_letters(character):
    "Letters and marks that are not visible are rejected inside an id."
    assert f"U+{ord(character):04X}" in damage_of(f"c{character}2")


@pytest.mark.parametrize("error", ERRORS)
def test_spreadsheet_errors(error):
    "A spreadsheet error in any language, case, and Unicode form is a damaged id."
    forms = [error, error.lower(), error.title(), unicodedata.normalize("NFD", error), error.replace("#", "\uff03")]

    assert [damage_of(form) for form in forms] == ["an Excel error"] * len(forms)


@pytest.mark.parametrize(
    ("cells", "action", "other"),
    [
        (("#I/T", "#NV", "NULL", "nan", "TRUE"), "Replace", "zeros"),
        (("##", "#######"), "Widen", "zeros"),
        (("150.0", "1,5E+15", "12 345", NonTextCell("150", "a number")), "zeros", "Replace"),
        (
            ("0004, 0005", "00000004,00000005", "c-1;c-2", "c-1 | c-2", "c-1\nc-2", "a1, b2, c3"),
            "one id per row",
            "zeros",
        ),
        (("„0004“", "“0004”", '"0004"', "»0004«", "‚0004‘"), "Correct", "zeros"),
    ],
)
def test_actions(cells, action, other):
    "The action of the error depends on the kind of damage. Lost zeros are mentioned only for numbers and dates."
    for cell in cells:
        with pytest.raises(ListError, match="row 7") as caught:
            reject_damaged_ids([(2, "0150"), (7, cell)], Path("list.csv"))
        assert action in str(caught.value) and other not in str(caught.value)


SEPARATORS = [
    "\u00a0",
    "\u202f",
    "\u2009",
    "\u2007",
    "\u3000",
    " ",
    "'",
    "\u2019",
    "\u02bc",
    ".",
    ",",
    "·",
    "\u066c",
    "\uff0e",
]


@pytest.mark.parametrize("separator", SEPARATORS)
def test_formatted_numbers(separator):
    "Numbers with thousands separators are damaged ids."
    for groups in (["12", "345"], ["1", "234", "567"], ["-1", "000"]):
        assert "number" in damage_of(separator.join(groups))
        assert "number" in damage_of(f"{separator.join(groups)},50")


@pytest.mark.parametrize(
    "cell",
    [
        "1,23,456",
        "12,5",
        "150.0",
        "1,5E+15",
        "7e-05",
        "12%",
        "12,5 %",
        "１２ ３４５",
        "150 kr",
        "kr 150",
        "12 345,-",
        "€ 12.50",
    ],
)
def test_other_numbers(cell):
    "Numbers with decimals, an exponent, a percent sign, or Indian groups are damaged ids."
    assert "number" in damage_of(cell)


@pytest.mark.parametrize("cell", ["c-2_x000D_", "_x0009_c-2", "c_X005f_2", "_xD83D_x"])
def test_escapes(cell):
    "An id with an escaped character is damaged."
    assert "_xHHHH_" in damage_of(cell)


@pytest.mark.parametrize("cell", ["''0150", "\u20180150", "\u20190150", "0150'", "`0150", "\u02bc0150"])
def test_apostrophes(cell):
    "One apostrophe is removed from the start. Any other apostrophe at the start or end is rejected."
    assert "apostrophe" in damage_of(clean_id(cell))
    assert clean_id("'0150") == "0150"


@pytest.mark.parametrize("cell", ["SANN", "TRUE", "wahr", "-", "----", "***", "nan", "N/A", "(null)", "\\N"])
def test_missing_values(cell):
    "Boolean values, dashes, asterisks, and missing values are damaged ids."
    assert damage_of(cell)


@pytest.mark.parametrize(
    "cell",
    ["0150", "c-2", "1E5", "#12", "1.2.3", "AB 12", "+47 900 00 000", "O'Brien-1", "x1_x2", "kari@x.no", "a,5"],
)
def test_intact_ids(cell):
    "A string without a sign of damage is an intact id."
    assert clean_id(cell) == cell
    assert damage_of(cell) == ""


@pytest.mark.parametrize("cell", ["Totalt", "SUM:", "Sum 12", "total: 3", "Summe", "Yhteensä", "I alt", "Antall (3)"])
def test_totals(cell):
    "Labels of totals are recognized in several languages."
    assert is_total(cell)
    assert not is_total(f"{cell.split()[0].strip(':')}-12")


def test_notes():
    "A note below a list is rejected with its row number. Phone numbers are not notes."
    ids = [(2, "0150"), (3, "0007")]
    for note in ("Kilde: CRM", "Slutt", "(2 rows affected)", "Sum"):
        with pytest.raises(ListError, match="row 5"):
            reject_notes([*ids, (5, note)], frozenset({5}), Path("list.csv"))
    reject_notes([(2, "+47 900 00 000"), (3, "90000000")], frozenset(), Path("list.csv"))


@pytest.mark.parametrize(("first", "second"), [("moß", "moss"), ("İ", "i"), ("ſ", "s"), ("\u212a", "k"), ("ﬁ", "fi")])
def test_email_case(first, second):
    "Only the letters A-Z are converted to lower case, so that no address matches the address of another person."
    assert normalize_email(f" {first}@Example.com") != normalize_email(f"{second}@example.com")
    assert normalize_email("KARI@Example.com\u00a0") == "kari@example.com"
