"""Save a plan and its review page, and print the plan, warnings, and the next command."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from frgroups.apply.plan_entry import PlanEntry, conflict_sentences
from frgroups.apply.plan_list import conflicting_plans, plan_entries, plan_entry
from frgroups.apply.plan_review import save_review
from frgroups.apply.plan_states import WAITING
from frgroups.apply.receipt import format_counts
from frgroups.apply.windows_file import read_windows
from frgroups.cli.command_ending import keep_result
from frgroups.cli.output import (
    print_json_line,
    print_labeled,
    print_message,
    print_next,
    print_text,
    print_warning,
)
from frgroups.cli.supersede import supersede_plan
from frgroups.errors import FrgroupsError
from frgroups.internals.formatting import pluralize, shell_argument
from frgroups.internals.json_values import to_jsonable
from frgroups.plan.limit_overrides import blocked_sentence, limit_advice
from frgroups.plan.plan import Plan
from frgroups.plan.plan_file import read_plan
from frgroups.plan.suppression_list import HasTenant
from frgroups.review.plan_folders import is_in_queue, plans_folder, queue_folder
from frgroups.review.plan_queue import plan_file_name
from frgroups.review.rejections import rejections_in_force
from frgroups.review.saved_plans import add_saved_plan


def save_plan(
    plan: Plan,
    out: Path | None,
    *,
    pending: bool = False,
    older: Path | None = None,
    exit_code: int = 0,
    as_json: bool = False,
) -> None:
    """
    Save a plan and its review page, and print the plan, warnings, the file paths, and the next command.

    A plan without changes is printed but not saved. If `pending` is True and the queue already contains an applicable
    plan with the same digest, the new plan is not saved, and the queued plan is printed instead.

    Parameters
    ----------
    plan
        The plan.
    out
        Plan file to write. None selects a file in the data folder.
    pending
        Whether to add the plan to the queue. A blocked plan is not added.
    older
        Plan file that a pending plan supersedes, or None.
    exit_code
        Exit code that the command returns if the output is written, or if the reader of the output has closed the
        pipe.
    as_json
        Whether to print the plan as JSON. The messages are then printed to stderr.
    """
    if plan.is_empty:
        if as_json:
            print_json_line(plan_values(plan, None, []) | {"review": ""})
        else:
            print_text(plan.summary())
        if out is not None:
            print_message(f"{out} was not written, because the plan contains no changes.")
        if older is not None:
            _print_not_superseded(older, "the new plan contains no changes")
        return
    queued = _equal_queued_plan(plan, older) if pending else None
    if queued is not None:
        if older is not None:
            supersede_plan(older, plan)
        keep_result(exit_code, "")
        _print_queued(queued, as_json)
        if older is not None:
            _print_superseded(older)
        return
    path = plan.save(out or _default_path(plan, pending))
    if out is not None:
        _add_to_list(plan, path)
    review = save_review(plan, path.with_suffix(".html"))
    if older is not None and not plan.blocked:
        supersede_plan(older, plan)
    keep_result(exit_code, "")
    conflicts = find_conflicts(plan)
    if as_json:
        print_json_line(plan_values(plan, path, conflicts) | {"review": str(review)})
    else:
        print_text(plan.summary())
        print_text()
        print_labeled("Digest", plan.digest)
        print_labeled("Plan", path)
        print_labeled("Review", f"{review}   (open it in a browser or send it to the reviewer)")
    if older is not None and plan.blocked:
        _print_not_superseded(older, "the new plan is blocked")
    elif older is not None:
        _print_superseded(older)
    next_name = _print_rejections(plan, path)
    print_conflicts(plan, conflicts)
    print_windows(plan)
    if plan.blocked:
        _print_limits_to_change(plan, pending)
        return
    if next_name:
        print_next(f"frgroups {next_name} {shell_argument(out or path)} --by NAME")
    if pending and next_name == "approve":
        print_next(f"Or save the approval file from the review page in this folder: {path.parent}", label="")
        print_next("Then: frgroups apply --queue", label="")


def _equal_queued_plan(plan: Plan, older: Path | None) -> Path | None:
    """
    Return the path of a plan in the queue that has the same digest as a new plan, or None.

    The function ignores plans that the new plan supersedes, and plans that cannot be applied, for example because
    they have expired. If the states cannot be determined, because a file in the data folder is damaged, the result is
    None.
    """
    with suppress(FrgroupsError):
        for entry in plan_entries(tenant_uid=plan.tenant_uid, base_url=plan.base_url):
            is_equal = entry.plan.digest == plan.digest and entry.state in WAITING
            if is_equal and entry.path is not None and entry.path != older and is_in_queue(entry.path):
                return entry.path
    return None


def _print_queued(path: Path, as_json: bool) -> None:
    """Print a plan that was already in the queue. The text is the same as that of `frgroups show`."""
    plan, review = read_plan(path), path.with_suffix(".html")
    if as_json:
        print_json_line(plan_values(plan, path) | {"review": str(review) if review.exists() else ""})
    else:
        print_plan(plan, path)
    print_message(f"Plan {plan.digest[:12]} is already in the queue and was not added again: {path}")


def _add_to_list(plan: Plan, path: Path) -> None:
    """Add a plan that was saved outside the data folder to the list of plans. If this fails, print a warning."""
    try:
        add_saved_plan(plan, path)
    except FrgroupsError as error:
        print_warning(f"frgroups plans will not list this plan. {error.cli_text}")
    except OSError as error:
        print_warning(f"frgroups plans will not list this plan. {error}.")


def plan_values(plan: Plan, path: Path | None, conflicts: Sequence[PlanEntry] | None = None) -> dict[str, Any]:
    """
    Return the columns of `list_plans` for a plan, followed by its findings, as values for JSON.

    If `conflicts` is None, the function searches for conflicting plans. If the state cannot be determined because a
    file in the data folder is damaged, the state is None.
    """
    if conflicts is None:
        conflicts = find_conflicts(plan)
    digests = tuple(other.plan.digest for other in conflicts)
    entry = find_entry(plan, path)
    if entry is None:
        values = entry_values(PlanEntry(plan, "pending", path=path, conflicts=digests)) | {"state": None}
    else:
        values = entry_values(replace(entry, conflicts=digests))
    findings = [
        {
            "rule": finding.rule,
            "message": finding.message,
            "blocking": finding.blocking,
            "customer_group_uid": finding.customer_group_uid or "",
            "n": finding.n,
        }
        for finding in plan.findings
    ]
    return values | {
        "counts": {} if entry is None else {state: n for state, n in entry.counts.items() if n},
        "mode": plan.mode,
        "purpose": plan.purpose,
        "findings": findings,
        "summary": plan.summary(),
    }


def find_entry(plan: Plan, path: Path | None) -> PlanEntry | None:
    """
    Return the state and the next command of a plan.

    The next command contains the path of the plan, because several files can have the same digest. If a file in the
    data folder is damaged, a warning is printed and the result is None.
    """
    try:
        return plan_entry(plan, path=path, is_unique=False)
    except FrgroupsError as error:
        print_warning(error.cli_text)
        return None


def print_plan(plan: Plan, path: Path) -> None:
    """Print a plan with its digest, its state, and the next command."""
    print_text(f"{plan!r}\n{plan.summary()}\n")
    print_labeled("Digest", plan.digest)
    entry = find_entry(plan, path)
    if entry is None:
        return
    _print_entry_notices(entry)
    print_labeled("State", entry.state)
    if entry.state == "interrupted":
        print_labeled("Done", f"{entry.n_done:,} of {pluralize(plan.n_add + plan.n_remove, 'change')}")
    elif entry.state == "applied" and format_counts(entry.counts):
        print_labeled("Result", format_counts(entry.counts))
    if entry.resumed_receipt is not None:
        print_warning("The run of the original plan was resumed after this undo plan was created.")
    # Do not print `frgroups show PLAN`, because it would only print the same blocked plan again.
    is_other_command = entry.state == "applied" or not entry.next_command.startswith("frgroups show ")
    if entry.next_command and is_other_command:
        print_next(entry.next_command)


def entry_values(entry: PlanEntry) -> dict[str, Any]:
    """Return the columns of `list_plans` for a plan in the list as values for JSON. A missing receipt is None."""
    values = {name: to_jsonable(value) for name, value in entry.values().items()}
    return values | {"receipt": values["receipt"] or None}


def find_conflicts(plan: Plan) -> list[PlanEntry]:
    """
    Return the other waiting plans that change at least one of the groups that this plan changes.

    The commands call this function after they have written files. A damaged file in the data folder is therefore
    printed as a warning, and the result is [].
    """
    try:
        return conflicting_plans(plan)
    except FrgroupsError as error:
        print_warning(error.cli_text)
        return []


def print_conflicts(plan: Plan, conflicts: Iterable[PlanEntry]) -> None:
    """
    Print warnings about waiting plans that change at least one of the groups that this plan changes.

    The number of warnings is limited.
    """
    for sentence in conflict_sentences((plan, other) for other in conflicts):
        print_warning(sentence)


def print_windows(tenant: HasTenant) -> None:
    """
    Print a message if a tenant's plans cannot be applied now, because of a freeze or closed apply windows.

    The apply windows are only needed when a plan is applied, so an invalid windows file causes only a warning.
    """
    try:
        state = read_windows(tenant).state(datetime.now(UTC))
    except FrgroupsError as error:
        print_warning(error.cli_text)
        return
    if not state.is_allowed:
        print_message(f"Tenant {tenant.tenant_uid}: {state.sentences()}")


def _print_superseded(older: Path) -> None:
    print_message(f"Plan {older.name} is superseded by this plan.")


def _print_not_superseded(older: Path, reason: str) -> None:
    digest = read_plan(older).digest
    print_warning(f"Plan {digest[:12]} was not superseded, because {reason}.")


def _print_rejections(plan: Plan, path: Path) -> str:
    """
    Print a warning for each rejection of the plan's changes, and return the name of the next command.

    A rejected plan can be created, but the rejection must be withdrawn before the plan is approved. If a file that
    might be a rejection is damaged, the function returns "", because `withdraw` and `approve` would both fail.
    """
    try:
        rejections = rejections_in_force(plan, [path.parent])
    except FrgroupsError as error:
        print_warning(error.cli_text)
        return ""
    for rejection in rejections:
        print_warning(
            f"{rejection.message(plan)} The plan cannot be approved or applied until the rejection is "
            f"withdrawn with frgroups withdraw {shell_argument(path)} --by NAME."
        )
    print_notices(plan, path)
    return "withdraw" if rejections else "approve"


def print_notices(plan: Plan, path: Path) -> None:
    """Print warnings about a plan that the operator and the reviewer must consider."""
    entry = find_entry(plan, path)
    if entry is not None:
        _print_entry_notices(entry)


def _print_entry_notices(entry: PlanEntry) -> None:
    for notice in entry.notices:
        print_warning(notice.text_for_operator)


def _default_path(plan: Plan, pending: bool) -> Path:
    if pending and not plan.blocked:
        folder = queue_folder(plan.tenant_uid, plan.base_url, "pending")
    else:
        folder = plans_folder(plan.tenant_uid, plan.base_url)
    return folder / plan_file_name(plan)


def _print_limits_to_change(plan: Plan, pending: bool) -> None:
    blocking = [finding for finding in plan.findings if finding.blocking]
    _, advice = limit_advice(blocking, plan.limits, plan.limit_places)
    print_message(f"{blocked_sentence(plan.digest, blocking)} {advice}".rstrip())
    if pending:
        print_message("The plan was not added to the queue, because a blocked plan cannot be approved.")
