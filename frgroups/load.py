"""Reads a whole tenant into a Snapshot, or takes a young one from the cache."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from frgroups.cache import newest_kept, read_kept, save_snapshot
from frgroups.client import Client
from frgroups.codes import Codes
from frgroups.durations import as_duration
from frgroups.errors import DriftedReadError, InputError, NotFoundError, WrongTenantError
from frgroups.home import as_folder, make_private
from frgroups.members import REREADS, Listing, read_groups, read_members
from frgroups.progress import Progress, ProgressOption
from frgroups.records import consents_table, customers_table, groups_table
from frgroups.retry import stop_waiting_at
from frgroups.snapshot import Snapshot, Verdict
from frgroups.tables import READS, conform
from frgroups.wire import Customer, Group, Member, Page

log = logging.getLogger("frgroups.load")


def load_snapshot(
    client: Client,
    cache: str | Path | Literal[False] | None = None,
    *,
    max_age: timedelta | str | None = None,
    cover: bool = True,
    personal: bool = False,
    progress: ProgressOption = None,
) -> Snapshot:
    """
    Every group and every member of the tenant, with a verdict that says how sure the reading is.

    Parameters
    ----------
    cache
        The folder that keeps the snapshot; None is the home's, False keeps nothing.
    max_age
        Take the newest kept snapshot instead when it is at most this old, such as "6h" or a timedelta.
    cover
        Do not page a group whose members were all seen in larger groups, as told by the groups that each
        customer names. `reads` says of which group that was true; False pages every group.
    personal
        Keep names, contact data, addresses and notes too. Without it they are not kept anywhere.
    progress
        None shows a bar in notebooks and terminals; True, False, or a callable (text, done, total).

    Raises
    ------
    ApiError
        The service failed, refused, or answered something that is not the API; nothing is kept.
    DriftedReadError
        The list of groups itself would not hold still.
    InputError
        `max_age` is not a duration, or the cache folder cannot be written (before anything is read).

    >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client() as client:
    ...     snapshot = load_snapshot(client, cache=False, progress=False)
    >>> snapshot.verdict, len(snapshot.groups)
    ('consistent', 8)
    """
    if cache is not False:
        _check_writable(as_folder(cache, "snapshots"))
        if (young := _young(client, cache, max_age, personal)) is not None:
            return young
    snapshot = _read_tenant(client, cover=cover, record=Customer if personal else Member, progress=progress)
    if cache is not False:
        save_snapshot(snapshot, cache)
    return snapshot


def refresh_groups(
    client: Client, snapshot: Snapshot, groups: Iterable[str], *, progress: ProgressOption = None
) -> Snapshot:
    """
    The snapshot with just these groups read again, page by page; the others stay as they are.

    Use it before planning over groups that drifted. `taken_at` stays that of the first read. A group that was
    deleted since is left out.
    Raises WrongTenantError when the client is for another tenant or host.

    >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client() as client:
    ...     snapshot = load_snapshot(client, cache=False, progress=False)
    ...     sandbox.remove_members("staff", list(snapshot["Staff"]))
    ...     len(refresh_groups(client, snapshot, ["Staff"])["Staff"])
    0
    """
    if (client.tenant_uid, client.base_url) != (snapshot.tenant_uid, snapshot.base_url):
        raise WrongTenantError(
            f"The snapshot is of {snapshot.tenant_uid} at {snapshot.base_url}, "
            f"the client of {client.tenant_uid} at {client.base_url}."
        )
    uids = [snapshot.group_uid(group) for group in groups]
    personal = "firstname" in snapshot.customers
    tenant = TenantReading(client, Customer if personal else Member)
    with _workers(client) as pool, Progress("Reading again", unit="groups", show=progress) as bar:
        bar.expect(len(uids))
        for uid in uids:
            tenant.page(uid, pool)
            bar.advance()
    gone = set(uids) - set(tenant.members)
    return _merged(snapshot, tenant, gone, client.clock())


def _check_writable(folder: Path) -> None:
    make_private(folder)
    try:
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise InputError(
            f"Cannot write in {folder}: {error.strerror}. Nothing was read. Name another folder, or cache=False."
        ) from error


def _young(client: Client, cache: Any, max_age: timedelta | str | None, personal: bool) -> Snapshot | None:
    if max_age is None:
        return None
    limit = as_duration(max_age)
    kept = newest_kept(cache, client.tenant_uid, client.base_url)
    if kept is None or not timedelta(0) <= client.clock() - kept.taken_at <= limit:
        return None
    snapshot = read_kept(kept)
    return None if personal and "firstname" not in snapshot.customers else snapshot


def _read_tenant(client: Client, *, cover: bool, record: type[Member], progress: ProgressOption) -> Snapshot:
    taken_at = client.clock()
    tenant = TenantReading(client, record)
    with _workers(client) as pool, Progress("Loading", unit="memberships", show=progress) as bar:
        listed = read_groups(client, pool=pool)
        if listed.verdict == "drifted":
            raise DriftedReadError(
                f"The list of groups of {client.tenant_uid} changed in each of {REREADS + 1} readings "
                f"({listed.note}). Load again when nobody edits groups."
            )
        tenant.groups = {group.uid: group for group in listed.records}
        firsts = tenant.first_pages(pool)
        bar.expect(sum(page.total_count for page in firsts.values()))
        for uid in sorted(firsts, key=lambda uid: (-firsts[uid].total_count, uid)):
            if not (cover and tenant.cover(uid, firsts[uid])):
                tenant.page(uid, pool, firsts[uid])
            bar.advance(len(tenant.members.get(uid, ())))
        for uid in tenant.contradicted():
            tenant.page(uid, pool)
        for uid in tenant.contradicted():
            tenant.doubt(uid)
    return tenant.snapshot(taken_at, client.clock())


@contextmanager
def _workers(client: Client) -> Iterator[ThreadPoolExecutor]:
    """As many threads as connections; on Ctrl-C or an error what has not started, or waits, is dropped."""
    stop = threading.Event()
    pool = ThreadPoolExecutor(client.workers, "frgroups", initializer=stop_waiting_at, initargs=(stop,))
    try:
        yield pool
    except BaseException as error:
        stop.set()
        # Who pressed Ctrl-C gets the prompt back at once; requests under way end by themselves.
        pool.shutdown(wait=isinstance(error, Exception), cancel_futures=True)
        raise
    pool.shutdown()


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

    def first_pages(self, pool: Executor) -> dict[str, Page[Member]]:
        """The first page of every group; a group deleted meanwhile is left out."""
        pages = pool.map(self._first_page, self.groups)
        found = dict(zip(self.groups, pages, strict=True))
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
        self.reads[uid] = _pages_row(uid, listing)
        if listing.verdict != "consistent":
            log.info("group %s: %s (%s)", uid, listing.verdict, listing.note)
        if "do not name the group" in listing.note:
            self.cover_holds = False

    def cover(self, uid: str, first: Page[Member]) -> bool:
        """Take the group as read when exactly its total of customers seen so far name it, page 1 among them."""
        total, uids = first.total_count, first.uids
        if not self.cover_holds or total <= len(uids) or self.named[uid] != total:
            return False
        if any(uid not in (self._names(customer) or ()) for customer in uids):
            return False
        self.members[uid] = [key for key, seen in self.customers.items() if uid in (seen.customer_group_uids or ())]
        self.reads[uid] = _read_row(uid, "cover", "counts", "consistent", 1, total, total, total)
        return True

    def contradicted(self) -> list[str]:
        """The groups whose pages and whose customers' own lists disagree."""
        if not any(self.named.values()):
            return []
        agreed = {
            uid: sum(1 for key in keys if uid in (self._names(key) or ())) for uid, keys in self.members.items()
        }
        return [
            uid
            for uid, keys in self.members.items()
            if self.reads[uid]["verdict"] == "consistent" and not agreed[uid] == self.named[uid] == len(keys)
        ]

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
            codes=_codes(groups, customers, self.members),
            tenant_uid=self.client.tenant_uid,
            base_url=self.client.base_url,
            taken_at=taken_at,
            read_until=read_until,
            verdict=overall(reads["verdict"]),
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


