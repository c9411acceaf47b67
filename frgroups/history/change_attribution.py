"""Which applied plans changed the groups of a customer, as journals and receipts tell, and who had agreed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from frgroups.apply.journal import Item, Journal, JournalState, journal_folder
from frgroups.apply.receipt import Receipt, State, read_receipt
from frgroups.errors import FrgroupsError
from frgroups.internals.checksummed_json import canonical_json
from frgroups.internals.structured_logging import error_info, log_event
from frgroups.internals.tombstones import TOMBSTONE_PREFIX

log = logging.getLogger("frgroups.history")

# What was sent, and may be why it is so. "not_sent" and "rejected" are not; "already" was so before.
_MAY_BE_WHY: tuple[State, ...] = ("verified", "not_effective", "unknown")


@dataclass(frozen=True, slots=True)
class Cause:
    """
    One membership that a plan changed: it was sent at `sent_at`, and read back at `until` for the last time.

    `state` is that of the receipt, "unknown" where there is none. A plan that has no digest any more held a
    customer who was erased since.
    """

    customer_group_uid: str
    change: str  # "joined" or "left"
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
        """Whether it can be why a group was joined or left between two moments."""
        same = (group, change) == (self.customer_group_uid, self.change)
        return same and self.sent_at <= before and self.until >= after


def change_causes(
    customer_uid: str, tenant_uid: str, base_url: str | None, journal: str | Path | None = None
) -> list[Cause]:
    """What applied plans did to a customer, in the order in which it was sent; `journal` as in `apply_plan`."""
    folder = journal_folder(journal, tenant_uid, base_url)
    mention = canonical_json(customer_uid).encode()
    causes: list[Cause] = []
    for path in sorted(folder.glob("*.jsonl")):
        try:
            if mention in path.read_bytes():
                causes += list(_causes_in(Journal(path), customer_uid))
        except (FrgroupsError, OSError, KeyError, TypeError, ValueError) as error:
            text = f"It is not told which changes {path} made: {error_info(error)['message']}"
            log_event(log, logging.WARNING, "journal_unreadable", text, path=str(path))
    return sorted(causes, key=lambda one: one.sent_at)


def _causes_in(journal: Journal, customer_uid: str) -> Iterator[Cause]:
    start: dict[str, Any] = {}
    sent: dict[Item, tuple[dict[str, Any], str]] = {}
    last, past = "", JournalState()
    for line in journal.lines():
        past.apply_event(line)
        last = line["at"]
        if line["event"] == "start":
            start = line
        if customer_uid not in line.get("uids", ()):
            continue
        item = (line["group"], customer_uid, line["change"])
        if line["event"] == "intent":
            sent[item] = (start, last)  # It is sent again only where the first time had no effect.
        elif item in past.refused or item in past.not_sent:
            sent.pop(item, None)
    receipt = _receipt_of(journal) if sent else None
    for item, (begun, at) in sent.items():
        cause = _cause(item, begun, datetime.fromisoformat(at), datetime.fromisoformat(last), receipt)
        if cause.state in _MAY_BE_WHY:
            yield cause


def _cause(item: Item, start: dict[str, Any], sent_at: datetime, last: datetime, receipt: Receipt | None) -> Cause:
    approval = start["approval"]
    read = receipt is not None and receipt.read_at >= sent_at  # One of an earlier run knows nothing of this.
    return Cause(
        customer_group_uid=item[0],
        change="joined" if item[2] == "add" else "left",
        sent_at=sent_at,
        until=receipt.read_at if receipt and read else last,
        state=receipt.states.get(item, "unknown") if receipt and read else "unknown",
        plan_digest=_unless_erased(start["digest"]),
        reverts=_unless_erased(receipt.plan.reverts) if receipt else None,
        planned_at=datetime.fromisoformat(start["planned_at"]),
        approved_by=approval.get("by", ""),
        approved_how=approval.get("how", ""),
        approved_at=datetime.fromisoformat(approval["at"]) if approval.get("at") else None,
        receipt_path=receipt.path if receipt else None,
        purpose=receipt.plan.purpose if receipt else "",
    )


def _receipt_of(journal: Journal) -> Receipt | None:
    if not journal.receipt_path.exists():
        return None
    try:
        return read_receipt(journal.receipt_path)
    except FrgroupsError as error:
        log_event(log, logging.WARNING, "receipt_unreadable", str(error), path=str(journal.receipt_path))
        return None


def _unless_erased(digest: str | None) -> str | None:
    return None if digest in (None, TOMBSTONE_PREFIX) else digest
