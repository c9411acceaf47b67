"""Find the data in the data folder that is newer than a plan: a stored snapshot, receipts, and sent changes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from frgroups.apply.receipt import read_receipt
from frgroups.apply.sent_changes import Cause, group_causes
from frgroups.errors import FrgroupsError
from frgroups.plan.plan import Plan
from frgroups.snapshot.snapshot import Snapshot
from frgroups.store.manifest import Cache
from frgroups.store.snapshot_store import latest_snapshot, latest_valid_snapshot


@dataclass(frozen=True)
class NewerData:
    """
    Data about the groups of a plan that is newer than a given time.

    Attributes
    ----------
    snapshot
        The newest stored snapshot, or None if no snapshot that is newer than the given time is stored.
    members
        Time and members of the newest read of each group, keyed by group uid. Groups that were not read again are
        omitted.
    causes
        Membership changes that applied plans sent to the groups, sorted by time.
    """

    snapshot: Snapshot | None = None
    members: dict[str, tuple[datetime, frozenset[str]]] = field(default_factory=dict)
    causes: tuple[Cause, ...] = ()


def newer_data(plan: Plan, *, after: datetime, cache: Cache = None, snapshot: Snapshot | None = None) -> NewerData:
    """
    Return the data about the groups of a plan that is newer than the given time.

    The members come from the newest stored snapshot and from the receipts of applied plans, so no request is sent.
    The snapshot is not used for a group that changed during the load of the snapshot. A receipt is not used for a
    group whose last read was not consistent.

    Parameters
    ----------
    plan
        The plan.
    after
        Data that was read at this time or earlier is omitted.
    cache
        Folder of the stored snapshots. None selects the data folder.
    snapshot
        Snapshot of the same tenant to use instead of the newest stored snapshot.

    Raises
    ------
    CorruptFileError
        The registry of started plans is corrupt.
    """
    if plan.base_url is None:
        return NewerData()
    groups = {group.uid for group in plan.groups}
    newest: dict[str, tuple[datetime, frozenset[str]]] = {}
    if snapshot is None:
        snapshot = _newer_snapshot(plan, plan.base_url, after, cache)
    elif snapshot.taken_at <= after:
        snapshot = None
    if snapshot is not None:
        verdicts = dict(zip(snapshot.reads["customer_group_uid"], snapshot.reads["verdict"], strict=True))
        for uid in groups & set(snapshot.matrix.group_uids):
            if verdicts.get(uid, "drifted") != "drifted":
                newest[uid] = snapshot.taken_at, frozenset(snapshot[uid])
    causes = group_causes(groups, plan.tenant_uid, plan.base_url, after=after)
    for path in {cause.receipt_path for cause in causes if cause.receipt_path is not None}:
        with suppress(FrgroupsError):  # Skip an unreadable receipt. A warning was already logged.
            later = read_receipt(path)
            for uid in groups & later.consistent_groups & later.members_after.keys():
                if later.read_at > newest.get(uid, (after,))[0]:
                    newest[uid] = later.read_at, frozenset(later.members_after[uid])
    return NewerData(snapshot, newest, tuple(causes))


def _newer_snapshot(plan: Plan, base_url: str, after: datetime, cache: Cache) -> Snapshot | None:
    """Return the newest stored snapshot if it is newer than `after`. An older snapshot is not read from disk."""
    stored = latest_snapshot(cache, plan.tenant_uid, base_url)
    if stored is None or stored.taken_at <= after:
        return None
    snapshot = latest_valid_snapshot(cache, plan.tenant_uid, base_url)
    return None if snapshot is None or snapshot.taken_at <= after else snapshot
