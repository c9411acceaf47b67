"""Read a list of customers from CSV or Excel, and find the customer uid of each id; nothing is guessed."""

from __future__ import annotations

import csv
import io
import logging
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from frgroups.codes import check_uids
from frgroups.errors import InputError, ListError
from frgroups.snapshot import Snapshot

log = logging.getLogger("frgroups.lists")

USUAL_NAMES = (
    *("customer_uid", "customer_id", "uid"),
    *("external_id", "external_customer_id", "customer_number", "customer_no"),
    *("kundenummer", "kundenr", "kunde_id", "kundnummer", "kundnr", "kund_id", "kunden_nummer", "asiakasnumero"),
    "id",
)
_OTHER_IDS = ("email", "e_mail", "e_post", "epost", "mobile", "mobil", "phone", "loyalty_id", "medlemsnummer")
_PERSONAL = ("email", "mobile", "loyalty_id")
_BY = ("external_id", "customer_uid", *_PERSONAL)
_SEPARATORS = {";": "semicolon", ",": "comma", "\t": "tab"}

_POINT_ZERO = re.compile(r"[+-]?\d+[.,]0+")
_SCIENTIFIC = re.compile(r"[+-]?\d+([.,]\d+)?[eE][+-]\d+")
_NOTHING = frozenset({"nan", "none", "null", "<na>", "nat"})
_JUNK = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_KEPT_AS_TEXT = re.compile(r'="(.*)"', re.DOTALL)
_NO_SEPARATOR = "\x1f"

Row = tuple[int, list[str]]  # the row's number as a spreadsheet shows it, and its cells


def read_list(path: str | Path, column: str | None = None, *, sheet: str | None = None) -> pd.Series:
    r"""
    The ids of a customer list in a CSV or Excel file, as a Series of dtype `str` named after their column.

    It can be given to `resolve_customers`, or as the wanted customers of a group to `plan_memberships`. Ids stay
    as they stand, `0150` too; blanks around them, blank rows and repetitions go, the order stays. What was
    dropped is logged.

    CSV may be separated by semicolons, commas or tabs, in UTF-8 or Windows-1252; an Excel workbook (.xlsx) needs
    the `excel` extra and ids in text cells, since a number cell has lost its leading zeros.

    Parameters
    ----------
    column
        The header of the id column. None takes the only column, or the first of these that is there, however it
        is spelled (`customerUid`, `Customer UID`): customer_uid, customer_id, uid, external_id,
        external_customer_id, customer_number, customer_no, kundenummer, kundenr, kunde_id, kundnummer, kundnr,
        kund_id, kunden_nummer, asiakasnumero, id.
    sheet
        The sheet of a workbook that has several.

    Notes
    -----
    A file with one column needs no header. Its first row is a header when it is one of the names above; it is an
    id when it has a digit or an @ and no blank inside; otherwise it is a header if every row below looks like
    such an id. Where that does not settle it, `column=` does. A list without a header is named "id".

    Raises
    ------
    ListError
        The file is missing, empty, no list, or not to be read without guessing: mixed separators, an unclear
        column, ids that a spreadsheet has spoiled (`150.0`, `1,5E+15`), numbers in Excel cells, hidden rows.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "vip.csv")
    ...     _ = path.write_text("Kundenummer;Navn\n0150;Kari\n0007;Ola\n")
    ...     list(read_list(path))
    ['0150', '0007']
    """
    table = _read_table(path, sheet)
    where, name, rows = _id_column(table, column)
    cells = [(number, row[where]) for number, row in rows]
    _refuse_spoiled(cells, table.source)
    ids = [cell for _, cell in cells if cell]
    if not ids:
        raise ListError(
            f"{table.source} holds no ids: column {name!r} is blank in all {len(cells)} rows. Write the ids below it."
        )
    if lost := sum(not row[where] and any(row) for _, row in rows):
        log.warning("%s: %d rows have no id in column %r and were left out", table.source, lost, name)
    once = list(dict.fromkeys(ids))
    log.info("%s: %d ids in column %r, %d repetitions dropped", table.source, len(once), name, len(ids) - len(once))
    return pd.Series(once, dtype="str", name=name)


