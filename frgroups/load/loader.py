"""Load a tenant from the API, or return a recent stored snapshot."""

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
from frgroups.internals.base_urls import is_same_base_url
from frgroups.internals.formatting import format_utc, pluralize
from frgroups.internals.locks import load_lock
from frgroups.internals.paths import resolve_folder
from frgroups.internals.progress import Progress, ProgressOption
from frgroups.internals.structured_logging import log_event
from frgroups.internals.timestamps import parse_duration
from frgroups.internals.validation import as_list
from frgroups.load.cover_strategy import read_all_groups
from frgroups.load.end_check import ServerSorting
from frgroups.load.load_result import size_warning
from frgroups.load.longest_lists import check_longest_lists, doubt_equal_lists
from frgroups.load.tenant_reader import TenantReader
from frgroups.load.verified_listing import MAX_REREADS, read_groups, worker_threads
from frgroups.snapshot.membership_matrix import MembershipMatrix
from frgroups.snapshot.schema import PERSONAL
from frgroups.snapshot.snapshot import Snapshot
from frgroups.snapshot.verdicts import groups_verdict, worst_verdict
from frgroups.store.manifest import StoredSnapshot, list_stored_snapshots, quarantine
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
    Load all groups and members of a tenant, and verify that the result is complete.

    The snapshot is stored unless `cache` is False. If another process is already loading the same tenant into the
    same cache folder, this function waits for that process and returns the snapshot that it has stored.

    Parameters
    ----------
    client
        Client for the tenant.
    cache
        Folder in which the snapshot is stored. None means the folder `snapshots` in the data folder. With False, the
        snapshot is not stored.
    max_age
        Maximum age of a stored snapshot, as a timedelta or a string such as "6h". If the newest stored snapshot is
        not older and contains the requested data, it is returned without a request. None always loads the tenant.
    cover
        Whether to infer the members of a group from the customer records if all members of the group have already
        been read as members of larger groups. This saves requests. The column `how` of `Snapshot.reads` contains
        "cover" for these groups. With False, all groups are read page by page.
    personal
        Whether to store names, contact data, addresses, and notes of the customers.
    progress
        Whether to show a progress bar. None shows it in notebooks and terminals. A callable is called with (text,
        done, total) instead, where total is None until the sizes of all groups are known.

    Returns
    -------
    Snapshot
        Groups, customers, consents, and memberships of the tenant. The attribute `verdict` is "consistent" if there
        is evidence that the snapshot is complete, "drifted" if groups changed during the load, and "unverifiable" if
        no evidence is available. The attribute `reads` contains the evidence for each group, and `groups_note` states
        why the list of groups could not be verified.

    Raises
    ------
    ApiError
        If a request fails or the server is not the API. No snapshot is stored.
    DriftedReadError
        If the list of groups is inconsistent in every attempt to read it.
    InputError
        If an argument is invalid or the folder is not writable. The folder is checked before the first request. If
        the snapshot cannot be stored after the load, the attribute `snapshot` of the error contains it.
    LockedError
        If the function is called by the `progress` callback of a load of the same tenant into the same folder.

    Examples
    --------
    >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client() as client:
    ...     snapshot = load_snapshot(client, cache=False, progress=False)
    >>> snapshot.verdict, len(snapshot.groups)
    ('consistent', 8)
    """
    if isinstance(cache, bool) and cache:
        raise InputError(
            "`cache` must be a path, None, or False, got True. None stores the snapshot in the data folder."
        )
    if cache is False and max_age is not None:
        raise InputError(
            f"`max_age` ({max_age!r}) requires stored snapshots, but `cache` is False. Remove one of these arguments."
        )
    record = Customer if personal else Member
    if cache is False:
        return _read_tenant(client, cover=cover, record=record, progress=progress)
    folder = resolve_folder(cache, "snapshots")
    _check_writable(folder)
    if max_age is not None:
        fresh = _fresh_snapshot(client, folder, max_age, cover, personal)
        if fresh is not None:
            text = f"Using the stored snapshot of tenant {client.tenant_uid} from {fresh.taken_at}."
            log_event(log, logging.INFO, "snapshot_reused", text, tenant_uid=client.tenant_uid)
            return fresh
    stored_before = _list_stored(client, folder)
    with load_lock(folder, client.tenant_uid, client.base_url) as waited:
        if waited:
            shared = _snapshot_from_other_load(client, folder, {s.path for s in stored_before}, cover, personal)
            if shared is not None:
                return shared
        snapshot = _read_tenant(client, cover=cover, record=record, progress=progress)
        _save(snapshot, folder)
    if stored_before:
        _warn_if_smaller(snapshot, stored_before[-1])
    return snapshot


def refresh_groups(
    client: Client, snapshot: Snapshot, groups: Iterable[str], *, progress: ProgressOption = None
) -> Snapshot:
    """
    Read some groups of a snapshot again, and return the updated snapshot.

    All pages of the given groups are read. If groups changed during a load, use this function to read them again
    before you create a plan.

    Parameters
    ----------
    client
        Client for the tenant and the host of the snapshot.
    snapshot
        Snapshot to update. It is not modified.
    groups
        Uids or names of the groups to read.
    progress
        Whether to show a progress bar. None shows it in notebooks and terminals. A callable is called with (text,
        done, total) instead.

    Returns
    -------
    Snapshot
        Updated snapshot with the same `taken_at` and a later `read_until`. Groups that have been deleted from the
        tenant are removed.

    Raises
    ------
    ApiError
        If a request fails.
    GroupNotFoundError
        If a group is not in the snapshot.
    WrongTenantError
        If the client is for another tenant or host.

    Examples
    --------
    >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client() as client:
    ...     snapshot = load_snapshot(client, cache=False, progress=False)
    ...     sandbox.remove_members("staff", list(snapshot["Staff"]))
    ...     len(refresh_groups(client, snapshot, ["Staff"])["Staff"])
    0
    """
    if client.tenant_uid != snapshot.tenant_uid or not is_same_base_url(client.base_url, snapshot.base_url):
        raise WrongTenantError(
            f"The snapshot is from tenant {snapshot.tenant_uid} at {snapshot.base_url}, but the client is for tenant "
            f"{client.tenant_uid} at {client.base_url}. Nothing was sent."
        )
    uids = [snapshot.group_uid(group) for group in as_list(groups, "groups")]
    personal = "firstname" in snapshot.customers
    groups = {uid: Group(customer_group_uid=uid) for uid in uids}
    record = Customer if personal else Member
    with (
        _reading_threads(client) as (request_pool, group_pool),
        Progress("Refreshing", unit="memberships", show=progress) as progress_bar,
    ):
        tenant = TenantReader(client, groups, record, request_pool, group_pool, progress_bar)
        tenant.read_by_pages(tenant.read_first_pages(uids))
        check_longest_lists(tenant, snapshot)
        doubt_equal_lists(tenant, snapshot)
        groups_note = _note_after_refresh(tenant, set(snapshot.groups["customer_group_uid"]))
    return _merge_groups(snapshot, tenant, groups_note, set(uids) - set(tenant.members), client.clock())


def _check_writable(folder: Path) -> None:
    ensure_private_dir(folder)
    try:
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise InputError(
            f"Cannot write {folder}: {error.strerror}. Nothing was sent. Set FRGROUPS_HOME to another folder.",
            hint="Alternatively, pass another folder as `cache`, or pass `cache=False` to store no snapshot.",
            cli_hint="",
        ) from error


def _fresh_snapshot(
    client: Client, folder: Path, max_age: timedelta | str, cover: bool, personal: bool
) -> Snapshot | None:
    """Return the newest valid stored snapshot, or None if it is too old or lacks data that the caller requested."""
    limit = parse_duration(max_age)
    snapshot = _read_newest(client, folder, lambda taken_at: timedelta(0) <= client.clock() - taken_at <= limit)
    if snapshot is None:
        return None
    return _match_request(snapshot, cover, personal)


def _snapshot_from_other_load(
    client: Client, folder: Path, stored_before: set[Path], cover: bool, personal: bool
) -> Snapshot | None:
    """Return the snapshot that a concurrent load has stored, or None if it does not contain the requested data."""
    new = [
        stored
        for stored in _list_stored(client, folder)
        if stored.path not in stored_before and stored.taken_at <= client.clock()
    ]
    if not new:
        return None
    try:
        newest = read_stored(new[-1])
    except (CorruptFileError, FileNotFoundError):  # Another process has replaced or removed the snapshot.
        return None
    snapshot = _match_request(newest, cover, personal)
    if snapshot is None:
        return None
    text = f"Using the snapshot of tenant {client.tenant_uid} from {snapshot.taken_at}, which another load stored."
    log_event(log, logging.INFO, "load_shared", text, tenant_uid=client.tenant_uid)
    return snapshot


def _read_newest(client: Client, folder: Path, is_fresh: Callable[[datetime], bool]) -> Snapshot | None:
    """
    Return the newest valid stored snapshot, or None if `is_fresh` returns False for the snapshot's timestamp.

    Corrupt snapshots are quarantined and skipped.
    """
    try:
        stored = latest_snapshot(folder, client.tenant_uid, client.base_url)
        if stored is None or not is_fresh(stored.taken_at):
            return None
        return read_stored(stored)
    except FileNotFoundError:  # Another process has replaced or removed the snapshot.
        pass
    except CorruptFileError as error:
        text = f"{error.message} The tenant is loaded unless an older valid snapshot is recent enough."
        log_event(log, logging.WARNING, "snapshot_damaged", text, tenant_uid=client.tenant_uid)
    snapshot = latest_valid_snapshot(folder, client.tenant_uid, client.base_url, on_damage=quarantine)
    if snapshot is None or not is_fresh(snapshot.taken_at):
        return None
    return snapshot


def _list_stored(client: Client, folder: Path) -> list[StoredSnapshot]:
    """
    Return the stored snapshots of the client's tenant and host.

    Corrupt snapshots are omitted without a warning.
    """
    stored = list_stored_snapshots(folder, client.tenant_uid, on_damage=lambda _folder, _error: None)
    return [snapshot for snapshot in stored if snapshot.matches_host(client.base_url)]


def _match_request(snapshot: Snapshot, cover: bool, personal: bool) -> Snapshot | None:
    """
    Return a stored snapshot if it satisfies the arguments `cover` and `personal`, otherwise None.

    Personal data that the caller has not requested is removed from the returned snapshot.
    """
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
            hint="The attribute `snapshot` of this error contains the loaded snapshot. Use save_snapshot to store it "
            "in another folder.",
            cli_hint="",
        )
        raise unsaved from error
    text = f"Stored the snapshot of tenant {snapshot.tenant_uid} in {path}."
    log_event(log, logging.INFO, "snapshot_saved", text, tenant_uid=snapshot.tenant_uid, path=path)
    _warn_unless_newest(snapshot, cache)


def _warn_if_smaller(snapshot: Snapshot, previous: StoredSnapshot) -> None:
    """Log a warning if a snapshot contains far fewer groups or memberships than the previous snapshot."""
    warning = size_warning(previous.manifest, len(snapshot.groups), len(snapshot.matrix))
    if warning:
        text = f"Tenant {snapshot.tenant_uid}: {warning}"
        log_event(log, logging.WARNING, "snapshot_smaller", text, tenant_uid=snapshot.tenant_uid)


def _warn_unless_newest(snapshot: Snapshot, cache: Path) -> None:
    """
    Log a warning if another stored snapshot has a later timestamp.

    Readers use the snapshot with the latest timestamp, so they would ignore the snapshot that was just stored.
    """
    newest = None
    with suppress(CorruptFileError):  # A corrupt snapshot is reported only when it is read.
        newest = latest_snapshot(cache, snapshot.tenant_uid, snapshot.base_url or "")
    if newest is not None and newest.taken_at > snapshot.taken_at:
        text = (
            f"The new snapshot of tenant {snapshot.tenant_uid} is from {format_utc(snapshot.taken_at)}, but a stored "
            f"snapshot from {format_utc(newest.taken_at)} is still the newest. Check the system clock."
        )
        log_event(log, logging.WARNING, "snapshot_not_newest", text, tenant_uid=snapshot.tenant_uid, path=newest.path)


def _read_tenant(client: Client, *, cover: bool, record: type[Member], progress: ProgressOption) -> Snapshot:
    taken_at, n_before, started = client.clock(), client.n_requests, time.monotonic()
    text = f"Loading tenant {client.tenant_uid} from {client.base_url}."
    log_event(log, logging.INFO, "load_started", text, tenant_uid=client.tenant_uid, base_url=client.base_url)
    with (
        _reading_threads(client) as (request_pool, group_pool),
        Progress("Loading", unit="memberships", show=progress) as progress_bar,
    ):
        groups, listing = read_groups(client, ServerSorting(), pool=request_pool)
        if listing.verdict == "drifted":
            raise DriftedReadError(
                f"The list of groups of tenant {client.tenant_uid} was inconsistent in {MAX_REREADS + 1} attempts to "
                f"read it: {listing.note}. Load the tenant again while no groups are being edited. If the error "
                "persists, the server returns an incorrect list or total."
            )
        text = f"Tenant {client.tenant_uid} has {pluralize(len(groups), 'group')}."
        log_event(log, logging.INFO, "groups_listed", text, tenant_uid=client.tenant_uid, n_groups=len(groups))
        tenant = TenantReader(client, groups, record, request_pool, group_pool, progress_bar)
        read_all_groups(tenant, cover=cover)
        if tenant.unlisted_groups(tenant.group_codes):
            _add_unlisted_groups(tenant)
            read_all_groups(tenant, cover=cover)
        groups_note = listing.note or tenant.unlisted_note(tenant.group_codes)
        snapshot = tenant.snapshot(groups_note, taken_at, client.clock())
    _log_result(snapshot, n_requests=client.n_requests - n_before, seconds=round(time.monotonic() - started, 3))
    return snapshot


def _add_unlisted_groups(tenant: TenantReader) -> None:
    """
    Read the list of groups again, and add the groups that the first list did not contain.

    The added groups were created during the load, or the server omitted them from the first list.
    """
    listed = _read_groups_again(tenant)
    new = {uid: group for uid, group in listed.items() if uid not in tenant.group_codes}
    tenant.add_groups(new)
    tenant_uid = tenant.client.tenant_uid
    text = f"Tenant {tenant_uid} has {pluralize(len(new), 'group')} that the first list of groups did not contain."
    log_event(log, logging.INFO, "groups_added", text, tenant_uid=tenant_uid, n_groups=len(new))


def _note_after_refresh(tenant: TenantReader, listed: set[str]) -> str:
    """
    Return the reason why the snapshot's list of groups could not be verified, or an empty string.

    The list of groups is read again if customer records list groups that are not in the snapshot. Groups that only
    the new list contains were created after the snapshot was loaded. These groups are not added to the snapshot.
    """
    if tenant.unlisted_groups(listed):
        listed = listed.union(_read_groups_again(tenant))
    note = tenant.unlisted_note(listed)
    if note:
        tenant_uid = tenant.client.tenant_uid
        text = f"The list of groups of tenant {tenant_uid} cannot be verified: {note}."
        log_event(log, logging.WARNING, "groups_unverifiable", text, tenant_uid=tenant_uid)
    return note


def _read_groups_again(tenant: TenantReader) -> dict[str, Group]:
    """Read the list of groups again. The result is empty if the list kept changing."""
    groups, listing = read_groups(tenant.client, ServerSorting(), pool=tenant.request_pool)
    return {} if listing.verdict == "drifted" else groups


def _log_result(snapshot: Snapshot, *, n_requests: int, seconds: float) -> None:
    counts = {
        "n_groups": len(snapshot.groups),
        "n_customers": len(snapshot.customers),
        "n_memberships": len(snapshot.matrix),
        "n_requests": n_requests,
    }
    n_covered = int((snapshot.reads["how"] == "cover").sum())
    listed = ", ".join(pluralize(n, name.removeprefix("n_").removesuffix("s")) for name, n in counts.items())
    text = (
        f"Loaded tenant {snapshot.tenant_uid} in {seconds:.1f} s: {listed}. "
        f"The verdict is {snapshot.verdict}, and the number of inferred groups is {n_covered:,}."
    )
    level = logging.INFO
    if snapshot.verdict != "consistent":
        level = logging.WARNING
        text += f" Reason: {snapshot.verdict_note}."
    facts = {"verdict": snapshot.verdict, **counts, "n_covered": n_covered, "seconds": seconds}
    log_event(log, level, "load_finished", text, tenant_uid=snapshot.tenant_uid, **facts)


@contextmanager
def _reading_threads(client: Client) -> Iterator[tuple[Executor, Executor]]:
    """Create a thread pool for requests, and a second pool in which each thread reads the pages of one group."""
    with worker_threads(client) as group_pool, worker_threads(client) as request_pool:
        yield request_pool, group_pool


def _merge_groups(
    snapshot: Snapshot, tenant: TenantReader, groups_note: str, gone: set[str], read_until: datetime
) -> Snapshot:
    """
    Return a copy of the snapshot with the new data of the groups read again, and without the groups in `gone`.

    The groups in `gone` were deleted from the tenant.
    """
    # If all groups were consistent, the snapshot's verdict is the verdict of the tenant's list of groups.
    # Keep the verdict and the note of this list, because a refresh does not load the list again.
    verdicts: list[str] = []
    if worst_verdict(snapshot.reads["verdict"]) == "consistent":
        verdicts.append(snapshot.verdict)
    groups_note = snapshot.groups_note or groups_note
    fresh = tenant.snapshot(groups_note, snapshot.taken_at, read_until)
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
        verdict=worst_verdict([*verdicts, groups_verdict(groups_note), *reads["verdict"]]),
        groups_note=groups_note,
        from_sandbox=fresh.from_sandbox,
        universe=_valid_universe(snapshot, len(customers)),
    )


def _valid_universe(snapshot: Snapshot, n_customers: int) -> int | None:
    """
    Return the total number of customers in the tenant (universe), or None if this number is too small.

    If the refreshed snapshot contains more customers than the universe, a warning is logged, and the result is None.
    """
    universe = snapshot.universe
    if universe is None or universe >= n_customers:
        return universe
    text = (
        f"The snapshot contains {n_customers:,} customers, but its universe is {universe:,}. The universe has "
        "been removed. Use Snapshot.with_universe to set a new universe."
    )
    log_event(log, logging.WARNING, "universe_too_small", text, universe=universe, n_customers=n_customers)
    return None
