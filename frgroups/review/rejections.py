"""Find, check, and withdraw the rejections of a plan."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from frgroups.errors import InputError, LockedError, NotApprovedError
from frgroups.internals.formatting import shell_argument
from frgroups.internals.similar_text import clean_text
from frgroups.internals.validation import check_text, check_type, name_problem
from frgroups.plan.plan import Plan
from frgroups.review.approval_files import found_rejections, nonblank, other_rejections
from frgroups.review.decision_reader import DecisionReader
from frgroups.review.decision_record import (
    Rejection,
    add_rejections,
    add_withdrawal,
    changes_key,
)
from frgroups.review.plan_folders import decision_folders


def check_person(by: str, role: str) -> str:
    """
    Return the name of a person without surrounding spaces, or raise InputError if it is empty or invalid.

    `role` describes the person in the error message, for example "reviewer".
    """
    name = by.strip() if isinstance(by, str) else ""
    check_text(name, "by")
    problem = name_problem(name) if clean_text(name) else "is missing"
    if problem:
        raise InputError(
            f"The name of the {role} {problem}.",
            hint='Pass `by`, for example by="Kari".',
            cli_hint=f"Pass --by with the name of the {role}.",
        )
    return name


def plan_argument(plan: Plan) -> str:
    """Return the command-line argument that identifies a plan: the quoted path or 12 digits of the digest."""
    return plan.digest[:12] if plan.path is None else shell_argument(plan.path)


def rejections_in_force(
    plan: Plan, extra: Iterable[Path] = (), reader: DecisionReader | None = None
) -> list[Rejection]:
    """
    Return the rejections in force that block a plan, oldest first.

    A rejection blocks each plan that contains all changes of the rejected plan.

    The function reads the decision record in the data folder and the rejection files in the folder of the plan file,
    in the data folder, in the folders of the tenant's plans that were saved with `--out`, and in the folders `extra`.
    New rejections in files are added to the record, so that they still block the plan if the files are moved or
    deleted. To check several plans, pass the same `reader`.
    """
    reader = reader or DecisionReader()
    extra = list(extra)
    in_files = _rejections_in_files(plan, extra, reader)
    _record_other_rejections(plan, extra, reader)
    record = reader.record(plan)
    key = changes_key(plan)
    known = record.known_ids(key)
    new = [rejection for rejection in in_files if rejection.id not in known]
    if new:
        # Ignore errors, because the rejection file blocks the plan even if the rejection cannot be recorded.
        with suppress(InputError, LockedError):
            add_rejections(plan, new)
            reader.forget_record(plan)
    return [*record.blocking_rejections(plan), *new]


def _rejections_in_files(plan: Plan, extra: Iterable[Path], reader: DecisionReader) -> list[Rejection]:
    return found_rejections(plan, _folders(plan, extra, reader), reader.files)


def _folders(plan: Plan, extra: Iterable[Path], reader: DecisionReader) -> list[Path]:
    return decision_folders(plan, [*extra, *reader.folders_of_saved_plans(plan)])


def _record_other_rejections(plan: Plan, extra: Iterable[Path], reader: DecisionReader) -> None:
    """
    Add the rejections of the tenant's other plans to the decision record, if they exist only in rejection files.

    A rejection of another plan also blocks the given plan if the given plan contains all rejected changes. A
    rejection file does not contain these changes. Therefore, a rejection is recorded only if the file of the rejected
    plan can be read.
    """
    known = reader.record(plan).known_ids()
    for rejection in other_rejections(plan, _folders(plan, extra, reader), reader.files):
        if rejection.id not in known:
            other = reader.stored_plan(plan, rejection.digest)
            if other is not None:
                # Ignore errors, because the rejection file blocks `other` even if the rejection cannot be recorded.
                with suppress(InputError, LockedError):
                    add_rejections(other, [rejection])
                    reader.forget_record(plan)


def record_rejections(plan: Plan, extra: Iterable[Path] = ()) -> None:
    """
    Search rejection files, and add the rejections that block a plan to the decision record in the data folder.

    The docstring of `rejections_in_force` lists the searched folders. Rejections of other plans are also added,
    because they block the given plan if it contains all changes of a rejected plan.
    """
    reader, extra = DecisionReader(), list(extra)
    _record_other_rejections(plan, extra, reader)
    add_rejections(plan, _rejections_in_files(plan, extra, reader))


def check_not_rejected(plan: Plan, extra: Iterable[Path] = ()) -> None:
    """Raise NotApprovedError if a plan is rejected or superseded."""
    reader = DecisionReader()
    rejections = rejections_in_force(plan, extra, reader)
    if rejections:
        raise NotApprovedError(
            " ".join(rejection.message(plan) for rejection in rejections),
            hint="If the reviewer no longer rejects the plan, call `withdraw_rejection(plan, by=NAME)`.",
            cli_hint="If the reviewer no longer rejects the plan, run "
            f"frgroups withdraw {plan_argument(plan)} --by NAME.",
            rejected=True,
        )
    new_digest = reader.record(plan).superseded_by(plan)
    if new_digest:
        raise NotApprovedError(
            f"Plan {plan.digest[:12]} was superseded by plan {new_digest[:12]}. Review and apply the new plan.",
            rejected=True,
        )


def withdraw_rejection(plan: Plan, *, by: str, reason: str = "") -> list[str]:
    """
    Withdraw all rejections that block a plan.

    A rejection blocks plans in the entire data folder and does not expire. After the withdrawal, the plan can be
    approved and applied again. Approvals that were given before the withdrawal are not used. The data folder records
    the name of the person, the time, and the reason. A later rejection blocks the changes again.

    Parameters
    ----------
    plan : Plan
        The rejected plan, or another plan that contains all of its changes.
    by : str
        Name of the person who withdraws the rejections, normally the reviewer.
    reason : str, optional
        Reason for the withdrawal.

    Returns
    -------
    list of str
        One sentence per withdrawn rejection, with the reviewer and the reason.

    Raises
    ------
    InputError
        The plan is not rejected, or `by` is empty or contains invisible characters.
    CorruptFileError
        The record of decisions in the data folder is damaged.

    See Also
    --------
    approve_plan : Approve or reject a plan.

    Examples
    --------
    >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]})
    >>> _ = approve_plan(plan, home() / "vip.approval.json", by="Kari", reject="wrong week")
    >>> len(withdraw_rejection(plan, by="Kari", reason="the week is correct"))
    1
    """
    check_type(plan, Plan, "plan")
    name = check_person(by, "reviewer")
    check_text(reason, "reason")
    # Record the rejections in files first, because a withdrawal covers only recorded rejections.
    record_rejections(plan)
    withdrawn = add_withdrawal(plan, by=name, reason=nonblank(reason), at=datetime.now(UTC).isoformat())
    return [rejection.message(plan) for rejection in withdrawn]
