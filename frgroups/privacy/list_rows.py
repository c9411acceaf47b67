"""Takes the rows of one customer out of a list file, and leaves every other byte of a text file as it was."""

from __future__ import annotations

import csv
import io
import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from frgroups.errors import ListError
from frgroups.internals.spreadsheets import plain, trim
from frgroups.internals.tombstones import compile_word_pattern
from frgroups.snapshot.customer_lists import OTHER_IDS, USUAL_NAMES

_SEPARATORS = (";", ",", "\t")
_WORKBOOK, _OLD_WORKBOOK = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"

Named = Callable[[Sequence[str]], bool]


@dataclass(frozen=True)
class ListRowsResult:
    """A list file without the rows of a customer: its new bytes, those rows, and how often it still names them."""

    body: bytes
    rows: list[list[str]]
    n_left: int


def remove_list_rows(body: bytes, uid: str, ids: Iterable[str]) -> ListRowsResult:
    r"""
    The file without the rows that a customer uid, or another id of the customer, stands in.

    Looked at are the columns of ids (`read_list` knows their names), or all columns where none is named so. A
    column customer_uid is compared with the uid, one named external_id with the other ids, the rest with both.
    Raises ListError for a file that cannot be read, or written again without losing something.

    >>> remove_list_rows(b"customer_uid;note\nc-1;\nc-10;\n", "c-1", ["0150"]).body
    b'customer_uid;note\nc-10;\n'
    """
    others = frozenset(ids)
    if body[:4] == _OLD_WORKBOOK:
        raise ListError("an old .xls workbook, or one with a password, cannot be read here")
    if body[:4] == _WORKBOOK:
        return _part_workbook(body, uid, others)
    return _part_text(body, uid, others)


def _part_text(body: bytes, uid: str, ids: frozenset[str]) -> ListRowsResult:
    whole, encoding = _decoded(body)
    # The mark of UTF, and Excel's own way to tell the separator, are not part of the first row.
    mark = re.match(r"\ufeff?(?:sep=[;,\t]\r?\n)?", whole)
    text = whole[mark.end() :] if mark else whole
    try:
        records = _records(text)
    except csv.Error as error:
        raise ListError(f"it is no table of rows ({error})") from error
    is_named = _named(next((cells for _, cells in records if any(cells)), []), uid, ids)
    rows = [cells for _, cells in records if is_named(cells)]
    rest = whole.removesuffix(text) + "".join(raw for raw, cells in records if not is_named(cells))
    return ListRowsResult(
        rest.encode(encoding), rows, len(compile_word_pattern([uid, *distinctive_ids(ids)]).findall(rest))
    )


def distinctive_ids(ids: Iterable[str]) -> list[str]:
    """The ids that are long enough to mean this customer wherever they stand as a word."""
    return [one for one in ids if len(one) >= 5]


def _named(header: Sequence[str], uid: str, ids: frozenset[str]) -> Named:
    """Whether a row names the customer, by the columns that hold ids."""
    usual = {plain(name) for name in (*USUAL_NAMES, *OTHER_IDS)}
    places = [place for place, cell in enumerate(header) if plain(cell) in usual]
    anywhere = frozenset(map(_folded, (uid, *ids)))
    meant = {place: frozenset(map(_folded, _meant(header[place], uid, ids))) for place in places}

    def named(cells: Sequence[str]) -> bool:
        if cells == header and places:
            return False
        if places:
            return any(_folded(cell) in meant[place] for place, cell in enumerate(cells) if place in meant)
        return any(_folded(cell) in anywhere for cell in cells)

    return named


def _meant(column: str, uid: str, ids: frozenset[str]) -> frozenset[str]:
    if plain(column) == "customeruid":
        return frozenset({uid})
    return ids if plain(column) == "externalid" else ids | {uid}


def _folded(cell: str) -> str:
    return cell.casefold() if "@" in cell else cell