def resolve_customers(
    snapshot: Snapshot,
    ids: Iterable[str],
    *,
    by: str = "external_id",
    directory: pd.DataFrame | str | Path | None = None,
) -> pd.DataFrame:
    """
    The customer uid of each id: columns id, customer_uid, outcome, a row per distinct id in the order given.

    `outcome` is "resolved", "unknown" (no customer has the id) or "ambiguous" (several have it, or snapshot and
    directory disagree); only a resolved row has a customer_uid. Ids are matched exactly, so `0150` is not
    `150`; e-mail addresses without regard to case and blanks around them.

    Parameters
    ----------
    by
        What the ids are: "external_id" or "customer_uid"; and of a snapshot loaded with `personal=True`,
        "email", "mobile" or "loyalty_id".
    directory
        A customer export of your own, as a table or a CSV or Excel file with the columns customer_uid and `by`:
        it tells of customers that are in no group, which a snapshot cannot show. What the snapshot says of a
        customer goes before; an id that it gives to someone else is ambiguous.

    >>> resolve_customers(sample_snapshot(), ["0001", "1", "0251"])
         id customer_uid   outcome
    0  0001          c-1  resolved
    1     1          NaN   unknown
    2  0251        c-251  resolved
    """
    if by not in _BY:
        raise InputError(f"by={by!r}; choose {', '.join(_BY)}.")
    wanted = pd.DataFrame({"id": pd.Series(_distinct_ids(ids), dtype="str")})
    known = _pairs(_customers_by(snapshot, by), by)
    disputed = pd.Index([], dtype="str")
    if directory is not None:
        told = _pairs(_directory_by(directory, by), by)
        own_key = known.drop_duplicates("customer_uid").set_index("customer_uid")["key"]
        said = told["customer_uid"].map(own_key)
        disputed = pd.Index(told.loc[said.notna() & (said != told["key"]), "key"])
        known = pd.concat([known, told], ignore_index=True).drop_duplicates()
    key = _key(wanted["id"], by)
    several = known["key"].duplicated(keep=False)
    ambiguous = key.isin(known.loc[several, "key"]) | key.isin(disputed)
    uid = key.map(known[~several].set_index("key")["customer_uid"]).astype("str").mask(ambiguous)
    outcome = pd.Series("unknown", index=wanted.index, dtype="str").mask(uid.notna(), "resolved")
    return wanted.assign(customer_uid=uid, outcome=outcome.mask(ambiguous, "ambiguous"))


@dataclass(frozen=True)
class _Table:
    """A file of cells: its rows that are not blank, all of one width; none is known to be the header yet."""

    source: Path
    rows: list[Row]

    @property
    def width(self) -> int:
        return len(self.rows[0][1])


def _read_table(path: str | Path, sheet: str | None) -> _Table:
    source = Path(path).expanduser()
    try:
        body = source.read_bytes()
    except OSError as error:
        found = "a folder" if source.is_dir() else error.strerror
        raise ListError(f"The list {source} cannot be read: {found}. Name a CSV or Excel file.") from error
    if body[:4] == b"\xd0\xcf\x11\xe0":
        raise ListError(
            f"{source} is an old .xls workbook or one with a password. Save it as .xlsx without a password, "
            "or as CSV UTF-8."
        )
    workbook = body[:4] == b"PK\x03\x04"
    if not workbook and source.suffix.lower() in (".xlsx", ".xlsm", ".xls"):
        raise ListError(f"{source} is named like a workbook but is none. Save it again as .xlsx or CSV UTF-8.")
    if not workbook and sheet is not None:
        raise ListError(f"sheet={sheet!r} was asked of {source}, which is no workbook. Leave sheet= out.")
    rows = list(_excel_rows(body, source, sheet) if workbook else _csv_rows(_text(body, source), source))
    rows = [(number, [_trim(cell) for cell in row]) for number, row in rows]
    rows = [(number, row) for number, row in rows if any(row)]
    if not rows:
        raise ListError(f"{source} is empty ({len(body):,} bytes, no cell filled). Write one id per row.")
    return _Table(source, _same_width(rows, source))


def _text(body: bytes, source: Path) -> str:
    """The text of a file in UTF-8, Windows-1252, or UTF-16 with its mark, as spreadsheets write them."""
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = body.decode("utf-16", errors="replace")
    else:
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = body.decode("cp1252", errors="replace")
    if _JUNK.search(text) or "\ufffd" in text:
        raise ListError(f"{source} is not text ({len(body):,} bytes). Save the list as CSV UTF-8 or .xlsx.")
    if text.lstrip()[:1] in ("<", "{", "["):
        raise ListError(f"{source} looks like HTML or JSON, not like a list. Save the list as CSV UTF-8 or .xlsx.")
    return text


