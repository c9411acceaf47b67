"""Arranges and looks at a tenant directly, past the API, as a test does before and after."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from frgroups.errors import InputError
from frgroups.sandbox.fake_customers import blank_customer, customer_row, stamp
from frgroups.sandbox.request_validation import UID
from frgroups.sandbox.store import Store

WHO = "admin"


class TenantControls:
    """What may be done to a tenant behind the back of its API."""

    @property
    def _store(self) -> Store:
        raise NotImplementedError

    def now(self) -> datetime:
        """What time it is in the sandbox."""
        return self._store.now()

    def groups(self) -> dict[str, str]:
        """The name of every group, by uid."""
        return dict(self._store.read("SELECT uid, name FROM groups ORDER BY uid"))

    def members(self, group_uid: str) -> list[str]:
        """The uids of a group's members, sorted."""
        self._check_group(group_uid)
        return self._store.members(group_uid)

    def put_group(self, customer_group_uid: str, name: str) -> None:
        """Create a group, or rename it."""
        check_uids([customer_group_uid])
        self._store.put_group(customer_group_uid, name, WHO, stamp(self.now()))

    def delete_group(self, customer_group_uid: str) -> None:
        """Delete a group with its memberships."""
        self._store.delete_group(customer_group_uid)

    def put_customers(self, customers: Iterable[str | Mapping[str, Any]]) -> None:
        """
        Create customers, or replace what is told of them; memberships stay.

        Each is a bare uid, or a dict of the API's fields with a `customerUid`; what is not told is blank.
        """
        now = self.now()
        told = [{"customerUid": one} if isinstance(one, str) else dict(one) for one in customers]
        check_uids(one.get("customerUid", "") for one in told)
        if any("customerGroupUids" in one for one in told):
            raise InputError("customerGroupUids follows from the memberships; use add_members.")
        self._store.put_customers(customer_row({**blank_customer(one["customerUid"], now), **one}) for one in told)

    def delete_customer(self, customer_uid: str) -> None:
        """Delete a customer, who vanishes from all groups."""
        self._store.delete_customer(customer_uid)

    def add_members(self, group_uid: str, customer_uids: Iterable[str]) -> None:
        """Put customers into a group."""
        uids = list(customer_uids)
        self._check_group(group_uid)
        if unknown := self._store.unknown_customers(uids):
            raise InputError(f"{len(unknown)} of {len(uids)} customers do not exist: {', '.join(unknown[:5])}.")
        self._store.change_members(group_uid, uids, ())

    def remove_members(self, group_uid: str, customer_uids: Iterable[str]) -> None:
        """Take customers out of a group."""
        self._check_group(group_uid)
        self._store.change_members(group_uid, (), customer_uids)

    def customer_export(self) -> list[dict[str, str]]:
        """What the shop's own system knows of every customer: `customer_id` (its own number) and `customer_uid`."""
        rows = self._store.read("SELECT external_id, uid FROM customers ORDER BY uid")
        return [{"customer_id": external_id, "customer_uid": uid} for external_id, uid in rows]

    def write_export(self, path: str | Path) -> Path:
        """Write `customer_export` as CSV in UTF-8."""
        path = Path(path)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["customer_id", "customer_uid"], lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.customer_export())
        return path

    def _check_group(self, uid: str) -> None:
        if self._store.group(uid) is None:
            raise InputError(f"The sandbox has no group {uid}; it has {len(self.groups())} others.")


def check_uids(uids: Iterable[str]) -> None:
    """Refuse what the API could not take as a uid."""
    for uid in uids:
        if not isinstance(uid, str) or not UID.fullmatch(uid):
            raise InputError(f"{uid!r} is no uid: letters A-Z a-z, digits, - and _ make one.")
