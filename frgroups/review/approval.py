"""
Write and check approval files.

An approval file contains the approval or the rejection of a plan. It does not authenticate the reviewer.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from frgroups.errors import FrgroupsError, InputError, NotApprovedError
from frgroups.internals.checksummed_json import canonical_json, shorten_digests, write_checksummed
from frgroups.internals.formatting import format_distinct_times, format_duration, format_utc
from frgroups.internals.timestamps import CLOCK_TOLERANCE, parse_duration
from frgroups.internals.validation import check_text, check_type
from frgroups.plan.digest_argument import MIN_APPROVAL_PREFIX, is_digest, short_digest_message
from frgroups.plan.limit_overrides import blocked_sentence, limit_advice
from frgroups.plan.plan import Plan
from frgroups.review.approval_files import (
    MAX_VALID_FOR,
    check_applies,
    check_texts,
    is_rejection,
    nonblank,
    read_content,
    rejection_in,
    timestamp,
)
from frgroups.review.approval_policy import Policy
from frgroups.review.decision_record import DecisionRecord, add_rejections, changes_key, read_record
from frgroups.review.rejected_changes import rejected_changes
from frgroups.review.rejections import check_not_rejected, check_person

VALID_FOR = timedelta(hours=72)
# Maximum length of a reason as a JSON string with escapes.
# It ensures that approval files are smaller than MAX_FILE_SIZE, because the search for approval files skips larger
# files.
MAX_REASON_LENGTH = 10_000
ApprovalSource = str | Path | Policy
NO_APPROVAL: Mapping[str, str] = MappingProxyType({})
# Contents of the approval files that this process has written, as canonical JSON.
_OWN_APPROVALS: set[str] = set()


@dataclass(frozen=True, slots=True)
class Approval:
    """
    A valid approval of a plan.

    Attributes
    ----------
    how
        Method of the approval:

        - "person": an approval file from another process.
        - "self": an approval file from this process, or the digest of a plan that this process created.
        - "digest": the digest of a plan that was read from a file.
        - "policy": an approval policy.
    digest
        Digest of the plan.
    by
        Name of the reviewer. For a policy, its name and the person responsible for it. "" if unknown.
    at
        Time of the approval, or None if there is no approval file.
    until
        Time at which the approval expires, or None if there is no approval file.
    """

    how: str
    digest: str
    by: str = ""
    at: datetime | None = None
    until: datetime | None = None

    def to_dict(self) -> dict[str, str]:
        """Convert the approval to a dictionary for the journal and the receipt."""
        return {"how": self.how, "by": self.by, "at": self.at.isoformat() if self.at else ""}


def approve_plan(
    plan: Plan, path: str | Path, *, by: str, reject: str | None = None, valid_for: timedelta | str = VALID_FOR
) -> Path:
    """
    Approve or reject a plan, and write the decision to a file.

    An approval is valid for one plan file. A rejection is also recorded in the data folder. It blocks every plan of
    the same tenant that contains all of the rejected changes, even with further changes or other limits, until
    `withdraw_rejection` is called. The file contains the name of the reviewer, but it does not prove the reviewer's
    identity.

    A plan that contains only some of the changes of a rejected plan can be approved. For such a plan, the review page
    and the column `warnings` of `list_plans` contain a warning.

    Parameters
    ----------
    plan
        The plan to approve or reject.
    path
        The approval file to write. `apply_plan` searches the folders of the plan file and of the approval file for
        rejections, such as files that a reviewer downloaded from the review page.
    by
        Name of the reviewer.
    reject
        Reason for rejecting the plan. If None, the plan is approved. A blank reason is stored as no reason.
    valid_for
        Time until the approval expires, as a timedelta or a string such as "24h". The default is 72 hours, and the
        maximum is 31 days.

    Returns
    -------
    Path
        The absolute path of the approval file.

    Raises
    ------
    InputError
        The name is empty or contains invisible characters, `valid_for` is 0 or longer than 31 days, the reason is too
        long, or the file cannot be written.
    NotApprovedError
        The plan exceeds a limit, contains all changes of a rejected plan, or was superseded by another plan, or
        `path` contains another reviewer's valid approval of the plan.
    CorruptFileError
        The record of decisions in the data folder is damaged.

    See Also
    --------
    withdraw_rejection : Withdraw the rejections of a plan.

    Examples
    --------
    >>> import tempfile
    >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     approve_plan(plan, f"{folder}/ok.approval.json", by="Kari").name
    'ok.approval.json'
    """
    check_type(plan, Plan, "plan")
    name = check_person(by, "reviewer")
    duration = check_valid_for(valid_for)
    if reject is None:
        _check_may_approve(plan, Path(path).expanduser(), name)
    else:
        check_reason(reject, "reject")
    now = datetime.now(UTC)
    content = {
        "digest": plan.digest,
        "changes": changes_key(plan),
        "planned_at": plan.planned_at.isoformat(),
        "decision": "approved" if reject is None else "rejected",
        "reason": nonblank(reject or ""),
        "by": name,
        "at": now.isoformat(),
        "until": (now + duration).isoformat(),
    }
    written = write_checksummed(path, "approval", content)
    if reject is not None:
        # The rejection file has been written before the record.
        # If the process ends before the record is written, the file alone blocks the plan.
        add_rejections(plan, [rejection_in(content)])
    _OWN_APPROVALS.add(canonical_json(content))
    return written


def check_valid_for(valid_for: timedelta | str) -> timedelta:
    """Return the duration of an approval or an override, or raise InputError if it is 0 or exceeds the maximum."""
    duration = parse_duration(valid_for)
    if not duration:
        raise InputError(f"`valid_for` must be longer than 0, got {valid_for!r}.")
    if duration > MAX_VALID_FOR:
        raise InputError(f"`valid_for` must be at most {format_duration(MAX_VALID_FOR)}, got {valid_for!r}.")
    return duration


def _check_may_approve(plan: Plan, target: Path, name: str) -> None:
    check_not_rejected(plan, [target.parent])
    if plan.blocked:
        blocking = [finding for finding in plan.findings if finding.blocking]
        messages = " ".join(finding.message for finding in blocking)
        hint, cli_hint = limit_advice(blocking, plan.limits, plan.limit_places)
        raise NotApprovedError(f"{blocked_sentence(plan.digest, blocking)} {messages}", hint=hint, cli_hint=cli_hint)
    if target.exists():
        content = read_content(target)  # Raises an error if the file is not an approval file, so it is not replaced.
        _check_not_of_other_reviewer(plan, target, content, name)


def _check_not_of_other_reviewer(plan: Plan, target: Path, content: Mapping[str, Any], name: str) -> None:
    """Raise NotApprovedError if a file contains another reviewer's valid approval of the plan."""
    try:
        approval = check_approval_content(plan, target, content, read_record(plan))
    except FrgroupsError:
        return  # The existing file does not approve this plan, so a new approval can replace the file.
    if approval.by.strip().casefold() != name.casefold():
        when = f" on {format_utc(approval.at)}" if approval.at else ""
        raise NotApprovedError(
            f"{approval.by} already approved plan {plan.digest[:12]}{when} in {target}. The file was not replaced.",
            hint="One approval is sufficient. To write a second approval, pass another path.",
            cli_hint="One approval is sufficient. To write a second approval, pass another file with --out.",
        )


