"""Reject customer lists that contain no ids of known customers."""

from __future__ import annotations

import pandas as pd

from frgroups.errors import ListError
from frgroups.internals.formatting import agree, pluralize, shell_argument
from frgroups.snapshot.id_formats import ListedIds
from frgroups.snapshot.id_types import other_type_hints
from frgroups.snapshot.snapshot import Snapshot
from frgroups.snapshot.uid_lookup import is_known


def reject_column_without_known_ids(listed: ListedIds) -> None:
    """Raise ListError if the id column contains no known ids, but another column of the file contains known ids."""
    if not listed.other_columns:
        return
    name = max(listed.other_columns, key=lambda other: listed.other_columns[other])
    n_known = listed.other_columns[name]
    if_others = f"If the customers in the column {str(listed.ids.name)!r} are not in the snapshot"
    raise ListError(
        f"{listed.source} contains no known ids in the column {str(listed.ids.name)!r}, but the column {name!r} "
        f"contains {pluralize(n_known, 'id')} of known customers.",
        hint=f"To read these ids, pass column={name!r}. {if_others}, pass allow_similar_ids=True.",
        cli_hint=f"To read these ids, pass --column {shell_argument(name)} with --list. {if_others}, pass "
        "--allow-similar-ids.",
    )


def reject_group_uids(listed: ListedIds, snapshot: Snapshot) -> None:
    """Raise ListError if a list contains the uid of a group, unless a known customer has the same id."""
    names = snapshot.matrix.names_by_uid
    ids = pd.Series([value for value in listed.ids if value in names], dtype="str")
    customers = snapshot.customers
    found = ids[~is_known(ids, customers["customer_uid"]) & ~is_known(ids, customers["external_id"])]
    if found.empty:
        return
    are, if_customers = (
        agree(len(found), "is the uid of a group", "are uids of groups"),
        "If customers have these ids,",
    )
    raise ListError(
        f"{listed.source}, {listed.describe_rows(found)} {are}, but a list must contain ids of customers.",
        hint=f"For the members of a group, use fg.members. {if_customers} pass allow_similar_ids=True.",
        cli_hint=f"For the members of groups, use --members instead of --list. {if_customers} pass "
        "--allow-similar-ids.",
    )


def reject_list_without_known_ids(listed: ListedIds, customers: pd.DataFrame, kind: str) -> None:
    """
    Raise ListError for a list without known ids, because a plan would add customers who probably do not exist.

    Parameters
    ----------
    listed
        Ids of the list. None of them is known.
    customers
        The known customers.
    kind
        Column of `customers` that contains the ids.
    """
    label = kind.replace("_", " ")
    hint, cli_hint = other_type_hints(customers, list(listed.ids), kind, n_known=0)
    if not hint and kind == "customer_uid":
        condition = "If these are uids of customers who do not belong to any group,"
        hint, cli_hint = f"{condition} pass allow_similar_ids=True.", f"{condition} pass --allow-similar-ids."
    elif not hint:
        condition = "If the customers do not belong to any group,"
        hint = f"{condition} pass allow_similar_ids=True, and pass a directory to resolve_customers."
        cli_hint = f"{condition} pass a customer export with --directory."
    raise ListError(
        f"{listed.source} contains no known {label} ({pluralize(len(listed.ids), 'id')} read). The list probably "
        "belongs to another tenant, or the ids were cut. Compare the ids with the customers of the tenant.",
        hint=hint,
        cli_hint=cli_hint,
    )
