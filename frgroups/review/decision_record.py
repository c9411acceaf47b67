"""
Record of the decisions about a tenant's plans.

The data folder contains one record per tenant and host. It lists the rejections, their withdrawals, and the plans
that newer plans supersede. The record is replaced as a whole and has a checksum, so that a damaged record is always
detected. It contains shortened hashes of the customers in rejected plans, but no customer uids.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from frgroups.errors import CorruptFileError, FrgroupsError, InputError
from frgroups.internals.base_urls import canonical_host
from frgroups.internals.checksummed_json import canonical_json, read_checksummed, sha256, write_checksummed
from frgroups.internals.formatting import agree, format_utc
from frgroups.internals.locks import record_lock
from frgroups.internals.paths import data_subdir, tenant_folder
from frgroups.internals.similar_text import comparison_keys
from frgroups.internals.timestamps import CLOCK_TOLERANCE
from frgroups.internals.tombstones import TOMBSTONE_PREFIX
from frgroups.plan.group_change import GroupChange
from frgroups.plan.plan import Plan
from frgroups.review.recorded_changes import (
    PlanComparison,
    are_recorded_changes,
    count_recorded,
    recorded_changes,
)

KIND = "decision record"
_FIELDS = {
    "rejected": {"changes", "digest", "by", "reason", "at", "id"},
    "withdrawn": {"changes", "by", "reason", "at", "ids"},
    "superseded": {"digest", "planned_at", "new_digest", "at"},
}
# Rejections in old records have no field `operations`, so they block only plans with exactly the same changes.
_OPTIONAL_FIELDS = {"operations"}

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
    is_part
        True if the blocked plan makes all changes of the rejected plan and also further changes.
    """

    digest: str
    by: str
    reason: str
    at: str
    is_part: bool = False

    @property
    def id(self) -> str:
        """Hash that identifies the rejection, excluding the digest and the reason, which an erasure can change."""
        return sha256(canonical_json([self.by, self.at]))[:16]

    def message(self, plan: Plan) -> str:
        """Return a sentence that states which plan was rejected, the reviewer, and the reason."""
        reason = self._reason
        if self.digest == plan.digest:
            return f"{self.by} rejected plan {plan.digest[:12]}{reason}."
        if self.is_part:
            return f"Plan {plan.digest[:12]} contains all changes of {self._plan}, which {self.by} rejected{reason}."
        return f"{self.by} rejected {self._plan} with the same changes as plan {plan.digest[:12]}{reason}."

    def sentence(self) -> str:
        """Return a sentence with the reviewer, the time, and the reason, for readers who know the plan."""
        changes = f"{self._plan}, which makes some of these changes," if self.is_part else "these changes"
        return f"{self.by} rejected {changes}{_on(self.at)}{self._reason}."

    def shared_sentence(self, shared: str) -> str:
        """Return a sentence for a plan that contains some of the rejected changes. `shared` names these changes."""
        return f"{self.by} rejected {shared} of this plan{_on(self.at)} as part of {self._plan}{self._reason}."

    def creation_sentence(self, name: str, rejected_name: str) -> str:
        """Return a sentence for a plan that creates a group whose name is similar to a rejected new group."""
        return (
            f"This plan creates the group {name}. {self.by} rejected a new group with the similar name "
            f"{rejected_name}{_on(self.at)} as part of {self._plan}{self._reason}."
        )

    @property
    def _plan(self) -> str:
        """Phrase for the rejected plan. It contains the digest, unless an erasure has removed the digest."""
        return "a plan" if self.digest == TOMBSTONE_PREFIX else f"plan {self.digest[:12]}"

    @property
    def _reason(self) -> str:
        """Words at the end of a sentence that state the reason of the rejection, or that no reason was given."""
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
    """Convert a reason to one line without a final period."""
    return " ".join(reason.split()).removesuffix(".")


def changes_key(plan: Plan) -> str:
    """
    Return the hash of a plan's changes, which identifies a rejection.

    The hash covers the tenant, the host, the groups to create, and the sorted operations. It does not cover the
    limits, the mode, the purpose, the current members, and the planning time. A rejection therefore also blocks a
    plan that makes the same changes with other limits, or after other customers have joined or left. A plan with
    further changes has another hash. To block such a plan, `DecisionRecord.keys_of` compares the individual changes.
    """
    return _key_of(plan, plan.groups)


