"""Reject customer lists in which a row has no id, or in which an id is outside the id column."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from itertools import pairwise

import pandas as pd

from frgroups.errors import ListError
from frgroups.internals.csv_records import SEPARATORS
from frgroups.internals.formatting import agree, describe_rows, format_list, pluralize, shell_argument
from frgroups.internals.id_cells import NumberedCell, clean_cell, clean_id, looks_like_id
from frgroups.internals.id_parts import hide_words
from frgroups.internals.redaction import repr_id
from frgroups.internals.spreadsheets import Table, normalize_column_name
from frgroups.snapshot.id_columns import COLUMN_IN_CLI, is_external_id_name
from frgroups.snapshot.id_contents import UUID, has_shape_of
from frgroups.snapshot.uid_lookup import is_known

_UID_NAMES = frozenset({"customeruid", "uid"})
_INTEGER = re.compile(r"0|[1-9][0-9]{0,17}")
_PLAIN_NUMBER = re.compile(r"0|[1-9]\d{0,5}")
# This pattern matches values that are ids if they occur above the header.
# A year is not matched, because a title row can contain a year.
_SKIPPED_ID = re.compile(rf"{UUID.pattern}|(?!(?:19|20)[0-9]{{2}}$)[A-Za-z]?-?[0-9]{{4,}}")

_IF_NO_NAMES = "If the file has no column names, insert a row of column names above the ids."


def reject_rows_without_id(
    table: Table, position: int, id_columns: Collection[int] = (), *, has_header: bool = True
) -> None:
    """
    Raise ListError if a row has no id but is not blank. A row that contains only an apostrophe is not blank.

    Such a row can belong to a customer whose id is missing or is in another column. A plan that makes the group equal
    to the list would remove this customer. If another column in `id_columns` contains an id in all of these rows, the
    error message names this column.
    """
    # All remaining rows contain a value, because `read_table` has removed the blank rows.
    rows = [(number, row) for number, row in table.rows[has_header:] if not clean_id(row[position])]
    numbers = [number for number, _ in rows]
    if numbers:
        header = table.rows[0][1]
        filled = [header[n] for n in id_columns if n != position and all(clean_id(row[n]) for _, row in rows)]
        hint = cli_hint = ""
        if filled:
            contains = f"The column {filled[0]!r} contains ids in these rows. To read all ids from it,"
            hint = f"{contains} pass column={filled[0]!r}."
            cli_hint = f"{contains} pass --column {shell_argument(filled[0])} with --list."
        verb, noun = agree(len(numbers), "has", "have"), agree(len(numbers), "id", "ids")
        place = f" in the column {header[position]!r}" if has_header else ""
        raise ListError(
            f"{table.source}, {describe_rows(numbers)} {verb} no id{place}. "
            f"Fill in the {noun}, or delete the {agree(len(numbers), 'row', 'rows')}.",
            hint=hint,
            cli_hint=cli_hint,
        )


def reject_skipped_ids(table: Table, position: int, customers: pd.DataFrame | None, *, has_header: bool) -> None:
    """
    Raise ListError if the header row or a row above it contains an id, because this id would not be read.

    A value is an id if a known customer has this id, if it has the format of another id of the list, or if it is a
    UUID or a number of at least four digits that is not a year.

    Parameters
    ----------
    table
        Rows of the list.
    position
        Position of the id column.
    customers
        The known customers, or None.
    has_header
        Whether the first row contains column names.
    """
    number, header = table.rows[0]
    skipped = {row: set(map(clean_id, cells)) for row, cells in table.skipped_rows}
    not_read = {cell for cells in (map(clean_id, header), *skipped.values()) for cell in cells if cell}
    known = _known_ids(not_read, customers)
    values = pd.Series(sorted(not_read), dtype="str")
    ids = pd.Series([clean_id(row[position]) for _, row in table.rows[1:]], dtype="str")
    similar = set(filter(looks_like_id, values[has_shape_of(values, ids)]))

    def is_id(cell: str) -> bool:
        return cell in known or cell in similar or _SKIPPED_ID.fullmatch(cell) is not None

    if not has_header or is_id(clean_id(header[position])) or not known.isdisjoint(header):
        raise ListError(
            f"Row {number} of {table.source} contains ids, so it cannot be the header row.",
            hint=f"Pass the number of the row with the column names as header_row=. {_IF_NO_NAMES}",
            cli_hint=f"Pass the number of the row with the column names as --header-row. {_IF_NO_NAMES}",
        )
    numbers = [row for row, cells in skipped.items() if any(map(is_id, cells))]
    if numbers:
        verb, noun = agree(len(numbers), "contains", "contain"), agree(len(numbers), "row", "rows")
        raise ListError(
            f"{table.source}, {describe_rows(numbers)} above the header row {number} {verb} ids that would not be "
            f"read. Move the header above all ids, or delete the {noun}."
        )


def reject_transposed(table: Table, position: int, customers: pd.DataFrame | None) -> None:
    """
    Raise ListError if the ids are probably in the first row instead of in the id column.

    Parameters
    ----------
    table
        Rows of the list. The first row contains the name of the id column.
    position
        Position of the id column.
    customers
        The known customers, or None.
    """
    (number, header), *rows = table.rows
    names = [name for n, name in enumerate(header) if n != position and name]
    cells = [row[position] for _, row in rows if row[position]]
    n_known, n_ids = len(_known_ids(names, customers)), sum(map(looks_like_id, names))
    is_transposed = 2 * n_known > len(names)
    if n_ids > 1 and 2 * n_ids > len(names):
        is_transposed |= not any(map(looks_like_id, cells))
    if cells and is_transposed and not _known_ids(cells, customers):
        raise ListError(
            f"{table.source}, row {number} contains {pluralize(max(n_known, n_ids), 'id')} next to the column name "
            f"{repr_id(header[position])}. Write one id per row below the column name.",
            hint="If the column contains the ids, pass a snapshot with these customers, or delete the other columns.",
            cli_hint="If the column contains the ids, delete the other columns.",
        )


def reject_unnamed_ids(table: Table, position: int) -> None:
    """
    Raise ListError if a column without a name contains ids in the format of the id column.

    A column of row numbers is ignored, because many programs add such a column. The index of a filtered DataFrame,
    which contains increasing integers, is also ignored.
    """
    (_, header), *rows = table.rows
    for column in [n for n, name in enumerate(header) if not name]:
        cells = [(number, str(row[column])) for number, row in rows if row[column]]
        values = pd.Series([cell for _, cell in cells], dtype="str")
        is_index = column == 0 and len(cells) == len(rows) > 1 and _is_increasing(values)
        if is_index or _are_row_numbers(values):
            continue
        ids = pd.Series([str(row[position]) for _, row in rows], dtype="str")
        has_shape = has_shape_of(values, ids)
        similar = [cell for cell, is_similar in zip(cells, has_shape, strict=True) if is_similar]
        similar = [(number, cell) for number, cell in similar if looks_like_id(cell)]
        if 2 * len(similar) > len(cells):
            raise ListError(
                f"{table.source}, {describe_rows(number for number, _ in similar)}: a column without a name contains "
                f"{agree(len(similar), 'a value', 'values')} such as {repr_id(hide_words(similar[0][1]))}, which can "
                "be an id. Write one id per row. If the column is an index, write a name above it, or delete it."
            )


def reject_swallowed_rows(table: Table, position: int) -> None:
    """
    Raise ListError if a cell with line breaks contains a complete row, because this row would not be read.

    Two unmatched quotation marks combine the rows between them into one cell. A line of such a cell is treated as a
    row if it has as many values as the header has columns, and if its id has the format of another id.
    """
    lines = [
        (number, line.split(separator))
        for number, row in table.rows
        for cell in row
        if "\n" in cell or "\r" in cell
        for line in cell.splitlines()
        for separator in SEPARATORS
    ]
    rows = [(number, clean_id(clean_cell(cells[position]))) for number, cells in lines if len(cells) >= table.width]
    if not rows or table.width == 1:
        return
    values = pd.Series([value for _, value in rows], dtype="str")
    has_shape = has_shape_of(values, pd.Series([clean_id(cell) for _, cell in table.column(position)], dtype="str"))
    numbers = [
        n for (n, value), is_similar in zip(rows, has_shape, strict=True) if is_similar and looks_like_id(value)
    ]
    if numbers:
        raise ListError(
            f"{table.source}, {describe_rows(dict.fromkeys(numbers))}: a cell contains complete rows of the list, "
            "probably because of two unmatched quotation marks. Correct the quotation marks, or save the list again."
        )


def _are_row_numbers(cells: Iterable[str]) -> bool:
    """Return True if the cells contain consecutive numbers from 0 or 1. Many programs add such a column."""
    return all(cell in (str(n), str(n + 1)) for n, cell in enumerate(cells))


def _is_increasing(cells: Iterable[str]) -> bool:
    """Return True if the cells contain increasing integers. An integer with leading zeros is probably an id."""
    if not all(map(_INTEGER.fullmatch, cells)):
        return False
    return all(number < following for number, following in pairwise(map(int, cells)))


def _known_ids(ids: Collection[str], customers: pd.DataFrame | None) -> set[str]:
    """Return the ids that are customer uids or external ids of known customers."""
    if customers is None:
        return set()
    values = pd.Series(list(ids), dtype="str")
    return set().union(*(values[is_known(values, customers[kind])] for kind in ("customer_uid", "external_id")))


def reject_unclear_columns(table: Table, positions: Sequence[int]) -> None:
    """
    Raise ListError if several columns have usual names and contain different ids.

    The ids of a row can belong to the same customer, but this cannot be checked without a snapshot.
    """
    first, *others = positions
    if all(row[first] == row[other] for _, row in table.rows[1:] for other in others):
        return
    names = format_list([repr(table.rows[0][1][position]) for position in positions])
    raise ListError(
        f"{table.source} has {len(positions)} columns that can contain the ids: {names}.",
        hint="Pass column= to choose a column, or pass snapshot= to check that all ids in a row belong to the same "
        "customer.",
        cli_hint=COLUMN_IN_CLI,
    )


def reject_contradictions(table: Table, positions: Sequence[int], customers: pd.DataFrame) -> None:
    """
    Raise ListError if the id columns of a row refer to different customers.

    Parameters
    ----------
    table
        Rows of the list.
    positions
        Positions of the id columns. The ids of the first column are used.
    customers
        The known customers.
    """
    header = table.rows[0][1]
    columns = [[(number, clean_id(cell)) for number, cell in table.column(position)] for position in positions]
    used, *others = [_IdColumn(header[n], cells, customers) for n, cells in zip(positions, columns, strict=True)]
    for other in others:
        if used.kind is None or other.kind is None:
            continue
        rows = [
            number
            for (number, used_id), (_, other_id) in zip(used.cells, other.cells, strict=True)
            if used_id and other_id and used.contradicts(used_id, other, other_id)
        ]
        if rows:
            raise ListError(
                f"{table.source} has {pluralize(len(rows), 'row')} in which the columns {used.name!r} and "
                f"{other.name!r} refer to different customers: {describe_rows(rows)}. Correct the rows.",
                hint="To use only one of the columns, pass column=.",
                cli_hint="To use only one of the columns, pass --column with --list, or delete the other column.",
            )


def reject_other_customers(table: Table, position: int, id_columns: Collection[int], customers: pd.DataFrame) -> None:
    """
    Raise ListError if another column contains the id of a known customer who is not the customer of the row.

    Such a column can contain the remaining ids of a list that is divided into several columns. A plain number such as
    150 can be an amount. Therefore, it is treated as an id only if at least half of the filled cells in its column
    are ids of known customers.

    Parameters
    ----------
    table
        Rows of the list. The first row contains the column names.
    position
        Position of the id column.
    id_columns
        Positions of the columns with usual names, which are not checked. See `reject_contradictions`.
    customers
        The known customers.
    """
    header = table.rows[0][1]
    own_name = header[position]
    own_ids = [clean_id(cell) for _, cell in table.column(position)]
    kinds = ("customer_uid", "external_id")
    others = {
        other: [(number, clean_id(cell)) for number, cell in table.column(other)]
        for other in range(table.width)
        if other != position and other not in id_columns
    }
    owners = _owners({cell for cells in others.values() for _, cell in cells}, customers, kinds)
    if not owners:
        return
    own_owners = _owners(set(own_ids), customers, kinds)
    for other, cells in others.items():
        filled = [(number, own, cell) for own, (number, cell) in zip(own_ids, cells, strict=True) if cell]
        if _are_row_numbers(cell for _, _, cell in filled):
            continue
        known = [(number, own, cell) for number, own, cell in filled if cell in owners]
        is_id_column = 2 * len(known) >= len(filled)
        rows = [
            number
            for number, own, cell in known
            if not owners[cell] & own_owners.get(own, set()) and (is_id_column or not _PLAIN_NUMBER.fullmatch(cell))
        ]
        if rows:
            name = f"the column {header[other]!r}" if header[other] else "a column without a name"
            raise ListError(
                f"{table.source}, {describe_rows(rows)}: {name} contains ids of other known customers than the "
                f"column {own_name!r}. Write one id per row, and put all ids in the same column.",
                hint=f"If only the ids in the column {own_name!r} are part of the list, pass column={own_name!r}.",
                cli_hint=f"If only the ids in the column {own_name!r} are part of the list, pass --column "
                f"'{own_name}' with --list. For other lists, delete the other column.",
            )


def columns_with_known_ids(table: Table, position: int, customers: pd.DataFrame) -> dict[str, int]:
    """
    Return the number of known ids in each column other than the id column, by column name.

    A column is included if at least half of its filled cells are ids of known customers. If the id column itself
    contains a known id, the dictionary is empty.
    """
    header = table.rows[0][1]
    if table.width == 1 or _known_ids({clean_id(cell) for _, cell in table.column(position)}, customers):
        return {}
    counts = {}
    for other, name in enumerate(header):
        cells = [clean_id(cell) for _, cell in table.column(other) if cell]
        known = _known_ids(set(cells), customers)
        n_known = sum(cell in known for cell in cells)
        if other != position and name and n_known and 2 * n_known >= len(cells) and not _are_row_numbers(cells):
            counts[name] = n_known
    return counts


def _owners(ids: Collection[str], customers: pd.DataFrame, kinds: Iterable[str]) -> dict[str, set[str]]:
    """Return a dictionary from id to the uids of its customers. `kinds` are the columns that can contain the id."""
    owners: dict[str, set[str]] = {}
    values = pd.Series(list(ids), dtype="str")
    for kind in kinds:
        known = customers[is_known(customers[kind], values)]
        for customer_id, uid in zip(known[kind], known["customer_uid"], strict=True):
            owners.setdefault(customer_id, set()).add(uid)
    return owners


class _IdColumn:
    """The ids in a column, and the known customers who have these ids."""

    def __init__(self, name: str, cells: Sequence[NumberedCell], customers: pd.DataFrame) -> None:
        self.name, self.cells = name, cells
        self._ids = pd.Series([cell for _, cell in cells], dtype="str")
        n_known = {kind: int(is_known(customers[kind], self._ids).sum()) for kind in ("customer_uid", "external_id")}
        normalized = normalize_column_name(name)
        self.kind: str | None = max(n_known, key=lambda kind: n_known[kind])
        if normalized in _UID_NAMES:
            self.kind = "customer_uid"
        elif is_external_id_name(name):
            self.kind = "external_id"
        elif not n_known[self.kind]:
            self.kind = None
        self._all_customers = customers

    def contradicts(self, own_id: str, other: _IdColumn, other_id: str) -> bool:
        """Return True if the id of this column and the id of another column cannot belong to the same customer."""
        own, others = self._customers.get(own_id, set()), other._customers.get(other_id, set())
        if own and others:
            return not own & others
        # If only one of the two ids is known, they contradict each other if its customer has a different id in the
        # other column.
        if own:
            return other.has_other_id(own)
        return bool(others) and self.has_other_id(others)

    def has_other_id(self, uids: Iterable[str]) -> bool:
        """Return True if each of the given customers has an id of the type that this column contains."""
        return self._uids_with_id.issuperset(uids)

    @cached_property
    def _customers(self) -> dict[str, set[str]]:
        if self.kind is None:
            return {}
        return _owners(self._ids, self._all_customers, [self.kind])

    @cached_property
    def _uids_with_id(self) -> frozenset[str]:
        customers = self._all_customers
        return frozenset(customers.loc[customers[self.kind].notna(), "customer_uid"])
