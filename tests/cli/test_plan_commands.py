"""Tests for the arguments and the JSON output of the commands that show, decide, and apply plans."""

import json
import shlex
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import click
import numpy as np
import pandas as pd
import pytest

import frgroups as fg
from frgroups.cli.main import main, root_group
from frgroups.cli.output import print_json_line
from frgroups.review.plan_folders import queue_folder
from frgroups.review.rejections import rejections_in_force
from tests.approvals import approved
from tests.world import select_sandbox

UIDS = [f"c-{n}" for n in range(30)]
COLUMNS = {"digest", "state", "groups", "n_add", "n_remove", "reviewer", "conflicts", "path", "next_command"}


@pytest.fixture
def tenant(running, monkeypatch, tmp_path):
    """Return a sandbox with a stored snapshot that is selected by environment variables."""
    select_sandbox(running, monkeypatch)
    monkeypatch.chdir(tmp_path)
    running.reset()
    running.put_customers(UIDS)
    running.put_group("all", "All")
    running.add_members("all", UIDS)
    running.put_group("vip", "VIP")
    running.add_members("vip", UIDS[:4])
    assert main(["load"]) == 0
    return running


def planned(*words, group="new", members="VIP"):
    """Create a plan that creates a group with `frgroups plan`."""
    assert main(["plan", "--group", group, "--create", group.title(), "--members", members, *words]) == 0


def json_of(capsys, *words, code=0):
    """Run a command with --json and return the JSON object that it prints."""
    capsys.readouterr()
    assert main([*words, "--json"]) == code
    [line] = capsys.readouterr().out.splitlines()
    return json.loads(line)


def newest_plan():
    """Return the newest plan in the data folder."""
    return fg.read_plan(fg.list_plans()["path"].iloc[0])


def test_digest_prefix(tenant, tmp_path, capsys):
    "PLAN and RECEIPT can be at least 8 characters of the digest. A file with this name takes precedence."
    planned()
    digest = newest_plan().digest
    for prefix in (digest[:8], digest[:12].upper(), digest):
        assert json_of(capsys, "show", prefix)["digest"] == digest
    assert main(["show", digest[:7]]) == 1
    assert main(["review", digest[:8], "--out", "r.html"]) == 0
    assert main(["approve", digest[:8], "--by", "Kari"]) == 0
    assert main(["apply", digest[:8]]) == 0
    capsys.readouterr()
    assert main(["undo", digest[:8], "--json"]) in (0, 3)
    assert json.loads(capsys.readouterr().out)["n_remove"] == 4
    planned("--out", digest[:8], group="other")

    assert json_of(capsys, "show", digest[:8])["digest"] != digest


def test_two_files_with_the_same_digest(tenant, tmp_path, capsys):
    "If two plan files have the same digest, the error lists both."
    planned("--out", "a.json")
    shutil.copy("a.json", "b.json")
    digest = fg.read_plan("a.json").digest
    capsys.readouterr()

    for words in (["show"], ["review"], ["apply"], ["approve", "--by", "Kari"]):
        assert main([words[0], digest[:10], *words[1:]]) == 1
        err = capsys.readouterr().err
        assert str(tmp_path / "a.json") in err and str(tmp_path / "b.json") in err


@pytest.mark.parametrize("n_digits", [7, 8, 12, 64])
@pytest.mark.parametrize("copies", ["same file", "damaged copy", "other time"])
def test_withdraw_with_copies(tenant, tmp_path, capsys, copies, n_digits):
    "A withdrawal concerns the changes, so several plan files with the same digest do not prevent it."
    planned("--out", "a.json")
    plan = fg.read_plan("a.json")
    if copies == "other time":
        replace(plan, planned_at=plan.planned_at - timedelta(minutes=1)).save("b.json")
    else:
        shutil.copy("a.json", "b.json")
    if copies == "damaged copy":
        damaged = tmp_path / "a.json"
        damaged.write_text(damaged.read_text().replace(UIDS[1], UIDS[9]))
    fg.approve_plan(plan, tmp_path / "no.json", by="Ola", reject="no")
    words = ["withdraw", plan.digest[:n_digits].upper(), "--by", "Kari"]

    assert main(words) == int(n_digits < 8)

    assert bool(rejections_in_force(plan)) == (n_digits < 8)
    if n_digits >= 8:
        command = capsys.readouterr().out.splitlines()[-1].split("frgroups ")[1]
        assert main([word.replace("NAME", "Kari") for word in shlex.split(command)]) == 0
        assert main(words) == 1


