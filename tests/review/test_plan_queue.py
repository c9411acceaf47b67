"""Tests for the plan queue and `frgroups apply --queue`."""

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import frgroups as fg
from frgroups.apply import executor as applying
from frgroups.apply.sender import Sender
from frgroups.cli.main import main
from frgroups.review.plan_folders import queue_folder
from frgroups.review.plan_queue import queued_plans
from frgroups.sandbox.faults import Fault
from tests.approvals import approved


@pytest.fixture
def tenant(tmp_path, monkeypatch):
    """Return a sandbox that is selected by environment variables and has a snapshot in a temporary data folder."""
    monkeypatch.setenv("FRGROUPS_HOME", str(tmp_path / "home"))
    with fg.Sandbox(customers=300, groups=8) as sandbox:
        monkeypatch.setenv("FRGROUPS_TENANT_UID", sandbox.tenant_uid)
        monkeypatch.setenv("FRGROUPS_TOKEN", sandbox.token)
        monkeypatch.setenv("FRGROUPS_BASE_URL", sandbox.base_url)
        assert main(["load"]) == 0
        yield sandbox


def files(tenant, state):
    """Return the sorted names of the files in a queue folder."""
    folder = queue_folder(tenant.tenant_uid, tenant.base_url, state)
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def queued(tenant, new):
    """Add a plan that creates a group to the queue, and return the path of the plan."""
    assert main(["plan", "--group", new, "--create", new, "--members", "Staff", "--pending"]) == 0
    folder = queue_folder(tenant.tenant_uid, tenant.base_url, "pending")
    [path] = [path for path in folder.glob("*.plan.json") if fg.read_plan(path).groups[0].uid == new]
    return path


def lines(capsys):
    """Return the JSON objects that were printed since the last call."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


def test_queue_states(tenant, capsys):
    "A plan, its review page, and its approval file are moved from pending to approved and to done."
    path = queued(tenant, "one")
    assert [name.split(".", 1)[1] for name in files(tenant, "pending")] == ["plan.html", "plan.json"]
    assert main(["approve", str(path), "--by", "Kari"]) == 0
    assert files(tenant, "pending") == [] and len(files(tenant, "approved")) == 3
    capsys.readouterr()

    code = main(["apply", "--queue", "--json"])

    [line] = lines(capsys)
    assert code == 0 and line["outcome"] == "done" and line["counts"] == {"verified": len(tenant.members("one"))}
    assert fg.read_receipt(line["receipt"]).ok
    assert files(tenant, "approved") == [] and len(files(tenant, "done")) == 3
    assert main(["apply", "--queue", "--json"]) == 0
    assert lines(capsys) == []


def test_complete_plan_without_approval(tenant, capsys):
    "If a plan without an approval file was already applied, the plan is moved to done and no request is sent."
    path = queued(tenant, "one")
    assert main(["approve", str(path), "--by", "Kari"]) == 0
    assert main(["apply", "--queue"]) == 0
    done, approved = (queue_folder(tenant.tenant_uid, tenant.base_url, state) for state in ("done", "approved"))
    shutil.move(done / path.name, approved)
    tenant.clear_requests()
    capsys.readouterr()

    assert main(["apply", "--queue", "--json"]) == 0

    assert [line["outcome"] for line in lines(capsys)] == ["done"] and path.name in files(tenant, "done")
    assert tenant.requests() == []


def test_late_rejection(tenant, tmp_path, capsys):
    "A rejection of an applied plan still blocks other plans with the same changes."
    path = queued(tenant, "one")
    first = fg.read_plan(path)
    again = replace(first, planned_at=first.planned_at + timedelta(seconds=2)).save(path.with_name("2.plan.json"))
    assert main(["approve", str(path), "--by", "Kari"]) == 0
    tenant.misbehave(Fault("status", method="POST", times=None, status=403))
    assert main(["apply", "--queue"]) == 1
    tenant.misbehave()
    approved = queue_folder(tenant.tenant_uid, tenant.base_url, "approved")
    with tenant.client(writable=True) as client:
        assert fg.apply_plan(client, first, approval=first.digest).ok
    fg.approve_plan(fg.read_plan(again), approved / "no.approval.json", by="Ola", reject="not again")
    capsys.readouterr()

    code = main(["apply", "--queue", "--json"])

    assert code == 8 and [line["outcome"] for line in lines(capsys)] == ["done", "stopped"]
    assert path.name in files(tenant, "done") and "no.approval.json" in files(tenant, "stopped")


def test_renamed_plan(tenant, capsys):
    "A plan with another file name is identified by its content. A named pipe in the queue is ignored."
    path = queued(tenant, "one")
    renamed = path.rename(path.with_name("one (1).json"))
    os.mkfifo(path.with_name("pipe.plan.json"))
    assert main(["approve", str(renamed), "--by", "Kari"]) == 0
    capsys.readouterr()

    assert main(["apply", "--queue", "--json"]) == 0

    assert [(line["plan"], line["outcome"]) for line in lines(capsys)] == [(renamed.name, "done")]
    assert files(tenant, "done") == ["one (1).approval.json", "one (1).json"]


def test_relative_path(tenant, monkeypatch):
    "A plan can be approved by a relative path."
    path = queued(tenant, "one")
    monkeypatch.chdir(path.parent)

    assert main(["approve", path.name, "--by", "Kari"]) == 0

    assert path.name in files(tenant, "approved")


@contextlib.contextmanager
def unprivileged_user():
    """Run a block as an unprivileged user, because root can read every folder."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not support file modes")
