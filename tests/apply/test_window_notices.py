"""Tests for the notice in a review about the times at which a plan can be applied."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from frgroups.apply.apply_windows import Window
from frgroups.apply.known_drift import KnownDrift
from frgroups.apply.plan_notices import plan_notices
from frgroups.apply.plan_review import save_review
from frgroups.internals.formatting import format_utc
from frgroups.review.approval import VALID_FOR
from frgroups.review.plan_sentences import plan_expires
from tests.review.test_review_formats import content
from tests.review.test_writer import planned
from tests.windows import write_freeze, write_windows

FREEZE = '[[freeze]]\nfrom = {}\nto = {}\nreason = "Black Week"\n'
WINDOW = 'timezone = "Europe/Oslo"\n[[window]]\ndays = "mon-fri"\nhours = "07:00-17:00"\n'


@pytest.fixture
def plan(home_folder):
    """Return a plan that was created now."""
    now = datetime.now(UTC)
    return replace(planned(), planned_at=now, snapshot_taken_at=now)


def notices(plan):
    """Return the notices about the apply windows of a plan."""
    return [notice for notice in plan_notices(plan, KnownDrift()) if notice.rule == "windows"]


@pytest.mark.parametrize("ending", ["html", "md", "txt", "xlsx"])
def test_freeze(plan, tmp_path, ending):
    "During a freeze, the review states its reason, its end, and the time from which the plan can be applied."
    end = write_freeze(plan)

    text = content(save_review(plan, tmp_path / f"r.{ending}"))

    assert "Black Week" in text and text.count(format_utc(end)) >= 2


def test_window(plan):
    "The notice names the days, the hours, and the timezone of the windows."
    write_windows(WINDOW, plan)

    [notice] = notices(plan)

    assert "Monday to Friday, 07:00-17:00 (Europe/Oslo)" in notice.message and not notice.is_warning


@pytest.mark.parametrize(
    ("start", "end", "is_warning"), [(-1, 10, True), (2, 3, False), (8, 9, None), (-3, -2, None)]
)
def test_freeze_and_expiry(plan, start, end, is_warning):
    "A freeze that ends after the plan expires is a warning. A freeze that does not overlap with it is not stated."
    first, last = (datetime.now(UTC) + timedelta(days=days) for days in (start, end))
    write_windows(FREEZE.format(first.isoformat(), last.isoformat()), plan)

    assert [notice.is_warning for notice in notices(plan)] == ([] if is_warning is None else [is_warning])


def test_freeze_and_approval(plan):
    "A freeze that ends after an approval would expire is a warning with the earliest time for the approval."
    now = datetime.now(UTC)
    end = now + VALID_FOR + timedelta(days=1)
    write_windows(FREEZE.format(now.isoformat(), end.isoformat()), plan)

    [notice] = notices(plan)

    assert notice.is_warning and format_utc(end - VALID_FOR) in notice.message
    assert format_utc(plan_expires(plan)) in notice.message and "new plan" not in notice.message


def test_no_notice(plan):
    "Without windows, and for a plan that cannot be approved, there is no notice."
    assert notices(plan) == []
    write_freeze(plan)
    assert notices(replace(plan, groups=())) == []


@pytest.mark.parametrize(
    ("days", "text"),
    [({0, 1}, "Monday and Tuesday"), (set(range(7)), "every day"), ({0, 2, 3, 4}, "Monday and Wednesday to Friday")],
)
def test_days(days, text):
    "At least three successive days of a window are named as a range."
    window = Window(frozenset(days), 0, 24 * 60, ZoneInfo("UTC"))

    assert str(window) == f"{text}, 00:00-24:00 (UTC)"
