"""State of a plan about which no decision is required, as the review shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from frgroups.internals.formatting import agree, format_list, format_utc, pluralize
from frgroups.plan.plan import Plan
from frgroups.review.decision_record import Rejection
from frgroups.review.plan_sentences import WITHDRAW_ADVICE, plan_expires


@dataclass(frozen=True, slots=True)
class PlanStatus:
    """
    Reason why a plan cannot be approved, although it exceeds no limit.

    Attributes
    ----------
    message
        One or two sentences that describe the state of the plan.
    advice
        A sentence that states what the reviewer can do.
    level
        "blocked" if the plan must not be applied, "warning" if only some of its changes took effect, or "done" if all
        of them did.
    """

    message: str
    advice: str
    level: Literal["blocked", "warning", "done"] = "blocked"

    def __str__(self) -> str:
        return f"{self.message} {self.advice}"


NoticeRule = Literal[
    "withdrawal",
    "approval",
    "conflict",
    "drift",
    "limits",
    "rejected_changes",
    "applied_before",
    "already_undone",
    "windows",
]


@dataclass(frozen=True, slots=True)
class Notice:
    """
    Fact from the data folder about a plan. It does not prevent a decision.

    Attributes
    ----------
    rule
        "withdrawal" (of a rejection), "approval" (that exists already), "conflict" (with another plan), "drift",
        "limits" (that the current members exceed), "rejected_changes" (of another plan), "applied_before" (an equal
        plan), "already_undone" (the original plan of an undo plan), or "windows" (the times at which the plan can be
        applied).
    message
        One or more sentences for the reviewer.
    is_warning
        Whether the fact is a problem that the reviewer must consider.
    """

    rule: NoticeRule
    message: str
    is_warning: bool = False

    def __str__(self) -> str:
        return f"Warning: {self.message}" if self.is_warning else self.message


NEW_PLAN = "Ask the operator for a new plan if the changes are still needed."
NO_DECISION = "No decision is required."
MAX_SIZES = 5  # Maximum number of groups whose number of members is stated.
# Texts for the number of changes in each state of an applied plan's receipt.
_STATE_TEXTS = {
    "rejected": ("{n} was rejected by the server", "{n} were rejected by the server"),
    "not_effective": (
        "{n} was accepted by the server, but did not take effect",
        "{n} were accepted by the server, but did not take effect",
    ),
    "not_sent": ("{n} was not sent", "{n} were not sent"),
    "unknown": ("{n} could not be checked", "{n} could not be checked"),
}


def rejected_status(rejections: Sequence[Rejection]) -> PlanStatus:
    """Return the status of a rejected plan, with the newest rejection."""
    return PlanStatus(
        f"{rejections[-1].sentence()} The rejection blocks all plans that contain the rejected changes.",
        WITHDRAW_ADVICE,
    )


def damaged_status() -> PlanStatus:
    """Return the status of a plan that might be rejected in a damaged file."""
    return PlanStatus(
        "A damaged file might be a rejection of these changes.", "Ask the operator to restore or delete the file."
    )


def superseded_status(new_digest: str) -> PlanStatus:
    """Return the status of a plan that a newer plan replaces."""
    return PlanStatus(f"The newer plan {new_digest[:12]} replaces this plan.", "Review the newer plan instead.")


def expired_status(plan: Plan) -> PlanStatus:
    """Return the status of a plan that is older than its age limit."""
    expires = plan_expires(plan)
    return PlanStatus(f"This plan expired{_on(expires)} and cannot be applied.", NEW_PLAN)


def applied_status(at: datetime | None) -> PlanStatus:
    """Return the status of an applied plan whose changes all took effect."""
    return PlanStatus(f"This plan was applied{_on(at)}.", NO_DECISION, "done")


def partly_applied_status(
    at: datetime | None, counts: Mapping[str, int], *, sizes: Mapping[str, int], n_not_created: int = 0
) -> PlanStatus:
    """
    Return the status of an applied plan with changes that did not take effect.

    Parameters
    ----------
    at
        Time at which the plan was started.
    counts
        Number of changes by their state in the receipt.
    sizes
        Number of members of each group after the run, by group name.
    n_not_created
        Number of groups that the plan did not create.

    Examples
    --------
    >>> partly_applied_status(None, {"verified": 98, "rejected": 2}, sizes={"VIP": 198}).message
    'This plan was partly applied: 98 of 100 changes took effect, and 2 were rejected by the server. After the run, \
VIP had 198 members.'
    """
    n_effective = counts.get("verified", 0) + counts.get("already", 0)
    parts = [f"{n_effective:,} of {pluralize(sum(counts.values()), 'change')} took effect"]
    for state, texts in _STATE_TEXTS.items():
        n = counts.get(state, 0)
        if n:
            parts.append(agree(n, *texts).format(n=f"{n:,}"))
    if n_not_created:
        parts.append(f"{pluralize(n_not_created, 'new group')} {agree(n_not_created, 'was', 'were')} not created")
    text = f"This plan was partly applied{_on(at)}: {_join_clauses(parts)}."
    return PlanStatus(text + _sizes_sentence(sizes), NEW_PLAN, "warning")


def _join_clauses(clauses: Sequence[str]) -> str:
    """Join independent clauses with commas, with ", and" before the last clause."""
    *first, last = clauses
    return f"{', '.join(first)}, and {last}" if first else last


def _sizes_sentence(sizes: Mapping[str, int]) -> str:
    if not sizes:
        return ""
    listed = [f"{name} had {pluralize(n, 'member')}" for name, n in sizes.items()]
    n_more = len(listed) - MAX_SIZES
    if n_more > 0:
        listed[MAX_SIZES:] = [f"the receipt contains {pluralize(n_more, 'more group')}"]
    return f" After the run, {format_list(listed)}."


def _on(at: datetime | None) -> str:
    return f" on {format_utc(at)}" if at else ""


@dataclass(frozen=True, slots=True)
class SentChanges:
    """
    Numbers of changes of an interrupted run, according to its journal.

    Attributes
    ----------
    n
        Number of changes in the plan.
    n_sent
        Number of changes that were sent or might have been sent.
    n_accepted, n_rejected
        Numbers of sent changes that the server accepted and rejected. For the other sent changes, no response was
        recorded.
    n_verified
        Number of changes that were read back and confirmed when the last run ended, or None if this is not known.
    """

    n: int
    n_sent: int
    n_accepted: int
    n_rejected: int
    n_verified: int | None = None

    def sentences(self) -> str:
        """
        Describe the numbers of changes.

        Examples
        --------
        >>> SentChanges(290, 200, 190, 0).sentences()
        '200 of 290 changes were sent: the server accepted 190, and for 10, no response was recorded.'
        """
        n_open = self.n_sent - self.n_accepted - self.n_rejected
        parts = [f"the server accepted {self.n_accepted:,}"]
        if self.n_rejected:
            parts.append(f"the server rejected {self.n_rejected:,}")
        if n_open > 0:
            parts.append(f"for {n_open:,}, no response was recorded")
        text = f"{self.n_sent:,} of {pluralize(self.n, 'change')} were sent: {_join_clauses(parts)}."
        if self.n_verified is not None:
            n = self.n_verified
            text += f" When the last run ended, {n:,} of them {agree(n, 'was', 'were')} in effect."
        return text


def interrupted_status(sent: SentChanges | None, *, can_resume: bool, is_rejected: bool = False) -> PlanStatus:
    """
    Return the status of a plan whose run was interrupted.

    Parameters
    ----------
    sent
        Numbers of changes, or None if the journal cannot be read.
    can_resume
        Whether the run can be resumed. Every interrupted run can be finalized.
    is_rejected
        Whether a rejection must be withdrawn before the run is resumed.
    """
    text = "The run of this plan was interrupted, so some of its changes might not be in effect."
    if sent is None:
        text += " The number of changes that were sent is not known, because the record of the run is damaged."
    else:
        text += f" {sent.sentences()}"
    advice = "The operator can resume the plan to send the other changes, or finalize it to close the run."
    if is_rejected:
        advice = (
            "The plan was rejected. The operator can finalize it to close the run, or resume it after the rejection "
            "is withdrawn."
        )
    if not can_resume:
        advice = "The plan cannot be resumed. The operator can finalize it to close the run."
    return PlanStatus(text, advice, "warning")


def undone_status(undo_digest: str) -> PlanStatus:
    """Return the status of a plan that was applied and undone."""
    return PlanStatus(
        f"This plan was applied and then undone by plan {undo_digest[:12]}, so it cannot be applied again.", NEW_PLAN
    )
