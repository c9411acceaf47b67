"""Commands that load tenants and show the status of their snapshots."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from frgroups.cli.command import command, verbosity
from frgroups.cli.command_ending import deferred_interrupts, keep_result
from frgroups.cli.options import cache_option, json_option, tenants_options
from frgroups.cli.output import QUIET, log_format, print_json_line, print_message, print_text
from frgroups.cli.types import DURATION, FILE, IntegerRange, NumberRange
from frgroups.errors import InputError


@command("load", example="frgroups load --all --jobs 4 --json")
@tenants_options
@click.option(
    "--jobs", type=IntegerRange(min=1), default=4, metavar="N", help="Number of tenants to load at the same time."
)
@json_option("Print one JSON object per line for each tenant, as soon as the tenant is loaded.")
@click.option(
    "--requests-per-second",
    type=NumberRange(min=0, min_open=True),
    metavar="N",
    help="Maximum number of requests per second to a host, for all tenants together. The default is 20, and "
    "no limit for a host on this machine.",
)
@click.option(
    "--max-age",
    type=DURATION,
    metavar="AGE",
    help="Skip a tenant if its newest snapshot is not older than this, for example 6h or 30min. By default, all "
    "selected tenants are loaded.",
)
@click.option(
    "--no-cover",
    is_flag=True,
    help="Read all members of every group, which requires more requests. By default, if one group contains all "
    "customers, only this group is read completely. Its customers list their groups, and one small request per group "
    "confirms the result.",
)
@click.option(
    "--deadline",
    type=DURATION,
    default="2h",
    metavar="DURATION",
    help="If several tenants are loaded, cancel the load of a tenant that takes longer than this, "
    "including the start of its worker process (one to several seconds).",
)
@click.option(
    "--personal",
    is_flag=True,
    help="Also store the names and contact data of customers. By default, they are not stored.",
)
def load(
    all_tenants: bool,
    tenant: tuple[str, ...],
    jobs: int,
    as_json: bool,
    requests_per_second: float | None,
    max_age: str | None,
    no_cover: bool,
    deadline: str,
    personal: bool,
) -> int:
    """Load one or several tenants and store a snapshot of each tenant."""
    with deferred_interrupts() as deliver_interrupt:
        from frgroups.cli.inputs import selected_tenant_names

        names = selected_tenant_names(all_tenants, tenant)
        if all_tenants or len(names) > 1:
            from frgroups.cli.load_many import load_tenants
            from frgroups.internals.timestamps import parse_duration

            limit = parse_duration(deadline)
            flags = _child_options(max_age, no_cover, personal)
            return load_tenants(names, jobs, as_json, requests_per_second, limit, flags, deliver_interrupt)
    name = names[0] if names else None
    options = {"max_age": max_age, "cover": not no_cover, "personal": personal}
    if as_json:
        from frgroups.load.batch import load_one

        result = load_one(name, requests_per_second=requests_per_second, **options)
        keep_result(result.exit_code, "")
        print_json_line(asdict(result), flush=True)
        return result.exit_code
    return _load_tenant(name, requests_per_second, options)


def _load_tenant(name: str | None, requests_per_second: float | None, options: dict[str, Any]) -> int:
    """
    Load a tenant, print a description of the snapshot, and return the exit code.

    Parameters
    ----------
    name
        Name of the tenant in tenants.toml. None selects the tenant in FRGROUPS_TENANT_UID.
    requests_per_second
        Maximum number of requests per second to a host. None is the default of the client.
    options
        Keyword arguments of `load_snapshot`.
    """
    from frgroups.internals.formatting import pluralize
    from frgroups.internals.paths import data_subdir
    from frgroups.load.batch import create_client
    from frgroups.load.load_result import exit_code_of_verdict
    from frgroups.load.loader import load_snapshot
    from frgroups.store.retention import is_from_host, list_snapshots

    with create_client(name, requests_per_second) as client:
        stored_before = set()
        if options["max_age"] is not None:
            stored_before = set(list_snapshots(tenant_uid=client.tenant_uid)["taken_at"])
        snapshot = load_snapshot(client, **options)
    exit_code = exit_code_of_verdict(snapshot.verdict)
    keep_result(exit_code, "")
    print_text(snapshot)
    print_text(snapshot.describe())
    if snapshot.taken_at in stored_before:
        print_message("The stored snapshot is recent enough, so nothing was loaded.")
        return exit_code
    stored = list_snapshots(tenant_uid=snapshot.tenant_uid)
    n_stored = int(is_from_host(stored, snapshot.base_url).sum())
    folder = data_subdir("snapshots")
    print_message(f"Stored in {folder}: {pluralize(n_stored, 'snapshot')} of {snapshot.tenant_uid}")
    return exit_code


def _child_options(max_age: str | None, no_cover: bool, personal: bool) -> list[str]:
    """Return the command-line options for the processes that load the tenants."""
    context = click.get_current_context()
    options = []
    if max_age:
        options.append(f"--max-age={max_age}")
    if no_cover:
        options.append("--no-cover")
    if personal:
        options.append("--personal")
    log = log_format(context)
    if log:
        options.append(f"--log={log}")
    if QUIET in context.meta:
        options.append("--quiet")
    return [*options, *["-v"] * verbosity(context)]


@command(
    "status",
    example="frgroups status --all --html status.html",
    more="If neither --all, --tenant, nor FRGROUPS_TENANT_UID is set, the command shows all tenants. As with --all, "
    "the table then also contains stored tenants that are not in tenants.toml. If tenants.toml contains a tenant, "
    "other tenants do not count in the summary or in the exit code. The exit code is 9 if a tenant has no fresh and "
    "consistent snapshot, or if the column problem is not empty.",
)
@tenants_options
@click.option(
    "--max-age",
    type=DURATION,
    default="24h",
    metavar="AGE",
    help="Report snapshots older than this age as a problem, for example 6h or 7d.",
)
@click.option("--html", type=FILE, metavar="FILE", help="Also write the status to an HTML page.")
@json_option("Print the table of tenants as one JSON object.")
@cache_option
def status(
    all_tenants: bool, tenant: tuple[str, ...], max_age: str, html: Path | None, as_json: bool, cache: Path | None
) -> int:
    """Print the age, the verdict, and the size of the newest snapshot of each tenant."""
    from frgroups.api.tenants_config import config_path
    from frgroups.cli.inputs import select_status_rows
    from frgroups.cli.status_text import status_columns, status_details, status_values
    from frgroups.cli.table_printing import print_table
    from frgroups.internals.atomic_files import write_text
    from frgroups.internals.paths import data_subdir
    from frgroups.load.status_page import status_html
    from frgroups.load.tenant_status import configured_rows, status_summary, tenant_status

    statuses = tenant_status(cache, names=list(tenant) if tenant else None, max_age=max_age)
    table = select_status_rows(statuses, all_tenants, tenant)
    if table.empty:
        missing = "contains no tenants" if config_path().exists() else "does not exist"
        raise InputError(
            f"There are no tenants to show, because {data_subdir('snapshots')} contains no snapshots and "
            f"tenants.toml {missing}. To store a snapshot of the tenant in FRGROUPS_TENANT_UID, run frgroups load."
        )
    exit_code = 0 if configured_rows(table)["ok"].all() else 9
    keep_result(exit_code, "")
    if html is not None:
        print_message(f"Written to {write_text(html.expanduser().resolve(), status_html(table, max_age=max_age))}")
    if as_json:
        print_json_line({"table": "tenant_status", "rows": [status_values(row) for row in table.to_dict("records")]})
    else:
        print_text(status_summary(table))
        print_table(status_columns(table), n_required=4)
        for line in status_details(table):
            print_text(line)
    return exit_code
