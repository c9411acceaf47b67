"""Choose and format the rows and columns of a result table for display."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from frgroups.analysis.campaigns import describe_not_running
from frgroups.analysis.profile_rows import with_means_as_values
from frgroups.internals.column_formats import (
    DIGEST_COLUMNS,
    MISSING,
    SHORT_DIGEST,
    difference_decimals,
    format_column,
    has_rates,
    is_count,
    is_share,
)
from frgroups.internals.formatting import escape_invisible, format_list, pluralize
from frgroups.internals.validation import as_list, check_choice, check_columns
from frgroups.report.flat_tables import (
    GROUP_UID,
    add_group_names,
    flat_table,
    has_group_uids,
    is_overlap_matrix,
    label_matrix,
    merge_uids_into_names,
    name_campaigns,
    shared_names,
)
from frgroups.report.row_order import find_rule, sort_by_column, sort_by_rule, sort_matrix

if TYPE_CHECKING:
    import numpy.typing as npt

    from frgroups.snapshot.snapshot import Snapshot

# If a table has more than `MAX_COLUMNS` columns, `SECONDARY_COLUMNS` are not displayed by default.
# The columns in `OrderRule.hidden` are not displayed by default in the tables to which the rule applies.
MAX_COLUMNS = 10
SECONDARY_COLUMNS = (
    *("rereads", "pages"),
    *("base_url", "path", "receipt", "receipt_path", "in_config", "total_bytes"),
    *("account_manager_uid", "customer_parent_uid", "pricelist_uid"),
)
_SUPPRESSED = "suppressed"
_NAMES_NOTE = "Pass snapshot= to show the names of the groups instead of their uids."


@dataclass(frozen=True)
class FormattedColumn:
    """
    A column of a formatted table.

    Attributes
    ----------
    header
        Name of the column.
    cells
        Displayed text of each row. Invisible characters are escaped, but the text is not escaped for HTML.
    is_number
        Whether the cells are right-aligned.
    bars
        Length of the bar in each cell, from 0 to 1. None means that the column has no bars. In an overlap matrix, the
        cells are shaded instead, and the numbers are the strength of the shade.
    """

    header: str
    cells: tuple[str, ...]
    is_number: bool
    bars: tuple[float, ...] | None = None


@dataclass(frozen=True)
class FormattedTable:
    """
    The displayed part of a table, as text.

    Attributes
    ----------
    columns
        The displayed columns.
    notes
        The number of displayed rows, and sentences about the table.
    is_matrix
        Whether the table is an overlap matrix.
    """

    columns: tuple[FormattedColumn, ...]
    notes: tuple[str, ...]
    is_matrix: bool = False


def format_table(
    table: Any,
    *,
    top: int | None = None,
    sort: str | bool | None = None,
    columns: Iterable[str] | Literal["all"] | None = None,
    snapshot: Snapshot | None = None,
) -> FormattedTable:
    """Sort and format a table for display. `show` describes the parameters."""
    if isinstance(columns, str):
        check_choice(columns, "columns", ["all"])
    has_columns = columns is not None and not isinstance(columns, str)
    if is_overlap_matrix(table) and not has_columns and not isinstance(sort, str):
        return _format_matrix(table, top=top, is_sorted=sort is None, snapshot=snapshot)
    flat = name_campaigns(add_group_names(flat_table(table), snapshot))
    rule = find_rule(flat)
    bars: tuple[str, ...] = () if rule is None else rule.bars
    if isinstance(sort, str):
        check_columns(flat.columns, [sort], "table")
        flat, bars = sort_by_column(flat, sort), (*bars, sort)
    elif sort is None:
        flat = sort_by_rule(flat, rule)
    shown = flat if top is None else flat.head(top)
    hidden: list[str] = []
    if has_columns:
        names = as_list(columns or [], "columns")
        check_columns(flat.columns, names, "table")
        selected = shown[names]
    else:
        selected = shown.loc[:, ~_is_empty(flat) | _has_suppressed_counts(flat)]
        if not isinstance(table, pd.Series):
            selected = merge_uids_into_names(selected, shared_names(flat, snapshot))
        if columns is None:
            selected = with_means_as_values(selected)
            hidden = _hidden_columns(selected, () if rule is None else rule.hidden, sort)
        selected = selected.drop(columns=[*hidden, *({_SUPPRESSED} & set(selected.columns))])
    are_rates = has_rates(flat)
    decimals = difference_decimals(shown, are_rates=are_rates) if shown.columns.is_unique else None
    formatted = [
        _format_column(str(name), selected.iloc[:, position], bars, are_rates=are_rates, decimals=decimals)
        for position, name in enumerate(selected.columns)
    ]
    notes = [_row_note(len(shown), len(flat), "row")]
    if n_suppressed := _count_suppressed_cells(selected, _suppressed_rows(shown)):
        n_missing = sum(cell == MISSING for column in formatted for cell in column.cells)
        notes.append(f"{MISSING} means suppressed{' or undefined' if n_missing > n_suppressed else ''}.")
    if isinstance(table, pd.DataFrame) and (not_running := describe_not_running(table)):
        notes.append(not_running)
    if len(flat):
        notes += _column_notes(selected, hidden, has_names=snapshot is not None or has_columns)
    return FormattedTable(tuple(formatted), tuple(notes))


def _column_notes(table: pd.DataFrame, hidden: list[str], *, has_names: bool) -> list[str]:
    notes = []
    if any(isinstance(dtype, pd.DatetimeTZDtype) for dtype in table.dtypes):
        notes.append("Times are in UTC.")
    if hidden:
        nouns = ("Column", "it") if len(hidden) == 1 else ("Columns", "them")
        notes.append(f'{nouns[0]} not shown: {format_list(hidden)}. Pass columns="all" to show {nouns[1]}.')
    if has_group_uids(table) and not has_names:
        notes.append(_NAMES_NOTE)
    return notes


def _is_empty(table: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Return a mask of the columns with only missing values or empty strings. Without rows, all values are False."""
    if table.empty:
        return np.zeros(table.shape[1], dtype=bool)
    columns = (table.iloc[:, position] for position in range(table.shape[1]))
    return np.array([bool((column.isna() | column.eq("").fillna(False)).all()) for column in columns])


