"""Find the approval of a plan, so that the operator does not need to specify the approval file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from frgroups.errors import FrgroupsError, NotApprovedError
from frgroups.plan.plan import Plan
from frgroups.review.approval import NO_APPROVAL, Approval, check_approval_content
from frgroups.review.approval_files import FoundApproval, approvals_of_digest, found_approvals, read_content
from frgroups.review.decision_reader import DecisionReader
from frgroups.review.plan_folders import approval_folders, is_in_queue
from frgroups.review.rejections import check_not_rejected, plan_argument


@dataclass(frozen=True, slots=True)
class UsableApproval:
    """
    A valid approval of a plan file.

    Attributes
    ----------
    path
        The approval file.
    approval
        The approval in the file.
    owner_checked
        Whether the owner of the file was checked and is the current user. The owner is not checked on Windows and for
        plans in the queue.
    """

    path: Path
    approval: Approval
    owner_checked: bool


def usable_approvals(
    plan: Plan,
    folders: Iterable[Path],
    *,
    reader: DecisionReader | None = None,
    earlier_approval: Mapping[str, str] = NO_APPROVAL,
) -> tuple[list[UsableApproval], list[str]]:
    """
    Return the usable approvals of a plan file, and one reason for each approval file that is not usable.

    An approval is usable if it approves this plan file, has not expired, and belongs to the current user. If the plan
    and the approval are both in the queue, the owner is not checked, because reviewers save approval files in the
    queue with their own accounts. The function ignores rejections, so call `check_not_rejected` first.

    Parameters
    ----------
    plan
        The plan.
    folders
        Folders to search.
    reader
        Reader of the decision files. If you call this function for several plans, pass the same reader, so that each
        folder is read only once.
    earlier_approval
        Approval of the run that is resumed, which is accepted even if it has expired. By default, no run is resumed.
    """
    usable: list[UsableApproval] = []
    reasons: list[str] = []
    reader = reader or DecisionReader()
    is_queued = plan.path is not None and is_in_queue(plan.path)
    for file in approvals_of_digest(plan, folders, reader.files):
        path = file.path
        try:
            content = read_content(path) if file.content is None else file.content
            record = reader.record(plan)
            approval = check_approval_content(plan, path, content, record, earlier_approval=earlier_approval)
            owner_checked = False
            if not (is_queued and is_in_queue(path)):
                owner_checked = _check_owner(path)
        except FrgroupsError as error:
            reasons.append(f"{path}: {error.message.replace(str(path), 'The file', 1)}")
        except OSError as error:
            reasons.append(f"{path}: {error.strerror}.")
        else:
            usable.append(UsableApproval(path, approval, owner_checked))
    return usable, reasons


@dataclass(frozen=True, slots=True)
class PlanApprovals:
    """
    The approvals of a plan file that were found in some folders.

    Attributes
    ----------
    usable
        Approvals with which the plan can be applied. See `usable_approvals`.
    other
        Approvals that cannot be used, for example because they have expired.
    """

    usable: tuple[FoundApproval, ...]
    other: tuple[FoundApproval, ...]


def plan_approvals(plan: Plan, folders: Sequence[Path], reader: DecisionReader) -> PlanApprovals:
    """
    Return the approvals of a plan file in the given folders.

    Both `list_plans` and the plan queue use this function, so that they select the same approval.
    """
    found = found_approvals(plan, folders, reader.files)
    usable_paths = {choice.path for choice in usable_approvals(plan, folders, reader=reader)[0]}
    return PlanApprovals(
        usable=tuple(approval for approval in found if approval.path in usable_paths),
        other=tuple(approval for approval in found if approval.path not in usable_paths),
    )


def last_to_expire(approvals: Iterable[FoundApproval]) -> FoundApproval | None:
    """Return the approval that expires last, or None if there is no approval."""
    return max(approvals, key=lambda approval: approval.until, default=None)


def find_approval(plan: Plan, *, earlier_approval: Mapping[str, str] = NO_APPROVAL) -> UsableApproval:
    """
    Find the approval of a plan file in the folder of the plan and in the data folder.

    The approval is used only if exactly one file contains a usable approval, and if the plan is not rejected.
    Otherwise, NotApprovedError lists the approval files and the reason why each file was not used.

    Parameters
    ----------
    plan
        The plan to apply.
    earlier_approval
        Approval of the run that is resumed, which is accepted even if it has expired. By default, no run is resumed.
    """
    check_not_rejected(plan)
    usable, reasons = usable_approvals(plan, approval_folders(plan), earlier_approval=earlier_approval)
    if len(usable) == 1:
        return usable[0]
    if usable:
        reasons = [f"{choice.path}: approved by {choice.approval.by}." for choice in usable] + reasons
        problem = f"Plan {plan.digest[:12]} has {len(usable)} valid approvals, so none was selected."
    else:
        problem = f"No valid approval of plan {plan.digest[:12]} was found next to the plan or in the data folder."
    steps = []
    if not usable:
        steps.append(f"Ask a reviewer to approve it with frgroups approve {plan_argument(plan)} --by NAME.")
    if reasons:
        steps.append("To select an approval, use frgroups apply PLAN --approval FILE.")
    raise NotApprovedError(
        problem + "".join(f"\n  {reason}" for reason in reasons),
        hint="Pass the path of an approval file as `approval`.",
        cli_hint=" ".join(steps),
    )


def _check_owner(path: Path) -> bool:
    """
    Raise NotApprovedError unless the current user owns a file. Return False if the system has no file owners.

    Without this check, any user who can write to the folder could approve a plan that the current user applies.
    """
    if not hasattr(os, "geteuid"):
        return False
    if path.stat().st_uid != os.geteuid():
        raise NotApprovedError("The file belongs to another user of this computer.")
    return True
