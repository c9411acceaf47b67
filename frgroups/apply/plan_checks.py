"""Check a plan, its journal, and the client before requests are sent."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from frgroups.api.client import Client
from frgroups.api.client_base import not_writable_error
from frgroups.api.tenants_config import find_name
from frgroups.apply.journal import Journal, JournalState
from frgroups.apply.receipt import Receipt, read_receipt
from frgroups.apply.run_registry import (
    check_no_earlier_registry,
    original_undone_by,
    partly_reverted_by,
    registered_journal,
    reverted_by,
)
from frgroups.apply.undo import receipt_after_resume, undone_changes, undone_in_parts_by
from frgroups.apply.window_override import Override
from frgroups.apply.windows_file import read_windows
from frgroups.errors import (
    ApplyWindowError,
    CorruptFileError,
    FrgroupsError,
    InputError,
    LockedError,
    PlanBlockedError,
    WrongTenantError,
)
from frgroups.internals.base_urls import is_same_base_url
from frgroups.internals.formatting import pluralize, shell_argument
from frgroups.plan.finding import Finding
from frgroups.plan.limit_comparisons import future_times, plan_age_violations
from frgroups.plan.limit_overrides import blocked_sentence, limit_advice
from frgroups.plan.plan import Plan
from frgroups.plan.plan_findings import future_data_findings
from frgroups.plan.suppression_list import current_suppression_list, suppression_list_path
from frgroups.review.rejections import plan_argument

_FINALIZE = "To undo the changes that were sent, create a receipt with finalize_plan."
_FINALIZE_IN_CLI = "To undo the changes that were sent, create a receipt with `frgroups apply PLAN --finalize`."


def check_target(client: Client, plan: Plan) -> None:
    """Raise WrongTenantError unless the client is connected to the plan's tenant and host."""
    if plan.base_url is None:
        raise WrongTenantError(
            f"Plan {plan.digest[:12]} has no host, so it can be reviewed but not applied. Nothing was sent.",
            hint="Create the snapshot with `snapshot_from_frames(..., base_url=...)` and create a new plan.",
            cli_hint="",
        )
    if client.tenant_uid != plan.tenant_uid or not is_same_base_url(client.base_url, plan.base_url):
        raise WrongTenantError(
            f"Plan {plan.digest[:12]} is for tenant {plan.tenant_uid} at {plan.base_url}, but the client is "
            f"connected to tenant {client.tenant_uid} at {client.base_url}. Nothing was sent.",
            hint="Use a client for the tenant and host of the plan.",
            cli_hint=_target_advice(plan),
        )


def _target_advice(plan: Plan) -> str:
    """Return advice for a plan of another tenant or host. Name the matching tenant in tenants.toml, if any."""
    name = find_name(plan.tenant_uid, plan.base_url or "")
    if name is not None:
        return f"Pass --tenant {shlex.quote(name)}, which is the plan's tenant and host in tenants.toml."
    return (
        "No tenant in tenants.toml has this uid and host. Add the tenant and pass its name as --tenant, or omit "
        "--tenant and set FRGROUPS_TENANT_UID and FRGROUPS_BASE_URL to the plan's tenant and host."
    )


def check_writable(client: Client) -> None:
    """Raise NotWritableError if the client is read-only."""
    if not client.writable:
        raise not_writable_error("the plan")


def check_can_start(plan: Plan, journal: Journal, *, finalize: bool = False) -> Receipt | None:
    """
    Return the receipt of a plan that is fully applied, or None if the plan can be started or resumed.

    Parameters
    ----------
    plan
        The plan to apply or finalize.
    journal
        The journal of the plan.
    finalize
        Whether to finalize the run without sending changes. A run can be finalized even after a partial undo.

    Raises
    ------
    InputError
        The plan was started with another journal, or there is a registry from an earlier development version.
    CorruptFileError
        The receipt or the journal is corrupt or belongs to another plan.
    PlanBlockedError
        The plan was already undone, the plan's incomplete run was partly undone, or the plan is an undo plan for a
        plan that was already undone.
    """
    check_no_earlier_registry(plan)
    check_not_reverted(plan, journal)
    receipt = _receipt_of_complete_apply(journal)
    if receipt is not None:
        return receipt
    _check_same_journal(plan, journal)
    if not finalize:
        _check_not_partly_reverted(plan, journal)
        check_original_not_undone(plan)
    return None


def _receipt_of_complete_apply(journal: Journal) -> Receipt | None:
    path = journal.receipt_path
    if not path.exists():
        return None
    try:
        receipt = read_receipt(path)
    except CorruptFileError:
        if journal.state.ended:
            raise
        return None  # The caller resumes the plan and writes a new receipt.
    check_receipt_matches(journal, receipt)
    if not journal.state.ended:
        return None
    return replace(receipt, repeated=True, n_undone=len(undone_changes(receipt)))


