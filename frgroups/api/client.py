"""Client for the documented operations of the customer group API."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from urllib.parse import urlsplit

from frgroups.api.connection_check import Check
from frgroups.api.defaults import PAGE_SIZE, WORKERS, check_client_option
from frgroups.api.environments import STAGE, environment_label
from frgroups.api.pagination import iter_pages
from frgroups.api.retry import RetryPolicy
from frgroups.api.schema import codec
from frgroups.api.schema.lenient_decoding import SchemaMismatchError
from frgroups.api.schema.records import Customer, Group, Member, Page, Person, Record
from frgroups.api.tenants_config import find_tenant
from frgroups.api.transport import Call, Result, Token, Transport
from frgroups.errors import (
    ApiError,
    ConnectionFailedError,
    InputError,
    NotFoundError,
    NotWritableError,
    RequestRejectedError,
    ServerError,
)
from frgroups.internals.formatting import pluralize
from frgroups.internals.html import Card
from frgroups.internals.progress import in_notebook
from frgroups.internals.redaction import HiddenText

Direction = Literal["ASC", "DESC"]


def _now() -> datetime:
    return datetime.now(UTC)


class Client:
    """
    Client for the customer groups of one tenant.

    Several threads can share a client. The client retries read requests after a 429 or 5xx status, a timeout, or a
    lost connection. It sends each write request once, except that `create_group` with a uid can repeat a request
    whose response was lost.

    Parameters
    ----------
    tenant_uid
        Uid of the tenant.
    token
        Access, auth, or integration token, or a callable that returns one. The callable runs at the first request,
        and again after a response with status 401.
    base_url
        "stage" (the default), "production", or the URL of a server that implements the same API.
    writable
        Whether the client may send writes. With False, the default, each write raises NotWritableError and nothing
        is sent.
    page_size
        Number of records to request per page. The server can return fewer.
    workers
        Maximum number of connections.
    timeout
        Seconds to wait for a connection and for each part of a response. A response that is not complete after 4
        times this timeout raises ConnectionFailedError.
    requests_per_second
        Maximum number of requests that start per second. None means 20, because the tills in the shops use the same
        servers. There is no limit for a server on this machine.
    retry
        Limits for the retries of reads. None means `RetryPolicy()`.
    verify
        True verifies the certificate of the server. Pass an `ssl.SSLContext` for a custom certificate authority, or
        False to accept any certificate.
    clock
        Function that returns the current time with a time zone. A sandbox passes its simulated clock.

    Raises
    ------
    InputError
        The token is missing, the tenant uid is invalid, an option is not a positive number, or the base URL uses
        http for another machine.

    Examples
    --------
    >>> with Client("t-1", "secret", base_url="http://127.0.0.1:8000/v2") as client:
    ...     client
    <Client of t-1 at 127.0.0.1, reads only>
    """

    def __init__(
        self,
        tenant_uid: str,
        token: Token,
        *,
        base_url: str = STAGE,
        writable: bool = False,
        page_size: int = PAGE_SIZE,
        workers: int = WORKERS,
        timeout: float = 30.0,
        requests_per_second: float | None = None,
        retry: RetryPolicy | None = None,
        verify: Any = True,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        # Before validation, set the attributes that the repr shows, because a traceback can contain the repr.
        self.tenant_uid, self.base_url, self.writable = tenant_uid, base_url, writable
        if isinstance(token, str):
            token = HiddenText(token)
        check_client_option("page_size", page_size)
        check_client_option("workers", workers)
        check_client_option("timeout", timeout)
        if requests_per_second is not None:
            check_client_option("requests_per_second", requests_per_second)
        self._transport = Transport(
            tenant_uid,
            token,
            base_url=base_url,
            workers=workers,
            timeout=timeout,
            requests_per_second=requests_per_second,
            retry=retry or RetryPolicy(),
            verify=verify,
        )
        self.base_url = self._transport.base_url
        self.page_size = page_size
        self.workers = workers
        self.clock = clock

    @classmethod
    def from_env(cls, *, writable: bool = False, **options: Any) -> Client:
        """
        Create a client from the environment variables FRGROUPS_TENANT_UID and FRGROUPS_TOKEN.

        Both variables are required, but a notebook asks for a missing token with a hidden prompt. The optional
        variable FRGROUPS_BASE_URL is "stage" (the default), "production", or a URL.

        Parameters
        ----------
        writable
            Whether the client may send writes.
        **options
            Further arguments of `Client`, such as `page_size`.

        Returns
        -------
        Client
            A client for the tenant. No request is sent yet.

        Raises
        ------
        InputError
            A required variable is not set, or a value is invalid.

        Examples
        --------
        >>> import os
        >>> from unittest.mock import patch
        >>> variables = {"FRGROUPS_TENANT_UID": "t-1", "FRGROUPS_TOKEN": "secret", "FRGROUPS_BASE_URL": "stage"}
        >>> with patch.dict(os.environ, variables), Client.from_env() as client:
        ...     client
        <Client of t-1 at api.stage.flowretail.com, reads only>
        """
        tenant_uid = os.environ.get("FRGROUPS_TENANT_UID", "").strip()
        if not tenant_uid:
            raise InputError("FRGROUPS_TENANT_UID is not set. Set it to the uid of the tenant.")
        token = HiddenText(os.environ.get("FRGROUPS_TOKEN", "").strip())
        if not token and in_notebook():
            token = HiddenText(getpass.getpass(f"Token for tenant {tenant_uid}: "))
        if not token:
            raise InputError("FRGROUPS_TOKEN is not set. Set it to an access, auth, or integration token.")
        base_url = os.environ.get("FRGROUPS_BASE_URL", "").strip() or STAGE
        return cls(tenant_uid, token, base_url=base_url, writable=writable, **options)

    @classmethod
    def from_config(
        cls, name: str, *, writable: bool = False, path: str | Path | None = None, **options: Any
    ) -> Client:
        """
        Create a client for a tenant that is configured in `tenants.toml`.

        The file contains one table per tenant, with the keys `tenant_uid`, `host` (stage, production, or a URL) and
        `token_command`. The command is a list of words, or a string that is split like a shell command line. It runs
        without a shell in the folder of the file, at the first request and again after a response with status 401.
        It must print the token and nothing else. A table can also contain the options `workers`, `page_size`,
        `requests_per_second` and `timeout`.

        Parameters
        ----------
        name
            Name of the table.
        writable
            Whether the client may send writes.
        path
            Path of the file. None means `tenants.toml` in the data folder.
        **options
            Further arguments of `Client`. They take precedence over the table.

        Returns
        -------
        Client
            A client for the tenant. No request is sent yet, and the command has not run.

        Raises
        ------
        InputError
            The file or the table does not exist, or the table is invalid. A table must not contain a token.
        TokenCommandError
            Raised by the first request if the command failed, ran for more than 60 s, or printed no token.

        Examples
        --------
        >>> table = 'sport_no = {tenant_uid = "t-1", host = "stage", token_command = "pass show flow/sport_no"}'
        >>> (home() / "tenants.toml").write_text(table) > 0
        True
        >>> with Client.from_config("sport_no") as client:
        ...     client
        <Client of t-1 at api.stage.flowretail.com, reads only>
        """
        tenant = find_tenant(name, path)
        configured: dict[str, Any] = {"base_url": tenant.base_url, "writable": writable, **tenant.options}
        return cls(tenant.tenant_uid, tenant.token, **(configured | options))

    def iter_groups(self, *, sort_by: str | None = None, sort_direction: Direction | None = None) -> Iterator[Group]:
        """
        Iterate over the groups of the tenant.

        The client requests each page of the group list when the iteration reaches it.

        Parameters
        ----------
        sort_by
            API field to sort by, for example "name". None means the default order of the server.
        sort_direction
            "ASC" or "DESC". None means the default of the server.

        Yields
        ------
        Group
            Each group once.

        Raises
        ------
        DriftedReadError
            The number of groups differs from the total that the server reports.

        Examples
        --------
        >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client() as client:
        ...     len(list(client.iter_groups()))
        8
        """
        return iter_pages(
            lambda number: self.read_group_page(number, sort_by=sort_by, sort_direction=sort_direction),
            "the groups of the tenant",
        )

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
        return self._group(Call("get-customer-groups-by-uid", "GET", _group_path(uid)))

    def create_group(self, name: str, customer_group_uid: str | None = None) -> Group:
        """
        Create a group and return it.

        If a uid is passed and the response is lost, the client checks whether the group exists, and repeats the
        request only if it does not. If no uid is passed, the request is sent once, because a retry could create a
        second group.

        Parameters
        ----------
        name
            Name of the group. It does not have to be unique.
        customer_group_uid
            Uid of the group. None lets the server choose one.

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
        return self._group(Call("put-customer-groups", "PUT", _group_path(uid), body=body))

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
        self._write(Call("delete-customer-groups", "DELETE", _group_path(uid)))

    def iter_group_customers(
        self, uid: str, *, sort_by: str | None = None, sort_direction: Direction | None = None
    ) -> Iterator[Customer]:
        """
        Iterate over the customers in a group, including their names and contact data.

        If the group changes during the iteration, some customers can be missed. To verify that all customers were
        read, use `load_snapshot`.

        Parameters
        ----------
        uid
            Uid of the group.
        sort_by
            API field to sort by, for example "customerUid". None means the default order of the server.
        sort_direction
            "ASC" or "DESC". None means the default of the server.

        Yields
        ------
        Customer
            Each customer once.

        Raises
        ------
        DriftedReadError
            The number of customers differs from the total that the server reports.

        Examples
        --------
        >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client() as client:
        ...     customers = list(client.iter_group_customers("loyalty"))
        ...     len(customers) == len(sandbox.members("loyalty"))
        True
        """
        return iter_pages(
            lambda number: self.read_customer_page(
                uid, number, record=Customer, sort_by=sort_by, sort_direction=sort_direction
            ),
            f"the customers of group {uid}",
        )

    def update_group_customers(self, uid: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """
        Add customers to a group and remove other customers from it in one request.

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
        added = codec.check_uids_once(add, "add")
        removed = codec.check_uids_once(remove, "remove")
        if both := sorted(set(added) & set(removed)):
            raise InputError(
                f"`add` and `remove` have {pluralize(len(both), 'customer')} in common, for example {both[0]}. "
                "Remove the customer from one of the two lists."
            )
        call = Call(
            "put-customer-groups-customers",
            "PUT",
            f"{_group_path(uid)}/customers",
            body=codec.encode_membership(added, removed),
        )
        if added or removed:
            self._write(call)

    def read_group_page(
        self,
        page_number: int | None = None,
        page_size: int | None = None,
        *,
        sort_by: str | None = None,
        sort_direction: Direction | None = None,
    ) -> Page[Group]:
        """
        Return one page of groups.

        Parameters
        ----------
        page_number
            Number of the page. None requests the first page, which is page 0 or 1 depending on the server.
        page_size
            Number of groups to request. None means the page size of the client.
        sort_by
            API field to sort by. None means the default order of the server.
        sort_direction
            "ASC" or "DESC". None means the default of the server.

        Returns
        -------
        Page
            The groups in `items`, with the page number, the page size, and the total of the server.

        Examples
        --------
        >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client() as client:
        ...     client.read_group_page(page_size=3).total_count
        8
        """
        parameters = codec.query(page_number, page_size or self.page_size, sort_by, sort_direction)
        return self._page(Call("get-customer-groups", "GET", "/customer-groups", parameters), Group, _unchanged)

    def read_customer_page(
        self,
        uid: str,
        page_number: int | None = None,
        page_size: int | None = None,
        *,
        record: type[Person] = Member,  # type: ignore[assignment]  # mypy rejects the default value of a TypeVar.
        sort_by: str | None = None,
        sort_direction: Direction | None = None,
    ) -> Page[Person]:
        """
        Return one page of the customers in a group.

        Parameters
        ----------
        uid
            Uid of the group.
        page_number
            Number of the page. None requests the first page, which is page 0 or 1 depending on the server.
        page_size
            Number of customers to request. None means the page size of the client.
        record
            Type of the returned records: `Member`, the default, omits names and addresses. `Customer` includes them.
        sort_by
            API field to sort by. None means the default order of the server.
        sort_direction
            "ASC" or "DESC". None means the default of the server.

        Returns
        -------
        Page
            The customers in `items`, with the page number, the page size, and the total of the server.

        Examples
        --------
        >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client() as client:
        ...     len(client.read_customer_page("loyalty", page_size=3).uids)
        3
        """
        return self.decode_customer_page(
            uid,
            page_number,
            page_size,
            record=record,
            decode=_unchanged,
            sort_by=sort_by,
            sort_direction=sort_direction,
        )

    def decode_customer_page(
        self,
        uid: str,
        page_number: int | None,
        page_size: int | None,
        *,
        record: type[Person],
        decode: Callable[[Page[Person]], Result],
        sort_by: str | None = None,
        sort_direction: Direction | None = None,
    ) -> Result:
        """
        Read one page of the customers in a group, and convert the page with a function.

        The conversion function runs directly after the JSON of the page is decoded. Only one thread at a time decodes
        and converts a page.

        Parameters
        ----------
        uid
            Uid of the group.
        page_number
            Number of the page. None requests the first page.
        page_size
            Number of customers to request. None means the page size of the client.
        record
            Type of the records on the page.
        decode
            Function that converts the page. Its result is returned.
        sort_by
            API field to sort by. None means the default order of the server.
        sort_direction
            "ASC" or "DESC". None means the default of the server.

        Returns
        -------
        object
            The result of `decode`.

        Examples
        --------
        >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client() as client:
        ...     client.decode_customer_page("loyalty", None, 3, record=Member, decode=lambda page: len(page.items))
        3
        """
        parameters = codec.query(page_number, page_size or self.page_size, sort_by, sort_direction)
        path = f"{_group_path(uid)}/customers"
        return self._page(Call("get-customer-groups-customers", "GET", path, parameters), record, decode)

    def check(self) -> Check:
        """
        Check the connection, the token, and the paging behavior of the server.

        The check sends between 1 and 9 read requests and no write requests.

        Returns
        -------
        Check
            Host, tenant, number of groups, paging behavior, and clock difference.

        Raises
        ------
        ApiError
            A request failed. AuthError means that the server did not accept the token, and NotFoundError means that
            the tenant does not exist.

        Examples
        --------
        >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client() as client:
        ...     client.check().n_groups
        8
        """
        groups = self.read_group_page()
        pages: Iterator[Page[Member]] = (self.read_customer_page(group.uid) for group in groups.items[:8])
        members = next((page for page in pages if page.items), None)
        group_uids_filled = None
        if members is not None:
            group_uids_filled = any(member.customer_group_uids for member in members.items)
        return Check(
            base_url=self.base_url,
            tenant_uid=self.tenant_uid,
            writable=self.writable,
            n_groups=groups.total_count,
            page_base=groups.page_number,
            asked_page_size=self.page_size,
            granted_page_size=(members or groups).page_size,
            group_uids_filled=group_uids_filled,
            clock_skew_seconds=self._transport.clock_skew,
        )

    @property
    def n_requests(self) -> int:
        """
        Number of requests that this client has sent.

        Examples
        --------
        >>> with Client("t-1", "secret") as client:
        ...     client.n_requests
        0
        """
        return self._transport.n_requests

    @property
    def paused_for(self) -> float:
        """
        Number of seconds until the client may start its next request.

        The number is 0 unless a response had status 429, or status 503 with a Retry-After header.

        Examples
        --------
        >>> with Client("t-1", "secret") as client:
        ...     client.paused_for
        0.0
        """
        return self._transport.paused_for

    def close(self) -> None:
        """
        Close all connections to the server.

        Examples
        --------
        >>> client = Client("t-1", "secret")
        >>> client.close()
        """
        self._transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client of {self.tenant_uid} at {urlsplit(self.base_url).hostname}, {self._rights()}>"

    def _repr_html_(self) -> str:
        facts = {"Host": self.base_url, "Access": self._rights(), "Page size": str(self.page_size)}
        return Card(f"Client of {self.tenant_uid}", facts, mark=environment_label(self.base_url)).html()

    def _rights(self) -> str:
        return "reads and writes" if self.writable else "reads only"

    def _group(self, call: Call) -> Group:
        body = self._transport.send(call, _unchanged) if call.is_read else self._write(call)
        try:
            return codec.decode_group(body)
        except SchemaMismatchError as error:
            raise self._transport.unexpected_response(call, str(error)) from error

    def _page(self, call: Call, record: type[Record], decode: Callable[[Page[Record]], Result]) -> Result:
        try:
            return self._transport.send(call, lambda body: decode(codec.decode_page(body, record)))
        except SchemaMismatchError as error:
            raise self._transport.unexpected_response(call, str(error)) from error

    def _write(self, call: Call) -> bytes:
        if not self.writable:
            raise NotWritableError(
                f"The client is read-only, so the request {call.operation} was not sent.",
                hint="To change the tenant, create the client with writable=True.",
            )
        body = self._transport.send(call, _unchanged)
        if body.lstrip().startswith(b"<"):
            # A proxy can return its login page with status 200 although the write did not reach the API.
            raise self._transport.unexpected_response(call, "The body is an HTML page.")
        return body


def _unchanged(value: Result) -> Result:
    return value


def _group_path(uid: str) -> str:
    return f"/customer-groups/{codec.check_uid(uid, 'customer group uid')}"


def create_or_confirm(send: Callable[[], Group], find: Callable[[], Group], name: str) -> Group:
    """
    Create a group with a given uid, and recover if the response is lost.

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

    If the server rejects the second request, the first request can have succeeded in the meantime, so the group is
    read again.
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
