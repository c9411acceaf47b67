"""Tests for the comparison of a plan with newer data in the data folder, in the review and in `frgroups approve`."""

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import frgroups as fg
from frgroups.apply.known_drift import known_drift
from frgroups.apply.plan_list import plan_entry
from frgroups.apply.plan_review import ReviewState, review_state
from frgroups.cli.main import main
from frgroups.internals.formatting import format_utc
from frgroups.review.decision_record import record_path
from frgroups.review.plan_status import NEW_PLAN, NEW_PLAN_STEPS
from tests.review.test_review_status import interrupted
from tests.world import UIDS, put_group_of_all, select_sandbox

GREEN = "Within all limits"
NEW = [f"new-{n}" for n in range(8)]
NO_DRIFT_LIMIT = fg.Limits(drift_share=None, drift_floor=None)


@pytest.fixture
def tenant(running, monkeypatch):
    """Return a sandbox with a group of 30 customers. Environment variables select the sandbox."""
    select_sandbox(running, monkeypatch)
    put_group_of_all(running)
    running.put_customers([*UIDS, *NEW])
    return running


@pytest.fixture
def taken(tenant):
    """Return a snapshot of the sandbox."""
    with tenant.client() as client:
        return fg.load_snapshot(client, cache=False)


def saved(taken, wanted, folder, **options):
    """Return a plan, read from a plan file."""
    return fg.read_plan(fg.plan_memberships(taken, wanted, **options).save(folder / "b.plan.json"))


def apply(tenant, plan):
    """Apply a plan in a sandbox, and return the receipt."""
    with tenant.client(writable=True) as client:
        return fg.apply_plan(client, plan, approval=plan.digest)


def page_of(plan, folder):
    """Return the HTML of the review page without its scripts and styles."""
    page = fg.save_review(plan, folder / "r.html").read_text(encoding="utf-8")
    return re.sub(r"<(script|style)[^>]*>.*?</\1>", "", page, flags=re.DOTALL)


@pytest.mark.parametrize("is_loaded", [False, True])
@pytest.mark.parametrize(("n", "code"), [(2, 0), (8, 4)])
def test_plan_of_same_group_was_applied(tenant, taken, tmp_path, capsys, n, code, is_loaded):
    "The review names the plan that changed the group. Approve and apply have the exit code that the page announces."
    plan = saved(taken, {"all": [*UIDS[1:], NEW[0]]}, tmp_path, mode="mirror")
    other = fg.plan_memberships(taken, {"all": NEW[:n]})
    apply(tenant, other)
    if is_loaded:
        assert main(["load"]) == 0

    state, page = review_state(plan), page_of(plan, tmp_path)

    assert f"Plan {other.digest[:12]} changed All on 20" in page and f"{n} customers joined" in page
    assert "1 change of this plan is already in effect" in page
    is_blocked = code != 0
    assert (state.status is not None) == is_blocked and ("Out of date: " in page) == is_blocked
    assert ('id="approve"' in page) != is_blocked and (GREEN in page) != is_blocked
    assert [notice.rule for notice in state.notices] == ([] if is_blocked else ["applied"])
    assert main(["approve", str(plan.path), "--by", "Kari"]) == code
    assert plan.path.with_suffix(".approval.json").exists() != is_blocked
    fg.approve_plan(plan, tmp_path / "ok.approval.json", by="Kari")
    assert main(["apply", str(plan.path), "--approval", str(tmp_path / "ok.approval.json")]) == code
    capsys.readouterr()


def test_interrupted_plan_of_same_group(tenant, taken, tmp_path, monkeypatch):
    "If the run of the other plan was interrupted, the review does not state that the plan can still be applied."
    plan = saved(taken, {"all": [NEW[0]]}, tmp_path)
    interrupted(tenant, fg.plan_memberships(taken, {"all": NEW}), monkeypatch)

    [notice] = review_state(plan).notices

    assert "not known" in notice.message and "can still be applied, because" not in notice.message


def test_limits_of_newer_data(tenant, taken, tmp_path, capsys):
    "If the changes exceed a limit only in the newer data, the review has no decision, and approve returns 3."
    plan = saved(taken, {"all": UIDS[:3]}, tmp_path, mode="remove", limits=NO_DRIFT_LIMIT)
    tenant.remove_members("all", UIDS[10:])
    assert review_state(plan).status is None and main(["load"]) == 0

    assert review_state(plan).status.title == "Out of date"
    assert main(["approve", str(plan.path), "--by", "Kari"]) == 3
    assert "3 of 10" in (error := capsys.readouterr().err) and "limit" in error


