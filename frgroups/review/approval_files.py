"""
Find and read approval files.

An approval file contains the approval or the rejection of a plan. It is recognized by its content, because browsers
and users rename downloaded files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from frgroups.errors import CorruptFileError, FrgroupsError, NotApprovedError
from frgroups.internals.checksummed_json import kind_of, parse_checksummed, read_checksummed
from frgroups.internals.formatting import agree, format_duration, format_list, format_utc
from frgroups.internals.similar_text import clean_text
from frgroups.internals.timestamps import CLOCK_TOLERANCE
from frgroups.internals.validation import name_problem
from frgroups.plan.plan import Plan
from frgroups.review.decision_record import Rejection, changes_key
from frgroups.review.plan_folders import unreadable_folder

MAX_VALID_FOR = timedelta(days=31)
MAX_FILE_SIZE = 65_536  # Maximum size in bytes. The search for approval files skips larger files.
MAX_PATH_LENGTH = 300  # Maximum number of characters of a path in an error message.
_START = re.compile(rb'\s*\{\s*"checksum"')
_APPROVED = re.compile(rb'"decision":\s*"approved"')
_PLAN_FIELDS = re.compile(rb'"(?:changes|digest)":\s*"([0-9a-f]{64})"')
# This pattern matches JSON files that are not approval files, because the content of an approval file starts with the
# key "at".
# A key that is cut off after its first characters is not matched, because an incomplete approval file can end there.
_OTHER_CONTENT = re.compile(rb'"content":\s*\{\s*"(?!at"|a?t?\Z)')
_FIELDS = {"digest", "planned_at", "decision", "reason", "by", "at", "until"}


@dataclass(frozen=True, slots=True)
class FoundApproval:
    """
    An approval of a plan file that was found in a folder.

    Attributes
    ----------
    path
        The approval file.
    by
        Name of the reviewer.
    until
        Time at which the approval expires.
    """

    path: Path
    by: str
    until: datetime


@dataclass(frozen=True)
class DecisionFile:
    """
    A file that might be an approval file. The file is read once and parsed at most once.

    Attributes
    ----------
    path
        The resolved path of the file.
    data
        The bytes of the file, or b"" if it cannot be read.
    """

    path: Path
    data: bytes

    @cached_property
    def content(self) -> dict[str, Any] | None:
        """Fields of the approval file, or None if the file is corrupt or not an approval file."""
        if kind_of(self.data) == "approval":
            with suppress(FrgroupsError):
                return _checked_fields(self.path, parse_checksummed(self.path, "approval", self.data))
        return None


Scan = Callable[[Path], Iterable[DecisionFile]]


def found_rejections(plan: Plan, folders: Iterable[Path], scan: Scan | None = None) -> list[Rejection]:
    """
    Return the rejections of a plan's changes in the approval files of the given folders.

    A rejection applies to all plans with the same digest or the same changes, even if other fields of the file are
    invalid. NotApprovedError is raised if a corrupt file might be a rejection of the plan. To read each folder only
    once, pass the method `files` of a `DecisionReader` as `scan`.
    """
    key = changes_key(plan)
    rejections: dict[str, Rejection] = {}
    for file in _files_in(folders, scan):
        content = file.content
        if content is None:
            if _might_be_rejection(file.path, file.data, plan, key):
                raise NotApprovedError(
                    f"{file.path} is corrupt and might be a rejection of plan {plan.digest[:12]}. Ask the reviewer "
                    "for a new file. If the file belongs to another plan, delete it."
                )
        elif is_rejection(content, plan, key):
            rejection = rejection_in(content)
            rejections[rejection.id] = rejection
    return list(rejections.values())


def other_rejections(plan: Plan, folders: Iterable[Path], scan: Scan | None = None) -> list[Rejection]:
    """Return the rejections in the given folders that match neither the digest nor the changes of a plan."""
    key = changes_key(plan)
    contents = [file.content for file in _files_in(folders, scan)]
    return [
        rejection_in(content)
        for content in contents
        if content is not None and content["decision"] != "approved" and not is_rejection(content, plan, key)
    ]


def approvals_of_digest(plan: Plan, folders: Iterable[Path], scan: Scan | None = None) -> list[DecisionFile]:
    """Return the approval files that contain a plan's digest, including expired and corrupt files."""
    digest = plan.digest.encode()
    files = []
    for file in _files_in(folders, scan):
        if digest not in file.data or kind_of(file.data) != "approval":
            continue
        content = file.content
        if content is None or (content["digest"] == plan.digest and content["decision"] == "approved"):
            files.append(file)
    return files


