"""From one home one apply, and one load, at a time for one tenant and host, with a note that says who it is."""

from __future__ import annotations

import getpass
import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import filelock

from frgroups.errors import InputError, LockedError
from frgroups.internals.atomic_files import ensure_private_dir
from frgroups.internals.paths import data_subdir, parse_tenant_folder, tenant_folder
from frgroups.internals.structured_logging import log_event

log = logging.getLogger("frgroups.load")

_LOCKS_OF_A_CACHE = ".locks"
_POLL_SECONDS = 0.2

# The locks of cache folders that each thread holds: it would wait for itself for ever.
_own = threading.local()


@contextmanager
def tenant_lock(tenant_uid: str, base_url: str, what: str) -> Iterator[None]:
    """One apply at a time from one home, told by `what` it is; the lock of a dead process does not hold."""
    path = ensure_private_dir(data_subdir("locks")) / f"{tenant_folder(tenant_uid, base_url)}.lock"
    with ExitStack() as held:
        try:
            held.enter_context(_lock(path, what, timeout=0))
        except filelock.Timeout as error:  # Before OSError: it is one.
            raise LockedError(f"{tenant_uid} is locked: {_holder(path)}. Try again later.") from error
        except (OSError, NotImplementedError) as error:
            raise InputError(f"The lock {path} cannot be made: {_reason(error)}.") from error
        yield


@contextmanager
def load_lock(
    cache: Path,
    tenant_uid: str,
    base_url: str | None,
    *,
    what: str = "load",
    waiting: Callable[[str], object] | None = None,
) -> Iterator[bool]:
    """
    One load at a time into one cache folder; yields whether another one was waited for.

    `waiting` is told once who that is (None: the log is). The lock only saves work, since snapshots appear whole:
    where it cannot be made, the load goes on without. It lies in the folder `.locks` of the cache folder, because
    two loads into different folders do not help each other, nor does a load get in the way of an apply. Raises
    LockedError for a thread that holds the lock already.
    """
    path = cache / _LOCKS_OF_A_CACHE / f"{tenant_folder(tenant_uid, base_url)}.lock"
    waited = False
    with _once_in_a_thread(path, tenant_uid), ExitStack() as held:
        try:
            ensure_private_dir(path.parent)
            try:
                held.enter_context(_lock(path, what, timeout=0))
            except filelock.Timeout:
                waited = True
                (waiting or _log_waiting)(f"Waiting for {tenant_uid}: {_holder(path)}.")
                held.enter_context(_lock(path, what, timeout=-1))
        except (InputError, OSError, NotImplementedError) as error:
            text = f"A {what} of {tenant_uid} without a lock, for none can be made in {path.parent}: {_reason(error)}"
            log_event(log, logging.WARNING, "load_not_locked", text, tenant_uid=tenant_uid)
        yield waited


def locked_tenants(caches: Iterable[Path]) -> set[tuple[str, str]]:
    """
    Tenant and host of every apply, and of every load into one of these cache folders, that has ever begun.

    What is under way is among them, also when it has kept nothing yet. A lock has the name of a host alone, so each
    is told as https.
    """
    folders = [data_subdir("locks"), *(cache / _LOCKS_OF_A_CACHE for cache in caches)]
    names = {path.stem for folder in folders for path in folder.glob("*@*.lock")}
    return {(tenant_uid, f"https://{host}") for tenant_uid, host in map(parse_tenant_folder, names)}


@contextmanager
def _once_in_a_thread(path: Path, tenant_uid: str) -> Iterator[None]:
    held: set[Path] = vars(_own).setdefault("held", set())
    if path in held:
        raise LockedError(
            f"A load of {tenant_uid} into {path.parent.parent} is under way in this very thread, as in a progress "
            "callback, and would be waited for without end. Do this after it."
        )
    held.add(path)
    try:
        yield
    finally:
        held.discard(path)


@contextmanager
def _lock(path: Path, what: str, *, timeout: float) -> Iterator[None]:
    note = path.with_suffix(".json")
    with filelock.FileLock(path, timeout=timeout, poll_interval=_POLL_SECONDS, mode=0o600):
        try:
            _leave_note(note, what)
            yield
        finally:
            with suppress(OSError):
                note.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _log_waiting(text: str) -> None:
    # A warning, which is seen without asking: who waits should know for whom.
    log_event(log, logging.WARNING, "load_waiting", text)


def _leave_note(note: Path, what: str) -> None:
    """Say who holds the lock; a courtesy, without which the lock holds all the same."""
    who = {"user": _user(), "host": socket.gethostname(), "pid": os.getpid()}
    text = json.dumps({"what": what} | who | {"since": datetime.now(UTC).isoformat(timespec="seconds")})
    with suppress(OSError):
        handle = os.open(note, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(text)


def _holder(lock: Path) -> str:
    try:
        who = json.loads(lock.with_suffix(".json").read_text())
        since = f"{datetime.fromisoformat(who['since']):%Y-%m-%d %H:%M} UTC"
        return f"{who['what']} by {who['user']} on {who['host']} (process {who['pid']}) since {since}"
    except (OSError, ValueError, KeyError, TypeError):
        return "its holder left no note"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # A container may run as a number that nobody has named.
        return str(os.getuid())