@pytest.mark.parametrize("state", ["pending", "approved"])
def test_unreadable_folder(tenant, tmp_path, capsys, monkeypatch, state):
    "An unreadable queue folder causes an error, because the folder might contain a rejection."
    monkeypatch.setenv("FRGROUPS_HOME", home := tempfile.mkdtemp())  # All users can access this folder.
    assert main(["load"]) == 0
    assert main(["approve", str(queued(tenant, "one")), "--by", "Kari"]) == 0
    capsys.readouterr()
    if os.geteuid() == 0:
        for path in (Path(home), *Path(home).rglob("*")):
            os.chown(path, 65534, -1)
    queue_folder(tenant.tenant_uid, tenant.base_url, state).chmod(0o300)

    with unprivileged_user():
        code = main(["apply", "--queue"])

    assert code == 1 and "queue/" in capsys.readouterr().err
    assert "one" not in tenant.groups()
    shutil.rmtree(home)


def test_unapproved_plan(tenant, capsys):
    "A queued plan without an approval remains pending, and the exit code is 0."
    queued(tenant, "one")
    capsys.readouterr()

    assert main(["apply", "--queue", "--json"]) == 0

    [line] = lines(capsys)
    assert line["outcome"] == "pending" and "one" not in tenant.groups()
    [path] = [Path(word) for word in line["message"].split() if "plan.json" in word]
    assert path.is_file() and str(path) == line["path"]


def test_approval_in_approved_folder(tenant, tmp_path, capsys):
    "An approval file in the folder of approved plans approves only the plan with the same digest."
    path, other = queued(tenant, "one"), queued(tenant, "two")
    approval = fg.approve_plan(fg.read_plan(path), tmp_path / "download (1).approval.json", by="Kari")
    folder = queue_folder(tenant.tenant_uid, tenant.base_url, "approved")
    folder.mkdir(parents=True)
    shutil.move(approval, folder)

    plans = list(queued_plans(tenant.tenant_uid, tenant.base_url))
    assert [plan.path for plan in plans if plan.approval] == [path]
    assert main(["apply", "--queue"]) == 0

    assert "one" in tenant.groups() and "two" not in tenant.groups()
    assert other.exists() and not path.exists()


def test_refused_plan(tenant, capsys):
    "A plan that cannot be applied is moved to the folder stopped with a message, and other plans are applied."
    first, second = queued(tenant, "one"), queued(tenant, "two")
    for path in (first, second):
        assert main(["approve", str(path), "--by", "Kari"]) == 0
    tenant.put_group("one", "Created by another user")
    capsys.readouterr()

    code = main(["apply", "--queue", "--json"])

    outcomes = {line["plan"]: line for line in lines(capsys)}
    assert code == 4 and outcomes[first.name]["outcome"] == "stopped" and "one" in outcomes[first.name]["message"]
    assert outcomes[second.name]["outcome"] == "done" and "two" in tenant.groups()
    assert first.name in files(tenant, "stopped") and first.name not in files(tenant, "approved")


