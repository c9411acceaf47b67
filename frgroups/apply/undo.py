"""Create the plan that undoes an applied plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from frgroups.analysis.register import match_register
from frgroups.apply.journal import Item, JournalState, read_journal_lines, receipt_path_of
from frgroups.apply.newer_data import NewerData, newer_data
from frgroups.apply.receipt import Receipt, read_receipt
from frgroups.apply.run_registry import (
    ReadRegistry,
    original_journals,
    partial_undo_journals,
    partly_reverted_by,
    read_registry,
    reverted_by,
)
from frgroups.errors import FrgroupsError, InputError
from frgroups.internals.base_urls import is_same_base_url
from frgroups.internals.formatting import agree, format_utc, pluralize
from frgroups.internals.tombstones import is_tombstone
from frgroups.internals.validation import check_type
from frgroups.plan.customer_findings import CustomerFindings, customer_findings
from frgroups.plan.exclusions import ExcludedChange, Exclusions, apply_exclusions
from frgroups.plan.finding import Finding
from frgroups.plan.group_change import GroupChange
from frgroups.plan.limits import Limits
from frgroups.plan.plan import Plan
from frgroups.plan.preview import preview_snapshot
from frgroups.plan.suppressed_groups import unknown_group_findings
from frgroups.plan.suppression_list import current_suppression_list
from frgroups.snapshot.snapshot import Snapshot
from frgroups.store.snapshot_store import latest_valid_snapshot


def plan_undo(
    receipt: Receipt,
    *,
    limits: Limits | None = None,
    snapshot: Snapshot | None = None,
    register: pd.DataFrame | None = None,
) -> Plan:
    """
    Create a plan that undoes the verified changes of a receipt.

    The undo plan must be approved and applied like any other plan. Changes that are not verified in the receipt are
    not undone. The plan starts from the newest data about each group: the receipt, a later receipt, or the snapshot.
    Changes that are no longer in effect according to this data are left out. A group that the applied plan created is
    not deleted. Customers who are now on the suppression list are not added again. The undo plan has findings for
    changes that were sent but not confirmed, for changes of erased customers, and for a partial undo of the same
    plan. If the plan was already undone completely, the undo plan is blocked.

    A customer whom the applied plan removed is added again. The undo plan therefore has the same findings about its
    customers as a plan of `plan_memberships`, for example about price lists and withdrawn consents.

    Parameters
    ----------
    receipt : Receipt
        Receipt of the applied plan.
    limits : Limits, optional
        Limits for the undo plan. None allows exactly the number of changes that the undo plan makes, per group and in
        total, so that the number of changes never blocks the undo plan. The limits for drift and for the age of the
        plan are the limits of the applied plan.
    snapshot : Snapshot, optional
        Snapshot with the current members, which is also used for the findings about customers. None uses the newest
        stored snapshot of the tenant.
    register : pandas.DataFrame, optional
        The table that `read_register` returns, for the findings about consents, exclusive sets, and protected groups.
        The limits in the table do not apply to the undo plan.

    Returns
    -------
    Plan
        The undo plan. It is empty if no change was verified.

    Raises
    ------
    InputError
        `receipt` is not a Receipt, or the snapshot is from another tenant or host.

    See Also
    --------
    finalize_plan : Create the receipt of an interrupted run that cannot be resumed.

    Examples
    --------
    >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
    ...     snapshot = load_snapshot(client)
    ...     plan = plan_memberships(snapshot, {"VIP": snapshot["Staff"]})
    ...     receipt = apply_plan(client, plan, approval=plan.digest)
    >>> plan_undo(receipt).n_remove == receipt.counts["verified"]
    True
    """
    check_type(receipt, Receipt, "receipt")
    changes: list[GroupChange] = []
    excluded: list[ExcludedChange] = []
    notes = [*_already_undone(receipt), *_erased_customers(receipt)]
    exclusions = Exclusions(suppression_list=current_suppression_list(receipt.plan))
    stored = _stored_snapshot(receipt, snapshot)
    newer = _data_since_run(receipt, stored)
    members = _newest_members(receipt, newer)
    current = None if stored is None else _current_snapshot(receipt, stored, members)
    names = receipt.renamed if newer.snapshot is None else newer.snapshot.matrix.names_by_uid
    for group in receipt.plan.groups:
        _, after = members[group.uid]
        change = GroupChange(
            group.uid,
            names.get(group.uid, receipt.renamed.get(group.uid, group.name)),
            tuple(sorted(after)),
            add=tuple(sorted(_verified(receipt, group.uid, group.remove, "remove") - after)),
            remove=tuple(sorted(_verified(receipt, group.uid, group.add, "add") & after)),
            created_at=group.created_at,
        )
        change = _with_unknown(change, current)
        notes += _not_finalized(receipt, group)
        change, excluded_of_group = apply_exclusions(change, exclusions)
        excluded += excluded_of_group
        if change.add or change.remove:
            changes.append(change)
            if group.uid not in {*receipt.consistent_groups, *newer.members}:
                text = (
                    f"The last read of group {group.name} was not consistent. The group is read again before the "
                    "undo plan is applied."
                )
                notes.append(Finding("unverifiable", text, False, group.uid))
        if group.uid in receipt.created:
            notes.append(_created_group_stays(change))
    findings_of_customers = CustomerFindings()
    if current is not None:
        current_names = current.matrix.names_by_uid
        notes += unknown_group_findings(exclusions.suppression_list, current_names)
        register_rows = None if register is None else match_register(register, current_names)
        compared = [_with_unknown_removals(change, current) for change in changes]
        findings_of_customers = customer_findings(current, compared, register_rows)
    elif any(change.add for change in changes):
        text = (
            "No data of the tenant is stored. Therefore, the price lists, customer types, and consents of the "
            "customers who join were not checked."
        )
        notes.append(Finding("no_snapshot", text))
    purpose = f"Undo of the plan that was applied at {format_utc(receipt.started_at)}"
    if receipt.plan.purpose:
        purpose += f": {receipt.plan.purpose}"
    return Plan(
        tenant_uid=receipt.plan.tenant_uid,
        base_url=receipt.plan.base_url,
        mode="mirror",
        limits=_exact_limits(changes, receipt.plan.limits) if limits is None else limits,
        groups=tuple(changes),
        planned_at=datetime.now(UTC),
        # Use the oldest read time of all groups.
        # A later comparison then includes all changes that were made after the data of any group was read.
        snapshot_taken_at=min((members[change.uid][0] for change in changes), default=receipt.read_at),
        notes=(*notes, *findings_of_customers.findings),
        stored_marks=findings_of_customers.marks,
        reverts=receipt.plan.digest,
        excluded_changes=tuple(excluded),
        stored_facts=_facts_before(receipt.plan),
        purpose=purpose,
    )


def _stored_snapshot(receipt: Receipt, snapshot: Snapshot | None) -> Snapshot | None:
    """Return the given snapshot or else the newest stored snapshot, or None if no snapshot is stored."""
    plan = receipt.plan
    if snapshot is None:
        if plan.base_url is not None:
            with suppress(FrgroupsError):  # If no snapshot can be read, the undo plan contains a finding.
                snapshot = latest_valid_snapshot(None, plan.tenant_uid, plan.base_url)
        if snapshot is None:
            return None
    check_type(snapshot, Snapshot, "snapshot")
    if snapshot.tenant_uid != plan.tenant_uid or not is_same_base_url(snapshot.base_url, plan.base_url):
        raise InputError(
            f"`snapshot` is from tenant {snapshot.tenant_uid} at {snapshot.base_url}, but the receipt is from tenant "
            f"{plan.tenant_uid} at {plan.base_url}. Pass a snapshot of the same tenant and host."
        )
    return snapshot


def _data_since_run(receipt: Receipt, snapshot: Snapshot | None) -> NewerData:
    """
    Return the data that is newer than a receipt.

    If the run was resumed after the receipt was written, the result is empty. The undo plan then has the time of the
    receipt, so that `receipt_after_resume` finds the changes of the resumed run.
    """
    plan = receipt.plan
    newer = newer_data(plan, after=receipt.read_at, snapshot=snapshot)
    is_resumed = any(
        (cause.plan_digest, cause.planned_at) == (plan.digest, plan.planned_at) for cause in newer.causes
    )
    return NewerData() if is_resumed else newer


def _newest_members(receipt: Receipt, newer: NewerData) -> dict[str, tuple[datetime, frozenset[str]]]:
    """
    Return the time and the members of the newest read of each group, without erased customers.

    Memberships that have changed since the run for other reasons are not undone. Therefore, the undo plan starts from
    the newest members.
    """
    members = {}
    for group in receipt.plan.groups:
        after_run = receipt.read_at, frozenset(receipt.members_after.get(group.uid, ()))
        read_at, uids = newer.members.get(group.uid, after_run)
        members[group.uid] = read_at, frozenset(uid for uid in uids if not is_tombstone(uid))
    return members


def _current_snapshot(
    receipt: Receipt, snapshot: Snapshot, members: Mapping[str, tuple[datetime, frozenset[str]]]
) -> Snapshot:
    """Return a snapshot in which `members` replaces older members of the groups in a receipt."""
    known_groups = set(snapshot.matrix.group_uids)
    changes = []
    for group in receipt.plan.groups:
        is_new = group.uid not in known_groups
        read_at, after = members[group.uid]
        if is_new or snapshot.taken_at < read_at:
            before = () if is_new else tuple(snapshot[group.uid])
            joined, left = tuple(sorted(after.difference(before))), tuple(sorted(set(before) - after))
            change = GroupChange(group.uid, group.name, before, joined, left, create=is_new)
            changes.append(_with_unknown(change, snapshot))
    newest = max(receipt.read_at, *(read_at for read_at, _ in members.values()))
    return preview_snapshot(snapshot, changes, taken_at=max(snapshot.taken_at, newest))


def _with_unknown(change: GroupChange, snapshot: Snapshot | None) -> GroupChange:
    """Return a group change in which added customers who are missing from a snapshot are marked as unknown."""
    return replace(change, unknown=_not_in(snapshot, change.add))


def _with_unknown_removals(change: GroupChange, snapshot: Snapshot) -> GroupChange:
    """Return a group change in which all customers who are missing from a snapshot are marked as unknown."""
    return replace(change, unknown=_not_in(snapshot, (*change.add, *change.remove)))


def _not_in(snapshot: Snapshot | None, customer_uids: Sequence[str]) -> frozenset[str]:
    if snapshot is None:
        return frozenset()
    uids = pd.Index(list(customer_uids), dtype="str")
    return frozenset(uids[snapshot.matrix.customer_uids.get_indexer(uids) < 0])


def undone_changes(receipt: Receipt, read: ReadRegistry = read_registry) -> frozenset[Item]:
    """
    Return the verified changes of a receipt that the partial undos of its plan have reversed.

    A partial undo that was itself undone is not considered. `read` is passed to `registered_journal`.
    """
    reversed_items: set[Item] = set()
    for journal in partial_undo_journals(receipt.plan, read):
        try:
            undo = read_receipt(receipt_path_of(journal))
        except FrgroupsError:
            continue  # Skip a partial undo without a receipt, because its results are not known.
        if reverted_by(undo.plan, read):
            continue
        for (group_uid, customer_uid, change), state in undo.states.items():
            if state in ("verified", "already"):
                reversed_items.add((group_uid, customer_uid, "remove" if change == "add" else "add"))
    return verified_changes(receipt) & reversed_items


def verified_changes(receipt: Receipt) -> frozenset[Item]:
    """Return the changes of a receipt that were sent and confirmed."""
    return frozenset(item for item, state in receipt.states.items() if state == "verified")


def undone_in_parts_by(receipt: Receipt, read: ReadRegistry = read_registry) -> str:
    """
    Return the digest of the latest partial undo if the partial undos together have reversed all verified changes.

    Otherwise, the result is an empty string. `read` is passed to `registered_journal`.
    """
    undo, verified = partly_reverted_by(receipt.plan, read), verified_changes(receipt)
    if undo and verified and undone_changes(receipt, read) == verified:
        return undo
    return ""


def receipt_after_resume(undo: Plan, read: ReadRegistry = read_registry) -> Path | None:
    """
    Return the receipt of the original plan if its run was resumed after an undo plan was created.

    The undo plan does not revert the changes that the resumed run sent, so a new undo plan must be created from this
    receipt. The result is None if no change of a resumed run can be in effect. It is also None for a partial undo,
    which covers only selected changes and therefore remains complete. `read` is passed to `registered_journal`.
    """
    if undo.partial_undo:
        return None
    for path in original_journals(undo, read):
        lines = read_journal_lines(path)
        started_at = next((line["at"] for line in lines if line["event"] == "start"), None)
        if started_at is None or datetime.fromisoformat(started_at) > undo.snapshot_taken_at:
            continue  # Ignore a run that started later from another file of the original plan.
        resumed = JournalState()
        for line in lines:
            if line["event"] in ("intent", "outcome") and datetime.fromisoformat(line["at"]) > undo.snapshot_taken_at:
                resumed.apply_event(line)
        if resumed.possibly_effective or resumed.creating:
            return receipt_path_of(path)
    return None


def _exact_limits(changes: Sequence[GroupChange], applied: Limits) -> Limits:
    """
    Return limits that allow exactly the planned changes.

    An undo must always be possible. Therefore, the limits that depend on the tenant or on other plans are disabled,
    for example the shares and the removals within 24 hours. The limits for drift and for the age of the plan remain.
    """
    removals = sum(len(change.remove) for change in changes)
    additions = sum(len(change.add) for change in changes)
    common = replace(
        applied,
        removals_total=removals,
        additions_total=additions,
        removal_share=None,
        removal_floor=None,
        removal_share_total=None,
        removal_floor_total=None,
        removals_per_day=None,
        emptied_groups=None,
        removals_per_group=max((len(change.remove) for change in changes), default=0),
        additions_per_group=max((len(change.add) for change in changes), default=0),
        per_group={},
    )
    per_group = {
        change.uid: replace(
            common,
            removals_per_group=len(change.remove),
            additions_per_group=len(change.add),
            drift_share=applied.of(change.uid).drift_share,
            drift_floor=applied.of(change.uid).drift_floor,
        )
        for change in changes
    }
    return replace(common, per_group=per_group)


def _facts_before(plan: Plan) -> pd.DataFrame | None:
    """Return a plan's customer details with an empty `groups_now` column, because the plan has changed the groups."""
    facts = plan.customer_facts()
    return None if facts is None else facts.assign(groups_now="").astype("str")


