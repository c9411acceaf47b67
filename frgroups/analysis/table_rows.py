"""Access to the rows of result tables: iteration, order, and the names of their groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd


def iter_rows(table: pd.DataFrame) -> Iterator[Any]:
    """Iterate over the rows of a table as named tuples, with the columns as attributes."""
    yield from table.itertuples(index=False)


def sort_largest_first(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Sort groups by a column, largest first; equal values are sorted by uid."""
    return table.sort_values([column, "customer_group_uid"], ascending=[False, True])


def sort_most_changed_first(changes: pd.DataFrame) -> pd.DataFrame:
    """Return the groups with changes from a table of `group_changes`, the largest number of changes first."""
    changed = changes.assign(n_changes=changes["n_joined"] + changes["n_left"]).query("n_changes > 0")
    return sort_largest_first(changed, "n_changes")


def unique_names(uids: Iterable[str], names: Iterable[str]) -> dict[str, str]:
    """
    Return the name of each uid in one line, followed by the uid if the name is empty or not unique.

    Examples
    --------
    >>> unique_names(["a", "b", "c"], ["VIP", "Staff", "VIP"])
    {'a': 'VIP (a)', 'b': 'Staff', 'c': 'VIP (c)'}
    """
    name_of_uid = {uid: " ".join(name.split()) for uid, name in zip(uids, names, strict=True)}
    all_names = list(name_of_uid.values())
    unique = {}
    for uid, name in name_of_uid.items():
        is_unique = name != "" and (name == uid or all_names.count(name) == 1)
        unique[uid] = name if is_unique else f"{name} ({uid})".lstrip()
    return unique


def latest_group_names(table: pd.DataFrame) -> dict[str, str]:
    """Return the last name of each group of a table, made unique."""
    last = table.drop_duplicates("customer_group_uid", keep="last")
    return unique_names(last["customer_group_uid"], last["name"])
