"""The commands about one customer: what is held of them, and forgetting them."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

from frgroups.cli.arguments import Add, of_customer
from frgroups.cli.resolve import tenant_uid_of
from frgroups.internals.atomic_files import write_text
from frgroups.internals.formatting import pluralize
from frgroups.internals.paths import home
from frgroups.privacy.erasure import COULD_NOT
from frgroups.privacy.erasure import erase_customer as forgotten
from frgroups.privacy.subject_access import export_customer as exported


def add_commands(add: Add) -> None:
    """What each of these commands takes."""
    _forget_words(add)
    _export_customer_words(add)


def forget(options: Namespace) -> int:
    """Show what would be done to forget a customer, and with --yes do it."""
    table = forgotten(options.uid, dry_run=not options.yes, **_where(options))
    if table.empty:
        where = f" of tenant {tenant_uid_of(options.tenant)}" if options.tenant else ""
        print(f"Nothing is held of this customer{where} in {home()}.")
        return 0
    for row in table.to_dict("records"):
        print(f"{row['action']:<10}  {row['kind']:<9}  {row['n']:>4}  {row['path']}")
        if row["note"]:
            print(f"{'':<29}{row['note']}")
    failed = int((table["action"] == COULD_NOT).sum())
    if not options.yes:
        cannot = f", {failed} could not be done" if failed else ""
        print(
            f"{pluralize(len(table) - failed, 'file')} would change{cannot}; nothing was changed. Do it: with --yes."
        )
        return 5 if failed else 0
    print(f"{pluralize(len(table) - failed, 'file')} done, {failed} could not be done.")
    if len(table) > failed:
        print("Delete the customer in the tenant too: what is there still, the next load keeps again.")
    return 5 if failed else 0


def export_customer(options: Namespace) -> int:
    """Print all that is held of a customer as JSON."""
    text = json.dumps(exported(options.uid, **_where(options)), indent=1, ensure_ascii=False) + "\n"
    if options.out is None:
        print(text, end="")
    else:
        print(f"Written to {write_text(options.out.expanduser().resolve(), text)}")
    return 0


def _where(options: Namespace) -> dict[str, Any]:
    named = {"tenant_uid": tenant_uid_of(options.tenant), "cache": options.cache, "journal": options.journal}
    return named | {"also": options.also, "ids": options.ids}


def _forget_words(add: Add) -> None:
    parser = add(
        forget, "remove one customer from all that is kept; without --yes only tells", "frgroups forget UID --yes"
    )
    parser.add_argument("--yes", action="store_true", help="do it; without, nothing is changed")
    of_customer(parser)


def _export_customer_words(add: Add) -> None:
    parser = add(
        export_customer, "all that is kept of one customer, as JSON", "frgroups export-customer UID --out FILE"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write it to a file for you alone")
    of_customer(parser)
