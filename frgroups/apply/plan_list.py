"""List the plans in the data folder with the state of each plan."""

from __future__ import annotations

import functools
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from frgroups.apply.journal import Item, Journal, JournalState
from frgroups.apply.plan_entry import PlanEntry, conflicts_of
from frgroups.apply.plan_states import STATES, WAITING, WITHOUT_SENT_CHANGES, State
from frgroups.apply.receipt import Receipt, read_receipt
from frgroups.apply.run_registry import (
    ReadRegistry,
    equal_plans,
    original_undone_by,
    partly_reverted_by,
    read_registry,
    registered_journal,
    registered_plan_files,
    reverted_by,
)
from frgroups.apply.undo import receipt_after_resume, undone_in_parts_by
from frgroups.errors import CorruptFileError, FrgroupsError, NotApprovedError
from frgroups.internals.base_urls import is_same_base_url
from frgroups.internals.formatting import format_list, format_utc
from frgroups.internals.paths import data_subdir
from frgroups.internals.structured_logging import log_event
from frgroups.internals.timestamps import parse_stored_timestamp
from frgroups.internals.validation import check_choice
from frgroups.plan.limit_comparisons import plan_age_violations
from frgroups.plan.plan import Plan
from frgroups.plan.plan_file import read_plan
from frgroups.review.approval_search import last_to_expire, plan_approvals, usable_approvals
from frgroups.review.decision_reader import DecisionReader
from frgroups.review.plan_files import plan_files
from frgroups.review.plan_folders import approval_folders, is_in_queue
from frgroups.review.plan_queue import locate_plan
from frgroups.review.plan_status import Notice
from frgroups.review.rejected_changes import rejected_changes
from frgroups.review.rejections import rejections_in_force
from frgroups.review.saved_plans import saved_plan_files

log = logging.getLogger("frgroups.apply")


@dataclass(frozen=True)
class _Readers:
    """Functions that cache their results, so that each approval file, decision record, and receipt is read once."""

    decisions: DecisionReader = field(default_factory=DecisionReader)
    registry: ReadRegistry = field(default_factory=lambda: functools.cache(read_registry))
    receipt: Callable[[Path], Receipt] = field(default_factory=lambda: functools.cache(read_receipt))


_UNDONE = Notice("already_undone", "The original plan was already undone, so this undo plan cannot be applied.", True)
_DTYPES = {
    "digest": "str",
    "state": "str",
    "planned_at": "datetime64[us, UTC]",
    "age_hours": "float64",
    "groups": "str",
    "n_add": "int64",
    "n_remove": "int64",
    "reviewer": "str",
    "conflicts": "str",
    "tenant_uid": "str",
    "base_url": "str",
    "path": "str",
    "receipt": "str",
    "next_command": "str",
    "warnings": "str",
}