def _already_undone(receipt: Receipt) -> list[Finding]:
    # The messages contain no digest.
    # A digest can identify an erased customer, and an erasure does not remove digests from the messages in a plan.
    if reverted_by(receipt.plan) or undone_in_parts_by(receipt):
        text = (
            "The original plan has already been undone, so this undo plan cannot be applied. To make other changes, "
            "load the tenant and create a new plan."
        )
        return [Finding("already_undone", text, blocking=True)]
    if partly_reverted_by(receipt.plan):
        text = "Some changes of the original plan have already been undone. The undo plan does not repeat them."
        return [Finding("already_undone", text)]
    return []


def _erased_customers(receipt: Receipt) -> list[Finding]:
    n = sum(state == "verified" and is_tombstone(uid) for (_, uid, _), state in receipt.states.items())
    if not n:
        return []
    text = f"The undo plan leaves out {pluralize(n, 'change')} of erased customers."
    return [Finding("erased_customers", text, n=n)]


def _not_finalized(receipt: Receipt, group: GroupChange) -> list[Finding]:
    """Return a finding if a group has sent but unconfirmed changes, which might take effect after the undo."""
    n = sum(receipt.states[group.uid, uid, change] in ("unknown", "not_effective") for uid, change in group.items())
    if not n:
        return []
    text = (
        f"The undo plan leaves out {pluralize(n, 'change')} in group {group.name}, because the changes were sent but "
        "not confirmed. Apply or finalize the original plan again, and then create the undo plan from the new "
        "receipt."
    )
    return [Finding("not_finalized", text, False, group.uid, n)]


def _created_group_stays(change: GroupChange) -> Finding:
    n_left = change.n_after
    if n_left:
        text = agree(
            n_left,
            "The undo does not delete the group, and 1 member remains in it.",
            f"The undo does not delete the group, and {n_left:,} members remain in it.",
        )
    elif change.remove:
        text = "The undo empties the group but does not delete it."
    else:
        text = "The undo does not delete the group, which has no members."
    return Finding("created_group_stays", f"The original plan created group {change.name}. {text}", False, change.uid)


def _verified(receipt: Receipt, group_uid: str, uids: Iterable[str], change: str) -> set[str]:
    return {uid for uid in uids if receipt.states[group_uid, uid, change] == "verified" and not is_tombstone(uid)}
