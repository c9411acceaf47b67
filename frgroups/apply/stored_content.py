"""
Types of the values in journal and receipt files.

A correct checksum does not prove that the values in a file are valid. Therefore, all values are converted to these
types when a file is read, and an invalid value is reported as a corrupt file.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from frgroups.internals.checksummed_json import canonical_json
from frgroups.internals.timestamps import parse_stored_timestamp

Change = Literal["add", "remove"]
State = Literal["verified", "already", "rejected", "not_effective", "not_sent", "unknown"]
_Count = Annotated[int, msgspec.Meta(ge=0)]
_Text = Annotated[str, msgspec.Meta(min_length=1)]


class StoredApproval(msgspec.Struct):
    """Approval in a journal or a receipt. An unknown value is an empty string."""

    how: str = ""
    by: str = ""
    at: str = ""


class StoredOverride(msgspec.Struct):
    """Override of the freeze periods and apply windows in a journal or a receipt."""

    by: str
    reason: str
    at: str
    until: str


def check_stored_override(override: StoredOverride) -> None:
    """Raise ValueError if a time of an override is not a valid timestamp."""
    parse_stored_timestamp(override.at)
    parse_stored_timestamp(override.until)


def check_stored_approval(approval: StoredApproval) -> None:
    """Raise ValueError if the time of an approval is neither an empty string nor a valid timestamp."""
    if approval.at:
        parse_stored_timestamp(approval.at)


class _Line(msgspec.Struct):
    at: str


class _Start(_Line):
    approval: StoredApproval
    override: StoredOverride | msgspec.UnsetType = msgspec.UNSET
    digest: str = ""
    erasure_id: str = ""


class _Observed(_Line):
    group: _Text
    add: list[_Text]
    remove: list[_Text]


class _Intent(_Line):
    group: _Text
    change: Change
    uids: list[_Text]


class _Outcome(_Intent):
    result: Literal["accepted", "rejected", "not_sent", "too_large", "unknown"]
    message: str


class _CreationIntent(_Line):
    group: _Text
    name: str


class _CreationOutcome(_Line):
    group: _Text
    result: Literal["accepted", "rejected", "unknown"]
    message: str


class _Blocked(_Line):
    reason: Literal["drift", "limits"]
    groups: list[_Text]


class _End(_Line):
    complete: bool
    counts: dict[str, _Count]


# Types of the journal lines.
# The first part of a key is the event.
# The second part is True if the line describes the creation of a group.
_LINE_TYPES: dict[tuple[str, bool], type[_Line]] = {
    ("start", False): _Start,
    ("observed", False): _Observed,
    ("intent", False): _Intent,
    ("outcome", False): _Outcome,
    ("intent", True): _CreationIntent,
    ("outcome", True): _CreationOutcome,
    ("blocked", False): _Blocked,
    ("end", False): _End,
}


def check_journal_line(line: dict[str, Any]) -> None:
    """Raise ValueError or msgspec.ValidationError if the values in a journal line are invalid."""
    event, is_creation = line["event"], line.get("create", False)
    if not isinstance(event, str) or not isinstance(is_creation, bool) or (event, is_creation) not in _LINE_TYPES:
        raise ValueError(f"The event {event!r} is unknown.")
    checked = msgspec.convert(line, _LINE_TYPES[event, is_creation])
    parse_stored_timestamp(checked.at)
    if isinstance(checked, _Start):
        check_stored_approval(checked.approval)
        if isinstance(checked.override, StoredOverride):
            check_stored_override(checked.override)
    canonical_json(line).encode()  # This call raises UnicodeEncodeError for a lone surrogate.


class ReceiptContent(msgspec.Struct, forbid_unknown_fields=True):
    """
    Keys and value types of a receipt file.

    Keys with a default value are missing in files that earlier versions of frgroups wrote.
    """

    format_version: int
    plan: dict[str, Any]
    states: tuple[tuple[str, str, Change, State, str], ...]
    members_after: dict[str, tuple[_Text, ...]]
    consistent_groups: frozenset[str]
    created: frozenset[str]
    approval: StoredApproval
    drift: dict[str, tuple[_Count, _Count]]
    started_at: str
    read_at: str
    stopped: str
    erasure_id: str
    n_journal_lines: _Count
    finalized: bool | None = None
    renamed: dict[str, str] = {}
    similar_groups: dict[str, tuple[str, ...]] = {}
    skipped_groups: frozenset[str] = frozenset()
    overrides: tuple[StoredOverride, ...] = ()