def test_rejected_plan(tenant, capsys):
    "A rejected plan is moved to the folder stopped, even if the plan also has an approval."
    path = queued(tenant, "one")
    fg.approve_plan(
        fg.read_plan(path),
        queue_folder(tenant.tenant_uid, tenant.base_url, "approved") / "x.approval.json",
        by="Kari",
    )
    assert main(["approve", str(path), "--by", "Ola", "--reject", "not now"]) == 0
    capsys.readouterr()

    code = main(["apply", "--queue", "--json"])

    [line] = lines(capsys)
    assert code == 8 and line["outcome"] == "stopped" and "Ola" in line["message"]
    assert "one" not in tenant.groups() and path.name in files(tenant, "stopped")
    assert main(["apply", "--queue", "--json"]) == 0 and lines(capsys) == []


def test_decisions_beside_pending_plans(tenant, tmp_path, capsys):
    "Approval and rejection files next to a pending plan are used and moved with the plan."
    first, second = queued(tenant, "one"), queued(tenant, "two")
    fg.approve_plan(fg.read_plan(first), first.parent / "a.approval (1).json", by="Kari")
    fg.approve_plan(fg.read_plan(second), second.parent / "a.rejected.approval.json", by="Ola", reject="not now")
    capsys.readouterr()

    code = main(["apply", "--queue", "--json"])

    outcomes = {line["plan"]: line["outcome"] for line in lines(capsys)}
    assert code == 8 and outcomes == {first.name: "done", second.name: "stopped"}
    assert "a.approval (1).json" in files(tenant, "done") and "a.rejected.approval.json" in files(tenant, "stopped")
    assert files(tenant, "pending") == []


def test_reject_after_approve(tenant):
    "An approval moves the plan to another folder, but the plan's old path can still be used to reject the plan."
    path = queued(tenant, "one")
    assert main(["approve", str(path), "--by", "Kari"]) == 0
    assert path.name in files(tenant, "approved") and not path.exists()
    assert main(["approve", str(path), "--by", "Kari", "--reject", "no, wait"]) == 0
    assert main(["approve", str(path), "--by", "Kari"]) == 8
    assert main(["apply", "--queue"]) == 8

    assert "one" not in tenant.groups() and path.name in files(tenant, "stopped")


def test_blocked_plan(tenant, capsys):
    "A blocked plan is not added to the queue. A blocked plan that is in the queue is moved to the folder stopped."
    command = ["plan", "--group", "x", "--create", "x", "--members", "Staff", "--limit", "additions_total=0"]
    assert main([*command, "--pending"]) == 3
    assert files(tenant, "pending") == []

    folder = queue_folder(tenant.tenant_uid, tenant.base_url, "pending")
    folder.mkdir(parents=True, exist_ok=True)
    [path] = (fg.home() / "plans").rglob("*.plan.json")
    shutil.copy(path, folder)

    assert main(["apply", "--queue", "--json"]) == 3
    assert [line["outcome"] for line in lines(capsys)] == ["stopped"] and files(tenant, "pending") == []


@pytest.mark.parametrize("added", ["before", "after"])
def test_rejection_of_same_changes(tenant, tmp_path, capsys, added):
    "A rejection blocks all plans with the same changes, even if a policy allows them."
    path = queued(tenant, "one")
    plan = fg.read_plan(path)
    fg.approve_plan(plan, path.with_suffix(".approval.json"), by="Ola", reject="not now")
    other = path.with_name("z-of-the-same.plan.json")
    if added == "after":
        assert main(["apply", "--queue"]) == 8
    replace(plan, planned_at=plan.planned_at - timedelta(seconds=2)).save(other)
    policy = tmp_path / "policy.toml"
    rules = json.dumps(sorted({finding.rule for finding in plan.findings}))
    policy.write_text(
        f'by = "Kari"\ngroups = ["one"]\nmax_adds = 99\nmax_removes = 0\ncreate = true\nfindings = {rules}\n'
    )
    capsys.readouterr()

    code = main(["apply", "--queue", "--policy", str(policy), "--json"])

    printed = lines(capsys)
    assert code == 8 and [line["outcome"] for line in printed] == ["stopped"] * (2 if added == "before" else 1)
    assert "Ola" in printed[-1]["message"] and "not now" in printed[-1]["message"]
    assert "one" not in tenant.groups() and other.name in files(tenant, "stopped")