def _has_suppressed_counts(table: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Return a mask of the columns that can contain suppressed values: counts and shares, if a row is suppressed."""
    has_suppressed_rows = bool(_suppressed_rows(table).any())
    return np.array([has_suppressed_rows and _can_be_suppressed(str(name)) for name in table.columns], dtype=bool)


def _can_be_suppressed(name: str) -> bool:
    return is_count(name) or is_share(name)


def _hidden_columns(table: pd.DataFrame, details: Collection[str], sort: str | bool | None) -> list[str]:
    """
    Return the columns that are not displayed by default.

    These columns are the columns in `details`, the secondary columns of a wide table, and columns without values. The
    column `sort` is always displayed. The column base_url is displayed if the rows have different hosts.
    """
    is_blank = _is_empty(table) & ~_has_suppressed_counts(table)
    hidden = {str(name) for name in table.columns[is_blank]} | set(details)
    if table.shape[1] - len(hidden.intersection(table.columns)) > MAX_COLUMNS:
        hidden |= set(SECONDARY_COLUMNS)
    # Display the host if it differs, because rows of tenants with the same uid on several hosts would look the same.
    if "base_url" in table.columns and table["base_url"].nunique(dropna=False) > 1:
        hidden.discard("base_url")
    return [name for name in map(str, table.columns) if name in hidden and name != sort]


def _suppressed_rows(table: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Return a mask of the rows in which counts were suppressed because they are too small to be published."""
    if _SUPPRESSED not in table.columns:
        return np.zeros(len(table), dtype=bool)
    return np.asarray(table[_SUPPRESSED].fillna(False), dtype=bool)


def _count_suppressed_cells(table: pd.DataFrame, suppressed: npt.NDArray[np.bool_]) -> int:
    """Return the number of missing counts and shares in the rows for which the mask `suppressed` is True."""
    columns = [position for position, name in enumerate(table.columns) if _can_be_suppressed(str(name))]
    return int(table.iloc[:, columns].isna().to_numpy()[suppressed].sum())


def _format_column(
    name: str,
    values: pd.Series,
    bars: Sequence[str],
    *,
    are_rates: bool,
    decimals: int | None,
) -> FormattedColumn:
    cells = format_column(values, name, are_rates=are_rates, decimals=decimals)
    if name in DIGEST_COLUMNS:
        cells = [cell[:SHORT_DIGEST] for cell in cells]
    is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    lengths = None
    if is_number and name in bars and len(values) > 1:
        lengths = _bar_lengths(values, is_share=is_share(name))
    return FormattedColumn(escape_invisible(name), tuple(cells), is_number, lengths)


def _bar_lengths(values: pd.Series, *, is_share: bool) -> tuple[float, ...] | None:
    """Return the bar lengths relative to 1 (shares) or to the largest value, or None if bars are not possible."""
    numbers = pd.to_numeric(values).astype("float64").fillna(0.0)
    largest = 1.0 if is_share else float(numbers.max())
    if not 0 < largest < np.inf or (numbers < 0).any() or (numbers > largest).any():
        return None
    return tuple(numbers / largest)


def _format_matrix(
    matrix: pd.DataFrame, *, top: int | None, is_sorted: bool, snapshot: Snapshot | None
) -> FormattedTable:
    """Format an overlap matrix with shaded cells. It contains at most `top` groups, most important groups first."""
    measure = matrix.attrs.get("measure", "")
    if is_sorted:
        matrix = sort_matrix(matrix)
    shown = label_matrix(matrix, snapshot).iloc[:top, :top]
    labels = [escape_invisible(label) for label in shown.index]
    format_name = {"count": "n"}.get(measure, measure)
    values = shown.to_numpy(dtype="float64", na_value=np.nan)
    others = np.where(np.eye(len(values), dtype=bool), 0.0, np.nan_to_num(values))
    largest = others.max(initial=0.0) if measure == "count" else 1.0
    has_bars = (measure == "count" or is_share(measure)) and largest > 0
    columns = [FormattedColumn("name" if snapshot is not None else GROUP_UID, tuple(labels), is_number=False)]
    for position, label in enumerate(labels):
        cells = tuple(format_column(shown.iloc[:, position], format_name))
        bars = tuple(others[:, position] / largest) if has_bars else None
        columns.append(FormattedColumn(label, cells, True, bars))
    notes = [_row_note(len(shown), len(matrix), "group")]
    if measure:
        notes[0] += f", measure: {measure}"
    if snapshot is None:
        notes.append(_NAMES_NOTE)
    return FormattedTable(tuple(columns), tuple(notes), is_matrix=True)


def _row_note(n_shown: int, n_rows: int, what: str) -> str:
    return pluralize(n_rows, what) if n_shown == n_rows else f"{n_shown:,} of {pluralize(n_rows, what)}"
