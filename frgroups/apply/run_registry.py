"""
Registry of started and undone plans.

The data folder contains one registry per tenant and host. `apply_plan` uses the registry to reject a plan that was
started with another journal or that was undone.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from frgroups.errors import CorruptFileError, FrgroupsError, InputError
from frgroups.internals.atomic_files import append_durable, write_text
from frgroups.internals.checksummed_json import canonical_json, sha256
from frgroups.internals.paths import data_subdir, home, tenant_folder
from frgroups.internals.structured_logging import log_event
from frgroups.internals.timestamps import parse_stored_timestamp
from frgroups.internals.tombstones import TOMBSTONE_PREFIX
from frgroups.plan.plan import Plan
from frgroups.review.plan_folders import is_folder_of

log = logging.getLogger("frgroups.apply")

_FOLDER = "runs"
_UNKNOWN_START = "It is therefore unknown whether this plan was started before. This run sent nothing."
_LOAD_AGAIN = "Move the file to another folder, load the tenant again, and create a new plan."

_Entry = dict[str, str]
Registry = Mapping[str, Sequence[_Entry]]  # Entries keyed by plan digest, oldest first.
ReadRegistry = Callable[[Path], Registry]


def check_no_earlier_registry(plan: Plan) -> None:
    """Raise InputError if the plan's tenant has a registry from an earlier development version of frgroups."""
    path = _registry_path(plan.tenant_uid, plan.base_url)
    earlier = path.parent.with_name("begun") / path.name
    if earlier.exists():
        raise InputError(
            f"{earlier} lists plans that were started with an earlier development version of frgroups, and this "
            "version cannot read the file. Nothing was sent. Make sure that all plans in the file are complete, and "
            "then delete the file."
        )


def read_registry(path: Path) -> Registry:
    """Return the entries of a registry. The registry is empty if the file does not exist."""
    entries: dict[str, list[_Entry]] = {}
    for entry in _read_entries(path):
        entries.setdefault(entry["digest"], []).append(entry)
    return entries


def registered_journal(plan: Plan, read: ReadRegistry = read_registry) -> Path | None:
    """
    Return the path of the journal with which a plan was started, or None if the plan is not registered.

    A caller can pass a version of `read_registry` that caches its results as `read`, so that each registry is read
    once.
    """
    for entry in _entries_of(plan, plan.digest, read):
        if "journal" in entry and entry["planned_at"] == plan.planned_at.isoformat():
            return home() / entry["journal"]
    return None


def equal_plans(plan: Plan, read: ReadRegistry = read_registry) -> list[Plan]:
    """
    Return the started plans that have the same digest as a plan but another planning time.

    `read` is passed to `registered_journal`.
    """
    times = [entry["planned_at"] for entry in _entries_of(plan, plan.digest, read) if "planned_at" in entry]
    planned = (parse_stored_timestamp(time) for time in dict.fromkeys(times))
    return [replace(plan, planned_at=time) for time in planned if time != plan.planned_at]


def registered_journals(tenant_uid: str, base_url: str | None) -> list[Path]:
    """Return the paths of the registered journals that exist for a tenant and host."""
    registry = _registry_path(tenant_uid, base_url)
    paths = {home() / entry["journal"] for entry in _read_entries(registry) if "journal" in entry}
    return sorted(path for path in paths if path.exists())


def registered_plan_files(tenant_uid: str | None = None, base_url: str | None = None) -> list[Path]:
    """
    Return the paths of the plan files that were started from this data folder.

    If `tenant_uid` or `base_url` is None, the files of all tenants or all hosts are included. If no tenant is
    selected, an unreadable registry is skipped with a warning, so that the damaged file of one tenant does not hide
    the plans of the other tenants.
    """
    files = []
    for path in _registry_paths(tenant_uid, base_url):
        try:
            files += [home() / entry["plan"] for entry in _read_entries(path) if "plan" in entry]
        except FrgroupsError as error:
            if tenant_uid is not None:
                raise
            log_event(log, logging.WARNING, "registry_not_read", f"A registry was skipped. {error.message}")
    return files


def register_run(plan: Plan, journal: Path) -> None:
    """Register the journal of a plan. The entry is written to disk when the function returns."""
    if registered_journal(plan) is None:
        entry = {"digest": plan.digest, "planned_at": plan.planned_at.isoformat(), "journal": _stored_path(journal)}
        if plan.path is not None:
            entry["plan"] = _stored_path(plan.path)
        append_durable(_registry_path(plan.tenant_uid, plan.base_url), _encode_entry(entry))


def reverted_by(plan: Plan, read: ReadRegistry = read_registry) -> str:
    """
    Return the digest of the undo plan that has undone a plan, or an empty string if the plan was not undone.

    Partial undo plans are not considered. `read` is passed to `registered_journal`.
    """
    return _latest_undo(plan, "reverted_by", read)


