"""Notices that a review shows about freezes and apply windows, which determine when a plan can be applied."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from frgroups.apply.apply_windows import ApplyWindows, Freeze
from frgroups.apply.windows_file import read_windows
from frgroups.internals.formatting import format_list, format_utc, total_hours
from frgroups.plan.plan import Plan
from frgroups.review.approval import VALID_FOR
from frgroups.review.plan_sentences import can_be_approved, plan_expires
from frgroups.review.plan_status import Notice


@dataclass(frozen=True, slots=True)
class ApplyTimes:
    """
    Times at which a plan can be applied without an override.

    Attributes
    ----------
    now
        Current time.
    expires
        Time at which the plan expires, or None if it does not expire.
    windows
        Freezes and apply windows of the tenant.
    opens_at
        First time at which plans can be applied, or None if plans can be applied now.
    """

    now: datetime
    expires: datetime | None
    windows: ApplyWindows = field(default_factory=ApplyWindows)
    opens_at: datetime | None = None

    def end(self, until: datetime | None = None) -> datetime | None:
        """
        Return the time until which the plan can be applied with an approval that expires at `until`.

        If the approval or the plan expires during a freeze, the result is the start of the freeze. None means that
        the time is not limited.
        """
        end = min((time for time in (until, self.expires) if time is not None), default=None)
        for freeze in sorted(self.windows.freezes, key=lambda freeze: freeze.end, reverse=True):
            if end is not None and freeze.start < end <= freeze.end:
                end = freeze.start
        return end

    def is_reached(self, until: datetime | None = None) -> bool:
        """Return True if the plan can be applied before it expires and before an approval expires at `until`."""
        end = self.end(until)
        return self.opens_at is None or end is None or self.opens_at < end


def apply_times(plan: Plan) -> ApplyTimes:
    """
    Return the times at which a plan can be applied.

    Raises
    ------
    InputError
        The file with the freezes and the apply windows is invalid.
    """
    now, windows = datetime.now(UTC), read_windows(plan)
    return ApplyTimes(now, plan_expires(plan), windows, windows.state(now).opens_at)


def window_notices(plan: Plan, times: ApplyTimes, *, is_approved: bool = False) -> Iterator[Notice]:
    """
    Yield a notice with the apply windows and the freezes that affect a plan before the plan expires.

    The times in the notice remain correct if the reviewer opens the review later. The notice is a warning if the
    plan, or an approval that is given now, expires before the plan can be applied. An approved plan needs no new
    approval, so the notice about an approved plan does not mention the expiry of a new approval.
    """
    if not can_be_approved(plan):
        return
    sentences = list(_sentences(times))
    if not sentences:
        return
    opens_at, is_warning = times.opens_at, False
    if opens_at is not None and times.expires is not None and not times.is_reached():
        is_warning = True
        # `frgroups approve` accepts such a plan too, because the operator can override the freezes and the windows.
        sentences.append(
            f"The plan expires on {format_utc(times.expires)} and cannot be applied before {format_utc(opens_at)}. "
            "An approval has an effect only if the operator overrides the freezes and the apply windows. Otherwise, "
            "ask the operator for a new plan."
        )
    elif opens_at is not None:
        end = times.end()
        until = "" if end is None else f" until {format_utc(end)}"
        sentences.append(f"The plan can be applied from {format_utc(opens_at)}{until}.")
        if not is_approved and not times.is_reached(times.now + VALID_FOR):
            is_warning = True
            sentences.append(
                f"An approval is valid for {total_hours(VALID_FOR):g} hours. If you approve the plan before "
                f"{format_utc(opens_at - VALID_FOR)}, the approval expires before the plan can be applied."
            )
    yield Notice("windows", " ".join(sentences), is_warning=is_warning)


def _sentences(times: ApplyTimes) -> Iterator[str]:
    """Yield sentences about the windows, and about current and future freezes that start before the plan expires."""
    windows = times.windows
    if windows.windows:
        listed = format_list([str(window) for window in windows.windows], conjunction="or")
        yield f"Plans can be applied only in these hours: {listed}."
    for freeze in sorted(windows.freezes, key=lambda freeze: freeze.start):
        if freeze.end > times.now and (times.expires is None or freeze.start < times.expires):
            yield _freeze_sentence(freeze)


def _freeze_sentence(freeze: Freeze) -> str:
    period = f"from {format_utc(freeze.start)} to {format_utc(freeze.end)}"
    return f"No plan can be applied {period}: {freeze.reason.removesuffix('.')}."
