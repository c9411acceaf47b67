"""Registers of groups: owner, purpose, campaign, validity and limits of each group."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from frgroups.errors import GroupNotFoundError, InputError, ListError
from frgroups.internals.redaction import safe_repr
from frgroups.internals.spreadsheets import Table, normalize_column_name, read_table, reject_damaged_ids
from frgroups.internals.validation import check_type
from frgroups.snapshot.membership_matrix import check_uids
from frgroups.snapshot.schema import TIMESTAMP_DTYPE, coerce_schema

_ONE_DAY = pd.Timedelta(days=1)

_KEYS = ("customer_group_uid", "group")
REGISTER = {
    "owner": "str",
    "purpose": "str",
    "campaign_uid": "str",
    "discount_percent": "float64",
    "valid_from": TIMESTAMP_DTYPE,
    "valid_to": TIMESTAMP_DTYPE,
    "exclusive_set": "str",
    "protected": "boolean",
    "expected_type": "str",
    "max_removals": "Int64",
    "max_additions": "Int64",
}

_YES = ("yes", "true", "1", "x", "ja", "sann", "sant")
_NO = ("no", "false", "0", "nei", "nej", "usann", "falskt")


def read_register(path: str | Path, *, sheet: str | None = None) -> pd.DataFrame:
    r"""
    Read a register of groups, with a row for each group, from a CSV or Excel file.

    The API tells of a group its name and two dates. What else its owner knows stands here: it turns into findings of
    `health_report` and of plans, into limits of each group, and into the campaigns of `campaign_reach`.

    Parameters
    ----------
    path
        Separators, encodings and workbooks as in `read_list`. The headers may be spelled freely (`Valid to`).
    sheet
        The sheet of a workbook that has several.

    Returns
    -------
    DataFrame
        One row per row of the file, in its order. First the group: `customer_group_uid` (`str`), or where the file
        lacks that column, `group` (`str`, uid or unique name). Then all of these, missing where the file has
        nothing:

        - owner, purpose (`str`)
        - campaign_uid (`str`), discount_percent (`float64`, 0 to 100): the campaign that names the group
        - valid_from, valid_to (`datetime64[us, UTC]`, the start of a day): the first and the last day; the last
          one still counts
        - exclusive_set (`str`): a customer should be in one group of a set, such as the tiers of a club
        - protected (`bool`; blank is False): a plan may not touch the group
        - expected_type (`str`): the customer_type of its members, PERSON, or several: B2B|COMPANY
        - max_removals, max_additions (`Int64`): how many customers one plan may take out, or let in

        Other columns follow as they are (`str`).

    Raises
    ------
    ListError
        The file cannot be read without guessing, has no column for the group, a group twice, or a cell that is
        not what its column holds; the message names the file, row, column and value, and what to write.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "register.csv")
    ...     _ = path.write_text("Group;Discount percent;Valid to;Protected\nVIP;12,5;2026-12-31;\nstaff;;;yes\n")
    ...     register = read_register(path)
    >>> register[["group", "discount_percent", "valid_to", "protected"]]
       group  discount_percent                  valid_to  protected
    0    VIP              12.5 2026-12-31 00:00:00+00:00      False
    1  staff               NaN                       NaT       True
    """
    table = read_table(path, sheet)
    header = _read_header(table)
    if not set(header) & set(_KEYS):
        raise ListError(
            f"{table.source} names no group: write a column customer_group_uid, or group with the uid or unique "
            f"name. Its columns are {', '.join(map(repr, header))}."
        )
    key = key_column(header)
    columns = {name: [(number, row[place]) for number, row in table.rows[1:]] for place, name in enumerate(header)}
    _check_key(table.source, key, columns[key])
    if "campaign_uid" in columns:
        reject_damaged_ids(columns["campaign_uid"], table.source)
    values = {name: _read_column(table.source, name, cells) for name, cells in columns.items()}
    _check_days(table, values)
    frame = coerce_schema(
        pd.DataFrame({key: pd.Series(values.pop(key), dtype="str"), **values}), {key: "str", **REGISTER}
    )
    return frame.assign(protected=frame["protected"].fillna(False).astype("bool"))


def key_column(columns: Iterable[Hashable]) -> str:
    """
    Return the column that names the group of each row of a register; if there is none, the preferred one.

    Examples
    --------
    >>> key_column(["owner", "group"]), key_column(["owner"])
    ('group', 'customer_group_uid')
    """
    names = set(columns)
    return next((key for key in _KEYS if key in names), _KEYS[0])


class _CellType(NamedTuple):
    """A parser of cells, which raises ValueError for an invalid cell, and a description of valid cells."""

    parse: Callable[[str], Any]
    description: str


def _parse_percentage(text: str) -> float:
    value = float(text.removesuffix("%").strip().replace(",", "."))
    if not (value == 0 or 1 <= value <= 100):  # A spreadsheet stores a cell that it displays as 10% as 0.1.
        raise ValueError
    return value


def _parse_day(text: str) -> date:
    return date.fromisoformat(text.removesuffix(" 00:00:00"))  # A date cell of a workbook has a time.


def _parse_flag(text: str) -> bool:
    if text.casefold() not in (*_YES, *_NO):
        raise ValueError
    return text.casefold() in _YES


def _parse_customer_types(text: str) -> str:
    return "|".join(sorted(re.findall(r"\w+", text.upper())))


def _parse_count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError
    return int(text)


_TEXT = _CellType(str, "text")
_DAY = _CellType(_parse_day, "a day such as 2026-11-30")
_NUMBER = _CellType(_parse_count, "a whole number, such as 0 or 50; blank for the limits of the plan")
_CELL_TYPES = {
    "discount_percent": _CellType(_parse_percentage, "a percentage, 0 or from 1 to 100, such as 10 or 12,5"),
    "valid_from": _DAY,
    "valid_to": _DAY,
    "protected": _CellType(_parse_flag, "yes or no"),
    "expected_type": _CellType(_parse_customer_types, "PERSON, or several: B2B|COMPANY"),
    "max_removals": _NUMBER,
    "max_additions": _NUMBER,
}


def _read_header(table: Table) -> list[str]:
    """Return the names of the columns; known columns get their usual spelling."""
    known = {normalize_column_name(name): name for name in (*_KEYS, *REGISTER)}
    cells = [str(cell) for cell in table.rows[0][1]]
    names = [known.get(normalize_column_name(cell), cell) for cell in cells]
    for place, name in enumerate(names):
        if not name:
            raise ListError(
                f"{table.source}: column {place + 1} is filled but has no header. Name it in the first row."
            )
        if name in names[:place]:
            first = cells[names.index(name)]
            raise ListError(f"{table.source} has two columns for {name}: {first!r} and {cells[place]!r}. Keep one.")
    return names


def _check_key(source: Path, key: str, cells: Sequence[tuple[int, str]]) -> None:
    """Raise ListError if a row has no group, or if two rows have the same group."""
    reject_damaged_ids(cells, source)
    seen: dict[str, int] = {}
    for number, cell in cells:
        if not cell:
            raise ListError(f"{source}, row {number}, column {key}: blank. Write the group, or take the row out.")
        if cell in seen:
            raise ListError(f"{source}, rows {seen[cell]} and {number}: both are of {cell!r}. Keep one row a group.")
        seen[cell] = number


def _read_column(source: Path, name: str, cells: Sequence[tuple[int, str]]) -> list[Any]:
    """Return the values of a column, None for a blank cell."""
    cell_type = _CELL_TYPES.get(name, _TEXT)
    values: list[Any] = []
    for number, cell in cells:
        try:
            values.append(cell_type.parse(cell) if cell else None)
        except ValueError:
            raise ListError(
                f"{source}, row {number}, column {name}: {safe_repr(str(cell))} cannot be read. "
                f"Write {cell_type.description}."
            ) from None
    return values


def _check_days(table: Table, values: dict[str, list[Any]]) -> None:
    """Raise ListError if the last day of a row is before its first day."""
    numbers = [number for number, _ in table.rows[1:]]
    for number, first, last in zip(numbers, values.get("valid_from", ()), values.get("valid_to", ()), strict=False):
        if first and last and last < first:
            raise ListError(
                f"{table.source}, row {number}, column valid_to: {last} is before {first}, its valid_from. "
                "Write the last day on which it counts."
            )


def match_register(register: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """
    Return a register with the uid of the group of each row, for the groups of a tenant as {uid: name}.

    The columns are customer_group_uid (missing if no group matches), group (the uid or name in the register), and
    those of `read_register`. Raises InputError if `register` is not a register, if a name is not unique, or if two
    rows have the same group.

    Examples
    --------
    >>> register = pd.DataFrame({"group": ["VIP", "gone"], "owner": ["Marketing", "Marketing"]})
    >>> match_register(register, {"vip": "VIP"})[["customer_group_uid", "group", "owner"]]
      customer_group_uid group      owner
    0                vip   VIP  Marketing
    1                NaN  gone  Marketing
    """
    check_type(register, pd.DataFrame, "register")
    key = key_column(register)
    uids_or_names = check_uids(register, key, "register").reset_index(drop=True)
    if key == "customer_group_uid":
        uids = uids_or_names.where(uids_or_names.isin(list(names)))
    else:
        uids = _find_uids(uids_or_names, names)
    repeated = uids[uids.notna() & uids.duplicated(keep=False)]
    if len(repeated):
        uid = repeated.iloc[0]
        spellings = " and ".join(map(repr, uids_or_names[uids == uid]))
        raise InputError(f"register has {(uids == uid).sum()} rows of the group {uid!r}: {spellings}. Keep one.")
    rows = coerce_schema(register, REGISTER).drop(columns=[name for name in _KEYS if name in register])
    rows["protected"] = rows["protected"].fillna(False).astype("bool")
    rows.insert(0, "customer_group_uid", uids.astype("str"))
    rows.insert(1, "group", uids_or_names)
    return rows


def has_ended(rows: pd.DataFrame, at: datetime) -> pd.Series:
    """Return True for each row of a register whose last day is over at a time."""
    return rows["valid_to"] + _ONE_DAY <= pd.Timestamp(at)


def has_started(rows: pd.DataFrame, at: datetime) -> pd.Series:
    """Return True for each row of a register that has no first day, or whose first day has begun at a time."""
    return ~(rows["valid_from"] > pd.Timestamp(at))


def _find_uids(uids_or_names: pd.Series, names: Mapping[str, str]) -> pd.Series:
    """Return the uid of each uid or unique name, missing if there is no such group."""
    uids_of_name: dict[str, list[str]] = {}
    for uid, name in names.items():
        uids_of_name.setdefault(name, []).append(uid)

    def find_uid(uid_or_name: str) -> str | None:
        if uid_or_name in names:
            return uid_or_name
        matches = uids_of_name.get(uid_or_name, [])
        if len(matches) > 1:
            raise GroupNotFoundError(
                f"The register names {uid_or_name!r}, but {len(matches)} groups have that name: "
                f"{', '.join(matches)}. Write the uid.",
                close=matches,
            )
        return matches[0] if matches else None

    return uids_or_names.map(find_uid).astype("str")