def _csv_rows(text: str, source: Path) -> list[Row]:
    """The rows of a CSV text, with the one separator that fits all of them."""
    skipped = 0
    if hint := re.match(r"sep=([;,\t])\r?\n", text):  # Excel's own way to tell the separator.
        text, skipped = text[hint.end() :], 1
    lines = list(enumerate((_trim(line) for line in text.splitlines()), skipped + 1))
    first = next((line for _, line in lines if line), "")
    if "," not in first or _spoiled(first):  # One column: a comma in a line is then part of a number.
        _refuse_spoiled(lines, source)
    found: dict[str, list[Row]] = {}
    broken = ""
    for separator in _SEPARATORS:
        try:
            rows = [
                (number, row)
                for number, row in enumerate(
                    csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True), 1
                )
                if any(map(_trim, row))
            ]
        except csv.Error as error:
            broken = f"{_SEPARATORS[separator]}: {error}"
            continue
        if rows and len(rows[0][1]) > 1:
            found[separator] = [(number + skipped, row) for number, row in rows]
    even = {separator: rows for separator, rows in found.items() if not _odd_row(rows)}
    if len(even) == 1:
        return next(iter(even.values()))
    if found:
        separators = " and ".join(_SEPARATORS[separator] for separator in even or found)
        if len(found) == 1:
            [rows] = found.values()
            raise ListError(f"{source}: {_odd_row(rows)}; separated by {separators}. Mend that row, or its quotes.")
        raise ListError(
            f"{source} can be read as separated by {separators}. Save it with one separator, or the id column alone."
        )
    if broken:
        raise ListError(f"{source}: a quote is not closed or stands alone ({broken}). Save the list again.")
    return _one_column(text, source, skipped)


def _one_column(text: str, source: Path, skipped: int) -> list[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_NO_SEPARATOR, strict=True)
    rows = [(number + skipped, row) for number, row in enumerate(reader, 1) if row and row[0].strip(";,\t ")]
    for number, [cell] in rows:
        if held := [name for separator, name in _SEPARATORS.items() if separator in cell]:
            raise ListError(
                f"{source}: the first row is one column, but row {number} holds a {held[0]}. Save it with one "
                "separator throughout, or the id column alone."
            )
    return rows


def _odd_row(rows: Sequence[Row]) -> str:
    """The first row that is shorter than the first one, or fills a cell beyond it; "" when there is none."""
    width = len(rows[0][1])
    for number, row in rows:
        if len(row) < width or any(row[width:]):
            return f"row {number} has {len(row)} cells, the first row {width}"
    return ""


def _same_width(rows: list[Row], source: Path) -> list[Row]:
    """The rows without the columns that are blank throughout."""
    if odd := _odd_row(rows):
        raise ListError(f"{source}: {odd}. Mend that row.")
    filled = sorted({place for _, row in rows for place, cell in enumerate(row) if cell})
    return [(number, [row[place] for place in filled]) for number, row in rows]


def _excel_rows(body: bytes, source: Path, sheet: str | None) -> Iterator[Row]:
    """The rows of the one sheet that is filled, or that was asked for, with number cells marked as such."""
    cells = _sheet(body, source, sheet)
    hidden = sum(bool(shape.hidden) for row, shape in cells.row_dimensions.items() if 1 < row <= cells.max_row)
    if hidden:
        raise ListError(
            f"{source}: {hidden} rows of sheet {cells.title!r} are hidden or filtered out. Show all rows, or "
            "copy the visible ones to a workbook of their own."
        )
    for number, row in enumerate(cells.iter_rows(), 1):
        yield number, [_cell_text(cell) for cell in row]


