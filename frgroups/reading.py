"""What a load has read of a tenant so far: customers, members and the evidence, put together as a Snapshot."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from frgroups.client import Client
from frgroups.codes import Codes
from frgroups.errors import NotFoundError
from frgroups.members import Listing, read_members
from frgroups.records import consents_table, customers_table, groups_table
from frgroups.snapshot import Snapshot, Verdict
from frgroups.tables import READS, conform
from frgroups.wire import UID, Group, Member, Page

log = logging.getLogger("frgroups.load")


@dataclass
class TenantReading:
    """What has been read of a tenant so far; the one mutable thing of a load."""

    client: Client
    record: type[Member]
    groups: dict[str, Group] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    customers: dict[str, Member] = field(default_factory=dict)
    reads: dict[str, dict[str, Any]] = field(default_factory=dict)
    named: Counter[str] = field(default_factory=Counter)
    cover_holds: bool = True
    list_verdict: str = "consistent"

    def take_groups(self, listed: Listing[Group]) -> None:
        """The groups to read; one whose uid cannot stand in a path is kept without members, and unverifiable."""
        self.groups = {group.uid: group for group in listed.records}
        self.list_verdict = listed.verdict
        if listed.note:
            log.warning("the list of groups of %s: %s", self.client.tenant_uid, listed.note)
        for uid in [uid for uid in self.groups if not UID.fullmatch(uid)]:
            note = "its uid is not one that the API takes, so its members cannot be asked for"
            self.members[uid] = []
            self.reads[uid] = _row(uid, "pages", Listing([], "none", "unverifiable", 0, 0, 0, 0, 0.0, note))

    def first_pages(self, pool: Executor) -> dict[str, Page[Member]]:
        """The first page of every group; a group deleted meanwhile is left out."""
        readable = [uid for uid in self.groups if uid not in self.members]
        found = dict(zip(readable, pool.map(self._first_page, readable), strict=True))
        for uid in [uid for uid, page in found.items() if page is None]:
            self._drop(uid)
        return {uid: page for uid, page in found.items() if page is not None}

    def page(self, uid: str, pool: Executor, first: Page[Member] | None = None) -> None:
        """Read a group by pages and take it in."""
        try:
            listing = read_members(self.client, uid, record=self.record, first=first, pool=pool)
        except NotFoundError:
            self._drop(uid)
            return
        self.members[uid] = listing.uids
        for customer in listing.records:
            self._see(customer)
        self.reads[uid] = _row(uid, "pages", listing)
        if listing.verdict != "consistent":
            log.info("group %s: %s (%s)", uid, listing.verdict, listing.note)
        if listing.misnamed:
            self.cover_holds = False

    def cover(self, uid: str, first: Page[Member]) -> bool:
        """
        Take the group as read when exactly its total of customers seen so far name it, page 1 among them.

        Page 1 is read again at the moment of the decision: the total of the start of the load may be old.
        """
        if not self.cover_holds or first.total_count <= len(first.items) or self.named[uid] != first.total_count:
            return False
        again = self._first_page(uid)
        if again is None or again.nameless or again.total_count != first.total_count:
            return False
        total, uids = again.total_count, again.uids
        if any(uid not in (self._names(customer) or ()) for customer in uids):
            return False
        seen = [customer for customer in self.customers.values() if uid in (customer.customer_group_uids or ())]
        self.members[uid] = [customer.uid for customer in seen]
        self.reads[uid] = _row(uid, "cover", Listing(seen, "counts", "consistent", 2, total, total, 0, 0.0))
        return True

    def covered_in_vain(self) -> list[str]:
        """The groups that were taken as read before the customers' own lists turned out not to hold."""
        return [] if self.cover_holds else [uid for uid, row in self.reads.items() if row["how"] == "cover"]

    def contradicted(self) -> list[str]:
        """The groups whose pages and whose customers' own lists disagree."""
        if not any(self.named.values()):
            return []
        return [uid for uid in self.members if self.reads[uid]["verdict"] == "consistent" and self._contradicts(uid)]

    def _contradicts(self, uid: str) -> bool:
        """Whether a member does not name the group, or one who names it is no member; who names none is silent."""
        lists = [self._names(key) for key in self.members[uid]]
        naming = sum(1 for uids in lists if uids is not None and uid in uids)
        silent = sum(1 for uids in lists if uids is None)
        return not (naming + silent == len(lists) and naming == self.named[uid])

    def doubt(self, uid: str) -> None:
        """Mark a group whose disagreement outlived its reread."""
        note = f"{self.named[uid]} customers name it, {len(self.members[uid])} came from its pages"
        self.reads[uid] |= {"verdict": "drifted", "evidence": "none", "note": note}

    def snapshot(self, taken_at: datetime, read_until: datetime) -> Snapshot:
        """All of it as a Snapshot."""
        groups = groups_table(self.groups.values())
        customers = customers_table(self.customers.values(), self.record)
        reads = pd.DataFrame([self.reads[uid] for uid in groups["customer_group_uid"]], columns=list(READS))
        return Snapshot(
            groups=groups,
            customers=customers,
            consents=consents_table(self.customers.values()),
            reads=conform(reads, READS),
            codes=coded(groups, customers, self.members),
            tenant_uid=self.client.tenant_uid,
            base_url=self.client.base_url,
            taken_at=taken_at,
            read_until=read_until,
            verdict=overall([self.list_verdict, *reads["verdict"]]),
        )

    def _first_page(self, uid: str) -> Page[Member] | None:
        try:
            return self.client.read_customer_page(uid, record=self.record)
        except NotFoundError:
            return None

    def _drop(self, uid: str) -> None:
        log.info("group %s was deleted while the tenant was read; it is left out", uid)
        for known in (self.groups, self.members, self.reads):
            known.pop(uid, None)

    def _see(self, customer: Member) -> None:
        before = self.customers.get(customer.uid)
        if before is not None:
            self.named.subtract(set(before.customer_group_uids or ()))
        self.customers[customer.uid] = customer
        self.named.update(set(customer.customer_group_uids or ()))

    def _names(self, uid: str) -> tuple[str, ...] | None:
        seen = self.customers.get(uid)
        return None if seen is None else seen.customer_group_uids


