"""Erase a customer from one file or stored snapshot."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from frgroups.apply.journal import Item, Journal, read_journal_lines, write_journal
from frgroups.apply.receipt import read_receipt
from frgroups.apply.run_registry import replace_digest
from frgroups.errors import FrgroupsError
from frgroups.internals.atomic_files import atomic_write, fsync_path
from frgroups.internals.checksummed_json import kind_of, read_checksummed, write_checksummed
from frgroups.internals.locks import record_lock
from frgroups.internals.tombstones import TOMBSTONE_PREFIX, next_tombstone
from frgroups.plan.exclusions import ExcludedChange
from frgroups.plan.group_change import GroupChange
from frgroups.plan.plan import Plan
from frgroups.plan.plan_file import read_plan
from frgroups.privacy.file_scanners import DIGEST_LENGTH, FILES_NAMED_BY_DIGEST, FileMatch, Kind, uids_of_line
from frgroups.privacy.list_rows import remove_list_rows
from frgroups.privacy.text_search import Subject
from frgroups.review.decision_record import read_entries, write_entries
from frgroups.review.recorded_changes import without_recorded_customer
from frgroups.snapshot.membership_matrix import MembershipMatrix
from frgroups.snapshot.snapshot import Snapshot
from frgroups.store.manifest import read_manifest
from frgroups.store.snapshot_store import read_stored, replace_stored

_DIGEST_REMAINS = (
    "The registry and the names of the journal and the receipt might still contain the digest of a plan with the "
    "customer."
)
_RESTORE_REGISTRY = (
    "Restore the registry from a backup, and erase the customer again. If there is no backup, make sure that all "
    "started plans are complete, delete the registry, and erase the customer again."
)


def without_customer(snapshot: Snapshot, uid: str) -> Snapshot:
    """
    Return a copy of a snapshot without one customer.

    The customer is removed from all groups, and the verdict of each group does not change. References to the customer
    as the parent of other customers are removed.

    Examples
    --------
    >>> without_customer(sample_snapshot(), "c-1")["VIP"].tolist()
    ['c-2']
    """
    matrix, customers = snapshot.matrix, snapshot.customers
    others = (customers["customer_uid"] != uid).to_numpy()
    is_of_others = others[matrix.indices]
    group_code, customer_code = matrix.group_code[is_of_others], matrix.indices[is_of_others]
    parents = customers["customer_parent_uid"]
    return replace(
        snapshot,
        customers=customers.assign(customer_parent_uid=parents.mask(parents == uid))[others].reset_index(drop=True),
        consents=snapshot.consents[snapshot.consents["customer_uid"] != uid].reset_index(drop=True),
        matrix=MembershipMatrix(
            matrix.group_uids,
            matrix.group_names,
            pd.Index(matrix.customer_uids[others], dtype="str"),
            np.searchsorted(group_code, np.arange(matrix.n_groups + 1)).astype(np.int64),
            # The codes are row numbers. Compute the row numbers of the remaining customers in the shortened table.
            (np.cumsum(others) - 1)[customer_code].astype(np.int32),
        ),
    )


def erase_from_snapshot(match: FileMatch, subject: Subject) -> dict[Path, Path]:
    """Replace a stored snapshot with a copy that does not contain the customer."""
    stored = read_manifest(match.path)
    return {match.path: replace_stored(stored, without_customer(read_stored(stored), subject.uid))}


def erase_from_list(match: FileMatch, subject: Subject) -> dict[Path, Path]:
    """Remove the customer's rows from a list file."""
    body = remove_list_rows(match.path.read_bytes(), subject.uid, subject.ids).body
    with atomic_write(match.path) as draft:
        draft.write_bytes(body)
    return {match.path: match.path}


