"""State of a plan for its review: the reason why no decision is possible, and facts that the reviewer must see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from frgroups.internals.formatting import agree, format_list, format_utc, pluralize
from frgroups.plan.plan import Plan
from frgroups.review.decision_record import Rejection
from frgroups.review.plan_sentences import WITHDRAW_ADVICE, plan_expires
from frgroups.review.run_results import STATE_TEXTS, RunResults


@dataclass(frozen=True, slots=True)
class PlanStatus:
    """
    Reason why no decision about a plan is possible, although the plan exceeds no limit.

    Attributes
    ----------
    title
        One to three words that describe the state, for the headline.
    message
        One or two sentences that describe the state of the plan.
    advice
        A sentence that states what the reviewer can do.
    level
        "blocked" if the plan must not be applied, "warning" if only some of its changes took effect, or "done" if all
        of them did.
    results
        Results of the run, or None if the plan was not started or its results are not known.
    """

    title: str
    message: str
    advice: str
    level: Literal["blocked", "warning", "done"] = "blocked"
    results: RunResults | None = None

    def __str__(self) -> str:
        return f"{self.message} {self.advice}"


NoticeRule = Literal[
    "withdrawal",
    "approval",
    "early_approval",
    "expired_approval",
    "conflict",
    "applied",
    "changed",
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
        "withdrawal" (a rejection was withdrawn), "approval" (the plan has a valid approval), "early_approval" (the
        plan has a valid approval that expires before the plan can be applied), "expired_approval", "conflict"
        (another plan changes the same groups), "applied" (another plan has changed the same groups), "changed" (newer
        data differs from the plan for another reason), "drift" or "limits" (the reason why the last `apply` stopped),
        "rejected_changes" (another plan with some of these changes was rejected), "applied_before" (a plan with the
        same digest was applied), "already_undone" (the original plan of this undo plan was undone), or "windows" (the
        times at which the plan can be applied).
    message
        One or more sentences about the fact.
    is_warning
        Whether the fact is a problem that the reviewer must consider.
    needs_new_plan
        Whether the message is followed by the advice to create a new plan.
    """

    rule: NoticeRule
    message: str
    is_warning: bool = False
    needs_new_plan: bool = False

    def __str__(self) -> str:
        text = self.text_for_reviewer
        return f"Warning: {text}" if self.is_warning else text

    @property
    def text_for_reviewer(self) -> str:
        """The message, followed by the advice for the reviewer."""
        return f"{self.message} {NEW_PLAN}" if self.needs_new_plan else self.message

    @property
    def text_for_operator(self) -> str:
        """The message, followed by the advice for the operator."""
        return f"{self.message} {NEW_PLAN_STEPS}" if self.needs_new_plan else self.message


def is_approved(notices: Iterable[Notice]) -> bool:
    """Return True if the notices state that the plan already has a valid approval."""
    return any(notice.rule == "approval" for notice in notices)


def status_title(plan: Plan, status: PlanStatus | None) -> str:
    """Return the state of a plan for the headline, or "" if a decision about the plan is possible or not required."""
    if status is not None:
        return status.title
    return "Blocked" if plan.blocked else ""


NEW_PLAN = "Ask the operator for a new plan if the changes are still needed."
NEW_PLAN_STEPS = "To plan with the current members, load the tenant and create a new plan."
NO_DECISION = "No decision is required."
DAMAGED_REJECTION = "A damaged file might be a rejection of these changes."
CANNOT_BE_APPLIED = "Cannot be applied"
MAX_SIZES = 5  # Maximum number of groups whose sizes a sentence states.
MAX_REJECTIONS = 5  # Maximum number of rejections that a status describes.


def rejection_sentences(rejections: Sequence[Rejection]) -> str:
    """Describe the newest rejections of a plan, newest rejection first."""
    sentences = [rejection.sentence() for rejection in reversed(rejections)]
    n_more = len(sentences) - MAX_REJECTIONS
    if n_more > 0:
        sentences[MAX_REJECTIONS:] = [f"There {agree(n_more, 'is', 'are')} {pluralize(n_more, 'more rejection')}."]
    return " ".join(sentences)


def rejected_status(rejections: Sequence[Rejection]) -> PlanStatus:
    """Return the status of a rejected plan."""
    subject = agree(len(rejections), "The rejection blocks", "The rejections block")
    return PlanStatus(
        "Rejected",
        f"{rejection_sentences(rejections)} {subject} all plans that contain the rejected changes.",
        f"{WITHDRAW_ADVICE} After that, the plan needs a new approval.",
    )