def _check_same_journal(plan: Plan, journal: Journal) -> None:
    """Raise InputError if the plan was started with a journal in another folder, or if the journal is missing."""
    registered = registered_journal(plan)
    if registered is None or (registered == journal.path and registered.exists()):
        return
    if not registered.exists():
        raise InputError(
            f"Plan {plan.digest[:12]} was started before, but its journal {registered} does not exist. Without the "
            "journal, the changes that were sent are unknown. This run sent nothing. Load the tenant again and "
            "create a new plan."
        )
    folder = str(registered.parent.parent)
    raise InputError(
        f"Plan {plan.digest[:12]} was started with the journal {registered}, so it cannot be applied with "
        f"the journal {journal.path}. This run sent nothing.",
        hint=f"To resume the plan, pass journal={folder!r}. To make the same changes again, create a new plan.",
        cli_hint=f"To resume the plan, pass --journal {folder}. To make the same changes again, create a new plan.",
    )


def check_not_reverted(plan: Plan, journal: Journal) -> None:
    """
    Raise PlanBlockedError if the plan was undone, even if the run of the plan was incomplete.

    A plan also counts as undone if several partial undos together have reversed all its changes. Applying or resuming
    an undone plan would repeat the changes that the undo plan has reverted. The receipt of the plan must not be
    returned either, because its verified changes are no longer in effect.
    """
    undo = reverted_by(plan) or _undone_in_parts_by(plan, journal)
    if not undo:
        return
    text = (
        f"Plan {plan.digest[:12]} was already undone by plan {undo[:12]}, so it cannot be applied again. This run "
        "sent nothing. To make the same changes again, load the tenant and create a new plan."
    )
    if journal.receipt_path.exists():
        text += f" The receipt {journal.receipt_path} lists the changes that the plan made."
    raise PlanBlockedError(text)


def check_not_undone(receipt: Receipt) -> None:
    """Raise PlanBlockedError if all changes of a receipt were already undone."""
    undo = reverted_by(receipt.plan) or undone_in_parts_by(receipt)
    if undo:
        raise PlanBlockedError(
            f"Plan {receipt.plan.digest[:12]} was already undone by plan {undo[:12]}, so no undo plan was created. "
            "To make other changes, load the tenant and create a new plan."
        )


def _undone_in_parts_by(plan: Plan, journal: Journal) -> str:
    """Return the digest of the latest partial undo if the partial undos have reversed all changes of a plan."""
    if not (partly_reverted_by(plan) and journal.state.ended and journal.receipt_path.exists()):
        return ""
    try:
        return undone_in_parts_by(read_receipt(journal.receipt_path))
    except CorruptFileError:
        return ""  # The error is ignored here, because the caller reads the receipt again.


def _check_not_partly_reverted(plan: Plan, journal: Journal) -> None:
    """
    Raise PlanBlockedError if an incomplete run was partly undone.

    Resuming the run could repeat changes that the partial undo has reverted.
    """
    undo = partly_reverted_by(plan)
    if not undo:
        return
    raise PlanBlockedError(
        f"Plan {plan.digest[:12]} was partly undone by plan {undo[:12]}, so it cannot be applied. "
        f"{journal.state.run_status()} To make other changes, load the tenant and create a new plan.",
        hint=_FINALIZE,
        cli_hint=_FINALIZE_IN_CLI,
    )


def check_receipt_matches(journal: Journal, receipt: Receipt) -> None:
    """Raise CorruptFileError if a receipt belongs to another plan, or if lines are missing from the journal."""
    if not journal.state.has_digest(receipt.plan.digest) and not receipt.erasure_id:
        raise CorruptFileError(
            f"{journal.receipt_path} is the receipt of plan {receipt.plan.digest[:12]}, but the receipt of plan "
            f"{journal.state.digest[:12]} was expected. This run sent nothing. Move the file to another folder and "
            "apply the plan again. The receipt is then created from the journal.",
            path=journal.receipt_path,
        )
    if journal.n_lines < receipt.n_journal_lines:
        raise CorruptFileError(
            f"{journal.path} is corrupt: it has {pluralize(journal.n_lines, 'line')}, but it had "
            f"{receipt.n_journal_lines:,} when its receipt was created. The plan cannot be resumed, because the "
            "missing lines might record changes that were sent. This run sent nothing. The receipt "
            f"{journal.receipt_path} is complete, so its changes can be undone. To make other changes, load the "
            "tenant again and create a new plan.",
            path=journal.path,
        )


@contextmanager
def with_run_status(state: JournalState) -> Iterator[None]:
    """
    Add a sentence about the changes sent so far to each error that is raised in the `with` block.

    If an earlier run of the plan sent changes, the error's hint explains how to create a receipt that can be undone.
    """
    try:
        yield
    except FrgroupsError as error:
        if isinstance(error, LockedError):
            # Do not use the journal, because the process that holds the lock might be applying the same plan.
            state = JournalState()
        error.add(state.run_status())
        if state.n_sent:
            error.add(hint=_FINALIZE, cli_hint=_FINALIZE_IN_CLI)
        raise


