"""
Manage the plan queue of a tenant.

The queue has four folders: `pending` for new plans, `approved` for approved plans, `done` for applied plans, and
`stopped` for plans that cannot be applied.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Literal

from frgroups.errors import FrgroupsError
from frgroups.internals.atomic_files import ensure_private_dir, fsync_path
from frgroups.internals.checksummed_json import kind_of
from frgroups.internals.paths import data_subdir, tenant_folder
from frgroups.plan.plan import Plan
from frgroups.plan.plan_file import read_plan
from frgroups.review.approval import Decision, decision_files, list_folder, read_decision

State = Literal["pending", "approved", "done", "stopped"]
_STATES: tuple[State, ...] = ("pending", "approved", "done", "stopped")
# Suffixes of the files that are moved together. The plan file is moved after its approval file and review page.
_SUFFIXES = (".approval.json", ".html", ".json")
_TAIL_SIZE = 100  # The last 100 bytes of a plan file identify it as a plan.


@dataclass(frozen=True, slots=True)
class QueuedPlan:
    """
    A plan in the queue and the decision about it.

    Attributes
    ----------
    path
        The plan file.
    plan
        The plan, or None if the file cannot be read.
    decision_file
        The approval or rejection file of the plan, or None if there is no decision.
    decision
        The approval or rejection in `decision_file`, or None.
    """

    path: Path
    plan: Plan | None
    decision_file: Path | None
    decision: Decision | None

    @property
    def is_rejected(self) -> bool:
        """True if the decision is a rejection."""
        return self.decision is not None and not self.decision.approved


def queue_folder(tenant_uid: str, base_url: str | None, state: State) -> Path:
    """Return the queue folder that contains a tenant's plans in the given state."""
    return data_subdir("queue") / tenant_folder(tenant_uid, base_url) / state


def plan_file_name(plan: Plan) -> str:
    """Return the file name of a plan in the queue. The name contains the planning time and the digest."""
    return f"{plan.planned_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{plan.digest[:12]}.plan.json"


def locate_plan(path: Path) -> Path:
    """Return the current path of a plan file that might have been moved to another queue folder."""
    folder = path.absolute().parent
    if not path.exists() and folder.name in _STATES:
        for state in _STATES:
            moved = folder.parent / state / path.name
            if moved.exists():
                return moved
    return path


def move_plan(path: Path, state: State) -> Path:
    """
    Move a pending or approved plan to the folder of another state, and return its new path.

    The plan's review page and approval file are also moved. A plan that is not in the folder `pending` or `approved`
    of a queue stays where it is.
    """
    path = path.absolute()
    if not _is_waiting(path):
        return path
    folder = ensure_private_dir(path.parent.parent / state)
    for suffix in _SUFFIXES:
        file = path.with_suffix(suffix)
        if file.exists():
            file.replace(folder / file.name)
    fsync_path(folder)
    return folder / path.name


def archive_plan(queued: QueuedPlan, state: State) -> None:
    """
    Move a plan and its approval or rejection file to the folder `done` or `stopped`.

    To apply a stopped plan, move it back to the folder `approved`. If the plan was rejected, first delete the
    rejection file.
    """
    folder = move_plan(queued.path, state).parent
    file = queued.decision_file
    if state == "done" and queued.is_rejected:
        return  # A rejection of an applied plan stays, because it still blocks plans with the same changes.
    if file is None or not file.exists() or file.parent == folder:
        return
    target = folder / file.name
    if target.exists():
        target = folder / f"{queued.path.stem}.{file.name}"
    file.replace(target)


def queued_plans(tenant_uid: str, base_url: str | None) -> Iterator[QueuedPlan]:
    """
    Yield the pending and approved plans with their decisions, oldest plan first.

    Approval files are read from the folders `pending` and `approved`. Rejection files are also read from `stopped`. A
    rejection overrides all approvals. If a plan has several approvals, the approval with the latest expiry is used.
    """
    states: tuple[State, ...] = ("pending", "approved", "stopped")
    pending, approved, stopped = (queue_folder(tenant_uid, base_url, state) for state in states)
    paths = [path for folder in (pending, approved) for path in list_folder(folder) if _is_plan(path)]
    for path in sorted(paths, key=_planning_time):
        # The queue folders are listed again for each plan, because applying the previous plan can move files.
        active = [*decision_files(pending), *decision_files(approved)]
        yield _read_queued_plan(path, active, decision_files(stopped))


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


def _planning_time(path: Path) -> tuple[str, str]:
    """Return a sort key from the planning time in a plan file, which is more precise than the file name."""
    with suppress(FrgroupsError):
        return read_plan(path).planned_at.astimezone(UTC).strftime("%Y%m%dT%H%M%S%f"), path.name
    return path.name, path.name


def _read_queued_plan(path: Path, active: Sequence[Path], stopped: Sequence[Path]) -> QueuedPlan:
    """Read a queued plan and find the decision about it. Approval files in the folder `stopped` are ignored."""
    try:
        plan = read_plan(path)
    except FrgroupsError:
        return QueuedPlan(path, None, None, None)  # `apply_plan` reports the error.
    approvals: list[tuple[Path, Decision]] = []
    rejections: list[tuple[Path, Decision]] = []
    for file in (*active, *stopped):
        decision = read_decision(file, plan)
        if decision is None:
            continue
        if not decision.approved:
            rejections.append((file, decision))
        elif file in active:
            approvals.append((file, decision))
    candidates = rejections or approvals
    if not candidates:
        return QueuedPlan(path, plan, None, None)
    deciding_file, decision = max(candidates, key=lambda candidate: candidate[1].until)
    return QueuedPlan(path, plan, deciding_file, decision)


def _is_waiting(path: Path) -> bool:
    queues = data_subdir("queue").resolve()  # The queue folder can be a symbolic link.
    return path.resolve().is_relative_to(queues) and path.parent.name in ("pending", "approved")
