"""Find the approval of a plan, so that the operator does not need to name the approval file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from frgroups.errors import FrgroupsError, NotApprovedError
from frgroups.internals.formatting import pluralize
from frgroups.plan.plan import Plan
from frgroups.review.approval import Approval, check_approval
from frgroups.review.approval_files import approvals_of_digest
from frgroups.review.plan_folders import approval_folders
from frgroups.review.rejections import check_not_rejected, plan_argument

_NO_APPROVAL: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class UsableApproval:
    """
    The only valid approval of a plan file.

    Attributes
    ----------
    path
        The approval file.
    approval
        The approval in the file.
    owner_checked
        Whether the owner of the file was compared with the current user, which Windows does not support.
    """

    path: Path
    approval: Approval
    owner_checked: bool


def find_approval(plan: Plan, *, earlier_approval: Mapping[str, str] = _NO_APPROVAL) -> UsableApproval:
    """
    Return the approval of a plan file from the folder of the plan and from the data folder.

    An approval is used only if exactly one file approves this plan file, has not expired, and belongs to the user who
    runs the process, and if no rejection is in force. Otherwise, the function raises NotApprovedError, which lists
    the files that were found and the reason why each of them was not used.

    Parameters
    ----------
    plan
        The plan to apply.
    earlier_approval
        Approval of the run that is resumed, which is accepted even if it has expired. By default, no run is resumed.
    """
    check_not_rejected(plan)
    usable: list[UsableApproval] = []
    reasons: list[str] = []
    for path in approvals_of_digest(plan, approval_folders(plan)):
        try:
            approval = check_approval(plan, path, earlier_approval=earlier_approval)
            owner_checked = _check_owner(path)
        except FrgroupsError as error:
            reasons.append(error.message if str(path) in error.message else f"{path}: {error.message}")
            continue
        usable.append(UsableApproval(path, approval, owner_checked))
    if len(usable) == 1:
        return usable[0]
    if usable:
        reasons = [f"{found.path}: approved by {found.approval.by}." for found in usable] + reasons
        problem = f"Plan {plan.digest[:12]} has {pluralize(len(usable), 'valid approval')}, so none was selected."
    else:
        problem = f"No valid approval of plan {plan.digest[:12]} was found next to the plan or in the data folder."
    approve = f"Ask a reviewer to approve it with frgroups approve {plan_argument(plan)} --by NAME."
    select = "To select an approval, use frgroups apply PLAN --approval FILE."
    raise NotApprovedError(
        problem + "".join(f"\n  {reason}" for reason in reasons),
        hint="Pass the path of an approval file as `approval`.",
        cli_hint=select if reasons else approve,
    )


def _check_owner(path: Path) -> bool:
    """
    Raise NotApprovedError unless the current user owns a file. Return False if the system has no file owners.

    Without the check, any user who can write to the folder could approve a plan for the user who applies it.
    """
    if not hasattr(os, "geteuid"):
        return False
    if path.stat().st_uid != os.geteuid():
        raise NotApprovedError("The file belongs to another user of this computer.")
    return True