def erase_from_approval(match: FileMatch, subject: Subject) -> dict[Path, Path]:
    """Replace the customer with a placeholder in the reason that an approval or override file contains."""
    kind = kind_of(match.path.read_bytes())
    content = read_checksummed(match.path, kind)
    reason = str(content["reason"])
    content["reason"] = subject.redact(reason, next_tombstone(reason))
    return {match.path: write_checksummed(match.path, kind, content)}


def erase_from_decisions(match: FileMatch, subject: Subject) -> dict[Path, Path]:
    """
    Remove the customer from a record of decisions.

    The hash of a rejected plan's changes could identify the customer. It is replaced by the hash of the same changes
    without the customer, so that the rejection still blocks the other changes of the plan.
    """
    with record_lock(match.path):
        entries = [_erase_from_decision(entry, match, subject) for entry in read_entries(match.path)]
        write_entries(match.path, entries)
    return {match.path: match.path}


def _erase_from_decision(entry: dict[str, Any], match: FileMatch, subject: Subject) -> dict[str, Any]:
    changed = dict(entry)
    if subject.is_in(match.tenant_uid, match.base_url) and entry.get("reason"):
        changed["reason"] = subject.redact(entry["reason"], next_tombstone(entry["reason"]))
    if subject.is_in(match.tenant_uid, match.base_url) and "operations" in entry:
        changed["operations"] = without_recorded_customer(entry["operations"], subject.uid)
    is_of_plan = entry.get("changes") in match.new_changes
    for name in ("digest", "new_digest"):
        if name in entry and (is_of_plan or entry[name][:DIGEST_LENGTH] in match.plan_digests):
            changed[name] = TOMBSTONE_PREFIX
            is_of_plan = True
    if "changes" in entry and is_of_plan:
        changed["changes"] = match.new_changes.get(entry["changes"], TOMBSTONE_PREFIX)
    return changed


def erase_from_plan(match: FileMatch, subject: Subject) -> dict[Path, Path]:
    """Remove the customer from a plan's excluded changes, and redact the customer in its descriptive text."""
    plan = read_plan(match.path)
    excluded = tuple(
        replace(change, note=subject.redact(change.note), source=subject.redact(change.source))
        for change in plan.excluded_changes
        if change.customer_uid != subject.uid
    )
    rewritten = replace(_redact_descriptions(plan, subject.redact), excluded_changes=excluded)
    return {match.path: rewritten.save(match.path)}


def erase_from_run(match: FileMatch, subject: Subject) -> dict[Path, Path]:
    """
    Replace the customer with a placeholder in a journal or receipt.

    If the plan contains the customer, the plan's digest is removed from the file, because the digest could reveal the
    uid. The digest is also removed from the names of the journal and the receipt.
    """
    path = match.path
    digest_reveals = match.digest or match.unfinished or (match.kind == "journal" and match.plan_digests)
    if digest_reveals and FILES_NAMED_BY_DIGEST.fullmatch(path.name):
        return _erase_from_both(match, subject)
    erasure_id = ""
    if digest_reveals:
        erasure_id = _new_erasure_id()
    _pseudonymize(path, match.kind, subject, erasure_id)
    return {path: path}


REWRITERS: dict[Kind, Callable[[FileMatch, Subject], dict[Path, Path]]] = {
    "snapshot": erase_from_snapshot,
    "list": erase_from_list,
    "approval": erase_from_approval,
    "decision": erase_from_decisions,
    "plan": erase_from_plan,
    "receipt": erase_from_run,
    "journal": erase_from_run,
}


def _pseudonymize(path: Path, kind: Kind, subject: Subject, erasure_id: str) -> None:
    if kind == "journal":
        pseudonymize_journal(path, subject, erasure_id)
    else:
        pseudonymize_receipt(path, subject, erasure_id)


