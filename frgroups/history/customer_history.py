"""Reconstruct when a customer joined and left groups, and which plans caused the changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from frgroups.analysis.snapshot_comparison import group_verdicts
from frgroups.apply.sent_changes import Cause, change_causes
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
    Return the groups that a customer joined or left between snapshots, with the plans that caused the changes.

    The API does not report when a customer joined a group. Therefore, each row contains the timestamps of the last
    snapshot before the change and of the first snapshot after the change. If a customer joins and leaves a group
    between two snapshots, the table contains neither change. Snapshots that are corrupt or have another format
    version are skipped with a warning in the log.

    Parameters
    ----------
    customer_uid
        Uid of the customer.
    cache
        Folder that contains the stored snapshots. None selects the data folder.
    tenant_uid, base_url
        Tenant and host of the stored snapshots. They are required if the folder contains snapshots of several tenants
        or hosts, not counting servers on this machine. Without `base_url`, snapshots of these servers are selected as
        in `read_snapshot`.
    journal
        Folder that contains the journals and receipts of `apply_plan`. None selects the data folder.

    Returns
    -------
    DataFrame
        One row per change, sorted by timestamp and group uid. The table is empty if no snapshot contains the
        customer. These columns describe the change:

        - customer_group_uid, name (`str`)
        - change (`str`): "joined" or "left". For a group that contains the customer in the first snapshot, the value
          is "was in".
        - after, before (`datetime64[us, UTC]`): timestamps of the last snapshot before the change and of the first
          snapshot after it. For "was in", `after` is missing.
        - still_seen (`bool`): whether the customer is in any group in the snapshot taken at `before`
        - group_status (`str`): "kept" if both snapshots contain the group, "new" if only the later snapshot contains
          the group, "deleted" if only the earlier snapshot contains the group, and "first" for the change "was in"
        - verdict (`str`): the less reliable of the group's verdicts in the two snapshots, which is "consistent",
          "unverifiable", or "drifted"

        These columns describe the plan that caused the change. They are missing if no plan is known. If several plans
        could have caused the change, the last of these plans is used.

        - plan_digest (`str`): digest of the plan, also missing if a customer of the plan was erased later
        - reverts (`str`): digest of the plan that this plan undoes
        - purpose (`str`)
        - planned_at, applied_at (`datetime64[us, UTC]`): times when the plan was created and when the change was sent
        - plan_state (`str`): state in the receipt, "verified", "not_effective", or "unknown"
        - approved_by (`str`): name of the reviewer, "" if the plan was approved by its digest
        - approved_how (`str`): "person", "self", "digest", or "policy"
        - approved_at (`datetime64[us, UTC]`)
        - receipt_path (`str`)

    Raises
    ------
    SnapshotNotFoundError
        If there are no stored snapshots, or none of them can be read.
    InputError
        If `customer_uid` is not a string, or the snapshots belong to several tenants or hosts.

    See Also
    --------
    size_history : Size of each group in each snapshot.
    membership_changes : Customers who joined and left groups between two snapshots.

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
    The groups that contain a customer in one snapshot.

    Attributes
    ----------
    taken_at, read_until
        Timestamps of the start and the end of the load, in UTC.
    names, verdicts
        Name and verdict of each group in the snapshot, by uid.
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
        """Return the verdict of a group, or the snapshot's verdict if the snapshot does not contain the group."""
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
    """Return a row for a group that the customer joined or left, with the plan that caused the change."""
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