def test_withdraw_covers_all_copies(tenant, tmp_path, capsys):
    "A withdrawal by digest covers the rejection files next to all files of the plan."
    (tmp_path / "shared").mkdir()
    for path in ("a.json", "shared/b.json"):
        planned("--out", path)
    first, second = fg.read_plan("a.json"), fg.read_plan("shared/b.json")
    for plan, reviewer in ((first, "Ola"), (second, "Per")):
        fg.approve_plan(plan, plan.path.with_name("no.json"), by=reviewer, reject="no")
        shutil.rmtree(fg.home() / "decisions")

    assert len(json_of(capsys, "withdraw", first.digest[:8], "--by", "Kari")["withdrawn"]) == 2
    assert rejections_in_force(first) == rejections_in_force(second) == []


def test_withdraw_with_the_prefix_of_two_plans(tenant, capsys, monkeypatch):
    "If plans with different digests have the prefix, a withdrawal is an error that lists both."
    planned("--out", "a.json")
    planned("--out", "b.json", members="All")
    digest = fg.read_plan("a.json").digest
    monkeypatch.setattr("frgroups.cli.plan_files._with_prefix", lambda paths, _: [(p.name, p) for p in paths])

    assert main(["withdraw", digest[:8], "--by", "Kari"]) == 1
    err = capsys.readouterr().err
    assert "a.json" in err and "b.json" in err


@pytest.mark.parametrize("options", [["--out", "b.json"], ["--pending"], []])
def test_next_command_of_rejected_changes(tenant, tmp_path, capsys, options):
    "If a rejection of the changes is in force, the next command of `plan` withdraws it."
    planned("--out", "a.json")
    assert main(["approve", "a.json", "--by", "Ola", "--reject", "no"]) == 0
    capsys.readouterr()

    planned(*options)

    out, err = capsys.readouterr()
    commands = [line.split("frgroups ")[1] for line in out.splitlines() if "frgroups " in line]
    assert len(commands) == 1 and "Ola" in err
    assert commands[0].startswith("withdraw ") and "approve" not in out
    assert main([word.replace("NAME", "Ola") for word in shlex.split(commands[0])]) == 0
    planned(*options)
    assert "frgroups approve" in capsys.readouterr().out


def test_next_command_after_damaged_rejection(tenant, tmp_path, capsys):
    "If a damaged file might be a rejection, `plan` proposes no decision, because each decision would fail."
    (fg.home() / "x.rejected.approval.json").write_text("")
    capsys.readouterr()

    planned()

    out, err = capsys.readouterr()
    assert "x.rejected" in err and "Next" not in out


def test_last(tenant, capsys):
    "Only `show` and `review` accept `last`, the newest plan in the data folder."
    planned(group="first")
    planned(group="second")
    expected = newest_plan()

    for command in ("show", "review"):
        assert json_of(capsys, command, "last")["digest"] == expected.digest
    for words in (["apply"], ["undo"], ["approve", "--by", "Kari"], ["withdraw", "--by", "Kari"]):
        assert main([words[0], "last", *words[1:]]) == 1
    assert set(fg.list_plans()["state"]) == {"pending"}


def test_receipt_of_plan_elsewhere(tenant, capsys):
    "A digest selects the receipt for `undo`, and for `show` if the plan file does not exist."
    planned("--out", "p.json")
    digest = fg.read_plan("p.json").digest
    assert main(["apply", approved("p.json")]) == 0
    fg.read_plan("p.json").path.unlink()

    values = json_of(capsys, "show", digest[:8])

    assert (values["kind"], values["outcome"], values["digest"]) == ("receipt", "done", digest)
    assert main(["undo", "0" * 8]) == 1


def next_of(values):
    """Return the words of the next command in a JSON object."""
    return shlex.split(values["next_command"])[1:]


