"""Read and change the tenant of a sandbox without API requests, for example in tests."""

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
    """Methods that read and change the tenant of a sandbox without API requests."""

    @property
    def _store(self) -> Store:
        raise NotImplementedError

    def now(self) -> datetime:
        """
        Return the current time of the sandbox.

        The time differs from the real time by `days_ago` and by the days that `advance` has added.

        Returns
        -------
        datetime
            The time in UTC.

        Examples
        --------
        >>> with Sandbox(empty=True) as sandbox:
        ...     sandbox.now().tzname()
        'UTC'
        """
        return self._store.now()

    def groups(self) -> dict[str, str]:
        """
        Return all groups of the tenant.

        Returns
        -------
        dict
            Group names by group uid, in uid order.

        Examples
        --------
        >>> with Sandbox(empty=True) as sandbox:
        ...     sandbox.put_group("vip", "VIP")
        ...     sandbox.groups()
        {'vip': 'VIP'}
        """
        return dict(self._store.read("SELECT uid, name FROM groups ORDER BY uid"))

    def members(self, group_uid: str) -> list[str]:
        """
        Return the members of a group.

        Parameters
        ----------
        group_uid
            Uid of the group.

        Returns
        -------
        list of str
            Customer uids in ascending order.

        Raises
        ------
        InputError
            The group does not exist.

        Examples
        --------
        >>> with Sandbox(empty=True) as sandbox:
        ...     sandbox.put_group("vip", "VIP")
        ...     sandbox.members("vip")
        []
        """
        self._check_group(group_uid)
        return self._store.members(group_uid)

    def put_group(self, customer_group_uid: str, name: str) -> None:
        """
        Create a group, or rename it if it exists.

        Parameters
        ----------
        customer_group_uid
            Uid of the group: letters (A-Z, a-z), digits, hyphens, and underscores.
        name
            Name of the group.

        Raises
        ------
        InputError
            The uid is not valid.

        Examples
        --------
        >>> with Sandbox(empty=True) as sandbox:
        ...     sandbox.put_group("vip", "VIP")
        ...     sandbox.put_group("vip", "VIP 2026")
        ...     sandbox.groups()
        {'vip': 'VIP 2026'}
        """
        check_uids([customer_group_uid])
        self._store.put_group(customer_group_uid, name, ADMIN_USER, stamp(self.now()))

    def delete_group(self, customer_group_uid: str) -> None:
        """
        Delete a group and its memberships.

        Parameters
        ----------
        customer_group_uid
            Uid of the group. A group that does not exist is ignored.

        Examples
        --------
        >>> with Sandbox(empty=True) as sandbox:
        ...     sandbox.put_group("vip", "VIP")
        ...     sandbox.delete_group("vip")
        ...     sandbox.groups()
        {}
        """
        self._store.delete_group(customer_group_uid)

    def put_customers(self, customers: Iterable[str | Mapping[str, Any]]) -> None:
        """
        Create or replace customers without changing their memberships.

        Parameters
        ----------
        customers
            Uids, or mappings of API fields. A mapping must contain `customerUid`. Missing fields get default values.

        Raises
        ------
        InputError
            A uid is not valid, or a mapping contains `customerGroupUids`.

        Examples
        --------
        >>> with Sandbox(empty=True) as sandbox:
        ...     sandbox.put_customers(["c-1", {"customerUid": "c-2", "externalId": "0042"}])
        ...     sandbox.customer_export()[1]
        {'customer_id': '0042', 'customer_uid': 'c-2'}
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
                raise InputError(
                    "`customers` must not contain the field customerGroupUids. Use add_members() to add memberships."
                )
            records.append({**blank_customer(uid, now), **fields})
        self._store.put_customers(map(customer_row, records))

    def delete_customer(self, customer_uid: str) -> None:
        """
        Delete a customer and the customer's memberships.

        Parameters
        ----------
        customer_uid
            Uid of the customer. A customer who does not exist is ignored.

        Examples
        --------
        >>> with Sandbox(empty=True) as sandbox:
        ...     sandbox.put_customers(["c-1"])
        ...     sandbox.delete_customer("c-1")
        ...     sandbox.customer_export()
        []
        """
        self._store.delete_customer(customer_uid)

    def add_members(self, group_uid: str, customer_uids: Iterable[str]) -> None:
        """
        Add customers to a group.

        Parameters
        ----------
        group_uid
            Uid of the group.
        customer_uids
            Uids of the customers. Customers who are already members are ignored.

        Raises
        ------
        InputError
            The group or one of the customers does not exist. No customer is added in this case.

        Examples
        --------
        >>> with Sandbox(empty=True) as sandbox:
        ...     sandbox.put_customers(["c-1", "c-2"])
        ...     sandbox.put_group("vip", "VIP")
        ...     sandbox.add_members("vip", ["c-1", "c-2"])
        ...     sandbox.members("vip")
        ['c-1', 'c-2']
        """
        uids = list(customer_uids)
        self._check_group(group_uid)
        unknown = self._store.unknown_customers(uids)
        if unknown:
            raise InputError(
                f"{len(unknown)} of {len(uids)} customer uids do not exist in the sandbox: {format_list(unknown, 5)}."
            )
        self._store.change_members(group_uid, uids, ())

    def remove_members(self, group_uid: str, customer_uids: Iterable[str]) -> None:
        """
        Remove customers from a group.

        Parameters
        ----------
        group_uid
            Uid of the group.
        customer_uids
            Uids of the customers. Customers who are not members are ignored.

        Raises
        ------
        InputError
            The group does not exist.

        Examples
        --------
        >>> with Sandbox(customers=50, groups=8) as sandbox:
        ...     sandbox.remove_members("loyalty", sandbox.members("loyalty"))
        ...     sandbox.members("loyalty")
        []
        """
        self._check_group(group_uid)
        self._store.change_members(group_uid, (), customer_uids)

    def customer_export(self) -> list[dict[str, str]]:
        """
        Return the ids of all customers, including customers without a group.

        The API has no list of all customers. The export represents the customer list of another system, such as a
        shop or an ERP system.

        Returns
        -------
        list of dict
            Dictionaries with the keys `customer_id` (the external id) and `customer_uid`, in uid order.

        Examples
        --------
        >>> with Sandbox(empty=True) as sandbox:
        ...     sandbox.put_customers([{"customerUid": "c-1", "externalId": "0042"}])
        ...     sandbox.customer_export()
        [{'customer_id': '0042', 'customer_uid': 'c-1'}]
        """
        rows = self._store.read("SELECT external_id, uid FROM customers ORDER BY uid")
        return [{"customer_id": external_id, "customer_uid": uid} for external_id, uid in rows]

    def write_export(self, path: str | Path) -> Path:
        """
        Write the result of `customer_export` to a CSV file.

        Parameters
        ----------
        path
            The file to write. The encoding is UTF-8.

        Returns
        -------
        Path
            The path of the file.

        Examples
        --------
        >>> import tempfile
        >>> with Sandbox(empty=True) as sandbox, tempfile.TemporaryDirectory() as folder:
        ...     sandbox.put_customers([{"customerUid": "c-1", "externalId": "0042"}])
        ...     sandbox.write_export(f"{folder}/customers.csv").read_text().splitlines()
        ['customer_id,customer_uid', '0042,c-1']
        """
        path = Path(path)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["customer_id", "customer_uid"], lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.customer_export())
        return path

    def _check_group(self, uid: str) -> None:
        if self._store.group(uid) is None:
            groups = format_list(list(self.groups()), 5) or "none"
            raise InputError(f"No group has the uid {uid!r}. The groups of the sandbox are: {groups}.")


def check_uids(uids: Iterable[str]) -> None:
    """Raise InputError if a uid contains characters that the API does not allow."""
    for uid in uids:
        if not isinstance(uid, str) or not UID.fullmatch(uid):
            raise InputError(f"{uid!r} is not a valid uid. Use letters (A-Z, a-z), digits, hyphens, and underscores.")
