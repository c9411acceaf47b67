"""Erase one customer from all files in the data folder."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from frgroups.errors import FrgroupsError, LockedError
from frgroups.internals.formatting import pluralize
from frgroups.internals.locks import load_lock, locked_tenants, tenant_lock
from frgroups.internals.paths import parse_tenant_folder, tenant_folder
from frgroups.internals.structured_logging import log_event
from frgroups.plan.plan_file import read_plan
from frgroups.privacy.file_scanners import DIGEST_LENGTH, FileMatch
from frgroups.privacy.rewriters import REWRITERS
from frgroups.privacy.search import SearchScope, known_ids, search_customer, search_files
from frgroups.privacy.text_search import Subject
from frgroups.review.approval_files import found_rejections
from frgroups.review.decision_reader import DecisionReader
from frgroups.review.decision_record import add_rejections
from frgroups.review.plan_folders import decision_folders
from frgroups.snapshot.schema import coerce_schema
from frgroups.store.folders import remove_folder

log = logging.getLogger("frgroups.privacy")

FAILED = "failed"
_COLUMNS = {
    "kind": "str",
    "path": "str",
    "tenant_uid": "str",
    "host": "str",
    "action": "str",
    "n": "int64",
    "note": "str",
}


def erase_customer(
    customer_uid: str,
    *,
    tenant_uid: str | None = None,
    base_url: str | None = None,
    cache: str | Path | None = None,
    journal: str | Path | None = None,
    also: Iterable[str | Path] = (),
    ids: Iterable[str] = (),
    dry_run: bool = False,
) -> pd.DataFrame:
    """
    Erase one customer from all files in the data folder.

    Files outside the data folder are searched only if you pass their paths or folders as `cache`, `journal`, or
    `also`. This includes reports, reviews, and tables that you saved to other folders.

    Delete the customer on the server before you call this function. Otherwise, the next load stores the customer
    again. To complete an interrupted erasure, call the function again.

    Parameters
    ----------
    customer_uid : str
        Uid of the customer.
    tenant_uid : str, optional
        Erase the customer only from the files of this tenant and from files without a tenant, such as lists. By
        default, the files of all tenants are searched. In another tenant, the same uid can belong to another person.
    base_url : str, optional
        Erase the customer only from the files of this host and from files without a host, such as reports. The
        argument is a base URL, "stage", or "production". By default, the files of all hosts are searched. At another
        host, the same tenant uid and customer uid can belong to another person.
    cache : str or Path, optional
        Additional folder of stored snapshots.
    journal : str or Path, optional
        Additional folder of journals and receipts.
    also : iterable of str or Path, optional
        Additional files and folders, for example plans, receipts, review pages, reports, and lists.
    ids : iterable of str, optional
        Other ids of the customer that lists can contain. Ids in stored snapshots are added automatically.
    dry_run : bool, default False
        Whether to return the planned actions without changing any file.

    Returns
    -------
    pandas.DataFrame
        One row per file that contains the customer. Columns kind, path (after the erasure), tenant_uid and host (""
        if the file contains no tenant or no host), action ("rewritten", "replaced", "removed", or "failed"), and note
        are `str`, and n (number of mentions) is `int64`. The table contains no data of the customer.

    Raises
    ------
    InputError
        `customer_uid` is empty, or a path does not exist.
    LockedError
        A plan is being applied. No file was changed. If a load is running, the function waits until the load ends.

    See Also
    --------
    export_customer : Return the stored data of one customer.

    Notes
    -----
    *Snapshots* are rewritten without the customer's attributes, consents, and memberships. References to the customer
    as a parent are removed. If the customer was the last member of a group, the empty group remains. Frames of
    `scan_memberships` that read a rewritten snapshot can no longer be evaluated. Create them again.

    *Plans* that contain the customer in an operation or as a previous member are removed, with their review pages,
    approvals, and overrides. If only the customer were removed, the plan would differ from the approved plan. If a
    plan only excludes the customer, the exclusion is removed, and the plan's digest does not change.

    *Rejections* in the record of decisions remain. A rejection still blocks the other changes of the rejected plan.

    *Journals and receipts* remain. The customer is replaced by a placeholder such as `(erased-1)`, so that the counts
    are still correct. The plan's digest is removed from all files, because the uid could be found by computing
    digests of candidate plans. An interrupted run can no longer be resumed. `plan_undo` leaves out the customer.

    *Lists* (CSV, text, and Excel files in the folder `lists`) are rewritten without the rows that contain the uid or
    another id of the customer. This includes suppression lists, so the customer can be added to groups again.

    *Reports* that list the customer are removed. By default, a report lists no customers.

    *Exports* of the customer's data (`export_customer`) are removed.

    *Damaged snapshots and drafts* are removed if they contain the customer, or if that cannot be determined.

    The action is "failed" if a file was written by another version of frgroups, if it temporarily cannot be read, or
    if it is a damaged journal or receipt. The action is also "failed" for a plan and its approval files if the plan's
    rejections cannot be recorded, and for files of other programs that contain the uid. These files are not changed.

    The log contains a short hash of the uid. Each file is replaced atomically.

    Examples
    --------
    >>> path = save_snapshot(sample_snapshot())
    >>> erase_customer("c-251", tenant_uid="t-1")[["kind", "action", "n"]].tail(1).to_dict("records")
    [{'kind': 'snapshot', 'action': 'rewritten', 'n': 2}]
    >>> len(erase_customer("c-251", tenant_uid="t-1"))
    0
    """
    subject, scope = search_files(
        customer_uid, tenant_uid=tenant_uid, base_url=base_url, cache=cache, journal=journal, also=also, ids=ids
    )
    with ExitStack() as locks:
        if dry_run:
            subject = replace(subject, ids=known_ids(subject, scope))
            rows = [_Row.planned(match) for match in search_customer(subject, scope)]
        else:
            subject, matches, failures = _lock_and_search(subject, scope, locks)
            rows = list(_erase(matches, subject, scope, failures))
    table = coerce_schema(pd.DataFrame([row.values() for row in rows], columns=list(_COLUMNS)), _COLUMNS)
    if not dry_run:
        _log_result(customer_uid, table)
    return table


@dataclass(frozen=True)
class _Row:
    """Row of the table that `erase_customer` returns, which describes the action for one file."""

    match: FileMatch
    action: str
    note: str
    path: Path

    @classmethod
    def planned(cls, match: FileMatch) -> _Row:
        action, note = _decide(match)
        return cls(match, action, note, match.path)

    def values(self) -> list[object]:
        n = self.match.n + self.match.n_left + len(self.match.plan_digests)
        match = self.match
        return [match.kind, str(self.path), match.tenant_uid, match.host, self.action, n, self.note]


def _decide(match: FileMatch) -> tuple[str, str]:
    """Return the action that erases the customer from a file, and the reason for this action."""
    removal = _reason_to_remove(match)
    if removal:
        return "removed", removal
    if match.problem:
        return FAILED, match.problem
    if match.kind == "other":
        return FAILED, "This file was not written by frgroups. Remove the customer by hand."
    if match.n_left:
        note = (
            f"Remove {pluralize(match.n_left, 'mention')} of the customer in free text or in the rows of other "
            "customers by hand."
        )
        if match.n:
            note = f"The rows of the customer are removed. {note}"
        return FAILED, note
    if match.kind == "decision" and match.plan_digests:
        return "rewritten", "Rejections of plans that contain the customer still block the plans' other changes."
    if _has_digest_only(match):
        return "replaced", "This file contains the digest of a plan that contains the customer."
    if match.kind in ("receipt", "journal"):
        note = "The counts in this file do not change."
        if match.resumable:
            note += " The interrupted run can no longer be resumed."
        return "replaced", note
    return "rewritten", ""


def _reason_to_remove(match: FileMatch) -> str:
    """Return the reason why the erasure removes a file, or an empty string if the file is not removed."""
    if match.kind in ("quarantined", "draft"):
        return match.problem or "This file is not in use."
    if match.kind == "review":
        return "This review shows a plan that contains the customer. Create a new plan and save its review."
    if match.kind == "report":
        return "This report lists the customer. Write the report again."
    if match.kind == "export" and match.n:
        return "This file is an export of the customer's data."
    if match.kind == "plan" and _has_digest_only(match) and match.digest:
        return "This plan undoes a plan with the customer. If it has not been applied, create the undo again."
    if match.kind == "plan" and not _has_digest_only(match) and (match.digest or match.problem):
        return "This plan contains the customer. If it has not been applied, create a new plan."
    if match.kind == "approval" and match.plan_digests:
        return "This file is an approval or an override for a plan that contains the customer."
    if match.kind == "snapshot" and match.damaged:
        if match.n or match.n_left:
            return "The snapshot is damaged, so it cannot be rewritten."
        return "The snapshot is damaged and might contain the customer."
    return ""


def _has_digest_only(match: FileMatch) -> bool:
    """Return True if a file contains the digest of a plan with the customer, but no id of the customer."""
    return not match.n and bool(match.plan_digests)


def _lock_and_search(
    subject: Subject, scope: SearchScope, locks: ExitStack
) -> tuple[Subject, list[FileMatch], dict[str, str]]:
    """
    Lock the tenants, search for the customer, and record the rejections of the plans to remove.

    Return the customer with all known ids, the files that contain the customer, and the result of
    `_record_rejections`. All tenants with a lock file are locked, because a running apply or load could still store
    the customer. If the search finds further tenants, all locks are released and acquired again in a fixed order, so
    that two erasures cannot block each other.
    """
    tenants = {tenant for tenant in locked_tenants(scope.caches()) if subject.is_in(*tenant)}
    while True:
        locks.close()
        for tenant_uid, base_url in sorted(tenants):
            _lock(tenant_uid, base_url, scope, locks)
        known = replace(subject, ids=known_ids(subject, scope))
        matches = search_customer(known, scope)
        others = {_lock_name(match) for match in matches if match.base_url} - tenants
        if not others:
            break
        tenants |= others
    if not any(match.kind == "plan" and match.changes[0] for match in matches):
        return known, matches, {}
    failures = _record_rejections(matches, known)
    return known, search_customer(known, scope), failures


def _record_rejections(matches: Iterable[FileMatch], subject: Subject) -> dict[str, str]:
    """
    Copy the rejections of the plans that the erasure removes to the record of decisions.

    The copies are required because the erasure also removes the rejection files.

    If a rejection cannot be recorded, the result contains the reason under two keys: the shortened digest of the plan
    and the shortened hash of its changes. Files with these keys must not be removed.
    """
    failures: dict[str, str] = {}
    reader = DecisionReader()
    for match in matches:
        if match.kind != "plan" or not match.changes[0]:
            continue
        try:
            plan = read_plan(match.path)
            add_rejections(plan, found_rejections(plan, decision_folders(plan), reader.files))
        except FrgroupsError as error:
            reason = f"The rejections of the plan could not be recorded. {subject.redact(error.message)}"
            failures |= {key[:DIGEST_LENGTH]: reason for key in (match.digest, match.changes[0])}
    return failures


def _lock_name(match: FileMatch) -> tuple[str, str]:
    """Return the tenant and the host of a file in the spelling that is used in the names of lock files."""
    tenant_uid, host = parse_tenant_folder(tenant_folder(match.tenant_uid, match.base_url))
    return tenant_uid, f"https://{host}"


def _lock(tenant_uid: str, base_url: str, scope: SearchScope, locks: ExitStack) -> None:
    try:
        locks.enter_context(tenant_lock(tenant_uid, base_url, "erase-customer"))
        for folder in scope.caches():
            if folder.is_dir():
                locks.enter_context(load_lock(folder, tenant_uid, base_url, what="erase-customer"))
    except LockedError as error:
        raise LockedError(f"{error.message} No customer was erased.") from error


def _erase(
    matches: Sequence[FileMatch], subject: Subject, scope: SearchScope, failures: Mapping[str, str]
) -> Iterator[_Row]:
    """
    Erase the customer from the files in `matches`, and search for the customer again.

    Plans and approval files whose keys are in `failures` are not removed.
    """
    moved: dict[Path, Path] = {}
    rows = []
    for match in matches:
        failure = _failure_of(match, failures)
        if failure:
            rows.append(_Row(match, FAILED, failure, match.path))
        else:
            rows.append(_process(match, subject, moved))
    rows = [replace(row, path=moved.get(row.path, row.path)) for row in rows]
    yield from rows
    processed = {row.path for row in rows}
    for match in search_customer(subject, scope):
        if match.path in processed:
            continue
        row = _Row.planned(match)
        if row.action != FAILED:
            note = "This file still contains the customer. Run the erasure again."
            row = replace(row, action=FAILED, note=note)
        yield row


def _failure_of(match: FileMatch, failures: Mapping[str, str]) -> str:
    """Return the reason why a plan or approval file must not be removed, or "" if it can be removed."""
    if match.kind not in ("plan", "approval"):
        return ""
    keys = [match.digest[:DIGEST_LENGTH], *sorted(match.plan_digests)]
    return next((failures[key] for key in keys if key in failures), "")


def _process(match: FileMatch, subject: Subject, moved: dict[Path, Path]) -> _Row:
    """
    Erase the customer from one file.

    The new path of each renamed file is added to the dictionary `moved`. A file that was already renamed together
    with another file is skipped.
    """
    row = _Row.planned(match)
    if match.path in moved:
        return row
    try:
        if row.action == "removed":
            _remove(match.path)
        elif not match.problem and _can_be_rewritten(match):
            moved |= REWRITERS[match.kind](match, subject)
    except FileNotFoundError:
        # Another process or an earlier step of the erasure has already removed the file, so this is not an error.
        return row
    except OSError as error:
        return replace(row, action=FAILED, note=f"{error.strerror or type(error).__name__}")
    except FrgroupsError as error:
        return replace(row, action=FAILED, note=subject.redact(error.message))
    return row


def _can_be_rewritten(match: FileMatch) -> bool:
    if match.kind in ("snapshot", "list"):
        # Do not rewrite the file if it contains only mentions that must be removed by hand.
        return match.n > 0
    return match.kind in REWRITERS


def _remove(path: Path) -> None:
    if path.is_dir():
        remove_folder(path)
    else:
        path.unlink()


def _log_result(customer_uid: str, table: pd.DataFrame) -> None:
    counts = table["action"].value_counts().sort_index().to_dict()
    short_hash = hashlib.sha256(customer_uid.encode()).hexdigest()[:8]
    text = ", ".join(f"{n:,} {action}" for action, n in counts.items()) or "no file contained the customer"
    level = logging.WARNING if counts.get(FAILED) else logging.INFO
    log_event(
        log, level, "customer_erased", f"Erased customer {short_hash}: {text}.", customer=short_hash, counts=counts
    )
