"""What must hold of a plan and a client before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from frgroups.api.client import Client
from frgroups.apply.journal import Journal, JournalState
from frgroups.apply.receipt import Receipt
from frgroups.apply.run_registry import registered_journal, reverted_by
from frgroups.errors import (
    CorruptFileError,
    FrgroupsError,
    InputError,
    LockedError,
    NotWritableError,
    PlanBlockedError,
    WrongTenantError,
)
from frgroups.internals.formatting import pluralize
from frgroups.internals.tombstones import TOMBSTONE_PREFIX
from frgroups.plan.finding import Finding
from frgroups.plan.limit_overrides import limit_options, relaxed_limits
from frgroups.plan.limits import plan_age_violations
from frgroups.plan.plan import Plan
from frgroups.plan.suppression_list import suppressed_customers, suppression_list_path
from frgroups.review.approval import CLOCK_TOLERANCE

_SETTLE = "To get a receipt of the changes that were sent, which can be undone, use finalize_plan."
_SETTLE_IN_CLI = (
    "To get a receipt of the changes that were sent, which can be undone, use frgroups apply PLAN --finalize."
)


def check_target(client: Client, plan: Plan) -> None:
    """Raise WrongTenantError unless the client is of the plan's tenant and host."""
    if plan.base_url is None:
        raise WrongTenantError(
            f"Plan {plan.digest[:12]} was made from tables without a host, so it can be reviewed, not applied.",
            hint="Pass base_url= to snapshot_from_frames.",
            cli_hint="",
        )
    if (client.tenant_uid, client.base_url) != (plan.tenant_uid, plan.base_url):
        raise WrongTenantError(
            f"Plan {plan.digest[:12]} is for {plan.tenant_uid} at {plan.base_url}, "
            f"this client for {client.tenant_uid} at {client.base_url}. Nothing was sent."
        )


def check_writable(client: Client) -> None:
    """Raise NotWritableError if the client only reads."""
    if not client.writable:
        raise NotWritableError(
            "This client only reads; nothing was sent.", hint="To apply a plan, create the client with writable=True."
        )


def check_same_journal(plan: Plan, journal: Journal) -> None:
    """Raise InputError when the plan was begun with a journal in another folder, by which it is gone on with."""
    begun = registered_journal(plan)
    if begun is None or (begun == journal.path and begun.exists()):
        return
    another = "" if begun == journal.path else f" with another, {journal.path}"
    kept = "" if begun.exists() else " That file is not there any more, so what was sent cannot be told."
    hint = cli_hint = ""
    if begun.exists():
        folder = str(begun.parent.parent)
        hint = f"To resume the plan, pass journal={folder!r}."
        cli_hint = f"To resume the plan, pass --journal {folder}."
    raise InputError(
        f"Plan {plan.digest[:12]} was begun with the journal {begun}, and is not sent a second time{another}. "
        f"Nothing was sent now.{kept} Load again and make a new plan.",
        hint=hint,
        cli_hint=cli_hint,
    )


def check_not_reverted(plan: Plan, journal: Journal) -> None:
    """Raise PlanBlockedError when an undo of it was sent: going on would do again what was taken back."""
    receipt = f", {journal.receipt_path}" if journal.receipt_path.exists() else ""
    if undo := reverted_by(plan):
        raise PlanBlockedError(
            f"Plan {plan.digest[:12]} was taken back by plan {undo[:12]}, so it is not gone on with. Nothing was "
            f"sent now. What it had done is told by its receipt{receipt}. Load again and make a new plan."
        )


def check_receipt_matches(journal: Journal, receipt: Receipt) -> None:
    """Raise CorruptFileError when a receipt is of another plan, or tells of a longer journal."""
    known = journal.past.digest
    if known not in ("", TOMBSTONE_PREFIX, receipt.plan.digest) and not receipt.forgotten:
        raise CorruptFileError(
            f"{journal.receipt_path} is the receipt of plan {receipt.plan.digest[:12]}, in the place of that of "
            f"{known[:12]}. Nothing was sent now. Move it away, and apply again: the receipt is made anew from the "
            "journal.",
            path=journal.receipt_path,
        )
    if journal.n_lines < receipt.n_journal_lines:
        raise CorruptFileError(
            f"{journal.path} has {pluralize(journal.n_lines, 'line')}, and had {receipt.n_journal_lines:,} when its "
            "receipt was made: the last ones are lost, so what was sent can no longer be told from it. Nothing was "
            f"sent now. The receipt {journal.receipt_path} tells of it, and can be undone. Load again and make a new "
            "plan.",
            path=journal.path,
        )


@contextmanager
def with_run_status(past: JournalState) -> Iterator[None]:
    """Have what is refused here say that nothing was sent; or what an earlier run has sent, and what can be done."""
    try:
        yield
    except FrgroupsError as error:
        if isinstance(error, LockedError):  # Who holds the lock may be the very run that has sent something.
            past = JournalState()
        error.add(past.told())
        if past.n_sent:
            error.add(hint=_SETTLE, cli_hint=_SETTLE_IN_CLI)
        raise


def check_limits(plan: Plan) -> None:
    """Raise PlanBlockedError when the plan breaks a limit, is too old by now, or adds who may never be added."""
    findings = [*plan.findings, *newly_suppressed(plan)]
    age = datetime.now(UTC) - plan.planned_at
    if -age > CLOCK_TOLERANCE:
        text = f"The plan was made {-age} after the time that this machine's clock shows. Is a clock wrong?"
        findings.append(Finding("plan_max_age", text, True))
    findings += plan_age_violations(plan.limits, age)
    raise_if_limits_exceeded(plan, findings)


def raise_if_limits_exceeded(plan: Plan, findings: list[Finding]) -> None:
    """Raise PlanBlockedError when a finding blocks, with what would allow it."""
    broken = tuple(finding for finding in findings if finding.blocking)
    if broken:
        told = " ".join(finding.message for finding in broken)
        hint = cli_hint = ""
        if any(finding.allow for finding in broken):
            limits, options = relaxed_limits(broken, plan.limits), limit_options(broken, plan.limits)
            hint = f"To allow this, create a plan with limits={limits!r} and have it reviewed."
            cli_hint = f"To allow this, create a plan with {options} and have it reviewed."
        raise PlanBlockedError(
            f"Plan {plan.digest[:12]} is blocked by {pluralize(len(broken), 'limit')}. {told}",
            hint=hint,
            cli_hint=cli_hint,
            findings=broken,
        )


def newly_suppressed(plan: Plan) -> list[Finding]:
    """What keeps a plan from being applied that adds customers who are on the never-add list by now."""
    listed = suppressed_customers(plan)
    added = [(group.uid, uid) for group in plan.groups for uid in group.add if uid in listed]
    if not added:
        return []
    groups, customers = {group for group, _ in added}, {uid for _, uid in added}
    text = (
        f"{pluralize(len(customers), 'customer')} whom it adds, to {pluralize(len(groups), 'group')}, "
        f"{'is' if len(customers) == 1 else 'are'} on the never-add list by now: {suppression_list_path(plan)}. "
        "Plan again, which leaves them out."
    )
    return [Finding("suppression_list", text, True, n=len(added))]
