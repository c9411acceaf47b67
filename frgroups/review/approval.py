"""
Write, find, and check approval files.

An approval file contains the approval or the rejection of a plan. It does not authenticate the reviewer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from frgroups.errors import CorruptFileError, FrgroupsError, InputError, NotApprovedError
from frgroups.internals.checksummed_json import canonical_json, kind_of, read_checksummed, write_checksummed
from frgroups.internals.formatting import format_list, format_utc
from frgroups.internals.timestamps import parse_duration
from frgroups.internals.validation import check_text, check_type
from frgroups.plan.limit_overrides import blocked_sentence, limit_advice
from frgroups.plan.plan import Plan
from frgroups.review.approval_policy import Policy

VALID_FOR = timedelta(hours=72)
CLOCK_TOLERANCE = timedelta(minutes=10)  # Maximum accepted difference between the clocks of two machines.
MAX_FILE_SIZE = 65_536  # In bytes. The search for approval files skips larger files.
MAX_PATH_LENGTH = 300  # Maximum number of characters of a path in an error message.
MAX_REASON_LENGTH = (
    10_000  # Maximum length of a reason with JSON escapes. All approval files stay smaller than MAX_FILE_SIZE.
)
MIN_DIGEST_LENGTH = 12
ApprovalSource = str | Path | Policy
_NONE: Mapping[str, str] = MappingProxyType({})
_NEVER = datetime.max.replace(tzinfo=UTC)  # A rejection does not expire.
_DIGEST = re.compile(r"[0-9a-fA-F]{1,64}")
_DIGEST_FIELD = re.compile(rb'"digest":\s*"([0-9a-f]{64})"')
_FIELDS = {"digest", "planned_at", "decision", "reason", "by", "at", "until"}
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
    """

    how: str
    digest: str
    by: str = ""
    at: datetime | None = None

    def to_dict(self) -> dict[str, str]:
        """Convert the approval to a dictionary for the journal and the receipt."""
        return {"how": self.how, "by": self.by, "at": self.at.isoformat() if self.at else ""}


@dataclass(frozen=True, slots=True)
class Decision:
    """
    A decision about a plan, read from an approval file.

    Attributes
    ----------
    approved
        Whether the plan is approved. False means that it is rejected.
    by
        Name of the reviewer.
    until
        Time at which an approval expires. A rejection does not expire.
    message
        Name of the reviewer and reason of a rejection. "" for an approval.
    """

    approved: bool
    by: str
    until: datetime
    message: str = ""


def approve_plan(
    plan: Plan, path: str | Path, *, by: str, reject: str | None = None, valid_for: timedelta | str = VALID_FOR
) -> Path:
    """
    Approve or reject a plan, and write the decision to a file.

    An approval is valid for one plan file. A rejection blocks every plan that makes the same changes. The file
    contains the name of the reviewer, but does not authenticate the reviewer.

    Parameters
    ----------
    plan
        The plan to approve or reject.
    path
        The approval file to write. Before `apply_plan` sends requests, it searches the folders of the plan file and
        of the approval file for rejections. The search includes files with ".approval" in their name and files that
        were downloaded from the review page.
    by
        Name of the reviewer.
    reject
        Reason for rejecting the plan. If None, the plan is approved.
    valid_for
        Time until the approval expires, as a timedelta or a string such as "24h". The default is 72 hours.

    Returns
    -------
    Path
        The absolute path of the approval file.

    Raises
    ------
    InputError
        The name is empty, the reason is too long, or the file cannot be written.
    NotApprovedError
        The plan exceeds a limit, or `path` already contains a rejection of the plan.

    Examples
    --------
    >>> import tempfile
    >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     approve_plan(plan, f"{folder}/ok.approval.json", by="Kari").name
    'ok.approval.json'
    """
    check_type(plan, Plan, "plan")
    if not isinstance(by, str) or not by.strip():
        raise InputError(
            "The name of the reviewer is missing.",
            hint='Pass `by`, for example by="Kari".',
            cli_hint="Pass --by with the name of the reviewer.",
        )
    check_text(by, "by")
    if reject is None:
        _check_may_approve(plan, Path(path).expanduser())
    else:
        _check_reason(reject)
    now = datetime.now(UTC)
    content = {
        "digest": plan.digest,
        "planned_at": plan.planned_at.isoformat(),
        "decision": "approved" if reject is None else "rejected",
        "reason": reject or "",
        "by": by.strip(),
        "at": now.isoformat(),
        "until": (now + parse_duration(valid_for)).isoformat(),
    }
    written = write_checksummed(path, "approval", content)
    _OWN_APPROVALS.add(canonical_json(content))
    return written


