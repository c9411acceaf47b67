"""Write and read overrides, which allow one plan to be applied during a freeze or outside the apply windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from frgroups.errors import CorruptFileError, InputError
from frgroups.internals.checksummed_json import read_checksummed, shorten_digests, write_checksummed
from frgroups.internals.formatting import format_utc
from frgroups.internals.redaction import mask_explicit_contacts
from frgroups.internals.timestamps import CLOCK_TOLERANCE, parse_stored_timestamp
from frgroups.internals.validation import check_type, name_problem
from frgroups.plan.plan import Plan
from frgroups.review.approval import check_reason, check_valid_for
from frgroups.review.approval_files import MAX_VALID_FOR, nonblank
from frgroups.review.rejections import check_person

KIND = "override"
VALID_FOR = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Override:
    """
    Permission to apply one plan during a freeze or outside the apply windows.

    Attributes
    ----------
    by
        Name of the person who is responsible for the override.
    reason
        Reason for the override.
    at, until
        Time at which the override was created, and time at which it expires.
    """

    by: str
    reason: str
    at: datetime
    until: datetime

    def to_dict(self) -> dict[str, str]:
        """Convert the override to a dictionary for journals, receipts, and JSON output."""
        return {
            "by": self.by,
            "reason": self.reason,
            "at": self.at.isoformat(),
            "until": self.until.isoformat(),
        }

    def problem(self, now: datetime) -> str:
        """Return the reason why the override is not valid at `now`, or "" if it is valid."""
        if self.at > now + CLOCK_TOLERANCE:
            return (
                f"The override by {self.by} was created at {format_utc(self.at)}, but the time of this machine is "
                f"{format_utc(now)}. Correct the clock of this machine or of the machine that created the override."
            )
        if now > self.until:
            return f"The override by {self.by} expired at {format_utc(self.until)}."
        return ""


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    """Keys and value types of an override file."""

    digest: str
    by: str
    reason: str
    at: str
    until: str


def override_windows(
    plan: Plan, path: str | Path, *, by: str, reason: str, valid_for: timedelta | str = VALID_FOR
) -> Path:
    """
    Write an override, which allows a plan to be applied during a freeze or outside the apply windows.

    Pass the file to `apply_plan(override=...)`. The override is valid only for plans with the same digest, so an undo
    plan needs its own override. The override does not replace the approval. The receipt contains the name, the
    reason, and the time of the override. The file does not prove the person's identity.

    Parameters
    ----------
    plan
        The plan to apply.
    path
        The override file to write.
    by
        Name of the person who is responsible for the override.
    reason
        Reason for the override. Email addresses and phone numbers in the reason are masked.
    valid_for
        Time until the override expires, as a timedelta or a string such as "2h". The default is 24 hours, and the
        maximum is 31 days.

    Returns
    -------
    Path
        The absolute path of the override file.

    Raises
    ------
    InputError
        The name or the reason is empty, the reason is too long, `valid_for` is 0 or longer than 31 days, or the file
        cannot be written.

    See Also
    --------
    apply_windows_path : Path of the file with the freeze periods and apply windows.

    Examples
    --------
    >>> import tempfile
    >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     override_windows(plan, f"{folder}/vip.override.json", by="Kari", reason="wrong price in shops").name
    'vip.override.json'
    """
    check_type(plan, Plan, "plan")
    name = check_person(by, "person responsible for the override")
    check_reason(reason, "reason")
    if not nonblank(reason):
        raise InputError("The reason for the override is missing.", hint="Pass `reason`.", cli_hint="Pass --reason.")
    now = datetime.now(UTC)
    content = {
        "digest": plan.digest,
        "by": name,
        "reason": mask_explicit_contacts(reason.strip()),
        "at": now.isoformat(),
        "until": (now + check_valid_for(valid_for)).isoformat(),
    }
    return write_checksummed(path, KIND, content)


def read_override(path: str | Path, plan: Plan) -> Override:
    """
    Return the override in a file, even if it has expired.

    Raises
    ------
    InputError
        The file cannot be read, is not an override, or is an override for another plan.
    CorruptFileError
        The file was damaged or edited.
    """
    content = read_checksummed(path, KIND)
    try:
        stored = msgspec.convert(content, _Content)
        at, until = parse_stored_timestamp(stored.at), parse_stored_timestamp(stored.until)
        if name_problem(stored.by) or not nonblank(stored.reason) or until - at > MAX_VALID_FOR:
            raise ValueError("the name, the reason, or the duration is invalid")
    except (msgspec.ValidationError, ValueError) as error:
        raise CorruptFileError(
            f"{path} is corrupt: its content is not an override ({str(error).removesuffix('.')}). Create the "
            "override again.",
            path=Path(path),
        ) from error
    if stored.digest != plan.digest:
        allowed, expected = shorten_digests(stored.digest, plan.digest)
        raise InputError(
            f"{path} is an override for plan {allowed}, not for plan {expected}. Create an override for plan "
            f"{expected}."
        )
    return Override(stored.by, stored.reason, at, until)


def format_override(override: Mapping[str, str]) -> str:
    """
    Format an override from a journal or a receipt as a phrase.

    Examples
    --------
    >>> format_override({"by": "Kari", "reason": "wrong price", "at": "2026-11-27T08:10:00+00:00", "until": ""})
    'by Kari, 2026-11-27 08:10 UTC: wrong price'
    """
    at = format_utc(datetime.fromisoformat(override["at"]))
    return f"by {override['by']}, {at}: {override['reason']}"
