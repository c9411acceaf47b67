"""Count the changes of a receipt that are still in effect according to newer data in the data folder."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from frgroups.apply.newer_data import newer_data
from frgroups.apply.receipt import Receipt
from frgroups.plan.plan import Plan


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
        The registry of started plans is corrupt.
    """
    known = newer_data(undo, after=receipt.read_at).members
    n_in_effect = n_known = 0
    for group in undo.groups:
        if group.uid in known:
            _, members = known[group.uid]
            n_known += len(group.add) + len(group.remove)
            n_in_effect += sum(uid in members for uid in group.remove)
            n_in_effect += sum(uid not in members for uid in group.add)
    read_at = max((at for at, _ in known.values()), default=None)
    return UndoEffect(n_in_effect, n_known, read_at)