def partly_reverted_by(plan: Plan, read: ReadRegistry = read_registry) -> str:
    """
    Return the digest of the latest partial undo of a plan, or an empty string if there was no partial undo.

    `read` is passed to `registered_journal`.
    """
    return _latest_undo(plan, "partly_reverted_by", read)


def partial_undo_journals(plan: Plan, read: ReadRegistry = read_registry) -> list[Path]:
    """
    Return the paths of the journals of a plan's partial undos, oldest first.

    `read` is passed to `registered_journal`.
    """
    digests = _registered_undos(plan, "partly_reverted_by", read)
    entries = [entry for digest in dict.fromkeys(digests) for entry in _entries_of(plan, digest, read)]
    return [home() / entry["journal"] for entry in entries if "journal" in entry]


def original_journals(undo: Plan, read: ReadRegistry = read_registry) -> list[Path]:
    """
    Return the existing journals of the plans that an undo plan reverts, or [] if the plan is not an undo plan.

    `read` is passed to `registered_journal`.
    """
    if undo.reverts is None:
        return []
    paths = [home() / entry["journal"] for entry in _entries_of(undo, undo.reverts, read) if "journal" in entry]
    return [path for path in paths if path.exists()]


def original_undone_by(undo: Plan, read: ReadRegistry = read_registry) -> str:
    """
    Return the digest of another undo plan that has already undone the original plan, or an empty string.

    The result is empty if the original plan was started again after it was undone. It is also empty if `undo` is
    itself registered, because this plan can be resumed. `read` is passed to `registered_journal`.
    """
    if undo.reverts is None:
        return ""
    entries = _entries_of(undo, undo.reverts, read)
    active = _active_undos(entries[_count_until_start(entries) :], "reverted_by")
    if not active or _revert_entry(undo) in active:
        return ""
    return active[-1]["reverted_by"]


def _latest_undo(plan: Plan, key: str, read: ReadRegistry) -> str:
    """Return the digest of the latest undo plan in the registry entries that contain the key, or ""."""
    return next(reversed(_registered_undos(plan, key, read)), "")


def _registered_undos(plan: Plan, key: str, read: ReadRegistry) -> list[str]:
    """
    Return the digests of the undo plans in the registry entries that contain the key, oldest first.

    Several plans can have the same digest, and an undo plan refers only to a digest. An undo plan therefore applies
    to each plan with this digest that was registered before the undo plan. If a plan with this digest is not
    registered, the undo plan applies only if the plan was created before the undo plan.
    """
    entries = _entries_of(plan, plan.digest, read)
    n_until_start = _count_until_start(entries, plan.planned_at)
    later = entries[n_until_start:]
    if not n_until_start:
        later = [
            entry for entry in later if "at" not in entry or datetime.fromisoformat(entry["at"]) > plan.planned_at
        ]
    return [entry[key] for entry in _active_undos(later, key)]


def _count_until_start(entries: Sequence[_Entry], planned_at: datetime | None = None) -> int:
    """
    Return the number of entries up to and including the latest start of a plan, or 0 if no start is registered.

    If `planned_at` is given, starts of plans that were created at other times are ignored.
    """
    times = [entry.get("planned_at") for entry in entries]
    is_start = [time is not None and (planned_at is None or time == planned_at.isoformat()) for time in times]
    return max((row for row, start in enumerate(is_start, start=1) if start), default=0)


def _active_undos(entries: Iterable[_Entry], key: str) -> list[_Entry]:
    """Return the entries that contain the key and belong to undo plans that were not canceled, oldest first."""
    active: list[_Entry] = []
    for entry in entries:
        if key in entry and entry not in active:
            active.append(entry)
        elif "not_reverted_by" in entry:
            canceled = [undo for undo in active if undo[key] == entry["not_reverted_by"]]
            if canceled:
                active.remove(canceled[-1])
    return active


def register_revert(undo: Plan) -> None:
    """
    Register an undo plan before its changes are sent. The entry is written to disk when the function returns.

    No entry is written if the plan is not an undo plan, is empty, or is already registered. If another
    plan with the digest of the original plan was started in the meantime, the undo plan is registered again.
    """
    if undo.reverts is None or undo.is_empty:
        return
    key, entry = _revert_key(undo), _revert_entry(undo)
    entries = _entries_of(undo, undo.reverts, read_registry)
    if entry not in _active_undos(entries[_count_until_start(entries) :], key):
        append_durable(_registry_path(undo.tenant_uid, undo.base_url), _encode_entry(entry))


def _revert_key(undo: Plan) -> str:
    return "partly_reverted_by" if undo.partial_undo else "reverted_by"


def _revert_entry(undo: Plan) -> _Entry:
    return {"digest": undo.reverts or "", _revert_key(undo): undo.digest, "at": undo.planned_at.isoformat()}


