"""
Load several tenants in parallel, each in a separate process.

If loading one tenant fails, hangs, or runs out of memory, the other tenants are still loaded. The memory of a large
tenant is released when its process ends. Ctrl-C terminates all processes. Threads would start about one second faster
per tenant, but they would share one Python interpreter to decode the responses.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from types import FrameType
from typing import Any, NoReturn
from urllib.parse import urlsplit

from frgroups.api.client import Client
from frgroups.api.defaults import REQUESTS_PER_SECOND
from frgroups.api.environments import is_loopback
from frgroups.api.tenants_config import Tenant, find_tenant, read_tenants
from frgroups.errors import FrgroupsError, InputError
from frgroups.internals.exit_codes import code_of
from frgroups.internals.paths import home
from frgroups.internals.structured_logging import error_info, log_event
from frgroups.load.loader import load_snapshot
from frgroups.snapshot.snapshot import Snapshot
from frgroups.store.retention import list_snapshots

log = logging.getLogger("frgroups.load")


# Importing frgroups takes about a second. If Ctrl-C is pressed during the import, the child prints no traceback.
_CHILD_CODE = """\
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
import frgroups.load.batch
from frgroups.cli.main import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main())
"""
# GRACE is the number of seconds that an interrupted child process has to clean up before it is killed.
GRACE = 3.0


def load_many(
    names: Sequence[str], *, jobs: int, requests_per_second: float | None = None, options: Sequence[str] = ()
) -> Generator[LoadResult]:
    """
    Load several tenants from `tenants.toml` in parallel, and yield each result as soon as it is available.

    If the calling code raises an exception, for example on Ctrl-C, the running loads are terminated. Snapshots that
    have already been stored remain on disk.

    Parameters
    ----------
    names
        Names of the tenants.
    jobs
        Maximum number of loads that run at the same time.
    requests_per_second
        Rate limit that all tenants on one remote server share, in requests per second. None means 20, except for
        tenants that have a separate limit in `tenants.toml`.
    options
        Command-line options that are passed to `frgroups load` for every tenant.
    """
    rate_options = _rate_options(names, jobs, requests_per_second)
    with _Processes() as processes, ThreadPoolExecutor(jobs, "frgroups-batch") as pool:
        try:
            futures = [
                pool.submit(_load_in_process, name, processes, [*options, *rate_options[name]]) for name in names
            ]
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            processes.end()
            raise


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Raise SystemExit on SIGTERM and SIGHUP, so that child processes are terminated in the same way as on Ctrl-C."""

    def stop(number: int, _: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    if threading.current_thread() is not threading.main_thread():  # Only the main thread can set signal handlers.
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    handlers = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


class _Processes:
    """
    Child processes that are currently running.

    After `end` has been called, the method `start` raises KeyboardInterrupt instead of starting another process.
    """

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()
        self._ended = False

    def __enter__(self) -> _Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        options: dict[str, Any] = {}
        if os.name == "posix":
            # A child in a separate process group does not receive Ctrl-C. The parent process terminates it instead.
            options["process_group"] = 0
        with self._lock:
            if self._ended:
                raise KeyboardInterrupt
            # The command is a list of arguments, so no shell interprets the name of the tenant.
            process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                env=os.environ | {"FRGROUPS_HOME": str(home())},
                **options,
            )
            self._running.append(process)
        return process

    def end(self) -> None:
        with self._lock:
            self._ended = True
            running = [process for process in self._running if process.poll() is None]
        try:
            for process in running:
                _interrupt(process)
            until = time.monotonic() + GRACE
            while any(process.poll() is None for process in running) and time.monotonic() < until:
                time.sleep(0.05)
        finally:
            for process in running:
                process.kill()


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    if os.name == "nt":
        process.terminate()
    else:
        process.send_signal(signal.SIGINT)


def _load_in_process(name: str, processes: _Processes, options: Sequence[str]) -> LoadResult:
    """
    Load a tenant in a child process, and return the result of the load.

    If the child process fails, the returned LoadResult contains the error.
    """
    started = time.monotonic()
    try:
        # With the option -P, Python does not import modules from the current folder.
        command = [sys.executable, "-P", "-c", _CHILD_CODE, "load", "--json", *options, f"--tenant={name}"]
        process = processes.start(command)
        output, _ = process.communicate()
        return _parse_result(name, output, process.returncode)
    except (Exception, KeyboardInterrupt) as error:
        return failed_load(name, error, seconds=time.monotonic() - started)


def _parse_result(name: str, output: bytes, code: int) -> LoadResult:
    try:
        result = LoadResult(**json.loads(output.splitlines()[-1]))
        if result.name == name:
            return result
    except (IndexError, ValueError, TypeError):
        pass
    reason = f"The load process ended with exit code {code}."
    if code < 0:
        reason = f"The load process was terminated by signal {-code}. Signal 9 usually indicates a lack of memory."
    raise FrgroupsError(f"{reason} No result was returned. To see the error, run: frgroups load --tenant {name} -v")


def _rate_options(names: Sequence[str], jobs: int, total_rate: float | None) -> dict[str, list[str]]:
    """Return the `--requests-per-second` option of each tenant, or an empty list for tenants that need no option."""
    tenants = read_tenants()
    n_at_service = Counter(tenant.base_url for tenant in map(tenants.get, names) if isinstance(tenant, Tenant))
    return {name: _rate_option(tenants.get(name), jobs, n_at_service, total_rate) for name in names}