def changes_key_without(plan: Plan, customer_uid: str) -> str:
    """
    Return the hash of a plan's changes, excluding the changes of one customer.

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

    def known_ids(self, key: str | None = None) -> set[str]:
        """Return the ids of all rejections, including withdrawn ones. If `key` is given, select by changes key."""
        rejected = (entry for entry in self.entries if entry["event"] == "rejected")
        return {entry["id"] for entry in rejected if key in (None, entry["changes"])}

    def keys_of(self, plan: Plan) -> dict[str, bool]:
        """
        Return the changes keys of the rejections that apply to a plan, including withdrawn rejections.

        The first key is the changes key of the plan itself. The other keys belong to rejected plans whose changes are
        all in the plan. The value of a key is True if the plan also makes changes that the rejected plan does not
        make. See `changes_key`.
        """
        return self._keys_of(plan, PlanComparison(plan))

    def _keys_of(self, plan: Plan, comparison: PlanComparison) -> dict[str, bool]:
        keys = {changes_key(plan): False}
        for entry in self._with_operations():
            n = count_recorded(entry["operations"])
            is_candidate = entry["changes"] not in keys and 0 < n <= comparison.n_changes
            if is_candidate and comparison.count_shared(entry["operations"]) == n:
                keys[entry["changes"]] = n < comparison.n_changes
        return keys

    def blocking_rejections(self, plan: Plan) -> list[Rejection]:
        """Return the rejections in force that block a plan, oldest first."""
        keys = self.keys_of(plan)
        return [replace(_rejection(entry), is_part=keys[entry["changes"]]) for entry in self.active_entries(keys)]

    def shared_rejections(self, plan: Plan) -> list[tuple[Rejection, int]]:
        """
        Return the rejections in force that share changes with a plan but do not block the plan, oldest first.

        Each item is a rejection and the number of shared changes. Only the newest rejection of each rejected plan is
        returned.
        """
        comparison = PlanComparison(plan)
        blocking = self._keys_of(plan, comparison)
        others = {entry["changes"] for entry in self._with_operations()} - blocking.keys()
        shared: dict[str, tuple[Rejection, int]] = {}
        for entry in self.active_entries(others):
            if "operations" in entry:
                n = comparison.count_shared(entry["operations"])
                if n:
                    shared[entry["changes"]] = _rejection(entry), n
        return list(shared.values())

    def similar_creations(self, plan: Plan) -> list[tuple[Rejection, str, str]]:
        """
        Return the rejections in force of other plans whose new groups have names similar to the new groups of `plan`.

        Each tuple contains a rejection, the name of the plan's group, and the recorded name of the rejected group.
        Rejections that block the plan are omitted. A rejected group is also omitted if the plan makes some of the
        group's rejected changes. If a plan was rejected several times, each pair of groups is returned only with the
        newest of these rejections.
        """
        created = [(group.name, comparison_keys(group.name)) for group in plan.groups if group.create]
        if not created:
            return []
        comparison = PlanComparison(plan)
        blocking = self._keys_of(plan, comparison)
        others = {entry["changes"] for entry in self._with_operations()} - blocking.keys()
        similar: dict[tuple[str, str, str], tuple[Rejection, str, str]] = {}
        for entry in self.active_entries(others):
            for recorded in entry.get("operations", ()):
                new_name = recorded["new_name"]
                if not new_name or comparison.count_shared([recorded]):
                    continue
                keys = comparison_keys(new_name)
                for name, own_keys in created:
                    if keys & own_keys:
                        similar[entry["changes"], name, new_name] = _rejection(entry), name, new_name
        return list(similar.values())

    def rejections(self, *keys: str) -> list[Rejection]:
        """Return the rejections in force that have one of the given changes keys, oldest first."""
        return [_rejection(entry) for entry in self.active_entries(keys)]

    def active_entries(self, keys: Collection[str]) -> Iterator[Entry]:
        """Yield the entries of the rejections in force that have one of the given changes keys, oldest first."""
        withdrawn = {
            (entry["changes"], rejection_id)
            for entry in self._of_changes(keys, "withdrawn")
            for rejection_id in entry["ids"]
        }
        for entry in self._of_changes(keys, "rejected"):
            if (entry["changes"], entry["id"]) not in withdrawn:
                yield entry

    def withdrawals(self, plan: Plan) -> list[Withdrawal]:
        """Return the withdrawals of the rejections that blocked a plan, oldest first."""
        keys = self.keys_of(plan)
        rejections = {
            (entry["changes"], entry["id"]): replace(_rejection(entry), is_part=keys[entry["changes"]])
            for entry in self._of_changes(keys, "rejected")
        }
        withdrawals = []
        for entry in self._of_changes(keys, "withdrawn"):
            ids = [(entry["changes"], rejection_id) for rejection_id in entry["ids"]]
            withdrawn = tuple(rejections[rejection_id] for rejection_id in ids if rejection_id in rejections)
            withdrawals.append(Withdrawal(withdrawn, entry["by"], entry["reason"], entry["at"]))
        return withdrawals

    def withdrawn_at(self, *keys: str) -> datetime | None:
        """
        Return the time that an approval must follow to be valid, or None if no rejection was withdrawn.

        The arguments select the rejections by their changes keys. An approval that was given at or before the
        returned time is obsolete.

        The result is normally the time of the last withdrawal. If the clock of a reviewer's machine is ahead, the
        last rejection can have a later time, which is then the result. The result is at most `CLOCK_TOLERANCE` after
        the last withdrawal, so that a wrong clock does not make new approvals obsolete.
        """
        withdrawals = _times(self._of_changes(keys, "withdrawn"))
        if not withdrawals:
            return None
        withdrawn_at = max(withdrawals)
        rejected_at = max(_times(self._of_changes(keys, "rejected")), default=withdrawn_at)
        return max(withdrawn_at, min(rejected_at, withdrawn_at + CLOCK_TOLERANCE))

    def superseded_by(self, plan: Plan) -> str:
        """Return the digest of the plan that supersedes a plan file, or "" if the file was not superseded."""
        for entry in reversed(self.entries):
            is_same_time = entry["event"] == "superseded" and entry["planned_at"] == plan.planned_at.isoformat()
            if is_same_time and entry["digest"] in (plan.digest, TOMBSTONE_PREFIX):
                return str(entry["new_digest"])
        return ""

    def _of_changes(self, keys: Collection[str], event: str) -> list[Entry]:
        return [entry for entry in self.entries if entry["event"] == event and entry["changes"] in keys]

    def _with_operations(self) -> Iterator[Entry]:
        yield from (entry for entry in self.entries if entry["event"] == "rejected" and "operations" in entry)


def _rejection(entry: Mapping[str, Any]) -> Rejection:
    return Rejection(entry["digest"], entry["by"], entry["reason"], entry["at"])


def _times(entries: Iterable[Entry]) -> list[datetime]:
    """Return the times of the given entries. Skip invalid times, which can come from rejection files."""
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

    CorruptFileError is raised if the record is damaged, because it might contain a rejection of the plan.
    """
    return DecisionRecord(tuple(read_entries(record_path(plan.tenant_uid, plan.base_url))))


