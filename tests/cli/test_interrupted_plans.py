"""Tests for plans whose run was interrupted, and for plans that are no longer needed."""

import os
import signal
from pathlib import Path

import pytest

import frgroups as fg
from frgroups.apply import executor as applying
from frgroups.apply.run_steps import Run
from frgroups.cli.main import main
from tests.cli.commands import interrupt_second_request
from tests.cli.conftest import UIDS


@pytest.fixture
def plan(vip_tenant):
    """Return an approved plan with three additions to each of two groups."""
    with vip_tenant.client() as client:
        plan = fg.plan_memberships(fg.load_snapshot(client), {"staff": UIDS[:3], "vip": UIDS[:7]})
    plan.save("plan.json")
    fg.approve_plan(plan, "plan.approval.json", by="Kari")
    return plan


def interrupt_before(monkeypatch, target, name):
    """Send Ctrl-C before a function is called."""
    original = getattr(target, name)

    def interrupt(*arguments, **options):
        signal.raise_signal(signal.SIGINT)
        return original(*arguments, **options)

    monkeypatch.setattr(target, name, interrupt)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize(("target", "name"), [(Run, "check_groups"), (applying, "register_revert")])
def test_interrupted_before_the_first_request(vip_tenant, plan, monkeypatch, capsys, target, name):
    "If Ctrl-C ends a run before its first request, the exit code is 1, and the output states that nothing was sent."
    vip_tenant.clear_requests()
    with monkeypatch.context() as patch:
        interrupt_before(patch, target, name)
        assert main(["apply", "plan.json"]) == 1

    captured = capsys.readouterr()
    assert "Nothing was sent." in captured.out + captured.err
    assert [request for request in vip_tenant.requests() if request["method"] != "GET"] == []
    assert main(["show", "plan.json"]) == 0
    shown = capsys.readouterr().out
    assert "approved" in shown and "of 6 changes" not in shown
    assert main(["apply", "plan.json"]) == 0


@pytest.mark.parametrize("finalized", [False, True])
def test_number_of_changes_done(vip_tenant, plan, monkeypatch, capsys, finalized):
    "The description of an interrupted plan states how many changes are done, with or without a receipt."
    with monkeypatch.context() as patch:
        interrupt_second_request(patch)
        assert main(["apply", "plan.json"]) == 1
    if finalized:
        assert main(["apply", "plan.json", "--finalize"]) == 5
    capsys.readouterr()

    assert main(["show", "plan.json"]) == 0

    shown = capsys.readouterr().out
    assert "interrupted" in shown and "3 of 6 changes" in shown
    assert main(["apply", "plan.json"]) == 0
    assert main(["show", "plan.json"]) == 0
    assert "of 6 changes" not in capsys.readouterr().out.partition("State")[2]


@pytest.mark.parametrize("words", [[], ["--out", "p.json"], ["--pending"]])
def test_deleted_plan(vip_tenant, capsys, words):
    "A pending plan is discarded by deleting its file. It is then not listed, and the queue ignores it."
    assert main(["plan", "--group", "staff", "--members", "vip", *words]) == 0
    [row] = fg.list_plans().to_dict("records")
    fg.read_plan(row["path"])

    Path(row["path"]).unlink()

    assert fg.list_plans().empty
    for command in (["plans"], ["apply", "--queue"]):
        capsys.readouterr()
        assert main(command) == 0
        assert row["digest"][:12] not in "".join(capsys.readouterr())
    assert main(["show", row["digest"][:12]]) == 1
    assert main(["plan", "--group", "staff", "--members", "vip", "--out", "again.json"]) == 0
    assert main(["approve", "again.json", "--by", "Kari"]) == 0
