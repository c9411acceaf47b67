"""Who agreed to which plan: a small file bound to a digest. It records a decision, it does not authenticate."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from frgroups.errors import CorruptFileError, FrgroupsError, InputError, NotApprovedError
from frgroups.internals.checksummed_json import canonical_json, read_checksummed, write_checksummed
from frgroups.internals.redaction import safe_repr
from frgroups.internals.timestamps import parse_duration
from frgroups.internals.validation import check_text, check_type
from frgroups.plan.plan import Plan
from frgroups.review.approval_policy import Policy

VALID_FOR = timedelta(hours=72)
CLOCK_TOLERANCE = timedelta(minutes=10)  # at most, between the machines of who plans, approves and applies
_NONE: Mapping[str, str] = MappingProxyType({})
_NEVER = datetime.max.replace(tzinfo=UTC)  # A no does not end.
_WRITTEN_HERE: set[str] = set()
Approve = str | Path | Policy
MAX_BYTES = 65_536  # A larger file is looked at by no one who looks for approvals,
MAX_REASON_LENGTH = 10_000  # and no approval is that large: so many characters, escapes included.
_DIGEST_TOLD = re.compile(rb'"digest":\s*"([0-9a-f]{64})"')
_DIGEST = re.compile(r"[0-9a-fA-F]{1,64}")
_TEXTS = {"digest", "planned_at", "decision", "reason", "by", "at", "until"}


@dataclass(frozen=True, slots=True)
class Approval:
    """
    How a plan was approved, and by whom as far as that was told.

    `how` is "person" (an approval file that another process wrote), "self" (by the process that made the plan, or
    that wrote the approval), "digest" (its digest alone, by somebody who read the plan's file) or "policy". `by` is
    the name in the file, or the policy and who answers for it, or "".
    """

    how: str
    digest: str
    by: str = ""
    at: datetime | None = None

    def to_dict(self) -> dict[str, str]:
        """As plain values, for the journal and the receipt."""
        return {"how": self.how, "by": self.by, "at": self.at.isoformat() if self.at else ""}


def approve_plan(
    plan: Plan, path: str | Path, *, by: str, reject: str | None = None, valid_for: timedelta | str = VALID_FOR
) -> Path:
    """
    Write an approval of exactly this plan, valid for 72 hours, and return its absolute path.

    With `reject` (a reason) the file says no, and `apply_plan` refuses it. Anyone who can write a file can
    write this one: it says who is told to have agreed, and proves nothing about who that was. A yes is of this plan
    file alone; a no is of every plan that would do the same, as long as its file lies where it is looked for.

    Parameters
    ----------
    path
        The file to write. `apply_plan` finds a rejection whose name has .approval in it, or that was made on the
        review page, in the folder of the plan's file and in that of the approval.
    by
        Who decides.
    reject
        Why not.
    valid_for
        How long the yes is open, such as "24h".

    Raises
    ------
    InputError
        No name, a reason that is too long, or a file that cannot be written.
    NotApprovedError
        The plan is blocked by a limit, or was rejected in this very file.

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
    if reject is not None:
        check_text(reject, "reject")
        if len(canonical_json(reject)) > MAX_REASON_LENGTH:
            raise InputError(
                f"The reason of a rejection has {MAX_REASON_LENGTH:,} characters at most, not {len(reject):,}."
            )
    if reject is None and plan.blocked:
        broken = " ".join(finding.message for finding in plan.findings if finding.blocking)
        raise NotApprovedError(
            f"Plan {plan.digest[:12]} is blocked and cannot be approved: {broken} Make a plan with other limits."
        )
    target = Path(path).expanduser()
    if reject is None and target.exists() and (refused := rejection(plan, target)):
        raise NotApprovedError(f"{refused} Delete {target} if that was taken back, then approve.")
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
    _WRITTEN_HERE.add(canonical_json(content))
    return written


def approved_in_words(approval: Mapping[str, str]) -> str:
    """
    How and by whom, from what a journal or receipt keeps of an approval.

    >>> approved_in_words({"how": "person", "by": "Kari", "at": "2026-11-03T08:10:00+00:00"})
    'by Kari, 2026-11-03 08:10 UTC'
    >>> approved_in_words({"how": "self", "by": "", "at": ""})
    'by whoever made it, in the same process'
    >>> approved_in_words({"how": "", "by": "", "at": ""})
    'in a way that this version does not know'
    """
    by, at = approval["by"], approval["at"]
    when = f", {datetime.fromisoformat(at).astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at else ""
    return {
        "person": f"by {by}{when}",
        "self": f"by whoever made it, in the same process{f', as {by}' if by else ''}{when}",
        "digest": "by its digest alone",
        "policy": f"by the policy {by}",
    }.get(approval["how"], "in a way that this version does not know")


def check_approval(plan: Plan, approve: Approve, *, begun: Mapping[str, str] = _NONE) -> Approval:
    """
    The approval of this plan in a digest or an approval file; NotApprovedError when it is none.

    A rejection in the folder of the plan's file, or of the approval, counts, whatever the approval says. `begun` is
    the approval that the plan was begun with: it was open then, so what it allowed may be brought to its end.
    """
    check_rejections(plan, approve)
    if isinstance(approve, Policy):
        return _by_policy(plan, approve)
    if isinstance(approve, str) and _DIGEST.fullmatch(approve.strip()):
        return _by_digest(plan, approve.strip().lower())
    if not isinstance(approve, str | Path) or not str(approve).strip():
        raise NotApprovedError(f"{approve!r} is neither a digest, an approval file nor a policy.")
    content = _read(Path(approve))
    _check_texts(content, approve)
    until, at = _moment(content["until"], approve), _moment(content["at"], approve)
    if content["digest"] != plan.digest:
        raise NotApprovedError(f"{approve} approves plan {content['digest'][:12]}, not this one, {plan.digest[:12]}.")
    if _moment(content["planned_at"], approve) != plan.planned_at:
        raise NotApprovedError(
            f"{approve} approves plan {plan.digest[:12]} as it was made at {content['planned_at'][:16]}; this one "
            f"was made at {plan.planned_at:%Y-%m-%dT%H:%M}. One approval is for one apply."
        )
    if refused := rejection(plan, approve):
        raise NotApprovedError(refused)
    if at > datetime.now(UTC) + CLOCK_TOLERANCE:
        raise NotApprovedError(
            f"{approve} was approved at {at:%Y-%m-%d %H:%M} UTC, and by the clock of this machine it is "
            f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC. Is a clock wrong?"
        )
    how = "self" if canonical_json(content) in _WRITTEN_HERE else "person"
    approval = Approval(how, plan.digest, content["by"], at)
    if datetime.now(UTC) > until and {**approval.to_dict(), "how": begun.get("how")} != begun:
        raise NotApprovedError(
            f"The approval of plan {plan.digest[:12]} by {content['by']} was valid until "
            f"{until:%Y-%m-%d %H:%M} UTC. Ask again."
        )
    return approval


def check_rejections(plan: Plan, approve: Approve) -> None:
    """Raise NotApprovedError when a rejection of this plan, or what may be one, lies where it is looked for."""
    folders = {plan.path.parent} if plan.path else set()
    if isinstance(approve, Path) or (isinstance(approve, str) and not _DIGEST.fullmatch(approve.strip())):
        with suppress(RuntimeError, OSError):  # No such user, no such name: `_read` says that there is no such file.
            folder = Path(approve).expanduser().parent
            folders |= {folder} if folder.is_dir() else set()
    for path in (path for folder in sorted(folders) for path in files_in(folder)):
        held = _bytes_of_small(path)
        if _is_approval(path, held) and (decision := read_decision(path, plan)):
            if not decision.approved:
                raise NotApprovedError(f"{rejection(plan, path)} Delete {path} if that was taken back.")
        elif _is_corrupt_rejection(path, held, plan):
            raise NotApprovedError(
                f"{path} was cut or altered, and says no, perhaps to plan {plan.digest[:12]}. Have it made anew, "
                "or delete it if it is of another."
            )


def _is_corrupt_rejection(path: Path, held: bytes, plan: Plan) -> bool:
    """Whether a file that cannot be read was a rejection of this plan, or by its name may have been one."""
    told = _DIGEST_TOLD.search(held)
    named, ours = ".rejected.approval" in path.name, told is not None and told[1].decode() == plan.digest
    if not (ours and b'"decision": "rejected"' in held) and not (named and (ours or told is None)):
        return False
    with suppress(FrgroupsError):
        _read(path)
        return False
    return True


def approval_files(folder: Path) -> list[Path]:
    """
    The approvals and rejections in a folder that say so by their name, or were made on the review page.

    What the page hands out is renamed by browsers and people, so it is known by what it holds.
    """
    return [path for path in files_in(folder) if _is_approval(path, _bytes_of_small(path))]


def files_in(folder: Path) -> list[Path]:
    """What is in a folder, in order of name, nothing where it is not there; InputError when that cannot be seen."""
    try:
        return sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise InputError(
            f"The folder {folder} cannot be looked through for plans, approvals and rejections: {error.strerror}. "
            "Let whoever applies read it."
        ) from error


def _is_approval(path: Path, held: bytes) -> bool:
    return b'"frgroups approval"' in held and (".approval" in path.name or b'"from": "page"' in held)


def _bytes_of_small(path: Path) -> bytes:
    """What a file holds; nothing of one that is larger than any approval, or cannot be read."""
    with suppress(OSError):
        if path.is_file() and path.stat().st_size <= MAX_BYTES:
            return path.read_bytes()
    return b""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a file says of a plan: who approves or rejects it, and until when a yes is open."""

    approved: bool
    by: str
    until: datetime


def read_decision(path: Path, plan: Plan) -> Decision | None:
    """
    The decision on this plan in this file; None when it is of another plan, or cannot be read.

    A yes is of one plan file; a no is of every plan that would do the same, and counts whatever else is in the file.
    """
    with suppress(FrgroupsError):
        content = _read(path)
        by = str(content["by"])
        if content["digest"] != plan.digest:
            return None
        if content["decision"] != "approved":
            return Decision(False, by, _NEVER)
        if _moment(content["planned_at"], path) == plan.planned_at:
            return Decision(True, by, _moment(content["until"], path))
    return None


def rejection(plan: Plan, path: str | Path) -> str:
    """Who rejected this plan in this file, and why; "" when the file does not."""
    content = _read(Path(path))
    if content["digest"] != plan.digest or content["decision"] == "approved":
        return ""
    return f"{content['by']} rejected plan {plan.digest[:12]}: {content['reason'] or 'no reason given'}."


def _by_digest(plan: Plan, digest: str) -> Approval:
    if len(digest) < 12:
        raise NotApprovedError(
            f"{digest!r} is too short to stand for a plan; give the first 12 of its 64 hex digits at least."
        )
    if not plan.digest.startswith(digest):
        raise NotApprovedError(
            f"{digest[:12]} is the digest of another plan; this one is {plan.digest[:12]}. "
            "Review this plan and approve its digest."
        )
    return Approval("digest" if plan.path else "self", plan.digest)


def _by_policy(plan: Plan, policy: Policy) -> Approval:
    if told := policy.refusals(plan):
        raise NotApprovedError(
            f"The policy {policy.name} does not allow plan {plan.digest[:12]}: {' '.join(told)} "
            "Have a person look at it."
        )
    return Approval("policy", plan.digest, f"{policy.name} of {policy.by}")


def _read(path: Path) -> dict[str, Any]:
    try:
        there = path.expanduser().exists()
    except (OSError, RuntimeError, ValueError):
        there = False
    if not there:
        raise NotApprovedError(f"{safe_repr(str(path))} is neither a digest nor an approval file that exists.")
    content = read_checksummed(path, "approval")
    if missing := _TEXTS - set(content):
        raise CorruptFileError(f"{path} is not a whole approval: it lacks {', '.join(sorted(missing))}.")
    return content


def _check_texts(content: Mapping[str, Any], path: str | Path) -> None:
    """Refuse an approval with something else than text in it."""
    if odd := sorted(name for name in _TEXTS if not isinstance(content[name], str)):
        raise CorruptFileError(f"{path} is not a whole approval: {', '.join(odd)} is no text. Have it made anew.")
    if not content["by"].strip():
        raise CorruptFileError(f"{path} is not a whole approval: it does not say who agreed. Have it made anew.")


def _moment(text: str, path: str | Path) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        in_utc = moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise CorruptFileError(f"{path} is not a whole approval: {text!r} is not a moment.") from error
    if moment.tzinfo is None:
        raise CorruptFileError(f"{path} is not a whole approval: {text!r} has no time zone.")
    return in_utc