def test_next_command(tenant, tmp_path, capsys):
    "The next command in the JSON output of each command can be run, even if another plan has the same digest."
    first = json_of(capsys, "plan", "--group", "new", "--create", "New", "--members", "VIP")
    assert next_of(first) == ["approve", first["path"], "--by", "NAME"]
    rejected = json_of(capsys, *next_of(first), "--reject", "no")
    assert next_of(rejected)[0] == "withdraw"
    withdrawn = json_of(capsys, *next_of(rejected))
    assert next_of(withdrawn) == next_of(first)
    approved_plan = json_of(capsys, *next_of(withdrawn))
    assert approved_plan == approved_plan | {"state": "approved", "reviewer": "NAME"}
    assert next_of(json_of(capsys, "show", first["digest"])) == next_of(approved_plan) == ["apply", first["path"]]
    assert next_of(json_of(capsys, "plans")["rows"][0]) == ["apply", first["digest"][:12]]
    shutil.copy(first["path"], fg.home() / "plans" / "copy.plan.json")
    applied = json_of(capsys, *next_of(approved_plan))
    assert (applied["outcome"], applied["path"]) == ("done", first["path"])
    undo = json_of(capsys, *next_of(json_of(capsys, "show", first["path"])), "--out", "my undo.json")
    assert next_of(undo) == ["approve", str(tmp_path / "my undo.json"), "--by", "NAME"]
    (tmp_path / "elsewhere").mkdir()
    decided = json_of(capsys, *next_of(undo), "--out", "elsewhere/ok.json")
    assert decided["approval_path"] == str(tmp_path / "elsewhere" / "ok.json")
    assert json_of(capsys, *next_of(decided))["outcome"] == "done"


def test_state_of_expired_plan(tenant, capsys):
    "An expired plan is not approved, and its state in the list is plan expired."
    planned("--out", "p.json")
    then = datetime.now(UTC) - timedelta(days=30)
    replace(fg.read_plan("p.json"), planned_at=then, snapshot_taken_at=then).save("p.json")

    assert main(["approve", "p.json", "--by", "Kari"]) == 3
    capsys.readouterr()

    values = json_of(capsys, "show", "p.json")
    assert (values["state"], values["next_command"]) == ("plan expired", "")


def test_failed_apply(tenant, capsys):
    "If a plan is not applied, the JSON object contains its digest, its file name, and its path."
    planned()
    plan = newest_plan()

    values = json_of(capsys, "apply", plan.digest[:8], code=8)

    assert (values["plan"], values["path"], values["digest"]) == (plan.path.name, str(plan.path), plan.digest)
    unknown = json_of(capsys, "apply", "0" * 8, code=1)
    assert (unknown["plan"], unknown["digest"]) == ("0" * 8, "")


def test_receipt_values(tenant, capsys):
    "In every command, the key receipt is null if the plan has no receipt. Missing cells of a table are null."
    planned("--out", "p.json")
    for words, code in ((["show", "p.json"], 0), (["apply", "p.json"], 8), (["approve", "p.json", "--by", "K"], 0)):
        assert json_of(capsys, *words, code=code)["receipt"] is None
    receipt = json_of(capsys, "apply", "p.json")["receipt"]
    shown = json_of(capsys, "show", receipt)
    assert (shown["kind"], shown["path"], shown["approval"]["by"]) == ("receipt", receipt, "K")


def test_table_values(tenant, monkeypatch, capsys):
    "`show --table --json` converts missing and NumPy values in the same way as `frgroups table`."
    planned("--out", "p.json")
    values = {
        "n": [np.int64(1), 2],
        "share": [0.5, float("nan")],
        "at": [pd.Timestamp("2026-11-23", tz="UTC"), pd.NaT],
    }
    monkeypatch.setattr(fg.Plan, "table", lambda plan: pd.DataFrame(values))

    rows = json_of(capsys, "show", "p.json", "--table")["rows"]

    assert rows[1] == {"n": 2, "share": None, "at": None}
    with pytest.raises(ValueError, match="JSON"):
        print_json_line({"share": float("nan")})


@pytest.mark.parametrize("option", [[], ["-q"]])
@pytest.mark.parametrize("cause", ["contains no changes", "is blocked"])
def test_not_superseded(tenant, capsys, cause, option):
    "If the new plan is empty or blocked, a warning says that the older plan was not superseded."
    planned("--pending")
    digest = newest_plan().digest
    words = ["--group", "vip", "--members", "VIP"]
    if cause == "is blocked":
        words = ["--group", "vip", "--members", "All", "--limit", "additions_total=1"]
    capsys.readouterr()

    assert main(["plan", *words, "--pending", "--supersede", digest, *option]) == (3 if cause == "is blocked" else 0)

    lines = [line for line in capsys.readouterr().err.splitlines() if "superseded" in line]
    assert len(lines) == (0 if option else 1)
    assert all(digest[:12] in line and cause in line for line in lines)
    assert dict(fg.list_plans().set_index("digest")["state"])[digest] == "pending"