@pytest.mark.parametrize("change", ["deleted", "created", "renamed"])
def test_changed_groups(tenant, taken, tmp_path, change):
    "A group that no longer exists, that already exists, or whose name belongs to another group prevents a decision."
    plan = saved(taken, {"all": NEW[:1], "x": NEW[:1]}, tmp_path, create={"x": "X"})
    if change == "deleted":
        tenant.delete_group("all")
    elif change == "created":
        tenant.put_group("x", "Y")
    else:
        tenant.put_group("all", "Z")
        tenant.put_group("y", "All")
    assert review_state(plan).status is None and main(["load"]) == 0

    assert review_state(plan).status.title == "Out of date"
    assert [uid for uid, _ in known_drift(plan).problems] == ["x" if change == "created" else "all"]


def test_own_changes_are_no_drift(tenant, taken, tmp_path):
    "The changes of a plan's own run and of an undo are not changes of another plan."
    plan = saved(taken, {"all": NEW}, tmp_path)
    undo = fg.plan_undo(apply(tenant, plan))

    assert known_drift(plan).later == () and not known_drift(plan).blocks
    assert review_state(undo).status is None and review_state(undo).notices == ()


def test_suppressed_since_planning(taken, tmp_path):
    "If the suppression list contains an added customer now, the review has no decision, and approve returns 3."
    plan = saved(taken, {"all": NEW}, tmp_path)
    fg.add_suppression_entries(taken, pd.DataFrame({"customer_uid": NEW[:2]}))

    assert review_state(plan).status.title == "Cannot be applied"
    message = review_state(plan).status.message
    assert (
        "2 customers" in message and str(fg.home()) not in message and 'id="approve"' not in page_of(plan, tmp_path)
    )
    assert main(["approve", str(plan.path), "--by", "Kari"]) == 3


def test_undo_of_resumed_plan(taken, tmp_path, monkeypatch):
    "An undo plan whose original plan was resumed has no decision."
    plan = replace(saved(taken, {"all": NEW}, tmp_path), reverts="3f" * 32)
    monkeypatch.setattr("frgroups.apply.plan_list.receipt_after_resume", lambda *_: Path("a.receipt.json"))

    assert "resumed" in review_state(plan).status.message


def test_damaged_record(taken, tmp_path):
    "If the record of decisions is damaged, the review has no decision, because approve and apply stop."
    plan = saved(taken, {"all": NEW}, tmp_path)
    path = record_path(plan.tenant_uid, plan.base_url)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("damaged", encoding="utf-8")

    assert 'id="approve"' not in page_of(plan, tmp_path)
    assert "not known" in review_state(plan).status.message
    assert main(["approve", str(plan.path), "--by", "Kari"]) != 0


@pytest.mark.parametrize("is_loaded", [False, True])
def test_stopped_run(tenant, taken, tmp_path, is_loaded):
    "A plan whose run stopped for drift is compared with newer data in the same way as a plan that was never run."
    plan = saved(taken, {"all": NEW[:1]}, tmp_path, limits=fg.Limits(drift_share=0.0, drift_floor=0))
    tenant.remove_members("all", UIDS[:2])
    with pytest.raises(fg.errors.DriftError):
        apply(tenant, plan)
    assert not is_loaded or main(["load"]) == 0

    assert (review_state(plan).status is not None) == is_loaded
    page, warnings = page_of(plan, tmp_path), plan_entry(plan, path=plan.path).values()["warnings"]
    assert ('id="approve"' in page) != is_loaded
    assert NEW_PLAN in page and NEW_PLAN_STEPS not in page and NEW_PLAN_STEPS in warnings
    assert main(["approve", str(plan.path), "--by", "Kari"]) == (4 if is_loaded else 0)


def test_undo_of_undone_plan(tenant, taken, tmp_path):
    "An undo plan whose original plan was already undone has no decision, and approve returns 3."
    receipt = apply(tenant, saved(taken, {"all": NEW}, tmp_path))
    undo, second = fg.plan_undo(receipt), fg.read_plan(fg.plan_undo(receipt).save(tmp_path / "u.plan.json"))
    apply(tenant, undo)

    message = review_state(second).status.message
    assert receipt.plan.digest[:12] in message and undo.digest[:12] in message
    assert 'id="approve"' not in page_of(second, tmp_path)
    assert main(["approve", str(second.path), "--by", "Kari"]) == 3


