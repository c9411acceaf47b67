"""Write the review of a plan, including the plan's state according to the data folder."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from frgroups.apply.journal import Item, Journal, JournalState, read_journal_lines
from frgroups.apply.known_drift import KnownDrift, known_drift
from frgroups.apply.newer_data import newer_data
from frgroups.apply.plan_checks import later_findings
from frgroups.apply.plan_entry import PlanEntry
from frgroups.apply.plan_list import plan_entry
from frgroups.apply.plan_notices import plan_notices
from frgroups.apply.plan_states import WITHOUT_SENT_CHANGES
from frgroups.apply.receipt import Receipt, read_receipt
from frgroups.apply.run_registry import original_undone_by, partly_reverted_by, registered_journal, reverted_by
from frgroups.errors import FrgroupsError
from frgroups.internals.formatting import agree, format_utc, pluralize
from frgroups.internals.redaction import mask_contacts
from frgroups.internals.structured_logging import log_event
from frgroups.internals.validation import check_type
from frgroups.plan.plan import Plan
from frgroups.review.approval import approval_sentence
from frgroups.review.decision_reader import DecisionReader
from frgroups.review.decision_record import read_record
from frgroups.review.plan_status import (
    Notice,
    PlanStatus,
    SentChanges,
    already_undone_status,
    applied_status,
    damaged_status,
    expired_status,
    interrupted_status,
    outdated_status,
    partly_applied_status,
    rejected_status,
    rejection_sentences,
    resumed_original_status,
    superseded_status,
    undone_status,
    unknown_status,
    unreadable_result_status,
)
from frgroups.review.rejections import rejections_in_force
from frgroups.review.run_results import ChangeState, RunResults
from frgroups.review.writer import write_review
from frgroups.snapshot.snapshot import Snapshot
from frgroups.store.manifest import Cache

log = logging.getLogger("frgroups.apply")


def save_review(plan: Plan, path: str | Path, *, personal: Snapshot | None = None) -> Path:
    """
    Write the review of a plan to a file.

    The reviewer opens the HTML page in a browser and approves or rejects the plan there. The page then downloads the
    same file that `approve_plan` writes. The page requires neither Python nor a network connection. By default, a
    review contains no customer names and no contact data. It lists only the customers who join or leave a group.

    If the data folder shows that the plan is rejected, superseded, expired, interrupted, applied, undone, or out of
    date, the review starts with this state and offers no decision. After a run, the review contains the result of
    each change. The review also shows existing approvals, withdrawn rejections, and other plans that change the same
    groups. The file is replaced atomically.

    Parameters
    ----------
    plan
        The plan to review.
    path
        The file to write. The suffix selects the format: .html, .htm, .md, .txt, .csv, or .xlsx. The suffix .xlsx
        requires the extra `excel`.
    personal
        A snapshot that was loaded with `personal=True`. If given, the review contains the name of each customer who
        joins or leaves a group, and a warning not to forward the review. By default, a review contains no names.

    Returns
    -------
    Path
        The absolute path of the file.

    Raises
    ------
    InputError
        The suffix is unknown, the file cannot be written, `personal` contains no names or is a snapshot of another
        tenant, openpyxl is not installed, or the plan has more operations than an Excel sheet can contain.

    Examples
    --------
    >>> import tempfile
    >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_review(plan, f"{folder}/review.html").name
    'review.html'
    """
    check_type(plan, Plan, "plan")
    state = review_state(plan)
    return write_review(plan, path, personal=personal, status=state.status, notices=state.notices)


@dataclass(frozen=True, slots=True)
class ReviewState:
    """
    State of a plan according to the data folder, for its review.

    Attributes
    ----------
    status
        Reason why the plan cannot be approved, or None if a decision about the plan is possible.
    notices
        Other facts for the reviewer.
    """

    status: PlanStatus | None = None
    notices: tuple[Notice, ...] = ()


def review_state(plan: Plan, *, cache: Cache = None) -> ReviewState:
    """
    Determine the state of a plan for its review without sending requests.

    A decision is possible only if no file in the data folder shows that `apply_plan` would reject the approved plan.
    If a damaged file prevents this check, no decision is possible.

    Parameters
    ----------
    plan
        The plan to review.
    cache
        Folder of the stored snapshots. None selects the data folder.
    """
    drift, entry, reader = KnownDrift(), None, DecisionReader()
    try:
        entry = plan_entry(plan, path=plan.path, reader=reader)
        status = _status_of(entry)
        if status is None and entry.state in WITHOUT_SENT_CHANGES and not plan.blocked:
            drift = known_drift(plan, cache=cache)
            status = _status_of_newer_data(plan, drift)
    except FrgroupsError as error:
        log_event(log, logging.WARNING, "state_not_determined", f"The state of a plan is not known. {error.message}")
        status = unknown_status()
    notices = plan_notices(plan, drift, entry=entry, is_waiting=status is None, reader=reader, cache=cache)
    return ReviewState(status, tuple(notices))


def _status_of_newer_data(plan: Plan, drift: KnownDrift) -> PlanStatus | None:
    if plan.is_empty or plan.base_url is None:
        return None  # The newer data is irrelevant, because such a plan cannot be applied.
    reasons = [*drift.reasons(), *(finding.message for finding in later_findings(plan, is_for_reviewer=True))]
    if not reasons:
        return None
    facts = filter(None, [*drift.later, drift.in_effect_text(), *reasons])
    return outdated_status(plan, facts, is_outdated=drift.blocks)


def _status_of(entry: PlanEntry) -> PlanStatus | None:
    """Return the status that prevents the approval of a plan regardless of newer data, or None if there is none."""
    plan = entry.plan
    if entry.state == "rejected":
        return _status_of_rejected_plan(plan)
    if entry.state == "superseded":
        return superseded_status(read_record(plan).superseded_by(plan))
    if entry.state == "plan expired":
        return expired_status(plan)
    if entry.state == "undone":
        return _status_of_undone_plan(entry)
    if entry.state == "applied":
        return _status_of_applied_plan(entry)
    if entry.state == "interrupted":
        return _status_of_interrupted_plan(entry)
    if entry.resumed_receipt is not None:
        return resumed_original_status()
    if entry.state == "blocked" and plan.reverts is not None:
        undo = original_undone_by(plan)
        return already_undone_status(plan.reverts, undo) if undo else None
    return None


def _status_of_rejected_plan(plan: Plan) -> PlanStatus:
    with suppress(FrgroupsError):
        return rejected_status(rejections_in_force(plan))
    return damaged_status()


def _status_of_undone_plan(entry: PlanEntry) -> PlanStatus:
    receipt = _receipt_of(entry)
    undo = reverted_by(entry.plan) or partly_reverted_by(entry.plan)
    if receipt is None:
        return undone_status(undo)
    return undone_status(undo, receipt.started_at, approval_sentence(receipt.approval))


def _status_of_applied_plan(entry: PlanEntry) -> PlanStatus:
    receipt = _receipt_of(entry)
    if receipt is None:
        return unreadable_result_status()
    results = _results(receipt.plan, receipt, receipt.states)
    approval = approval_sentence(receipt.approval)
    if receipt.ok:
        return applied_status(receipt.started_at, approval, results)
    names = {group.uid: group.name for group in receipt.plan.groups}
    return partly_applied_status(
        receipt.started_at,
        receipt.counts,
        sizes=[(names[uid], n) for uid, n in results.sizes.items()],
        n_not_created=len(results.not_created),
        approval=approval,
        results=results,
    )


def _status_of_interrupted_plan(entry: PlanEntry) -> PlanStatus:
    sent, results, approval, rejection, newer_text = None, None, "", "", ""
    if entry.is_rejected:
        with suppress(FrgroupsError):
            rejection = rejection_sentences(rejections_in_force(entry.plan))
    with suppress(FrgroupsError):
        path = registered_journal(entry.plan)
        if path is not None:
            journal = Journal(path)
            receipt = _receipt_of(entry)
            sent = _sent_changes(entry.plan, journal.state, receipt)
            results = _results_of_interrupted_run(entry.plan, journal, receipt)
            approval = approval_sentence(journal.state.approval)
            results, newer_text = _with_newer_data(entry.plan, journal, results)
    return interrupted_status(
        sent,
        can_resume=not entry.must_be_finalized,
        is_rejected=entry.is_rejected,
        rejection=rejection,
        is_approved=entry.has_policy or entry.n_approvals > 0,
        newer_data=newer_text,
        approval=approval,
        results=results,
    )


def _with_newer_data(plan: Plan, journal: Journal, results: RunResults) -> tuple[RunResults, str]:
    """
    Mark changes as verified if newer data confirms them. Return the results and a sentence about the newer data.

    If newer data does not confirm a change, the change keeps its state, because a delayed request might still take
    effect.
    """
    lines = read_journal_lines(journal.path)
    members = newer_data(plan, after=datetime.fromisoformat(lines[-1]["at"])).members
    if not members:
        return results, ""
    states = dict(results.states)
    n_open = n_confirmed = 0
    for (group_uid, customer_uid, change), state in results.states.items():
        if state in ("unknown", "accepted") and group_uid in members:
            n_open += 1
            if (customer_uid in members[group_uid][1]) == (change == "add"):
                n_confirmed += 1
                states[group_uid, customer_uid, change] = "verified"
    if not n_open:
        return results, ""
    read_at = format_utc(max(at for at, _ in members.values()))
    sizes = {**results.sizes, **{uid: len(uids) for uid, (_, uids) in members.items()}}
    text = (
        f"According to the data read at {read_at}, {n_confirmed:,} of the {pluralize(n_open, 'change')} that "
        f"{agree(n_open, 'was', 'were')} sent but not checked {agree(n_confirmed, 'is', 'are')} in effect."
    )
    return replace(results, states=states, sizes=sizes), text


def _sent_changes(plan: Plan, state: JournalState, receipt: Receipt | None) -> SentChanges:
    sent = state.intended - state.not_sent
    items = {(group.uid, *item) for group in plan.groups for item in group.items()}
    new_groups = {group.uid for group in plan.groups if group.create}
    # The number of verified changes is known only if the interrupted run has a receipt.
    # A run writes a receipt if it stops without a crash, for example because the server did not respond.
    return SentChanges(
        n=plan.n_add + plan.n_remove,
        n_sent=len(sent),
        n_accepted=len(sent & state.accepted),
        n_rejected=len((sent & state.rejected.keys()) - state.accepted),
        n_verified=None if receipt is None else receipt.counts["verified"],
        is_all_sent=items <= sent | state.already and new_groups <= state.created,
    )


def _results_of_interrupted_run(plan: Plan, journal: Journal, receipt: Receipt | None) -> RunResults:
    """
    Return the state of each change of an interrupted run.

    The receipt contains the states at the end of the last run that was not killed. If a later run was killed, the
    changes of this run are only in the journal and were not read back.
    """
    lines = read_journal_lines(journal.path)
    later = JournalState()
    for line in lines if receipt is None else lines[receipt.n_journal_lines :]:
        later.apply_event(line)
    recorded: Mapping[Item, ChangeState] = {} if receipt is None else receipt.states
    states: dict[Item, ChangeState] = {}
    for group in plan.groups:
        for uid, change in group.items():
            item = (group.uid, uid, change)
            states[item] = _state_in_journal(item, later) or recorded.get(item, "not_sent")
    is_read_back = receipt is not None and not later.intended and not later.creating
    return _results(plan, receipt, states, journal.state, is_read_back=is_read_back)


def _state_in_journal(item: Item, state: JournalState) -> ChangeState | None:
    """Return the state of a change according to journal lines, or None if the lines do not contain the change."""
    if item in state.already:
        return "already"
    if item in state.accepted:
        return "accepted"
    if item in state.rejected:
        return "rejected"
    if item in state.not_sent:
        return "not_sent"
    return "unknown" if item in state.intended else None


def _results(
    plan: Plan,
    receipt: Receipt | None,
    states: Mapping[Item, ChangeState],
    journal: JournalState | None = None,
    *,
    is_read_back: bool = True,
) -> RunResults:
    """
    Return the results of a run for the review.

    Parameters
    ----------
    plan
        The plan.
    receipt
        Receipt of the last run that was not killed, or None.
    states
        State of each change.
    journal
        State of the journal of an interrupted run. None if the run is complete.
    is_read_back
        Whether no change was sent after the receipt was written. A member count is stated only in this case, and only
        if the last read of the group was consistent.
    """
    details: dict[Item, str] = {} if receipt is None else dict(receipt.details)
    created: set[str] = set() if receipt is None else set(receipt.created)
    sizes: dict[str, int] = {}
    if receipt is not None and is_read_back:
        sizes = {
            group.uid: len(receipt.members_after[group.uid])
            for group in plan.groups
            if group.uid in receipt.consistent_groups
        }
    if journal is not None:
        details |= journal.rejected
        created |= journal.created
    not_created = frozenset(group.uid for group in plan.groups if group.create and group.uid not in created)
    # A server's message can contain contact data, which a review must not contain. Therefore, messages are masked.
    masked = {item: mask_contacts(text) for item, text in details.items()}
    return RunResults(states, masked, sizes, not_created)


def _receipt_of(entry: PlanEntry) -> Receipt | None:
    with suppress(FrgroupsError):
        return None if entry.receipt is None else read_receipt(entry.receipt)
    return None
