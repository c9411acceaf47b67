"""Notices for a review about the freezes and apply windows that determine when a plan can be applied."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from frgroups.apply.apply_windows import ApplyWindows, Freeze
from frgroups.apply.windows_file import read_windows
from frgroups.internals.formatting import format_list, format_utc, total_hours
from frgroups.plan.plan import Plan
from frgroups.review.approval import VALID_FOR
from frgroups.review.plan_sentences import can_be_approved, plan_expires
from frgroups.review.plan_status import Notice


def window_notices(plan: Plan) -> Iterator[Notice]:
    """
    Yield a notice with the windows and the freezes that apply to a plan before it expires.

    The times in the notice remain correct if the reviewer opens the review later. The notice is a warning if the
    plan, or an approval that is given now, expires before the plan can be applied.
    """
    if not can_be_approved(plan):
        return
    now, expires = datetime.now(UTC), plan_expires(plan)
    windows = read_windows(plan)
    sentences = list(_sentences(windows, now, expires))
    if not sentences:
        return
    opens_at = windows.state(now).opens_at
    is_late = opens_at is not None and now + VALID_FOR <= opens_at
    if opens_at is not None and expires is not None and opens_at >= expires:
        is_late = True
        sentences.append(
            f"The plan expires on {format_utc(expires)} and cannot be applied before {format_utc(opens_at)}. "
            "Ask the operator for a new plan."
        )
    elif opens_at is not None:
        until = "" if expires is None else f" until {format_utc(expires)}"
        sentences.append(f"The plan can be applied from {format_utc(opens_at)}{until}.")
        if is_late:
            sentences.append(
                f"An approval is valid for {total_hours(VALID_FOR):g} hours. If you approve the plan before "
                f"{format_utc(opens_at - VALID_FOR)}, the approval expires before the plan can be applied."
            )
    yield Notice("windows", " ".join(sentences), is_warning=is_late)


def _sentences(windows: ApplyWindows, now: datetime, expires: datetime | None) -> Iterator[str]:
    """Yield sentences about the windows, and about current and future freezes that start before the expiry."""
    if windows.windows:
        listed = format_list([str(window) for window in windows.windows], conjunction="or")
        yield f"Plans can be applied only in these hours: {listed}."
    for freeze in sorted(windows.freezes, key=lambda freeze: freeze.start):
        if freeze.end > now and (expires is None or freeze.start < expires):
            yield _freeze_sentence(freeze)


def _freeze_sentence(freeze: Freeze) -> str:
    period = f"from {format_utc(freeze.start)} to {format_utc(freeze.end)}"
    return f"No plan can be applied {period}: {freeze.reason.removesuffix('.')}."
