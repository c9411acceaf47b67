"""
Move plans through the queue folders of a tenant.

A plan is in the folder `pending` until it is approved, then in `approved`, and after the apply in `done`. A plan that
cannot be applied is in `stopped`.
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
# Suffixes of the files that move with a plan. The plan is last, so that a moved plan is complete.
_SUFFIXES = (".approval.json", ".html", ".json")
_TAIL_SIZE = 100  # bytes at the end of a plan file that contain its kind


@dataclass(frozen=True, slots=True)
class QueuedPlan:
    """
    A plan in the queue, and the decision on it.

    Attributes
    ----------
    path
        The plan file.
    plan
        The plan, or None if its file is damaged.
    decision_file
        The file that approves or rejects the plan, or None.
    decision
        The decision in that file, or None.
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
    """Return the folder of the plans of a tenant that are in a state."""
    return data_subdir("queue") / tenant_folder(tenant_uid, base_url) / state


def plan_file_name(plan: Plan) -> str:
    """Return the file name of a plan, which consists of its planning time and digest."""
    return f"{plan.planned_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{plan.digest[:12]}.plan.json"


def locate_plan(path: Path) -> Path:
    """Return the current path of a plan that may have moved to another folder of the queue."""
    folder = path.absolute().parent
    if not path.exists() and folder.name in _STATES:
        for state in _STATES:
            moved = folder.parent / state / path.name
            if moved.exists():
                return moved
    return path


def move_plan(path: Path, state: State) -> Path:
    """Move a pending or approved plan, with its page and approval, and return its path; other files stay."""
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
    Move a plan to the done or stopped plans, with the file that decided on it.

    To apply a stopped plan after all, move it back. If it was rejected, delete the rejection first.
    """
    folder = move_plan(queued.path, state).parent
    file = queued.decision_file
    if state == "done" and queued.is_rejected:
        return  # The rejection came after the apply. It stays where it blocks plans that make the same changes.
    if file is None or not file.exists() or file.parent == folder:
        return
    target = folder / file.name
    if target.exists():
        target = folder / f"{queued.path.stem}.{file.name}"
    file.replace(target)


def queued_plans(tenant_uid: str, base_url: str | None) -> Iterator[QueuedPlan]:
    """
    Yield the pending and approved plans, oldest first, each with the decision on it.

    Approvals and rejections can be in the folder of pending or of approved plans. A rejection overrides every
    approval, and also applies if it is among the stopped plans. Of several approvals, the one with the latest expiry
    counts.
    """
    states: tuple[State, ...] = ("pending", "approved", "stopped")
    pending, approved, stopped = (queue_folder(tenant_uid, base_url, state) for state in states)
    paths = [path for folder in (pending, approved) for path in list_folder(folder) if _is_plan(path)]
    for path in sorted(paths, key=_planning_time):
        # List the files for each plan, because a rejection may just have moved to the stopped plans.
        active = [*decision_files(pending), *decision_files(approved)]
        yield _read_queued_plan(path, active, decision_files(stopped))


def _is_plan(path: Path) -> bool:
    """Return True if a file is named like a plan, or if its end says that it is one, because users rename files."""
    if path.name.endswith(".plan.json"):
        return not path.is_fifo()
    with suppress(OSError):
        if path.suffix == ".json" and path.is_file():
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - _TAIL_SIZE))
                return kind_of(file.read()) == "plan"
    return False


def _planning_time(path: Path) -> tuple[str, str]:
    """Return a sort key with the planning time of a plan, which its file name contains only to the second."""
    with suppress(FrgroupsError):
        return read_plan(path).planned_at.astimezone(UTC).strftime("%Y%m%dT%H%M%S%f"), path.name
    return path.name, path.name


def _read_queued_plan(path: Path, active: Sequence[Path], stopped: Sequence[Path]) -> QueuedPlan:
    """Return a plan with the file that decides on it; of the stopped files, only rejections count."""
    try:
        plan = read_plan(path)
    except FrgroupsError:
        return QueuedPlan(path, None, None, None)  # The apply of this plan reports the error.
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
    queues = data_subdir("queue").resolve()  # The queue folder may be a link to a shared folder.
    return path.resolve().is_relative_to(queues) and path.parent.name in ("pending", "approved")