def check_reason(reason: str, name: str) -> None:
    """Raise InputError if a reason is not valid text or is too long. `name` is the name of the argument."""
    check_text(reason, name)
    if len(canonical_json(reason)) > MAX_REASON_LENGTH:
        raise InputError(
            f"The reason in `{name}` must have at most {MAX_REASON_LENGTH:,} characters, got {len(reason):,}."
        )


def format_approval(approval: Mapping[str, str]) -> str:
    """
    Return a phrase that describes an approval from a journal or a receipt.

    Examples
    --------
    >>> format_approval({"how": "person", "by": "Kari", "at": "2026-11-03T08:10:00+00:00"})
    'by Kari, 2026-11-03 08:10 UTC'
    >>> format_approval({"how": "self", "by": "", "at": ""})
    'by the process that created the plan'
    >>> format_approval({"how": "", "by": "", "at": ""})
    'by an unknown method'
    """
    by, when, alias = approval["by"], "", ""
    if approval["at"]:
        when = f", {format_utc(datetime.fromisoformat(approval['at']))}"
    if by:
        alias = f", under the name {by}"
    texts = {
        "person": f"by {by}{when}",
        "self": "by the process that created the plan" + alias + when,
        "digest": "by its digest",
        "policy": f"by the policy {by}",
    }
    return texts.get(approval["how"], "by an unknown method")


