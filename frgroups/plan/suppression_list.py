"""Suppression list: the customers of a tenant who must not be added to any group."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from frgroups.errors import InputError, ListError
from frgroups.internals.formatting import pluralize
from frgroups.internals.paths import data_subdir, tenant_folder
from frgroups.internals.redaction import mask_explicit_contacts
from frgroups.internals.spreadsheets import normalize_column_name, read_table, reject_damaged_ids

SUPPRESSION_LIST = "suppression_list"


class HasTenant(Protocol):
    """An object of one tenant at one host: a Snapshot, a Plan or a Client."""

    @property
    def tenant_uid(self) -> str:
        """The tenant."""

    @property
    def base_url(self) -> str | None:
        """The host."""


def suppression_list_path(tenant: HasTenant) -> Path:
    """
    Return the path of a tenant's suppression list, a file that you can create.

    The file is a CSV file with a header, a column customer_uid and optionally a column reason. Other columns are
    ignored. Plans do not add customers on the list, and apply rejects a plan that adds them. `erase_customer` removes
    a customer from the list. Plans contain the reasons with email addresses and phone numbers masked, so do not write
    names there. Planning and applying both read the file in the data folder of the machine that they run on.

    Parameters
    ----------
    tenant
        A Snapshot, Plan or Client of the tenant.

    Examples
    --------
    >>> path = suppression_list_path(sample_snapshot())
    >>> path.parent.relative_to(home()).as_posix(), path.name.split("@")
    ('lists/suppression_list', ['t-1', 'tables.csv'])
    """
    return data_subdir("lists") / SUPPRESSION_LIST / f"{tenant_folder(tenant.tenant_uid, tenant.base_url)}.csv"


def suppressed_customers(tenant: HasTenant) -> dict[str, str]:
    """
    Return the customers on a tenant's suppression list with the reason, "" if there is none.

    The result is empty if the file does not exist.

    Raises
    ------
    ListError
        The file cannot be read without guessing, so a customer could be overlooked.
    """
    path = suppression_list_path(tenant)
    earlier = path.parent.with_name("never_add") / path.name
    if earlier.exists():
        raise InputError(f"{earlier} is not read any more. Move it to {path}.")
    # A dangling link is an error, because a list was set up.
    if not path.exists() and not path.is_symlink():
        return {}
    return _read_suppression_list(path)


def _read_suppression_list(path: Path) -> dict[str, str]:
    table = read_table(path, None)
    header = [normalize_column_name(cell) for cell in table.rows[0][1]]
    if header.count("customeruid") != 1:
        raise ListError(
            f"The suppression list {path} has {header.count('customeruid')} columns customer_uid. Its first row must "
            "name one so; a column reason may stand beside it."
        )
    uid_column, rows = header.index("customeruid"), table.rows[1:]
    reject_damaged_ids([(number, row[uid_column]) for number, row in rows], path)
    blank = [number for number, row in rows if not row[uid_column]]
    if blank:
        raise ListError(
            f"The suppression list {path} has no customer_uid in {pluralize(len(blank), 'row')}, the first is row "
            f"{blank[0]}. Fill or delete them: whoever is meant could be added."
        )
    reasons: dict[str, str] = {}
    for _, row in rows:
        uid, reason = row[uid_column], ""
        if "reason" in header:
            reason = mask_explicit_contacts(row[header.index("reason")])
        # The first reason counts if a customer is listed several times.
        reasons[uid] = reasons.get(uid) or reason
    return reasons
