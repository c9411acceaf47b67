"""Read group registers, which contain the owner, purpose, campaign, validity, and limits of each group."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from frgroups.analysis.consent import CHANNEL_NAMES
from frgroups.errors import GroupNotFoundError, InputError, ListError
from frgroups.internals.id_cells import reject_converted_names, reject_damaged_ids
from frgroups.internals.redaction import safe_repr
from frgroups.internals.spreadsheets import Table, normalize_column_name, read_table
from frgroups.internals.validation import wrong_type
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

# This column is not in REGISTER, because the register of a tenant without mailing groups does not need the column.
_CHANNEL = "channel"

_YES = ("yes", "true", "1", "x", "ja", "sann", "sant")
_NO = ("no", "false", "0", "nei", "nej", "usann", "falskt")


def read_register(path: str | Path, *, sheet: str | None = None) -> pd.DataFrame:
    r"""
    Read a register of groups from a CSV or Excel file.

    For each group, the API reports only a name and two timestamps. A register contains additional facts that only the
    owners of the groups know. Pass the register to `health_report`, `plan_memberships`, or `campaign_reach`.

    Parameters
    ----------
    path
        The path of the file. Separators, encodings, and workbooks are detected as in `read_list`. Column names are
        compared without case, spaces, underscores, periods, and hyphens, so `Valid to` is accepted.
    sheet
        The name of the sheet. It is required if a workbook has several sheets.

    Returns
    -------
    DataFrame
        One row per row of the file, in the same order. The first column is customer_group_uid (`str`). If the file
        has no such column, the first column is group (`str`), which contains a uid or a unique name. The following
        columns always exist, with missing values if the file has no value:

        - owner, purpose (`str`)
        - campaign_uid (`str`): the campaign that refers to the group
        - discount_percent (`float64`): the discount of the campaign, from 0 to 100
        - valid_from, valid_to (`datetime64[us, UTC]`): the start of the first day and the start of the last day. The
          group is valid until the end of the last day.
        - exclusive_set (`str`): the name of a set of groups, such as the tiers of a club. A customer should be in
          only one group of a set.
        - protected (`bool`): True if plans must not change the group. A blank cell is False.
        - expected_type (`str`): the expected customer_type of the members, or several types separated by "|", such as
          B2B|COMPANY
        - max_removals, max_additions (`Int64`): the largest number of customers that a plan may remove or add

        Other columns of the file follow unchanged (`str`). The optional column channel contains the channels of
        mailing groups: email, mobile, or email|mobile. A plan that adds customers to a mailing group reports the
        customers who have withdrawn their consent for its channels.

    Raises
    ------
    ListError
        If the file cannot be read unambiguously, has no group column, contains a group twice, or has an invalid cell.
        The message contains the file, row, column, and value.

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
            f"{table.source} needs a column 'customer_group_uid', or a column 'group' with uids or unique names. "
            f"Its columns are {', '.join(map(repr, header))}."
        )
    key = key_column(header)
    _reject_repeated_header(table)
    columns = {name: table.column(place) for place, name in enumerate(header)}
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
    Return the name of the column that identifies the groups of a register.

    If neither customer_group_uid nor group is a column, the result is customer_group_uid.

    Examples
    --------
    >>> key_column(["owner", "group"]), key_column(["owner"])
    ('group', 'customer_group_uid')
    """
    names = set(columns)
    return next((key for key in _KEYS if key in names), _KEYS[0])


class _CellType(NamedTuple):
    """
    A parser for the cells of a column, and a description of valid cells.

    The parser raises ValueError if a cell is not valid.
    """

    parse: Callable[[str], Any]
    description: str


def _parse_percentage(text: str) -> float:
    """Parse a percentage such as "10", "12,5", or "12.5%". Values between 0 and 1 are rejected as ambiguous."""
    value = float(text.removesuffix("%").strip().replace(",", "."))
    if not (value == 0 or 1 <= value <= 100):  # A spreadsheet stores 10% as 0.1, so 0.1 could mean 0.1% or 10%.
        raise ValueError
    return value


def _parse_day(text: str) -> date:
    """Parse a date in ISO format. A date that was read from a workbook ends with the time 00:00:00."""
    return date.fromisoformat(text.removesuffix(" 00:00:00"))


def _parse_flag(text: str) -> bool:
    """Parse yes or no in English, Norwegian, Danish, or Swedish."""
    if text.casefold() not in (*_YES, *_NO):
        raise ValueError
    return text.casefold() in _YES


def _parse_customer_types(text: str) -> str:
    """Parse a list of customer types. Return the sorted types in upper case, separated by |."""
    return "|".join(sorted(re.findall(r"\w+", text.upper())))


def _parse_channels(text: str) -> str:
    """Parse a list of channels. Return the sorted channels in lower case, separated by |."""
    channels = sorted(set(re.findall(r"\w+", text.casefold())))
    if not set(channels) <= set(CHANNEL_NAMES):
        raise ValueError
    return "|".join(channels)


def _parse_count(text: str) -> int:
    """Parse an integer that has at most nine digits."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError
    return int(text)


_TEXT = _CellType(str, "a string")
_DAY = _CellType(_parse_day, "a date such as 2026-11-30")
_NUMBER = _CellType(_parse_count, "an integer such as 0 or 50, or leave the cell blank to use the limits of the plan")
_CELL_TYPES = {
    "discount_percent": _CellType(_parse_percentage, "0 or a percentage from 1 to 100, such as 10 or 12,5"),
    "valid_from": _DAY,
    "valid_to": _DAY,
    "protected": _CellType(_parse_flag, "yes or no"),
    _CHANNEL: _CellType(_parse_channels, "email, mobile, or email|mobile"),
    "expected_type": _CellType(
        _parse_customer_types, "one customer type such as PERSON, or several such as B2B|COMPANY"
    ),
    "max_removals": _NUMBER,
    "max_additions": _NUMBER,
}