def _check_may_approve(plan: Plan, target: Path) -> None:
    if plan.blocked:
        blocking = [finding for finding in plan.findings if finding.blocking]
        messages = " ".join(finding.message for finding in blocking)
        hint, cli_hint = limit_advice(blocking, plan.limits)
        raise NotApprovedError(f"{blocked_sentence(plan.digest, blocking)} {messages}", hint=hint, cli_hint=cli_hint)
    if target.exists():
        content = _read_content(target)
        if _is_rejection(content, plan):
            raise NotApprovedError(
                _rejection_message(content, plan),
                hint=f"If the reviewer has withdrawn the rejection, delete {target} and approve the plan again.",
            )


def _check_reason(reason: str) -> None:
    check_text(reason, "reject")
    if len(canonical_json(reason)) > MAX_REASON_LENGTH:
        raise InputError(
            f"The reason in `reject` must have at most {MAX_REASON_LENGTH:,} characters, got {len(reason):,}."
        )


def format_approval(approval: Mapping[str, str]) -> str:
    """
    Format an approval that is stored in a journal or a receipt as a phrase.

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


def check_approval(plan: Plan, approval: ApprovalSource, *, earlier_approval: Mapping[str, str] = _NONE) -> Approval:
    """
    Return the approval of a plan if it is valid, otherwise raise NotApprovedError.

    A rejection in the folder of the plan file or of the approval file overrides all approvals.

    Parameters
    ----------
    plan
        The plan to apply.
    approval
        Digest of the plan, path of an approval file, or policy.
    earlier_approval
        Approval of the run that is resumed. The same approval is accepted even if it has expired since that run
        started. By default, no run is resumed.
    """
    check_rejections(plan, approval)
    if isinstance(approval, Policy):
        return _approval_by_policy(plan, approval)
    if _is_digest(approval):
        return _approval_by_digest(plan, str(approval).strip().lower())
    if not isinstance(approval, str | Path) or not str(approval).strip():
        raise NotApprovedError(f"`approval` must be a digest, an approval file, or a policy, got {approval!r}.")
    return _approval_by_file(plan, approval, earlier_approval)


def _is_digest(approval: object) -> bool:
    return isinstance(approval, str) and _DIGEST.fullmatch(approval.strip()) is not None


def _approval_by_policy(plan: Plan, policy: Policy) -> Approval:
    refusals = policy.refusals(plan)
    if refusals:
        reasons = "".join(f"\n  {reason}" for reason in refusals)
        raise NotApprovedError(
            f"The policy {policy.name} does not allow plan {plan.digest[:12]}:{reasons}\n"
            "A reviewer must approve the plan."
        )
    return Approval("policy", plan.digest, f"{policy.name} of {policy.by}")


def _approval_by_digest(plan: Plan, digest: str) -> Approval:
    if len(digest) < MIN_DIGEST_LENGTH:
        raise NotApprovedError(
            f"The digest {digest!r} is too short. Pass at least the first {MIN_DIGEST_LENGTH} of its 64 hex digits."
        )
    if not plan.digest.startswith(digest):
        raise NotApprovedError(
            f"The digest {digest[:12]} belongs to another plan. The digest of this plan is {plan.digest[:12]}. "
            "Review this plan and pass its digest."
        )
    return Approval("digest" if plan.path else "self", plan.digest)


def _approval_by_file(plan: Plan, path: str | Path, earlier_approval: Mapping[str, str]) -> Approval:
    content = _read_content(Path(path))
    _check_texts(content, path)
    until, at = _timestamp(content["until"], path), _timestamp(content["at"], path)
    if content["digest"] != plan.digest:
        raise NotApprovedError(
            f"{path} is an approval of plan {content['digest'][:12]}, not of plan {plan.digest[:12]}."
        )
    if _timestamp(content["planned_at"], path) != plan.planned_at:
        raise NotApprovedError(
            f"{path} is an approval of another file of plan {plan.digest[:12]}. The approved file was created at "
            f"{content['planned_at'][:16]}, and this file at {plan.planned_at:%Y-%m-%dT%H:%M}. Approve "
            "this plan file separately."
        )
    if _is_rejection(content, plan):
        raise NotApprovedError(_rejection_message(content, plan))
    now = datetime.now(UTC)
    if at > now + CLOCK_TOLERANCE:
        raise NotApprovedError(
            f"{path} was created at {format_utc(at)}, which is in the future: the time of this machine is "
            f"{format_utc(now)}. Correct the clock of this machine or of the reviewer's machine."
        )
    how = "self" if canonical_json(content) in _OWN_APPROVALS else "person"
    approval = Approval(how, plan.digest, content["by"], at)
    is_resumed = {**approval.to_dict(), "how": earlier_approval.get("how")} == earlier_approval
    if now > until and not is_resumed:
        raise NotApprovedError(
            f"The approval of plan {plan.digest[:12]} by {content['by']} expired at {format_utc(until)}. "
            "Ask the reviewer for a new approval."
        )
    return approval


def check_rejections(plan: Plan, approval: ApprovalSource) -> None:
    """
    Raise NotApprovedError if the plan is rejected.

    The function searches the folders that contain the plan file and the approval file. A corrupt file that might be a
    rejection of the plan also raises NotApprovedError.
    """
    for folder in _searched_folders(plan, approval):
        for path, data in _small_files(folder):
            decision = read_decision(path, plan) if _is_approval(path, data) else None
            if decision is None and _is_corrupt_rejection(path, data, plan):
                raise NotApprovedError(
                    f"{path} is corrupt and might be a rejection of plan {plan.digest[:12]}. Ask the reviewer for a "
                    "new file. If the file belongs to another plan, delete it."
                )
            if decision is not None and not decision.approved:
                raise NotApprovedError(
                    decision.message, hint=f"If the reviewer has withdrawn the rejection, delete {path}."
                )


def _searched_folders(plan: Plan, approval: ApprovalSource) -> list[Path]:
    """Return the folders that contain the plan file and the approval file, to search them for rejections."""
    folders = set()
    if plan.path:
        folders.add(plan.path.parent)
    if isinstance(approval, str | Path) and not _is_digest(approval):
        with suppress(RuntimeError, OSError):  # An invalid path raises an error when the file is read.
            folder = Path(approval).expanduser().parent
            if folder.is_dir():
                folders.add(folder)
    return sorted(folders)


def decision_files(folder: Path) -> list[Path]:
    """
    Return the paths of the approval and rejection files in a folder.

    A file is included if its name contains ".approval", or if it was downloaded from the review page. Downloaded
    files are identified by their content, because browsers and users might rename them.
    """
    return [path for path, data in _small_files(folder) if _is_approval(path, data)]


def list_folder(folder: Path) -> list[Path]:
    """Return the sorted paths in a folder, or [] if it does not exist; raise InputError if it cannot be read."""
    try:
        return sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise InputError(
            f"Cannot read {folder}: {error.strerror}. The folder might contain a rejection. Give the account that "
            "applies plans permission to read it."
        ) from error


def _small_files(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield the path and content of each file in a folder. The content of unreadable and large files is b""."""
    for path in list_folder(folder):
        data = b""
        with suppress(OSError):
            if path.is_file() and path.stat().st_size <= MAX_FILE_SIZE:
                data = path.read_bytes()
        yield path, data


