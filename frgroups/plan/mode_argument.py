"""Check the argument `mode` of `plan_memberships`: one mode for all groups, or a mapping of groups to modes."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from frgroups.errors import InputError
from frgroups.internals.formatting import format_list
from frgroups.internals.redaction import safe_repr
from frgroups.internals.validation import check_choice
from frgroups.plan.desired import find_group_uid
from frgroups.plan.modes import MODES, RENAMED_MODES, GroupModes, Mode, mode_of, select_modes
from frgroups.snapshot.snapshot import Snapshot

_MAX_NAMED = 5


def check_modes(mode: GroupModes) -> None:
    """Raise InputError if a mode is unknown. `find_modes` checks the groups if `mode` is a mapping."""
    if not isinstance(mode, Mapping):
        _check_mode(mode, "mode")
        return
    for group, group_mode in mode.items():
        _check_mode(group_mode, f"mode[{safe_repr(group)}]")


def _check_mode(mode: Mode, name: str) -> None:
    if isinstance(mode, str) and mode in RENAMED_MODES:
        raise InputError(f"The mode {mode!r} was renamed. Use {RENAMED_MODES[mode]!r}.")
    check_choice(mode, name, MODES)


def find_modes(
    snapshot: Snapshot, mode: GroupModes, desired: Collection[str], created: Mapping[str, str]
) -> GroupModes:
    """
    Return the mode of each group by its uid, or one mode if all groups have the same mode.

    Parameters
    ----------
    snapshot
        The current memberships.
    mode
        One mode, or a mapping that identifies groups by uid or unique name.
    desired
        Uids of the desired groups. A mapping must contain exactly these groups.
    created
        The groups to create, as {uid: name}. A created group without desired members has the mode "add".
    """
    modes = mode
    if isinstance(mode, Mapping):
        modes = _modes_by_uid(snapshot, mode, desired, created)
    without_members = sorted(uid for uid in created if mode_of(modes, uid) == "remove")
    if without_members:
        raise InputError(
            "`create` cannot be combined with the mode 'remove', because a new group has no members to remove.",
            hint="Omit `create`, or use the mode 'add'.",
            cli_hint="Omit --create, or pass --mode add.",
        )
    return modes


def _modes_by_uid(
    snapshot: Snapshot, mode: Mapping[str, Mode], desired: Collection[str], created: Mapping[str, str]
) -> GroupModes:
    names: dict[str, str] = {}
    modes: dict[str, Mode] = {}
    for group, group_mode in mode.items():
        uid = find_group_uid(snapshot, group, created)
        if uid in modes:
            raise InputError(f"`mode` contains group {uid!r} twice, as {names[uid]!r} and as {group!r}.")
        names[uid], modes[uid] = group, group_mode
    unused = [names[uid] for uid in modes if uid not in desired and uid not in created]
    if unused:
        raise InputError(
            f"`mode` contains groups that `desired` does not contain: {format_list(unused, _MAX_NAMED)}. Remove "
            "them, or add their desired members."
        )
    missing = [uid for uid in desired if uid not in modes]
    if missing:
        raise InputError(
            f"`mode` must contain a mode for each group in `desired`, but these groups are missing: "
            f"{format_list(missing, _MAX_NAMED)}."
        )
    return select_modes({**dict.fromkeys(created, "add"), **modes}, {*desired, *created})
