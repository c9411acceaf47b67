"""
Record of the decisions about a tenant's plans.

The data folder contains one record per tenant and host. It lists the rejections, their withdrawals, and the plans
that newer plans supersede. The record is replaced as a whole and has a checksum, so that a damaged record is always
detected. It contains no customer uids.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from frgroups.errors import CorruptFileError, FrgroupsError, InputError
from frgroups.internals.base_urls import canonical_host
from frgroups.internals.checksummed_json import canonical_json, read_checksummed, sha256, write_checksummed
from frgroups.internals.formatting import agree, format_utc
from frgroups.internals.locks import record_lock
from frgroups.internals.paths import data_subdir, tenant_folder
from frgroups.internals.tombstones import TOMBSTONE_PREFIX
from frgroups.plan.group_change import GroupChange
from frgroups.plan.plan import Plan

KIND = "decision record"
CLOCK_TOLERANCE = timedelta(minutes=10)  # Maximum accepted difference between the clocks of two machines.
_FIELDS = {
    "rejected": {"changes", "digest", "by", "reason", "at", "id"},
    "withdrawn": {"changes", "by", "reason", "at", "ids"},
    "superseded": {"digest", "planned_at", "new_digest", "at"},
}

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rejection:
    """
    A rejection of a plan's changes.

    Attributes
    ----------
    digest
        Digest of the plan that the reviewer rejected.
    by, reason, at
        Name of the reviewer, reason, and time of the rejection.
    """

    digest: str
    by: str
    reason: str
    at: str

    @property
    def id(self) -> str:
        """Identifier of the rejection. It does not cover the digest and the reason, which an erasure can change."""
        return sha256(canonical_json([self.by, self.at]))[:16]

    def message(self, plan: Plan) -> str:
        """Return a sentence with the plan, the reviewer, and the reason."""
        reason = self._reason
        if self.digest == plan.digest:
            return f"{self.by} rejected plan {plan.digest[:12]}{reason}."
        rejected = "a plan" if self.digest == TOMBSTONE_PREFIX else f"plan {self.digest[:12]}"
        return f"{self.by} rejected {rejected} with the same changes as plan {plan.digest[:12]}{reason}."

    def sentence(self) -> str:
        """Return a sentence with the reviewer, the time, and the reason, for readers who know the plan."""
        return f"{self.by} rejected these changes{_on(self.at)}{self._reason}."

    @property
    def _reason(self) -> str:
        """Text about the reason, for the end of a sentence."""
        reason = _one_line(self.reason)
        return f": {reason}" if reason else " without a reason"


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """The withdrawal of rejections of a plan's changes, with the person, the reason, and the time."""

    rejections: tuple[Rejection, ...]
    by: str
    reason: str
    at: str

    def sentence(self) -> str:
        """Return one sentence per rejection, and a sentence about the withdrawal."""
        rejections = " ".join(rejection.sentence() for rejection in self.rejections)
        noun = agree(len(self.rejections), "rejection", "rejections")
        reason = _one_line(self.reason)
        return f"{rejections} {self.by} withdrew the {noun}{_on(self.at)}{f': {reason}' if reason else ''}."


def _on(at: str) -> str:
    """Return a time with the preposition "on", or "" if the time is invalid."""
    with suppress(ValueError, OverflowError):
        return f" on {format_utc(datetime.fromisoformat(at))}"
    return ""


def _one_line(reason: str) -> str:
    """Return a reason on one line, without the final period."""
    return " ".join(reason.split()).removesuffix(".")


def changes_key(plan: Plan) -> str:
    """
    Return the hash of a plan's changes, which identifies a rejection.

    The hash covers the tenant, the host, the groups to create, and the sorted operations. It does not cover the
    limits, the mode, the purpose, the current members, and the planning time. A rejection therefore also blocks a
    plan that makes the same changes with other limits, or after other customers have joined or left.
    """
    return _key_of(plan, plan.groups)


def changes_key_without(plan: Plan, customer_uid: str) -> str:
    """
    Return the hash of a plan's changes without one customer.

    If the plan changes only this customer, the result is "erased".
    """
    groups = [
        GroupChange(
            group.uid,
            group.name,
            (),
            add=tuple(uid for uid in group.add if uid != customer_uid),
            remove=tuple(uid for uid in group.remove if uid != customer_uid),
            create=group.create,
        )
        for group in plan.groups
    ]
    if not any(group.create or group.add or group.remove for group in groups):
        return TOMBSTONE_PREFIX
    return _key_of(plan, groups)


