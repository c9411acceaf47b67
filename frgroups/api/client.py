"""One method for each operation that the API documents, and a check of where you are connected."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from frgroups.api.connection_check import Check
from frgroups.api.defaults import PAGE_SIZE, WORKERS
from frgroups.api.environments import STAGE, environment_label
from frgroups.api.pagination import iter_pages
from frgroups.api.retry import RetryPolicy
from frgroups.api.schema import codec as wire
from frgroups.api.schema.lenient_decoding import NotTheApiError
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
from frgroups.internals.validation import check_text

Direction = Literal["ASC", "DESC"]


_ENDLESS = 1_000_000


def _now() -> datetime:
    return datetime.now(UTC)


class Client:
    """
    The seven operations on the customer groups of one tenant.

    Safe to share between threads. Reads are tried again when the service is busy or away; a membership write
    is sent once. Off loopback at most `requests_per_second` requests start per second (20 unless you say so):
    the tills use the same service.

    Parameters
    ----------
    token
        An access, auth or integration token, or a callable that returns one; the callable is asked again once
        after a 401.
    base_url
        "stage" (the default), "production", or the URL of a service that speaks the same API.
    writable
        Without it every write is refused before anything is sent.
    page_size, workers, timeout
        Customers asked for per page, connections at most, seconds of silence to wait through; an answer that is
        not whole after four times that is given up.
    clock
        What "now" is; a sandbox whose time was moved passes its own.

    Raises
    ------
    InputError
        No token, a bad tenant uid, or a base URL without https that is not loopback.

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
        for option, value, kind in (
            ("page_size", page_size, int),
            ("workers", workers, int),
            ("timeout", timeout, (int, float)),
            ("requests_per_second", 1 if requests_per_second is None else requests_per_second, (int, float)),
        ):
            if isinstance(value, bool) or not isinstance(value, kind) or not 0 < value < _ENDLESS:
                raise InputError(f"{option}={value!r} must be a positive number, and no more than {_ENDLESS:,}.")
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
        self.tenant_uid = tenant_uid
        self.base_url = self._transport.base_url
        self.writable = writable
        self.page_size = page_size
        self.workers = workers
        self.clock = clock

    @classmethod
    def from_env(cls, *, writable: bool = False, **options: Any) -> Client:
        """
        A client from FRGROUPS_TENANT_UID, FRGROUPS_TOKEN and FRGROUPS_BASE_URL (stage | production | URL).

        The base URL is stage unless the variable says otherwise. In a notebook a missing token is asked for
        without showing it. Raises InputError naming the variable that is missing.
        """
        tenant_uid = os.environ.get("FRGROUPS_TENANT_UID", "").strip()
        if not tenant_uid:
            raise InputError("FRGROUPS_TENANT_UID is not set. It is the uid of the tenant to connect to.")
        token = os.environ.get("FRGROUPS_TOKEN", "").strip()
        if not token and in_notebook():
            token = getpass.getpass(f"Token for tenant {tenant_uid}: ")
        if not token:
            raise InputError("FRGROUPS_TOKEN is not set. It is an access, auth or integration token.")
        base_url = os.environ.get("FRGROUPS_BASE_URL", "").strip() or STAGE
        return cls(tenant_uid, token, base_url=base_url, writable=writable, **options)

    @classmethod
    def from_config(
        cls, name: str, *, writable: bool = False, path: str | Path | None = None, **options: Any
    ) -> Client:
        """
        A client of a tenant that `tenants.toml` in the home, or the file at `path`, has a table for.

        The table says `tenant_uid`, `host` (stage | production | URL) and `token_command`: a list of words, or one
        text that is split as a shell would, and is run without a shell, in the folder of the file. What it prints is
        the token; it is run at the first request, and again after a 401. A table may also say `workers`,
        `page_size`, `requests_per_second` and `timeout`; `options` go before it.

        Raises
        ------
        InputError
            No file, no such name, or a table that is not right; a token written into the file is refused.
        TokenCommandError
            At a request: the command failed, was not done after a minute, or printed no token.

        >>> table = 'sport_no = {tenant_uid = "t-1", host = "stage", token_command = "pass show flow/sport_no"}'
        >>> (home() / "tenants.toml").write_text(table) > 0
        True
        >>> with Client.from_config("sport_no") as client:
        ...     client
        <Client of t-1 at api.stage.flowretail.com, reads only>
        """
        tenant = find_tenant(name, path)
        said: dict[str, Any] = {"base_url": tenant.base_url, "writable": writable, **tenant.options}
        return cls(tenant.tenant_uid, tenant.token, **(said | options))

    # The seven operations.

    def iter_groups(self, *, sort_by: str | None = None, sort_direction: Direction | None = None) -> Iterator[Group]:
        """Every group of the tenant, page by page."""
        return iter_pages(
            lambda number: self.read_group_page(number, sort_by=sort_by, sort_direction=sort_direction),
            "the groups of the tenant",
        )

    def get_group(self, uid: str) -> Group:
        """The group of this uid; NotFoundError when there is none."""
        return self._group(Call("get-customer-groups-by-uid", "GET", _group_path(uid)))

    def create_group(self, name: str, customer_group_uid: str | None = None) -> Group:
        """
        Create a group.

        With a uid of your own a lost answer is settled by reading the group back, and the request repeated
        only if it is not there. Without one it is sent once: a repetition could make a second group.
        """
        if customer_group_uid is not None:
            wire.check_uid(customer_group_uid, "customer group uid")
        body = wire.encode_group(_group_name(name), customer_group_uid)
        call = Call("post-customer-groups", "POST", "/customer-groups", body=body)
        if customer_group_uid is None:
            return self._group(call)
        return settled_creation(lambda: self._group(call), lambda: self.get_group(customer_group_uid), name)

    def update_group(self, uid: str, *, name: str) -> Group:
        """Rename a group."""
        body = wire.encode_group(_group_name(name))
        return self._group(Call("put-customer-groups", "PUT", _group_path(uid), body=body))

    def delete_group(self, uid: str) -> None:
        """Delete a group. The API cannot say which campaigns use it: look in the back office first."""
        self._write(Call("delete-customer-groups", "DELETE", _group_path(uid)))

    def iter_group_customers(
        self, uid: str, *, sort_by: str | None = None, sort_direction: Direction | None = None
    ) -> Iterator[Customer]:
        """
        Every customer of a group, with names and contact data, page by page and each once.

        Pages can shift while they are read; `load_snapshot` proves what it read, this does not. Raises
        DriftedReadError at the end when fewer or more came than the service counted.
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

        The service answers without saying what took effect; `apply_plan` reads back and tells. With nothing
        to add or remove nothing is sent.
        """
        added = wire.check_uids_once(add, "add")
        removed = wire.check_uids_once(remove, "remove")
        if both := sorted(set(added) & set(removed)):
            raise InputError(f"{len(both)} customers are both added and removed, {both[0]} for one.")
        call = Call(
            "put-customer-groups-customers",
            "PUT",
            f"{_group_path(uid)}/customers",
            body=wire.encode_membership(added, removed),
        )
        if added or removed:
            self._write(call)

    # Single pages, for those who prove what they read.

    def read_group_page(
        self,
        page_number: int | None = None,
        page_size: int | None = None,
        *,
        sort_by: str | None = None,
        sort_direction: Direction | None = None,
    ) -> Page[Group]:
        """One page of groups; without a number the first, whatever the service calls it."""
        parameters = wire.query(page_number, page_size or self.page_size, sort_by, sort_direction)
        return self._page(Call("get-customer-groups", "GET", "/customer-groups", parameters), Group, _as_it_is)

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
        """One page of a group's customers, as `Member` (no contact data kept) or `Customer`."""
        return self.take_customer_page(
            uid,
            page_number,
            page_size,
            record=record,
            take=_as_it_is,
            sort_by=sort_by,
            sort_direction=sort_direction,
        )

    def take_customer_page(
        self,
        uid: str,
        page_number: int | None,
        page_size: int | None,
        *,
        record: type[Person],
        take: Callable[[Page[Person]], Result],
        sort_by: str | None = None,
        sort_direction: Direction | None = None,
    ) -> Result:
        """What `take` makes of one page of a group's customers, before any other thread takes its page in."""
        parameters = wire.query(page_number, page_size or self.page_size, sort_by, sort_direction)
        path = f"{_group_path(uid)}/customers"
        return self._page(Call("get-customer-groups-customers", "GET", path, parameters), record, take)

    def check(self) -> Check:
        """
        Where this client is connected and how the tenant pages, found out by reading alone.

        Raises the ApiError that says what is wrong: AuthError for the token, NotFoundError for the tenant.
        """
        groups = self.read_group_page()
        pages: Iterator[Page[Member]] = (self.read_customer_page(group.uid) for group in groups.items[:8])
        members = next((page for page in pages if page.items), None)
        return Check(
            base_url=self.base_url,
            tenant_uid=self.tenant_uid,
            writable=self.writable,
            n_groups=groups.total_count,
            page_base=groups.page_number,
            asked_page_size=self.page_size,
            granted_page_size=(members or groups).page_size,
            group_uids_filled=None if members is None else any(m.customer_group_uids for m in members.items),
            clock_skew_seconds=self._transport.clock_skew,
        )

    @property
    def n_requests(self) -> int:
        """How many requests this client has sent."""
        return self._transport.n_requests

    @property
    def paused_for(self) -> float:
        """For how many seconds from now no request will start, since the service asked for it (429)."""
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
        return f"<Client of {self.tenant_uid} at {self._transport.host}, {self._may()}>"

    def _repr_html_(self) -> str:
        facts = {"Host": self.base_url, "May": self._may(), "Page size": str(self.page_size)}
        return Card(f"Client of {self.tenant_uid}", facts, mark=environment_label(self.base_url)).html()

    def _may(self) -> str:
        return "reads and writes" if self.writable else "reads only"

    def _group(self, call: Call) -> Group:
        body = self._transport.send(call, _as_it_is) if call.method == "GET" else self._write(call)
        try:
            return wire.decode_group(body)
        except NotTheApiError as error:
            raise self._transport.bad_answer(call, str(error)) from error

    def _page(self, call: Call, record: type[Record], take: Callable[[Page[Record]], Result]) -> Result:
        try:
            return self._transport.send(call, lambda body: take(wire.decode_page(body, record)))
        except NotTheApiError as error:
            raise self._transport.bad_answer(call, str(error)) from error

    def _write(self, call: Call) -> bytes:
        if not self.writable:
            raise NotWritableError(
                f"{call.operation}: this client only reads; nothing was sent.",
                hint="To change the tenant, create the client with writable=True.",
            )
        body = self._transport.send(call, _as_it_is)
        if body.lstrip().startswith(b"<"):
            # A login page or a proxy answers 200 to anything; taken for the API's it would pass as done.
            raise self._transport.bad_answer(call, "a page of HTML")
        return body


def _as_it_is(value: Result) -> Result:
    return value


def _group_path(uid: str) -> str:
    return f"/customer-groups/{wire.check_uid(uid, 'customer group uid')}"


def _group_name(name: str) -> str:
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"A group needs a name of at least one character, not {name!r}.")
    check_text(name, "name")
    return name


def settled_creation(send: Callable[[], Group], find: Callable[[], Group], name: str) -> Group:
    """
    The group that `send` creates under a uid of one's own, sent once more only if `find` does not find it.

    Raises InputError when a group of that uid is there with another name: it is somebody else's.
    """
    try:
        return send()
    except (ConnectionFailedError, ServerError) as error:
        lost = error
    try:
        found = find()
    except NotFoundError:
        return _created_late(send, find, name)
    except ApiError as error:
        raise lost from error
    return _ours(found, name)


def _created_late(send: Callable[[], Group], find: Callable[[], Group], name: str) -> Group:
    """Send the creation once more; a refusal may mean that the lost one arrived after all."""
    try:
        return send()
    except RequestRejectedError:
        return _ours(find(), name)


def _ours(found: Group, name: str) -> Group:
    if found.name != name:
        raise InputError(f"Group {found.uid!r} already exists and is named {found.name!r}, not {name!r}.")
    return found
