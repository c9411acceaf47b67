"""What was sent to a tenant and what came back: append-only lines, on disk before the next thing happens."""

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

Item = tuple[str, str, str]  # group uid, customer uid, "add" or "remove"


class RunAborted(Exception):  # noqa: N818  # It ends a run in order; it is no error of its own.
    """The run must end here; what was done is in the journal."""


class Journal:
    """
    The journal of one apply of one plan file, keyed by the plan's digest and the moment it was made.

    Each line carries a checksum over itself and the line before it, so that a lost or altered line is noticed;
    a torn last line is what a crash leaves and is dropped. No contact data and no token is in it.

    Whole lines that are lost from its end leave no gap. A receipt knows how many there were when it was made; of a
    run that died without one they cannot be missed, and what they told of is then taken for `already` so.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.past = JournalState()
        self.n_lines = 0
        self._last = ""
        self._end = 0
        for line in self._lines():
            self.past.take(line)
        self._file: Any = None

    @classmethod
    def of(cls, plan: Plan, folder: str | Path | None) -> Journal:
        """
        The journal of this plan in a folder (None: the home's), new or as it was left.

        Raises InputError when a customer of the plan was forgotten and it was not applied to its end before, and
        CorruptFileError when the journal of another plan lies there.
        """
        place = resolve_folder(folder, "journals") / tenant_folder(plan.tenant_uid, plan.base_url)
        moment = f"{plan.planned_at:%Y%m%dT%H%M%S%fZ}"
        own = place / f"{moment}-{plan.digest[:16]}.jsonl"
        if not own.exists():  # A digest would tell who was forgotten, so it is no longer in the name.
            others = map(cls, sorted(place.glob(f"{moment}-{TOMBSTONE_PREFIX}-*.jsonl")))
            own = next((other.path for other in others if other._may_be_of(plan)), own)
        journal = cls(own)
        if journal.past.digest not in ("", TOMBSTONE_PREFIX, plan.digest):
            raise CorruptFileError(
                f"{own} is the journal of plan {journal.past.digest[:12]}, in the place of that of "
                f"{plan.digest[:12]}, of which nothing can be told so. Nothing was sent now. Put the right file "
                "there again; where it is lost, compare the groups with the plan by hand, load, and plan again.",
                path=own,
            )
        if journal.past.forgotten and not (journal.past.ended and journal.receipt_path.exists()):
            raise InputError(
                f"Plan {plan.digest[:12]} was begun, and a customer of it was forgotten since ({own}), so it cannot "
                "be gone on with. Nothing more was sent. Load again and make a new plan."
            )
        return journal

    @property
    def receipt_path(self) -> Path:
        """Where the receipt of the same apply stands, once there is one."""
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
        """Put one line on disk; returns when the disk has it, and raises RunAborted when it cannot have it."""
        line = {"event": event, "at": datetime.now(UTC).isoformat(), **facts}
        checksum, raw = _chained(self._last, line)
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
        self._last, self._end = checksum, self._end + len(raw)
        self.n_lines += 1
        self.past.take(line)

    def lines(self) -> list[dict[str, Any]]:
        """Every line that was written whole, without its checksum."""
        self.n_lines, self._last, self._end = 0, "", 0
        return [{name: value for name, value in line.items() if name != "sum"} for line in self._lines()]

    def _may_be_of(self, plan: Plan) -> bool:
        """Whether what this journal tells of those who were not forgotten is in the plan."""
        planned = {(one.uid, uid, change) for one in plan.groups for uid, change in one.items()}
        told = self.past.already | self.past.intended
        groups = self.past.observed | self.past.creating | {group for group, _, _ in told}
        return (
            groups <= {one.uid for one in plan.groups}
            and {item for item in told if not is_tombstone(item[1])} <= planned
        )

    def _lines(self) -> Iterator[dict[str, Any]]:
        if not self.path.exists():
            return
        try:
            whole = self.path.read_bytes()
        except OSError as error:
            raise InputError(
                f"The journal {self.path} cannot be read: {error.strerror}. Nothing was sent now."
            ) from error
        for number, raw in enumerate(whole.splitlines(keepends=True), start=1):
            line = _parsed(raw)
            expected = line and _chained(self._last, {k: v for k, v in line.items() if k != "sum"})[0]
            if line is None or line.get("sum") != expected:
                if self._end + len(raw) == len(whole) and not raw.endswith(b"\n"):
                    return  # Torn by a crash: it was never on disk whole, so nothing followed from it.
                raise CorruptFileError(
                    f"{self.path} was altered: line {number} does not fit the one before it. What was sent can no "
                    "longer be told from it; compare the groups with the plan by hand.",
                    path=self.path,
                )
            self._last = line["sum"]
            self._end += len(raw)
            self.n_lines += 1
            yield line


def write_journal(path: Path, lines: Iterable[dict[str, Any]]) -> Path:
    """Put a journal of these lines in the place of the one at this path, whole or not at all."""
    last, whole = "", b""
    for line in lines:
        last, raw = _chained(last, line)
        whole += raw
    return write_text(path, whole.decode())


def _chained(last: str, line: dict[str, Any]) -> tuple[str, bytes]:
    """The checksum of a line behind the one with the checksum `last`, and its bytes."""
    checksum = sha256(last + canonical_json(line))[:16]
    return checksum, (canonical_json(line | {"sum": checksum}) + "\n").encode()


def _parsed(raw: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) and raw.endswith(b"\n") else None


@dataclass
class JournalState:
    """What a journal tells: the state of an apply when it was last alive."""

    started: str = ""
    digest: str = ""  # Of the plan that it tells of.
    approval: dict[str, str] = field(default_factory=dict)
    already: set[Item] = field(default_factory=set)
    observed: set[str] = field(default_factory=set)
    intended: set[Item] = field(default_factory=set)
    accepted: set[Item] = field(default_factory=set)
    refused: dict[Item, str] = field(default_factory=dict)
    not_sent: set[Item] = field(default_factory=set)
    in_doubt: set[Item] = field(default_factory=set)  # Sent once without an answer: it may show late.
    creating: set[str] = field(default_factory=set)
    created: set[str] = field(default_factory=set)
    ended: bool = False
    forgotten: str = ""  # A customer of it was forgotten since: it can be read, not gone on with.

    @property
    def n_sent(self) -> int:
        """How many changes were sent, or may have been."""
        return len(self.intended - self.not_sent) + len(self.creating)

    def told(self) -> str:
        """
        What to say of what was sent when nothing is sent now.

        >>> JournalState().told()
        'Nothing was sent.'
        """
        if not self.n_sent:
            return "Nothing was sent."
        changes = pluralize(self.n_sent, "change")
        return f"An earlier run sent {changes}, of which this plan's journal tells; now nothing more was sent."

    def take(self, line: dict[str, Any]) -> None:
        """Take one line of the journal in."""
        event, group = line["event"], line.get("group", "")
        items = {(group, uid, line["change"]) for uid in line.get("uids", ())} if "change" in line else set()
        if event == "start":
            self.started = self.started or line["at"]
            self.digest = line.get("digest", "")
            self.approval = line["approval"]
            self.forgotten = self.forgotten or line.get("forgotten", "")
        elif event == "look":
            self.observed.add(group)
            self.already |= {(group, uid, change) for change in ("add", "remove") for uid in line[change]}
        elif event == "intent" and line.get("create"):
            self.creating.add(group)
        elif event == "outcome" and line.get("create"):
            if line["result"] == "accepted":
                self.created.add(group)
            elif line["result"] == "refused":
                self.creating.discard(group)
        elif event == "intent":
            self.in_doubt |= (items & self.intended) - self.not_sent - self.refused.keys()
            self.intended |= items
            self.not_sent -= items
        elif event == "outcome" and line["result"] == "accepted":
            self.accepted |= items
        elif event == "outcome" and line["result"] == "refused":
            self.refused |= dict.fromkeys(items, line["message"])
        elif event == "outcome" and line["result"] == "not_sent":
            self.not_sent |= items - self.in_doubt
        elif event == "end":
            self.ended = line["complete"]
