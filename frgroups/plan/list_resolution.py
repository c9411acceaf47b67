"""Find the customers of a list that was read from a file, and reject lists that probably contain mistakes."""

from __future__ import annotations

import pandas as pd

from frgroups.api.schema.codec import UID
from frgroups.errors import InputError, ListError
from frgroups.internals.formatting import agree, pluralize
from frgroups.snapshot.customer_lists import check_listed_ids
from frgroups.snapshot.id_formats import ListedIds, check_formats
from frgroups.snapshot.id_resolution import (
    Directory,
    detect_id_type,
    known_customers,
    read_directory,
    resolve_customers,
)
from frgroups.snapshot.id_types import reject_emails
from frgroups.snapshot.known_ids import reject_group_uids, reject_list_without_known_ids
from frgroups.snapshot.snapshot import Snapshot
from frgroups.snapshot.uid_lookup import is_known


def list_id_type(snapshot: Snapshot, listed: ListedIds) -> str:
    """Return the type of the ids in a list. Raise InputError if the type cannot be detected."""
    kind = detect_id_type(snapshot, listed.ids)
    if kind is None:
        raise InputError(
            f"{listed.source} contains ids that are the customer uid of one customer and the external id of another "
            "customer.",
            cli_hint="For --list, choose the type with --ids. In other lists, name the column customer_uid or "
            "external_id.",
        )
    return kind


def resolve_listed_ids(
    snapshot: Snapshot,
    listed: ListedIds,
    kind: str,
    directory: Directory | None,
    *,
    allow_similar_ids: bool,
    allow_unknown: bool,
) -> pd.DataFrame:
    """
    Return the result of `resolve_customers` for the ids in a list.

    Raise ListError with the row numbers if ids are probably misspelled or are not customer ids.

    Parameters
    ----------
    snapshot
        The snapshot that contains the known customers.
    listed
        The ids of the list.
    kind
        "customer_uid" or "external_id".
    directory
        Customer export that contains further customers.
    allow_similar_ids
        Whether unknown ids may be similar to ids of known customers.
    allow_unknown
        Whether a list in which all ids are unknown is accepted.
    """
    directory_table = None if directory is None else read_directory(directory, kind)
    customers = known_customers(snapshot, kind, directory_table)
    unknown = listed.ids[~is_known(listed.ids, customers[kind])]
    reject_emails(unknown, customers[kind], kind, source=str(listed.source), rows=listed.rows, error=ListError)
    known: set[str] = set()
    if not allow_similar_ids:
        reject_group_uids(listed, snapshot)
        known = check_listed_ids(listed, customers, kind)
    if kind == "customer_uid":
        _reject_invalid_uids(snapshot, listed)
    # The formats of unknown external ids are not checked, because the callers report or skip unknown external ids.
    if kind == "customer_uid" and not allow_similar_ids:
        check_formats(listed, known, customers[kind])
    if not allow_unknown and len(unknown) and len(unknown) == len(listed.ids):
        reject_list_without_known_ids(listed, customers, kind)
    # Accept similar ids here, because `check_listed_ids` has already rejected them if `allow_similar_ids` is False.
    return resolve_customers(snapshot, listed.ids, by=kind, directory=directory_table, allow_similar_ids=True)


def _reject_invalid_uids(snapshot: Snapshot, listed: ListedIds) -> None:
    """Raise ListError with the row numbers if unknown ids contain characters that are invalid in a customer uid."""
    unknown = listed.ids[~is_known(listed.ids, snapshot.customers["customer_uid"])]
    invalid = list(unknown[~unknown.map(lambda value: UID.fullmatch(value) is not None).astype(bool)])
    if invalid:
        n = len(invalid)
        verb = agree(n, "is not a valid customer uid", "are not valid customer uids")
        raise ListError(
            f"{listed.source} contains {pluralize(n, 'id')} that {verb}: "
            f"{listed.describe_rows(invalid)}. Write one uid per row, and use only the letters A-Z and a-z, digits, "
            "'-', and '_'.",
            cli_hint="If the list contains external ids, pass --ids external_id with --list, or name the column "
            "external_id.",
        )