def _decoded(body: bytes) -> tuple[str, str]:
    """The text and the encoding that gives the same bytes again; a mark at its start stays in the text."""
    marked = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}.get(body[:2])
    for encoding in (marked,) if marked else ("utf-8", "cp1252", "latin-1"):
        try:
            text = body.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not re.search(r"[\x00-\x08\x0e-\x1f]", text):
            return text, encoding
    raise ListError("it is neither text nor a workbook")


def _records(text: str) -> list[tuple[str, list[str]]]:
    """Each record as it stands and its cells, by the one separator that makes rows of one width."""
    found = [records for separator in _SEPARATORS if (records := list(_split(text, separator)))]
    even = [records for records in found if _width(records) > 1]
    if len(even) == 1:
        return even[0]
    return [(line, [_cell(line)]) for line in io.StringIO(text, newline="")]


def _split(text: str, separator: str) -> Iterator[tuple[str, list[str]]]:
    raw: list[str] = []

    def lines() -> Iterator[str]:
        for line in io.StringIO(text, newline=""):
            raw.append(line)
            yield line

    for cells in csv.reader(lines(), delimiter=separator):
        yield "".join(raw), [_cell(cell) for cell in cells]
        raw.clear()


def _width(records: list[tuple[str, list[str]]]) -> int:
    """How many cells each filled row has; 0 when that differs."""
    widths = {len(cells) for _, cells in records if any(cells)}
    return widths.pop() if len(widths) == 1 else 0


def _cell(text: str) -> str:
    cell = trim(text)
    quoted = len(cell) > 1 and cell[0] == cell[-1] == '"'
    return (cell[1:-1] if quoted else cell).removeprefix("'")  # An apostrophe keeps a spreadsheet from counting.


def _part_workbook(body: bytes, uid: str, ids: frozenset[str]) -> ListRowsResult:
    words = compile_word_pattern([uid, *distinctive_ids(ids)])
    rows: list[list[str]] = []
    book = _workbook(body)
    for sheet in book.worksheets:
        cells = [[_cell(str(one.value)) if one.value is not None else "" for one in row] for row in sheet.iter_rows()]
        is_named = _named(next(filter(any, cells), []), uid, ids)
        going = [number for number, row in enumerate(cells, 1) if is_named(row)]
        rows += [cells[number - 1] for number in going]
        if going and (fixed := _fixed(sheet)):
            raise ListError(
                f"sheet {sheet.title!r} holds {fixed}, which would be lost or moved. Delete the row in Excel"
            )
        for number in reversed(going):
            sheet.delete_rows(number)
    if not rows:
        return ListRowsResult(body, [], count_in_zip(body, words))
    written = io.BytesIO()
    book.save(written)
    return ListRowsResult(written.getvalue(), rows, count_in_zip(written.getvalue(), words))


def _workbook(body: bytes) -> Any:
    try:
        import openpyxl
    except ImportError as error:
        raise ListError('a workbook needs openpyxl: pip install "frgroups[excel]"') from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", UserWarning)  # It warns so of what it will not write again.
            return openpyxl.load_workbook(io.BytesIO(body))
    except UserWarning as error:
        raise ListError("the workbook holds what would be lost when it is written again") from error
    except Exception as error:  # A damaged workbook raises whatever its zip and XML readers do.
        raise ListError(f"it is not a whole workbook ({type(error).__name__})") from error


def _fixed(sheet: Any) -> str:
    """What of a sheet does not follow its rows; "" when it holds plain cells."""
    formulas = any(cell.data_type == "f" for row in sheet.iter_rows() for cell in row)
    parts = {
        "formulas": formulas,
        "merged cells": sheet.merged_cells.ranges,
        "a table": sheet.tables,
        "charts or pictures": sheet._charts or sheet._images,
    }
    return " and ".join(name for name, there in parts.items() if there)


def count_in_zip(body: bytes, words: re.Pattern[str]) -> int:
    """How often these words stand in the parts of a zip file, such as a workbook."""
    with zipfile.ZipFile(io.BytesIO(body)) as parts:
        return sum(len(words.findall(parts.read(name).decode("utf-8", "replace"))) for name in parts.namelist())