def list_plans(
    *, tenant_uid: str | None = None, base_url: str | None = None, state: str | None = None
) -> pd.DataFrame:
    """
    Return a table of the plans in the data folder with the state of each plan.

    The table contains the plans in the queue and in the folder `plans`. It also contains the plans that the command
    line saved with `--out`, and the plans that were started or applied with this data folder. A plan that Python code
    saved to another folder is listed only after it was started. A plan file that cannot be read is left out, and a
    warning is logged.

    Parameters
    ----------
    tenant_uid : str, optional
        List only the plans of this tenant. None lists the plans of all tenants.
    base_url : str, optional
        List only the plans for this host. None lists the plans for all hosts.
    state : str, optional
        List only the plans in this state.

    Returns
    -------
    pandas.DataFrame
        One row per plan, newest plan first. Columns digest, state, planned_at, age_hours, groups (names), n_add,
        n_remove, reviewer, conflicts (first 12 digits of the digests of other waiting plans that change the same
        groups), tenant_uid, base_url, path ("" if only the receipt is known), receipt ("" if there is none),
        next_command (command line for the next step, or ""), and warnings (sentences about changes that were
        rejected in other plans, equal plans that were applied, and drift, or "").

        The states are "pending" (without a decision), "applied before" (without a decision, and a plan with the same
        digest was applied), "approved", "rejected", "superseded" (replaced by a newer plan), "blocked" (a limit is
        exceeded, the last run found too much drift, the queue stopped the plan, or the original plan of this undo
        plan was resumed or undone), "interrupted" (the run can be resumed or finalized), "applied" (the run is
        complete, even if the server rejected changes), "undone", "plan expired" (older than the limit
        `plan_max_age`), "approval expired", and "empty" (no changes).

    Raises
    ------
    InputError
        `state` is not a state.
    CorruptFileError
        `tenant_uid` is given, and the tenant's record of decisions or registry of started plans is damaged. Without
        `tenant_uid`, the affected plans are left out, and a warning is logged.

    Examples
    --------
    >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, limits=Limits(snapshot_max_age=None))
    >>> path = plan.save(home() / "plans" / "t-1@tables" / "vip.plan.json")
    >>> list_plans(tenant_uid="t-1")[["state", "groups", "n_add", "n_remove"]].head(1).to_dict("records")
    [{'state': 'pending', 'groups': 'VIP', 'n_add': 1, 'n_remove': 0}]
    """
    if state is not None:
        check_choice(state, "state", STATES)
    entries = plan_entries(tenant_uid=tenant_uid, base_url=base_url)
    rows = [entry.values() for entry in entries if state in (None, entry.state)]
    return pd.DataFrame(rows, columns=list(_DTYPES)).astype(_DTYPES)


def plan_entries(
    *, tenant_uid: str | None = None, base_url: str | None = None, reader: DecisionReader | None = None
) -> list[PlanEntry]:
    """
    Return the plans in the data folder, newest plan first, with their states and conflicts.

    If no tenant is selected, a plan whose state cannot be determined is left out, and a warning is logged. A caller
    that also reads decisions can pass its own reader as `reader`, so that each decision file is read once.
    """
    readers = _Readers(reader or DecisionReader())
    entries: dict[tuple[str, datetime], PlanEntry] = {}
    counts: Counter[str] = Counter()
    for path, plan in _stored_plans(tenant_uid, base_url):
        counts[plan.digest] += 1
        with _skipped_on_error(tenant_uid):
            entry = _entry_of(plan, path, readers)
            entries.setdefault(entry.key, entry)
    for receipt in _stored_receipts(tenant_uid, base_url, readers):
        key = receipt.plan.digest, receipt.plan.planned_at
        if key not in entries:
            with _skipped_on_error(tenant_uid):
                state, reviewer = _state_of_receipt(receipt, readers.registry)
                entries[key] = PlanEntry(receipt.plan, state, reviewer, receipt=receipt.path, counts=receipt.counts)
                counts[receipt.plan.digest] += 1
    ordered = sorted(entries.values(), key=lambda entry: entry.plan.planned_at, reverse=True)
    listed = []
    for entry in ordered:
        conflicts = tuple(other.plan.digest for other in conflicts_of(entry, ordered))
        listed.append(replace(entry, conflicts=conflicts, is_unique=counts[entry.plan.digest] == 1))
    return listed


@contextmanager
def _skipped_on_error(tenant_uid: str | None) -> Iterator[None]:
    """Log an error of the `with` block as a warning, or raise the error if a tenant was selected."""
    try:
        yield
    except FrgroupsError as error:
        if tenant_uid is not None:
            raise
        log_event(log, logging.WARNING, "plan_not_listed", f"A plan is not listed. {error.message}")


def plan_entry(
    plan: Plan, *, path: Path | None = None, is_unique: bool = True, reader: DecisionReader | None = None
) -> PlanEntry:
    """
    Determine the state of a plan and the command for the next step.

    If the plan was started, its run determines the state. Otherwise, a rejection or another obstacle takes precedence
    over an approval. If several files have the same digest, pass `is_unique=False`, so that the command contains the
    path instead of the digest. To read the decisions of several plans only once, pass the same `reader` each time.
    """
    readers = _Readers(decisions=reader or DecisionReader())
    return replace(_entry_of(plan, path, readers), is_unique=is_unique)


