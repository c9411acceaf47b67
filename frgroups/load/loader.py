"""Load a tenant as a Snapshot, or read a recent stored snapshot."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from frgroups.api.client import Client
from frgroups.api.schema.records import Customer, Group, Member
from frgroups.errors import CorruptFileError, DriftedReadError, InputError, WrongTenantError
from frgroups.internals.atomic_files import ensure_private_dir
from frgroups.internals.formatting import format_utc, pluralize
from frgroups.internals.locks import load_lock
from frgroups.internals.paths import resolve_folder
from frgroups.internals.progress import Progress, ProgressOption
from frgroups.internals.structured_logging import log_event
from frgroups.internals.timestamps import parse_duration
from frgroups.internals.validation import as_list
from frgroups.load.cover_strategy import read_all_groups
from frgroups.load.tenant_reader import TenantReader
from frgroups.load.verified_listing import MAX_REREADS, read_groups, worker_threads
from frgroups.snapshot.membership_matrix import MembershipMatrix
from frgroups.snapshot.schema import PERSONAL
from frgroups.snapshot.snapshot import Snapshot
from frgroups.snapshot.verdicts import worst_verdict
from frgroups.store.manifest import StoredSnapshot, list_stored_snapshots
from frgroups.store.snapshot_store import latest_snapshot, latest_valid_snapshot, read_stored, save_snapshot

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
    Load all groups and members of a tenant, and verify that they are complete.

    If another process is loading the same tenant into the same cache, wait for it and return its snapshot.

    Parameters
    ----------
    cache
        Folder in which the snapshot is stored. None is the data folder, and False does not store the snapshot.
    max_age
        Return the newest stored snapshot if it is not older than this, for example "6h" or a timedelta.
    cover
        Infer the members of a group from the groups that each customer names, if all of its members were read in
        larger groups. The column `how` of `reads` contains "cover" for these groups. False reads the pages of every
        group.
    personal
        Whether to store names, contact data, addresses and notes.
    progress
        True shows a progress bar, False does not. None shows it in notebooks and terminals. A callable is called with
        (text, done, total); total is None until the sizes of all groups are known.

    Raises
    ------
    ApiError
        A request failed, or the server is not the API. No snapshot is stored.
    DriftedReadError
        The list of groups changed in every attempt to read it.
    InputError
        `max_age` is not a duration, or the cache folder is not writable, which is checked before the load. If the
        snapshot cannot be stored after the load, it is the attribute `.snapshot` of the error.

    Examples
    --------
    >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client() as client:
    ...     snapshot = load_snapshot(client, cache=False, progress=False)
    >>> snapshot.verdict, len(snapshot.groups)
    ('consistent', 8)
    """
    if isinstance(cache, bool) and cache:
        raise InputError("cache=True is not a folder: None keeps snapshots in the home, False keeps nothing.")
    if cache is False and max_age is not None:
        raise InputError(f"max_age={max_age!r} takes a kept snapshot, and cache=False keeps none. Leave one out.")
    record = Customer if personal else Member
    if cache is False:
        return _read_tenant(client, cover=cover, record=record, progress=progress)
    folder = resolve_folder(cache, "snapshots")
    _check_writable(folder)
    if max_age is not None:
        fresh = _fresh_snapshot(client, folder, max_age, cover, personal)
        if fresh is not None:
            text = f"{client.tenant_uid}: took what was kept at {fresh.taken_at}, which is young enough"
            log_event(log, logging.INFO, "snapshot_reused", text, tenant_uid=client.tenant_uid)
            return fresh
    stored_before = {stored.path for stored in _list_stored(client, folder)}
    with load_lock(folder, client.tenant_uid, client.base_url) as waited:
        if waited:
            shared = _snapshot_from_other_load(client, folder, stored_before, cover, personal)
            if shared is not None:
                return shared
        snapshot = _read_tenant(client, cover=cover, record=record, progress=progress)
        _save(snapshot, folder)
    return snapshot


