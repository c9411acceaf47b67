"""Command that reports problems in the groups of a stored snapshot."""

from __future__ import annotations

from pathlib import Path

import click

from frgroups.cli.command import command
from frgroups.cli.options import SnapshotSelection, json_option, register_option, snapshot_options, table_file_options
from frgroups.cli.output import print_json_line, print_message, print_text
from frgroups.cli.types import IntegerRange


@command(
    "health",
    example="frgroups health --register register.csv --csv findings.csv",
    more="The exit code does not depend on the findings. It is 0 if the snapshot and the register were read, and 1 "
    "otherwise. For the findings as a table, run frgroups table health_report.",
)
@register_option()
@click.option("--top", type=IntegerRange(min=1), default=30, metavar="N", help="Show only the first N findings.")
@json_option("Print all findings as one JSON object. The option --top is ignored.")
@table_file_options
@snapshot_options
def health(
    selection: SnapshotSelection,
    register: Path | None,
    top: int,
    as_json: bool,
    csv: Path | None,
    xlsx: Path | None,
) -> int:
    """Print the problems found in the groups and the suggested actions."""
    from frgroups.analysis.health import SEVERITIES
    from frgroups.cli.inputs import read_selected_snapshot
    from frgroups.cli.table_output import health_findings, table_rows, write_table_files

    snapshot = read_selected_snapshot(selection)
    table = health_findings(snapshot, register)
    counts = {severity: int((table["severity"] == severity).sum()) for severity in SEVERITIES}
    if as_json:
        origin = {"tenant_uid": snapshot.tenant_uid, "base_url": snapshot.base_url}
        taken_at = snapshot.taken_at.isoformat()
        print_json_line(
            {"table": "health_report", **origin, "taken_at": taken_at, "counts": counts, "rows": table_rows(table)}
        )
        return 0
    print_message(snapshot)
    print_text(", ".join(f"{n} {severity}" for severity, n in counts.items()))
    rows = table.head(top)
    # Print the suggested action only for the first finding of each kind, because the actions of further findings
    # differ only in group names and uids.
    has_action = ~rows["finding"].duplicated()
    for row, is_first in zip(rows.to_dict("records"), has_action, strict=True):
        print_text(f"\n{row['severity'].upper()} {row['finding']}: {row['evidence']}")
        if is_first:
            print_text(f"  {row['suggested_action']}")
    if not has_action.all():
        print_message(
            "\nThe suggested action is printed once per kind of finding. Files and JSON contain it for each finding."
        )
    if len(rows) < len(table):
        print_message(
            f"\n{len(rows):,} of {len(table):,} findings are shown. To write all findings, pass --csv FILE or "
            "--xlsx FILE."
        )
    write_table_files(table, csv=csv, xlsx=xlsx, title="health_report")
    return 0