def _sheet(body: bytes, source: Path, sheet: str | None) -> Any:
    try:
        import openpyxl
    except ImportError as error:
        raise ListError(
            f'{source} is a workbook, and reading one needs openpyxl: pip install "frgroups[excel]". '
            "Or save the list as CSV UTF-8."
        ) from error
    try:
        with warnings.catch_warnings():  # It tells of styles and validations, which no list needs.
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(io.BytesIO(body))
    except Exception as error:  # A damaged workbook raises whatever its zip and XML readers do.
        raise ListError(
            f"{source} is not a whole workbook ({type(error).__name__}). Save it again as .xlsx or CSV UTF-8."
        ) from error
    seen = [one for one in book.worksheets if one.sheet_state == "visible"]
    filled = [one for one in seen if any(cell.value is not None for row in one.iter_rows() for cell in row)]
    chosen = filled if sheet is None else [one for one in seen if one.title == sheet]
    if len(chosen) == 1:
        return chosen[0]
    titles = ", ".join(repr(one.title) for one in (filled or seen))
    if sheet is not None:
        raise ListError(f"{source} has no visible sheet {sheet!r}; it has {titles}.")
    if filled:
        raise ListError(f"{source} has {len(filled)} filled sheets: {titles}. Say which with sheet=.")
    raise ListError(f"{source} is empty: no cell is filled in {titles}. Write one id per row.")


class _NotText(str):
    """A cell of a workbook that is not text, as `kind` says; only the id column minds."""

    kind: str

    def __new__(cls, text: str, kind: str) -> _NotText:
        one = super().__new__(cls, text)
        one.kind = kind
        return one


def _cell_text(cell: Any) -> str:
    value = cell.value
    if value is None:
        return ""
    if cell.data_type in ("s", "inlineStr", "str") and isinstance(value, str):
        return value
    kinds = {"n": "a number", "d": "a date", "b": "TRUE or FALSE", "f": "a formula", "e": "an Excel error"}
    return _NotText(str(value), kinds.get(cell.data_type, f"a cell of kind {cell.data_type!r}"))


def _id_column(table: _Table, column: str | None) -> tuple[int, str, list[Row]]:
    """Which column holds the ids, its name, and the rows below the header."""
    first, below = table.rows[0][1], table.rows[1:]
    if column is not None:
        where = _named(first, column, table.source)
        if where is None:
            raise ListError(
                f"{table.source} has no column {column!r}; {_describe(first)}. Choose one of its columns."
            )
        return where, first[where], below
    for usual in USUAL_NAMES:
        where = _named(first, usual, table.source, exact=False)
        if where is not None:
            return where, first[where], below
    if table.width == 1:
        return (0, first[0], below) if _is_header(table) else (0, "id", table.rows)
    raise ListError(
        f"{table.source} has {table.width} columns, none with a usual name of an id column such as customer_uid, "
        f"external_id or kundenummer; {_describe(first)}. Say which holds the ids with column=."
    )


def _named(header: Sequence[str], name: str, source: Path, *, exact: bool = True) -> int | None:
    """The place of the column of this name: as it stands, or else however it is spelled."""
    same = [place for place, cell in enumerate(header) if exact and cell == _trim(name)]
    same = same or [place for place, cell in enumerate(header) if cell and _plain(cell) == _plain(name)]
    if len(same) > 1:
        names = " and ".join(repr(header[place]) for place in same)
        raise ListError(
            f"{source} has {len(same)} columns for {name!r}: {names}. Rename one, or say which with column=."
        )
    return same[0] if same else None


def _describe(header: Sequence[str]) -> str:
    """The columns of a file; not the cells of a first row that may be somebody's data."""
    if any(_looks_like_data(cell) for cell in header):
        return "its first row looks like data, not like a header: write a row of column names above it"
    return "its columns are " + ", ".join(repr(cell) for cell in header[:20] if cell)


def _is_header(table: _Table) -> bool:
    """Whether the first row of a file with one column names it; the rule is in `read_list`."""
    [first], below = table.rows[0][1], [row[0] for _, row in table.rows[1:]]
    if _plain(first) in {_plain(name) for name in _OTHER_IDS}:
        return True
    if isinstance(first, _NotText) or _looks_like_id(first):
        return False
    if below and all(isinstance(cell, _NotText) or _looks_like_id(cell) for cell in below):
        return True
    raise ListError(
        f"{table.source}: its first row, {first[:40]!r}, may be a header or an id. Say column={first[:40]!r} if it "
        "is a header; write the header customer_uid above it if it is an id."
    )


def _looks_like_id(cell: str) -> bool:
    return bool(re.fullmatch(r"\S*[\d@]\S*", cell))


def _looks_like_data(cell: str) -> bool:
    return "@" in cell or 2 * sum(map(str.isdigit, cell)) > len(cell) or len(cell) > 60


