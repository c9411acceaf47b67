"""
Manage the plan queue of a tenant.

The queue has four folders: `pending` for new plans, `approved` for approved plans, `done` for applied plans, and
`stopped` for plans that cannot be applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

from frgroups.errors import FrgroupsError, InputError
from frgroups.internals.atomic_files import ensure_private_dir, fsync_path
from frgroups.plan.plan import Plan
from frgroups.plan.plan_file import read_plan
from frgroups.review.approval_files import (
    FoundApproval,
    rejection_files,
)
from frgroups.review.approval_search import last_to_expire, plan_approvals
from frgroups.review.decision_reader import DecisionReader
from frgroups.review.decision_record import Rejection, read_record
from frgroups.review.plan_files import queued_files
from frgroups.review.plan_folders import (
    QUEUE_STATES,
    WAITING_STATES,
    QueueState,
    is_in_queue,
    queue_folder,
)
from frgroups.review.rejections import rejections_in_force

# Suffixes of the files of a plan that are moved together, in the order of the moves. The plan file is moved last.
_SUFFIXES = (".approval.json", ".html", ".json")


@dataclass(frozen=True, slots=True)
class QueuedPlan:
    """
    A plan in the queue and the decisions about it.

    Attributes
    ----------
    path
        The plan file.
    plan
        The plan, or None if the file cannot be read.
    approval
        The usable approval that expires last. If no approval is usable, the unusable approval that expires last, or
        None if the plan has no approval.
    rejection
        The newest rejection of the plan's changes, or None. A rejection overrides all approvals.
    """

    path: Path
    plan: Plan | None = None
    approval: FoundApproval | None = None
    rejection: Rejection | None = None


def plan_file_name(plan: Plan) -> str:
    """Return the file name of a plan in the queue. The name contains the planning time and the digest."""
    return f"{plan.planned_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{plan.digest[:12]}.plan.json"


def locate_plan(path: Path) -> Path:
    """Return the current path of a plan file that might have been moved to another queue folder."""
    folder = path.absolute().parent
    if not path.exists() and folder.name in QUEUE_STATES:
        for state in QUEUE_STATES:
            moved = folder.parent / state / path.name
            if moved.exists():
                return moved
    return path


def move_plan(path: Path, state: QueueState) -> Path:
    """
    Move a pending or approved plan to the folder of another state, and return its new path.

    The plan's review page and approval file are also moved. A plan outside the folders `pending` and `approved` of a
    queue is not moved.
    """
    path = path.absolute()
    if not _is_waiting(path):
        return path
    return _move_files(path, state)


def queue_approved_plan(path: Path) -> Path:
    """
    Move a pending or stopped plan and its new approval file to the folder `approved`, and return its new path.

    A plan in any other folder is not moved.
    """
    path = path.absolute()
    if _is_stopped(path):
        _check_name_is_free(path, "approved")
        return _move_files(path, "approved")
    return move_plan(path, "approved")


def _move_files(path: Path, state: QueueState, suffixes: Iterable[str] = _SUFFIXES) -> Path:
    folder = ensure_private_dir(path.parent.parent / state)
    for suffix in suffixes:
        file = path.with_suffix(suffix)
        if file.exists():
            file.replace(folder / file.name)
    fsync_path(folder)
    return folder / path.name


def archive_plan(queued: QueuedPlan, state: QueueState) -> Path:
    """
    Move a plan and its approval or rejection files to the folder `done` or `stopped`, and return the plan's new path.

    A moved rejection file still blocks the plan, because the decision record contains the rejection.
    """
    files = [] if queued.approval is None else [queued.approval.path]
    folders = [queued.path.parent, *_waiting_folders(queued.path)]
    if queued.plan is not None and queued.rejection is not None and state == "stopped":
        files += rejection_files(queued.plan, folders)
    path = locate_plan(move_plan(queued.path, state))
    folder = path.parent
    for file in files:
        if not file.exists() or file.parent.resolve() == folder.resolve():
            continue
        target = folder / file.name
        if target.exists():
            target = folder / f"{queued.path.stem}.{file.name}"
        file.replace(target)
    return path


def restore_plans(plan: Plan) -> list[Path]:
    """
    Move the plans that were stopped by the rejections of `plan` back to the folder `pending`.

    A rejection stops all plans that contain its changes, so the withdrawal restores all of these plans. Superseded
    plans and approval files stay in the folder `stopped`. A restored plan needs a new approval.
    """
    record = read_record(plan)
    keys = record.keys_of(plan).keys()
    restored = []
    for path in queued_files([queue_folder(plan.tenant_uid, plan.base_url, "stopped")]):
        with suppress(FrgroupsError):  # A plan that cannot be read or moved stays in the folder `stopped`.
            stopped = read_plan(path)
            if not keys.isdisjoint(record.keys_of(stopped)) and not record.superseded_by(stopped):
                _check_name_is_free(path, "pending")
                restored.append(_move_files(path.absolute(), "pending", (".html", ".json")))
    return restored


def _check_name_is_free(path: Path, state: QueueState) -> None:
    """Raise InputError if the folder of a queue state already contains a file with the same name."""
    target = path.parent.parent / state / path.name
    if target.exists():
        raise InputError(f"{target} already exists, so {path} was not moved. Rename one of the files.")


def _waiting_folders(path: Path) -> list[Path]:
    """Return the folders `pending` and `approved` of a plan's queue."""
    folders = [path.parent.parent / state for state in WAITING_STATES]
    return [folder for folder in folders if folder.is_dir()]


