"""Erase one customer from all files of frgroups, and report the action for each file."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from frgroups.errors import FrgroupsError, LockedError
from frgroups.internals.formatting import pluralize
from frgroups.internals.locks import load_lock, locked_tenants, tenant_lock
from frgroups.internals.paths import parse_tenant_folder, tenant_folder
from frgroups.internals.structured_logging import log_event
from frgroups.privacy.file_scanners import FileMatch
from frgroups.privacy.rewriters import REWRITERS
from frgroups.privacy.search import SearchScope, known_ids, search_customer, search_files
from frgroups.privacy.text_search import Subject
from frgroups.snapshot.schema import coerce_schema
from frgroups.store.folders import remove_folder

log = logging.getLogger("frgroups.privacy")

FAILED = "failed"
_COLUMNS = {"kind": "str", "path": "str", "tenant_uid": "str", "action": "str", "n": "int64", "note": "str"}


def erase_customer(
    customer_uid: str,
    *,
    tenant_uid: str | None = None,
    cache: str | Path | None = None,
    journal: str | Path | None = None,
    also: Iterable[str | Path] = (),
    ids: Iterable[str] = (),
    dry_run: bool = False,
) -> pd.DataFrame:
    """
    Erase one customer from all files in the data folder, and return a table of the actions.

    Delete the customer in the tenant first; otherwise the next load stores the customer again. The table has a
    row for each file that contained the customer: kind, path (after the erasure), tenant_uid ("" if the file
    does not name its tenant), action ("rewritten", "tombstoned", "removed" or "failed"), n (number of
    mentions) and note. The table contains no data of the customer. The log contains a short hash of the uid.

    Parameters
    ----------
    tenant_uid
        Search only files of this tenant. None searches all tenants, in which the uid may be of another person. Lists
        do not name their tenant, except suppression lists; they lose the uid in both cases.
    cache, journal
        A folder of snapshots, or of journals and receipts, in addition to those of the data folder.
    also
        Other files and folders: plans, receipts, reviews, lists.
    ids
        Other ids of the customer that lists may contain, in addition to those in the stored snapshots.
    dry_run
        Return the planned actions, and change nothing.

    Raises
    ------
    LockedError
        A plan is being applied, to any tenant or to `tenant_uid`; nothing was changed. The function waits for running
        loads, and logs that it waits.

    Notes
    -----
    *Snapshots* are rewritten without the customer's attributes, consents and memberships, and without the
    customer as the parent of others. A group whose last member was the customer stays, empty. The verdict of the
    reads stays.

    *Plans* that name the customer in an operation or as a previous member are removed with their review pages and
    approvals, because without the customer they would be other plans that no reviewer has approved. Plan again.
    If a plan only excludes the customer, the exclusion is removed and the plan's digest does not change.

    *Journals and receipts* stay, with a tombstone such as `(erased-1)` in place of the customer, so that
    counts add up. Their checksums are calculated again. The plan's digest is removed from them, from their names
    and from all files that repeat it, because a reader of the rest could find the uid by trying. A run that was
    not complete cannot be resumed, and `apply_plan` reports that; `plan_undo` leaves the customer out and adds a
    finding.

    *Lists* (CSV, text, Excel, in the folder `lists` of the data folder) lose the rows that name the customer by
    uid or by an id in a stored snapshot. A suppression list does, too, so that the customer can be added again.

    *Damaged snapshots*, quarantined or not, and *drafts* are removed if they contain the customer or if that
    cannot be determined, because they can be neither read nor rewritten. The action is "failed" for files of
    another version of frgroups, for files that cannot be read at the moment, for a damaged journal or receipt,
    which is the only record of what was sent, and for any other file in the data folder that contains the uid.

    Each file is replaced in one atomic step. To complete an interrupted erasure, call the function again.

    Examples
    --------
    >>> path = save_snapshot(sample_snapshot())
    >>> erase_customer("c-251", tenant_uid="t-1")[["kind", "action", "n"]].tail(1).to_dict("records")
    [{'kind': 'snapshot', 'action': 'rewritten', 'n': 2}]
    >>> len(erase_customer("c-251", tenant_uid="t-1"))
    0
    """
    subject, scope = search_files(
        customer_uid, tenant_uid=tenant_uid, cache=cache, journal=journal, also=also, ids=ids
    )
    with ExitStack() as locks:
        if dry_run:
            subject = replace(subject, ids=known_ids(subject, scope))
            rows = [_Row.planned(match) for match in search_customer(subject, scope)]
        else:
            subject, matches = _lock_and_search(subject, scope, locks)
            rows = list(_erase(matches, subject, scope))
    table = coerce_schema(pd.DataFrame([row.values() for row in rows], columns=list(_COLUMNS)), _COLUMNS)
    if not dry_run:
        _log_result(customer_uid, table)
    return table


@dataclass(frozen=True)
class _Row:
    """The action on one file."""

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
        return [self.match.kind, str(self.path), self.match.tenant_uid, self.action, n, self.note]


def _decide(match: FileMatch) -> tuple[str, str]:
    """Return the action on a file and the reason."""
    removal = _reason_to_remove(match)
    if removal:
        return "removed", removal
    if match.problem:
        return FAILED, match.problem
    if match.kind == "other":
        return FAILED, "frgroups did not write it: edit or delete it"
    if match.n_left:
        note = f"{pluralize(match.n_left, 'mention')} in longer text or in others' rows: edit by hand"
        if match.n:
            note = f"the customer's rows are removed; {note}"
        return FAILED, note
    if _has_digest_only(match):
        action = "rewritten" if match.kind == "plan" else "tombstoned"
        return action, "it repeated the digest of such a plan"
    if match.kind in ("receipt", "journal"):
        return "tombstoned", "counts add up; an apply that was not complete cannot be resumed"
    return "rewritten", ""


def _reason_to_remove(match: FileMatch) -> str:
    """Return the reason why a file is removed instead of rewritten, or ""."""
    if match.kind in ("quarantined", "draft"):
        return match.problem or "no reader uses it"
    if match.kind == "review":
        return "it shows a plan that names the customer: save the review of a new plan"
    if match.kind == "plan" and not _has_digest_only(match) and (match.digest or match.problem):
        return "without the customer it is another plan, unapproved: plan again if it was not applied"
    if match.kind == "approval" and match.plan_digests:
        return "it approves a plan that names the customer"
    if match.kind == "snapshot" and match.damaged:
        if match.n or match.n_left:
            return "it is damaged, so it can be neither read nor rewritten"
        return "it is damaged, and may contain the customer"
    return ""


def _has_digest_only(match: FileMatch) -> bool:
    """Return True if the file does not name the customer, but a plan that does."""
    return not match.n and bool(match.plan_digests)


def _lock_and_search(subject: Subject, scope: SearchScope, locks: ExitStack) -> tuple[Subject, list[FileMatch]]:
    """
    Lock every tenant that is concerned, and return the subject with all known ids and its matches.

    A running apply or load may store the customer later, so all tenants that were ever locked are concerned, not only
    those of the matches. If the search finds other tenants, all locks are taken again in order, so that two erasures
    cannot block each other.
    """
    tenants = {tenant for tenant in locked_tenants(scope.caches()) if subject.is_in(tenant[0])}
    while True:
        locks.close()
        for tenant_uid, base_url in sorted(tenants):
            _lock(tenant_uid, base_url, scope, locks)
        known = replace(subject, ids=known_ids(subject, scope))
        matches = search_customer(known, scope)
        others = {_lock_name(match) for match in matches if match.base_url} - tenants
        if not others:
            return known, matches
        tenants |= others


def _lock_name(match: FileMatch) -> tuple[str, str]:
    """Return the tenant and host as they are in the name of a folder or lock."""
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


def _erase(matches: Sequence[FileMatch], subject: Subject, scope: SearchScope) -> Iterator[_Row]:
    """Process all matches, then search again for mentions that are left."""
    moved: dict[Path, Path] = {}
    rows = [_process(match, subject, moved) for match in matches]
    rows = [replace(row, path=moved.get(row.path, row.path)) for row in rows]
    yield from rows
    processed = {row.path for row in rows}
    for match in search_customer(subject, scope):
        if match.path in processed:
            continue
        row = _Row.planned(match)
        if row.action != FAILED:
            note = "it was created, or left, during the erasure: run it again"
            row = replace(row, action=FAILED, note=note)
        yield row


def _process(match: FileMatch, subject: Subject, moved: dict[Path, Path]) -> _Row:
    """Perform the action on one file, unless it was renamed with another one, and add its new path to `moved`."""
    row = _Row.planned(match)
    if match.path in moved:
        return row
    try:
        if row.action == "removed":
            _remove(match.path)
        elif not match.problem and _can_be_rewritten(match):
            moved |= REWRITERS[match.kind](match, subject)
    except FileNotFoundError:  # Removed together with another file, or by another process.
        return row
    except OSError as error:
        return replace(row, action=FAILED, note=f"{error.strerror or type(error).__name__}")
    except FrgroupsError as error:
        return replace(row, action=FAILED, note=subject.redact(error.message))
    return row


def _can_be_rewritten(match: FileMatch) -> bool:
    if match.kind in ("snapshot", "list"):  # Their other mentions are left.
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
    log_event(log, level, "customer_erased", f"Customer {short_hash}: {text}.", customer=short_hash, counts=counts)
