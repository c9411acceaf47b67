"""The commands that look at what is kept: sizes, overlaps, health, changes."""

from __future__ import annotations

import shutil
from argparse import Namespace
from pathlib import Path

import pandas as pd

from frgroups.analysis.changes import group_changes, membership_changes
from frgroups.analysis.health import SEVERITIES, health_report
from frgroups.analysis.overlap import overlap_pairs
from frgroups.analysis.sizes import group_sizes
from frgroups.cli.arguments import Add, of_register, of_snapshot
from frgroups.cli.resolve import register_of, snapshot_before, snapshot_of
from frgroups.cli.types import at_least, moment, readable
from frgroups.errors import UsageError
from frgroups.internals.atomic_files import write_text
from frgroups.internals.formatting import pluralize
from frgroups.snapshot.universe import resolve_universe


def add_commands(add: Add) -> None:
    """What each of these commands takes."""
    _sizes_words(add)
    _overlap_words(add)
    _health_words(add)
    _changes_words(add)


def sizes(options: Namespace) -> int:
    """Show the size of each group."""
    snapshot = snapshot_of(options)
    table = group_sizes(snapshot).sort_values(["n_members", "customer_group_uid"], ascending=[False, True])
    shown = table if snapshot.universe is not None else table.drop(columns="share_of_universe")
    print(snapshot)
    _show(shown.head(options.top) if options.top else shown, options.csv, table)
    return 0


def overlap(options: Namespace) -> int:
    """Show the pairs that overlap most."""
    snapshot = snapshot_of(options)
    universe = resolve_universe(snapshot, options.universe, snapshot.matrix)
    if options.by == "lift" and universe is None:
        raise UsageError("--by lift compares with chance, which needs --universe N, the number of customers in all.")
    table = overlap_pairs(snapshot, universe=universe, min_both=1)
    table = table.sort_values([options.by, "n_both"], ascending=False, ignore_index=True)
    columns = ["name_a", "name_b", "n_a", "n_b", "n_both", "jaccard", "share_of_a", "share_of_b"]
    if universe is not None:
        columns += ["lift", "q_value"]
    print(snapshot)
    _show(table[columns].head(options.top), options.csv, table)
    return 0


def health(options: Namespace) -> int:
    """Show what is not as it should be with the groups."""
    snapshot = snapshot_of(options)
    table = health_report(snapshot, register=register_of(options))
    if options.json:
        print(table.to_json(orient="records", lines=True, force_ascii=False), end="")
        return 0
    n_of = table["severity"].value_counts()
    print(snapshot)
    print(", ".join(f"{n_of.get(severity, 0)} {severity}" for severity in SEVERITIES))
    for row in table.head(options.top).to_dict("records"):
        told = f"\n{row['severity'].upper()} {row['finding']}: {row['evidence']}\n  {row['suggested_action']}"
        print(readable(told))
    print()
    _keep_table(options.csv, table, min(options.top, len(table)))
    return 0


def changes(options: Namespace) -> int:
    """Show who joined and left between two snapshots."""
    new = snapshot_of(options)
    old = snapshot_before(new, options)
    table = membership_changes(old, new) if options.customers else group_changes(old, new)
    print(f"{old.taken_at:%Y-%m-%d %H:%M} UTC to {new.taken_at:%Y-%m-%d %H:%M} UTC")
    if not options.customers:
        shown = table[(table["n_joined"] > 0) | (table["n_left"] > 0) | (table["status"] != "kept")]
        print(f"{len(shown)} of {len(table)} groups changed.")
        for row in table[table["renamed_from"] != ""].to_dict("records"):
            print(readable(f"{row['renamed_from']} is now called {row['name']}."))
        if n := int((table["verdict"] == "drifted").sum()):
            print(f"{pluralize(n, 'group')} drifted while read, so that some of its changes may be none.")
        _show(shown.drop(columns=["customer_group_uid", "renamed_from"]), options.csv, table)
    else:
        _show(table.head(50), options.csv, table)
    return 0


def _show(table: pd.DataFrame, csv: Path | None, whole: pd.DataFrame) -> None:
    with pd.option_context("display.max_columns", None, "display.width", shutil.get_terminal_size().columns):
        print("(none)" if table.empty else readable(_as_text(table)))
    _keep_table(csv, whole, len(table))


def _as_text(table: pd.DataFrame) -> str:
    return table.to_string(index=False, max_rows=None, float_format="{:.3f}".format, max_colwidth=40)


def _keep_table(csv: Path | None, whole: pd.DataFrame, n_shown: int) -> None:
    """Say how much of a table was shown, and write all of it where that is asked for."""
    if n_shown < len(whole):
        print(f"{n_shown} of {len(whole)} rows shown; --csv FILE writes all.")
    if csv is not None:
        write_text(csv.expanduser().resolve(), whole.to_csv(index=False))
        print(f"Written to {csv.expanduser().resolve()}")


def _sizes_words(add: Add) -> None:
    parser = add(sizes, "members of each group, and how many are in no other", "frgroups sizes --csv sizes.csv")
    of_snapshot(parser)
    parser.add_argument("--top", type=at_least(1), metavar="N", help="only the N largest")


def _overlap_words(add: Add) -> None:
    parser = add(overlap, "the pairs of groups that overlap most, by name", "frgroups overlap --top 20")
    of_snapshot(parser)
    parser.add_argument("--top", type=at_least(1), default=20, metavar="N", help="pairs to show (20)")
    measures = ("jaccard", "n_both", "overlap_coefficient", "lift")
    parser.add_argument("--by", default="jaccard", choices=measures, help="what to sort by (jaccard)")
    parser.add_argument("--universe", type=at_least(1), metavar="N", help="customers in all, for lift")


def _health_words(add: Add) -> None:
    parser = add(
        health,
        "what is not as it should be with the groups, and what to do about it",
        "frgroups health --register register.csv --csv findings.csv",
        "exit code 0 whatever is found: findings are for people to decide on; 1 when there is no snapshot to look at "
        "or the register cannot be read.",
    )
    of_snapshot(parser, csv=False)
    of_register(parser)
    parser.add_argument("--top", type=at_least(1), default=30, metavar="N", help="findings to show (30)")
    all_of_it = parser.add_mutually_exclusive_group()
    all_of_it.add_argument("--json", action="store_true", help="every finding as one JSON line")
    all_of_it.add_argument("--csv", type=Path, metavar="FILE", help="write every finding to a CSV file")


def _changes_words(add: Add) -> None:
    parser = add(changes, "who joined and left between two snapshots", "frgroups changes --since 2026-11-01")
    of_snapshot(parser)
    parser.add_argument("--since", type=moment, metavar="DATE", help="the older snapshot (default: the last but one)")
    parser.add_argument("--customers", action="store_true", help="a row for each customer instead of each group")
