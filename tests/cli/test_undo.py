"""Tests for `frgroups undo`: later changes, undone plans, and undo plans whose original plan was resumed."""

import json
from dataclasses import replace

import pytest

import frgroups as fg
from frgroups.cli.main import main
from frgroups.errors import PlanBlockedError
from tests.cli.commands import interrupt_second_request, output
from tests.cli.conftest import UIDS


def apply(vip_tenant, groups, mode="add"):
    """Apply a plan, save it as applied.json, and return its receipt."""
    with vip_tenant.client(writable=True) as client:
        snapshot = fg.load_snapshot(client, cache=False, progress=False)
        plan = fg.plan_memberships(snapshot, groups, mode=mode, limits=fg.Limits(removal_share=1))
        plan.save("applied.json")
        return fg.apply_plan(client, plan, approval=plan.digest, progress=False)


def undo_output(capsys, *words, code=0):
    """Run `frgroups undo` and return its output."""
    return output(capsys, "undo", *words, "--out", "undo.json", code=code)


@pytest.mark.parametrize("source", ["snapshot", "receipt"])
def test_changes_still_in_effect(vip_tenant, capsys, source):
    "The output states how many changes a newer snapshot or a later receipt still contains."
    receipt = apply(vip_tenant, {"vip": UIDS[:7]})
    assert "in effect" not in undo_output(capsys, receipt.path)

    if source == "receipt":
        apply(vip_tenant, {"vip": UIDS[6:7]}, mode="remove")
    else:
        vip_tenant.remove_members("vip", UIDS[6:7])
        assert main(["load"]) == 0

    assert "2 of 3 are still in effect" in undo_output(capsys, receipt.path)


def test_newest_data(vip_tenant, capsys):
    "If a snapshot is newer than the last receipt, the snapshot determines the number of changes in effect."
    receipt = apply(vip_tenant, {"vip": UIDS[:7]})
    apply(vip_tenant, {"vip": UIDS[6:7]}, mode="remove")
    vip_tenant.remove_members("vip", UIDS[5:6])
    assert main(["load"]) == 0

    assert "1 of 3 is still in effect" in undo_output(capsys, receipt.path)


@pytest.mark.parametrize("argument", ["plan file", "receipt", "digest"])
def test_names_of_a_receipt(vip_tenant, capsys, argument):
    "The argument can be the plan file, the receipt, or the digest."
    receipt = apply(vip_tenant, {"vip": UIDS[:7]})
    names = {"plan file": "applied.json", "receipt": receipt.path, "digest": receipt.plan.digest[:12]}

    undo_output(capsys, names[argument])

    assert fg.read_plan("undo.json").reverts == receipt.plan.digest


def test_register(vip_tenant, capsys, tmp_path):
    "With `--register`, the undo plan has the findings of the register."
    receipt = apply(vip_tenant, {"vip": UIDS[:7]})
    assert main(["load"]) == 0
    (tmp_path / "register.csv").write_text("group,protected\nvip,yes\n")

    undo_output(capsys, receipt.path, "--register", tmp_path / "register.csv")

    assert "protected_group" in {finding.rule for finding in fg.read_plan("undo.json").findings}


def test_plan_without_receipt(vip_tenant, capsys, tmp_path):
    "A plan that was not applied has no receipt, so it cannot be undone."
    assert main(["plan", "--group", "staff", "--members", "vip", "--out", "new.json"]) == 0
    assert "pending" in undo_output(capsys, "new.json", code=1)
    assert not (tmp_path / "undo.json").exists()


@pytest.mark.parametrize("parts", [[None], [["vip"], ["staff"]]])
def test_undone_receipt(vip_tenant, capsys, tmp_path, parts):
    "A receipt that was completely undone, at once or in parts, is not undone again. The exit code is 3."
    receipt = apply(vip_tenant, {"vip": UIDS[:7], "staff": UIDS[:2]})
    for groups in parts:
        assert not (tmp_path / "undo.json").exists()
        undo = fg.plan_undo(receipt)
        with vip_tenant.client(writable=True) as client:
            assert fg.apply_plan(client, undo.select(groups) if groups else undo, approval=_digest(undo, groups)).ok

    for argument in (receipt.path, "applied.json", receipt.plan.digest[:12]):
        assert "already undone" in undo_output(capsys, argument, code=3)
        assert not (tmp_path / "undo.json").exists()


def _digest(undo, groups):
    return undo.select(groups).digest if groups else undo.digest