def refresh_groups(
    client: Client, snapshot: Snapshot, groups: Iterable[str], *, progress: ProgressOption = None
) -> Snapshot:
    """
    Return the snapshot with some groups read again by pages.

    Use this function before planning changes of groups that changed during the load. `taken_at` does not change.
    Groups that were deleted since the load are removed. Raises WrongTenantError if the client is for another tenant
    or host.

    Examples
    --------
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
    uids = [snapshot.group_uid(group) for group in as_list(groups, "groups")]
    personal = "firstname" in snapshot.customers
    groups = {uid: Group(customer_group_uid=uid) for uid in uids}
    record = Customer if personal else Member
    with (
        _reading_threads(client) as (request_pool, group_pool),
        Progress("Reading again", unit="memberships", show=progress) as progress_bar,
    ):
        tenant = TenantReader(client, groups, record, request_pool, group_pool, progress_bar)
        tenant.read_by_pages(tenant.read_first_pages(uids))
    return _merge_groups(snapshot, tenant, set(uids) - set(tenant.members), client.clock())


def _check_writable(folder: Path) -> None:
    ensure_private_dir(folder)
    try:
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise InputError(
            f"Cannot write in {folder}: {error.strerror}. Nothing was read. Set FRGROUPS_HOME to another folder.",
            hint="Or pass cache= to choose another folder. With cache=False, the snapshot is not stored.",
            cli_hint="",
        ) from error


def _fresh_snapshot(
    client: Client, folder: Path, max_age: timedelta | str, cover: bool, personal: bool
) -> Snapshot | None:
    """Return the newest undamaged stored snapshot if it is not too old and matches the request, or None."""
    limit = parse_duration(max_age)
    snapshot = _read_newest(client, folder, lambda taken_at: timedelta(0) <= client.clock() - taken_at <= limit)
    if snapshot is None:
        return None
    return _match_request(snapshot, cover, personal)


def _snapshot_from_other_load(
    client: Client, folder: Path, stored_before: set[Path], cover: bool, personal: bool
) -> Snapshot | None:
    """Return the snapshot that another load has stored meanwhile if it matches the request, or None."""
    new = [
        stored
        for stored in _list_stored(client, folder)
        if stored.path not in stored_before and stored.taken_at <= client.clock()
    ]
    if not new:
        return None
    try:
        newest = read_stored(new[-1])
    except (CorruptFileError, FileNotFoundError):  # Another process has replaced or removed it.
        return None
    snapshot = _match_request(newest, cover, personal)
    if snapshot is None:
        return None
    text = f"{client.tenant_uid}: took the snapshot that another load kept meanwhile, begun {snapshot.taken_at}"
    log_event(log, logging.INFO, "load_shared", text, tenant_uid=client.tenant_uid)
    return snapshot


def _read_newest(client: Client, folder: Path, is_fresh: Callable[[datetime], bool]) -> Snapshot | None:
    """Return the newest stored snapshot if it is fresh, or None. A damaged snapshot is quarantined and skipped."""
    try:
        stored = latest_snapshot(folder, client.tenant_uid, client.base_url)
        if stored is None or not is_fresh(stored.taken_at):
            return None
        return read_stored(stored)
    except FileNotFoundError:  # Another process has replaced or removed it.
        pass
    except CorruptFileError as error:
        text = f"{error.message} A whole one is taken, or the tenant is read, instead."
        log_event(log, logging.WARNING, "snapshot_damaged", text, tenant_uid=client.tenant_uid)
    snapshot = latest_valid_snapshot(folder, client.tenant_uid, client.base_url)
    if snapshot is None or not is_fresh(snapshot.taken_at):
        return None
    return snapshot


def _list_stored(client: Client, folder: Path) -> list[StoredSnapshot]:
    """Return the stored snapshots of the client's tenant and host. Damaged ones are omitted without a warning."""
    stored = list_stored_snapshots(folder, client.tenant_uid, on_damage=lambda _folder, _error: None)
    return [snapshot for snapshot in stored if snapshot.matches_host(client.base_url)]