def _entry_of(plan: Plan, path: Path | None, readers: _Readers) -> PlanEntry:
    """Return the entry of a plan, without its conflicts."""
    own_folder = [] if path is None else [path.parent]
    state, journal, receipt_path = _state_of_run(plan, readers)
    if state is None:
        entry = _entry_before_run(plan, path, own_folder, readers.decisions)
        resumed_receipt = _resumed_receipt(plan, entry.state, readers.registry)
        if resumed_receipt is not None:
            entry = _blocked(replace(entry, resumed_receipt=resumed_receipt))
        return _with_notices(replace(entry, receipt=receipt_path), journal, readers)
    approval = {} if journal is None else journal.state.approval
    entry = PlanEntry(plan, state, approval.get("by", ""), path, receipt_path)
    receipt = _readable_receipt(receipt_path, readers)
    if receipt is not None:
        entry = replace(entry, counts=receipt.counts)
    if state == "interrupted":
        folders = approval_folders(plan, own_folder)
        usable, _ = usable_approvals(plan, folders, reader=readers.decisions, earlier_approval=approval)
        entry = replace(
            entry,
            n_done=_count_done(receipt, journal),
            n_approvals=len(usable),
            is_partly_undone=bool(partly_reverted_by(plan, readers.registry)),
            is_rejected=_rejection_of(plan, own_folder, readers.decisions)[0],
            has_policy=approval.get("how") == "policy",
        )
        drift = _drift_notice(plan, journal)
        if drift is not None:
            entry = replace(entry, is_drifted=True, notices=(drift,))
    return entry


def _blocked(entry: PlanEntry) -> PlanEntry:
    return replace(entry, state="blocked", reviewer="", n_approvals=0)


def _with_notices(entry: PlanEntry, journal: Journal | None, readers: _Readers) -> PlanEntry:
    """Add notices to the entry of a plan that has sent no changes, and update the entry's state to match them."""
    plan = entry.plan
    if entry.state not in WITHOUT_SENT_CHANGES:
        return entry
    rejected = [Notice("rejected_changes", text, True) for text in rejected_changes(plan, readers.decisions)]
    entry = replace(entry, notices=tuple(rejected))
    if original_undone_by(plan, readers.registry):
        return _blocked(replace(entry, notices=(*entry.notices, _UNDONE)))
    drift = _drift_notice(plan, journal)
    if drift is not None:
        entry = replace(_blocked(entry), is_drifted=True, notices=(*entry.notices, drift))
    equal = _equal_plan_notice(plan, readers)
    if equal is not None:
        state: State = "applied before" if entry.state == "pending" else entry.state
        entry = replace(entry, state=state, notices=(*entry.notices, equal))
    return entry


def _drift_notice(plan: Plan, journal: Journal | None) -> Notice | None:
    """Return a notice if the last run of a plan sent nothing because of drift or a limit. Otherwise, return None."""
    if journal is None or not journal.state.blocked_by:
        return None
    state = journal.state
    names = format_list([group.name for group in plan.groups if group.uid in state.blocked_groups] or ["the tenant"])
    if state.blocked_by == "drift":
        text = f"The last run sent nothing, because {names} changed too much since the plan was created."
        return Notice("drift", text, is_warning=True, needs_new_plan=True)
    text = f"The last run sent nothing, because the plan exceeds a limit for the current members of {names}."
    return Notice("limits", text, is_warning=True, needs_new_plan=True)


def _equal_plan_notice(plan: Plan, readers: _Readers) -> Notice | None:
    """Return a notice if another plan with the same digest was applied or started and was not undone since then."""
    for other in reversed(equal_plans(plan, readers.registry)):
        state = _run_of(other, readers)
        if state is None or not (state.ended or state.n_sent) or reverted_by(other, readers.registry):
            continue
        how = "was applied" if state.ended else "was started and not completed"
        text = (
            f"A plan with the same digest {how} on {format_utc(parse_stored_timestamp(state.started_at))}. If this "
            "plan is applied too, changes that are still in effect are not sent, and changes that were reverted in "
            "the meantime are made again."
        )
        return Notice("applied_before", text, is_warning=True, needs_new_plan=True)
    return None