@pytest.fixture
def interrupted(vip_tenant, monkeypatch):
    """Interrupt a run after its first request, create an undo plan, and return the plan."""
    with vip_tenant.client(writable=True) as client:
        snapshot = fg.load_snapshot(client, cache=False, progress=False)
        plan = fg.plan_memberships(snapshot, {"staff": UIDS[:3], "vip": UIDS[:7]})
        plan.save("plan.json")
        fg.approve_plan(plan, "plan.approval.json", by="Kari")
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            interrupt_second_request(patch)
            fg.apply_plan(client, plan, approval="plan.approval.json", progress=False)
    assert main(["apply", "plan.json", "--finalize"]) == 5
    assert main(["undo", "plan.json", "--out", "undo.json"]) == 0
    return plan


def state_of(digest):
    """Return the row of a plan in the list of plans."""
    return fg.list_plans().set_index("digest").loc[digest]


@pytest.mark.parametrize("is_approved", [False, True])
def test_original_plan_was_resumed(vip_tenant, interrupted, capsys, is_approved):
    "If the original plan is resumed, the older undo plan is blocked, and a new undo plan must be created."
    undo = fg.read_plan("undo.json")
    if is_approved:
        fg.approve_plan(undo, "undo.approval.json", by="Kari")
    assert state_of(undo.digest)["state"] == ("approved" if is_approved else "pending")
    assert main(["apply", "plan.json"]) == 0
    row = state_of(undo.digest)

    assert row["state"] == "blocked" and row["next_command"].startswith("frgroups undo ")
    for words in (["apply", "undo.json"], ["approve", "undo.json", "--by", "Kari"]):
        capsys.readouterr()
        assert main(words) == 3
        assert "resumed" in (error := capsys.readouterr().err) and "frgroups undo" in error
    with vip_tenant.client(writable=True) as client, pytest.raises(PlanBlockedError, match="resumed"):
        fg.apply_plan(client, undo, approval=undo.digest)
    assert main(["plans"]) == 0
    assert "frgroups apply" not in capsys.readouterr().out
    assert main(["show", "undo.json"]) == 0
    assert "resumed" in capsys.readouterr().err

    assert main([*row["next_command"].split()[1:], "--out", "new.json"]) == 0
    new = fg.read_plan("new.json")
    assert new.n_remove == 6 > undo.n_remove
    with vip_tenant.client(writable=True) as client:
        assert fg.apply_plan(client, new, approval=new.digest).ok


def test_partial_undo_of_a_resumed_plan(vip_tenant, interrupted):
    "A partial undo was created for some of the changes, so it can be applied after the original plan was resumed."
    [receipt] = fg.home().rglob("*.receipt.json")
    partial = replace(fg.plan_undo(fg.read_receipt(receipt)), partial_undo=True)
    assert main(["apply", "plan.json"]) == 0

    with vip_tenant.client(writable=True) as client:
        assert fg.apply_plan(client, partial, approval=partial.digest).ok


def test_undo_plan_without_resume(vip_tenant, interrupted):
    "An undo plan of an interrupted run that was not resumed can be applied."
    undo = fg.read_plan("undo.json")

    with vip_tenant.client(writable=True) as client:
        assert fg.apply_plan(client, undo, approval=undo.digest).ok


def test_wrong_files(vip_tenant, capsys, tmp_path):
    "The errors for an approval file and for an Excel file name the expected file."
    apply(vip_tenant, {"vip": UIDS[:7]})
    fg.approve_plan(fg.read_plan("applied.json"), "a.approval.json", by="Kari")
    (tmp_path / "list.xlsx").write_bytes(b"PK\x03\x04\xff\xfe")
    capsys.readouterr()

    assert main(["show", "a.approval.json"]) == 1
    assert "frgroups apply PLAN --approval a.approval.json" in capsys.readouterr().err
    assert main(["approve", "list.xlsx", "--by", "Kari"]) == 1
    assert "list.xlsx is not a frgroups plan" in capsys.readouterr().err


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_out_without_changes(vip_tenant, capsys, tmp_path, as_json):
    "If there is nothing to do, no plan file is written, and the output says so."
    capsys.readouterr()
    assert main(["plan", "--group", "all", "--members", "vip", "--out", "new.json", *as_json]) == 0

    captured = capsys.readouterr()
    assert "new.json was not written" in captured.out + captured.err
    assert not (tmp_path / "new.json").exists()
    assert not as_json or json.loads(captured.out)["n_add"] == 0
