"""
Loads many tenants at once, each in a process of its own.

A process for each, since then one that fails, hangs or runs out of memory cannot take another with it, the memory of
a large tenant is given back when it is done, and Ctrl-C ends what is running at once. Threads would save a second of
start for each tenant, and share one interpreter for decoding.
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


# Importing takes a second: who is interrupted before the command can say so, ends without a word.
_CHILD = """\
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
import frgroups.load.batch
from frgroups.cli.main import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main())
"""
# How long a tenant that is interrupted may take to put its things away.
GRACE = 3.0


def load_many(
    names: Sequence[str], *, jobs: int, requests_per_second: float | None = None, words: Sequence[str] = ()
) -> Generator[Loaded]:
    """
    Load these tenants of `tenants.toml`, at most `jobs` at a time, and tell of each as it finishes.

    `words` are options of `frgroups load` for each of them. Off this machine those of one service share
    `requests_per_second` (20), but for a tenant whose table names its own. What stops the caller, Ctrl-C for one,
    stops all that are running; the snapshots of those that are done are kept.
    """
    shares = _shares(names, jobs, requests_per_second)
    with _Processes() as processes, ThreadPoolExecutor(jobs, "frgroups-fleet") as pool:
        try:
            started = [pool.submit(_load_apart, name, processes, [*words, *shares[name]]) for name in names]
            for one in as_completed(started):
                yield one.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            processes.end()
            raise


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Let a polite kill, or a terminal that closes, unwind as Ctrl-C does, so that no process is left behind."""

    def stop(number: int, _: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    kinds = [getattr(signal, kind) for kind in ("SIGTERM", "SIGHUP") if hasattr(signal, kind)]
    mine = threading.current_thread() is threading.main_thread()
    before = {kind: signal.signal(kind, stop) for kind in kinds} if mine else {}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


class _Processes:
    """The processes that are running; when they are to end, no other is started."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()
        self._ended = False

    def __enter__(self) -> _Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        # A group of its own: Ctrl-C reaches this process alone, which then ends the others in order.
        apart: dict[str, Any] = {"process_group": 0} if os.name == "posix" else {}
        with self._lock:
            if self._ended:
                raise KeyboardInterrupt
            process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603  # Our own words.
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                env=os.environ | {"FRGROUPS_HOME": str(home())},
                **apart,
            )
            self._running.append(process)
        return process

    def end(self) -> None:
        with self._lock:
            self._ended = True
            left = [one for one in self._running if one.poll() is None]
        try:
            for one in left:
                one.terminate() if os.name == "nt" else one.send_signal(signal.SIGINT)
            until = time.monotonic() + GRACE
            while any(one.poll() is None for one in left) and time.monotonic() < until:
                time.sleep(0.05)
        finally:
            for one in left:
                one.kill()


def _load_apart(name: str, processes: _Processes, words: Sequence[str]) -> Loaded:
    """Have another process load this tenant, and read the line that it prints."""
    started = time.monotonic()
    try:
        # -P: what lies in the folder you are in is not imported.
        command = [sys.executable, "-P", "-c", _CHILD, "load", "--json", *words, f"--tenant={name}"]
        process = processes.start(command)
        out, _ = process.communicate()
        return _read_line(name, out, process.returncode)
    except (Exception, KeyboardInterrupt) as error:
        return failed_load(name, error, seconds=time.monotonic() - started)


def _read_line(name: str, out: bytes, code: int) -> Loaded:
    try:
        told = json.loads(out.splitlines()[-1])
        line = Loaded(**told)
        if line.name == name:
            return line
    except (IndexError, ValueError, TypeError):
        pass
    how = f"was ended by signal {-code} (9: out of memory?)" if code < 0 else f"ended with exit code {code}"
    raise FrgroupsError(f"Its process {how} and did not say what became of it. Try: frgroups load --tenant {name} -v")


def _shares(names: Sequence[str], jobs: int, budget: float | None) -> dict[str, list[str]]:
    """For each tenant the option that says how many of the requests per second are its own."""
    tenants = read_tenants()
    at_once = Counter(one.base_url for name in names if isinstance(one := tenants.get(name), Tenant))
    return {name: _share(tenants.get(name), jobs, at_once, budget) for name in names}


def _share(tenant: object, jobs: int, at_once: Counter[str], budget: float | None) -> list[str]:
    if not isinstance(tenant, Tenant):
        return []
    own = tenant.options.get("requests_per_second")
    if budget is None and (own is not None or is_loopback(urlsplit(tenant.base_url).hostname or "")):
        return []
    share = (budget or REQUESTS_PER_SECOND) / min(jobs, at_once[tenant.base_url])
    return [f"--requests-per-second={min(share, own or share):g}"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """
    What became of loading one tenant: one line of `frgroups load --json`. It holds no token and no customer.

    `path` is the folder of the snapshot, `error` the type and message of what went wrong; `ok` is exit code 0.
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

    def json(self) -> str:
        """The line."""
        return json.dumps(asdict(self))

    @property
    def sentence(self) -> str:
        """The same for people."""
        who = self.name or self.tenant_uid or "the tenant"
        if self.error is not None:
            message = " ".join(self.error["message"].split())
            return f"{who}: FAILED after {self.seconds or 0:.1f} s. {self.error['type']}: {message}"
        return (
            f"{who}: {self.verdict}, {self.n_groups:,} groups, {self.n_customers:,} customers, "
            f"{self.n_memberships:,} memberships, {self.n_requests:,} requests in {self.seconds:.1f} s"
        )


def load_one(name: str | None, *, requests_per_second: float | None = None, **how: Any) -> Loaded:
    """
    Load one tenant, of this name or else that of the environment; whatever goes wrong is in what comes back.

    >>> load_one("nobody").error["type"]
    'InputError'
    """
    started, client = time.monotonic(), None
    pace: dict[str, Any] = {} if requests_per_second is None else {"requests_per_second": requests_per_second}
    try:
        client = Client.from_env(**pace) if name is None else Client.from_config(name, **pace)
        with client:
            snapshot = load_snapshot(client, progress=False, **how)
        facts = _facts(snapshot)
    except (Exception, KeyboardInterrupt) as error:
        facts = {"exit_code": code_of(error), "error": _failure(error)}
    where = _where(name) if client is None else (client.tenant_uid, client.base_url)
    done = Loaded(
        name,
        *where,
        ok=facts["exit_code"] == 0,
        n_requests=0 if client is None else client.n_requests,
        seconds=round(time.monotonic() - started, 3),
        **facts,
    )
    event, level = ("tenant_failed", logging.ERROR) if done.error else ("tenant_loaded", logging.INFO)
    if log.isEnabledFor(logging.INFO):  # Else nobody asked for a log, and the line says the same.
        line = asdict(done)
        log_event(log, level, event, done.sentence, tenant=line.pop("name"), **line)
    return done


def failed_load(name: str, error: BaseException, *, seconds: float = 0.0) -> Loaded:
    """The line of a tenant that another process did not load, or had no time to."""
    return Loaded(name, *_where(name), seconds=round(seconds, 3), error=_failure(error))


def _failure(error: BaseException) -> dict[str, str]:
    """Return the type and the text of an error, with the hint for the command line."""
    if isinstance(error, FrgroupsError):
        return {"type": type(error).__name__, "message": error.cli_text}
    return error_info(error)


def load_exit_code(snapshot: Snapshot) -> int:
    """What loading it ends with."""
    return 4 if snapshot.verdict == "drifted" else 0


def _facts(snapshot: Snapshot) -> dict[str, Any]:
    kept = list_snapshots(tenant_uid=snapshot.tenant_uid)
    own = kept[(kept["base_url"] == snapshot.base_url) & (kept["taken_at"] == snapshot.taken_at)]
    return {
        "exit_code": load_exit_code(snapshot),
        "verdict": snapshot.verdict,
        "n_groups": len(snapshot.groups),
        "n_customers": len(snapshot.customers),
        "n_memberships": len(snapshot.matrix),
        "taken_at": snapshot.taken_at.isoformat(),
        "path": None if own.empty else str(own["path"].iloc[-1]),
    }


def _where(name: str | None) -> tuple[str | None, str | None]:
    """Uid and host of a tenant that no client was made for, where its table says them."""
    try:
        tenant = None if name is None else find_tenant(name)
    except InputError:
        tenant = None
    return (None, None) if tenant is None else (tenant.tenant_uid, tenant.base_url)
