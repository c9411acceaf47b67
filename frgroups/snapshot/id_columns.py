"""Find the id column of a customer list, and read its cells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from frgroups.errors import ListError
from frgroups.internals.csv_records import has_separator, other_separator, separator_name
from frgroups.internals.formatting import agree, describe_rows, format_list, pluralize
from frgroups.internals.id_cells import (
    NumberedCell,
    can_be_in_title,
    clean_id,
    damage_of,
    is_total,
    looks_like_data,
    looks_like_id,
    reject_damaged_ids,
    reject_notes,
)
from frgroups.internals.redaction import repr_id
from frgroups.internals.similar_text import latin_shape
from frgroups.internals.spreadsheets import Table, normalize_column_name
from frgroups.internals.suggestions import EMAILS, EMAILS_IN_CLI
from frgroups.internals.workbooks import NonTextCell
from frgroups.snapshot.id_contents import UUID

COLUMN_IN_CLI = (
    "To choose the id column of a file for `frgroups plan --list`, pass --column. For other lists, such as "
    "--protect-list, rename the id column to customer_uid or external_id."
)
_IF_ID = "If the first row contains an id, insert a row with the column name customer_uid above it."

_UIDS_AND_EXTERNAL_IDS = ("customer_uid", "customer_id", "uid", "external_id", "external_customer_id")
_CUSTOMER_NUMBERS = (
    *("customer_number", "customer_no", "kundenummer", "kundenr", "kunde_id"),
    *("kundnummer", "kundnr", "kund_id", "kunden_nummer", "asiakasnumero"),
)
USUAL_NAMES = (*_UIDS_AND_EXTERNAL_IDS, *_CUSTOMER_NUMBERS, "id")
_EMAIL_NAMES = frozenset({"email", "epost", "emailaddress", "epostadresse"})
OTHER_IDS = ("email", "e_mail", "e_post", "epost", "mobile", "mobil", "phone", "loyalty_id", "medlemsnummer")
_PHONE_NAMES = frozenset(
    {
        *("phone", "phonenumber", "phoneno", "telephone", "mobile", "mobilephone", "mobilenumber", "cellphone"),
        *("telefon", "telefonnummer", "telefonnr", "tlf", "tlfnr", "tlfnummer", "mobil", "mobilnummer", "mobilnr"),
        *("mobiltelefon", "tel", "handy", "handynummer", "puhelin", "puhelinnumero", "matkapuhelin"),
    }
)
_NORMALIZED_NAMES = frozenset(map(normalize_column_name, USUAL_NAMES))
_KNOWN_NAMES = _NORMALIZED_NAMES.union(map(normalize_column_name, OTHER_IDS), _PHONE_NAMES)
# A column with one of these words in its name, such as "kunde", is the id column only if it is the only column of the
# file.
# In a file with more columns, such a column can contain customer names.
_NAMES_OF_ONLY_COLUMN = frozenset(
    {
        *("customer", "customers", "kunde", "kunder", "kund", "kunden", "asiakas", "asiakkaat"),
        *("member", "members", "medlem", "medlemmer", "medlemmar", "number", "nummer", "nr", "ids", "uids"),
    }
)
# The name of an id column consists of words for "external", "customer", and "id" or "number".
# The words can have any order and inflection, for example "Ekstern kundenr.", "Kunden-ID", and "Kundens nummer".
_EXTERNAL = r"(?:e(?:x|ks)tern(?:al|a|e|es|er|en|t|s)?|ext|eks|ulkoi(?:nen|sen|set))"
_CUSTOMER = (
    r"(?:customers?|clients?|cust|kund(?:en?s?|s)?|asiakas|asiakkaa[nt]"
    r"|debitor(?:en|s)?|klant(?:en)?|klient(?:a|ów)?)"
)
_IDENTIFIER = (
    r"(?:(?:id|uid|uuid|guid|nr|no|num|number|nummer|numero|nro|tunnus|tunniste|identifier|ident)s?|n[°º]|#)"
)
_REFERENCE = r"(?:ref|reference|referanse|reference?ns|referens|referenz|referenssi|viite|key|code|kode|kod)"
_EXTERNAL_NAME = re.compile(
    rf"{_EXTERNAL}{_CUSTOMER}?(?:{_IDENTIFIER}|{_REFERENCE})|{_CUSTOMER}{_EXTERNAL}(?:{_IDENTIFIER}|{_REFERENCE})"
    rf"|{_CUSTOMER}?{_IDENTIFIER}{_EXTERNAL}"
)
# Abbreviations such as "Kd.-Nr." and "KNr".
# "KID" is not matched, because it is the reference number of a Norwegian payment.
_SHORT_NUMBER_NAME = r"(?:kd|deb)(?:id|nr|no|num|nummer)|k(?:nr|nummer)|asnro"
# Column names that end with a word for "customer", such as "Numéro client", "Nº de cliente", and "Numer klienta".
_NUMBER_OF_CUSTOMER = (
    r"(?:id|n[°ºor]|núm|num|num[eé]ro|número|numer|code|c[oó]digo|codice|identifiant|identificador|identyfikator)"
    r"(?:du|de|del|do)?(?:clients?|cliente|clienti|klienta)"
)
_NUMBER_NAME = re.compile(rf"{_CUSTOMER}{_IDENTIFIER}|{_SHORT_NUMBER_NAME}|{_NUMBER_OF_CUSTOMER}")

# Column names in other languages, or for other kinds of ids, such as "Lidnummer" and "Medlemsnr".
_ENDS_WITH_NUMBER = re.compile(r"[^\W\d_]{3,}(?:nummer|number|númer|numer|numero|nro|nr)")

_MAX_TITLE_ROWS = 20
# This pattern matches an id that ends with a digit, a separator, and a capitalized word, such as "0001-Kari".
_ID_AND_NAME = re.compile(r"\S*\d([-._])([A-ZÀ-ÖØ-Þ][a-zß-öø-ÿ]+.*)")


def is_external_id_name(name: str) -> bool:
    """
    Return True if a column name means "external id" in English, German, or a Nordic language.

    Examples
    --------
    >>> [is_external_id_name(name) for name in ("Ekstern id", "Externe Kunden-Nr.", "Kundenr")]
    [True, True, False]
    """
    return _EXTERNAL_NAME.fullmatch(_letters_of(name)) is not None


def is_phone_name(name: str) -> bool:
    """
    Return True if a column with this name contains phone numbers.

    Examples
    --------
    >>> is_phone_name("Tlf."), is_phone_name("Kundenr")
    (True, False)
    """
    return normalize_column_name(name) in _PHONE_NAMES


def is_id_name(name: str) -> bool:
    """
    Return True if a column with this name contains ids, email addresses, or phone numbers of customers.

    Examples
    --------
    >>> [is_id_name(name) for name in ("Kunden-ID", "Ekstern id", "Asiakasnumero", "e-post", "Navn")]
    [True, True, True, True, False]
    """
    return normalize_column_name(name) in _KNOWN_NAMES or _is_combined_name(name)


def _is_combined_name(name: str) -> bool:
    return is_external_id_name(name) or _NUMBER_NAME.fullmatch(_letters_of(name)) is not None


def _letters_of(name: str) -> str:
    """Return a normalized column name without punctuation, such as "kundenid" for "Kunden-ID:"."""
    return re.sub(r"[^\w#°º]|_", "", clean_id(name)).casefold()


def find_id_column(table: Table, column: str | None) -> tuple[int, str, bool]:
    """
    Return the position and name of the id column, and whether the first row contains column names.

    Parameters
    ----------
    table
        Rows of the list.
    column
        Name of the id column. None uses the only column, or the first column with a usual name.

    Raises
    ------
    ListError
        The column does not exist, or it is not clear which column contains the ids.
    """
    header = table.rows[0][1]
    _reject_single_column_of_several(table)
    if column is not None:
        position = find_column(header, column, table.source)
        if position is None:
            _reject_title_row(table)
            raise ListError(f"{table.source} has no column {column!r}. {describe_columns(header)}")
        return position, header[position], True
    usual = usual_columns(table)
    if usual:
        return usual[0], header[usual[0]], True
    if table.width == 1:
        if _has_header(table):
            return 0, header[0], True
        return 0, "id", False
    _reject_title_row(table)
    has_emails = any(normalize_column_name(cell) in _EMAIL_NAMES for cell in header)
    raise ListError(
        f"{table.source} has {table.width} columns, but none of them has a usual name for an id column, such as "
        f"customer_uid, external_id, or kundenummer. {describe_columns(header)}",
        hint=f"Pass column= to choose the id column. {EMAILS if has_emails else ''}".rstrip(),
        cli_hint=f"{COLUMN_IN_CLI} {EMAILS_IN_CLI if has_emails else ''}".rstrip(),
    )


def usual_columns(table: Table) -> list[int]:
    """Return the positions of the columns whose names are usual for id columns, most specific name first."""
    header = table.rows[0][1]
    first, numbers, last = (
        [find_column(header, name, table.source, exact=False) for name in names]
        for names in (_UIDS_AND_EXTERNAL_IDS, _CUSTOMER_NUMBERS, ["id"])
    )
    external = [position for position, name in enumerate(header) if is_external_id_name(name)]
    others = [position for position, name in enumerate(header) if _is_combined_name(name)]
    positions = [*first, *external, *numbers, *others, *last]
    return list(dict.fromkeys(position for position in positions if position is not None))


def find_column(header: Sequence[str], name: str, source: Path, *, exact: bool = True) -> int | None:
    """
    Return the position of the column with the given name, or None if it does not exist.

    If `exact` is True, a column with exactly this name is preferred. If no column has exactly this name, case,
    spaces, underscores, periods, and hyphens are ignored. A ListError is raised if several columns match.
    """
    matches: list[int] = []
    if exact:
        matches = [position for position, cell in enumerate(header) if cell == name.strip()]
    if not matches:
        normalized = [normalize_column_name(cell) for cell in header]
        matches = [n for n, cell in enumerate(normalized) if header[n] and cell == normalize_column_name(name)]
    if len(matches) > 1:
        names = format_list([repr(header[position]) for position in matches])
        raise ListError(
            f"{source} has {len(matches)} columns that match the name {name!r}: {names}.",
            hint="Rename one of these columns, or pass the exact name of the id column as column=.",
            cli_hint=f"Rename one of these columns. {COLUMN_IN_CLI}",
        )
    if not matches:
        return None
    return matches[0]


def describe_columns(header: Sequence[str]) -> str:
    """Return a sentence that lists the column names, or advice to add them if the first row looks like data."""
    if any(map(_looks_like_data, header)) or all(map(looks_like_id, header)):
        return "The first row looks like data. Insert a row of column names above it, and write one id per row."
    return f"Its columns are {format_list([repr(cell) for cell in header if cell], 20)}."


def read_id_column(
    table: Table, position: int, *, has_header: bool = True, rejects_words: bool = False
) -> list[NumberedCell]:
    """
    Return the row number and the id of each row, including rows without an id.

    Parameters
    ----------
    table
        Rows of the list.
    position
        Position of the id column.
    has_header
        Whether the first row contains column names.
    rejects_words
        Whether to reject words in rows without other filled cells, because they can be notes below the table.

    Raises
    ------
    ListError
        A cell was damaged by a spreadsheet, repeats the header, or is a note or the label of a total.
    """
    rows = table.rows[1:] if has_header else table.rows
    cells = [(number, clean_id(row[position])) for number, row in rows]
    filled = [(number, cell) for number, cell in cells if cell]
    _reject_repeated_header(rows, position, table.rows[0][1] if has_header else [], table.source)
    reject_damaged_ids(filled, table.source)
    lone_rows: set[int] = set()
    if rejects_words and table.width > 1:
        lone_rows = {number for number, row in rows if sum(map(bool, row)) == 1}.union(table.short_rows)
    reject_notes(filled, frozenset(lone_rows), table.source)
    _reject_total_in_last_row(rows, position, table.source)
    return cells


def reject_broken_rows(table: Table, position: int) -> None:
    """
    Raise ListError if a CSV row that has fewer cells than the header does not contain an id.

    Excel omits blank cells at the end of a row, so a short row with an id is valid. However, a row that ends before
    the id column can be the rest of a row that a line break has divided. If the cell in the id column of a short row
    contains a separator character, the cell can be a complete row with this separator.
    """
    cells = dict(table.column(position))
    broken = {
        number: n_cells
        for number, n_cells in table.short_rows.items()
        if n_cells <= position or has_separator(cells[number])
    }
    if not broken:
        return
    some = "have fewer cells than the first row, which has"
    if len(broken) == 1:
        some = f"has {pluralize(next(iter(broken.values())), 'cell')} and the first row has"
    raise ListError(
        f"{table.source} has rows with different numbers of cells: {describe_rows(broken)} {some} {table.width}. "
        f"Correct the {agree(len(broken), 'row', 'rows')}, or use the same separator in all rows."
    )


def _reject_single_column_of_several(table: Table) -> None:
    if table.width > 1 or is_id_name(table.rows[0][1][0]):
        return
    cells = [row[0] for _, row in table.rows]
    separator = other_separator(cells) or _separator_in_name(cells) or _separator_before_names(cells)
    if separator:
        raise ListError(
            f"{table.source} seems to have several columns that are separated by the {separator}. Save the file with "
            "the separator semicolon, comma, tab, or vertical bar. If it has only one column, write customer_uid or "
            "external_id in its first row."
        )


def _separator_in_name(cells: Sequence[str]) -> str:
    """
    Return the name of the character that separates a usual column name from another name, such as "hyphen (-)".

    The result is "" if no hyphen, period, or underscore is a separator. A hyphen is not a separator if the cells are
    UUIDs.
    """
    has_uuids = 2 * sum(UUID.fullmatch(cell) is not None for cell in cells[1:]) > len(cells) - 1
    for separator in "-._":
        if separator == "-" and has_uuids:
            continue
        pieces = cells[0].split(separator)
        has_name = any(map(is_id_name, pieces))
        if len(pieces) > 1 and has_name and 2 * sum(separator in cell for cell in cells[1:]) > len(cells) - 1:
            return separator_name(separator)
    return ""


def _separator_before_names(cells: Sequence[str]) -> str:
    """
    Return the name of the separator between an id and a name in most cells, or "" if there is no such separator.

    The separator is a hyphen, a period, or an underscore. A name is a capitalized word, and the cells must contain at
    least two different names. Ids such as "12-A" and "12-ab" do not contain capitalized words.
    """
    matches = [_ID_AND_NAME.fullmatch(cell) for cell in cells]
    if len({match[2] for match in matches if match}) < 2 or 2 * sum(map(bool, matches)) <= len(cells):
        return ""
    return separator_name(next(match[1] for match in matches if match))


def _reject_title_row(table: Table) -> None:
    """
    Raise ListError if a later row contains a usual column name, which shows that the first row is a title.

    The last row is never treated as the header. Any other later row is treated as the header only if this row and all
    rows above it contain no data, such as ids and numbers. A date, a year, or a short number above the header is not
    data, because a title can contain it.
    """
    for number, row in table.rows[:_MAX_TITLE_ROWS]:
        pieces = [piece for cell in row for piece in re.split(r"[;,\t|]", cell)]
        names = list(map(is_id_name, pieces))
        is_first, is_last = number == table.rows[0][0], number == table.rows[-1][0]
        values = [piece for piece, is_name in zip(pieces, names, strict=True) if piece and not is_name]
        if (is_first or len(values) == 1) and not any(names) and all(map(can_be_in_title, values)):
            continue
        if any(map(looks_like_data, values)):
            return
        if any(names) and not is_first and not is_last:
            raise ListError(
                f"The header of {table.source} seems to be row {number}, because that row contains a usual column "
                "name and the first row does not.",
                hint=f"Pass header_row={number}, or delete the rows above the header.",
                cli_hint=f"Pass --header-row {number} with --list, or delete the rows above the header.",
            )


def _reject_repeated_header(
    rows: Sequence[tuple[int, list[str]]], position: int, header: Sequence[str], source: Path
) -> None:
    """
    Raise ListError if a row below the header contains column names.

    The columns of a second export can be in another order, so the name of the id column can be in any cell.
    """
    names = set(filter(None, map(normalize_column_name, header)))
    own_name = normalize_column_name(header[position]) if header else ""
    has_digit = any(re.search(r"\d", name) for name in names)
    repeated: dict[int, str] = {}
    for number, row in rows:
        cell = clean_id(row[position])
        if not cell or (not has_digit and re.search(r"\d", cell)):
            # A cell with digits cannot repeat a header whose names contain no digits.
            # This check halves the time for a long list.
            continue
        # Replace letters of other scripts, such as Cyrillic letters, with the Latin letters that they look like, so
        # that a column name with such a letter is recognized.
        latin = cell if cell.isascii() else latin_shape(cell)
        normalized = normalize_column_name(cell)
        is_name = is_id_name(cell) or is_id_name(latin) or _looks_like_column_name(normalized)
        if is_name or (own_name and normalized == own_name):
            repeated[number] = cell
        elif normalized in names or not re.search(r"\d", cell):
            found = next((other for other in row if other and _is_customer_id_name(other, own_name)), "")
            if found:
                repeated[number] = found
    if not repeated:
        return
    number, name = next(iter(repeated.items()))
    has_ids_above = any(looks_like_id(clean_id(row[position])) for n, row in rows if n < number)
    hint = cli_hint = ""
    if len(repeated) == 1 and not has_ids_above:
        hint = f"If the column names are in row {number}, pass header_row={number}."
        cli_hint = f"If the column names are in row {number}, pass --header-row {number} with --list."
    raise ListError(
        f"{source}, {describe_rows(repeated)}: {repr_id(str(name))} is a column name. If the file combines several "
        f"exports, delete the repeated {agree(len(repeated), 'header', 'headers')}.",
        hint=hint,
        cli_hint=cli_hint,
    )


def _looks_like_column_name(normalized: str) -> bool:
    """Return True if a normalized cell means "customer", or ends with a word such as "number" or "id"."""
    return normalized in _NAMES_OF_ONLY_COLUMN or _ENDS_WITH_NUMBER.fullmatch(normalized) is not None


def _is_customer_id_name(cell: str, own_name: str) -> bool:
    """Return True if a cell contains the name of the id column or a usual name of an id column."""
    normalized = normalize_column_name(cell)
    is_own_name = own_name != "" and normalized == own_name
    return is_own_name or normalized in _NORMALIZED_NAMES or _is_combined_name(cell)


def _reject_total_in_last_row(rows: Sequence[tuple[int, list[str]]], position: int, source: Path) -> None:
    """Raise ListError if the last row contains the label of a total in another column."""
    for number, row in rows[-1:]:
        if row[position] and any(is_total(cell) for n, cell in enumerate(row) if n != position):
            raise ListError(f"{source}, row {number} seems to be a total. Delete the row.")


def _has_header(table: Table) -> bool:
    """
    Return True if the first row of a file with one column is a column name.

    The docstring of `read_list` describes how the first row is classified. A ListError is raised if the
    classification is not clear.
    """
    first = table.rows[0][1][0]
    if isinstance(first, NonTextCell) or looks_like_id(first) or damage_of(first):
        return False  # The first row is data. If the id is damaged, `read_id_column` raises an error.
    words = [first, *first.split()]
    if any(is_id_name(word) or normalize_column_name(word) in _NAMES_OF_ONLY_COLUMN for word in words):
        return True
    _reject_title_row(table)
    raise ListError(
        f"It is not clear if the first row of {table.source} is a column name or an id.",
        hint=f"If the first row contains the column name, pass that name as column=. {_IF_ID}",
        cli_hint=f"If the row contains the column name, pass that name to `frgroups plan --column`. {_IF_ID}",
    )


def _looks_like_data(cell: str) -> bool:
    return "@" in cell or 2 * sum(map(str.isdigit, cell)) > len(cell) or len(cell) > 60
