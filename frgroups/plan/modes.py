"""
Modes of a plan.

This module does not import pandas, because the command-line help lists the modes and must start quickly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

Mode = Literal["add", "remove", "keep_only", "mirror"]
# One mode for all groups, or the mode of each group by its uid.
GroupModes = Mode | Mapping[str, Mode]
MODES: tuple[Mode, ...] = ("add", "remove", "keep_only", "mirror")
ADDING_MODES: tuple[Mode, ...] = ("add", "mirror")
# In these modes, members who are not in the list leave the group.
REPLACING_MODES: tuple[Mode, ...] = ("keep_only", "mirror")
# Sentences that describe each mode to the reviewer.
MODE_TEXTS: dict[Mode, str] = {
    "add": "Customers in the list join the group. Members who are not in the list stay (mode add).",
    "remove": "Customers in the list leave the group. All other members stay (mode remove).",
    "keep_only": "Members who are not in the list leave the group. No customers join (mode keep_only).",
    "mirror": "Customers in the list join the group, and members who are not in the list leave (mode mirror).",
}
# Earlier names of modes, and the current name that the error for an earlier name contains.
RENAMED_MODES = {"add_only": "add", "remove_only": "keep_only"}


def mode_of(modes: GroupModes, group_uid: str) -> Mode:
    """
    Return the mode of a group.

    Examples
    --------
    >>> mode_of("add", "vip"), mode_of({"vip": "mirror", "staff": "add"}, "vip")
    ('add', 'mirror')
    """
    return modes if isinstance(modes, str) else modes[group_uid]


def select_modes(modes: GroupModes, group_uids: Iterable[str]) -> GroupModes:
    """
    Return one mode if all given groups have the same mode, otherwise a mapping of group uids to modes.

    If `group_uids` is empty, `modes` is returned unchanged.

    Examples
    --------
    >>> modes = {"vip": "mirror", "staff": "add", "all": "add"}
    >>> select_modes(modes, ["staff", "all"]), select_modes(modes, ["vip", "all"])
    ('add', {'all': 'add', 'vip': 'mirror'})
    """
    if isinstance(modes, str):
        return modes
    selected = {uid: modes[uid] for uid in sorted(group_uids)}
    distinct = list(dict.fromkeys(selected.values()))
    if len(distinct) == 1:
        return distinct[0]
    return selected or modes
