"""Read and change a tenant directly, without the API, for example in tests."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from frgroups.errors import InputError
from frgroups.internals.formatting import format_list
from frgroups.sandbox.fake_customers import blank_customer, customer_row, stamp
from frgroups.sandbox.request_validation import UID
from frgroups.sandbox.store import Store

ADMIN_USER = "admin"


class TenantControls:
    """Operations on a tenant that do not use its API."""

    @property
    def _store(self) -> Store:
        raise NotImplementedError

    def now(self) -> datetime:
        """Return the time in the sandbox."""
        return self._store.now()

    def groups(self) -> dict[str, str]:
        """Return the names of all groups by uid."""
        return dict(self._store.read("SELECT uid, name FROM groups ORDER BY uid"))

    def members(self, group_uid: str) -> list[str]:
        """Return the sorted uids of the members of a group."""
        self._check_group(group_uid)
        return self._store.members(group_uid)

    def put_group(self, customer_group_uid: str, name: str) -> None:
        """Create a group, or rename it."""
        check_uids([customer_group_uid])
        self._store.put_group(customer_group_uid, name, ADMIN_USER, stamp(self.now()))

    def delete_group(self, customer_group_uid: str) -> None:
        """Delete a group with its memberships."""
        self._store.delete_group(customer_group_uid)

    def put_customers(self, customers: Iterable[str | Mapping[str, Any]]) -> None:
        """
        Create or replace customers. Their memberships do not change.

        Each customer is a uid, or a mapping of API fields with a `customerUid`. Missing fields are empty.
        """
        now = self.now()
        records = []
        for customer in customers:
            fields: dict[str, Any] = {"customerUid": customer}
            if not isinstance(customer, str):
                fields = dict(customer)
            uid = fields.get("customerUid", "")
            check_uids([uid])
            if "customerGroupUids" in fields:
                raise InputError("customerGroupUids follows from the memberships; use add_members.")
            records.append({**blank_customer(uid, now), **fields})
        self._store.put_customers(map(customer_row, records))

    def delete_customer(self, customer_uid: str) -> None:
        """Delete a customer and its memberships."""
        self._store.delete_customer(customer_uid)

    def add_members(self, group_uid: str, customer_uids: Iterable[str]) -> None:
        """Add customers to a group."""
        uids = list(customer_uids)
        self._check_group(group_uid)
        unknown = self._store.unknown_customers(uids)
        if unknown:
            raise InputError(f"{len(unknown)} of {len(uids)} customers do not exist: {format_list(unknown, 5)}.")
        self._store.change_members(group_uid, uids, ())

    def remove_members(self, group_uid: str, customer_uids: Iterable[str]) -> None:
        """Remove customers from a group."""
        self._check_group(group_uid)
        self._store.change_members(group_uid, (), customer_uids)

    def customer_export(self) -> list[dict[str, str]]:
        """Return `customer_id` (the number in the shop's own system) and `customer_uid` of each customer."""
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
    """Raise InputError if a uid is not valid in the API."""
    for uid in uids:
        if not isinstance(uid, str) or not UID.fullmatch(uid):
            raise InputError(f"{uid!r} is no uid: letters A-Z a-z, digits, - and _ make one.")
