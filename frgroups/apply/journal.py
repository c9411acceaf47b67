"""
Journal of a plan run: an append-only file of the changes that were sent and the server's responses.

Each line of a journal is written to disk before the next request is sent. `JournalState` is the state of a run,
rebuilt from the lines of its journal.
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

import msgspec

from frgroups.apply.stored_content import check_journal_line
from frgroups.errors import CorruptFileError, InputError
from frgroups.internals.atomic_files import ensure_private_dir, fsync_path, write_text
from frgroups.internals.checksummed_json import canonical_json, sha256
from frgroups.internals.formatting import pluralize
from frgroups.internals.paths import resolve_folder, tenant_folder
from frgroups.internals.tombstones import TOMBSTONE_PREFIX, is_tombstone
from frgroups.plan.plan import Plan

FORMAT_VERSION = 2

Item = tuple[str, str, str]  # An item contains a group uid, a customer uid, and "add" or "remove".


class RunAborted(Exception):  # noqa: N818  # The name has no suffix Error, because the exception only ends a run.
    """
    Exception that ends the current run of a plan.

    The exception message contains the reason why the run ended. The journal contains all changes that were sent, so
    the plan can be resumed.
    """


def journal_folder(folder: str | Path | None, tenant_uid: str, base_url: str | None) -> Path:
    """Return the folder for a tenant's journals and receipts. If `folder` is None, the data folder is used."""
    return resolve_folder(folder, "journals") / tenant_folder(tenant_uid, base_url)


