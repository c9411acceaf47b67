"""Plans wait until somebody agrees; `frgroups apply --approved` sends what is approved, and nothing else."""

import json
import os
import re
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
from frgroups.review.plan_queue import queue_folder, queued_plans
from frgroups.sandbox.faults import Fault
from tests.load.test_loader import nobody


@pytest.fixture
def tenant(tmp_path, monkeypatch):
    """A sandbox that the environment names, a snapshot of it, and a home."""
    monkeypatch.setenv("FRGROUPS_HOME", str(tmp_path / "home"))
    with fg.Sandbox(customers=300, groups=8) as sandbox:
        monkeypatch.setenv("FRGROUPS_TENANT_UID", sandbox.tenant_uid)
        monkeypatch.setenv("FRGROUPS_TOKEN", sandbox.token)
        monkeypatch.setenv("FRGROUPS_BASE_URL", sandbox.base_url)
        assert main(["load"]) == 0
        yield sandbox


def files(tenant, state):
    """The names of what stands in a folder of the queue."""
    folder = queue_folder(tenant.tenant_uid, tenant.base_url, state)
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def queued(tenant, new):
    """A plan for a new group of the staff, pending; its path."""
    assert main(["plan", "--group", new, "--create", new, "--members", "Staff", "--pending"]) == 0
    folder = queue_folder(tenant.tenant_uid, tenant.base_url, "pending")
    [path] = [path for path in folder.glob("*.plan.json") if fg.read_plan(path).groups[0].uid == new]
    return path