def unregister_revert(undo: Plan) -> None:
    """Record that an undo plan made no changes because the first write request was rejected or not sent."""
    if undo.reverts is not None and not undo.is_empty:
        append_durable(
            _registry_path(undo.tenant_uid, undo.base_url),
            _encode_entry({"digest": undo.reverts, "not_reverted_by": undo.digest}),
        )


def replace_digest(
    before: Path, after: Path, tenant_uid: str | None, base_url: str | None, *, consequence: str, action: str
) -> None:
    """
    Replace the path of a renamed journal and remove the digest of its plan from the registry.

    The erasure of a customer renames journals, because the digest in a file name could identify the customer.

    Parameters
    ----------
    before, after
        Path of the journal before and after it is renamed.
    tenant_uid, base_url
        Tenant and host of the plan. None selects the registries of all tenants or all hosts.
    consequence, action
        Sentences for the error if a registry cannot be read.
    """
    for path in _registry_paths(tenant_uid, base_url):
        entries = list(_read_entries(path, consequence, action))
        digests = {entry["digest"] for entry in entries if _is_of_journal(entry, before)}
        replaced = [_replace_in_entry(entry, digests, before, after) for entry in entries]
        if replaced != entries:
            write_text(path, "".join(map(_encode_entry, replaced)))


def _replace_in_entry(entry: _Entry, digests: set[str], before: Path, after: Path) -> _Entry:
    replaced = dict(entry)
    for name, value in entry.items():
        if value in digests:
            replaced[name] = TOMBSTONE_PREFIX
    if _is_of_journal(entry, before):
        replaced["journal"] = _stored_path(after)
        replaced.pop("plan", None)  # Remove the path of the plan file, which contains the digest.
    return replaced


def _is_of_journal(entry: _Entry, journal: Path) -> bool:
    return "journal" in entry and home() / entry["journal"] == journal


def _entries_of(plan: Plan, digest: str, read: ReadRegistry) -> Sequence[_Entry]:
    """Return the entries with the given digest in the registry for the tenant and host of a plan, oldest first."""
    return read(_registry_path(plan.tenant_uid, plan.base_url)).get(digest, ())


def _registry_path(tenant_uid: str, base_url: str | None) -> Path:
    return data_subdir(_FOLDER) / f"{tenant_folder(tenant_uid, base_url)}.jsonl"


def _registry_paths(tenant_uid: str | None, base_url: str | None) -> list[Path]:
    """Return the paths of the registries of a tenant and host. None selects all tenants or all hosts."""
    paths = sorted(data_subdir(_FOLDER).glob("*.jsonl"))
    return [path for path in paths if is_folder_of(path.stem, tenant_uid, base_url)]


def _stored_path(path: Path) -> str:
    """
    Return the string that the registry stores for the path of a journal or plan file.

    If a file is in the data folder, its path is stored relative to the data folder, so that the folder can be moved.
    """
    if path.is_relative_to(home()):
        return str(path.relative_to(home()))
    return str(path)


def _encode_entry(entry: _Entry) -> str:
    return canonical_json(entry | {"sum": sha256(canonical_json(entry))[:16]}) + "\n"


def _is_valid(entry: dict[str, Any]) -> bool:
    """Return True if an entry has one of the forms that this module writes."""
    forms = (
        {"digest", "planned_at", "journal"},
        {"digest", "reverted_by", "at"},
        {"digest", "partly_reverted_by", "at"},
        {"digest", "not_reverted_by"},
    )
    if entry.keys() - {"plan"} not in forms or not all(isinstance(value, str) for value in entry.values()):
        return False
    try:
        if "at" in entry:
            parse_stored_timestamp(entry["at"])
    except ValueError:
        return False
    return True


def _read_entries(path: Path, consequence: str = _UNKNOWN_START, action: str = _LOAD_AGAIN) -> Iterator[_Entry]:
    """Yield the entries of a registry. An error for an unreadable registry contains `consequence` and advice."""
    if not path.exists():
        return
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"Cannot read {path}: {error.strerror}. {consequence} Correct the problem and try again."
        ) from error
    # Split the content as bytes, because str.splitlines would also split at U+2028.
    for number, raw in enumerate(content.splitlines(keepends=True), start=1):
        if not raw.endswith(b"\n"):
            return  # Ignore an entry that a crash interrupted. No change of its plan was sent.
        try:
            entry: _Entry = json.loads(raw)
            checksum = entry.pop("sum")
        except (ValueError, KeyError, TypeError, AttributeError):
            checksum, entry = "", {}
        if checksum != sha256(canonical_json(entry))[:16] or not _is_valid(entry):
            raise CorruptFileError(
                f"{path} is corrupt: line {number} of the registry of started plans is invalid. {consequence} "
                f"{action}",
                path=path,
            )
        yield entry
