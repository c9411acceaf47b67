"""State of a plan about which no decision is required, as the review shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from frgroups.internals.formatting import format_utc
from frgroups.plan.plan import Plan
from frgroups.review.decision_record import Rejection
from frgroups.review.plan_sentences import plan_expires


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
    """

    message: str
    advice: str

    def __str__(self) -> str:
        return f"{self.message} {self.advice}"


NEW_PLAN = "Ask the operator for a new plan if the changes are still needed."
NO_DECISION = "No decision is required."


def rejected_status(rejections: Sequence[Rejection]) -> PlanStatus:
    """Return the status of a rejected plan, with the newest rejection."""
    return PlanStatus(
        f"{rejections[-1].sentence()} The rejection blocks all plans with the same changes.",
        "To change the decision, the operator withdraws the rejection and sends you a new review page.",
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
    when = f" on {format_utc(expires)}" if expires else ""
    return PlanStatus(f"This plan expired{when} and cannot be applied.", NEW_PLAN)


def applied_status(at: datetime | None) -> PlanStatus:
    """Return the status of a plan that was applied."""
    when = f" on {format_utc(at)}" if at else ""
    return PlanStatus(f"This plan was applied{when}.", NO_DECISION)


def interrupted_status() -> PlanStatus:
    """Return the status of a plan of which some changes were sent."""
    return PlanStatus("Some changes of this plan were already sent.", "The operator can resume the plan.")


def undone_status(undo_digest: str) -> PlanStatus:
    """Return the status of a plan that was applied and undone."""
    return PlanStatus(
        f"This plan was applied and then undone by plan {undo_digest[:12]}, so it cannot be applied again.", NEW_PLAN
    )
