"""
Write, find and check approvals: small files that record a decision on the plan with a given digest.

An approval file records a decision. It does not authenticate the person who made it.
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
from frgroups.plan.plan import Plan
from frgroups.review.approval_policy import Policy

VALID_FOR = timedelta(hours=72)
CLOCK_TOLERANCE = timedelta(minutes=10)  # Maximum clock difference between the machines that plan, approve and apply.
MAX_FILE_SIZE = 65_536  # bytes; larger files are skipped when approvals are searched
MAX_PATH_LENGTH = 300  # characters of a path in an error
MAX_REASON_LENGTH = 10_000  # characters including JSON escapes, so that every approval is smaller than MAX_FILE_SIZE
MIN_DIGEST_LENGTH = 12
ApprovalSource = str | Path | Policy
_NONE: Mapping[str, str] = MappingProxyType({})
_NEVER = datetime.max.replace(tzinfo=UTC)  # A rejection does not expire.
_DIGEST = re.compile(r"[0-9a-fA-F]{1,64}")
_DIGEST_FIELD = re.compile(rb'"digest":\s*"([0-9a-f]{64})"')
_FIELDS = {"digest", "planned_at", "decision", "reason", "by", "at", "until"}
# The approvals that this process wrote, as canonical JSON.
_OWN_APPROVALS: set[str] = set()


@dataclass(frozen=True, slots=True)
class Approval:
    """
    How a plan was approved.

    Attributes
    ----------
    how
        "person" (an approval file that another process wrote), "self" (by the process that made the plan or wrote
        the approval file), "digest" (the digest alone, of a plan read from a file) or "policy".
    digest
        The digest of the plan.
    by
        The name in the approval file, or the policy and the person responsible for it, or "".
    at
        When the approval file was written, or None.
    """

    how: str
    digest: str
    by: str = ""
    at: datetime | None = None

    def to_dict(self) -> dict[str, str]:
        """Return the values for the journal and the receipt."""
        return {"how": self.how, "by": self.by, "at": self.at.isoformat() if self.at else ""}


@dataclass(frozen=True, slots=True)
class Decision:
    """
    The decision on one plan in an approval file.

    Attributes
    ----------
    approved
        True for an approval, False for a rejection.
    by
        The name in the file.
    until
        When the approval expires. A rejection does not expire.
    message
        Who rejected the plan, and why; "" for an approval.
    """

    approved: bool
    by: str
    until: datetime
    message: str = ""


def approve_plan(
    plan: Plan, path: str | Path, *, by: str, reject: str | None = None, valid_for: timedelta | str = VALID_FOR
) -> Path:
    """
    Write an approval or a rejection of a plan, and return its absolute path.

    An approval allows one plan file. A rejection blocks every plan that makes the same changes, while its file is in
    a folder that `apply_plan` searches. The file records the name that the caller gives and does not authenticate it.

    Parameters
    ----------
    plan
        The plan to approve or reject.
    path
        The file to write. `apply_plan` searches the folder of the plan file and the folder of the approval file for
        rejections. It finds files with ".approval" in their name, and files that the review page created.
    by
        Name of the person who decides.
    reject
        Reason to reject the plan. None approves it.
    valid_for
        How long an approval is valid, such as "24h". The default is 72 hours.

    Raises
    ------
    InputError
        The name is missing, the reason is too long, or the file cannot be written.
    NotApprovedError
        A limit blocks the plan, or the file already contains a rejection of the plan.

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
            "An approval needs the name of the person who agrees.",
            hint="Pass by= with the name of the reviewer.",
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
        messages = " ".join(finding.message for finding in plan.findings if finding.blocking)
        raise NotApprovedError(
            f"Plan {plan.digest[:12]} is blocked and cannot be approved: {messages} Make a plan with other limits."
        )
    if target.exists():
        content = _read_content(target)
        if _is_rejection(content, plan):
            raise NotApprovedError(
                f"{_rejection_message(content, plan)} If the rejection was withdrawn, delete {target} and approve "
                "again."
            )


def _check_reason(reason: str) -> None:
    check_text(reason, "reject")
    if len(canonical_json(reason)) > MAX_REASON_LENGTH:
        raise InputError(
            f"The reason of a rejection can have {MAX_REASON_LENGTH:,} characters at most, not {len(reason):,}."
        )