def pseudonymize_receipt(path: Path, subject: Subject, erasure_id: str = "") -> Path:
    """
    Replace the customer with a placeholder in a receipt.

    If the original digest of the plan was removed, the receipt contains an erasure id instead.
    """
    receipt = read_receipt(path)
    tombstone = next_tombstone(path.read_text(encoding="utf-8"))
    details = {}
    for item, text in receipt.details.items():
        # If the message belongs to a change of this customer, replace the complete message, which can contain other
        # personal data.
        # In other messages, replace only the customer's ids.
        redacted = tombstone if item[1] == subject.uid else subject.redact(text, tombstone)
        details[_pseudonymize_item(item, subject, tombstone)] = redacted
    erasure_id = receipt.erasure_id or erasure_id
    plan = _pseudonymize_plan(receipt.plan, subject, tombstone)
    if erasure_id and plan.reverts is not None:
        plan = replace(plan, reverts=TOMBSTONE_PREFIX)
    return replace(
        receipt,
        plan=plan,
        states={_pseudonymize_item(item, subject, tombstone): state for item, state in receipt.states.items()},
        details=details,
        members_after={
            uid: _pseudonymize_uids(members, subject, tombstone) for uid, members in receipt.members_after.items()
        },
        stopped=subject.redact(receipt.stopped, tombstone),
        overrides=tuple(_redact_reason(override, subject, tombstone) for override in receipt.overrides),
        erasure_id=erasure_id,
    ).save(path)


def pseudonymize_journal(path: Path, subject: Subject, erasure_id: str = "") -> Path:
    """
    Replace the customer with a placeholder in a journal.

    The checksums of the journal are computed again, and an incomplete last line is removed.
    """
    tombstone = next_tombstone(path.read_text(encoding="utf-8", errors="replace"))
    lines = read_journal_lines(path)
    return write_journal(path, [_pseudonymize_line(line, subject, tombstone, erasure_id) for line in lines])


def _erase_from_both(match: FileMatch, subject: Subject) -> dict[Path, Path]:
    """
    Replace the customer with a placeholder in the journal and the receipt of a run, and rename both files.

    The new file names do not contain the digest of the plan. Both files get the same erasure id before a file is
    renamed, so that another call can complete an interrupted erasure. A damaged file is renamed but not rewritten.
    Return the new path of each file.
    """
    stem = match.path.name.removesuffix(".jsonl").removesuffix(".receipt.json")
    pair = [match.path.with_name(f"{stem}{suffix}") for suffix in (".receipt.json", ".jsonl")]
    existing = [file for file in pair if file.exists()]
    ids = {file: _erasure_id_of(file) for file in existing}
    erasure_id = next(filter(None, ids.values()), None) or _new_erasure_id()
    for file, stored_id in ids.items():
        if stored_id is not None:
            kind: Kind = "journal" if file.suffix == ".jsonl" else "receipt"
            _pseudonymize(file, kind, subject, erasure_id)
    return {file: _rename_without_digest(file, erasure_id, match) for file in existing}


def _new_erasure_id() -> str:
    return uuid.uuid4().hex[:8]


def _erasure_id_of(path: Path) -> str | None:
    """
    Return the erasure id of a journal or receipt.

    If the file has no erasure id, the result is an empty string. If the file cannot be read, the result is None.
    """
    try:
        if path.suffix == ".jsonl":
            return Journal(path).state.erasure_id
        return read_receipt(path).erasure_id
    except FrgroupsError:
        return None


def _rename_without_digest(path: Path, erasure_id: str, match: FileMatch) -> Path:
    """
    Replace the plan's digest in the name of a journal or receipt with the erasure id, and return the new path.

    `match` contains the tenant and the host of the plan.
    """
    name = FILES_NAMED_BY_DIGEST.fullmatch(path.name)
    if not name:
        return path
    renamed = path.with_name(f"{name[1]}-{TOMBSTONE_PREFIX}-{erasure_id}{name[2]}")
    if path.suffix == ".jsonl":
        tenant_uid, base_url = match.tenant_uid or None, match.base_url or None
        replace_digest(path, renamed, tenant_uid, base_url, consequence=_DIGEST_REMAINS, action=_RESTORE_REGISTRY)
    path.rename(renamed)
    fsync_path(renamed.parent)
    return renamed


