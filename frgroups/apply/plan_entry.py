"""Entry for a plan in the data folder, with the plan's state, its conflicts, and the command for the next step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from frgroups.apply.plan_states import WAITING, State
from frgroups.internals.base_urls import is_same_base_url
from frgroups.internals.formatting import agree, format_list, shell_argument
from frgroups.internals.paths import home
from frgroups.plan.limit_comparisons import plan_age_violations
from frgroups.plan.plan import Plan
from frgroups.review.plan_status import Notice

MAX_CONFLICTS = 5  # Maximum number of conflicting plans that a command lists.


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
    counts
        Number of changes in each state of the receipt. Empty if the plan has no readable receipt.
    n_done
        Number of changes of an interrupted run that are in effect according to the receipt and the journal of the
        run. For other plans, the value is 0.
    n_approvals
        Number of usable approvals if the plan can be applied or resumed, otherwise 0.
    is_partly_undone
        True if a partial undo prevents an interrupted run from being resumed.
    is_rejected
        True if a rejection prevents an interrupted run from being resumed.
    resumed_receipt
        Receipt of the original plan if the original run was resumed after this undo plan was created. Otherwise None.
    is_drifted
        True if the last run sent nothing, because the plan's drift or a limit for the current members blocked the
        run.
    notices
        Facts from the data folder that the operator and the reviewer must consider.
    has_policy
        True if a policy approved the interrupted run.
    is_unique
        True if no other plan file or receipt has the same digest.
    tenant
        Name of the tenant for the option `--tenant` of the next command, or "".
    """

    plan: Plan
    state: State
    reviewer: str = ""
    path: Path | None = None
    receipt: Path | None = None
    conflicts: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=Counter)
    n_done: int = 0
    n_approvals: int = 0
    is_partly_undone: bool = False
    is_rejected: bool = False
    resumed_receipt: Path | None = None
    is_drifted: bool = False
    notices: tuple[Notice, ...] = ()
    has_policy: bool = False
    is_unique: bool = True
    tenant: str = ""

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
            "warnings": " ".join(notice.text_for_operator for notice in self.notices),
        }

    @property
    def n_not_applied(self) -> int:
        """Number of changes that are not in effect according to the receipt, for example rejected changes."""
        return sum(n for state, n in self.counts.items() if state not in ("verified", "already"))

    @property
    def must_be_finalized(self) -> bool:
        """True if an interrupted run cannot be resumed because of a partial undo, drift, or an expired plan."""
        age = datetime.now(UTC) - self.plan.planned_at
        return self.is_partly_undone or self.is_drifted or bool(plan_age_violations(self.plan.limits, age))

    @property
    def next_command(self) -> str:
        """
        Command line for the next step, or "" if there is no next step or the required file is not known.

        The next step for an applied plan is to undo the plan, unless the plan is an undo plan or made no changes. If
        the server rejected changes, the next step is to list them. If a plan has several usable approvals, the
        operator must select one. If the members have changed, or an equal plan was applied, the next step is to load
        the tenant for a new plan.
        """
        steps = {
            "pending": self._command("approve", self.path, " --by NAME"),
            "applied before": self._load_command(),
            "approval expired": self._command("approve", self.path, " --by NAME"),
            "approved": self._apply_command(),
            "interrupted": self._resume_command(),
            "rejected": self._command("withdraw", self.path, " --by NAME"),
            "blocked": self._blocked_command(),
            "applied": self._undo_command(),
        }
        return steps.get(self.state, "")

    def _apply_command(self, option: str = "") -> str:
        if not option and self.n_approvals > 1:
            option = " --approval FILE"
        return self._command("apply", self.path, option + self._tenant_option)

    def _load_command(self) -> str:
        return "" if self.path is None else f"frgroups load{self._tenant_option}"

    @property
    def _tenant_option(self) -> str:
        return f" --tenant {shell_argument(self.tenant)}" if self.tenant else ""

    def _resume_command(self) -> str:
        """Return the next command for an interrupted run. If the run cannot be resumed, the command finalizes it."""
        if self.must_be_finalized:
            return self._apply_command(" --finalize")
        if self.is_rejected:
            return self._command("withdraw", self.path, " --by NAME")
        if self.has_policy and not self.n_approvals:
            return self._apply_command(" --policy FILE")
        if not self.n_approvals:
            return self._command("approve", self.path, " --by NAME")
        return self._apply_command()

    def _blocked_command(self) -> str:
        """Return the command that prepares a replacement for a blocked plan, or the command that shows the plan."""
        if self.resumed_receipt is not None:
            return f"frgroups undo {shell_argument(self.resumed_receipt)}"
        if self.is_drifted and self.plan.reverts is None:
            return self._load_command()
        return self._command("show", self.path)

    def _undo_command(self) -> str:
        if self.n_not_applied and self.receipt is not None:
            # Pass the path of the receipt. If a digest is passed, `frgroups show` prints the plan instead.
            return f"frgroups show {shell_argument(self.receipt)}"
        if not self.counts.get("verified") or self.plan.reverts is not None:
            return ""
        return self._command("undo", self.receipt)

    def _command(self, name: str, path: Path | None, options: str = "") -> str:
        """
        Return a command for a plan file or a receipt, or "" if the path of the file is not known.

        The argument is the digest if the file is in the data folder and no other file has the same digest. Otherwise,
        the argument is the path.
        """
        if path is None:
            return ""
        is_digest = self.is_unique and path.is_relative_to(home())
        argument = self.plan.digest[:12] if is_digest else shell_argument(path)
        return f"frgroups {name} {argument}{options}"