def damaged_status() -> PlanStatus:
    """Return the status of a plan for which a damaged file might be a rejection."""
    return PlanStatus(
        CANNOT_BE_APPLIED,
        DAMAGED_REJECTION,
        "Ask the operator to restore or delete the file.",
    )


def superseded_status(new_digest: str) -> PlanStatus:
    """Return the status of a plan that a newer plan replaces."""
    return PlanStatus(
        "Replaced", f"The newer plan {new_digest[:12]} replaces this plan.", "Review the newer plan instead."
    )


def expired_status(plan: Plan) -> PlanStatus:
    """Return the status of a plan that is older than its age limit."""
    expires = plan_expires(plan)
    return PlanStatus("Expired", f"This plan expired{_on(expires)} and cannot be applied.", NEW_PLAN)


def outdated_status(plan: Plan, facts: Iterable[str], *, is_outdated: bool) -> PlanStatus:
    """
    Return the status of a plan that cannot be applied because of data that is newer than the plan.

    Parameters
    ----------
    plan
        The plan.
    facts
        Sentences about the newer data.
    is_outdated
        Whether the plan is out of date, because its groups have changed since it was created.
    """
    text = " ".join(facts)
    if not is_outdated:
        return PlanStatus(CANNOT_BE_APPLIED, f"This plan cannot be applied. {text}", NEW_PLAN)
    return PlanStatus(
        "Out of date",
        "This plan is out of date and cannot be applied, because its groups have changed. The numbers on this page "
        f"are from the data read{_at(plan.snapshot_taken_at)}. {text}",
        NEW_PLAN,
    )


def unknown_status() -> PlanStatus:
    """Return the status of a plan whose state is not known, because a file in the data folder is damaged."""
    return PlanStatus(
        CANNOT_BE_APPLIED,
        "The state of this plan is not known, because a file about it is damaged.",
        "Ask the operator to restore the file.",
    )


def resumed_original_status() -> PlanStatus:
    """Return the status of an undo plan whose original plan was resumed after the undo plan was created."""
    return PlanStatus(
        "Out of date",
        "The run of the original plan was resumed after this undo plan was created. This undo plan would not reverse "
        "the later changes, so it cannot be applied.",
        "Ask the operator for a new undo plan.",
    )


def already_undone_status(original: str, undo: str) -> PlanStatus:
    """
    Return the status of an undo plan whose original plan was already undone.

    The argument `original` is the digest of the original plan. The argument `undo` is the digest of the plan that has
    already undone the original plan.
    """
    return PlanStatus(
        CANNOT_BE_APPLIED,
        f"This plan undoes plan {original[:12]}, which was already undone by plan {undo[:12]}. It cannot be applied.",
        NO_DECISION,
    )


def applied_status(at: datetime | None, approval: str, results: RunResults) -> PlanStatus:
    """
    Return the status of an applied plan whose changes all took effect.

    `approval` is a sentence about the approval.
    """
    return PlanStatus("Applied", f"This plan was applied{_on(at)}. {approval}", NO_DECISION, "done", results)


def unreadable_result_status() -> PlanStatus:
    """Return the status of an applied plan whose receipt is missing or damaged."""
    return PlanStatus(
        "Applied",
        "This plan was applied, but the result of each change is not known, because the record of the result is "
        "damaged.",
        "Ask the operator for the current members of the groups.",
        "warning",
    )


def partly_applied_status(
    at: datetime | None,
    counts: Mapping[str, int],
    *,
    sizes: Sequence[tuple[str, int]],
    n_not_created: int = 0,
    approval: str = "",
    results: RunResults | None = None,
) -> PlanStatus:
    """
    Return the status of an applied plan with changes that did not take effect.

    Parameters
    ----------
    at
        Time at which the plan was started.
    counts
        Number of changes, keyed by their state in the receipt.
    sizes
        Name of each group and number of its members after the run, as pairs because two groups can have the same
        name.
    n_not_created
        Number of groups that the plan did not create.
    approval
        Sentence about the approval, or "".
    results
        Results of the run, or None.

    Examples
    --------
    >>> partly_applied_status(None, {"verified": 98, "rejected": 2}, sizes=[("VIP", 198)]).message
    'This plan was partly applied: 98 of 100 changes took effect, and 2 were rejected by the server. After the run, \
VIP had 198 members.'
    """
    n_already = counts.get("already", 0)
    parts = [f"{counts.get('verified', 0):,} of {pluralize(sum(counts.values()), 'change')} took effect"]
    if n_already:
        parts.append(f"{n_already:,} {agree(n_already, 'was', 'were')} already in effect")
    for state, texts in STATE_TEXTS.items():
        n = counts.get(state, 0)
        if n:
            parts.append(agree(n, *texts).format(n=f"{n:,}"))
    if n_not_created:
        parts.append(f"{pluralize(n_not_created, 'new group')} {agree(n_not_created, 'was', 'were')} not created")
    text = f"This plan was partly applied{_on(at)}: {_join_clauses(parts)}.{_sizes_sentence(sizes)}"
    return PlanStatus("Partly applied", f"{text} {approval}".rstrip(), NEW_PLAN, "warning", results)