def queued_plans(tenant_uid: str, base_url: str | None) -> Iterator[QueuedPlan]:
    """
    Yield the pending and approved plans with their decisions, oldest plan first.

    Approval files are read from the folders `pending` and `approved`. A rejection overrides all approvals. If a plan
    has several usable approvals, the approval with the latest expiry is used. A plan that another process has removed
    from these folders in the meantime is skipped.
    """
    waiting = [queue_folder(tenant_uid, base_url, state) for state in WAITING_STATES]
    for listed in sorted(queued_files(waiting), key=_planning_time):
        path = locate_plan(listed)
        if path.parent.name not in WAITING_STATES or not path.is_file():
            continue
        yield _read_queued_plan(path, waiting)


def _planning_time(path: Path) -> tuple[str, str]:
    """Return a sort key for a plan file: its planning time, which has microseconds, and its name."""
    with suppress(FrgroupsError):
        return read_plan(path).planned_at.astimezone(UTC).strftime("%Y%m%dT%H%M%S%f"), path.name
    return path.name, path.name


def _read_queued_plan(path: Path, waiting: Sequence[Path]) -> QueuedPlan:
    """Read a queued plan, its approval from the folders `waiting`, and the newest rejection of its changes."""
    try:
        plan = read_plan(path)
    except FrgroupsError:
        return QueuedPlan(path)  # Ignore the error, because the caller reads the plan again and reports it.
    # Use a new reader for each plan, because the decisions can change while earlier plans are applied.
    reader = DecisionReader()
    approvals = plan_approvals(plan, waiting, reader)
    # If no approval is usable, select another approval, such as an expired one.
    # `apply_plan` then reports why it cannot be used, or resumes a run that was started before the approval expired.
    approval = last_to_expire(approvals.usable or approvals.other)
    rejections: list[Rejection] = []
    with suppress(FrgroupsError):  # `apply_plan` searches for rejections again and raises the error.
        rejections = rejections_in_force(plan, reader=reader)
    return QueuedPlan(path, plan, approval, rejections[-1] if rejections else None)


def _is_waiting(path: Path) -> bool:
    return is_in_queue(path) and path.parent.name in WAITING_STATES


def _is_stopped(path: Path) -> bool:
    return is_in_queue(path) and path.parent.name == "stopped"
