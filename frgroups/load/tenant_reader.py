"""What a load has read of a tenant so far: customers, members and the evidence, put together as a Snapshot."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from frgroups.api.client import Client
from frgroups.api.schema.codec import UID
from frgroups.api.schema.records import ROW_OF, Group, Member
from frgroups.errors import NotFoundError
from frgroups.internals.progress import Progress
from frgroups.internals.structured_logging import log_event
from frgroups.internals.typing import IntArray
from frgroups.load.column_builder import groups_table
from frgroups.load.customer_index import CustomerIndex, GroupReferences
from frgroups.load.load_progress import LoadProgress
from frgroups.load.verified_listing import Listing, PageRows, listing_context, read_listing
from frgroups.snapshot.membership_matrix import MembershipMatrix
from frgroups.snapshot.schema import READS, coerce_schema
from frgroups.snapshot.snapshot import Snapshot, Verdict

log = logging.getLogger("frgroups.load")

# Where only the total of a group is wanted: a few of its customers, since they are evidence too.
PROBE_SIZE = 20

TICK = 0.25
_NOBODY = np.empty(0, np.int64)

Found = TypeVar("Found")


@dataclass
class TenantReader:
    """
    What has been read of a tenant so far; the one mutable thing of a load.

    `pool` sends the requests; `readers` are the threads that wait for the pages of one group each.
    """

    client: Client
    groups: dict[str, Group]
    record: type[Member]
    pool: Executor
    readers: Executor
    bar: Progress
    members: dict[str, IntArray] = field(default_factory=dict)
    covered: dict[str, int] = field(default_factory=dict)
    reads: dict[str, dict[str, Any]] = field(default_factory=dict)
    lists_hold: bool = True

    def __post_init__(self) -> None:
        self.code_of = {uid: code for code, uid in enumerate(self.groups)}
        self.seen = CustomerIndex(self.record, list(self.groups))
        self.shown = LoadProgress(self.bar, self.groups, requests_before=self.client.n_requests)
        for uid in [uid for uid in self.groups if not UID.fullmatch(uid)]:
            note = "its uid is not one that the API takes, so its members cannot be asked for"
            self._take(uid, "pages", Listing([], "none", "unverifiable", 0, 0, 0, 0, 0.0, note))
            self.members[uid] = _NOBODY

    def unread(self) -> list[str]:
        """The groups that are not in `reads` yet, in the order of the service."""
        return [uid for uid in self.groups if uid not in self.reads]

    def first_pages(self, uids: Iterable[str]) -> dict[str, PageRows[int]]:
        """The first page of each of these groups; a group deleted meanwhile is left out."""
        return dict(self._each(uids, self._rows, self.pool))

    def page(self, firsts: Mapping[str, PageRows[int] | None]) -> None:
        """Read these groups by pages; a first page that is there already is not asked for again."""
        for uid, listing in self._each(firsts, lambda uid: self._listing(uid, firsts[uid]), self.readers):
            self.covered.pop(uid, None)
            self.members[uid] = np.array(listing.uids, np.int64)
            self._take(uid, "pages", listing)
            if listing.missing_backreference:
                self.lists_hold = False

    def probe_total(self, uids: Iterable[str]) -> list[str]:
        """
        Take as read each of these groups whose total, now, is the number of customers seen that name it.

        The few customers that come with the total must be among those counted. Returns the groups of which
        that was not so.
        """
        missed = []
        naming = self.seen.naming()
        for uid, (rows, seconds) in self._each(uids, self._glanced, self.pool):
            n = int(naming.counts[self.code_of[uid]])
            self.shown.expect({uid: rows.total_count})
            if (
                rows.total_count != n
                or rows.n_new
                or rows.without_uid
                or (n and not rows.keys)
                or rows.n_naming - len(rows.missing_backreference) < len(rows.keys)
            ):
                missed.append(uid)
                continue
            self.covered[uid] = n
            self._take(uid, "cover", Listing(range(n), "counts", "consistent", 1, n, n, 0, seconds))
        return missed

    def settle(self) -> None:
        """Read again, once and by pages, what the customers' own lists contradict; mark what they still do."""
        tried: set[str] = set()
        while True:
            naming = self.seen.naming()
            contradicted = [uid for uid in self._contradicted(naming, tried) if uid not in tried]
            again = [*self._stale_inferences(naming), *contradicted, *self._groups_to_reread(naming, contradicted)]
            if not again:
                break
            tried.update(contradicted)
            self.page(dict.fromkeys(again))
        for uid in self._contradicted(naming, tried):
            n = int(naming.counts[self.code_of[uid]])
            note = f"{n} customers name it, {len(self.members[uid])} came from its pages"
            self.reads[uid] |= {"verdict": "drifted", "evidence": "none", "note": note}

    def _stale_inferences(self, naming: GroupReferences) -> list[str]:
        """The covered groups that the customers' lists, as they are now, do not bear out."""
        counts = naming.counts
        return [uid for uid, n in self.covered.items() if not self.lists_hold or counts[self.code_of[uid]] != n]

    def _contradicted(self, naming: GroupReferences, again: Collection[str]) -> list[str]:
        """
        The paged groups whose members and whose customers' own lists disagree.

        In one that was read `again` nobody is missing who was met nowhere else: they left, and have no newer list.
        """
        if not len(naming.keys):
            return []  # Where nobody names a group, the lists say nothing.
        sure = [uid for uid in self.members if self.reads[uid]["verdict"] == "consistent"]
        found = [uid for uid in sure if naming.contradicts(self.code_of[uid], self.members[uid])]
        return [uid for uid in found if uid not in again or not self._has_only_lost(uid, naming)]

    def _has_only_lost(self, uid: str, naming: GroupReferences) -> bool:
        """Whether members and lists differ in nothing but customers who are in no group now, as far as was read."""
        named, members = naming.customers(self.code_of[uid]), self.members[uid]
        lost = np.setdiff1d(named, members, assume_unique=True)
        if naming.contradicts(self.code_of[uid], np.concatenate([members, lost])):
            return False
        elsewhere = [*self.members.values(), *(naming.customers(self.code_of[one]) for one in self.covered)]
        return not any(np.isin(lost, others).any() for others in elsewhere)

    def _groups_to_reread(self, naming: GroupReferences, contradicted: Iterable[str]) -> list[str]:
        """
        The smallest groups in which those were met who name a contradicted group and did not come with it.

        They may have left it since, or joined it: read again, their records tell.
        """
        met_in = np.full(len(self.seen), -1)
        paged = sorted(self.members, key=lambda uid: -len(self.members[uid]))
        for n, uid in enumerate(paged):
            met_in[self.members[uid]] = n
        extra = [
            np.setdiff1d(naming.customers(self.code_of[uid]), self.members[uid], assume_unique=True)
            for uid in contradicted
        ]
        found = np.unique(met_in[np.concatenate([*extra, _NOBODY])])
        return [paged[n] for n in found if n >= 0]

    def snapshot(self, list_verdict: str, taken_at: datetime, read_until: datetime) -> Snapshot:
        """All of it as a Snapshot."""
        groups = groups_table(self.groups.values())
        uids = list(groups["customer_group_uid"])
        members = self._member_codes(uids)
        every = np.concatenate([*members, _NOBODY])
        rank = np.full(len(self.seen), -1)
        rank[every] = 0  # Who was met and turned out to be in no group is left out.
        customers, consents, ordered = self.seen.customers(np.flatnonzero(rank == 0))
        rank[ordered] = np.arange(len(ordered))
        reads = pd.DataFrame([self.reads[uid] for uid in uids], columns=list(READS))
        return Snapshot(
            groups=groups,
            customers=customers,
            consents=consents,
            reads=coerce_schema(reads, READS),
            matrix=MembershipMatrix.from_codes(
                np.repeat(np.arange(len(uids)), [len(codes) for codes in members]),
                rank[every],
                group_uids=pd.Index(groups["customer_group_uid"], dtype="str"),
                group_names=pd.Index(groups["name"], dtype="str"),
                customer_uids=pd.Index(customers["customer_uid"], dtype="str"),
            ),
            tenant_uid=self.client.tenant_uid,
            base_url=self.client.base_url,
            taken_at=taken_at,
            read_until=read_until,
            verdict=overall([list_verdict, *reads["verdict"]]),
        )

    def _member_codes(self, uids: Iterable[str]) -> list[IntArray]:
        """The codes of the members of each of these groups."""
        naming = self.seen.naming()
        return [naming.customers(self.code_of[uid]) if uid in self.covered else self.members[uid] for uid in uids]

    def _listing(self, uid: str, first: PageRows[int] | None) -> Listing[int]:
        with listing_context(self.client, "get-customer-groups-customers", f"the customers of group {uid}"):
            return read_listing(lambda number, size: self._rows(uid, number, size), first=first, pool=self.pool)

    def _rows(self, uid: str, number: int | None = None, size: int | None = None) -> PageRows[int]:
        rows = self.client.decode_customer_page(
            uid, number, size, record=ROW_OF[self.record], decode=lambda page: self.seen.take(page, uid)
        )
        self.shown.more(uid, len(rows.keys), rows.total_count)
        return rows

    def _glanced(self, uid: str) -> tuple[PageRows[int], float]:
        started = time.monotonic()
        rows = self.client.decode_customer_page(
            uid, None, PROBE_SIZE, record=ROW_OF[self.record], decode=lambda page: self.seen.take(page, uid)
        )
        return rows, round(time.monotonic() - started, 3)

    def _each(
        self, uids: Iterable[str], do: Callable[[str], Found], threads: Executor
    ) -> Iterator[tuple[str, Found]]:
        """What comes of each group, as it comes; a group deleted meanwhile is left out."""
        finished: SimpleQueue[Future[Found]] = SimpleQueue()
        waiting = {threads.submit(do, uid): uid for uid in uids}
        for future in waiting:
            future.add_done_callback(finished.put)
        while waiting:
            self.shown.tell(self.client, len(self.seen))
            try:
                future = finished.get(timeout=TICK)
            except Empty:
                continue
            uid = waiting.pop(future)
            try:
                found = future.result()
            except NotFoundError:
                if self._exists(uid):
                    raise
                self._drop(uid)
                continue
            yield uid, found
        self.shown.tell(self.client, len(self.seen))

    def _take(self, uid: str, how: str, listing: Listing[int]) -> None:
        self.reads[uid] = {
            "customer_group_uid": uid,
            "how": how,
            "evidence": listing.evidence,
            "verdict": listing.verdict,
            "pages": listing.pages,
            "n_rows": len(listing.uids),
            "total_first": listing.total_first,
            "total_last": listing.total_last,
            "rereads": listing.rereads,
            "seconds": listing.seconds,
            "note": listing.note,
        }
        self.shown.whole(uid, len(listing.uids))
        level = logging.DEBUG if listing.verdict == "consistent" else logging.INFO
        text = f"group {uid}: {listing.verdict}{f' ({listing.note})' if listing.note else ''}"
        facts = {name: value for name, value in self.reads[uid].items() if name != "note"}
        log_event(log, level, "group_read", text, tenant_uid=self.client.tenant_uid, **facts)

    def _exists(self, uid: str) -> bool:
        """Whether the service still knows the group: then it is no answer that its customers are not found."""
        try:
            self.client.get_group(uid)
        except NotFoundError:
            return False
        return True

    def _drop(self, uid: str) -> None:
        text = f"group {uid} was deleted while the tenant was read; it is left out"
        log_event(log, logging.INFO, "group_gone", text, tenant_uid=self.client.tenant_uid, customer_group_uid=uid)
        for known in (self.groups, self.members, self.covered, self.reads):
            known.pop(uid, None)
        self.shown.whole(uid, 0)


def overall(verdicts: Iterable[str]) -> Verdict:
    """The verdict of a snapshot: the worst of its groups."""
    found = set(verdicts)
    return "drifted" if "drifted" in found else "unverifiable" if "unverifiable" in found else "consistent"