def _key_of(plan: Plan, groups: Sequence[GroupChange]) -> str:
    content = {
        "tenant_uid": plan.tenant_uid,
        "host": canonical_host(urlsplit(plan.base_url or "").netloc),
        "create": {group.uid: group.name for group in groups if group.create},
        "operations": {
            group.uid: [sorted(group.add), sorted(group.remove)] for group in groups if group.add or group.remove
        },
    }
    return sha256(canonical_json(content))


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """The entries of a decision record, oldest first."""

    entries: tuple[Entry, ...] = ()

    def known_ids(self, key: str) -> set[str]:
        """Return the identifiers of all rejections of the changes, including withdrawn rejections."""
        return {entry["id"] for entry in self._of_changes(key, "rejected")}

    def rejections(self, key: str) -> list[Rejection]:
        """Return the rejections of the changes, oldest first. Withdrawn rejections are omitted."""
        withdrawn = {rejection_id for entry in self._of_changes(key, "withdrawn") for rejection_id in entry["ids"]}
        return [
            Rejection(entry["digest"], entry["by"], entry["reason"], entry["at"])
            for entry in self._of_changes(key, "rejected")
            if entry["id"] not in withdrawn
        ]

    def withdrawals(self, key: str) -> list[Withdrawal]:
        """Return the withdrawals of rejections of these changes, oldest first."""
        rejections = {
            entry["id"]: Rejection(entry["digest"], entry["by"], entry["reason"], entry["at"])
            for entry in self._of_changes(key, "rejected")
        }
        withdrawals = []
        for entry in self._of_changes(key, "withdrawn"):
            withdrawn = tuple(rejections[rejection_id] for rejection_id in entry["ids"] if rejection_id in rejections)
            withdrawals.append(Withdrawal(withdrawn, entry["by"], entry["reason"], entry["at"]))
        return withdrawals

    def withdrawn_at(self, key: str) -> datetime | None:
        """
        Return the time at which the last rejection of the changes ended, or None if no rejection was withdrawn.

        An approval that is not later than this time is obsolete. The time is the last withdrawal, or the last
        withdrawn rejection if its time is later because the clock of the reviewer's machine is ahead. A difference of
        more than `CLOCK_TOLERANCE` is a wrong clock, which must not block new approvals.
        """
        withdrawals = _times(self._of_changes(key, "withdrawn"))
        if not withdrawals:
            return None
        withdrawn_at = max(withdrawals)
        rejected_at = max(_times(self._of_changes(key, "rejected")), default=withdrawn_at)
        return max(withdrawn_at, min(rejected_at, withdrawn_at + CLOCK_TOLERANCE))

    def superseded_by(self, plan: Plan) -> str:
        """Return the digest of the plan that supersedes a plan file, or "" if the file was not superseded."""
        for entry in reversed(self.entries):
            is_same_time = entry["event"] == "superseded" and entry["planned_at"] == plan.planned_at.isoformat()
            if is_same_time and entry["digest"] in (plan.digest, TOMBSTONE_PREFIX):
                return str(entry["new_digest"])
        return ""

    def _of_changes(self, key: str, event: str) -> list[Entry]:
        return [entry for entry in self.entries if entry["event"] == event and entry["changes"] == key]


def _times(entries: Iterable[Entry]) -> list[datetime]:
    """Return the times of entries. Rejection files can contain invalid times, which are skipped."""
    times = []
    for entry in entries:
        with suppress(ValueError, OverflowError):
            times.append(datetime.fromisoformat(entry["at"]).astimezone(UTC))
    return times


def record_path(tenant_uid: str, base_url: str | None) -> Path:
    """Return the path of a tenant's decision record."""
    return data_subdir("decisions") / f"{tenant_folder(tenant_uid, base_url)}.json"


def read_record(plan: Plan) -> DecisionRecord:
    """
    Read the decision record of a plan's tenant, which is empty if the file does not exist.

    A damaged record raises CorruptFileError, because it might contain a rejection of the plan.
    """
    return DecisionRecord(tuple(read_entries(record_path(plan.tenant_uid, plan.base_url))))


def read_entries(path: Path) -> list[Entry]:
    """Return the entries of a decision record, or [] if the file does not exist."""
    if not path.exists() and not path.is_symlink():
        return []
    try:
        entries = read_checksummed(path, KIND)["entries"]
        if not all(set(entry) == _FIELDS[entry["event"]] | {"event"} for entry in entries):
            raise ValueError
    except (FrgroupsError, KeyError, TypeError, ValueError) as error:
        reason = f" {error.message}" if isinstance(error, FrgroupsError) else ""
        raise CorruptFileError(
            f"{path} cannot be read, so it is unknown whether a plan was rejected. Nothing was sent.{reason} Restore "
            "the file from a backup. Without a backup, move the file to another folder, and ask the reviewers to "
            "reject their plans again.",
            path=path,
        ) from error
    return list(entries)


def write_entries(path: Path, entries: Iterable[Entry]) -> None:
    """Replace the entries of a decision record. The caller must hold the lock of the record."""
    write_checksummed(path, KIND, {"entries": list(entries)})


def add_rejections(plan: Plan, rejections: Iterable[Rejection]) -> None:
    """Add the new rejections of a plan to the record, which is on disk when the function returns."""
    key = changes_key(plan)
    path = record_path(plan.tenant_uid, plan.base_url)
    with record_lock(path):
        entries = read_entries(path)
        known = DecisionRecord(tuple(entries)).known_ids(key)
        new = [
            {
                "event": "rejected",
                "changes": key,
                "digest": rejection.digest,
                "by": rejection.by,
                "reason": rejection.reason,
                "at": rejection.at,
                "id": rejection.id,
            }
            for rejection in rejections
            if rejection.id not in known
        ]
        if new:
            write_entries(path, [*entries, *new])


def add_withdrawal(plan: Plan, *, by: str, reason: str, at: str) -> list[Rejection]:
    """Withdraw all rejections of a plan's changes that are in the record, and return them."""
    key = changes_key(plan)
    path = record_path(plan.tenant_uid, plan.base_url)
    with record_lock(path):
        entries = read_entries(path)
        rejections = DecisionRecord(tuple(entries)).rejections(key)
        if not rejections:
            raise InputError(f"Plan {plan.digest[:12]} is not rejected, so a rejection cannot be withdrawn.")
        ids = [rejection.id for rejection in rejections]
        entry = {"event": "withdrawn", "changes": key, "by": by, "reason": reason, "at": at, "ids": ids}
        write_entries(path, [*entries, entry])
    return rejections


def add_superseded(plan: Plan, new_plan: Plan, *, at: str) -> None:
    """Record that a new plan supersedes a plan file."""
    path = record_path(plan.tenant_uid, plan.base_url)
    entry = {
        "event": "superseded",
        "digest": plan.digest,
        "planned_at": plan.planned_at.isoformat(),
        "new_digest": new_plan.digest,
        "at": at,
    }
    with record_lock(path):
        write_entries(path, [*read_entries(path), entry])