def _run_of(plan: Plan, readers: _Readers) -> JournalState | None:
    """Return the state of the run of a plan, or None if the plan was not started or its journal is unreadable."""
    path = registered_journal(plan, readers.registry)
    with suppress(FrgroupsError):
        return Journal(path).state if path is not None and path.exists() else None
    return None


def _count_done(receipt: Receipt | None, journal: Journal | None) -> int:
    """
    Return the number of changes in the plan of an interrupted run that are in effect.

    If a run is killed, it writes no receipt. The changes of this run are then recorded only in the journal. If the
    journal is damaged, pass None.
    """
    done: set[Item] = set()
    without_effect: set[Item] = set()
    if receipt is not None:
        done = {item for item, state in receipt.states.items() if state in ("verified", "already")}
        without_effect = {item for item, state in receipt.states.items() if state in ("not_effective", "unknown")}
    if journal is not None:
        done |= (journal.state.accepted | journal.state.already) - without_effect
    return len(done)


def _resumed_receipt(plan: Plan, state: State, read: ReadRegistry) -> Path | None:
    """Return the original plan's receipt if its run was resumed after a waiting undo plan was created."""
    if state not in WAITING:
        return None
    try:
        return receipt_after_resume(plan, read)
    except CorruptFileError:  # Ignore a damaged journal, because `apply_plan` reports the damage.
        return None


def _readable_receipt(path: Path | None, readers: _Readers) -> Receipt | None:
    with suppress(FrgroupsError):
        return None if path is None else readers.receipt(path)
    return None


def conflicting_plans(plan: Plan, reader: DecisionReader | None = None) -> list[PlanEntry]:
    """
    Return the other waiting plans that change at least one of the groups of a plan, newest plan first.

    A blocked plan cannot be applied, so it has no conflicts. `reader` is the argument of `plan_entries`.
    """
    if plan.blocked:
        return []
    entries = plan_entries(tenant_uid=plan.tenant_uid, base_url=plan.base_url, reader=reader)
    return list(conflicts_of(PlanEntry(plan, "pending"), entries))


def _state_of_run(plan: Plan, readers: _Readers) -> tuple[State | None, Journal | None, Path | None]:
    """
    Return the state of a started plan, its journal if the journal is readable, and the path of its receipt.

    The state is "undone" if and only if `apply_plan` rejects the plan as undone. A plan file that was never started
    can also have this state, because an undo plan applies to all earlier plan files with the same digest.
    """
    is_undone = bool(reverted_by(plan, readers.registry))
    path = registered_journal(plan, readers.registry)
    if path is None or not path.exists():
        return ("undone" if is_undone else None), None, None
    try:
        journal = Journal(path)
    except CorruptFileError:
        return ("undone" if is_undone else "interrupted"), None, None
    receipt_path = journal.receipt_path if journal.receipt_path.exists() else None
    is_complete = journal.state.ended and receipt_path is not None
    if is_undone or (is_complete and _is_undone_in_parts(plan, receipt_path, readers)):
        return "undone", journal, receipt_path
    if not is_complete and not journal.state.n_sent:
        return None, journal, receipt_path
    return ("applied" if is_complete else "interrupted"), journal, receipt_path


def _is_undone_in_parts(plan: Plan, receipt_path: Path | None, readers: _Readers) -> bool:
    """Return True if partial undos have reversed all changes of a plan. An unreadable receipt counts as False."""
    if not partly_reverted_by(plan, readers.registry):
        return False
    receipt = _readable_receipt(receipt_path, readers)
    return receipt is not None and bool(undone_in_parts_by(receipt, readers.registry))