def read_entries(path: Path) -> list[Entry]:
    """Return the entries of a decision record, or [] if the file does not exist."""
    if not path.exists() and not path.is_symlink():
        return []
    try:
        entries = read_checksummed(path, KIND)["entries"]
        for entry in entries:
            if set(entry) - _OPTIONAL_FIELDS != _FIELDS[entry["event"]] | {"event"}:
                raise ValueError
            if not are_recorded_changes(entry.get("operations", [])):
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
    """Add the rejections that are not yet in the decision record of a plan's tenant, and write the record to disk."""
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
                "operations": recorded_changes(plan),
            }
            for rejection in rejections
            if rejection.id not in known
        ]
        if new:
            write_entries(path, [*entries, *new])


def add_withdrawal(plan: Plan, *, by: str, reason: str, at: str) -> list[Rejection]:
    """Withdraw all recorded rejections that block a plan, and return these rejections."""
    path = record_path(plan.tenant_uid, plan.base_url)
    with record_lock(path):
        entries = read_entries(path)
        record = DecisionRecord(tuple(entries))
        rejections = record.blocking_rejections(plan)
        if not rejections:
            raise InputError(f"Plan {plan.digest[:12]} is not rejected, so a rejection cannot be withdrawn.")
        ids: dict[str, list[str]] = {}
        for entry in record.active_entries(record.keys_of(plan)):
            ids.setdefault(entry["changes"], []).append(entry["id"])
        withdrawals = [
            {"event": "withdrawn", "changes": key, "by": by, "reason": reason, "at": at, "ids": ids_of_key}
            for key, ids_of_key in ids.items()
        ]
        write_entries(path, [*entries, *withdrawals])
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