def conflicts_of(entry: PlanEntry, others: Iterable[PlanEntry]) -> Iterator[PlanEntry]:
    """
    Yield the other waiting plans that change at least one of the groups that this plan changes.

    Plan files with the same digest make the same changes, so they count as one plan. Therefore, files with the digest
    of this plan are not yielded, and another plan with several files is yielded once.
    """
    if entry.state not in WAITING:
        return
    plan, uids = entry.plan, {group.uid for group in entry.plan.groups}
    digests = {plan.digest}
    for other in others:
        is_same_tenant = other.plan.tenant_uid == plan.tenant_uid and is_same_base_url(
            other.plan.base_url, plan.base_url
        )
        is_waiting = other.state in WAITING and is_same_tenant
        is_new = other.plan.digest not in digests
        if is_waiting and is_new and not uids.isdisjoint(group.uid for group in other.plan.groups):
            digests.add(other.plan.digest)
            yield other


def conflict_sentences(conflicts: Iterable[tuple[Plan, PlanEntry]]) -> list[str]:
    """
    Return a warning for each pair of waiting plans that change the same group.

    A pair of plans is listed once, even if a plan has several files. At most `MAX_CONFLICTS` warnings are returned.
    If there are more conflicts, an additional sentence states the number of conflicts that are not listed.
    """
    sentences: dict[frozenset[str], str] = {}
    for plan, other in conflicts:
        digests = frozenset((plan.digest, other.plan.digest))
        sentences.setdefault(digests, _conflict_sentence(plan, other))
    listed = list(sentences.values())
    n_more = len(listed) - MAX_CONFLICTS
    if n_more > 0:
        noun = agree(n_more, "conflict between plans is", "conflicts between plans are")
        listed[MAX_CONFLICTS:] = [f"{n_more:,} more {noun} not listed."]
    return listed


def _conflict_sentence(plan: Plan, other: PlanEntry) -> str:
    uids = {group.uid for group in plan.groups}
    names = format_list([group.name for group in other.plan.groups if group.uid in uids])
    return (
        f"Plan {plan.digest[:12]} and plan {other.plan.digest[:12]} ({other.state}) both change {names}. Check that "
        "both are needed."
    )