def found_approvals(plan: Plan, folders: Iterable[Path], scan: Scan | None = None) -> list[FoundApproval]:
    """Return the approvals of a plan file in the given folders, including expired approvals."""
    approvals = []
    for file in approvals_of_digest(plan, folders, scan):
        path, content = file.path, file.content
        if content is None:
            continue
        with suppress(FrgroupsError):
            check_texts(content, path)
            check_applies(content, plan, path)
            if timestamp(content["planned_at"], path) == plan.planned_at:
                approvals.append(FoundApproval(path, content["by"], timestamp(content["until"], path)))
    return approvals


def rejection_files(plan: Plan, folders: Iterable[Path]) -> list[Path]:
    """Return the paths of the approval files that contain a rejection of a plan's changes."""
    key = changes_key(plan)
    paths = []
    for file in _files_in(folders):
        if file.content is not None and is_rejection(file.content, plan, key):
            paths.append(file.path)
    return paths


def is_rejection(content: Mapping[str, Any], plan: Plan, key: str) -> bool:
    """Return True if an approval file rejects a plan. Any decision except "approved" is a rejection."""
    is_of_plan = content["digest"] == plan.digest or content.get("changes") == key
    return is_of_plan and content["decision"] != "approved"


def rejection_in(content: Mapping[str, Any]) -> Rejection:
    """Return the rejection that an approval file records. Values that are not strings are converted to strings."""
    digest, by, reason, at = (str(content[name] or "") for name in ("digest", "by", "reason", "at"))
    return Rejection(digest, by, nonblank(reason), at)


def nonblank(reason: str) -> str:
    """Return a reason unchanged, or return "" if it contains only spaces and invisible characters."""
    return reason if clean_text(reason) else ""


def list_folder(folder: Path) -> list[Path]:
    """
    Return the sorted paths in a folder, or [] if the folder does not exist.

    InputError is raised for an unreadable folder, because it might contain a rejection.
    """
    try:
        return sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise unreadable_folder(folder, error) from error


def decision_files(folder: Path) -> list[DecisionFile]:
    """
    Return the files in a folder that might be approval files.

    Files larger than `MAX_FILE_SIZE` are skipped. An unreadable file is returned with empty content.
    """
    files = []
    for path in list_folder(folder):
        data = b""
        with suppress(OSError):
            if not path.is_file() or path.stat().st_size > MAX_FILE_SIZE:
                continue
            data = path.read_bytes()
        kind = kind_of(data)
        is_incomplete = not kind and _START.match(data) is not None
        if not data or ".approval" in path.name or b'"decision"' in data or kind == "approval" or is_incomplete:
            files.append(DecisionFile(path.resolve(), data))
    return files


def _files_in(folders: Iterable[Path], scan: Scan | None = None) -> Iterator[DecisionFile]:
    """Yield the files in the given folders that might be approval files. Each file is yielded once."""
    scan = scan or decision_files
    yield from {file.path: file for folder in folders for file in scan(folder)}.values()


