"""Write the review of a plan with the state of the plan in the data folder."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from frgroups.apply.journal import Journal, JournalState
from frgroups.apply.plan_entry import PlanEntry
from frgroups.apply.plan_list import plan_entry
from frgroups.apply.plan_notices import plan_notices
from frgroups.apply.receipt import Receipt, read_receipt
from frgroups.apply.run_registry import registered_journal, reverted_by
from frgroups.errors import FrgroupsError
from frgroups.internals.validation import check_type
from frgroups.plan.plan import Plan
from frgroups.review.decision_record import read_record
from frgroups.review.plan_status import (
    PlanStatus,
    SentChanges,
    applied_status,
    damaged_status,
    expired_status,
    interrupted_status,
    partly_applied_status,
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
    with this state. The review also shows existing approvals, withdrawn rejections, other waiting plans that change
    the same groups, and groups with more drift than the limit allows. The file is replaced atomically.

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
    status = plan_status(plan)
    notices = plan_notices(plan, is_waiting=status is None)
    return write_review(plan, path, personal=personal, status=status, notices=notices)


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
            return _status_of_interrupted_plan(entry)
    return None


def _status_of_rejected_plan(plan: Plan) -> PlanStatus:
    with suppress(FrgroupsError):
        return rejected_status(rejections_in_force(plan))
    return damaged_status()


def _status_of_applied_plan(entry: PlanEntry) -> PlanStatus:
    receipt = _receipt_of(entry)
    if receipt is None:
        return applied_status(None)
    if receipt.ok:
        return applied_status(receipt.started_at)
    # A member count is stated only if the last read of the group was consistent.
    sizes = {
        group.name: len(receipt.members_after[group.uid])
        for group in receipt.plan.groups
        if group.uid in receipt.consistent_groups
    }
    n_not_created = sum(group.create and group.uid not in receipt.created for group in receipt.plan.groups)
    return partly_applied_status(receipt.started_at, receipt.counts, sizes=sizes, n_not_created=n_not_created)


def _status_of_interrupted_plan(entry: PlanEntry) -> PlanStatus:
    sent = None
    with suppress(FrgroupsError):
        path = registered_journal(entry.plan)
        if path is not None:
            sent = _sent_changes(entry, Journal(path).state)
    return interrupted_status(sent, can_resume=not entry.must_be_finalized, is_rejected=entry.is_rejected)


def _sent_changes(entry: PlanEntry, state: JournalState) -> SentChanges:
    sent = state.intended - state.not_sent
    # A receipt exists if the run ended without a crash, for example because the server did not respond.
    receipt = _receipt_of(entry)
    return SentChanges(
        n=entry.plan.n_add + entry.plan.n_remove,
        n_sent=len(sent),
        n_accepted=len(sent & state.accepted),
        n_rejected=len((sent & state.rejected.keys()) - state.accepted),
        n_verified=None if receipt is None else receipt.counts["verified"],
    )


def _receipt_of(entry: PlanEntry) -> Receipt | None:
    with suppress(FrgroupsError):
        return None if entry.receipt is None else read_receipt(entry.receipt)
    return None
