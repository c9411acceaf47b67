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

# Texts that describe the actions of `fg.erase_customer` in a dry run and after the erasure.
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


@command("erase-customer", example="frgroups erase-customer UID --yes")
@click.option(
    "--yes", is_flag=True, help="Erase the customer. Without this option, the command only lists the files."
)
@json_option("Print the table of files as one JSON object.")
@customer_options
def erase_customer(uid: str, records: CustomerRecords, yes: bool, as_json: bool) -> int:
    """Erase a customer from all stored files, or list the files that would change."""
    from frgroups.cli.inputs import resolve_tenant_uid
    from frgroups.cli.table_output import table_rows
    from frgroups.internals.paths import home
    from frgroups.privacy.erasure import FAILED, erase_customer

    table = erase_customer(uid, dry_run=not yes, **_search_scope(records))
    n_failed = int((table["action"] == FAILED).sum())
    exit_code = 5 if n_failed else 0
    if as_json:
        rows = table_rows(table)
        print_json_line({"table": "erase_customer", "dry_run": not yes, "exit_code": exit_code, "rows": rows})
        return exit_code
    if table.empty:
        print_text(f"No stored data of this customer was found in {home()}.")
        if records.tenant:
            print_message(f"Only the data of tenant {resolve_tenant_uid(records.tenant)} was searched.")
        return 0
    _print_files(table, is_dry_run=not yes)
    _print_outcome(len(table) - n_failed, n_failed, is_dry_run=not yes)
    return exit_code


def _print_files(table: pd.DataFrame, *, is_dry_run: bool) -> None:
    """Print the paths of the files, grouped by action, kind, and note."""
    from frgroups.internals.formatting import pluralize

    descriptions = PLANNED_ACTIONS if is_dry_run else COMPLETED_ACTIONS
    rows = table.to_dict("records")
    for (action, kind, note), same in itertools.groupby(rows, operator.itemgetter("action", "kind", "note")):
        print_text(f"{descriptions[action]}: {kind}")
        for row in same:
            print_text(f"  {row['path']} ({pluralize(row['n'], 'mention')})")
        if note:
            print_text(f"  {note}")
    print_text()


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
@customer_options
def export_customer(uid: str, records: CustomerRecords, out: Path | None, as_json: bool) -> int:
    """Print all stored data of a customer as JSON, or write the data to a file."""
    from frgroups.internals.atomic_files import write_text
    from frgroups.privacy.subject_access import export_customer as export_stored_data

    document = export_stored_data(uid, **_search_scope(records))
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
            print_message("No stored data about this customer was found.")
    return 0


def _search_scope(records: CustomerRecords) -> dict[str, Any]:
    from frgroups.cli.inputs import resolve_tenant_uid

    return {
        "tenant_uid": resolve_tenant_uid(records.tenant),
        "cache": records.cache,
        "journal": records.journal,
        "also": list(records.also),
        "ids": list(records.ids),
    }
