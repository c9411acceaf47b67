"""Read the groups of a tenant, and create a snapshot from the result."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from frgroups.api.client import Client
from frgroups.api.pagination import Window
from frgroups.api.schema.codec import UID
from frgroups.api.schema.records import ROW_OF, Group, Member
from frgroups.errors import NotFoundError, RequestRejectedError, ServerError, UnexpectedResponseError
from frgroups.internals.progress import Progress
from frgroups.internals.structured_logging import log_event
from frgroups.internals.typing import IntArray
from frgroups.load.column_builder import groups_table
from frgroups.load.customer_index import CustomerIndex, GroupReferences
from frgroups.load.end_check import EndCheck, ServerSorting
from frgroups.load.listing_reader import PageRows
from frgroups.load.load_progress import LoadProgress
from frgroups.load.verified_listing import Listing, listing_context, read_listing
from frgroups.snapshot.membership_matrix import MembershipMatrix
from frgroups.snapshot.schema import READS, coerce_schema
from frgroups.snapshot.snapshot import Snapshot
from frgroups.snapshot.verdicts import (
    contradiction_note,
    groups_verdict,
    unlisted_groups_note,
    worst_verdict,
)

log = logging.getLogger("frgroups.load")

# Maximum page size of a probe. A probe is a small request for the last customers of a group.
PROBE_SIZE = 20

PROGRESS_INTERVAL = 0.25  # Seconds between two updates of the progress bar.
_NO_CUSTOMERS = np.empty(0, np.int64)

Result = TypeVar("Result")
EndCheckOfGroup = Callable[[str], EndCheck[int]]


@dataclass
class TenantReader:
    """
    State of a load: the groups, customers, members, and evidence that have been read so far.

    Customers are represented by their integer codes in `customer_index`.

    Attributes
    ----------
    client
        Client for the tenant.
    groups
        Groups by uid. Groups that are deleted during the load are removed.
    record
        Record type of the customers.
    request_pool
        Thread pool that sends requests.
    group_pool
        Thread pool in which each thread reads the pages of one group.
    progress_bar
        Progress bar of the load.
    members
        Integer codes of the members of each group that was read page by page.
    inferred
        Number of members of each inferred group.
    reads
        Row of `Snapshot.reads` for each group that was read.
    references_are_reliable
        False if a page of a group contained a customer record that does not list this group.
    sorting
        Sorting behavior of the server for lists of members.
    """

    client: Client
    groups: dict[str, Group]
    record: type[Member]
    request_pool: Executor
    group_pool: Executor
    progress_bar: Progress
    members: dict[str, IntArray] = field(default_factory=dict)
    inferred: dict[str, int] = field(default_factory=dict)
    reads: dict[str, dict[str, Any]] = field(default_factory=dict)
    references_are_reliable: bool = True
    sorting: ServerSorting = field(default_factory=ServerSorting)

    def __post_init__(self) -> None:
        # These are initial values.
        # `_read_page` and `_request_page` replace them with values from the server's responses.
        self._first_number, self._page_size = 0, PROBE_SIZE
        self._fixed_page_size: int | None = None  # Set if the server ignores the requested page size.
        self._doubts: dict[str, tuple[int, str]] = {}  # (Row count, note) of lists that might lack rows.
        self.group_codes = {uid: code for code, uid in enumerate(self.groups)}
        self.customer_index = CustomerIndex(self.record, list(self.groups))
        self.load_progress = LoadProgress(self.progress_bar, self.groups, requests_before=self.client.n_requests)
        self._note_invalid_uids(self.groups)

    def _note_invalid_uids(self, uids: Iterable[str]) -> None:
        """Record an empty and unverifiable list of members for each group whose uid is not valid in the API."""
        for uid in [uid for uid in uids if not UID.fullmatch(uid)]:
            note = "the group uid is not valid in the API, so the members cannot be requested"
            self._record_listing(uid, "pages", Listing([], "none", "unverifiable", 0, 0, 0, 0, 0.0, note))
            self.members[uid] = _NO_CUSTOMERS

    def add_groups(self, groups: Mapping[str, Group]) -> None:
        """Add groups that were not in the list of groups when the load started."""
        self.customer_index.add_groups(groups)
        codes = self.customer_index.group_codes()
        self.group_codes |= {uid: codes[uid] for uid in groups}
        self.groups |= groups
        self.load_progress.add_groups(groups)
        self._note_invalid_uids(groups)

    def unlisted_groups(self, listed: Container[str]) -> dict[str, int]:
        """
        Return the groups that at least one customer record lists but that are not in the list of groups.

        Parameters
        ----------
        listed
            Uids of the groups in the tenant's list of groups.

        Returns
        -------
        dict
            Integer code of each group, by uid.
        """
        counts = self.customer_index.references().counts
        codes = self.customer_index.group_codes()
        return {uid: code for uid, code in codes.items() if uid not in listed and counts[code]}

    def unlisted_note(self, listed: Container[str]) -> str:
        """Return a note about the customer records that list groups outside `listed`, or an empty string."""
        unlisted = self.unlisted_groups(listed)
        if not unlisted:
            return ""
        customers = self.customer_index.references().customers_of_any(unlisted.values())
        return unlisted_groups_note(len(unlisted), len(customers))

    def list_unread_groups(self) -> list[str]:
        """Return the uids of the groups that have not been read yet, in the order returned by the server."""
        return [uid for uid in self.groups if uid not in self.reads]

    def read_first_pages(self, uids: Iterable[str]) -> dict[str, PageRows[int]]:
        """
        Read the first page of each of the given groups.

        Groups that were deleted during the load are omitted from the result.
        """
        return dict(self.run_for_groups(uids, self._read_page, self.request_pool))

    def read_by_pages(
        self, first_pages: Mapping[str, PageRows[int] | None], end_check: EndCheckOfGroup | None = None
    ) -> list[str]:
        """
        Read all pages of the given groups, and return the uids of the groups whose lists are incomplete.

        Parameters
        ----------
        first_pages
            First page of each group, so that this page is not requested again. If a value is None, the first page of
            the group is requested.
        end_check
            Function that returns the check for omitted rows of a group. If it is None, the result is empty.
        """

        def read(uid: str) -> Listing[int]:
            return self._read_listing(uid, first_pages[uid], end_check(uid) if end_check else None)

        incomplete = []
        for uid, listing in self.run_for_groups(first_pages, read, self.group_pool):
            self._store_pages(uid, listing)
            if listing.is_incomplete:
                incomplete.append(uid)
        return incomplete

    def _store_pages(self, uid: str, listing: Listing[int]) -> None:
        self.inferred.pop(uid, None)
        self.members[uid] = np.array(listing.uids, np.int64)
        self._record_listing(uid, "pages", listing)
        n_rows, note = self._doubts.get(uid, (0, ""))
        if listing.verdict == "consistent" and len(listing.uids) == n_rows:
            self.doubt_group(uid, note)
        if listing.missing_backreference:
            self.references_are_reliable = False

    def infer_members(self, uids: Iterable[str]) -> list[str]:
        """
        Infer the members of groups from customer records, and return the uids of the groups for which this fails.

        A probe is a small request for the last customers of a group. If n customer records list the group, the
        members can be inferred under three conditions. The group's list ends after n customers, the reported total is
        n, and all returned records list the group. The total alone is not sufficient, because a server can report a
        maximum instead of the total.
        """
        references = self.customer_index.references()
        counts = {uid: int(references.counts[self.group_codes[uid]]) for uid in uids}
        probes = {uid: self._choose_probe(n) for uid, n in counts.items()}
        failed = [uid for uid, probe in probes.items() if probe is None]

        def send_probe(uid: str) -> tuple[PageRows[int] | None, float]:
            started = time.monotonic()
            k, size = probes[uid] or (0, PROBE_SIZE)
            try:
                page = self._request_page(uid, self._first_number + k if k else None, size)
            except (NotFoundError, RequestRejectedError, ServerError, UnexpectedResponseError):
                if k == 0:
                    raise
                # The error is ignored, because the list can be shorter than expected.
                # If the server cannot return the group, reading the group page by page raises the error again.
                page = None
            return page, round(time.monotonic() - started, 3)

        to_probe = [uid for uid in counts if probes[uid] is not None]
        for uid, (page, seconds) in self.run_for_groups(to_probe, send_probe, self.request_pool):
            n, probe = counts[uid], probes[uid]
            if page is not None:
                self.load_progress.expect({uid: page.total_count})
            if page is not None and probe is not None and _confirms_inference(page, n, probe):
                self.inferred[uid] = n
                self._record_listing(uid, "cover", Listing(range(n), "counts", "consistent", 1, n, n, 0, seconds))
            else:
                failed.append(uid)
        return failed

    def _choose_probe(self, n: int) -> Window | None:
        """
        Return the page number, counted from 0, and the page size of a request for the end of a list.

        The requested page contains the last row of a list with `n` rows and is not full. The result is None if no
        page size meets these conditions.
        """
        sizes = range(min(PROBE_SIZE, self._page_size), 1, -1)
        if self._fixed_page_size is not None:
            sizes = range(self._fixed_page_size, self._fixed_page_size - 1, -1)
        for size in sizes:
            if n == 0 or n % size:
                return n // size, size
        return None

    def resolve_conflicts(self) -> None:
        """
        Read groups again if their members contradict the customer records.

        Each group is read again only once. If the contradiction remains, the verdict of the group becomes `drifted`.
        An inferred group is read page by page if the customer records no longer confirm its members.
        """
        reread: set[str] = set()
        while True:
            references = self.customer_index.references()
            conflicts = self._find_conflicts(references, reread)
            new_conflicts = [uid for uid in conflicts if uid not in reread]
            to_read = [
                *self._stale_inferences(references),
                *new_conflicts,
                *self._groups_to_reread(references, new_conflicts),
            ]
            if not to_read:
                break
            reread.update(new_conflicts)
            self.read_by_pages(dict.fromkeys(to_read))
        for uid in conflicts:
            note = contradiction_note(int(references.counts[self.group_codes[uid]]), len(self.members[uid]))
            self.reads[uid] |= {"verdict": "drifted", "evidence": "none", "note": note}

    def doubt_group(self, uid: str, note: str) -> None:
        """
        Set the verdict of a group to `unverifiable`, unless the note is empty.

        If the group is read again later and its list still has the same number of rows, `_store_pages` sets the
        verdict `unverifiable` again.
        """
        if note:
            self._doubts[uid] = (self.reads[uid]["n_rows"], note)
            self.reads[uid] |= {"verdict": "unverifiable", "evidence": "none", "note": note}

    def known_members(self, uid: str) -> IntArray:
        """Return the integer codes of the members of a group that was read or inferred."""
        if uid in self.members:
            return self.members[uid]
        return self.customer_index.references().customers_of(self.group_codes[uid])

    def _stale_inferences(self, references: GroupReferences) -> list[str]:
        """Return the inferred groups that the current customer records no longer confirm."""
        if not self.references_are_reliable:
            return list(self.inferred)
        counts = references.counts
        return [uid for uid, n in self.inferred.items() if counts[self.group_codes[uid]] != n]

    def _find_conflicts(self, references: GroupReferences, reread: set[str]) -> list[str]:
        """
        Return the groups whose pages contradict the customer records.

        A group that has already been read again is omitted if all customers missing from its pages are in no other
        group. These customers have left the group since their records were read, and newer records of them cannot be
        read, because no other group contains them.
        """
        if references.is_empty:
            return []
        conflicts = []
        for uid, members in self.members.items():
            if self.reads[uid]["verdict"] != "consistent":
                continue
            if not references.contradict(self.group_codes[uid], members):
                continue
            if uid in reread and self._lost_members_only(uid, references):
                continue
            conflicts.append(uid)
        return conflicts

    def _lost_members_only(self, uid: str, references: GroupReferences) -> bool:
        """
        Return True if a group contradicts the customer records only because some customers have left the group.

        If a customer who has left the group is in another group, the result is False.
        """
        code, members = self.group_codes[uid], self.members[uid]
        lost = np.setdiff1d(references.customers_of(code), members, assume_unique=True)
        if references.contradict(code, np.concatenate([members, lost])):
            return False
        inferred = [references.customers_of(self.group_codes[other]) for other in self.inferred]
        return not any(np.isin(lost, others).any() for others in [*self.members.values(), *inferred])

    def _groups_to_reread(self, references: GroupReferences, conflicts: Iterable[str]) -> list[str]:
        """
        Return the groups to read again because they contain customers whose records might be outdated.

        A record might be outdated if it lists a group but the pages of the group do not contain the customer. The
        result contains the smallest group of each of these customers. Reading these groups again returns the
        customers' current records.
        """
        missing = [
            np.setdiff1d(references.customers_of(self.group_codes[uid]), self.members[uid], assume_unique=True)
            for uid in conflicts
        ]
        largest_first = sorted(self.members, key=lambda uid: -len(self.members[uid]))
        smallest_group = np.full(len(self.customer_index), -1)
        for n, uid in enumerate(largest_first):
            smallest_group[self.members[uid]] = n
        positions = np.unique(smallest_group[np.concatenate([*missing, _NO_CUSTOMERS])])
        return [largest_first[n] for n in positions if n >= 0]

    def snapshot(self, groups_note: str, taken_at: datetime, read_until: datetime) -> Snapshot:
        """
        Return a snapshot of all groups that were read.

        The argument `groups_note` is the reason why the list of groups could not be verified, or an empty string.
        """
        groups = groups_table(self.groups.values())
        uids = list(groups["customer_group_uid"])
        members = self._member_codes(uids)
        all_members = np.concatenate([*members, _NO_CUSTOMERS])
        ranks = np.full(len(self.customer_index), -1)
        ranks[all_members] = 0  # The rank of customers who are no longer in a group stays -1.
        customers, consents, ordered = self.customer_index.customers(np.flatnonzero(ranks == 0))
        ranks[ordered] = np.arange(len(ordered))
        reads = pd.DataFrame([self.reads[uid] for uid in uids], columns=list(READS))
        return Snapshot(
            groups=groups,
            customers=customers,
            consents=consents,
            reads=coerce_schema(reads, READS),
            matrix=MembershipMatrix.from_codes(
                np.repeat(np.arange(len(uids)), [len(codes) for codes in members]),
                ranks[all_members],
                group_uids=pd.Index(groups["customer_group_uid"], dtype="str"),
                group_names=pd.Index(groups["name"], dtype="str"),
                customer_uids=pd.Index(customers["customer_uid"], dtype="str"),
            ),
            tenant_uid=self.client.tenant_uid,
            base_url=self.client.base_url,
            taken_at=taken_at,
            read_until=read_until,
            verdict=worst_verdict([groups_verdict(groups_note), *reads["verdict"]]),
            groups_note=groups_note,
            from_sandbox=self.client.is_sandbox,
        )

    def _member_codes(self, uids: Iterable[str]) -> list[IntArray]:
        """Return the integer codes of the members of each group, in the order of `uids`."""
        references = self.customer_index.references()
        codes = dict(self.members)
        for uid in self.inferred:
            codes[uid] = references.customers_of(self.group_codes[uid])
        return [codes[uid] for uid in uids]

    def _read_listing(self, uid: str, first: PageRows[int] | None, end_check: EndCheck[int] | None) -> Listing[int]:
        def read_page(number: int | None, size: int | None) -> PageRows[int]:
            return self._read_page(uid, number, size)

        with listing_context(self.client, "get-customer-groups-customers", f"the customers of group {uid}"):
            return read_listing(read_page, first=first, pool=self.request_pool, end_check=end_check)

    def _read_page(self, uid: str, number: int | None = None, size: int | None = None) -> PageRows[int]:
        page = self._request_page(uid, number, size)
        if number is None:
            self._first_number, self._page_size = page.page_number, page.page_size
        self.load_progress.add_rows(uid, len(page.keys), page.total_count)
        return page

    def _request_page(self, uid: str, number: int | None, size: int | None) -> PageRows[int]:
        page = self.client.decode_customer_page(
            uid,
            number,
            size,
            record=ROW_OF[self.record],
            decode=lambda page: self.customer_index.add_page(page, uid),
        )
        if size is not None and page.page_size > size:
            self._fixed_page_size = page.page_size  # The server ignores the requested page size.
        return page

    def run_for_groups(
        self, uids: Iterable[str], function: Callable[[str], Result], threads: Executor
    ) -> Iterator[tuple[str, Result]]:
        """
        Call a function for each group in a thread pool, and yield pairs of uid and result as the calls finish.

        Groups that were deleted during the load are omitted.
        """
        completed: SimpleQueue[Future[Result]] = SimpleQueue()
        pending = {threads.submit(function, uid): uid for uid in uids}
        for future in pending:
            future.add_done_callback(completed.put)
        while pending:
            self.load_progress.update_bar(self.client)
            try:
                future = completed.get(timeout=PROGRESS_INTERVAL)
            except Empty:
                continue
            uid = pending.pop(future)
            try:
                result = future.result()
            except NotFoundError:
                if self._group_exists(uid):
                    raise
                self._drop_group(uid)
                continue
            yield uid, result
        self.load_progress.update_bar(self.client)

    def _record_listing(self, uid: str, how: str, listing: Listing[int]) -> None:
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
        self.load_progress.finish_group(uid, len(listing.uids))
        level = logging.INFO
        if listing.verdict == "consistent":
            level = logging.DEBUG
        text = f"The verdict of group {uid} is {listing.verdict}"
        if listing.note:
            text += f" ({listing.note})"
        facts = {name: value for name, value in self.reads[uid].items() if name != "note"}
        log_event(log, level, "group_read", text, tenant_uid=self.client.tenant_uid, **facts)

    def _group_exists(self, uid: str) -> bool:
        """
        Return True if the group still exists on the server.

        If the group exists, a 404 response to the request for its customers is an error.
        """
        try:
            self.client.get_group(uid)
        except NotFoundError:
            return False
        return True

    def _drop_group(self, uid: str) -> None:
        text = f"Group {uid} was deleted during the load and is omitted from the snapshot."
        log_event(log, logging.INFO, "group_missing", text, tenant_uid=self.client.tenant_uid, customer_group_uid=uid)
        for by_uid in (self.groups, self.members, self.inferred, self.reads):
            by_uid.pop(uid, None)
        self.load_progress.finish_group(uid, 0)


def _confirms_inference(page: PageRows[int], n: int, probe: Window) -> bool:
    """Return True if a probe confirms that a group's members are the `n` customers whose records list the group."""
    k, size = probe
    n_with_this_reference = page.n_with_references - len(page.missing_backreference)
    return (
        page.total_count == n
        and page.page_size == size
        and len(page.keys) == n - k * size
        and page.n_new == 0
        and page.without_uid == 0
        and n_with_this_reference >= len(page.keys)
    )
