"""Command that writes declared groups."""

from __future__ import annotations

from pathlib import Path

import click

from frgroups.cli.command import ListOption, command
from frgroups.cli.options import SnapshotSelection, json_option, snapshot_options
from frgroups.cli.output import print_json_line, print_labeled, print_message, print_next
from frgroups.cli.types import FILE, NONEMPTY_TEXT


@command(
    "declare",
    example="frgroups declare --group VIP loyalty --out groups.toml",
    more="The file declares the current members of each group by a list, which is a CSV file with customer uids in a "
    "folder next to the file. You can replace a list by a group expression or a rule. frgroups plan --declared "
    "compares the file with the tenant.",
)
@click.option(
    "--group",
    "groups",
    cls=ListOption,
    type=NONEMPTY_TEXT,
    metavar="GROUP...",
    help="Uids or unique names of the groups to declare. The default is all groups.",
)
@click.option(
    "--out",
    default="groups.toml",
    type=FILE,
    metavar="FILE",
    help="File to write. The file and the folder for the lists must not exist yet.",
)
@json_option("Print the path of the file and the number of groups as JSON.")
@snapshot_options
def declare(selection: SnapshotSelection, groups: tuple[str, ...], out: Path, as_json: bool) -> int:
    """Write a file that declares the members of groups."""
    from frgroups.cli.inputs import read_selected_snapshot
    from frgroups.internals.formatting import shell_argument
    from frgroups.plan.declaration_writer import declare_groups
    from frgroups.plan.declared_groups_file import read_declared_groups

    snapshot = read_selected_snapshot(selection)
    print_message(snapshot)
    path = declare_groups(snapshot, out, groups=list(groups) if groups else None)
    if as_json:
        n_groups = len(read_declared_groups(path).groups)
        print_json_line({"path": str(path), "lists": str(path.with_suffix("")), "n_groups": n_groups})
    else:
        print_labeled("File", path)
        print_labeled("Lists", path.with_suffix(""))
    print_next(f"frgroups plan --declared {shell_argument(out)}")
    return 0
