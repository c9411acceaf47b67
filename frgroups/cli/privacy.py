"""Commands that erase and export the stored data of a customer."""

from __future__ import annotations

import itertools
import json
import operator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from frgroups.cli.command import command
from frgroups.cli.options import CustomerRecords, customer_options, json_option
from frgroups.cli.output import print_json_line, print_json_text, print_message, print_text
from frgroups.cli.types import FILE

if TYPE_CHECKING:
    import pandas as pd

# Phrases that describe the actions of `fg.erase_customer` in a dry run and after the erasure.
PLANNED_ACTIONS = {
    "removed": "would remove",
    "rewritten": "would rewrite",
    "replaced": "would replace with a placeholder",
    "failed": "cannot change",
}
COMPLETED_ACTIONS = {
    "removed": "removed",
    "rewritten": "rewritten",
    "replaced": "replaced with a placeholder",
    "failed": "failed",
}


@command(
    "erase-customer",
    example="frgroups erase-customer UID --yes",
    more="In another tenant or at another host, the same uid can belong to another person. The variables "
    "FRGROUPS_TENANT_UID and FRGROUPS_BASE_URL have no effect on this command. If a file that contains the customer "
    "cannot be changed, the exit code is 5, also without --yes.",
)
@click.option(
    "--yes", is_flag=True, help="Erase the customer. Without this option, the command only lists the files."
)
@json_option("Print the table of files as one JSON object.")
@customer_options(
    also="Also erase the customer from this file or from the files in this folder, for example a list of customers. "
    "Files that cannot be changed are only listed. This option can be repeated."
)
def erase_customer(uid: str, records: CustomerRecords, yes: bool, as_json: bool) -> int:
    """Erase a customer from all stored files, or list the files that would change."""
    from frgroups.cli.inputs import check_tenant_exists
    from frgroups.cli.table_output import table_rows
    from frgroups.internals.paths import home
    from frgroups.privacy.erasure import FAILED, erase_customer

    scope = _search_scope(records)
    table = erase_customer(uid, dry_run=not yes, **scope)
    n_failed = int((table["action"] == FAILED).sum())
    exit_code = 5 if n_failed else 0
    if as_json:
        document: dict[str, Any] = {"table": "erase_customer", "dry_run": not yes, "exit_code": exit_code}
        document |= {name: scope[name] for name in ("tenant_uid", "base_url")}
        print_json_line(document | {"rows": table_rows(table)})
        return exit_code
    if table.empty:
        if records.tenant:
            check_tenant_exists(records.tenant, records.cache)
        print_text(f"No stored data of this customer was found in {home()}.")
    else:
        _print_files(table, is_dry_run=not yes)
        _print_outcome(len(table) - n_failed, n_failed, is_dry_run=not yes)
    _print_scope(**scope)
    return exit_code


def _print_files(table: pd.DataFrame, *, is_dry_run: bool) -> None:
    """Print the paths of the files, grouped by tenant and host, and then by action, kind, and note."""
    from frgroups.internals.formatting import pluralize

    descriptions = PLANNED_ACTIONS if is_dry_run else COMPLETED_ACTIONS
    for (tenant_uid, host), files in table.groupby(["tenant_uid", "host"], sort=True):
        print_text(_tenant_heading(str(tenant_uid), str(host)))
        rows = files.to_dict("records")
        for (action, kind, note), same in itertools.groupby(rows, operator.itemgetter("action", "kind", "note")):
            print_text(f"  {descriptions[action]}: {kind}")
            for row in same:
                print_text(f"    {row['path']} ({pluralize(row['n'], 'mention')})")
            if note:
                print_text(f"    {note}")
        print_text()


def _tenant_heading(tenant_uid: str, host: str) -> str:
    if not tenant_uid:
        return "Files without a tenant:"
    return f"Tenant {tenant_uid} at {host}:" if host else f"Tenant {tenant_uid}, files without a host:"


def _print_scope(*, tenant_uid: str | None, base_url: str | None, **_: object) -> None:
    """Print the tenants and hosts that were searched, and the option that changes the scope."""
    if tenant_uid is None:
        print_message(
            "All tenants and hosts were searched. In another tenant or at another host, the same uid can belong to "
            "another person. To search one tenant at its host, pass the tenant's name in tenants.toml to --tenant."
        )
    elif base_url is None:
        print_message(
            f"The search covered the data of tenant {tenant_uid} at all hosts, and the files that name no tenant. To "
            "search the tenant at one host only, pass the tenant's name in tenants.toml to --tenant."
        )
    else:
        print_message(
            f"The search covered the data of tenant {tenant_uid} at {base_url}, and the files that name no tenant or "
            "host. To search the data of this tenant at all hosts, pass its uid to --tenant."
        )


def _print_outcome(n_files: int, n_failed: int, *, is_dry_run: bool) -> None:
    from frgroups.internals.formatting import pluralize

    if n_failed:
        print_text(f"{pluralize(n_failed, 'file')} cannot be changed. The list of files contains the reasons.")
    if is_dry_run:
        print_text(
            f"{pluralize(n_files, 'file')} would change. Nothing was changed. To erase the customer, add --yes."
        )
        return
    print_text(f"{pluralize(n_files, 'file')} changed.")
    if n_files:
        print_message(
            "Also delete the customer in the tenant. Otherwise, the next load stores the customer's data again."
        )


@command("export-customer", example="frgroups export-customer UID --out FILE")
@click.option(
    "--out",
    type=FILE,
    metavar="FILE",
    help="Write the data to this file, which only the current user can read. By default, the data are printed.",
)
@json_option(
    "Print one JSON object on one line: the data or, with --out, the path of the file. Without this option, the data "
    "are printed as indented JSON."
)
@customer_options(
    also="Also search this file or folder, for example a list of customers. This option can be repeated."
)
def export_customer(uid: str, records: CustomerRecords, out: Path | None, as_json: bool) -> int:
    """Print all stored data of a customer as JSON, or write the data to a file."""
    from frgroups.cli.inputs import check_tenant_exists
    from frgroups.internals.atomic_files import write_text
    from frgroups.privacy.subject_access import export_customer as export_stored_data

    scope = _search_scope(records)
    document = export_stored_data(uid, **scope)
    if out is None and as_json:
        print_json_line(document)
    elif out is None:
        print_json_text(document)
    else:
        text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
        target = write_text(out.expanduser().resolve(), text)
        found = any(isinstance(section, list) and section for section in document.values())
        if as_json:
            print_json_line({"path": str(target), "found": found})
            return 0
        print_text(f"Written to {target}")
        if not found:
            if records.tenant:
                check_tenant_exists(records.tenant, records.cache)
            print_message("No stored data about this customer was found.")
        _print_scope(**scope)
    return 0


def _search_scope(records: CustomerRecords) -> dict[str, Any]:
    """
    Return the keyword arguments that select the files to search.

    A tenant name selects the tenant at its host, and a uid selects the tenant at all hosts. Without `--tenant`, all
    tenants are searched, because an erasure must not depend on environment variables.
    """
    from frgroups.cli.inputs import tenant_and_host

    tenant_uid, base_url = tenant_and_host(records.tenant) if records.tenant else (None, None)
    return {
        "tenant_uid": tenant_uid,
        "base_url": base_url,
        "cache": records.cache,
        "journal": records.journal,
        "also": list(records.also),
        "ids": list(records.ids),
    }
