"""Requests that read or change a single group."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from frgroups.api.client_base import ClientBase
from frgroups.api.schema import codec
from frgroups.api.schema.records import Group
from frgroups.api.transport import Call
from frgroups.errors import (
    ApiError,
    ConnectionFailedError,
    InputError,
    NotFoundError,
    RequestRejectedError,
    ServerError,
)
from frgroups.internals.formatting import pluralize
from frgroups.internals.redaction import without_local_variables


class GroupRequests(ClientBase):
    """Base class of `Client` with the requests that read or change a single group."""

    def get_group(self, uid: str) -> Group:
        """
        Return the group with a uid.

        Parameters
        ----------
        uid
            Uid of the group.

        Returns
        -------
        Group
            The group with its name and timestamps.

        Raises
        ------
        NotFoundError
            The group does not exist.

        Examples
        --------
        >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client() as client:
        ...     client.get_group("loyalty").uid
        'loyalty'
        """
        return self._group(Call("get-customer-groups-by-uid", "GET", group_path(uid)))

    def create_group(self, name: str, customer_group_uid: str | None = None) -> Group:
        """
        Create a group and return it.

        If a uid is passed and the response is lost, the client checks whether the group exists, and repeats the
        request only if the group does not exist. If no uid is passed, the request is sent once, because a retry could
        create a second group.

        Parameters
        ----------
        name
            Name of the group. It does not have to be unique.
        customer_group_uid
            Uid of the group. None means that the server chooses the uid.

        Returns
        -------
        Group
            The new group, including its uid.

        Raises
        ------
        InputError
            The name or the uid is invalid, or the uid belongs to a group with another name.
        NotWritableError
            The client was created without `writable=True`.

        Examples
        --------
        >>> with Sandbox(empty=True) as sandbox, sandbox.client(writable=True) as client:
        ...     client.create_group("Summer sale", "summer")
        <Group summer: Summer sale>
        """
        if customer_group_uid is not None:
            codec.check_uid(customer_group_uid, "customer group uid")
        body = codec.encode_group(codec.check_group_name(name), customer_group_uid)
        call = Call("post-customer-groups", "POST", "/customer-groups", body=body)
        if customer_group_uid is None:
            return self._group(call)
        with without_local_variables():
            return create_or_confirm(lambda: self._group(call), lambda: self.get_group(customer_group_uid), name)

    def update_group(self, uid: str, *, name: str) -> Group:
        """
        Rename a group and return it.

        Parameters
        ----------
        uid
            Uid of the group.
        name
            New name.

        Returns
        -------
        Group
            The group with its new name.

        Raises
        ------
        NotWritableError
            The client was created without `writable=True`.
        NotFoundError
            The group does not exist.

        Examples
        --------
        >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
        ...     client.update_group("loyalty", name="Club").name
        'Club'
        """
        body = codec.encode_group(codec.check_group_name(name))
        return self._group(Call("put-customer-groups", "PUT", group_path(uid), body=body))

    def delete_group(self, uid: str) -> None:
        """
        Delete a group.

        The API does not report which campaigns use a group. Before you delete a group, check its campaigns in the
        back office.

        Parameters
        ----------
        uid
            Uid of the group.

        Raises
        ------
        NotWritableError
            The client was created without `writable=True`.
        NotFoundError
            The group does not exist.

        Examples
        --------
        >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
        ...     client.delete_group("loyalty")
        ...     len(sandbox.groups())
        7
        """
        self._write(Call("delete-customer-groups", "DELETE", group_path(uid)))

    def update_group_customers(self, uid: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """
        Add customers to a group and remove other customers from the same group in one request.

        The client never repeats this request. The response does not show which changes took effect, so `apply_plan`
        reads the group after the request to verify the changes.

        Parameters
        ----------
        uid
            Uid of the group.
        add
            Uids of the customers to add.
        remove
            Uids of the customers to remove. If both arguments are empty, no request is sent.

        Raises
        ------
        InputError
            A uid is invalid, or a customer is in both arguments.
        NotWritableError
            The client was created without `writable=True`.

        Examples
        --------
        >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
        ...     member = sandbox.members("loyalty")[0]
        ...     client.update_group_customers("loyalty", remove=[member])
        ...     member in sandbox.members("loyalty")
        False
        """
        call = _membership_call(uid, add, remove)
        # The traceback of a failed request can display the local variables of this function, so the customer uids are
        # deleted before the request.
        del add, remove
        if call is not None:
            self._write(call)

    def _group(self, call: Call) -> Group:
        return self._send(call, codec.decode_group)

    def _write(self, call: Call) -> None:
        self._send(call, bytes)


def group_path(uid: str) -> str:
    """Return the path of a group relative to the URL of the tenant. Raise InputError if the uid is invalid."""
    return f"/customer-groups/{codec.check_uid(uid, 'customer group uid')}"


def _membership_call(uid: str, add: Iterable[str], remove: Iterable[str]) -> Call | None:
    """Return the request that changes the members of a group, or None if there are no changes."""
    added = codec.check_uids_once(add, "add")
    removed = codec.check_uids_once(remove, "remove")
    if both := sorted(set(added) & set(removed)):
        raise InputError(
            f"`add` and `remove` have {pluralize(len(both), 'customer')} in common, for example {both[0]}. "
            "Remove the customer from one of the two lists."
        )
    path = f"{group_path(uid)}/customers"
    if not added and not removed:
        return None
    return Call("put-customer-groups-customers", "PUT", path, body=codec.encode_membership(added, removed))


def create_or_confirm(send: Callable[[], Group], find: Callable[[], Group], name: str) -> Group:
    """
    Create a group with a given uid. If the response is lost, check whether the group was created.

    Parameters
    ----------
    send
        Function that sends the request. It is called a second time only if `find` raises NotFoundError.
    find
        Function that reads the group.
    name
        Name of the group.

    Raises
    ------
    InputError
        A group with this uid already exists under another name.
    """
    try:
        return send()
    except (ConnectionFailedError, ServerError) as error:
        lost = error
    try:
        group = find()
    except NotFoundError:
        return _create_again(send, find, name)
    except ApiError as error:
        raise lost from error
    return _check_name(group, name)


def _create_again(send: Callable[[], Group], find: Callable[[], Group], name: str) -> Group:
    """
    Send the request to create a group a second time.

    If the server rejects the second request, the first request might have created the group in the meantime.
    Therefore, the group is read again.
    """
    try:
        return send()
    except RequestRejectedError:
        return _check_name(find(), name)


def _check_name(group: Group, name: str) -> Group:
    if group.name != name:
        raise InputError(
            f"Group {group.uid!r} already exists, and its name is {group.name!r} instead of {name!r}. "
            "Pass another uid."
        )
    return group
