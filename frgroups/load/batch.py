"""
Loads many tenants at once, each in a process of its own.

A process for each, since then one that fails, hangs or runs out of memory cannot take another with it, the memory of
a large tenant is given back when it is done, and Ctrl-C ends what is running at once. Threads would save a second of
start for each tenant, and share one interpreter for decoding.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn
from urllib.parse import urlsplit

from frgroups.client.tenants import Tenant, read_tenants
from frgroups.client.transport import is_loopback
from frgroups.errors import FrgroupsError
from frgroups.fleet.loaded import Loaded, not_loaded
from frgroups.home import home

# What one client does off this machine when it is told nothing else; several at one service share it.
REQUESTS_PER_SECOND = 20.0
# Importing takes a second: who is interrupted before the command can say so, ends without a word.
_CHILD = """\
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
from frgroups.cli import main
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
        return not_loaded(name, error, seconds=time.monotonic() - started)


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
