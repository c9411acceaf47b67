"""Read the suppression list, which contains the customers who must not be added to any group."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from frgroups.errors import InputError, ListError
from frgroups.internals.formatting import describe_rows
from frgroups.internals.paths import data_subdir, tenant_folder
from frgroups.internals.redaction import mask_explicit_contacts
from frgroups.internals.spreadsheets import normalize_column_name, read_table
from frgroups.snapshot.id_columns import read_id_column

SUPPRESSION_LIST = "suppression_list"


class HasTenant(Protocol):
    """Protocol for objects that have a tenant and a host, such as Snapshot, Plan, and Client."""

    @property
    def tenant_uid(self) -> str:
        """Uid of the tenant."""

    @property
    def base_url(self) -> str | None:
        """Host of the tenant."""


def suppression_list_path(tenant: HasTenant) -> Path:
    """
    Return the path of a tenant's suppression list.

    The file does not exist until you create it. It is a CSV file with a header, the column customer_uid, and an
    optional column reason. Other columns are ignored. Plans do not add customers on the list, and `apply_plan`
    rejects a plan that adds them. `erase_customer` removes an erased customer from the list.

    Parameters
    ----------
    tenant : Snapshot, Plan or Client
        An object of the tenant.

    Returns
    -------
    Path
        The path of the CSV file. It depends on the uid and the host of the tenant.

    Notes
    -----
    Plans contain the reasons. Email addresses and phone numbers in a reason are masked, but names are not, so do not
    write names. Planning and applying read the file in the data folder of the machine on which they run.

    Examples
    --------
    >>> path = suppression_list_path(sample_snapshot())
    >>> path.parent.relative_to(home()).as_posix(), path.name.split("@")
    ('lists/suppression_list', ['t-1', 'tables.csv'])
    """
    return data_subdir("lists") / SUPPRESSION_LIST / f"{tenant_folder(tenant.tenant_uid, tenant.base_url)}.csv"


def suppressed_customers(tenant: HasTenant) -> dict[str, str]:
    """
    Return the customers on a tenant's suppression list, as {uid: reason}.

    A missing reason is an empty string. The result is empty if the file does not exist.

    Raises
    ------
    ListError
        The file is ambiguous or cannot be read.
    """
    path = suppression_list_path(tenant)
    earlier = path.parent.with_name("never_add") / path.name
    if earlier.exists():
        raise InputError(f"The suppression list {earlier} is in a folder that is no longer read. Move it to {path}.")
    # A symbolic link to a missing file is an error, because it shows that a suppression list was set up.
    if not path.exists() and not path.is_symlink():
        return {}
    return _read_suppression_list(path)


def _read_suppression_list(path: Path) -> dict[str, str]:
    table = read_table(path, None)
    header = [normalize_column_name(cell) for cell in table.rows[0][1]]
    if header.count("customeruid") != 1:
        raise ListError(
            f"The suppression list {path} must have one column 'customer_uid', but it has "
            f"{header.count('customeruid')}. Write customer_uid as the header of the uid column in the first row."
        )
    uids = read_id_column(table, header.index("customeruid"))
    blank = [number for number, uid in uids if not uid]
    if blank:
        raise ListError(
            f"The suppression list {path} has no customer_uid in {describe_rows(blank)}. Enter the missing uids or "
            "delete the rows."
        )
    reasons: dict[str, str] = {}
    for (_, uid), (_, row) in zip(uids, table.rows[1:], strict=True):
        reason = ""
        if "reason" in header:
            reason = mask_explicit_contacts(row[header.index("reason")])
        # If a customer is listed several times, the first reason is used.
        reasons[uid] = reasons.get(uid) or reason
    return reasons