def _join_clauses(clauses: Sequence[str]) -> str:
    """Join independent clauses with commas, with ", and" before the last clause."""
    *first, last = clauses
    return f"{', '.join(first)}, and {last}" if first else last


def _sizes_sentence(sizes: Sequence[tuple[str, int]]) -> str:
    if not sizes:
        return ""
    listed = [f"{name} had {pluralize(n, 'member')}" for name, n in sizes]
    n_more = len(listed) - MAX_SIZES
    if n_more > 0:
        listed[MAX_SIZES:] = [f"the receipt contains {pluralize(n_more, 'more group')}"]
    return f" After the run, {format_list(listed)}."


def _on(at: datetime | None) -> str:
    return f" on {format_utc(at)}" if at else ""


def _at(at: datetime) -> str:
    return f" at {format_utc(at)}"


@dataclass(frozen=True, slots=True)
class SentChanges:
    """
    Counts of the sent, accepted, and rejected changes of an interrupted run, as recorded in the run's journal.

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
    is_all_sent
        Whether the run has sent all changes that were not already in effect, and has created all new groups.
    """

    n: int
    n_sent: int
    n_accepted: int
    n_rejected: int
    n_verified: int | None = None
    is_all_sent: bool = False

    @property
    def n_unanswered(self) -> int:
        """Number of sent changes for which no response was recorded."""
        return self.n_sent - self.n_accepted - self.n_rejected

    def sentences(self) -> str:
        """
        Describe how many changes were sent, accepted, and rejected.

        Examples
        --------
        >>> SentChanges(290, 200, 190, 0).sentences()
        '200 of 290 changes were sent: the server accepted 190, and for 10, no response was recorded.'
        """
        n_open = self.n_unanswered
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


def interrupted_status(
    sent: SentChanges | None,
    *,
    can_resume: bool,
    is_rejected: bool = False,
    rejection: str = "",
    is_approved: bool = True,
    newer_data: str = "",
    approval: str = "",
    results: RunResults | None = None,
) -> PlanStatus:
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
    rejection
        Sentences about the rejections, or "" if a damaged file might be a rejection.
    is_approved
        Whether the approval of the run is still valid.
    newer_data
        Sentence about newer data that shows which of the sent changes are in effect, or "".
    approval
        Sentence about the approval, or "".
    results
        Results of the run, or None if they are not known.
    """
    text = "The run of this plan was interrupted, so some of its changes might not be in effect."
    step = "send the other changes"
    if sent is not None and sent.is_all_sent:
        # All changes were sent.
        # A resumed run reads the groups again.
        # It repeats a request only if no response was recorded and its changes are not in effect.
        step = "read the result again"
        if sent.n_unanswered:
            step += " and to repeat the requests without a response if necessary"
        else:
            text = "The run of this plan ended before it confirmed all changes."
    if sent is None:
        text += " The number of changes that were sent is not known, because the record of the run is damaged."
    else:
        text += f" {sent.sentences()}"
    text = " ".join(filter(None, (text, newer_data, approval)))
    advice = f"The operator can resume the plan to {step}, or finalize it to close the run."
    if not is_approved:
        advice += " The approval is no longer valid, so the operator needs a new approval before the plan is resumed."
    if is_rejected:
        text = f"{text} {rejection or DAMAGED_REJECTION}"
        advice = "The operator can finalize the plan to close the run, or resume it after the rejection is withdrawn."
    if not can_resume:
        advice = "The plan cannot be resumed. The operator can finalize it to close the run."
    return PlanStatus("Interrupted", text, advice, "warning", results)


def undone_status(undo_digest: str, at: datetime | None = None, approval: str = "") -> PlanStatus:
    """
    Return the status of a plan that was applied and undone.

    `at` is the time at which the plan was started, or None if it is not known. `approval` is a sentence about the
    approval, or "".
    """
    text = (
        f"This plan was applied{_on(at)} and then undone by plan {undo_digest[:12]}, so it cannot be applied again. "
        f"This page shows the changes as they were planned. {approval}"
    )
    return PlanStatus("Undone", text.rstrip(), NEW_PLAN)
