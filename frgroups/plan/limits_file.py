"""Read limits from a TOML file."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from frgroups.errors import InputError
from frgroups.internals.toml_files import read_toml
from frgroups.plan.limits import GROUP_LIMIT_NAMES, LIMIT_NAMES, OFF, PLAN_LIMITS, Limits

# Type of a TOML value. Only the types are checked here, because `Limits` validates the numbers and durations.
_Value = int | float | str | msgspec.UnsetType


def _table_type(name: str, limit_names: tuple[str, ...]) -> type[msgspec.Struct]:
    limits = [(limit_name, _Value, msgspec.UNSET) for limit_name in limit_names]
    return msgspec.defstruct(name, limits, forbid_unknown_fields=True)


_PlanTable = _table_type("_PlanTable", LIMIT_NAMES)
_GroupTable = _table_type("_GroupTable", GROUP_LIMIT_NAMES)


def read_limits(path: str | Path) -> Limits:
    r"""
    Read limits from a TOML file.

    The keys are the parameters of `Limits`, and the string "none" disables a limit. A table `per_group.UID` contains
    the limits of one group. UID can be a pattern, and the first matching pattern in the file is used. Missing limits
    have the defaults of `Limits`. The table of a group cannot contain totals and ages, because these limits apply to
    the complete plan.

    An example of a limits file::

        removals_total = 200
        removal_share = "none"

        [per_group.vip]
        removals_per_group = 0

        [per_group."store_*"]
        additions_per_group = 5000

    Parameters
    ----------
    path : str or Path
        Path of the TOML file.

    Returns
    -------
    Limits
        The limits in the file.

    Raises
    ------
    InputError
        The file cannot be read, is not valid TOML, or contains an unknown key or an invalid value.

    Examples
    --------
    >>> path = home() / "limits.toml"
    >>> path.parent.mkdir(parents=True, exist_ok=True)
    >>> _ = path.write_text('removals_total = 200\n[per_group."store_*"]\nremoval_share = "none"\n')
    >>> limits = read_limits(path)
    >>> limits.removals_total, limits.of("store_7").removal_share, limits.of("vip").removal_share
    (200, None, 0.1)
    """
    source = Path(path).expanduser()
    content, _ = read_toml(source, "limits file")
    tables = content.pop("per_group", {})
    if not isinstance(tables, dict):
        raise InputError(f"{source}: `per_group` must be a table. Write [per_group.UID] above the limits of a group.")
    per_group = {}
    for uid, table in tables.items():
        where = f"per_group.{uid}"
        if not isinstance(table, dict):
            raise InputError(f"{source}: `{where}` must be a table. Write [{where}] above the limits of the group.")
        per_group[uid] = _to_limits(f"{source}, [{where}]", table, _GroupTable, {})
    return _to_limits(f"{source}", content, _PlanTable, per_group)


def read_group_limits(where: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """
    Validate a table with the limits of a declared group, and return its values. None disables a limit.

    Parameters
    ----------
    where
        The file and the table, for error messages.
    table
        The parsed TOML table.

    Examples
    --------
    >>> read_group_limits("groups.toml, [groups.vip.limits]", {"removals_per_group": 5, "removal_share": "none"})
    {'removals_per_group': 5, 'removal_share': None}
    """
    plan_limits = "Move it to the limits file, which you pass as `limits` or with --limits."
    limits = _to_limits(where, table, _GroupTable, {}, plan_limits)
    return {name: getattr(limits, name) for name in table}


def _to_limits(
    where: str,
    table: Mapping[str, Any],
    table_type: type[msgspec.Struct],
    per_group: Mapping[str, Limits],
    plan_limits: str = "Move it above the [per_group] tables.",
) -> Limits:
    """
    Return the limits in a table. Raise InputError if the table contains an unknown key or an invalid value.

    The error message for a total or an age in a group's table contains the sentence `plan_limits`, which states where
    such a limit must be written.
    """
    for key in table:
        if key not in table_type.__struct_fields__:
            raise InputError(f"{where}: {_unknown_key_text(key, table_type.__struct_fields__, plan_limits)}")
    try:
        values = msgspec.to_builtins(msgspec.convert(table, table_type))
        disabled = {name: None for name, value in values.items() if value == OFF}
        return Limits(**values | disabled, per_group=per_group)
    except (msgspec.ValidationError, InputError) as error:
        reason = str(error).removesuffix(".")
        raise InputError(
            f'{where} contains an invalid value: {reason}. To disable a limit, write "{OFF}".'
        ) from error


def _unknown_key_text(key: str, names: tuple[str, ...], plan_limits: str) -> str:
    if key in PLAN_LIMITS:
        return f"The limit `{key}` applies to the complete plan. {plan_limits}"
    text = f"`{key}` is not the name of a limit."
    close = difflib.get_close_matches(key, names, n=1)
    if close:
        text += f" Did you mean `{close[0]}`?"
    return f"{text} The limits are {', '.join(names)}."
