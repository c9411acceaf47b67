"""Tests for the notice in a review about the times at which a plan can be applied."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

import frgroups as fg
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


@pytest.mark.parametrize(
    ("freeze_hours", "valid_hours", "rules", "is_warning"),
    [
        (80, 72, ["early_approval"], True),
        (80, 60, ["early_approval"], True),
        (60, 72, ["approval"], False),
        (80, 120, ["approval"], False),
        (80, (72, 120), ["early_approval", "approval"], False),
        (200, 72, ["approval"], True),
    ],
)
def test_approved_before_freeze(plan, tmp_path, freeze_hours, valid_hours, rules, is_warning):
    "An approval is sufficient if it is valid when the freeze ends. Otherwise, the review offers a new approval."
    plan = fg.read_plan(plan.save(tmp_path / "a.plan.json"))
    now = datetime.now(UTC)
    end = now + timedelta(hours=freeze_hours)
    write_windows(FREEZE.format((now - timedelta(hours=1)).isoformat(), end.isoformat()), plan)
    for hours in valid_hours if isinstance(valid_hours, tuple) else [valid_hours]:
        fg.approve_plan(plan, tmp_path / f"{hours}.approval.json", by="Kari", valid_for=f"{hours}h")

    *approvals, window = plan_notices(plan, KnownDrift())

    assert sorted(notice.rule for notice in approvals) == sorted(rules) and window.is_warning == is_warning
    page = content(save_review(plan, tmp_path / "r.html"))
    assert ('id="approve"' in page) == (rules == ["early_approval"]) == ("If you approve the plan before" in page)
    assert ("A new approval is needed" in page) == (rules == ["early_approval"])
    assert ("with this approval until" in page) == ("approval" in rules and freeze_hours < 168)


def test_approval_that_expires_in_freeze(plan, tmp_path):
    "If an approval expires during a later freeze, the plan can be applied with it until the freeze starts."
    plan = fg.read_plan(plan.save(tmp_path / "a.plan.json"))
    start = datetime.now(UTC) + timedelta(days=2)
    write_windows(FREEZE.format(start.isoformat(), (start + timedelta(days=3)).isoformat()), plan)
    fg.approve_plan(plan, tmp_path / "a.approval.json", by="Kari")

    assert f"until {format_utc(start)}" in plan_notices(plan, KnownDrift())[0].message


def test_override_of_long_freeze(plan, tmp_path):
    "If a freeze ends after the plan expires, the review offers an approval as frgroups approve does, and says why."
    now = datetime.now(UTC)
    write_windows(FREEZE.format(now.isoformat(), (now + timedelta(days=10)).isoformat()), plan)

    page = content(save_review(plan, tmp_path / "r.html"))

    assert 'id="approve"' in page and "overrides the freezes" in page


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
