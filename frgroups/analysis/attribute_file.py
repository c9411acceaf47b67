"""Read additional attributes of customers from a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from frgroups.analysis.customer_tables import CUSTOMER
from frgroups.errors import ListError
from frgroups.internals.spreadsheets import read_table
from frgroups.snapshot.id_columns import describe_columns, find_column, read_id_column

_PARQUET = ".parquet"
_FLAGS = {"true": True, "false": False}
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,14})")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)


def read_attributes(path: Path) -> pd.DataFrame:
    """
    Read a table of customer uids and attributes for segment rules, with one row per customer.

    A Parquet file stores the type of each column. In a CSV or Excel file, a column is converted to numbers, booleans
    (true and false), or times if every filled cell has this form. Times must be in ISO format. Values with leading
    zeros or a decimal comma are not converted to numbers, so that ids such as 007 remain strings. Blank cells become
    missing values.

    Raises
    ------
    ListError
        The file cannot be read, lacks the column customer_uid, or has a column without a name.
    """
    if path.suffix.lower() == _PARQUET:
        return _read_parquet(path)
    table = read_table(path, None)
    header = [str(cell) for cell in table.rows[0][1]]
    position = find_column(header, CUSTOMER, table.source)
    if position is None:
        raise ListError(f"{table.source} needs a column {CUSTOMER!r}. {describe_columns(header)}")
    if "" in header:
        raise ListError(f"{table.source}, column {header.index('') + 1} has no name. Write a name in the first row.")
    columns = {CUSTOMER: pd.Series([uid for _, uid in read_id_column(table, position)], dtype="str")}
    for number, name in enumerate(header):
        if number == position:
            continue
        if name in columns:
            raise ListError(f"{table.source} has two columns {name!r}. Rename or remove one of them.")
        columns[name] = _parse_cells([str(cell) for _, cell in table.column(number)])
    return pd.DataFrame(columns)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise ListError(f"Cannot read {path}: {error}") from error


def _parse_cells(cells: Sequence[str]) -> pd.Series:
    """
    Convert a column to integers, decimal numbers, booleans, or times if every filled cell has this form.

    Examples
    --------
    >>> [str(_parse_cells(cells).dtype) for cells in (["5", ""], ["0.5", "1"], ["007"], ["true"], ["2026-11-30"])]
    ['Int64', 'Float64', 'str', 'boolean', 'datetime64[us, UTC]']
    """
    filled = [cell for cell in cells if cell]
    values = [cell or None for cell in cells]
    if not filled:
        return pd.Series(values, dtype="str")
    if all(map(_INTEGER.fullmatch, filled)):
        return pd.Series([None if cell is None else int(cell) for cell in values], dtype="Int64")
    if all(map(_NUMBER.fullmatch, filled)):
        return pd.Series([None if cell is None else float(cell) for cell in values], dtype="Float64")
    if all(cell.casefold() in _FLAGS for cell in filled):
        return pd.Series([None if cell is None else _FLAGS[cell.casefold()] for cell in values], dtype="boolean")
    texts = pd.Series(values, dtype="str")
    if all(map(_TIME.fullmatch, filled)):
        times = pd.to_datetime(texts, utc=True, format="ISO8601", errors="coerce")
        if times.notna().equals(texts.notna()):
            return times
    return texts
