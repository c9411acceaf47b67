"""Call the documented operations of the API."""

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
from frgroups.internals.html import Card
from frgroups.internals.progress import in_notebook
from frgroups.internals.redaction import HiddenText

Direction = Literal["ASC", "DESC"]


def _now() -> datetime:
    return datetime.now(UTC)


class Client:
    """
    Client for the seven operations on the customer groups of one tenant.

    A client can be shared between threads. Reads are repeated after 429, 5xx, a timeout or a lost connection. A
    membership write is sent once.

    Parameters
    ----------
    tenant_uid
        Uid of the tenant.
    token
        An access, auth or integration token, or a callable that returns one. The callable is called once more after
        a 401.
    base_url
        "stage" (the default), "production", or the URL of a server that implements the same API.
    writable
        True to permit writes. Otherwise each write raises NotWritableError before anything is sent.
    page_size
        Number of records to request per page.
    workers
        Largest number of connections.
    timeout
        Seconds to wait for the connection and for each part of a response. A response that is not complete after 4
        times the timeout is given up.
    requests_per_second
        Largest number of requests that start per second. The default is no limit on this machine and 20 elsewhere,
        because the shops' tills use the same servers.
    retry
        Limits for repeated reads. The default is `RetryPolicy()`.
    verify
        False to accept any certificate, or an SSLContext.
    clock
        Function that returns the current time. A sandbox passes its own clock.

    Raises
    ------
    InputError
        There is no token, the tenant uid is not valid, an option is not a positive number, or the base URL is not
        https and not on this machine.

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
        # The repr works from here on, because a traceback with local variables shows it.
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
        Create a client from FRGROUPS_TENANT_UID, FRGROUPS_TOKEN and FRGROUPS_BASE_URL.

        The base URL is "stage" (the default), "production" or a URL. In a notebook, a missing token is read from a
        hidden prompt.

        Raises
        ------
        InputError
            A variable is missing. The message contains its name.
        """
        tenant_uid = os.environ.get("FRGROUPS_TENANT_UID", "").strip()
        if not tenant_uid:
            raise InputError("FRGROUPS_TENANT_UID is not set. It is the uid of the tenant to connect to.")
        token = HiddenText(os.environ.get("FRGROUPS_TOKEN", "").strip())
        if not token and in_notebook():
            token = HiddenText(getpass.getpass(f"Token for tenant {tenant_uid}: "))
        if not token:
            raise InputError("FRGROUPS_TOKEN is not set. It is an access, auth or integration token.")
        base_url = os.environ.get("FRGROUPS_BASE_URL", "").strip() or STAGE
        return cls(tenant_uid, token, base_url=base_url, writable=writable, **options)

    @classmethod
    def from_config(
        cls, name: str, *, writable: bool = False, path: str | Path | None = None, **options: Any
    ) -> Client:
        """
        Create a client for a tenant of `tenants.toml` in the data folder, or of the file at `path`.

        The table of the tenant contains `tenant_uid`, `host` (stage, production or a URL) and `token_command`. The
        command is a list of words, or one text that is split as a shell does. It is run without a shell, in the
        folder of the file, at the first request and again after a 401. Its output is the token. A table can also
        contain `workers`, `page_size`, `requests_per_second` and `timeout`. Arguments in `options` take precedence.

        Raises
        ------
        InputError
            There is no file or no such name, or the table is not valid. A token in the file is rejected.
        TokenCommandError
            At a request: the command failed, ran for more than 60 s, or printed no token.

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

    # The seven operations

    def iter_groups(self, *, sort_by: str | None = None, sort_direction: Direction | None = None) -> Iterator[Group]:
        """Yield each group of the tenant, page by page."""
        return iter_pages(
            lambda number: self.read_group_page(number, sort_by=sort_by, sort_direction=sort_direction),
            "the groups of the tenant",
        )

    def get_group(self, uid: str) -> Group:
        """Return a group. Raises NotFoundError if it does not exist."""
        return self._group(Call("get-customer-groups-by-uid", "GET", _group_path(uid)))

    def create_group(self, name: str, customer_group_uid: str | None = None) -> Group:
        """
        Create a group.

        With a uid, a lost response is resolved by reading the group, and the request is repeated only if the group
        does not exist. Without a uid the request is sent once, because a repetition could create a second group.
        """
        if customer_group_uid is not None:
            codec.check_uid(customer_group_uid, "customer group uid")
        body = codec.encode_group(codec.check_group_name(name), customer_group_uid)
        call = Call("post-customer-groups", "POST", "/customer-groups", body=body)
        if customer_group_uid is None:
            return self._group(call)
        return create_or_confirm(lambda: self._group(call), lambda: self.get_group(customer_group_uid), name)

    def update_group(self, uid: str, *, name: str) -> Group:
        """Rename a group."""
        body = codec.encode_group(codec.check_group_name(name))
        return self._group(Call("put-customer-groups", "PUT", _group_path(uid), body=body))

    def delete_group(self, uid: str) -> None:
        """
        Delete a group.

        The API does not report the campaigns that use a group. Check them in the back office first.
        """
        self._write(Call("delete-customer-groups", "DELETE", _group_path(uid)))

    def iter_group_customers(
        self, uid: str, *, sort_by: str | None = None, sort_direction: Direction | None = None
    ) -> Iterator[Customer]:
        """
        Yield each customer of a group once, with names and contact data.

        Pages can shift while they are read. `load_snapshot` detects that, and this method does not.

        Raises
        ------
        DriftedReadError
            The number of customers differs from the total of the server.
        """
        return iter_pages(
            lambda number: self.read_customer_page(
                uid, number, record=Customer, sort_by=sort_by, sort_direction=sort_direction
            ),
            f"the customers of group {uid}",
        )

    def update_group_customers(self, uid: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """
        Add customers to a group and remove others, in one request that is never repeated.

        The response does not contain the effect of the request. `apply_plan` reads the group to verify it. Without
        customers, nothing is sent.
        """
        added = codec.check_uids_once(add, "add")
        removed = codec.check_uids_once(remove, "remove")
        if both := sorted(set(added) & set(removed)):
            raise InputError(f"{len(both)} customers are both added and removed, {both[0]} for one.")
        call = Call(
            "put-customer-groups-customers",
            "PUT",
            f"{_group_path(uid)}/customers",
            body=codec.encode_membership(added, removed),
        )
        if added or removed:
            self._write(call)

    # Single pages, for verified reads

    def read_group_page(
        self,
        page_number: int | None = None,
        page_size: int | None = None,
        *,
        sort_by: str | None = None,
        sort_direction: Direction | None = None,
    ) -> Page[Group]:
        """Read one page of groups, or the first page without a number."""
        parameters = codec.query(page_number, page_size or self.page_size, sort_by, sort_direction)
        return self._page(Call("get-customer-groups", "GET", "/customer-groups", parameters), Group, _unchanged)

    def read_customer_page(
        self,
        uid: str,
        page_number: int | None = None,
        page_size: int | None = None,
        *,
        record: type[Person] = Member,  # type: ignore[assignment]  # the default of a TypeVar
        sort_by: str | None = None,
        sort_direction: Direction | None = None,
    ) -> Page[Person]:
        """Read one page of the customers of a group, as `Member` (without contact data) or `Customer`."""
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
        """Read one page of the customers of a group, and return the result of `decode`, one thread at a time."""
        parameters = codec.query(page_number, page_size or self.page_size, sort_by, sort_direction)
        path = f"{_group_path(uid)}/customers"
        return self._page(Call("get-customer-groups-customers", "GET", path, parameters), record, decode)

    def check(self) -> Check:
        """
        Check the connection, the token and the paging of the server, with reads only.

        Raises
        ------
        ApiError
            For example AuthError for the token, or NotFoundError for the tenant.
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
        """Number of requests that this client has sent."""
        return self._transport.n_requests

    @property
    def paused_for(self) -> float:
        """Seconds until the next request may start after a Retry-After, or 0."""
        return self._transport.paused_for

    def close(self) -> None:
        """Close the connections."""
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
        facts = {"Host": self.base_url, "May": self._rights(), "Page size": str(self.page_size)}
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
                f"{call.operation}: this client only reads; nothing was sent.",
                hint="To change the tenant, create the client with writable=True.",
            )
        body = self._transport.send(call, _unchanged)
        if body.lstrip().startswith(b"<"):
            # A login page or a proxy answers every request with 200, so that the write would seem to have succeeded.
            raise self._transport.unexpected_response(call, "a page of HTML")
        return body


def _unchanged(value: Result) -> Result:
    return value


def _group_path(uid: str) -> str:
    return f"/customer-groups/{codec.check_uid(uid, 'customer group uid')}"


def create_or_confirm(send: Callable[[], Group], find: Callable[[], Group], name: str) -> Group:
    """
    Create a group with a chosen uid, and resolve a lost response.

    Parameters
    ----------
    send
        Function that sends the creation. It is called again only if `find` does not find the group.
    find
        Function that reads the group.
    name
        Name of the group.

    Raises
    ------
    InputError
        The group exists with another name, so that it is not the created one.
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
    """Send the creation again. If it is rejected, the first request may have succeeded meanwhile."""
    try:
        return send()
    except RequestRejectedError:
        return _check_name(find(), name)


def _check_name(group: Group, name: str) -> Group:
    if group.name != name:
        raise InputError(f"Group {group.uid!r} already exists and is named {group.name!r}, not {name!r}.")
    return group