def approval_sentence(approval: Mapping[str, str]) -> str:
    """
    Describe an approval from a journal or a receipt for the readers of a review.

    Examples
    --------
    >>> approval_sentence({"how": "person", "by": "Kari", "at": "2026-11-03T08:10:00+00:00"})
    'Kari approved the plan on 2026-11-03 08:10 UTC.'
    >>> approval_sentence({"how": "digest", "by": "", "at": ""})
    'The operator stated that the plan was approved. No reviewer was recorded.'
    """
    by, at = approval.get("by", ""), approval.get("at", "")
    when = f" on {format_utc(datetime.fromisoformat(at))}" if at else ""
    if not by:
        return "The operator stated that the plan was approved. No reviewer was recorded."
    if approval.get("how") == "policy":
        return f"The plan was approved automatically by the policy {by}{when}."
    return f"{by} approved the plan{when}."


def check_approval(
    plan: Plan, approval: ApprovalSource, *, earlier_approval: Mapping[str, str] = NO_APPROVAL
) -> Approval:
    """
    Return the approval of a plan, or raise NotApprovedError if the approval is not valid.

    A rejection overrides all approvals. The function searches for rejections in three folders: the data folder, the
    folder of the plan file, and the folder of the approval file.

    Parameters
    ----------
    plan
        The plan to apply.
    approval
        Digest of the plan, path of an approval file, or policy.
    earlier_approval
        Approval of the run that is resumed. This approval is accepted even if it has expired since the run started.
        By default, no run is resumed.
    """
    check_decisions(plan, approval)
    if isinstance(approval, Policy):
        return _approval_by_policy(plan, approval)
    if _is_digest(approval):
        return _approval_by_digest(plan, str(approval).strip().lower())
    if not isinstance(approval, str | Path) or not str(approval).strip():
        raise NotApprovedError(f"`approval` must be a digest, an approval file, or a policy, got {approval!r}.")
    return check_approval_file(plan, Path(approval), earlier_approval=earlier_approval)


def check_decisions(plan: Plan, approval: ApprovalSource) -> None:
    """Raise NotApprovedError if the plan is rejected or superseded."""
    folders = []
    if isinstance(approval, str | Path) and not _is_digest(approval):
        with suppress(RuntimeError):  # If the path is invalid, an error is raised later, when the file is read.
            folders.append(Path(approval).expanduser().parent)
    check_not_rejected(plan, folders)


def _is_digest(approval: object) -> bool:
    return isinstance(approval, str) and is_digest(approval.strip())


def _approval_by_policy(plan: Plan, policy: Policy) -> Approval:
    # If another plan with some of these changes was rejected, the policy must not approve the plan, because a
    # reviewer must see the rejection.
    refusals = [*policy.refusals(plan), *rejected_changes(plan)]
    if refusals:
        reasons = "".join(f"\n  {reason}" for reason in refusals)
        raise NotApprovedError(
            f"The policy {policy.name} does not allow plan {plan.digest[:12]}:{reasons}\n",
            hint="Ask a reviewer to approve the plan.",
        )
    return Approval("policy", plan.digest, f"{policy.name} of {policy.by}")


