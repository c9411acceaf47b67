"""The plan that takes back what another one did."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd

from frgroups.apply.receipt import Receipt
from frgroups.apply.run_registry import reverted_by
from frgroups.internals.formatting import pluralize
from frgroups.internals.tombstones import is_tombstone
from frgroups.internals.validation import check_type
from frgroups.plan.exclusions import ExcludedChange, Exclusions, apply_exclusions
from frgroups.plan.finding import Finding
from frgroups.plan.group_change import GroupChange
from frgroups.plan.limits import Limits
from frgroups.plan.plan import Plan
from frgroups.plan.suppression_list import suppressed_customers


def plan_undo(receipt: Receipt, *, limits: Limits | None = None) -> Plan:
    """
    The plan that takes back what really changed: an ordinary plan, with limits, review and approval of its own.

    Only verified items are taken back; what others changed stays. A group that the plan created stays, empty. What
    was sent and not seen to take effect is not taken back, and a finding says so for each group; another one says
    when an undo of the plan was sent before.
    What was done to a customer who was forgotten since is left out, and a finding says so; who is on the never-add
    list by now is held back.

    Parameters
    ----------
    limits
        What the undo may not do; None: what the plan that was applied might not.

    Raises
    ------
    InputError
        `receipt` is none.

    >>> with Sandbox(customers=200, groups=8) as sandbox, sandbox.client(writable=True) as client:
    ...     snapshot = load_snapshot(client)
    ...     plan = plan_memberships(snapshot, {"VIP": snapshot["Staff"]})
    ...     receipt = apply_plan(client, plan, approval=plan.digest)
    >>> plan_undo(receipt).n_remove == receipt.counts["verified"]
    True
    """
    check_type(receipt, Receipt, "receipt")
    changes, notes = [], []
    excluded: list[ExcludedChange] = []
    exclusions = Exclusions(suppression_list=suppressed_customers(receipt.plan))
    if reverted_by(receipt.plan):  # Told without digests: a plan file keeps this when a customer is forgotten.
        text = "An undo of the same plan was sent before: what others did again since is taken back too."
        notes.append(Finding("undone_before", text))
    forgotten = [item for item, state in receipt.states.items() if state == "verified" and is_tombstone(item[1])]
    if n := len(forgotten):
        text = f"{pluralize(n, 'change')} of customers who were forgotten since {'is' if n == 1 else 'are'} left out."
        notes.append(Finding("forgotten_customers", text, n=n))
    for group in receipt.plan.groups:
        after = tuple(uid for uid in receipt.members_after.get(group.uid, ()) if not is_tombstone(uid))
        done = {change: _verified(receipt, group, change) for change in ("add", "remove")}
        change = GroupChange(
            group.uid,
            group.name,
            after,
            add=tuple(sorted(done["remove"] - set(after))),
            remove=tuple(sorted(done["add"] & set(after))),
        )
        notes += _not_settled(receipt, group)
        change, excluded_changes = apply_exclusions(change, exclusions)
        excluded += excluded_changes
        if change.add or change.remove:
            changes.append(change)
            if group.uid not in receipt.proved:
                text = f"The last reading of {group.name} did not prove itself. It is read again before applying."
                notes.append(Finding("unverifiable", text, False, group.uid))
        if group.uid in receipt.created:
            text = (
                f"{group.name} was created by the plan and stays, {len(after) - len(change.remove):,} members left."
            )
            notes.append(Finding("created_group_stays", text, False, group.uid))
    return Plan(
        tenant_uid=receipt.plan.tenant_uid,
        base_url=receipt.plan.base_url,
        mode="mirror",
        limits=limits or receipt.plan.limits,
        groups=tuple(changes),
        planned_at=datetime.now(UTC),
        snapshot_taken_at=receipt.read_at,
        notes=tuple(notes),
        reverts=receipt.plan.digest,
        excluded_changes=tuple(excluded),
        stored_facts=_known_before(receipt.plan),
        purpose=f"to take back: {receipt.plan.purpose}" if receipt.plan.purpose else "",
    )


def _known_before(plan: Plan) -> pd.DataFrame | None:
    """What the plan knew of its customers, but for their groups, which it has changed."""
    known = plan.customer_facts()
    return None if known is None else known.assign(groups_now="").astype("str")


def _not_settled(receipt: Receipt, group: GroupChange) -> list[Finding]:
    """What was sent, and is not known to have taken effect: it may still be there when the undo is done."""
    open_states = ("unknown", "not_effective")
    n = sum(receipt.states[group.uid, uid, change] in open_states for uid, change in group.items())
    if not n:
        return []
    text = (
        f"{pluralize(n, 'change')} of {group.name} {'was' if n == 1 else 'were'} sent and not seen to take effect, "
        f"and {'is' if n == 1 else 'are'} not taken back. Apply the plan again, or finalize it, "
        "and undo then."
    )
    return [Finding("not_settled", text, False, group.uid, n)]


def _verified(receipt: Receipt, group: GroupChange, change: str) -> set[str]:
    uids = group.add if change == "add" else group.remove
    return {uid for uid in uids if receipt.states[group.uid, uid, change] == "verified" and not is_tombstone(uid)}
