"""Which groups a customer is in and was in, and which plan and approval stand behind each change."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from frgroups.cli.arguments import Add, of_snapshot
from frgroups.cli.resolve import snapshot_of
from frgroups.cli.types import readable
from frgroups.errors import InputError, SnapshotNotFoundError
from frgroups.history.change_attribution import Cause, change_causes
from frgroups.history.customer_history import customer_history
from frgroups.internals.formatting import format_age, format_day, format_day_span, pluralize
from frgroups.internals.redaction import safe_repr
from frgroups.internals.tombstones import is_tombstone
from frgroups.review.approval import approved_in_words
from frgroups.snapshot.customer_lists import resolve_customers
from frgroups.snapshot.snapshot import Snapshot

_HOW_SURE = {
    "drifted": "Not sure: the group changed while it was read.",
    "unverifiable": "Not proved: there was no evidence that the group was read whole.",
}


@dataclass(frozen=True, slots=True)
class _Whereabouts:
    """The groups of a customer now, what snapshots saw change, and what plans changed that they do not show."""

    snapshot: Snapshot
    uid: str
    groups: list[str]
    history: list[dict[str, Any]]
    unseen: list[Cause]
    since: list[Cause]


def add_commands(add: Add) -> None:
    """What each of these commands takes."""
    _who_words(add)


def who(options: Namespace) -> int:
    """Tell which groups a customer is in, what was seen to change, and why."""
    snapshot = snapshot_of(options)
    uid = _uid_of(snapshot, options)
    tenant_uid, base_url, journal = snapshot.tenant_uid, snapshot.base_url, options.journal
    history = customer_history(uid, cache=options.cache, tenant_uid=tenant_uid, base_url=base_url, journal=journal)
    history = history[history["before"] <= snapshot.taken_at]
    groups = snapshot.matrix.groups_of(uid)
    causes = [] if is_tombstone(uid) else change_causes(uid, tenant_uid, base_url, journal)
    since = [one for one in causes if one.until > snapshot.read_until]
    rows = [{str(name): value for name, value in row.items()} for row in history.to_dict("records")]
    seen = {(row["customer_group_uid"], row["applied_at"]) for row in rows}
    unseen = [one for one in causes if one not in since and (one.customer_group_uid, one.sent_at) not in seen]
    if history.empty and not causes and uid not in set(snapshot.customers["customer_uid"]):
        raise SnapshotNotFoundError(
            f"No kept snapshot of {snapshot.tenant_uid} knows a customer {safe_repr(uid)}. Check the uid (an "
            "external id needs --by external_id), or load again; customers who never were in a group cannot be seen."
        )
    told = _Whereabouts(snapshot, uid, groups, rows, unseen, since)
    print(_as_json(told) if options.json else readable(_as_text(told)))
    return 0


def _uid_of(snapshot: Snapshot, options: Namespace) -> str:
    if options.by == "customer_uid":
        return str(options.uid)
    [found] = resolve_customers(snapshot, [options.uid], by=options.by).to_dict("records")
    if found["outcome"] == "resolved":
        return str(found["customer_uid"])
    several = found["outcome"] == "ambiguous"
    raise InputError(
        f"{'Several customers have' if several else 'No customer has'} the {options.by} {safe_repr(options.uid)} in "
        f"the snapshot of {snapshot.taken_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC. "
        + ("Say which by its customer uid." if several else "An older one may know it (--at DATE).")
    )


def _as_json(told: _Whereabouts) -> str:
    snapshot = told.snapshot
    now = [{"customer_group_uid": group, "name": snapshot.group_name(group)} for group in told.groups]
    return json.dumps(
        {
            "tenant_uid": snapshot.tenant_uid,
            "base_url": snapshot.base_url,
            "customer_uid": told.uid,
            "taken_at": snapshot.taken_at.astimezone(UTC).isoformat(),
            "verdict": snapshot.verdict,
            "groups": now,
            "history": [_plain(row) for row in told.history],
            "unseen": [_plain(asdict(one)) for one in told.unseen],
            "since": [_plain(asdict(one)) for one in told.since],
        },
        ensure_ascii=False,
    )


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _plain_value(value) for name, value in row.items()}


def _plain_value(value: Any) -> Any:
    if pd.isna(value):
        return None
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value


def _as_text(told: _Whereabouts) -> str:
    snapshot, groups = told.snapshot, told.groups
    age = datetime.now(UTC) - snapshot.taken_at
    old = f", {format_age(age)} old" if age > timedelta(0) else ""
    lines = [
        f"Customer {told.uid} of {snapshot.tenant_uid} at {snapshot.base_url or 'no host'}, by the snapshot of "
        f"{snapshot.taken_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC{old}, {snapshot.verdict}:",
        f"in {pluralize(len(groups), 'group')}{':' if groups else ' (deleted, merged, or in none).'}",
        *(f"  {_named(snapshot.group_name(group), group)}" for group in groups),
        "",
        "History, as far as kept snapshots tell (days in UTC):" if told.history else "No history is kept.",
    ]
    for row in told.history:
        lines += [f"  {_change(row)}", *(f"    {line}" for line in _why(row))]
    lines += _by_plans(snapshot, "Applied from here, and over before a snapshot could show it:", told.unseen)
    lines += _by_plans(snapshot, "Since that snapshot (frgroups load reads what is so now):", told.since)
    return "\n".join(lines)


def _by_plans(snapshot: Snapshot, title: str, causes: list[Cause]) -> list[str]:
    """What plans changed that no snapshot up to this one shows."""
    if not causes:
        return []
    names = dict(zip(snapshot.matrix.group_uids, snapshot.matrix.group_names, strict=True))
    lines = ["", title]
    for one in causes:
        lines.append(
            f"  {one.change} {_named(names.get(uid := one.customer_group_uid, uid), uid)} by "
            f"{_plan_named(one.plan_digest)} applied at {one.sent_at:%Y-%m-%d %H:%M} UTC: {one.state}."
        )
        lines += [f"    For: {one.purpose}"] if one.purpose else []
        lines.append(f"    Approved {_approved(asdict(one))}.")
    return lines


def _approved(told: dict[str, Any]) -> str:
    """How and by whom, of a cause or of a row of the history, which have it under the same names."""
    at = "" if pd.isna(told["approved_at"]) else told["approved_at"].isoformat()
    return approved_in_words({"how": told["approved_how"], "by": told["approved_by"], "at": at})


def _plan_named(digest: str | None) -> str:
    return "a plan with a customer who was forgotten since," if digest is None else f"plan {digest[:12]}"


def _named(name: str, uid: str) -> str:
    return name if name == uid else f"{name} ({uid})"


def _change(row: dict[str, Any]) -> str:
    name = _named(row["name"], row["customer_group_uid"])
    if row["change"] == "was in":
        return f"was in {name} on {format_day(row['before'])}, when the first snapshot was taken."
    group = {"new": " The group was new.", "deleted": " The group was deleted."}.get(row["group_status"], "")
    return f"{row['change']} {name} {format_day_span(row['after'], row['before'])}.{group}"


def _why(row: dict[str, Any]) -> list[str]:
    lines = [_HOW_SURE[row["verdict"]]] if row["verdict"] in _HOW_SURE else []
    if row["change"] == "left" and not row["still_seen"]:
        lines.append("In no group since: left the last one, was deleted or merged; the API cannot say which.")
    if row["change"] == "was in":
        return lines
    if pd.isna(row["planned_at"]):
        return [*lines, "By no plan that was applied from here."]
    plan = _plan_named(None if pd.isna(row["plan_digest"]) else row["plan_digest"])
    undoes = "" if pd.isna(row["undoes"]) else f", which takes back plan {row['undoes'][:12]}"
    lines += [
        f"By {plan} of {row['planned_at']:%Y-%m-%d %H:%M} UTC{undoes}.",
        *([f"For: {row['purpose']}"] if row["purpose"] else []),
        f"Approved {_approved(row)}; applied at {row['applied_at']:%Y-%m-%d %H:%M} UTC: {row['plan_state']}.",
    ]
    return lines if pd.isna(row["receipt_path"]) else [*lines, f"Receipt: {row['receipt_path']}"]


def _who_words(add: Add) -> None:
    parser = add(
        who, "the groups of one customer, what changed them, and who approved that", "frgroups who UID --json"
    )
    parser.add_argument("uid", metavar="UID", help="uid of the customer")
    parser.add_argument(
        "--by", default="customer_uid", choices=("customer_uid", "external_id"), help="what UID is (customer_uid)"
    )
    parser.add_argument("--json", action="store_true", help="all of it as one line of JSON")
    parser.add_argument("--journal", type=Path, metavar="FOLDER", help="where journals and receipts are (the home)")
    of_snapshot(parser, csv=False)
