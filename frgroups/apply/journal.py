"""
Journal of one apply: an append-only file of the changes that were sent and the server's responses.

Each line is on disk before the next request is made. `JournalState` is the state of the apply, rebuilt from its
lines.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from frgroups.errors import CorruptFileError, InputError
from frgroups.internals.atomic_files import ensure_private_dir, fsync_path, write_text
from frgroups.internals.checksummed_json import canonical_json, sha256
from frgroups.internals.formatting import pluralize
from frgroups.internals.paths import resolve_folder, tenant_folder
from frgroups.internals.tombstones import TOMBSTONE_PREFIX, is_tombstone
from frgroups.plan.plan import Plan

FORMAT_VERSION = 2

Item = tuple[str, str, str]  # group uid, customer uid, "add" or "remove"


class RunAborted(Exception):  # noqa: N818  # It ends a run in order; it is no error of its own.
    """The run must end here; what was done is in the journal."""


def journal_folder(folder: str | Path | None, tenant_uid: str, base_url: str | None) -> Path:
    """Return the folder of a tenant's journals and receipts; `folder` None is the data folder."""
    return resolve_folder(folder, "journals") / tenant_folder(tenant_uid, base_url)


class Journal:
    """
    The journal of one apply of one plan file.

    The name contains the plan's digest and the time at which it was made. Each line contains a checksum over itself
    and the previous line, so that a missing or altered line is detected. A torn last line is left by a crash and is
    dropped. The journal contains no contact data and no token.

    Complete lines that are missing at the end cannot be detected in the journal alone. A receipt contains the number
    of lines, so that the loss is detected if there is a receipt. Without a receipt, the changes in the missing lines
    are classified as `already`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = JournalState()
        self.n_lines = 0
        self._last_checksum = ""
        self._end = 0
        for line in self._read_lines():
            self.state.apply_event(line)
        self._file: Any = None

    @classmethod
    def for_plan(cls, plan: Plan, folder: str | Path | None) -> Journal:
        """
        Return the journal of a plan in a folder, which is empty if the plan was not started.

        Raises
        ------
        InputError
            A customer of the plan was erased before its apply was complete.
        CorruptFileError
            The file contains the journal of another plan.
        """
        journal = cls(_journal_path(plan, journal_folder(folder, plan.tenant_uid, plan.base_url)))
        state = journal.state
        if not state.has_digest(plan.digest):
            raise CorruptFileError(
                f"{journal.path} is the journal of plan {state.digest[:12]}, in the place of the journal of "
                f"{plan.digest[:12]}, so it cannot show what was sent. Nothing was sent now. Put the right file "
                "there again; if it is lost, compare the groups with the plan by hand, load, and plan again.",
                path=journal.path,
            )
        if state.erasure_id and not (state.ended and journal.receipt_path.exists()):
            raise InputError(
                f"Plan {plan.digest[:12]} was started, and a customer of it was erased since ({journal.path}), so it "
                "cannot be resumed. Nothing more was sent. Load again and make a new plan."
            )
        return journal

    @property
    def receipt_path(self) -> Path:
        """Path of the receipt of the same apply, which exists after the first run."""
        return self.path.with_suffix(".receipt.json")

    def __enter__(self) -> Journal:
        ensure_private_dir(self.path.parent)
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            self._file = os.fdopen(handle, "r+b", buffering=0)
            self._file.truncate(self._end)
            self._file.seek(self._end)
            fsync_path(self.path.parent)
        except OSError as error:
            if self._file is not None:
                self._file.close()
            raise InputError(
                f"The journal {self.path} cannot be written: {error.strerror}.",
                hint="Pass journal= to choose another folder.",
                cli_hint="Pass --journal to choose another folder.",
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, event: str, **facts: Any) -> None:
        """
        Append one line and return when it is on disk.

        Raises
        ------
        RunAborted
            The line cannot be written.
        """
        line = {"event": event, "at": datetime.now(UTC).isoformat(), **facts}
        if event == "start":
            line["format_version"] = FORMAT_VERSION
        checksum, raw = _encode_line(self._last_checksum, line)
        try:
            if self._file.write(raw) != len(raw):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
        except OSError as error:
            with suppress(OSError):  # A torn line is dropped when the journal is read, too.
                self._file.truncate(self._end)
                self._file.seek(self._end)
            raise RunAborted(
                f"the journal {self.path} cannot be written ({error.strerror}), so nothing more was sent."
            ) from error
        self._last_checksum, self._end = checksum, self._end + len(raw)
        self.n_lines += 1
        self.state.apply_event(line)

    def lines(self) -> list[dict[str, Any]]:
        """Return every complete line, without its checksum."""
        self.n_lines, self._last_checksum, self._end = 0, "", 0
        return [{name: value for name, value in line.items() if name != "sum"} for line in self._read_lines()]

    def _is_consistent_with(self, plan: Plan) -> bool:
        """Return True if the plan contains all groups and items of this journal, except those of erased customers."""
        planned = {(group.uid, uid, change) for group in plan.groups for uid, change in group.items()}
        recorded = self.state.already | self.state.intended
        groups = self.state.observed | self.state.creating | {group for group, _, _ in recorded}
        return (
            groups <= {group.uid for group in plan.groups}
            and {item for item in recorded if not is_tombstone(item[1])} <= planned
        )

    def _read_lines(self) -> Iterator[dict[str, Any]]:
        if not self.path.exists():
            return
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise InputError(
                f"The journal {self.path} cannot be read: {error.strerror}. Nothing was sent now."
            ) from error
        for number, raw in enumerate(content.splitlines(keepends=True), start=1):
            line = _decode_line(self._last_checksum, raw)
            if line is None:
                if self._end + len(raw) == len(content) and not raw.endswith(b"\n"):
                    return  # Torn by a crash: it was never on disk whole, so nothing followed from it.
                raise CorruptFileError(
                    f"{self.path} was altered: line {number} does not fit the one before it. What was sent can no "
                    "longer be derived from it; compare the groups with the plan by hand.",
                    path=self.path,
                )
            if line["event"] == "start" and line.get("format_version") != FORMAT_VERSION:
                raise InputError(
                    f"The journal {self.path} has format version {line.get('format_version', 1)}; this frgroups "
                    f"reads {FORMAT_VERSION}. Nothing was sent now. Use the frgroups that wrote it, or make a new "
                    "plan."
                )
            self._last_checksum = line["sum"]
            self._end += len(raw)
            self.n_lines += 1
            yield line


def write_journal(path: Path, lines: Iterable[dict[str, Any]]) -> Path:
    """Replace the journal at this path by one of these lines, in one atomic step."""
    last_checksum, content = "", b""
    for line in lines:
        last_checksum, raw = _encode_line(last_checksum, line)
        content += raw
    return write_text(path, content.decode())


def _journal_path(plan: Plan, folder: Path) -> Path:
    """Return the path of the plan's journal, which has another name if a customer of the plan was erased."""
    time = f"{plan.planned_at:%Y%m%dT%H%M%S%fZ}"
    path = folder / f"{time}-{plan.digest[:16]}.jsonl"
    if path.exists():
        return path
    # The digest could reveal an erased customer, so an erasure removes it from the name.
    for pseudonymized in sorted(folder.glob(f"{time}-{TOMBSTONE_PREFIX}-*.jsonl")):
        if Journal(pseudonymized)._is_consistent_with(plan):
            return pseudonymized
    return path


