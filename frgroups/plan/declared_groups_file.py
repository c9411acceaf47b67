"""Read declared groups from a TOML file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec

from frgroups.api.schema import codec
from frgroups.errors import InputError
from frgroups.internals.formatting import format_list
from frgroups.internals.suggestions import did_you_mean
from frgroups.internals.toml_files import NonblankText, describe_invalid, read_toml, toml_key
from frgroups.plan.declared_group import SOURCES, TABLE, DeclaredGroup, DeclaredGroups, place_of
from frgroups.plan.limits_file import read_group_limits
from frgroups.plan.modes import MODES, RENAMED_MODES, Mode

# Maximum number of tables in an error message.
MAX_LISTED_TABLES = 3
_LIST_KEYS = ("column", "sheet", "header_row", "ids")
# The location of an invalid value at the end of a msgspec error message, such as " - at `$.mode`".
_AT = re.compile(r" - at `\$\.?(?P<key>[^`]*)`$")


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    """Keys and value types of the table of one group."""

    mode: NonblankText | None = None
    expression: NonblankText | None = None
    rule: NonblankText | None = None
    list: NonblankText | None = None
    column: NonblankText | None = None
    sheet: NonblankText | None = None
    header_row: Annotated[int, msgspec.Meta(ge=1)] | None = None
    ids: Literal["customer_uid", "external_id"] | None = None
    create: NonblankText | None = None
    limits: dict[str, Any] = {}
    owner: NonblankText | None = None
    priority: int | None = None
    exclusive_set: NonblankText | None = None
    valid_to: date | None = None
    allow_empty: bool = False


def read_declared_groups(path: str | Path) -> DeclaredGroups:
    r"""
    Read declared groups from a TOML file.

    A declaration states which customers a group should contain. `plan_declared` compares the declarations with a
    snapshot. Groups that are not in the file are never changed.

    Each group has a table ``[groups.UID]`` with its uid or its unique name. Names that contain characters other than
    letters, digits, ``-``, and ``_`` must be in quotes. An example of a file::

        [groups.vip]
        expression = "loyalty & newsletter - staff"
        mode = "mirror"
        owner = "CRM"
        valid_to = 2027-06-30

        [groups."Black Week"]
        list = "black_week.csv"
        mode = "add"
        limits = {additions_per_group = 5000}

    A group can have the following keys. `mode` and exactly one of `expression`, `rule`, and `list` are required:

    - expression: a group expression, as in `members`
    - rule: a rule over the attributes of customers, as in `segment`
    - list: the path of a list of customers, as in `read_list`. A relative path is relative to the folder of the TOML
      file.
    - column, sheet, header_row: the column, the sheet, and the header row of the list, as in `read_list`
    - ids: the type of the ids in the list, "customer_uid" or "external_id". By default, it is detected.
    - mode: "add", "remove", "keep_only", or "mirror", as in `plan_memberships`
    - create: the name of the group. If no group has the uid, the plan creates the group.
    - limits: a table with the limits of the group. The keys are those of a group in `read_limits`.
    - owner: the person or team to ask about the group
    - valid_to: the last day on which the group is valid
    - allow_empty: true to allow a declaration that selects no customers, and a plan that removes all members
    - priority: a whole number. If several groups with a priority select a customer, the customer belongs only to the
      group with the smallest number.
    - exclusive_set: the name of a set of groups. Priorities apply within a set. Groups without this key form one set.

    Parameters
    ----------
    path : str or Path
        Path of the TOML file.

    Returns
    -------
    DeclaredGroups
        The declared groups.

    Raises
    ------
    InputError
        The file cannot be read, is not valid TOML, or contains an unknown key or an invalid value. The message
        contains the file, the group, and the key. `plan_declared` checks the groups, expressions, rules, and lists.

    See Also
    --------
    plan_declared : Create a plan from declared groups.
    declare_groups : Write a file that declares the current members of groups.

    Examples
    --------
    >>> path = home() / "groups.toml"
    >>> path.parent.mkdir(parents=True, exist_ok=True)
    >>> _ = path.write_text('[groups.vip]\nexpression = "all - staff"\nmode = "mirror"\nowner = "CRM"\n')
    >>> declared = read_declared_groups(path)
    >>> declared.table()[["group", "customers", "owner"]]
      group    customers owner
    0   vip  all - staff   CRM
    """
    source = Path(path).expanduser()
    content, _ = read_toml(source, "declared groups file")
    for key, value in content.items():
        if key != TABLE:
            raise InputError(f"{source}: {_unknown_entry(key, value)}")
    tables = content.get(TABLE)
    if not isinstance(tables, dict):
        raise InputError(f"{source} declares no groups. Write [{TABLE}.UID] above the keys of a group.")
    groups = tuple(_read_group(source, group, table) for group, table in tables.items())
    _check_priorities(source, groups)
    return DeclaredGroups(source, groups)


def _read_group(file: Path, group: str, table: Any) -> DeclaredGroup:
    place = place_of(file, group)
    if not isinstance(table, dict):
        raise InputError(f"{place} must be a table. Write [{toml_key(TABLE, group)}] above the keys of the group.")
    _check_keys(place, table)
    try:
        content = msgspec.convert(table, _Content)
    except msgspec.ValidationError as error:
        raise InputError(_invalid_value(place, describe_invalid(error))) from error
    given = [name for name in SOURCES if getattr(content, name) is not None]
    if len(given) != 1:
        found = f"{' and '.join(f'`{name}`' for name in given)} are given" if given else "none is given"
        raise InputError(f"{place} must contain one of `expression`, `rule`, and `list`, but {found}.")
    _check_combinations(place, content)
    if content.create is not None:
        _check_created_group(place, group, content.mode, content.create)
    values = msgspec.structs.asdict(content)
    [source] = given
    return DeclaredGroup(
        group=group,
        source=source,
        customers=values[source],
        limits=read_group_limits(f"{place}, `limits`", content.limits),
        **{name: value for name, value in values.items() if name not in (*SOURCES, "limits")},
    )


def _unknown_entry(key: str, value: Any) -> str:
    """Describe an unknown key or table at the top level of a file, and suggest a correction."""
    if not isinstance(value, dict):
        return (
            f"`{key}` is not in the table of a group. Write it below the heading of a group, such as [{TABLE}.UID]."
        )
    names = [key]
    is_misspelled_table = bool(difflib.get_close_matches(key, [TABLE], n=1))
    if is_misspelled_table and value and all(isinstance(table, dict) for table in value.values()):
        names = list(value)
    headings = [f"[{toml_key(TABLE, name)}]" for name in names[:MAX_LISTED_TABLES]]
    return f"`{key}` is not a known table. Write {format_list(headings, conjunction='or')} for a group."


def _check_keys(place: str, table: Mapping[str, Any]) -> None:
    for key, value in table.items():
        if key in _Content.__struct_fields__:
            continue
        text = f"{place}: `{key}` is not a known key."
        if isinstance(value, dict):
            text += " If the period is part of the uid or the name of the group, enclose the uid or name in quotes."
        text += did_you_mean(difflib.get_close_matches(key, _Content.__struct_fields__, n=1))
        raise InputError(f"{text} The keys are {', '.join(_Content.__struct_fields__)}.")


def _invalid_value(place: str, problem: str) -> str:
    """Return the error message for a value of the wrong type, with the key at the start of the message."""
    match = _AT.search(problem)
    if match is None:
        return f"{place} is not valid: {problem}."
    return f"{place}, `{match['key']}` is not valid: {problem[: match.start()]}."


def _check_combinations(place: str, content: _Content) -> None:
    """Raise InputError if the mode is missing or unknown, or if a key has no effect because of another key."""
    modes = ", ".join(f'"{mode}"' for mode in MODES)
    if content.mode is None:
        raise InputError(f"{place} must contain `mode`. The modes are {modes}.")
    if content.mode in RENAMED_MODES:
        raise InputError(f"{place}, `mode`: {content.mode!r} was renamed. Use {RENAMED_MODES[content.mode]!r}.")
    if content.mode not in get_args(Mode):
        raise InputError(f"{place}, `mode` must be one of {modes}, got {content.mode!r}.")
    for key in _LIST_KEYS:
        if getattr(content, key) is not None and content.list is None:
            raise InputError(f"{place}: `{key}` requires `list`. Remove `{key}`.")
    if content.exclusive_set is not None and content.priority is None:
        raise InputError(f"{place}: `exclusive_set` requires `priority`.")
    if content.priority is not None and content.mode == "remove":
        raise InputError(f"{place}: `priority` cannot be combined with the mode 'remove', which adds no customers.")


def _check_created_group(place: str, group: str, mode: str | None, name: str) -> None:
    if mode == "remove":
        raise InputError(f"{place}: `create` cannot be combined with the mode 'remove'. A new group has no members.")
    if codec.UID.fullmatch(group) is None:
        raise InputError(f"{place}: `create` requires the uid of the new group in the heading, got {group!r}.")
    codec.check_group_name(name, f"{place}, `create`")


def _check_priorities(source: Path, groups: tuple[DeclaredGroup, ...]) -> None:
    """Raise InputError if two groups of a set have the same priority."""
    first: dict[tuple[str | None, int], str] = {}
    for declared in groups:
        if declared.priority is None:
            continue
        key = (declared.exclusive_set, declared.priority)
        if key in first:
            raise InputError(
                f"{place_of(source, declared.group, 'priority')}: The groups {first[key]!r} and {declared.group!r} "
                f"have the same priority {declared.priority}. Use a different number for each group."
            )
        first[key] = declared.group