def test_json_of_every_command(tenant, capsys):
    "Each command prints one JSON object with the columns of `list_plans` or with the outcome of the run."
    made = json_of(capsys, "plan", "--group", "new", "--create", "New", "--members", "VIP")
    digest = made["digest"]
    assert made.keys() >= COLUMNS | {"findings", "summary", "review"} and made["state"] == "pending"
    shown = json_of(capsys, "show", digest)
    assert (shown["kind"], shown["path"]) == ("plan", made["path"])
    table = json_of(capsys, "show", digest, "--table")
    assert table["table"] == "changes" and list(table["rows"][0]) == list(newest_plan().table().columns)
    reviewed = json_of(capsys, "review", digest, "--out", "r.html")
    assert reviewed["digest"] == digest and reviewed["review"].endswith("r.html")
    rejection = json_of(capsys, "approve", digest, "--by", "Ola", "--reject", "no")
    assert (rejection["state"], rejection["reviewer"], rejection["reason"]) == ("rejected", "Ola", "no")
    failed = json_of(capsys, "apply", digest, code=8)
    assert (failed["outcome"], failed["exit_code"]) == ("failed", 8)
    assert json_of(capsys, "withdraw", digest, "--by", "Ola")["state"] == "pending"
    approval = json_of(capsys, "approve", digest, "--by", "Kari")
    assert approval.keys() >= COLUMNS and (approval["state"], approval["reviewer"]) == ("approved", "Kari")
    applied = json_of(capsys, "apply", digest)
    assert (applied["outcome"], applied["counts"], applied["digest"]) == ("done", {"verified": 4}, digest)
    main(["undo", digest, "--limit", "removal_share=none", "--limit", "emptied_groups=1", "--json"])
    assert json.loads(capsys.readouterr().out)["n_remove"] == 4


@pytest.mark.parametrize(("listed", "outcome", "code"), [(["c-9"], "done", 0), (["c-9", "c-999"], "partly done", 5)])
def test_outcome_and_exit_code(tenant, tmp_path, capsys, listed, outcome, code):
    "The outcome is done exactly if the exit code is 0. Otherwise, `plans` prints a warning, unless -q is given."
    (tmp_path / "list.csv").write_text("\n".join(["customer_uid", *listed]))
    assert main(["plan", "--group", "vip", "--list", "list.csv", "--out", "p.json"]) == 0

    values = json_of(capsys, "apply", approved("p.json"), code=code)

    assert (values["outcome"], values["exit_code"]) == (outcome, code)
    for option, is_quiet in (([], False), (["-q"], True)):
        assert main(["plans", *option]) == 0
        assert ("1 applied plan" in capsys.readouterr().err) is (code == 5 and not is_quiet)


def test_apply_prints_the_approval(tenant, capsys):
    "Before a plan is sent, `apply` prints the reviewer, the time, and the file of the approval that it found."
    planned("--out", "p.json")
    assert main(["apply", "p.json"]) == 8
    assert main(["approve", "p.json", "--by", "Kari"]) == 0
    assert main(["apply", "p.json", "--no-auto-approval"]) == 8
    assert "new" not in tenant.groups()
    capsys.readouterr()

    assert main(["apply", "p.json"]) == 0

    plan_line, line = capsys.readouterr().out.splitlines()[:2]
    assert fg.read_plan("p.json").digest[:12] in plan_line
    assert "Kari" in line and "UTC" in line and "p.approval.json" in line
    # A plan that was applied needs no approval, because nothing is sent.
    fg.read_plan("p.json").path.with_suffix(".approval.json").unlink()
    tenant.clear_requests()
    assert main(["apply", "p.json"]) == 0 and tenant.requests() == []


def test_blocked_before_approval(tenant):
    "If a plan without an approval exceeds a limit, `apply` returns exit code 3."
    words = ["plan", "--group", "vip", "--members", "All", "--limit", "additions_total=1", "--out", "p.json"]
    assert main(words) == 3

    assert main(["apply", "p.json"]) == 3


def test_supersede(tenant, capsys):
    "A superseded plan cannot be approved or applied, and is moved to the folder stopped."
    planned("--pending")
    old = newest_plan()
    planned("--pending", "--supersede", old.digest[:8], members="All")
    new = newest_plan()

    states = fg.list_plans().set_index("digest")["state"]
    assert dict(states) == {old.digest: "superseded", new.digest: "pending"}
    stopped = queue_folder(old.tenant_uid, old.base_url, "stopped") / old.path.name
    assert main(["approve", str(stopped), "--by", "Kari"]) == 8
    with tenant.client(writable=True) as client, pytest.raises(fg.errors.NotApprovedError, match=new.digest[:12]):
        fg.apply_plan(client, old, approval=old.digest)
    assert main(["apply", str(stopped)]) == 8
    assert main(["approve", new.digest[:8], "--by", "Kari"]) == 0
    assert main(["apply", "--queue"]) == 0


