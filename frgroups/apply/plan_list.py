"""List the plans in the data folder with the state of each plan."""

from __future__ import annotations

import functools
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from frgroups.apply.journal import Journal
from frgroups.apply.plan_states import STATES, WAITING, State
from frgroups.apply.receipt import Receipt, read_receipt
from frgroups.apply.run_registry import (
    ReadRegistry,
    partly_reverted_by,
    read_registry,
    registered_journal,
    registered_plan_files,
    reverted_by,
)
from frgroups.apply.undo import undone_in_parts_by
from frgroups.errors import CorruptFileError, FrgroupsError, NotApprovedError
from frgroups.internals.formatting import format_list, shell_argument
from frgroups.internals.paths import data_subdir, home
from frgroups.internals.structured_logging import log_event
from frgroups.internals.validation import check_choice
from frgroups.plan.limit_comparisons import plan_age_violations
from frgroups.plan.plan import Plan
from frgroups.plan.plan_file import read_plan
from frgroups.review.approval_files import Scan, decision_files, found_approvals
from frgroups.review.approval_search import usable_approvals
from frgroups.review.decision_record import read_record
from frgroups.review.plan_folders import approval_folders, is_in_queue
from frgroups.review.plan_queue import locate_plan, plan_files
from frgroups.review.rejections import rejections_in_force
from frgroups.review.saved_plans import saved_plan_files

log = logging.getLogger("frgroups.apply")


@dataclass(frozen=True)
class PlanEntry:
    """
    A plan in the data folder and its state.

    Attributes
    ----------
    plan
        The plan.
    state
        State of the plan.
    reviewer
        Name of the person who approved or rejected the plan, or "".
    path
        The plan file, or None if only the receipt is known.
    receipt
        The receipt file, or None if the plan has no receipt.
    conflicts
        Digests of other waiting plans that change the same groups.
    next_command
        Command line for the next step, or "" if there is none.
    has_verified_changes
        False if the receipt contains no verified change, so that there is nothing to undo.
    n_approvals
        Number of usable approvals, if the plan can be applied or resumed.
    partly_undone
        True if a partial undo prevents an interrupted run from being resumed.
    """

    plan: Plan
    state: State
    reviewer: str = ""
    path: Path | None = None
    receipt: Path | None = None
    conflicts: tuple[str, ...] = ()
    next_command: str = ""
    has_verified_changes: bool = True
    n_approvals: int = 0
    partly_undone: bool = False

    @property
    def key(self) -> tuple[str, datetime]:
        """Digest and planning time, which identify a plan file."""
        return self.plan.digest, self.plan.planned_at

    def values(self) -> dict[str, Any]:
        """Return the row of this plan in the table that `list_plans` returns."""
        plan = self.plan
        age = datetime.now(UTC) - plan.planned_at
        return {
            "digest": plan.digest,
            "state": self.state,
            "planned_at": plan.planned_at.astimezone(UTC),
            "age_hours": round(age.total_seconds() / 3600, 3),
            "groups": ", ".join(group.name for group in plan.groups),
            "n_add": plan.n_add,
            "n_remove": plan.n_remove,
            "reviewer": self.reviewer,
            "conflicts": ", ".join(digest[:12] for digest in self.conflicts),
            "tenant_uid": plan.tenant_uid,
            "base_url": plan.base_url or "",
            "path": str(self.path or ""),
            "receipt": str(self.receipt or ""),
            "next_command": self.next_command,
        }


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
}


