"""Write the review of a plan with the state of the plan in the data folder."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from frgroups.apply.plan_entry import PlanEntry
from frgroups.apply.plan_list import plan_entry
from frgroups.apply.receipt import read_receipt
from frgroups.apply.run_registry import reverted_by
from frgroups.errors import FrgroupsError
from frgroups.internals.validation import check_type
from frgroups.plan.plan import Plan
from frgroups.review.decision_record import read_record
from frgroups.review.plan_status import (
    PlanStatus,
    applied_status,
    damaged_status,
    expired_status,
    interrupted_status,
    rejected_status,
    superseded_status,
    undone_status,
)
from frgroups.review.rejections import rejections_in_force
from frgroups.review.writer import write_review
from frgroups.snapshot.snapshot import Snapshot


def save_review(plan: Plan, path: str | Path, *, personal: Snapshot | None = None) -> Path:
    """
    Write the review of a plan to a file.

    The reviewer opens the HTML page in a browser and approves or rejects the plan there. The page then downloads the
    same file that `approve_plan` writes. The page requires neither Python nor a network connection. By default, a
    review contains no customer names and no contact data. It lists only the customers who join or leave a group.

    If the data folder shows that the plan is rejected, superseded, expired, applied, or undone, the review starts
    with this state. The file is replaced atomically.

    Parameters
    ----------
    plan
        The plan to review.
    path
        The file to write. The suffix selects the format: .html, .htm, .md, .txt, .csv, or .xlsx. The suffix .xlsx
        requires the extra `excel`.
    personal
        A snapshot that was loaded with `personal=True`. If given, the review contains the name of each customer who
        joins or leaves a group, and a warning not to forward the review. By default, a review contains no names.

    Returns
    -------
    Path
        The absolute path of the file.

    Raises
    ------
    InputError
        The suffix is unknown, the file cannot be written, `personal` contains no names or is a snapshot of another
        tenant, openpyxl is not installed, or the plan has more operations than an Excel sheet can contain.

    Examples
    --------
    >>> import tempfile
    >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_review(plan, f"{folder}/review.html").name
    'review.html'
    """
    check_type(plan, Plan, "plan")
    return write_review(plan, path, personal=personal, status=plan_status(plan))


def plan_status(plan: Plan) -> PlanStatus | None:
    """
    Return the state of a plan that cannot be approved, or None if a decision about the plan is possible.

    None is also returned if the state is not known, because a file in the data folder is damaged. `apply_plan` then
    reports the damaged file.
    """
    with suppress(FrgroupsError):
        entry = plan_entry(plan, path=plan.path)
        if entry.state == "rejected":
            return _status_of_rejected_plan(plan)
        if entry.state == "superseded":
            return superseded_status(read_record(plan).superseded_by(plan))
        if entry.state == "plan expired":
            return expired_status(plan)
        if entry.state == "undone":
            return undone_status(reverted_by(plan))
        if entry.state == "applied":
            return _status_of_applied_plan(entry)
        if entry.state == "interrupted":
            return interrupted_status()
    return None


def _status_of_rejected_plan(plan: Plan) -> PlanStatus:
    with suppress(FrgroupsError):
        return rejected_status(rejections_in_force(plan))
    return damaged_status()


def _status_of_applied_plan(entry: PlanEntry) -> PlanStatus:
    with suppress(FrgroupsError):
        if entry.receipt is not None:
            return applied_status(read_receipt(entry.receipt).started_at)
    return applied_status(None)
