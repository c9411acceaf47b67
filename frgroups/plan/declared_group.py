"""Declared groups: the customers that a group should contain, and how a plan may change the group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.formatting import pluralize
from frgroups.internals.toml_files import toml_key
from frgroups.plan.modes import Mode
from frgroups.snapshot.schema import TIMESTAMP_DTYPE, coerce_schema

Source = Literal["expression", "rule", "list"]
SOURCES: tuple[Source, ...] = ("expression", "rule", "list")
TABLE = "groups"
_COLUMNS = {
    "group": "str",
    "mode": "str",
    "source": "str",
    "customers": "str",
    "owner": "str",
    "priority": "Int64",
    "exclusive_set": "str",
    "valid_to": TIMESTAMP_DTYPE,
    "allow_empty": "bool",
    "create": "str",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredGroup:
    """
    The declaration of one group. `read_declared_groups` describes the attributes and validates them.

    Attributes
    ----------
    group
        Uid or unique name of the group.
    mode
        How a plan may change the group.
    source, customers
        The type of the selection ("expression", "rule", or "list"), and the expression, the rule, or the list's path.
    column, sheet, header_row, ids
        Location of the ids in the list, and type of the ids. A location or type of None is detected from the list.
    create
        Name of the group if it does not exist yet, or None if it must exist.
    limits
        Limits of this group, which replace the limits of the plan.
    owner, priority, exclusive_set, valid_to, allow_empty
        Other keys of the declaration. None if a key is not declared.
    """

    group: str
    mode: Mode
    source: Source
    customers: str
    column: str | None = None
    sheet: str | None = None
    header_row: int | None = None
    ids: Literal["customer_uid", "external_id"] | None = None
    create: str | None = None
    limits: Mapping[str, Any] = field(default_factory=dict)
    owner: str | None = None
    priority: int | None = None
    exclusive_set: str | None = None
    valid_to: date | None = None
    allow_empty: bool = False


@dataclass(frozen=True, eq=False, repr=False)
class DeclaredGroups:
    r"""
    The declared groups in a file. `plan_declared` compares them with a snapshot.

    Attributes
    ----------
    path : Path
        The file. Paths of lists are relative to its folder.
    groups : tuple
        The declarations, in the order of the file. Use `table()` to get them as a DataFrame.

    Examples
    --------
    >>> path = home() / "groups.toml"
    >>> path.parent.mkdir(parents=True, exist_ok=True)
    >>> _ = path.write_text('[groups.vip]\nexpression = "all - staff"\nmode = "add"\n')
    >>> read_declared_groups(path)
    <DeclaredGroups groups.toml: 1 group>
    """

    path: Path
    groups: tuple[DeclaredGroup, ...]

    def __repr__(self) -> str:
        return f"<DeclaredGroups {self.path.name}: {pluralize(len(self.groups), 'group')}>"

    def table(self) -> pd.DataFrame:
        r"""
        Return a table with one row per declared group.

        Returns
        -------
        pandas.DataFrame
            Rows in the order of the file.

            - group, mode (`str`)
            - source (`str`): "expression", "rule", or "list"
            - customers (`str`): the expression, the rule, or the path of the list
            - owner (`str`)
            - priority (`Int64`)
            - exclusive_set (`str`)
            - valid_to (`datetime64[us, UTC]`): the start of the last day
            - allow_empty (`bool`)
            - create (`str`): the name of the group if it does not exist yet

        Examples
        --------
        >>> path = home() / "groups.toml"
        >>> path.parent.mkdir(parents=True, exist_ok=True)
        >>> _ = path.write_text('[groups.vip]\nexpression = "all - staff"\nmode = "add"\n')
        >>> read_declared_groups(path).table()[["group", "mode", "source", "customers"]]
          group mode      source    customers
        0   vip  add  expression  all - staff
        """
        rows = [[getattr(declared, name) for name in _COLUMNS] for declared in self.groups]
        table = pd.DataFrame(rows, columns=list(_COLUMNS), dtype=object)
        return coerce_schema(table.assign(valid_to=pd.to_datetime(table["valid_to"], utc=True)), _COLUMNS)


def place_of(path: Path, group: str, key: str = "") -> str:
    """
    Return the file, the table of a group, and a key for error messages.

    Examples
    --------
    >>> place_of(Path("groups.toml"), "vip", "mode")
    'groups.toml, [groups.vip], `mode`'
    """
    place = f"{path}, [{toml_key(TABLE, group)}]"
    return f"{place}, `{key}`" if key else place


@contextmanager
def errors_in(place: str, group: str) -> Iterator[None]:
    """Add a sentence that contains `place` to the message of an InputError, and set its attribute `group`."""
    try:
        yield
    except InputError as error:
        error.add(f"The problem is in {place}.", group=group)
        raise
