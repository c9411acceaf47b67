"""When a customer joined and left groups, and which plan did it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from frgroups.analysis.snapshot_comparison import group_verdicts, weaker_verdict
from frgroups.history.change_attribution import Cause, change_causes
from frgroups.history.snapshot_series import iter_snapshots
from frgroups.internals.validation import check_type
from frgroups.snapshot.schema import TIMESTAMP_DTYPE, coerce_schema
from frgroups.snapshot.snapshot import Snapshot
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
    "undoes": "str",
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
        plan was forgotten since), undoes (the digest of the plan that it took back), purpose, planned_at,
        applied_at (when this change was sent), plan_state (as in a receipt: "verified"; "not_effective" and "unknown"
        where reading back did not show it at once), approved_by ("" for a bare digest), approved_how, approved_at,
        receipt_path. Of several such plans in between, the last.

    Raises
    ------
    SnapshotNotFoundError
        Nothing is kept, or nothing of it can be read.
    InputError
        The snapshots are of several tenants or hosts.

    >>> path = save_snapshot(sample_snapshot("2026-11-03"))
    >>> path = save_snapshot(sample_snapshot("2026-11-10"))
    >>> customer_history("c-1", tenant_uid="t-1")[["name", "change", "before"]]
              name  change                    before
    0  All members  was in 2026-11-03 00:00:00+00:00
    1          VIP  was in 2026-11-03 00:00:00+00:00
    """
    check_type(customer_uid, str, "customer_uid")
    kept = list_tenant_snapshots(cache, tenant_uid, base_url)
    own = kept[0].manifest
    causes = change_causes(customer_uid, own["tenant_uid"], own["base_url"], journal)
    rows: list[dict[str, Any]] = []
    before = None
    for snapshot in iter_snapshots(kept):
        now = _Seen.of(snapshot, customer_uid)
        rows += now.first_rows() if before is None else now.rows_since(before, causes)
        before = now
    return coerce_schema(pd.DataFrame(rows, columns=list(_COLUMNS)), _COLUMNS)


@dataclass(frozen=True, eq=False)
class _Seen:
    """What one snapshot shows of a customer: the groups, by uid, that there were, and those with the customer."""

    taken_at: datetime
    read_until: datetime
    names: dict[str, str]
    verdicts: dict[str, str]
    verdict: str
    groups: frozenset[str]

    @classmethod
    def of(cls, snapshot: Snapshot, customer_uid: str) -> _Seen:
        codes = snapshot.matrix
        return cls(
            snapshot.taken_at.astimezone(UTC),
            snapshot.read_until.astimezone(UTC),
            dict(zip(codes.group_uids, codes.group_names, strict=True)),
            dict(zip(codes.group_uids, group_verdicts(snapshot, codes.group_uids), strict=True)),
            snapshot.verdict,
            frozenset(codes.groups_of(customer_uid)),
        )

    def first_rows(self) -> list[dict[str, Any]]:
        facts = {"change": "was in", "before": self.taken_at, "still_seen": True, "group_status": "first"}
        return [
            {"customer_group_uid": uid, "name": self.names[uid], "verdict": self.verdicts[uid], **facts}
            for uid in sorted(self.groups)
        ]

    def rows_since(self, before: _Seen, causes: Sequence[Cause]) -> list[dict[str, Any]]:
        return [self._row(before, uid, causes) for uid in sorted(self.groups ^ before.groups)]

    def _row(self, before: _Seen, uid: str, causes: Sequence[Cause]) -> dict[str, Any]:
        change = "joined" if uid in self.groups else "left"
        status = "new" if uid not in before.names else "kept" if uid in self.names else "deleted"
        why = [one for one in causes if one.may_explain(uid, change, before.taken_at, self.read_until)]
        return {
            "customer_group_uid": uid,
            "name": self.names.get(uid) or before.names[uid],
            "change": change,
            "after": before.taken_at,
            "before": self.taken_at,
            "still_seen": bool(self.groups),
            "group_status": status,
            "verdict": weaker_verdict(*(one.verdicts.get(uid, one.verdict) for one in (before, self))),
            **(_facts_of(why[-1]) if why else {}),
        }


def _facts_of(cause: Cause) -> dict[str, Any]:
    return {
        "plan_digest": cause.plan_digest,
        "undoes": cause.reverts,
        "purpose": cause.purpose,
        "planned_at": cause.planned_at,
        "applied_at": cause.sent_at,
        "plan_state": cause.state,
        "approved_by": cause.approved_by,
        "approved_how": cause.approved_how,
        "approved_at": cause.approved_at,
        "receipt_path": None if cause.receipt_path is None else str(cause.receipt_path),
    }
