"""Count the changes of a receipt that are still in effect according to newer data in the data folder."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from frgroups.apply.receipt import Receipt, read_receipt
from frgroups.errors import FrgroupsError, SnapshotNotFoundError
from frgroups.history.change_attribution import group_causes
from frgroups.plan.plan import Plan
from frgroups.store.snapshot_store import read_snapshot


@dataclass(frozen=True, slots=True)
class UndoEffect:
    """
    Comparison of an undo plan with newer data about its groups.

    Attributes
    ----------
    n_in_effect, n_known
        n_in_effect is the number of changes to be undone that are still in effect. n_known is the number of changes
        in groups for which the data folder contains data that is newer than the receipt. Without newer data, both
        numbers are 0.
    read_at
        Time of the newest data, or None.
    """

    n_in_effect: int = 0
    n_known: int = 0
    read_at: datetime | None = None


def undo_effect(undo: Plan, receipt: Receipt) -> UndoEffect:
    """
    Count the changes to be undone that are still in effect.

    An undo plan contains the changes that were verified when the receipt was written. The newest stored snapshot and
    the receipts of later plans show which of these changes are still in effect.

    Parameters
    ----------
    undo
        The undo plan.
    receipt
        The receipt from which the undo plan was created.

    Raises
    ------
    CorruptFileError
        The registry of started plans or the newest snapshot is corrupt.
    """
    known = _newer_members(undo, receipt)
    n_in_effect = n_known = 0
    for group in undo.groups:
        if group.uid in known:
            _, members = known[group.uid]
            n_known += len(group.add) + len(group.remove)
            n_in_effect += sum(uid in members for uid in group.remove)
            n_in_effect += sum(uid not in members for uid in group.add)
    read_at = max((at for at, _ in known.values()), default=None)
    return UndoEffect(n_in_effect, n_known, read_at)


def _newer_members(undo: Plan, receipt: Receipt) -> Mapping[str, tuple[datetime, frozenset[str]]]:
    """Return the time and the members from the newest read of each group that was read after the receipt."""
    groups = {group.uid for group in undo.groups}
    newest: dict[str, tuple[datetime, frozenset[str]]] = {}
    with suppress(SnapshotNotFoundError):
        snapshot = read_snapshot(tenant_uid=undo.tenant_uid, base_url=undo.base_url)
        if snapshot.taken_at > receipt.read_at:
            for uid in groups & set(snapshot.matrix.group_uids):
                newest[uid] = snapshot.taken_at, frozenset(snapshot[uid])
    causes = group_causes(groups, undo.tenant_uid, undo.base_url, after=receipt.read_at)
    for path in {cause.receipt_path for cause in causes if cause.receipt_path is not None}:
        with suppress(FrgroupsError):  # The log already contains a warning about the unreadable receipt.
            later = read_receipt(path)
            for uid in groups & later.members_after.keys():
                if later.read_at > newest.get(uid, (receipt.read_at,))[0]:
                    newest[uid] = later.read_at, frozenset(later.members_after[uid])
    return newest
