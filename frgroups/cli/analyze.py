"""Commands that analyze stored snapshots: sizes, overlap, health, and changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from frgroups.cli.command import ExclusiveOption, command
from frgroups.cli.options import SnapshotSelection, csv_option, register_option, snapshot_options
from frgroups.cli.output import print_data, print_table, print_text
from frgroups.cli.types import FILE, TIMESTAMP, IntegerRange
from frgroups.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

MEASURES = ("jaccard", "n_both", "overlap_coefficient", "lift")
PAIR_COLUMNS = ["name_a", "name_b", "n_a", "n_b", "n_both", "jaccard", "share_of_a", "share_of_b"]
# Maximum number of rows that `changes --customers` prints.
MAX_CUSTOMER_ROWS = 50


@command(
    "sizes",
    example="frgroups sizes --csv sizes.csv",
    more="The column n_exclusive contains the number of members who are in no other group.",
)
@snapshot_options
@csv_option
@click.option(
    "--top",
    type=IntegerRange(min=1),
    metavar="N",
    help="Show only the N largest groups. By default, all groups are shown.",
)
def sizes(selection: SnapshotSelection, csv: Path | None, top: int | None) -> int:
    """Print the size of each group in a stored snapshot."""
    from frgroups.analysis.sizes import group_sizes
    from frgroups.cli.inputs import read_selected_snapshot

    snapshot = read_selected_snapshot(selection)
    table = group_sizes(snapshot).sort_values(["n_members", "customer_group_uid"], ascending=[False, True])
    rows = table.head(top) if top else table
    if snapshot.universe is None:
        rows = rows.drop(columns="share_of_universe")
    print_text(snapshot)
    print_table(rows)
    _write_table(csv, table, n_printed=len(rows))
    return 0


@command(
    "overlap",
    example="frgroups overlap --top 20",
    more="The Jaccard index is the number of customers in both groups (n_both) divided by the number of customers in "
    "at least one of the groups. The overlap coefficient is n_both divided by the size of the smaller group. The "
    "lift is n_both divided by the number that is expected if the two groups are independent.",
)
@snapshot_options
@csv_option
@click.option("--top", type=IntegerRange(min=1), default=20, metavar="N", help="Show only the first N pairs.")
@click.option(
    "--by", "measure", type=click.Choice(MEASURES), default="jaccard", help="Sort by this measure, highest first."
)
@click.option(
    "--universe",
    type=IntegerRange(min=1),
    metavar="N",
    help="The retailer's total number of customers. The columns lift and q_value require this number.",
)
def overlap(selection: SnapshotSelection, csv: Path | None, top: int, measure: str, universe: int | None) -> int:
    """Print the pairs of groups with the largest overlap."""
    from frgroups.analysis.overlap import overlap_pairs
    from frgroups.cli.inputs import read_selected_snapshot
    from frgroups.snapshot.universe import resolve_universe

    snapshot = read_selected_snapshot(selection)
    n_customers = resolve_universe(snapshot, universe, snapshot.matrix)
    if measure == "lift" and n_customers is None:
        raise UsageError("--by lift requires the total number of customers. Pass this number with --universe N.")
    table = overlap_pairs(snapshot, universe=n_customers, min_both=1)
    table = table.sort_values([measure, "n_both"], ascending=False, ignore_index=True)
    columns = PAIR_COLUMNS
    if n_customers is not None:
        columns = [*PAIR_COLUMNS, "lift", "q_value"]
    rows = table[columns].head(top)
    print_text(snapshot)
    print_table(rows)
    _write_table(csv, table, n_printed=len(rows))
    return 0


@command(
    "health",
    example="frgroups health --register register.csv --csv findings.csv",
    more="The exit code does not depend on the findings. It is 0 if the snapshot and the register were read, and 1 "
    "otherwise.",
)
@snapshot_options
@register_option
@click.option("--top", type=IntegerRange(min=1), default=30, metavar="N", help="Show only the first N findings.")
@click.option(
    "--json",
    "as_json",
    cls=ExclusiveOption,
    excludes=["--csv"],
    is_flag=True,
    help="Print all findings as JSON lines. The option --top is ignored.",
)
@click.option(
    "--csv",
    cls=ExclusiveOption,
    excludes=["--json"],
    type=FILE,
    metavar="FILE",
    help="Also write all findings to a CSV file.",
)
def health(selection: SnapshotSelection, register: Path | None, top: int, as_json: bool, csv: Path | None) -> int:
    """Print the problems found in the groups and the suggested actions."""
    from frgroups.analysis.health import SEVERITIES, health_report
    from frgroups.cli.inputs import read_optional_register, read_selected_snapshot

    snapshot = read_selected_snapshot(selection)
    table = health_report(snapshot, register=read_optional_register(register))
    if as_json:
        if not table.empty:
            print_data(table.to_json(orient="records", lines=True, force_ascii=False))
        return 0
    counts = table["severity"].value_counts()
    print_text(snapshot)
    print_text(", ".join(f"{counts.get(severity, 0)} {severity}" for severity in SEVERITIES))
    rows = table.head(top)
    for row in rows.to_dict("records"):
        print_text(f"\n{row['severity'].upper()} {row['finding']}: {row['evidence']}\n  {row['suggested_action']}")
    print_text()
    _write_table(csv, table, n_printed=len(rows))
    return 0


@command("changes", example="frgroups changes --since 2026-11-01")
@snapshot_options
@csv_option
@click.option(
    "--since",
    type=TIMESTAMP,
    metavar="DATE",
    help="Compare with the newest snapshot taken on or before this date. The default is the previous snapshot.",
)
@click.option("--customers", is_flag=True, help="Show each customer who joined or left a group.")
def changes(selection: SnapshotSelection, csv: Path | None, since: str | None, customers: bool) -> int:
    """Print the changes between two stored snapshots."""
    from frgroups.analysis.changes import group_changes, membership_changes
    from frgroups.cli.inputs import read_previous_snapshot, read_selected_snapshot
    from frgroups.internals.formatting import format_utc

    new = read_selected_snapshot(selection)
    old = read_previous_snapshot(new, since, selection)
    period = f"{format_utc(old.taken_at)} to {format_utc(new.taken_at)}"
    if customers:
        table = membership_changes(old, new)
        rows = table.head(MAX_CUSTOMER_ROWS)
        print_text(period)
    else:
        table = group_changes(old, new)
        rows = _changed_groups(table)
        print_text(period)
        _print_group_notes(table, n_changed=len(rows))
    print_table(rows)
    _write_table(csv, table, n_printed=len(rows))
    return 0


def _changed_groups(table: pd.DataFrame) -> pd.DataFrame:
    changed = (table["n_joined"] > 0) | (table["n_left"] > 0) | (table["status"] != "kept")
    return table[changed].drop(columns=["customer_group_uid", "renamed_from"])


def _print_group_notes(table: pd.DataFrame, *, n_changed: int) -> None:
    from frgroups.internals.formatting import pluralize

    print_text(f"{n_changed} of {len(table)} groups changed.")
    for row in table[table["renamed_from"] != ""].to_dict("records"):
        print_text(f"{row['renamed_from']} was renamed to {row['name']}.")
    n_drifted = int((table["verdict"] == "drifted").sum())
    if n_drifted:
        print_text(
            f"{pluralize(n_drifted, 'group')} changed during the load (verdict drifted). The reported "
            "changes of such a group might be incomplete or wrong."
        )


def _write_table(path: Path | None, table: pd.DataFrame, *, n_printed: int) -> None:
    """
    Write a table to a CSV file, and report how many rows of the table were printed.

    Parameters
    ----------
    path
        The CSV file. None writes no file.
    table
        The complete table.
    n_printed
        Number of rows that the command has printed. If some rows were not printed, a message contains both numbers.
    """
    from frgroups.internals.atomic_files import write_text

    if n_printed < len(table):
        print_text(f"{n_printed:,} of {len(table):,} rows are shown. To write all rows to a file, pass --csv FILE.")
    if path is not None:
        target = path.expanduser().resolve()
        write_text(target, table.to_csv(index=False))
        print_text(f"Written to {target}")