def _state_of_receipt(receipt: Receipt, read: ReadRegistry) -> tuple[State, str]:
    reviewer = receipt.approval.get("by", "")
    if reverted_by(receipt.plan, read) or undone_in_parts_by(receipt, read):
        return "undone", reviewer
    return ("applied" if receipt.complete else "interrupted"), reviewer


def _entry_before_run(plan: Plan, path: Path | None, own_folder: list[Path], reader: DecisionReader) -> PlanEntry:
    """Return the entry of a plan that was not started."""
    entry = PlanEntry(plan, "pending", path=path)
    if plan.is_empty:
        return replace(entry, state="empty")
    if reader.record(plan).superseded_by(plan):
        return replace(entry, state="superseded")
    is_rejected, reviewer = _rejection_of(plan, own_folder, reader)
    if is_rejected:
        return replace(entry, state="rejected", reviewer=reviewer)
    if plan.blocked:
        return replace(entry, state="blocked")
    now = datetime.now(UTC)
    if plan_age_violations(plan.limits, now - plan.planned_at):
        return replace(entry, state="plan expired")
    if path is not None and is_in_queue(path) and path.resolve().parent.name == "stopped":
        return replace(entry, state="blocked")
    approvals = plan_approvals(plan, approval_folders(plan, own_folder), reader)
    approval = last_to_expire(approvals.usable)
    if approval is not None:
        return replace(entry, state="approved", reviewer=approval.by, n_approvals=len(approvals.usable))
    expired = last_to_expire(approval for approval in approvals.other if approval.until < now)
    return entry if expired is None else replace(entry, state="approval expired", reviewer=expired.by)


def _rejection_of(plan: Plan, own_folder: list[Path], reader: DecisionReader) -> tuple[bool, str]:
    """Return whether a rejection of a plan is in force, and the reviewer of the newest rejection."""
    try:
        rejections = rejections_in_force(plan, own_folder, reader)
    except NotApprovedError:  # A corrupt file might be a rejection, so the plan counts as rejected.
        return True, ""
    return bool(rejections), rejections[-1].by if rejections else ""


def stored_plan_files(tenant_uid: str | None = None, base_url: str | None = None) -> list[Path]:
    """
    Return the paths of the plan files that `list_plans` reads.

    The function searches for plan files in the queue and in the folder `plans`. It also uses the registry of started
    plans and the list of plans that were saved with the option `--out`. If `tenant_uid` or `base_url` is None, the
    plans of all tenants or all hosts are included.
    """
    started = [path for path in map(locate_plan, registered_plan_files(tenant_uid, base_url)) if path.exists()]
    saved = saved_plan_files(tenant_uid, base_url)
    return list(dict.fromkeys((*plan_files(tenant_uid, base_url), *started, *saved)))


def _stored_plans(tenant_uid: str | None, base_url: str | None) -> Iterator[tuple[Path, Plan]]:
    for path in stored_plan_files(tenant_uid, base_url):
        try:
            plan = read_plan(path)
        except FrgroupsError as error:
            log_event(log, logging.WARNING, "plan_not_read", f"A plan is not listed. {error.message}")
            continue
        if _is_selected(plan, tenant_uid, base_url):
            yield path, plan


def _is_selected(plan: Plan, tenant_uid: str | None, base_url: str | None) -> bool:
    return tenant_uid in (None, plan.tenant_uid) and (base_url is None or is_same_base_url(base_url, plan.base_url))


def _stored_receipts(tenant_uid: str | None, base_url: str | None, readers: _Readers) -> Iterator[Receipt]:
    for path in receipt_files():
        try:
            receipt = readers.receipt(path)
        except FrgroupsError as error:
            log_event(log, logging.WARNING, "receipt_not_read", f"A receipt is not listed. {error.message}")
            continue
        plan = receipt.plan
        if _is_selected(plan, tenant_uid, base_url):
            yield receipt


def receipt_files() -> list[Path]:
    """Return the paths of all receipts in the data folder."""
    return sorted(data_subdir("journals").glob("*/*.receipt.json"))