class Journal:
    """
    Append-only journal of one plan. Creating the object reads the lines of an existing file.

    The file name contains the digest of the plan and the time at which the plan was created. Each line contains a
    checksum of its content and of the previous checksum, so missing and altered lines are detected. If a crash
    interrupted the last write, the incomplete last line is ignored. The journal contains no contact data and no
    token.

    The checksums cannot detect that complete lines are missing at the end of the file. A receipt contains the number
    of lines, so missing lines are detected if there is a receipt. Without a receipt, missing lines are not detected.
    A change in a missing line then has the state `already` if the change is in effect.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = JournalState()
        self.n_lines = 0
        self._last_checksum = ""
        self._end = 0
        for line, n_bytes in _read_lines(path):
            self.state.apply_event(line)
            self.n_lines += 1
            self._last_checksum = line["sum"]
            self._end += n_bytes
        self._file: Any = None

    @classmethod
    def for_plan(cls, plan: Plan, folder: str | Path | None) -> Journal:
        """
        Return the journal of a plan. The journal is empty if the plan was not started.

        Raises
        ------
        InputError
            A customer in the plan was erased before the plan was fully applied.
        CorruptFileError
            The file is corrupt or contains the journal of another plan.
        """
        journal = cls(_journal_path(plan, journal_folder(folder, plan.tenant_uid, plan.base_url)))
        state = journal.state
        if not state.has_digest(plan.digest):
            raise CorruptFileError(
                f"{journal.path} is the journal of plan {state.digest[:12]}, but the journal of plan "
                f"{plan.digest[:12]} was expected. It is therefore unknown which changes were sent. This run sent "
                "nothing. Restore the correct journal. If you do not have the correct journal, compare the groups "
                "with the plan, load the tenant again, and create a new plan.",
                path=journal.path,
            )
        if state.erasure_id and not (state.ended and journal.receipt_path.exists()):
            raise InputError(
                f"Plan {plan.digest[:12]} cannot be resumed because a customer in the plan has been erased since "
                f"the plan was started (journal {journal.path}). This run sent nothing. Load the tenant again and "
                "create a new plan."
            )
        return journal

    @property
    def receipt_path(self) -> Path:
        """Path of the plan's receipt file, which is written at the end of each run."""
        return receipt_path_of(self.path)

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
                f"Cannot write {self.path}: {error.strerror}.",
                hint="To write the journal to another folder, use the `journal` argument.",
                cli_hint="To write the journal to another folder, use the --journal option.",
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, event: str, **facts: Any) -> None:
        """
        Append one line to the journal and flush it to disk.

        Raises
        ------
        RunAborted
            The line could not be written.
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
            with suppress(OSError):  # If the truncation fails, readers of the journal ignore the incomplete line.
                self._file.truncate(self._end)
                self._file.seek(self._end)
            raise RunAborted(
                f"Cannot write {self.path}: {error.strerror}. The run ended because each request must be recorded in "
                "this journal before it is sent."
            ) from error
        self._last_checksum, self._end = checksum, self._end + len(raw)
        self.n_lines += 1
        self.state.apply_event(line)

    def _is_consistent_with(self, plan: Plan) -> bool:
        """Return True if the plan contains all groups and changes in this journal, ignoring erased customers."""
        planned = {(group.uid, uid, change) for group in plan.groups for uid, change in group.items()}
        recorded = self.state.already | self.state.intended
        groups = self.state.observed | self.state.creating | {group for group, _, _ in recorded}
        return (
            groups <= {group.uid for group in plan.groups}
            and {item for item in recorded if not is_tombstone(item[1])} <= planned
        )


def read_journal_lines(path: Path) -> list[dict[str, Any]]:
    """Return all complete lines of a journal without their checksums."""
    return [{name: value for name, value in line.items() if name != "sum"} for line, _ in _read_lines(path)]


def receipt_path_of(journal: Path) -> Path:
    """Return the path of the receipt that is written at the end of each run with this journal."""
    return journal.with_suffix(".receipt.json")


def _read_lines(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield each complete line of a journal and the length of the line in bytes."""
    if not path.exists():
        return
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"Cannot read {path}: {error.strerror}. This run sent nothing. Correct the problem and try again."
        ) from error
    last_checksum, end = "", 0
    for number, raw in enumerate(content.splitlines(keepends=True), start=1):
        line = _decode_line(last_checksum, raw)
        if line is None:
            if end + len(raw) == len(content) and not raw.endswith(b"\n"):
                return  # Ignore a line that a crash interrupted. No later request was sent.
            raise CorruptFileError(
                f"{path} is corrupt: line {number} has the wrong checksum. It is therefore "
                "unknown which changes were sent. This run sent nothing. Restore the original journal, or "
                "compare the groups with the plan and create a new plan.",
                path=path,
            )
        if line["event"] == "start" and line.get("format_version") != FORMAT_VERSION:
            raise InputError(
                f"{path} has format version {line.get('format_version', 1)}; this version of frgroups reads "
                f"version {FORMAT_VERSION}. This run sent nothing. Use the version of frgroups that wrote the "
                "journal, or create a new plan."
            )
        try:
            check_journal_line(line)
        except (msgspec.ValidationError, ValueError) as error:
            raise CorruptFileError(
                f"{path} is corrupt: the content of line {number} is invalid: "
                f"{str(error).removesuffix('.')}. It is therefore unknown which changes were sent. This run sent "
                "nothing. Restore the original journal, or compare the groups with the plan and create a new "
                "plan.",
                path=path,
            ) from error
        last_checksum = line["sum"]
        end += len(raw)
        yield line, len(raw)


def write_journal(path: Path, lines: Iterable[dict[str, Any]]) -> Path:
    """Write a journal with the given lines atomically. An existing file is replaced."""
    last_checksum, content = "", b""
    for line in lines:
        last_checksum, raw = _encode_line(last_checksum, line)
        content += raw
    return write_text(path, content.decode())


def _journal_path(plan: Plan, folder: Path) -> Path:
    """Return the path of a plan's journal, even if the file was renamed because a customer was erased."""
    time = f"{plan.planned_at:%Y%m%dT%H%M%S%fZ}"
    path = folder / f"{time}-{plan.digest[:16]}.jsonl"
    if path.exists():
        return path
    # The plan digest could identify an erased customer, so an erasure removes the digest from the file name.
    for pseudonymized in sorted(folder.glob(f"{time}-{TOMBSTONE_PREFIX}-*.jsonl")):
        if Journal(pseudonymized)._is_consistent_with(plan):
            return pseudonymized
    return path


