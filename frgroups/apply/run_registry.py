"""
Registry of the plans that were started from this data folder, with their journals, and of reverted plans.

A plan is sent under one journal, even if another folder is given, and is not resumed after its undo was sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from frgroups.errors import CorruptFileError, InputError
from frgroups.internals.atomic_files import append_durable, write_text
from frgroups.internals.checksummed_json import canonical_json, sha256
from frgroups.internals.paths import data_subdir, home, tenant_folder
from frgroups.internals.tombstones import TOMBSTONE_PREFIX
from frgroups.plan.plan import Plan

_FOLDER = "runs"

_Entry = dict[str, str]


def check_no_earlier_registry(plan: Plan) -> None:
    """Raise InputError if a development version, whose registry is not read, started plans of this tenant."""
    path = _registry_path(plan)
    earlier = path.parent.with_name("begun") / path.name
    if earlier.exists():
        raise InputError(
            f"{earlier} lists plans that an earlier development version started, and is not read any more. Make sure "
            "that none of them is unfinished, then delete the file."
        )


def registered_journal(plan: Plan) -> Path | None:
    """Return the journal with which this plan was started from this data folder, or None."""
    for entry in _read_entries(_registry_path(plan)):
        if "journal" in entry and (entry["planned_at"], entry["digest"]) == (
            plan.planned_at.isoformat(),
            plan.digest,
        ):
            return home() / entry["journal"]
    return None


def registered_journals(plan: Plan) -> list[Path]:
    """Return the existing journals of all plans that were started for the plan's tenant and host."""
    paths = {home() / entry["journal"] for entry in _read_entries(_registry_path(plan)) if "journal" in entry}
    return sorted(path for path in paths if path.exists())


def register_run(plan: Plan, journal: Path) -> None:
    """Record that the plan is started with this journal; the entry is on disk when the function returns."""
    if registered_journal(plan) is None:
        entry = {"digest": plan.digest, "planned_at": plan.planned_at.isoformat(), "journal": _stored_path(journal)}
        append_durable(_registry_path(plan), _encode_entry(entry))


def reverted_by(plan: Plan) -> str:
    """
    Return the digest of the plan that reverted this one, or "".

    An undo names a digest, and several plans may have the same digest. The undo reverts those that were
    started before it, whatever their planning times, and those started elsewhere that were planned before it.
    """
    started, reverts = False, [""]
    for entry in _entries_of_digest(plan.digest, plan):
        if entry.get("planned_at") == plan.planned_at.isoformat():
            started, reverts = True, [""]
        elif "reverted_by" in entry and (started or datetime.fromisoformat(entry["at"]) > plan.planned_at):
            reverts.append(entry["reverted_by"])
        elif entry.get("not_reverted_by") in reverts:
            reverts.remove(entry["not_reverted_by"])
    return reverts[-1]


def register_revert(undo: Plan) -> None:
    """
    Record once that the plan of an undo is reverted; the entry is on disk when the function returns.

    A plan that is not an undo, or that is empty, is not recorded.
    """
    if undo.reverts is None or undo.is_empty:
        return
    entry = {"digest": undo.reverts, "reverted_by": undo.digest, "at": undo.planned_at.isoformat()}
    if _entries_of_digest(undo.reverts, undo)[-1:] != [entry]:
        append_durable(_registry_path(undo), _encode_entry(entry))


def unregister_revert(undo: Plan) -> None:
    """Record that no change of an undo was sent: its first request was rejected, or never made."""
    if undo.reverts is not None and not undo.is_empty:
        append_durable(_registry_path(undo), _encode_entry({"digest": undo.reverts, "not_reverted_by": undo.digest}))


def replace_digest(before: Path, after: Path) -> None:
    """Replace the digest and the path of a journal that an erasure renames, because the digest names a customer."""
    for path in data_subdir(_FOLDER).glob("*.jsonl"):
        entries = list(_read_entries(path))
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
    return replaced


def _is_of_journal(entry: _Entry, journal: Path) -> bool:
    return "journal" in entry and home() / entry["journal"] == journal


def _entries_of_digest(digest: str, plan: Plan) -> list[_Entry]:
    """Return the entries of this digest in the registry of the plan's tenant and host, in order."""
    return [entry for entry in _read_entries(_registry_path(plan)) if entry["digest"] == digest]


def _registry_path(plan: Plan) -> Path:
    return data_subdir(_FOLDER) / f"{tenant_folder(plan.tenant_uid, plan.base_url)}.jsonl"


def _stored_path(journal: Path) -> str:
    """Return a journal's path relative to the data folder if it is in it, because the data folder can be moved."""
    if journal.is_relative_to(home()):
        return str(journal.relative_to(home()))
    return str(journal)


def _encode_entry(entry: _Entry) -> str:
    return canonical_json(entry | {"sum": sha256(canonical_json(entry))[:16]}) + "\n"


def _read_entries(path: Path) -> Iterator[_Entry]:
    if not path.exists():
        return
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"Cannot read the registry of started plans {path}: {error.strerror}. This run sent nothing."
        ) from error
    for number, raw in enumerate(content.splitlines(keepends=True), start=1):  # str.splitlines splits at U+2028, too.
        if not raw.endswith(b"\n"):
            return  # Torn by a crash before anything was sent.
        try:
            entry: _Entry = json.loads(raw)
            checksum = entry.pop("sum")
        except (ValueError, KeyError, TypeError, AttributeError):
            checksum, entry = "", {}
        if checksum != sha256(canonical_json(entry))[:16]:
            raise CorruptFileError(
                f"{path}, the registry of started plans, was altered in line {number}. Nothing was sent now. The "
                "file no longer shows if this plan was started before: move it away, load, and plan again.",
                path=path,
            )
        yield entry
