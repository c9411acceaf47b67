"""Compute the tables of `frgroups table`, and print them or write them to files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from frgroups.analysis.campaigns import describe_not_running
from frgroups.analysis.group_expressions import members
from frgroups.analysis.health import health_report_in_cli
from frgroups.cli.inputs import (
    read_optional_attributes,
    read_optional_register,
    read_previous_snapshot,
    read_selected_snapshot,
    unique_pairs,
)
from frgroups.cli.options import SnapshotSelection
from frgroups.cli.output import print_json_line, print_message
from frgroups.cli.table_printing import print_table
from frgroups.cli.table_registry import TableEntry
from frgroups.errors import UsageError
from frgroups.internals.column_formats import DIGEST_COLUMNS, SHORT_DIGEST
from frgroups.internals.formatting import format_utc, pluralize, shell_argument
from frgroups.internals.json_values import to_jsonable
from frgroups.internals.spreadsheet_export import write_table_csv, write_table_workbook
from frgroups.report.flat_tables import flat_table, join_cells
from frgroups.report.row_order import find_rule, sort_by_rule
from frgroups.snapshot.snapshot import Snapshot
from frgroups.snapshot.universe import resolve_universe

# Number of columns that are always printed. Further columns are omitted if the terminal is too narrow.
_MIN_COLUMNS = 3
# Command-line option for each function argument that is a dictionary.
_PAIR_OPTIONS = {
    "consent": "--consent",
    "rules": "--rule",
    "audiences": "--audience",
    "caps": "--cap",
    "shares": "--arm",
}


@dataclass(frozen=True, slots=True)
class TableResult:
    """
    A computed table and the snapshots that it is based on.

    Attributes
    ----------
    table
        The table. Its columns are flat, and it has no index.
    snapshot
        The snapshot, or the newer of two snapshots.
    older
        The older snapshot of a comparison.
    """

    table: pd.DataFrame
    snapshot: Snapshot
    older: Snapshot | None = None


def compute_table(
    entry: TableEntry, selection: SnapshotSelection, arguments: Mapping[str, Any], sort_column: str | None = None
) -> TableResult:
    """
    Compute a table.

    Parameters
    ----------
    entry
        Entry of the table.
    selection
        Options that select the snapshot.
    arguments
        Values of the table's options. An option that was not used has the value None or ().
    sort_column
        Column by which the table is sorted, with the largest value first. None keeps the order of the function.
    """
    snapshot = read_selected_snapshot(selection)
    given = {name: _as_argument(value) for name, value in arguments.items() if value is not None and value != ()}
    function = getattr(import_module(f"frgroups.{entry.function}"), entry.name)
    older = None
    if entry.name == "health_report":
        computed: Any = health_findings(snapshot, given.pop("register", None), **given)
    elif entry.source == "comparison":
        older = read_previous_snapshot(snapshot, given.pop("since", None), selection)
        computed = function(older, snapshot, **given)
    elif entry.source == "history":
        origin = {"tenant_uid": snapshot.tenant_uid, "base_url": snapshot.base_url}
        computed = function(cache=selection.cache, **origin, **given)
        time = "taken_at" if "taken_at" in computed else "before"
        computed = computed[computed[time] <= snapshot.taken_at].reset_index(drop=True)
    else:
        computed = _call_with_snapshot(entry, function, snapshot, given, sort_column)
    return TableResult(_sorted(_as_table(computed), sort_column), snapshot, older)


def _as_argument(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _call_with_snapshot(
    entry: TableEntry,
    function: Callable[..., Any],
    snapshot: Snapshot,
    given: dict[str, Any],
    sort_column: str | None,
) -> Any:
    """Convert option values to the arguments of an analysis function, and call the function with a snapshot."""
    if "universe" in given or entry.name in ("overlap_pairs", "overlap_matrix"):
        given["universe"] = resolve_universe(snapshot, given.get("universe"), snapshot.matrix)
    if given.get("universe") is None and (sort_column == "lift" or given.get("measure") in ("lift", "phi", "pmi")):
        option = "--sort lift" if sort_column == "lift" else f"--measure {given['measure']}"
        raise UsageError(f"{option} requires the total number of customers. Pass this number with --universe N.")
    for name, option in _PAIR_OPTIONS.items():
        if name in given:
            given[name] = unique_pairs(given[name], option)
    if entry.name == "campaign_reach":
        return function(snapshot, read_optional_register(given["register"]))
    if entry.name == "segment":
        return function(snapshot, attributes=read_optional_attributes(given.pop("attribute_file", None)), **given)
    if entry.name == "split_customers":
        return _split_customers(function, snapshot, given)
    if entry.name == "compare_groups":
        return function(snapshot, given.pop("group"), given.pop("versus"), **given)
    return function(snapshot, **given)


def _split_customers(function: Callable[..., Any], snapshot: Snapshot, given: dict[str, Any]) -> pd.DataFrame:
    """
    Assign customers to the arms of a split, and return the assignment.

    The customers are those that a group expression selects, or all customers in the snapshot if no expression is
    given.
    """
    customers = snapshot.customers
    expression = given.pop("expression", None)
    if expression is not None:
        customers = customers[customers["customer_uid"].isin(members(snapshot, expression))]
    split: pd.DataFrame = function(customers, given.pop("shares"), **given)
    return split


def _as_table(computed: Any) -> pd.DataFrame:
    """Convert the result of an analysis function to a table with flat columns and without an index."""
    if isinstance(computed, dict):
        rows = [(segment, uid) for segment, uids in computed.items() for uid in uids]
        return pd.DataFrame(rows, columns=["segment", "customer_uid"], dtype="str")
    return flat_table(computed)


def _sorted(table: pd.DataFrame, column: str | None) -> pd.DataFrame:
    if column is None:
        return table
    columns = [column, "n_both"] if "n_both" in table.columns and column != "n_both" else [column]
    return table.sort_values(columns, ascending=False, kind="stable", ignore_index=True)


def output_table(
    entry: TableEntry,
    result: TableResult,
    *,
    csv: Path | None,
    xlsx: Path | None,
    as_json: bool,
    top: int | None,
    all_columns: bool,
    is_sorted: bool,
) -> None:
    """
    Print the most important rows of a table, and write the complete table to a file or as JSON.

    Parameters
    ----------
    entry
        Entry of the table.
    result
        The computed table.
    csv, xlsx
        Files for the complete table. None writes no file.
    as_json
        Whether to print the complete table as JSON instead of the most important rows.
    top
        Number of rows to print. None prints all rows.
    all_columns
        Whether to print all columns.
    is_sorted
        Whether the rows are already sorted by a column. If True, the rows are printed in this order. If False, the
        most important rows are printed first, as in `show`. Files and JSON always contain the rows in the order of
        the table.
    """
    if as_json:
        print_json_line(_json_values(entry, result))
        return
    table = join_cells(result.table)
    print_message(_heading(result))
    rows = table
    if entry.name == "group_changes":
        rows = _changed_groups(table)
        _print_group_notes(table, n_changed=len(rows))
    if not is_sorted:
        rows = sort_by_rule(rows, find_rule(rows))
    printed = rows.head(top) if top else rows
    columns = list(table.columns)
    if entry.columns and not all_columns:
        columns = [name for name in entry.columns if name in table.columns and not table[name].isna().all()]
    if table.empty:
        columns = list(table.columns)
    n_required = len(columns) if all_columns else min(_MIN_COLUMNS, len(columns))
    shown = print_table(_with_short_values(printed[columns]), n_required=n_required)
    _print_omissions(table, n_rows=len(printed), n_columns=len(shown))
    if not_running := describe_not_running(result.table):
        print_message(not_running)
    write_table_files(table, csv=csv, xlsx=xlsx, title=entry.name)


def write_table_files(table: pd.DataFrame, *, csv: Path | None, xlsx: Path | None, title: str) -> None:
    """
    Write a table to a CSV file or an Excel file that is safe to open in a spreadsheet program, and print the path.

    Parameters
    ----------
    table
        The table.
    csv, xlsx
        The files. None writes no file.
    title
        Name of the table, which is the name of the sheet.
    """
    if csv is not None:
        print_message(f"Written to {write_table_csv(csv.expanduser().resolve(), table)}")
    if xlsx is not None:
        print_message(f"Written to {write_table_workbook(xlsx.expanduser().resolve(), table, title=title)}")


def health_findings(snapshot: Snapshot, register: Path | None, **options: Any) -> pd.DataFrame:
    """
    Return the health report with suggested actions that contain commands instead of Python code.

    Parameters
    ----------
    snapshot
        The snapshot to check.
    register
        File that contains the register of the groups, or None.
    **options
        Other arguments of `health_report`.
    """
    table = health_report_in_cli(snapshot, register=read_optional_register(register), **options)
    if register is not None:
        option = shell_argument("--register", register)
        actions = [action.replace("--register FILE", option) for action in table["suggested_action"]]
        table = table.assign(suggested_action=pd.Series(actions, dtype="str"))
    return table


def _heading(result: TableResult) -> str:
    if result.older is None:
        return repr(result.snapshot)
    return f"{format_utc(result.older.taken_at)} to {format_utc(result.snapshot.taken_at)}"


def _json_values(entry: TableEntry, result: TableResult) -> dict[str, Any]:
    snapshot = result.snapshot
    values: dict[str, Any] = {
        "table": entry.name,
        "tenant_uid": snapshot.tenant_uid,
        "base_url": snapshot.base_url,
        "taken_at": to_jsonable(snapshot.taken_at),
    }
    if result.older is not None:
        values["compared_with"] = to_jsonable(result.older.taken_at)
    return values | {"rows": table_rows(result.table)}


def table_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as dictionaries for JSON, with the columns as keys."""
    return [{str(name): to_jsonable(value) for name, value in row.items()} for row in table.to_dict("records")]