def test_renewed_approval(tenant, capsys):
    "If a plan has several approvals, the approval that expires last is used."
    path = queued(tenant, "one")
    assert main(["approve", str(path), "--by", "Kari"]) == 0
    [path] = queue_folder(tenant.tenant_uid, tenant.base_url, "approved").glob("*.plan.json")
    plan = fg.read_plan(path)
    fg.approve_plan(plan, path.with_suffix(".approval.json"), by="Kari", valid_for=timedelta.resolution)
    assert main(["apply", "--queue", "--json"]) == 8
    assert "Kari" in lines(capsys)[-1]["message"]

    fg.approve_plan(plan, path.parent / "z again.approval.json", by="Kari")

    assert main(["apply", "--queue"]) == 0 and "one" in tenant.groups()


def test_policy_after_expiry(tenant, tmp_path, capsys):
    "A policy can allow a plan whose approval file has expired."
    path = queued(tenant, "one")
    fg.approve_plan(fg.read_plan(path), path.with_suffix(".approval.json"), by="Kari", valid_for=timedelta.resolution)
    policy = tmp_path / "small.toml"
    rules = sorted({finding.rule for finding in fg.read_plan(path).findings})
    policy.write_text(
        'by = "Ola"\ngroups = ["one"]\nmax_adds = 99\nmax_removes = 0\ncreate = true\n'
        + f"findings = {json.dumps(rules)}"
    )

    assert main(["apply", "--queue", "--policy", str(policy), "--json"]) == 0

    [line] = lines(capsys)
    assert fg.read_receipt(line["receipt"]).approval["how"] == "policy"


def test_no_progress(tenant, tmp_path, capsys, monkeypatch):
    "A plan is moved to the folder stopped after two runs with the same incomplete result."
    monkeypatch.setattr(applying, "READ_BACK_WAITS", (0.01,))
    listed = tmp_path / "list.csv"
    listed.write_text("customer_uid\nunknown-1\n")
    assert main(["plan", "--group", "Staff", "--list", str(listed), "--allow-similar-ids", "--pending"]) == 0
    [path] = queue_folder(tenant.tenant_uid, tenant.base_url, "pending").glob("*.plan.json")
    assert main(["approve", str(path), "--by", "Kari"]) == 0
    tenant.misbehave(unknown_uids="ignore")
    capsys.readouterr()

    first = main(["apply", "--queue", "--json"])
    assert files(tenant, "stopped") == []
    second = main(["apply", "--queue", "--json"])

    outcomes = [line["outcome"] for line in lines(capsys)]
    assert (first, second) == (6, 6) and outcomes == ["incomplete", "stopped"]
    assert path.name in files(tenant, "stopped")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt(tenant, capsys, monkeypatch, number):
    "Ctrl-C or SIGTERM interrupts the current plan after the running request, and no other plan is started."
    handlers = [signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)]
    paths = [queued(tenant, new) for new in ("one", "two")]
    for path in paths:
        assert main(["approve", str(path), "--by", "Kari"]) == 0
    send = Sender.send

    def interrupted_send(self, *args):
        signal.raise_signal(number)
        send(self, *args)

    monkeypatch.setattr(Sender, "send", interrupted_send)
    capsys.readouterr()

    code = main(["apply", "--queue", "--json"])

    [line] = lines(capsys)
    assert code == 5 and line["outcome"] == "incomplete"
    assert len({"one", "two"} & tenant.groups().keys()) == 1
    assert fg.read_receipt(line["receipt"]).stopped
    assert [signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)] == handlers