def _might_be_rejection(path: Path, data: bytes, plan: Plan, key: str) -> bool:
    """
    Return True if a damaged file might be a rejection of the plan.

    A damaged file with the decision "approved" is not a rejection, unless its name contains ".rejected.approval". If
    a damaged file contains neither a digest nor a hash of changes, it might be a rejection of any plan.
    """
    is_named = ".approval" in path.name
    if _APPROVED.search(data) and ".rejected.approval" not in path.name:
        return False
    has_decision = b'"decision"' in data
    has_other_content = _OTHER_CONTENT.search(data) is not None and not has_decision and kind_of(data) != "approval"
    plans = {plan_id.decode() for plan_id in _PLAN_FIELDS.findall(data)}
    if plans:
        return not plans.isdisjoint((plan.digest, key)) and (is_named or not has_other_content)
    return is_named or (_START.match(data) is not None and not has_other_content)


def read_content(path: Path) -> dict[str, Any]:
    """Return the fields of an approval file without validating their values."""
    try:
        exists = path.expanduser().exists()
    except (OSError, RuntimeError, ValueError):
        exists = False
    if not exists:
        # Do not format the path with safe_repr(), because it would redact "tenant@host" as an email address.
        name = str(path)[:MAX_PATH_LENGTH]
        raise NotApprovedError(f"{name!r} is neither a digest nor an existing approval file.")
    return _checked_fields(path, read_checksummed(path, "approval"))


def _checked_fields(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an approval file, or raise CorruptFileError if a field is missing."""
    missing = _FIELDS - set(content)
    if missing:
        raise _corrupt_approval(path, f"{_fields(missing)} {agree(len(missing), 'is', 'are')} missing")
    return content


def check_texts(content: Mapping[str, Any], path: str | Path) -> None:
    """Raise CorruptFileError if a field is not a string, or if the name of the reviewer is empty or invalid."""
    invalid = {name for name in _FIELDS if not isinstance(content[name], str)}
    if invalid:
        raise _corrupt_approval(path, f"{_fields(invalid)} must be {agree(len(invalid), 'a string', 'strings')}")
    problem = name_problem(content["by"])
    if problem:
        raise _corrupt_approval(path, f"the name of the reviewer (field 'by') {problem}")


def check_applies(content: Mapping[str, Any], plan: Plan, path: str | Path) -> None:
    """
    Raise NotApprovedError if a file has impossible times, or if its hash does not match the plan's changes.

    The checksum does not prove that frgroups wrote the file. Therefore, values that neither `approve_plan` nor the
    review page can write are rejected.
    """
    until, at = timestamp(content["until"], path), timestamp(content["at"], path)
    if at < plan.planned_at - CLOCK_TOLERANCE:
        raise NotApprovedError(
            f"{path} was created at {format_utc(at)}, before plan {plan.digest[:12]} was created at "
            f"{format_utc(plan.planned_at)}. Correct the clocks of the machines that created the plan and the "
            "approval, and ask the reviewer for a new approval."
        )
    if until - at > MAX_VALID_FOR:
        raise NotApprovedError(
            f"{path} approves plan {plan.digest[:12]} until {format_utc(until)}, but an approval is valid for at "
            f"most {format_duration(MAX_VALID_FOR)}. Ask the reviewer for a new approval."
        )
    if content.get("changes", changes_key(plan)) != changes_key(plan):
        raise NotApprovedError(
            f"{path} contains the digest of plan {plan.digest[:12]}, but its hash of the changes is that of another "
            "plan. Ask the reviewer for a new approval."
        )


def _fields(names: set[str]) -> str:
    return f"{agree(len(names), 'the field', 'the fields')} {format_list(sorted(names))}"


def timestamp(text: str, path: str | Path) -> datetime:
    """Return a timestamp of an approval file in UTC, or raise CorruptFileError if it is invalid."""
    try:
        value = datetime.fromisoformat(text)
        in_utc = value.astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise _corrupt_approval(path, f"{text!r} is not a valid timestamp") from error
    if value.tzinfo is None:
        raise _corrupt_approval(path, f"the timestamp {text!r} has no time zone")
    return in_utc


def _corrupt_approval(path: str | Path, reason: str) -> CorruptFileError:
    """Return the error for an approval file with missing or invalid fields."""
    return CorruptFileError(f"{path} is corrupt: {reason}. Create the approval again.")
