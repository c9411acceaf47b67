"""Plans that wait: pending until somebody agrees, approved until they are applied, then done; or stopped for good."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Literal

from frgroups.errors import FrgroupsError
from frgroups.internals.atomic_files import ensure_private_dir, fsync_path
from frgroups.internals.paths import data_subdir, tenant_folder
from frgroups.plan.plan import Plan
from frgroups.plan.plan_file import read_plan
from frgroups.review.approval import Decision, approval_files, files_in, read_decision

State = Literal["pending", "approved", "done", "stopped"]
_STATES: tuple[State, ...] = ("pending", "approved", "done", "stopped")
_ENDINGS = (".approval.json", ".html", ".json")  # The plan itself last: where it is, it all is.


@dataclass(frozen=True, slots=True)
class QueuedPlan:
    """A plan of the queue, None where its file is damaged, and the file that approves or rejects it, if any."""

    path: Path
    plan: Plan | None
    approval: Path | None
    decision: Decision | None


def queue_folder(tenant_uid: str, base_url: str | None, state: State) -> Path:
    """Where the plans of a tenant and host stand that are in this state."""
    return data_subdir("queue") / tenant_folder(tenant_uid, base_url) / state


def plan_file_name(plan: Plan) -> str:
    """The name of a plan's file: when it was made, and its digest."""
    return f"{plan.planned_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{plan.digest[:12]}.plan.json"


def locate_plan(path: Path) -> Path:
    """Where a plan of the queue is that was approved, ended or set aside since it was called by this path."""
    if path.exists() or path.absolute().parent.name not in _STATES:
        return path
    others = (path.absolute().parent.parent / state / path.name for state in _STATES)
    return next((other for other in others if other.exists()), path)


def move_plan(path: Path, state: State) -> Path:
    """Move a plan with its page and approval to another state of its queue; a file that is no plan in one stays."""
    path = path.absolute()
    if not _is_queued(path):
        return path
    folder = ensure_private_dir(path.parent.parent / state)
    for ending in _ENDINGS:
        if path.with_suffix(ending).exists():
            path.with_suffix(ending).replace(folder / path.with_suffix(ending).name)
    fsync_path(folder)
    return folder / path.name


def archive_plan(waiting: QueuedPlan, state: State) -> None:
    """
    Move a plan that waits no longer to those that are done or stopped, with the file that decided on it.

    To try a stopped one again, move it back; a no that was taken back is deleted first.
    """
    folder = move_plan(waiting.path, state).parent
    decided_by = waiting.approval
    if state == "done" and waiting.decision is not None and not waiting.decision.approved:
        return  # A no that came too late for this plan holds for others of the same, where it lies.
    if decided_by is not None and decided_by.exists() and decided_by.parent != folder:
        target = folder / decided_by.name
        decided_by.replace(folder / f"{waiting.path.stem}.{decided_by.name}" if target.exists() else target)


def queued_plans(tenant_uid: str, base_url: str | None) -> Iterator[QueuedPlan]:
    """
    The plans that are neither done nor stopped, oldest first.

    An approval may lie in the folder of pending or of approved plans, as the review page hands it out. So may a
    rejection, which goes before any approval, and holds for another plan of the same too when it was set aside. Of
    several approvals it is the one that is open longest.
    """
    states: tuple[State, ...] = ("pending", "approved", "stopped")
    pending, approved, stopped = (queue_folder(tenant_uid, base_url, state) for state in states)
    plans = [path for folder in (pending, approved) for path in files_in(folder) if _is_plan(path)]
    for path in sorted(plans, key=_age):  # The files are looked for each time: a no may just have been set aside.
        yield _decided(path, [*approval_files(pending), *approval_files(approved)], approval_files(stopped))


def _is_plan(path: Path) -> bool:
    """Whether a file is named as plans are, or says at its end that it is one: browsers and people rename them."""
    if path.name.endswith(".plan.json"):
        return not path.is_fifo()
    with suppress(OSError):
        if path.suffix == ".json" and path.is_file():
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - 100))
                return b'"frgroups plan"' in file.read()
    return False


def _age(path: Path) -> tuple[str, str]:
    """When a plan was made; the name of its file tells it to the second only."""
    with suppress(FrgroupsError):
        return read_plan(path).planned_at.astimezone(UTC).strftime("%Y%m%dT%H%M%S%f"), path.name
    return path.name, path.name


def _decided(path: Path, files: list[Path], quarantine: list[Path]) -> QueuedPlan:
    """The plan in `path` with the file that decides on it; of those that were set aside only a no counts."""
    try:
        plan = read_plan(path)
    except FrgroupsError:
        return QueuedPlan(path, None, None, None)  # Who applies it will meet the same error, of this plan alone.
    yes, no = [], []
    for file in (*files, *quarantine):
        decision = read_decision(file, plan)
        if decision and not decision.approved:
            no.append((file, decision))
        elif decision and file in files:
            yes.append((file, decision))
    approval, found = max(no or yes, key=lambda one: one[1].until, default=(None, None))
    return QueuedPlan(path, plan, approval, found)


def _is_queued(path: Path) -> bool:
    queues = data_subdir("queue").resolve()  # It may be a link to a shared folder.
    return path.resolve().is_relative_to(queues) and path.parent.name in ("pending", "approved")