def lines(capsys):
    """The JSON lines that were printed last."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


def test_a_plan_waits_is_approved_applied_and_done(tenant, capsys):
    "Its file, page and approval go through the folders together."
    path = queued(tenant, "one")
    assert [one.split(".", 1)[1] for one in files(tenant, "pending")] == ["plan.html", "plan.json"]
    assert main(["approve", str(path), "--by", "Kari"]) == 0
    assert files(tenant, "pending") == [] and len(files(tenant, "approved")) == 3
    capsys.readouterr()

    code = main(["apply", "--approved", "--json"])

    [line] = lines(capsys)
    assert code == 0 and line["outcome"] == "done" and line["counts"] == {"verified": len(tenant.members("one"))}
    assert fg.read_receipt(line["receipt"]).ok
    assert files(tenant, "approved") == [] and len(files(tenant, "done")) == 3
    assert main(["apply", "--approved"]) == 0
    assert "Nothing waits" in capsys.readouterr().out


def test_a_plan_that_ended_and_lost_its_approval_on_the_way_is_moved(tenant, capsys):
    "As after a crash between two moves: it is done, and nobody has to approve it again."
    path = queued(tenant, "one")
    assert main(["approve", str(path), "--by", "Kari"]) == 0
    assert main(["apply", "--approved"]) == 0
    done, approved = (queue_folder(tenant.tenant_uid, tenant.base_url, one) for one in ("done", "approved"))
    shutil.move(done / path.name, approved)
    tenant.clear_requests()
    capsys.readouterr()

    assert main(["apply", "--approved", "--json"]) == 0

    assert [line["outcome"] for line in lines(capsys)] == ["done"] and path.name in files(tenant, "done")
    assert tenant.requests() == []


def test_a_no_that_came_too_late_for_a_plan_holds_for_the_others(tenant, tmp_path, capsys):
    "A plan that was done and could not be moved then does not take the no along that another of the same was told."
    path = queued(tenant, "one")
    first = fg.read_plan(path)
    again = replace(first, planned_at=first.planned_at + timedelta(seconds=2)).save(path.with_name("2.plan.json"))
    assert main(["approve", str(path), "--by", "Kari"]) == 0
    tenant.misbehave(Fault("status", method="POST", times=None, status=403))
    assert main(["apply", "--approved"]) == 1
    tenant.misbehave()
    approved = queue_folder(tenant.tenant_uid, tenant.base_url, "approved")
    with tenant.client(writable=True) as client:
        assert fg.apply_plan(client, first, approval=first.digest).ok
    fg.approve_plan(fg.read_plan(again), approved / "no.approval.json", by="Ola", reject="not again")
    capsys.readouterr()

    code = main(["apply", "--approved", "--json"])

    assert code == 8 and [line["outcome"] for line in lines(capsys)] == ["done", "set aside"]
    assert path.name in files(tenant, "done") and "no.approval.json" in files(tenant, "stopped")


def test_a_plan_waits_under_any_name(tenant, capsys):
    "A file that was renamed on its way is known by what it holds; a pipe with the name of a plan is passed over."
    path = queued(tenant, "one")
    renamed = path.rename(path.with_name("one (1).json"))
    os.mkfifo(path.with_name("pipe.plan.json"))
    assert main(["approve", str(renamed), "--by", "Kari"]) == 0
    capsys.readouterr()

    assert main(["apply", "--approved", "--json"]) == 0

    assert [(line["plan"], line["outcome"]) for line in lines(capsys)] == [(renamed.name, "done")]
    assert files(tenant, "done") == ["one (1).approval.json", "one (1).json"]


def test_a_plan_is_approved_from_within_its_folder(tenant, capsys, monkeypatch):
    "Its bare name stands for the plan that waits there."
    path = queued(tenant, "one")
    monkeypatch.chdir(path.parent)

    assert main(["approve", path.name, "--by", "Kari"]) == 0

    assert "It waits in" in capsys.readouterr().out and path.name in files(tenant, "approved")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
@pytest.mark.parametrize("state", ["pending", "approved"])
def test_a_folder_of_the_queue_that_cannot_be_looked_through_is_told(tenant, tmp_path, capsys, monkeypatch, state):
    "A rejection may lie there, and plans that are approved: nothing is sent, and it is not said that nothing waits."
    monkeypatch.setenv("FRGROUPS_HOME", home := tempfile.mkdtemp())  # Where everybody may go.
    assert main(["load"]) == 0
    assert main(["approve", str(queued(tenant, "one")), "--by", "Kari"]) == 0
    capsys.readouterr()
    if os.geteuid() == 0:
        for path in (Path(home), *Path(home).rglob("*")):
            os.chown(path, 65534, -1)
    queue_folder(tenant.tenant_uid, tenant.base_url, state).chmod(0o300)

    with nobody():
        code = main(["apply", "--approved"])

    told = capsys.readouterr()
    assert code == 1 and "cannot be looked through" in told.err and "Nothing waits" not in told.out
    assert "one" not in tenant.groups()
    shutil.rmtree(home)


def test_what_nobody_approved_is_not_sent(tenant, capsys):
    "It waits, and that is no failure."
    queued(tenant, "one")
    capsys.readouterr()

    assert main(["apply", "--approved", "--json"]) == 0

    [line] = lines(capsys)
    assert line["outcome"] == "waits" and "one" not in tenant.groups()


def test_an_approval_from_the_page_is_found_under_any_name(tenant, tmp_path, capsys):
    "Put into the folder of approved ones, it approves the plan that it is of, and no other."
    path, other = queued(tenant, "one"), queued(tenant, "two")
    approval = fg.approve_plan(fg.read_plan(path), tmp_path / "download (1).approval.json", by="Kari")
    folder = queue_folder(tenant.tenant_uid, tenant.base_url, "approved")
    folder.mkdir(parents=True)
    shutil.move(approval, folder)

    assert [waiting.approval is None for waiting in queued_plans(tenant.tenant_uid, tenant.base_url)].count(
        False
    ) == 1
    assert main(["apply", "--approved"]) == 0

    assert "one" in tenant.groups() and "two" not in tenant.groups()
    assert other.exists() and not path.exists()


def test_one_that_is_refused_does_not_stop_the_others(tenant, capsys):
    "The worst exit code is that of the command; what can get no further is set aside, with the reason."
    first, second = queued(tenant, "one"), queued(tenant, "two")
    for path in (first, second):
        assert main(["approve", str(path), "--by", "Kari"]) == 0
    tenant.put_group("one", "Somebody else's")
    capsys.readouterr()

    code = main(["apply", "--approved", "--json"])

    outcomes = {line["plan"]: line for line in lines(capsys)}
    assert (
        code == 4 and outcomes[first.name]["outcome"] == "set aside" and "exists" in outcomes[first.name]["message"]
    )
    assert outcomes[second.name]["outcome"] == "done" and "two" in tenant.groups()
    assert first.name in files(tenant, "stopped") and first.name not in files(tenant, "approved")


def test_a_rejected_plan_is_set_aside_and_is_not_sent(tenant, capsys):
    "No is no, though an approval of the same plan turns up."
    path = queued(tenant, "one")
    assert main(["approve", str(path), "--by", "Ola", "--reject", "not now"]) == 0
    fg.approve_plan(
        fg.read_plan(path),
        queue_folder(tenant.tenant_uid, tenant.base_url, "approved") / "x.approval.json",
        by="Kari",
    )
    capsys.readouterr()

    code = main(["apply", "--approved", "--json"])

    [line] = lines(capsys)
    assert code == 8 and line["outcome"] == "set aside" and "Ola rejected" in line["message"]
    assert "one" not in tenant.groups() and path.name in files(tenant, "stopped")
    assert main(["apply", "--approved", "--json"]) == 0 and lines(capsys) == []


def test_what_the_page_hands_out_may_lie_beside_the_plan(tenant, tmp_path, capsys):
    "In the folder of pending plans it is found too, and goes where the plan goes."
    yes, no = queued(tenant, "one"), queued(tenant, "two")
    fg.approve_plan(fg.read_plan(yes), yes.parent / "a.approval (1).json", by="Kari")
    fg.approve_plan(fg.read_plan(no), no.parent / "a.rejected.approval.json", by="Ola", reject="not now")
    capsys.readouterr()

    code = main(["apply", "--approved", "--json"])

    outcomes = {line["plan"]: line["outcome"] for line in lines(capsys)}
    assert code == 8 and outcomes == {yes.name: "done", no.name: "set aside"}
    assert "a.approval (1).json" in files(tenant, "done") and "a.rejected.approval.json" in files(tenant, "stopped")
    assert files(tenant, "pending") == []


def test_a_no_after_a_yes_finds_the_plan_where_it_is_now(tenant, capsys):
    "The path that plan named is that of a pending plan; approve says where its file is, and reject works by it."
    path = queued(tenant, "one")
    assert main(["approve", str(path), "--by", "Kari"]) == 0
    written = Path(re.search(r"Written to (\S+)", capsys.readouterr().out)[1])

    assert written.exists() and written.parent.name == "approved" and not path.exists()
    assert main(["approve", str(path), "--by", "Kari", "--reject", "no, wait"]) == 0
    assert main(["approve", str(path), "--by", "Kari"]) == 8
    assert main(["apply", "--approved"]) == 8

    assert "one" not in tenant.groups() and path.name in files(tenant, "stopped")


def test_a_blocked_plan_does_not_wait(tenant, capsys):
    "Nobody could approve it: it stands with the other plans, and one that got into the queue is set aside."
    command = ["plan", "--group", "x", "--create", "x", "--members", "Staff", "--limit", "additions_total=0"]
    assert main([*command, "--pending"]) == 3
    assert files(tenant, "pending") == [] and "does not wait in the queue" in capsys.readouterr().out

    folder = queue_folder(tenant.tenant_uid, tenant.base_url, "pending")
    folder.mkdir(parents=True, exist_ok=True)
    [path] = (fg.home() / "plans").rglob("*.plan.json")
    shutil.copy(path, folder)

    assert main(["apply", "--approved", "--json"]) == 3
    assert [line["outcome"] for line in lines(capsys)] == ["set aside"] and files(tenant, "pending") == []


@pytest.mark.parametrize("made", ["before", "after"])
def test_a_no_is_of_every_plan_of_the_same(tenant, tmp_path, capsys, made):
    "One that waits beside the rejected plan, or is made the next night, is not sent by a policy either."
    path = queued(tenant, "one")
    plan = fg.read_plan(path)
    fg.approve_plan(plan, path.with_suffix(".approval.json"), by="Ola", reject="not now")
    other = path.with_name("z-of-the-same.plan.json")
    if made == "after":
        assert main(["apply", "--approved"]) == 8
    replace(plan, planned_at=plan.planned_at - timedelta(seconds=2)).save(other)
    policy = tmp_path / "policy.toml"
    rules = json.dumps(sorted({one.rule for one in plan.findings}))
    policy.write_text(
        f'by = "Kari"\ngroups = ["one"]\nmax_adds = 99\nmax_removes = 0\ncreate = true\nfindings = {rules}\n'
    )
    capsys.readouterr()

    code = main(["apply", "--approved", "--approve-policy", str(policy), "--json"])

    told = lines(capsys)
    assert code == 8 and [line["outcome"] for line in told] == ["set aside"] * (2 if made == "before" else 1)
    assert "Ola rejected" in told[-1]["message"] and "Delete" in told[-1]["message"]
    assert "one" not in tenant.groups() and other.name in files(tenant, "stopped")


def test_the_approval_that_is_open_longest_counts(tenant, capsys):
    "A new yes from the page lies beside the one that has ended, and is found."
    path = queued(tenant, "one")
    assert main(["approve", str(path), "--by", "Kari"]) == 0
    [path] = queue_folder(tenant.tenant_uid, tenant.base_url, "approved").glob("*.plan.json")
    plan = fg.read_plan(path)
    fg.approve_plan(plan, path.with_suffix(".approval.json"), by="Kari", valid_for="0s")
    assert main(["apply", "--approved", "--json"]) == 8
    assert "Ask again" in lines(capsys)[-1]["message"]

    fg.approve_plan(plan, path.parent / "z again.approval.json", by="Kari")

    assert main(["apply", "--approved"]) == 0 and "one" in tenant.groups()


def test_a_policy_stands_in_where_an_approval_has_ended(tenant, tmp_path, capsys):
    "What it allows needs no second asking."
    path = queued(tenant, "one")
    fg.approve_plan(fg.read_plan(path), path.with_suffix(".approval.json"), by="Kari", valid_for="0s")
    policy = tmp_path / "small.toml"
    rules = sorted({one.rule for one in fg.read_plan(path).findings})
    policy.write_text(
        'by = "Ola"\ngroups = ["one"]\nmax_adds = 99\nmax_removes = 0\ncreate = true\n'
        + f"findings = {json.dumps(rules)}"
    )

    assert main(["apply", "--approved", "--approve-policy", str(policy), "--json"]) == 0

    [line] = lines(capsys)
    assert fg.read_receipt(line["receipt"]).approval["how"] == "policy"


def test_a_plan_that_gets_no_further_is_set_aside(tenant, tmp_path, capsys, monkeypatch):
    "Two runs with the same outcome are enough; the second one says so."
    monkeypatch.setattr(applying, "READ_BACK_WAITS", (0.01,))
    listed = tmp_path / "list.csv"
    listed.write_text("customer_uid\nnobody-1\n")
    assert main(["plan", "--group", "Staff", "--list", str(listed), "--ids", "customer_uid", "--pending"]) == 0
    [path] = queue_folder(tenant.tenant_uid, tenant.base_url, "pending").glob("*.plan.json")
    assert main(["approve", str(path), "--by", "Kari"]) == 0
    tenant.misbehave(unknown_uids="ignore")
    capsys.readouterr()

    first = main(["apply", "--approved", "--json"])
    assert files(tenant, "stopped") == []
    second = main(["apply", "--approved", "--json"])

    outcomes = [line["outcome"] for line in lines(capsys)]
    assert (first, second) == (6, 6) and outcomes == ["to be gone on with", "set aside"]
    assert path.name in files(tenant, "stopped")


def test_ctrl_c_stops_the_whole_queue(tenant, capsys, monkeypatch):
    "The plan in hand ends between two requests, and no other is begun."
    paths = [queued(tenant, new) for new in ("one", "two")]
    for path in paths:
        assert main(["approve", str(path), "--by", "Kari"]) == 0
    send = Sender.send

    def pressed(self, *args):
        signal.raise_signal(signal.SIGINT)
        send(self, *args)

    monkeypatch.setattr(Sender, "send", pressed)
    capsys.readouterr()

    code = main(["apply", "--approved", "--json"])

    told = capsys.readouterr()
    [line] = [json.loads(one) for one in told.out.splitlines()]
    assert code == 5 and line["outcome"] == "to be gone on with" and "interrupted" in line["message"]
    assert "the other plans wait" in told.err and len({"one", "two"} & tenant.groups().keys()) == 1


def test_a_plan_that_ctrl_c_stops_twice_is_not_set_aside(tenant, capsys, monkeypatch):
    "That it came no further was no fault of the plan: the next run goes on with it."
    assert main(["approve", str(queued(tenant, "one")), "--by", "Kari"]) == 0
    send = Sender.send

    def pressed(self, *args):
        signal.raise_signal(signal.SIGINT)
        send(self, *args)

    capsys.readouterr()
    with monkeypatch.context() as interrupted:
        interrupted.setattr(Sender, "send", pressed)
        codes = [main(["apply", "--approved", "--json"]) for _ in range(2)]
    codes.append(main(["apply", "--approved", "--json"]))

    assert codes == [5, 5, 0]
    assert [line["outcome"] for line in lines(capsys)] == ["to be gone on with"] * 2 + ["done"]


def test_what_the_queue_tells_does_not_steer_the_terminal(tenant, capsys):
    "A name that would hide what stands in a line is written out, as a text and as JSON."
    tenant.put_group("odd", "Odd\x1b[2K\u202egroup")
    assert main(["load"]) == 0
    assert main(["plan", "--group", "odd", "--members", "Staff", "--pending"]) == 0
    [path] = queue_folder(tenant.tenant_uid, tenant.base_url, "pending").glob("*.plan.json")
    assert main(["approve", str(path), "--by", "Kari"]) == 0
    tenant.put_customers(others := [f"other-{n}" for n in range(10)])
    tenant.add_members("odd", others)
    capsys.readouterr()

    assert main(["apply", "--approved"]) == 4
    stopped = queue_folder(tenant.tenant_uid, tenant.base_url, "stopped") / path.name
    shutil.move(stopped, path)
    shutil.move(stopped.with_suffix(".approval.json"), path.parent)
    assert main(["apply", "--approved", "--json"]) == 4

    told = capsys.readouterr().out
    assert told.count("Odd") == 2 and not {"\x1b", "\u202e"} & set(told)


def test_a_policy_sends_small_plans_of_the_queue(tenant, tmp_path, capsys):
    "With --approve-policy what the policy allows needs nobody, and the rest waits for a person."
    small, large = queued(tenant, "one"), queued(tenant, "two")
    policy = tmp_path / "small.toml"
    policy.write_text('by = "Kari"\ngroups = ["one"]\nmax_adds = 99\nmax_removes = 0\ncreate = true\n')
    with policy.open("a") as file:
        print(f"findings = {sorted({one.rule for one in fg.read_plan(small).findings})}".replace("'", '"'), file=file)
    capsys.readouterr()

    code = main(["apply", "--approved", "--approve-policy", str(policy), "--json"])

    outcomes = {line["plan"]: line["outcome"] for line in lines(capsys)}
    assert code == 0 and outcomes == {small.name: "done", large.name: "waits"}
    assert "one" in tenant.groups() and "two" not in tenant.groups()


def test_a_single_plan_is_applied_by_policy(tenant, tmp_path, capsys):
    "--approve-policy stands in place of --approve."
    path = queued(tenant, "one")
    policy = tmp_path / "none.toml"
    policy.write_text('by = "Kari"\ngroups = ["other"]\nmax_adds = 9\nmax_removes = 0\n')

    assert main(["apply", str(path), "--approve-policy", str(policy)]) == 8
    assert "Have a person look at it" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["apply"],
        ["apply", "p.json"],
        ["apply", "p.json", "--approved"],
        ["apply", "p.json", "--approve", "ab", "--approve-policy", "x"],
        ["apply", "p.json", "--settle", "--approve", "ab"],
        ["apply", "p.json", "--settle", "--approved"],
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(words, capsys):
    "Exit code 64, with what to say instead; nothing is read or sent."
    try:
        code = main(words)
    except SystemExit as stop:
        code = stop.code

    assert code == 64 and capsys.readouterr().err


def test_forgetting_finds_plans_that_wait(tenant):
    "A plan of the queue that names a customer is removed with its page."
    path = queued(tenant, "one")
    uid = fg.read_plan(path).groups[0].add[0]

    table = fg.erase_customer(uid)

    assert str(path) in set(map(str, table["path"])) and not path.exists() and files(tenant, "pending") == []


def test_a_damaged_plan_does_not_stop_the_others(tenant, capsys):
    "It is refused by itself, with what is wrong with it, and the next one is sent."
    first, second = queued(tenant, "one"), queued(tenant, "two")
    for path in (first, second):
        assert main(["approve", str(path), "--by", "Kari"]) == 0
    damaged = queue_folder(tenant.tenant_uid, tenant.base_url, "approved") / first.name
    damaged.write_text(damaged.read_text()[:-100])
    capsys.readouterr()

    code = main(["apply", "--approved", "--json"])

    outcomes = {line["plan"]: line for line in lines(capsys)}
    assert code and outcomes[first.name]["outcome"] == "refused"
    assert "not a whole plan" in outcomes[first.name]["message"]
    assert outcomes[second.name]["outcome"] == "done" and "one" not in tenant.groups()


def test_a_rejection_from_the_page_goes_before_a_policy(tenant, tmp_path, capsys):
    "Put into the folder of approved ones under any name, it is a no."
    path = queued(tenant, "one")
    folder = queue_folder(tenant.tenant_uid, tenant.base_url, "approved")
    no = tmp_path / "download (2).approval.json"
    fg.approve_plan(fg.read_plan(path), no, by="Ola", reject="not now")
    folder.mkdir(parents=True)
    shutil.move(no, folder)
    policy = tmp_path / "policy.toml"
    policy.write_text('by = "Kari"\ngroups = ["one"]\nmax_adds = 1000\nmax_removes = 0\ncreate = true\n')
    capsys.readouterr()

    code = main(["apply", "--approved", "--approve-policy", str(policy), "--json"])

    [line] = lines(capsys)
    assert code == 8 and "Ola rejected" in line["message"] and "one" not in tenant.groups()
    assert {path.name, no.name} <= set(files(tenant, "stopped"))


def test_a_queue_may_be_a_link_to_another_folder(tenant, tmp_path):
    "Plans go through the folders of a queue that is shared by a link as through any other."
    (tmp_path / "shared").mkdir()
    (tmp_path / "home" / "queue").symlink_to(tmp_path / "shared")
    assert main(["approve", str(queued(tenant, "one")), "--by", "Kari"]) == 0
    assert (files(tenant, "pending"), len(files(tenant, "approved"))) == ([], 3)

    assert main(["apply", "--approved"]) == 0

    assert (files(tenant, "approved"), len(files(tenant, "done"))) == ([], 3)


def test_a_plan_that_cannot_be_moved_to_done_does_not_stop_the_others(tenant, capsys):
    "Where something stands in the way of the folder, each is applied and tells so; the next apply moves them."
    for new in ("one", "two"):
        assert main(["approve", str(queued(tenant, new)), "--by", "Kari"]) == 0
    done = queue_folder(tenant.tenant_uid, tenant.base_url, "done")
    done.write_text("in the way")
    capsys.readouterr()

    code = main(["apply", "--approved", "--json"])

    told = lines(capsys)
    assert (code, [line["exit_code"] for line in told]) == (1, [1, 1])
    assert all("could not be moved" in line["message"] and line["counts"] for line in told)
    done.unlink()
    assert main(["apply", "--approved", "--json"]) == 0
    assert [line["outcome"] for line in lines(capsys)] == ["done", "done"] and files(tenant, "approved") == []


def test_an_apply_whose_receipt_finds_no_room_does_not_end_well(tenant, tmp_path):
    "All took effect, but there is no receipt to undo it by: exit code 5, and what to do; then there is one."
    path = str(tmp_path / "p.json")
    tenant.put_group("big", "Big")
    tenant.put_customers(members := [f"c-{n:04d}" for n in range(200)])
    tenant.add_members("big", members)
    assert main(["load"]) == 0
    assert main(["plan", "--group", "big", "--members", "Staff", "--out", path]) == 0
    digest = fg.read_plan(path).digest
    apply = [sys.executable, "-m", "frgroups", "apply", path, "--approve", digest]

    full = subprocess.run(apply, preexec_fn=small_files_only, capture_output=True, text=True, check=False)
    again = subprocess.run(apply, capture_output=True, text=True, check=False)

    assert full.returncode == 5 and "Receipt: not kept" in full.stdout and "frgroups undo" not in full.stdout
    assert again.returncode == 0 and "frgroups undo" in again.stdout


def small_files_only():
    """No file of this process may have more than so many bytes: room for the journal, and not for a receipt."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))


def test_who_interrupts_twice_is_told_how_to_go_on(tenant, tmp_path):
    "The second Ctrl-C ends an apply in the middle of a request; the same command again brings it to its end."
    path = str(tmp_path / "p.json")
    assert main(["plan", "--group", "one", "--create", "one", "--members", "Staff", "--out", path]) == 0
    apply = [sys.executable, "-m", "frgroups", "apply", path, "--approve", fg.read_plan(path).digest]
    tenant.misbehave(Fault("hang", method="PUT", seconds=2))

    with subprocess.Popen(apply, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as running:
        while not any('"change"' in one.read_text() for one in (tmp_path / "home").rglob("journals/*/*.jsonl")):
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        time.sleep(0.3)
        running.send_signal(signal.SIGINT)
        told = running.stderr.read()

    assert (
        running.returncode == 1
        and "interrupted. What was sent is in the journal: give the same command again" in told
    )
    assert subprocess.run(apply, capture_output=True, check=False).returncode == 0
