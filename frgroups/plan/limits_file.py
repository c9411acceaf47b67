"""Read the limits of plans from a TOML file; a key that would count for nothing is an error."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from frgroups.errors import InputError
from frgroups.limits import Limits

_OFF = "none"
_KEYS = [one.name for one in fields(Limits) if one.name != "per_group"]
# Totals and ages are those of the whole plan, whatever the limits of a group say.
_OF_GROUP = [name for name in _KEYS if name not in ("removals_total", "additions_total") and "age" not in name]


def read_limits(path: str | Path) -> Limits:
    r"""
    The limits in a TOML file: keys as in `Limits`, and a table for each group, or pattern of groups, of its own.

    "none" switches a limit off, as None does in Python. What the file does not say is as in `Limits()`; so it is in
    a table of a group too, which replaces the limits of that group as a whole. Of patterns the first that matches
    counts, in the order of the file. Totals and ages are of the whole plan, and no group has them of its own.

        removals_total = 200
        removal_share = "none"

        [per_group.vip]
        removals_per_group = 0

        [per_group."store_*"]
        additions_per_group = 5000

    Raises
    ------
    InputError
        The file is missing or no TOML, a key is unknown (the known ones are named), a value is of another kind.

    >>> path = home() / "limits.toml"
    >>> path.parent.mkdir(parents=True, exist_ok=True)
    >>> _ = path.write_text('removals_total = 200\n[per_group."store_*"]\nremoval_share = "none"\n')
    >>> limits = read_limits(path)
    >>> limits.removals_total, limits.of("store_7").removal_share, limits.of("vip").removal_share
    (200, None, 0.1)
    """
    source = Path(path).expanduser()
    told = _parsed(source)
    groups = told.pop("per_group", {})
    if not isinstance(groups, dict):
        raise InputError(f"{source}: per_group is no table. Write [per_group.UID] above the limits of each group.")
    own = {}
    for uid, values in groups.items():
        where = f"per_group.{uid}"
        if not isinstance(values, dict):
            raise InputError(f"{source}: {where} is no table. Write [{where}] above its limits.")
        own[uid] = _limits(source, where, values, _OF_GROUP)
    return _limits(source, "", told, _KEYS, per_group=own)


def _parsed(source: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(source.read_text(encoding="utf-8-sig"))
    except OSError as error:
        found = "a folder" if source.is_dir() else error.strerror
        raise InputError(f"The limits in {source} cannot be read: {found}. Name a TOML file.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{source} is no TOML: {error}.") from error


def _limits(source: Path, table: str, values: Mapping[str, Any], known: Sequence[str], **more: Any) -> Limits:
    where = f"{source}, [{table}]" if table else f"{source}"
    for key in values:
        if key not in known:
            of_plan = " is of the whole plan: write it above the tables" if key in _KEYS else " is no limit"
            raise InputError(f"{where}: {key}{of_plan}. Known here: {', '.join(known)}.")
    given: dict[str, Any] = {key: None if value == _OFF else value for key, value in values.items()}
    try:
        return Limits(**given, **more)
    except InputError as error:
        raise InputError(f'{where}: {error.message} In TOML, None is "{_OFF}".') from error
