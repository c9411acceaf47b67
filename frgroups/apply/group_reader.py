"""Read the members of groups before, during, and after the changes of a plan are sent."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence

from frgroups.api.client import Client
from frgroups.apply.journal import RunAborted
from frgroups.errors import FrgroupsError, NotFoundError
from frgroups.load.end_check import ServerSorting
from frgroups.load.verified_listing import Listing, read_members, worker_threads

_Changes = set[tuple[str, str]]  # Each pair contains a customer uid and "add" or "remove".


class GroupReader:
    """
    Read the members of groups, and store the result of each group's last read.

    Parameters
    ----------
    client
        The client that sends the requests.
    waits
        Seconds to wait before each additional read of a group whose changes are not in effect yet.
    unverified
        Uids of the groups that could not be verified when the snapshot of the plan was loaded. The members of these
        groups are always read from both ends of the list. The members of other groups are read from both ends only if
        the list has several pages, so that a run on small groups needs few requests.
    """

    def __init__(self, client: Client, waits: Sequence[float], unverified: Collection[str] = ()) -> None:
        self._client, self._waits, self._unverified = client, waits, unverified
        self._last: dict[str, Listing[str]] = {}
        self._sorting = ServerSorting()

    def read(self, group_uid: str) -> Listing[str]:
        """
        Read all members of a group and store the result.

        If a request fails, the result of the previous read remains stored. If the group does not exist, the previous
        result is deleted and NotFoundError is raised.
        """
        min_pages = 1 if group_uid in self._unverified else 2
        try:
            with worker_threads(self._client) as pool:
                self._last[group_uid] = read_members(
                    self._client, group_uid, self._sorting, min_pages=min_pages, pool=pool
                )
        except NotFoundError:
            self._last.pop(group_uid, None)
            raise
        return self._last[group_uid]

    def exists(self, group_uid: str) -> bool:
        """Return True if the last read found the group."""
        return group_uid in self._last

    def members(self, group_uid: str) -> frozenset[str]:
        """Return the members found by the last read of a group, or an empty set if the group was not found."""
        if group_uid not in self._last:
            return frozenset()
        return frozenset(self._last[group_uid].uids)

    def confirms_absence(self, group_uid: str) -> bool:
        """
        Return True if a customer who is missing from a group's last read is certainly not a member of the group.

        The result is True if the last read of the group was consistent, or if the group does not exist.
        """
        listing = self._last.get(group_uid)
        return listing is None or listing.verdict == "consistent"

    def members_until(self, group_uid: str, change: str, uids: Sequence[str]) -> frozenset[str]:
        """
        Read a group until the changes of the given customers are in effect, and return the group's members.

        If the changes are not in effect after the last wait, the members found by the last read are returned.

        Raises
        ------
        RunAborted
            The group could not be read.
        """
        errors = self._read_until_in_effect({group_uid: {(uid, change) for uid in uids}})
        if errors:
            raise RunAborted(f"Cannot read group {group_uid}: {errors[group_uid]}")
        return self.members(group_uid)

    def read_back(self, expected: Mapping[str, _Changes]) -> str:
        """Read groups until their changes are in effect. Return the first error message, or "" if none."""
        self._last.clear()  # Discard earlier reads, which cannot confirm the changes.
        errors = self._read_until_in_effect(expected)
        if not errors:
            return ""
        return f"The groups could not be read again to confirm the changes: {next(iter(errors.values()))}"

    def all_members(self) -> dict[str, frozenset[str]]:
        """Return the members of each group that exists, as found by the last read of the group."""
        return {uid: frozenset(listing.uids) for uid, listing in self._last.items()}

    def consistent_groups(self) -> frozenset[str]:
        """Return the uids of the groups whose last read has the verdict `consistent`."""
        return frozenset(uid for uid, listing in self._last.items() if listing.verdict == "consistent")

    def _read_until_in_effect(self, expected: Mapping[str, _Changes]) -> dict[str, str]:
        """Read groups until their changes are in effect, and return an error message for each unreadable group."""
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