def _is_approval(path: Path, data: bytes) -> bool:
    return kind_of(data) == "approval" and (".approval" in path.name or b'"from": "page"' in data)


def _is_corrupt_rejection(path: Path, data: bytes, plan: Plan) -> bool:
    """Return True if a corrupt file contains or might contain a rejection of the plan."""
    digest = _DIGEST_FIELD.search(data)
    is_named_rejection = ".rejected.approval" in path.name
    if digest is None:
        is_suspect = is_named_rejection
    elif digest[1].decode() == plan.digest:
        is_suspect = is_named_rejection or b'"decision": "rejected"' in data
    else:
        is_suspect = False
    return is_suspect and not _is_readable(path)


def _is_readable(path: Path) -> bool:
    with suppress(FrgroupsError):
        _read_content(path)
        return True
    return False


def read_decision(path: Path, plan: Plan) -> Decision | None:
    """
    Read the decision about a plan from an approval file.

    The result is None if the approval file cannot be read or belongs to another plan. An approval applies to one plan
    file. A rejection applies to all plans with the same digest, even if other fields of the rejection are invalid.
    """
    with suppress(FrgroupsError):
        content = _read_content(path)
        if _is_rejection(content, plan):
            return Decision(False, str(content["by"]), _NEVER, _rejection_message(content, plan))
        if content["digest"] == plan.digest and _timestamp(content["planned_at"], path) == plan.planned_at:
            return Decision(True, str(content["by"]), _timestamp(content["until"], path))
    return None


