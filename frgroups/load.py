"""Reads a whole tenant into a Snapshot, or takes a young one from the cache."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from frgroups.cache import newest_kept, read_kept, save_snapshot
from frgroups.client import Client
from frgroups.durations import as_duration
from frgroups.errors import DriftedReadError, FileDamagedError, InputError, WrongTenantError
from frgroups.home import as_folder, make_private
from frgroups.inputs import several
from frgroups.members import REREADS, read_groups, worker_threads
from frgroups.progress import Progress, ProgressOption
from frgroups.reading import TenantReading, coded, overall
from frgroups.records import consents_table, customers_table
from frgroups.snapshot import Snapshot
from frgroups.tables import READS, conform
from frgroups.wire import Customer, Member

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
        `max_age` is not a duration, or the cache folder cannot be written (before anything is read). When the
        disk is full only after reading, the error's `.snapshot` holds what was read.

    >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client() as client:
    ...     snapshot = load_snapshot(client, cache=False, progress=False)
    >>> snapshot.verdict, len(snapshot.groups)
    ('consistent', 8)
    """
    if isinstance(cache, bool) and cache:
        raise InputError("cache=True is not a folder: None keeps snapshots in the home, False keeps nothing.")
    if cache is False and max_age is not None:
        raise InputError(f"max_age={max_age!r} takes a kept snapshot, and cache=False keeps none. Leave one out.")
    if cache is not False:
        _check_writable(as_folder(cache, "snapshots"))
        if (young := _young(client, cache, max_age, cover, personal)) is not None:
            return young
    snapshot = _read_tenant(client, cover=cover, record=Customer if personal else Member, progress=progress)
    if cache is not False:
        _keep(snapshot, cache)
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
    uids = [snapshot.group_uid(group) for group in several(groups, "groups")]
    personal = "firstname" in snapshot.customers
    tenant = TenantReading(client, Customer if personal else Member)
    with worker_threads(client) as pool, Progress("Reading again", unit="groups", show=progress) as bar:
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


def _young(
    client: Client, cache: Any, max_age: timedelta | str | None, cover: bool, personal: bool
) -> Snapshot | None:
    """The newest kept snapshot, if it is young enough, whole, and holds what was asked for."""
    if max_age is None:
        return None
    limit = as_duration(max_age)
    try:
        kept = newest_kept(cache, client.tenant_uid, client.base_url)
        if kept is None or not timedelta(0) <= client.clock() - kept.taken_at <= limit:
            return None
        snapshot = read_kept(kept)
    except FileDamagedError as error:
        log.warning("%s The tenant is read instead.", error)
        return None
    too_little = personal and "firstname" not in snapshot.customers
    too_weak = not cover and (snapshot.reads["how"] == "cover").any()
    return None if too_little or too_weak else snapshot


def _keep(snapshot: Snapshot, cache: Any) -> None:
    try:
        save_snapshot(snapshot, cache)
    except InputError as error:
        raise InputError(
            f"{error} What was read is not lost: it is this error's .snapshot; save_snapshot keeps it elsewhere.",
            snapshot=snapshot,
        ) from error


def _read_tenant(client: Client, *, cover: bool, record: type[Member], progress: ProgressOption) -> Snapshot:
    taken_at = client.clock()
    tenant = TenantReading(client, record)
    with worker_threads(client) as pool, Progress("Loading", unit="memberships", show=progress) as bar:
        listed = read_groups(client, pool=pool)
        if listed.verdict == "drifted":
            raise DriftedReadError(
                f"The list of groups of {client.tenant_uid} changed in each of {REREADS + 1} readings "
                f"({listed.note}). Load again when nobody edits groups."
            )
        tenant.take_groups(listed)
        firsts = tenant.first_pages(pool)
        bar.expect(sum(page.total_count for page in firsts.values()))
        for uid in sorted(firsts, key=lambda uid: (-firsts[uid].total_count, uid)):
            if not (cover and tenant.cover(uid, firsts[uid])):
                tenant.page(uid, pool, firsts[uid])
            bar.advance(len(tenant.members.get(uid, ())))
        for uid in tenant.covered_in_vain():
            tenant.page(uid, pool)
        for uid in tenant.contradicted():
            tenant.page(uid, pool)
        for uid in tenant.contradicted():
            tenant.doubt(uid)
    return tenant.snapshot(taken_at, client.clock())


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
        codes=coded(groups, customers, members),
        read_until=read_until,
        verdict=overall(reads["verdict"]),
    )