def _approval_by_digest(plan: Plan, digest: str) -> Approval:
    if len(digest) < MIN_APPROVAL_PREFIX:
        raise NotApprovedError(short_digest_message(digest, MIN_APPROVAL_PREFIX))
    if not plan.digest.startswith(digest):
        approved, expected = shorten_digests(digest, plan.digest)
        raise NotApprovedError(
            f"The digest {approved} belongs to another plan. The digest of this plan is {expected}. "
            "Review this plan, and pass its digest."
        )
    return Approval("digest" if plan.path else "self", plan.digest)


def check_approval_file(plan: Plan, path: Path, *, earlier_approval: Mapping[str, str] = NO_APPROVAL) -> Approval:
    """
    Return the approval in a file, or raise NotApprovedError if the file does not approve the plan or is obsolete.

    An approval is obsolete if it has expired, or if it was given before a rejection of the same changes was
    withdrawn. The function ignores rejections that are in force, so call `check_decisions` first.
    """
    return check_approval_content(
        plan, path, read_content(path), read_record(plan), earlier_approval=earlier_approval
    )


def check_approval_content(
    plan: Plan,
    path: Path,
    content: Mapping[str, Any],
    record: DecisionRecord,
    *,
    earlier_approval: Mapping[str, str] = NO_APPROVAL,
) -> Approval:
    """
    Return the approval in the content of an approval file, as `check_approval_file` does.

    Parameters
    ----------
    plan
        The plan to apply.
    path
        The approval file, for error messages.
    content
        Content of the approval file.
    record
        Decision record of the plan's tenant.
    earlier_approval
        Approval of the run that is resumed. By default, no run is resumed.
    """
    check_texts(content, path)
    until, at = timestamp(content["until"], path), timestamp(content["at"], path)
    if content["digest"] != plan.digest:
        approved, expected = shorten_digests(content["digest"], plan.digest)
        raise NotApprovedError(
            f"{path} is an approval of plan {approved}, not of plan {expected}. Pass an approval of plan {expected}."
        )
    approved_file = timestamp(content["planned_at"], path)
    if approved_file != plan.planned_at:
        times = format_distinct_times(approved_file, plan.planned_at)
        raise NotApprovedError(
            f"{path} is an approval of another file of plan {plan.digest[:12]}. The approved file was created at "
            f"{times[0]}, and this file at {times[1]}. Approve this plan file separately."
        )
    if is_rejection(content, plan, changes_key(plan)):
        raise NotApprovedError(rejection_in(content).message(plan))
    check_applies(content, plan, path)
    now = datetime.now(UTC)
    if at > now + CLOCK_TOLERANCE:
        raise NotApprovedError(
            f"{path} was created at {format_utc(at)}, but the time of this machine is {format_utc(now)}. Correct the "
            "clock of this machine or of the reviewer's machine."
        )
    withdrawn_at = record.withdrawn_at(*record.keys_of(plan))
    if withdrawn_at is not None and at <= withdrawn_at:
        raise NotApprovedError(
            f"The approval of plan {plan.digest[:12]} by {content['by']} was given at {format_utc(at)}, before the "
            "rejection of these changes was withdrawn. Approve the plan again."
        )
    how = "self" if canonical_json(content) in _OWN_APPROVALS else "person"
    approval = Approval(how, plan.digest, content["by"], at, until)
    is_resumed = {**approval.to_dict(), "how": earlier_approval.get("how")} == earlier_approval
    if now > until and not is_resumed:
        raise NotApprovedError(
            f"The approval of plan {plan.digest[:12]} by {content['by']} expired at {format_utc(until)}. "
            "Ask the reviewer for a new approval."
        )
    return approval
