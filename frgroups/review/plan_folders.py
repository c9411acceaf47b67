"""Folders of the data folder that contain plans and approval files."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from frgroups.internals.paths import data_subdir, home, tenant_folder
from frgroups.plan.plan import Plan

QueueState = Literal["pending", "approved", "done", "stopped"]
QUEUE_STATES: tuple[QueueState, ...] = ("pending", "approved", "done", "stopped")
WAITING_STATES: tuple[QueueState, ...] = ("pending", "approved")


def queue_folder(tenant_uid: str, base_url: str | None, state: QueueState) -> Path:
    """Return the queue folder that contains a tenant's plans in the given state."""
    return data_subdir("queue") / tenant_folder(tenant_uid, base_url) / state


def plans_folder(tenant_uid: str, base_url: str | None) -> Path:
    """Return the folder of a tenant's plans that are not in the queue."""
    return data_subdir("plans") / tenant_folder(tenant_uid, base_url)


def decision_folders(plan: Plan, extra: Iterable[Path] = ()) -> list[Path]:
    """Return the folders in which a rejection of a plan is searched."""
    queue = [queue_folder(plan.tenant_uid, plan.base_url, state) for state in QUEUE_STATES]
    return _existing([*_own_folders(plan), *queue, *extra])


def approval_folders(plan: Plan, extra: Iterable[Path] = ()) -> list[Path]:
    """
    Return the folders in which an approval of a plan is searched.

    Approvals of completed and stopped plans are not used again.
    """
    queue = [queue_folder(plan.tenant_uid, plan.base_url, state) for state in WAITING_STATES]
    return _existing([*_own_folders(plan), *queue, *extra])


def _own_folders(plan: Plan) -> list[Path]:
    own = [] if plan.path is None else [plan.path.parent]
    return [*own, home(), plans_folder(plan.tenant_uid, plan.base_url)]


def _existing(folders: Iterable[Path]) -> list[Path]:
    """Return each existing folder once."""
    existing = []
    for folder in folders:
        with suppress(OSError):  # The name of a folder can be too long.
            if folder.is_dir():
                existing.append(folder.resolve())
    return list(dict.fromkeys(existing))
