"""
Load several tenants in parallel, in a small number of worker processes.

At most `jobs` Python interpreters are started. Each interpreter loads several tenants one after the other, because
starting an interpreter and importing pandas takes longer than loading a small tenant. A worker is a new interpreter
and not a fork, so the worker shares no locks, connections, or random state with this process.

A tenant cannot affect other tenants. If a worker crashes, is killed because of a lack of memory, or exceeds the
deadline, only the tenant that it was loading fails, and a new worker replaces the lost worker. Ctrl-C terminates all
workers.
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
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from frgroups.api.client import Client
from frgroups.api.defaults import REQUESTS_PER_SECOND
from frgroups.api.tenants_config import Tenant, read_tenants
from frgroups.errors import FrgroupsError
from frgroups.internals.base_urls import is_loopback
from frgroups.internals.exit_codes import code_of
from frgroups.internals.paths import home
from frgroups.internals.structured_logging import log_event
from frgroups.load.load_result import (
    LoadResult,
    configured_tenant,
    describe_error,
    failed_load,
    snapshot_facts,
    stored_result,
    unstarted_load,
)
from frgroups.load.loader import load_snapshot

log = logging.getLogger("frgroups.load")


# A worker reads one request per line.
# A request contains the arguments of `frgroups load`.
# The worker writes the output of the command, followed by a line that starts with _END.
# All other output of the worker goes to stderr.
# Commands that the worker starts have an empty stdin, so a `token_command` cannot read the requests.
# During the imports (about 1 s), SIGINT has its default action, so that the worker prints no traceback on Ctrl-C.
_WORKER_CODE = """\
import json, os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
output = os.fdopen(os.dup(1), "w", encoding="ascii", errors="backslashreplace")
os.dup2(2, 1)
requests = os.fdopen(os.dup(0), encoding="ascii")
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
import frgroups.load.batch
from frgroups.cli.main import main
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    for line in requests:
        sys.stdout = output
        try:
            code = main(json.loads(line))
        except SystemExit as end:
            code = end.code
        print("END", code, file=output, flush=True)
except KeyboardInterrupt:
    sys.exit(1)
"""
_END = b"END"
# GRACE is the number of seconds that an interrupted worker has to clean up before the worker is killed.
GRACE = 3.0
_SIGNALED = (
    "The load process received a signal to end before the load was complete. To load the tenant again, run: "
    "frgroups load --tenant {name}"
)
DEADLINE = timedelta(hours=2)


def load_many(
    names: Sequence[str],
    *,
    jobs: int,
    requests_per_second: float | None = None,
    deadline: timedelta = DEADLINE,
    options: Sequence[str] = (),
) -> Generator[LoadResult]:
    """
    Load several tenants from `tenants.toml` in parallel, and yield each result as soon as it is available.

    If the calling code raises an exception, the running loads are terminated. Snapshots that have already been stored
    remain on disk. The caller can also throw a KeyboardInterrupt into the generator. After a KeyboardInterrupt, the
    generator yields the results of the terminated loads and then raises the KeyboardInterrupt again. The last result
    before the interrupt can be yielded twice. Tenants whose load was not started can lack a result.

    Parameters
    ----------
    names
        Names of the tenants.
    jobs
        Maximum number of loads that run at the same time, which is also the maximum number of worker processes. A
        worker that crashes or exceeds the deadline is replaced.
    requests_per_second
        Rate limit that all tenants on one remote server share, in requests per second. None means 20, except for
        tenants that have a separate limit in `tenants.toml`.
    deadline
        Maximum duration of the load of one tenant. A load that takes longer is terminated and reported as failed.
    options
        Command-line options that are passed to `frgroups load` for every tenant.
    """
    rate_options = _rate_options(names, jobs, requests_per_second)
    with _Workers(deadline.total_seconds()) as workers, ThreadPoolExecutor(jobs, "frgroups-batch") as pool:
        remaining: set[Future[LoadResult]] = set()
        try:
            for name in names:
                remaining.add(pool.submit(_load_in_worker, name, workers, [*options, *rate_options[name]]))
            for future in as_completed(set(remaining)):
                yield future.result()
                # Remove the future after the yield. An interrupt can occur before the caller has received the result.
                remaining.remove(future)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            workers.end()
            for future in remaining:
                if not future.cancelled():
                    yield future.result()
            raise
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            workers.end()
            raise


class _Workers:
    """
    Pool of the worker processes in a batch.

    A thread takes an idle worker, or starts a worker if all workers are busy. Because each thread uses one worker at
    a time, the number of workers is at most the number of threads. After a call of `end`, the method `run` raises
    KeyboardInterrupt.

    Attributes
    ----------
    has_ended
        Whether `end` has been called.
    """

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._running: list[subprocess.Popen[bytes]] = []
        self._idle: list[subprocess.Popen[bytes]] = []
        self._busy: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()
        self.has_ended = False

    def __enter__(self) -> _Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        for worker in self._running:
            for pipe in (worker.stdin, worker.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()

    def run(self, arguments: Sequence[str]) -> tuple[bytes, int | None]:
        """
        Run a command in a worker, and return the command's output and exit code.

        The exit code is None if the deadline was exceeded. The exit code is negative if a signal terminated the
        worker.
        """
        worker = self._take_worker()
        is_late = threading.Event()

        def stop() -> None:
            with self._lock:  # The lock ensures that a worker that has just become idle is not killed.
                if worker in self._busy:
                    is_late.set()
                    _kill(worker)

        timer = threading.Timer(self._deadline, stop)
        timer.daemon = True
        timer.start()
        code: int | None = None
        try:
            output, code = _communicate(worker, arguments)
        except BaseException:  # The worker is not used again, because its next output might belong to this command.
            _kill(worker)
            raise
        finally:
            timer.cancel()
            with self._lock:
                self._busy.remove(worker)
                is_idle = code is not None and not is_late.is_set()
                if is_idle:
                    self._idle.append(worker)
        if is_idle:
            return output, code
        exit_code = worker.wait()
        return output, None if is_late.is_set() else exit_code

    def _take_worker(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self.has_ended:
                raise KeyboardInterrupt
            # Ignore idle workers that have ended, for example because the system killed them to free memory.
            alive = [worker for worker in self._idle if worker.poll() is None]
            if alive:
                worker = alive.pop()
            else:
                # With the option -P, Python does not import modules from the current folder.
                worker = self.start([sys.executable, "-P", "-c", _WORKER_CODE])
                self._running.append(worker)
            self._idle = alive
            self._busy.append(worker)
        return worker

    def start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a worker process."""
        options: dict[str, Any] = {}
        if os.name == "posix":
            # Start the worker in a separate process group, so that it does not receive Ctrl-C.
            # The method `end` interrupts the worker instead.
            options["process_group"] = 0
        process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603  # No shell interprets the arguments.
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"FRGROUPS_HOME": str(home())},
            **options,
        )
        return process

    def end(self) -> None:
        """
        Interrupt the busy workers, close the input of all workers, and kill the workers that do not end in time.

        The input is closed so that an interrupted worker ends instead of waiting for another request.
        """
        with self._lock:
            self.has_ended = True
            running = [process for process in self._running if process.poll() is None]
            idle = list(self._idle)
        try:
            for process in running:
                if process not in idle:
                    _interrupt(process)
                _close_input(process)
            until = time.monotonic() + GRACE
            while any(process.poll() is None for process in running) and time.monotonic() < until:
                time.sleep(0.02)
        finally:
            for process in running:
                _kill(process)
                process.wait()