def _match_request(snapshot: Snapshot, cover: bool, personal: bool) -> Snapshot | None:
    """Return the snapshot as it was requested, without personal data if needed, or None if it does not match."""
    has_personal = "firstname" in snapshot.customers
    if personal and not has_personal:
        return None
    if not cover and (snapshot.reads["how"] == "cover").any():
        return None
    if has_personal and not personal:
        return replace(snapshot, customers=snapshot.customers.drop(columns=list(PERSONAL)))
    return snapshot


def _save(snapshot: Snapshot, cache: Path) -> None:
    try:
        path = save_snapshot(snapshot, cache)
    except InputError as error:
        unsaved = InputError(error.message, hint=error.hint, cli_hint=error.cli_hint, snapshot=snapshot)
        unsaved.add(
            hint="The loaded snapshot is the attribute .snapshot of this error. Use save_snapshot to store it in "
            "another folder.",
            cli_hint="",
        )
        raise unsaved from error
    text = f"kept {snapshot.tenant_uid} as {path}"
    log_event(log, logging.INFO, "snapshot_saved", text, tenant_uid=snapshot.tenant_uid, path=path)
    _warn_unless_newest(snapshot, cache)


def _warn_unless_newest(snapshot: Snapshot, cache: Path) -> None:
    """Log a warning if a stored snapshot has a later timestamp, because readers choose the latest timestamp."""
    newest = None
    with suppress(CorruptFileError):  # Reported when it is read.
        newest = latest_snapshot(cache, snapshot.tenant_uid, snapshot.base_url or "")
    if newest is not None and newest.taken_at > snapshot.taken_at:
        text = (
            f"the snapshot of {snapshot.tenant_uid} that was just kept is of {format_utc(snapshot.taken_at)}, "
            f"and the one of {format_utc(newest.taken_at)} is taken for the newest. Is a clock wrong?"
        )
        log_event(log, logging.WARNING, "snapshot_not_newest", text, tenant_uid=snapshot.tenant_uid, path=newest.path)


def _read_tenant(client: Client, *, cover: bool, record: type[Member], progress: ProgressOption) -> Snapshot:
    taken_at, n_before, started = client.clock(), client.n_requests, time.monotonic()
    text = f"reading {client.tenant_uid} at {client.base_url}"
    log_event(log, logging.INFO, "load_started", text, tenant_uid=client.tenant_uid, base_url=client.base_url)
    with (
        _reading_threads(client) as (request_pool, group_pool),
        Progress("Loading", unit="memberships", show=progress) as progress_bar,
    ):
        groups, listing = read_groups(client, pool=request_pool)
        if listing.verdict == "drifted":
            raise DriftedReadError(
                f"The list of groups of {client.tenant_uid} did not add up in any of {MAX_REREADS + 1} readings "
                f"({listing.note}). Load again when nobody edits groups; if it stays so, the service itself lists or "
                "counts them wrongly."
            )
        if listing.note:
            text = f"the list of groups of {client.tenant_uid}: {listing.note}"
            log_event(log, logging.WARNING, "groups_unverifiable", text, tenant_uid=client.tenant_uid)
        text = f"{client.tenant_uid} has {pluralize(len(groups), 'group')}"
        log_event(log, logging.INFO, "groups_listed", text, tenant_uid=client.tenant_uid, n_groups=len(groups))
        tenant = TenantReader(client, groups, record, request_pool, group_pool, progress_bar)
        read_all_groups(tenant, cover=cover)
        snapshot = tenant.snapshot(listing.verdict, taken_at, client.clock())
    _log_result(snapshot, n_requests=client.n_requests - n_before, seconds=round(time.monotonic() - started, 3))
    return snapshot