def _pseudonymize_plan(plan: Plan, subject: Subject, tombstone: str) -> Plan:
    facts = plan.stored_facts
    if facts is not None:
        facts = facts.drop(index=subject.uid, errors="ignore")
    return replace(
        _redact_descriptions(plan, lambda text: subject.redact(text, tombstone)),
        groups=tuple(_pseudonymize_change(group, subject, tombstone) for group in plan.groups),
        excluded_changes=tuple(
            _pseudonymize_exclusion(change, subject, tombstone) for change in plan.excluded_changes
        ),
        stored_facts=facts,
        stored_marks={
            group_uid: {rule: uids - {subject.uid} for rule, uids in uids_by_rule.items()}
            for group_uid, uids_by_rule in plan.stored_marks.items()
        },
    )


def _redact_descriptions(plan: Plan, redact: Callable[[str], str]) -> Plan:
    """Return a copy of a plan whose descriptive texts, such as its purpose, no longer contain the customer's ids."""
    return replace(
        plan,
        purpose=redact(plan.purpose),
        notes=tuple(replace(note, message=redact(note.message)) for note in plan.notes),
        origins={uid: tuple(origin.redact(redact) for origin in origins) for uid, origins in plan.origins.items()},
        limit_places={uid: redact(place) for uid, place in plan.limit_places.items()},
    )


def _pseudonymize_exclusion(change: ExcludedChange, subject: Subject, tombstone: str) -> ExcludedChange:
    if change.customer_uid == subject.uid:
        return replace(change, customer_uid=tombstone, note="", source="")
    note, source = subject.redact(change.note, tombstone), subject.redact(change.source, tombstone)
    return replace(change, note=note, source=source)


def _pseudonymize_change(group: GroupChange, subject: Subject, tombstone: str) -> GroupChange:
    return replace(
        group,
        baseline=_pseudonymize_uids(group.baseline, subject, tombstone),
        add=_pseudonymize_uids(group.add, subject, tombstone),
        remove=_pseudonymize_uids(group.remove, subject, tombstone),
        unknown=frozenset(_pseudonymize_uids(group.unknown, subject, tombstone)),
    )


def _pseudonymize_item(item: Item, subject: Subject, tombstone: str) -> Item:
    group, uid, change = item
    if uid != subject.uid:
        return item
    return group, tombstone, change


def _pseudonymize_line(line: dict[str, Any], subject: Subject, tombstone: str, erasure_id: str) -> dict[str, Any]:
    changed = dict(line)
    for name, uids in uids_of_line(line).items():
        changed[name] = list(_pseudonymize_uids(uids, subject, tombstone))
    message = line.get("message")
    if isinstance(message, str):
        changed["message"] = subject.redact(message, tombstone)
        if message and line.get("uids") == [subject.uid]:
            changed["message"] = tombstone
    if "override" in line:
        changed["override"] = _redact_reason(line["override"], subject, tombstone)
    if line["event"] == "start" and erasure_id:
        changed["digest"] = TOMBSTONE_PREFIX
        changed["erasure_id"] = line.get("erasure_id") or erasure_id
    return changed


def _redact_reason(override: Mapping[str, str], subject: Subject, tombstone: str) -> dict[str, str]:
    return {**override, "reason": subject.redact(override["reason"], tombstone)}


def _pseudonymize_uids(uids: Iterable[str], subject: Subject, tombstone: str) -> tuple[str, ...]:
    """
    Replace the customer with a placeholder in a list of uids.

    The list is sorted again after the replacement. If the placeholder kept the position of the erased uid, a reader
    could infer from the adjacent uids which values the erased uid is between.
    """
    return tuple(sorted(tombstone if uid == subject.uid else uid for uid in uids))
