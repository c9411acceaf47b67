"""Folders of the data folder that contain plans and approval files."""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from frgroups.errors import InputError
from frgroups.internals.paths import data_subdir, home, parse_tenant_folder, tenant_folder
from frgroups.plan.plan import Plan

QueueState = Literal["pending", "approved", "done", "stopped"]
QUEUE_STATES: tuple[QueueState, ...] = ("pending", "approved", "done", "stopped")
WAITING_STATES: tuple[QueueState, ...] = ("pending", "approved")
# Error numbers for a path that does not exist, contains a file instead of a folder, or has an invalid name.
_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL)


def queue_folder(tenant_uid: str, base_url: str | None, state: QueueState) -> Path:
    """Return the queue folder that contains a tenant's plans in the given state."""
    return data_subdir("queue") / tenant_folder(tenant_uid, base_url) / state


def plans_folder(tenant_uid: str, base_url: str | None) -> Path:
    """Return the folder of a tenant's plans that are not in the queue."""
    return data_subdir("plans") / tenant_folder(tenant_uid, base_url)


def is_folder_of(name: str, tenant_uid: str | None, base_url: str | None) -> bool:
    """
    Return True if a folder or file with this name in the data folder might belong to a tenant.

    If `tenant_uid` or `base_url` is None, the names of all tenants or all hosts match. If the name contains no
    tenant, the function returns True, because the folder or file might belong to any tenant.
    """
    tenant, host = parse_tenant_folder(name)
    is_other_tenant = tenant_uid is not None and tenant != tenant_uid
    is_other_host = base_url is not None and host != parse_tenant_folder(tenant_folder("-", base_url))[1]
    return not tenant or not (is_other_tenant or is_other_host)


def is_in_queue(path: Path) -> bool:
    """Return True if a file is inside the queue folder. Symbolic links are resolved."""
    return path.resolve().is_relative_to(data_subdir("queue").resolve())


def decision_folders(plan: Plan, extra: Iterable[Path] = ()) -> list[Path]:
    """Return the existing folders that are searched for rejections of a plan."""
    queue = [queue_folder(plan.tenant_uid, plan.base_url, state) for state in QUEUE_STATES]
    return _existing([*_own_folders(plan), *queue, *extra])


def approval_folders(plan: Plan, extra: Iterable[Path] = ()) -> list[Path]:
    """
    Return the existing folders that are searched for approvals of a plan.

    The folders `done` and `stopped` are omitted, because approvals of completed and stopped plans are not used again.
    """
    queue = [queue_folder(plan.tenant_uid, plan.base_url, state) for state in WAITING_STATES]
    return _existing([*_own_folders(plan), *queue, *extra])


def _own_folders(plan: Plan) -> list[Path]:
    own = [] if plan.path is None else [plan.path.parent]
    return [*own, home(), plans_folder(plan.tenant_uid, plan.base_url)]


def _existing(folders: Iterable[Path]) -> list[Path]:
    """
    Return the existing folders without duplicates.

    If a folder cannot be examined, InputError is raised, because the folder might contain a rejection.
    """
    existing = []
    for folder in folders:
        try:
            if stat.S_ISDIR(folder.stat().st_mode):
                existing.append(folder.resolve())
        except ValueError:  # The name contains a null character.
            continue
        except OSError as error:
            if error.errno not in _MISSING:
                raise unreadable_folder(folder, error) from error
    return list(dict.fromkeys(existing))


def unreadable_folder(folder: Path, error: OSError) -> InputError:
    """Return the error for a folder that cannot be read and that might contain a rejection."""
    return InputError(
        f"Cannot read {folder}: {error.strerror}. The folder might contain a rejection. Give the account that "
        "applies plans permission to read it."
    )
