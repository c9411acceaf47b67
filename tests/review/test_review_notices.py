"""Tests for the facts from the data folder that a review states: decisions, other plans, and drift."""

from dataclasses import replace
from datetime import timedelta

import pytest

import frgroups as fg
from frgroups.apply.known_drift import KnownDrift
from frgroups.apply.plan_notices import plan_notices
from frgroups.apply.plan_review import review_state
from frgroups.cli.main import main
from frgroups.internals.formatting import format_utc
from frgroups.internals.paths import home
from frgroups.review.plan_folders import plans_folder
from frgroups.review.plan_sentences import plan_expires
from frgroups.review.rejections import withdraw_rejection
from frgroups.review.saved_plans import add_saved_plan
from tests.review.test_review_formats import content
from tests.review.test_review_status import FORMATS, loaded
from tests.world import UIDS


@pytest.fixture
def saved(tenant, tmp_path):
    """Return a plan that removes one customer from the group, read from a plan file."""
    plan = fg.plan_memberships(loaded(tenant), {"all": UIDS[1:]}, mode="keep_only")
    return fg.read_plan(plan.save(tmp_path / "new.plan.json"))


def rules(plan):
    """Return the rules of the notices about a plan."""
    return [notice.rule for notice in review_state(plan).notices]


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("is_in_data_folder", [False, True])
def test_approved_plan(saved, tmp_path, suffix, is_in_data_folder):
    "The review states the reviewer and the time of an approval next to the plan or in the data folder."
    folder = home() if is_in_data_folder else tmp_path
    folder.mkdir(exist_ok=True)
    fg.approve_plan(saved, folder / "ok.approval.json", by="Kari Moe")

    text = content(fg.save_review(saved, tmp_path / f"r.{suffix}"))

    assert "Kari Moe already approved this plan on 20" in text and "with this approval until 20" in text
    assert "the plan then needs a new approval" in text.replace("\n", " ")
    assert "second approval" in text and f"approved {saved.digest[:12]}" not in text
    assert f"rejected {saved.digest[:12]}" in text and 'id="approve"' not in text


def test_approval_of_expiring_plan(saved, tmp_path):
    "The end of an approval is not later than the end of the plan."
    fg.approve_plan(saved, tmp_path / "ok.approval.json", by="Kari", valid_for="30d")

    [notice] = review_state(saved).notices

    assert f"until {format_utc(plan_expires(saved))}" in notice.message


def test_expired_approval(saved, tmp_path, monkeypatch):
    "The review states that an approval has expired."
    fg.approve_plan(saved, tmp_path / "ok.approval.json", by="Kari Moe", valid_for="1s")
    later = plan_notices.__globals__["datetime"].now(tz=saved.planned_at.tzinfo) + timedelta(hours=1)

    class Later(plan_notices.__globals__["datetime"]):
        @classmethod
        def now(cls, tz=None):
            return later

    monkeypatch.setattr("frgroups.apply.plan_notices.datetime", Later)
    monkeypatch.setattr("frgroups.review.approval.datetime", Later)

    [notice] = review_state(saved).notices

    assert "Kari Moe" in notice.message and "expired" in notice.message


@pytest.mark.parametrize("suffix", FORMATS)
def test_withdrawn_rejection(saved, tmp_path, suffix):
    "The review states a withdrawn rejection, its reason, and the person who withdrew it."
    fg.approve_plan(saved, tmp_path / "no.json", by="Ola", reject="wrong week")
    withdraw_rejection(saved, by="Kari", reason="the week is correct")

    text = content(fg.save_review(saved, tmp_path / f"r.{suffix}"))

    assert "Ola rejected these changes on " in text and "wrong week" in text
    assert "Kari withdrew the rejection on " in text and "the week is correct" in text


def test_withdrawn_rejection_of_other_plan(tenant, saved, tmp_path):
    "The notice names the other plan if its withdrawn rejection concerned only some of the changes of this plan."
    plan = fg.plan_memberships(loaded(tenant), {"all": UIDS[2:]}, mode="keep_only")
    fg.approve_plan(saved, tmp_path / "no.json", by="Ola", reject="wrong week")
    withdraw_rejection(saved, by="Kari")

    [notice] = review_state(plan).notices

    assert f"Ola rejected plan {saved.digest[:12]}, which makes some of these changes" in notice.message


def test_no_notices(saved):
    "A plan without decisions, other plans, and drift has no notices."
    assert rules(saved) == []