def _log_result(snapshot: Snapshot, *, n_requests: int, seconds: float) -> None:
    counts = {
        "n_groups": len(snapshot.groups),
        "n_customers": len(snapshot.customers),
        "n_memberships": len(snapshot.matrix),
        "n_requests": n_requests,
    }
    n_covered = int((snapshot.reads["how"] == "cover").sum())
    listed = ", ".join(pluralize(n, name.removeprefix("n_").removesuffix("s")) for name, n in counts.items())
    text = f"read {snapshot.tenant_uid} in {seconds:.1f} s: {listed}; {snapshot.verdict}, {n_covered:,} by cover"
    facts = {"verdict": snapshot.verdict, **counts, "n_covered": n_covered, "seconds": seconds}
    log_event(log, logging.INFO, "load_finished", text, tenant_uid=snapshot.tenant_uid, **facts)


@contextmanager
def _reading_threads(client: Client) -> Iterator[tuple[Executor, Executor]]:
    """Yield threads that send requests, and threads that each wait for the pages of one group."""
    with worker_threads(client) as group_pool, worker_threads(client) as request_pool:
        yield request_pool, group_pool


def _merge_groups(snapshot: Snapshot, tenant: TenantReader, gone: set[str], read_until: datetime) -> Snapshot:
    """Return the snapshot with the groups that were read again, and without the groups in `gone`."""
    # If all groups were consistent, the verdict of the snapshot is that of the list of groups, which was not reread.
    verdicts: list[str] = []
    if worst_verdict(snapshot.reads["verdict"]) == "consistent":
        verdicts.append(snapshot.verdict)
    fresh = tenant.snapshot("consistent", snapshot.taken_at, read_until)
    reread = {uid: fresh.matrix.members(uid) for uid in fresh.groups["customer_group_uid"]}
    groups = snapshot.groups[~snapshot.groups["customer_group_uid"].isin(gone)].reset_index(drop=True)
    members = {uid: reread.get(uid, snapshot.matrix.members(uid)) for uid in groups["customer_group_uid"]}
    member_uids = {uid for uids in members.values() for uid in uids}
    is_unchanged = snapshot.customers["customer_uid"].isin(member_uids - set(fresh.customers["customer_uid"]))
    customers = pd.concat([snapshot.customers[is_unchanged], fresh.customers])
    customers = customers.sort_values("customer_uid", ignore_index=True)
    unchanged_uids = set(snapshot.customers.loc[is_unchanged, "customer_uid"])
    old_consents = snapshot.consents[snapshot.consents["customer_uid"].isin(unchanged_uids)]
    consents = pd.concat([old_consents, fresh.consents], ignore_index=True)
    reads = snapshot.reads[~snapshot.reads["customer_group_uid"].isin(reread.keys() | gone)]
    reads = pd.concat([reads, fresh.reads]).sort_values("customer_group_uid", ignore_index=True)
    return replace(
        snapshot,
        groups=groups,
        customers=customers,
        consents=consents.sort_values(["customer_uid", "consent_uid"], ignore_index=True),
        reads=reads,
        matrix=MembershipMatrix.from_uids(
            pd.Series(np.repeat(list(members), [len(uids) for uids in members.values()]), dtype="str"),
            pd.Series(list(chain.from_iterable(members.values())), dtype="str"),
            all_groups=groups["customer_group_uid"],
            group_names=groups["name"],
            all_customers=customers["customer_uid"],
        ),
        read_until=read_until,
        verdict=worst_verdict([*verdicts, *reads["verdict"]]),
        universe=_valid_universe(snapshot, len(customers)),
    )


def _valid_universe(snapshot: Snapshot, n_customers: int) -> int | None:
    """Return the universe of the snapshot, or None with a warning if there are more customers than that."""
    universe = snapshot.universe
    if universe is None or universe >= n_customers:
        return universe
    text = (
        f"{n_customers:,} customers were met, more than the {universe:,} that the tenant was said to have in all: "
        "the snapshot has no universe any more; tell it again by with_universe."
    )
    log_event(log, logging.WARNING, "universe_too_small", text, universe=universe, n_customers=n_customers)
    return None
