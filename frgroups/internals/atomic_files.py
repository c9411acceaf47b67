"""Write files atomically and durably in private folders."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from frgroups.errors import InputError


def ensure_private_dir(folder: Path) -> Path:
    """
    Create a folder and its missing parents with mode 0700, and return the path of the folder.

    The mode of an existing folder does not change.
    """
    try:
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        for path in reversed(missing):
            path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot create the folder {folder}: {error.strerror}. Pass another folder, or set FRGROUPS_HOME."
        ) from error
    return folder


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """
    Yield a temporary file that replaces `path` when the block ends without an error.

    The temporary file has mode 0600. It is flushed to disk before it replaces `path`. If the disk is full or the
    process is interrupted, `path` does not change.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"Cannot write {path}: the path exists and is not a regular file. Pass another path.")
    ensure_private_dir(path.parent)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.draft")
    try:
        draft.touch(mode=0o600)
        yield draft
        fsync_path(draft)
        draft.replace(path)
        fsync_path(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> Path:
    """Write a string to a file atomically, in UTF-8 and with Unix line endings."""
    with atomic_write(path) as draft:
        draft.write_text(text, encoding="utf-8", newline="\n")
    return path


def append_durable(path: Path, line: str) -> None:
    """Append a line to a file and flush the file to disk. An incomplete last line of the file is removed first."""
    ensure_private_dir(path.parent)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(handle, "r+b", buffering=0) as file:
            file.truncate(file.read().rfind(b"\n") + 1)
            file.seek(0, os.SEEK_END)
            if file.write(line.encode()) != len(line.encode()):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        fsync_path(path.parent)
    except OSError as error:
        raise InputError(f"Cannot write {path}: {error.strerror}.") from error


def fsync_path(path: Path) -> None:
    """Flush a file or a folder to disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open a folder as a file, so a folder cannot be flushed.
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
