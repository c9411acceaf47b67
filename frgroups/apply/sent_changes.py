"""Search the journals and receipts of a tenant for the membership changes that applied plans sent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from frgroups.apply.journal import Item, JournalState, journal_folder, read_journal_lines, receipt_path_of
from frgroups.apply.receipt import Receipt, read_receipt
from frgroups.apply.run_registry import registered_journals
from frgroups.apply.stored_content import State
from frgroups.errors import FrgroupsError
from frgroups.internals.checksummed_json import canonical_json
from frgroups.internals.structured_logging import error_info, log_event
from frgroups.internals.tombstones import TOMBSTONE_PREFIX

log = logging.getLogger("frgroups.apply")

# Changes with these states were sent and might have taken effect.
_EFFECTIVE_STATES: tuple[State, ...] = ("verified", "not_effective", "unknown")


@dataclass(frozen=True, slots=True)
class Cause:
    """
    A membership change that was sent when a plan was applied.

    Attributes
    ----------
    change
        "joined" or "left".
    sent_at, until
        Time of the request, and latest time at which the change can have taken effect. The latest time is the time of
        the read-back, or the time of the last journal line if no receipt exists.
    state
        State in the receipt, or "unknown" if no receipt exists.
    plan_digest, reverts
        Digest of the applied plan, and digest of the original plan if the applied plan is an undo plan. A digest is
        None if a customer in the plan was erased.
    approved_by, approved_how, approved_at
        Reviewer, method, and time of the approval.
    """

    customer_group_uid: str
    customer_uid: str
    change: str
    sent_at: datetime
    until: datetime
    state: State
    plan_digest: str | None
    reverts: str | None
    planned_at: datetime
    approved_by: str
    approved_how: str
    approved_at: datetime | None
    receipt_path: Path | None
    purpose: str

    def may_explain(self, group: str, change: str, after: datetime, before: datetime) -> bool:
        """Return True if the plan's request might have caused a change that was observed between two timestamps."""
        is_same_change = (group, change) == (self.customer_group_uid, self.change)
        return is_same_change and self.sent_at <= before and self.until >= after


def change_causes(
    customer_uid: str,
    tenant_uid: str,
    base_url: str | None,
    journal: str | Path | None = None,
    *,
    unreadable: list[Path] | None = None,
) -> list[Cause]:
    """
    Return a customer's membership changes that were sent by applied plans, sorted by time.

    A journal that cannot be read is skipped with a warning in the log.

    Parameters
    ----------
    customer_uid
        Uid of the customer.
    tenant_uid, base_url
        Tenant and host of the plans.
    journal
        Folder that contains the journals. None selects the data folder.
    unreadable
        If a list is passed, the paths of the journals that cannot be read are appended to the list.
    """
    encoded_uid = canonical_json(customer_uid).encode()
    paths = journal_folder(journal, tenant_uid, base_url).glob("*.jsonl")
    return _causes_in_journals(
        paths,
        has_changes=lambda path: encoded_uid in path.read_bytes(),
        selected=lambda line: [uid for uid in line["uids"] if uid == customer_uid],
        unreadable=unreadable,
    )


def group_causes(
    group_uids: Collection[str],
    tenant_uid: str,
    base_url: str | None,
    *,
    after: datetime,
    unreadable: list[Path] | None = None,
) -> list[Cause]:
    """
    Return the sent changes to groups that might have taken effect after the given time, sorted by time.

    The function reads the journals in the data folder. It also reads journals in other folders if their plans were
    started from this data folder. A journal that cannot be read is skipped with a warning in the log.

    Parameters
    ----------
    group_uids
        Uids of the groups.
    tenant_uid, base_url
        Tenant and host of the plans.
    after
        Changes that took effect before this time are omitted.
    unreadable
        If a list is passed, the paths of the journals that cannot be read are appended to the list.

    Raises
    ------
    CorruptFileError
        The registry of started plans is corrupt.
    """
    folder = journal_folder(None, tenant_uid, base_url)
    paths = {*folder.glob("*.jsonl"), *registered_journals(tenant_uid, base_url)}
    causes = _causes_in_journals(
        paths,
        has_changes=lambda path: datetime.fromtimestamp(path.stat().st_mtime, UTC) > after,
        selected=lambda line: line["uids"] if line["group"] in group_uids else [],
        unreadable=unreadable,
    )
    return [cause for cause in causes if cause.until > after]