def list_plans(
    *, tenant_uid: str | None = None, base_url: str | None = None, state: str | None = None
) -> pd.DataFrame:
    """
    Return a table of the plans in the data folder with the state of each plan.

    The table contains the plans in the queue, in the folder `plans`, the plans that the command line saved with
    `--out`, and the plans that were started or applied with this data folder. A plan that Python code saved to
    another folder is listed only after it was started. A plan file that cannot be read is left out, and a warning is
    logged.

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
        groups), tenant_uid, base_url, path ("" if only the receipt is known), receipt ("" if there is none) and
        next_command (command line for the next step, or "").

        The states are "pending" (without a decision), "approved", "rejected", "superseded" (replaced by a newer
        plan), "blocked" (a limit is exceeded, or the queue stopped the plan), "interrupted" (the run can be resumed
        or finalized), "applied", "undone", "plan expired" (older than the limit `plan_max_age`) and "approval
        expired".

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


def plan_entries(*, tenant_uid: str | None = None, base_url: str | None = None) -> list[PlanEntry]:
    """
    Return the plans in the data folder, newest plan first, with their states and conflicts.

    If no tenant is selected, a plan whose state cannot be determined is left out, and a warning is logged.
    """
    scan, read = functools.cache(decision_files), functools.cache(read_registry)
    entries: dict[tuple[str, datetime], PlanEntry] = {}
    counts: Counter[str] = Counter()
    for path, plan in _stored_plans(tenant_uid, base_url):
        counts[plan.digest] += 1
        with _skipped_on_error(tenant_uid):
            entry = _entry_of(plan, path, scan, read)
            entries.setdefault(entry.key, entry)
    for receipt in _stored_receipts(tenant_uid, base_url):
        key = receipt.plan.digest, receipt.plan.planned_at
        if key not in entries:
            with _skipped_on_error(tenant_uid):
                state, reviewer = _state_of_receipt(receipt, read)
                has_changes = receipt.counts["verified"] > 0
                entries[key] = PlanEntry(
                    receipt.plan, state, reviewer, receipt=receipt.path, has_verified_changes=has_changes
                )
                counts[receipt.plan.digest] += 1
    ordered = sorted(entries.values(), key=lambda entry: entry.plan.planned_at, reverse=True)
    listed = []
    for entry in ordered:
        conflicts = tuple(other.plan.digest for other in conflicts_of(entry, ordered))
        is_unique = counts[entry.plan.digest] == 1
        listed.append(with_next_command(replace(entry, conflicts=conflicts), is_unique=is_unique))
    return listed


@contextmanager
def _skipped_on_error(tenant_uid: str | None) -> Iterator[None]:
    """Log a damaged record or registry as a warning if the plans of all tenants are listed."""
    try:
        yield
    except FrgroupsError as error:
        if tenant_uid is not None:
            raise
        log_event(log, logging.WARNING, "plan_not_listed", f"A plan is not listed. {error.message}")


def with_next_command(entry: PlanEntry, *, is_unique: bool = True) -> PlanEntry:
    """
    Return an entry with the command line for the next step, or "" if the required file is not known.

    An applied plan can be undone, unless it is an undo plan or made no changes. A run that was partly undone can only
    be finalized. If a plan has several usable approvals, the operator must select one.
    """
    plan = _argument(entry.path, entry.plan, is_unique=is_unique)
    receipt = _argument(entry.receipt, entry.plan, is_unique=is_unique)
    apply_option = " --approval FILE" if entry.n_approvals > 1 else ""
    if entry.partly_undone:
        apply_option = " --finalize"
    commands = {
        "pending": ("approve", plan, " --by NAME"),
        "approval expired": ("approve", plan, " --by NAME"),
        "approved": ("apply", plan, apply_option),
        "interrupted": ("apply", plan, apply_option),
        "rejected": ("withdraw", plan, " --by NAME"),
        "blocked": ("show", plan, ""),
    }
    if entry.has_verified_changes and entry.plan.reverts is None:
        commands["applied"] = ("undo", receipt, "")
    name, argument, options = commands.get(entry.state, ("", "", ""))
    return replace(entry, next_command=f"frgroups {name} {argument}{options}" if argument else "")


def _argument(path: Path | None, plan: Plan, *, is_unique: bool) -> str:
    """
    Return the command-line argument for a plan file or a receipt, or "" if its path is not known.

    The argument is the digest if the file is in the data folder and no other file has the same digest. Otherwise, the
    argument is the path.
    """
    if path is None:
        return ""
    if is_unique and path.is_relative_to(home()):
        return plan.digest[:12]
    return shell_argument(path)


def plan_entry(plan: Plan, *, path: Path | None = None, is_unique: bool = True) -> PlanEntry:
    """
    Determine the state of a plan and the command for the next step.

    If the plan was started, its run determines the state. Otherwise, a rejection or another obstacle takes precedence
    over an approval. If several files have the same digest, pass `is_unique=False`, so that the command contains the
    path.
    """
    return with_next_command(_entry_of(plan, path), is_unique=is_unique)


def _entry_of(
    plan: Plan, path: Path | None, scan: Scan | None = None, read: ReadRegistry = read_registry
) -> PlanEntry:
    """Return the entry of a plan without conflicts and without the next command."""
    own_folder = [] if path is None else [path.parent]
    state, approval, receipt = _state_of_run(plan, read)
    if state is None:
        entry = _entry_before_run(plan, path, own_folder, scan)
    else:
        entry = PlanEntry(plan, state, approval.get("by", ""), path)
    if state == "applied":
        entry = replace(entry, has_verified_changes=_has_verified_changes(receipt))
    if state == "interrupted":
        folders = approval_folders(plan, own_folder)
        usable, _ = usable_approvals(plan, folders, scan=scan, earlier_approval=approval)
        entry = replace(entry, n_approvals=len(usable), partly_undone=bool(partly_reverted_by(plan, read)))
    return replace(entry, receipt=receipt)


def _has_verified_changes(receipt: Path | None) -> bool:
    with suppress(FrgroupsError):
        return receipt is not None and read_receipt(receipt).counts["verified"] > 0
    return False


def conflicting_plans(plan: Plan) -> list[PlanEntry]:
    """
    Return the other waiting plans in the data folder that change a group of this plan, newest plan first.

    A blocked plan cannot be applied, so it has no conflicts.
    """
    if plan.blocked:
        return []
    entries = plan_entries(tenant_uid=plan.tenant_uid, base_url=plan.base_url)
    return list(conflicts_of(PlanEntry(plan, "pending"), entries))


def conflict_sentence(plan: Plan, other: PlanEntry) -> str:
    """Return a warning about two waiting plans that change the same group."""
    uids = {group.uid for group in plan.groups}
    names = format_list([group.name for group in other.plan.groups if group.uid in uids])
    name = f"plan {other.plan.digest[:12]}"
    if other.plan.digest == plan.digest:
        name = f"the file {other.path} of the same plan"
    return f"Plan {plan.digest[:12]} and {name} ({other.state}) both change {names}. Check that both are needed."


def conflicts_of(entry: PlanEntry, others: Iterable[PlanEntry]) -> Iterator[PlanEntry]:
    """Yield the other waiting plans that change a group of this waiting plan."""
    if entry.state not in WAITING:
        return
    plan, uids = entry.plan, {group.uid for group in entry.plan.groups}
    for other in others:
        is_same_tenant = (other.plan.tenant_uid, other.plan.base_url) == (plan.tenant_uid, plan.base_url)
        is_other_plan = other.key != entry.key and other.state in WAITING and is_same_tenant
        if is_other_plan and not uids.isdisjoint(group.uid for group in other.plan.groups):
            yield other


def _state_of_run(plan: Plan, read: ReadRegistry) -> tuple[State | None, dict[str, str], Path | None]:
    """Return the state of a plan that was started, the approval of its last run, and the path of its receipt."""
    path = registered_journal(plan, read)
    if path is None or not path.exists():
        return None, {}, None
    try:
        journal = Journal(path)
    except CorruptFileError:
        return "interrupted", {}, None
    receipt_path = journal.receipt_path if journal.receipt_path.exists() else None
    approval = journal.state.approval
    is_complete = journal.state.ended and receipt_path is not None
    if not is_complete and not journal.state.n_sent:
        return None, {}, receipt_path
    if reverted_by(plan, read) or (is_complete and _is_undone_in_parts(plan, receipt_path, read)):
        return "undone", approval, receipt_path
    return ("applied" if is_complete else "interrupted"), approval, receipt_path


def _is_undone_in_parts(plan: Plan, receipt_path: Path | None, read: ReadRegistry) -> bool:
    """Return True if partial undos have reversed all changes of a plan. An unreadable receipt counts as False."""
    if receipt_path is None or not partly_reverted_by(plan, read):
        return False
    try:
        return bool(undone_in_parts_by(read_receipt(receipt_path), read))
    except FrgroupsError:
        return False


def _state_of_receipt(receipt: Receipt, read: ReadRegistry) -> tuple[State, str]:
    reviewer = receipt.approval.get("by", "")
    if reverted_by(receipt.plan, read) or undone_in_parts_by(receipt, read):
        return "undone", reviewer
    return ("applied" if receipt.complete else "interrupted"), reviewer


def _entry_before_run(plan: Plan, path: Path | None, own_folder: list[Path], scan: Scan | None) -> PlanEntry:
    """Return the entry of a plan that was not started."""
    entry = PlanEntry(plan, "pending", path=path)
    if read_record(plan).superseded_by(plan):
        return replace(entry, state="superseded")
    try:
        rejections = rejections_in_force(plan, own_folder, scan)
    except NotApprovedError:  # A corrupt file might be a rejection of the plan.
        return replace(entry, state="rejected")
    if rejections:
        return replace(entry, state="rejected", reviewer=rejections[-1].by)
    if plan.blocked:
        return replace(entry, state="blocked")
    now = datetime.now(UTC)
    if plan_age_violations(plan.limits, now - plan.planned_at):
        return replace(entry, state="plan expired")
    if path is not None and is_in_queue(path) and path.resolve().parent.name == "stopped":
        return replace(entry, state="blocked")
    folders = approval_folders(plan, own_folder)
    approvals = found_approvals(plan, folders, scan)
    usable = {choice.path for choice in usable_approvals(plan, folders, scan=scan)[0]}
    state: State = "approved"
    candidates = [approval for approval in approvals if approval.path in usable]
    if not candidates:
        state = "approval expired"
        candidates = [approval for approval in approvals if approval.until < now]
    if not candidates:
        return entry
    reviewer = max(candidates, key=lambda candidate: candidate.until).by
    return replace(entry, state=state, reviewer=reviewer, n_approvals=len(usable))


def stored_plan_files(tenant_uid: str | None = None, base_url: str | None = None) -> list[Path]:
    """
    Return the paths of the plan files that `list_plans` lists.

    The files are in the queue, in the folder `plans`, in the registry of started plans, or in the list of plans that
    were saved with `--out`. None selects all tenants or all hosts.
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
        if tenant_uid in (None, plan.tenant_uid) and base_url in (None, plan.base_url):
            yield path, plan


def _stored_receipts(tenant_uid: str | None, base_url: str | None) -> Iterator[Receipt]:
    for path in receipt_files():
        try:
            receipt = read_receipt(path)
        except FrgroupsError as error:
            log_event(log, logging.WARNING, "receipt_not_read", f"A receipt is not listed. {error.message}")
            continue
        plan = receipt.plan
        if tenant_uid in (None, plan.tenant_uid) and base_url in (None, plan.base_url):
            yield receipt


def receipt_files() -> list[Path]:
    """Return the paths of all receipts in the data folder."""
    return sorted(data_subdir("journals").glob("*/*.receipt.json"))
