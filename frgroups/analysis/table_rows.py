"""Iterate over, sort, and label the rows of result tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.formatting import format_list


def iter_rows(table: pd.DataFrame) -> Iterator[Any]:
    """Iterate over the rows of a table as named tuples whose fields are the columns."""
    yield from table.itertuples(index=False)


def sort_largest_first(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Sort a table of groups by a column in decreasing order. Rows with equal values are sorted by uid."""
    return table.sort_values([column, "customer_group_uid"], ascending=[False, True])


def with_known_changes(changes: pd.DataFrame) -> pd.DataFrame:
    """
    Return the rows of a `group_changes` table whose counts are not suppressed.

    Examples
    --------
    >>> counts = pd.array([3, None], dtype="Int64")
    >>> with_known_changes(pd.DataFrame({"n_joined": counts, "n_left": [0, 0]}))
       n_joined  n_left
    0         3       0
    """
    known = changes[changes["n_joined"].notna() & changes["n_left"].notna()]
    return known.astype({"n_joined": "int64", "n_left": "int64"})


def sort_most_changed_first(changes: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a `group_changes` table that have at least one change, most changes first."""
    changed = changes.assign(n_changes=changes["n_joined"] + changes["n_left"]).query("n_changes > 0")
    return sort_largest_first(changed, "n_changes")


def check_one_tenant(history: pd.DataFrame, name: str) -> None:
    """Raise InputError if a size history contains several tenants. `name` is the argument that contains the table."""
    if "tenant_uid" not in history:
        return
    tenants = history["tenant_uid"].drop_duplicates().sort_values().tolist()
    if len(tenants) > 1:
        listed = format_list([repr(tenant) for tenant in tenants[:5]])
        raise InputError(
            f"`{name}` must contain one tenant, but contains {len(tenants):,}, for example {listed}.",
            hint=f"Select the rows of one tenant, for example history[history['tenant_uid'] == {tenants[0]!r}].",
        )


def unique_names(uids: Iterable[str], names: Iterable[str]) -> dict[str, str]:
    """
    Return a unique, single-line name for each uid.

    If a name is empty or not unique, the uid is appended to the name.

    Examples
    --------
    >>> unique_names(["a", "b", "c"], ["VIP", "Staff", "VIP"])
    {'a': 'VIP (a)', 'b': 'Staff', 'c': 'VIP (c)'}
    """
    name_of_uid = {uid: " ".join(name.split()) for uid, name in zip(uids, names, strict=True)}
    n_groups = Counter(name_of_uid.values())
    unique = {}
    for uid, name in name_of_uid.items():
        is_unique = name != "" and (name == uid or n_groups[name] == 1)
        unique[uid] = name if is_unique else f"{name} ({uid})".lstrip()
    return unique


def latest_group_names(table: pd.DataFrame) -> dict[str, str]:
    """Return a unique name for each group in a table. The name is from the last row of the group."""
    last = table.drop_duplicates("customer_group_uid", keep="last")
    return unique_names(last["customer_group_uid"], last["name"])
