"""Command that writes a report on the groups of a stored snapshot."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from frgroups.cli.command import command
from frgroups.cli.options import SnapshotSelection, json_option, register_option, snapshot_options
from frgroups.cli.output import print_json_line, print_labeled, print_message
from frgroups.cli.table_options import MIN_COUNT, groups_option
from frgroups.cli.types import FILE, TIMESTAMP

_MIN_DAYS = 28  # Shortest interval between monthly loads, from February 1 to March 1.


@command(
    "report",
    example="frgroups report --out groups.html --register register.csv",
    more="If no older snapshot is stored, the report contains no changes.",
)
@click.option(
    "--out", type=FILE, metavar="FILE", help="HTML file to write. The default is a file in the data folder."
)
@click.option(
    "--since",
    type=TIMESTAMP,
    metavar="DATE",
    help="Compare with the newest snapshot taken on or before this date. The default is the newest snapshot that is "
    f"at least {_MIN_DAYS} days older, or else the oldest snapshot.",
)
@register_option()
@groups_option(
    help_text="Groups in the section on reach, by uid or unique name. The default is the 8 largest groups."
)
@click.option(
    "--uids",
    is_flag=True,
    help="List the uids of customers who joined or left a group. Do not forward such a report.",
)
@click.option(
    "--personal",
    is_flag=True,
    help="List the uids and the names of customers who joined or left a group, from snapshots that were loaded with "
    "--personal. Do not forward such a report.",
)
@MIN_COUNT
@json_option("Print the path of the report and the times of the snapshots as JSON.")
@snapshot_options
def report(
    selection: SnapshotSelection,
    out: Path | None,
    since: str | None,
    register: Path | None,
    groups: tuple[str, ...],
    uids: bool,
    personal: bool,
    min_count: int,
    as_json: bool,
) -> int:
    """Write a report with the sizes, overlaps, problems, reach, and changes of the groups as one HTML file."""
    from frgroups.cli.inputs import find_previous_snapshot, read_optional_register, read_selected_snapshot
    from frgroups.internals.paths import data_subdir, tenant_folder
    from frgroups.report.report import save_report

    snapshot = read_selected_snapshot(selection)
    before = find_previous_snapshot(snapshot, since, selection, min_age=timedelta(days=_MIN_DAYS))
    rows = read_optional_register(register)
    name = f"{tenant_folder(snapshot.tenant_uid, snapshot.base_url)}.html"
    path = out or data_subdir("reports") / name
    written = save_report(
        snapshot, path, before, rows, groups=groups or None, uids=uids, personal=personal, min_count=min_count
    )
    if as_json:
        origin = {"tenant_uid": snapshot.tenant_uid, "base_url": snapshot.base_url}
        compared = None if before is None else before.taken_at.isoformat()
        print_json_line(
            {"report": str(written), **origin, "taken_at": snapshot.taken_at.isoformat(), "compared_with": compared}
        )
        return 0
    print_message(snapshot)
    print_labeled("Report", written)
    return 0
