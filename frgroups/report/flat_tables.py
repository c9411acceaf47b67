"""Convert results to tables with flat columns, and add the names of the groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from frgroups.internals.column_formats import format_column
from frgroups.internals.validation import wrong_type

if TYPE_CHECKING:
    from frgroups.snapshot.snapshot import Snapshot

GROUP_UID = "customer_group_uid"
# Columns with uids, and the columns with the names for these uids.
NAME_COLUMNS = {
    GROUP_UID: "name",
    "group_a": "name_a",
    "group_b": "name_b",
    "from_group": "from_name",
    "to_group": "to_name",
    "other_group_uid": "other_name",
    "default_store_uid": "default_store_name",
    "consent_uid": "name",
}
GROUP_UID_COLUMNS = tuple(name for name in NAME_COLUMNS if name not in ("default_store_uid", "consent_uid"))
# Columns that can contain the uids of groups, but for which no column with names is added. Their uids are replaced.
_REFERENCES = ("groups", "group", "shadowed_by")


def is_overlap_matrix(table: object) -> bool:
    """Return True if a table is an overlap matrix: its index and its columns are the uids of the same groups."""
    return (
        isinstance(table, pd.DataFrame)
        and table.index.name == table.columns.name == GROUP_UID
        and table.index.equals(table.columns)
    )


def flat_table(table: Any) -> pd.DataFrame:
    """
    Return a result as a DataFrame with one level of columns and without an index.

    An index that has a name or contains strings or times is converted to columns. Any other index is dropped, because
    it contains only row numbers. Times in the header are converted to strings.

    Raises
    ------
    InputError
        The result is not a DataFrame, a Series, or an Index.

    Examples
    --------
    >>> flat_table(pd.Series([2, 1], index=pd.Index(["VIP", "Staff"], name="group"), name="n"))
       group  n
    0    VIP  2
    1  Staff  1
    """
    if isinstance(table, pd.Index):
        table = table.to_frame(index=False)
        table = table.rename(columns={0: "value"})
    elif isinstance(table, pd.Series):
        table = table.to_frame(name="value" if table.name is None else table.name)
    elif not isinstance(table, pd.DataFrame):
        hint = ""
        for method in ("table", "groups"):
            if hasattr(table, method):
                hint = f"Pass a table of the {type(table).__name__}, for example its .{method}{_parentheses(method)}."
                break
        raise wrong_type(table, "table", "a DataFrame or a Series", hint=hint)
    flat: pd.DataFrame = table.copy(deep=False)
    if isinstance(flat.columns, pd.MultiIndex):
        flat.columns = pd.Index([", ".join(str(part) for part in key if str(part)) for key in flat.columns])
    elif isinstance(flat.columns, pd.DatetimeIndex):
        flat.columns = pd.Index(_time_labels(flat.columns))
    flat = flat.rename_axis(columns=None)
    if any(name is not None for name in flat.index.names) or not _has_row_numbers(flat.index):
        return flat.reset_index(allow_duplicates=True)
    return flat.reset_index(drop=True)


def _time_labels(times: pd.DatetimeIndex) -> list[str]:
    """Return column labels for times: dates if all dates differ, otherwise dates and times."""
    days = times if times.tz is None else times.tz_convert("UTC")
    return format_column(days.normalize() if days.normalize().is_unique else days, "taken_at")


def _parentheses(method: str) -> str:
    return "()" if method == "table" else ""


def _has_row_numbers(index: pd.Index) -> bool:
    return index.nlevels == 1 and pd.api.types.is_integer_dtype(index)


def add_group_names(table: pd.DataFrame, snapshot: Snapshot | None) -> pd.DataFrame:
    """
    Add a column of names after each column of group uids without a column of names.

    In the columns `groups`, `group`, and `shadowed_by`, the uids are replaced with names.

    Parameters
    ----------
    table
        Table with flat columns.
    snapshot
        Snapshot that contains the names of the groups. None returns the table unchanged.
    """
    if snapshot is None or not table.columns.is_unique:
        return table
    table = table.copy(deep=False)
    names = snapshot.matrix.names_by_uid
    shared = _shared_names(names.items())
    labels = {uid: unique_label(uid, name, shared) for uid, name in names.items()}
    for column in list(table.columns):
        name_column = NAME_COLUMNS.get(column, "")
        if column in _REFERENCES:
            table[column] = [_replace_uids(value, labels) for value in table[column]]
        elif column in GROUP_UID_COLUMNS and name_column not in table.columns:
            uids = table[column].to_numpy(dtype=object)
            values = pd.Series([names.get(uid, uid) for uid in uids], table.index, dtype="str")
            table.insert(list(table.columns).index(column) + 1, name_column, values)
    return table


def name_campaigns(table: pd.DataFrame) -> pd.DataFrame:
    """
    Replace each campaign uid in the column shadowed_by with the name of the campaign's group.

    A campaign that the table does not contain is not replaced. A campaign without a uid is identified by the uid of
    its group. If several campaigns have the same name, the uid is appended to the name.

    Examples
    --------
    >>> campaigns = pd.DataFrame({"campaign_uid": ["c-1", "c-2"], "name": ["A", "B"], "shadowed_by": [None, "c-1"]})
    >>> name_campaigns(campaigns)["shadowed_by"][1]
    'A'
    """
    if not {"campaign_uid", "name", "shadowed_by"} <= set(table.columns) or not table.columns.is_unique:
        return table
    uids = table["campaign_uid"]
    if GROUP_UID in table.columns:
        uids = uids.fillna(table[GROUP_UID])
    pairs = list(zip(uids, table["name"], strict=True))
    shared = _shared_names(pairs)
    labels = {uid: unique_label(uid, name, shared) for uid, name in pairs}
    return table.assign(shadowed_by=[_replace_uids(value, labels) for value in table["shadowed_by"]])


def has_group_uids(table: pd.DataFrame) -> bool:
    """
    Return True if a table has a column of group uids, or a column `groups` with tuples of group uids.

    Examples
    --------
    >>> has_group_uids(pd.DataFrame({"groups": [("vip", "staff")]})), has_group_uids(pd.DataFrame({"n": [1]}))
    (True, False)
    """
    for position, column in enumerate(table.columns):
        has_tuples = column == "groups" and any(isinstance(cell, tuple) for cell in table.iloc[:, position])
        if has_tuples or column in GROUP_UID_COLUMNS:
            return True
    return False


def _replace_uids(value: Any, labels: Mapping[str, str]) -> Any:
    if isinstance(value, tuple | list):
        return tuple(labels.get(uid, uid) for uid in value)
    return labels.get(value, value) if isinstance(value, str) else value


def join_cells(table: pd.DataFrame) -> pd.DataFrame:
    """
    Return a table in which the values of each cell with several values are joined to one string.

    Examples
    --------
    >>> join_cells(pd.DataFrame({"groups": [("vip", "staff"), ("vip",)]}))["groups"].tolist()
    ['vip & staff', 'vip']
    """
    table = table.copy(deep=False)
    for position, dtype in enumerate(table.dtypes):
        if pd.api.types.is_object_dtype(dtype):
            cells = list(table.iloc[:, position])
            table.isetitem(
                position, [" & ".join(map(str, cell)) if isinstance(cell, tuple) else cell for cell in cells]
            )
    return table


def without_time_zones(table: pd.DataFrame) -> pd.DataFrame:
    """
    Return a table whose timestamps are in UTC without a time zone, rounded down to seconds.

    Examples
    --------
    >>> table = pd.DataFrame({"taken_at": pd.to_datetime(["2026-11-23T09:10:00.5+01:00"])})
    >>> str(without_time_zones(table)["taken_at"][0])
    '2026-11-23 08:10:00'
    """
    table = table.copy(deep=False)
    for position, dtype in enumerate(table.dtypes):
        if isinstance(dtype, pd.DatetimeTZDtype):
            table.isetitem(position, table.iloc[:, position].dt.tz_convert(None).dt.floor("s").array)
    return table


def label_matrix(matrix: pd.DataFrame, snapshot: Snapshot | None) -> pd.DataFrame:
    """Return an overlap matrix with group names as labels. Without a snapshot, return the matrix unchanged."""
    if snapshot is None:
        return matrix
    names = snapshot.matrix.names_by_uid
    shared = _shared_names(names.items())
    labels = pd.Index([unique_label(uid, names.get(uid, ""), shared) for uid in matrix.index], name="name")
    return matrix.set_axis(labels, axis=0).set_axis(labels.rename(None), axis=1)


def merge_uids_into_names(table: pd.DataFrame, shared: Collection[str]) -> pd.DataFrame:
    """
    Drop each column of uids for which the table also has a column of names.

    If several uids have the same name, the uid is appended to the name.

    Parameters
    ----------
    table
        Table with flat columns.
    shared
        Names that belong to several uids.

    Examples
    --------
    >>> merge_uids_into_names(pd.DataFrame({"group_a": ["g-1"], "name_a": ["Sale"], "n": [3]}), {"Sale"})
           name_a  n
    0  Sale (g-1)  3
    """
    if not table.columns.is_unique:
        return table
    pairs = _uid_name_columns(table)
    labels = {
        name_column: pd.Series(
            [unique_label(*pair, shared) for pair in zip(table[uid_column], table[name_column], strict=True)],
            table.index,
            dtype="object",
        )
        for uid_column, name_column in pairs
    }
    return table.assign(**labels).drop(columns=[uid_column for uid_column, _ in pairs])


def shared_names(table: pd.DataFrame, snapshot: Snapshot | None) -> set[str]:
    """
    Return the names that belong to several uids in a table and a snapshot.

    Examples
    --------
    >>> shared_names(pd.DataFrame({"group_a": ["g-1", "g-2"], "name_a": ["Sale", "Sale"]}), None)
    {'Sale'}
    """
    pairs = set() if snapshot is None else set(snapshot.matrix.names_by_uid.items())
    if table.columns.is_unique:
        for columns in _uid_name_columns(table):
            pairs.update(table[list(columns)].dropna().drop_duplicates().itertuples(index=False, name=None))
    return _shared_names(pairs)


def _uid_name_columns(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Return pairs of a uid column and the column that contains the names. A name column is in at most one pair."""
    pairs: dict[str, str] = {}
    for uid_column, name_column in NAME_COLUMNS.items():
        if uid_column in table.columns and name_column in table.columns:
            pairs.setdefault(name_column, uid_column)
    return [(uid_column, name_column) for name_column, uid_column in pairs.items()]


def _shared_names(pairs: Iterable[tuple[Any, Any]]) -> set[Any]:
    """Return the names that belong to several uids."""
    counts = Counter(name for _, name in set(pairs))
    return {name for name, n in counts.items() if n > 1}


def unique_label(uid: Any, name: Any, shared: Collection[Any]) -> Any:
    """
    Return the label of a group: its name, followed by the uid if the name is among the shared names.

    Examples
    --------
    >>> unique_label("g-1", "VIP", {"Sale"}), unique_label("g-2", "Sale", {"Sale"}), unique_label("g-3", "", ())
    ('VIP', 'Sale (g-2)', 'g-3')
    """
    if pd.isna(name) or name == "":
        return uid
    return f"{name} ({uid})" if name in shared else name