def overall(verdicts: Iterable[str]) -> Verdict:
    """The verdict of a snapshot: the worst of its groups."""
    found = set(verdicts)
    return "drifted" if "drifted" in found else "unverifiable" if "unverifiable" in found else "consistent"


def coded(groups: pd.DataFrame, customers: pd.DataFrame, members: Mapping[str, list[str]]) -> Codes:
    """The memberships as codes into these two tables."""
    code_of = {uid: code for code, uid in enumerate(customers["customer_uid"])}
    uids = list(groups["customer_group_uid"])
    lists = [np.fromiter((code_of[key] for key in members[uid]), np.int64, len(members[uid])) for uid in uids]
    sizes = [len(codes) for codes in lists]
    return Codes.from_codes(
        np.repeat(np.arange(len(uids)), sizes),
        np.concatenate([*lists, np.empty(0, np.int64)]),
        group_uids=pd.Index(groups["customer_group_uid"], dtype="str"),
        group_names=pd.Index(groups["name"], dtype="str"),
        customer_uids=pd.Index(customers["customer_uid"], dtype="str"),
    )


def _row(uid: str, how: str, listing: Listing[Member]) -> dict[str, Any]:
    """What `Snapshot.reads` says of one group."""
    return {
        "customer_group_uid": uid,
        "how": how,
        "evidence": listing.evidence,
        "verdict": listing.verdict,
        "pages": listing.pages,
        "n_rows": len(listing.records),
        "total_first": listing.total_first,
        "total_last": listing.total_last,
        "rereads": listing.rereads,
        "seconds": listing.seconds,
        "note": listing.note,
    }