def _causes_in_journals(
    paths: Iterable[Path],
    has_changes: Callable[[Path], bool],
    selected: Callable[[dict[str, Any]], Collection[str]],
    unreadable: list[Path] | None,
) -> list[Cause]:
    """
    Return the selected changes that were sent, sorted by time.

    Parameters
    ----------
    paths
        The journals.
    has_changes
        Function that returns False if a journal cannot contain a selected change. Such a journal is not decoded.
    selected
        Function that returns the customers in a journal line whose changes are selected.
    unreadable
        List to which the paths of the journals that cannot be read are appended, or None.
    """
    causes: list[Cause] = []
    for path in sorted(paths):
        try:
            if has_changes(path):
                causes += list(_causes_in(path, selected))
        except (FrgroupsError, OSError, KeyError, TypeError, ValueError) as error:
            if unreadable is not None:
                unreadable.append(path)
            text = f"The history does not include the changes in journal {path}: {error_info(error)['message']}"
            log_event(log, logging.WARNING, "journal_unreadable", text, path=str(path))
    return sorted(causes, key=lambda cause: cause.sent_at)


def _causes_in(journal: Path, selected: Callable[[dict[str, Any]], Collection[str]]) -> Iterator[Cause]:
    start: dict[str, Any] = {}
    sent: dict[Item, tuple[dict[str, Any], str]] = {}
    last, state = "", JournalState()
    for line in read_journal_lines(journal):
        state.apply_event(line)
        last = line["at"]
        if line["event"] == "start":
            start = line
        if "uids" not in line:
            continue
        for uid in selected(line):
            item = (line["group"], uid, line["change"])
            if line["event"] == "intent":
                # A later request replaces an earlier request for the same change, because a change is sent again only
                # if the earlier request had no effect.
                sent[item] = (start, last)
            elif item in state.rejected or item in state.not_sent:
                sent.pop(item, None)
    if not sent:
        return
    receipt = _read_receipt_of(journal)
    for item, (run_start, at) in sent.items():
        cause = _make_cause(item, run_start, datetime.fromisoformat(at), datetime.fromisoformat(last), receipt)
        if cause.state in _EFFECTIVE_STATES:
            yield cause


def _make_cause(
    item: Item, start: dict[str, Any], sent_at: datetime, last: datetime, receipt: Receipt | None
) -> Cause:
    """
    Return a Cause object for a change that is recorded in a journal.

    Parameters
    ----------
    item
        Group uid, customer uid, and operation of the change.
    start
        The start event of the run that sent the change.
    sent_at, last
        Times of the request and of the last line in the journal.
    receipt
        Receipt of the plan. None if the receipt does not exist or cannot be read.
    """
    group_uid, customer_uid, operation = item
    approval = start["approval"]
    approved_at = None
    if approval.get("at"):
        approved_at = datetime.fromisoformat(approval["at"])
    until = last
    state: State = "unknown"
    reverts, receipt_path, purpose = None, None, ""
    if receipt is not None:
        reverts, receipt_path, purpose = receipt.plan.reverts, receipt.path, receipt.plan.purpose
        if receipt.read_at >= sent_at:
            # Use the receipt only if it was written after the request.
            # An older receipt belongs to an earlier run and does not contain the result of this request.
            until, state = receipt.read_at, receipt.states.get(item, "unknown")
    return Cause(
        customer_group_uid=group_uid,
        customer_uid=customer_uid,
        change={"add": "joined", "remove": "left"}[operation],
        sent_at=sent_at,
        until=until,
        state=state,
        plan_digest=_without_tombstone(start["digest"]),
        reverts=_without_tombstone(reverts),
        planned_at=datetime.fromisoformat(start["planned_at"]),
        approved_by=approval.get("by", ""),
        approved_how=approval.get("how", ""),
        approved_at=approved_at,
        receipt_path=receipt_path,
        purpose=purpose,
    )


def _read_receipt_of(journal: Path) -> Receipt | None:
    path = receipt_path_of(journal)
    if not path.exists():
        return None
    try:
        return read_receipt(path)
    except FrgroupsError as error:
        log_event(log, logging.WARNING, "receipt_unreadable", str(error), path=str(path))
        return None


def _without_tombstone(digest: str | None) -> str | None:
    """Return a plan digest, or None if the digest was replaced because a customer in the plan was erased."""
    if digest == TOMBSTONE_PREFIX:
        return None
    return digest