def check_limits(plan: Plan) -> None:
    """
    Raise PlanBlockedError if a plan exceeds a limit, is too old, or adds customers on the suppression list.

    The error is also raised for an undo plan that no longer reverts all changes of the original plan.
    """
    check_original_not_resumed(plan)
    age = datetime.now(UTC) - plan.planned_at
    raise_if_limits_exceeded(plan, [*plan.findings, *later_findings(plan), *plan_age_violations(plan.limits, age)])


def later_findings(plan: Plan, *, is_for_reviewer: bool = False) -> list[Finding]:
    """
    Return the blocking findings that a plan did not have when it was created.

    Such a finding occurs if customers were added to the suppression list, or if the clock of a machine is wrong. The
    messages for a reviewer do not contain the path of the suppression list.
    """
    path = "" if is_for_reviewer else f" {suppression_list_path(plan)}"
    return [*_newly_suppressed(plan, path), *_times_in_future(plan, datetime.now(UTC))]


def check_windows(plan: Plan, override: Override | None) -> Override | None:
    """
    Return the override that is required to apply a plan now, or None if no override is required.

    Raise ApplyWindowError if plans cannot be applied at this time and the plan has no valid override. The windows
    apply only to the start of a run. A run that has sent a request continues after the window closes.
    """
    now = datetime.now(UTC)
    state = read_windows(plan).state(now)
    if state.is_allowed:
        return None
    problem = ""
    if override is not None:
        problem = override.problem(now)
        if not problem:
            return override
    sentences = " ".join(filter(None, [state.sentences(), problem]))
    raise ApplyWindowError(
        f"Plan {plan.digest[:12]} cannot be applied now. {sentences}",
        hint="To apply the plan earlier, create an override with override_windows and pass it as override=.",
        cli_hint="To apply the plan earlier, create an override with frgroups override "
        f"{plan_argument(plan)} --by NAME --reason REASON.",
        opens_at=state.opens_at,
    )


def check_original_not_resumed(plan: Plan) -> None:
    """Raise PlanBlockedError if the run of the original plan was resumed after an undo plan was created."""
    receipt = receipt_after_resume(plan)
    if receipt is None or plan.reverts is None:
        return
    raise PlanBlockedError(
        f"Plan {plan.digest[:12]} undoes plan {plan.reverts[:12]}, whose run was resumed after the undo plan was "
        "created. The undo plan would not revert the changes that were sent since then.",
        hint=f"Create a new undo plan from the receipt {receipt} with plan_undo.",
        cli_hint=f"Create a new undo plan with frgroups undo {shell_argument(receipt)}.",
    )


def check_original_not_undone(plan: Plan) -> None:
    """Raise PlanBlockedError if another undo plan has already undone the original plan of an undo plan."""
    undo = original_undone_by(plan)
    if undo and plan.reverts is not None:
        raise PlanBlockedError(
            f"Plan {plan.digest[:12]} undoes plan {plan.reverts[:12]}, which was already undone by plan {undo[:12]}. "
            "To make other changes, load the tenant and create a new plan."
        )


def _times_in_future(plan: Plan, now: datetime) -> list[Finding]:
    """
    Return blocking findings if the creation time of a plan or the time of the plan's data is in the future.

    If the data is newer than the plan, the plan already contains a finding about the time of the data.
    """
    times = {"plan_max_age": ("creation time of the plan", plan.planned_at)}
    if not future_data_findings(plan):
        times["snapshot_max_age"] = ("time of the data", plan.snapshot_taken_at)
    return future_times(times, now, "this machine and of the machine that created the plan")


def raise_if_limits_exceeded(plan: Plan, findings: list[Finding]) -> None:
    """Raise PlanBlockedError if a finding blocks the plan. The hint contains limits that would allow the plan."""
    blocking = tuple(finding for finding in findings if finding.blocking)
    if not blocking:
        return
    messages = " ".join(finding.message for finding in blocking)
    hint, cli_hint = limit_advice(blocking, plan.limits, plan.limit_places)
    raise PlanBlockedError(
        f"{blocked_sentence(plan.digest, blocking)} {messages}", hint=hint, cli_hint=cli_hint, findings=blocking
    )


def _newly_suppressed(plan: Plan, path: str) -> list[Finding]:
    """
    Return one finding if the suppression list now prevents additions of the plan. Otherwise, return an empty list.

    The message contains `path` after the words "suppression list".
    """
    listed = current_suppression_list(plan)
    added = [
        (group.uid, entry.customer_uid) for group in plan.groups for entry in listed.find_all(group.uid, group.add)
    ]
    if not added:
        return []
    groups, customers = {group for group, _ in added}, {uid for _, uid in added}
    n = len(customers)
    text = (
        f"The suppression list{path} contains {pluralize(n, 'customer')} that the plan would add to "
        f"{pluralize(len(groups), 'group')}. Create a new plan, which will leave out these customers."
    )
    return [Finding("suppression_list", text, True, n=len(added))]