def _encode_line(last_checksum: str, line: dict[str, Any]) -> tuple[str, bytes]:
    """Return the checksum and the encoded bytes of a journal line. The checksum also covers `last_checksum`."""
    checksum = _checksum(last_checksum, line)
    return checksum, (canonical_json(line | {"sum": checksum}) + "\n").encode()


def _checksum(last_checksum: str, line: dict[str, Any]) -> str:
    return sha256(last_checksum + canonical_json(line))[:16]


def _decode_line(last_checksum: str, raw: bytes) -> dict[str, Any] | None:
    """Decode a line of a journal, or return None if the line is incomplete or its checksum is wrong."""
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(line, dict) or not raw.endswith(b"\n"):
        return None
    checksum = _checksum(last_checksum, {name: value for name, value in line.items() if name != "sum"})
    return line if line.get("sum") == checksum and "event" in line else None


@dataclass
class JournalState:
    """State of a plan run, rebuilt from the lines of its journal."""

    started_at: str = ""
    digest: str = ""  # The digest of the plan.
    approval: dict[str, str] = field(default_factory=dict)
    overrides: list[dict[str, str]] = field(default_factory=list)  # The overrides that runs of the plan required.
    already: set[Item] = field(default_factory=set)
    observed: set[str] = field(default_factory=set)
    intended: set[Item] = field(default_factory=set)
    accepted: set[Item] = field(default_factory=set)
    rejected: dict[Item, str] = field(default_factory=dict)
    not_sent: set[Item] = field(default_factory=set)
    # Changes whose request was repeated after an unknown result. The earlier request might still take effect.
    in_doubt: set[Item] = field(default_factory=set)
    creating: set[str] = field(default_factory=set)
    created: set[str] = field(default_factory=set)
    ended: bool = False
    # Uids of the groups that prevented the last run from sending changes, and the reason ("drift" or "limits").
    # Both are empty if nothing prevented the run.
    blocked_groups: tuple[str, ...] = ()
    blocked_by: str = ""
    # Identifier of an erasure, or "". If a customer in the plan was erased, the plan cannot be resumed.
    erasure_id: str = ""

    @property
    def possibly_effective(self) -> set[Item]:
        """Changes that might be in effect, because they might have been sent and were not rejected."""
        return self.intended - self.not_sent - self.rejected.keys()

    @property
    def decided(self) -> set[Item]:
        """Changes that need no further request because they were already in effect, accepted, or rejected."""
        return self.already | self.accepted | self.rejected.keys()

    @property
    def n_sent(self) -> int:
        """Number of changes and group creations that were sent or might have been sent."""
        return len(self.intended - self.not_sent) + len(self.creating)

    def was_sent(self, item: Item) -> bool:
        """Return True if a change was sent or might have been sent."""
        return item in self.intended and item not in self.not_sent

    def has_digest(self, digest: str) -> bool:
        """Return True if the journal can belong to a plan with the digest. An erased digest matches any digest."""
        return self.digest in ("", TOMBSTONE_PREFIX, digest)

    def run_status(self) -> str:
        """
        Return a sentence with the number of changes that earlier runs sent, for use in error messages.

        Examples
        --------
        >>> JournalState().run_status()
        'Nothing was sent.'
        """
        if not self.n_sent:
            return "Nothing was sent."
        return f"An earlier run sent {pluralize(self.n_sent, 'change')}. This run sent nothing."

    def apply_event(self, line: dict[str, Any]) -> None:
        """Update the state of the run with one line of its journal."""
        event, group = line["event"], line.get("group", "")
        if event == "start":
            self.started_at = self.started_at or line["at"]
            self.blocked_groups, self.blocked_by = (), ""
            self.digest = line.get("digest", "")
            self.approval = line["approval"]
            if "override" in line and line["override"] not in self.overrides:
                self.overrides.append(line["override"])
            self.erasure_id = self.erasure_id or line.get("erasure_id", "")
        elif event == "observed":
            self.observed.add(group)
            self.already |= {(group, uid, change) for change in ("add", "remove") for uid in line[change]}
        elif event == "blocked":
            self.blocked_groups, self.blocked_by = tuple(line["groups"]), line["reason"]
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
