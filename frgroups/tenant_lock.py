"""One apply at a time for one tenant and host on this machine, with a note that says who holds it."""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import filelock

from frgroups.errors import InputError, LockedError
from frgroups.home import folder_in_home, make_private, tenant_folder


@contextmanager
def tenant_lock(tenant_uid: str, base_url: str, digest: str) -> Iterator[None]:
    """One apply at a time for one tenant and host; the lock of a dead process does not hold."""
    folder = make_private(folder_in_home("locks"))
    path = folder / f"{tenant_folder(tenant_uid, base_url)}.lock"
    note = path.with_suffix(".json")
    lock = filelock.FileLock(path, timeout=0, mode=0o600)
    try:
        lock.acquire()
    except filelock.Timeout as error:  # Before OSError: it is one.
        raise LockedError(
            f"Another apply to {tenant_uid} is running: {_holder(note)}. Nothing was sent. Try again later."
        ) from error
    except OSError as error:
        raise InputError(f"The lock {path} cannot be made: {error.strerror or error}. Nothing was sent.") from error
    try:
        _leave_note(note, digest)
        yield
    finally:
        with suppress(OSError):
            note.unlink(missing_ok=True)
        lock.release()


def _leave_note(note: Path, digest: str) -> None:
    """Say who holds the lock; a courtesy, without which the lock holds all the same."""
    who = {"user": _user(), "host": socket.gethostname(), "pid": os.getpid()}
    text = json.dumps(who | {"plan": digest[:12], "since": datetime.now(UTC).isoformat(timespec="seconds")})
    with suppress(OSError):
        handle = os.open(note, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(text)


def _holder(note: Path) -> str:
    try:
        who = json.loads(note.read_text())
        return f"plan {who['plan']} by {who['user']} on {who['host']} (process {who['pid']}) since {who['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "its holder left no note"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # A container may run as a number that nobody has named.
        return str(os.getuid())
