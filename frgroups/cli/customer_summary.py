"""Summarize a customer: the groups, the changes between snapshots, and the plans that caused the changes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from frgroups.apply.sent_changes import Cause, change_causes
from frgroups.errors import InputError, SnapshotNotFoundError
from frgroups.history.customer_history import customer_history
from frgroups.internals.formatting import format_age, format_day_span, format_utc, pluralize
from frgroups.internals.json_values import to_jsonable
from frgroups.internals.redaction import safe_repr
from frgroups.internals.tombstones import is_tombstone
from frgroups.review.approval import format_approval
from frgroups.snapshot.id_resolution import describe_ambiguous_ids, resolve_customers
from frgroups.snapshot.similar_ids import find_similar_ids
from frgroups.snapshot.snapshot import Snapshot

_VERDICT_NOTES = {
    "drifted": "This history entry is uncertain, because the group changed during the load.",
    "unverifiable": "This history entry is uncertain, because the load could not verify that the group was read "
    "completely.",
}
_STATUS_NOTES = {"new": " The group was new.", "deleted": " The group was deleted."}


@dataclass(frozen=True, slots=True)
class CustomerSummary:
    """
    A customer's groups in a snapshot, and the membership changes that led to these groups.

    Attributes
    ----------
    snapshot
        The snapshot.
    uid
        Uid of the customer.
    groups
        Uids of the customer's groups in the snapshot.
    history
        Rows of `customer_history` up to the time of the snapshot.
    unseen
        Changes that were sent by plans before the snapshot was taken, but that do not appear in any stored snapshot.
    since
        Changes that plans sent after the snapshot was taken.
    unreadable_journals
        Journals that cannot be read. The plans in these journals are unknown.
    """

    snapshot: Snapshot
    uid: str
    groups: list[str]
    history: list[dict[str, Any]]
    unseen: list[Cause]
    since: list[Cause]
    unreadable_journals: list[Path]


def read_summary(
    snapshot: Snapshot, customer_id: str, id_type: str, cache: Path | None, journal: Path | None
) -> CustomerSummary:
    """
    Return the summary of a customer.

    Parameters
    ----------
    snapshot
        The snapshot to summarize.
    customer_id
        Uid or external id of the customer.
    id_type
        "customer_uid" or "external_id".
    cache, journal
        Folders of the snapshots and of the journals. None selects the data folder.

    Raises
    ------
    SnapshotNotFoundError
        If neither a stored snapshot nor an applied plan contains the customer.
    """
    uid = _customer_uid(snapshot, customer_id, id_type)
    tenant_uid, base_url = snapshot.tenant_uid, snapshot.base_url
    history = customer_history(uid, cache=cache, tenant_uid=tenant_uid, base_url=base_url, journal=journal)
    history = history[history["before"] <= snapshot.taken_at]
    groups = snapshot.matrix.groups_of(uid)
    causes: list[Cause] = []
    unreadable: list[Path] = []
    if not is_tombstone(uid):
        causes = change_causes(uid, tenant_uid, base_url, journal, unreadable=unreadable)
    rows = [{str(name): value for name, value in row.items()} for row in history.to_dict("records")]
    explained = {(row["customer_group_uid"], row["applied_at"]) for row in rows}
    since = [cause for cause in causes if cause.until > snapshot.read_until]
    unseen = [
        cause for cause in causes if cause not in since and (cause.customer_group_uid, cause.sent_at) not in explained
    ]
    if history.empty and not causes and uid not in set(snapshot.customers["customer_uid"]):
        raise SnapshotNotFoundError(
            f"No stored snapshot of {snapshot.tenant_uid} contains the customer {safe_repr(uid)}. Check the uid. For "
            "an external id, pass --ids external_id. Snapshots do not contain customers who were never in a group."
        )
    return CustomerSummary(snapshot, uid, groups, rows, unseen, since, unreadable)


def _customer_uid(snapshot: Snapshot, customer_id: str, id_type: str) -> str:
    if id_type == "customer_uid":
        return customer_id
    # `allow_similar_ids` is True, because a lookup changes no data.
    # If the id is similar to a known id, the command prints a suggestion instead of raising an error.
    [row] = resolve_customers(snapshot, [customer_id], by=id_type, allow_similar_ids=True).to_dict("records")
    if row["outcome"] == "resolved":
        return str(row["customer_uid"])
    taken_at = format_utc(snapshot.taken_at)
    if row["outcome"] == "ambiguous":
        [sentence] = describe_ambiguous_ids(snapshot, [customer_id], by=id_type)
        raise InputError(f"{sentence} The snapshot is from {taken_at}. Pass the uid of one of the customers.")
    similar = find_similar_ids(snapshot.customers, [customer_id], id_type).get(customer_id, "")
    suggestion = f"This id is {similar}. " if similar else ""
    raise InputError(
        f"No customer has the {id_type} {safe_repr(customer_id)} in the snapshot of {taken_at}. {suggestion}"
        "To search an older snapshot, pass --at DATE."
    )


def summary_values(summary: CustomerSummary) -> dict[str, Any]:
    """Return the values of a summary as a dictionary for a JSON line."""
    snapshot = summary.snapshot
    groups = [{"customer_group_uid": uid, "name": snapshot.matrix.names_by_uid[uid]} for uid in summary.groups]
    return {
        "tenant_uid": snapshot.tenant_uid,
        "base_url": snapshot.base_url,
        "customer_uid": summary.uid,
        "taken_at": snapshot.taken_at.astimezone(UTC).isoformat(),
        "verdict": snapshot.verdict,
        "groups": groups,
        "history": to_jsonable(summary.history),
        "unseen": [to_jsonable(asdict(cause)) for cause in summary.unseen],
        "since": [to_jsonable(asdict(cause)) for cause in summary.since],
        "unreadable_journals": list(map(str, summary.unreadable_journals)),
    }


def summary_text(summary: CustomerSummary) -> str:
    """Format a summary as text with several lines."""
    lines = [*_group_lines(summary), ""]
    if summary.history:
        lines.append("Changes in the stored snapshots up to this snapshot (UTC):")
    else:
        lines.append("The stored snapshots contain no group memberships of this customer.")
    lines += _history_lines(summary)
    names = summary.snapshot.matrix.names_by_uid
    lines += _plan_lines("Changes sent by plans that are not visible in a stored snapshot:", summary.unseen, names)
    lines += _plan_lines("Changes sent by plans after this snapshot:", summary.since, names)
    if summary.unreadable_journals:
        lines += ["", "These journals cannot be read, so the plans in them are missing from this list:"]
        lines += [f"  {path}" for path in summary.unreadable_journals]
    return "\n".join(lines)


def _group_lines(summary: CustomerSummary) -> list[str]:
    snapshot = summary.snapshot
    age = datetime.now(UTC) - snapshot.taken_at
    age_text = ""
    if age > timedelta(0):
        age_text = f"{format_age(age)} old, "
    membership = "The customer is in no group in this snapshot."
    if summary.groups:
        membership = f"Member of {pluralize(len(summary.groups), 'group')}:"
    return [
        f"Customer {summary.uid} of {snapshot.tenant_uid} at {snapshot.base_url or 'an unknown host'}",
        f"Snapshot of {format_utc(snapshot.taken_at)} ({age_text}{snapshot.verdict})",
        membership,
        *(f"  {_group_label(snapshot.matrix.names_by_uid[uid], uid)}" for uid in summary.groups),
    ]


def _history_lines(summary: CustomerSummary) -> list[str]:
    """Return lines that list the groups in the first snapshot and the changes in later snapshots."""
    lines: list[str] = []
    for row in summary.history:
        indent = "  "
        if row["change"] == "was in":
            indent = "    "
            if not lines:
                lines.append(f"  Member in the first snapshot ({row['before']:%Y-%m-%d}):")
        lines.append(f"{indent}{_change_text(row)}")
        causes = _cause_lines(row, n_unreadable=len(summary.unreadable_journals))
        lines += [f"{indent}  {line}" for line in causes]
    return lines


def _plan_lines(title: str, causes: list[Cause], names: dict[str, str]) -> list[str]:
    """Return a title and lines that list the changes made by plans, or [] if there are no changes."""
    if not causes:
        return []
    lines = ["", title]
    for cause in causes:
        uid = cause.customer_group_uid
        lines.append(f"  {cause.change} {_group_label(names.get(uid, uid), uid)}")
        lines.append(f"    By {plan_label(cause.plan_digest)}.")
        if cause.purpose:
            lines.append(f"    Purpose: {cause.purpose}")
        lines.append(f"    Approved {_approval_text(asdict(cause))}.")
        lines.append(f"    Applied at {format_utc(cause.sent_at)} (state: {cause.state}).")
    return lines


def _approval_text(row: dict[str, Any]) -> str:
    """
    Format the approval of a plan as text.

    The argument is a row of a customer history or the dictionary of a Cause object.
    """
    at = ""
    if not pd.isna(row["approved_at"]):
        at = row["approved_at"].isoformat()
    return format_approval({"how": row["approved_how"], "by": row["approved_by"], "at": at})


def plan_label(digest: str | None) -> str:
    """Return a label that contains a plan's short digest, or a general label if the digest is None."""
    if digest is None:
        return "a plan that contained an erased customer"
    return f"plan {digest[:12]}"