def test_approval_of_other_reviewer(saved, tmp_path, capsys):
    "An approval by another reviewer is not replaced, but the same reviewer can approve the plan again."
    assert main(["approve", str(saved.path), "--by", "Kari"]) == 0
    path = saved.path.with_suffix(".approval.json")
    before = path.read_bytes()
    capsys.readouterr()

    assert main(["approve", str(saved.path), "--by", "Ola"]) == 8
    assert path.read_bytes() == before
    assert "Kari already approved" in (error := capsys.readouterr().err) and "--out" in error
    assert main(["approve", str(saved.path), "--by", "kari"]) == 0
    assert main(["approve", str(saved.path), "--by", "Ola", "--out", str(tmp_path / "o.approval.json")]) == 0


def test_approval_of_other_plan_is_replaced(saved, tmp_path):
    "The approval of another plan in the same file does not prevent an approval."
    path = tmp_path / "ok.approval.json"
    fg.approve_plan(saved, path, by="Kari")
    other = replace(saved, planned_at=saved.planned_at + timedelta(seconds=1))

    assert fg.approve_plan(other, path, by="Ola") == path


@pytest.mark.parametrize("suffix", FORMATS)
def test_other_plan_of_same_group(tenant, saved, tmp_path, suffix):
    "The review states the digest and the numbers of changes of another waiting plan for the same group."
    other = fg.plan_memberships(loaded(tenant), {"all": [*UIDS[3:], "x-1"]}, mode="mirror")
    other.save(plans_folder(other.tenant_uid, other.base_url) / "other.plan.json")

    text = content(fg.save_review(saved, tmp_path / f"r.{suffix}"))

    assert f"Plan {other.digest[:12]} (" in text and "also changes " in text
    assert "1 addition, 3 removals" in text
    assert rules(saved) == ["conflict"]


def test_other_plan_is_out_of_date(tenant, saved):
    "Another plan that newer data blocks is not a conflict that the reviewer must consider."
    limits = fg.Limits(drift_share=0.0, drift_floor=0)
    other = fg.plan_memberships(loaded(tenant), {"all": ["x-1"]}, limits=limits)
    other.save(plans_folder(other.tenant_uid, other.base_url) / "other.plan.json")
    tenant.remove_members("all", UIDS[-1:])
    assert main(["load"]) == 0

    [notice] = [notice for notice in review_state(saved).notices if notice.rule == "conflict"]

    assert other.digest[:12] in notice.message and "out of date" in notice.message and not notice.is_warning


def test_damaged_snapshot(tenant, saved, tmp_path, home_folder):
    "A review does not rename the folder of a damaged snapshot, and compares the plan with an older snapshot."
    tenant.remove_members("all", UIDS[-8:])
    assert main(["load"]) == 0
    assert main(["load"]) == 0
    [*_, newest] = sorted(home_folder.glob("snapshots/*/*/*/customers.parquet"))
    newest.write_bytes(b"half")

    fg.save_review(saved, tmp_path / "r.html")

    assert newest.exists() and review_state(saved).status.title == "Out of date"


def test_approval_reads(tenant, saved, tmp_path, n_reads):
    "The notices about a plan require one read of each approval file, even if other plans change the same group."
    approval = fg.approve_plan(saved, tmp_path / "ok.approval.json", by="Kari Moe")
    other = fg.plan_memberships(loaded(tenant), {"all": UIDS[2:]}, mode="keep_only")
    add_saved_plan(other, other.save(tmp_path / "other.plan.json"))
    n_reads.clear()

    assert [notice.rule for notice in plan_notices(saved, KnownDrift())] == ["approval", "conflict"]
    assert n_reads[approval] == 1


@pytest.mark.parametrize(("n_left", "is_drift"), [(3, False), (8, True)])
def test_drift(tenant, saved, tmp_path, capsys, n_left, is_drift):
    "If a newer stored snapshot shows more drift than the plan allows, the review states both numbers of members."
    tenant.remove_members("all", UIDS[-n_left:])
    assert main(["load"]) == 0

    assert rules(saved) == ([] if is_drift else ["changed"])
    for suffix in FORMATS:
        text = content(fg.save_review(saved, tmp_path / f"r.{suffix}"))
        assert ("had 30 members" in text and "22 in the data read at" in text) == is_drift
        assert ("approved " + saved.digest[:12] in text.replace('<span class="mono">', "")) != is_drift
    capsys.readouterr()
    for option in ([], ["-q"]):
        assert main(["review", str(saved.path), *option]) == 0
        assert ("cannot be applied" in capsys.readouterr().err) == (is_drift and not option)


def test_plans_are_read_once(saved, monkeypatch):
    "The command frgroups review reads the plans in the data folder only once."
    calls = []
    monkeypatch.setattr("frgroups.apply.plan_list.plan_entries", lambda **options: calls.append(options) or [])

    assert main(["review", str(saved.path)]) == 0

    assert len(calls) == 1
