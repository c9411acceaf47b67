"""Locks that allow one apply, and one load, of a tenant and host at a time in a data folder."""

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
from frgroups.internals.formatting import format_utc
from frgroups.internals.paths import data_subdir, parse_tenant_folder, tenant_folder
from frgroups.internals.structured_logging import log_event

log = logging.getLogger("frgroups.internals")

_LOAD_LOCK_FOLDER = ".locks"
_POLL_SECONDS = 0.2

# The load locks of each thread. A thread that waited for its own lock would wait forever.
_thread_locks = threading.local()


@contextmanager
def tenant_lock(tenant_uid: str, base_url: str, what: str) -> Iterator[None]:
    """
    Hold the lock for changes of a tenant. Raise LockedError if another process holds it.

    `what` describes the operation to other processes. The lock of a process ends with the process.
    """
    path = ensure_private_dir(data_subdir("locks")) / f"{tenant_folder(tenant_uid, base_url)}.lock"
    with ExitStack() as stack:
        try:
            stack.enter_context(_lock(path, what, timeout=0))
        except filelock.Timeout as error:  # A subclass of OSError, so catch it first.
            raise LockedError(f"{tenant_uid} is locked: {_describe_holder(path)}. Try again later.") from error
        except (OSError, NotImplementedError) as error:
            raise InputError(f"The lock {path} cannot be made: {_error_reason(error)}.") from error
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
    Hold the lock for loads of a tenant into a cache folder. Yield True if another load held it before.

    The lock is in the folder `.locks` of the cache folder. It only avoids duplicate work, because snapshots are
    written atomically. Therefore, the load continues without a lock if the lock cannot be created. `waiting` is
    called with a description of the other load; None logs it. Raises LockedError if the current thread holds the
    lock.
    """
    path = cache / _LOAD_LOCK_FOLDER / f"{tenant_folder(tenant_uid, base_url)}.lock"
    waited = False
    with _forbid_reentry(path, tenant_uid), ExitStack() as stack:
        try:
            ensure_private_dir(path.parent)
            try:
                stack.enter_context(_lock(path, what, timeout=0))
            except filelock.Timeout:
                waited = True
                (waiting or _log_waiting)(f"Waiting for {tenant_uid}: {_describe_holder(path)}.")
                stack.enter_context(_lock(path, what, timeout=-1))
        except (InputError, OSError, NotImplementedError) as error:
            reason = _error_reason(error)
            text = f"A {what} of {tenant_uid} without a lock, for none can be made in {path.parent}: {reason}"
            log_event(log, logging.WARNING, "load_not_locked", text, tenant_uid=tenant_uid)
        yield waited


def locked_tenants(caches: Iterable[Path]) -> set[tuple[str, str]]:
    """
    Return the tenant uid and base URL of all applies, and of all loads into these cache folders, that have started.

    This includes operations in progress that have not stored anything yet. Lock files contain only the host, so the
    scheme of each base URL is https.
    """
    folders = [data_subdir("locks"), *(cache / _LOAD_LOCK_FOLDER for cache in caches)]
    names = {path.stem for folder in folders for path in folder.glob("*@*.lock")}
    return {(tenant_uid, f"https://{host}") for tenant_uid, host in map(parse_tenant_folder, names)}


@contextmanager
def _forbid_reentry(path: Path, tenant_uid: str) -> Iterator[None]:
    locks: set[Path] = vars(_thread_locks).setdefault("held", set())
    if path in locks:
        raise LockedError(
            f"A load of {tenant_uid} into {path.parent.parent} is under way in this very thread, as in a progress "
            "callback, and would be waited for without end. Do this after it."
        )
    locks.add(path)
    try:
        yield
    finally:
        locks.discard(path)


@contextmanager
def _lock(path: Path, what: str, *, timeout: float) -> Iterator[None]:
    holder_file = path.with_suffix(".json")
    with filelock.FileLock(path, timeout=timeout, poll_interval=_POLL_SECONDS, mode=0o600):
        try:
            _write_holder(holder_file, what)
            yield
        finally:
            with suppress(OSError):
                holder_file.unlink(missing_ok=True)


def _error_reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _log_waiting(text: str) -> None:
    # Python shows warnings by default, so that the user sees why the load waits.
    log_event(log, logging.WARNING, "load_waiting", text)


def _write_holder(path: Path, what: str) -> None:
    """Write a description of the lock holder for other processes. The lock does not depend on it."""
    holder = {
        "what": what,
        "user": _user_name(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    text = json.dumps(holder)
    with suppress(OSError):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(text)


def _describe_holder(lock: Path) -> str:
    try:
        holder = json.loads(lock.with_suffix(".json").read_text())
        since = format_utc(datetime.fromisoformat(holder["since"]))
        return f"{holder['what']} by {holder['user']} on {holder['host']} (process {holder['pid']}) since {since}"
    except (OSError, ValueError, KeyError, TypeError):
        return "its holder left no note"


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # In a container, the user id might have no name.
        return str(os.getuid())