def _group_label(name: str, uid: str) -> str:
    return name if name == uid else f"{name} ({uid})"


def _change_text(row: dict[str, Any]) -> str:
    group = _group_label(row["name"], row["customer_group_uid"])
    if row["change"] == "was in":
        return group
    note = _STATUS_NOTES.get(row["group_status"], "")
    return f"{row['change']} {group} {format_day_span(row['after'], row['before'])}.{note}"


def _cause_lines(row: dict[str, Any], *, n_unreadable: int) -> list[str]:
    lines = []
    if row["verdict"] in _VERDICT_NOTES:
        lines.append(_VERDICT_NOTES[row["verdict"]])
    if row["change"] == "left" and not row["still_seen"]:
        lines.append(
            "After this change, the customer was in no group. The API does not report whether the customer was "
            "removed, merged, or deleted."
        )
    if row["change"] == "was in":
        return lines
    if pd.isna(row["planned_at"]):
        if n_unreadable:
            journals = f"{pluralize(n_unreadable, 'journal')} of this data folder cannot be read"
            return [*lines, f"It is unknown whether a plan caused this change, because {journals}."]
        return [*lines, "No plan that was applied from this data folder caused this change."]
    digest = None if pd.isna(row["plan_digest"]) else row["plan_digest"]
    reverted = ""
    if not pd.isna(row["reverts"]):
        reverted = f", which undoes plan {row['reverts'][:12]}"
    lines.append(f"By {plan_label(digest)}, created at {format_utc(row['planned_at'])}{reverted}.")
    if row["purpose"]:
        lines.append(f"Purpose: {row['purpose']}")
    lines.append(f"Approved {_approval_text(row)}.")
    lines.append(f"Applied at {format_utc(row['applied_at'])} (state: {row['plan_state']}).")
    if not pd.isna(row["receipt_path"]):
        lines.append(f"Receipt: {row['receipt_path']}")
    return lines
