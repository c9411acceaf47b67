"""Client for the documented operations of the customer group API."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from frgroups.api.certificates import Verify
from frgroups.api.connection_check import Check
from frgroups.api.defaults import PAGE_SIZE, WORKERS, check_client_option
from frgroups.api.environments import environment_label
from frgroups.api.group_requests import GroupRequests, group_path
from frgroups.api.pagination import iter_pages
from frgroups.api.retry import RetryPolicy
from frgroups.api.schema import codec
from frgroups.api.schema.records import Customer, Group, Member, Page, Person, Record
from frgroups.api.tenants_config import config_path, find_tenant, missing_tenant_error, missing_token_error
from frgroups.api.transport import Call, Result, Token, Transport
from frgroups.internals.base_urls import STAGE
from frgroups.internals.formatting import escape_invisible
from frgroups.internals.html import Card
from frgroups.internals.progress import in_notebook
from frgroups.internals.redaction import Hidden, HiddenText, without_local_variables

Direction = Literal["ASC", "DESC"]


def _now() -> datetime:
    return datetime.now(UTC)


class Client(GroupRequests):
    """
    Client for the customer groups of one tenant.

    Several threads can share a client. The client retries read requests after a 429 or 5xx status, a timeout, or a
    lost connection. It sends each write request once. Only `create_group` with a uid can repeat a write request after
    a lost response.

    Parameters
    ----------
    tenant_uid
        Uid of the tenant.
    token
        Access, auth, or integration token, or a callable that returns a token. The callable runs at the first
        request, and again after a response with status 401.
    base_url
        "stage" (the default), "production", or the URL of a server that implements the same API.
    writable
        Whether the client may send writes. With False, the default, each write raises NotWritableError and nothing
        is sent.
    page_size
        Number of records to request per page. The server can return fewer records.
    workers
        Maximum number of connections.
    timeout
        Seconds to wait for a connection and for each chunk of a response. A response that is not complete after 4
        times this timeout raises ConnectionFailedError.
    requests_per_second
        Maximum number of requests that start per second. None means 20, or no limit for a server on this machine. The
        default protects the tills in shops, which use the same servers.
    retry
        Limits for the retries of reads. None means `RetryPolicy()`.
    verify
        True verifies the certificate of the server with the certificates in SSL_CERT_FILE or SSL_CERT_DIR, or with
        the default certificates. For a private certificate authority, pass the path of a PEM file, the path of a
        folder, or an `ssl.SSLContext`. False accepts any certificate.
    clock
        Function that returns the current time with a time zone. The client of a sandbox uses the sandbox's simulated
        clock.

    Raises
    ------
    InputError
        The token is missing, the tenant uid is invalid, an option is not a positive number, the base URL uses
        http for another machine, or an environment variable that specifies a proxy or certificates is invalid.

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
        verify: Verify = True,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        # The traceback of a failed validation can contain the client's repr.
        # Therefore, the attributes that the repr shows are set before the validation.
        self.tenant_uid, self.base_url, self.writable = tenant_uid, base_url, writable
        hidden_token = Hidden[Token](HiddenText(token) if isinstance(token, str) else token)
        # Delete the arguments with secrets, because a traceback can display the local variables of this function.
        del token, base_url
        with without_local_variables():
            check_client_option("page_size", page_size)
            check_client_option("workers", workers)
            check_client_option("timeout", timeout)
            if requests_per_second is not None:
                check_client_option("requests_per_second", requests_per_second)
            self._transport = Transport(
                tenant_uid,
                hidden_token,
                base_url=self.base_url,
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

        Both variables are required. In a notebook, the method asks for a missing token with a hidden prompt. The
        optional variable FRGROUPS_BASE_URL is "stage" (the default), "production", or a URL.

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
            raise missing_tenant_error()
        token = HiddenText(os.environ.get("FRGROUPS_TOKEN", "").strip())
        if not token and in_notebook():
            token = HiddenText(getpass.getpass(f"Token for tenant {tenant_uid}: "))
        if not token:
            raise missing_token_error()
        client = cls(
            tenant_uid,
            token,
            base_url=os.environ.get("FRGROUPS_BASE_URL", "").strip() or STAGE,
            writable=writable,
            **options,
        )
        client._transport.tenant_setting = "the environment variable FRGROUPS_TENANT_UID"
        return client

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
        `requests_per_second` and `timeout`, and the path of CA certificates (PEM file or folder) as `ca_file`.

        Parameters
        ----------
        name
            Name of the table.
        writable
            Whether the client may send writes.
        path
            Path of the file. None means `tenants.toml` in the data folder.
        **options
            Further arguments of `Client`. They take precedence over the values in the table.

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
        client = cls(tenant.tenant_uid, tenant.token, **(configured | options))
        client._transport.tenant_name = name
        client._transport.tenant_setting = f"`tenant_uid` of the tenant {name!r} in {config_path(path)}"
        return client

    def iter_groups(self, *, sort_by: str | None = None, sort_direction: Direction | None = None) -> Iterator[Group]:
        """
        Iterate over the groups of the tenant.

        The client requests each page of the group list when the iteration reaches the page.

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
            The groups in `items`, with the page number, the page size, and the total number of groups that the server
            reports.

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
            The customers in `items`, with the page number, the page size, and the total number of customers that the
            server reports.

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
        path = f"{group_path(uid)}/customers"
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
            n_groups=max(groups.total_count, len(groups.items)),
            page_base=groups.page_number,
            asked_page_size=self.page_size,
            granted_page_size=(members or groups).page_size,
            group_uids_filled=group_uids_filled,
            clock_skew_seconds=self._transport.clock_skew,
        )

    def __repr__(self) -> str:
        # If the arguments of a client are invalid, a traceback can show the repr of a client that lacks attributes.
        # The errors for missing or invalid attributes are therefore suppressed.
        host = None
        with suppress(ValueError, AttributeError, TypeError):
            host = urlsplit(self.base_url).hostname
        return escape_invisible(f"<Client of {self.tenant_uid} at {host}, {self._rights()}>")

    def _repr_html_(self) -> str:
        facts = {"Host": self.base_url, "Access": self._rights(), "Page size": str(self.page_size)}
        return Card(f"Client of {self.tenant_uid}", facts, mark=environment_label(self.base_url)).html()

    def _rights(self) -> str:
        return "reads and writes" if self.writable else "reads only"

    def _page(self, call: Call, record: type[Record], decode: Callable[[Page[Record]], Result]) -> Result:
        return self._transport.send(call, lambda body: decode(codec.decode_page(body, record)))


def _unchanged(value: Result) -> Result:
    return value