def _is_rejection(content: Mapping[str, Any], plan: Plan) -> bool:
    """Return True if an approval file rejects the plan. Any decision except "approved" is a rejection."""
    return bool(content["digest"] == plan.digest and content["decision"] != "approved")


def _rejection_message(content: Mapping[str, Any], plan: Plan) -> str:
    return f"{content['by']} rejected plan {plan.digest[:12]}: {content['reason'] or 'no reason given'}."


def _read_content(path: Path) -> dict[str, Any]:
    """Return the fields of an approval file without validating their values."""
    try:
        exists = path.expanduser().exists()
    except (OSError, RuntimeError, ValueError):
        exists = False
    if not exists:
        # The path is shown without safe_repr(), which would redact "tenant@host" as an email address.
        name = str(path)[:MAX_PATH_LENGTH]
        raise NotApprovedError(f"{name!r} is neither a digest nor an existing approval file.")
    content = read_checksummed(path, "approval")
    missing = _FIELDS - set(content)
    if missing:
        raise _corrupt_approval(path, f"the fields {format_list(sorted(missing))} are missing")
    return content


def _check_texts(content: Mapping[str, Any], path: str | Path) -> None:
    """Raise CorruptFileError if a field is not a string, or if the name is empty."""
    invalid = sorted(name for name in _FIELDS if not isinstance(content[name], str))
    if invalid:
        raise _corrupt_approval(path, f"the fields {format_list(invalid)} must be strings")
    if not content["by"].strip():
        raise _corrupt_approval(path, "the field 'by' must contain a name")


def _timestamp(text: str, path: str | Path) -> datetime:
    try:
        timestamp = datetime.fromisoformat(text)
        in_utc = timestamp.astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise _corrupt_approval(path, f"{text!r} is not a valid timestamp") from error
    if timestamp.tzinfo is None:
        raise _corrupt_approval(path, f"the timestamp {text!r} has no time zone")
    return in_utc


def _corrupt_approval(path: str | Path, reason: str) -> CorruptFileError:
    """Return the error for an approval file with missing or invalid fields."""
    return CorruptFileError(f"{path} is corrupt: {reason}. Create the approval again.")
