"""Record the paths of plan files outside the data folder, so that `list_plans` finds the files."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from frgroups.internals.atomic_files import ensure_private_dir, write_text
from frgroups.internals.locks import record_lock
from frgroups.internals.paths import data_subdir
from frgroups.plan.plan import Plan
from frgroups.review.plan_folders import is_folder_of, plans_folder

_FILE_NAME = "saved_elsewhere.txt"  # Each line contains the path of a plan file as a JSON string.


def add_saved_plan(plan: Plan, path: Path) -> None:
    """Add the path of a plan file to the list of its tenant, and remove the paths that no longer exist."""
    file = ensure_private_dir(plans_folder(plan.tenant_uid, plan.base_url)) / _FILE_NAME
    path = path.resolve()
    if path.parent == file.parent.resolve() or path.is_relative_to(data_subdir("queue").resolve()):
        return
    with record_lock(file):
        paths = dict.fromkeys((*_existing_paths(file), path))
        write_text(file, "".join(f"{json.dumps(str(saved))}\n" for saved in paths))


def saved_plan_files(tenant_uid: str | None = None, base_url: str | None = None) -> list[Path]:
    """
    Return the recorded plan files of a tenant that still exist.

    By default, the files of all tenants and all hosts are returned.
    """
    files = sorted(data_subdir("plans").glob(f"*/{_FILE_NAME}"))
    selected = [file for file in files if is_folder_of(file.parent.name, tenant_uid, base_url)]
    return [path for file in selected for path in _existing_paths(file)]


def _existing_paths(file: Path) -> list[Path]:
    """Return the paths that a list file contains and that still exist. Unreadable lines are skipped."""
    lines: list[str] = []
    with suppress(OSError, UnicodeDecodeError):
        lines = file.read_text("utf-8").split("\n")
    paths = []
    for line in lines:
        with suppress(OSError, ValueError):
            value = json.loads(line)
            if isinstance(value, str) and Path(value).is_file():
                paths.append(Path(value))
    return paths
