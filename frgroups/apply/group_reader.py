"""Reads the groups of a run: before anything is sent, until a change shows, and back at the end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from frgroups.api.client import Client
from frgroups.apply.journal import RunAborted
from frgroups.errors import FrgroupsError, NotFoundError
from frgroups.load.verified_listing import Listing, read_members, worker_threads

_Changes = set[tuple[str, str]]  # customer uid, "add" or "remove"


class GroupReader:
    """The last reading of each group; `waits` are the seconds between readings while a change does not show."""

    def __init__(self, client: Client, waits: Sequence[float]) -> None:
        self._client, self._waits = client, waits
        self._last: dict[str, Listing[str]] = {}

    def read(self, group_uid: str) -> Listing[str]:
        """Read a group whole; where that fails the reading before stands, unless the group is gone."""
        try:
            with worker_threads(self._client) as pool:
                self._last[group_uid] = read_members(self._client, group_uid, pool=pool)
        except NotFoundError:
            self._last.pop(group_uid, None)
            raise
        return self._last[group_uid]

    def known(self, group_uid: str) -> bool:
        """Whether the group was there when it was read last."""
        return group_uid in self._last

    def members(self, group_uid: str) -> frozenset[str]:
        """The members of a group by its last reading; of one that is not there yet, nobody."""
        listing = self._last.get(group_uid)
        return frozenset(listing.uids) if listing else frozenset()

    def proves_absence(self, group_uid: str) -> bool:
        """Whether who was not read is not a member: the reading proved itself, or the group is not there yet."""
        listing = self._last.get(group_uid)
        return listing is None or listing.verdict == "consistent"

    def members_until(self, group_uid: str, change: str, uids: Sequence[str]) -> frozenset[str]:
        """The members of a group, read again for a while as long as these changes do not all show."""
        if failed := self._read_until_shown({group_uid: {(uid, change) for uid in uids}}):
            raise RunAborted(f"group {group_uid} could not be read: {failed[group_uid]}")
        return self.members(group_uid)

    def back(self, expected: Mapping[str, _Changes]) -> str:
        """Read these groups anew, again after a while where a change does not show; what failed, or nothing."""
        self._last.clear()  # What was read before sending tells nothing of what came of it.
        failed = self._read_until_shown(expected)
        return f"Reading back failed: {next(iter(failed.values()))}" if failed else ""

    def all_members(self) -> dict[str, frozenset[str]]:
        """The members of every group that could be read."""
        return {uid: frozenset(listing.uids) for uid, listing in self._last.items()}

    def proved(self) -> frozenset[str]:
        """The groups whose last reading proved itself."""
        return frozenset(uid for uid, listing in self._last.items() if listing.verdict == "consistent")

    def _read_until_shown(self, expected: Mapping[str, _Changes]) -> dict[str, str]:
        """Read these groups until the changes show or the waits are spent; what could not be read, and why."""
        failed: dict[str, str] = {}
        waiting = list(expected)
        for wait in (0.0, *self._waits):
            time.sleep(wait)
            for group_uid in waiting:
                try:
                    self.read(group_uid)
                except FrgroupsError as error:
                    failed[group_uid] = error.message
            waiting = [uid for uid in waiting if uid not in failed and not self._shows(uid, expected[uid])]
            if not waiting:
                break
        return failed

    def _shows(self, group_uid: str, changes: _Changes) -> bool:
        members = self.members(group_uid)
        return all((uid in members) == (change == "add") for uid, change in changes)