def test_inconsistent_receipt(tenant, taken, tmp_path):
    "The members in a receipt are compared only if the last read of the group was consistent."
    plan = saved(taken, {"all": NEW[:1]}, tmp_path, limits=fg.Limits(drift_share=0.0, drift_floor=1))
    receipt = apply(tenant, fg.plan_memberships(taken, {"all": NEW[1:2]}))
    replace(receipt, members_after={"all": ()}).save(receipt.path)
    assert known_drift(plan).blocks

    replace(receipt, members_after={"all": ()}, consistent_groups=frozenset()).save(receipt.path)

    assert not known_drift(plan).blocks


@pytest.mark.parametrize("note", ["", "1 record had no uid"])
def test_unverified_group_list(tenant, taken, tmp_path, note):
    "A group that is missing in a newer snapshot no longer exists only if the list of groups is verified."
    plan = saved(taken, {"all": NEW[:1]}, tmp_path)
    tenant.delete_group("all")
    with tenant.client() as client:
        newer = fg.load_snapshot(client, cache=False)
    fg.save_snapshot(replace(newer, verdict="unverifiable" if note else newer.verdict, groups_note=note))

    assert known_drift(plan).blocks == (not note)


def test_later_plans(tenant, taken, tmp_path):
    "Each plan that changed the groups is described in one sentence, newest first, and at most five are named."
    tenant.put_group("other", "Other")
    with tenant.client() as client:
        newer = fg.load_snapshot(client, cache=False)
    plan = saved(newer, {"all": NEW[:1], "other": NEW[:1]}, tmp_path, limits=NO_DRIFT_LIMIT)
    members = [{"all": [uid], "other": [uid]} for uid in NEW[1:8]]
    others = [fg.plan_memberships(newer, wanted, limits=NO_DRIFT_LIMIT) for wanted in members]
    for other in others:
        apply(tenant, other)

    *sentences, last = known_drift(plan).later

    assert [other.digest[:12] in text for other, text in zip(others[:1:-1], sentences, strict=True)] == [True] * 5
    assert (
        all("All and Other" in text and "1 customer joined" in text for text in sentences) and "2 more plans" in last
    )


@pytest.mark.parametrize("is_loaded", [False, True])
def test_undo_after_another_plan(tenant, taken, tmp_path, capsys, is_loaded):
    "An undo plan starts from the newest data, so it can be applied after another plan changed many other customers."
    receipt = apply(tenant, fg.plan_memberships(taken, {"all": NEW[:2]}))
    apply(tenant, fg.plan_memberships(taken, {"all": NEW[2:]}))
    tenant.remove_members("all", NEW[1:2])
    if is_loaded:
        assert main(["load"]) == 0

    assert main(["undo", str(receipt.path), "--out", str(tmp_path / "undo.json")]) == 0
    undo = fg.read_plan(tmp_path / "undo.json")

    assert (undo.groups[0].baseline == tuple(sorted([*UIDS, *NEW[:1], *NEW[2:]]))) == is_loaded
    assert undo.n_remove == (1 if is_loaded else 2)
    assert review_state(undo) == ReviewState()
    assert main(["approve", str(undo.path), "--by", "Kari"]) == 0 and main(["apply", str(undo.path)]) == 0
    capsys.readouterr()


def test_changes_without_a_plan(tenant, taken, tmp_path):
    "If newer data differs in fewer customers than the drift limit, or in the name, the review states the difference."
    plan = saved(taken, {"all": NEW[:1]}, tmp_path)
    apply(tenant, fg.plan_memberships(taken, {"all": NEW[1:2]}))
    tenant.remove_members("all", UIDS[:1])
    tenant.put_group("all", "Everyone")
    assert main(["load"]) == 0

    state = review_state(plan)

    assert state.status is None and [notice.rule for notice in state.notices] == ["changed", "applied"]
    assert "0 customers joined All and 1 left without a plan" in state.notices[0].message
    assert f"{len(UIDS)} members" in state.notices[0].message and "the name Everyone" in state.notices[0].message


@pytest.mark.parametrize("n", [3, 8])
def test_planned_changes_without_a_plan(tenant, taken, tmp_path, n):
    "If a user made changes of the plan directly in the tenant, the review states their number after the next load."
    plan = saved(taken, {"all": NEW}, tmp_path)
    tenant.add_members("all", NEW[:n])
    assert review_state(plan) == ReviewState() and main(["load"]) == 0

    state = review_state(plan)

    assert state.status is None and [(notice.rule, notice.is_warning) for notice in state.notices] == [
        ("changed", True)
    ]
    assert f"{n} changes of this plan are already in effect" in state.notices[0].message
    assert f"data read at {format_utc(known_drift(plan).in_effect_at)}" in state.notices[0].message
