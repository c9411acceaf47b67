"""Count the changes of a receipt that are still in effect according to newer data in the data folder."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from frgroups.apply.newer_data import newer_data
from frgroups.apply.receipt import Receipt
from frgroups.apply.undo import verified_changes
from frgroups.internals.tombstones import is_tombstone


@dataclass(frozen=True, slots=True)
class UndoEffect:
    """
    Comparison of a receipt with newer data about the groups in the receipt.

    Attributes
    ----------
    n_in_effect, n_known
        `n_known` is the number of verified changes in groups for which the data folder contains newer data than the
        receipt. `n_in_effect` is the number of these changes that are still in effect. Both numbers are 0 if there is
        no newer data.
    read_at
        Time of the newest data, or None if no data is newer than the plan.
    """

    n_in_effect: int = 0
    n_known: int = 0
    read_at: datetime | None = None


def undo_effect(receipt: Receipt) -> UndoEffect:
    """
    Count the verified changes of a receipt that are still in effect.

    The newest stored snapshot and the receipts of later plans show which of the changes are still in effect.

    Parameters
    ----------
    receipt
        The receipt from which an undo plan was created.

    Raises
    ------
    CorruptFileError
        If the registry of started plans is corrupt.
    """
    known = newer_data(receipt.plan, after=receipt.read_at).members
    n_in_effect = n_known = 0
    for group_uid, customer_uid, change in verified_changes(receipt):
        if group_uid in known and not is_tombstone(customer_uid):
            _, members = known[group_uid]
            n_known += 1
            n_in_effect += (customer_uid in members) == (change == "add")
    read_at = max((at for at, _ in known.values()), default=None)
    return UndoEffect(n_in_effect, n_known, read_at)
