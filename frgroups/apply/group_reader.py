"""Read the groups of a run: before anything is sent, until a change takes effect, and at the end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from frgroups.api.client import Client
from frgroups.apply.journal import RunAborted
from frgroups.errors import FrgroupsError, NotFoundError
from frgroups.load.verified_listing import Listing, read_members, worker_threads

_Changes = set[tuple[str, str]]  # customer uid, "add" or "remove"


class GroupReader:
    """
    The last read of each group.

    `waits` are the seconds between two reads of a group while a change is not in effect.
    """

    def __init__(self, client: Client, waits: Sequence[float]) -> None:
        self._client, self._waits = client, waits
        self._last: dict[str, Listing[str]] = {}

    def read(self, group_uid: str) -> Listing[str]:
        """Read all members of a group; if that fails, the previous read remains, unless the group does not exist."""
        try:
            with worker_threads(self._client) as pool:
                self._last[group_uid] = read_members(self._client, group_uid, pool=pool)
        except NotFoundError:
            self._last.pop(group_uid, None)
            raise
        return self._last[group_uid]

    def exists(self, group_uid: str) -> bool:
        """Return True if the group existed at its last read."""
        return group_uid in self._last

    def members(self, group_uid: str) -> frozenset[str]:
        """Return the members of a group at its last read, or an empty set if the group does not exist yet."""
        if group_uid not in self._last:
            return frozenset()
        return frozenset(self._last[group_uid].uids)

    def confirms_absence(self, group_uid: str) -> bool:
        """Return True if a customer who was not read is not a member: after a consistent read, or without a group."""
        listing = self._last.get(group_uid)
        return listing is None or listing.verdict == "consistent"

    def members_until(self, group_uid: str, change: str, uids: Sequence[str]) -> frozenset[str]:
        """
        Return a group's members, read again until these changes are in effect or the waits are used up.

        Raises
        ------
        RunAborted
            The group could not be read.
        """
        errors = self._read_until_in_effect({group_uid: {(uid, change) for uid in uids}})
        if errors:
            raise RunAborted(f"group {group_uid} could not be read: {errors[group_uid]}")
        return self.members(group_uid)

    def read_back(self, expected: Mapping[str, _Changes]) -> str:
        """Read these groups again until the changes are in effect, and return the first error message or ""."""
        self._last.clear()  # A read before the requests cannot show their result.
        errors = self._read_until_in_effect(expected)
        if not errors:
            return ""
        return f"Reading back failed: {next(iter(errors.values()))}"

    def all_members(self) -> dict[str, frozenset[str]]:
        """Return the members of every group that could be read."""
        return {uid: frozenset(listing.uids) for uid, listing in self._last.items()}

    def consistent_groups(self) -> frozenset[str]:
        """Return the groups whose last read has the verdict `consistent`."""
        return frozenset(uid for uid, listing in self._last.items() if listing.verdict == "consistent")

    def _read_until_in_effect(self, expected: Mapping[str, _Changes]) -> dict[str, str]:
        """Read these groups until the changes are in effect, and return error messages by group."""
        errors: dict[str, str] = {}
        waiting = list(expected)
        for wait in (0.0, *self._waits):
            time.sleep(wait)
            for group_uid in waiting:
                try:
                    self.read(group_uid)
                except FrgroupsError as error:
                    errors[group_uid] = error.message
            waiting = [uid for uid in waiting if uid not in errors and not self._is_in_effect(uid, expected[uid])]
            if not waiting:
                break
        return errors

    def _is_in_effect(self, group_uid: str, changes: _Changes) -> bool:
        members = self.members(group_uid)
        return all((uid in members) == (change == "add") for uid, change in changes)