def _read_header(table: Table) -> list[str]:
    """Return the column names of a register, with the standard spelling of all known columns."""
    known = {normalize_column_name(name): name for name in (*_KEYS, *REGISTER, _CHANNEL)}
    cells = [str(cell) for cell in table.rows[0][1]]
    names = [known.get(normalize_column_name(cell), cell) for cell in cells]
    for place, name in enumerate(names):
        if not name:
            raise ListError(
                f"{table.source}: column {place + 1} contains values but no header. Add a header in the first row."
            )
        if name in names[:place]:
            first = cells[names.index(name)]
            raise ListError(
                f"{table.source} has two columns for {name}: {first!r} and {cells[place]!r}. Remove one of them."
            )
    return names


def _reject_repeated_header(table: Table) -> None:
    """Raise ListError if a row repeats the header, as in a file that combines several registers."""
    header = table.rows[0][1]
    for number, row in table.rows[1:]:
        if row == header:
            raise ListError(f"{table.source}, row {number} repeats the header. Delete the row.")


def _check_key(source: Path, key: str, cells: Sequence[tuple[int, str]]) -> None:
    """Raise ListError if a row has no group, or if two rows have the same group."""
    if key == "customer_group_uid":
        reject_damaged_ids(cells, source)
    else:
        reject_converted_names(cells, source)
    seen: dict[str, int] = {}
    for number, cell in cells:
        if not cell:
            raise ListError(
                f"{source}, row {number}, column {key}: the cell is blank. Enter a group or delete the row."
            )
        if cell in seen:
            raise ListError(
                f"{source}, rows {seen[cell]} and {number} have the same group {cell!r}. Delete one of them."
            )
        seen[cell] = number


def _read_column(source: Path, name: str, cells: Sequence[tuple[int, str]]) -> list[Any]:
    """Return the parsed values of a column, with None for blank cells."""
    cell_type = _CELL_TYPES.get(name, _TEXT)
    values: list[Any] = []
    for number, cell in cells:
        try:
            values.append(cell_type.parse(cell) if cell else None)
        except ValueError:
            raise ListError(
                f"{source}, row {number}, column {name}: {safe_repr(str(cell))} is not valid. "
                f"Enter {cell_type.description}."
            ) from None
    return values


def _check_days(table: Table, values: dict[str, list[Any]]) -> None:
    """Raise ListError if the last day of a group is before its first day."""
    numbers = [number for number, _ in table.rows[1:]]
    for number, first, last in zip(numbers, values.get("valid_from", ()), values.get("valid_to", ()), strict=False):
        if first and last and last < first:
            raise ListError(
                f"{table.source}, row {number}, column valid_to: the last day {last} is before valid_from {first}. "
                "Correct one of the dates."
            )


def match_register(register: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """
    Match the rows of a register to the groups of a tenant.

    Parameters
    ----------
    register
        The table of `read_register`, or a DataFrame with the same columns.
    names
        A dictionary that maps the uid of each group of the tenant to the group's name.

    Returns
    -------
    DataFrame
        The columns customer_group_uid (missing if no group matches), group (the uid or name in the register), and the
        other columns of `read_register`.

    Raises
    ------
    InputError
        If `register` is not a register, or if two rows refer to the same group.
    GroupNotFoundError
        If the register contains a name that several groups have.

    Examples
    --------
    >>> register = pd.DataFrame({"group": ["VIP", "gone"], "owner": ["Marketing", "Marketing"]})
    >>> match_register(register, {"vip": "VIP"})[["customer_group_uid", "group", "owner"]]
      customer_group_uid group      owner
    0                vip   VIP  Marketing
    1                NaN  gone  Marketing
    """
    if not isinstance(register, pd.DataFrame):
        raise wrong_type(register, "register", "a DataFrame", hint="To read a file, use fg.read_register(path).")
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
        raise InputError(
            f"`register` has {(uids == uid).sum()} rows for the group {uid!r}: {spellings}. Remove all but one row."
        )
    rows = coerce_schema(register, REGISTER).drop(columns=[name for name in _KEYS if name in register])
    rows["protected"] = rows["protected"].fillna(False).astype("bool")
    rows.insert(0, "customer_group_uid", uids.astype("str"))
    rows.insert(1, "group", uids_or_names)
    return rows


def has_ended(rows: pd.DataFrame, at: datetime) -> pd.Series:
    """Return True for each register row whose last day has ended by the given time."""
    return rows["valid_to"] + _ONE_DAY <= pd.Timestamp(at)


def has_started(rows: pd.DataFrame, at: datetime) -> pd.Series:
    """Return True for each register row without a first day, or whose first day has started by the given time."""
    return ~(rows["valid_from"] > pd.Timestamp(at))


def _find_uids(uids_or_names: pd.Series, names: Mapping[str, str]) -> pd.Series:
    """Convert group uids and unique group names to uids. A value that matches no group becomes missing."""
    uids_of_name: dict[str, list[str]] = {}
    for uid, name in names.items():
        uids_of_name.setdefault(name, []).append(uid)

    def find_uid(uid_or_name: str) -> str | None:
        if uid_or_name in names:
            return uid_or_name
        matches = uids_of_name.get(uid_or_name, [])
        if len(matches) > 1:
            raise GroupNotFoundError(
                f"The register contains the name {uid_or_name!r}, but {len(matches)} groups have that name: "
                f"{', '.join(matches)}. Use the uid of the group instead.",
                close=matches,
            )
        return matches[0] if matches else None

    return uids_or_names.map(find_uid).astype("str")