def test_two_interrupts(tenant, capsys, monkeypatch):
    "A plan that was interrupted twice stays in the queue, and the next run resumes the plan."
    assert main(["approve", str(queued(tenant, "one")), "--by", "Kari"]) == 0
    send = Sender.send

    def interrupted_send(self, *args):
        signal.raise_signal(signal.SIGINT)
        send(self, *args)

    capsys.readouterr()
    with monkeypatch.context() as context:
        context.setattr(Sender, "send", interrupted_send)
        codes = [main(["apply", "--queue", "--json"]) for _ in range(2)]
    codes.append(main(["apply", "--queue", "--json"]))

    assert codes == [5, 5, 0]
    assert [line["outcome"] for line in lines(capsys)] == ["incomplete"] * 2 + ["done"]


@pytest.mark.parametrize("cause", ["done", "rejected", "blocked"])
def test_path_of_moved_plan(tenant, capsys, cause):
    "The path of each result and each path in its message exists after the plan was moved."
    path = queued(tenant, "one")
    assert main(["approve", str(path), "--by", "Kari"]) == 0
    if cause == "rejected":
        fg.approve_plan(
            fg.read_plan(files_of(tenant, "approved")[0]), path.with_name("no.json"), by="Ola", reject="no"
        )
    elif cause == "blocked":
        tenant.put_group("one", "one")
    capsys.readouterr()

    code = main(["apply", "--queue", "--json"])

    [line] = lines(capsys)
    assert (code == 0) == (cause == "done")
    folder = "done" if cause == "done" else "stopped"
    assert Path(line["path"]).is_file() and Path(line["path"]).parent.name == folder
    for word in line["message"].split():
        assert "plan.json" not in word or Path(word).is_file()


@pytest.mark.parametrize("move", ["approved", "done", "stopped", "deleted"])
def test_plan_moved_during_the_run(tenant, move):
    "A plan that another process moves during the run is found in its new folder, or skipped if it does not wait."
    first, second = queued(tenant, "one"), queued(tenant, "two")
    plans = queued_plans(tenant.tenant_uid, tenant.base_url)
    next(plans)
    if move == "deleted":
        second.unlink()
    else:
        folder = queue_folder(tenant.tenant_uid, tenant.base_url, move)
        folder.mkdir(exist_ok=True)
        shutil.move(second, folder)

    rest = list(plans)

    assert first.exists() and all(entry.path.is_file() and entry.plan is not None for entry in rest)
    assert len(rest) == int(move == "approved")


def files_of(tenant, state):
    """Return the paths of the plan files in a queue folder."""
    return sorted(queue_folder(tenant.tenant_uid, tenant.base_url, state).glob("*.plan.json"))


def test_control_characters(tenant, capsys):
    "Control characters in a group name are escaped in the text output and in the JSON output."
    tenant.put_group("odd", "Odd\x1b[2K\u202egroup")
    assert main(["load"]) == 0
    assert main(["plan", "--group", "odd", "--members", "Staff", "--pending"]) == 0
    [path] = queue_folder(tenant.tenant_uid, tenant.base_url, "pending").glob("*.plan.json")
    assert main(["approve", str(path), "--by", "Kari"]) == 0
    tenant.put_customers(others := [f"other-{n}" for n in range(10)])
    tenant.add_members("odd", others)
    capsys.readouterr()

    assert main(["apply", "--queue"]) == 4
    stopped = queue_folder(tenant.tenant_uid, tenant.base_url, "stopped") / path.name
    shutil.move(stopped, path)
    shutil.move(stopped.with_suffix(".approval.json"), path.parent)
    assert main(["apply", "--queue", "--json"]) == 4

    output = capsys.readouterr().out
    assert output.count("Odd") == 2 and not {"\x1b", "\u202e"} & set(output)