def _rate_option(tenant: object, jobs: int, n_at_service: Counter[str], total_rate: float | None) -> list[str]:
    if not isinstance(tenant, Tenant):
        return []
    own_rate = tenant.options.get("requests_per_second")
    if total_rate is None and (own_rate is not None or is_loopback(urlsplit(tenant.base_url).hostname or "")):
        return []
    rate = (total_rate or REQUESTS_PER_SECOND) / min(jobs, n_at_service[tenant.base_url])
    if own_rate:
        rate = min(rate, own_rate)
    return [f"--requests-per-second={rate:g}"]


@dataclass(frozen=True, slots=True)
class LoadResult:
    """
    Result of loading one tenant, which contains no token and no customer data.

    The command `frgroups load --json` prints each result as one line of JSON.

    Attributes
    ----------
    ok
        True if the exit code is 0.
    path
        Folder of the stored snapshot.
    error
        Type and message of the error, or None.
    """

    name: str | None
    tenant_uid: str | None = None
    base_url: str | None = None
    ok: bool = False
    exit_code: int = 1
    verdict: str | None = None
    n_groups: int | None = None
    n_customers: int | None = None
    n_memberships: int | None = None
    n_requests: int | None = None
    seconds: float | None = None
    taken_at: str | None = None
    path: str | None = None
    error: Mapping[str, str] | None = None

    @property
    def sentence(self) -> str:
        """Sentence that summarizes the result of the load."""
        tenant = self.name or self.tenant_uid or "the tenant"
        if self.error is not None:
            message = " ".join(self.error["message"].split())
            return f"{tenant}: FAILED after {self.seconds or 0:.1f} s. {self.error['type']}: {message}"
        return (
            f"{tenant}: {self.verdict}, {self.n_groups:,} groups, {self.n_customers:,} customers, "
            f"{self.n_memberships:,} memberships, {self.n_requests:,} requests in {self.seconds:.1f} s"
        )


def load_one(name: str | None, *, requests_per_second: float | None = None, **load_options: Any) -> LoadResult:
    """
    Load one tenant, and return a result that contains the error if the load fails.

    The argument `name` is the name of a tenant in `tenants.toml`. If `name` is None, the environment variables define
    the tenant.

    Examples
    --------
    >>> load_one("unknown").error["type"]
    'InputError'
    """
    started, client = time.monotonic(), None
    try:
        client = create_client(name, requests_per_second)
        with client:
            snapshot = load_snapshot(client, progress=False, **load_options)
        facts = _snapshot_facts(snapshot)
    except (Exception, KeyboardInterrupt) as error:
        facts = {"exit_code": code_of(error), "error": _describe_error(error)}
    if client is None:
        tenant_uid, base_url = _configured_tenant(name)
        n_requests = 0
    else:
        tenant_uid, base_url = client.tenant_uid, client.base_url
        n_requests = client.n_requests
    result = LoadResult(
        name,
        tenant_uid,
        base_url,
        ok=facts["exit_code"] == 0,
        n_requests=n_requests,
        seconds=round(time.monotonic() - started, 3),
        **facts,
    )
    _log_result(result)
    return result


def create_client(name: str | None, requests_per_second: float | None) -> Client:
    """
    Return a client for a tenant in `tenants.toml`.

    If `name` is None, the environment variables define the tenant.
    """
    options: dict[str, Any] = {}
    if requests_per_second is not None:
        options["requests_per_second"] = requests_per_second
    if name is None:
        return Client.from_env(**options)
    return Client.from_config(name, **options)


def _log_result(result: LoadResult) -> None:
    if not log.isEnabledFor(logging.INFO):  # If logging is off, the caller prints the result.
        return
    event, level = "tenant_loaded", logging.INFO
    if result.error:
        event, level = "tenant_failed", logging.ERROR
    fields = asdict(result)
    log_event(log, level, event, result.sentence, tenant=fields.pop("name"), **fields)


def failed_load(name: str, error: BaseException, *, seconds: float = 0.0) -> LoadResult:
    """Return the LoadResult of a tenant whose load process failed or was not started."""
    return LoadResult(name, *_configured_tenant(name), seconds=round(seconds, 3), error=_describe_error(error))


def _describe_error(error: BaseException) -> dict[str, str]:
    """Return a dictionary with the type and the message of an error, including the hint for command-line users."""
    if isinstance(error, FrgroupsError):
        return {"type": type(error).__name__, "message": error.cli_text}
    return error_info(error)


def load_exit_code(snapshot: Snapshot) -> int:
    """Return the exit code for a loaded snapshot: 4 if groups changed during the load, otherwise 0."""
    if snapshot.verdict == "drifted":
        return 4
    return 0


def _snapshot_facts(snapshot: Snapshot) -> dict[str, Any]:
    stored = list_snapshots(tenant_uid=snapshot.tenant_uid)
    is_same = (stored["base_url"] == snapshot.base_url) & (stored["taken_at"] == snapshot.taken_at)
    paths = stored.loc[is_same, "path"].to_list()
    return {
        "exit_code": load_exit_code(snapshot),
        "verdict": snapshot.verdict,
        "n_groups": len(snapshot.groups),
        "n_customers": len(snapshot.customers),
        "n_memberships": len(snapshot.matrix),
        "taken_at": snapshot.taken_at.isoformat(),
        "path": paths[-1] if paths else None,
    }


def _configured_tenant(name: str | None) -> tuple[str | None, str | None]:
    """Return the uid and base URL of a tenant, or (None, None) if the tenant is not in `tenants.toml`."""
    if name is None:
        return None, None
    try:
        tenant = find_tenant(name)
    except InputError:
        return None, None
    return tenant.tenant_uid, tenant.base_url
