"""Clean the cells of an id column, and detect cells that a spreadsheet has damaged or that are not ids."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from frgroups.errors import ListError
from frgroups.internals.formatting import MAX_ROWS, agree, describe_rows, format_list
from frgroups.internals.id_parts import DATE, MASK_CHARACTERS, hide_words
from frgroups.internals.redaction import repr_id
from frgroups.internals.similar_text import APOSTROPHES, BLANK_CHARACTERS
from frgroups.internals.workbooks import CELL_KINDS, CHANGED_TEXT, NonTextCell, has_escape

# Unicode categories of control, format, space, and separator characters.
# These characters are removed from both ends of a cell.
# Inside an id, they are an error, except for the space U+0020.
_INVISIBLE = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
# Unassigned characters, private-use characters, and surrogates are not removed, but are also an error inside an id.
_UNPRINTABLE = _INVISIBLE | {"Cn", "Co", "Cs"}
# Decoders insert this character for bytes that they cannot decode, so an id that contains it is damaged.
_REPLACEMENT_CHARACTER = "\ufffd"

# In a spreadsheet, a leading apostrophe marks a cell as text. The apostrophe is not part of the id.
_TEXT_PREFIX = "'"
_QUOTES = '"«»‹›\u201a\u201c\u201d\u201e\u201f\u2033\uff02'
# Two or more ids in one cell, separated by a comma, a semicolon, a vertical bar, a tab, or a line break.
# Each id contains a digit.
_SEVERAL_IDS = re.compile(r"\s*[^\s,;|]*\d[^\s,;|]*(?:\s*[,;|\n\r\t]\s*[^\s,;|]*\d[^\s,;|]*)+\s*")
_PADDED_IDS = re.compile(r"0\d{3,}(?:,\d{4,})+")  # Not a number, because a number has no leading zeros.
_FORMULA_OF_TEXT = re.compile(r'="((?:[^"]|"")*)"')

# If the exponent has no sign, the number must have one digit before a decimal separator, so that ids such as 12E5 do
# not match.
_SCIENTIFIC = re.compile(r"[+-]?\d+([.,]\d+)?[eE][+-]\d+|[+-]?\d[.,]\d+[eE]\d+")
_DECIMAL = re.compile(r"[+-]?\d+(?:,\d+|\.0+)")
_PERCENTAGE = re.compile(r"[+-]?\d+([.,]\d+)?\s?%")
# Numbers with thousands separators.
# A space, an apostrophe, or a punctuation mark separates groups of three digits, or of two digits as in India.
_GROUP_SEPARATOR = rf"[\s{APOSTROPHES}.,·٬]"
_GROUPED = re.compile(rf"[+-]?\d{{1,3}}(?:,\d\d)*(?:{_GROUP_SEPARATOR}\d{{3}})+(?:[.,]\d+)?")
_AMOUNT = re.compile(
    r"\(?(?:kr\.?|nok|sek|dkk|isk|eur|usd|gbp|chf|pln|zł|[€$£¥])?\s?[+-]?\d[\d\s.,']*\)?\s?"
    r"(?:kr\.?|nok|sek|dkk|isk|eur|usd|gbp|chf|pln|zł|[€$£¥]|,-)?",
    re.IGNORECASE,
)
_BOOLEANS = frozenset(
    {"true", "false", "sann", "usann", "sant", "falskt", "falsk", "wahr", "falsch", "tosi", "epätosi"}
)
_MISSING_VALUES = frozenset(
    {
        *(
            "nan",
            "none",
            "null",
            "nil",
            "na",
            "<na>",
            "nat",
            "n/a",
            "n.a.",
            "n/d",
            "(null)",
            "[null]",
            "<null>",
            "\\n",
        ),
        *("undefined", "(blank)", "loading...", "loading…"),
    }
)
# LibreOffice shows some errors as a word and a number, for example "Err:502".
_NUMBERED_ERROR = re.compile(
    r"(err|error|fel|feil|fejl|fehler|virhe|erreur|erro|fout|błąd|chyba)\s?:\s?\d{3}", re.IGNORECASE
)
_TOTALS = (
    *("total", "totals", "totalt", "totalsum", "grand total", "subtotal", "sum", "sums", "delsum", "summe", "summa"),
    *("gesamt", "gesamtsumme", "insgesamt", "i alt", "ialt", "antall", "antal", "anzahl", "yhteensä"),
    *("average", "gjennomsnitt", "gj.snitt", "snitt", "genomsnitt", "gennemsnit", "durchschnitt", "mittelwert"),
    *("count", "totaal", "totale", "suma", "razem", "soma", "somme"),
)
_TOTAL = re.compile(rf"(?:{'|'.join(_TOTALS)})(?:\s*[:=(].*|\s+\d.*|\s*)", re.IGNORECASE | re.DOTALL)

# Some programs export the escape sequences of HTML, URLs, emails, or JSON without decoding them.
# The pattern matches only the URL escapes of control characters, spaces, and non-ASCII characters, because an id can
# contain a percent sign that is not part of an escape.
_OTHER_ESCAPE = re.compile(
    r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z]{2,8}\d?);|<br ?/?>"
    r"|%(?:[01][0-9a-f]|20|[89a-f][0-9a-f])|\\(?:[nrt0]|x[0-9a-f]{2}|u[0-9a-f]{4})|=0[9ad]|\^[IJM]\Z|U\+[0-9a-f]{4}",
    re.IGNORECASE,
)

_FORMATTED_NUMBER = "a number with thousands separators"
_MISSING_VALUE = "a missing value"
_NARROW_COLUMN = "the number signs of a column that is too narrow"
_SEVERAL = "several ids in a cell"
# In a CSV file, a formula is stored as text.
# Therefore, the message must not state that a cell that starts with an equals sign is a formula.
_FORMULA_TEXT = "a value that starts with an equals sign, as a formula does"
_CONVERTED = frozenset({*CELL_KINDS.values(), _FORMATTED_NUMBER, _MISSING_VALUE, _NARROW_COLUMN})
# The action for the user depends on the kind of damage.
# For example, digits can be lost only if an id was converted to a number or a date.
_REPLACE = "Replace the value with the id, or delete the row."
IMPORT_AS_TEXT = "Export the list again. To open the list in Excel, import the id column as text."
_ACTIONS = {
    **dict.fromkeys(
        (CELL_KINDS["n"], CELL_KINDS["d"], _FORMATTED_NUMBER),
        f"Digits or leading zeros can be lost. {IMPORT_AS_TEXT}",
    ),
    **dict.fromkeys((CELL_KINDS["e"], CELL_KINDS["b"], _MISSING_VALUE), _REPLACE),
    CELL_KINDS["f"]: "Replace the formulas with their results as text.",
    _FORMULA_TEXT: "Write the id without the equals sign, or replace the formula with its result.",
    _NARROW_COLUMN: "Widen the column, and save the list again.",
    _SEVERAL: "Write one id per row.",
    CHANGED_TEXT: "Write the id as it is displayed, and set the number format of the column to Text.",
}
# Most ids match this pattern, so `damage_of` skips the slower checks.
# Damaged values such as "nan", "1E-15", and "c-2_x000D_" do not match.
_INTACT = re.compile(r"(?=.*[0-9])(?:[A-Za-z0-9]+|(?!.*_[xX])[A-Za-z][A-Za-z0-9_-]*)|[A-Za-z0-9-]{20,}")

_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)

NumberedCell = tuple[int, str]  # A row number and the text of a cell.


def strip_invisible(text: str) -> str:
    r"""
    Remove whitespace, control characters, and format characters from both ends of a string.

    Examples
    --------
    >>> strip_invisible("\u202a c-1\u00a0\u202c\x01")
    'c-1'
    """
    if text.isascii() and text.isprintable():
        return text.strip()
    start, end = 0, len(text)
    while start < end and unicodedata.category(text[start]) in _INVISIBLE:
        start += 1
    while end > start and unicodedata.category(text[end - 1]) in _INVISIBLE:
        end -= 1
    return text[start:end]


def clean_cell(cell: str) -> str:
    """
    Return a cell without surrounding invisible characters. A formula such as ="0150" is replaced with its text.

    Examples
    --------
    >>> clean_cell(' ="0150"')
    '0150'
    """
    if isinstance(cell, NonTextCell):
        return NonTextCell(strip_invisible(cell), cell.kind)
    trimmed = strip_invisible(cell)
    formula = trimmed.startswith("=") and _FORMULA_OF_TEXT.fullmatch(trimmed)
    if formula:
        return strip_invisible(formula[1].replace('""', '"'))
    return trimmed


def clean_id(cell: str) -> str:
    """
    Return a cleaned cell without the apostrophe that marks text in a spreadsheet.

    Examples
    --------
    >>> clean_id("'0150")
    '0150'
    """
    if isinstance(cell, NonTextCell) or not cell.startswith(_TEXT_PREFIX):
        return cell
    return strip_invisible(cell[1:])


def normalize_email(address: str) -> str:
    """
    Return an email address with the letters A-Z in lower case, without surrounding invisible characters.

    Other letters do not change, because mail servers do not treat the different forms of such a letter as equal. For
    example, `casefold` would convert "moß" to "moss", which is the address of another person.

    Examples
    --------
    >>> normalize_email(" Moß@Example.com")
    'moß@example.com'
    """
    return strip_invisible(address).translate(_ASCII_LOWER)


def first_invisible(text: str) -> str:
    r"""
    Return the first invisible character of a string as its code point, or "" if all characters are visible.

    Examples
    --------
    >>> first_invisible("c\u200b-1"), first_invisible("AB 12")
    ('U+200B', '')
    """
    if text.isascii() and text.isprintable():
        return ""
    for character in text:
        is_invisible = unicodedata.category(character) in _UNPRINTABLE or character in BLANK_CHARACTERS
        if (is_invisible or character == _REPLACEMENT_CHARACTER) and character != " ":
            return f"U+{ord(character):04X}"
    return ""


def reject_damaged_ids(cells: Iterable[NumberedCell], source: Path) -> None:
    """
    Raise ListError if a cell contains a damaged id.

    An id is damaged if a spreadsheet has converted it to a number, a date, or an error, or if the id contains
    invisible characters.
    """
    damaged = []
    for number, cell in cells:
        damage = damage_of(cell)
        if damage:
            damaged.append((number, cell, damage))
    if not damaged:
        return
    shown = [f"row {number} ({_shorten(cell)})" for number, cell, _ in damaged[:MAX_ROWS]]
    examples = format_list([*shown, *(cell for _, cell, _ in damaged[MAX_ROWS:])], MAX_ROWS)
    action = _ACTIONS.get(damaged[0][2], "Correct the ids, or export the list again.")
    raise ListError(
        f"{source} contains {len(damaged):,} damaged {agree(len(damaged), 'id', 'ids')}: {examples}. Row "
        f"{damaged[0][0]} contains {damaged[0][2]} instead of an id. {action}"
    )


def _shorten(cell: str) -> str:
    """Return the first 40 characters of a cell, with names and contact data removed, for use in an error message."""
    text = str(cell)
    if not _is_spreadsheet_error(text):
        text = hide_words(text)
    return repr_id(text)[1:-1][:40]


def reject_converted_names(cells: Iterable[NumberedCell], source: Path) -> None:
    """
    Raise ListError if a spreadsheet has converted the names in a column to numbers, dates, or errors.

    Unlike an id, a name can contain any character. Therefore, names such as "#1 VIP", "#VIP", and an emoji are
    accepted.
    """
    converted = [
        (number, cell)
        for number, cell in cells
        if damage_of(cell) in _CONVERTED and (not cell.startswith("#") or cell[-1] in "!?" or "/" in cell)
    ]
    reject_damaged_ids(converted, source)


def damage_of(cell: str) -> str:
    """
    Return the kind of damage to an id, such as "a number", or "" if the id is intact.

    Examples
    --------
    >>> damage_of("150.0"), damage_of("#VÆRDI!"), damage_of("0150")
    ('a number', 'an Excel error', '')
    """
    if isinstance(cell, NonTextCell):
        return cell.kind
    if _INTACT.fullmatch(cell):
        return ""
    text = unicodedata.normalize("NFKC", cell)
    if text.startswith("="):
        return _FORMULA_TEXT
    if _PADDED_IDS.fullmatch(text):
        return _SEVERAL
    if _DECIMAL.fullmatch(text) or _SCIENTIFIC.fullmatch(text) or _PERCENTAGE.fullmatch(text):
        return CELL_KINDS["n"]
    if _GROUPED.fullmatch(text) or _GROUPED.fullmatch(cell):
        return _FORMATTED_NUMBER
    # A number without a currency or parentheses is accepted, because it can be an id, such as a phone number.
    if _AMOUNT.fullmatch(text) and (not re.fullmatch(r"[+-]?\d[\d\s.,']*", text)):
        return _FORMATTED_NUMBER
    if text.casefold() in _BOOLEANS:
        return CELL_KINDS["b"]
    if text.casefold() in _MISSING_VALUES:
        return _MISSING_VALUE
    if re.fullmatch("##+", text):
        return _NARROW_COLUMN
    if _is_spreadsheet_error(text):
        return CELL_KINDS["e"]
    if has_escape(cell):
        return "an escaped character (_xHHHH_)"
    if _OTHER_ESCAPE.search(cell):
        return "an escaped character, such as &nbsp; or %20"
    if not cell.isascii() and _is_wrongly_decoded(cell):
        return "text that was read in the wrong encoding"
    if cell.startswith(tuple(APOSTROPHES)) or cell.endswith(tuple(APOSTROPHES)):
        return "a value that starts or ends with an apostrophe"
    if cell.startswith(tuple(_QUOTES)) or cell.endswith(tuple(_QUOTES)):
        return "a value that starts or ends with a quotation mark"
    if _SEVERAL_IDS.fullmatch(cell):
        return _SEVERAL
    invisible = first_invisible(cell)
    if invisible:
        return f"a value that contains the invisible character {invisible}"
    if cell and not cell.strip(f"_{MASK_CHARACTERS}"):
        return "a masked value"
    if cell and not any(map(str.isalnum, cell)):
        return "a value that contains no letters or digits"
    return ""


def _is_wrongly_decoded(text: str) -> bool:
    """
    Return True if a string contains UTF-8 text that was decoded as Windows-1252.

    A no-break space that was decoded in this way becomes "\u00c2" and a space. If the space is then removed, only the
    "\u00c2" remains at the start or end of the string. This case is also recognized.
    """
    if re.fullmatch("[\\x20-\\x7e]+\u00c2|\u00c2[\\x20-\\x7e]+", text):
        return True
    try:
        text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return False
    return True


def _is_spreadsheet_error(text: str) -> bool:
    """
    Return True if a cell contains an error of a spreadsheet program in any language.

    An error starts with "#", and either ends with "!" or "?" or contains no digits other than "/0". This rule also
    recognizes translated errors, such as #VÆRDI!, and errors that later versions of a program add. In LibreOffice, an
    error can also be a word and a number.
    """
    if _NUMBERED_ERROR.fullmatch(text):
        return True
    text = text.strip("()[]<>{} ")
    if not text.startswith("#"):
        return False
    return text[-1] in "!?" or not any(map(str.isdigit, text.replace("/0", "")))


def is_total(cell: str) -> bool:
    """
    Return True if a cell is the label of a totals row.

    Examples
    --------
    >>> is_total("Totalt:"), is_total("Sum: 12"), is_total("sum-12")
    (True, True, False)
    """
    return _TOTAL.fullmatch(cell) is not None


def looks_like_id(cell: str) -> bool:
    """
    Return True if a cell contains a digit or an "@", and no whitespace.

    Examples
    --------
    >>> looks_like_id("c-1"), looks_like_id("Kari Nordmann"), looks_like_id("VIP")
    (True, False, False)
    """
    return re.fullmatch(r"\S*[\d@]\S*", cell) is not None


def looks_like_data(cell: str) -> bool:
    """
    Return True if a cell probably contains an id, a number, a date, or an email address instead of a column name.

    A column name can end with a short number, for example "Address 2".

    Examples
    --------
    >>> [looks_like_data(cell) for cell in ("c-1", "1 234", "12.11.2026", "Address 2", "Kundenr.", "Kari")]
    [True, True, True, False, False, False]
    """
    if re.fullmatch(r"[^\W\d_]{3,}[ _-]?\d{1,2}", cell):
        return False
    return looks_like_id(cell) or 2 * sum(map(str.isdigit, cell)) > len(cell)


def can_be_in_title(cell: str) -> bool:
    """
    Return True if a cell above the header can be part of a title: words, a date, a year, or a number below 1,000.

    Examples
    --------
    >>> [can_be_in_title(cell) for cell in ("Kunder", "2026", "12.11.2026", "12", "0150", "c-1")]
    [True, True, True, True, False, False]
    """
    is_date = re.fullmatch(rf"{DATE}|(?:19|20)\d\d|[1-9]\d{{0,2}}", cell, re.IGNORECASE) is not None
    return is_date or not looks_like_data(cell)


def reject_notes(cells: Sequence[NumberedCell], lone_rows: frozenset[int], source: Path) -> None:
    """
    Raise ListError if the id column contains the label of a totals row or a note below the table.

    Parameters
    ----------
    cells
        Row number and cell of each row in which the id column is filled.
    lone_rows
        Numbers of the rows that have fewer cells than the header, or only one filled cell.
    source
        Path of the file.
    """
    n_ids = sum(looks_like_id(cell) for _, cell in cells)
    notes = []
    for number, cell in cells:
        has_words = re.search(r"\s", cell) is not None and re.search(r"[^\W\d_]", cell) is not None
        is_word = number in lone_rows and not looks_like_id(cell)
        if is_total(cell) or (has_words and n_ids) or (is_word and 2 * n_ids >= len(cells)):
            notes.append((number, cell))
    if not notes:
        return
    rows = describe_rows(number for number, _ in notes)
    if len(notes) > 1:
        raise ListError(
            f"{source}, {rows}: the values do not look like ids. Delete the rows that are totals or notes, and "
            "correct wrong ids."
        )
    if re.fullmatch(DATE, notes[0][1], re.IGNORECASE):
        raise ListError(
            f"{source}, {rows}: {repr_id(notes[0][1])} is a date instead of an id. Delete the row if it is a note. "
            f"Spreadsheets convert ids such as 1-2 to dates. {IMPORT_AS_TEXT}"
        )
    shown = repr_id(hide_words(str(notes[0][1])))
    raise ListError(
        f"{source}, {rows}: {shown} does not look like an id. Delete the row if it is a total or a note, or correct "
        "the id."
    )