def _encode_line(last_checksum: str, line: dict[str, Any]) -> tuple[str, bytes]:
    """Return the checksum of a line that follows a line with `last_checksum`, and the line's bytes."""
    checksum = sha256(last_checksum + canonical_json(line))[:16]
    return checksum, (canonical_json(line | {"sum": checksum}) + "\n").encode()


def _decode_line(last_checksum: str, raw: bytes) -> dict[str, Any] | None:
    """Return a line, or None if it is not complete or its checksum does not fit."""
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(line, dict) or not raw.endswith(b"\n"):
        return None
    checksum, _ = _encode_line(last_checksum, {name: value for name, value in line.items() if name != "sum"})
    return line if line.get("sum") == checksum and "event" in line else None


@dataclass
class JournalState:
    """State of an apply, rebuilt from the lines of its journal."""

    started_at: str = ""
    digest: str = ""  # Of the plan.
    approval: dict[str, str] = field(default_factory=dict)
    already: set[Item] = field(default_factory=set)
    observed: set[str] = field(default_factory=set)
    intended: set[Item] = field(default_factory=set)
    accepted: set[Item] = field(default_factory=set)
    rejected: dict[Item, str] = field(default_factory=dict)
    not_sent: set[Item] = field(default_factory=set)
    in_doubt: set[Item] = field(default_factory=set)  # Sent once without an answer: it may take effect late.
    creating: set[str] = field(default_factory=set)
    created: set[str] = field(default_factory=set)
    ended: bool = False
    erasure_id: str = ""  # Not "" after a customer of the plan was erased: the apply cannot be resumed.

    @property
    def possibly_effective(self) -> set[Item]:
        """Items that were sent, or may have been, and were not rejected."""
        return self.intended - self.not_sent - self.rejected.keys()

    @property
    def decided(self) -> set[Item]:
        """Items that need no request any more: already true, accepted or rejected."""
        return self.already | self.accepted | self.rejected.keys()

    @property
    def n_sent(self) -> int:
        """Number of changes and creations that were sent, or may have been."""
        return len(self.intended - self.not_sent) + len(self.creating)

    def was_sent(self, item: Item) -> bool:
        """Return True if the item was sent, or may have been."""
        return item in self.intended and item not in self.not_sent

    def has_digest(self, digest: str) -> bool:
        """Return True unless the journal is of a plan with another digest; an erasure removes the digest."""
        return self.digest in ("", TOMBSTONE_PREFIX, digest)

    def run_status(self) -> str:
        """
        Return a sentence about what earlier runs sent, for errors that are raised before anything is sent.

        Examples
        --------
        >>> JournalState().run_status()
        'Nothing was sent.'
        """
        if not self.n_sent:
            return "Nothing was sent."
        return f"An earlier run sent {pluralize(self.n_sent, 'change')}, as the journal shows; nothing more was sent."

    def apply_event(self, line: dict[str, Any]) -> None:
        """Update the state by one line of the journal."""
        event, group = line["event"], line.get("group", "")
        if event == "start":
            self.started_at = self.started_at or line["at"]
            self.digest = line.get("digest", "")
            self.approval = line["approval"]
            self.erasure_id = self.erasure_id or line.get("erasure_id", "")
        elif event == "observed":
            self.observed.add(group)
            self.already |= {(group, uid, change) for change in ("add", "remove") for uid in line[change]}
        elif event == "end":
            self.ended = line["complete"]
        elif line.get("create"):
            self._apply_creation(line)
        elif event in ("intent", "outcome"):
            self._apply_change(line, {(group, uid, line["change"]) for uid in line["uids"]})

    def _apply_creation(self, line: dict[str, Any]) -> None:
        if line["event"] == "intent":
            self.creating.add(line["group"])
        elif line["result"] == "accepted":
            self.created.add(line["group"])
        elif line["result"] == "rejected":
            self.creating.discard(line["group"])

    def _apply_change(self, line: dict[str, Any], items: set[Item]) -> None:
        if line["event"] == "intent":
            self.in_doubt |= (items & self.intended) - self.not_sent - self.rejected.keys()
            self.intended |= items
            self.not_sent -= items
        elif line["result"] == "accepted":
            self.accepted |= items
        elif line["result"] == "rejected":
            self.rejected |= dict.fromkeys(items, line["message"])
        elif line["result"] == "not_sent":
            self.not_sent |= items - self.in_doubt
