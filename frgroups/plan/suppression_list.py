"""The list of customers who may never be added to a group: read from the home when planning, and before applying."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from frgroups.errors import ListError
from frgroups.internals.formatting import pluralize
from frgroups.internals.paths import data_subdir, tenant_folder
from frgroups.internals.redaction import mask_explicit_contacts
from frgroups.internals.spreadsheets import plain, read_table, reject_damaged_ids

SUPPRESSION_LIST = "suppression_list"


class OfTenant(Protocol):
    """What belongs to one tenant at one host: a Snapshot, a Plan, a Client."""

    @property
    def tenant_uid(self) -> str:
        """The tenant."""

    @property
    def base_url(self) -> str | None:
        """The host."""


def suppression_list_path(of: OfTenant) -> Path:
    """
    Where the never-add list of a tenant is looked for: a file that you write, and that need not be there.

    A CSV file with a first row of names, a column customer_uid, and a column reason if you like; other columns are
    not looked at. Who is on it joins no group: plans leave them out, and apply refuses a plan that still adds
    them. `forget` takes a customer off it. It is read wherever frgroups plans or applies, from the home there. Plans
    keep the reasons, with e-mail addresses and phone numbers masked: write no names in them.

    Parameters
    ----------
    of
        Whose list: a Snapshot, a Plan, or a Client of the tenant.

    >>> path = suppression_list_path(sample_snapshot())
    >>> path.parent.relative_to(home()).as_posix(), path.name.split("@")
    ('lists/suppression_list', ['t-1', 'tables.csv'])
    """
    return data_subdir("lists") / SUPPRESSION_LIST / f"{tenant_folder(of.tenant_uid, of.base_url)}.csv"


def suppressed_customers(of: OfTenant) -> dict[str, str]:
    """
    Who is on the never-add list of a tenant, and the reason it gives; nobody where there is no such file.

    Raises ListError for a file that cannot be read without guessing: nobody is passed over in silence.
    """
    path = suppression_list_path(of)
    return _read(path) if path.exists() or path.is_symlink() else {}


def _read(path: Path) -> dict[str, str]:
    table = read_table(path, None)
    header = [plain(cell) for cell in table.rows[0][1]]
    if header.count("customeruid") != 1:
        raise ListError(
            f"The never-add list {path} has {header.count('customeruid')} columns customer_uid. Its first row must "
            "name one so; a column reason may stand beside it."
        )
    where, rows = header.index("customeruid"), table.rows[1:]
    reject_damaged_ids([(number, row[where]) for number, row in rows], path)
    if blank := [number for number, row in rows if not row[where]]:
        raise ListError(
            f"The never-add list {path} has no customer_uid in {pluralize(len(blank), 'row')}, the first is row "
            f"{blank[0]}. Fill or delete them: whoever is meant could be added."
        )
    why = header.index("reason") if "reason" in header else None
    listed: dict[str, str] = {}
    for _, row in rows:
        reason = mask_explicit_contacts(row[why]) if why is not None else ""
        listed[row[where]] = listed.get(row[where]) or reason
    return listed