def test_queue_policy(tenant, tmp_path, capsys):
    "With --policy, the plans that the policy allows are applied, and other plans remain pending."
    small, large = queued(tenant, "one"), queued(tenant, "two")
    policy = tmp_path / "small.toml"
    rules = json.dumps(sorted({finding.rule for finding in fg.read_plan(small).findings}))
    policy.write_text(
        f'by = "Kari"\ngroups = ["one"]\nmax_adds = 99\nmax_removes = 0\ncreate = true\nfindings = {rules}\n'
    )
    capsys.readouterr()

    code = main(["apply", "--queue", "--policy", str(policy), "--json"])

    outcomes = {line["plan"]: line["outcome"] for line in lines(capsys)}
    assert code == 0 and outcomes == {small.name: "done", large.name: "pending"}
    assert "one" in tenant.groups() and "two" not in tenant.groups()


def test_single_plan_policy(tenant, tmp_path, capsys):
    "If the policy does not allow the plan, `frgroups apply --policy` returns exit code 8."
    path = queued(tenant, "one")
    policy = tmp_path / "none.toml"
    policy.write_text('by = "Kari"\ngroups = ["other"]\nmax_adds = 9\nmax_removes = 0\n')

    assert main(["apply", str(path), "--policy", str(policy)]) == 8
    err = capsys.readouterr().err
    reasons = fg.read_policy(policy).refusals(fg.read_plan(path))
    assert "none.toml" in err and len(reasons) > 1
    assert [line.strip() for line in err.splitlines()[1:-1]] == reasons


def test_rejected_customers(tenant, tmp_path, capsys):
    "The output for an applied plan contains the number of rejected customers and the path of the receipt."
    path = tmp_path / "list.csv"
    path.write_text("\n".join(["customer_uid", *tenant.members("loyalty")[:5], "typo-1"]), encoding="utf-8")
    assert main(["plan", "--group", "Staff", "--list", str(path), "--allow-similar-ids", "--pending"]) == 0
    [plan] = queue_folder(tenant.tenant_uid, tenant.base_url, "pending").glob("*.plan.json")
    assert main(["approve", str(plan), "--by", "Kari"]) == 0
    capsys.readouterr()

    assert main(["apply", "--queue"]) == 5

    out = capsys.readouterr().out
    [receipt] = (tmp_path / "home").rglob("*.receipt.json")
    assert "1 change rejected" in out.splitlines()[0] and str(receipt) in out


@pytest.mark.parametrize(
    "arguments",
    [
        ["apply"],
        ["apply", "p.json", "--queue"],
        ["apply", "p.json", "--approval", "ab", "--policy", "x"],
        ["apply", "p.json", "--finalize", "--approval", "ab"],
        ["apply", "p.json", "--finalize", "--queue"],
        ["apply", "--queue", "--no-auto-approval"],
    ],
)
def test_conflicting_options(arguments, capsys):
    "A command line with options that cannot be combined returns exit code 64."
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code

    assert code == 64 and capsys.readouterr().err


def test_erasure(tenant):
    "Erasing a customer deletes the queued plans and review pages that contain the customer."
    path = queued(tenant, "one")
    uid = fg.read_plan(path).groups[0].add[0]

    table = fg.erase_customer(uid)

    assert str(path) in set(map(str, table["path"])) and not path.exists() and files(tenant, "pending") == []


def test_corrupt_plan(tenant, capsys):
    "A corrupt plan file in the queue causes an error, and the other plans are applied."
    first, second = queued(tenant, "one"), queued(tenant, "two")
    for path in (first, second):
        assert main(["approve", str(path), "--by", "Kari"]) == 0
    corrupt = queue_folder(tenant.tenant_uid, tenant.base_url, "approved") / first.name
    corrupt.write_text(corrupt.read_text()[:-100])
    capsys.readouterr()

    code = main(["apply", "--queue", "--json"])

    outcomes = {line["plan"]: line for line in lines(capsys)}
    assert code and outcomes[first.name]["outcome"] == "failed"
    assert first.name in outcomes[first.name]["message"]
    assert outcomes[second.name]["outcome"] == "done" and "one" not in tenant.groups()


