"""Tests for the withdrawal of rejections and for the approval of stopped and applied plans."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import frgroups as fg
from frgroups.apply.run_registry import register_revert
from frgroups.cli.main import main
from frgroups.review.decision_record import add_superseded
from frgroups.review.plan_folders import queue_folder
from tests.review.test_plan_queue import files, lines, queued


@pytest.fixture
def tenant(running, monkeypatch):
    """Return a sandbox with a stored snapshot. Environment variables select the sandbox for commands."""
    monkeypatch.setenv("FRGROUPS_TENANT_UID", running.tenant_uid)
    monkeypatch.setenv("FRGROUPS_TOKEN", running.token)
    monkeypatch.setenv("FRGROUPS_BASE_URL", running.base_url)
    running.reset()
    running.put_customers(["c-1", "c-2"])
    running.put_group("staff", "Staff")
    running.add_members("staff", ["c-1", "c-2"])
    assert main(["load"]) == 0
    return running


def folder_of(tenant, state):
    """Return a queue folder."""
    return queue_folder(tenant.tenant_uid, tenant.base_url, state)


def stopped_by_rejection(tenant):
    """Reject one of two plans with the same changes, and return the file names after the queue stopped both plans."""
    path = queued(tenant, "one")
    plan = fg.read_plan(path)
    names = ["first.plan.json", "second.plan.json"]
    path.rename(path.with_name(names[0]))
    replace(plan, planned_at=plan.planned_at + timedelta(seconds=1)).save(path.with_name(names[1]))
    folder = path.parent
    assert main(["approve", str(folder / names[0]), "--by", "Ola", "--reject", "no"]) == 0
    assert main(["apply", "--queue"]) == 8
    assert {*names} <= {*files(tenant, "stopped")}
    return names


def test_withdraw_restores_all_stopped_plans(tenant, tmp_path, capsys):
    "A withdrawal restores all stopped plans with the same changes, but not their approvals."
    names = stopped_by_rejection(tenant)
    words = ["--group", "one", "--create", "one", "--members", "Staff", "--out", str(tmp_path / "w.json")]
    assert main(["plan", *words]) == 0
    capsys.readouterr()

    assert main(["withdraw", str(tmp_path / "w.json"), "--by", "Kari", "--json"]) == 0

    [line] = lines(capsys)
    assert sorted(Path(path).name for path in line["restored"]) == names
    assert {*names} <= {*files(tenant, "pending")} and not {*names} & {*files(tenant, "stopped")}
    assert [name for name in files(tenant, "pending") if "approval" in name] == []
    states = fg.list_plans()
    assert set(states.loc[states["groups"] == "one", "state"]) == {"pending"}


def test_withdraw_keeps_superseded_and_other_plans(tenant, capsys):
    "A withdrawal does not restore superseded plans and stopped plans with other changes."
    names = stopped_by_rejection(tenant)
    folder = folder_of(tenant, "stopped")
    other = queued(tenant, "two")
    other.rename(folder / "other.plan.json")
    add_superseded(
        fg.read_plan(folder / names[1]), fg.read_plan(folder / "other.plan.json"), at="2026-11-30T00:00:00Z"
    )

    assert main(["withdraw", str(folder / names[0]), "--by", "Kari"]) == 0

    assert {"other.plan.json", names[1]} <= {*files(tenant, "stopped")}
    assert names[0] in files(tenant, "pending")


def test_withdraw_keeps_pending_plan_of_same_name(tenant, capsys):
    "A restored plan never replaces a pending plan that has the same file name."
    names = stopped_by_rejection(tenant)
    pending = queued(tenant, "two")
    pending = pending.rename(pending.with_name(names[0]))
    digest = fg.read_plan(pending).digest

    assert main(["withdraw", str(pending.parent.parent / "stopped" / names[1]), "--by", "Kari"]) == 0

    assert fg.read_plan(pending).digest == digest
    assert names[0] in files(tenant, "stopped") and names[1] in files(tenant, "pending")


def test_approve_stopped_plan(tenant, capsys):
    "The approval of a stopped plan moves the plan back to the queue, and the next run applies the plan."
    path = queued(tenant, "one")
    stopped = folder_of(tenant, "stopped")
    stopped.mkdir(parents=True)
    path = path.rename(stopped / path.name)

    assert main(["approve", str(path), "--by", "Kari"]) == 0
    assert path.name in files(tenant, "approved") and files(tenant, "stopped") == []
    assert main(["apply", "--queue"]) == 0
    assert "one" in tenant.groups()


def test_approve_applied_plan(tenant, capsys):
    "Approving an applied plan writes no file. The exit code is 0, or 3 if the plan was undone."
    path = queued(tenant, "one")
    assert main(["approve", str(path), "--by", "Kari"]) == 0
    assert main(["apply", "--queue"]) == 0
    [done] = [name for name in files(tenant, "done") if name.endswith(".plan.json")]
    path = folder_of(tenant, "done") / done
    before = files(tenant, "done")
    approval = path.with_suffix(".approval.json").read_bytes()
    capsys.readouterr()

    assert main(["approve", str(path), "--by", "Ola", "--json"]) == 0

    [line] = lines(capsys)
    assert (line["state"], line["approval_path"]) == ("applied", "")
    assert files(tenant, "done") == before and path.with_suffix(".approval.json").read_bytes() == approval
    register_revert(fg.plan_undo(fg.read_receipt(fg.list_plans()["receipt"].iloc[0])))
    assert main(["approve", str(path), "--by", "Ola"]) == 3
    assert files(tenant, "done") == before
