"""When a customer joined and left groups, and which plan did it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from frgroups.analysis.snapshot_comparison import group_verdicts
from frgroups.history.change_attribution import Cause, change_causes
from frgroups.history.snapshot_series import iter_snapshots
from frgroups.internals.validation import check_type
from frgroups.snapshot.schema import TIMESTAMP_DTYPE, coerce_schema
from frgroups.snapshot.snapshot import Snapshot
from frgroups.snapshot.verdicts import worst_verdict
from frgroups.store.snapshot_store import list_tenant_snapshots

_COLUMNS = {
    "customer_group_uid": "str",
    "name": "str",
    "change": "str",
    "after": TIMESTAMP_DTYPE,
    "before": TIMESTAMP_DTYPE,
    "still_seen": "bool",
    "group_status": "str",
    "verdict": "str",
    "plan_digest": "str",
    "reverts": "str",
    "purpose": "str",
    "planned_at": TIMESTAMP_DTYPE,
    "applied_at": TIMESTAMP_DTYPE,
    "plan_state": "str",
    "approved_by": "str",
    "approved_how": "str",
    "approved_at": TIMESTAMP_DTYPE,
    "receipt_path": "str",
}


def customer_history(
    customer_uid: str,
    *,
    cache: str | Path | None = None,
    tenant_uid: str | None = None,
    base_url: str | None = None,
    journal: str | Path | None = None,
) -> pd.DataFrame:
    """
    When a customer joined and left groups, as far as kept snapshots tell, and which plan did it.

    The API dates no membership: a change happened between two snapshots, and who joined and left again in
    between was not seen. Snapshots are read as by `size_history`.

    Parameters
    ----------
    cache, tenant_uid, base_url
        Where snapshots are kept (None: in the home), and of which tenant and host, as in `read_snapshot`.
    journal
        The folder of journals and receipts, as in `apply_plan`; None is the home's.

    Returns
    -------
    DataFrame
        One row per change, oldest first, then in uid order; none for a customer whom no snapshot knows.
        customer_group_uid, name (`str`); change (`str`: "joined", "left", or "was in" for the groups of the first
        snapshot); after, before (`datetime64[us, UTC]`: the last snapshot taken before the change was seen, and
        the first that shows it; for "was in" after is NaT); still_seen (`bool`: in any group at `before`);
        group_status (`str`: "kept", or the group itself was "new" or "deleted" then; "first" for "was in");
        verdict (`str`, the less sure of the two readings of the group: "consistent", "unverifiable", "drifted").

        Of the plan that did it, missing where none is known: plan_digest (missing too where a customer of the
        plan was erased since), reverts (the digest of the plan that it reverts), purpose, planned_at,
        applied_at (when this change was sent), plan_state (as in a receipt: "verified"; "not_effective" and "unknown"
        where reading back did not show it at once), approved_by ("" for a bare digest), approved_how, approved_at,
        receipt_path. Of several such plans in between, the last.

    Raises
    ------
    SnapshotNotFoundError
        Nothing is kept, or nothing of it can be read.
    InputError
        The snapshots are of several tenants or hosts.

    Examples
    --------
    >>> path = save_snapshot(sample_snapshot("2026-11-03"))
    >>> path = save_snapshot(sample_snapshot("2026-11-10"))
    >>> customer_history("c-1", tenant_uid="t-1")[["name", "change", "before"]]
              name  change                    before
    0  All members  was in 2026-11-03 00:00:00+00:00
    1          VIP  was in 2026-11-03 00:00:00+00:00
    """
    check_type(customer_uid, str, "customer_uid")
    stored = list_tenant_snapshots(cache, tenant_uid, base_url)
    manifest = stored[0].manifest
    causes = change_causes(customer_uid, manifest["tenant_uid"], manifest["base_url"], journal)
    rows: list[dict[str, Any]] = []
    before = None
    for snapshot in iter_snapshots(stored):
        after = _CustomerState.from_snapshot(snapshot, customer_uid)
        if before is None:
            rows += _first_rows(after)
        else:
            rows += [_change_row(before, after, uid, causes) for uid in sorted(before.groups ^ after.groups)]
        before = after
    return coerce_schema(pd.DataFrame(rows, columns=list(_COLUMNS)), _COLUMNS)


@dataclass(frozen=True, eq=False)
class _CustomerState:
    """
    The groups of a customer in one snapshot.

    Attributes
    ----------
    names, verdicts
        Name and verdict of each group of the snapshot, by uid.
    verdict
        Verdict of the snapshot.
    groups
        Uids of the groups that contain the customer.
    """

    taken_at: datetime
    read_until: datetime
    names: dict[str, str]
    verdicts: dict[str, str]
    verdict: str
    groups: frozenset[str]

    @classmethod
    def from_snapshot(cls, snapshot: Snapshot, customer_uid: str) -> _CustomerState:
        matrix = snapshot.matrix
        return cls(
            snapshot.taken_at.astimezone(UTC),
            snapshot.read_until.astimezone(UTC),
            matrix.names_by_uid,
            dict(zip(matrix.group_uids, group_verdicts(snapshot, matrix.group_uids), strict=True)),
            snapshot.verdict,
            frozenset(matrix.groups_of(customer_uid)),
        )

    def verdict_of(self, group_uid: str) -> str:
        """Return the verdict of a group, or that of the snapshot for a group that it lacks."""
        return self.verdicts.get(group_uid, self.verdict)


def _first_rows(state: _CustomerState) -> list[dict[str, Any]]:
    """Return a row for each group that contains the customer in the first snapshot."""
    return [
        {
            "customer_group_uid": uid,
            "name": state.names[uid],
            "verdict": state.verdicts[uid],
            "change": "was in",
            "before": state.taken_at,
            "still_seen": True,
            "group_status": "first",
        }
        for uid in sorted(state.groups)
    ]


def _change_row(before: _CustomerState, after: _CustomerState, uid: str, causes: Sequence[Cause]) -> dict[str, Any]:
    """Return the row for a group that the customer joined or left between two snapshots."""
    change = "joined" if uid in after.groups else "left"
    row = {
        "customer_group_uid": uid,
        "name": after.names.get(uid) or before.names[uid],
        "change": change,
        "after": before.taken_at,
        "before": after.taken_at,
        "still_seen": bool(after.groups),
        "group_status": _group_status(before, after, uid),
        "verdict": worst_verdict([before.verdict_of(uid), after.verdict_of(uid)]),
    }
    matches = [cause for cause in causes if cause.may_explain(uid, change, before.taken_at, after.read_until)]
    if matches:
        row |= _cause_columns(matches[-1])
    return row


def _group_status(before: _CustomerState, after: _CustomerState, uid: str) -> str:
    if uid not in before.names:
        return "new"
    if uid not in after.names:
        return "deleted"
    return "kept"


def _cause_columns(cause: Cause) -> dict[str, Any]:
    return {
        "plan_digest": cause.plan_digest,
        "reverts": cause.reverts,
        "purpose": cause.purpose,
        "planned_at": cause.planned_at,
        "applied_at": cause.sent_at,
        "plan_state": cause.state,
        "approved_by": cause.approved_by,
        "approved_how": cause.approved_how,
        "approved_at": cause.approved_at,
        "receipt_path": str(cause.receipt_path) if cause.receipt_path is not None else None,
    }