@pytest.mark.parametrize(
    ("state", "source"),
    [
        ("pending", "--members"),
        ("pending", "--declared"),
        ("approved", "--members"),
        ("rejected", "--members"),
        ("superseded", "--members"),
        ("plan expired", "--members"),
    ],
)
def test_equal_plan_in_queue(tenant, capsys, tmp_path, state, source):
    "A plan with the digest of a queued plan is added to the queue only if the queued plan cannot be applied anymore."
    (tmp_path / "groups.toml").write_text('[groups.new]\nexpression = "VIP"\nmode = "add"\ncreate = "New"\n')
    words = ["--group", "new", "--create", "New", "--members", "VIP"]
    if source == "--declared":
        words = ["--declared", "groups.toml"]
    words = ["plan", *words, "--pending"]
    assert main(words) == 0
    plan = newest_plan()
    plan.path.unlink()
    age = timedelta(days=8) if state == "plan expired" else timedelta(seconds=2)
    queued = fg.read_plan(replace(plan, planned_at=plan.planned_at - age).save(plan.path.with_name("old.plan.json")))
    if state in ("approved", "rejected"):
        reject = ["--reject", "no"] if state == "rejected" else []
        assert main(["approve", queued.digest, "--by", "Kari", *reject]) == 0
    elif state == "superseded":
        planned("--pending", "--supersede", queued.digest, members="All")
    is_kept = state in ("pending", "approved")

    result = json_of(capsys, *words)

    files = [path for path in fg.list_plans()["path"] if fg.read_plan(path).digest == queued.digest]
    assert len(files) == (1 if is_kept else 2) and result["digest"] == queued.digest
    assert (result["state"] == state and result["path"] in files) if is_kept else result["path"] != str(queued.path)
    if is_kept:
        assert main(words) == 0 and files[0] in capsys.readouterr().out


@pytest.mark.parametrize("state", ["approved", "applied", "superseded"])
def test_must_not_be_superseded(tenant, capsys, state):
    "An approved, applied, or superseded plan cannot be superseded, and no new plan is created."
    planned("--pending")
    digest = newest_plan().digest
    if state == "superseded":
        planned("--pending", "--supersede", digest, members="All")
    else:
        assert main(["approve", digest, "--by", "Kari"]) == 0
        if state == "applied":
            assert main(["apply", "--queue"]) == 0
    n_plans = len(fg.list_plans())

    words = ["plan", "--group", "vip", "--members", "All", "--pending", "--supersede", digest]
    assert main(words) == 1

    assert state in capsys.readouterr().err and len(fg.list_plans()) == n_plans


def test_quoted_paths(tenant, tmp_path, monkeypatch, capsys):
    "A path with spaces is quoted in the next command, and printed paths contain no percent sign."
    planned("--out", "my plan.json")
    out = capsys.readouterr().out
    assert "frgroups approve 'my plan.json' --by NAME" in out
    planned("--pending")
    assert "%" not in capsys.readouterr().out


# `frgroups table` replaces these commands.
REPLACED = {"sizes", "overlap", "changes"}
# The option --tenant accepts one name, several names, or also a uid, depending on the command.
VARIANTS = {"--group": {"GROUP", "GROUP..."}, "--tenant": {"NAME", "NAME...", "NAME|UID"}}


def test_option_has_one_meaning():
    "An option has the same type and the same metavar in all commands."
    root = root_group()
    context = click.Context(root, **root.context_settings)
    uses = {}
    for name in set(root.list_commands(context)) - REPLACED:
        command = root.get_command(context, name)
        for param in command.params:
            if isinstance(param, click.Option):
                metavar = (
                    "" if param.is_flag else param.make_metavar(click.Context(command, **command.context_settings))
                )
                uses.setdefault(param.opts[-1], set()).add((metavar, type(param.type).__name__))

    different = {option: specs for option, specs in uses.items() if len(specs) > 1}
    assert {option: {metavar for metavar, _ in specs} for option, specs in different.items()} == VARIANTS