def _merged(snapshot: Snapshot, tenant: TenantReading, gone: set[str], read_until: datetime) -> Snapshot:
    """The old snapshot with the groups that were read again in place of its own, without those that are gone."""
    again = tenant.members
    groups = snapshot.groups[~snapshot.groups["customer_group_uid"].isin(gone)].reset_index(drop=True)
    members = {uid: again.get(uid, snapshot.codes.members(uid)) for uid in groups["customer_group_uid"]}
    fresh = customers_table(tenant.customers.values(), tenant.record)
    wanted = {key for keys in members.values() for key in keys}
    stays = snapshot.customers["customer_uid"].isin(wanted - set(fresh["customer_uid"]))
    customers = pd.concat([snapshot.customers[stays], fresh]).sort_values("customer_uid", ignore_index=True)
    own = snapshot.consents["customer_uid"].isin(set(snapshot.customers.loc[stays, "customer_uid"]))
    consents = pd.concat([snapshot.consents[own], consents_table(tenant.customers.values())], ignore_index=True)
    reads = snapshot.reads[~snapshot.reads["customer_group_uid"].isin(again.keys() | gone)]
    reads = pd.concat([reads, conform(pd.DataFrame(list(tenant.reads.values())), READS)])
    return replace(
        snapshot,
        groups=groups,
        customers=customers,
        consents=consents.sort_values(["customer_uid", "consent_uid"], ignore_index=True),
        reads=reads.sort_values("customer_group_uid", ignore_index=True),
        codes=_codes(groups, customers, members),
        read_until=read_until,
        verdict=overall(reads["verdict"]),
    )


def _codes(groups: pd.DataFrame, customers: pd.DataFrame, members: Mapping[str, list[str]]) -> Codes:
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


def _pages_row(uid: str, listing: Listing[Member]) -> dict[str, Any]:
    row = partial(_read_row, uid, "pages", listing.evidence, listing.verdict, listing.pages, len(listing.uids))
    return row(
        listing.total_first,
        listing.total_last,
        rereads=listing.rereads,
        seconds=listing.seconds,
        note=listing.note,
    )


def _read_row(
    uid: str,
    how: str,
    evidence: str,
    verdict: str,
    pages: int,
    n_rows: int,
    total_first: int,
    total_last: int,
    *,
    rereads: int = 0,
    seconds: float = 0.0,
    note: str = "",
) -> dict[str, Any]:
    return {
        "customer_group_uid": uid,
        "how": how,
        "evidence": evidence,
        "verdict": verdict,
        "pages": pages,
        "n_rows": n_rows,
        "total_first": total_first,
        "total_last": total_last,
        "rereads": rereads,
        "seconds": seconds,
        "note": note,
    }
