"""Lock a tenant, so that only one apply run per data folder and one load per cache folder run at a time."""

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
_RECORD_TIMEOUT = 20  # Seconds. A process holds the lock only while it reads and replaces a record file.

# Paths of the load locks that each thread holds.
# A thread that waits for a lock that it already holds would never continue.
_thread_locks = threading.local()


@contextmanager
def tenant_lock(tenant_uid: str, base_url: str | None, what: str) -> Iterator[None]:
    """
    Hold the lock for changes to a tenant, or raise LockedError if another process holds the lock.

    If another process requests the lock, its error message contains `what`, which describes this operation. The
    operating system releases the lock when the process ends.
    """
    path = ensure_private_dir(data_subdir("locks")) / f"{tenant_folder(tenant_uid, base_url)}.lock"
    with ExitStack() as stack:
        try:
            stack.enter_context(_lock(path, what, timeout=0))
        except filelock.Timeout as error:  # Timeout is a subclass of OSError, so catch Timeout first.
            raise LockedError(
                f"Tenant {tenant_uid} is locked by {_describe_holder(path)}. Try again later."
            ) from error
        except (OSError, NotImplementedError) as error:
            raise InputError(f"Cannot create the lock {path}: {_error_reason(error)}.") from error
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
    Hold the lock for loading a tenant into a cache folder, and wait while another load holds the lock.

    The lock prevents duplicate work. It is not needed for correctness, because snapshots are written atomically. If
    the lock cannot be created, a warning is logged and the load continues without a lock.

    Parameters
    ----------
    cache
        Cache folder. The lock file is in its subfolder `.locks`.
    tenant_uid
        Uid of the tenant.
    base_url
        Base URL of the client, or None for a snapshot without a host.
    what
        Description of the operation for other processes.
    waiting
        Function that is called with a message before the wait. None logs the message.

    Yields
    ------
    bool
        True if this call waited for another load.

    Raises
    ------
    LockedError
        The current thread already holds the lock.
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
                (waiting or _log_waiting)(_waiting_text(path, tenant_uid))
                stack.enter_context(_lock(path, what, timeout=-1))
        except (InputError, OSError, NotImplementedError) as error:
            reason = _error_reason(error)
            text = (
                f"Cannot create a lock in {path.parent}: {reason}. The {what} of tenant {tenant_uid} continues "
                "without a lock."
            )
            log_event(log, logging.WARNING, "load_not_locked", text, tenant_uid=tenant_uid)
        yield waited


@contextmanager
def record_lock(record: Path) -> Iterator[None]:
    """
    Hold the lock for replacing a record file, and wait while another process replaces the file.

    Raise LockedError if the lock is not released within 20 seconds.
    """
    path = record.parent / _LOAD_LOCK_FOLDER / f"{record.name}.lock"
    with ExitStack() as stack:
        try:
            ensure_private_dir(path.parent)
            stack.enter_context(_lock(path, "update", timeout=_RECORD_TIMEOUT))
        except filelock.Timeout as error:
            raise LockedError(f"{record} is locked by {_describe_holder(path)}. Try again later.") from error
        except (OSError, NotImplementedError) as error:
            raise InputError(f"Cannot create the lock {path}: {_error_reason(error)}.") from error
        yield


def locked_tenants(caches: Iterable[Path]) -> set[tuple[str, str]]:
    """
    Return all tenants that have a lock file from an apply run or a load.

    The result includes tenants of finished operations, because lock files are never deleted. It also includes tenants
    of apply runs and loads that are still running, even if no data has been stored yet.

    Parameters
    ----------
    caches
        Cache folders of the loads.

    Returns
    -------
    set of (tenant uid, base URL)
        The scheme of each base URL is https, because the name of a lock file contains only the host.
    """
    folders = [data_subdir("locks"), *(cache / _LOAD_LOCK_FOLDER for cache in caches)]
    names = {path.stem for folder in folders for path in folder.glob("*@*.lock")}
    return {(tenant_uid, f"https://{host}") for tenant_uid, host in map(parse_tenant_folder, names)}


@contextmanager
def _forbid_reentry(path: Path, tenant_uid: str) -> Iterator[None]:
    locks: set[Path] = vars(_thread_locks).setdefault("held", set())
    if path in locks:
        raise LockedError(
            f"This thread is already loading tenant {tenant_uid} into {path.parent.parent}. Wait until "
            "the load ends. Do not start a load in a progress callback."
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
    # Log a warning, which Python prints by default, so that the user sees why the load waits.
    log_event(log, logging.WARNING, "load_waiting", text)


def _write_holder(path: Path, what: str) -> None:
    """Write a description of the lock holder for error messages of other processes."""
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
    holder = _read_holder(lock)
    if holder is None:
        return "another process"
    return "{what} by {user} on {host} (process {pid}) since {since}".format(**holder)


def _waiting_text(lock: Path, tenant_uid: str) -> str:
    holder = _read_holder(lock)
    if holder is None:
        return f"Waiting for another process that uses tenant {tenant_uid}."
    process = "{user} on {host}, process {pid}, since {since}".format(**holder)
    return f"Waiting for another frgroups {holder['what']} of tenant {tenant_uid} ({process})."


def _read_holder(lock: Path) -> dict[str, str] | None:
    """Return the description of the lock holder, or None if the description cannot be read."""
    try:
        holder = json.loads(lock.with_suffix(".json").read_text())
        since = format_utc(datetime.fromisoformat(holder["since"]))
        return {name: str(holder[name]) for name in ("what", "user", "host", "pid")} | {"since": since}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # In a container, the user id can have no name, so return the id.
        return str(os.getuid())