def test_rejection_and_policy(tenant, tmp_path, capsys):
    "A rejection in the folder of approved plans overrides a policy."
    path = queued(tenant, "one")
    folder = queue_folder(tenant.tenant_uid, tenant.base_url, "approved")
    rejection = tmp_path / "download (2).approval.json"
    fg.approve_plan(fg.read_plan(path), rejection, by="Ola", reject="not now")
    folder.mkdir(parents=True)
    shutil.move(rejection, folder)
    policy = tmp_path / "policy.toml"
    policy.write_text('by = "Kari"\ngroups = ["one"]\nmax_adds = 1000\nmax_removes = 0\ncreate = true\n')
    capsys.readouterr()

    code = main(["apply", "--queue", "--policy", str(policy), "--json"])

    [line] = lines(capsys)
    assert code == 8 and "Ola" in line["message"] and "one" not in tenant.groups()
    assert {path.name, rejection.name} <= set(files(tenant, "stopped"))


def test_linked_queue(tenant, tmp_path):
    "The queue folder can be a symbolic link to another folder."
    (tmp_path / "shared").mkdir()
    (tmp_path / "home" / "queue").symlink_to(tmp_path / "shared")
    assert main(["approve", str(queued(tenant, "one")), "--by", "Kari"]) == 0
    assert (files(tenant, "pending"), len(files(tenant, "approved"))) == ([], 3)

    assert main(["apply", "--queue"]) == 0

    assert (files(tenant, "approved"), len(files(tenant, "done"))) == ([], 3)


def test_unmovable_plan(tenant, capsys):
    "If an applied plan cannot be moved to done, the output reports this, and the next run moves the plan."
    for new in ("one", "two"):
        assert main(["approve", str(queued(tenant, new)), "--by", "Kari"]) == 0
    done = queue_folder(tenant.tenant_uid, tenant.base_url, "done")
    done.write_text("a file instead of a folder")
    capsys.readouterr()

    code = main(["apply", "--queue", "--json"])

    printed = lines(capsys)
    assert (code, [line["exit_code"] for line in printed]) == (1, [1, 1])
    assert all("done" in line["message"] and line["counts"] for line in printed)
    done.unlink()
    assert main(["apply", "--queue", "--json"]) == 0
    assert [line["outcome"] for line in lines(capsys)] == ["done", "done"] and files(tenant, "approved") == []


@pytest.mark.slow
def test_receipt_on_full_disk(tenant, tmp_path):
    "If the receipt cannot be written, the exit code is 5, and the next run writes the receipt."
    path = str(tmp_path / "p.json")
    tenant.put_group("big", "Big")
    tenant.put_customers(members := [f"c-{n:04d}" for n in range(200)])
    tenant.add_members("big", members)
    assert main(["load"]) == 0
    assert main(["plan", "--group", "big", "--members", "Staff", "--out", path]) == 0
    apply = [sys.executable, "-m", "frgroups", "apply", approved(path)]

    full = subprocess.run(apply, preexec_fn=small_files_only, capture_output=True, text=True, check=False)
    again = subprocess.run(apply, capture_output=True, text=True, check=False)

    assert full.returncode == 5 and "frgroups undo" not in full.stdout
    assert again.returncode == 0 and "frgroups undo" in again.stdout


def small_files_only():
    """Limit the size of new files, so that the journal can be written, but not the receipt."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))


@pytest.mark.slow
def test_second_interrupt(tenant, tmp_path):
    "A second Ctrl-C interrupts a running request, and the same command resumes the plan."
    path = str(tmp_path / "p.json")
    assert main(["plan", "--group", "one", "--create", "one", "--members", "Staff", "--out", path]) == 0
    apply = [sys.executable, "-m", "frgroups", "apply", approved(path)]
    tenant.misbehave(Fault("hang", method="PUT", seconds=2))

    with subprocess.Popen(apply, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as running:
        while not any(
            '"change"' in journal.read_text() for journal in (tmp_path / "home").rglob("journals/*/*.jsonl")
        ):
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        time.sleep(0.3)
        running.send_signal(signal.SIGINT)
        error = running.stderr.read()

    assert running.returncode == 1 and "interrupted" in error.lower()
    assert subprocess.run(apply, capture_output=True, check=False).returncode == 0
