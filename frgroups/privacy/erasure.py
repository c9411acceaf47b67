"""Forget one customer: in all that frgroups keeps, file by file, and say what was done."""

from __future__ import annotations

import hashlib
import logging
import uuid
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
from frgroups.privacy import rewriters as erase
from frgroups.privacy.file_scanners import FILES_NAMED_BY_DIGEST, FileMatch
from frgroups.privacy.search import Places, known_ids, search_customer, search_files
from frgroups.privacy.text_search import Subject
from frgroups.snapshot.schema import coerce_schema
from frgroups.store.folders import remove

log = logging.getLogger("frgroups.forget")

COULD_NOT = "could not"
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
    Remove one customer from all that frgroups keeps in the home, and tell what became of each file.

    Delete the customer in the tenant first: what is there still, the next load keeps again. A table with a row for
    each file that held the customer: kind, path (as it is afterwards), tenant_uid ("" where the file does not
    tell), action ("rewritten", "tombstoned", "removed" or "could not"), n (how often the file named the customer)
    and note. It holds nothing of the customer; the log holds a short hash of the uid.

    Parameters
    ----------
    tenant_uid
        Only in this tenant. None is every tenant that knows the uid, where it may be of another person. Lists do not
        tell their tenant, but for never-add lists: they lose the uid either way.
    cache, journal
        A folder of snapshots, or of journals and receipts, beside those of the home.
    also
        Files and folders elsewhere: plans, receipts, reviews, lists.
    ids
        Other ids of the customer by which lists may know them, beside those in the kept snapshots.
    dry_run
        Tell what would be done, and change nothing.

    Raises
    ------
    LockedError
        An apply is running, to any tenant or to the one that was named; nothing was changed. Loads that are under
        way are waited for, with a line in the log.

    Notes
    -----
    *Snapshots* are rewritten: the customer's attributes, consents and memberships go, and so does the customer as
    a parent of others. A group whose last member this was stays, empty. How groups were read stays as it was told.

    *Plans* that name the customer, among the operations or the members that a group had, are removed with their
    review pages and approvals: without the customer it would be another plan, which nobody has approved. Plan again.
    One that only holds the customer back loses that row, and is the same plan.

    *Journals and receipts* stay, with a tombstone such as `(forgotten-1)` in the customer's place, so that counts
    add up. Their checksums are made anew. The digest of the plan goes from them, their names and whatever repeats
    it: whoever has the rest could find the uid by trying. An apply that was not at its end cannot be gone on with,
    and says so; `plan_undo` leaves the customer out, and says so.

    *Lists* (CSV, text, Excel, in the folder `lists` of the home) lose the rows that name the customer by uid or by
    an id that a kept snapshot knows; so does a never-add list, and the customer may be added again.

    *Damaged snapshots*, in their place or set aside, and *drafts* are removed when they hold the customer or that
    cannot be told: nobody can read or rewrite them, and what may hold the customer must not stay. What another
    version of frgroups wrote, or cannot be read for now, is "could not"; so are a damaged journal or receipt, the
    only trace of what was sent, and any other file in the home that holds the uid.

    Each file is the old one or the new one at any moment. What was cut off is completed by running it again.

    >>> path = save_snapshot(sample_snapshot())
    >>> erase_customer("c-251", tenant_uid="t-1")[["kind", "action", "n"]].tail(1).to_dict("records")
    [{'kind': 'snapshot', 'action': 'rewritten', 'n': 2}]
    >>> len(erase_customer("c-251", tenant_uid="t-1"))
    0
    """
    asked, places = search_files(
        customer_uid, tenant_uid=tenant_uid, cache=cache, journal=journal, also=also, ids=ids
    )
    with ExitStack() as locks:
        who, held = _looked_up(asked, places, None if dry_run else locks)
        rows = [_Row.planned(trace) for trace in held] if dry_run else list(_forgotten(held, who, places))
    table = coerce_schema(pd.DataFrame([row.values() for row in rows], columns=list(_COLUMNS)), _COLUMNS)
    if not dry_run:
        _log(customer_uid, table)
    return table


@dataclass(frozen=True)
class _Row:
    """What becomes of one file."""

    trace: FileMatch
    action: str
    note: str
    path: Path

    @classmethod
    def planned(cls, trace: FileMatch) -> _Row:
        action, note = _decided(trace)
        return cls(trace, action, note, trace.path)

    def values(self) -> list[object]:
        n = self.trace.n + self.trace.n_left + len(self.trace.mentions)
        return [self.trace.kind, str(self.path), self.trace.tenant_uid, self.action, n, self.note]


def _decided(trace: FileMatch) -> tuple[str, str]:
    """What is to be done with a file that holds a customer, and why."""
    name_only = not trace.n and trace.mentions
    if trace.kind in ("set aside", "draft"):
        return "removed", trace.trouble or "no reader looks at it"
    if trace.kind == "review":
        return "removed", "it shows a plan that names the customer: save the review of a new plan"
    if trace.kind == "plan" and not name_only and (trace.digest or trace.trouble):
        return "removed", "without the customer it is another plan, unapproved: plan again if it was not applied"
    if trace.kind == "approval" and trace.mentions:
        return "removed", "it approves a plan that names the customer"
    if trace.kind == "snapshot" and trace.damaged:
        sure = "so it can be neither read nor rewritten" if trace.n or trace.n_left else "and may hold the customer"
        return "removed", f"it is damaged, {sure}"
    if trace.trouble:
        return COULD_NOT, trace.trouble
    if trace.kind == "other":
        return COULD_NOT, "frgroups did not write it: edit or delete it"
    if trace.n_left:
        done = "the customer's rows go; " if trace.n else ""
        return (
            COULD_NOT,
            f"{done}{pluralize(trace.n_left, 'mention')} in longer text or in others' rows: edit by hand",
        )
    if name_only:
        return ("rewritten" if trace.kind == "plan" else "tombstoned"), "it repeated the digest of such a plan"
    if trace.kind in ("receipt", "journal"):
        return "tombstoned", "counts add up; an apply that was not at its end cannot be gone on with"
    return "rewritten", ""


def _looked_up(asked: Subject, places: Places, locks: ExitStack | None) -> tuple[Subject, list[FileMatch]]:
    """
    Find what is held, and keep applies and loads away from every tenant in question before it is counted on.

    One that is under way may have nothing of the customer yet and keep it in the end, so it is not only the tenants
    of what is found. Locks are taken anew, in order, when others are found to matter: two runs cannot block each
    other.
    """
    tenants = {one for one in locked_tenants(places.caches()) if asked.is_in(one[0])}
    while True:
        if locks is not None:
            locks.close()
            for tenant_uid, base_url in sorted(tenants):
                _lock(tenant_uid, base_url, places, locks)
        who = replace(asked, ids=known_ids(asked, places))
        held = search_customer(who, places)
        others = {_by_folder(one) for one in held if one.base_url} - tenants
        if locks is None or not others:
            return who, held
        tenants |= others


def _by_folder(trace: FileMatch) -> tuple[str, str]:
    """Tenant and host as the name of a folder, or of a lock, tells them."""
    tenant_uid, host = parse_tenant_folder(tenant_folder(trace.tenant_uid, trace.base_url))
    return tenant_uid, f"https://{host}"


def _lock(tenant_uid: str, base_url: str, places: Places, locks: ExitStack) -> None:
    try:
        locks.enter_context(tenant_lock(tenant_uid, base_url, "forget"))
        for folder in places.caches():
            if folder.is_dir():
                locks.enter_context(load_lock(folder, tenant_uid, base_url, what="forget"))
    except LockedError as error:
        raise LockedError(f"{error.message} Nobody was forgotten.") from error


def _forgotten(held: Sequence[FileMatch], who: Subject, places: Places) -> Iterator[_Row]:
    """Do it, and look again whether anything is left."""
    moved: dict[Path, Path] = {}
    rows = [_performed(trace, who, moved) for trace in held]
    yield from (replace(row, path=moved.get(row.path, row.path)) for row in rows)
    told = {moved.get(row.path, row.path) for row in rows}
    for trace in search_customer(who, places):
        if trace.path not in told:
            row = _Row.planned(trace)
            note = row.note if row.action == COULD_NOT else "it came, or was left, while this ran: run it again"
            yield replace(row, action=COULD_NOT, note=note)


def _performed(trace: FileMatch, who: Subject, moved: dict[Path, Path]) -> _Row:
    row = _Row.planned(trace)
    try:
        return replace(row, path=moved.get(trace.path) or _perform(row, who, moved))
    except FileNotFoundError:  # Gone with another one, or by another hand.
        return row
    except OSError as error:
        return replace(row, action=COULD_NOT, note=f"{error.strerror or type(error).__name__}")
    except FrgroupsError as error:
        return replace(row, action=COULD_NOT, note=who.words.sub("…", error.message))


def _perform(row: _Row, who: Subject, moved: dict[Path, Path]) -> Path:
    """Do what was decided of one file; returns its path as it is then."""
    trace, path = row.trace, row.trace.path
    if row.action == "removed":
        remove(path) if path.is_dir() else path.unlink()
    elif trace.trouble or trace.kind == "other":
        pass
    elif trace.kind == "snapshot" and trace.n:
        return erase.erase_from_snapshot(path, who)
    elif trace.kind == "list" and trace.n:
        erase.erase_from_list(path, who)
    elif trace.kind == "approval":
        erase.erase_from_approval(path, who)
    elif trace.kind == "plan":
        erase.erase_from_plan(path, who, reverts=bool(trace.mentions))
    elif trace.kind in ("receipt", "journal"):
        moved |= _buried(trace, who)
        return moved[path]
    return path


def _buried(trace: FileMatch, who: Subject) -> dict[Path, Path]:
    """Bury the customer in a journal or receipt; where each file is then."""
    told_by_digest = trace.digest or trace.unfinished or (trace.kind == "journal" and trace.mentions)
    if told_by_digest and FILES_NAMED_BY_DIGEST.fullmatch(trace.path.name):
        return erase.erase_from_apply(trace.path, who)
    seal = uuid.uuid4().hex[:8] if told_by_digest else ""
    erase_from = erase.erase_from_receipt if trace.kind == "receipt" else erase.erase_from_journal
    return {trace.path: erase_from(trace.path, who, seal)}


def _log(customer_uid: str, table: pd.DataFrame) -> None:
    counts = table["action"].value_counts().sort_index().to_dict()
    short = hashlib.sha256(customer_uid.encode()).hexdigest()[:8]
    told = ", ".join(f"{n:,} {action}" for action, n in counts.items()) or "nothing was held"
    level = logging.WARNING if counts.get(COULD_NOT) else logging.INFO
    log_event(log, level, "customer_forgotten", f"Customer {short}: {told}.", customer=short, counts=counts)