def _refuse_spoiled(cells: Sequence[tuple[int, str]], source: Path) -> None:
    """Raise when a spreadsheet or a number column has made these ids something else."""
    kinds = [(number, cell, kind) for number, cell in cells if (kind := _spoiled(cell))]
    if not kinds:
        return
    shown = " and ".join(f"row {number} ({cell[:40]})" for number, cell, _ in kinds[:2])
    more = f" and {len(kinds) - 2:,} more" if len(kinds) > 2 else ""
    kind = kinds[0][2]
    raise ListError(
        f"{source}: {len(kinds):,} ids are {kind}, not text: {shown}{more}. Digits or leading zeros may be lost. "
        "Export the list again, and open it with the id column as Text (Data > From Text) or not in Excel at all."
    )


def _spoiled(cell: str) -> str:
    if isinstance(cell, _NotText):
        return cell.kind
    if _POINT_ZERO.fullmatch(cell) or _SCIENTIFIC.fullmatch(cell):
        return "a number"
    if cell.casefold() in _NOTHING:
        return "a missing value"
    return "an Excel error" if re.fullmatch(r"#[A-Z/0]+[!?]|#N/A", cell) else ""


def _trim(cell: str) -> str:
    trimmed = cell.strip().strip("\u200b\ufeff").strip()
    if isinstance(cell, _NotText):
        return _NotText(trimmed, cell.kind)
    kept = _KEPT_AS_TEXT.fullmatch(trimmed)
    return kept[1].strip() if kept else trimmed


def _plain(name: str) -> str:
    return re.sub(r"[\s_.\-]", "", name).casefold()


def _distinct_ids(ids: Iterable[str]) -> list[str]:
    if isinstance(ids, str | bytes | pd.DataFrame) or not isinstance(ids, Iterable):
        raise InputError(
            f"ids takes several ids, not one {type(ids).__name__}; give a list or one column of a table."
        )
    listed = list(ids)
    for place, one in enumerate(listed):
        if not isinstance(one, str):
            raise InputError(
                f"ids[{place}] is {type(one).__name__}, not text: {one!r}. Leading zeros may be lost; read the "
                "column as text (dtype='str')."
            )
        if not one.strip():
            raise InputError(f"ids[{place}] is blank. Leave blank rows out; read_list does.")
    return list(dict.fromkeys(listed))


def _customers_by(snapshot: Snapshot, by: str) -> pd.DataFrame:
    if by not in snapshot.customers:
        raise InputError(
            f"by={by!r} needs contact data, which this snapshot does not hold. Load it with personal=True, or choose "
            "external_id or customer_uid."
        )
    return snapshot.customers


def _directory_by(directory: pd.DataFrame | str | Path, by: str) -> pd.DataFrame:
    frame = directory if isinstance(directory, pd.DataFrame) else _directory_file(directory, by)
    uids = check_uids(frame, "customer_uid", "directory")
    if by not in frame:
        raise InputError(f"directory needs a column {by!r}; it has {', '.join(map(repr, frame.columns))}.")
    filled = frame[by].notna()
    told = check_uids(frame.loc[filled & (frame[by] != "")], by, "directory")
    return pd.DataFrame({"customer_uid": uids.loc[told.index], by: told} if by != "customer_uid" else {by: uids})


def _directory_file(path: str | Path, by: str) -> pd.DataFrame:
    table = _read_table(path, None)
    header, rows = table.rows[0][1], table.rows[1:]
    columns: dict[str, list[str]] = {}
    for name in ("customer_uid", by):
        where = _named(header, name, table.source)
        if where is None:
            raise ListError(f"{table.source} needs a column {name!r} to be a directory; {_describe(header)}.")
        _refuse_spoiled([(number, row[where]) for number, row in rows], table.source)
        columns[name] = [row[where] for _, row in rows]
    return pd.DataFrame(columns, dtype="str")


def _pairs(customers: pd.DataFrame, by: str) -> pd.DataFrame:
    """Each id and the customer that has it, without those that have none."""
    pairs = pd.DataFrame({"key": _key(customers[by], by), "customer_uid": customers["customer_uid"].astype("str")})
    return pairs[pairs["key"].notna() & (pairs["key"] != "")].drop_duplicates(ignore_index=True)


def _key(ids: pd.Series, by: str) -> pd.Series:
    texts = ids.astype("str")
    return texts.str.strip().str.casefold() if by == "email" else texts
