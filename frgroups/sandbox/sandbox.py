"""The Sandbox class: a local tenant for tests, demonstrations and examples."""

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
    A made-up tenant that answers the documented API over HTTP on loopback.

    Nothing is opened before `start()` or `with`. It needs the extra `frgroups[sandbox]`.

    Parameters
    ----------
    path
        A file to keep the tenant in. If it holds one already, that one is used with the settings it was made
        with: of the other arguments then only `token`, `process`, `port`, faults and behavior count.
        Without a path the tenant is gone after `close()`.
    customers, groups, seed
        How large the tenant is; the same numbers make the same members. At least 50 and 8.
    empty
        Make no customers and no groups.
    token
        The token that may write; made up if not given. `read_only_token` may only read.
    page_base, max_page_size, default_page_size
        The number of the first page (0 or 1), the largest page that is granted, and the size without a wish.
    process
        Serve from a child process, which does not share this one's interpreter lock.
    port
        The port to serve on; 0 finds a free one.
    days_ago
        Let it be so many days earlier in the sandbox.
    faults, **options
        What goes wrong, as `misbehave` takes it.

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

    # Life.

    def start(self) -> Sandbox:
        """Make or open the tenant and serve it."""
        if self._running is not None:
            return self
        try:
            from frgroups.sandbox.server import ProcessServer, ThreadServer
        except ModuleNotFoundError as error:
            raise FrgroupsError(f"The sandbox needs {error.name}: pip install 'frgroups[sandbox]'.") from error
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
        """Stop serving; without a path the tenant is gone."""
        if self._running is not None:
            self._running.end()
            self._running = None

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # How to reach it.

    def _get_running(self) -> _Running:
        if self._running is None:
            raise FrgroupsError("The sandbox is not running. Use `with Sandbox() as sandbox:` or sandbox.start().")
        return self._running

    @property
    def _store(self) -> Store:
        return self._get_running().store

    @property
    def base_url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._get_running().server.port}/v2"

    @property
    def tenant_uid(self) -> str:
        """The uid of its only tenant."""
        return str(self._store.settings()["tenant_uid"])

    @property
    def token(self) -> str:
        """A token with the permission CUSTOMER."""
        return str(self._store.settings()["token"])

    @property
    def read_only_token(self) -> str:
        """A token that may read; its writes are answered 403."""
        return str(self._store.settings()["read_only_token"])

    def client(self, writable: bool = False, **options: Any) -> Client:
        """A client of this tenant, whose clock is the sandbox's."""
        from frgroups.api.client import Client

        options = {"base_url": self.base_url, "clock": self.now, **options}
        return Client(self.tenant_uid, self.token, writable=writable, **options)

    # Time.

    def advance(self, days: float = 30) -> None:
        """
        Let days pass: customers come and go, VIPs change, a campaign begins and an old one ends.

        The same days pass the same way for the same seed. Where you filled an empty tenant, only the clock moves.
        """
        check_number(days, "days", at_least=0)
        advance(self._store, days)

    # Misbehavior, and what was asked.

    def misbehave(self, *faults: Fault, **options: Any) -> None:
        """
        From now on behave like this, and no longer as told before.

        `options` takes the keywords of `Behavior`:
        `sandbox.misbehave(Fault("status", status=429, times=2), latency=0.1, unknown_uids="ignore")`.
        """
        self._sync_behavior(make_behavior(faults, options))

    def behave(self) -> None:
        """Do nothing wrong from now on."""
        self._sync_behavior(Behavior())

    def _sync_behavior(self, behavior: Behavior) -> None:
        self._send_control("PUT", "behavior", msgspec.json.encode(behavior))

    def requests(self) -> list[dict[str, Any]]:
        """
        The last 10,000 requests: method, path with its query, status (None when cut), and the body that was sent.

        In the order in which their answers were made.
        """
        log: list[dict[str, Any]] = json.loads(self._send_control("GET", "requests"))
        return log

    def clear_requests(self) -> None:
        """Forget the requests so far."""
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
            raise FrgroupsError(f"The sandbox answered {response.status} to its owner: {content.decode()}.")
        return content

    def reset(self) -> None:
        """Empty the tenant, behave, and forget the requests; the time stays."""
        self._store.empty()
        self.behave()
        self.clear_requests()


class _Running:
    """What is open while a sandbox runs. It is closed with the interpreter at the latest."""

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