def format_approval(approval: Mapping[str, str]) -> str:
    """
    Return how and by whom a plan was approved, from the approval in a journal or receipt.

    Examples
    --------
    >>> format_approval({"how": "person", "by": "Kari", "at": "2026-11-03T08:10:00+00:00"})
    'by Kari, 2026-11-03 08:10 UTC'
    >>> format_approval({"how": "self", "by": "", "at": ""})
    'by the process that created it'
    >>> format_approval({"how": "", "by": "", "at": ""})
    'by a method that this version does not support'
    """
    by, when, alias = approval["by"], "", ""
    if approval["at"]:
        when = f", {format_utc(datetime.fromisoformat(approval['at']))}"
    if by:
        alias = f", as {by}"
    texts = {
        "person": f"by {by}{when}",
        "self": f"by the process that created it{alias}{when}",
        "digest": "by its digest alone",
        "policy": f"by the policy {by}",
    }
    return texts.get(approval["how"], "by a method that this version does not support")


def check_approval(plan: Plan, approval: ApprovalSource, *, earlier_approval: Mapping[str, str] = _NONE) -> Approval:
    """
    Return the approval of a plan; raise NotApprovedError if the plan is not approved.

    A rejection in the folder of the plan file or of the approval file overrides every approval.

    Parameters
    ----------
    plan
        The plan to apply.
    approval
        A digest, the path of an approval file, or a policy.
    earlier_approval
        The approval with which the plan was started. It was valid then, so it can have expired since.
    """
    check_rejections(plan, approval)
    if isinstance(approval, Policy):
        return _approval_by_policy(plan, approval)
    if _is_digest(approval):
        return _approval_by_digest(plan, str(approval).strip().lower())
    if not isinstance(approval, str | Path) or not str(approval).strip():
        raise NotApprovedError(f"{approval!r} is neither a digest, an approval file nor a policy.")
    return _approval_by_file(plan, approval, earlier_approval)


def _is_digest(approval: object) -> bool:
    return isinstance(approval, str) and _DIGEST.fullmatch(approval.strip()) is not None


def _approval_by_policy(plan: Plan, policy: Policy) -> Approval:
    refusals = policy.refusals(plan)
    if refusals:
        raise NotApprovedError(
            f"The policy {policy.name} does not allow plan {plan.digest[:12]}: {' '.join(refusals)} "
            "A person must review it."
        )
    return Approval("policy", plan.digest, f"{policy.name} of {policy.by}")


def _approval_by_digest(plan: Plan, digest: str) -> Approval:
    if len(digest) < MIN_DIGEST_LENGTH:
        raise NotApprovedError(
            f"{digest!r} is too short to identify a plan. Give at least the first {MIN_DIGEST_LENGTH} of its 64 hex "
            "digits."
        )
    if not plan.digest.startswith(digest):
        raise NotApprovedError(
            f"{digest[:12]} is the digest of another plan; this one is {plan.digest[:12]}. "
            "Review this plan and approve its digest."
        )
    return Approval("digest" if plan.path else "self", plan.digest)


def _approval_by_file(plan: Plan, path: str | Path, earlier_approval: Mapping[str, str]) -> Approval:
    content = _read_content(Path(path))
    _check_texts(content, path)
    until, at = _timestamp(content["until"], path), _timestamp(content["at"], path)
    if content["digest"] != plan.digest:
        raise NotApprovedError(f"{path} approves plan {content['digest'][:12]}, not this one, {plan.digest[:12]}.")
    if _timestamp(content["planned_at"], path) != plan.planned_at:
        raise NotApprovedError(
            f"{path} approves the plan file {plan.digest[:12]} of {content['planned_at'][:16]}, and this one is of "
            f"{plan.planned_at:%Y-%m-%dT%H:%M}. One approval is for one plan file."
        )
    if _is_rejection(content, plan):
        raise NotApprovedError(_rejection_message(content, plan))
    now = datetime.now(UTC)
    if at > now + CLOCK_TOLERANCE:
        raise NotApprovedError(
            f"{path} was approved at {format_utc(at)}, but the clock of this machine shows "
            f"{format_utc(now)}. Is a clock wrong?"
        )
    how = "self" if canonical_json(content) in _OWN_APPROVALS else "person"
    approval = Approval(how, plan.digest, content["by"], at)
    is_resumed = {**approval.to_dict(), "how": earlier_approval.get("how")} == earlier_approval
    if now > until and not is_resumed:
        raise NotApprovedError(
            f"The approval of plan {plan.digest[:12]} by {content['by']} was valid until {format_utc(until)}. "
            "Ask for a new approval."
        )
    return approval


