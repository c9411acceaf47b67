"""Run a local test server with a synthetic tenant."""

from __future__ import annotations

import http.client
import json
import secrets
import shutil
import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from frgroups.errors import FrgroupsError
from frgroups.internals.validation import check_choice, check_number
from frgroups.sandbox.fake_tenant import make_tenant
from frgroups.sandbox.faults import Behavior, Fault, make_behavior
from frgroups.sandbox.simulation import advance
from frgroups.sandbox.store import Store
from frgroups.sandbox.tenant_controls import TenantControls, check_uids

if TYPE_CHECKING:
    from frgroups.api.client import Client
    from frgroups.sandbox.server import Server


class Sandbox(TenantControls):
    """
    Local HTTP server that implements the customer groups API for one synthetic tenant.

    Use a sandbox for tests, demonstrations, and examples. The server listens on 127.0.0.1 only. It starts with
    `start()` or at the beginning of a `with` block. The class requires the extra `frgroups[sandbox]`.

    Parameters
    ----------
    path
        SQLite file that stores the tenant. If the file already contains a tenant, that tenant and its settings are
        used. Only `token`, `process`, `port`, `faults`, and `options` then have an effect. If None, the tenant is
        stored in a temporary folder, which `close()` deletes.
    customers
        Number of customers to create, at least 50.
    groups
        Number of groups to create, at least 8.
    seed
        Seed of the random numbers. The same `seed`, `customers`, and `groups` create the same memberships.
    tenant_uid
        Uid of the tenant.
    token
        Bearer token with read and write permission. If None, a random token is created.
    page_base
        Number of the first page: 0 or 1.
    max_page_size
        Maximum page size. Requests for larger pages receive a page of this size.
    default_page_size
        Page size of requests without `pageSize`.
    process
        Whether to run the server in a child process instead of a thread.
    port
        Port of the server. 0 selects a free port.
    days_ago
        Number of days by which the time of the sandbox is behind the real time. To simulate several weeks with
        `advance`, start in the past, for example with ``days_ago=60``, because a plan is blocked if its data is in
        the future. Then pass ``limits=Limits(snapshot_max_age=None)`` to `plan_memberships`, because the data is
        older than 24 hours.
    empty
        Whether to start without customers and groups. `customers`, `groups`, and `seed` are then ignored.
    faults
        Instances of `frgroups.sandbox.faults.Fault` to inject into requests, as in `misbehave`.
    **options
        Parameters of `frgroups.sandbox.faults.Behavior`, such as `latency`, as in `misbehave`.

    Raises
    ------
    InputError
        An argument is not valid. `start()` raises InputError if the number of customers or groups is too small, the
        port is in use, or the file is not the database of a sandbox.
    FrgroupsError
        Raised by `start()` if the extra `frgroups[sandbox]` is not installed, or if the server does not start.

    Examples
    --------
    >>> with Sandbox(customers=200, groups=12) as sandbox:
    ...     len(sandbox.groups())
    12
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        customers: int = 20_000,
        groups: int = 60,
        seed: int = 1,
        tenant_uid: str = "sport_nordic",
        token: str | None = None,
        page_base: int = 1,
        max_page_size: int = 500,
        default_page_size: int = 100,
        process: bool = False,
        port: int = 0,
        days_ago: float = 0,
        empty: bool = False,
        faults: Iterable[Fault] = (),
        **options: Any,
    ) -> None:
        check_choice(page_base, "page_base", (0, 1))
        check_number(max_page_size, "max_page_size", above=0, whole=True)
        check_number(default_page_size, "default_page_size", at_least=1, at_most=max_page_size, whole=True)
        check_uids([tenant_uid])
        self._path = Path(path) if path is not None else None
        self._size: dict[str, int] | None = None
        if not empty:
            self._size = {"customers": customers, "groups": groups}
        self._settings: dict[str, Any] = {
            "tenant_uid": tenant_uid,
            "token": token or secrets.token_urlsafe(24),
            "read_only_token": secrets.token_urlsafe(24),
            "page_base": page_base,
            "max_page_size": max_page_size,
            "default_page_size": default_page_size,
            "days_ago": days_ago,
            "days_advanced": 0,
            "seed": seed,
            "customers_made": 0,
        }
        self._token = token
        self._process = process
        self._port = port
        self._behavior = make_behavior(tuple(faults), options)
        self._running: _Running | None = None

    def __repr__(self) -> str:
        if self._running is None:
            return "<Sandbox, not started>"
        groups, customers = self._store.count_groups(), self._store.read("SELECT count(*) FROM customers")[0][0]
        return f"<Sandbox {self.tenant_uid} at {self.base_url}: {groups:,} groups, {customers:,} customers>"

    def start(self) -> Sandbox:
        """
        Start the server, and create the tenant if it does not exist.

        If the server is already running, this method has no effect. A `with` block calls `start` and `close`.

        Returns
        -------
        Sandbox
            This sandbox.

        Raises
        ------
        InputError
            The number of customers or groups is too small, the port is in use, or the file is not the database of a
            sandbox.
        FrgroupsError
            The extra `frgroups[sandbox]` is not installed, or the server does not start within 30 s.

        Examples
        --------
        >>> sandbox = Sandbox(empty=True).start()
        >>> sandbox.tenant_uid
        'sport_nordic'
        >>> sandbox.close()
        """
        if self._running is not None:
            return self
        try:
            from frgroups.sandbox.server import ProcessServer, ThreadServer
        except ModuleNotFoundError as error:
            raise FrgroupsError(f"The sandbox requires {error.name}. Run pip install 'frgroups[sandbox]'.") from error
        path, temp_folder = self._path, None
        if path is None:
            temp_folder = Path(tempfile.mkdtemp(prefix="frgroups-sandbox-"))
            path = temp_folder / "tenant.sqlite"
        store = None
        try:
            store = Store(path)
            self._initialize_store(store)
            control_token = secrets.token_urlsafe(24)
            server: Server
            if self._process:
                server = ProcessServer(store.path, control_token, self._port)
            else:
                server = ThreadServer(store.path, control_token, self._port)
            self._running = _Running(self, server, store, temp_folder, control_token)
        except BaseException:
            _close_all(None, store, temp_folder)
            raise
        self._sync_behavior(self._behavior)
        return self

    def _initialize_store(self, store: Store) -> None:
        settings = store.settings()
        if settings:
            if self._token is not None:
                store.save_settings({"token": self._token})
            return
        with store.write():
            store.save_settings(self._settings)
            if self._size is not None:
                make_tenant(store, **self._size, seed=self._settings["seed"], now=store.now())

    def close(self) -> None:
        """
        Stop the server.

        If the sandbox was created without a `path`, its tenant is deleted. If the server is not running, this method
        has no effect.

        Examples
        --------
        >>> sandbox = Sandbox(empty=True).start()
        >>> sandbox.close()
        >>> sandbox
        <Sandbox, not started>
        """
        if self._running is not None:
            self._running.end()
            self._running = None

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _get_running(self) -> _Running:
        if self._running is None:
            raise FrgroupsError("The sandbox is not running. Call sandbox.start() or use a with block.")
        return self._running

    @property
    def _store(self) -> Store:
        return self._get_running().store

    @property
    def base_url(self) -> str:
        """
        Base URL of the server, for `Client(base_url=...)`.

        Examples
        --------
        >>> with Sandbox(empty=True, page_base=0) as sandbox:
        ...     sandbox.base_url.startswith("http://127.0.0.1:")
        True
        """
        return f"http://127.0.0.1:{self._get_running().server.port}/v2"

    @property
    def tenant_uid(self) -> str:
        """
        Uid of the tenant.

        Examples
        --------
        >>> with Sandbox(empty=True, tenant_uid="my_shop") as sandbox:
        ...     sandbox.tenant_uid
        'my_shop'
        """
        return str(self._store.settings()["tenant_uid"])

    @property
    def token(self) -> str:
        """
        Bearer token with read and write permission (the permission CUSTOMER).

        Examples
        --------
        >>> with Sandbox(empty=True, token="secret") as sandbox:
        ...     sandbox.token
        'secret'
        """
        return str(self._store.settings()["token"])

    @property
    def read_only_token(self) -> str:
        """
        Bearer token with read permission only. A write request with this token returns status 403.

        Examples
        --------
        >>> with Sandbox(empty=True) as sandbox:
        ...     client = fg.Client(sandbox.tenant_uid, sandbox.read_only_token, base_url=sandbox.base_url)
        ...     with client:
        ...         len(list(client.iter_groups()))
        0
        """
        return str(self._store.settings()["read_only_token"])

    def client(self, writable: bool = False, **options: Any) -> Client:
        """
        Create a client for the sandbox's tenant. The client uses the current time of the sandbox.

        Parameters
        ----------
        writable
            Whether the client can change groups.
        **options
            Further arguments of `Client`.

        Returns
        -------
        Client
            A new client. Close it, or use it in a `with` block.

        Examples
        --------
        >>> with Sandbox(customers=50, groups=8) as sandbox, sandbox.client() as client:
        ...     len(list(client.iter_groups()))
        8
        """
        from frgroups.api.client import Client

        options = {"base_url": self.base_url, "clock": self.now, **options}
        return Client(self.tenant_uid, self.token, writable=writable, **options)

    def advance(self, days: float = 30) -> None:
        """
        Advance the time of the sandbox and simulate the changes in the tenant.

        Customers are created and deleted, memberships and consents change, and campaign groups start and end. The
        same seed and the same steps create the same changes. In a tenant that was created with `empty=True`, only
        the time changes.

        Parameters
        ----------
        days
            Number of days. Longer periods are simulated in steps of 30 days.

        Raises
        ------
        InputError
            The number of days is negative.

        Examples
        --------
        >>> with Sandbox(customers=200, groups=8) as sandbox:
        ...     before = len(sandbox.groups())
        ...     sandbox.advance(30)
        ...     len(sandbox.groups()) - before  # a new campaign group
        1
        """
        check_number(days, "days", at_least=0)
        advance(self._store, days)

    def misbehave(self, *faults: Fault, **options: Any) -> None:
        """
        Set the faults to inject and the undocumented behavior for the next requests.

        The arguments replace all faults and options of an earlier call.

        Parameters
        ----------
        *faults
            Instances of `frgroups.sandbox.faults.Fault` to inject into matching requests.
        **options
            Parameters of `frgroups.sandbox.faults.Behavior`, such as `latency` or `unknown_uids`. Parameters that are
            not passed have their default values.

        Raises
        ------
        InputError
            An option is unknown or has an invalid value.

        Examples
        --------
        >>> from frgroups.sandbox.faults import Fault
        >>> with Sandbox(empty=True) as sandbox, sandbox.client() as client:
        ...     sandbox.misbehave(Fault("status", status=503, times=1))
        ...     n_groups = len(list(client.iter_groups()))  # The client retries the request.
        ...     [request["status"] for request in sandbox.requests()]
        [503, 200]
        """
        self._sync_behavior(make_behavior(faults, options))

    def behave(self) -> None:
        """
        Remove all faults and restore the default behavior.

        Examples
        --------
        >>> with Sandbox(empty=True) as sandbox, sandbox.client() as client:
        ...     sandbox.misbehave(latency=60)
        ...     sandbox.behave()
        ...     list(client.iter_groups())
        []
        """
        self._sync_behavior(Behavior())

    def _sync_behavior(self, behavior: Behavior) -> None:
        self._send_control("PUT", "behavior", msgspec.json.encode(behavior))

    def requests(self) -> list[dict[str, Any]]:
        """
        Return the last 10,000 requests in the order of their responses.

        Returns
        -------
        list of dict
            Dictionaries with the keys `method`, `path` (with the query), `status` (None if the connection was closed
            without a complete response), and `sent` (the request body).

        Examples
        --------
        >>> with Sandbox(empty=True) as sandbox, sandbox.client() as client:
        ...     groups = list(client.iter_groups())
        ...     [(request["method"], request["status"]) for request in sandbox.requests()]
        [('GET', 200)]
        """
        log: list[dict[str, Any]] = json.loads(self._send_control("GET", "requests"))
        return log

    def clear_requests(self) -> None:
        """
        Clear the request log.

        Examples
        --------
        >>> with Sandbox(empty=True) as sandbox, sandbox.client() as client:
        ...     groups = list(client.iter_groups())
        ...     sandbox.clear_requests()
        ...     sandbox.requests()
        []
        """
        self._send_control("DELETE", "requests")

    def _send_control(self, method: str, what: str, body: bytes = b"") -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self._get_running().server.port, timeout=60)
        try:
            connection.request(
                method, f"/_sandbox/{what}", body, {"X-Sandbox-Control": self._get_running().control_token}
            )
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if response.status not in (200, 204):
            raise FrgroupsError(
                f"A sandbox control request failed with status {response.status}: {content.decode()}."
            )
        return content

    def reset(self) -> None:
        """
        Delete all groups and customers, remove all faults, and clear the request log.

        The time of the sandbox does not change.

        Examples
        --------
        >>> with Sandbox(customers=50, groups=8) as sandbox:
        ...     sandbox.reset()
        ...     sandbox.groups()
        {}
        """
        self._store.empty()
        self.behave()
        self.clear_requests()


class _Running:
    """
    Resources of a running sandbox: the server, the database, and the temporary folder.

    The function `end` releases the resources. Python also calls `end` when the sandbox is garbage-collected or the
    interpreter exits.
    """

    def __init__(self, owner: Sandbox, server: Server, store: Store, folder: Path | None, control_token: str) -> None:
        self.server = server
        self.store = store
        self.control_token = control_token
        self.end = weakref.finalize(owner, _close_all, server, store, folder)


def _close_all(server: Server | None, store: Store | None, folder: Path | None) -> None:
    if server is not None:
        server.stop()
    if store is not None:
        store.close()
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
