"""Command that deletes old stored snapshots."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from frgroups.cli.command import command
from frgroups.cli.options import json_option
from frgroups.cli.output import print_json_line, print_message, print_text
from frgroups.cli.types import DURATION, FOLDER

if TYPE_CHECKING:
    import pandas as pd


@command(
    "prune",
    example="frgroups prune --keep 90d --yes",
    more="The newest valid snapshot of each tenant and host is never deleted. If a sandbox has ended, all of its "
    "snapshots are deleted, regardless of their age. With --yes, the command also deletes quarantined snapshots "
    "older than --keep, and drafts of interrupted loads older than one day. They are not listed. Plans, journals, "
    "and receipts are not deleted.",
)
@click.option(
    "--yes", is_flag=True, help="Delete the snapshots. Without this option, the command only lists the snapshots."
)
@click.option(
    "--keep",
    type=DURATION,
    default="400d",
    metavar="AGE",
    help="Maximum age of the remaining snapshots, for example 90d.",
)
@click.option(
    "--tenant",
    metavar="NAME|UID",
    help="Delete only snapshots of this tenant. A name in tenants.toml selects the tenant at its host, and a uid "
    "selects the tenant at all hosts. By default, snapshots of all tenants are deleted.",
)
@click.option(
    "--cache", type=FOLDER, metavar="FOLDER", help="Delete snapshots in this folder instead of the data folder."
)
@json_option("Print the table of deleted snapshots as one JSON object.")
def prune(yes: bool, keep: str, tenant: str | None, cache: Path | None, as_json: bool) -> int:
    """Delete old stored snapshots, or list the snapshots that would be deleted."""
    from frgroups.cli.inputs import check_tenant_exists, tenant_and_host
    from frgroups.cli.table_output import table_rows
    from frgroups.store.retention import prune as prune_snapshots

    tenant_uid, base_url = None, None
    if tenant:
        tenant_uid, base_url = tenant_and_host(tenant)
    table = prune_snapshots(cache, keep=keep, tenant_uid=tenant_uid, base_url=base_url, dry_run=not yes)
    if tenant and table.empty:
        check_tenant_exists(tenant, cache)
    if as_json:
        print_json_line({"table": "prune", "dry_run": not yes, "rows": table_rows(table)})
        return 0
    if table.empty:
        print_text("There are no old snapshots to delete.")
        if tenant_uid:
            host = f" at {base_url}" if base_url else ""
            print_message(f"Only the snapshots of tenant {tenant_uid}{host} were considered.")
        return 0
    _print_tenants(table)
    _print_outcome(table, is_dry_run=not yes)
    return 0


def _print_tenants(table: pd.DataFrame) -> None:
    """Print the number, age, and size of the snapshots of each tenant and host."""
    from frgroups.cli.table_printing import print_table
    from frgroups.internals.formatting import format_size

    # Keep rows without a host, because a snapshot that was created from tables has no host.
    tenants = table.groupby(["tenant_uid", "base_url"], dropna=False, as_index=False).agg(
        snapshots=("taken_at", "size"),
        oldest=("taken_at", "min"),
        newest=("taken_at", "max"),
        size=("size_bytes", "sum"),
    )
    for name in ("oldest", "newest"):
        tenants[name] = tenants[name].dt.strftime("%Y-%m-%d")
    tenants["size"] = tenants["size"].map(format_size)
    columns = ["tenant_uid", "snapshots", "size", "oldest", "newest", "base_url"]
    print_table(tenants[columns], n_required=3)


def _print_outcome(table: pd.DataFrame, *, is_dry_run: bool) -> None:
    from frgroups.internals.formatting import format_size, pluralize

    counted = f"{pluralize(len(table), 'snapshot')} ({format_size(int(table['size_bytes'].sum()))})"
    if is_dry_run:
        print_text(f"{counted} would be deleted. Nothing was deleted. To delete the snapshots, add --yes.")
    else:
        print_text(f"{counted} deleted.")