def check_rejections(plan: Plan, approval: ApprovalSource) -> None:
    """Raise NotApprovedError if a searched folder contains a rejection of this plan, or a file that may be one."""
    for folder in _searched_folders(plan, approval):
        for path, data in _small_files(folder):
            decision = read_decision(path, plan) if _is_approval(path, data) else None
            if decision is None and _is_corrupt_rejection(path, data, plan):
                raise NotApprovedError(
                    f"{path} is corrupt, and may be a rejection of plan {plan.digest[:12]}. Create it again, or "
                    "delete it if it is about another plan."
                )
            if decision is not None and not decision.approved:
                raise NotApprovedError(f"{decision.message} If the rejection was withdrawn, delete {path}.")


def _searched_folders(plan: Plan, approval: ApprovalSource) -> list[Path]:
    """Return the folders of the plan file and of the approval file."""
    folders = set()
    if plan.path:
        folders.add(plan.path.parent)
    if isinstance(approval, str | Path) and not _is_digest(approval):
        with suppress(RuntimeError, OSError):  # An unknown user or an invalid name: reading the file reports it.
            folder = Path(approval).expanduser().parent
            if folder.is_dir():
                folders.add(folder)
    return sorted(folders)


def decision_files(folder: Path) -> list[Path]:
    """
    Return the approvals and rejections in a folder.

    A file counts if its name contains ".approval", or if the review page created it. Browsers and users rename the
    files of the page, so these are identified by their content.
    """
    return [path for path, data in _small_files(folder) if _is_approval(path, data)]


def list_folder(folder: Path) -> list[Path]:
    """Return the sorted content of a folder, or [] if it does not exist; raise InputError if it cannot be read."""
    try:
        return sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise InputError(
            f"Cannot search the folder {folder} for plans, approvals and rejections: {error.strerror}. "
            "Give the account that applies plans permission to read it."
        ) from error


def _small_files(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield each path in a folder with its content, which is b"" if it is unreadable or larger than an approval."""
    for path in list_folder(folder):
        data = b""
        with suppress(OSError):
            if path.is_file() and path.stat().st_size <= MAX_FILE_SIZE:
                data = path.read_bytes()
        yield path, data


def _is_approval(path: Path, data: bytes) -> bool:
    return kind_of(data) == "approval" and (".approval" in path.name or b'"from": "page"' in data)


def _is_corrupt_rejection(path: Path, data: bytes, plan: Plan) -> bool:
    """Return True if an unreadable file was a rejection of this plan, or may have been one according to its name."""
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
    Return the decision on a plan in an approval file, or None if it is about another plan or cannot be read.

    An approval is for one plan file. A rejection is for every plan with the same digest, whatever else the file
    contains.
    """
    with suppress(FrgroupsError):
        content = _read_content(path)
        if _is_rejection(content, plan):
            return Decision(False, str(content["by"]), _NEVER, _rejection_message(content, plan))
        if content["digest"] == plan.digest and _timestamp(content["planned_at"], path) == plan.planned_at:
            return Decision(True, str(content["by"]), _timestamp(content["until"], path))
    return None


def _is_rejection(content: Mapping[str, Any], plan: Plan) -> bool:
    """Return True if the content of an approval file rejects a plan: any decision except "approved" does."""
    return bool(content["digest"] == plan.digest and content["decision"] != "approved")


def _rejection_message(content: Mapping[str, Any], plan: Plan) -> str:
    return f"{content['by']} rejected plan {plan.digest[:12]}: {content['reason'] or 'no reason given'}."


def _read_content(path: Path) -> dict[str, Any]:
    """Return the fields of an approval file; their values are not checked."""
    try:
        exists = path.expanduser().exists()
    except (OSError, RuntimeError, ValueError):
        exists = False
    if not exists:
        # A path is not masked: the default paths contain "tenant@host", which looks like an email address.
        name = str(path)[:MAX_PATH_LENGTH]
        raise NotApprovedError(f"{name!r} is neither a digest nor an approval file that exists.")
    content = read_checksummed(path, "approval")
    missing = _FIELDS - set(content)
    if missing:
        raise _corrupt_approval(path, f"the fields {format_list(sorted(missing))} are missing")
    return content


def _check_texts(content: Mapping[str, Any], path: str | Path) -> None:
    """Raise CorruptFileError if a field is not text, or if the name is empty."""
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