def _with_short_values(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with timestamps formatted in UTC without seconds, and digests shortened to 12 characters."""
    shortened = table.copy()
    for name in table.select_dtypes("datetimetz"):
        shortened[name] = table[name].dt.strftime("%Y-%m-%d %H:%M")
    for name in DIGEST_COLUMNS.intersection(table.columns):
        shortened[name] = table[name].str[:SHORT_DIGEST]
    return shortened


def _changed_groups(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table["n_joined"] > 0) | (table["n_left"] > 0) | (table["status"] != "kept")]


def _print_group_notes(table: pd.DataFrame, *, n_changed: int) -> None:
    print_message(f"{n_changed} of {len(table)} groups changed.")
    for row in table[table["renamed_from"] != ""].to_dict("records"):
        print_message(f"{row['renamed_from']} was renamed to {row['name']}.")
    n_drifted = int((table["verdict"] == "drifted").sum())
    if n_drifted:
        print_message(
            f"{pluralize(n_drifted, 'group')} changed or had contradictory members during the load (verdict "
            "drifted). The reported changes of such a group might be incomplete or wrong."
        )


def _print_omissions(table: pd.DataFrame, *, n_rows: int, n_columns: int) -> None:
    """Print the numbers of shown rows and columns if the shown table is incomplete."""
    parts = []
    if n_rows < len(table):
        parts.append(f"{n_rows:,} of {pluralize(len(table), 'row')}")
    if n_columns < table.shape[1]:
        parts.append(f"{n_columns} of {pluralize(table.shape[1], 'column')}")
    if parts:
        print_message(
            f"Shown: {' and '.join(parts)}. For the complete table, pass --csv FILE, --xlsx FILE, or --json."
        )