def _communicate(worker: subprocess.Popen[bytes], arguments: Sequence[str]) -> tuple[bytes, int | None]:
    """Send a command to a worker, and return the output and exit code. The code is None if the worker has ended."""
    if worker.stdin is None or worker.stdout is None:
        raise ValueError("The worker has no pipes.")
    output = b""
    try:
        worker.stdin.write(json.dumps(list(arguments)).encode() + b"\n")
        worker.stdin.flush()
    except (OSError, ValueError):  # The worker has ended, or its input was closed.
        return output, None
    for line in worker.stdout:
        if line.startswith(_END):
            return output, int(line.removeprefix(_END))
        output += line
    return output, None


def _close_input(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a worker and the commands that it has started, such as a `token_command` that waits for input."""
    if os.name == "nt" or process.poll() is not None:
        process.kill()
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    if os.name == "nt":
        process.terminate()
    else:
        process.send_signal(signal.SIGINT)


def _load_in_worker(name: str, workers: _Workers, options: Sequence[str]) -> LoadResult:
    """
    Load a tenant in a worker process, and return the result of the load.

    If the worker fails, the result contains the error. If the worker ended after it had stored the snapshot, the
    result describes the stored snapshot.
    """
    started, started_at = time.monotonic(), datetime.now(UTC)
    try:
        output, code = workers.run(["load", "--json", *options, f"--tenant={name}"])
        result = _parse_result(name, output, code, time.monotonic() - started)
        if not result.is_interrupted:
            return result
    except KeyboardInterrupt:
        return unstarted_load(name)
    except Exception as error:
        result = failed_load(name, error, seconds=time.monotonic() - started)
    stored = stored_result(result, started_at)
    if stored is not None:
        return stored
    if workers.has_ended:
        return replace(result, error=describe_error(KeyboardInterrupt()))
    if result.is_interrupted:
        return replace(result, error=describe_error(FrgroupsError(_SIGNALED.format(name=name))))
    return result


def _parse_result(name: str, output: bytes, code: int | None, seconds: float) -> LoadResult:
    """Return the result that a worker has printed, or raise an error that contains the exit code of the worker."""
    if code is None:
        raise FrgroupsError(
            f"The load exceeded the deadline after {seconds:,.0f} s and was terminated.",
            cli_hint="To allow more time, pass --deadline, for example --deadline 6h.",
        )
    try:
        values = json.loads(output.splitlines()[-1])
        result = LoadResult(**{field: value for field, value in values.items() if field != "schema_version"})
        if result.name == name:
            return result
    except (IndexError, ValueError, TypeError, AttributeError):
        pass
    reason = f"The load process ended with exit code {code}."
    if code in (-signal.SIGINT, -signal.SIGTERM):
        raise FrgroupsError(_SIGNALED.format(name=name))
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
    started, started_at, client = time.monotonic(), datetime.now(UTC), None
    try:
        client = create_client(name, requests_per_second)
        with client:
            snapshot = load_snapshot(client, progress=False, **load_options)
        facts = snapshot_facts(snapshot)
    except (Exception, KeyboardInterrupt) as error:
        facts = {"exit_code": code_of(error), "error": describe_error(error)}
    if client is None:
        tenant_uid, base_url = configured_tenant(name)
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
    if result.is_interrupted:  # An interrupted load might already have stored the snapshot.
        result = stored_result(result, started_at) or result
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
    if not log.isEnabledFor(logging.INFO):  # No line is needed, because the caller prints the result.
        return
    event, level = "tenant_loaded", logging.INFO
    if result.error:
        event, level = "tenant_failed", logging.ERROR
    elif result.note or result.warning:
        level = logging.WARNING
    fields = asdict(result)
    log_event(log, level, event, result.sentence, tenant=fields.pop("name"), **fields)
