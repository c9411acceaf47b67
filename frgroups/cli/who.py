"""Command that shows the groups of a customer and the plans that added or removed the customer."""

from __future__ import annotations

from pathlib import Path

import click

from frgroups.cli.command import command
from frgroups.cli.options import SnapshotSelection, journal_option, json_option, snapshot_options
from frgroups.cli.output import print_json_line, print_text


@command(
    "who",
    example="frgroups who UID --json",
    renamed={"--by": "--ids"},
    more="With --at, the command shows the groups in the selected snapshot and the changes up to this snapshot.",
)
@click.argument("uid")
@click.option(
    "--ids",
    "id_type",
    default="customer_uid",
    type=click.Choice(["customer_uid", "external_id"]),
    help="Type of the id that is passed as UID.",
)
@json_option("Print the result as one JSON object.")
@journal_option
@snapshot_options
def who(uid: str, id_type: str, as_json: bool, journal: Path | None, selection: SnapshotSelection) -> int:
    """Print the groups of a customer, the changes between snapshots, and the plans that caused these changes."""
    from frgroups.cli.customer_summary import read_summary, summary_text, summary_values
    from frgroups.cli.inputs import read_selected_snapshot

    snapshot = read_selected_snapshot(selection)
    summary = read_summary(snapshot, uid, id_type, selection.cache, journal)
    if as_json:
        print_json_line(summary_values(summary))
    else:
        print_text(summary_text(summary))
    return 0
