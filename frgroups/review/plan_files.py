"""Find the plan files in the data folder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from frgroups.internals.checksummed_json import kind_of
from frgroups.internals.paths import data_subdir
from frgroups.review.approval_files import list_folder
from frgroups.review.plan_folders import is_folder_of

_TAIL_SIZE = 100  # Number of bytes at the end of a file that are read to recognize a plan file.
_DIGEST = re.compile(rb'"digest":\s*"([0-9a-f]{64})"')


def queued_files(folders: Iterable[Path]) -> list[Path]:
    """Return the paths of the plan files in the given folders."""
    return [path for folder in folders for path in list_folder(folder) if _is_plan(path)]


def plan_files(tenant_uid: str | None = None, base_url: str | None = None) -> list[Path]:
    """
    Return the paths of the plan files in the data folder. Plans in the queue come first.

    By default, the plans of all tenants and all hosts are returned. If a tenant or a host is given, the folders of
    other tenants or hosts are not read.
    """
    queues = sorted(data_subdir("queue").glob("*/*/"))
    folders = [folder for folder in queues if is_folder_of(folder.parent.name, tenant_uid, base_url)]
    for folder in sorted(data_subdir("plans").glob("*/")):
        if is_folder_of(folder.name, tenant_uid, base_url):
            folders.append(folder)
    return queued_files(folders)


def _is_plan(path: Path) -> bool:
    """Return True if a file is a plan. A renamed plan file is recognized by its content."""
    if path.name.endswith(".plan.json"):
        return not path.is_fifo()
    with suppress(OSError):
        if path.suffix == ".json" and path.is_file():
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - _TAIL_SIZE))
                return kind_of(file.read()) == "plan"
    return False


def digest_in_file(path: Path) -> str:
    """Return the digest in a plan file or receipt without decoding the file, or "" if the file has no digest."""
    try:
        digest = _DIGEST.search(path.read_bytes())
    except OSError:
        return ""
    return digest[1].decode() if digest else ""
